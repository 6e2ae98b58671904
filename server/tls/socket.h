/* SPDX-License-Identifier: Apache-2.0 */
/* The secure socket: libmicrohttpd reads and writes a TCP descriptor, OpenSSL sees every byte.
 *
 * libmicrohttpd's calls (recv send sendmsg sendfile64 shutdown close setsockopt epoll_ctl
 * epoll_wait) resolve to this executable's definitions before libc's (ELF interposition); those
 * descriptors that stand in our table go to OpenSSL, all others to libc. Think of it as kernel TLS
 * in user space. */
#ifndef OTAD_TLS_SOCKET_H
#define OTAD_TLS_SOCKET_H

#include "core/error.h"
#include "tls/peer.h"

#include <openssl/types.h>

/* Sizes the table for descriptors below RLIMIT_NOFILE. Once, before any thread. */
int secure_socket_start(struct error *err) MUST_CHECK;

/* Proves that bytes written by libmicrohttpd leave encrypted and that its recv, sendmsg, close and
 * epoll_wait arrive here; the daemon refuses to start otherwise. Needs no network but loopback and
 * no key of the installation. secure_socket_start() was called, no listener is running.
 *
 * `serve` gives the descriptor to a libmicrohttpd daemon (MHD_add_connection; same flags as in
 * earnest) that answers GET / with SECURE_SELF_TEST_BODY from memory, and returns at once; the
 * daemon must live until this function has returned. The request asks for Connection: close. */
#define SECURE_SELF_TEST_BODY "this text must never be seen on the wire"
typedef int (*self_test_serve_fn)(int fd, void *arg, struct error *err);
int secure_socket_self_test(self_test_serve_fn serve, void *arg, struct error *err) MUST_CHECK;

/* Takes over a finished handshake: from here on `fd` speaks through `ssl`, which is freed when
 * libmicrohttpd closes it. `peer` is copied. On failure both stay the caller's. */
int secure_socket_attach(int fd, SSL *ssl, const struct peer *peer, struct error *err) MUST_CHECK;

/* The peer of an attached descriptor; NULL for others. Valid until it is closed: for the thread
 * that serves the connection. */
const struct peer *secure_socket_peer(int fd);

/* Whether the kernel encrypts this connection's sending side. */
bool secure_socket_has_kernel_tls(int fd);

/* Whether this kernel can encrypt at all; asks it with a connection of its own over loopback. */
bool secure_socket_kernel_can_tls(void);

/* Application bytes this descriptor took for sending since it was attached: the difference of two
 * values tells how much of an interrupted reply left. 0 for others. Thread of the connection. */
uint64_t secure_socket_sent(int fd);

/* Labels that secure_socket_sever() can ask for. 0 means none. Thread of the connection. */
void secure_socket_label_device(int fd, int64_t device_row);
void secure_socket_label_transfer(int fd, int64_t campaign_row, int64_t release_row);

/* Deadlines enforced on the descriptor, whatever libmicrohttpd believes: absolute time for a
 * request's headers, least rates for bodies and replies. Thread of the connection. The first byte
 * that arrives in SOCKET_IDLE begins SOCKET_HEADERS by itself; the other steps must be told. A
 * reply's rate is what the peer acknowledges while the socket is full: a server that produces
 * slowly (events, shaping) is never the reader's fault. SOCKET_WORKING has no deadline. */
enum socket_phase { SOCKET_IDLE, SOCKET_HEADERS, SOCKET_BODY, SOCKET_WORKING, SOCKET_REPLY };
void secure_socket_phase(int fd, enum socket_phase phase);
struct socket_deadlines {
    int64_t header_timeout_ms, idle_timeout_ms;
    int64_t body_rate_min, reply_rate_min; /* bytes per second over 30 s and 120 s */
};
void secure_socket_set_deadlines(const struct socket_deadlines *deadlines);

/* Cuts connections past their deadline. The handshake threads call it every quarter of a second;
 * `now_ms` is monotonic. */
void secure_socket_sweep(int64_t now_ms);

/* Cuts every connection the question says yes to, in mid-transfer too, at once: what the kernel
 * still holds for it is thrown away. Any thread. Returns how many. The question sees labels and
 * peer; it runs under the table's locks: short, no calls back. */
struct socket_labels {
    int64_t device_row, campaign_row, release_row;
    const struct peer *peer;
};
typedef bool (*sever_fn)(const struct socket_labels *labels, const void *arg);
int secure_socket_sever(sever_fn question, const void *arg);

struct socket_counts {
    uint64_t open, bytes_in, bytes_out, severed, timed_out, kernel_tls;
};
void secure_socket_count(struct socket_counts *ret);

#endif
