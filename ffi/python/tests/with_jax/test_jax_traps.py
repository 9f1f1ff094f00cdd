"""The silent mistakes of layers that are made by hand, in tests that the naive way fails."""

import functools

import jax
import jax.numpy as jnp
import libimle
import numpy as np
import pytest

import libimle.jax as lj

B, N, K, S = 6, 12, 3, 4
KEY = jax.random.key(1)


def scores(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape or (B, N)).astype(np.float32)


class Naive:
    """A layer as it is made by hand: callbacks to NumPy, the incoming gradient for dz, and a key that counts calls."""

    def __init__(self, k, vmap_method="sequential", **options):
        self.layer, self.step, self.vmap_method = libimle.TopK(k, **options), 0, vmap_method

        @jax.custom_vjp
        def function(theta, step):
            sample = lambda x, s: self.layer.sample(x, libimle.Key(1, int(s))).z  # noqa: E731
            return self.callback(sample, theta, step, self.layer.samples)

        def backward(saved, dz):
            theta, step = saved
            gradient = lambda x, s, dz: self.layer.gradient(x, dz, libimle.Key(1, int(s))).grad_theta  # noqa: E731
            return self.callback(gradient, theta, step, dz=dz), None

        function.defvjp(lambda theta, step: (function(theta, step), (theta, step)), backward)
        self.function = function

    def callback(self, function, theta, step, *samples, dz=None):
        shape = (*theta.shape[:-1], *samples, theta.shape[-1])
        arrays = (theta, step) if dz is None else (theta, step, dz)
        on_host = lambda *arrays: function(*map(np.asarray, arrays))  # noqa: E731
        return jax.pure_callback(on_host, jax.ShapeDtypeStruct(shape, "float32"), *arrays, vmap_method=self.vmap_method)

    def __call__(self, theta):
        self.step += 1
        return self.function(jnp.asarray(theta), self.step)


# ---- 1. reduction ----


def test_1_the_mean_over_many_samples_has_a_gradient():
    """The loss is the mean of <w, z> over 20,000 samples; lambda multiplies the gradient of each one's own loss, w."""
    theta, w = scores(2, N), scores(2, N, seed=1)
    loss = lambda layer: lambda theta: (layer(theta) * w[:, None]).sum(-1).mean()  # noqa: E731
    grad = jax.grad(loss(lambda theta: lj.topk(theta, K, KEY, samples=20_000, lambda_=0.1)))(theta)
    exact = libimle.ExactTopK(K).marginals_vjp(theta, w) / 2  # of a law that is close to that of the samples
    assert np.corrcoef(np.ravel(grad), exact.ravel())[0, 1] > 0.9
    assert not jax.grad(loss(Naive(K, samples=20_000, lambda_=0.1)))(theta).any()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("options", [{}, {"difference": "central"}, {"scale": "none"}, {"target": "combinatorial"}])
def test_1_the_gradient_is_that_of_each_rows_own_loss(reduction, options):
    theta, w = scores(), scores(B, S, N, seed=1)

    def loss(theta):
        z = lj.topk(theta, K, KEY, samples=S, lambda_=1.5, reduction=reduction, **options)
        losses = (z * w).sum(-1)
        return losses.mean() if reduction == "mean" else losses.sum()

    layer = libimle.TopK(K, samples=S, lambda_=1.5, **options)
    expected = layer.gradient(theta, w, libimle.Key(1)).grad_theta
    factor = 1 / B if reduction == "mean" else S
    np.testing.assert_allclose(jax.grad(loss)(theta), factor * expected, rtol=1e-5, atol=1e-7)


def test_1_a_mean_over_mapped_rows_is_named_by_loss_scale():
    theta, w = scores(), scores(seed=1)

    def loss(theta, **scale):
        each = jax.vmap(lambda row, w: (lj.topk(row, K, KEY, lambda_=2.0, **scale) * w).sum())
        return each(theta, w).mean()

    whole = jax.grad(lambda theta: (lj.topk(theta, K, KEY, lambda_=2.0) * w).sum(-1).mean())(theta)
    np.testing.assert_allclose(jax.grad(lambda theta: loss(theta, loss_scale=1 / B))(theta), whole, rtol=1e-6)
    assert whole.any() and not np.allclose(jax.grad(loss)(theta), whole)  # lambda / B, the naive way


# ---- 2. keys ----


def test_2_a_compiled_step_draws_new_noise():
    """jit runs Python once, so a counter in a layer stands still; a key that comes in does not."""
    theta = jnp.zeros((50, N))
    layer = Naive(K)
    step = jax.jit(lambda theta: layer(theta))
    assert np.array_equal(step(theta), step(theta))
    step = jax.jit(lambda theta, key: lj.topk(theta, K, key))
    first, second = (step(theta, jax.random.fold_in(KEY, i)) for i in range(2))
    assert not np.array_equal(first, second)
    step = jax.jit(lambda theta, i: lj.topk(theta, K, lj.key(1, i)))
    assert not np.array_equal(step(theta, 0), step(theta, 1))
    assert np.array_equal(step(theta, 1), lj.topk(theta, K, libimle.Key(1, 1)))


def test_2_the_backward_pass_has_the_noise_of_the_forward_pass():
    theta, w = jnp.asarray(scores(200, N)), scores(200, N, seed=1)
    loss = lambda theta: (lj.topk(theta, K, KEY, lambda_=2.0, reduction="sum") * w).sum()  # noqa: E731
    expected = libimle.TopK(K, lambda_=2.0).gradient(np.asarray(theta), w, libimle.Key(1)).grad_theta
    for transformed in (loss, jax.checkpoint(loss), jax.jit(jax.checkpoint(loss))):
        assert np.array_equal(jax.grad(transformed)(theta), expected)


# ---- 3. rows ----


def distinct(choices):
    return len({tuple(z.tolist()) for z in np.asarray(choices).reshape(-1, choices.shape[-1])})


def test_3_vmap_folds_into_the_batch():
    """Equal scores in every mapped row: each row has noise of its own, not that of row 0."""
    theta = jnp.zeros((30, N))
    mapped = jax.vmap(lambda row: lj.topk(row, K, KEY))(theta)
    assert distinct(mapped) > 20 and np.array_equal(mapped, lj.topk(theta, K, KEY))
    assert distinct(jax.vmap(Naive(K))(theta)) == 1


def test_3_the_noise_follows_the_example():
    theta, w, order = scores(), scores(seed=1), np.random.default_rng(2).permutation(B)
    gradient = lambda theta, w, **ids: jax.grad(  # noqa: E731
        lambda theta: (lj.topk(theta, K, KEY, reduction="sum", **ids) * w).sum()
    )(theta)
    whole, part = lj.topk(theta, K, KEY), lj.topk(theta[order], K, KEY, row_ids=order)
    assert np.array_equal(part, whole[order])
    assert np.array_equal(gradient(theta[order], w[order], row_ids=order), gradient(theta, w)[order])
    # Without row_ids the noise follows the place in the batch.
    assert not np.array_equal(lj.topk(theta[order], K, KEY), whole[order])


# ---- 4. gradients that are not finite ----


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("target", ["linear", "combinatorial"])
def test_4_infinities_flow_through(value, target):
    theta, w = scores(), scores(seed=1)
    bad = w.copy()
    bad[2, 3] = value
    solver = lj.callback(lambda scores: np.asarray(libimle.TopK(K).map(scores).z))
    for choose in (
        functools.partial(lj.topk, k=K, target=target, reduction="sum"),
        functools.partial(lj.solve, solver, target=target, reduction="sum"),
        functools.partial(lj.simple, k=K),
    ):
        gradient = lambda w: jax.grad(lambda theta: (choose(theta, key=KEY) * w).sum())(theta)  # noqa: B023, E731
        grad, good = np.asarray(gradient(bad)), np.asarray(gradient(w))
        assert np.isnan(grad[2]).all() and np.array_equal(np.delete(grad, 2, 0), np.delete(good, 2, 0))
    with pytest.raises(Exception, match="dz has NaN or an infinity in row"):
        layer = Naive(K)
        jax.block_until_ready(jax.grad(lambda theta: (layer(theta)[:, 0] * bad).sum())(theta))


def test_4_nan_of_estimators_with_losses():
    theta, exact = scores(), libimle.ExactTopK(K, samples=S)
    indices = exact.sample(theta, libimle.Key(1)).indices
    losses, dz = scores(B, S), scores(B, S, N)
    losses[1, 2] = dz[3, 1, 0] = np.nan
    grad = jax.grad(lambda theta: lj.score_function(losses, theta, indices, K).sum())(theta)
    assert np.flatnonzero(np.isnan(grad).all(1)).tolist() == [1] and np.isnan(grad).sum() == N
    grad = jax.grad(lambda theta: lj.unbiased_simple(losses, dz, theta, indices, K).sum())(theta)
    assert np.flatnonzero(np.isnan(grad).all(1)).tolist() == [1, 3] and np.isnan(grad).sum() == 2 * N


def test_4_a_scale_of_the_loss_leaves_lambda_alone():
    theta, w, scale = scores(), scores(seed=1), 2.0**14
    loss = lambda theta, **scale: (lj.topk(theta, K, KEY, **scale) * w).sum(-1).mean()  # noqa: E731
    scaled = jax.grad(lambda theta: scale * loss(theta, loss_scale=scale))(theta)
    assert np.array_equal(scaled, scale * jax.grad(loss)(theta)) and scaled.any()
    assert not np.allclose(jax.grad(lambda theta: scale * loss(theta))(theta), scaled)


# ---- 6. layouts ----


def test_6_transposed_and_repeated_arrays():
    theta, w = jnp.asarray(scores(N, B)), scores(seed=1)
    assert np.array_equal(jax.jit(lambda x: lj.topk(x.T, K, KEY))(theta), lj.topk(np.asarray(theta).T.copy(), K, KEY))
    row = scores(N)
    assert np.array_equal(
        jax.jit(lambda x: lj.topk(jnp.broadcast_to(x, (B, N)), K, KEY))(row), lj.topk(np.tile(row, (B, 1)), K, KEY)
    )
    # A sum hands back one number for all: a gradient without memory of its own.
    grad = jax.grad(lambda x: lj.topk(x, K, KEY, reduction="sum").sum())(w)
    assert np.array_equal(grad, libimle.TopK(K).gradient(w, np.ones_like(w), libimle.Key(1)).grad_theta)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_6_half_precision_is_cast_at_the_door(dtype):
    theta = jnp.asarray(scores(), dtype)
    z, grad = lj.topk(theta, K, KEY), jax.grad(lambda theta: (lj.topk(theta, K, KEY) * theta).sum())(theta)
    assert z.dtype == grad.dtype == dtype and grad.any()
    if dtype == "float16":
        assert Naive(K)(theta).dtype == "float32"
    else:  # NumPy does not know it
        with pytest.raises(Exception, match="has dtype bfloat16"):
            jax.block_until_ready(Naive(K)(theta))


# ---- 7. flushed subnormals ----


def test_7_subnormal_scores_are_told_apart():
    """XLA flushes subnormal numbers to 0, so its own argmax cannot tell these scores apart."""
    theta = np.array([[0, 1e-40, -1e-41, 3e-42], [1e-44, 0, 2e-44, 1e-45]], np.float32)
    assert jnp.argmax(theta, -1).tolist() == [0, 0]
    assert lj.argmax(theta, None, return_indices=True)[1].tolist() == [1, 2]
    for k in (1, 2):
        assert np.array_equal(lj.topk(theta, k, None), libimle.TopK(k).map(theta).z)
    for target in ("linear", "combinatorial"):
        options = {"target": target, "temperature": 0.0, "target_temperature": 0.0}
        layer = libimle.TopK(2, **options)
        dz = np.array([[0, -1e-40, 1e-41, 3e-42], [1e-44, 0, 2e-44, 1e-45]], np.float32)
        choose = lambda theta: lj.topk(theta, 2, KEY, reduction="sum", **options)  # noqa: B023, E731
        (grad,) = jax.vjp(choose, jnp.asarray(theta))[1](jnp.asarray(dz))
        expected = layer.gradient(theta, dz, libimle.Key(1)).grad_theta
        assert expected.any() and np.array_equal(grad, expected)


# ---- 8. evaluation ----


def test_8_without_a_key_the_choice_has_no_noise():
    theta = scores()
    quiet = lj.topk(theta, K, None)
    assert np.array_equal(quiet, libimle.TopK(K).map(theta).z)
    assert not np.array_equal(quiet, lj.topk(theta, K, KEY))
    with pytest.raises(TypeError):
        lj.topk(theta, K)  # a key that is forgotten is not taken for None
