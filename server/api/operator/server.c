/* SPDX-License-Identifier: Apache-2.0 */
/* How the server itself is. */
#include "api/operator/frame.h"
#include "api/operator/routes.h"
#include "store/metadata.h"
#include "tls/socket.h"

#define WARN_AHEAD (21 * 86400)

/* -- what runs -- */

static json_t *store_json(const struct app *app)
{
    struct store_counts counts;

    store_count(app->store, &counts);
    return json_pack("{s:I, s:I, s:I, s:I}", "commits", (json_int_t)counts.commits, "jobs",
                     (json_int_t)counts.jobs, "queued", (json_int_t)counts.queued, "lost_batches",
                     (json_int_t)counts.lost_batches);
}

/* Both counts are of all listeners that devices come to. */
static json_t *tls_json(const struct app *app)
{
    struct tls_counts counts = {0}, one;

    for (enum tls_audience i = TLS_DEVICES; i < TLS_AUDIENCES; i++) {
        if (i == TLS_OPERATORS || !app->listeners[i])
            continue;
        tls_listener_count(app->listeners[i], &one);
        counts.accepted += one.accepted;
        counts.full += one.full;
        counts.resumed += one.resumed;
        counts.failed += one.failed;
        counts.limited += one.limited;
        counts.sessions += one.sessions;
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "accepted", (json_int_t)counts.accepted,
                     "full", (json_int_t)counts.full, "resumed", (json_int_t)counts.resumed,
                     "failed", (json_int_t)counts.failed, "limited", (json_int_t)counts.limited,
                     "sessions", (json_int_t)counts.sessions);
}

static json_t *http_json(const struct app *app)
{
    struct http_counts counts = {0}, one;

    for (enum tls_audience i = TLS_DEVICES; i < TLS_AUDIENCES; i++) {
        if (i == TLS_OPERATORS || !app->servers[i])
            continue;
        http_server_count(app->servers[i], &one);
        counts.connections += one.connections;
        counts.requests += one.requests;
        counts.errors += one.errors;
        counts.bytes_content += one.bytes_content;
    }
    return json_pack("{s:I, s:I, s:I, s:I}", "connections", (json_int_t)counts.connections,
                     "requests", (json_int_t)counts.requests, "errors", (json_int_t)counts.errors,
                     "bytes_content", (json_int_t)counts.bytes_content);
}

static json_t *counts_json(const struct app *app)
{
    struct socket_counts sockets;

    secure_socket_count(&sockets);
    return json_pack("{s:o, s:o, s:o, s:{s:I, s:I, s:I, s:I}}", "store", store_json(app), "tls",
                     tls_json(app), "http", http_json(app), "sockets", "open",
                     (json_int_t)sockets.open, "severed", (json_int_t)sockets.severed, "timed_out",
                     (json_int_t)sockets.timed_out, "kernel_tls", (json_int_t)sockets.kernel_tls);
}

static int devices_json(struct tx *tx, int64_t tenant_row, json_t **ret, struct error *err)
{
    json_auto_t *json = json_object();
    int64_t counts[DEVICE_STATE_COUNT];

    if (device_count_by_state(tx, tenant_row, counts, err))
        return -1;
    for (size_t state = 0; state < DEVICE_STATE_COUNT; state++)
        if (json_object_set_new(json, device_state_name((enum device_state)state),
                                json_integer(counts[state])))
            return fail_internal(err, "out of memory");
    *ret = json_incref(json);
    return 0;
}

/* -- trust -- */

struct trust_look {
    struct tx *tx;
    int64_t tenant_row, now;
    json_t *roles, *warnings;
};

static int warn_of_expiry(struct trust_look *look, const char *role,
                          const struct metadata *metadata, struct error *err)
{
    if (metadata->expires_at - look->now > WARN_AHEAD)
        return 0;
    json_t *text = json_sprintf(metadata->expires_at > look->now
                                    ? "the signed file of %s expires soon: sign a new one"
                                    : "the signed file of %s has expired: devices refuse updates",
                                role);
    return json_add(look->warnings, text, err);
}

static int look_at_role(int64_t tenant_row, const char *role, int64_t version, void *arg,
                        struct error *err)
{
    CLEANUP(metadata_clear) struct metadata metadata = {0};
    struct trust_look *look = arg;

    if (tenant_row != look->tenant_row)
        return 0;
    if (metadata_find(look->tx, tenant_row, role, version, &metadata, err) != STEP_ROW)
        return -1;
    if (json_object_set_new(look->roles, role,
                            json_pack("{s:I, s:o}", "version", (json_int_t)version, "expires_at",
                                      json_from_time(metadata.expires_at))))
        return fail_internal(err, "out of memory");
    return warn_of_expiry(look, role, &metadata, err);
}

static int trust_json(struct trust_look *look, json_t **ret, struct error *err)
{
    int64_t root_version;

    if (metadata_roles(look->tx, look_at_role, look, err) ||
        metadata_version(look->tx, look->tenant_row, "root", &root_version, err))
        return -1;
    if (!root_version &&
        json_add(look->warnings,
                 json_string("there is no root of trust yet: no release can be published"), err))
        return -1;
    *ret = json_pack("{s:I, s:O}", "root_version", (json_int_t)root_version, "roles", look->roles);
    return 0;
}

static json_t *ports_json(const struct app *app)
{
    json_t *ports = json_object();

    for (enum tls_audience i = TLS_DEVICES; i < TLS_AUDIENCES; i++)
        if (app->listeners[i])
            json_object_set_new(ports, tls_audience_name(i),
                                json_integer(tls_listener_port(app->listeners[i])));
    return ports;
}

static int get_server(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    json_auto_t *roles = json_object(), *warnings = json_array(), *devices = NULL, *trust = NULL;
    struct trust_look look = {
        .tx = &tx,
        .tenant_row = request_identity(req)->tenant_row,
        .now = request_now(req),
        .roles = roles,
        .warnings = warnings,
    };

    if (frame_read(req, &tx, err) || devices_json(&tx, look.tenant_row, &devices, err) ||
        trust_json(&look, &trust, err))
        return HANDLE_FAILED;
    return reply_json(
        reply, 200,
        json_pack("{s:s, s:o, s:o, s:i, s:o, s:O, s:o, s:O, s:O}", "version", app->version, "now",
                  json_from_time(look.now), "started_at", json_from_time(app->started_at),
                  "device_port",
                  app->listeners[TLS_DEVICES] ? tls_listener_port(app->listeners[TLS_DEVICES]) : 0,
                  "ports", ports_json(app), "devices", devices, "counts", counts_json(app), "trust",
                  trust, "warnings", warnings));
}

static int audit_reload(struct tx *tx, void *arg, struct error *err)
{
    return frame_audit(arg, tx, "server.reload", "certificates", NULL, err);
}

static int post_reload(struct request *req, struct reply *reply, struct error *err)
{
    struct app *app = request_app(req);
    struct error why = {0};

    if (app->reload(app, &why))
        return fail(err, PROBLEM_UNPROCESSABLE, "%.180s", error_text(&why));
    if (store_write(app->store, audit_reload, req, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

static const struct route rows[] = {
    {"GET",  "/api/v1/server",        AUDIENCE_OPERATOR, "server:read",  READ, NO_BODY,  0,   get_server, NULL},
    {"POST", "/api/v1/server/reload", AUDIENCE_OPERATOR, "system:admin", WORK, RAW_BODY, KIB,
     post_reload,                                                                                         NULL},
};
const struct routes server_routes = {rows, COUNT_OF(rows)};
