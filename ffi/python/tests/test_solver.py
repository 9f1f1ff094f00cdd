"""A solver of the user's in the layer."""

from dataclasses import replace

import libimle
import numpy as np
import pytest

KEY = libimle.Key(seed=3)
OPTIONS = {"samples": 4, "lambda_": 0.7, "temperature": 0.6, "target_temperature": 0.8, "alpha": 0.9}


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def best_three(scores):
    return libimle.TopK(3).map(scores).z


@pytest.mark.parametrize("difference", ["forward", "central"])
@pytest.mark.parametrize("shape", [(9,), (5, 9), (2, 3, 9), (0, 9)])
def test_a_solver_of_k_subsets_equals_topk(shape, difference):
    theta, dz = normal(*shape), normal(*shape[:-1], 4, shape[-1])
    layer, topk = (
        libimle.Solver(best_three, difference=difference, **OPTIONS),
        libimle.TopK(3, difference=difference, **OPTIONS),
    )
    z, expected = layer.sample(theta, KEY), topk.gradient(theta, dz, KEY)
    assert np.array_equal(layer.map(theta), topk.map(theta).z)
    assert np.array_equal(z, topk.sample(theta, KEY).z)
    for given in (z, None):
        actual = layer.gradient(theta, dz, KEY, z=given)
        assert actual.grad_theta.tobytes() == expected.grad_theta.tobytes()
        assert actual.diagnostics == expected.diagnostics


def test_the_solver_is_called_once_for_all_rows_and_samples():
    calls = []

    def solve(scores):
        calls.append((scores.shape, scores.dtype))
        return best_three(scores)

    layer = libimle.Solver(solve, samples=4)
    z = layer.sample(normal(2, 3, 9), KEY)
    layer.gradient(normal(2, 3, 9), normal(2, 3, 4, 9), KEY, z=z)
    assert calls == [((24, 9), np.float32)] * 2


def test_states_of_any_numbers():
    """A solver of integer programs, whose states are not of 0 and 1."""
    layer = libimle.Solver(np.rint, noise="none")
    grad = layer.gradient([[1.2, -2.6]], [[1.0, 0.0]], KEY)
    assert np.array_equal(grad.grad_theta, [[1.0, 0.0]]) and grad.diagnostics.nonzeros == 1


def test_errors_of_the_solver():
    class Unsolved(Exception):
        pass

    def give_up(scores):
        raise Unsolved

    with pytest.raises(Unsolved):
        libimle.Solver(give_up).sample(normal(5, 9), KEY)
    with pytest.raises(libimle.Error, match="solve returned shape"):
        libimle.Solver(lambda scores: scores[0]).sample(normal(5, 9), KEY)
    with pytest.raises(libimle.Error, match="solve has dtype object"):
        libimle.Solver(lambda scores: np.array([None] * 5)).sample(normal(5, 9), KEY)
    with pytest.raises(libimle.Error, match=r"z has NaN or an infinity in row 0"):
        layer = libimle.Solver(lambda scores: scores * np.nan)
        layer.gradient(normal(5, 9), normal(5, 1, 9), KEY)


def test_a_layer_with_a_solver_can_be_replaced():
    layer = libimle.Solver(best_three, samples=2)
    assert replace(layer, samples=5).sample(normal(5, 9), KEY).shape == (5, 5, 9)
    assert layer.with_lambda(2.0).lambda_ == 2.0
