/* SPDX-License-Identifier: Apache-2.0 */
#include "store/device_list.h"

#include "store/device_list.sql.h"

#include <string.h>

static int insert_row(struct tx *tx, struct device_list *list, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_list_insert_sql);

    query_bind_number(&q, ":tenant", list->tenant_row);
    query_bind_text(&q, ":id", list->id);
    query_bind_text(&q, ":name", list->name);
    query_bind_blob(&q, ":sha256", list->sha256, sizeof list->sha256);
    query_bind_number(&q, ":count", list->count);
    query_bind_text(&q, ":created_by", list->created_by);
    query_bind_number(&q, ":now", list->created_at);
    if (query_run(&q, err))
        return -1;
    list->row_id = query_last_row(&q);
    return 0;
}

static int add_member(struct tx *tx, const struct device_list *list, const char *id,
                      struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_list_add_sql);

    query_bind_number(&q, ":list", list->row_id);
    query_bind_number(&q, ":tenant", list->tenant_row);
    query_bind_text(&q, ":id", id);
    if (query_run(&q, err))
        return -1;
    return query_changes(&q) ? 0 : fail(err, PROBLEM_NO_SUCH_DEVICE, "device %.64s", id);
}

int device_list_insert(struct tx *tx, struct device_list *list, const char *const *ids,
                       size_t count, struct error *err)
{
    list->count = (int64_t)count;
    if (insert_row(tx, list, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (add_member(tx, list, ids[i], err))
            return -1;
    return 0;
}

static int read_list(struct query *q, struct device_list *ret, struct error *err)
{
    size_t length;
    const void *sha256 = query_blob(q, 4, &length);

    if (length != sizeof ret->sha256)
        return fail_internal(err, "the hash of list row %lld", (long long)query_number(q, 0));
    *ret = (struct device_list){
        .row_id = query_number(q, 0),
        .tenant_row = query_number(q, 1),
        .count = query_number(q, 5),
        .created_at = query_number(q, 7),
    };
    memcpy(ret->sha256, sha256, length);
    query_copy(q, 2, ret->id, sizeof ret->id);
    query_copy(q, 3, ret->name, sizeof ret->name);
    query_copy(q, 6, ret->created_by, sizeof ret->created_by);
    return 0;
}

enum step device_list_by_id(struct tx *tx, int64_t tenant_row, const char *id,
                            struct device_list *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_list_by_id_sql);

    query_bind_text(&q, ":id", id);
    query_bind_number(&q, ":tenant", tenant_row);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW && read_list(&q, ret, err))
        return STEP_FAILED;
    return step;
}

int device_list_delete(struct tx *tx, int64_t row_id, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_list_delete_sql);

    query_bind_number(&q, ":list", row_id);
    return query_run(&q, err);
}

enum step device_list_user(struct tx *tx, int64_t tenant_row, const char *id, char ret_campaign[24],
                           struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_list_user_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":id", id);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        query_copy(&q, 0, ret_campaign, 24);
    return step;
}

int device_list_has(struct tx *tx, int64_t list_row, int64_t device_row, bool *ret,
                    struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_list_has_sql);

    query_bind_number(&q, ":list", list_row);
    query_bind_number(&q, ":device", device_row);
    enum step step = query_step(&q, err);
    if (step == STEP_FAILED)
        return -1;
    *ret = step == STEP_ROW;
    return 0;
}

int device_list_named_has(struct tx *tx, const char *list_id, int64_t device_row, bool *ret,
                          struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_list_named_has_sql);

    query_bind_text(&q, ":list", list_id);
    query_bind_number(&q, ":device", device_row);
    enum step step = query_step(&q, err);
    if (step == STEP_FAILED)
        return -1;
    *ret = step == STEP_ROW;
    return 0;
}

int device_list_page(struct tx *tx, int64_t tenant_row, int64_t before, int64_t limit,
                     device_list_fn each, void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_list_page_sql);
    struct device_list list;
    enum step step;

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_number(&q, ":before", before ? before : INT64_MAX);
    query_bind_number(&q, ":limit", limit);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        if (read_list(&q, &list, err))
            return -1;
        int answer = each(&list, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}
