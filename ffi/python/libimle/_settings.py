"""The key of the noise, and the settings that layers have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import ArrayLike

from libimle import _core
from libimle._checks import UINT32_MAX, UINT64_MAX, integer, invertible, one_of, real, unsigned
from libimle._errors import Error
from libimle._shapes import Vectors

# The order is that of the numbers in imle.h.
Noise = Literal["none", "gumbel", "logistic", "normal", "sum_of_gamma"]
Target = Literal["linear", "combinatorial"]
Difference = Literal["forward", "central"]
Scale = Literal["inverse_lambda", "none"]
Coupling = Literal["independent", "stratified"]

Self = TypeVar("Self", bound="Settings")


class Settings:
    """A base of frozen dataclasses. `_prepare` checks the fields and makes objects of the extension module from them,
    which are made again, not copied, when a layer is copied or pickled."""

    _core: Any
    _steps: Any

    def _prepare(self) -> dict[str, Any]:
        raise NotImplementedError

    def __post_init__(self) -> None:
        self.__dict__.update(self._prepare())

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()


@dataclass(frozen=True, eq=False)
class Key(Settings):
    """Selects the noise: eps of a coordinate is a pure function of the seed, the step, the numbers of its row and its
    sample, the coordinate, and the noise options.

    It depends neither on N nor on the number of samples nor on other rows, so any cut of a batch over threads, hosts or
    micro-batches gets the noise of the whole batch. A backward call with the key of the forward call gets its noise.

    Args:
        seed: one per run, 0 to 2^64 - 1.
        step: one per training iteration, 0 to 2^64 - 1.
        row0: the number of the first row, or what is added to every id, 0 to 2^64 - 1.
        row_ids: the number of each row of a shuffled, ragged or distributed batch, integers of the shape of the leading
            dimensions of theta, which are read when the key is used. None means that rows follow one another.
        sample0: the number of the first sample; sample0 + samples is at most 2^28.
        strata: with stratified noise, the number of samples of the whole batch if the call has only some of them; 0
            means the samples of the call.
    """

    seed: int
    step: int = 0
    row0: int = 0
    row_ids: ArrayLike | None = None
    sample0: int = 0
    strata: int = 0

    def _prepare(self) -> dict[str, Any]:
        core = _core.Key(
            integer("key.seed", self.seed, 0, UINT64_MAX),
            integer("key.step", self.step, 0, UINT64_MAX),
            integer("key.row0", self.row0, 0, UINT64_MAX),
            unsigned("key.row_ids", self.row_ids, np.uint64),
            integer("key.sample0", self.sample0, 0, UINT32_MAX),
            integer("key.strata", self.strata, 0, UINT32_MAX),
        )
        return {"_core": core}


def core_key(key: Key) -> Any:
    if not isinstance(key, Key):
        raise Error("key", f"is of type {type(key).__name__}, but should be a libimle.Key")
    return key._core


@dataclass(frozen=True, kw_only=True)
class Perturbed(Vectors, Settings):
    """How samples are drawn and gradients are estimated: the settings of TopK, Argmax, Tree and Solver.

    A layer is immutable. `dataclasses.replace` makes another one, and so does `with_lambda`.

    Args:
        samples: S, the samples of each row, 1 to 2^24.
        noise: the law of eps. "none": every sample is MAP(theta). "gumbel": Gumbel(0, 1); with Argmax it samples p(z)
            exactly. "logistic": Logistic(0, 1). "normal": Normal(0, 1). "sum_of_gamma": the sum over i <= s of
            Gamma(shape 1 / kappa, scale 1) / i, less ln(s) / kappa.
        temperature: tau, finite, at least 0, the noise factor of the forward pass; 0 is MAP(theta).
        target_temperature: tau', finite, at least 0, the noise factor of the target.
        alpha: finite, the factor of theta in the linear target.
        lambda_: finite, above 0, the step from theta to the target, in units of theta per unit of dz.
        target: "linear": theta' = alpha theta - lambda dz. "combinatorial": theta'_i = theta_i where dz_i = 0, else
            -dz_i, for losses that compare z with a gold structure; it uses neither alpha nor lambda, is never scaled,
            and has no central difference.
        difference: "forward": MAP(theta + tau eps) - MAP(theta' + tau' eps). "central":
            (MAP(alpha theta + lambda dz + tau' eps) - MAP(alpha theta - lambda dz + tau' eps)) / 2.
        scale: the factor c of the gradient. "inverse_lambda": 1 / lambda, an estimate of the gradient of the loss.
            "none": 1, the gradient of the maximum-likelihood objective, as in Algorithm 1 of the paper.
        coupling: "independent" samples, or "stratified" ones: the S uniform numbers behind the noise of a coordinate
            lie one in each of S equal parts. Means have the same expectation and a lower variance.
        sog_terms: s of the Sum-of-Gamma noise, at least 1; math.inf is the limit.
        sog_kappa: kappa of the Sum-of-Gamma noise, from 1 to 65536, or 0: the row's k (of a tree: its words).
        threads: rows are spread over up to as many threads, where a call is long enough. No bit depends on it.
    """

    samples: int = 1
    noise: Noise = "gumbel"
    temperature: float = 1.0
    target_temperature: float = 1.0
    alpha: float = 1.0
    lambda_: float = 1.0
    target: Target = "linear"
    difference: Difference = "forward"
    scale: Scale = "inverse_lambda"
    coupling: Coupling = "independent"
    sog_terms: float = 10
    sog_kappa: float = 0.0
    threads: int = 1

    def with_lambda(self: Self, lambda_: float) -> Self:
        """The same layer with another lambda, such as the one of libimle.Adaptive."""
        return replace(self, lambda_=lambda_)  # type: ignore[type-var]

    def _prepare(self) -> dict[str, Any]:
        if self.target == "combinatorial" and self.difference == "central":
            raise Error("difference", "is 'central', which the combinatorial target does not have")
        kappa = real("sog_kappa", self.sog_kappa, 0.0)
        if kappa != 0 and not 1 <= kappa <= 65536:
            raise Error("sog_kappa", f"is {kappa}, but should be 0 or from 1 to 65536")
        infinite = self.sog_terms == math.inf
        options = _core.options(
            one_of("noise", self.noise, get_args(Noise)),
            real("temperature", self.temperature, 0.0),
            real("target_temperature", self.target_temperature, 0.0),
            real("alpha", self.alpha),
            invertible("lambda_", self.lambda_),
            one_of("target", self.target, get_args(Target)),
            one_of("difference", self.difference, get_args(Difference)),
            one_of("scale", self.scale, get_args(Scale)),
            UINT32_MAX if infinite else integer("sog_terms", self.sog_terms, 1, UINT32_MAX - 1),  # type: ignore[arg-type]
            kappa,
            one_of("coupling", self.coupling, get_args(Coupling)),
        )
        sizes = self._counts()
        return {"_options": options, "_counts": sizes, "_steps": _core.Steps(options, sizes)}
