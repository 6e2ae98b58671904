/* SPDX-License-Identifier: Apache-2.0 */
/* Operators, the certificates people show and the bearer tokens automation carries. */
#ifndef OTAD_STORE_OPERATOR_H
#define OTAD_STORE_OPERATOR_H

#include "store/store.h"

#define OPERATOR_ID_SIZE 65
#define ROLE_SIZE 32
#define TOKEN_ID_SIZE 11
#define TOKEN_NOTE_SIZE 201

struct operator
{
    int64_t row_id, tenant_row;
    char id[OPERATOR_ID_SIZE];
    char role[ROLE_SIZE];
    bool is_active;
    int64_t created_at;
};

/* `ret_active` and `ret_not_after` are the certificate's. */
enum step operator_by_fingerprint(struct tx *tx, const uint8_t fingerprint[32],
                                  struct operator* ret, bool *ret_active, int64_t *ret_not_after,
                                  struct error *err) MUST_CHECK;
enum step operator_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct operator* ret,
                         struct error *err) MUST_CHECK;
int operator_is_there_any(struct tx *tx, bool *ret, struct error *err) MUST_CHECK;
/* Whether an active administrator would remain without this one. */
int operator_has_other_admin(struct tx *tx, const struct operator* operator, bool * ret,
                             struct error *err) MUST_CHECK;

typedef int (*operator_fn)(const struct operator* operator, void * arg, struct error *err);
int operator_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit,
                  operator_fn each, void *arg, struct error *err) MUST_CHECK;

/* `operator` says tenant_row, id and role; its row_id is set. */
int operator_insert(struct tx *tx, struct operator* operator, int64_t now,
                    struct error *err) MUST_CHECK;
/* ALREADY_EXISTS when the certificate is somebody's. */
int operator_add_certificate(struct tx *tx, int64_t operator_row, const uint8_t fingerprint[32],
                             int64_t not_after, int64_t now, struct error *err) MUST_CHECK;
/* With all certificates and tokens. */
int operator_revoke(struct tx *tx, int64_t operator_row, int64_t now, struct error *err) MUST_CHECK;

struct token {
    char id[TOKEN_ID_SIZE];
    uint8_t secret_hash[32];
    char role[ROLE_SIZE];
    char note[TOKEN_NOTE_SIZE];
    char created_by[OPERATOR_ID_SIZE];
    int64_t created_at, expires_at, revoked_at; /* revoked_at 0: it is not */
    struct operator owner;                      /* a token dies with its owner */
};
enum step token_by_id(struct tx *tx, const char *id, struct token *ret,
                      struct error *err) MUST_CHECK;
typedef int (*token_fn)(const struct token *token, void *arg, struct error *err);
int token_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit, token_fn each,
               void *arg, struct error *err) MUST_CHECK;
int token_insert(struct tx *tx, const struct token *token, struct error *err) MUST_CHECK;
int token_revoke(struct tx *tx, const char *id, int64_t now, struct error *err) MUST_CHECK;

#endif
