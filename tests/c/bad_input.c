/* Tries one bad input of each kind: the call returns the right status and leaves the outputs as they were.
 * ffi/tests/abi.rs has the complete table. */
#include "imle.h"
#include "check.h"

#include <math.h>
#include <string.h>

enum { B = 2, N = 6, K = 2, S = 1, WORK = IMLE_TOPK_WORKSPACE_LEN(N, K) };

static const float untouched[B * N] = {9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
static float z[B * N];
static float work[WORK];

static int refused(imle_status got, imle_status expected)
{
    int good = got == expected && memcmp(z, untouched, sizeof z) == 0;
    if (!good) fprintf(stderr, "expected: %s\ngot: %s\n", imle_status_message(expected), imle_status_message(got));
    return good;
}

int main(void)
{
    float theta[B * N] = {1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1};
    unsigned char bytes[sizeof theta + 1];
    imle_shape shape = {B, N, K, S};
    imle_key key = {.seed = 1, .step = 2, .row0 = 3};
    imle_options options, bad;
    uint32_t k_row[B] = {K, K + 1}, row;

    imle_options_default(&options);
    memcpy(z, untouched, sizeof z);
#define SAMPLE(k_row, options, theta, ld, work_len) \
    imle_topk_sample(&shape, k_row, options, &key, theta, ld, z, NULL, NULL, work, work_len)
    CHECK(refused(SAMPLE(NULL, NULL, theta, 0, WORK), IMLE_ERR_NULL));
    CHECK(refused(SAMPLE(NULL, &options, (const float *)(const void *)(bytes + 1), 0, WORK), IMLE_ERR_NULL));
    CHECK(refused(SAMPLE(k_row, &options, theta, 0, WORK), IMLE_ERR_SHAPE));
    CHECK(refused(SAMPLE(NULL, &options, theta, N - 1, WORK), IMLE_ERR_STRIDE));
    CHECK(refused(SAMPLE(NULL, &options, theta, SIZE_MAX, WORK), IMLE_ERR_STRIDE));
    CHECK(refused(SAMPLE(NULL, &options, theta, 0, WORK - 1), IMLE_ERR_WORKSPACE));
    CHECK(refused(SAMPLE(NULL, &options, z + 1, 0, WORK), IMLE_ERR_OVERLAP));
    CHECK(refused(SAMPLE(NULL, &options, work + WORK - 1, 0, WORK), IMLE_ERR_OVERLAP));
    bad = options;
    bad.noise = 99;
    CHECK(refused(SAMPLE(NULL, &bad, theta, 0, WORK), IMLE_ERR_OPTION));
    bad = options;
    bad.lambda = 0.0f;
    CHECK(refused(SAMPLE(NULL, &bad, theta, 0, WORK), IMLE_ERR_OPTION));
    bad = options;
    bad.struct_size = 0;
    CHECK(refused(SAMPLE(NULL, &bad, theta, 0, WORK), IMLE_ERR_VERSION));
    shape.n = 0;
    CHECK(refused(SAMPLE(NULL, &options, theta, 0, WORK), IMLE_ERR_SHAPE));
    shape.n = N;
    theta[0] = NAN;
    CHECK(refused(SAMPLE(NULL, &options, theta, 0, WORK), IMLE_ERR_NONFINITE));

    theta[0] = 1.0f;
    theta[N] = theta[N + 1] = theta[N + 2] = theta[N + 3] = theta[N + 4] = -INFINITY;
    CHECK(SAMPLE(NULL, &options, theta, 0, WORK) == IMLE_ERR_INFEASIBLE);
    CHECK(memcmp(z, untouched, N * sizeof *z) != 0 && memcmp(z + N, untouched, N * sizeof *z) == 0);
    CHECK(imle_topk_find_bad_row(&shape, NULL, theta, 0, NULL, 0, 0, &row) == IMLE_OK && row == 1);
    puts("bad input: each kind is refused with its status, and the outputs are untouched");
    return 0;
}
