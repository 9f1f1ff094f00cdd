//! Pins of the noise, samples, gradients, adaptive λ and exact distributions. A change of any of them is
//! *value-breaking*, and the changelog must say so.
//!
//! These numbers are our own output. They show that the values are the same as before and the same on every platform.
//! The other tests show that the values are right.

use imle::{
    Adaptive, AdaptiveRule, Diagnostics, Difference, Dz, Exact, ExactOutputs, Forward, Imle, Key, Noise, Options, Rows,
    RowsMut, Shape, States, TopK,
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
        0x6393_7cf7_2e8b_441a,
        0x6b25_f390_bd05_6da5,
        0xcd94_66a8_df13_6eb5,
        0x657e_fb71_4495_5255,
        0x8099_ef38_8d8a_c847,
        0x85bc_4444_c8db_b5e1,
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
#[cfg_attr(feature = "no-sum-of-gamma", ignore = "it is left out")]
fn the_noise_of_sums_of_gamma_is_as_pinned() {
    let sums = [(1.0, 1), (5.0, 10), (10.0, 50), (2.5, Noise::ALL_TERMS), (1e4, Noise::ALL_TERMS)];
    let pinned = [
        0x29d6_2f10_732b_e573,
        0x0a01_b339_faf7_dfd9,
        0x077c_08a0_afdc_0174,
        0xb2a1_6ac6_400c_d31e,
        0x278c_cbf4_468f_2b72,
    ];
    assert_eq!(sums.map(|(kappa, terms)| hash_of_law(Noise::SumOfGamma { kappa, terms })), pinned);
}

#[test]
fn the_first_samples_are_as_pinned() {
    let layer = layer(2, 17, 4, 2, Options::default());
    assert_eq!(
        sample(&layer, KEYS[1]).chunks(4).collect::<Vec<_>>(),
        [[4, 8, 12, 13], [3, 4, 8, 13], [0, 4, 5, 9], [0, 4, 5, 13]]
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
        [0.0, 0.0, 0.0, -2.0, 1.0, 0.0, -2.0, 1.0, 3.0, 0.0, 0.0, 0.0, -2.0, 3.0, -2.0, 0.0, 0.0]
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
        0xb935_b3cd_b114_9e1d,
        0xcabd_4624_3501_ffa8,
        0x6e6e_01b0_259d_fdb5,
        0x5bc6_a068_5117_ef4d,
        0xcfd1_5ee3_1c6e_246d,
    ];
    assert_eq!(SIZES.map(hash), pinned);
}

#[test]
fn estimators_of_every_law_are_as_pinned() {
    let pinned = [0x2bff_4b0e_3303_57f0, 0xaa74_0b02_1f42_4911, 0x9632_64cb_396d_ca8b];
    assert_eq!([Noise::Gumbel, Noise::Logistic, Noise::Normal].map(|noise| fnv_1a(estimates(noise))), pinned);
}

#[test]
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
    let pinned = [0x1561_9d8d_6bf9_6bcb, 0xc36f_b96e_8320_9b1f];
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
