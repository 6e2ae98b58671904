/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/frame.h"
#include "api/operator/routes.h"
#include "api/scope.h"
#include "store/operator.h"
#include "tls/certificate.h"

#include <string.h>

static json_t *operator_to_json(const struct operator* operator)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "id", operator->id, "role", operator->role,
                     "state", operator->is_active ? "active" : "revoked", "created_at",
                     json_from_time(operator->created_at));
}

struct listing {
    json_t *items;
    char last[OPERATOR_ID_SIZE];
};

static int list_one(const struct operator* operator, void * arg, struct error *err)
{
    struct listing *listing = arg;

    strcpy(listing->last, operator->id);
    return json_add(listing->items, operator_to_json(operator), err);
}

static int list_operators(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.items = items};
    struct page page;

    if (frame_page(req, IDENTIFIER_NAME, &page, err) || frame_read(req, &tx, err) ||
        operator_list(&tx, request_identity(req)->tenant_row, page.after, page.limit, list_one,
                      &listing, err))
        return HANDLE_FAILED;
    bool is_full = (int64_t)json_array_size(items) == page.limit;
    return reply_page(reply, MOVE(items), is_full ? listing.last : NULL);
}

/* Nobody hands out more than they hold. */
static int check_role(const struct request *req, const char *role, struct error *err)
{
    uint64_t scopes = role_scopes(role);

    if (!scopes)
        return fail_field(err, PROBLEM_BAD_FIELD, "role", "there is no such role");
    if (scopes & ~request_identity(req)->scopes)
        return fail_field(err, PROBLEM_FORBIDDEN, "role", "this role may more than you may");
    return 0;
}

static int read_new(struct request *req, struct operator* ret, struct peer *ret_peer,
                    struct error *err)
{
    static const char *const members[] = {"id", "role", "certificate_pem", NULL};
    const json_t *json = request_json(req);
    const char *id, *role, *pem;

    if (json_only_members(json, members, err) || json_get_string(json, "id", &id, err) ||
        json_get_string(json, "role", &role, err) ||
        json_get_string_or(json, "certificate_pem", NULL, &pem, err) || check_role(req, role, err))
        return -1;
    if (!identifier_ok(IDENTIFIER_NAME, id))
        return fail_field(err, PROBLEM_BAD_FIELD, "id", "1 to 64 letters, digits and . _ -");
    ret_peer->has_certificate = false;
    if (pem && certificate_describe_pem(pem, ret_peer, err))
        return -1;
    *ret = (struct operator){.tenant_row = request_identity(req)->tenant_row};
    snprintf(ret->id, sizeof ret->id, "%s", id);
    snprintf(ret->role, sizeof ret->role, "%s", role);
    return 0;
}

static int insert(struct request *req, struct tx *tx, struct operator* operator,
                  const struct peer * peer, struct error *err)
{
    struct operator known;
    int64_t now = request_now(req);
    enum step step = operator_by_id(tx, operator->tenant_row, operator->id, &known, err);

    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_ROW)
        return fail_field(err, PROBLEM_ALREADY_EXISTS, "id", "operator %s", operator->id);
    if (operator_insert(tx, operator, now, err))
        return -1;
    return peer->has_certificate ? operator_add_certificate(tx, operator->row_id, peer->fingerprint,
                                                            peer->not_after, now, err)
                                 : 0;
}

static int post_operator(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct operator operator;
    struct peer peer;

    if (read_new(req, &operator, & peer, err) || frame_write(req, &tx, err) ||
        insert(req, &tx, &operator, & peer, err) ||
        frame_audit(req, &tx, "operator.create", operator.id, operator.role, err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 201, operator_to_json(&operator));
}

static int check_revocable(struct tx *tx, const struct operator* operator, struct error * err)
{
    bool has_other = true;

    if (!operator->is_active)
        return fail(err, PROBLEM_WRONG_STATE, "the operator is revoked already");
    if (strcmp(operator->role, "admin") == 0 &&
        operator_has_other_admin(tx, operator, & has_other, err))
        return -1;
    return has_other ? 0 : fail(err, PROBLEM_CONFLICT, "the last administrator cannot be revoked");
}

static int revoke_operator(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    char reason[REASON_SIZE];
    struct operator operator;

    if (frame_reason(req, reason, err) || frame_write(req, &tx, err))
        return HANDLE_FAILED;
    switch (operator_by_id(&tx, request_identity(req)->tenant_row, request_parameter(req, "id"),
                           &operator, err)) {
    case STEP_FAILED:
        return HANDLE_FAILED;
    case STEP_DONE:
        return fail(err, PROBLEM_NOT_FOUND, "there is no such operator");
    case STEP_ROW:
        break;
    }
    if (check_revocable(&tx, &operator, err) ||
        operator_revoke(&tx, operator.row_id, request_now(req), err) ||
        frame_audit(req, &tx, "operator.revoke", operator.id, reason, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    operator.is_active = false;
    return reply_json(reply, 200, operator_to_json(&operator));
}

#define PATH "/api/v1/operators"
#define ADMIN AUDIENCE_OPERATOR, "token:admin"

static const struct route rows[] = {
    {"GET",  PATH,               ADMIN, READ,  NO_BODY,   0,        list_operators,  NULL},
    {"POST", PATH,               ADMIN, WRITE, JSON_BODY, 64 * KIB, post_operator,   NULL},
    {"POST", PATH "/:id/revoke", ADMIN, WRITE, RAW_BODY,  4 * KIB,  revoke_operator, NULL},
};
const struct routes operators_routes = {rows, COUNT_OF(rows)};
