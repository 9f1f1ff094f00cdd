"""libimle for PyTorch: differentiable choices, as modules.

    layer = libimle.torch.TopK(10, lambda_=2.0)
    z = layer(theta)                  # theta [..., N], z [..., N] with 10 ones in each row
    loss(model(z)).mean().backward()  # theta.grad is the Implicit-MLE estimate

Training mode draws z = MAP(theta + tau eps); evaluation mode is MAP(theta), without noise. The noise comes from the
generator of PyTorch's CPU, as dropout's does: torch.manual_seed, checkpointing and others work as usual. A libimle.Key
takes its place if it is given. Tensors of any device and dtype of floats are taken; the work is done on the CPU in
float32, and results return to where theta is.

Each module has a function beside it, such as topk(theta, k). Take modules where torch.compile is to see the call.

torch.compile (fullgraph), torch.export, vmap, checkpoint, GradScaler and DistributedDataParallel work. torch.func.grad
does not: PyTorch takes it through no operator of a library.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import libimle
from libimle._errors import Error
from libimle._exact import exact_of
from libimle._layers import choice_of, needs_two
from libimle._settings import Key
from libimle._shapes import Matrices, Trees
from libimle.torch import _ops
from libimle.torch._adaptive import Adaptive
from libimle.torch._calls import CPU, Solve, corner, drawn_key, settings_of

__all__ = [
    "Adaptive",
    "Argmax",
    "ExactMarginals",
    "FenchelYoung",
    "Simple",
    "Solver",
    "TopK",
    "Tree",
    "argmax",
    "entropy",
    "fenchel_young",
    "kl",
    "log_partition",
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

Scale = float | Callable[[], float]


# ---- keys and settings ----


def _key(key: Key | Tensor) -> Tensor:
    """The key as a tensor of integers."""
    if isinstance(key, Tensor):
        if key.dtype is not torch.int64 or key.shape not in ((2,), (5,)):
            raise Error("key", "should be a libimle.Key or an int64 tensor of 2 or 5 numbers")
        return key
    if not isinstance(key, Key):
        raise Error("key", f"is of type {type(key).__name__}, but should be a libimle.Key")
    if key.row_ids is not None:
        raise Error("key", "has row_ids; pass them as the argument row_ids")
    numbers = [key.seed, key.step, key.row0, key.sample0, key.strata]
    if not any(numbers[2:]):
        del numbers[2:]
    return torch.tensor([n - 2**64 if n >= 2**63 else n for n in numbers], device=CPU)


def _key_or_drawn(key: Key | Tensor | None) -> Tensor:
    return drawn_key() if key is None else _key(key)


def _check(theta: Tensor, **others: Any) -> None:
    """Refuses what is no tensor; others may be None. Operators of PyTorch refuse it in their own words."""
    for name, given in {"theta": theta, **others}.items():
        if not isinstance(given, Tensor) and (given is not None or name == "theta"):
            raise Error(name, f"is of type {type(given).__name__}, but should be a tensor")


def _wide(indices: Tensor) -> Tensor:
    """Indices in int64, for gather."""
    return indices.long() & 0xFFFFFFFF


# ---- trees: matrices [..., words, words], which the operators take as [..., N] ----


def _flat(layer: Any, name: str, tensor: Tensor) -> Tensor:
    """Scores, states or their gradients, [..., N]."""
    if not isinstance(layer, Matrices):
        return tensor
    shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else None
    if shape is None or shape[-2:] != (layer.words, layer.words):
        raise Error(name, f"has shape {shape}, but should be a tensor [..., {layer.words}, {layer.words}]")
    return tensor.flatten(-2)


def _shaped(layer: Any, result: Tensor) -> Tensor:
    """A result [..., N] in the shape of scores."""
    return result.reshape(*result.shape[:-1], layer.words, layer.words) if isinstance(layer, Matrices) else result


def _per_row(layer: Any, k_row: Tensor | None, n_row: Tensor | None) -> Tensor | None:
    """The k or the words of each row."""
    if k_row is not None and not isinstance(layer, libimle.TopK | libimle.ExactTopK):
        raise Error("k_row", "is for k of n only; the words of trees are n_row")
    if n_row is not None and not isinstance(layer, Matrices):
        raise Error("n_row", "is for trees only")
    return n_row if k_row is None else k_row


class _Layer(nn.Module):
    """The modules TopK, Argmax, Tree and Solver. Their arguments are those of the layers of the same names in libimle,
    and these:

    Args:
        samples: S samples of each row, in a dimension before the last: z [..., S, N] (in evaluation mode [..., 1, N]).
            None is one sample without that dimension: z [..., N]. (For trees, read words, words for N everywhere.)
        reduction: how the loss weighs rows and samples, which the layer must know because lambda multiplies the
            gradient of each one's own loss: "mean" for a loss that is the mean over them, "sum" for their sum.
        loss_scale: a further factor of the loss, such as that of a GradScaler: pass its method, `scaler.get_scale`.
        adaptive: a libimle.torch.Adaptive, which finds lambda.
    """

    def __init__(
        self, layer: Any, samples: int | None, reduction: str, loss_scale: Scale, adaptive: Adaptive | None
    ) -> None:
        super().__init__()
        if adaptive is not None and not isinstance(adaptive, Adaptive):
            raise Error("adaptive", f"is of type {type(adaptive).__name__}, but should be a libimle.torch.Adaptive")
        self.layer = layer
        self.adaptive = adaptive
        self.reduction = reduction
        self.loss_scale = loss_scale
        self._samples = samples
        self._settings = settings_of(layer)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._settings = settings_of(self.layer)  # the solver of a copy has a number of its own

    def forward(
        self,
        theta: Tensor,
        *,
        key: Key | Tensor | None = None,
        row_ids: Tensor | None = None,
        k_row: Tensor | None = None,
        n_row: Tensor | None = None,
        return_indices: bool = False,
    ) -> Any:
        """z for theta [..., N], finite or -inf (never chosen).

        Args:
            key: a libimle.Key, or an int64 tensor (seed, step); None draws one from PyTorch's generator.
            row_ids: the number of each row, [...], integers, so that the noise follows the example everywhere.
            k_row: TopK only: the k of each row, [...], 0 to k.
            n_row: Tree only: the words of each row, [...], 0 to words.
            return_indices: return (z, indices) with the indices of the ones in int64, ascending; [..., S, K] for
                TopK, [..., S] for Argmax, [..., S, words] for Tree, without S if `samples` is None, and 4294967295 in
                the unused tail.
        """
        _check(theta, row_ids=row_ids, k_row=k_row, n_row=n_row)
        if self.reduction not in ("mean", "sum"):
            raise Error("reduction", f"is {self.reduction!r}, but should be 'mean' or 'sum'")
        if return_indices and isinstance(self.layer, libimle.Solver):
            raise Error("return_indices", "is True, but a solver has no indices")
        rows = _per_row(self.layer, k_row, n_row)
        scores = _flat(self.layer, "theta", theta)
        if self.training:
            scale = self.loss_scale() if callable(self.loss_scale) else self.loss_scale
            number = 0 if self.adaptive is None else self.adaptive.number
            key = None if key is None else _key(key)
            flat, settings = self._samples is None, self._settings
            z, indices = _ops.sample(scores, key, row_ids, rows, flat, settings, self.reduction, scale, number, self)
        else:
            z, indices = _ops.choose(scores.detach(), rows, self._settings)
            if self._samples is None:
                z = z.squeeze(scores.dim() - 1)
        z = _shaped(self.layer, z)
        if not return_indices:
            return z
        indices = _wide(indices)
        return z, indices.squeeze(scores.dim() - 1) if self._samples is None else indices

    def extra_repr(self) -> str:
        return f"{self.layer}, reduction={self.reduction!r}"


class TopK(_Layer):
    """Chooses k of n, with the Implicit-MLE gradient."""

    def __init__(
        self,
        k: int,
        *,
        samples: int | None = None,
        reduction: str = "mean",
        loss_scale: Scale = 1.0,
        adaptive: Adaptive | None = None,
        **options: Any,
    ) -> None:
        layer = libimle.TopK(k, samples=1 if samples is None else samples, **options)
        super().__init__(layer, samples, reduction, loss_scale, adaptive)


class Argmax(_Layer):
    """Chooses one of n, with the Implicit-MLE gradient."""

    def __init__(
        self,
        *,
        samples: int | None = None,
        reduction: str = "mean",
        loss_scale: Scale = 1.0,
        adaptive: Adaptive | None = None,
        **options: Any,
    ) -> None:
        layer = libimle.Argmax(samples=1 if samples is None else samples, **options)
        super().__init__(layer, samples, reduction, loss_scale, adaptive)


class Tree(_Layer):
    """Chooses the best parse of a sentence of up to `words` words, with the Implicit-MLE gradient. Its options include
    projective and single_root. theta and z are [..., words, words], as libimle.Tree has them; of a row with fewer words
    (n_row), theta and dz are not read beyond them, and results are 0 there.
    """

    def __init__(
        self,
        words: int,
        *,
        samples: int | None = None,
        reduction: str = "mean",
        loss_scale: Scale = 1.0,
        adaptive: Adaptive | None = None,
        **options: Any,
    ) -> None:
        layer = libimle.Tree(words, samples=1 if samples is None else samples, **options)
        super().__init__(layer, samples, reduction, loss_scale, adaptive)


class Solver(_Layer):
    """Any other set of states, with the Implicit-MLE gradient.

    `solve` takes scores [M, N], a float32 tensor on the CPU, and returns for each row the state z with the largest
    <z, scores>, a tensor or an array [M, N].
    """

    def __init__(
        self,
        solve: Callable[[Tensor], Any],
        *,
        samples: int | None = None,
        reduction: str = "mean",
        loss_scale: Scale = 1.0,
        adaptive: Adaptive | None = None,
        **options: Any,
    ) -> None:
        layer = libimle.Solver(Solve(solve), samples=1 if samples is None else samples, **options)
        super().__init__(layer, samples, reduction, loss_scale, adaptive)


# ---- exact distributions: k is a number, or a libimle.Trees ----


class ExactMarginals(nn.Module):
    """mu = E[z] [..., N] of p(z) proportional to exp(<z, theta> / T) on the k-subsets of n, a layer without noise.

    With a libimle.Trees in place of k, p is on dependency trees: ExactMarginals(libimle.Trees(30)), mu [..., 30, 30].
    """

    def __init__(self, k: int | Trees, *, temperature: float = 1.0, threads: int = 1) -> None:
        super().__init__()
        self.layer = exact_of(k, temperature=temperature, threads=threads)
        self._settings = settings_of(self.layer)

    def forward(self, theta: Tensor, *, k_row: Tensor | None = None, n_row: Tensor | None = None) -> Tensor:
        mu: Tensor = self._call(_ops.marginals, k_row, n_row, theta=theta)
        return _shaped(self.layer, mu)

    def _call(self, operator: Any, k_row: Tensor | None, n_row: Tensor | None, **scores: Tensor) -> Any:
        """Calls an operator of scores, the k or the words of each row, and settings."""
        _check(scores["theta"], k_row=k_row, n_row=n_row)
        flat = [_flat(self.layer, name, tensor) for name, tensor in scores.items()]
        return operator(*flat, _per_row(self.layer, k_row, n_row), self._settings)

    def extra_repr(self) -> str:
        return str(self.layer)


class Simple(nn.Module):
    """SIMPLE: exact samples of p(z) in the forward pass, the derivative of the exact marginals in the backward pass. It
    has no lambda, and it is right for every reduction of the loss. Evaluation mode is MAP(theta).

    Args:
        k, temperature, threads: those of libimle.ExactTopK; k may be a libimle.Trees.
        samples: as in TopK.
    """

    def __init__(
        self, k: int | Trees, *, samples: int | None = None, temperature: float = 1.0, threads: int = 1
    ) -> None:
        super().__init__()
        self.layer = exact_of(k, samples=1 if samples is None else samples, temperature=temperature, threads=threads)
        self._samples = samples
        self._settings = settings_of(self.layer)

    def forward(
        self,
        theta: Tensor,
        *,
        key: Key | Tensor | None = None,
        row_ids: Tensor | None = None,
        k_row: Tensor | None = None,
        n_row: Tensor | None = None,
        return_indices: bool = False,
    ) -> Any:
        """As in TopK and Tree."""
        _check(theta, row_ids=row_ids, k_row=k_row, n_row=n_row)
        rows = _per_row(self.layer, k_row, n_row)
        scores = _flat(self.layer, "theta", theta)
        if self.training:
            z, indices = _ops.sample_exact(scores, _key_or_drawn(key), row_ids, rows, self._settings)
        else:
            z, indices = _ops.choose(scores.detach(), rows, self._settings)
        dimension = scores.dim() - 1
        if self._samples is None:
            z, indices = z.squeeze(dimension), indices.squeeze(dimension)
        z = _shaped(self.layer, z)
        return (z, _wide(indices)) if return_indices else z

    def extra_repr(self) -> str:
        return str(self.layer)

    def score_function(
        self,
        losses: Tensor,
        theta: Tensor,
        indices: Tensor,
        *,
        k_row: Tensor | None = None,
        n_row: Tensor | None = None,
    ) -> Tensor:
        """The losses [..., S] of the samples themselves, with the score function of p as their gradient with respect to
        theta: an unbiased estimate with a leave-one-out baseline, for losses that have no gradient with respect to z.

        >>> z, indices = layer(theta, return_indices=True)  # samples = S, at least 2
        >>> losses = loss(model(z.detach()))                # [..., S]
        >>> layer.score_function(losses, theta, indices).mean().backward()
        """
        _check(theta, k_row=k_row, n_row=n_row)
        rows = _per_row(self.layer, k_row, n_row)
        scores = _flat(self.layer, "theta", theta)
        self._check_samples(scores, losses=losses, indices=indices)
        wrapped: Tensor = _ops.score_function(scores, indices, losses, rows, self._settings)
        return wrapped

    def _check_samples(self, theta: Tensor, **given: Any) -> None:
        """Refuses what does not belong to the samples, in words that operators of PyTorch do not have. Arguments are
        those of the operators."""
        needs_two(self.layer.samples)
        rows = (*theta.shape[:-1], self.layer.samples)
        shapes = {"losses": rows, "indices": (*rows, self.layer._k), "dz": (*rows, *theta.shape[-1:])}
        for name, tensor in given.items():
            if not isinstance(tensor, Tensor) or tensor.shape != shapes[name] or tensor.device != theta.device:
                raise Error(name, f"should be a tensor of shape {shapes[name]} on {theta.device}")


class FenchelYoung(nn.Module):
    """The Fenchel-Young loss [...] of the perturbed optimiser, for observed states y [..., N], and its exact gradient.

    The arguments are those of libimle.TopK; k may be a libimle.Trees.
    """

    def __init__(self, k: int | Trees, *, samples: int = 1, **options: Any) -> None:
        super().__init__()
        self.layer = choice_of(k, samples=samples, **options)
        self._settings = settings_of(self.layer)

    def forward(
        self,
        theta: Tensor,
        y: Tensor,
        *,
        key: Key | Tensor | None = None,
        row_ids: Tensor | None = None,
        k_row: Tensor | None = None,
        n_row: Tensor | None = None,
    ) -> Tensor:
        _check(theta, row_ids=row_ids, k_row=k_row, n_row=n_row)
        if not isinstance(y, Tensor) or y.device != theta.device:
            raise Error("y", f"should be a tensor on {theta.device}")
        rows = _per_row(self.layer, k_row, n_row)
        scores, observed = _flat(self.layer, "theta", theta), _flat(self.layer, "y", y)
        loss: Tensor = _ops.fenchel_young(scores, observed, _key_or_drawn(key), row_ids, rows, self._settings)[0]
        return loss

    def extra_repr(self) -> str:
        return str(self.layer)


# ---- functions, with the names of imle_torch.hpp: k is a number, or a libimle.Trees ----


@functools.lru_cache(maxsize=256, typed=True)
def _cached(kind: Any, *arguments: Any, **options: Any) -> Any:
    return kind(*arguments, **options)


def _made(kind: Any, *arguments: Any, **options: Any) -> Any:
    """A module in training mode for one call; a cached one, unless it has a state."""
    try:
        if "adaptive" not in options:
            return _cached(kind, *arguments, **options)
    except TypeError:  # an argument cannot be hashed
        pass
    return kind(*arguments, **options)


def topk(
    theta: Tensor,
    k: int,
    *,
    key: Any = None,
    row_ids: Any = None,
    k_row: Any = None,
    return_indices: bool = False,
    **options: Any,
) -> Any:
    """TopK(k, **options)(theta, ...): z_s = MAP(theta + tau eps_s) with the Implicit-MLE gradient."""
    return _made(TopK, k, **options)(theta, key=key, row_ids=row_ids, k_row=k_row, return_indices=return_indices)


def argmax(theta: Tensor, *, key: Any = None, row_ids: Any = None, return_indices: bool = False, **options: Any) -> Any:
    """Argmax(**options)(theta, ...)."""
    return _made(Argmax, **options)(theta, key=key, row_ids=row_ids, return_indices=return_indices)


def tree(
    theta: Tensor,
    *,
    key: Any = None,
    row_ids: Any = None,
    n_row: Any = None,
    return_indices: bool = False,
    **options: Any,
) -> Any:
    """Tree(words, **options)(theta, ...) for theta [..., words, words]."""
    _check(theta)
    layer = _made(Tree, theta.shape[-1] if theta.dim() else 0, **options)
    return layer(theta, key=key, row_ids=row_ids, n_row=n_row, return_indices=return_indices)


def solve(
    theta: Tensor, solver: Callable[[Tensor], Any], *, key: Any = None, row_ids: Any = None, **options: Any
) -> Any:
    """Solver(solver, **options)(theta, ...)."""
    return Solver(solver, **options)(theta, key=key, row_ids=row_ids)


def straight_through(
    theta: Tensor,
    k: int | Trees,
    *,
    key: Any = None,
    row_ids: Any = None,
    k_row: Any = None,
    n_row: Any = None,
    return_indices: bool = False,
    **options: Any,
) -> Any:
    """Chooses as `topk` or `tree` does, and hands the gradient of z to theta as it is, added over the samples; 0 where
    theta is masked. Source: Bengio, Leonard, Courville 2013 (arXiv 1308.3432)."""
    layer = _made(Tree, **vars(k), **options) if isinstance(k, Trees) else _made(TopK, k, **options)
    arguments = {"key": key, "row_ids": row_ids, "k_row": k_row, "n_row": n_row}
    z, indices = layer(theta.detach(), **arguments, return_indices=True)
    idle = theta.detach() == -torch.inf
    if n_row is not None:
        idle = idle | _shaped(layer.layer, ~corner(layer.layer.words, n_row.to(theta.device)))
    scores = theta.masked_fill(idle, 0.0)
    zero = scores - scores.detach()
    if z.dim() > theta.dim():
        zero = zero.unsqueeze(-3 if isinstance(k, Trees) else -2)
    z = z + zero
    return (z, indices) if return_indices else z


def sample(
    theta: Tensor,
    k: int | Trees,
    *,
    samples: int | None = None,
    temperature: float = 1.0,
    key: Any = None,
    row_ids: Any = None,
    k_row: Any = None,
    n_row: Any = None,
) -> Any:
    """Exact samples of p and their indices, without a gradient: for score_function and unbiased_simple."""
    return simple(
        theta.detach(),
        k,
        samples=samples,
        temperature=temperature,
        key=key,
        row_ids=row_ids,
        k_row=k_row,
        n_row=n_row,
        return_indices=True,
    )


def simple(
    theta: Tensor,
    k: int | Trees,
    *,
    key: Any = None,
    row_ids: Any = None,
    k_row: Any = None,
    n_row: Any = None,
    return_indices: bool = False,
    **options: Any,
) -> Any:
    """Simple(k, **options)(theta, ...)."""
    arguments = {"key": key, "row_ids": row_ids, "k_row": k_row, "n_row": n_row}
    return _made(Simple, k, **options)(theta, **arguments, return_indices=return_indices)


def marginals(
    theta: Tensor, k: int | Trees, *, k_row: Tensor | None = None, n_row: Tensor | None = None, **options: Any
) -> Tensor:
    """mu = E[z], [..., N]: ExactMarginals(k, **options)(theta, ...)."""
    mu: Tensor = _made(ExactMarginals, k, **options)(theta, k_row=k_row, n_row=n_row)
    return mu


def log_partition(
    theta: Tensor, k: int | Trees, *, k_row: Tensor | None = None, n_row: Tensor | None = None, **options: Any
) -> Tensor:
    """A = ln sum over z of exp(<z, theta> / T), [...], in nats. The options are those of ExactMarginals."""
    result: Tensor = _made(ExactMarginals, k, **options)._call(_ops.log_partition, k_row, n_row, theta=theta)
    return result


def entropy(
    theta: Tensor, k: int | Trees, *, k_row: Tensor | None = None, n_row: Tensor | None = None, **options: Any
) -> Tensor:
    """The entropy of p, [...], in nats. The options are those of ExactMarginals."""
    result: Tensor = _made(ExactMarginals, k, **options)._call(_ops.entropy, k_row, n_row, theta=theta)
    return result


def kl(
    theta: Tensor,
    theta_other: Tensor,
    k: int | Trees,
    *,
    k_row: Tensor | None = None,
    n_row: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """KL(p || q), [...], in nats, of p with the scores theta and q with the scores theta_other. Both have gradients."""
    _check(theta, k_row=k_row)
    if not isinstance(theta_other, Tensor) or theta_other.device != theta.device:
        raise Error("theta_other", f"should be a tensor on {theta.device}")
    arguments = {"theta": theta, "theta_other": theta_other}
    result: Tensor = _made(ExactMarginals, k, **options)._call(_ops.kl, k_row, n_row, **arguments)
    return result


def log_prob(
    theta: Tensor,
    indices: Tensor,
    *,
    trees: Trees | None = None,
    temperature: float = 1.0,
    k_row: Tensor | None = None,
    n_row: Tensor | None = None,
) -> Tensor:
    """ln p(z_s), [..., S], in nats, of states that are given by their indices [..., S, K]; without S as in `simple`.
    They are k-subsets, or these trees."""
    _check(theta, k_row=k_row, n_row=n_row)
    one = isinstance(indices, Tensor) and indices.dim() == theta.dim() - (trees is not None)
    lists = indices.unsqueeze(-2) if one else indices
    layer = _of_lists(theta, lists, trees, temperature)
    rows, scores = _per_row(layer.layer, k_row, n_row), _flat(layer.layer, "theta", theta)
    result: Tensor = _ops.log_prob(scores, lists, rows, layer._settings)
    return result.squeeze(-1) if one else result


def score_function(
    theta: Tensor,
    indices: Tensor,
    losses: Tensor,
    *,
    trees: Trees | None = None,
    temperature: float = 1.0,
    k_row: Tensor | None = None,
    n_row: Tensor | None = None,
) -> Tensor:
    """Simple.score_function: the losses [..., S] themselves, whose gradient for theta is the score function. The states
    are k-subsets, or these trees."""
    _check(theta)
    layer = _of_lists(theta, indices, trees, temperature)
    wrapped: Tensor = layer.score_function(losses, theta, indices, k_row=k_row, n_row=n_row)
    return wrapped


def unbiased_simple(
    theta: Tensor,
    indices: Tensor,
    dz: Tensor,
    losses: Tensor,
    *,
    trees: Trees | None = None,
    temperature: float = 1.0,
    k_row: Tensor | None = None,
    n_row: Tensor | None = None,
) -> Tensor:
    """The losses [..., S] of exact samples themselves. Their gradient for theta is SIMPLE for the part of the loss that
    dz [..., S, N] explains, the gradient of each sample's loss at z, and the score function for the rest: unbiased. The
    states are k-subsets, or these trees.

    >>> z, indices = sample(theta, k, samples=S)   # S at least 2
    >>> z.requires_grad_()
    >>> losses = loss(model(z))                    # [..., S]
    >>> (dz,) = torch.autograd.grad(losses.sum(), z)
    >>> unbiased_simple(theta, indices, dz, losses.detach()).mean().backward()
    """
    _check(theta, k_row=k_row, n_row=n_row)
    layer = _of_lists(theta, indices, trees, temperature)
    rows, scores = _per_row(layer.layer, k_row, n_row), _flat(layer.layer, "theta", theta)
    gradients = _flat(layer.layer, "dz", dz)
    layer._check_samples(scores, losses=losses, indices=indices, dz=gradients)
    wrapped: Tensor = _ops.unbiased_simple(scores, indices, gradients.detach(), losses, rows, layer._settings)
    return wrapped


def fenchel_young(
    theta: Tensor,
    y: Tensor,
    k: int | Trees,
    *,
    key: Any = None,
    row_ids: Any = None,
    k_row: Any = None,
    n_row: Any = None,
    **options: Any,
) -> Tensor:
    """FenchelYoung(k, **options)(theta, y, ...): the loss of each row, [...]."""
    layer = _made(FenchelYoung, k, **options)
    loss: Tensor = layer(theta, y, key=key, row_ids=row_ids, k_row=k_row, n_row=n_row)
    return loss


def _of_lists(theta: Tensor, indices: Tensor, trees: Trees | None, temperature: float) -> Simple:
    """The law of states with these indices [..., S, K]."""
    if trees is not None and not isinstance(trees, Trees):
        raise Error("trees", f"are of type {type(trees).__name__}, but should be a libimle.Trees")
    if not isinstance(indices, Tensor) or indices.dim() != theta.dim() + (0 if trees else 1):
        raise Error("indices", "should be a tensor [..., S, K]")
    states = trees or indices.shape[-1]
    layer: Simple = _made(Simple, states, samples=indices.shape[-2], temperature=temperature)
    return layer
