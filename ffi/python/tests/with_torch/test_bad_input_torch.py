"""Bad input of libimle.torch is a libimle.Error that names the argument and the row; no input crashes the process."""

import math

import libimle
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import libimle.torch as lt
from refused import assert_refused

B, N, K, S = 4, 6, 3, 2
KEY = torch.tensor([1, 2])


def best_three(scores):
    return torch.zeros_like(scores).scatter(-1, scores.topk(3).indices, 1.0)


LAYERS = {
    "topk": lambda: lt.TopK(K, samples=S),
    "argmax": lambda: lt.Argmax(samples=S),
    "solver": lambda: lt.Solver(best_three, samples=S),
    "simple": lambda: lt.Simple(K, samples=S),
}


def zeros(*shape, dtype=torch.float32):
    return torch.zeros(shape, dtype=dtype)


def with_value(tensor, place, value):
    tensor = tensor.clone()
    tensor[place] = value
    return tensor


THETA = zeros(B, N)
MASKED = with_value(THETA, (2, slice(0, 4)), -math.inf)  # row 2 has two scores, fewer than k
NAN = with_value(THETA, (3, 1), math.nan)


def backward(layer, theta, dz, **arguments):
    x = theta.clone().requires_grad_()
    layer(x, **arguments).backward(dz)
    return x.grad


CALLS = [
    (lambda: lt.TopK(-1), "k", ()),
    (lambda: lt.TopK(1.5), "k", ()),
    (lambda: lt.TopK(True), "k", ()),
    (lambda: lt.ExactMarginals(-1), "k", ()),
    (lambda: lt.TopK(N + 1)(THETA), "k", ()),
    (lambda: lt.Simple(N + 1)(THETA), "k", ()),
    (lambda: lt.ExactMarginals(N + 1)(THETA), "k", ()),
    (lambda: lt.FenchelYoung(N + 1)(THETA, THETA), "k", ()),
    (lambda: lt.TopK(K, samples=0), "samples", ()),
    (lambda: lt.TopK(K, threads=0), "threads", ()),
    (lambda: lt.TopK(K)(None), "theta", ()),
    (lambda: lt.TopK(K)(THETA.long()), "theta", ()),
    (lambda: lt.TopK(K)(torch.tensor(1.0)), "theta", ()),
    (lambda: lt.TopK(K)(zeros(B, 0)), "theta", ()),
    (lambda: lt.TopK(0)(zeros(B, 0)), "theta", ()),
    (lambda: lt.TopK(K)(NAN), "theta", (3,)),
    (lambda: lt.TopK(K)(NAN.view(2, 2, N)), "theta", (1, 1)),
    (lambda: lt.TopK(K)(NAN.double()), "theta", (3,)),
    (lambda: lt.TopK(K).eval()(NAN), "theta", (3,)),
    (lambda: lt.Solver(best_three)(NAN), "theta", (3,)),
    (lambda: lt.Solver(best_three).eval()(NAN), "theta", (3,)),
    (lambda: lt.ExactMarginals(K)(NAN), "theta", (3,)),
    (lambda: lt.Simple(K)(NAN), "theta", (3,)),
    (lambda: lt.TopK(K)(MASKED), "theta", (2,)),
    (lambda: lt.TopK(K).eval()(MASKED), "theta", (2,)),
    (lambda: lt.ExactMarginals(K)(MASKED), "theta", (2,)),
    (lambda: lt.TopK(K)(THETA, k_row=torch.tensor([3, 4, 3, 3])), "k_row", (1,)),
    (lambda: lt.TopK(K)(THETA, k_row=torch.tensor([3, -1, 3, 3])), "k_row", ()),
    (lambda: lt.TopK(K)(THETA, k_row=torch.tensor([3, 3, 3])), "k_row", ()),
    (lambda: lt.TopK(K)(THETA, k_row=torch.tensor([3.0] * B)), "k_row", ()),
    (lambda: lt.TopK(K)(THETA, k_row=[3] * B), "k_row", ()),
    (lambda: lt.Argmax()(THETA, k_row=torch.ones(B).long()), "k_row", ()),
    (lambda: lt.Argmax().eval()(THETA, k_row=torch.ones(B).long()), "k_row", ()),
    (lambda: lt.Solver(best_three)(THETA, k_row=torch.ones(B).long()), "k_row", ()),
    (lambda: lt.TopK(K)(THETA, key=(1, 2)), "key", ()),
    (lambda: lt.TopK(K)(THETA, key=torch.tensor([1, 2, 3])), "key", ()),
    (lambda: lt.TopK(K)(THETA, key=KEY.int()), "key", ()),
    (lambda: lt.TopK(K)(THETA, key=KEY.expand(3, 2)), "key", ()),
    (lambda: lt.TopK(K)(THETA, key=libimle.Key(1, sample0=2**28)), "key", ()),
    (lambda: lt.TopK(K)(THETA, row_ids=torch.zeros(B)), "row_ids", ()),
    (lambda: lt.TopK(K)(THETA, row_ids=torch.arange(B + 1)), "key.row_ids", ()),
    (lambda: lt.TopK(K)(THETA, row_ids=[0] * B), "row_ids", ()),
    (lambda: lt.FenchelYoung(K)(THETA, with_value(THETA, (1, 0), math.inf)), "y", (1,)),
    (lambda: lt.FenchelYoung(K)(THETA, THETA.long()), "y", ()),
    (lambda: lt.FenchelYoung(K)(THETA, zeros(B)), "y", ()),
    (lambda: lt.FenchelYoung(K)(THETA, None), "y", ()),
    (lambda: lt.Solver(lambda scores: scores[:, :1])(THETA), "solve", ()),
    (lambda: lt.Solver(lambda scores: None)(THETA), "solve", ()),
    (lambda: backward(lt.Solver(lambda scores: scores * math.nan), THETA, THETA), "z", (0,)),
    (lambda: lt.TopK(K, reduction="batch")(THETA), "reduction", ()),
    (lambda: lt.TopK(K, loss_scale="big")(THETA), "loss_scale", ()),
    (lambda: lt.TopK(K, loss_scale=0.0)(THETA), "loss_scale", ()),
    (lambda: lt.TopK(K, loss_scale=math.nan)(THETA), "loss_scale", ()),
    (lambda: lt.TopK(K, adaptive=libimle.Adaptive()), "adaptive", ()),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_the_argument_and_the_row_are_named(number):
    assert_refused(*CALLS[number])


def test_nothing_is_drawn_or_written_by_a_call_that_is_refused():
    """The adaptive state and theta stay as they are."""
    adaptive, theta = lt.Adaptive(a=0.5), MASKED.clone()
    with pytest.raises(libimle.Error):
        lt.TopK(K, adaptive=adaptive)(theta)
    assert float(adaptive.a) == 0.5 and torch.equal(theta, MASKED)


def test_a_state_dict_of_another_version_is_refused():
    layer = lt.TopK(K, adaptive=lt.Adaptive(a=0.5))
    state = layer.state_dict()
    for other in (
        {"adaptive.state": torch.zeros(3)},  # that of imle_torch.hpp
        state | {"adaptive.rule": torch.tensor(1)},
        state | {"adaptive.a": torch.tensor([0.5, 0.5])},
        state | {"adaptive.g": torch.tensor(math.nan)},
        state | {"adaptive.a": "0.5 or so"},
        {},
    ):
        with pytest.raises(RuntimeError, match="adaptive"):
            layer.load_state_dict(other)
        assert float(layer.adaptive.a) == 0.5 and layer.adaptive.a.shape == ()


# ---- anything at all ----

DTYPES = st.sampled_from(
    [torch.float32] * 4 + [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.complex64]
)
SHAPES = st.sampled_from([(B, N), (B, S, N), (B, S, K), (B, S), (B,), (N,), (), (0, N), (2, 2, N), (B, 0), (1,) * 12])
ODD = st.sampled_from([0.0, -0.0, 1.0, -math.inf, math.inf, math.nan, 1e38, 1e-42])


@st.composite
def tensors(draw):
    """A tensor of any dtype, a shape that is sometimes right, and strides of any kind."""
    shape, dtype = draw(SHAPES), draw(DTYPES)
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 9)))).to(dtype)
    if tensor.numel() and dtype.is_floating_point and draw(st.booleans()):
        tensor.view(-1)[draw(st.integers(0, tensor.numel() - 1))] = draw(ODD)
    if tensor.dim() > 1 and draw(st.booleans()):
        tensor = tensor.transpose(0, 1).contiguous().transpose(0, 1)
    if tensor.dim() > 1 and draw(st.booleans()):
        tensor = tensor[:1].expand(tensor.shape)
    return draw(st.sampled_from([tensor, tensor, tensor, tensor.to("meta"), tensor.tolist(), None]))


@st.composite
def integers(draw):
    tensor = torch.tensor(draw(st.lists(st.integers(-2, 7), min_size=B - 1, max_size=B)))
    return draw(st.sampled_from([None, None, tensor, tensor.int(), tensor.float(), tensor.to("meta"), tensor.tolist()]))


def attempt(call):
    """Runs a call, which may be refused in the words of the package and in no other way."""
    try:
        return call()
    except libimle.Error as error:
        assert isinstance(error.argument, str) and error.reason
        return None


@settings(max_examples=300, deadline=None, derandomize=True, phases=[Phase.generate])  # shrinking takes minutes
@given(data=st.data(), name=st.sampled_from(list(LAYERS)), training=st.booleans())
def test_no_input_crashes(data, name, training):
    theta, other, w = (data.draw(tensors(), label=label) for label in ("theta", "other", "w"))
    ids, ks = data.draw(integers(), label="row_ids"), data.draw(integers(), label="k_row")
    if isinstance(theta, torch.Tensor) and theta.is_floating_point():
        theta.requires_grad_()
    before = [t.detach().clone() if isinstance(t, torch.Tensor) else None for t in (theta, other, w)]
    layer = LAYERS[name]().train(training)
    z = attempt(lambda: layer(theta, key=KEY, row_ids=ids, k_row=ks))
    if z is not None and z.requires_grad and isinstance(w, torch.Tensor) and w.shape == z.shape and w.dtype == z.dtype:
        if w.device == z.device:
            (grad,) = torch.autograd.grad(z, theta, w, retain_graph=True)
            assert grad.shape == theta.shape and grad.dtype == theta.dtype
    attempt(lambda: lt.ExactMarginals(K)(theta, k_row=ks))
    attempt(lambda: lt.FenchelYoung(K)(theta, other, key=KEY, k_row=ks))
    attempt(lambda: lt.Simple(K, samples=S).score_function(other, theta, w))
    for tensor, copy in zip((theta, other, w), before):
        if copy is not None and tensor.device.type == "cpu":
            same = (
                torch.equal(tensor.detach().nan_to_num(7.0), copy.nan_to_num(7.0)) if copy.is_floating_point() else True
            )
            assert same, "an input was written"
