"""Exact marginals of trees in JAX, float32, in one jit (matrix-tree theorem). The fastest on CPU of what was tried: the
inverse of the Laplacian, the gradient of its log-determinant."""

import jax
import jax.numpy as jnp


@jax.jit
def marginals(theta):
    weights = jnp.exp(theta - theta.max(1, keepdims=True))
    own = jnp.eye(theta.shape[1], dtype=bool)
    inverse = jnp.linalg.inv(jnp.where(own, weights.sum(1, keepdims=True), -weights))
    return weights * (jnp.diagonal(inverse, axis1=1, axis2=2)[:, None] - jnp.where(own, 0, inverse.swapaxes(1, 2)))


def peer(theta):
    theta = jnp.array(theta)
    return lambda: marginals(theta)
