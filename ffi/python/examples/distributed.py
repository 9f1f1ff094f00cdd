"""Learning which 3 of 20 parts of an example count, with the rows spread over processes: DistributedDataParallel.

    torchrun --nproc-per-node 2 distributed.py [--epochs E] [--seed S] [--state FILE] [--kill STEP]

Each part has four features and a value. The target of an example is the mean value of the three parts whose features
are best in a way that nobody says. A scorer learns it: its three best parts are chosen, and a predictor sees only their
values.

- The noise of a row follows the example, whichever process has it: the key is (seed, step), and `row_ids` are the
  numbers of the examples in the data set. So equal weights give equal choices for any number of processes.
- lambda is one for all processes: `Adaptive` adds up their norms and counts.
- With --state FILE, the run saves its state every 20 steps. If a process dies, torchrun ends the job. Start it again:
  it goes on from the state, with the same bits if the number of processes is the same. (Another number adds up the
  gradients in another order, which changes their last bits.) To see it, let --kill STEP kill the last process.
"""

import argparse
import hashlib
import os
import signal
import sys
from pathlib import Path

import libimle
import libimle.torch
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

EXAMPLES, PARTS, FEATURES, CHOSEN = 2000, 20, 4, 3
BATCH = 40  # examples per step, over all processes
SAVE_STEPS = 20


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.scorer = nn.Linear(FEATURES, 1)
        self.choose = libimle.torch.TopK(CHOSEN, adaptive=libimle.torch.Adaptive())
        self.predictor = nn.Linear(1, 1)

    def forward(self, features, values, key=None, row_ids=None):
        """The prediction [B] and the choice z [B, PARTS]."""
        theta = self.scorer(features).squeeze(-1)
        z = self.choose(theta, key=key, row_ids=row_ids)
        return self.predictor((z * values).sum(-1, keepdim=True) / CHOSEN).squeeze(-1), z


def make_data(seed):
    """(number of the example, features, values, the parts that count, target) for every example."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(EXAMPLES, PARTS, FEATURES, generator=generator)
    values = torch.randn(EXAMPLES, PARTS, generator=generator)
    best = (features @ torch.tensor([1.0, -2.0, 0.5, 1.5])).topk(CHOSEN).indices
    counts = torch.zeros(EXAMPLES, PARTS).scatter(1, best, 1.0)
    return TensorDataset(torch.arange(EXAMPLES), features, values, counts, (counts * values).sum(1) / CHOSEN)


@torch.no_grad()
def choose_all(model, data, key):
    """The choice for every example [EXAMPLES, PARTS], on every process; each has worked on its share."""
    z = torch.zeros(EXAMPLES, PARTS)
    for rows, features, values, *_ in DataLoader(data, BATCH, sampler=DistributedSampler(data, shuffle=False)):
        z[rows] = model(features, values, key, rows)[1]
    distributed.all_reduce(z, op=distributed.ReduceOp.MAX)
    return z


def fingerprint(tensors):
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()[:16]


def save(args, step, model, optimizer):
    """If the run dies in the middle, the file still has the state before."""
    state = {"seed": args.seed, "step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, f"{args.state}.unfinished")
    os.replace(f"{args.state}.unfinished", args.state)


def restore(args, model, optimizer):
    """Returns the number of steps that are done. Every process reads the file."""
    state = torch.load(args.state, weights_only=True)
    if state["seed"] != args.seed:
        sys.exit(f"{args.state} is the state of a run with seed {state['seed']}")
    model.load_state_dict(state["model"])  # and with it the state of the adaptive lambda
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def train(args):
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    if BATCH % processes:
        sys.exit(f"{processes} processes cannot share {BATCH} rows evenly")
    torch.manual_seed(args.seed)
    data, model = make_data(args.seed), Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    done = restore(args, model, optimizer) if args.state and args.state.exists() else 0
    say = print if rank == 0 else lambda *_: None
    choices = fingerprint([choose_all(model, data, libimle.Key(args.seed))])  # step 0 is free: training starts with 1
    say(f"{processes} processes start after step {done}, choices {choices}")

    parallel = DistributedDataParallel(model)
    sampler = DistributedSampler(data, seed=args.seed)
    loader = DataLoader(data, BATCH // processes, sampler=sampler)
    step = 0
    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        for rows, features, values, _, target in loader:
            step += 1
            if step <= done:
                continue
            prediction, _ = parallel(features, values, libimle.Key(args.seed, step), rows)
            loss = (prediction - target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if args.state and rank == 0 and step % SAVE_STEPS == 0:
                save(args, step, model, optimizer)
            if step == args.kill and rank == processes - 1:
                os.kill(os.getpid(), signal.SIGKILL)

    model.eval()
    right = (choose_all(model, data, None) * data.tensors[3]).sum() / (EXAMPLES * CHOSEN)
    say(f"right parts: {100 * right:.1f} %")
    say("fingerprint of the weights:", fingerprint(model.state_dict().values()))


def whole(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number, at least 0")
    return int(text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=whole, default=4)
    parser.add_argument("--seed", type=whole, default=1)
    parser.add_argument("--state", type=Path, metavar="FILE", help="go on from this file if it exists, and save to it")
    parser.add_argument("--kill", type=whole, metavar="STEP", help="kill the last process after this step")
    return parser.parse_args()


if __name__ == "__main__":
    args = parse()
    if "RANK" not in os.environ:
        sys.exit("start it with torchrun: torchrun --nproc-per-node 2 distributed.py")
    torch.set_num_threads(1)  # per process
    distributed.init_process_group("gloo")
    train(args)
    distributed.destroy_process_group()
