/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that show a secret instead of a certificate: one of their own (target token), or the one
 * that the whole fleet shares (gateway token). Neither says who is asking: the path does. */
#include "api/identity_contact.h"

#include "core/clock.h"
#include "core/digest.h"
#include "core/log.h"
#include "core/text.h"
#include "store/tenant.h"

#include <string.h>

/* A wrong secret, a device without one and a switch that is off read alike. What is right is never
 * refused for what others have guessed before, behind the same address or not: a client told 429 in
 * the middle of an update takes it for failed. Nobody guesses the 256 bits of a gateway token. */
static int refuse(const struct contact *contact, bool is_gateway, struct error *err)
{
    struct limits *limits = contact->app->wrong_secrets;
    const struct peer *peer = contact->peer;
    int64_t now_ms = clock_monotonic_ms();
    bool is_few = is_gateway || limits_take_about(limits, &peer->address, contact->name, now_ms);

    if (limits_take(limits, &peer->address, now_ms)) /* or the log would be flooded */
        log_info("device.secret_refused", TEXT("kind", is_gateway ? "gateway" : "target"),
                 TEXT("device", contact->name), TEXT("address", peer->address_text));
    return is_few ? fail(err, PROBLEM_UNAUTHENTICATED, "the token is not known")
                  : fail(err, PROBLEM_TOO_MANY, "too many wrong tokens for this device");
}

struct secret {
    struct contact contact; /* first: the meet_fns find the rest behind it */
    uint8_t hash[SHA256_SIZE];
};

static int meet_by_target_token(struct contact *contact, struct tx *tx, struct error *err)
{
    const struct secret *secret = (const struct secret *)contact;
    struct device_authentication rules;
    struct device device = {0};
    uint8_t known[SHA256_SIZE] = {0};
    int64_t made_at;

    if (tenant_authentication(tx, DEFAULT_TENANT, &rules, err))
        return -1;
    enum step step = device_by_id(tx, DEFAULT_TENANT, contact->name, &device, err);
    if (step == STEP_FAILED || device_token(tx, device.row_id, known, &made_at, err))
        return -1;
    bool differs = bytes_differ(known, secret->hash, sizeof known);
    if (!rules.takes_target_tokens || !made_at || differs)
        return refuse(contact, false, err);
    return contact_is(contact, tx, &device, err);
}

static int meet_by_gateway_token(struct contact *contact, struct tx *tx, struct error *err)
{
    const struct secret *secret = (const struct secret *)contact;
    struct device_authentication rules;

    if (tenant_authentication(tx, DEFAULT_TENANT, &rules, err))
        return -1;
    bool differs = bytes_differ(rules.gateway_hash, secret->hash, sizeof secret->hash);
    if (!rules.gateway_at || differs)
        return refuse(contact, true, err);
    return contact_meet_named(contact, tx, err);
}

static const struct {
    const char *scheme;
    meet_fn meet;
    const char *witness;
} kinds[] = {
    {"TargetToken ",  meet_by_target_token,  NULL           },
    {"GatewayToken ", meet_by_gateway_token, "gateway token"},
};

int identify_by_secret(void *app, const struct request *req, bool on_writer, struct identity *ret,
                       struct error *err)
{
    struct secret secret = {.contact = contact_of(app, req, ret)};
    const char *authorization = request_authorization(req);
    size_t kind = 0;

    secret.contact.name = contact_path_device(req);
    while (authorization && kind < COUNT_OF(kinds) &&
           !text_starts_with(authorization, kinds[kind].scheme))
        kind++;
    if (!authorization || !secret.contact.name || kind == COUNT_OF(kinds))
        return HANDLE_OK; /* nobody */
    authorization += strlen(kinds[kind].scheme);
    sha256(authorization, strlen(authorization), secret.hash);
    secret.contact.witness = kinds[kind].witness;
    secret.contact.newcomers = secret.contact.app->newcomers;
    return contact_meet(&secret.contact, kinds[kind].meet, on_writer, err);
}
