/* Calls with Sum-of-Gamma noise. lib/fast and lib/size leave this noise out: there each call returns IMLE_ERR_OPTION
 * and writes nothing. They have a program of their own, because the table of this noise takes most of a small
 * Cortex-M0's RAM. */
#include "show.h"

enum { N = 33, K = 5, S = 2 };

static float theta[N], dz[N], z[S * N], out[N], work[IMLE_TOPK_WORKSPACE_LEN(N, K)];
static uint32_t indices[S * K];
static const size_t work_len = sizeof work / 4;

static void layer(uint32_t terms, float kappa)
{
    const imle_shape shape = {1, N, K, S};
    const imle_key key = {.seed = 42, .step = 7, .row0 = 100};
    imle_options options;
    imle_status status;
    imle_options_default(&options);
    options.noise = IMLE_NOISE_SUM_OF_GAMMA;
    options.sog_terms = terms;
    options.sog_kappa = kappa;
    memset(z, 0x5a, sizeof z);
    memset(out, 0x5a, sizeof out);
    memset(indices, 0x5a, sizeof indices);
    show("noise", imle_noise(&shape, &options, &key, z), z, S * N);
    status = imle_topk_sample(&shape, NULL, &options, &key, theta, 0, NULL, indices, NULL, work, work_len);
    show("sample", status, indices, S * K);
    status = imle_topk_gradient(&shape, NULL, &options, &key, theta, 0, dz, 0, 0, NULL, out, 0, NULL, work, work_len);
    show("gradient", status, out, N);
}

int main(void)
{
    quarters(theta, N, 7);
    numbers(dz, N, 3);
    layer(10, 0.0f);
    layer(IMLE_SOG_TERMS_INFINITE, 2.5f);
    return 0;
}
