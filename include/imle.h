/*
 * imle: Implicit MLE, training through discrete choices. ABI version 2.
 *
 * A model computes scores theta in R^N and uses a discrete structure z in C, a subset of {0,1}^N, inside. It is still
 * trained by gradient descent:
 *
 *     p(z) proportional to exp(<z, theta> / tau) on C           the distribution
 *     MAP(theta) = argmax over z in C of <z, theta>             test time        imle_topk_map
 *     z_s = MAP(theta + tau eps_s), eps_s ~ noise               forward pass     imle_topk_sample
 *     theta'_s = alpha theta - lambda dz_s                      target, dz_s = gradient of the loss at z_s
 *     grad_theta = (1/lambda) (1/S) sum_s [ z_s - MAP(theta'_s + tau' eps_s) ]
 *                                                               backward pass    imle_topk_gradient
 *
 * C: k of n (imle_topk_), one of n (imle_argmax_), dependency trees (imle_tree_), or your own solver between
 * imle_perturb, imle_target and imle_difference. The first two also have p(z) in closed form: marginals and their gradient, exact samples,
 * log-probabilities, entropy, divergence (imle_topk_marginals and imle_argmax_marginals and the functions after them).
 * If you do not know a good lambda, imle_adaptive_lambda adapts it from batch to batch.
 *
 * Rules for every function
 *  - Arguments come in this order: shape, k_row, options or temperature, key, inputs (pointer, then its strides),
 *    outputs, workspace (pointer, length).
 *  - A function that can fail returns an imle_status, IMLE_OK or an error. After an argument error no output has been
 *    written. After a data error (IMLE_ERR_NONFINITE, IMLE_ERR_INFEASIBLE) rows before the first bad row are complete,
 *    that row and all later ones are untouched, and imle_topk_find_bad_row names it if theta, dz or k_row is bad (it
 *    does not see index lists or states). The workspace may change in any case.
 *  - You own all memory. There is no allocation, no global or thread-local state (except one byte, on x86-64 only,
 *    which stores the instruction set of the machine), no callback and no I/O. The library calls nothing of libc but
 *    memcpy, memmove, memset and memcmp.
 *  - Threads: any number of calls may run at the same time if no output or workspace of one call overlaps an array or
 *    struct of another call. The gaps between the rows of an array with a row stride belong to it, here too: two
 *    threads must not write column blocks of one matrix. Calls may share inputs.
 *  - Arrays are row-major float: B = shape.rows, S = shape.samples, N = shape.n, K = shape.k. Strides count elements.
 *  - Outputs and the workspace may overlap neither an input array nor each other (checked: IMLE_ERR_OVERLAP). An array
 *    reaches from its first element to its last, so the gaps between rows belong to it. The structs (shape, options,
 *    key, adaptive, its diagnostics) are copied first and may lie anywhere. Empty arrays overlap nothing.
 *  - rows = 0 is an empty batch. The sizes, the options and struct sizes are checked as ever; all arrays and the
 *    workspace may be NULL (work_len 0); nothing is written but diagnostics of zeros and the 0 of find_bad_row.
 *  - Options are passed as integers, never as enums: an unknown value is IMLE_ERR_OPTION.
 *  - theta is finite or -inf, the mask: such an entry is never chosen. -0 equals +0. Among equal scores the lower index
 *    wins.
 *  - The noise of a coordinate is a pure function of the seed, the step, the numbers of its row and its sample
 *    (imle_key), the coordinate and the noise options. It depends neither on N and S nor on other rows. A batch equals
 *    its rows called one by one, in any cut and order, also over samples; -inf behind the scores of a row changes no
 *    bit. The backward pass reproduces the noise of the forward pass.
 *  - All results have the same bits on every platform, in whatever floating-point mode the caller is. A call that finds
 *    another direction of rounding, flushed subnormals or traps (x86 MXCSR, AArch64 FPCR, Arm FPSCR, RISC-V frm) works
 *    in the default mode and puts the caller's back, also after an error; it may lose or raise sticky flags. In the
 *    default mode it writes no control register. On other processors call in the default mode.
 *  - A score that overflows downwards, or has no value (inf - inf), counts as -FLT_MAX: only masked entries have -inf.
 *
 * Written by cbindgen from the Rust sources in ffi/; do not edit.
 */


#ifndef IMLE_H
#define IMLE_H

#include <stddef.h>
#include <stdint.h>

// The version of this header; imle_version() is that of the library.
#define IMLE_VERSION_MAJOR 0
#define IMLE_VERSION_MINOR 1
#define IMLE_VERSION_PATCH 0
#define IMLE_VERSION "0.1.0"

// Lengths of workspace as constants, for static arrays. Where a workspace would exceed half of the address space the
// functions return 0 and these macros do not; still larger ones wrap around. (For the exact functions and n = k: from
// 23,163 and from 65,528 on if size_t has 32 bits, from 2^32 - 8 on if it has 64.)
//
// x as size_t, by the cast of the language.
#if defined(__cplusplus)
#define IMLE_SIZE(x) static_cast<size_t>(x)
#else
#define IMLE_SIZE(x) ((size_t)(x))
#endif
// imle_topk_workspace_len; 0 where k > n.
#define IMLE_TOPK_WORKSPACE_LEN(n, k) \
    (IMLE_SIZE(k) < IMLE_SIZE(n) + 1 ? IMLE_SIZE(3) * IMLE_SIZE(n) : IMLE_SIZE(0))
// imle_argmax_workspace_len.
#define IMLE_ARGMAX_WORKSPACE_LEN(n) (IMLE_SIZE(3) * IMLE_SIZE(n))
// imle_topk_exact_workspace_len; 0 where k > n or n = 0.
#define IMLE_TOPK_EXACT_WORKSPACE_LEN(n, k) \
    (IMLE_SIZE(n) > 0 && IMLE_SIZE(k) < IMLE_SIZE(n) + 1 \
         ? (IMLE_SIZE(n) + 12) * (IMLE_SIZE(k) + 1) + IMLE_SIZE(3) * IMLE_SIZE(n) + IMLE_SIZE(136) \
         : IMLE_SIZE(0))
// imle_tree_workspace_len; 0 where words = 0.
#define IMLE_TREE_WORKSPACE_LEN(words, projective, single_root) \
    (IMLE_SIZE(words) == 0 ? IMLE_SIZE(0) \
     : (projective) ? (IMLE_SIZE(6) * IMLE_SIZE(words) + 6) * IMLE_SIZE(words) + 1 \
                    : (IMLE_SIZE(5) * IMLE_SIZE(words) + 14) * IMLE_SIZE(words))
// imle_tree_exact_workspace_len; 0 where words = 0.
#define IMLE_TREE_EXACT_WORKSPACE_LEN(words, projective, single_root) \
    (IMLE_SIZE(words) == 0 ? IMLE_SIZE(0) \
     : (projective) ? (IMLE_SIZE(15) * IMLE_SIZE(words) + 120) * IMLE_SIZE(words) + 144 \
                    : (IMLE_SIZE(10) * IMLE_SIZE(words) + 100) * IMLE_SIZE(words) + 48)
// imle_argmax_exact_workspace_len.
#define IMLE_ARGMAX_EXACT_WORKSPACE_LEN(n) IMLE_SIZE(n)

// Marks every function whose status should not be ignored. Define it as nothing if you do not want the warnings.
#ifndef IMLE_MUST_USE
#if (defined(__cplusplus) && __cplusplus >= 201703L) || (defined(_MSVC_LANG) && _MSVC_LANG >= 201703L) || \
    (defined(__STDC_VERSION__) && __STDC_VERSION__ > 201710L)
#define IMLE_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define IMLE_MUST_USE __attribute__((warn_unused_result))
#else
#define IMLE_MUST_USE
#endif
#endif

// The version of this ABI. It changes when programs must be compiled anew. Equals imle_abi_version().
#define IMLE_ABI_VERSION 2

// imle_options.noise: no noise, eps = 0. Every sample is MAP(theta).
#define IMLE_NOISE_NONE 0

// imle_options.noise, default: Gumbel(0, 1), eps = -ln(-ln U), mean 0.5772, variance pi^2/6. With argmax this samples
// p(z) proportional to exp(<z, theta> / tau) exactly; with top-k it draws the first k of a Plackett-Luce order.
#define IMLE_NOISE_GUMBEL 1

// imle_options.noise: Logistic(0, 1), eps = ln U - ln(1 - U), mean 0, variance pi^2/3. Its marginals are the closest
// to those of p if k is near n/2.
#define IMLE_NOISE_LOGISTIC 2

// imle_options.noise: Normal(0, 1), for perturbed optimisers (Berthet et al. 2020).
#define IMLE_NOISE_NORMAL 3

// imle_options.noise: Sum-of-Gamma, eps = sum over i <= s of Gamma(shape 1/kappa, scale 1) / i - ln(s) / kappa, with
// s = sog_terms and kappa = sog_kappa: mean (H_s - ln s) / kappa, H_s = sum of 1/i, variance (1/kappa) sum of 1/i^2.
// With infinitely many terms the sum of kappa independent copies is Gumbel(0, 1). eps is within 1e-4 max(1, |eps|) of
// the exact quantile. It needs a table, which is built once for consecutive rows of the same kappa (some 10 us on
// x86-64, 7 KiB of stack). At equal tau its marginals are farther from those of p than Gumbel's. lib/fast and
// lib/size for microcontrollers leave it out and answer IMLE_ERR_OPTION. Source: Niepert, Minervini, Franceschi 2021,
// section 3.2.
#define IMLE_NOISE_SUM_OF_GAMMA 4

// imle_options.sog_terms: the limit s = infinity.
#define IMLE_SOG_TERMS_INFINITE 4294967295

// imle_options.target, default: theta' = alpha theta - lambda dz.
#define IMLE_TARGET_LINEAR 0

// imle_options.target: theta'_i = theta_i where dz_i = 0, else -dz_i. Use it for losses that compare z with a gold
// structure. It uses neither alpha nor lambda, is never scaled (c = 1), and has no central difference.
#define IMLE_TARGET_COMBINATORIAL 1

// imle_options.difference, default: MAP(theta + tau eps) - MAP(theta' + tau' eps).
#define IMLE_DIFFERENCE_FORWARD 0

// imle_options.difference: (MAP(alpha theta + lambda dz + tau' eps) - MAP(alpha theta - lambda dz + tau' eps)) / 2.
#define IMLE_DIFFERENCE_CENTRAL 1

// imle_options.scale, default: c = 1 / lambda, an estimate of the gradient of the loss.
#define IMLE_SCALE_INVERSE_LAMBDA 0

// imle_options.scale: c = 1: the gradient of the maximum-likelihood objective, which Algorithm 1 of the paper returns.
#define IMLE_SCALE_NONE 1

// imle_options.coupling, default: the noise of every sample is independent of the others'.
#define IMLE_COUPLING_INDEPENDENT 0

// imle_options.coupling: stratified samples. The S uniform words behind the noise of a coordinate lie one in each of S
// equal parts of all words, in an order that is the coordinate's own (Latin hypercube sampling). One sample alone still
// has independent noise of the right law, so means over samples have the same expectation and a lower variance, at the
// same number of MAP solves. lib/fast and lib/size for microcontrollers leave it out and answer IMLE_ERR_OPTION.
// Source: McKay, Beckman, Conover 1979.
#define IMLE_COUPLING_STRATIFIED 1

// imle_adaptive.rule: a <- max(a + c, 0), c = momentum * previous +- step, + while g < target. This is the rule of the
// paper. Set step to its value, 1e-3, and theta_floor to 0: a thousand updates then move a by 1. In float, a stands
// still from the first power of two on that is at least 2^24 * step: from 2048 on for a step of 1e-4.
#define IMLE_ADAPTIVE_ADDITIVE 0

// imle_adaptive.rule, default: a <- a (1 + step c), or a / (1 + step |c|) for c < 0, c = (target - g) / target within
// -1 to 1. Because g lags, a is held while the newest count lies on the other side of the target. With the default
// step a lambda that is wrong by a factor of 1000 is right after about 75 updates, with little overshoot. momentum must
// be 0: any other value is IMLE_ERR_OPTION.
#define IMLE_ADAPTIVE_MULTIPLICATIVE 1

// How samples are drawn and gradients are estimated. Call imle_options_default first, and then change the fields that
// you want.
typedef struct imle_options {
    // sizeof(imle_options), else IMLE_ERR_VERSION.
    uint32_t struct_size;
    // The law of the noise eps: IMLE_NOISE_NONE, _GUMBEL (default), _LOGISTIC, _NORMAL or _SUM_OF_GAMMA.
    uint32_t noise;
    // tau, finite, at least 0, default 1: the noise factor of the forward pass. 0 is MAP(theta).
    float temperature;
    // tau', finite, at least 0, default 1: the noise factor of the target.
    float target_temperature;
    // Finite, default 1: the factor of theta in the linear target.
    float alpha;
    // Finite, above 0 (1 / lambda finite too), default 1: the step from theta to the target, in units of theta per
    // unit of dz.
    float lambda;
    // IMLE_TARGET_LINEAR (default) or IMLE_TARGET_COMBINATORIAL.
    uint32_t target;
    // IMLE_DIFFERENCE_FORWARD (default) or IMLE_DIFFERENCE_CENTRAL.
    uint32_t difference;
    // IMLE_SCALE_INVERSE_LAMBDA (default) or IMLE_SCALE_NONE.
    uint32_t scale;
    // s of the Sum-of-Gamma noise, at least 1, default 10; IMLE_SOG_TERMS_INFINITE is the limit. Other laws ignore it.
    uint32_t sog_terms;
    // kappa of the Sum-of-Gamma noise, from 1 to 65536, or 0 (default): the row's k (shape.k for functions without
    // k_row), limited to that range. Other laws ignore it.
    float sog_kappa;
    // IMLE_COUPLING_INDEPENDENT (default) or IMLE_COUPLING_STRATIFIED: how the noises of a row's samples depend on each
    // other.
    uint32_t coupling;
} imle_options;

// Selects the trees that the imle_tree_ functions work on. Call imle_tree_options_default first, and then change the
// fields that you want.
typedef struct imle_tree_options {
    // sizeof(imle_tree_options), else IMLE_ERR_VERSION.
    uint32_t struct_size;
    // 1: no arcs cross. Every word between the head and the word of an arc descends from the head, and no arc passes over
    // a word that hangs from the root. 0 (default): arcs may cross.
    uint32_t projective;
    // 1: exactly one word hangs from the root. 0 (default): one or more do.
    uint32_t single_root;
} imle_tree_options;

// The sizes of a batch: B rows of N scores, states of K ones, S samples per row. B * S * N floats must fit into the
// address space.
typedef struct imle_shape {
    // B; 0 is an empty batch.
    uint32_t rows;
    // N, at least 1.
    uint32_t n;
    // K, 0 to N; 1 for argmax. If the k of rows differ (k_row), the largest of them.
    uint32_t k;
    // S, 1 to 2^24.
    uint32_t samples;
} imle_shape;

// The result of a call: IMLE_OK, or an IMLE_ERR_ code below 0.
//
// Argument errors (NULL, SHAPE, STRIDE, WORKSPACE, OPTION, OVERLAP, VERSION): no output was written. Data errors
// (NONFINITE, INFEASIBLE): the rows before the first bad row are complete, that row and all later ones are untouched,
// and imle_topk_find_bad_row names it if theta, dz or k_row is bad (it does not see the other inputs).
typedef int32_t imle_status;

// Selects the noise. Row b of a call has the number r = row0 + row_ids[b], or row0 + b without ids, modulo 2^64; sample
// s has the number sample0 + s. The eps of a coordinate is a pure function of seed, step, r, the sample's number, the
// coordinate and the noise options. It depends neither on N nor on S nor on the other rows, so any cut of a batch over
// threads, hosts or micro-batches gets the noise of the whole batch. A backward call with the key of the forward call
// gets the same noise. Initialise the whole struct: every field after row0 may be zero.
typedef struct imle_key {
    // One per run.
    uint64_t seed;
    // One per training iteration.
    uint64_t step;
    // The number of the first row, or what is added to every id.
    uint64_t row0;
    // [B], the number of each row of a shuffled, ragged or distributed batch; NULL if rows follow one another. It is an
    // input array: it must be aligned (else IMLE_ERR_NULL) and may not overlap an output.
    const uint64_t *row_ids;
    // The number of the first sample; sample0 + samples is at most 2^28, else IMLE_ERR_SHAPE.
    uint32_t sample0;
    // With stratified noise: the number of samples of the whole batch, if this call has only some of them; 0 means the
    // samples of this call. sample0 + samples must be at most strata, else IMLE_ERR_SHAPE. With independent noise: 0, else
    // IMLE_ERR_OPTION.
    uint32_t strata;
} imle_key;

// Counts of the states that a gradient compared.
typedef struct imle_diagnostics {
    // The states compared: rows * samples.
    uint64_t states;
    // States with z' = z, which add nothing to the gradient. If this is near `states`, lambda is too small to change
    // choices.
    uint64_t unchanged;
    // The sum over states of the non-zeros of z - z'.
    uint64_t nonzeros;
} imle_diagnostics;

// The state of an adaptive lambda. It is plain data: copy it, and save it with the model. One state serves all rows
// that share lambda, usually a whole batch. Call imle_adaptive_default first, and then change the fields that you
// want.
typedef struct imle_adaptive {
    // sizeof(imle_adaptive), else IMLE_ERR_VERSION.
    uint32_t struct_size;
    // IMLE_ADAPTIVE_MULTIPLICATIVE (default) or IMLE_ADAPTIVE_ADDITIVE.
    uint32_t rule;
    // lambda in units of ||theta|| / ||dz||, finite, at least 0 (multiplicative: above 0). Starts at 1.
    float a;
    // The non-zeros of z_s - z'_s per state, a moving average, finite, at least 0. Starts at 1.
    float g;
    // The additive rule's last change of a, finite. Starts at 0.
    float previous;
    // Finite, above 0, default 0.15; for the additive rule set 1e-3.
    float step;
    // The share of the last change in the next one, 0 <= momentum < 1, default 0; it must be 0 for the multiplicative
    // rule.
    float momentum;
    // The weight of the past in g, 0 <= decay < 1, default 0.9.
    float decay;
    // The g to aim at, finite, above 0, default 1: one choice changes in every second state. A state has at most 2 k.
    float target;
    // The least root mean square of theta that lambda is computed with, finite, at least 0, default 1, the scale of the
    // noise: where theta is smaller, the noise decides the choice, and a lambda in proportion to theta would change
    // none. The larger of the two counts, so that lambda is the paper's where theta is above the floor. For the additive
    // rule as in the paper set 0; then, if every theta is 0, each counts as 1.
    float theta_floor;
} imle_adaptive;

// The sums over theta and dz from which lambda is computed. They add up over threads, hosts and micro-batches: start
// from zeros, add blocks with imle_adaptive_add, and add up parts field by field (all-reduce, MPI_SUM). Any order
// of the blocks gives lambda to an ulp or so; the same order of the same blocks gives the same bits on every platform.
typedef struct imle_adaptive_parts {
    // The sum of theta^2 over the unmasked entries.
    double theta_squared;
    // The sum of dz^2.
    double dz_squared;
    // The number of unmasked entries of theta.
    uint64_t theta_len;
    // The number of unmasked entries of theta that are not 0.
    uint64_t theta_nonzero;
} imle_adaptive_parts;

// Success.
#define IMLE_OK 0

// A pointer that must not be NULL is NULL, no output was asked for, or a pointer is not aligned to its type. An array
// without elements may be NULL: all arrays if rows = 0, and an index list if K = 0.
#define IMLE_ERR_NULL (-1)

// The sizes do not fit together: n or samples is 0, k > n, k_row[b] > k, k is not 1 for argmax, n is not k * k or
// n_row[b] > k for trees, samples > 2^24, rows * samples * n floats exceed the address space, or a function with a
// baseline got one sample only.
#define IMLE_ERR_SHAPE (-2)

// A stride is shorter than a row, or the array that it spans exceeds the address space.
#define IMLE_ERR_STRIDE (-3)

// The workspace is shorter than its _workspace_len function says.
#define IMLE_ERR_WORKSPACE (-4)

// An option is unknown or out of its range, or two options exclude each other.
#define IMLE_ERR_OPTION (-5)

// NaN or +inf in theta, or NaN, +inf or -inf in another input.
#define IMLE_ERR_NONFINITE (-6)

// A row has fewer unmasked entries (theta > -inf) than it has to choose, or its masks leave no tree, or an index list is
// no state of its row.
#define IMLE_ERR_INFEASIBLE (-7)

// An output or the workspace overlaps an input or another output.
#define IMLE_ERR_OVERLAP (-8)

// struct_size is not the size of the struct: it was not set by its _default function, or header and library differ.
#define IMLE_ERR_VERSION (-9)

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns one sentence in English for a status.
//
// status: what a call returned; any other number is called unknown. The string ends in NUL and lives as long as the
// program; the pointer is never NULL.
// Threads: any. Source: this library.
const char *imle_status_message(int32_t status);

// Returns the ABI version of the library that was linked; IMLE_ABI_VERSION is that of the header.
//
// Threads: any. Source: this library.
uint32_t imle_abi_version(void);

// Returns the version of the library that was linked, such as "0.1.0"; IMLE_VERSION is that of the header.
//
// The string ends in NUL and lives as long as the program; the pointer is never NULL.
// Threads: any. Source: this library.
const char *imle_version(void);

// Returns the name of the instruction set that this build runs on this machine: "avx512", "avx2" or "portable" on
// x86-64, "neon" on AArch64, "portable" on others. The results do not depend on it.
//
// The string ends in NUL and lives as long as the program; the pointer is never NULL.
// Threads: any. Source: this library.
const char *imle_kernel(void);

// Sets every option to its default and struct_size to the size of the struct.
//
// options: out, one struct; NULL (or a misaligned pointer) does nothing.
// Threads: any, with different structs. Source: this library.
void imle_options_default(struct imle_options *options);

// Sets the options of trees to their defaults, trees that may cross and may have several roots, and struct_size to the
// size of the struct.
//
// options: out, one struct; NULL (or a misaligned pointer) does nothing.
// Threads: any, with different structs. Source: this library.
void imle_tree_options_default(struct imle_tree_options *options);

// Returns the floats of workspace that imle_topk_map, imle_topk_sample, imle_topk_gradient and imle_topk_fenchel_young
// need: 3 N, for any number of rows and samples. IMLE_TOPK_WORKSPACE_LEN(n, k) is the same number as a constant.
//
// shape: in; rows and samples are ignored.
// Returns 0 for NULL and for a shape that every function refuses.
// Threads: any. Source: this library.
size_t imle_topk_workspace_len(const struct imle_shape *shape);

// Returns the floats of workspace that imle_argmax_map, imle_argmax_sample, imle_argmax_gradient and
// imle_argmax_fenchel_young need: 3 N, for any number of rows and samples. IMLE_ARGMAX_WORKSPACE_LEN(n) is the same
// number as a constant.
//
// shape: in; k = 1; rows and samples are ignored.
// Returns 0 for NULL and for a shape that every function refuses.
// Threads: any. Source: this library.
size_t imle_argmax_workspace_len(const struct imle_shape *shape);

// Finds the first row whose data imle_topk_sample and imle_topk_gradient would refuse: k_row[b] > k, NaN or +inf in
// theta, fewer unmasked entries than the row's k, or a value of dz that is not finite. Time: O(B S N).
//
// shape: in.
// k_row: in, [B], the k of each row; NULL means shape.k for every row.
// theta, ld_theta: in, [B][N], row stride in elements, 0 = contiguous.
// dz, dz_row_stride, dz_sample_stride: in, as for imle_topk_gradient; NULL means that there is no dz to check.
// row: out, one number: the first bad row, or shape.rows if all are good.
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; bad data is not an error here but the answer.
// Threads: any, with different outputs. Source: this library.
IMLE_MUST_USE
imle_status imle_topk_find_bad_row(const struct imle_shape *shape,
                                   const uint32_t *k_row,
                                   const float *theta,
                                   size_t ld_theta,
                                   const float *dz,
                                   size_t dz_row_stride,
                                   size_t dz_sample_stride,
                                   uint32_t *row);

// Finds the first row whose data imle_argmax_sample and imle_argmax_gradient would refuse: NaN or +inf in theta, no
// unmasked entry, or a value of dz that is not finite. Time: O(B S N).
//
// shape: in; k = 1.
// theta, ld_theta: in, [B][N], row stride in elements, 0 = contiguous.
// dz, dz_row_stride, dz_sample_stride: in, as for imle_argmax_gradient; NULL means that there is no dz to check.
// row: out, one number: the first bad row, or shape.rows if all are good.
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; bad data is not an error here but the answer.
// Threads: any, with different outputs. Source: this library.
IMLE_MUST_USE
imle_status imle_argmax_find_bad_row(const struct imle_shape *shape,
                                     const float *theta,
                                     size_t ld_theta,
                                     const float *dz,
                                     size_t dz_row_stride,
                                     size_t dz_sample_stride,
                                     uint32_t *row);

// The choice at test time: z = MAP(theta) = argmax over k-subsets z of <z, theta>. The state has exactly k ones, at
// the largest scores; among equal scores the lower index wins, and -0 equals +0. theta = -inf is a mask: the entry is
// never chosen. Time: O(B N). On 32-bit Arm and RISC-V the worst case is O(B N log K) for each MAP, here and below.
//
// shape: in; samples is ignored.
// k_row: in, [B], the k of each row, 0 to shape.k; NULL means shape.k for every row.
// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
// z: out, [B][N], 0 or 1; or NULL.
// indices: out, [B][K], the positions of the ones, ascending, 0-based, UINT32_MAX in the unused tail; or NULL. At
// least one of the two must not be NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OVERLAP; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
// section 2.
IMLE_MUST_USE
imle_status imle_topk_map(const struct imle_shape *shape,
                          const uint32_t *k_row,
                          const float *theta,
                          size_t ld_theta,
                          float *z,
                          uint32_t *indices,
                          float *work,
                          size_t work_len);

// The choice at test time: z = MAP(theta) is 1 at the largest score of the row and 0 elsewhere. Among equal scores the
// lower index wins, and -0 equals +0. theta = -inf is a mask: the entry is never chosen. Time: O(B N).
//
// shape: in; k = 1; samples is ignored.
// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
// z: out, [B][N], 0 or 1; or NULL.
// indices: out, [B], the position of the one, 0-based; or NULL. At least one of the two must not be NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_argmax_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OVERLAP; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
// section 2.
IMLE_MUST_USE
imle_status imle_argmax_map(const struct imle_shape *shape,
                            const float *theta,
                            size_t ld_theta,
                            float *z,
                            uint32_t *indices,
                            float *work,
                            size_t work_len);

// The forward pass draws z_s = MAP(theta + tau eps_s), s = 1..S, with the noise eps_s of (key, row, s). The score of a
// coordinate is theta + (tau * eps); each operation is rounded once. Each state has exactly k ones, chosen as in
// imle_topk_map. Time: O(B S N).
//
// shape: in.
// k_row: in, [B], the k of each row, 0 to shape.k; NULL means shape.k for every row.
// options: in; noise and temperature are used, every option is checked.
// key: in, selects the noise.
// theta, ld_theta: in, [B][N], scores, finite or -inf (never chosen); row stride in elements, at least N, 0 =
// contiguous.
// z: out, [B][S][N], 0 or 1; or NULL.
// indices: out, [B][S][K], the positions of the ones, ascending, 0-based, UINT32_MAX in the unused tail; or NULL.
// marginals: out, [B][N], the mean of z_s over s, which estimates E[z]; or NULL. At least one of the three must not be
// NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Papandreou, Yuille 2011; Niepert, Minervini, Franceschi
// 2021 (arXiv 2106.01798), section 3.2.
IMLE_MUST_USE
imle_status imle_topk_sample(const struct imle_shape *shape,
                             const uint32_t *k_row,
                             const struct imle_options *options,
                             const struct imle_key *key,
                             const float *theta,
                             size_t ld_theta,
                             float *z,
                             uint32_t *indices,
                             float *marginals,
                             float *work,
                             size_t work_len);

// The forward pass draws z_s = MAP(theta + tau eps_s), s = 1..S, with the noise eps_s of (key, row, s). With Gumbel
// noise these are exact samples of p(z) proportional to exp(<z, theta> / tau), a softmax. The score of a coordinate is
// theta + (tau * eps); each operation is rounded once. Time: O(B S N).
//
// shape: in; k = 1.
// options: in; noise and temperature are used, every option is checked.
// key: in, selects the noise.
// theta, ld_theta: in, [B][N], scores, finite or -inf (never chosen); row stride in elements, at least N, 0 =
// contiguous.
// z: out, [B][S][N], 0 or 1; or NULL.
// indices: out, [B][S], the position of the one, 0-based; or NULL.
// marginals: out, [B][N], the mean of z_s over s, which estimates E[z]; or NULL. At least one of the three must not be
// NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_argmax_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Papandreou, Yuille 2011; Niepert, Minervini, Franceschi
// 2021 (arXiv 2106.01798), section 3.2.
IMLE_MUST_USE
imle_status imle_argmax_sample(const struct imle_shape *shape,
                               const struct imle_options *options,
                               const struct imle_key *key,
                               const float *theta,
                               size_t ld_theta,
                               float *z,
                               uint32_t *indices,
                               float *marginals,
                               float *work,
                               size_t work_len);

// The backward pass estimates the gradient of the expected loss L with respect to theta:
//
// grad_theta = c (1/S) sum_s (z_s - z'_s), z'_s = MAP(theta'_s + tau' eps_s), theta'_s = alpha theta - lambda dz_s,
//
// with the noise of the forward pass, which the key reproduces, and c = 1 / lambda or 1 (options.scale). The target
// theta' is (alpha * theta) - (lambda * dz) and its score theta' + (tau' * eps); each operation is rounded once.
// IMLE_DIFFERENCE_CENTRAL and IMLE_TARGET_COMBINATORIAL describe the other difference and the other target. An entry
// masked in theta stays masked. The sum is exact. It is then multiplied by the float ((h * c) / S), where h is 1, or
// 1/2 for the central difference. Time: O(B S N).
//
// shape, k_row, options, key, theta, ld_theta: in, the same as for imle_topk_sample.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
// respect to z_(b,s); if the loss is a mean over the batch, leave its factor 1/B out, because lambda multiplies dz.
// Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means rows without gaps,
// dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N.
// indices: in, [B][S][K], what imle_topk_sample returned for the same key, which saves a selection; NULL means that
// the states are computed again. Any other states of the rows take the place of z_s in the formula. (The central
// difference checks the lists but does not use them.)
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
// contiguous. The gaps between rows are not touched.
// diagnostics: out, one struct, written on success only, or NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE (also for
// an index list that is no state of its row).
// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
// Algorithm 1; central difference: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
IMLE_MUST_USE
imle_status imle_topk_gradient(const struct imle_shape *shape,
                               const uint32_t *k_row,
                               const struct imle_options *options,
                               const struct imle_key *key,
                               const float *theta,
                               size_t ld_theta,
                               const float *dz,
                               size_t dz_row_stride,
                               size_t dz_sample_stride,
                               const uint32_t *indices,
                               float *grad_theta,
                               size_t ld_grad,
                               struct imle_diagnostics *diagnostics,
                               float *work,
                               size_t work_len);

// The backward pass estimates the gradient of the expected loss L with respect to theta:
//
// grad_theta = c (1/S) sum_s (z_s - z'_s), z'_s = MAP(theta'_s + tau' eps_s), theta'_s = alpha theta - lambda dz_s,
//
// with the noise of the forward pass, which the key reproduces, and c = 1 / lambda or 1 (options.scale). It is
// imle_topk_gradient at k = 1, without k_row. Time: O(B S N).
//
// shape, options, key, theta, ld_theta: in, the same as for imle_argmax_sample.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
// respect to z_(b,s); if the loss is a mean over the batch, leave its factor 1/B out, because lambda multiplies dz.
// Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means rows without gaps,
// dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N.
// indices: in, [B][S], what imle_argmax_sample returned for the same key, which saves a selection; NULL means that the
// states are computed again. Any other states of the rows take the place of z_s in the formula. (The central difference
// checks the positions but does not use them.)
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
// contiguous. The gaps between rows are not touched.
// diagnostics: out, one struct, written on success only, or NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_argmax_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE (also for
// an index that is masked or not below N).
// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
// Algorithm 1; central difference: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
IMLE_MUST_USE
imle_status imle_argmax_gradient(const struct imle_shape *shape,
                                 const struct imle_options *options,
                                 const struct imle_key *key,
                                 const float *theta,
                                 size_t ld_theta,
                                 const float *dz,
                                 size_t dz_row_stride,
                                 size_t dz_sample_stride,
                                 const uint32_t *indices,
                                 float *grad_theta,
                                 size_t ld_grad,
                                 struct imle_diagnostics *diagnostics,
                                 float *work,
                                 size_t work_len);

// Learns from observed states y instead of a loss on z. This is the Fenchel-Young loss of the perturbed optimiser, up
// to an unknown constant that depends on y only, and its exact gradient:
//
// loss = (1/S) sum_s max over z of <z, theta + tau eps_s> - <theta, y>,   grad_theta = (1/S) sum_s z_s - y,
//
// with the z_s that imle_topk_sample draws for the same key. The loss is convex in theta, and its expectation has its
// minimum where E[z] = y. Time: O(B S N).
//
// shape, k_row, options, key, theta, ld_theta: in, the same as for imle_topk_sample.
// y, ld_y: in, [B][N], finite: a state, or a mean of states; row stride in elements, at least N, 0 = contiguous.
// loss: out, [B], in units of theta; it may be below 0, and is +inf where y is above 0 at a masked entry.
// grad_theta, ld_grad: out, [B][N], exactly 0 where theta is masked; row stride in elements, at least N, 0 =
// contiguous. The gaps between rows are not touched.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020
// (arXiv 2002.08676).
IMLE_MUST_USE
imle_status imle_topk_fenchel_young(const struct imle_shape *shape,
                                    const uint32_t *k_row,
                                    const struct imle_options *options,
                                    const struct imle_key *key,
                                    const float *theta,
                                    size_t ld_theta,
                                    const float *y,
                                    size_t ld_y,
                                    float *loss,
                                    float *grad_theta,
                                    size_t ld_grad,
                                    float *work,
                                    size_t work_len);

// Learns from observed states y instead of a loss on z. This is the Fenchel-Young loss of the perturbed optimiser, up
// to an unknown constant that depends on y only, and its exact gradient:
//
// loss = (1/S) sum_s max over z of <z, theta + tau eps_s> - <theta, y>,   grad_theta = (1/S) sum_s z_s - y,
//
// with the z_s that imle_argmax_sample draws for the same key. It is imle_topk_fenchel_young at k = 1, without k_row.
// Time: O(B S N).
//
// shape, options, key, theta, ld_theta: in, the same as for imle_argmax_sample.
// y, ld_y: in, [B][N], finite: a state, or a mean of states; row stride in elements, at least N, 0 = contiguous.
// loss: out, [B], in units of theta; it may be below 0, and is +inf where y is above 0 at a masked entry.
// grad_theta, ld_grad: out, [B][N], exactly 0 where theta is masked; row stride in elements, at least N, 0 =
// contiguous. The gaps between rows are not touched.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_argmax_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020
// (arXiv 2002.08676).
IMLE_MUST_USE
imle_status imle_argmax_fenchel_young(const struct imle_shape *shape,
                                      const struct imle_options *options,
                                      const struct imle_key *key,
                                      const float *theta,
                                      size_t ld_theta,
                                      const float *y,
                                      size_t ld_y,
                                      float *loss,
                                      float *grad_theta,
                                      size_t ld_grad,
                                      float *work,
                                      size_t work_len);

// Returns the floats of workspace that the exact functions of k-subsets need, for any number of rows and samples:
// (N + 12)(K + 1) + 3 N + 136. IMLE_TOPK_EXACT_WORKSPACE_LEN(n, k) is the same number as a constant.
//
// shape: in; rows and samples are ignored.
// Returns 0 for NULL, for a shape that every exact function refuses, and if the workspace exceeds the address space.
// Threads: any. Source: this library.
size_t imle_topk_exact_workspace_len(const struct imle_shape *shape);

// Returns the floats of workspace that the exact functions of one-hot states need: N, for any number of rows and
// samples. IMLE_ARGMAX_EXACT_WORKSPACE_LEN(n) is the same number as a constant.
//
// shape: in; k = 1; rows and samples are ignored.
// Returns 0 for NULL and for a shape that every exact function refuses.
// Threads: any. Source: this library.
size_t imle_argmax_exact_workspace_len(const struct imle_shape *shape);

// Computes the exact marginals, log-partition and entropy of p(z) = exp(<z, theta> / T - A) on k-subsets,
// T = temperature:
//
// marginals mu = E[z], log_partition A = ln sum over z of exp(<z, theta> / T), entropy H = A - <mu, theta> / T.
//
// mu is within 2e-6 of the exact value and A within 2e-6 * max(1, |A|), for theta in -80 to 80 and N to 4096 at least.
// A is infinite only if its exact value exceeds FLT_MAX. Nothing is accurate if two scores of a row differ by more than
// FLT_MAX.
// While |theta|, |theta / T| and (imle_topk_marginals_vjp) |v| are at most 1e30, no output of this and the other exact
// functions is NaN. Time: O(B N K).
//
// shape: in; samples is ignored.
// k_row: in, [B], the k of each row, 0 to shape.k; NULL means shape.k for every row.
// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
// marginals: out, [B][N], 0 to 1, their sum is the row's k to rounding, exactly 0 where theta is -inf; or NULL.
// log_partition: out, [B], in nats, or NULL.
// entropy: out, [B], at least 0, in nats, or NULL. At least one of the three must not be NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
// 2210.01941).
IMLE_MUST_USE
imle_status imle_topk_marginals(const struct imle_shape *shape,
                                const uint32_t *k_row,
                                float temperature,
                                const float *theta,
                                size_t ld_theta,
                                float *marginals,
                                float *log_partition,
                                float *entropy,
                                float *work,
                                size_t work_len);

// Computes the exact marginals, log-partition and entropy of p(i) = exp(theta_i / T - A), T = temperature:
//
// marginals mu_i = p(i), the softmax, log_partition A = ln sum_i exp(theta_i / T), entropy H = A - <mu, theta> / T.
//
// mu is within 1e-6 of the exact value and A within 2e-6 * max(1, |A|), for theta in -80 to 80 and N to 4096 at least.
// A is infinite only if its exact value exceeds FLT_MAX. Nothing is accurate if two scores of a row differ by more than
// FLT_MAX.
// While |theta|, |theta / T| and (imle_argmax_marginals_vjp) |v| are at most 1e30, no output of this and the other
// exact functions is NaN. Time: O(B N).
//
// shape: in; k = 1; samples is ignored.
// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
// marginals: out, [B][N], 0 to 1, their sum is 1 to rounding, exactly 0 where theta is -inf; or NULL.
// log_partition: out, [B], in nats, or NULL.
// entropy: out, [B], at least 0, in nats, or NULL. At least one of the three must not be NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_argmax_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
IMLE_MUST_USE
imle_status imle_argmax_marginals(const struct imle_shape *shape,
                                  float temperature,
                                  const float *theta,
                                  size_t ld_theta,
                                  float *marginals,
                                  float *log_partition,
                                  float *entropy,
                                  float *work,
                                  size_t work_len);

// Computes the exact gradient of <v, mu(theta)> with respect to theta, a product with the covariance of p:
//
// out = (1 / T) Cov(z) v = (1 / T) (E[z <v, z>] - mu <v, mu>), T = temperature.
//
// If v is the gradient of the loss at mu, this is the backward pass of a layer whose output is mu. Time: O(B N K).
//
// shape: in; samples is ignored.
// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
// out: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0 where theta is
// masked; infinite only where the exact value exceeds FLT_MAX, or its error does because far larger terms cancel.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE (of theta or v),
// _INFEASIBLE. imle_topk_find_bad_row names the row, with v for dz and dz_sample_stride 0.
// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
// 2210.01941).
IMLE_MUST_USE
imle_status imle_topk_marginals_vjp(const struct imle_shape *shape,
                                    const uint32_t *k_row,
                                    float temperature,
                                    const float *theta,
                                    size_t ld_theta,
                                    const float *v,
                                    size_t ld_v,
                                    float *out,
                                    float *work,
                                    size_t work_len);

// Computes the exact gradient of <v, mu(theta)> with respect to theta, the backward pass of the softmax:
//
// out_i = (1 / T) mu_i (v_i - <mu, v>), T = temperature.
//
// It is imle_topk_marginals_vjp at k = 1, without k_row. Time: O(B N).
//
// shape: in; k = 1; samples is ignored.
// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
// out: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0 where theta is
// masked; infinite only where the exact value exceeds FLT_MAX, or its error does because far larger terms cancel.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_argmax_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE (of theta or v),
// _INFEASIBLE. imle_argmax_find_bad_row names the row, with v for dz and dz_sample_stride 0.
// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
IMLE_MUST_USE
imle_status imle_argmax_marginals_vjp(const struct imle_shape *shape,
                                      float temperature,
                                      const float *theta,
                                      size_t ld_theta,
                                      const float *v,
                                      size_t ld_v,
                                      float *out,
                                      float *work,
                                      size_t work_len);

// Draws exact samples, independent of one another: z_s from p(z) proportional to exp(<z, theta> / T), s = 1..S,
// T = temperature. (The distribution of imle_topk_sample is only close to it.) A sample is a pure function of seed,
// step, the numbers of its row and sample (imle_key), theta, T and k; -inf behind the scores of a row changes no bit.
// It shares no random words with the noise of the same key, and it is never stratified. Time: O(B N (K + S)).
//
// shape: in.
// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
// key: in, selects the samples.
// z: out, [B][S][N], 0 or 1; or NULL.
// indices: out, [B][S][K], the positions of the ones, ascending, 0-based, UINT32_MAX in the unused tail; or NULL. At
// least one of the two must not be NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
// 2210.01941).
IMLE_MUST_USE
imle_status imle_topk_sample_exact(const struct imle_shape *shape,
                                   const uint32_t *k_row,
                                   float temperature,
                                   const struct imle_key *key,
                                   const float *theta,
                                   size_t ld_theta,
                                   float *z,
                                   uint32_t *indices,
                                   float *work,
                                   size_t work_len);

// Draws exact samples, independent of one another: z_s is one-hot at i with probability p(i), s = 1..S. This is the
// distribution of imle_argmax_sample with Gumbel noise and tau = temperature. A sample is a pure function of seed,
// step, the numbers of its row and sample (imle_key), theta and T; -inf behind the scores of a row changes no bit. It
// shares no random words with the noise of the same key, and it is never stratified. Time: O(B S N).
//
// shape: in; k = 1.
// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
// key: in, selects the samples.
// z: out, [B][S][N], 0 or 1; or NULL.
// indices: out, [B][S], the position of the one, 0-based; or NULL. At least one of the two must not be NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_argmax_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
IMLE_MUST_USE
imle_status imle_argmax_sample_exact(const struct imle_shape *shape,
                                     float temperature,
                                     const struct imle_key *key,
                                     const float *theta,
                                     size_t ld_theta,
                                     float *z,
                                     uint32_t *indices,
                                     float *work,
                                     size_t work_len);

// Computes the log-probability of states: log_prob = ln p(z_s) = <z_s, theta> / T - A, T = temperature.
// Time: O(B N (K + S)).
//
// shape: in.
// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
// indices: in, [B][S][K], the positions of the ones, as the functions that draw return them.
// log_prob: out, [B][S], at most 0, in nats.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE (also
// for an index list that is no state of its row: not ascending, not below N, masked, or not followed by UINT32_MAX).
// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
// 2210.01941).
IMLE_MUST_USE
imle_status imle_topk_log_prob(const struct imle_shape *shape,
                               const uint32_t *k_row,
                               float temperature,
                               const float *theta,
                               size_t ld_theta,
                               const uint32_t *indices,
                               float *log_prob,
                               float *work,
                               size_t work_len);

// Computes the log-probability of choices: log_prob = ln p(i_s) = theta_(i_s) / T - A, T = temperature.
// Time: O(B S N).
//
// shape: in; k = 1.
// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
// indices: in, [B][S], the position of the one, as the functions that draw return it.
// log_prob: out, [B][S], at most 0, in nats.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_argmax_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE (also
// for an index that is masked or not below N).
// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
IMLE_MUST_USE
imle_status imle_argmax_log_prob(const struct imle_shape *shape,
                                 float temperature,
                                 const float *theta,
                                 size_t ld_theta,
                                 const uint32_t *indices,
                                 float *log_prob,
                                 float *work,
                                 size_t work_len);

// Computes the Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature and k:
// kl = KL(p || q) = sum over z of p(z) ln(p(z) / q(z)). Time: O(B N K).
//
// shape: in; samples is ignored.
// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
// kl: out, [B], at least 0, in nats, +inf where theta_other masks what p chooses.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE, for
// either set of scores. imle_topk_find_bad_row names the first bad row of each.
// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
// 2210.01941).
IMLE_MUST_USE
imle_status imle_topk_kl(const struct imle_shape *shape,
                         const uint32_t *k_row,
                         float temperature,
                         const float *theta,
                         size_t ld_theta,
                         const float *theta_other,
                         size_t ld_other,
                         float *kl,
                         float *work,
                         size_t work_len);

// Computes the Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature:
// kl = KL(p || q) = sum_i p(i) ln(p(i) / q(i)). Time: O(B N).
//
// shape: in; k = 1; samples is ignored.
// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
// kl: out, [B], at least 0, in nats, +inf where theta_other masks what p chooses.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_argmax_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE, for
// either set of scores. imle_argmax_find_bad_row names the first bad row of each.
// Threads: any, with different outputs and workspaces. Source: this library; the softmax.
IMLE_MUST_USE
imle_status imle_argmax_kl(const struct imle_shape *shape,
                           float temperature,
                           const float *theta,
                           size_t ld_theta,
                           const float *theta_other,
                           size_t ld_other,
                           float *kl,
                           float *work,
                           size_t work_len);

// Computes the log-partitions of all sizes in one pass: A_k = ln sum of exp(<z, theta> / T) over the z with k ones,
// for k = 0 to K, T = temperature.
//
// This is for a k that is itself chosen. Draw k with probability proportional to exp(A_k), or to exp(A_k) times a
// prior of k, and then a subset with imle_topk_sample_exact and this k in k_row: without a prior this is the law of N
// independent coins with odds exp(theta_i / T), given that at most K of them show heads (a Poisson-binomial law of k,
// "up to K of N").
//
// Each A_k is within 2e-6 * max(1, |A_k|) of the exact value, whatever theta / T is, also where large terms cancel
// (tested to N = K = 1000), if no two scores of a row differ by more than FLT_MAX. While |theta| and |theta / T| are at
// most 1e30, no output is NaN. Time: O(B N K), with an exponential for every coordinate and size.
//
// shape: in; samples is ignored. K = N is allowed.
// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
// log_partitions: out, [B][K+1], in nats; A_0 = 0, and -inf where fewer than k entries are not masked: no row is
// infeasible.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE.
// Threads: any, with different outputs and workspaces. Source: this library.
IMLE_MUST_USE
imle_status imle_topk_log_partitions(const struct imle_shape *shape,
                                     float temperature,
                                     const float *theta,
                                     size_t ld_theta,
                                     float *log_partitions,
                                     float *work,
                                     size_t work_len);

// Computes the gradient of sum_k v_k A_k with respect to theta, with the A_k of imle_topk_log_partitions:
//
// out_i = sum_k v_k dA_k / dtheta_i, dA_k / dtheta_i = (1 / T) mu_i, mu = the marginals of the states with k ones.
//
// If v is the gradient of the loss with respect to the A_k, this is the backward pass. The error of out is about
// 1e-6 * sum_k |v_k| / T. Time: O(B N K).
//
// shape: in; samples is ignored. K = N is allowed.
// temperature, theta, ld_theta: in, the same as for imle_topk_log_partitions.
// v, ld_v: in, [B][K+1], finite, in units of loss; row stride in elements, at least K + 1, 0 = contiguous. Where A_k
// is -inf it has no gradient, and v_k is ignored (but must be finite).
// out: out, [B][N], in units of loss per unit of theta, exactly 0 where theta is masked.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE (of theta or v).
// Threads: any, with different outputs and workspaces. Source: this library.
IMLE_MUST_USE
imle_status imle_topk_log_partitions_vjp(const struct imle_shape *shape,
                                         float temperature,
                                         const float *theta,
                                         size_t ld_theta,
                                         const float *v,
                                         size_t ld_v,
                                         float *out,
                                         float *work,
                                         size_t work_len);

// The SIMPLE estimator takes exact samples in the forward pass and the derivative of the exact marginals in the
// backward pass:
//
// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
// imle_topk_sample_exact.
//
// The mean over samples is computed as in imle_straight_through, the product as in imle_topk_marginals_vjp. A mean that
// overflows counts as FLT_MAX with its sign.
// Time: O(B N (K + S)).
//
// shape: in.
// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_topk_gradient.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
// 2210.01941).
IMLE_MUST_USE
imle_status imle_topk_simple(const struct imle_shape *shape,
                             const uint32_t *k_row,
                             float temperature,
                             const float *theta,
                             size_t ld_theta,
                             const float *dz,
                             size_t dz_row_stride,
                             size_t dz_sample_stride,
                             float *grad_theta,
                             size_t ld_grad,
                             float *work,
                             size_t work_len);

// The SIMPLE estimator takes exact samples in the forward pass and the derivative of the exact marginals in the
// backward pass:
//
// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
// imle_argmax_sample_exact.
//
// The mean over samples is computed as in imle_straight_through, the product as in imle_argmax_marginals_vjp. A mean
// that overflows counts as FLT_MAX with its sign.
// Time: O(B S N).
//
// shape: in; k = 1.
// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_argmax_gradient.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_argmax_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
// 2210.01941).
IMLE_MUST_USE
imle_status imle_argmax_simple(const struct imle_shape *shape,
                               float temperature,
                               const float *theta,
                               size_t ld_theta,
                               const float *dz,
                               size_t dz_row_stride,
                               size_t dz_sample_stride,
                               float *grad_theta,
                               size_t ld_grad,
                               float *work,
                               size_t work_len);

// The score function of p with a leave-one-out baseline estimates the gradient of E[loss(z)] without bias:
//
// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
//
// It needs no gradient of the loss. It needs no mu either: the differences sum to 0, so mu cancels.
// Time: O(B (N + S K)).
//
// shape: in; S at least 2.
// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
// indices: in, [B][S][K], the samples that imle_topk_sample_exact drew. Samples of any other law give a
// bias, those of imle_topk_sample and stratified ones too.
// losses: in, [B][S], finite, any function of the samples.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE
// (also for an index list that is no state of its row).
// Threads: any, with different outputs. Source: Kool, van Hoof, Welling 2019 (Buy 4 REINFORCE samples, get a baseline
// for free).
IMLE_MUST_USE
imle_status imle_topk_score_function(const struct imle_shape *shape,
                                     const uint32_t *k_row,
                                     float temperature,
                                     const float *theta,
                                     size_t ld_theta,
                                     const uint32_t *indices,
                                     const float *losses,
                                     float *grad_theta,
                                     size_t ld_grad);

// The score function of p with a leave-one-out baseline estimates the gradient of E[loss(z)] without bias:
//
// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
//
// It needs no gradient of the loss. It needs no mu either: the differences sum to 0, so mu cancels.
// Time: O(B (N + S)).
//
// shape: in; k = 1; S at least 2.
// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
// indices: in, [B][S], the samples that imle_argmax_sample_exact drew. Samples of any other law give a
// bias, stratified ones too.
// losses: in, [B][S], finite, any function of the samples.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _OPTION (temperature), _OVERLAP; _NONFINITE, _INFEASIBLE
// (also for an index that is masked or not below N).
// Threads: any, with different outputs. Source: Kool, van Hoof, Welling 2019 (Buy 4 REINFORCE samples, get a baseline
// for free).
IMLE_MUST_USE
imle_status imle_argmax_score_function(const struct imle_shape *shape,
                                       float temperature,
                                       const float *theta,
                                       size_t ld_theta,
                                       const uint32_t *indices,
                                       const float *losses,
                                       float *grad_theta,
                                       size_t ld_grad);

// SIMPLE with the score function as its correction estimates the gradient of E[loss(z)] without bias, whatever the
// loss and dz are:
//
// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s + (1/S) sum_s (r_ss - mean over t != s of r_st) (1 / T) (z_s - mu),
// r_st = loss_t - <v_s, z_t>, v_s = the mean of the dz of the other samples (a shared dz itself), T = temperature.
//
// The nearer the loss is to a linear function of z with the gradient dz, the smaller is the variance. A common offset
// of the losses costs no digits. Time: O(B N (K + S)).
//
// shape: in; S at least 2.
// k_row, temperature, theta, ld_theta: in, the same as for imle_topk_marginals.
// indices: in, [B][S][K], the samples that imle_topk_sample_exact drew. Samples of any other law give a bias, those of
// imle_topk_sample and stratified ones too.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss, the gradients of the loss at these
// samples: the same as for imle_topk_gradient.
// losses: in, [B][S], finite, of these samples.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
// work, work_len: workspace (scratch memory) and its length in floats, at least imle_topk_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE,
// _INFEASIBLE (also for an index list that is no state of its row).
// Threads: any, with different outputs and workspaces. Source: this library; SIMPLE: Ahmed, Zeng, Niepert, Van den
// Broeck 2023 (arXiv 2210.01941).
IMLE_MUST_USE
imle_status imle_topk_unbiased_simple(const struct imle_shape *shape,
                                      const uint32_t *k_row,
                                      float temperature,
                                      const float *theta,
                                      size_t ld_theta,
                                      const uint32_t *indices,
                                      const float *dz,
                                      size_t dz_row_stride,
                                      size_t dz_sample_stride,
                                      const float *losses,
                                      float *grad_theta,
                                      size_t ld_grad,
                                      float *work,
                                      size_t work_len);

// SIMPLE with the score function as its correction estimates the gradient of E[loss(z)] without bias, whatever the
// loss and dz are:
//
// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s + (1/S) sum_s (r_ss - mean over t != s of r_st) (1 / T) (z_s - mu),
// r_st = loss_t - <v_s, z_t>, v_s = the mean of the dz of the other samples (a shared dz itself), T = temperature.
//
// The nearer the loss is to a linear function of z with the gradient dz, the smaller is the variance. A common offset
// of the losses costs no digits. Time: O(B S N).
//
// shape: in; k = 1; S at least 2.
// temperature, theta, ld_theta: in, the same as for imle_argmax_marginals.
// indices: in, [B][S], the samples that imle_argmax_sample_exact drew. Samples of any other law give a bias,
// stratified ones too.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss, the gradients of the loss at these
// samples: the same as for imle_argmax_gradient.
// losses: in, [B][S], finite, of these samples.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, its sum over a row is 0 to rounding, exactly 0
// where theta is masked; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not touched.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_argmax_exact_workspace_len(shape).
// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _WORKSPACE, _OPTION (temperature), _OVERLAP; _NONFINITE,
// _INFEASIBLE (also for an index that is masked or not below N).
// Threads: any, with different outputs and workspaces. Source: this library; SIMPLE: Ahmed, Zeng, Niepert, Van den
// Broeck 2023 (arXiv 2210.01941).
IMLE_MUST_USE
imle_status imle_argmax_unbiased_simple(const struct imle_shape *shape,
                                        float temperature,
                                        const float *theta,
                                        size_t ld_theta,
                                        const uint32_t *indices,
                                        const float *dz,
                                        size_t dz_row_stride,
                                        size_t dz_sample_stride,
                                        const float *losses,
                                        float *grad_theta,
                                        size_t ld_grad,
                                        float *work,
                                        size_t work_len);

// Returns the floats of workspace that imle_tree_find_bad_row, imle_tree_map, imle_tree_sample, imle_tree_gradient and
// imle_tree_fenchel_young need, for any number of rows and samples: 5 N + 14 K, projective 6 N + 6 K + 1, where K is the
// number of words. IMLE_TREE_WORKSPACE_LEN(words, projective, single_root) is the same number as a constant.
//
// shape: in; k = words, n = words * words; rows and samples are ignored.
// tree_options: in, which trees.
// Returns 0 for NULL, for a shape that every function refuses, and for options that it refuses.
// Threads: any. Source: this library.
size_t imle_tree_workspace_len(const struct imle_shape *shape,
                               const struct imle_tree_options *tree_options);

// Finds the first row whose data imle_tree_sample and imle_tree_gradient would refuse: n_row[b] > words, NaN or +inf in
// theta, masks that leave no tree, or a value of dz that is not finite; what lies outside the words of a row is not read.
// Time: O(B (S N + N)), projective O(B (S N + K^3)) at worst.
//
// shape: in; k = words, n = words * words.
// n_row: in, [B], the words of each row; NULL means shape.k for every row.
// tree_options: in, which trees.
// theta, ld_theta: in, [B][N], row stride in elements, 0 = contiguous.
// dz, dz_row_stride, dz_sample_stride: in, as for imle_tree_gradient; NULL means that there is no dz to check.
// row: out, one number: the first bad row, or shape.rows if all are good.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; bad data is not an error here but the
// answer.
// Threads: any, with different outputs and workspaces. Source: this library.
IMLE_MUST_USE
imle_status imle_tree_find_bad_row(const struct imle_shape *shape,
                                   const uint32_t *n_row,
                                   const struct imle_tree_options *tree_options,
                                   const float *theta,
                                   size_t ld_theta,
                                   const float *dz,
                                   size_t dz_row_stride,
                                   size_t dz_sample_stride,
                                   uint32_t *row,
                                   float *work,
                                   size_t work_len);

// The best parse: z = MAP(theta) = argmax over dependency trees z of <z, theta>.
//
// theta and z are matrices of words x words, row-major. Element (h, d) is the arc from head h to word d, and the
// diagonal element (d, d) is the arc from an outer root to d. Every state has one arc into each word and no cycle. Row b
// uses the upper left corner of n_row[b] words. What lies outside is not read, in no input, and is 0 in every output of
// the imle_tree_ functions; a row of 0 words has the empty tree. theta = -inf is a mask: the arc is never chosen.
//
// Ties depend on scores and (h, d) only, and -0 equals +0. Each word takes its best arc, among equals that from the root,
// then that from the lower head. Words whose arcs form a cycle are a group, which takes the arc from outside that adds
// most, among equals in the same order, then into the lower word; with a single root an arc from the root only if there is
// no other. Groups form groups in the same way. Projective trees are built from short spans to long ones; among equal sums
// the lower place of a split wins. Time: O(B N), projective O(B K^3).
//
// shape: in; k = words, n = words * words; samples is ignored.
// n_row: in, [B], the words of each row, 0 to shape.k; NULL means shape.k for every row.
// tree_options: in, which trees.
// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
// z: out, [B][N], 0 or 1; or NULL.
// indices: out, [B][K], the positions h * words + d of the ones, ascending, UINT32_MAX in the unused tail; or NULL. At
// least one of the two must not be NULL. imle_tree_heads turns them into heads.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE (masks that
// leave no tree).
// Threads: any, with different outputs and workspaces. Source: Chu, Liu 1965; Edmonds 1967; Tarjan 1977; projective:
// Eisner 1996.
IMLE_MUST_USE
imle_status imle_tree_map(const struct imle_shape *shape,
                          const uint32_t *n_row,
                          const struct imle_tree_options *tree_options,
                          const float *theta,
                          size_t ld_theta,
                          float *z,
                          uint32_t *indices,
                          float *work,
                          size_t work_len);

// The forward pass draws trees z_s = MAP(theta + tau eps_s), s = 1..S, with the noise eps that the key selects. The noise
// of an arc depends on its position h * words + d, so another number of words in the shape is other noise. The score is
// theta + (tau * eps), each operation rounded once. Time: O(B S N), projective O(B S K^3).
//
// shape: in; k = words, n = words * words.
// n_row: in, [B], the words of each row, 0 to shape.k; NULL means shape.k for every row. sog_kappa = 0 means the row's
// words.
// tree_options: in, which trees.
// options: in, noise and temperature are used; the others are checked.
// key: in, selects the noise.
// theta, ld_theta: in, [B][N], scores, finite or -inf (never chosen); row stride in elements, at least N, 0 =
// contiguous.
// z: out, [B][S][N], 0 or 1; or NULL.
// indices: out, [B][S][K], the positions of the ones, ascending, UINT32_MAX in the unused tail; or NULL.
// marginals: out, [B][N], the mean of z_s over s, which estimates E[z]; or NULL. At least one of the three must not be
// NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Papandreou, Yuille 2011; Niepert, Minervini, Franceschi
// 2021 (arXiv 2106.01798), section 3.2.
IMLE_MUST_USE
imle_status imle_tree_sample(const struct imle_shape *shape,
                             const uint32_t *n_row,
                             const struct imle_tree_options *tree_options,
                             const struct imle_options *options,
                             const struct imle_key *key,
                             const float *theta,
                             size_t ld_theta,
                             float *z,
                             uint32_t *indices,
                             float *marginals,
                             float *work,
                             size_t work_len);

// The backward pass estimates the gradient of the expected loss L with respect to theta:
//
// grad_theta = c (1/S) sum_s (z_s - z'_s), z'_s = MAP(theta'_s + tau' eps_s), theta'_s = alpha theta - lambda dz_s,
//
// with the noise of the forward pass, which the key reproduces, and c = 1 / lambda or 1 (options.scale), as
// imle_topk_gradient computes it for k-subsets. Time: O(B S N), projective O(B S K^3).
//
// shape, n_row, tree_options, options, key, theta, ld_theta: in, the same as for imle_tree_sample.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
// respect to z_(b,s); if the loss is a mean over the batch, leave its factor 1/B out, because lambda multiplies dz.
// Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means rows without gaps,
// dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N.
// indices: in, [B][S][K], what imle_tree_sample returned for the same key, which saves a search; NULL means that the
// states are computed again. Any other trees of the rows take the place of z_s in the formula. (The central difference
// checks the lists but does not use them.)
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
// contiguous. The gaps between rows are not touched.
// diagnostics: out, one struct, written on success only, or NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE (also for
// an index list that is no tree of its row).
// Threads: any, with different outputs and workspaces. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798),
// Algorithm 1; central difference: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
IMLE_MUST_USE
imle_status imle_tree_gradient(const struct imle_shape *shape,
                               const uint32_t *n_row,
                               const struct imle_tree_options *tree_options,
                               const struct imle_options *options,
                               const struct imle_key *key,
                               const float *theta,
                               size_t ld_theta,
                               const float *dz,
                               size_t dz_row_stride,
                               size_t dz_sample_stride,
                               const uint32_t *indices,
                               float *grad_theta,
                               size_t ld_grad,
                               struct imle_diagnostics *diagnostics,
                               float *work,
                               size_t work_len);

// Learns from observed trees y instead of a loss on z. This is the Fenchel-Young loss of the perturbed optimiser, up to
// an unknown constant that depends on y only, and its exact gradient:
//
// loss = (1/S) sum_s max over z of <z, theta + tau eps_s> - <theta, y>,   grad_theta = (1/S) sum_s z_s - y,
//
// with the z_s that imle_tree_sample draws for the same key. The loss is convex in theta. Its expectation is at its
// minimum where E[z] = y. Time: O(B S N), projective O(B S K^3).
//
// shape, n_row, tree_options, options, key, theta, ld_theta: in, the same as for imle_tree_sample.
// y, ld_y: in, [B][N], finite: a tree, or a mean of trees; row stride in elements, at least N, 0 = contiguous.
// loss: out, [B], in units of theta; it may be below 0, and is +inf where y is above 0 at a masked entry.
// grad_theta, ld_grad: out, [B][N], exactly 0 where theta is masked; row stride in elements, at least N, 0 =
// contiguous. The gaps between rows are not touched.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION, _OVERLAP, _VERSION; _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020
// (arXiv 2002.08676).
IMLE_MUST_USE
imle_status imle_tree_fenchel_young(const struct imle_shape *shape,
                                    const uint32_t *n_row,
                                    const struct imle_tree_options *tree_options,
                                    const struct imle_options *options,
                                    const struct imle_key *key,
                                    const float *theta,
                                    size_t ld_theta,
                                    const float *y,
                                    size_t ld_y,
                                    float *loss,
                                    float *grad_theta,
                                    size_t ld_grad,
                                    float *work,
                                    size_t work_len);

// Turns trees given as lists of positions into heads: heads[d] = h for the arc from h to d, d itself for a word that
// hangs from the root, and UINT32_MAX beyond the words of the row. Time: O(B S N), plus K^3 for each list at worst, which
// is seen to be a tree of any kind.
//
// shape: in; k = words, n = words * words.
// n_row: in, [B], the words of each row, 0 to shape.k; NULL means shape.k for every row.
// indices: in, [B][S][K], what imle_tree_sample, imle_tree_map (with samples = 1) or imle_tree_sample_exact returned.
// heads: out, [B][S][K].
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; _INFEASIBLE (a list that is no tree of its row).
// Threads: any, with different outputs. Source: this library.
IMLE_MUST_USE
imle_status imle_tree_heads(const struct imle_shape *shape,
                            const uint32_t *n_row,
                            const uint32_t *indices,
                            uint32_t *heads);

// Returns the floats of workspace that the exact functions of trees need, for any number of rows and samples:
// 10 N + 100 K + 48, projective 15 N + 120 K + 144, where K is the number of words.
// IMLE_TREE_EXACT_WORKSPACE_LEN(words, projective, single_root) is the same number as a constant.
//
// shape: in; k = words, n = words * words; rows and samples are ignored.
// tree_options: in, which trees.
// Returns 0 for NULL, for a shape that every function refuses, and for options that it refuses.
// Threads: any. Source: this library.
size_t imle_tree_exact_workspace_len(const struct imle_shape *shape, const struct imle_tree_options *tree_options);

// Computes the exact marginals, log-partition and entropy of p(z) = exp(<z, theta> / T - A) on dependency trees,
// T = temperature:
//
// marginals mu = E[z], log_partition A = ln sum over z of exp(<z, theta> / T), entropy H = A - <mu, theta> / T.
//
// mu is within 5e-6 of the exact value and A within 2e-6 * max(1, |A|), for 64 words and theta in -80 to 80 at any T
// from 0.01 to 100: nothing is subtracted, and numbers have exponents of their own. A is infinite only if its exact
// value exceeds FLT_MAX. Nothing is accurate if two scores of a row differ by more than FLT_MAX. While |theta|,
// |theta / T| and (imle_tree_marginals_vjp) |v| are at most 1e30, no output of this and the other exact functions is
// NaN. Time: O(B K^3), where K is the number of words.
//
// shape: in; k = words, n = words * words; samples is ignored.
// n_row: in, [B], the words of each row, 0 to shape.k; NULL means shape.k for every row. What lies outside the upper
// left corner of n_row[b] words is not read and is 0 in the outputs. A row of 0 words has the empty tree: A = 0.
// tree_options: in, which trees.
// temperature: in, T, in units of theta, finite, above 0 (1 / T finite too).
// theta, ld_theta: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous. Element
// h * words + d is the arc from head h to word d, the diagonal the arcs from the root.
// marginals: out, [B][N], 0 to 1, their sum over the heads of a word is 1 to rounding, exactly 0 where theta is -inf;
// or NULL.
// log_partition: out, [B], in nats, or NULL.
// entropy: out, [B], at least 0, in nats, or NULL. At least one of the three must not be NULL.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_exact_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
// _NONFINITE, _INFEASIBLE (masks that leave no tree).
// Threads: any, with different outputs and workspaces. Source: Smith, Smith 2007 and Koo, Globerson, Carreras, Collins
// 2007 (the matrix-tree theorem); Grassmann, Taksar, Heyman 1985 (the elimination); projective: Eisner 1996.
IMLE_MUST_USE
imle_status imle_tree_marginals(const struct imle_shape *shape,
                                const uint32_t *n_row,
                                const struct imle_tree_options *tree_options,
                                float temperature,
                                const float *theta,
                                size_t ld_theta,
                                float *marginals,
                                float *log_partition,
                                float *entropy,
                                float *work,
                                size_t work_len);

// Computes the exact gradient of <v, mu(theta)> with respect to theta, a product with the covariance of p:
//
// out = (1 / T) Cov(z) v = (1 / T) (E[z <v, z>] - mu <v, mu>), T = temperature.
//
// If v is the gradient of the loss at mu, this is the backward pass of a layer whose output is mu. Time: O(B K^3).
//
// shape: in; k = words, n = words * words; samples is ignored.
// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
// v, ld_v: in, [B][N], finite, in units of loss; row stride in elements, at least N, 0 = contiguous.
// out: out, [B][N], in units of loss per unit of theta, its sum over the heads of a word is 0 to rounding, exactly 0
// where theta is masked; infinite only where the exact value exceeds FLT_MAX, or its error does because far larger
// terms cancel.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_exact_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION; _NONFINITE
// (of theta or v), _INFEASIBLE. imle_tree_find_bad_row names the row, with v for dz and dz_sample_stride 0.
// Threads: any, with different outputs and workspaces. Source: Smith, Smith 2007 and Koo, Globerson, Carreras, Collins
// 2007 (the matrix-tree theorem); Grassmann, Taksar, Heyman 1985 (the elimination); projective: Eisner 1996.
IMLE_MUST_USE
imle_status imle_tree_marginals_vjp(const struct imle_shape *shape,
                                    const uint32_t *n_row,
                                    const struct imle_tree_options *tree_options,
                                    float temperature,
                                    const float *theta,
                                    size_t ld_theta,
                                    const float *v,
                                    size_t ld_v,
                                    float *out,
                                    float *work,
                                    size_t work_len);

// Draws exact samples, independent of one another: z_s from p(z) proportional to exp(<z, theta> / T), s = 1..S, T =
// temperature. (The distribution of imle_tree_sample is only close to it.) A sample is a pure function of seed, step,
// the numbers of its row and sample (imle_key), theta, T, the kind of trees and the number of words. It shares no
// random words with the noise of the same key, and it is never stratified. Time: O(B (K^3 + S K^2)) as a rule.
//
// shape: in; k = words, n = words * words.
// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
// key: in, selects the samples.
// z: out, [B][S][N], 0 or 1; or NULL.
// indices: out, [B][S][K], the positions of the arcs, ascending, UINT32_MAX in the unused tail; or NULL. At least one
// of the two must not be NULL. imle_tree_heads turns them into heads.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_exact_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
// _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: this library; projective: Eisner 1996.
IMLE_MUST_USE
imle_status imle_tree_sample_exact(const struct imle_shape *shape,
                                   const uint32_t *n_row,
                                   const struct imle_tree_options *tree_options,
                                   float temperature,
                                   const struct imle_key *key,
                                   const float *theta,
                                   size_t ld_theta,
                                   float *z,
                                   uint32_t *indices,
                                   float *work,
                                   size_t work_len);

// Computes the log-probability of trees: log_prob = ln p(z_s) = <z_s, theta> / T - A, T = temperature.
// Time: O(B (K^3 + S N)), plus K^3 for each list that is checked to be projective.
//
// shape: in; k = words, n = words * words.
// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
// indices: in, [B][S][K], the positions of the arcs, as the functions that draw return them.
// log_prob: out, [B][S], at most 0, in nats.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_exact_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
// _NONFINITE, _INFEASIBLE (also for an index list that is no tree of its row).
// Threads: any, with different outputs and workspaces. Source: Smith, Smith 2007 and Koo, Globerson, Carreras, Collins
// 2007 (the matrix-tree theorem); Grassmann, Taksar, Heyman 1985 (the elimination); projective: Eisner 1996.
IMLE_MUST_USE
imle_status imle_tree_log_prob(const struct imle_shape *shape,
                               const uint32_t *n_row,
                               const struct imle_tree_options *tree_options,
                               float temperature,
                               const float *theta,
                               size_t ld_theta,
                               const uint32_t *indices,
                               float *log_prob,
                               float *work,
                               size_t work_len);

// Computes the Kullback-Leibler divergence from p, of theta, to q, of theta_other, at the same temperature and for the
// same trees: kl = KL(p || q) = sum over z of p(z) ln(p(z) / q(z)). Time: O(B K^3).
//
// shape: in; k = words, n = words * words; samples is ignored.
// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
// theta_other, ld_other: in, [B][N], scores, finite or -inf; row stride in elements, at least N, 0 = contiguous.
// kl: out, [B], at least 0, in nats, +inf where theta_other masks what p chooses.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_exact_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
// _NONFINITE, _INFEASIBLE, for either set of scores. imle_tree_find_bad_row names the first bad row of each.
// Threads: any, with different outputs and workspaces. Source: Smith, Smith 2007 and Koo, Globerson, Carreras, Collins
// 2007 (the matrix-tree theorem); Grassmann, Taksar, Heyman 1985 (the elimination); projective: Eisner 1996.
IMLE_MUST_USE
imle_status imle_tree_kl(const struct imle_shape *shape,
                         const uint32_t *n_row,
                         const struct imle_tree_options *tree_options,
                         float temperature,
                         const float *theta,
                         size_t ld_theta,
                         const float *theta_other,
                         size_t ld_other,
                         float *kl,
                         float *work,
                         size_t work_len);

// The SIMPLE estimator takes exact samples in the forward pass and the derivative of the exact marginals in the
// backward pass:
//
// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s, T = temperature, dz_s = the gradient of the loss at the s-th sample of
// imle_tree_sample_exact.
//
// The product is computed as in imle_tree_marginals_vjp. A mean of dz that overflows counts as FLT_MAX with its sign.
// Time: O(B (K^3 + S N)).
//
// shape: in; k = words, n = words * words.
// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the same as for imle_tree_gradient.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, exactly 0 where theta is masked; row stride in
// elements, at least N, 0 = contiguous. The gaps between rows are not touched.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_exact_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP, _VERSION;
// _NONFINITE, _INFEASIBLE.
// Threads: any, with different outputs and workspaces. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv
// 2210.01941), on trees.
IMLE_MUST_USE
imle_status imle_tree_simple(const struct imle_shape *shape,
                             const uint32_t *n_row,
                             const struct imle_tree_options *tree_options,
                             float temperature,
                             const float *theta,
                             size_t ld_theta,
                             const float *dz,
                             size_t dz_row_stride,
                             size_t dz_sample_stride,
                             float *grad_theta,
                             size_t ld_grad,
                             float *work,
                             size_t work_len);

// The score function of p with a leave-one-out baseline estimates the gradient of E[loss(z)] without bias:
//
// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu), T = temperature.
//
// It needs no gradient of the loss. It needs no mu either: the differences sum to 0, so mu cancels.
// Time: O(B (N + S K)), plus K^3 for each list that is checked to be projective.
//
// shape: in; k = words, n = words * words; S at least 2.
// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
// indices: in, [B][S][K], the samples that imle_tree_sample_exact drew. Samples of any other law give a bias, those of
// imle_tree_sample and stratified ones too.
// losses: in, [B][S], finite, any function of the samples.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, exactly 0 where theta is masked; row stride in
// elements, at least N, 0 = contiguous. The gaps between rows are not touched.
// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _OPTION (temperature, options), _OVERLAP, _VERSION;
// _NONFINITE, _INFEASIBLE (also for an index list that is no tree of its row).
// Threads: any, with different outputs. Source: Kool, van Hoof, Welling 2019 (Buy 4 REINFORCE samples, get a baseline
// for free).
IMLE_MUST_USE
imle_status imle_tree_score_function(const struct imle_shape *shape,
                                     const uint32_t *n_row,
                                     const struct imle_tree_options *tree_options,
                                     float temperature,
                                     const float *theta,
                                     size_t ld_theta,
                                     const uint32_t *indices,
                                     const float *losses,
                                     float *grad_theta,
                                     size_t ld_grad);

// SIMPLE with the score function as its correction estimates the gradient of E[loss(z)] without bias, whatever the
// loss and dz are:
//
// grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s + (1/S) sum_s (r_ss - mean over t != s of r_st) (1 / T) (z_s - mu),
// r_st = loss_t - <v_s, z_t>, v_s = the mean of the dz of the other samples (a shared dz itself), T = temperature.
//
// The nearer the loss is to a linear function of z with the gradient dz, the smaller is the variance. A common offset
// of the losses costs no digits. Time: O(B (K^3 + S N)), plus K^3 for each list that is checked to be projective.
//
// shape: in; k = words, n = words * words; S at least 2.
// n_row, tree_options, temperature, theta, ld_theta: in, the same as for imle_tree_marginals.
// indices: in, [B][S][K], the samples that imle_tree_sample_exact drew. Samples of any other law give a bias, those of
// imle_tree_sample and stratified ones too.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss, the gradients of the loss at these
// samples: the same as for imle_tree_gradient.
// losses: in, [B][S], finite, of these samples.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta, exactly 0 where theta is masked; row stride in
// elements, at least N, 0 = contiguous. The gaps between rows are not touched.
// work, work_len: workspace (scratch memory) and its length in floats, at least
// imle_tree_exact_workspace_len(shape, tree_options).
// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _WORKSPACE, _OPTION (temperature, options), _OVERLAP,
// _VERSION; _NONFINITE, _INFEASIBLE (also for an index list that is no tree of its row).
// Threads: any, with different outputs and workspaces. Source: this library; SIMPLE: Ahmed, Zeng, Niepert, Van den
// Broeck 2023 (arXiv 2210.01941).
IMLE_MUST_USE
imle_status imle_tree_unbiased_simple(const struct imle_shape *shape,
                                      const uint32_t *n_row,
                                      const struct imle_tree_options *tree_options,
                                      float temperature,
                                      const float *theta,
                                      size_t ld_theta,
                                      const uint32_t *indices,
                                      const float *dz,
                                      size_t dz_row_stride,
                                      size_t dz_sample_stride,
                                      const float *losses,
                                      float *grad_theta,
                                      size_t ld_grad,
                                      float *work,
                                      size_t work_len);

// The straight-through estimator is the crudest one: it treats z as if it were theta. grad_theta is (1/S) sum_s dz_s,
// and exactly 0 where theta is masked. The sum is taken in the order of the samples and divided once; a shared dz is
// its own mean. Time: O(B S N).
//
// shape: in; k is not used, but must be at most n.
// theta, ld_theta: in, [B][N], finite or -inf; row stride in elements, at least N, 0 = contiguous.
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite, in units of loss: the gradient of row b's own loss with
// respect to z_(b,s). Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means
// rows without gaps, dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N. If a |dz|
// exceeds FLT_MAX / S, the sum may overflow.
// grad_theta, ld_grad: out, [B][N], in units of loss; row stride in elements, at least N, 0 = contiguous. The gaps
// between rows are not touched.
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OVERLAP; _NONFINITE.
// Threads: any, with different outputs. Source: Bengio, Leonard, Courville 2013 (arXiv 1308.3432).
IMLE_MUST_USE
imle_status imle_straight_through(const struct imle_shape *shape,
                                  const float *theta,
                                  size_t ld_theta,
                                  const float *dz,
                                  size_t dz_row_stride,
                                  size_t dz_sample_stride,
                                  float *grad_theta,
                                  size_t ld_grad);

// The score function of the noise estimates the gradient of E[loss(MAP(theta + tau eps))] without bias. The samples
// may be those of imle_topk_sample, of imle_argmax_sample, or of your own solver with imle_perturb:
//
// grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / tau) nu'(eps_s), nu = -ln density,
//
// nu'(eps) = eps for normal noise, 1 - exp(-eps) for Gumbel, tanh(eps / 2) for logistic noise. The key reproduces the
// noise. With loss_s = <z_s, v> this is the vector-Jacobian product of a perturbed optimiser, the gradient of
// <v, E[z]>. (The source has no baseline; E[nu'] = 0 permits one.) It needs no gradient of the loss. Its variance is
// of order Var(loss) / (S tau^2) in every coordinate. It is exactly 0 where theta is masked. Time: O(B S N).
//
// shape: in; S at least 2; k is not used, but must be at most n.
// options, key: in, the same as for the samples. The noise is Gumbel, logistic or normal, and temperature is above 0
// (1 / temperature finite too).
// theta, ld_theta: in, [B][N], finite or -inf; row stride in elements, at least N, 0 = contiguous.
// losses: in, [B][S], finite, any function of the samples.
// grad_theta, ld_grad: out, [B][N], in units of loss per unit of theta; row stride in elements, at least N, 0 =
// contiguous. The gaps between rows are not touched.
// Errors: IMLE_ERR_NULL, _SHAPE (also for S = 1), _STRIDE, _OPTION, _OVERLAP, _VERSION; _NONFINITE.
// Threads: any, with different outputs. Source: Berthet, Blondel, Teboul, Cuturi, Vert, Bach 2020 (arXiv 2002.08676).
IMLE_MUST_USE
imle_status imle_perturbed_gradient(const struct imle_shape *shape,
                                    const struct imle_options *options,
                                    const struct imle_key *key,
                                    const float *theta,
                                    size_t ld_theta,
                                    const float *losses,
                                    float *grad_theta,
                                    size_t ld_grad);

// Step 1 of 3 for a solver of your own computes the scores theta + tau eps_s. Your solver finds z_s for them. Each
// operation is rounded once; the score of an entry is -inf if and only if it is masked (theta = -inf). Time: O(B S N).
//
// shape: in; k is not used, but must be at most n.
// options: in; noise and temperature are used, every option is checked.
// key: in, selects the noise.
// theta, ld_theta: in, [B][N], finite or -inf; row stride in elements, at least N, 0 = contiguous.
// scores: out, [B][S][N].
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OPTION, _OVERLAP, _VERSION; _NONFINITE.
// Threads: any, with different outputs. Source: Papandreou, Yuille 2011; Niepert, Minervini, Franceschi 2021 (arXiv
// 2106.01798), section 3.2.
IMLE_MUST_USE
imle_status imle_perturb(const struct imle_shape *shape,
                         const struct imle_options *options,
                         const struct imle_key *key,
                         const float *theta,
                         size_t ld_theta,
                         float *scores);

// Step 2 of 3 for a solver of your own computes the target scores theta'_s + tau' eps_s with the noise of imle_perturb
// for the same key. Your solver finds z'_s for them. theta'_s is alpha theta - lambda dz_s, or alpha theta +
// lambda dz_s on the other side, or the combinatorial target (options.target). Each operation is rounded once; masked
// entries get -inf. Time: O(B S N).
//
// shape, options, key, theta, ld_theta: in, the same as for imle_perturb.
// side: in, +1: theta' = alpha theta - lambda dz, the target of both differences; -1: alpha theta + lambda dz. The
// central difference takes the state of side -1 in place of that of the forward pass (IMLE_ERR_OPTION for the
// combinatorial target).
// dz, dz_row_stride, dz_sample_stride: in, [B][S][N], finite: the gradient of row b's own loss with respect to
// z_(b,s). Element (b, s, i) is dz[b * dz_row_stride + s * dz_sample_stride + i]. dz_row_stride 0 means rows without
// gaps, dz_sample_stride 0 one dz per row, shared by its samples; other strides are at least N.
// scores: out, [B][S][N].
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OPTION, _OVERLAP, _VERSION; _NONFINITE.
// Threads: any, with different outputs. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798), section 3.1;
// central difference: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
IMLE_MUST_USE
imle_status imle_target(const struct imle_shape *shape,
                        const struct imle_options *options,
                        const struct imle_key *key,
                        int32_t side,
                        const float *theta,
                        size_t ld_theta,
                        const float *dz,
                        size_t dz_row_stride,
                        size_t dz_sample_stride,
                        float *scores);

// Step 3 of 3 for a solver of your own computes grad_theta = c (1/S) sum_s (z_s - z'_s), c = 1 / lambda or 1
// (options.scale). For the central difference z is the state of side -1 and the result is halved. It is rounded as in
// imle_topk_gradient. Time: O(B S N).
//
// shape: in; k is not used, but must be at most n.
// options: in; lambda, scale, difference and target are used, every option is checked.
// z, z_target: in, [B][S][N], the states that your solver found, finite (any numbers, not only 0 and 1; numbers near
// FLT_MAX may overflow the sum).
// grad_theta, ld_grad: out, [B][N]; row stride in elements, at least N, 0 = contiguous. The gaps between rows are not
// touched.
// diagnostics: out, one struct, written on success only, or NULL.
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OPTION, _OVERLAP, _VERSION; _NONFINITE.
// Threads: any, with different outputs. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798), Algorithm 1.
IMLE_MUST_USE
imle_status imle_difference(const struct imle_shape *shape,
                            const struct imle_options *options,
                            const float *z,
                            const float *z_target,
                            float *grad_theta,
                            size_t ld_grad,
                            struct imle_diagnostics *diagnostics);

// Writes the noise itself: eps_s for every row and sample, before it is multiplied by tau. Every function uses this
// noise for the same key and the same options.noise. It has the same bits on every platform. Time: O(B S N).
//
// shape: in; k is not used, but must be at most n.
// options: in; noise is used, every option is checked.
// key: in, selects the noise.
// noise: out, [B][S][N], finite; Gumbel: from -3.13 to 22.88, within 3.2e-7 * max(1, |eps|) of the exact value.
// Errors: IMLE_ERR_NULL, _SHAPE, _STRIDE, _OPTION, _VERSION.
// Threads: any, with different outputs. Source: this library; the words are xoshiro128++ (Blackman, Vigna 2021).
IMLE_MUST_USE
imle_status imle_noise(const struct imle_shape *shape,
                       const struct imle_options *options,
                       const struct imle_key *key,
                       float *noise);

// Sets every field to its value at the start of the multiplicative rule, and struct_size to the size of the struct.
//
// adaptive: out, one struct; NULL (or a misaligned pointer) does nothing.
// Threads: any, with different structs. Source: this library.
void imle_adaptive_default(struct imle_adaptive *adaptive);

// Computes lambda = a ||theta|| / ||dz||, with Euclidean norms over all rows and samples. Use it as
// imle_options.lambda for the gradient of this theta and dz. It is exactly 0 if dz is 0 or if theta has no unmasked
// entry: there is nothing to learn, so skip the gradient (imle_options.lambda = 0 is refused). The bits are those of
// imle_adaptive_lambda_from for the parts of theta and dz.
//
// The relative error is at most 1e-7 at any scale of theta and dz; the result is limited to the positive normal
// floats. Masked entries (theta = -inf) do not count. ||theta|| counts as at least theta_floor * sqrt(the number of
// unmasked entries). With S samples ||dz|| grows with sqrt(S), and a settles higher by that factor. If a batch is cut
// over threads, hosts or micro-batches, use imle_adaptive_add and imle_adaptive_lambda_from. Time: O(theta_len +
// dz_len).
//
// adaptive: in.
// theta, theta_len: in, all scores of the group, finite or -inf, and their number: B N for [B][N] without gaps. NULL if
// the number is 0.
// dz, dz_len: in, all gradients of the group, finite, in units of loss, and their number: B S N for [B][S][N] without
// gaps. NULL if the number is 0.
// lambda: out, one number, in units of theta per unit of dz.
// Errors: IMLE_ERR_NULL, _STRIDE (a length beyond the address space), _OPTION, _OVERLAP, _VERSION; _NONFINITE.
// Threads: any, with different outputs. Source: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862); theta_floor:
// this library.
IMLE_MUST_USE
imle_status imle_adaptive_lambda(const struct imle_adaptive *adaptive,
                                 const float *theta,
                                 size_t theta_len,
                                 const float *dz,
                                 size_t dz_len,
                                 float *lambda);

// Adds a block of theta and a block of dz to the parts of a batch. The blocks may have any lengths, and either may be
// empty: whole rows, whole micro-batches, or theta in one call and dz in another. Sums are computed in double, which
// neither overflows nor loses a small value. After an error the parts are what they were. Time: O(theta_len + dz_len).
//
// parts: in and out, one struct, at first zeros.
// theta, theta_len: in, scores, finite or -inf, and their number. NULL if the number is 0.
// dz, dz_len: in, gradients, finite, in units of loss, and their number. NULL if the number is 0.
// Errors: IMLE_ERR_NULL, _STRIDE (a length beyond the address space), _OVERLAP; _NONFINITE (also if a sum in parts is
// negative or not finite).
// Threads: any, with different parts. Source: this library.
IMLE_MUST_USE
imle_status imle_adaptive_add(struct imle_adaptive_parts *parts,
                              const float *theta,
                              size_t theta_len,
                              const float *dz,
                              size_t dz_len);

// Computes the lambda of imle_adaptive_lambda for a batch that was cut, from the sum of its parts. Time: O(1).
//
// adaptive: in.
// parts: in, of the whole batch.
// lambda: out, one number, in units of theta per unit of dz.
// Errors: IMLE_ERR_NULL, _OPTION, _VERSION; _NONFINITE (a sum in parts is negative or not finite).
// Threads: any, with different outputs. Source: as imle_adaptive_lambda.
IMLE_MUST_USE
imle_status imle_adaptive_lambda_from(const struct imle_adaptive *adaptive,
                                      const struct imle_adaptive_parts *parts,
                                      float *lambda);

// Updates the state after a gradient: g <- decay * g + (1 - decay) * nonzeros / states, and a by its rule. This holds
// for any S, because states (samples of rows) are counted. If no states were counted, nothing is changed. After an
// error nothing is changed.
//
// adaptive: in and out, one struct.
// diagnostics: in, the counts that the gradient wrote, summed field by field if the batch is cut over threads or
// hosts.
// Errors: IMLE_ERR_NULL, _OPTION, _VERSION.
// Threads: any, with different structs. Source: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862); the
// multiplicative rule: this library.
IMLE_MUST_USE
imle_status imle_adaptive_update(struct imle_adaptive *adaptive,
                                 const struct imle_diagnostics *diagnostics);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* IMLE_H */
