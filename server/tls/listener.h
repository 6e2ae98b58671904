/* SPDX-License-Identifier: Apache-2.0 */
/* From a TCP connection to a named peer: own epoll threads that accept and shake hands. */
#ifndef OTAD_TLS_LISTENER_H
#define OTAD_TLS_LISTENER_H

#include "core/config.h"
#include "core/error.h"
#include "tls/limits.h"
#include "tls/peer.h"

struct tls_listener;

/* Who a listener is for decides what it asks of them: a certificate, none, or either. */
enum tls_audience {
    TLS_DEVICES,   /* each with its certificate */
    TLS_OPERATORS, /* a certificate or none */
    TLS_TOKENS,    /* devices with a secret in their requests: nobody is asked for a certificate */
    TLS_PROXIES,   /* devices behind a proxy that verified their certificates: likewise */
    TLS_AUDIENCES
};
/* For limits elsewhere: tls.address_rate and tls.address_burst. NULL when memory is out. */
struct limits *tls_address_limits(const struct config *config);
/* "device", "operator", "token", "proxy": also systemd's name of the socket. */
const char *tls_audience_name(enum tls_audience audience);
/* Where the configuration wants it to listen; "" for nowhere. */
const char *tls_listen_address(const struct config *config, enum tls_audience audience);

/* Called on a handshake thread with a finished, attached descriptor (secure_socket_attach was
 * done). Takes the descriptor, also when it fails. */
typedef void (*connection_fn)(void *arg, unsigned thread, int fd, const struct peer *peer);

struct tls_listener_options {
    enum tls_audience audience;
    const struct config *config; /* must outlive the listener */
    unsigned threads;
    int inherited_fd; /* a listening socket from systemd, or -1: bind config's address */
    int port;         /* replaces the configured port when >= 0; 0 means any free one */
    connection_fn on_connection;
    void *arg;
};

/* Loads keys and trust stores, refuses key files others can read, binds, starts the threads. */
int tls_listener_start(const struct tls_listener_options *options, struct tls_listener **ret,
                       struct error *err) MUST_CHECK;
int tls_listener_port(const struct tls_listener *listener);

/* Loads certificate, key, trust store and CRL anew and uses them for every later handshake. On
 * failure the old ones stay. Open connections go on. When the trust store or a CRL changed,
 * sessions and verified certificates are forgotten. Any thread. */
int tls_listener_reload(struct tls_listener *listener, struct error *err) MUST_CHECK;

/* Forgets the sessions and the verified-certificate entry of one certificate (after a revocation),
 * or of all when `fingerprint` is NULL. Any thread. */
void tls_listener_forget(struct tls_listener *listener, const uint8_t *fingerprint);

struct tls_counts {
    uint64_t accepted, full, resumed, failed, timed_out, limited, sessions, verified;
};
void tls_listener_count(const struct tls_listener *listener, struct tls_counts *ret);

/* Stops accepting and joins the threads. */
void tls_listener_stop(struct tls_listener **listener);

#endif
