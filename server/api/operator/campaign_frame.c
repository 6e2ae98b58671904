/* SPDX-License-Identifier: Apache-2.0 */
/* The tag of a campaign is "<change>.<hash>": writes compare the change, which moves with each
 * decision; readers the whole, as counts move without one. */
#include "api/operator/campaign_frame.h"

#include "core/digest.h"
#include "http/etag.h"

#include <string.h>

#define TAG_SIZE 48

int frame_campaign(struct request *req, struct tx *tx, int64_t *ret_row, struct error *err)
{
    const char *id = request_parameter(req, "id");
    enum step step = campaign_row_by_id(tx, request_identity(req)->tenant_row, id, ret_row, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NO_SUCH_CAMPAIGN, "campaign %.64s", id);
    return step == STEP_ROW ? 0 : -1;
}

/* One of the tags names this change. */
static bool names_change(const char *tags, int64_t change)
{
    char present[32];
    size_t length = (size_t)snprintf(present, sizeof present, "\"%lld", (long long)change);

    for (const char *at = tags; (at = strchr(at, '"'));) {
        const char *end = strchr(at + 1, '"');

        if (!end)
            return false;
        bool is_weak = at > tags + 1 && strncmp(at - 2, "W/", 2) == 0;
        if (!is_weak && strncmp(at, present, length) == 0 &&
            (at[length] == '"' || at[length] == '.'))
            return true;
        at = end + 1;
    }
    return false;
}

int frame_campaign_unchanged(struct request *req, struct tx *tx, int64_t *ret_row,
                             struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    const char *wanted = request_header(req, "If-Match");

    if (frame_campaign(req, tx, ret_row, err))
        return -1;
    if (!wanted || strcmp(wanted, "*") == 0)
        return 0;
    if (campaign_by_row(tx, *ret_row, &campaign, err) == STEP_FAILED)
        return -1;
    if (names_change(wanted, campaign.change))
        return 0;
    return fail_field(err, PROBLEM_PRECONDITION_FAILED, "If-Match", "the campaign's change is %lld",
                      (long long)campaign.change);
}

static void write_tag(const json_t *json, const char *text, char ret[TAG_SIZE])
{
    char hash[SHA256_HEX_SIZE];

    sha256_hex(text, strlen(text), hash);
    snprintf(ret, TAG_SIZE, "\"%lld.%.16s\"",
             (long long)json_integer_value(json_object_get(json, "change")), hash);
}

int reply_campaign(struct request *req, struct reply *reply, int status, json_t *json)
{
    const char *known = request_header(req, "If-None-Match");
    json_auto_t *owned = json;
    struct text body = {0};
    char tag[TAG_SIZE];

    CLEANUP(free_string) char *text = json_dumps(owned, JSON_COMPACT);
    if (!text)
        return HANDLE_FAILED;
    write_tag(owned, text, tag);
    reply_header(reply, "ETag", tag);
    bool is_read = strcmp(request_method(req), "GET") == 0 || request_is_head(req);
    if (is_read && known && etag_is_listed(known, tag, false))
        return reply_empty(reply, 304);
    text_append(&body, text);
    return reply_json_text(reply, status, &body, false);
}

int reply_changed_campaign(struct request *req, struct reply *reply, struct tx *tx, int64_t row,
                           int status, struct error *err)
{
    const struct app *app = request_app(req);
    json_auto_t *json = NULL;

    if (campaign_to_json(tx, app->campaigns, row, request_now(req), &json, err) ||
        tx_commit(tx, err))
        return HANDLE_FAILED;
    return reply_campaign(req, reply, status, MOVE(json));
}
