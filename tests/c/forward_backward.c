/* Forward and backward on arrays of exactly the documented sizes. Outputs and workspace are uninitialised, so valgrind
 * finds accesses beyond an array and values that were never written. Rows of 37 have all their scores computed; rows of
 * 200 are pruned. */
#include "imle.h"
#include "check.h"

#include <math.h>
#include <string.h>

enum { B = 3, K = 4, S = 5 };

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

static void topk_samples_and_replays(const imle_options *options, uint32_t n)
{
    const imle_shape shape = {B, n, K, S};
    const imle_key key = {42, 7, 100};
    const uint32_t k_row[B] = {K, 0, 2};
    const size_t ld = n + 3;
    const size_t work_len = imle_topk_workspace_len(&shape);
    float *theta = numbers((B - 1) * ld + n), *dz = numbers(B * S * n), *work = floats(work_len);
    float *z = floats(B * S * n), *marginals = floats(B * n);
    float *grad = floats((B - 1) * ld + n), *replayed = floats(B * n), *row = floats(n);
    uint32_t *indices = integers(B * S * K), bad_row;
    imle_diagnostics diagnostics;
    size_t b, s, i;

    theta[3] = -INFINITY;
    CHECK(imle_topk_find_bad_row(&shape, k_row, theta, ld, dz, 0, n, &bad_row) == IMLE_OK);
    CHECK(bad_row == B);
    CHECK(imle_topk_sample(&shape, k_row, options, &key, theta, ld, z, indices, marginals, work, work_len) == IMLE_OK);
    for (b = 0; b < B; b++) {
        for (s = 0; s < S; s++) {
            const uint32_t *list = indices + (b * S + s) * K;
            const float *state = z + (b * S + s) * n;
            float ones = 0.0f;
            for (i = 0; i < n; i++) ones += state[i];
            CHECK(ones == (float)k_row[b]);
            for (i = 0; i < K; i++) CHECK(i < k_row[b] ? state[list[i]] == 1.0f : list[i] == UINT32_MAX);
        }
    }
    CHECK(z[3] == 0.0f && marginals[3] == 0.0f);

    CHECK(imle_topk_gradient(&shape, k_row, options, &key, theta, ld, dz, 0, n, indices, grad, ld, &diagnostics, work,
                             work_len) == IMLE_OK);
    CHECK(diagnostics.states == B * S && diagnostics.unchanged >= S && diagnostics.nonzeros > 0);
    CHECK(imle_topk_gradient(&shape, k_row, options, &key, theta, ld, dz, 0, n, NULL, replayed, 0, NULL, work,
                             work_len) == IMLE_OK);

    /* The batch, its replay without index lists, and its single rows give the same bits. */
    for (b = 0; b < B; b++) {
        const imle_shape one = {1, n, K, S};
        const imle_key moved = {42, 7, 100 + b};
        CHECK(imle_topk_gradient(&one, k_row + b, options, &moved, theta + b * ld, 0, dz + b * S * n, 0, n, NULL, row,
                                 0, NULL, work, work_len) == IMLE_OK);
        CHECK(same(grad + b * ld, replayed + b * n, n) && same(row, replayed + b * n, n));
    }

    CHECK(imle_topk_map(&shape, k_row, theta, ld, NULL, indices, work, work_len) == IMLE_OK);
    CHECK(indices[K] == UINT32_MAX);
    free(theta), free(dz), free(work), free(z), free(marginals), free(grad), free(replayed), free(row), free(indices);
}

static void largest(const float *scores, float *z, size_t n)
{
    size_t i, best = 0;
    for (i = 0; i < n; i++) {
        z[i] = 0.0f;
        if (scores[i] > scores[best]) best = i;
    }
    z[best] = 1.0f;
}

/* A user's solver for one of n gives the gradient of imle_argmax_gradient. */
static void own_solver_equals_argmax(const imle_options *options, uint32_t n)
{
    const imle_shape shape = {B, n, 1, S};
    const imle_key key = {1, 2, 3};
    const size_t work_len = imle_argmax_workspace_len(&shape);
    const int central = options->difference == IMLE_DIFFERENCE_CENTRAL;
    imle_diagnostics counts, own_counts;
    float *theta = numbers(B * n), *dz = numbers(B * n), *work = floats(work_len), *scores = floats(B * S * n);
    float *z = floats(B * S * n), *z_target = floats(B * S * n), *grad = floats(B * n), *own = floats(B * n);
    size_t i;

    if (central) CHECK(imle_target(&shape, options, &key, -1, theta, 0, dz, 0, 0, scores) == IMLE_OK);
    else CHECK(imle_perturb(&shape, options, &key, theta, 0, scores) == IMLE_OK);
    for (i = 0; i < B * S; i++) largest(scores + i * n, z + i * n, n);
    CHECK(imle_target(&shape, options, &key, +1, theta, 0, dz, 0, 0, scores) == IMLE_OK);
    for (i = 0; i < B * S; i++) largest(scores + i * n, z_target + i * n, n);
    CHECK(imle_difference(&shape, options, z, z_target, own, 0, &own_counts) == IMLE_OK);

    CHECK(imle_argmax_gradient(&shape, options, &key, theta, 0, dz, 0, 0, NULL, grad, 0, &counts, work, work_len) ==
          IMLE_OK);
    CHECK(same(own, grad, B * n));
    CHECK(own_counts.states == counts.states && own_counts.unchanged == counts.unchanged);
    CHECK(own_counts.nonzeros == counts.nonzeros);
    if (!central) {
        CHECK(imle_argmax_sample(&shape, options, &key, theta, 0, scores, NULL, NULL, work, work_len) == IMLE_OK);
        CHECK(same(scores, z, B * S * n));
    }
    CHECK(imle_noise(&shape, options, &key, scores) == IMLE_OK);
    for (i = 0; i < B * S * n; i++) CHECK(isfinite(scores[i]));
    free(theta), free(dz), free(work), free(scores), free(z), free(z_target), free(grad), free(own);
}

/* The libraries that ship give the values pinned in tests/value_stability.rs. */
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
    static const uint32_t sizes[2] = {37, 200};
    uint32_t difference, i;

    imle_options_default(&options);
    noise_is_pinned(&options);
    options.lambda = 4.0f;
    for (difference = IMLE_DIFFERENCE_FORWARD; difference <= IMLE_DIFFERENCE_CENTRAL; difference++) {
        options.difference = difference;
        for (i = 0; i < 2; i++) {
            topk_samples_and_replays(&options, sizes[i]);
            own_solver_equals_argmax(&options, sizes[i]);
        }
    }
    printf("forward and backward: imle %s (%s)\n", imle_version(), imle_kernel());
    return 0;
}
