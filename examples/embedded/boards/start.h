/* The part of start-up and console that does not depend on the core. cortex_m.c and riscv.c include it once each. */
#ifndef START_H
#define START_H

#include <stdint.h>

#include "board.h"

extern uint32_t stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[]; /* sections.ld */

/* Asks the debugger or the emulator for an operation. RISC-V uses the operations of Arm's semihosting. */
static uint32_t semihost(uint32_t operation, const void *argument);

void board_write(const char *text) {
    semihost(0x04, text); /* SYS_WRITE0 */
}

_Noreturn void board_exit(int status) {
    const uint32_t stopped[2] = {0x20026, (uint32_t)status}; /* ADP_Stopped_ApplicationExit */
    for (;;) semihost(0x20, stopped);                        /* SYS_EXIT_EXTENDED */
}

/* Fills RAM and runs the program. The code of each core jumps here as soon as compiled C can run. */
__attribute__((used)) static _Noreturn void start(void) {
    const uint32_t *from = data_load;
    for (volatile uint32_t *to = data_start; to < data_end;) *to++ = *from++;
    for (volatile uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    board_exit(main());
}

/* Handles every exception. RISC-V needs its address to be a multiple of 4. */
__attribute__((used, aligned(4))) static _Noreturn void fault(void) {
    board_write("fault\n");
    board_exit(99);
}

#endif
