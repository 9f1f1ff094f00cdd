"""libimle for JAX: differentiable choices, as functions.

    z = libimle.jax.topk(theta, 10, key, lambda_=2.0)  # theta [..., N], z [..., N] with 10 ones in each row
    grad = jax.grad(lambda theta: loss(model(topk(theta, 10, key))).mean())(theta)  # the Implicit-MLE estimate

A key draws z = MAP(theta + tau eps); None in its place is MAP(theta), the choice at test time, without a gradient. The
key is one of jax.random, or an array of libimle.jax.key, or a libimle.Key; the same key gives the same noise, also in
the backward pass. Results have the same bits as those of libimle for NumPy, on any number of devices.

jit, grad, vmap, scan, remat and shard_map work. vmap makes one call of all mapped rows, each with noise of its own.
Arrays that are sharded by rows stay so. The work is done on the CPU in float32; results have the dtype of theta.

Arguments that functions share:
    theta: scores, [..., N], finite or -inf (never chosen). The leading dimensions are rows.
    k: the number of ones, 0 to N, a Python number. If rows differ (k_row), the largest of them. Where libimle.Trees are
        allowed in its place, states are dependency trees: read words, words for N, as for `tree`.
    key: draws the noise, or None.
    k_row: the k of each row, [...], 0 to k.
    n_row: the words of each row, for trees, [...], 0 to words. What lies beyond is not read, and 0 in results.
    row_ids: the number of each row, [...], integers from 0, so that the noise follows the example everywhere.
    samples: S samples of each row, in a dimension before the last: z [..., S, N]. None is one without that dimension.
    reduction: how the loss weighs rows and samples, which must be known because lambda multiplies the gradient of each
        one's own loss: "mean" for a loss that is the mean over all rows and samples of a call, "sum" for their sum.
        Inside vmap or shard_map, a call has the rows that the function sees.
    loss_scale: a further factor of the loss, a number or a traced scalar: 1 / B if a mean over B mapped rows, or over B
        devices, is taken outside, or the scale of a mixed-precision loss.
    temperature, target_temperature, alpha, lambda_: as in libimle.TopK, numbers or traced scalars without a gradient.
    options: noise, target, difference, scale, coupling, sog_terms, sog_kappa and threads, as in libimle.TopK.

Arguments that are wrong before any number is known raise libimle.Error. Bad numbers, such as NaN in theta, end the
computation with an error of JAX whose text names the argument and the row (counted on its device if theta is sharded,
and in the folded batch under vmap). A gradient that comes in and is not finite gives NaN to the gradient of its row.
"""

# mypy: allow-untyped-calls
# (JAX has no types for some of its functions.)

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import libimle
from libimle._checks import UINT32_MAX, UINT64_MAX, check_scores, integer, invertible, real, unsigned
from libimle._errors import Error
from libimle._exact import exact_of
from libimle._layers import choice_of, needs_two
from libimle._shapes import Matrices, Trees
from libimle.jax import _functions
from libimle.jax._functions import F32, Setting

__all__ = [
    "argmax",
    "callback",
    "entropy",
    "fenchel_young",
    "key",
    "kl",
    "log_partition",
    "log_partitions",
    "log_prob",
    "marginals",
    "sample",
    "score_function",
    "simple",
    "solve",
    "straight_through",
    "topk",
    "tree",
    "unbiased_simple",
]

Number = float | Array
Key = Array | libimle.Key | None

# ---- keys ----


def key(seed: int | Array, step: int | Array = 0, row0: int | Array = 0, sample0: int = 0, strata: int = 0) -> Array:
    """The key of libimle.Key(seed, step, row0, sample0=sample0, strata=strata) as an array of 8 words.

    seed, step and row0 are Python numbers from 0 to 2^64 - 1, or integers of JAX, which may be traced: the step of a
    scan, or the first row of a device, `jax.lax.axis_index(name) * rows`.
    """
    words = [*_words("seed", seed), *_words("step", step), *_words("row0", row0)]
    words += [integer("sample0", sample0, 0, UINT32_MAX), integer("strata", strata, 0, UINT32_MAX)]
    if all(isinstance(word, int) for word in words):
        return jnp.asarray(np.array(words, np.uint32))
    return jnp.stack([jnp.asarray(word, jnp.uint32) for word in words])


_key = key  # other functions have an argument of this name


def _words(name: str, value: Any) -> tuple[Any, Any]:
    """A number below 2^64 in two words, the lower one first."""
    if not isinstance(value, Array):
        number = integer(name, value, 0, UINT64_MAX)
        return number & UINT32_MAX, number >> 32
    if value.shape != () or not jnp.issubdtype(value.dtype, jnp.integer):
        raise Error(name, f"has shape {value.shape} and dtype {value.dtype}, but should be an integer")
    return value.astype(jnp.uint32), (value >> 32).astype(jnp.uint32) if value.dtype.itemsize == 8 else 0


def _words_of(key: Any) -> Array:
    """A key as an array of 8 words. The two or four words of a key of jax.random are the seed, or seed and step, the
    higher word first, so that jax.random.key(n) is libimle.Key(n)."""
    if isinstance(key, libimle.Key):
        return _key(key.seed, key.step, key.row0, key.sample0, key.strata)
    if isinstance(key, Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.key_data(key)
    if not isinstance(key, Array | np.ndarray) or key.dtype != np.uint32 or key.shape not in ((2,), (4,), (8,)):
        raise Error("key", "should be one key of jax.random or libimle.jax.key, a libimle.Key, or None")
    if key.shape == (8,):
        return jnp.asarray(key)
    words = jnp.asarray(key)[jnp.array([1, 0] if key.shape == (2,) else [1, 0, 3, 2])]
    return jnp.pad(words, (0, 8 - words.size))


# ---- arguments ----


def _floats(name: str, value: Any) -> Array:
    array = jnp.asarray(value)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise Error(name, f"has dtype {array.dtype}, but should hold floats")
    return array.astype(F32)


def _flat(layer: Any, name: str, value: Any) -> Array:
    """Scores, states or their gradients in float32, [..., N]; of trees, N = words * words."""
    array = _floats(name, value)
    if not isinstance(layer, Matrices):
        return array
    if array.shape[-2:] != (layer.words, layer.words):
        raise Error(name, f"has shape {array.shape}, but should have [..., {layer.words}, {layer.words}]")
    return array.reshape(*array.shape[:-2], layer.words**2)


def _shaped(layer: Any, result: Array, dtype: Any) -> Array:
    """A result [..., N] in the shape of scores and in their dtype."""
    if isinstance(layer, Matrices):
        result = result.reshape(*result.shape[:-1], layer.words, layer.words)
    return result.astype(dtype)


def _scores(theta: Any, layer: Any) -> tuple[Array, Any]:
    """theta in float32, [..., N], and its dtype."""
    scores = _flat(layer, "theta", theta)
    check_scores(scores.shape, layer._k)
    return scores, jnp.asarray(theta).dtype


def _like(layer: Any, name: str, value: Any, shape: tuple[int, ...]) -> Array:
    array = _flat(layer, name, value)
    if array.shape != shape:
        raise Error(name, f"has shape {array.shape}, but should have {shape}")
    return array


def _integers(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    array = value if isinstance(value, Array) else jnp.asarray(unsigned(name, value, np.uint32))
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise Error(name, f"has dtype {array.dtype}, but should hold integers")
    if array.shape != shape:
        raise Error(name, f"has shape {array.shape}, but should have {shape}")
    return array.astype(jnp.uint32)


def _per_row(layer: Any, k_row: Any, n_row: Any, scores: Array) -> Array | None:
    """The k or the words of each row."""
    if isinstance(layer, Matrices):
        if k_row is not None:
            raise Error("k_row", "is for k of n only; the words of trees are n_row")
        return None if n_row is None else _integers("n_row", n_row, scores.shape[:-1])
    if n_row is not None:
        raise Error("n_row", "is for trees only")
    return None if k_row is None else _integers("k_row", k_row, scores.shape[:-1])


def _at_least_0(name: str, value: Any) -> float:
    return real(name, value, 0.0)


def _numbers(
    temperature: Number = 1.0,
    target_temperature: Number = 1.0,
    alpha: Number = 1.0,
    lambda_: Number = 1.0,
    loss_scale: Number = 1.0,
) -> Any:
    """These numbers as one array."""
    checks: dict[str, tuple[Number, Callable[[str, Any], float]]] = {
        "temperature": (temperature, _at_least_0),
        "target_temperature": (target_temperature, _at_least_0),
        "alpha": (alpha, real),
        "lambda_": (lambda_, invertible),
        "loss_scale": (loss_scale, invertible),
    }
    numbers = [value if isinstance(value, Array) else check(name, value) for name, (value, check) in checks.items()]
    for name, number in zip(checks, numbers):
        if isinstance(number, Array) and number.shape != ():
            raise Error(name, f"has shape {number.shape}, but should be a number")
    if all(isinstance(number, float) for number in numbers):
        return np.array(numbers, np.float32)
    return jnp.stack([jnp.asarray(number, jnp.float32) for number in numbers])


def _noise(key: Any, row_ids: Any, theta: Array) -> tuple[Array, Array | None]:
    """The words of the key, and of the numbers of the rows."""
    if isinstance(key, libimle.Key) and key.row_ids is not None:
        if row_ids is not None:
            raise Error("row_ids", "are in the key, too")
        row_ids = key.row_ids
    return _words_of(key), None if row_ids is None else _row_ids(row_ids, theta.shape[:-1])


def _row_ids(ids: Any, shape: tuple[int, ...]) -> Array:
    if not isinstance(ids, Array):
        numbers: np.ndarray = np.asarray(unsigned("row_ids", ids, np.uint64))
        low, high = (jnp.asarray(words.astype(np.uint32)) for words in (numbers & UINT32_MAX, numbers >> 32))
    elif not jnp.issubdtype(ids.dtype, jnp.integer):
        raise Error("row_ids", f"has dtype {ids.dtype}, but should hold integers")
    else:
        low = ids.astype(jnp.uint32)
        high = (ids >> 32).astype(jnp.uint32) if ids.dtype.itemsize == 8 else jnp.zeros_like(low)
    if low.shape != shape:
        raise Error("row_ids", f"has shape {low.shape}, but should have {shape}")
    return jnp.stack([low, high], -1)


def _setting(layer: Any, theta: Array, reduction: str) -> Setting:
    if reduction not in ("mean", "sum"):
        raise Error("reduction", f"is {reduction!r}, but should be 'mean' or 'sum'")
    rows = math.prod(theta.shape[:-1])
    return Setting(layer, max(rows * layer.samples, 1) if reduction == "mean" else 1)


@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def _call(function: Callable[..., Any], setting: Setting, *operands: Any) -> Any:
    """Calls a function of _functions as one program."""
    return function(setting, *operands)


def _without_samples(samples: int | None, array: Array, place: int) -> Array:
    return array.squeeze(place) if samples is None else array


# ---- k of n, one of n, trees, a solver of yours ----


def _choose(
    layer: Any,
    theta: Any,
    key: Key,
    numbers: Any,
    samples: int | None,
    row_ids: Any,
    reduction: str,
    k_row: Any = None,
    n_row: Any = None,
) -> tuple[Array, Array]:
    scores, dtype = _scores(theta, layer)
    ks = _per_row(layer, k_row, n_row, scores)
    place = scores.ndim - 1
    if key is None:
        z, indices = _call(_functions.choose, Setting(layer), numbers, jax.lax.stop_gradient(scores), ks)
        if samples is not None:
            z, indices = jnp.expand_dims(z, place), jnp.expand_dims(indices, place)
        return _shaped(layer, z, dtype), indices
    setting = _setting(layer, scores, reduction)
    z, indices = _call(_functions.sample, setting, numbers, *_noise(key, row_ids, scores), scores, ks)
    return _shaped(layer, _without_samples(samples, z, place), dtype), _without_samples(samples, indices, place)


def topk(
    theta: Any,
    k: int,
    key: Key,
    *,
    samples: int | None = None,
    temperature: Number = 1.0,
    target_temperature: Number = 1.0,
    alpha: Number = 1.0,
    lambda_: Number = 1.0,
    reduction: str = "mean",
    loss_scale: Number = 1.0,
    row_ids: Any = None,
    k_row: Any = None,
    return_indices: bool = False,
    **options: Any,
) -> Any:
    """z [..., N] (with samples, [..., S, N]), k ones in each row, with the Implicit-MLE gradient.

    return_indices: return (z, indices) with the indices of the ones in uint32, ascending, [..., K] or [..., S, K], and
    4294967295 in the unused tail where k_row is less than k.
    """
    layer = libimle.TopK(k, samples=1 if samples is None else samples, **options)
    numbers = _numbers(temperature, target_temperature, alpha, lambda_, loss_scale)
    z, indices = _choose(layer, theta, key, numbers, samples, row_ids, reduction, k_row=k_row)
    return (z, indices) if return_indices else z


def argmax(
    theta: Any,
    key: Key,
    *,
    samples: int | None = None,
    temperature: Number = 1.0,
    target_temperature: Number = 1.0,
    alpha: Number = 1.0,
    lambda_: Number = 1.0,
    reduction: str = "mean",
    loss_scale: Number = 1.0,
    row_ids: Any = None,
    return_indices: bool = False,
    **options: Any,
) -> Any:
    """z [..., N] (with samples, [..., S, N]), 1 at the largest score, with the Implicit-MLE gradient.

    return_indices: return (z, indices), [...] or [..., S].
    """
    layer = libimle.Argmax(samples=1 if samples is None else samples, **options)
    numbers = _numbers(temperature, target_temperature, alpha, lambda_, loss_scale)
    z, indices = _choose(layer, theta, key, numbers, samples, row_ids, reduction)
    return (z, indices) if return_indices else z


def tree(
    theta: Any,
    key: Key,
    *,
    projective: bool = False,
    single_root: bool = False,
    samples: int | None = None,
    temperature: Number = 1.0,
    target_temperature: Number = 1.0,
    alpha: Number = 1.0,
    lambda_: Number = 1.0,
    reduction: str = "mean",
    loss_scale: Number = 1.0,
    row_ids: Any = None,
    n_row: Any = None,
    return_indices: bool = False,
    **options: Any,
) -> Any:
    """z [..., words, words] (with samples, [..., S, words, words]), the best dependency tree of each row, with the
    Implicit-MLE gradient. Element [h, d] of theta and z is the arc from head h to word d, and the diagonal has the arcs
    from the root; libimle.Tree says more.

    return_indices: return (z, indices) with the positions h * words + d of the arcs in uint32, ascending, [..., words]
    or [..., S, words], and 4294967295 in the unused tail where n_row is less than words.
    """
    words = max(jnp.shape(theta)[-1:], default=0)
    layer = choice_of(Trees(words, projective, single_root), samples=1 if samples is None else samples, **options)
    numbers = _numbers(temperature, target_temperature, alpha, lambda_, loss_scale)
    z, indices = _choose(layer, theta, key, numbers, samples, row_ids, reduction, n_row=n_row)
    return (z, indices) if return_indices else z


def solve(
    solver: Callable[[Array], Any],
    theta: Any,
    key: Key,
    *,
    samples: int | None = None,
    temperature: Number = 1.0,
    target_temperature: Number = 1.0,
    alpha: Number = 1.0,
    lambda_: Number = 1.0,
    reduction: str = "mean",
    loss_scale: Number = 1.0,
    row_ids: Any = None,
    **options: Any,
) -> Array:
    """z [..., N] (with samples, [..., S, N]), the states that a solver finds, with the Implicit-MLE gradient.

    solver: a function of JAX of scores [M, N], in float32, where -inf is a mask. It returns for each row the state with
    the largest <z, scores>, [M, N]. It may use only its argument and constants. `callback` makes one of a function of
    NumPy. Pass the same object each time: JAX compiles for each new one.
    """
    layer = libimle.Solver(solver, samples=1 if samples is None else samples, **options)  # type: ignore[arg-type]
    numbers = _numbers(temperature, target_temperature, alpha, lambda_, loss_scale)
    scores, dtype = _scores(theta, layer)
    place = scores.ndim - 1
    if key is None:
        z = _functions.find(solver, jax.lax.stop_gradient(scores)).astype(dtype)
        return z if samples is None else jnp.expand_dims(z, place)
    setting = _setting(layer, scores, reduction)
    z = _call(_functions.solve, setting, numbers, *_noise(key, row_ids, scores), scores)
    return _without_samples(samples, z, place).astype(dtype)


@functools.lru_cache(maxsize=1024)
def callback(solver: Callable[[np.ndarray], Any]) -> Callable[[Array], Array]:
    """A solver for `solve` from a function of NumPy, which gets scores [M, N] and returns states [M, N]."""

    def on_host(scores: Any) -> np.ndarray:
        rows = np.asarray(scores).reshape(-1, scores.shape[-1])
        z = np.asarray(solver(rows), F32)
        if z.shape != rows.shape:
            raise Error("solver", f"returned shape {z.shape}, but should return {rows.shape}")
        return z.reshape(scores.shape)

    def on_device(scores: Array) -> Array:
        shape = jax.ShapeDtypeStruct(scores.shape, F32)
        z: Array = jax.pure_callback(on_host, shape, scores, vmap_method="broadcast_all")
        return z

    return on_device


def fenchel_young(
    theta: Any,
    y: Any,
    k: int | Trees,
    key: Array | libimle.Key,
    *,
    samples: int = 1,
    temperature: Number = 1.0,
    row_ids: Any = None,
    k_row: Any = None,
    n_row: Any = None,
    **options: Any,
) -> Array:
    """The Fenchel-Young loss [...] of the perturbed optimiser, up to a constant, for observed states y [..., N], with
    its exact gradient with respect to theta. It has no lambda, and it is right for every reduction."""
    layer = choice_of(k, samples=samples, **options)
    scores, dtype = _scores(theta, layer)
    observed = _like(layer, "y", y, scores.shape)
    operands = (*_noise(key, row_ids, scores), scores, observed, _per_row(layer, k_row, n_row, scores))
    loss: Array = _call(_functions.fenchel_young, Setting(layer), _numbers(temperature), *operands)
    return loss.astype(dtype)


def straight_through(theta: Any, z: Any, *, trees: Trees | None = None, n_row: Any = None) -> Array:
    """z [..., S, N] or [..., N] itself, whose gradient goes to theta [..., N] as if z were theta: the sum over the
    samples, 0 where theta is masked. z is from `topk(theta, k, key)` or another choice, and gets no gradient. If it is
    from `tree`, say so: `trees=libimle.Trees(words)`."""
    layer = libimle.TopK(0) if trees is None else choice_of(trees)  # they differ in the shape of theta and z only
    scores, _ = _scores(theta, layer)
    states = _flat(layer, "z", z)
    shared = states.ndim == scores.ndim
    if shared:
        states = jnp.expand_dims(states, -2)
    if states.shape[:-2] + states.shape[-1:] != scores.shape:
        raise Error(
            "z", f"has shape {jnp.shape(z)}, but should be [..., S, N] or [..., N] for theta {jnp.shape(theta)}"
        )
    rows = _per_row(layer, None, n_row, scores)
    if rows is not None:
        used = jnp.arange(layer._k) < rows[..., None]
        scores = jnp.where((used[..., None] & used[..., None, :]).reshape(scores.shape), scores, -jnp.inf)
    result: Array = _call(_functions.straight_through, Setting(layer), jax.lax.stop_gradient(states), scores)
    return _shaped(layer, result.squeeze(-2) if shared else result, jnp.asarray(z).dtype)


# ---- exact distributions of k-subsets and trees ----


def _exact(
    theta: Any, k: int | Trees, temperature: Number, samples: int, threads: int
) -> tuple[Setting, Any, Array, Any]:
    """The setting, the numbers, theta in float32, [..., N], and its dtype."""
    numbers = _numbers(temperature if isinstance(temperature, Array) else invertible("temperature", temperature))
    layer = exact_of(k, samples=samples, threads=threads)
    return Setting(layer), numbers, *_scores(theta, layer)


def marginals(
    theta: Any,
    k: int | Trees,
    *,
    temperature: Number = 1.0,
    k_row: Any = None,
    n_row: Any = None,
    threads: int = 1,
) -> Array:
    """mu = E[z] [..., N] of p(z) proportional to exp(<z, theta> / T) on the k-subsets of n, or on trees."""
    setting, numbers, scores, dtype = _exact(theta, k, temperature, 1, threads)
    rows = _per_row(setting.layer, k_row, n_row, scores)
    return _shaped(setting.layer, _call(_functions.marginals, setting, numbers, scores, rows), dtype)


def log_partition(
    theta: Any,
    k: int | Trees,
    *,
    temperature: Number = 1.0,
    k_row: Any = None,
    n_row: Any = None,
    threads: int = 1,
) -> Array:
    """A = ln sum over z of exp(<z, theta> / T), [...], in nats. Its gradient is mu / T."""
    setting, numbers, scores, dtype = _exact(theta, k, temperature, 1, threads)
    rows = _per_row(setting.layer, k_row, n_row, scores)
    result: Array = _call(_functions.log_partition, setting, numbers, scores, rows)
    return result.astype(dtype)


def log_partitions(theta: Any, k: int, *, temperature: Number = 1.0, threads: int = 1) -> Array:
    """A_0 ... A_K, the log-partitions of the states with 0 to k ones, [..., K + 1], in nats."""
    setting, numbers, scores, dtype = _exact(theta, k, temperature, 1, threads)
    result: Array = _call(_functions.log_partitions, setting, numbers, scores)
    return result.astype(dtype)


def entropy(
    theta: Any,
    k: int | Trees,
    *,
    temperature: Number = 1.0,
    k_row: Any = None,
    n_row: Any = None,
    threads: int = 1,
) -> Array:
    """The entropy of p, A - <mu, theta> / T, [...], in nats."""
    setting, numbers, scores, dtype = _exact(theta, k, temperature, 1, threads)
    rows = _per_row(setting.layer, k_row, n_row, scores)
    result: Array = _call(_functions.entropy, setting, numbers, scores, rows)
    return result.astype(dtype)


def kl(
    theta: Any,
    theta_other: Any,
    k: int | Trees,
    *,
    temperature: Number = 1.0,
    k_row: Any = None,
    n_row: Any = None,
    threads: int = 1,
) -> Array:
    """KL(p || q) [...], in nats, of p with the scores theta and q with the scores theta_other, both [..., N]. Both have
    a gradient. It is +inf where theta_other masks what p chooses."""
    setting, numbers, scores, dtype = _exact(theta, k, temperature, 1, threads)
    other = _like(setting.layer, "theta_other", theta_other, scores.shape)
    rows = _per_row(setting.layer, k_row, n_row, scores)
    result: Array = _call(_functions.kl, setting, numbers, scores, other, rows)
    return result.astype(dtype)


def log_prob(
    theta: Any,
    indices: Any,
    k: int | Trees,
    *,
    temperature: Number = 1.0,
    k_row: Any = None,
    n_row: Any = None,
    threads: int = 1,
) -> Array:
    """ln p(z_s) [..., S], in nats, of states that are given by the indices of their ones, [..., S, K], as `sample`
    returns them, or ln p(z) [...] for indices [..., K]."""
    shape = jnp.shape(indices)
    one = len(shape) == jnp.ndim(theta) - isinstance(k, Trees)
    samples = 1 if one else (shape[-2] if len(shape) > 1 else 1)
    setting, numbers, scores, dtype = _exact(theta, k, temperature, samples, threads)
    rows, states = scores.shape[:-1], setting.lists
    lists = _integers("indices", indices, (*rows, states[-1]) if one else (*rows, *states)).reshape(*rows, *states)
    per_row = _per_row(setting.layer, k_row, n_row, scores)
    result: Array = _call(_functions.log_prob, setting, numbers, scores, lists, per_row)
    return (result.squeeze(-1) if one else result).astype(dtype)


def sample(
    theta: Any,
    k: int | Trees,
    key: Array | libimle.Key,
    *,
    samples: int | None = None,
    temperature: Number = 1.0,
    row_ids: Any = None,
    k_row: Any = None,
    n_row: Any = None,
    threads: int = 1,
) -> tuple[Array, Array]:
    """Exact samples of p(z): z [..., N] and the indices of the ones in uint32, [..., K] (with samples, [..., S, N] and
    [..., S, K]). They have no gradient; that of `simple` is SIMPLE's."""
    z, indices = simple(
        jax.lax.stop_gradient(theta),
        k,
        key,
        samples=samples,
        temperature=temperature,
        row_ids=row_ids,
        k_row=k_row,
        n_row=n_row,
        return_indices=True,
        threads=threads,
    )
    return z, indices


def simple(
    theta: Any,
    k: int | Trees,
    key: Key,
    *,
    samples: int | None = None,
    temperature: Number = 1.0,
    row_ids: Any = None,
    k_row: Any = None,
    n_row: Any = None,
    return_indices: bool = False,
    threads: int = 1,
) -> Any:
    """SIMPLE: exact samples of p(z), as in `sample`, whose gradient is that of the exact marginals. It has no lambda,
    and it is right for every reduction of the loss. Without a key it is MAP(theta), as `topk` or `tree`."""
    if key is None:
        layer = choice_of(k, threads=threads)
        z, indices = _choose(layer, theta, None, _numbers(), samples, row_ids, "mean", k_row, n_row)
        return (z, indices) if return_indices else z
    setting, numbers, scores, dtype = _exact(theta, k, temperature, 1 if samples is None else samples, threads)
    noise, rows = _noise(key, row_ids, scores), _per_row(setting.layer, k_row, n_row, scores)
    z, indices = _call(_functions.simple, setting, numbers, *noise, scores, rows)
    place = scores.ndim - 1
    z, indices = _without_samples(samples, z, place), _without_samples(samples, indices, place)
    z = _shaped(setting.layer, z, dtype)
    return (z, indices) if return_indices else z


def score_function(
    losses: Any,
    theta: Any,
    indices: Any,
    k: int | Trees,
    *,
    temperature: Number = 1.0,
    k_row: Any = None,
    n_row: Any = None,
    threads: int = 1,
) -> Array:
    """The losses [..., S] of samples themselves, S at least 2, with the score function of p as their gradient with
    respect to theta: an unbiased estimate with a leave-one-out baseline, for losses without a gradient at z.

    >>> z, indices = sample(theta, k, key, samples=8)
    >>> score_function(loss(z), theta, indices, k).mean()
    """
    shape = jnp.shape(losses)
    setting, numbers, scores, _ = _exact(theta, k, temperature, max(shape[-1:], default=1), threads)
    needs_two(setting.layer.samples)
    rows = scores.shape[:-1]
    given = _like(None, "losses", losses, (*rows, setting.layer.samples))
    lists = _integers("indices", indices, (*rows, *setting.lists))
    per_row = _per_row(setting.layer, k_row, n_row, scores)
    result: Array = _call(_functions.score_function, setting, numbers, scores, given, lists, per_row)
    return result.astype(jnp.asarray(losses).dtype)


def unbiased_simple(
    losses: Any,
    dz: Any,
    theta: Any,
    indices: Any,
    k: int | Trees,
    *,
    temperature: Number = 1.0,
    k_row: Any = None,
    n_row: Any = None,
    threads: int = 1,
) -> Array:
    """The losses [..., S] of samples themselves, S at least 2, with SIMPLE and the score function as its correction as
    their gradient with respect to theta, an unbiased estimate for a mean or a sum of the losses.

    dz [..., S, N] is the gradient of each sample's own loss:

    >>> z, indices = sample(theta, k, key, samples=8)
    >>> losses, pull = jax.vjp(loss, z)
    >>> unbiased_simple(losses, *pull(jnp.ones_like(losses)), theta, indices, k).mean()
    """
    shape = jnp.shape(losses)
    setting, numbers, scores, _ = _exact(theta, k, temperature, max(shape[-1:], default=1), threads)
    needs_two(setting.layer.samples)
    states = (*scores.shape[:-1], setting.layer.samples)
    given = _like(None, "losses", losses, states)
    gradients = _like(setting.layer, "dz", dz, (*states, scores.shape[-1]))
    lists = _integers("indices", indices, (*states, setting.layer._k))
    per_row = _per_row(setting.layer, k_row, n_row, scores)
    operands = (scores, jax.lax.stop_gradient(gradients), given, lists, per_row)
    result: Array = _call(_functions.unbiased_simple, setting, numbers, *operands)
    return result.astype(jnp.asarray(losses).dtype)
