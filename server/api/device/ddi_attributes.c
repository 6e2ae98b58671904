/* SPDX-License-Identifier: Apache-2.0 */
/* configData: what a device tells of itself. Four names are reserved: their values are evidence of
 * what it runs. */
#include "api/device/ddi.h"

#include <string.h>

/* Printable ASCII and white space, at most `size_max` of them. */
static bool is_plain(const char *text, int64_t size_max)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        if ((text[i] < ' ' || text[i] > '~') && !strchr("\t\n\v\f\r", text[i]))
            return false;
    return length <= (size_t)size_max;
}

/* Numbers and truth values count as the text they are written with, as with hawkBit. */
static int spell(json_t *data, const char *name, const json_t *value, struct error *err)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    int failed = !text || json_object_set_new(data, name, json_string(text));

    free(text);
    return failed ? fail(err, PROBLEM_UNAVAILABLE, "out of memory") : 0;
}

static bool is_scalar(const json_t *value)
{
    return json_is_number(value) || json_is_boolean(value);
}

static int spell_out(json_t *data, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach(data, name, value)
    {
        if (is_scalar(value) && spell(data, name, value, err))
            return -1;
    }
    return 0;
}

static int check_data(const json_t *data, int64_t size_max, enum ddi_mode mode, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)data, name, value)
    {
        if (!*name || !is_plain(name, size_max))
            return fail_field(err, PROBLEM_BAD_FIELD, "data",
                              "a name must be 1 to %lld printable ASCII characters",
                              (long long)size_max);
        if (mode == DDI_REMOVE || json_is_null(value))
            continue;
        if (!json_is_string(value))
            return fail_field(err, PROBLEM_BAD_FIELD, "data",
                              "the value of \"%.48s\" must be a string", name);
        if (!is_plain(json_string_value(value), size_max))
            return fail_field(
                err, PROBLEM_BAD_FIELD, "data",
                "the value of \"%.48s\" must be at most %lld printable ASCII characters", name,
                (long long)size_max);
    }
    return 0;
}

int ddi_attributes_from_json(const json_t *json, int64_t size_max, struct ddi_attributes *ret,
                             struct error *err)
{
    static const char *const modes[] = {
        [DDI_MERGE] = "merge", [DDI_REPLACE] = "replace", [DDI_REMOVE] = "remove"};
    const char *mode;
    size_t i = 0;

    if (json_get_string_or(json, "mode", "merge", &mode, err) ||
        json_get_object(json, "data", &ret->data, err))
        return -1;
    while (i < COUNT_OF(modes) && strcmp(modes[i], mode) != 0)
        i++;
    if (i == COUNT_OF(modes))
        return fail_field(err, PROBLEM_BAD_FIELD, "mode", "not merge, replace or remove");
    if (!json_object_size(ret->data))
        return fail_field(err, PROBLEM_BAD_FIELD, "data", "there must be at least one attribute");
    ret->mode = (enum ddi_mode)i;
    if (spell_out((json_t *)(uintptr_t)ret->data, err))
        return -1;
    return check_data(ret->data, size_max, ret->mode, err);
}

static const char *reserved(const json_t *data, const char *name)
{
    return *name ? json_string_value(json_object_get(data, name)) : NULL;
}

static int64_t reserved_number(const json_t *data, const char *name)
{
    const char *text = reserved(data, name);
    int64_t number;

    return text && number_from_text(text, &number) ? number : -1;
}

void ddi_evidence(const struct config *config, const json_t *data, struct evidence *ret)
{
    const char *version = reserved(data, config->device_version_attribute);
    const char *boot_id = reserved(data, config->device_boot_id_attribute);

    *ret = (struct evidence){
        .version = version && identifier_ok(IDENTIFIER_VERSION, version) ? version : NULL,
        .boot_id = boot_id && strlen(boot_id) < BOOT_ID_SIZE ? boot_id : NULL,
        .uptime = reserved_number(data, config->device_uptime_attribute),
        .floor = reserved_number(data, config->device_floor_attribute),
    };
}

static int store_attributes(struct tx *tx, const struct config *config, const struct device *device,
                            const struct ddi_attributes *attributes, struct error *err)
{
    const char *name;
    json_t *value;
    int64_t count;

    if (attributes->mode == DDI_REPLACE && device_attribute_clear(tx, device->row_id, err))
        return -1;
    json_object_foreach((json_t *)(uintptr_t)attributes->data, name, value)
    {
        int failed =
            attributes->mode == DDI_REMOVE || json_is_null(value)
                ? device_attribute_drop(tx, device->row_id, name, err)
                : device_attribute_put(tx, device->row_id, name, json_string_value(value), err);
        if (failed)
            return -1;
    }
    if (device_attribute_count(tx, device->row_id, &count, err))
        return -1;
    if (count > config->device_attributes_max)
        return fail(err, PROBLEM_TOO_MANY, "a device has at most %lld attributes",
                    (long long)config->device_attributes_max);
    return 0;
}

int ddi_put_attributes(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    struct ddi_attributes attributes;
    struct evidence evidence = {.uptime = -1, .floor = -1};
    struct device device;

    if (ddi_begin(req, &tx, &device, err) ||
        ddi_attributes_from_json(request_json(req), app->config->device_attribute_size_max,
                                 &attributes, err) ||
        store_attributes(&tx, app->config, &device, &attributes, err) ||
        device_ask_attributes(&tx, &device, false, err))
        return HANDLE_FAILED;
    if (attributes.mode != DDI_REMOVE)
        ddi_evidence(app->config, attributes.data, &evidence);
    if (device_take_evidence(&tx, &device, &evidence, request_now(req), err) ||
        campaign_take_evidence(&tx, app->campaigns, &device, request_now(req), err) ||
        ddi_trim_history(req, &tx, &device, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 200);
}
