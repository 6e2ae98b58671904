/* SPDX-License-Identifier: Apache-2.0 */
#include "store/site.h"

#include "store/site.sql.h"

static void read_site(struct query *q, struct site *ret)
{
    *ret = (struct site){
        .row_id = query_number(q, 0),
        .tenant_row = query_number(q, 1),
        .leases = query_number(q, 4),
        .bytes = query_number(q, 5),
        .created_at = query_number(q, 6),
    };
    query_copy(q, 2, ret->id, sizeof ret->id);
    query_copy(q, 3, ret->zone, sizeof ret->zone);
}

enum step site_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct site *ret,
                     struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, site_by_id_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":id", id);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        read_site(&q, ret);
    return step;
}

int site_set(struct tx *tx, const struct site *site, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, site_set_sql);

    query_bind_number(&q, ":tenant", site->tenant_row);
    query_bind_text(&q, ":id", site->id);
    query_bind_text(&q, ":zone", site->zone);
    query_bind_number(&q, ":leases", site->leases);
    query_bind_number(&q, ":bytes", site->bytes);
    query_bind_number(&q, ":now", site->created_at);
    return query_run(&q, err);
}

int site_delete(struct tx *tx, int64_t row_id, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, site_delete_sql);

    query_bind_number(&q, ":site", row_id);
    return query_run(&q, err);
}

int site_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit, site_fn each,
              void *arg, struct error *err)
{
    CLEANUP(query_finish)
    struct query q = query_start(tx, tenant_row ? site_page_sql : site_page_of_all_sql);
    struct site site;
    enum step step;

    if (tenant_row)
        query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":after", after);
    query_bind_number(&q, ":limit", limit);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        read_site(&q, &site);
        int answer = each(&site, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}

int device_set_zone(struct tx *tx, int64_t device_row, const char *zone, int64_t now,
                    struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, site_device_zone_sql);

    query_bind_text(&q, ":zone", zone);
    query_bind_number(&q, ":now", now);
    query_bind_number(&q, ":device", device_row);
    return query_run(&q, err);
}
