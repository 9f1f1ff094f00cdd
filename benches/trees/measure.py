"""Times the best trees and exact marginals of imle and its peers in one process on one core, in interleaved rounds, and
prints the table of benches/README.md. Started by run.sh."""

import argparse
import ctypes
import textwrap
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import networkx
import numpy as np
from ufal.chu_liu_edmonds import chu_liu_edmonds

import in_c
import jax_trees
import report

if HAS_TORCH := find_spec("torch") is not None:
    import torch_trees


@dataclass(frozen=True)
class Work:
    name: str
    call: str
    words: int
    spread: float = 1.0

    @property
    def rows(self):
        return 32 if self.words <= 64 else 4

    def theta(self):
        """Normal scores: element (h, d) is the arc from head h to word d, and (d, d) is the arc from the root."""
        normal = np.random.default_rng(1).standard_normal((self.rows, self.words, self.words), dtype=np.float32)
        return normal * np.float32(self.spread)


WORDS = [8, 16, 30, 64, 128, 300]
CALLS = {"map": "MAP", "projective": "projective MAP", "marginals": "exact μ"}
WORKS = [Work(name, call, words) for call, name in CALLS.items() for words in WORDS]


def compiled(prefix, work, theta):
    """A function of trees.cpp."""
    if (prefix, work.call) == ("cpp", "marginals"):
        return None
    sizes = [ctypes.c_uint32(work.rows), ctypes.c_uint32(work.words)]
    is_map = work.call != "marginals"
    out = np.empty(theta.shape[:2], np.uint32) if is_map else np.empty_like(theta)
    run = in_c.call(f"{prefix}_{work.call}", [*sizes, theta], [out])
    if prefix == "cpp" or not is_map:
        return lambda repeats: (run(repeats)[0], out)

    def run_and_convert(repeats):
        seconds, _ = run(repeats)
        heads, words = out // work.words, out % work.words  # of positions h·words + d
        found = np.zeros_like(out)
        np.put_along_axis(found, words.astype(np.int64), np.where(heads == words, 0, heads + 1), axis=1)
        return seconds, found

    return run_and_convert


def with_root(theta):
    """[words + 1][words + 1] from [words][words]: the root becomes node 0."""
    scores = np.full((len(theta) + 1,) * 2, -np.inf)
    scores[1:, 1:], scores[0, 1:] = theta, np.diagonal(theta)
    np.fill_diagonal(scores, -np.inf)
    return scores


def turbo_parser(work, theta):
    if work.call != "map":
        return None
    matrices = [np.ascontiguousarray(with_root(row).T) for row in theta]
    return report.timed(lambda: [chu_liu_edmonds(matrix)[0][1:] for matrix in matrices])


def in_networkx(work, theta):
    """For one size alone: it takes seconds for a batch."""
    if (work.call, work.words) != ("map", 30):
        return None

    def graph(scores):
        made = networkx.DiGraph()
        made.add_weighted_edges_from((h, d, scores[h, d]) for h, d in np.argwhere(np.isfinite(scores)).tolist())
        return made

    def heads(tree):
        return [next(iter(tree.pred[d])) for d in range(1, work.words + 1)]

    graphs = [graph(with_root(row)) for row in theta]
    return report.timed(lambda: [heads(networkx.maximum_spanning_arborescence(graph)) for graph in graphs])


def marginals(module, work, theta):
    return report.timed(module.peer(theta)) if work.call == "marginals" else None


PEERS = {
    "imle": partial(compiled, "imle"),
    "C++": partial(compiled, "cpp"),
    "TurboParser": turbo_parser,
    "networkx": in_networkx,
    "JAX": partial(marginals, jax_trees),
    "PyTorch": partial(marginals, torch_trees) if HAS_TORCH else None,
}


def runs(work):
    """run(repeats) → (seconds, outputs) of every peer that does this work."""
    theta = work.theta()
    peers = {name: peer(work, theta) for name, peer in PEERS.items() if peer}
    return {name: run for name, run in peers.items() if run}


def check():
    """Every peer finds imle's trees, and marginals within 1e-5."""
    for work in WORKS:
        if work.words <= 64:
            outputs = {name: run(1)[1] for name, run in runs(work).items()}
            ours = outputs.pop("imle")
            for name, theirs in outputs.items():
                tolerance = 1e-5 if work.call == "marginals" else 0
                np.testing.assert_allclose(theirs, ours, rtol=0, atol=tolerance, err_msg=f"{name}, {work}")
    print("check: all peers find the same trees up to 64 words, and marginals within 1e-5\n")


def differences():
    """The largest differences from imle's marginals where scores differ more and more."""
    spreads, found = [1, 5, 10, 20], {}
    for spread in spreads:
        outputs = {name: run(1)[1] for name, run in runs(Work("", "marginals", 30, spread)).items()}
        ours = outputs.pop("imle")
        for name, theirs in outputs.items():
            found.setdefault(name, []).append(report.plain(f"{np.abs(np.asarray(theirs) - ours).max():.1g}"))
    text = f"""The largest difference from imle's marginals, in 32 sentences of 30 words, for scores with a standard deviation
        of {", ".join(map(str, spreads))}: {"; ".join(f"{name} {', '.join(values)}" for name, values in found.items())}."""
    return textwrap.fill(" ".join(text.split()), 120)


def row(work, seconds):
    def cell(name):
        if not PEERS[name]:
            return "not installed"
        if name not in seconds:
            return "–"
        us = f"{1e6 * seconds[name] / work.rows:.3g}"
        return us if name == "imle" else f"{us} ({seconds[name] / seconds['imle']:.2g}×)"

    return f"| {work.name}, {work.words} words | " + " | ".join(map(cell, PEERS)) + " |"


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--torch", action="store_true", help="install PyTorch first, 3 GB (run.sh does)")
    parser.add_argument("--quick", action="store_true", help="a few short rounds: does it work at all")
    parser.add_argument("--write", action="store_true", help="put the table into benches/README.md")
    options = parser.parse_args()
    rounds, slice_seconds = (3, 0.0005) if options.quick else (21, 0.004)

    check()
    table = ["| µs per sentence | " + " | ".join(PEERS) + " |", "|---|" + "---|" * len(PEERS)]
    for work in WORKS:
        table.append(report.plain(row(work, report.medians(runs(work), rounds, slice_seconds))))
        print(table[-1], flush=True)
    packages = {"JAX": "jax", "networkx": "networkx", "TurboParser as ufal.chu-liu-edmonds": "ufal.chu-liu-edmonds"}
    packages |= {"PyTorch": "torch"} if HAS_TORCH else {}
    text = "\n".join([*table, "", report.machine(rounds, packages), "", differences()])
    print(f"\n{text}")
    if options.write:
        report.write("benches/trees/run.sh --torch --write", text)


main()
