/* SPDX-License-Identifier: Apache-2.0 */
/* Role files: the published ones as they are served to devices, and drafts on their way there. */
#include "api/operator/draft_reply.h"
#include "api/operator/frame.h"
#include "api/operator/routes.h"
#include "store/metadata.h"

#include <string.h>

#define ROOT_BODY                                                                                  \
    (256 * KIB + 1)          /* one byte more than the rule allows, so that the rule speaks        \
                              */
#define DRAFT_BODY (4 * MIB) /* however much white space a 2 MiB document comes with */
#define SIGNATURE_BODY (8 * KIB)
#define NOTE_BODY KIB /* of a publication: empty or {} */

static int64_t tenant_of(const struct request *req)
{
    return request_identity(req)->tenant_row;
}

/* -- published files -- */

static int post_root(struct request *req, struct reply *reply, struct error *err)
{
    struct trust_request request = trust_request_of(req);
    const void *bytes;
    size_t length;

    request_body(req, &bytes, &length);
    if (trust_publish_root(&request, bytes, length, err))
        return -1;
    return reply_json(reply, 201, json_pack("{s:s, s:i}", "role", "root", "version", 1));
}

static int reply_file(struct request *req, struct reply *reply, const char *role, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(metadata_clear) struct metadata metadata = {0};
    int64_t version;

    if (request_query_number(req, "version", 1, INT64_MAX, 0, &version, err) ||
        frame_read(req, &tx, err))
        return -1;
    switch (metadata_find(&tx, tenant_of(req), role, version, &metadata, err)) {
    case STEP_DONE:
        return fail(err, PROBLEM_NOT_FOUND, "%.48s has no such file", role);
    case STEP_FAILED:
        return -1;
    case STEP_ROW:
        break;
    }
    return reply_bytes(reply, 200, "application/json", metadata.bytes, metadata.length);
}

static int get_role(struct request *req, struct reply *reply, struct error *err)
{
    return reply_file(req, reply, request_parameter(req, "role"), err);
}

/* A path of its own, because it can be posted to. */
static int get_root(struct request *req, struct reply *reply, struct error *err)
{
    return reply_file(req, reply, "root", err);
}

/* -- drafts -- */

static int post_draft(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"role", "signed", NULL};
    struct trust_request request = trust_request_of(req);
    const json_t *body = request_json(req), *document;
    char id[DRAFT_ID_SIZE];
    const char *role;

    if (json_only_members(body, members, err) || json_get_string(body, "role", &role, err) ||
        json_get_object(body, "signed", &document, err) ||
        trust_make_draft(&request, role, json_object_get(body, "signed"), id, err))
        return -1;
    return reply_draft(req, reply, 201, id, err);
}

struct listing {
    struct request *req;
    struct tx *tx;
    json_t *items;
    char last[DRAFT_ID_SIZE];
};

static int list_one(const char *id, void *arg, struct error *err)
{
    struct listing *listing = arg;
    CLEANUP(draft_clear) struct draft draft = {0};
    json_t *json;

    if (draft_get(listing->tx, tenant_of(listing->req), id, &draft, err) ||
        trust_draft_json(listing->tx, &draft, &json, err) || json_add(listing->items, json, err))
        return -1;
    memcpy(listing->last, draft.id, sizeof listing->last);
    return 0;
}

static int list_drafts(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.req = req, .tx = &tx, .items = items};
    struct page page;

    if (frame_page(req, IDENTIFIER_NAME, &page, err) || frame_read(req, &tx, err) ||
        draft_list(&tx, tenant_of(req), page.after, page.limit, list_one, &listing, err))
        return -1;
    bool is_full = (int64_t)json_array_size(items) == page.limit;
    return reply_page(reply, MOVE(items), is_full ? listing.last : NULL);
}

static int get_draft(struct request *req, struct reply *reply, struct error *err)
{
    return reply_draft(req, reply, 200, request_parameter(req, "id"), err);
}

static int get_payload(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(draft_clear) struct draft draft = {0};
    char hash[SHA256_HEX_SIZE];

    if (frame_read(req, &tx, err) ||
        draft_get(&tx, tenant_of(req), request_parameter(req, "id"), &draft, err))
        return -1;
    sha256_hex(draft.payload, draft.length, hash);
    reply_header(reply, "X-Sha256", hash);
    return reply_bytes(reply, 200, "application/octet-stream", draft.payload, draft.length);
}

/* Hex as it is, or base64 as signing tools print it, turned into hex. */
static int read_signature(const json_t *body, struct text *ret_hex, struct error *err)
{
    const char *hex, *base64;
    uint8_t bytes[1024];
    size_t count;

    if (json_get_string_or(body, "sig", NULL, &hex, err) ||
        json_get_string_or(body, "sig_b64", NULL, &base64, err))
        return -1;
    if (!hex == !base64)
        return fail_field(err, PROBLEM_BAD_FIELD, "sig",
                          "one of \"sig\" and \"sig_b64\" is needed");
    if (hex)
        text_append(ret_hex, hex);
    else if (base64_to_bytes(base64, bytes, sizeof bytes, &count))
        text_hex(ret_hex, bytes, count);
    else
        return fail_field(err, PROBLEM_BAD_FIELD, "sig_b64", "at most 1024 bytes in base64");
    return ret_hex->is_broken ? fail_internal(err, "out of memory") : 0;
}

static int post_signature(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"keyid", "sig", "sig_b64", NULL};
    struct trust_request request = trust_request_of(req);
    const char *id = request_parameter(req, "id"), *keyid;
    const json_t *body = request_json(req);
    CLEANUP(text_clear) struct text hex = {0};

    if (json_only_members(body, members, err) || json_get_string(body, "keyid", &keyid, err) ||
        read_signature(body, &hex, err) ||
        trust_sign_draft(&request, id, keyid, hex.at ? hex.at : "", err))
        return -1;
    return reply_draft(req, reply, 201, id, err);
}

static int publish_draft(struct request *req, struct reply *reply, struct error *err)
{
    struct trust_request request = trust_request_of(req);
    struct app *app = request_app(req);
    CLEANUP(publication_clear) struct publication publication = {.releases = NULL};

    if (trust_publish_draft(&request, app->blobs, request_parameter(req, "id"), &publication, err))
        return -1;
    for (size_t i = 0; i < publication.withdrawn_count; i++)
        api_sever_transfers(app, 0, publication.withdrawn_rows[i]);
    return reply_json(reply, 200,
                      json_pack("{s:s, s:I, s:O, s:O}", "role", publication.role, "version",
                                (json_int_t)publication.version, "releases", publication.releases,
                                "withdrawn", publication.withdrawn));
}

static int delete_draft(struct request *req, struct reply *reply, struct error *err)
{
    struct trust_request request = trust_request_of(req);

    if (trust_drop_draft(&request, request_parameter(req, "id"), err))
        return -1;
    return reply_empty(reply, 204);
}

#define TUF "/api/v1/tuf"
#define DRAFTS TUF "/drafts"
#define MAY(scope) AUDIENCE_OPERATOR, scope, WORK
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define ADMIN MAY("system:admin"), RAW_BODY, ROOT_BODY
#define DRAFTER MAY("tuf:draft"), JSON_BODY, DRAFT_BODY
#define DROPPER MAY("tuf:draft"), NO_BODY, 0
#define SIGNER MAY("tuf:sign"), JSON_BODY, SIGNATURE_BODY
#define PUBLISHER MAY("tuf:publish"), RAW_BODY, NOTE_BODY

static const struct route rows[] = {
    {"POST",   TUF "/root",              ADMIN,     post_root,      NULL},
    {"GET",    TUF "/root",              READER,    get_root,       NULL},
    {"GET",    TUF "/:role",             READER,    get_role,       NULL},
    {"POST",   DRAFTS,                   DRAFTER,   post_draft,     NULL},
    {"GET",    DRAFTS,                   READER,    list_drafts,    NULL},
    {"GET",    DRAFTS "/:id",            READER,    get_draft,      NULL},
    {"GET",    DRAFTS "/:id/payload",    READER,    get_payload,    NULL},
    {"POST",   DRAFTS "/:id/signatures", SIGNER,    post_signature, NULL},
    {"POST",   DRAFTS "/:id/publish",    PUBLISHER, publish_draft,  NULL},
    {"DELETE", DRAFTS "/:id",            DROPPER,   delete_draft,   NULL},
};
const struct routes tuf_routes = {rows, COUNT_OF(rows)};
