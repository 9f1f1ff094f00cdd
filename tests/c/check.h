/* CHECK(condition) ends the program with failure if the condition does not hold, and says where. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
            exit(EXIT_FAILURE);                                                  \
        }                                                                        \
    } while (0)

#endif
