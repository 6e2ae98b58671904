/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/device/status: evidence, inventory and the course of a deployment in one numbered
 * report. */
#include "api/device/ddi.h"
#include "api/device/native.h"

#include "campaign/failure.h"
#include "core/digest.h"
#include "core/log.h"
#include "core/text.h"
#include "store/event.h"
#include "store/metadata.h"

#include <string.h>

#define COMPONENTS_MAX 32
#define CONSENT_BY_MAX 64
#define VERSION_COMPONENT "app"

/* -- reading -- */

static int read_state(const json_t *json, struct native_status *ret, struct error *err)
{
    static const struct {
        const char *word;
        enum report_kind kind;
        bool is_final;
    } states[] = {
        {"downloading", REPORT_DOWNLOADING, false},
        {"verifying",   REPORT_DOWNLOADED,  false},
        {"installing",  REPORT_INSTALLING,  false},
        {"rebooting",   REPORT_INSTALLING,  false},
        {"confirmed",   REPORT_SUCCESS,     true },
        {"failed",      REPORT_FAILURE,     true },
        {"rolled_back", REPORT_REVERTED,    true },
        {"cancelled",   REPORT_CANCELLED,   true },
    };
    const char *word, *id;

    if (json_get_string_or(json, "deployment_id", NULL, &id, err) ||
        json_get_string_or(json, "state", NULL, &word, err))
        return -1;
    if (id && (!text_starts_with(id, NATIVE_ID_PREFIX) ||
               !number_from_text(id + strlen(NATIVE_ID_PREFIX), &ret->action) || !ret->action))
        return fail_field(err, PROBLEM_BAD_FIELD, "deployment_id", "not of the form d-<number>");
    for (size_t i = 0; word && i < COUNT_OF(states); i++) {
        if (strcmp(word, states[i].word) != 0)
            continue;
        ret->has_report = ret->action != 0;
        ret->state = word;
        ret->kind = states[i].kind;
        ret->is_final = states[i].is_final;
        return 0;
    }
    return word ? fail_field(err, PROBLEM_BAD_FIELD, "state", "not a known state") : 0;
}

/* A code that is one of our classes decides what is done next; any other is told as it is. */
static int read_failure(const json_t *json, struct native_status *ret, struct error *err)
{
    const json_t *error;
    const char *code, *detail;

    ret->detail[0] = '\0';
    if (json_get_object_or_none(json, "error", &error, err))
        return -1;
    if (!error)
        return 0;
    if (json_get_string_or(error, "code", "", &code, err) ||
        json_get_string_or(error, "detail", "", &detail, err))
        return -1;
    if (strlen(code) > 48 || strlen(detail) > 256)
        return fail_field(err, PROBLEM_BAD_FIELD, "error",
                          "at most 48 bytes of code and 256 of detail");
    snprintf(ret->detail, sizeof ret->detail, "%s%s%s", code, *code && *detail ? ": " : "", detail);
    ret->class = failure_of(code) == FAILURE_UNKNOWN ? NULL : failure_name(failure_of(code));
    return 0;
}

static int check_component(const json_t *item, struct component *ret, struct error *err)
{
    if (json_get_string(item, "component", &ret->component, err) ||
        json_get_string(item, "version", &ret->version, err) ||
        json_get_integer_or(item, "release_counter", 0, INT64_MAX, 0, &ret->release_counter, err) ||
        json_get_integer_or(item, "security_version", 0, INT64_MAX, 0, &ret->security_version,
                            err) ||
        json_get_string_or(item, "sha256", "", &ret->sha256, err) ||
        json_get_string_or(item, "slot", "", &ret->slot, err))
        return -1;
    if (!identifier_ok(IDENTIFIER_COMPONENT, ret->component) ||
        !identifier_ok(IDENTIFIER_VERSION, ret->version) || strlen(ret->sha256) > 64 ||
        strlen(ret->slot) > 32)
        return fail_field(err, PROBLEM_BAD_FIELD, "components",
                          "a component, version, sha256 or slot breaks its rule");
    return 0;
}

/* The version a device is known by is its application's, or its first component's. */
static int read_components(const json_t *json, struct native_status *ret, struct error *err)
{
    const json_t *item;
    size_t i;

    if (json_get_array_or_none(json, "components", &ret->components, err))
        return -1;
    if (json_array_size(ret->components) > COMPONENTS_MAX)
        return fail_field(err, PROBLEM_BAD_FIELD, "components", "at most %d", COMPONENTS_MAX);
    json_array_foreach(ret->components, i, item)
    {
        struct component component;
        if (check_component(item, &component, err))
            return -1;
        if (i == 0 || strcmp(component.component, VERSION_COMPONENT) == 0)
            ret->evidence.version = component.version;
    }
    return 0;
}

static int read_tuf(const json_t *json, struct native_status *ret, struct error *err)
{
    const json_t *tuf;

    ret->root_version = 0;
    if (json_get_object_or_none(json, "tuf", &tuf, err))
        return -1;
    return tuf ? json_get_integer_or(tuf, "image_root", 0, INT64_MAX, 0, &ret->root_version, err)
               : 0;
}

static int read_consent(const json_t *json, struct native_status *ret, struct error *err)
{
    const json_t *consent;

    ret->consent_by = NULL;
    if (json_get_object_or_none(json, "consent", &consent, err))
        return -1;
    if (!consent)
        return 0;
    if (json_get_string(consent, "by", &ret->consent_by, err))
        return -1;
    if (!ret->consent_by[0] || strlen(ret->consent_by) > CONSENT_BY_MAX)
        return fail_field(err, PROBLEM_BAD_FIELD, "consent.by", "1 to %d bytes", CONSENT_BY_MAX);
    return ret->action
               ? 0
               : fail_field(err, PROBLEM_BAD_FIELD, "deployment_id", "consent is to a deployment");
}

static int read_attack(const json_t *json, struct native_status *ret, struct error *err)
{
    static const char *const attacks[] = {"signature", "rollback", "freeze",
                                          "mixmatch",  "hash",     "slow"};

    if (json_get_string_or(json, "attack", "none", &ret->attack, err))
        return -1;
    for (size_t i = 0; i < COUNT_OF(attacks); i++)
        if (strcmp(ret->attack, attacks[i]) == 0)
            return 0;
    if (strcmp(ret->attack, "none") != 0)
        return fail_field(err, PROBLEM_BAD_FIELD, "attack", "not a known kind of attack");
    ret->attack = NULL;
    return 0;
}

int native_status_from_json(const json_t *json, struct native_status *ret, struct error *err)
{
    *ret = (struct native_status){0};
    if (json_get_integer(json, "seq", 1, INT64_MAX, &ret->seq, err) ||
        json_get_string_or(json, "boot_id", NULL, &ret->evidence.boot_id, err) ||
        json_get_integer_or(json, "uptime", 0, INT64_MAX, -1, &ret->evidence.uptime, err) ||
        json_get_integer_or(json, "floor", 0, INT64_MAX, -1, &ret->evidence.floor, err) ||
        json_get_integer_or(json, "progress", 0, 100, -1, &ret->progress, err))
        return -1;
    if (ret->evidence.boot_id && strlen(ret->evidence.boot_id) >= BOOT_ID_SIZE)
        return fail_field(err, PROBLEM_BAD_FIELD, "boot_id", "at most %d bytes", BOOT_ID_SIZE - 1);
    return read_components(json, ret, err) || read_state(json, ret, err) ||
                   read_failure(json, ret, err) || read_consent(json, ret, err) ||
                   read_tuf(json, ret, err) || read_attack(json, ret, err)
               ? -1
               : 0;
}

/* -- taking -- */

struct arrival {
    struct request *req;
    struct tx *tx;
    struct device device;
    struct native_status status;
    uint8_t hash[SHA256_SIZE];
};

/* A lower number, or the same with another body, is a replay. */
static int check_sequence(struct arrival *arrival, bool *ret_is_repeat, struct error *err)
{
    bool is_same = false;

    *ret_is_repeat = false;
    if (arrival->status.seq > arrival->device.report_seq)
        return 0;
    if (arrival->status.seq == arrival->device.report_seq &&
        device_report_is(arrival->tx, arrival->device.row_id, arrival->hash, &is_same, err))
        return -1;
    if (!is_same)
        return fail(err, PROBLEM_OLD_SEQUENCE, "report %lld was taken already",
                    (long long)arrival->device.report_seq);
    *ret_is_repeat = true;
    return 0;
}

static int take_components(struct arrival *arrival, struct error *err)
{
    const json_t *item;
    size_t i;

    if (!arrival->status.components)
        return 0;
    if (device_component_clear(arrival->tx, arrival->device.row_id, err))
        return -1;
    json_array_foreach(arrival->status.components, i, item)
    {
        struct component component;
        if (check_component(item, &component, err) ||
            device_component_put(arrival->tx, arrival->device.row_id, &component, err))
            return -1;
    }
    return 0;
}

static int alarm_event(struct arrival *arrival, const char *kind, const char *detail,
                       struct error *err)
{
    log_warning(kind, TEXT("device", arrival->device.id), TEXT("detail", detail));
    return event_append(arrival->tx,
                        &(struct event){.at = request_now(arrival->req),
                                        .tenant_row = arrival->device.tenant_row,
                                        .kind = kind,
                                        .device_row = arrival->device.row_id,
                                        .cause = "report",
                                        .detail = detail},
                        err);
}

/* A device that has seen a root we never published has seen somebody else use our keys. */
static int take_alarms(struct arrival *arrival, struct error *err)
{
    int64_t newest;

    if (arrival->status.attack &&
        alarm_event(arrival, "device.attack", arrival->status.attack, err))
        return -1;
    if (!arrival->status.root_version)
        return 0;
    if (metadata_version(arrival->tx, arrival->device.tenant_row, "root", &newest, err))
        return -1;
    if (newest && arrival->status.root_version > newest)
        return alarm_event(arrival, "device.foreign_root",
                           "the device has seen a newer root than ours", err);
    return 0;
}

/* Somebody agreed, asked or not. What is over or to be stopped meanwhile has no use for that. */
static int take_consent(struct arrival *arrival, struct deployment *deployment, struct error *err)
{
    const struct app *app = request_app(arrival->req);
    const struct consent consent = {
        .is_given = true, .by = arrival->status.consent_by, .is_unasked = true};

    if (!consent.by || !deployment->is_open || deployment->is_cancelling)
        return 0;
    if (campaign_consent(arrival->tx, app->campaigns, &arrival->device, deployment, &consent,
                         request_now(arrival->req), err))
        return -1;
    return deployment_by_row(arrival->tx, deployment->row_id, deployment, err) == STEP_ROW ? 0 : -1;
}

/* The words of a report, in the members that DDI's have. Its parts are bounded. */
static void write_told(const struct native_status *status, struct text *told)
{
    text_append(told, "{\"status\":");
    text_json_string(told, status->state);
    if (status->progress >= 0)
        text_format(told, ",\"progress\":{\"count\":%lld,\"of\":100}", (long long)status->progress);
    if (status->detail[0]) {
        text_append(told, ",\"details\":[");
        text_json_string(told, status->detail);
        text_append(told, "]");
    }
    text_append(told, "}");
}

static int take_report(struct arrival *arrival, struct error *err)
{
    CLEANUP(text_clear) struct text told = {0};
    struct app *app = request_app(arrival->req);
    const struct native_status *status = &arrival->status;
    struct report report = {.kind = status->kind,
                            .class = status->class,
                            .detail = status->detail[0] ? status->detail : NULL,
                            .is_final = status->is_final};
    struct deployment deployment;
    enum report_result result;

    if (!status->has_report && !status->consent_by)
        return 0;
    memcpy(report.hash, arrival->hash, sizeof report.hash);
    switch (deployment_by_action(arrival->tx, arrival->device.row_id, status->action, &deployment,
                                 err)) {
    case STEP_FAILED:
        return -1;
    case STEP_DONE:
        return fail_field(err, PROBLEM_NOT_FOUND, "deployment_id", "no deployment of this device");
    case STEP_ROW:
        break;
    }
    if (take_consent(arrival, &deployment, err))
        return -1;
    if (!status->has_report)
        return 0;
    write_told(status, &told);
    if (told.is_broken)
        return fail_internal(err, "out of memory");
    report.told = told.at;
    if (campaign_take_report(arrival->tx, app->campaigns, &arrival->device, &deployment, &report,
                             request_now(arrival->req), &result, err))
        return -1;
    return result == REPORT_CLOSED ? fail(err, PROBLEM_CONFLICT, "the deployment is over") : 0;
}

static int take(struct arrival *arrival, struct error *err)
{
    struct app *app = request_app(arrival->req);
    int64_t now = request_now(arrival->req);

    return take_components(arrival, err) ||
                   device_take_evidence(arrival->tx, &arrival->device, &arrival->status.evidence,
                                        now, err) ||
                   take_report(arrival, err) ||
                   campaign_take_evidence(arrival->tx, app->campaigns, &arrival->device, now,
                                          err) ||
                   take_alarms(arrival, err) ||
                   ddi_trim_history(arrival->req, arrival->tx, &arrival->device, err) ||
                   device_set_report(arrival->tx, &arrival->device, arrival->status.seq,
                                     arrival->hash, err)
               ? -1
               : 0;
}

int native_post_status(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    struct arrival arrival = {.req = req, .tx = &tx};
    const void *body;
    size_t length;
    bool is_repeat;

    request_body(req, &body, &length);
    sha256(body, length, arrival.hash);
    if (native_status_from_json(request_json(req), &arrival.status, err) ||
        tx_write(&tx, app->store, err))
        return HANDLE_FAILED;
    if (device_by_row(&tx, request_identity(req)->row, &arrival.device, err) != STEP_ROW)
        return HANDLE_FAILED;
    if (check_sequence(&arrival, &is_repeat, err) || (!is_repeat && take(&arrival, err)) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    text_format(&json, "{\"seq\":%lld}", (long long)arrival.status.seq);
    return reply_json_text(reply, 200, &json, false);
}
