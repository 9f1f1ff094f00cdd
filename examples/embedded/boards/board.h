/* The services that a board gives to a program. main() returns the exit status of the emulator; 0 is success. */
#ifndef BOARD_H
#define BOARD_H

#ifdef __cplusplus
extern "C" {
#endif

/* Writes to the debugger's console (semihosting). Without a debugger this stops the core, so leave it out of a
 * product. */
void board_write(const char *text);

/* Ends the emulator with this status. */
__attribute__((noreturn)) void board_exit(int status);

/* The handler of SysTick on a Cortex-M, if the program has one and starts this timer. */
void board_tick(void);

#ifdef __cplusplus
}
#endif

int main(void);

#endif
