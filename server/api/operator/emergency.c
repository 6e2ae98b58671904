/* SPDX-License-Identifier: Apache-2.0 */
/* The emergency stop: many may pull it, fewer may lift it. */
#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "store/freeze.h"

static json_t *halt_to_json(const struct halt *halt)
{
    return json_pack("{s:b, s:s, s:s, s:o}", "stopped", true, "reason", halt->reason, "by",
                     halt->halted_by, "at", json_from_time(halt->halted_at));
}

static int get_stop(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct halt halt;

    if (frame_read(req, &tx, err))
        return HANDLE_FAILED;
    enum step step = halt_of(&tx, request_identity(req)->tenant_row, &halt, err);
    if (step == STEP_FAILED)
        return HANDLE_FAILED;
    return reply_json(
        reply, 200, step == STEP_ROW ? halt_to_json(&halt) : json_pack("{s:b}", "stopped", false));
}

static int put_stop(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"reason", NULL};
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct halt halt = {.tenant_row = request_identity(req)->tenant_row,
                        .halted_at = request_now(req)};
    const char *reason;

    if (json_only_members(request_json(req), members, err) ||
        member_reason(request_json(req), true, &reason, err))
        return HANDLE_FAILED;
    snprintf(halt.reason, sizeof halt.reason, "%s", reason);
    snprintf(halt.halted_by, sizeof halt.halted_by, "%s", request_identity(req)->id);
    if (frame_write(req, &tx, err) || halt_set(&tx, &halt, err) ||
        frame_audit(req, &tx, "emergency.stop", "all", reason, err) ||
        campaigns_halt_changed(&tx, app->campaigns, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, halt_to_json(&halt));
}

static int lift(struct request *req, struct tx *tx, struct error *err)
{
    const struct app *app = request_app(req);
    int64_t tenant_row = request_identity(req)->tenant_row;
    struct halt halt;
    enum step step = halt_of(tx, tenant_row, &halt, err);

    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    return halt_lift(tx, tenant_row, request_now(req), err) ||
                   frame_audit(req, tx, "emergency.lift", "all", halt.reason, err) ||
                   campaigns_halt_changed(tx, app->campaigns, err)
               ? -1
               : 0;
}

/* Lifting what is not there is no mistake: what was asked for holds. */
static int delete_stop(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};

    if (frame_write(req, &tx, err) || lift(req, &tx, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

#define PATH "/api/v1/emergency-stop"
#define MAY(scope) AUDIENCE_OPERATOR, scope

static const struct route rows[] = {
    {"GET",    PATH, MAY("inventory:read"), READ,  NO_BODY,   0,       get_stop,    NULL},
    {"PUT",    PATH, MAY("deploy:halt"),    WRITE, JSON_BODY, 4 * KIB, put_stop,    NULL},
    {"DELETE", PATH, MAY("deploy:write"),   WRITE, NO_BODY,   0,       delete_stop, NULL},
};
const struct routes emergency_routes = {rows, COUNT_OF(rows)};
