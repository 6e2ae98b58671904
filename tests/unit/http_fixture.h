/* SPDX-License-Identifier: Apache-2.0 */
/* A real http_server on loopback, without TLS: descriptors that are not in its table go to libc.
 * And a client that waits at most a few seconds, so that a hang is a failure. */
#ifndef OTAD_TESTS_UNIT_HTTP_FIXTURE_H
#define OTAD_TESTS_UNIT_HTTP_FIXTURE_H

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/text.h"
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <assert.h>
#include <setjmp.h>

#include <cmocka.h>
#undef fail /* core/error.h has a function of this name */

#define PATIENCE_S 10

/* -- a writer as the store has one: a thread, a queue, and a commit that can be lost -- */
struct writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct http_job *first, **last;
    int submitted, run; /* jobs */
    int result;         /* of the last one */
    bool is_full, is_lossy, is_held, is_stopping;
};

static struct writer writer;

static inline struct http_job **next_of(struct http_job *job)
{
    return http_job_link(job);
}

static inline void *write_jobs(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&writer.lock);
    while (!writer.is_stopping || writer.first) {
        if (!writer.first || writer.is_held) {
            pthread_cond_wait(&writer.changed, &writer.lock);
            continue;
        }
        struct http_job *job = writer.first;
        bool is_durable = !writer.is_lossy;
        writer.first = *next_of(job);
        if (!writer.first)
            writer.last = &writer.first;
        pthread_mutex_unlock(&writer.lock);
        int result = http_job_run(job);
        pthread_mutex_lock(&writer.lock);
        writer.result = result;
        writer.run++;
        pthread_mutex_unlock(&writer.lock);
        http_job_done(job, is_durable);
        pthread_mutex_lock(&writer.lock);
    }
    pthread_mutex_unlock(&writer.lock);
    return NULL;
}

static inline int submit(void *app, struct http_job *job, struct error *err)
{
    (void)app;
    pthread_mutex_lock(&writer.lock);
    bool is_full = writer.is_full;
    if (!is_full) {
        *next_of(job) = NULL;
        *writer.last = job;
        writer.last = next_of(job);
        writer.submitted++;
        pthread_cond_signal(&writer.changed);
    }
    pthread_mutex_unlock(&writer.lock);
    return is_full ? fail(err, PROBLEM_UNAVAILABLE, "the queue is full") : 0;
}

static inline void writer_set(bool *what, bool value)
{
    pthread_mutex_lock(&writer.lock);
    *what = value;
    pthread_cond_signal(&writer.changed);
    pthread_mutex_unlock(&writer.lock);
}

static inline int writer_number(const int *what)
{
    pthread_mutex_lock(&writer.lock);
    int number = *what;
    pthread_mutex_unlock(&writer.lock);
    return number;
}

/* -- the server -- */
static struct http_server *server;
static struct config *config;
static int listener = -1;
static struct sockaddr_in listener_address;

static inline void start_listener(void)
{
    socklen_t length = sizeof listener_address;

    listener_address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&listener_address, length), 0);
    assert_int_equal(listen(listener, 1024), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&listener_address, &length), 0);
}

static inline void start_server(const struct routes *const *routes, struct http_hooks hooks,
                                unsigned threads)
{
    struct error err = {0};

    writer =
        (struct writer){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    writer.last = &writer.first;
    pthread_create(&writer.thread, NULL, write_jobs, NULL);
    if (!config)
        assert_int_equal(config_defaults("/nonexistent", &config, &err), 0);
    hooks.submit = submit;
    const struct http_server_options options = {.name = "test",
                                                .config = config,
                                                .threads = threads,
                                                .routes = routes,
                                                .hooks = hooks,
                                                .redirect_root = true};
    if (http_server_start(&options, &server, &err)) {
        print_error("%s\n", error_text(&err));
        assert_null("the server did not start");
    }
    start_listener();
}

static inline void stop_server(void)
{
    http_server_stop(&server);
    writer_set(&writer.is_stopping, true);
    pthread_join(writer.thread, NULL);
    close(listener);
    config_free(&config);
}

/* -- the client -- */
static unsigned connections_made;

static inline int connect_client(unsigned threads)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct peer peer = {.address_text = "127.0.0.1"};
    socklen_t length = sizeof peer.address;

    assert_int_equal(connect(client, (struct sockaddr *)&listener_address, sizeof listener_address),
                     0);
    int accepted = accept4(listener, (struct sockaddr *)&peer.address, &length, SOCK_NONBLOCK);
    assert_true(accepted >= 0);
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    http_server_add(server, connections_made++ % threads, accepted, &peer);
    return client;
}

struct answer {
    int status; /* 0: the connection was closed without an answer */
    char head[4096];
    char *body;
    size_t length;
};

static inline void answer_free(struct answer *answer)
{
    free(answer->body);
}

static inline void send_bytes(int fd, const void *bytes, size_t count)
{
    assert_int_equal(send(fd, bytes, count, MSG_NOSIGNAL), count);
}

static inline void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* The value of a header of the answer, or NULL; good until the next call. */
static inline const char *header_of(const struct answer *answer, const char *name)
{
    static char value[512];
    size_t length = strlen(name);

    for (const char *line = strstr(answer->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *start = line + length + 2;
            snprintf(value, sizeof value, "%.*s", (int)strcspn(start, "\r"), start);
            return value;
        }
    }
    return NULL;
}

static inline bool read_head(int fd, struct answer *ret)
{
    size_t have = 0;

    while (have < sizeof ret->head - 1) {
        ssize_t count = recv(fd, ret->head + have, 1, 0);
        assert_true(count >= 0 || errno == ECONNRESET); /* else it hangs */
        if (count <= 0)
            return false;
        ret->head[++have] = '\0';
        if (have >= 4 && memcmp(ret->head + have - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    assert_null("the head has no end");
    return false;
}

static inline struct answer receive(int fd, bool is_head)
{
    struct answer answer = {0};

    if (!read_head(fd, &answer))
        return answer;
    assert_int_equal(sscanf(answer.head, "HTTP/1.1 %d ", &answer.status), 1);
    const char *length = header_of(&answer, "Content-Length");
    answer.length = length ? (size_t)atoll(length) : 0;
    answer.body = calloc(1, answer.length + 1);
    if (!is_head && answer.length && answer.status != 304)
        assert_int_equal(recv(fd, answer.body, answer.length, MSG_WAITALL), answer.length);
    return answer;
}

static inline struct answer ask_on(int fd, const char *request)
{
    send_text(fd, request);
    return receive(fd, strncmp(request, "HEAD", 4) == 0);
}

static inline bool is_closed(int fd)
{
    char byte;
    ssize_t count = recv(fd, &byte, 1, 0);

    return count == 0 || (count < 0 && errno == ECONNRESET);
}

#define HOST_LINE "Host: localhost\r\n"
#define GET_(path, fields) "GET " path " HTTP/1.1\r\n" HOST_LINE fields "\r\n"

/* One request on a connection of its own. */
static inline struct answer ask(const char *request)
{
    int fd = connect_client(1);
    struct answer answer = ask_on(fd, request);

    close(fd);
    return answer;
}

#define JSON_POST(path, length, body)                                                              \
    "POST " path " HTTP/1.1\r\n" HOST_LINE                                                         \
    "Content-Type: application/json\r\nContent-Length: " length "\r\n\r\n" body

static inline int status_of(const char *request)
{
    CLEANUP(answer_free) struct answer answer = ask(request);

    return answer.status;
}

/* The server's thread is a moment later than the answer. */
#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        for (int64_t until_ = clock_monotonic_ms() + PATIENCE_S * 1000;                            \
             !(condition) && clock_monotonic_ms() < until_;)                                       \
            usleep(1000);                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

#endif
