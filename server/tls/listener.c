/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/listener.h"

#include "core/log.h"
#include "tls/context.h"
#include "tls/handshake.h"
#include "tls/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/eventfd.h>

#define BACKLOG 4096
#define LIMIT_SETS 8192

struct tls_listener {
    struct handshake_shared shared; /* context_lock guards the generation too */
    struct session_store *sessions;
    struct verified *verified;
    uint64_t generation;
    int port;
    struct handshake_thread threads[];
};

/* -- what the listeners differ in -- */

static const char *const names[TLS_AUDIENCES] = {
    [TLS_DEVICES] = "device",
    [TLS_OPERATORS] = "operator",
    [TLS_TOKENS] = "token",
    [TLS_PROXIES] = "proxy",
};

const char *tls_audience_name(enum tls_audience audience)
{
    return names[audience];
}

const char *tls_listen_address(const struct config *config, enum tls_audience audience)
{
    const char *const addresses[TLS_AUDIENCES] = {
        [TLS_DEVICES] = config->device_listen,
        [TLS_OPERATORS] = config->operator_listen,
        [TLS_TOKENS] = config->token_listen,
        [TLS_PROXIES] = config->proxy_listen,
    };

    return addresses[audience];
}

struct limits *tls_address_limits(const struct config *config)
{
    return limits_new(config->tls_address_rate, config->tls_address_burst, LIMIT_SETS);
}

/* Who puts something in front of connections, and what. */
static int know_front_ends(struct handshake_shared *shared, struct error *err)
{
    const struct config *config = shared->options.config;
    enum tls_audience audience = shared->options.audience;
    const char *list = audience == TLS_DEVICES   ? config->device_balancers
                       : audience == TLS_PROXIES ? config->proxy_trusted
                                                 : "";

    shared->is_behind_balancers = audience == TLS_DEVICES && list[0];
    shared->is_behind_proxies = audience == TLS_PROXIES;
    shared->awaits_header = shared->is_behind_balancers ||
                            (audience == TLS_PROXIES && strcmp(config->proxy_mode, "v2") == 0);
    return networks_parse(list, &shared->front_ends, err);
}

/* -- the listening socket -- */

/* Splits "host:port" or "[v6]:port". */
static int split_address(const char *text, char host[256], char port[8], struct error *err)
{
    const char *colon = strrchr(text, ':');

    if (!colon || strlen(colon + 1) >= 8 || !colon[1] || (size_t)(colon - text) >= 256)
        return fail_internal(err, "listen on %s: not an address and a port", text);
    size_t length = (size_t)(colon - text);
    if (text[0] == '[' && length >= 2 && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    snprintf(port, 8, "%s", colon + 1);
    return 0;
}

static int bind_to(const struct addrinfo *address, const char *text, int *ret, struct error *err)
{
    CLEANUP(close_fd)
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        return fail_internal(err, "socket: %m");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, BACKLOG))
        return fail_internal(err, "listen on %s: %m", text);
    *ret = fd;
    fd = -1;
    return 0;
}

static int open_socket(const char *text, int port_wanted, int *ret, struct error *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *addresses = NULL;
    char host[256], port[8];

    if (split_address(text, host, port, err))
        return -1;
    if (port_wanted >= 0)
        snprintf(port, sizeof port, "%d", port_wanted & 0xffff);
    int failure = getaddrinfo(host[0] ? host : NULL, port, &hints, &addresses);
    if (failure)
        return fail_internal(err, "listen on %s: %s", text, gai_strerror(failure));
    int result = bind_to(addresses, text, ret, err);
    freeaddrinfo(addresses);
    return result;
}

/* systemd hands over what it was told to open: it may be no listening stream socket at all. */
static int take_inherited(int inherited, int *ret, struct error *err)
{
    int is_listening = 0, type = 0;
    socklen_t size = sizeof(int);

    if (getsockopt(inherited, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) ||
        getsockopt(inherited, SOL_SOCKET, SO_TYPE, &type, &size) || !is_listening ||
        type != SOCK_STREAM)
        return fail_internal(err, "descriptor %d is no listening stream socket", inherited);
    if (fcntl(inherited, F_SETFL, O_NONBLOCK) || fcntl(inherited, F_SETFD, FD_CLOEXEC))
        return fail_internal(err, "fcntl: %m");
    *ret = inherited;
    return 0;
}

static int find_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &size))
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
    return address.ss_family == AF_INET ? ntohs(((const struct sockaddr_in *)&address)->sin_port)
                                        : 0;
}

static int open_listening(struct tls_listener *listener, struct error *err)
{
    const struct tls_listener_options *options = &listener->shared.options;
    const char *text = tls_listen_address(options->config, options->audience);

    if (options->inherited_fd >= 0
            ? take_inherited(options->inherited_fd, &listener->shared.listen_fd, err)
            : open_socket(text, options->port, &listener->shared.listen_fd, err))
        return -1;
    listener->port = find_port(listener->shared.listen_fd);
    return 0;
}

/* -- contexts -- */

static int make_context(struct tls_listener *listener, SSL_CTX **ret, struct error *err)
{
    const struct config *config = listener->shared.options.config;
    enum tls_audience audience = listener->shared.options.audience;
    bool is_for_operators = audience == TLS_OPERATORS, is_mutual = audience == TLS_DEVICES;
    const struct context_options options = {
        .name = names[audience],
        .certificate = is_for_operators ? config->operator_certificate : config->device_certificate,
        .key = is_for_operators ? config->operator_key : config->device_key,
        .ca = is_mutual          ? config->device_ca
              : is_for_operators ? config->operator_ca
                                 : "",
        .crl = is_mutual ? config->device_crl : "",
        .is_certificate_optional = !is_mutual,
        .has_tls12 = !is_for_operators || config->operator_tls12,
        .has_kernel_tls = listener->shared.has_kernel_tls,
        .session_lifetime = is_mutual ? config->tls_session_lifetime : 0,
        .sessions = listener->sessions,
        .verified = listener->verified,
    };

    return context_new(&options, ret, err);
}

int tls_listener_reload(struct tls_listener *listener, struct error *err)
{
    struct handshake_shared *shared = &listener->shared;
    SSL_CTX *fresh, *old;

    if (make_context(listener, &fresh, err))
        return -1;
    struct context_facts *facts = context_facts(fresh);
    pthread_mutex_lock(&shared->context_lock);
    old = shared->context;
    bool is_other_trust =
        old && memcmp(facts->trust, context_facts(old)->trust, sizeof facts->trust) != 0;
    if (is_other_trust)
        listener->generation++;
    facts->generation = listener->generation;
    shared->context = fresh;
    pthread_mutex_unlock(&shared->context_lock);
    SSL_CTX_free(old);
    /* Handshakes that are still under way with the old trust leave entries of the old generation.
     */
    if (is_other_trust)
        tls_listener_forget(listener, NULL);
    return 0;
}

void tls_listener_forget(struct tls_listener *listener, const uint8_t *fingerprint)
{
    session_store_forget(listener->sessions, fingerprint);
    verified_forget(listener->verified, fingerprint);
}

/* -- start and stop -- */

static int allocate(struct tls_listener *listener, struct error *err)
{
    const struct config *config = listener->shared.options.config;
    bool is_for_devices = listener->shared.options.audience == TLS_DEVICES;

    listener->sessions = session_store_new(is_for_devices ? (size_t)config->tls_sessions_max : 0);
    listener->verified = verified_new(is_for_devices ? (size_t)config->tls_verified_max : 1024);
    listener->shared.limits = tls_address_limits(config);
    if (!listener->sessions || !listener->verified || !listener->shared.limits)
        return fail_internal(err, "no memory for a listener");
    listener->shared.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (listener->shared.stop_fd < 0)
        return fail_internal(err, "eventfd: %m");
    return 0;
}

static int start(struct tls_listener *listener, struct error *err)
{
    struct handshake_shared *shared = &listener->shared;

    shared->has_kernel_tls = shared->options.config->tls_kernel && secure_socket_kernel_can_tls();
    if (know_front_ends(shared, err) || allocate(listener, err) ||
        tls_listener_reload(listener, err) || open_listening(listener, err))
        return -1;
    for (unsigned i = 0; i < shared->options.threads; i++)
        if (handshake_thread_start(&listener->threads[i], shared, i, err))
            return -1;
    return 0;
}

int tls_listener_start(const struct tls_listener_options *options, struct tls_listener **ret,
                       struct error *err)
{
    CLEANUP(tls_listener_stop)
    struct tls_listener *listener =
        calloc(1, sizeof *listener + options->threads * sizeof listener->threads[0]);

    if (!listener)
        return fail_internal(err, "no memory for a listener");
    listener->shared.options = *options;
    listener->shared.listen_fd = listener->shared.stop_fd = -1;
    pthread_mutex_init(&listener->shared.context_lock, NULL);
    listener->generation = 1;
    if (start(listener, err))
        return -1;
    *ret = MOVE(listener);
    return 0;
}

int tls_listener_port(const struct tls_listener *listener)
{
    return listener->port;
}

void tls_listener_count(const struct tls_listener *listener, struct tls_counts *ret)
{
    *ret = (struct tls_counts){
        .accepted = listener->shared.counts.accepted,
        .full = listener->shared.counts.full,
        .resumed = listener->shared.counts.resumed,
        .failed = listener->shared.counts.failed,
        .timed_out = listener->shared.counts.timed_out,
        .limited = listener->shared.counts.limited,
        .sessions = session_store_count(listener->sessions),
        .verified = verified_count(listener->verified),
    };
}

void tls_listener_stop(struct tls_listener **listener)
{
    struct tls_listener *mine = *listener;

    if (!mine)
        return;
    *listener = NULL;
    if (mine->shared.stop_fd >= 0)
        eventfd_write(mine->shared.stop_fd, 1);
    for (unsigned i = 0; i < mine->shared.options.threads; i++)
        handshake_thread_join(&mine->threads[i]);
    close_fd(&mine->shared.listen_fd);
    close_fd(&mine->shared.stop_fd);
    SSL_CTX_free(mine->shared.context);
    limits_free(&mine->shared.limits);
    session_store_release(&mine->sessions);
    verified_release(&mine->verified);
    pthread_mutex_destroy(&mine->shared.context_lock);
    free(mine);
}
