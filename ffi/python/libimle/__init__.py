"""Implicit MLE: train through discrete choices.

A model computes scores theta in R^N and uses a discrete structure z in C, a subset of {0,1}^N, inside. It is still
trained by gradient descent:

    p(z) proportional to exp(<z, theta> / tau) on C           the distribution
    MAP(theta) = argmax over z in C of <z, theta>             test time        layer.map
    z_s = MAP(theta + tau eps_s), eps_s ~ noise               forward pass     layer.sample
    theta'_s = alpha theta - lambda dz_s                      target, dz_s = gradient of the loss at z_s
    grad_theta = (1/lambda) (1/S) sum_s [ z_s - MAP(theta'_s + tau' eps_s) ]
                                                              backward pass    layer.gradient

Layers: TopK (k of n), Argmax (one of n), Tree (the parse of a sentence) and Solver (a Python function of yours) perturb
and choose. ExactTopK, ExactArgmax and ExactTree work on p(z) itself. Adaptive finds lambda from batch to batch.

Arrays have shape [..., N], and [..., words, words] for trees; the leading dimensions are rows. Results are new float32
arrays (indices are uint32). Other dtypes are converted, and strides that the library does not take are copied; all
other inputs are read where they are. A bad argument is a libimle.Error, a ValueError that names the argument and the
row. Calls release the GIL.

Masked entries have theta = -inf. -0 equals +0. Among equal scores the lower index wins (Tree has a rule of its own).
All results have the same bits on every platform, for any number of threads and any cut of a batch.
"""

from libimle._adaptive import Adaptive, AdaptiveParts
from libimle._core import __version__, abi_version, kernel
from libimle._errors import Error
from libimle._exact import ExactArgmax, ExactTopK, ExactTree, Moments
from libimle._layers import (
    Argmax,
    Diagnostics,
    Gradient,
    LossAndGradient,
    Solver,
    States,
    TopK,
    Tree,
    straight_through,
)
from libimle._settings import Key, Perturbed
from libimle._shapes import Trees

__all__ = [
    "Adaptive",
    "AdaptiveParts",
    "Argmax",
    "Diagnostics",
    "Error",
    "ExactArgmax",
    "ExactTopK",
    "ExactTree",
    "Gradient",
    "Key",
    "LossAndGradient",
    "Moments",
    "Perturbed",
    "Solver",
    "States",
    "TopK",
    "Tree",
    "Trees",
    "__version__",
    "abi_version",
    "kernel",
    "straight_through",
]
