/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns as rows. What they mean is decided in campaign/; states travel by name here. */
#ifndef OTAD_STORE_CAMPAIGN_H
#define OTAD_STORE_CAMPAIGN_H

#include "store/release.h"

#define CAMPAIGN_ID_SIZE 24
#define CAMPAIGN_NAME_SIZE 129
#define STATE_SIZE 16
#define STATE_REASON_SIZE 161

struct campaign {
    int64_t row_id, tenant_row;
    char id[CAMPAIGN_ID_SIZE], name[CAMPAIGN_NAME_SIZE];
    int64_t release_row, channel_row, parent_row; /* channel, parent: 0 for none */
    char kind[STATE_SIZE];
    char *plan; /* canonical JSON (campaign/rules.h); owned by the struct */
    uint8_t plan_hash[32];
    uint8_t salt[16];
    int64_t priority;
    char state[STATE_SIZE], state_reason[STATE_REASON_SIZE];
    char paused_for[STATE_SIZE]; /* "" when it is not paused */
    int64_t accepted_failures;
    bool stops_transfers;
    int64_t change, created_at, state_at;
    int64_t started_at, covered_at, progress_at; /* 0: not yet */
    int64_t bytes_served;
    char created_by[65], planned_by[65]; /* who made it; who wrote the plan as it stands */
    /* Of its release. */
    char release_id[RELEASE_ID_SIZE], release_version[65];
    bool release_is_published;
    int64_t security_version, product_row;
};
void campaign_clear(struct campaign *campaign);

enum step campaign_by_row(struct tx *tx, int64_t row_id, struct campaign *ret,
                          struct error *err) MUST_CHECK;
enum step campaign_row_by_id(struct tx *tx, int64_t tenant_row, const char *id, int64_t *ret,
                             struct error *err) MUST_CHECK;
/* Fills row_id. */
int campaign_insert(struct tx *tx, struct campaign *campaign, struct error *err) MUST_CHECK;
/* State, reason, accepted failures, start and stopping; moves `change`. */
int campaign_save(struct tx *tx, struct campaign *campaign, struct error *err) MUST_CHECK;
/* Name, release, channel, kind, plan with its hash and author, salt, priority; call campaign_save()
 * as well. */
int campaign_save_plan(struct tx *tx, const struct campaign *campaign,
                       struct error *err) MUST_CHECK;
/* For the dead-man rule; does not move `change`. `is_first`: only where nothing was noted before.
 */
int campaign_note_progress(struct tx *tx, int64_t campaign_row, int64_t now, bool is_first,
                           struct error *err) MUST_CHECK;
/* Does not move `change`. */
int campaign_add_bytes(struct tx *tx, int64_t campaign_row, int64_t more,
                       struct error *err) MUST_CHECK;

/* Borrowed for the call; a value above zero ends the list, below zero is a failure. */
typedef int (*campaign_fn)(const struct campaign *campaign, void *arg, struct error *err);
/* Those that concern devices now or soon: scheduled, running, paused, finishing, or over with
 * devices still at work.
 * In order of priority, then newest. */
int campaign_each_live(struct tx *tx, campaign_fn each, void *arg, struct error *err) MUST_CHECK;
/* Newest first, below `before` (0: from the newest); `state` NULL and rows 0 mean any. */
struct campaign_page {
    int64_t tenant_row, before, limit;
    const char *state;
    int64_t channel_row, release_row;
};
int campaign_list(struct tx *tx, const struct campaign_page *page, campaign_fn each, void *arg,
                  struct error *err) MUST_CHECK;

#endif
