/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/socket.h"

#include "core/clock.h"
#include "tls/bio.h"
#include "tls/interpose.h"
#include "tls/stream.h"
#include "tls/table.h"

#include <errno.h>
#include <linux/tcp.h> /* for a tcp_info with bytes_acked */
#include <linux/tls.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define TABLE_MAX ((size_t)4 * MIB)
#define LOCKS 64
#define BODY_WINDOW_MS 30000
#define REPLY_WINDOW_MS 120000
#ifndef SOL_TLS
#define SOL_TLS 282
#endif

static _Atomic(struct secure_socket *) *table;
static size_t table_size;
static atomic_int highest = -1;      /* the highest descriptor ever attached */
static pthread_mutex_t locks[LOCKS]; /* of the slots fd % LOCKS: removal against sweep and sever */
static struct socket_deadlines deadlines = {10000, 60000, 0, 0};
static struct {
    atomic_uint_fast64_t opened, closed, severed, timed_out, kernel_tls;
    atomic_uint_fast64_t bytes_in, bytes_out; /* of connections that are closed */
} totals;

int secure_socket_start(struct error *err)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return fail_internal(err, "getrlimit: %m");
    size_t size = limit.rlim_cur < TABLE_MAX ? (size_t)limit.rlim_cur : TABLE_MAX;
    if (table)
        return 0;
    table = calloc(size, sizeof *table);
    if (!table)
        return fail_internal(err, "no memory for %zu descriptors", size);
    for (size_t i = 0; i < LOCKS; i++)
        pthread_mutex_init(&locks[i], NULL);
    table_size = size;
    return 0;
}

struct secure_socket *table_at(int fd)
{
    if (fd < 0 || (size_t)fd >= table_size)
        return NULL;
    return atomic_load_explicit(&table[fd], memory_order_acquire);
}

struct secure_socket *table_remove(int fd)
{
    pthread_mutex_t *lock = &locks[fd % LOCKS];

    pthread_mutex_lock(lock);
    struct secure_socket *socket = atomic_exchange(&table[fd], NULL);
    pthread_mutex_unlock(lock);
    if (socket) {
        atomic_fetch_add(&totals.closed, 1);
        atomic_fetch_add(&totals.bytes_in, socket->bytes_in);
        atomic_fetch_add(&totals.bytes_out, socket->bytes_out);
    }
    return socket;
}

/* Asks the kernel itself: what is sent without our encryption had better get the kernel's. */
static bool kernel_encrypts(int fd)
{
    struct tls_crypto_info info = {0};
    socklen_t size = sizeof info;

    return getsockopt(fd, SOL_TLS, TLS_TX, &info, &size) == 0 && info.cipher_type != 0;
}

/* Leaves the sending side to the kernel when it took it, else gives `ssl` our own BIO. */
static int choose_sender(struct secure_socket *socket, SSL *ssl, struct error *err)
{
    BIO *writer = SSL_get_wbio(ssl), *reader = SSL_get_rbio(ssl);

    if (writer && BIO_get_ktls_send(writer)) {
        if (!kernel_encrypts(socket->fd))
            return fail_internal(err, "the kernel does not encrypt as it should");
        SSL_set_mode(ssl, SSL_MODE_AUTO_RETRY);
        atomic_fetch_add(&totals.kernel_tls, 1);
        return 0;
    }
    if (reader && BIO_get_ktls_recv(reader)) /* half taken over: neither way would be right */
        return fail_internal(err, "the kernel decrypts but does not encrypt");
    if (!secure_bio_of(ssl) && !secure_bio_install(ssl, socket->fd))
        return fail_internal(err, "no memory for a connection");
    SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
    socket->bio = secure_bio_of(ssl);
    return 0;
}

static void raise_highest(int fd)
{
    int known = atomic_load(&highest);

    while (fd > known && !atomic_compare_exchange_weak(&highest, &known, fd))
        ;
}

int secure_socket_attach(int fd, SSL *ssl, const struct peer *peer, struct error *err)
{
    if (fd < 0 || (size_t)fd >= table_size)
        return fail_internal(err, "descriptor %d is past the table", fd);
    CLEANUP(free_memory) struct secure_socket *socket = calloc(1, sizeof *socket);
    if (!socket)
        return fail_internal(err, "no memory for a connection");
    socket->fd = fd;
    if (choose_sender(socket, ssl, err))
        return -1;
    SSL_set_msg_callback(ssl, stream_note_message);
    SSL_set_msg_callback_arg(ssl, socket);
    socket->ssl = ssl;
    socket->peer = *peer;
    socket->epoll_fd = -1;
    socket->records_ahead = 2;
    atomic_store(&socket->phase_since_ms, clock_monotonic_ms());
    atomic_fetch_add(&totals.opened, 1);
    raise_highest(fd);
    atomic_store_explicit(&table[fd], MOVE(socket), memory_order_release);
    return 0;
}

const struct peer *secure_socket_peer(int fd)
{
    const struct secure_socket *socket = table_at(fd);

    return socket ? &socket->peer : NULL;
}

uint64_t secure_socket_sent(int fd)
{
    const struct secure_socket *socket = table_at(fd);

    return socket ? atomic_load_explicit(&socket->bytes_out, memory_order_relaxed) : 0;
}

bool secure_socket_has_kernel_tls(int fd)
{
    const struct secure_socket *socket = table_at(fd);

    return socket && !socket->bio;
}

void secure_socket_label_device(int fd, int64_t device_row)
{
    struct secure_socket *socket = table_at(fd);

    if (socket)
        atomic_store(&socket->device_row, device_row);
}

void secure_socket_label_transfer(int fd, int64_t campaign_row, int64_t release_row)
{
    struct secure_socket *socket = table_at(fd);

    if (!socket)
        return;
    atomic_store(&socket->campaign_row, campaign_row);
    atomic_store(&socket->release_row, release_row);
}

/* -- deadlines -- */

/* The phase is written last and read first, so that the sweep never holds an old time against a new
 * phase. */
static void begin_phase(struct secure_socket *socket, enum socket_phase phase)
{
    atomic_store_explicit(&socket->phase_bytes, socket->bytes_in, memory_order_relaxed);
    atomic_store_explicit(&socket->phase_since_ms, clock_monotonic_ms(), memory_order_relaxed);
    atomic_store_explicit(&socket->phase, (int)phase, memory_order_release);
}

void secure_socket_phase(int fd, enum socket_phase phase)
{
    struct secure_socket *socket = table_at(fd);

    if (socket)
        begin_phase(socket, phase);
}

void secure_socket_arrived(struct secure_socket *socket, size_t count)
{
    atomic_fetch_add_explicit(&socket->bytes_in, count, memory_order_relaxed);
    if (atomic_load_explicit(&socket->phase, memory_order_relaxed) == SOCKET_IDLE)
        begin_phase(socket, SOCKET_HEADERS);
}

void secure_socket_set_deadlines(const struct socket_deadlines *wanted)
{
    deadlines = *wanted;
}

/* Closes a window of `length_ms` and begins the next: true when too little moved in it. */
static bool window_is_too_slow(struct secure_socket *socket, int64_t now_ms, int64_t length_ms,
                               uint64_t bytes, int64_t rate_min)
{
    if (now_ms - socket->window_since_ms < length_ms)
        return false;
    bool is_slow = bytes - socket->window_bytes < (uint64_t)(rate_min * length_ms / 1000);
    socket->window_since_ms = now_ms;
    socket->window_bytes = bytes;
    return is_slow;
}

static bool body_is_too_slow(struct secure_socket *socket, int64_t since_ms, int64_t now_ms)
{
    if (socket->window_since_ms < since_ms) {
        socket->window_since_ms = since_ms;
        socket->window_bytes = socket->phase_bytes;
    }
    return window_is_too_slow(socket, now_ms, BODY_WINDOW_MS, socket->bytes_in,
                              deadlines.body_rate_min);
}

/* What the peer has acknowledged, from the kernel: our own count moves in steps of its buffer. */
static uint64_t acknowledged(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
        return 0;
    return info.tcpi_bytes_acked;
}

static bool reader_is_too_slow(struct secure_socket *socket, int64_t since_ms, int64_t now_ms)
{
    if (!atomic_load_explicit(&socket->is_blocked, memory_order_relaxed)) {
        socket->window_since_ms = 0;
        return false;
    }
    if (socket->window_since_ms < since_ms || !socket->window_since_ms) {
        socket->window_since_ms = now_ms;
        socket->window_bytes = acknowledged(socket->fd);
        return false;
    }
    if (now_ms - socket->window_since_ms < REPLY_WINDOW_MS)
        return false;
    return window_is_too_slow(socket, now_ms, REPLY_WINDOW_MS, acknowledged(socket->fd),
                              deadlines.reply_rate_min);
}

static bool is_too_late(struct secure_socket *socket, int64_t now_ms)
{
    int phase = atomic_load_explicit(&socket->phase, memory_order_acquire);
    int64_t since_ms = atomic_load_explicit(&socket->phase_since_ms, memory_order_relaxed);

    switch ((enum socket_phase)phase) {
    case SOCKET_IDLE:
        return now_ms - since_ms > deadlines.idle_timeout_ms;
    case SOCKET_HEADERS:
        return now_ms - since_ms > deadlines.header_timeout_ms;
    case SOCKET_BODY:
        return body_is_too_slow(socket, since_ms, now_ms);
    case SOCKET_REPLY:
        return reader_is_too_slow(socket, since_ms, now_ms);
    case SOCKET_WORKING:
        break;
    }
    return false;
}

/* -- cutting -- */

/* Under the slot's lock. libmicrohttpd sees the end at once and closes; unsent bytes are dropped.
 */
static void cut(struct secure_socket *socket)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    atomic_store(&socket->is_severed, true);
    libc_calls()->setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    libc_calls()->shutdown(socket->fd, SHUT_RDWR);
}

/* Calls `decide` for each open connection that is not cut yet, and cuts where it says so. */
static int cut_where(bool (*decide)(struct secure_socket *socket, void *arg), void *arg)
{
    int last = atomic_load(&highest), cuts = 0;

    for (int lock = 0; lock < LOCKS && lock <= last; lock++) {
        pthread_mutex_lock(&locks[lock]);
        for (int fd = lock; fd <= last; fd += LOCKS) {
            struct secure_socket *socket = table_at(fd);

            if (socket && !socket->is_severed && decide(socket, arg)) {
                cut(socket);
                cuts++;
            }
        }
        pthread_mutex_unlock(&locks[lock]);
    }
    return cuts;
}

static bool decide_by_deadline(struct secure_socket *socket, void *arg)
{
    const int64_t *now_ms = arg;

    return is_too_late(socket, *now_ms);
}

void secure_socket_sweep(int64_t now_ms)
{
    int cuts = cut_where(decide_by_deadline, &now_ms);

    atomic_fetch_add(&totals.timed_out, (uint64_t)cuts);
}

struct sever_request {
    sever_fn question;
    const void *arg;
};

static bool decide_by_question(struct secure_socket *socket, void *arg)
{
    const struct sever_request *request = arg;
    const struct socket_labels labels = {socket->device_row, socket->campaign_row,
                                         socket->release_row, &socket->peer};

    return request->question(&labels, request->arg);
}

int secure_socket_sever(sever_fn question, const void *arg)
{
    struct sever_request request = {question, arg};
    int cuts = cut_where(decide_by_question, &request);

    atomic_fetch_add(&totals.severed, (uint64_t)cuts);
    return cuts;
}

static bool add_bytes(struct secure_socket *socket, void *arg)
{
    struct socket_counts *counts = arg;

    counts->bytes_in += socket->bytes_in;
    counts->bytes_out += socket->bytes_out;
    return false;
}

void secure_socket_count(struct socket_counts *ret)
{
    *ret = (struct socket_counts){
        .open = totals.opened - totals.closed,
        .bytes_in = totals.bytes_in,
        .bytes_out = totals.bytes_out,
        .severed = totals.severed,
        .timed_out = totals.timed_out,
        .kernel_tls = totals.kernel_tls,
    };
    cut_where(add_bytes, ret);
}
