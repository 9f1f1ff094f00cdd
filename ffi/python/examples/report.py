"""The parts that the examples share: errors, runs in parallel with a progress bar, tables and plots."""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import queue
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import torch
from tqdm import tqdm

matplotlib.use("Agg")  # plots are files; no display is needed
from matplotlib import pyplot  # noqa: E402

Job = TypeVar("Job")
Result = TypeVar("Result")


class BadInput(Exception):
    """A mistake of the user's. Its message ends the program with exit code 2."""


# ---- arguments ----


def count(text: str) -> int:
    """The type of an argument that counts something."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def arguments_of(name: str, about: str, seeds: int, epochs: int) -> argparse.ArgumentParser:
    """A parser with the arguments that every example has."""
    parser = argparse.ArgumentParser(prog=f"{name}.py", description=about)
    parser.add_argument(
        "--seeds", type=count, default=seeds, help="runs of each row of the table (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=count, default=epochs, help="passes over the data (default: %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="little data and few epochs: shows in seconds that all works"
    )
    parser.add_argument(
        "--search", action="store_true", help="compare learning rates and other settings on validation data; takes long"
    )
    parser.add_argument("--processes", type=count, default=os.cpu_count(), help="runs at a time (default: %(default)s)")
    parser.add_argument(
        "--plot", type=Path, default=Path(f"{name}.svg"), help="file of the plot (default: %(default)s)"
    )
    return parser


def run(parser: argparse.ArgumentParser, program: Callable[[argparse.Namespace], None]) -> None:
    """Runs the program of an example and says how long it took."""
    arguments = parser.parse_args()
    start = time.monotonic()
    try:
        if not arguments.plot.absolute().parent.is_dir() or arguments.plot.suffix not in (".svg", ".png", ".pdf"):
            raise BadInput(f"--plot {arguments.plot}: should be a file .svg, .png or .pdf in a directory that exists")
        program(arguments)
    except BadInput as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"\n{time.monotonic() - start:.0f} s, of processor time {sum(os.times()[:4]):.0f} s", file=sys.stderr)


# ---- runs in parallel ----

_ticks: Any = None


def tick() -> None:
    """Moves the progress bar on by one. A job calls it."""
    _ticks.put(1)


def _start(ticks: Any) -> None:
    global _ticks
    _ticks = ticks
    torch.set_num_threads(1)  # one thread for each process: the layers here are too small to share


def in_parallel(work: Callable[[Job], Result], jobs: Sequence[Job], ticks: int, processes: int) -> list[Result]:
    """work(job) of every job, in order, each in one thread of its own process, with a bar of `ticks` for every job."""
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    processes = min(processes, len(jobs))
    with (
        concurrent.futures.ProcessPoolExecutor(processes, context, _start, (done,)) as pool,
        tqdm(total=ticks * len(jobs), unit="epoch", dynamic_ncols=True, leave=False) as bar,
    ):
        running = [pool.submit(work, job) for job in jobs]
        while not all(future.done() for future in running):
            if any(future.done() and future.exception() for future in running):
                pool.shutdown(cancel_futures=True)
                break
            try:
                bar.update(done.get(timeout=0.2))
            except queue.Empty:
                pass
        return [future.result() for future in running if not future.cancelled()]


def search(work: Callable[[Job], Any], grid: Sequence[Job], score: Callable[[Any], float], **options: Any) -> None:
    """Prints the mean score of each group of jobs that differ in their seed alone, the best of each method first. Jobs
    have the fields method, rate and temperature."""
    scores: dict[tuple[str, float, float], list[float]] = {}
    for job, result in zip(grid, in_parallel(work, grid, **options)):
        scores.setdefault((job.method, job.rate, job.temperature), []).append(score(result))
    ranked = sorted(scores.items(), key=lambda item: (item[0][0], -statistics.fmean(item[1])))
    rows = [[*map(str, settings), mean_and_error(values, ".4f")] for settings, values in ranked]
    print(table(["method", "rate", "temperature", "validation"], rows))


# ---- tables and plots ----


def mean_and_error(values: Sequence[float], form: str = ".3f") -> str:
    """The mean, and its standard error if there is more than one value."""
    mean = f"{statistics.fmean(values):{form}}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {statistics.stdev(values) / len(values) ** 0.5:{form}}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown whose columns are aligned."""
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    lines = [[text.ljust(width) for text, width in zip(row, widths)] for row in (head, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7f7f7f", "#000000"]


def plot(file: Path, draw: Callable[[Any], None], width: float = 6.4) -> None:
    figure, axes = pyplot.subplots(figsize=(width, 4), layout="constrained")
    axes.set_prop_cycle(color=COLOURS)
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    axes.legend(frameon=False)
    try:
        figure.savefig(file)
    except OSError as error:
        raise BadInput(f"--plot {file}: {error.strerror}") from error
    print(f"\nplot: {file}")
