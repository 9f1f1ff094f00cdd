"""What libimle.torch adds to the calls of the library, beside the least that PyTorch takes for any layer.

Run it with the environment of test.sh --torch. It prints microseconds of processor time of forward + backward: the best
of 25 rounds of 100, on one thread.
"""

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


def best(call):
    call()
    return min(timeit.repeat(call, number=100, repeat=25, timer=time.thread_time)) * 1e4


torch.set_num_threads(1)
print(f"{'B x N, k, S':>16}  C calls  libimle  libimle.torch  empty Function  empty operator")
for rows, n, k, samples in ((40, 350, 10, 1), (100, 20, 10, 10), (32, 64, 4, 1), (1, 10, 5, 1)):
    theta = torch.randn(rows, n, requires_grad=True)
    incoming = torch.randn(rows, samples, n)
    module = libimle.torch.TopK(k, samples=samples, reduction="sum")
    layer, key = module.layer, libimle.Key(1)
    x, dz, core_key = theta.detach().numpy(), incoming.numpy(), key._core
    z, indices = np.empty((rows, samples, n), np.float32), np.empty((rows, samples, k), np.uint32)
    grad = np.empty((rows, n), np.float32)

    def in_c():
        layer._core.sample(x, core_key, None, z, indices, None)  # noqa: B023
        layer._core.gradient(x, dz, core_key, None, indices, grad)  # noqa: B023

    def in_numpy():
        layer.gradient(x, dz, key, indices=layer.sample(x, key).indices)  # noqa: B023

    def in_torch(function, like):
        return lambda: torch.autograd.grad(function(theta), theta, like)  # noqa: B023

    times = [best(call) for call in (in_c, in_numpy, in_torch(module, incoming))]
    times += [best(in_torch(f, torch.ones_like(theta))) for f in (EmptyFunction.apply, empty_operator)]
    name = f"{rows} x {n}, {k}, {samples}"
    print(f"{name:>16}", *(f"{t:{width}.1f}" for t, width in zip(times, (8, 8, 14, 15, 15))))
