//! Trees: MAP against every tree of a few words and against an independent search for many words, ties, rows of different
//! length, masks, and states that the caller gives. `tests/laws.rs` has what trees share with other sets.

mod common;

use common::arrays::{JUNK, bits};
use common::best_tree::{self, Rounding};
use common::tree_cases::tree;
use common::trees::{KINDS, Kind, all_trees, is_tree};
use imle::{Argument, Dz, Error, Forward, Imle, Key, MapSolver, Options, Rows, RowsMut, Rule, Shape, States, Tree};

/// Numbers from a seed (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to `end`, without it.
    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    /// From −1 to 1.
    fn unit(&mut self) -> f32 {
        self.below(1 << 24) as f32 / 8_388_608.0 - 1.0
    }
}

fn shape(rows: usize, words: usize, samples: usize) -> Shape {
    let [rows, n, k, samples] = [rows, words * words, words, samples].map(|size| size as u32);
    Shape { rows, n, k, samples }
}

fn layer(rows: usize, words: usize, n_row: Option<&[u32]>, kind: Kind) -> Imle<Tree<'_>> {
    Imle::new(shape(rows, words, 1), tree(words as u32, n_row, kind), Options::default()).expect("good sizes")
}

/// MAP of one row of `words` words, as heads.
fn heads(theta: &[f32], stride: usize, words: usize, kind: Kind) -> Result<Vec<usize>, Error> {
    let n_row = [words as u32];
    let layer = layer(1, stride, Some(&n_row), kind);
    let (mut z, mut lists) = (vec![JUNK; stride * stride], vec![7; stride]);
    layer.map(Rows::contiguous(theta), States::both(&mut z, &mut lists), &mut vec![JUNK; layer.workspace_len()])?;
    let mut heads = vec![7; stride];
    layer.solver().heads(layer.shape(), &lists, &mut heads)?;
    assert!(heads[words..].iter().all(|&head| head == u32::MAX));
    let heads: Vec<usize> = heads[..words].iter().map(|&head| head as usize).collect();
    assert_eq!(z, best_tree::state(&heads, stride));
    assert!(is_tree(&heads, kind), "{kind:?}: {heads:?}");
    Ok(heads)
}

/// The numbers of trees, as everybody counts them.
#[test]
fn the_reference_has_every_tree() {
    let counts = [[1, 3, 16, 125, 1296], [1, 2, 9, 64, 625], [1, 3, 12, 55, 273], [1, 2, 7, 30, 143]];
    for (kind, counts) in KINDS.into_iter().zip(counts) {
        assert_eq!([1, 2, 3, 4, 5].map(|words| all_trees(words, kind).len()), counts, "{kind:?}");
    }
}

#[test]
fn map_of_a_known_matrix_is_the_known_tree() {
    let theta = [1.764_052, 0.400_157, 0.978_738, 2.240_893, 1.867_558, -0.977_278, 0.950_088, -0.151_357, -0.103_219];
    let trees = [[1, 1, 0], [1, 1, 0], [1, 1, 2], [0, 0, 0]];
    assert_eq!(KINDS.map(|kind| heads(&theta, 3, 3, kind).expect("a tree")), trees.map(Vec::from));
}

/// θ of one of the kinds for which a solver could fail.
fn theta(case: u64, words: usize, numbers: &mut Numbers) -> Vec<f32> {
    (0..words * words)
        .map(|_| match case % 7 {
            0 => numbers.unit() * 3.0,
            1 => numbers.unit() * 80.0,
            2 => numbers.below(2) as f32,
            3 => numbers.below(5) as f32 - 2.0,
            4 if numbers.below(2) == 0 => f32::NEG_INFINITY,
            5 if numbers.below(words as u64) > 1 => f32::NEG_INFINITY,
            // A common offset takes most digits.
            6 => 1000.0 + numbers.unit(),
            _ => numbers.unit(),
        })
        .collect()
}

/// The sum of the chosen scores is the largest one, up to the rounding of `words` differences or sums.
#[track_caller]
fn assert_best(theta: &[f32], words: usize, kind: Kind, best: Option<f64>) {
    let largest = theta.iter().filter(|t| t.is_finite()).fold(1.0, |largest: f32, t| largest.max(t.abs()));
    let found = heads(theta, words, words, kind).map(|heads| best_tree::sum(&heads, theta, words));
    match (found, best) {
        (Ok(sum), Some(best)) => {
            let bound = f64::from(f32::EPSILON * largest) * words as f64;
            assert!((sum - best).abs() <= bound, "{kind:?}: {sum} instead of {best}, {theta:?}");
        }
        (Err(error), None) => assert_eq!(error, Error::Infeasible { row: 0 }),
        other => panic!("{kind:?}: {other:?}, {theta:?}"),
    }
}

#[test]
fn map_is_the_best_of_all_trees() {
    let mut numbers = Numbers(1);
    for kind in KINDS {
        for words in 1..=5 {
            let trees = all_trees(words, kind);
            for case in 0..210 {
                let theta = theta(case, words, &mut numbers);
                let sums = trees.iter().map(|heads| best_tree::sum(heads, &theta, words));
                let best = sums.fold(f64::NEG_INFINITY, f64::max);
                assert_best(&theta, words, kind, (best > f64::NEG_INFINITY).then_some(best));
            }
        }
    }
}

/// The reference is in f64 and closes all cycles of a round at once, or builds spans from long to short.
#[test]
fn map_of_many_words_is_the_best_that_an_independent_search_finds() {
    let mut numbers = Numbers(2);
    for kind in KINDS {
        for words in [6, 15, 16, 17, 33, 64] {
            for case in 0..7 {
                let theta = theta(case, words, &mut numbers);
                let best = best_tree::map(&theta, words, words, kind, Rounding::F64);
                assert_best(&theta, words, kind, best.map(|heads| best_tree::sum(&heads, &theta, words)));
            }
        }
    }
}

/// Equal scores everywhere, scores of two values, and whole numbers: the tree is that of the rule, whatever `words` of the
/// shape are and whatever stands outside the row's words.
#[test]
fn ties_follow_the_rule() {
    let mut numbers = Numbers(3);
    for kind in KINDS {
        for words in [1, 2, 3, 4, 5, 7, 16, 17, 40] {
            for values in [1, 2, 2, 2, 3, 3, 9] {
                let scores: Vec<f32> = (0..words * words)
                    .map(|_| if numbers.below(2) == 0 { -0.0 } else { 0.0 } + numbers.below(values) as f32)
                    .collect();
                let expected = best_tree::map(&scores, words, words, kind, Rounding::F64).expect("nothing is masked");
                for stride in [words, words + 1, words + 9] {
                    let mut theta = vec![f32::NAN; stride * stride];
                    for (line, scores) in theta.chunks_mut(stride).zip(scores.chunks(words)) {
                        line[..words].copy_from_slice(scores);
                    }
                    assert_eq!(heads(&theta, stride, words, kind).as_ref(), Ok(&expected), "{kind:?}, {scores:?}");
                }
            }
        }
    }
    // By hand. Among equal arcs every word hangs from the root, or, if it has one child, from word 0. A projective tree is
    // a chain, because the first place of every split wins.
    for (kind, expected) in KINDS.into_iter().zip([[0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 1, 2], [0, 0, 1, 2]]) {
        let found = heads(&[0.0; 16], 4, 4, kind).expect("a tree");
        assert_eq!((found, kind), (expected.to_vec(), kind));
    }
}

/// Scores that overflow their sums and differences: no NaN, and still a tree that avoids masks.
#[test]
fn extreme_scores_give_trees() {
    let mut numbers = Numbers(4);
    let values =
        [f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, 1e38, -3e38, 0.0, 1.0, 1e-45, f32::MIN_POSITIVE];
    for kind in KINDS {
        for words in 1..=9 {
            for _ in 0..200 {
                let scores: Vec<f32> =
                    (0..words * words).map(|_| values[numbers.below(values.len() as u64) as usize]).collect();
                let solver = tree(words as u32, None, kind);
                let (mut z, mut work) = (vec![JUNK; words * words], vec![JUNK; solver.workspace_len(words * words)]);
                let expected = best_tree::map(&scores, words, words, kind, Rounding::F32);
                assert_eq!(solver.feasible(0, &scores, &mut work), expected.is_some(), "{kind:?} {scores:?}");
                if let Some(heads) = expected {
                    assert_eq!(solver.map(0, &scores, &mut z, &mut work), Ok(()), "{kind:?} {scores:?}");
                    assert_eq!(z, best_tree::state(&heads, words), "{kind:?}, {scores:?}");
                }
            }
        }
    }
}

/// Whatever stands outside the words of a row, in any input, changes no bit, and outputs are 0 there.
#[test]
fn what_lies_outside_the_words_of_a_row_is_not_read() {
    const WORDS: usize = 6;
    const N: usize = WORDS * WORDS;
    const S: usize = 3;
    let n_row = [4, 0, 6, 1];
    let inside = |i: usize| (i / N, i % N / WORDS, i % WORDS);
    let is_inside = |i| {
        let (b, head, word) = inside(i);
        head < n_row[b] as usize && word < n_row[b] as usize
    };
    let mut numbers = Numbers(5);
    let mut random = |len: usize| (0..len).map(|_| numbers.unit()).collect::<Vec<f32>>();
    let [theta, dz, y] = [random(4 * N), random(4 * N), random(4 * N)];
    for kind in KINDS {
        let run = |outside: f32| {
            let spoil = |values: &[f32]| -> Vec<f32> {
                (0..4 * N).map(|i| if is_inside(i) { values[i] } else { outside }).collect()
            };
            let [theta, dz, y] = [&theta, &dz, &y].map(|values| spoil(values));
            let solver = tree(WORDS as u32, Some(&n_row), kind);
            let layer = Imle::new(shape(4, WORDS, S), solver, Options::default()).expect("good sizes");
            let (key, rows, work) = (Key::default(), Rows::contiguous(&theta), &mut vec![JUNK; layer.workspace_len()]);
            let (mut z, mut marginals, mut lists) = (vec![JUNK; S * 4 * N], vec![JUNK; 4 * N], vec![7; S * 4 * WORDS]);
            let all = States { marginals: Some(&mut marginals), ..States::both(&mut z, &mut lists) };
            layer.sample(key, rows, all, work).expect("outside nothing is read");
            assert_eq!(layer.check(rows, Some(Dz::shared(&dz)), work), Ok(()));
            let (mut grads, mut fy, mut loss) = ([(); 3].map(|()| vec![JUNK; 4 * N]), vec![JUNK; 4 * N], [JUNK; 4]);
            for (grad, forward) in grads.iter_mut().zip([Forward::Replay, Forward::Indices(&lists), Forward::Z(&z)]) {
                let out = RowsMut::contiguous(grad);
                layer.gradient(key, rows, Dz::shared(&dz), forward, out, work).expect("outside nothing is read");
            }
            let out = RowsMut::contiguous(&mut fy);
            layer.fenchel_young(key, rows, Rows::contiguous(&y), &mut loss, out, work).expect("nothing is read");
            assert!(grads.iter().all(|grad| bits(grad) == bits(&grads[0])));
            for output in [&marginals, &grads[0], &fy] {
                assert!((0..4 * N).all(|i| is_inside(i) || output[i] == 0.0), "{kind:?}: {output:?}");
            }
            assert_eq!(loss[1], 0.0, "a row without words");
            [bits(&z), lists, bits(&marginals), bits(&grads[0]), bits(&fy), bits(&loss)]
        };
        let expected = run(0.0);
        for outside in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
            assert_eq!(run(outside), expected, "{kind:?}: {outside}");
        }
    }
}

#[test]
fn sizes_that_are_no_tree_are_refused() {
    let square = Err(Error::Shape { rule: Rule::TreeIsSquare });
    let build =
        |n, k, tree: Tree<'_>| Imle::new(Shape { rows: 2, n, k, samples: 1 }, tree, Options::default()).map(drop);
    for tree in [Tree::new(3), Tree::new(3).projective(), Tree::per_row(3, &[3, 0]).single_root()] {
        assert_eq!(build(9, 3, tree), Ok(()));
        assert_eq!(build(8, 3, tree), square);
        assert_eq!(build(16, 4, tree), square);
        assert_eq!(build(9, 2, tree), square);
    }
    assert_eq!(build(1, 0, Tree::new(0)), square);
    assert_eq!(build(9, 3, Tree::per_row(3, &[3, 4])), Err(Error::RowWords { row: 1 }));
    let short = Error::Length { argument: Argument::NRow, needed: 2, given: 1 };
    assert_eq!(build(9, 3, Tree::per_row(3, &[3])), Err(short));
    let error = Error::RowWords { row: 1 }.to_string();
    assert!(error.contains("n_row") && error.contains("row 1"));
}

#[test]
fn masks_that_leave_no_tree_name_their_row() {
    const MASK: f32 = f32::NEG_INFINITY;
    // Words 1 and 2 are each other's only heads; only word 1 has an arc from the root, and it leads nowhere else.
    let cycle = [0.0, 0.0, 0.0, 0.0, MASK, 0.0, 0.0, 0.0, MASK].map(|t: f32| t);
    let no_head = [0.0, 0.0, MASK, 0.0, 0.0, MASK, 0.0, 0.0, MASK];
    let two_roots = [0.0, MASK, MASK, MASK, 0.0, 0.0, MASK, MASK, 0.0];
    // 0 → 2 and 1 → 3 cross.
    let mut crossing = [MASK; 16];
    [0, 2, 4 + 3, 2 * 4 + 1].into_iter().for_each(|i| crossing[i] = 0.0);
    for kind in KINDS {
        let good = |theta: &[f32], words: usize| heads(theta, words, words, kind).is_ok();
        assert!(good(&cycle, 3));
        assert!(!good(&no_head, 3));
        assert_eq!(good(&two_roots, 3), !kind.single_root);
        assert_eq!(good(&crossing, 4), !kind.projective);
        let theta = [[0.0; 9], no_head].concat();
        let (layer, mut z) = (layer(2, 3, None, kind), [JUNK; 18]);
        let work = &mut vec![JUNK; layer.workspace_len()];
        let answer = layer.map(Rows::contiguous(&theta), States::z(&mut z), work);
        assert_eq!(answer, Err(Error::Infeasible { row: 1 }));
        assert!(z[..9].iter().sum::<f32>() == 3.0 && z[9..].iter().all(|z| z.is_nan()));
    }
}

/// Lists and z that are no tree of the row are refused, with the row.
#[test]
fn given_states_must_be_trees() {
    const END: u32 = u32::MAX;
    // Two rows of 4 words, of which the second has 3. (head, word) is 4·head + word.
    let n_row = [4, 3];
    let arcs = |arcs: [(u32, u32); 3]| {
        let mut list = arcs.map(|(head, word)| 4 * head + word);
        list.sort_unstable();
        [list[0], list[1], list[2], END]
    };
    let good = [0, 1, 2, 3];
    for kind in KINDS {
        let cases = [
            (arcs([(0, 0), (0, 1), (0, 2)]), true),
            (arcs([(0, 0), (2, 1), (0, 2)]), true),
            (arcs([(0, 0), (1, 1), (1, 2)]), !kind.single_root),
            (arcs([(2, 0), (1, 1), (1, 2)]), !kind.projective), // passes over the root word 1
            (arcs([(0, 0), (2, 1), (1, 2)]), false),            // a cycle
            (arcs([(1, 0), (2, 1), (0, 2)]), false),
            (arcs([(0, 0), (0, 1), (1, 1)]), false), // two heads
            (arcs([(0, 0), (0, 1), (3, 2)]), false), // a head outside
            (arcs([(0, 0), (0, 1), (0, 3)]), false), // a word outside
            ([0, 2, 1, END], false),
            ([0, 1, END, 2], false),
            ([0, 1, 2, 6], false),
            ([0, 1, END, END], false),
        ];
        let layer = layer(2, 4, Some(&n_row), kind);
        let (theta, dz, work) = ([0.5; 32], [1.0; 32], &mut vec![JUNK; layer.workspace_len()]);
        for (list, is_good) in cases {
            let lists = [good, list].concat();
            let z: Vec<f32> =
                lists.chunks(4).flat_map(|list| (0..16).map(|i| f32::from(u8::from(list.contains(&i))))).collect();
            let sorted = list.is_sorted_by(|a, b| a < b || *b == END);
            for forward in [Forward::Indices(&lists), Forward::Z(&z)] {
                let (mut grad, dz) = ([JUNK; 32], Dz::shared(&dz));
                let out = RowsMut::contiguous(&mut grad);
                let answer = layer.gradient(Key::default(), Rows::contiguous(&theta), dz, forward, out, work);
                // z has no order.
                let is_good = is_good || (!sorted && matches!(forward, Forward::Z(_)));
                let expected = if is_good { Ok(()) } else { Err(Error::NotAState { row: 1 }) };
                assert_eq!(answer.map(drop), expected, "{kind:?}: {list:?}, {forward:?}");
                assert!(is_good || grad[16..].iter().all(|x| x.is_nan()) && grad[..16].iter().all(|x| !x.is_nan()));
            }
            let mut heads = [7; 8];
            let answer = layer.solver().heads(layer.shape(), &lists, &mut heads);
            assert_eq!(answer, if is_good { Ok(()) } else { Err(Error::NotAState { row: 1 }) }, "{list:?}");
            assert_eq!(heads[..4], [0; 4]);
            assert!(is_good || heads[4..] == [7; 4]);
        }
        let short = Error::Length { argument: Argument::Heads, needed: 8, given: 7 };
        assert_eq!(layer.solver().heads(layer.shape(), &[good, good].concat(), &mut [0; 7]), Err(short));
    }
}

/// At most 8·N floats and some per word, with those of the layer. The solver refuses a workspace that is too short and
/// scores that are NaN, and does not panic when its slices are too short.
#[test]
fn the_workspace_is_as_documented() {
    for kind in KINDS {
        for words in [1_usize, 2, 30, 300, 65_535] {
            let n = words * words;
            let solver = tree(words as u32, None, kind);
            let own = if kind.projective { 3 * n + 6 * words + 1 } else { 2 * n + 14 * words };
            assert_eq!(solver.workspace_len(n), own);
        }
        let solver = tree(5, None, kind);
        let needed = solver.workspace_len(25);
        let (scores, mut z) = ([1.0; 25], [0.0; 25]);
        assert!(solver.map(0, &scores, &mut z, &mut vec![0.0; needed - 1]).is_err());
        assert!(solver.map(0, &scores, &mut z, &mut vec![0.0; needed]).is_ok());
        for len in [0, 1, 24] {
            let _ = solver.map(0, &scores[..len], &mut z, &mut vec![0.0; needed]);
            let _ = solver.map(0, &scores, &mut z[..len], &mut vec![0.0; needed]);
        }
        assert!(solver.map(0, &[f32::NAN; 25], &mut z, &mut vec![0.0; needed]).is_err());
        let endless = tree(u32::MAX, None, kind);
        assert!(endless.map(0, &scores, &mut z, &mut [0.0; 9]).is_err());
        let _ = endless.feasible(0, &[f32::NEG_INFINITY], &mut [0.0; 9]);
    }
}
