/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/wave.h"

#include <assert.h>

int wave_of(const struct band *bands, size_t count, int64_t rank)
{
    for (size_t i = 0; i < count; i++)
        if (rank <= bands[i].limit)
            return (int)i;
    return -1;
}

bool wave_is_full(const struct band *band)
{
    return band->places > 0 && atomic_load_explicit(&band->is_full, memory_order_relaxed);
}

bool wave_offers(enum wave_state state)
{
    return state != WAVE_PENDING;
}

int smallest_init(struct smallest *smallest, size_t room, struct error *err)
{
    assert(room > 0);
    *smallest = (struct smallest){.ranks = calloc(room, sizeof(int64_t)), .room = room};
    return smallest->ranks ? 0 : fail_internal(err, "memory for %zu ranks", room);
}

static void swap(int64_t *a, int64_t *b)
{
    int64_t kept = *a;

    *a = *b;
    *b = kept;
}

static void sink(int64_t *ranks, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= count)
            return;
        if (child + 1 < count && ranks[child + 1] > ranks[child])
            child++;
        if (ranks[at] >= ranks[child])
            return;
        swap(&ranks[at], &ranks[child]);
        at = child;
    }
}

void smallest_add(struct smallest *smallest, int64_t rank)
{
    int64_t *ranks = smallest->ranks;

    if (smallest->count == smallest->room) {
        if (rank >= ranks[0])
            return;
        ranks[0] = rank;
        sink(ranks, smallest->count, 0);
        return;
    }
    size_t at = smallest->count++;
    ranks[at] = rank;
    while (at > 0 && ranks[(at - 1) / 2] < ranks[at]) {
        swap(&ranks[at], &ranks[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

int64_t smallest_limit(const struct smallest *smallest)
{
    return smallest->count ? smallest->ranks[0] : -1;
}

void smallest_clear(struct smallest *smallest)
{
    free(smallest->ranks);
    *smallest = (struct smallest){0};
}
