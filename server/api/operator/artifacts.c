/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/artifact_json.h"
#include "api/operator/frame.h"
#include "api/operator/routes.h"

#include <string.h>

static int hash_parameter(const struct request *req, uint8_t ret[SHA256_SIZE], struct error *err)
{
    const char *text = request_parameter(req, "sha256");

    if (!hex_to_bytes(text, ret, SHA256_SIZE))
        return fail(err, PROBLEM_NO_SUCH_ARTIFACT, "artifact %.64s", text);
    return 0;
}

/* -- lists -- */

struct listing {
    json_t *items;
    int64_t limit;
    char last[SHA256_HEX_SIZE];
};

static int list_one(const struct artifact *artifact, void *arg, struct error *err)
{
    struct listing *listing = arg;
    json_t *json;

    if (artifact_to_json(artifact, &json, err) || json_add(listing->items, json, err))
        return -1;
    hex_from_bytes(artifact->sha256, SHA256_SIZE, listing->last);
    return 0;
}

static int list_artifacts(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.items = items};
    uint8_t after[SHA256_SIZE];
    struct page page;

    if (frame_page(req, IDENTIFIER_NAME, &page, err))
        return -1;
    if (*page.after && !hex_to_bytes(page.after, after, sizeof after))
        return fail_field(err, PROBLEM_BAD_FIELD, "after", "not what \"next\" said");
    listing.limit = page.limit;
    if (frame_read(req, &tx, err) ||
        artifact_list(&tx, *page.after ? after : NULL, page.limit, list_one, &listing, err))
        return -1;
    bool is_full = (int64_t)json_array_size(items) == page.limit;
    return reply_page(reply, MOVE(items), is_full ? listing.last : NULL);
}

static int get_artifact(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    uint8_t sha256[SHA256_SIZE];
    struct artifact artifact;
    json_t *json;

    if (hash_parameter(req, sha256, err) || frame_read(req, &tx, err) ||
        artifact_get(&tx, sha256, &artifact, err) || artifact_to_json(&artifact, &json, err))
        return -1;
    return reply_json(reply, 200, json);
}

/* -- content -- */

struct lent {
    struct blob_store *blobs;
    const struct blob *blob;
};

static void give_back(void *arg)
{
    struct lent *lent = arg;

    blob_close(lent->blobs, lent->blob);
    free(lent);
}

static int get_content(struct request *req, struct reply *reply, struct error *err)
{
    const struct app *app = request_app(req);
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(free_memory) struct lent *lent = calloc(1, sizeof *lent);
    uint8_t sha256[SHA256_SIZE];
    struct artifact artifact;

    if (!lent)
        return fail_internal(err, "out of memory");
    if (hash_parameter(req, sha256, err) || frame_read(req, &tx, err) ||
        artifact_get(&tx, sha256, &artifact, err))
        return -1;
    tx_end(&tx);
    if (artifact.is_broken)
        return fail(err, PROBLEM_GONE, "the stored image is broken; upload it again");
    if (blob_open(app->blobs, sha256, artifact.size, &lent->blob, err))
        return -1;
    lent->blobs = app->blobs;
    struct content content = {
        .at = lent->blob->at,
        .size = lent->blob->size,
        .fd = lent->blob->fd,
        .type = "application/octet-stream",
        .modified_at = lent->blob->modified_at,
        .cache_control = "private, max-age=31536000, immutable",
        .release = give_back,
        .arg = lent,
    };
    snprintf(content.etag, sizeof content.etag, "\"%s\"", request_parameter(req, "sha256"));
    lent = NULL;
    return reply_content(reply, &content, err);
}

#define PATH "/api/v1/artifacts"
#define READER(access) AUDIENCE_OPERATOR, "inventory:read", access, NO_BODY, 0

static const struct route rows[] = {
    {"GET", PATH,                    READER(READ), list_artifacts, NULL},
    {"GET", PATH "/:sha256",         READER(READ), get_artifact,   NULL},
    {"GET", PATH "/:sha256/content", READER(WORK), get_content,    NULL},
};
const struct routes artifacts_routes = {rows, COUNT_OF(rows)};
