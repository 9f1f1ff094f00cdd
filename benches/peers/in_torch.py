"""I-MLE in PyTorch, eager, one thread, as an autograd.Function."""

import torch

TERMS = 10
torch.set_num_threads(1)
torch.manual_seed(1)


def noise(shape, k, sum_of_gamma):
    if not sum_of_gamma:
        return -torch.empty(shape).exponential_().log_()
    gammas = torch.distributions.Gamma(1 / k, 1.0).sample((TERMS, *shape))
    scales = k / torch.arange(1, TERMS + 1)
    return (torch.tensordot(scales, gammas, 1) - torch.log(torch.tensor(TERMS))) / k


def indices(scores, k):
    return torch.topk(scores, k, sorted=False).indices


def top_k(scores, k):
    return torch.zeros_like(scores).scatter_(-1, indices(scores, k), 1.0)


class Imle(torch.autograd.Function):
    @staticmethod
    def forward(ctx, theta, samples, k, sum_of_gamma):
        epsilon = noise((theta.shape[0], samples, theta.shape[1]), k, sum_of_gamma)
        z = top_k(theta[:, None] + epsilon, k)
        ctx.k = k
        ctx.save_for_backward(theta, epsilon, z)
        return z

    @staticmethod
    def backward(ctx, dz):
        theta, epsilon, z = ctx.saved_tensors
        return (z - top_k(theta[:, None] - dz + epsilon, ctx.k)).mean(1), None, None, None


def peer(work, theta, dz):
    theta, dz = torch.tensor(theta, requires_grad=True), torch.tensor(dz)

    def forward_backward():
        z = Imle.apply(theta, work.samples, work.k, work.sum_of_gamma)
        return z.detach().numpy(), torch.autograd.grad(z, theta, dz)[0].numpy()

    return {"forward_backward": forward_backward, "map": lambda: indices(theta, work.k), "exact": None}[work.call]
