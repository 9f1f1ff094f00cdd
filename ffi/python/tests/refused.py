"""Calls that the package must refuse."""

import libimle
import pytest


def assert_refused(call, argument, row):
    """The call raises a libimle.Error, which is returned, that names this argument and this row."""
    with pytest.raises(libimle.Error) as error:
        call()
    assert (error.value.argument, error.value.row) == (argument, row), error.value
    return error.value
