/* Start-up and console of the RISC-V board, with and without a floating-point unit. */
#include "start.h"

static uint32_t semihost(uint32_t operation, const void *argument) {
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    /* The debugger recognises the call by the instructions around it. All three must be full-size and on one page. */
    __asm__ volatile(".option push\n\t.option norvc\n\t.balign 16\n\t"
                     "slli zero, zero, 0x1f\n\tebreak\n\tsrai zero, zero, 7\n\t.option pop"
                     : "+r"(a0) : "r"(a1) : "memory");
    return a0;
}

/* Sets up what compiled C relies on: global pointer, stack, exceptions, floating point. */
__attribute__((section(".boot"), used, naked)) static void enter(void) {
    __asm__ volatile(".option push\n\t.option arch, +zicsr\n\t"
                     ".option push\n\t.option norelax\n\tla gp, __global_pointer$\n\t.option pop\n\t"
                     "la sp, stack_top\n\t"
                     "la t0, fault\n\tcsrw mtvec, t0\n\t"
#ifdef __riscv_flen
                     "li t0, 1 << 13\n\tcsrs mstatus, t0\n\tcsrwi fcsr, 0\n\t" /* FS: unit on; round to nearest */
#endif
                     "j start\n\t.option pop");
}
