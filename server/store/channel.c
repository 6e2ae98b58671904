/* SPDX-License-Identifier: Apache-2.0 */
#include "store/channel.h"

#include "store/channel.sql.h"

#include <string.h>

void channel_clear(struct channel *channel)
{
    free(channel->rule);
    free(channel->promotion);
    channel->rule = channel->promotion = NULL;
}

static int read_channel(struct query *q, struct channel *ret, struct error *err)
{
    CLEANUP(channel_clear)
    struct channel found = {
        .row_id = query_number(q, 0),
        .tenant_row = query_number(q, 1),
        .position = query_number(q, 3),
        .rule = strdup(query_text(q, 4)),
        .next_row = query_number(q, 5),
        .promotion = strdup(query_text(q, 6)),
        .created_at = query_number(q, 7),
    };

    if (!found.rule || !found.promotion)
        return fail_internal(err, "memory for a channel");
    query_copy(q, 2, found.id, sizeof found.id);
    *ret = found;
    found.rule = found.promotion = NULL;
    return 0;
}

enum step channel_row_by_id(struct tx *tx, int64_t tenant_row, const char *id, int64_t *ret,
                            struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, channel_row_by_id_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":id", id);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        *ret = query_number(&q, 0);
    return step;
}

enum step channel_by_row(struct tx *tx, int64_t row_id, struct channel *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, channel_by_row_sql);

    query_bind_number(&q, ":channel", row_id);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW && read_channel(&q, ret, err))
        return STEP_FAILED;
    return step;
}

static void bind_channel(struct query *q, const struct channel *channel)
{
    query_bind_number(q, ":position", channel->position);
    query_bind_text(q, ":rule", channel->rule ? channel->rule : "");
    query_bind_number_or_null(q, ":next", channel->next_row);
    query_bind_text(q, ":promotion", channel->promotion ? channel->promotion : "");
}

int channel_insert(struct tx *tx, struct channel *channel, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, channel_insert_sql);

    query_bind_number(&q, ":tenant", channel->tenant_row);
    query_bind_text(&q, ":id", channel->id);
    query_bind_number(&q, ":now", channel->created_at);
    bind_channel(&q, channel);
    if (query_run(&q, err))
        return -1;
    channel->row_id = query_last_row(&q);
    return 0;
}

int channel_save(struct tx *tx, const struct channel *channel, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, channel_save_sql);

    query_bind_number(&q, ":channel", channel->row_id);
    bind_channel(&q, channel);
    return query_run(&q, err);
}

static int run_on(struct tx *tx, const char *sql, int64_t channel_row, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, sql);

    query_bind_number(&q, ":channel", channel_row);
    return query_run(&q, err);
}

int channel_delete(struct tx *tx, int64_t row_id, struct error *err)
{
    return run_on(tx, channel_leave_chain_sql, row_id, err) ||
                   run_on(tx, channel_leave_devices_sql, row_id, err) ||
                   run_on(tx, channel_leave_campaigns_sql, row_id, err) ||
                   run_on(tx, channel_delete_sql, row_id, err)
               ? -1
               : 0;
}

int channel_each(struct tx *tx, int64_t tenant_row, channel_fn each, void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, channel_page_sql);
    enum step step;

    query_bind_number(&q, ":tenant", tenant_row);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        CLEANUP(channel_clear) struct channel channel = {0};

        if (read_channel(&q, &channel, err))
            return -1;
        int answer = each(&channel, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}

/* -- baselines -- */

int baseline_set(struct tx *tx, const struct baseline *baseline, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, baseline_set_sql);

    query_bind_number(&q, ":channel", baseline->channel_row);
    query_bind_number(&q, ":product", baseline->product_row);
    query_bind_number(&q, ":release", baseline->release_row);
    query_bind_number(&q, ":campaign", baseline->campaign_row);
    query_bind_text(&q, ":set_by", baseline->set_by);
    query_bind_number(&q, ":now", baseline->set_at);
    return query_run(&q, err);
}

static void read_baseline(struct query *q, struct baseline *ret)
{
    *ret = (struct baseline){
        .channel_row = query_number(q, 0),
        .product_row = query_number(q, 1),
        .release_row = query_number(q, 2),
        .campaign_row = query_number(q, 3),
        .set_at = query_number(q, 4),
    };
    query_copy(q, 5, ret->release_id, sizeof ret->release_id);
    query_copy(q, 6, ret->campaign_id, sizeof ret->campaign_id);
    query_copy(q, 7, ret->set_by, sizeof ret->set_by);
}

enum step baseline_of(struct tx *tx, int64_t channel_row, int64_t product_row, struct baseline *ret,
                      struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, baseline_of_sql);

    query_bind_number(&q, ":channel", channel_row);
    query_bind_number(&q, ":product", product_row);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        read_baseline(&q, ret);
    return step;
}

int baseline_delete(struct tx *tx, int64_t channel_row, int64_t product_row, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, baseline_delete_sql);

    query_bind_number(&q, ":channel", channel_row);
    query_bind_number(&q, ":product", product_row);
    return query_run(&q, err);
}

int baseline_each(struct tx *tx, int64_t channel_row, baseline_fn each, void *arg,
                  struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, baseline_page_sql);
    struct baseline baseline;
    enum step step;

    query_bind_number(&q, ":channel", channel_row);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        read_baseline(&q, &baseline);
        int answer = each(&baseline, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}

/* -- memberships by hand -- */

int device_join_channel(struct tx *tx, int64_t device_row, int64_t channel_row, int64_t until_at,
                        struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, channel_member_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number_or_null(&q, ":channel", channel_row);
    query_bind_number_or_null(&q, ":until", channel_row ? until_at : 0);
    return query_run(&q, err);
}

enum step device_membership(struct tx *tx, int64_t device_row, int64_t now, struct membership *ret,
                            struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, channel_membership_sql);

    query_bind_number(&q, ":device", device_row);
    enum step step = query_step(&q, err);
    if (step != STEP_ROW)
        return step;
    int64_t until_at = query_number(&q, 1);
    if (until_at && until_at <= now)
        return STEP_DONE;
    *ret = (struct membership){.channel_row = query_number(&q, 0), .until_at = until_at};
    query_copy(&q, 2, ret->channel_id, sizeof ret->channel_id);
    return STEP_ROW;
}

int memberships_ended(struct tx *tx, int64_t now, int64_t limit, membership_end_fn each, void *arg,
                      struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, channel_memberships_ended_sql);
    enum step step;

    query_bind_number(&q, ":now", now);
    query_bind_number(&q, ":limit", limit);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        const struct membership_end end = {
            .device_row = query_number(&q, 0),
            .tenant_row = query_number(&q, 1),
            .device_id = query_text(&q, 2),
            .channel_id = query_text(&q, 3),
        };
        int answer = each(&end, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}
