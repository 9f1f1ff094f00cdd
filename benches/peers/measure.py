"""Times imle and its peers in one process on one core, in interleaved rounds, and prints the table of
benches/README.md. Started by run.sh."""

import argparse
import os
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import in_c
import in_jax
import in_numpy
import report

if HAS_TORCH := find_spec("torch") is not None:
    import in_torch


@dataclass(frozen=True)
class Work:
    name: str
    rows: int
    n: int
    k: int
    samples: int = 1
    call: str = "forward_backward"
    sum_of_gamma: bool = False

    @property
    def coordinates(self):
        return self.rows * self.samples * self.n

    def inputs(self):
        """Standard normal scores and gradients."""
        generator = np.random.default_rng(1)
        normal = lambda *shape: generator.standard_normal(shape, dtype=np.float32)
        return normal(self.rows, self.n), normal(self.rows, self.samples, self.n)


WORKS = [
    Work("40×350, k=10", 40, 350, 10),
    Work("100×20, k=10, S=10", 100, 20, 10, samples=10),
    Work("1×1,048,576, k=10", 1, 1 << 20, 10),
    Work("16,384×64, k=8: a router", 16384, 64, 8),
    Work("1×10, k=5: one call", 1, 10, 5),
    Work("40×350, k=10, Sum-of-Gamma(10, 1, 10)", 40, 350, 10, sum_of_gamma=True),
    Work("MAP alone, 1×1,048,576, k=10", 1, 1 << 20, 10, call="map"),
    Work("exact μ and Cov·v, 40×350, k=10", 40, 350, 10, call="exact"),
]


def timed(peer):
    """A peer whose calls are made from Python: its run(repeats) → (seconds, outputs), or None."""

    def prepare(work, theta, dz):
        once = peer(work, theta, dz)
        return once and report.timed(once)

    return prepare


# The columns of the table: peers, which are None if they are not installed, and limits.
PEERS = {
    "imle": partial(in_c.peer, "imle"),
    "JAX": timed(in_jax.peer),
    "NumPy": timed(in_numpy.peer),
    "C++": partial(in_c.peer, "cpp"),
    "PyTorch": timed(partial(in_torch.peer, in_torch.eager)) if HAS_TORCH else None,
    "torch.compile": timed(partial(in_torch.peer, in_torch.compiled)) if HAS_TORCH else None,
}
LIMITS = {"generator": partial(in_c.limit, "generator"), "one read": partial(in_c.limit, "one_read")}


def runs(work, theta, dz):
    """run(repeats) → (seconds, outputs) of every peer that does this work."""
    peers = {name: peer(work, theta, dz) for name, peer in PEERS.items() if peer}
    return {name: run for name, run in peers.items() if run}


def check():
    """Every peer computes what imle computes: means over many draws within 5 standard deviations for all coordinates
    (a false alarm: 1 in 4,000 seeds; they are fixed), what is exact within rounding."""
    worst = 0.0
    for sum_of_gamma in [False, True]:
        work = Work("", 4000, 20, 5, samples=5, sum_of_gamma=sum_of_gamma)
        theta, dz = (np.repeat(x[:1], work.rows, 0) for x in work.inputs())
        outputs = {}
        for name, run in runs(work, theta, dz).items():
            z, grad = run(1)[1]
            outputs[name] = np.stack([np.asarray(z).mean(1), np.asarray(grad)])
        ours = outputs.pop("imle")
        for theirs in outputs.values():
            spread = np.sqrt((ours.var(1) + theirs.var(1)) / work.rows)
            distance = np.abs(ours.mean(1) - theirs.mean(1)) / np.maximum(spread, 1e-9)
            worst = np.maximum(worst, distance.max())  # NaN if there is one
    for call in ["map", "exact"]:
        work = Work("", 40, 350, 10, call=call)
        outputs = {name: run(1)[1] for name, run in runs(work, *work.inputs()).items()}
        if call == "map":
            assert all((np.sort(np.squeeze(o)) == np.sort(outputs["imle"][0])).all() for o in outputs.values())
        else:
            np.testing.assert_allclose(np.stack(outputs["JAX"]), np.stack(outputs["imle"]), rtol=1e-3, atol=1e-5)
    assert worst < 5, worst
    print(f"check: marginals and gradients of all peers within {worst:.1f} standard deviations of imle's; MAP equal;")
    print("exact marginals and products within 1e-5 + 0.1 %\n")


def measure(work, rounds, slice_seconds):
    """The median seconds of a call, by peer."""
    peers = runs(work, *work.inputs())
    if not work.sum_of_gamma:
        peers |= {name: limit(work) for name, limit in LIMITS.items()}
    return report.medians(peers, rounds, slice_seconds)


def row(work, seconds):
    def cell(name):
        if name in PEERS and not PEERS[name]:
            return "not installed"
        if name not in seconds:
            return "–"
        ns = f"{1e9 * seconds[name] / work.coordinates:.3g}"
        return ns if name == "imle" else f"{ns} ({seconds[name] / seconds['imle']:.2g}×)"

    return "| " + " | ".join([work.name, *map(cell, [*PEERS, *LIMITS])]) + " |"


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--torch", action="store_true", help="install PyTorch first, 3 GB (run.sh does)")
    parser.add_argument("--quick", action="store_true", help="a few short rounds: does it work at all")
    parser.add_argument("--write", action="store_true", help="put the table into benches/README.md")
    options = parser.parse_args()
    rounds, slice_seconds = (3, 0.0005) if options.quick else (51, 0.004)

    check()
    columns = [*PEERS, *LIMITS]
    table = ["| ns per coordinate | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    tsv = ["\t".join(["work", *columns])]
    for work in WORKS:
        seconds = measure(work, rounds, slice_seconds)
        table.append(report.plain(row(work, seconds)))
        ns = [1e9 * seconds.get(name, np.nan) / work.coordinates for name in columns]
        tsv.append("\t".join([work.name, *(f"{x:.4g}" for x in ns)]))
        print(table[-1], flush=True)
    packages = {"JAX": "jax", "NumPy": "numpy"} | ({"PyTorch": "torch"} if HAS_TORCH else {})
    text = "\n".join([*table, "", report.machine(rounds, packages)])
    print(f"\n{text}")
    Path(os.environ["PEERS_OUT"], "peers.tsv").write_text("\n".join(tsv) + "\n")
    if options.write:
        report.write("benches/peers/run.sh --write", text)


main()
