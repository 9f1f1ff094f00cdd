"""Implicit MLE: train through discrete choices.

A model computes scores theta in R^N and uses a discrete structure z in C, a subset of {0,1}^N, inside. It is still
trained by gradient descent:

    p(z) proportional to exp(<z, theta> / tau) on C           the distribution
    MAP(theta) = argmax over z in C of <z, theta>             test time        layer.map
    z_s = MAP(theta + tau eps_s), eps_s ~ noise               forward pass     layer.sample
    theta'_s = alpha theta - lambda dz_s                      target, dz_s = gradient of the loss at z_s
    grad_theta = (1/lambda) (1/S) sum_s [ z_s - MAP(theta'_s + tau' eps_s) ]
                                                              backward pass    layer.gradient

Layers: TopK (k of n), Argmax (one of n) and Solver (a Python function of yours) perturb and choose. ExactTopK and
ExactArgmax work on p(z) itself. Adaptive finds lambda from batch to batch.

Arrays have shape [..., N]; the leading dimensions are rows. Results are new float32 arrays (indices are uint32). Other
dtypes are converted, and strides that the library does not take are copied; all other inputs are read where they are.
A bad argument is a libimle.Error, a ValueError that names the argument and the row. Calls release the GIL.

Masked entries have theta = -inf. -0 equals +0. Among equal scores the lower index wins. All results have the same bits
on every platform, for any number of threads and any cut of a batch.
"""

from libimle._adaptive import Adaptive, AdaptiveParts
from libimle._core import __version__, abi_version, kernel
from libimle._errors import Error
from libimle._exact import ExactArgmax, ExactTopK, Moments
from libimle._layers import (
    Argmax,
    Diagnostics,
    Gradient,
    LossAndGradient,
    Solver,
    States,
    TopK,
    straight_through,
)
from libimle._settings import Key, Perturbed

__all__ = [
    "Adaptive",
    "AdaptiveParts",
    "Argmax",
    "Diagnostics",
    "Error",
    "ExactArgmax",
    "ExactTopK",
    "Gradient",
    "Key",
    "LossAndGradient",
    "Moments",
    "Perturbed",
    "Solver",
    "States",
    "TopK",
    "__version__",
    "abi_version",
    "kernel",
    "straight_through",
]
