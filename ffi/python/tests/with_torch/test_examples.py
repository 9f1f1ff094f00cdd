"""The examples learn, in a short form, and say what is wrong with bad input."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name, *arguments, cwd):
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def rows_of(finished):
    """The numbers of each row of the table that the example printed."""
    assert finished.returncode == 0, finished.stderr
    rows = [line.strip("|").split("|") for line in finished.stdout.splitlines() if line.startswith("|")]
    return {row[0].strip(): [float(re.match(r" *(-?[\d.]+)", cell)[1]) for cell in row[1:]] for row in rows[2:]}


def test_learning_to_explain(tmp_path):
    finished = run("learning_to_explain", "--quick", "--k", 5, "--plot", "plot.svg", cwd=tmp_path)
    r_squared = {name: values[0] for name, values in rows_of(finished).items()}
    assert set(r_squared) == {"all words", "random words", "I-MLE", "SIMPLE", "Gumbel-softmax", "score function"}
    assert r_squared["all words"] > 0.1
    for name in ("I-MLE", "SIMPLE"):
        assert r_squared[name] > r_squared["random words"], r_squared
    assert (tmp_path / "plot.svg").read_text().count("<svg") == 1


def test_discrete_vae(tmp_path):
    # Bars in one of four places stand in for digits: a model that knows no place pays at least ln 4 nats for it.
    random = np.random.default_rng(0)
    images = np.zeros((1000, 28, 28), np.float32)
    for image, place in zip(images, random.integers(0, 4, 1000)):
        image[7 * place : 7 * place + 7] = 1
    np.savez(tmp_path / "bars.npz", images=images.reshape(-1, 784))
    losses = rows_of(run("discrete_vae", "--quick", "--seeds", 2, "--data", "bars.npz", cwd=tmp_path))
    assert set(losses) == {"I-MLE", "SIMPLE", "Gumbel-softmax", "score function"}
    # Four equally likely bars: pixels that are white with probability 1/4, independently, cost 441 nats.
    assert all(values[0] < 441 for values in losses.values()), losses


def test_shortest_paths(tmp_path):
    shares = {name: v[0] for name, v in rows_of(run("shortest_paths", "--quick", "--seeds", 1, cwd=tmp_path)).items()}
    assert shares["I-MLE"] > shares["equal costs for all tiles"], shares


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("learning_to_explain", ["--k", "0"], "'0' is not a whole number above 0"),
        ("learning_to_explain", ["--k", "99"], "--k 99: no text has as many words"),
        ("learning_to_explain", ["--data", "none.tsv"], "none.tsv: No such file or directory"),
        ("learning_to_explain", ["--data", "bad.tsv"], "bad.tsv:2: expected id TAB score TAB text"),
        ("learning_to_explain", ["--data", "few.tsv"], "few.tsv: fewer than 100 texts"),
        ("discrete_vae", ["--data", "none.npz"], "none.npz: does not exist. python fetch_mnist.py downloads it"),
        ("discrete_vae", ["--data", "bad.tsv"], "bad.tsv: is not a file of fetch_mnist.py"),
        ("discrete_vae", ["--data", "small.npz"], "small.npz: should hold at least 100 images of 784 pixels"),
        ("shortest_paths", ["--seeds", "-1"], "'-1' is not a whole number above 0"),
        ("shortest_paths", ["--plot", "none/plot.svg"], "none/plot.svg: should be a file .svg, .png or .pdf"),
    ],
)
def test_bad_input(name, arguments, message, tmp_path):
    (tmp_path / "bad.tsv").write_text("1\t0.5\tgood text\n2\tnan\tbad score\n")
    (tmp_path / "few.tsv").write_text("1\t0.5\tgood text\n")
    np.savez(tmp_path / "small.npz", images=np.zeros((5, 784), np.float32))
    finished = run(name, *arguments, cwd=tmp_path)
    assert finished.returncode == 2 and message in finished.stderr, finished.stderr
    assert "Traceback" not in finished.stderr
