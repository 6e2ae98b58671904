/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict on a certificate is kept per connection while the store's generation stands still, so
 * that a keep-alive poll asks nobody. A token is looked at every time. */
#include "http/internal.h"

#include "tls/socket.h"

static uint64_t generation_of(const struct http_hooks *hooks)
{
    return hooks->generation ? hooks->generation(hooks->app) : 0;
}

static bool is_kept(const struct identity *kept, uint64_t generation, int64_t now)
{
    return kept->kind != AUDIENCE_ANYONE && kept->generation == generation && now < kept->not_after;
}

int request_identify(struct request *req, bool on_writer, struct error *err)
{
    const struct http_hooks *hooks = &request_server(req)->hooks;
    uint64_t generation = generation_of(hooks);
    struct identity found = {0};

    if (req->route->audience == AUDIENCE_ANYONE || !hooks->identify)
        return 0;
    if (!req->head.known[FIELD_AUTHORIZATION] &&
        is_kept(&req->client->identity, generation, req->now)) {
        req->identity = req->client->identity;
        return 0;
    }
    int result = hooks->identify(hooks->app, req, on_writer, &found, err);
    if (result == HANDLE_OK) {
        found.generation = generation; /* from before: a change in between is noticed next time */
        req->identity = found;
    }
    return result;
}

static void keep(struct client *client, const struct identity *identity)
{
    if (identity->kind != AUDIENCE_ANYONE && !identity->by_token)
        client->identity = *identity;
}

/* Whose connection it is, for those who cut it: without a certificate, whoever asks just now. */
static void label(struct client *client, const struct identity *identity)
{
    int64_t row = identity->kind == AUDIENCE_DEVICE ? identity->row : 0;

    if (client->device_label == row || (!row && client->peer.has_certificate))
        return;
    client->device_label = row;
    secure_socket_label_device(client->fd, row);
}

static int check_audience(const struct request *req, struct error *err)
{
    const struct http_hooks *hooks = &request_server(req)->hooks;
    const struct identity *identity = &req->identity;

    if (req->route->audience == AUDIENCE_ANYONE)
        return 0;
    if (identity->kind == AUDIENCE_ANYONE)
        return fail(err, PROBLEM_UNAUTHENTICATED, "%s", "");
    if (identity->kind != req->route->audience)
        return fail(err, PROBLEM_FORBIDDEN, "%s", "");
    return hooks->authorise ? hooks->authorise(hooks->app, identity, req->route, err) : 0;
}

int request_authorise(struct request *req, struct error *err)
{
    const struct http_hooks *hooks = &request_server(req)->hooks;

    keep(req->client, &req->identity);
    label(req->client, &req->identity);
    if (req->identity.kind != AUDIENCE_ANYONE)
        req->client->is_proven = true;
    if (check_audience(req, err))
        return -1;
    if (hooks->seen && req->identity.kind != AUDIENCE_ANYONE)
        hooks->seen(hooks->app, &req->identity, &req->client->peer,
                    req->head.known[FIELD_USER_AGENT], req->now);
    return 0;
}

int request_still_allowed(struct request *req, struct error *err)
{
    if (req->identity.generation == generation_of(&request_server(req)->hooks))
        return 0;
    int result = request_identify(req, false, err);
    if (result == HANDLE_AS_WRITE)
        return fail(err, PROBLEM_UNAVAILABLE, "who is asking has just changed");
    return result ? -1 : check_audience(req, err);
}
