/* SPDX-License-Identifier: Apache-2.0 */
/* A reply is filled on whatever thread the handler runs on; it becomes libmicrohttpd's on the
 * connection's thread, in reply_response(). */
#include "http/internal.h"

#include "core/digest.h"

#include <assert.h>
#include <string.h>

void reply_start(struct reply *reply, struct request *req)
{
    reply->request = req; /* the rest was zeroed with the request */
}

void reply_drop_body(struct reply *reply)
{
    free(reply->owned);
    reply->owned = NULL;
    reply->constant = NULL;
    reply->length = 0;
    reply->type = NULL;
    reply->etag[0] = '\0';
    reply->transfer.has_body = false;
    reply->body = REPLY_EMPTY;
}

void reply_drop(struct reply *reply)
{
    reply_drop_body(reply);
    text_clear(&reply->headers);
    reply->has_cache_control = false;
}

int reply_empty(struct reply *reply, int status)
{
    reply_drop_body(reply);
    reply->status = status;
    return HANDLE_OK;
}

static int take_bytes(struct reply *reply, int status, const char *type, char *bytes, size_t length)
{
    if (!bytes)
        return HANDLE_FAILED;
    reply_drop_body(reply);
    reply->status = status;
    reply->type = type;
    reply->owned = bytes;
    reply->length = length;
    reply->body = REPLY_OWNED;
    return HANDLE_OK;
}

int reply_json_text(struct reply *reply, int status, struct text *json, bool with_etag)
{
    const struct request *req = reply->request;
    const char *known = req->head.known[FIELD_IF_NONE_MATCH];
    bool is_get = req->method == METHOD_GET || req->method == METHOD_HEAD;
    size_t length = json->length;
    char etag[ETAG_SIZE] = "";

    if (with_etag && is_get && status == 200 && !json->is_broken)
        etag_of(json->at, length, etag);
    if (etag[0] && known && etag_is_listed(known, etag, false)) {
        text_clear(json);
        reply_empty(reply, 304);
    } else if (take_bytes(reply, status, "application/json", text_take(json), length)) {
        return HANDLE_FAILED;
    }
    memcpy(reply->etag, etag, sizeof etag);
    return HANDLE_OK;
}

void reply_json_type(struct reply *reply, const char *type)
{
    if (reply->body == REPLY_OWNED) /* 304 has none */
        reply->type = type;
}

int reply_json(struct reply *reply, int status, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

    json_decref(value);
    return take_bytes(reply, status, "application/json", text, text ? strlen(text) : 0);
}

int reply_bytes(struct reply *reply, int status, const char *type, const void *bytes, size_t length)
{
    char *copy = malloc(length ? length : 1);

    if (copy && length)
        memcpy(copy, bytes, length);
    return take_bytes(reply, status, type, copy, length);
}

int reply_static(struct reply *reply, int status, const char *type, const void *bytes,
                 size_t length)
{
    reply_drop_body(reply);
    reply->status = status;
    reply->type = type;
    reply->constant = bytes;
    reply->length = length;
    reply->body = REPLY_STATIC;
    return HANDLE_OK;
}

void reply_written(const struct reply *reply, int *ret_status, const void **ret_bytes,
                   size_t *ret_length)
{
    bool is_empty = reply->body == REPLY_EMPTY;

    *ret_status = reply->status;
    *ret_bytes = reply->body == REPLY_OWNED ? reply->owned : is_empty ? "" : NULL;
    *ret_length = reply->body == REPLY_OWNED ? reply->length : 0;
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
    for (const char *at = value; *at; at++)
        assert((unsigned char)*at >= 0x20 && *at != 0x7f);
    text_append_bytes(&reply->headers, name, strlen(name) + 1);
    text_append_bytes(&reply->headers, value, strlen(value) + 1);
    if (text_same_ignoring_case(name, "Cache-Control"))
        reply->has_cache_control = true;
}

/* A detail cut to its array may end in the middle of a character. */
static void append_member(struct text *json, const char *name, const char *value)
{
    char copy[256];
    size_t length = strnlen(value, sizeof copy - 1);

    if (length == 0)
        return;
    memcpy(copy, value, length);
    while (!utf8_ok(copy, length))
        length--;
    copy[length] = '\0';
    text_format(json, ",\"%s\":", name);
    text_json_string(json, copy);
}

static void write_problem(const struct request *req, const struct error *err, struct text *json)
{
    const char *slug = problem_slug(err->problem);

    text_format(json, "{\"type\":\"urn:otad:problem:%s\",\"title\":", slug);
    text_json_string(json, problem_title(err->problem));
    text_format(json, ",\"status\":%d,\"code\":\"%s\"", problem_status(err->problem), slug);
    append_member(json, "detail", err->detail);
    append_member(json, "field", err->field);
    append_member(json, "request_id", req->id);
    text_append(json, "}");
}

/* Clients that all were refused in one moment must not all come back in another. */
static void spread_retries(struct reply *reply)
{
    char seconds[8];

    snprintf(seconds, sizeof seconds, "%d", 30 + (int)(random_number() % 271));
    reply_header(reply, "Retry-After", seconds);
}

void reply_problem(struct reply *reply, const struct error *err)
{
    const struct request *req = reply->request;
    const struct http_hooks *hooks = &request_server(req)->hooks;
    int status = problem_status(err->problem);
    struct text body = {0};
    const char *type = NULL;

    reply_drop_body(reply);
    reply->status = status;
    if (hooks->write_error && req->raw_path)
        type = hooks->write_error(req->raw_path, err, &body);
    if (!type) {
        text_clear(&body);
        write_problem(req, err, &body);
        type = "application/problem+json";
    }
    size_t length = body.length;
    if (length > 0)
        take_bytes(reply, status, type, text_take(&body), length);
    else
        text_clear(&body);
    if (status == 401 && (!req->route || req->route->audience == AUDIENCE_OPERATOR))
        reply_header(reply, "WWW-Authenticate", "Bearer");
    if (status == 503)
        spread_retries(reply);
}

static struct MHD_Response *body_response(struct reply *reply)
{
    struct MHD_Response *response = NULL;

    switch (reply->body) {
    case REPLY_OWNED:
        response =
            MHD_create_response_from_buffer(reply->length, reply->owned, MHD_RESPMEM_MUST_FREE);
        if (response)
            reply->owned = NULL;
        break;
    case REPLY_STATIC:
        response = MHD_create_response_from_buffer(
            reply->length, (void *)(uintptr_t)reply->constant, MHD_RESPMEM_PERSISTENT);
        break;
    case REPLY_CONTENT:
        response = transfer_response(reply);
        break;
    case REPLY_UNSET:
    case REPLY_EMPTY:
        response =
            MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
        break;
    }
    return response;
}

static bool add_header(struct reply *reply, struct MHD_Response *response, const char *name,
                       const char *value)
{
    reply->transfer.head_length += (int64_t)(strlen(name) + strlen(value)) + 4;
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_headers(struct reply *reply, struct MHD_Response *response)
{
    bool ok = !reply->headers.is_broken;

    ok = ok && add_header(reply, response, "X-Content-Type-Options", "nosniff");
    if (reply->type)
        ok = ok && add_header(reply, response, "Content-Type", reply->type);
    if (reply->etag[0])
        ok = ok && add_header(reply, response, "ETag", reply->etag);
    if (!reply->has_cache_control)
        ok = ok && add_header(reply, response, "Cache-Control", "no-store");
    if (request_server(reply->request)->strict_transport)
        ok = ok && add_header(reply, response, "Strict-Transport-Security", "max-age=31536000");
    for (const char *at = reply->headers.at;
         ok && at < reply->headers.at + reply->headers.length;) {
        const char *value = at + strlen(at) + 1;
        ok = add_header(reply, response, at, value);
        at = value + strlen(value) + 1;
    }
    return ok;
}

struct MHD_Response *reply_response(struct reply *reply)
{
    struct MHD_Response *response = body_response(reply);

    if (response && !add_headers(reply, response)) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}
