/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pin.h"

#include "store/pin.sql.h"

static void read_pin(struct query *q, struct pin *ret)
{
    *ret = (struct pin){
        .device_row = query_number(q, 0),
        .release_row = query_number(q, 1),
        .campaign_row = query_number(q, 2),
        .created_at = query_number(q, 3),
        .expires_at = query_number(q, 4),
    };
    query_copy(q, 5, ret->release_id, sizeof ret->release_id);
    query_copy(q, 6, ret->reason, sizeof ret->reason);
    query_copy(q, 7, ret->created_by, sizeof ret->created_by);
    query_copy(q, 8, ret->campaign_id, sizeof ret->campaign_id);
}

enum step pin_of(struct tx *tx, int64_t device_row, int64_t now, struct pin *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pin_of_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number(&q, ":now", now);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        read_pin(&q, ret);
    return step;
}

int pin_set(struct tx *tx, const struct pin *pin, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pin_set_sql);

    query_bind_number(&q, ":device", pin->device_row);
    query_bind_number_or_null(&q, ":release", pin->release_row);
    query_bind_number_or_null(&q, ":campaign", pin->campaign_row);
    query_bind_text(&q, ":reason", pin->reason);
    query_bind_text(&q, ":created_by", pin->created_by);
    query_bind_number(&q, ":now", pin->created_at);
    query_bind_number_or_null(&q, ":expires", pin->expires_at);
    return query_run(&q, err);
}

int pin_delete(struct tx *tx, int64_t device_row, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pin_delete_sql);

    query_bind_number(&q, ":device", device_row);
    return query_run(&q, err);
}

int pin_count(struct tx *tx, int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pin_count_sql);

    if (query_step(&q, err) != STEP_ROW)
        return -1;
    *ret = query_number(&q, 0);
    return 0;
}

enum step pin_campaign(struct tx *tx, int64_t release_row, const uint8_t plan_hash[32],
                       int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pin_campaign_sql);

    query_bind_number(&q, ":release", release_row);
    query_bind_blob(&q, ":plan_hash", plan_hash, 32);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        *ret = query_number(&q, 0);
    return step;
}

int pin_campaign_is_used(struct tx *tx, int64_t campaign_row, bool *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pin_first_of_campaign_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    enum step step = query_step(&q, err);
    if (step == STEP_FAILED)
        return -1;
    *ret = step == STEP_ROW;
    return 0;
}

static int tell_each(struct query *q, pin_fn each, void *arg, struct error *err)
{
    struct pin pin;
    enum step step;

    while ((step = query_step(q, err)) == STEP_ROW) {
        read_pin(q, &pin);
        int answer = each(query_text(q, 9), &pin, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}

int pin_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit, pin_fn each,
             void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pin_page_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":after", after);
    query_bind_number(&q, ":limit", limit);
    return tell_each(&q, each, arg, err);
}

int pins_expired(struct tx *tx, int64_t now, int64_t limit, pin_fn each, void *arg,
                 struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pin_expired_sql);

    query_bind_number(&q, ":now", now);
    query_bind_number(&q, ":limit", limit);
    return tell_each(&q, each, arg, err);
}
