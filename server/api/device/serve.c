/* SPDX-License-Identifier: Apache-2.0 */
#include "api/device/serve.h"

#include "core/text.h"

#include <string.h>

struct serving {
    struct app *app;
    const struct blob *blob;
    int64_t deployment_row; /* 0: nothing to count for */
};

static void note_end(void *arg, int64_t first, int64_t sent, bool is_complete)
{
    const struct serving *serving = arg;

    (void)is_complete;
    if (serving->deployment_row && sent > 0)
        campaign_note_transfer(serving->app->campaigns, serving->deployment_row, first, sent,
                               serving->blob->size);
}

static void release_serving(void *arg)
{
    struct serving *serving = arg;

    blob_close(serving->app->blobs, serving->blob);
    free(serving);
}

int serve_blob(struct request *req, struct reply *reply, const struct served *served,
               const struct decision *decision, struct error *err)
{
    struct app *app = request_app(req);
    struct serving *serving = malloc(sizeof *serving);

    if (!serving)
        return fail_internal(err, "out of memory");
    *serving = (struct serving){app, NULL, served->is_image ? decision->deployment_row : 0};
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
        .finished = note_end,
        .arg = serving,
        .campaign_row = decision->campaign_row,
        .release_row = decision->release_row,
    };
    content.etag[0] = '"';
    hex_from_bytes(served->sha256, SHA256_SIZE, content.etag + 1);
    strcat(content.etag, "\"");
    return reply_content(reply, &content, err);
}
