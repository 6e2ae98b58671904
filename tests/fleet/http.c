/* SPDX-License-Identifier: Apache-2.0 */
/* A connection is a small state machine driven by its socket:
 *     closed → connecting → shaking → sending → reading → idle → sending …
 * It ends every request by exactly one call of `done`, after which it touches nothing of the
 * connection any more, since `done` may have started the next request. */
#include "http.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define HEAD_MAX (16 * KIB)
#define BODY_MAX (8 * MIB)
#define SILENCE_MS 30000
#define READS_PER_TURN 16 /* so that one fast download does not starve the other devices */

static void start(struct http *http);

static void drop(struct http *http)
{
    if (http->fd >= 0) {
        loop_unwatch(http->client->loop, http->fd);
        close(http->fd);
    }
    if (http->ssl) {
        /* OpenSSL forgets the session of a connection that was not shut down; devices do not. */
        SSL_set_shutdown(http->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(http->ssl);
    }
    ERR_clear_error();
    http->ssl = NULL;
    http->fd = -1;
    http->state = HTTP_CLOSED;
}

static void finish(struct http *http, enum http_end end)
{
    struct http_reply reply = http->reply;

    timer_clear(http->client->loop, &http->deadline);
    text_clear(&http->out);
    text_clear(&http->head);
    http->reply.body = (struct text){0};
    if (end != HTTP_ANSWERED || reply.closes)
        drop(http);
    else
        http->state = HTTP_IDLE;
    http->done(http->arg, end, &reply);
    text_clear(&reply.body);
}

/* An idle connection that the server closed meanwhile says nothing about the server. */
static void lose(struct http *http)
{
    if (http->is_reused && !http->head.length) {
        http->is_reused = false;
        drop(http);
        start(http);
        return;
    }
    http->client->stats->broken++;
    finish(http, HTTP_BROKEN);
}

static void want(struct http *http, int ssl_result)
{
    int reason = SSL_get_error(http->ssl, ssl_result);

    if (reason == SSL_ERROR_WANT_READ)
        loop_rewatch(http->client->loop, http->fd, EPOLLIN, &http->watch);
    else if (reason == SSL_ERROR_WANT_WRITE)
        loop_rewatch(http->client->loop, http->fd, EPOLLOUT, &http->watch);
    else
        lose(http);
}

/* -- the answer -- */

static void read_header(struct http_reply *reply, char *line)
{
    char *value = strchr(line, ':');

    if (!value)
        return;
    *value++ = 0;
    value += strspn(value, " \t");
    if (text_same_ignoring_case(line, "content-length"))
        reply->length = strtoll(value, NULL, 10);
    else if (text_same_ignoring_case(line, "etag"))
        snprintf(reply->etag, sizeof reply->etag, "%s", value);
    else if (text_same_ignoring_case(line, "connection"))
        reply->closes = text_same_ignoring_case(value, "close");
    else if (text_same_ignoring_case(line, "content-range") && !strncmp(value, "bytes ", 6)) {
        char *slash = strchr(value, '/');

        reply->range_first = strtoll(value + 6, NULL, 10);
        reply->range_whole = slash ? strtoll(slash + 1, NULL, 10) : -1;
    }
}

static bool read_head(struct http *http)
{
    struct http_reply *reply = &http->reply;
    char *rest = http->head.at, *line;
    bool has_body;

    reply->length = reply->range_first = reply->range_whole = -1;
    line = strsep(&rest, "\n");
    if (strncmp(line, "HTTP/1.1 ", 9) || !isdigit((unsigned char)line[9]))
        return false;
    reply->status = atoi(line + 9);
    while ((line = strsep(&rest, "\n")) != NULL) {
        line[strcspn(line, "\r")] = 0;
        read_header(reply, line);
    }
    has_body = !http->is_head && reply->status != 204 && reply->status != 304;
    http->body_left = has_body ? reply->length : 0;
    return http->body_left >= 0;
}

/* False when the answer cannot be followed any further. */
static bool take_body(struct http *http, const uint8_t *bytes, size_t count, bool *ret_stopped)
{
    struct http_reply *reply = &http->reply;

    if ((int64_t)count > http->body_left)
        return false;
    http->body_left -= (int64_t)count;
    if (http->sink && (reply->status == 200 || reply->status == 206)) {
        *ret_stopped = !http->sink(http->arg, reply, bytes, count);
        return true;
    }
    text_append_bytes(&reply->body, bytes, count);
    return reply->body.length <= BODY_MAX && !reply->body.is_broken;
}

/* Cuts the head off the front of what came; what follows it is body. */
static bool take_bytes(struct http *http, const uint8_t *bytes, size_t count, bool *ret_stopped)
{
    size_t seen = http->head.length, head_end;
    const char *end;

    if (http->body_left >= 0)
        return take_body(http, bytes, count, ret_stopped);
    text_append_bytes(&http->head, bytes, count);
    if (http->head.is_broken || http->head.length > HEAD_MAX + CLIENT_BUFFER_SIZE)
        return false;
    end = memmem(http->head.at, http->head.length, "\r\n\r\n", 4);
    if (!end)
        return http->head.length <= HEAD_MAX;
    head_end = (size_t)(end - http->head.at) + 4;
    http->head.at[head_end - 2] = 0;
    if (!read_head(http))
        return false;
    return head_end == seen + count ||
           take_body(http, bytes + (head_end - seen), count - (head_end - seen), ret_stopped);
}

static void read_answer(struct http *http)
{
    for (int turn = 0; turn < READS_PER_TURN; turn++) {
        uint8_t *buffer = http->client->buffer;
        bool is_stopped = false;
        int count = SSL_read(http->ssl, buffer, CLIENT_BUFFER_SIZE);

        if (count <= 0) {
            want(http, count);
            return;
        }
        if (!take_bytes(http, buffer, (size_t)count, &is_stopped)) {
            lose(http);
            return;
        }
        if (is_stopped) {
            finish(http, HTTP_STOPPED);
            return;
        }
        if (!http->body_left) {
            finish(http, HTTP_ANSWERED);
            return;
        }
    }
    timer_set(http->client->loop, &http->deadline, SILENCE_MS);
}

/* -- the request -- */

static void write_request(struct http *http)
{
    while (http->out_sent < http->out.length) {
        int count = SSL_write(http->ssl, http->out.at + http->out_sent,
                              (int)(http->out.length - http->out_sent));

        if (count <= 0) {
            want(http, count);
            return;
        }
        http->out_sent += (size_t)count;
    }
    http->state = HTTP_READING;
    loop_rewatch(http->client->loop, http->fd, EPOLLIN, &http->watch);
}

static void shake_hands(struct http *http)
{
    int result = SSL_connect(http->ssl);
    struct stats *stats = http->client->stats;

    if (result == 1) {
        if (SSL_session_reused(http->ssl))
            stats->resumed_handshakes++;
        else
            stats->full_handshakes++;
        http->state = HTTP_SENDING;
        write_request(http);
        return;
    }
    http->verify_result = SSL_get_verify_result(http->ssl);
    if (http->verify_result != X509_V_OK)
        finish(http, HTTP_UNTRUSTED);
    else
        want(http, result);
}

static void connected(struct http *http)
{
    struct error err = {0};
    int code = 0;
    socklen_t size = sizeof code;

    getsockopt(http->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    if (code) {
        lose(http);
        return;
    }
    if (client_connect(http->client, http->identity, http->fd, &http->ssl, &err)) {
        fprintf(stderr, "otad-fleet: %s\n", error_text(&err));
        lose(http);
        return;
    }
    http->state = HTTP_SHAKING;
    shake_hands(http);
}

/* Tickets, or the server going away. */
static void read_idle(struct http *http)
{
    uint8_t byte;
    int count = SSL_read(http->ssl, &byte, 1);

    if (count > 0 || SSL_get_error(http->ssl, count) != SSL_ERROR_WANT_READ)
        drop(http);
}

static void ready(void *arg, uint32_t events)
{
    struct http *http = arg;

    (void)events;
    switch (http->state) {
    case HTTP_CLOSED:
        break;
    case HTTP_CONNECTING:
        connected(http);
        break;
    case HTTP_SHAKING:
        shake_hands(http);
        break;
    case HTTP_SENDING:
        write_request(http);
        break;
    case HTTP_READING:
        read_answer(http);
        break;
    case HTTP_IDLE:
        read_idle(http);
        break;
    }
}

static void silence(void *arg)
{
    struct http *http = arg;

    http->is_reused = false;
    lose(http);
}

static void start(struct http *http)
{
    struct client *client = http->client;
    struct error err = {0};
    int on = 1;

    http->fd = socket(client->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (http->fd < 0 || loop_watch(client->loop, http->fd, EPOLLOUT, &http->watch, &err)) {
        lose(http);
        return;
    }
    setsockopt(http->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    http->state = HTTP_CONNECTING;
    if (connect(http->fd, (struct sockaddr *)&client->address, client->address_size) &&
        errno != EINPROGRESS)
        lose(http);
}

void http_init(struct http *http, struct client *client, struct identity *identity, void *arg)
{
    *http = (struct http){
        .client = client,
        .identity = identity,
        .arg = arg,
        .fd = -1,
        .watch = {.ready = ready,  .arg = http},
        .deadline = {.fire = silence, .arg = http},
    };
}

void http_send(struct http *http, const struct http_request *request)
{
    text_format(&http->out, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n%s",
                request->method, request->path, http->client->authority,
                request->headers ? request->headers : "");
    if (request->json)
        text_format(&http->out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                    strlen(request->json));
    text_append(&http->out, "\r\n");
    if (request->json)
        text_append(&http->out, request->json);
    http->out_sent = 0;
    http->sink = request->sink;
    http->done = request->done;
    http->is_head = !strcmp(request->method, "HEAD");
    http->reply = (struct http_reply){0};
    http->body_left = -1;
    timer_set(http->client->loop, &http->deadline, SILENCE_MS);
    http->is_reused = http->state == HTTP_IDLE;
    if (http->is_reused) {
        http->state = HTTP_SENDING;
        write_request(http);
    } else {
        start(http);
    }
}

void http_close(struct http *http)
{
    timer_clear(http->client->loop, &http->deadline);
    if (http->ssl && http->state != HTTP_SHAKING)
        SSL_shutdown(http->ssl);
    text_clear(&http->out);
    text_clear(&http->head);
    text_clear(&http->reply.body);
    drop(http);
}
