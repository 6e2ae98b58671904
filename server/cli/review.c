/* SPDX-License-Identifier: Apache-2.0 */
/* otactl draft …: looking before signing. A payload is shown in words, compared with what was
 * signed last and with images built elsewhere. All of it works without a server, on the machine
 * that holds the key: a signer who trusts the server's word for what he signs protects nobody. */
#include "cli/verbs.h"

#include "cli/files.h"
#include "cli/http.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "core/digest.h"
#include "core/json.h"

#include <string.h>

#define PAYLOAD_MAX_BYTES (2 * MIB)

/* -- reading -- */

/* What is signed has control characters raw inside its strings, and nowhere else, which JSON
 * readers refuse: they are escaped first. An envelope has none and comes through unchanged. */
int payload_read(struct cli *cli, const struct text *payload, json_t **ret)
{
    CLEANUP(text_clear) struct text escaped = {0};
    json_auto_t *document = NULL;
    struct error err = {0};

    for (size_t i = 0; i < payload->length; i++)
        if ((unsigned char)payload->at[i] < 0x20)
            text_format(&escaped, "\\u%04x", (unsigned)payload->at[i]);
        else
            text_append_bytes(&escaped, payload->at + i, 1);
    if (escaped.is_broken)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (json_read(escaped.at ? escaped.at : "", escaped.length, &document, &err))
        return refuse(cli, ENDS_MISUSED, "this is no payload: %s", error_text(&err));
    json_t *inner = json_object_get(document, "signed");
    if (!json_is_string(json_object_get(inner ? inner : document, "_type")))
        return refuse(cli, ENDS_MISUSED, "this is no payload: it does not say what it is");
    *ret = json_incref(inner ? inner : document);
    return 0;
}

static int read_file(struct cli *cli, const char *path, json_t **ret)
{
    CLEANUP(text_clear) struct text content = {0};

    if (file_read(cli, path, PAYLOAD_MAX_BYTES, &content))
        return -1;
    while (content.length > 0 && content.at[content.length - 1] == '\n')
        content.at[--content.length] = '\0';
    return payload_read(cli, &content, ret);
}

/* -- in words -- */

static const struct column head_columns[] = {
    {"Kind",    "_type",   AS_TEXT  },
    {"Version", "version", AS_NUMBER},
    {"Expires", "expires", AS_TIME  },
};

static const struct column target_columns[] = {
    {"TARGET",   "path",                        AS_TEXT  },
    {"SIZE",     "length",                      AS_BYTES },
    {"SHA-256",  "hashes.sha256",               AS_SHORT },
    {"COUNTER",  "custom.ota.release_counter",  AS_NUMBER},
    {"SECURITY", "custom.ota.security_version", AS_NUMBER},
    {"FLOOR",    "custom.ota.security_floor",   AS_NUMBER},
    {"HARDWARE", "custom.ota.hardware_ids",     AS_LIST  },
};

static const struct column role_columns[] = {
    {"ROLE",      "name",      AS_TEXT  },
    {"THRESHOLD", "threshold", AS_NUMBER},
    {"KEYS",      "keyids",    AS_LIST  },
    {"FOR",       "paths",     AS_LIST  },
};

/* An object of objects as a list of them, with the name of each put inside. */
static json_t *as_list(json_t *object, const char *name_member)
{
    json_t *list = json_array(), *value;
    const char *name;

    json_object_foreach(object, name, value)
    {
        json_t *item = json_copy(value);
        json_object_set_new(item, name_member, json_string(name));
        json_array_append_new(list, item);
    }
    return list;
}

static void shorten_keyids(json_t *roles)
{
    size_t i, n;
    json_t *role, *keyid;

    json_array_foreach(roles, i, role)
    {
        json_t *short_ones = json_array();
        json_array_foreach(json_object_get(role, "keyids"), n, keyid)
        {
            const char *text = json_string_value(keyid);
            json_array_append_new(short_ones,
                                  json_stringn(text ? text : "", text ? strnlen(text, 12) : 0));
        }
        json_object_set_new(role, "keyids", short_ones);
    }
}

static bool is_image(const json_t *target)
{
    return strcmp(member_text(target, "custom.ota.kind", "image"), "chunks") != 0;
}

static void print_targets(const json_t *document)
{
    json_auto_t *all = as_list(json_object_get(document, "targets"), "path");
    json_auto_t *images = json_array();
    size_t i;
    json_t *target;

    json_array_foreach(all, i, target)
    {
        if (is_image(target))
            json_array_append(images, target);
    }
    say("\n");
    print_table(images, COLUMNS(target_columns), "No targets.");
}

void payload_print(const json_t *document)
{
    json_t *roles = json_object_get(document, "roles");
    json_t *delegated = json_object_get(json_object_get(document, "delegations"), "roles");

    print_fields(document, COLUMNS(head_columns));
    if (json_object_size(json_object_get(document, "targets")))
        print_targets(document);
    if (roles || delegated) {
        json_auto_t *list = roles ? as_list(roles, "name") : json_deep_copy(delegated);
        shorten_keyids(list);
        say("\n");
        print_table(list, COLUMNS(role_columns), "No roles.");
    }
}

/* -- what changed -- */

static void diff(const char *path, json_t *before, json_t *after);

static void print_value(char sign, const char *path, const json_t *value)
{
    CLEANUP(free_string) char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    say("  %c %s = %.400s\n", sign, path, text ? text : "?");
}

/* Arrays whose elements have names are compared by name, as objects are. */
static json_t *by_name(json_t *value)
{
    json_t *object, *element;
    size_t i;

    if (!json_is_array(value) || !json_object_get(json_array_get(value, 0), "name"))
        return json_incref(value);
    object = json_object();
    json_array_foreach(value, i, element)
    {
        json_object_set(object, member_text(element, "name", "?"), element);
    }
    return object;
}

static void diff_members(const char *path, json_t *before, json_t *after)
{
    const char *name;
    json_t *value;

    json_object_foreach(before, name, value)
    {
        struct text inner = {0};
        text_format(&inner, "%s%s%s", path, *path ? " > " : "", name);
        CLEANUP(free_string) char *where = text_take(&inner);
        diff(where ? where : "?", value, json_object_get(after, name));
    }
    json_object_foreach(after, name, value)
    {
        struct text inner = {0};
        text_format(&inner, "%s%s%s", path, *path ? " > " : "", name);
        CLEANUP(free_string) char *where = text_take(&inner);
        if (!json_object_get(before, name))
            diff(where ? where : "?", NULL, value);
    }
}

static void diff(const char *path, json_t *before, json_t *after)
{
    json_auto_t *old = by_name(before), *new = by_name(after);

    if (old && new &&json_equal(old, new))
        return;
    if (json_is_object(old) && json_is_object(new)) {
        diff_members(path, old, new);
        return;
    }
    if (old)
        print_value('-', path, old);
    if (new)
        print_value('+', path, new);
}

/* The last version: from a file, else from the server when one is set up here. */
static int find_previous(struct cli *cli, json_t *document, json_t **ret)
{
    const char *against = option(cli, "against"), *name = member_text(document, "_type", "");
    const char *some_path =
        json_object_iter_key(json_object_iter(json_object_get(document, "targets")));
    struct text path = {0};

    if (against)
        return read_file(cli, against, ret);
    text_append(&path, "/tuf/");
    if (some_path)
        text_format(&path, "product-%.*s", (int)strcspn(some_path, "/"), some_path);
    else
        text_append(&path, name);
    CLEANUP(free_string) char *address = text_take(&path);
    json_auto_t *envelope = NULL;
    if (http_json(cli, "GET", address, NULL, &envelope))
        return -1;
    *ret = json_incref(json_object_get(envelope, "signed"));
    return *ret ? 0 : -1;
}

static int print_changes(struct cli *cli, json_t *document)
{
    json_auto_t *previous = NULL;

    if (find_previous(cli, document, &previous)) {
        if (option(cli, "against"))
            return -1;
        forget_failure(cli);
        say("\nNot compared with the version before: no server here knows one; --against FILE "
            "names it.\n");
        return 0;
    }
    say("\nChanges since version %lld:\n", (long long)member_number(previous, "version"));
    diff("", previous, document);
    return 0;
}

/* -- images at hand -- */

struct measured {
    int64_t size;
    char sha256[SHA256_HEX_SIZE], sha512[2 * DIGEST_MAX_SIZE + 1];
};

static int measure(struct cli *cli, const char *path, struct measured *ret)
{
    CLEANUP(close_file) FILE *file = fopen(path, "re");
    CLEANUP(digest_free) struct digest *short_one = digest_new(DIGEST_SHA256);
    CLEANUP(digest_free) struct digest *long_one = digest_new(DIGEST_SHA512);
    uint8_t bytes[64 * KIB], hash[DIGEST_MAX_SIZE];
    size_t count;

    if (!file || !short_one || !long_one)
        return refuse(cli, ENDS_MISUSED, "%s cannot be read", path);
    for (ret->size = 0; (count = fread(bytes, 1, sizeof bytes, file)) > 0;
         ret->size += (int64_t)count) {
        digest_add(short_one, bytes, count);
        digest_add(long_one, bytes, count);
    }
    if (ferror(file))
        return refuse(cli, ENDS_MISUSED, "%s cannot be read", path);
    digest_end(short_one, hash);
    hex_from_bytes(hash, SHA256_SIZE, ret->sha256);
    digest_end(long_one, hash);
    hex_from_bytes(hash, DIGEST_MAX_SIZE, ret->sha512);
    return 0;
}

static bool matches(const json_t *target, const struct measured *image)
{
    return member_number(target, "length") == image->size &&
           !strcmp(member_text(target, "hashes.sha256", ""), image->sha256) &&
           !strcmp(member_text(target, "hashes.sha512", image->sha512), image->sha512);
}

static int check_image(struct cli *cli, json_t *document, const char *path)
{
    struct measured image;
    const char *name;
    json_t *target;

    if (measure(cli, path, &image))
        return -1;
    json_object_foreach(json_object_get(document, "targets"), name, target)
    {
        if (matches(target, &image)) {
            say("%s is %s: length and hashes agree\n", path, name);
            return 0;
        }
    }
    return refuse(cli, ENDS_REFUSED, "%s (sha256 %.12s…) is none of these targets: do not sign",
                  path, image.sha256);
}

/* -- the verbs -- */

static int draft_show(struct cli *cli)
{
    const char *name = operand(cli, 0), *image;
    json_auto_t *document = NULL;
    CLEANUP(text_clear) struct text payload = {0};

    if (!strcmp(name, "-") || !access(name, F_OK)) {
        if (read_file(cli, name, &document))
            return -1;
    } else if (draft_payload(cli, name, &payload) || payload_read(cli, &payload, &document)) {
        advise(cli, "%s is no file here either", name);
        return -1;
    }
    if (wants_json(cli))
        return print_json(document);
    payload_print(document);
    if (print_changes(cli, document))
        return -1;
    for (size_t n = 0; (image = option_at(cli, "image", n)); n++)
        if (check_image(cli, document, image))
            return -1;
    return 0;
}

static const struct column list_columns[] = {
    {"DRAFT",   "id",         AS_TEXT  },
    {"ROLE",    "role",       AS_TEXT  },
    {"VERSION", "version",    AS_NUMBER},
    {"STATE",   "state",      AS_TEXT  },
    {"NEEDS",   "threshold",  AS_NUMBER},
    {"BY",      "created_by", AS_TEXT  },
    {"SINCE",   "created_at", AS_AGO   },
};

static int draft_list(struct cli *cli)
{
    static const struct listing listing = {COLUMNS(list_columns), "Nothing waits for signatures.",
                                           "after"};

    return print_list(cli, "/tuf/drafts", &listing);
}

static int draft_drop(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/tuf/drafts/%s", operand(cli, 0));

    if (http_json(cli, "DELETE", path, NULL, NULL))
        return -1;
    if (!wants_json(cli))
        say("draft %s is dropped\n", operand(cli, 0));
    return 0;
}

static const struct option show_options[] = {
    {"against", "FILE",
     "compare with this signed file or payload (default: what the server published)"  },
    {"image",   "FILE",
     "an image you built: its length and hashes must be among the targets; repeatable"},
};
static const struct option list_options[] = {LIST_OPTIONS};

/* clang-format off */
static const struct verb verbs[] = {
    {"list", "", "what waits for signatures",
     "$ otactl draft list\n",
     OPTIONS(list_options), draft_list},
    {"show", "FILE|DRAFT", "read before you sign: a payload in words, and what it changes",
     "Works without a server, on the machine that holds the key. Exit status 1 means that an\n"
     "image given with --image is not what would be signed.\n"
     "\n"
     "$ otactl release payload d-7 -o payload.bin\n"
     "$ otactl draft show payload.bin --image build/app.bin\n",
     OPTIONS(show_options), draft_show},
    {"drop", "DRAFT", "throw a draft away",
     "$ otactl draft drop d-7\n",
     NO_OPTIONS, draft_drop},
};
/* clang-format on */

const struct group draft_group = {"draft", "what waits for signatures, and what it says", verbs,
                                  COUNT_OF(verbs)};
