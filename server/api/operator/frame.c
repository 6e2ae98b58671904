/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/frame.h"

#include <string.h>

#define LIMIT_MOST 500
#define LIMIT_OTHERWISE 100

int frame_read(struct request *req, struct tx *tx, struct error *err)
{
    const struct app *app = request_app(req);

    return tx_read(tx, app->store, err);
}

int frame_write(struct request *req, struct tx *tx, struct error *err)
{
    const struct app *app = request_app(req);

    return tx_write(tx, app->store, err);
}

struct actor frame_actor(struct request *req)
{
    const struct identity *identity = request_identity(req);

    return (struct actor){
        .kind = identity->by_token ? "token" : "operator",
        .id = identity->id,
        .source = request_peer(req)->address_text,
        .request = request_id(req),
    };
}

int frame_audit(struct request *req, struct tx *tx, const char *action, const char *object,
                const char *detail, struct error *err)
{
    struct actor actor = frame_actor(req);
    struct audit audit = {
        .at = request_now(req),
        .actor_kind = actor.kind,
        .actor = actor.id,
        .source = actor.source,
        .request = actor.request,
        .action = action,
        .object = object,
        .outcome = "done",
        .detail = detail,
    };

    return audit_write(tx, &audit, err);
}

int frame_body_or_none(struct request *req, json_t **ret, struct error *err)
{
    const void *bytes;
    size_t length;

    *ret = NULL;
    request_body(req, &bytes, &length);
    if (!length)
        return 0;
    if (json_read(bytes, length, ret, err))
        return -1;
    if (json_is_object(*ret))
        return 0;
    json_decref(MOVE(*ret));
    return fail(err, PROBLEM_BAD_JSON, "an object is expected");
}

int frame_reason(struct request *req, char ret[REASON_SIZE], struct error *err)
{
    static const char *const members[] = {"reason", NULL};
    json_auto_t *body = NULL;
    const char *reason = "";

    if (frame_body_or_none(req, &body, err))
        return -1;
    if (body && (json_only_members(body, members, err) ||
                 json_get_string_or(body, "reason", "", &reason, err)))
        return -1;
    if (strlen(reason) >= REASON_SIZE)
        return fail_field(err, PROBLEM_BAD_FIELD, "reason", "at most %d bytes", REASON_SIZE - 1);
    strcpy(ret, reason);
    return 0;
}

int frame_page(struct request *req, enum identifier kind, struct page *ret, struct error *err)
{
    const char *after = request_query(req, "after");

    if (after && !identifier_ok(kind, after))
        return fail_field(err, PROBLEM_BAD_FIELD, "after", "not what \"next\" said");
    ret->after = after ? after : "";
    return request_query_number(req, "limit", 1, LIMIT_MOST, LIMIT_OTHERWISE, &ret->limit, err);
}

int frame_numbered_page(struct request *req, const char *name, int64_t *ret_cursor,
                        int64_t *ret_limit, struct error *err)
{
    return request_query_number(req, name, 0, INT64_MAX, 0, ret_cursor, err) ||
                   request_query_number(req, "limit", 1, LIMIT_MOST, LIMIT_OTHERWISE, ret_limit,
                                        err)
               ? -1
               : 0;
}

int reply_page(struct reply *reply, json_t *items, const char *next)
{
    return reply_json(reply, 200, json_pack("{s:o, s:s?}", "items", items, "next", next));
}

int reply_numbered_page(struct reply *reply, json_t *items, int64_t last, bool has_more)
{
    char next[24];

    snprintf(next, sizeof next, "%lld", (long long)last);
    return reply_page(reply, items, has_more ? next : NULL);
}

int json_add(json_t *array, json_t *value, struct error *err)
{
    /* Takes the value in either case. */
    return json_array_append_new(array, value) ? fail_internal(err, "out of memory") : 0;
}
