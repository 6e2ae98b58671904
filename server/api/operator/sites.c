/* SPDX-License-Identifier: Apache-2.0 */
/* Sites: the zone of their clocks, and how much their line takes. */
#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "store/site.h"

#include <string.h>

#define BYTES_MAX (INT64_C(1) << 40)

static json_t *site_to_json(const struct site *site)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:o}", "id", site->id, "zone", site->zone, "leases",
                     (json_int_t)site->leases, "bytes", (json_int_t)site->bytes, "created_at",
                     json_from_time(site->created_at));
}

struct listing {
    json_t *items;
    size_t limit;
    char last[65];
    bool has_more;
};

static int list_one(const struct site *site, void *arg, struct error *err)
{
    struct listing *listing = arg;

    if (json_array_size(listing->items) == listing->limit) {
        listing->has_more = true;
        return 1;
    }
    memcpy(listing->last, site->id, sizeof listing->last);
    return json_add(listing->items, site_to_json(site), err);
}

static int list_sites(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.items = items};
    struct page page;

    if (frame_page(req, IDENTIFIER_NAME, &page, err))
        return HANDLE_FAILED;
    listing.limit = (size_t)page.limit;
    if (frame_read(req, &tx, err) || site_list(&tx, request_identity(req)->tenant_row, page.after,
                                               page.limit + 1, list_one, &listing, err))
        return HANDLE_FAILED;
    return reply_page(reply, MOVE(items), listing.has_more ? listing.last : NULL);
}

static int need_site(struct request *req, struct tx *tx, struct site *ret, struct error *err)
{
    const char *id = request_parameter(req, "id");
    enum step step = site_by_id(tx, request_identity(req)->tenant_row, id, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "nothing is known of site %.64s", id);
    return step == STEP_ROW ? 0 : -1;
}

static int get_site(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct site site;

    if (frame_read(req, &tx, err) || need_site(req, &tx, &site, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, site_to_json(&site));
}

/* The whole of it: what is not said is not limited, and has no zone. */
static int read_site(struct request *req, struct site *ret, struct error *err)
{
    static const char *const members[] = {"zone", "leases", "bytes", NULL};
    const json_t *json = request_json(req);
    const char *id = request_parameter(req, "id"), *zone;

    if (!identifier_ok(IDENTIFIER_NAME, id))
        return fail_field(err, PROBLEM_BAD_FIELD, "id",
                          "an id is 1 to 64 letters, digits and . _ -");
    if (json_only_members(json, members, err) || member_zone(json, &zone, err) ||
        json_get_integer_or(json, "leases", 0, INT32_MAX, 0, &ret->leases, err) ||
        json_get_integer_or(json, "bytes", 0, BYTES_MAX, 0, &ret->bytes, err))
        return -1;
    snprintf(ret->id, sizeof ret->id, "%s", id);
    snprintf(ret->zone, sizeof ret->zone, "%s", zone ? zone : "");
    return 0;
}

static int put_site(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct site site = {.tenant_row = request_identity(req)->tenant_row,
                        .created_at = request_now(req)};

    if (read_site(req, &site, err) || frame_write(req, &tx, err) || site_set(&tx, &site, err) ||
        frame_audit(req, &tx, "site.change", site.id, NULL, err) ||
        campaign_touch(&tx, app->campaigns, err) || need_site(req, &tx, &site, err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, site_to_json(&site));
}

static int delete_site(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct site site;

    if (frame_write(req, &tx, err) || need_site(req, &tx, &site, err) ||
        site_delete(&tx, site.row_id, err) ||
        frame_audit(req, &tx, "site.delete", site.id, NULL, err) ||
        campaign_touch(&tx, app->campaigns, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

#define PATH "/api/v1/sites"
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define WRITER AUDIENCE_OPERATOR, "deploy:write", WRITE, JSON_BODY, 4 * KIB
#define REMOVER AUDIENCE_OPERATOR, "deploy:write", WRITE, NO_BODY, 0

static const struct route rows[] = {
    {"GET",    PATH,        READER,  list_sites,  NULL},
    {"GET",    PATH "/:id", READER,  get_site,    NULL},
    {"PUT",    PATH "/:id", WRITER,  put_site,    NULL},
    {"DELETE", PATH "/:id", REMOVER, delete_site, NULL},
};
const struct routes sites_routes = {rows, COUNT_OF(rows)};
