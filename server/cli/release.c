/* SPDX-License-Identifier: Apache-2.0 */
/* otactl release …: from an image to something devices may install. The server builds the product's
 * next role file, people sign it with keys the server never sees, and publishing it makes the
 * release. */
#include "cli/verbs.h"

#include "cli/call.h"
#include "cli/files.h"
#include "cli/http.h"
#include "trust/key.h"
#include "trust/sign.h"

#include <string.h>

#define SIGNATURE_FILE_MAX 4096

/* -- looking -- */

static const struct column list_columns[] = {
    {"RELEASE",   "id",               AS_TEXT  },
    {"STATE",     "state",            AS_TEXT  },
    {"SEVERITY",  "severity",         AS_TEXT  },
    {"SECURITY",  "security_version", AS_NUMBER},
    {"FLOOR",     "security_floor",   AS_NUMBER},
    {"DEVICES",   "devices",          AS_NUMBER},
    {"PUBLISHED", "published_at",     AS_AGO   },
};

static const struct column show_columns[] = {
    {"Release",          "id",               AS_TEXT  },
    {"State",            "state",            AS_TEXT  },
    {"Severity",         "severity",         AS_TEXT  },
    {"Security version", "security_version", AS_NUMBER},
    {"Security floor",   "security_floor",   AS_NUMBER},
    {"Counter",          "release_counter",  AS_NUMBER},
    {"Published",        "published_at",     AS_TIME  },
    {"Devices on it",    "devices",          AS_NUMBER},
    {"Floor",            "floor",            AS_TEXT  },
    {"Dead end",         "dead_end",         AS_TEXT  },
};

static const struct column target_columns[] = {
    {"FILE",      "file",         AS_TEXT },
    {"COMPONENT", "component",    AS_TEXT },
    {"SIZE",      "size",         AS_BYTES},
    {"SHA-256",   "sha256",       AS_SHORT},
    {"HARDWARE",  "hardware_ids", AS_LIST },
};

static int release_show(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/releases/%s", operand(cli, 0));
    json_auto_t *release = NULL;

    if (http_json(cli, "GET", path, NULL, &release))
        return -1;
    if (wants_json(cli))
        return print_json(release);
    print_fields(release, COLUMNS(show_columns));
    say("\n");
    print_table(json_object_get(release, "targets"), COLUMNS(target_columns), "No targets.");
    return 0;
}

/* -- creating -- */

static json_t *repeated_option(const struct cli *cli, const char *name)
{
    json_t *list = json_array();
    const char *value;

    for (size_t n = 0; (value = option_at(cli, name, n)); n++)
        json_array_append_new(list, json_string(value));
    return list;
}

static int set_number(struct cli *cli, json_t *body, const char *name, const char *member,
                      int64_t most)
{
    int64_t number;

    if (option_number(cli, name, 0, most, -1, &number))
        return -1;
    if (number >= 0)
        json_object_set_new(body, member, json_integer(number));
    return 0;
}

/* What can be said of one file alone; else the option of that name says it of all. */
static const struct {
    const char *name, *member;
    value_fn value;
} file_settings[] = {
    {"component",        "component",        text_value  },
    {"hardware",         "hardware_ids",     words_value },
    {"security-version", "security_version", number_value},
    {"security-floor",   "security_floor",   number_value},
    {"encoding",         "encoding",         text_value  },
    {"plain-sha256",     "plain_sha256",     text_value  },
};

struct image {
    char *path;
    json_t *said; /* as the draft names it; and "encoding", which is the upload's */
};

struct images {
    struct image *at;
    size_t count;
};

static void images_clear(struct images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        free(images->at[i].path);
        json_decref(images->at[i].said);
    }
    free(images->at);
}

static int put_setting(struct cli *cli, const struct image *image, char *setting)
{
    char *value = setting;
    const char *name = strsep(&value, "=");

    for (size_t i = 0; value && i < COUNT_OF(file_settings); i++) {
        if (strcmp(file_settings[i].name, name))
            continue;
        json_t *json = file_settings[i].value(cli, value);
        if (json && !json_object_set_new(image->said, file_settings[i].member, json))
            return 0;
        return refuse(cli, ENDS_MISUSED, "%s cannot be \"%s\" in --file %s,…", name, value,
                      image->path);
    }
    refuse(cli, ENDS_MISUSED, "\"%s\" cannot be said of a file", name);
    advise(cli, "--file FILE,component=NAME,hardware=ID+ID; or security-version, security-floor,");
    advise(cli, "encoding, plain-sha256");
    return -1;
}

/* "out/rootfs.img,component=rootfs,hardware=gw2". No name in a release has a comma, a folder's
 * may. */
static int read_image(struct cli *cli, const char *text, struct image *ret)
{
    const char *slash = strrchr(text, '/');
    const char *name = slash ? slash + 1 : text;
    size_t length = strcspn(name, ",");
    CLEANUP(free_string) char *settings = strdup(name + length);
    char *rest = settings, *setting;

    ret->path = strndup(text, (size_t)(name - text) + length);
    ret->said = json_pack("{ss%}", "file", name, length);
    if (!settings || !ret->path || !ret->said)
        return refuse(cli, ENDS_MISUSED, "out of memory, or text that is not UTF-8");
    for (strsep(&rest, ","); (setting = strsep(&rest, ","));)
        if (put_setting(cli, ret, setting))
            return -1;
    if (has_option(cli, "hardware") || json_object_get(ret->said, "hardware_ids"))
        return 0;
    refuse(cli, ENDS_MISUSED, "--hardware is missing: which hardware may run %s?", ret->path);
    advise(cli, "it is signed with the release; devices with another one refuse it");
    return -1;
}

/* All of them, before the first byte travels. */
static int read_images(struct cli *cli, struct images *images)
{
    const char *text;

    if (option_needed(cli, "file", &text))
        return -1;
    images->at = calloc(cli->given_count, sizeof *images->at);
    if (!images->at)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    while ((text = option_at(cli, "file", images->count)))
        if (read_image(cli, text, &images->at[images->count++]))
            return -1;
    const char *plain = option(cli, "plain-sha256");
    if (plain && images->count > 1)
        return refuse(cli, ENDS_MISUSED,
                      "each of several files has its own: --file FILE,plain-sha256=HEX");
    if (plain && !json_object_get(images->at->said, "plain_sha256"))
        json_object_set_new(images->at->said, "plain_sha256", json_string(plain));
    return 0;
}

static int upload_image(struct cli *cli, const struct image *image)
{
    const char *encoding = member_text(image->said, "encoding", option(cli, "encoding"));
    json_auto_t *artifact = NULL;

    if (upload_file(cli, image->path, encoding, &artifact))
        return -1;
    json_object_del(image->said, "encoding");
    json_object_set_new(image->said, "artifact", json_string(member_text(artifact, "sha256", "")));
    return 0;
}

static int describe(struct cli *cli, const struct images *images, json_t **ret)
{
    json_auto_t *files = json_array();
    json_auto_t *body = json_pack("{ss ss ss* ss* sO}", "product", operand(cli, 0), "version",
                                  operand(cli, 1), "component", option(cli, "component"),
                                  "severity", option(cli, "severity"), "files", files);

    if (!body)
        return refuse(cli, ENDS_MISUSED, "out of memory, or text that is not UTF-8");
    for (size_t i = 0; i < images->count; i++)
        json_array_append(files, images->at[i].said);
    if (has_option(cli, "hardware"))
        json_object_set_new(body, "hardware_ids", repeated_option(cli, "hardware"));
    if (has_option(cli, "notes"))
        json_object_set_new(body, "notes",
                            json_pack("{ss ss}", "lang", "en", "text", option(cli, "notes")));
    if (has_option(cli, "advisory"))
        json_object_set_new(body, "advisories", repeated_option(cli, "advisory"));
    if (set_number(cli, body, "security-version", "security_version", INT32_MAX) ||
        set_number(cli, body, "security-floor", "security_floor", INT32_MAX) ||
        set_number(cli, body, "expires-days", "expires_days", 3650))
        return -1;
    *ret = MOVE(body);
    return 0;
}

static int create_draft(struct cli *cli, json_t **ret)
{
    CLEANUP(images_clear) struct images images = {.at = NULL};
    json_auto_t *body = NULL;

    if (read_images(cli, &images) || trust_ensure(cli))
        return -1;
    for (size_t i = 0; i < images.count; i++)
        if (upload_image(cli, &images.at[i]))
            return -1;
    if (describe(cli, &images, &body))
        return -1;
    if (!http_json(cli, "POST", "/releases/draft", body, ret))
        return 0;
    if (was_refused_for(cli, "not-found"))
        advise(cli, "a new product begins with: otactl product create %s", operand(cli, 0));
    return -1;
}

static int print_published(struct cli *cli, const json_t *published)
{
    const json_t *releases = json_object_get(published, "releases");
    size_t i;
    json_t *release;

    if (wants_json(cli))
        return print_json(published);
    say("%s version %lld is published\n", member_text(published, "role", "?"),
        (long long)member_number(published, "version"));
    json_array_foreach(releases, i, release)
    {
        const char *id = json_string_value(release);
        say("release %s; next: otactl campaign preview %s --target FILTER\n", id ? id : "?",
            id ? id : "?");
    }
    return 0;
}

/* --key and --publish do at once what else takes a command each: for laboratories. */
static int release_create(struct cli *cli)
{
    json_auto_t *draft = NULL, *published = NULL;
    const char *key;

    if (create_draft(cli, &draft))
        return -1;
    CLEANUP(free_string) char *id = strdup(member_text(draft, "id", ""));
    for (size_t n = 0; (key = option_at(cli, "key", n)); n++) {
        json_decref(draft);
        draft = NULL;
        if (draft_sign(cli, id, key, &draft))
            return -1;
    }
    if (has_option(cli, "publish"))
        return draft_publish(cli, id, &published) ? -1 : print_published(cli, published);
    if (wants_json(cli))
        return print_json(draft);
    draft_print(cli, draft);
    return 0;
}

/* -- signing -- */

static void print_commands(const char *id, const char *file)
{
    say("%s is what is signed. Look first:\n"
        "\n"
        "  otactl draft show %s\n"
        "\n"
        "then sign, by the kind of your key:\n"
        "\n"
        "  Ed25519   openssl pkeyutl -sign -rawin -inkey KEY.pem -in %s -out %s.sig\n"
        "  P-256     openssl dgst -sha256 -sign KEY.pem -out %s.sig %s\n"
        "  RSA       openssl dgst -sha256 -sign KEY.pem -sigopt rsa_padding_mode:pss \\\n"
        "              -sigopt rsa_pss_saltlen:digest -out %s.sig %s\n"
        "\n"
        "and bring the signature back, with the public half of the key:\n"
        "\n"
        "  openssl pkey -in KEY.pem -pubout -out KEY.pub\n"
        "  otactl release add-signature %s --public-key KEY.pub --sig %s.sig\n",
        file, file, file, file, file, file, file, file, id, file);
}

static int release_payload(struct cli *cli)
{
    CLEANUP(text_clear) struct text payload = {0};
    const char *file;

    if (option_needed(cli, "output", &file) || draft_payload(cli, operand(cli, 0), &payload))
        return -1;
    if (!strcmp(file, "-")) {
        fwrite(payload.at, 1, payload.length, stdout);
        return 0;
    }
    if (file_create_text(cli, file, 0644, &payload))
        return -1;
    print_commands(operand(cli, 0), file);
    return 0;
}

static int release_sign(struct cli *cli)
{
    CLEANUP(text_clear) struct text payload = {0};
    json_auto_t *draft = NULL, *content = NULL;
    const char *key;

    if (option_needed(cli, "key", &key))
        return -1;
    if (!wants_json(cli)) {
        if (draft_payload(cli, operand(cli, 0), &payload) || payload_read(cli, &payload, &content))
            return -1;
        payload_print(content);
        say("\n");
    }
    for (size_t n = 0; (key = option_at(cli, "key", n)); n++) {
        json_decref(draft);
        draft = NULL;
        if (draft_sign(cli, operand(cli, 0), key, &draft))
            return -1;
    }
    if (wants_json(cli))
        return print_json(draft);
    draft_print(cli, draft);
    return 0;
}

static int find_keyid(struct cli *cli, char ret[KEYID_SIZE])
{
    const char *keyid = option(cli, "keyid"), *path = option(cli, "public-key");
    CLEANUP(text_clear) struct text pem = {0};
    CLEANUP(key_free) struct key *key = NULL;
    json_auto_t *object = NULL;
    struct error err = {0};

    if (!keyid == !path)
        return refuse(cli, ENDS_MISUSED,
                      "say whose signature it is: --keyid ID or --public-key FILE");
    if (path) {
        if (file_read(cli, path, SIGNATURE_FILE_MAX, &pem))
            return -1;
        if (sign_key_object(pem.at ? pem.at : "", &object, &err) || key_read(object, &key, &err))
            return refuse_error(cli, &err);
        memcpy(ret, key_id(key), KEYID_SIZE);
        return 0;
    }
    uint8_t bytes[SHA256_SIZE];
    if (!hex_to_bytes(keyid, bytes, sizeof bytes))
        return refuse(cli, ENDS_MISUSED, "--keyid takes 64 hex digits");
    memcpy(ret, keyid, KEYID_SIZE);
    return 0;
}

/* The raw bytes openssl writes, or their hex. */
static int read_signature(struct cli *cli, const char *path, struct text *ret_hex)
{
    CLEANUP(text_clear) struct text content = {0};

    if (file_read(cli, path, SIGNATURE_FILE_MAX, &content))
        return -1;
    size_t digits = content.at ? strspn(content.at, "0123456789abcdef") : 0;
    if (digits >= 128 && digits + 1 >= content.length)
        text_append_bytes(ret_hex, content.at, digits);
    else
        text_hex(ret_hex, content.at, content.length);
    return ret_hex->is_broken ? refuse(cli, ENDS_MISUSED, "out of memory") : 0;
}

static int release_add_signature(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/tuf/drafts/%s/signatures", operand(cli, 0));
    CLEANUP(text_clear) struct text hex = {0};
    json_auto_t *draft = NULL;
    char keyid[KEYID_SIZE];
    const char *file;

    if (option_needed(cli, "sig", &file) || find_keyid(cli, keyid) ||
        read_signature(cli, file, &hex) ||
        http_post(cli, path, json_pack("{ss ss}", "keyid", keyid, "sig", hex.at), &draft))
        return -1;
    if (wants_json(cli))
        return print_json(draft);
    draft_print(cli, draft);
    return 0;
}

static int release_publish(struct cli *cli)
{
    json_auto_t *published = NULL;

    if (draft_publish(cli, operand(cli, 0), &published))
        return -1;
    return print_published(cli, published);
}

/* -- the verbs -- */

static const struct option create_options[] = {
    {"file",             "FILE",    "the image; repeatable, with settings: FILE,component=NAME"},
    {"hardware",         "ID",      "hardware that may run it; repeatable"                     },
    {"component",        "NAME",    "the part of the device it is for (default app)"           },
    {"security-version", "N",       "raise it when the release closes a hole"                  },
    {"security-floor",   "N",       "once it runs, nothing below this is taken any more"       },
    {"severity",         "WORD",    "security, bugfix or feature (default)"                    },
    {"notes",            "TEXT",    "what users should know"                                   },
    {"advisory",         "ID",      "CVE-… it fixes; repeatable"                             },
    {"encoding",         "FORM",    "aes128gcm for an encrypted image (default identity)"      },
    {"plain-sha256",     "HEX",     "of an encrypted image: the hash of what is inside"        },
    {"expires-days",     "N",       "how long the product's file is valid"                     },
    {"key",              "KEY.pem", "sign at once with this private key; repeatable"           },
    {"publish",          NULL,      "publish at once"                                          },
};
/* clang-format off */
static const struct setting list_settings[] = {
    {{"product", "PRODUCT", "only this product"}, "product", text_value},
    {{"state", "STATE", "only published, withdrawn or quarantined"}, "state", text_value},
};
static const struct setting floor_settings[] = {
    {{"clear", NULL, "it is one no more"}, "floor", no_value},
};
static const struct call list_call = {GET("/releases"), SHOWS(list_columns),
        .nothing = "No releases yet.", SETTINGS(list_settings)},
    floor_call = {PATCH("/releases/%s"), SETTINGS(floor_settings), .body = "{\"floor\":true}",
        SHOWS(show_columns)},
    dead_end_call = {PATCH("/releases/%s"), .words = {{"dead_end", text_value}},
        SHOWS(show_columns)};
/* clang-format on */
static const struct option payload_options[] = {
    {"output", "FILE", "where to write it; - for standard output (also -o)"},
};
static const struct option sign_options[] = {
    {"key", "KEY.pem", "your private key; it stays on this machine; repeatable"},
};
static const struct option signature_options[] = {
    {"public-key", "FILE", "the public half of the key that signed, PEM"  },
    {"keyid",      "ID",   "or its id, 64 hex digits"                     },
    {"sig",        "FILE", "the signature as openssl wrote it, or its hex"},
};

/* clang-format off */
static const struct verb verbs[] = {
    {"create", "PRODUCT VERSION", "upload images and draft a release of them",
     "What comes out is a draft: it counts when enough of the product's keys have signed it.\n"
     "\n"
     "A release never gains a file: give all of them at once. What differs between them is said\n"
     "behind the file's name: component, hardware (ID+ID), security-version, security-floor,\n"
     "encoding and plain-sha256. What is not said there is as the option of that name says.\n"
     "\n"
     "$ otactl release create demo 1.0 --file app.bin --hardware gw2\n"
     "$ otactl release create demo 1.1 --file app.bin --hardware gw2 --security-version 2 \\\n"
     "      --severity security --advisory CVE-2026-0001\n"
     "$ otactl release create demo 1.2 --hardware gw2 --file rootfs.img \\\n"
     "      --file boot.img,component=boot\n"
     "$ otactl -C lab release create demo 1.3 --file app.bin --hardware gw2 \\\n"
     "      --key lab/keys/demo-1.pem --key lab/keys/demo-2.pem --publish\n",
     OPTIONS(create_options), release_create},
    {"list", "", "what is published",
     "$ otactl release list --product demo\n",
     LIST_CALL(list_call), call_run},
    {"show", "RELEASE", "one release with its images",
     "$ otactl release show demo:1.0\n",
     NO_OPTIONS, release_show},
    {"payload", "DRAFT", "what must be signed, for a machine without network",
     "$ otactl release payload d-7 -o payload.bin\n",
     OPTIONS(payload_options), release_payload},
    {"sign", "DRAFT", "sign with a key on this machine; only the signature is sent",
     "Prints what it is about to sign.\n"
     "\n"
     "$ otactl release sign d-7 --key lab/keys/demo-1.pem\n",
     OPTIONS(sign_options), release_sign},
    {"add-signature", "DRAFT", "bring back a signature made elsewhere",
     "$ otactl release add-signature d-7 --public-key ada.pub --sig payload.bin.sig\n",
     OPTIONS(signature_options), release_add_signature},
    {"publish", "DRAFT", "make a signed draft count",
     "$ otactl release publish d-7\n",
     NO_OPTIONS, release_publish},
    {"floor", "RELEASE", "older devices must get this one first, on the way to newer ones",
     "$ otactl release floor demo:2.0\n"
     "$ otactl release floor demo:2.0 --clear\n",
     CALL(floor_call), call_run},
    {"dead-end", "RELEASE TEXT", "devices that run it get nothing any more; explanations say why",
     "An empty text takes it back.\n"
     "\n"
     "$ otactl release dead-end demo:1.3 'the loader must be changed by hand'\n"
     "$ otactl release dead-end demo:1.3 ''\n",
     CALL(dead_end_call), call_run},
};
/* clang-format on */

const struct group release_group = {"release", "from an image to something devices may install",
                                    verbs, COUNT_OF(verbs)};
