"""A lambda that adapts from batch to batch, as a module with buffers."""

from __future__ import annotations

import collections
import itertools
from typing import Any

import torch
from torch import Tensor, nn

import libimle
from libimle._errors import Error
from libimle._layers import Diagnostics
from libimle.torch._calls import register


class Adaptive(nn.Module):
    """Finds lambda = a ||theta|| / ||dz|| in every backward pass and then adapts a, until about `target` entries of a
    state change: libimle.Adaptive with its state in the buffers a, g and previous.

    In evaluation mode a stays as it is. A second backward pass through a graph does not adapt it again. If
    torch.distributed is initialised, norms and counts are those of all processes, so that all have the same lambda;
    each process must then run as many backward passes as the others. `synchronise=False` turns this off.

    One Adaptive may serve several layers; each backward pass of each adapts it.

    Args:
        synchronise: add norms and counts over the processes of torch.distributed.
        process_group: these processes; None is all of them.

    The other arguments are those of libimle.Adaptive.
    """

    a: Tensor
    g: Tensor
    previous: Tensor

    def __init__(self, *, synchronise: bool = True, process_group: Any = None, **settings: Any) -> None:
        super().__init__()
        start = libimle.Adaptive(**settings)
        self.settings = settings
        self.synchronise = synchronise
        self.process_group = process_group
        for name in ("a", "g", "previous"):
            self.register_buffer(name, torch.tensor(getattr(start, name), dtype=torch.float32))
        self._register()

    def _register(self) -> None:
        self.number = register(self)
        self._tickets = itertools.count(1)
        self._used: collections.deque[int] = collections.deque(maxlen=1024)

    def state(self) -> libimle.Adaptive:
        """The state as a libimle.Adaptive."""
        values = {name: float(getattr(self, name)) for name in ("a", "g", "previous")}
        return libimle.Adaptive(**(self.settings | values))

    # A backward pass calls these methods.

    def ticket(self) -> int:
        """A number for a forward pass."""
        return next(self._tickets)

    def lambda_for(self, theta: Tensor, dz: Tensor) -> float:
        parts = libimle.AdaptiveParts()
        parts.add(theta.detach().numpy(), dz.detach().numpy())
        sums = self._sum([parts.theta_squared, parts.dz_squared, parts.theta_len, parts.theta_nonzero])
        return self.state().lambda_from(libimle.AdaptiveParts(sums[0], sums[1], int(sums[2]), int(sums[3])))

    def update(self, counts: Diagnostics, ticket: int) -> None:
        if not self.training or ticket in self._used:
            return
        self._used.append(ticket)
        state = self.state()
        state.update(Diagnostics(*map(int, self._sum(list(counts)))))
        for name in ("a", "g", "previous"):
            getattr(self, name).fill_(getattr(state, name))

    def _sum(self, numbers: list[float]) -> list[float]:
        """The sum over all processes. Counts are exact below 2^53."""
        distributed = torch.distributed
        if not (self.synchronise and distributed.is_available() and distributed.is_initialized()):
            return numbers
        sums = torch.tensor(numbers, dtype=torch.float64)
        distributed.all_reduce(sums, group=self.process_group)
        return sums.tolist()

    # The state is float32, whatever the dtype of the model.

    def _apply(self, fn: Any, recurse: bool = True) -> Adaptive:
        before = {name: buffer.clone() for name, buffer in self._buffers.items() if buffer is not None}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in before.items():
            setattr(self, name, buffer.to(getattr(self, name).device))
        return self

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        names = [n for n in ("a", "g", "previous") if prefix + n in state_dict]
        try:
            libimle.Adaptive(**(self.settings | {n: float(state_dict[prefix + n]) for n in names}))
        except Error as error:
            args[-1].append(f"{prefix}{error}")
            return
        except (TypeError, ValueError, RuntimeError):
            args[-1].append(f"{prefix}{', '.join(names)} should be numbers")
            return
        super()._load_from_state_dict(state_dict, prefix, *args)

    def __getstate__(self) -> dict[str, Any]:
        # A copy has a number and tickets of its own.
        return {n: v for n, v in self.__dict__.items() if n not in ("_tickets", "_used", "number")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._register()
