/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd watches descriptors edge-triggered, and that shapes everything here.
 *
 * Reading: it asks again only when a recv filled its buffer or a new edge came. So a recv goes on
 * until the buffer is full or the socket was really empty; records OpenSSL has read ahead must not
 * stay behind a short answer.
 *
 * Writing: a short send promises an EPOLLOUT edge, so it may only be given when the socket was
 * full, or when we ask for an edge ourselves (for the sake of others: FAIR_SHARE). And what is
 * encrypted cannot be taken back: when the socket is full with records half sent, all but one of
 * their bytes are reported as sent. The held byte makes libmicrohttpd call again, with that byte
 * first; then the rest is flushed and the byte skipped. So nothing is ever left here that nobody
 * comes for. */
#include "tls/stream.h"

#include "core/mapped.h"
#include "tls/bio.h"
#include "tls/interpose.h"
#include "tls/table.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#define FAIR_SHARE ((size_t)2 * BIO_RECORDS_GATHERED * BIO_RECORD_MAX)
#define CONTROL_RUN_MAX 32 /* key updates and refused renegotiations without data between them */

static ssize_t refuse(int reason)
{
    errno = reason;
    return -1;
}

static ssize_t fail_for_good(struct secure_socket *socket)
{
    socket->has_failed = true;
    if (socket->bio)
        secure_bio_cut(socket->bio);
    ERR_clear_error();
    return refuse(ECONNRESET);
}

static bool is_over(const struct secure_socket *socket)
{
    return socket->has_failed || atomic_load_explicit(&socket->is_severed, memory_order_relaxed);
}

/* A result that will be short without the socket having been the reason: makes an edge. */
static void ask_for_edge(struct secure_socket *socket)
{
    if (socket->epoll_fd >= 0)
        libc_calls()->epoll_ctl(socket->epoll_fd, EPOLL_CTL_MOD, socket->fd, &socket->watched);
}

/* A kernel that encrypts cannot be given another key (Linux before 6.14, OpenSSL before 3.5). */
static bool asks_for_new_key(const uint8_t *message, size_t size)
{
    return size >= 5 && message[0] == SSL3_MT_KEY_UPDATE && message[4] == SSL_KEY_UPDATE_REQUESTED;
}

/* For OpenSSL's message callback: counts what a peer could keep us busy with for nothing. */
void stream_note_message(int is_written, int version, int type, const void *bytes, size_t size,
                         SSL *ssl, void *arg)
{
    struct secure_socket *socket = arg;

    (void)version;
    (void)ssl;
    if ((type == SSL3_RT_HANDSHAKE && !is_written) || (type == SSL3_RT_ALERT && is_written))
        socket->control_run++;
    if (!socket->bio && type == SSL3_RT_HANDSHAKE && !is_written && asks_for_new_key(bytes, size))
        socket->has_failed = true;
}

/* -- reading -- */

enum received { RECEIVED_BYTES, RECEIVED_NOTHING_YET, RECEIVED_END, RECEIVED_FAILURE };

static enum received read_once(struct secure_socket *socket, uint8_t *bytes, size_t size,
                               size_t *got)
{
    if (socket->bio)
        socket->bio->was_refused = false;
    ERR_clear_error();
    if (SSL_read_ex(socket->ssl, bytes, size, got)) {
        socket->control_run = 0;
        return RECEIVED_BYTES;
    }
    *got = 0;
    switch (SSL_get_error(socket->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return RECEIVED_NOTHING_YET;
    case SSL_ERROR_ZERO_RETURN:
        return RECEIVED_END;
    default:
        return RECEIVED_FAILURE;
    }
}

/* Without SSL_MODE_AUTO_RETRY a record that carries no data ends SSL_read with "want read"; so does
 * an empty socket. Only our BIO knows which it was. */
static bool has_more(struct secure_socket *socket)
{
    return socket->bio && !socket->bio->was_refused;
}

static enum received read_until_empty(struct secure_socket *socket, uint8_t *bytes, size_t size,
                                      size_t *done)
{
    enum received last = RECEIVED_BYTES;

    while (*done < size) {
        size_t got;

        last = read_once(socket, bytes + *done, size - *done, &got);
        *done += got;
        if (last == RECEIVED_BYTES)
            continue;
        if (last != RECEIVED_NOTHING_YET || !has_more(socket))
            break;
    }
    return socket->control_run > CONTROL_RUN_MAX ? RECEIVED_FAILURE : last;
}

/* Within a body, or with part of a record at hand. */
static bool expects_more(const struct secure_socket *socket)
{
    return atomic_load_explicit(&socket->phase, memory_order_relaxed) == SOCKET_BODY ||
           SSL_has_pending(socket->ssl);
}

ssize_t stream_receive(struct secure_socket *socket, void *bytes, size_t size)
{
    size_t done = 0;

    if (is_over(socket))
        return refuse(ECONNRESET);
    if (socket->bio)
        secure_bio_begin_read(socket->bio, !expects_more(socket));
    interpose_is_inside = true;
    enum received last = read_until_empty(socket, bytes, size, &done);
    interpose_is_inside = false;
    if (last == RECEIVED_FAILURE || socket->has_failed)
        return fail_for_good(socket);
    /* Reading may have written: an answer to a key update, an alert. */
    if (socket->bio && secure_bio_flush(socket->bio) == FLUSH_FAILED)
        return fail_for_good(socket);
    if (done) {
        secure_socket_arrived(socket, done);
        if (last == RECEIVED_END) /* so that the end is noticed: no other edge will come */
            libc_calls()->shutdown(socket->fd, SHUT_RD);
        return (ssize_t)done;
    }
    return last == RECEIVED_END || !size ? 0 : refuse(EAGAIN);
}

/* -- writing -- */

struct cursor {
    const struct iovec *at;
    size_t left;   /* parts, this one included */
    size_t offset; /* in this part */
    const struct iovec *parts;
    size_t count;
    unsigned faults; /* of this thread, when the call began */
};

/* Whether everything read so far was really there (core/mapped.h). Asked before bytes leave. */
static bool is_sound(const struct cursor *cursor)
{
    if (mapped_thread_faults() != cursor->faults)
        return false;
    for (size_t i = 0; i < cursor->count; i++)
        if (!mapped_is_intact(cursor->parts[i].iov_base, cursor->parts[i].iov_len))
            return false;
    return true;
}

static void skip(struct cursor *cursor, size_t count)
{
    while (cursor->left) {
        size_t here = cursor->at->iov_len - cursor->offset;

        if (count < here) {
            cursor->offset += count;
            return;
        }
        count -= here;
        cursor->at++;
        cursor->left--;
        cursor->offset = 0;
    }
}

/* The next bytes for one record: where they are when they are many, else collected in `record`. */
static const uint8_t *next_record(const struct cursor *cursor, uint8_t *record, size_t *ret_size)
{
    struct cursor ahead = *cursor;
    size_t here = ahead.at->iov_len - ahead.offset, filled = 0;

    if (here >= BIO_RECORD_MAX || ahead.left == 1) {
        *ret_size = here < BIO_RECORD_MAX ? here : BIO_RECORD_MAX;
        return (const uint8_t *)ahead.at->iov_base + ahead.offset;
    }
    while (ahead.left && filled < BIO_RECORD_MAX) {
        size_t count = ahead.at->iov_len - ahead.offset;

        if (count > BIO_RECORD_MAX - filled)
            count = BIO_RECORD_MAX - filled;
        memcpy(record + filled, (const uint8_t *)ahead.at->iov_base + ahead.offset, count);
        filled += count;
        skip(&ahead, count);
    }
    *ret_size = filled;
    return record;
}

/* Encrypts up to `records` records; our BIO takes them all. Returns the plain bytes taken, or -1.
 */
static ssize_t encrypt(struct secure_socket *socket, struct cursor *cursor, unsigned records)
{
    uint8_t *record = secure_bio_plain_record();
    size_t done = 0, size, written;

    if (!record)
        return -1;
    ERR_clear_error();
    for (; records && cursor->left; records--) {
        const uint8_t *bytes = next_record(cursor, record, &size);

        written = 0;
        if (size && !SSL_write_ex(socket->ssl, bytes, size, &written))
            return -1;
        skip(cursor, written);
        done += written;
    }
    return (ssize_t)done;
}

/* A reader who keeps up gets more records at once, one who does not costs less memory. */
static void adapt(struct secure_socket *socket, enum flushed flushed)
{
    if (flushed == FLUSH_DONE && socket->records_ahead < BIO_RECORDS_GATHERED)
        socket->records_ahead = socket->records_ahead > BIO_RECORDS_GATHERED / 2
                                    ? BIO_RECORDS_GATHERED
                                    : socket->records_ahead * 2;
    else if (flushed == FLUSH_BLOCKED && socket->records_ahead > 1)
        socket->records_ahead /= 2;
}

/* Sends what was encrypted earlier. Returns how many bytes of this call that settles (0 or 1), or
 * -1 with errno. */
static ssize_t settle_debt(struct secure_socket *socket)
{
    switch (secure_bio_flush(socket->bio)) {
    case FLUSH_BLOCKED:
        atomic_store_explicit(&socket->is_blocked, true, memory_order_relaxed);
        return refuse(EAGAIN);
    case FLUSH_FAILED:
        return fail_for_good(socket);
    case FLUSH_DONE:
        break;
    }
    ssize_t held = socket->holds_byte;
    socket->holds_byte = false;
    return held;
}

/* Our own records, gathered. `done` bytes were settled before. */
static ssize_t send_gathered(struct secure_socket *socket, struct cursor *cursor, size_t done)
{
    size_t share = 0;

    while (cursor->left) {
        ssize_t taken = encrypt(socket, cursor, socket->records_ahead);

        if (taken < 0 || !is_sound(cursor))
            return fail_for_good(socket);
        done += (size_t)taken;
        share += (size_t)taken;
        enum flushed flushed = secure_bio_flush(socket->bio);
        adapt(socket, flushed);
        if (flushed == FLUSH_FAILED)
            return fail_for_good(socket);
        if (flushed == FLUSH_BLOCKED) {
            atomic_store_explicit(&socket->is_blocked, true, memory_order_relaxed);
            socket->holds_byte = true;
            return done > 1 ? (ssize_t)(done - 1) : refuse(EAGAIN);
        }
        if (share >= FAIR_SHARE && cursor->left) {
            ask_for_edge(socket);
            break;
        }
    }
    return (ssize_t)done;
}

/* The kernel does not fault on a page that is gone, it refuses. Whoever keeps the file shall know,
 * so we look at the bytes ourselves: it must be among those of the next record. */
static void touch_next_record(const struct cursor *cursor)
{
    struct cursor ahead = *cursor;

    for (size_t seen = 0; ahead.left && seen <= BIO_RECORD_MAX;) {
        const volatile uint8_t *byte = (const uint8_t *)ahead.at->iov_base + ahead.offset;
        size_t step = ahead.at->iov_len - ahead.offset;

        if (step > 1024)
            step = 1024;
        if (step)
            (void)*byte;
        seen += step;
        skip(&ahead, step);
    }
}

/* The kernel encrypts whatever goes into the descriptor, so there is nothing to hold back.
 * (SSL_write would: OpenSSL keeps a pointer to bytes the kernel did not take, and ours do not
 * stay.) After a short result the rest is tried again: it may have been a page that is gone, and
 * not the socket. */
static ssize_t send_by_kernel(struct secure_socket *socket, struct cursor *cursor)
{
    struct msghdr message = {.msg_iovlen = cursor->count};
    size_t done = 0;
    ssize_t taken;

    memcpy(&message.msg_iov, &cursor->parts, sizeof message.msg_iov); /* msghdr has no const form */
    while (cursor->left) {
        if (!is_sound(cursor))
            return fail_for_good(socket);
        if (!done)
            taken = libc_calls()->sendmsg(socket->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        else
            taken = libc_calls()->send(
                socket->fd, (const uint8_t *)cursor->at->iov_base + cursor->offset,
                cursor->at->iov_len - cursor->offset, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken < 0 && errno == EAGAIN)
            break;
        if (taken < 0) {
            touch_next_record(cursor);
            return fail_for_good(socket);
        }
        skip(cursor, (size_t)taken);
        done += (size_t)taken;
    }
    if (!is_sound(cursor))
        return fail_for_good(socket);
    atomic_store_explicit(&socket->is_blocked, cursor->left > 0, memory_order_relaxed);
    return done || !cursor->left ? (ssize_t)done : refuse(EAGAIN);
}

static ssize_t count_sent(struct secure_socket *socket, ssize_t done)
{
    if (done > 0)
        atomic_fetch_add_explicit(&socket->bytes_out, (uint64_t)done, memory_order_relaxed);
    return done;
}

ssize_t stream_send(struct secure_socket *socket, const struct iovec *parts, size_t count)
{
    struct cursor cursor = {parts, count, 0, parts, count, mapped_thread_faults()};
    ssize_t done = 0;

    if (is_over(socket))
        return refuse(ECONNRESET);
    if (socket->bio && (socket->holds_byte || secure_bio_has_pending(socket->bio))) {
        done = settle_debt(socket);
        if (done < 0)
            return -1;
    }
    atomic_store_explicit(&socket->is_blocked, false, memory_order_relaxed);
    skip(&cursor, (size_t)done);
    return count_sent(socket, socket->bio ? send_gathered(socket, &cursor, (size_t)done)
                                          : send_by_kernel(socket, &cursor));
}

static ssize_t send_file_by_kernel(struct secure_socket *socket, int file, off64_t *offset,
                                   size_t size)
{
    ssize_t done = libc_calls()->sendfile64(socket->fd, file, offset, size);

    if (done == 0)
        return refuse(EIO); /* a file that ends early must not look like a full socket */
    if (done < 0 && errno != EAGAIN && errno != EINTR)
        return fail_for_good(socket);
    atomic_store_explicit(&socket->is_blocked, done < (ssize_t)size, memory_order_relaxed);
    return count_sent(socket, done);
}

/* Without the kernel's help the bytes take the way of all others. */
static ssize_t send_file_gathered(struct secure_socket *socket, int file, off64_t *offset,
                                  size_t size)
{
    size_t most = (size_t)BIO_RECORDS_GATHERED * BIO_RECORD_MAX;
    struct iovec part = {secure_bio_file_buffer(), size < most ? size : most};
    ssize_t got = part.iov_base ? pread64(file, part.iov_base, part.iov_len, *offset) : -1;

    if (got <= 0)
        return refuse(EIO);
    part.iov_len = (size_t)got;
    ssize_t done = stream_send(socket, &part, 1);
    if (done <= 0)
        return done;
    *offset += done;
    if (done == got && (size_t)done < size) /* short because of us, not of the socket */
        ask_for_edge(socket);
    return done;
}

ssize_t stream_send_file(struct secure_socket *socket, int file, off64_t *offset, size_t size)
{
    if (is_over(socket))
        return refuse(ECONNRESET);
    return socket->bio ? send_file_gathered(socket, file, offset, size)
                       : send_file_by_kernel(socket, file, offset, size);
}

/* -- the end -- */

void stream_say_goodbye(struct secure_socket *socket)
{
    if (is_over(socket) || (SSL_get_shutdown(socket->ssl) & SSL_SENT_SHUTDOWN) ||
        (socket->bio && (socket->holds_byte || secure_bio_has_pending(socket->bio))))
        return;
    interpose_is_inside = true;
    ERR_clear_error();
    SSL_shutdown(socket->ssl);
    if (socket->bio)
        secure_bio_flush(socket->bio);
    ERR_clear_error();
    interpose_is_inside = false;
}

void stream_free(struct secure_socket *socket)
{
    stream_say_goodbye(socket);
    /* A connection that ended without close_notify is no reason to forget its session; after a
     * fatal alert OpenSSL has forgotten it already. */
    SSL_set_shutdown(socket->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(socket->ssl);
    ERR_clear_error();
    free(socket);
}
