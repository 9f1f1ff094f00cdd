"""Exact marginals of trees in PyTorch, float32, one thread: the gradient of the log-determinant by autograd
(matrix-tree theorem)."""

import torch

torch.set_num_threads(1)


def log_partition(theta):
    """ln Z, up to a number on which the gradient does not depend."""
    weights = torch.exp(theta - theta.detach().amax(1, keepdim=True))
    laplacian = torch.where(torch.eye(theta.shape[1], dtype=torch.bool), weights.sum(1, keepdim=True), -weights)
    return torch.linalg.slogdet(laplacian).logabsdet.sum()


def peer(theta):
    theta = torch.tensor(theta, requires_grad=True)
    return lambda: torch.autograd.grad(log_partition(theta), theta)[0]


def inverse(theta):
    theta = torch.tensor(theta)
    def f():
        weights = torch.exp(theta - theta.amax(1, keepdim=True))
        own = torch.eye(theta.shape[1], dtype=torch.bool)
        q = torch.linalg.inv(torch.where(own, weights.sum(1, keepdim=True), -weights))
        return weights * (q.diagonal(dim1=1, dim2=2)[:, None] - q.mT.masked_fill(own, 0))
    return f
