/* SPDX-License-Identifier: Apache-2.0 */
/* What is to happen, in order of virtual time; at the same time, in the order it was put in. */
#ifndef OTAD_SIM_QUEUE_H
#define OTAD_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct happening {
    int64_t at;
    uint64_t order;
    int kind;
    size_t index; /* of what it happens to */
};

struct queue {
    struct happening *heap;
    size_t count, room;
    uint64_t next_order;
};

void queue_put(struct queue *queue, int64_t at, int kind, size_t index);
/* False when it is empty; the first stays where it is. */
bool queue_peek(const struct queue *queue, struct happening *ret);
void queue_drop_first(struct queue *queue);
void queue_clear(struct queue *queue);

#endif
