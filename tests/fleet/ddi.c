/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of hawkBit's DDI: poll, tell attributes, fetch what is linked, give feedback.
 *
 *     poll → configData? → cancelAction? | deploymentBase? → proceeding → download → closed → boot
 */
#include "device.h"

#include <string.h>

static void follow_links(struct device *device);

static void ddi_path(const struct device *device, const char *rest, char ret[URL_SIZE])
{
    snprintf(ret, URL_SIZE, "/DEFAULT/controller/v1/%s%s", device->id, rest);
}

/* -- feedback -- */

static void post_feedback(struct device *device, const char *kind, const char *execution,
                          const char *finished, const char *detail, http_done_fn done)
{
    char path[URL_SIZE], rest[128], body[512];

    snprintf(rest, sizeof rest, "/%s/%s/feedback", kind, device->update->id);
    ddi_path(device, rest, path);
    snprintf(body, sizeof body,
             "{\"id\":\"%s\",\"status\":{\"execution\":\"%s\",\"result\":{\"finished\":\"%s\"},"
             "\"details\":[\"%s\"]}}",
             device->update->id, execution, finished, detail);
    device_ask(device, "POST", path, body, done);
}

static void remember_final_word(struct device *device)
{
    snprintf(device->closed_id, sizeof device->closed_id, "%s", device->update->id);
}

static void success_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;
    char version[VERSION_SIZE];

    if (!device_answered(device, end, reply))
        return;
    remember_final_word(device);
    snprintf(version, sizeof version, "%s", device->update->version);
    device_drop_update(device);
    if (device_fate(device, version) == FATE_REVERTS) {
        device->has_met_fate = true;
        device->fleet->stats.reverted++;
        device_reboot(device, device->version);
        return;
    }
    device->fleet->stats.installed++;
    device_reboot(device, version);
}

static void failure_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (!device_answered(device, end, reply))
        return;
    device->fleet->stats.failed++;
    remember_final_word(device);
    device_drop_update(device);
    device_sleep(device);
}

static void installed(struct device *device)
{
    device->has_met_fate = device_fate(device, device->update->version) == FATE_FAILS;
    if (device->has_met_fate)
        post_feedback(device, "deploymentBase", "closed", "failure",
                      "ERROR : simulated: the image does not fit", failure_told);
    else
        post_feedback(device, "deploymentBase", "closed", "success", "Installed.", success_told);
}

static void installing_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (!device_answered(device, end, reply))
        return;
    device_wait(device, device->fleet->options.install_ms, installed);
}

static void downloaded(struct device *device, bool is_good)
{
    if (!is_good && device->download.is_bad) {
        post_feedback(device, "deploymentBase", "closed", "failure", "ERROR : HASH mismatch",
                      failure_told);
    } else if (!is_good) {
        /* Withdrawn under our hands, or the link is gone: the next poll tells. */
        device_drop_update(device);
        device_sleep(device);
    } else if (device_fate(device, device->update->version) == FATE_VANISHES) {
        device->has_met_fate = true;
        device->fleet->stats.silent++;
        http_close(&device->http);
    } else {
        post_feedback(device, "deploymentBase", "proceeding", "none", "Installing.",
                      installing_told);
    }
}

static void downloading_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (device_answered(device, end, reply))
        device_download(device, downloaded);
}

/* -- what is to be done -- */

static bool read_artifact(struct device *device, const json_t *artifact)
{
    struct update *update = device->update;
    struct image *image = &update->images[update->image_count];
    const char *sha256, *url;
    json_int_t size;

    if (update->image_count == IMAGES_MAX ||
        json_unpack((json_t *)(uintptr_t)artifact, "{s:I,s:{s:s},s:{s:{s:s}}}", "size", &size,
                    "hashes", "sha256", &sha256, "_links", "download", "href", &url) ||
        strlen(sha256) != SHA256_HEX_SIZE - 1 || size <= 0 ||
        !device_path_of(device, url, image->path))
        return false;
    image->size = size;
    snprintf(image->sha256, sizeof image->sha256, "%s", sha256);
    update->image_count++;
    return true;
}

static bool read_deployment(struct device *device, const json_t *document)
{
    const json_t *deployment = json_object_get(document, "deployment"), *chunk, *artifact;
    const char *id = json_string_value(json_object_get(document, "id"));
    size_t i, k;

    if (!id)
        return false;
    device_begin_update(device, id);
    if (!device->update)
        return false;
    json_array_foreach(json_object_get(deployment, "chunks"), i, chunk)
    {
        const char *version = json_string_value(json_object_get(chunk, "version"));

        if (!version)
            return false;
        snprintf(device->update->version, VERSION_SIZE, "%s", version);
        json_array_foreach(json_object_get(chunk, "artifacts"), k, artifact)
        {
            if (!read_artifact(device, artifact))
                return false;
        }
    }
    return device->update->image_count > 0;
}

static void deployment_read(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;
    struct error err;
    json_auto_t *document = NULL;

    if (!device_answered(device, end, reply))
        return;
    if (json_read(reply->body.at, reply->body.length, &document, &err) ||
        !read_deployment(device, document)) {
        device->fleet->stats.refused++;
        device_drop_update(device);
        device_sleep(device);
        return;
    }
    post_feedback(device, "deploymentBase", "proceeding", "none", "Downloading.", downloading_told);
}

static void cancel_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (!device_answered(device, end, reply))
        return;
    device->fleet->stats.cancelled++;
    device_drop_update(device);
    device_sleep(device);
}

static void cancel_read(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;
    struct error err;
    json_auto_t *document = NULL;
    const char *id;

    if (!device_answered(device, end, reply))
        return;
    if (json_read(reply->body.at, reply->body.length, &document, &err) ||
        json_unpack(document, "{s:{s:s}}", "cancelAction", "stopId", &id)) {
        device->fleet->stats.refused++;
        device_sleep(device);
        return;
    }
    device_begin_update(device, id);
    post_feedback(device, "cancelAction", "closed", "success", "Cancelled.", cancel_told);
}

/* -- the poll -- */

static void attributes_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (!device_answered(device, end, reply))
        return;
    device->owes_boot = false;
    snprintf(device->told_version, VERSION_SIZE, "%s", device->version);
    follow_links(device);
}

static void tell_attributes(struct device *device)
{
    char path[URL_SIZE], body[512];

    ddi_path(device, "/configData", path);
    snprintf(body, sizeof body,
             "{\"mode\":\"merge\",\"data\":{\"serialNo\":\"%s\",\"otad.version\":\"%s\","
             "\"otad.boot_id\":\"%s\",\"otad.uptime\":\"%lld\"}}",
             device->id, device->version, device->boot_id, (long long)device_uptime(device));
    device_ask(device, "PUT", path, body, attributes_told);
}

static const char *link_named(const struct device *device, const char *name)
{
    return json_string_value(json_object_get(json_object_get(device->links, name), "href"));
}

/* An action of which we have said all there is to say stays linked until the server has moved on.
 */
static bool is_settled(const struct device *device, const char *path)
{
    const char *id = strstr(path, "/deploymentBase/");
    size_t length;

    if (!id)
        return false;
    id += strlen("/deploymentBase/");
    length = strcspn(id, "?/");
    return strlen(device->closed_id) == length && !strncmp(id, device->closed_id, length);
}

static void follow_links(struct device *device)
{
    const char *cancel = link_named(device, "cancelAction");
    const char *deployment = link_named(device, "deploymentBase");
    char path[URL_SIZE];

    if (cancel && device_path_of(device, cancel, path))
        device_ask(device, "GET", path, NULL, cancel_read);
    else if (deployment && device_path_of(device, deployment, path) && !is_settled(device, path))
        device_ask(device, "GET", path, NULL, deployment_read);
    else
        device_sleep(device);
}

static void polled(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;
    struct error err;
    json_auto_t *document = NULL;
    const char *sleep = NULL;
    int hours, minutes, seconds;

    if (!device_answered(device, end, reply))
        return;
    if (json_read(reply->body.at, reply->body.length, &document, &err) ||
        json_unpack(document, "{s:{s:{s:s}}}", "config", "polling", "sleep", &sleep) ||
        strlen(sleep) != 8 || sscanf(sleep, "%2d:%2d:%2d", &hours, &minutes, &seconds) != 3) {
        device->fleet->stats.refused++;
        device_sleep(device);
        return;
    }
    device->told_poll_ms = (hours * 3600LL + minutes * 60 + seconds) * 1000;
    json_decref(device->links);
    device->links = json_incref(json_object_get(document, "_links"));
    if (device->owes_boot || link_named(device, "configData"))
        tell_attributes(device);
    else
        follow_links(device);
}

void ddi_visit(struct device *device)
{
    char path[URL_SIZE];

    ddi_path(device, "", path);
    device_ask(device, "GET", path, NULL, polled);
}
