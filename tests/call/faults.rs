//! What can be wrong with a call's options and with a row's values.

use imle::{Argument, Difference, Error, Noise, Options, Target};

use super::{Call, K, N, S};

/// Each bad option, with the name that its rule must contain.
pub fn bad_options() -> Vec<(Options, &'static str)> {
    let good = Options::default();
    let mut bad = Vec::new();
    for x in [-0.5, -f32::from_bits(1), f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        bad.push((Options { temperature: x, ..good }, "temperature"));
        bad.push((Options { target_temperature: x, ..good }, "target_temperature"));
        bad.push((Options { lambda: x, ..good }, "lambda"));
    }
    // 1/λ must be finite too.
    for x in [0.0, -0.0, f32::from_bits(1)] {
        bad.push((Options { lambda: x, ..good }, "lambda"));
    }
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        bad.push((Options { alpha: x, ..good }, "alpha"));
    }
    let sum_of_gamma = |kappa, terms| Options { noise: Noise::SumOfGamma { kappa, terms }, ..good };
    if cfg!(feature = "no-sum-of-gamma") {
        bad.push((sum_of_gamma(0.0, 10), "Sum-of-Gamma"));
    } else {
        bad.extend([-1.0, 0.5, f32::NAN, 65_537.0, f32::INFINITY].map(|kappa| (sum_of_gamma(kappa, 10), "kappa")));
        bad.push((sum_of_gamma(0.0, 0), "terms"));
    }
    bad.push((Options { target: Target::Combinatorial, difference: Difference::Central, ..good }, "combinatorial"));
    bad
}

/// Makes row b of a call bad.
pub type Spoil = Box<dyn Fn(&mut Call, usize)>;

/// A way to spoil one row of an input.
pub struct Fault {
    pub what: String,
    /// The argument that has it; "k_row" for what only those notice that know k.
    pub argument: &'static str,
    pub spoil: Spoil,
    pub error: fn(u32) -> Error,
}

pub fn bad_floats() -> Vec<Fault> {
    let mut faults = Vec::new();
    for x in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for i in [0, N - 1] {
            let what = || format!("{x} at {i}");
            if x != f32::NEG_INFINITY {
                faults.push(Fault {
                    what: what(),
                    argument: "theta",
                    spoil: Box::new(move |call, b| call.theta[b * N + i] = x),
                    error: |row| Error::NonFinite { argument: Argument::Theta, row },
                });
            }
            faults.push(Fault {
                what: what(),
                argument: "y",
                spoil: Box::new(move |call, b| call.y[b * N + i] = x),
                error: |row| Error::NonFinite { argument: Argument::Y, row },
            });
            for state in [0, S - 1] {
                faults.push(Fault {
                    what: what(),
                    argument: "losses",
                    spoil: Box::new(move |call, b| call.losses[b * S + state] = x),
                    error: |row| Error::NonFinite { argument: Argument::Losses, row },
                });
                let at = move |b| (b * S + state) * N + i;
                faults.push(Fault {
                    what: what(),
                    argument: "dz",
                    spoil: Box::new(move |call, b| call.dz[at(b)] = x),
                    error: |row| Error::NonFinite { argument: Argument::Dz, row },
                });
                faults.push(Fault {
                    what: what(),
                    argument: "z",
                    spoil: Box::new(move |call, b| call.z[at(b)] = x),
                    error: |row| Error::NonFinite { argument: Argument::Z, row },
                });
                faults.push(Fault {
                    what: what(),
                    argument: "z_target",
                    spoil: Box::new(move |call, b| call.z_target[at(b)] = x),
                    error: |row| Error::NonFinite { argument: Argument::ZTarget, row },
                });
            }
        }
    }
    faults
}

pub fn infeasible_row() -> Fault {
    Fault {
        what: "infeasible".into(),
        argument: "k_row",
        spoil: Box::new(|call, b| call.theta[b * N..][1..N].fill(f32::NEG_INFINITY)),
        error: |row| Error::Infeasible { row },
    }
}

/// Lists that are not a state of [0.5, −0, −inf, 2, −1] with `k` ones.
pub fn bad_lists() -> Vec<Fault> {
    const END: u32 = u32::MAX;
    let lists: [(u32, [u32; K], &str); 10] = [
        (2, [3, 0], "descending"),
        (2, [3, 3], "twice"),
        (2, [0, N as u32], "out of range"),
        (2, [0, END - 1], "out of range"),
        (2, [2, 3], "masked"),
        (2, [0, END], "too short"),
        (2, [END, END], "too short"),
        (1, [0, 3], "too long"),
        (0, [0, END], "too long"),
        (0, [END, 0], "an end that is not one"),
    ];
    let both = lists.into_iter().flat_map(|list| (0..S).map(move |s| (list, s)));
    let fault = |((k, list, what), s): ((u32, [u32; K], &str), usize)| Fault {
        what: format!("sample {s}: {list:?}, {what}"),
        argument: "indices",
        spoil: Box::new(move |call, b| {
            call.k_row[b] = k;
            let good = &[0, 3][..k as usize];
            for state in 0..S {
                let slots = &mut call.lists[(b * S + state) * K..][..K];
                slots.fill(END);
                slots[..good.len()].copy_from_slice(good);
            }
            call.lists[(b * S + s) * K..][..K].copy_from_slice(&list);
        }),
        error: |row| Error::NotAState { row },
    };
    both.map(fault).collect()
}
