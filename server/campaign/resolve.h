/* SPDX-License-Identifier: Apache-2.0 */
/* Which release a device should have now, and why: one pure function for polls, explain and
 * preview. */
#ifndef OTAD_CAMPAIGN_RESOLVE_H
#define OTAD_CAMPAIGN_RESOLVE_H

#include "campaign/filter.h"
#include "campaign/rank.h"
#include "campaign/wave.h"

/* What of a release matters here. */
struct image {
    int64_t size;
    char **hardware; /* identifiers it is for */
    size_t hardware_count;
};

/* A campaign, compiled: constant once made. */
struct plan {
    int64_t row_id, tenant_row, release_row;
    char id[24];
    char release_id[98], version[65];
    enum campaign_state state;
    bool stops_transfers;    /* aborted or hard cancelled */
    bool release_is_offered; /* published: neither withdrawn nor quarantined */
    int64_t priority, started_at, rate;
    int64_t attempts_max, stale_after, confirm_after, verify_timeout, offer_ttl;
    int64_t security_version;
    struct filter *filter;
    uint8_t salt[SALT_SIZE];
    struct band *bands;
    size_t band_count;
    struct image *images;
    size_t image_count;
};

/* The device's own deployment in a campaign. */
struct past {
    int64_t campaign_row;
    enum deployment_state state;
    int wave;
    int64_t retry_at; /* of a failed one; 0: no other try */
};

/* Why a campaign, or all of them, gave what they gave. */
enum reason {
    REASON_DEVICE_STATE, /* step 1 */
    REASON_NO_CAMPAIGN,  /* step 3: none is left */
    REASON_NOT_RUNNING,
    REASON_NO_MATCH,
    REASON_SUPERSEDED, /* a newer campaign has brought this device further */
    REASON_WAVE_NOT_OPEN,
    REASON_WAVE_FULL,
    REASON_ALREADY,           /* step 4 */
    REASON_RELEASE_WITHDRAWN, /* step 5 */
    REASON_HARDWARE_UNKNOWN,
    REASON_HARDWARE,
    REASON_SECURITY_FLOOR,
    REASON_CONFIRMED, /* step 8 */
    REASON_UNDER_WAY,
    REASON_BACK_OFF,
    REASON_FAILED,
    REASON_REVERTED,
    REASON_LOST,
    REASON_TIMED_OUT,
    REASON_LEFT_OUT, /* rejected, cancelled, removed, … */
    REASON_OFFER,    /* step 11 */
    REASONS
};
const char *reason_code(enum reason reason);     /* "wave_not_open" */
const char *reason_sentence(enum reason reason); /* for people */
int reason_step(enum reason reason);             /* 1 to 11, in the order the resolver asks */

struct resolution {
    enum reason reason;
    const struct plan *plan; /* the campaign that decided; NULL: none did */
    int wave;                /* REASON_OFFER */
    int64_t until;           /* REASON_BACK_OFF: when to ask again */
};
/* Told of every campaign looked at, in order; for explain. */
typedef int (*resolve_note_fn)(void *arg, const struct plan *plan, enum reason reason,
                               struct error *err);

struct question {
    struct filter_subject facts;
    int64_t tenant_row, floor;
    bool is_active;
    const struct past *pasts;
    size_t past_count;
    struct plan *const *plans; /* in order of priority, then newest */
    size_t plan_count;
    int64_t now;
    resolve_note_fn note; /* may be NULL */
    void *note_arg;
};
/* Changes nothing; fails only when a lookup or the note does. */
int resolve(const struct question *question, struct resolution *ret, struct error *err) MUST_CHECK;

/* Steps 4 and 5 alone: REASON_OFFER when this device could take the release at all. */
enum reason resolve_fitness(const struct plan *plan, const struct filter_subject *facts,
                            int64_t floor);
bool image_is_for(const struct image *image, const struct filter_subject *facts);
/* The hardware a device has; its model where it never told. "" when neither is known. */
const char *resolve_hardware(const struct filter_subject *facts);

#endif
