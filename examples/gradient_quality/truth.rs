//! The distribution in f64, with which the estimates are compared.

/// p(z; θ) ∝ exp⟨z, θ⟩ on the k-subsets of n.
pub struct Distribution {
    k: usize,
    weights: Vec<f64>,
    /// The elementary symmetric polynomials of the weights from i on: `tails[i][j]` is the one of degree j.
    tails: Vec<Vec<f64>>,
    shift: f64,
}

impl Distribution {
    pub fn new(theta: &[f64], k: usize) -> Self {
        let n = theta.len();
        let shift = theta.iter().sum::<f64>() / n as f64;
        let weights: Vec<f64> = theta.iter().map(|t| (t - shift).exp()).collect();
        let mut tails = vec![vec![0.0; k + 1]; n + 1];
        tails[n][0] = 1.0;
        for i in (0..n).rev() {
            let (head, tail) = tails.split_at_mut(i + 1);
            add_factor(&tail[0], weights[i], &mut head[i]);
        }
        Self { k, weights, tails, shift }
    }

    pub fn log_partition(&self) -> f64 {
        self.tails[0][self.k].ln() + self.k as f64 * self.shift
    }

    pub fn marginals(&self) -> Vec<f64> {
        let k = self.k;
        let mut head = vec![0.0; k + 1];
        head[0] = 1.0;
        let mut marginals = Vec::with_capacity(self.weights.len());
        for (&weight, tail) in self.weights.iter().zip(&self.tails[1..]) {
            let without: f64 = (0..k).map(|j| head[j] * tail[k - 1 - j]).sum();
            marginals.push(weight * without / self.tails[0][k]);
            let before = head.clone();
            add_factor(&before, weight, &mut head);
        }
        marginals
    }
}

/// out = polynomials · (1 + weight·x), to the degree of `out`.
fn add_factor(polynomials: &[f64], weight: f64, out: &mut [f64]) {
    out.copy_from_slice(polynomials);
    for (out, lower) in out[1..].iter_mut().zip(polynomials) {
        *out += weight * lower;
    }
}

pub fn marginals(theta: &[f64], k: usize) -> Vec<f64> {
    Distribution::new(theta, k).marginals()
}

/// μ(θ), and the first and second derivative of μ(θ + t·v) at t = 0: Cov_p(z) v, and the third cumulant along v.
pub fn derivatives(theta: &[f64], k: usize, v: &[f64]) -> [Vec<f64>; 3] {
    const H: f64 = 1e-3;
    let moved = |t: f64| marginals(&theta.iter().zip(v).map(|(theta, v)| theta + t * v).collect::<Vec<_>>(), k);
    let points = [-2.0, -1.0, 0.0, 1.0, 2.0].map(|t| moved(t * H));
    let combine = |factors: [f64; 5], divisor: f64| {
        (0..theta.len()).map(|i| (0..5).map(|p| factors[p] * points[p][i]).sum::<f64>() / divisor).collect()
    };
    let first = combine([1.0, -8.0, 0.0, 8.0, -1.0], 12.0 * H);
    let second = combine([-1.0, 16.0, -30.0, 16.0, -1.0], 12.0 * H * H);
    let [_, _, mu, _, _] = points;
    [mu, first, second]
}

/// ∇_θ `E_p[loss]` of any loss, by enumeration.
pub fn gradient_by_enumeration(theta: &[f64], k: usize, loss: impl Fn(&[f32]) -> f64) -> Vec<f64> {
    let distribution = Distribution::new(theta, k);
    let (mu, log_partition) = (distribution.marginals(), distribution.log_partition());
    let mut gradient = vec![0.0; theta.len()];
    let mut z = vec![0.0; theta.len()];
    for_each_state(&mut z, 0, k, &mut |z| {
        let score: f64 = z.iter().zip(theta).map(|(z, theta)| f64::from(*z) * theta).sum();
        let weighted = (score - log_partition).exp() * loss(z);
        for ((gradient, z), mu) in gradient.iter_mut().zip(z).zip(&mu) {
            *gradient += weighted * (f64::from(*z) - mu);
        }
    });
    gradient
}

/// All states that agree with z before `from` and have k ones from there on.
fn for_each_state(z: &mut [f32], from: usize, k: usize, visit: &mut impl FnMut(&[f32])) {
    if k == 0 {
        return visit(z);
    }
    for i in from..=z.len() - k {
        z[i] = 1.0;
        for_each_state(z, i + 1, k - 1, visit);
        z[i] = 0.0;
    }
}
