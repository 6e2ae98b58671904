/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/draft_reply.h"
#include "api/operator/frame.h"
#include "api/operator/routes.h"
#include "store/release.h"

#include <string.h>

#define DAY 86400
#define EXPIRES_DAYS 90

/* -- reading -- */

struct targets {
    struct target *at;
    size_t count;
};

static void targets_clear(struct targets *targets)
{
    targets_free(&targets->at, targets->count);
}

static json_t *parsed(const char *text)
{
    return json_loads(text, JSON_DECODE_ANY, NULL);
}

static json_t *target_to_json(const struct target *target)
{
    json_auto_t *ota = parsed(target->custom);
    const char *encoding = json_string_value(json_object_get(ota, "encoding"));
    const char *mode = json_string_value(json_object_get(json_object_get(ota, "install"), "mode"));

    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:o, s:I, s:s, s:s, s:s, s:b}", "path",
                     target->path, "file", target->file, "component", target->component, "size",
                     (json_int_t)target->size, "sha256", target->sha256, "hardware_ids",
                     parsed(target->hardware_ids), "module", (json_int_t)target->row_id, "kind",
                     target->kind, "encoding", encoding ? encoding : "identity", "install",
                     mode ? mode : "full", "broken", target->is_broken);
}

static int targets_to_json(struct tx *tx, const struct release *release, json_t **ret,
                           struct error *err)
{
    CLEANUP(targets_clear) struct targets targets = {.at = NULL};
    json_auto_t *items = json_array();

    if (release_targets(tx, release->row_id, &targets.at, &targets.count, err))
        return -1;
    for (size_t i = 0; i < targets.count; i++)
        if (json_add(items, target_to_json(&targets.at[i]), err))
            return -1;
    *ret = MOVE(items);
    return 0;
}

static int release_to_json(struct tx *tx, const struct release *release, json_t **ret,
                           struct error *err)
{
    json_t *targets;
    int64_t devices;

    if (release_count_devices(tx, release, &devices, err) ||
        targets_to_json(tx, release, &targets, err))
        return -1;
    *ret = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:s, s:I, s:o, s:o, s:I}", "id",
                     release->id, "product", release->product, "version", release->version, "state",
                     release_state_name(release->state), "severity", release->severity,
                     "security_version", (json_int_t)release->security_version, "security_floor",
                     (json_int_t)release->security_floor, "release_counter",
                     (json_int_t)release->release_counter, "floor", release->is_floor, "dead_end",
                     release->dead_end, "metadata_version", (json_int_t)release->metadata_version,
                     "published_at", json_from_time(release->published_at), "targets", targets,
                     "devices", (json_int_t)devices);
    return *ret ? 0 : fail_internal(err, "out of memory");
}

struct listing {
    struct tx *tx;
    json_t *items;
    char last[RELEASE_ID_SIZE];
};

static int list_one(const struct release *release, void *arg, struct error *err)
{
    struct listing *listing = arg;
    json_t *json;

    if (release_to_json(listing->tx, release, &json, err) || json_add(listing->items, json, err))
        return -1;
    memcpy(listing->last, release->id, sizeof listing->last);
    return 0;
}

static bool after_ok(const char *after)
{
    const char *colon = strchr(after, ':');

    return !*after || (colon && strlen(after) < RELEASE_ID_SIZE &&
                       identifier_ok(IDENTIFIER_VERSION, colon + 1));
}

static int list_releases(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.tx = &tx, .items = items};
    const char *after = request_query(req, "after");
    struct release_query query = {
        .tenant_row = request_identity(req)->tenant_row,
        .product = request_query(req, "product"),
        .state = request_query(req, "state"),
        .after = after ? after : "",
    };

    if (!after_ok(query.after))
        return fail_field(err, PROBLEM_BAD_FIELD, "after", "not what \"next\" said");
    if (request_query_number(req, "limit", 1, 500, 100, &query.limit, err) ||
        frame_read(req, &tx, err) || release_list(&tx, &query, list_one, &listing, err))
        return -1;
    bool is_full = (int64_t)json_array_size(items) == query.limit;
    return reply_page(reply, MOVE(items), is_full ? listing.last : NULL);
}

static int need_release(struct request *req, struct tx *tx, struct release *ret, struct error *err)
{
    const char *id = request_parameter(req, "id");
    enum step step = release_by_id(tx, request_identity(req)->tenant_row, id, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NO_SUCH_RELEASE, "release %.100s", id);
    return step == STEP_ROW ? 0 : -1;
}

static int get_release(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct release release;
    json_t *json;

    if (frame_read(req, &tx, err) || need_release(req, &tx, &release, err) ||
        release_to_json(&tx, &release, &json, err))
        return -1;
    return reply_json(reply, 200, json);
}

/* -- the way past it: not signed, as operators learn of it later -- */

static int take_steering(const json_t *json, struct release *release, struct error *err)
{
    static const char *const members[] = {"floor", "dead_end", NULL};
    const char *otherwise = json_object_get(json, "dead_end") ? "" : release->dead_end;
    const char *dead_end;

    if (json_only_members(json, members, err) ||
        json_get_bool_or(json, "floor", release->is_floor, &release->is_floor, err) ||
        json_get_string_or(json, "dead_end", otherwise, &dead_end, err))
        return -1;
    if (strlen(dead_end) >= sizeof release->dead_end)
        return fail_field(err, PROBLEM_BAD_FIELD, "dead_end", "at most %zu bytes",
                          sizeof release->dead_end - 1);
    memmove(release->dead_end, dead_end, strlen(dead_end) + 1);
    return 0;
}

static int patch_release(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct release release;
    char detail[sizeof release.dead_end + 48];
    json_auto_t *json = NULL;

    if (frame_write(req, &tx, err) || need_release(req, &tx, &release, err) ||
        take_steering(request_json(req), &release, err))
        return -1;
    snprintf(detail, sizeof detail, "floor %s, dead end: %s", release.is_floor ? "yes" : "no",
             release.dead_end[0] ? release.dead_end : "no");
    if (release_steer(&tx, &release, err) ||
        frame_audit(req, &tx, "release.change", release.id, detail, err) ||
        campaign_touch(&tx, app->campaigns, err) || release_to_json(&tx, &release, &json, err) ||
        tx_commit(&tx, err))
        return -1;
    return reply_json(reply, 200, MOVE(json));
}

/* -- drafting -- */

static int read_name(const json_t *body, const char *name, enum identifier kind,
                     const char *otherwise, const char **ret, struct error *err)
{
    if (otherwise ? json_get_string_or(body, name, otherwise, ret, err)
                  : json_get_string(body, name, ret, err))
        return -1;
    if (!identifier_ok(kind, *ret))
        return fail_field(err, PROBLEM_BAD_FIELD, name, "%.64s cannot be a %s", *ret, name);
    return 0;
}

static int read_expiry(const struct request *req, const json_t *body, int64_t *ret,
                       struct error *err)
{
    const struct app *app = request_app(req);
    int64_t life = app->config->trust_product_expiry_max, days;

    if (json_get_integer_or(body, "expires_days", 1, 3650, 0, &days, err))
        return -1;
    if (days)
        life = days * DAY;
    else if (life > EXPIRES_DAYS * DAY)
        life = EXPIRES_DAYS * DAY;
    *ret = request_now(req) + life;
    return 0;
}

/* What is said of one file: in the body itself, or in each object of "files". There the last four
 * may be missing, and are those of the body then. */
static const char *const file_members[] = {
    "file",         "artifact",         "plain_sha256",   "component",
    "hardware_ids", "security_version", "security_floor", NULL};

/* The object that says it. */
static const json_t *said(const json_t *body, const json_t *file, const char *name)
{
    const json_t *value = json_object_get(file, name);

    return !value || json_is_null(value) ? body : file;
}

static int read_file(const json_t *body, const json_t *file, struct release_file *ret,
                     struct error *err)
{
    const json_t *security_version = said(body, file, "security_version");
    const json_t *security_floor = said(body, file, "security_floor");
    const char *artifact;

    if (read_name(file, "file", IDENTIFIER_FILE, NULL, &ret->file, err) ||
        read_name(said(body, file, "component"), "component", IDENTIFIER_COMPONENT, "app",
                  &ret->component, err) ||
        json_get_string(file, "artifact", &artifact, err) ||
        json_get_array(said(body, file, "hardware_ids"), "hardware_ids", &ret->hardware_ids, err) ||
        json_get_integer_or(security_version, "security_version", 0, INT32_MAX, -1,
                            &ret->security_version, err) ||
        json_get_integer_or(security_floor, "security_floor", 0, INT32_MAX, -1,
                            &ret->security_floor, err) ||
        json_get_string_or(file, "plain_sha256", NULL, &ret->plain_sha256, err))
        return -1;
    if (!hex_to_bytes(artifact, ret->artifact, sizeof ret->artifact))
        return fail_field(err, PROBLEM_BAD_FIELD, "artifact", "64 digits of lower-case hex");
    return 0;
}

static bool is_file_member(const char *name)
{
    size_t i = 0;

    while (file_members[i] && strcmp(file_members[i], name) != 0)
        i++;
    return file_members[i];
}

/* The complaint is about files[at] unless the member at fault is one of the body. Returns -1. */
static int blame_file(const json_t *body, size_t at, struct error *err)
{
    const json_t *file = json_array_get(json_object_get(body, "files"), at);
    const struct error why = *err;
    bool is_inherited = json_object_get(body, why.field) || !is_file_member(why.field);

    if (!file || (is_inherited && !json_object_get(file, why.field)))
        return -1;
    snprintf(err->field, sizeof err->field, "files[%zu].%.32s", at, why.field);
    snprintf(err->detail, sizeof err->detail, "files[%zu]: %.170s", at, why.detail);
    return -1;
}

static int check_name_is_new(const struct release_wish *wish, const char *name, struct error *err)
{
    for (size_t i = 0; i < wish->file_count; i++)
        if (strcmp(wish->files[i].file, name) == 0)
            return fail_field(err, PROBLEM_BAD_FIELD, "file", "%.128s is named twice", name);
    return 0;
}

static int read_next_file(const json_t *body, const json_t *file, struct release_wish *ret,
                          struct error *err)
{
    struct release_file *next = &ret->files[ret->file_count];
    char name[24];

    snprintf(name, sizeof name, "files[%zu]", ret->file_count);
    if (!json_is_object(file))
        return fail_field(err, PROBLEM_BAD_FIELD, name, "\"%s\" must be an object", name);
    if (json_only_members(file, file_members, err) || read_file(body, file, next, err) ||
        check_name_is_new(ret, next->file, err))
        return blame_file(body, ret->file_count, err);
    ret->file_count++;
    return 0;
}

static int read_files(const json_t *body, struct release_wish *ret, struct error *err)
{
    const json_t *files;

    if (json_get_array(body, "files", &files, err))
        return -1;
    size_t count = json_array_size(files);
    if (count < 1 || count > RELEASE_FILES_MAX)
        return fail_field(err, PROBLEM_BAD_FIELD, "files", "a release has 1 to %d files",
                          RELEASE_FILES_MAX);
    for (size_t i = 0; i < count; i++)
        if (read_next_file(body, json_array_get(files, i), ret, err))
            return -1;
    return 0;
}

/* One file needs no list. */
static int read_file_or_files(const json_t *body, struct release_wish *ret, struct error *err)
{
    static const char *const own[] = {"file", "artifact", "plain_sha256"};

    if (!json_object_get(body, "files")) {
        ret->file_count = 1;
        return read_file(body, body, &ret->files[0], err);
    }
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (json_object_get(body, own[i]))
            return fail_field(err, PROBLEM_BAD_FIELD, own[i],
                              "\"%s\" stands in each of \"files\" or instead of them", own[i]);
    return read_files(body, ret, err);
}

static int read_wish(const struct request *req, struct release_wish *ret, struct error *err)
{
    static const char *const members[] = {
        "product",      "version",      "component",        "file",     "artifact",
        "hardware_ids", "plain_sha256", "security_version", "severity", "security_floor",
        "notes",        "advisories",   "expires_days",     "files",    NULL};
    const json_t *body = request_json(req);

    if (json_only_members(body, members, err) ||
        read_name(body, "product", IDENTIFIER_PRODUCT, NULL, &ret->product, err) ||
        read_name(body, "version", IDENTIFIER_VERSION, NULL, &ret->version, err) ||
        json_get_string_or(body, "severity", "feature", &ret->severity, err) ||
        json_get_object_or_none(body, "notes", &ret->notes, err) ||
        json_get_array_or_none(body, "advisories", &ret->advisories, err) ||
        read_expiry(req, body, &ret->expires_at, err))
        return -1;
    return read_file_or_files(body, ret, err);
}

static int draft_release(struct request *req, struct reply *reply, struct error *err)
{
    struct trust_request request = trust_request_of(req);
    struct release_wish wish = {.product = NULL};
    size_t fault = RELEASE_FILES_MAX;
    char id[DRAFT_ID_SIZE];

    if (read_wish(req, &wish, err))
        return -1;
    if (trust_draft_release(&request, &wish, &fault, id, err))
        return blame_file(request_json(req), fault, err);
    return reply_draft(req, reply, 201, id, err);
}

#define PATH "/api/v1/releases"
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define STEERER AUDIENCE_OPERATOR, "deploy:write", WRITE, JSON_BODY, 4 * KIB
#define DRAFTER AUDIENCE_OPERATOR, "tuf:draft", WORK, JSON_BODY, 64 * KIB

static const struct route rows[] = {
    {"GET",   PATH,          READER,  list_releases, NULL},
    {"GET",   PATH "/:id",   READER,  get_release,   NULL},
    {"PATCH", PATH "/:id",   STEERER, patch_release, NULL},
    {"POST",  PATH "/draft", DRAFTER, draft_release, NULL},
};
const struct routes releases_routes = {rows, COUNT_OF(rows)};
