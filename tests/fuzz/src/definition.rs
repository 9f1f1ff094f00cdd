//! The definitions: what the outputs of a row alone must be. The noise comes from `imle_noise`; scores, sorts and means
//! are computed here, one rounding after the other.

use imle_ffi::*;

use crate::call::{Array, Call, JUNK, Outcome, Place};
use crate::check::GUARD;
use crate::draw::FEW_WORDS;
use crate::mode;
use crate::rules;
use crate::table::{Family, Role, function, role};

#[path = "../../common/reference/definitions.rs"]
#[allow(dead_code, reason = "only a part is used")]
mod reference;

#[path = "../../common/reference/log_space.rs"]
#[allow(dead_code, reason = "only a part is used")]
mod log_space;

fn floats(words: &[u32]) -> Vec<f32> {
    words.iter().map(|&word| f32::from_bits(word)).collect()
}

fn words(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|x| x.to_bits()).collect()
}

fn same(what: &str, found: &[f32], expected: &[f32]) -> Result<(), String> {
    if words(found) == words(expected) {
        return Ok(());
    }
    Err(format!("{what} is {found:?}, by the definition {expected:?}"))
}

/// A number that overflows counts as the largest float.
fn finite(x: f64) -> f64 {
    x.clamp(f32::MIN.into(), f32::MAX.into())
}

fn expect(good: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if good { Ok(()) } else { Err(what()) }
}

/// A row alone, and what the call gave for it.
struct Row<'a> {
    call: &'a Call,
    result: &'a Outcome,
    n: usize,
    samples: usize,
    theta: Vec<f32>,
}

/// Checks a row alone by the definitions.
pub fn check(call: &Call, result: &Outcome) -> Result<(), String> {
    let theta = call.array("theta").map_or(Vec::new(), |theta| floats(&theta.words));
    let row = Row { call, result, n: call.n(), samples: call.samples(), theta };
    match (call.function.family(), call.function.short()) {
        (Family::TopK | Family::Argmax, "map") => row.states(&[row.map(&row.theta)]),
        (Family::TopK | Family::Argmax | Family::Tree, "sample") => match row.forward() {
            Some(states) => row.states(&states),
            None => Ok(()),
        },
        (Family::TopK | Family::Argmax | Family::Tree, "gradient") => row.gradient(),
        (_, "fenchel_young") => row.fenchel_young(),
        (Family::Tree, "map") => row.best_tree(),
        (_, "sample_exact") => row.good_states(),
        (_, "perturb") => row.scores(|row, s| {
            reference::scores(&row.theta, row.call.options.temperature, &row.epsilon()[s * row.n..][..row.n])
        }),
        (_, "target") => row.scores(|row, s| row.target(row.call.side as f32, s)),
        (_, "noise") => expect(row.get("noise", row.samples * row.n).iter().all(|x| x.is_finite()), || {
            "the noise is not finite".into()
        }),
        (_, "heads") => row.heads(),
        (_, "straight_through") => row.straight_through(),
        (_, "marginals") => row.marginals(),
        (_, "marginals_vjp") => row.covariance("out", &floats(&call.array("v").expect("an input").words)),
        (_, "simple") => row.covariance("grad_theta", &row.mean_of_dz()),
        (_, "log_prob") => row.log_prob(),
        (_, "kl") => expect(row.get("kl", 1)[0] >= 0.0, || "a KL below 0".into()),
        (_, "log_partitions") => row.log_partitions(),
        _ => Ok(()),
    }
}

impl Row<'_> {
    fn get(&self, name: &'static str, len: usize) -> Vec<f32> {
        floats(&self.result.output(self.call, name).expect("it is asked for")[..len])
    }

    /// Another function for this row.
    fn ask(&self, name: &str, inputs: &[(&'static str, &[f32])], output: &'static str, len: usize) -> Option<Vec<f32>> {
        let function = function(name);
        let mut call = Call { function, arrays: Vec::new(), mode: mode::DEFAULT, ..self.call.clone() };
        if call.options.sog_kappa == 0.0 && !function.chooses() {
            call.options.sog_kappa = (self.ones() as f32).clamp(1.0, 65536.0);
        }
        if function.ignores_samples() {
            call.shape.samples = 1;
        }
        call.numbers.clear();
        call.set("work_len", call.floats_needed());
        if function.has("dz") {
            call.set("dz_sample_stride", self.call.number("dz_sample_stride"));
        }
        for &argument in function.arguments.iter().filter(|name| role(name) != Role::Number) {
            let given = inputs.iter().find(|(name, _)| *name == argument).map(|(_, floats)| words(floats));
            let own = self.call.given(argument).map(|array| array.words.clone());
            let (array, place) = match role(argument) {
                Role::Struct => (Vec::new(), Place::Own),
                Role::Input => {
                    let words = given.or(own);
                    let place = if words.is_some() { Place::Own } else { Place::Null };
                    (words.unwrap_or_default(), place)
                }
                _ => (vec![JUNK; call.extent(argument)], Place::Own),
            };
            call.arrays.push(Array { name: argument, words: array, place, shift: 0 });
        }
        let outcome = call.run(GUARD);
        let found = outcome.output(&call, output).expect("it is asked for");
        (outcome.status == IMLE_OK).then(|| floats(&found[..len]))
    }

    /// The ones of a state.
    fn ones(&self) -> usize {
        self.call.ones(0)
    }

    fn epsilon(&self) -> Vec<f32> {
        self.ask("imle_noise", &[], "noise", self.samples * self.n).expect("the options are good")
    }

    fn map(&self, scores: &[f32]) -> Vec<f32> {
        reference::map(scores, self.ones())
    }

    /// MAP of scores, for trees by `imle_tree_map`. None where a score overflowed, which the function would refuse.
    fn solve(&self, scores: &[f32]) -> Option<Vec<f32>> {
        if self.call.function.family() != Family::Tree {
            return Some(self.map(scores));
        }
        self.ask("imle_tree_map", &[("theta", scores)], "z", self.n)
    }

    /// The states of the forward pass.
    fn forward(&self) -> Option<Vec<Vec<f32>>> {
        let (epsilon, tau) = (self.epsilon(), self.call.options.temperature);
        let state = |epsilon: &[f32]| self.solve(&reference::scores(&self.theta, tau, epsilon));
        epsilon.chunks_exact(self.n).map(state).collect()
    }

    /// The target's scores of sample s, for side +1 or -1.
    fn target(&self, side: f32, s: usize) -> Vec<f32> {
        let options = &self.call.options;
        let epsilon = &self.epsilon()[s * self.n..][..self.n];
        let dz = floats(self.call.dz("dz", 0, s));
        if options.target == IMLE_TARGET_COMBINATORIAL {
            return reference::combinatorial_target(&self.theta, &dz, options.target_temperature, epsilon);
        }
        let lambda = side * options.lambda;
        reference::linear_target(&self.theta, &dz, options.alpha, lambda, options.target_temperature, epsilon)
    }

    fn scores(&self, expected: impl Fn(&Self, usize) -> Vec<f32>) -> Result<(), String> {
        let found = self.get("scores", self.samples * self.n);
        for (s, found) in found.chunks_exact(self.n).enumerate() {
            same("a score", found, &expected(self, s))?;
        }
        Ok(())
    }

    /// z, the index lists and the marginals of these states.
    fn states(&self, states: &[Vec<f32>]) -> Result<(), String> {
        same("z", &self.get("z", self.samples * self.n), &states.concat())?;
        self.lists_equal_z()?;
        if self.call.array("marginals").is_some() {
            same("the mean of the states", &self.get("marginals", self.n), &reference::mean(states))?;
        }
        Ok(())
    }

    fn lists_equal_z(&self) -> Result<(), String> {
        let k = self.call.k();
        let lists = self.result.output(self.call, "indices").expect("it is asked for");
        for (s, z) in self.get("z", self.samples * self.n).chunks_exact(self.n).enumerate() {
            let ones = z.iter().filter(|&&z| z == 1.0).count();
            let zeros = z.iter().filter(|&&z| z.to_bits() == 0).count();
            expect(ones == self.ones() && ones + zeros == self.n, || format!("z {z:?} has not {} ones", self.ones()))?;
            let list = &lists[s * k..][..k];
            expect(list == reference::index_list(z, k), || format!("the list {list:?} is not that of {z:?}"))?;
        }
        Ok(())
    }

    /// Exact samples are states of the row.
    fn good_states(&self) -> Result<(), String> {
        self.lists_equal_z()?;
        let lists = self.result.output(self.call, "indices").expect("it is asked for");
        let k = self.call.k();
        let good = |s: usize| rules::is_state(self.call, 0, &lists[s * k..][..k]);
        expect((0..self.samples).all(good), || format!("no state: {:?}", &lists[..self.samples * k]))
    }

    fn gradient(&self) -> Result<(), String> {
        let options = &self.call.options;
        let k = self.call.k();
        let central = options.difference == IMLE_DIFFERENCE_CENTRAL;
        let mut pairs = Vec::new();
        let forward = if central || self.call.given("lists").is_some() { None } else { self.forward() };
        for s in 0..self.samples {
            let z = if central {
                self.solve(&self.target(-1.0, s))
            } else if let Some(lists) = self.call.given("lists") {
                let mut z = vec![0.0; self.n];
                lists.words[s * k..][..self.ones()].iter().for_each(|&i| z[i as usize] = 1.0);
                Some(z)
            } else {
                forward.as_ref().map(|states| states[s].clone())
            };
            let (Some(z), Some(target)) = (z, self.solve(&self.target(1.0, s))) else { return Ok(()) };
            pairs.push((z, target));
        }
        let c = match (options.target, options.scale) {
            (IMLE_TARGET_LINEAR, IMLE_SCALE_INVERSE_LAMBDA) => 1.0 / options.lambda,
            _ => 1.0,
        };
        let factor = if central { 0.5 } else { 1.0 } * c / self.samples as f32;
        same("the gradient", &self.get("grad_theta", self.n), &reference::difference(&pairs, factor))?;
        let nonzeros = |(z, target): &(Vec<f32>, Vec<f32>)| z.iter().zip(target).filter(|(z, t)| z != t).count() as u64;
        let unchanged = pairs.iter().filter(|pair| nonzeros(pair) == 0).count() as u64;
        let expected = [self.samples as u64, unchanged, pairs.iter().map(nonzeros).sum()];
        let found = self.result.diagnostics(self.call).expect("it is asked for");
        expect(found == expected, || format!("diagnostics are {found:?}, by the definition {expected:?}"))
    }

    /// The gradient is the mean of the states minus y, and 0 at masks.
    fn fenchel_young(&self) -> Result<(), String> {
        let Some(states) = self.forward() else { return Ok(()) };
        let y = floats(&self.call.array("y").expect("an input").words);
        let mean = reference::mean(&states);
        let found = self.get("grad_theta", self.n);
        for i in 0..self.n {
            let zero = self.theta[i] == f32::NEG_INFINITY || !rules::is_read(self.call, 0, i);
            let expected = if zero { 0.0 } else { mean[i] - y[i] };
            expect(found[i] == expected, || format!("the gradient {i} is {}, not {expected}", found[i]))?;
        }
        Ok(())
    }

    /// A tree of the right kind without masked arcs, and for few words none with a larger sum.
    fn best_tree(&self) -> Result<(), String> {
        self.lists_equal_z()?;
        let lists = self.result.output(self.call, "indices").expect("it is asked for");
        let list = &lists[..self.call.k()];
        expect(rules::is_state(self.call, 0, list), || format!("no tree: {list:?}"))?;
        let words = self.ones();
        if words > FEW_WORDS {
            return Ok(());
        }
        let score = |i: usize| f64::from(self.theta[i]);
        let sum = |heads: &[usize]| heads.iter().enumerate().map(|(d, &h)| score(h * self.call.k() + d)).sum::<f64>();
        let found = sum(&rules::heads_of(self.call, &list[..words], words).expect("a tree"));
        let best = rules::all_trees(self.call, words).iter().map(|heads| sum(heads)).fold(f64::NEG_INFINITY, f64::max);
        let read = (0..self.n).filter(|&i| rules::is_read(self.call, 0, i) && self.theta[i].is_finite());
        let scale = read.map(|i| score(i).abs()).fold(0.0, f64::max);
        expect(found >= best - 1e-5 * scale * words as f64, || format!("a tree of {found}, the best has {best}"))
    }

    /// The head of every word, u32::MAX behind the words of the row.
    fn heads(&self) -> Result<(), String> {
        let found = self.result.output(self.call, "heads").expect("it is asked for");
        for s in 0..self.samples {
            let positions = &rules::list(self.call, 0, s)[..self.ones()];
            let heads = rules::heads_of(self.call, positions, self.ones()).expect("the lists are good");
            let mut expected: Vec<u32> = heads.iter().map(|&h| h as u32).collect();
            expected.resize(self.call.k(), u32::MAX);
            let found = &found[s * self.call.k()..][..self.call.k()];
            expect(found == expected, || format!("heads are {found:?}, by the definition {expected:?}"))?;
        }
        Ok(())
    }

    /// (1/S) times the sum of dz over the samples, or the one dz of all samples.
    fn mean_of_dz(&self) -> Vec<f32> {
        let shared = self.call.number("dz_sample_stride") == 0;
        let samples = if shared { 1 } else { self.samples };
        let all: Vec<Vec<f32>> = (0..samples).map(|s| floats(self.call.dz("dz", 0, s))).collect();
        (0..self.n).map(|i| all.iter().map(|dz| dz[i]).fold(0.0, |sum, x| sum + x) / samples as f32).collect()
    }

    fn straight_through(&self) -> Result<(), String> {
        let shared = self.call.number("dz_sample_stride") == 0;
        let all: Vec<Vec<f32>> = (0..self.samples).map(|s| floats(self.call.dz("dz", 0, s))).collect();
        let mean = |i: usize| {
            let masked = self.theta[i] == f32::NEG_INFINITY;
            let mean = || all.iter().map(|dz| dz[i]).fold(0.0, |sum, x| sum + x) / self.samples as f32;
            if masked {
                0.0
            } else if shared {
                all[0][i]
            } else {
                mean()
            }
        };
        let expected: Vec<f32> = (0..self.n).map(mean).collect();
        let found = self.get("grad_theta", self.n);
        // Zeros of either sign are equal here, and so is what overflowed.
        let equal = found.iter().zip(&expected).all(|(x, y)| x == y || !y.is_finite());
        expect(equal, || format!("the mean of dz is {found:?}, by the definition {expected:?}"))
    }

    fn marginals(&self) -> Result<(), String> {
        let (marginals, log_partition) = (self.get("marginals", self.n), self.get("log_partition", 1)[0]);
        let read = |i: usize| rules::is_read(self.call, 0, i);
        for (i, &m) in marginals.iter().enumerate() {
            let allowed = if !read(i) || self.theta[i] == f32::NEG_INFINITY { 0.0..=0.0 } else { 0.0..=1.0 };
            expect(allowed.contains(&m), || format!("marginal {i} is {m}"))?;
        }
        let (sum, ones) = (marginals.iter().map(|&m| f64::from(m)).sum::<f64>(), self.ones() as f64);
        expect((sum - ones).abs() <= 1e-4 * ones.max(1.0), || format!("marginals add up to {sum}, not to {ones}"))?;
        let entropy = self.get("entropy", 1)[0];
        expect(entropy >= 0.0, || format!("the entropy is {entropy}"))?;
        if self.call.function.family() != Family::Tree && self.is_close() {
            let expected = log_space::log_partitions(&self.theta, self.call.temperature)[self.ones()];
            self.near("the log-partition", log_partition, expected)?;
        }
        let Some(law) = self.law() else { return Ok(()) };
        self.near("the log-partition", log_partition, law.log_partition)?;
        for (i, &found) in marginals.iter().enumerate() {
            let expected = law.mean(|state| f64::from(u8::from(state.contains(&i))));
            expect((f64::from(found) - expected).abs() <= 1e-4, || format!("marginal {i} is {found}, not {expected}"))?;
        }
        Ok(())
    }

    /// The law of the row's states, if they are few and the scores moderate.
    fn law(&self) -> Option<Law> {
        let few = self.n <= if self.call.function.family() == Family::Tree { 16 } else { 10 };
        if !few || !self.is_moderate() {
            return None;
        }
        let states: Vec<Vec<usize>> = if self.call.function.family() == Family::Tree {
            let positions = |heads: &Vec<usize>| heads.iter().enumerate().map(|(d, h)| h * self.call.k() + d).collect();
            rules::all_trees(self.call, self.ones()).iter().map(positions).collect()
        } else {
            let positions = |z: u32| (0..self.n).filter(|i| z >> i & 1 == 1).collect();
            reference::k_subsets(self.n, self.ones()).map(positions).collect()
        };
        let energy = |state: &Vec<usize>| {
            state.iter().map(|&i| f64::from(self.theta[i])).sum::<f64>() / f64::from(self.call.temperature)
        };
        let energies: Vec<f64> = states.iter().map(energy).collect();
        let largest = energies.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = energies.iter().map(|energy| libm::exp(energy - largest)).sum();
        let log_partition = largest + libm::log(sum);
        let p = energies.iter().map(|energy| libm::exp(energy - log_partition)).collect();
        Some(Law { states, p, log_partition })
    }

    /// The product of the covariance of z with v, over the temperature.
    fn covariance(&self, output: &'static str, v: &[f32]) -> Result<(), String> {
        let found = self.get(output, self.n);
        let read = |i: usize| rules::is_read(self.call, 0, i);
        let zero = |i: usize| self.theta[i] == f32::NEG_INFINITY || !read(i);
        expect((0..self.n).all(|i| !zero(i) || found[i] == 0.0), || format!("not 0 at a mask: {found:?}"))?;
        // NaN may stand where nothing is read. A mean that overflowed counts as the largest float.
        let v: Vec<f64> = (0..self.n).map(|i| if read(i) { finite(v[i].into()) } else { 0.0 }).collect();
        let scale = v.iter().fold(0.0, |scale: f64, x| scale.max(x.abs()));
        let Some(law) = self.law() else { return Ok(()) };
        let temperature = f64::from(self.call.temperature);
        let value = |state: &[usize]| state.iter().map(|&i| v[i]).sum::<f64>();
        let mean = law.mean(value);
        for (i, &found) in found.iter().enumerate() {
            let expected = law.mean(|state| if state.contains(&i) { value(state) - mean } else { 0.0 }) / temperature;
            // It may overflow if the error may. Subnormal numbers have lost digits before the division.
            let least = f64::from(f32::MIN_POSITIVE);
            let near = (finite(found.into()) - finite(expected)).abs()
                <= 1e-4 * self.ones().max(1) as f64 * scale.max(least) / temperature + least;
            expect(near, || format!("{output} {i} is {found}, by the definition {expected}"))?;
        }
        Ok(())
    }

    /// The log-probability of every list.
    fn log_prob(&self) -> Result<(), String> {
        let found = self.get("log_prob", self.samples);
        expect(found.iter().all(|&x| x <= 0.0), || format!("log_prob is {found:?}"))?;
        let Some(law) = self.law() else { return Ok(()) };
        for (s, &found) in found.iter().enumerate() {
            let state = rules::list(self.call, 0, s)[..self.ones()].iter().map(|&i| f64::from(self.theta[i as usize]));
            let energy = state.sum::<f64>() / f64::from(self.call.temperature);
            let near = (f64::from(found) - (energy - law.log_partition)).abs()
                <= 1e-5 * energy.abs().max(law.log_partition.abs()).max(1.0);
            expect(near, || format!("log_prob is {found}, by the definition {}", energy - law.log_partition))?;
        }
        Ok(())
    }

    /// True if scores over temperature are within the range for which imle.h states errors.
    fn is_moderate(&self) -> bool {
        let good = |t: &f32| *t == f32::NEG_INFINITY || (t / self.call.temperature).abs() <= 80.0;
        self.is_close() && self.theta.iter().all(good)
    }

    /// True if no two scores of a short row are further apart than the largest float.
    fn is_close(&self) -> bool {
        let scores = || self.theta.iter().copied().filter(|&t| t != f32::NEG_INFINITY);
        let (least, largest) = (scores().fold(f32::MAX, f32::min), scores().fold(f32::MIN, f32::max));
        self.n <= 100 && (largest - least) < f32::INFINITY
    }

    fn near(&self, what: &str, found: f32, expected: f64) -> Result<(), String> {
        // Large terms that cancel lose digits in the f64 of the definition.
        let terms = self.theta.iter().filter(|t| t.is_finite()).map(|&t| f64::from(t.abs()));
        let lost = 1e-14 * terms.sum::<f64>() / f64::from(self.call.temperature);
        let near = (finite(found.into()) - finite(expected)).abs() <= 1e-5 * finite(expected).abs().max(1.0) + lost;
        // There is no state.
        let none = expected == f64::NEG_INFINITY;
        expect(if none { f64::from(found) == expected } else { near }, || {
            format!("{what} is {found}, by the definition {expected}")
        })
    }

    fn log_partitions(&self) -> Result<(), String> {
        let found = self.get("log_partitions", self.call.k() + 1);
        expect(found.iter().all(|a| !a.is_nan()), || "a log-partition is NaN".into())?;
        if self.is_close() {
            let expected = log_space::log_partitions(&self.theta, self.call.temperature);
            for (&found, &expected) in found.iter().zip(&expected) {
                self.near("a log-partition", found, expected)?;
            }
        }
        Ok(())
    }
}

/// Every state of a row and its probability.
struct Law {
    /// The positions of the ones.
    states: Vec<Vec<usize>>,
    p: Vec<f64>,
    log_partition: f64,
}

impl Law {
    fn mean(&self, value: impl Fn(&[usize]) -> f64) -> f64 {
        self.states.iter().zip(&self.p).filter(|&(_, &p)| p > 0.0).map(|(state, p)| p * value(state)).sum()
    }
}

/// The functions of the adaptive lambda: their status, and that lambda from parts is lambda.
pub fn adaptive(call: &Call, outcome: &Outcome) -> Result<(), String> {
    let finite = |name: &str, masks: bool| {
        let good = |&x: &u32| f32::from_bits(x).is_finite() || (masks && f32::from_bits(x) == f32::NEG_INFINITY);
        call.given(name).is_none_or(|array| array.words.iter().all(good))
    };
    let good_sum = |sum: f64| sum.is_finite() && sum >= 0.0;
    let parts = !(call.function.has("parts") || call.function.has("sum"))
        || (good_sum(call.parts.theta_squared) && good_sum(call.parts.dz_squared));
    let good = finite("theta", true) && finite("dz", false) && parts;
    let expected = if good { IMLE_OK } else { IMLE_ERR_NONFINITE };
    expect(outcome.status == expected, || format!("the status is {}, not {expected}", outcome.status))?;
    if !good {
        return Ok(());
    }
    let lambda = outcome.output(call, "lambda").map(|lambda| f32::from_bits(lambda[0]));
    expect(lambda.is_none_or(|lambda| lambda == 0.0 || lambda.is_normal()), || format!("lambda is {lambda:?}"))?;
    if call.function.short() == "lambda" {
        let zeros = imle_adaptive_parts { theta_squared: 0.0, dz_squared: 0.0, theta_len: 0, theta_nonzero: 0 };
        let mut parts = zeros;
        let mut from_parts = 0.0_f32;
        let of = |name: &str| call.given(name).map_or(std::ptr::null(), |array| array.words.as_ptr().cast::<f32>());
        let (theta, dz) = ((of("theta"), call.number("theta_len")), (of("dz"), call.number("dz_len")));
        // The two arrays in two calls.
        let statuses = unsafe {
            [
                imle_adaptive_add(&raw mut parts, theta.0, theta.1, std::ptr::null(), 0),
                imle_adaptive_add(&raw mut parts, std::ptr::null(), 0, dz.0, dz.1),
                imle_adaptive_lambda_from(&raw const call.adaptive, &raw const parts, &raw mut from_parts),
            ]
        };
        let equal = statuses == [IMLE_OK; 3] && lambda == Some(from_parts);
        expect(equal, || format!("lambda is {lambda:?}, from its parts {from_parts}"))?;
    }
    Ok(())
}
