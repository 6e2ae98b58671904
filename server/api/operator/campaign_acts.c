/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to a campaign, its waves and its devices: one POST each, answered with the campaign
 * as it is then. */
#include "api/operator/campaign_frame.h"
#include "api/operator/routes.h"

#include <string.h>

/* -- the campaign -- */

static int act(struct request *req, struct reply *reply, enum campaign_verb verb, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    json_auto_t *arguments = NULL;
    int64_t row;

    if (frame_body_or_none(req, &arguments, err) || frame_write(req, &tx, err) ||
        frame_campaign_unchanged(req, &tx, &row, err) ||
        campaign_act(&tx, app->campaigns, row, verb, arguments, &actor, request_now(req), err))
        return HANDLE_FAILED;
    return reply_changed_campaign(req, reply, &tx, row, 200, err);
}

/* What leads to devices is counted before, on a worker. */
static int act_counted(struct request *req, struct reply *reply, enum campaign_verb verb,
                       struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    int64_t row;

    if (request_on_writer(req))
        return act(req, reply, verb, err);
    if (frame_read(req, &tx, err) || frame_campaign_unchanged(req, &tx, &row, err) ||
        campaign_check_reach(&tx, app->campaigns, row, request_now(req), err))
        return HANDLE_FAILED;
    return HANDLE_AS_WRITE;
}

static int submit_campaign(struct request *req, struct reply *reply, struct error *err)
{
    return act_counted(req, reply, CAMPAIGN_SUBMIT, err);
}

static int start_campaign(struct request *req, struct reply *reply, struct error *err)
{
    return act_counted(req, reply, CAMPAIGN_START, err);
}

/* Nobody approves a plan they have not seen: it is named by its hash, or by the tag of the answer
 * it stood in. */
static int approve_campaign(struct request *req, struct reply *reply, struct error *err)
{
    const char *match = request_header(req, "If-Match");
    json_auto_t *arguments = NULL;

    if (frame_body_or_none(req, &arguments, err))
        return HANDLE_FAILED;
    if ((!match || strcmp(match, "*") == 0) && !json_object_get(arguments, "plan_hash"))
        return fail_field(err, PROBLEM_UNPROCESSABLE, "plan_hash",
                          "say which plan is approved: \"plan_hash\", or If-Match with the ETag");
    return act(req, reply, CAMPAIGN_APPROVE, err);
}

static int refuse_campaign(struct request *req, struct reply *reply, struct error *err)
{
    return act(req, reply, CAMPAIGN_REFUSE, err);
}

static int pause_campaign(struct request *req, struct reply *reply, struct error *err)
{
    return act(req, reply, CAMPAIGN_PAUSE, err);
}

static int resume_campaign(struct request *req, struct reply *reply, struct error *err)
{
    return act(req, reply, CAMPAIGN_RESUME, err);
}

static int abort_campaign(struct request *req, struct reply *reply, struct error *err)
{
    return act(req, reply, CAMPAIGN_ABORT, err);
}

static int cancel_campaign(struct request *req, struct reply *reply, struct error *err)
{
    return act(req, reply, CAMPAIGN_CANCEL, err);
}

/* -- its waves -- */

static int wave_position(struct request *req, int64_t *ret, struct error *err)
{
    const char *text = request_parameter(req, "position");

    if (!number_from_text(text, ret) || *ret < 1)
        return fail(err, PROBLEM_NOT_FOUND, "waves are numbered from 1");
    --*ret;
    return 0;
}

typedef int (*wave_fn)(struct tx *tx, struct campaigns *campaigns, const struct wave_act *act,
                       const struct actor *actor, int64_t now, struct error *err);

static int act_on_wave(struct request *req, struct reply *reply, wave_fn perform,
                       enum wave_verb verb, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    json_auto_t *arguments = NULL;
    struct wave_act asked = {.verb = verb};

    if (frame_body_or_none(req, &arguments, err) || wave_position(req, &asked.position, err) ||
        frame_write(req, &tx, err) || frame_campaign_unchanged(req, &tx, &asked.campaign_row, err))
        return HANDLE_FAILED;
    asked.arguments = arguments;
    if (perform(&tx, app->campaigns, &asked, &actor, request_now(req), err))
        return HANDLE_FAILED;
    return reply_changed_campaign(req, reply, &tx, asked.campaign_row, 200, err);
}

static int hold_wave(struct request *req, struct reply *reply, struct error *err)
{
    return act_on_wave(req, reply, campaign_wave_act, WAVE_VERB_HOLD, err);
}

static int reopen_wave(struct request *req, struct reply *reply, struct error *err)
{
    return act_on_wave(req, reply, campaign_wave_act, WAVE_VERB_REOPEN, err);
}

static int pass_wave(struct request *req, struct reply *reply, struct error *err)
{
    return act_on_wave(req, reply, campaign_wave_act, WAVE_VERB_PASS, err);
}

static int skip_wave(struct request *req, struct reply *reply, struct error *err)
{
    return act_on_wave(req, reply, campaign_wave_act, WAVE_VERB_SKIP, err);
}

static int patch_wave(struct request *req, struct reply *reply, struct error *err)
{
    return act_on_wave(req, reply, campaign_wave_dial, WAVE_VERBS, err);
}

/* -- one of its devices -- */

static int retry_device(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    json_auto_t *arguments = NULL;
    struct device device;
    int64_t row;

    if (frame_body_or_none(req, &arguments, err) || frame_write(req, &tx, err) ||
        frame_campaign_unchanged(req, &tx, &row, err) ||
        device_need(&tx, request_identity(req)->tenant_row, request_parameter(req, "device"),
                    &device, err) ||
        campaign_retry_device(&tx, app->campaigns, row, &device, arguments, &actor,
                              request_now(req), err))
        return HANDLE_FAILED;
    return reply_changed_campaign(req, reply, &tx, row, 200, err);
}

#define PATH "/api/v1/campaigns/:id"
#define WORDS RAW_BODY, 4 * KIB
#define DRIVER(access) AUDIENCE_OPERATOR, "deploy:write", access, WORDS
#define APPROVER AUDIENCE_OPERATOR, "deploy:approve", WRITE, WORDS
#define HALTER AUDIENCE_OPERATOR, "deploy:halt", WRITE, WORDS

/* clang-format off */
static const struct route rows[] = {
    {"POST",  PATH "/submit",                 DRIVER(WORK),  submit_campaign,  NULL},
    {"POST",  PATH "/approve",                APPROVER,      approve_campaign, NULL},
    {"POST",  PATH "/refuse",                 APPROVER,      refuse_campaign,  NULL},
    {"POST",  PATH "/start",                  DRIVER(WORK),  start_campaign,   NULL},
    {"POST",  PATH "/pause",                  HALTER,        pause_campaign,   NULL},
    {"POST",  PATH "/resume",                 DRIVER(WRITE), resume_campaign,  NULL},
    {"POST",  PATH "/abort",                  HALTER,        abort_campaign,   NULL},
    {"POST",  PATH "/cancel",                 DRIVER(WRITE), cancel_campaign,  NULL},
    {"POST",  PATH "/waves/:position/hold",   HALTER,        hold_wave,        NULL},
    {"POST",  PATH "/waves/:position/reopen", DRIVER(WRITE), reopen_wave,      NULL},
    {"POST",  PATH "/waves/:position/pass",   DRIVER(WRITE), pass_wave,        NULL},
    {"POST",  PATH "/waves/:position/skip",   DRIVER(WRITE), skip_wave,        NULL},
    {"PATCH", PATH "/waves/:position",        DRIVER(WRITE), patch_wave,       NULL},
    {"POST",  PATH "/devices/:device/retry",  DRIVER(WRITE), retry_device,     NULL},
};
/* clang-format on */
const struct routes campaign_acts_routes = {rows, COUNT_OF(rows)};
