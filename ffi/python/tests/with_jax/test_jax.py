"""libimle.jax against libimle for NumPy, bit for bit, and against sums over all states."""

import functools
import itertools
import math
import subprocess
import sys

import jax
import jax.numpy as jnp
import libimle
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import libimle.jax as lj

B, N, K, S = 6, 12, 3, 4
KEY, SEED = jax.random.key(42), libimle.Key(42)
KEYS = jax.random.split(KEY, B)


def scores(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape or (B, N)).astype(np.float32)


def same(actual, expected):
    actual, expected = np.asarray(actual), np.asarray(expected)
    return actual.dtype == expected.dtype and np.array_equal(actual, expected, equal_nan=True)


def pull(function, theta, dz):
    """The gradient that an incoming one, dz, becomes, without any step of XLA between."""
    return jax.vjp(function, jnp.asarray(theta))[1](jnp.asarray(dz))[0]


# ---- the same bits as NumPy ----

OPTIONS = [
    {},
    {"noise": "logistic", "temperature": 0.5, "target_temperature": 2.0},
    {"noise": "normal", "coupling": "stratified", "alpha": 0.75},
    {"noise": "sum_of_gamma", "sog_terms": 5, "sog_kappa": 3.0},
    {"noise": "sum_of_gamma", "sog_terms": math.inf},
    {"noise": "none", "lambda_": 5.0},
    {"difference": "central", "lambda_": 3.0},
    {"target": "combinatorial"},
    {"scale": "none", "lambda_": 0.3},
    {"threads": 2},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("samples", [None, S])
def test_topk(options, samples):
    theta, dz = scores(), scores(B, S, N, seed=1)
    theta[1, :5] = -math.inf
    shape = (B, N) if samples is None else (B, S, N)
    dz = np.ascontiguousarray(dz[:, : samples or 1]).reshape(shape)
    layer = libimle.TopK(K, samples=samples or 1, **options)
    states = layer.sample(theta, SEED)
    z, indices = lj.topk(theta, K, KEY, samples=samples, return_indices=True, **options)
    assert same(z, states.z.reshape(shape)) and same(indices, states.indices.reshape(*shape[:-1], K))
    grad = pull(lambda x: lj.topk(x, K, KEY, samples=samples, reduction="sum", **options), theta, dz)
    expected = layer.gradient(theta, dz.reshape(B, -1, N), SEED).grad_theta
    assert expected.any() and same(grad, expected * np.float32(samples or 1))


@pytest.mark.parametrize("samples", [None, S])
def test_argmax(samples):
    theta = scores(2, 3, N)
    shape = (2, 3, N) if samples is None else (2, 3, S, N)
    dz = scores(*shape, seed=1)
    layer = libimle.Argmax(samples=samples or 1)
    z, indices = lj.argmax(theta, KEY, samples=samples, return_indices=True)
    states = layer.sample(theta, SEED)
    assert same(z, states.z.reshape(shape)) and same(indices, states.indices.reshape(shape[:-1]))
    grad = pull(lambda x: lj.argmax(x, KEY, samples=samples, reduction="sum"), theta, dz)
    assert same(grad, layer.gradient(theta, dz.reshape(2, 3, -1, N), SEED).grad_theta * np.float32(samples or 1))


def test_the_choice_without_noise_has_no_gradient():
    theta = scores()
    assert same(lj.topk(theta, K, None), libimle.TopK(K).map(theta).z)
    assert same(lj.topk(theta, K, None, samples=S), libimle.TopK(K).map(theta).z[:, None])
    assert same(lj.argmax(theta, None, return_indices=True)[1], libimle.Argmax().map(theta).indices)
    assert same(lj.simple(theta, K, None), libimle.TopK(K).map(theta).z)
    assert not jax.grad(lambda x: (lj.topk(x, K, None) * theta).sum())(theta).any()


def test_k_of_each_row():
    theta, dz, ks = scores(), scores(seed=1), np.array([0, 1, 2, 3, 3, 1])
    layer = libimle.TopK(K)
    z, indices = lj.topk(theta, K, KEY, k_row=ks, return_indices=True)
    states = layer.sample(theta, SEED, k_row=ks)
    assert same(z, states.z[:, 0]) and same(indices, states.indices[:, 0])
    grad = pull(lambda x: lj.topk(x, K, KEY, k_row=ks, reduction="sum"), theta, dz)
    assert same(grad, layer.gradient(theta, dz, SEED, k_row=ks).grad_theta)


@pytest.mark.parametrize("samples", [1, S])
def test_fenchel_young(samples):
    theta, y = scores(), libimle.TopK(K).map(scores(seed=1)).z
    loss, grad = jax.value_and_grad(lambda x: lj.fenchel_young(x, y, K, KEY, samples=samples)[2])(theta)
    expected = libimle.TopK(K, samples=samples).fenchel_young(theta, y, SEED)
    assert same(loss, expected.loss[2]) and same(grad[2], expected.grad_theta[2]) and not grad[3:].any()


def test_straight_through():
    theta, dz = scores(), scores(B, S, N, seed=1)
    theta[2, 3] = -math.inf
    z = lj.topk(theta, K, KEY, samples=S)
    assert same(lj.straight_through(theta, z), z) and same(lj.straight_through(theta, z[:, 0]), z[:, 0])
    grad = pull(lambda x: lj.straight_through(x, z), theta, dz)
    np.testing.assert_allclose(grad, S * libimle.straight_through(theta, dz), rtol=1e-6)
    one = pull(lambda x: lj.straight_through(x, z[:, 0]), theta, dz[:, 0])
    assert same(one, libimle.straight_through(theta, dz[:, 0]))


# ---- keys ----


def test_keys():
    theta = scores()
    draw = lambda key: lj.topk(theta, K, key)  # noqa: E731
    of_library = lambda key: libimle.TopK(K).sample(theta, key).z[:, 0]  # noqa: E731
    big = libimle.Key(2**64 - 1, 2**63 + 5, row0=2**40, sample0=7)
    assert same(draw(big), of_library(big))
    assert same(draw(lj.key(big.seed, big.step, big.row0, big.sample0)), of_library(big))
    assert same(draw(jax.random.PRNGKey(42)), of_library(SEED))
    four = jax.random.key(42, impl="rbg")
    high, low, step_high, step_low = map(int, jax.random.key_data(four))
    assert same(draw(four), of_library(libimle.Key(high << 32 | low, step_high << 32 | step_low)))
    first, second = jax.random.split(KEY)
    assert not np.array_equal(draw(first), draw(second)) and same(draw(first), draw(first))


def test_the_numbers_of_rows():
    theta, ids = scores(), np.arange(B, dtype=np.uint64) + 2**40
    of_library = libimle.TopK(K).sample(theta, libimle.Key(42, row_ids=ids)).z[:, 0]
    assert same(lj.topk(theta, K, KEY, row_ids=ids), of_library)
    assert same(lj.topk(theta, K, libimle.Key(42, row_ids=ids)), of_library)


# ---- a solver ----


def best(scores):
    return (scores >= jnp.sort(scores, -1)[:, -K, None]).astype(jnp.float32)


SOLVERS = {"jax": best, "callback": lj.callback(lambda scores: np.asarray(libimle.TopK(K).map(scores).z))}


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    "options", [{}, {"difference": "central"}, {"scale": "none"}, {"target": "combinatorial"}, {"samples": S}]
)
def test_a_solver_that_finds_the_k_largest_is_topk(solver, reduction, options):
    theta = scores()
    dz = scores(B, S, N, seed=1) if "samples" in options else scores(seed=1)
    options = options | {"lambda_": 2.0, "reduction": reduction}
    by_solver = lambda x: lj.solve(solver, x, KEY, **options)  # noqa: E731
    by_library = lambda x: lj.topk(x, K, KEY, **options)  # noqa: E731
    assert same(by_solver(theta), by_library(theta))
    grad = pull(by_library, theta, dz)
    assert grad.any()
    np.testing.assert_allclose(pull(by_solver, theta, dz), grad, rtol=1e-6)
    assert same(lj.solve(solver, theta, None), lj.topk(theta, K, None))
    assert same(jax.vmap(by_solver)(theta), by_solver(theta))


def test_a_solver_of_the_wrong_shape():
    for solver in (lambda scores: scores[:, 1:], lj.callback(lambda scores: scores[:, 1:])):
        with pytest.raises(Exception, match="solver returned shape"):
            jax.block_until_ready(lj.solve(solver, scores(), KEY))


# ---- exact distributions ----

T = 0.7


def test_exact_bits():
    theta, other, exact = scores(), scores(seed=1), libimle.ExactTopK(K, temperature=T, samples=S)
    moments = exact.marginals(theta)
    assert same(lj.marginals(theta, K, temperature=T), moments.marginals)
    assert same(lj.log_partition(theta, K, temperature=T), moments.log_partition)
    assert same(lj.entropy(theta, K, temperature=T), moments.entropy)
    assert same(lj.log_partitions(theta, K, temperature=T), exact.log_partitions(theta))
    assert same(lj.kl(theta, other, K, temperature=T), exact.kl(theta, other))
    z, indices = lj.sample(theta, K, KEY, samples=S, temperature=T)
    states = exact.sample(theta, SEED)
    assert same(z, states.z) and same(indices, states.indices)
    assert same(lj.log_prob(theta, indices, K, temperature=T), exact.log_prob(theta, states.indices))
    assert same(lj.log_prob(theta, indices[:, 0], K, temperature=T), exact.log_prob(theta, states.indices)[:, 0])
    ks = np.array([0, 1, 2, 3, 3, 1])
    assert same(lj.marginals(theta, K, k_row=ks, temperature=T), exact.marginals(theta, k_row=ks).marginals)


def test_exact_gradients_have_the_bits_of_the_library():
    theta, exact = scores(), libimle.ExactTopK(K, temperature=T, samples=S)
    v, dz, losses = scores(seed=1), scores(B, S, N, seed=2), scores(B, S, seed=3)
    indices = exact.sample(theta, SEED).indices
    assert same(pull(lambda x: lj.marginals(x, K, temperature=T), theta, v), exact.marginals_vjp(theta, v))
    simple = lambda x: lj.simple(x, K, KEY, samples=S, temperature=T)  # noqa: E731
    assert same(pull(simple, theta, dz), S * exact.simple(theta, dz))
    ones = np.full((B, S), 1 / S, np.float32)  # a mean over the samples
    estimate = lambda x: lj.score_function(losses, x, indices, K, temperature=T)  # noqa: E731
    assert same(pull(estimate, theta, ones), exact.score_function(theta, indices, losses))
    estimate = lambda x: lj.unbiased_simple(losses, dz, x, indices, K, temperature=T)  # noqa: E731
    assert same(pull(estimate, theta, ones), exact.unbiased_simple(theta, indices, dz, losses))
    wrapped = lambda losses: lj.score_function(losses, theta, indices, K)  # noqa: E731
    assert same(wrapped(losses), losses) and same(pull(wrapped, losses, ones), ones)


def by_enumeration(k, row, other):
    """ln p(z) of all states, as a float64 function: A, H, KL to `other`, and the states."""
    states = np.array([np.isin(np.arange(len(row)), c) for c in itertools.combinations(range(len(row)), k)], float)

    def law(row):
        weights = states @ row / T
        top = weights.max()
        partition = top + np.log(np.exp(weights - top).sum())
        return weights - partition, partition

    log_p, partition = law(row)
    p = np.exp(log_p)
    return {
        "log_partition": partition,
        "entropy": -(p * log_p).sum(),
        "kl": (p * (log_p - law(other)[0])).sum(),
        "log_prob": log_p[3],
    }, states[3]


def slope(function, row):
    """The gradient by central differences in float64, exact to about 1e-9."""
    steps = np.eye(len(row)) * 1e-5
    return np.array([(function(row + step) - function(row - step)) / 2e-5 for step in steps])


def test_exact_gradients_against_enumeration():
    n, k = 7, 3
    theta, other = scores(2, n), scores(2, n, seed=1)
    state = by_enumeration(k, theta[0], other[0])[1]
    indices = np.tile(np.flatnonzero(state).astype(np.uint32), (2, 1))
    functions = {
        "log_partition": lambda x: lj.log_partition(x, k, temperature=T),
        "entropy": lambda x: lj.entropy(x, k, temperature=T),
        "kl": lambda x: lj.kl(x, other, k, temperature=T),
        "log_prob": lambda x: lj.log_prob(x, indices, k, temperature=T),
    }
    weights = np.array([1.5, -2.0], np.float32)
    for name, function in functions.items():
        grad = pull(function, theta, weights)
        for b in range(2):
            row, of = theta[b].astype(float), other[b].astype(float)
            expected = weights[b] * slope(lambda row: by_enumeration(k, row, of)[0][name], row)  # noqa: B023
            np.testing.assert_allclose(grad[b], expected, atol=2e-5, err_msg=name)
    # KL has a gradient with respect to q, too.
    grad = pull(lambda x: lj.kl(theta, x, k, temperature=T), other, weights)
    for b in range(2):
        row = theta[b].astype(float)
        of_other = lambda of: by_enumeration(k, row, of)[0]["kl"]  # noqa: B023, E731
        np.testing.assert_allclose(grad[b], weights[b] * slope(of_other, other[b].astype(float)), atol=2e-5)


def test_exact_gradients_with_masks():
    theta, ones = scores(1, 7), np.ones(1, np.float32)
    theta[0, 2] = -math.inf
    rest = np.delete(theta, 2, 1)
    indices = np.array([[0, 1, 3]], np.uint32)
    for function in (
        lambda x: lj.log_partition(x, 3),
        lambda x: lj.entropy(x, 3),
        lambda x: lj.kl(x, jnp.where(jnp.isinf(x), -jnp.inf, 0.0), 3),
    ):
        grad = np.asarray(pull(function, theta, ones))
        assert grad[0, 2] == 0
        np.testing.assert_allclose(np.delete(grad, 2, 1), pull(function, rest, ones), atol=1e-6)
    grad = pull(lambda x: lj.log_prob(x, indices, 3), theta, ones)
    assert grad[0, 2] == 0 and np.isfinite(grad).all()


def test_log_partitions_gradient():
    theta, v = scores(), scores(B, K + 1, seed=1)
    grad = pull(lambda x: lj.log_partitions(x, K), theta, v)
    assert same(grad, libimle.ExactTopK(K).log_partitions_vjp(theta, v))


# ---- transforms ----


def loss(theta, w, key=KEY, **options):
    return (lj.topk(theta, K, key, **options) * w).sum(-1).mean()


def test_jit_scan_and_remat():
    theta, w = jnp.asarray(scores()), scores(seed=1)
    grad = jax.grad(loss)(theta, w)
    assert grad.any()
    for transformed in (jax.jit(jax.grad(loss)), jax.grad(jax.checkpoint(loss)), jax.jit(jax.grad(jax.remat(loss)))):
        assert same(transformed(theta, w), grad)
    _, z = jax.lax.scan(lambda carry, step: (carry, lj.topk(theta, K, lj.key(7, step))), 0, jnp.arange(4))
    for step in range(4):
        assert same(z[step], lj.topk(theta, K, libimle.Key(7, step)))


def test_lambda_and_temperature_may_be_traced():
    theta, w = jnp.asarray(scores()), scores(seed=1)
    traces = []

    @jax.jit
    def gradient(lambda_, temperature):
        traces.append(1)
        return jax.grad(loss)(theta, w, lambda_=lambda_, temperature=temperature)

    for lambda_, temperature in ((1.0, 1.0), (2.0, 0.5)):
        expected = jax.grad(loss)(theta, w, lambda_=lambda_, temperature=temperature)
        assert same(gradient(lambda_, temperature), expected)
    assert len(traces) == 1


def test_vmap_over_keys_is_one_call_for_each():
    theta, w = jnp.asarray(scores(B, 2, N)), scores(B, 2, N, seed=1)
    together = jax.vmap(jax.value_and_grad(loss))(theta, w, KEYS)
    one_by_one = [jax.value_and_grad(loss)(theta[b], w[b], KEYS[b]) for b in range(B)]
    for b in range(B):
        assert same(together[0][b], one_by_one[b][0]) and same(together[1][b], one_by_one[b][1])
    shared = jax.vmap(lambda key: lj.topk(theta[0], K, key))(KEYS)
    assert all(same(shared[b], lj.topk(theta[0], K, KEYS[b])) for b in range(B))


def test_vmap_over_lambda_and_temperature():
    theta, w = jnp.asarray(scores()), scores(seed=1)
    for name in ("lambda_", "temperature", "loss_scale"):
        gradient = lambda number: jax.grad(loss)(theta, w, **{name: number})  # noqa: B023, E731
        values = jnp.array([0.5, 1.0, 2.0])
        for value, grad in zip(values, jax.vmap(gradient)(values)):
            assert same(grad, gradient(float(value))), name


def test_nested_vmap_is_the_whole_batch():
    theta, dz = jnp.asarray(scores(2, 3, N)), scores(2, 3, N, seed=1)
    function = lambda row: lj.topk(row, K, KEY, reduction="sum")  # noqa: E731
    nested = jax.vmap(jax.vmap(function))
    assert same(nested(theta), function(theta)) and same(pull(nested, theta, dz), pull(function, theta, dz))
    swapped = jax.vmap(jax.vmap(function, in_axes=0), in_axes=1, out_axes=1)(theta)
    assert same(jnp.swapaxes(swapped, 0, 1), function(jnp.swapaxes(theta, 0, 1)))
    # Keys differ in the inner dimension only: in the outer one rows still have noise of their own.
    keys = jax.random.split(KEY, 3)
    z = jax.vmap(lambda rows: jax.vmap(lambda row, key: lj.topk(row, K, key))(rows, keys))(jnp.zeros((2, 3, N)))
    for i in range(3):
        assert same(z[:, i], lj.topk(jnp.zeros((2, N)), K, keys[i]))


def test_vmap_with_rows_of_ones_own():
    theta, ids, ks = jnp.asarray(scores()), jnp.array([3, 1, 4, 0, 5, 2]), jnp.array([0, 1, 2, 3, 3, 1])
    function = lambda theta, ids, ks: lj.topk(theta, K, KEY, row_ids=ids, k_row=ks)  # noqa: E731
    assert same(jax.vmap(function)(theta, ids, ks), function(theta, ids, ks))



def first(theta, k):
    """The indices 0 to k - 1 in every row."""
    return jnp.broadcast_to(jnp.arange(k), (*theta.shape[:-1], k))


EXACT = {
    "marginals": lj.marginals,
    "log_partition": lj.log_partition,
    "log_partitions": lj.log_partitions,
    "entropy": lj.entropy,
    "simple": functools.partial(lj.simple, key=KEY, samples=S),
    "kl": lambda theta, k, **options: lj.kl(theta, 0 * theta, k, **options),
    "log_prob": lambda theta, k, **options: lj.log_prob(theta, first(theta, k), k, **options),
}


@pytest.mark.parametrize("function", EXACT.values(), ids=EXACT)
def test_vmap_of_exact_functions(function):
    theta = jnp.asarray(scores())

    def both(theta, temperature):
        result, back = jax.vjp(lambda theta: function(theta, K, temperature=temperature), theta)
        return result, back(jnp.ones_like(result))[0]

    for mapped, whole in zip(jax.vmap(both, (0, None))(theta, 0.7), both(theta, 0.7)):
        assert same(mapped, whole)
    values = jnp.array([0.5, 2.0])
    mapped = jax.vmap(both, (None, 0))(theta, values)
    for i, value in enumerate(values):
        one = both(theta, value)
        assert same(mapped[0][i], one[0]) and same(mapped[1][i], one[1])


def test_a_jacobian_has_the_rows_of_its_forward_pass():
    """Only the gradient is mapped here. Each row of the Jacobian is the gradient of one call."""
    theta = jnp.asarray(scores(3, N))
    for choose in (
        lambda x: lj.topk(x, K, KEY, reduction="sum"),
        lambda x: lj.solve(best, x, KEY, reduction="sum"),
        lambda x: lj.simple(x, K, KEY),
    ):
        jacobian = jax.jacrev(lambda x: choose(x).ravel())(theta)  # noqa: B023
        for i in range(3 * N):
            one = np.eye(3 * N, dtype=np.float32)[i].reshape(3, N)
            assert same(jacobian[i], pull(choose, theta, one))


def test_no_second_derivative():
    theta, w = jnp.asarray(scores()), scores(seed=1)
    with pytest.raises(TypeError, match="second derivative"):
        jax.grad(lambda x: jax.grad(loss)(x, w).sum())(theta)


# ---- devices ----

MESH = Mesh(np.array(jax.devices()), ("rows",))
BY_ROWS = NamedSharding(MESH, PartitionSpec("rows"))


def test_there_are_two_devices():
    assert len(jax.devices()) == 2


@pytest.mark.parametrize("function", ["topk", "argmax", "solve", "simple", "marginals", "entropy", "fenchel_young"])
def test_sharded_rows_stay_where_they_are(function):
    theta = jnp.asarray(scores())
    y = lj.topk(theta, K, None)
    call = {
        "topk": lambda x: lj.topk(x, K, KEY, samples=S),
        "argmax": lambda x: lj.argmax(x, KEY),
        "solve": lambda x: lj.solve(best, x, KEY),
        "simple": lambda x: lj.simple(x, K, KEY),
        "marginals": lambda x: lj.marginals(x, K),
        "entropy": lambda x: lj.entropy(x, K),
        "fenchel_young": lambda x: lj.fenchel_young(x, y, K, KEY),
    }[function]

    def both(x):
        result, back = jax.vjp(call, x)
        return result, back(jnp.cos(jnp.arange(result.size, dtype=jnp.float32)).reshape(result.shape))[0]

    compiled = jax.jit(both).lower(jax.device_put(theta, BY_ROWS)).compile()
    sharded, whole = compiled(jax.device_put(theta, BY_ROWS)), jax.jit(both)(theta)
    for part, all_rows in zip(sharded, whole):
        assert same(part, all_rows) and part.sharding.is_equivalent_to(BY_ROWS, part.ndim)
    assert "all-gather" not in compiled.as_text()
    assert whole[1].any()


def test_sharded_rows_under_vmap_and_in_a_second_dimension():
    theta = jnp.asarray(scores(2, 4, N))
    whole = lj.topk(theta, K, KEY)
    for spec in (PartitionSpec("rows"), PartitionSpec(None, "rows")):
        cut = jax.device_put(theta, NamedSharding(MESH, spec))
        assert same(lj.topk(cut, K, KEY), whole) and same(jax.vmap(lambda x: lj.topk(x, K, KEY))(cut), whole)
    # Scores of a row that lie on two devices are brought together.
    cut = jax.device_put(theta, NamedSharding(MESH, PartitionSpec(None, None, "rows")))
    assert same(lj.topk(cut, K, KEY), whole)


def test_explicit_axes():
    theta, w = jnp.asarray(scores()), scores(seed=1)
    mesh = jax.make_mesh((2,), ("rows",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        cut = jax.device_put(theta, NamedSharding(mesh, PartitionSpec("rows")))
        z, grad = lj.topk(cut, K, KEY), jax.grad(loss)(cut, w)
        assert jax.typeof(z).sharding.spec[0] == jax.typeof(grad).sharding.spec[0] == "rows"
    assert same(z, lj.topk(theta, K, KEY)) and same(grad, jax.grad(loss)(theta, w))


def test_shard_map_by_the_first_row():
    theta, w = jnp.asarray(scores()), jnp.asarray(scores(seed=1))

    def on_device(theta, w):
        key = lj.key(42, row0=jax.lax.axis_index("rows") * theta.shape[0])
        return lj.topk(theta, K, key, reduction="sum") * w

    everywhere = jax.shard_map(on_device, mesh=MESH, in_specs=PartitionSpec("rows"), out_specs=PartitionSpec("rows"))
    assert same(jax.jit(everywhere)(theta, w), lj.topk(theta, K, KEY) * w)
    grad = jax.jit(jax.grad(lambda x: everywhere(x, w).sum()))(theta)
    assert same(grad, pull(lambda x: lj.topk(x, K, KEY, reduction="sum"), theta, w))
    # The same key on every device, the naive way: rows of both have the same noise.
    naive = jax.shard_map(
        lambda x: lj.topk(x, K, KEY), mesh=MESH, in_specs=PartitionSpec("rows"), out_specs=PartitionSpec("rows")
    )
    z = np.asarray(naive(jnp.zeros((B, N))))
    assert np.array_equal(z[: B // 2], z[B // 2 :])


# ---- arrays ----


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_other_dtypes(dtype):
    with jax.enable_x64(dtype == "float64"):
        theta, w = jnp.asarray(scores(), dtype), jnp.asarray(scores(seed=1), dtype)
        z = lj.topk(theta, K, KEY)
        grad = jax.grad(loss)(theta, w)
        assert z.dtype == grad.dtype == lj.marginals(theta, K).dtype == dtype
        assert np.array_equal(z, lj.topk(theta.astype(jnp.float32), K, KEY))
        assert grad.any()


def test_no_rows():
    theta = jnp.zeros((0, 5))
    z, indices = lj.topk(theta, 2, KEY, return_indices=True)
    assert z.shape == (0, 5) and indices.shape == (0, 2)
    assert jax.grad(lambda x: lj.topk(x, 2, KEY).sum())(theta).shape == (0, 5)
    assert lj.marginals(theta, 2).shape == (0, 5) and lj.log_partition(theta, 2).shape == (0,)


def test_one_row_and_k_0():
    theta = scores(N)
    assert same(lj.topk(theta, K, KEY), libimle.TopK(K).sample(theta, SEED).z[0])
    z, indices = lj.topk(theta, 0, KEY, return_indices=True)
    assert not z.any() and indices.shape == (0,)


# ---- bad input ----

BEFORE = [
    ("theta", lambda: lj.topk(3.0, 1, KEY)),
    ("theta", lambda: lj.topk(np.zeros((2, 0), np.float32), 0, KEY)),
    ("theta", lambda: lj.topk(np.zeros((2, 3), int), 1, KEY)),
    ("theta", lambda: lj.topk(np.zeros((2, 3), complex), 1, KEY)),
    ("k", lambda: lj.topk(scores(), N + 1, KEY)),
    ("k", lambda: lj.topk(scores(), -1, KEY)),
    ("k", lambda: lj.marginals(scores(), 1.5)),
    ("key", lambda: lj.topk(scores(), K, 3)),
    ("key", lambda: lj.topk(scores(), K, jax.random.split(KEY))),
    ("key", lambda: lj.topk(scores(), K, jnp.zeros(3, jnp.uint32))),
    ("key", lambda: lj.fenchel_young(scores(), scores(), K, None)),
    ("key", lambda: lj.sample(scores(), K, jnp.zeros(2))),
    ("seed", lambda: lj.key(-1)),
    ("step", lambda: lj.key(1, 2**64)),
    ("step", lambda: lj.key(1, jnp.arange(2))),
    ("row_ids", lambda: lj.topk(scores(), K, KEY, row_ids=np.arange(3))),
    ("row_ids", lambda: lj.topk(scores(), K, KEY, row_ids=-np.arange(B))),
    ("row_ids", lambda: lj.topk(scores(), K, KEY, row_ids=jnp.ones(B))),
    ("row_ids", lambda: lj.topk(scores(), K, libimle.Key(1, row_ids=np.arange(B)), row_ids=np.arange(B))),
    ("k_row", lambda: lj.topk(scores(), K, KEY, k_row=np.arange(3))),
    ("k_row", lambda: lj.topk(scores(), K, KEY, k_row=-np.arange(B))),
    ("reduction", lambda: lj.topk(scores(), K, KEY, reduction="none")),
    ("loss_scale", lambda: lj.topk(scores(), K, KEY, loss_scale=0.0)),
    ("lambda_", lambda: lj.topk(scores(), K, KEY, lambda_=-1.0)),
    ("lambda_", lambda: lj.topk(scores(), K, KEY, lambda_=jnp.ones(2))),
    ("temperature", lambda: lj.topk(scores(), K, KEY, temperature=math.nan)),
    ("temperature", lambda: lj.marginals(scores(), K, temperature=0.0)),
    ("noise", lambda: lj.topk(scores(), K, KEY, noise="uniform")),
    ("samples", lambda: lj.topk(scores(), K, KEY, samples=0)),
    ("samples", lambda: lj.score_function(np.ones((B, 1)), scores(), np.zeros((B, 1, K), int), K)),
    ("y", lambda: lj.fenchel_young(scores(), scores(3), K, KEY)),
    ("z", lambda: lj.straight_through(scores(), scores(3, N))),
    ("indices", lambda: lj.log_prob(scores(), np.zeros((B, S, K + 1), int), K)),
    ("losses", lambda: lj.score_function(np.ones((3, S)), scores(), np.zeros((B, S, K), int), K)),
    ("dz", lambda: lj.unbiased_simple(np.ones((B, S)), scores(), scores(), np.zeros((B, S, K), int), K)),
    ("theta_other", lambda: lj.kl(scores(), scores(N), K)),
]


@pytest.mark.parametrize("argument, call", BEFORE)
def test_wrong_arguments(argument, call):
    with pytest.raises(libimle.Error) as caught:
        call()
    assert caught.value.argument == argument, caught.value


def with_value(value, place=(4, 0)):
    theta = scores()
    theta[place] = value
    return theta


AT_RUN = [
    ("theta has NaN or .inf in row 4", lambda: lj.topk(with_value(math.nan), K, KEY)),
    ("theta has NaN or .inf in row 4", lambda: jax.jit(lambda x: lj.argmax(x, KEY))(with_value(math.inf))),
    ("theta has NaN or .inf in row 4", lambda: lj.solve(best, with_value(math.nan), KEY)),
    ("theta has NaN or .inf in row 4", lambda: lj.marginals(with_value(math.nan), K)),
    ("theta has 1 scores above -inf in row 2", lambda: lj.topk(with_value(-math.inf, (2, slice(1, N))), K, KEY)),
    ("theta_other has NaN or .inf in row 4", lambda: lj.kl(scores(), with_value(math.nan), K)),
    ("k_row is 4 in row 1", lambda: lj.topk(scores(), K, KEY, k_row=np.array([3, 4, 3, 3, 3, 3]))),
    ("y has NaN or an infinity in row 4", lambda: lj.fenchel_young(scores(), with_value(math.inf), K, KEY)),
    ("indices are no state in row 0", lambda: lj.log_prob(scores(), np.zeros((B, S, K), int), K)),
    ("lambda_ is -1.0", lambda: lj.topk(scores(), K, KEY, lambda_=jnp.float32(-1))),
    ("lambda_ is nan", lambda: jax.jit(lambda x: lj.topk(scores(), K, KEY, lambda_=x))(math.nan)),
    ("temperature is 0.0", lambda: lj.marginals(scores(), K, temperature=jnp.float32(0))),
    ("loss_scale is 0.0", lambda: pull(lambda x: lj.topk(x, K, KEY, loss_scale=jnp.float32(0)), scores(), scores())),
    ("mapped call 4", lambda: jax.vmap(lambda x, key: lj.topk(x, K, key))(with_value(math.nan), KEYS)),
]


@pytest.mark.parametrize("message, call", AT_RUN)
def test_bad_numbers(message, call):
    with pytest.raises(Exception, match=message):
        jax.block_until_ready(call())


NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e-40, 3e38, math.nan, math.inf, -math.inf])


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_input_gives_what_numpy_gives(data):
    """The same bits, or an error where NumPy has one; never a crash."""
    rows, n, k = data.draw(st.integers(0, 2)), data.draw(st.integers(1, 3)), data.draw(st.integers(-1, 4))
    theta, dz = (
        np.array(data.draw(st.lists(NUMBERS, min_size=rows * n, max_size=rows * n)), np.float32).reshape(rows, n)
        for _ in range(2)
    )
    ks = data.draw(st.none() | st.lists(st.integers(-1, 4), min_size=rows, max_size=rows))
    try:
        layer = libimle.TopK(k)
        expected = layer.sample(theta, SEED, k_row=ks).z[:, 0]
    except libimle.Error as error:
        expected = error
    try:
        choose = lambda theta: lj.topk(theta, k, KEY, k_row=ks, reduction="sum")  # noqa: E731
        z, back = jax.vjp(choose, jnp.asarray(theta))
        z, grad = jax.block_until_ready((z, back(jnp.asarray(dz))[0]))
    except Exception as error:
        assert isinstance(expected, libimle.Error) and str(expected) in str(error), (expected, error)
        return
    assert same(z, expected)
    bad = ~np.isfinite(dz).all(1)
    assert np.isnan(np.asarray(grad)[bad]).all() and np.isfinite(np.asarray(grad)[~bad]).all()
    dz[bad] = 0
    assert same(np.asarray(grad)[~bad], layer.gradient(theta, dz, SEED, k_row=ks).grad_theta[~bad])


def test_a_build_without_handlers_says_so():
    program = "import sys; sys.modules['libimle.jax._handlers'] = None; import libimle.jax"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 1 and "ImportError: this build of libimle has no handlers for JAX" in run.stderr


def test_functions_have_their_documentation():
    for name in lj.__all__:
        assert getattr(lj, name).__doc__, name


def test_threads_change_no_bit():
    theta = jnp.asarray(scores(4096, N))
    assert same(lj.topk(theta, K, KEY, threads=2), lj.topk(theta, K, KEY))
