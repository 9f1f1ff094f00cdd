// The time of repeated calls, and the names of what is measured. imle's own functions are hidden in a shared library
// that links it.
#pragma once

#include <ctime>

#include "imle.h"

// The CPU time of this process: what else runs on the machine does not count.
inline double now() {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

template <typename F>
double seconds(int repeats, F call) {
    const double start = now();
    for (int i = 0; i < repeats; i++) {
        call();
        asm volatile("" ::: "memory"); // every repeat is made
    }
    return now() - start;
}

extern "C" {
inline __attribute__((used)) const char *version() {
    return imle_version();
}

inline __attribute__((used)) const char *kernel() {
    return imle_kernel();
}
}
