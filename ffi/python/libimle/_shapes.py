"""The shapes of scores, states and lists: vectors [..., N], or matrices [..., words, words] where states are trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from libimle import _core
from libimle._checks import UINT32_MAX, boolean, floats, integer, scores, unsigned
from libimle._errors import Error

MOST_SAMPLES = 2**24
MOST_THREADS = 4096
MOST_WORDS = 2**16 - 1


def _samples_and_threads(samples: int, threads: int) -> tuple[int, int]:
    return integer("samples", samples, 1, MOST_SAMPLES), integer("threads", threads, 1, MOST_THREADS)


def counts(k: int, samples: int, threads: int) -> Any:
    """k, samples and threads, checked."""
    return _core.Counts(integer("k", k, 0, UINT32_MAX), *_samples_and_threads(samples, threads))


class Vectors:
    """States with k ones of N. The extension module takes every array as [..., N]."""

    samples: int
    threads: int
    _one_hot: ClassVar[bool]

    @property
    def _k(self) -> int:
        return 1

    def _counts(self) -> Any:
        return counts(self._k, self.samples, self.threads)

    def _floats(self, name: str, value: ArrayLike) -> NDArray[np.float32]:
        """An argument of the shape of scores or states, as [..., N]."""
        return floats(name, value)

    def _scores(self, theta: ArrayLike) -> NDArray[np.float32]:
        return scores(theta, self._k)

    def _split(self, shape: Sequence[int]) -> tuple[tuple[int, ...], int]:
        """The leading dimensions and N of a shape of theta."""
        if not isinstance(shape, Sequence) or len(shape) == 0:
            raise Error("shape", f"is {shape!r}, but should be (..., N)")
        *rows, n = (integer("shape", size, 0, UINT32_MAX) for size in shape)
        return tuple(rows), n

    def _shape(self, n: int) -> tuple[int, ...]:
        """The dimension N, as a user sees it."""
        return (n,)

    def _like(self, theta: NDArray[np.float32]) -> tuple[int, ...]:
        """The shape of what has a value for each score."""
        return (*theta.shape[:-1], *self._shape(theta.shape[-1]))

    def _list(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape if self._one_hot else (*shape, self._k)

    def _k_row(self, k_row: ArrayLike | None, n_row: ArrayLike | None) -> NDArray[np.uint32] | None:
        if n_row is not None:
            raise Error("n_row", "is for trees only")
        if k_row is not None and self._one_hot:
            raise Error("k_row", "is for k of n only")
        return unsigned("k_row", k_row, np.uint32)


@dataclass(frozen=True)
class Trees:
    """The dependency trees over the words of a sentence: what takes k in libimle.torch and libimle.jax takes these in
    its place. The arguments are those of libimle.Tree."""

    words: int
    projective: bool = False
    single_root: bool = False

    def __post_init__(self) -> None:
        integer("words", self.words, 1, MOST_WORDS)
        boolean("projective", self.projective)
        boolean("single_root", self.single_root)


class Matrices(Vectors):
    """Dependency trees over the words of a sentence."""

    words: int
    projective: bool
    single_root: bool
    _core: Any
    _one_hot = False

    def heads(self, indices: ArrayLike) -> NDArray[np.uint32]:
        """The heads of trees that are given by the indices of their arcs, as `map` and `sample` return them.

        Args:
            indices: [..., words].

        Returns:
            heads [..., words]: heads[d] = h for the arc from h to d, d itself for a word that hangs from the root, and
            4294967295 beyond the words of the row. (As an index it is out of range, which -1 would not be.)
        """
        lists = unsigned("indices", indices, np.uint32)
        if lists is None or lists.ndim == 0 or lists.shape[-1] != self.words:
            shape = None if lists is None else lists.shape
            raise Error("indices", f"have shape {shape}, but should have [..., {self.words}]")
        heads = np.empty(lists.shape, np.uint32)
        n_row = np.count_nonzero(lists != UINT32_MAX, axis=-1)
        self._core.heads(lists[..., None, :], unsigned("indices", n_row, np.uint32), heads)
        return heads

    @property
    def _k(self) -> int:
        return self.words

    def _counts(self) -> Any:
        return _core.tree_counts(
            integer("words", self.words, 1, MOST_WORDS),
            *_samples_and_threads(self.samples, self.threads),
            boolean("projective", self.projective),
            boolean("single_root", self.single_root),
        )

    def _floats(self, name: str, value: ArrayLike) -> NDArray[np.float32]:
        array = floats(name, value)
        if array.shape[-2:] != (self.words, self.words):
            raise Error(name, f"has shape {array.shape}, but should have [..., {self.words}, {self.words}]")
        return array.reshape(*array.shape[:-2], self.words**2)

    def _scores(self, theta: ArrayLike) -> NDArray[np.float32]:
        return self._floats("theta", theta)

    def _split(self, shape: Sequence[int]) -> tuple[tuple[int, ...], int]:
        if not isinstance(shape, Sequence) or tuple(shape[-2:]) != (self.words, self.words):
            raise Error("shape", f"is {shape!r}, but should be (..., {self.words}, {self.words})")
        return tuple(integer("shape", size, 0, UINT32_MAX) for size in shape[:-2]), self.words**2

    def _shape(self, n: int) -> tuple[int, ...]:
        return (self.words, self.words)

    def _k_row(self, k_row: ArrayLike | None, n_row: ArrayLike | None) -> NDArray[np.uint32] | None:
        if k_row is not None:
            raise Error("k_row", "is for k of n only; the words of each row are n_row")
        return unsigned("n_row", n_row, np.uint32)
