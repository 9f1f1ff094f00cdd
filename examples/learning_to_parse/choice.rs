//! The choice of the arcs that the predictor sees, and the gradient that the scorer learns from.

use imle::{
    Coupling, Difference, Dz, Error, Exact, Forward, Imle, Key, MapSolver, Noise, Options, Rows, RowsMut, Shape,
    States, Tree, Unsolved,
};

/// The temperature of the noise and of the exact distributions. At 1 the reviews' trees stay random for many epochs, and a
/// predictor that learned from them does worse with the best tree.
const TEMPERATURE: f32 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// All words hang from the root, so no arc joins two words.
    Flat,
    /// Every word hangs from the one before it.
    Chain,
    /// Every word hangs from the one behind it.
    BackwardChain,
    /// A uniformly random tree for each sentence and step.
    RandomTrees,
    /// Each word's best arc, whether or not they make a tree, with the gradient of Implicit MLE.
    BestHeads,
    /// The best tree, with the gradient of Implicit MLE.
    Implicit,
    /// Random trees of the scorer's distribution, with the gradient of SIMPLE.
    Simple,
    /// The marginals in place of a tree while training, with their exact gradient.
    Marginals,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Flat => "all from the root",
            Method::Chain => "chain, head before",
            Method::BackwardChain => "chain, head behind",
            Method::RandomTrees => "random trees",
            Method::BestHeads => "best heads, I-MLE",
            Method::Implicit => "trees, I-MLE",
            Method::Simple => "trees, SIMPLE",
            Method::Marginals => "trees, marginals",
        }
    }

    /// True if a scorer decides.
    pub fn learns(self) -> bool {
        matches!(self, Method::BestHeads | Method::Implicit | Method::Simple | Method::Marginals)
    }

    /// The states that a training step draws for each sentence.
    pub fn samples(self) -> usize {
        if matches!(self, Method::BestHeads | Method::Implicit | Method::Simple) { 2 } else { 1 }
    }
}

/// The options of Implicit MLE, but for lambda, which is adaptive.
fn options(lambda: f32) -> Options {
    Options {
        noise: Noise::Gumbel,
        temperature: TEMPERATURE,
        target_temperature: TEMPERATURE,
        difference: Difference::Central,
        coupling: Coupling::Stratified,
        lambda,
        ..Options::default()
    }
}

fn shape(n: usize, samples: usize) -> Shape {
    Shape { rows: 1, n: (n * n) as u32, k: n as u32, samples: samples as u32 }
}

fn tree(n: usize) -> Tree<'static> {
    Tree::new(n as u32).single_root()
}

/// The states of a training step, `[S][n][n]`. `key` names the step and, as its row, the sentence.
pub fn draw(method: Method, key: Key, theta: &[f32], n: usize) -> Result<Vec<f32>, Error> {
    let shape = shape(n, method.samples());
    let mut z = vec![0.0; shape.samples as usize * n * n];
    match method {
        Method::BestHeads => sample(&Imle::new(shape, BestHeads { n }, options(1.0))?, key, theta, &mut z)?,
        Method::Implicit => sample(&Imle::new(shape, tree(n), options(1.0))?, key, theta, &mut z)?,
        Method::Simple => sample_exact(shape, key, theta, &mut z)?,
        Method::Marginals => {
            let exact = Exact::new(shape, tree(n), TEMPERATURE)?;
            let mut work = vec![0.0; exact.workspace_len()];
            let out = imle::ExactOutputs { marginals: Some(&mut z), ..imle::ExactOutputs::default() };
            exact.marginals(Rows::contiguous(theta), out, &mut work)?;
        }
        _ => z = choose(method, key, theta, n)?,
    }
    Ok(z)
}

fn sample<M: MapSolver>(layer: &Imle<M>, key: Key, theta: &[f32], z: &mut [f32]) -> Result<(), Error> {
    let mut work = vec![0.0; layer.workspace_len()];
    layer.sample(key, Rows::contiguous(theta), States::z(z), &mut work)
}

fn sample_exact(shape: Shape, key: Key, theta: &[f32], z: &mut [f32]) -> Result<(), Error> {
    let exact = Exact::new(shape, tree(shape.k as usize), TEMPERATURE)?;
    let mut work = vec![0.0; exact.workspace_len()];
    exact.sample(key, Rows::contiguous(theta), States::z(z), &mut work)
}

/// The state at test time, `[n][n]`: MAP(theta), or the structure that no scorer decides.
pub fn choose(method: Method, key: Key, theta: &[f32], n: usize) -> Result<Vec<f32>, Error> {
    let shape = shape(n, 1);
    let mut z = vec![0.0; n * n];
    match method {
        Method::Flat => set_heads(&mut z, n, |d| d),
        Method::Chain => set_heads(&mut z, n, |d| d.saturating_sub(1)),
        Method::BackwardChain => set_heads(&mut z, n, |d| (d + 1).min(n - 1)),
        Method::RandomTrees => sample_exact(shape, key, &vec![0.0; n * n], &mut z)?,
        Method::BestHeads => map(&Imle::new(shape, BestHeads { n }, Options::default())?, theta, &mut z)?,
        Method::Implicit | Method::Simple | Method::Marginals => {
            map(&Imle::new(shape, tree(n), Options::default())?, theta, &mut z)?;
        }
    }
    Ok(z)
}

fn map<M: MapSolver>(layer: &Imle<M>, theta: &[f32], z: &mut [f32]) -> Result<(), Error> {
    let mut work = vec![0.0; layer.workspace_len()];
    layer.map(Rows::contiguous(theta), States::z(z), &mut work)
}

fn set_heads(z: &mut [f32], n: usize, head: impl Fn(usize) -> usize) {
    for d in 0..n {
        z[head(d) * n + d] = 1.0;
    }
}

/// The head of each word; d itself for an arc from the root.
pub fn heads(z: &[f32], n: usize) -> Vec<usize> {
    (0..n).map(|d| (0..n).find(|h| z[h * n + d] == 1.0).unwrap_or(d)).collect()
}

/// The gradient of the loss with respect to theta, from the mean dz of the drawn states, with the states that differ
/// for an adaptive lambda.
pub fn gradient(
    method: Method,
    key: Key,
    lambda: f32,
    theta: &[f32],
    dz: &[f32],
    n: usize,
) -> Result<(Vec<f32>, imle::Diagnostics), Error> {
    let shape = shape(n, method.samples());
    let mut grad = vec![0.0; n * n];
    let diagnostics = match method {
        Method::BestHeads => implicit(&Imle::new(shape, BestHeads { n }, options(lambda))?, key, theta, dz, &mut grad)?,
        Method::Implicit => implicit(&Imle::new(shape, tree(n), options(lambda))?, key, theta, dz, &mut grad)?,
        _ => {
            let exact = Exact::new(shape, tree(n), TEMPERATURE)?;
            let mut work = vec![0.0; exact.workspace_len()];
            let (theta, out) = (Rows::contiguous(theta), RowsMut::contiguous(&mut grad));
            exact.marginals_vjp(theta, Rows::contiguous(dz), out, &mut work)?;
            imle::Diagnostics::default()
        }
    };
    Ok((grad, diagnostics))
}

fn implicit<M: MapSolver>(
    layer: &Imle<M>,
    key: Key,
    theta: &[f32],
    dz: &[f32],
    grad: &mut [f32],
) -> Result<imle::Diagnostics, Error> {
    let mut work = vec![0.0; layer.workspace_len()];
    let (theta, grad) = (Rows::contiguous(theta), RowsMut::contiguous(grad));
    layer.gradient(key, theta, Dz::shared(dz), Forward::Replay, grad, &mut work)
}

/// Each word's best arc, on its own: a solver that does not know what a tree is.
struct BestHeads {
    n: usize,
}

impl MapSolver for BestHeads {
    fn map(&self, _row: usize, scores: &[f32], z: &mut [f32], _work: &mut [f32]) -> Result<(), Unsolved> {
        let n = self.n;
        z.fill(0.0);
        set_heads(z, n, |d| (1..n).fold(0, |best, h| if scores[h * n + d] > scores[best * n + d] { h } else { best }));
        Ok(())
    }

    fn ones(&self, _row: usize) -> Option<usize> {
        Some(self.n)
    }
}
