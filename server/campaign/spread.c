/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/spread.h"

enum purpose { PURPOSE_POLL = 1, PURPOSE_WAIT };

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* FNV-1a, and mixed once more because it is weak in the bits the last characters reach. SHA-256
 * would cost more than all the rest of a poll's answer. */
uint64_t spread_hash(const char *device_id, uint64_t purpose)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ purpose * UINT64_C(0x9e3779b97f4a7c15);

    for (; *device_id; device_id++)
        hash = (hash ^ (uint8_t)*device_id) * UINT64_C(0x100000001b3);
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

/* Uniform over 0..most. */
static int64_t draw(const char *device_id, uint64_t purpose, int64_t most)
{
    return (int64_t)(spread_hash(device_id, purpose) % ((uint64_t)most + 1));
}

int64_t spread_poll(const char *device_id, int64_t interval, int64_t now)
{
    interval = clamp(interval, 1, SPREAD_LONGEST);
    int64_t soonest = (interval + 1) / 2;
    int64_t slot = draw(device_id, PURPOSE_POLL, interval - 1);
    int64_t until_slot = (slot - (now + soonest) % interval) % interval;

    return soonest + (until_slot < 0 ? until_slot + interval : until_slot);
}

int64_t spread_wait(const char *device_id, int64_t wait, int64_t interval, int64_t least)
{
    least = clamp(least, 1, SPREAD_LONGEST);
    /* Both ends leave room for the whole spread, lest all come at the end that cuts it. */
    int64_t breadth = clamp(interval / 4, 0, SPREAD_LONGEST - least);

    return clamp(wait, least, SPREAD_LONGEST - breadth) + draw(device_id, PURPOSE_WAIT, breadth);
}

int64_t spread_soonest(const struct config *config)
{
    return config->device_poll_minimum < config->device_poll ? config->device_poll_minimum
                                                             : config->device_poll;
}
