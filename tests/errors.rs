//! Every bad input of every public function: the error names the argument and the row, and what was written before it
//! was found is what the contract says. `call` has a table of functions and their arguments, `call::faults` one of
//! faults; each fault is tried on each function that takes the argument.

mod call;

use call::faults::{Fault, bad_floats, bad_lists, bad_options, infeasible_row};
use call::{
    B, Call, F, FUNCTIONS, K, N, Outputs, S, assert_display_names_what_is_wrong, functions_and_arguments, named,
};
use imle::{
    Argument, Dz, Error, Exact, Imle, Key, MapSolver, Noise, Options, Rows, RowsMut, Shape, Side, States, Target, TopK,
    fixed,
};

#[test]
fn good_inputs_pass() {
    for (function, _) in FUNCTIONS {
        let call = Call::new(function);
        assert_eq!(call.run(&mut Outputs::untouched(&call)), Ok(()), "{function:?}");
    }
}

#[test]
fn short_slices() {
    for (function, argument) in functions_and_arguments() {
        let call = Call { short: argument, ..Call::new(function) };
        let needed = call.needs(argument);
        call.fails_before_writing(match argument {
            "work" => Error::Workspace { needed, given: needed - 1 },
            _ => Error::Length { argument: named(argument), needed, given: needed - 1 },
        });
    }
}

#[test]
fn bad_strides() {
    let stride: fn(Argument) -> Error = |argument| Error::Stride { argument };
    let rows = [
        (N - 1, stride),
        (usize::MAX, stride),
        (usize::MAX / 2, stride),
        (N + 2, |argument| Error::Length { argument, needed: 2 * (N + 2) + N, given: B * N }),
    ];
    let dz: [((usize, usize), Error); 7] = [
        ((N - 1, 0), stride(Argument::Dz)),
        ((N - 1, N), stride(Argument::Dz)),
        ((0, N - 1), stride(Argument::Dz)),
        ((usize::MAX, N), stride(Argument::Dz)),
        ((0, usize::MAX), stride(Argument::Dz)),
        ((S * N + 1, N), Error::Length { argument: Argument::Dz, needed: 2 * (S * N + 1) + S * N, given: B * S * N }),
        ((0, N + 1), Error::Length { argument: Argument::Dz, needed: 5 * (N + 1) + N, given: B * S * N }),
    ];
    for (function, argument) in functions_and_arguments() {
        let good = Call::new(function);
        for (stride, expected) in rows {
            match argument {
                "theta" => {
                    Call { theta_stride: stride, ..good.clone() }.fails_before_writing(expected(named(argument)))
                }
                "grad_theta" => {
                    Call { grad_stride: stride, ..good.clone() }.fails_before_writing(expected(named(argument)))
                }
                _ => (),
            }
        }
        for (dz_strides, expected) in dz.iter().filter(|_| argument == "dz") {
            Call { dz_strides: *dz_strides, ..good.clone() }.fails_before_writing(*expected);
        }
    }
}

#[test]
fn options_outside_their_range() {
    for (options, name) in bad_options() {
        let expected = options.check().expect_err("the options are bad");
        assert!(matches!(expected, Error::Option { rule } if rule.text().contains(name)), "{name}: {expected}");
        for (function, _) in FUNCTIONS.into_iter().filter(|&(function, _)| function != F::StraightThrough) {
            Call { options, ..Call::new(function) }.fails_before_writing(expected);
        }
        assert_eq!(fixed::TopK::<N, K>::new(options).err(), Some(expected));
    }
}

#[test]
fn the_combinatorial_target_has_one_side() {
    let shape = Shape::new(1, 1, 1, 1).expect("good sizes");
    let options = Options { target: Target::Combinatorial, ..Options::default() };
    let mut scores = [Outputs::UNTOUCHED];
    let (theta, dz) = (Rows::contiguous(&[0.0]), Dz::shared(&[0.0]));
    let error = imle::target(shape, &options, Key::default(), Side::Plus, theta, dz, &mut scores);
    assert!(matches!(error, Err(Error::Option { rule }) if rule.text().contains("combinatorial")), "{error:?}");
    assert_eq!(scores, [Outputs::UNTOUCHED]);
}

/// The noise's score function needs noise that has a density, and more than one sample.
#[test]
fn the_perturbed_gradient_needs_a_density_and_a_baseline() {
    let good = Options::default();
    for (options, named) in [
        (Options { noise: Noise::None, ..good }, "noise"),
        (Options { temperature: 0.0, ..good }, "temperature"),
        (Options { temperature: 2.9e-39, ..good }, "temperature"),
    ] {
        let call = Call { options, ..Call::new(F::PerturbedGradient) };
        let (answer, out) = call.answer();
        assert!(matches!(answer, Err(Error::Option { rule }) if rule.text().contains(named)), "{named}: {answer:?}");
        assert_eq!(out, Outputs::untouched(&call));
    }
    let shape = Shape::new(1, 2, 1, 1).expect("good sizes");
    let (theta, mut grad) = ([0.0; 2], [Outputs::UNTOUCHED; 2]);
    let (theta, losses) = (Rows::contiguous(&theta), [1.0]);
    let refused = |answer| {
        assert!(matches!(answer, Err(Error::Shape { rule }) if rule.text().contains("samples")), "{answer:?}");
    };
    refused(imle::perturbed_gradient(shape, &good, Key::default(), theta, &losses, RowsMut::contiguous(&mut grad)));
    let exact = Exact::new(shape, TopK::new(shape), 1.0).expect("good sizes");
    refused(exact.score_function(theta, &[0], &losses, RowsMut::contiguous(&mut grad)));
    assert_eq!(grad, [Outputs::UNTOUCHED; 2]);
}

#[test]
fn sizes_that_do_not_fit_together() {
    let two_24 = 1 << 24;
    let bad = [
        ([0, 1, 0, 1], "rows"),
        ([1, 0, 0, 1], "n "),
        ([1, 1, 0, 0], "samples"),
        ([1, 4, 5, 1], "k "),
        ([1, 4, u32::MAX, 1], "k "),
        ([1, 1, 1, two_24 + 1], "2^24"),
        ([u32::MAX, u32::MAX, 1, 1], "addressable"),
        ([u32::MAX, u32::MAX, u32::MAX, two_24], "addressable"),
    ];
    for ([rows, n, k, samples], named) in bad {
        let error = Shape::new(rows, n, k, samples).expect_err("the sizes are bad");
        assert!(matches!(error, Error::Shape { rule } if rule.text().contains(named)), "{named}: {error}");
        assert_display_names_what_is_wrong(error);
    }
    assert!(Shape::new(1, 1, 1, two_24).is_ok());
}

#[test]
fn spans_count_what_strides_reach() {
    let shape = Shape::new(B as u32, N as u32, K as u32, S as u32).expect("good sizes");
    assert_eq!(imle::rows_span(shape, 0), Some(B * N));
    assert_eq!(imle::rows_span(shape, 9), Some(2 * 9 + N));
    assert_eq!(imle::rows_span(shape, N - 1), None);
    assert_eq!(imle::rows_span(shape, usize::MAX / 2), None);
    for ((row, sample), span) in
        [((0, 0), B * N), ((0, N), B * S * N), ((0, 7), 5 * 7 + N), ((9, 0), 2 * 9 + N), ((N, B * N), B * S * N)]
    {
        assert_eq!(imle::dz_span(shape, row, sample), Some(span), "{row} {sample}");
    }
    assert_eq!(imle::dz_span(shape, N, usize::MAX - 10), None);
}

#[test]
fn a_row_with_more_than_k() {
    for row in 0..B {
        let spoil = |call: &mut Call| call.k_row[row..].iter_mut().for_each(|k| *k = K as u32 + 1);
        for (function, _) in functions_and_arguments().filter(|&(_, argument)| argument == "k_row") {
            let mut call = Call::new(function);
            spoil(&mut call);
            call.fails_before_writing(Error::RowK { row: row as u32 });
        }
    }
}

#[test]
fn no_output() {
    let call = Call::new(F::Sample);
    let shape = Shape::new(B as u32, N as u32, K as u32, S as u32).expect("good sizes");
    let layer = Imle::new(shape, TopK::new(shape), call.options).expect("good options");
    let (theta, mut work) = (Rows::contiguous(&call.theta), vec![0.0; layer.workspace_len()]);
    assert_eq!(layer.map(theta, States::default(), &mut work), Err(Error::NoOutput));
    assert_eq!(layer.sample(Key::default(), theta, States::default(), None, &mut work), Err(Error::NoOutput));
    assert_display_names_what_is_wrong(Error::NoOutput);
}

/// Rows before the first bad one are complete; it and all later ones, good or bad, are untouched.
#[test]
fn bad_rows() {
    let faults: Vec<Fault> = bad_floats().into_iter().chain([infeasible_row()]).chain(bad_lists()).collect();
    let is_input =
        |(function, argument)| !matches!((function, argument), (F::Map | F::Sample, "z" | "indices") | (F::Noise, _));
    for (function, argument) in functions_and_arguments().filter(|&pair| is_input(pair)) {
        let good = Call::new(function);
        let mut complete = Outputs::untouched(&good);
        good.run(&mut complete).expect("the input is good");
        for fault in faults.iter().filter(|fault| fault.argument == argument) {
            for (row, last) in [(0, 0), (1, 1), (2, 2), (0, 2), (1, 2)] {
                let mut call = good.clone();
                (row..=last).for_each(|b| (fault.spoil)(&mut call, b));
                let (answer, out) = call.answer();
                assert_eq!(answer, Err((fault.error)(row as u32)), "{function:?}: {}", fault.what);
                assert_eq!(out, Outputs::complete_before(row, &complete), "{function:?}: {}", fault.what);
            }
        }
    }
}

/// The first bad row is named, whatever is wrong with it and with later ones.
#[test]
fn the_first_bad_row_wins_over_other_faults() {
    let mut call = Call::new(F::Gradient);
    call.theta[2 * N] = f32::NAN;
    call.dz[S * N] = f32::NAN;
    assert_eq!(call.answer().0, Err(Error::NonFinite { argument: Argument::Dz, row: 1 }));
    (infeasible_row().spoil)(&mut call, 0);
    assert_eq!(call.answer().0, Err(Error::Infeasible { row: 0 }));
    let check = Call { function: F::Check, ..call.clone() };
    assert_eq!(check.answer().0, Err(Error::Infeasible { row: 0 }));
}

#[test]
fn the_fixed_sizes_name_row_0() {
    const GOOD: [f32; N] = [0.5, -0.0, f32::NEG_INFINITY, 2.0, -1.0];
    let layer = fixed::TopK::<N, K>::new(Options::default()).expect("good options");
    let key = Key::default();
    let mut bad: Vec<([f32; N], Error)> = Vec::new();
    for (i, x) in [(0, f32::NAN), (N - 1, f32::INFINITY)] {
        let mut theta = GOOD;
        theta[i] = x;
        bad.push((theta, Error::NonFinite { argument: Argument::Theta, row: 0 }));
    }
    bad.push((
        [1.0, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY],
        Error::Infeasible { row: 0 },
    ));
    for (theta, error) in bad {
        assert_eq!(layer.map(&theta).err(), Some(error));
        assert_eq!(layer.sample::<S>(key, &theta).err(), Some(error));
        assert_eq!(layer.gradient(key, &theta, &[[0.0; N]; S]).err(), Some(error));
    }
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut dz = [[0.0; N]; S];
        dz[S - 1][N - 1] = x;
        let error = Error::NonFinite { argument: Argument::Dz, row: 0 };
        assert_eq!(layer.gradient(key, &GOOD, &dz).err(), Some(error));
    }
}

/// A solver of one's own whose states have `ones` ones in row `row`, and K elsewhere.
#[derive(Clone, Copy)]
struct Own {
    row: usize,
    ones: Option<usize>,
}

impl MapSolver for Own {
    fn map(&self, row: usize, _scores: &[f32], z: &mut [f32]) {
        z.fill(0.0);
        z[..self.ones(row).unwrap_or(K)].fill(1.0);
    }

    fn ones(&self, row: usize) -> Option<usize> {
        if row == self.row { self.ones } else { Some(K) }
    }
}

/// A solver that was made for another shape is refused by the layer.
#[test]
fn a_solver_for_another_shape() {
    let shape = |rows, k| Shape::new(rows, N as u32, k, S as u32).expect("good sizes");
    let (here, wider, shorter) = (shape(B as u32, K as u32), shape(B as u32, K as u32 + 1), shape(1, K as u32));
    let refused = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Shape { .. })), "{result:?}");
    for row in 0..B {
        let own = Own { row, ones: Some(K + 1) };
        refused(Imle::new(here, own, Options::default()).map(drop));
        assert!(Imle::new(wider, own, Options::default()).is_ok());
    }
    let per_row = TopK::with_k_row(shorter, &[K as u32]).expect("good sizes");
    for solver in [TopK::new(wider), per_row] {
        refused(Imle::new(here, solver, Options::default()).map(drop));
        refused(Exact::new(here, solver, 1.0).map(drop));
    }
}

/// Lists of states whose number of ones is not known are refused before anything is written.
#[test]
fn states_without_lists() {
    let shape = Shape::new(B as u32, N as u32, K as u32, S as u32).expect("good sizes");
    for row in 0..B {
        let call = Call::new(F::Sample);
        let layer = Imle::new(shape, Own { row, ones: None }, call.options).expect("good options");
        let (theta, work) = (Rows::contiguous(&call.theta), &mut vec![0.0; layer.workspace_len()]);
        let mut out = Outputs::untouched(&call);
        let states = States::both(&mut out.z, &mut out.indices);
        assert_eq!(layer.map(theta, states, work), Err(Error::NoLists));
        let states = States::both(&mut out.z, &mut out.indices);
        assert_eq!(layer.sample(Key::default(), theta, states, Some(&mut out.marginals), work), Err(Error::NoLists));
        assert_eq!(out, Outputs::untouched(&call), "row {row}");
        assert_eq!(layer.map(theta, States::z(&mut out.z), work), Ok(()), "without lists all is well");
    }
}
