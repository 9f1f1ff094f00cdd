/* A program for Windows without a C runtime. Its exit status is 0 if the library chooses the largest score. */
#include "imle.h"

int _fltused; /* Microsoft's compilers refer to it in programs with floats */

int start(void);

int start(void)
{
    static float theta[3] = {0.0f, 2.0f, 1.0f}, z[3], work[IMLE_TOPK_WORKSPACE_LEN(3, 1)];
    imle_shape shape;
    shape.rows = shape.k = shape.samples = 1;
    shape.n = 3;
    if (imle_abi_version() != IMLE_ABI_VERSION) return 1;
    if (imle_topk_map(&shape, NULL, theta, 0, z, NULL, work, sizeof work / sizeof *work) != IMLE_OK) return 2;
    return z[0] == 0.0f && z[1] == 1.0f && z[2] == 0.0f ? 0 : 3;
}
