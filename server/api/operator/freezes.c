/* SPDX-License-Identifier: Apache-2.0 */
/* Freezes: from when until when nothing is offered, and to whom. */
#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "store/freeze.h"

#include <string.h>

#define PAST "past"

static json_t *freeze_to_json(const struct freeze *freeze)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:o}", "id", freeze->id, "reason",
                     freeze->reason, "target", freeze->target, "from",
                     json_from_time(freeze->from_at), "until", json_from_time(freeze->until_at),
                     "created_by", freeze->created_by, "created_at",
                     json_from_time(freeze->created_at));
}

static int list_one(const struct freeze *freeze, void *arg, struct error *err)
{
    return json_add(arg, freeze_to_json(freeze), err);
}

/* Those that have not ended: a calendar's page. With ?past=1 all that there ever were. */
static int list_freezes(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    int64_t past;

    if (request_query_number(req, PAST, 0, 1, 0, &past, err) || frame_read(req, &tx, err) ||
        freeze_each(&tx, request_identity(req)->tenant_row, past ? 0 : request_now(req), list_one,
                    items, err))
        return HANDLE_FAILED;
    return reply_page(reply, MOVE(items), NULL);
}

static int need_freeze(struct request *req, struct tx *tx, struct freeze *ret, struct error *err)
{
    const char *id = request_parameter(req, "id");
    enum step step = freeze_by_id(tx, request_identity(req)->tenant_row, id, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "there is no freeze %.23s", id);
    return step == STEP_ROW ? 0 : -1;
}

static int get_freeze(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(freeze_clear) struct freeze freeze = {0};

    if (frame_read(req, &tx, err) || need_freeze(req, &tx, &freeze, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, freeze_to_json(&freeze));
}

static int check_times(const struct request *req, const struct freeze *freeze, struct error *err)
{
    if (!freeze->until_at || freeze->until_at <= request_now(req))
        return fail_field(err, PROBLEM_BAD_FIELD, "until",
                          freeze->until_at ? "it has passed" : "\"until\" is required");
    if (freeze->until_at <= freeze->from_at)
        return fail_field(err, PROBLEM_BAD_FIELD, "until", "it ends before it begins");
    return 0;
}

/* Without "from" it begins now. */
static int read_freeze(struct request *req, struct freeze *ret, struct error *err)
{
    static const char *const members[] = {"reason", "from", "until", "target", NULL};
    const json_t *json = request_json(req);
    const char *reason, *target;

    if (json_only_members(json, members, err) || member_reason(json, true, &reason, err) ||
        member_time(json, "from", &ret->from_at, err) ||
        member_time(json, "until", &ret->until_at, err) ||
        member_filter(req, json, "target", &target, err))
        return -1;
    if (!ret->from_at)
        ret->from_at = request_now(req);
    if (check_times(req, ret, err))
        return -1;
    ret->tenant_row = request_identity(req)->tenant_row;
    ret->created_at = request_now(req);
    ret->target = strdup(target);
    snprintf(ret->reason, sizeof ret->reason, "%s", reason);
    snprintf(ret->created_by, sizeof ret->created_by, "%s", request_identity(req)->id);
    return ret->target ? 0 : fail_internal(err, "memory for a freeze");
}

static int post_freeze(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(freeze_clear) struct freeze freeze = {0};
    const struct app *app = request_app(req);
    char location[64];
    int64_t number;

    if (read_freeze(req, &freeze, err) || frame_write(req, &tx, err) ||
        store_next_number(&tx, "freeze", &number, err))
        return HANDLE_FAILED;
    snprintf(freeze.id, sizeof freeze.id, "f-%lld", (long long)number);
    if (freeze_insert(&tx, &freeze, err) ||
        frame_audit(req, &tx, "freeze.create", freeze.id, freeze.reason, err) ||
        campaign_touch(&tx, app->campaigns, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    snprintf(location, sizeof location, "/api/v1/freezes/%s", freeze.id);
    reply_header(reply, "Location", location);
    return reply_json(reply, 201, freeze_to_json(&freeze));
}

static int delete_freeze(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(freeze_clear) struct freeze freeze = {0};
    const struct app *app = request_app(req);

    if (frame_write(req, &tx, err) || need_freeze(req, &tx, &freeze, err) ||
        freeze_delete(&tx, freeze.row_id, err) ||
        frame_audit(req, &tx, "freeze.delete", freeze.id, NULL, err) ||
        campaign_touch(&tx, app->campaigns, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

#define PATH "/api/v1/freezes"
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define WRITER AUDIENCE_OPERATOR, "deploy:write", WRITE, JSON_BODY, 128 * KIB
#define REMOVER AUDIENCE_OPERATOR, "deploy:write", WRITE, NO_BODY, 0

static const struct route rows[] = {
    {"GET",    PATH,        READER,  list_freezes,  NULL},
    {"POST",   PATH,        WRITER,  post_freeze,   NULL},
    {"GET",    PATH "/:id", READER,  get_freeze,    NULL},
    {"DELETE", PATH "/:id", REMOVER, delete_freeze, NULL},
};
const struct routes freezes_routes = {rows, COUNT_OF(rows)};
