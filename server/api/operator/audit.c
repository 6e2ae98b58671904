/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/frame.h"
#include "api/operator/routes.h"

struct listing {
    json_t *items;
    int64_t last;
};

static int list_one(int64_t sequence, const struct audit *audit, const uint8_t hash[32], void *arg,
                    struct error *err)
{
    struct listing *listing = arg;
    char hex[65];

    hex_from_bytes(hash, 32, hex);
    listing->last = sequence;
    return json_add(listing->items,
                    json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "sequence",
                              (json_int_t)sequence, "at", json_from_time(audit->at), "actor_kind",
                              audit->actor_kind, "actor", audit->actor, "source", audit->source,
                              "request", audit->request, "action", audit->action, "object",
                              audit->object, "outcome", audit->outcome, "detail", audit->detail,
                              "hash", hex),
                    err);
}

static int list_audit(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.items = items};
    int64_t after, limit;

    if (frame_numbered_page(req, "after", &after, &limit, err) || frame_read(req, &tx, err) ||
        audit_list(&tx, after, limit, list_one, &listing, err))
        return HANDLE_FAILED;
    bool is_full = (int64_t)json_array_size(items) == limit;
    return reply_numbered_page(reply, MOVE(items), listing.last, is_full);
}

/* The whole chain is read: a worker's task. */
static int verify_audit(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    int64_t last, bad;

    if (frame_read(req, &tx, err) || audit_verify(&tx, &last, &bad, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200,
                      json_pack("{s:b, s:I, s:o}", "whole", bad == 0, "last", (json_int_t)last,
                                "first_bad", bad ? json_integer(bad) : json_null()));
}

#define PATH "/api/v1/audit"

static const struct route rows[] = {
    {"GET", PATH,           AUDIENCE_OPERATOR, "audit:read", READ, NO_BODY, 0, list_audit,   NULL},
    {"GET", PATH "/verify", AUDIENCE_OPERATOR, "audit:read", WORK, NO_BODY, 0, verify_audit, NULL},
};
const struct routes audit_routes = {rows, COUNT_OF(rows)};
