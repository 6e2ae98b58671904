/* SPDX-License-Identifier: Apache-2.0 */
#include "store/event.h"

#include "store/event.sql.h"

#include <assert.h>
#include <string.h>

#define MESSAGE_HASH_SIZE 32

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

int event_append(struct tx *tx, const struct event *event, struct error *err)
{
    struct query q = query_start(tx, event_insert_sql);

    query_bind_number(&q, ":tenant", event->tenant_row);
    query_bind_number(&q, ":at", event->at);
    query_bind_text(&q, ":kind", event->kind);
    query_bind_number_or_null(&q, ":device", event->device_row);
    query_bind_number_or_null(&q, ":campaign", event->campaign_row);
    query_bind_number_or_null(&q, ":deployment", event->deployment_row);
    query_bind_number_or_null(&q, ":attempt", event->attempt);
    query_bind_blob_or_null(&q, ":message_hash", event->message_hash, MESSAGE_HASH_SIZE);
    query_bind_text(&q, ":from_state", text_or_empty(event->from_state));
    query_bind_text(&q, ":to_state", text_or_empty(event->to_state));
    query_bind_text(&q, ":cause", text_or_empty(event->cause));
    query_bind_text(&q, ":detail", text_or_empty(event->detail));
    query_bind_text(&q, ":told", event->told);
    return query_run(&q, err);
}

int event_has_message(struct tx *tx, int64_t deployment_row, int64_t attempt,
                      const uint8_t hash[32], bool *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, event_message_sql);

    query_bind_number(&q, ":deployment", deployment_row);
    query_bind_number(&q, ":attempt", attempt);
    query_bind_blob(&q, ":message_hash", hash, MESSAGE_HASH_SIZE);
    enum step step = query_step(&q, err);
    if (step == STEP_FAILED)
        return -1;
    *ret = step == STEP_ROW;
    return 0;
}

int event_is_latest_message(struct tx *tx, int64_t deployment_row, int64_t attempt,
                            const uint8_t hash[32], bool *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, event_latest_message_sql);
    size_t length;

    query_bind_number(&q, ":deployment", deployment_row);
    enum step step = query_step(&q, err);
    *ret = false;
    if (step != STEP_ROW)
        return step == STEP_FAILED ? -1 : 0;
    const uint8_t *latest = query_blob(&q, 1, &length);
    *ret = query_number(&q, 0) == attempt && length == MESSAGE_HASH_SIZE &&
           memcmp(latest, hash, length) == 0;
    return 0;
}

static struct event read_event(struct query *q)
{
    size_t length;
    const uint8_t *hash = query_blob(q, 8, &length);

    return (struct event){
        .row_id = query_number(q, 0),
        .at = query_number(q, 1),
        .tenant_row = query_number(q, 2),
        .kind = query_text(q, 3),
        .device_row = query_number(q, 4),
        .campaign_row = query_number(q, 5),
        .deployment_row = query_number(q, 6),
        .attempt = query_number(q, 7),
        .message_hash = length == MESSAGE_HASH_SIZE ? hash : NULL,
        .from_state = query_text(q, 9),
        .to_state = query_text(q, 10),
        .cause = query_text(q, 11),
        .detail = query_text(q, 12),
    };
}

int event_trim(struct tx *tx, int64_t device_row, int64_t keep, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, event_trim_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number(&q, ":keep", keep);
    return query_run(&q, err);
}

int event_list(struct tx *tx, const struct event_query *query, event_fn each, void *arg,
               struct error *err)
{
    const char *sql = query->device_row     ? event_of_device_sql
                      : query->campaign_row ? event_of_campaign_sql
                                            : event_of_deployment_sql;
    int64_t row = query->device_row     ? query->device_row
                  : query->campaign_row ? query->campaign_row
                                        : query->deployment_row;
    CLEANUP(query_finish) struct query q = query_start(tx, sql);
    enum step step;

    assert(!!query->device_row + !!query->campaign_row + !!query->deployment_row == 1);
    query_bind_number(&q, ":row", row);
    query_bind_number(&q, ":before", query->before ? query->before : INT64_MAX);
    query_bind_number(&q, ":limit", query->limit);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        struct event event = read_event(&q);
        if (each(&event, arg, err))
            return -1;
    }
    return step == STEP_FAILED ? -1 : 0;
}

int event_told(struct tx *tx, int64_t deployment_row, int64_t before, int64_t limit, told_fn each,
               void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, event_told_sql);
    enum step step;

    query_bind_number(&q, ":deployment", deployment_row);
    query_bind_number(&q, ":before", before ? before : INT64_MAX);
    query_bind_number(&q, ":limit", limit);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        const struct told told = {
            .row_id = query_number(&q, 0),
            .at = query_number(&q, 1),
            .attempt = query_number(&q, 2),
            .json = query_text(&q, 3),
        };
        if (each(&told, arg, err))
            return -1;
    }
    return step == STEP_FAILED ? -1 : 0;
}

int event_told_count(struct tx *tx, int64_t deployment_row, int64_t attempt, int64_t most,
                     int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, event_told_count_sql);

    query_bind_number(&q, ":deployment", deployment_row);
    query_bind_number(&q, ":attempt", attempt);
    query_bind_number(&q, ":most", most);
    if (query_step(&q, err) != STEP_ROW)
        return -1;
    *ret = query_number(&q, 0);
    return 0;
}
