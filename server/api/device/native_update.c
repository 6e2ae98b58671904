/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/device/update: what a poll has to say, with everything a device needs to check it. */
#include "api/device/ddi.h"
#include "api/device/native.h"
#include "core/json.h"
#include "store/campaign.h"
#include "store/metadata.h"

#include <string.h>

int native_begin(struct request *req, struct tx *tx, struct device *ret, struct error *err)
{
    const struct app *app = request_app(req);

    if (request_on_writer(req) ? tx_write(tx, app->store, err) : tx_read(tx, app->store, err))
        return -1;
    enum step step = device_by_row(tx, request_identity(req)->row, ret, err);
    if (step == STEP_DONE)
        return fail(err, PROBLEM_NO_SUCH_DEVICE, "device %s", request_identity(req)->id);
    return step == STEP_ROW ? 0 : -1;
}

void native_write_url(struct text *text, struct request *req, const char *path, const char *sha256)
{
    const char *file = strrchr(path, '/');

    if (!file)
        return;
    text_append(text, request_base_url(req));
    text_append(text, "/tuf/image/targets/");
    text_append_bytes(text, path, (size_t)(file - path));
    text_append(text, "/");
    text_append(text, sha256);
    text_append(text, ".");
    text_append(text, file + 1);
}

/* The signed entry names the list; a release without one is served whole. */
static int write_chunks_url(struct text *json, struct request *req, const struct target *target,
                            struct error *err)
{
    json_auto_t *custom = NULL;
    const char *path = NULL, *sha256 = NULL;

    if (json_read(target->custom, strlen(target->custom), &custom, err))
        return fail_internal(err, "target %s: unreadable custom", target->path);
    const json_t *list = json_object_get(json_object_get(custom, "chunks"), "list");
    path = json_string_value(json_object_get(list, "path"));
    sha256 = json_string_value(json_object_get(list, "sha256"));
    if (!path || !sha256) {
        text_append(json, "null");
        return 0;
    }
    text_append(json, "\"");
    native_write_url(json, req, path, sha256);
    text_append(json, "\"");
    return 0;
}

static int write_target(struct text *json, struct request *req, const struct target *target,
                        struct error *err)
{
    text_append(json, "{\"path\":");
    text_json_string(json, target->path);
    text_append(json, ",\"url\":\"");
    native_write_url(json, req, target->path, target->sha256);
    text_format(json, "\",\"size\":%lld,\"sha256\":\"%s\",\"chunks_url\":", (long long)target->size,
                target->sha256);
    if (write_chunks_url(json, req, target, err))
        return -1;
    text_append(json, "}");
    return 0;
}

static int write_targets(struct text *json, struct tx *tx, struct request *req, int64_t release_row,
                         struct error *err)
{
    struct target *targets = NULL;
    size_t count = 0;
    int failed = 0;

    if (release_targets(tx, release_row, &targets, &count, err))
        return -1;
    for (size_t i = 0; i < count && !failed; i++) {
        text_append(json, i ? "," : "");
        failed = write_target(json, req, &targets[i], err);
    }
    targets_free(&targets, count);
    return failed;
}

/* The exact bytes as published; they are JSON themselves. */
static int write_envelope(struct text *json, struct tx *tx, int64_t tenant_row, const char *role,
                          int64_t version, struct error *err)
{
    CLEANUP(metadata_clear) struct metadata metadata = {0};
    enum step step = metadata_find(tx, tenant_row, role, version, &metadata, err);

    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_DONE)
        return fail_internal(err, "role %s: no file", role);
    text_append_bytes(json, metadata.bytes, metadata.length);
    return 0;
}

/* All roots, so that a device which slept for years can walk from its own to the newest. */
static int write_image(struct text *json, struct tx *tx, const struct release *release,
                       struct error *err)
{
    int64_t newest, tenant_row = release->tenant_row;
    char role[sizeof release->product + sizeof "product-"];

    if (metadata_version(tx, tenant_row, "root", &newest, err))
        return -1;
    text_append(json, "{\"root\":[");
    for (int64_t version = 1; version <= newest; version++) {
        text_append(json, version > 1 ? "," : "");
        if (write_envelope(json, tx, tenant_row, "root", version, err))
            return -1;
    }
    text_append(json, "],\"targets\":");
    if (write_envelope(json, tx, tenant_row, "targets", 0, err))
        return -1;
    text_append(json, ",\"product\":");
    snprintf(role, sizeof role, "product-%s", release->product);
    if (write_envelope(json, tx, tenant_row, role, 0, err))
        return -1;
    text_append(json, "}");
    return 0;
}

static const char *install_name(enum install install)
{
    static const char *const names[] = {
        [INSTALL_FORCED] = "forced",
        [INSTALL_OPTIONAL] = "optional",
        [INSTALL_PRESTAGE] = "prestage",
    };

    return names[install];
}

static const char *consent_name(const struct decision *decision)
{
    return !decision->asks_consent ? "none" : decision->awaits_consent ? "required" : "given";
}

static int write_deployment(struct text *json, struct tx *tx, struct request *req,
                            const struct decision *decision, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    struct release release;

    enum step step = release_by_row(tx, decision->release_row, &release, err);
    if (step == STEP_ROW)
        step = campaign_by_row(tx, decision->campaign_row, &campaign, err);
    if (step != STEP_ROW)
        return step == STEP_DONE ? fail_internal(err, "a deployment without campaign or release")
                                 : -1;
    text_format(json,
                "{\"id\":\"" NATIVE_ID_PREFIX "%lld\",\"campaign\":", (long long)decision->action);
    text_json_string(json, campaign.id);
    text_append(json, ",\"release\":");
    text_json_string(json, release.id);
    text_append(json, ",\"state\":");
    text_json_string(json, decision->verdict == VERDICT_CANCEL ? "cancelling" : decision->state);
    text_format(json, ",\"consent\":\"%s\",\"install\":\"%s\",\"install_wait\":%lld,\"risk\":",
                consent_name(decision), install_name(decision->install),
                (long long)decision->install_wait);
    text_json_string(json, decision->risk);
    text_append(json, "},\"targets\":[");
    if (decision->verdict == VERDICT_CANCEL) {
        text_append(json, "]");
        return 0;
    }
    if (write_targets(json, tx, req, release.row_id, err))
        return -1;
    text_append(json, "],\"image\":");
    return write_image(json, tx, &release, err);
}

int native_get_update(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    struct decision decision = {0};
    struct device device;

    if (native_begin(req, &tx, &device, err) ||
        campaign_poll(&tx, app->campaigns, &device, request_now(req), &decision, err))
        return HANDLE_FAILED;
    if (decision.verdict == VERDICT_WRITE)
        return HANDLE_AS_WRITE;
    text_format(&json, "{\"poll_after\":%lld,\"deployment\":",
                (long long)ddi_poll_after(app->config, &device, &decision, request_now(req)));
    if (decision.verdict == VERDICT_NOTHING)
        text_append(&json, "null,\"targets\":[]");
    else if (write_deployment(&json, &tx, req, &decision, err))
        return HANDLE_FAILED;
    text_append(&json, "}");
    if (tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json_text(reply, 200, &json, true);
}
