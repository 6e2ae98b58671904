/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/bio.h"

#include "tls/interpose.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>

/* With the shortest fragments a client may ask for (512 bytes), each costs up to 64 bytes more. */
#define PLAIN_MAX ((size_t)BIO_RECORDS_GATHERED * BIO_RECORD_MAX)
#define GATHER_SIZE (PLAIN_MAX + PLAIN_MAX / 512 * 64 + 4096)
#define PENDING_MAX (2 * GATHER_SIZE) /* a peer that makes us answer and never reads is cut */

struct buffers {
    uint8_t gathered[GATHER_SIZE];
    uint8_t plain_record[BIO_RECORD_MAX];
    uint8_t file[PLAIN_MAX];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t buffers_key; /* only for its destructor */
static BIO_METHOD *method;
static int type;
static _Thread_local struct buffers *buffers;

static struct buffers *thread_buffers(void)
{
    if (!buffers && (buffers = malloc(sizeof *buffers)))
        pthread_setspecific(buffers_key, buffers);
    return buffers;
}

uint8_t *secure_bio_plain_record(void)
{
    return thread_buffers() ? buffers->plain_record : NULL;
}

uint8_t *secure_bio_file_buffer(void)
{
    return thread_buffers() ? buffers->file : NULL;
}

static void drop_pending(struct secure_bio *bio)
{
    free(bio->pending);
    bio->pending = NULL;
    bio->pending_at = bio->pending_end = 0;
}

void secure_bio_cut(struct secure_bio *bio)
{
    bio->has_failed = true;
    bio->gathered = 0;
    drop_pending(bio);
}

/* Sends from `bytes`; `*sent` tells how much left. */
static enum flushed send_bytes(struct secure_bio *bio, const uint8_t *bytes, size_t count,
                               size_t *sent)
{
    ssize_t done;

    *sent = 0;
    do
        done = libc_calls()->send(bio->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (done < 0 && errno == EINTR);
    if (done < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return FLUSH_FAILED;
    *sent = done > 0 ? (size_t)done : 0;
    /* A short send has filled the socket and armed EPOLLOUT as surely as EAGAIN has. */
    return *sent == count ? FLUSH_DONE : FLUSH_BLOCKED;
}

/* Puts bytes behind what is pending. */
static bool keep_for_later(struct secure_bio *bio, const uint8_t *bytes, size_t count)
{
    size_t kept = bio->pending_end - bio->pending_at;

    if (!count)
        return true;
    if (kept + count > PENDING_MAX)
        return false;
    if (bio->pending_at) {
        memmove(bio->pending, bio->pending + bio->pending_at, kept);
        bio->pending_at = 0;
    }
    uint8_t *grown = realloc(bio->pending, kept + count);
    if (!grown)
        return false;
    memcpy(grown + kept, bytes, count);
    bio->pending = grown;
    bio->pending_end = kept + count;
    return true;
}

static enum flushed flush_pending(struct secure_bio *bio)
{
    size_t sent;

    if (!bio->pending)
        return FLUSH_DONE;
    enum flushed result =
        send_bytes(bio, bio->pending + bio->pending_at, bio->pending_end - bio->pending_at, &sent);
    bio->pending_at += sent;
    if (result == FLUSH_DONE)
        drop_pending(bio);
    return result;
}

enum flushed secure_bio_flush(struct secure_bio *bio)
{
    size_t sent = 0;

    if (bio->has_failed)
        return FLUSH_FAILED;
    enum flushed result = flush_pending(bio);
    if (result == FLUSH_DONE && bio->gathered)
        result = send_bytes(bio, buffers->gathered, bio->gathered, &sent);
    if (result == FLUSH_BLOCKED && bio->gathered &&
        !keep_for_later(bio, buffers->gathered + sent, bio->gathered - sent))
        result = FLUSH_FAILED;
    bio->gathered = 0;
    if (result == FLUSH_FAILED)
        secure_bio_cut(bio);
    return result;
}

static int bio_write(BIO *b, const char *bytes, int count)
{
    struct secure_bio *bio = BIO_get_data(b);
    struct buffers *mine = thread_buffers();

    BIO_clear_retry_flags(b);
    if (bio->has_failed || !mine || count <= 0 || (size_t)count > GATHER_SIZE)
        return -1;
    if (bio->gathered + (size_t)count > GATHER_SIZE && secure_bio_flush(bio) == FLUSH_FAILED)
        return -1;
    memcpy(mine->gathered + bio->gathered, bytes, (size_t)count);
    bio->gathered += (size_t)count;
    return count;
}

static int bio_read(BIO *b, char *bytes, int count)
{
    struct secure_bio *bio = BIO_get_data(b);
    ssize_t got = -1;

    BIO_clear_retry_flags(b);
    if (!bio->is_drained) {
        do
            got = libc_calls()->recv(bio->fd, bytes, (size_t)count, MSG_DONTWAIT);
        while (got < 0 && errno == EINTR);
        if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return -1;
        bio->is_drained = got <= 0 || (got < count && bio->trusts_short);
        bio->is_at_end = got == 0;
    }
    if (got >= 0)
        return (int)got;
    bio->was_refused = true;
    BIO_set_retry_read(b);
    return -1;
}

static long bio_control(BIO *b, int command, long number, void *pointer)
{
    struct secure_bio *bio = BIO_get_data(b);

    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH: /* what is left over waits for whoever owns the descriptor */
        return secure_bio_flush(bio) == FLUSH_FAILED ? -1 : 1;
    case BIO_CTRL_EOF:
        return bio->is_at_end;
    default:
        return 0;
    }
}

static int bio_destroy(BIO *b)
{
    struct secure_bio *bio = BIO_get_data(b);

    if (bio)
        drop_pending(bio);
    free(bio);
    BIO_set_data(b, NULL);
    return 1;
}

static void start_once(void)
{
    pthread_key_create(&buffers_key, free);
    type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
    method = BIO_meth_new(type, "secure socket");
    if (!method)
        return;
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_control);
    BIO_meth_set_destroy(method, bio_destroy);
}

bool secure_bio_install(SSL *ssl, int fd)
{
    pthread_once(&once, start_once);
    struct secure_bio *bio = calloc(1, sizeof *bio);
    BIO *b = method ? BIO_new(method) : NULL;

    if (!bio || !b) {
        free(bio);
        BIO_free(b);
        return false;
    }
    bio->fd = fd;
    BIO_set_data(b, bio);
    BIO_set_init(b, 1);
    SSL_set_bio(ssl, b, b);
    SSL_set_read_ahead(ssl, 1);
    return true;
}

struct secure_bio *secure_bio_of(const SSL *ssl)
{
    BIO *b = SSL_get_wbio(ssl);

    return b && type && BIO_method_type(b) == type ? BIO_get_data(b) : NULL;
}
