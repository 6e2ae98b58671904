/* SPDX-License-Identifier: Apache-2.0 */
#include "store/component_count.h"

#include "store/component_count.sql.h"

int component_counts(struct tx *tx, int64_t campaign_row, component_count_fn each, void *arg,
                     struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, component_counts_sql);
    enum step step;

    query_bind_number(&q, ":campaign", campaign_row);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        const struct component_count count = {query_text(&q, 0), query_text(&q, 1),
                                              query_number(&q, 2)};

        if (each(&count, arg, err))
            return -1;
    }
    return step == STEP_DONE ? 0 : -1;
}
