//! A solver of the user's own in the layer: its workspace, states of different size, replay from given states, and a solver
//! that gives up.

mod common;

use std::cell::Cell;

use common::arrays::{JUNK, bits};
use common::cases::{self, Case, Sizes, any_sizes};
use common::layers::three_steps::{perturbed, targets};
use common::reference;
use imle::{
    Argument, Diagnostics, Difference, Dz, Error, Forward, Imle, Key, MapSolver, Options, Rows, RowsMut, Shape, Side,
    States, Unsolved,
};
use proptest::prelude::*;

/// All coordinates with scores above 0, at most one of any three neighbours (the first): C is closed under leaving ones out,
/// so states differ in size. It uses its workspace for a copy of the scores, and counts its calls.
#[derive(Default)]
struct Positive {
    calls: Cell<usize>,
    /// The row on which it gives up.
    gives_up: Option<usize>,
}

impl Positive {
    const EXTRA: usize = 3;

    fn state(scores: &[f32]) -> Vec<f32> {
        scores
            .chunks(3)
            .flat_map(|three| {
                let first = three.iter().position(|&score| score > 0.0);
                (0..three.len()).map(move |i| if first == Some(i) { 1.0 } else { 0.0 })
            })
            .collect()
    }
}

impl MapSolver for Positive {
    fn map(&self, row: usize, scores: &[f32], z: &mut [f32], work: &mut [f32]) -> Result<(), Unsolved> {
        self.calls.set(self.calls.get() + 1);
        assert_eq!(work.len(), scores.len() + Self::EXTRA, "as long as the solver says");
        if self.gives_up == Some(row) {
            return Err(Unsolved);
        }
        work[..scores.len()].copy_from_slice(scores);
        z.copy_from_slice(&Self::state(&work[..scores.len()]));
        work.fill(JUNK);
        Ok(())
    }

    fn workspace_len(&self, n: usize) -> usize {
        n + Self::EXTRA
    }

    /// No bound is known without N. `check` has one.
    fn max_ones(&self, _row: usize) -> Option<usize> {
        Some(usize::MAX)
    }

    fn feasible(&self, _row: usize, theta: &[f32], work: &mut [f32]) -> bool {
        assert_eq!(work.len(), theta.len() + Self::EXTRA, "as long as the solver says");
        work.fill(JUNK);
        true
    }

    /// Its shapes have K = N/3, rounded up.
    fn check(&self, shape: Shape) -> Result<(), Error> {
        if shape.k() == shape.n().div_ceil(3) { Ok(()) } else { Err(Error::Shape { rule: imle::Rule::SolverFits }) }
    }
}

fn shape(sizes: Sizes) -> Shape {
    let Sizes { rows, n, samples, .. } = sizes;
    Shape { rows: rows as u32, n: n as u32, k: n.div_ceil(3) as u32, samples: samples as u32 }
}

fn gradient<M: MapSolver>(layer: &Imle<M>, case: &Case, forward: Forward<'_>) -> (Vec<f32>, Diagnostics) {
    let (mut grad, mut work) = (vec![JUNK; case.theta.len()], vec![JUNK; layer.workspace_len()]);
    let (theta, out) = (Rows::contiguous(&case.theta), RowsMut::contiguous(&mut grad));
    let counts = layer.gradient(case.key(), theta, case.all_dz(), forward, out, &mut work).expect("cases are good");
    (grad, counts)
}

fn solve(scores: &[f32], n: usize) -> Vec<f32> {
    scores.chunks(n).flat_map(Positive::state).collect()
}

proptest! {
    #![proptest_config(common::laws::config())]

    /// Samples, lists with tails, marginals and gradients are those of the three steps around the solver, and the solver
    /// is called once for each state that the call has to find.
    #[test]
    fn states_of_different_size_follow_the_three_steps(case in cases::cases(any_sizes(), false)) {
        let Sizes { rows, n, samples, .. } = case.sizes;
        let (shape, states) = (shape(case.sizes), rows * samples);
        let solver = Positive::default();
        let calls = || solver.calls.replace(0);
        let layer = Imle::new(shape, &solver, case.options).expect("cases are good");
        prop_assert_eq!(layer.workspace_len(), 4 * n + Positive::EXTRA);
        let (mut z, mut indices) = (vec![JUNK; states * n], vec![7; states * shape.k()]);
        let (mut marginals, work) = (vec![JUNK; rows * n], &mut vec![JUNK; layer.workspace_len()]);
        let all = States { marginals: Some(&mut marginals), ..States::both(&mut z, &mut indices) };
        layer.sample(case.key(), Rows::contiguous(&case.theta), all, work).expect("cases are good");
        prop_assert_eq!(calls(), states);
        prop_assert_eq!(bits(&z), bits(&solve(&perturbed(&case), n)));
        let lists = z.chunks(n).flat_map(|z| reference::index_list(z, shape.k()));
        prop_assert_eq!(&indices, &lists.collect::<Vec<_>>());
        let means = z.chunks(samples * n).flat_map(|z| reference::mean(&z.chunks(n).map(<[f32]>::to_vec).collect::<Vec<_>>()));
        prop_assert_eq!(bits(&marginals), bits(&means.collect::<Vec<_>>()));

        let central = case.options.difference == Difference::Central;
        let first = if central { solve(&targets(&case, Side::Plus), n) } else { z.clone() };
        let z_target = solve(&targets(&case, Side::Minus), n);
        let mut expected = vec![JUNK; rows * n];
        let out = RowsMut::contiguous(&mut expected);
        let counts = imle::difference(shape, &case.options, &first, &z_target, out).expect("cases are good");
        for forward in [Forward::Replay, Forward::Indices(&indices), Forward::Z(&z)] {
            let (grad, counted) = gradient(&layer, &case, forward);
            prop_assert_eq!(bits(&grad), bits(&expected));
            prop_assert_eq!(counted, counts);
            let known = !central && !matches!(forward, Forward::Replay);
            prop_assert_eq!(calls(), if known { states } else { 2 * states });
        }
    }

    /// States that are given as z need not be those of the forward pass: the gradient is that of the formula. So it is for
    /// k-subsets of any size, whichever way they are chosen.
    #[test]
    fn a_given_z_is_the_z_of_the_formula(case in cases::cases(any_sizes(), true), seed: u64) {
        let layer = common::layers::top_k(&case);
        let Sizes { n, .. } = case.sizes;
        let other = common::layers::sample(&layer, Key { seed, ..case.key() }, Rows::contiguous(&case.theta)).z;
        let own = common::layers::sample(&layer, case.key(), Rows::contiguous(&case.theta)).z;
        prop_assert_eq!(gradient(&layer, &case, Forward::Z(&own)), gradient(&layer, &case, Forward::Replay));

        let solve = |side| {
            let scores = targets(&case, side);
            let rows = scores.chunks(n * case.sizes.samples).enumerate();
            rows.flat_map(|(b, row)| row.chunks(n).flat_map(|scores| reference::map(scores, case.k(b))).collect::<Vec<_>>())
                .collect::<Vec<f32>>()
        };
        let first = if case.options.difference == Difference::Central { solve(Side::Plus) } else { other.clone() };
        let mut expected = vec![JUNK; case.theta.len()];
        let out = RowsMut::contiguous(&mut expected);
        let counts = imle::difference(layer.shape(), &case.options, &first, &solve(Side::Minus), out).expect("good");
        let (grad, counted) = gradient(&layer, &case, Forward::Z(&other));
        prop_assert_eq!(bits(&grad), bits(&expected));
        prop_assert_eq!(counted, counts);
    }

    /// Another λ is all that `with_lambda` changes.
    #[test]
    fn a_layer_with_another_lambda_is_a_layer_built_with_it(case in cases::cases(any_sizes(), true), lambda in 1e-3_f32..1e3) {
        let options = Options { lambda, ..case.options };
        let built = Imle::new(case.shape(), case.top_k(), options).expect("cases are good");
        let layer = common::layers::top_k(&case);
        let with = layer.with_lambda(lambda).expect("a good lambda");
        prop_assert_eq!((with.shape(), *with.options(), **with.solver()), (case.shape(), options, case.top_k()));
        prop_assert_eq!(gradient(&with, &case, Forward::Replay), gradient(&built, &case, Forward::Replay));
    }
}

const SHAPE: Shape = Shape { rows: 3, n: 6, k: 2, samples: 2 };
const THETA: [f32; 18] =
    [1.0, 2.0, -1.0, 0.5, 0.0, 3.0, -2.0, 1.0, 1.0, 2.0, 2.0, -4.0, 0.5, 0.5, 0.5, -0.5, 1.5, f32::NEG_INFINITY];
const DZ: [f32; 18] = [0.25; 18];

#[test]
fn a_solver_that_gives_up_ends_the_call_with_its_row() {
    for row in 0..3 {
        let solver = Positive { gives_up: Some(row), ..Positive::default() };
        let good = Positive::default();
        let layers = [&solver, &good].map(|solver| Imle::new(SHAPE, solver, Options::default()).unwrap());
        let theta = Rows::from(&THETA);
        let work = &mut [JUNK; 4 * 6 + Positive::EXTRA];
        let mut run = |layer: &Imle<&Positive>| {
            let (mut z, mut samples, mut grad) = ([JUNK; 18], [JUNK; 36], [JUNK; 18]);
            let (mut fy_grad, mut loss) = ([JUNK; 18], [JUNK; 3]);
            let key = Key { seed: 3, ..Key::default() };
            let errors = [
                layer.map(theta, States::z(&mut z), work),
                layer.sample(key, theta, States::z(&mut samples), work),
                layer.gradient(key, theta, Dz::shared(&DZ), Forward::Replay, (&mut grad).into(), work).map(drop),
                layer.fenchel_young(key, theta, Rows::from(&DZ), &mut loss, RowsMut::from(&mut fy_grad), work),
            ];
            (errors, [z.to_vec(), samples.to_vec(), grad.to_vec(), fy_grad.to_vec(), loss.to_vec()])
        };
        let [(errors, out), (none, complete)] = layers.each_ref().map(&mut run);
        assert_eq!(errors, [Err(Error::Unsolved { row: row as u32 }); 4]);
        assert_eq!(none, [Ok(()); 4]);
        for (out, complete) in out.iter().zip(&complete) {
            let len = out.len() / 3;
            assert_eq!(out[..row * len], complete[..row * len], "rows before it are complete");
            assert!(out[(row + 1) * len..].iter().all(|x| x.is_nan()), "rows after it are untouched");
        }
        assert!(Error::Unsolved { row: 7 }.to_string().contains("row 7"));
    }
}

#[test]
fn a_given_z_that_is_no_state_is_refused_before_its_row_is_written() {
    let theta = Rows::from(&THETA);
    let layer = Imle::new(SHAPE, imle::TopK::new(2), Options::default()).unwrap();
    let positive = Positive::default();
    let any_size = Imle::new(SHAPE, &positive, Options::default()).unwrap();
    let good = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0].repeat(6);
    let call = |z: &[f32]| {
        let (mut grad, mut again) = ([JUNK; 18], [JUNK; 18]);
        let work = &mut [JUNK; 4 * 6 + Positive::EXTRA];
        let mut gradient = |grad: &mut [f32; 18], known_size: bool| {
            let (key, dz, forward, out) = (Key::default(), Dz::shared(&DZ), Forward::Z(z), RowsMut::from(grad));
            match known_size {
                true => layer.gradient(key, theta, dz, forward, out, work),
                false => any_size.gradient(key, theta, dz, forward, out, work),
            }
        };
        ((gradient(&mut grad, true), grad), (gradient(&mut again, false), again))
    };
    assert!(call(&good).0.0.is_ok() && call(&good).1.0.is_ok());
    // One value of a row's second sample. The size of a state is known for k-subsets only.
    let (wrong_size, wrong_value) = ([(2, 1.0), (1, 0.0)], [(0, 0.5), (4, f32::NAN), (0, -1.0)]);
    for row in 0..3 {
        let refused = Err(Error::NotAState { row: row as u32 });
        for (i, value) in wrong_size.into_iter().chain(wrong_value) {
            let mut z = good.clone();
            z[row * 12 + 6 + i] = value;
            let ((two, grad), (any_size, _)) = call(&z);
            assert_eq!(two, refused, "{i} {value}");
            assert!(grad[row * 6..].iter().all(|x| x.is_nan()) && grad[..row * 6].iter().all(|x| !x.is_nan()));
            assert_eq!(any_size.is_err(), !wrong_size.contains(&(i, value)), "{i} {value}");
            assert!(any_size.is_ok() || any_size == refused);
        }
    }
    let mut masked = good.clone();
    (masked[31], masked[35]) = (0.0, 1.0);
    let ((two, _), (any_size, _)) = call(&masked);
    assert_eq!([two, any_size], [Err(Error::NotAState { row: 2 }); 2]);
    let short = Error::Length { argument: Argument::Z, needed: 36, given: 35 };
    assert_eq!(call(&good[1..]).0.0, Err(short));
}

#[test]
fn a_list_of_a_state_of_any_size_ends_in_its_tail() {
    let solver = Positive::default();
    let layer = Imle::new(SHAPE, &solver, Options::default()).unwrap();
    const END: u32 = u32::MAX;
    for (list, good) in [
        ([0, 4], true),
        ([3, END], true),
        ([END, END], true),
        ([END, 3], false),
        ([4, 0], false),
        ([3, 3], false),
        ([6, END], false),
        ([2, 5], false), // 5 is masked
    ] {
        let mut lists = [END; 12];
        lists[10..].copy_from_slice(&list);
        let (mut grad, work) = ([JUNK; 18], &mut [JUNK; 4 * 6 + Positive::EXTRA]);
        let (dz, out) = (Dz::shared(&DZ), RowsMut::from(&mut grad));
        let answer = layer.gradient(Key::default(), Rows::from(&THETA), dz, Forward::Indices(&lists), out, work);
        assert_eq!(answer.map(drop), if good { Ok(()) } else { Err(Error::NotAState { row: 2 }) }, "{list:?}");
    }
}

#[test]
fn the_solvers_workspace_is_part_of_the_layers() {
    let solver = Positive::default();
    let layer = Imle::new(SHAPE, &solver, Options::default()).unwrap();
    let (needed, own) = (layer.workspace_len(), solver.workspace_len(6));
    let (mut z, mut work) = ([JUNK; 18], vec![JUNK; needed - 1]);
    let short = Error::Workspace { needed, given: needed - 1 };
    assert_eq!(layer.map(Rows::from(&THETA), States::z(&mut z), &mut work), Err(short));
    // A check needs the solver's alone.
    let short = Error::Workspace { needed: own, given: own - 1 };
    assert_eq!(layer.check(Rows::from(&THETA), None, &mut work[..own - 1]), Err(short));
    assert_eq!(layer.check(Rows::from(&THETA), None, &mut work[..own]), Ok(()));

    /// A solver whose workspace cannot be had.
    struct Endless;
    impl MapSolver for Endless {
        fn map(&self, _: usize, _: &[f32], _: &mut [f32], _: &mut [f32]) -> Result<(), Unsolved> {
            Ok(())
        }
        fn workspace_len(&self, _n: usize) -> usize {
            usize::MAX
        }
    }
    let layer = Imle::new(SHAPE, Endless, Options::default()).unwrap();
    let endless = Error::Workspace { needed: usize::MAX, given: needed - 1 };
    assert_eq!(layer.map(Rows::from(&THETA), States::z(&mut z), &mut work), Err(endless));
}

#[test]
fn a_lambda_out_of_range_is_refused() {
    let solver = Positive::default();
    let layer = Imle::new(SHAPE, &solver, Options::default()).unwrap();
    for lambda in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let error = Error::Option { rule: imle::Rule::Lambda };
        assert_eq!(layer.with_lambda(lambda).map(drop), Err(error));
    }
}

/// A slice or an array is a view of rows without gaps, for inputs and outputs.
#[test]
fn slices_and_arrays_are_rows_one_after_another() {
    let layer = Imle::new(SHAPE, imle::TopK::new(2), Options::default()).unwrap();
    let mut answers = Vec::new();
    let run = |theta: Rows<'_>, out: RowsMut<'_>| {
        layer.gradient(Key::default(), theta, Dz::shared(&DZ), Forward::Replay, out, &mut [JUNK; 18]).map(drop)
    };
    for kind in 0..3 {
        let mut grad = [JUNK; 18];
        match kind {
            0 => run(Rows::contiguous(&THETA), RowsMut::contiguous(&mut grad)),
            1 => run((&THETA).into(), (&mut grad).into()),
            _ => run(THETA[..].into(), grad[..].as_mut().into()),
        }
        .unwrap();
        answers.push(grad);
    }
    assert_eq!([answers[1], answers[2]], [answers[0]; 2]);
}
