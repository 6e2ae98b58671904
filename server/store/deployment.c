/* SPDX-License-Identifier: Apache-2.0 */
#include "store/deployment.h"

#include "store/deployment.sql.h"

#include <string.h>

#define FIRST_EXTRA_COLUMN 31

static void read_row(struct query *q, struct deployment *ret)
{
    size_t length;

    *ret = (struct deployment){
        .row_id = query_number(q, 0),
        .action = query_number(q, 1),
        .device_row = query_number(q, 2),
        .campaign_row = query_number(q, 3),
        .wave = (int)query_number(q, 4),
        .release_row = query_number(q, 5),
        .is_open = query_number(q, 7),
        .is_cancelling = query_number(q, 8),
        .is_unproven = query_number(q, 9),
        .attempt = query_number(q, 10),
        .failures = query_number(q, 11),
        .retry_at = query_number(q, 14),
        .bytes_served = query_number(q, 17),
        .polls_since = query_number(q, 18),
        .boots_since = query_number(q, 19),
        .boots_from = query_number(q, 20),
        .offered_at = query_number(q, 22),
        .state_at = query_number(q, 23),
        .rate = query_number(q, 24),
        .interruptions = query_number(q, 26),
        .consent_at = query_number(q, 27),
        .fetches = query_number(q, 28),
        .held_until_at = query_number(q, 29),
        .asks_consent = query_number(q, 30),
    };
    query_copy(q, 25, ret->stratum, sizeof ret->stratum);
    query_copy(q, 6, ret->state, sizeof ret->state);
    query_copy(q, 12, ret->counted_as, sizeof ret->counted_as);
    query_copy(q, 13, ret->class, sizeof ret->class);
    query_copy(q, 15, ret->version_before, sizeof ret->version_before);
    query_copy(q, 16, ret->boot_id_before, sizeof ret->boot_id_before);
    const void *hash = query_blob(q, 21, &length);
    ret->has_final = length == sizeof ret->final_hash;
    if (ret->has_final)
        memcpy(ret->final_hash, hash, length);
}

static enum step read_one(struct query *q, struct deployment *ret, struct error *err)
{
    enum step step = query_step(q, err);

    if (step == STEP_ROW)
        read_row(q, ret);
    return step;
}

enum step deployment_by_action(struct tx *tx, int64_t device_row, int64_t action,
                               struct deployment *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_by_action_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number(&q, ":action", action);
    return read_one(&q, ret, err);
}

enum step deployment_by_row(struct tx *tx, int64_t row_id, struct deployment *ret,
                            struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_by_row_sql);

    query_bind_number(&q, ":deployment", row_id);
    return read_one(&q, ret, err);
}

static enum step read_one_with_start(struct query *q, struct deployment *ret, struct error *err)
{
    enum step step = read_one(q, ret, err);

    if (step == STEP_ROW) {
        ret->campaign_started_at = query_number(q, FIRST_EXTRA_COLUMN);
        ret->is_of_standing = query_number(q, FIRST_EXTRA_COLUMN + 1);
    }
    return step;
}

enum step deployment_in_campaign(struct tx *tx, int64_t device_row, int64_t campaign_row,
                                 struct deployment *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_in_campaign_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number(&q, ":campaign", campaign_row);
    return read_one_with_start(&q, ret, err);
}

typedef enum step (*read_fn)(struct query *q, struct deployment *ret, struct error *err);

static int read_many(struct query *q, read_fn read, struct deployment *ret, size_t room,
                     size_t *ret_count, struct error *err)
{
    enum step step = STEP_ROW;
    size_t count = 0;

    query_bind_number(q, ":limit", (int64_t)room);
    while (count < room && (step = read(q, &ret[count], err)) == STEP_ROW)
        count++;
    *ret_count = count;
    return step == STEP_FAILED ? -1 : 0;
}

int deployments_of_device(struct tx *tx, int64_t device_row, struct deployment *ret, size_t room,
                          size_t *ret_count, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployments_of_device_sql);

    query_bind_number(&q, ":device", device_row);
    return read_many(&q, read_one_with_start, ret, room, ret_count, err);
}

static struct query start_in_state(struct tx *tx, const char *sql, int64_t campaign_row,
                                   const char *state)
{
    struct query q = query_start(tx, sql);

    query_bind_number(&q, ":campaign", campaign_row);
    query_bind_text(&q, ":state", state);
    return q;
}

int deployments_since(struct tx *tx, int64_t campaign_row, const char *state, int64_t before,
                      struct deployment *ret, size_t room, size_t *ret_count, struct error *err)
{
    CLEANUP(query_finish)
    struct query q = start_in_state(tx, deployments_since_sql, campaign_row, state);

    query_bind_number(&q, ":before", before);
    return read_many(&q, read_one, ret, room, ret_count, err);
}

int deployments_silent(struct tx *tx, int64_t campaign_row, const char *state, int64_t before,
                       struct deployment *ret, size_t room, size_t *ret_count, struct error *err)
{
    CLEANUP(query_finish)
    struct query q = start_in_state(tx, deployments_silent_sql, campaign_row, state);

    query_bind_number(&q, ":before", before);
    return read_many(&q, read_one, ret, room, ret_count, err);
}

int deployments_latest(struct tx *tx, int64_t campaign_row, const char *state, int64_t since,
                       struct deployment *ret, size_t room, size_t *ret_count, struct error *err)
{
    CLEANUP(query_finish)
    struct query q = start_in_state(tx, deployments_latest_sql, campaign_row, state);

    query_bind_number(&q, ":since", since);
    return read_many(&q, read_one, ret, room, ret_count, err);
}

int deployment_insert(struct tx *tx, struct deployment *deployment, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_insert_sql);

    query_bind_number(&q, ":action", deployment->action);
    query_bind_number(&q, ":device", deployment->device_row);
    query_bind_number(&q, ":campaign", deployment->campaign_row);
    query_bind_number(&q, ":wave", deployment->wave);
    query_bind_number(&q, ":release", deployment->release_row);
    query_bind_text(&q, ":state", deployment->state);
    query_bind_text(&q, ":version_before", deployment->version_before);
    query_bind_text(&q, ":boot_id_before", deployment->boot_id_before);
    query_bind_number(&q, ":rate", deployment->rate);
    query_bind_text(&q, ":stratum", deployment->stratum);
    query_bind_number(&q, ":asks_consent", deployment->asks_consent);
    query_bind_number(&q, ":now", deployment->offered_at);
    if (query_run(&q, err))
        return -1;
    deployment->row_id = query_last_row(&q);
    deployment->attempt = 1;
    deployment->is_open = true;
    snprintf(deployment->counted_as, sizeof deployment->counted_as, "%s", deployment->state);
    return 0;
}

static void bind_progress(struct query *q, const struct deployment *deployment)
{
    query_bind_text(q, ":version_before", deployment->version_before);
    query_bind_text(q, ":boot_id_before", deployment->boot_id_before);
    query_bind_number(q, ":bytes_served", deployment->bytes_served);
    query_bind_number(q, ":polls_since", deployment->polls_since);
    query_bind_number(q, ":boots_since", deployment->boots_since);
    query_bind_number(q, ":boots_from", deployment->boots_from);
    query_bind_blob_or_null(q, ":final_hash", deployment->has_final ? deployment->final_hash : NULL,
                            sizeof deployment->final_hash);
    query_bind_number_or_null(q, ":retry_at", deployment->retry_at);
}

int deployment_save(struct tx *tx, const struct deployment *deployment, const char *detail,
                    struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_save_sql);

    query_bind_number(&q, ":deployment", deployment->row_id);
    query_bind_number(&q, ":action", deployment->action);
    query_bind_text(&q, ":state", deployment->state);
    query_bind_number(&q, ":is_open", deployment->is_open);
    query_bind_number(&q, ":is_cancelling", deployment->is_cancelling);
    query_bind_number(&q, ":is_unproven", deployment->is_unproven);
    query_bind_number(&q, ":attempt", deployment->attempt);
    query_bind_number(&q, ":failures", deployment->failures);
    query_bind_text(&q, ":counted_as", deployment->counted_as);
    query_bind_text(&q, ":class", deployment->class);
    query_bind_text(&q, ":detail", detail);
    bind_progress(&q, deployment);
    query_bind_number(&q, ":offered_at", deployment->offered_at);
    query_bind_number(&q, ":state_at", deployment->state_at);
    query_bind_number(&q, ":release", deployment->release_row);
    query_bind_number(&q, ":wave", deployment->wave);
    query_bind_number(&q, ":rate", deployment->rate);
    query_bind_number(&q, ":interruptions", deployment->interruptions);
    query_bind_number(&q, ":fetches", deployment->fetches);
    query_bind_number_or_null(&q, ":held_until", deployment->held_until_at);
    query_bind_number(&q, ":asks_consent", deployment->asks_consent);
    return query_run(&q, err);
}

int deployment_consent(struct tx *tx, int64_t deployment_row, const char *by, int64_t now,
                       struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_consent_sql);

    query_bind_number(&q, ":deployment", deployment_row);
    query_bind_text(&q, ":by", by);
    query_bind_number_or_null(&q, ":now", now);
    return query_run(&q, err);
}

int deployment_count_add(struct tx *tx, int64_t campaign_row, int wave, const char *counted_as,
                         int64_t more, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_count_add_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    query_bind_number(&q, ":wave", wave);
    query_bind_text(&q, ":state", counted_as);
    query_bind_number(&q, ":more", more);
    return query_run(&q, err);
}

int deployment_counts(struct tx *tx, int64_t campaign_row, deployment_count_fn each, void *arg,
                      struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_counts_sql);
    enum step step;

    query_bind_number(&q, ":campaign", campaign_row);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (each((int)query_number(&q, 0), query_text(&q, 1), query_number(&q, 2), arg, err))
            return -1;
    return step == STEP_DONE ? 0 : -1;
}

int deployment_failed_alike(struct tx *tx, const struct deployment *deployment, int64_t *ret,
                            struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_failed_alike_sql);

    query_bind_number(&q, ":campaign", deployment->campaign_row);
    query_bind_text(&q, ":class", deployment->class);
    query_bind_number(&q, ":deployment", deployment->row_id);
    if (query_step(&q, err) != STEP_ROW)
        return -1;
    *ret = query_number(&q, 0);
    return 0;
}

static int tell_page(struct query *q, int64_t before, int64_t limit, deployment_fn each, void *arg,
                     struct error *err)
{
    struct deployment deployment;
    enum step step;

    query_bind_number(q, ":before", before ? before : INT64_MAX);
    query_bind_number(q, ":limit", limit);
    while ((step = read_one(q, &deployment, err)) == STEP_ROW) {
        const struct deployment_entry entry = {
            .deployment = &deployment,
            .device_id = query_text(q, FIRST_EXTRA_COLUMN),
            .detail = query_text(q, FIRST_EXTRA_COLUMN + 1),
        };
        if (each(&entry, arg, err))
            return -1;
    }
    return step == STEP_DONE ? 0 : -1;
}

int deployment_list(struct tx *tx, const struct deployment_page *page, deployment_fn each,
                    void *arg, struct error *err)
{
    CLEANUP(query_finish)
    struct query q =
        query_start(tx, page->state ? deployment_page_by_state_sql : deployment_page_sql);

    query_bind_number(&q, ":campaign", page->campaign_row);
    if (page->state)
        query_bind_text(&q, ":state", page->state);
    return tell_page(&q, page->before, page->limit, each, arg, err);
}

int deployment_list_of_device(struct tx *tx, int64_t device_row, int64_t before, int64_t limit,
                              deployment_fn each, void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_page_of_device_sql);

    query_bind_number(&q, ":device", device_row);
    return tell_page(&q, before, limit, each, arg, err);
}

static void read_scanned(struct query *q, struct scanned *ret)
{
    struct device *device = &ret->device;

    device->row_id = query_number(q, 0);
    query_copy(q, 1, device->id, sizeof device->id);
    query_copy(q, 2, device->model, sizeof device->model);
    query_copy(q, 3, device->hardware, sizeof device->hardware);
    query_copy(q, 4, device->site, sizeof device->site);
    query_copy(q, 5, device->version, sizeof device->version);
    device->floor = query_number(q, 6);
    ret->seen_at = query_number(q, 7);
    device->channel_row = query_number(q, 8);
    device->channel_until_at = query_number(q, 9);
    device->created_at = query_number(q, 10);
    ret->is_pinned = !query_is_null(q, 11);
    ret->is_held = ret->is_pinned && query_is_null(q, 12);
    query_copy(q, 13, ret->state, sizeof ret->state);
    ret->wave = (int)query_number(q, 14);
    device->announce = query_is_null(q, 15)  ? ANNOUNCE_AUTO
                       : query_number(q, 15) ? ANNOUNCE_YES
                                             : ANNOUNCE_NO;
    ret->client = query_text(q, 16);
}

int deployment_scan(struct tx *tx, const struct scan_of *scan, scanned_fn each, void *arg,
                    struct error *err)
{
    const char *condition = scan->where.sql ? scan->where.sql : "1 = 1";
    CLEANUP(free_string)
    char *sql =
        statement_with(scan->campaign_row ? deployment_scan_sql : device_scan_sql, condition, err);
    struct scanned scanned = {
        .device = {.tenant_row = scan->tenant_row, .state = DEVICE_ACTIVE, .uptime = -1}
    };
    enum step step;

    if (!sql)
        return -1;
    CLEANUP(query_finish) struct query q = query_start_once(tx, sql);
    query_bind_number(&q, ":tenant", scan->tenant_row);
    if (scan->campaign_row)
        query_bind_number(&q, ":campaign", scan->campaign_row);
    query_bind_number(&q, ":now", scan->now);
    query_bind_texts_after(&q, ":tenant", scan->where.values, scan->where.count);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        read_scanned(&q, &scanned);
        if (each(&scanned, arg, err))
            return -1;
    }
    return step == STEP_DONE ? 0 : -1;
}

static enum step permission_of_installed(struct tx *tx, int64_t device_row, int64_t target_row,
                                         struct permission *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_runs_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number(&q, ":target", target_row);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        *ret = (struct permission){.deployment = {.release_row = query_number(&q, 0)}};
    return step;
}

enum step deployment_permission(struct tx *tx, int64_t device_row, int64_t target_row,
                                struct permission *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, deployment_permission_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number(&q, ":target", target_row);
    enum step step = read_one(&q, &ret->deployment, err);
    if (step == STEP_DONE)
        return permission_of_installed(tx, device_row, target_row, ret, err);
    if (step == STEP_ROW)
        query_copy(&q, FIRST_EXTRA_COLUMN, ret->campaign_state, sizeof ret->campaign_state);
    return step;
}
