/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: who follows what by default, and what is promoted where. A device is put into one by
 * hand, for good or until a date, or has the first (by position) whose rule matches it. */
#ifndef OTAD_STORE_CHANNEL_H
#define OTAD_STORE_CHANNEL_H

#include "store/release.h"

#define CHANNEL_ID_SIZE 65

struct channel {
    int64_t row_id, tenant_row, position, created_at;
    int64_t next_row; /* 0: the last of its chain */
    char id[CHANNEL_ID_SIZE];
    char *rule;      /* a filter; "": only by hand. Owned, as the next */
    char *promotion; /* JSON object of terms; "": nothing is promoted by itself */
};
void channel_clear(struct channel *channel);

enum step channel_row_by_id(struct tx *tx, int64_t tenant_row, const char *id, int64_t *ret,
                            struct error *err) MUST_CHECK;
enum step channel_by_row(struct tx *tx, int64_t row_id, struct channel *ret,
                         struct error *err) MUST_CHECK;
/* Fills row_id. */
int channel_insert(struct tx *tx, struct channel *channel, struct error *err) MUST_CHECK;
/* Position, next, rule, promotion. */
int channel_save(struct tx *tx, const struct channel *channel, struct error *err) MUST_CHECK;
/* Its devices are in it no more, nobody promotes to it, and campaigns that were over forget the
 * row; whoever calls this has ended the others, and the baselines. */
int channel_delete(struct tx *tx, int64_t row_id, struct error *err) MUST_CHECK;
/* Borrowed for the call; in order of position, then row. Of all tenants when tenant_row is 0. */
typedef int (*channel_fn)(const struct channel *channel, void *arg, struct error *err);
int channel_each(struct tx *tx, int64_t tenant_row, channel_fn each, void *arg,
                 struct error *err) MUST_CHECK;

/* What a channel's devices have when no other campaign wants otherwise: one release per product,
 * delivered by a standing campaign of kind "baseline". */
struct baseline {
    int64_t channel_row, product_row, release_row, campaign_row, set_at;
    char release_id[RELEASE_ID_SIZE], campaign_id[24], set_by[65];
};
int baseline_set(struct tx *tx, const struct baseline *baseline, struct error *err) MUST_CHECK;
/* STEP_DONE: the channel has none for that product. */
enum step baseline_of(struct tx *tx, int64_t channel_row, int64_t product_row, struct baseline *ret,
                      struct error *err) MUST_CHECK;
int baseline_delete(struct tx *tx, int64_t channel_row, int64_t product_row,
                    struct error *err) MUST_CHECK;
typedef int (*baseline_fn)(const struct baseline *baseline, void *arg, struct error *err);
int baseline_each(struct tx *tx, int64_t channel_row, baseline_fn each, void *arg,
                  struct error *err) MUST_CHECK;

/* A device's membership by hand; channel_row 0 ends it, until_at 0 means for good. */
int device_join_channel(struct tx *tx, int64_t device_row, int64_t channel_row, int64_t until_at,
                        struct error *err) MUST_CHECK;
struct membership {
    int64_t channel_row, until_at; /* until_at 0: for good */
    char channel_id[CHANNEL_ID_SIZE];
};
/* STEP_DONE: it was put into none, or that ended before `now`. */
enum step device_membership(struct tx *tx, int64_t device_row, int64_t now, struct membership *ret,
                            struct error *err) MUST_CHECK;
/* Memberships whose end has come, the earliest first, at most `limit`. Text is borrowed for the
 * call. */
struct membership_end {
    int64_t device_row, tenant_row;
    const char *device_id, *channel_id;
};
typedef int (*membership_end_fn)(const struct membership_end *end, void *arg, struct error *err);
int memberships_ended(struct tx *tx, int64_t now, int64_t limit, membership_end_fn each, void *arg,
                      struct error *err) MUST_CHECK;

#endif
