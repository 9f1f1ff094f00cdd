//! A call of any function as plain data: good inputs, of which a test spoils one at a time.

pub mod faults;
pub mod options;

use std::panic::Location;

use imle::{Argument, Dz, Error, Forward, Imle, Key, Options, Rows, RowsMut, Shape, Side, States, TopK};

pub const B: usize = 3;
/// A row whose scores are all computed, and one that is pruned.
pub const NS: [usize; 2] = [5, 200];
pub const K: usize = 2;
pub const S: usize = 2;

pub fn shape(n: usize) -> Shape {
    Shape { rows: B as u32, n: n as u32, k: K as u32, samples: S as u32 }
}

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

/// Every function that takes arrays, and its arrays.
pub const FUNCTIONS: [(Function, &[&str]); 11] = [
    (F::Map, &["k_row", "theta", "z", "indices", "work"]),
    (F::Sample, &["k_row", "theta", "z", "indices", "marginals", "work"]),
    (F::Gradient, &["k_row", "theta", "dz", "indices", "grad_theta", "work"]),
    (F::Check, &["k_row", "theta", "dz"]),
    (F::Perturb, &["theta", "scores"]),
    (F::Target, &["theta", "dz", "scores"]),
    (F::Noise, &["epsilon"]),
    (F::Difference, &["z", "z_target", "grad_theta"]),
    (F::StraightThrough, &["theta", "dz", "grad_theta"]),
    (F::PerturbedGradient, &["theta", "losses", "grad_theta"]),
    (F::FenchelYoung, &["k_row", "theta", "y", "loss", "grad_theta", "work"]),
];

/// The good inputs of one function. All rows are alike, so a fault may go into any of them.
#[derive(Clone)]
pub struct Call {
    pub function: Function,
    pub n: usize,
    pub options: Options,
    pub k_row: Vec<u32>,
    pub theta: Vec<f32>,
    pub theta_stride: usize,
    pub dz: Vec<f32>,
    pub dz_strides: (usize, usize),
    /// The index lists that `gradient` replays.
    pub lists: Vec<u32>,
    pub z: Vec<f32>,
    pub z_target: Vec<f32>,
    pub y: Vec<f32>,
    pub losses: Vec<f32>,
    pub grad_stride: usize,
    /// The argument that is one element too short, if any.
    pub short: &'static str,
}

impl Call {
    pub fn new(function: Function, n: usize) -> Call {
        // `count` equal rows of n that begin with the given values.
        let rows = |start: [f32; 5], rest: fn(usize) -> f32, count| {
            let row: Vec<f32> = (0..n).map(|i| start.get(i).copied().unwrap_or_else(|| rest(i))).collect();
            row.repeat(count)
        };
        let low = |i| -1.5 - (i % 7) as f32;
        let small = |i| (i % 5) as f32 - 2.0;
        let zero = |_| 0.0;
        Call {
            function,
            n,
            options: Options::default(),
            k_row: vec![K as u32; B],
            theta: rows([0.5, -0.0, f32::NEG_INFINITY, 2.0, -1.0], low, B),
            theta_stride: 0,
            dz: rows([0.0, 1.0, -1.0, 3.0, f32::MAX], small, B * S),
            dz_strides: (0, n),
            lists: [0, 3, 1, 4].repeat(B),
            z: rows([1.0, 0.0, 0.0, 1.0, 0.0], zero, B * S),
            z_target: rows([0.0, 1.0, 0.0, 1.0, 0.0], zero, B * S),
            y: rows([0.0, 1.0, 0.0, 0.5, 0.5], zero, B),
            losses: [0.5, -1.5].repeat(B),
            grad_stride: 0,
            short: "",
        }
    }

    /// Every function with good inputs, at every n.
    pub fn all() -> impl Iterator<Item = Call> {
        NS.into_iter().flat_map(|n| FUNCTIONS.map(|(function, _)| Call::new(function, n)))
    }

    /// The arrays that the function takes.
    pub fn arguments(&self) -> &'static [&'static str] {
        FUNCTIONS.iter().find(|(function, _)| *function == self.function).expect("all are listed").1
    }

    pub fn takes(&self, argument: &str) -> bool {
        self.arguments().contains(&argument)
    }

    /// The number of elements that an array must have; 0 if the function does not take it.
    pub fn needs(&self, argument: &str) -> usize {
        let states = if self.function == F::Map { B } else { B * S };
        match argument {
            _ if !self.takes(argument) => 0,
            "k_row" | "loss" => B,
            "theta" | "y" | "marginals" | "grad_theta" => B * self.n,
            "dz" | "z" | "z_target" | "scores" | "epsilon" => states * self.n,
            "indices" => states * K,
            "losses" => B * S,
            "work" => 3 * self.n,
            _ => unreachable!("{argument} is in no list"),
        }
    }

    pub fn len(&self, argument: &str) -> usize {
        self.needs(argument) - usize::from(self.short == argument)
    }

    pub fn cut<'a, T>(&self, argument: &str, slice: &'a [T]) -> &'a [T] {
        &slice[..self.len(argument)]
    }

    pub fn run(&self, out: &mut Outputs) -> Result<(), Error> {
        let shape = shape(self.n);
        let (options, key) = (&self.options, Key::default());
        let layer = || {
            let solver = TopK::per_row(self.cut("k_row", &self.k_row));
            Imle::new(shape, solver, *options)
        };
        let theta = || Rows::strided(self.cut("theta", &self.theta), self.theta_stride);
        let dz = || Dz::strided(self.cut("dz", &self.dz), self.dz_strides.0, self.dz_strides.1);
        let work = &mut vec![0.0; self.len("work")];
        let states = States::both(&mut out.z, &mut out.indices);
        let grad = RowsMut::strided(&mut out.grad_theta, self.grad_stride);
        match self.function {
            F::Map => layer()?.map(theta(), states, work),
            F::Sample => {
                let states = States { marginals: Some(&mut out.marginals), ..states };
                layer()?.sample(key, theta(), states, work)
            }
            F::Gradient => {
                let lists = self.cut("indices", &self.lists);
                layer()?.gradient(key, theta(), dz(), Forward::Indices(lists), grad, work).map(drop)
            }
            F::Check => layer()?.check(theta(), Some(dz()), &mut []),
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

    /// Runs the call and returns its answer and the outputs after it.
    pub fn answer(&self) -> (Result<(), Error>, Outputs) {
        let mut out = Outputs::untouched(self);
        let answer = self.run(&mut out);
        answer.err().into_iter().for_each(assert_display_names_what_is_wrong);
        (answer, out)
    }

    #[track_caller]
    pub fn fails_before_writing(&self, expected: Error) {
        let (answer, out) = self.answer();
        let context = format!("{:?}, n {}, called from {}", self.function, self.n, Location::caller());
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

    /// Outputs of the lengths that the call says, filled with a value that no function returns.
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

/// The argument of this name, among those that can be too short.
pub fn named(name: &str) -> Argument {
    use Argument::{Dz, Epsilon, GradTheta, Indices, KRow, Loss, Losses, Marginals, Scores, Theta, Y, Z, ZTarget};
    [Dz, Epsilon, GradTheta, Indices, KRow, Loss, Losses, Marginals, Scores, Theta, Y, Z, ZTarget]
        .into_iter()
        .find(|argument| argument.name() == name)
        .expect("all are listed")
}
