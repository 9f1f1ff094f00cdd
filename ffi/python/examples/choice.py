"""The choice of k of n with each of the estimators that the examples compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import libimle.torch

ESTIMATORS = {
    "imle": "I-MLE",
    "simple": "SIMPLE",
    "gumbel": "Gumbel-softmax",
    "score": "score function",
}


class Choice(nn.Module):
    """S choices of each row of theta [..., N], z [..., S, N], and a function that estimates what z does not carry.

    In training mode z is drawn. Losses [..., S] of z are differentiated by

        z, estimate = choice(theta)
        losses = loss(z)
        (losses + estimate(losses)).mean().backward()

    where `estimate` is 0 unless the estimator is the score function, which uses the losses and not their gradient.
    """

    def __init__(self, estimator: str, k: int, samples: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.estimator = estimator
        layers: dict[str, Callable[[], nn.Module]] = {
            "imle": lambda: libimle.torch.TopK(
                k,
                samples=samples,
                noise="logistic",
                coupling="stratified",
                difference="central",
                adaptive=libimle.torch.Adaptive(),
            ),
            "simple": lambda: libimle.torch.Simple(k, samples=samples),
            "gumbel": lambda: RelaxedTopK(k, samples, temperature),
            "score": lambda: libimle.torch.Simple(k, samples=samples),
        }
        self.layer = layers[estimator]()

    def forward(self, theta: Tensor, k_row: Tensor | None = None) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        if self.estimator == "score" and self.training:
            z, indices = self.layer(theta, k_row=k_row, return_indices=True)

            def estimate(losses: Tensor) -> Tensor:
                term = self.layer.score_function(losses.detach(), theta, indices, k_row=k_row)
                return term - term.detach()  # a gradient, but no value

            return z.detach(), estimate
        z = self.layer(theta, k_row=k_row)
        if self.estimator == "imle" and z.requires_grad:
            z.register_hook(lambda dz: dz.mean(-2, keepdim=True).expand_as(dz))  # the samples share their mean dz
        return z, torch.zeros_like


class RelaxedTopK(nn.Module):
    """Gumbel-softmax for k of n with a straight-through gradient: a hard choice forward, and backward the gradient of k
    softmaxes, each of which lowers the scores of what the ones before it have taken (Xie, Ermon 2019)."""

    def __init__(self, k: int, samples: int, temperature: float) -> None:
        super().__init__()
        self.k, self.samples, self.temperature = k, samples, temperature
        self.hard = libimle.torch.TopK(k, noise="none")

    def forward(self, theta: Tensor, k_row: Tensor | None = None) -> Tensor:
        scores = theta.unsqueeze(-2)
        if k_row is not None:
            k_row = k_row.unsqueeze(-1)
        if self.training:
            scores = scores.expand(*theta.shape[:-1], self.samples, theta.shape[-1])
            scores = scores - torch.empty_like(scores).exponential_().log()  # + Gumbel(0, 1)
            k_row = k_row if k_row is None else k_row.expand(*theta.shape[:-1], self.samples)
        hard: Tensor = self.hard(scores.detach(), k_row=k_row)
        if not self.training:
            return hard
        soft: Any = 0
        for taken in range(self.k):
            one = torch.softmax(scores / self.temperature, -1)
            soft = soft + (one if k_row is None else one * (k_row > taken).unsqueeze(-1))
            scores = scores + (1 - one).clamp_min(torch.finfo(one.dtype).tiny).log()
        return hard + soft - soft.detach()
