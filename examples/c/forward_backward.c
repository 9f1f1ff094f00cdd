/* Choose 2 of 5, forward and backward. Static memory only; nothing to link but the library. */
#include <stdio.h>
#include "imle.h"

enum { N = 5, K = 2 };

int main(void) {
    const float theta[N] = {0.3f, -1.2f, 0.9f, 0.0f, 0.5f}; /* scores, from your model */
    const float dz[N] = {0.5f, 0.0f, 2.0f, -3.0f, 0.0f};    /* d loss / d z, from your model */
    static float z[N], grad_theta[N], work[IMLE_TOPK_WORKSPACE_LEN(N, K)];
    const size_t len = sizeof work / sizeof *work;

    const imle_shape shape = {.rows = 1, .n = N, .k = K, .samples = 1};
    const imle_key key = {.seed = 42, .step = 0, .row0 = 0}; /* the same key: the same noise */
    imle_options options;
    imle_options_default(&options); /* Gumbel noise, lambda 1 */

    imle_status s = imle_topk_sample(&shape, NULL, &options, &key, theta, 0, z, NULL, NULL, work, len);
    if (s == IMLE_OK)
        s = imle_topk_gradient(&shape, NULL, &options, &key, theta, 0, dz, 0, 0, NULL, grad_theta, 0, NULL, work, len);
    if (s != IMLE_OK) return puts(imle_status_message(s)), 1;

    for (int i = 0; i < N; i++)
        printf("theta %+.1f   z %.0f   grad_theta %+.0f\n", (double)theta[i], (double)z[i], (double)grad_theta[i]);
    return 0;
}
