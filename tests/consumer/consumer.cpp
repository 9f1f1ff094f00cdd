// Makes the choice of consumer.c through imle.hpp.
#include <array>
#include <cstdio>

#include "imle.hpp"

int main() {
    const imle::topk layer(imle::shape().n(3).k(1));
    const std::array<float, 3> theta = {0.0f, 2.0f, 1.0f};
    std::array<float, 3> z{};
    std::array<float, IMLE_TOPK_WORKSPACE_LEN(3, 1)> work{};
    imle::or_throw(layer.map(theta, {z}, work));
    std::printf("imle %s, z = %g %g %g\n", imle::version(), double{z[0]}, double{z[1]}, double{z[2]});
    return z[1] == 1.0f ? 0 : 1;
}
