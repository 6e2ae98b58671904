/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/entry.h"

#include "core/text.h"
#include "trust/canonical.h"
#include "trust/rule.h"

#include <string.h>

#define HARDWARE_IDS_MAX 64
#define REQUIRES_MAX 64
#define ADVISORIES_MAX 256
#define NOTES_MAX 2048
#define LIST_SUFFIX ".chunks"

static const char rule[] = "V17";

static const char *const kind_names[] = {
    [ENTRY_IMAGE] = "image", [ENTRY_CHUNKS] = "chunks", [ENTRY_SUIT] = "suit"};

const char *entry_kind_name(enum entry_kind kind)
{
    return kind_names[kind];
}

static bool is_one_of(const char *word, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static int bad(struct error *err, const char *name, const char *why)
{
    return fail_field(err, PROBLEM_BAD_METADATA, name, "V17: \"%s\" %s", name, why);
}

/* V15: <product>/<version>/<file>, exactly three segments, under the role's own product. */
static int read_path(const char *product, const char *path, struct entry *ret, struct error *err)
{
    size_t prefix = strlen(product);
    const char *version = path + prefix + 1;

    if (strncmp(path, product, prefix) != 0 || path[prefix] != '/')
        return fail(err, PROBLEM_BAD_METADATA, "V15: %.100s does not lie under %s/", path, product);
    const char *slash = strchr(version, '/');
    if (!slash || (size_t)(slash - version) >= sizeof ret->version)
        return fail(err, PROBLEM_BAD_METADATA, "V15: %.100s is not <product>/<version>/<file>",
                    path);
    memcpy(ret->version, version, (size_t)(slash - version));
    if (!identifier_ok(IDENTIFIER_VERSION, ret->version) ||
        !identifier_ok(IDENTIFIER_FILE, slash + 1))
        return fail(err, PROBLEM_BAD_METADATA, "V15: %.100s is not <product>/<version>/<file>",
                    path);
    ret->path = path;
    ret->file = slash + 1;
    return 0;
}

static int read_same(const json_t *object, const char *name, const char *expected,
                     struct error *err)
{
    const char *text;

    if (json_get_string(object, name, &text, err))
        return rule_broken(err, rule);
    if (strcmp(text, expected) != 0)
        return fail_field(err, PROBLEM_BAD_METADATA, name, "V17: \"%s\" must be %.64s", name,
                          expected);
    return 0;
}

static int read_hardware(const json_t *ota, struct entry *ret, struct error *err)
{
    if (json_get_array(ota, "hardware_ids", &ret->hardware_ids, err))
        return rule_broken(err, rule);
    size_t count = json_array_size(ret->hardware_ids);
    if (count < 1 || count > HARDWARE_IDS_MAX)
        return bad(err, "hardware_ids", "has 1 to 64 names");
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(ret->hardware_ids, i);
        if (!json_is_string(id) || !identifier_ok(IDENTIFIER_HARDWARE, json_string_value(id)))
            return bad(err, "hardware_ids", "holds something that is no hardware id");
    }
    return 0;
}

static int read_counters(const json_t *ota, struct entry *ret, struct error *err)
{
    struct counters *c = &ret->counters;

    if (json_get_integer(ota, "security_version", 0, SECURITY_VERSION_MAX, &c->security_version,
                         err) ||
        json_get_integer(ota, "security_floor", 0, SECURITY_VERSION_MAX, &c->security_floor, err) ||
        json_get_integer(ota, "release_counter", 1, CANONICAL_INTEGER_MAX, &c->release_counter,
                         err) ||
        json_get_integer_or(ota, "rollback_of", 1, CANONICAL_INTEGER_MAX, NOT_A_ROLLBACK,
                            &ret->rollback_of, err))
        return rule_broken(err, rule);
    if (c->security_floor > c->security_version)
        return bad(err, "security_floor", "is above security_version");
    return 0;
}

static int read_requires(const json_t *ota, struct error *err)
{
    const json_t *list;

    if (json_get_array_or_none(ota, "requires", &list, err))
        return rule_broken(err, rule);
    if (json_array_size(list) > REQUIRES_MAX)
        return bad(err, "requires", "has at most 64 components");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *component;
        int64_t counter;
        if (json_get_string(item, "component", &component, err) ||
            json_get_integer(item, "min_counter", 0, CANONICAL_INTEGER_MAX, &counter, err))
            return rule_broken(err, rule);
        if (!identifier_ok(IDENTIFIER_COMPONENT, component))
            return bad(err, "requires", "names something that is no component");
    }
    return 0;
}

static int read_install(const json_t *ota, struct error *err)
{
    const json_t *install, *base;
    const char *mode, *text;
    int64_t counter;

    if (json_get_object(ota, "install", &install, err) ||
        json_get_string(install, "mode", &mode, err))
        return rule_broken(err, rule);
    if (strcmp(mode, "full") == 0)
        return 0;
    if (strcmp(mode, "delta") != 0)
        return bad(err, "mode", "must be full or delta");
    if (json_get_object(install, "base", &base, err) ||
        json_get_integer(base, "counter", 1, CANONICAL_INTEGER_MAX, &counter, err) ||
        json_get_string(install, "algo", &text, err))
        return rule_broken(err, rule);
    return rule_get_hex(base, "sha256", SHA256_SIZE, rule, &text, err);
}

/* What people read: the server stores and shows it, so it is bounded. */
static int read_words(const json_t *ota, struct entry *ret, struct error *err)
{
    static const char *const severities[] = {"security", "bugfix", "feature"};
    const json_t *advisories, *notes;
    const char *text = "";

    if (json_get_string(ota, "severity", &ret->severity, err) ||
        json_get_array_or_none(ota, "advisories", &advisories, err) ||
        json_get_object_or_none(ota, "notes", &notes, err) ||
        (notes && json_get_string(notes, "text", &text, err)))
        return rule_broken(err, rule);
    if (!is_one_of(ret->severity, severities, COUNT_OF(severities)))
        return bad(err, "severity", "must be security, bugfix or feature");
    if (strlen(text) > NOTES_MAX)
        return bad(err, "notes", "has at most 2048 bytes of text");
    if (json_array_size(advisories) > ADVISORIES_MAX)
        return bad(err, "advisories", "has at most 256 entries");
    for (size_t i = 0; i < json_array_size(advisories); i++)
        if (!json_is_string(json_array_get(advisories, i)))
            return bad(err, "advisories", "must hold text");
    return 0;
}

static int read_times(const json_t *ota, struct error *err)
{
    static const char *const names[] = {"not_before", "support_until"};
    int64_t at;

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (json_object_get(ota, names[i]) && rule_get_time(ota, names[i], rule, &at, err))
            return -1;
    return 0;
}

static int read_chunks(const json_t *ota, struct entry *ret, struct error *err)
{
    const json_t *chunks, *list;
    int64_t offset, size, count;

    if (json_get_object(ota, "chunks", &chunks, err) ||
        json_get_integer(chunks, "offset", 0, ENC_HEADER_SIZE, &offset, err) ||
        json_get_integer(chunks, "size", CHUNK_SIZE_MIN, CHUNK_SIZE_MAX, &size, err) ||
        json_get_integer(chunks, "count", 1, CANONICAL_INTEGER_MAX, &count, err) ||
        json_get_object(chunks, "list", &list, err) ||
        json_get_string(list, "path", &ret->list_path, err) ||
        json_get_integer(list, "length", 1, CANONICAL_INTEGER_MAX, &ret->list_length, err))
        return rule_broken(err, rule);
    if (rule_get_hex(list, "sha256", SHA256_SIZE, rule, &ret->list_sha256, err) ||
        chunking_of(ret->length, offset, size, &ret->chunks, err))
        return -1;
    if (ret->chunks.count != count || ret->list_length != count * SHA256_SIZE)
        return bad(err, "chunks", "counts other chunks than length, offset and size make");
    size_t length = strlen(ret->path);
    if (strncmp(ret->list_path, ret->path, length) != 0 ||
        strcmp(ret->list_path + length, LIST_SUFFIX) != 0)
        return bad(err, "chunks", "must name the image's path with .chunks behind it");
    return 0;
}

static int check_plain(const json_t *ota, int64_t length, const char *sha256, struct error *err)
{
    const json_t *plain;
    const char *plain_sha256;
    int64_t plain_length;

    if (json_get_object(ota, "plain", &plain, err) ||
        json_get_integer(plain, "length", 0, CANONICAL_INTEGER_MAX, &plain_length, err))
        return rule_broken(err, rule);
    if (rule_get_hex(plain, "sha256", SHA256_SIZE, rule, &plain_sha256, err))
        return -1;
    if (plain_length != length)
        return bad(err, "plain", "has another length than the image holds");
    if (sha256 && strcmp(sha256, plain_sha256) != 0)
        return bad(err, "plain", "has another hash than the image, which is not encrypted");
    return 0;
}

static int read_encrypted(const json_t *ota, struct entry *ret, struct error *err)
{
    uint8_t bytes[ENC_HEADER_SIZE];
    struct enc_header header;
    const json_t *enc;

    if (json_get_object(ota, "enc", &enc, err))
        return rule_broken(err, rule);
    if (rule_get_hex(enc, "header", sizeof bytes, rule, &ret->enc_header, err))
        return -1;
    if (!hex_to_bytes(ret->enc_header, bytes, sizeof bytes) ||
        enc_header_read(bytes, sizeof bytes, &header, err))
        return rule_broken(err, rule);
    if (read_same(enc, "kid", header.kid, err))
        return -1;
    if (ret->chunks.offset != ENC_HEADER_SIZE || ret->chunks.size != header.record_size)
        return bad(err, "chunks", "must be the records that the encryption header announces");
    int64_t plain = enc_plain_length(ret->length, &ret->chunks);
    if (plain < 0)
        return bad(err, "length", "ends inside a record");
    return check_plain(ota, plain, NULL, err);
}

static int read_encoding(const json_t *ota, struct entry *ret, struct error *err)
{
    const char *encoding;

    if (json_get_string(ota, "encoding", &encoding, err))
        return rule_broken(err, rule);
    if (strcmp(encoding, "aes128gcm") == 0)
        return read_encrypted(ota, ret, err);
    if (strcmp(encoding, "identity") != 0)
        return bad(err, "encoding", "must be identity or aes128gcm");
    if (ret->chunks.offset != 0 || json_object_get(ota, "enc"))
        return bad(err, "encoding", "identity has no encryption header");
    return json_object_get(ota, "plain") ? check_plain(ota, ret->length, ret->sha256, err) : 0;
}

static int read_image(const char *product, const json_t *ota, struct entry *ret, struct error *err)
{
    if (read_same(ota, "product", product, err) || read_same(ota, "version", ret->version, err))
        return -1;
    if (json_get_string(ota, "component", &ret->component, err))
        return rule_broken(err, rule);
    if (!identifier_ok(IDENTIFIER_COMPONENT, ret->component))
        return bad(err, "component", "is no component's name");
    if (read_counters(ota, ret, err) || read_hardware(ota, ret, err) || read_requires(ota, err) ||
        read_install(ota, err) || read_words(ota, ret, err) || read_times(ota, err))
        return -1;
    return read_chunks(ota, ret, err) || read_encoding(ota, ret, err) ? -1 : 0;
}

static int read_kind(const json_t *ota, enum entry_kind *ret, struct error *err)
{
    const char *name;
    int64_t format;

    if (json_get_integer(ota, "format", 1, 1, &format, err) ||
        json_get_string(ota, "kind", &name, err))
        return rule_broken(err, rule);
    for (size_t i = 0; i < COUNT_OF(kind_names); i++)
        if (strcmp(name, kind_names[i]) == 0) {
            *ret = (enum entry_kind)i;
            return 0;
        }
    return bad(err, "kind", "must be image, chunks or suit");
}

/* Every hash may become a file name, so there are these two and no other. */
static int read_hashes(const json_t *target, struct entry *ret, struct error *err)
{
    static const char *const members[] = {"sha256", "sha512", NULL};
    const json_t *hashes;

    if (json_get_object(target, "hashes", &hashes, err) || json_only_members(hashes, members, err))
        return rule_broken(err, rule);
    if (rule_get_hex(hashes, "sha256", SHA256_SIZE, rule, &ret->sha256, err))
        return -1;
    return rule_get_hex(hashes, "sha512", 64, rule, &ret->sha512, err);
}

int entry_read(const char *product, const char *path, const json_t *target, struct entry *ret,
               struct error *err)
{
    struct entry entry = {.rollback_of = NOT_A_ROLLBACK, .component = "", .severity = ""};
    const json_t *custom;

    if (read_path(product, path, &entry, err))
        return -1;
    if (!json_is_object(target))
        return fail(err, PROBLEM_BAD_METADATA, "V17: a target must be an object");
    if (json_get_integer(target, "length", 1, CANONICAL_INTEGER_MAX, &entry.length, err) ||
        json_get_object(target, "custom", &custom, err) ||
        json_get_object(custom, "ota", &entry.ota, err))
        return rule_broken(err, rule);
    if (read_hashes(target, &entry, err) || read_kind(entry.ota, &entry.kind, err))
        return -1;
    if (entry.kind != ENTRY_CHUNKS && read_image(product, entry.ota, &entry, err))
        return -1;
    *ret = entry;
    return 0;
}

size_t entries_of_version(const struct entry *first, size_t count)
{
    size_t length = 1;

    while (length < count && strcmp(first[length].version, first->version) == 0)
        length++;
    return length;
}

static int by_path(const void *path, const void *entry)
{
    return strcmp(path, ((const struct entry *)entry)->path);
}

const struct entry *entry_find(const struct entry *entries, size_t count, const char *path)
{
    return count ? bsearch(path, entries, count, sizeof *entries, by_path) : NULL;
}

int entries_check_lists(const struct entry *entries, size_t count, struct error *err)
{
    size_t images = 0, lists = 0;

    for (size_t i = 0; i < count; i++) {
        const struct entry *image = &entries[i];
        if (image->kind == ENTRY_CHUNKS) {
            lists++;
            continue;
        }
        const struct entry *list = entry_find(entries, count, image->list_path);
        if (!list || list->kind != ENTRY_CHUNKS || list->length != image->list_length ||
            strcmp(list->sha256, image->list_sha256) != 0)
            return fail(err, PROBLEM_BAD_METADATA, "V17: %.110s: its chunk list is not listed so",
                        image->path);
        images++;
    }
    if (lists != images)
        return fail(err, PROBLEM_BAD_METADATA, "V17: a chunk list belongs to no image");
    return 0;
}
