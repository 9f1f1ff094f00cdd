"""Trees in libimle.torch: the results of libimle for NumPy, PyTorch's checks and transforms, and bad input."""

import copy
import itertools
import math

import libimle
import numpy as np
import pytest
import torch

import libimle.torch as lt
from libimle.torch import _ops
from refused import assert_refused

B, W, S = 4, 5, 3
KEY, KEY_TENSOR, IDS = libimle.Key(3, 5), torch.tensor([3, 5]), torch.arange(B) * 7
N_ROW = torch.tensor([5, 2, 0, 4])
KINDS = [{"projective": p, "single_root": s} for p in (False, True) for s in (False, True)]
TREES = libimle.Trees(W)
NUMBERED = libimle.Key(3, 5, row_ids=IDS.numpy())

with_kinds = pytest.mark.parametrize("kind", KINDS, ids=str)
with_n_row = pytest.mark.parametrize("n_row", [None, N_ROW], ids=["full", "ragged"])


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def scores(*shape, n_row=None, seed=0):
    """Arc scores [..., W, W], NaN beyond the words of a row, which is not to be read."""
    theta = random(*shape, W, W, seed=seed)
    for row, words in enumerate([] if n_row is None else n_row.tolist()):
        theta[row, ..., words:, :] = theta[row, ..., :, words:] = math.nan
    return theta


def leaf(theta):
    return theta.clone().requires_grad_()


def numpy(tensor):
    return None if tensor is None else tensor.numpy()


# ---- what is computed: the bits of libimle for NumPy ----


@with_kinds
@with_n_row
@pytest.mark.parametrize("samples", [None, S])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_tree(kind, n_row, samples, reduction):
    """The gradient of a mean or a sum over rows and samples is that of each one's own loss, times its weight."""
    theta, layer = scores(B, n_row=n_row), libimle.Tree(W, samples=samples or 1, lambda_=2.0, **kind)
    x, choose = leaf(theta), lt.Tree(W, samples=samples, lambda_=2.0, reduction=reduction, **kind)
    z, indices = choose(x, key=KEY, row_ids=IDS, n_row=n_row, return_indices=True)
    expected = layer.sample(theta.numpy(), NUMBERED, n_row=numpy(n_row))
    assert z.shape == (B, *([] if samples is None else [S]), W, W)
    assert np.array_equal(z.detach().view(B, -1, W, W), expected.z)
    assert np.array_equal(indices.view(B, -1, W), expected.indices)

    dz = scores(B, samples or 1, n_row=n_row, seed=1)
    weight = 1 / (B * (samples or 1)) if reduction == "mean" else 1.0
    z.backward((dz * weight).view(z.shape))
    grad_theta, _ = layer.gradient(theta.numpy(), dz.numpy(), NUMBERED, n_row=numpy(n_row))
    share = 1.0 if reduction == "sum" else 1 / B
    np.testing.assert_allclose(x.grad, grad_theta * share * (layer.samples if reduction == "sum" else 1), rtol=1e-5)
    assert grad_theta.any() and not x.grad.isnan().any()

    z, indices = choose.eval()(x, n_row=n_row, return_indices=True)
    mapped = layer.map(theta.numpy(), n_row=numpy(n_row))
    assert np.array_equal(z.view(B, W, W), mapped.z) and np.array_equal(indices.view(B, W), mapped.indices)
    assert not z.requires_grad


@with_n_row
def test_central_differences_and_the_combinatorial_target(n_row):
    for options in ({"difference": "central"}, {"target": "combinatorial"}, {"scale": "none"}, {"noise": "normal"}):
        x = leaf(scores(B, n_row=n_row))
        dz = scores(B, S, n_row=n_row, seed=1)
        lt.tree(x, samples=S, reduction="sum", key=KEY, n_row=n_row, **options).backward(dz)
        layer = libimle.Tree(W, samples=S, **options)
        expected, _ = layer.gradient(x.detach().numpy(), dz.numpy(), KEY, n_row=numpy(n_row))
        np.testing.assert_allclose(x.grad, expected * S, rtol=1e-5)


@with_kinds
@with_n_row
def test_exact_numbers(kind, n_row):
    trees, exact = libimle.Trees(W, **kind), libimle.ExactTree(W, samples=S, temperature=0.7, **kind)
    theta, other, rows = scores(B, n_row=n_row), scores(B, n_row=n_row, seed=1), {"n_row": n_row}
    given, options = {"n_row": numpy(n_row)}, {"temperature": 0.7, "n_row": n_row}
    mu, log_partition, entropy = exact.marginals(theta.numpy(), **given)
    x = leaf(theta)
    y = lt.ExactMarginals(trees, temperature=0.7)(x, **rows)
    assert np.array_equal(y.detach(), mu)
    y.backward(other)
    assert np.array_equal(x.grad, exact.marginals_vjp(theta.numpy(), other.numpy(), **given))
    assert np.array_equal(lt.log_partition(theta, trees, **options), log_partition)
    assert np.array_equal(lt.entropy(theta, trees, **options), entropy)
    assert np.array_equal(lt.kl(theta, other, trees, **options), exact.kl(theta.numpy(), other.numpy(), **given))
    z, indices = lt.sample(theta, trees, samples=S, key=KEY, **options)
    states = exact.sample(theta.numpy(), KEY, **given)
    assert np.array_equal(z, states.z) and np.array_equal(indices, states.indices)
    log_prob = lt.log_prob(theta, indices, trees=trees, **options)
    assert np.array_equal(log_prob, exact.log_prob(theta.numpy(), states.indices, **given))
    assert torch.equal(lt.log_prob(theta, indices[:, 1], trees=trees, **options), log_prob[:, 1])


def all_trees(words):
    """All trees of `words` words, as states [.., words * words]."""
    states = []
    for heads in itertools.product(range(words), repeat=words):
        step = torch.tensor(heads)
        end = step
        for _ in range(words):
            end = step[end]
        if torch.equal(step[end], end):  # every word reaches a root, its own head
            states.append(torch.zeros(words, words).index_put((step, torch.arange(words)), torch.tensor(1.0)))
    return torch.stack(states).flatten(1).double()


@pytest.mark.parametrize("name", ["marginals", "log_partition", "entropy", "kl", "kl other", "log_prob"])
def test_derivatives_of_exact_numbers(name):
    """Against PyTorch's derivatives of the definition, by enumeration, with one masked arc."""
    T, words, v = 0.7, 3, random(B, seed=2)
    trees, states = libimle.Trees(words), all_trees(words)
    assert len(states) == 16  # (n + 1)^(n - 1), Cayley
    theta, other, w = random(B, words, words), random(B, words, words, seed=1), random(B, words, words, seed=3)
    theta[0, 0, 1] = -math.inf
    z, indices = lt.sample(theta, trees, samples=S, key=KEY)

    def law(x):
        return torch.log_softmax(x.double().flatten(1).clamp(min=-1e9) @ states.T / T, -1)

    def defined(x, y):
        p, q = law(x), law(y)
        if name == "marginals":
            return ((p.exp() @ states) * w.flatten(1)).sum(-1)
        if name == "log_partition":
            return torch.logsumexp(x.double().flatten(1).clamp(min=-1e9) @ states.T / T, -1)
        if name == "entropy":
            return -(p.exp() * p.clamp(min=-1e9)).sum(-1)
        if name == "log_prob":
            return (p[:, None] * (z.double().flatten(2) @ states.T == words)).sum((-1, -2))
        return (p.exp() * (p - q)).sum(-1)

    def exact(x, y):
        options = {"temperature": T}
        return {
            "marginals": lambda: (lt.marginals(x, trees, **options) * w).sum((-1, -2)),
            "log_partition": lambda: lt.log_partition(x, trees, **options),
            "entropy": lambda: lt.entropy(x, trees, **options),
            "kl": lambda: lt.kl(x, y, trees, **options),
            "log_prob": lambda: lt.log_prob(x, indices, trees=trees, **options).sum(-1),
        }[name.split()[0]]()

    grads = []
    for function in (defined, exact):
        x, y = leaf(theta), leaf(other)
        (function(x, y) * v).sum().backward()
        grads.append(y.grad if "other" in name else x.grad)
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-5)
    assert grads[0].abs().max() > 0.1


@with_n_row
def test_derivatives_of_exact_numbers_are_0_beyond_the_words(n_row):
    theta, other = scores(B, n_row=n_row), scores(B, n_row=n_row, seed=1)
    _, indices = lt.sample(theta, TREES, samples=S, key=KEY, n_row=n_row)
    for call in (
        lambda x: lt.log_partition(x, TREES, n_row=n_row),
        lambda x: lt.entropy(x, TREES, n_row=n_row),
        lambda x: lt.kl(x, other, TREES, n_row=n_row),
        lambda x: lt.kl(other, x, TREES, n_row=n_row),
        lambda x: lt.log_prob(x, indices, trees=TREES, n_row=n_row),
        lambda x: lt.straight_through(x, TREES, key=KEY, n_row=n_row),
    ):
        x = leaf(theta)
        call(x).sum().backward()
        assert not x.grad[theta.isnan()].any() and x.grad[~theta.isnan()].any() and x.grad.isfinite().all()


@with_n_row
def test_the_estimators_of_given_samples(n_row):
    """SIMPLE, the score function, unbiased SIMPLE and the Fenchel-Young loss."""
    exact, rows = libimle.ExactTree(W, samples=S, temperature=0.7), {"n_row": n_row}
    theta, given = scores(B, n_row=n_row), {"n_row": numpy(n_row)}
    layer, x = lt.Simple(TREES, samples=S, temperature=0.7), leaf(theta)
    z, indices = layer(x, key=KEY, return_indices=True, **rows)
    states = exact.sample(theta.numpy(), KEY, **given)
    assert np.array_equal(z.detach(), states.z) and np.array_equal(indices, states.indices)
    dz, losses = scores(B, S, n_row=n_row, seed=1), random(B, S, seed=2)
    z.backward(dz)
    np.testing.assert_allclose(x.grad, exact.simple(theta.numpy(), dz.numpy(), **given) * S, rtol=1e-5, atol=1e-7)

    lists = states.indices
    for call, expected in (
        (layer.score_function, exact.score_function(theta.numpy(), lists, losses.numpy(), **given)),
        (
            lambda losses, x, i, **r: lt.unbiased_simple(x, i, dz, losses, trees=TREES, temperature=0.7, **r),
            exact.unbiased_simple(theta.numpy(), lists, dz.numpy(), losses.numpy(), **given),
        ),
    ):
        x, own = leaf(theta), leaf(losses)
        wrapped = call(own, x, indices, **rows)
        assert torch.equal(wrapped, losses)
        wrapped.mean(-1).sum().backward()
        np.testing.assert_allclose(x.grad, expected, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(own.grad, torch.full((B, S), 1 / S))

    x, y = leaf(theta), lt.Tree(W).eval()(scores(B, n_row=n_row, seed=3), **rows)
    loss = lt.FenchelYoung(TREES, samples=S)(x, y, key=KEY, **rows)
    loss.sum().backward()
    expected = libimle.Tree(W, samples=S).fenchel_young(theta.numpy(), y.numpy(), KEY, **given)
    assert np.array_equal(loss.detach(), expected.loss) and np.array_equal(x.grad, expected.grad_theta)
    assert torch.equal(layer.eval()(theta, **rows)[:, 0], lt.Tree(W).eval()(theta, **rows))


def test_functions_are_their_modules():
    for left, right in (
        (lambda t: lt.tree(t, key=KEY, projective=True), lambda t: lt.Tree(W, projective=True)(t, key=KEY)),
        (lambda t: lt.simple(t, TREES, key=KEY), lambda t: lt.Simple(TREES)(t, key=KEY)),
        (lambda t: lt.marginals(t, TREES), lambda t: lt.ExactMarginals(TREES)(t)),
        (
            lambda t: lt.fenchel_young(t, torch.ones(B, W, W) / W, TREES, key=KEY),
            lambda t: lt.FenchelYoung(TREES)(t, torch.ones(B, W, W) / W, key=KEY),
        ),
    ):
        x, results = leaf(scores(B)), []
        for call in (left, right):
            y = call(x)
            results.append((y, torch.autograd.grad(y, x, random(*y.shape, seed=1))[0]))
        assert all(map(torch.equal, *results)) and results[0][1].any()


@pytest.mark.parametrize("samples", [None, S])
def test_straight_through(samples):
    x = leaf(scores(B))
    z = lt.straight_through(x, TREES, samples=samples, key=KEY)
    assert torch.equal(z, lt.tree(x, samples=samples, key=KEY))
    w = random(*z.shape, seed=1)
    z.backward(w)
    torch.testing.assert_close(x.grad, w if samples is None else w.sum(1))


def test_an_adaptive_lambda_reads_the_words_of_a_row_only():
    """A ragged batch adapts as the same arcs do in matrices of their own size."""
    states = []
    for words, theta, n_row in ((3, random(B, 3, 3), None), (W, None, torch.full((B,), 3))):
        if theta is None:
            theta = torch.full((B, W, W), math.nan)
            theta[:, :3, :3] = random(B, 3, 3)
        w = torch.zeros(B, words, words)
        w[:, :3, :3] = random(B, 3, 3, seed=1)
        adaptive, x = lt.Adaptive(a=0.5), leaf(theta)
        (lt.Tree(words, noise="none", adaptive=adaptive)(x, n_row=n_row) * w).sum((-1, -2)).mean().backward()
        states.append((float(adaptive.a), float(adaptive.g), x.grad[:, :3, :3]))
    assert states[0][:2] == states[1][:2] and states[0][0] != 0.5 and torch.equal(states[0][2], states[1][2])


def test_other_dtypes_and_layouts():
    theta = scores(B).double()
    x = leaf(theta.transpose(-1, -2).contiguous().transpose(-1, -2))
    z = lt.Tree(W, samples=S)(x, key=KEY)
    assert z.dtype is torch.float64 and np.array_equal(z.detach(), libimle.Tree(W, samples=S).sample(theta, KEY).z)
    z.backward(random(*z.shape).double())
    assert x.grad.dtype is torch.float64 and x.grad.any()


# ---- PyTorch's own checks and transforms ----

MODULES = {
    "tree": lambda **o: lt.Tree(W, **o),
    "projective": lambda **o: lt.Tree(W, projective=True, single_root=True, **o),
    "simple": lambda **o: lt.Simple(TREES, **o),
    "marginals": lambda samples=None: lt.ExactMarginals(TREES),
}
with_modules = pytest.mark.parametrize("name", MODULES)


def run(layer, theta, n_row=None, **arguments):
    if isinstance(layer, lt.ExactMarginals):
        return layer(theta, n_row=n_row)
    return layer(theta, n_row=n_row, **({"key": KEY_TENSOR} | arguments))


def operators():
    for n_row in (None, N_ROW):
        theta, other = (torch.randn(B, W * W).requires_grad_() for _ in range(2))
        layer, exact = lt.Tree(W, samples=S), lt.Simple(TREES, samples=S)._settings
        scaling = (layer._settings, "mean", B, 1.0, 0)
        dz, losses = torch.randn(B, S, W * W), torch.randn(B, S).requires_grad_()
        z, indices, ticket = _ops.sample_op(theta, KEY_TENSOR, IDS, n_row, *scaling)
        yield _ops.sample_op, (theta, KEY_TENSOR, IDS, n_row, *scaling)
        yield _ops.gradient_op, (theta.detach(), dz, indices, KEY_TENSOR, IDS, n_row, ticket, *scaling)
        yield _ops.choose, (theta.detach(), n_row, layer._settings)
        yield _ops.fenchel_young, (theta, z.mean(1).detach(), KEY_TENSOR, IDS, n_row, layer._settings)
        _, indices = lt.sample(theta.view(B, W, W), TREES, samples=S, n_row=n_row)
        yield _ops.sample_exact, (theta, KEY_TENSOR, IDS, n_row, exact)
        yield _ops.choose, (theta.detach(), n_row, exact)
        yield _ops.simple, (theta.detach(), dz, n_row, exact)
        for operator in (_ops.marginals, _ops.log_partition, _ops.entropy):
            yield operator, (theta, n_row, exact)
        yield _ops.marginals_vjp, (theta.detach(), dz[:, 0], n_row, exact)
        yield _ops.kl, (theta, other, n_row, exact)
        yield _ops.log_prob, (theta, indices, n_row, exact)
        yield _ops.score_function, (theta, indices, losses, n_row, exact)
        yield _ops.score_function_vjp, (theta.detach(), indices, losses.detach(), n_row, exact)
        yield _ops.unbiased_simple, (theta, indices, dz, losses, n_row, exact)
        yield _ops.unbiased_simple_vjp, (theta.detach(), indices, dz, losses.detach(), n_row, exact)


def test_opcheck():
    for operator, arguments in operators():
        torch.library.opcheck(operator, arguments)


@with_modules
@with_n_row
def test_compile_fullgraph(name, n_row):
    layer, grads = MODULES[name](samples=S), []
    w = random(B, *([] if name == "marginals" else [S]), W, W, seed=1)

    def step(theta):
        return (run(layer, torch.tanh(theta) * 2, n_row) * w).sum((-1, -2)).mean()

    for function in (step, torch.compile(step, fullgraph=True, backend="aot_eager")):
        x = leaf(scores(B))
        function(x).backward()
        grads.append(x.grad)
    assert torch.equal(*grads) and grads[0].any()


def test_export():
    layer, theta = lt.Tree(W).eval(), scores(B)
    program = torch.export.export(layer, (theta,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    other = scores(2 * B, seed=3)
    assert torch.equal(program.module()(other), layer(other))


@with_modules
def test_vmap_equals_the_batch(name):
    layer, theta = MODULES[name](), scores(6, B)
    n_row = torch.arange(6 * B).reshape(6, B) % (W + 1)
    expected = run(layer, theta, n_row)
    assert torch.equal(torch.vmap(lambda t, n: run(layer, t, n))(theta, n_row), expected)
    mapped = torch.vmap(lambda t, n: run(layer, t, n), in_dims=(3, 1))(theta.movedim(0, 3), n_row.T)
    assert torch.equal(mapped, expected)


def test_vmap_of_the_gradient_equals_the_batch():
    """The rows of all calls are the rows of one."""
    layer, theta, w = lt.Tree(W, reduction="sum"), scores(6, B), random(6, B, W, W, seed=1)
    grads = []
    for call in (lambda t: layer(t, key=KEY), torch.vmap(lambda t: layer(t, key=KEY))):
        x = leaf(theta)
        call(x).backward(w)
        grads.append(x.grad)
    assert torch.equal(*grads) and grads[0].any()


@with_modules
def test_copies_and_checkpoints(name):
    layer, x = MODULES[name](), leaf(scores(B))
    expected = run(layer, x)
    assert torch.equal(run(copy.deepcopy(layer), x), expected)
    kept = torch.utils.checkpoint.checkpoint(lambda t: run(layer, t), x, use_reentrant=False)
    w = random(*expected.shape, seed=1)
    grads = [torch.autograd.grad(y, x, w)[0] for y in (expected, kept)]
    assert torch.equal(kept, expected) and torch.equal(*grads)


def test_a_gradient_that_is_not_finite_flows_through():
    for layer in (lt.Tree(W), lt.Simple(TREES), lt.ExactMarginals(TREES)):
        x, w = leaf(scores(B)), torch.ones(B, W, W)
        w[1, 0, 0] = math.inf
        run(layer, x).backward(w)
        assert x.grad.isnan().any()


# ---- bad input ----


def with_value(tensor, place, value):
    tensor[place] = value
    return tensor


THETA = torch.zeros(B, W, W)
NAN = with_value(THETA.clone(), (3, 1, 2), math.nan)
MASKED = with_value(THETA.clone(), (2, slice(None), 0), -math.inf)  # no arc into word 0
LISTS = lt.tree(THETA, samples=S, return_indices=True)[1]

CALLS = [
    (lambda: lt.Tree(0), "words", ()),
    (lambda: lt.Tree(2**16), "words", ()),
    (lambda: lt.Tree(W, projective=1), "projective", ()),
    (lambda: lt.Tree(W, single_root="yes"), "single_root", ()),
    (lambda: lt.Tree(W, reduction="batch")(THETA), "reduction", ()),
    (lambda: libimle.Trees(0), "words", ()),
    (lambda: libimle.Trees(True), "words", ()),
    (lambda: libimle.Trees(W, projective=1), "projective", ()),
    (lambda: lt.ExactMarginals("trees"), "k", ()),
    (lambda: lt.Tree(W)(None), "theta", ()),
    (lambda: lt.Tree(W)(THETA[..., :2]), "theta", ()),
    (lambda: lt.Tree(W)(THETA.flatten(1)), "theta", ()),
    (lambda: lt.Tree(W)(THETA.long()), "theta", ()),
    (lambda: lt.Tree(W)(NAN), "theta", (3,)),
    (lambda: lt.Tree(W)(NAN.view(2, 2, W, W)), "theta", (1, 1)),
    (lambda: lt.Tree(W).eval()(NAN), "theta", (3,)),
    (lambda: lt.Tree(W)(MASKED), "theta", (2,)),
    (lambda: lt.ExactMarginals(TREES)(NAN), "theta", (3,)),
    (lambda: lt.ExactMarginals(TREES)(MASKED), "theta", (2,)),
    (lambda: lt.Simple(TREES)(MASKED), "theta", (2,)),
    (lambda: lt.tree(torch.tensor(1.0)), "words", ()),
    (lambda: lt.tree(None), "theta", ()),
    (lambda: lt.Tree(W)(THETA, n_row=torch.tensor([5, 6, 5, 5])), "n_row", (1,)),
    (lambda: lt.Tree(W)(THETA, n_row=torch.tensor([5, -1, 5, 5])), "n_row", ()),
    (lambda: lt.Tree(W)(THETA, n_row=torch.tensor([5, 5])), "n_row", ()),
    (lambda: lt.Tree(W)(THETA, n_row=torch.tensor([5.0] * B)), "n_row", ()),
    (lambda: lt.Tree(W)(THETA, n_row=[5] * B), "n_row", ()),
    (lambda: lt.Tree(W)(THETA, k_row=N_ROW), "k_row", ()),
    (lambda: lt.Simple(TREES)(THETA, k_row=N_ROW), "k_row", ()),
    (lambda: lt.ExactMarginals(TREES)(THETA, k_row=N_ROW), "k_row", ()),
    (lambda: lt.TopK(2)(THETA[0], n_row=N_ROW), "n_row", ()),
    (lambda: lt.Argmax()(THETA[0], n_row=N_ROW), "n_row", ()),
    (lambda: lt.ExactMarginals(2)(THETA[0], n_row=N_ROW), "n_row", ()),
    (lambda: lt.FenchelYoung(TREES)(THETA, THETA[..., :2]), "y", ()),
    (lambda: lt.FenchelYoung(TREES)(THETA, None), "y", ()),
    (lambda: lt.kl(THETA, THETA.flatten(1), TREES), "theta_other", ()),
    (lambda: lt.log_prob(THETA, LISTS * 0, trees=TREES), "indices", (0,)),
    (lambda: lt.log_prob(THETA, LISTS[..., :2], trees=TREES), "indices", ()),
    (lambda: lt.log_prob(THETA, LISTS, trees=W), "trees", ()),
    (lambda: lt.unbiased_simple(THETA, LISTS, None, torch.zeros(B, S), trees=TREES), "dz", ()),
    (lambda: lt.unbiased_simple(THETA, LISTS, THETA, torch.zeros(B, S), trees=TREES), "dz", ()),
    (lambda: lt.score_function(THETA, LISTS, torch.zeros(B), trees=TREES), "losses", ()),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_the_argument_and_the_row_are_named(number):
    assert_refused(*CALLS[number])
