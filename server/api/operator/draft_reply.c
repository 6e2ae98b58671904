/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/draft_reply.h"

#include "api/operator/frame.h"

struct trust_request trust_request_of(struct request *req)
{
    const struct app *app = request_app(req);
    struct actor actor = frame_actor(req);

    return (struct trust_request){
        .store = app->store,
        .config = app->config,
        .tenant_row = request_identity(req)->tenant_row,
        .now = request_now(req),
        .who = {.actor_kind = actor.kind,
                .actor = actor.id,
                .source = actor.source,
                .request = actor.request},
    };
}

int reply_draft(struct request *req, struct reply *reply, int status, const char *id,
                struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(draft_clear) struct draft draft = {0};
    json_t *json;

    if (frame_read(req, &tx, err) ||
        draft_get(&tx, request_identity(req)->tenant_row, id, &draft, err) ||
        trust_draft_json(&tx, &draft, &json, err))
        return -1;
    return reply_json(reply, status, json);
}
