/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/device_json.h"

#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "campaign/client.h"
#include "core/clock.h"
#include "core/text.h"

#include <string.h>

static int add_tag(const char *name, const char *value, void *arg, struct error *err)
{
    (void)value;
    return json_add(arg, json_string(name), err);
}

/* A row whose text cannot be told must not hide all the others of a list. */
static json_t *text_as_told(const char *text)
{
    return utf8_ok(text, strlen(text)) ? json_string(text) : json_string("\xef\xbf\xbd");
}

static json_t *text_or_null(const char *text)
{
    return *text ? json_string(text) : json_null();
}

/* name, version, agent: the program it polls with; null as long as nothing tells which. */
static int write_client(struct tx *tx, const struct device *device, const struct last_seen *seen,
                        json_t *json, struct error *err)
{
    char version[CLIENT_VERSION_SIZE], ignored[1];
    bool tells_vin = false;

    if (!seen->client[0] && device_attribute(tx, device->row_id, CLIENT_ZEPHYR_ATTRIBUTE, ignored,
                                             sizeof ignored, &tells_vin, err))
        return -1;
    client_version(seen->client, version);
    const char *name = client_name(client_from_facts(seen->client, tells_vin));
    json_t *client = !name[0] && !seen->client[0]
                         ? json_null()
                         : json_pack("{s:o, s:o, s:s}", "name", text_or_null(name), "version",
                                     text_or_null(version), "agent", seen->client);
    return json_object_set_new(json, "client", client) ? fail_internal(err, "out of memory") : 0;
}

static int write_seen(struct app *app, struct tx *tx, const struct device *device, json_t *json,
                      struct error *err)
{
    struct last_seen seen = {0};

    if (seen_last(app->seen, tx, device->row_id, &seen, err) == STEP_FAILED)
        return -1;
    if (json_object_set_new(json, "seen_at", json_from_time(seen.at)) ||
        json_object_set_new(json, "address", json_string(seen.address)))
        return fail_internal(err, "out of memory");
    return write_client(tx, device, &seen, json, err);
}

int device_to_json(struct app *app, struct tx *tx, const struct device *device, json_t **ret,
                   struct error *err)
{
    json_auto_t *tags = json_array();
    json_auto_t *json = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:O, s:o}", "id", device->id, "state",
        device_state_name(device->state), "model", text_as_told(device->model), "hardware",
        text_as_told(device->hardware), "site", text_as_told(device->site), "version",
        text_as_told(device->version), "boot_id", text_as_told(device->boot_id), "floor",
        (json_int_t)device->floor, "tags", tags, "created_at", json_from_time(device->created_at));

    if (!json ||
        json_object_set_new(json, "uptime",
                            device->uptime < 0 ? json_null() : json_integer(device->uptime)) ||
        json_object_set_new(json, "announce",
                            device->announce == ANNOUNCE_AUTO
                                ? json_null()
                                : json_boolean(device->announce == ANNOUNCE_YES)) ||
        json_object_set_new(json, "auto_confirm", json_boolean(device->auto_confirm_at > 0)) ||
        json_object_set_new(json, "asks_attributes", json_boolean(device->asks_attributes)))
        return fail_internal(err, "device %s: cannot be written as JSON", device->id);
    if (device_tags(tx, device->row_id, add_tag, tags, err) ||
        write_seen(app, tx, device, json, err))
        return -1;
    *ret = json_incref(json);
    return 0;
}

static int add_certificate(const struct certificate *certificate, void *arg, struct error *err)
{
    char fingerprint[65];

    hex_from_bytes(certificate->fingerprint, sizeof certificate->fingerprint, fingerprint);
    return json_add(arg,
                    json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "fingerprint",
                              fingerprint, "state", certificate_state_name(certificate->state),
                              "serial", certificate->serial, "subject", certificate->subject,
                              "not_before", json_from_time(certificate->not_before), "not_after",
                              json_from_time(certificate->not_after), "created_at",
                              json_from_time(certificate->created_at), "revoked_at",
                              json_from_time(certificate->revoked_at)),
                    err);
}

static int add_attribute(const char *name, const char *value, void *arg, struct error *err)
{
    return json_object_set_new(arg, name, json_string(value)) ? fail_internal(err, "out of memory")
                                                              : 0;
}

static int add_component(const struct component *component, void *arg, struct error *err)
{
    return json_add(arg,
                    json_pack("{s:s, s:s, s:I, s:I, s:s, s:s}", "component", component->component,
                              "version", component->version, "release_counter",
                              (json_int_t)component->release_counter, "security_version",
                              (json_int_t)component->security_version, "sha256", component->sha256,
                              "slot", component->slot),
                    err);
}

/* The open one, else the newest; null when there never was one. */
static int write_deployment(struct tx *tx, const struct device *device, json_t *json,
                            struct error *err)
{
    struct deployment deployment;
    json_t *value = NULL;
    size_t count;

    if (deployments_of_device(tx, device->row_id, &deployment, 1, &count, err) ||
        (count && deployment_to_json(tx, &deployment, &value, err)))
        return -1;
    return json_object_set_new(json, "deployment", value ? value : json_null())
               ? fail_internal(err, "out of memory")
               : 0;
}

/* What an operator wants of this device alone. */
static int write_steering(struct tx *tx, const struct device *device, json_t *json,
                          struct error *err)
{
    int64_t now = clock_wall();
    json_auto_t *channel = NULL, *pinned = json_null();
    struct pin pin;
    enum step step = pin_of(tx, device->row_id, now, &pin, err);

    if (step == STEP_FAILED || membership_to_json(tx, device, now, &channel, err) ||
        (step == STEP_ROW && pin_to_json(tx, device->id, &pin, &pinned, err)))
        return -1;
    return json_object_set_new(json, "zone", json_string(device->zone)) ||
                   json_object_set(json, "channel", channel) || json_object_set(json, "pin", pinned)
               ? fail_internal(err, "out of memory")
               : 0;
}

static int write_token(struct tx *tx, const struct device *device, json_t *json, struct error *err)
{
    uint8_t hash[32];
    int64_t at;

    if (device_token(tx, device->row_id, hash, &at, err))
        return -1;
    return json_object_set_new(json, "has_token", json_boolean(at > 0))
               ? fail_internal(err, "out of memory")
               : 0;
}

int device_to_full_json(struct app *app, struct tx *tx, const struct device *device, json_t **ret,
                        struct error *err)
{
    json_auto_t *json = NULL;

    if (device_to_json(app, tx, device, &json, err))
        return -1;
    json_t *certificates = json_array(), *attributes = json_object(), *components = json_array();
    if (json_object_set_new(json, "certificates", certificates) ||
        json_object_set_new(json, "attributes", attributes) ||
        json_object_set_new(json, "components", components))
        return fail_internal(err, "out of memory");
    if (device_certificates(tx, device->row_id, add_certificate, certificates, err) ||
        device_attributes(tx, device->row_id, add_attribute, attributes, err) ||
        device_components(tx, device->row_id, add_component, components, err) ||
        write_token(tx, device, json, err) || write_steering(tx, device, json, err) ||
        write_deployment(tx, device, json, err))
        return -1;
    *ret = json_incref(json);
    return 0;
}

int reply_changed_device(struct request *req, struct reply *reply, struct tx *tx,
                         const struct device *device, int status, struct error *err)
{
    json_auto_t *json = NULL;

    if (device_to_full_json(request_app(req), tx, device, &json, err) || tx_commit(tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, status, MOVE(json));
}
