/* A call of every function of imle.h, with its inputs and outputs. tests/c/symbols.sh checks that none is missing.
 * A program may define STATE, the storage of inputs and outputs, and MOST, the most scores of a row. */
#ifndef EVERY_FUNCTION_H
#define EVERY_FUNCTION_H

#include <stdbool.h>

#include "show.h"

#ifndef STATE
#define STATE static
#endif
#ifndef MOST
#define MOST 80
#endif

/* ---- inputs and outputs ---- */

enum { ROWS = 2, K = 5, S = 2, WORK = IMLE_TOPK_EXACT_WORKSPACE_LEN(MOST, K) };

STATE imle_shape shape, one, sentence; /* k = K, k = 1 for argmax, and four words for trees */
STATE imle_tree_options parse;
static const imle_key key = {42, 7, 100, NULL, 0, 0};
STATE imle_options options;
STATE imle_adaptive adaptive;
static const imle_diagnostics counts = {7, 3, 11};
static const imle_adaptive_parts parts = {2.0 / 3.0, 1e-80, 48, 47};
STATE float temperature, theta[ROWS * MOST], other[ROWS * MOST], dz[ROWS * S * MOST + 1], losses[ROWS * S], work[WORK];
static const uint32_t lists[ROWS * S * K] = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4};
static const uint32_t trees[ROWS * S * 4] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
static const size_t work_len = WORK;

STATE struct {
    _Alignas(8) imle_diagnostics diagnostics; /* on i386, too, so that the hash is that of the other machines */
    imle_adaptive_parts parts;
    float a[ROWS * S * MOST], b[ROWS * MOST], c[ROWS * S];
    uint32_t indices[ROWS * S * K], row;
    imle_options options;
    imle_adaptive adaptive;
    imle_tree_options parse;
} out;

/* Sets all inputs: scores of N coordinates, and all numbers in units of `unit`. */
static void set_inputs(uint32_t n, uint32_t noise, float unit)
{
    size_t i;
    numbers(theta, ROWS * MOST, 1);
    numbers(other, ROWS * MOST, 2);
    numbers(dz, ROWS * S * MOST + 1, 3);
    quarters(losses, ROWS * S, 7);
    for (i = 0; i < ROWS * MOST; i++) theta[i] *= unit;
    for (i = 0; i < ROWS * MOST; i++) other[i] *= unit;
    for (i = 0; i <= ROWS * S * MOST; i++) dz[i] *= unit;
    shape = (imle_shape){ROWS, n, K, S};
    one = (imle_shape){ROWS, n, 1, S};
    sentence = (imle_shape){ROWS, 16, 4, S};
    imle_options_default(&options);
    imle_adaptive_default(&adaptive);
    imle_tree_options_default(&parse);
    parse.projective = n > 24;
    options.noise = noise;
    options.temperature = options.target_temperature = temperature = unit;
}

/* ---- the calls ---- */

/* clang-format off */
#define STATUSES(CALL) \
    CALL(imle_topk_find_bad_row, (&shape, NULL, theta, 0, dz, 0, 0, &out.row)) \
    CALL(imle_argmax_find_bad_row, (&one, theta, 0, dz, 0, 0, &out.row)) \
    CALL(imle_topk_map, (&shape, NULL, theta, 0, out.a, out.indices, work, work_len)) \
    CALL(imle_argmax_map, (&one, theta, 0, out.a, out.indices, work, work_len)) \
    CALL(imle_topk_sample, (&shape, NULL, &options, &key, theta, 0, out.a, out.indices, out.b, work, work_len)) \
    CALL(imle_argmax_sample, (&one, &options, &key, theta, 0, out.a, out.indices, out.b, work, work_len)) \
    CALL(imle_topk_gradient, (&shape, NULL, &options, &key, theta, 0, dz, 0, shape.n, NULL, out.b, 0, \
        &out.diagnostics, work, work_len)) \
    CALL(imle_argmax_gradient, (&one, &options, &key, theta, 0, dz, 0, one.n, NULL, out.b, 0, \
        &out.diagnostics, work, work_len)) \
    CALL(imle_topk_fenchel_young, (&shape, NULL, &options, &key, theta, 0, other, 0, out.c, out.b, 0, work, work_len)) \
    CALL(imle_argmax_fenchel_young, (&one, &options, &key, theta, 0, other, 0, out.c, out.b, 0, work, work_len)) \
    CALL(imle_topk_marginals, (&shape, NULL, temperature, theta, 0, out.a, out.b, out.c, work, work_len)) \
    CALL(imle_argmax_marginals, (&one, temperature, theta, 0, out.a, out.b, out.c, work, work_len)) \
    CALL(imle_topk_marginals_vjp, (&shape, NULL, temperature, theta, 0, dz, 0, out.a, work, work_len)) \
    CALL(imle_argmax_marginals_vjp, (&one, temperature, theta, 0, dz, 0, out.a, work, work_len)) \
    CALL(imle_topk_sample_exact, (&shape, NULL, temperature, &key, theta, 0, out.a, out.indices, work, work_len)) \
    CALL(imle_argmax_sample_exact, (&one, temperature, &key, theta, 0, out.a, out.indices, work, work_len)) \
    CALL(imle_topk_log_prob, (&shape, NULL, temperature, theta, 0, lists, out.c, work, work_len)) \
    CALL(imle_argmax_log_prob, (&one, temperature, theta, 0, lists, out.c, work, work_len)) \
    CALL(imle_topk_kl, (&shape, NULL, temperature, theta, 0, other, 0, out.c, work, work_len)) \
    CALL(imle_argmax_kl, (&one, temperature, theta, 0, other, 0, out.c, work, work_len)) \
    CALL(imle_topk_simple, (&shape, NULL, temperature, theta, 0, dz, 0, shape.n, out.b, 0, work, work_len)) \
    CALL(imle_argmax_simple, (&one, temperature, theta, 0, dz, 0, one.n, out.b, 0, work, work_len)) \
    CALL(imle_topk_score_function, (&shape, NULL, temperature, theta, 0, lists, losses, out.b, 0)) \
    CALL(imle_argmax_score_function, (&one, temperature, theta, 0, lists, losses, out.b, 0)) \
    CALL(imle_topk_unbiased_simple, (&shape, NULL, temperature, theta, 0, lists, dz, 0, shape.n, losses, out.b, 0, \
        work, work_len)) \
    CALL(imle_argmax_unbiased_simple, (&one, temperature, theta, 0, lists, dz, 0, one.n, losses, out.b, 0, \
        work, work_len)) \
    CALL(imle_topk_log_partitions, (&shape, temperature, theta, 0, out.a, work, work_len)) \
    CALL(imle_topk_log_partitions_vjp, (&shape, temperature, theta, 0, dz, 0, out.a, work, work_len)) \
    CALL(imle_tree_find_bad_row, (&sentence, NULL, &parse, theta, MOST, dz, 0, 0, &out.row, work, work_len)) \
    CALL(imle_tree_map, (&sentence, NULL, &parse, theta, MOST, out.a, out.indices, work, work_len)) \
    CALL(imle_tree_sample, (&sentence, NULL, &parse, &options, &key, theta, MOST, out.a, out.indices, out.b, \
        work, work_len)) \
    CALL(imle_tree_gradient, (&sentence, NULL, &parse, &options, &key, theta, MOST, dz, S * MOST, MOST, NULL, out.b, 0, \
        &out.diagnostics, work, work_len)) \
    CALL(imle_tree_fenchel_young, (&sentence, NULL, &parse, &options, &key, theta, MOST, other, MOST, out.c, out.b, 0, \
        work, work_len)) \
    CALL(imle_tree_heads, (&sentence, NULL, trees, out.indices)) \
    CALL(imle_tree_marginals, (&sentence, NULL, &parse, temperature, theta, MOST, out.a, out.b, out.c, \
        work, work_len)) \
    CALL(imle_tree_marginals_vjp, (&sentence, NULL, &parse, temperature, theta, MOST, dz, MOST, out.a, \
        work, work_len)) \
    CALL(imle_tree_sample_exact, (&sentence, NULL, &parse, temperature, &key, theta, MOST, out.a, out.indices, \
        work, work_len)) \
    CALL(imle_tree_log_prob, (&sentence, NULL, &parse, temperature, theta, MOST, trees, out.c, work, work_len)) \
    CALL(imle_tree_kl, (&sentence, NULL, &parse, temperature, theta, MOST, other, MOST, out.c, work, work_len)) \
    CALL(imle_tree_simple, (&sentence, NULL, &parse, temperature, theta, MOST, dz, S * MOST, MOST, out.b, 0, \
        work, work_len)) \
    CALL(imle_tree_score_function, (&sentence, NULL, &parse, temperature, theta, MOST, trees, losses, out.b, 0)) \
    CALL(imle_tree_unbiased_simple, (&sentence, NULL, &parse, temperature, theta, MOST, trees, dz, S * MOST, MOST, \
        losses, out.b, 0, work, work_len)) \
    CALL(imle_straight_through, (&shape, theta, 0, dz, 0, shape.n, out.b, 0)) \
    CALL(imle_perturbed_gradient, (&shape, &options, &key, theta, 0, losses, out.b, 0)) \
    CALL(imle_perturb, (&shape, &options, &key, theta, 0, out.a)) \
    CALL(imle_target, (&shape, &options, &key, 1, theta, 0, dz, 0, shape.n, out.a)) \
    CALL(imle_difference, (&shape, &options, dz, dz + 1, out.b, 0, &out.diagnostics)) \
    CALL(imle_noise, (&shape, &options, &key, out.a)) \
    CALL(imle_adaptive_lambda, (&adaptive, theta, ROWS * shape.n, dz, ROWS * S * shape.n, out.c)) \
    CALL(imle_adaptive_add, (&out.parts, theta, ROWS * shape.n, dz, ROWS * S * shape.n)) \
    CALL(imle_adaptive_lambda_from, (&adaptive, &parts, out.c)) \
    CALL(imle_adaptive_update, (&out.adaptive, &counts))
#define NUMBERS(CALL) \
    CALL(imle_abi_version, ()) \
    CALL(imle_topk_workspace_len, (&shape)) \
    CALL(imle_argmax_workspace_len, (&one)) \
    CALL(imle_tree_workspace_len, (&sentence, &parse)) \
    CALL(imle_tree_exact_workspace_len, (&sentence, &parse)) \
    CALL(imle_topk_exact_workspace_len, (&shape)) \
    CALL(imle_argmax_exact_workspace_len, (&one))
#define TEXTS(CALL) \
    CALL(imle_version, ()) \
    CALL(imle_status_message, (IMLE_ERR_NULL)) \
    CALL(imle_kernel, ())
#define DEFAULTS(CALL) \
    CALL(imle_options_default, (&out.options)) \
    CALL(imle_tree_options_default, (&out.parse)) \
    CALL(imle_adaptive_default, (&out.adaptive))
/* clang-format on */

#define STATUS(name, arguments) static uint32_t call_##name(void) { return (uint32_t)name arguments; }
#define NUMBER(name, arguments) static uint32_t call_##name(void) { return (uint32_t)name arguments; }
#define TEXT(name, arguments) static uint32_t call_##name(void) { return name arguments != NULL; }
#define DEFAULT(name, arguments) static uint32_t call_##name(void) { name arguments; return 0; }
STATUSES(STATUS)
NUMBERS(NUMBER)
TEXTS(TEXT)
DEFAULTS(DEFAULT)

#define ROW(name, arguments) {#name, call_##name},
static const struct { const char *name; uint32_t (*call)(void); } calls[] = {
    STATUSES(ROW) NUMBERS(ROW) TEXTS(ROW) DEFAULTS(ROW)
};

/* The hash of everything that a call may write, and what it returned. */
static uint64_t hash_of(uint32_t returned)
{
    const unsigned char *bytes = (const unsigned char *)&out;
    uint64_t hash = 0xcbf29ce484222325u ^ returned;
    size_t i;
    for (i = 0; i < sizeof out; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static void clear(void)
{
    memset(&out, 0x5a, sizeof out);
    out.adaptive = adaptive;
    out.parts = parts;
    memset(work, 0xff, sizeof work);
}

#endif
