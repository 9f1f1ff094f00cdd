"""A variational autoencoder of digits whose latent variables are 20 subsets, 10 of 20 each.

The encoder gives theta for every subset, subsets z are drawn, and the decoder gives the probability of every pixel. The
loss is the negative ELBO: the negative log-likelihood of the pixels plus KL(p(z; theta) || uniform), which is exact.
The table compares four estimators of the gradient through z. Task: Niepert, Minervini, Franceschi 2021, section 5.3.

Needs the digits of fetch_mnist.py.
"""

from __future__ import annotations

import argparse
import functools
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fetch_mnist
import numpy as np
import torch
from choice import ESTIMATORS, Choice
from report import BadInput, arguments_of, in_parallel, mean_and_error, plot, run, search, table, tick
from torch import Tensor, nn

import libimle

SUBSETS, N, K = 20, 20, 10
PIXELS, HIDDEN = 784, 128
BATCH, SAMPLES, EPOCHS = 25, 2, 3
EXACT = libimle.ExactTopK(K)

# The least negative ELBO on validation digits, found by --search --epochs 4 at temperatures .5 and 1. At rate 2e-3,
# temperature .25 gave .2 nats less than .5.
RATES = {"imle": 2e-3, "simple": 2e-3, "gumbel": 2e-3, "score": 1e-3}
TEMPERATURE = 0.5  # of the softmaxes in Gumbel-softmax
GRID = [(rate, temperature) for rate in (1e-3, 2e-3, 4e-3) for temperature in (0.25, 0.5, 1.0)]


@functools.cache
def read(file: Path) -> list[Tensor]:
    """Black and white digits for training (80 %), validation and test, [B, 784]. A pixel is drawn once, white with its
    brightness as the probability."""
    try:
        images = np.load(file, allow_pickle=False)["images"]
    except FileNotFoundError:
        raise BadInput(f"{file}: does not exist. python fetch_mnist.py downloads it") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BadInput(f"{file}: is not a file of fetch_mnist.py: {error}") from error
    if images.ndim != 2 or images.shape[1] != PIXELS or len(images) < 100 or not np.all((0 <= images) & (images <= 1)):
        raise BadInput(f"{file}: should hold at least 100 images of {PIXELS} pixels from 0 to 1")
    generator = torch.Generator().manual_seed(0)
    shuffled = torch.from_numpy(images).float()[torch.randperm(len(images), generator=generator)]
    digits = torch.bernoulli(shuffled, generator=generator)
    return list(digits.tensor_split([len(digits) * 8 // 10, len(digits) * 9 // 10]))


class UniformKL(torch.autograd.Function):
    """KL(p || uniform) [...] of each subset with the scores theta [..., N]. Its gradient is Cov(z) theta."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor) -> Tensor:
        ctx.save_for_backward(theta)
        return math.log(math.comb(N, K)) - torch.from_numpy(EXACT.marginals(theta.numpy()).entropy)

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> Tensor:
        (theta,) = ctx.saved_tensors
        return incoming.unsqueeze(-1) * torch.from_numpy(EXACT.marginals_vjp(theta.numpy(), theta.numpy()))


class Layers(nn.Module):
    """The linear layers of R networks side by side, with relu between them: [R, B, in] to [R, B, out]."""

    def __init__(self, networks: int, *sizes: int) -> None:
        super().__init__()
        bounds = [(3 / size) ** 0.5 for size in sizes]
        shapes = list(zip(sizes, sizes[1:], bounds))
        self.weights = nn.ParameterList(torch.empty(networks, i, o).uniform_(-b, b) for i, o, b in shapes)
        self.biases = nn.ParameterList(torch.zeros(networks, 1, o) for _, o, _ in shapes)

    def forward(self, x: Tensor) -> Tensor:
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            x = torch.baddbmm(bias, x.relu() if layer else x, weight)
        return x


class Autoencoders(nn.Module):
    """R autoencoders that learn from batches of their own and share nothing: the seeds of one row of the table."""

    def __init__(self, networks: int, estimator: str, temperature: float) -> None:
        super().__init__()
        self.encoder = Layers(networks, PIXELS, HIDDEN, SUBSETS * N)
        self.decoder = Layers(networks, SUBSETS * N, HIDDEN, PIXELS)
        self.choices = nn.ModuleList(Choice(estimator, K, SAMPLES, temperature) for _ in range(networks))
        self.exact = libimle.torch.Simple(K, samples=SAMPLES)

    def theta(self, x: Tensor) -> Tensor:
        """[R, B, SUBSETS, N] for digits x [R, B, PIXELS]."""
        return self.encoder(x).unflatten(-1, (SUBSETS, N))

    def reconstruction(self, x: Tensor, z: Tensor) -> Tensor:
        """-ln p(x | z) [R, B, S] for z [R, B, SUBSETS, S, N]."""
        networks, batch, _, samples, _ = z.shape
        logits = self.decoder(2 * z.transpose(2, 3).reshape(networks, batch * samples, -1) - 1)
        pixels = x.unsqueeze(2).expand(-1, -1, samples, -1).reshape(logits.shape)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, pixels, reduction="none").sum(-1)
        return losses.unflatten(1, (batch, samples))

    def loss(self, x: Tensor) -> Tensor:
        """A loss whose gradient is the estimate of that of the negative ELBO, summed over the networks."""
        theta = self.theta(x)
        z, estimates = zip(*(choice(part) for choice, part in zip(self.choices, theta)))
        losses = self.reconstruction(x, torch.stack(z))
        each = losses.unsqueeze(2).expand(-1, -1, SUBSETS, -1)  # every subset of a digit has the digit's loss
        estimated = torch.stack([estimate(part) for estimate, part in zip(estimates, each)])
        return (losses.mean(2) + estimated.mean(3).sum(2) + UniformKL.apply(theta).sum(2)).mean(1).sum()

    def negative_elbo(self, x: Tensor) -> Tensor:
        """For digits x [B, PIXELS], a mean of each network, [R], with subsets from p(z; theta) itself."""
        x = x.expand(len(self.choices), *x.shape)
        with torch.no_grad():
            theta = self.theta(x)
            losses = self.reconstruction(x, self.exact(theta)).mean(2) + UniformKL.apply(theta).sum(2)
        return losses.mean(1)


@dataclass(frozen=True)
class Job:
    method: str
    networks: int
    epochs: int
    digits: int
    file: Path
    rate: float
    temperature: float


@dataclass
class Fit:
    validation: Tensor  # negative ELBO after each epoch, [epochs, R]
    test: Tensor  # at the end, [R]


def train(job: Job) -> Fit:
    training, validation, test = (part[: job.digits] for part in read(job.file))
    torch.manual_seed(1)
    model = Autoencoders(job.networks, job.method, job.temperature)
    optimizer = torch.optim.Adam(model.parameters(), lr=job.rate, fused=True)
    curve = []
    for _ in range(job.epochs):
        orders = torch.stack([torch.randperm(len(training)) for _ in range(job.networks)])
        for rows in orders.split(BATCH, dim=1):
            optimizer.zero_grad()
            model.loss(training[rows]).backward()
            optimizer.step()
        curve.append(model.negative_elbo(validation))
        tick()
    return Fit(torch.stack(curve), model.negative_elbo(test))


def main(arguments: argparse.Namespace) -> None:
    read(arguments.data)
    epochs, digits = (2, 1000) if arguments.quick else (arguments.epochs, 10_000)

    def job(estimator: str, networks: int, rate: float | None = None, temperature: float = TEMPERATURE) -> Job:
        rate = RATES[estimator] if rate is None else rate
        return Job(estimator, networks, epochs, digits, arguments.data, rate, temperature)

    parallel = {"ticks": epochs, "processes": arguments.processes}
    if arguments.search:
        grid = [job(m, 1, *point) for m in ESTIMATORS for point in GRID if point[1] == TEMPERATURE or m == "gumbel"]
        search(train, grid, lambda fit: -fit.validation[-1].item(), **parallel)
        return

    fits = in_parallel(train, [job(estimator, arguments.seeds) for estimator in ESTIMATORS], **parallel)
    results = list(zip(ESTIMATORS.values(), fits))
    rows = [[name, mean_and_error(fit.test.tolist(), ".2f")] for name, fit in results]
    print(table(["estimator", "negative ELBO on test digits, nats"], rows))

    def draw(axes: Any) -> None:
        for name, fit in results:
            axes.plot(range(1, epochs + 1), fit.validation.mean(1), label=name)
        axes.set(xlabel="epoch", ylabel="negative ELBO on validation digits, nats")

    plot(arguments.plot, draw)


if __name__ == "__main__":
    parser = arguments_of("discrete_vae", __doc__.splitlines()[0], seeds=5, epochs=EPOCHS)
    parser.add_argument("--data", type=Path, default=fetch_mnist.FILE, help="the digits (default: %(default)s)")
    run(parser, main)
