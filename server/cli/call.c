/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/call.h"

#include "cli/http.h"

#include <string.h>

const struct option paging_options[] = {LIST_OPTIONS};

/* -- the body -- */

/* Objects grow into each other, arrays are put behind each other, all else is replaced. */
static int merge(json_t *into, json_t *from)
{
    const char *name;
    json_t *value;

    json_object_foreach(from, name, value)
    {
        json_t *present = json_object_get(into, name);
        int failed = json_is_object(present) && json_is_object(value) ? merge(present, value)
                     : json_is_array(present) && json_is_array(value)
                         ? json_array_extend(present, value)
                         : json_object_set(into, name, value);
        if (failed)
            return -1;
    }
    return 0;
}

/* {"caps": {"leases": value}} for "caps.leases". Takes the value's reference. */
static json_t *at_member(const char *member, json_t *value)
{
    const char *dot = strchr(member, '.');

    if (dot)
        value = at_member(dot + 1, value);
    json_t *object = json_object();
    if (json_object_setn_new(object, member, dot ? (size_t)(dot - member) : strlen(member),
                             value)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int put(struct cli *cli, json_t *body, const char *member, json_t *value)
{
    json_auto_t *wrapped = *member ? at_member(member, value) : value;

    return wrapped && !merge(body, wrapped) ? 0 : refuse(cli, ENDS_MISUSED, "out of memory");
}

static int put_setting(struct cli *cli, json_t *body, const struct setting *setting)
{
    const char *name = setting->option.name, *text;

    for (size_t n = 0; (text = option_at(cli, name, n)); n++) {
        json_t *value = setting->value(cli, text);
        if (!value)
            return refuse(cli, ENDS_MISUSED, "--%s cannot be \"%s\"", name, text);
        if (put(cli, body, setting->member, value))
            return -1;
    }
    return 0;
}

int call_body(struct cli *cli, json_t **ret)
{
    const struct call *call = cli->verb->call;
    json_auto_t *body = call->body ? json_loads(call->body, 0, NULL) : json_object();

    if (!body)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    for (size_t i = 0; i < call->setting_count; i++)
        if (put_setting(cli, body, &call->settings[i]))
            return -1;
    *ret = MOVE(body);
    return 0;
}

/* The operands that are not in the path. */
static int put_words(struct cli *cli, json_t *body, size_t first)
{
    const struct call *call = cli->verb->call;

    for (size_t i = 0; i < COUNT_OF(call->words) && call->words[i].member; i++) {
        const char *text = operand(cli, first + i);
        json_t *value = text ? call->words[i].value(cli, text) : NULL;

        if (text && !value)
            return refuse(cli, ENDS_MISUSED, "%s cannot be \"%s\"", call->words[i].member, text);
        if (value && put(cli, body, call->words[i].member, value))
            return -1;
    }
    return 0;
}

/* -- the request -- */

static size_t operands_of(const char *pattern)
{
    size_t count = 0;

    for (; (pattern = strstr(pattern, "%s")); pattern += 2)
        count++;
    return count;
}

char *call_path(const struct cli *cli, const char *pattern)
{
    struct text path = {0};
    size_t n = 0;

    for (const char *slot; (slot = strstr(pattern, "%s")); pattern = slot + 2) {
        text_append_bytes(&path, pattern, (size_t)(slot - pattern));
        text_url_segment(&path, operand(cli, n++));
    }
    text_append(&path, pattern);
    return text_take(&path);
}

/* A GET carries its settings in the query. */
static char *queried_path(const struct cli *cli)
{
    const struct call *call = cli->verb->call;
    struct text path = {0};
    CLEANUP(free_string) char *plain = call_path(cli, call->path);

    text_append(&path, plain ? plain : "");
    for (size_t i = 0; i < call->setting_count; i++) {
        const struct setting *setting = &call->settings[i];
        const char *given = option(cli, setting->option.name);

        http_query(&path, setting->member, given && !setting->option.value ? "1" : given);
    }
    return text_take(&path);
}

static int check_needs(struct cli *cli)
{
    const char *at = cli->verb->call->needs, *given;

    for (; at && *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        char name[32];

        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, " "), at);
        if (option_needed(cli, name, &given))
            return -1;
    }
    return 0;
}

int call_ask(struct cli *cli, json_t **ret)
{
    const struct call *call = cli->verb->call;
    bool is_get = !strcmp(call->method, "GET");
    bool has_body = !is_get && strcmp(call->method, "DELETE") != 0;
    CLEANUP(free_string) char *path = is_get ? queried_path(cli) : call_path(cli, call->path);
    CLEANUP(free_string) char *text = NULL;
    CLEANUP(answer_clear) struct answer answer = {.offset = -1};
    json_auto_t *body = NULL;
    struct ask ask = {.method = call->method, .path = path};

    if (check_needs(cli))
        return -1;
    if (has_body) {
        if (call_body(cli, &body) || put_words(cli, body, operands_of(call->path)))
            return -1;
        text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(12));
        ask.type = "application/json";
        ask.body = text;
        ask.length = text ? strlen(text) : 0;
    }
    if (http_ask(cli, &ask, &answer))
        return -1;
    *ret = answer.json ? MOVE(answer.json) : json_object();
    return 0;
}

/* -- the answer -- */

/* `said` with the first operand in place of its %s. */
static void say_done(const struct cli *cli, const char *said)
{
    const char *slot = strstr(said, "%s"), *first = operand(cli, 0);

    if (!slot)
        say("%s\n", said);
    else
        say("%.*s%s%s\n", (int)(slot - said), said, first ? first : "", slot + 2);
}

int call_run(struct cli *cli)
{
    const struct call *call = cli->verb->call;
    json_auto_t *answer = NULL;

    if (call->nothing) {
        const struct listing listing = {call->columns, call->column_count, call->nothing,
                                        call->cursor ? call->cursor : "after"};
        CLEANUP(free_string) char *path = queried_path(cli);
        return print_list(cli, path, &listing);
    }
    if (call_ask(cli, &answer))
        return -1;
    if (wants_json(cli))
        return print_json(answer);
    if (call->said)
        say_done(cli, call->said);
    else if (call->column_count)
        print_fields(answer, call->columns, call->column_count);
    else
        print_document(answer);
    return 0;
}
