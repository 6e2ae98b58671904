/* SPDX-License-Identifier: Apache-2.0 */
#include "api/device/ddi.h"

#include "core/digest.h"
#include "store/event.h"

#include <string.h>

#define TENANT "DEFAULT"

int ddi_begin(struct request *req, struct tx *tx, struct device *ret, struct error *err)
{
    const struct app *app = request_app(req);
    const struct identity *identity = request_identity(req);

    if (strcmp(request_parameter(req, "id"), identity->id) != 0 ||
        !text_same_ignoring_case(request_parameter(req, "tenant"), TENANT))
        return fail(err, PROBLEM_UNAUTHENTICATED,
                    "the path names another device than the certificate");
    if (request_on_writer(req) ? tx_write(tx, app->store, err) : tx_read(tx, app->store, err))
        return -1;
    enum step step = device_by_row(tx, identity->row, ret, err);
    if (step == STEP_DONE)
        return fail(err, PROBLEM_NO_SUCH_DEVICE, "device %s", identity->id);
    return step == STEP_ROW ? 0 : -1;
}

int ddi_deployment(struct request *req, struct tx *tx, const struct device *device,
                   struct deployment *ret, struct error *err)
{
    const char *id = request_parameter(req, "action");
    int64_t action;

    if (!number_from_text(id, &action) || action > INT32_MAX)
        return fail(err, PROBLEM_NOT_FOUND, "no action of this device");
    enum step step = deployment_by_action(tx, device->row_id, action, ret, err);
    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "no action of this device");
    return step == STEP_ROW ? 0 : -1;
}

int ddi_trim_history(struct request *req, struct tx *tx, const struct device *device,
                     struct error *err)
{
    const struct app *app = request_app(req);

    /* One in 64 messages pays for all; a device cannot tell which. */
    if (random_number() % 64 != 0)
        return 0;
    return event_trim(tx, device->row_id, app->config->store_events_per_device_max, err);
}

void ddi_write_base(struct text *text, struct request *req)
{
    text_append(text, request_base_url(req));
    text_append(text, "/");
    text_append(text, request_parameter(req, "tenant"));
    text_append(text, "/controller/v1/");
    text_url_segment(text, request_parameter(req, "id"));
}

static bool is_ddi_path(const char *path)
{
    const char *after_tenant = *path == '/' ? strchr(path + 1, '/') : NULL;

    return after_tenant && text_starts_with(after_tenant, "/controller/v1/");
}

const char *ddi_write_error(const char *path, const struct error *err, struct text *ret)
{
    if (!is_ddi_path(path))
        return NULL;
    if (err->problem == PROBLEM_UNAUTHENTICATED)
        return "application/json"; /* with no body: what clients know */
    const char *slug = problem_slug(err->problem);
    text_append(ret, "{\"exceptionClass\":");
    text_json_string(ret, slug);
    text_append(ret, ",\"errorCode\":\"hawkbit.server.error.");
    text_append(ret, slug);
    text_append(ret, "\",\"message\":");
    text_json_string(ret, err->detail[0] ? err->detail : problem_title(err->problem));
    text_append(ret, "}");
    return "application/json";
}

static void write_link(struct text *text, const char *name, const char *href, const char *suffix)
{
    text_json_string(text, name);
    text_append(text, ":{\"href\":\"");
    text_append(text, href);
    text_append(text, suffix);
    text_append(text, "\"}");
}

void ddi_write_artifact(struct text *text, struct request *req, const struct target *target)
{
    CLEANUP(text_clear) struct text href = {0};

    ddi_write_base(&href, req);
    text_format(&href, "/softwaremodules/%lld/artifacts/", (long long)target->row_id);
    text_url_segment(&href, target->file);
    CLEANUP(free_string) char *link = text_take(&href);
    if (!link) {
        text->is_broken = true;
        return;
    }
    text_append(text, "{\"filename\":");
    text_json_string(text, target->file);
    text_format(text,
                ",\"hashes\":{\"sha1\":\"%s\",\"md5\":\"%s\",\"sha256\":\"%s\"},\"size\":%lld",
                target->sha1, target->md5, target->sha256, (long long)target->size);
    text_append(text, ",\"_links\":{");
    write_link(text, "download", link, "");
    text_append(text, ",");
    write_link(text, "md5sum", link, ".MD5SUM");
    text_append(text, ",");
    /* Some clients know only this pair; it leads to the same place. */
    write_link(text, "download-http", link, "");
    text_append(text, ",");
    write_link(text, "md5sum-http", link, ".MD5SUM");
    text_append(text, "}}");
}

/* Zephyr takes nothing but bApp; the other names are historical as well. */
const char *ddi_part(const char *component)
{
    if (strcmp(component, "app") == 0 || strcmp(component, "application") == 0)
        return "bApp";
    return strcmp(component, "runtime") == 0 ? "jvm" : component;
}
