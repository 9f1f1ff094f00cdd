/* A program that consists of libimle.a and the four memory functions that it may call, for Linux on x86-64. */
#include "imle.h"

void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);
int memcmp(const void *a, const void *b, size_t count);
void _start(void);

void *memcpy(void *to, const void *from, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}

void *memmove(void *to, const void *from, size_t count)
{
    if ((uintptr_t)to <= (uintptr_t)from) return memcpy(to, from, count);
    while (count--) ((unsigned char *)to)[count] = ((const unsigned char *)from)[count];
    return to;
}

void *memset(void *to, int byte, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) ((unsigned char *)to)[i] = (unsigned char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
    for (; count; count--, x++, y++) {
        if (*x != *y) return *x - *y;
    }
    return 0;
}

enum { N = 40, K = 3 };

static long forward_and_backward(void)
{
    static float theta[N], dz[N], z[N], grad[N], work[IMLE_TOPK_WORKSPACE_LEN(N, K)];
    const size_t work_len = sizeof work / sizeof *work;
    const imle_shape shape = {1, N, K, 1};
    const imle_key key = {.seed = 1, .step = 2, .row0 = 3};
    imle_options options;
    float ones = 0.0f;
    int i;

    imle_options_default(&options);
    dz[5] = -100.0f;
    if (imle_topk_sample(&shape, NULL, &options, &key, theta, 0, z, NULL, NULL, work, work_len)) return 1;
    for (i = 0; i < N; i++) ones += z[i];
    if (ones != (float)K) return 2;
    if (imle_topk_gradient(&shape, NULL, &options, &key, theta, 0, dz, 0, 0, NULL, grad, 0, NULL, work, work_len))
        return 3;
    return grad[5] == z[5] - 1.0f ? 0 : 4;
}

/* Linux does not align the stack here as a function expects. */
__attribute__((force_align_arg_pointer)) void _start(void)
{
    long status = forward_and_backward();
    __asm__ volatile("syscall" : : "a"(60L), "D"(status) : "rcx", "r11", "memory");
    __builtin_unreachable();
}
