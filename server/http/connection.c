/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd's callbacks: from the request line to the last byte of the reply.
 *
 * It calls for the headers, for pieces of the body, and when the request is complete. A reply given
 * to the first call ends the connection, so that is where requests are answered that two parsers
 * could read in two ways: nothing that follows is ever taken for a request. Other refusals wait for
 * the end of a small body and leave the connection usable. */
#include "http/connection.h"

#include "http/internal.h"

#include "core/log.h"
#include "tls/socket.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#define SWALLOWED_BODY_MAX MIB /* libcurl asks with "Expect" before it sends more */

void *connection_request_line(void *lane, const char *target, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct client *client = info ? info->socket_context : NULL;

    (void)lane;
    return client ? request_begin(client, connection, target) : NULL;
}

static enum MHD_Result send_reply(struct request *req)
{
    struct error err = {0};

    if (transfer_confirm(&req->reply, &err)) {
        reply_drop(&req->reply);
        request_fail(req, &err);
    }
    if (request_server(req)->closes_strangers && !req->client->is_proven &&
        req->reply.status >= 400)
        reply_header(&req->reply, "Connection", "close");
    struct MHD_Response *response = reply_response(&req->reply);
    if (!response)
        return MHD_NO;
    req->step = STEP_SENDING;
    secure_socket_phase(req->client->fd, SOCKET_REPLY);
    enum MHD_Result result =
        MHD_queue_response(req->connection, (unsigned)req->reply.status, response);
    MHD_destroy_response(response);
    return result;
}

/* -- the head -- */

struct head_reading {
    struct head *head;
    struct error *err;
    bool failed;
};

static enum MHD_Result read_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                  size_t name_length, const char *value, size_t value_length)
{
    struct head_reading *reading = arg;

    (void)kind;
    reading->failed =
        head_add(reading->head, name, name_length, value, value_length, reading->err) != 0;
    return reading->failed ? MHD_NO : MHD_YES;
}

static int check_head(struct request *req, const char *path, const char *version, struct error *err)
{
    const struct http_server *server = request_server(req);
    struct head_reading reading = {.head = &req->head, .err = err};

    head_start(&req->head);
    if (atomic_load_explicit(&server->is_draining, memory_order_relaxed))
        return fail(err, PROBLEM_UNAVAILABLE, "the server is being stopped");
    if (!req->target)
        return fail(err, PROBLEM_UNAVAILABLE, "out of memory");
    if (strlen(path) > PATH_LENGTH_MAX)
        return fail(err, PROBLEM_URI_TOO_LONG, "paths have at most %d bytes", PATH_LENGTH_MAX);
    req->raw_path = path;
    MHD_get_connection_values_n(req->connection, MHD_HEADER_KIND, read_field, &reading);
    if (reading.failed || head_check(&req->head, req->method, version, server->host_names, err))
        return -1;
    if (path_split(path, req->target, &req->path, err) ||
        query_split(req->query_text, &req->query, err))
        return -1;
    return request_write_base_url(req, err);
}

static bool is_root(const struct request *req)
{
    return req->path.count == 1 && !*req->path.segments[0] &&
           (req->method == METHOD_GET || req->method == METHOD_HEAD);
}

static int find_route(struct request *req, struct error *err)
{
    const struct http_server *server = request_server(req);
    struct routed routed = {0};

    router_find(server->router, req->method, &req->path, &routed);
    if (!routed.allow)
        return fail(err, PROBLEM_NOT_FOUND, "%s", "");
    if (!routed.route) {
        reply_header(&req->reply, "Allow", routed.allow);
        return fail(err, PROBLEM_METHOD_NOT_ALLOWED, "%s", "");
    }
    req->route = routed.route;
    memcpy(req->parameters, routed.parameters, sizeof req->parameters);
    return 0;
}

static bool has_body(const struct request *req)
{
    return req->head.is_chunked || req->head.content_length > 0;
}

/* Who waits for "100 Continue", or has much to send, is answered at once; that ends the connection.
 */
static bool is_body_unwanted(const struct request *req)
{
    return has_body(req) && (req->head.is_chunked || req->head.known[FIELD_EXPECT] ||
                             req->head.content_length > SWALLOWED_BODY_MAX);
}

static enum MHD_Result head_over(struct request *req)
{
    if (req->step == STEP_ANSWERED && is_body_unwanted(req))
        return send_reply(req);
    req->is_head_open = false;
    if (has_body(req))
        secure_socket_phase(req->client->fd, SOCKET_BODY);
    return MHD_YES;
}

static enum MHD_Result head_known(struct request *req)
{
    struct error err = {0};

    if (request_authorise(req, &err) || body_check(req, &err))
        request_fail(req, &err);
    else
        req->step = STEP_BODY;
    return head_over(req);
}

static enum MHD_Result handle_head(struct request *req, const char *path, const char *version)
{
    struct error err = {0};

    if (check_head(req, path, version, &err)) {
        request_fail(req, &err);
        return send_reply(req);
    }
    if (request_server(req)->redirect_root && is_root(req)) {
        reply_header(&req->reply, "Location", "/console/");
        reply_empty(&req->reply, 302);
        req->step = STEP_ANSWERED;
        return head_over(req);
    }
    int result = find_route(req, &err) ? HANDLE_FAILED : request_identify(req, false, &err);
    if (result == HANDLE_AS_WRITE)
        return request_identify_on_writer(req) ? head_over(req) : MHD_YES;
    if (result == HANDLE_OK)
        return head_known(req);
    request_fail(req, &err);
    return head_over(req);
}

/* -- body and end -- */

/* What comes after a refusal is thrown away; a chunked body without end is cut. */
static enum MHD_Result handle_bytes(struct request *req, const char *bytes, size_t count)
{
    struct error err = {0};

    if (req->step == STEP_BODY) {
        if (body_take(req, bytes, count, &err))
            request_fail(req, &err);
        return MHD_YES;
    }
    req->body_swallowed += (int64_t)count;
    return req->head.is_chunked && req->body_swallowed > SWALLOWED_BODY_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result handle_end(struct request *req)
{
    struct error err = {0};

    if (body_end(req, &err)) {
        request_fail(req, &err);
        return send_reply(req);
    }
    return request_perform(req) ? send_reply(req) : MHD_YES;
}

enum MHD_Result connection_handle(void *lane, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *count, void **context)
{
    struct request *req = *context;
    enum MHD_Result result = MHD_NO;

    (void)lane, (void)connection;
    if (!req)
        return MHD_NO;
    log_set_request(req->id);
    if (*count) {
        result = handle_bytes(req, bytes, *count);
        *count = 0;
    } else {
        switch (req->step) {
        case STEP_HEAD:
            request_run(req);
            req->method = method_from_text(method);
            result = handle_head(req, url, version);
            break;
        case STEP_KNOWN:
            result = head_known(req);
            break;
        case STEP_BODY:
            result = handle_end(req);
            break;
        case STEP_ANSWERED:
            result = req->is_head_open ? head_over(req) : send_reply(req);
            break;
        case STEP_SENDING:
            break;
        }
    }
    log_set_request(NULL);
    return result;
}

void connection_completed(void *lane, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code)
{
    struct request *req = *context;
    bool is_complete = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;

    (void)lane, (void)connection;
    if (!req)
        return;
    log_set_request(req->id);
    transfer_end(&req->reply, is_complete && req->step == STEP_SENDING);
    if (req->reply.status >= 400)
        atomic_fetch_add_explicit(&req->client->lane->errors, 1, memory_order_relaxed);
    access_log(req, is_complete);
    secure_socket_phase(req->client->fd, SOCKET_IDLE);
    log_set_request(NULL);
    request_end(req);
    *context = NULL;
}

/* -- connections -- */

/* A descriptor that is not OpenSSL's: unit tests and the self-test. */
static void peer_of_plain_socket(int fd, struct peer *ret)
{
    socklen_t length = sizeof ret->address;
    const void *address = NULL;

    if (getpeername(fd, (struct sockaddr *)&ret->address, &length))
        return;
    if (ret->address.ss_family == AF_INET)
        address = &((const struct sockaddr_in *)&ret->address)->sin_addr;
    else if (ret->address.ss_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)&ret->address)->sin6_addr;
    if (address)
        inet_ntop(ret->address.ss_family, address, ret->address_text, sizeof ret->address_text);
}

static struct client *client_new(struct lane *lane, int fd)
{
    struct client *client = calloc(1, sizeof *client);
    const struct peer *peer = secure_socket_peer(fd);
    struct error err;

    if (!client)
        return NULL;
    client->lane = lane;
    client->fd = fd;
    if (peer)
        client->peer = *peer;
    else
        peer_of_plain_socket(fd, &client->peer);
    if (connection_limits_add(lane->server->limits, &client->peer, &err)) {
        free(client);
        return NULL;
    }
    atomic_fetch_add_explicit(&lane->connections, 1, memory_order_relaxed);
    return client;
}

/* A connection without a client (memory was out) is closed at its first request. */
void connection_notify(void *lane, struct MHD_Connection *connection, void **socket_context,
                       enum MHD_ConnectionNotificationCode code)
{
    struct client *client = *socket_context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        *socket_context = client_new(lane, fd);
    } else if (client) {
        request_abandon(client);
        connection_limits_remove(client->lane->server->limits, &client->peer);
        free(client);
        *socket_context = NULL;
    }
}
