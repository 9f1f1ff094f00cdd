// Choose 2 of 5 inside an expression of libtorch, and let the gradient come through.
#include <iostream>

#include "imle_torch.hpp"

int main() {
    const at::Tensor theta = at::tensor({0.3f, -1.2f, 0.9f, 0.0f, 0.5f}).view({1, 5}).requires_grad_(); // [B, N]
    const at::Tensor cost = at::tensor({0.5f, 0.0f, 2.0f, -3.0f, 0.0f});

    const imle::torch::key key{42, 0, 0, {}};                    // leave it out to draw from torch's generator
    const at::Tensor z = imle::torch::topk(theta, 2, {}, key).z; // [B, N], two ones a row
    (z * cost).sum(1).mean().backward();
    std::cout << z << '\n' << theta.grad() << '\n';
}
