/* Start-up and console of the RISC-V board, with and without a floating-point unit. */
#include <stdint.h>

#include "board.h"

extern uint32_t data_start[], data_end[], data_load[], bss_start[], bss_end[]; /* sections.ld */

static uint32_t semihost(uint32_t operation, const void *argument) {
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    /* The debugger knows the call by its neighbours, so all three are full-size instructions on one page. */
    __asm__ volatile(".option push\n\t.option norvc\n\t.balign 16\n\t"
                     "slli zero, zero, 0x1f\n\tebreak\n\tsrai zero, zero, 7\n\t.option pop"
                     : "+r"(a0) : "r"(a1) : "memory");
    return a0;
}

void board_write(const char *text) {
    semihost(0x04, text); /* SYS_WRITE0 */
}

_Noreturn void board_exit(int status) {
    const uint32_t stopped[2] = {0x20026, (uint32_t)status}; /* ADP_Stopped_ApplicationExit */
    for (;;) semihost(0x20, stopped);                        /* SYS_EXIT_EXTENDED */
}

__attribute__((used)) static void reset(void) {
    const uint32_t *from = data_load;
    for (volatile uint32_t *to = data_start; to < data_end;) *to++ = *from++;
    for (volatile uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    board_exit(main());
}

__attribute__((used, aligned(4))) static void fault(void) {
    board_write("fault\n");
    board_exit(99);
}

__attribute__((section(".boot"), used, naked)) static void enter(void) {
    __asm__ volatile(".option push\n\t.option arch, +zicsr\n\t"
                     ".option push\n\t.option norelax\n\tla gp, __global_pointer$\n\t.option pop\n\t"
                     "la sp, stack_top\n\t"
                     "la t0, fault\n\tcsrw mtvec, t0\n\t"
#ifdef __riscv_flen
                     "li t0, 1 << 13\n\tcsrs mstatus, t0\n\tcsrwi fcsr, 0\n\t" /* FS: the unit on, round to nearest */
#endif
                     "j reset\n\t.option pop");
}
