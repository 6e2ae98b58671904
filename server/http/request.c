/* SPDX-License-Identifier: Apache-2.0 */
#include "http/internal.h"

#include "core/clock.h"

#include <assert.h>
#include <string.h>

/* Unique enough to find a line in the log; drawing random bytes for each would cost more than the
 * rest of a small request. */
static void write_id(struct lane *lane, char id[17])
{
    uint32_t parts[2] = {lane->id_prefix, __builtin_bswap32(lane->id_next++)};

    hex_from_bytes(parts, sizeof parts, id);
}

/* libmicrohttpd is about to cut the request line into pieces. The query is copied; for the path
 * there is room to be decoded into. */
static void take_target(struct request *req, const char *target)
{
    size_t path_length = strcspn(target, "?");
    const char *query = target[path_length] ? target + path_length + 1 : "";

    req->target = malloc(path_length + 1 + strlen(query) + 1);
    if (!req->target)
        return;
    req->query_text = req->target + path_length + 1;
    strcpy(req->query_text, query);
}

struct request *request_begin(struct client *client, struct MHD_Connection *connection,
                              const char *target)
{
    struct lane *lane = client->lane;

    request_abandon(client);
    struct request *req = calloc(1, sizeof *req);
    if (!req)
        return NULL;
    client->open = req;
    req->client = client;
    req->connection = connection;
    req->is_head_open = true;
    req->step = STEP_HEAD;
    req->stream.fd = -1;
    req->job.request = req;
    req->now = clock_wall();
    req->began_ms = clock_monotonic_ms();
    write_id(lane, req->id);
    take_target(req, target ? target : "");
    reply_start(&req->reply, req);
    atomic_fetch_add_explicit(&lane->requests, 1, memory_order_relaxed);
    return req;
}

void request_run(struct request *req)
{
    req->is_running = true;
    atomic_fetch_add_explicit(&req->client->lane->running, 1, memory_order_relaxed);
}

static void stream_end(struct request *req)
{
    if (req->stream.fd >= 0)
        close(req->stream.fd);
    if (req->stream.release)
        req->stream.release(req->stream.context);
}

void request_end(struct request *req)
{
    stream_end(req);
    reply_drop(&req->reply);
    text_clear(&req->body);
    if (req->json)
        json_decref(req->json);
    free(req->target);
    req->client->open = NULL;
    if (req->is_running)
        atomic_fetch_sub_explicit(&req->client->lane->running, 1, memory_order_relaxed);
    free(req);
}

void request_abandon(struct client *client)
{
    if (client->open)
        request_end(client->open);
}

struct http_server *request_server(const struct request *req)
{
    return req->client->lane->server;
}

void *request_app(const struct request *req)
{
    return request_server(req)->hooks.app;
}

const char *request_id(const struct request *req)
{
    return req->id;
}

const char *request_method(const struct request *req)
{
    return method_text(req->method);
}

const char *request_path(const struct request *req)
{
    return req->raw_path;
}

bool request_is_head(const struct request *req)
{
    return req->method == METHOD_HEAD;
}

int64_t request_now(const struct request *req)
{
    return req->now;
}

const struct peer *request_peer(const struct request *req)
{
    return &req->client->peer;
}

const struct identity *request_identity(const struct request *req)
{
    return &req->identity;
}

const char *request_parameter_or_null(const struct request *req, const char *name)
{
    size_t length = strlen(name);
    unsigned index = 0;

    for (const char *at = strstr(req->route->path, "/:"); at; at = strstr(at + 1, "/:"), index++)
        if (strncmp(at + 2, name, length) == 0 && (at[2 + length] == '/' || !at[2 + length]))
            return req->parameters[index];
    return NULL;
}

const char *request_parameter(const struct request *req, const char *name)
{
    const char *value = request_parameter_or_null(req, name);

    assert(value); /* the route has a parameter of this name */
    return value;
}

const char *request_query(const struct request *req, const char *name)
{
    for (unsigned i = 0; i < req->query.count; i++)
        if (strcmp(req->query.at[i].name, name) == 0)
            return req->query.at[i].value;
    return NULL;
}

const char *request_query_at(const struct request *req, unsigned n, const char **ret_value)
{
    if (n >= req->query.count)
        return NULL;
    *ret_value = req->query.at[n].value;
    return req->query.at[n].name;
}

int request_query_number(const struct request *req, const char *name, int64_t least, int64_t most,
                         int64_t otherwise, int64_t *ret, struct error *err)
{
    const char *text = request_query(req, name);
    int64_t number = otherwise;

    if (text) {
        bool is_negative = *text == '-';
        if (!number_from_text(text + is_negative, &number))
            return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" must be an integer", name);
        number = is_negative ? -number : number;
        if (number < least || number > most)
            return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" must be from %lld to %lld",
                              name, (long long)least, (long long)most);
    }
    *ret = number;
    return 0;
}

const char *request_header(const struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

struct header_reading {
    header_fn each;
    void *arg;
};

static enum MHD_Result read_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    const struct header_reading *reading = arg;

    (void)kind;
    reading->each(name, value ? value : "", reading->arg);
    return MHD_YES;
}

void request_each_header(const struct request *req, header_fn each, void *arg)
{
    struct header_reading reading = {each, arg};

    MHD_get_connection_values(req->connection, MHD_HEADER_KIND, read_header, &reading);
}

const char *request_authorization(const struct request *req)
{
    return req->head.known[FIELD_AUTHORIZATION];
}

const json_t *request_json(const struct request *req)
{
    return req->json;
}

void request_body(const struct request *req, const void **ret, size_t *ret_length)
{
    *ret = req->body.length ? req->body.at : "";
    *ret_length = req->body.length;
}

const char *request_base_url(const struct request *req)
{
    return req->base_url;
}

bool request_on_writer(const struct request *req)
{
    return req->is_on_writer;
}

void request_set_stream(struct request *req, int fd, int64_t offset, void *context)
{
    req->stream.fd = fd;
    req->stream.offset = offset;
    req->stream.context = context;
}

void request_set_stream_release(struct request *req, void (*release)(void *context))
{
    req->stream.release = release;
}

void *request_stream_context(const struct request *req)
{
    return req->stream.context;
}

int request_stream_fd(const struct request *req)
{
    return req->stream.fd;
}

int64_t request_stream_received(const struct request *req)
{
    return req->stream.received;
}

void request_reply_header(struct request *req, const char *name, const char *value)
{
    reply_header(&req->reply, name, value);
}
