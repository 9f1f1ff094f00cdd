//! The experiments: jobs for all cores, with the same results whatever the number of cores.

use std::time::Instant;

use imle::{Error, Key, Shape};
use report::{ProgressBar, in_parallel};

use crate::descent::{Start, descend};
use crate::estimator::{Estimator, Gradients, Samples};
use crate::methods::{Descent, General, KINDS, Method, Published, over_lambda, over_samples, relative};
use crate::problem::{Kind, Problem, SEEDS};
use crate::quality::{Quality, measure};

pub struct Experiments<'a> {
    pub repeats: u32,
    pub draws: u32,
    pub seed: u64,
    pub bar: &'a ProgressBar,
}

/// A curve's name and points.
pub type Curve = (&'static str, Vec<(f64, Quality)>);

/// The λ of the curves, in ‖θ‖/‖dz‖, and their S.
const LAMBDAS: [f32; 8] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
const SAMPLES: [u32; 4] = [2, 4, 8, 16];

impl Experiments<'_> {
    /// Returns the gaps `[STEPS][repeats]` of every descent.
    pub fn descents(&self, start: &Start, descents: &[Descent]) -> Result<Vec<Vec<Vec<f64>>>, Error> {
        self.bar.inc_length(descents.len() as u64);
        let gaps = in_parallel(descents.len(), |job| {
            let Descent { method, rate, .. } = &descents[job];
            self.bar.inc(1);
            descend(start, method.estimator, method.samples, *rate, self.repeats, self.seed)
        });
        gaps.into_iter().collect()
    }

    pub fn qualities(&self, methods: &[(Method, Published)]) -> Result<Vec<Quality>, Error> {
        let problems = problems(KINDS[0]);
        let jobs: Vec<_> = methods.iter().map(|(method, _)| (method.estimator, method.samples, self.draws)).collect();
        self.over_problems(&problems, &jobs)
    }

    /// Returns, for every method, the quality of its best setting on each of `KINDS`.
    pub fn generals(&self, methods: &[General]) -> Result<Vec<Vec<Quality>>, Error> {
        let mut qualities: Vec<Vec<Quality>> = methods.iter().map(|_| Vec::new()).collect();
        for kind in KINDS {
            let jobs: Vec<_> = methods
                .iter()
                .flat_map(|method| method.settings.iter().map(|setting| (*setting, method.samples, self.draws / 10)))
                .collect();
            let mut measured = self.over_problems(&problems(kind), &jobs)?.into_iter();
            for (method, qualities) in methods.iter().zip(&mut qualities) {
                let settings = measured.by_ref().take(method.settings.len());
                qualities.extend(settings.min_by(|a, b| a.error.total_cmp(&b.error)));
            }
        }
        Ok(qualities)
    }

    /// Bias and error over λ, one sample, on the first of `KINDS`.
    pub fn over_lambda(&self) -> Result<Vec<Curve>, Error> {
        let job = |options, a| (relative(options, a, Samples::Own), 1, self.draws / 10);
        let methods = over_lambda();
        let jobs: Vec<_> = methods.iter().flat_map(|(_, options)| LAMBDAS.map(|a| job(*options, a))).collect();
        let measured = self.over_problems(&problems(KINDS[0]), &jobs)?;
        let curve = |((name, _), qualities): (&(&'static str, _), &[Quality])| {
            (*name, LAMBDAS.iter().map(|a| f64::from(*a)).zip(qualities.iter().copied()).collect())
        };
        Ok(methods.iter().zip(measured.chunks_exact(LAMBDAS.len())).map(curve).collect())
    }

    /// Quality over S, on the second of `KINDS`.
    pub fn over_samples(&self) -> Result<Vec<Curve>, Error> {
        let methods = over_samples();
        let grid = methods.iter().flat_map(|(_, estimator)| SAMPLES.map(|samples| (*estimator, samples)));
        let jobs: Vec<_> = grid.map(|(estimator, samples)| (estimator, samples, self.draws / 20)).collect();
        let measured = self.over_problems(&problems(KINDS[1]), &jobs)?;
        let curve = |((name, _), qualities): (&(&'static str, _), &[Quality])| {
            (*name, SAMPLES.iter().map(|samples| f64::from(*samples)).zip(qualities.iter().copied()).collect())
        };
        Ok(methods.iter().zip(measured.chunks_exact(SAMPLES.len())).map(curve).collect())
    }

    /// Returns the mean over the problems for every job. A job is an estimator, S and the number of draws.
    fn over_problems(&self, problems: &[Problem], jobs: &[(Estimator, u32, u32)]) -> Result<Vec<Quality>, Error> {
        self.bar.inc_length((jobs.len() * problems.len()) as u64);
        let measured = in_parallel(jobs.len() * problems.len(), |number| {
            let (estimator, samples, draws) = jobs[number / problems.len()];
            self.bar.inc(1);
            measure(&problems[number % problems.len()], estimator, samples, draws, self.seed)
        });
        let measured: Vec<Quality> = measured.into_iter().collect::<Result<_, _>>()?;
        Ok(measured.chunks_exact(problems.len()).map(Quality::mean).collect())
    }
}

fn problems(kind: Kind) -> Vec<Problem> {
    in_parallel(SEEDS.len(), |number| kind.problem(SEEDS[number]))
}

/// Seconds for one gradient on each of `KINDS`, with the loss and dz, on one thread. The fastest of several runs counts.
pub fn seconds(methods: &[General]) -> Result<Vec<Vec<f64>>, Error> {
    let problems = KINDS.map(|kind| kind.problem(SEEDS[0]));
    methods
        .iter()
        .map(|method| problems.iter().map(|problem| seconds_of(method.settings[0], method.samples, problem)).collect())
        .collect()
}

fn seconds_of(estimator: Estimator, samples: u32, problem: &Problem) -> Result<f64, Error> {
    const ROWS: u32 = 100;
    const RUNS: u64 = 20;
    let shape = Shape { rows: ROWS, n: problem.theta.len() as u32, k: problem.k as u32, samples };
    let mut gradients = Gradients::new(estimator, &problem.loss, shape)?;
    let theta: Vec<f32> = problem.theta.iter().map(|t| *t as f32).collect::<Vec<_>>().repeat(ROWS as usize);
    let mut grad = vec![0.0; theta.len()];
    let mut least = f64::INFINITY;
    for step in 0..RUNS {
        let start = Instant::now();
        gradients.estimate(Key { seed: 0, step, ..Key::default() }, &theta, &mut grad)?;
        least = least.min(start.elapsed().as_secs_f64() / f64::from(ROWS));
    }
    Ok(least)
}
