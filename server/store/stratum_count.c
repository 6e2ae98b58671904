/* SPDX-License-Identifier: Apache-2.0 */
#include "store/stratum_count.h"

#include "store/stratum_count.sql.h"

int stratum_count_add(struct tx *tx, int64_t campaign_row, const struct stratum_count *more,
                      struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, stratum_count_add_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    query_bind_text(&q, ":stratum", more->stratum);
    query_bind_number(&q, ":confirmed", more->confirmed);
    query_bind_number(&q, ":failed", more->failed);
    return query_run(&q, err);
}

int stratum_counts_accept(struct tx *tx, int64_t campaign_row, int64_t most, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, stratum_counts_accept_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    query_bind_number(&q, ":most", most);
    return query_run(&q, err);
}

int stratum_counts_clamp(struct tx *tx, int64_t campaign_row, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, stratum_counts_clamp_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    return query_run(&q, err);
}

int stratum_counts(struct tx *tx, int64_t campaign_row, stratum_count_fn each, void *arg,
                   struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, stratum_counts_sql);
    enum step step;

    query_bind_number(&q, ":campaign", campaign_row);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        const struct stratum_count count = {query_text(&q, 0), query_number(&q, 1),
                                            query_number(&q, 2), query_number(&q, 3)};

        if (each(&count, arg, err))
            return -1;
    }
    return step == STEP_DONE ? 0 : -1;
}
