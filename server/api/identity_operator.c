/* SPDX-License-Identifier: Apache-2.0 */
/* A person shows a certificate, automation a bearer token. */
#include "api/identity.h"

#include "api/scope.h"
#include "core/clock.h"
#include "core/digest.h"
#include "core/log.h"
#include "core/text.h"
#include "store/audit.h"

#include <string.h>

#define DEFAULT_TENANT 1
#define FIRST_OPERATOR "admin"

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";

void token_make(char ret_text[TOKEN_TEXT_SIZE], char ret_id[TOKEN_ID_SIZE],
                uint8_t ret_secret_hash[32])
{
    uint8_t drawn[TOKEN_ID_SIZE - 1], key[32];
    char secret[base64url_size(sizeof key)];

    random_bytes(drawn, sizeof drawn);
    random_bytes(key, sizeof key);
    for (size_t i = 0; i < sizeof drawn; i++)
        ret_id[i] = base32[drawn[i] % 32];
    ret_id[sizeof drawn] = '\0';
    base64url_from_bytes(key, sizeof key, secret);
    sha256(secret, strlen(secret), ret_secret_hash);
    snprintf(ret_text, TOKEN_TEXT_SIZE, "otat_%s_%s", ret_id, secret);
}

bool token_read(const char *text, char ret_id[TOKEN_ID_SIZE], uint8_t ret_secret_hash[32])
{
    static const char prefix[] = "otat_";
    const size_t id_length = TOKEN_ID_SIZE - 1;
    const char *id = text + sizeof prefix - 1, *secret = id + id_length + 1;

    if (!text_starts_with(text, prefix) ||
        strlen(text) != sizeof prefix - 1 + id_length + 1 + TOKEN_SECRET_LENGTH)
        return false;
    if (strspn(id, base32) != id_length || id[id_length] != '_')
        return false;
    memcpy(ret_id, id, id_length);
    ret_id[id_length] = '\0';
    sha256(secret, TOKEN_SECRET_LENGTH, ret_secret_hash);
    return true;
}

static int name_operator(const struct operator* operator, const char * role, struct identity *ret,
                         struct error *err)
{
    if (!operator->is_active)
        return fail(err, PROBLEM_FORBIDDEN, "the operator was revoked");
    ret->kind = AUDIENCE_OPERATOR;
    ret->row = operator->row_id;
    ret->tenant_row = operator->tenant_row;
    ret->scopes = role_scopes(role);
    snprintf(ret->id, sizeof ret->id, "%s", operator->id);
    return 0;
}

/* An unknown id costs the same look-up, hash and comparison as a wrong secret, and reads the same.
 */
static int identify_by_token(struct tx *tx, const char *text, struct identity *ret,
                             struct error *err)
{
    char id[TOKEN_ID_SIZE] = "";
    uint8_t hash[32] = {0};
    struct token token = {0};
    int64_t now = clock_wall();

    bool is_token = token_read(text, id, hash);
    enum step step = token_by_id(tx, id, &token, err);
    if (step == STEP_FAILED)
        return -1;
    int differs = bytes_differ(hash, token.secret_hash, sizeof hash);
    if (!is_token || step == STEP_DONE || differs)
        return fail(err, PROBLEM_UNAUTHENTICATED, "the token is not known");
    if (token.revoked_at || token.expires_at <= now)
        return fail(err, PROBLEM_UNAUTHENTICATED, "the token %s",
                    token.revoked_at ? "was revoked" : "has expired");
    ret->by_token = true;
    ret->not_after = token.expires_at;
    if (name_operator(&token.owner, token.role, ret, err))
        return -1;
    ret->scopes &= role_scopes(token.owner.role);
    return 0;
}

/* While there is no operator at all, the certificate that `otactl init` made becomes the first.
 * Only the writer decides that, so there cannot be two. */
static int admit_first(struct tx *tx, const struct peer *peer, struct identity *ret,
                       struct error *err)
{
    struct operator operator= {.tenant_row = DEFAULT_TENANT, .id = FIRST_OPERATOR, .role = "admin"};
    int64_t now = clock_wall();

    if (operator_insert(tx, &operator, now, err) ||
        operator_add_certificate(tx, operator.row_id, peer->fingerprint, peer->not_after, now,
                                 err) ||
        audit_write(tx,
                    &(struct audit){.at = now,
                                    .actor_kind = "host",
                                    .actor = "bootstrap",
                                    .source = peer->address_text,
                                    .request = "",
                                    .action = "operator.create",
                                    .object = FIRST_OPERATOR,
                                    .outcome = "done",
                                    .detail = "the first operator"},
                    err))
        return -1;
    log_info("operator.first", TEXT("operator", FIRST_OPERATOR));
    ret->not_after = peer->not_after;
    return name_operator(&operator, operator.role, ret, err);
}

static int meet_unknown(struct tx *tx, const struct peer *peer, struct identity *ret,
                        struct error *err)
{
    bool is_there_any;

    if (operator_is_there_any(tx, &is_there_any, err))
        return -1;
    if (is_there_any || strcmp(peer->common_name, FIRST_OPERATOR) != 0)
        return fail(err, PROBLEM_FORBIDDEN, "the certificate belongs to no operator");
    return tx->is_write ? admit_first(tx, peer, ret, err) : HANDLE_AS_WRITE;
}

static int identify_by_certificate(struct tx *tx, const struct peer *peer, struct identity *ret,
                                   struct error *err)
{
    struct operator operator;
    bool is_active;

    switch (operator_by_fingerprint(tx, peer->fingerprint, &operator, & is_active, &ret->not_after,
                                    err)) {
    case STEP_FAILED:
        return -1;
    case STEP_DONE:
        return meet_unknown(tx, peer, ret, err);
    case STEP_ROW:
        break;
    }
    if (!is_active)
        return fail(err, PROBLEM_FORBIDDEN, "the certificate was revoked");
    if (ret->not_after < clock_wall())
        return fail(err, PROBLEM_FORBIDDEN, "the certificate has expired");
    return name_operator(&operator, operator.role, ret, err);
}

int identify_operator(void *app, const struct request *req, bool on_writer, struct identity *ret,
                      struct error *err)
{
    static const char scheme[] = "Bearer ";
    CLEANUP(tx_end) struct tx tx = {0};
    struct store *store = ((struct app *)app)->store;
    const struct peer *peer = request_peer(req);
    const char *authorization = request_authorization(req);
    int met;

    *ret = (struct identity){.kind = AUDIENCE_ANYONE};
    if (!authorization && !peer->has_certificate)
        return HANDLE_OK;
    ret->generation = store_generation(store);
    if (on_writer ? tx_write(&tx, store, err) : tx_read(&tx, store, err))
        return HANDLE_FAILED;
    if (!authorization)
        met = identify_by_certificate(&tx, peer, ret, err);
    else if (text_starts_with(authorization, scheme))
        met = identify_by_token(&tx, authorization + sizeof scheme - 1, ret, err);
    else
        met = fail(err, PROBLEM_UNAUTHENTICATED, "only bearer tokens are taken here");
    if (met)
        return met < 0 ? HANDLE_FAILED : HANDLE_AS_WRITE;
    return tx_commit(&tx, err) ? HANDLE_FAILED : HANDLE_OK;
}
