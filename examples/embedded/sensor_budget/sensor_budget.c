/* Learns on the device, in fixed memory, which k of 100 channels a sensor should measure.
 *
 * A near-infrared sensor reads the absorbance of meat on 100 channels from 850 to 1050 nm. The fat content is known for
 * the training spectra. The product will read only the k channels with the best scores theta. The program learns the
 * scores together with the predictor of fat:
 *
 *   z = MAP(theta + eps)                           the channels that a step tries
 *   weights and dz                                 from least squares on these channels (regression.h)
 *   theta -= z - MAP(theta - lambda dz + eps)      Implicit MLE, with the same eps
 *
 * On the host this program prints the same bits, and so does its Rust twin, main.rs. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "board.h"
#include "imle.h"
#include "regression.h"

enum { SEEDS = 5, STEPS = 1000, DRAWS = 100 };

/* Cross-validation on the training spectra found these values best for both k (main.rs). */
static const float ridge = 1e-5f, lambda = 10.0f;

/* All memory that the program writes, except for its stack. */
static struct {
    regression regression;
    float theta[CHANNELS], grad_theta[CHANNELS], work[IMLE_TOPK_WORKSPACE_LEN(CHANNELS, MOST)];
    predictor predictor;
    float training[DRAWS], test[DRAWS]; /* R^2 of several predictors */
    uint32_t predictors, hash;
} ram;

static const size_t work_len = sizeof ram.work / sizeof *ram.work;

/* ---- text ---- */

static void put_number(uint32_t value, unsigned width) {
    char text[12] = "           ";
    unsigned i = 11;
    do text[--i] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    board_write(text + (11 - width < i ? 11 - width : i));
}

/* Writes four decimals, rounded half up. */
static void put_decimal(float value) {
    if (value < 0.0f) board_write("-");
    const uint32_t scaled = (uint32_t)((value < 0.0f ? -value : value) * 10000.0f + 0.5f);
    put_number(scaled / 10000, 1);
    board_write(".");
    for (uint32_t power = 1000; power != 0; power /= 10) put_number(scaled / power % 10, 1);
}

static void put_hexadecimal(uint32_t value) {
    char text[9] = "00000000";
    for (int i = 7; i >= 0; i--, value /= 16) text[i] = "0123456789abcdef"[value % 16];
    board_write(text);
}

static void put_channels(const predictor *p) {
    board_write(", channels");
    for (uint32_t t = 0; t < p->k; t++) {
        board_write(" ");
        put_number(p->channel[t], 1);
    }
    board_write("\n");
}

/* Writes the mean and, if there are several values, the standard deviation. */
static void put_mean(const float *values) {
    const float count = (float)ram.predictors;
    float mean = 0.0f, square = 0.0f;
    for (uint32_t i = 0; i < ram.predictors; i++) mean += values[i] / count;
    for (uint32_t i = 0; i < ram.predictors; i++) square += (values[i] - mean) * (values[i] - mean);
    put_decimal(mean);
    if (ram.predictors == 1) return;
    board_write(" ± ");
    put_decimal(sqrtf(square / (count - 1.0f)));
}

/* ---- ways to choose k channels ---- */

static void expect(imle_status status) {
    if (status == IMLE_OK) return;
    board_write(imle_status_message(status));
    board_write("\n");
    board_exit(1);
}

/* Fits the predictor on the channels with the best scores. */
static void take_best(predictor *p, const imle_shape *shape) {
    p->k = shape->k;
    expect(imle_topk_map(shape, NULL, ram.theta, 0, NULL, p->channel, ram.work, work_len));
    fit(&ram.regression, p);
}

static void show(const predictor *p, uint32_t step) {
    board_write("step ");
    put_number(step, 4);
    board_write(": training error ");
    put_decimal(1.0f - r_squared(p, 0, TRAINING));
    put_channels(p);
}

/* Runs Implicit MLE from theta = 0. For the first seed it shows the progress at steps 0, 1, 2, 4, ... */
static void learn(predictor *p, uint32_t k, uint64_t seed) {
    const imle_shape shape = {.rows = 1, .n = CHANNELS, .k = k, .samples = 1};
    uint32_t z[MOST];
    float weight[MOST];
    imle_options options;
    imle_options_default(&options);
    options.lambda = lambda;
    options.scale = IMLE_SCALE_NONE;
    for (uint32_t i = 0; i < CHANNELS; i++) ram.theta[i] = 0.0f;

    for (uint32_t step = 0; step < STEPS; step++) {
        if (seed == 1 && (step & (step - 1)) == 0) {
            take_best(p, &shape);
            show(p, step);
        }
        const imle_key key = {.seed = seed, .step = step, .row0 = 0};
        expect(imle_topk_sample(&shape, NULL, &options, &key, ram.theta, 0, NULL, z, NULL, ram.work, work_len));
        regress(&ram.regression, z, k, weight);
        expect(imle_topk_gradient(&shape, NULL, &options, &key, ram.theta, 0, ram.regression.dz, 0, 0, z, ram.grad_theta,
                                  0, NULL, ram.work, work_len));
        for (uint32_t i = 0; i < CHANNELS; i++) ram.theta[i] -= ram.grad_theta[i];
    }
    take_best(p, &shape);
    if (seed == 1) show(p, STEPS);
}

/* Adds one channel after another, each time the one that lowers the loss most. */
static void select_forward(predictor *p, uint32_t k) {
    float *dz = ram.regression.dz;
    for (p->k = 0; p->k < k; p->k++) {
        regress(&ram.regression, p->channel, p->k, p->weight);
        for (uint32_t t = 0; t < p->k; t++) dz[p->channel[t]] = 0.0f;
        uint32_t best = 0;
        for (uint32_t i = 1; i < CHANNELS; i++)
            if (dz[i] < dz[best]) best = i;
        p->channel[p->k] = best;
    }
    fit(&ram.regression, p);
}

static void space_evenly(predictor *p, uint32_t k, uint32_t offset) {
    p->k = k;
    for (uint32_t t = 0; t < k; t++) p->channel[t] = offset + t * (CHANNELS / k);
    fit(&ram.regression, p);
}

/* With theta = 0 all subsets are equally likely. */
static void choose_randomly(predictor *p, uint32_t k, uint32_t draw) {
    const imle_shape shape = {.rows = 1, .n = CHANNELS, .k = k, .samples = 1};
    const imle_key key = {.seed = 0, .step = draw, .row0 = 0};
    imle_options options;
    imle_options_default(&options);
    for (uint32_t i = 0; i < CHANNELS; i++) ram.theta[i] = 0.0f;
    expect(imle_topk_sample(&shape, NULL, &options, &key, ram.theta, 0, NULL, p->channel, NULL, ram.work, work_len));
    p->k = k;
    fit(&ram.regression, p);
}

/* ---- comparison ---- */

static void score(const predictor *p) {
    ram.training[ram.predictors] = r_squared(p, 0, TRAINING);
    ram.test[ram.predictors] = r_squared(p, TRAINING, SPECTRA);
    ram.predictors++;
}

/* Writes a row of the README's table, on the predictors that were scored since the last row. */
static void report(uint32_t k, const char *method) {
    board_write("| ");
    put_number(k, 1);
    board_write(method);
    put_mean(ram.training);
    board_write(" | ");
    put_mean(ram.test);
    board_write(" |\n");
    ram.predictors = 0;
}

/* Continues ram.hash by FNV-1a over the bits of the values. */
static void hash(const float *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int byte = 0; byte < 4; byte++, bits >>= 8) ram.hash = (ram.hash ^ (bits & 0xff)) * 16777619u;
    }
}

static void compare(predictor *p, uint32_t k) {
    board_write("k = ");
    put_number(k, 1);
    board_write("\n");
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        learn(p, k, seed);
        score(p);
        hash(ram.theta, CHANNELS);
        hash(p->weight, k);
        board_write("seed ");
        put_number(seed, 1);
        board_write(": test R2 ");
        put_decimal(r_squared(p, TRAINING, SPECTRA));
        put_channels(p);
    }
    report(k, " | I-MLE, 5 seeds | ");
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        choose_randomly(p, k, draw);
        score(p);
    }
    report(k, " | random, 100 draws | ");
    for (uint32_t offset = 0; offset < CHANNELS / k; offset++) {
        space_evenly(p, k, offset);
        score(p);
    }
    report(k, " | evenly spaced, every offset | ");
    select_forward(p, k);
    score(p);
    report(k, " | forward selection | ");
}

int main(void) {
    ram.hash = 2166136261u;
    gather(&ram.regression, ridge);
    board_write("bytes of RAM without the stack: ");
    put_number(sizeof ram, 1);
    board_write("\n");
    compare(&ram.predictor, 4);
    compare(&ram.predictor, 8);
    fit_all(&ram.regression, &ram.predictor);
    score(&ram.predictor);
    report(CHANNELS, " | all | ");
    board_write("hash of theta and weights: ");
    put_hexadecimal(ram.hash);
    board_write("\n");
    return 0;
}
