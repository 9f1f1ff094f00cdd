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
from libimle._layers import needs_two
from libimle._settings import Key
from libimle.torch import _ops
from libimle.torch._adaptive import Adaptive
from libimle.torch._calls import CPU, Solve, drawn_key, settings_of

__all__ = [
    "Adaptive",
    "Argmax",
    "ExactMarginals",
    "FenchelYoung",
    "Simple",
    "Solver",
    "TopK",
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


class _Layer(nn.Module):
    """The modules TopK, Argmax and Solver. Their arguments are those of the layers of the same names in libimle, and:

    Args:
        samples: S samples of each row, in a dimension before the last: z [..., S, N] (in evaluation mode [..., 1, N]).
            None is one sample without that dimension: z [..., N].
        reduction: how the loss weighs rows and samples, which the layer must know because lambda multiplies the
            gradient of each one's own loss: "mean" for a loss that is the mean over them, "sum" for their sum.
        loss_scale: a further factor of the loss, such as that of a GradScaler: pass its method, `scaler.get_scale`.
        adaptive: a libimle.torch.Adaptive, which finds lambda.
    """

    def __init__(
        self, kind: str, layer: Any, samples: int | None, reduction: str, loss_scale: Scale, adaptive: Adaptive | None
    ) -> None:
        super().__init__()
        if adaptive is not None and not isinstance(adaptive, Adaptive):
            raise Error("adaptive", f"is of type {type(adaptive).__name__}, but should be a libimle.torch.Adaptive")
        self.layer = layer
        self.adaptive = adaptive
        self.reduction = reduction
        self.loss_scale = loss_scale
        self._samples = samples
        self._kind = kind
        self._settings = settings_of(kind, layer)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._settings = settings_of(self._kind, self.layer)  # the solver of a copy has a number of its own

    def forward(
        self,
        theta: Tensor,
        *,
        key: Key | Tensor | None = None,
        row_ids: Tensor | None = None,
        k_row: Tensor | None = None,
        return_indices: bool = False,
    ) -> Any:
        """z for theta [..., N], finite or -inf (never chosen).

        Args:
            key: a libimle.Key, or an int64 tensor (seed, step); None draws one from PyTorch's generator.
            row_ids: the number of each row, [...], integers, so that the noise follows the example everywhere.
            k_row: TopK only: the k of each row, [...], 0 to k.
            return_indices: return (z, indices) with the indices of the ones in int64, ascending; [..., S, K] for
                TopK, [..., S] for Argmax, without S if `samples` is None, and 4294967295 in the unused tail.
        """
        _check(theta, row_ids=row_ids, k_row=k_row)
        if self.reduction not in ("mean", "sum"):
            raise Error("reduction", f"is {self.reduction!r}, but should be 'mean' or 'sum'")
        if return_indices and self._kind == "solver":
            raise Error("return_indices", "is True, but a solver has no indices")
        if k_row is not None and self._kind != "topk":
            raise Error("k_row", "is for TopK only")
        if self.training:
            scale = self.loss_scale() if callable(self.loss_scale) else self.loss_scale
            number = 0 if self.adaptive is None else self.adaptive.number
            key = None if key is None else _key(key)
            flat, settings = self._samples is None, self._settings
            z, indices = _ops.sample(theta, key, row_ids, k_row, flat, settings, self.reduction, scale, number, self)
        else:
            z, indices = _ops.choose(theta.detach(), k_row, self._settings)
            if self._samples is None:
                z = z.squeeze(theta.dim() - 1)
        if not return_indices:
            return z
        indices = _wide(indices)
        return z, indices.squeeze(theta.dim() - 1) if self._samples is None else indices

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
        super().__init__("topk", layer, samples, reduction, loss_scale, adaptive)


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
        super().__init__("argmax", layer, samples, reduction, loss_scale, adaptive)


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
        super().__init__("solver", layer, samples, reduction, loss_scale, adaptive)


# ---- exact distributions ----


class ExactMarginals(nn.Module):
    """mu = E[z] [..., N] of p(z) proportional to exp(<z, theta> / T) on the k-subsets of n, a layer without noise."""

    def __init__(self, k: int, *, temperature: float = 1.0, threads: int = 1) -> None:
        super().__init__()
        self.layer = libimle.ExactTopK(k, temperature=temperature, threads=threads)
        self._settings = settings_of("exact_topk", self.layer)

    def forward(self, theta: Tensor, *, k_row: Tensor | None = None) -> Tensor:
        _check(theta, k_row=k_row)
        mu: Tensor = _ops.marginals(theta, k_row, self._settings)
        return mu

    def extra_repr(self) -> str:
        return str(self.layer)


class Simple(nn.Module):
    """SIMPLE: exact samples of p(z) in the forward pass, the derivative of the exact marginals in the backward pass. It
    has no lambda, and it is right for every reduction of the loss. Evaluation mode is MAP(theta).

    Args:
        k, temperature, threads: those of libimle.ExactTopK.
        samples: as in TopK.
    """

    def __init__(self, k: int, *, samples: int | None = None, temperature: float = 1.0, threads: int = 1) -> None:
        super().__init__()
        self.layer = libimle.ExactTopK(
            k, samples=1 if samples is None else samples, temperature=temperature, threads=threads
        )
        self._samples = samples
        self._settings = settings_of("exact_topk", self.layer)

    def forward(
        self,
        theta: Tensor,
        *,
        key: Key | Tensor | None = None,
        row_ids: Tensor | None = None,
        k_row: Tensor | None = None,
        return_indices: bool = False,
    ) -> Any:
        """As in TopK."""
        _check(theta, row_ids=row_ids, k_row=k_row)
        if self.training:
            z, indices = _ops.sample_exact(theta, _key_or_drawn(key), row_ids, k_row, self._settings)
        else:
            z, indices = _ops.choose(theta.detach(), k_row, self._settings)
        dimension = theta.dim() - 1
        if self._samples is None:
            z, indices = z.squeeze(dimension), indices.squeeze(dimension)
        return (z, _wide(indices)) if return_indices else z

    def extra_repr(self) -> str:
        return str(self.layer)

    def score_function(self, losses: Tensor, theta: Tensor, indices: Tensor, *, k_row: Tensor | None = None) -> Tensor:
        """The losses [..., S] of the samples themselves, with the score function of p as their gradient with respect to
        theta: an unbiased estimate with a leave-one-out baseline, for losses that have no gradient with respect to z.

        >>> z, indices = layer(theta, return_indices=True)  # samples = S, at least 2
        >>> losses = loss(model(z.detach()))                # [..., S]
        >>> layer.score_function(losses, theta, indices).mean().backward()
        """
        _check(theta, k_row=k_row)
        self._check_samples(theta, losses=losses, indices=indices)
        wrapped: Tensor = _ops.score_function(theta, indices, losses, k_row, self._settings)
        return wrapped

    def _check_samples(self, theta: Tensor, **given: Any) -> None:
        """Refuses what does not belong to the samples, in words that operators of PyTorch do not have."""
        needs_two(self.layer.samples)
        rows = (*theta.shape[:-1], self.layer.samples)
        shapes = {"losses": rows, "indices": (*rows, self.layer.k), "dz": (*rows, *theta.shape[-1:])}
        for name, tensor in given.items():
            if not isinstance(tensor, Tensor) or tensor.shape != shapes[name] or tensor.device != theta.device:
                raise Error(name, f"should be a tensor of shape {shapes[name]} on {theta.device}")


class FenchelYoung(nn.Module):
    """The Fenchel-Young loss [...] of the perturbed optimiser, for observed states y [..., N], and its exact gradient.

    The arguments are those of libimle.TopK.
    """

    def __init__(self, k: int, *, samples: int = 1, **options: Any) -> None:
        super().__init__()
        self.layer = libimle.TopK(k, samples=samples, **options)
        self._settings = settings_of("topk", self.layer)

    def forward(
        self,
        theta: Tensor,
        y: Tensor,
        *,
        key: Key | Tensor | None = None,
        row_ids: Tensor | None = None,
        k_row: Tensor | None = None,
    ) -> Tensor:
        _check(theta, row_ids=row_ids, k_row=k_row)
        if not isinstance(y, Tensor) or y.device != theta.device:
            raise Error("y", f"should be a tensor on {theta.device}")
        loss: Tensor = _ops.fenchel_young(theta, y, _key_or_drawn(key), row_ids, k_row, self._settings)[0]
        return loss

    def extra_repr(self) -> str:
        return str(self.layer)


# ---- functions, with the names of imle_torch.hpp ----


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


def solve(
    theta: Tensor, solver: Callable[[Tensor], Any], *, key: Any = None, row_ids: Any = None, **options: Any
) -> Any:
    """Solver(solver, **options)(theta, ...)."""
    return Solver(solver, **options)(theta, key=key, row_ids=row_ids)


def straight_through(
    theta: Tensor,
    k: int,
    *,
    key: Any = None,
    row_ids: Any = None,
    k_row: Any = None,
    return_indices: bool = False,
    **options: Any,
) -> Any:
    """Chooses as `topk` does, and hands the gradient of z to theta as it is, added over the samples; 0 where theta is
    masked. Source: Bengio, Leonard, Courville 2013 (arXiv 1308.3432)."""
    z, indices = topk(theta.detach(), k, key=key, row_ids=row_ids, k_row=k_row, return_indices=True, **options)
    scores = theta.masked_fill(theta.detach() == -torch.inf, 0.0)
    zero = scores - scores.detach()
    z = z + (zero if z.dim() == theta.dim() else zero.unsqueeze(-2))
    return (z, indices) if return_indices else z


def sample(
    theta: Tensor,
    k: int,
    *,
    samples: int | None = None,
    temperature: float = 1.0,
    key: Any = None,
    row_ids: Any = None,
    k_row: Any = None,
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
        return_indices=True,
    )


def simple(
    theta: Tensor,
    k: int,
    *,
    key: Any = None,
    row_ids: Any = None,
    k_row: Any = None,
    return_indices: bool = False,
    **options: Any,
) -> Any:
    """Simple(k, **options)(theta, ...)."""
    return _made(Simple, k, **options)(theta, key=key, row_ids=row_ids, k_row=k_row, return_indices=return_indices)


def marginals(theta: Tensor, k: int, *, k_row: Tensor | None = None, **options: Any) -> Tensor:
    """mu = E[z], [..., N]: ExactMarginals(k, **options)(theta, ...)."""
    mu: Tensor = _made(ExactMarginals, k, **options)(theta, k_row=k_row)
    return mu


def log_partition(theta: Tensor, k: int, *, k_row: Tensor | None = None, **options: Any) -> Tensor:
    """A = ln sum over z of exp(<z, theta> / T), [...], in nats. The options are those of ExactMarginals."""
    _check(theta, k_row=k_row)
    result: Tensor = _ops.log_partition(theta, k_row, _made(ExactMarginals, k, **options)._settings)
    return result


def entropy(theta: Tensor, k: int, *, k_row: Tensor | None = None, **options: Any) -> Tensor:
    """The entropy of p, [...], in nats. The options are those of ExactMarginals."""
    _check(theta, k_row=k_row)
    result: Tensor = _ops.entropy(theta, k_row, _made(ExactMarginals, k, **options)._settings)
    return result


def kl(theta: Tensor, theta_other: Tensor, k: int, *, k_row: Tensor | None = None, **options: Any) -> Tensor:
    """KL(p || q), [...], in nats, of p with the scores theta and q with the scores theta_other. Both have gradients."""
    _check(theta, k_row=k_row)
    if not isinstance(theta_other, Tensor) or theta_other.device != theta.device:
        raise Error("theta_other", f"should be a tensor on {theta.device}")
    result: Tensor = _ops.kl(theta, theta_other, k_row, _made(ExactMarginals, k, **options)._settings)
    return result


def log_prob(theta: Tensor, indices: Tensor, *, temperature: float = 1.0, k_row: Tensor | None = None) -> Tensor:
    """ln p(z_s), [..., S], in nats, of states that are given by their indices [..., S, K]; without S as in `simple`."""
    _check(theta, k_row=k_row)
    flat = isinstance(indices, Tensor) and indices.dim() == theta.dim()
    lists = indices.unsqueeze(-2) if flat else indices
    layer = _of_lists(theta, lists, temperature)
    result: Tensor = _ops.log_prob(theta, lists, k_row, layer._settings)
    return result.squeeze(-1) if flat else result


def score_function(
    theta: Tensor, indices: Tensor, losses: Tensor, *, temperature: float = 1.0, k_row: Tensor | None = None
) -> Tensor:
    """Simple(k).score_function: the losses [..., S] themselves, whose gradient for theta is the score function."""
    _check(theta)
    wrapped: Tensor = _of_lists(theta, indices, temperature).score_function(losses, theta, indices, k_row=k_row)
    return wrapped


def unbiased_simple(
    theta: Tensor, indices: Tensor, dz: Tensor, losses: Tensor, *, temperature: float = 1.0, k_row: Tensor | None = None
) -> Tensor:
    """The losses [..., S] of exact samples themselves. Their gradient for theta is SIMPLE for the part of the loss that
    dz [..., S, N] explains, the gradient of each sample's loss at z, and the score function for the rest: unbiased.

    >>> z, indices = sample(theta, k, samples=S)   # S at least 2
    >>> z.requires_grad_()
    >>> losses = loss(model(z))                    # [..., S]
    >>> (dz,) = torch.autograd.grad(losses.sum(), z)
    >>> unbiased_simple(theta, indices, dz, losses.detach()).mean().backward()
    """
    _check(theta, k_row=k_row)
    layer = _of_lists(theta, indices, temperature)
    layer._check_samples(theta, losses=losses, indices=indices, dz=dz)
    wrapped: Tensor = _ops.unbiased_simple(theta, indices, dz.detach(), losses, k_row, layer._settings)
    return wrapped


def fenchel_young(
    theta: Tensor, y: Tensor, k: int, *, key: Any = None, row_ids: Any = None, k_row: Any = None, **options: Any
) -> Tensor:
    """FenchelYoung(k, **options)(theta, y, ...): the loss of each row, [...]."""
    loss: Tensor = _made(FenchelYoung, k, **options)(theta, y, key=key, row_ids=row_ids, k_row=k_row)
    return loss


def _of_lists(theta: Tensor, indices: Tensor, temperature: float) -> Simple:
    """The law of states with these indices [..., S, K]."""
    if not isinstance(indices, Tensor) or indices.dim() != theta.dim() + 1:
        raise Error("indices", "should be a tensor [..., S, K]")
    layer: Simple = _made(Simple, indices.shape[-1], samples=indices.shape[-2], temperature=temperature)
    return layer
