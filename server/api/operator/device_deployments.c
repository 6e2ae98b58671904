/* SPDX-License-Identifier: Apache-2.0 */
/* One device's deployments: what was asked of it, what it said of them, and an operator's word in
 * between: to cancel, to agree in the place of the person at the device. */
#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "api/sever.h"
#include "store/event.h"

#include <string.h>

/* "d-12" or "12", as lists and as devices name it. */
static int path_deployment(struct request *req, struct tx *tx, struct device *ret_device,
                           struct deployment *ret, struct error *err)
{
    const char *id = request_parameter(req, "deployment");
    enum step step = STEP_DONE;
    int64_t action;

    if (path_device(req, tx, ret_device, err))
        return -1;
    if (number_from_text(text_starts_with(id, "d-") ? id + 2 : id, &action))
        step = deployment_by_action(tx, ret_device->row_id, action, ret, err);
    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "device %s has no deployment %.20s", ret_device->id,
                    id);
    return step == STEP_ROW ? 0 : -1;
}

static int list_deployments(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device device;
    int64_t after, limit;
    json_t *json;

    if (frame_numbered_page(req, "after", &after, &limit, err) || frame_read(req, &tx, err) ||
        path_device(req, &tx, &device, err) ||
        device_deployments_json(&tx, device.row_id, after, limit, &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

static int get_deployment(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device device;
    struct deployment deployment;
    json_t *json;

    if (frame_read(req, &tx, err) || path_deployment(req, &tx, &device, &deployment, err) ||
        deployment_to_json(&tx, &deployment, &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

/* -- what the device said -- */

struct listing {
    json_t *items;
    size_t limit;
    int64_t last;
    bool has_more;
};

static int add_told(const struct told *told, void *arg, struct error *err)
{
    struct listing *listing = arg;
    json_t *words;

    listing->has_more = json_array_size(listing->items) == listing->limit;
    if (listing->has_more)
        return 0;
    if (json_read(told->json, strlen(told->json), &words, err))
        return fail_internal(err, "report %lld: %s", (long long)told->row_id, error_text(err));
    listing->last = told->row_id;
    return json_add(listing->items,
                    json_pack("{s:o, s:I, s:o}", "at", json_from_time(told->at), "attempt",
                              (json_int_t)told->attempt, "told", words),
                    err);
}

static int list_reports(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.items = items};
    struct device device;
    struct deployment deployment;
    int64_t after, limit;

    if (frame_numbered_page(req, "after", &after, &limit, err) || frame_read(req, &tx, err) ||
        path_deployment(req, &tx, &device, &deployment, err))
        return HANDLE_FAILED;
    listing.limit = (size_t)limit;
    if (event_told(&tx, deployment.row_id, after, limit + 1, add_told, &listing, err))
        return HANDLE_FAILED;
    return reply_numbered_page(reply, MOVE(items), listing.last, listing.has_more);
}

/* -- an operator's word -- */

static int read_word(const json_t *json, const char *name, const char **ret_reason, bool *ret,
                     struct error *err)
{
    const char *const members[] = {"reason", name, NULL};

    return json_only_members(json, members, err) || member_reason(json, false, ret_reason, err) ||
                   json_get_bool_or(json, name, false, ret, err)
               ? -1
               : 0;
}

static int reply_changed(struct reply *reply, struct tx *tx, const struct deployment *deployment,
                         struct error *err)
{
    json_auto_t *json = NULL;

    if (deployment_to_json(tx, deployment, &json, err) || tx_commit(tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, MOVE(json));
}

static int audit(struct request *req, struct tx *tx, const char *action,
                 const struct device *device, const struct deployment *deployment,
                 const char *reason, struct error *err)
{
    char detail[AUDIT_DETAIL_SIZE], id[24];

    snprintf(id, sizeof id, "d-%lld", (long long)deployment->action);
    return frame_audit(req, tx, action, device->id, audit_detail(id, reason, detail), err);
}

static int cancel_deployment(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    struct device device;
    struct deployment deployment;
    const char *reason;
    bool is_forced;

    if (read_word(request_json(req), "force", &reason, &is_forced, err) ||
        frame_write(req, &tx, err) || path_deployment(req, &tx, &device, &deployment, err) ||
        campaign_cancel_deployment(&tx, app->campaigns, &device, &deployment,
                                   &(struct cancel_wish){is_forced, reason}, &actor,
                                   request_now(req), err) ||
        audit(req, &tx, is_forced ? "deployment.force_cancel" : "deployment.cancel", &device,
              &deployment, reason, err) ||
        (is_forced && sever_deployment_after_commit(&tx, app, &deployment, err)))
        return HANDLE_FAILED;
    return reply_changed(reply, &tx, &deployment, err);
}

static int consent(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    const json_t *json = request_json(req);
    struct consent said = {.by = request_identity(req)->id};
    struct device device;
    struct deployment deployment;

    if (!json_object_get(json, "given"))
        return fail_field(err, PROBLEM_BAD_FIELD, "given", "true or false");
    if (read_word(json, "given", &said.remark, &said.is_given, err) || frame_write(req, &tx, err) ||
        path_deployment(req, &tx, &device, &deployment, err) ||
        campaign_consent(&tx, app->campaigns, &device, &deployment, &said, request_now(req), err) ||
        audit(req, &tx, said.is_given ? "deployment.consent" : "deployment.deny", &device,
              &deployment, said.remark, err) ||
        (!said.is_given && sever_deployment_after_commit(&tx, app, &deployment, err)))
        return HANDLE_FAILED;
    return reply_changed(reply, &tx, &deployment, err);
}

#define PATH "/api/v1/devices/:id/deployments"
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define WRITER AUDIENCE_OPERATOR, "deploy:write", WRITE, JSON_BODY, 4 * KIB

static const struct route rows[] = {
    {"GET",  PATH,                        READER, list_deployments,  NULL},
    {"GET",  PATH "/:deployment",         READER, get_deployment,    NULL},
    {"GET",  PATH "/:deployment/reports", READER, list_reports,      NULL},
    {"POST", PATH "/:deployment/cancel",  WRITER, cancel_deployment, NULL},
    {"POST", PATH "/:deployment/consent", WRITER, consent,           NULL},
};
const struct routes device_deployments_routes = {rows, COUNT_OF(rows)};
