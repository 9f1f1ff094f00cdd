/* Learns the costs of terrain from shortest paths, with Dijkstra's algorithm as the caller's own solver.
 *
 * A map is a grid of cells with FEATURES numbers each (slope, mud, water). Walkers go from the top left to the bottom
 * right and take the cheapest path, but only they know what makes a path cheap:
 *
 *   cost of cell i   = <w*, feature_i>, the cost of a path is the sum over its cells; w* is hidden from the learner
 *   state z          = 1 on the cells of a path, 0 elsewhere
 *   score            = minus cost: theta_i = -<w, feature_i>, so MAP(theta) = argmax <z, theta> = the cheapest path
 *   loss(z)          = Hamming distance to the walked path z*, dz_i = 1 - 2 z*_i
 *
 * The solver has no gradient. Each step of training perturbs theta (imle_perturb), solves, computes the scores of the
 * target (imle_target), solves again, and takes the difference (imle_difference). This is the gradient for theta, and
 * the chain rule carries it to w. The program learns w on MAPS maps and tests it on as many others. */
#include <float.h>
#include <stdio.h>

#include "imle.h"

enum { SIDE = 12, CELLS = SIDE * SIDE, FEATURES = 3, MAPS = 20, MOST_STEPS = 200 };

typedef struct problem {
    float feature[MAPS][CELLS][FEATURES];
    float walked[MAPS][CELLS]; /* z*, the cheapest path under w* */
} problem;

/* Dijkstra's algorithm needs positive costs, so a negative one counts as nearly 0. */
static float cost_of(float score) {
    return score < -0.001f ? -score : 0.001f;
}

/* MAP(scores): marks the cheapest path from the first cell to the last. A step goes to one of four neighbours. */
static void dijkstra(const float *score, float *z) {
    static const int step_x[4] = {1, 0, -1, 0}, step_y[4] = {0, 1, 0, -1};
    float distance[CELLS];
    int before[CELLS];
    char settled[CELLS] = {0};
    for (int i = 0; i < CELLS; i++) {
        distance[i] = FLT_MAX;
        z[i] = 0.0f;
    }
    distance[0] = cost_of(score[0]);
    before[0] = -1;
    while (!settled[CELLS - 1]) {
        int nearest = -1;
        for (int i = 0; i < CELLS; i++)
            if (!settled[i] && (nearest < 0 || distance[i] < distance[nearest])) nearest = i;
        settled[nearest] = 1;
        for (int d = 0; d < 4; d++) {
            const int x = nearest % SIDE + step_x[d], y = nearest / SIDE + step_y[d], next = y * SIDE + x;
            if (x < 0 || y < 0 || x >= SIDE || y >= SIDE || settled[next]) continue;
            const float through = distance[nearest] + cost_of(score[next]);
            if (through < distance[next]) {
                distance[next] = through;
                before[next] = nearest;
            }
        }
    }
    for (int i = CELLS - 1; i >= 0; i = before[i]) z[i] = 1.0f;
}

static void solve(const float *scores, float *z) {
    for (int m = 0; m < MAPS; m++) dijkstra(scores + m * CELLS, z + m * CELLS);
}

/* theta_i = -<w, feature_i> */
static void score(const problem *p, const float *w, float *theta) {
    const float *feature = &p->feature[0][0][0];
    for (int i = 0; i < MAPS * CELLS; i++) {
        theta[i] = 0.0f;
        for (int f = 0; f < FEATURES; f++) theta[i] -= w[f] * feature[i * FEATURES + f];
    }
}

/* Uniform on [0, 1), with the same numbers on every machine. */
static float uniform(void) {
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 16777216.0f;
}

/* Makes maps with uniform features, and the paths that a walker with costs w takes on them. */
static void make(problem *p, const float *w) {
    static float theta[MAPS * CELLS];
    float *feature = &p->feature[0][0][0];
    for (int i = 0; i < MAPS * CELLS * FEATURES; i++) feature[i] = uniform();
    score(p, w, theta);
    solve(theta, &p->walked[0][0]);
}

/* The number of maps on which w finds the walked path. */
static int found(const problem *p, const float *w) {
    static float theta[MAPS * CELLS], z[MAPS * CELLS];
    const float *walked = &p->walked[0][0];
    int maps = 0;
    score(p, w, theta);
    solve(theta, z);
    for (int m = 0; m < MAPS; m++) {
        int same = 1;
        for (int i = m * CELLS; i < (m + 1) * CELLS; i++) same &= z[i] == walked[i];
        maps += same;
    }
    return maps;
}

/* Estimates the gradient of the mean loss with respect to w by Implicit MLE, with two solver calls per map. */
static imle_status gradient(const problem *p, const imle_options *options, uint64_t step, const float *w,
                            float *grad_w) {
    static float theta[MAPS * CELLS], scores[MAPS * CELLS], dz[MAPS * CELLS], grad_theta[MAPS * CELLS];
    static float z[MAPS * CELLS], z_target[MAPS * CELLS];
    const imle_shape shape = {.rows = MAPS, .n = CELLS, .k = 0, .samples = 1}; /* k is not used */
    const imle_key key = {.seed = 1, .step = step, .row0 = 0};
    const float *feature = &p->feature[0][0][0], *walked = &p->walked[0][0];

    score(p, w, theta);
    imle_status status = imle_perturb(&shape, options, &key, theta, 0, scores);
    if (status != IMLE_OK) return status;
    solve(scores, z);

    for (int i = 0; i < MAPS * CELLS; i++) dz[i] = 1.0f - 2.0f * walked[i];
    status = imle_target(&shape, options, &key, +1, theta, 0, dz, 0, 0, scores);
    if (status != IMLE_OK) return status;
    solve(scores, z_target);

    status = imle_difference(&shape, options, z, z_target, grad_theta, 0, NULL);
    if (status != IMLE_OK) return status;
    for (int f = 0; f < FEATURES; f++) grad_w[f] = 0.0f;
    for (int i = 0; i < MAPS * CELLS; i++) /* d theta_i / d w_f = -feature_if */
        for (int f = 0; f < FEATURES; f++) grad_w[f] -= grad_theta[i] * feature[i * FEATURES + f] / MAPS;
    return IMLE_OK;
}

static void draw(const float *z) {
    for (int i = 0; i < CELLS; i++) printf("%s%s", z[i] == 1.0f ? " #" : " .", i % SIDE == SIDE - 1 ? "\n" : "");
}

static void show(unsigned step, const problem *training, const problem *test, const float *w) {
    printf("step %2u: true path on %2d of %d maps, on %2d of %d new ones; costs 1 : %.1f : %.1f\n", step,
           found(training, w), MAPS, found(test, w), MAPS, (double)(w[1] / w[0]), (double)(w[2] / w[0]));
}

int main(void) {
    const float w_true[FEATURES] = {1.0f, 3.0f, 9.0f}; /* w*; paths determine it up to a factor */
    float w[FEATURES] = {1.0f, 1.0f, 1.0f}, grad_w[FEATURES];
    static problem training, test;
    make(&training, w_true);
    make(&test, w_true);

    imle_options options;
    imle_options_default(&options);
    options.temperature = options.target_temperature = 0.05f; /* far less noise than the costs */

    unsigned step = 0;
    for (; step < MOST_STEPS && found(&training, w) < MAPS; step++) {
        if (step % 10 == 0) show(step, &training, &test, w);
        const imle_status status = gradient(&training, &options, step, w, grad_w);
        if (status != IMLE_OK) return puts(imle_status_message(status)), 1;
        for (int f = 0; f < FEATURES; f++) w[f] -= 0.1f * grad_w[f];
    }
    show(step, &training, &test, w);

    static float theta[MAPS * CELLS], z[MAPS * CELLS];
    score(&test, w, theta);
    solve(theta, z);
    puts("the path on the first new map:");
    draw(z);
    return found(&training, w) == MAPS ? 0 : 1;
}
