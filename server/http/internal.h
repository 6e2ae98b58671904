/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of http/ share and nobody else sees. */
#ifndef OTAD_HTTP_INTERNAL_H
#define OTAD_HTTP_INTERNAL_H

#include "http/alarm.h"
#include "http/connection_limits.h"
#include "http/etag.h"
#include "http/head.h"
#include "http/range.h"
#include "http/router.h"
#include "http/server.h"
#include "http/uri.h"
#include "http/worker.h"

#include <microhttpd.h>
#include <stdalign.h>
#include <stdatomic.h>

struct client;

enum log_requests { LOG_REQUESTS_NONE, LOG_REQUESTS_ERRORS, LOG_REQUESTS_ALL };

/* One libmicrohttpd daemon with its thread. The counters are written by that thread alone. */
struct lane {
    alignas(64) struct http_server *server;
    struct MHD_Daemon *daemon;
    uint32_t id_prefix, id_next;
    _Atomic uint64_t connections, requests, errors, bytes_content;
    _Atomic int64_t running; /* requests whose head is in and that are not finished */
};

struct http_server {
    char name[16];
    const struct config *config;
    struct http_hooks hooks;
    enum log_requests log_requests;
    bool redirect_root, strict_transport, takes_forwarded, closes_strangers;
    const char *base_url;
    size_t body_max;
    struct router *router;
    struct host_names *host_names;
    struct connection_limits *limits;
    struct workers *workers;
    struct alarms *alarms;
    atomic_bool is_draining, is_stopping;
    atomic_long away; /* connections that are suspended, or about to be */
    atomic_int_fast64_t refused, refused_logged_ms;
    unsigned threads;
    struct lane *lanes;
};

/* Bytes of a reply body that lie in one place. */
struct piece {
    const uint8_t *at;
    int64_t length;
};

/* A content that is being sent. */
struct transfer {
    bool is_there; /* `content` is owned: it is released when the request ends */
    bool has_body; /* bytes of it are to be sent: `finished` is told how it went */
    struct content content;
    char type[64];
    struct range *ranges;
    unsigned range_count; /* 0: the whole */
    char *part_heads;     /* of multipart/byteranges */
    struct piece *pieces; /* what a content reader sends, NULL for whole and single spans */
    unsigned piece_count, piece;
    int64_t piece_offset;
    int64_t body_length;
    uint64_t sent_before; /* by the socket, before this reply */
    int64_t head_length;
    int64_t shaped_since_ms, shaped_bytes; /* they left at the rate since then */
    struct alarm alarm;
};

enum reply_body { REPLY_UNSET, REPLY_EMPTY, REPLY_OWNED, REPLY_STATIC, REPLY_CONTENT };
struct reply {
    struct request *request;
    int status;
    enum reply_body body;
    const char *type; /* constant, or in the request's memory */
    char *owned;
    const void *constant;
    size_t length;
    char etag[ETAG_SIZE];   /* of a JSON text; empty: none */
    struct text headers;    /* "name\0value\0" … */
    bool has_cache_control; /* one of them */
    struct transfer transfer;
};

enum request_step {
    STEP_HEAD,     /* the headers are in */
    STEP_KNOWN,    /* the writer has said who is asking */
    STEP_BODY,     /* allowed; the body comes in, if there is one */
    STEP_ANSWERED, /* the reply is filled; rest of the body is thrown away */
    STEP_SENDING,
};

struct http_job {
    alignas(16) char link[HTTP_JOB_LINK_SIZE];
    struct request *request;
    bool is_identify; /* else: the handler */
    int result;       /* of what was run */
    struct error err;
};

/* From the request line to libmicrohttpd's completion callback, so that an idle connection has
 * none. */
struct request {
    struct client *client;
    struct MHD_Connection *connection;
    enum request_step step;
    bool is_head_open; /* the callback for headers is not over: a reply now ends the connection */
    bool is_running;   /* counted by its lane */
    bool is_on_writer;
    char id[17];
    enum method method;
    const char *raw_path;
    char *target; /* room for the decoded path, then the query; NULL: memory was out */
    char *query_text;
    struct path path;
    struct query_values query;
    struct head head;
    const char *parameters[ROUTE_PARAMETERS_MAX];
    const struct route *route;
    struct identity identity;
    int64_t now, began_ms;
    struct error err;
    struct text body;
    json_t *json;
    struct {
        int fd;
        int64_t offset, received;
        void *context;
        void (*release)(void *context);
    } stream;
    int64_t body_received, body_swallowed;
    int64_t content_first, content_sent; /* of a transfer that has ended: for the log */
    char base_url[BASE_URL_SIZE];
    struct reply reply;
    struct http_job job;
    struct work work;
};

/* One connection; lives from NOTIFY_STARTED to NOTIFY_CLOSED on its lane's thread. */
struct client {
    struct lane *lane;
    int fd;
    struct peer peer;
    struct identity identity; /* kept verdict on the certificate; kind ANYONE: none */
    struct request *open;     /* begun, and not ended yet */
    int64_t device_label;
    bool is_proven; /* one request said who is asking */
};

/* request.c */
struct request *request_begin(struct client *client, struct MHD_Connection *connection,
                              const char *target); /* NULL when memory is out */
void request_end(struct request *req);
/* Ends the request that libmicrohttpd refused by itself: nobody is told of the end of those whose
 * head never came to us. */
void request_abandon(struct client *client);
/* From here on a drain waits for its end. */
void request_run(struct request *req);
struct http_server *request_server(const struct request *req);

/* identify.c */
/* Who is asking: 0, -1, or HANDLE_AS_WRITE when only the writer can tell. */
int request_identify(struct request *req, bool on_writer, struct error *err);
/* May they? On the connection's thread, once the identity is durable. */
int request_authorise(struct request *req, struct error *err) MUST_CHECK;
/* Asks both again if anybody's rights have changed since. */
int request_still_allowed(struct request *req, struct error *err) MUST_CHECK;

/* base_url.c */
/* Writes where links of this request begin; its head was checked. */
int request_write_base_url(struct request *req, struct error *err) MUST_CHECK;

/* body.c */
int body_check(struct request *req, struct error *err) MUST_CHECK; /* before the first byte */
int body_take(struct request *req, const char *bytes, size_t count, struct error *err) MUST_CHECK;
int body_end(struct request *req, struct error *err) MUST_CHECK;

/* perform.c */
/* Runs the handler here, on the writer or on a worker. True: the request is answered. False: its
 * connection is suspended, belongs to the other thread, and libmicrohttpd calls again afterwards.
 */
bool request_perform(struct request *req);
bool request_identify_on_writer(struct request *req); /* likewise */
void request_fail(struct request *req, const struct error *err);
/* Suspends the connection; false when the server is being stopped. */
bool request_go_away(struct request *req);
/* Resumes it. The request may be over when this returns. Any thread. */
void request_come_back(struct request *req);

/* reply.c */
void reply_start(struct reply *reply, struct request *req);
void reply_drop_body(struct reply *reply); /* and what belongs to it; headers stay */
void reply_drop(struct reply *reply);      /* headers too: for an answer that may not be given */
void reply_problem(struct reply *reply, const struct error *err);
struct MHD_Response *reply_response(struct reply *reply); /* NULL when memory is out */

/* content.c */
/* Labels the connection, then makes sure that what was allowed still is. */
int transfer_confirm(struct reply *reply, struct error *err) MUST_CHECK;
struct MHD_Response *transfer_response(struct reply *reply);
/* Tells `finished` and releases the content. */
void transfer_end(struct reply *reply, bool is_complete);

/* access_log.c */
void access_log(const struct request *req, bool is_complete);

#endif
