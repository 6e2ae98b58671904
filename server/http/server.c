/* SPDX-License-Identifier: Apache-2.0 */
/* Start, stop, and the libmicrohttpd daemons: one per thread, without a listening socket. A pool of
 * them inside libmicrohttpd would choose the thread by descriptor number, and badly. */
#include "http/internal.h"

#include "http/connection.h"

#include "core/clock.h"
#include "core/digest.h"
#include "core/log.h"

#include <assert.h>
#include <string.h>

#define WORKER_THREADS 2
#define WORKER_QUEUE_MAX 64
#define PAUSE_US 2000

static void library_log(void *server, const char *format, va_list arguments)
{
    char line[256];

    (void)server;
    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = '\0';
    log_debug("http.library", TEXT("text", line));
}

/* Decoding is ours: libmicrohttpd would cut the text at "%00" and turn "%2e%2e%2f" into a path. */
static size_t leave_encoded(void *server, struct MHD_Connection *connection, char *text)
{
    (void)server, (void)connection;
    return strlen(text);
}

static int start_lane(struct http_server *server, struct lane *lane, struct error *err)
{
    const struct config *config = server->config;

    lane->server = server;
    random_bytes(&lane->id_prefix, sizeof lane->id_prefix);
    random_bytes(&lane->id_next, sizeof lane->id_next);
    lane->daemon = MHD_start_daemon(
        MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_TURBO |
            MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
        0, NULL, NULL, connection_handle, lane, MHD_OPTION_EXTERNAL_LOGGER, library_log, server,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)config->http_connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)config->http_connection_memory,
        MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, server,
        MHD_OPTION_URI_LOG_CALLBACK, connection_request_line, lane, MHD_OPTION_NOTIFY_CONNECTION,
        connection_notify, lane, MHD_OPTION_NOTIFY_COMPLETED, connection_completed, lane,
        MHD_OPTION_END);
    if (!lane->daemon)
        return fail_internal(err, "start libmicrohttpd: %m");
    return 0;
}

static enum log_requests log_requests_of(const char *word)
{
    if (strcmp(word, "all") == 0)
        return LOG_REQUESTS_ALL;
    return strcmp(word, "none") == 0 ? LOG_REQUESTS_NONE : LOG_REQUESTS_ERRORS;
}

static struct http_server *server_new(const struct http_server_options *options)
{
    struct http_server *server = calloc(1, sizeof *server);

    if (!server)
        return NULL;
    server->lanes = aligned_alloc(alignof(struct lane), options->threads * sizeof *server->lanes);
    if (!server->lanes) {
        free(server);
        return NULL;
    }
    memset(server->lanes, 0, options->threads * sizeof *server->lanes);
    snprintf(server->name, sizeof server->name, "%s", options->name);
    server->config = options->config;
    server->hooks = options->hooks;
    server->log_requests = log_requests_of(options->config->log_requests);
    server->redirect_root = options->redirect_root;
    server->strict_transport = options->strict_transport;
    server->takes_forwarded = options->takes_forwarded;
    server->closes_strangers = options->closes_strangers;
    server->base_url = options->base_url ? options->base_url : "";
    server->body_max = options->body_max > 0 ? (size_t)options->body_max : SIZE_MAX;
    server->threads = options->threads;
    return server;
}

int http_server_start(const struct http_server_options *options, struct http_server **ret,
                      struct error *err)
{
    CLEANUP(http_server_stop) struct http_server *server = server_new(options);
    const struct config *config = options->config;
    const struct connection_limits_most most = {
        .connections = config->http_connections_max,
        .per_address = config->http_connections_per_address,
        .per_device = config->http_connections_per_device,
    };

    assert(options->threads > 0);
    if (!server)
        return fail_internal(err, "out of memory");
    if (router_new(options->routes, &server->router, err) ||
        host_names_new(config->server_hostname, &server->host_names, err) ||
        connection_limits_new(&most, &server->limits, err) || alarms_start(&server->alarms, err) ||
        workers_start(WORKER_THREADS, WORKER_QUEUE_MAX, &server->workers, err))
        return -1;
    for (unsigned i = 0; i < server->threads; i++)
        if (start_lane(server, &server->lanes[i], err))
            return -1;
    *ret = MOVE(server);
    return 0;
}

static socklen_t address_length(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

/* A line for each would turn a flood of connections into one of the log. */
static void log_refused(struct http_server *server, const struct peer *peer, const char *limit)
{
    int64_t now = clock_monotonic_ms(), last = atomic_load(&server->refused_logged_ms);

    atomic_fetch_add(&server->refused, 1);
    if (now - last < 1000 ||
        !atomic_compare_exchange_strong(&server->refused_logged_ms, &last, now))
        return;
    log_info("http.refused", TEXT("listener", server->name), TEXT("peer", peer->address_text),
             TEXT("limit", limit), NUMBER("refused", atomic_exchange(&server->refused, 0)));
}

void http_server_add(void *arg, unsigned thread, int fd, const struct peer *peer)
{
    struct http_server *server = arg;
    const char *reached = connection_limits_reached(server->limits, peer);

    assert(thread < server->threads);
    if (reached)
        log_refused(server, peer, reached);
    if (reached || atomic_load(&server->is_draining)) {
        close(fd);
        return;
    }
    /* It closes the descriptor when it cannot take it. */
    MHD_add_connection(server->lanes[thread].daemon, fd, (const struct sockaddr *)&peer->address,
                       address_length(&peer->address));
}

static int64_t running(const struct http_server *server)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < server->threads; i++)
        sum += atomic_load(&server->lanes[i].running);
    return sum;
}

void http_server_drain(struct http_server *server, int64_t timeout_ms)
{
    int64_t until = clock_monotonic_ms() + timeout_ms;

    atomic_store(&server->is_draining, true);
    while (running(server) > 0 && clock_monotonic_ms() < until)
        usleep(PAUSE_US);
}

/* libmicrohttpd must not be stopped while connections are suspended. Those with the writer come
 * back when it is done with them, which it promises; nothing new goes away once the flag is up. */
static void bring_all_back(struct http_server *server)
{
    atomic_store(&server->is_stopping, true);
    alarms_stop(server->alarms);
    while (atomic_load(&server->away) > 0)
        usleep(PAUSE_US);
    workers_stop(&server->workers);
}

void http_server_stop(struct http_server **server)
{
    struct http_server *old = MOVE(*server);

    if (!old)
        return;
    atomic_store(&old->is_draining, true);
    bring_all_back(old);
    for (unsigned i = 0; i < old->threads; i++)
        if (old->lanes[i].daemon)
            MHD_stop_daemon(old->lanes[i].daemon);
    alarms_free(&old->alarms);
    connection_limits_free(&old->limits);
    host_names_free(&old->host_names);
    router_free(&old->router);
    free(old->lanes);
    free(old);
}

void http_server_count(const struct http_server *server, struct http_counts *ret)
{
    *ret = (struct http_counts){0};
    for (unsigned i = 0; i < server->threads; i++) {
        const struct lane *lane = &server->lanes[i];
        ret->connections += atomic_load_explicit(&lane->connections, memory_order_relaxed);
        ret->requests += atomic_load_explicit(&lane->requests, memory_order_relaxed);
        ret->errors += atomic_load_explicit(&lane->errors, memory_order_relaxed);
        ret->bytes_content += atomic_load_explicit(&lane->bytes_content, memory_order_relaxed);
    }
}
