"""Arguments as the extension module takes them: float32 arrays, index arrays, and numbers within their ranges."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from libimle._errors import Error

UINT32_MAX = 2**32 - 1
UINT64_MAX = 2**64 - 1
FLOAT32_MAX = float(np.finfo(np.float32).max)


def floats(name: str, value: ArrayLike) -> NDArray[np.float32]:
    """The value as a float32 array; copied only if it is none. Numbers beyond float32 become infinite."""
    array = _array(name, value)
    if array.dtype == np.float32 and array.flags.aligned:
        return array
    if array.dtype.kind not in "fiub":
        raise Error(name, f"has dtype {array.dtype}, but should hold real numbers")
    with np.errstate(over="ignore"):
        return array.astype(np.float32, order="C")


def scores(theta: ArrayLike, k: int) -> NDArray[np.float32]:
    """theta as a float32 array [..., N] with room for k ones."""
    array = floats("theta", theta)
    check_scores(array.shape, k)
    return array


def check_scores(shape: tuple[int, ...], k: int) -> None:
    """Refuses a shape of theta that is not [..., N] with room for k ones."""
    if len(shape) == 0 or shape[-1] == 0:
        raise Error("theta", f"has shape {tuple(shape)}, but should be [..., N] with at least one score in a row")
    if k > shape[-1]:
        raise Error("k", f"is {k}, but a row has {shape[-1]} scores")


def optional_floats(name: str, value: ArrayLike | None) -> NDArray[np.float32] | None:
    return None if value is None else floats(name, value)


def unsigned(name: str, value: ArrayLike | None, dtype: type[np.unsignedinteger]) -> NDArray[Any] | None:
    """The value as an array of unsigned integers, or None; copied only if it has another dtype."""
    if value is None:
        return None
    array = _array(name, value)
    if array.dtype == dtype and array.flags.aligned:
        return array
    no_numbers = array.size == 0 and array.dtype.kind == "f"  # what NumPy makes of []
    if array.dtype.kind not in "iu" and not no_numbers:
        raise Error(name, f"has dtype {array.dtype}, but should hold integers")
    if array.size and (array.min() < 0 or array.max() > np.iinfo(dtype).max):
        worst = array.min() if array.min() < 0 else array.max()
        raise Error(name, f"has {worst}, but should hold integers from 0 to {np.iinfo(dtype).max}")
    return array.astype(dtype, order="C")


def _array(name: str, value: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Error(name, f"cannot be read as an array: {error}") from error


def integer(name: str, value: int, least: int, most: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise Error(name, f"is {value!r}, but should be an integer")
    if not least <= number <= most:
        raise Error(name, f"is {number}, but should be from {least} to {most}")
    return number


def boolean(name: str, value: bool) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise Error(name, f"is {value!r}, but should be True or False")
    return bool(value)


def real(name: str, value: float, least: float = -FLOAT32_MAX, *, above: bool = False) -> float:
    """The value as a float that float32 can hold, at least (or above) `least`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Error(name, f"is {value!r}, but should be a number") from None
    if not math.isfinite(number) or abs(number) > FLOAT32_MAX or number < least or (above and number == least):
        raise Error(name, f"is {number}, but should be finite and {'above' if above else 'at least'} {least}")
    return number


def invertible(name: str, value: float) -> float:
    """The value as a float above 0 whose inverse float32 can hold, too."""
    number = real(name, value, 0.0, above=True)
    if number * FLOAT32_MAX < 1:
        raise Error(name, f"is {number}, which is too small: its inverse is infinite")
    return number


def one_of(name: str, value: str, names: Iterable[str]) -> int:
    """The place of the value among the names that are allowed."""
    allowed = tuple(names)
    if value not in allowed:
        raise Error(name, f"is {value!r}, but should be one of {', '.join(map(repr, allowed))}")
    return allowed.index(value)
