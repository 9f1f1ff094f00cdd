/* The services of board.h on the host. */
#include <stdio.h>
#include <stdlib.h>

#include "board.h"

void board_write(const char *text)
{
    fputs(text, stdout);
}

_Noreturn void board_exit(int status)
{
    exit(status);
}
