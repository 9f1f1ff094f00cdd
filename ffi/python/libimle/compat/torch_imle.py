"""torch-imle's names: change `from imle.wrapper import imle`, `from imle.target import ...` and
`from imle.noise import ...` to `from libimle.compat.torch_imle import ...`.

    @imle(target_distribution=TargetDistribution(alpha=1.0, beta=10.0),
          noise_distribution=SumOfGammaNoiseDistribution(k=10), nb_samples=10)
    def choose(scores):  # any solver: scores [M, ...] -> states [M, ...]
        return shortest_paths(scores)

    z = choose(theta)    # theta [B, ...] -> z [B S, ...], sample s of row b at b S + s

Gradient: (1/S) sum_s [MAP(theta + tau eps_s) - MAP(alpha theta - beta dy_s + tau' eps_s)], not divided by beta, with dy
as it comes from the loss. Noise and target distributions of torch-imle itself and of yours are taken, too.

It differs on purpose in these points:

- Sum-of-Gamma noise has the law of torch-imle's, but other random numbers. They come from a key that PyTorch's
  generator for the CPU draws, so manual_seed repeats them. A value costs the same for any nb_iterations.
- theta = -inf is a mask, also for alpha = 0. NaN or +inf in theta is a libimle.Error that names the row. If dy is not
  finite, the gradient is NaN, so that a GradScaler skips the step.
- `libimle.torch.TopK(k)` in place of the function is the library's MAP: exactly k ones, the lower index at ties.

It does not compile or map: libimle.torch does. Source: Niepert, Minervini, Franceschi 2021 (arXiv 2106.01798).
"""

from __future__ import annotations

from typing import Any

from libimle._checks import real
from libimle.compat._distributions import (
    BaseNoiseDistribution,
    BaseTargetDistribution,
    SumOfGammaNoiseDistribution,
    TargetDistribution,
)
from libimle.compat._layer import Function, Noise, Target, default_target, wrap

__all__ = [
    "BaseNoiseDistribution",
    "BaseTargetDistribution",
    "SumOfGammaNoiseDistribution",
    "TargetDistribution",
    "imle",
]


def imle(
    function: Function | None = None,
    target_distribution: Target | None = None,
    noise_distribution: Noise | None = None,
    nb_samples: int = 1,
    input_noise_temperature: float = 1.0,
    target_noise_temperature: float = 1.0,
) -> Any:
    """Makes a solver differentiable, as a decorator with arguments or by a direct call.

    Args:
        function: takes scores [M, ...] where theta is and in its dtype, and returns for each the state with the largest
            <z, scores>, [M, ...]. It is called once for each pass.
        target_distribution: None is TargetDistribution(alpha=1, beta=1).
        noise_distribution: None is no noise.
        nb_samples: S, at least 1.
        input_noise_temperature, target_noise_temperature: tau and tau', finite, at least 0.

    Returns:
        A function of theta [B, ...], finite or -inf, to z [B S, ...]. It always adds noise; to evaluate a model call
        the solver itself.
    """
    return wrap(
        function,
        target=default_target(target_distribution),
        noise=noise_distribution,
        samples=nb_samples,
        temperature=real("input_noise_temperature", input_noise_temperature, 0.0),
        target_temperature=real("target_noise_temperature", target_noise_temperature, 0.0),
    )
