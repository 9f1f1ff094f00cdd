//! Every bad input of every public function. The error names the argument and the row, and what was written before the
//! error is what the contract says. `bad_calls` has a table of functions and their arguments, and tables of faults. Each
//! fault is tried on each function that takes the argument, with a short row and with a long one.

mod common;

use common::bad_calls::faults::{Fault, bad_floats, bad_lists, infeasible_row};
use common::bad_calls::options::{bad_options, good_options};
use common::bad_calls::{B, Call, F, K, NS, Outputs, S, assert_display_names_what_is_wrong, named, shape};
use imle::{
    Argmax, Argument, Dz, Error, Exact, Imle, Key, MapSolver, Noise, Options, Rows, RowsMut, Shape, Side, States,
    Target, TopK, Unsolved, fixed,
};

#[test]
fn good_inputs_are_accepted() {
    for call in Call::all() {
        assert_eq!(call.run(&mut Outputs::untouched(&call)), Ok(()), "{:?}", call.function);
    }
}

#[test]
fn slices_that_are_too_short_are_refused() {
    for good in Call::all() {
        for &argument in good.arguments() {
            let needed = good.needs(argument);
            Call { short: argument, ..good.clone() }.fails_before_writing(match argument {
                "work" => Error::Workspace { needed, given: needed - 1 },
                _ => Error::Length { argument: named(argument), needed, given: needed - 1 },
            });
        }
    }
}

#[test]
fn strides_that_do_not_fit_are_refused() {
    for good in Call::all() {
        let n = good.n;
        let stride: fn(Argument, usize) -> Error = |argument, _| Error::Stride { argument };
        let rows = [
            (n - 1, stride),
            (usize::MAX, stride),
            (usize::MAX / 2, stride),
            (n + 2, |argument, n| Error::Length { argument, needed: 2 * (n + 2) + n, given: B * n }),
        ];
        for (stride, expected) in rows {
            if good.takes("theta") {
                let call = Call { theta_stride: stride, ..good.clone() };
                call.fails_before_writing(expected(Argument::Theta, n));
            }
            if good.takes("grad_theta") {
                let call = Call { grad_stride: stride, ..good.clone() };
                call.fails_before_writing(expected(Argument::GradTheta, n));
            }
        }
        let (stride, given) = (Error::Stride { argument: Argument::Dz }, B * S * n);
        let dz = [
            ((n - 1, 0), stride),
            ((n - 1, n), stride),
            ((0, n - 1), stride),
            ((usize::MAX, n), stride),
            ((0, usize::MAX), stride),
            ((S * n + 1, n), Error::Length { argument: Argument::Dz, needed: 2 * (S * n + 1) + S * n, given }),
            ((0, n + 1), Error::Length { argument: Argument::Dz, needed: 5 * (n + 1) + n, given }),
        ];
        for (dz_strides, expected) in dz.into_iter().filter(|_| good.takes("dz")) {
            Call { dz_strides, ..good.clone() }.fails_before_writing(expected);
        }
    }
}

#[test]
fn options_outside_their_range_are_refused() {
    for (options, rule) in bad_options() {
        let expected = Error::Option { rule };
        assert_eq!(options.check(), Err(expected), "{options:?}");
        for good in Call::all().filter(|call| call.function != F::StraightThrough) {
            Call { options, ..good }.fails_before_writing(expected);
        }
        assert_eq!(fixed::Layer::<{ NS[0] }, K>::new(options).err(), Some(expected));
    }
}

#[test]
fn options_at_the_ends_of_their_range_are_accepted() {
    for options in good_options() {
        assert_eq!(options.check(), Ok(()), "{options:?}");
    }
}

#[test]
fn the_combinatorial_target_has_one_side() {
    let shape = Shape { rows: 1, n: 1, k: 1, samples: 1 };
    let options = Options { target: Target::Combinatorial, ..Options::default() };
    let mut scores = [Outputs::UNTOUCHED];
    let (theta, dz) = (Rows::contiguous(&[0.0]), Dz::shared(&[0.0]));
    let error = imle::target(shape, &options, Key::default(), Side::Plus, theta, dz, &mut scores);
    assert!(matches!(error, Err(Error::Option { rule }) if rule.text().contains("combinatorial")), "{error:?}");
    assert_eq!(scores, [Outputs::UNTOUCHED]);
}

/// The score function of the noise needs noise with a density, and more than one sample.
#[test]
fn the_perturbed_gradient_needs_a_density_and_a_baseline() {
    let good = Options::default();
    for (options, named) in [
        (Options { noise: Noise::None, ..good }, "noise"),
        (Options { temperature: 0.0, ..good }, "temperature"),
        (Options { temperature: 2.9e-39, ..good }, "temperature"),
    ] {
        for n in NS {
            let call = Call { options, ..Call::new(F::PerturbedGradient, n) };
            let (answer, out) = call.answer();
            assert!(
                matches!(answer, Err(Error::Option { rule }) if rule.text().contains(named)),
                "{named}: {answer:?}"
            );
            assert_eq!(out, Outputs::untouched(&call));
        }
    }
    let shape = Shape { rows: 1, n: 2, k: 1, samples: 1 };
    let (theta, mut grad) = ([0.0; 2], [Outputs::UNTOUCHED; 2]);
    let (theta, losses) = (Rows::contiguous(&theta), [1.0]);
    let refused = |answer| {
        assert!(matches!(answer, Err(Error::Shape { rule }) if rule.text().contains("samples")), "{answer:?}");
    };
    refused(imle::perturbed_gradient(shape, &good, Key::default(), theta, &losses, RowsMut::contiguous(&mut grad)));
    let exact = Exact::new(shape, TopK::new(shape.k), 1.0).expect("good sizes");
    refused(exact.score_function(theta, &[0], &losses, RowsMut::contiguous(&mut grad)));
    let (dz, mut work) = (Dz::shared(&[0.0; 2]), vec![0.0; exact.workspace_len()]);
    refused(exact.unbiased_simple(theta, &[0], dz, &losses, RowsMut::contiguous(&mut grad), &mut work));
    assert_eq!(grad, [Outputs::UNTOUCHED; 2]);
}

/// The arrays of the unbiased SIMPLE and of the log-partitions, each one element too short, and bad values in the second row.
#[test]
fn the_arrays_of_exact_estimators_are_checked() {
    const N: usize = 4;
    let shape = Shape { rows: 2, n: N as u32, k: 2, samples: 2 };
    let exact = Exact::new(shape, TopK::new(2), 1.0).expect("good sizes");
    let len = exact.workspace_len();
    let call = |short: &str, [theta, dz, losses, v]: [&[f32]; 4], lists: &[u32]| {
        let cut = |name: &str, len: usize| len - usize::from(short == name);
        let (theta, mut work) = (Rows::contiguous(&theta[..cut("theta", 2 * N)]), vec![0.0; cut("work", len)]);
        let (mut grad, mut all) = (vec![Outputs::UNTOUCHED; cut("grad_theta", 2 * N)], vec![Outputs::UNTOUCHED; 6]);
        let mut out = vec![Outputs::UNTOUCHED; cut("out", 2 * N)];
        let (dz, losses) = (Dz::per_sample(&dz[..cut("dz", 4 * N)]), &losses[..cut("losses", 4)]);
        let (lists, grad_theta) = (&lists[..cut("indices", 8)], RowsMut::contiguous(&mut grad));
        let answers = [
            exact.unbiased_simple(theta, lists, dz, losses, grad_theta, &mut work).err(),
            exact.log_partitions(theta, &mut all[..cut("log_partitions", 6)], &mut work).err(),
            exact
                .log_partitions_vjp(
                    theta,
                    Rows::contiguous(&v[..cut("v", 6)]),
                    RowsMut::contiguous(&mut out),
                    &mut work,
                )
                .err(),
        ];
        answers.into_iter().flatten().for_each(assert_display_names_what_is_wrong);
        // The number of elements that each function has written.
        let written = [grad, all, out].map(|all| all.iter().filter(|&&x| x != Outputs::UNTOUCHED).count());
        (answers, written)
    };
    let (theta, dz, losses, v) = ([0.5, -1.0, 2.0, 0.0].repeat(2), [0.25; 4 * N], [1.0, -2.0, 0.5, 0.0], [1.0; 6]);
    let (good, lists) = ([&theta[..], &dz, &losses, &v], [0, 2, 1, 3, 0, 1, 2, 3]);
    let all = [2 * N, 6, 2 * N];
    assert_eq!(call("", good, &lists), ([None; 3], all));
    for (short, takers) in [
        ("theta", [1, 1, 1]),
        ("work", [1, 1, 1]),
        ("indices", [1, 0, 0]),
        ("dz", [1, 0, 0]),
        ("losses", [1, 0, 0]),
        ("grad_theta", [1, 0, 0]),
        ("log_partitions", [0, 1, 0]),
        ("v", [0, 0, 1]),
        ("out", [0, 0, 1]),
    ] {
        let (answers, written) = call(short, good, &lists);
        for ((answer, written), (taken, all)) in answers.into_iter().zip(written).zip(takers.into_iter().zip(all)) {
            let refused = matches!(answer, Some(Error::Length { .. } | Error::Workspace { .. }));
            assert_eq!((refused, written), if taken == 1 { (true, 0) } else { (false, all) }, "{short}: {answer:?}");
        }
    }

    let spoiled = |values: &[f32], at: usize, x: f32| {
        let mut values = values.to_vec();
        values[at] = x;
        values
    };
    let half = [N, 3, N];
    let nonfinite = |argument| Some(Error::NonFinite { argument, row: 1 });
    let bad = spoiled(&theta, N + 1, f32::NAN);
    let expected = [nonfinite(Argument::Theta); 3];
    assert_eq!(call("", [&bad, &dz, &losses, &v], &lists), (expected, half));
    let bad = spoiled(&dz, 4 * N - 1, f32::INFINITY);
    let expected = [nonfinite(Argument::Dz), None, None];
    assert_eq!(call("", [&theta, &bad, &losses, &v], &lists), (expected, [N, 6, 2 * N]));
    let bad = spoiled(&losses, 3, f32::NAN);
    let expected = [nonfinite(Argument::Losses), None, None];
    assert_eq!(call("", [&theta, &dz, &bad, &v], &lists), (expected, [N, 6, 2 * N]));
    let bad = spoiled(&v, 3, f32::NEG_INFINITY);
    let expected = [None, None, nonfinite(Argument::V)];
    assert_eq!(call("", [&theta, &dz, &losses, &bad], &lists), (expected, [2 * N, 6, N]));
    let expected = [Some(Error::NotAState { row: 1 }), None, None];
    assert_eq!(call("", good, &[0, 2, 1, 3, 0, 1, 3, 2]), (expected, [N, 6, 2 * N]));
}

#[test]
fn sizes_that_do_not_fit_together_are_refused() {
    let two_24 = 1 << 24;
    let bad = [
        ([1, 0, 0, 1], "n "),
        ([1, 1, 0, 0], "samples"),
        ([1, 2, 3, 1], "k "),
        ([1, 4, 5, 1], "k "),
        ([1, 4, u32::MAX, 1], "k "),
        ([1, 1, 1, two_24 + 1], "2^24"),
        ([u32::MAX, u32::MAX, 1, 1], "addressable"),
        ([u32::MAX, u32::MAX, u32::MAX, two_24], "addressable"),
    ];
    for ([rows, n, k, samples], named) in bad {
        let error = Shape { rows, n, k, samples }.check().expect_err("the sizes are bad");
        assert!(matches!(error, Error::Shape { rule } if rule.text().contains(named)), "{named}: {error}");
        assert_display_names_what_is_wrong(error);
    }
    for [rows, k, samples] in [[1, 1, two_24], [1, 0, 1], [0, 1, 1]] {
        assert_eq!(Shape { rows, n: 1, k, samples }.check(), Ok(()));
    }
}

#[test]
fn spans_reach_from_the_first_element_to_the_last() {
    let [n, _] = NS;
    let shape = shape(n);
    assert_eq!(imle::rows_span(shape, 0), Some(B * n));
    assert_eq!(imle::rows_span(shape, 9), Some(2 * 9 + n));
    assert_eq!(imle::rows_span(shape, n - 1), None);
    assert_eq!(imle::rows_span(shape, usize::MAX / 2), None);
    for ((row, sample), span) in
        [((0, 0), B * n), ((0, n), B * S * n), ((0, 7), 5 * 7 + n), ((9, 0), 2 * 9 + n), ((n, B * n), B * S * n)]
    {
        assert_eq!(imle::dz_span(shape, row, sample), Some(span), "{row} {sample}");
    }
    assert_eq!(imle::dz_span(shape, n, usize::MAX - 10), None);
}

#[test]
fn a_row_with_more_than_k_ones_is_refused() {
    for row in 0..B {
        for mut call in Call::all().filter(|call| call.takes("k_row")) {
            call.k_row[row..].fill(K as u32 + 1);
            call.fails_before_writing(Error::RowK { row: row as u32 });
        }
    }
}

#[test]
fn a_call_without_an_output_is_refused() {
    for n in NS {
        let (call, shape) = (Call::new(F::Sample, n), shape(n));
        let layer = Imle::new(shape, TopK::new(shape.k), call.options).expect("good options");
        let (theta, mut work) = (Rows::contiguous(&call.theta), vec![0.0; layer.workspace_len()]);
        assert_eq!(layer.map(theta, States::default(), &mut work), Err(Error::NoOutput));
        assert_eq!(layer.sample(Key::default(), theta, States::default(), &mut work), Err(Error::NoOutput));
    }
    assert_display_names_what_is_wrong(Error::NoOutput);
}

#[test]
fn rows_before_the_first_bad_row_are_complete_and_all_others_untouched() {
    for good in Call::all() {
        let mut complete = Outputs::untouched(&good);
        good.run(&mut complete).expect("the input is good");
        let faults: Vec<Fault> =
            bad_floats(good.n).into_iter().chain([infeasible_row()]).chain(bad_lists(good.n)).collect();
        let is_output = |argument| matches!((good.function, argument), (F::Map | F::Sample, "z" | "indices"));
        for fault in faults.iter().filter(|fault| good.takes(fault.argument) && !is_output(fault.argument)) {
            for (row, last) in [(0, 0), (1, 1), (2, 2), (0, 2), (1, 2)] {
                let mut call = good.clone();
                (row..=last).for_each(|b| (fault.spoil)(&mut call, b));
                let (answer, out) = call.answer();
                let what = format!("{:?}, n {}: {}", good.function, good.n, fault.what);
                assert_eq!(answer, Err((fault.error)(row as u32)), "{what}");
                assert_eq!(out, Outputs::complete_before(row, &complete), "{what}");
            }
        }
    }
}

/// The first bad row is named, whatever the faults of it and of later rows.
#[test]
fn the_first_bad_row_wins_over_other_faults() {
    for n in NS {
        let mut call = Call::new(F::Gradient, n);
        call.theta[2 * n] = f32::NAN;
        call.dz[S * n] = f32::NAN;
        assert_eq!(call.answer().0, Err(Error::NonFinite { argument: Argument::Dz, row: 1 }));
        (infeasible_row().spoil)(&mut call, 0);
        assert_eq!(call.answer().0, Err(Error::Infeasible { row: 0 }));
        let check = Call { function: F::Check, ..call.clone() };
        assert_eq!(check.answer().0, Err(Error::Infeasible { row: 0 }));
    }
}

#[test]
fn layers_of_fixed_sizes_name_row_0() {
    errors_name_row_0::<{ NS[0] }>();
    errors_name_row_0::<{ NS[1] }>();
}

fn errors_name_row_0<const N: usize>() {
    let good: [f32; N] = Call::new(F::Map, N).theta[..N].try_into().expect("one row");
    let layer = fixed::Layer::<N, K>::new(Options::default()).expect("good options");
    let key = Key::default();
    let mut bad: Vec<([f32; N], Error)> = Vec::new();
    for (i, x) in [(0, f32::NAN), (N - 1, f32::INFINITY)] {
        let mut theta = good;
        theta[i] = x;
        bad.push((theta, Error::NonFinite { argument: Argument::Theta, row: 0 }));
    }
    let mut infeasible = [f32::NEG_INFINITY; N];
    infeasible[0] = 1.0;
    bad.push((infeasible, Error::Infeasible { row: 0 }));
    for (theta, error) in bad {
        assert_eq!(layer.map(&theta).err(), Some(error));
        assert_eq!(layer.sample::<S>(key, &theta).err(), Some(error));
        assert_eq!(layer.gradient(key, &theta, &[[0.0; N]; S]).err(), Some(error));
    }
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut dz = [[0.0; N]; S];
        dz[S - 1][N - 1] = x;
        let error = Error::NonFinite { argument: Argument::Dz, row: 0 };
        assert_eq!(layer.gradient(key, &good, &dz).err(), Some(error));
    }
}

/// A user's solver whose states have `ones` ones in row `row`, and K ones in other rows.
#[derive(Clone, Copy)]
struct Own {
    row: usize,
    ones: Option<usize>,
}

impl MapSolver for Own {
    fn map(&self, row: usize, _scores: &[f32], z: &mut [f32], _work: &mut [f32]) -> Result<(), Unsolved> {
        z.fill(0.0);
        z[..self.ones(row).unwrap_or(K)].fill(1.0);
        Ok(())
    }

    fn ones(&self, row: usize) -> Option<usize> {
        if row == self.row { self.ones } else { Some(K) }
    }
}

#[test]
fn a_solver_for_another_shape_is_refused() {
    let shape = |rows, k| Shape { rows, n: NS[0] as u32, k, samples: S as u32 };
    let (here, wider) = (shape(B as u32, K as u32), shape(B as u32, K as u32 + 1));
    let refused = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Shape { .. })), "{result:?}");
    for row in 0..B {
        let own = Own { row, ones: Some(K + 1) };
        refused(Imle::new(here, own, Options::default()).map(drop));
        assert!(Imle::new(wider, own, Options::default()).is_ok());
    }
    refused(Imle::new(here, TopK::new(K as u32 + 1), Options::default()).map(drop));
    refused(Exact::new(here, TopK::new(K as u32 + 1), 1.0).map(drop));
    refused(Imle::new(here, Argmax, Options::default()).map(drop));
    refused(Exact::new(here, Argmax, 1.0).map(drop));
    let (short, above) = ([K as u32; B - 1], [K as u32, K as u32 + 1, 0]);
    for (k_row, expected) in [
        (&short[..], Error::Length { argument: Argument::KRow, needed: B, given: B - 1 }),
        (&above, Error::RowK { row: 1 }),
    ] {
        let solver = TopK::per_row(k_row);
        assert_eq!(Imle::new(here, solver, Options::default()).map(drop), Err(expected));
        assert_eq!(Exact::new(here, solver, 1.0).map(drop), Err(expected));
    }
}

/// States whose number of ones is not known have no index lists. Asking for lists is refused before anything is written.
#[test]
fn lists_of_a_solver_with_any_number_of_ones_are_refused() {
    for (n, row) in NS.into_iter().flat_map(|n| (0..B).map(move |row| (n, row))) {
        let call = Call::new(F::Sample, n);
        let layer = Imle::new(shape(n), Own { row, ones: None }, call.options).expect("good options");
        let (theta, work) = (Rows::contiguous(&call.theta), &mut vec![0.0; layer.workspace_len()]);
        let mut out = Outputs::untouched(&call);
        let states = States::both(&mut out.z, &mut out.indices);
        assert_eq!(layer.map(theta, states, work), Err(Error::NoLists));
        let states = States { marginals: Some(&mut out.marginals), ..States::both(&mut out.z, &mut out.indices) };
        assert_eq!(layer.sample(Key::default(), theta, states, work), Err(Error::NoLists));
        assert_eq!(out, Outputs::untouched(&call), "n {n}, row {row}");
        assert_eq!(layer.map(theta, States::z(&mut out.z), work), Ok(()), "z alone is accepted");
    }
}
