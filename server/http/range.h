/* SPDX-License-Identifier: Apache-2.0 */
/* The Range header of RFC 9110 section 14, as a pure question. */
#ifndef OTAD_HTTP_RANGE_H
#define OTAD_HTTP_RANGE_H

#include <stdint.h>

/* Both ends are included. */
struct range {
    int64_t first, last;
};

enum range_result {
    RANGE_IGNORED,       /* another unit than bytes: the whole is sent */
    RANGE_SATISFIABLE,   /* ascending spans that do not overlap, clamped to the size */
    RANGE_UNSATISFIABLE, /* everything else: a client that resumes must never get the whole by
                            mistake */
};

/* Reads `header` for a representation of `size` bytes into at most `most` spans. */
enum range_result range_parse(const char *header, int64_t size, unsigned most, struct range *ret,
                              unsigned *ret_count);

#endif
