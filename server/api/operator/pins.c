/* SPDX-License-Identifier: Apache-2.0 */
/* Pins: one device, one release with the terms it is delivered under, or nothing at all. */
#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "campaign/apply_pipeline.h"

#include <string.h>

static int need_pin(struct request *req, struct tx *tx, const struct device *device,
                    struct pin *ret, struct error *err)
{
    enum step step = pin_of(tx, device->row_id, request_now(req), ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "device %s has no pin", device->id);
    return step == STEP_ROW ? 0 : -1;
}

static int get_pin(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device device;
    struct pin pin;
    json_t *json;

    if (frame_read(req, &tx, err) || path_device(req, &tx, &device, err) ||
        need_pin(req, &tx, &device, &pin, err) || pin_to_json(&tx, device.id, &pin, &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

struct listing {
    struct tx *tx;
    json_t *items;
    size_t limit;
    char last[DEVICE_ID_SIZE];
    bool has_more;
};

static int list_one(const char *device_id, const struct pin *pin, void *arg, struct error *err)
{
    struct listing *listing = arg;
    json_t *json = NULL;

    if (json_array_size(listing->items) == listing->limit) {
        listing->has_more = true;
        return 1;
    }
    snprintf(listing->last, sizeof listing->last, "%s", device_id);
    return pin_to_json(listing->tx, device_id, pin, &json, err) ||
                   json_add(listing->items, json, err)
               ? -1
               : 0;
}

static int list_pins(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.tx = &tx, .items = items};
    struct page page;

    if (frame_page(req, IDENTIFIER_DEVICE, &page, err))
        return HANDLE_FAILED;
    listing.limit = (size_t)page.limit;
    if (frame_read(req, &tx, err) || pin_list(&tx, request_identity(req)->tenant_row, page.after,
                                              page.limit + 1, list_one, &listing, err))
        return HANDLE_FAILED;
    return reply_page(reply, MOVE(items), listing.has_more ? listing.last : NULL);
}

/* What is no member of ours is a term of delivery, which campaign/ knows. */
static int read_terms(const json_t *json, json_t **ret, struct error *err)
{
    static const char *const ours[] = {"release", "reason", "expires_at"};
    json_t *terms = json_copy((json_t *)(uintptr_t)json);

    for (size_t i = 0; i < COUNT_OF(ours); i++)
        json_object_del(terms, ours[i]);
    *ret = terms;
    return terms ? 0 : fail_internal(err, "memory for terms");
}

/* Leaving "release" out is a mistake, not a hold. */
static int read_pin(struct request *req, const char **ret_release, struct new_pin *ret,
                    struct error *err)
{
    static const char *const hold_members[] = {"release", "reason", "expires_at", NULL};
    const json_t *json = request_json(req);
    bool is_hold = json_is_null(json_object_get(json, "release"));

    if ((is_hold && json_only_members(json, hold_members, err)) ||
        member_reason(json, true, &ret->reason, err) ||
        member_time(json, "expires_at", &ret->expires_at, err))
        return -1;
    if (ret->expires_at && ret->expires_at <= request_now(req))
        return fail_field(err, PROBLEM_BAD_FIELD, "expires_at", "it has passed");
    *ret_release = NULL;
    if (is_hold)
        return 0;
    return json_get_string(json, "release", ret_release, err);
}

/* What the device would refuse is refused here. */
static int find_release(struct request *req, struct tx *tx, const struct device *device,
                        const char *id, int64_t *ret, struct error *err)
{
    struct release release;

    *ret = 0;
    if (!id)
        return 0;
    if (member_release(req, tx, id, &release, err))
        return -1;
    if (release.security_version < device->floor)
        return fail_field(err, PROBLEM_CONFLICT, "release",
                          "its security version %lld lies below the device's floor %lld",
                          (long long)release.security_version, (long long)device->floor);
    *ret = release.row_id;
    return 0;
}

static int put_pin(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    struct new_pin wish = {0};
    char detail[AUDIT_DETAIL_SIZE];
    json_auto_t *terms = NULL, *json = NULL;
    struct device device;
    struct pin pin;
    const char *release;

    if (read_pin(req, &release, &wish, err) || read_terms(request_json(req), &terms, err) ||
        frame_write(req, &tx, err) || path_device(req, &tx, &device, err) ||
        find_release(req, &tx, &device, release, &wish.release_row, err))
        return HANDLE_FAILED;
    wish.terms = json_object_size(terms) ? terms : NULL;
    wish.tenant_row = device.tenant_row;
    wish.device_row = device.row_id;
    audit_detail(release ? release : "hold", wish.reason, detail);
    if (pipeline_pin(&tx, app->campaigns, &wish, &actor, request_now(req), err) ||
        frame_audit(req, &tx, "device.pin", device.id, detail, err) ||
        need_pin(req, &tx, &device, &pin, err) || pin_to_json(&tx, device.id, &pin, &json, err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, MOVE(json));
}

static int delete_pin(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct device device;

    if (frame_write(req, &tx, err) || path_device(req, &tx, &device, err) ||
        pipeline_unpin(&tx, app->campaigns, &device, "operator", request_now(req), err) ||
        frame_audit(req, &tx, "device.unpin", device.id, NULL, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

#define PIN "/api/v1/devices/:id/pin"
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define SEARCHER AUDIENCE_OPERATOR, "inventory:read", WORK, NO_BODY, 0
#define WRITER AUDIENCE_OPERATOR, "deploy:write", WRITE, JSON_BODY, 16 * KIB
#define REMOVER AUDIENCE_OPERATOR, "deploy:write", WRITE, NO_BODY, 0

static const struct route rows[] = {
    {"GET",    "/api/v1/pins", SEARCHER, list_pins,  NULL},
    {"GET",    PIN,            READER,   get_pin,    NULL},
    {"PUT",    PIN,            WRITER,   put_pin,    NULL},
    {"DELETE", PIN,            REMOVER,  delete_pin, NULL},
};
const struct routes pins_routes = {rows, COUNT_OF(rows)};
