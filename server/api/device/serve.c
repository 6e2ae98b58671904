/* SPDX-License-Identifier: Apache-2.0 */
#include "api/device/serve.h"

#include "core/text.h"
#include "http/range.h"

#include <string.h>

struct serving {
    struct app *app;
    const struct blob *blob;
    int64_t device_row, target_row;
    int64_t deployment_row; /* 0: nothing to count for */
    bool has_begun;
};

/* A campaign may have been stopped between the handler's look and the labels by which transfers are
 * cut; whoever stops it afterwards finds them. The beginning is noted, so that an offer taken up
 * late is not withdrawn under a long transfer. */
static bool may_begin(void *arg)
{
    struct serving *serving = arg;
    CLEANUP(tx_end) struct tx tx = {0};
    struct decision decision;
    struct error err;

    if (tx_read(&tx, serving->app->store, &err) ||
        campaign_allows_artifact(&tx, serving->device_row, serving->target_row, &decision, &err) !=
            STEP_ROW)
        return false;
    if (serving->deployment_row && !serving->has_begun)
        campaign_transfer_begins(serving->app->campaigns, serving->deployment_row,
                                 serving->blob->size);
    serving->has_begun = true;
    return true;
}

static void note_end(void *arg, int64_t first, int64_t sent, bool is_complete)
{
    const struct serving *serving = arg;

    (void)is_complete;
    if (serving->deployment_row && sent > 0)
        campaign_note_transfer(serving->app->campaigns, serving->deployment_row, first, sent,
                               serving->blob->size);
}

/* Whoever has the whole already, of an earlier update, asks for what follows it: the one range that
 * could be sent if there were one byte more. */
static bool is_behind_end(const char *header, int64_t size)
{
    struct range range;
    unsigned count;

    return header && range_parse(header, size + 1, 1, &range, &count) == RANGE_SATISFIABLE &&
           range.first == size;
}

static void release_serving(void *arg)
{
    struct serving *serving = arg;

    if (serving->deployment_row && serving->has_begun)
        campaign_transfer_ends(serving->app->campaigns, serving->deployment_row,
                               serving->blob->size);
    blob_close(serving->app->blobs, serving->blob);
    free(serving);
}

int serve_blob(struct request *req, struct reply *reply, const struct served *served,
               const struct decision *decision, struct error *err)
{
    struct app *app = request_app(req);
    struct serving *serving = malloc(sizeof *serving);
    char hash[2 * SHA256_SIZE + 1];

    if (!serving)
        return fail_internal(err, "out of memory");
    *serving = (struct serving){
        .app = app,
        .device_row = request_identity(req)->row,
        .target_row = served->target_row,
        .deployment_row = served->is_image ? decision->deployment_row : 0,
    };
    if (blob_open(app->blobs, served->sha256, served->size, &serving->blob, err)) {
        free(serving);
        return HANDLE_FAILED;
    }
    struct content content = {
        .at = serving->blob->at,
        .size = serving->blob->size,
        .fd = serving->blob->fd,
        .type = "application/octet-stream",
        .file_name = served->file_name,
        .modified_at = serving->blob->modified_at,
        .cache_control = served->is_immutable ? "private, max-age=31536000, immutable" : NULL,
        .rate = decision->rate ? decision->rate : app->config->delivery_rate,
        .release = release_serving,
        .is_still_wanted = may_begin,
        .finished = note_end,
        .arg = serving,
        .campaign_row = decision->campaign_row,
        .release_row = decision->release_row,
    };
    hex_from_bytes(served->sha256, SHA256_SIZE, hash);
    snprintf(content.etag, sizeof content.etag, "\"%s\"", served->etag ? served->etag : hash);
    if (reply_content(reply, &content, err) == 0)
        return 0;
    if (err->problem == PROBLEM_RANGE_NOT_SATISFIABLE && serving->deployment_row &&
        is_behind_end(request_header(req, "Range"), content.size))
        campaign_note_whole(app->campaigns, serving->deployment_row, content.size);
    return -1;
}
