/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include "outcome.h"

#include <stdlib.h>

static bool is_before(const struct happening *a, const struct happening *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void queue_put(struct queue *queue, int64_t at, int kind, size_t index)
{
    const struct happening put = {at, queue->next_order++, kind, index};

    if (queue->count == queue->room) {
        queue->room = queue->room ? 2 * queue->room : 256;
        queue->heap = need(realloc(queue->heap, queue->room * sizeof *queue->heap));
    }
    size_t i = queue->count++;
    for (; i > 0 && is_before(&put, &queue->heap[(i - 1) / 2]); i = (i - 1) / 2)
        queue->heap[i] = queue->heap[(i - 1) / 2];
    queue->heap[i] = put;
}

bool queue_peek(const struct queue *queue, struct happening *ret)
{
    if (queue->count == 0)
        return false;
    *ret = queue->heap[0];
    return true;
}

void queue_drop_first(struct queue *queue)
{
    struct happening last = queue->heap[--queue->count];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < queue->count) {
        if (child + 1 < queue->count && is_before(&queue->heap[child + 1], &queue->heap[child]))
            child++;
        if (is_before(&last, &queue->heap[child]))
            break;
        queue->heap[i] = queue->heap[child];
        i = child;
    }
    queue->heap[i] = last;
}

void queue_clear(struct queue *queue)
{
    free(queue->heap);
    *queue = (struct queue){0};
}
