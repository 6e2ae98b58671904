/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include "api/app.h"
#include "api/operator/routes.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "tls/socket.h"
#include "trust/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#define OPERATOR_THREADS 1
#define SPARE_BYTES ((size_t)1 << 20) /* left to malloc when the rest goes back */
#define THREADS_MOST 8

struct service {
    struct app app;
    pthread_mutex_t reloading; /* guards against two reloads at once: signal and REST */
};

static unsigned device_threads(const struct config *config)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (config->server_workers)
        return (unsigned)config->server_workers;
    return processors < 1 ? 1 : processors > THREADS_MOST ? THREADS_MOST : (unsigned)processors;
}

/* systemd's sockets carry names (FileDescriptorName=, as tls_audience_name() says); -1: bind
 * ourselves. */
static int inherited_socket(const char *name)
{
    char **names = NULL;
    int found = -1, count = sd_listen_fds_with_names(0, &names);

    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            found = SD_LISTEN_FDS_START + i;
        free(names[i]);
    }
    free(names);
    return found;
}

static int start_store(struct service *service, struct error *err)
{
    struct app *app = &service->app;
    const struct config *config = app->config;
    CLEANUP(free_string) char *path = NULL;

    if (asprintf(&path, "%s/otad.db", config->server_state) < 0) {
        path = NULL;
        return fail_internal(err, "no memory");
    }
    struct store_options options = {
        .path = path,
        .queue_max = config->store_queue_max,
        .cache_bytes = config->store_cache,
        .is_fatal_on_sync_failure = true,
    };
    struct blob_options blobs = {
        .state_folder = config->server_state,
        .space_reserve = config->upload_space_reserve,
        .scrub_interval = config->delivery_scrub_interval,
        .on_broken = api_blob_broken,
        .arg = app,
    };
    if (store_open(&options, &app->store, err) || trust_check_store(app->store, err) ||
        blob_store_open(&blobs, &app->blobs, err) ||
        seen_start(app->store, config->store_seen_flush, config->store_seen_max, &app->seen, err))
        return -1;
    return campaigns_open(app->store, config, &app->campaigns, err);
}

/* What a listener serves, and how; the order is the one of starting. */
static const struct side {
    enum tls_audience audience;
    const struct routes *const *routes;
    bool is_for_operators;
    bool is_wanted_always; /* else: when an address is configured, or systemd has opened a socket */
} sides[] = {
    {TLS_DEVICES,   device_routes,   false, true },
    {TLS_OPERATORS, operator_routes, true,  true },
    {TLS_TOKENS,    device_routes,   false, false},
    {TLS_PROXIES,   device_routes,   false, false},
};

/* What no setting shows by itself. */
static int check_settings(const struct config *config, struct error *err)
{
    if (config->device_base_url[0] && !base_url_ok(config->device_base_url))
        return config_refuse(config, "device", "base_url", "no URL of scheme, host and port", err);
    if (config->proxy_authorities[0] && strcmp(config->proxy_mode, "headers") != 0)
        return config_refuse(config, "proxy", "authorities",
                             "asked for, but only the mode headers tells them", err);
    if (config->proxy_listen[0] && !config->proxy_trusted[0])
        return config_refuse(config, "proxy", "listen", "nobody is trusted: proxy.trusted is empty",
                             err);
    return 0;
}

/* For who shows a secret. */
static int make_limits(struct app *app, struct error *err)
{
    app->wrong_secrets = tls_address_limits(app->config);
    app->newcomers = tls_address_limits(app->config);
    return app->wrong_secrets && app->newcomers ? 0 : fail_internal(err, "no memory for limits");
}

static int start_side(struct app *app, const struct side *side, struct error *err)
{
    const struct config *config = app->config;
    unsigned threads = side->is_for_operators ? OPERATOR_THREADS : device_threads(config);
    const char *name = tls_audience_name(side->audience);
    int inherited = inherited_socket(name);
    struct http_server_options http = {
        .name = name,
        .config = config,
        .threads = threads,
        .routes = side->routes,
        .hooks = api_hooks(app, side->audience),
        .redirect_root = side->is_for_operators,
        .body_max = side->is_for_operators ? 0 : config->device_body_max,
        .base_url = side->is_for_operators ? NULL : config->device_base_url,
        .takes_forwarded =
            side->audience == TLS_PROXIES && strcmp(config->proxy_mode, "headers") == 0,
        .strict_transport = side->is_for_operators,
        .closes_strangers = side->audience == TLS_TOKENS,
    };

    if (!side->is_wanted_always && inherited < 0 && !tls_listen_address(config, side->audience)[0])
        return 0;
    if (side->audience == TLS_TOKENS && make_limits(app, err))
        return -1;
    if (http_server_start(&http, &app->servers[side->audience], err))
        return -1;
    struct tls_listener_options tls = {
        .audience = side->audience,
        .config = config,
        .threads = threads,
        .inherited_fd = inherited,
        .port = -1,
        .on_connection = http_server_add,
        .arg = app->servers[side->audience],
    };
    return tls_listener_start(&tls, &app->listeners[side->audience], err);
}

static int start_sides(struct app *app, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(sides); i++)
        if (start_side(app, &sides[i], err))
            return -1;
    return 0;
}

static int reload(struct app *app, struct error *err)
{
    struct service *service = (struct service *)((char *)app - offsetof(struct service, app));

    pthread_mutex_lock(&service->reloading);
    int failed = 0;
    for (size_t i = 0; i < TLS_AUDIENCES && !failed; i++)
        failed = app->listeners[i] && tls_listener_reload(app->listeners[i], err);
    pthread_mutex_unlock(&service->reloading);
    if (failed)
        log_error("server.reload_failed", CAUSE(err));
    else
        log_info("server.reloaded", NUMBER("at", clock_wall()));
    return failed ? -1 : 0;
}

static void set_socket_deadlines(const struct config *config)
{
    secure_socket_set_deadlines(&(struct socket_deadlines){
        .header_timeout_ms = config->http_header_timeout * 1000,
        .idle_timeout_ms = config->http_idle_timeout * 1000,
        .body_rate_min = config->http_body_rate_min,
        .reply_rate_min = config->http_reply_rate_min,
    });
}

int service_start(const struct config *config, struct service **ret, struct error *err)
{
    CLEANUP(service_stop) struct service *service = calloc(1, sizeof *service);

    if (!service)
        return fail_internal(err, "no memory");
    pthread_mutex_init(&service->reloading, NULL);
    service->app.config = config;
    service->app.started_at = clock_wall();
    service->app.version = OTAD_VERSION;
    service->app.reload = reload;
    set_socket_deadlines(config);
    if (check_settings(config, err) || start_store(service, err) ||
        start_sides(&service->app, err) ||
        campaigns_start_ticker(service->app.campaigns, api_sever_transfers, &service->app, err))
        return -1;
    *ret = MOVE(service);
    return 0;
}

static int write_ports(const struct app *app, struct error *err)
{
    CLEANUP(free_string) char *path = NULL, *fresh = NULL;
    CLEANUP(close_file) FILE *file = NULL;

    if (asprintf(&path, "%s/ports.json", app->config->server_state) < 0 ||
        asprintf(&fresh, "%s/ports.json.new", app->config->server_state) < 0)
        return fail_internal(err, "no memory");
    file = fopen(fresh, "w");
    if (!file)
        return fail_internal(err, "write %s: %m", fresh);
    for (enum tls_audience i = TLS_DEVICES; i < TLS_AUDIENCES; i++)
        if (app->listeners[i])
            fprintf(file, "%s\"%s\":%d", i == TLS_DEVICES ? "{" : ",", tls_audience_name(i),
                    tls_listener_port(app->listeners[i]));
    fprintf(file, "}\n");
    if (fclose(MOVE(file)) || rename(fresh, path))
        return fail_internal(err, "write %s: %m", path);
    return 0;
}

int service_tell_ready(struct service *service, struct error *err)
{
    int device = tls_listener_port(service->app.listeners[TLS_DEVICES]);
    int operator= tls_listener_port(service->app.listeners[TLS_OPERATORS]);

    if (write_ports(&service->app, err))
        return -1;
    log_info("server.ready", NUMBER("device_port", device), NUMBER("operator_port", operator),
             TEXT("version", OTAD_VERSION));
    sd_notifyf(0, "READY=1\nSTATUS=devices on port %d, operators on port %d", device, operator);
    return 0;
}

void service_reload(struct service *service)
{
    struct error err = {0};

    (void)reload(&service->app, &err); /* logged there */
}

int64_t service_watchdog_ms(void)
{
    uint64_t interval_us = 0;

    if (sd_watchdog_enabled(0, &interval_us) <= 0)
        return 0;
    return (int64_t)(interval_us / 2000);
}

static int nothing(struct tx *tx, void *arg, struct error *err)
{
    (void)tx, (void)arg, (void)err;
    return 0;
}

void service_tell_watchdog(struct service *service)
{
    struct error err = {0};

    if (store_write(service->app.store, nothing, NULL, &err) == 0)
        sd_notify(0, "WATCHDOG=1");
    else
        log_error("server.writer_fails", CAUSE(&err));
}

void service_keep_house(struct service *service)
{
    struct error err = {0};

    if (uploads_expire(&service->app, clock_wall(), &err))
        log_error("server.housekeeping_failed", CAUSE(&err));
    /* Large documents come and go on many threads, and each arena of malloc keeps its peak: in an
     * hour of releases that was as much as all that is in use. */
    malloc_trim(SPARE_BYTES);
}

void service_drain(struct service *service, int64_t timeout_ms)
{
    struct app *app = &service->app;

    sd_notify(0, "STOPPING=1");
    for (size_t i = 0; i < TLS_AUDIENCES; i++)
        tls_listener_stop(&app->listeners[i]);
    for (size_t i = 0; i < TLS_AUDIENCES; i++)
        if (app->servers[i])
            http_server_drain(app->servers[i], timeout_ms);
}

void service_stop(struct service **service)
{
    if (!*service)
        return;
    struct app *app = &(*service)->app;

    if (app->campaigns)
        campaigns_stop_ticker(app->campaigns);
    for (size_t i = 0; i < TLS_AUDIENCES; i++)
        tls_listener_stop(&app->listeners[i]);
    for (size_t i = 0; i < TLS_AUDIENCES; i++)
        http_server_stop(&app->servers[i]);
    limits_free(&app->wrong_secrets);
    limits_free(&app->newcomers);
    if (app->campaigns)
        campaigns_close(&app->campaigns);
    if (app->seen)
        seen_stop(&app->seen);
    if (app->blobs)
        blob_store_close(&app->blobs);
    if (app->store)
        store_close(&app->store);
    pthread_mutex_destroy(&(*service)->reloading);
    free(*service);
    *service = NULL;
}

void service_awaited_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGHUP);
}
