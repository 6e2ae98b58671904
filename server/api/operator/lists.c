/* SPDX-License-Identifier: Apache-2.0 */
/* Device lists: an id per line. They are sorted and looked up on a worker, then written in one
 * transaction; who is in one never changes after that. */
#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "core/digest.h"
#include "store/device_list.h"

#include <string.h>

#define LINE_MAX (DEVICE_ID_SIZE + 1) /* an id and "\r\n" */
#define NAME_OTHERWISE "devices"

static json_t *list_to_json(const struct device_list *list)
{
    char sha256[SHA256_HEX_SIZE];

    hex_from_bytes(list->sha256, sizeof list->sha256, sha256);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:o}", "id", list->id, "name", list->name, "count",
                     (json_int_t)list->count, "sha256", sha256, "created_by", list->created_by,
                     "created_at", json_from_time(list->created_at));
}

/* -- reading -- */

struct listing {
    json_t *items;
    int64_t last;
};

static int list_one(const struct device_list *list, void *arg, struct error *err)
{
    struct listing *listing = arg;

    listing->last = list->row_id;
    return json_add(listing->items, list_to_json(list), err);
}

static int list_lists(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {.items = items};
    int64_t after, limit;

    if (frame_numbered_page(req, "after", &after, &limit, err) || frame_read(req, &tx, err) ||
        device_list_page(&tx, request_identity(req)->tenant_row, after, limit, list_one, &listing,
                         err))
        return HANDLE_FAILED;
    bool is_full = (int64_t)json_array_size(items) == limit;
    return reply_numbered_page(reply, MOVE(items), listing.last, is_full);
}

static int need_list(struct request *req, struct tx *tx, struct device_list *ret, struct error *err)
{
    const char *id = request_parameter(req, "id");
    enum step step = device_list_by_id(tx, request_identity(req)->tenant_row, id, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "there is no device list %.23s", id);
    return step == STEP_ROW ? 0 : -1;
}

static int get_list(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device_list list;

    if (frame_read(req, &tx, err) || need_list(req, &tx, &list, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, list_to_json(&list));
}

/* -- making one -- */

struct line {
    const char *id;
    size_t number;
};

struct new_list {
    struct request *req;
    struct device_list list;
    char *text; /* the body, its lines ended by NUL */
    struct line *lines;
    const char **ids; /* sorted, each once */
    size_t count;
};

static void new_list_clear(struct new_list *new)
{
    free(new->text);
    free(new->lines);
    free(new->ids);
}

static int bad_line(size_t number, const char *what, struct error *err)
{
    return fail_field(err, PROBLEM_UNPROCESSABLE, "body", "line %zu: %s", number, what);
}

/* Blank lines are passed over; both line ends are taken. */
static int take_line(struct new_list *new, char *line, size_t length, size_t number,
                     struct error *err)
{
    if (length && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    if (strlen(line) != length)
        return bad_line(number, "there is a NUL in it", err);
    if (!length)
        return 0;
    if (!identifier_ok(IDENTIFIER_DEVICE, line))
        return bad_line(number, "this is no device id", err);
    new->lines[new->count++] = (struct line){line, number};
    return 0;
}

static size_t count_lines(const char *text, size_t length)
{
    size_t lines = 1;

    for (size_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    return lines;
}

static int split(struct new_list *new, size_t length, struct error *err)
{
    char *line = new->text, *end = new->text + length;

    new->lines = calloc(count_lines(new->text, length), sizeof *new->lines);
    if (!new->lines)
        return fail_internal(err, "memory for a list");
    for (size_t number = 1; line < end; number++) {
        char *stop = memchr(line, '\n', (size_t)(end - line));

        if (!stop)
            stop = end;
        if (take_line(new, line, (size_t)(stop - line), number, err))
            return -1;
        line = stop + 1;
    }
    return new->count ? 0 : fail_field(err, PROBLEM_UNPROCESSABLE, "body", "it names no device");
}

static int by_id(const void *a, const void *b)
{
    const struct line *first = a, *second = b;
    int order = strcmp(first->id, second->id);

    return order ? order : (first->number > second->number) - (first->number < second->number);
}

/* The first line of each id stays. */
static void drop_repeated(struct new_list *new)
{
    size_t kept = 0;

    qsort(new->lines, new->count, sizeof *new->lines, by_id);
    for (size_t i = 0; i < new->count; i++)
        if (!kept || strcmp(new->lines[kept - 1].id, new->lines[i].id) != 0)
            new->lines[kept++] = new->lines[i];
    new->count = kept;
}

/* A line each, as the text would be sent again. */
static int hash_ids(struct new_list *new, struct error *err)
{
    CLEANUP(text_clear) struct text text = {0};

    new->ids = calloc(new->count, sizeof *new->ids);
    for (size_t i = 0; new->ids &&i < new->count; i++) {
        new->ids[i] = new->lines[i].id;
        text_append(&text, new->ids[i]);
        text_append(&text, "\n");
    }
    if (!new->ids || text.is_broken)
        return fail_internal(err, "memory for a list");
    sha256(text.at, text.length, new->list.sha256);
    return 0;
}

/* Of several unknown ids the one that stands first is told. */
static int look_up(struct new_list *new, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    const struct line *unknown = NULL;
    struct device device;

    if (frame_read(new->req, &tx, err))
        return -1;
    for (size_t i = 0; i < new->count; i++) {
        enum step step = device_by_id(&tx, new->list.tenant_row, new->lines[i].id, &device, err);

        if (step == STEP_FAILED)
            return -1;
        if (step == STEP_DONE && (!unknown || new->lines[i].number < unknown->number))
            unknown = &new->lines[i];
    }
    return unknown ? fail_field(err, PROBLEM_UNPROCESSABLE, "body",
                                "line %zu: there is no device %s", unknown->number, unknown->id)
                   : 0;
}

static int write_list(struct tx *tx, void *arg, struct error *err)
{
    struct new_list *new = arg;
    int64_t number;

    if (store_next_number(tx, "list", &number, err))
        return -1;
    snprintf(new->list.id, sizeof new->list.id, "l-%lld", (long long)number);
    return device_list_insert(tx, &new->list, new->ids, new->count, err) ||
                   frame_audit(new->req, tx, "list.create", new->list.id, new->list.name, err)
               ? -1
               : 0;
}

static int read_name(struct request *req, struct device_list *ret, struct error *err)
{
    const char *name = request_query(req, "name");
    size_t length = name ? strlen(name) : 0;

    if (name && (!length || length >= sizeof ret->name))
        return fail_field(err, PROBLEM_BAD_FIELD, "name", "a name has 1 to %zu bytes",
                          sizeof ret->name - 1);
    snprintf(ret->name, sizeof ret->name, "%s", name ? name : NAME_OTHERWISE);
    return 0;
}

static int copy_body(struct new_list *new, size_t *ret_length, struct error *err)
{
    const struct app *app = request_app(new->req);
    int64_t most = app->config->operator_list_max;
    const void *bytes;

    request_body(new->req, &bytes, ret_length);
    if (*ret_length > (size_t)most * LINE_MAX)
        return fail(err, PROBLEM_TOO_LARGE, "a list has at most %lld devices", (long long)most);
    new->text = malloc(*ret_length + 1);
    if (!new->text)
        return fail_internal(err, "memory for a list");
    memcpy(new->text, bytes, *ret_length);
    new->text[*ret_length] = '\0';
    return 0;
}

static int check_count(const struct new_list *new, struct error *err)
{
    const struct app *app = request_app(new->req);
    int64_t most = app->config->operator_list_max;

    if ((int64_t) new->count <= most)
        return 0;
    return fail(err, PROBLEM_TOO_LARGE, "a list has at most %lld devices", (long long)most);
}

static int check_type(const struct request *req, struct error *err)
{
    const char *type = request_header(req, "Content-Type");

    if (type && text_starts_with(type, "text/plain"))
        return 0;
    return fail_field(err, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "Content-Type",
                      "text/plain with an id per line is taken here");
}

static int post_list(struct request *req, struct reply *reply, struct error *err)
{
    const struct app *app = request_app(req);
    CLEANUP(new_list_clear)
    struct new_list new = {
        .req = req,
        .list = {.tenant_row = request_identity(req)->tenant_row, .created_at = request_now(req)}
    };
    char location[64];
    size_t length;

    snprintf(new.list.created_by, sizeof new.list.created_by, "%s", request_identity(req)->id);
    if (check_type(req, err) || read_name(req, &new.list, err) || copy_body(&new, &length, err) ||
        split(&new, length, err))
        return HANDLE_FAILED;
    drop_repeated(&new);
    if (check_count(&new, err) || hash_ids(&new, err) || look_up(&new, err) ||
        store_write(app->store, write_list, &new, err))
        return HANDLE_FAILED;
    snprintf(location, sizeof location, "/api/v1/lists/%s", new.list.id);
    reply_header(reply, "Location", location);
    return reply_json(reply, 201, list_to_json(&new.list));
}

/* A wave of a campaign that is not over needs its list. */
static int check_unused(struct request *req, struct tx *tx, const struct device_list *list,
                        struct error *err)
{
    char campaign[24];
    enum step step =
        device_list_user(tx, request_identity(req)->tenant_row, list->id, campaign, err);

    if (step == STEP_ROW)
        return fail(err, PROBLEM_CONFLICT, "campaign %s has a wave of list %s", campaign, list->id);
    return step == STEP_DONE ? 0 : -1;
}

static int delete_list(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device_list list;

    if (frame_write(req, &tx, err) || need_list(req, &tx, &list, err) ||
        check_unused(req, &tx, &list, err) || device_list_delete(&tx, list.row_id, err) ||
        frame_audit(req, &tx, "list.delete", list.id, list.name, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

#define PATH "/api/v1/lists"
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define MAKER AUDIENCE_OPERATOR, "deploy:write", WORK, RAW_BODY, 64 * MIB
#define REMOVER AUDIENCE_OPERATOR, "deploy:write", WRITE, NO_BODY, 0

static const struct route rows[] = {
    {"GET",    PATH,        READER,  list_lists,  NULL},
    {"POST",   PATH,        MAKER,   post_list,   NULL},
    {"GET",    PATH "/:id", READER,  get_list,    NULL},
    {"DELETE", PATH "/:id", REMOVER, delete_list, NULL},
};
const struct routes lists_routes = {rows, COUNT_OF(rows)};
