"""AIMLE's names (torch-adaptive-imle): change `from imle.aimle import aimle`, `from imle.target import ...` and so on
to `from libimle.compat.aimle import ...`.

    @aimle(target_distribution=AdaptiveTargetDistribution(initial_beta=0.0), symmetric_perturbation=True)
    def choose(scores):  # any solver: scores [M, ...] -> states [M, ...]
        return shortest_paths(scores)

    z = choose(theta)    # theta [B, ...] -> z [B S, ...], sample s of row b at b S + s

Gradients, with dy as it comes from the loss:

- imle: (1/S) sum_s [MAP(theta + tau eps_s) - MAP(alpha theta - lambda dy_s + tau' eps_s)].
- aimle: the same, but where alpha is not 1 or tau' is not tau, the first state is MAP(alpha theta + tau' eps_s).
- aimle(symmetric_perturbation=True): (1/S) sum_s [MAP(alpha theta + lambda dy_s + tau' eps_s) - MAP(alpha theta -
  lambda dy_s + tau' eps_s)] / 2.

lambda is beta of TargetDistribution, and the gradient is divided by it if do_gradient_scaling is True; or it is
beta ||theta|| / ||dy|| of AdaptiveTargetDistribution, and the gradient is divided by it. Noise and target distributions
of AIMLE itself and of yours are taken, too.

It differs on purpose in these points:

- With an adaptive target and S > 1, AIMLE moves the target by a lambda that is sqrt(S) larger than the one that it
  divides by. Here both are the former: states and beta are those of AIMLE, and the gradient is AIMLE's divided by
  sqrt(S), the size that the paper means. Multiply the learning rate of plain SGD by sqrt(S) to repeat a run; Adam
  hardly notices.
- Noise has the law of AIMLE's, but other random numbers. They come from a key that PyTorch's generator for the CPU
  draws, so manual_seed repeats them. A value of Sum-of-Gamma noise costs the same for any nb_iterations.
- theta = -inf is a mask, also for alpha = 0. NaN or +inf in theta is a libimle.Error that names the row. If dy is not
  finite, the gradient is NaN, so that a GradScaler skips the step, and beta stays as it is.
- select_k and mathias_select_k give exactly k ones, the lower index at ties; AIMLE's mathias_select_k gives more at
  ties. `libimle.torch.TopK(k)` in place of a function is the same.
- _gradient_save_path is refused: `theta.register_hook` sees the gradient. `sfe` is missing: libimle.torch.Simple and
  libimle's `perturbed_gradient` are score functions with a baseline.

It does not compile or map: libimle.torch does. Source: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from libimle._checks import real
from libimle._errors import Error
from libimle.compat._distributions import (
    AdaptiveTargetDistribution,
    BaseNoiseDistribution,
    BaseTargetDistribution,
    GumbelNoiseDistribution,
    SumOfGammaNoiseDistribution,
    TargetDistribution,
)
from libimle.compat._layer import Function, Noise, Target, default_target, wrap
from libimle.torch import TopK

__all__ = [
    "AdaptiveTargetDistribution",
    "BaseNoiseDistribution",
    "BaseTargetDistribution",
    "GumbelNoiseDistribution",
    "SumOfGammaNoiseDistribution",
    "TargetDistribution",
    "aimle",
    "imle",
    "mathias_select_k",
    "select_k",
    "ste",
]


def imle(
    function: Function | None = None,
    target_distribution: Target | None = None,
    noise_distribution: Noise | None = None,
    nb_samples: int = 1,
    nb_marginal_samples: int = 1,
    theta_noise_temperature: float = 1.0,
    target_noise_temperature: float = 1.0,
    _gradient_save_path: str | None = None,
    _is_minimization: bool = False,
) -> Any:
    """As in libimle.compat.torch_imle, and:

    Args:
        nb_marginal_samples: M; z has S = nb_samples * M samples of each row, and the target distribution processes
            means of M differences.
        theta_noise_temperature: tau, the input_noise_temperature of torch-imle.
        _is_minimization: the function returns the state with the smallest <z, scores>. Noise is added to theta all the
            same; dy and the result are negated.
    """
    if _gradient_save_path is not None:
        raise Error("_gradient_save_path", "is not supported; theta.register_hook sees the gradient")
    return wrap(
        function,
        target=default_target(target_distribution),
        noise=noise_distribution,
        samples=nb_samples,
        marginal_samples=nb_marginal_samples,
        temperature=real("theta_noise_temperature", theta_noise_temperature, 0.0),
        target_temperature=real("target_noise_temperature", target_noise_temperature, 0.0),
        sign=-1 if _is_minimization else 1,
    )


def aimle(
    function: Function | None = None,
    target_distribution: Target | None = None,
    noise_distribution: Noise | None = None,
    nb_samples: int = 1,
    nb_marginal_samples: int = 1,
    theta_noise_temperature: float = 1.0,
    target_noise_temperature: float = 1.0,
    symmetric_perturbation: bool = False,
    _is_minimization: bool = False,
) -> Any:
    """As `imle`, with the gradients that the module lists.

    Args:
        symmetric_perturbation: the central difference: one more call of the solver, less bias.
    """
    return wrap(
        function,
        target=default_target(target_distribution),
        noise=noise_distribution,
        samples=nb_samples,
        marginal_samples=nb_marginal_samples,
        temperature=real("theta_noise_temperature", theta_noise_temperature, 0.0),
        target_temperature=real("target_noise_temperature", target_noise_temperature, 0.0),
        target_on_both_sides=True,
        central=symmetric_perturbation,
        sign=-1 if _is_minimization else 1,
    )


def ste(
    function: Function | None = None,
    noise_distribution: Noise | None = None,
    noise_temperature: float = 1.0,
    nb_samples: int = 1,
) -> Any:
    """The straight-through estimator: z_s = MAP(theta + tau eps_s), gradient (1/S) sum_s dy_s.

    Source: Bengio, Leonard, Courville 2013 (arXiv 1308.3432).
    """
    return wrap(
        function,
        target=None,
        noise=noise_distribution,
        samples=nb_samples,
        temperature=real("noise_temperature", noise_temperature, 0.0),
    )


def select_k(logits: Tensor, k: int) -> Tensor:
    """The k largest of the last dimension as ones, exactly k; among equal ones the lower index."""
    return TopK(k).eval()(logits)  # type: ignore[no-any-return]


mathias_select_k = select_k
