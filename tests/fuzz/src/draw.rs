//! From bytes to a call: good sizes, options and arrays of any bits first, and then some calls get faults.
//!
//! Bytes that have run out count as zeros, so every string is a call, and a short one a plain call.

use arbitrary::{Arbitrary, Result, Unstructured};
use imle_ffi::*;

use crate::call::{Array, Call, JUNK, Place};
use crate::mode;
use crate::rules;
use crate::table::{ANY_OF, FUNCTIONS, Family, Function, Role, alignment, role};

/// Trees of more words are not compared with all trees.
pub const FEW_WORDS: usize = 5;

/// No array of a call is longer.
const MOST_WORDS: usize = 1 << 20;

/// True once in `n` draws.
fn one_in(u: &mut Unstructured<'_>, n: u32) -> Result<bool> {
    Ok(u.int_in_range(1..=n)? == n)
}

/// A generator for what fills arrays: the bytes of the input hold its seed.
pub struct Fill(u64);

impl Fill {
    pub fn new(u: &mut Unstructured<'_>) -> Result<Fill> {
        Ok(Fill(u64::from(u32::arbitrary(u)?)))
    }

    /// That of a number.
    pub fn of(number: u64) -> Fill {
        Fill(number << 32)
    }

    /// splitmix64
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 32) as usize % n.max(1)
    }
}

const SPECIAL: [f32; 12] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f32::MIN_POSITIVE,
    f32::from_bits(1),
    f32::from_bits(0x8000_0001),
    f32::MAX,
    f32::MIN,
    1e-20,
    88.0,
    16_777_216.0,
];
const BAD: [u32; 5] = [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0x7f80_0000, 0xff80_0000];

/// Floats of one style: spread numbers of any scale, the largest ones of one sign, whole numbers with ties, numbers close
/// together, any finite ones, extreme ones, zeros, subnormals, or any bits.
fn floats(u: &mut Unstructured<'_>, len: usize) -> Result<Vec<u32>> {
    let style = u.int_in_range(0..=12_u32)?;
    let scale = 2_f32.powi(i32::from(u.int_in_range(0..=12_u8)?) - 6);
    let mut fill = Fill::new(u)?;
    let float = |fill: &mut Fill| {
        let word = fill.next();
        let spread = (word as i32 as f32) / (i32::MAX as f32);
        let x = match style {
            0..=2 => spread * 4.0 * scale,
            3 => spread.abs() * if scale < 1.0 { f32::MIN } else { f32::MAX },
            4..=6 => ((word % 7) as f32 - 3.0) * if style == 6 { scale } else { 1.0 },
            7 => f32::from_bits(0x3f80_0000 + (word % 4) as u32),
            8 => f32::from_bits(word as u32),
            9 => SPECIAL[(word >> 32) as usize % SPECIAL.len()],
            10 => 0.0,
            11 => f32::from_bits(word as u32 & 0x807f_ffff),
            _ => return word as u32,
        };
        (if x.is_finite() { x } else { 1.0 }).to_bits()
    };
    Ok((0..len).map(|_| float(&mut fill)).collect())
}

fn float_option(u: &mut Unstructured<'_>, usual: &[f32]) -> Result<f32> {
    Ok(match u.int_in_range(0..=63_u8)? {
        0..=39 => usual[0],
        40..=60 => *u.choose(usual)?,
        61 | 62 => *u.choose(&SPECIAL)?,
        _ => f32::from_bits(u.arbitrary()?),
    })
}

fn int_option(u: &mut Unstructured<'_>, max: u32) -> Result<u32> {
    if one_in(u, 64)? { u.arbitrary() } else { u.int_in_range(0..=max) }
}

fn options(u: &mut Unstructured<'_>) -> Result<imle_options> {
    let central = one_in(u, 3)?;
    Ok(imle_options {
        struct_size: size_of::<imle_options>() as u32,
        noise: int_option(u, 4)?,
        temperature: float_option(u, &[1.0, 0.0, 0.5, 3.0, 1e-3])?,
        target_temperature: float_option(u, &[1.0, 0.0, 0.5, 3.0, 1e-3])?,
        alpha: float_option(u, &[1.0, 0.0, 0.5, -1.0])?,
        lambda: float_option(u, &[1.0, 0.1, 10.0, 1e3])?,
        target: if central { 0 } else { int_option(u, 1)? },
        difference: if central { 1 } else { int_option(u, 15)? / 15 },
        scale: int_option(u, 1)?,
        sog_terms: if one_in(u, 8)? { u.arbitrary()? } else { u.int_in_range(1..=12)? },
        sog_kappa: float_option(u, &[0.0, 1.0, 2.5, 65536.0])?,
        coupling: int_option(u, 1)?,
    })
}

fn adaptive(u: &mut Unstructured<'_>) -> Result<imle_adaptive> {
    let rule = int_option(u, 1)?;
    Ok(imle_adaptive {
        struct_size: size_of::<imle_adaptive>() as u32,
        rule,
        a: float_option(u, &[1.0, 0.5, 1e3])?,
        g: float_option(u, &[1.0, 0.0, 2.0])?,
        previous: float_option(u, &[0.0, 0.1])?,
        step: float_option(u, &[0.15, 1e-3])?,
        momentum: if rule == 0 { float_option(u, &[0.0, 0.5])? } else { float_option(u, &[0.0])? },
        decay: float_option(u, &[0.9, 0.0, 0.5])?,
        target: float_option(u, &[1.0, 0.5])?,
        theta_floor: float_option(u, &[1.0, 0.0, 2.0])?,
    })
}

fn sizes(u: &mut Unstructured<'_>, function: &Function) -> Result<imle_shape> {
    let family = function.family();
    let rows = if one_in(u, 16)? { 0 } else { u.int_in_range(1..=4)? };
    let samples = if one_in(u, 8)? { u.int_in_range(1..=40)? } else { u.int_in_range(1..=4)? };
    let (n, k) = if family == Family::Tree {
        let words = if one_in(u, 8)? { u.int_in_range(1..=12)? } else { u.int_in_range(1..=5)? };
        (words * words, words)
    } else {
        let n = match u.int_in_range(0..=15_u8)? {
            0..=9 => u.int_in_range(1..=20)?,
            10..=13 => u.int_in_range(1..=80)?,
            14 => u.int_in_range(1..=400)?,
            // Rows of several chunks, whose words are compared first. Exact functions would take too long.
            _ if !function.is_exact() && one_in(u, 3)? => u.int_in_range(2049..=5000)?,
            _ => u.int_in_range(1..=1200)?,
        };
        let k = match (family, u.int_in_range(0..=3_u8)?) {
            (Family::Argmax, _) => 1,
            (_, 0 | 1) => u.int_in_range(0..=n.min(5))?,
            (_, 2) => u.int_in_range(0..=if n > 1200 { n / 8 } else { n })?,
            _ => n - u.int_in_range(0..=n.min(2))?,
        };
        (n, k)
    };
    let samples = if n > 1200 { samples.min(4) } else { samples };
    Ok(imle_shape { rows, n, k, samples })
}

fn key(u: &mut Unstructured<'_>, samples: u32) -> Result<imle_key> {
    let sample0 = match u.int_in_range(0..=9_u8)? {
        0..=5 => 0,
        6 | 7 => u.int_in_range(0..=40)?,
        8 => (1 << 28) - samples,
        _ => u.int_in_range(0..=1 << 28)?,
    };
    let strata = match u.int_in_range(0..=7_u8)? {
        0..=4 => 0,
        5 | 6 => (sample0 + samples).saturating_add(u.int_in_range(0..=9)?),
        _ => u.arbitrary()?,
    };
    let row0 = if one_in(u, 2)? { u.arbitrary()? } else { 0 };
    Ok(imle_key { seed: u.arbitrary()?, step: u.arbitrary()?, row0, row_ids: std::ptr::null(), sample0, strata })
}

fn stride(u: &mut Unstructured<'_>, row: usize) -> Result<usize> {
    Ok(match u.int_in_range(0..=3_u8)? {
        0 | 1 => 0,
        2 => row,
        _ => row + u.int_in_range(1..=9)?,
    })
}

/// The call of these bytes.
pub fn call(u: &mut Unstructured<'_>, function: &'static Function) -> Result<Call> {
    let mut shape = sizes(u, function)?;
    if function.has("losses") {
        shape.samples += 1;
    }
    let coupled = one_in(u, 3)?;
    let mut call = Call {
        function,
        shape,
        options: options(u)?,
        tree_options: imle_tree_options {
            struct_size: size_of::<imle_tree_options>() as u32,
            projective: u.int_in_range(0..=1)?,
            single_root: u.int_in_range(0..=1)?,
        },
        key: key(u, shape.samples)?,
        adaptive: adaptive(u)?,
        counts: imle_diagnostics {
            states: u64::from(u.int_in_range(0..=9_u8)?),
            unchanged: 0,
            nonzeros: u64::from(u8::arbitrary(u)?),
        },
        parts: imle_adaptive_parts { theta_squared: 3.0, dz_squared: 0.5, theta_len: 7, theta_nonzero: 6 },
        numbers: Vec::new(),
        side: if one_in(u, 3)? { -1 } else { 1 },
        temperature: float_option(u, &[1.0, 0.25, 4.0])?,
        arrays: Vec::new(),
        mode: if one_in(u, 4)? { mode::draw(u)? } else { mode::DEFAULT },
    };
    if !coupled || function.is_exact() {
        call.options.coupling = 0;
        if !one_in(u, 64)? {
            call.key.strata = 0;
        }
    }
    if coupled && call.key.strata == 0 && !one_in(u, 8)? {
        call.key.sample0 = 0;
    }
    if function.name == "imle_perturbed_gradient" && !one_in(u, 8)? {
        call.options.noise = u.int_in_range(1..=3)?;
        (call.options.coupling, call.key.strata) = (0, 0);
    }
    if function.ignores_samples() && one_in(u, 4)? {
        call.shape.samples = u.arbitrary()?;
    }
    numbers(u, &mut call)?;
    arrays(u, &mut call)?;
    for _ in 0..u.int_in_range(0..=7_u8)?.saturating_sub(5) {
        fault(u, &mut call)?;
    }
    lengthen(&mut call);
    Ok(call)
}

/// A stride that a fault has made another good one may need a longer array. No memory is long enough for some.
fn lengthen(call: &mut Call) {
    let sized = call.function.has("shape") && !rules::bad_shape(call);
    if !sized || rules::bad_stride(call) {
        return;
    }
    for i in 0..call.arrays.len() {
        let Array { name, ref words, .. } = call.arrays[i];
        if matches!(role(name), Role::Struct | Role::State) || call.extent(name) <= words.len() {
            continue;
        }
        if call.extent(name) > MOST_WORDS {
            call.numbers.retain(|&(name, number)| !is_stride(name) || number <= MOST_WORDS);
        }
        let len = call.extent(name).max(call.arrays[i].words.len());
        call.arrays[i].words.resize(len, JUNK);
    }
}

fn numbers(u: &mut Unstructured<'_>, call: &mut Call) -> Result<()> {
    let (n, k, samples) = (call.n(), call.k(), call.samples());
    for &name in call.function.arguments {
        match name {
            "ld_weights" => call.set(name, stride(u, k + 1)?),
            _ if name.starts_with("ld_") => call.set(name, stride(u, n)?),
            "dz_row_stride" => {
                // One dz per row, samples within rows, or rows within samples.
                let sample = if one_in(u, 3)? { 0 } else { n + u.int_in_range(0..=3)? };
                let row = match u.int_in_range(0..=3_u8)? {
                    0 | 1 => 0,
                    2 => sample.max(n) * samples + u.int_in_range(0..=5)?,
                    _ => n + u.int_in_range(0..=2)?,
                };
                call.set(name, row);
                call.set("dz_sample_stride", sample);
            }
            "work_len" => {
                let more = if one_in(u, 4)? { u.int_in_range(1..=20)? } else { 0 };
                call.set(name, call.floats_needed() + more);
            }
            "theta_len" | "dz_len" => call.set(name, u.int_in_range(0..=40)?),
            _ => (),
        }
    }
    Ok(())
}

fn arrays(u: &mut Unstructured<'_>, call: &mut Call) -> Result<()> {
    let function = call.function;
    let names = function.arguments.iter().copied().chain(function.has("key").then_some("row_ids"));
    for name in names.filter(|name| role(name) != Role::Number) {
        // Arrays may be missing where that is allowed; lists and k_row more often than not.
        let place = if function.may_be_null(name) && one_in(u, 2)? { Place::Null } else { Place::Own };
        let words = match role(name) {
            Role::Struct | Role::State => Vec::new(),
            Role::Output | Role::Work => vec![JUNK; call.extent(name)],
            Role::Number => unreachable!("filtered"),
            Role::Input => match name {
                "k_row" | "n_row" => {
                    let mut fill = Fill::new(u)?;
                    let few = one_in(u, 3)?;
                    let k = call.shape.k;
                    let one = |fill: &mut Fill| if few { fill.below(k as usize + 1) as u32 } else { k };
                    (0..call.rows()).map(|_| one(&mut fill)).collect()
                }
                "row_ids" => {
                    let mut fill = Fill::new(u)?;
                    (0..2 * call.rows()).map(|_| fill.next() as u32).collect()
                }
                "lists" => vec![JUNK; call.extent(name)],
                _ => floats(u, call.extent(name))?,
            },
        };
        let shift = u.int_in_range(0..=7)?;
        let shift = if alignment(name) == 8 { shift & !1 } else { shift };
        call.arrays.push(Array { name, words, place, shift });
    }
    if function.arguments.iter().any(|name| ANY_OF.contains(name)) {
        let given = |call: &Call| ANY_OF.iter().any(|name| call.given(name).is_some());
        if !given(call) && !one_in(u, 32)? {
            let name = if function.short() == "marginals" { "entropy" } else { "indices" };
            call.array_mut(name).expect("an output").place = Place::Own;
        }
    }
    masks(u, call)?;
    gaps(call);
    unread_corners(u, call)?;
    lists(u, call)?;
    bad_values(u, call)
}

/// Masks some scores.
fn masks(u: &mut Unstructured<'_>, call: &mut Call) -> Result<()> {
    for name in ["theta", "theta_other"] {
        let one_of = *u.choose(&[0, 0, 0, 8, 2])?;
        let mut fill = Fill::new(u)?;
        let many_words = call.function.family() == Family::Tree && call.k() > FEW_WORDS;
        if one_of == 0 || many_words {
            continue;
        }
        let Some(array) = call.array_mut(name) else { continue };
        for word in &mut array.words {
            if fill.below(one_of) == 0 {
                *word = f32::NEG_INFINITY.to_bits();
            }
        }
    }
    Ok(())
}

/// Fills the gaps between rows with NaN.
fn gaps(call: &mut Call) {
    for i in 0..call.arrays.len() {
        let name = call.arrays[i].name;
        let Some(layout) = call.layout(name).filter(|_| call.function.family() != Family::Adaptive) else { continue };
        for (at, word) in call.arrays[i].words.iter_mut().enumerate() {
            if at % layout.stride.max(1) >= layout.row {
                *word = JUNK;
            }
        }
    }
}

/// Trees with fewer words than the batch read a corner of their rows; NaN may stand outside.
fn unread_corners(u: &mut Unstructured<'_>, call: &mut Call) -> Result<()> {
    if call.given("n_row").is_none() || !one_in(u, 2)? {
        return Ok(());
    }
    let n = call.n();
    for name in ["theta", "theta_other", "v", "y"] {
        let Some(layout) = call.array(name).and_then(|_| call.layout(name)) else { continue };
        for b in 0..call.rows() {
            let unread: Vec<usize> = (0..n).filter(|&i| !rules::is_read(call, b, i)).collect();
            for i in unread {
                call.array_mut(name).expect("it is there").words[b * layout.stride + i] = JUNK;
            }
        }
    }
    Ok(())
}

/// Index lists: states of the rows, and sometimes any numbers.
fn lists(u: &mut Unstructured<'_>, call: &mut Call) -> Result<()> {
    if call.array("lists").is_none() {
        return Ok(());
    }
    let mut fill = Fill::new(u)?;
    let samples = call.samples();
    let mut words = Vec::new();
    for b in 0..call.rows() {
        for _ in 0..samples {
            words.extend(rules::some_state(call, b, &mut fill));
        }
    }
    if one_in(u, 8)? && !words.is_empty() {
        let at = u.choose_index(words.len())?;
        words[at] = match u.int_in_range(0..=3_u8)? {
            0 => u.arbitrary()?,
            1 => u32::MAX,
            2 => words[at].wrapping_add(1),
            _ => words[at / 2],
        };
    }
    call.array_mut("lists").expect("it is there").words = words;
    Ok(())
}

/// Puts NaN, infinities and masks at some places.
fn bad_values(u: &mut Unstructured<'_>, call: &mut Call) -> Result<()> {
    if !one_in(u, 4)? {
        return Ok(());
    }
    for _ in 0..u.int_in_range(1..=2_u8)? {
        let inputs = |array: &Array| {
            let is_float = !["k_row", "n_row", "row_ids", "lists"].contains(&array.name);
            role(array.name) == Role::Input && is_float && !array.words.is_empty()
        };
        let places: Vec<usize> = (0..call.arrays.len()).filter(|&i| inputs(&call.arrays[i])).collect();
        if places.is_empty() {
            break;
        }
        let words = &mut call.arrays[*u.choose(&places)?].words;
        let at = u.choose_index(words.len())?;
        words[at] = *u.choose(&BAD)?;
    }
    Ok(())
}

/// Makes one argument a bad one, or one that looks bad.
fn fault(u: &mut Unstructured<'_>, call: &mut Call) -> Result<()> {
    let pointers: Vec<&'static str> = call.arrays.iter().map(|array| array.name).collect();
    match u.int_in_range(0..=9_u8)? {
        0 => {
            let name = *u.choose(&pointers)?;
            call.array_mut(name).expect("a pointer").place = Place::Null;
        }
        1 => {
            let name = *u.choose(&pointers)?;
            let bytes = u.int_in_range(1..=3)?;
            let more = if alignment(name) == 8 && one_in(u, 2)? { 4 - bytes } else { 0 };
            call.array_mut(name).expect("a pointer").place = Place::Off(bytes + more);
        }
        // An array in another, at its start, its middle, its end, or just behind it.
        2 | 3 => {
            let moves = |name: &&str| !matches!(role(name), Role::Struct | Role::State);
            let arrays: Vec<&'static str> = pointers.into_iter().filter(moves).collect();
            if arrays.len() > 1 {
                let at = u.choose_index(arrays.len())?;
                let other = (at + 1 + u.choose_index(arrays.len() - 1)?) % arrays.len();
                let (name, other) = (arrays[at], arrays[other]);
                let len = call.array(other).expect("a pointer").words.len();
                let word = match u.int_in_range(0..=3_u8)? {
                    0 => 0,
                    1 => len / 2,
                    2 => len.saturating_sub(1),
                    _ => len,
                };
                // Only outputs move: an input would have other contents there.
                let target = call.array(other).expect("a pointer").place;
                let word = if alignment(name) == 8 && alignment(other) == 8 { word & !1 } else { word };
                let fits = alignment(name) == 4 || alignment(other) == 8;
                if target == Place::Own && role(name) != Role::Input && fits {
                    call.array_mut(name).expect("a pointer").place = Place::Into(other, word);
                }
            }
        }
        4 => {
            let strides: Vec<_> = call.function.arguments.iter().copied().filter(|name| is_stride(name)).collect();
            if !strides.is_empty() {
                let n = call.n();
                let bad = [
                    1,
                    n.saturating_sub(1),
                    usize::MAX,
                    usize::MAX / 2,
                    isize::MAX as usize / 4,
                    isize::MAX as usize / 8 + 1,
                ];
                call.set(u.choose(&strides)?, *u.choose(&bad)?);
            }
        }
        5 => {
            if call.function.has("work_len") {
                let needed = call.floats_needed();
                call.set("work_len", *u.choose(&[0, 1, needed.saturating_sub(1)])?);
            }
        }
        6 => {
            let shape = &mut call.shape;
            match u.int_in_range(0..=5_u8)? {
                0 => shape.n = 0,
                1 => shape.samples = 0,
                2 => shape.k = shape.n.saturating_add(1),
                3 => *shape = imle_shape { rows: u32::MAX, n: u32::MAX, k: 1, samples: 1 << 24 },
                4 => shape.samples = (1 << 24) + 1,
                _ => *shape = imle_shape { rows: 1, n: 1, k: u32::MAX, samples: 1 },
            }
        }
        7 => {
            let above = call.shape.k.saturating_add(u.int_in_range(1..=3)?);
            for name in ["k_row", "n_row"] {
                if let Some(array) = call.array_mut(name).filter(|array| !array.words.is_empty()) {
                    let b = u.choose_index(array.words.len())?;
                    array.words[b] = above;
                }
            }
        }
        8 => {
            let size = u.int_in_range(0..=80)?;
            (call.options.struct_size, call.tree_options.struct_size, call.adaptive.struct_size) = (size, size, size);
        }
        _ => match u.int_in_range(0..=5_u8)? {
            0 => call.side = u.arbitrary()?,
            1 => call.temperature = f32::from_bits(u.arbitrary()?),
            2 => call.key.sample0 = u.arbitrary()?,
            3 => call.tree_options.single_root = u.arbitrary()?,
            4 => call.tree_options.projective = u.arbitrary()?,
            _ => call.parts.dz_squared = *u.choose(&[-1.0, f64::NAN, f64::INFINITY])?,
        },
    }
    Ok(())
}

fn is_stride(name: &str) -> bool {
    name.starts_with("ld_") || name.ends_with("_stride")
}

/// The function of an input, which its first byte names. None stands for the functions that cannot fail.
pub fn function(u: &mut Unstructured<'_>) -> Result<Option<&'static Function>> {
    let number = u.int_in_range(0..=FUNCTIONS.len())?;
    Ok(FUNCTIONS.get(number))
}
