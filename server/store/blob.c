/* SPDX-License-Identifier: Apache-2.0 */
/* One entry per content that was touched in this run, found by its hash. Entries are small and
 * stay; mappings stay while someone uses them, and a limited number beyond that, the least recently
 * used going first. */
#include "store/blob_parts.h"

#include "core/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define IDLE_MAX 256

void blob_name(const uint8_t sha256[SHA256_SIZE], char ret[BLOB_NAME_SIZE])
{
    hex_from_bytes(sha256, SHA256_SIZE, ret + 3);
    ret[0] = ret[3];
    ret[1] = ret[4];
    ret[2] = '/';
}

struct file_identity identity_of(const struct stat *status)
{
    return (struct file_identity){
        .inode = status->st_ino,
        .changed_ns = status->st_mtim.tv_sec * 1000000000LL + status->st_mtim.tv_nsec,
    };
}

bool same_file(const struct file_identity *a, const struct file_identity *b)
{
    return a->inode == b->inode && a->changed_ns == b->changed_ns;
}

int file_failed(struct error *err, const char *what)
{
    int number = errno;

    fail_internal(err, "%s: %m", what);
    if (number == ENOSPC || number == EDQUOT)
        err->problem = PROBLEM_OUT_OF_SPACE;
    else if (number == EROFS || number == EIO || number == EMFILE || number == ENFILE)
        err->problem = PROBLEM_UNAVAILABLE;
    return -1;
}

/* -- entries, all under the lock -- */

static struct blob_entry **bucket_of(struct blob_store *store, const uint8_t sha256[SHA256_SIZE])
{
    return &store->buckets[(sha256[0] << 8 | sha256[1]) % BLOB_BUCKETS];
}

struct blob_entry *blob_find(struct blob_store *store, const uint8_t sha256[SHA256_SIZE])
{
    struct blob_entry *entry = *bucket_of(store, sha256);

    while (entry && memcmp(entry->blob.sha256, sha256, SHA256_SIZE))
        entry = entry->next;
    return entry;
}

struct blob_entry *entry_add(struct blob_store *store, const uint8_t sha256[SHA256_SIZE])
{
    struct blob_entry **bucket = bucket_of(store, sha256);
    struct blob_entry *entry = calloc(1, sizeof *entry);

    if (!entry)
        return NULL;
    memcpy(entry->blob.sha256, sha256, SHA256_SIZE);
    entry->blob.fd = -1;
    entry->next = *bucket;
    *bucket = entry;
    return entry;
}

static void unmap(struct blob_entry *entry)
{
    mapped_release(&entry->mapped);
    close_fd(&entry->blob.fd);
    entry->blob.fd = -1;
    entry->blob.at = NULL;
}

static void leave_idle(struct blob_store *store, struct blob_entry *entry)
{
    *(entry->newer ? &entry->newer->older : &store->newest_idle) = entry->older;
    *(entry->older ? &entry->older->newer : &store->oldest_idle) = entry->newer;
    entry->newer = entry->older = NULL;
    store->idle_count--;
}

static void become_idle(struct blob_store *store, struct blob_entry *entry)
{
    entry->older = store->newest_idle;
    *(entry->older ? &entry->older->newer : &store->oldest_idle) = entry;
    store->newest_idle = entry;
    store->idle_count++;
    while (store->idle_count > store->idle_max) {
        struct blob_entry *oldest = store->oldest_idle;
        leave_idle(store, oldest);
        unmap(oldest);
    }
}

static void free_entry(struct blob_entry *entry)
{
    unmap(entry);
    free(entry);
}

void entry_detach(struct blob_store *store, struct blob_entry *entry)
{
    struct blob_entry **at = bucket_of(store, entry->blob.sha256);

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    entry->is_detached = true;
    if (entry->references)
        return;
    if (entry->mapped)
        leave_idle(store, entry);
    free_entry(entry);
}

void entry_mark_broken(struct blob_store *store, struct blob_entry *entry, const char *reason)
{
    if (entry->reason)
        return;
    entry->reason = reason;
    pthread_cond_signal(&store->wake); /* the thread tells */
}

void entry_notice_fault(struct blob_store *store, struct blob_entry *entry)
{
    if (entry->mapped && !mapped_is_intact(entry->blob.at, (size_t)entry->blob.size))
        entry_mark_broken(store, entry, "it could not be read while it was served");
}

/* -- serving -- */

int blob_open_file(struct blob_store *store, const uint8_t sha256[SHA256_SIZE], int *ret_fd,
                   struct stat *ret_status, struct error *err)
{
    char name[BLOB_NAME_SIZE];

    blob_name(sha256, name);
    name[2] = '\0';
    CLEANUP(close_fd)
    int folder = openat(store->blobs_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* A planted FIFO would block an ordinary open. */
    CLEANUP(close_fd)
    int fd =
        folder < 0 ? -1 : openat(folder, name + 3, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        return file_failed(err, name + 3);
    if (fd < 0 || fstat(fd, ret_status) || !S_ISREG(ret_status->st_mode))
        return fail(err, PROBLEM_NO_SUCH_ARTIFACT, "%s", name + 3);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* Finds what is wrong with the file before it is opened, and with what was known of it. The entry
 * returned is the one to go on with; NULL only without memory or when there is nothing to know. */
static struct blob_entry *look_at_file(struct blob_store *store, const uint8_t sha256[SHA256_SIZE],
                                       int64_t size)
{
    struct blob_entry *entry = blob_find(store, sha256);
    struct stat status;
    char name[BLOB_NAME_SIZE];

    blob_name(sha256, name);
    bool is_there = !fstatat(store->blobs_fd, name, &status, AT_SYMLINK_NOFOLLOW);
    if (!is_there && !entry && size < 0)
        return NULL;
    struct file_identity identity = is_there ? identity_of(&status) : (struct file_identity){0};
    bool is_another =
        is_there && entry && !(entry->has_identity && same_file(&entry->identity, &identity));
    if (is_another)
        entry_detach(store, entry);
    if ((is_another || !entry) && !(entry = entry_add(store, sha256)))
        return NULL;
    entry->must_verify = entry->must_verify || is_another;
    entry->identity = identity;
    entry->has_identity = is_there; /* one that comes back is another one */

    entry_notice_fault(store, entry);
    if (!is_there)
        entry_mark_broken(store, entry, "the file is missing");
    else if (!S_ISREG(status.st_mode))
        entry_mark_broken(store, entry, "it is not a regular file");
    else if (size >= 0 && status.st_size != size)
        entry_mark_broken(store, entry, "the file has another size");
    return entry;
}

static int map(struct blob_store *store, struct blob_entry *entry, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat status;

    if (blob_open_file(store, entry->blob.sha256, &fd, &status, err) ||
        mapped_open(fd, (size_t)status.st_size, &entry->mapped, err))
        return -1;
    entry->blob.at = entry->mapped->at;
    entry->blob.size = status.st_size;
    entry->blob.modified_at = status.st_mtime;
    entry->blob.fd = fd;
    fd = -1;
    return 0;
}

static int use_entry(struct blob_store *store, struct blob_entry *entry, struct error *err)
{
    if (entry->reason)
        return fail(err, PROBLEM_NO_SUCH_ARTIFACT, "the image is broken");
    if (!entry->is_verified)
        pthread_cond_signal(&store->wake);
    if (entry->must_verify)
        return fail(err, PROBLEM_UNAVAILABLE, "the image is being verified");
    if (!entry->mapped) {
        if (map(store, entry, err))
            return -1;
    } else if (!entry->references) {
        leave_idle(store, entry);
    }
    entry->references++;
    return 0;
}

int blob_open(struct blob_store *store, const uint8_t sha256[SHA256_SIZE], int64_t size,
              const struct blob **ret, struct error *err)
{
    pthread_mutex_lock(&store->lock);
    struct blob_entry *entry = look_at_file(store, sha256, size);
    int failed = entry ? use_entry(store, entry, err)
                       : fail(err, PROBLEM_NO_SUCH_ARTIFACT, "there is no such image");
    pthread_mutex_unlock(&store->lock);
    if (!failed)
        *ret = &entry->blob;
    return failed;
}

void blob_close(struct blob_store *store, const struct blob *blob)
{
    struct blob_entry *entry = (struct blob_entry *)(uintptr_t)blob; /* its first member */

    pthread_mutex_lock(&store->lock);
    assert(entry->references);
    entry_notice_fault(store, entry);
    if (--entry->references == 0) {
        if (entry->is_detached)
            free_entry(entry);
        else
            become_idle(store, entry);
    }
    pthread_mutex_unlock(&store->lock);
}

bool blob_is_broken(struct blob_store *store, const uint8_t sha256[SHA256_SIZE])
{
    pthread_mutex_lock(&store->lock);
    struct blob_entry *entry = blob_find(store, sha256);
    if (entry)
        entry_notice_fault(store, entry);
    bool is_broken = entry && entry->reason;
    pthread_mutex_unlock(&store->lock);
    return is_broken;
}

/* -- opening and closing the store -- */

static int open_folder(const char *state_folder, const char *name, int *ret_fd, struct error *err)
{
    CLEANUP(free_string) char *path = NULL;

    if (asprintf(&path, "%s/%s", state_folder, name) < 0) {
        path = NULL;
        return fail_internal(err, "%s: out of memory", name);
    }
    if (mkdir(path, 0700) && errno != EEXIST)
        return file_failed(err, path);
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? file_failed(err, path) : 0;
}

int blob_store_open(const struct blob_options *options, struct blob_store **ret, struct error *err)
{
    struct blob_store *store = calloc(1, sizeof *store);
    pthread_condattr_t monotonic;

    if (!store)
        return fail_internal(err, "images: out of memory");
    store->blobs_fd = store->uploads_fd = -1;
    store->space_reserve = options->space_reserve;
    store->scrub_interval = options->scrub_interval;
    store->on_broken = options->on_broken;
    store->arg = options->arg;
    store->idle_max = options->idle_max ? options->idle_max : IDLE_MAX;
    pthread_mutex_init(&store->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);

    if (open_folder(options->state_folder, "blobs", &store->blobs_fd, err) ||
        open_folder(options->state_folder, "uploads", &store->uploads_fd, err) ||
        checking_start(store, err)) {
        blob_store_close(&store);
        return -1;
    }
    *ret = store;
    return 0;
}

void blob_store_close(struct blob_store **store)
{
    struct blob_store *closing = MOVE(*store);

    if (!closing)
        return;
    checking_stop(closing);
    for (size_t i = 0; i < BLOB_BUCKETS; i++)
        while (closing->buckets[i]) {
            struct blob_entry *entry = closing->buckets[i];
            assert(!entry->references);
            closing->buckets[i] = entry->next;
            free_entry(entry);
        }
    close_fd(&closing->blobs_fd);
    close_fd(&closing->uploads_fd);
    pthread_cond_destroy(&closing->wake);
    pthread_mutex_destroy(&closing->lock);
    free(closing);
}
