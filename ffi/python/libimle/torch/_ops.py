"""The operators of libimle in PyTorch: what each returns for fake tensors, its rule for vmap, and its gradient.

Every forward pass has two ways to the same functions in _calls: an operator, which compile, export, vmap and others can
see, and, where none of them looks on, an autograd.Function, which takes a third of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

import libimle
from libimle._checks import check_scores
from libimle.torch import _calls
from libimle.torch._calls import Scaling, layer_of

# ---- vmap: all mapped rows become rows of one batch ----


def _unmap(tensor: Any, dim: int | None, size: int) -> Any:
    """A tensor with its mapped dimension in front, or with a new one that repeats it."""
    if not isinstance(tensor, Tensor):
        return tensor
    return tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)


def _fold(operator: Callable[..., Any], place_of_key: int | None = None) -> Callable[..., Any]:
    """The rule for vmap of an operator whose tensors have the rows of a batch in front."""

    def rule(info: Any, in_dims: Sequence[Any], *arguments: Any) -> tuple[Any, Any]:
        size = info.batch_size
        if place_of_key is not None and in_dims[place_of_key] is not None:
            # A key for each mapped call: they are calls of their own.
            unmapped = [_unmap(a, dim, size) for a, dim in zip(arguments, in_dims)]
            results = [operator(*(a[i] if isinstance(a, Tensor) else a for a in unmapped)) for i in range(size)]
            if isinstance(results[0], Tensor):
                return torch.stack(results), 0
            return tuple(map(torch.stack, zip(*results))), (0,) * len(results[0])
        folded = [
            a if i == place_of_key else _unmap(a, dim, size) for i, (a, dim) in enumerate(zip(arguments, in_dims))
        ]
        result = operator(*folded)
        if isinstance(result, Tensor):
            return result, 0
        return result, tuple(0 if r.dim() > 0 and r.shape[0] == size else None for r in result)

    return rule


# ---- the forward pass by samples of noise ----


@torch.library.custom_op("libimle::sample", mutates_args=())
def sample_op(
    theta: Tensor,
    key: Tensor,
    row_ids: Tensor | None,
    k_row: Tensor | None,
    settings: str,
    reduction: str,
    rows: int,
    loss_scale: float,
    adaptive: int,
) -> tuple[Tensor, Tensor, Tensor]:
    z, indices, ticket = _calls.sample(theta, key.tolist(), row_ids, k_row, settings, adaptive)
    return z, indices, torch.tensor(ticket, device=_calls.CPU)


def _like_samples(theta: Tensor, settings: str, samples: int | None = None) -> tuple[Tensor, Tensor]:
    layer = layer_of(settings)
    check_scores(theta.shape, layer._k)
    rows = (*theta.shape[:-1], layer.samples if samples is None else samples)
    z = theta.new_empty((*rows, theta.shape[-1]))
    lists = (0,) if isinstance(layer, libimle.Solver) else layer._list(rows)
    return z, theta.new_empty(lists, dtype=torch.int32)


@sample_op.register_fake
def _(theta, key, row_ids, k_row, settings, reduction, rows, loss_scale, adaptive):  # type: ignore[no-untyped-def]
    return *_like_samples(theta, settings), torch.empty((), dtype=torch.int64)


@torch.library.custom_op("libimle::gradient", mutates_args=())
def gradient_op(
    theta: Tensor,
    incoming: Tensor,
    states: Tensor,
    key: Tensor,
    row_ids: Tensor | None,
    k_row: Tensor | None,
    ticket: Tensor,
    settings: str,
    reduction: str,
    rows: int,
    loss_scale: float,
    adaptive: int,
) -> Tensor:
    scaling = Scaling(settings, reduction, rows, loss_scale, adaptive)
    return _calls.gradient(theta, incoming, states, key.tolist(), row_ids, k_row, int(ticket), scaling)


@gradient_op.register_fake
def _(theta, *_):  # type: ignore[no-untyped-def]
    return torch.empty_like(theta, memory_format=torch.contiguous_format)


sample_op.register_vmap(_fold(sample_op, place_of_key=1))
_fold_gradient = _fold(gradient_op, place_of_key=3)


@gradient_op.register_vmap
def _(info, in_dims, *arguments):  # type: ignore[no-untyped-def]
    theta, row_ids, ticket = arguments[0], arguments[4], arguments[6]
    if in_dims[2] is None and row_ids is None:
        # The forward pass was not mapped, only the gradient of its result is: each call has the same rows.
        ids = torch.arange(theta[..., 0].numel()).reshape(theta.shape[:-1])
        arguments = (*arguments[:4], ids, *arguments[5:])
    arguments = (*arguments[:6], ticket.flatten()[:1].reshape(()), *arguments[7:])
    return _fold_gradient(info, (*in_dims[:6], None, *in_dims[7:]), *arguments)


def is_solver(settings: str) -> bool:
    return type(layer_of(settings)) is libimle.Solver


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    theta, key, row_ids, k_row, ctx.settings, *ctx.scaling = inputs
    z, indices, ticket = output
    states = z if is_solver(ctx.settings) else indices
    ctx.save_for_backward(theta, states, key, row_ids, k_row, ticket)


def _backward(ctx: Any, incoming: Tensor, *_: Any) -> Any:
    theta, states, *others = ctx.saved_tensors
    return gradient_op(theta, incoming, states, *others, ctx.settings, *ctx.scaling), *[None] * 8


sample_op.register_autograd(_backward, setup_context=_save)


class Pass:
    """A forward pass of `Sample`: what it needs and leaves behind besides tensors of the user's. It keeps the module
    alive, to which a solver and an adaptive lambda belong."""

    __slots__ = ("flat", "indices", "key", "module", "scaling", "ticket")
    indices: Tensor
    ticket: int

    def __init__(self, module: Any, key: list[int], flat: bool, scaling: Scaling) -> None:
        self.module = module
        self.key = key
        self.flat = flat
        self.scaling = scaling


class Sample(torch.autograd.Function):
    """The operator `sample` without its way through the dispatcher: z, without the dimension of its one sample if the
    pass is flat. The pass gets the indices."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, row_ids: Tensor | None, k_row: Tensor | None, one: Pass) -> Tensor:
        scaling = one.scaling
        z, one.indices, one.ticket = _calls.sample(theta, one.key, row_ids, k_row, scaling.settings, scaling.adaptive)
        if one.flat:
            z = z.view(theta.shape)
        ctx.one = one
        ctx.save_for_backward(theta, row_ids, k_row, z if is_solver(scaling.settings) else None)
        ctx.set_materialize_grads(False)
        return z

    @staticmethod
    def backward(ctx: Any, incoming: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError("the Implicit-MLE gradient is not differentiable: it is a difference of choices")
        if incoming is None:
            return None, None, None, None
        theta, row_ids, k_row, z = ctx.saved_tensors
        one = ctx.one
        states = one.indices if z is None else z
        grad_theta = _calls.gradient(theta, incoming, states, one.key, row_ids, k_row, one.ticket, one.scaling)
        return grad_theta, None, None, None


def nobody_looks_on(theta: Tensor) -> bool:
    """Tells if this is plain eager mode: no compiler, no transform, no mode and no subclass would miss an operator."""
    return not (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
    ) and (type(theta) in (Tensor, torch.nn.Parameter) and not theta.is_meta)


def sample(
    theta: Tensor,
    key: Tensor | None,
    row_ids: Tensor | None,
    k_row: Tensor | None,
    flat: bool,
    settings: str,
    reduction: str,
    loss_scale: float,
    adaptive: int,
    module: Any,
) -> tuple[Tensor, Tensor]:
    """z [..., S, N], or [..., N] if `flat`, and the indices of its ones; z has the Implicit-MLE gradient. None is a key
    from PyTorch's generator."""
    rows = theta.numel() // theta.shape[-1] if theta.dim() and theta.shape[-1] else 0
    if nobody_looks_on(theta):
        numbers = _calls.drawn_numbers() if key is None else key.tolist()
        scaling = Scaling(settings, reduction, rows, loss_scale, adaptive)
        _calls.scaled(scaling)  # refuses what the backward pass would
        one = Pass(module, numbers, flat, scaling)
        z = Sample.apply(theta, row_ids, k_row, one)
        return z, one.indices
    key = _calls.drawn_key() if key is None else key
    z, indices, _ = sample_op(theta, key, row_ids, k_row, settings, reduction, rows, loss_scale, adaptive)
    return z.squeeze(theta.dim() - 1) if flat else z, indices


# ---- the choice at test time ----


@torch.library.custom_op("libimle::choose", mutates_args=())
def choose(theta: Tensor, k_row: Tensor | None, settings: str) -> tuple[Tensor, Tensor]:
    return _calls.choose(theta, k_row, settings)


@choose.register_fake
def _(theta, k_row, settings):  # type: ignore[no-untyped-def]
    return _like_samples(theta, settings, samples=1)


choose.register_vmap(_fold(choose))

# ---- exact marginals ----


@torch.library.custom_op("libimle::marginals", mutates_args=())
def marginals(theta: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    return _calls.marginals(theta, k_row, settings)


@torch.library.custom_op("libimle::marginals_vjp", mutates_args=())
def marginals_vjp(theta: Tensor, v: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    return _calls.marginals_vjp(theta, v, k_row, settings)


# ---- exact numbers ----


@torch.library.custom_op("libimle::log_partition", mutates_args=())
def log_partition(theta: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    return _calls.moment(theta, k_row, settings, 1)


@torch.library.custom_op("libimle::entropy", mutates_args=())
def entropy(theta: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    return _calls.moment(theta, k_row, settings, 2)


@torch.library.custom_op("libimle::kl", mutates_args=())
def kl(theta: Tensor, theta_other: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    return _calls.kl(theta, theta_other, k_row, settings)


@torch.library.custom_op("libimle::log_prob", mutates_args=())
def log_prob(theta: Tensor, indices: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    return _calls.log_prob(theta, indices, k_row, settings)


@log_prob.register_fake
def _(theta, indices, k_row, settings):  # type: ignore[no-untyped-def]
    return theta.new_empty((*theta.shape[:-1], layer_of(settings).samples))


# ---- SIMPLE ----


@torch.library.custom_op("libimle::sample_exact", mutates_args=())
def sample_exact(
    theta: Tensor, key: Tensor, row_ids: Tensor | None, k_row: Tensor | None, settings: str
) -> tuple[Tensor, Tensor]:
    return _calls.sample(theta, key.tolist(), row_ids, k_row, settings)[:2]


@sample_exact.register_fake
def _(theta, key, row_ids, k_row, settings):  # type: ignore[no-untyped-def]
    return _like_samples(theta, settings)


@torch.library.custom_op("libimle::simple", mutates_args=())
def simple(theta: Tensor, incoming: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    return _calls.simple(theta, incoming, k_row, settings)


# ---- score function ----


@torch.library.custom_op("libimle::score_function", mutates_args=())
def score_function(theta: Tensor, indices: Tensor, losses: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    """The losses themselves; their gradient with respect to theta is the estimator."""
    return losses.clone(memory_format=torch.contiguous_format)


@score_function.register_fake
def _(theta, indices, losses, k_row, settings):  # type: ignore[no-untyped-def]
    return torch.empty_like(losses, memory_format=torch.contiguous_format)


@torch.library.custom_op("libimle::score_function_vjp", mutates_args=())
def score_function_vjp(theta: Tensor, indices: Tensor, losses: Tensor, k_row: Tensor | None, settings: str) -> Tensor:
    return _calls.score_function(theta, indices, losses, k_row, settings)


@torch.library.custom_op("libimle::unbiased_simple", mutates_args=())
def unbiased_simple(
    theta: Tensor, indices: Tensor, dz: Tensor, losses: Tensor, k_row: Tensor | None, settings: str
) -> Tensor:
    """The losses themselves; their gradient with respect to theta is the estimator."""
    return losses.clone(memory_format=torch.contiguous_format)


@unbiased_simple.register_fake
def _(theta, indices, dz, losses, k_row, settings):  # type: ignore[no-untyped-def]
    return torch.empty_like(losses, memory_format=torch.contiguous_format)


@torch.library.custom_op("libimle::unbiased_simple_vjp", mutates_args=())
def unbiased_simple_vjp(
    theta: Tensor, indices: Tensor, dz: Tensor, losses: Tensor, k_row: Tensor | None, settings: str
) -> Tensor:
    return _calls.unbiased_simple(theta, indices, dz, losses, k_row, settings)


# ---- Fenchel-Young ----


@torch.library.custom_op("libimle::fenchel_young", mutates_args=())
def fenchel_young(
    theta: Tensor, y: Tensor, key: Tensor, row_ids: Tensor | None, k_row: Tensor | None, settings: str
) -> tuple[Tensor, Tensor]:
    return _calls.fenchel_young(theta, y, key.tolist(), row_ids, k_row, settings)


@fenchel_young.register_fake
def _(theta, *_):  # type: ignore[no-untyped-def]
    return theta.new_empty(theta.shape[:-1]), torch.empty_like(theta, memory_format=torch.contiguous_format)


# ---- what these have in common ----

for _operator in (log_partition, entropy, kl):
    _operator.register_fake(lambda theta, *_: theta.new_empty(theta.shape[:-1]))
for _operator in (marginals, marginals_vjp, simple, score_function_vjp, unbiased_simple_vjp):
    _operator.register_fake(lambda theta, *_: torch.empty_like(theta, memory_format=torch.contiguous_format))
for _operator in (marginals, marginals_vjp, log_partition, entropy, kl, log_prob, simple, score_function):
    _operator.register_vmap(_fold(_operator))
for _operator in (score_function_vjp, unbiased_simple, unbiased_simple_vjp):
    _operator.register_vmap(_fold(_operator))
sample_exact.register_vmap(_fold(sample_exact, place_of_key=1))
fenchel_young.register_vmap(_fold(fenchel_young, place_of_key=2))


def _save_inputs(ctx: Any, inputs: Any, output: Any) -> None:
    *tensors, ctx.settings = inputs
    ctx.save_for_backward(*tensors)


def _marginals_backward(ctx: Any, v: Tensor) -> Any:
    theta, k_row = ctx.saved_tensors
    return marginals_vjp(theta, v, k_row, ctx.settings), None, None


def _unmasked(theta: Tensor, mask: Tensor) -> Tensor:
    return theta.masked_fill(mask == -torch.inf, 0.0)


def _log_partition_backward(ctx: Any, incoming: Tensor) -> Any:
    theta, k_row = ctx.saved_tensors
    mu = marginals(theta, k_row, ctx.settings)
    return incoming[..., None] * mu / layer_of(ctx.settings).temperature, None, None


def _entropy_backward(ctx: Any, incoming: Tensor) -> Any:
    # H = A - <mu, theta> / T, so its gradient is -(1 / T) times that of <v, mu> at v = theta.
    theta, k_row = ctx.saved_tensors
    slope = marginals_vjp(theta, _unmasked(theta, theta), k_row, ctx.settings)
    return -incoming[..., None] * slope / layer_of(ctx.settings).temperature, None, None


def _kl_backward(ctx: Any, incoming: Tensor) -> Any:
    theta, other, k_row = ctx.saved_tensors
    v = _unmasked(theta, theta) - _unmasked(_unmasked(other, theta), other)
    weight = incoming[..., None] / layer_of(ctx.settings).temperature
    shift = marginals(other, k_row, ctx.settings) - marginals(theta, k_row, ctx.settings)
    return weight * marginals_vjp(theta, v, k_row, ctx.settings), weight * shift, None, None


def _log_prob_backward(ctx: Any, incoming: Tensor) -> Any:
    theta, indices, k_row = ctx.saved_tensors
    n = theta.shape[-1]
    used = (indices < n).to(theta.dtype)  # 4294967295 behind the row's k
    z = theta.new_zeros((*incoming.shape, n)).scatter_add(-1, indices.clamp(max=n - 1), used)
    difference = z - marginals(theta, k_row, ctx.settings).unsqueeze(-2)
    grad_theta = (incoming[..., None] * difference).sum(-2) / layer_of(ctx.settings).temperature
    return grad_theta, None, None, None


def _simple_backward(ctx: Any, incoming: Tensor, _: Any) -> Any:
    theta, _key, _row_ids, k_row = ctx.saved_tensors
    return simple(theta, incoming, k_row, ctx.settings), None, None, None, None


def _score_function_backward(ctx: Any, incoming: Tensor) -> Any:
    theta, indices, losses, k_row = ctx.saved_tensors
    # The estimator is a mean over S samples of weights times losses.
    weighted = incoming * losses * losses.shape[-1]
    return score_function_vjp(theta, indices, weighted, k_row, ctx.settings), None, incoming, None, None


def _unbiased_simple_backward(ctx: Any, incoming: Tensor) -> Any:
    theta, indices, dz, losses, k_row = ctx.saved_tensors
    weight = incoming * losses.shape[-1]
    arguments = theta, indices, weight[..., None] * dz, weight * losses, k_row, ctx.settings
    return unbiased_simple_vjp(*arguments), None, None, incoming, None, None


def _save_gradient(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(output[1])


def _fenchel_young_backward(ctx: Any, incoming: Tensor, _: Any) -> Any:
    (grad_theta,) = ctx.saved_tensors
    return incoming[..., None] * grad_theta, None, None, None, None, None


marginals.register_autograd(_marginals_backward, setup_context=_save_inputs)
log_partition.register_autograd(_log_partition_backward, setup_context=_save_inputs)
entropy.register_autograd(_entropy_backward, setup_context=_save_inputs)
kl.register_autograd(_kl_backward, setup_context=_save_inputs)
log_prob.register_autograd(_log_prob_backward, setup_context=_save_inputs)
unbiased_simple.register_autograd(_unbiased_simple_backward, setup_context=_save_inputs)
sample_exact.register_autograd(_simple_backward, setup_context=_save_inputs)
score_function.register_autograd(_score_function_backward, setup_context=_save_inputs)
fenchel_young.register_autograd(_fenchel_young_backward, setup_context=_save_gradient)
