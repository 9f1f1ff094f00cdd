"""Calls the functions of imle.h through ctypes, with arguments that are found by their names in the header."""

import ctypes
import os
import re
from pathlib import Path

import numpy as np

HEADER = (Path(__file__).resolve().parents[3] / "include" / "imle.h").read_text()
LIBRARY = ctypes.CDLL(os.environ["LIBIMLE_SO"])  # ffi/python/test.sh sets it

# name -> [(type, name of the parameter)], for every function that imle.h declares.
FUNCTIONS = {
    name: [re.match(r"(.*?[ *])(\w+)$", " ".join(parameter.split())).groups() for parameter in parameters.split(",")]
    if parameters.strip() != "void"
    else []
    for name, parameters in re.findall(r"^[a-z_0-9]+(?: \*| |\w|\*)* ?\*?(imle_\w+)\(([^)]*)\);", HEADER, re.MULTILINE)
}
# name -> number
CONSTANTS = {
    name: int(value) for name, value in re.findall(r"^#define (IMLE_\w+) \(?(-?\d+)\)?$", HEADER, re.MULTILINE)
}

TYPES = {
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
}


def _struct(name):
    """The ctypes struct of a typedef in imle.h."""
    body = re.search(rf"typedef struct {name} {{(.*?)}} {name};", HEADER, re.DOTALL).group(1)
    body = re.sub(r"//.*", "", body)
    members = [
        (member, ctypes.c_void_p if "*" in kind else TYPES[kind.strip()])
        for kind, member in re.findall(r"([\w *]+?[ *])(\w+);", body)
    ]
    return type(name, (ctypes.Structure,), {"_fields_": members})


Shape, Options, Key = _struct("imle_shape"), _struct("imle_options"), _struct("imle_key")
Diagnostics = _struct("imle_diagnostics")
TreeOptions = _struct("imle_tree_options")
Adaptive, AdaptiveParts = _struct("imle_adaptive"), _struct("imle_adaptive_parts")


def default(struct):
    made = struct()
    getattr(LIBRARY, struct.__name__ + "_default")(ctypes.byref(made))
    return made


def _workspace(name, shape, *tree_options):
    """The workspace of a function, if it has one."""
    family = next((family for family in ("argmax", "tree") if name.startswith(f"imle_{family}_")), "topk")
    lengths = [getattr(LIBRARY, f"imle_{family}{kind}_workspace_len") for kind in ("", "_exact")]
    for length in lengths:
        length.restype = ctypes.c_size_t
    return np.empty(max(length(*map(ctypes.byref, (shape, *tree_options))) for length in lengths) + 1, np.float32)


def call(name, **arguments):
    """Calls a function. Arrays without gaps and structs go by pointer, what is not named is NULL or 0."""
    values, keep = [], []
    if "shape" in arguments:
        trees = [arguments["tree_options"]] if name.startswith("imle_tree_") else []
        keep.append(_workspace(name, arguments["shape"], *trees))
        arguments |= {"work": keep[0], "work_len": keep[0].size}
    for kind, parameter in FUNCTIONS[name]:
        value = arguments.pop(parameter, None)
        if "*" in kind:
            if isinstance(value, np.ndarray):
                assert value.flags.c_contiguous and value.flags.aligned
                value = ctypes.c_void_p(value.ctypes.data)
            elif value is not None:
                value = ctypes.byref(value)
        elif kind.strip() == "float":
            value = ctypes.c_float(value)
        elif kind.strip() == "size_t":
            value = ctypes.c_size_t(value or 0)
        else:
            value = ctypes.c_int32(value)
        values.append(value)
    for unused in ("work", "work_len", "tree_options"):
        arguments.pop(unused, None)
    assert not arguments, f"{name} has no parameters {list(arguments)}"
    return getattr(LIBRARY, name)(*values)
