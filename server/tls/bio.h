/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL's way to the socket, made so that one request costs one recv and one send.
 *
 * Reading: a recv that came back short has emptied the socket; until the next begin_read nobody
 * asks again in vain. Writing: records gather in a buffer of the thread and leave together at
 * flush; what the socket does not take stays with the connection as `pending`. OpenSSL never sees a
 * write refused. Whoever lets OpenSSL write must flush before another connection's turn comes. */
#ifndef OTAD_TLS_BIO_H
#define OTAD_TLS_BIO_H

#include "core/cleanup.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIO_RECORD_MAX 16384    /* plain bytes in one TLS record */
#define BIO_RECORDS_GATHERED 12 /* at most, before they are sent: more gained nothing */

struct secure_bio {
    int fd;
    bool trusts_short;  /* a recv that came short has emptied the socket */
    bool is_drained;    /* the last recv of this call emptied the socket */
    bool was_refused;   /* OpenSSL wanted more than there was */
    bool is_at_end;     /* the peer closed its side */
    bool has_failed;    /* nothing leaves any more */
    size_t gathered;    /* bytes in the thread's buffer */
    uint8_t *pending;   /* encrypted bytes the socket did not take yet */
    size_t pending_at;  /* first of them */
    size_t pending_end; /* past the last of them */
};

enum flushed { FLUSH_DONE, FLUSH_BLOCKED, FLUSH_FAILED };

/* Gives `ssl` a new BIO of this kind for `fd`, which stays the caller's. False when memory is out.
 */
bool secure_bio_install(SSL *ssl, int fd) MUST_CHECK;
/* NULL when it has another kind. */
struct secure_bio *secure_bio_of(const SSL *ssl);

/* With `trusts_short` a recv that came short is not followed by one that says EAGAIN. Right after a
 * small request that is known to be whole; wrong where more must come, because the end of the
 * connection may stand behind the last bytes, and edge-triggered nobody tells of it twice. */
static inline void secure_bio_begin_read(struct secure_bio *bio, bool trusts_short)
{
    bio->trusts_short = trusts_short;
    bio->is_drained = false;
}

/* Sends what is pending and gathered. BLOCKED means the socket was full: an EPOLLOUT edge follows.
 */
enum flushed secure_bio_flush(struct secure_bio *bio);
/* Forgets what was gathered or is pending, and lets nothing leave any more. */
void secure_bio_cut(struct secure_bio *bio);
static inline bool secure_bio_has_pending(const struct secure_bio *bio)
{
    return bio->pending != NULL;
}

/* Room for one record of plain bytes and for one reading of a file, of this thread; NULL when
 * memory is out. */
uint8_t *secure_bio_plain_record(void);
uint8_t *secure_bio_file_buffer(void);

#endif
