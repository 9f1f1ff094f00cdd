"""The example distributed.py: processes share the rows, one of them dies, and the job goes on from its saved state."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "distributed.py"
STEPS = 50  # of an epoch


def launch(processes, *options):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes]
    return subprocess.run(
        [str(word) for word in [*launcher, EXAMPLE, *options]], capture_output=True, text=True, timeout=300
    )


def lines_of(*arguments):
    """The first line, and those with the results."""
    done = launch(*arguments)
    assert done.returncode == 0, done.stderr
    first, *results = done.stdout.splitlines()
    assert re.fullmatch(r"fingerprint of the weights: [0-9a-f]{16}", results[-1])
    return first, results


def choices(line):
    return re.search(r"choices ([0-9a-f]{16})$", line)[1]


def test_processes_choose_the_same_and_a_job_goes_on_after_a_death(tmp_path):
    state = tmp_path / "state"
    uninterrupted, results = lines_of(2)
    assert float(re.search(r"right parts: ([0-9.]+) %", results[0])[1]) > 80.0  # of 15 % by chance

    died = launch(2, "--state", state, "--kill", STEPS + 5)
    assert died.returncode != 0 and "fingerprint" not in died.stdout
    saved = state.read_bytes()
    continued, same_results = lines_of(2, "--state", state)
    assert "2 processes start after step 40" in continued
    assert same_results == results

    # One process draws the choices of two: with the first weights, and with the saved ones.
    state.write_bytes(saved)
    for options, line in (((), uninterrupted), (("--state", state), continued)):
        assert choices(lines_of(1, "--epochs", 0, *options)[0]) == choices(line)
    assert choices(uninterrupted) != choices(continued)

    refused = launch(1, "--state", state, "--seed", 2)
    assert refused.returncode != 0 and f"{state} is the state of a run with seed 1" in refused.stderr


def test_bad_input_ends_the_job_with_a_message():
    for options, message in (
        (("--epochs", "-1"), "argument --epochs: '-1' should be a whole number, at least 0"),
        (("--seed", "x"), "argument --seed: 'x' should be a whole number, at least 0"),
    ):
        ended = subprocess.run([sys.executable, EXAMPLE, *options], capture_output=True, text=True)
        assert ended.returncode != 0 and message in ended.stderr
    ended = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True)
    assert ended.returncode != 0 and "start it with torchrun" in ended.stderr
