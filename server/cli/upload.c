/* SPDX-License-Identifier: Apache-2.0 */
/* otactl upload, otactl artifact …: images on their way to the server. A piece is on the server's
 * disk once its PATCH is answered, so after any loss of connection the server's own offset is asked
 * for and the upload goes on from there, in this run or in a later one. */
#include "cli/verbs.h"

#include "cli/files.h"
#include "cli/http.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "core/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define PIECE_BYTES (8 * MIB)
#define RETRIES_MAX 14 /* in a row, without a byte more on the server: more than 100 s */
#define BACK_OFF_MS 250
#define BACK_OFF_MAX_MS 10000

struct upload {
    int fd;
    int64_t size, offset;
    char sha256[SHA256_HEX_SIZE];
    char *name; /* without folders */
    char *id;
    int retries;
    struct progress progress;
};

static void upload_clear(struct upload *upload)
{
    close_fd(&upload->fd);
    free(upload->name);
    free(upload->id);
}

static int hash_file(struct cli *cli, struct upload *upload, const char *path)
{
    CLEANUP(digest_free) struct digest *digest = digest_new(DIGEST_SHA256);
    CLEANUP(free_memory) void *buffer = malloc(MIB);
    uint8_t hash[SHA256_SIZE];
    int64_t total = 0;
    ssize_t count;

    if (!digest || !buffer)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    while ((count = pread(upload->fd, buffer, MIB, total)) > 0) {
        digest_add(digest, buffer, (size_t)count);
        total += count;
    }
    if (count < 0)
        return refuse(cli, ENDS_MISUSED, "%s: %s", path, strerror(errno));
    digest_end(digest, hash);
    hex_from_bytes(hash, sizeof hash, upload->sha256);
    upload->size = total;
    return 0;
}

static int open_file(struct cli *cli, const char *path, struct upload *ret)
{
    struct stat status;

    ret->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (ret->fd < 0 || fstat(ret->fd, &status))
        return refuse(cli, ENDS_MISUSED, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size == 0)
        return refuse(cli, ENDS_MISUSED, "%s is not a file with something in it", path);
    CLEANUP(free_string) char *copy = strdup(path);
    ret->name = copy ? strdup(basename(copy)) : NULL;
    if (!ret->name)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (!identifier_ok(IDENTIFIER_FILE, ret->name))
        return refuse(cli, ENDS_MISUSED,
                      "the name \"%s\" cannot stand in a release: letters, digits and . _ + ~ -",
                      ret->name);
    return hash_file(cli, ret, path);
}

/* The server answers with a fresh upload, with an unfinished one of the same content, or with the
 * artifact when it has that already. */
static int begin(struct cli *cli, struct upload *upload, const char *encoding,
                 json_t **ret_artifact)
{
    json_auto_t *answer = NULL;

    if (http_post(cli, "/uploads",
                  json_pack("{ss sI ss ss*}", "file", upload->name, "size",
                            (json_int_t)upload->size, "sha256", upload->sha256, "encoding",
                            encoding),
                  &answer))
        return -1;
    json_t *artifact = json_object_get(answer, "artifact");
    if (json_is_object(artifact)) {
        *ret_artifact = json_incref(artifact);
        return 0;
    }
    const char *id = member_text(answer, "id", NULL);
    upload->id = id ? strdup(id) : NULL;
    upload->offset = member_number(answer, "offset");
    if (!upload->id || upload->offset < 0 || upload->offset > upload->size)
        return refuse(cli, ENDS_SERVER, "the server began no upload");
    return 0;
}

static void wait_before_retry(int retries)
{
    int64_t ms = (int64_t)BACK_OFF_MS << (retries < 8 ? retries : 8);

    ms = ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS;
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void show_sent(void *context, int64_t bytes)
{
    struct upload *upload = context;

    progress_show(&upload->progress, upload->offset + bytes);
}

static int send_piece(struct cli *cli, struct upload *upload, void *buffer, struct answer *ret)
{
    ssize_t count = pread(upload->fd, buffer, PIECE_BYTES, upload->offset);
    CLEANUP(free_string) char *path = http_path("/uploads/%s", upload->id);

    if (count <= 0)
        return refuse(cli, ENDS_MISUSED, "%s became shorter while it was sent", upload->name);
    struct ask ask = {
        .method = "PATCH",
        .path = path,
        .type = "application/offset+octet-stream",
        .body = buffer,
        .length = (size_t)count,
        .has_offset = true,
        .offset = upload->offset,
        .on_sent = show_sent,
        .context = upload,
    };
    return http_ask(cli, &ask, ret);
}

/* "wrong-state": the server may still hold the request whose connection we lost. */
static bool is_worth_a_retry(const struct cli *cli, const struct answer *answer)
{
    return cli->failure.code == ENDS_UNREACHABLE || answer->status == 503 ||
           answer->status == 408 || answer->status == 429 || answer->offset >= 0 ||
           was_refused_for(cli, "wrong-state");
}

/* After a failed piece: waits, and learns where the server is. When nobody answers, the next piece
 * fails too and comes here again. */
static int take_up(struct cli *cli, struct upload *upload, const struct answer *failed)
{
    CLEANUP(free_string) char *path = http_path("/uploads/%s", upload->id);
    CLEANUP(answer_clear) struct answer answer = {.offset = -1};
    const struct ask ask = {.method = "HEAD", .path = path};
    int64_t offset = failed->offset;

    if (!is_worth_a_retry(cli, failed) || ++upload->retries > RETRIES_MAX)
        return -1;
    forget_failure(cli);
    if (offset < 0) {
        wait_before_retry(upload->retries);
        if (http_ask(cli, &ask, &answer))
            forget_failure(cli);
        offset = answer.offset;
    }
    if (offset >= 0 && offset <= upload->size)
        upload->offset = offset;
    return 0;
}

static int send_pieces(struct cli *cli, struct upload *upload)
{
    CLEANUP(free_memory) void *buffer = malloc(PIECE_BYTES);

    if (!buffer)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    while (upload->offset < upload->size) {
        CLEANUP(answer_clear) struct answer answer = {.offset = -1};

        if (send_piece(cli, upload, buffer, &answer)) {
            if (take_up(cli, upload, &answer))
                return -1;
            continue;
        }
        if (answer.offset <= upload->offset || answer.offset > upload->size)
            return refuse(cli, ENDS_SERVER, "the server lost count of the upload");
        upload->offset = answer.offset;
        upload->retries = 0;
        progress_show(&upload->progress, upload->offset);
    }
    return 0;
}

static int finish(struct cli *cli, const struct upload *upload, json_t **ret)
{
    CLEANUP(free_string) char *path = http_path("/uploads/%s/finish", upload->id);

    return http_post(cli, path, json_object(), ret);
}

int upload_file(struct cli *cli, const char *path, const char *encoding, json_t **ret)
{
    CLEANUP(upload_clear) struct upload upload = {.fd = -1};
    json_auto_t *artifact = NULL;

    if (open_file(cli, path, &upload) || begin(cli, &upload, encoding, &artifact))
        return -1;
    if (!artifact) {
        if (upload.offset > 0)
            fprintf(stderr, "%s: going on at byte %lld\n", upload.name, (long long)upload.offset);
        progress_start(&upload.progress, upload.name, upload.offset, upload.size);
        int failed = send_pieces(cli, &upload);
        progress_end(&upload.progress, upload.offset);
        if (failed) {
            advise(cli, "the same command goes on where it stopped");
            return -1;
        }
        if (finish(cli, &upload, &artifact))
            return -1;
    }
    *ret = MOVE(artifact);
    return 0;
}

/* -- the verbs -- */

static const struct column artifact_columns[] = {
    {"SHA-256", "sha256",     AS_TEXT },
    {"SIZE",    "size",       AS_BYTES},
    {"FORM",    "encoding",   AS_TEXT },
    {"STATE",   "state",      AS_TEXT },
    {"SINCE",   "created_at", AS_AGO  },
};

static const struct column artifact_fields[] = {
    {"SHA-256",    "sha256",       AS_TEXT  },
    {"SHA-512",    "sha512",       AS_TEXT  },
    {"SHA-1",      "sha1",         AS_TEXT  },
    {"MD5",        "md5",          AS_TEXT  },
    {"Size",       "size",         AS_BYTES },
    {"Form",       "encoding",     AS_TEXT  },
    {"State",      "state",        AS_TEXT  },
    {"Chunks",     "chunks.count", AS_NUMBER},
    {"Chunk size", "chunks.size",  AS_BYTES },
    {"Since",      "created_at",   AS_TIME  },
};

static int run_upload(struct cli *cli)
{
    json_auto_t *artifact = NULL;

    if (upload_file(cli, operand(cli, 0), option(cli, "encoding"), &artifact))
        return -1;
    if (wants_json(cli))
        return print_json(artifact);
    print_fields(artifact, COLUMNS(artifact_fields));
    return 0;
}

static int artifact_list(struct cli *cli)
{
    static const struct listing listing = {COLUMNS(artifact_columns), "No artifacts yet.", "after"};

    return print_list(cli, "/artifacts", &listing);
}

static int artifact_show(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/artifacts/%s", operand(cli, 0));

    return print_one(cli, path, COLUMNS(artifact_fields));
}

static const struct option upload_options[] = {
    {"encoding", "FORM",
     "identity (default), or aes128gcm for an image encrypted as RFC 8188 has it"},
};
static const struct option list_options[] = {LIST_OPTIONS};

/* clang-format off */
static const struct verb upload_verbs[] = {
    {"", "FILE", "bring an image to the server, going on where an earlier try stopped",
     "A lost connection is taken up again by itself; after a longer one, or a restart, give the\n"
     "same command again. Content the server has already is not sent twice.\n"
     "\n"
     "$ otactl upload rootfs-2.1.0.raucb\n",
     OPTIONS(upload_options), run_upload},
};
/* clang-format on */
const struct group upload_group = {"upload", "bring an image to the server", upload_verbs,
                                   COUNT_OF(upload_verbs)};

/* clang-format off */
static const struct verb artifact_verbs[] = {
    {"list", "", "what the server stores",
     "$ otactl artifact list\n",
     OPTIONS(list_options), artifact_list},
    {"show", "SHA256", "one of them, with all its hashes",
     "$ otactl artifact show 9f86d0…\n",
     NO_OPTIONS, artifact_show},
};
/* clang-format on */
const struct group artifact_group = {"artifact", "images the server stores", artifact_verbs,
                                     COUNT_OF(artifact_verbs)};
