/* SPDX-License-Identifier: Apache-2.0 */
/* How many devices a start is about. The fleet is counted on a reader, ahead of the writer's job,
 * which takes the number from here; it counts by itself only where nobody did. */
#include "campaign/engine.h"

#include "campaign/filter_sql.h"
#include "core/text.h"

#include <string.h>

#define KEPT 60 /* seconds; the start follows at once */

static int add_version(const char *version, const char *model, int64_t count, void *arg,
                       struct error *err)
{
    (void)model;
    (void)err;
    if (version)
        *(int64_t *)arg += count;
    return 0;
}

static int count_devices(struct tx *tx, int64_t tenant_row, const char *text, int64_t *ret,
                         struct error *err)
{
    CLEANUP(filter_free) struct filter *filter = NULL;
    CLEANUP(filter_sql_clear) struct filter_sql sql = {0};

    if (filter_parse(text, &filter, err) || filter_to_sql(filter, &sql, err))
        return -1;
    const struct device_condition where = {sql.condition, sql.values, sql.count};
    *ret = 0;
    return device_count_where(tx, tenant_row, &where, add_version, ret, err);
}

/* Active devices that fulfil the target, and `also` unless it is NULL. */
static int count_active(struct tx *tx, int64_t tenant_row, const char *target, const char *also,
                        int64_t *ret, struct error *err)
{
    CLEANUP(text_clear) struct text text = {0};

    text_format(&text, "(%s) and state = active", target);
    if (also)
        text_format(&text, " and (%s)", also);
    if (text.is_broken)
        return fail_internal(err, "memory for a filter");
    return count_devices(tx, tenant_row, text.at, ret, err);
}

/* Who is in a channel is no question for SQL: the fleet is gone through. */
static int count_in_channel(struct tx *tx, const struct campaign *campaign, int64_t now,
                            int64_t *ret, struct error *err)
{
    CLEANUP(plan_free) struct plan *plan = NULL;
    struct preview_count count;

    if (plan_make(tx, NULL, campaign, NULL, 0, &plan, err) ||
        preview_take(tx, plan, NULL, now, &count, err))
        return -1;
    *ret = preview_population(&count);
    return 0;
}

static int count_population(struct tx *tx, const struct overview *overview, int64_t now,
                            int64_t *ret, struct error *err)
{
    const struct campaign *campaign = &overview->campaign;

    if (campaign->channel_row)
        return count_in_channel(tx, campaign, now, ret, err);
    return count_active(tx, campaign->tenant_row, overview->rules.target, NULL, ret, err);
}

static int count_shared(struct tx *tx, const struct overview *overview, int64_t other_row,
                        int64_t *ret, struct error *err)
{
    CLEANUP(overview_clear) struct overview other = {0};

    return overview_load(tx, other_row, &other, err) ||
                   count_active(tx, overview->campaign.tenant_row, overview->rules.target,
                                other.rules.target, ret, err)
               ? -1
               : 0;
}

/* -- between the reader and the writer -- */

static bool is_about(const struct reckoning *reckoning, const struct campaign *campaign,
                     int64_t other_row)
{
    return reckoning->at && reckoning->tenant_row == campaign->tenant_row &&
           reckoning->other_row == other_row &&
           memcmp(reckoning->plan_hash, campaign->plan_hash, sizeof reckoning->plan_hash) == 0;
}

static void keep(struct campaigns *campaigns, const struct campaign *campaign, int64_t other_row,
                 int64_t devices, int64_t now)
{
    struct reckoning reckoning = {
        .tenant_row = campaign->tenant_row, .other_row = other_row, .devices = devices, .at = now};

    memcpy(reckoning.plan_hash, campaign->plan_hash, sizeof reckoning.plan_hash);
    pthread_mutex_lock(&campaigns->lock);
    campaigns->reckonings[campaigns->next_reckoning++ % RECKONINGS] = reckoning;
    pthread_mutex_unlock(&campaigns->lock);
}

/* Each number is good for one start: the next one is counted anew. */
static bool take_kept(struct campaigns *campaigns, const struct campaign *campaign,
                      int64_t other_row, int64_t now, int64_t *ret)
{
    bool is_kept = false;

    pthread_mutex_lock(&campaigns->lock);
    for (size_t i = 0; i < RECKONINGS; i++) {
        struct reckoning *reckoning = &campaigns->reckonings[i];

        if (!is_about(reckoning, campaign, other_row))
            continue;
        if (now - reckoning->at <= KEPT) {
            *ret = reckoning->devices;
            is_kept = true;
        }
        *reckoning = (struct reckoning){0};
    }
    pthread_mutex_unlock(&campaigns->lock);
    return is_kept;
}

int reckon_population(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                      int64_t now, int64_t *ret, struct error *err)
{
    return take_kept(campaigns, &overview->campaign, 0, now, ret)
               ? 0
               : count_population(tx, overview, now, ret, err);
}

int reckon_shared(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                  int64_t other_row, int64_t now, int64_t *ret, struct error *err)
{
    return take_kept(campaigns, &overview->campaign, other_row, now, ret)
               ? 0
               : count_shared(tx, overview, other_row, ret, err);
}

int reckon_ahead(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                 const struct others *others, int64_t now, struct error *err)
{
    const struct campaign *campaign = &overview->campaign;
    int64_t devices;

    if (overview->rules.expected_count >= 0) {
        if (count_population(tx, overview, now, &devices, err))
            return -1;
        keep(campaigns, campaign, 0, devices, now);
    }
    for (size_t i = 0; i < others->count && overview->rules.supersede == SUPERSEDE_COEXIST; i++) {
        if (count_shared(tx, overview, others->rows[i], &devices, err))
            return -1;
        keep(campaigns, campaign, others->rows[i], devices, now);
    }
    return 0;
}
