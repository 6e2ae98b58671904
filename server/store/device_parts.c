/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to a device in rows of its own, and the counts over all devices. */
#include "store/device.h"

#include "store/device.sql.h"
#include "store/event.h"

#include <string.h>

/* -- certificates -- */

static const char *const certificate_states[] = {
    [CERTIFICATE_ACTIVE] = "active",
    [CERTIFICATE_SUPERSEDED] = "superseded",
    [CERTIFICATE_REVOKED] = "revoked",
};

const char *certificate_state_name(enum certificate_state state)
{
    return certificate_states[state];
}

static enum certificate_state certificate_state_from(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(certificate_states); i++)
        if (strcmp(name, certificate_states[i]) == 0)
            return (enum certificate_state)i;
    return CERTIFICATE_REVOKED;
}

static int insert_certificate(struct tx *tx, const struct device *device,
                              const struct certificate *certificate, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, certificate_insert_sql);

    query_bind_blob(&q, ":fingerprint", certificate->fingerprint, 32);
    query_bind_number(&q, ":device", device->row_id);
    query_bind_blob_or_null(&q, ":issuer", certificate->issuer, 32);
    query_bind_text(&q, ":serial", certificate->serial ? certificate->serial : "");
    query_bind_text(&q, ":subject", certificate->subject ? certificate->subject : "");
    query_bind_number(&q, ":not_before", certificate->not_before);
    query_bind_number(&q, ":not_after", certificate->not_after);
    query_bind_number(&q, ":now", now);
    tx_changes_identities(tx);
    return query_run(&q, err);
}

int device_add_certificate(struct tx *tx, const struct device *device,
                           const struct certificate *certificate, int64_t now, struct error *err)
{
    struct device holder;
    enum certificate_state state;
    int64_t not_after;

    switch (device_by_fingerprint(tx, certificate->fingerprint, &holder, &state, &not_after, err)) {
    case STEP_FAILED:
        return -1;
    case STEP_DONE:
        return insert_certificate(tx, device, certificate, now, err);
    case STEP_ROW:
        break;
    }
    if (holder.row_id != device->row_id)
        return fail(err, PROBLEM_ALREADY_EXISTS, "the certificate belongs to another device");
    if (state != CERTIFICATE_ACTIVE)
        return fail(err, PROBLEM_WRONG_STATE, "the certificate is %s", certificate_states[state]);
    return 0;
}

int device_revoke_certificates(struct tx *tx, int64_t device_row, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, certificates_revoke_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number(&q, ":now", now);
    tx_changes_identities(tx);
    return query_run(&q, err);
}

int device_certificates(struct tx *tx, int64_t device_row, certificate_fn each, void *arg,
                        struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, certificate_page_sql);
    enum step step;

    query_bind_number(&q, ":device", device_row);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        size_t length;
        const void *fingerprint = query_blob(&q, 0, &length);
        struct certificate certificate = {
            .state = certificate_state_from(query_text(&q, 1)),
            .serial = query_text(&q, 2),
            .subject = query_text(&q, 3),
            .not_before = query_number(&q, 4),
            .not_after = query_number(&q, 5),
            .created_at = query_number(&q, 6),
            .revoked_at = query_number(&q, 7),
        };
        if (length != sizeof certificate.fingerprint)
            return fail_internal(err, "certificate: fingerprint of %zu bytes", length);
        memcpy(certificate.fingerprint, fingerprint, length);
        if (each(&certificate, arg, err))
            return -1;
    }
    return step == STEP_DONE ? 0 : -1;
}

/* True when there is a row. */
static int has_row(struct query *q, bool *ret, struct error *err)
{
    enum step step = query_step(q, err);

    if (step == STEP_FAILED)
        return -1;
    *ret = step == STEP_ROW;
    return 0;
}

int device_collision_known(struct tx *tx, int64_t device_row, const uint8_t fingerprint[32],
                           bool *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, certificate_refused_before_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_blob(&q, ":fingerprint", fingerprint, 32);
    return has_row(&q, ret, err);
}

int device_note_collision(struct tx *tx, const struct device *device, const uint8_t fingerprint[32],
                          int64_t now, bool *ret_is_new, struct error *err)
{
    bool is_known;

    if (device_collision_known(tx, device->row_id, fingerprint, &is_known, err))
        return -1;
    *ret_is_new = !is_known;
    if (is_known)
        return 0;
    return event_append(tx,
                        &(struct event){.at = now,
                                        .tenant_row = device->tenant_row,
                                        .kind = "device.collision",
                                        .device_row = device->row_id,
                                        .message_hash = fingerprint,
                                        .cause = "server",
                                        .detail = "another certificate with this device's name "
                                                  "was refused"},
                        err);
}

/* -- attributes -- */

int device_attribute(struct tx *tx, int64_t device_row, const char *name, char *ret, size_t room,
                     bool *ret_found, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_attribute_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_text(&q, ":name", name);
    if (has_row(&q, ret_found, err))
        return -1;
    if (*ret_found)
        query_copy(&q, 0, ret, room);
    return 0;
}

int device_attribute_put(struct tx *tx, int64_t device_row, const char *name, const char *value,
                         struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_attribute_put_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_text(&q, ":name", name);
    query_bind_text(&q, ":value", value);
    return query_run(&q, err);
}

int device_attribute_drop(struct tx *tx, int64_t device_row, const char *name, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_attribute_drop_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_text(&q, ":name", name);
    return query_run(&q, err);
}

static int run_for_device(struct tx *tx, const char *sql, int64_t device_row, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, sql);

    query_bind_number(&q, ":device", device_row);
    return query_run(&q, err);
}

int device_attribute_clear(struct tx *tx, int64_t device_row, struct error *err)
{
    return run_for_device(tx, device_attribute_clear_sql, device_row, err);
}

static int read_count(struct query *q, int64_t *ret, struct error *err)
{
    if (query_step(q, err) != STEP_ROW)
        return -1;
    *ret = query_number(q, 0);
    return 0;
}

int device_attribute_count(struct tx *tx, int64_t device_row, int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_attribute_count_sql);

    query_bind_number(&q, ":device", device_row);
    return read_count(&q, ret, err);
}

int device_attributes(struct tx *tx, int64_t device_row, device_text_fn each, void *arg,
                      struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_attribute_page_sql);
    enum step step;

    query_bind_number(&q, ":device", device_row);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (each(query_text(&q, 0), query_text(&q, 1), arg, err))
            return -1;
    return step == STEP_DONE ? 0 : -1;
}

/* -- tags -- */

int device_has_tag(struct tx *tx, int64_t device_row, const char *tag, bool *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_tag_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_text(&q, ":tag", tag);
    return has_row(&q, ret, err);
}

int device_tag_put(struct tx *tx, int64_t device_row, const char *tag, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_tag_put_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_text(&q, ":tag", tag);
    return query_run(&q, err);
}

int device_tag_clear(struct tx *tx, int64_t device_row, struct error *err)
{
    return run_for_device(tx, device_tag_clear_sql, device_row, err);
}

int device_tags(struct tx *tx, int64_t device_row, device_text_fn each, void *arg,
                struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_tag_page_sql);
    enum step step;

    query_bind_number(&q, ":device", device_row);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (each(query_text(&q, 0), "", arg, err))
            return -1;
    return step == STEP_DONE ? 0 : -1;
}

/* -- components -- */

int device_component_put(struct tx *tx, int64_t device_row, const struct component *component,
                         struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_component_put_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_text(&q, ":component", component->component);
    query_bind_text(&q, ":version", component->version);
    query_bind_number(&q, ":release_counter", component->release_counter);
    query_bind_number(&q, ":security_version", component->security_version);
    query_bind_text(&q, ":sha256", component->sha256);
    query_bind_text(&q, ":slot", component->slot);
    return query_run(&q, err);
}

int device_component_clear(struct tx *tx, int64_t device_row, struct error *err)
{
    return run_for_device(tx, device_component_clear_sql, device_row, err);
}

int device_components(struct tx *tx, int64_t device_row, component_fn each, void *arg,
                      struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_component_page_sql);
    enum step step;

    query_bind_number(&q, ":device", device_row);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        const struct component component = {
            .component = query_text(&q, 0),
            .version = query_text(&q, 1),
            .release_counter = query_number(&q, 2),
            .security_version = query_number(&q, 3),
            .sha256 = query_text(&q, 4),
            .slot = query_text(&q, 5),
        };
        if (each(&component, arg, err))
            return -1;
    }
    return step == STEP_DONE ? 0 : -1;
}

/* -- the whole fleet -- */

int device_count_by_version(struct tx *tx, int64_t tenant_row, device_count_fn each, void *arg,
                            struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_count_by_version_sql);
    enum step step;

    query_bind_number(&q, ":tenant", tenant_row);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (each(query_text(&q, 0), query_text(&q, 1), query_number(&q, 2), arg, err))
            return -1;
    return step == STEP_DONE ? 0 : -1;
}

int device_count_by_state(struct tx *tx, int64_t tenant_row, int64_t ret[DEVICE_STATE_COUNT],
                          struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_count_by_state_sql);
    enum step step;
    enum device_state state;

    memset(ret, 0, DEVICE_STATE_COUNT * sizeof *ret);
    query_bind_number(&q, ":tenant", tenant_row);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (device_state_from_name(query_text(&q, 0), &state))
            ret[state] = query_number(&q, 1);
    return step == STEP_DONE ? 0 : -1;
}

int device_count_pending(struct tx *tx, int64_t tenant_row, int64_t most, int64_t *ret,
                         struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_count_pending_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_number(&q, ":most", most);
    return read_count(&q, ret, err);
}

int device_count_seen(struct tx *tx, int64_t since, int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_count_seen_sql);

    query_bind_number(&q, ":since", since);
    return read_count(&q, ret, err);
}
