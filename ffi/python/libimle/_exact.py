"""The distribution p(z) proportional to exp(<z, theta> / T) in closed form, and the estimators that draw from it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from libimle import _core
from libimle._checks import floats, invertible, scores, unsigned
from libimle._errors import Error
from libimle._layers import Floats, States, empty, needs_two
from libimle._settings import Key, Settings, core_key
from libimle._shapes import Matrices, Trees, Vectors


class Moments(NamedTuple):
    marginals: Floats
    log_partition: Floats
    entropy: Floats


class Exact(Vectors, Settings):
    """The calls that ExactTopK, ExactArgmax and ExactTree have in common.

    theta has shape [..., N], finite or -inf (never chosen), everywhere. k_row, for ExactTopK only, is the k of each
    row, [...], from 0 to k; None means k for every row. n_row, for ExactTree only, is the words of each row.
    """

    temperature: float
    _core_law: ClassVar[Any]

    def _prepare(self) -> dict[str, Any]:
        temperature = invertible("temperature", self.temperature)
        return {"_core": self._core_law(temperature, self._counts())}

    def marginals(self, theta: ArrayLike, *, k_row: ArrayLike | None = None, n_row: ArrayLike | None = None) -> Moments:
        """marginals mu = E[z] [..., N], log_partition A = ln sum over z of exp(<z, theta> / T) [...], and
        entropy H = A - <mu, theta> / T [...], in nats.

        mu is within 2e-6 of the exact value and A within 2e-6 * max(1, |A|), for theta in -80 to 80 and N to 4096.
        Time: O(B N K). Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv 2210.01941).
        """
        theta = self._scores(theta)
        rows = theta.shape[:-1]
        moments = Moments(
            np.empty(self._like(theta), np.float32), np.empty(rows, np.float32), np.empty(rows, np.float32)
        )
        self._core.marginals(theta, self._k_row(k_row, n_row), *moments)
        return moments

    def marginals_vjp(
        self, theta: ArrayLike, v: ArrayLike, *, k_row: ArrayLike | None = None, n_row: ArrayLike | None = None
    ) -> Floats:
        """The gradient of <v, mu(theta)> with respect to theta, [..., N]: (1 / T) Cov(z) v.

        If v [..., N] is the gradient of the loss at mu, this is the backward pass of a layer whose output is mu.
        """
        theta = self._scores(theta)
        out = np.empty(self._like(theta), np.float32)
        self._core.marginals_vjp(theta, self._floats("v", v), self._k_row(k_row, n_row), out)
        return out

    def sample(
        self,
        theta: ArrayLike,
        key: Key,
        *,
        k_row: ArrayLike | None = None,
        n_row: ArrayLike | None = None,
        z: bool = True,
        indices: bool = True,
    ) -> States:
        """Exact samples of p(z), independent of one another: z [..., S, N] and the indices of the ones, [..., S, K] for
        ExactTopK and [..., S] for ExactArgmax, as in TopK.sample. What is not wanted is None. Time: O(B N (K + S)).

        They share no random words with the noise of the same key, and they are never stratified.
        """
        theta = self._scores(theta)
        if not (z or indices):
            raise Error("z", "and indices are not wanted: ask for at least one")
        rows = (*theta.shape[:-1], self.samples)
        states = States(empty(z, (*rows, *self._shape(theta.shape[-1]))), empty(indices, self._list(rows), np.uint32))
        self._core.sample(theta, core_key(key), self._k_row(k_row, n_row), states.z, states.indices)
        return states

    def log_prob(
        self, theta: ArrayLike, indices: ArrayLike, *, k_row: ArrayLike | None = None, n_row: ArrayLike | None = None
    ) -> Floats:
        """ln p(z_s) [..., S], in nats, of states that are given by the indices of their ones, as from `sample`."""
        theta = self._scores(theta)
        log_prob = np.empty((*theta.shape[:-1], self.samples), np.float32)
        self._core.log_prob(theta, _lists(indices), self._k_row(k_row, n_row), log_prob)
        return log_prob

    def kl(
        self,
        theta: ArrayLike,
        theta_other: ArrayLike,
        *,
        k_row: ArrayLike | None = None,
        n_row: ArrayLike | None = None,
    ) -> Floats:
        """KL(p || q) [...], in nats, of p with the scores theta and q with the scores theta_other, both [..., N].

        It is +inf where theta_other masks what p chooses.
        """
        theta = self._scores(theta)
        kl = np.empty(theta.shape[:-1], np.float32)
        self._core.kl(theta, self._floats("theta_other", theta_other), self._k_row(k_row, n_row), kl)
        return kl

    def simple(
        self, theta: ArrayLike, dz: ArrayLike, *, k_row: ArrayLike | None = None, n_row: ArrayLike | None = None
    ) -> Floats:
        """The SIMPLE estimator, grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s [..., N]: exact samples in the forward
        pass, the derivative of the exact marginals in the backward pass.

        dz [..., S, N] is the gradient of each row's own loss at the states that `sample` drew, or [..., N] if the
        samples of a row share it. Source: Ahmed, Zeng, Niepert, Van den Broeck 2023 (arXiv 2210.01941).
        """
        theta = self._scores(theta)
        grad_theta = np.empty(self._like(theta), np.float32)
        self._core.simple(theta, self._floats("dz", dz), self._k_row(k_row, n_row), grad_theta)
        return grad_theta

    def score_function(
        self,
        theta: ArrayLike,
        indices: ArrayLike,
        losses: ArrayLike,
        *,
        k_row: ArrayLike | None = None,
        n_row: ArrayLike | None = None,
    ) -> Floats:
        """The score function of p with a leave-one-out baseline, an unbiased estimate of the gradient of E[loss(z)]:

        grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / T) (z_s - mu) [..., N].

        It needs no gradient of the loss. losses [..., S], S at least 2, is any function of the states that `sample`
        drew, and indices are these states. Source: Kool, van Hoof, Welling 2019.
        """
        needs_two(self.samples)
        theta = self._scores(theta)
        grad_theta = np.empty(self._like(theta), np.float32)
        self._core.score_function(
            theta, _lists(indices), floats("losses", losses), self._k_row(k_row, n_row), grad_theta
        )
        return grad_theta

    def unbiased_simple(
        self,
        theta: ArrayLike,
        indices: ArrayLike,
        dz: ArrayLike,
        losses: ArrayLike,
        *,
        k_row: ArrayLike | None = None,
        n_row: ArrayLike | None = None,
    ) -> Floats:
        """SIMPLE with the score function as its correction, an unbiased estimate of the gradient of E[loss(z)]:

        grad_theta = (1 / T) Cov(z) (1/S) sum_s dz_s + (1/S) sum_s (r_ss - mean over t != s of r_st) (1 / T) (z_s - mu),
        r_st = loss_t - <v_s, z_t>, v_s = the mean of the dz of the other samples (a shared dz itself).

        indices, dz and losses are as in `simple` and `score_function`. Source: this library.
        """
        needs_two(self.samples)
        theta = self._scores(theta)
        grad_theta = np.empty(self._like(theta), np.float32)
        self._core.unbiased_simple(
            theta,
            _lists(indices),
            self._floats("dz", dz),
            floats("losses", losses),
            self._k_row(k_row, n_row),
            grad_theta,
        )
        return grad_theta


def _lists(indices: ArrayLike) -> NDArray[np.uint32]:
    lists = unsigned("indices", indices, np.uint32)
    if lists is None:
        raise Error("indices", "are None")
    return lists


@dataclass(frozen=True)
class ExactTopK(Exact):
    """The distribution p(z) proportional to exp(<z, theta> / T) on the k-subsets of n.

    >>> exact = libimle.ExactTopK(10, samples=4)
    >>> mu, log_partition, entropy = exact.marginals(theta)

    Args:
        k: the number of ones, 0 to N. If rows differ (k_row), the largest of them.
        temperature: T, in units of theta, finite, above 0.
        samples: S, the samples of each row, 1 to 2^24.
        threads: rows are spread over up to as many threads, where a call is long enough. No bit depends on it.
    """

    k: int
    _: KW_ONLY
    temperature: float = 1.0
    samples: int = 1
    threads: int = 1

    _core_law = _core.ExactTopK
    _one_hot = False

    @property
    def _k(self) -> int:
        return self.k

    def log_partitions(self, theta: ArrayLike) -> Floats:
        """A_0 ... A_K, the log-partitions of the states with 0 to k ones, [..., K + 1], in nats, for a k that is itself
        chosen: p(k) is proportional to exp(A_k).

        A_k is -inf where fewer than k entries are not masked. Time: O(B N K). Source: this library.
        """
        theta = scores(theta, self._k)
        log_partitions = np.empty((*theta.shape[:-1], self.k + 1), np.float32)
        self._core.log_partitions(theta, log_partitions)
        return log_partitions

    def log_partitions_vjp(self, theta: ArrayLike, v: ArrayLike) -> Floats:
        """The gradient of sum_k v_k A_k with respect to theta, [..., N], for v [..., K + 1], finite."""
        theta = scores(theta, self._k)
        out = np.empty(theta.shape, np.float32)
        self._core.log_partitions_vjp(theta, floats("v", v), out)
        return out


@dataclass(frozen=True)
class ExactArgmax(Exact):
    """The distribution on one-hot states, the softmax: p(i) proportional to exp(theta_i / T).

    The arguments are those of ExactTopK, less k.
    """

    _: KW_ONLY
    temperature: float = 1.0
    samples: int = 1
    threads: int = 1

    _core_law = _core.ExactArgmax
    _one_hot = True


@dataclass(frozen=True)
class ExactTree(Matrices, Exact):
    """The distribution p(z) proportional to exp(<z, theta> / T) on dependency trees, with theta and z as Tree has them:
    where the functions say N, read words, words.

    >>> exact = libimle.ExactTree(30)
    >>> mu, log_partition, entropy = exact.marginals(theta, n_row=lengths)   # theta and mu [..., 30, 30]

    Time: O(words^3) for each row, and as a rule O(words^2) for each sample. Source: Smith, Smith 2007; Koo, Globerson,
    Carreras, Collins 2007; projective: Eisner 1996.

    Args:
        words: the words of a sentence, 1 to 65535. If rows differ (n_row), the largest of them.
        projective: no arcs cross.
        single_root: exactly one word hangs from the root, not one or more.

    The other arguments are those of ExactTopK, less k.
    """

    words: int
    _: KW_ONLY
    projective: bool = False
    single_root: bool = False
    temperature: float = 1.0
    samples: int = 1
    threads: int = 1

    _core_law = _core.ExactTree


def exact_of(k: int | Trees, **options: Any) -> ExactTopK | ExactTree:
    """The distribution on k-subsets of n, or on trees."""
    return ExactTree(**vars(k), **options) if isinstance(k, Trees) else ExactTopK(k, **options)
