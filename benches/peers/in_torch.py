"""I-MLE in PyTorch: forward and backward in one function without autograd, float32, one thread, eager or compiled. The
fastest noise and states on CPU of what was tried: exponential_ or rand; states by scatter or by threshold."""

import torch

TERMS = 10
torch.set_num_threads(1)
torch.manual_seed(1)


def noise(shape, k, sum_of_gamma):
    if not sum_of_gamma:
        return torch.rand(shape).log_().neg_().log_().neg_()
    gammas = torch.distributions.Gamma(1 / k, 1.0).sample((TERMS, *shape))
    scales = k / torch.arange(1, TERMS + 1)
    return (torch.tensordot(scales, gammas, 1) - torch.log(torch.tensor(TERMS))) / k


def indices(scores, k):
    return torch.topk(scores, k, sorted=False).indices


def top_k(scores, k):
    return torch.zeros_like(scores).scatter_(-1, indices(scores, k), 1.0)


def forward_backward(theta, dz, k, sum_of_gamma):
    theta = theta[:, None]
    epsilon = noise(dz.shape, k, sum_of_gamma)
    z = top_k(theta + epsilon, k)
    return z, (z - top_k(theta - dz + epsilon, k)).mean(1)


def eager(function):
    return function


def compiled(function):
    """In the default mode, for one shape alone. With fullgraph, code that cannot be compiled is an error."""
    torch.compiler.reset()  # the code of earlier shapes, whose guards would be tried first
    return torch.compile(function, fullgraph=True, dynamic=False)


def peer(mode, work, theta, dz):
    theta, dz = torch.tensor(theta), torch.tensor(dz)
    run_forward_backward, run_indices = mode(forward_backward), mode(indices)
    return {
        "forward_backward": lambda: run_forward_backward(theta, dz, work.k, work.sum_of_gamma),
        "map": lambda: run_indices(theta, work.k),
        "exact": None,
    }[work.call]
