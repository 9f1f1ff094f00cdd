/* Common parts of the programs in this folder: exact inputs, so that nothing is rounded outside the library, and output
 * of every bit that the library returns, as text. */
#ifndef SHOW_H
#define SHOW_H

#include <stddef.h>
#include <stdint.h>

#include "board.h"
#include "imle.h"

/* The layout of the structs: no padding but that of a 64-bit number. Only i386 aligns such a number to four bytes. */
#if defined(__i386__)
_Static_assert(sizeof(imle_key) == 36, "imle_key");
#else
_Static_assert(sizeof(imle_key) == 40, "imle_key");
#endif
_Static_assert(sizeof(imle_shape) == 16 && sizeof(imle_options) == 48, "imle_shape, imle_options");
_Static_assert(sizeof(imle_diagnostics) == 24, "imle_diagnostics");
_Static_assert(sizeof(imle_adaptive) == 40 && sizeof(imle_adaptive_parts) == 32, "imle_adaptive, imle_adaptive_parts");

/* Declared here, because a machine without libc has no string.h. */
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);

/* ---- output ---- */

static void write_hex(uint64_t number, int digits)
{
    char text[18];
    int i;
    text[digits] = ' ';
    text[digits + 1] = '\0';
    for (i = digits - 1; i >= 0; i--, number >>= 4) text[i] = "0123456789abcdef"[number & 15];
    board_write(text);
}

/* Writes the name, the status, the FNV-1a hash of the words, and the words themselves, which show where two outputs
 * begin to differ. */
static void show(const char *name, imle_status status, const void *array, size_t words)
{
    const unsigned char *bytes = array;
    uint64_t hash = 0xcbf29ce484222325u;
    size_t i, byte;
    for (i = 0; i < words; i++) {
        uint32_t word;
        memcpy(&word, bytes + 4 * i, 4);
        for (byte = 0; byte < 4; byte++) hash = (hash ^ (word >> 8 * byte & 255)) * 0x100000001b3u;
    }
    board_write(name);
    board_write(" ");
    write_hex((uint32_t)status, 8);
    write_hex(hash, 16);
    for (i = 0; i < words; i++) {
        uint32_t word;
        memcpy(&word, bytes + 4 * i, 4);
        if (i % 8 == 0) board_write("\n  ");
        write_hex(word, 8);
    }
    board_write("\n");
}

/* ---- input ---- */

/* Fills x with multiples of 1/4 from -4 to 3.5, with ties. */
static void quarters(float *x, size_t count, size_t factor)
{
    size_t i;
    for (i = 0; i < count; i++) x[i] = (float)(int)(i * factor % 31) * 0.25f - 4.0f;
}

/* Fills x with numbers of 24 bits from -2 to 2. */
static void numbers(float *x, size_t count, uint32_t state)
{
    size_t i;
    for (i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)(state >> 8) / 4194304.0f - 2.0f;
    }
}

#endif
