/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the blob store share: blob.c (serving), blob_upload.c (arriving), blob_check.c
 * (reading everything again). */
#ifndef OTAD_STORE_BLOB_PARTS_H
#define OTAD_STORE_BLOB_PARTS_H

#include "core/mapped.h"
#include "store/blob.h"

#include <pthread.h>
#include <sys/stat.h>

#define BLOB_BUCKETS 1024

/* What is known of one content in this run. `blob` is the first member: callers hold its address.
 */
struct blob_entry {
    struct blob blob;                 /* at and fd only while mapped */
    struct blob_entry *next;          /* in the bucket */
    struct blob_entry *newer, *older; /* of the idle ones; a mapping nobody uses */
    struct mapped *mapped;
    unsigned references;
    bool has_identity;
    struct file_identity identity;
    bool is_detached; /* another file took its place: goes with its last user */
    bool must_verify; /* not served before */
    bool is_verified;
    bool is_reported;
    const char *reason; /* why it is broken; NULL: it is not */
};

struct blob_store {
    int blobs_fd, uploads_fd;
    int64_t space_reserve, scrub_interval;
    void (*on_broken)(void *arg, const uint8_t sha256[SHA256_SIZE], const char *reason);
    void *arg;

    pthread_mutex_t lock; /* guards all entries, the idle list and the thread's orders */
    pthread_cond_t wake;
    struct blob_entry *buckets[BLOB_BUCKETS];
    struct blob_entry *newest_idle, *oldest_idle;
    unsigned idle_count, idle_max;
    bool is_stopping;

    pthread_t thread;
    bool has_thread;
};

/* "ab/<hex>", below blobs_fd. */
#define BLOB_NAME_SIZE (3 + SHA256_HEX_SIZE)
void blob_name(const uint8_t sha256[SHA256_SIZE], char ret[BLOB_NAME_SIZE]);
struct file_identity identity_of(const struct stat *status);
bool same_file(const struct file_identity *a, const struct file_identity *b);

/* From errno: out of space, read-only, or our fault. Returns -1. */
int file_failed(struct error *err, const char *what);

/* Under the lock. */
struct blob_entry *blob_find(struct blob_store *store, const uint8_t sha256[SHA256_SIZE]);
struct blob_entry *entry_add(struct blob_store *store,
                             const uint8_t sha256[SHA256_SIZE]); /* NULL: no memory */
void entry_detach(struct blob_store *store, struct blob_entry *entry);
void entry_mark_broken(struct blob_store *store, struct blob_entry *entry, const char *reason);
void entry_notice_fault(struct blob_store *store, struct blob_entry *entry);

/* Opens the file as a regular one, through no link; NO_SUCH_ARTIFACT otherwise. No lock needed. */
int blob_open_file(struct blob_store *store, const uint8_t sha256[SHA256_SIZE], int *ret_fd,
                   struct stat *ret_status, struct error *err) MUST_CHECK;

int checking_start(struct blob_store *store, struct error *err) MUST_CHECK;
void checking_stop(struct blob_store *store);

#endif
