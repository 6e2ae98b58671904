/* SPDX-License-Identifier: Apache-2.0 */
/* Every rule a role file must keep, by breaking each in a file that is sound otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "trust_fixture.h"

static struct keyring keys;

static int make_keys(void **state)
{
    (void)state;
    keyring_make(&keys);
    return 0;
}

static int clear_keys(void **state)
{
    (void)state;
    keyring_clear(&keys);
    return 0;
}

/* What several breakages are refused with. */
#define NO_VERSION "V5: \"version\" must be an integer from 1 to 9007199254740991"
#define NO_SPEC "V4: spec_version must be 1.0 with a patch number"
#define NO_TIME "V6: \"expires\" must be a time like 2026-11-20T00:00:00Z"
#define NO_SECURITY "V17: \"security_version\" must be an integer from 0 to 2147483647"
#define OTHER_COUNT "V17: \"chunks\" counts other chunks than length, offset and size make"
#define NO_SIZE "V17: \"size\" must be an integer from 4096 to 16777216"
#define NO_LIST "V17: lock/2.1.0/app.bin: its chunk list is not listed so"
#define NO_THRESHOLD "V9: \"threshold\" must be an integer from 1 to 2"
#define NO_FOUR "V9: a root names root, snapshot, targets and timestamp, no other role"
#define ZEROS "'0000000000000000000000000000000000000000000000000000000000000000'"
#define NO_LENGTH "V17: \"length\" must be an integer from 1 to 9007199254740991"
#define NO_COUNTER "V17: \"release_counter\" must be an integer from 1 to 9007199254740991"
#define NO_BEGIN "V17: \"not_before\" must be a time like 2026-11-20T00:00:00Z"

struct breakage {
    const char *path, *json, *detail;
};
#define BREAK(path_, json_, detail_)                                                               \
    {                                                                                              \
        .path = path_, .json = json_, .detail = detail_                                            \
    }

static void assert_each_refused(const char *role_name, const json_t *sound,
                                const struct breakage *breakages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_auto_t *document = json_deep_copy(sound);
        CLEANUP(role_free) struct role *role = NULL;
        struct error err = {0};
        change(document, breakages[i].path, breakages[i].json);
        if (!role_read(role_name, document, &role, &err) ||
            strcmp(err.detail, breakages[i].detail) != 0)
            fail_msg("%s = %s: \"%s\", not \"%s\"", breakages[i].path,
                     breakages[i].json ? breakages[i].json : "nothing", err.detail,
                     breakages[i].detail);
    }
}

static struct role *read_sound(const char *role_name, json_t *document)
{
    struct role *role = NULL;
    struct error err = {0};

    if (role_read(role_name, document, &role, &err))
        fail_msg("%s: %s %s", role_name, err.detail, err.cause);
    return role;
}

static const struct breakage heads[] = {
    BREAK("_type", "'snapshot'", "V3: _type snapshot is not that of product-lock"),
    BREAK("_type", NULL, "V3: \"_type\" is required"),
    BREAK("spec_version", "'2.0.0'", NO_SPEC),
    BREAK("spec_version", "'1.0.x'", NO_SPEC),
    BREAK("spec_version", "1", "V4: \"spec_version\" must be a string"),
    BREAK("version", "0", NO_VERSION),
    BREAK("version", "9007199254740992", NO_VERSION),
    BREAK("version", "'1'", NO_VERSION),
    BREAK("expires", "'2026-02-30T00:00:00Z'", NO_TIME),
    BREAK("expires", "'2030-01-01T00:00:00'", NO_TIME),
    BREAK("expires", "'2030-01-01T00:00:00.0Z'", NO_TIME),
    BREAK("expires", "'2030-01-01T00:00:00+02:00'", NO_TIME),
    BREAK("expires", "'2030-1-01T00:00:00Z'", NO_TIME),
};

static void a_head_says_what_and_until_when(void **state)
{
    json_auto_t *document = product_document(1);

    (void)state;
    assert_each_refused("product-lock", document, heads, COUNT_OF(heads));
}

static void only_the_roles_kept_here_are_read(void **state)
{
    static const char *const names[] = {"snapshot",    "timestamp", "product-", "product-Lock",
                                        "product-a/b", "Root",      "",         "mirrors"};
    json_auto_t *document = product_document(1);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        CLEANUP(role_free) struct role *role = NULL;
        struct error err = {0};
        assert_int_equal(role_read(names[i], document, &role, &err), -1);
        assert_rule(err, "V3");
    }
}

static void a_root_names_four_roles_and_their_keys(void **state)
{
    static const struct breakage breakages[] = {
        BREAK("consistent_snapshot", "false", "V12: consistent_snapshot must be true"),
        BREAK("consistent_snapshot", NULL, "V12: consistent_snapshot must be true"),
        BREAK("roles/timestamp", NULL, NO_FOUR),
        BREAK("roles/mirrors", "{}", NO_FOUR),
        BREAK("roles/root/threshold", "0", NO_THRESHOLD),
        BREAK("roles/root/threshold", "-1", NO_THRESHOLD),
        BREAK("roles/root/threshold", "3", NO_THRESHOLD),
        BREAK("roles/root/threshold", "4294967296", NO_THRESHOLD),
        BREAK("roles/root/keyids", "[]", "V9: root must have 1 to 256 keys"),
        BREAK("roles/root/keyids/0", "'00'", "V9: root names a key that is not listed"),
        BREAK("roles/root/keyids/0", "1", "V9: root names a key that is not listed"),
        BREAK("roles/root/extra", "1", "V9: \"extra\" is not a member known here"),
    };
    json_auto_t *document = root_document(&keys, 1);
    CLEANUP(role_free) struct role *role = read_sound("root", document);

    (void)state;
    assert_int_equal(role->key_count, 6);
    assert_int_equal(role_authority(role, "root")->threshold, 2);
    assert_each_refused("root", document, breakages, COUNT_OF(breakages));
}

static void a_key_counts_once_whatever_it_is_called(void **state)
{
    json_auto_t *document = root_document(&keys, 1);
    json_t *listed = json_object_get(document, "keys"),
           *ids = json_object_get(json_object_get(json_object_get(document, "roles"), "root"),
                                  "keyids");
    CLEANUP(role_free) struct role *role = NULL;
    struct error err = {0};
    char id[KEYID_SIZE];

    (void)state;
    /* The same id twice in one role. */
    json_array_set(ids, 1, json_array_get(ids, 0));
    assert_int_equal(role_read("root", document, &role, &err), -1);
    assert_rule(err, "V9");
    /* One key under an id that is not its hash. */
    memset(id, '0', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    json_object_set_new(listed, id, json_deep_copy(keys.objects[ROOT_A]));
    assert_int_equal(role_read("root", document, &role, &err), -1);
    assert_rule(err, "V7");
}

static void online_keys_sign_nothing_that_decides(void **state)
{
    json_auto_t *document = root_document(&keys, 1);
    json_t *roles = json_object_get(document, "roles");
    CLEANUP(role_free) struct role *role = NULL;
    struct error err = {0};

    (void)state;
    json_array_append(
        json_object_get(json_object_get(roles, "timestamp"), "keyids"),
        json_array_get(json_object_get(json_object_get(roles, "targets"), "keyids"), 0));
    assert_int_equal(role_read("root", document, &role, &err), -1);
    assert_string_equal(err.detail, "V13: one key signs targets and timestamp");
}

static void no_online_key_signs_for_a_product(void **state)
{
    const struct build_delegation lock = {
        "lock", {&keys.objects[PRODUCT_C], 2, 2}
    }; /* and SNAPSHOT */
    json_auto_t *root_json = root_document(&keys, 1), *targets_json = NULL;
    CLEANUP(role_free) struct role *root = read_sound("root", root_json);
    struct error err = {0};

    (void)state;
    assert_int_equal(build_targets(1, NOW + DAY, &lock, 1, &targets_json, &err), 0);
    CLEANUP(role_free) struct role *targets = read_sound("targets", targets_json);
    assert_int_equal(role_check_apart(root, targets, &err), -1);
    assert_rule(err, "V13");
}

static void a_delegation_covers_one_product_wholly(void **state)
{
#define ROLE "delegations/roles/0/"
#define PATHS "V14: paths of product-lock must be [\"lock/*/*\"]"
    static const struct breakage breakages[] = {
        BREAK("targets", "{'lock/1/a':{}}", "V15: the top-level targets list no target"),
        BREAK("delegations", NULL, "V14: \"delegations\" is required"),
        BREAK(ROLE "paths", "[]", PATHS),
        BREAK(ROLE "paths", "['*']", PATHS),
        BREAK(ROLE "paths", "['*/*/*']", PATHS),
        BREAK(ROLE "paths", "['door/*/*']", PATHS),
        BREAK(ROLE "paths", "['{lock,door}/*/*']", PATHS),
        BREAK(ROLE "paths", "['lock/*/*','../*']", PATHS),
        BREAK(ROLE "name", "'root'", "V14: root is not product-<product>"),
        BREAK(ROLE "name", "'timestamp'", "V14: timestamp is not product-<product>"),
        BREAK(ROLE "name", "'Product-x'", "V14: Product-x is not product-<product>"),
        BREAK(ROLE "terminating", "false", "V14: product-lock must be terminating"),
        BREAK(ROLE "terminating", NULL, "V14: product-lock must be terminating"),
        BREAK(ROLE "path_hash_prefixes", "['0']",
              "V14: \"path_hash_prefixes\" is not a member known here"),
        BREAK(ROLE "threshold", "4", "V9: \"threshold\" must be an integer from 1 to 3"),
    };
    json_auto_t *document = targets_document(&keys, 1);
    CLEANUP(role_free) struct role *role = read_sound("targets", document);
    struct error err = {0};

    (void)state;
    assert_int_equal(role_authority(role, "product-lock")->threshold, 2);
    assert_each_refused("targets", document, breakages, COUNT_OF(breakages));

    json_t *roles = json_object_get(json_object_get(document, "delegations"), "roles");
    json_array_append(roles, json_array_get(roles, 0));
    CLEANUP(role_free) struct role *twice = NULL;
    assert_int_equal(role_read("targets", document, &twice, &err), -1);
    assert_string_equal(err.detail, "V14: product-lock is delegated twice");
}

#define IMAGE "targets/lock|2.1.0|app.bin/"
#define OTA IMAGE "custom/ota/"
#define LIST "targets/lock|2.1.0|app.bin.chunks/"

static const struct breakage release_breakages[] = {
    BREAK("delegations", "{}", "V14: a product delegates to nobody"),
    BREAK(IMAGE "length", "0", NO_LENGTH),
    BREAK(IMAGE "hashes/md5", "'00'", "V17: \"md5\" is not a member known here"),
    BREAK(IMAGE "hashes/sha512", NULL, "V17: \"sha512\" is required"),
    BREAK(IMAGE "hashes/sha256", "'AB'", "V17: \"sha256\" must be 64 digits of lower-case hex"),
    BREAK(IMAGE "custom", NULL, "V17: \"custom\" is required"),
    BREAK(OTA "format", "2", "V17: \"format\" must be an integer from 1 to 1"),
    BREAK(OTA "kind", "'script'", "V17: \"kind\" must be image, chunks or suit"),
    BREAK(OTA "product", "'door'", "V17: \"product\" must be lock"),
    BREAK(OTA "version", "'2.1.1'", "V17: \"version\" must be 2.1.0"),
    BREAK(OTA "component", "'App'", "V17: \"component\" is no component's name"),
    BREAK(OTA "security_version", "-1", NO_SECURITY),
    BREAK(OTA "security_version", "2147483648", NO_SECURITY),
    BREAK(OTA "security_floor", "8", "V17: \"security_floor\" is above security_version"),
    BREAK(OTA "release_counter", "0", NO_COUNTER),
    BREAK(OTA "hardware_ids", "[]", "V17: \"hardware_ids\" has 1 to 64 names"),
    BREAK(OTA "hardware_ids/0", "'*'",
          "V17: \"hardware_ids\" holds something that is no hardware id"),
    BREAK(OTA "requires", "[{'component':'boot'}]", "V17: \"min_counter\" is required"),
    BREAK(OTA "install", NULL, "V17: \"install\" is required"),
    BREAK(OTA "install/mode", "'magic'", "V17: \"mode\" must be full or delta"),
    BREAK(OTA "install/mode", "'delta'", "V17: \"base\" is required"),
    BREAK(OTA "severity", "'urgent'", "V17: \"severity\" must be security, bugfix or feature"),
    BREAK(OTA "advisories", "[1]", "V17: \"advisories\" must hold text"),
    BREAK(OTA "not_before", "'soon'", NO_BEGIN),
    BREAK(OTA "encoding", "'gzip'", "V17: \"encoding\" must be identity or aes128gcm"),
    BREAK(OTA "enc", "{}", "V17: \"encoding\" identity has no encryption header"),
    BREAK(OTA "plain", "{'length':1,'sha256':''}",
          "V17: \"sha256\" must be 64 digits of lower-case hex"),
    BREAK(OTA "chunks/count", "4", OTHER_COUNT),
    BREAK(OTA "chunks/size", "1", NO_SIZE),
    BREAK(OTA "chunks/size", "4294967296", NO_SIZE),
    BREAK(OTA "chunks/list/length", "128", OTHER_COUNT),
    BREAK(OTA "chunks/list/path", "'lock/2.1.0/other.chunks'",
          "V17: \"chunks\" must name the image's path with .chunks behind it"),
    BREAK(LIST "hashes/sha256", ZEROS, NO_LIST),
    BREAK(LIST "length", "32", NO_LIST),
    BREAK("targets/lock|2.1.0|app.bin.chunks", NULL, NO_LIST),
    BREAK("targets/lock|2.1.0|app.bin", NULL, "V17: a chunk list belongs to no image"),
};

static void a_release_entry_keeps_its_schema(void **state)
{
    json_auto_t *document = product_document(1);

    (void)state;
    add_image(document, "2.1.0", "app.bin", 7);
    CLEANUP(role_free) struct role *role = read_sound("product-lock", document);
    assert_int_equal(role->entry_count, 2);
    assert_string_equal(role->entries[0].file, "app.bin");
    assert_int_equal(role->entries[1].kind, ENTRY_CHUNKS);
    assert_each_refused("product-lock", document, release_breakages, COUNT_OF(release_breakages));
}

static void a_target_lies_under_its_own_product(void **state)
{
    static const char *const paths[] = {
        "door/2.1.0/app.bin", "lock/2.1.0", "lock/2.1.0/a/b", "lock/../app.bin",
        "lock//app.bin",      "/lock/2/a",  "locks/2/a",      "lock/2.1.0/.hidden",
        "lock/2 1/a",         "lock"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        json_auto_t *document = product_document(1);
        CLEANUP(role_free) struct role *role = NULL;
        struct error err = {0};
        json_object_set_new(json_object_get(document, "targets"), paths[i], json_object());
        assert_int_equal(role_read("product-lock", document, &role, &err), -1);
        assert_rule(err, "V15");
    }
}

static void unknown_members_are_kept(void **state)
{
    json_auto_t *document = product_document(1);

    (void)state;
    add_image(document, "2.1.0", "app.bin", 7);
    change(document, OTA "colour", "\"blue\"");
    change(document, "x-note", "{\"a\":1}");
    CLEANUP(role_free) struct role *role = read_sound("product-lock", document);
    assert_string_equal(json_string_value(json_object_get(role->entries[0].ota, "colour")), "blue");
}

static struct role_policy usual_policy(void)
{
    return (struct role_policy){
        .now = NOW, .life_max = {730 * DAY, 365 * DAY, 180 * DAY}
    };
}

static void a_new_file_lives_neither_too_short_nor_too_long(void **state)
{
    struct role_policy policy = usual_policy();
    json_auto_t *document = product_document(1);
    CLEANUP(role_free) struct role *role = read_sound("product-lock", document);
    struct error err = {0};

    (void)state;
    assert_int_equal(role_check_policy(role, &policy, &err), 0);
    role->expires_at = NOW;
    assert_int_equal(role_check_policy(role, &policy, &err), -1);
    assert_string_equal(err.detail, "V6: expires must be in the future");
    role->expires_at = NOW + 180 * DAY + 1;
    assert_int_equal(role_check_policy(role, &policy, &err), -1);
    assert_string_equal(err.detail, "V6: expires more than 180 days ahead");
}

static void one_key_decides_nothing_outside_a_lab(void **state)
{
    static const char *const offline[] = {"roles/root/threshold", "roles/targets/threshold"};
    struct role_policy policy = usual_policy();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(offline); i++) {
        json_auto_t *document = root_document(&keys, 1);
        struct error err = {0};
        change(document, offline[i], "1");
        CLEANUP(role_free) struct role *role = read_sound("root", document);
        policy.is_lab = false;
        assert_int_equal(role_check_policy(role, &policy, &err), -1);
        assert_rule(err, "V9");
        policy.is_lab = true;
        assert_int_equal(role_check_policy(role, &policy, &err), 0);
    }
}

/* -- signatures -- */

static int check_root_bytes(const struct role *previous, const struct text *bytes,
                            struct error *err)
{
    CLEANUP(envelope_clear) struct envelope envelope = {0};
    CLEANUP(role_free) struct role *role = NULL;

    if (envelope_read(bytes->at, bytes->length, role_size_max(ROLE_ROOT), &envelope, err) ||
        role_read("root", envelope.document, &role, err))
        return -1;
    return role_check_root(previous, role, &envelope, err);
}

static void a_root_is_signed_by_enough_of_its_own_keys(void **state)
{
    json_auto_t *document = root_document(&keys, 1);
    struct error err = {0};
    CLEANUP(text_clear)
    struct text good = signed_bytes(&keys, document, (const int[]){ROOT_A, ROOT_B, -1});
    CLEANUP(text_clear) struct text few = signed_bytes(&keys, document, (const int[]){ROOT_B, -1});
    CLEANUP(text_clear)
    struct text foreign = signed_bytes(&keys, document, (const int[]){ROOT_A, TARGETS_A, -1});

    (void)state;
    assert_int_equal(check_root_bytes(NULL, &good, &err), 0);
    assert_int_equal(check_root_bytes(NULL, &few, &err), -1);
    assert_int_equal(err.problem, PROBLEM_TOO_FEW_SIGNATURES);
    assert_string_equal(err.detail, "V10: 1 of 2 signatures of root");
    assert_int_equal(check_root_bytes(NULL, &foreign, &err), -1);
    assert_int_equal(err.problem, PROBLEM_BAD_SIGNATURE);
    assert_rule(err, "V10");
}

static void a_later_root_is_signed_by_the_one_before_too(void **state)
{
    json_auto_t *first = root_document(&keys, 1), *second = NULL, *skipped = NULL;
    CLEANUP(role_free) struct role *previous = read_sound("root", first);
    struct build_root wish = {
        .version = 2,
        .expires_at = NOW + 365 * DAY,
        .root = {&keys.objects[PRODUCT_A], 2, 2},
        .targets = {&keys.objects[TARGETS_A], 2, 2},
        .snapshot = {&keys.objects[SNAPSHOT],  1, 1},
        .timestamp = {&keys.objects[TIMESTAMP], 1, 1},
    };
    struct error err = {0};

    (void)state;
    assert_int_equal(build_root(&wish, &second, &err), 0);
    wish.version = 3;
    assert_int_equal(build_root(&wish, &skipped, &err), 0);
    const int both[] = {ROOT_A, ROOT_B, PRODUCT_A, PRODUCT_B, -1};
    const int new_only[] = {PRODUCT_A, PRODUCT_B, -1}, old_only[] = {ROOT_A, ROOT_B, -1};
    CLEANUP(text_clear) struct text good = signed_bytes(&keys, second, both);
    CLEANUP(text_clear) struct text by_new = signed_bytes(&keys, second, new_only);
    CLEANUP(text_clear) struct text by_old = signed_bytes(&keys, second, old_only);
    CLEANUP(text_clear) struct text too_far = signed_bytes(&keys, skipped, both);

    assert_int_equal(check_root_bytes(previous, &good, &err), 0);
    assert_int_equal(check_root_bytes(previous, &by_new, &err), -1);
    assert_int_equal(err.problem, PROBLEM_TOO_FEW_SIGNATURES);
    assert_int_equal(check_root_bytes(previous, &by_old, &err), -1);
    assert_int_equal(err.problem, PROBLEM_TOO_FEW_SIGNATURES);
    assert_int_equal(check_root_bytes(previous, &too_far, &err), -1);
    assert_string_equal(err.detail, "V5: version must be 2");
}

/* What each edit of the bytes is refused with. */
static void an_envelope_is_read_strictly(void **state)
{
    json_auto_t *document = root_document(&keys, 1);
    CLEANUP(text_clear)
    struct text good = signed_bytes(&keys, document, (const int[]){ROOT_A, ROOT_B, -1});
    const struct {
        const char *find, *put, *rule;
    } edits[] = {
        {"\"signatures\":", "\"signatures\":[],\"signatures\":", "V2" },
        {"\"version\":1",   "\"version\":1.0",                   "V2" },
        {"\"version\":1",   "\"version\":1,\"version\":1",       "V2" },
        {"\"version\":1",   "\"version\":99999999999999999999",  "V2" },
        {"\"version\":1",   "\"version\":1,\"x\":\"\\u0000\"",   "V2" },
        {"\"version\":1",   "\"version\":1,\"x\":\"\xff\"",      "V2" },
        {"{\"signatures\"", "{\"x\":1,\"signatures\"",           "V2" },
        {"{\"keyid\"",      "{\"x\":1,\"keyid\"",                "V10"},
        {"\"sig\":\"",      "\"sig\":\"XY",                      "V10"},
        {"\"keyid\":\"",    "\"keyid\":\"A",                     "V10"},
        {"\"version\":1",   "\"version\":2",                     "V5" },
        {"2027-",           "2026-",                             "V10"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(edits); i++) {
        CLEANUP(text_clear) struct text edited = {0};
        struct error err = {0};
        const char *at = strstr(good.at, edits[i].find);
        if (!at)
            fail_msg("%s is not in the envelope", edits[i].find);
        text_append_bytes(&edited, good.at, (size_t)(at - good.at));
        text_append(&edited, edits[i].put);
        text_append(&edited, at + strlen(edits[i].find));
        if (!check_root_bytes(NULL, &edited, &err) ||
            strncmp(err.detail, edits[i].rule, strlen(edits[i].rule)) != 0)
            fail_msg("%s: \"%s\", not %s", edits[i].put, err.detail, edits[i].rule);
    }
}

static void one_key_signs_once(void **state)
{
    json_auto_t *document = root_document(&keys, 1), *whole = NULL;
    CLEANUP(text_clear)
    struct text good = signed_bytes(&keys, document, (const int[]){ROOT_A, ROOT_B, -1});
    struct error err = {0};

    (void)state;
    assert_int_equal(json_read(good.at, good.length, &whole, &err), 0);
    json_t *list = json_object_get(whole, "signatures");
    json_array_set(list, 1, json_array_get(list, 0));
    char *dump = json_dumps(whole, 0);
    const struct text edited = {.at = dump, .length = strlen(dump)};
    assert_int_equal(check_root_bytes(NULL, &edited, &err), -1);
    assert_int_equal(problem_status(err.problem), 422);
    assert_rule(err, "V10");
    free(dump);
}

static void an_envelope_is_written_in_one_way(void **state)
{
    json_auto_t *document = root_document(&keys, 1);
    CLEANUP(text_clear)
    struct text one = signed_bytes(&keys, document, (const int[]){ROOT_A, ROOT_B, -1});
    CLEANUP(text_clear)
    struct text other = signed_bytes(&keys, document, (const int[]){ROOT_B, ROOT_A, -1});
    CLEANUP(text_clear) struct text payload = {0};
    struct error err;

    (void)state;
    assert_string_equal(one.at, other.at);
    assert_int_equal(canonical_sign_form(document, &payload, &err), 0);
    /* The slice rule: what stands behind "signed": up to the last brace is what was signed. */
    assert_memory_equal(one.at + one.length - 1 - payload.length, payload.at, payload.length);
    assert_memory_equal(one.at, "{\"signatures\":[{\"keyid\":\"", 25);
    assert_int_equal(one.at[one.length - 1], '}');
}

static void what_is_too_large_is_not_read(void **state)
{
    CLEANUP(envelope_clear) struct envelope envelope = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(envelope_read("{}", 2, 1, &envelope, &err), -1);
    assert_string_equal(err.detail, "V1: larger than 1 bytes");
}

/* What is refused at the next start must not be published before. */
static void signatures_have_an_end(void **state)
{
    CLEANUP(envelope_clear) struct envelope envelope = {0};
    json_auto_t *document = json_object();
    char hex[2049], keyid[KEYID_SIZE];
    struct error err = {0};

    (void)state;
    memset(hex, 'a', 2048);
    hex[2048] = '\0';
    assert_int_equal(envelope_around(document, &envelope, &err), 0);
    for (int i = 0; i < 5; i++) {
        snprintf(keyid, sizeof keyid, "%064d", i);
        assert_int_equal(envelope_add(&envelope, keyid, hex, &err), i < 4 ? 0 : -1);
    }
    assert_string_equal(err.detail, "V1: the signatures are larger than 8 KiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_says_what_and_until_when),
        cmocka_unit_test(only_the_roles_kept_here_are_read),
        cmocka_unit_test(a_root_names_four_roles_and_their_keys),
        cmocka_unit_test(a_key_counts_once_whatever_it_is_called),
        cmocka_unit_test(online_keys_sign_nothing_that_decides),
        cmocka_unit_test(no_online_key_signs_for_a_product),
        cmocka_unit_test(a_delegation_covers_one_product_wholly),
        cmocka_unit_test(a_release_entry_keeps_its_schema),
        cmocka_unit_test(a_target_lies_under_its_own_product),
        cmocka_unit_test(unknown_members_are_kept),
        cmocka_unit_test(a_new_file_lives_neither_too_short_nor_too_long),
        cmocka_unit_test(one_key_decides_nothing_outside_a_lab),
        cmocka_unit_test(a_root_is_signed_by_enough_of_its_own_keys),
        cmocka_unit_test(a_later_root_is_signed_by_the_one_before_too),
        cmocka_unit_test(an_envelope_is_read_strictly),
        cmocka_unit_test(one_key_signs_once),
        cmocka_unit_test(an_envelope_is_written_in_one_way),
        cmocka_unit_test(what_is_too_large_is_not_read),
        cmocka_unit_test(signatures_have_an_end),
    };

    return cmocka_run_group_tests(tests, make_keys, clear_keys);
}
