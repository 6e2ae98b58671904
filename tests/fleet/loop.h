/* SPDX-License-Identifier: Apache-2.0 */
/* One thread's events: descriptors that become ready and timers that come due. */
#ifndef OTAD_FLEET_LOOP_H
#define OTAD_FLEET_LOOP_H

#include "core/error.h"

#include <stddef.h>
#include <stdint.h>

struct loop;

int loop_open(struct loop **ret, struct error *err) MUST_CHECK;
void loop_close(struct loop **loop);
/* Returns after loop_stop(). */
int loop_run(struct loop *loop, struct error *err) MUST_CHECK;
void loop_stop(struct loop *loop);
/* Asks again and again instead of waiting. Over loopback the sender pays for waking the receiver,
 * so a client that sleeps makes a server look the dearer the more often it outruns it. */
void loop_never_sleep(struct loop *loop);

/* A descriptor's owner; lives inside what it belongs to. `ready` may be called once more after
 * unwatch() in the same round, so it must take an untimely call calmly. */
struct watch {
    void (*ready)(void *arg, uint32_t events);
    void *arg;
};
int loop_watch(struct loop *loop, int fd, uint32_t events, struct watch *watch,
               struct error *err) MUST_CHECK;
/* For a descriptor that is watched already. */
void loop_rewatch(struct loop *loop, int fd, uint32_t events, struct watch *watch);
void loop_unwatch(struct loop *loop, int fd);

/* Fires once; setting it again moves it. Zeroed plus `fire` and `arg` is a valid unset timer. */
struct timer {
    void (*fire)(void *arg);
    void *arg;
    int64_t due_ms;
    size_t place; /* in the heap, from 1; 0 when not set */
};
void timer_set(struct loop *loop, struct timer *timer, int64_t delay_ms);
void timer_clear(struct loop *loop, struct timer *timer);

#endif
