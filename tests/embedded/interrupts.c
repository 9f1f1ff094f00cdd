/* SysTick interrupts calls of the library and calls it, too. Both must get the bits that they get undisturbed. With
 * -DSHARED_WORKSPACE the two break the rule that calls at the same time need workspaces of their own, and some of their
 * bits must be wrong: that shows that calls are interrupted in their middle. */
#include <string.h>

#include "board.h"
#include "imle.h"

enum { N = 64, K = 8, WORK = IMLE_TOPK_WORKSPACE_LEN(N, K), TICKS = 1000 };

#define SYST_CSR (*(volatile uint32_t *)0xe000e010)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014)

typedef struct {
    uint32_t chosen[K];
    float gradient[N];
} outputs;

static float theta[N], dz[N], work[2][WORK];
static outputs expected[2];
static volatile uint32_t ticks, wrong;

/* The main program is user 0, and the handler is user 1. Each has noise of its own. */
static outputs layer(uint32_t user)
{
    const imle_shape shape = {1, N, K, 1};
    const imle_key key = {.seed = user};
    imle_options options;
    outputs out = {0};
    imle_options_default(&options);
    options.noise = user == 0 ? IMLE_NOISE_GUMBEL : IMLE_NOISE_NORMAL;
#ifdef SHARED_WORKSPACE
    float *mine = work[0];
#else
    float *mine = work[user];
#endif
    if (imle_topk_sample(&shape, NULL, &options, &key, theta, 0, NULL, out.chosen, NULL, mine, WORK) != IMLE_OK ||
        imle_topk_gradient(&shape, NULL, &options, &key, theta, 0, dz, 0, 0, out.chosen, out.gradient, 0, NULL, mine,
                           WORK) != IMLE_OK)
        wrong++;
    return out;
}

static void check(uint32_t user)
{
    const outputs out = layer(user);
    if (memcmp(&out, &expected[user], sizeof out) != 0) wrong++;
}

void board_tick(void)
{
    check(1);
    ticks++;
}

int main(void)
{
    uint32_t i, user;
    for (i = 0; i < N; i++) {
        theta[i] = (float)(i * 7 % 31) * 0.25f;
        dz[i] = (float)(i * 11 % 31) - 15.0f;
    }
    for (user = 0; user < 2; user++) expected[user] = layer(user);
    SYST_RVR = 9973;
    SYST_CSR = 7; /* the processor's clock, interrupts, on */
    while (ticks < TICKS) check(0);
    SYST_CSR = 0;
    board_write(wrong == 0 ? "no bit is wrong\n" : "some bits are wrong\n");
    return 0;
}
