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

    /* Trees. */
    {
        enum { WORDS = 3, TREE_WORK = IMLE_TREE_WORKSPACE_LEN(WORDS, 0, 1) };
        static float tree_z[2 * WORDS * WORDS], tree_work[TREE_WORK];
        static const float no_z[2 * WORDS * WORDS];
        const imle_shape sentences = {2, WORDS * WORDS, WORDS, S}, no_square = {2, WORDS * WORDS, WORDS - 1, S};
        const imle_shape no_words = {2, 0, 0, S};
        float scores[2 * WORDS * WORDS] = {0};
        imle_tree_options trees, unknown;
        uint32_t n_row[2] = {WORDS, WORDS + 1}, lists[2 * WORDS] = {0, 1, 2, 0, 5, 7}, heads[2 * WORDS];

        imle_tree_options_default(&trees);
        trees.single_root = 1;
#define PARSE(shape, n_row, trees, work_len) \
    imle_tree_map(&shape, n_row, trees, scores, 0, tree_z, NULL, tree_work, work_len)
#define REFUSED(call, status) CHECK((call) == (status) && memcmp(tree_z, no_z, sizeof no_z) == 0)
        REFUSED(PARSE(sentences, NULL, NULL, TREE_WORK), IMLE_ERR_NULL);
        REFUSED(PARSE(no_words, NULL, &trees, TREE_WORK), IMLE_ERR_SHAPE);
        REFUSED(PARSE(no_square, NULL, &trees, TREE_WORK), IMLE_ERR_SHAPE);
        REFUSED(PARSE(sentences, n_row, &trees, TREE_WORK), IMLE_ERR_SHAPE);
        REFUSED(PARSE(sentences, NULL, &trees, TREE_WORK - 1), IMLE_ERR_WORKSPACE);
        unknown = trees;
        unknown.projective = 2;
        REFUSED(PARSE(sentences, NULL, &unknown, TREE_WORK), IMLE_ERR_OPTION);
        unknown = trees;
        unknown.struct_size = 0;
        REFUSED(PARSE(sentences, NULL, &unknown, TREE_WORK), IMLE_ERR_VERSION);
        scores[WORDS * WORDS + 0] = scores[WORDS * WORDS + 4] = scores[WORDS * WORDS + 8] = -INFINITY; /* no root */
        CHECK(PARSE(sentences, NULL, &trees, TREE_WORK) == IMLE_ERR_INFEASIBLE);
        CHECK(tree_z[0] == 1.0f && memcmp(tree_z + WORDS * WORDS, no_z, sizeof no_z / 2) == 0);
        CHECK(imle_tree_find_bad_row(&sentences, NULL, &trees, scores, 0, NULL, 0, 0, &row, tree_work, TREE_WORK) ==
              IMLE_OK && row == 1);
        CHECK(imle_tree_heads(&sentences, NULL, lists, heads) == IMLE_ERR_INFEASIBLE); /* 1 and 2 are a cycle */
        CHECK(heads[0] == 0 && heads[1] == 0 && heads[2] == 0);
    }
    puts("bad input: each kind is refused with its status, and the outputs are untouched");
    return 0;
}
