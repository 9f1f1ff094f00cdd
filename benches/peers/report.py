"""Times peers in interleaved rounds, and writes what was measured, and where, into benches/README.md."""

import os
import platform
import re
import textwrap
import time
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

import in_c


def timed(once):
    """run(repeats) → (seconds, outputs) of a call that is made from Python."""

    def run(repeats):
        start = time.process_time()
        for _ in range(repeats):
            outputs = once()
        jax.block_until_ready(outputs)  # JAX computes while Python goes on
        return time.process_time() - start, outputs

    return run


def medians(peers, rounds, slice_seconds):
    """The median seconds of a call, by peer. Every peer is a run(repeats) → (seconds, outputs)."""
    repeats, times = {}, {name: [] for name in peers}
    for name, run in peers.items():
        run(1)  # JAX and torch.compile compile
        repeats[name] = max(1, round(slice_seconds / max(run(3)[0] / 3, 1e-7)))
    for _ in range(rounds):
        for name, run in peers.items():
            times[name].append(run(repeats[name])[0] / repeats[name])
    return {name: float(np.median(t)) for name, t in times.items()}


def plain(number):
    """1.2e+03 → 1200"""
    return re.sub(r"\d\.?\d*e\+\d+", lambda match: f"{float(match[0]):.0f}", number)


def machine(rounds, packages):
    """The processor and the versions. `packages` are names in the package registry, by the names that are shown."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[1].replace("(R)", "")
    versions = ["Python " + platform.python_version()]
    versions += [f"{name} {version(package)}" for name, package in packages.items()]
    versions += [os.environ["PEERS_CXX"], os.environ["PEERS_RUSTC"]]
    imle, kernel = in_c.library.version().decode(), in_c.library.kernel().decode()
    text = f"""One of {os.cpu_count()} cores of an {cpu}, imle {imle} with its {kernel} kernel, {", ".join(versions)};
        median CPU time of {rounds} interleaved rounds."""
    return textwrap.fill(" ".join(text.split()), 120)


def write(command, text):
    """Puts the text into benches/README.md, behind the comment that names the command."""
    readme = Path("benches/README.md")
    begin, end = f"<!-- {command} -->\n", "<!-- end -->\n"
    before, rest = readme.read_text().split(begin)
    readme.write_text(before + begin + text + "\n" + rest[rest.index(end) :])
