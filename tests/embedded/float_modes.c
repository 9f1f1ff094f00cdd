/* Calls every function of imle.h while the caller's floating-point mode is another than the default: another direction
 * of rounding, flushed subnormals, traps. Results and statuses must be those of the default mode, and the caller's mode
 * must be the same afterwards, also after an error. Each result is written as a hash, so that machines can be compared.
 * tests/c/symbols.sh checks that no function of the header is missing. */
#include <stdbool.h>

#include "show.h"

/* ---- the modes of this machine, and how to set and get one ---- */

#if defined __SSE2__
/* FTZ, rounding, masks of traps, DAZ in MXCSR. The x87 unit rounds in the same direction, as after fesetround. */
static const uint32_t control = 0xffc0u;
static const uint32_t modes[] = {
    0x9f80u, 0x1fc0u, 0x9fc0u, /* FTZ, DAZ, both */
    0x3f80u, 0x5f80u, 0x7f80u, /* down, up, to zero */
    0xbfc0u, 0xdfc0u, 0xffc0u, /* with both */
    0x0000u, 0xe040u,          /* no trap masked, alone and with all */
};
static void set_mode(uint32_t mode)
{
    const uint16_t x87 = (uint16_t)(0x037fu | (mode >> 13 & 3u) << 10);
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mode), "m"(x87) : "memory");
}
static uint32_t get_mode(void)
{
    uint32_t mode;
    __asm__ volatile("stmxcsr %0" : "=m"(mode) : : "memory");
    return mode & control;
}
static const uint32_t by_default = 0x1f80u;
#define TRAPS(mode) (((mode) & by_default) != by_default)

#elif defined __aarch64__ || defined __ARM_FP
/* FZ, DN and rounding are the same bits in FPCR and in FPSCR. */
static const uint32_t control = 0x03c00000u;
static const uint32_t modes[] = {
    1u << 24, 1u << 25, 3u << 24, /* FZ, DN, both */
    1u << 22, 2u << 22, 3u << 22, /* up, down, to zero */
    13u << 22, 14u << 22, 15u << 22, /* with both */
};
#ifdef __aarch64__
static void set_mode(uint32_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory"); }
static uint32_t get_mode(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode) : : "memory");
    return (uint32_t)mode & control;
}
#else
static void set_mode(uint32_t mode) { __asm__ volatile("vmsr fpscr, %0" : : "r"(mode) : "memory"); }
static uint32_t get_mode(void)
{
    uint32_t mode;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(mode) : : "memory");
    return mode & control;
}
#endif
static const uint32_t by_default = 0;
#define TRAPS(mode) false

#elif defined __riscv_flen
static const uint32_t modes[] = {1, 2, 3, 4}; /* to zero, down, up, ties away from zero */
static void set_mode(uint32_t mode) { __asm__ volatile("fsrm %0" : : "r"(mode) : "memory"); }
static uint32_t get_mode(void)
{
    uint32_t mode;
    __asm__ volatile("frrm %0" : "=r"(mode) : : "memory");
    return mode;
}
static const uint32_t by_default = 0;
#define TRAPS(mode) false

#elif defined __arm__ || defined __riscv
/* Floats are computed in software, in the default mode. */
static const uint32_t modes[] = {0};
static void set_mode(uint32_t mode) { (void)mode; }
static uint32_t get_mode(void) { return 0; }
static const uint32_t by_default = 0;
#define TRAPS(mode) false

#else
#error "Which floating-point modes has this machine?"
#endif

/* ---- inputs and outputs ---- */

enum { ROWS = 2, MOST = 80, K = 5, S = 2, WORK = IMLE_TOPK_EXACT_WORKSPACE_LEN(MOST, K) };

static imle_shape shape, one, sentence; /* k = K, k = 1 for argmax, and four words for trees */
static imle_tree_options parse;
static imle_key key = {42, 7, 100, NULL, 0, 0};
static imle_options options;
static imle_adaptive adaptive;
static const imle_diagnostics counts = {7, 3, 11};
static const imle_adaptive_parts parts = {2.0 / 3.0, 1e-80, 48, 47};
static float temperature, theta[ROWS * MOST], other[ROWS * MOST], dz[ROWS * S * MOST + 1], losses[ROWS * S], work[WORK];
static const uint32_t lists[ROWS * S * K] = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4};
static const uint32_t trees[ROWS * S * 4] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
static const size_t work_len = WORK;

static struct {
    _Alignas(8) imle_diagnostics diagnostics; /* on i386, too, so that the hash is that of the other machines */
    imle_adaptive_parts parts;
    float a[ROWS * S * MOST], b[ROWS * MOST], c[ROWS * S];
    uint32_t indices[ROWS * S * K], row;
    imle_options options;
    imle_adaptive adaptive;
    imle_tree_options parse;
} out;

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

/* ---- the test ---- */

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

static int failures;

static void fail(const char *function, const char *what, uint32_t mode)
{
    board_write("FAIL: ");
    board_write(function);
    board_write(what);
    write_hex(mode, 8);
    board_write("\n");
    failures++;
}

/* Writes what the machine itself computes from subnormals, from halves of units in the last place and from NaN. */
static void compute(uint32_t *results)
{
    static const uint32_t inputs[6][2] = {
        {0x00000003u, 0x00000003u}, {0x00800001u, 0x80800000u}, {0x3f800000u, 0x2f800000u},
        {0x3f800000u, 0xaf800000u}, {0x3f800000u, 0x33800000u}, {0x7fc12345u, 0x3f800000u},
    };
    int i;
    for (i = 0; i < 6; i++) {
        const uint32_t words[2] = {inputs[i][0], inputs[i][1]};
        float x[2];
        volatile float first, second, sum;
        memcpy(x, words, sizeof x);
        first = x[0];
        second = x[1];
        sum = first + second;
        x[0] = sum;
        memcpy(&results[i], x, 4);
    }
}

static bool changes_arithmetic(uint32_t mode)
{
    uint32_t before[6], after[6];
    int i;
    compute(before);
    set_mode(mode);
    compute(after);
    set_mode(by_default);
    for (i = 0; i < 6; i++)
        if (before[i] != after[i]) return true;
    return false;
}

static void try_modes(const char *name, uint32_t (*call)(void), uint64_t expected)
{
    size_t m;
    for (m = 0; m < sizeof modes / sizeof *modes; m++) {
        uint32_t returned, left;
        clear();
        set_mode(modes[m]);
        returned = call();
        left = get_mode();
        set_mode(by_default);
        if (hash_of(returned) != expected) fail(name, " has other results in mode ", modes[m]);
        if (left != modes[m]) fail(name, " changes mode ", modes[m]);
    }
}

static void try_calls(const char *what)
{
    size_t i;
    board_write(what);
    board_write("\n");
    for (i = 0; i < sizeof calls / sizeof *calls; i++) {
        uint32_t returned;
        uint64_t expected;
        clear();
        returned = calls[i].call();
        expected = hash_of(returned);
        show(calls[i].name, (imle_status)returned, &expected, 2);
        try_modes(calls[i].name, calls[i].call, expected);
        if (get_mode() != by_default) fail(calls[i].name, " changes mode ", by_default);
    }
}

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
    parse.projective = n == MOST;
    options.noise = noise;
    options.temperature = options.target_temperature = temperature = unit;
}

int main(void)
{
    const float subnormal = 3e-39f; /* its inverse is finite */
    const uint32_t nan = 0x7fc00000u;
    size_t m;
    for (m = 0; m < sizeof modes / sizeof *modes; m++)
        if (modes[m] != by_default && !TRAPS(modes[m]) && !changes_arithmetic(modes[m]))
            fail("arithmetic", " is the same in mode ", modes[m]);
    set_inputs(24, IMLE_NOISE_GUMBEL, 1.0f);
    try_calls("few scores");
    set_inputs(MOST, IMLE_NOISE_LOGISTIC, 1.0f);
    try_calls("many scores");
    set_inputs(24, IMLE_NOISE_NORMAL, subnormal);
    try_calls("few subnormal scores");
    set_inputs(MOST, IMLE_NOISE_GUMBEL, subnormal);
    options.difference = IMLE_DIFFERENCE_CENTRAL;
    try_calls("many subnormal scores");
    memcpy(&theta[MOST], &nan, 4);
    memcpy(&other[MOST + 1], &nan, 4);
    memcpy(&dz[S * MOST], &nan, 4);
    memcpy(&losses[S], &nan, 4);
    try_calls("bad data in the second row");
    shape.n = one.n = sentence.n = 0;
    options.struct_size = adaptive.struct_size = 0;
    temperature = 0.0f;
    try_calls("bad arguments");
    return failures != 0;
}
