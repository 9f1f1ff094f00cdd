"""Exact marginals of trees in PyTorch, float32, one thread (matrix-tree theorem). The fastest on CPU of what was tried:
the inverse of the Laplacian, the gradient of its log-determinant by autograd."""

import torch

torch.set_num_threads(1)


def marginals(theta):
    weights = torch.exp(theta - theta.amax(1, keepdim=True))
    own = torch.eye(theta.shape[1], dtype=torch.bool)
    inverse = torch.linalg.inv(torch.where(own, weights.sum(1, keepdim=True), -weights))
    return weights * (inverse.diagonal(dim1=1, dim2=2)[:, None] - inverse.mT.masked_fill(own, 0))


def peer(theta):
    theta = torch.tensor(theta)
    return lambda: marginals(theta)
