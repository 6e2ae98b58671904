/* SPDX-License-Identifier: Apache-2.0 */
#include "store/wave.h"

#include "store/wave.sql.h"

#include <string.h>

int wave_insert(struct tx *tx, struct wave *wave, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, wave_insert_sql);

    query_bind_number(&q, ":campaign", wave->campaign_row);
    query_bind_number(&q, ":position", wave->position);
    query_bind_text(&q, ":kind", wave->is_count ? "count" : "percent");
    query_bind_real(&q, ":amount", wave->amount);
    query_bind_number(&q, ":rank_limit", wave->rank_limit);
    query_bind_text(&q, ":state", wave->state);
    query_bind_number(&q, ":min_confirmed", wave->min_confirmed);
    query_bind_real(&q, ":coverage", wave->coverage);
    query_bind_number(&q, ":soak", wave->soak);
    query_bind_text(&q, ":gate", wave->is_manual ? "manual" : "auto");
    query_bind_number(&q, ":now", wave->state_at);
    if (query_run(&q, err))
        return -1;
    wave->row_id = query_last_row(&q);
    return 0;
}

static void bind_time(struct query *q, const char *name, int64_t at)
{
    if (at)
        query_bind_number(q, name, at);
    else
        query_bind_null(q, name);
}

int wave_save(struct tx *tx, const struct wave *wave, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, wave_save_sql);

    query_bind_number(&q, ":wave", wave->row_id);
    query_bind_number(&q, ":rank_limit", wave->rank_limit);
    query_bind_text(&q, ":state", wave->state);
    query_bind_text(&q, ":state_reason", wave->state_reason);
    query_bind_number(&q, ":members", wave->members);
    query_bind_number(&q, ":active", wave->active);
    query_bind_number(&q, ":counted_resolved", wave->counted_resolved);
    bind_time(&q, ":counted_at", wave->counted_at);
    bind_time(&q, ":opened_at", wave->opened_at);
    bind_time(&q, ":covered_at", wave->covered_at);
    query_bind_number(&q, ":state_at", wave->state_at);
    return query_run(&q, err);
}

static void read_row(struct query *q, struct wave *ret)
{
    *ret = (struct wave){
        .row_id = query_number(q, 0),
        .campaign_row = query_number(q, 1),
        .position = query_number(q, 2),
        .is_count = strcmp(query_text(q, 3), "count") == 0,
        .amount = query_real(q, 4),
        .rank_limit = query_number(q, 5),
        .min_confirmed = query_number(q, 8),
        .coverage = query_real(q, 9),
        .soak = query_number(q, 10),
        .is_manual = strcmp(query_text(q, 11), "manual") == 0,
        .members = query_number(q, 12),
        .active = query_number(q, 13),
        .counted_resolved = query_number(q, 14),
        .counted_at = query_number(q, 15),
        .opened_at = query_number(q, 16),
        .covered_at = query_number(q, 17),
        .state_at = query_number(q, 18),
    };
    snprintf(ret->state, sizeof ret->state, "%s", query_text(q, 6));
    snprintf(ret->state_reason, sizeof ret->state_reason, "%s", query_text(q, 7));
}

int waves_of(struct tx *tx, int64_t campaign_row, struct wave **ret, size_t *ret_count,
             struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, waves_of_sql);
    CLEANUP(free_memory) struct wave *waves = NULL;
    size_t count = 0, room = 0;
    enum step step;

    query_bind_number(&q, ":campaign", campaign_row);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        if (count == room) {
            room = room ? 2 * room : 8;
            struct wave *more = realloc(waves, room * sizeof *more);
            if (!more)
                return fail_internal(err, "memory for %zu waves", room);
            waves = more;
        }
        read_row(&q, &waves[count++]);
    }
    if (step == STEP_FAILED)
        return -1;
    *ret = MOVE(waves);
    *ret_count = count;
    return 0;
}
