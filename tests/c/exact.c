/* Compares the exact functions with an enumeration of all states, on arrays of exactly the documented sizes. */
#include "imle.h"
#include "check.h"

#include <math.h>
#include <string.h>

enum { B = 3, N = 6, K = 4, S = 7, LD = N + 2 };

static const float temperature = 0.7f;

/* B rows of N scores, with stride LD. */
static const float theta[(B - 1) * LD + N] = {
    0.3f, -INFINITY, 0.9f, 0.0f, 0.5f, -1.1f, 9, 9, 1, 1, 1, 2, -2, 0, 9, 9, -0.4f, 3.5f, -3.0f, 0.1f, 0.2f, 1.7f,
};
static const float other[B * N] = {
    1.3f, 0.2f, -0.9f, 0.5f, 0.0f, 1.0f, 0, 0, 1, 1, 2, 2, -1.4f, 2.5f, -3.0f, 1.1f, 0.4f, 0.7f,
};
static const float v[B * N] = {
    0.5f, 2.0f, -1.0f, 0.3f, 0.0f, -0.2f, 1, 2, 3, 4, 5, 6, -0.7f, 0.1f, 0.9f, -2.0f, 1.5f, 0.4f,
};

struct answers {
    float marginals[B * N], log_partition[B], entropy[B], vjp[B * N], z[B * S * N], log_prob[B * S], kl[B];
    float log_partitions[B * (N + 1)], log_partitions_vjp[B * N], unbiased_simple[B * N];
    uint32_t indices[B * S * K];
};

static double inner_product(unsigned z, const float *x)
{
    double sum = 0;
    int i;
    for (i = 0; i < N; i++) if (z >> i & 1) sum += (double)x[i];
    return sum;
}

static int is_state(unsigned z, unsigned k)
{
    unsigned ones = 0;
    for (; z; z &= z - 1) ones++;
    return ones == k;
}

/* A = ln sum over z of exp(<z, theta> / T) */
static double log_partition(const float *scores, unsigned k)
{
    double sum = 0;
    unsigned z;
    for (z = 0; z < 1u << N; z++) if (is_state(z, k)) sum += exp(inner_product(z, scores) / (double)temperature);
    return log(sum);
}

static void check_close(float got, double expected)
{
    CHECK(fabs((double)got - expected) <= 1e-5 * (1 + fabs(expected)));
}

/* The states of row b have k ones, and its index lists have k_shape places. */
static void row_agrees_with_enumeration(const struct answers *a, unsigned b, unsigned k, unsigned k_shape)
{
    const float *scores = theta + b * LD;
    const double A = log_partition(scores, k), A_other = log_partition(other + b * N, k);
    double mu[N] = {0}, product[N] = {0}, mean = 0, entropy = 0, kl = 0;
    unsigned z, i, s;

    for (z = 0; z < 1u << N; z++) {
        const double log_p = inner_product(z, scores) / (double)temperature - A, p = exp(log_p);
        if (!is_state(z, k) || p == 0) continue;
        entropy -= p * log_p;
        kl += p * (log_p - (inner_product(z, other + b * N) / (double)temperature - A_other));
        mean += p * inner_product(z, v + b * N);
        for (i = 0; i < N; i++) if (z >> i & 1) mu[i] += p, product[i] += p * inner_product(z, v + b * N);
    }
    check_close(a->log_partition[b], A);
    check_close(a->entropy[b], entropy);
    check_close(a->kl[b], kl);
    for (i = 0; i < N; i++) {
        check_close(a->marginals[b * N + i], mu[i]);
        check_close(a->vjp[b * N + i], (product[i] - mu[i] * mean) / (double)temperature);
    }

    for (s = b * S; s < (b + 1) * S; s++) {
        const uint32_t *list = a->indices + s * k_shape;
        for (z = i = 0; i < N; i++) z |= (unsigned)(a->z[s * N + i] == 1.0f) << i;
        CHECK(is_state(z, k));
        for (i = 0; i < k_shape; i++) CHECK(i < k ? list[i] < N && z >> list[i] & 1 : list[i] == UINT32_MAX);
        check_close(a->log_prob[s], inner_product(z, scores) / (double)temperature - A);
    }
}

static void *array(size_t count, size_t size)
{
    void *memory = malloc(count * size);
    CHECK(memory != NULL);
    return memory;
}

static void topk_agrees_with_enumeration(void)
{
    const imle_shape shape = {B, N, K, S}, no_samples = {B, N, K, 0};
    const imle_key key = {.seed = 1, .step = 2, .row0 = 3};
    const uint32_t k_row[B] = {K, 0, 2};
    const size_t len = imle_topk_exact_workspace_len(&shape);
    struct answers *a = (struct answers *)array(1, sizeof *a);
    float *work = (float *)array(len, sizeof *work);
    unsigned b;

    CHECK(imle_topk_marginals(&no_samples, k_row, temperature, theta, LD, a->marginals, a->log_partition, a->entropy,
                              work, len) == IMLE_OK);
    CHECK(imle_topk_marginals_vjp(&no_samples, k_row, temperature, theta, LD, v, 0, a->vjp, work, len) == IMLE_OK);
    CHECK(imle_topk_sample_exact(&shape, k_row, temperature, &key, theta, LD, a->z, a->indices, work, len) == IMLE_OK);
    CHECK(imle_topk_log_prob(&shape, k_row, temperature, theta, LD, a->indices, a->log_prob, work, len) == IMLE_OK);
    CHECK(imle_topk_kl(&no_samples, k_row, temperature, theta, LD, other, 0, a->kl, work, len) == IMLE_OK);
    for (b = 0; b < B; b++) row_agrees_with_enumeration(a, b, k_row[b], K);

    /* A row that is called alone draws the same samples as in the batch. */
    for (b = 0; b < B; b++) {
        const imle_shape one = {1, N, K, S};
        const imle_key moved = {.seed = 1, .step = 2, .row0 = 3 + b};
        float z[S * N];
        CHECK(imle_topk_sample_exact(&one, k_row + b, temperature, &moved, theta + b * LD, 0, z, NULL, work, len) ==
              IMLE_OK);
        CHECK(memcmp(z, a->z + b * S * N, sizeof z) == 0);
    }
    /* Without k_row every row has K ones. */
    CHECK(imle_topk_sample_exact(&shape, NULL, temperature, &key, theta, LD, NULL, a->indices, work, len) == IMLE_OK);
    CHECK(a->indices[B * S * K - 1] < N);
    /* The divergence of row 0 is infinite, because theta masks an entry there that `other` may choose. */
    CHECK(imle_topk_kl(&no_samples, NULL, temperature, other, 0, theta, LD, a->kl, work, len) == IMLE_OK);
    CHECK(isinf(a->kl[0]) && isfinite(a->kl[1]));
    free(a), free(work);
}

/* All sizes from 0 to N, and the gradient of the sum of v_k A_k with v_k = k - 2. */
static void log_partitions_agree_with_enumeration(void)
{
    const imle_shape shape = {B, N, N, 0};
    const size_t len = imle_topk_exact_workspace_len(&shape);
    struct answers *a = (struct answers *)array(1, sizeof *a);
    float *work = (float *)array(len, sizeof *work), weights[B * (N + 1)];
    unsigned b, k, z, i;

    for (i = 0; i < B * (N + 1); i++) weights[i] = (float)(i % (N + 1)) - 2.0f;
    CHECK(imle_topk_log_partitions(&shape, temperature, theta, LD, a->log_partitions, work, len) == IMLE_OK);
    CHECK(imle_topk_log_partitions_vjp(&shape, temperature, theta, LD, weights, 0, a->log_partitions_vjp, work, len) ==
          IMLE_OK);
    for (b = 0; b < B; b++) {
        const float *scores = theta + b * LD, *all = a->log_partitions + b * (N + 1);
        double gradient[N] = {0};
        for (k = 0; k <= N; k++) {
            const double A = log_partition(scores, k);
            if (isinf(A)) {
                CHECK(isinf(all[k]) && all[k] < 0);
                continue;
            }
            check_close(all[k], A);
            for (z = 0; z < 1u << N; z++) {
                const double p = exp(inner_product(z, scores) / (double)temperature - A);
                for (i = 0; is_state(z, k) && i < N; i++)
                    if (z >> i & 1) gradient[i] += (double)weights[k] * p / (double)temperature;
            }
        }
        for (i = 0; i < N; i++) check_close(a->log_partitions_vjp[b * N + i], gradient[i]);
    }
    free(a), free(work);
}

/* The loss is linear and dz its gradient: then the correction is 0, and the estimate is the exact gradient. */
static void unbiased_simple_of_a_linear_loss_is_exact(unsigned k)
{
    const imle_shape shape = {B, N, k, S}, no_samples = {B, N, k, 0};
    const imle_key key = {.seed = 1, .step = 2, .row0 = 3};
    const size_t len = k == 1 ? imle_argmax_exact_workspace_len(&shape) : imle_topk_exact_workspace_len(&shape);
    struct answers *a = (struct answers *)array(1, sizeof *a);
    float *work = (float *)array(len, sizeof *work), losses[B * S];
    unsigned i, s;

    if (k == 1) {
        CHECK(imle_argmax_sample_exact(&shape, temperature, &key, theta, LD, a->z, a->indices, work, len) == IMLE_OK);
        CHECK(imle_argmax_marginals_vjp(&no_samples, temperature, theta, LD, v, 0, a->vjp, work, len) == IMLE_OK);
    } else {
        CHECK(imle_topk_sample_exact(&shape, NULL, temperature, &key, theta, LD, a->z, a->indices, work, len) ==
              IMLE_OK);
        CHECK(imle_topk_marginals_vjp(&no_samples, NULL, temperature, theta, LD, v, 0, a->vjp, work, len) == IMLE_OK);
    }
    for (s = 0; s < B * S; s++) {
        double loss = 1e3;
        for (i = 0; i < N; i++) loss += (double)(a->z[s * N + i] * v[s / S * N + i]);
        losses[s] = (float)loss;
    }
    if (k == 1)
        CHECK(imle_argmax_unbiased_simple(&shape, temperature, theta, LD, a->indices, v, 0, 0, losses,
                                          a->unbiased_simple, 0, work, len) == IMLE_OK);
    else
        CHECK(imle_topk_unbiased_simple(&shape, NULL, temperature, theta, LD, a->indices, v, 0, 0, losses,
                                        a->unbiased_simple, 0, work, len) == IMLE_OK);
    /* A loss of 1000 is rounded to 6e-5. */
    for (i = 0; i < B * N; i++) CHECK(fabsf(a->unbiased_simple[i] - a->vjp[i]) < 3e-4f);
    free(a), free(work);
}

static void argmax_agrees_with_enumeration(void)
{
    const imle_shape shape = {B, N, 1, S}, no_samples = {B, N, 1, 0};
    const imle_key key = {.seed = 1, .step = 2, .row0 = 3};
    const size_t len = imle_argmax_exact_workspace_len(&shape);
    struct answers *a = (struct answers *)array(1, sizeof *a);
    float *work = (float *)array(len, sizeof *work);
    unsigned b;

    CHECK(imle_argmax_marginals(&no_samples, temperature, theta, LD, a->marginals, a->log_partition, a->entropy, work,
                                len) == IMLE_OK);
    CHECK(imle_argmax_marginals_vjp(&no_samples, temperature, theta, LD, v, 0, a->vjp, work, len) == IMLE_OK);
    CHECK(imle_argmax_sample_exact(&shape, temperature, &key, theta, LD, a->z, a->indices, work, len) == IMLE_OK);
    CHECK(imle_argmax_log_prob(&shape, temperature, theta, LD, a->indices, a->log_prob, work, len) == IMLE_OK);
    CHECK(imle_argmax_kl(&no_samples, temperature, theta, LD, other, 0, a->kl, work, len) == IMLE_OK);
    for (b = 0; b < B; b++) row_agrees_with_enumeration(a, b, 1, 1);
    free(a), free(work);
}

/* Three words whose A and H come from an enumeration in f64, for every kind of trees, and a row of one word. */
static void trees_have_their_check_values(void)
{
    enum { WORDS = 3, ARCS = WORDS * WORDS };
    static const float scores[2 * ARCS] = {
        1.764052f, 0.400157f, 0.978738f, 2.240893f, 1.867558f, -0.977278f, 0.950088f, -0.151357f, -0.103219f,
        0.5f, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, /* one word */
    };
    static const double a[4] = {6.163036, 5.495959, 5.252375, 4.323764};
    static const double h[4] = {2.069686, 1.234208, 2.090330, 1.630997};
    static const uint32_t n_row[2] = {3, 1};
    const imle_shape shape = {2, ARCS, WORDS, S};
    const imle_key key = {.seed = 4};
    unsigned kind, d, s;

    for (kind = 0; kind < 4; kind++) {
        imle_tree_options options;
        float mu[2 * ARCS], log_partition[2], entropy[2], log_prob[2 * S], *work;
        uint32_t indices[2 * S * WORDS], heads[2 * S * WORDS];
        size_t len;

        imle_tree_options_default(&options);
        options.projective = kind / 2;
        options.single_root = kind % 2;
        len = imle_tree_exact_workspace_len(&shape, &options);
        CHECK(len == IMLE_TREE_EXACT_WORKSPACE_LEN(WORDS, kind / 2, kind % 2));
        work = (float *)array(len, sizeof *work);
        CHECK(imle_tree_marginals(&shape, n_row, &options, 1.0f, scores, 0, mu, log_partition, entropy, work, len) ==
              IMLE_OK);
        CHECK(fabs((double)log_partition[0] - a[kind]) < 1e-5 && fabs((double)entropy[0] - h[kind]) < 4e-6);
        CHECK(log_partition[1] == 0.5f && entropy[1] == 0.0f && mu[ARCS] == 1.0f && mu[ARCS + 1] == 0.0f);
        for (d = 0; d < WORDS; d++)
            CHECK(fabsf(mu[d] + mu[WORDS + d] + mu[2 * WORDS + d] - 1.0f) < 1e-6f);
        CHECK(imle_tree_sample_exact(&shape, n_row, &options, 1.0f, &key, scores, 0, NULL, indices, work, len) ==
              IMLE_OK);
        CHECK(imle_tree_heads(&shape, n_row, indices, heads) == IMLE_OK);
        CHECK(imle_tree_log_prob(&shape, n_row, &options, 1.0f, scores, 0, indices, log_prob, work, len) == IMLE_OK);
        for (s = 0; s < S; s++) {
            double score = -(double)log_partition[0];
            for (d = 0; d < WORDS; d++) score += (double)scores[heads[s * WORDS + d] * WORDS + d];
            CHECK(fabs((double)log_prob[s] - score) < 1e-5 && log_prob[S + s] == 0.0f);
        }
        free(work);
    }
}

int main(void)
{
    trees_have_their_check_values();
    topk_agrees_with_enumeration();
    argmax_agrees_with_enumeration();
    log_partitions_agree_with_enumeration();
    unbiased_simple_of_a_linear_loss_is_exact(1);
    unbiased_simple_of_a_linear_loss_is_exact(K);
    puts("exact: marginals, log-partitions, entropy, gradients, samples, log-probabilities and divergence agree with "
         "enumeration");
    return 0;
}
