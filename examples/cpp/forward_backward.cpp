// Choose 2 of 5, forward and backward, in C++17.
#include <cstdio>
#include <vector>

#include "imle.hpp"

int main() {
    const std::vector<float> theta{0.3F, -1.2F, 0.9F, 0.0F, 0.5F}; // scores, from your model
    const std::vector<float> dz{0.5F, 0.0F, 2.0F, -3.0F, 0.0F};    // d loss / d z, from your model

    const imle::topk layer(imle::shape().rows(1).n(5).k(2).samples(1), imle::options().lambda(1));
    const imle::key key = imle::key().seed(42).step(0); // the same key: the same noise
    std::vector<float> z(5), grad_theta(5), work(layer.workspace_len());
    imle::or_throw(layer.sample(key, theta, {z}, work));
    imle::or_throw(layer.gradient(key, theta, imle::dz::per_sample(dz), {}, grad_theta, work));

    for (std::size_t i = 0; i < 5; i++) {
        std::printf("theta %+.1f   z %.0f   grad_theta %+.0f\n", double(theta[i]), double(z[i]), double(grad_theta[i]));
    }
}
