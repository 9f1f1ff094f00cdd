"""The functions against plain NumPy in f64: full sorts, enumeration of all states, and the formulas as they stand."""

import itertools
import math

import libimle
import numpy as np
import pytest

ROWS, S, N = 5, 3, 8
KEY = libimle.Key(seed=11, step=4)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def top_k(scores, k):
    """k-hot states of the k largest scores of each row; among equal scores the lower index wins."""
    z = np.zeros(scores.shape)
    np.put_along_axis(z, np.argsort(-scores, axis=-1, kind="stable")[..., :k], 1.0, axis=-1)
    return z


def f32(*arrays):
    return [np.asarray(array, np.float32) for array in arrays]


# ---- MAP, samples and gradients ----


@pytest.mark.parametrize("n, k", [(1, 0), (1, 1), (2, 1), (9, 4), (40, 40), (350, 10), (1000, 3)])
def test_map_with_ties(n, k):
    theta = np.random.default_rng(n).integers(-3, 4, (20, n)).astype(np.float32)  # many equal scores
    theta[theta == 0] = -0.0
    theta[::2][theta[::2] == 0] = 0.0
    states = libimle.TopK(k).map(theta)
    assert np.array_equal(states.z, top_k(theta, k))
    ones = np.nonzero(states.z)[1].reshape(20, k)  # ascending within a row
    assert np.array_equal(states.indices, ones)
    if k == 1:
        argmax = libimle.Argmax().map(theta)
        assert np.array_equal(argmax.z, states.z)
        assert np.array_equal(argmax.indices, theta.argmax(axis=-1))


@pytest.mark.parametrize("noise", ["none", "gumbel", "logistic", "normal", "sum_of_gamma"])
@pytest.mark.parametrize("coupling", ["independent", "stratified"])
def test_samples_are_map_of_perturbed_scores(noise, coupling):
    theta = normal(1, ROWS, N)
    layer = libimle.TopK(3, samples=S, noise=noise, temperature=0.5, coupling=coupling, sog_kappa=3)
    eps = layer.noise_of(theta.shape, KEY)
    scores = theta[:, None] + np.float32(0.5) * eps
    states = layer.sample(theta, KEY, marginals=True)
    assert np.array_equal(layer.perturb(theta, KEY), scores)
    assert np.array_equal(states.z, top_k(scores, 3))
    assert np.allclose(states.marginals, states.z.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("difference", ["forward", "central"])
@pytest.mark.parametrize("scale", ["inverse_lambda", "none"])
@pytest.mark.parametrize("shared", [False, True])
def test_gradient(difference, scale, shared):
    theta = normal(2, ROWS, N)
    theta[1, 2:4] = -np.inf
    dz = normal(3, ROWS, N) if shared else normal(3, ROWS, S, N)
    layer = libimle.TopK(
        3,
        samples=S,
        temperature=0.5,
        target_temperature=0.75,
        alpha=0.9,
        lambda_=2.0,
        difference=difference,
        scale=scale,
        noise="logistic",
    )
    eps = layer.noise_of(theta.shape, KEY)
    alpha, lambda_, tau, tau_target = f32(0.9, 2.0, 0.5, 0.75)
    step = lambda_ * (dz[:, None] if shared else dz)
    z = top_k(theta[:, None] + tau * eps, 3)
    lower = top_k((alpha * theta[:, None] - step) + tau_target * eps, 3)
    upper = top_k((alpha * theta[:, None] + step) + tau_target * eps, 3)
    change = z - lower if difference == "forward" else (upper - lower) / 2
    expected = change.mean(axis=1) * (0.5 if scale == "inverse_lambda" else 1.0)

    grad = layer.gradient(theta, dz, KEY)
    assert np.allclose(grad.grad_theta, expected, rtol=1e-6, atol=0)
    compared = change if difference == "forward" else change * 2
    assert grad.diagnostics.states == ROWS * S
    assert grad.diagnostics.nonzeros == np.count_nonzero(compared)
    assert grad.diagnostics.unchanged == np.sum(~compared.any(axis=-1))


def test_combinatorial_target():
    theta, dz = normal(4, ROWS, N), normal(5, ROWS, N) * (normal(6, ROWS, N) > 0)
    layer = libimle.TopK(2, target="combinatorial", lambda_=7.0)
    eps = layer.noise_of(theta.shape, KEY)
    target = np.where(dz == 0, theta, -dz)[:, None]
    expected = (top_k(theta[:, None] + eps, 2) - top_k(target + eps, 2))[:, 0]
    assert np.array_equal(layer.gradient(theta, dz, KEY).grad_theta, expected)


def test_fenchel_young():
    theta, y = normal(7, ROWS, N), top_k(normal(8, ROWS, N), 3)
    layer = libimle.TopK(3, samples=S)
    scores = theta[:, None].astype(float) + layer.noise_of(theta.shape, KEY)
    z = layer.sample(theta, KEY).z
    loss, grad_theta = layer.fenchel_young(theta, y, KEY)
    assert np.allclose(loss, (z * scores).sum(axis=-1).mean(axis=-1) - (theta * y).sum(axis=-1), rtol=1e-5, atol=1e-5)
    assert np.allclose(grad_theta, z.mean(axis=1) - y, atol=1e-6)


def test_straight_through():
    theta, dz = normal(9, ROWS, N), normal(10, ROWS, S, N)
    theta[0, 1] = -np.inf
    expected = np.where(theta == -np.inf, 0, dz.mean(axis=1, dtype=float))
    assert np.allclose(libimle.straight_through(theta, dz), expected, atol=1e-6)
    assert np.array_equal(libimle.straight_through(theta, dz[:, 0]), np.where(theta == -np.inf, 0, dz[:, 0]))


@pytest.mark.parametrize(
    "noise, slope",
    [("gumbel", lambda eps: 1 - np.exp(-eps)), ("logistic", lambda eps: np.tanh(eps / 2)), ("normal", lambda eps: eps)],
)
def test_perturbed_gradient(noise, slope):
    theta, losses = normal(11, ROWS, N), normal(12, ROWS, S)
    layer = libimle.Argmax(samples=S, noise=noise, temperature=0.5)
    eps = layer.noise_of(theta.shape, KEY).astype(float)
    others = (losses.sum(axis=1, keepdims=True) - losses) / (S - 1)
    expected = ((losses - others)[..., None] * slope(eps) / 0.5).mean(axis=1)
    assert np.allclose(layer.perturbed_gradient(theta, losses, KEY), expected, rtol=1e-4, atol=1e-5)


# ---- the exact distributions, by enumeration ----


def subsets(n, k):
    """All states with k ones of n."""
    return np.array([[i in ones for i in range(n)] for ones in itertools.combinations(range(n), k)], float)


class Enumerated:
    """p(z) of one row on all states."""

    def __init__(self, theta, states, temperature):
        self.states = states
        scores = np.where(self.states > 0, theta, 0).sum(axis=1).astype(float) / temperature
        self.log_partition = np.logaddexp.reduce(scores)
        self.log_p = scores - self.log_partition
        self.p = np.exp(self.log_p)
        self.mean = self.p @ self.states
        centred = self.states - self.mean
        self.covariance = centred.T @ (self.p[:, None] * centred) / temperature


def check_exact(exact, states, theta, other):
    """Compares all functions of a distribution on the given states, whose theta has any shape, [ROWS, ...]."""
    shape, ones = theta.shape[1:], int(states[0].sum())
    flat = lambda a: a.reshape(*a.shape[: a.ndim - len(shape)], -1)  # noqa: E731
    v, dz, losses = normal(15, *theta.shape), normal(16, ROWS, S, *shape), normal(17, ROWS, S)
    z, indices, _ = exact.sample(theta, KEY)
    z = flat(z)
    assert np.array_equal(z.sum(axis=-1), np.full((ROWS, S), ones))
    assert np.array_equal(np.nonzero(z)[2].reshape(ROWS, S, ones), indices.reshape(ROWS, S, ones))

    mu, log_partition, entropy = exact.marginals(theta)
    vjp, log_prob, kl = exact.marginals_vjp(theta, v), exact.log_prob(theta, indices), exact.kl(theta, other)
    simple, score = exact.simple(theta, dz), exact.score_function(theta, indices, losses)
    unbiased = exact.unbiased_simple(theta, indices, dz, losses)
    assert all(result.shape == theta.shape for result in (mu, vjp, simple, score, unbiased))
    theta, other, v, dz, mu, vjp, simple, score, unbiased = map(
        flat, (theta, other, v, dz, mu, vjp, simple, score, unbiased)
    )
    for row in range(ROWS):
        p, q = (Enumerated(scores[row], states, exact.temperature) for scores in (theta, other))
        possible = p.p > 0
        close(mu[row], p.mean)
        close(log_partition[row], p.log_partition)
        close(entropy[row], -(p.p[possible] * p.log_p[possible]).sum())
        close(vjp[row], p.covariance @ v[row])
        close(kl[row], p.p[possible] @ (p.log_p - q.log_p)[possible])
        places = [int(np.nonzero((p.states == state).all(axis=1))[0][0]) for state in z[row]]
        close(log_prob[row], p.log_p[places])
        close(simple[row], p.covariance @ dz[row].mean(axis=0))
        away = (z[row] - p.mean) / exact.temperature
        others = (losses[row].sum() - losses[row]) / (S - 1)
        close(score[row], ((losses[row] - others)[:, None] * away).mean(axis=0))
        v_s = (dz[row].sum(axis=0) - dz[row]) / (S - 1)
        r = losses[row][None, :] - v_s @ z[row].T  # r[s, t]
        corrections = np.diag(r) - (r.sum(axis=1) - np.diag(r)) / (S - 1)
        close(unbiased[row], p.covariance @ dz[row].mean(axis=0) + (corrections[:, None] * away).mean(axis=0))


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=3e-5, atol=3e-5)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_exact(k):
    theta, other = normal(13, ROWS, N), normal(14, ROWS, N)
    theta[0, 3] = -np.inf if k < 8 else 1.0
    exact = libimle.ExactTopK(k, temperature=0.8, samples=S)
    check_exact(exact, subsets(N, k), theta, other)
    if k == 1:
        one_hot = libimle.ExactArgmax(temperature=0.8, samples=S)
        check_exact(one_hot, subsets(N, 1), theta, other)


def test_exact_samples_follow_the_law():
    """Chi-square of 20,000 samples over the 10 states; its quantile at 1 - 1e-6 for 9 degrees of freedom is 47.3."""
    theta = normal(18, 5)
    exact = libimle.ExactTopK(2, samples=20_000)
    law = Enumerated(theta, subsets(5, 2), 1.0)
    z = exact.sample(theta, KEY).z
    counts = (z[:, None] == law.states[None]).all(axis=-1).sum(axis=0)
    expected = law.p * 20_000
    assert counts.sum() == 20_000 and ((counts - expected) ** 2 / expected).sum() < 47.3


def test_log_partitions():
    theta, v = normal(19, ROWS, N), normal(20, ROWS, N + 1)
    exact = libimle.ExactTopK(N, temperature=0.8)
    sizes, vjp = exact.log_partitions(theta), exact.log_partitions_vjp(theta, v)
    for row in range(ROWS):
        laws = [Enumerated(theta[row], subsets(N, k), 0.8) for k in range(N + 1)]
        np.testing.assert_allclose(sizes[row], [law.log_partition for law in laws], rtol=1e-5, atol=1e-5)
        means = np.array([law.mean for law in laws])
        np.testing.assert_allclose(vjp[row], v[row] @ means / 0.8, rtol=1e-5, atol=1e-5)


# ---- trees, by enumeration ----


def is_tree(heads, projective, single_root):
    words = range(len(heads))
    above = {}  # each word with its head, the head of that, and so on
    for word in words:
        chain = [word]
        while heads[chain[-1]] != chain[-1]:
            chain.append(heads[chain[-1]])
            if len(chain) > len(heads):
                return False  # a cycle
        above[word] = chain
    if single_root and sum(heads[word] == word for word in words) != 1:
        return False
    between = lambda a, b: range(min(a, b) + 1, max(a, b))  # noqa: E731
    return not projective or all(heads[word] in above[inner] for word in words for inner in between(heads[word], word))


def trees(words, **kind):
    """All trees of a kind as states, rows of words * words."""
    heads = [h for h in itertools.product(range(words), repeat=words) if is_tree(h, **kind)]
    states = np.zeros((len(heads), words, words))
    for state, head in zip(states, heads):
        state[head, range(words)] = 1
    return states.reshape(len(heads), -1)


KINDS = [{"projective": p, "single_root": s} for p in (False, True) for s in (False, True)]
with_trees = pytest.mark.parametrize("words, kind", [(words, kind) for words in range(1, 5) for kind in KINDS], ids=str)


def test_how_many_trees_there_are():
    """(n + 1)^(n - 1), and n^(n - 1) with a single root (Cayley); projective: 1, 3, 12, 55, and 1, 2, 7, 30."""
    numbers = [[len(trees(words, **kind)) for words in range(1, 5)] for kind in KINDS]
    assert numbers == [[1, 3, 16, 125], [1, 2, 9, 64], [1, 3, 12, 55], [1, 2, 7, 30]]


def best(states, scores):
    """The best state of each row of scores [..., words, words]."""
    flat = np.where(np.isinf(scores), -1e9, scores.astype(float)).reshape(*scores.shape[:-2], -1)
    return states[(flat @ states.T).argmax(axis=-1)].reshape(scores.shape)


def arc_scores(seed, words, *shape):
    return normal(seed, ROWS, *shape, words, words)


def masked(theta):
    """theta with an arc between the first two words masked."""
    theta = theta.copy()
    theta[0, :1, 1:2] = -np.inf
    return theta


@with_trees
def test_trees(words, kind):
    states = trees(words, **kind)
    theta, dz = masked(arc_scores(31, words)), arc_scores(32, words, S)
    layer = libimle.Tree(words, samples=S, lambda_=2.0, **kind)
    mapped = layer.map(theta)
    assert np.array_equal(mapped.z, best(states, theta))

    eps = layer.noise_of(theta.shape, KEY)
    assert np.array_equal(layer.perturb(theta, KEY), theta[:, None] + eps)
    z, indices, marginals = layer.sample(theta, KEY, marginals=True)
    assert np.array_equal(z, best(states, theta[:, None] + eps))
    assert np.allclose(marginals, z.mean(axis=1), atol=1e-7)
    for of_z, lists in ((mapped.z, mapped.indices), (z, indices)):
        assert np.array_equal(np.flatnonzero(of_z) % words**2, lists.ravel())
        assert np.array_equal(layer.heads(lists), of_z.argmax(axis=-2))

    target = layer.target_scores(theta, dz, KEY)
    assert np.array_equal(target, (theta[:, None] - np.float32(2) * dz) + eps)
    change = z - best(states, target)
    grad_theta, counts = layer.gradient(theta, dz, KEY, indices=indices)
    assert np.allclose(grad_theta, change.mean(axis=1) / 2, rtol=1e-6, atol=1e-7)
    assert counts == (ROWS * S, np.sum(~change.any(axis=(-1, -2))), np.count_nonzero(change))
    assert np.array_equal(layer.difference_of(z, best(states, target)).grad_theta, grad_theta)

    loss, grad_theta = layer.fenchel_young(theta, mapped.z, KEY)
    chosen = np.where(z > 0, theta[:, None] + eps, 0).astype(float).sum(axis=(-1, -2)).mean(axis=-1)
    observed = np.where(mapped.z > 0, theta, 0).astype(float).sum(axis=(-1, -2))
    assert np.allclose(loss, chosen - observed, rtol=1e-5, atol=1e-5)
    assert np.allclose(grad_theta, z.mean(axis=1) - mapped.z, atol=1e-6)


@with_trees
def test_exact_trees(words, kind):
    exact = libimle.ExactTree(words, temperature=0.8, samples=S, **kind)
    theta = arc_scores(33, words) if words == 2 else masked(arc_scores(33, words))
    check_exact(exact, trees(words, **kind), theta, arc_scores(34, words))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_exact_samples_of_trees_follow_the_law(kind):
    """Chi-square of 20,000 samples; its quantile at 1 - 1e-6 for at most 15 degrees of freedom is 56.5."""
    theta = normal(35, 3, 3)
    law = Enumerated(theta.ravel(), trees(3, **kind), 1.0)
    z = libimle.ExactTree(3, samples=20_000, **kind).sample(theta, KEY).z.reshape(-1, 9)
    counts = (z[:, None] == law.states[None]).all(axis=-1).sum(axis=0)
    expected = law.p * 20_000
    assert expected.min() > 5
    assert counts.sum() == 20_000 and ((counts - expected) ** 2 / expected).sum() < 56.5


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_rows_of_trees_have_words_of_their_own(kind):
    """A row of n words in a larger matrix is the row alone; what lies outside is not read, and 0 in the results."""
    theta, n_row = arc_scores(36, 4), np.array([4, 0, 1, 3, 2])
    for row, n in enumerate(n_row):
        theta[row, n:, :] = theta[row, :, n:] = np.nan
    layer, exact = libimle.Tree(4, **kind), libimle.ExactTree(4, **kind)
    z, indices, _ = layer.map(theta, n_row=n_row)
    mu, log_partition, entropy = exact.marginals(theta, n_row=n_row)
    heads = layer.heads(indices)
    for row, n in enumerate(n_row):
        corner, list_ = theta[row, :n, :n], indices[row]
        assert z[row].sum() == z[row, :n, :n].sum() == n
        assert np.array_equal(list_[:n], np.flatnonzero(z[row])) and (list_[n:] == 2**32 - 1).all()
        assert np.array_equal(heads[row, :n], z[row, :, :n].argmax(axis=0)) and (heads[row, n:] == 2**32 - 1).all()
        if n == 0:
            assert log_partition[row] == entropy[row] == 0 and not mu[row].any()
            continue
        assert np.array_equal(z[row, :n, :n], libimle.Tree(n, **kind).map(corner).z)
        law = Enumerated(corner.ravel(), trees(n, **kind), 1.0)
        close(mu[row, :n, :n].ravel(), law.mean)
        close(log_partition[row], law.log_partition)
        assert np.count_nonzero(mu[row]) == np.count_nonzero(mu[row, :n, :n])


# ---- adaptive lambda ----


def test_lambda_is_the_ratio_of_the_norms():
    theta, dz = 10 * normal(21, ROWS, N), normal(22, ROWS, S, N)
    theta[0, :3] = -np.inf
    seen = theta[theta > -np.inf].astype(float)
    expected = 0.25 * math.sqrt((seen**2).sum() / (dz.astype(float) ** 2).sum())
    assert math.isclose(libimle.Adaptive(a=0.25).lambda_for(theta, dz), expected, rel_tol=1e-6)
    assert libimle.Adaptive().lambda_for(theta, 0 * dz) == 0
    small = libimle.Adaptive(theta_floor=3.0).lambda_for(np.zeros(4), np.ones(9))
    assert math.isclose(small, 3 * math.sqrt(4) / 3, rel_tol=1e-6)


def test_parts_add_up():
    theta, dz = normal(23, ROWS, N), normal(24, ROWS, S, N)
    parts = [libimle.AdaptiveParts() for _ in range(ROWS)]
    for row, part in enumerate(parts):
        part.add(theta[row])
        part.add(dz=dz[row])
    whole = libimle.Adaptive().lambda_for(theta, dz)
    assert math.isclose(libimle.Adaptive().lambda_from(sum(parts, libimle.AdaptiveParts())), whole, rel_tol=2e-7)


def test_adaptive_reaches_its_target():
    theta, dz = normal(25, 64, 20), 1e-4 * normal(26, 64, 20)
    layer, adaptive, changed = libimle.TopK(4), libimle.Adaptive(a=1e-3), []
    for step in range(150):
        grad = layer.with_lambda(adaptive.lambda_for(theta, dz)).gradient(theta, dz, libimle.Key(1, step))
        adaptive.update(grad.diagnostics)
        changed.append(grad.diagnostics.nonzeros / grad.diagnostics.states)
    assert changed[0] < 0.1 and 0.8 < np.mean(changed[-30:]) < 1.25
