//! The layer for dependency trees: MAP, the forward pass, the backward pass, the Fenchel-Young loss, and heads of states.

use imle::Shape;

use crate::abi::{self, imle_diagnostics, imle_key, imle_options, imle_shape, imle_tree_options};
use crate::args::{Array, check_arrays};
use crate::family::{Family, Tree, workspace_len};
use crate::layer::{fenchel_young_of, find_bad_row_of, floats, gradient_of, map_of, sample_of};
use crate::status::{Refused, imle_status, status, status_of_call};

/// Returns the floats of workspace that imle_tree_find_bad_row, imle_tree_map, imle_tree_sample, imle_tree_gradient and
/// imle_tree_fenchel_young need, for any number of rows and samples: 5 N + 14 K, projective 6 N + 6 K + 1, where K is the
/// number of words. IMLE_TREE_WORKSPACE_LEN(words, projective, single_root) is the same number as a constant.
///
/// shape: in; k = words, n = words * words; rows and samples are ignored.
/// tree_options: in, which trees.
/// Returns 0 for NULL, for a shape that every function refuses, and for options that it refuses.
/// Threads: any. Source: this library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_workspace_len(
    shape: *const imle_shape,
    tree_options: *const imle_tree_options,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe { workspace_len::<Tree>(shape, (core::ptr::null(), tree_options), floats::<Tree>) }
}

/// Finds the first row whose data imle_tree_sample and imle_tree_gradient would refuse: n_row[b] > words, NaN or +inf in
/// theta, masks that leave no tree, or a value of dz that is not finite; what lies outside the words of a row is not read.
/// Time: O(B (S N + N)), projective O(B (S N + K^3)) at worst.
///
/// shape: in; k = words, n = words * words.
/// n_row: in, [B], the words of each row; NULL means shape.k for every row.
/// tree_options: in, which trees.
/// theta, ld_theta: in, [B][N], row stride in elements, 0 = contiguous.
/// dz, dz_row_stride, dz_sample_stride: in, as for imle_tree_gradient; NULL means that there is no dz to check.
/// row: out, one number: the first bad row, or shape.rows if all are good.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; bad data is not an error here but the
/// answer.
/// Threads: any, with different outputs and workspaces. Source: this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_find_bad_row(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    row: *mut u32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, dz) = ((theta, ld_theta), (dz, dz_row_stride, dz_sample_stride));
    // SAFETY: the caller's contract.
    status(move || unsafe { find_bad_row_of::<Tree>(shape, (n_row, tree_options), theta, dz, row, (work, work_len)) })
}

/// The best parse: z = MAP(theta) = argmax over dependency trees z of <z, theta>.
///
/// theta and z are matrices of words x words, row-major. Element (h, d) is the arc from head h to word d, and the
/// diagonal element (d, d) is the arc from an outer root to d. Every state has one arc into each word and no cycle. Row b
/// uses the upper left corner of n_row[b] words. What lies outside is not read, in no input, and is 0 in every output of
/// the imle_tree_ functions; a row of 0 words has the empty tree. theta = -inf is a mask: the arc is never chosen.
///
/// Ties depend on scores and (h, d) only, and -0 equals +0. Each word takes its best arc, among equals that from the root,
/// then that from the lower head. Words whose arcs form a cycle are a group, which takes the arc from outside that adds
/// most, among equals in the same order, then into the lower word; with a single root an arc from the root only if there is
/// no other. Groups form groups in the same way. Projective trees are built from short spans to long ones; among equal sums
/// the lower place of a split wins. Time: O(B N), projective O(B K^3).
///
/// shape: in; k = words, n = words * words; samples is ignored.
/// n_row: in, [B], the words of each row, 0 to shape.k; NULL means shape.k for every row.
/// tree_options: in, which trees.
/// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
/// z: out, [B][N], 0 or 1; or NULL.
/// indices: out, [B][K], the positions h * words + d of the ones, ascending, UINT32_MAX in the unused tail; or NULL. At
/// least one of the two must not be NULL. imle_tree_heads turns them into heads.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE (masks that
/// leave no tree).
/// Threads: any, with different outputs and workspaces. Source: Chu, Liu 1965; Edmonds 1967; Tarjan 1977; projective:
/// Eisner 1996.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_map(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    theta: *const f32,
    ld_theta: usize,
    z: *mut f32,
    indices: *mut u32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (theta, work) = ((theta, ld_theta), (work, work_len));
    // SAFETY: the caller's contract.
    status(move || unsafe { map_of::<Tree>(shape, (n_row, tree_options), theta, (z, indices), work) })
}

/// The forward pass draws trees z_s = MAP(theta + tau eps_s), s = 1..S, with the noise eps that the key selects. The noise
/// of an arc depends on its position h * words + d, so another number of words in the shape is other noise. The score is
/// theta + (tau * eps), each operation rounded once. Time: O(B S N), projective O(B S K^3).
///
/// shape: in; k = words, n = words * words.
/// n_row: in, [B], the words of each row, 0 to shape.k; NULL means shape.k for every row. sog_kappa = 0 means the row's
/// words.
/// tree_options: in, which trees.
/// options: in, noise and temperature are used; the others are checked.
/// key: in, selects the noise.
/// theta, ld_theta: in, [B][N], scores, finite or -inf (never chosen); row stride in elements, at least N, 0 =
/// contiguous.
/// z: out, [B][S][N], 0 or 1; or NULL.
/// indices: out, [B][S][K], the positions of the ones, ascending, UINT32_MAX in the unused tail; or NULL.
/// marginals: out, [B][N], the mean of z_s over s, which estimates E[z]; or NULL. At least one of the three must not be
/// NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Papandreou, Yuille 2011; Niepert, Minervini, Franceschi
/// 2021 (arXiv 2106.01798), section 3.2.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_sample(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    z: *mut f32,
    indices: *mut u32,
    marginals: *mut f32,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let set = (n_row, tree_options);
    // SAFETY: the caller's contract.
    status_of_call(move || unsafe {
        sample_of::<Tree>(shape, set, options, key, theta, ld_theta, z, indices, marginals, work, work_len)
    })
}

/// The backward pass estimates the gradient of the expected loss L with respect to theta:
///
/// grad_theta = c (1/S) sum_s (z_s - z'_s), z'_s = MAP(theta'_s + tau' eps_s), theta'_s = alpha theta - lambda dz_s,
///
/// with the noise of the forward pass, which the key reproduces, and c = 1 / lambda or 1 (options.scale), as
/// imle_topk_gradient computes it for k-subsets. Time: O(B S N), projective O(B S K^3).
///
/// shape, n_row, tree_options, options, key, theta, ld_theta: in, the same as for imle_tree_sample.
/// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
/// respect to z_(b,s); if the loss is a mean over the batch, leave its factor 1/B out, because lambda multiplies dz.
/// Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means rows without gaps,
/// dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N.
/// indices: in, [B][S][K], what imle_tree_sample returned for the same key, which saves a search; NULL means that the
/// states are computed again. Any other trees of the rows take the place of z_s in the formula. (The central difference
/// checks the lists but does not use them.)
/// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// diagnostics: out, one struct, written on success only, or NULL.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE (also for
/// an index list that is no tree of its row).
/// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
/// Algorithm 1; central difference: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_gradient(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    dz: *const f32,
    dz_row_stride: usize,
    dz_sample_stride: usize,
    indices: *const u32,
    grad_theta: *mut f32,
    ld_grad: usize,
    diagnostics: *mut imle_diagnostics,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let set = (n_row, tree_options);
    // SAFETY: the caller's contract.
    status_of_call(move || unsafe {
        gradient_of::<Tree>(
            shape,
            set,
            options,
            key,
            theta,
            ld_theta,
            dz,
            dz_row_stride,
            dz_sample_stride,
            indices,
            grad_theta,
            ld_grad,
            diagnostics,
            work,
            work_len,
        )
    })
}

/// Learns from observed trees y instead of a loss on z. This is the Fenchel-Young loss of the perturbed optimiser, up to
/// an unknown constant that depends on y only, and its exact gradient:
///
/// loss = (1/S) sum_s max over z of <z, theta + tau eps_s> - <theta, y>,   grad_theta = (1/S) sum_s z_s - y,
///
/// with the z_s that imle_tree_sample draws for the same key. The loss is convex in theta. Its expectation is at its
/// minimum where E[z] = y. Time: O(B S N), projective O(B S K^3).
///
/// shape, n_row, tree_options, options, key, theta, ld_theta: in, the same as for imle_tree_sample.
/// y, ld_y: in, [B][N], finite: a tree, or a mean of trees; row stride in elements, at least N, 0 = contiguous.
/// loss: out, [B], in units of theta; it may be below 0, and is +inf where y is above 0 at a masked entry.
/// grad_theta, ld_grad: out, [B][N], exactly 0 where theta is masked; row stride in elements, at least N, 0 =
/// contiguous. The gaps between rows are not touched.
/// work, work_len: workspace (scratch memory) and its length in floats, at least
/// imle_tree_workspace_len(shape, tree_options).
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
/// Threads: any, with different outputs and workspaces. Source: Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020
/// (arXiv 2002.08676).
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_fenchel_young(
    shape: *const imle_shape,
    n_row: *const u32,
    tree_options: *const imle_tree_options,
    options: *const imle_options,
    key: *const imle_key,
    theta: *const f32,
    ld_theta: usize,
    y: *const f32,
    ld_y: usize,
    loss: *mut f32,
    grad_theta: *mut f32,
    ld_grad: usize,
    work: *mut f32,
    work_len: usize,
) -> imle_status {
    let (set, theta, y) = ((n_row, tree_options), (theta, ld_theta), (y, ld_y));
    let (grad, work) = ((grad_theta, ld_grad), (work, work_len));
    // SAFETY: the caller's contract.
    status(move || unsafe { fenchel_young_of::<Tree>(shape, set, options, key, theta, y, loss, grad, work) })
}

unsafe fn heads_of(
    shape: *const imle_shape,
    n_row: *const u32,
    indices: *const u32,
    heads: *mut u32,
) -> Result<(), Refused> {
    // SAFETY: the caller's contract.
    let shape: Shape = unsafe { abi::shape(shape) }?;
    Tree::check(shape)?;
    let lists = shape.rows() * shape.samples() * shape.k();
    let n_row = Array::optional(n_row, shape.rows());
    let indices = Array::required(indices, lists);
    let heads = Array::required(heads, lists);
    // SAFETY: the caller's contract.
    check_arrays!(unsafe outputs: [heads], inputs: [n_row, indices]);
    let any_tree = abi::TreeKind { projective: false, single_root: false };
    Ok(Tree::solver(shape, n_row.slice_if_any(), any_tree).heads(shape, indices.slice(), heads.slice())?)
}

/// Turns trees given as lists of positions into heads: heads[d] = h for the arc from h to d, d itself for a word that
/// hangs from the root, and UINT32_MAX beyond the words of the row. Time: O(B S N), plus K^3 for each list at worst, which
/// is seen to be a tree of any kind.
///
/// shape: in; k = words, n = words * words.
/// n_row: in, [B], the words of each row, 0 to shape.k; NULL means shape.k for every row.
/// indices: in, [B][S][K], what imle_tree_sample, imle_tree_map (with samples = 1) or imle_tree_sample_exact returned.
/// heads: out, [B][S][K].
/// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; _INFEASIBLE (a list that is no tree of its row).
/// Threads: any, with different outputs. Source: this library.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn imle_tree_heads(
    shape: *const imle_shape,
    n_row: *const u32,
    indices: *const u32,
    heads: *mut u32,
) -> imle_status {
    // SAFETY: the caller's contract.
    status(move || unsafe { heads_of(shape, n_row, indices, heads) })
}
