/* SPDX-License-Identifier: Apache-2.0 */
/* A device is the row of its certificate. Names inside the certificate only say which row an
 * unknown certificate asks to become. Where others vouch for a device, its name is all there is. */
#include "api/identity_contact.h"

#include "api/sever.h"
#include "core/clock.h"
#include "core/digest.h"
#include "core/log.h"
#include "core/text.h"

#include <string.h>

#define TENANT_ID "DEFAULT"
#define FULL_TOLD_EVERY_S 60

struct contact contact_of(struct app *app, const struct request *req, struct identity *ret)
{
    *ret = (struct identity){.kind = AUDIENCE_ANYONE};
    return (struct contact){
        .app = app, .peer = request_peer(req), .now = clock_wall(), .identity = ret};
}

const char *contact_path_device(const struct request *req)
{
    const char *tenant = request_parameter_or_null(req, "tenant");

    return tenant && text_same_ignoring_case(tenant, TENANT_ID)
               ? request_parameter_or_null(req, "id")
               : NULL;
}

static void stand(struct identity *identity, enum standing standing)
{
    identity->scopes = standing;
}

static enum standing standing_of(const struct device *device)
{
    switch (device->state) {
    case DEVICE_REGISTERED:
    case DEVICE_ACTIVE:
        return STANDING_GOOD;
    case DEVICE_PENDING:
        return STANDING_PENDING;
    case DEVICE_SUSPENDED:
        return STANDING_SUSPENDED;
    case DEVICE_LOST:
        log_warning("device.lost_contact", TEXT("device", device->id));
        return STANDING_REVOKED;
    case DEVICE_REVOKED:
    case DEVICE_RETIRED:
        break;
    }
    return STANDING_REVOKED;
}

static void name_device(struct contact *contact, const struct device *device, int64_t not_after)
{
    struct identity *identity = contact->identity;

    identity->row = device->row_id;
    identity->tenant_row = device->tenant_row;
    snprintf(identity->id, sizeof identity->id, "%s", device->id);
    identity->not_after = not_after;
    stand(identity, contact->now > not_after ? STANDING_EXPIRED : standing_of(device));
}

/* First contact of a device that was registered beforehand. */
static int activate(struct contact *contact, struct tx *tx, struct device *device,
                    struct error *err)
{
    if (device_set_state(tx, device, DEVICE_ACTIVE, "poll", "first contact", contact->now, err))
        return -1;
    log_info("device.active", TEXT("device", device->id));
    return 0;
}

static int add_certificate(struct contact *contact, struct tx *tx, const struct device *device,
                           struct error *err)
{
    const struct peer *peer = contact->peer;
    struct certificate certificate = {
        .serial = peer->serial,
        .subject = peer->common_name,
        .issuer = peer->issuer,
        .not_before = peer->not_before,
        .not_after = peer->not_after,
    };

    memcpy(certificate.fingerprint, peer->fingerprint, sizeof certificate.fingerprint);
    return device_add_certificate(tx, device, &certificate, contact->now, err);
}

static bool enrols_at_once(const struct contact *contact)
{
    return strcmp(contact->app->config->device_enrolment, "auto") == 0;
}

/* A line for each of them would fill the log as they would have filled the list. */
static void log_full(struct contact *contact, int64_t waiting)
{
    atomic_int_fast64_t *told_at = &contact->app->full_told_at;
    int64_t last = atomic_load(told_at);

    if (contact->now - last >= FULL_TOLD_EVERY_S &&
        atomic_compare_exchange_strong(told_at, &last, contact->now))
        log_warning("device.pending_full", NUMBER("waiting", waiting),
                    TEXT("refused", contact->name), TEXT("address", contact->peer->address_text));
}

/* Whether one more stranger may be written down. */
static int check_room(struct contact *contact, struct tx *tx, struct error *err)
{
    int64_t waiting = 0, most = contact->app->config->device_pending_max;

    if (!enrols_at_once(contact) && device_count_pending(tx, DEFAULT_TENANT, most, &waiting, err))
        return -1;
    if (waiting >= most) {
        log_full(contact, waiting);
        return fail(err, PROBLEM_TOO_MANY, "too many unknown devices wait for approval");
    }
    if (tx->is_write && contact->newcomers &&
        !limits_take(contact->newcomers, &contact->peer->address, clock_monotonic_ms()))
        return fail(err, PROBLEM_TOO_MANY, "too many new devices from this address");
    return 0;
}

/* HANDLE_AS_WRITE where it can only be seen that it may. */
static int register_device(struct contact *contact, struct tx *tx, struct device *ret,
                           struct error *err)
{
    if (check_room(contact, tx, err))
        return -1;
    if (!tx->is_write)
        return HANDLE_AS_WRITE;
    *ret = (struct device){.tenant_row = DEFAULT_TENANT,
                           .state = enrols_at_once(contact) ? DEVICE_ACTIVE : DEVICE_PENDING};
    snprintf(ret->id, sizeof ret->id, "%s", contact->name);
    if (device_insert(tx, ret, contact->now, err) ||
        (contact->peer->has_certificate && add_certificate(contact, tx, ret, err)))
        return -1;
    log_info("device.registered", TEXT("device", ret->id),
             TEXT("state", device_state_name(ret->state)));
    return 0;
}

static int note_certificate(const struct certificate *certificate, void *arg, struct error *err)
{
    (void)certificate;
    (void)err;
    *(bool *)arg = true;
    return 0;
}

static int has_certificate(struct tx *tx, const struct device *device, bool *ret, struct error *err)
{
    *ret = false;
    return device_certificates(tx, device->row_id, note_certificate, ret, err);
}

/* A row that an operator made without naming a certificate waits for the first that bears its name.
 * So does one that only a gateway or a proxy has spoken for: that may have been anybody who has the
 * gateway's token. Whom an operator gave a token, or took out of service, a certificate does not
 * take. */
static int awaits_certificate(struct tx *tx, const struct device *device, bool *ret,
                              struct error *err)
{
    bool is_vouched_for = device->state == DEVICE_PENDING || device->state == DEVICE_ACTIVE;
    bool has_one = false;
    uint8_t token[SHA256_SIZE];
    int64_t token_at = 0;

    *ret = false;
    if (device->state != DEVICE_REGISTERED && !is_vouched_for)
        return 0;
    if (has_certificate(tx, device, &has_one, err) ||
        (is_vouched_for && device_token(tx, device->row_id, token, &token_at, err)))
        return -1;
    *ret = !has_one && !token_at;
    return 0;
}

/* The certificate takes the row, and nobody's word opens it from now on. What went on under its
 * name may have been another's. */
static int claim(struct contact *contact, struct tx *tx, struct device *device, struct error *err)
{
    if (add_certificate(contact, tx, device, err))
        return -1;
    if (device->state == DEVICE_REGISTERED)
        return activate(contact, tx, device, err);
    log_warning("device.claimed", TEXT("device", device->id),
                TEXT("address", contact->peer->address_text));
    return device_set_state(tx, device, enrols_at_once(contact) ? DEVICE_ACTIVE : DEVICE_PENDING,
                            "poll", "its certificate came in place of another's word", contact->now,
                            err) ||
                   sever_device_after_commit(tx, contact->app, device->row_id, err)
               ? -1
               : 0;
}

/* By what a collision is known again: the certificate, else who vouched. */
static void write_mark(const struct contact *contact, uint8_t ret[SHA256_SIZE])
{
    if (contact->witness)
        sha256(contact->witness, strlen(contact->witness), ret);
    else
        memcpy(ret, contact->peer->fingerprint, SHA256_SIZE);
}

static int refuse_name(struct contact *contact, struct tx *tx, const struct device *device,
                       struct error *err)
{
    uint8_t mark[SHA256_SIZE];
    bool is_new, is_known;

    write_mark(contact, mark);
    if (device_collision_known(tx, device->row_id, mark, &is_known, err))
        return -1;
    if (!is_known && !tx->is_write)
        return HANDLE_AS_WRITE;
    if (!is_known) {
        if (device_note_collision(tx, device, mark, contact->now, &is_new, err))
            return -1;
        log_warning("device.collision", TEXT("device", device->id),
                    TEXT("address", contact->peer->address_text), TEXT("by", contact->witness));
    }
    stand(contact->identity, STANDING_NAME_TAKEN);
    return 0;
}

static int meet_unknown(struct contact *contact, struct tx *tx, struct error *err)
{
    struct device device;
    bool is_awaited;

    contact->identity->not_after = contact->peer->not_after;
    if (strcmp(contact->app->config->device_enrolment, "deny") == 0) {
        stand(contact->identity, STANDING_UNKNOWN);
        return 0;
    }
    if (!identifier_ok(IDENTIFIER_DEVICE, contact->name)) {
        stand(contact->identity, STANDING_UNNAMED);
        return 0;
    }
    enum step step = device_by_id(tx, DEFAULT_TENANT, contact->name, &device, err);
    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_ROW) {
        if (awaits_certificate(tx, &device, &is_awaited, err))
            return -1;
        if (!is_awaited)
            return refuse_name(contact, tx, &device, err);
    }
    if (step == STEP_ROW && !tx->is_write)
        return HANDLE_AS_WRITE;
    int made = step == STEP_ROW ? claim(contact, tx, &device, err)
                                : register_device(contact, tx, &device, err);
    if (made)
        return made;
    name_device(contact, &device, contact->peer->not_after);
    return 0;
}

static int meet(struct contact *contact, struct tx *tx, struct error *err)
{
    enum certificate_state state;
    struct device device;
    int64_t not_after;

    enum step step =
        device_by_fingerprint(tx, contact->peer->fingerprint, &device, &state, &not_after, err);
    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_DONE)
        return meet_unknown(contact, tx, err);
    if (device.state == DEVICE_REGISTERED && state == CERTIFICATE_ACTIVE) {
        if (!tx->is_write)
            return HANDLE_AS_WRITE;
        if (activate(contact, tx, &device, err))
            return -1;
    }
    /* What an import did not say, the certificate does. */
    name_device(contact, &device, not_after ? not_after : contact->peer->not_after);
    if (state != CERTIFICATE_ACTIVE)
        stand(contact->identity, STANDING_REVOKED);
    return 0;
}

int contact_meet(struct contact *contact, meet_fn meet_it, bool on_writer, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct store *store = contact->app->store;

    contact->identity->kind = AUDIENCE_DEVICE;
    contact->identity->generation = store_generation(store);
    if (on_writer ? tx_write(&tx, store, err) : tx_read(&tx, store, err))
        return HANDLE_FAILED;
    int met = meet_it(contact, &tx, err);
    if (met)
        return met < 0 ? HANDLE_FAILED : HANDLE_AS_WRITE;
    return tx_commit(&tx, err) ? HANDLE_FAILED : HANDLE_OK;
}

int identify_device(void *app, const struct request *req, bool on_writer, struct identity *ret,
                    struct error *err)
{
    struct contact contact = contact_of(app, req, ret);

    /* Old clients send tokens along; the certificate alone counts. */
    contact.name = contact.peer->common_name;
    return contact_meet(&contact, meet, on_writer, err);
}

/* -- without a certificate -- */

int contact_is(struct contact *contact, struct tx *tx, struct device *device, struct error *err)
{
    if (device->state == DEVICE_REGISTERED) {
        if (!tx->is_write)
            return HANDLE_AS_WRITE;
        if (activate(contact, tx, device, err))
            return -1;
    }
    name_device(contact, device, INT64_MAX);
    contact->identity->by_token = true;
    return 0;
}

int contact_meet_named(struct contact *contact, struct tx *tx, struct error *err)
{
    struct device device;
    bool has_own;

    if (!identifier_ok(IDENTIFIER_DEVICE, contact->name))
        return fail(err, PROBLEM_BAD_REQUEST, "the name cannot be a device's id");
    contact->identity->by_token = true;
    enum step step = device_by_id(tx, DEFAULT_TENANT, contact->name, &device, err);
    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_ROW) {
        if (has_certificate(tx, &device, &has_own, err))
            return -1;
        if (has_own)
            return refuse_name(contact, tx, &device, err);
        if (device.state == DEVICE_REGISTERED && !enrols_at_once(contact)) {
            stand(contact->identity, STANDING_AWAITED);
            return 0;
        }
        return contact_is(contact, tx, &device, err);
    }
    if (strcmp(contact->app->config->device_enrolment, "deny") == 0) {
        stand(contact->identity, STANDING_UNKNOWN);
        return 0;
    }
    int made = register_device(contact, tx, &device, err);
    return made ? made : contact_is(contact, tx, &device, err);
}
