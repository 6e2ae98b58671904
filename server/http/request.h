/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request as a handler sees it. Everything here is borrowed from the request, which dies
 * in libmicrohttpd's completion callback and nowhere else. */
#ifndef OTAD_HTTP_REQUEST_H
#define OTAD_HTTP_REQUEST_H

#include "core/json.h"
#include "tls/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;

enum audience { AUDIENCE_ANYONE, AUDIENCE_DEVICE, AUDIENCE_OPERATOR };

/* Who is asking; filled by the identify hook, kept per connection while the store's generation
 * stands still and not_after is ahead (tokens are looked at on every request). */
struct identity {
    enum audience kind; /* AUDIENCE_ANYONE: nobody known */
    int64_t row;        /* of the device or the operator */
    int64_t tenant_row;
    char id[65];         /* device id or operator name */
    uint64_t scopes;     /* operators: a set the authorise hook understands */
    int64_t not_after;   /* of the certificate */
    uint64_t generation; /* of the store when this was decided */
    bool by_token;       /* or by another's word: asked anew for every request */
};

void *request_app(const struct request *req);
const char *request_id(const struct request *req);     /* short, random, also in the log */
const char *request_method(const struct request *req); /* HEAD stays HEAD here */
const char *request_path(const struct request *req);   /* as sent, without the query */
bool request_is_head(const struct request *req);
int64_t request_now(const struct request *req); /* wall seconds, fixed for this request */
const struct peer *request_peer(const struct request *req);
const struct identity *request_identity(const struct request *req);

/* A `:name` segment of the route's path, percent-decoded, UTF-8, without NUL. Never NULL for a name
 * that the route has. */
const char *request_parameter(const struct request *req, const char *name);
const char *request_parameter_or_null(const struct request *req, const char *name);
/* A decoded query value, or NULL. The first one counts; a repeated name is refused before. */
const char *request_query(const struct request *req, const char *name);
/* The nth name with its value, in the order sent; NULL behind the last. */
const char *request_query_at(const struct request *req, unsigned n, const char **ret_value);
/* An integer query value; `otherwise` when absent; BAD_FIELD when malformed or out of range. */
int request_query_number(const struct request *req, const char *name, int64_t least, int64_t most,
                         int64_t otherwise, int64_t *ret, struct error *err) MUST_CHECK;
const char *request_header(const struct request *req, const char *name); /* any case; NULL */
const char *request_authorization(const struct request *req);            /* NULL */
/* Every header field in the order sent. */
typedef void (*header_fn)(const char *name, const char *value, void *arg);
void request_each_header(const struct request *req, header_fn each, void *arg);

const json_t *request_json(const struct request *req); /* routes with JSON: parsed, never NULL */
void request_body(const struct request *req, const void **ret, size_t *ret_length);

/* "https://host:port" for absolute links: as a trusted proxy says, else as configured, else from
 * the checked Host header. */
const char *request_base_url(const struct request *req);

/* True when the handler runs on the store's writer thread (WRITE routes, or after HANDLE_AS_WRITE).
 */
bool request_on_writer(const struct request *req);

/* FILE_BODY routes: what open_body put there, and how many bytes were appended. */
void request_set_stream(struct request *req, int fd, int64_t offset, void *context);
/* What becomes of the context: called once when the request ends, however it ends. The descriptor
 * is closed by http/ in any case. */
void request_set_stream_release(struct request *req, void (*release)(void *context));
void *request_stream_context(const struct request *req);
int request_stream_fd(const struct request *req);
int64_t request_stream_received(const struct request *req);
/* A header of the reply to come, for open_body: a refusal may have to name an offset. */
void request_reply_header(struct request *req, const char *name, const char *value);

#endif
