/* SPDX-License-Identifier: Apache-2.0 */
#include "api/identity.h"
#include "api/operator/frame.h"
#include "api/operator/routes.h"
#include "api/scope.h"

#include <string.h>

#define DAY 86400
#define DAYS_OTHERWISE 90

static json_t *token_to_json(const struct token *token)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "id", token->id, "operator",
                     token->owner.id, "role", token->role, "note", token->note, "created_by",
                     token->created_by, "created_at", json_from_time(token->created_at),
                     "expires_at", json_from_time(token->expires_at), "revoked_at",
                     json_from_time(token->revoked_at));
}

struct listing {
    json_t *items;
    char last[TOKEN_ID_SIZE];
};

static int list_one(const struct token *token, void *arg, struct error *err)
{
    struct listing *listing = arg;

    strcpy(listing->last, token->id);
    return json_add(listing->items, token_to_json(token), err);
}

static int list_tokens(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.items = items};
    struct page page;

    if (frame_page(req, IDENTIFIER_NAME, &page, err) || frame_read(req, &tx, err) ||
        token_list(&tx, request_identity(req)->tenant_row, page.after, page.limit, list_one,
                   &listing, err))
        return HANDLE_FAILED;
    bool is_full = (int64_t)json_array_size(items) == page.limit;
    return reply_page(reply, MOVE(items), is_full ? listing.last : NULL);
}

/* A token can do at most what its maker can; it dies with its maker, too. */
static int read_new(struct request *req, struct token *ret, struct error *err)
{
    static const char *const members[] = {"role", "note", "days", NULL};
    const struct app *app = request_app(req);
    const struct identity *identity = request_identity(req);
    const json_t *json = request_json(req);
    const char *role, *note;
    int64_t days, most = app->config->operator_token_days_max;

    if (json_only_members(json, members, err) || json_get_string(json, "role", &role, err) ||
        json_get_string_or(json, "note", "", &note, err) ||
        json_get_integer_or(json, "days", 1, most, most < DAYS_OTHERWISE ? most : DAYS_OTHERWISE,
                            &days, err))
        return -1;
    if (!role_scopes(role))
        return fail_field(err, PROBLEM_BAD_FIELD, "role", "there is no such role");
    if (role_scopes(role) & ~identity->scopes)
        return fail_field(err, PROBLEM_FORBIDDEN, "role", "this role may more than you may");
    if (strlen(note) >= sizeof ret->note)
        return fail_field(err, PROBLEM_BAD_FIELD, "note", "at most %zu bytes",
                          sizeof ret->note - 1);
    *ret = (struct token){
        .created_at = request_now(req),
        .expires_at = request_now(req) + days * DAY,
        .owner = {.row_id = identity->row},
    };
    strcpy(ret->role, role);
    strcpy(ret->note, note);
    snprintf(ret->created_by, sizeof ret->created_by, "%s", identity->id);
    snprintf(ret->owner.id, sizeof ret->owner.id, "%s", identity->id);
    return 0;
}

static int post_token(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    char text[TOKEN_TEXT_SIZE];
    struct token token;

    if (read_new(req, &token, err))
        return HANDLE_FAILED;
    token_make(text, token.id, token.secret_hash);
    if (frame_write(req, &tx, err) || token_insert(&tx, &token, err) ||
        frame_audit(req, &tx, "token.create", token.id, token.role, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    json_t *json = token_to_json(&token);
    if (json && json_object_set_new(json, "token", json_string(text)))
        json_decref(MOVE(json));
    return reply_json(reply, 201, json);
}

static int delete_token(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct token token;

    if (frame_write(req, &tx, err))
        return HANDLE_FAILED;
    enum step step = token_by_id(&tx, request_parameter(req, "id"), &token, err);
    if (step == STEP_FAILED)
        return HANDLE_FAILED;
    if (step == STEP_DONE || token.owner.tenant_row != request_identity(req)->tenant_row)
        return fail(err, PROBLEM_NOT_FOUND, "there is no such token");
    if (token_revoke(&tx, token.id, request_now(req), err) ||
        frame_audit(req, &tx, "token.revoke", token.id, NULL, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

#define PATH "/api/v1/tokens"
#define ADMIN AUDIENCE_OPERATOR, "token:admin"

static const struct route rows[] = {
    {"GET",    PATH,        ADMIN, READ,  NO_BODY,   0,       list_tokens,  NULL},
    {"POST",   PATH,        ADMIN, WRITE, JSON_BODY, 4 * KIB, post_token,   NULL},
    {"DELETE", PATH "/:id", ADMIN, WRITE, NO_BODY,   0,       delete_token, NULL},
};
const struct routes tokens_routes = {rows, COUNT_OF(rows)};
