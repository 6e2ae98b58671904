/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/device_json.h"
#include "api/operator/frame.h"
#include "api/operator/routes.h"
#include "store/campaign.h"
#include "store/event.h"
#include "tls/certificate.h"

#include <string.h>

/* Rows looked at for one page: a filter that few devices match answers with a short page and
 * `next`, not with a long wait. */
#define SCAN_MOST 2000

/* -- lists -- */

struct listing {
    struct app *app;
    struct tx *tx;
    const char *state, *model, *version, *tag;
    struct filter *filter;
    json_t *items;
    int64_t limit, examined;
    char last[DEVICE_ID_SIZE];
    bool is_cut; /* there may be more after `last` */
};

static bool is_other(const char *wanted, const char *has)
{
    return wanted && strcmp(wanted, has) != 0;
}

static int is_listed(struct listing *listing, const struct device *device, bool *ret,
                     struct error *err)
{
    *ret = !is_other(listing->state, device_state_name(device->state)) &&
           !is_other(listing->model, device->model) && !is_other(listing->version, device->version);
    if (*ret && listing->tag && device_has_tag(listing->tx, device->row_id, listing->tag, ret, err))
        return -1;
    if (*ret && listing->filter)
        return filter_matches_device(listing->filter, listing->tx, device, ret, err);
    return 0;
}

static int list_one(const struct device *device, void *arg, struct error *err)
{
    struct listing *listing = arg;
    json_t *json = NULL;
    bool is_in;

    if ((int64_t)json_array_size(listing->items) == listing->limit) {
        listing->is_cut = true;
        return 1;
    }
    if (is_listed(listing, device, &is_in, err))
        return -1;
    if (is_in && (device_to_json(listing->app, listing->tx, device, &json, err) ||
                  json_add(listing->items, json, err)))
        return -1;
    strcpy(listing->last, device->id);
    listing->is_cut = ++listing->examined == SCAN_MOST;
    return 0;
}

static void free_filter(struct filter **filter)
{
    if (*filter)
        filter_free(filter);
}

static int list_devices(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(free_filter) struct filter *filter = NULL;
    json_auto_t *items = json_array();
    const char *text = request_query(req, "filter");
    struct listing listing = {
        .app = request_app(req),
        .tx = &tx,
        .state = request_query(req, "state"),
        .model = request_query(req, "model"),
        .version = request_query(req, "version"),
        .tag = request_query(req, "tag"),
        .items = items,
    };
    enum device_state state;
    struct page page;

    if (frame_page(req, IDENTIFIER_DEVICE, &page, err))
        return HANDLE_FAILED;
    if (listing.state && !device_state_from_name(listing.state, &state))
        return fail_field(err, PROBLEM_BAD_FIELD, "state", "there is no such state");
    if (text && filter_parse(text, &filter, err))
        return HANDLE_FAILED;
    listing.filter = filter;
    listing.limit = page.limit;
    struct device_page rows = {
        .tenant_row = request_identity(req)->tenant_row,
        .limit = SCAN_MOST,
        .after = page.after,
        .state = listing.state,
        .model = listing.model,
        .version = listing.version,
    };
    if (frame_read(req, &tx, err) || device_list(&tx, &rows, list_one, &listing, err))
        return HANDLE_FAILED;
    return reply_page(reply, MOVE(items), listing.is_cut ? listing.last : NULL);
}

static int get_device(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device device;
    json_t *json;

    if (frame_read(req, &tx, err) ||
        device_need(&tx, request_identity(req)->tenant_row, request_parameter(req, "id"), &device,
                    err) ||
        device_to_full_json(request_app(req), &tx, &device, &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

/* -- changes -- */

/* The certificate's texts are borrowed from `peer`. */
static int add_pem(const json_t *json, struct peer *peer, struct device_wish *wish,
                   struct error *err)
{
    struct certificate *certificate = &wish->certificates[wish->certificate_count];
    const char *pem;

    if (json_get_string_or(json, "certificate_pem", NULL, &pem, err))
        return -1;
    if (!pem)
        return 0;
    if (wish->certificate_count == WISH_CERTIFICATES_MAX)
        return fail_field(err, PROBLEM_BAD_FIELD, "certificates", "at most %d",
                          WISH_CERTIFICATES_MAX);
    if (certificate_describe_pem(pem, peer, err))
        return -1;
    *certificate = (struct certificate){
        .serial = peer->serial,
        .subject = peer->common_name,
        .issuer = peer->issuer,
        .not_before = peer->not_before,
        .not_after = peer->not_after,
    };
    memcpy(certificate->fingerprint, peer->fingerprint, sizeof certificate->fingerprint);
    wish->certificate_count++;
    return 0;
}

static int read_new_device(const json_t *json, struct peer *peer, struct device_wish *ret,
                           enum device_state *ret_state, struct error *err)
{
    static const char *const members[] = {
        "id",          "model",     "hardware",        "site", "tags", "state", "certificates",
        "fingerprint", "not_after", "certificate_pem", NULL};
    const char *state;

    *ret = (struct device_wish){0};
    if (json_only_members(json, members, err) || json_get_string(json, "id", &ret->id, err) ||
        json_get_string_or(json, "state", "registered", &state, err) ||
        device_wish_labels(json, ret, err) || device_wish_certificates(json, ret, err) ||
        add_pem(json, peer, ret, err))
        return -1;
    if (!device_state_from_name(state, ret_state) ||
        (*ret_state != DEVICE_ACTIVE && *ret_state != DEVICE_REGISTERED))
        return fail_field(err, PROBLEM_BAD_FIELD, "state", "registered or active");
    return device_wish_check(ret, err);
}

static int post_device(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *json = NULL;
    struct device_wish wish;
    struct device device;
    struct peer peer;
    enum device_state state;

    if (read_new_device(request_json(req), &peer, &wish, &state, err) ||
        frame_write(req, &tx, err) ||
        device_create_from_wish(&tx, request_identity(req)->tenant_row, &wish, state,
                                request_now(req), &device, err) ||
        frame_audit(req, &tx, "device.create", device.id, device_state_name(state), err) ||
        device_to_full_json(request_app(req), &tx, &device, &json, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 201, MOVE(json));
}

static int patch_device(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"model", "hardware", "site", "tags", NULL};
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *json = NULL;
    struct device_wish wish = {0};
    struct device device;

    if (json_only_members(request_json(req), members, err) ||
        device_wish_labels(request_json(req), &wish, err) || device_wish_check(&wish, err) ||
        frame_write(req, &tx, err) ||
        device_need(&tx, request_identity(req)->tenant_row, request_parameter(req, "id"), &device,
                    err) ||
        device_apply_wish(&tx, &device, &wish, request_now(req), err) ||
        frame_audit(req, &tx, "device.change", device.id, NULL, err) ||
        device_to_full_json(request_app(req), &tx, &device, &json, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, MOVE(json));
}

static int post_certificate(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"certificate_pem", "fingerprint", "not_after", NULL};
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *json = NULL;
    struct device_wish wish = {0};
    struct device device;
    struct peer peer;

    if (json_only_members(request_json(req), members, err) ||
        device_wish_certificates(request_json(req), &wish, err) ||
        add_pem(request_json(req), &peer, &wish, err))
        return HANDLE_FAILED;
    if (!wish.certificate_count)
        return fail_field(err, PROBLEM_BAD_FIELD, "certificate_pem", "a certificate is needed");
    if (frame_write(req, &tx, err) ||
        device_need(&tx, request_identity(req)->tenant_row, request_parameter(req, "id"), &device,
                    err) ||
        device_apply_wish(&tx, &device, &wish, request_now(req), err) ||
        frame_audit(req, &tx, "device.certificate", device.id, NULL, err) ||
        device_to_full_json(request_app(req), &tx, &device, &json, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 201, MOVE(json));
}

/* -- what happened, and why nothing does -- */

struct timeline {
    struct tx *tx;
    json_t *items;
    int64_t last, campaign_row;
    char campaign_id[CAMPAIGN_ID_SIZE]; /* of campaign_row: most events in a row share theirs */
};

static int name_campaign(struct timeline *timeline, const struct event *event, json_t *json,
                         struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};

    if (!event->campaign_row)
        return 0;
    if (event->campaign_row != timeline->campaign_row) {
        if (campaign_by_row(timeline->tx, event->campaign_row, &campaign, err) == STEP_FAILED)
            return -1;
        timeline->campaign_row = event->campaign_row;
        strcpy(timeline->campaign_id, campaign.id);
    }
    return json_object_set_new(json, "campaign", json_string(timeline->campaign_id)) ||
                   json_object_set_new(json, "attempt", json_integer(event->attempt))
               ? fail_internal(err, "out of memory")
               : 0;
}

static int add_event(const struct event *event, void *arg, struct error *err)
{
    struct timeline *timeline = arg;
    json_auto_t *json = json_pack("{s:o, s:s, s:s, s:s, s:s, s:s}", "at", json_from_time(event->at),
                                  "kind", event->kind, "from", event->from_state, "to",
                                  event->to_state, "cause", event->cause, "detail", event->detail);

    timeline->last = event->row_id;
    if (!json)
        return fail_internal(err, "an event cannot be written as JSON");
    if (name_campaign(timeline, event, json, err))
        return -1;
    return json_add(timeline->items, json_incref(json), err);
}

static int get_timeline(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct timeline timeline = {.tx = &tx, .items = items};
    struct event_query query = {0};
    struct device device;
    char next[24];

    if (request_query_number(req, "limit", 1, 500, 100, &query.limit, err) ||
        request_query_number(req, "before", 1, INT64_MAX, 0, &query.before, err) ||
        frame_read(req, &tx, err) ||
        device_need(&tx, request_identity(req)->tenant_row, request_parameter(req, "id"), &device,
                    err))
        return HANDLE_FAILED;
    query.device_row = device.row_id;
    if (event_list(&tx, &query, add_event, &timeline, err))
        return HANDLE_FAILED;
    snprintf(next, sizeof next, "%lld", (long long)timeline.last);
    bool is_full = (int64_t)json_array_size(items) == query.limit;
    return reply_page(reply, MOVE(items), is_full ? next : NULL);
}

static int get_explanation(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct device device;
    json_t *json;

    if (frame_read(req, &tx, err) ||
        device_need(&tx, request_identity(req)->tenant_row, request_parameter(req, "id"), &device,
                    err) ||
        campaign_explain_json(&tx, app->campaigns, &device, request_now(req), &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

#define PATH "/api/v1/devices"
#define BODY (64 * KIB)
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define WRITER AUDIENCE_OPERATOR, "device:write", WRITE, JSON_BODY, BODY

static const struct route rows[] = {
    {"GET",   PATH,                     READER, list_devices,     NULL},
    {"POST",  PATH,                     WRITER, post_device,      NULL},
    {"GET",   PATH "/:id",              READER, get_device,       NULL},
    {"PATCH", PATH "/:id",              WRITER, patch_device,     NULL},
    {"POST",  PATH "/:id/certificates", WRITER, post_certificate, NULL},
    {"GET",   PATH "/:id/timeline",     READER, get_timeline,     NULL},
    {"GET",   PATH "/:id/explain",      READER, get_explanation,  NULL},
};
const struct routes devices_routes = {rows, COUNT_OF(rows)};
