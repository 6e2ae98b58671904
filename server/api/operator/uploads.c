/* SPDX-License-Identifier: Apache-2.0 */
/* Images arrive in pieces. How far one has come is the length of its file and nothing else, and no
 * offset is told before it is on disk: whoever dies, both sides go on from the same byte. One
 * request writes to an upload at a time; the lock is on the open file and goes with it. */
#include "api/operator/artifact_json.h"
#include "api/operator/frame.h"
#include "api/operator/routes.h"
#include "core/log.h"
#include "store/upload.h"
#include "trust/chunks.h"

#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define OFFSET_HEADER "Upload-Offset"
#define NOTE_MAX 1024 /* the body of a finish: empty or {} */

/* -- a file and how far it has come -- */

static void tell_offset(struct reply *reply, int64_t offset)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)offset);
    reply_header(reply, OFFSET_HEADER, text);
}

/* Bytes on disk for good; none when the file is not there yet. */
static int durable_length(const struct app *app, const char *id, int64_t *ret, struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat status;

    if (upload_open(app->blobs, id, false, &fd, ret, err)) {
        *ret = 0;
        return err->problem == PROBLEM_NO_SUCH_UPLOAD ? 0 : -1;
    }
    /* What is synced is what was there before: taken first, the length is never too much. */
    if (fstat(fd, &status) || fdatasync(fd))
        return fail_internal(err, "sync upload %s: %m", id);
    *ret = status.st_size;
    return 0;
}

/* Opens the file for one writer; its length is final until the descriptor is closed. */
static int lock_upload(const struct app *app, const char *id, int *ret_fd, int64_t *ret_length,
                       struct error *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat status;

    if (upload_open(app->blobs, id, false, &fd, ret_length, err) &&
        (err->problem != PROBLEM_NO_SUCH_UPLOAD ||
         upload_open(app->blobs, id, true, &fd, ret_length, err)))
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB))
        return fail(err, PROBLEM_WRONG_STATE, "another request is at work on this upload");
    if (fstat(fd, &status))
        return fail_internal(err, "stat upload %s: %m", id);
    *ret_length = status.st_size;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int find_upload(struct request *req, struct upload *ret, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};

    if (frame_read(req, &tx, err))
        return -1;
    return upload_get(&tx, request_identity(req)->tenant_row, request_parameter(req, "id"), ret,
                      err);
}

static json_t *upload_to_json(const struct upload *upload, int64_t offset)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:o}", "id", upload->id, "file", upload->file,
                     "offset", (json_int_t)offset, "size", (json_int_t)upload->size, "encoding",
                     upload->is_encrypted ? "aes128gcm" : "identity", "state",
                     upload_state_name(upload->state), "created_at",
                     json_from_time(upload->created_at));
}

/* -- beginning -- */

static int read_wish(struct request *req, struct upload *ret, struct error *err)
{
    static const char *const members[] = {"file", "size", "sha256", "encoding", NULL};
    const struct app *app = request_app(req);
    const json_t *body = request_json(req);
    const char *file, *sha256, *encoding;

    if (json_only_members(body, members, err) || json_get_string(body, "file", &file, err) ||
        json_get_integer(body, "size", 1, INT64_MAX, &ret->size, err) ||
        json_get_string(body, "sha256", &sha256, err) ||
        json_get_string_or(body, "encoding", "identity", &encoding, err))
        return -1;
    if (!identifier_ok(IDENTIFIER_FILE, file))
        return fail_field(err, PROBLEM_BAD_FIELD, "file", "a name of letters, digits and ._+~-");
    if (!hex_to_bytes(sha256, ret->sha256, sizeof ret->sha256))
        return fail_field(err, PROBLEM_BAD_FIELD, "sha256", "64 digits of lower-case hex");
    ret->is_encrypted = strcmp(encoding, "aes128gcm") == 0;
    if (!ret->is_encrypted && strcmp(encoding, "identity") != 0)
        return fail_field(err, PROBLEM_BAD_FIELD, "encoding", "identity or aes128gcm");
    if (ret->size > app->config->upload_size_max)
        return fail_field(err, PROBLEM_TOO_LARGE, "size", "at most %lld bytes are taken",
                          (long long)app->config->upload_size_max);
    snprintf(ret->file, sizeof ret->file, "%s", file);
    ret->tenant_row = request_identity(req)->tenant_row;
    ret->created_at = request_now(req);
    return 0;
}

/* Open uploads: how many, what they still need, and one of the same content to go on with. */
struct survey {
    const struct app *app;
    const struct upload *wish;
    struct upload same;
    bool has_same;
    int64_t count, missing;
};

static int survey_one(const struct upload *upload, void *arg, struct error *err)
{
    struct survey *survey = arg;
    int64_t length = 0;

    if (upload_length(survey->app->blobs, upload->id, &length, err) &&
        err->problem != PROBLEM_NO_SUCH_UPLOAD)
        return -1;
    survey->count++;
    survey->missing += length < upload->size ? upload->size - length : 0;
    const struct upload *wish = survey->wish;
    if (upload->tenant_row == wish->tenant_row && upload->size == wish->size &&
        upload->is_encrypted == wish->is_encrypted &&
        memcmp(upload->sha256, wish->sha256, SHA256_SIZE) == 0) {
        survey->same = *upload;
        survey->has_same = true;
    }
    return 0;
}

enum known { KNOWN_NOT, KNOWN_ARTIFACT, KNOWN_UPLOAD };

static int look_around(struct request *req, const struct upload *wish, struct survey *survey,
                       struct artifact *ret_artifact, enum known *ret, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};

    if (frame_read(req, &tx, err))
        return -1;
    enum step step = artifact_find(&tx, wish->sha256, ret_artifact, err);
    if (step == STEP_FAILED)
        return -1;
    *ret = KNOWN_ARTIFACT;
    if (step == STEP_ROW && ret_artifact->has_list && !ret_artifact->is_broken) {
        if (ret_artifact->is_encrypted != wish->is_encrypted)
            return fail_field(err, PROBLEM_CONFLICT, "encoding",
                              "this content is stored with the other encoding");
        return 0;
    }
    if (upload_each(&tx, UPLOAD_OPEN, INT64_MAX, survey_one, survey, err))
        return -1;
    *ret = survey->has_same ? KNOWN_UPLOAD : KNOWN_NOT;
    return 0;
}

struct upload_job {
    struct request *req;
    struct upload *upload;
    const struct artifact *artifact, *list;
};

static int count_one(const struct upload *upload, void *arg, struct error *err)
{
    (void)upload, (void)err;
    ++*(int64_t *)arg;
    return 0;
}

static int write_upload(struct tx *tx, void *arg, struct error *err)
{
    const struct upload_job *job = arg;
    const struct app *app = request_app(job->req);
    int64_t open = 0;

    if (upload_each(tx, UPLOAD_OPEN, INT64_MAX, count_one, &open, err))
        return -1;
    if (open >= app->config->upload_open_max)
        return fail(err, PROBLEM_TOO_MANY, "%lld uploads are open; finish or delete some",
                    (long long)open);
    if (upload_insert(tx, job->upload, request_identity(job->req)->id, err))
        return -1;
    return frame_audit(job->req, tx, "upload.begin", job->upload->id, job->upload->file, err);
}

static int begin_upload(struct request *req, struct upload *upload, const struct survey *survey,
                        struct error *err)
{
    const struct app *app = request_app(req);
    struct upload_job job = {.req = req, .upload = upload};
    uint8_t random[16];
    CLEANUP(close_fd) int fd = -1;
    int64_t nothing_yet;

    if (upload_has_room(app->blobs, upload->size + survey->missing, err))
        return -1;
    random_bytes(random, sizeof random);
    hex_from_bytes(random, sizeof random, upload->id);
    if (store_write(app->store, write_upload, &job, err))
        return -1;
    return upload_open(app->blobs, upload->id, true, &fd, &nothing_yet, err);
}

static int reply_upload(struct reply *reply, int status, const struct upload *upload,
                        int64_t offset)
{
    char location[64 + UPLOAD_ID_SIZE];

    snprintf(location, sizeof location, "/api/v1/uploads/%s", upload->id);
    reply_header(reply, "Location", location);
    tell_offset(reply, offset);
    return reply_json(reply, status, upload_to_json(upload, offset));
}

/* Nothing grows while nobody begins an upload, so this is soon enough. */
static void make_room(struct app *app, int64_t now)
{
    struct error err = {0};

    if (uploads_expire(app, now, &err))
        log_warning("upload.expiry_failed", CAUSE(&err));
}

static int post_upload(struct request *req, struct reply *reply, struct error *err)
{
    struct app *app = request_app(req);
    struct upload upload = {0};
    struct survey survey = {.app = app, .wish = &upload};
    struct artifact artifact;
    enum known known;
    json_t *json;
    int64_t offset;

    if (read_wish(req, &upload, err))
        return -1;
    make_room(app, request_now(req));
    if (look_around(req, &upload, &survey, &artifact, &known, err))
        return -1;
    if (known == KNOWN_ARTIFACT) {
        if (artifact_to_json(&artifact, &json, err))
            return -1;
        return reply_json(reply, 200, json_pack("{s:o}", "artifact", json));
    }
    if (known == KNOWN_UPLOAD) {
        if (durable_length(app, survey.same.id, &offset, err))
            return -1;
        return reply_upload(reply, 200, &survey.same, offset);
    }
    if (begin_upload(req, &upload, &survey, err))
        return -1;
    return reply_upload(reply, 201, &upload, 0);
}

/* -- asking -- */

static int find_artifact(struct request *req, const struct upload *upload, json_t **ret,
                         struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct artifact artifact;

    if (frame_read(req, &tx, err) || artifact_get(&tx, upload->sha256, &artifact, err))
        return -1;
    return artifact_to_json(&artifact, ret, err);
}

static int get_upload(struct request *req, struct reply *reply, struct error *err)
{
    struct upload upload;
    json_t *artifact = NULL;
    int64_t offset;

    if (find_upload(req, &upload, err))
        return -1;
    offset = upload.size;
    if (upload.state == UPLOAD_FINISHED && find_artifact(req, &upload, &artifact, err))
        return -1;
    if (upload.state == UPLOAD_OPEN && durable_length(request_app(req), upload.id, &offset, err))
        return -1;
    json_t *json = upload_to_json(&upload, offset);
    if (artifact)
        json_object_set_new(json, "artifact", artifact);
    tell_offset(reply, offset);
    reply_header(reply, "Cache-Control", "no-store");
    return reply_json(reply, 200, json);
}

/* -- bytes -- */

static int read_offset(struct request *req, int64_t *ret, struct error *err)
{
    const char *type = request_header(req, "Content-Type");
    const char *offset = request_header(req, OFFSET_HEADER);

    if (!type || !text_same_ignoring_case(type, "application/offset+octet-stream"))
        return fail_field(err, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "Content-Type",
                          "application/offset+octet-stream is taken here");
    if (!offset || !number_from_text(offset, ret))
        return fail_field(err, PROBLEM_BAD_REQUEST, OFFSET_HEADER, "a number of bytes is required");
    return 0;
}

static int open_piece(struct request *req, int64_t length, struct error *err)
{
    const struct app *app = request_app(req);
    CLEANUP(close_fd) int fd = -1;
    struct upload upload;
    int64_t offset, arrived;
    char text[24];

    if (length < 0)
        return fail_field(err, PROBLEM_LENGTH_REQUIRED, "Content-Length", "missing");
    if (read_offset(req, &offset, err) || find_upload(req, &upload, err))
        return -1;
    if (upload.state != UPLOAD_OPEN)
        return fail(err, PROBLEM_WRONG_STATE, "the upload is %s", upload_state_name(upload.state));
    if (lock_upload(app, upload.id, &fd, &arrived, err))
        return -1;
    if (offset != arrived) {
        snprintf(text, sizeof text, "%lld", (long long)arrived);
        request_reply_header(req, OFFSET_HEADER, text);
        return fail_field(err, PROBLEM_WRONG_OFFSET, OFFSET_HEADER, "the upload goes on at byte %s",
                          text);
    }
    if (length > upload.size - arrived)
        return fail(err, PROBLEM_TOO_LARGE, "the upload ends at byte %lld", (long long)upload.size);
    request_set_stream(req, fd, arrived, NULL);
    fd = -1;
    return 0;
}

static int patch_upload(struct request *req, struct reply *reply, struct error *err)
{
    int fd = request_stream_fd(req);
    struct stat status;

    if (fdatasync(fd) || fstat(fd, &status))
        return fail_internal(err, "sync an upload: %m");
    if (status.st_nlink == 0)
        return fail(err, PROBLEM_NO_SUCH_UPLOAD, "it was deleted meanwhile");
    tell_offset(reply, status.st_size);
    return reply_empty(reply, 204);
}

/* -- finishing -- */

/* Everything is read once; what it is cut into is the server's choice, or the encryption's. */
static int hash_upload(const struct app *app, const struct upload *upload, struct artifact *ret,
                       struct blob_digests *ret_digests, struct blob_chunks *ret_chunks,
                       struct error *err)
{
    struct enc_header header;
    size_t count;

    ret->chunk_size = app->config->upload_chunk;
    ret->is_encrypted = upload->is_encrypted;
    if (upload->is_encrypted) {
        if (upload_peek(app->blobs, upload->id, ret->enc_header, ENC_HEADER_SIZE, &count, err) ||
            enc_header_read(ret->enc_header, count, &header, err))
            return -1;
        ret->enc_header_size = ENC_HEADER_SIZE;
        ret->chunk_offset = ENC_HEADER_SIZE;
        ret->chunk_size = header.record_size;
    }
    *ret_chunks = (struct blob_chunks){.offset = ret->chunk_offset, .size = ret->chunk_size};
    return upload_digest(app->blobs, upload->id, ret_digests, ret_chunks, err);
}

static void take_digests(struct artifact *artifact, const struct blob_digests *digests, int64_t now)
{
    artifact->size = digests->size;
    artifact->created_at = now;
    memcpy(artifact->sha256, digests->sha256, sizeof artifact->sha256);
    memcpy(artifact->sha512, digests->sha512, sizeof artifact->sha512);
    memcpy(artifact->sha1, digests->sha1, sizeof artifact->sha1);
    memcpy(artifact->md5, digests->md5, sizeof artifact->md5);
}

static int write_artifact(struct tx *tx, void *arg, struct error *err)
{
    const struct upload_job *job = arg;
    char hash[SHA256_HEX_SIZE];

    hex_from_bytes(job->artifact->sha256, SHA256_SIZE, hash);
    if (artifact_keep(tx, job->list, err) || artifact_keep(tx, job->artifact, err) ||
        upload_set_state(tx, job->upload, UPLOAD_FINISHED, request_now(job->req), err))
        return -1;
    return frame_audit(job->req, tx, "upload.finish", job->upload->id, hash, err);
}

static int write_failure(struct tx *tx, void *arg, struct error *err)
{
    const struct upload_job *job = arg;

    if (upload_delete(tx, job->upload, err))
        return -1;
    return frame_audit(job->req, tx, "upload.refuse", job->upload->id, "wrong hash", err);
}

static int refuse_content(struct upload_job *job, struct error *err)
{
    const struct app *app = request_app(job->req);

    if (store_write(app->store, write_failure, job, err))
        return -1;
    upload_drop(app->blobs, job->upload->id);
    return fail(err, PROBLEM_WRONG_HASH, "the upload is deleted; begin again");
}

static int keep_content(struct upload_job *job, struct artifact *artifact,
                        const struct blob_digests *digests, const struct blob_chunks *chunks,
                        struct error *err)
{
    const struct app *app = request_app(job->req);
    struct blob_digests list_digests;
    struct artifact list = {.chunk_count = 1};

    if (memcmp(digests->sha256, job->upload->sha256, SHA256_SIZE) != 0)
        return refuse_content(job, err);
    if (blob_put(app->blobs, chunks->list, (size_t)chunks->count * SHA256_SIZE, &list_digests,
                 err) ||
        blob_adopt(app->blobs, job->upload->id, digests, err))
        return -1;
    take_digests(artifact, digests, request_now(job->req));
    take_digests(&list, &list_digests, request_now(job->req));
    list.chunk_size = list.size;
    artifact->chunk_count = chunks->count;
    artifact->has_list = true;
    memcpy(artifact->list_sha256, list.sha256, SHA256_SIZE);
    job->artifact = artifact;
    job->list = &list;
    return store_write(app->store, write_artifact, job, err);
}

static int finish_open(struct request *req, struct reply *reply, struct upload *upload,
                       struct error *err)
{
    const struct app *app = request_app(req);
    CLEANUP(close_fd) int fd = -1;
    struct upload_job job = {.req = req, .upload = upload};
    struct artifact artifact = {0};
    struct blob_digests digests;
    struct blob_chunks chunks = {0};
    int64_t length;

    if (lock_upload(app, upload->id, &fd, &length, err))
        return -1;
    if (length != upload->size) {
        tell_offset(reply, length);
        return fail(err, PROBLEM_WRONG_STATE, "%lld of %lld bytes are here", (long long)length,
                    (long long)upload->size);
    }
    if (hash_upload(app, upload, &artifact, &digests, &chunks, err))
        return -1;
    CLEANUP(free_memory) uint8_t *list = chunks.list;
    return keep_content(&job, &artifact, &digests, &chunks, err);
}

static int finish_upload(struct request *req, struct reply *reply, struct error *err)
{
    struct upload upload;
    json_t *json;

    if (find_upload(req, &upload, err))
        return -1;
    if (upload.state == UPLOAD_OPEN && finish_open(req, reply, &upload, err))
        return -1;
    if (find_artifact(req, &upload, &json, err))
        return -1;
    return reply_json(reply, 201, json);
}

/* -- giving up -- */

static int write_deletion(struct tx *tx, void *arg, struct error *err)
{
    const struct upload_job *job = arg;

    if (upload_delete(tx, job->upload, err))
        return -1;
    return frame_audit(job->req, tx, "upload.delete", job->upload->id, job->upload->file, err);
}

static int delete_upload(struct request *req, struct reply *reply, struct error *err)
{
    const struct app *app = request_app(req);
    struct upload upload;
    struct upload_job job = {.req = req, .upload = &upload};

    if (find_upload(req, &upload, err) || store_write(app->store, write_deletion, &job, err))
        return -1;
    upload_drop(app->blobs, upload.id);
    return reply_empty(reply, 204);
}

/* -- expiry -- */

struct expiry {
    struct app *app;
    struct tx *tx;
    int64_t before;
};

/* Nobody writes to it and the last byte came long ago. Its lock is let go at once: a request that
 * comes in between finds the row gone or its bytes lost, and begins anew. */
static bool is_idle(const struct expiry *expiry, const char *id)
{
    CLEANUP(close_fd) int fd = -1;
    struct stat status;
    struct error ignored;
    int64_t length;

    if (upload_open(expiry->app->blobs, id, false, &fd, &length, &ignored))
        return ignored.problem == PROBLEM_NO_SUCH_UPLOAD;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 &&
           status.st_mtime < expiry->before;
}

static int expire_one(const struct upload *upload, void *arg, struct error *err)
{
    const struct expiry *expiry = arg;

    if (!is_idle(expiry, upload->id))
        return 0;
    log_info("upload.expired", TEXT("upload", upload->id), TEXT("file", upload->file));
    return upload_delete(expiry->tx, upload, err);
}

static int forget_one(const struct upload *upload, void *arg, struct error *err)
{
    const struct expiry *expiry = arg;

    return upload_delete(expiry->tx, upload, err);
}

static int write_expiry(struct tx *tx, void *arg, struct error *err)
{
    struct expiry *expiry = arg;

    expiry->tx = tx;
    if (upload_each(tx, UPLOAD_OPEN, expiry->before, expire_one, expiry, err) ||
        upload_each(tx, UPLOAD_FINISHED, expiry->before, forget_one, expiry, err))
        return -1;
    return upload_each(tx, UPLOAD_FAILED, expiry->before, forget_one, expiry, err);
}

/* A file without a row: of an expired upload, or left by a crash. Rows are written first. */
static void drop_unknown(void *arg, const char *id)
{
    const struct expiry *expiry = arg;
    CLEANUP(tx_end) struct tx tx = {0};
    struct upload upload;
    struct error err;

    if (tx_read(&tx, expiry->app->store, &err))
        return;
    if (upload_get(&tx, 0, id, &upload, &err) && err.problem == PROBLEM_NO_SUCH_UPLOAD &&
        is_idle(expiry, id))
        upload_drop(expiry->app->blobs, id);
}

int uploads_expire(struct app *app, int64_t now, struct error *err)
{
    struct expiry expiry = {.app = app, .before = now - app->config->upload_expiry};

    if (store_write(app->store, write_expiry, &expiry, err))
        return -1;
    return upload_list(app->blobs, drop_unknown, &expiry, err);
}

#define PATH "/api/v1/uploads"
#define WRITER(body, limit) AUDIENCE_OPERATOR, "artifact:write", WORK, body, limit

static const struct route rows[] = {
    {"POST",   PATH,               WRITER(JSON_BODY, 4 * KIB),  post_upload,   NULL      },
    {"GET",    PATH "/:id",        WRITER(NO_BODY,   0),        get_upload,    NULL      },
    {"PATCH",  PATH "/:id",        WRITER(FILE_BODY, 0),        patch_upload,  open_piece},
    {"POST",   PATH "/:id/finish", WRITER(RAW_BODY,  NOTE_MAX), finish_upload, NULL      },
    {"DELETE", PATH "/:id",        WRITER(NO_BODY,   0),        delete_upload, NULL      },
};
const struct routes uploads_routes = {rows, COUNT_OF(rows)};
