"""Bad input is a libimle.Error that names the argument and the row; no input crashes the interpreter."""

from dataclasses import replace

import libimle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from refused import assert_refused

KEY = libimle.Key(seed=1)
S, N, K = 2, 6, 3
LAYER = libimle.TopK(K, samples=S)
EXACT = libimle.ExactTopK(K, samples=S)


def zeros(*shape):
    return np.zeros(shape, np.float32)


def with_value(array, place, value):
    array = array.copy()
    array[place] = value
    return array


THETA, DZ, LOSSES = zeros(4, N), zeros(4, S, N), zeros(4, S)
LISTS = np.broadcast_to(np.arange(K), (4, S, K))
NAN, INF = np.nan, np.inf
MASKED = with_value(THETA, (2, slice(0, 4)), -INF)  # row 2 has two scores, fewer than k

WORDS = 3
TREE, ONE_ROOT = libimle.Tree(WORDS, samples=S), libimle.Tree(WORDS, single_root=True)
EXACT_TREE = libimle.ExactTree(WORDS, samples=S)
ARCS, DARCS = zeros(4, WORDS, WORDS), zeros(4, S, WORDS, WORDS)
# All words hang from the root, or the first is the head of the others.
PARSES = np.broadcast_to(np.array([[0, 4, 8], [0, 1, 2]]), (4, S, WORDS))
NO_ARC = with_value(ARCS, (2, slice(None), 1), -INF)  # in row 2 nothing leads to word 1
NO_ROOT = with_value(ARCS, (2, range(WORDS), range(WORDS)), -INF)
TWO_ROOTS = with_value(with_value(ARCS, (2, slice(None), slice(0, 2)), -INF), (2, range(2), range(2)), 0)
CROSSING = with_value(zeros(2, 4, 4) - INF, (slice(None), [0, 0, 1, 1], [0, 2, 1, 3]), 0)  # 0 -> 2 and 1 -> 3

# what is called, the argument that is to blame, and the row
CALLS = [
    (lambda: LAYER.map(None), "theta", ()),
    (lambda: LAYER.map("text"), "theta", ()),
    (lambda: LAYER.map(1.0), "theta", ()),
    (lambda: LAYER.map([[1.0], [1.0, 2.0]]), "theta", ()),
    (lambda: LAYER.map(zeros(4, N).astype(complex)), "theta", ()),
    (lambda: LAYER.map(zeros(4, 0)), "theta", ()),
    (lambda: LAYER.map(zeros(4, K - 1)), "k", ()),
    (lambda: LAYER.map(with_value(THETA, (3, 1), NAN)), "theta", (3,)),
    (lambda: LAYER.map(with_value(zeros(2, 2, N), (1, 0, 1), INF)), "theta", (1, 0)),
    (lambda: LAYER.map(with_value(zeros(N), 1, INF)), "theta", ()),
    (lambda: LAYER.map(MASKED), "theta", (2,)),
    (lambda: LAYER.map(THETA, z=False, indices=False), "z", ()),
    (lambda: LAYER.map(THETA, k_row=[3, 3, 4, 3]), "k_row", (2,)),
    (lambda: LAYER.map(THETA, k_row=[3, 3, -1, 3]), "k_row", ()),
    (lambda: LAYER.map(THETA, k_row=[3, 3, 3]), "k_row", ()),
    (lambda: LAYER.map(THETA, k_row=3), "k_row", ()),
    (lambda: LAYER.map(THETA, k_row=[1.5] * 4), "k_row", ()),
    (lambda: libimle.Argmax().map(THETA, k_row=[1] * 4), "k_row", ()),
    (lambda: LAYER.sample(THETA, (1, 2)), "key", ()),
    (lambda: LAYER.sample(THETA, 42), "key", ()),
    (lambda: LAYER.sample(MASKED, KEY), "theta", (2,)),
    (lambda: LAYER.sample(THETA, replace(KEY, row_ids=[1, 2])), "key.row_ids", ()),
    (lambda: LAYER.sample(THETA, replace(KEY, sample0=2**28 - 1)), "key", ()),
    (lambda: LAYER.sample(THETA, replace(KEY, strata=4)), "key", ()),
    (lambda: replace(LAYER, coupling="stratified").sample(THETA, replace(KEY, sample0=3, strata=4)), "key", ()),
    (lambda: EXACT.sample(THETA, replace(KEY, strata=4)), "key", ()),
    (lambda: LAYER.gradient(THETA, with_value(DZ, (1, 1, 2), -INF), KEY), "dz", (1,)),
    (lambda: LAYER.gradient(THETA, with_value(THETA, (1, 2), NAN), KEY), "dz", (1,)),
    (lambda: LAYER.gradient(THETA, zeros(4, S + 1, N), KEY), "dz", ()),
    (lambda: LAYER.gradient(THETA, zeros(3, N), KEY), "dz", ()),
    (lambda: LAYER.gradient(THETA, 1.0, KEY), "dz", ()),
    (lambda: LAYER.gradient(THETA, DZ, KEY, indices=LISTS[:, ::-1, ::-1]), "indices", (0,)),
    (lambda: LAYER.gradient(THETA, DZ, KEY, indices=with_value(LISTS, (3, 1, 2), N)), "indices", (3,)),
    (lambda: LAYER.gradient(THETA, DZ, KEY, indices=with_value(LISTS, (3, 1, 2), -1)), "indices", ()),
    (lambda: LAYER.gradient(THETA, DZ, KEY, indices=LISTS[..., :2]), "indices", ()),
    (lambda: LAYER.fenchel_young(THETA, with_value(THETA, (2, 0), INF), KEY), "y", (2,)),
    (lambda: LAYER.find_bad_row(zeros(4, N, 2)), "k", ()),
    (lambda: LAYER.perturb(with_value(THETA, (0, 0), NAN), KEY), "theta", (0,)),
    (lambda: LAYER.target_scores(THETA, DZ, KEY, side=2), "side", ()),
    (lambda: replace(LAYER, target="combinatorial").target_scores(THETA, DZ, KEY, side=-1), "side", ()),
    (lambda: LAYER.difference_of(zeros(N), zeros(N)), "z", ()),
    (lambda: LAYER.difference_of(zeros(4, 3, N), zeros(4, S, N)), "z", ()),
    (lambda: LAYER.difference_of(zeros(4, S, 0), zeros(4, S, 0)), "", ()),
    (lambda: LAYER.difference_of(DZ, zeros(4, 3, N)), "z_target", ()),
    (lambda: LAYER.difference_of(DZ, with_value(DZ, (1, 0, 0), NAN)), "z_target", (1,)),
    (lambda: LAYER.noise_of((), KEY), "shape", ()),
    (lambda: LAYER.noise_of(4, KEY), "shape", ()),
    (lambda: LAYER.noise_of((-1, 4), KEY), "shape", ()),
    (lambda: LAYER.perturbed_gradient(THETA, with_value(LOSSES, (3, 1), NAN), KEY), "losses", (3,)),
    (lambda: LAYER.perturbed_gradient(THETA, zeros(4), KEY), "losses", ()),
    (lambda: libimle.TopK(K).perturbed_gradient(THETA, zeros(4, 1), KEY), "samples", ()),
    (lambda: replace(LAYER, noise="none").perturbed_gradient(THETA, LOSSES, KEY), "noise", ()),
    (lambda: replace(LAYER, temperature=0.0).perturbed_gradient(THETA, LOSSES, KEY), "temperature", ()),
    (lambda: replace(LAYER, coupling="stratified").perturbed_gradient(THETA, LOSSES, KEY), "coupling", ()),
    (lambda: libimle.straight_through(THETA, with_value(DZ, (0, 0, 0), NAN)), "dz", (0,)),
    (lambda: EXACT.marginals(MASKED), "theta", (2,)),
    (lambda: EXACT.marginals_vjp(THETA, with_value(THETA, (1, 1), NAN)), "v", (1,)),
    (lambda: EXACT.log_prob(THETA, None), "indices", ()),
    (lambda: EXACT.log_prob(THETA, with_value(LISTS, (1, 0, 0), 1)), "indices", (1,)),
    (lambda: EXACT.kl(THETA, with_value(THETA, (3, 3), NAN)), "theta_other", (3,)),
    (lambda: EXACT.kl(THETA, MASKED), "theta_other", (2,)),
    (lambda: EXACT.simple(THETA, with_value(DZ, (2, 1, 1), NAN)), "dz", (2,)),
    (lambda: EXACT.score_function(THETA, LISTS, with_value(LOSSES, (2, 0), INF)), "losses", (2,)),
    (lambda: libimle.ExactTopK(K).score_function(THETA, LISTS[:, :1], zeros(4, 1)), "samples", ()),
    (lambda: EXACT.unbiased_simple(THETA, LISTS, DZ, with_value(LOSSES, (2, 0), INF)), "losses", (2,)),
    (lambda: EXACT.log_partitions(with_value(THETA, (1, 0), NAN)), "theta", (1,)),
    (lambda: EXACT.log_partitions_vjp(THETA, zeros(4, K)), "v", ()),
    (lambda: libimle.TopK(-1), "k", ()),
    (lambda: libimle.TopK(2**32), "k", ()),
    (lambda: libimle.TopK(1.5), "k", ()),
    (lambda: libimle.TopK(True), "k", ()),
    (lambda: libimle.TopK(K, samples=0), "samples", ()),
    (lambda: libimle.TopK(K, samples=2**24 + 1), "samples", ()),
    (lambda: libimle.TopK(K, threads=0), "threads", ()),
    (lambda: libimle.TopK(K, noise="uniform"), "noise", ()),
    (lambda: libimle.TopK(K, noise=["gumbel"]), "noise", ()),
    (lambda: libimle.TopK(K, temperature=-1.0), "temperature", ()),
    (lambda: libimle.TopK(K, temperature="warm"), "temperature", ()),
    (lambda: libimle.TopK(K, target_temperature=NAN), "target_temperature", ()),
    (lambda: libimle.TopK(K, alpha=INF), "alpha", ()),
    (lambda: libimle.TopK(K, lambda_=0.0), "lambda_", ()),
    (lambda: libimle.TopK(K, lambda_=1e-39), "lambda_", ()),
    (lambda: libimle.TopK(K, lambda_=1e39), "lambda_", ()),
    (lambda: libimle.TopK(K, target="quadratic"), "target", ()),
    (lambda: libimle.TopK(K, difference="backward"), "difference", ()),
    (lambda: libimle.TopK(K, difference="central", target="combinatorial"), "difference", ()),
    (lambda: libimle.TopK(K, scale="lambda"), "scale", ()),
    (lambda: libimle.TopK(K, coupling="antithetic"), "coupling", ()),
    (lambda: libimle.TopK(K, sog_terms=0), "sog_terms", ()),
    (lambda: libimle.TopK(K, sog_kappa=0.5), "sog_kappa", ()),
    (lambda: libimle.ExactTopK(K, temperature=0.0), "temperature", ()),
    (lambda: TREE.map(zeros(4, 9)), "theta", ()),
    (lambda: TREE.map(zeros(4, 3, 4)), "theta", ()),
    (lambda: TREE.map(zeros(3)), "theta", ()),
    (lambda: TREE.map(with_value(ARCS, (3, 0, 1), NAN)), "theta", (3,)),
    (lambda: TREE.map(with_value(zeros(2, 2, 3, 3), (1, 0, 2, 2), INF)), "theta", (1, 0)),
    (lambda: TREE.map(NO_ARC), "theta", (2,)),
    (lambda: TREE.map(NO_ROOT), "theta", (2,)),
    (lambda: ONE_ROOT.map(TWO_ROOTS), "theta", (2,)),
    (lambda: libimle.Tree(4, projective=True).map(CROSSING), "theta", (0,)),
    (lambda: TREE.sample(NO_ARC, KEY), "theta", (2,)),
    (lambda: TREE.sample(NO_ARC, KEY, n_row=[3, 3, 2, 3]), "theta", (2,)),
    (lambda: TREE.map(ARCS, n_row=[3, 3, 4, 3]), "n_row", (2,)),
    (lambda: TREE.map(ARCS, n_row=[3, 3, 3]), "n_row", ()),
    (lambda: TREE.map(ARCS, k_row=[3] * 4), "k_row", ()),
    (lambda: LAYER.map(THETA, n_row=[3] * 4), "n_row", ()),
    (lambda: EXACT.marginals(THETA, n_row=[3] * 4), "n_row", ()),
    (lambda: TREE.map(ARCS, z=False, indices=False), "z", ()),
    (lambda: TREE.gradient(ARCS, zeros(4, S, 9), KEY), "dz", ()),
    (lambda: TREE.gradient(ARCS, zeros(4, S + 1, 3, 3), KEY), "dz", ()),
    (lambda: TREE.gradient(ARCS, with_value(DARCS, (1, 1, 2, 2), -INF), KEY), "dz", (1,)),
    (
        lambda: TREE.gradient(
            with_value(ARCS, (1, 2, 2), NAN), with_value(DARCS, (1, 0, 0, 0), NAN), KEY, n_row=[3, 2, 3, 3]
        ),
        "dz",
        (1,),
    ),
    (lambda: TREE.gradient(ARCS, DARCS, KEY, indices=with_value(PARSES, (3, 1), [1, 3, 8])), "indices", (3,)),
    (lambda: TREE.gradient(ARCS, DARCS, KEY, indices=PARSES[:, :, ::-1]), "indices", (0,)),
    (lambda: TREE.gradient(ARCS, DARCS, KEY, indices=PARSES[..., :2]), "indices", ()),
    (lambda: TREE.fenchel_young(ARCS, with_value(ARCS, (2, 0, 0), INF), KEY), "y", (2,)),
    (lambda: TREE.noise_of((4, 9), KEY), "shape", ()),
    (lambda: TREE.difference_of(DARCS, zeros(4, S, 9)), "z_target", ()),
    (lambda: TREE.heads(None), "indices", ()),
    (lambda: TREE.heads([[0, 4]]), "indices", ()),
    (lambda: TREE.heads([[0, 4, 8], [1, 3, 8]]), "indices", (1,)),
    (lambda: TREE.heads([[0, 4, 9]]), "indices", (0,)),
    (lambda: TREE.heads([[0, 2**32 - 1, 8]]), "indices", (0,)),
    (lambda: EXACT_TREE.marginals(NO_ARC), "theta", (2,)),
    (lambda: EXACT_TREE.marginals(with_value(ARCS, (3, 0, 1), NAN)), "theta", (3,)),
    (lambda: EXACT_TREE.marginals_vjp(ARCS, with_value(ARCS, (1, 1, 1), NAN)), "v", (1,)),
    (lambda: EXACT_TREE.sample(ARCS, KEY, n_row=[4, 1, 1, 1]), "n_row", (0,)),
    (lambda: EXACT_TREE.log_prob(ARCS, with_value(PARSES, (1, 0), [1, 3, 8])), "indices", (1,)),
    (lambda: EXACT_TREE.log_prob(with_value(ARCS, (1, 0, 2), -INF), PARSES), "indices", (1,)),
    (lambda: EXACT_TREE.kl(ARCS, with_value(ARCS, (3, 1, 0), NAN)), "theta_other", (3,)),
    (lambda: EXACT_TREE.kl(ARCS, NO_ROOT), "theta_other", (2,)),
    (lambda: EXACT_TREE.simple(ARCS, with_value(DARCS, (2, 1, 1, 1), NAN)), "dz", (2,)),
    (lambda: EXACT_TREE.score_function(ARCS, PARSES, with_value(LOSSES, (2, 0), INF)), "losses", (2,)),
    (lambda: EXACT_TREE.unbiased_simple(ARCS, PARSES, DARCS, with_value(LOSSES, (2, 0), INF)), "losses", (2,)),
    (lambda: libimle.Tree(0), "words", ()),
    (lambda: libimle.Tree(2**16), "words", ()),
    (lambda: libimle.Tree(3, projective=2), "projective", ()),
    (lambda: libimle.ExactTree(3, single_root="yes"), "single_root", ()),
    (lambda: libimle.ExactTree(3, temperature=0.0), "temperature", ()),
    (lambda: libimle.Key(-1), "key.seed", ()),
    (lambda: libimle.Key(1, 2**64), "key.step", ()),
    (lambda: libimle.Key(1.0), "key.seed", ()),
    (lambda: libimle.Key(1, row_ids=[[0.5]]), "key.row_ids", ()),
    (lambda: libimle.Key(1, sample0=2**32), "key.sample0", ()),
    (lambda: libimle.Adaptive(rule="other"), "rule", ()),
    (lambda: libimle.Adaptive(a=0.0), "a", ()),
    (lambda: libimle.Adaptive(momentum=0.5), "momentum", ()),
    (lambda: libimle.Adaptive(decay=1.0), "decay", ()),
    (lambda: libimle.Adaptive(target=0.0), "target", ()),
    (lambda: libimle.Adaptive().lambda_for([NAN], [1.0]), "theta", ()),
    (lambda: libimle.Adaptive().lambda_for([1.0], [-INF]), "dz", ()),
    (lambda: libimle.Adaptive().lambda_from((1.0, 1.0, 1, 1)), "parts", ()),
    (lambda: libimle.Adaptive().update((1, 0, -1)), "diagnostics", ()),
    (lambda: libimle.AdaptiveParts().add([INF]), "theta", ()),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_the_argument_and_the_row_are_named(number):
    error = assert_refused(*CALLS[number])
    assert str(error).startswith(CALLS[number][1])


def test_an_error_is_a_value_error_in_plain_words():
    with pytest.raises(ValueError) as error:
        LAYER.map(MASKED)
    assert str(error.value) == "theta has 2 scores above -inf in row 2, fewer than k = 3"


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("bad", [0, 1, 57, 99])
def test_the_first_bad_row_is_named_whatever_the_threads(threads, bad):
    theta = with_value(with_value(zeros(100, 3000), (bad, 2999), NAN), (99, 0), NAN)
    with pytest.raises(libimle.Error) as error:
        libimle.TopK(K, threads=threads).sample(theta, KEY)
    assert error.value.row == (bad,)
    assert libimle.TopK(K).find_bad_row(theta) == (bad,)


def test_parts_are_unchanged_after_an_error():
    parts = libimle.AdaptiveParts()
    parts.add([1.0, 2.0], [3.0])
    before = replace(parts)
    with pytest.raises(libimle.Error):
        parts.add([1.0], [NAN])
    assert parts == before


def test_numbers_near_the_borders_are_taken():
    libimle.TopK(K, temperature=0.0, lambda_=1e38, alpha=-3e38, sog_terms=float("inf"), sog_kappa=65536)
    libimle.Key(2**64 - 1, 2**64 - 1, row0=2**64 - 1, row_ids=np.array([2**64 - 1, 0], np.uint64))
    assert LAYER.noise_of((0, N), KEY).shape == (0, S, N)


# ---- anything at all ----

NUMBERS = st.one_of(
    st.integers(-3, 12), st.sampled_from([2**31, 2**32, 2**64, -(2**63), 0.5, NAN, INF, None, "x", True])
)
DTYPES = st.sampled_from(["f4", "f8", "f2", ">f4", "i8", "u4", "?", "c8", "O", "U3", "M8[s]"])


@st.composite
def anything(draw):
    """An array of any dtype, a shape that is sometimes right, and strides of any kind."""
    shape = draw(st.sampled_from([(4, N), (4, S, N), (4, S, K), (4, S), (4,), (N,), (), (0, N), (2, 2, N), (1,) * 30]))
    dtype = np.dtype(draw(DTYPES))
    elements = st.floats(width=32) if dtype.kind == "f" and dtype.itemsize >= 4 else None
    array = draw(arrays.arrays(dtype, shape, elements=elements)) if dtype.kind != "O" else np.full(shape, None)
    if array.ndim > 1 and draw(st.booleans()):
        array = array[..., ::-1]
    if array.ndim > 1 and draw(st.booleans()):
        array = array.swapaxes(0, 1)
    return draw(st.sampled_from([array, array.tolist(), None, 1.0, array[..., :1] if array.ndim else array]))


def attempt(call):
    """Runs a call, which may be refused in the words of the package and in no other way."""
    try:
        return call()
    except libimle.Error as error:
        assert isinstance(error.argument, str) and error.reason
        return None


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_input_crashes(data):
    draw = data.draw
    inputs = {name: draw(anything(), label=name) for name in ("theta", "dz", "indices", "k_row", "row_ids")}
    before = {
        name: np.array(array, copy=True) if isinstance(array, np.ndarray) else None for name, array in inputs.items()
    }
    theta, dz, indices, k_row, row_ids = inputs.values()
    key = attempt(lambda: libimle.Key(draw(NUMBERS), draw(NUMBERS), row_ids=row_ids)) or KEY
    layers = [
        attempt(lambda: libimle.TopK(draw(NUMBERS), samples=draw(NUMBERS), lambda_=draw(NUMBERS), alpha=draw(NUMBERS))),
        LAYER,
        libimle.Argmax(samples=S),
    ]
    for layer in filter(None, layers):
        attempt(lambda: layer.map(theta, k_row=k_row))
        attempt(lambda: layer.sample(theta, key))
        attempt(lambda: layer.gradient(theta, dz, key, indices=indices))
        attempt(lambda: layer.fenchel_young(theta, dz, key))
        attempt(lambda: layer.find_bad_row(theta, dz))
        attempt(lambda: layer.perturbed_gradient(theta, dz, key))
        attempt(lambda: layer.difference_of(theta, dz))
    for exact in (attempt(lambda: libimle.ExactTopK(draw(NUMBERS), temperature=draw(NUMBERS), samples=S)), EXACT):
        if exact is not None:
            attempt(lambda: exact.marginals(theta, k_row=k_row))
            attempt(lambda: exact.sample(theta, key))
            attempt(lambda: exact.log_prob(theta, indices))
            attempt(lambda: exact.unbiased_simple(theta, indices, dz, dz))
            attempt(lambda: exact.log_partitions_vjp(theta, dz))
    squares = np.resize(theta, (3, 2, 2)) if isinstance(theta, np.ndarray) and theta.size else theta
    for tree in (attempt(lambda: libimle.Tree(draw(NUMBERS), samples=draw(NUMBERS))), libimle.Tree(2, projective=True)):
        if tree is not None:
            attempt(lambda: tree.map(squares, n_row=k_row))
            attempt(lambda: tree.sample(squares, key))
            attempt(lambda: tree.gradient(squares, dz, key, indices=indices))
            attempt(lambda: tree.find_bad_row(squares, squares))
            attempt(lambda: tree.heads(indices))
    attempt(lambda: libimle.ExactTree(2).marginals(squares, n_row=k_row))
    attempt(lambda: libimle.ExactTree(2).log_prob(squares, indices))
    attempt(lambda: libimle.Adaptive().lambda_for(theta, dz))
    for name, array in inputs.items():
        if isinstance(array, np.ndarray):
            assert array.tobytes() == before[name].tobytes(), f"{name} was written"
