//! A call of any function as plain data: good inputs, to be spoilt one at a time.

pub mod faults;

use std::panic::Location;

use imle::{Argument, Dz, Error, Imle, Key, Options, Rows, RowsMut, Shape, Side, States, TopK};

pub const B: usize = 3;
pub const N: usize = 5;
pub const K: usize = 2;
pub const S: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    Map,
    Sample,
    Gradient,
    Check,
    Perturb,
    Target,
    Noise,
    Difference,
    StraightThrough,
    PerturbedGradient,
    FenchelYoung,
}
pub use Function as F;

/// Every function that takes arrays, with the elements that each array needs.
pub const FUNCTIONS: [(Function, &[(&str, usize)]); 11] = [
    (F::Map, &[("k_row", B), ("theta", B * N), ("z", B * N), ("indices", B * K), ("work", 3 * N)]),
    (
        F::Sample,
        &[
            ("k_row", B),
            ("theta", B * N),
            ("z", B * S * N),
            ("indices", B * S * K),
            ("marginals", B * N),
            ("work", 3 * N),
        ],
    ),
    (
        F::Gradient,
        &[
            ("k_row", B),
            ("theta", B * N),
            ("dz", B * S * N),
            ("indices", B * S * K),
            ("grad_theta", B * N),
            ("work", 3 * N),
        ],
    ),
    (F::Check, &[("k_row", B), ("theta", B * N), ("dz", B * S * N)]),
    (F::Perturb, &[("theta", B * N), ("scores", B * S * N)]),
    (F::Target, &[("theta", B * N), ("dz", B * S * N), ("scores", B * S * N)]),
    (F::Noise, &[("epsilon", B * S * N)]),
    (F::Difference, &[("z", B * S * N), ("z_target", B * S * N), ("grad_theta", B * N)]),
    (F::StraightThrough, &[("theta", B * N), ("dz", B * S * N), ("grad_theta", B * N)]),
    (F::PerturbedGradient, &[("theta", B * N), ("losses", B * S), ("grad_theta", B * N)]),
    (
        F::FenchelYoung,
        &[("k_row", B), ("theta", B * N), ("y", B * N), ("loss", B), ("grad_theta", B * N), ("work", 3 * N)],
    ),
];

/// The good inputs of one function. Row b of each is as good as any other, so a fault may go anywhere.
#[derive(Clone)]
pub struct Call {
    pub function: Function,
    pub options: Options,
    pub k_row: Vec<u32>,
    pub theta: Vec<f32>,
    pub theta_stride: usize,
    pub dz: Vec<f32>,
    pub dz_strides: (usize, usize),
    /// The lists that `gradient` replays.
    pub lists: Vec<u32>,
    pub z: Vec<f32>,
    pub z_target: Vec<f32>,
    pub y: Vec<f32>,
    pub losses: Vec<f32>,
    pub grad_stride: usize,
    /// An argument that comes one element short.
    pub short: &'static str,
}

impl Call {
    pub fn new(function: Function) -> Call {
        Call {
            function,
            options: Options::default(),
            k_row: vec![K as u32; B],
            theta: [0.5, -0.0, f32::NEG_INFINITY, 2.0, -1.0].repeat(B),
            theta_stride: 0,
            dz: [0.0, 1.0, -1.0, 3.0, f32::MAX].repeat(B * S),
            dz_strides: (0, N),
            lists: [0, 3, 1, 4].repeat(B),
            z: [1.0, 0.0, 0.0, 1.0, 0.0].repeat(B * S),
            z_target: [0.0, 1.0, 0.0, 1.0, 0.0].repeat(B * S),
            y: [0.0, 1.0, 0.0, 0.5, 0.5].repeat(B),
            losses: [0.5, -1.5].repeat(B),
            grad_stride: 0,
            short: "",
        }
    }

    pub fn needs(&self, argument: &str) -> usize {
        let arguments = FUNCTIONS.iter().find(|(function, _)| *function == self.function).expect("all are listed").1;
        arguments.iter().find(|(name, _)| *name == argument).map_or(0, |&(_, needed)| needed)
    }

    pub fn len(&self, argument: &str) -> usize {
        self.needs(argument) - usize::from(self.short == argument)
    }

    pub fn cut<'a, T>(&self, argument: &str, slice: &'a [T]) -> &'a [T] {
        &slice[..self.len(argument)]
    }

    pub fn run(&self, out: &mut Outputs) -> Result<(), Error> {
        let shape = Shape::new(B as u32, N as u32, K as u32, S as u32)?;
        let (options, key) = (&self.options, Key::default());
        let layer = || {
            let solver = TopK::with_k_row(shape, self.cut("k_row", &self.k_row))?;
            Imle::new(shape, solver, *options)
        };
        let theta = || Rows::strided(self.cut("theta", &self.theta), self.theta_stride);
        let dz = || Dz::strided(self.cut("dz", &self.dz), self.dz_strides.0, self.dz_strides.1);
        let work = &mut vec![0.0; self.len("work")];
        let states = States { z: Some(&mut out.z), indices: Some(&mut out.indices) };
        let grad = RowsMut::strided(&mut out.grad_theta, self.grad_stride);
        match self.function {
            F::Map => layer()?.map(theta(), states, work),
            F::Sample => layer()?.sample(key, theta(), states, Some(&mut out.marginals), work),
            F::Gradient => {
                let lists = self.cut("indices", &self.lists);
                layer()?.gradient(key, theta(), dz(), Some(lists), grad, work).map(drop)
            }
            F::Check => layer()?.check(theta(), Some(dz())),
            F::Perturb => imle::perturb(shape, options, key, theta(), &mut out.scores),
            F::Target => imle::target(shape, options, key, Side::Minus, theta(), dz(), &mut out.scores),
            F::Noise => imle::noise(shape, options, key, &mut out.epsilon),
            F::Difference => {
                let (z, z_target) = (self.cut("z", &self.z), self.cut("z_target", &self.z_target));
                imle::difference(shape, options, z, z_target, grad).map(drop)
            }
            F::StraightThrough => imle::straight_through(shape, theta(), dz(), grad),
            F::PerturbedGradient => {
                imle::perturbed_gradient(shape, options, key, theta(), self.cut("losses", &self.losses), grad)
            }
            F::FenchelYoung => {
                let y = Rows::contiguous(self.cut("y", &self.y));
                layer()?.fenchel_young(key, theta(), y, &mut out.loss, grad, work)
            }
        }
    }

    /// Runs and returns the answer, with the outputs as they were left.
    pub fn answer(&self) -> (Result<(), Error>, Outputs) {
        let mut out = Outputs::untouched(self);
        let answer = self.run(&mut out);
        answer.err().into_iter().for_each(assert_display_names_what_is_wrong);
        (answer, out)
    }

    #[track_caller]
    pub fn fails_before_writing(&self, expected: Error) {
        let (answer, out) = self.answer();
        let context = format!("{:?}, called from {}", self.function, Location::caller());
        assert_eq!(answer, Err(expected), "{context}");
        assert_eq!(out, Outputs::untouched(self), "{context}");
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Outputs {
    pub z: Vec<f32>,
    pub indices: Vec<u32>,
    pub marginals: Vec<f32>,
    pub grad_theta: Vec<f32>,
    pub scores: Vec<f32>,
    pub epsilon: Vec<f32>,
    pub loss: Vec<f32>,
}

impl Outputs {
    pub const UNTOUCHED: f32 = 77.0;

    /// As long as the call says, and holding what no function returns.
    pub fn untouched(call: &Call) -> Outputs {
        let floats = |argument| vec![Self::UNTOUCHED; call.len(argument)];
        Outputs {
            z: floats("z"),
            indices: vec![Self::UNTOUCHED as u32; call.len("indices")],
            marginals: floats("marginals"),
            grad_theta: floats("grad_theta"),
            scores: floats("scores"),
            epsilon: floats("epsilon"),
            loss: floats("loss"),
        }
    }

    /// The first rows from `good`, the others untouched.
    pub fn complete_before(row: usize, good: &Outputs) -> Outputs {
        fn first<T: Copy>(row: usize, good: &[T], untouched: T) -> Vec<T> {
            let complete = row * (good.len() / B);
            good.iter().enumerate().map(|(i, &x)| if i < complete { x } else { untouched }).collect()
        }
        let floats = |good| first(row, good, Self::UNTOUCHED);
        Outputs {
            z: floats(&good.z),
            indices: first(row, &good.indices, Self::UNTOUCHED as u32),
            marginals: floats(&good.marginals),
            grad_theta: floats(&good.grad_theta),
            scores: floats(&good.scores),
            epsilon: floats(&good.epsilon),
            loss: floats(&good.loss),
        }
    }
}

pub fn assert_display_names_what_is_wrong(error: Error) {
    let text = error.to_string();
    let named: Vec<String> = match error {
        Error::Shape { rule } => vec!["shape".into(), rule.text().into()],
        Error::Option { rule } => vec!["options".into(), rule.text().into()],
        Error::RowK { row } => vec!["k_row".into(), format!("row {row}")],
        Error::Stride { argument } => vec![argument.name().into(), "stride".into()],
        Error::Length { argument, needed, given } => {
            vec![argument.name().into(), needed.to_string(), given.to_string()]
        }
        Error::Workspace { needed, given } => vec!["work".into(), needed.to_string(), given.to_string()],
        Error::NonFinite { argument, row } => vec![argument.name().into(), format!("row {row}")],
        Error::Infeasible { row } => vec!["theta".into(), format!("row {row}")],
        Error::NotAState { row } => vec!["indices".into(), format!("row {row}")],
        _ => vec!["no output".into()],
    };
    assert!(named.iter().all(|name| text.contains(name)), "{text:?} does not name {named:?}");
}

/// The argument of this name, of those that can be too short.
pub fn named(name: &str) -> Argument {
    use Argument::{Dz, Epsilon, GradTheta, Indices, KRow, Loss, Losses, Marginals, Scores, Theta, Y, Z, ZTarget};
    [Dz, Epsilon, GradTheta, Indices, KRow, Loss, Losses, Marginals, Scores, Theta, Y, Z, ZTarget]
        .into_iter()
        .find(|argument| argument.name() == name)
        .expect("all are listed")
}

/// Every function with every argument that it takes.
pub fn functions_and_arguments() -> impl Iterator<Item = (Function, &'static str)> {
    FUNCTIONS.iter().flat_map(|&(function, arguments)| arguments.iter().map(move |&(argument, _)| (function, argument)))
}
