/* SPDX-License-Identifier: Apache-2.0 */
/* epoll, and a binary heap of timers that knows each timer's place so that moving one is cheap. */
#include "loop.h"

#include "core/clock.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

#define EVENTS_PER_ROUND 256

struct loop {
    int epoll;
    int is_stopping, never_sleeps;
    struct timer **heap; /* from 1; heap[1] is due first */
    size_t count, room;
};

int loop_open(struct loop **ret, struct error *err)
{
    struct loop *loop = calloc(1, sizeof *loop);

    if (!loop)
        return fail_internal(err, "out of memory");
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        free(loop);
        return fail_internal(err, "epoll_create1: %m");
    }
    *ret = loop;
    return 0;
}

void loop_close(struct loop **loop)
{
    if (!*loop)
        return;
    close((*loop)->epoll);
    free((*loop)->heap);
    free(*loop);
    *loop = NULL;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = 1;
}

void loop_never_sleep(struct loop *loop)
{
    loop->never_sleeps = 1;
}

int loop_watch(struct loop *loop, int fd, uint32_t events, struct watch *watch, struct error *err)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event))
        return fail_internal(err, "epoll_ctl: %m");
    return 0;
}

void loop_rewatch(struct loop *loop, int fd, uint32_t events, struct watch *watch)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event);
}

void loop_unwatch(struct loop *loop, int fd)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void put(struct loop *loop, size_t place, struct timer *timer)
{
    loop->heap[place] = timer;
    timer->place = place;
}

/* Moves a timer from a free place up or down to where it belongs. */
static void settle(struct loop *loop, size_t place, struct timer *timer)
{
    while (place > 1 && loop->heap[place / 2]->due_ms > timer->due_ms) {
        put(loop, place, loop->heap[place / 2]);
        place /= 2;
    }
    for (;;) {
        size_t child = place * 2;

        if (child < loop->count && loop->heap[child + 1]->due_ms < loop->heap[child]->due_ms)
            child++;
        if (child > loop->count || loop->heap[child]->due_ms >= timer->due_ms)
            break;
        put(loop, place, loop->heap[child]);
        place = child;
    }
    put(loop, place, timer);
}

void timer_set(struct loop *loop, struct timer *timer, int64_t delay_ms)
{
    timer->due_ms = clock_monotonic_ms() + delay_ms;
    if (timer->place) {
        settle(loop, timer->place, timer);
        return;
    }
    if (loop->count + 2 > loop->room) {
        loop->room = loop->room ? loop->room * 2 : 1024;
        loop->heap = realloc(loop->heap, loop->room * sizeof *loop->heap);
        assert(loop->heap);
    }
    loop->count++;
    settle(loop, loop->count, timer);
}

void timer_clear(struct loop *loop, struct timer *timer)
{
    size_t place = timer->place;
    struct timer *last;

    if (!place)
        return;
    timer->place = 0;
    last = loop->heap[loop->count--];
    if (last != timer)
        settle(loop, place, last);
}

static int fire_due(struct loop *loop)
{
    int64_t now = clock_monotonic_ms(), wait;

    while (loop->count && loop->heap[1]->due_ms <= now && !loop->is_stopping) {
        struct timer *timer = loop->heap[1];

        timer_clear(loop, timer);
        timer->fire(timer->arg);
    }
    if (!loop->count)
        return -1;
    wait = loop->heap[1]->due_ms - now;
    return wait < 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

int loop_run(struct loop *loop, struct error *err)
{
    struct epoll_event events[EVENTS_PER_ROUND];

    loop->is_stopping = 0;
    while (!loop->is_stopping) {
        int wait_ms = fire_due(loop);
        int count;

        if (loop->is_stopping)
            break;
        count = epoll_wait(loop->epoll, events, EVENTS_PER_ROUND, loop->never_sleeps ? 0 : wait_ms);
        if (count < 0 && errno != EINTR)
            return fail_internal(err, "epoll_wait: %m");
        for (int i = 0; i < count && !loop->is_stopping; i++) {
            struct watch *watch = events[i].data.ptr;

            watch->ready(watch->arg, events[i].events);
        }
    }
    return 0;
}
