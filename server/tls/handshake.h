/* SPDX-License-Identifier: Apache-2.0 */
/* One thread that accepts connections and shakes hands, for listener.c. Handshakes are kept in
 * order of age: they all have the same deadline, so only the oldest has to be looked at. */
#ifndef OTAD_TLS_HANDSHAKE_H
#define OTAD_TLS_HANDSHAKE_H

#include "core/network.h"
#include "tls/limits.h"
#include "tls/listener.h"

#include <openssl/types.h>
#include <pthread.h>
#include <stdatomic.h>

/* What the threads of one listener share. */
struct handshake_shared {
    struct tls_listener_options options;
    int listen_fd;
    int stop_fd;                /* readable once the threads shall end */
    bool has_kernel_tls;        /* handshakes run on plain socket BIOs then */
    struct networks front_ends; /* balancers or proxies: no limits of their own address */
    bool is_behind_balancers;   /* the address their header tells has limits */
    bool is_behind_proxies;     /* what comes from them may name a device */
    bool awaits_header;         /* each of their connections begins with one */
    struct limits *limits;
    pthread_mutex_t context_lock; /* guards the pointer below */
    SSL_CTX *context;
    struct {
        atomic_uint_fast64_t accepted, full, resumed, failed, timed_out, limited;
    } counts;
};

struct handshake;

struct handshake_thread {
    struct handshake_shared *shared;
    unsigned number;
    pthread_t id;
    bool is_running;
    int epoll_fd;
    unsigned open, open_max;
    struct handshake *oldest, *newest;
    bool is_accepting;
    int64_t paused_until_ms; /* no descriptors or memory left until then */
    int64_t swept_at_ms;
    int64_t log_second; /* refusals are logged a few per second */
    unsigned logged, unlogged;
};

/* Starts the thread. `threads` share the limit of open handshakes evenly. */
int handshake_thread_start(struct handshake_thread *thread, struct handshake_shared *shared,
                           unsigned number, struct error *err) MUST_CHECK;
/* Waits for it; stop_fd was made readable before. Harmless when it never started. */
void handshake_thread_join(struct handshake_thread *thread);

#endif
