/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes of one image a device has been sent: a bounded set of spans. When it is full the
 * shortest span is forgotten, so it may claim too little and never too much. */
#ifndef OTAD_CAMPAIGN_SPANS_H
#define OTAD_CAMPAIGN_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#define SPANS_MAX 32

struct span {
    int64_t first, end; /* [first, end) */
};
struct spans {
    struct span at[SPANS_MAX]; /* ascending, none touches the next */
    int count;
};

void spans_add(struct spans *spans, int64_t first, int64_t end);
int64_t spans_covered(const struct spans *spans);
bool spans_cover(const struct spans *spans, int64_t size);

#endif
