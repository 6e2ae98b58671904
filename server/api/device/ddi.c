/* SPDX-License-Identifier: Apache-2.0 */
#include "api/device/ddi.h"

#include "api/device/native.h"
#include "campaign/client.h"
#include "core/digest.h"
#include "store/event.h"

#include <string.h>

#define TENANT "DEFAULT"
#define CONTROLLER_ID_MAX 256 /* the protocol's; ours are shorter */

int ddi_begin(struct request *req, struct tx *tx, struct device *ret, struct error *err)
{
    const struct identity *identity = request_identity(req);
    const char *id = request_parameter(req, "id");

    if (strlen(id) > CONTROLLER_ID_MAX)
        return fail(err, PROBLEM_BAD_REQUEST, "a controller id has at most %d characters",
                    CONTROLLER_ID_MAX);
    if (strcmp(id, identity->id) != 0 ||
        !text_same_ignoring_case(request_parameter(req, "tenant"), TENANT))
        return fail(err, PROBLEM_UNAUTHENTICATED, "the path names another device than who asks");
    return native_begin(req, tx, ret, err);
}

int ddi_begin_json(struct request *req, struct tx *tx, struct device *ret, struct error *err)
{
    if (ddi_begin(req, tx, ret, err))
        return -1;
    return ddi_media_type(request_header(req, "Accept"))
               ? 0
               : fail_field(err, PROBLEM_NOT_ACCEPTABLE, "Accept",
                            "answers are application/hal+json or application/json");
}

int ddi_reply(struct request *req, struct reply *reply, struct text *json)
{
    if (reply_json_text(reply, 200, json, true))
        return HANDLE_FAILED;
    reply_json_type(reply, ddi_media_type(request_header(req, "Accept")));
    return HANDLE_OK;
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

enum prestaging ddi_prestaging(enum announce announce, const char *user_agent)
{
    bool announces = announce == ANNOUNCE_AUTO ? client_announces(client_from_agent(user_agent))
                                               : announce == ANNOUNCE_YES;

    return announces ? PRESTAGES : INSTALLS_AT_ONCE;
}

enum prestaging ddi_asker(const struct request *req, const struct device *device)
{
    return ddi_prestaging(device->announce, request_header(req, "User-Agent"));
}

int ddi_ask(struct request *req, struct tx *tx, struct device *ret_device, struct decision *ret,
            struct error *err)
{
    struct app *app = request_app(req);

    if (ddi_begin_json(req, tx, ret_device, err) ||
        campaign_poll_by(tx, app->campaigns, ret_device, ddi_asker(req, ret_device),
                         request_now(req), ret, err))
        return HANDLE_FAILED;
    return ret->verdict == VERDICT_WRITE ? HANDLE_AS_WRITE : HANDLE_OK;
}

int ddi_terms(struct request *req, struct tx *tx, const struct device *device,
              const struct deployment *deployment, struct decision *ret, struct error *err)
{
    struct app *app = request_app(req);

    return campaign_terms_by(tx, app->campaigns, device, deployment, ddi_asker(req, device),
                             request_now(req), ret, err);
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

/* -- errors -- */

static bool is_ddi_path(const char *path)
{
    static const char start[] = "/controller/v1";
    const char *after_tenant = *path == '/' ? strchr(path + 1, '/') : NULL;

    return after_tenant && text_starts_with(after_tenant, start) &&
           (after_tenant[sizeof start - 1] == '/' || !after_tenant[sizeof start - 1]);
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

/* -- links -- */

void ddi_write_base(struct text *text, struct request *req)
{
    text_append(text, request_base_url(req));
    text_append(text, "/");
    text_append(text, request_parameter(req, "tenant"));
    text_append(text, "/controller/v1/");
    text_url_segment(text, request_parameter(req, "id"));
}

void ddi_link(struct ddi_links *links, const char *name, const char *path)
{
    struct text *json = links->json;

    text_append(json, links->has_one ? ",\"" : ",\"_links\":{\"");
    text_append(json, name);
    text_append(json, "\":{\"href\":\"");
    ddi_write_base(json, links->req);
    text_append(json, "/");
    text_append(json, path);
    text_append(json, "\"}");
    links->has_one = true;
}

void ddi_link_action(struct ddi_links *links, const char *name, int64_t action, const int32_t *c)
{
    char path[64];
    int length = snprintf(path, sizeof path, "%s/%lld", name, (long long)action);

    if (c)
        snprintf(path + length, sizeof path - (size_t)length, "?c=%d", *c);
    ddi_link(links, name, path);
}

void ddi_links_end(struct ddi_links *links)
{
    if (links->has_one)
        text_append(links->json, "}");
}

int32_t ddi_content_hash(const struct decision *decision)
{
    const uint64_t values[] = {
        (uint64_t)decision->action,        (uint64_t)decision->release_row,
        (uint64_t)decision->attempt,       (uint64_t)decision->install,
        (uint64_t)decision->has_window,    (uint64_t)decision->window_is_open,
        (uint64_t)decision->awaits_consent};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < COUNT_OF(values); i++)
        hash = (hash ^ values[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return (int32_t)(uint32_t)(hash >> 32);
}
