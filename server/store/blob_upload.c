/* SPDX-License-Identifier: Apache-2.0 */
/* From the first byte of an upload to a blob. Order on disk: bytes synced, then the name, then the
 * folder synced; a crash in between leaves an upload or a whole blob, never half of one. */
#include "store/blob_parts.h"

#include "core/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#define READ_BYTES (256 * KIB)
#define NAME_MAX_LENGTH 64
#define CHUNKS_MAX (1 << 22) /* their list takes 128 MiB */

static int check_id(const char *id, struct error *err)
{
    size_t length = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");

    if (length == 0 || length > NAME_MAX_LENGTH || id[length])
        return fail(err, PROBLEM_NO_SUCH_UPLOAD, "there is no such upload");
    return 0;
}

static int open_upload(struct blob_store *store, const char *id, int flags, int *ret_fd,
                       struct error *err)
{
    if (check_id(id, err))
        return -1;
    int fd = openat(store->uploads_fd, id, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT)
        return fail(err, PROBLEM_NO_SUCH_UPLOAD, "there is no such upload");
    if (fd < 0 && errno == EEXIST)
        return fail(err, PROBLEM_ALREADY_EXISTS, "the upload exists already");
    if (fd < 0)
        return file_failed(err, id);
    *ret_fd = fd;
    return 0;
}

int upload_has_room(struct blob_store *store, int64_t size, struct error *err)
{
    struct statvfs room;

    if (fstatvfs(store->uploads_fd, &room))
        return file_failed(err, "uploads");
    __int128 left = (__int128)room.f_bavail * room.f_frsize - store->space_reserve;
    if (left < size)
        return fail(err, PROBLEM_OUT_OF_SPACE, "%lld bytes do not fit", (long long)size);
    return 0;
}

int upload_open(struct blob_store *store, const char *id, bool is_new, int *ret_fd,
                int64_t *ret_length, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat status;

    if (open_upload(store, id, O_WRONLY | O_APPEND | (is_new ? O_CREAT | O_EXCL : 0), &fd, err))
        return -1;
    if (fstat(fd, &status))
        return file_failed(err, id);
    *ret_length = status.st_size;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int upload_length(struct blob_store *store, const char *id, int64_t *ret, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat status;

    if (open_upload(store, id, O_RDONLY, &fd, err))
        return -1;
    if (fstat(fd, &status))
        return file_failed(err, id);
    *ret = status.st_size;
    return 0;
}

int upload_cut(struct blob_store *store, const char *id, int64_t length, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;

    if (open_upload(store, id, O_WRONLY, &fd, err))
        return -1;
    return ftruncate(fd, length) ? file_failed(err, id) : 0;
}

void upload_drop(struct blob_store *store, const char *id)
{
    struct error ignored;

    if (!check_id(id, &ignored))
        unlinkat(store->uploads_fd, id, 0);
}

static void close_folder(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

int upload_list(struct blob_store *store, void (*each)(void *arg, const char *id), void *arg,
                struct error *err)
{
    int fd = openat(store->uploads_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(close_folder) DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct error ignored;

    if (!folder) {
        file_failed(err, "uploads");
        close_fd(&fd);
        return -1;
    }
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (!check_id(entry->d_name, &ignored)) /* "." and ".." are none either */
            each(arg, entry->d_name);
    return 0;
}

int upload_peek(struct blob_store *store, const char *id, void *ret, size_t count,
                size_t *ret_count, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;

    if (open_upload(store, id, O_RDONLY, &fd, err))
        return -1;
    ssize_t got = pread(fd, ret, count, 0);
    if (got < 0)
        return file_failed(err, id);
    *ret_count = (size_t)got;
    return 0;
}

/* -- hashing -- */

#define WHOLE_KINDS 4 /* DIGEST_MD5 to DIGEST_SHA512 */

struct hashing {
    struct digest *whole[WHOLE_KINDS];
    struct digest *chunk;
    int64_t position;  /* of the next byte */
    int64_t chunk_end; /* of the chunk that is open */
    struct blob_chunks *chunks;
    int64_t finished; /* chunks */
};

static void hashing_clear(struct hashing *hashing)
{
    for (int kind = 0; kind < WHOLE_KINDS; kind++)
        digest_free(&hashing->whole[kind]);
    digest_free(&hashing->chunk);
}

static int hashing_init(struct hashing *hashing, struct blob_chunks *chunks, struct error *err)
{
    bool is_whole = true;

    *hashing = (struct hashing){.chunks = chunks, .chunk_end = chunks->offset};
    for (int kind = 0; kind < WHOLE_KINDS; kind++)
        is_whole = (hashing->whole[kind] = digest_new((enum digest_kind)kind)) && is_whole;
    hashing->chunk = digest_new(DIGEST_SHA256);
    if (is_whole && hashing->chunk)
        return 0;
    hashing_clear(hashing);
    *hashing = (struct hashing){0};
    return fail_internal(err, "hashing: out of memory");
}

static void end_chunk(struct hashing *hashing)
{
    digest_end(hashing->chunk, hashing->chunks->list + hashing->finished * SHA256_SIZE);
    hashing->finished++;
}

/* The bytes before chunks.offset belong to no chunk; they pass as chunk -1. */
static void add_to_chunks(struct hashing *hashing, const uint8_t *bytes, int64_t count)
{
    while (count) {
        int64_t here = hashing->chunk_end - hashing->position;
        if (here > count)
            here = count;
        if (hashing->position >= hashing->chunks->offset)
            digest_add(hashing->chunk, bytes, (size_t)here);
        bytes += here;
        count -= here;
        hashing->position += here;
        if (hashing->position < hashing->chunk_end)
            return;
        if (hashing->position > hashing->chunks->offset)
            end_chunk(hashing);
        hashing->chunk_end += hashing->chunks->size;
    }
}

static int hash_file(struct hashing *hashing, int fd, int64_t size, struct error *err)
{
    CLEANUP(free_memory) uint8_t *buffer = malloc(READ_BYTES);

    if (!buffer)
        return fail_internal(err, "hashing: out of memory");
    for (int64_t done = 0; done < size;) {
        ssize_t got = pread(fd, buffer, READ_BYTES, done);
        if (got < 0)
            return file_failed(err, "upload");
        /* One that grows or shrinks meanwhile is not what was announced. */
        if (got == 0 || done + got > size)
            return fail(err, PROBLEM_WRONG_STATE, "the upload changed while it was read");
        for (int kind = 0; kind < WHOLE_KINDS; kind++)
            digest_add(hashing->whole[kind], buffer, (size_t)got);
        add_to_chunks(hashing, buffer, got);
        done += got;
    }
    if (hashing->finished < hashing->chunks->count)
        end_chunk(hashing);
    return 0;
}

static int prepare_chunks(struct blob_chunks *chunks, int64_t size, struct error *err)
{
    if (chunks->offset < 0 || chunks->size <= 0 || size <= chunks->offset)
        return fail(err, PROBLEM_UNPROCESSABLE, "%lld bytes are too few", (long long)size);
    chunks->count = (size - chunks->offset - 1) / chunks->size + 1;
    if (chunks->count > CHUNKS_MAX)
        return fail(err, PROBLEM_UNPROCESSABLE, "chunks of %lld bytes are too many",
                    (long long)chunks->size);
    chunks->list = calloc((size_t)chunks->count, SHA256_SIZE);
    return chunks->list ? 0 : fail_internal(err, "chunk list: out of memory");
}

static int digest_file(int fd, struct blob_digests *ret, struct blob_chunks *ret_chunks,
                       struct error *err)
{
    CLEANUP(hashing_clear) struct hashing hashing = {0};
    struct blob_chunks chunks = {.offset = ret_chunks->offset, .size = ret_chunks->size};
    struct stat status;

    if (fstat(fd, &status))
        return file_failed(err, "image");
    if (prepare_chunks(&chunks, status.st_size, err))
        return -1;
    CLEANUP(free_memory) uint8_t *list = chunks.list;
    if (hashing_init(&hashing, &chunks, err) || hash_file(&hashing, fd, status.st_size, err))
        return -1;

    *ret = (struct blob_digests){.size = status.st_size, .file = identity_of(&status)};
    digest_end(hashing.whole[DIGEST_MD5], ret->md5);
    digest_end(hashing.whole[DIGEST_SHA1], ret->sha1);
    digest_end(hashing.whole[DIGEST_SHA256], ret->sha256);
    digest_end(hashing.whole[DIGEST_SHA512], ret->sha512);
    chunks.list = MOVE(list);
    *ret_chunks = chunks;
    return 0;
}

int upload_digest(struct blob_store *store, const char *id, struct blob_digests *ret,
                  struct blob_chunks *chunks, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;

    return open_upload(store, id, O_RDONLY, &fd, err) ? -1 : digest_file(fd, ret, chunks, err);
}

int blob_digest(struct blob_store *store, const uint8_t sha256[SHA256_SIZE],
                struct blob_digests *ret, struct blob_chunks *chunks, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat status;

    if (blob_open_file(store, sha256, &fd, &status, err))
        return -1;
    return digest_file(fd, ret, chunks, err);
}

/* -- becoming a blob -- */

/* The folder "ab" below blobs/, made and made lasting when it is new. */
static int open_blob_folder(struct blob_store *store, const char *name, int *ret_fd,
                            struct error *err)
{
    char folder[3] = {name[0], name[1], '\0'};

    if (mkdirat(store->blobs_fd, folder, 0700) == 0) {
        if (fsync(store->blobs_fd))
            return file_failed(err, "blobs");
    } else if (errno != EEXIST) {
        return file_failed(err, "blobs");
    }
    *ret_fd = openat(store->blobs_fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *ret_fd < 0 ? file_failed(err, folder) : 0;
}

/* Under one lock, so that nobody finds the new file and the old entry. What was known of an older
 * file of this content is forgotten; this one was just read. */
static int rename_and_enter(struct blob_store *store, const char *id, int folder, const char *file,
                            const struct blob_digests *digests, struct error *err)
{
    if (renameat(store->uploads_fd, id, folder, file))
        return file_failed(err, file);
    struct blob_entry *entry = blob_find(store, digests->sha256);
    if (entry)
        entry_detach(store, entry);
    entry = entry_add(store, digests->sha256);
    if (!entry)
        return fail_internal(err, "images: out of memory");
    entry->identity = digests->file;
    entry->has_identity = true;
    entry->is_verified = true;
    return 0;
}

/* A crash after the rename leaves no upload; what may be missing is the sync. */
static int finish_adopted(struct blob_store *store, const struct blob_digests *digests,
                          struct error *err)
{
    CLEANUP(close_fd) int folder = -1;
    char name[BLOB_NAME_SIZE];
    struct stat status;

    blob_name(digests->sha256, name);
    if (fstatat(store->blobs_fd, name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISREG(status.st_mode) ||
        status.st_size != digests->size || blob_is_broken(store, digests->sha256))
        return -1;
    if (open_blob_folder(store, name, &folder, err))
        return -1;
    return fsync(folder) ? file_failed(err, name) : 0;
}

static int move_to_blobs(struct blob_store *store, const char *id, int upload,
                         const struct blob_digests *digests, struct error *err)
{
    CLEANUP(close_fd) int folder = -1;
    char name[BLOB_NAME_SIZE];

    blob_name(digests->sha256, name);
    if (open_blob_folder(store, name, &folder, err))
        return -1;
    if (fchmod(upload, 0400) || fsync(upload))
        return file_failed(err, name);
    pthread_mutex_lock(&store->lock);
    int failed = rename_and_enter(store, id, folder, name + 3, digests, err);
    pthread_mutex_unlock(&store->lock);
    if (failed)
        return -1;
    return fsync(folder) || fsync(store->uploads_fd) ? file_failed(err, name) : 0;
}

int blob_adopt(struct blob_store *store, const char *id, const struct blob_digests *digests,
               struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat status;

    if (open_upload(store, id, O_RDONLY, &fd, err))
        return err->problem == PROBLEM_NO_SUCH_UPLOAD ? finish_adopted(store, digests, err) : -1;
    if (fstat(fd, &status))
        return file_failed(err, id);
    struct file_identity identity = identity_of(&status);
    if (status.st_size != digests->size || !same_file(&identity, &digests->file))
        return fail(err, PROBLEM_WRONG_STATE, "the upload changed after it was read");
    return move_to_blobs(store, id, fd, digests, err);
}

static int write_all(int fd, const uint8_t *bytes, size_t length, struct error *err)
{
    while (length) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0)
            return file_failed(err, "upload");
        bytes += written;
        length -= (size_t)written;
    }
    return 0;
}

int blob_put(struct blob_store *store, const void *bytes, size_t length, struct blob_digests *ret,
             struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct blob_chunks one = {.size = (int64_t)length};
    char id[] = "put-0123456789abcdef";
    uint64_t number = random_number();
    int64_t nothing_yet;

    hex_from_bytes(&number, sizeof number, id + 4);
    if (upload_has_room(store, (int64_t)length, err) ||
        upload_open(store, id, true, &fd, &nothing_yet, err))
        return -1;
    int failed = write_all(fd, bytes, length, err) || upload_digest(store, id, ret, &one, err) ||
                 blob_adopt(store, id, ret, err);
    free(one.list);
    if (failed)
        upload_drop(store, id);
    return failed ? -1 : 0;
}
