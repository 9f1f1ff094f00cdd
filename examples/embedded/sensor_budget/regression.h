/* Least squares on a few channels of a spectrum, computed from covariances, in fixed memory. */
#ifndef REGRESSION_H
#define REGRESSION_H

#include <stdint.h>

enum {
    CHANNELS = 100, FAT = CHANNELS, COLUMNS, /* a spectrum: absorbances in 10^-4, then fat in 0.1 % */
    SPECTRA = 215, TRAINING = 172,           /* the first TRAINING spectra are for training */
    MOST = 8,                                /* the largest number of channels to choose */
};

/* The covariances of the training spectra, times TRAINING^2, and memory for the elimination. */
typedef struct regression {
    float mean[COLUMNS];
    float gram[CHANNELS][CHANNELS]; /* covariances of the channels, with the ridge added to the diagonal */
    float with_fat[CHANNELS];       /* covariances of the channels with fat */
    float fat;                      /* variance of fat, which is the loss without any channel */
    float row[MOST][CHANNELS];      /* rows of gram for the chosen channels, after elimination */
    float left[CHANNELS];           /* with_fat after elimination of the chosen channels */
    float spread[CHANNELS];         /* diagonal of gram after elimination of the chosen channels */
    float dz[CHANNELS];
    float direction[CHANNELS], image[CHANNELS]; /* for conjugate gradients */
} regression;

/* The part that runs in the product: fat = bias + the sum of weight times absorbance over k channels. */
typedef struct predictor {
    uint32_t k, channel[CHANNELS];
    float weight[CHANNELS], bias;
} predictor;

/* Computes the covariances of the training spectra, as exact sums of integers that are rounded once. ridge is the
 * penalty per spectrum, in squared units of absorbance. */
void gather(regression *r, float ridge);

/* The loss of a set of channels is l(z) = min_w |fat - sum_i z_i w_i x_i|^2 + ridge |w|^2. Computes the weights
 * weight[k] of the k <= MOST chosen channels, and r->dz = d ln F / dz at z, where F is the multilinear extension of l:
 * dF/dz_i = l(z with i) - l(z without i). Takes O(k^2 CHANNELS) steps. */
void regress(regression *r, const uint32_t *chosen, uint32_t k, float *weight);

/* Sets the weights and the bias of p for its k <= MOST channels. */
void fit(regression *r, predictor *p);

/* Fits p on all channels by conjugate gradients. */
void fit_all(regression *r, predictor *p);

/* R^2 on the spectra from first to last - 1: 1 minus the residual sum of squares over the total one. */
float r_squared(const predictor *p, uint32_t first, uint32_t last);

#endif
