/* SPDX-License-Identifier: Apache-2.0 */
#include "api/device/ddi.h"
#include "api/operator/device_json.h"
#include "api/operator/event_page.h"
#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "campaign/filter_sql.h"
#include "tls/certificate.h"

#include <string.h>

/* -- lists and counts: both may look at the whole fleet, which is a worker's task -- */

/* What the query's `filter` asks of a device; empty without one. */
struct narrowing {
    struct filter *filter;
    struct filter_sql sql; /* borrows from the filter */
};

static void narrowing_clear(struct narrowing *narrowing)
{
    filter_sql_clear(&narrowing->sql);
    if (narrowing->filter)
        filter_free(&narrowing->filter);
}

static int narrowing_read(const struct request *req, struct narrowing *ret, struct error *err)
{
    const char *text = request_query(req, "filter");

    if (!text)
        return 0;
    if (filter_parse(text, &ret->filter, err)) {
        snprintf(err->field, sizeof err->field, "filter");
        return -1;
    }
    return filter_to_sql(ret->filter, &ret->sql, err);
}

static struct device_condition condition_of(const struct narrowing *narrowing)
{
    return (struct device_condition){
        .sql = narrowing->sql.condition,
        .values = narrowing->sql.values,
        .count = narrowing->sql.count,
    };
}

struct listing {
    struct app *app;
    struct tx *tx;
    json_t *items;
    size_t limit;
    char last[DEVICE_ID_SIZE];
    bool has_more;
};

static int list_one(const struct device *device, void *arg, struct error *err)
{
    struct listing *listing = arg;
    json_t *json = NULL;

    if (json_array_size(listing->items) == listing->limit) {
        listing->has_more = true;
        return 1;
    }
    strcpy(listing->last, device->id);
    return device_to_json(listing->app, listing->tx, device, &json, err) ||
                   json_add(listing->items, json, err)
               ? -1
               : 0;
}

static int list_devices(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(narrowing_clear) struct narrowing narrowing = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.app = request_app(req), .tx = &tx, .items = items};
    const char *state_name = request_query(req, "state");
    enum device_state state;
    struct page page;

    if (frame_page(req, IDENTIFIER_DEVICE, &page, err))
        return HANDLE_FAILED;
    if (state_name && !device_state_from_name(state_name, &state))
        return fail_field(err, PROBLEM_BAD_FIELD, "state", "there is no such state");
    if (narrowing_read(req, &narrowing, err))
        return HANDLE_FAILED;
    listing.limit = (size_t)page.limit;
    const struct device_page rows = {
        .tenant_row = request_identity(req)->tenant_row,
        .limit = page.limit + 1,
        .after = page.after,
        .state = state_name,
        .model = request_query(req, "model"),
        .version = request_query(req, "version"),
        .tag = request_query(req, "tag"),
        .where = condition_of(&narrowing),
    };
    if (frame_read(req, &tx, err) || device_list(&tx, &rows, list_one, &listing, err))
        return HANDLE_FAILED;
    return reply_page(reply, MOVE(items), listing.has_more ? listing.last : NULL);
}

struct counting {
    json_t *by_version, *by_model;
    int64_t total;
};

static int count_one(const char *version, const char *model, int64_t count, void *arg,
                     struct error *err)
{
    struct counting *counting = arg;

    if (version)
        counting->total += count;
    return json_add(version ? counting->by_version : counting->by_model,
                    json_pack("{s:s, s:I}", version ? "version" : "model",
                              version ? version : model, "count", (json_int_t)count),
                    err);
}

static int count_devices(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(narrowing_clear) struct narrowing narrowing = {0};
    json_auto_t *by_version = json_array(), *by_model = json_array();
    struct counting counting = {.by_version = by_version, .by_model = by_model};

    if (narrowing_read(req, &narrowing, err))
        return HANDLE_FAILED;
    const struct device_condition where = condition_of(&narrowing);
    if (frame_read(req, &tx, err) || device_count_where(&tx, request_identity(req)->tenant_row,
                                                        &where, count_one, &counting, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200,
                      json_pack("{s:I, s:O, s:O}", "count", (json_int_t)counting.total,
                                "by_version", by_version, "by_model", by_model));
}

static int get_device(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device device;
    json_t *json;

    if (frame_read(req, &tx, err) || path_device(req, &tx, &device, err) ||
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
        "id",          "model",     "hardware",        "site",
        "zone",        "tags",      "state",           "certificates",
        "fingerprint", "not_after", "certificate_pem", "announce",
        "token",       NULL};
    const char *state;

    *ret = (struct device_wish){0};
    if (json_only_members(json, members, err) || json_get_string(json, "id", &ret->id, err) ||
        json_get_string_or(json, "state", "registered", &state, err) ||
        json_get_string_or(json, "token", NULL, &ret->token, err) ||
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
    struct device_wish wish;
    struct device device;
    struct peer peer;
    enum device_state state;

    if (read_new_device(request_json(req), &peer, &wish, &state, err) ||
        frame_write(req, &tx, err) ||
        device_create_from_wish(&tx, request_identity(req)->tenant_row, &wish, state,
                                request_now(req), &device, err) ||
        frame_audit(req, &tx, "device.create", device.id, device_state_name(state), err))
        return HANDLE_FAILED;
    return reply_changed_device(req, reply, &tx, &device, 201, err);
}

/* Consent ahead; what is so already stays as it is, in whose words it was given. */
static int apply_auto_confirm(struct request *req, struct tx *tx, struct device *device,
                              struct error *err)
{
    const struct app *app = request_app(req);
    bool was_on = device->auto_confirm_at > 0, is_on;

    if (json_get_bool_or(request_json(req), "auto_confirm", was_on, &is_on, err))
        return -1;
    return is_on == was_on
               ? 0
               : campaign_set_auto_confirm(tx, app->campaigns, device, is_on,
                                           request_identity(req)->id, NULL, request_now(req), err);
}

/* The device's next poll asks for them, also when it told them already. */
static int apply_ask_attributes(struct request *req, struct tx *tx, struct device *device,
                                struct error *err)
{
    bool asks;

    if (json_get_bool_or(request_json(req), "ask_attributes", device->asks_attributes, &asks, err))
        return -1;
    return asks == device->asks_attributes ? 0 : device_ask_attributes(tx, device, asks, err);
}

static int patch_device(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"model",        "hardware",       "site",
                                          "zone",         "tags",           "announce",
                                          "auto_confirm", "ask_attributes", NULL};
    CLEANUP(tx_end) struct tx tx = {0};
    struct device_wish wish = {0};
    struct device device;

    if (json_only_members(request_json(req), members, err) ||
        device_wish_labels(request_json(req), &wish, err) || device_wish_check(&wish, err) ||
        frame_write(req, &tx, err) || path_device(req, &tx, &device, err) ||
        device_apply_wish(&tx, &device, &wish, request_now(req), err) ||
        apply_auto_confirm(req, &tx, &device, err) ||
        apply_ask_attributes(req, &tx, &device, err) ||
        frame_audit(req, &tx, "device.change", device.id, NULL, err))
        return HANDLE_FAILED;
    return reply_changed_device(req, reply, &tx, &device, 200, err);
}

static int post_certificate(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"certificate_pem", "fingerprint", "not_after", NULL};
    CLEANUP(tx_end) struct tx tx = {0};
    struct device_wish wish = {0};
    struct device device;
    struct peer peer;

    if (json_only_members(request_json(req), members, err) ||
        device_wish_certificates(request_json(req), &wish, err) ||
        add_pem(request_json(req), &peer, &wish, err))
        return HANDLE_FAILED;
    if (!wish.certificate_count)
        return fail_field(err, PROBLEM_BAD_FIELD, "certificate_pem", "a certificate is needed");
    if (frame_write(req, &tx, err) || path_device(req, &tx, &device, err) ||
        device_apply_wish(&tx, &device, &wish, request_now(req), err) ||
        frame_audit(req, &tx, "device.certificate", device.id, NULL, err))
        return HANDLE_FAILED;
    return reply_changed_device(req, reply, &tx, &device, 201, err);
}

/* -- what happened, and why nothing does -- */

static int get_timeline(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct event_query query = {0};
    struct device device;

    if (frame_numbered_page(req, "before", &query.before, &query.limit, err) ||
        frame_read(req, &tx, err) || path_device(req, &tx, &device, err))
        return HANDLE_FAILED;
    query.device_row = device.row_id;
    return reply_events(reply, &tx, &query, err);
}

/* How its next poll will ask, if it comes as it last came. Our own protocol tells apart what may be
 * fetched and what may be installed; so does a device nothing is known of yet, for now. */
static int find_asker(const struct app *app, struct tx *tx, const struct device *device,
                      enum prestaging *ret, struct error *err)
{
    struct last_seen seen;
    enum step step = seen_last(app->seen, tx, device->row_id, &seen, err);

    *ret = step == STEP_ROW && device->report_seq == 0
               ? ddi_prestaging(device->announce, seen.client)
               : PRESTAGES;
    return step == STEP_FAILED ? -1 : 0;
}

static int get_explanation(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    enum prestaging asker;
    struct device device;
    json_t *json;

    if (frame_read(req, &tx, err) || path_device(req, &tx, &device, err) ||
        find_asker(app, &tx, &device, &asker, err) ||
        campaign_explain_json(&tx, app->campaigns, &device, asker, request_now(req), &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

#define PATH "/api/v1/devices"
#define BODY (64 * KIB)
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define SEARCHER AUDIENCE_OPERATOR, "inventory:read", WORK, NO_BODY, 0
#define WRITER AUDIENCE_OPERATOR, "device:write", WRITE, JSON_BODY, BODY

static const struct route rows[] = {
    {"GET",   PATH,                     SEARCHER, list_devices,     NULL},
    {"GET",   PATH ":count",            SEARCHER, count_devices,    NULL},
    {"POST",  PATH,                     WRITER,   post_device,      NULL},
    {"GET",   PATH "/:id",              READER,   get_device,       NULL},
    {"PATCH", PATH "/:id",              WRITER,   patch_device,     NULL},
    {"POST",  PATH "/:id/certificates", WRITER,   post_certificate, NULL},
    {"GET",   PATH "/:id/timeline",     READER,   get_timeline,     NULL},
    {"GET",   PATH "/:id/explain",      READER,   get_explanation,  NULL},
};
const struct routes devices_routes = {rows, COUNT_OF(rows)};
