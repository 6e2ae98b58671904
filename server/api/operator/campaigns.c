/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns: made, changed while they are drafts, looked at. What is done to them afterwards is in
 * campaign_acts.c; what they do is decided in campaign/. */
#include "api/operator/campaign_frame.h"
#include "api/operator/event_page.h"
#include "api/operator/routes.h"

/* -- reading -- */

static int list_campaigns(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct page page;
    json_t *json;

    if (frame_page(req, IDENTIFIER_NAME, &page, err))
        return HANDLE_FAILED;
    const struct campaign_query query = {
        .state = request_query(req, "state"),
        .channel = request_query(req, "channel"),
        .release = request_query(req, "release"),
        .after = page.after[0] ? page.after : NULL,
        .limit = page.limit,
    };
    if (frame_read(req, &tx, err) ||
        campaign_list_json(&tx, app->campaigns, request_identity(req)->tenant_row, &query, &json,
                           err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

static int get_campaign(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    int64_t row;
    json_t *json;

    if (frame_read(req, &tx, err) || frame_campaign(req, &tx, &row, err) ||
        campaign_to_json(&tx, app->campaigns, row, request_now(req), &json, err))
        return HANDLE_FAILED;
    return reply_campaign(req, reply, 200, json);
}

static int get_deployments(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    int64_t row, after, limit;
    json_t *json;

    if (frame_numbered_page(req, "after", &after, &limit, err) || frame_read(req, &tx, err) ||
        frame_campaign(req, &tx, &row, err) ||
        deployment_list_json(&tx, row, request_query(req, "state"), after, limit, &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

static int get_approvals(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    int64_t row;
    json_t *json;

    if (frame_read(req, &tx, err) || frame_campaign(req, &tx, &row, err) ||
        approval_list_json(&tx, row, &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

static int get_events(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct event_query query = {0};

    if (frame_numbered_page(req, "after", &query.before, &query.limit, err) ||
        frame_read(req, &tx, err) || frame_campaign(req, &tx, &query.campaign_row, err))
        return HANDLE_FAILED;
    return reply_events(reply, &tx, &query, err);
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

/* On a worker first: what is started at once is counted before. */
static int check_plan(struct request *req, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);

    return frame_read(req, &tx, err) ||
                   campaign_check_plan(&tx, app->campaigns, request_identity(req)->tenant_row,
                                       request_json(req), request_now(req), err)
               ? HANDLE_FAILED
               : HANDLE_AS_WRITE;
}

static int post_campaign(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(campaign_clear) struct campaign made = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    char location[64];
    int64_t row;

    if (!request_on_writer(req))
        return check_plan(req, err);
    if (frame_write(req, &tx, err) ||
        campaign_create(&tx, app->campaigns, request_identity(req)->tenant_row, request_json(req),
                        &actor, request_now(req), &row, err) ||
        campaign_by_row(&tx, row, &made, err) != STEP_ROW)
        return HANDLE_FAILED;
    snprintf(location, sizeof location, "/api/v1/campaigns/%s", made.id);
    reply_header(reply, "Location", location);
    return reply_changed_campaign(req, reply, &tx, row, 201, err);
}

static int patch_campaign(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    int64_t row;

    if (frame_write(req, &tx, err) || frame_campaign_unchanged(req, &tx, &row, err) ||
        campaign_edit(&tx, app->campaigns, row, request_json(req), &actor, request_now(req), err))
        return HANDLE_FAILED;
    return reply_changed_campaign(req, reply, &tx, row, 200, err);
}

#define PATH "/api/v1/campaigns"
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
/* A list shows each campaign's counts, a page of deployments is sorted: too long for a connection's
 * thread. */
#define SLOW_READER AUDIENCE_OPERATOR, "inventory:read", WORK, NO_BODY, 0
#define PLAN JSON_BODY, 128 * KIB
#define PLANNER(access) AUDIENCE_OPERATOR, "deploy:write", access, PLAN

/* clang-format off */
static const struct route rows[] = {
    {"GET",   PATH,                    SLOW_READER,                                         list_campaigns,  NULL},
    {"POST",  PATH,                    PLANNER(WORK),                                       post_campaign,   NULL},
    {"POST",  PATH ":preview",         AUDIENCE_OPERATOR, "inventory:read", WORK, PLAN,     post_preview,    NULL},
    {"GET",   PATH "/:id",             READER,                                              get_campaign,    NULL},
    {"PATCH", PATH "/:id",             PLANNER(WRITE),                                      patch_campaign,  NULL},
    {"GET",   PATH "/:id/deployments", SLOW_READER,                                         get_deployments, NULL},
    {"GET",   PATH "/:id/events",      READER,                                              get_events,      NULL},
    {"GET",   PATH "/:id/approvals",   READER,                                              get_approvals,   NULL},
};
/* clang-format on */
const struct routes campaigns_routes = {rows, COUNT_OF(rows)};
