/* SPDX-License-Identifier: Apache-2.0 */
#include "store/release.h"

#include "core/digest.h"
#include "core/text.h"
#include "store/event.h"
#include "store/release.sql.h"

#include <string.h>

static const char *const state_names[] = {
    [RELEASE_PUBLISHED] = "published",
    [RELEASE_WITHDRAWN] = "withdrawn",
    [RELEASE_QUARANTINED] = "quarantined",
};

const char *release_state_name(enum release_state state)
{
    return state_names[state];
}

static enum release_state state_of(const char *name)
{
    size_t i = 0;

    while (i < RELEASE_QUARANTINED && strcmp(state_names[i], name) != 0)
        i++;
    return (enum release_state)i;
}

/* Fifteen columns, in the order all statements name them. */
static void read_release(struct query *q, struct release *ret)
{
    *ret = (struct release){
        .row_id = query_number(q, 0),
        .tenant_row = query_number(q, 1),
        .security_version = query_number(q, 5),
        .security_floor = query_number(q, 6),
        .release_counter = query_number(q, 7),
        .state = state_of(query_text(q, 9)),
        .metadata_version = query_number(q, 10),
        .published_at = query_number(q, 11),
        .product_row = query_number(q, 12),
        .is_floor = query_number(q, 13),
    };
    query_copy(q, 2, ret->id, sizeof ret->id);
    query_copy(q, 3, ret->product, sizeof ret->product);
    query_copy(q, 4, ret->version, sizeof ret->version);
    query_copy(q, 8, ret->severity, sizeof ret->severity);
    query_copy(q, 14, ret->dead_end, sizeof ret->dead_end);
}

static enum step read_one(struct query *q, struct release *ret, struct error *err)
{
    enum step step = query_step(q, err);

    if (step == STEP_ROW)
        read_release(q, ret);
    return step;
}

enum step release_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct release *ret,
                        struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, release_by_id_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":id", id);
    return read_one(&q, ret, err);
}

enum step release_by_row(struct tx *tx, int64_t row_id, struct release *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, release_by_row_sql);

    query_bind_number(&q, ":release", row_id);
    return read_one(&q, ret, err);
}

static int each_release(struct query *q, release_fn each, void *arg, struct error *err)
{
    struct release release;
    enum step step;

    while ((step = read_one(q, &release, err)) == STEP_ROW)
        if (each(&release, arg, err))
            return -1;
    return step == STEP_FAILED ? -1 : 0;
}

int release_list(struct tx *tx, const struct release_query *query, release_fn each, void *arg,
                 struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, release_page_sql);

    query_bind_number(&q, ":tenant", query->tenant_row);
    query_bind_text(&q, ":product", query->product);
    query_bind_text(&q, ":state", query->state);
    query_bind_text(&q, ":after", query->after);
    query_bind_number(&q, ":limit", query->limit);
    return each_release(&q, each, arg, err);
}

int release_line(struct tx *tx, int64_t product_row, release_fn each, void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, release_line_sql);

    query_bind_number(&q, ":product", product_row);
    return each_release(&q, each, arg, err);
}

int release_count_devices(struct tx *tx, const struct release *release, int64_t *ret,
                          struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, release_devices_sql);

    query_bind_number(&q, ":tenant", release->tenant_row);
    query_bind_text(&q, ":version", release->version);
    if (query_step(&q, err) != STEP_ROW)
        return -1;
    *ret = query_number(&q, 0);
    return 0;
}

/* -- targets -- */

void target_clear(struct target *target)
{
    free(target->hardware_ids);
    free(target->custom);
    *target = (struct target){0};
}

void targets_free(struct target **targets, size_t count)
{
    for (size_t i = 0; *targets && i < count; i++)
        target_clear(&(*targets)[i]);
    free(*targets);
    *targets = NULL;
}

static void copy_hex(struct query *q, int column, char *ret, size_t room)
{
    size_t length;
    const void *bytes = query_blob(q, column, &length);

    if (2 * length < room)
        hex_from_bytes(bytes, length, ret);
}

static int read_target(struct query *q, struct target *ret, struct error *err)
{
    *ret = (struct target){
        .row_id = query_number(q, 0),
        .release_row = query_number(q, 1),
        .artifact_row = query_number(q, 2),
        .security_version = query_number(q, 8),
        .security_floor = query_number(q, 9),
        .release_counter = query_number(q, 10),
        .hardware_ids = strdup(query_text(q, 11)),
        .custom = strdup(query_text(q, 12)),
        .size = query_number(q, 13),
        .is_broken = strcmp(query_text(q, 17), "whole") != 0,
    };
    query_copy(q, 3, ret->path, sizeof ret->path);
    query_copy(q, 4, ret->file, sizeof ret->file);
    query_copy(q, 5, ret->component, sizeof ret->component);
    query_copy(q, 6, ret->version, sizeof ret->version);
    query_copy(q, 7, ret->kind, sizeof ret->kind);
    copy_hex(q, 14, ret->sha256, sizeof ret->sha256);
    copy_hex(q, 15, ret->sha1, sizeof ret->sha1);
    copy_hex(q, 16, ret->md5, sizeof ret->md5);
    if (ret->hardware_ids && ret->custom)
        return 0;
    target_clear(ret);
    return fail_internal(err, "out of memory for a target");
}

static enum step read_one_target(struct query *q, struct target *ret, struct error *err)
{
    enum step step = query_step(q, err);

    if (step == STEP_ROW && read_target(q, ret, err))
        return STEP_FAILED;
    return step;
}

enum step target_by_row(struct tx *tx, int64_t row_id, struct target *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, target_by_row_sql);

    query_bind_number(&q, ":target", row_id);
    return read_one_target(&q, ret, err);
}

enum step target_by_path(struct tx *tx, int64_t tenant_row, const char *path, struct target *ret,
                         struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, target_by_path_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":path", path);
    return read_one_target(&q, ret, err);
}

int release_targets(struct tx *tx, int64_t release_row, struct target **ret, size_t *ret_count,
                    struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, release_images_sql);
    struct target *targets = NULL, target;
    size_t count = 0;
    enum step step;

    query_bind_number(&q, ":release", release_row);
    while ((step = read_one_target(&q, &target, err)) == STEP_ROW) {
        struct target *grown = realloc(targets, (count + 1) * sizeof *targets);
        if (!grown) {
            target_clear(&target);
            step = STEP_FAILED;
            fail_internal(err, "out of memory for targets");
            break;
        }
        targets = grown;
        targets[count++] = target;
    }
    if (step == STEP_FAILED) {
        targets_free(&targets, count);
        return -1;
    }
    *ret = targets;
    *ret_count = count;
    return 0;
}

int release_steer(struct tx *tx, const struct release *release, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, release_steer_sql);

    query_bind_number(&q, ":release", release->row_id);
    query_bind_number(&q, ":is_floor", release->is_floor);
    query_bind_text(&q, ":dead_end", release->dead_end);
    return query_run(&q, err);
}

enum step product_row_by_id(struct tx *tx, int64_t tenant_row, const char *id, int64_t *ret,
                            struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, product_row_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":id", id);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        *ret = query_number(&q, 0);
    return step;
}

/* -- publication -- */

int product_keep(struct tx *tx, int64_t tenant_row, const char *product, int64_t now,
                 int64_t *ret_row, struct error *err)
{
    struct query insert = query_start(tx, product_keep_sql);

    query_bind_number(&insert, ":tenant", tenant_row);
    query_bind_text(&insert, ":id", product);
    query_bind_number(&insert, ":now", now);
    if (query_run(&insert, err))
        return -1;

    CLEANUP(query_finish) struct query q = query_start(tx, product_row_sql);
    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":id", product);
    if (query_step(&q, err) != STEP_ROW)
        return -1;
    *ret_row = query_number(&q, 0);
    return 0;
}

static int tell_state(struct tx *tx, const struct release *release, const char *from,
                      const char *to, int64_t now, struct error *err)
{
    struct event event = {
        .at = now,
        .tenant_row = release->tenant_row,
        .kind = "release.state",
        .from_state = from,
        .to_state = to,
        .cause = "operator",
        .detail = release->id,
    };

    return event_append(tx, &event, err);
}

static int write_release(struct tx *tx, int64_t product_row, const struct release *release,
                         struct error *err)
{
    struct query q = query_start(tx, release_keep_sql);

    query_bind_number(&q, ":tenant", release->tenant_row);
    query_bind_number(&q, ":product", product_row);
    query_bind_text(&q, ":id", release->id);
    query_bind_text(&q, ":version", release->version);
    query_bind_number(&q, ":security_version", release->security_version);
    query_bind_number(&q, ":security_floor", release->security_floor);
    query_bind_number(&q, ":release_counter", release->release_counter);
    query_bind_text(&q, ":severity", release->severity);
    query_bind_number(&q, ":metadata_version", release->metadata_version);
    query_bind_number(&q, ":published_at", release->published_at);
    return query_run(&q, err);
}

int release_publish(struct tx *tx, int64_t product_row, struct release *release, bool *ret_is_new,
                    struct error *err)
{
    struct release before = {0}, after;
    enum step step = release_by_id(tx, release->tenant_row, release->id, &before, err);

    if (step == STEP_FAILED || write_release(tx, product_row, release, err) ||
        release_by_id(tx, release->tenant_row, release->id, &after, err) != STEP_ROW)
        return -1;
    release->row_id = after.row_id;
    *ret_is_new = step == STEP_DONE || before.state != RELEASE_PUBLISHED;
    if (!*ret_is_new)
        return 0;
    return tell_state(tx, release, step == STEP_ROW ? release_state_name(before.state) : NULL,
                      "published", release->published_at, err);
}

static int withdraw(struct tx *tx, const struct release *release, int64_t now, struct error *err)
{
    struct query q = query_start(tx, release_withdraw_sql);

    query_bind_number(&q, ":release", release->row_id);
    if (query_run(&q, err))
        return -1;
    return tell_state(tx, release, release_state_name(release->state), "withdrawn", now, err);
}

int release_withdraw_others(struct tx *tx, const struct withdrawal *withdrawal, release_fn each,
                            void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, release_not_in_sql);
    struct release release;
    enum step step;

    query_bind_number(&q, ":product", withdrawal->product_row);
    query_bind_number(&q, ":metadata_version", withdrawal->metadata_version);
    while ((step = read_one(&q, &release, err)) == STEP_ROW)
        if (withdraw(tx, &release, withdrawal->now, err) || each(&release, arg, err))
            return -1;
    return step == STEP_FAILED ? -1 : 0;
}

int target_keep(struct tx *tx, const struct target_row *target, struct error *err)
{
    struct query q = query_start(tx, target_keep_sql);

    query_bind_number(&q, ":release", target->release_row);
    query_bind_text(&q, ":path", target->path);
    query_bind_text(&q, ":file", target->file);
    query_bind_text(&q, ":component", target->component);
    query_bind_text(&q, ":kind", target->kind);
    query_bind_text(&q, ":version", target->version);
    query_bind_number(&q, ":security_version", target->security_version);
    query_bind_number(&q, ":security_floor", target->security_floor);
    query_bind_number(&q, ":release_counter", target->release_counter);
    query_bind_text(&q, ":hardware_ids", target->hardware_ids);
    query_bind_text(&q, ":custom", target->custom);
    query_bind_number(&q, ":artifact", target->artifact_row);
    return query_run(&q, err);
}

int product_history(struct tx *tx, int64_t tenant_row, const char *product, past_target_fn each,
                    void *arg, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, product_history_sql);
    enum step step;

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":product", product);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        struct past_target past = {
            .path = query_text(&q, 0),
            .component = query_text(&q, 1),
            .size = query_number(&q, 3),
            .security_version = query_number(&q, 4),
            .security_floor = query_number(&q, 5),
            .release_counter = query_number(&q, 6),
            .state = state_of(query_text(&q, 7)),
        };
        size_t length;
        const void *hash = query_blob(&q, 2, &length);
        if (length != sizeof past.sha256)
            return fail_internal(err, "the artifact of %.120s is damaged", past.path);
        memcpy(past.sha256, hash, sizeof past.sha256);
        if (each(&past, arg, err))
            return -1;
    }
    return step == STEP_FAILED ? -1 : 0;
}
