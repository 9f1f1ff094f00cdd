/* Calls every function of imle.h from four threads at once, for one round, or for as many seconds as the environment
 * variable SECONDS says. The threads begin with the first calls of the process, each with another function.
 * Every bit must be that of one thread alone, and the process must not grow. */
#ifndef STATE
#define STATE static _Thread_local
#endif
#define MOST 4100
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../embedded/every_function.h"

enum { THREADS = 4, CALLS = sizeof calls / sizeof *calls };

#ifdef __SANITIZE_THREAD__
/* Rust's newer LLVM calls these; the runtime of an older gcc has only the functions that it intercepts. */
void *__tsan_memcpy(void *to, const void *from, size_t count) { return memcpy(to, from, count); }
void *__tsan_memmove(void *to, const void *from, size_t count) { return memmove(to, from, count); }
void *__tsan_memset(void *to, int byte, size_t count) { return memset(to, byte, count); }
#endif

/* Rows of every path: within one register, short, of middle length, and long with a rest. */
static const struct { uint32_t n, noise; } rows[] = {
    {5, IMLE_NOISE_GUMBEL}, {24, IMLE_NOISE_LOGISTIC}, {65, IMLE_NOISE_NORMAL}, {200, IMLE_NOISE_GUMBEL},
    {700, IMLE_NOISE_SUM_OF_GAMMA}, {4097, IMLE_NOISE_NONE}, {4097, IMLE_NOISE_GUMBEL},
};
enum { SIZES = sizeof rows / sizeof *rows };

typedef uint64_t results[SIZES][CALLS];

static results found[THREADS + 1]; /* the last is of one thread alone */
static pthread_barrier_t start;
static long seconds;

/* Calls every function at every size, from the function `first` on, and hashes what each has written. */
static void call_all(size_t first, results hashes)
{
    size_t size, i;
    for (size = 0; size < SIZES; size++) {
        for (i = 0; i < CALLS; i++) {
            const size_t function = (first + i) % CALLS;
            set_inputs(rows[size].n, rows[size].noise, 1.0f);
            clear();
            hashes[size][function] = hash_of(calls[function].call());
        }
    }
}

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (long)time.tv_sec;
}

/* The memory that belongs to no file, counted page by page. (getrusage leaves out what each processor has not told yet.) */
static long kilobytes(void)
{
    char line[256];
    long anonymous = -1;
    FILE *const rollup = fopen("/proc/self/smaps_rollup", "r");
    if (rollup == NULL) abort();
    while (fgets(line, sizeof line, rollup) != NULL) (void)sscanf(line, "Anonymous: %ld", &anonymous);
    fclose(rollup);
    return anonymous;
}

static long compare(const results one, const results other, size_t thread)
{
    size_t size, i;
    long wrong = 0;
    for (size = 0; size < SIZES; size++)
        for (i = 0; i < CALLS; i++)
            if (one[size][i] != other[size][i]) {
                printf("FAIL: %s, n = %u, thread %zu has other bits\n", calls[i].name, (unsigned)rows[size].n, thread);
                wrong++;
            }
    return wrong;
}

/* One thread: a first round, and if there is time, ten or more until it is over, each of which must find the same. */
static void *run(void *number)
{
    const size_t thread = *(const size_t *)number;
    const long end = now() + seconds;
    results *const again = malloc(sizeof *again);
    long rounds = 1, wrong = 0, before = 0, after;
    if (again == NULL) abort();
    pthread_barrier_wait(&start);
    call_all(thread * CALLS / THREADS, found[thread]);
    for (; seconds > 0 && (rounds <= 10 || now() < end); rounds++) {
        call_all((thread * CALLS / THREADS + (size_t)rounds) % CALLS, *again);
        wrong += compare(found[thread], *again, thread);
        if (rounds == 10) {
            pthread_barrier_wait(&start); /* now every thread has touched all of its memory */
            before = kilobytes();
        }
    }
    if (seconds > 0) {
        after = kilobytes();
        if (before < 0 || after > before + 64) {
            printf("FAIL: the process grew from %ld to %ld kB\n", before, after);
            wrong++;
        }
    }
    free(again);
    if (thread == 0) printf("%d functions, %d sizes, %d threads, %ld rounds\n", CALLS, SIZES, THREADS, rounds);
    return (void *)(intptr_t)wrong;
}

int main(void)
{
    const char *const text = getenv("SECONDS");
    pthread_t threads[THREADS];
    size_t numbers[THREADS], i;
    long wrong = 0;
    seconds = text != NULL ? strtol(text, NULL, 10) : 0;
    pthread_barrier_init(&start, NULL, THREADS);
    for (i = 0; i < THREADS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, run, &numbers[i]) != 0) return 2;
    }
    for (i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        wrong += (long)(intptr_t)result;
    }
    call_all(0, found[THREADS]);
    for (i = 0; i < THREADS; i++) wrong += compare(found[THREADS], found[i], i);
    return wrong != 0;
}
