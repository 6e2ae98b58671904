/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments: one row per device and campaign, made when first offered; and the counts of them.
 * Only campaign/ moves their state. */
#ifndef OTAD_STORE_DEPLOYMENT_H
#define OTAD_STORE_DEPLOYMENT_H

#include "store/campaign.h"
#include "store/device.h"

#define STRATUM_NAME_SIZE 260

struct deployment {
    int64_t row_id, action, device_row, campaign_row, release_row, attempt, rate;
    int wave;
    char state[STATE_SIZE];
    bool is_open;       /* the device can act on it */
    bool is_cancelling; /* it is to stop, and has not said yet that it did */
    bool is_unproven;
    uint8_t final_hash[32];
    bool has_final;
    int64_t failures, retry_at; /* retry_at 0: none */
    char class[16], counted_as[STATE_SIZE];
    char version_before[VERSION_SIZE], boot_id_before[BOOT_ID_SIZE];
    int64_t bytes_served, polls_since, boots_since, boots_from;
    int64_t offered_at, state_at;
    char stratum[STRATUM_NAME_SIZE]; /* at its first offer */
    int64_t interruptions;           /* attempts we cut or withdrew: never blamed on it */
    int64_t consent_at;              /* 0: the person at the device has not agreed */
    int64_t fetches;                 /* whole downloads in this attempt */
    int64_t held_until_at;           /* it fetches again and again: not shown to it before; 0 */
    bool asks_consent;               /* the device must agree before it may fetch */
    int64_t campaign_started_at;     /* read with those of a device; 0 otherwise */
    bool is_of_standing;             /* likewise: a baseline's or a pin's */
};

/* The deployment a device names by DDI's action id, checked to be this device's. */
enum step deployment_by_action(struct tx *tx, int64_t device_row, int64_t action,
                               struct deployment *ret, struct error *err) MUST_CHECK;
enum step deployment_by_row(struct tx *tx, int64_t row_id, struct deployment *ret,
                            struct error *err) MUST_CHECK;
/* Open ones first, then the newest; at most `room` of them. */
int deployments_of_device(struct tx *tx, int64_t device_row, struct deployment *ret, size_t room,
                          size_t *ret_count, struct error *err) MUST_CHECK;
/* A campaign's row of a device. */
enum step deployment_in_campaign(struct tx *tx, int64_t device_row, int64_t campaign_row,
                                 struct deployment *ret, struct error *err) MUST_CHECK;
/* Those of a campaign in `state` since `before` or longer, oldest first, below or at `room`. */
int deployments_since(struct tx *tx, int64_t campaign_row, const char *state, int64_t before,
                      struct deployment *ret, size_t room, size_t *ret_count,
                      struct error *err) MUST_CHECK;

/* The same, and their devices were not heard of since then either. */
int deployments_silent(struct tx *tx, int64_t campaign_row, const char *state, int64_t before,
                       struct deployment *ret, size_t room, size_t *ret_count,
                       struct error *err) MUST_CHECK;
/* Those of a campaign that came into `state` at `since` or later, the latest first, at most `room`.
 */
int deployments_latest(struct tx *tx, int64_t campaign_row, const char *state, int64_t since,
                       struct deployment *ret, size_t room, size_t *ret_count,
                       struct error *err) MUST_CHECK;

/* Fills row_id. */
int deployment_insert(struct tx *tx, struct deployment *deployment, struct error *err) MUST_CHECK;
/* All that changes. `detail` NULL leaves the device's words as they are. */
int deployment_save(struct tx *tx, const struct deployment *deployment, const char *detail,
                    struct error *err) MUST_CHECK;

/* The person at the device agreed; the first time stands. `now` 0: agrees no more. */
int deployment_consent(struct tx *tx, int64_t deployment_row, const char *by, int64_t now,
                       struct error *err) MUST_CHECK;

/* Devices per state, wave by wave. */
int deployment_count_add(struct tx *tx, int64_t campaign_row, int wave, const char *counted_as,
                         int64_t more, struct error *err) MUST_CHECK;
typedef int (*deployment_count_fn)(int wave, const char *counted_as, int64_t count, void *arg,
                                   struct error *err);
int deployment_counts(struct tx *tx, int64_t campaign_row, deployment_count_fn each, void *arg,
                      struct error *err) MUST_CHECK;
/* Others of this campaign that failed with the same class; 2 stands for more. */
int deployment_failed_alike(struct tx *tx, const struct deployment *deployment, int64_t *ret,
                            struct error *err) MUST_CHECK;

/* For lists: newest first, below `before` (0: from the newest); `state` NULL means any. Text is
 * borrowed for the call. */
struct deployment_entry {
    const struct deployment *deployment;
    const char *device_id, *detail;
};
typedef int (*deployment_fn)(const struct deployment_entry *entry, void *arg, struct error *err);
struct deployment_page {
    int64_t campaign_row, before, limit;
    const char *state;
};
int deployment_list(struct tx *tx, const struct deployment_page *page, deployment_fn each,
                    void *arg, struct error *err) MUST_CHECK;
/* Those of one device, the latest action first, below the action `before` (0: from the latest). */
int deployment_list_of_device(struct tx *tx, int64_t device_row, int64_t before, int64_t limit,
                              deployment_fn each, void *arg, struct error *err) MUST_CHECK;

/* The active devices of a tenant that fulfil `where` or have a place in the campaign (0: in none):
 * for counting before a wave opens and for previews. Takes as long as the fleet is large: for
 * readers only. */
struct scan_of {
    int64_t tenant_row, campaign_row, now;
    struct device_condition where;
};
struct scanned {
    struct device device;    /* what filters and rules read; the rest is zero */
    int64_t seen_at;         /* 0: never */
    const char *client;      /* its User-Agent then; borrowed for the call */
    char state[STATE_SIZE];  /* of its deployment; "" when there is none */
    int wave;                /* of its deployment */
    bool is_pinned, is_held; /* a pin that holds now; to no release */
};
typedef int (*scanned_fn)(const struct scanned *scanned, void *arg, struct error *err);
int deployment_scan(struct tx *tx, const struct scan_of *scan, scanned_fn each, void *arg,
                    struct error *err) MUST_CHECK;

/* What a device may fetch: an image of an open deployment, or of a release it has had confirmed. */
struct permission {
    struct deployment deployment; /* row_id 0: allowed by what it runs */
    char campaign_state[STATE_SIZE];
};
enum step deployment_permission(struct tx *tx, int64_t device_row, int64_t target_row,
                                struct permission *ret, struct error *err) MUST_CHECK;

#endif
