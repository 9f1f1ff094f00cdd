"""Target and noise distributions under the names of torch-imle and AIMLE."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

import libimle
from libimle._checks import UINT32_MAX, integer, real
from libimle._errors import Error
from libimle._layers import Steps
from libimle.torch._calls import drawn_numbers

# ---- targets ----


class BaseTargetDistribution(ABC):
    """A target distribution of yours has these methods.

    theta and dy are [R, n], one row for each row and sample, and gradient is [B, S, n].
    """

    @abstractmethod
    def params(self, theta: Tensor, dy: Tensor) -> Tensor:
        """The parameters theta' of the target, of theta's shape."""

    def process(self, theta: Tensor, dy: Tensor, gradient: Tensor) -> Tensor:
        """The gradient of every row and sample, scaled; its mean over the samples is the gradient of theta."""
        return gradient


class TargetDistribution(BaseTargetDistribution):
    """theta' = alpha theta - beta dy.

    Args:
        alpha: the weight of theta, finite.
        beta: lambda, finite, at least 0. It multiplies dy as it comes, so it depends on how the loss is reduced.
        do_gradient_scaling: divide the gradient by beta, or by eps if that is larger.
    """

    def __init__(
        self, alpha: float = 1.0, beta: float = 1.0, do_gradient_scaling: bool = False, eps: float = 1e-7
    ) -> None:
        self.alpha = real("alpha", alpha)
        self.beta = real("beta", beta, 0.0)
        self.do_gradient_scaling = do_gradient_scaling
        self.eps = real("eps", eps, 0.0, above=True)

    def params(
        self,
        theta: Tensor,
        dy: Tensor | None,
        alpha: float | None = None,
        beta: float | None = None,
        _is_minimization: bool = False,
    ) -> Tensor:
        alpha = self.alpha if alpha is None else alpha
        beta = self.beta if beta is None else beta
        return alpha * theta if dy is None else alpha * theta - (-beta if _is_minimization else beta) * dy

    def process(self, theta: Tensor, dy: Tensor, gradient: Tensor) -> Tensor:
        return gradient / max(self.beta, self.eps) if self.do_gradient_scaling else gradient


class AdaptiveTargetDistribution(BaseTargetDistribution):
    """theta' = alpha theta - lambda dy, lambda = beta ||theta|| / ||dy||; the gradient is divided by lambda.

    After every backward pass g <- decay g + (1 - decay) (non-zeros of the gradient for each row and sample), and then
    beta <- max(beta + c, 0), c = momentum * previous c +- step: + if g is below target_norm, - otherwise.

    The state is beta, grad_norm (g) and previous_beta_update (c), plain attributes: save them with the model.

    Args:
        initial_alpha: the weight of theta, finite.
        initial_beta: lambda in units of ||theta|| / ||dy||, finite, at least 0. From 0 the first gradients are 0.
        initial_grad_norm: g, finite, at least 0.
        beta_update_step: finite, above 0.
        beta_update_momentum: 0 to below 1.
        grad_norm_decay_rate: 0 to 1.
        target_norm: the g to aim at, finite, above 0.

    Source: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862). `libimle.torch.Adaptive` is saved with the model,
    shared by processes, frozen in evaluation mode, and has a rule that reaches its target within 100 updates.
    """

    def __init__(
        self,
        initial_alpha: float = 1.0,
        initial_beta: float = 1.0,
        initial_grad_norm: float = 1.0,
        beta_update_step: float = 1e-4,
        beta_update_momentum: float = 0.0,
        grad_norm_decay_rate: float = 0.9,
        target_norm: float = 1.0,
    ) -> None:
        self.alpha = real("initial_alpha", initial_alpha)
        self.beta = real("initial_beta", initial_beta, 0.0)
        self.grad_norm = real("initial_grad_norm", initial_grad_norm, 0.0)
        self.beta_update_step = real("beta_update_step", beta_update_step, 0.0, above=True)
        self.beta_update_momentum = real("beta_update_momentum", beta_update_momentum, 0.0)
        self.grad_norm_decay_rate = real("grad_norm_decay_rate", grad_norm_decay_rate, 0.0)
        self.target_norm = real("target_norm", target_norm, 0.0, above=True)
        self.previous_beta_update = 0.0
        for name in ("beta_update_momentum", "grad_norm_decay_rate"):
            if getattr(self, name) > 1:
                raise Error(name, f"is {getattr(self, name)}, but should be at most 1")

    def params(self, theta: Tensor, dy: Tensor | None, _is_minimization: bool = False) -> Tensor:
        if dy is None:
            return self.alpha * theta
        lambda_ = self._lambda(theta, dy)
        return self.alpha * theta - (-lambda_ if _is_minimization else lambda_) * dy

    def process(self, theta: Tensor, dy: Tensor, gradient: Tensor) -> Tensor:
        lambda_ = self._lambda(theta, dy)
        states = max(gradient.shape[0] * gradient.shape[1], 1)
        decay = self.grad_norm_decay_rate
        self.grad_norm = decay * self.grad_norm + (1 - decay) * int(gradient.count_nonzero()) / states
        step = self.beta_update_step if self.grad_norm < self.target_norm else -self.beta_update_step
        self.previous_beta_update = self.beta_update_momentum * self.previous_beta_update + step
        self.beta = max(self.beta + self.previous_beta_update, 0.0)
        return gradient / lambda_ if lambda_ > 0 else gradient

    def _lambda(self, theta: Tensor, dy: Tensor) -> float:
        """0 if dy is 0: there is nothing to learn."""
        of_dy = float(torch.linalg.vector_norm(dy))
        of_theta = float(torch.linalg.vector_norm(theta.masked_fill(theta == -torch.inf, 0.0)))
        return self.beta * of_theta / of_dy if of_dy > 0 else 0.0


# ---- noise ----


class BaseNoiseDistribution(ABC):
    """A noise distribution of yours has this method."""

    @abstractmethod
    def sample(self, shape: torch.Size) -> Tensor:
        """Independent noise of this shape, [B, S, ...]."""


class _LibraryNoise(BaseNoiseDistribution):
    """Noise of the library, with a key from PyTorch's generator for the CPU."""

    _law: Steps
    device: torch.device | str | None

    def sample(self, shape: Sequence[int]) -> Tensor:
        shape = torch.Size(shape)
        if shape.numel() == 0:
            return torch.zeros(shape, device=self.device)
        seed, step = drawn_numbers()
        key = libimle.Key(seed % 2**64, step % 2**64)
        return torch.from_numpy(self._law.noise_of((shape.numel(),), key)).reshape(shape).to(self.device)


class SumOfGammaNoiseDistribution(_LibraryNoise):
    """Sum-of-Gamma noise, (1/k) (sum over i = 1..s of Gamma(1/k, scale k/i) - ln s), s = nb_iterations.

    The sum of k independent values tends to Gumbel noise as s grows.

    Args:
        k: from 1 to 65536, the number of ones of a state.
        nb_iterations: s, at least 1. A value costs the same for every s.
        device: where the noise is wanted; the layers move it to theta.
    """

    def __init__(self, k: float, nb_iterations: int = 10, device: torch.device | str | None = None) -> None:
        self.k = real("k", k, 1.0)
        if self.k > 65536:
            raise Error("k", f"is {self.k}, but should be from 1 to 65536")
        self.nb_iterations = integer("nb_iterations", nb_iterations, 1, UINT32_MAX - 1)
        self.device = device
        self._law = libimle.Argmax(noise="sum_of_gamma", sog_kappa=self.k, sog_terms=self.nb_iterations)


class GumbelNoiseDistribution(_LibraryNoise):
    """location + scale * Gumbel(0, 1) noise. AIMLE's has this name.

    Args:
        location, scale: finite, scale at least 0.
        device: where the noise is wanted; the layers move it to theta.
    """

    _law = libimle.Argmax(noise="gumbel")

    def __init__(self, location: float = 0.0, scale: float = 1.0, device: torch.device | str | None = None) -> None:
        self.location = real("location", location)
        self.scale = real("scale", scale, 0.0)
        self.device = device

    def sample(self, shape: Sequence[int]) -> Tensor:
        return self.location + self.scale * super().sample(shape)
