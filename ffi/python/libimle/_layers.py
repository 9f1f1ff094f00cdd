"""Layers that perturb and choose: k of n, one of n, a tree, or what a solver of yours chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from libimle import _core
from libimle._checks import floats, invertible, scores, unsigned
from libimle._errors import Error
from libimle._settings import Key, Perturbed, core_key
from libimle._shapes import Matrices, Trees, counts

Floats = NDArray[np.float32]
Indices = NDArray[np.uint32]


class States(NamedTuple):
    """States, and their mean if it was asked for."""

    z: Floats | None
    indices: Indices | None
    marginals: Floats | None = None


class Diagnostics(NamedTuple):
    """Counts of the states that a gradient compared. Those of the parts of a batch add up field by field.

    states: rows times samples. unchanged: states with z' = z, which add nothing to the gradient; if this is near
    `states`, lambda is too small to change choices. nonzeros: the sum over states of the non-zeros of z - z'.
    """

    states: int
    unchanged: int
    nonzeros: int


class Gradient(NamedTuple):
    grad_theta: Floats
    diagnostics: Diagnostics


class LossAndGradient(NamedTuple):
    loss: Floats
    grad_theta: Floats


def empty(wanted: bool, shape: tuple[int, ...], dtype: type = np.float32) -> NDArray[Any] | None:
    return np.empty(shape, dtype) if wanted else None


class Steps(Perturbed):
    """The steps of a layer one by one, which all layers have. theta has shape [..., N] everywhere, and of Tree
    [..., words, words], as every state."""

    def noise_of(self, shape: tuple[int, ...], key: Key) -> Floats:
        """The noise itself, eps [..., S, N], before it is multiplied by tau, for theta of the given shape [..., N].

        Every function uses this noise for the same key and the same noise options. It has the same bits on every
        platform. Gumbel noise lies between -3.13 and 22.88, within 3.2e-7 * max(1, |eps|) of the exact value.
        """
        rows, n = self._split(shape)
        noise = np.empty((*rows, self.samples, n), np.float32)
        self._steps.noise(core_key(key), noise)
        return noise.reshape(*rows, self.samples, *self._shape(n))

    def perturb(self, theta: ArrayLike, key: Key) -> Floats:
        """The scores theta + tau eps_s, [..., S, N], step 1 of 3 for a solver of your own, which finds z_s for them.

        The score of an entry is -inf if and only if it is masked (theta = -inf).
        """
        theta = self._scores(theta)
        perturbed = np.empty(self._states(theta), np.float32)
        self._steps.perturb(theta, core_key(key), perturbed)
        return perturbed

    def target_scores(self, theta: ArrayLike, dz: ArrayLike, key: Key, *, side: int = 1) -> Floats:
        """The target scores theta'_s + tau' eps_s, [..., S, N], step 2 of 3, with the noise of `perturb`.

        Args:
            dz: the gradient of each row's own loss with respect to z_s, [..., S, N], or [..., N] if samples share it.
            key: the key of `perturb`.
            side: +1: theta' = alpha theta - lambda dz, the target of both differences; -1: alpha theta + lambda dz,
                which the central difference takes in place of the forward pass.
        """
        if side not in (1, -1):
            raise Error("side", f"is {side!r}, but should be 1 or -1")
        if side == -1 and self.target == "combinatorial":
            raise Error("side", "is -1, which the combinatorial target does not have")
        theta = self._scores(theta)
        perturbed = np.empty(self._states(theta), np.float32)
        self._steps.target(theta, self._floats("dz", dz), core_key(key), int(side), perturbed)
        return perturbed

    def difference_of(self, z: ArrayLike, z_target: ArrayLike) -> Gradient:
        """grad_theta = c (1/S) sum_s (z_s - z'_s), step 3 of 3, c = 1 / lambda or 1 (`scale`).

        For the central difference z is the state of side -1, and the result is halved.

        Args:
            z, z_target: the states that your solver found, [..., S, N], finite (any numbers, not only 0 and 1).
        """
        z = self._floats("z", z)
        grad_theta = np.empty((*z.shape[:-2], *self._shape(z.shape[-1] if z.ndim else 0)), np.float32)
        diagnostics = self._steps.difference(z, self._floats("z_target", z_target), grad_theta)
        return Gradient(grad_theta, Diagnostics(*diagnostics))

    def perturbed_gradient(self, theta: ArrayLike, losses: ArrayLike, key: Key) -> Floats:
        """The score function of the noise, which estimates the gradient of E[loss(MAP(theta + tau eps))] without bias:

        grad_theta = (1/S) sum_s (loss_s - mean over r != s of loss_r) (1 / tau) nu'(eps_s), nu = -ln density.

        It needs no gradient of the loss and any solver. The noise is Gumbel, logistic or normal, independent, and
        temperature is above 0. Source: Berthet et al. 2020 (arXiv 2002.08676).

        Args:
            losses: any function of the samples that the layer drew with the same key, [..., S], S at least 2, finite.
        """
        if self.noise not in ("gumbel", "logistic", "normal"):
            raise Error("noise", f"is {self.noise!r}, but should be 'gumbel', 'logistic' or 'normal'")
        if self.coupling != "independent":
            raise Error("coupling", "is 'stratified', but should be 'independent'")
        invertible("temperature", self.temperature)
        needs_two(self.samples)
        theta = self._scores(theta)
        grad_theta = np.empty(self._like(theta), np.float32)
        self._steps.perturbed_gradient(theta, floats("losses", losses), core_key(key), grad_theta)
        return grad_theta

    def _states(self, theta: Floats) -> tuple[int, ...]:
        return (*theta.shape[:-1], self.samples, *self._shape(theta.shape[-1]))


def needs_two(samples: int) -> None:
    if samples < 2:
        raise Error("samples", "is 1, but the baseline needs at least 2")


class Choice(Steps):
    """The calls that TopK, Argmax and Tree have in common."""

    _core_layer: ClassVar[Any]

    def _prepare(self) -> dict[str, Any]:
        made = super()._prepare()
        return made | {"_core": self._core_layer(made["_options"], made["_counts"])}

    def find_bad_row(
        self,
        theta: ArrayLike,
        dz: ArrayLike | None = None,
        *,
        k_row: ArrayLike | None = None,
        n_row: ArrayLike | None = None,
    ) -> tuple[int, ...] | None:
        """The first row that `sample`, or `gradient` with this dz, would refuse for its data, or None.

        That is a row with NaN or +inf in theta, fewer scores above -inf than it has to choose, or a dz that is not
        finite. The row is named by its place among the leading dimensions. Time: O(B S N).
        """
        given = None if dz is None else self._floats("dz", dz)
        place = self._core.find_bad_row(self._scores(theta), given, self._k_row(k_row, n_row))
        return None if place is None else tuple(place)

    def map(
        self,
        theta: ArrayLike,
        *,
        k_row: ArrayLike | None = None,
        n_row: ArrayLike | None = None,
        z: bool = True,
        indices: bool = True,
    ) -> States:
        """The choice at test time, z = MAP(theta) = argmax over z of <z, theta>, without noise. Time: O(B N).

        Larger scores come first; among equal scores the lower index wins, and -0 equals +0. theta = -inf is a mask: the
        entry is never chosen. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798).

        Args:
            theta: scores, [..., N], finite or -inf.
            k_row: TopK only: the k of each row, [...], 0 to k; None means k for every row.
            n_row: Tree only: the words of each row, [...], 0 to words; None means words for every row.
            z, indices: the results that are wanted, at least one.

        Returns:
            z [..., N], 0 or 1, and the indices of the ones: [..., K] for TopK, ascending, 4294967295 in the unused tail
            where k_row is less than k; [...] for Argmax. What is not wanted is None.
        """
        theta = self._scores(theta)
        _needs_one(z, indices)
        rows = theta.shape[:-1]
        states = States(empty(z, self._like(theta)), empty(indices, self._list(rows), np.uint32))
        self._core.map(theta, self._k_row(k_row, n_row), states.z, states.indices)
        return states

    def sample(
        self,
        theta: ArrayLike,
        key: Key,
        *,
        k_row: ArrayLike | None = None,
        n_row: ArrayLike | None = None,
        z: bool = True,
        indices: bool = True,
        marginals: bool = False,
    ) -> States:
        """The forward pass, z_s = MAP(theta + tau eps_s), s = 1..S, with the noise of the key. Time: O(B S N).

        The score of a coordinate is theta + (tau * eps); each operation is rounded once, in float32. Source:
        Papandreou, Yuille 2011; Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798), section 3.2.

        Args:
            theta: scores, [..., N], finite or -inf (never chosen).
            key: selects the noise.
            k_row: TopK only: the k of each row, [...], 0 to k; None means k for every row.
            n_row: Tree only: the words of each row, [...], 0 to words; None means words for every row.
            z, indices, marginals: the results that are wanted, at least one.

        Returns:
            z [..., S, N], 0 or 1; the indices of the ones, [..., S, K] for TopK and [..., S] for Argmax, as in `map`;
            the marginals [..., N], the mean of z_s over s. What is not wanted is None.
        """
        theta = self._scores(theta)
        _needs_one(z, indices, marginals)
        states = States(
            empty(z, self._states(theta)),
            empty(indices, self._list((*theta.shape[:-1], self.samples)), np.uint32),
            empty(marginals, self._like(theta)),
        )
        self._core.sample(theta, core_key(key), self._k_row(k_row, n_row), *states)
        return states

    def gradient(
        self,
        theta: ArrayLike,
        dz: ArrayLike,
        key: Key,
        *,
        k_row: ArrayLike | None = None,
        n_row: ArrayLike | None = None,
        indices: ArrayLike | None = None,
    ) -> Gradient:
        """The backward pass, an estimate of the gradient of the expected loss with respect to theta:

        grad_theta = c (1/S) sum_s (z_s - z'_s), z'_s = MAP(theta'_s + tau' eps_s),
        theta'_s = alpha theta - lambda dz_s,

        with the noise of the forward pass, which the key reproduces, and c = 1 / lambda or 1 (`scale`). Time: O(B S N).
        Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798), Algorithm 1; central difference: Minervini,
        Franceschi, Niepert 2023 (arXiv 2209.04862).

        Args:
            theta, key, k_row, n_row: the same as for `sample`.
            dz: the gradient of each row's own loss with respect to z_s, [..., S, N], or [..., N] if the samples of a
                row share it; finite, in units of loss. If the loss is a mean over the batch, leave its factor 1 / B
                out, because lambda multiplies dz.
            indices: what `sample` returned for the same key, which saves a selection; None draws the samples again.

        Returns:
            grad_theta [..., N], in units of loss per unit of theta, 0 where theta is masked, and the diagnostics.
        """
        theta = self._scores(theta)
        grad_theta = np.empty(self._like(theta), np.float32)
        diagnostics = self._core.gradient(
            theta,
            self._floats("dz", dz),
            core_key(key),
            self._k_row(k_row, n_row),
            unsigned("indices", indices, np.uint32),
            grad_theta,
        )
        return Gradient(grad_theta, Diagnostics(*diagnostics))

    def fenchel_young(
        self,
        theta: ArrayLike,
        y: ArrayLike,
        key: Key,
        *,
        k_row: ArrayLike | None = None,
        n_row: ArrayLike | None = None,
    ) -> LossAndGradient:
        """Learns from observed states y in place of a loss on z: the Fenchel-Young loss of the perturbed optimiser, up
        to a constant that depends on y only, and its exact gradient,

        loss = (1/S) sum_s max over z of <z, theta + tau eps_s> - <theta, y>,   grad_theta = (1/S) sum_s z_s - y,

        with the z_s of `sample` for the same key. Its expectation is convex in theta and has its minimum where
        E[z] = y. Time: O(B S N). Source: Berthet et al. 2020 (arXiv 2002.08676).

        Args:
            theta, key, k_row, n_row: the same as for `sample`.
            y: a state for each row, or a mean of states, [..., N], finite.

        Returns:
            loss [...], in units of theta, +inf where y is above 0 at a masked entry, and grad_theta [..., N].
        """
        theta = self._scores(theta)
        result = LossAndGradient(np.empty(theta.shape[:-1], np.float32), np.empty(self._like(theta), np.float32))
        self._core.fenchel_young(theta, self._floats("y", y), core_key(key), self._k_row(k_row, n_row), *result)
        return result


def _needs_one(*wanted: bool) -> None:
    if not any(wanted):
        raise Error("z", "and all other results are not wanted: ask for at least one")


@dataclass(frozen=True)
class TopK(Choice):
    """Chooses k of n: the states z in {0, 1}^N with exactly k ones.

    >>> layer = libimle.TopK(10, samples=4, lambda_=2.0)
    >>> key = libimle.Key(seed=42, step=iteration)
    >>> z, indices, _ = layer.sample(theta, key)                  # theta [..., N], z [..., 4, N]
    >>> grad_theta, diagnostics = layer.gradient(theta, dz, key, indices=indices)

    Args:
        k: the number of ones, 0 to N. If rows differ (k_row), the largest of them.

    The other arguments are those of Perturbed.
    """

    k: int
    _: KW_ONLY

    _core_layer = _core.TopK
    _one_hot = False

    @property
    def _k(self) -> int:
        return self.k


@dataclass(frozen=True)
class Argmax(Choice):
    """Chooses one of n: z is 1 at the largest score. It is TopK at k = 1, and its indices have no last dimension.

    The arguments are those of Perturbed.
    """

    _core_layer = _core.Argmax
    _one_hot = True


@dataclass(frozen=True)
class Tree(Matrices, Choice):
    """Chooses the best parse of a sentence: dependency trees over its words.

    theta and z are matrices [..., words, words]: element [h, d] is the arc from head h to word d, and the diagonal
    element [d, d] is the arc from an outer root to d. Every state has one arc into each word and no cycle. So where the
    functions say N, read words, words; dz is [..., S, words, words] or [..., words, words]. The indices [..., S, words]
    are the positions h * words + d of the arcs, ascending, and `heads` turns them into heads. With n_row, a row uses
    the upper left corner of its words: what lies outside is not read, and is 0 in every result.

    >>> layer = libimle.Tree(30, samples=4, lambda_=2.0)
    >>> z, indices, _ = layer.sample(theta, key, n_row=lengths)   # theta [..., 30, 30], z [..., 4, 30, 30]
    >>> heads = layer.heads(indices)                              # [..., 4, 30]

    Ties depend on scores and (h, d) only: imle_tree_map in imle.h has the rule. Time of a state: O(N), projective
    O(words^3). Source: Chu, Liu 1965; Edmonds 1967; Tarjan 1977; projective: Eisner 1996.

    Args:
        words: the words of a sentence, 1 to 65535. If rows differ (n_row), the largest of them.
        projective: no arcs cross.
        single_root: exactly one word hangs from the root, not one or more.

    The other arguments are those of Perturbed.
    """

    words: int
    _: KW_ONLY
    projective: bool = False
    single_root: bool = False

    _core_layer = _core.Tree


def choice_of(k: int | Trees, **options: Any) -> TopK | Tree:
    """The layer that chooses k of n, or trees."""
    return Tree(**vars(k), **options) if isinstance(k, Trees) else TopK(k, **options)


@dataclass(frozen=True)
class Solver(Steps):
    """Any other set of states: a Python function finds z = MAP(scores).

    >>> def shortest_paths(scores):  # [M, N], the best state of each row, [M, N]
    ...     return np.stack([path(row) for row in scores])
    >>> layer = libimle.Solver(shortest_paths, samples=4)

    Args:
        solve: takes scores [M, N] in float32, where -inf is a mask, and returns for each row the state z in [M, N] with
            the largest <z, scores>. It is called once for each set of scores, with all rows and samples.

    The other arguments are those of Perturbed.
    """

    solve: Callable[[Floats], ArrayLike]
    _: KW_ONLY

    def map(self, theta: ArrayLike) -> Floats:
        """The choice at test time, z = MAP(theta), [..., N], for theta [..., N]."""
        return self._solve(scores(theta, self._k))

    def sample(self, theta: ArrayLike, key: Key) -> Floats:
        """The forward pass, z_s = MAP(theta + tau eps_s), [..., S, N], for theta [..., N]."""
        return self._solve(self.perturb(theta, key))

    def gradient(self, theta: ArrayLike, dz: ArrayLike, key: Key, *, z: ArrayLike | None = None) -> Gradient:
        """The backward pass, as in TopK.gradient, with two calls of the solver, or one if z is given.

        Args:
            theta, key: the same as for `sample`.
            dz: as in TopK.gradient, [..., S, N] or [..., N].
            z: what `sample` returned for the same key, [..., S, N], or None to solve again. (The central difference has
                no use for it.)
        """
        if self.difference == "central":
            z = self._solve(self.target_scores(theta, dz, key, side=-1))
        elif z is None:
            z = self.sample(theta, key)
        return self.difference_of(z, self._solve(self.target_scores(theta, dz, key)))

    def _solve(self, scores: Floats) -> Floats:
        rows = scores.reshape(-1, scores.shape[-1])
        z = floats("solve", self.solve(rows))
        if z.shape != rows.shape:
            raise Error("solve", f"returned shape {z.shape}, but should return {rows.shape}")
        return z.reshape(scores.shape)


def straight_through(theta: ArrayLike, dz: ArrayLike, *, threads: int = 1) -> Floats:
    """The crudest estimator: it treats z as if it were theta. grad_theta = (1/S) sum_s dz_s, 0 where theta is masked.

    Args:
        theta: scores, [..., N], finite or -inf.
        dz: the gradient of each row's own loss with respect to z_s, [..., S, N], or [..., N] if the samples share it.

    Source: Bengio, Leonard, Courville 2013 (arXiv 1308.3432).
    """
    theta, dz = scores(theta, 0), floats("dz", dz)
    samples = dz.shape[-2] if dz.ndim > theta.ndim else 1
    grad_theta = np.empty(theta.shape, np.float32)
    _core.straight_through(counts(0, samples, threads), theta, dz, grad_theta)
    return grad_theta
