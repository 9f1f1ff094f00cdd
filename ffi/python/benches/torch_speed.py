"""What libimle.torch adds to the calls of the library, beside the least that PyTorch takes for any layer.

Run it with the environment of test.sh --torch. It prints microseconds of processor time of forward + backward: the best
of 200 rounds of 20 calls, in which all layers take turns, on one thread. Then it prints what a second thread gains in a
large batch, the best of 200 rounds by the clock.
"""

import itertools
import time
import timeit

import numpy as np
import torch

import libimle
import libimle.torch


class EmptyFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx, incoming):
        return torch.empty_like(incoming)


@torch.library.custom_op("speed::empty", mutates_args=())
def empty_operator(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


empty_operator.register_autograd(lambda ctx, incoming: empty_operator(incoming), setup_context=lambda *_, **__: None)


def best(calls, number=20, timer=time.thread_time):
    """The best time of each call, in microseconds."""
    rounds = [[timeit.timeit(call, number=number, timer=timer) for call in calls] for _ in range(200)]
    return [min(times) / number * 1e6 for times in zip(*rounds[1:])]


torch.set_num_threads(1)
print(f"{'B x N, k, S':>16}  C calls  libimle  libimle.torch  empty Function  empty operator")
for rows, n, k, samples in ((40, 350, 10, 1), (100, 20, 10, 10), (32, 64, 4, 1), (1, 10, 5, 1)):
    theta = torch.randn(rows, n, requires_grad=True)
    incoming = torch.randn(rows, samples, n)
    module = libimle.torch.TopK(k, samples=samples, reduction="sum")
    layer, keys = module.layer, itertools.cycle([libimle.Key(1, step) for step in range(100)])  # as in training
    x, dz = theta.detach().numpy(), incoming.numpy()
    z, indices = np.empty((rows, samples, n), np.float32), np.empty((rows, samples, k), np.uint32)
    grad = np.empty((rows, n), np.float32)

    def in_c():
        core_key = next(keys)._core  # noqa: B023
        layer._core.sample(x, core_key, None, z, indices, None)  # noqa: B023
        layer._core.gradient(x, dz, core_key, None, indices, grad)  # noqa: B023

    def in_numpy():
        key = next(keys)  # noqa: B023
        layer.gradient(x, dz, key, indices=layer.sample(x, key).indices)  # noqa: B023

    def in_torch(function, like):
        return lambda: torch.autograd.grad(function(theta), theta, like)  # noqa: B023

    empty = [in_torch(f, torch.ones_like(theta)) for f in (EmptyFunction.apply, empty_operator)]
    times = best([in_c, in_numpy, in_torch(module, incoming), *empty])
    name = f"{rows} x {n}, {k}, {samples}"
    print(f"{name:>16}", *(f"{t:{width}.1f}" for t, width in zip(times, (8, 8, 14, 15, 15))))

theta, incoming = torch.randn(16384, 64, requires_grad=True), torch.randn(16384, 64)
modules = [libimle.torch.TopK(8, reduction="sum", threads=threads) for threads in (1, 2)]
one, two = best([in_torch(module, incoming) for module in modules], number=1, timer=time.perf_counter)
print(f"16384 x 64, 8, 1: {one:.0f} with one thread, {two:.0f} with two: {one / two:.2f} times as fast")
