/* SPDX-License-Identifier: Apache-2.0 */
/* Pins: a device that is to have one release whatever campaigns say, or to be left alone. */
#ifndef OTAD_STORE_PIN_H
#define OTAD_STORE_PIN_H

#include "store/release.h"

struct pin {
    int64_t device_row;
    int64_t release_row;              /* 0: hold, nothing at all */
    int64_t campaign_row;             /* the standing one that delivers it; 0 with a hold */
    int64_t created_at, expires_at;   /* expires_at 0: never */
    char release_id[RELEASE_ID_SIZE]; /* "" with a hold */
    char campaign_id[24];             /* as read; "" with a hold */
    char reason[161], created_by[65];
};

/* STEP_DONE: it has none, or it expired before `now`. */
enum step pin_of(struct tx *tx, int64_t device_row, int64_t now, struct pin *ret,
                 struct error *err) MUST_CHECK;
/* Replaces the one it has. */
int pin_set(struct tx *tx, const struct pin *pin, struct error *err) MUST_CHECK;
int pin_delete(struct tx *tx, int64_t device_row, struct error *err) MUST_CHECK;
/* Polls ask a device's pin only when there is any. */
int pin_count(struct tx *tx, int64_t *ret, struct error *err) MUST_CHECK;
/* The standing campaign that delivers a release to pinned devices by this plan; STEP_DONE: none is
 * running. */
enum step pin_campaign(struct tx *tx, int64_t release_row, const uint8_t plan_hash[32],
                       int64_t *ret, struct error *err) MUST_CHECK;
/* Whether any device's pin is delivered by it. */
int pin_campaign_is_used(struct tx *tx, int64_t campaign_row, bool *ret,
                         struct error *err) MUST_CHECK;
/* For lists, in order of device id, after `after` ("" from the first); borrowed for the call. */
typedef int (*pin_fn)(const char *device_id, const struct pin *pin, void *arg, struct error *err);
int pin_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit, pin_fn each,
             void *arg, struct error *err) MUST_CHECK;
/* Those whose end has come, the earliest first, of all tenants. */
int pins_expired(struct tx *tx, int64_t now, int64_t limit, pin_fn each, void *arg,
                 struct error *err) MUST_CHECK;

#endif
