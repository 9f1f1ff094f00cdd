/* Calls imle and another Rust library in one program. */
#include "imle.h"
#include "check.h"

size_t rust_user_digits(uint64_t n);

int main(void)
{
    const imle_shape shape = {1, 3, 1, 1};
    const float theta[3] = {0.5f, 2.0f, 1.0f};
    float work[IMLE_ARGMAX_WORKSPACE_LEN(3)];
    uint32_t index;

    CHECK(imle_argmax_map(&shape, theta, 0, NULL, &index, work, IMLE_ARGMAX_WORKSPACE_LEN(3)) == IMLE_OK);
    CHECK(index == 1 && rust_user_digits(12345) == 5);
    return 0;
}
