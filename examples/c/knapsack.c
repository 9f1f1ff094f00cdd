/* Learns what things are worth from how somebody packs, with a knapsack solver of the caller's own.
 *
 * Each pack is drawn from ITEMS items with whole weights and FEATURES numbers each, and may weigh CAPACITY:
 *
 *   worth of item i  = <w*, feature_i>; w* is hidden from the learner, which sees only the packs of the largest worth
 *   state z          = 1 for the items of a pack, whose number differs from pack to pack
 *   score            = theta_i = <w, feature_i>, so MAP(theta) = argmax <z, theta> = the pack of the largest worth
 *   loss(z)          = the number of items on which z differs from the observed pack y, dz_i = 1 - 2 y_i
 *
 * A step of training takes three calls: imle_perturb adds noise to theta and the solver finds z, imle_target computes the
 * scores of the target and the solver finds z', imle_difference makes the gradient for theta of the two. The chain rule
 * carries it to w. examples/own_solver does the same in Rust, with the solver inside the layer, and prints the same. */
#include <stdio.h>

#include "imle.h"

enum { ITEMS = 60, FEATURES = 5, CAPACITY = 150, TRAINING = 40, NEW = 200, STEPS = 40 };

typedef struct packs {
    uint32_t rows;
    uint32_t weight[NEW][ITEMS];
    float feature[NEW][ITEMS][FEATURES];
    float observed[NEW][ITEMS]; /* y */
} packs;

/* MAP(scores) by a dynamic programme: best[i][c] is the largest sum of scores of the items i, i+1, ... within capacity c.
 * The items are decided in ascending order; one whose two choices are worth the same is left out. */
static void solve_one(const uint32_t *weight, const float *score, float *z) {
    static float best[ITEMS + 1][CAPACITY + 1];
    for (uint32_t c = 0; c <= CAPACITY; c++) best[ITEMS][c] = 0.0f;
    for (int i = ITEMS - 1; i >= 0; i--)
        for (uint32_t c = 0; c <= CAPACITY; c++) {
            best[i][c] = best[i + 1][c];
            if (weight[i] <= c && score[i] + best[i + 1][c - weight[i]] > best[i][c])
                best[i][c] = score[i] + best[i + 1][c - weight[i]];
        }
    uint32_t c = CAPACITY;
    for (int i = 0; i < ITEMS; i++) {
        const int taken = best[i][c] > best[i + 1][c];
        z[i] = taken ? 1.0f : 0.0f;
        if (taken) c -= weight[i];
    }
}

static void solve(const packs *p, const float *scores, float *z) {
    for (uint32_t b = 0; b < p->rows; b++) solve_one(p->weight[b], scores + b * ITEMS, z + b * ITEMS);
}

/* theta_i = <w, feature_i> */
static void score(const packs *p, const float *w, float *theta) {
    const float *feature = &p->feature[0][0][0];
    for (uint32_t i = 0; i < p->rows * ITEMS; i++) {
        theta[i] = 0.0f;
        for (uint32_t f = 0; f < FEATURES; f++) theta[i] += feature[i * FEATURES + f] * w[f];
    }
}

/* Makes items from normal numbers, which the library draws, and packs them by the hidden worth w. */
static imle_status make(packs *p, uint64_t seed, uint32_t rows, const float *w) {
    static float number[NEW * ITEMS], theta[NEW * ITEMS];
    imle_options normal;
    imle_options_default(&normal);
    normal.noise = IMLE_NOISE_NORMAL;
    p->rows = rows;

    const imle_shape one_each = {.rows = rows, .n = ITEMS, .k = 0, .samples = 1};
    const imle_key weights = {.seed = seed, .step = 0};
    imle_status status = imle_noise(&one_each, &normal, &weights, number);
    if (status != IMLE_OK) return status;
    for (uint32_t i = 0; i < rows * ITEMS; i++) {
        const float weight = 10.0f + 4.0f * number[i];
        (&p->weight[0][0])[i] = weight < 1.0f ? 1 : weight > 30.0f ? 30 : (uint32_t)weight;
    }

    const imle_shape five_each = {.rows = rows, .n = ITEMS * FEATURES, .k = 0, .samples = 1};
    const imle_key features = {.seed = seed, .step = 1};
    status = imle_noise(&five_each, &normal, &features, &p->feature[0][0][0]);
    if (status != IMLE_OK) return status;
    score(p, w, theta);
    solve(p, theta, &p->observed[0][0]);
    return IMLE_OK;
}

/* One step of gradient descent on the mean loss, with two solver calls for each pack. */
static imle_status train(const packs *p, const imle_options *options, uint64_t step, float rate, float *w) {
    static float theta[TRAINING * ITEMS], scores[TRAINING * ITEMS], dz[TRAINING * ITEMS], grad_theta[TRAINING * ITEMS];
    static float z[TRAINING * ITEMS], z_target[TRAINING * ITEMS];
    const imle_shape shape = {.rows = p->rows, .n = ITEMS, .k = 0, .samples = 1}; /* k is not used */
    const imle_key key = {.seed = 1, .step = step};
    const float *feature = &p->feature[0][0][0], *observed = &p->observed[0][0];

    score(p, w, theta);
    imle_status status = imle_perturb(&shape, options, &key, theta, 0, scores);
    if (status != IMLE_OK) return status;
    solve(p, scores, z);

    for (uint32_t i = 0; i < p->rows * ITEMS; i++) dz[i] = 1.0f - 2.0f * observed[i];
    status = imle_target(&shape, options, &key, +1, theta, 0, dz, 0, 0, scores);
    if (status != IMLE_OK) return status;
    solve(p, scores, z_target);

    status = imle_difference(&shape, options, z, z_target, grad_theta, 0, NULL);
    if (status != IMLE_OK) return status;
    float grad_w[FEATURES] = {0};
    for (uint32_t i = 0; i < p->rows * ITEMS; i++)
        for (uint32_t f = 0; f < FEATURES; f++) grad_w[f] += feature[i * FEATURES + f] * grad_theta[i];
    for (int f = 0; f < FEATURES; f++) w[f] -= rate * grad_w[f] / (float)p->rows;
    return IMLE_OK;
}

/* Shows the worth of the packs that w chooses, as a share of the largest worth, and the share of items as observed. */
static void show(unsigned step, const packs *p, const float *w, const float *w_true) {
    static float theta[NEW * ITEMS], worth[NEW * ITEMS], z[NEW * ITEMS];
    const float *observed = &p->observed[0][0];
    float chosen = 0.0f, largest = 0.0f;
    unsigned same = 0;
    score(p, w, theta);
    score(p, w_true, worth);
    solve(p, theta, z);
    for (uint32_t i = 0; i < p->rows * ITEMS; i++) {
        chosen += worth[i] * z[i];
        largest += worth[i] * observed[i];
        same += z[i] == observed[i];
    }
    printf("%4u %16.1f %% %18.1f %%\n", step, (double)(100.0f * (chosen / largest)),
           (double)(100.0f * ((float)same / (float)(p->rows * ITEMS))));
}

int main(void) {
    const float w_true[FEATURES] = {2.0f, -1.0f, 0.5f, 0.0f, 1.0f}; /* w* */
    float w[FEATURES] = {0.1f, 0.1f, 0.1f, 0.1f, 0.1f};
    static packs training, new_ones;
    imle_options options;
    imle_options_default(&options);
    options.lambda = 2.0f;

    imle_status status = make(&training, 1, TRAINING, w_true);
    if (status == IMLE_OK) status = make(&new_ones, 2, NEW, w_true);
    printf("step   worth of %d new packs   items as packed\n", NEW);
    for (unsigned step = 0; status == IMLE_OK && step <= STEPS; step++) {
        if (step % 10 == 0) show(step, &new_ones, w, w_true);
        status = train(&training, &options, step, 0.005f, w);
    }
    if (status != IMLE_OK) return puts(imle_status_message(status)), 1;
    return 0;
}
