/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of "who is asking?", and what a bearer token looks like. */
#ifndef OTAD_API_IDENTITY_H
#define OTAD_API_IDENTITY_H

#include "api/app.h"
#include "store/operator.h"

/* How a device stands; kept in identity.scopes, so that a refusal is remembered by a connection as
 * well as a welcome. */
enum standing {
    STANDING_GOOD,
    STANDING_PENDING,
    STANDING_SUSPENDED,
    STANDING_REVOKED,
    STANDING_EXPIRED,
    STANDING_UNKNOWN,
    STANDING_UNNAMED,    /* the certificate's name cannot be a device's */
    STANDING_AWAITED,    /* with a certificate or a token of its own, not with another's word */
    STANDING_NAME_TAKEN, /* it is another device's, or the certificate of its own is missing */
};

/* The identify hooks, one per listener. */
int identify_device(void *app, const struct request *req, bool on_writer, struct identity *ret,
                    struct error *err);
int identify_operator(void *app, const struct request *req, bool on_writer, struct identity *ret,
                      struct error *err);
int identify_by_secret(void *app, const struct request *req, bool on_writer, struct identity *ret,
                       struct error *err);
int identify_proxied(void *app, const struct request *req, bool on_writer, struct identity *ret,
                     struct error *err);

/* Tokens read otat_<id>_<secret>: 10 characters of base32, 43 of base64url. */
#define TOKEN_SECRET_LENGTH 43
#define TOKEN_TEXT_SIZE (sizeof "otat_" + TOKEN_ID_SIZE + TOKEN_SECRET_LENGTH)
/* Draws a new one; only the hash of the secret is kept. */
void token_make(char ret_text[TOKEN_TEXT_SIZE], char ret_id[TOKEN_ID_SIZE],
                uint8_t ret_secret_hash[32]);
/* False when it has not that form. */
bool token_read(const char *text, char ret_id[TOKEN_ID_SIZE], uint8_t ret_secret_hash[32]);

#endif
