/* Calls every function of imle.h while the caller's floating-point mode is another than the default: another direction
 * of rounding, flushed subnormals, traps. Results and statuses must be those of the default mode, and the caller's mode
 * must be the same afterwards, also after an error. Each result is written as a hash, so that machines can be compared. */
#include <stdbool.h>

#include "every_function.h"

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
static uint32_t get_fpscr(void)
{
    uint32_t word;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(word) : : "memory");
    return word;
}
/* The other bits stay: a Cortex-M55 must have its LTPSIZE in order to run the loops that compilers make for it. */
static void set_mode(uint32_t mode)
{
    __asm__ volatile("vmsr fpscr, %0" : : "r"((get_fpscr() & ~control) | mode) : "memory");
}
static uint32_t get_mode(void) { return get_fpscr() & control; }
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

/* ---- the test ---- */

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
