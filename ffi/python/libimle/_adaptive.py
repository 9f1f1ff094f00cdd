"""A lambda that adapts from batch to batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from numpy.typing import ArrayLike

from libimle import _core
from libimle._checks import UINT64_MAX, integer, one_of, optional_floats, real, floats
from libimle._errors import Error
from libimle._layers import Diagnostics

Rule = Literal["additive", "multiplicative"]  # the order is that of the numbers in imle.h


@dataclass
class AdaptiveParts:
    """The sums over theta and dz from which lambda is computed, for a batch that is cut over threads, hosts or
    micro-batches. They start from zeros and add up: `parts + other`, `sum(list_of_parts, AdaptiveParts())`, or field by
    field (all-reduce). Any order gives lambda to an ulp or so; the same order of the same blocks gives the same bits.

    Attributes:
        theta_squared: the sum of theta^2 over the unmasked entries.
        dz_squared: the sum of dz^2.
        theta_len: the number of unmasked entries of theta.
        theta_nonzero: the number of unmasked entries of theta that are not 0.
    """

    theta_squared: float = 0.0
    dz_squared: float = 0.0
    theta_len: int = 0
    theta_nonzero: int = 0

    def add(self, theta: ArrayLike | None = None, dz: ArrayLike | None = None) -> None:
        """Adds a block of theta, finite or -inf, and a block of dz, finite, of any shapes. After an error the parts are
        what they were."""
        core = self._to_core()
        core.add(optional_floats("theta", theta), optional_floats("dz", dz))
        self.theta_squared, self.dz_squared = core.theta_squared, core.dz_squared
        self.theta_len, self.theta_nonzero = core.theta_len, core.theta_nonzero

    def __add__(self, other: AdaptiveParts) -> AdaptiveParts:
        if not isinstance(other, AdaptiveParts):
            return NotImplemented
        return AdaptiveParts(
            self.theta_squared + other.theta_squared,
            self.dz_squared + other.dz_squared,
            self.theta_len + other.theta_len,
            self.theta_nonzero + other.theta_nonzero,
        )

    def _to_core(self) -> Any:
        return _core.AdaptiveParts(
            float(self.theta_squared),
            float(self.dz_squared),
            integer("parts.theta_len", self.theta_len, 0, UINT64_MAX),
            integer("parts.theta_nonzero", self.theta_nonzero, 0, UINT64_MAX),
        )


@dataclass
class Adaptive:
    """Finds lambda = a ||theta|| / ||dz|| by adapting a from batch to batch, until about `target` entries of a state
    change. It is plain data: save its fields with the model (`asdict`, and `Adaptive(**saved)`).

    >>> adaptive = libimle.Adaptive()
    >>> lambda_ = adaptive.lambda_for(theta, dz)
    >>> if lambda_ > 0:  # 0 if dz is 0: there is nothing to learn
    ...     grad_theta, diagnostics = layer.with_lambda(lambda_).gradient(theta, dz, key)
    ...     adaptive.update(diagnostics)

    Args:
        rule: "multiplicative": a <- a (1 + step c), or a / (1 + step |c|) for c < 0, c = (target - g) / target within
            -1 to 1. "additive", as in the paper: a <- max(a + c, 0), c = momentum * previous +- step; set step to 1e-3
            and theta_floor to 0.
        a: lambda in units of ||theta|| / ||dz||, finite, at least 0 (multiplicative: above 0).
        g: the non-zeros of z - z' per state, a moving average, finite, at least 0.
        previous: the additive rule's last change of a, finite.
        step: finite, above 0.
        momentum: the share of the last change in the next one, 0 <= momentum < 1; 0 for the multiplicative rule.
        decay: the weight of the past in g, 0 <= decay < 1.
        target: the g to aim at, finite, above 0. A state has at most 2 k non-zeros.
        theta_floor: the least root mean square of theta that lambda is computed with, finite, at least 0.

    Source: Minervini, Franceschi, Niepert 2023 (arXiv 2209.04862); the multiplicative rule: this library.
    """

    rule: Rule = "multiplicative"
    a: float = 1.0
    g: float = 1.0
    previous: float = 0.0
    step: float = 0.15
    momentum: float = 0.0
    decay: float = 0.9
    target: float = 1.0
    theta_floor: float = 1.0

    def __post_init__(self) -> None:
        self._to_core()

    def lambda_for(self, theta: ArrayLike, dz: ArrayLike) -> float:
        """lambda = a ||theta|| / ||dz||, with Euclidean norms over all rows and samples of a batch.

        It is exactly 0 if dz is 0 or theta has no unmasked entry: then skip the gradient. ||theta|| counts as at least
        theta_floor * sqrt(the number of unmasked entries).

        Args:
            theta: all scores, finite or -inf, of any shape.
            dz: all gradients, finite, in units of loss, of any shape.
        """
        return float(self._to_core().lambda_for(floats("theta", theta), floats("dz", dz)))

    def lambda_from(self, parts: AdaptiveParts) -> float:
        """The same for a batch that was cut, from the sum of its parts."""
        if not isinstance(parts, AdaptiveParts):
            raise Error("parts", f"is of type {type(parts).__name__}, but should be libimle.AdaptiveParts")
        return float(self._to_core().lambda_from(parts._to_core()))

    def update(self, diagnostics: Diagnostics) -> None:
        """Adapts a to the counts of the gradient that was computed with this lambda: g <- decay * g +
        (1 - decay) * nonzeros / states, and a by its rule. If the batch was cut, add up the counts first."""
        core = self._to_core()
        core.update(*(integer("diagnostics", count, 0, UINT64_MAX) for count in diagnostics))
        self.a, self.g, self.previous = core.a, core.g, core.previous

    def _to_core(self) -> Any:
        """The state of the extension module, with the fields checked."""
        core = _core.Adaptive()
        core.rule = one_of("rule", self.rule, get_args(Rule))
        core.a = real("a", self.a, 0.0, above=self.rule == "multiplicative")
        core.g = real("g", self.g, 0.0)
        core.previous = real("previous", self.previous)
        core.step = real("step", self.step, 0.0, above=True)
        core.momentum = _share("momentum", self.momentum)
        core.decay = _share("decay", self.decay)
        core.target = real("target", self.target, 0.0, above=True)
        core.theta_floor = real("theta_floor", self.theta_floor, 0.0)
        if self.rule == "multiplicative" and self.momentum != 0:
            raise Error("momentum", f"is {self.momentum}, but should be 0 for the multiplicative rule")
        return core


def _share(name: str, value: float) -> float:
    share = real(name, value, 0.0)
    if share >= 1:
        raise Error(name, f"is {share}, but should be below 1")
    return share
