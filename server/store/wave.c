/* SPDX-License-Identifier: Apache-2.0 */
#include "store/wave.h"

#include "store/wave.sql.h"

#include <string.h>

int wave_insert(struct tx *tx, struct wave *wave, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, wave_insert_sql);

    query_bind_number(&q, ":campaign", wave->campaign_row);
    query_bind_number(&q, ":position", wave->position);
    query_bind_number(&q, ":rank_limit", wave->rank_limit);
    query_bind_text(&q, ":state", wave->state);
    query_bind_number(&q, ":now", wave->state_at);
    if (query_run(&q, err))
        return -1;
    wave->row_id = query_last_row(&q);
    return 0;
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
    query_bind_number_or_null(&q, ":counted_at", wave->counted_at);
    query_bind_number_or_null(&q, ":opened_at", wave->opened_at);
    query_bind_number_or_null(&q, ":covered_at", wave->covered_at);
    query_bind_number(&q, ":state_at", wave->state_at);
    query_bind_number(&q, ":is_approved", wave->is_approved);
    query_bind_number(&q, ":accepted", wave->accepted);
    query_bind_text(&q, ":held_for", wave->held_for);
    query_bind_text(&q, ":strata_limits", wave->strata_limits);
    return query_run(&q, err);
}

static int read_row(struct query *q, struct wave *ret, struct error *err)
{
    const char *limits = query_text(q, 13);

    *ret = (struct wave){
        .row_id = query_number(q, 0),
        .campaign_row = query_number(q, 1),
        .position = query_number(q, 2),
        .rank_limit = query_number(q, 3),
        .members = query_number(q, 6),
        .active = query_number(q, 7),
        .counted_resolved = query_number(q, 8),
        .counted_at = query_number(q, 9),
        .opened_at = query_number(q, 10),
        .covered_at = query_number(q, 11),
        .state_at = query_number(q, 12),
        .is_approved = query_number(q, 14),
        .accepted = query_number(q, 15),
    };
    query_copy(q, 4, ret->state, sizeof ret->state);
    query_copy(q, 5, ret->state_reason, sizeof ret->state_reason);
    query_copy(q, 16, ret->held_for, sizeof ret->held_for);
    ret->strata_limits = limits[0] ? strdup(limits) : NULL;
    return limits[0] && !ret->strata_limits ? fail_internal(err, "memory for a wave") : 0;
}

void waves_free(struct wave *waves, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(waves[i].strata_limits);
    free(waves);
}

int waves_delete(struct tx *tx, int64_t campaign_row, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, waves_delete_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    return query_run(&q, err);
}

static int read_all(struct query *q, struct wave **waves, size_t *count, struct error *err)
{
    size_t room = 0;
    enum step step;

    while ((step = query_step(q, err)) == STEP_ROW) {
        if (*count == room) {
            room = room ? 2 * room : 8;
            struct wave *more = realloc(*waves, room * sizeof *more);
            if (!more)
                return fail_internal(err, "memory for %zu waves", room);
            *waves = more;
        }
        if (read_row(q, &(*waves)[*count], err))
            return -1;
        ++*count;
    }
    return step == STEP_FAILED ? -1 : 0;
}

int waves_of(struct tx *tx, int64_t campaign_row, struct wave **ret, size_t *ret_count,
             struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, waves_of_sql);
    struct wave *waves = NULL;
    size_t count = 0;

    query_bind_number(&q, ":campaign", campaign_row);
    if (read_all(&q, &waves, &count, err)) {
        waves_free(waves, count);
        return -1;
    }
    *ret = waves;
    *ret_count = count;
    return 0;
}
