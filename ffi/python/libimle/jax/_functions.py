"""The functions that JAX differentiates: each forward pass, and its backward pass, by operators.

Scores and states of trees are [..., N], too, with N = words * words, and `k_row` has the words of the rows then.

All work in float32 on arrays whose shapes have been checked. `setting` is known when a program is compiled. `numbers`
are temperature, target temperature, alpha, lambda and the factor of the loss, `key` has 8 words, `ids` has the numbers
of the rows or is None, and `k_row` may be None. Only theta, and what the docstrings name, has a gradient.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import libimle
from libimle._checks import UINT32_MAX
from libimle._settings import Coupling, Difference, Noise, Perturbed, Scale, Target
from libimle._shapes import Matrices
from libimle.jax._operators import Operator

Results = tuple[Array, ...]
F32, U32 = np.dtype(np.float32), np.dtype(np.uint32)


class Setting(NamedTuple):
    """A layer, whose temperatures, alpha and lambda are among the operands, and the number of losses, one of each row
    and sample, of which the whole loss is the mean, or 1 if it is their sum."""

    layer: Any
    losses: int = 1

    @property
    def family(self) -> str:
        if isinstance(self.layer, Matrices):
            return "tree"
        return "argmax" if isinstance(self.layer, libimle.Argmax) else "topk"

    @property
    def lists(self) -> tuple[int, ...]:
        """The own shape of indices."""
        samples: int = self.layer.samples
        return (samples,) if self.family == "argmax" else (samples, self.layer._k)

    def call(
        self,
        name: str,
        operands: tuple[Array | None, ...],
        own: tuple[int, ...],
        results: tuple[tuple[int, ...], ...],
        *,
        noise: bool = False,
        incoming: int | None = None,
        **more: int,
    ) -> Results:
        """Calls a handler. The last operand is k_row; `own` is the number of own dimensions of the arrays before it,
        `results` are the own shapes of the results, of which a second one has indices."""
        layer = self.layer
        *arrays, k_row = operands
        numbers = {
            "k": layer._k,
            "trees": isinstance(layer, Matrices),
            "projective": getattr(layer, "projective", False),
            "single_root": getattr(layer, "single_root", False),
            "samples": layer.samples,
            "threads": layer.threads,
            "losses": self.losses,
            "has_k_row": k_row is not None,
        } | more
        if isinstance(layer, Perturbed):
            for name_of, kind in _KINDS.items():
                numbers[name_of] = get_args(kind).index(getattr(layer, name_of))
            numbers["sog_terms"] = UINT32_MAX if layer.sog_terms == math.inf else int(layer.sog_terms)
        attributes = {key: np.int64(number) for key, number in numbers.items()}
        own = ((1, 1, 1) if noise else (1,)) + own
        operator = Operator(
            name,
            tuple(attributes.items()) + (("sog_kappa", np.float32(getattr(layer, "sog_kappa", 0))),),
            own if k_row is None else (*own, 0),
            tuple(zip(results, (F32, F32 if name.endswith("fenchel_young") else U32))),
            noise,
            incoming,
        )
        return operator(*(arrays if k_row is None else operands))


_KINDS = {"noise": Noise, "target": Target, "difference": Difference, "scale": Scale, "coupling": Coupling}


def differentiable(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a setting and of operands. `forward` returns its result and what `backward` needs beside them."""

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def function(setting: Setting, *operands: Any) -> Any:
        return forward(setting, *operands)[0]

    def save(setting: Setting, *operands: Any) -> Any:
        result, saved = forward(setting, *operands)
        return result, (operands, saved)

    def pull(setting: Setting, kept: Any, incoming: Any) -> Any:
        operands, saved = kept
        gradients = backward(setting, incoming, saved, *operands)
        return tuple(gradients.get(i) for i in range(len(operands)))

    function.defvjp(save, pull)
    return function


# ---- k of n, one of n, trees ----


def choose(setting: Setting, numbers: Array, theta: Array, k_row: Array | None) -> Results:
    """MAP(theta) and its indices, [..., N] and [..., K] or [...]."""
    return setting.call(
        f"{setting.family}_map", (numbers, theta, k_row), (1,), (theta.shape[-1:], setting.lists[1:])
    )


def _sample(setting: Setting, numbers: Array, key: Array, ids: Any, theta: Array, k_row: Any) -> Any:
    states = (setting.layer.samples, theta.shape[-1])
    z, indices = setting.call(
        f"{setting.family}_sample", (numbers, key, ids, theta, k_row), (1,), (states, setting.lists), noise=True
    )
    return (z, indices), indices


def _gradient(setting: Setting, incoming: Any, indices: Array, *operands: Any) -> Any:
    numbers, key, ids, theta, k_row = operands
    operands = (numbers, key, ids, theta, incoming[0], indices, k_row)
    own = (1, 2, len(setting.lists))
    name = f"{setting.family}_gradient"
    return {3: setting.call(name, operands, own, (theta.shape[-1:],), noise=True, incoming=4)[0]}


sample = differentiable(_sample, _gradient)


def _fenchel_young(setting: Setting, numbers: Array, key: Array, ids: Any, theta: Array, y: Array, k_row: Any) -> Any:
    operands = (numbers, key, ids, theta, y, k_row)
    results = ((), theta.shape[-1:])
    return setting.call(f"{setting.family}_fenchel_young", operands, (1, 1), results, noise=True)


fenchel_young = differentiable(
    _fenchel_young,
    lambda setting, incoming, grad_theta, *operands: {3: incoming[..., None] * grad_theta},
)

# ---- a solver of the user's, a function of scores [M, N] ----


def _perturb(setting: Setting, numbers: Array, key: Array, ids: Any, theta: Array) -> Array:
    states = (setting.layer.samples, theta.shape[-1])
    return setting.call("perturb", (numbers, key, ids, theta, None), (1,), (states,), noise=True)[0]


def find(solver: Callable[[Array], Any], scores: Array) -> Array:
    """The states [..., N] that a solver finds for scores [..., N]."""
    rows = scores.reshape(-1, scores.shape[-1])
    z = jnp.asarray(solver(rows))
    if z.shape != rows.shape:
        raise libimle.Error("solver", f"returned shape {z.shape}, but should return {rows.shape}")
    return jax.lax.stop_gradient(z).astype(F32).reshape(scores.shape)


def _solve(setting: Setting, numbers: Array, key: Array, ids: Any, theta: Array) -> Any:
    z = find(setting.layer.solve, _perturb(setting, numbers, key, ids, theta))
    return z, z


def _solve_gradient(setting: Setting, incoming: Array, z: Array, *operands: Array) -> Any:
    """The gradient, as the handlers of top-k compute it (src/handlers.cpp says why)."""
    numbers, key, ids, theta = operands
    layer = setting.layer
    bad = ~jnp.isfinite(incoming).all((-2, -1), keepdims=True)
    dz = jnp.where(bad, 0, incoming)
    weight = numbers[4] / setting.losses
    factor = jnp.float32(layer.samples)
    if layer.target == "combinatorial":
        dz = dz / weight
        factor = factor * weight
    else:
        numbers = jnp.asarray(numbers).at[3].divide(weight)
        if layer.scale == "none":
            factor = factor * weight

    def state(side: int) -> Array:
        arrays = (numbers, key, ids, theta, dz, None)
        scores = setting.call("target", arrays, (1, 2), (z.shape[-2:],), noise=True, incoming=4, side=side)
        return find(layer.solve, scores[0])

    upper = state(-1) if layer.difference == "central" else z
    (grad_theta,) = setting.call("difference", (numbers, upper, state(1), None), (2, 2), (z.shape[-1:],))
    return {3: jnp.where(bad[..., 0], jnp.nan, grad_theta * factor)}


solve = differentiable(_solve, _solve_gradient)

# ---- straight-through ----


def _masked(theta: Array, value: Array) -> Array:
    return jnp.where(theta == -jnp.inf, 0, value)


straight_through = differentiable(
    lambda setting, z, theta: (z, None),
    lambda setting, incoming, _, z, theta: {1: _masked(theta, incoming.sum(-2))},
)

# ---- exact distributions of k-subsets and trees ----


def _moment(moment: int, setting: Setting, numbers: Array, theta: Array, k_row: Any) -> Array:
    own = theta.shape[-1:] if moment == 0 else ()
    return setting.call("exact_moment", (numbers, theta, k_row), (1,), (own,), moment=moment)[0]


def _vjp(setting: Setting, numbers: Array, theta: Array, v: Array, k_row: Any) -> Array:
    """The gradient of <v, mu(theta)>: (1 / T) Cov(z) v."""
    return setting.call("exact_marginals_vjp", (numbers, theta, v, k_row), (1, 1), (theta.shape[-1:],))[0]


def _marginals(setting: Setting, *operands: Any) -> Any:
    return _moment(0, setting, *operands), None


marginals = differentiable(
    _marginals,
    lambda setting, v, _, numbers, theta, k_row: {1: _vjp(setting, numbers, theta, v, k_row)},
)


def _temperature(numbers: Array) -> Array:
    return numbers[0]


def _log_partition_gradient(
    setting: Setting, incoming: Array, _: None, numbers: Array, theta: Array, k_row: Any
) -> Any:
    mu = _moment(0, setting, numbers, theta, k_row)
    return {1: incoming[..., None] * mu / _temperature(numbers)}


log_partition = differentiable(lambda *operands: (_moment(1, *operands), None), _log_partition_gradient)


def _entropy_gradient(setting: Setting, incoming: Array, _: None, numbers: Array, theta: Array, k_row: Any) -> Any:
    # H = A - <mu, theta> / T, and mu / T is the gradient of A.
    moved = _vjp(setting, numbers, theta, _masked(theta, theta), k_row)
    return {1: -incoming[..., None] * moved / _temperature(numbers)}


entropy = differentiable(lambda *operands: (_moment(2, *operands), None), _entropy_gradient)


def _log_partitions(setting: Setting, numbers: Array, theta: Array) -> Any:
    own = (setting.layer.k + 1,)
    return setting.call("exact_log_partitions", (numbers, theta, None), (1,), (own,))[0], None


def _log_partitions_gradient(setting: Setting, v: Array, _: None, numbers: Array, theta: Array) -> Any:
    operands = (numbers, theta, v, None)
    return {1: setting.call("exact_log_partitions_vjp", operands, (1, 1), (theta.shape[-1:],))[0]}


log_partitions = differentiable(_log_partitions, _log_partitions_gradient)


def sample_exact(setting: Setting, numbers: Array, key: Array, ids: Any, theta: Array, k_row: Any) -> Results:
    states = (setting.layer.samples, theta.shape[-1])
    operands = (numbers, key, ids, theta, k_row)
    return setting.call("exact_sample", operands, (1,), (states, setting.lists), noise=True)


def _simple_gradient(setting: Setting, incoming: Any, _: None, *operands: Any) -> Any:
    numbers, _key, _ids, theta, k_row = operands
    operands = (numbers, theta, incoming[0], k_row)
    grad_theta = setting.call("exact_simple", operands, (1, 2), (theta.shape[-1:],))[0]
    return {3: grad_theta if setting.layer.samples == 1 else grad_theta * setting.layer.samples}


simple = differentiable(lambda *operands: (sample_exact(*operands), None), _simple_gradient)


def _log_prob(setting: Setting, numbers: Array, theta: Array, indices: Array, k_row: Any) -> Any:
    own = (1, len(setting.lists))
    return setting.call("exact_log_prob", (numbers, theta, indices, k_row), own, ((setting.layer.samples,),))[0], None


def _log_prob_gradient(
    setting: Setting, incoming: Array, _: None, numbers: Array, theta: Array, indices: Array, k_row: Any
) -> Any:
    # The gradient of ln p(z) is (z - mu) / T; incoming weighs the samples.
    n = theta.shape[-1]
    mu = _moment(0, setting, numbers, theta, k_row)
    rows = theta.size // n
    ones = jnp.minimum(indices, n).astype(jnp.int32).reshape(rows, -1)  # n stands for the unused tail of a list
    weights = jnp.broadcast_to(incoming[..., None], indices.shape).reshape(rows, -1)
    sums = jnp.zeros((rows, n), F32).at[jnp.arange(rows)[:, None], ones].add(weights, mode="drop")
    return {1: (sums.reshape(theta.shape) - incoming.sum(-1, keepdims=True) * mu) / _temperature(numbers)}


log_prob = differentiable(_log_prob, _log_prob_gradient)


def _kl(setting: Setting, numbers: Array, theta: Array, theta_other: Array, k_row: Any) -> Any:
    return setting.call("exact_kl", (numbers, theta, theta_other, k_row), (1, 1), ((),))[0], None


def _kl_gradient(
    setting: Setting, incoming: Array, _: None, numbers: Array, theta: Array, theta_other: Array, k_row: Any
) -> Any:
    """Both arguments have a gradient. KL = <mu, theta - other> / T - A(theta) + A(other)."""
    mu, mu_other = (_moment(0, setting, numbers, scores, k_row) for scores in (theta, theta_other))
    moved = _vjp(setting, numbers, theta, _masked(theta, theta - theta_other), k_row)
    factor = incoming[..., None] / _temperature(numbers)
    return {1: factor * moved, 2: factor * (mu_other - mu)}


kl = differentiable(_kl, _kl_gradient)

# ---- estimators for losses [..., S]: they return the losses, and give theta a gradient ----


def _score_function_gradient(setting: Setting, incoming: Array, _: None, *operands: Any) -> Any:
    """Losses have their own gradient, too. The estimator is a mean over S samples of weights times losses."""
    numbers, theta, losses, indices, k_row = operands
    operands = (numbers, theta, incoming * losses * setting.layer.samples, indices, k_row)
    grad_theta = setting.call("exact_score_function", operands, (1, 1, len(setting.lists)), (theta.shape[-1:],))[0]
    return {1: grad_theta, 2: incoming}


score_function = differentiable(
    lambda setting, numbers, theta, losses, indices, k_row: (losses, None), _score_function_gradient
)


def _unbiased_simple_gradient(setting: Setting, incoming: Array, _: None, *operands: Any) -> Any:
    """Losses have their own gradient, too."""
    numbers, theta, dz, losses, indices, k_row = operands
    weights = incoming * setting.layer.samples
    operands = (numbers, theta, weights[..., None] * dz, weights * losses, indices, k_row)
    own = (1, 2, 1, len(setting.lists))
    return {1: setting.call("exact_unbiased_simple", operands, own, (theta.shape[-1:],))[0], 3: incoming}


unbiased_simple = differentiable(
    lambda setting, numbers, theta, dz, losses, indices, k_row: (losses, None), _unbiased_simple_gradient
)
