/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pipeline.h"

#include "store/pipeline.sql.h"

int pipeline_waiting(struct tx *tx, int64_t *ret_rows, size_t room, size_t *ret_count,
                     struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pipeline_waiting_sql);
    enum step step;

    query_bind_number(&q, ":limit", (int64_t)room);
    *ret_count = 0;
    while ((step = query_step(&q, err)) == STEP_ROW)
        ret_rows[(*ret_count)++] = query_number(&q, 0);
    return step == STEP_DONE ? 0 : -1;
}

int pipeline_set_promoted(struct tx *tx, int64_t campaign_row, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pipeline_promoted_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    query_bind_number(&q, ":now", now);
    return query_run(&q, err);
}

int pipeline_overtake(struct tx *tx, int64_t campaign_row, int64_t channel_row, int64_t product_row,
                      int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pipeline_overtaken_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    query_bind_number(&q, ":channel", channel_row);
    query_bind_number(&q, ":product", product_row);
    query_bind_number(&q, ":now", now);
    return query_run(&q, err);
}

static enum step first_row(struct query *q, int64_t *ret, struct error *err)
{
    enum step step = query_step(q, err);

    if (step == STEP_ROW)
        *ret = query_number(q, 0);
    return step;
}

enum step pipeline_source(struct tx *tx, int64_t channel_row, int64_t release_row, int64_t *ret,
                          struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pipeline_source_sql);

    query_bind_number(&q, ":channel", channel_row);
    query_bind_number(&q, ":release", release_row);
    return first_row(&q, ret, err);
}

enum step pipeline_open_campaign(struct tx *tx, int64_t channel_row, int64_t release_row,
                                 int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pipeline_open_in_channel_sql);

    query_bind_number(&q, ":channel", channel_row);
    query_bind_number(&q, ":release", release_row);
    return first_row(&q, ret, err);
}

enum step pipeline_last_good(struct tx *tx, int64_t campaign_row, int64_t release_row, int64_t only,
                             int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, pipeline_last_good_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    query_bind_number(&q, ":release", release_row);
    query_bind_number(&q, ":only", only);
    return first_row(&q, ret, err);
}
