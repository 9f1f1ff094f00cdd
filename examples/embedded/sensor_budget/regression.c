#include "regression.h"

/* These are constants, so they stay in flash. */
static const uint16_t readings[] = {
#include "tecator.csv"
};
_Static_assert(sizeof readings == SPECTRA * COLUMNS * sizeof *readings, "tecator.csv does not have SPECTRA spectra");

static const uint16_t *spectrum(uint32_t s) {
    return readings + s * COLUMNS;
}

/* Rounds only once, at the end. */
static float covariance(uint32_t i, uint32_t j) {
    int64_t sum_i = 0, sum_j = 0, products = 0;
    for (uint32_t s = 0; s < TRAINING; s++) {
        sum_i += spectrum(s)[i];
        sum_j += spectrum(s)[j];
        products += (uint32_t)spectrum(s)[i] * spectrum(s)[j];
    }
    return (float)(TRAINING * products - sum_i * sum_j);
}

static float mean(uint32_t column, uint32_t first, uint32_t last) {
    uint32_t sum = 0;
    for (uint32_t s = first; s < last; s++) sum += spectrum(s)[column];
    return (float)sum / (float)(last - first);
}

void gather(regression *r, float ridge) {
    for (uint32_t i = 0; i < COLUMNS; i++) r->mean[i] = mean(i, 0, TRAINING);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        for (uint32_t j = 0; j < i; j++) r->gram[i][j] = r->gram[j][i] = covariance(i, j);
        r->gram[i][i] = covariance(i, i) + 1e8f * ridge * TRAINING; /* readings are in units of 10^-4 */
        r->with_fat[i] = covariance(i, FAT);
    }
    r->fat = covariance(FAT, FAT);
}

/* The factors of gram = L D L^T on the chosen channels. */
typedef struct factors {
    float l[MOST][MOST], d[MOST]; /* L below its diagonal of ones, and the diagonal of D */
    float loss;
} factors;

/* Eliminates the chosen channels from row, left and spread as well. Sets weight to L^T times the weights. */
static factors eliminate(regression *r, const uint32_t *chosen, uint32_t k, float *weight) {
    factors f = {.loss = r->fat};
    for (uint32_t i = 0; i < CHANNELS; i++) {
        r->left[i] = r->with_fat[i];
        r->spread[i] = r->gram[i][i];
    }
    for (uint32_t t = 0; t < k; t++) {
        const uint32_t channel = chosen[t];
        float *row = r->row[t];
        for (uint32_t i = 0; i < CHANNELS; i++) row[i] = r->gram[channel][i];
        for (uint32_t u = 0; u < t; u++) {
            f.l[t][u] = r->row[u][channel] / f.d[u];
            for (uint32_t i = 0; i < CHANNELS; i++) row[i] -= f.l[t][u] * r->row[u][i];
        }
        f.d[t] = row[channel];
        weight[t] = r->left[channel] / f.d[t];
        f.loss -= weight[t] * r->left[channel];
        for (uint32_t i = 0; i < CHANNELS; i++) {
            r->left[i] -= weight[t] * row[i];
            r->spread[i] -= row[i] * (row[i] / f.d[t]);
        }
    }
    return f;
}

/* Element t of the diagonal of gram^-1 = L^-T D^-1 L^-1. */
static float inverse_diagonal(const factors *f, uint32_t k, uint32_t t) {
    float column[MOST] = {0}, sum = 1.0f / f->d[t]; /* column t of L^-1 */
    column[t] = 1.0f;
    for (uint32_t u = t + 1; u < k; u++) {
        for (uint32_t v = t; v < u; v++) column[u] -= f->l[u][v] * column[v];
        sum += column[u] * column[u] / f->d[u];
    }
    return sum;
}

void regress(regression *r, const uint32_t *chosen, uint32_t k, float *weight) {
    const factors f = eliminate(r, chosen, k, weight);
    for (uint32_t t = k; t-- > 0;)
        for (uint32_t u = t + 1; u < k; u++) weight[t] -= f.l[u][t] * weight[u];

    /* Adding channel i lowers l by left_i^2 / spread_i. (The spread of a chosen channel is 0 up to rounding.) */
    for (uint32_t i = 0; i < CHANNELS; i++)
        r->dz[i] = r->spread[i] > 0.0f ? -(r->left[i] * r->left[i]) / r->spread[i] / f.loss : 0.0f;
    /* Removing a chosen channel i raises l by weight^2 / (gram^-1)_ii. */
    for (uint32_t t = 0; t < k; t++)
        r->dz[chosen[t]] = -(weight[t] * weight[t]) / inverse_diagonal(&f, k, t) / f.loss;
}

static void set_bias(const regression *r, predictor *p) {
    p->bias = r->mean[FAT];
    for (uint32_t t = 0; t < p->k; t++) p->bias -= p->weight[t] * r->mean[p->channel[t]];
}

void fit(regression *r, predictor *p) {
    regress(r, p->channel, p->k, p->weight);
    set_bias(r, p);
}

static float dot(const float *a, const float *b) {
    float sum = 0.0f;
    for (uint32_t i = 0; i < CHANNELS; i++) sum += a[i] * b[i];
    return sum;
}

/* Conjugate gradients need as many steps as there are unknowns. */
void fit_all(regression *r, predictor *p) {
    float *residual = r->left, *direction = r->direction, *image = r->image;
    p->k = CHANNELS;
    for (uint32_t i = 0; i < CHANNELS; i++) {
        p->channel[i] = i;
        p->weight[i] = 0.0f;
        direction[i] = residual[i] = r->with_fat[i];
    }
    float square = dot(residual, residual);
    for (uint32_t step = 0; step < CHANNELS; step++) {
        for (uint32_t i = 0; i < CHANNELS; i++) image[i] = dot(r->gram[i], direction);
        const float length = square / dot(direction, image), before = square;
        for (uint32_t i = 0; i < CHANNELS; i++) {
            p->weight[i] += length * direction[i];
            residual[i] -= length * image[i];
        }
        square = dot(residual, residual);
        for (uint32_t i = 0; i < CHANNELS; i++) direction[i] = residual[i] + square / before * direction[i];
    }
    set_bias(r, p);
}

/* Reads only the k channels. */
static float predict(const predictor *p, const uint16_t *reading) {
    float fat = p->bias;
    for (uint32_t t = 0; t < p->k; t++) fat += p->weight[t] * (float)reading[p->channel[t]];
    return fat;
}

float r_squared(const predictor *p, uint32_t first, uint32_t last) {
    const float mean_fat = mean(FAT, first, last);
    float residual = 0.0f, total = 0.0f;
    for (uint32_t s = first; s < last; s++) {
        const float fat = (float)spectrum(s)[FAT], error = fat - predict(p, spectrum(s));
        residual += error * error;
        total += (fat - mean_fat) * (fat - mean_fat);
    }
    return 1.0f - residual / total;
}
