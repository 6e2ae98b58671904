/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of otad's own protocol: one document per poll, everything in it proven by
 * signatures (image.c), and numbered status reports.
 *
 *     report boot? → update → downloading → chunk lists → images → installing → boot → confirmed */
#include "component.h"
#include "device.h"
#include "image.h"

#include <string.h>

#define STATUS_PATH "/v1/device/status"

static void ask_update(struct device *device);

/* -- reports -- */

/* `update` is NULL when the report is about the device alone. */
static char *status_body(struct device *device, const char *deployment, const char *state,
                         const char *error)
{
    json_auto_t *body =
        json_pack("{s:I,s:s,s:I,s:I,s:o}", "seq", (json_int_t)++device->seq, "boot_id",
                  device->boot_id, "uptime", (json_int_t)device_uptime(device), "floor",
                  (json_int_t)device->floor, "components", components_to_json(device));

    if (deployment) {
        json_object_set_new(body, "deployment_id", json_string(deployment));
        json_object_set_new(body, "state", json_string(state));
    }
    if (error)
        json_object_set_new(body, "error", json_pack("{s:s}", "code", error));
    return json_dumps(body, JSON_COMPACT);
}

static void post_status(struct device *device, const char *deployment, const char *state,
                        const char *error, http_done_fn done)
{
    CLEANUP(free_string) char *body = status_body(device, deployment, state, error);

    device_ask(device, "POST", STATUS_PATH, body, done);
}

static void settle(struct device *device)
{
    snprintf(device->closed_id, sizeof device->closed_id, "%s", device->update->id);
    device_drop_update(device);
}

static void failure_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (!device_answered(device, end, reply))
        return;
    device->fleet->stats.failed++;
    settle(device);
    device_sleep(device);
}

/* -- after the reboot: the update is kept until the server knows how it ended -- */

static void boot_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (!device_answered(device, end, reply))
        return;
    device->owes_boot = false;
    snprintf(device->told_version, VERSION_SIZE, "%s", device->version);
    if (device->update)
        settle(device);
    ask_update(device);
}

static void tell_boot(struct device *device)
{
    const struct update *update = device->update;

    if (!update)
        post_status(device, NULL, NULL, NULL, boot_told);
    else if (strcmp(update->version, device->version))
        post_status(device, update->id, "rolled_back", "boot", boot_told);
    else
        post_status(device, update->id, "confirmed", NULL, boot_told);
}

static void installed(struct device *device)
{
    const struct update *update = device->update;

    switch (device_fate(device, update->version)) {
    case FATE_FAILS:
        device->has_met_fate = true;
        if (device->fleet->options.fail_component)
            components_install(device, device->fleet->options.fail_component);
        post_status(device, update->id, "failed", "install", failure_told);
        return;
    case FATE_REVERTS:
        device->has_met_fate = true;
        device->fleet->stats.reverted++;
        device_reboot(device, device->version);
        return;
    case FATE_VANISHES:
    case FATE_GOOD:
        break;
    }
    for (size_t i = 0; i < update->image_count; i++) {
        if (update->images[i].security_floor > device->floor)
            device->floor = update->images[i].security_floor;
    }
    components_install(device, NULL);
    device->fleet->stats.installed++;
    device_reboot(device, update->version);
}

static void installing_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (device_answered(device, end, reply))
        device_wait(device, device->fleet->options.install_ms, installed);
}

/* -- the way to an image -- */

static void downloaded(struct device *device, bool is_good)
{
    if (!is_good && device->download.is_bad) {
        post_status(device, device->update->id, "failed", "hash", failure_told);
    } else if (!is_good) {
        /* Withdrawn under our hands, or the link is gone: the next poll tells. */
        device_drop_update(device);
        device_sleep(device);
    } else if (device_fate(device, device->update->version) == FATE_VANISHES) {
        device->has_met_fate = true;
        device->fleet->stats.silent++;
        http_close(&device->http);
    } else {
        post_status(device, device->update->id, "installing", NULL, installing_told);
    }
}

static void fetch_next_list(struct device *device);

static void list_read(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;
    struct image *image;
    char sum[SHA256_HEX_SIZE];

    if (!device_answered(device, end, reply))
        return;
    image = &device->update->images[device->update->next_image++];
    sha256_hex(reply->body.at, reply->body.length, sum);
    if (reply->body.length != (size_t)image->chunk_count * SHA256_SIZE ||
        strcmp(sum, image->chunks_sha256)) {
        device->fleet->stats.untrusted++;
        post_status(device, device->update->id, "failed", "hash", failure_told);
        return;
    }
    image->chunks = malloc(reply->body.length);
    if (image->chunks)
        memcpy(image->chunks, reply->body.at, reply->body.length);
    fetch_next_list(device);
}

static void fetch_next_list(struct device *device)
{
    struct update *update = device->update;

    if (update->next_image < update->image_count)
        device_ask(device, "GET", update->images[update->next_image].chunks_path, NULL, list_read);
    else
        device_download(device, downloaded);
}

static void downloading_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (device_answered(device, end, reply))
        fetch_next_list(device);
}

/* -- the poll -- */

static void begin_update(struct device *device, const char *id, const json_t *document)
{
    struct error err = {0};

    device_begin_update(device, id);
    if (!device->update) {
        device_sleep(device);
    } else if (image_check_update(device->fleet->trust, device, document, &err)) {
        fprintf(stderr, "otad-fleet: %s refuses %s: %s\n", device->id, id, error_text(&err));
        device->fleet->stats.untrusted++;
        post_status(device, id, "failed", "signature", failure_told);
    } else if (!components_order(device)) {
        post_status(device, id, "failed", "incompatible", failure_told);
    } else {
        post_status(device, id, "downloading", NULL, downloading_told);
    }
}

static void cancel_told(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    if (!device_answered(device, end, reply))
        return;
    device->fleet->stats.cancelled++;
    settle(device);
    device_sleep(device);
}

/* What the poll has to say about a deployment that is not settled yet. */
static void take_deployment(struct device *device, const char *id, const json_t *document)
{
    const char *state =
        json_string_value(json_object_get(json_object_get(document, "deployment"), "state"));

    if (!state || strcmp(state, "cancelling")) {
        begin_update(device, id, document);
        return;
    }
    device_begin_update(device, id);
    post_status(device, id, "cancelled", NULL, cancel_told);
}

static void update_read(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;
    struct error err;
    json_auto_t *document = NULL;
    const char *id;
    json_int_t poll_after = 0;

    if (!device_answered(device, end, reply))
        return;
    if (reply->status == 304) {
        device_sleep(device);
        return;
    }
    if (json_read(reply->body.at, reply->body.length, &document, &err)) {
        device->fleet->stats.refused++;
        device_sleep(device);
        return;
    }
    poll_after = json_integer_value(json_object_get(document, "poll_after"));
    device->told_poll_ms = poll_after * 1000;
    id = json_string_value(json_object_get(json_object_get(document, "deployment"), "id"));
    device->etag[0] = 0;
    if (id && strcmp(id, device->closed_id)) {
        take_deployment(device, id, document);
        return;
    }
    /* Only of an answer that leaves nothing to do: an interrupted update must be told again. */
    snprintf(device->etag, sizeof device->etag, "%s", reply->etag);
    device_sleep(device);
}

static void ask_update(struct device *device)
{
    char header[128];
    struct http_request request = {
        .method = "GET", .path = "/v1/device/update", .done = update_read};

    if (device->etag[0]) {
        snprintf(header, sizeof header, "If-None-Match: %s\r\n", device->etag);
        request.headers = header;
    }
    http_send(&device->http, &request);
}

void native_visit(struct device *device)
{
    if (device->owes_boot)
        tell_boot(device);
    else
        ask_update(device);
}
