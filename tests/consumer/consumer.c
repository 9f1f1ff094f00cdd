/* Checks that the header and the library have the same version, and makes a choice. */
#include <stdio.h>
#include <string.h>

#include "imle.h"

int main(void) {
    const imle_shape shape = {.rows = 1, .n = 3, .k = 1, .samples = 1};
    const float theta[3] = {0.0f, 2.0f, 1.0f};
    float z[3], work[IMLE_TOPK_WORKSPACE_LEN(3, 1)];
    if (imle_abi_version() != IMLE_ABI_VERSION || strcmp(imle_version(), IMLE_VERSION) != 0) return 1;
    if (imle_topk_map(&shape, NULL, theta, 0, z, NULL, work, sizeof work / sizeof *work) != IMLE_OK) return 1;
    printf("imle %s, z = %g %g %g\n", imle_version(), (double)z[0], (double)z[1], (double)z[2]);
    return z[1] == 1.0f ? 0 : 1;
}
