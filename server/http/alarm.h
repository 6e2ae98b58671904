/* SPDX-License-Identifier: Apache-2.0 */
/* Wakes what waits for a moment in the next seconds: transfers that keep a rate. */
#ifndef OTAD_HTTP_ALARM_H
#define OTAD_HTTP_ALARM_H

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

struct alarms;
struct alarm {
    struct alarm *next;
    void (*ring)(struct alarm *alarm); /* on the alarms' thread; must not block */
};

#define ALARM_STEP_MS 10
#define ALARM_MOST_MS 600

int alarms_start(struct alarms **ret, struct error *err) MUST_CHECK;
/* Rings once, `wait_ms` from now (rounded up to the step, at most ALARM_MOST_MS). False when the
 * alarms are being stopped: it does not ring then. Any thread. */
bool alarms_set(struct alarms *alarms, struct alarm *alarm, int64_t wait_ms);
/* Rings whatever is set, at once, and joins the thread; alarms_set() is false from now on. */
void alarms_stop(struct alarms *alarms);
void alarms_free(struct alarms **alarms);

#endif
