/* Start-up and console of the Cortex-M boards, M0 to M55, with and without a floating-point unit. */
#include "start.h"

static uint32_t semihost(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void reset(void) {
#ifdef __ARM_FP
    /* The floating-point unit is off after reset. Give full access to CP10 and CP11 before its first instruction. */
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR */
    __asm__ volatile("dsb\n\tisb" : : : "memory");
#endif
    start();
}

__attribute__((weak)) void board_tick(void) {
    fault();
}

/* The stack and the system exceptions. */
typedef void (*handler)(void);
__attribute__((section(".boot"), used)) static const handler vectors[16] = {
    (handler)(uintptr_t)stack_top, reset, fault, fault, fault, fault, fault, fault, 0, 0, 0, fault, fault, 0, fault,
    board_tick,
};
