"""The programs in README.md print what it says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)
WITH_TORCH = [pair for pair in PROGRAMS if "import torch" in pair[0]]
WITH_JAX = [pair for pair in PROGRAMS if "import jax" in pair[0]]
WITHOUT = [pair for pair in PROGRAMS if pair not in WITH_TORCH + WITH_JAX]


def output_of(program):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    return out.getvalue()


def test_every_program_shows_what_it_prints():
    assert PROGRAMS and len(PROGRAMS) == README.count("```python")


@pytest.mark.parametrize("program, printed", WITHOUT)
def test_programs(program, printed):
    assert output_of(program) == printed
