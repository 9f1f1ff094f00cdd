//! The estimators of ∇_θ `E[ℓ(z)]`, each through the library's public interface.

use imle::{
    Adaptive, Dz, Error, Exact, Forward, Imle, Key, Noise, Options, Rows, RowsMut, Shape, States, TopK,
    perturbed_gradient, straight_through,
};

use crate::problem::Loss;

#[derive(Clone, Copy, PartialEq)]
pub enum Estimator {
    /// The gradient of a loss that is linear on C, without sampling.
    Exact,
    /// The mean dz.
    StraightThrough(Draw),
    ImplicitMle {
        options: Options,
        lambda: Lambda,
        dz: Samples,
    },
    /// (1/T) Cov_p(z) · mean dz, for samples from this draw.
    Simple(Draw),
    ScoreFunction,
    /// The score function of the noise.
    Perturbed(Noise),
    /// SIMPLE, corrected by the score function of what dz does not explain. It is unbiased for exact samples and their
    /// own dz.
    UnbiasedSimple(Draw, Samples),
    /// The Rao–Blackwell estimator, for logistic noise.
    Conditional(Options),
}

/// The source of z.
#[derive(Clone, Copy, PartialEq)]
pub enum Draw {
    /// Exact samples of p.
    Exact,
    /// Perturb-and-MAP.
    Perturbed(Options),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Lambda {
    Fixed(f32),
    /// In units of ‖θ‖/‖dz‖ of the first batch. Later batches keep this λ.
    Relative(f32),
    /// 2 ‖θ‖/‖dz‖ of each row. Every row's dz is scaled by it, which makes the λ of all rows 1.
    OfEachRow,
    /// The adaptive rule with this target.
    Adaptive {
        target: f32,
    },
}

/// The dz that an estimator uses for a sample.
#[derive(Clone, Copy, PartialEq)]
pub enum Samples {
    /// Its own.
    Own,
    /// The mean over the row's samples.
    Mean,
}

impl Estimator {
    /// The number of MAP solves for S samples, if the estimator needs only a solver.
    pub fn solves(self, samples: u32) -> Option<u32> {
        match self {
            Estimator::ImplicitMle { options, .. } => match options.difference {
                imle::Difference::Forward => Some(2 * samples),
                imle::Difference::Central => Some(3 * samples),
                _ => None,
            },
            Estimator::Perturbed(_) | Estimator::Conditional(_) => Some(samples),
            Estimator::StraightThrough(draw) if draw != Draw::Exact => Some(samples),
            _ => None,
        }
    }
}

/// One estimator and its buffers for batches of rows. Each row gets its own gradient.
pub struct Gradients<'a> {
    estimator: Estimator,
    loss: &'a Loss,
    adaptive: Adaptive,
    /// λ of the first batch.
    first: Option<f32>,
    pub shape: Shape,
    pub z: Vec<f32>,
    indices: Vec<u32>,
    dz: Vec<f32>,
    losses: Vec<f32>,
    work: Vec<f32>,
}

impl<'a> Gradients<'a> {
    pub fn new(estimator: Estimator, loss: &'a Loss, shape: Shape) -> Result<Self, Error> {
        let states = shape.rows() * shape.samples();
        let work = exact(shape)?.workspace_len().max(imle::workspace_len(shape.n()));
        Ok(Self {
            estimator,
            loss,
            adaptive: Adaptive::default(),
            first: None,
            shape,
            z: vec![0.0; states * shape.n()],
            indices: vec![0; states * shape.k()],
            dz: vec![0.0; states * shape.n()],
            losses: vec![0.0; states],
            work: vec![0.0; work],
        })
    }

    /// Writes to `grad`, `[B][N]`, an estimate for every row of `theta`.
    pub fn estimate(&mut self, key: Key, theta: &[f32], grad: &mut [f32]) -> Result<(), Error> {
        let rows = Rows::contiguous(theta);
        match self.estimator {
            Estimator::Exact => {
                let slope = self.loss.slope_on_states().expect("a loss that is linear on C");
                let slope = slope.iter().map(|v| *v as f32).collect::<Vec<_>>().repeat(self.shape.rows());
                exact(self.shape)?.marginals_vjp(
                    rows,
                    Rows::contiguous(&slope),
                    RowsMut::contiguous(grad),
                    &mut self.work,
                )
            }
            Estimator::StraightThrough(draw) => {
                self.draw(key, theta, draw)?;
                straight_through(self.shape, rows, Dz::per_sample(&self.dz), RowsMut::contiguous(grad))
            }
            Estimator::ImplicitMle { options, lambda, dz } => self.implicit(key, theta, options, lambda, dz, grad),
            Estimator::Simple(draw) => {
                self.draw(key, theta, draw)?;
                let (dz, grad) = (Dz::per_sample(&self.dz), RowsMut::contiguous(grad));
                exact(self.shape)?.simple(rows, dz, grad, &mut self.work)
            }
            Estimator::ScoreFunction => {
                self.draw(key, theta, Draw::Exact)?;
                let grad = RowsMut::contiguous(grad);
                exact(self.shape)?.score_function(rows, &self.indices, &self.losses, grad)
            }
            Estimator::Perturbed(noise) => {
                let options = Options { noise, ..Options::default() };
                self.draw(key, theta, Draw::Perturbed(options))?;
                perturbed_gradient(self.shape, &options, key, rows, &self.losses, RowsMut::contiguous(grad))
            }
            Estimator::UnbiasedSimple(draw, samples) => {
                self.draw(key, theta, draw)?;
                let mean = self.mean_dz(rows)?;
                let dz = match samples {
                    Samples::Own => Dz::per_sample(&self.dz),
                    Samples::Mean => Dz::shared(&mean),
                };
                let grad = RowsMut::contiguous(grad);
                exact(self.shape)?.unbiased_simple(rows, &self.indices, dz, &self.losses, grad, &mut self.work)
            }
            Estimator::Conditional(options) => self.conditional(key, theta, options, grad),
        }
    }

    /// Draws every sample z and computes its loss and dz.
    pub fn draw(&mut self, key: Key, theta: &[f32], draw: Draw) -> Result<(), Error> {
        let rows = Rows::contiguous(theta);
        let states = States::both(&mut self.z, &mut self.indices);
        match draw {
            Draw::Exact => exact(self.shape)?.sample(key, rows, states, &mut self.work)?,
            Draw::Perturbed(options) => layer(self.shape, options)?.sample(key, rows, states, &mut self.work)?,
        }
        self.evaluate();
        Ok(())
    }

    /// Computes the loss and dz of every z.
    fn evaluate(&mut self) {
        let n = self.shape.n();
        let states = self.z.chunks_exact(n).zip(self.dz.chunks_exact_mut(n));
        for ((z, dz), loss) in states.zip(&mut self.losses) {
            *loss = self.loss.value(z) as f32;
            self.loss.gradient(z, dz);
        }
    }

    /// The mean of dz over each row's samples, which is what the straight-through estimator returns.
    pub fn mean_dz(&self, theta: Rows) -> Result<Vec<f32>, Error> {
        let mut mean = vec![0.0; self.shape.rows() * self.shape.n()];
        straight_through(self.shape, theta, Dz::per_sample(&self.dz), RowsMut::contiguous(&mut mean))?;
        Ok(mean)
    }

    fn lambda(&mut self, lambda: Lambda, theta: &[f32], dz: &[f32]) -> Result<f32, Error> {
        match lambda {
            Lambda::Fixed(lambda) => Ok(lambda),
            Lambda::OfEachRow => Ok(1.0),
            Lambda::Adaptive { target } => {
                self.adaptive.target = target;
                self.adaptive.lambda(theta, dz)
            }
            Lambda::Relative(a) => {
                let now = || Adaptive { a, theta_floor: 0.0, ..Adaptive::default() }.lambda(theta, dz);
                self.first.map_or_else(now, Ok).inspect(|lambda| self.first = Some(*lambda))
            }
        }
    }

    fn implicit(
        &mut self,
        key: Key,
        theta: &[f32],
        options: Options,
        lambda: Lambda,
        samples: Samples,
        grad: &mut [f32],
    ) -> Result<(), Error> {
        let rows = Rows::contiguous(theta);
        self.draw(key, theta, Draw::Perturbed(options))?;
        let mut dz = match samples {
            Samples::Own => self.dz.clone(),
            Samples::Mean => self.mean_dz(rows)?,
        };
        let scales = (lambda == Lambda::OfEachRow).then(|| scale_rows(theta, &mut dz, self.shape));
        let lambda = self.lambda(lambda, theta, &dz)?;
        let view = match samples {
            Samples::Own => Dz::per_sample(&dz),
            Samples::Mean => Dz::shared(&dz),
        };
        let layer = layer(self.shape, Options { lambda, ..options })?;
        let out = RowsMut::contiguous(grad);
        let diagnostics = layer.gradient(key, rows, view, Forward::Indices(&self.indices), out, &mut self.work)?;
        for (grad, scale) in grad.chunks_exact_mut(self.shape.n()).zip(scales.into_iter().flatten()) {
            grad.iter_mut().for_each(|g| *g /= scale);
        }
        self.adaptive.update(&diagnostics)
    }
}

/// Multiplies the dz of every row, `[B][N]` or `[B][S][N]`, by 2 ‖θ‖/‖dz‖, and returns these factors. A dz of zeros
/// stays.
fn scale_rows(theta: &[f32], dz: &mut [f32], shape: Shape) -> Vec<f32> {
    let norm = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
    let rows = theta.chunks_exact(shape.n()).zip(dz.chunks_exact_mut(dz.len() / shape.rows()));
    let scale = |(theta, dz): (&[f32], &mut [f32])| {
        let scale = 2.0 * norm(theta) / norm(dz).max(f32::MIN_POSITIVE);
        dz.iter_mut().for_each(|dz| *dz *= scale);
        scale
    };
    rows.map(scale).collect()
}

fn exact(shape: Shape) -> Result<Exact<TopK<'static>>, Error> {
    Exact::new(shape, TopK::new(shape.k), 1.0)
}

fn layer(shape: Shape, options: Options) -> Result<Imle<TopK<'static>>, Error> {
    Imle::new(shape, TopK::new(shape.k), options)
}
