"""The calls of the extension module with tensors, before any differentiation.

A layer is named by its settings, a string, because an operator of PyTorch takes strings but no objects. The string is a
constant of a compiled or an exported program.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import threading
import weakref
from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack  # type: ignore[attr-defined]

import libimle
from libimle import _core
from libimle._checks import UINT64_MAX, check_scores, real
from libimle._errors import Error
from libimle._exact import Exact
from libimle._layers import Diagnostics, needs_two
from libimle._shapes import Matrices

LAYERS: dict[str, Any] = {
    "topk": libimle.TopK,
    "argmax": libimle.Argmax,
    "tree": libimle.Tree,
    "solver": libimle.Solver,
    "exact_topk": libimle.ExactTopK,
    "exact_argmax": libimle.ExactArgmax,
    "exact_tree": libimle.ExactTree,
}
KINDS = {layer: kind for kind, layer in LAYERS.items()}
CHOICES = (libimle.TopK, libimle.Argmax, libimle.Tree)

# Whatever PyTorch's defaults are.
CPU = torch.device("cpu")
empty = functools.partial(torch.empty, dtype=torch.float32, device=CPU)
empty_list = functools.partial(torch.empty, dtype=torch.int32, device=CPU)


class AdaptiveState(Protocol):
    """What a backward pass needs of libimle.torch.Adaptive."""

    def ticket(self) -> int: ...
    def lambda_for(self, theta: Tensor, dz: Tensor) -> float: ...
    def update(self, counts: Diagnostics, ticket: int) -> None: ...


# Objects that operators find by number, for as long as somebody else holds them.
_objects: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_numbers = itertools.count(1)


def register(thing: Any) -> int:
    """Gives an object the number by which operators find it."""
    number = next(_numbers)
    _objects[number] = thing
    return number


class Solve:
    """A solver of the user's, which operators find by its number."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self.function = function
        self.number = register(self)

    def __getstate__(self) -> Any:
        return self.function

    def __setstate__(self, function: Any) -> None:
        self.__init__(function)  # type: ignore[misc]

    def __call__(self, scores: Any) -> Any:
        z = self.function(torch.from_numpy(scores))
        return z.detach().to("cpu", torch.float32).numpy() if isinstance(z, Tensor) else z


def settings_of(layer: Any) -> str:
    kind = KINDS[type(layer)]
    values = {field.name: getattr(layer, field.name) for field in fields(layer) if field.init}
    if kind == "solver":
        values["solve"] = values["solve"].number
    return json.dumps([kind, values])


@functools.lru_cache(maxsize=1024)
def layer_of(settings: str) -> Any:
    kind, values = json.loads(settings)
    if kind == "solver":
        number = values["solve"]
        values["solve"] = lambda scores: _find(number)(scores)
    return LAYERS[kind](**values)


def _find(number: int) -> Any:
    thing = _objects.get(number)
    if thing is None:
        raise Error("", "an object that this layer needs does not exist any more")
    return thing


@functools.lru_cache(maxsize=1024)
def with_lambda(settings: str, lambda_: float) -> Any:
    return layer_of(settings).with_lambda(lambda_)


class Scaling(NamedTuple):
    """How the loss weighs rows and samples, and who finds lambda."""

    settings: str
    reduction: str
    rows: int
    loss_scale: float
    adaptive: int

    @property
    def weight(self) -> float:
        """w, the factor of the loss of one row and sample in the whole loss."""
        losses = 1 if self.reduction == "sum" else max(self.rows, 1) * int(layer_of(self.settings).samples)
        return self.loss_scale / losses


@functools.lru_cache(maxsize=1024)
def scaled(scaling: Scaling) -> tuple[Any, float]:
    """The layer that takes w dz in place of dz, and what its gradient is to be multiplied by.

    The layer takes (lambda / w) (w dz), and then divides by lambda / w; so only S and, where the result is not divided
    by lambda, w are left to multiply by. The combinatorial target has no lambda, and takes dz itself.
    """
    real("loss_scale", scaling.loss_scale, 0.0, above=True)
    layer = layer_of(scaling.settings)
    if layer.target == "combinatorial" or layer.scale == "none":
        factor = scaling.weight * layer.samples
    else:
        factor = float(layer.samples)
    if layer.target == "linear" and scaling.weight != 1:
        layer = with_lambda(scaling.settings, layer.lambda_ / scaling.weight)
    return layer, factor


# ---- tensors ----


def is_plain(tensor: Tensor) -> bool:
    """Tells if the extension module can read a tensor at its address, and there is something to read."""
    return (
        tensor.dtype is torch.float32
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and not tensor.is_neg()
        and tensor.dim() > 0
        and tensor.numel() > 0
    )


def _check_tensor(name: str, tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise Error(name, f"is of type {type(tensor).__name__}, but should be a tensor")
    if tensor.is_meta:
        raise Error(name, "is on the device meta, where tensors have no numbers")


def check_numbers(theta: Tensor) -> None:
    """Refuses scores with NaN or +inf, for layers whose solver is not the library's."""
    bad = ~(theta < math.inf)
    if bad.any():
        row = tuple(bad.reshape(*theta.shape[:-1], -1).any(-1).nonzero()[0].tolist())
        where = f" in row {row[0] if len(row) == 1 else row}" if row else ""
        raise Error("theta", f"has NaN or +inf{where}", row)


def floats(name: str, tensor: Tensor) -> Tensor:
    """The tensor on the CPU in float32, itself if it is so."""
    _check_tensor(name, tensor)
    if tensor.layout is not torch.strided or not tensor.dtype.is_floating_point:
        raise Error(
            name, f"has dtype {tensor.dtype} and layout {tensor.layout}, but should be a dense tensor of floats"
        )
    return tensor.detach().to("cpu", torch.float32).resolve_neg()


def integers(name: str, tensor: Tensor | None, dtype: torch.dtype) -> Any:
    """Integers on the CPU, as the extension module takes them; unsigned numbers are passed by their bits."""
    if tensor is None:
        return None
    _check_tensor(name, tensor)
    if tensor.dtype.is_floating_point or tensor.dtype.is_complex or tensor.dtype is torch.bool:
        raise Error(name, f"has dtype {tensor.dtype}, but should hold integers")
    if dtype is torch.int32 and tensor.dtype is not torch.int32:
        tensor = tensor.cpu()
        if tensor.numel() and (int(tensor.min()) < 0 or int(tensor.max()) > 2**32 - 1):
            raise Error(name, "should hold integers from 0 to 4294967295")
    return to_dlpack(tensor.detach().to("cpu", dtype))


def per_row(layer: Any, k_row: Tensor | None) -> Any:
    """The k or the words of each row, as the extension module takes them."""
    return integers("n_row" if isinstance(layer, Matrices) else "k_row", k_row, torch.int32)


def corner(words: int, n_row: Tensor) -> Tensor:
    """Tells for each score [..., words * words] if it is of an arc between words of its row."""
    used = torch.arange(words, device=n_row.device) < n_row.unsqueeze(-1)
    return (used.unsqueeze(-1) & used.unsqueeze(-2)).flatten(-2)


class _Drawn(threading.local):
    """Memory for a seed and a step."""

    def __init__(self) -> None:
        self.key = torch.empty(2, dtype=torch.int64, device=CPU)


_drawn = _Drawn()
_RANGE = -(2**63), 2**63 - 1


def drawn_key() -> Tensor:
    """A seed and a step from PyTorch's generator for the CPU."""
    return torch.randint(*_RANGE, (2,), dtype=torch.int64, device=CPU)


def drawn_numbers() -> list[int]:
    """The same numbers in a third of the time, for callers on whom nobody looks."""
    return _drawn.key.random_(*_RANGE).tolist()


def key_of(numbers: list[int], row_ids: Tensor | None) -> Any:
    """The key of two or five numbers: seed, step, row0, sample0, strata."""
    seed, step, row0, sample0, strata = (numbers + [0, 0, 0])[:5]
    ids = integers("row_ids", row_ids, torch.int64)
    return _core.Key(seed & UINT64_MAX, step & UINT64_MAX, row0 & UINT64_MAX, ids, sample0, strata)


def like(theta: Tensor, result: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A result on the device of theta and in its dtype, or in the one that is given."""
    dtype = dtype or theta.dtype
    return result if result.dtype is dtype and theta.is_cpu else result.to(theta.device, dtype)


# ---- the calls ----


def sample(
    theta: Tensor, key: list[int], row_ids: Tensor | None, k_row: Tensor | None, settings: str, adaptive: int = 0
) -> tuple[Tensor, Tensor, int]:
    """The samples z [..., S, N], the indices of their ones in int32 (of a solver's: none), and a ticket of the adaptive
    lambda, by which its first backward pass is told from others."""
    layer = layer_of(settings)
    ticket = _find(adaptive).ticket() if adaptive else 0
    if row_ids is None and k_row is None and len(key) == 2 and type(layer) in CHOICES and is_plain(theta):
        n = theta.shape[-1]
        rows = (*theta.shape[:-1], layer.samples)
        z, indices = empty((*rows, n)), empty_list(layer._list(rows))
        addresses = z.data_ptr(), indices.data_ptr()
        if layer._core.sample_at(theta.data_ptr(), theta.numel() // n, n, *key, *addresses):
            return z, indices, ticket
    scores = floats("theta", theta)
    check_scores(scores.shape, layer._k)
    rows = (*scores.shape[:-1], layer.samples)
    z = empty((*rows, scores.shape[-1]))
    core_key = key_of(key, row_ids)
    if type(layer) is libimle.Solver:
        layer._steps.perturb(to_dlpack(scores), core_key, to_dlpack(z))
        z, indices = _solve(layer, z), empty_list(0)
    else:
        indices = empty_list(layer._list(rows))
        ks = per_row(layer, k_row)
        no_marginals = () if isinstance(layer, Exact) else (None,)
        layer._core.sample(to_dlpack(scores), core_key, ks, to_dlpack(z), to_dlpack(indices), *no_marginals)
    return like(theta, z), like(theta, indices, torch.int32), ticket


def _solve(layer: Any, scores: Tensor) -> Tensor:
    return torch.from_numpy(layer._solve(scores.numpy()))


def gradient(
    theta: Tensor,
    incoming: Tensor,
    states: Tensor,
    key: list[int],
    row_ids: Tensor | None,
    k_row: Tensor | None,
    ticket: int,
    scaling: Scaling,
) -> Tensor:
    """The gradient of a loss that is loss_scale times the mean or the sum of the losses of rows and samples.

    `incoming` is the gradient of this whole loss, that is, w dz. `states` are those of the forward pass: indices, or a
    solver's z.
    """
    layer, factor = scaled(scaling)
    short = row_ids is None and k_row is None and len(key) == 2 and type(layer) in CHOICES and not scaling.adaptive
    if short and layer.target == "linear" and is_plain(theta) and is_plain(incoming) and states.is_contiguous():
        size, n = theta.numel(), theta.shape[-1]
        rows = size // n
        if incoming.numel() == size * layer.samples and states.numel() == rows * layer.samples * layer._k:
            grad_theta = torch.empty_like(theta)
            addresses = incoming.data_ptr(), states.data_ptr(), grad_theta.data_ptr()
            if layer._core.gradient_at(theta.data_ptr(), rows, n, *key, *addresses, factor):
                return grad_theta
    scores, dz = floats("theta", theta), floats("dz", incoming)
    state = _find(scaling.adaptive) if scaling.adaptive else None
    grad_theta = empty(scores.shape)
    try:
        if layer.target == "combinatorial":
            dz = dz / scaling.weight
        elif state:
            lambda_ = state.lambda_for(*_read(layer, k_row, scores, dz))
            if lambda_ == 0:  # dz is 0: there is nothing to learn
                return torch.zeros_like(theta)
            layer = with_lambda(scaling.settings, lambda_)
        core_key = key_of(key, row_ids)
        if type(layer) is libimle.Solver:
            z = floats("z", states).reshape(*scores.shape[:-1], layer.samples, scores.shape[-1])
            counts = _difference(layer, scores, dz, core_key, z, grad_theta)
        else:
            counts = layer._core.gradient(
                to_dlpack(scores),
                to_dlpack(dz),
                core_key,
                per_row(layer, k_row),
                to_dlpack(states if states.is_cpu else states.cpu()),
                to_dlpack(grad_theta),
            )
    except Error as error:
        if error.argument == "dz" and not torch.isfinite(dz).all():
            # Mixed precision expects that infinities flow through; its scaler then skips the step.
            return torch.full_like(theta, math.nan)
        raise
    if state:
        state.update(Diagnostics(*counts), ticket)
    return like(theta, grad_theta if factor == 1 else grad_theta.mul_(factor))


def _read(layer: Any, k_row: Tensor | None, scores: Tensor, dz: Tensor) -> tuple[Tensor, Tensor]:
    """The scores and gradients that the layer reads: of trees, those within the words of each row."""
    if k_row is None or not isinstance(layer, Matrices):
        return scores, dz
    read = corner(layer.words, k_row.cpu())
    return scores[read], dz[(read if dz.dim() == scores.dim() else read.unsqueeze(-2)).expand_as(dz)]


def _difference(layer: Any, scores: Tensor, dz: Tensor, key: Any, z: Tensor, grad_theta: Tensor) -> Any:
    """The backward pass of a solver."""

    def solve(side: int) -> Tensor:
        perturbed = empty((*scores.shape[:-1], layer.samples, scores.shape[-1]))
        layer._steps.target(to_dlpack(scores), to_dlpack(dz), key, side, to_dlpack(perturbed))
        return _solve(layer, perturbed)

    upper = solve(-1) if layer.difference == "central" else z
    return layer._steps.difference(to_dlpack(upper.contiguous()), to_dlpack(solve(1)), to_dlpack(grad_theta))


def choose(theta: Tensor, k_row: Tensor | None, settings: str) -> tuple[Tensor, Tensor]:
    """MAP(theta), [..., 1, N], and the indices of the ones in int32."""
    layer = layer_of(settings)
    scores = floats("theta", theta)
    rows, n = scores.shape[:-1], scores.shape[-1:]
    check_scores(scores.shape, layer._k)
    if type(layer) is libimle.Solver:
        check_numbers(scores)
        z = _solve(layer, scores)
        return like(theta, z.reshape(*rows, 1, *n)), empty_list(0)
    chooses = _without_noise(layer) if isinstance(layer, Exact) else layer
    z = empty((*rows, 1, *n))
    indices = empty_list(chooses._list((*rows, 1)))
    chooses._core.map(to_dlpack(scores), per_row(layer, k_row), to_dlpack(z), to_dlpack(indices))
    return like(theta, z), like(theta, indices, torch.int32)


def _without_noise(exact: Any) -> Any:
    """The layer that finds the best state of a distribution."""
    if isinstance(exact, libimle.ExactTree):
        return libimle.Tree(exact.words, projective=exact.projective, single_root=exact.single_root)
    return libimle.Argmax() if exact._one_hot else libimle.TopK(exact._k)


def marginals(theta: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    layer = layer_of(settings)
    scores = floats("theta", theta)
    check_scores(scores.shape, layer._k)
    mu = empty(scores.shape)
    layer._core.marginals(to_dlpack(scores), per_row(layer, k_row), to_dlpack(mu), None, None)
    return like(theta, mu)


def moment(theta: Tensor, k_row: Tensor | None, settings: str, place: int) -> Tensor:
    """The log-partition (place 1) or the entropy (place 2), [...]."""
    layer, scores = layer_of(settings), floats("theta", theta)
    check_scores(scores.shape, layer._k)
    result = empty(scores.shape[:-1])
    moments = [None, None, None]
    moments[place] = to_dlpack(result)
    layer._core.marginals(to_dlpack(scores), per_row(layer, k_row), *moments)
    return like(theta, result)


def log_prob(theta: Tensor, indices: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    layer, scores = layer_of(settings), floats("theta", theta)
    check_scores(scores.shape, layer._k)
    result = empty((*scores.shape[:-1], layer.samples))
    lists = integers("indices", indices, torch.int32)
    layer._core.log_prob(to_dlpack(scores), lists, per_row(layer, k_row), to_dlpack(result))
    return like(theta, result)


def kl(theta: Tensor, theta_other: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    layer, scores, other = layer_of(settings), floats("theta", theta), floats("theta_other", theta_other)
    check_scores(scores.shape, layer._k)
    result = empty(scores.shape[:-1])
    layer._core.kl(to_dlpack(scores), to_dlpack(other), per_row(layer, k_row), to_dlpack(result))
    return like(theta, result)


def _linear(theta: Tensor, name: str, incoming: Tensor, call: Callable[[Tensor, Tensor, Tensor], object]) -> Tensor:
    """A backward pass that is linear in the incoming gradient; NaN where that is not finite."""
    scores, given = floats("theta", theta), floats(name, incoming)
    result = empty(scores.shape)
    try:
        call(scores, given, result)
    except Error as error:
        if error.argument == name and not torch.isfinite(given).all():
            return torch.full_like(theta, math.nan)
        raise
    return like(theta, result)


def marginals_vjp(theta: Tensor, v: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    layer = layer_of(settings)
    core, ks = layer._core, per_row(layer, k_row)
    call = lambda scores, v, out: core.marginals_vjp(to_dlpack(scores), to_dlpack(v), ks, to_dlpack(out))  # noqa: E731
    return _linear(theta, "v", v, call)


def simple(theta: Tensor, incoming: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    """SIMPLE for any loss: (1 / T) Cov(z) sum_s incoming_s."""
    layer = layer_of(settings)
    ks = per_row(layer, k_row)

    def call(scores: Tensor, dz: Tensor, out: Tensor) -> None:
        layer._core.simple(to_dlpack(scores), to_dlpack(dz), ks, to_dlpack(out))
        if layer.samples > 1:
            out.mul_(layer.samples)

    return _linear(theta, "dz", incoming, call)


def score_function(theta: Tensor, indices: Tensor, losses: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    layer = layer_of(settings)
    ks = per_row(layer, k_row)
    needs_two(layer.samples)

    def call(scores: Tensor, losses: Tensor, out: Tensor) -> None:
        states = integers("indices", indices, torch.int32)
        layer._core.score_function(to_dlpack(scores), states, to_dlpack(losses), ks, to_dlpack(out))

    return _linear(theta, "losses", losses, call)


def unbiased_simple(
    theta: Tensor, indices: Tensor, dz: Tensor, losses: Tensor, k_row: Tensor | None, settings: str
) -> Tensor:
    layer, gradients = layer_of(settings), floats("dz", dz)
    if not _read(layer, k_row, floats("theta", theta), gradients)[1].isfinite().all():
        return torch.full_like(theta, math.nan)

    def call(scores: Tensor, losses: Tensor, out: Tensor) -> None:
        states, ks = integers("indices", indices, torch.int32), per_row(layer, k_row)
        arrays = to_dlpack(scores), states, to_dlpack(gradients), to_dlpack(losses)
        layer._core.unbiased_simple(*arrays, ks, to_dlpack(out))

    return _linear(theta, "losses", losses, call)


def fenchel_young(
    theta: Tensor, y: Tensor, key: list[int], row_ids: Tensor | None, k_row: Tensor | None, settings: str
) -> tuple[Tensor, Tensor]:
    layer = layer_of(settings)
    scores = floats("theta", theta)
    check_scores(scores.shape, layer._k)
    loss, grad_theta = empty(scores.shape[:-1]), empty(scores.shape)
    layer._core.fenchel_young(
        to_dlpack(scores),
        to_dlpack(floats("y", y)),
        key_of(key, row_ids),
        per_row(layer, k_row),
        to_dlpack(loss),
        to_dlpack(grad_theta),
    )
    return like(theta, loss), like(theta, grad_theta)
