/* SPDX-License-Identifier: Apache-2.0 */
/* Release at end of scope, so that an early `return -1` is always right. */
#ifndef OTAD_CORE_CLEANUP_H
#define OTAD_CORE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(release) __attribute__((cleanup(release)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((__format__(__printf__, text, first)))

/* Hands an owned pointer over: the expression is the old value, the variable becomes NULL. */
#define MOVE(pointer)                                                                              \
    (__extension__({                                                                               \
        __typeof__(pointer) moved_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        moved_;                                                                                    \
    }))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define KIB 1024
#define MIB (1024 * 1024)

static inline void free_string(char **string)
{
    free(*string);
}

static inline void free_memory(void *pointer)
{
    free(*(void **)pointer);
}

static inline void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

/* A descriptor below zero is "none". */
static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#endif
