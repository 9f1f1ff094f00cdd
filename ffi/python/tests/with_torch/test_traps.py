"""The eight silent mistakes of layers that are made by hand, in tests that the naive way fails."""

import copy
import ctypes
import math

import libimle
import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

import libimle.torch as lt

B, N, K, S = 6, 12, 3, 4


def scores(*shape, seed=0, grad=True):
    theta = torch.randn(*shape or (B, N), generator=torch.Generator().manual_seed(seed))
    return theta.requires_grad_(grad)


def weights(*shape, seed=1):
    return scores(*shape or (B, N), seed=seed, grad=False)


class NaiveFunction(torch.autograd.Function):
    """A layer as it is made by hand: it takes the incoming gradient for dz, and keeps the key that it was given."""

    @staticmethod
    def forward(ctx, theta, layer, key):
        ctx.layer, ctx.key = layer, key
        ctx.save_for_backward(theta)
        return torch.from_numpy(layer.sample(theta.detach().numpy(), key, indices=False).z)

    @staticmethod
    def backward(ctx, incoming):
        (theta,) = ctx.saved_tensors
        grad = ctx.layer.gradient(theta.detach().numpy(), incoming.numpy(), ctx.key).grad_theta
        return torch.from_numpy(grad), None, None


class Naive(torch.nn.Module):
    """Counts its calls for a key."""

    def __init__(self, k, **options):
        super().__init__()
        self.layer, self.step = libimle.TopK(k, **options), 0

    def forward(self, theta):
        self.step += 1
        return NaiveFunction.apply(theta, self.layer, libimle.Key(1, self.step))


def gradient(layer, theta, loss):
    theta = theta.detach().requires_grad_()
    loss(layer(theta)).backward()
    return theta.grad


# ---- 1. reduction ----


def test_1_the_mean_over_many_samples_has_a_gradient():
    """The loss is the mean of <w, z> over 20,000 samples; lambda multiplies the gradient of each one's own loss, w."""
    theta, w = scores(2, N, grad=False), weights(2, N)
    loss = lambda z: (z * w[:, None]).sum(-1).mean()  # noqa: E731
    layer = lt.TopK(K, samples=20_000, lambda_=0.1)
    grad = gradient(layer, theta, loss)
    exact = libimle.ExactTopK(K).marginals_vjp(theta, w) / 2  # of a law that is close to that of the samples
    assert np.corrcoef(grad.numpy().ravel(), exact.ravel())[0, 1] > 0.9
    naive = gradient(Naive(K, samples=20_000, lambda_=0.1), theta, loss)
    assert not naive.any()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("options", [{}, {"difference": "central"}, {"scale": "none"}, {"target": "combinatorial"}])
def test_1_the_gradient_is_that_of_each_rows_own_loss(reduction, options):
    theta, w = scores(grad=False), weights(B, S, N)
    layer = lt.TopK(K, samples=S, lambda_=1.5, reduction=reduction, **options)
    key = libimle.Key(3, 4)
    total = theta.clone().requires_grad_()
    losses = (layer(total, key=key) * w).sum(-1)
    (losses.mean() if reduction == "mean" else losses.sum()).backward()
    expected = layer.layer.gradient(theta.numpy(), w.numpy(), key).grad_theta
    factor = 1 / B if reduction == "mean" else S
    np.testing.assert_allclose(total.grad.numpy(), factor * expected, rtol=1e-5, atol=1e-7)


# ---- 2. keys ----


def layers_share_noise(make):
    torch.manual_seed(0)
    theta = torch.zeros(50, N)
    first, second = make(), make()
    return torch.equal(first(theta), second(theta))


def test_2_two_layers_have_their_own_noise():
    assert not layers_share_noise(lambda: lt.TopK(K))
    assert layers_share_noise(lambda: Naive(K))


def checkpointed_gradients_are_right(make):
    """Activation checkpointing runs the forward pass again; both runs must draw the same samples."""
    theta, w, grads = scores(200, N, grad=False), weights(200, N), []
    for through in (lambda f, *x: f(*x), lambda f, *x: checkpoint(f, *x, use_reentrant=False)):
        torch.manual_seed(5)
        layer = make()
        x, factors = theta.clone().requires_grad_(), torch.ones(N, requires_grad=True)
        hidden = through(lambda x, factors: layer(x).reshape(200, N) * factors, x, factors)  # noqa: B023
        (hidden * w).sum().backward()
        assert x.grad.any() and factors.grad.any()
        grads.append(torch.cat([x.grad, factors.grad[None]]))
    return torch.equal(*grads)


def test_2_checkpointing_repeats_the_noise():
    assert checkpointed_gradients_are_right(lambda: lt.TopK(K, lambda_=2.0, reduction="sum"))
    # The gradient of the factors comes from other states than those that the loss saw.
    assert not checkpointed_gradients_are_right(lambda: Naive(K, lambda_=2.0))


def test_2_the_noise_is_that_of_torchs_generator():
    theta, layer = scores(), lt.TopK(K)
    torch.manual_seed(1)
    first, second = layer(theta), layer(theta)
    torch.manual_seed(1)
    assert torch.equal(layer(theta), first)
    state = torch.get_rng_state()
    assert torch.equal(layer(theta), second) and not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(layer(theta), second)
    torch.manual_seed(1)
    assert torch.equal(copy.deepcopy(layer)(theta), first)


def test_2_a_retained_graph_gives_the_same_gradient_again():
    theta = scores()
    loss = (lt.TopK(K)(theta) * weights()).sum(-1).mean()
    first = torch.autograd.grad(loss, theta, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(loss, theta)[0], first)


def test_2_an_explicit_key_has_the_bits_of_the_library():
    theta = scores()
    for key in (libimle.Key(2**64 - 1, 2**63, row0=5), libimle.Key(7, 8, sample0=3)):
        layer = lt.TopK(K, samples=S)
        assert np.array_equal(layer(theta, key=key).detach(), layer.layer.sample(theta.detach(), key).z)
    tensor = torch.tensor([7, 8])
    assert torch.equal(lt.TopK(K)(theta, key=tensor), lt.TopK(K)(theta, key=libimle.Key(7, 8)))


# ---- 3. rows ----


def test_3_the_noise_follows_the_example():
    theta, w, layer, key = scores(grad=False), weights(), lt.TopK(K), libimle.Key(1, 2)
    order = torch.randperm(B, generator=torch.Generator().manual_seed(2))
    loss = lambda z, rows: (z * w[rows]).sum(-1).sum()  # noqa: E731
    layer.reduction = "sum"
    everywhere, here = theta.clone().requires_grad_(), theta[order].clone().requires_grad_()
    whole = layer(everywhere, key=key)
    part = layer(here, key=key, row_ids=order)
    loss(whole, slice(None)).backward()
    loss(part, order).backward()
    assert torch.equal(part, whole[order]) and torch.equal(here.grad, everywhere.grad[order])
    # Without row_ids the noise follows the place in the batch.
    assert not torch.equal(layer(theta[order], key=key), whole[order])


def distinct(choices):
    return len({tuple(z.tolist()) for z in choices.reshape(-1, choices.shape[-1])})


def test_3_vmap_folds_into_the_batch():
    """Equal scores in every mapped row: each row has noise of its own, not that of row 0."""
    theta, key = torch.zeros(30, N), libimle.Key(1)
    layer = lt.TopK(K)
    assert distinct(torch.vmap(lambda row: layer(row, key=key))(theta)) > 20
    assert torch.equal(torch.vmap(lambda row: layer(row, key=key))(theta), layer(theta, key=key))
    one_by_one = torch.stack([layer(row, key=key) for row in theta])
    assert distinct(one_by_one) == 1


# ---- 4. gradients that are not finite ----


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_4_infinities_flow_through(value):
    theta = scores()
    w = weights()
    w[2, 3] = value
    (lt.TopK(K)(theta) * w).sum().backward()
    assert theta.grad.isnan().all()
    with pytest.raises(libimle.Error):  # the naive way
        z = NaiveFunction.apply(theta, libimle.TopK(K), libimle.Key(1))
        (z[:, 0] * w).sum().backward()


def test_4_a_grad_scaler_skips_the_step_and_its_scale_leaves_lambda_alone():
    model, layer = torch.nn.Linear(N, N), lt.TopK(K)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14)
    layer.loss_scale = scaler.get_scale
    x, w = weights(), weights(seed=3)
    before = copy.deepcopy(model.state_dict())
    scaler.scale((layer(model(x)) * w * math.inf).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert scaler.get_scale() == 2.0**13

    key, grads = libimle.Key(9), []
    for scale in (lambda loss: loss, scaler.scale):
        layer.loss_scale = 1.0 if not grads else scaler.get_scale
        theta = scores(grad=False).requires_grad_()
        scale((layer(theta, key=key) * w).sum(-1).mean()).backward()
        grads.append(theta.grad)
    assert grads[0].any() and torch.equal(grads[0] * 2.0**13, grads[1])
    layer.loss_scale = 1.0  # the naive way: lambda times the scale
    theta = scores(grad=False).requires_grad_()
    scaler.scale((layer(theta, key=key) * w).sum(-1).mean()).backward()
    assert not torch.allclose(grads[0] * 2.0**13, theta.grad)


def test_4_nan_in_theta_is_an_error():
    theta = scores(grad=False)
    theta[4, 0] = math.nan
    with pytest.raises(libimle.Error, match="theta has NaN or .inf in row 4"):
        lt.TopK(K)(theta)


# ---- 5. adaptive lambda ----


def train(layer, adaptive, steps=3, backwards=1):
    for step in range(steps):
        theta = scores(64, N, seed=step)
        loss = (layer(theta, key=libimle.Key(1, step)) * 0.01 * weights(64, N)).sum(-1).mean()
        for _ in range(backwards):
            loss.backward(retain_graph=True)
    return [float(adaptive.a), float(adaptive.g)]


class NaiveAdaptiveFunction(torch.autograd.Function):
    """Adapts in every backward pass, whatever the mode, and keeps its state in an object of its own."""

    @staticmethod
    def forward(ctx, theta, layer, key, adaptive):
        ctx.layer, ctx.key, ctx.adaptive = layer, key, adaptive
        ctx.save_for_backward(theta)
        return torch.from_numpy(layer.sample(theta.detach().numpy(), key, indices=False).z[:, 0])

    @staticmethod
    def backward(ctx, incoming):
        (theta,) = ctx.saved_tensors
        layer = ctx.layer.with_lambda(ctx.adaptive.lambda_for(theta.detach().numpy(), incoming.numpy()))
        grad, counts = layer.gradient(theta.detach().numpy(), incoming.numpy(), ctx.key)
        ctx.adaptive.update(counts)
        return torch.from_numpy(grad), None, None, None


class NaiveAdaptive(torch.nn.Module):
    def __init__(self, adaptive):
        super().__init__()
        self.layer, self.adaptive = libimle.TopK(K), adaptive

    def forward(self, theta, key):
        return NaiveAdaptiveFunction.apply(theta, self.layer, key, self.adaptive)


def test_5_the_naive_way_adapts_too_often_and_forgets():
    states = []
    for backwards, training in ((1, True), (2, True), (1, False)):
        adaptive = libimle.Adaptive(a=0.5)
        naive = NaiveAdaptive(adaptive).train(training)
        states.append(train(naive, adaptive, backwards=backwards))
        assert not naive.state_dict()
    once, twice, evaluated = states
    assert once != twice  # a second backward pass adapts again
    assert evaluated == once and once[0] != 0.5  # evaluation adapts
    halves = [libimle.Adaptive(a=0.5) for _ in range(2)]  # two processes: each has a lambda of its own
    for half, rows in zip(halves, (slice(0, None, 2), slice(1, None, 2))):
        theta, dz = scores(64, N, grad=False)[rows].numpy(), weights(64, N)[rows].numpy()
        lambda_ = half.lambda_for(theta, dz)
        half.update(libimle.TopK(K).with_lambda(lambda_).gradient(theta, dz, libimle.Key(1)).diagnostics)
    assert halves[0] != halves[1]


def test_5_lambda_is_that_of_the_library():
    adaptive, by_hand = lt.Adaptive(a=0.5), libimle.Adaptive(a=0.5)
    layer = lt.TopK(K, adaptive=adaptive)
    moved = train(layer, adaptive)
    for step in range(3):
        theta, dz, key = (
            scores(64, N, seed=step, grad=False).numpy(),
            0.01 * weights(64, N).numpy(),
            libimle.Key(1, step),
        )
        grad = libimle.TopK(K).with_lambda(by_hand.lambda_for(theta, dz)).gradient(theta, dz, key)
        by_hand.update(grad.diagnostics)
    np.testing.assert_allclose(moved, [by_hand.a, by_hand.g], rtol=1e-5)
    assert moved[0] != 0.5


def test_5_a_second_backward_pass_does_not_adapt_again():
    first, second = lt.Adaptive(), lt.Adaptive()
    assert train(lt.TopK(K, adaptive=first), first) == train(lt.TopK(K, adaptive=second), second, backwards=2)


def test_5_evaluation_leaves_it_as_it_is():
    adaptive = lt.Adaptive(a=0.5)
    layer = lt.TopK(K, adaptive=adaptive)
    adaptive.eval()
    assert train(layer, adaptive)[0] == 0.5
    layer.train()
    assert train(layer, adaptive)[0] != 0.5
    layer.eval()
    assert not layer(scores()).requires_grad


def test_5_the_state_is_saved_and_loaded():
    adaptive = lt.Adaptive()
    layer = lt.TopK(K, adaptive=adaptive)
    train(layer, adaptive)
    assert set(layer.state_dict()) == {"adaptive.a", "adaptive.g", "adaptive.previous"}
    other = lt.Adaptive()
    restored = lt.TopK(K, adaptive=other)
    restored.load_state_dict(layer.state_dict())
    assert train(restored, other) == train(layer, adaptive)


def test_5_half_precision_of_the_model_leaves_the_state_in_float32():
    adaptive = lt.Adaptive(a=1.2345678)
    layer = lt.TopK(K, adaptive=adaptive).half().double()
    assert adaptive.a.dtype is torch.float32 and float(adaptive.a) == np.float32(1.2345678)
    theta = scores().half().detach().requires_grad_()
    layer(theta).sum().backward()


def test_5_a_state_that_makes_no_sense_is_refused():
    layer = lt.TopK(K, adaptive=lt.Adaptive())
    state = layer.state_dict()
    with pytest.raises(RuntimeError, match="adaptive.a is -1"):
        layer.load_state_dict(state | {"adaptive.a": torch.tensor(-1.0)})
    with pytest.raises(RuntimeError, match="previous"):
        layer.load_state_dict({name: value for name, value in state.items() if "previous" not in name})
    assert float(layer.adaptive.a) == 1.0


def test_5_no_gradient_is_nothing_to_learn():
    adaptive = lt.Adaptive()
    theta = scores()
    (lt.TopK(K, adaptive=adaptive)(theta) * 0).sum().backward()
    assert not theta.grad.any() and float(adaptive.a) == 1.0


def in_a_process(rank, path, results):
    torch.distributed.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    adaptive = lt.Adaptive(a=0.5)
    layer = lt.TopK(K, adaptive=adaptive, reduction="sum")
    rows = torch.arange(64)[rank::2]  # as DistributedSampler deals them
    for step in range(3):
        theta = scores(64, N, seed=step, grad=False)[rows].requires_grad_()
        z = layer(theta, key=libimle.Key(1, step), row_ids=rows)
        (z * 0.01 * weights(64, N)[rows]).sum().backward()
    results.put((rank, float(adaptive.a), z.detach().numpy(), theta.grad.numpy()))
    torch.distributed.destroy_process_group()


def test_5_two_processes_share_one_lambda(tmp_path):
    context = torch.multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=in_a_process, args=(rank, tmp_path / "store", results)) for rank in range(2)]
    for process in processes:
        process.start()
    parts = sorted((results.get(timeout=300) for _ in processes), key=lambda part: part[0])
    for process in processes:
        process.join()

    adaptive = lt.Adaptive(a=0.5)
    layer = lt.TopK(K, adaptive=adaptive, reduction="sum")
    for step in range(3):
        theta = scores(64, N, seed=step)
        z = layer(theta, key=libimle.Key(1, step))
        (z * 0.01 * weights(64, N)).sum().backward()
    for rank, a, z_part, grad_part in parts:
        assert math.isclose(a, float(adaptive.a), rel_tol=1e-6)
        assert np.array_equal(z_part, z.detach().numpy()[rank::2])
        np.testing.assert_allclose(grad_part, theta.grad.numpy()[rank::2], rtol=1e-5, atol=1e-8)


# ---- 6. layouts, dtypes, shapes ----

LAYOUTS = {
    "rows with gaps": lambda t: torch.cat([t, t], -1)[..., : t.shape[-1]],
    "inner stride 2": lambda t: t.repeat_interleave(2, -1)[..., ::2],
    "transposed": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
    "samples outside": lambda t: t.transpose(0, 1).contiguous().transpose(0, 1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_6_layouts_change_no_bit(layout):
    theta, w, layer, key = scores(grad=False), weights(B, S, N), lt.TopK(K, samples=S), libimle.Key(1)
    results = []
    for change in (lambda t: t, LAYOUTS[layout]):
        x = change(theta).requires_grad_()
        z = layer(x, key=key)
        (grad,) = torch.autograd.grad(z, x, change(w))
        results.append((z, grad))
    assert all(torch.equal(left, right) for left, right in zip(*results))


def by_address(tensor):
    """A tensor as a layer by hand passes it to C: the address of its first number, and its shape."""
    numbers = (ctypes.c_float * tensor.numel()).from_address(tensor.data_ptr())
    return np.ctypeslib.as_array(numbers).reshape(tensor.shape)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_6_the_naive_way_reads_other_numbers(layout):
    w, layer, key = weights(B, S, N), libimle.TopK(K, samples=S), libimle.Key(1)
    changed = LAYOUTS[layout](w)
    assert torch.equal(changed, w)
    theta = scores(grad=False).numpy()
    right, wrong = (layer.gradient(theta, by_address(dz), key).grad_theta for dz in (w, changed))
    assert not np.array_equal(right, wrong)


def test_6_the_naive_way_forgets_dtypes_and_leading_dimensions():
    """NaiveFunction is all in float32, and its batch is what it is."""
    layer = libimle.TopK(K, samples=S)
    z = NaiveFunction.apply(scores().double(), layer, libimle.Key(1))
    assert z.dtype is torch.float32
    double = scores().double().detach()
    wrong = layer.sample(by_address(double), libimle.Key(1)).z  # the halves of doubles are no scores
    assert not np.array_equal(wrong, z.detach().numpy())
    with pytest.raises(TypeError):
        NaiveFunction.apply(scores().bfloat16(), layer, libimle.Key(1))  # NumPy has no bfloat16


def test_6_the_gradient_of_a_sum_has_stride_0():
    theta, layer, key = scores(), lt.TopK(K, samples=S), libimle.Key(1)
    (expanded,) = torch.autograd.grad(layer(theta, key=key).sum(), theta)
    (plain,) = torch.autograd.grad(layer(theta, key=key), theta, torch.ones(B, S, N))
    assert torch.equal(expanded, plain)
    rows = scores(N).expand(B, N)
    assert torch.equal(layer(rows, key=key), layer(rows.clone(), key=key))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_6_dtypes_are_converted_and_results_return_in_them(dtype):
    theta = scores(grad=False).to(dtype).requires_grad_()
    z, indices = lt.TopK(K)(theta, key=libimle.Key(1), return_indices=True)
    (grad,) = torch.autograd.grad(z, theta, weights().to(dtype))
    assert z.dtype is dtype and grad.dtype is dtype and indices.dtype is torch.int64
    assert torch.equal(z, lt.TopK(K)(theta.float(), key=libimle.Key(1)).to(dtype))
    assert torch.equal(theta.gather(-1, indices), theta[z.bool()].reshape(B, K))


@pytest.mark.parametrize("leading", [(), (1,), (2, 3), (0,), (2, 0)])
def test_6_leading_dimensions_fold(leading):
    theta = scores(*leading, N)
    for layer, shape in ((lt.TopK(K), (*leading, N)), (lt.TopK(K, samples=S), (*leading, S, N))):
        z, indices = layer(theta, return_indices=True)
        assert z.shape == shape and indices.shape == (*shape[:-1], K)
        z.sum().backward()
        assert theta.grad.shape == theta.shape
        layer.eval()
        assert layer(theta).shape == (shape if layer._samples is None else (*leading, 1, N))
    assert lt.Argmax()(theta, return_indices=True)[1].shape == leading


def test_6_k_of_each_row():
    ks = torch.tensor([0, 1, 2, 3, 3, 1])
    z, indices = lt.TopK(K)(scores(), k_row=ks, return_indices=True)
    assert torch.equal(z.sum(-1).long(), ks)
    assert torch.equal((indices == 2**32 - 1).sum(-1), K - ks)


# ---- 7. flushed subnormals ----


def test_7_flushed_subnormals_change_no_bit():
    theta = 1e-39 * scores(grad=False)
    layer, key, results = lt.TopK(K, temperature=0.0), libimle.Key(1), []
    for flush in (False, True):
        if not torch.set_flush_denormal(flush):
            pytest.fail("this machine cannot flush subnormals")
        try:
            results.append(layer(theta, key=key))
            naive = theta * 1.0
        finally:
            torch.set_flush_denormal(False)
    assert torch.equal(*results)
    assert not naive.any()  # arithmetic of PyTorch sees zeros


# ---- 8. evaluation ----


@pytest.mark.parametrize("make", [lambda: lt.TopK(K), lambda: lt.Simple(K)])
def test_8_evaluation_is_map(make):
    theta, layer = scores(), make()
    layer.eval()
    expected = torch.zeros(B, N).scatter(-1, theta.topk(K).indices, 1.0)
    assert torch.equal(layer(theta), expected)
    layer.train()
    assert not torch.equal(layer(theta), expected)
    naive = Naive(K).eval()  # has noise in every mode
    assert not torch.equal(naive(theta)[:, 0], expected)
