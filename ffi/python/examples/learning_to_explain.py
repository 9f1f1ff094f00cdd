"""Learning to explain: which k words of a review carry its score?

A scorer gives every word a score theta, k words are chosen, and a predictor, which sees only those words, predicts the
score that people gave the review. The gradient reaches the scorer through the choice, and the table compares four
estimators of it, by R^2 on reviews that no training saw. Task: Chen, Song, Wainwright, Jordan 2018 (L2X).
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from choice import ESTIMATORS, Choice
from report import BadInput, arguments_of, count, in_parallel, mean_and_error, plot, run, search, table, tick
from torch import Tensor, nn

import libimle.torch

REVIEWS = Path(__file__).resolve().parents[3] / "examples" / "data" / "movie_reviews.tsv"
WIDTH, REACH, BATCH, SAMPLES, EPOCHS = 32, 2, 100, 4, 6
METHODS = {"all": "all words", "random": "random words"} | ESTIMATORS
PADDING, RARE = 0, 1  # the numbers of no word and of every word that is seen once

RATE = 1e-3
# The best R² on validation texts at k = 5, found by --search --seeds 1.
SCORER_RATES = {"imle": 1e-3, "simple": 1e-3, "gumbel": 1e-3, "score": 3e-3}
TEMPERATURE = 0.5  # of the softmaxes in Gumbel-softmax
GRID = [(rate, temperature) for rate in (3e-4, 1e-3, 3e-3) for temperature in (0.5, 1.0)]


# ---- texts ----


@dataclass
class Texts:
    words: Tensor  # numbers [B, N], PADDING behind the text
    target: Tensor  # standardised scores [B]

    def __getitem__(self, rows: Tensor) -> Texts:
        return Texts(self.words[rows], self.target[rows])


@functools.cache
def read(file: Path) -> list[tuple[float, list[str]]]:
    """Scores and words of the lines `id TAB score TAB text`."""
    texts = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: not UTF-8") from error
    for number, line in enumerate(lines, 1):
        try:
            _, score, text = line.split("\t", 2)
            if not math.isfinite(float(score)):
                raise ValueError
        except ValueError:
            raise BadInput(f"{file}:{number}: expected id TAB score TAB text") from None
        words = re.findall(r"[^\W_']+(?:'+[^\W_']+)*", text.lower())
        if words:  # a text without words offers no choice
            texts.append((float(score), words))
    if len(texts) < 100:
        raise BadInput(f"{file}: fewer than 100 texts, too few to train and to test")
    return texts


def split(file: Path, seed: int) -> tuple[list[Texts], int]:
    """Training (80 %), validation and test texts, and the size of the vocabulary. All but the split itself comes from
    the training texts alone."""
    texts = read(file)
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(seed)).tolist()
    longest = max(len(words) for _, words in texts)
    ends = (0, len(order) * 8 // 10, len(order) * 9 // 10, len(order))
    parts = [[texts[i] for i in order[start:end]] for start, end in itertools.pairwise(ends)]
    uses = Counter(word for _, words in parts[0] for word in words)
    numbers = {word: number for number, word in enumerate((w for w, n in uses.items() if n > 1), RARE + 1)}
    scores = torch.tensor([score for score, _ in parts[0]], dtype=torch.float64)
    if scores.std() == 0:
        raise BadInput(f"{file}: all scores are equal: there is nothing to explain")

    def tensors(part: list[tuple[float, list[str]]]) -> Texts:
        rows = [[numbers.get(w, RARE) for w in words] + [PADDING] * (longest - len(words)) for _, words in part]
        target = (torch.tensor([score for score, _ in part], dtype=torch.float64) - scores.mean()) / scores.std()
        return Texts(torch.tensor(rows), target.float())

    return [tensors(part) for part in parts], len(numbers) + RARE + 1


# ---- the model ----


class Scorer(nn.Module):
    """theta [B, N] of every word from the word and its neighbours, -inf behind the text."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.words = embedding(vocabulary)
        self.neighbours = nn.Conv1d(WIDTH, WIDTH, 2 * REACH + 1, padding=REACH)
        self.score = nn.Conv1d(WIDTH, 1, 1, bias=False)

    def forward(self, words: Tensor) -> Tensor:
        hidden = self.neighbours(self.words(words).transpose(1, 2)).relu()
        theta: Tensor = self.score(hidden).squeeze(1)
        return theta.masked_fill(words == PADDING, -math.inf)


class Predictor(nn.Module):
    """One number for each choice z [B, S, N] of words, from the chosen words alone: [B, S]."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.words = embedding(vocabulary)
        self.layers = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))

    def forward(self, words: Tensor, z: Tensor) -> Tensor:
        mean = z @ self.words(words) / z.detach().sum(-1, keepdim=True)
        predicted: Tensor = self.layers(mean).squeeze(-1)
        return predicted


def embedding(vocabulary: int) -> nn.Embedding:
    layer = nn.Embedding(vocabulary, WIDTH, padding_idx=PADDING)
    nn.init.uniform_(layer.weight, -0.1, 0.1)
    with torch.no_grad():
        layer.weight[PADDING] = 0
    return layer


# ---- training ----


@dataclass(frozen=True)
class Job:
    method: str
    k: int
    seed: int
    epochs: int
    file: Path
    rate: float
    temperature: float


@dataclass
class Fit:
    validation: list[float]  # R^2 after each epoch
    test: float  # R^2 after the epoch that is best on validation texts


def train(job: Job) -> Fit:
    (training, validation, test), vocabulary = split(job.file, job.seed)
    torch.manual_seed(job.seed)
    scorer, predictor = Scorer(vocabulary), Predictor(vocabulary)
    learns = job.method in ESTIMATORS
    choice = Choice(job.method, job.k, SAMPLES, job.temperature) if learns else None
    any_words = libimle.torch.TopK(job.k, samples=SAMPLES)  # with equal scores, every k words are equally likely
    optimizer = torch.optim.Adam(
        [{"params": predictor.parameters(), "lr": RATE}, {"params": scorer.parameters(), "lr": job.rate}], fused=True
    )

    def losses_of(texts: Texts) -> tuple[Tensor, Tensor]:
        """The squared errors [B, S], and what the estimator adds to them."""
        inside = texts.words != PADDING
        k_row = inside.sum(1).clamp_max(job.k)
        if job.method == "all":
            z, estimate = inside.float().unsqueeze(1), torch.zeros_like
        elif job.method == "random":
            theta = torch.zeros(inside.shape).masked_fill(~inside, -math.inf)
            z, estimate = any_words(theta, k_row=k_row), torch.zeros_like
        else:
            assert choice is not None
            z, estimate = choice(scorer(texts.words), k_row)
        losses = (predictor(texts.words, z) - texts.target.unsqueeze(1)).square()
        return losses, estimate(losses)

    def r_squared(texts: Texts) -> float:
        with torch.no_grad():
            return 1 - (losses_of(texts)[0].mean() / texts.target.var(correction=0)).item()

    fit, best = Fit([], 0.0), -math.inf
    for _ in range(job.epochs):
        if choice:
            choice.train()
        for rows in torch.randperm(len(training.target)).split(BATCH):
            losses, estimated = losses_of(training[rows])
            optimizer.zero_grad()
            (losses + estimated).mean().backward()
            optimizer.step()
        if choice:
            choice.eval()  # MAP(theta)
        fit.validation.append(r_squared(validation))
        if fit.validation[-1] > best:
            best, fit.test = fit.validation[-1], r_squared(test)
        tick()
    return fit


# ---- the program ----


def main(arguments: argparse.Namespace) -> None:
    texts = read(arguments.data)
    if max(arguments.k) > max(len(words) for _, words in texts):
        raise BadInput(f"--k {max(arguments.k)}: no text has as many words")
    epochs, seeds = 3 if arguments.quick else arguments.epochs, range(1, arguments.seeds + 1)

    def job(method: str, k: int, seed: int, rate: float | None = None, temperature: float = TEMPERATURE) -> Job:
        rate = SCORER_RATES.get(method, RATE) if rate is None else rate
        return Job(method, k, seed, epochs, arguments.data, rate, temperature)

    parallel = {"ticks": epochs, "processes": arguments.processes}
    if arguments.search:
        grid = [
            job(m, arguments.k[0], seed, *point)
            for m in ESTIMATORS
            for point in GRID
            for seed in seeds
            if point[1] == TEMPERATURE or m == "gumbel"
        ]
        search(train, grid, lambda fit: max(fit.validation), **parallel)
        return

    cells = [("all", 0), *itertools.product(list(METHODS)[1:], arguments.k)]
    jobs = [job(method, k, seed) for method, k in cells for seed in seeds]
    fits: dict[tuple[str, int], list[Fit]] = {cell: [] for cell in cells}
    for done, fit in zip(jobs, in_parallel(train, jobs, **parallel)):
        fits[done.method, done.k].append(fit)

    def fits_of(method: str, k: int) -> list[Fit]:
        return fits[method, 0 if method == "all" else k]

    rows = [
        [name, *(mean_and_error([fit.test for fit in fits_of(method, k)]) for k in arguments.k)]
        for method, name in METHODS.items()
    ]
    print(table(["the predictor sees", *(f"test R², k = {k}" for k in arguments.k)], rows))

    def draw(axes) -> None:  # type: ignore[no-untyped-def]
        for method, name in METHODS.items():
            mean = torch.tensor([fit.validation for fit in fits_of(method, arguments.k[0])]).mean(0)
            axes.plot(range(1, epochs + 1), mean, label=name)
        axes.set(xlabel="epoch", ylabel=f"R² on validation texts, k = {arguments.k[0]}")

    plot(arguments.plot, draw)


if __name__ == "__main__":
    parser = arguments_of("learning_to_explain", __doc__.splitlines()[0], seeds=1, epochs=EPOCHS)
    parser.add_argument(
        "--data", type=Path, default=REVIEWS, help="texts: id TAB score TAB text (default: movie reviews)"
    )
    parser.add_argument("--k", type=count, nargs="+", default=[5, 10, 15], help="words to choose (default: 5 10 15)")
    run(parser, main)
