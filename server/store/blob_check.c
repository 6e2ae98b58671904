/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that reads blobs again: those opened for the first time in this run at once, all of
 * them every scrub_interval. It also notices mappings that failed while they were served, and
 * tells. */
#include "store/blob_parts.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#define READ_BYTES MIB
#define SCRUB_PAUSE_NS (10 * 1000 * 1000) /* after each read: a scrub takes at most 100 MiB/s */
#define SCRUB_MARK "scrubbed"             /* its time of change is when the last one ended */

static bool is_stopping(struct blob_store *store)
{
    pthread_mutex_lock(&store->lock);
    bool is = store->is_stopping;
    pthread_mutex_unlock(&store->lock);
    return is;
}

/* -- telling -- */

/* Under the lock. */
static bool find_broken(struct blob_store *store, uint8_t ret[SHA256_SIZE], const char **ret_reason)
{
    for (size_t i = 0; i < BLOB_BUCKETS; i++)
        for (struct blob_entry *entry = store->buckets[i]; entry; entry = entry->next) {
            entry_notice_fault(store, entry);
            if (!entry->reason || entry->is_reported)
                continue;
            memcpy(ret, entry->blob.sha256, SHA256_SIZE);
            *ret_reason = entry->reason;
            entry->is_reported = true;
            return true;
        }
    return false;
}

static void tell_of_broken(struct blob_store *store)
{
    uint8_t sha256[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    const char *reason;

    for (;;) {
        pthread_mutex_lock(&store->lock);
        bool is_found = find_broken(store, sha256, &reason);
        pthread_mutex_unlock(&store->lock);
        if (!is_found)
            return;
        hex_from_bytes(sha256, SHA256_SIZE, hex);
        log_error("image.broken", TEXT("sha256", hex), TEXT("reason", reason));
        if (store->on_broken)
            store->on_broken(store->arg, sha256, reason);
    }
}

/* -- one blob -- */

enum reading { READ_WHOLE, READ_FAILED, READ_INTERRUPTED };

static enum reading read_and_hash(struct blob_store *store, int fd, bool is_paced,
                                  struct digest *digest)
{
    const struct timespec pause = {.tv_nsec = SCRUB_PAUSE_NS};
    CLEANUP(free_memory) uint8_t *buffer = malloc(READ_BYTES);

    if (!buffer)
        return READ_INTERRUPTED;
    for (;;) {
        if (is_stopping(store))
            return READ_INTERRUPTED;
        ssize_t got = read(fd, buffer, READ_BYTES);
        if (got < 0)
            return READ_FAILED;
        if (got == 0)
            return READ_WHOLE;
        digest_add(digest, buffer, (size_t)got);
        if (is_paced) {
            nanosleep(&pause, NULL);
            tell_of_broken(store); /* a scrub takes long, a broken image in use is urgent */
        }
    }
}

static bool is_still_there(struct blob_store *store, const uint8_t sha256[SHA256_SIZE],
                           const struct file_identity *identity)
{
    char name[BLOB_NAME_SIZE];
    struct stat status;

    blob_name(sha256, name);
    if (fstatat(store->blobs_fd, name, &status, AT_SYMLINK_NOFOLLOW))
        return false;
    struct file_identity present = identity_of(&status);
    return same_file(&present, identity);
}

/* Under the lock: the entry of the file that was read; one of a former file makes room. NULL: no
 * memory. */
static struct blob_entry *entry_of_file(struct blob_store *store, const uint8_t sha256[SHA256_SIZE],
                                        const struct file_identity *identity)
{
    struct blob_entry *entry = blob_find(store, sha256);

    if (entry && entry->has_identity && !same_file(&entry->identity, identity)) {
        entry_detach(store, entry);
        entry = NULL;
    }
    if (!entry && !(entry = entry_add(store, sha256)))
        return NULL;
    entry->identity = *identity;
    entry->has_identity = true;
    return entry;
}

static int note_verdict(struct blob_store *store, const uint8_t sha256[SHA256_SIZE],
                        const struct file_identity *identity, const char *reason, struct error *err)
{
    struct blob_entry *entry = NULL;

    pthread_mutex_lock(&store->lock);
    bool is_current = is_still_there(store, sha256, identity);
    if (is_current && (entry = entry_of_file(store, sha256, identity))) {
        entry->is_verified = true;
        entry->must_verify = false;
        if (reason)
            entry_mark_broken(store, entry, reason);
    }
    pthread_mutex_unlock(&store->lock);
    if (!is_current)
        return fail(err, PROBLEM_UNAVAILABLE, "the image was replaced while it was read");
    if (!entry)
        return fail_internal(err, "images: out of memory");
    return reason ? fail(err, PROBLEM_UNPROCESSABLE, "the image is broken: %s", reason) : 0;
}

/* A file that cannot even be opened is broken for those who know of it. */
static int note_absence(struct blob_store *store, const uint8_t sha256[SHA256_SIZE],
                        const struct error *err)
{
    pthread_mutex_lock(&store->lock);
    struct blob_entry *entry = blob_find(store, sha256);
    if (entry && err->problem == PROBLEM_NO_SUCH_ARTIFACT)
        entry_mark_broken(store, entry, "the file cannot be opened");
    pthread_mutex_unlock(&store->lock);
    return -1;
}

static int verify(struct blob_store *store, const uint8_t sha256[SHA256_SIZE], bool is_paced,
                  struct error *err)
{
    CLEANUP(digest_free) struct digest *digest = digest_new(DIGEST_SHA256);
    CLEANUP(close_fd) int fd = -1;
    uint8_t found[SHA256_SIZE];
    struct stat status;
    const char *reason = NULL;

    if (!digest)
        return fail_internal(err, "images: out of memory");
    if (blob_open_file(store, sha256, &fd, &status, err))
        return note_absence(store, sha256, err);
    switch (read_and_hash(store, fd, is_paced, digest)) {
    case READ_INTERRUPTED:
        return fail(err, PROBLEM_UNAVAILABLE, "the image was not read to its end");
    case READ_FAILED:
        reason = "it cannot be read";
        break;
    case READ_WHOLE:
        digest_end(digest, found);
        if (memcmp(found, sha256, SHA256_SIZE))
            reason = "its content does not have its hash";
        break;
    }
    struct file_identity identity = identity_of(&status);
    return note_verdict(store, sha256, &identity, reason, err);
}

int blob_verify(struct blob_store *store, const uint8_t sha256[SHA256_SIZE], struct error *err)
{
    return verify(store, sha256, false, err);
}

/* -- all blobs -- */

static void scrub_folder(struct blob_store *store, const char *name)
{
    int fd = openat(store->blobs_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    uint8_t sha256[SHA256_SIZE];
    struct error err;

    if (!folder) {
        close_fd(&fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) && !is_stopping(store);)
        if (strlen(entry->d_name) == 2 * SHA256_SIZE &&
            hex_to_bytes(entry->d_name, sha256, SHA256_SIZE) && verify(store, sha256, true, &err) &&
            err.problem != PROBLEM_UNAVAILABLE)
            log_error("image.scrub", TEXT("sha256", entry->d_name), CAUSE(&err));
    closedir(folder);
}

static void scrub(struct blob_store *store)
{
    char name[3];

    for (unsigned i = 0; i < 256 && !is_stopping(store); i++) {
        snprintf(name, sizeof name, "%02x", i);
        scrub_folder(store, name);
    }
    if (is_stopping(store))
        return;
    CLEANUP(close_fd)
    int mark =
        openat(store->blobs_fd, SCRUB_MARK, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (mark >= 0 && futimens(mark, NULL))
        log_warning("image.scrub_mark", NUMBER("errno", errno));
}

/* Counted from the end of the last one, also over restarts. */
static bool is_scrub_due(const struct blob_store *store)
{
    struct stat mark;

    if (!store->scrub_interval)
        return false;
    if (fstatat(store->blobs_fd, SCRUB_MARK, &mark, AT_SYMLINK_NOFOLLOW))
        return true;
    return clock_wall() - mark.st_mtime >= store->scrub_interval;
}

/* -- the thread -- */

static bool find_unverified(struct blob_store *store, uint8_t ret[SHA256_SIZE])
{
    for (size_t i = 0; i < BLOB_BUCKETS; i++)
        for (struct blob_entry *entry = store->buckets[i]; entry; entry = entry->next)
            if (!entry->is_verified && !entry->reason) {
                memcpy(ret, entry->blob.sha256, SHA256_SIZE);
                return true;
            }
    return false;
}

/* At most a second: the handler of a fault cannot signal. */
static void wait_a_second(struct blob_store *store)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    if (!store->is_stopping)
        pthread_cond_timedwait(&store->wake, &store->lock, &until);
}

/* True when there is one to verify. */
static bool wait_for_unverified(struct blob_store *store, uint8_t ret[SHA256_SIZE])
{
    pthread_mutex_lock(&store->lock);
    bool is_found = find_unverified(store, ret);
    if (!is_found) {
        wait_a_second(store);
        is_found = find_unverified(store, ret);
    }
    pthread_mutex_unlock(&store->lock);
    return is_found;
}

/* Nothing is decided yet: memory or descriptors ran out, or the file changed. Again, but not at
 * once. */
static void verify_later(struct blob_store *store, const struct error *err)
{
    log_warning("image.not_verified", CAUSE(err));
    pthread_mutex_lock(&store->lock);
    wait_a_second(store);
    pthread_mutex_unlock(&store->lock);
}

static void *check_until_stopped(void *arg)
{
    struct blob_store *store = arg;
    uint8_t sha256[SHA256_SIZE];
    struct error err;

    pthread_setname_np(pthread_self(), "blobs");
    while (!is_stopping(store)) {
        bool is_found = wait_for_unverified(store, sha256);
        if (is_found && verify(store, sha256, false, &err) &&
            err.problem != PROBLEM_UNPROCESSABLE && err.problem != PROBLEM_NO_SUCH_ARTIFACT &&
            !is_stopping(store))
            verify_later(store, &err);
        tell_of_broken(store);
        if (!is_found && is_scrub_due(store))
            scrub(store);
    }
    return NULL;
}

int checking_start(struct blob_store *store, struct error *err)
{
    int failed = pthread_create(&store->thread, NULL, check_until_stopped, store);

    if (failed)
        return fail_internal(err, "images: thread: error %d", failed);
    store->has_thread = true;
    return 0;
}

void checking_stop(struct blob_store *store)
{
    if (!store->has_thread)
        return;
    pthread_mutex_lock(&store->lock);
    store->is_stopping = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    store->has_thread = false;
}
