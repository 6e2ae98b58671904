/* SPDX-License-Identifier: Apache-2.0 */
/* The secure sockets by descriptor, for the files of this folder only.
 *
 * A socket is added by secure_socket_attach() and removed in the redirected close(), both on the
 * thread that owns the connection at that moment; that thread alone reads and writes through it and
 * needs no lock. Everybody else (sweep, sever) looks at it under its slot's lock, which removal
 * takes too: under the lock the descriptor is still open and still this connection. */
#ifndef OTAD_TLS_TABLE_H
#define OTAD_TLS_TABLE_H

#include "tls/socket.h"

#include <stdatomic.h>
#include <sys/epoll.h>

struct secure_bio;

struct secure_socket {
    int fd;
    SSL *ssl;
    struct secure_bio *bio; /* NULL: the kernel encrypts */
    struct peer peer;

    bool has_failed;        /* a TLS error: nothing may be said any more */
    bool holds_byte;        /* the first byte of the next send was encrypted before: stream.c */
    unsigned records_ahead; /* encrypted before they are sent: grows and shrinks with the reader */
    unsigned control_run;   /* TLS messages without application data between them */
    int epoll_fd;           /* who watches the descriptor, and for what; -1: nobody */
    struct epoll_event watched;

    atomic_bool is_severed;
    atomic_bool is_blocked; /* the last send left something behind */
    atomic_int phase;
    atomic_int_fast64_t phase_since_ms;
    atomic_uint_fast64_t phase_bytes; /* bytes_in when the phase began */
    atomic_uint_fast64_t bytes_in, bytes_out;
    atomic_int_fast64_t device_row, campaign_row, release_row;

    /* The sweep's own, under the slot's lock. */
    int64_t window_since_ms; /* 0: no rate is being measured */
    uint64_t window_bytes;
};

/* The socket of a descriptor, or NULL. For the thread that owns the connection. */
struct secure_socket *table_at(int fd);

/* Takes it out of the table; NULL when it was not there. The caller closes the descriptor after. */
struct secure_socket *table_remove(int fd);

/* Called by stream.c when application bytes arrive. */
void secure_socket_arrived(struct secure_socket *socket, size_t count);

#endif
