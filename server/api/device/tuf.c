/* SPDX-License-Identifier: Apache-2.0 */
/* The image repository as TUF clients read it. Metadata is for every device; targets only while
 * they are assigned. Everything unknown is 404: clients walk the chain of roots until they meet
 * one. */
#include "api/device/serve.h"

#include "core/text.h"
#include "store/artifact.h"
#include "store/metadata.h"

#include <string.h>

#define SHA512_SIZE 64
#define ROLE_SIZE 48

/* "<number>.<role>.json" */
static bool read_metadata_name(const char *name, int64_t *ret_version, char ret_role[ROLE_SIZE])
{
    char digits[20];
    size_t digit_count = strcspn(name, ".");
    const char *role = name + digit_count + 1;
    const char *end = name[digit_count] ? strrchr(role, '.') : NULL;

    if (!end || strcmp(end, ".json") != 0 || digit_count >= sizeof digits ||
        (size_t)(end - role) >= ROLE_SIZE)
        return false;
    memcpy(digits, name, digit_count);
    digits[digit_count] = '\0';
    memcpy(ret_role, role, (size_t)(end - role));
    ret_role[end - role] = '\0';
    return digits[0] != '0' && number_from_text(digits, ret_version) &&
           identifier_ok(IDENTIFIER_NAME, ret_role);
}

int tuf_get_metadata(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(metadata_clear) struct metadata metadata = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    int64_t version;
    char role[ROLE_SIZE];

    if (!read_metadata_name(request_parameter(req, "file"), &version, role))
        return fail(err, PROBLEM_NOT_FOUND, "no such role file");
    if (tx_read(&tx, app->store, err))
        return HANDLE_FAILED;
    switch (metadata_find(&tx, request_identity(req)->tenant_row, role, version, &metadata, err)) {
    case STEP_FAILED:
        return HANDLE_FAILED;
    case STEP_DONE:
        return fail(err, PROBLEM_NOT_FOUND, "no such role file");
    case STEP_ROW:
        break;
    }
    reply_header(reply, "Cache-Control", "private, max-age=31536000, immutable");
    return reply_bytes(reply, 200, "application/json", metadata.bytes, metadata.length);
}

/* -- targets -- */

/* Whether "<hash>.<file>" is this target's: every hash of the signed entry names it. */
static int is_named(struct tx *tx, const struct target *target, const char *name, bool *ret,
                    struct artifact *ret_artifact, struct error *err)
{
    char sha512[2 * SHA512_SIZE + 1];
    size_t hash_length = strcspn(name, ".");

    *ret = false;
    if (!hex_to_bytes(target->sha256, ret_artifact->sha256, SHA256_SIZE))
        return fail_internal(err, "target %s: malformed hash", target->path);
    if (artifact_get(tx, ret_artifact->sha256, ret_artifact, err))
        return -1;
    if (hash_length == strlen(target->sha256)) {
        *ret = memcmp(name, target->sha256, hash_length) == 0;
    } else if (hash_length == 2 * SHA512_SIZE) {
        hex_from_bytes(ret_artifact->sha512, SHA512_SIZE, sha512);
        *ret = memcmp(name, sha512, hash_length) == 0;
    }
    return 0;
}

static enum step find_allowed(struct request *req, struct tx *tx, struct target *ret,
                              struct artifact *ret_artifact, struct decision *ret_decision,
                              struct error *err)
{
    const struct identity *identity = request_identity(req);
    const char *name = request_parameter(req, "file"), *dot = strchr(name, '.');
    char path[TARGET_PATH_SIZE];
    bool is_it = false;

    if (!dot)
        return STEP_DONE;
    int length = snprintf(path, sizeof path, "%s/%s/%s", request_parameter(req, "product"),
                          request_parameter(req, "version"), dot + 1);
    if ((size_t)length >= sizeof path)
        return STEP_DONE;
    enum step step = target_by_path(tx, identity->tenant_row, path, ret, err);
    if (step != STEP_ROW)
        return step;
    if (is_named(tx, ret, name, &is_it, ret_artifact, err))
        return STEP_FAILED;
    if (!is_it || ret->is_broken)
        return STEP_DONE;
    return campaign_allows_artifact(tx, identity->row, ret->row_id, ret_decision, err);
}

int tuf_get_target(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(target_clear) struct target target = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct decision decision = {0};
    struct artifact artifact;

    if (tx_read(&tx, app->store, err))
        return HANDLE_FAILED;
    enum step step = find_allowed(req, &tx, &target, &artifact, &decision, err);
    tx_end(&tx); /* the reader goes back before bytes flow */
    if (step == STEP_FAILED)
        return HANDLE_FAILED;
    if (step == STEP_DONE)
        return fail(err, PROBLEM_NO_SUCH_ARTIFACT, "no such artifact");
    struct served served = {
        .target_row = target.row_id,
        .size = artifact.size,
        .is_image = strcmp(target.kind, "image") == 0,
        .is_immutable = true,
    };
    memcpy(served.sha256, artifact.sha256, sizeof served.sha256);
    return serve_blob(req, reply, &served, &decision, err);
}
