/* Works with the distribution p(z) on 2 of 5 in closed form: marginals, entropy, an exact sample and an exact gradient.
 * Uses static memory only. */
#include <stdio.h>
#include "imle.h"

enum { N = 5, K = 2 };

int main(void) {
    const float theta[N] = {0.3f, -1.2f, 0.9f, 0.0f, 0.5f}; /* scores, from your model */
    const float v[N] = {0.5f, 0.0f, 2.0f, -3.0f, 0.0f};     /* gradient of the loss <v, mu> */
    static float mu[N], z[N], grad_theta[N], log_partition, entropy, log_prob;
    static float work[IMLE_TOPK_EXACT_WORKSPACE_LEN(N, K)];
    static uint32_t indices[K];
    const size_t len = sizeof work / sizeof *work;

    const imle_shape shape = {.rows = 1, .n = N, .k = K, .samples = 1};
    const imle_key key = {.seed = 42, .step = 0, .row0 = 0};
    const float t = 1.0f; /* temperature: p(z) proportional to exp(<z, theta> / t) */

    imle_status s = imle_topk_marginals(&shape, NULL, t, theta, 0, mu, &log_partition, &entropy, work, len);
    if (s == IMLE_OK) s = imle_topk_sample_exact(&shape, NULL, t, &key, theta, 0, z, indices, work, len);
    if (s == IMLE_OK) s = imle_topk_log_prob(&shape, NULL, t, theta, 0, indices, &log_prob, work, len);
    if (s == IMLE_OK) s = imle_topk_marginals_vjp(&shape, NULL, t, theta, 0, v, 0, grad_theta, work, len);
    if (s != IMLE_OK) return puts(imle_status_message(s)), 1;

    printf("log-partition %.4f   entropy %.4f   ln p(z) %.4f\n", (double)log_partition, (double)entropy,
           (double)log_prob);
    for (int i = 0; i < N; i++)
        printf("theta %+.1f   mu %.4f   z %.0f   grad_theta %+.4f\n", (double)theta[i], (double)mu[i], (double)z[i],
               (double)grad_theta[i]);
    return 0;
}
