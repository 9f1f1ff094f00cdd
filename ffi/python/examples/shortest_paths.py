"""Shortest paths on maps of a terrain: which costs must the tiles have, if only the best paths are known?

A network sees the picture of a map and gives every tile a cost; SciPy's Dijkstra finds the cheapest path from the upper
left to the lower right corner. True costs are hidden: the loss is the Hamming distance to the path that is best for
them. The table has the share of unseen maps on which the path that was found is a best one. Task: Vlastelica et al.
2020 and Niepert, Minervini, Franceschi 2021, who have maps of Warcraft; here they are made from a seed.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from report import arguments_of, count, in_parallel, mean_and_error, plot, run, search, table, tick
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from torch import Tensor, nn

import libimle.torch

SIDE, TILE = 12, 8  # tiles on a side of a map, pixels on a side of a tile
TILES = SIDE * SIDE
UNSEEN = 500
BATCH, EPOCHS = 50, 6
SOLVER_CALLS = 6  # for each map and step, at most
# The terrains: meadow, forest, water, swamp, rock, with costs as in the maps of Vlastelica et al. and with a colour.
COSTS = np.array([0.8, 1.2, 5.3, 7.7, 9.2])
COLOURS = np.array([[0.45, 0.65, 0.30], [0.25, 0.45, 0.20], [0.25, 0.40, 0.65], [0.40, 0.45, 0.35], [0.55, 0.50, 0.45]])
CHANGES = 4  # the tiles of a path that the adaptive lambda lets change
LEAST_COST = 1e-3  # Dijkstra needs costs of at least 0, and noise may bring them below

METHODS = {
    "imle": "I-MLE",
    "blackbox": "black-box differentiation",
    "straight": "straight-through",
    "score": "score function of the noise",
    "fenchel": "Fenchel-Young loss",
}

# The largest share of best paths on validation maps, found by --search --seeds 1 --epochs 3. That search had I-MLE with
# two samples and the central difference, which reached 39 % at best. Three samples and the forward difference take as
# many calls of the solver and reached 55 % with the values here, the only ones that were tried.
RATES = {"imle": 1e-2, "blackbox": 1e-2, "straight": 1e-2, "score": 5e-3, "fenchel": 1e-2}
TEMPERATURES = {"imle": 0.05, "blackbox": 0.0, "straight": 0.05, "score": 0.15, "fenchel": 0.05}
GRID = [(rate, temperature) for rate in (5e-3, 1e-2) for temperature in (0.05, 0.15)]
WITHOUT_NOISE = ("blackbox", "straight")


# ---- paths ----


@functools.cache
def neighbours(maps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The graph of that many maps as a sparse matrix: the up to eight tiles next to each tile and the bounds of their
    lists; and the first tile of every map."""
    tile = np.arange(TILES).reshape(SIDE, SIDE)
    lists = [tile[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].ravel() for i in range(SIDE) for j in range(SIDE)]
    lists = [np.setdiff1d(around, [t]) for t, around in enumerate(lists)]
    first = np.arange(maps) * TILES
    indices = (np.concatenate(lists) + first[:, None]).ravel()
    lengths = np.tile([len(around) for around in lists], maps)
    return indices, np.concatenate([[0], np.cumsum(lengths)]), first


def shortest_paths(costs: np.ndarray) -> np.ndarray:
    """The cheapest path from the first to the last tile of each map, 1 on its tiles, for costs [M, TILES]."""
    maps = len(costs)
    indices, bounds, first = neighbours(maps)
    to_enter = np.maximum(costs, LEAST_COST).ravel().astype(float)[indices]
    graph = csr_matrix((to_enter, indices, bounds), shape=(costs.size, costs.size))
    _, before, _ = dijkstra(graph, indices=first, min_only=True, return_predecessors=True)
    path = np.zeros(costs.size, np.float32)
    at = first + TILES - 1
    while len(at):  # one step back on all paths
        path[at] = 1
        at = before[at]
        at = at[at >= 0]
    return path.reshape(maps, TILES)


def best_states(scores: Tensor) -> np.ndarray:
    """The solver of the layer: the paths z with the largest <z, scores>. A score is a cost with the sign changed."""
    return shortest_paths(-scores.numpy())


# ---- maps ----


@dataclass
class Maps:
    pictures: Tensor  # [B, 3, SIDE TILE, SIDE TILE]
    costs: Tensor  # hidden from training, [B, TILES]
    paths: Tensor  # [B, TILES]

    def __getitem__(self, rows: Tensor) -> Maps:
        return Maps(self.pictures[rows], self.costs[rows], self.paths[rows])


@functools.cache
def make_maps(number: int, seed: int) -> Maps:
    """Terrains in regions of a few tiles, in noisy pictures: each tile has its light, and each pixel is disturbed."""
    random = np.random.default_rng(seed)
    heights = gaussian_filter(random.normal(size=(number, SIDE, SIDE)), (0, 1.0, 1.0)).reshape(number, -1)
    levels = heights.argsort(1).argsort(1) * len(COSTS) // TILES  # as many tiles of each
    terrains = random.permuted(np.tile(np.arange(len(COSTS)), (number, 1)), axis=1)  # the terrain of each level
    terrain = np.take_along_axis(terrains, levels, axis=1)
    colours = COLOURS[terrain].reshape(number, SIDE, SIDE, 3) + random.normal(0, 0.08, (number, SIDE, SIDE, 1))
    pixels = colours.repeat(TILE, 1).repeat(TILE, 2)
    pictures = pixels + random.normal(0, 0.15, pixels.shape)
    costs = COSTS[terrain]
    tensors = (pictures.transpose(0, 3, 1, 2).clip(0, 1) - 0.5, costs, shortest_paths(costs))
    return Maps(*(torch.tensor(array, dtype=torch.float32) for array in tensors))


def share_of_best(maps: Maps, costs: Tensor) -> float:
    """The share of maps on which the path for these costs [B, TILES] is as cheap as the best one."""
    found = torch.from_numpy(shortest_paths(costs.numpy()))
    best, cost = (maps.costs * maps.paths).sum(1), (maps.costs * found).sum(1)
    return (cost < best * (1 + 1e-5)).float().mean().item()


# ---- training ----


class CostNetwork(nn.Module):
    """A cost above 0 for every tile, [B, TILES], from pictures. The mean of each map is 1: a factor
    of all costs changes no path, and without this rule training lets all costs shrink to 0."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 4, stride=4),
            nn.ReLU(),
            nn.Conv2d(16, 32, TILE // 4, stride=TILE // 4),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 1, 1),
            nn.Softplus(),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        costs: Tensor = self.layers(pictures).flatten(1)
        return costs / costs.mean(1, keepdim=True)


def hamming(z: Tensor, path: Tensor) -> Tensor:
    return (z * (1 - path) + (1 - z) * path).sum(-1)


def loss_of(method: str, temperature: float) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss [B] or [B, S] for theta and the known paths [B, TILES]. Its gradient is that of the method."""
    if method in ("imle", "blackbox"):
        noise: dict[str, Any] = {"noise": "none", "samples": 1}  # more samples would be equal
        if method == "imle":
            noise = {"noise": "normal", "temperature": temperature, "target_temperature": temperature}
            noise["samples"] = SOLVER_CALLS // 2
        layer = libimle.torch.Solver(best_states, adaptive=libimle.torch.Adaptive(target=CHANGES), **noise)
        return lambda theta, path: hamming(layer(theta), path.unsqueeze(1))

    steps = libimle.Solver(
        lambda scores: shortest_paths(-scores), samples=SOLVER_CALLS, noise="normal", temperature=temperature
    )

    def loss(theta: Tensor, path: Tensor) -> Tensor:
        scores, key = theta.detach().numpy(), libimle.Key(int(torch.randint(2**63 - 1, ())))
        z = torch.from_numpy(steps.sample(scores, key))
        losses = hamming(z, path.unsqueeze(1))
        if method == "straight":
            gradient = 1 - 2 * path  # of the Hamming distance with respect to z, for every z
        elif method == "score":
            gradient = torch.from_numpy(steps.perturbed_gradient(scores, losses.numpy(), key))
        else:  # Fenchel-Young
            gradient = z.mean(1) - path
        return losses.mean(1) + ((theta - theta.detach()) * gradient).sum(1)

    return loss


@dataclass(frozen=True)
class Job:
    method: str
    seed: int
    epochs: int
    maps: int
    rate: float
    temperature: float


@dataclass
class Fit:
    validation: list[float]  # share of best paths after each epoch
    test: float  # at the end


def train(job: Job) -> Fit:
    training = make_maps(job.maps, 1000 * job.seed)
    validation, test = make_maps(UNSEEN, 1000 * job.seed + 1), make_maps(UNSEEN, 1000 * job.seed + 2)
    torch.manual_seed(job.seed)
    network = CostNetwork()
    optimizer = torch.optim.Adam(network.parameters(), lr=job.rate)
    loss = loss_of(job.method, job.temperature)

    def share(maps: Maps) -> float:
        with torch.no_grad():
            return share_of_best(maps, network(maps.pictures))

    shares = []
    for _ in range(job.epochs):
        for rows in torch.randperm(job.maps).split(BATCH):
            batch = training[rows]
            optimizer.zero_grad()
            loss(-network(batch.pictures), batch.paths).mean().backward()
            optimizer.step()
        shares.append(share(validation))
        tick()
    return Fit(shares, share(test))


def main(arguments: argparse.Namespace) -> None:
    epochs, maps = (3, 500) if arguments.quick else (arguments.epochs, arguments.maps)
    seeds = range(1, arguments.seeds + 1)

    def job(method: str, seed: int, rate: float | None = None, temperature: float | None = None) -> Job:
        rate = RATES[method] if rate is None else rate
        return Job(method, seed, epochs, maps, rate, TEMPERATURES[method] if temperature is None else temperature)

    parallel = {"ticks": epochs, "processes": arguments.processes}
    if arguments.search:
        grid = [
            job(method, seed, *point)
            for method, point, seed in itertools.product(METHODS, GRID, seeds)
            if method not in WITHOUT_NOISE or point[1] == GRID[0][1]
        ]
        search(train, grid, lambda fit: fit.validation[-1], **parallel)
        return

    jobs = [job(method, seed) for method in METHODS for seed in seeds]
    fits: dict[str, list[Fit]] = {method: [] for method in METHODS}
    for done, fit in zip(jobs, in_parallel(train, jobs, **parallel)):
        fits[done.method].append(fit)
    tests = [make_maps(UNSEEN, 1000 * seed + 2) for seed in seeds]
    blind = [100 * share_of_best(maps, torch.ones(UNSEEN, TILES)) for maps in tests]
    rows = [["equal costs for all tiles", mean_and_error(blind, ".1f")]]
    rows += [
        [name, mean_and_error([100 * fit.test for fit in fits[method]], ".1f")] for method, name in METHODS.items()
    ]
    print(table(["method", "best paths on unseen maps, %"], rows))

    def draw(axes: Any) -> None:
        for method, name in METHODS.items():
            mean = 100 * torch.tensor([fit.validation for fit in fits[method]]).mean(0)
            axes.plot(range(1, epochs + 1), mean, label=name)
        axes.set(xlabel="epoch", ylabel="best paths on validation maps, %", ylim=(0, 100))

    plot(arguments.plot, draw)


if __name__ == "__main__":
    parser = arguments_of("shortest_paths", __doc__.splitlines()[0], seeds=3, epochs=EPOCHS)
    parser.add_argument("--maps", type=count, default=1000, help="training maps (default: %(default)s)")
    run(parser, main)
