"""The time that libimle.jax adds to the calls of the library, beside the least that JAX takes for any program.

Run it with the environment of test.sh --jax. It prints microseconds of processor time of forward + backward, the best
of 25 rounds, on one thread: the two C calls; a compiled program that has nothing else; one of the 100 steps of a scan,
which is what a call costs inside a larger program; a compiled program that doubles theta, and a step of a scan that does.
"""

import time
import timeit

import jax
import jax.numpy as jnp
import libimle
import numpy as np

import libimle.jax


def best(call, number=100):
    call()
    return min(timeit.repeat(call, number=number, repeat=25, timer=time.process_time)) / number * 1e6


def in_program(function, *arguments):
    compiled = jax.jit(function).lower(*arguments).compile()
    return best(lambda: jax.block_until_ready(compiled(*arguments)))


def in_scan(function, theta, *arguments):
    """Each step needs a number of the step before, 0, so that none is left out."""

    def step(zero, _):
        return 0 * function(theta + zero, *arguments)[0, 0], None

    compiled = jax.jit(lambda zero: jax.lax.scan(step, zero, length=100)[0]).lower(0.0).compile()
    return best(lambda: jax.block_until_ready(compiled(0.0)), number=5) / 100


print(f"{'B x N, k, S':>16}  C calls  program  in a scan  empty program  empty scan")
for rows, n, k, samples in ((40, 350, 10, 1), (100, 20, 10, 10), (32, 64, 4, 1), (1, 10, 5, 1)):
    random = np.random.default_rng(0)
    x, dz = (random.normal(size=shape).astype(np.float32) for shape in ((rows, n), (rows, samples, n)))
    layer, core_key = libimle.TopK(k, samples=samples), libimle.Key(1)._core
    z, indices = np.empty((rows, samples, n), np.float32), np.empty((rows, samples, k), np.uint32)
    grad = np.empty((rows, n), np.float32)

    def in_c():
        layer._core.sample(x, core_key, None, z, indices, None)  # noqa: B023
        layer._core.gradient(x, dz, core_key, None, indices, grad)  # noqa: B023

    def in_jax(theta, dz, key):
        choose = lambda theta: libimle.jax.topk(theta, k, key, samples=samples, reduction="sum")  # noqa: B023, E731
        return jax.vjp(choose, theta)[1](dz)[0]

    theta, incoming, key = jnp.asarray(x), jnp.asarray(dz), jax.random.key(1)
    empty = lambda theta, *_: 2 * theta  # noqa: E731
    times = [best(in_c), in_program(in_jax, theta, incoming, key), in_scan(in_jax, theta, incoming, key)]
    times += [in_program(empty, theta), in_scan(empty, theta)]
    name = f"{rows} x {n}, {k}, {samples}"
    print(f"{name:>16}", *(f"{t:{width}.1f}" for t, width in zip(times, (8, 8, 10, 14, 11))), flush=True)
