//! Pins of the noise, samples, gradients, adaptive λ, exact distributions and trees. A change of any of them is
//! *value-breaking*, and the changelog must say so.
//!
//! These numbers are our own output. They show that the values are the same as before and the same on every platform.
//! The other tests show that the values are right.

use imle::{
    Adaptive, AdaptiveRule, Coupling, Diagnostics, Difference, Dz, Exact, ExactOutputs, Forward, Imle, Key, Noise,
    Options, Rows, RowsMut, Shape, States, TopK, Tree,
};

const KEYS: [Key<'_>; 4] = [key(0, 0, 0), key(42, 0, 0), key(42, 1, 0), key(u64::MAX, 1 << 40, u64::MAX)];

const fn key(seed: u64, step: u64, row0: u64) -> Key<'static> {
    Key { seed, step, row0, row_ids: None, sample0: 0, strata: 0 }
}

/// Sizes around the lanes' borders.
const SIZES: [u32; 6] = [1, 15, 16, 17, 33, 4097];

fn noise(shape: Shape, key: Key<'_>) -> Vec<u32> {
    let mut epsilon = vec![f32::NAN; shape.rows() * shape.samples() * shape.n()];
    imle::noise(shape, &Options::default(), key, &mut epsilon).expect("good arguments");
    epsilon.iter().map(|x| x.to_bits()).collect()
}

/// θ and dz are multiples of 1/4, so that the test itself rounds nothing, with ties and masks.
fn quarters(len: usize, factor: usize) -> Vec<f32> {
    (0..len).map(|i| (i * factor % 31) as f32 / 4.0 - 4.0).collect()
}

fn theta(len: usize) -> Vec<f32> {
    let mask = |(i, t)| if i % 13 == 5 { f32::NEG_INFINITY } else { t };
    quarters(len, 7).into_iter().enumerate().map(mask).collect()
}

fn sample(layer: &Imle<TopK<'_>>, key: Key<'_>) -> Vec<u32> {
    let shape = layer.shape();
    let mut indices = vec![0; shape.rows() * shape.samples() * shape.k()];
    let theta = theta(shape.rows() * shape.n());
    let work = &mut vec![f32::NAN; layer.workspace_len()];
    layer.sample(key, Rows::contiguous(&theta), States::indices(&mut indices), work).expect("good arguments");
    indices
}

fn gradient(layer: &Imle<TopK<'_>>, key: Key<'_>) -> (Vec<f32>, Diagnostics) {
    let shape = layer.shape();
    let theta = theta(shape.rows() * shape.n());
    let dz = quarters(shape.rows() * shape.samples() * shape.n(), 11);
    let mut grad = vec![f32::NAN; theta.len()];
    let (rows, out) = (Rows::contiguous(&theta), RowsMut::contiguous(&mut grad));
    let work = &mut vec![f32::NAN; layer.workspace_len()];
    let diagnostics =
        layer.gradient(key, rows, Dz::per_sample(&dz), Forward::Replay, out, work).expect("good arguments");
    (grad, diagnostics)
}

fn layer(rows: u32, n: u32, k: u32, samples: u32, options: Options) -> Imle<TopK<'static>> {
    let shape = Shape { rows, n, k, samples };
    Imle::new(shape, TopK::new(shape.k), options).expect("good options")
}

/// The gradients of the score function of the noise and of the Fenchel–Young loss, and that loss.
fn estimates(noise: Noise) -> Vec<u32> {
    let layer = layer(2, 17, 4, 3, Options { noise, temperature: 0.75, ..Options::default() });
    let (theta, losses) = (theta(2 * 17), quarters(2 * 3, 5));
    let y: Vec<f32> = theta.iter().map(|&t| if t > 0.0 { 0.25 * t } else { 0.0 }).collect();
    let (rows, y) = (Rows::contiguous(&theta), Rows::contiguous(&y));
    let (mut loss, mut grads) = ([f32::NAN; 2], [[f32::NAN; 2 * 17]; 2]);
    let [perturbed, fenchel_young] = grads.each_mut().map(|grad| RowsMut::contiguous(grad));
    imle::perturbed_gradient(layer.shape(), layer.options(), KEYS[1], rows, &losses, perturbed)
        .expect("good arguments");
    let work = &mut vec![f32::NAN; layer.workspace_len()];
    layer.fenchel_young(KEYS[1], rows, y, &mut loss, fenchel_young, work).expect("good arguments");
    grads.as_flattened().iter().chain(&loss).map(|x| x.to_bits()).collect()
}

/// FNV-1a with 64 bits over the bytes of the words, low bytes first.
fn fnv_1a(words: impl IntoIterator<Item = u32>) -> u64 {
    let bytes = words.into_iter().flat_map(u32::to_le_bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[test]
fn fnv_1a_is_the_published_hash() {
    assert_eq!(fnv_1a([u32::from_le_bytes(*b"foob")]), 0xdd12_0e79_0c25_12af);
}

#[test]
fn the_first_noise_of_four_keys_is_as_pinned() {
    let shape = Shape { rows: 1, n: 4, k: 0, samples: 1 };
    let pinned: [[u32; 4]; 4] = [
        [0xbcef_be59, 0x3fba_d062, 0x401c_9838, 0x3fa5_1437],
        [0xbe3c_5d18, 0xbea1_e5b8, 0xbed8_a945, 0x3e87_c7f8],
        [0x3fbf_3a73, 0x4008_33c2, 0x3fa6_74a3, 0xbfca_08bb],
        [0x3f8b_d367, 0x3f13_4e6f, 0xbe0d_39be, 0x3fc9_2dd9],
    ];
    assert_eq!(KEYS.map(|key| noise(shape, key)), pinned);
}

#[test]
fn the_noise_of_every_size_is_as_pinned() {
    let hash = |n| fnv_1a(KEYS.into_iter().flat_map(|key| noise(Shape { rows: 3, n, k: 0, samples: 2 }, key)));
    let pinned = [
        0xd895_24ba_4d05_f4de,
        0x6d3f_1b1a_1c8e_f65e,
        0xd79b_ece4_183f_a8c1,
        0x08b0_158e_5ea2_8b4c,
        0xa192_8fb0_f4fa_270f,
        0x02fa_0eb8_5604_df6b,
    ];
    assert_eq!(SIZES.map(hash), pinned);
}

fn hash_of_law(noise: Noise) -> u64 {
    let mut epsilon = vec![f32::NAN; 4097];
    let options = Options { noise, ..Options::default() };
    imle::noise(Shape { rows: 1, n: 4097, k: 0, samples: 1 }, &options, KEYS[1], &mut epsilon).expect("good sizes");
    fnv_1a(epsilon.into_iter().map(f32::to_bits))
}

#[test]
fn the_noise_of_every_law_is_as_pinned() {
    let pinned = [0xaa35_ac18_da68_79cd, 0x6c9a_1467_b85a_4eb3, 0x70a8_0ea8_5f6b_1f20];
    assert_eq!([Noise::Gumbel, Noise::Logistic, Noise::Normal].map(hash_of_law), pinned);
}

#[test]
#[cfg_attr(not(feature = "sum-of-gamma"), ignore = "it is left out")]
fn the_noise_of_sums_of_gamma_is_as_pinned() {
    let sums = [(1.0, 1), (5.0, 10), (10.0, 50), (2.5, Noise::ALL_TERMS), (1e4, Noise::ALL_TERMS)];
    let pinned = [
        0xe3e5_96ef_f8b0_a664,
        0x0dad_a6bd_7d09_3018,
        0xec20_843b_d543_8ebf,
        0x8dbc_0d0d_5f29_190a,
        0x6669_6ab1_e310_930a,
    ];
    assert_eq!(sums.map(|(kappa, terms)| hash_of_law(Noise::SumOfGamma { kappa, terms })), pinned);
}

/// Samples 3 and 4 of a batch of ten, with ids for the rows.
#[test]
#[cfg_attr(not(feature = "stratified"), ignore = "it is left out")]
fn stratified_noise_is_as_pinned() {
    let options = Options { coupling: Coupling::Stratified, noise: Noise::Logistic, ..Options::default() };
    let key = Key { row_ids: Some(&[9, u64::MAX, 1 << 33]), sample0: 3, strata: 10, ..KEYS[1] };
    let mut epsilon = vec![f32::NAN; 3 * 2 * 33];
    imle::noise(Shape { rows: 3, n: 33, k: 0, samples: 2 }, &options, key, &mut epsilon).expect("good sizes");
    assert_eq!(fnv_1a(epsilon.into_iter().map(f32::to_bits)), 0x5054_c7f6_db96_2db2);
}

#[test]
fn the_first_samples_are_as_pinned() {
    let layer = layer(2, 17, 4, 2, Options::default());
    assert_eq!(
        sample(&layer, KEYS[1]).chunks(4).collect::<Vec<_>>(),
        [[4, 8, 12, 13], [4, 6, 7, 13], [0, 4, 5, 9], [0, 4, 5, 13]]
    );
}

#[test]
fn the_first_gradient_is_as_pinned() {
    let layer = layer(1, 17, 4, 3, Options { lambda: 2.0, ..Options::default() });
    let (grad, diagnostics) = gradient(&layer, KEYS[1]);
    // factor = (1/2)/3
    let sixths = grad.iter().map(|g| g / (0.5 / 3.0));
    assert_eq!(
        sixths.collect::<Vec<_>>(),
        [-1.0, 0.0, 0.0, -3.0, 2.0, 0.0, -2.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, -2.0, 0.0, 0.0]
    );
    assert_eq!(diagnostics, Diagnostics { states: 3, unchanged: 0, nonzeros: 16 });
}

#[test]
fn samples_and_gradients_of_every_size_are_as_pinned() {
    let forward = Options { lambda: 3.0, temperature: 0.5, target_temperature: 0.75, alpha: 0.9, ..Options::default() };
    let central = Options { difference: Difference::Central, ..forward };
    let hash = |n: u32| {
        let layers = [forward, central].map(|options| layer(3, n, n.div_ceil(3), 2, options));
        fnv_1a(KEYS.iter().flat_map(|&key| {
            layers.iter().flat_map(move |layer| {
                let grad = gradient(layer, key).0;
                sample(layer, key).into_iter().chain(grad.into_iter().map(f32::to_bits))
            })
        }))
    };
    let pinned = [
        0x66e3_6812_7e9e_89a5,
        0x82b0_fa8a_5b53_ab6d,
        0x2098_34b9_1579_60ad,
        0xe61d_f265_3a87_15c0,
        0x526e_7e7e_a3d4_a068,
        0xec79_74ba_a626_d4d4,
    ];
    assert_eq!(SIZES.map(hash), pinned);
}

#[test]
fn estimators_of_every_law_are_as_pinned() {
    let pinned = [0xb660_5a1f_391d_5a42, 0xf7b8_0386_ffba_d515, 0x0f47_ecf3_14f4_fb29];
    assert_eq!([Noise::Gumbel, Noise::Logistic, Noise::Normal].map(|noise| fnv_1a(estimates(noise))), pinned);
}

/// The sum of squares of f32 in f64 is one instruction on s390x, MDEBR, which QEMU 7.2 computes wrongly: 3.25² is 208.
#[test]
#[cfg_attr(target_arch = "s390x", ignore = "the emulator multiplies f32 to f64 wrongly")]
fn adaptive_lambdas_are_as_pinned() {
    let lambdas = |rule| {
        let mut adaptive = Adaptive::new(rule);
        (0..40_u64).map(move |i| {
            let lambda = adaptive.lambda(&theta(4097), &quarters(33, i as usize)).expect("good arguments");
            let counted = Diagnostics { states: 7, unchanged: 0, nonzeros: i * 5 % 17 };
            adaptive.update(&counted).expect("good arguments");
            lambda.to_bits()
        })
    };
    let hash = |rule| fnv_1a(lambdas(rule));
    let pinned = [0x6b4b_3e8d_ce16_fc0f, 0x3df8_771e_535a_ffb2];
    assert_eq!([AdaptiveRule::Additive, AdaptiveRule::Multiplicative].map(hash), pinned);
}

/// These come from long sums, on which all instruction sets must agree.
#[test]
fn exact_distributions_of_every_size_are_as_pinned() {
    let hash = |n: u32| {
        let most = n - n.div_ceil(8);
        let bits = [0, 1, most.min(40), most.min(300)].into_iter().flat_map(|k| {
            let shape = Shape { rows: 1, n, k, samples: 1 };
            let exact = Exact::new(shape, TopK::new(shape.k), 0.5).expect("good sizes");
            let (theta, v) = (theta(n as usize), quarters(n as usize, 3));
            let (theta, v) = (Rows::contiguous(&theta), Rows::contiguous(&v));
            let mut work = vec![f32::NAN; exact.workspace_len()];
            let (mut mu, mut vjp) = (vec![f32::NAN; n as usize], vec![f32::NAN; n as usize]);
            let (mut a, mut h) = ([f32::NAN], [f32::NAN]);
            let moments = ExactOutputs { marginals: Some(&mut mu), log_partition: Some(&mut a), entropy: Some(&mut h) };
            exact.marginals(theta, moments, &mut work).expect("good θ");
            exact.marginals_vjp(theta, v, RowsMut::contiguous(&mut vjp), &mut work).expect("good θ");
            mu.into_iter().chain(vjp).chain(a).chain(h).map(f32::to_bits)
        });
        fnv_1a(bits)
    };
    let pinned = [
        0xe1d5_8e3c_b5ae_5c7b,
        0x45b6_551e_074a_ad87,
        0x62d6_706c_f8e5_70c5,
        0xf943_e20a_6a42_7449,
        0x8cee_1cc0_86af_a629,
        0xb872_126a_bab6_f14b,
    ];
    assert_eq!(SIZES.map(hash), pinned);
}

/// The log-partitions of all sizes, their gradient, and the unbiased SIMPLE of three states that need no noise.
#[test]
fn exact_estimators_of_every_size_are_as_pinned() {
    let hash = |n: u32| {
        let k = (n - n.div_ceil(8)).min(60);
        let shape = Shape { rows: 1, n, k, samples: 3 };
        let exact = Exact::new(shape, TopK::new(k), 0.5).expect("good sizes");
        let (scores, weights) = (theta(n as usize), quarters(k as usize + 1, 5));
        let (theta, weights) = (Rows::contiguous(&scores), Rows::contiguous(&weights));
        let (dz, losses) = (quarters(3 * n as usize, 3), quarters(3, 7));
        let mut work = vec![f32::NAN; exact.workspace_len().max(imle::workspace_len(n as usize))];
        let (mut all, mut lists) = (vec![f32::NAN; k as usize + 1], vec![0; 3 * k as usize]);
        let [mut vjp, mut grad] = [(); 2].map(|()| vec![f32::NAN; n as usize]);
        exact.log_partitions(theta, &mut all, &mut work).expect("good θ");
        exact.log_partitions_vjp(theta, weights, RowsMut::contiguous(&mut vjp), &mut work).expect("good θ");
        let map = Imle::new(Shape { samples: 1, ..shape }, TopK::new(k), Options::default()).expect("good sizes");
        for (list, dz) in lists.chunks_mut(k.max(1) as usize).zip(dz.chunks(n as usize)) {
            let moved: Vec<f32> = scores.iter().zip(dz).map(|(score, dz)| score + dz).collect();
            map.map(Rows::contiguous(&moved), States::indices(list), &mut work).expect("good θ");
        }
        let (dz, out) = (Dz::per_sample(&dz), RowsMut::contiguous(&mut grad));
        exact.unbiased_simple(theta, &lists, dz, &losses, out, &mut work).expect("good arguments");
        fnv_1a(all.into_iter().chain(vjp).chain(grad).map(f32::to_bits))
    };
    let pinned = [
        0x5467_b0da_1d10_6495,
        0xe992_4638_7cb3_517f,
        0x6f7c_4023_ffd1_dab3,
        0x5377_58d2_2b76_5ae7,
        0x036d_e512_d791_cb08,
        0x63b1_d447_7e91_2fe4,
    ];
    assert_eq!(SIZES.map(hash), pinned);
}

/// Trees that may cross or may not, with several roots or one.
fn kinds_of_trees(words: u32, n_row: &[u32]) -> [Tree<'_>; 4] {
    let tree = Tree::per_row(words, n_row);
    [tree, tree.single_root(), tree.projective(), tree.projective().single_root()]
}

/// Words around the lengths of blocks and registers.
const WORDS: [u32; 7] = [1, 2, 5, 8, 16, 17, 33];

/// The inputs of two rows of trees. Every word keeps its arc from word 0, so that the masks leave a tree of every kind.
fn tree_theta(words: u32) -> Vec<f32> {
    let (words, mut theta) = (words as usize, theta(2 * words.pow(2) as usize));
    for row in theta.chunks_mut(words * words) {
        row.iter_mut().take(words).for_each(|t| *t = t.max(-3.5));
    }
    theta
}

fn hashes_of_trees(hash: impl Fn(Tree<'_>, Shape) -> Vec<u32>) -> [u64; 4] {
    let mut bits = [const { Vec::new() }; 4];
    for words in WORDS {
        let n_row = [words, words - words / 4];
        let shape = Shape { rows: 2, n: words * words, k: words, samples: 3 };
        for (bits, tree) in bits.iter_mut().zip(kinds_of_trees(words, &n_row)) {
            bits.extend(hash(tree, shape));
        }
    }
    bits.map(fnv_1a)
}

/// The best tree, samples as states, lists, heads and marginals, and the gradient, of the four kinds.
#[test]
fn samples_and_gradients_of_trees_are_as_pinned() {
    let hashes = hashes_of_trees(|tree, shape| {
        let (rows, n, k, samples) = (shape.rows(), shape.n(), shape.k(), shape.samples());
        let options = Options { lambda: 3.0, temperature: 0.5, target_temperature: 0.75, ..Options::default() };
        let layer = Imle::new(shape, tree, options).expect("good sizes");
        let (theta, dz) = (tree_theta(shape.k), quarters(rows * samples * n, 11));
        let (theta, work) = (Rows::contiguous(&theta), &mut vec![f32::NAN; layer.workspace_len()]);
        let mut best = vec![0; rows * k];
        layer.map(theta, States::indices(&mut best), work).expect("good θ");
        let (mut z, mut marginals) = (vec![f32::NAN; rows * samples * n], vec![f32::NAN; rows * n]);
        let [mut lists, mut heads] = [(); 2].map(|()| vec![0; rows * samples * k]);
        let states = States { marginals: Some(&mut marginals), ..States::both(&mut z, &mut lists) };
        layer.sample(KEYS[1], theta, states, work).expect("good θ");
        layer.solver().heads(shape, &lists, &mut heads).expect("lists of trees");
        let mut grad = vec![f32::NAN; rows * n];
        let (dz, out) = (Dz::per_sample(&dz), RowsMut::contiguous(&mut grad));
        layer.gradient(KEYS[1], theta, dz, Forward::Replay, out, work).expect("good arguments");
        let floats = z.into_iter().chain(marginals).chain(grad).map(f32::to_bits);
        best.into_iter().chain(lists).chain(heads).chain(floats).collect()
    });
    let pinned = [0x9e27_1f97_d41d_6498, 0x3332_68b2_6aaa_668b, 0xe45e_0d67_7dac_172f, 0xf5f3_38d1_d7a6_fe3c];
    assert_eq!(hashes, pinned);
}

/// The log-partition, entropy, marginals, exact samples and the gradient through the marginals, of the four kinds, with
/// masks and without.
#[test]
fn exact_distributions_of_trees_are_as_pinned() {
    let masked = hashes_of_trees(|tree, shape| exact_values_of_trees(tree, shape, &tree_theta(shape.k)));
    let unmasked =
        hashes_of_trees(|tree, shape| exact_values_of_trees(tree, shape, &quarters(shape.rows() * shape.n(), 7)));
    let pinned = [0xd30d_27d4_41ec_ba31, 0x962e_2fa3_13fe_735c, 0x8cda_1f22_2c12_3648, 0x9b76_292c_d8eb_ce68];
    assert_eq!(masked, pinned);
    let pinned = [0x2654_0379_1591_805c, 0x16c5_da88_0d57_f416, 0xabb0_332f_e119_90e7, 0x5ad3_4e77_d2ab_fa8e];
    assert_eq!(unmasked, pinned);
}

fn exact_values_of_trees(tree: Tree<'_>, shape: Shape, theta: &[f32]) -> Vec<u32> {
    let (rows, n) = (shape.rows(), shape.n());
    let exact = Exact::new(shape, tree, 0.5).expect("good sizes");
    let v = quarters(rows * n, 3);
    let (theta, v, work) = (Rows::contiguous(theta), Rows::contiguous(&v), &mut vec![f32::NAN; exact.workspace_len()]);
    let [mut mu, mut vjp] = [(); 2].map(|()| vec![f32::NAN; rows * n]);
    let (mut a, mut h, mut lists) = ([f32::NAN; 2], [f32::NAN; 2], vec![0; rows * shape.samples() * shape.k()]);
    let moments = ExactOutputs { marginals: Some(&mut mu), log_partition: Some(&mut a), entropy: Some(&mut h) };
    exact.marginals(theta, moments, work).expect("good θ");
    exact.sample(KEYS[1], theta, States::indices(&mut lists), work).expect("good θ");
    exact.marginals_vjp(theta, v, RowsMut::contiguous(&mut vjp), work).expect("good θ");
    lists.into_iter().chain(mu.into_iter().chain(vjp).chain(a).chain(h).map(f32::to_bits)).collect()
}
