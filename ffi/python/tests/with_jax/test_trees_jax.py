"""Trees in libimle.jax, against libimle for NumPy bit for bit, under JAX's transforms, and with bad input."""

import math

import jax
import jax.numpy as jnp
import libimle
import numpy as np
import pytest

import libimle.jax as lj

B, W, S = 4, 5, 4
KEY, SEED = jax.random.key(42), libimle.Key(42)
N_ROW, TREES = np.array([5, 2, 0, 4]), libimle.Trees(W)
KINDS = [{"projective": p, "single_root": s} for p in (False, True) for s in (False, True)]
with_kinds = pytest.mark.parametrize("kind", KINDS, ids=str)
with_n_row = pytest.mark.parametrize("n_row", [None, N_ROW], ids=["full", "ragged"])


def arcs(*shape, n_row=None, seed=0):
    """Values [..., W, W], NaN beyond the words of a row, which is not to be read."""
    values = np.random.default_rng(seed).normal(size=(*shape, W, W)).astype(np.float32)
    for row, words in enumerate([] if n_row is None else n_row):
        values[row, ..., words:, :] = values[row, ..., :, words:] = math.nan
    return values


def same(actual, expected):
    actual, expected = np.asarray(actual), np.asarray(expected)
    return actual.dtype == expected.dtype and np.array_equal(actual, expected, equal_nan=True)


def pull(function, theta, dz):
    """The gradient that an incoming one, dz, becomes, without any step of XLA between."""
    return jax.vjp(function, jnp.asarray(theta))[1](jnp.asarray(dz))[0]


# ---- the same bits as NumPy ----


@with_kinds
@with_n_row
@pytest.mark.parametrize("samples", [None, S])
@pytest.mark.parametrize(
    "options", [{}, {"difference": "central", "lambda_": 3.0}, {"target": "combinatorial"}], ids=str
)
def test_tree(kind, n_row, samples, options):
    theta = arcs(B, n_row=n_row)
    shape = (B, W, W) if samples is None else (B, S, W, W)
    dz = arcs(B, samples or 1, n_row=n_row, seed=1)
    layer = libimle.Tree(W, samples=samples or 1, **kind, **options)
    states = layer.sample(theta, SEED, n_row=n_row)
    settings = {"samples": samples, "n_row": n_row} | kind | options
    z, indices = lj.tree(theta, KEY, return_indices=True, **settings)
    assert same(z, states.z.reshape(shape)) and same(indices, states.indices.reshape(*shape[:-2], W))
    grad = pull(lambda x: lj.tree(x, KEY, reduction="sum", **settings), theta, dz.reshape(shape))
    expected = layer.gradient(theta, dz, SEED, n_row=n_row).grad_theta
    assert expected.any() and same(grad, expected * np.float32(samples or 1))
    z, indices = lj.tree(theta, None, n_row=n_row, return_indices=True, **kind)
    assert same(z, layer.map(theta, n_row=n_row).z) and same(indices, layer.map(theta, n_row=n_row).indices)


@with_kinds
@with_n_row
def test_exact_trees(kind, n_row):
    trees, exact = libimle.Trees(W, **kind), libimle.ExactTree(W, samples=S, temperature=0.75, **kind)
    theta, other, v = (arcs(B, n_row=n_row, seed=seed) for seed in range(3))
    options, given = {"temperature": 0.75, "n_row": n_row}, {"n_row": n_row}
    mu, log_partition, entropy = exact.marginals(theta, **given)
    assert same(lj.marginals(theta, trees, **options), mu)
    assert same(lj.log_partition(theta, trees, **options), log_partition)
    assert same(lj.entropy(theta, trees, **options), entropy)
    assert same(lj.kl(theta, other, trees, **options), exact.kl(theta, other, **given))
    z, indices = lj.sample(theta, trees, KEY, samples=S, **options)
    states = exact.sample(theta, SEED, **given)
    assert same(z, states.z) and same(indices, states.indices)
    assert same(lj.log_prob(theta, indices, trees, **options), exact.log_prob(theta, indices, **given))
    one = lj.log_prob(theta, indices[:, 1], trees, **options)
    assert same(one, exact.log_prob(theta, indices, **given)[:, 1])
    grad = pull(lambda x: lj.marginals(x, trees, **options), theta, v)
    assert same(grad, exact.marginals_vjp(theta, v, **given))
    assert same(lj.simple(theta, trees, None, n_row=n_row), libimle.Tree(W, **kind).map(theta, **given).z)

    dz, losses = arcs(B, S, n_row=n_row, seed=3), np.random.default_rng(4).normal(size=(B, S)).astype(np.float32)
    ones = np.full((B, S), 1 / S, np.float32)  # S is a power of two, so nothing is rounded
    grad = pull(lambda x: lj.simple(x, trees, KEY, samples=S, **options), theta, dz)
    assert same(grad, exact.simple(theta, dz, **given) * np.float32(S))
    grad = pull(lambda x: lj.score_function(losses, x, indices, trees, **options), theta, ones)
    assert same(grad, exact.score_function(theta, indices, losses, **given))
    grad = pull(lambda x: lj.unbiased_simple(losses, dz, x, indices, trees, **options), theta, ones)
    assert same(grad, exact.unbiased_simple(theta, indices, dz, losses, **given))


@with_n_row
def test_gradients_of_exact_numbers_are_those_of_the_library(n_row):
    """By their formulas, with the marginals and the covariance of libimle.ExactTree."""
    T, given = 0.75, {"n_row": n_row}
    theta, other = arcs(B, n_row=n_row), arcs(B, n_row=n_row, seed=1)
    exact = libimle.ExactTree(W, samples=S, temperature=T)
    mu, mu_other = exact.marginals(theta, **given).marginals, exact.marginals(other, **given).marginals
    z, indices = lj.sample(theta, TREES, KEY, samples=S, temperature=T, **given)
    options = {"temperature": T} | given
    for call, at, expected in (
        (lambda x: lj.log_partition(x, TREES, **options), theta, mu / T),
        (lambda x: lj.entropy(x, TREES, **options), theta, -exact.marginals_vjp(theta, theta, **given) / T),
        (lambda x: lj.kl(x, other, TREES, **options), theta, exact.marginals_vjp(theta, theta - other, **given) / T),
        (lambda x: lj.kl(theta, x, TREES, **options), other, (mu_other - mu) / T),
        (lambda x: lj.log_prob(x, indices, TREES, **options), theta, (np.asarray(z) - mu[:, None]).sum(1) / T),
    ):
        grad = jax.grad(lambda x: call(x).sum())(at)  # noqa: B023
        np.testing.assert_allclose(grad, expected, rtol=1e-5, atol=1e-6)
        assert np.any(expected)


@with_n_row
def test_fenchel_young_and_straight_through(n_row):
    theta, layer = arcs(B, n_row=n_row), libimle.Tree(W, samples=S)
    y = layer.map(arcs(B, n_row=n_row, seed=1), n_row=n_row).z
    expected = layer.fenchel_young(theta, y, SEED, n_row=n_row)
    call = lambda x: lj.fenchel_young(x, y, TREES, KEY, samples=S, n_row=n_row)  # noqa: E731
    assert same(call(theta), expected.loss) and same(jax.grad(lambda x: call(x).sum())(theta), expected.grad_theta)

    z, dz = lj.tree(theta, KEY, samples=S, n_row=n_row), arcs(B, S, seed=2)
    through = lambda x: lj.straight_through(x, z, trees=TREES, n_row=n_row)  # noqa: E731
    assert same(through(theta), z)
    sums = np.where(np.isnan(theta), 0, dz.sum(1))
    np.testing.assert_allclose(pull(through, theta, dz), sums, rtol=1e-5, atol=1e-6)
    one = lambda x: lj.straight_through(x, z[:, 0], trees=TREES, n_row=n_row)  # noqa: E731
    assert same(pull(one, theta, dz[:, 0]), np.where(np.isnan(theta), np.float32(0), dz[:, 0]))


# ---- transforms ----


def loss(theta, n_row, w, key=KEY, **options):
    return (lj.tree(theta, key, n_row=n_row, lambda_=3.0, **options) * w).sum((-1, -2)).mean()


@with_n_row
def test_jit_scan_and_checkpoint(n_row):
    theta, w = arcs(B, n_row=n_row), arcs(B, seed=1)
    slope = jax.grad(loss)
    eager = slope(theta, n_row, w)
    assert np.any(eager) and same(jax.jit(slope)(theta, n_row, w), eager)
    assert same(jax.grad(jax.checkpoint(loss))(theta, n_row, w), eager)
    _, steps = jax.lax.scan(lambda carry, _: (carry, slope(theta, n_row, w)), 0, None, length=2)
    assert same(steps[1], eager)


def calls():
    _, indices = lj.sample(arcs(3, B), TREES, KEY, samples=S)
    yield lambda t, n: lj.tree(t, KEY, n_row=n, projective=True)
    yield lambda t, n: lj.tree(t, KEY, n_row=n, samples=S)
    yield lambda t, n: lj.tree(t, None, n_row=n)
    yield lambda t, n: lj.simple(t, TREES, KEY, n_row=n)
    yield lambda t, n: lj.marginals(t, TREES, n_row=n)
    yield lambda t, n: lj.entropy(t, TREES, n_row=n)
    yield lambda t, n: lj.fenchel_young(t, jnp.ones((B, W, W)) if t.ndim == 3 else jnp.ones((3, B, W, W)), TREES, KEY)


@pytest.mark.parametrize("number", range(7))
def test_vmap_is_the_whole_batch(number):
    """Values and gradients; all mapped rows are rows of one call."""
    call, theta = list(calls())[number], arcs(3, B)
    n_row = np.arange(3 * B).reshape(3, B) % (W + 1)
    assert same(jax.vmap(call)(theta, n_row), call(jnp.asarray(theta), n_row))
    v = np.random.default_rng(5).normal(size=call(jnp.asarray(theta), n_row).shape).astype(np.float32)
    # A call that vmap has mapped sees the B rows of its own, so the reduction is the caller's: the sum over calls.
    whole = lambda t: (call(t, n_row) * v).sum()  # noqa: E731
    mapped = lambda t: (jax.vmap(call)(t, n_row) * v).sum()  # noqa: E731
    if number > 1:  # with Implicit MLE the mean is over other rows
        np.testing.assert_allclose(jax.grad(mapped)(theta), jax.grad(whole)(jnp.asarray(theta)), rtol=1e-5, atol=1e-6)


def test_vmap_of_the_implicit_gradient():
    theta, w = arcs(3, B), arcs(3, B, seed=1)
    n_row = np.arange(3 * B).reshape(3, B) % (W + 1)
    call = lambda t, n: lj.tree(t, KEY, n_row=n, reduction="sum")  # noqa: E731
    grads = [pull(lambda t: f(t, n_row), theta, w) for f in (call, jax.vmap(call))]  # noqa: B023
    assert np.any(grads[0]) and same(*grads)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_other_dtypes(dtype):
    theta = jnp.asarray(arcs(B), dtype)
    z = lj.tree(theta, KEY)
    assert z.dtype == dtype and same(z.astype(np.float32), lj.tree(theta.astype(np.float32), KEY))
    assert lj.marginals(theta, TREES).dtype == dtype


def test_one_word_and_no_rows():
    assert same(lj.tree(np.zeros((2, 3, 1, 1), np.float32), KEY), np.ones((2, 3, 1, 1), np.float32))
    assert lj.tree(np.zeros((0, W, W), np.float32), KEY).shape == (0, W, W)
    assert lj.tree(arcs(), KEY, samples=S).shape == (S, W, W)


def test_a_gradient_that_is_not_finite_gives_nan_to_its_row_only():
    """It counts only where the row has words."""
    theta, w = arcs(B, n_row=N_ROW), arcs(B, n_row=N_ROW, seed=1)
    w[3, 0, 0] = math.inf
    for call in (
        lambda x: lj.tree(x, KEY, n_row=N_ROW),
        lambda x: lj.simple(x, TREES, KEY, n_row=N_ROW),
        lambda x: lj.marginals(x, TREES, n_row=N_ROW),
    ):
        grad = np.asarray(pull(call, theta, w))
        assert np.isnan(grad[3]).all() and np.isfinite(grad[:3]).all() and grad[:2].any()


# ---- bad input ----

THETA, LISTS = np.zeros((B, W, W), np.float32), np.zeros((B, S, W), np.uint32)
NAN, MASKED = THETA.copy(), THETA.copy()
NAN[3, 1, 2], MASKED[2, :, 0] = math.nan, -math.inf  # no arc into word 0
LOSSES = np.zeros((B, S), np.float32)


@pytest.mark.parametrize(
    "argument, call",
    [
        ("theta", lambda: lj.tree(THETA[..., :2], KEY)),
        ("words", lambda: lj.tree(1.0, KEY)),
        ("theta", lambda: lj.tree(np.zeros((B, W, W), int), KEY)),
        ("projective", lambda: lj.tree(THETA, KEY, projective=1)),
        ("samples", lambda: lj.tree(THETA, KEY, samples=0)),
        ("reduction", lambda: lj.tree(THETA, KEY, reduction="batch")),
        ("n_row", lambda: lj.tree(THETA, KEY, n_row=np.zeros(B))),
        ("n_row", lambda: lj.tree(THETA, KEY, n_row=np.array([5, 5]))),
        ("n_row", lambda: lj.marginals(THETA[0], 2, n_row=N_ROW)),
        ("k_row", lambda: lj.marginals(THETA, TREES, k_row=N_ROW)),
        ("theta", lambda: lj.marginals(THETA.reshape(B, -1), TREES)),
        ("theta_other", lambda: lj.kl(THETA, THETA.reshape(B, -1), TREES)),
        ("y", lambda: lj.fenchel_young(THETA, THETA[0], TREES, KEY)),
        ("z", lambda: lj.straight_through(THETA, THETA[..., :2], trees=TREES)),
        ("indices", lambda: lj.log_prob(THETA, LISTS[..., :2], TREES)),
        ("losses", lambda: lj.score_function(LOSSES[:2], THETA, LISTS, TREES)),
        ("dz", lambda: lj.unbiased_simple(LOSSES, THETA, THETA, LISTS, TREES)),
    ],
)
def test_wrong_arguments(argument, call):
    with pytest.raises(libimle.Error) as error:
        call()
    assert error.value.argument == argument, error.value


@pytest.mark.parametrize(
    "message, call",
    [
        ("theta has NaN or .inf in row 3", lambda: lj.tree(NAN, KEY)),
        ("theta has NaN or .inf in row 3", lambda: lj.marginals(NAN, TREES)),
        ("theta has masks that leave no tree in row 2", lambda: lj.tree(MASKED, KEY)),
        ("theta has masks that leave no tree in row 2", lambda: lj.simple(MASKED, TREES, KEY)),
        ("n_row is 6 in row 1, above words = 5", lambda: lj.tree(THETA, KEY, n_row=np.array([5, 6, 5, 5]))),
        ("indices are no tree in row 0", lambda: lj.log_prob(THETA, LISTS, TREES)),
    ],
)
def test_bad_numbers(message, call):
    with pytest.raises(Exception, match=message):
        jax.block_until_ready(call())
