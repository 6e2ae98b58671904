/* SPDX-License-Identifier: Apache-2.0 */
/* Images as content-addressed files: written under a temporary name, hashed, synced, renamed, never
 * changed. A blob is mapped once and shared by everyone who serves it.
 *
 *     <state>/blobs/ab/<sha256>   one per content, in lower-case hex
 *     <state>/uploads/<id>        what is still arriving
 *
 * The folder is trusted no further than needed. A blob is a regular file of the size the database
 * knows. It is read and hashed by a thread of ours when it is first opened in a run, and again by
 * the scrub; when the file is another one than before (inode, time of change), it is not served
 * until that is done. What fails, or stops being readable while it is served (core/mapped.h), is
 * broken: refused from then on, and `on_broken` is told once. Uploading the same content again
 * heals it. */
#ifndef OTAD_STORE_BLOB_H
#define OTAD_STORE_BLOB_H

#include "core/digest.h"
#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

struct blob_store;

struct file_identity {
    uint64_t inode;
    int64_t changed_ns; /* st_mtim */
};

struct blob_options {
    const char *state_folder;
    int64_t space_reserve;  /* free bytes an upload must leave */
    int64_t scrub_interval; /* seconds between two readings of every blob; 0: no scrub */
    unsigned idle_max;      /* mappings kept although nobody uses them; 0: a sensible number */
    /* On the checking thread; may write to the store and wait. NULL: only logged. */
    void (*on_broken)(void *arg, const uint8_t sha256[SHA256_SIZE], const char *reason);
    void *arg;
};
/* Makes the folders when they are missing and starts the checking thread. */
int blob_store_open(const struct blob_options *options, struct blob_store **ret,
                    struct error *err) MUST_CHECK;
/* Every blob must have been closed. */
void blob_store_close(struct blob_store **store);

/* -- serving -- */

struct blob {
    const uint8_t *at; /* mapped; immutable */
    int64_t size;
    int fd; /* the same bytes; stays the blob's */
    int64_t modified_at;
    uint8_t sha256[SHA256_SIZE];
};
/* `size` is what the database knows of it, -1 for unknown. NO_SUCH_ARTIFACT when there is no such
 * file or it is broken. Any thread; cheap when mapped already. */
int blob_open(struct blob_store *store, const uint8_t sha256[SHA256_SIZE], int64_t size,
              const struct blob **ret, struct error *err) MUST_CHECK;
void blob_close(struct blob_store *store, const struct blob *blob);
/* Reads all of it and compares. UNPROCESSABLE when it differs; it is broken then. Takes long. */
int blob_verify(struct blob_store *store, const uint8_t sha256[SHA256_SIZE],
                struct error *err) MUST_CHECK;
bool blob_is_broken(struct blob_store *store, const uint8_t sha256[SHA256_SIZE]);

/* -- arriving -- `id` is [A-Za-z0-9-], checked here once more because it becomes a file name */

/* OUT_OF_SPACE when `size` more bytes would not leave the reserve. */
int upload_has_room(struct blob_store *store, int64_t size, struct error *err) MUST_CHECK;
/* Opens the file for appending, making it when `is_new` (it must not exist then). The descriptor is
 * yours; `ret_length` is what arrived so far. NO_SUCH_UPLOAD when it is not there. */
int upload_open(struct blob_store *store, const char *id, bool is_new, int *ret_fd,
                int64_t *ret_length, struct error *err) MUST_CHECK;
int upload_length(struct blob_store *store, const char *id, int64_t *ret,
                  struct error *err) MUST_CHECK;
/* Cuts it back, for a body that broke a rule after bytes were taken. */
int upload_cut(struct blob_store *store, const char *id, int64_t length,
               struct error *err) MUST_CHECK;
void upload_drop(struct blob_store *store, const char *id); /* harmless when it is not there */
/* Calls `each` for every file in uploads/, for clearing out what the database does not know. */
int upload_list(struct blob_store *store, void (*each)(void *arg, const char *id), void *arg,
                struct error *err) MUST_CHECK;

struct blob_digests {
    int64_t size;
    struct file_identity file; /* which file was read: the one that is adopted must be the same */
    uint8_t md5[16], sha1[20], sha256[SHA256_SIZE], sha512[64];
};
/* Chunk k covers [offset + k * size, + size), the last one what is left. */
struct blob_chunks {
    int64_t offset, size; /* given */
    int64_t count;        /* found, with the list */
    uint8_t *list;        /* count hashes of SHA256_SIZE bytes, one after another; free() */
};
/* All hashes and the chunk list of an upload in one reading. Takes long. `chunks` comes with offset
 * and size; UNPROCESSABLE when that cuts the file into none or into very many. */
int upload_digest(struct blob_store *store, const char *id, struct blob_digests *ret,
                  struct blob_chunks *chunks, struct error *err) MUST_CHECK;
/* The same of a blob that is there, read from the disk and not from what is known of it. */
int blob_digest(struct blob_store *store, const uint8_t sha256[SHA256_SIZE],
                struct blob_digests *ret, struct blob_chunks *chunks, struct error *err) MUST_CHECK;
/* Reads at most `count` bytes from the start (an encryption header); `ret_count` were there. */
int upload_peek(struct blob_store *store, const char *id, void *ret, size_t count,
                size_t *ret_count, struct error *err) MUST_CHECK;
/* Makes a blob of an upload that upload_digest() has read and nobody touched since (WRONG_STATE):
 * synced and renamed, over an older file of that content. Done already, as after a crash, is well
 * too. */
int blob_adopt(struct blob_store *store, const char *id, const struct blob_digests *digests,
               struct error *err) MUST_CHECK;
/* Makes a blob of bytes in memory, such as a chunk list. */
int blob_put(struct blob_store *store, const void *bytes, size_t length, struct blob_digests *ret,
             struct error *err) MUST_CHECK;

#endif
