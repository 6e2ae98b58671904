/* SPDX-License-Identifier: Apache-2.0 */
/* A wheel with one slot per step: setting and ringing cost the same however many are waiting. The
 * thread sleeps for good while nothing is set. */
#include "http/alarm.h"

#include "core/clock.h"

#include <pthread.h>
#include <time.h>

#define SLOTS (ALARM_MOST_MS / ALARM_STEP_MS + 4)

struct alarms {
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct alarm *slots[SLOTS];
    int64_t rung; /* the step that was rung last */
    unsigned waiting;
    bool is_stopping;
};

static void ring_all(struct alarm *alarm)
{
    for (struct alarm *next; alarm; alarm = next) {
        next = alarm->next; /* after ringing it may be anyone's */
        alarm->ring(alarm);
    }
}

static unsigned length_of(const struct alarm *alarm)
{
    unsigned length = 0;

    for (; alarm; alarm = alarm->next)
        length++;
    return length;
}

/* Takes what is due up to step `now`, one slot at a time; the lock is free while ringing. */
static void ring_due(struct alarms *alarms, int64_t now)
{
    if (now - alarms->rung > SLOTS)
        alarms->rung = now - SLOTS;
    while (alarms->rung < now) {
        alarms->rung++;
        struct alarm *due = MOVE(alarms->slots[alarms->rung % SLOTS]);
        alarms->waiting -= length_of(due);
        pthread_mutex_unlock(&alarms->lock);
        ring_all(due);
        pthread_mutex_lock(&alarms->lock);
    }
}

static void sleep_until(struct alarms *alarms, int64_t ms)
{
    struct timespec when = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    pthread_cond_timedwait(&alarms->changed, &alarms->lock, &when);
}

static void *run(void *arg)
{
    struct alarms *alarms = arg;

    pthread_mutex_lock(&alarms->lock);
    while (!alarms->is_stopping) {
        if (alarms->waiting == 0)
            pthread_cond_wait(&alarms->changed, &alarms->lock);
        else
            sleep_until(alarms, (alarms->rung + 1) * ALARM_STEP_MS);
        ring_due(alarms, clock_monotonic_ms() / ALARM_STEP_MS);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        struct alarm *left = MOVE(alarms->slots[i]);
        pthread_mutex_unlock(&alarms->lock);
        ring_all(left);
        pthread_mutex_lock(&alarms->lock);
    }
    alarms->waiting = 0;
    pthread_mutex_unlock(&alarms->lock);
    return NULL;
}

int alarms_start(struct alarms **ret, struct error *err)
{
    CLEANUP(alarms_free) struct alarms *alarms = calloc(1, sizeof *alarms);
    pthread_condattr_t attributes;

    if (!alarms)
        return fail_internal(err, "out of memory");
    pthread_mutex_init(&alarms->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&alarms->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    alarms->rung = clock_monotonic_ms() / ALARM_STEP_MS;
    int error = pthread_create(&alarms->thread, NULL, run, alarms);
    if (error)
        return fail_internal(err, "start the alarms' thread: error %d", error);
    alarms->has_thread = true;
    *ret = MOVE(alarms);
    return 0;
}

bool alarms_set(struct alarms *alarms, struct alarm *alarm, int64_t wait_ms)
{
    int64_t now = clock_monotonic_ms();
    int64_t wait = wait_ms > ALARM_MOST_MS ? ALARM_MOST_MS : wait_ms < 1 ? 1 : wait_ms;
    int64_t step = (now + wait + ALARM_STEP_MS - 1) / ALARM_STEP_MS;
    bool is_set;

    pthread_mutex_lock(&alarms->lock);
    is_set = !alarms->is_stopping;
    if (is_set) {
        if (alarms->waiting++ == 0) {
            alarms->rung = now / ALARM_STEP_MS;
            pthread_cond_signal(&alarms->changed);
        }
        if (step <= alarms->rung)
            step = alarms->rung + 1;
        alarm->next = alarms->slots[step % SLOTS];
        alarms->slots[step % SLOTS] = alarm;
    }
    pthread_mutex_unlock(&alarms->lock);
    return is_set;
}

void alarms_stop(struct alarms *alarms)
{
    if (!alarms || !alarms->has_thread)
        return;
    pthread_mutex_lock(&alarms->lock);
    alarms->is_stopping = true;
    pthread_cond_signal(&alarms->changed);
    pthread_mutex_unlock(&alarms->lock);
    pthread_join(alarms->thread, NULL);
    alarms->has_thread = false;
}

void alarms_free(struct alarms **alarms)
{
    struct alarms *old = MOVE(*alarms);

    if (!old)
        return;
    alarms_stop(old);
    pthread_cond_destroy(&old->changed);
    pthread_mutex_destroy(&old->lock);
    free(old);
}
