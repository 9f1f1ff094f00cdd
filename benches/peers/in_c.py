"""The shared library with imle through its C ABI and with straightforward C++, and the two limits of libpeers.so."""

import ctypes
import math
import os

import numpy as np

library = ctypes.CDLL(os.environ["PEERS_LIBRARY"])
library.kernel.restype = library.version.restype = ctypes.c_char_p


class Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("rows", "n", "k", "samples")]


def call(name, arguments, outputs):
    """run(repeats): the seconds that they took, and the outputs of the last."""
    function = library[name]
    function.restype = ctypes.c_double

    def as_c(argument):
        return ctypes.c_void_p(argument.ctypes.data) if isinstance(argument, np.ndarray) else argument

    def run(repeats):
        seconds = function(*map(as_c, arguments + outputs), ctypes.c_int(repeats))
        if math.isnan(seconds):
            raise RuntimeError(f"{name} reports an error")
        return seconds, outputs

    return run


def peer(prefix, work, theta, dz):
    if (prefix, work.call) == ("cpp", "exact"):
        return None
    shape = ctypes.byref(Shape(work.rows, work.n, work.k, work.samples))
    arguments, outputs = {
        "forward_backward": ([ctypes.c_int(work.sum_of_gamma), theta, dz], [np.empty_like(dz), np.empty_like(theta)]),
        "map": ([theta], [np.empty((work.rows, work.k), dtype=np.uint32)]),
        "exact": ([theta, dz[:, 0].copy()], [np.empty_like(theta), np.empty_like(theta)]),
    }[work.call]
    return call(f"{prefix}_{work.call}", [shape] + arguments, outputs)


def limit(name, work):
    """The generator fills, or a read sums, as many words as the work has coordinates, in blocks of 128."""
    length = -(-work.coordinates // 128) * 128
    memory = np.ones(length + 16, dtype=np.float32)
    start = -memory.ctypes.data % 64 // 4
    run = call(name, [memory[start : start + length], ctypes.c_size_t(length)], [])
    return lambda repeats: (run(repeats)[0] * work.coordinates / length, None)
