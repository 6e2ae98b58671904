/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns: made, looked at, started, halted. What they do is decided in campaign/. */
#include "api/operator/frame.h"
#include "api/operator/routes.h"
#include "store/event.h"

#include <string.h>

static int need_campaign(struct request *req, struct tx *tx, int64_t *ret, struct error *err)
{
    const char *id = request_parameter(req, "id");
    enum step step = campaign_row_by_id(tx, request_identity(req)->tenant_row, id, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NO_SUCH_CAMPAIGN, "campaign %.64s", id);
    return step == STEP_ROW ? 0 : -1;
}

/* -- reading -- */

static int list_campaigns(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct page page;
    json_t *json;

    if (frame_page(req, IDENTIFIER_NAME, &page, err) || frame_read(req, &tx, err) ||
        campaign_list_json(&tx, app->campaigns, request_identity(req)->tenant_row,
                           request_query(req, "state"), page.after[0] ? page.after : NULL,
                           page.limit, &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

static int get_campaign(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    int64_t row;
    json_t *json;

    if (frame_read(req, &tx, err) || need_campaign(req, &tx, &row, err) ||
        campaign_to_json(&tx, app->campaigns, row, request_now(req), &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

static int get_deployments(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    int64_t row, after, limit;
    json_t *json;

    if (request_query_number(req, "after", 1, INT64_MAX, 0, &after, err) ||
        request_query_number(req, "limit", 1, 500, 100, &limit, err) || frame_read(req, &tx, err) ||
        need_campaign(req, &tx, &row, err) ||
        deployment_list_json(&tx, row, request_query(req, "state"), after, limit, &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

struct events {
    struct tx *tx;
    json_t *items;
    int64_t last;
};

/* Of a device's own events the device is named. */
static int name_device(struct events *events, const struct event *event, json_t *json,
                       struct error *err)
{
    struct device device;

    if (!event->device_row)
        return 0;
    enum step step = device_by_row(events->tx, event->device_row, &device, err);
    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    return json_object_set_new(json, "device", json_string(device.id)) ||
                   json_object_set_new(json, "attempt", json_integer(event->attempt))
               ? fail_internal(err, "out of memory")
               : 0;
}

static int add_event(const struct event *event, void *arg, struct error *err)
{
    struct events *events = arg;
    json_auto_t *json = json_pack("{s:o, s:s, s:s, s:s, s:s, s:s}", "at", json_from_time(event->at),
                                  "kind", event->kind, "from", event->from_state, "to",
                                  event->to_state, "cause", event->cause, "detail", event->detail);

    events->last = event->row_id;
    if (!json)
        return fail_internal(err, "an event cannot be written as JSON");
    if (name_device(events, event, json, err))
        return -1;
    return json_add(events->items, json_incref(json), err);
}

static int get_events(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct events events = {.tx = &tx, .items = items};
    struct event_query query = {0};
    char next[24];

    if (request_query_number(req, "limit", 1, 500, 100, &query.limit, err) ||
        request_query_number(req, "after", 1, INT64_MAX, 0, &query.before, err) ||
        frame_read(req, &tx, err) || need_campaign(req, &tx, &query.campaign_row, err) ||
        event_list(&tx, &query, add_event, &events, err))
        return HANDLE_FAILED;
    snprintf(next, sizeof next, "%lld", (long long)events.last);
    bool is_full = (int64_t)json_array_size(items) == query.limit;
    return reply_page(reply, MOVE(items), is_full ? next : NULL);
}

/* Looks at every device: a worker's task. */
static int post_preview(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    json_t *json;

    if (frame_read(req, &tx, err) ||
        campaign_preview_json(&tx, app->campaigns, request_identity(req)->tenant_row,
                              request_json(req), request_now(req), &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

/* -- writing -- */

static int post_campaign(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    json_auto_t *json = NULL;
    char location[64];
    int64_t row;

    if (frame_write(req, &tx, err) ||
        campaign_create(&tx, app->campaigns, request_identity(req)->tenant_row, request_json(req),
                        &actor, request_now(req), &row, err) ||
        campaign_to_json(&tx, app->campaigns, row, request_now(req), &json, err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    snprintf(location, sizeof location, "/api/v1/campaigns/%s",
             json_string_value(json_object_get(json, "id")));
    reply_header(reply, "Location", location);
    return reply_json(reply, 201, MOVE(json));
}

/* If-Match names the `change` that was read, so that nobody acts on what has changed since. */
static int check_change(struct request *req, struct tx *tx, int64_t row, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    const char *wanted = request_header(req, "If-Match");
    char present[32];

    if (!wanted)
        return 0;
    if (campaign_by_row(tx, row, &campaign, err) == STEP_FAILED)
        return -1;
    snprintf(present, sizeof present, "\"%lld\"", (long long)campaign.change);
    if (strcmp(wanted, present) != 0 && strcmp(wanted, "*") != 0)
        return fail(err, PROBLEM_PRECONDITION_FAILED, "the campaign's change is %lld",
                    (long long)campaign.change);
    return 0;
}

static int act(struct request *req, struct reply *reply, enum campaign_verb verb, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    json_auto_t *arguments = NULL, *json = NULL;
    int64_t row;

    if (frame_body_or_none(req, &arguments, err) || frame_write(req, &tx, err) ||
        need_campaign(req, &tx, &row, err) || check_change(req, &tx, row, err) ||
        campaign_act(&tx, app->campaigns, row, verb, arguments, &actor, request_now(req), err) ||
        campaign_to_json(&tx, app->campaigns, row, request_now(req), &json, err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, MOVE(json));
}

static int start_campaign(struct request *req, struct reply *reply, struct error *err)
{
    return act(req, reply, CAMPAIGN_START, err);
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

#define PATH "/api/v1/campaigns"
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
/* A list shows each campaign's counts, a page of deployments is sorted: too long for a connection's
 * thread. */
#define SLOW_READER AUDIENCE_OPERATOR, "inventory:read", WORK, NO_BODY, 0
#define PLAN_BODY (128 * KIB)
#define REASON_BODY (4 * KIB)
#define DRIVER AUDIENCE_OPERATOR, "deploy:write", WRITE, RAW_BODY, REASON_BODY
#define HALTER AUDIENCE_OPERATOR, "deploy:halt", WRITE, RAW_BODY, REASON_BODY

static const struct route rows[] = {
    {"GET",              PATH,             SLOW_READER,       list_campaigns,                                             NULL},
    {"POST",             PATH,             AUDIENCE_OPERATOR, "deploy:write",                                             WRITE,JSON_BODY, PLAN_BODY, post_campaign,
     NULL},
    {"POST",         PATH ":preview",            AUDIENCE_OPERATOR,                                                    "inventory:read",                                                                                                              WORK,JSON_BODY, PLAN_BODY,
     post_preview, NULL},
    {"GET", PATH "/:id",READER,get_campaign,NULL},
    {"GET",              PATH "/:id/deployments",                              SLOW_READER,                                           get_deployments,                                                                                          NULL},
    {"GET",              PATH "/:id/events",                              READER,                                           get_events,                                                                                                                                                                              NULL                                                                                                                                                                                                                              },
    {"POST",              PATH "/:id/start",                              DRIVER,                                           start_campaign,NULL},
    {"POST",              PATH "/:id/pause",                              HALTER,                                          pause_campaign,NULL},
    {"POST",              PATH "/:id/resume",                              DRIVER,                                          resume_campaign,                                                                                          NULL                                                                      },
    {"POST",              PATH "/:id/abort",                              HALTER,                                          abort_campaign,                                                                                                                                                                             NULL                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  },
    {"POST",              PATH "/:id/cancel",                              DRIVER,                                          cancel_campaign,NULL},
};
const struct routes campaigns_routes = {rows, COUNT_OF(rows)};
