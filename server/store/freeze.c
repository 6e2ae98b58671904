/* SPDX-License-Identifier: Apache-2.0 */
#include "store/freeze.h"

#include "store/freeze.sql.h"

#include <string.h>

void freeze_clear(struct freeze *freeze)
{
    free(freeze->target);
    freeze->target = NULL;
}

int freeze_insert(struct tx *tx, struct freeze *freeze, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, freeze_insert_sql);

    query_bind_number(&q, ":tenant", freeze->tenant_row);
    query_bind_text(&q, ":id", freeze->id);
    query_bind_text(&q, ":reason", freeze->reason);
    query_bind_text(&q, ":target", freeze->target ? freeze->target : "");
    query_bind_number(&q, ":from", freeze->from_at);
    query_bind_number(&q, ":until", freeze->until_at);
    query_bind_text(&q, ":created_by", freeze->created_by);
    query_bind_number(&q, ":now", freeze->created_at);
    if (query_run(&q, err))
        return -1;
    freeze->row_id = query_last_row(&q);
    return 0;
}

static int read_freeze(struct query *q, struct freeze *ret, struct error *err)
{
    *ret = (struct freeze){
        .row_id = query_number(q, 0),
        .tenant_row = query_number(q, 1),
        .target = strdup(query_text(q, 4)),
        .from_at = query_number(q, 5),
        .until_at = query_number(q, 6),
        .created_at = query_number(q, 8),
    };
    if (!ret->target)
        return fail_internal(err, "memory for a freeze");
    query_copy(q, 2, ret->id, sizeof ret->id);
    query_copy(q, 3, ret->reason, sizeof ret->reason);
    query_copy(q, 7, ret->created_by, sizeof ret->created_by);
    return 0;
}

enum step freeze_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct freeze *ret,
                       struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, freeze_by_id_sql);

    query_bind_text(&q, ":id", id);
    query_bind_number(&q, ":tenant", tenant_row);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW && read_freeze(&q, ret, err))
        return STEP_FAILED;
    return step;
}

int freeze_delete(struct tx *tx, int64_t row_id, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, freeze_delete_sql);

    query_bind_number(&q, ":freeze", row_id);
    return query_run(&q, err);
}

int freeze_each(struct tx *tx, int64_t tenant_row, int64_t after, freeze_fn each, void *arg,
                struct error *err)
{
    CLEANUP(query_finish)
    struct query q = query_start(tx, tenant_row ? freeze_page_sql : freeze_page_of_all_sql);
    enum step step;

    if (tenant_row)
        query_bind_number(&q, ":tenant", tenant_row);
    query_bind_number(&q, ":after", after);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        CLEANUP(freeze_clear) struct freeze freeze = {0};

        if (read_freeze(&q, &freeze, err))
            return -1;
        int answer = each(&freeze, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}

/* -- the emergency stop -- */

enum step halt_of(struct tx *tx, int64_t tenant_row, struct halt *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, halt_of_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    enum step step = query_step(&q, err);
    if (step != STEP_ROW)
        return step;
    *ret = (struct halt){.tenant_row = tenant_row, .halted_at = query_number(&q, 2)};
    query_copy(&q, 0, ret->reason, sizeof ret->reason);
    query_copy(&q, 1, ret->halted_by, sizeof ret->halted_by);
    return STEP_ROW;
}

int halt_each(struct tx *tx, halt_fn each, void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, halt_tenants_sql);
    enum step step;

    while ((step = query_step(&q, err)) == STEP_ROW)
        if (each(query_number(&q, 0), arg, err))
            return -1;
    return step == STEP_DONE ? 0 : -1;
}

int halt_set(struct tx *tx, const struct halt *halt, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, halt_set_sql);

    query_bind_number(&q, ":tenant", halt->tenant_row);
    query_bind_text(&q, ":reason", halt->reason);
    query_bind_text(&q, ":halted_by", halt->halted_by);
    query_bind_number(&q, ":now", halt->halted_at);
    return query_run(&q, err);
}

int halt_lift(struct tx *tx, int64_t tenant_row, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, halt_delete_sql);
    CLEANUP(query_finish) struct query lifted = query_start(tx, halt_lifted_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_number(&lifted, ":tenant", tenant_row);
    query_bind_number(&lifted, ":now", now);
    return query_run(&q, err) || query_run(&lifted, err) ? -1 : 0;
}

int halt_lifted_at(struct tx *tx, int64_t tenant_row, int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, halt_lifted_at_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    enum step step = query_step(&q, err);
    *ret = step == STEP_ROW ? query_number(&q, 0) : 0;
    return step == STEP_FAILED ? -1 : 0;
}
