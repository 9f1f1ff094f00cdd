/* Learns to parse one sentence from a loss alone: the number of wrong arcs of sampled trees. Uses static memory only. */
#include <stdio.h>
#include "imle.h"

enum { WORDS = 5, ARCS = WORDS * WORDS, SAMPLES = 8, STEPS = 40 };

static const char *const words[WORDS] = {"She", "saw", "a", "red", "bird"};
static const int gold[WORDS] = {1, 1, 4, 4, 1}; /* the head of each word; "saw" hangs from the root, the diagonal */

int main(void) {
    static float theta[ARCS], dz[ARCS], z[SAMPLES * ARCS], grad_theta[ARCS];
    static float work[IMLE_TREE_WORKSPACE_LEN(WORDS, 1, 1)];
    static uint32_t list[WORDS], heads[WORDS];
    const size_t len = sizeof work / sizeof *work;

    const imle_shape shape = {.rows = 1, .n = ARCS, .k = WORDS, .samples = SAMPLES};
    const imle_shape one = {.rows = 1, .n = ARCS, .k = WORDS, .samples = 1};
    imle_key key = {.seed = 42, .step = 0, .row0 = 0};
    imle_options options;
    imle_options_default(&options);
    imle_tree_options trees;
    imle_tree_options_default(&trees);
    trees.projective = trees.single_root = 1;

    /* loss(z) = the number of words whose arc is not the gold one, so dz is -1 at the gold arcs. */
    for (int d = 0; d < WORDS; d++) dz[gold[d] * WORDS + d] = -1.0f;
    for (int step = 0; step <= STEPS; step++) {
        key.step = (uint64_t)step; /* new noise in every step, and the same in its two calls */
        imle_status s = imle_tree_sample(&shape, NULL, &trees, &options, &key, theta, 0, z, NULL, NULL, work, len);
        if (s == IMLE_OK)
            s = imle_tree_gradient(&shape, NULL, &trees, &options, &key, theta, 0, dz, 0, 0, NULL, grad_theta, 0, NULL,
                                   work, len);
        if (s == IMLE_OK) s = imle_tree_map(&one, NULL, &trees, theta, 0, NULL, list, work, len);
        if (s == IMLE_OK) s = imle_tree_heads(&one, NULL, list, heads);
        if (s != IMLE_OK) return puts(imle_status_message(s)), 1;

        if (step % 10 == 0) {
            int right = 0;
            for (int i = 0; i < SAMPLES * ARCS; i++) right += z[i] != 0.0f && dz[i % ARCS] != 0.0f;
            printf("step %2d: %.2f of %d arcs wrong; best parse:", step, WORDS - right / (double)SAMPLES, WORDS);
            for (uint32_t d = 0; d < WORDS; d++)
                printf(" %s<-%s", words[d], heads[d] == d ? "ROOT" : words[heads[d]]);
            puts("");
        }
        for (int i = 0; i < ARCS; i++) theta[i] -= 0.5f * grad_theta[i];
    }
    return 0;
}
