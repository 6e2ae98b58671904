/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded memory of TLS sessions: encoded session by session id, the least recently used goes
 * first. Knows nothing of OpenSSL. Shared by reference, because connections outlive their listener.
 * Any thread. */
#ifndef OTAD_TLS_SESSION_STORE_H
#define OTAD_TLS_SESSION_STORE_H

#include "core/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_ID_MAX 32
#define SESSION_ENCODED_MAX 2048
#define SESSIONS_PER_DEVICE 4 /* one device cannot push out the others */

struct session_store;

struct session_store *session_store_new(size_t most); /* NULL when memory is out */
struct session_store *session_store_keep(struct session_store *store);
void session_store_release(struct session_store **store);

struct session_entry {
    uint8_t id[SESSION_ID_MAX]; /* shorter ids are padded with zeros */
    uint8_t fingerprint[32];    /* of the device's certificate */
    uint64_t generation;        /* of the trust it was verified under */
    int64_t expires_at;         /* wall seconds */
};

/* Copies. Without memory the session is simply not kept. */
void session_store_add(struct session_store *store, const struct session_entry *entry,
                       const uint8_t *encoded, size_t size);
/* The size of the encoded session, copied to `ret`; 0 when there is none of this generation that
 * has not expired. */
size_t session_store_find(struct session_store *store, const uint8_t id[SESSION_ID_MAX],
                          uint64_t generation, int64_t now, uint8_t ret[SESSION_ENCODED_MAX]);
void session_store_remove(struct session_store *store, const uint8_t id[SESSION_ID_MAX]);
/* All sessions of one certificate, or all when NULL. */
void session_store_forget(struct session_store *store, const uint8_t *fingerprint);
size_t session_store_count(struct session_store *store);

#endif
