"""The layer behind the decorators: perturb, solve, and the difference of two states as the gradient.

It is made of PyTorch's own functions, so that scores reach the solver where theta is and in its dtype.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from libimle._checks import integer
from libimle._errors import Error
from libimle._shapes import MOST_SAMPLES
from libimle.compat._distributions import TargetDistribution
from libimle.torch import Argmax, Solver, TopK, _ops
from libimle.torch._calls import check_numbers

Function = Callable[[Tensor], Tensor]


class Noise(Protocol):
    """The method that a noise distribution must have, of whatever package it is."""

    def sample(self, shape: torch.Size) -> Tensor: ...


class Target(Protocol):
    """The method that a target distribution must have, of whatever package it is.

    It may also have alpha, the weight of theta (else 1), and process(theta, dy, gradient), which scales the gradient.
    """

    def params(self, theta: Tensor, dy: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Layer:
    """theta [B, ...] -> z [B S, ...], sample s of row b at b S + s; S is samples times marginal_samples."""

    function: Function
    target: Target | None  # None: the straight-through estimator
    noise: Noise | None
    samples: int
    temperature: float
    target_temperature: float = 1.0
    marginal_samples: int = 1
    target_on_both_sides: bool = False
    central: bool = False
    sign: int = 1  # -1: the solver minimises

    def solve(self, scores: Tensor) -> Tensor:
        """The states of scores [B, S, ...], [B, S, ...]."""
        rows = scores.reshape(-1, *scores.shape[2:])
        if isinstance(self.function, (TopK, Argmax, Solver)):
            z = _ops.choose(rows, None, self.function._settings)[0].squeeze(-2)
        else:
            z = self.function(rows)
        if not isinstance(z, Tensor) or z.shape != rows.shape:
            found = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else f"a {type(z).__name__}"
            raise Error("function", f"returned {found}, but should return a tensor of shape {tuple(rows.shape)}")
        return z.detach().to(scores).reshape(scores.shape)

    def perturbation(self, theta: Tensor) -> Tensor | float:
        """The noise [B, S, ...]."""
        if self.noise is None:
            return 0.0
        shape = torch.Size((len(theta), self.samples * self.marginal_samples, *theta.shape[1:]))
        noise = self.noise.sample(shape)
        if not isinstance(noise, Tensor) or noise.shape != shape:
            raise Error("noise_distribution", f"sampled {noise!r:.60}, but should sample a tensor of {tuple(shape)}")
        return noise.detach().to(theta)

    def gradient(self, theta: Tensor, z: Tensor, noise: Tensor | float, dy: Tensor) -> Tensor:
        """The gradient of theta, for z and dy [B, S, ...]."""
        if not dy.isfinite().all():
            # Mixed precision expects that infinities flow through; its scaler then skips the step.
            return torch.full_like(theta, math.nan)
        if self.target is None:
            return dy.mean(1).masked_fill(theta == -torch.inf, 0.0)
        target, rows = self.target, math.prod(z.shape[:2])
        scores, dy = theta.unsqueeze(1).expand_as(z), self.sign * dy
        flat_scores, flat_dy = scores.reshape(rows, -1), dy.reshape(rows, -1)

        def side(flat_dy: Tensor) -> Tensor:
            moved = target.params(flat_scores, flat_dy).reshape(z.shape)
            # A mask stays a mask for alpha = 0, too.
            return self.solve((moved + self.target_temperature * noise).masked_fill(scores == -torch.inf, -torch.inf))

        moves = getattr(target, "alpha", 1.0) != 1 or self.target_temperature != self.temperature
        if self.central:
            difference = (side(-flat_dy) - side(flat_dy)) / 2
        elif self.target_on_both_sides and moves:
            difference = side(torch.zeros_like(flat_dy)) - side(flat_dy)
        else:
            difference = z - side(flat_dy)
        difference = self.sign * difference.reshape(len(theta), self.samples, self.marginal_samples, -1).mean(2)
        if hasattr(target, "process"):
            difference = target.process(flat_scores, flat_dy, difference)
        return difference.mean(1).reshape(theta.shape)


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, theta: Tensor, layer: Layer) -> Tensor:
        noise = layer.perturbation(theta)
        samples = layer.samples * layer.marginal_samples
        scores = theta.unsqueeze(1).expand(len(theta), samples, *theta.shape[1:])
        z = layer.solve(scores + layer.temperature * noise)
        ctx.layer, ctx.noise = layer, noise
        ctx.save_for_backward(theta, z)
        return z.flatten(0, 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> Any:
        theta, z = ctx.saved_tensors
        return ctx.layer.gradient(theta, z, ctx.noise, dy.reshape(z.shape)), None


def _check(theta: Any) -> None:
    if not isinstance(theta, Tensor) or not theta.is_floating_point() or theta.layout is not torch.strided:
        raise Error("theta", f"is {theta!r:.60}, but should be a dense tensor of floats")
    if theta.dim() < 2:
        raise Error("theta", f"has shape {tuple(theta.shape)}, but should be [B, ...]")
    check_numbers(theta.flatten(1))


def wrap(function: Function | None, **settings: Any) -> Any:
    """The layer of a solver as a function, or a decorator if the solver is still to come."""
    for name in ("samples", "marginal_samples"):
        integer(f"nb_{name}", settings.get(name, 1), 1, MOST_SAMPLES)
    for argument, method in (("noise", "sample"), ("target", "params")):
        given = settings[argument]
        if given is not None and not callable(getattr(given, method, None)):
            raise Error(f"{argument}_distribution", f"is {given!r:.60}, which has no method {method}")
    if function is None:
        return functools.partial(wrap, **settings)
    if not callable(function):
        raise Error("function", f"is {function!r:.60}, but should be a function of a tensor")
    layer = Layer(function, **settings)

    @functools.wraps(function, updated=())
    def choose(theta: Tensor) -> Tensor:
        _check(theta)
        z: Tensor = _Apply.apply(theta, layer)
        return z

    return choose


def default_target(given: Target | None) -> Target:
    return TargetDistribution() if given is None else given
