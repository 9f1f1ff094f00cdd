"""The operators under PyTorch's own checks and transforms, and what they compute."""

import copy
import io

import libimle
import numpy as np
import pytest
import torch

import libimle.torch as lt
from libimle.torch import _ops

B, N, K, S = 5, 9, 3, 4
KEY = libimle.Key(3, 5)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def best_three(scores):
    return torch.zeros_like(scores).scatter(-1, scores.topk(3).indices, 1.0)


LAYERS = {
    "topk": lambda **o: lt.TopK(K, **o),
    "argmax": lambda **o: lt.Argmax(**o),
    "solver": lambda **o: lt.Solver(best_three, **o),
    "simple": lambda **o: lt.Simple(K, **o),
}
MODULES = LAYERS | {"marginals": lambda samples=None: lt.ExactMarginals(K)}


def run(layer, theta, **arguments):
    return layer(theta) if isinstance(layer, lt.ExactMarginals) else layer(theta, **arguments)


# ---- PyTorch's own checks ----

KEY_TENSOR = torch.tensor([3, 5])
IDS, KS = torch.arange(B) * 7, torch.tensor([3, 2, 1, 0, 3])


def operators():
    theta = random(B, N).requires_grad_()
    for name, layer in {n: make(samples=S) for n, make in LAYERS.items()}.items():
        for ids, ks in ((None, None), (IDS, KS if name in ("topk", "simple") else None)):
            if name == "simple":
                z, indices = lt._ops.sample_exact(theta, KEY_TENSOR, ids, ks, layer._settings)
                yield _ops.sample_exact, (theta, KEY_TENSOR, ids, ks, layer._settings)
                yield _ops.simple, (theta.detach(), random(B, S, N), ks, layer._settings)
                yield _ops.marginals, (theta, ks, layer._settings)
                yield _ops.marginals_vjp, (theta.detach(), random(B, N), ks, layer._settings)
                losses = random(B, S).requires_grad_()
                yield _ops.score_function, (theta, indices, losses, ks, layer._settings)
                yield _ops.score_function_vjp, (theta.detach(), indices, losses.detach(), ks, layer._settings)
            else:
                scaling = (layer._settings, "mean", B, 1.0, 0)
                z, indices, ticket = _ops.sample_op(theta, KEY_TENSOR, ids, ks, *scaling)
                states = (z if name == "solver" else indices).detach()
                yield _ops.sample_op, (theta, KEY_TENSOR, ids, ks, *scaling)
                yield (
                    _ops.gradient_op,
                    (theta.detach(), random(B, S, N), states, KEY_TENSOR, ids, ks, ticket, *scaling),
                )
                yield _ops.choose, (theta.detach(), ks, layer._settings)
            if name == "topk":
                yield _ops.fenchel_young, (theta, z.mean(1).detach(), KEY_TENSOR, ids, ks, layer._settings)
        keep.append(layer)


keep: list = []


def test_opcheck():
    checked = set()
    for operator, arguments in operators():
        torch.library.opcheck(operator, arguments)
        checked.add(operator)
    assert len(checked) == 10


# ---- both ways of a forward pass ----


def through_operators(call):
    """Runs a call as if somebody looked on."""
    eager = _ops.nobody_looks_on
    _ops.nobody_looks_on = lambda *_: False
    try:
        return call()
    finally:
        _ops.nobody_looks_on = eager


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("samples", [None, S])
def test_the_operator_and_the_short_way_give_the_same_bits(name, samples):
    theta, layer = random(B, N).requires_grad_(), LAYERS[name](samples=samples)

    def both():
        z = layer(theta, key=KEY, row_ids=IDS)
        return z, torch.autograd.grad(z, theta, random(*z.shape, seed=2))[0]

    for left, right in zip(both(), through_operators(both)):
        assert torch.equal(left, right)


@pytest.mark.parametrize("name", MODULES)
def test_defaults_of_pytorch_change_no_bit(name):
    """The extension module reads and writes float32 on the CPU, whatever torch.empty makes."""
    theta, results = random(B, N), []
    for dtype, device in ((torch.float32, "cpu"), (torch.float64, "cpu"), (torch.float32, "meta")):
        torch.set_default_dtype(dtype)
        torch.set_default_device(device)
        try:
            x, layer = theta.clone().requires_grad_(), MODULES[name](samples=S)
            z = run(layer, x, key=KEY)
            results.append((z, torch.autograd.grad(z.sum(), x)[0]))
        finally:
            torch.set_default_dtype(torch.float32)
            torch.set_default_device(None)
    for other in results[1:]:
        assert all(left.dtype is right.dtype and torch.equal(left, right) for left, right in zip(results[0], other))


@pytest.mark.parametrize("samples", [None, 1, S])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("scale", ["inverse_lambda", "none"])
def test_reading_by_addresses_and_through_arrays_give_the_same_bits(samples, reduction, scale):
    """Tensors without gaps take the short way; row_ids and gaps take the long one."""
    theta, w = random(4, B, N), random(4, B, *([] if samples is None else [samples]), N, seed=1)
    layer = lt.TopK(K, samples=samples, reduction=reduction, scale=scale, lambda_=0.7)
    gaps = lambda t: torch.cat([t, t], -1)[..., : t.shape[-1]]  # noqa: E731
    ids, results = torch.arange(4 * B).reshape(4, B), []
    for change, arguments in ((lambda t: t, {}), (lambda t: t, {"row_ids": ids}), (gaps, {})):
        x = change(theta).requires_grad_()
        z, indices = layer(x, key=KEY, return_indices=True, **arguments)
        results.append((z, indices, torch.autograd.grad(z, x, change(w))[0]))
    for other in results[1:]:
        assert all(torch.equal(left, right) for left, right in zip(results[0], other))
    assert results[0][2].any()


def test_a_negated_view_is_read_as_it_is():
    """A view with the bit of negation has other numbers than its memory."""
    numbers = torch.complex(random(1, seed=1), random(1, seed=2))
    view = numbers.conj().imag
    assert view.is_neg() and view.is_contiguous()
    exact = lt.ExactMarginals(1, temperature=2.0)
    theta = torch.cat([view, view]).view(1, 2)
    assert torch.equal(exact(theta.clone()), exact(theta))
    layer = lt.FenchelYoung(1, noise="none")
    y = torch.zeros(1, 1)
    assert torch.equal(layer(view.view(1, 1), y), layer(view.view(1, 1).clone(), y)) and view != 0


# ---- compile, export, vmap, checkpoint, copies ----


@pytest.mark.parametrize("name", MODULES)
def test_compile_fullgraph(name):
    layer, theta = MODULES[name](samples=S), random(B, N)
    w = random(B, S, N, seed=1) if name != "marginals" else random(B, N, seed=1)

    def step(theta):
        return (run(layer, torch.tanh(theta) * 2, key=KEY_TENSOR) * w).sum(-1).mean()

    grads = []
    for function in (step, torch.compile(step, fullgraph=True, backend="aot_eager")):
        x = theta.clone().requires_grad_()
        function(x).backward()
        grads.append(x.grad)
    assert torch.equal(*grads) and grads[0].any()


def test_compile_with_inductor_and_a_drawn_key():
    layer = lt.TopK(K)
    step = torch.compile(lambda theta: (layer(theta) * 2).sum(-1), fullgraph=True)
    x = random(B, N).requires_grad_()
    y = step(x)
    y.mean().backward()
    assert torch.equal(y.detach(), torch.full((B,), 2.0 * K)) and x.grad.shape == (B, N)


def test_compile_with_an_adaptive_lambda():
    states, w = [], random(64, N, seed=1)
    for compiled in (False, True):
        adaptive = lt.Adaptive(a=0.5)
        layer = lt.TopK(K, adaptive=adaptive)
        step = lambda theta, key: (layer(theta, key=key) * w).sum(-1).mean()  # noqa: B023, E731
        step = torch.compile(step, backend="aot_eager", fullgraph=True) if compiled else step
        for number in range(3):
            step(random(64, N, seed=number).requires_grad_(), torch.tensor([1, number])).backward()
        states.append(float(adaptive.a))
    assert states[0] == states[1] != 0.5


@pytest.mark.parametrize("name", ["topk", "argmax", "marginals"])
def test_export(name):
    layer = MODULES[name]().eval()
    theta = random(B, N)
    program = torch.export.export(layer, (theta,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    other = random(2 * B, N, seed=3)
    assert torch.equal(loaded(other), layer(other))


@pytest.mark.parametrize("name", MODULES)
def test_vmap_equals_the_batch(name):
    layer, theta = MODULES[name](), random(4, B, N)
    for dim in (0, 1, 2):
        mapped = torch.vmap(lambda t: run(layer, t, key=KEY), in_dims=dim)(theta.movedim(0, dim))
        assert torch.equal(mapped, run(layer, theta, key=KEY))


def test_vmap_with_a_key_for_each_call():
    layer, theta = lt.TopK(K), random(4, B, N)
    keys = torch.arange(8).reshape(4, 2)
    mapped = torch.vmap(lambda t, k: layer(t, key=k))(theta, keys)
    assert torch.equal(mapped, torch.stack([layer(t, key=k) for t, k in zip(theta, keys)]))
    drawn = torch.vmap(layer, randomness="different")(torch.zeros(4, 1, N))
    assert len({tuple(z.tolist()) for z in drawn[:, 0]}) > 1
    with pytest.raises(RuntimeError, match="random"):  # as with dropout
        torch.vmap(layer)(theta)


def test_functional_gradients_are_refused():
    """PyTorch does not take torch.func.grad through an operator of a library; it must not go wrong in silence."""
    for name, make in MODULES.items():
        with pytest.raises(RuntimeError, match="setup_context"):
            torch.func.grad(lambda t: run(make(), t, key=KEY).sum())(random(B, N)), name  # noqa: B023


def test_many_gradients_of_one_forward_pass():
    """vmap over incoming gradients: the forward pass was one, and so is its noise."""
    layer, x = lt.TopK(K, reduction="sum"), random(B, N).requires_grad_()
    z = through_operators(lambda: layer(x, key=KEY))
    incoming = random(7, B, N, seed=2)
    mapped = torch.autograd.grad(z, x, incoming, is_grads_batched=True, retain_graph=True)[0]
    looped = torch.stack([torch.autograd.grad(z, x, g, retain_graph=True)[0] for g in incoming])
    assert torch.equal(mapped, looped)


def test_fake_tensors_have_the_shapes_of_results():
    from torch._subclasses.fake_tensor import FakeTensorMode

    for name in ("topk", "argmax", "simple"):
        for training in (True, False):
            layer = LAYERS[name](samples=S).train(training)
            real = layer(random(B, N), return_indices=True)
            with FakeTensorMode():
                fake = layer(torch.empty(B, N), return_indices=True)
            for left, right in zip(real, fake):
                assert (left.shape, left.dtype) == (right.shape, right.dtype), name


@pytest.mark.parametrize("name", MODULES)
def test_copies_and_saved_modules(name):
    layer = MODULES[name]()
    theta = random(B, N)
    copied = copy.deepcopy(layer)
    del layer
    expected = run(MODULES[name](), theta, key=KEY)
    assert torch.equal(run(copied, theta, key=KEY), expected)
    file = io.BytesIO()
    torch.save(copied, file)
    file.seek(0)
    assert torch.equal(run(torch.load(file, weights_only=False), theta, key=KEY), expected)


def test_the_gradient_is_not_differentiable():
    x = random(B, N).requires_grad_()
    for call in (lambda: lt.TopK(K)(x), lambda: through_operators(lambda: lt.TopK(K)(x))):
        z = call()
        with pytest.raises(RuntimeError):
            (grad,) = torch.autograd.grad((z * x).sum(), x, create_graph=True)
            grad.sum().backward()


# ---- what is computed ----


def test_solver_equals_topk():
    theta = random(B, N)
    for difference in ("forward", "central"):
        results = []
        for layer in (
            lt.TopK(3, samples=S, difference=difference),
            lt.Solver(best_three, samples=S, difference=difference),
        ):
            x = theta.clone().requires_grad_()
            z = layer(x, key=KEY)
            results.append((z, torch.autograd.grad(z, x, random(B, S, N, seed=1))[0]))
        assert all(torch.equal(left, right) for left, right in zip(*results))


def test_marginals_by_finite_differences():
    layer = lt.ExactMarginals(K, temperature=0.7)
    theta, v = random(2, 6), random(2, 6, seed=1)
    x = theta.clone().requires_grad_()
    (layer(x) * v).sum().backward()
    step = 1e-2
    for row in range(2):
        for i in range(6):
            up, down = theta.clone(), theta.clone()
            up[row, i] += step
            down[row, i] -= step
            slope = ((layer(up) - layer(down)) * v).sum() / (2 * step)
            assert abs(float(slope) - float(x.grad[row, i])) < 1e-3


@pytest.mark.parametrize("samples", [None, S])
def test_simple_is_right_for_any_loss(samples):
    theta = random(B, N)
    layer = lt.Simple(K, samples=samples, temperature=0.7)
    x = theta.clone().requires_grad_()
    z = layer(x, key=KEY)
    incoming = random(*z.shape, seed=1)
    z.backward(incoming)
    total = incoming if samples is None else incoming.sum(1)
    expected = layer.layer.marginals_vjp(theta.numpy(), total.numpy())
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_score_function():
    theta = random(B, N)
    layer = lt.Simple(K, samples=S)
    x, offset = theta.clone().requires_grad_(), torch.zeros((), requires_grad=True)
    z, indices = layer(x, key=KEY, return_indices=True)
    losses = (z.detach() * random(B, 1, N, seed=1)).sum(-1) ** 2 + offset
    wrapped = layer.score_function(losses, x, indices)
    assert torch.equal(wrapped, losses)
    wrapped.mean().backward()
    expected = layer.layer.score_function(theta.numpy(), indices.numpy(), losses.detach().numpy()) / B
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-4, atol=1e-6)
    assert float(offset.grad) == pytest.approx(1.0)


def test_fenchel_young():
    theta, y = random(B, N), best_three(random(B, N, seed=1))
    layer = lt.FenchelYoung(K, samples=S)
    x = theta.clone().requires_grad_()
    loss = layer(x, y, key=KEY)
    (loss * torch.arange(B)).sum().backward()
    expected = layer.layer.fenchel_young(theta.numpy(), y.numpy(), KEY)
    assert np.array_equal(loss.detach(), expected.loss)
    np.testing.assert_allclose(x.grad.numpy(), expected.grad_theta * np.arange(B)[:, None], rtol=1e-6)


def test_masks():
    theta = random(B, N)
    theta[:, :4] = -torch.inf
    x = theta.clone().requires_grad_()
    z = lt.TopK(K, samples=S)(x)
    z.backward(random(B, S, N, seed=1))
    assert not z[..., :4].any() and not x.grad[:, :4].any()


# ---- errors ----


@pytest.mark.parametrize(
    "call, argument",
    [
        (lambda: lt.TopK(-1), "k"),
        (lambda: lt.TopK(K)(random(B, 2)), "k"),
        (lambda: lt.TopK(K).eval()(random(B, 2)), "k"),
        (lambda: lt.TopK(K, noise="uniform"), "noise"),
        (lambda: lt.TopK(K, reduction="none")(random(B, N)), "reduction"),
        (lambda: lt.TopK(K)([1.0]), "theta"),
        (lambda: lt.TopK(K)(torch.zeros(B, N, dtype=torch.int64)), "theta"),
        (lambda: lt.TopK(K)(torch.zeros(B, N, dtype=torch.complex64)), "theta"),
        (lambda: lt.TopK(K)(torch.zeros(B, N).to_sparse()), "theta"),
        (lambda: lt.TopK(K)(torch.tensor(1.0)), "theta"),
        (lambda: lt.TopK(K)(random(B, N), key=1), "key"),
        (lambda: lt.TopK(K)(random(B, N), key=torch.tensor([1.0, 2.0])), "key"),
        (lambda: lt.TopK(K)(random(B, N), key=libimle.Key(1, row_ids=[1])), "key"),
        (lambda: lt.TopK(K)(random(B, N), row_ids=torch.zeros(B)), "row_ids"),
        (lambda: lt.TopK(K)(random(B, N), row_ids=torch.arange(B - 1)), "key.row_ids"),
        (lambda: lt.TopK(K)(random(B, N), k_row=torch.full((B,), -1)), "k_row"),
        (lambda: lt.TopK(K)(random(B, N), k_row=torch.full((B,), K + 1)), "k_row"),
        (lambda: lt.Simple(K)(torch.full((B, N), -torch.inf)), "theta"),
        (lambda: lt.Solver(lambda scores: scores[:1])(random(B, N)), "solve"),
        (lambda: lt.Solver(best_three)(random(B, N), return_indices=True), "return_indices"),
        (lambda: lt.FenchelYoung(K)(random(B, N), random(B, N + 1)), "y"),
        (lambda: lt.Simple(K).score_function(random(B, 1), random(B, N), torch.zeros(B, 1, K).long()), "samples"),
        (lambda: lt.Adaptive(a=-1.0), "a"),
    ],
)
def test_errors_name_the_argument(call, argument):
    with pytest.raises(libimle.Error) as error:
        call()
    assert error.value.argument == argument, error.value


def test_a_backward_pass_outlives_the_module():
    x = random(B, N).requires_grad_()
    for make in (lambda: lt.Solver(lambda scores: best_three(scores)), lambda: lt.TopK(K, adaptive=lt.Adaptive())):
        (make()(x, key=KEY) * random(B, N, seed=1)).sum(-1).mean().backward()
    assert x.grad.any()


def test_a_layer_whose_solver_is_gone_says_so():
    layer = lt.Solver(best_three)
    settings = layer._settings
    del layer
    with pytest.raises(libimle.Error, match="does not exist any more"):
        _ops.choose(random(B, N), None, settings)
