/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets for devices that show no certificate. Each is shown in the answer that makes it and never
 * again: only its SHA-256 is kept. Their rows need token:admin, whose answers are not kept for an
 * Idempotency-Key either. */
#include "api/operator/device_authentication.h"

#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "api/sever.h"
#include "core/digest.h"
#include "store/tenant.h"

#include <string.h>

#define TOKEN_LEAST 16
#define TOKEN_MOST 128
#define DRAWN_BYTES 24 /* 32 characters: as many as hawkBit's own tokens have */
#define DRAWN_SIZE base64url_size(DRAWN_BYTES)

static void draw(char ret[DRAWN_SIZE])
{
    uint8_t bytes[DRAWN_BYTES];

    random_bytes(bytes, sizeof bytes);
    base64url_from_bytes(bytes, sizeof bytes, ret);
}

static int reply_secret(struct reply *reply, const char *secret)
{
    reply_header(reply, "Cache-Control", "no-store");
    return reply_json(reply, 200, json_pack("{s:s}", "token", secret));
}

/* -- what is taken from devices -- */

static json_t *authentication_json(const struct device_authentication *authentication)
{
    return json_pack("{s:b, s:{s:b, s:o}}", "target_tokens", authentication->takes_target_tokens,
                     "gateway_token", "is_set", authentication->gateway_at != 0, "created_at",
                     json_from_time(authentication->gateway_at));
}

static int get_authentication(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device_authentication authentication;

    if (frame_read(req, &tx, err) ||
        tenant_authentication(&tx, request_identity(req)->tenant_row, &authentication, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, authentication_json(&authentication));
}

static int patch_authentication(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"target_tokens", NULL};
    CLEANUP(tx_end) struct tx tx = {0};
    int64_t tenant_row = request_identity(req)->tenant_row;
    struct device_authentication authentication;
    const json_t *json = request_json(req), *wish = json_object_get(json, "target_tokens");

    if (json_only_members(json, members, err) || frame_write(req, &tx, err) ||
        tenant_authentication(&tx, tenant_row, &authentication, err))
        return HANDLE_FAILED;
    if (!json_is_boolean(wish))
        return fail_field(err, PROBLEM_BAD_FIELD, "target_tokens", "true or false");
    if (authentication.takes_target_tokens != json_is_true(wish)) {
        authentication.takes_target_tokens = json_is_true(wish);
        if (tenant_set_target_tokens(&tx, tenant_row, authentication.takes_target_tokens, err) ||
            frame_audit(req, &tx, "device-authentication.change", "target-tokens",
                        authentication.takes_target_tokens ? "on" : "off", err))
            return HANDLE_FAILED;
        sever_secrets_after_commit(&tx);
    }
    if (tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, authentication_json(&authentication));
}

static int set_gateway_token(struct request *req, const uint8_t *hash, const char *action,
                             struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};

    if (frame_write(req, &tx, err) ||
        tenant_set_gateway_token(&tx, request_identity(req)->tenant_row, hash, request_now(req),
                                 err) ||
        frame_audit(req, &tx, action, "gateway-token", NULL, err))
        return -1;
    sever_secrets_after_commit(&tx); /* who still has the old one does not go on with it */
    return tx_commit(&tx, err);
}

static int post_gateway_token(struct request *req, struct reply *reply, struct error *err)
{
    uint8_t hash[SHA256_SIZE];
    char secret[DRAWN_SIZE];

    draw(secret);
    sha256(secret, strlen(secret), hash);
    if (set_gateway_token(req, hash, "gateway-token.create", err))
        return HANDLE_FAILED;
    return reply_secret(reply, secret);
}

static int delete_gateway_token(struct request *req, struct reply *reply, struct error *err)
{
    if (set_gateway_token(req, NULL, "gateway-token.delete", err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

/* -- a device's own -- */

int device_token_set_from_text(struct tx *tx, const struct device *device, const char *text,
                               int64_t now, struct error *err)
{
    size_t length = strlen(text);
    uint8_t hash[SHA256_SIZE];
    bool is_plain = true;

    for (size_t i = 0; i < length; i++)
        is_plain &= text[i] > 0x20 && text[i] < 0x7f;
    if (length < TOKEN_LEAST || length > TOKEN_MOST || !is_plain)
        return fail_field(err, PROBLEM_BAD_FIELD, "token",
                          "a token has %d to %d visible ASCII characters", TOKEN_LEAST, TOKEN_MOST);
    sha256(text, length, hash);
    return device_set_token(tx, device->row_id, hash, now, err);
}

static int post_token(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"token", NULL};
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *body = NULL;
    struct device device;
    char drawn[DRAWN_SIZE];
    const char *secret = drawn;

    draw(drawn);
    if (frame_body_or_none(req, &body, err))
        return HANDLE_FAILED;
    if (body && (json_only_members(body, members, err) ||
                 json_get_string_or(body, "token", drawn, &secret, err)))
        return HANDLE_FAILED;
    if (frame_write(req, &tx, err) || path_device(req, &tx, &device, err) ||
        device_token_set_from_text(&tx, &device, secret, request_now(req), err) ||
        frame_audit(req, &tx, "device.token", device.id, NULL, err) ||
        sever_device_after_commit(&tx, request_app(req), device.row_id, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_secret(reply, secret);
}

static int delete_token(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device device;

    if (frame_write(req, &tx, err) || path_device(req, &tx, &device, err) ||
        device_set_token(&tx, device.row_id, NULL, 0, err) ||
        frame_audit(req, &tx, "device.token.delete", device.id, NULL, err) ||
        sever_device_after_commit(&tx, request_app(req), device.row_id, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

#define PATH "/api/v1/device-authentication"
#define DEVICE_PATH "/api/v1/devices/:id/token"
#define READER AUDIENCE_OPERATOR, "server:read", READ, NO_BODY, 0
#define ADMIN AUDIENCE_OPERATOR, "token:admin", WRITE

static const struct route rows[] = {
    {"GET",  PATH,      READER,  get_authentication,   NULL},
    { "PATCH",  PATH, ADMIN, JSON_BODY, 4 * KIB, patch_authentication, NULL},
    { "POST",   PATH "/gateway-token",  ADMIN, RAW_BODY,   4 * KIB, post_gateway_token, NULL},
    { "DELETE", PATH "/gateway-token",   ADMIN,       NO_BODY, 0, delete_gateway_token, NULL},
    { "POST",   DEVICE_PATH,  ADMIN, RAW_BODY,           4 * KIB, post_token, NULL},
    { "DELETE", DEVICE_PATH,   ADMIN,       NO_BODY,         0, delete_token, NULL},
};
const struct routes device_authentication_routes = {rows, COUNT_OF(rows)};
