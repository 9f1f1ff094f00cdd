"""The functions of libimle.torch: the modules' results, and derivatives of exact numbers."""

import math
import re
from pathlib import Path

import libimle
import numpy as np
import pytest
import torch

import libimle.torch as lt
from libimle.torch import _ops

B, N, K, S = 4, 7, 3, 5
KEY = libimle.Key(3, 5)
HEADER = Path(__file__).resolve().parents[4] / "include/imle_torch.hpp"


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def best_three(scores):
    return torch.zeros_like(scores).scatter(-1, scores.topk(3).indices, 1.0)


def test_the_functions_of_imle_torch_hpp_are_here():
    header = HEADER.read_text()
    outside, depth = "", 0
    for line in header.splitlines():
        depth += line.count("namespace detail {") - line.count("} // namespace detail")
        outside += line + "\n" if depth == 0 else ""
    names = set(re.findall(r"^inline \w+ (\w+)\(", outside, re.MULTILINE))
    assert names and names <= set(lt.__all__), names - set(lt.__all__)


CALLS = {
    "topk": (lambda t: lt.topk(t, K, samples=S, key=KEY), lambda t: lt.TopK(K, samples=S)(t, key=KEY)),
    "one": (lambda t: lt.topk(t, K, key=KEY, lambda_=2.0), lambda t: lt.TopK(K, lambda_=2.0)(t, key=KEY)),
    "argmax": (lambda t: lt.argmax(t, samples=S, key=KEY), lambda t: lt.Argmax(samples=S)(t, key=KEY)),
    "solve": (lambda t: lt.solve(t, best_three, key=KEY), lambda t: lt.Solver(best_three)(t, key=KEY)),
    "simple": (lambda t: lt.simple(t, K, samples=S, key=KEY), lambda t: lt.Simple(K, samples=S)(t, key=KEY)),
    "marginals": (lambda t: lt.marginals(t, K, temperature=0.5), lambda t: lt.ExactMarginals(K, temperature=0.5)(t)),
    "fenchel_young": (
        lambda t: lt.fenchel_young(t, torch.ones(B, N) / 2, K, key=KEY),
        lambda t: lt.FenchelYoung(K)(t, torch.ones(B, N) / 2, key=KEY),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_is_its_module(name):
    results = []
    for call in CALLS[name]:
        x = random(B, N).requires_grad_()
        y = call(x)
        results.append((y, torch.autograd.grad(y, x, random(*y.shape, seed=1))[0]))
    assert all(torch.equal(left, right) for left, right in zip(*results)) and results[0][1].any()


def test_every_call_draws_its_own_noise_and_returns_indices():
    theta = torch.zeros(50, N)
    assert not torch.equal(lt.topk(theta, K), lt.topk(theta, K))
    z, indices = lt.topk(theta, K, return_indices=True)
    assert torch.equal(torch.zeros(50, N).scatter(-1, indices, 1.0), z)
    adaptive = lt.Adaptive(a=0.5)
    (lt.topk(random(B, N).requires_grad_(), K, adaptive=adaptive) * random(B, N, seed=1)).sum(-1).mean().backward()
    assert float(adaptive.a) != 0.5


@pytest.mark.parametrize("samples", [None, S])
def test_straight_through(samples):
    theta = random(B, N)
    theta[1, 2] = -math.inf
    x = theta.clone().requires_grad_()
    z, indices = lt.straight_through(x, K, samples=samples, key=KEY, return_indices=True)
    same, lists = lt.topk(theta, K, samples=samples, key=KEY, return_indices=True)
    assert torch.equal(z, same) and torch.equal(indices, lists)
    w = random(*z.shape, seed=1)
    z.backward(w)
    expected = libimle.straight_through(theta.numpy(), w.numpy()) * (samples or 1)
    np.testing.assert_allclose(x.grad, expected, rtol=1e-5)
    assert x.grad[1, 2] == 0


def test_exact_numbers_are_those_of_the_library():
    theta, other, exact = random(B, N), random(B, N, seed=1), libimle.ExactTopK(K, samples=S, temperature=0.7)
    _, log_partition, entropy = exact.marginals(theta.numpy())
    assert np.array_equal(lt.log_partition(theta, K, temperature=0.7), log_partition)
    assert np.array_equal(lt.entropy(theta, K, temperature=0.7), entropy)
    assert np.array_equal(lt.kl(theta, other, K, temperature=0.7), exact.kl(theta.numpy(), other.numpy()))
    z, indices = lt.sample(theta, K, samples=S, temperature=0.7, key=KEY)
    states = exact.sample(theta.numpy(), KEY)
    assert np.array_equal(z, states.z) and np.array_equal(indices, states.indices)
    log_prob = lt.log_prob(theta, indices, temperature=0.7)
    assert np.array_equal(log_prob, exact.log_prob(theta.numpy(), states.indices))
    assert torch.equal(lt.log_prob(theta, indices[:, 2], temperature=0.7), log_prob[:, 2])


def enumerated(theta, temperature):
    """ln p of all states, from the definition, in double precision."""
    states = torch.tensor(
        [[i in c for i in range(N)] for c in torch.combinations(torch.arange(N), K).tolist()]
    ).double()
    return states, torch.log_softmax(theta.double() @ states.T / temperature, -1)


@pytest.mark.parametrize("name", ["log_partition", "entropy", "kl", "kl other", "log_prob"])
def test_derivatives_of_exact_numbers(name):
    """Against PyTorch's derivatives of the definition, by enumeration."""
    T, theta, other, v = 0.7, random(B, N), random(B, N, seed=1), random(B, seed=2)
    z, indices = lt.sample(theta, K, samples=S, key=KEY)
    grads = []
    for exact in (False, True):
        x, y = theta.clone().requires_grad_(), other.clone().requires_grad_()
        (states, p), (_, q) = enumerated(x, T), enumerated(y, T)
        value = {
            "log_partition": lambda: torch.logsumexp(x.double() @ states.T / T, -1),
            "entropy": lambda: -(p.exp() * p).sum(-1),
            "kl": lambda: (p.exp() * (p - q)).sum(-1),
            "log_prob": lambda: (p[:, None] * (z.double() @ states.T == K)).sum(-1).sum(-1),
        }
        if exact:
            value = {
                "log_partition": lambda: lt.log_partition(x, K, temperature=T),
                "entropy": lambda: lt.entropy(x, K, temperature=T),
                "kl": lambda: lt.kl(x, y, K, temperature=T),
                "log_prob": lambda: lt.log_prob(x, indices, temperature=T).sum(-1),
            }
        (value[name.split()[0]]() * v).sum().backward()
        grads.append(y.grad if "other" in name else x.grad)
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-5)
    assert grads[0].abs().max() > 0.1


def test_derivatives_with_masks_and_unused_tails():
    theta = random(B, N)
    theta[:, :2] = -math.inf
    for call in (
        lambda x: lt.log_partition(x, K),
        lambda x: lt.entropy(x, K),
        lambda x: lt.kl(x, random(B, N, seed=1), K),
        lambda x: lt.kl(random(B, N, seed=1).index_fill(1, torch.arange(2), -math.inf), x, K),
    ):
        x = theta.clone().requires_grad_()
        call(x).sum().backward()
        assert x.grad.isfinite().all() and not x.grad[:, :2].any() and x.grad.any()
    ks, x = torch.tensor([3, 2, 1, 0]), random(B, N).requires_grad_()
    _, indices = lt.sample(x, K, samples=S, k_row=ks, key=KEY)
    lt.log_prob(x, indices, k_row=ks).sum().backward()
    assert x.grad.isfinite().all() and not x.grad[3].any() and x.grad[:3].any(-1).all()


def test_the_estimators_of_given_samples():
    theta, exact = random(B, N), libimle.ExactTopK(K, samples=S, temperature=0.7)
    z, indices = lt.sample(theta, K, samples=S, temperature=0.7, key=KEY)
    dz, losses, weights = random(B, S, N, seed=1), random(B, S, seed=2), random(B, S, seed=3)
    for call, expected in (
        (
            lambda x, losses: lt.unbiased_simple(x, indices, dz, losses, temperature=0.7),
            lambda w: exact.unbiased_simple(theta, indices, w[..., None] * dz, w * losses),
        ),
        (
            lambda x, losses: lt.score_function(x, indices, losses, temperature=0.7),
            lambda w: exact.score_function(theta, indices, w * losses),
        ),
    ):
        x, given = theta.clone().requires_grad_(), losses.clone().requires_grad_()
        wrapped = call(x, given)
        assert torch.equal(wrapped, losses)
        (wrapped * weights).sum().backward()
        np.testing.assert_allclose(x.grad, expected(weights * S), rtol=1e-4, atol=1e-6)
        assert torch.equal(given.grad, weights)


def operators():
    theta, layer = random(B, N).requires_grad_(), lt.Simple(K, samples=S)
    settings, ks = layer._settings, torch.tensor([3, 2, 1, 0])
    for k_row in (None, ks):
        _, indices = lt.sample(theta, K, samples=S, key=KEY, k_row=k_row)
        dz, losses = random(B, S, N), random(B, S).requires_grad_()
        yield _ops.log_partition, (theta, k_row, settings)
        yield _ops.entropy, (theta, k_row, settings)
        yield _ops.kl, (theta, random(B, N, seed=1).requires_grad_(), k_row, settings)
        yield _ops.log_prob, (theta, indices, k_row, settings)
        yield _ops.unbiased_simple, (theta, indices, dz, losses, k_row, settings)
        yield _ops.unbiased_simple_vjp, (theta.detach(), indices, dz, losses.detach(), k_row, settings)


def test_opcheck():
    for operator, arguments in operators():
        torch.library.opcheck(operator, arguments)


def test_vmap_equals_the_batch():
    theta, other = random(3, B, N), random(3, B, N, seed=1)
    _, indices = lt.sample(theta, K, samples=S, key=KEY)
    for call, arguments in (
        (lambda t: lt.log_partition(t, K), (theta,)),
        (lambda t: lt.entropy(t, K), (theta,)),
        (lambda t, o: lt.kl(t, o, K), (theta, other)),
        (lambda t, i: lt.log_prob(t, i), (theta, indices)),
    ):
        assert torch.equal(torch.vmap(call)(*arguments), call(*arguments))


@pytest.mark.parametrize(
    "call, argument",
    [
        (lambda: lt.topk(random(B, N), -1), "k"),
        (lambda: lt.topk(random(B, N), True), "k"),
        (lambda: lt.topk(random(B, N), K, noise=["gumbel"]), "noise"),
        (lambda: lt.log_partition(random(B, N), N + 1), "k"),
        (lambda: lt.log_partition([1.0], 1), "theta"),
        (lambda: lt.entropy(random(B, N), K, temperature=0.0), "temperature"),
        (lambda: lt.kl(random(B, N), None, K), "theta_other"),
        (lambda: lt.kl(random(B, N), random(B, N + 1), K), "theta_other"),
        (lambda: lt.log_prob(random(B, N), None), "indices"),
        (lambda: lt.log_prob(random(B, N), torch.full((B, S, K), N)), "indices"),
        (lambda: lt.log_prob(random(B, N), torch.zeros(B + 1, S, K).long()), "indices"),
        (lambda: lt.score_function(random(B, N), torch.zeros(B, 1, K).long(), random(B, 1)), "samples"),
        (lambda: lt.unbiased_simple(random(B, N), torch.zeros(B, S, K).long(), random(B, N), random(B, S)), "dz"),
        (lambda: lt.unbiased_simple(random(B, N), torch.zeros(B, S, K).long(), None, random(B, S)), "dz"),
    ],
)
def test_errors_name_the_argument(call, argument):
    with pytest.raises(libimle.Error) as error:
        call()
    assert error.value.argument == argument, error.value
