"""Arrays as users have them: dtypes, layouts, leading dimensions, empty batches, rows by number, threads."""

import copy
import pickle
import resource
import threading
import time
from dataclasses import replace

import libimle
import numpy as np
import pytest

KEY = libimle.Key(seed=5, step=2)
N, S, K = 12, 3, 4
LAYER = libimle.TopK(K, samples=S, lambda_=2.0)


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def same(left, right):
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


# ---- layouts ----

# Each makes an array of another layout with the same values and the same shape.
LAYOUTS = {
    "rows with gaps": lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
    "inner stride 2": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "rows backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "scores backwards": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "column order": np.asfortranarray,
    "first two dimensions exchanged": lambda a: np.ascontiguousarray(a.swapaxes(0, 1)).swapaxes(0, 1),
    "last two dimensions exchanged": lambda a: np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2),
    "every second row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "misaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "in a struct": lambda a: np.rec.fromarrays([np.zeros(a.shape, "u1"), a], names="flag,value")["value"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_inputs_change_no_bit(layout):
    theta, dz = normal(4, 5, N), normal(4, 5, S, N)
    indices = LAYER.sample(theta, KEY).indices
    expected = LAYER.gradient(theta, dz, KEY, indices=indices)
    changed = [LAYOUTS[layout](array) for array in (theta, dz, indices)]
    assert all(np.array_equal(a, b) for a, b in zip(changed, (theta, dz, indices)))
    actual = LAYER.gradient(changed[0], changed[1], KEY, indices=changed[2])
    assert same(actual.grad_theta, expected.grad_theta) and actual.diagnostics == expected.diagnostics
    assert same(LAYER.difference_of(changed[1], changed[1] * 2).grad_theta, LAYER.difference_of(dz, dz * 2).grad_theta)


def test_expanded_arrays():
    """Rows and samples with stride 0, as broadcast_to and the gradient of a sum() have them."""
    theta, dz = normal(N), normal(S, N)
    rows = np.broadcast_to(theta, (6, N))
    assert same(LAYER.sample(rows, KEY).z, LAYER.sample(rows.copy(), KEY).z)
    ones = np.broadcast_to(np.float32(1.0), (6, S, N))
    assert same(LAYER.gradient(rows, ones, KEY).grad_theta, LAYER.gradient(rows, ones.copy(), KEY).grad_theta)
    # Three equal gradients for each sample are not one that they share: the sum rounds.
    thirds = np.broadcast_to(dz[0] / 3, (6, S, N))
    assert same(libimle.straight_through(rows, thirds), libimle.straight_through(rows, thirds.copy()))


def test_inputs_that_need_no_copy_are_not_copied():
    """Views on 512 MB with the strides that the library takes, seen by how much memory the process comes to hold."""
    theta = np.zeros((2**18, 512), np.float32)[:, :N]  # rows with gaps
    dz = np.zeros((S, 2**18, 16), np.float32).swapaxes(0, 1)[..., :N]  # samples outside, gaps within
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grad_theta = LAYER.gradient(theta, dz, KEY).grad_theta
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < grad_theta.nbytes + 2**24


def test_lists_and_numbers():
    expected = libimle.TopK(1).map(np.array([[0.5, 1.0], [2.0, 1.0]], np.float32)).z
    assert same(libimle.TopK(1).map([[0.5, 1.0], [2, 1]]).z, expected)


# ---- dtypes ----


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.uint8, np.bool_])
def test_dtypes_are_converted_to_float32(dtype):
    theta = (3 * normal(5, N)).astype(dtype)
    dz = (3 * normal(5, S, N, seed=2)).astype(dtype)
    actual = LAYER.gradient(theta, dz, KEY).grad_theta
    assert same(actual, LAYER.gradient(theta.astype(np.float32), dz.astype(np.float32), KEY).grad_theta)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint64, np.uint32, np.uint16])
def test_dtypes_of_indices(dtype):
    theta, dz = normal(5, N), normal(5, S, N)
    ks = np.array([4, 4, 3, 4, 4])
    indices = LAYER.sample(theta, KEY, k_row=ks).indices
    if np.iinfo(dtype).max < 2**32 - 1:  # no room for the tail
        ks, indices = None, LAYER.sample(theta, KEY).indices
    actual = LAYER.gradient(theta, dz, KEY, k_row=ks, indices=indices.astype(dtype)).grad_theta
    assert same(actual, LAYER.gradient(theta, dz, KEY, k_row=ks).grad_theta)


# ---- shapes ----


@pytest.mark.parametrize("leading", [(), (1,), (6,), (2, 3), (1, 2, 1, 3), (0,), (2, 0, 3)])
def test_leading_dimensions_fold_into_rows(leading):
    theta, dz = normal(*leading, N), normal(*leading, S, N)
    rows = theta.reshape(-1, N)
    states, flat = LAYER.sample(theta, KEY, marginals=True), LAYER.sample(rows, KEY, marginals=True)
    assert states.z.shape == (*leading, S, N) and states.indices.shape == (*leading, S, K)
    for array, of_rows in zip(states, flat):
        assert array.tobytes() == of_rows.tobytes()
    grad = LAYER.gradient(theta, dz, KEY)
    assert grad.grad_theta.shape == theta.shape
    assert grad.diagnostics.states == len(rows) * S
    assert grad.grad_theta.tobytes() == LAYER.gradient(rows, dz.reshape(-1, S, N), KEY).grad_theta.tobytes()
    assert libimle.Argmax(samples=S).sample(theta, KEY).indices.shape == (*leading, S)
    assert libimle.ExactTopK(K).marginals(theta).entropy.shape == leading


def test_results_that_are_not_wanted_are_none():
    theta = normal(5, N)
    for wanted in ("z", "indices", "marginals"):
        states = LAYER.sample(theta, KEY, **{name: name == wanted for name in ("z", "indices", "marginals")})
        assert [name for name, array in states._asdict().items() if array is not None] == [wanted]


def test_no_ones():
    layer = libimle.TopK(0, samples=S)
    states = layer.sample(normal(5, N), KEY)
    assert states.indices.shape == (5, S, 0) and not states.z.any()
    assert not layer.gradient(normal(5, N), normal(5, S, N), KEY, indices=states.indices).grad_theta.any()


# ---- rows by number ----


def test_noise_follows_the_row():
    theta, dz = normal(10, N), normal(10, S, N)
    whole = LAYER.sample(theta, KEY).z
    cut = [LAYER.sample(theta[b : b + 3], replace(KEY, row0=b)).z for b in (0, 3, 6, 9)]
    assert same(np.concatenate(cut), whole)
    order = np.random.default_rng(3).permutation(10)
    shuffled = replace(KEY, row_ids=order)
    assert same(LAYER.sample(theta[order], shuffled).z, whole[order])
    gradient = LAYER.gradient(theta, dz, KEY).grad_theta
    assert same(LAYER.gradient(theta[order], dz[order], shuffled).grad_theta, gradient[order])


def test_samples_by_number():
    theta = normal(10, N)
    one = libimle.TopK(K, coupling="stratified")
    parts = [one.sample(theta, replace(KEY, sample0=s, strata=S)).z for s in range(S)]
    assert same(np.concatenate(parts, axis=1), replace(one, samples=S).sample(theta, KEY).z)


# ---- threads ----


def test_other_python_threads_run_during_a_call():
    theta = normal(400, 20_000)
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(time.perf_counter())

    ticker = threading.Thread(target=tick)
    ticker.start()
    begin = time.perf_counter()
    for _ in range(3):
        libimle.TopK(5000, samples=4).sample(theta, KEY, z=False)
    end = time.perf_counter()
    done.set()
    ticker.join()
    # A call takes tens of milliseconds. With the lock held there would be a tick between calls at most.
    assert sum(begin < tick < end for tick in ticks) > 10


def test_calls_from_many_python_threads():
    theta = normal(300, 100)
    expected = LAYER.sample(theta, KEY).z.tobytes()
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(replace(LAYER, threads=2).sample(theta, KEY).z.tobytes()))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 16


# ---- layers are plain values ----


@pytest.mark.parametrize(
    "value",
    [
        LAYER,
        libimle.Argmax(noise="normal"),
        libimle.ExactTopK(3, temperature=0.5),
        libimle.Tree(4),
        libimle.Adaptive(a=2.0),
        KEY,
    ],
    ids=lambda value: type(value).__name__,
)
def test_copies_and_pickles(value):
    for made in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert repr(made) == repr(value)
    if value == LAYER:
        assert same(pickle.loads(pickle.dumps(LAYER)).sample(normal(5, N), KEY).z, LAYER.sample(normal(5, N), KEY).z)


def test_layers_are_frozen():
    with pytest.raises(AttributeError):
        LAYER.lambda_ = 3.0
    assert replace(LAYER, lambda_=3.0) == LAYER.with_lambda(3.0) != LAYER
