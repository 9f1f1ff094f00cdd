"""The program in README.md that trains with JAX learns as it says. Losses of other processors differ a little."""

import numpy as np
import pytest
from test_readme import WITH_JAX, output_of


@pytest.mark.parametrize("program, printed", WITH_JAX)
def test_programs(program, printed):
    actual, said = (
        np.array([float(line.split()[-1]) for line in text.splitlines()]) for text in (output_of(program), printed)
    )
    assert len(actual) == len(said) and np.all(np.abs(actual - said) < 0.1), actual
