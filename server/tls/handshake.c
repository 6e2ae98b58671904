/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/handshake.h"

#include "core/clock.h"
#include "core/log.h"
#include "tls/bio.h"
#include "tls/certificate.h"
#include "tls/interpose.h"
#include "tls/proxy_protocol.h"
#include "tls/session.h"
#include "tls/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <sys/epoll.h>

#define ACCEPTS_AT_ONCE 16 /* then those already accepted get their turn */
#define EVENTS_AT_ONCE 64
#define SWEEP_MS 250
#define PAUSE_MS 100       /* without descriptors or memory */
#define EVICTABLE_MS 1000  /* past it, an open handshake may have to make room for a new one */
#define REFUSALS_LOGGED 10 /* per second and thread; the others are counted */
#define LIMITED "tls.address_burst unfinished handshakes are open"

struct handshake {
    struct handshake *older, *newer;
    int fd;
    SSL *ssl;           /* NULL until the first byte came */
    bool awaits_room;   /* also watched for EPOLLOUT */
    bool awaits_header; /* a PROXY protocol header comes before TLS */
    bool has_ended;     /* the peer sends nothing more */
    bool is_quiet;      /* of a front end that has not spoken for anybody: a health check */
    int64_t began_at_ms;
    struct peer peer;
};

/* -- the list by age -- */

static void append(struct handshake_thread *thread, struct handshake *handshake)
{
    handshake->older = thread->newest;
    *(thread->newest ? &thread->newest->newer : &thread->oldest) = handshake;
    thread->newest = handshake;
    thread->open++;
}

static void unlink_from_list(struct handshake_thread *thread, struct handshake *handshake)
{
    *(handshake->older ? &handshake->older->newer : &thread->oldest) = handshake->newer;
    *(handshake->newer ? &handshake->newer->older : &thread->newest) = handshake->older;
    thread->open--;
}

/* Closing the descriptor takes it out of epoll as well. */
static void drop(struct handshake_thread *thread, struct handshake *handshake)
{
    unlink_from_list(thread, handshake);
    SSL_free(handshake->ssl);
    close(handshake->fd);
    free(handshake);
}

/* -- telling -- */

static void log_refusal(struct handshake_thread *thread, const char *address, const char *reason)
{
    int64_t second = clock_monotonic_ms() / 1000;

    if (second != thread->log_second) {
        if (thread->unlogged)
            log_info("tls.refused_more", NUMBER("count", thread->unlogged));
        thread->log_second = second;
        thread->logged = thread->unlogged = 0;
    }
    if (thread->logged++ < REFUSALS_LOGGED)
        log_info("tls.refused", TEXT("address", address), TEXT("reason", reason));
    else
        thread->unlogged++;
}

static void refuse_for(struct handshake_thread *thread, struct handshake *handshake,
                       const char *reason)
{
    if (!handshake->is_quiet) {
        atomic_fetch_add(&thread->shared->counts.failed, 1);
        log_refusal(thread, handshake->peer.address_text, reason);
    }
    drop(thread, handshake);
}

static void refuse(struct handshake_thread *thread, struct handshake *handshake)
{
    unsigned long code = ERR_peek_error();
    long verdict = handshake->ssl ? SSL_get_verify_result(handshake->ssl) : X509_V_OK;
    const char *reason = code ? ERR_reason_error_string(code) : "connection lost";

    if (verdict != X509_V_OK)
        reason = X509_verify_cert_error_string(verdict);
    ERR_clear_error();
    refuse_for(thread, handshake, reason ? reason : "TLS error");
}

static void time_out(struct handshake_thread *thread, struct handshake *handshake)
{
    atomic_fetch_add(&thread->shared->counts.timed_out, 1);
    log_refusal(thread, handshake->peer.address_text, "handshake took too long");
    drop(thread, handshake);
}

/* -- addresses -- */

static void describe_address(struct peer *peer)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer->address;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer->address;

    if (peer->address.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        struct sockaddr_in plain = {.sin_family = AF_INET, .sin_port = v6->sin6_port};

        memcpy(&plain.sin_addr, &v6->sin6_addr.s6_addr[12], 4);
        memset(&peer->address, 0, sizeof peer->address);
        memcpy(&peer->address, &plain, sizeof plain);
    }
    if (peer->address.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, peer->address_text, sizeof peer->address_text);
    else
        inet_ntop(AF_INET, &v4->sin_addr, peer->address_text, sizeof peer->address_text);
}

static bool is_front_end(const struct handshake_shared *shared, const struct peer *peer)
{
    return networks_hold(&shared->front_ends, &peer->address);
}

/* -- shaking hands -- */

static bool open_ssl(struct handshake_thread *thread, struct handshake *handshake)
{
    struct handshake_shared *shared = thread->shared;

    pthread_mutex_lock(&shared->context_lock);
    SSL_CTX *context = shared->context;
    SSL_CTX_up_ref(context);
    pthread_mutex_unlock(&shared->context_lock);
    handshake->ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (!handshake->ssl)
        return false;
    SSL_set_accept_state(handshake->ssl);
    /* The kernel takes over only from a plain socket. */
    return shared->has_kernel_tls ? SSL_set_fd(handshake->ssl, handshake->fd)
                                  : secure_bio_install(handshake->ssl, handshake->fd);
}

/* Who it is: as the session remembers since its beginning, or as the certificate says. */
static bool identify(struct handshake *handshake)
{
    struct peer *peer = &handshake->peer;

    peer->was_resumed = SSL_session_reused(handshake->ssl);
    if (session_peer(SSL_get_session(handshake->ssl), peer))
        return peer->not_after >= clock_wall();
    const X509 *certificate = SSL_get0_peer_certificate(handshake->ssl);
    return certificate ? certificate_describe(certificate, peer) : !peer->was_resumed;
}

static void finish(struct handshake_thread *thread, struct handshake *handshake, int64_t now_ms)
{
    struct handshake_shared *shared = thread->shared;
    const struct tls_listener_options *options = &shared->options;
    struct error err;

    if (!identify(handshake)) {
        refuse(thread, handshake);
        return;
    }
    /* Where nobody is asked for a certificate, a wrong secret has a limit of its own. */
    if (handshake->peer.has_certificate || options->audience == TLS_TOKENS)
        limits_give_back(shared->limits, &handshake->peer.address, now_ms);
    epoll_ctl(thread->epoll_fd, EPOLL_CTL_DEL, handshake->fd, NULL);
    if (secure_socket_attach(handshake->fd, handshake->ssl, &handshake->peer, &err)) {
        log_error("tls.attach_failed", CAUSE(&err));
        drop(thread, handshake);
        return;
    }
    atomic_fetch_add(handshake->peer.was_resumed ? &shared->counts.resumed : &shared->counts.full,
                     1);
    unlink_from_list(thread, handshake);
    options->on_connection(options->arg, thread->number, handshake->fd, &handshake->peer);
    free(handshake);
}

/* Watches for room to write as well, while something waits to be written. */
static void watch_room(struct handshake_thread *thread, struct handshake *handshake, bool is_wanted)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = handshake};

    if (handshake->awaits_room == is_wanted)
        return;
    if (is_wanted)
        event.events |= EPOLLOUT;
    handshake->awaits_room = is_wanted;
    epoll_ctl(thread->epoll_fd, EPOLL_CTL_MOD, handshake->fd, &event);
}

/* Takes the address that the header tells, and its place in the limits. */
static bool take_source(struct handshake_thread *thread, struct handshake *handshake,
                        const struct proxy_header *header, int64_t now_ms)
{
    struct handshake_shared *shared = thread->shared;
    struct peer *peer = &handshake->peer;

    handshake->is_quiet = header->is_local;
    if (shared->is_behind_proxies)
        memcpy(peer->common_name, header->common_name, sizeof peer->common_name);
    if (header->source.ss_family == AF_UNSPEC)
        return true;
    peer->address = header->source;
    describe_address(peer);
    if (!shared->is_behind_balancers || limits_take(shared->limits, &peer->address, now_ms))
        return true;
    atomic_fetch_add(&shared->counts.limited, 1);
    log_refusal(thread, peer->address_text, LIMITED);
    drop(thread, handshake);
    return false;
}

/* Looks at what has arrived until the header is whole, and takes exactly that: what follows is for
 * OpenSSL. True when it was taken; else the handshake waits for more, or is dropped. */
static bool take_header(struct handshake_thread *thread, struct handshake *handshake,
                        int64_t now_ms)
{
    uint8_t bytes[PROXY_HEADER_MAX];
    struct proxy_header header;
    ssize_t got = libc_calls()->recv(handshake->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        refuse(thread, handshake);
        return false;
    }
    switch (proxy_header_read(bytes, (size_t)got, &header)) {
    case PROXY_INCOMPLETE:
        if (handshake->has_ended)
            refuse(thread, handshake);
        return false;
    case PROXY_REFUSED:
        handshake->is_quiet = false;
        refuse_for(thread, handshake, "no PROXY protocol header of version 2 from a front end");
        return false;
    case PROXY_COMPLETE:
        break;
    }
    handshake->awaits_header = false;
    if (libc_calls()->recv(handshake->fd, bytes, header.size, MSG_DONTWAIT) !=
        (ssize_t)header.size) {
        refuse(thread, handshake);
        return false;
    }
    return take_source(thread, handshake, &header, now_ms);
}

static void advance(struct handshake_thread *thread, struct handshake *handshake, uint32_t events,
                    int64_t now_ms)
{
    handshake->has_ended |= (events & EPOLLRDHUP) != 0;
    if (handshake->awaits_header && !take_header(thread, handshake, now_ms))
        return;
    if (!handshake->ssl && !open_ssl(thread, handshake)) {
        refuse(thread, handshake);
        return;
    }
    struct secure_bio *bio = secure_bio_of(handshake->ssl);
    if (bio)
        secure_bio_begin_read(bio, false);
    ERR_clear_error();
    int result = SSL_do_handshake(handshake->ssl);
    enum flushed flushed = bio ? secure_bio_flush(bio) : FLUSH_DONE;

    if (result == 1) {
        finish(thread, handshake, now_ms);
        return;
    }
    int reason = SSL_get_error(handshake->ssl, result);
    if ((reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) ||
        flushed == FLUSH_FAILED) {
        refuse(thread, handshake);
        return;
    }
    watch_room(thread, handshake, flushed == FLUSH_BLOCKED || reason == SSL_ERROR_WANT_WRITE);
}

/* -- accepting -- */

static void set_accepting(struct handshake_thread *thread, bool is_wanted)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};

    if (thread->is_accepting == is_wanted)
        return;
    if (!epoll_ctl(thread->epoll_fd, is_wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                   thread->shared->listen_fd, &event))
        thread->is_accepting = is_wanted;
}

/* At the limit the oldest makes room, when it has had time to get somewhere. */
static bool has_room(const struct handshake_thread *thread, int64_t now_ms)
{
    return thread->open < thread->open_max || now_ms - thread->oldest->began_at_ms >= EVICTABLE_MS;
}

static void take(struct handshake_thread *thread, int fd, const struct peer *peer, int64_t now_ms)
{
    struct handshake *handshake = calloc(1, sizeof *handshake);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = handshake};
    int on = 1;

    if (!handshake || epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        free(handshake);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    handshake->fd = fd;
    handshake->began_at_ms = now_ms;
    handshake->peer = *peer;
    handshake->awaits_header = handshake->is_quiet =
        thread->shared->awaits_header && is_front_end(thread->shared, peer);
    append(thread, handshake);
}

/* False when there is nothing more to accept now. */
static bool accept_one(struct handshake_thread *thread, int64_t now_ms)
{
    struct handshake_shared *shared = thread->shared;
    struct peer peer = {0};
    socklen_t size = sizeof peer.address;
    int fd = accept4(shared->listen_fd, (struct sockaddr *)&peer.address, &size,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        if (now_ms - thread->paused_until_ms > 1000) /* the first of a row */
            log_warning("tls.accept_paused", TEXT("cause", strerrorname_np(errno)));
        thread->paused_until_ms = now_ms + PAUSE_MS;
        return false;
    }
    if (fd < 0) /* ECONNABORTED and the like concern one connection that is gone */
        return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINVAL && errno != EBADF;
    describe_address(&peer);
    peer.is_trusted = shared->is_behind_proxies && is_front_end(shared, &peer);
    if (!is_front_end(shared, &peer) && !limits_take(shared->limits, &peer.address, now_ms)) {
        atomic_fetch_add(&shared->counts.limited, 1);
        log_refusal(thread, peer.address_text, LIMITED);
        close(fd);
        return true;
    }
    atomic_fetch_add(&shared->counts.accepted, 1);
    take(thread, fd, &peer, now_ms);
    return true;
}

static void accept_some(struct handshake_thread *thread, int64_t now_ms)
{
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        if (!has_room(thread, now_ms) || !accept_one(thread, now_ms))
            return;
        if (thread->open > thread->open_max)
            time_out(thread, thread->oldest);
    }
}

/* -- the loop -- */

static void expire(struct handshake_thread *thread, int64_t now_ms)
{
    int64_t timeout_ms = thread->shared->options.config->tls_handshake_timeout * 1000;

    while (thread->oldest && now_ms - thread->oldest->began_at_ms >= timeout_ms)
        time_out(thread, thread->oldest);
}

static void keep_time(struct handshake_thread *thread, int64_t now_ms)
{
    expire(thread, now_ms);
    set_accepting(thread, now_ms >= thread->paused_until_ms && has_room(thread, now_ms));
    if (thread->number == 0 && now_ms - thread->swept_at_ms >= SWEEP_MS) {
        secure_socket_sweep(now_ms);
        thread->swept_at_ms = now_ms;
    }
}

/* True when the thread shall end. */
static bool run_once(struct handshake_thread *thread)
{
    struct handshake_shared *shared = thread->shared;
    struct epoll_event events[EVENTS_AT_ONCE];
    int wait_ms = thread->is_accepting ? SWEEP_MS : SWEEP_MS / 10;
    int count = epoll_wait(thread->epoll_fd, events, EVENTS_AT_ONCE, wait_ms);
    int64_t now_ms = clock_monotonic_ms();
    bool must_accept = false;

    for (int i = 0; i < count; i++) {
        void *about = events[i].data.ptr;

        if (about == &shared->stop_fd)
            return true;
        if (about)
            advance(thread, about, events[i].events, now_ms);
        else
            must_accept = true;
    }
    if (must_accept) /* last: it may drop a handshake that has an event here */
        accept_some(thread, now_ms);
    keep_time(thread, now_ms);
    return false;
}

static void *run(void *arg)
{
    struct handshake_thread *thread = arg;

    while (!run_once(thread))
        ;
    while (thread->oldest)
        drop(thread, thread->oldest);
    return NULL;
}

int handshake_thread_start(struct handshake_thread *thread, struct handshake_shared *shared,
                           unsigned number, struct error *err)
{
    struct epoll_event stop = {.events = EPOLLIN, .data.ptr = &shared->stop_fd};
    int64_t most = shared->options.config->tls_handshakes_max / shared->options.threads;
    char name[16];

    thread->shared = shared;
    thread->number = number;
    thread->open_max = most > 0 ? (unsigned)most : 1;
    thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (thread->epoll_fd < 0)
        return fail_internal(err, "epoll_create1: %m");
    if (epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, shared->stop_fd, &stop))
        return fail_internal(err, "epoll_ctl: %m");
    set_accepting(thread, true);
    if (!thread->is_accepting)
        return fail_internal(err, "epoll_ctl: %m");
    int failure = pthread_create(&thread->id, NULL, run, thread);
    if (failure)
        return fail_internal(err, "pthread_create: %s", strerrorname_np(failure));
    thread->is_running = true;
    snprintf(name, sizeof name, "tls-%s-%u", tls_audience_name(shared->options.audience), number);
    pthread_setname_np(thread->id, name);
    return 0;
}

void handshake_thread_join(struct handshake_thread *thread)
{
    if (thread->is_running)
        pthread_join(thread->id, NULL);
    if (thread->epoll_fd > 0)
        close(thread->epoll_fd);
}
