/* SPDX-License-Identifier: Apache-2.0 */
#include "store/campaign.h"

#include "store/campaign.sql.h"

#include <string.h>

void campaign_clear(struct campaign *campaign)
{
    free(campaign->plan);
    campaign->plan = NULL;
}

static void read_course(struct query *q, struct campaign *ret)
{
    query_copy(q, 11, ret->kind, sizeof ret->kind);
    ret->parent_row = query_number(q, 12);
    ret->covered_at = query_number(q, 13);
    ret->progress_at = query_number(q, 14);
    query_copy(q, 15, ret->paused_for, sizeof ret->paused_for);
    ret->accepted_failures = query_number(q, 16);
    ret->stops_transfers = query_number(q, 17);
}

static void read_origin(struct query *q, struct campaign *ret)
{
    ret->change = query_number(q, 18);
    query_copy(q, 19, ret->created_by, sizeof ret->created_by);
    ret->created_at = query_number(q, 20);
    ret->started_at = query_number(q, 21);
    ret->state_at = query_number(q, 22);
    ret->bytes_served = query_number(q, 23);
    query_copy(q, 24, ret->release_id, sizeof ret->release_id);
    query_copy(q, 25, ret->release_version, sizeof ret->release_version);
    ret->release_is_published =
        strcmp(query_text(q, 26), release_state_name(RELEASE_PUBLISHED)) == 0;
    ret->security_version = query_number(q, 27);
    ret->product_row = query_number(q, 28);
    ret->channel_row = query_number(q, 29);
    query_copy(q, 30, ret->planned_by, sizeof ret->planned_by);
}

static int read_row(struct query *q, struct campaign *ret, struct error *err)
{
    size_t length, hash_length;
    const void *salt = query_blob(q, 6, &length);
    const void *hash = query_blob(q, 10, &hash_length);

    *ret = (struct campaign){
        .row_id = query_number(q, 0),
        .tenant_row = query_number(q, 1),
        .release_row = query_number(q, 4),
        .plan = strdup(query_text(q, 5)),
        .priority = query_number(q, 7),
    };
    if (!ret->plan || length != sizeof ret->salt || hash_length != sizeof ret->plan_hash)
        return fail_internal(err, "campaign row %lld", (long long)ret->row_id);
    memcpy(ret->salt, salt, sizeof ret->salt);
    memcpy(ret->plan_hash, hash, sizeof ret->plan_hash);
    query_copy(q, 2, ret->id, sizeof ret->id);
    query_copy(q, 3, ret->name, sizeof ret->name);
    query_copy(q, 8, ret->state, sizeof ret->state);
    query_copy(q, 9, ret->state_reason, sizeof ret->state_reason);
    read_course(q, ret);
    read_origin(q, ret);
    return 0;
}

enum step campaign_by_row(struct tx *tx, int64_t row_id, struct campaign *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, campaign_by_row_sql);
    CLEANUP(campaign_clear) struct campaign found = {0};

    query_bind_number(&q, ":campaign", row_id);
    enum step step = query_step(&q, err);
    if (step != STEP_ROW)
        return step;
    if (read_row(&q, &found, err))
        return STEP_FAILED;
    *ret = found;
    found.plan = NULL;
    return STEP_ROW;
}

enum step campaign_row_by_id(struct tx *tx, int64_t tenant_row, const char *id, int64_t *ret,
                             struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, campaign_row_by_id_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":id", id);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        *ret = query_number(&q, 0);
    return step;
}

static void bind_plan(struct query *q, const struct campaign *campaign)
{
    query_bind_text(q, ":name", campaign->name);
    query_bind_number(q, ":release", campaign->release_row);
    query_bind_number_or_null(q, ":channel", campaign->channel_row);
    query_bind_text(q, ":kind", campaign->kind);
    query_bind_text(q, ":plan", campaign->plan);
    query_bind_blob(q, ":plan_hash", campaign->plan_hash, sizeof campaign->plan_hash);
    query_bind_blob(q, ":salt", campaign->salt, sizeof campaign->salt);
    query_bind_text(q, ":planned_by", campaign->planned_by);
    query_bind_number(q, ":priority", campaign->priority);
}

int campaign_insert(struct tx *tx, struct campaign *campaign, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, campaign_insert_sql);

    query_bind_number(&q, ":tenant", campaign->tenant_row);
    query_bind_text(&q, ":id", campaign->id);
    bind_plan(&q, campaign);
    query_bind_number_or_null(&q, ":parent", campaign->parent_row);
    query_bind_text(&q, ":state", campaign->state);
    query_bind_text(&q, ":created_by", campaign->created_by);
    query_bind_number(&q, ":now", campaign->created_at);
    if (query_run(&q, err))
        return -1;
    campaign->row_id = query_last_row(&q);
    campaign->change = 1;
    campaign->state_at = campaign->created_at;
    return 0;
}

int campaign_save(struct tx *tx, struct campaign *campaign, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, campaign_save_sql);

    query_bind_number(&q, ":campaign", campaign->row_id);
    query_bind_text(&q, ":state", campaign->state);
    query_bind_text(&q, ":state_reason", campaign->state_reason);
    query_bind_number(&q, ":state_at", campaign->state_at);
    query_bind_number_or_null(&q, ":started_at", campaign->started_at);
    query_bind_number_or_null(&q, ":covered_at", campaign->covered_at);
    query_bind_number_or_null(&q, ":progress_at", campaign->progress_at);
    query_bind_text(&q, ":paused_for", campaign->paused_for);
    query_bind_number(&q, ":accepted_failures", campaign->accepted_failures);
    query_bind_number(&q, ":stops_transfers", campaign->stops_transfers);
    query_bind_number(&q, ":change", ++campaign->change);
    return query_run(&q, err);
}

int campaign_save_plan(struct tx *tx, const struct campaign *campaign, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, campaign_save_plan_sql);

    query_bind_number(&q, ":campaign", campaign->row_id);
    bind_plan(&q, campaign);
    return query_run(&q, err);
}

int campaign_note_progress(struct tx *tx, int64_t campaign_row, int64_t now, bool is_first,
                           struct error *err)
{
    CLEANUP(query_finish)
    struct query q =
        query_start(tx, is_first ? campaign_progress_first_sql : campaign_progress_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    query_bind_number(&q, ":now", now);
    return query_run(&q, err);
}

int campaign_add_bytes(struct tx *tx, int64_t campaign_row, int64_t more, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, campaign_add_bytes_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    query_bind_number(&q, ":more", more);
    return query_run(&q, err);
}

static int tell_each(struct query *q, campaign_fn each, void *arg, struct error *err)
{
    enum step step;

    while ((step = query_step(q, err)) == STEP_ROW) {
        CLEANUP(campaign_clear) struct campaign campaign = {0};

        if (read_row(q, &campaign, err))
            return -1;
        int answer = each(&campaign, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}

int campaign_each_live(struct tx *tx, campaign_fn each, void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, campaign_live_sql);

    return tell_each(&q, each, arg, err);
}

int campaign_list(struct tx *tx, const struct campaign_page *page, campaign_fn each, void *arg,
                  struct error *err)
{
    CLEANUP(query_finish)
    struct query q = query_start(tx, page->state ? campaign_page_by_state_sql : campaign_page_sql);

    query_bind_number(&q, ":tenant", page->tenant_row);
    query_bind_number(&q, ":before", page->before ? page->before : INT64_MAX);
    query_bind_number(&q, ":limit", page->limit);
    query_bind_number(&q, ":channel", page->channel_row);
    query_bind_number(&q, ":release", page->release_row);
    if (page->state)
        query_bind_text(&q, ":state", page->state);
    return tell_each(&q, each, arg, err);
}
