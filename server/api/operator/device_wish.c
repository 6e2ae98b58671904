/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/device_json.h"

#include "api/operator/device_authentication.h"
#include "api/operator/members.h"
#include "core/clock.h"
#include "core/text.h"
#include "store/site.h"

#include <string.h>

/* "" says that the device has none. */
static int check_label(const char *name, const char *value, enum identifier kind, struct error *err)
{
    if (!value || !*value || identifier_ok(kind, value))
        return 0;
    return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" breaks its rule", name);
}

int device_wish_check(const struct device_wish *wish, struct error *err)
{
    if (wish->id && !identifier_ok(IDENTIFIER_DEVICE, wish->id))
        return fail_field(err, PROBLEM_BAD_FIELD, "id",
                          "an id is 1 to 64 letters, digits and . _ : - and begins with one of the "
                          "first two");
    if (check_label("model", wish->model, IDENTIFIER_NAME, err) ||
        check_label("hardware", wish->hardware, IDENTIFIER_HARDWARE, err) ||
        check_label("site", wish->site, IDENTIFIER_NAME, err))
        return -1;
    for (size_t i = 0; i < wish->tag_count; i++)
        if (!identifier_ok(IDENTIFIER_NAME, wish->tags[i]))
            return fail_field(err, PROBLEM_BAD_FIELD, "tags", "tag %zu breaks its rule", i + 1);
    return 0;
}

static int read_tags(const json_t *json, struct device_wish *ret, struct error *err)
{
    const json_t *tags, *tag;
    size_t i;

    if (json_get_array_or_none(json, "tags", &tags, err))
        return -1;
    ret->has_tags = tags != NULL;
    if (json_array_size(tags) > WISH_TAGS_MAX)
        return fail_field(err, PROBLEM_BAD_FIELD, "tags", "at most %d", WISH_TAGS_MAX);
    json_array_foreach(tags, i, tag)
    {
        if (!json_is_string(tag))
            return fail_field(err, PROBLEM_BAD_FIELD, "tags", "\"tags\" must be strings");
        ret->tags[ret->tag_count++] = json_string_value(tag);
    }
    return 0;
}

/* null: as its client is known to. */
static int read_announce(const json_t *json, struct device_wish *ret, struct error *err)
{
    const json_t *member = json_object_get(json, "announce");
    bool is_on;

    ret->has_announce = member != NULL;
    if (json_get_bool_or(json, "announce", false, &is_on, err))
        return -1;
    ret->announce = json_is_null(member) ? ANNOUNCE_AUTO : is_on ? ANNOUNCE_YES : ANNOUNCE_NO;
    return 0;
}

int device_wish_labels(const json_t *json, struct device_wish *ret, struct error *err)
{
    return json_get_string_or(json, "model", NULL, &ret->model, err) ||
                   json_get_string_or(json, "hardware", NULL, &ret->hardware, err) ||
                   json_get_string_or(json, "site", NULL, &ret->site, err) ||
                   member_zone(json, &ret->zone, err) || read_tags(json, ret, err) ||
                   read_announce(json, ret, err)
               ? -1
               : 0;
}

int device_wish_add_fingerprint(struct device_wish *wish, const char *fingerprint,
                                const char *not_after, struct error *err)
{
    struct certificate certificate = {0};

    if (wish->certificate_count == WISH_CERTIFICATES_MAX)
        return fail_field(err, PROBLEM_BAD_FIELD, "certificates", "at most %d",
                          WISH_CERTIFICATES_MAX);
    if (!hex_to_bytes(fingerprint, certificate.fingerprint, sizeof certificate.fingerprint))
        return fail_field(err, PROBLEM_BAD_FIELD, "fingerprint",
                          "64 lower-case hex digits: SHA-256 of the certificate in DER");
    if (not_after && *not_after && !clock_parse(not_after, &certificate.not_after))
        return fail_field(err, PROBLEM_BAD_FIELD, "not_after",
                          "not of the form 2030-01-31T00:00:00Z");
    wish->certificates[wish->certificate_count++] = certificate;
    return 0;
}

static int read_certificate(const json_t *json, struct device_wish *ret, struct error *err)
{
    const char *fingerprint, *not_after;

    if (json_get_string(json, "fingerprint", &fingerprint, err) ||
        json_get_string_or(json, "not_after", NULL, &not_after, err))
        return -1;
    return device_wish_add_fingerprint(ret, fingerprint, not_after, err);
}

int device_wish_certificates(const json_t *json, struct device_wish *ret, struct error *err)
{
    const json_t *list, *item;
    size_t i;

    if (json_object_get(json, "fingerprint") && read_certificate(json, ret, err))
        return -1;
    if (json_get_array_or_none(json, "certificates", &list, err))
        return -1;
    json_array_foreach(list, i, item) if (read_certificate(item, ret, err)) return -1;
    return 0;
}

/* -- writing -- */

static void take_label(char *label, const char *wished)
{
    if (wished)
        snprintf(label, LABEL_SIZE, "%s", wished);
}

static void take_labels(struct device *device, const struct device_wish *wish)
{
    take_label(device->model, wish->model);
    take_label(device->hardware, wish->hardware);
    take_label(device->site, wish->site);
    take_label(device->zone, wish->zone);
}

static int write_parts(struct tx *tx, struct device *device, const struct device_wish *wish,
                       int64_t now, struct error *err)
{
    if (wish->zone && device_set_zone(tx, device->row_id, wish->zone, now, err))
        return -1;
    if (wish->has_tags && device_tag_clear(tx, device->row_id, err))
        return -1;
    for (size_t i = 0; i < wish->tag_count; i++)
        if (device_tag_put(tx, device->row_id, wish->tags[i], err))
            return -1;
    for (size_t i = 0; i < wish->certificate_count; i++)
        if (device_add_certificate(tx, device, &wish->certificates[i], now, err))
            return -1;
    return (wish->has_announce && device_set_announce(tx, device, wish->announce, now, err)) ||
                   (wish->token && device_token_set_from_text(tx, device, wish->token, now, err))
               ? -1
               : 0;
}

int device_apply_wish(struct tx *tx, struct device *device, const struct device_wish *wish,
                      int64_t now, struct error *err)
{
    take_labels(device, wish);
    return device_set_labels(tx, device, now, err) || write_parts(tx, device, wish, now, err) ? -1
                                                                                              : 0;
}

int device_create_from_wish(struct tx *tx, int64_t tenant_row, const struct device_wish *wish,
                            enum device_state state, int64_t now, struct device *ret,
                            struct error *err)
{
    enum step step = device_by_id(tx, tenant_row, wish->id, ret, err);

    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_ROW)
        return fail_field(err, PROBLEM_ALREADY_EXISTS, "id", "device %s", wish->id);
    *ret = (struct device){.tenant_row = tenant_row, .state = state};
    snprintf(ret->id, sizeof ret->id, "%s", wish->id);
    take_labels(ret, wish);
    return device_insert(tx, ret, now, err) || write_parts(tx, ret, wish, now, err) ? -1 : 0;
}
