/* SPDX-License-Identifier: Apache-2.0 */
/* One device's HTTP/1.1 connection: a request at a time, reconnecting when it must. */
#ifndef OTAD_FLEET_HTTP_H
#define OTAD_FLEET_HTTP_H

#include "client.h"
#include "core/text.h"

enum http_end {
    HTTP_ANSWERED,
    HTTP_BROKEN,    /* no connection, no whole answer, or not HTTP as we know it */
    HTTP_STOPPED,   /* the sink had enough; cut in mid-body, as a lost link does it */
    HTTP_UNTRUSTED, /* the server's certificate is not for us: see verify_result */
};

struct http_reply {
    int status;
    int64_t length;      /* of the body; -1 when not told */
    int64_t range_first; /* of Content-Range; -1 without */
    int64_t range_whole;
    char etag[80];
    bool closes;
    struct text body; /* what no sink took */
};

/* `reply` is valid during the call; http_send() may be called from it. */
typedef void (*http_done_fn)(void *arg, enum http_end end, const struct http_reply *reply);
/* Takes the body of a 200 or 206; false cuts the connection. */
typedef bool (*http_sink_fn)(void *arg, const struct http_reply *reply, const uint8_t *bytes,
                             size_t count);

struct http_request {
    const char *method, *path;
    const char *headers; /* whole lines, or NULL */
    const char *json;    /* a body, or NULL */
    http_sink_fn sink;   /* or NULL: the body is collected */
    http_done_fn done;
};

enum http_state {
    HTTP_CLOSED,
    HTTP_CONNECTING,
    HTTP_SHAKING,
    HTTP_SENDING,
    HTTP_READING,
    HTTP_IDLE
};

struct http {
    struct client *client;
    struct identity *identity;
    void *arg; /* of sink and done */
    enum http_state state;
    int fd;
    SSL *ssl;
    struct watch watch;
    struct timer deadline;
    struct text out; /* the request as sent */
    size_t out_sent;
    struct text head;
    int64_t body_left; /* -1: the head is not complete */
    bool is_reused;    /* an idle connection may die under a new request: try once more */
    bool is_head;
    struct http_reply reply;
    http_sink_fn sink;
    http_done_fn done;
    long verify_result; /* X509_V_… of the last handshake */
};

void http_init(struct http *http, struct client *client, struct identity *identity, void *arg);
void http_send(struct http *http, const struct http_request *request);
/* Orderly, for a device that goes to sleep. */
void http_close(struct http *http);

#endif
