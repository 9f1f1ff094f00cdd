"""The handlers of the extension module as operators of JAX: how vmap folds them, and how rows are cut over devices.

An operand or a result of an operator has the dimensions [groups..., rows..., its own]. The rows of a group are one
call, with numbers (temperature, lambda and others) and a key of its own, which have no dimensions of rows.
"""

# mypy: allow-untyped-calls
# (JAX has no types for some of its functions.)

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental.custom_partitioning import ArrayMapping, SdyShardingRule, custom_partitioning
from jax.sharding import NamedSharding, PartitionSpec

try:
    from libimle.jax import _handlers
except ImportError as error:
    raise ImportError(
        "this build of libimle has no handlers for JAX, because the headers of jaxlib were not found when it was "
        "built. With jax installed, build it again: pip install --no-build-isolation ./ffi/python "
        "(or -C cmake.define.JAX_INCLUDE_DIR=... with the path that jax.ffi.include_dir() gives)."
    ) from error

for _name, _handler in _handlers.handlers.items():
    jax.ffi.register_ffi_target(f"libimle_{_name}", _handler, platform="cpu")

Own = tuple[tuple[int, ...], Any]  # the own shape of a result, and its dtype


@dataclass(frozen=True)
class Operator:
    """A handler with its attributes.

    name: that of the handler.
    attributes: numbers that XLA passes to it.
    own: the number of own dimensions of each operand.
    results: the own shape and the dtype of each result.
    noise: the call has a key and the numbers of the rows, operands 1 and 2.
    incoming: the place of the gradient that comes in, for a backward pass.
    """

    name: str
    attributes: tuple[tuple[str, Any], ...]
    own: tuple[int, ...]
    results: tuple[Own, ...]
    noise: bool = False
    incoming: int | None = None

    @property
    def grouped(self) -> int:
        """The number of operands that belong to groups, not to rows: the numbers, and the key."""
        return 2 if self.noise else 1

    @property
    def place(self) -> int:
        """The first array, theta in most cases."""
        return 3 if self.noise else 1

    def leading(self, operands: tuple[Any, ...]) -> tuple[int, ...]:
        """The groups and rows."""
        shape: tuple[int, ...] = operands[self.place].shape
        return shape[: len(shape) - self.own[self.place]]

    # ---- one device ----

    def call(self, *operands: Array) -> tuple[Array, ...]:
        leading = self.leading(operands)
        of = jax.typeof(operands[self.place])
        cut = (*of.sharding.spec, *[None] * len(leading))[: len(leading)]
        type_of = {}
        if not of.sharding.mesh.empty:  # inside shard_map, or with explicit axes, types say where rows are
            type_of = {"sharding": NamedSharding(of.sharding.mesh, PartitionSpec(*cut)), "manual_axis_type": of.mat}
        shapes = [jax.ShapeDtypeStruct((*leading, *shape), dtype, **type_of) for shape, dtype in self.results]
        return tuple(jax.ffi.ffi_call(f"libimle_{self.name}", shapes)(*operands, **dict(self.attributes)))

    # ---- rows over devices: each device works on its rows, whose noise is that of the whole batch ----

    def partitioned(self, *operands: Array) -> tuple[Array, ...]:
        if self.noise and operands[2] is None:
            numbers = row_numbers(self.leading(operands), operands[0].ndim - 1)
            operands = _varying((*operands[:2], numbers, *operands[3:]))
        call = custom_partitioning(lambda *operands: self.call(*operands))
        leading, groups = len(self.leading(operands)), operands[0].ndim - 1

        def dimensions(i: int) -> int:
            return groups if i < self.grouped else leading

        def partition(mesh: Any, operands: Any, results: Any) -> Any:
            spec = results[0].sharding.spec
            spec = (*spec, *[None] * leading)[:leading]
            cut = lambda n: NamedSharding(mesh, PartitionSpec(*spec[:n]))  # noqa: E731
            of_operands = tuple(cut(dimensions(i)) for i in range(len(operands)))
            return mesh, self.call, tuple(cut(leading) for _ in results), of_operands

        whole: list[str] = []

        def mapping(dimensions: int, own: int) -> Any:
            names = [f"o{len(whole) + i}" for i in range(own)]
            whole.extend(names)
            return ArrayMapping(*(f"d{i}" for i in range(dimensions)), *names)

        rule = SdyShardingRule(
            tuple(mapping(dimensions(i), own) for i, own in enumerate(self.own)),
            tuple(mapping(leading, len(shape)) for shape, _ in self.results),
            need_replication_factors=tuple(whole),
        )
        call.def_partition(partition, sharding_rule=rule)
        results: tuple[Array, ...] = call(*operands)
        return results

    # ---- vmap: mapped calls become rows of one call, or groups if their numbers or keys differ ----

    def __call__(self, *operands: Array | None) -> tuple[Array, ...]:
        folded = jax.custom_batching.custom_vmap(self.partitioned)
        folded.def_vmap(self._fold)
        once = jax.custom_jvp(folded)
        once.defjvp(_refuse_derivative)
        results: tuple[Array, ...] = once(*_varying(operands))
        return results

    def _fold(self, size: int, mapped: list[Any], *operands: Any) -> Any:
        groups = operands[0].ndim - bool(mapped[0]) - 1
        own_calls = any(mapped[: self.grouped])
        place = 0 if own_calls else groups
        if self.noise and operands[2] is None and not own_calls and self.incoming is not None:
            forward = [m for i, m in enumerate(mapped) if i >= self.grouped and i != self.incoming]
            if not any(forward):
                # Only the gradient is mapped. The forward pass had the rows of one call, so they keep their numbers.
                operands = (*operands[:2], row_numbers(self.leading(operands), groups), *operands[3:])
                mapped = [*mapped[:2], False, *mapped[3:]]

        def fold(i: int, operand: Any) -> Any:
            if operand is None or (i < self.grouped and not own_calls):
                return operand
            if mapped[i]:
                return jnp.moveaxis(operand, 0, place)
            shape = (*operand.shape[:place], size, *operand.shape[place:])
            return jnp.broadcast_to(jnp.expand_dims(operand, place), shape)

        results = self(*(fold(i, operand) for i, operand in enumerate(operands)))
        return tuple(jnp.moveaxis(result, place, 0) for result in results), (True,) * len(results)


def _refuse_derivative(*_: Any) -> Any:
    raise TypeError("libimle has no second derivatives: a gradient is a difference of choices")


def _varying(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Inside shard_map, operands that differ from device to device make all others differ."""
    axes = [frozenset() if operand is None else jax.typeof(operand).mat.varying for operand in operands]
    every = frozenset().union(*axes)
    return tuple(
        operand if operand is None else jax.lax.pcast(operand, tuple(every - own), to="varying")
        for operand, own in zip(operands, axes)
    )


def row_numbers(leading: tuple[int, ...], groups: int) -> Array:
    """The numbers of rows that follow one another in each group, [groups..., rows..., 2]: u64, the lower word first."""
    rows = leading[groups:]
    low = jnp.arange(math.prod(rows), dtype=jnp.uint32).reshape(rows)
    return jnp.broadcast_to(jnp.stack([low, jnp.zeros_like(low)], -1), (*leading, 2))
