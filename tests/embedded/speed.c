/* The program whose instructions count.c counts. It computes samples and their gradients with the library and in the
 * naive way: the same layer as one would write it in C, with libm's logf and k scans for the k largest scores. A sample
 * with its gradient takes two MAPs of N coordinates. Last come whole steps of a program that learns, on rows that take
 * the library longest. */
#include <math.h>
#include <stdint.h>

#include "board.h"
#include "imle.h"

/* The library computes more scores for some draws of the noise than for others, so ROWS draws are counted together. */
enum { MOST = 256, ROWS = 16 };

__attribute__((noinline)) void count_from(void) { __asm__ volatile(""); }
__attribute__((noinline)) void count_to(void) { __asm__ volatile(""); }

static float theta[MOST], dz[MOST], grad[MOST], work[IMLE_TOPK_WORKSPACE_LEN(MOST, 8)];
static uint32_t chosen[8];

/* A sample and its gradient; with `adaptive`, a whole step of learning. */
static imle_status library(uint32_t n, uint32_t k, uint32_t row, imle_adaptive *adaptive)
{
    const imle_shape shape = {1, n, k, 1};
    const imle_key key = {.seed = 42, .step = 0, .row0 = row};
    imle_options options;
    imle_diagnostics counts;
    imle_status status;
    imle_options_default(&options);
    status = imle_topk_sample(&shape, NULL, &options, &key, theta, 0, NULL, chosen, NULL, work, sizeof work / 4);
    if (status == IMLE_OK && adaptive) status = imle_adaptive_lambda(adaptive, theta, n, dz, n, &options.lambda);
    if (status == IMLE_OK)
        status = imle_topk_gradient(&shape, NULL, &options, &key, theta, 0, dz, 0, 0, chosen, grad, 0,
                                    adaptive ? &counts : NULL, work, sizeof work / 4);
    if (status == IMLE_OK && adaptive) status = imle_adaptive_update(adaptive, &counts);
    return status;
}

/* ---- the naive way ---- */

static uint32_t random_state;

static float gumbel(void)
{
    float u;
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    u = ((float)(random_state >> 8) + 0.5f) * (1.0f / 16777216.0f);
    return -logf(-logf(u));
}

/* grad += sign * MAP(score). Finds the largest score k times. */
static void add_map(float *score, uint32_t n, uint32_t k, float sign)
{
    uint32_t i, j;
    for (j = 0; j < k; j++) {
        uint32_t best = 0;
        for (i = 1; i < n; i++)
            if (score[i] > score[best]) best = i;
        score[best] = -INFINITY;
        grad[best] += sign;
    }
}

static void naive(uint32_t n, uint32_t k)
{
    const float lambda = 1.0f;
    float *epsilon = work, *score = work + n;
    uint32_t i;
    for (i = 0; i < n; i++) {
        epsilon[i] = gumbel();
        score[i] = theta[i] + epsilon[i];
        grad[i] = 0.0f;
    }
    add_map(score, n, k, 1.0f);
    for (i = 0; i < n; i++) score[i] = theta[i] - lambda * dz[i] + epsilon[i];
    add_map(score, n, k, -1.0f);
    for (i = 0; i < n; i++) grad[i] *= 1.0f / lambda;
}

int main(void)
{
    static const uint32_t sizes[3] = {16, 64, 256}, ones[2] = {1, 8};
    imle_adaptive adaptive;
    imle_status status = IMLE_OK;
    uint32_t i, n, k;
    random_state = 1;
    for (i = 0; i < MOST; i++) {
        theta[i] = gumbel();
        dz[i] = gumbel() - 0.5f;
    }
    for (n = 0; n < 3; n++) {
        for (k = 0; k < 2; k++) {
            count_from();
            for (i = 0; i < ROWS && status == IMLE_OK; i++) status = library(sizes[n], ones[k], i, NULL);
            count_to();
            count_from();
            for (i = 0; i < ROWS; i++) naive(sizes[n], ones[k]);
            count_to();
        }
    }
    /* In the sample and in the target every score is above all before it, so each enters the k largest. */
    for (i = 0; i < MOST; i++) {
        theta[i] = 32.0f * (float)i;
        dz[i] = -64.0f * (float)i;
    }
    for (n = 0; n < 3; n++) {
        for (k = 0; k < 2; k++) {
            imle_adaptive_default(&adaptive);
            count_from();
            for (i = 0; i < ROWS && status == IMLE_OK; i++) status = library(sizes[n], ones[k], i, &adaptive);
            count_to();
        }
    }
    return status != IMLE_OK;
}
