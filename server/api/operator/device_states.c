/* SPDX-License-Identifier: Apache-2.0 */
/* Approve, suspend, activate, revoke, retire: who may move from where is one table. */
#include "api/operator/device_json.h"
#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "api/sever.h"

#define BIT(state) (1u << (state))
#define LIVING                                                                                     \
    (BIT(DEVICE_REGISTERED) | BIT(DEVICE_PENDING) | BIT(DEVICE_ACTIVE) | BIT(DEVICE_SUSPENDED))

struct move {
    const char *action; /* in the audit log */
    unsigned from;      /* bits of device_state */
    enum device_state to;
    bool is_refusal; /* connections are cut */
    bool is_final;   /* certificates are revoked, campaigns left */
};

static int apply_move(struct request *req, struct tx *tx, const struct move *move,
                      struct device *device, const char *reason, struct error *err)
{
    struct app *app = request_app(req);
    int64_t now = request_now(req);

    if (!(move->from & BIT(device->state)))
        return fail(err, PROBLEM_WRONG_STATE, "the device is %s", device_state_name(device->state));
    if (device_set_state(tx, device, move->to, "operator", reason, now, err) ||
        frame_audit(req, tx, move->action, device->id, reason, err))
        return -1;
    if (move->is_final && (device_revoke_certificates(tx, device->row_id, now, err) ||
                           campaign_remove_device(tx, app->campaigns, device->row_id, now, err)))
        return -1;
    return move->is_refusal ? sever_device_after_commit(tx, app, device->row_id, err) : 0;
}

static int perform(struct request *req, struct reply *reply, const struct move *move,
                   struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    char reason[REASON_SIZE];
    struct device device;

    if (frame_reason(req, reason, err) || frame_write(req, &tx, err) ||
        path_device(req, &tx, &device, err) || apply_move(req, &tx, move, &device, reason, err))
        return HANDLE_FAILED;
    return reply_changed_device(req, reply, &tx, &device, 200, err);
}

static int approve_device(struct request *req, struct reply *reply, struct error *err)
{
    static const struct move move = {"device.approve", BIT(DEVICE_PENDING) | BIT(DEVICE_REGISTERED),
                                     DEVICE_ACTIVE, false, false};

    return perform(req, reply, &move, err);
}

static int suspend_device(struct request *req, struct reply *reply, struct error *err)
{
    static const struct move move = {"device.suspend", BIT(DEVICE_ACTIVE), DEVICE_SUSPENDED, true,
                                     false};

    return perform(req, reply, &move, err);
}

static int activate_device(struct request *req, struct reply *reply, struct error *err)
{
    static const struct move move = {"device.activate",
                                     BIT(DEVICE_SUSPENDED) | BIT(DEVICE_REGISTERED), DEVICE_ACTIVE,
                                     false, false};

    return perform(req, reply, &move, err);
}

static int revoke_device(struct request *req, struct reply *reply, struct error *err)
{
    static const struct move move = {"device.revoke", LIVING, DEVICE_REVOKED, true, true};

    return perform(req, reply, &move, err);
}

static int retire_device(struct request *req, struct reply *reply, struct error *err)
{
    static const struct move move = {"device.retire", LIVING, DEVICE_RETIRED, true, true};

    return perform(req, reply, &move, err);
}

#define PATH "/api/v1/devices/:id"
#define MAY(scope) AUDIENCE_OPERATOR, scope, WRITE, RAW_BODY, 4 * KIB

static const struct route rows[] = {
    {"POST", PATH "/approve",  MAY("device:approve"), approve_device,  NULL},
    {"POST", PATH "/suspend",  MAY("device:revoke"),  suspend_device,  NULL},
    {"POST", PATH "/activate", MAY("device:approve"), activate_device, NULL},
    {"POST", PATH "/revoke",   MAY("device:revoke"),  revoke_device,   NULL},
    {"POST", PATH "/retire",   MAY("device:revoke"),  retire_device,   NULL},
};
const struct routes device_states_routes = {rows, COUNT_OF(rows)};
