// Makes the choice of consumer.c through imle_torch.hpp.
#include "imle_torch.hpp"

int main() {
    const at::Tensor z = imle::torch::topk(at::tensor({0.0f, 2.0f, 1.0f}) * 100, 1).z;
    return z[1].item<float>() == 1.0f ? 0 : 1;
}
