/* SPDX-License-Identifier: Apache-2.0 */
/* Many devices at once, all or none. The body is read twice: first everything is checked on a
 * worker, then it is written in one transaction. Between the two only the bytes are kept. */
#include "api/operator/csv.h"
#include "api/operator/device_json.h"
#include "api/operator/frame.h"
#include "api/operator/routes.h"
#include "core/digest.h"

#include <string.h>

enum column { ID, MODEL, HARDWARE, SITE, TAGS, FINGERPRINT, NOT_AFTER, COLUMN_COUNT };
#define MISSING CSV_CELLS_MAX

/* Where wishes come from: CSV, or a JSON array when `array` is set. */
struct source {
    const char *bytes;
    size_t length;
    const json_t *array;
    size_t line; /* in CSV; in JSON the item, from 1 */
    struct csv csv;
    size_t columns[COLUMN_COUNT]; /* the cell of each, or MISSING */
};

struct import {
    struct request *req;
    struct source source;
    int64_t created, updated;
};

/* -- CSV -- */

static int read_header(struct source *source, struct error *err)
{
    static const char *const names[COLUMN_COUNT] = {"id",   "model",       "hardware", "site",
                                                    "tags", "fingerprint", "not_after"};
    int step = csv_next(&source->csv, err);

    if (step < 0)
        return -1;
    for (size_t column = 0; column < COLUMN_COUNT; column++)
        source->columns[column] = MISSING;
    for (size_t cell = 0; step && cell < source->csv.cell_count; cell++) {
        size_t column = 0;
        while (column < COLUMN_COUNT && strcmp(names[column], source->csv.cells[cell]) != 0)
            column++;
        if (column == COLUMN_COUNT || source->columns[column] != MISSING)
            return fail(err, PROBLEM_UNPROCESSABLE, "\"%.40s\" is no column, or is there twice",
                        source->csv.cells[cell]);
        source->columns[column] = cell;
    }
    if (source->columns[ID] == MISSING)
        return fail(err, PROBLEM_UNPROCESSABLE,
                    "the first line must name the columns, id among them");
    return 0;
}

/* NULL when the column is not there or the cell is empty. */
static const char *cell(const struct source *source, enum column column)
{
    size_t index = source->columns[column];
    const char *text = index < source->csv.cell_count ? source->csv.cells[index] : "";

    return *text ? text : NULL;
}

/* Cuts the cell in place: it lies in the reader's own row. */
static int split_tags(char *tags, struct device_wish *wish, struct error *err)
{
    char *rest;

    wish->has_tags = true;
    for (char *tag = strtok_r(tags, ";", &rest); tag; tag = strtok_r(NULL, ";", &rest)) {
        if (wish->tag_count == WISH_TAGS_MAX)
            return fail_field(err, PROBLEM_BAD_FIELD, "tags", "at most %d", WISH_TAGS_MAX);
        wish->tags[wish->tag_count++] = tag;
    }
    return 0;
}

static int read_row(struct source *source, struct device_wish *ret, struct error *err)
{
    const char *tags = cell(source, TAGS), *fingerprint = cell(source, FINGERPRINT);

    *ret = (struct device_wish){
        .id = cell(source, ID),
        .model = cell(source, MODEL),
        .hardware = cell(source, HARDWARE),
        .site = cell(source, SITE),
    };
    if (tags && split_tags(source->csv.row + (tags - source->csv.row), ret, err))
        return -1;
    if (fingerprint)
        return device_wish_add_fingerprint(ret, fingerprint, cell(source, NOT_AFTER), err);
    return 0;
}

/* -- either form -- */

static int source_start(struct source *source, struct error *err)
{
    source->line = 0;
    if (source->array)
        return 0;
    csv_start(&source->csv, source->bytes, source->length);
    source->line = 1;
    return read_header(source, err);
}

static int read_item(const json_t *item, struct device_wish *ret, struct error *err)
{
    static const char *const members[] = {"id",          "model",     "hardware",
                                          "site",        "tags",      "certificates",
                                          "fingerprint", "not_after", NULL};

    *ret = (struct device_wish){0};
    if (!json_is_object(item))
        return fail(err, PROBLEM_BAD_FIELD, "not an object");
    return json_only_members(item, members, err) || json_get_string(item, "id", &ret->id, err) ||
                   device_wish_labels(item, ret, err) || device_wish_certificates(item, ret, err)
               ? -1
               : 0;
}

/* 1: a wish; 0: the end. */
static int source_next(struct source *source, struct device_wish *ret, struct error *err)
{
    if (source->array) {
        if (source->line == json_array_size(source->array))
            return 0;
        const json_t *item = json_array_get(source->array, source->line++);
        return read_item(item, ret, err) ? -1 : 1;
    }
    int step = csv_next(&source->csv, err);
    source->line = source->csv.line;
    return step == 1 && read_row(source, ret, err) ? -1 : step;
}

/* Tells where the mistake is; a failure of ours is nobody's line. */
static int at_line(const struct source *source, struct error *err)
{
    char detail[sizeof err->detail];

    if (problem_status(err->problem) >= 500)
        return -1;
    snprintf(detail, sizeof detail, "%s %zu: %.160s", source->array ? "item" : "line", source->line,
             error_text(err));
    memcpy(err->detail, detail, sizeof detail);
    return -1;
}

/* -- checking -- */

/* The ids that were there, as 64 bits of their hash. */
struct id_set {
    uint64_t *slots;
    size_t mask, count;
};

static void id_set_free(struct id_set *set)
{
    free(set->slots);
}

static int id_set_grow(struct id_set *set, struct error *err)
{
    struct id_set larger = {.mask = set->slots ? 2 * set->mask + 1 : 1023, .count = set->count};

    larger.slots = calloc(larger.mask + 1, sizeof *larger.slots);
    if (!larger.slots)
        return fail_internal(err, "out of memory");
    for (size_t i = 0; set->slots && i <= set->mask; i++) {
        size_t at = (size_t)set->slots[i] & larger.mask;
        while (set->slots[i] && larger.slots[at])
            at = (at + 1) & larger.mask;
        if (set->slots[i])
            larger.slots[at] = set->slots[i];
    }
    free(set->slots);
    *set = larger;
    return 0;
}

static int id_set_add(struct id_set *set, const char *id, struct error *err)
{
    uint8_t hash[SHA256_SIZE];
    uint64_t key;

    if ((!set->slots || 2 * set->count > set->mask) && id_set_grow(set, err))
        return -1;
    sha256(id, strlen(id), hash);
    memcpy(&key, hash, sizeof key);
    key |= 1; /* 0 is an empty slot */
    size_t at = (size_t)key & set->mask;
    for (; set->slots[at]; at = (at + 1) & set->mask)
        if (set->slots[at] == key)
            return fail_field(err, PROBLEM_UNPROCESSABLE, "id", "%s is there twice", id);
    set->slots[at] = key;
    set->count++;
    return 0;
}

static int check_wish(const struct device_wish *wish, struct id_set *ids, struct error *err)
{
    if (!wish->id)
        return fail_field(err, PROBLEM_BAD_FIELD, "id", "missing");
    return device_wish_check(wish, err) || id_set_add(ids, wish->id, err) ? -1 : 0;
}

static int check_all(struct source *source, struct error *err)
{
    CLEANUP(id_set_free) struct id_set ids = {0};
    struct device_wish wish;
    int step;

    if (source_start(source, err))
        return at_line(source, err);
    while ((step = source_next(source, &wish, err)) == 1)
        if (check_wish(&wish, &ids, err))
            return at_line(source, err);
    return step ? at_line(source, err) : 0;
}

/* -- writing -- */

static int write_wish(struct import *import, struct tx *tx, const struct device_wish *wish,
                      struct error *err)
{
    int64_t tenant_row = request_identity(import->req)->tenant_row, now = request_now(import->req);
    struct device device;

    switch (device_by_id(tx, tenant_row, wish->id, &device, err)) {
    case STEP_FAILED:
        return -1;
    case STEP_ROW:
        import->updated++;
        return device_apply_wish(tx, &device, wish, now, err);
    case STEP_DONE:
        break;
    }
    import->created++;
    return device_create_from_wish(tx, tenant_row, wish, DEVICE_REGISTERED, now, &device, err);
}

static int write_all(struct tx *tx, void *arg, struct error *err)
{
    struct import *import = arg;
    struct device_wish wish;
    char detail[64];
    int step;

    if (source_start(&import->source, err))
        return -1;
    while ((step = source_next(&import->source, &wish, err)) == 1)
        if (write_wish(import, tx, &wish, err))
            return at_line(&import->source, err);
    if (step)
        return -1;
    snprintf(detail, sizeof detail, "created %lld, updated %lld", (long long)import->created,
             (long long)import->updated);
    return frame_audit(import->req, tx, "device.import", "devices", detail, err);
}

static bool is_csv(const struct request *req)
{
    const char *type = request_header(req, "Content-Type");

    return type && text_starts_with(type, "text/csv");
}

static int import_devices(struct request *req, struct reply *reply, struct error *err)
{
    const struct app *app = request_app(req);
    json_auto_t *array = NULL;
    struct import import = {.req = req};
    const void *bytes;

    request_body(req, &bytes, &import.source.length);
    import.source.bytes = bytes;
    if (import.source.length > (size_t)app->config->operator_import_max)
        return fail(err, PROBLEM_TOO_LARGE, "at most %lld bytes",
                    (long long)app->config->operator_import_max);
    if (!is_csv(req)) {
        if (json_read(bytes, import.source.length, &array, err))
            return HANDLE_FAILED;
        if (!json_is_array(array))
            return fail(err, PROBLEM_BAD_JSON, "an array of devices is expected, or text/csv");
        import.source.array = array;
    }
    if (check_all(&import.source, err) || store_write(app->store, write_all, &import, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200,
                      json_pack("{s:I, s:I}", "created", (json_int_t)import.created, "updated",
                                (json_int_t)import.updated));
}

static const struct route rows[] = {
    {"POST", "/api/v1/devices:import", AUDIENCE_OPERATOR, "device:write", WORK, RAW_BODY, 256 * MIB,
     import_devices, NULL},
};
const struct routes device_import_routes = {rows, COUNT_OF(rows)};
