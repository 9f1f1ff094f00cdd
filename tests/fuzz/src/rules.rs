//! Finds out without the library what is wrong with a call: the errors that each argument may give, and the first bad
//! row.

use std::sync::OnceLock;

use imle_ffi::*;

use crate::call::{Call, Place};
use crate::draw::{FEW_WORDS, Fill};
use crate::table::{ANY_OF, Family, Role, role};

#[path = "../../common/reference/trees.rs"]
#[allow(dead_code, reason = "only a part is used")]
pub mod trees;

const MAX_WORDS: u128 = isize::MAX as u128 / 4;

/// The errors that the arguments give. Empty: the arguments are good.
pub fn bad_arguments(call: &Call) -> Vec<imle_status> {
    let function = call.function;
    let sized = function.has("shape");
    let bad_shape = sized && bad_shape(call);
    // With a wrong shape the lengths of arrays mean nothing.
    let readable = sized && !bad_shape;
    let bad_stride = readable && bad_stride(call);
    let short = || call.number("work_len") < call.floats_needed() && call.rows() > 0;
    let found = [
        (IMLE_ERR_VERSION, bad_size(call)),
        // A shape at NULL is not read.
        (
            IMLE_ERR_SHAPE,
            (bad_shape && call.given("shape").is_some()) || (readable && (bad_k_row(call) || bad_samples(call))),
        ),
        (IMLE_ERR_OPTION, bad_option(call)),
        (IMLE_ERR_NULL, bad_pointer(call, readable || !sized)),
        (IMLE_ERR_STRIDE, bad_stride),
        (IMLE_ERR_WORKSPACE, readable && function.has("work_len") && short()),
        // Beside a wrong stride there may be one that is right and reaches over all memory.
        (IMLE_ERR_OVERLAP, bad_stride || ((readable || !sized) && overlaps(call))),
    ];
    found.into_iter().filter(|&(_, bad)| bad).map(|(error, _)| error).collect()
}

/// True for a pointer that must be there and is not, or that is misaligned.
fn bad_pointer(call: &Call, readable: bool) -> bool {
    let no_rows = call.function.has("shape") && call.rows() == 0;
    let empty = |name: &str| {
        let array = role(name) != Role::Struct && role(name) != Role::State && name != "row";
        array && readable && (no_rows || (name != "work" && call.extent(name) == 0))
    };
    let bad = |array: &crate::call::Array| match array.place {
        Place::Null => !call.function.may_be_null(array.name) && !empty(array.name),
        Place::Off(_) => true,
        _ => false,
    };
    let wants_output = call.function.arguments.iter().any(|name| ANY_OF.contains(name));
    let nothing = wants_output && ANY_OF.iter().all(|name| call.given(name).is_none()) && !no_rows;
    call.arrays.iter().any(bad) || nothing
}

fn bad_size(call: &Call) -> bool {
    let function = call.function;
    let given = |name| call.given(name).is_some();
    (function.has("options") && given("options") && call.options.struct_size != 48)
        || (function.has("tree_options") && given("tree_options") && call.tree_options.struct_size != 12)
        || (given("adaptive") || given("state")) && call.adaptive.struct_size != 40
}

pub fn bad_shape(call: &Call) -> bool {
    let imle_shape { rows, n, k, samples } = call.shape;
    let samples = if call.function.ignores_samples() { 1 } else { samples };
    let elements = u128::from(rows) * u128::from(n) * u128::from(samples);
    let sizes = n == 0 || samples == 0 || k > n || samples > 1 << 24 || elements > MAX_WORDS;
    let family = match call.function.family() {
        Family::Argmax => k != 1,
        Family::Tree => u64::from(k) * u64::from(k) != u64::from(n),
        _ => false,
    };
    sizes || family
}

/// True if the samples are too few for a baseline, or have numbers out of range.
fn bad_samples(call: &Call) -> bool {
    let samples = call.samples() as u32;
    let baseline = call.function.has("losses") && samples < 2;
    let last = u64::from(call.key.sample0) + u64::from(samples);
    let numbers = call.function.has("key") && call.given("key").is_some() && last > 1 << 28;
    let stratified = call.function.has("options") && call.options.coupling == IMLE_COUPLING_STRATIFIED;
    let strata = u64::from(if call.key.strata == 0 { samples } else { call.key.strata });
    let beyond = call.function.has("key") && call.given("key").is_some() && stratified && last > strata;
    baseline || numbers || beyond
}

fn bad_k_row(call: &Call) -> bool {
    let names_rows = call.function.short() == "find_bad_row";
    let readable = |name: &&str| call.given(name).is_some_and(|array| !matches!(array.place, Place::Off(_)));
    let mut lists = ["k_row", "n_row"].into_iter().filter(readable);
    !names_rows && lists.any(|name| call.array(name).expect("given").words.iter().any(|&k| k > call.shape.k))
}

fn bad_option(call: &Call) -> bool {
    let function = call.function;
    let temperature = |t: f32| !(t.is_finite() && t > 0.0 && (1.0 / t).is_finite());
    let imle_options { noise, temperature: tau, target_temperature, alpha, lambda, .. } = call.options;
    let imle_options { target, difference, scale, sog_terms, sog_kappa, coupling, .. } = call.options;
    let at_least_zero = |x: f32| x.is_finite() && x >= 0.0;
    let kappa = sog_kappa != 0.0 && !(1.0..=65536.0).contains(&sog_kappa);
    let options = noise > 4
        || !at_least_zero(tau)
        || !at_least_zero(target_temperature)
        || !alpha.is_finite()
        || temperature(lambda)
        || target > 1
        || difference > 1
        || scale > 1
        || coupling > 1
        || (noise == IMLE_NOISE_SUM_OF_GAMMA && (sog_terms == 0 || kappa))
        || (target, difference) == (IMLE_TARGET_COMBINATORIAL, IMLE_DIFFERENCE_CENTRAL);
    // Exact samples are independent.
    let stratified = function.has("options") && coupling == IMLE_COUPLING_STRATIFIED;
    let strata = function.has("key") && call.given("key").is_some() && call.key.strata != 0 && !stratified;
    let perturbed = function.short() == "perturbed_gradient"
        && (!(1..=3).contains(&noise) || temperature(tau) || coupling != IMLE_COUPLING_INDEPENDENT);
    let side = function.has("side")
        && (call.side.unsigned_abs() != 1 || (call.side == -1 && target == IMLE_TARGET_COMBINATORIAL));
    let kinds = call.tree_options.projective > 1 || call.tree_options.single_root > 1;
    (function.has("options") && (options || perturbed || side))
        || strata
        || (function.has("tree_options") && kinds)
        || (function.is_exact() && temperature(call.temperature))
        || ((function.has("adaptive") || function.has("state")) && bad_adaptive(&call.adaptive))
}

fn bad_adaptive(adaptive: &imle_adaptive) -> bool {
    let &imle_adaptive { rule, a, g, previous, step, momentum, decay, target, theta_floor, .. } = adaptive;
    let multiplicative = rule == IMLE_ADAPTIVE_MULTIPLICATIVE;
    let at_least_zero = |x: f32| x.is_finite() && x >= 0.0;
    let above_zero = |x: f32| x.is_finite() && x > 0.0;
    rule > 1
        || !at_least_zero(a)
        || (multiplicative && (a == 0.0 || momentum != 0.0))
        || !at_least_zero(g)
        || !previous.is_finite()
        || !above_zero(step)
        || !(0.0..1.0).contains(&momentum)
        || !(0.0..1.0).contains(&decay)
        || !above_zero(target)
        || !at_least_zero(theta_floor)
}

pub fn bad_stride(call: &Call) -> bool {
    let (rows, n, samples) = (call.rows() as u128, call.n(), call.samples() as u128);
    let bad = |row: usize, stride: usize| {
        let span = rows.saturating_sub(1) * stride as u128 + row as u128;
        stride != 0 && (stride < row || (rows > 0 && span > MAX_WORDS))
    };
    let bad_dz = || {
        let (row, sample) = (call.number("dz_row_stride"), call.number("dz_sample_stride"));
        let different = if sample == 0 { 1 } else { samples };
        let contiguous = different * sample.max(n) as u128;
        let row_stride = if row == 0 { contiguous } else { row as u128 };
        let span = rows.saturating_sub(1) * row_stride + (different - 1) * sample as u128 + n as u128;
        (row != 0 && row < n)
            || (sample != 0 && sample < n)
            || (rows > 0 && span > MAX_WORDS)
            || (row == 0 && contiguous > u128::from(u64::MAX))
    };
    call.function.arguments.iter().any(|&name| match name {
        "ld_weights" => bad(call.k() + 1, call.number(name)),
        "dz_row_stride" => {
            let given = call.function.short() != "find_bad_row" || call.given("dz_or_null").is_some();
            given && bad_dz()
        }
        _ => name.starts_with("ld_") && bad(n, call.number(name)),
    })
}

fn overlaps(call: &Call) -> bool {
    let spans: Vec<_> = (call.arrays.iter())
        .filter(|array| role(array.name) != Role::Struct && array.name != "state")
        .filter_map(|array| {
            let (owner, start) = call.placed(array.name)?;
            let empty = call.function.has("shape") && call.rows() == 0 && is_of_rows(array.name);
            let len = match array.name {
                _ if empty => 0,
                "work" => call.floats_needed(),
                "sum" => size_of::<imle_adaptive_parts>() / 4,
                _ => call.extent(array.name),
            };
            Some((owner, start, len, role(array.name) != Role::Input))
        })
        .collect();
    spans.iter().enumerate().any(|(i, &(owner, start, len, written))| {
        spans[..i].iter().any(|&(other, from, words, other_written)| {
            owner == other
                && (written || other_written)
                && start < from + words
                && from < start + len
                && len > 0
                && words > 0
        })
    })
}

fn is_of_rows(name: &str) -> bool {
    !["row", "diagnostics"].contains(&name)
}

/// True if the set of row b contains coordinate i: trees read a corner.
pub fn is_read(call: &Call, b: usize, i: usize) -> bool {
    if call.function.family() != Family::Tree {
        return true;
    }
    let words = call.ones(b).min(call.k());
    i / call.k() < words && i % call.k() < words
}

/// The first row that is bad and the errors that it may give.
pub fn bad_row(call: &Call) -> Option<(usize, Vec<imle_status>)> {
    (0..call.rows()).map(|b| (b, errors_of_row(call, b))).find(|(_, errors)| !errors.is_empty())
}

fn errors_of_row(call: &Call, b: usize) -> Vec<imle_status> {
    if call.ones(b) > call.k() {
        // Only imle_X_find_bad_row goes on.
        return vec![IMLE_ERR_SHAPE];
    }
    let mut errors = Vec::new();
    let bad = |words: &[u32], allows_masks: bool| {
        let bad = |i: usize| {
            let x = f32::from_bits(words[i]);
            !(x.is_finite() || allows_masks && x == f32::NEG_INFINITY)
        };
        (0..words.len()).any(|i| is_read(call, b, i) && bad(i))
    };
    let mut non_finite = false;
    for name in ["theta", "theta_other"].into_iter().filter(|name| call.array(name).is_some()) {
        let scores = call.row(name, b);
        let is_bad = bad(scores, true);
        non_finite |= is_bad;
        if !is_bad && call.function.chooses() && !is_feasible(call, b, scores) {
            errors.push(IMLE_ERR_INFEASIBLE);
        }
    }
    for name in ["v", "y"].into_iter().filter(|name| call.array(name).is_some()) {
        non_finite |= bad(call.row(name, b), false);
    }
    // They have no corner that is not read.
    for name in ["z_in", "z_target", "losses", "weights"].into_iter().filter(|name| call.array(name).is_some()) {
        non_finite |= call.row(name, b).iter().any(|&x| !f32::from_bits(x).is_finite());
    }
    for name in ["dz", "dz_or_null"].into_iter().filter(|name| call.given(name).is_some()) {
        let samples = if call.number("dz_sample_stride") == 0 { 1 } else { call.samples() };
        non_finite |= (0..samples).any(|s| bad(call.dz(name, b, s), false));
    }
    if non_finite {
        errors.push(IMLE_ERR_NONFINITE);
    }
    if call.given("lists").is_some() && (0..call.samples()).any(|s| !is_state(call, b, list(call, b, s))) {
        errors.push(IMLE_ERR_INFEASIBLE);
    }
    errors
}

pub fn list(call: &Call, b: usize, s: usize) -> &[u32] {
    &call.row("lists", b)[s * call.k()..][..call.k()]
}

fn is_masked(word: u32) -> bool {
    f32::from_bits(word) == f32::NEG_INFINITY
}

fn is_feasible(call: &Call, b: usize, scores: &[u32]) -> bool {
    if call.function.family() != Family::Tree {
        return scores.iter().filter(|&&x| !is_masked(x)).count() >= call.ones(b);
    }
    let words = call.ones(b);
    words > FEW_WORDS || all_trees(call, words).iter().any(|heads| avoids_masks(call, heads, scores))
}

fn avoids_masks(call: &Call, heads: &[usize], scores: &[u32]) -> bool {
    heads.iter().enumerate().all(|(d, &h)| !is_masked(scores[h * call.k() + d]))
}

pub fn kind(call: &Call) -> trees::Kind {
    if call.function.has("tree_options") {
        trees::Kind { projective: call.tree_options.projective == 1, single_root: call.tree_options.single_root == 1 }
    } else {
        trees::Kind { projective: false, single_root: false }
    }
}

/// All trees over few words.
pub fn all_trees(call: &Call, words: usize) -> &'static [Vec<usize>] {
    static ALL: [[OnceLock<Vec<Vec<usize>>>; FEW_WORDS + 1]; 4] =
        [const { [const { OnceLock::new() }; FEW_WORDS + 1] }; 4];
    let kind = kind(call);
    let of_kind = &ALL[usize::from(kind.projective) + 2 * usize::from(kind.single_root)];
    of_kind[words].get_or_init(|| trees::all_trees(words, kind))
}

/// The heads of an index list over `words` of the call's words, if every word has one arc.
pub fn heads_of(call: &Call, positions: &[u32], words: usize) -> Option<Vec<usize>> {
    let mut heads = vec![usize::MAX; words];
    for &i in positions {
        let (h, d) = (i as usize / call.k(), i as usize % call.k());
        if h >= words || d >= words || heads[d] != usize::MAX {
            return None;
        }
        heads[d] = h;
    }
    heads.iter().all(|&h| h != usize::MAX).then_some(heads)
}

/// True if a list is a state of row b: as many ascending unmasked positions as the row has ones, and `u32::MAX` behind.
pub fn is_state(call: &Call, b: usize, list: &[u32]) -> bool {
    let (positions, tail) = list.split_at(call.ones(b));
    let theta = call.array("theta").map(|_| call.row("theta", b));
    let unmasked = |i: u32| theta.is_none_or(|theta| !is_masked(theta[i as usize]));
    positions.is_sorted_by(|i, j| i < j)
        && positions.iter().all(|&i| i < call.shape.n && unmasked(i))
        && tail.iter().all(|&i| i == u32::MAX)
        && (call.function.family() != Family::Tree
            || heads_of(call, positions, call.ones(b)).is_some_and(|heads| trees::is_tree(&heads, kind(call))))
}

/// Some state of row b as a list, if it has one: for trees of few words any tree, else a chain or a star of words.
pub fn some_state(call: &Call, b: usize, fill: &mut Fill) -> Vec<u32> {
    let theta = call.array("theta").map(|_| call.row("theta", b).to_vec());
    let ones = call.ones(b).min(call.k());
    let mut list: Vec<u32> = if call.function.family() == Family::Tree {
        let heads = if ones <= FEW_WORDS {
            let good = |heads: &&Vec<usize>| theta.as_ref().is_none_or(|theta| avoids_masks(call, heads, theta));
            let trees: Vec<_> = all_trees(call, ones).iter().filter(good).collect();
            trees.get(fill.below(trees.len())).map_or(Vec::new(), |heads| (*heads).clone())
        } else {
            let star = fill.below(2) == 0;
            (0..ones).map(|d| if star { 0 } else { d.saturating_sub(1) }).collect()
        };
        heads.iter().enumerate().map(|(d, &h)| (h * call.k() + d) as u32).collect()
    } else {
        let unmasked = |&i: &u32| theta.as_ref().is_none_or(|theta| !is_masked(theta[i as usize]));
        let mut positions: Vec<u32> = (0..call.shape.n).filter(unmasked).collect();
        while positions.len() > ones {
            positions.swap_remove(fill.below(positions.len()));
        }
        positions
    };
    list.sort_unstable();
    list.resize(call.k(), u32::MAX);
    list
}
