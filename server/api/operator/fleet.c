/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/frame.h"
#include "api/operator/routes.h"

#define DAY 86400

struct counting {
    json_t *items;
    int64_t total;
};

static int count_one(const char *version, const char *model, int64_t count, void *arg,
                     struct error *err)
{
    struct counting *counting = arg;

    counting->total += count;
    return json_add(counting->items,
                    json_pack("{s:s, s:s, s:I}", "model", model, "version", version, "count",
                              (json_int_t)count),
                    err);
}

/* Reads an index from end to end: a worker's task. */
static int get_versions(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct counting counting = {.items = items};
    int64_t seen;

    if (frame_read(req, &tx, err) ||
        device_count_by_version(&tx, request_identity(req)->tenant_row, count_one, &counting,
                                err) ||
        device_count_seen(&tx, request_now(req) - DAY, &seen, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200,
                      json_pack("{s:O, s:I, s:I}", "items", items, "total",
                                (json_int_t)counting.total, "seen_24h", (json_int_t)seen));
}

static const struct route rows[] = {
    {"GET", "/api/v1/fleet/versions", AUDIENCE_OPERATOR, "inventory:read", WORK, NO_BODY, 0,
     get_versions, NULL},
};
const struct routes fleet_routes = {rows, COUNT_OF(rows)};
