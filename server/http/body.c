/* SPDX-License-Identifier: Apache-2.0 */
#include "http/internal.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Parameters say nothing here: JSON is in UTF-8 whatever a charset claims (RFC 8259 section 11),
 * and other bytes are refused when it is read. */
static bool is_json_type(const char *type)
{
    static const char json[] = "application/json";

    if (!type || strncasecmp(type, json, sizeof json - 1) != 0)
        return false;
    const char *rest = type + sizeof json - 1;
    rest += strspn(rest, " \t");
    return !*rest || *rest == ';';
}

static bool takes_json(const struct route *route)
{
    return route->body == JSON_BODY || route->body == OPTIONAL_JSON_BODY;
}

static int check_form(const struct request *req, struct error *err)
{
    const char *coding = req->head.known[FIELD_CONTENT_ENCODING];

    if (coding && strcasecmp(coding, "identity") != 0)
        return fail_field(err, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "Content-Encoding",
                          "bodies are taken as they are");
    if (takes_json(req->route) && !is_json_type(req->head.known[FIELD_CONTENT_TYPE]))
        return fail_field(err, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "Content-Type",
                          "application/json is taken here");
    return 0;
}

/* Files have a limit only where their row gives one; open_body knows better. */
static size_t limit_of(const struct request *req)
{
    const struct route *route = req->route;
    size_t most = request_server(req)->body_max;

    if (route->body == FILE_BODY)
        return route->body_limit ? route->body_limit : SIZE_MAX;
    return route->body_limit < most ? route->body_limit : most;
}

static bool is_too_large(const struct request *req, int64_t length)
{
    return length > 0 && (uint64_t)length > limit_of(req);
}

static int too_large(const struct request *req, struct error *err)
{
    return fail(err, PROBLEM_TOO_LARGE, "at most %zu bytes are taken here", limit_of(req));
}

int body_check(struct request *req, struct error *err)
{
    const struct route *route = req->route;
    int64_t length = req->head.content_length;

    if (route->body == NO_BODY) {
        if (length > 0 || req->head.is_chunked)
            return fail(err, PROBLEM_BAD_REQUEST, "no body is taken here");
        return 0;
    }
    if (route->body == OPTIONAL_JSON_BODY && length <= 0 && !req->head.is_chunked)
        return 0;
    if (length < 0 && !req->head.is_chunked)
        return fail_field(err, PROBLEM_LENGTH_REQUIRED, "Content-Length", "missing");
    if (check_form(req, err))
        return -1;
    if (is_too_large(req, length))
        return too_large(req, err);
    return route->body == FILE_BODY ? route->open_body(req, length, err) : 0;
}

static int append_to_file(struct request *req, const char *bytes, size_t count, struct error *err)
{
    while (count > 0) {
        ssize_t written =
            pwrite(req->stream.fd, bytes, count, req->stream.offset + req->stream.received);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
            return fail(err, PROBLEM_OUT_OF_SPACE, "%s", "");
        if (written < 0)
            return fail_internal(err, "write the body to its file: %m");
        req->stream.received += written;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

int body_take(struct request *req, const char *bytes, size_t count, struct error *err)
{
    req->body_received += (int64_t)count;
    if (is_too_large(req, req->body_received))
        return too_large(req, err);
    if (req->route->body == FILE_BODY)
        return append_to_file(req, bytes, count, err);
    text_append_bytes(&req->body, bytes, count);
    return req->body.is_broken ? fail(err, PROBLEM_UNAVAILABLE, "out of memory") : 0;
}

int body_end(struct request *req, struct error *err)
{
    if (!takes_json(req->route))
        return 0;
    if (req->route->body == OPTIONAL_JSON_BODY && !req->body.length) {
        req->json = json_object();
        return req->json ? 0 : fail(err, PROBLEM_UNAVAILABLE, "out of memory");
    }
    int (*read)(const char *, size_t, json_t **, struct error *) =
        req->route->audience == AUDIENCE_DEVICE ? json_read_leniently : json_read;
    return read(req->body.length ? req->body.at : "", req->body.length, &req->json, err);
}
