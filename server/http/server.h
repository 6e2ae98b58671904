/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd and nothing of our domain: connections in, routes looked up, handlers called on the
 * thread their row asks for, replies out. */
#ifndef OTAD_HTTP_SERVER_H
#define OTAD_HTTP_SERVER_H

#include "core/config.h"
#include "http/reply.h"
#include "http/request.h"

enum handled { HANDLE_FAILED = -1, HANDLE_OK = 0, HANDLE_AS_WRITE = 1 };

/* HANDLE_FAILED with err filled: a problem document (or what write_error makes) is sent.
 * HANDLE_AS_WRITE (READ and WORK rows): the same handler runs again on the writer, where
 * request_on_writer() is true; the reply must still be untouched. */
typedef int (*handler_fn)(struct request *req, struct reply *reply, struct error *err);

enum access {
    READ,  /* on the connection's thread; must not block */
    WRITE, /* on the store's writer thread, in a savepoint; the reply leaves after the commit */
    WORK,  /* on a worker thread; may block (hash a file, wait for a commit) */
};
enum body_kind {
    NO_BODY,
    JSON_BODY,
    OPTIONAL_JSON_BODY, /* an empty object stands for none */
    RAW_BODY,
    FILE_BODY
};

struct route {
    const char *method; /* GET answers HEAD too */
    const char *path;   /* "/api/v1/devices/:id"; matched by segment */
    enum audience audience;
    const char *scope; /* operators: what the identity must be allowed, e.g. "inventory:read" */
    enum access access;
    enum body_kind body;
    size_t body_limit; /* of bodies that are collected in memory */
    handler_fn handle;
    /* FILE_BODY: called when the headers are in, on the connection's thread; opens the descriptor
     * the body is appended to (request_set_stream). `length` is Content-Length, -1 when chunked. */
    int (*open_body)(struct request *req, int64_t length, struct error *err);
};
struct routes {
    const struct route *at;
    size_t count;
};

struct http_job; /* one request on its way to the writer */

struct http_hooks {
    void *app;
    /* Fills `ret`. HANDLE_AS_WRITE when the answer needs a write (an unknown certificate to
     * register): it is called again on the writer. */
    int (*identify)(void *app, const struct request *req, bool on_writer, struct identity *ret,
                    struct error *err);
    /* May this identity use this row? 0 or HANDLE_FAILED. Called after identify on every request.
     */
    int (*authorise)(void *app, const struct identity *identity, const struct route *route,
                     struct error *err);
    /* Calls the row's handler, or answers in its place; NULL: the handler is called. On the thread
     * and as often as the handler would be. */
    int (*perform)(void *app, const struct route *route, struct request *req, struct reply *reply,
                   struct error *err);
    /* The store's generation: while it is unchanged a connection keeps its certificate's verdict.
     */
    uint64_t (*generation)(void *app);
    /* Queues http_job_run() for the writer; afterwards http_job_done() must be called exactly once,
     * when the commit is on disk (is_durable) or lost. Fails with UNAVAILABLE when the queue is
     * full. */
    int (*submit)(void *app, struct http_job *job, struct error *err);
    /* Every identified request, for last-seen. Must not block. */
    void (*seen)(void *app, const struct identity *identity, const struct peer *peer,
                 const char *user_agent, int64_t now);
    /* Writes the body of an error in the shape the path's clients expect; NULL: always RFC 9457.
     * When it returns NULL as well, RFC 9457. Returns the content type. */
    const char *(*write_error)(const char *path, const struct error *err, struct text *ret);
};

/* Runs the handler; 0 when its savepoint may join the commit, -1 when it must be rolled back. */
int http_job_run(struct http_job *job);
void http_job_done(struct http_job *job, bool is_durable);
/* Storage for the writer's queue, inside the job: one pointer-sized link and a back reference. */
void *http_job_link(struct http_job *job);
#define HTTP_JOB_LINK_SIZE 64

/* Is this a start of links: scheme, host, port, nothing more? */
bool base_url_ok(const char *url);

struct http_server;
struct http_server_options {
    const char *name; /* "device" or "operator": for the log */
    const struct config *config;
    unsigned threads;                   /* libmicrohttpd daemons, one thread each */
    const struct routes *const *routes; /* NULL-terminated list of tables */
    struct http_hooks hooks;
    bool redirect_root;    /* GET / goes to /console/ */
    int64_t body_max;      /* bodies in memory, whatever a row allows; 0: the rows alone */
    const char *base_url;  /* of links, in place of the host that was asked, and base_url_ok(); NULL
                              or "": none */
    bool takes_forwarded;  /* links begin as X-Forwarded-Proto, -Host and -Port of trusted peers say
                            */
    bool closes_strangers; /* a refusal ends the connection of who never showed who they are */
    bool strict_transport; /* replies carry Strict-Transport-Security: for listeners browsers use */
};
int http_server_start(const struct http_server_options *options, struct http_server **ret,
                      struct error *err) MUST_CHECK;
/* Takes the descriptor. `thread` < options.threads. Handshake threads. Suits connection_fn. */
void http_server_add(void *server, unsigned thread, int fd, const struct peer *peer);
/* No new requests are begun; waits until running ones are answered, at most `timeout_ms`. */
void http_server_drain(struct http_server *server, int64_t timeout_ms);
/* Waits for the requests that are with the writer or a worker, so those must still be running; cuts
 * the others. */
void http_server_stop(struct http_server **server);

/* secure_socket_self_test() with a libmicrohttpd daemon of our making. At start, before listeners.
 */
int http_self_test(struct error *err) MUST_CHECK;

struct http_counts {
    uint64_t connections, requests, errors, bytes_content;
};
void http_server_count(const struct http_server *server, struct http_counts *ret);

#endif
