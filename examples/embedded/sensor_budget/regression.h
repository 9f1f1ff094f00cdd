/* Least squares on a few channels of a spectrum, from covariances, in fixed memory. */
#ifndef REGRESSION_H
#define REGRESSION_H

#include <stdint.h>

enum {
    CHANNELS = 100, FAT = CHANNELS, COLUMNS, /* a spectrum: absorbances in 10^-4, fat in 0.1 % */
    SPECTRA = 215, TRAINING = 172,           /* the first are for training */
    MOST = 8,                                /* channels to choose */
};

/* TRAINING^2 times the covariances of the training spectra, and room to eliminate in. */
typedef struct regression {
    float mean[COLUMNS];
    float gram[CHANNELS][CHANNELS]; /* of two channels; the ridge is added on the diagonal */
    float with_fat[CHANNELS];       /* of a channel and fat */
    float fat;                      /* of fat and fat: the loss with no channel */
    float row[MOST][CHANNELS];      /* the rows of the chosen channels, eliminated */
    float left[CHANNELS];           /* covariance with fat that the chosen channels leave */
    float spread[CHANNELS];         /* variance that they leave */
    float dz[CHANNELS];
    float direction[CHANNELS], image[CHANNELS]; /* of conjugate gradients */
} regression;

/* What runs in the product: fat = bias + sum of weight times absorbance, over k channels. */
typedef struct predictor {
    uint32_t k, channel[CHANNELS];
    float weight[CHANNELS], bias;
} predictor;

/* Sums up the training spectra in integers, so that their order does not matter, and rounds once. The ridge is for a
 * spectrum, in squared units of absorbance. */
void gather(regression *r, float ridge);

/* l(z) = min_w |fat - sum_i z_i w_i x_i|^2 + ridge |w|^2 has a value for every set of channels. Out: weight[k] of the k
 * chosen ones, k <= MOST, and r->dz = d ln F / dz at z, where F is the multilinear extension of l:
 * dF/dz_i = l(z with i) - l(z without i). O(k^2 CHANNELS). */
void regress(regression *r, const uint32_t *chosen, uint32_t k, float *weight);

/* Fits p to its k <= MOST channels. */
void fit(regression *r, predictor *p);

/* Fits p to all channels, by conjugate gradients. */
void fit_all(regression *r, predictor *p);

/* 1 - residual over total sum of squares, on spectra from first to last - 1. */
float r_squared(const predictor *p, uint32_t first, uint32_t last);

#endif
