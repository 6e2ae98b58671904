/* SPDX-License-Identifier: Apache-2.0 */
/* Which release a device should have now, and why: one pure function for polls, explain and
 * preview. */
#ifndef OTAD_CAMPAIGN_RESOLVE_H
#define OTAD_CAMPAIGN_RESOLVE_H

#include "campaign/line.h"
#include "campaign/rank.h"
#include "campaign/rules.h"
#include "campaign/steering.h"
#include "campaign/wave.h"

/* How many a campaign has so far, for its start rate. The only thing in a plan that changes. */
struct pace {
    _Atomic int64_t confirmed, offered;
    int64_t active; /* members seen lately, as counted for its waves */
};

/* A campaign, compiled: constant once made. What each poll looks at stands first, because most
 * campaigns are not for the device that asks. */
struct plan {
    int64_t row_id, tenant_row;
    int64_t channel_row; /* 0: devices of any */
    int64_t parent_row;  /* what a rollback takes back; 0 */
    enum campaign_state state;
    bool stops_transfers;    /* aborted or hard cancelled */
    bool release_is_offered; /* published: neither withdrawn nor quarantined */
    struct filter *filter;
    int64_t started_at;
    struct rules rules;
    int64_t release_row, product_row, security_version;
    int64_t since; /* of a baseline: when its release became that */
    char id[24];
    char release_id[98], version[65];
    uint8_t salt[SALT_SIZE];
    struct band *bands;
    size_t band_count;
    struct image *images;
    size_t image_count;
    const struct zone *zone; /* of the rules, else UTC; only looked at where there are windows */
    const struct line *line; /* of its product; NULL: nothing is known of other releases */
    struct line *own_line;   /* the same when nobody else keeps it */
    const struct line_release *goal; /* on the line */
    struct pace *pace;
};
bool plan_is_standing(const struct plan *plan); /* a channel's baseline, a pin */

/* The device's own deployment in a campaign. */
struct past {
    int64_t campaign_row;
    int64_t started_at; /* its campaign's */
    enum deployment_state state;
    bool is_prestaged;   /* downloaded, and nothing else is wanted */
    bool is_of_standing; /* a baseline's or a pin's, be they over */
    int wave;
    int64_t retry_at; /* of a failed one; 0: no other try */
    int64_t release_row, state_at;
};

/* Why a campaign, or all of them, gave what they gave. */
enum reason {
    REASON_DEVICE_STATE, /* step 1 */
    REASON_HALTED,       /* step 2 */
    REASON_HOLD,         /* step 3 */
    REASON_PINNED,
    REASON_NO_CAMPAIGN, /* none is left */
    REASON_NOT_PINNED,
    REASON_NOT_RUNNING,
    REASON_CHANNEL,
    REASON_NO_MATCH,
    REASON_NEWCOMER,
    REASON_SUPERSEDED, /* a newer campaign has brought this device further */
    REASON_PRESTAGED,
    REASON_WAVE_NOT_OPEN,
    REASON_TURN,
    REASON_WAVE_FULL,
    REASON_ALREADY,           /* step 4 */
    REASON_RELEASE_WITHDRAWN, /* step 5 */
    REASON_HARDWARE_UNKNOWN,
    REASON_HARDWARE,
    REASON_SECURITY_FLOOR,
    REASON_DOWNGRADE,
    REASON_UPGRADE,  /* by a rollback */
    REASON_DEAD_END, /* step 6 */
    REASON_FLOOR,
    REASON_FREEZE, /* step 7 */
    REASON_WINDOW,
    REASON_REFETCH, /* step 8; this and the next of a deployment under way */
    REASON_UNVERIFIED,
    REASON_QUARANTINE,
    REASON_CONFIRMED,
    REASON_UNDER_WAY,
    REASON_BACK_OFF,
    REASON_FAILED,
    REASON_REVERTED,
    REASON_LOST,
    REASON_TIMED_OUT,
    REASON_LEFT_OUT,   /* rejected, cancelled, removed, … */
    REASON_START_RATE, /* step 9, in the order of enum admission */
    REASON_CAPACITY_SERVER,
    REASON_CAPACITY_SITE,
    REASON_CAPACITY_CAMPAIGN,
    REASON_BYTES,
    REASON_OFFER, /* step 11 */
    REASONS
};
const char *reason_code(enum reason reason);     /* "wave_not_open" */
const char *reason_sentence(enum reason reason); /* for people */
int reason_step(enum reason reason);             /* 1 to 11, in the order the resolver asks */
enum reason reason_of_admission(enum admission admission); /* REASON_OFFER for ADMIT */

struct resolution {
    enum reason reason;
    const struct plan *plan; /* the campaign that decided; NULL: none did */
    int wave;                /* REASON_OFFER */
    int64_t until;           /* when the reason may be gone; 0: not known */
    const char *text;        /* what an operator said of it: freeze, dead end, stop; NULL */
    int64_t release_row;     /* REASON_OFFER: the next release on the way to the plan's */
    enum install install;
    int64_t install_wait; /* seconds until the install window; until then it is prestaged */
};
/* Told of every campaign looked at, in order; for explain. */
typedef int (*resolve_note_fn)(void *arg, const struct plan *plan, enum reason reason,
                               struct error *err);
/* Whether an offer of this campaign would be admitted now; takes nothing. */
typedef enum admission (*resolve_look_fn)(void *arg, const struct plan *plan, int64_t *ret_wait);

enum pin_kind { PIN_NONE, PIN_HOLD, PIN_RELEASE };

struct question {
    struct filter_subject facts;
    int64_t tenant_row, floor, created_at;
    bool is_active;
    enum pin_kind pin;
    int64_t pin_campaign, pin_until; /* who delivers a pinned release; until 0: for good */
    int64_t hand_channel;            /* it was put into this one; 0: rules decide */
    int64_t quarantine_until;
    const struct zone *zone;         /* the device's own; NULL: its site's */
    const struct steering *steering; /* NULL: nothing steers */
    const struct past *pasts;
    size_t past_count;
    struct plan *const
        *plans; /* in order of priority, then latest started; baselines behind all others */
    size_t plan_count;
    int64_t now;
    resolve_look_fn look; /* may be NULL */
    void *look_arg;
    resolve_note_fn note; /* may be NULL */
    void *note_arg;
};
/* Changes nothing; fails only when a lookup or the note does. */
int resolve(const struct question *question, struct resolution *ret, struct error *err) MUST_CHECK;

/* Step 7 alone, for what is under way: REASON_OFFER, REASON_FREEZE or REASON_WINDOW; sets until,
 * text, install and install_wait. */
int resolve_time(const struct question *question, const struct plan *plan, struct resolution *ret,
                 struct error *err) MUST_CHECK;
/* Whether the campaign is for this device by target, channel and pin. */
int resolve_matches(const struct question *question, const struct plan *plan, bool *ret,
                    struct error *err) MUST_CHECK;

/* Steps 4 to 6 alone: REASON_OFFER when this device could take the release at all, be it by way of
 * another. */
enum reason resolve_fitness(const struct plan *plan, const struct filter_subject *facts,
                            int64_t floor);

#endif
