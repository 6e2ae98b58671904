/* SPDX-License-Identifier: Apache-2.0 */
/* confirmationBase: the person at the device agrees to a deployment before it may be fetched, or to
 * all of them ahead. */
#include "api/device/ddi.h"

#include "api/sever.h"
#include "core/json.h"

#include <string.h>

/* -- reading -- */

int ddi_confirmation_from_json(const json_t *json, struct ddi_confirmation *ret, struct error *err)
{
    const char *word;

    if (json_get_string(json, "confirmation", &word, err))
        return -1;
    ret->is_given = strcmp(word, "confirmed") == 0;
    if (!ret->is_given && strcmp(word, "denied") != 0)
        return fail_field(err, PROBLEM_BAD_FIELD, "confirmation", "not confirmed or denied");
    ddi_join(json_object_get(json, "details"), ret->remark, sizeof ret->remark);
    return 0;
}

int ddi_initiative_from_json(const json_t *json, struct ddi_initiative *ret, struct error *err)
{
    if (json_get_string_or(json, "initiator", "", &ret->initiator, err) ||
        json_get_string_or(json, "remark", "", &ret->remark, err))
        return -1;
    if (strlen(ret->initiator) >= LABEL_SIZE)
        return fail_field(err, PROBLEM_BAD_FIELD, "initiator", "at most %d bytes", LABEL_SIZE - 1);
    if (strlen(ret->remark) >= REMARK_SIZE)
        return fail_field(err, PROBLEM_BAD_FIELD, "remark", "at most %d bytes", REMARK_SIZE - 1);
    return 0;
}

/* -- one deployment -- */

int ddi_post_confirmation(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    struct ddi_confirmation confirmation;
    struct deployment deployment;
    struct device device;

    if (ddi_begin(req, &tx, &device, err) || ddi_deployment(req, &tx, &device, &deployment, err))
        return HANDLE_FAILED;
    if (!deployment.is_open)
        return fail(err, PROBLEM_GONE, "the action is over");
    if (ddi_confirmation_from_json(request_json(req), &confirmation, err))
        return HANDLE_FAILED;
    const struct consent consent = {
        .is_given = confirmation.is_given, .by = "device", .remark = confirmation.remark};
    if (campaign_consent(&tx, app->campaigns, &device, &deployment, &consent, request_now(req),
                         err) ||
        (!consent.is_given && sever_deployment_after_commit(&tx, app, &deployment, err)) ||
        ddi_trim_history(req, &tx, &device, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 200);
}

/* -- all of them -- */

static int set_auto_confirm(struct request *req, struct reply *reply, bool is_on, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    struct ddi_initiative initiative;
    struct device device;

    if (ddi_begin(req, &tx, &device, err) ||
        ddi_initiative_from_json(request_json(req), &initiative, err))
        return HANDLE_FAILED;
    if (campaign_set_auto_confirm(&tx, app->campaigns, &device, is_on, initiative.initiator,
                                  initiative.remark, request_now(req), err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 200);
}

int ddi_activate_auto_confirm(struct request *req, struct reply *reply, struct error *err)
{
    return set_auto_confirm(req, reply, true, err);
}

int ddi_deactivate_auto_confirm(struct request *req, struct reply *reply, struct error *err)
{
    return set_auto_confirm(req, reply, false, err);
}

static void write_member(struct text *json, const char *name, const char *value)
{
    if (!*value)
        return;
    text_format(json, ",\"%s\":", name);
    text_json_string(json, value);
}

static int write_auto_confirm(struct text *json, struct tx *tx, const struct device *device,
                              struct error *err)
{
    char by[LABEL_SIZE], remark[REMARK_SIZE];

    text_append(json, "{\"autoConfirm\":{\"active\":");
    if (!device->auto_confirm_at) {
        text_append(json, "false}");
        return 0;
    }
    if (device_auto_confirm_words(tx, device->row_id, by, remark, err))
        return -1;
    text_append(json, "true");
    write_member(json, "initiator", by);
    write_member(json, "remark", remark);
    text_format(json, ",\"activatedAt\":%lld}", (long long)device->auto_confirm_at * 1000);
    return 0;
}

/* -- how it stands -- */

/* It asks what a poll asks: what waits for consent may have to be offered first. */
int ddi_get_confirmations(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct ddi_links links = {&json, req, false};
    struct decision decision = {0};
    struct device device;

    int asked = ddi_ask(req, &tx, &device, &decision, err);
    if (asked)
        return asked;
    if (write_auto_confirm(&json, &tx, &device, err))
        return HANDLE_FAILED;
    if (device.auto_confirm_at)
        ddi_link(&links, "deactivateAutoConfirm", "confirmationBase/deactivateAutoConfirm");
    else
        ddi_link(&links, "activateAutoConfirm", "confirmationBase/activateAutoConfirm");
    if (decision.verdict == VERDICT_OFFER && decision.awaits_consent) {
        int32_t c = ddi_content_hash(&decision);
        ddi_link_action(&links, "confirmationBase", decision.action, &c);
    }
    ddi_links_end(&links);
    text_append(&json, "}");
    return tx_commit(&tx, err) ? HANDLE_FAILED : ddi_reply(req, reply, &json);
}
