/* Start-up and console of the Cortex-M boards: M0 to M55, with and without a floating-point unit. */
#include <stdint.h>

#include "board.h"

extern uint32_t stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[]; /* sections.ld */

static uint32_t semihost(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_write(const char *text) {
    semihost(0x04, text); /* SYS_WRITE0 */
}

_Noreturn void board_exit(int status) {
    const uint32_t stopped[2] = {0x20026, (uint32_t)status}; /* ADP_Stopped_ApplicationExit */
    for (;;) semihost(0x20, stopped);                        /* SYS_EXIT_EXTENDED */
}

static void reset(void) {
#ifdef __ARM_FP
    /* The unit is off after reset: full access to CP10 and CP11 before the first floating-point instruction. */
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR */
    __asm__ volatile("dsb\n\tisb" : : : "memory");
#endif
    const uint32_t *from = data_load;
    for (volatile uint32_t *to = data_start; to < data_end;) *to++ = *from++;
    for (volatile uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    board_exit(main());
}

static void fault(void) {
    board_write("fault\n");
    board_exit(99);
}

/* The stack and the system exceptions; no interrupt is used. */
typedef void (*handler)(void);
__attribute__((section(".boot"), used)) static const handler vectors[16] = {
    (handler)(uintptr_t)stack_top, reset, fault, fault, fault, fault, fault, fault, 0, 0, 0, fault, fault, 0, fault, fault,
};
