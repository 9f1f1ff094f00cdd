//! One shape with its inputs and outputs, allocated once, and the calls that every bench here measures.

use std::marker::PhantomData;

use imle::{
    Argmax, Distribution, Dz, Exact, ExactOutputs, Forward, Imle, Key, Noise, Options, Rows, RowsMut, Shape, States,
    TopK,
};

/// A call that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// MAP(θ), as an index list.
    Map,
    /// z_s = MAP(θ + ε_s), as states and index lists.
    Sample,
    /// grad_theta, given index lists of the forward pass.
    Gradient,
    /// Exact μ.
    Marginals,
    /// Exact Cov_p(z) v.
    Vjp,
    /// One look at every θ, for scale.
    #[allow(dead_code, reason = "only one of the benches has it")]
    Read,
}

impl Call {
    /// All but `Read`.
    pub const ALL: [Call; 5] = [Call::Map, Call::Sample, Call::Gradient, Call::Marginals, Call::Vjp];

    pub fn name(self) -> &'static str {
        match self {
            Call::Map => "map",
            Call::Sample => "sample",
            Call::Gradient => "gradient",
            Call::Marginals => "marginals",
            Call::Vjp => "vjp",
            Call::Read => "read",
        }
    }

    /// True if the call works on S samples per row.
    pub fn has_samples(self) -> bool {
        matches!(self, Call::Sample | Call::Gradient)
    }
}

/// The solver. Every call makes it anew, as a program would, so that the compiler knows as much about it as there.
pub trait Solver: Distribution {
    fn new(shape: Shape) -> Self;
}

impl Solver for TopK<'static> {
    fn new(shape: Shape) -> Self {
        TopK::new(shape.k)
    }
}

impl Solver for Argmax {
    fn new(_: Shape) -> Self {
        Argmax
    }
}

/// Scores and gradients are standard normal. Every call draws new noise, so that the processor cannot learn the branches.
/// `Gradient` gets the lists of the latest `Sample`.
pub struct Case<D = TopK<'static>> {
    shape: Shape,
    solver: PhantomData<D>,
    pub options: Options,
    step: u64,
    /// May be changed. The next `Sample` makes new lists.
    pub theta: Vec<f32>,
    dz: Vec<f32>,
    map: Vec<u32>,
    z: Vec<f32>,
    indices: Vec<u32>,
    out: Vec<f32>,
    work: Vec<f32>,
}

impl Case {
    /// A case on k-subsets.
    pub fn new(shape: Shape, noise: Noise) -> Case {
        Case::of(shape, noise)
    }
}

impl<D: Solver> Case<D> {
    pub fn of(shape: Shape, noise: Noise) -> Case<D> {
        let (rows, n, states) = (shape.rows(), shape.n(), shape.rows() * shape.samples());
        let exact = Exact::new(shape, D::new(shape), 1.0).unwrap();
        let mut case = Case {
            shape,
            solver: PhantomData,
            options: Options { noise, ..Options::default() },
            step: 0,
            theta: vec![0.0; rows * n],
            dz: vec![0.0; states * n],
            map: vec![0; rows * shape.k()],
            z: vec![0.0; states * n],
            indices: vec![0; states * shape.k()],
            out: vec![0.0; rows * n],
            work: vec![0.0; exact.workspace_len().max(imle::workspace_len(n))],
        };
        let normal = Options { noise: Noise::Normal, ..Options::default() };
        let one_sample = Shape { rows: rows as u32, n: n as u32, k: 0, samples: 1 };
        imle::noise(one_sample, &normal, Key { seed: 1, ..Key::default() }, &mut case.theta).unwrap();
        imle::noise(shape, &normal, Key { seed: 2, ..Key::default() }, &mut case.dz).unwrap();
        case.run(Call::Sample); // `Gradient` needs the lists
        case
    }

    /// The number of coordinates that a call visits.
    pub fn coordinates(&self, call: Call) -> usize {
        let samples = if call.has_samples() { self.shape.samples() } else { 1 };
        self.shape.rows() * samples * self.shape.n()
    }

    pub fn run(&mut self, call: Call) {
        self.step += 1;
        let Case { shape, options, step, .. } = *self;
        let layer = Imle::new(shape, D::new(shape), options).unwrap();
        let exact = Exact::new(shape, D::new(shape), 1.0).unwrap();
        let key = Key { seed: 3, step, ..Key::default() };
        let (theta, work) = (Rows::contiguous(&self.theta), &mut self.work[..]);
        match call {
            Call::Map => layer.map(theta, States::indices(&mut self.map), work),
            Call::Sample => layer.sample(key, theta, States::both(&mut self.z, &mut self.indices), work),
            Call::Gradient => {
                let (dz, grad) = (Dz::per_sample(&self.dz), RowsMut::contiguous(&mut self.out));
                layer.gradient(key, theta, dz, Forward::Indices(&self.indices), grad, work).map(drop)
            }
            Call::Marginals => {
                exact.marginals(theta, ExactOutputs { marginals: Some(&mut self.out), ..ExactOutputs::default() }, work)
            }
            Call::Vjp => {
                exact.marginals_vjp(theta, Rows::contiguous(&self.dz), RowsMut::contiguous(&mut self.out), work)
            }
            Call::Read => layer.check(theta, None, work),
        }
        .unwrap();
    }
}
