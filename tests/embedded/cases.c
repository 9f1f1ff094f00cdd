/* Calls every family of functions and writes every bit of their results. This file must write the same text on the host
 * and on every board. All inputs are exact, so that nothing is rounded outside the library. The exact functions of
 * trees are missing, because they are too much for the flash of a small Cortex-M0; float_modes.c calls them. */
#include "show.h"

/* The arrays of these sizes fit into the 16 KiB of a small Cortex-M0. Projective trees need the longest workspace. */
enum { MOST = 256, LISTED = 64, WORDS = 12, WORK = IMLE_TREE_WORKSPACE_LEN(WORDS, 1, 1) };

static float theta[MOST], other[MOST], dz[MOST], z[MOST], z_target[MOST], out[MOST], work[WORK];
static uint32_t indices[LISTED];
static const size_t work_len = WORK;
static const imle_key key = {42, 7, 100, 0, 0, 0};

static float bits(uint32_t word)
{
    float x;
    memcpy(&x, &word, 4);
    return x;
}

/* Writes special values among the first 16: a mask, both zeros, subnormals and a large score. */
static void set_special_values(float *x)
{
    x[1] = bits(0xff800000u); /* -inf */
    x[3] = bits(0x80000000u); /* -0 */
    x[4] = 0.0f;
    x[6] = bits(0x00000001u); /* the least subnormal */
    x[7] = bits(0x80000002u);
    x[9] = bits(0xff7fffffu); /* -FLT_MAX */
    x[11] = bits(0x007fffffu);
}

static void clear(void)
{
    memset(z, 0x5a, sizeof z);
    memset(out, 0x5a, sizeof out);
    memset(work, 0xff, sizeof work); /* NaN: a call that reads this shows it */
    memset(indices, 0x5a, sizeof indices);
}

/* ---- cases ---- */

static void map(uint32_t n, uint32_t k)
{
    const imle_shape shape = {1, n, k, 1};
    clear();
    show("map", imle_topk_map(&shape, NULL, theta, 0, z, indices, work, work_len), indices, k);
    show("map z", 0, z, n);
}

static void layer(const imle_options *options, uint32_t rows, uint32_t n, uint32_t k, uint32_t samples)
{
    const imle_shape shape = {rows, n, k, samples};
    imle_diagnostics found = {0, 0, 0};
    imle_status status;
    clear();
    show("noise", imle_noise(&shape, options, &key, z), z, rows * samples * n);
    status = imle_topk_sample(&shape, NULL, options, &key, theta, 0, z, indices, out, work, work_len);
    show("sample", status, indices, rows * samples * k);
    show("sample z", 0, z, rows * samples * n);
    show("sample marginals", 0, out, rows * n);
    status = imle_topk_gradient(&shape, NULL, options, &key, theta, 0, dz, 0, 0, NULL, out, 0, &found, work, work_len);
    show("gradient", status, out, rows * n);
    board_write("states, unchanged, nonzeros ");
    write_hex(found.states, 16);
    write_hex(found.unchanged, 16);
    write_hex(found.nonzeros, 16);
    board_write("\n");
    status = imle_topk_gradient(&shape, NULL, options, &key, theta, 0, dz, 0, 0, indices, out, 0, NULL, work, work_len);
    show("gradient from lists", status, out, rows * n);
    clear();
    status = imle_topk_gradient(&shape, NULL, options, &key, theta, 0, dz, 0, 0, indices, out, 0, NULL, work, work_len);
    show("gradient from wrong lists", status, out, rows * n);
}

static void argmax(const imle_options *options, uint32_t n)
{
    const imle_shape shape = {1, n, 1, 3};
    float log_partition = 0.0f, entropy = 0.0f;
    imle_status status;
    clear();
    status = imle_argmax_sample(&shape, options, &key, theta, 0, NULL, indices, NULL, work, work_len);
    show("argmax sample", status, indices, 3);
    status = imle_argmax_gradient(&shape, options, &key, theta, 0, dz, 0, 0, indices, out, 0, NULL, work, work_len);
    show("argmax gradient", status, out, n);
    status = imle_argmax_marginals(&shape, 0.5f, theta, 0, out, &log_partition, &entropy, work, work_len);
    show("argmax marginals", status, out, n);
    show("argmax log-partition", 0, &log_partition, 1);
    show("argmax entropy", 0, &entropy, 1);
    show("argmax vjp", imle_argmax_marginals_vjp(&shape, 0.5f, theta, 0, dz, 0, out, work, work_len), out, n);
}

static void exact(uint32_t n, uint32_t k, float temperature)
{
    const imle_shape shape = {1, n, k, 4};
    float log_partition = 0.0f, entropy = 0.0f, kl = 0.0f, log_prob[4] = {0};
    imle_status status;
    clear();
    status = imle_topk_marginals(&shape, NULL, temperature, theta, 0, out, &log_partition, &entropy, work, work_len);
    show("exact marginals", status, out, n);
    show("exact log-partition", 0, &log_partition, 1);
    show("exact entropy", 0, &entropy, 1);
    status = imle_topk_marginals_vjp(&shape, NULL, temperature, theta, 0, dz, 0, out, work, work_len);
    show("exact vjp", status, out, n);
    status = imle_topk_sample_exact(&shape, NULL, temperature, &key, theta, 0, NULL, indices, work, work_len);
    show("exact samples", status, indices, 4 * k);
    status = imle_topk_log_prob(&shape, NULL, temperature, theta, 0, indices, log_prob, work, work_len);
    show("exact log-probabilities", status, log_prob, 4);
    status = imle_topk_kl(&shape, NULL, temperature, theta, 0, other, 0, &kl, work, work_len);
    show("exact kl", status, &kl, 1);
    status = imle_topk_log_partitions(&shape, temperature, theta, 0, out, work, work_len);
    show("exact log-partitions of all sizes", status, out, k + 1);
    status = imle_topk_log_partitions_vjp(&shape, temperature, theta, 0, dz, 0, out, work, work_len);
    show("exact vjp of the log-partitions", status, out, n);
}

static void estimators(const imle_options *options, uint32_t n, uint32_t k)
{
    const imle_shape shape = {1, n, k, 4};
    const float losses[4] = {0.5f, -1.25f, 2.0f, 0.25f};
    float loss = 0.0f;
    imle_status status;
    clear();
    status = imle_topk_map(&shape, NULL, other, 0, z, NULL, work, work_len); /* a state to learn */
    if (status == IMLE_OK)
        status = imle_topk_fenchel_young(&shape, NULL, options, &key, theta, 0, z, 0, &loss, out, 0, work, work_len);
    show("Fenchel-Young gradient", status, out, n);
    show("Fenchel-Young loss", status, &loss, 1);
    status = imle_topk_simple(&shape, NULL, 0.5f, theta, 0, dz, 0, 0, out, 0, work, work_len);
    show("SIMPLE", status, out, n);
    status = imle_topk_sample_exact(&shape, NULL, 0.5f, &key, theta, 0, NULL, indices, work, work_len);
    if (status == IMLE_OK)
        status = imle_topk_score_function(&shape, NULL, 0.5f, theta, 0, indices, losses, out, 0);
    show("score function", status, out, n);
    status = imle_topk_unbiased_simple(&shape, NULL, 0.5f, theta, 0, indices, dz, 0, 0, losses, out, 0, work, work_len);
    show("unbiased SIMPLE", status, out, n);
    status = imle_perturbed_gradient(&shape, options, &key, theta, 0, losses, out, 0);
    show("score function of the noise", status, out, n);
    show("straight-through", imle_straight_through(&shape, theta, 0, dz, 0, 0, out, 0), out, n);
}

/* One sentence, with the workspace that this kind of trees needs. */
static void trees(const imle_options *options, uint32_t projective, uint32_t single_root)
{
    const imle_shape shape = {1, WORDS * WORDS, WORDS, 2};
    const size_t len = IMLE_TREE_WORKSPACE_LEN(WORDS, projective, single_root);
    imle_tree_options parse;
    uint32_t heads[2 * WORDS] = {0};
    imle_status status;
    imle_tree_options_default(&parse);
    parse.projective = projective;
    parse.single_root = single_root;
    clear();
    show("tree", imle_tree_map(&shape, NULL, &parse, theta, 0, NULL, indices, work, len), indices, WORDS);
    status = imle_tree_sample(&shape, NULL, &parse, options, &key, theta, 0, NULL, indices, out, work, len);
    show("tree samples", status, indices, 2 * WORDS);
    show("tree marginals", 0, out, WORDS * WORDS);
    show("tree heads", imle_tree_heads(&shape, NULL, indices, heads), heads, 2 * WORDS);
    status = imle_tree_gradient(&shape, NULL, &parse, options, &key, theta, 0, dz, 0, 0, NULL, out, 0, NULL, work, len);
    show("tree gradient", status, out, WORDS * WORDS);
    status =
        imle_tree_gradient(&shape, NULL, &parse, options, &key, theta, 0, dz, 0, 0, indices, out, 0, NULL, work, len);
    show("tree gradient from lists", status, out, WORDS * WORDS);
}

/* Rows on which the library computes few of the scores, because bounds exclude the others. The masks meet a target with
 * alpha = 0, where alpha theta is NaN, and one with alpha = -1, where it is +inf. The scores lie inside and outside the
 * range of the bounds. */
static void bounds(uint32_t noise)
{
    imle_options options;
    uint32_t i;
    imle_options_default(&options);
    options.noise = noise;
    options.lambda = 3.0f;
    quarters(theta, MOST, 7);
    set_special_values(theta);
    options.alpha = -1.0f;
    layer(&options, 1, 64, 8, 1);
    options.alpha = 0.0f;
    options.temperature = options.target_temperature = 0.03125f;
    layer(&options, 1, 64, 8, 1);
    options.alpha = 1.0f;
    for (i = 0; i < MOST; i++) theta[i] = theta[i] * 512.0f;
    layer(&options, 1, 64, 5, 1);
}

/* The caller's solver: it chooses all coordinates with positive scores. */
static void solve(const float *scores, float *state, size_t n)
{
    size_t i;
    for (i = 0; i < n; i++) state[i] = scores[i] > 0.0f ? 1.0f : 0.0f;
}

static void own_solver(const imle_options *options, int32_t side, uint32_t n)
{
    const imle_shape shape = {1, n, 0, 2};
    imle_diagnostics found = {0, 0, 0};
    clear();
    show("perturb", imle_perturb(&shape, options, &key, theta, 0, z), z, 2 * n);
    solve(z, z, 2 * n);
    show("target", imle_target(&shape, options, &key, side, theta, 0, dz, 0, 0, z_target), z_target, 2 * n);
    solve(z_target, z_target, 2 * n);
    show("difference", imle_difference(&shape, options, z, z_target, out, 0, &found), out, n);
    show("difference counts", 0, &found, sizeof found / 4);
}

static void adaptive(uint32_t rule, size_t n)
{
    const imle_diagnostics found[3] = {{8, 5, 6}, {8, 0, 40}, {8, 8, 0}};
    imle_adaptive state;
    imle_adaptive_parts parts = {0.0, 0.0, 0, 0};
    float lambda = 0.0f;
    imle_status status;
    int i;
    imle_adaptive_default(&state);
    state.rule = rule;
    state.momentum = rule == IMLE_ADAPTIVE_ADDITIVE ? 0.5f : 0.0f;
    for (i = 0; i < 3; i++) {
        status = imle_adaptive_lambda(&state, theta, n, dz, n, &lambda);
        show("adaptive lambda", status, &lambda, 1);
        show("adaptive state", imle_adaptive_update(&state, &found[i]), &state, sizeof state / 4);
    }
    status = imle_adaptive_add(&parts, theta, n / 3, dz, n / 2);
    if (status == IMLE_OK) status = imle_adaptive_add(&parts, theta + n / 3, n - n / 3, dz + n / 2, n - n / 2);
    show("adaptive parts", status, &parts, sizeof parts / 4);
    show("adaptive lambda from parts", imle_adaptive_lambda_from(&state, &parts, &lambda), &lambda, 1);
}

static void refused(void)
{
    const imle_shape shape = {2, 8, 3, 1}, wrong = {1, 3, 4, 1};
    imle_options options;
    uint32_t row = 77;
    imle_options_default(&options);
    clear();
    numbers(theta, 16, 5);
    show("no shape", imle_topk_map(NULL, NULL, theta, 0, z, NULL, work, work_len), z, 1);
    show("wrong shape", imle_topk_map(&wrong, NULL, theta, 0, z, NULL, work, work_len), z, 1);
    show("short workspace", imle_topk_map(&shape, NULL, theta, 0, z, NULL, work, 23), z, 1);
    show("overlap", imle_topk_map(&shape, NULL, theta, 0, theta + 1, NULL, work, work_len), theta, 1);
    options.lambda = 0.0f;
    show("lambda 0", imle_topk_sample(&shape, NULL, &options, &key, theta, 0, z, NULL, NULL, work, work_len), z, 1);
    theta[13] = bits(0x7fc00000u); /* NaN in the second row; the first is completed */
    show("a NaN", imle_topk_map(&shape, NULL, theta, 0, z, NULL, work, work_len), z, 16);
    show("bad row", imle_topk_find_bad_row(&shape, NULL, theta, 0, NULL, 0, 0, &row), &row, 1);
}

int main(void)
{
    imle_options options;
    uint32_t noise, kind;

    quarters(theta, MOST, 7);
    quarters(dz, MOST, 11);
    map(1, 1);
    map(17, 0);
    map(33, 7);
    set_special_values(theta);
    map(33, 7);
    map(33, 25);

    for (noise = IMLE_NOISE_NONE; noise <= IMLE_NOISE_NORMAL; noise++) {
        imle_options_default(&options);
        options.noise = noise;
        options.lambda = 3.0f;
        layer(&options, 2, 17, 4, 3);
        options.difference = IMLE_DIFFERENCE_CENTRAL;
        options.target_temperature = 0.75f;
        options.alpha = 0.875f;
        layer(&options, 1, 33, 11, 2);
        own_solver(&options, -1, 17);
        argmax(&options, 33);
        bounds(noise);
        quarters(theta, MOST, 7);
        set_special_values(theta);
    }
    imle_options_default(&options);
    options.target = IMLE_TARGET_COMBINATORIAL;
    layer(&options, 1, 16, 5, 4);
    own_solver(&options, +1, 31);

    imle_options_default(&options);
    options.lambda = 3.0f;
    for (kind = 0; kind < 4; kind++) trees(&options, kind & 1, kind >> 1); /* with ties and a mask */

    numbers(theta, MOST, 1);
    numbers(other, MOST, 2);
    numbers(dz, MOST, 3);
    imle_options_default(&options);
    layer(&options, 1, MOST, 8, 1);
    for (kind = 0; kind < 4; kind++) trees(&options, kind & 1, kind >> 1);
    exact(33, 5, 1.0f);
    exact(16, 8, 0.125f);
    estimators(&options, 33, 5);
    adaptive(IMLE_ADAPTIVE_ADDITIVE, MOST);
    adaptive(IMLE_ADAPTIVE_MULTIPLICATIVE, 33);
    set_special_values(theta);
    exact(33, 12, 1.0f);
    refused();
    return 0;
}
