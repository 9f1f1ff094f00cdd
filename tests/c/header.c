/* Checks that the macros of imle.h have the values that the functions return. With HEADER_ONLY it checks only that the
 * header compiles. */
#include "imle.h"
#include "imle.h"

static float workspace[IMLE_TOPK_WORKSPACE_LEN(5, 2)];
static float tree_workspace[IMLE_TREE_WORKSPACE_LEN(5, 1, 0)];
static float workspace_of_one[IMLE_ARGMAX_WORKSPACE_LEN(5)];
static float exact_workspace[IMLE_TOPK_EXACT_WORKSPACE_LEN(5, 2)];
static float exact_workspace_of_one[IMLE_ARGMAX_EXACT_WORKSPACE_LEN(5)];

imle_status map(const imle_shape *shape, const float *theta, float *z);
imle_status entropy(const imle_shape *shape, const float *theta, float *h);
imle_status parse(const imle_shape *shape, const float *theta, float *z);

imle_status map(const imle_shape *shape, const float *theta, float *z)
{
    if (shape->k == 1) return imle_argmax_map(shape, theta, 0, z, NULL, workspace_of_one, sizeof workspace_of_one / 4);
    return imle_topk_map(shape, NULL, theta, 0, z, NULL, workspace, sizeof workspace / 4);
}

imle_status entropy(const imle_shape *shape, const float *theta, float *h)
{
    const size_t len = sizeof exact_workspace / 4, len_of_one = sizeof exact_workspace_of_one / 4;
    if (shape->k == 1)
        return imle_argmax_marginals(shape, 1.0f, theta, 0, NULL, NULL, h, exact_workspace_of_one, len_of_one);
    return imle_topk_marginals(shape, NULL, 1.0f, theta, 0, NULL, NULL, h, exact_workspace, len);
}

imle_status parse(const imle_shape *shape, const float *theta, float *z)
{
    imle_tree_options options;
    imle_tree_options_default(&options);
    options.projective = 1;
    return imle_tree_map(shape, NULL, &options, theta, 0, z, NULL, tree_workspace, sizeof tree_workspace / 4);
}

#ifndef HEADER_ONLY
#include "check.h"

#include <string.h>

int main(void)
{
    char version[32];
    uint32_t n, k;

    snprintf(version, sizeof version, "%d.%d.%d", IMLE_VERSION_MAJOR, IMLE_VERSION_MINOR, IMLE_VERSION_PATCH);
    CHECK(strcmp(version, IMLE_VERSION) == 0);
    CHECK(strcmp(imle_version(), IMLE_VERSION) == 0);
    CHECK(imle_abi_version() == IMLE_ABI_VERSION);

    for (n = 0; n < 70; n++) {
        for (k = 0; k < 75; k++) {
            const imle_shape shape = {1 + n % 3, n, k, k % 5};
            CHECK(imle_topk_workspace_len(&shape) == IMLE_TOPK_WORKSPACE_LEN(n, k));
            CHECK(imle_argmax_workspace_len(&shape) == (k == 1 ? IMLE_ARGMAX_WORKSPACE_LEN(n) : 0));
            CHECK(imle_topk_exact_workspace_len(&shape) == IMLE_TOPK_EXACT_WORKSPACE_LEN(n, k));
            CHECK(imle_argmax_exact_workspace_len(&shape) == (k == 1 ? IMLE_ARGMAX_EXACT_WORKSPACE_LEN(n) : 0));
        }
    }
    for (n = 0; n < 300; n++) {
        const imle_shape shape = {n % 3, n * n, n, n % 5};
        imle_tree_options options;
        imle_tree_options_default(&options);
        CHECK(imle_tree_workspace_len(&shape, &options) == IMLE_TREE_WORKSPACE_LEN(n, 0, 0));
        CHECK(imle_tree_exact_workspace_len(&shape, &options) == IMLE_TREE_EXACT_WORKSPACE_LEN(n, 0, 0));
        options.projective = 1;
        CHECK(imle_tree_workspace_len(&shape, &options) == IMLE_TREE_WORKSPACE_LEN(n, 1, 0));
        CHECK(imle_tree_exact_workspace_len(&shape, &options) == IMLE_TREE_EXACT_WORKSPACE_LEN(n, 1, 0));
        options.single_root = 1;
        CHECK(imle_tree_workspace_len(&shape, &options) == IMLE_TREE_WORKSPACE_LEN(n, 1, 1));
        CHECK(imle_tree_exact_workspace_len(&shape, &options) == IMLE_TREE_EXACT_WORKSPACE_LEN(n, 1, 1));
    }
    if (sizeof(size_t) > 4) {
        const imle_shape large = {1, 1u << 28, 1u << 20, 1};
        CHECK(imle_topk_workspace_len(&large) == IMLE_TOPK_WORKSPACE_LEN(1u << 28, 1u << 20));
        CHECK(imle_topk_exact_workspace_len(&large) == IMLE_TOPK_EXACT_WORKSPACE_LEN(1u << 28, 1u << 20));
    }
    puts("header: the macros equal the functions: version, ABI version, workspaces on a grid of (n, k) and for trees");
    return 0;
}
#endif
