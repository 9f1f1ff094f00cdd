/* Forward and backward on arrays of exactly the documented sizes, uninitialised where the library is to write: what
 * reads or writes beyond them, or reads what was never written, shows under valgrind. */
#include "imle.h"
#include "check.h"

#include <math.h>
#include <string.h>

enum { B = 3, N = 37, K = 4, S = 5, LD = N + 3 };

static void *array(size_t count, size_t size)
{
    void *memory = malloc(count * size);
    CHECK(memory != NULL);
    return memory;
}

static float *floats(size_t count) { return (float *)array(count, sizeof(float)); }
static uint32_t *integers(size_t count) { return (uint32_t *)array(count, sizeof(uint32_t)); }

/* Some numbers from -2 to 2. */
static float *numbers(size_t count)
{
    float *x = floats(count);
    size_t i;
    for (i = 0; i < count; i++) x[i] = (float)(i * 7919 % 401) / 100.0f - 2.0f;
    return x;
}

static int same(const float *a, const float *b, size_t count) { return memcmp(a, b, count * sizeof(float)) == 0; }

static void topk_samples_and_replays(const imle_options *options)
{
    const imle_shape shape = {B, N, K, S};
    const imle_key key = {42, 7, 100};
    const uint32_t k_row[B] = {K, 0, 2};
    const size_t work_len = imle_topk_workspace_len(&shape);
    float *theta = numbers((B - 1) * LD + N), *dz = numbers(B * S * N), *work = floats(work_len);
    float *z = floats(B * S * N), *marginals = floats(B * N);
    float *grad = floats((B - 1) * LD + N), *replayed = floats(B * N), *row = floats(N);
    uint32_t *indices = integers(B * S * K), bad_row;
    imle_diagnostics diagnostics;
    size_t b, s, i;

    theta[3] = -INFINITY;
    CHECK(imle_topk_find_bad_row(&shape, k_row, theta, LD, dz, 0, N, &bad_row) == IMLE_OK);
    CHECK(bad_row == B);
    CHECK(imle_topk_sample(&shape, k_row, options, &key, theta, LD, z, indices, marginals, work, work_len) == IMLE_OK);
    for (b = 0; b < B; b++) {
        for (s = 0; s < S; s++) {
            const uint32_t *list = indices + (b * S + s) * K;
            const float *state = z + (b * S + s) * N;
            float ones = 0.0f;
            for (i = 0; i < N; i++) ones += state[i];
            CHECK(ones == (float)k_row[b]);
            for (i = 0; i < K; i++) CHECK(i < k_row[b] ? state[list[i]] == 1.0f : list[i] == UINT32_MAX);
        }
    }
    CHECK(z[3] == 0.0f && marginals[3] == 0.0f);

    CHECK(imle_topk_gradient(&shape, k_row, options, &key, theta, LD, dz, 0, N, indices, grad, LD, &diagnostics, work,
                             work_len) == IMLE_OK);
    CHECK(diagnostics.states == B * S && diagnostics.unchanged >= S && diagnostics.nonzeros > 0);
    CHECK(imle_topk_gradient(&shape, k_row, options, &key, theta, LD, dz, 0, N, NULL, replayed, 0, NULL, work,
                             work_len) == IMLE_OK);

    /* the batch, its replay without index lists, and its rows one by one */
    for (b = 0; b < B; b++) {
        const imle_shape one = {1, N, K, S};
        const imle_key moved = {42, 7, 100 + b};
        CHECK(imle_topk_gradient(&one, k_row + b, options, &moved, theta + b * LD, 0, dz + b * S * N, 0, N, NULL, row,
                                 0, NULL, work, work_len) == IMLE_OK);
        CHECK(same(grad + b * LD, replayed + b * N, N) && same(row, replayed + b * N, N));
    }

    CHECK(imle_topk_map(&shape, k_row, theta, LD, NULL, indices, work, work_len) == IMLE_OK);
    CHECK(indices[K] == UINT32_MAX);
    free(theta), free(dz), free(work), free(z), free(marginals), free(grad), free(replayed), free(row), free(indices);
}

static void largest(const float *scores, float *z)
{
    size_t i, best = 0;
    for (i = 0; i < N; i++) {
        z[i] = 0.0f;
        if (scores[i] > scores[best]) best = i;
    }
    z[best] = 1.0f;
}

/* A solver of one's own for one of N gives what imle_argmax_gradient gives. */
static void own_solver_equals_argmax(const imle_options *options)
{
    const imle_shape shape = {B, N, 1, S};
    const imle_key key = {1, 2, 3};
    const size_t work_len = imle_argmax_workspace_len(&shape);
    const int central = options->difference == IMLE_DIFFERENCE_CENTRAL;
    float *theta = numbers(B * N), *dz = numbers(B * N), *work = floats(work_len), *scores = floats(B * S * N);
    float *z = floats(B * S * N), *z_target = floats(B * S * N), *grad = floats(B * N), *own = floats(B * N);
    size_t i;

    if (central) CHECK(imle_target(&shape, options, &key, -1, theta, 0, dz, 0, 0, scores) == IMLE_OK);
    else CHECK(imle_perturb(&shape, options, &key, theta, 0, scores) == IMLE_OK);
    for (i = 0; i < B * S; i++) largest(scores + i * N, z + i * N);
    CHECK(imle_target(&shape, options, &key, +1, theta, 0, dz, 0, 0, scores) == IMLE_OK);
    for (i = 0; i < B * S; i++) largest(scores + i * N, z_target + i * N);
    CHECK(imle_difference(&shape, options, z, z_target, own, 0) == IMLE_OK);

    CHECK(imle_argmax_gradient(&shape, options, &key, theta, 0, dz, 0, 0, NULL, grad, 0, NULL, work, work_len) ==
          IMLE_OK);
    CHECK(same(own, grad, B * N));
    if (!central) {
        CHECK(imle_argmax_sample(&shape, options, &key, theta, 0, scores, NULL, NULL, work, work_len) == IMLE_OK);
        CHECK(same(scores, z, B * S * N));
    }
    CHECK(imle_noise(&shape, options, &key, scores) == IMLE_OK);
    for (i = 0; i < B * S * N; i++) CHECK(isfinite(scores[i]));
    free(theta), free(dz), free(work), free(scores), free(z), free(z_target), free(grad), free(own);
}

/* The pin of tests/value_stability.rs, held by the libraries that ship. */
static void noise_is_pinned(const imle_options *options)
{
    static const uint32_t pinned[4] = {0xbcefbe59, 0x3fbad062, 0x401c9838, 0x3fa51437};
    const imle_shape shape = {1, 4, 0, 1};
    const imle_key key = {0, 0, 0};
    float noise[4];

    CHECK(imle_noise(&shape, options, &key, noise) == IMLE_OK);
    CHECK(memcmp(noise, pinned, sizeof pinned) == 0);
}

int main(void)
{
    imle_options options;
    uint32_t difference;

    imle_options_default(&options);
    noise_is_pinned(&options);
    options.lambda = 4.0f;
    for (difference = IMLE_DIFFERENCE_FORWARD; difference <= IMLE_DIFFERENCE_CENTRAL; difference++) {
        options.difference = difference;
        topk_samples_and_replays(&options);
        own_solver_equals_argmax(&options);
    }
    printf("forward and backward: imle %s (%s)\n", imle_version(), imle_kernel());
    return 0;
}
