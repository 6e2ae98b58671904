/* SPDX-License-Identifier: Apache-2.0 */
/* From the first root to a withdrawn release, with a real store and real image files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>

#include "trust_fixture.h"

#include "store/artifact.h"
#include "store/audit.h"
#include "store/blob.h"
#include "store/metadata.h"
#include "store/release.h"
#include "trust/apply.h"

static struct keyring keys;
static struct error err; /* of the call before */

/* One installation. */
struct house {
    struct temporary place;
    struct blob_store *blobs;
    struct config *config;
    struct trust_request request;
};

static int open_house(void **state)
{
    struct house *house = calloc(1, sizeof *house);

    assert_non_null(house);
    temporary_folder(&house->place);
    temporary_open(&house->place);
    const struct blob_options options = {.state_folder = house->place.folder};
    if (blob_store_open(&options, &house->blobs, &err) ||
        config_defaults(house->place.folder, &house->config, &err))
        fail_msg("%s %s", err.detail, err.cause);
    house->request = (struct trust_request){
        .store = house->place.store,
        .config = house->config,
        .tenant_row = 1,
        .now = NOW,
        .who = {.actor_kind = "operator", .actor = "ann", .source = "127.0.0.1", .request = "r1"},
    };
    *state = house;
    return 0;
}

static int close_house(void **state)
{
    struct house *house = *state;

    blob_store_close(&house->blobs);
    config_free(&house->config);
    temporary_remove(&house->place);
    free(house);
    return 0;
}

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

#define OK(call)                                                                                   \
    do {                                                                                           \
        err = (struct error){0};                                                                   \
        if (call)                                                                                  \
            fail_msg("%s: %s %s", #call, err.detail, err.cause);                                   \
    } while (0)
#define REFUSED(call, problem_, detail_)                                                           \
    do {                                                                                           \
        err = (struct error){0};                                                                   \
        assert_int_equal(call, -1);                                                                \
        assert_string_equal(err.detail, detail_);                                                  \
        assert_int_equal(err.problem, problem_);                                                   \
    } while (0)

/* -- images -- */

struct image {
    struct artifact artifact, list;
};

static int keep_image(struct tx *tx, void *arg, struct error *ret_err)
{
    const struct image *image = arg;

    return artifact_keep(tx, &image->list, ret_err) || artifact_keep(tx, &image->artifact, ret_err)
               ? -1
               : 0;
}

static void take(struct artifact *artifact, const struct blob_digests *digests)
{
    artifact->size = digests->size;
    artifact->created_at = NOW;
    memcpy(artifact->sha256, digests->sha256, sizeof artifact->sha256);
    memcpy(artifact->sha512, digests->sha512, sizeof artifact->sha512);
    memcpy(artifact->sha1, digests->sha1, sizeof artifact->sha1);
    memcpy(artifact->md5, digests->md5, sizeof artifact->md5);
}

/* Stores bytes as a finished upload does. */
static struct image store_bytes(struct house *house, const uint8_t *bytes, size_t count,
                                bool is_encrypted)
{
    struct image image = {
        .artifact = {.chunk_size = 4096, .has_list = true},
          .list = {.chunk_count = 1                 }
    };
    struct blob_digests digests, list_digests;
    struct blob_chunks chunks = {.offset = is_encrypted ? ENC_HEADER_SIZE : 0, .size = 4096};
    int64_t length;
    int fd;

    if (is_encrypted) {
        image.artifact.is_encrypted = true;
        image.artifact.chunk_offset = image.artifact.enc_header_size = ENC_HEADER_SIZE;
        memcpy(image.artifact.enc_header, bytes, ENC_HEADER_SIZE);
    }
    OK(upload_open(house->blobs, "u", true, &fd, &length, &err));
    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
    OK(upload_digest(house->blobs, "u", &digests, &chunks, &err));
    OK(blob_put(house->blobs, chunks.list, (size_t)chunks.count * SHA256_SIZE, &list_digests,
                &err));
    OK(blob_adopt(house->blobs, "u", &digests, &err));
    take(&image.artifact, &digests);
    take(&image.list, &list_digests);
    image.list.chunk_size = image.list.size;
    image.artifact.chunk_count = chunks.count;
    memcpy(image.artifact.list_sha256, list_digests.sha256, SHA256_SIZE);
    free(chunks.list);
    OK(store_write(house->place.store, keep_image, &image, &err));
    return image;
}

/* 10000 bytes that all are `filling`. */
static struct image store_image(struct house *house, int filling)
{
    uint8_t bytes[10000];

    memset(bytes, filling, sizeof bytes);
    return store_bytes(house, bytes, sizeof bytes, false);
}

/* -- drafts -- */

static void sign_draft(struct house *house, const char *id, int by)
{
    CLEANUP(draft_clear) struct draft draft = {0};
    CLEANUP(text_clear) struct text hex = {0};
    CLEANUP(tx_end) struct tx tx = {0};

    OK(tx_read(&tx, house->place.store, &err));
    OK(draft_get(&tx, 1, id, &draft, &err));
    tx_end(&tx);
    OK(signer_sign(keys.signers[by], draft.payload, draft.length, &hex, &err));
    OK(trust_sign_draft(&house->request, id, signer_keyid(keys.signers[by]), hex.at, &err));
}

static struct publication publish(struct house *house, const char *id)
{
    struct publication publication = {0};

    OK(trust_publish_draft(&house->request, house->blobs, id, &publication, &err));
    return publication;
}

static void publish_document(struct house *house, const char *role, json_t *document, int first_key)
{
    char id[DRAFT_ID_SIZE];

    OK(trust_make_draft(&house->request, role, document, id, &err));
    sign_draft(house, id, first_key);
    sign_draft(house, id, first_key + 1);
    CLEANUP(publication_clear) struct publication publication = publish(house, id);
    assert_string_equal(publication.role, role);
}

/* Root and targets, as otactl init makes them. */
static void found(struct house *house)
{
    json_auto_t *root = root_document(&keys, 1), *targets = targets_document(&keys, 1);
    CLEANUP(text_clear)
    struct text bytes = signed_bytes(&keys, root, (const int[]){ROOT_A, ROOT_B, -1});

    OK(trust_publish_root(&house->request, bytes.at, bytes.length, &err));
    publish_document(house, "targets", targets, TARGETS_A);
}

struct wished {
    const char *version;
    int64_t security_version, security_floor;
};

static int try_draft(struct house *house, const struct image *image, const struct wished *wished,
                     char ret_id[DRAFT_ID_SIZE], struct error *ret_err)
{
    json_auto_t *hardware = json_pack("[s]", "lock-r2");
    struct release_wish wish = {
        .product = "lock",
        .version = wished->version,
        .severity = "bugfix",
        .expires_at = NOW + 90 * DAY,
        .file_count = 1,
    };
    size_t fault;

    wish.files[0] = (struct release_file){
        .component = "app",
        .file = "app.bin",
        .security_version = wished->security_version,
        .security_floor = wished->security_floor,
        .hardware_ids = hardware,
        .plain_sha256 = image->artifact.is_encrypted
                            ? "0000000000000000000000000000000000000000000000000000000000000000"
                            : NULL,
    };
    memcpy(wish.files[0].artifact, image->artifact.sha256, SHA256_SIZE);
    return trust_draft_release(&house->request, &wish, &fault, ret_id, ret_err);
}

static void draft(struct house *house, const struct image *image, const char *version,
                  char ret_id[DRAFT_ID_SIZE])
{
    const struct wished wished = {version, -1, -1};

    OK(try_draft(house, image, &wished, ret_id, &err));
}

static void release(struct house *house, int filling, const char *version)
{
    struct image image = store_image(house, filling);
    char id[DRAFT_ID_SIZE];

    draft(house, &image, version, id);
    sign_draft(house, id, PRODUCT_A);
    sign_draft(house, id, PRODUCT_C);
    CLEANUP(publication_clear) struct publication publication = publish(house, id);
    assert_int_equal(json_array_size(publication.releases), 1);
}

static struct release find_release(struct house *house, const char *id)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct release found_release = {0};

    OK(tx_read(&tx, house->place.store, &err));
    assert_int_equal(release_by_id(&tx, 1, id, &found_release, &err), STEP_ROW);
    return found_release;
}

static json_t *latest_document(struct house *house, const char *role)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(metadata_clear) struct metadata metadata = {0};
    CLEANUP(envelope_clear) struct envelope envelope = {0};

    OK(tx_read(&tx, house->place.store, &err));
    assert_int_equal(metadata_find(&tx, 1, role, 0, &metadata, &err), STEP_ROW);
    OK(envelope_read(metadata.bytes, metadata.length, 2 * MIB, &envelope, &err));
    return json_deep_copy(envelope.document);
}

/* -- cases -- */

static void a_root_is_taken_once(void **state)
{
    struct house *house = *state;
    json_auto_t *root = root_document(&keys, 1);
    CLEANUP(text_clear)
    struct text few = signed_bytes(&keys, root, (const int[]){ROOT_A, -1});
    CLEANUP(text_clear)
    struct text bytes = signed_bytes(&keys, root, (const int[]){ROOT_A, ROOT_B, -1});

    OK(trust_check_store(house->place.store, &err));
    REFUSED(trust_publish_root(&house->request, few.at, few.length, &err),
            PROBLEM_TOO_FEW_SIGNATURES, "V10: 1 of 2 signatures of root");
    OK(trust_publish_root(&house->request, bytes.at, bytes.length, &err));
    REFUSED(trust_publish_root(&house->request, bytes.at, bytes.length, &err),
            PROBLEM_ALREADY_EXISTS, "V5: there is a root already, version 1");
    OK(trust_check_store(house->place.store, &err));
}

static void nothing_is_drafted_without_somebody_to_sign_it(void **state)
{
    struct house *house = *state;
    json_auto_t *targets = targets_document(&keys, 1), *product = product_document(1);
    struct image image = store_image(house, 1);
    const struct wished wished = {"1.0", -1, -1};
    char id[DRAFT_ID_SIZE];

    REFUSED(trust_make_draft(&house->request, "targets", targets, id, &err), PROBLEM_BAD_METADATA,
            "V10: there is no root yet that delegates to targets");
    REFUSED(try_draft(house, &image, &wished, id, &err), PROBLEM_NOT_FOUND,
            "nobody may sign for product lock");
    found(house);
    REFUSED(trust_make_draft(&house->request, "product-door", product, id, &err),
            PROBLEM_BAD_METADATA, "V14: product-door is not delegated");
    REFUSED(trust_make_draft(&house->request, "root", product, id, &err), PROBLEM_BAD_METADATA,
            "V3: _type targets is not that of root");
}

static void a_release_is_what_enough_people_signed(void **state)
{
    struct house *house = *state;
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(target_clear) struct target image = {0}, list = {0};

    found(house);
    release(house, 1, "1.0");
    struct release made = find_release(house, "lock:1.0");
    assert_int_equal(made.state, RELEASE_PUBLISHED);
    assert_int_equal(made.release_counter, 1);
    assert_int_equal(made.metadata_version, 1);
    assert_string_equal(made.severity, "bugfix");
    assert_int_equal(tx_read(&tx, house->place.store, &err), 0);
    assert_int_equal(target_by_path(&tx, 1, "lock/1.0/app.bin", &image, &err), STEP_ROW);
    assert_int_equal(image.size, 10000);
    assert_string_equal(image.hardware_ids, "[\"lock-r2\"]");
    assert_int_equal(target_by_path(&tx, 1, "lock/1.0/app.bin.chunks", &list, &err), STEP_ROW);
    assert_int_equal(list.size, 3 * SHA256_SIZE);
    assert_string_equal(list.kind, "chunks");
    tx_end(&tx);
    OK(trust_check_store(house->place.store, &err));
}

static void signatures_are_looked_at_when_they_come(void **state)
{
    struct house *house = *state;
    struct image image = store_image(house, 1);
    char id[DRAFT_ID_SIZE], zeros[129], unknown[65];
    const char *keyid = signer_keyid(keys.signers[PRODUCT_A]);

    found(house);
    draft(house, &image, "1.0", id);
    memset(zeros, '0', 128);
    zeros[128] = '\0';
    memset(unknown, 'a', 64);
    unknown[64] = '\0';
    assert_int_equal(trust_sign_draft(&house->request, id, keyid, zeros, &err), -1);
    assert_int_equal(err.problem, PROBLEM_BAD_SIGNATURE);
    assert_int_equal(trust_sign_draft(&house->request, id, unknown, zeros, &err), -1);
    assert_int_equal(err.problem, PROBLEM_BAD_SIGNATURE);
    REFUSED(trust_sign_draft(&house->request, id, "xyz", zeros, &err), PROBLEM_BAD_METADATA,
            "V10: a keyid is 64 digits of lower-case hex");
    REFUSED(trust_sign_draft(&house->request, "nosuchdraft", keyid, zeros, &err),
            PROBLEM_NO_SUCH_DRAFT, "draft nosuchdraft");
}

static void too_few_signatures_publish_nothing(void **state)
{
    struct house *house = *state;
    struct image image = store_image(house, 1);
    struct publication publication = {0};
    CLEANUP(text_clear) struct text hex = {0};
    CLEANUP(draft_clear) struct draft made = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    char id[DRAFT_ID_SIZE];

    found(house);
    draft(house, &image, "1.0", id);
    sign_draft(house, id, PRODUCT_B);
    REFUSED(trust_publish_draft(&house->request, house->blobs, id, &publication, &err),
            PROBLEM_TOO_FEW_SIGNATURES, "V10: 1 of 2 signatures of product-lock");
    assert_int_equal(ask(house->place.store, "SELECT COUNT(*) FROM release"), 0);
    assert_int_equal(ask(house->place.store, "SELECT COUNT(*) FROM metadata"), 2);

    /* The same key again is not a second one. */
    OK(tx_read(&tx, house->place.store, &err));
    OK(draft_get(&tx, 1, id, &made, &err));
    tx_end(&tx);
    OK(signer_sign(keys.signers[PRODUCT_B], made.payload, made.length, &hex, &err));
    assert_int_equal(
        trust_sign_draft(&house->request, id, signer_keyid(keys.signers[PRODUCT_B]), hex.at, &err),
        -1);
    assert_int_equal(err.problem, PROBLEM_ALREADY_EXISTS);
}

static void an_image_that_changed_on_disk_is_not_published(void **state)
{
    struct house *house = *state;
    struct image image = store_image(house, 1);
    struct publication publication = {0};
    char id[DRAFT_ID_SIZE], hex[SHA256_HEX_SIZE], path[160];

    found(house);
    draft(house, &image, "1.0", id);
    sign_draft(house, id, PRODUCT_A);
    sign_draft(house, id, PRODUCT_B);
    hex_from_bytes(image.artifact.sha256, SHA256_SIZE, hex);
    snprintf(path, sizeof path, "%s/blobs/%.2s/%s", house->place.folder, hex, hex);
    assert_int_equal(chmod(path, 0600), 0);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 9999), 1);
    close(fd);
    REFUSED(trust_publish_draft(&house->request, house->blobs, id, &publication, &err),
            PROBLEM_BAD_METADATA, "V16: lock/1.0/app.bin: the stored image has changed");
    assert_int_equal(unlink(path), 0);
    REFUSED(trust_publish_draft(&house->request, house->blobs, id, &publication, &err),
            PROBLEM_BAD_METADATA, "V16: lock/1.0/app.bin: the stored image cannot be read");
}

static void metadata_must_say_what_is_stored(void **state)
{
#define AT "targets/lock|1.0|app.bin/"
#define IMAGE "V16: lock/1.0/app.bin: "
#define AS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 64 of them */
    static const struct {
        const char *path, *json, *detail;
    } edits[] = {
        {AT "hashes/sha256", "'" AS "'",    IMAGE "no image with this hash is stored"   },
        {AT "hashes/sha512", "'" AS AS "'", IMAGE "the stored image has another SHA-512"},
        {AT "length",        "10001",       IMAGE "the stored image has another length" },
    };
    struct house *house = *state;
    struct image image = store_image(house, 1);
    CLEANUP(draft_clear) struct draft made = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *sound = NULL;
    char id[DRAFT_ID_SIZE];

    found(house);
    draft(house, &image, "1.0", id);
    OK(tx_read(&tx, house->place.store, &err));
    OK(draft_get(&tx, 1, id, &made, &err));
    tx_end(&tx);
    OK(canonical_read(made.payload, made.length, &sound, &err));
    for (size_t i = 0; i < COUNT_OF(edits); i++) {
        json_auto_t *document = json_deep_copy(sound);
        change(document, edits[i].path, edits[i].json);
        REFUSED(trust_make_draft(&house->request, "product-lock", document, id, &err),
                PROBLEM_BAD_METADATA, edits[i].detail);
    }
    /* Cut otherwise, consistent in itself. */
    json_auto_t *document = json_deep_copy(sound);
    change(document, AT "custom/ota/chunks/size", "8192");
    change(document, AT "custom/ota/chunks/count", "2");
    change(document, AT "custom/ota/chunks/list/length", "64");
    change(document, "targets/lock|1.0|app.bin.chunks/length", "64");
    REFUSED(trust_make_draft(&house->request, "product-lock", document, id, &err),
            PROBLEM_BAD_METADATA,
            "V16: lock/1.0/app.bin: the stored image is cut into other chunks");
}

static void the_next_release_keeps_the_others_and_counts_on(void **state)
{
    struct house *house = *state;

    found(house);
    release(house, 1, "1.0");
    release(house, 2, "1.1");
    assert_int_equal(find_release(house, "lock:1.0").state, RELEASE_PUBLISHED);
    assert_int_equal(find_release(house, "lock:1.0").metadata_version, 2);
    assert_int_equal(find_release(house, "lock:1.1").release_counter, 2);
    OK(trust_check_store(house->place.store, &err));
}

static void a_version_is_the_next_one(void **state)
{
    struct house *house = *state;
    json_auto_t *skipped = NULL, *again = NULL;
    char id[DRAFT_ID_SIZE];

    found(house);
    release(house, 1, "1.0");
    json_auto_t *before = latest_document(house, "product-lock");
    OK(build_product(before, 3, NOW + DAY, &skipped, &err));
    OK(build_product(before, 1, NOW + DAY, &again, &err));
    REFUSED(trust_make_draft(&house->request, "product-lock", skipped, id, &err),
            PROBLEM_BAD_METADATA, "V5: version must be 2");
    REFUSED(trust_make_draft(&house->request, "product-lock", again, id, &err),
            PROBLEM_BAD_METADATA, "V5: version must be 2");
}

/* Two drafts of one version: signed both, published one. */
static void of_two_drafts_one_wins(void **state)
{
    struct house *house = *state;
    struct image image = store_image(house, 1), other = store_image(house, 2);
    struct publication nothing = {0};
    char id[DRAFT_ID_SIZE], late[DRAFT_ID_SIZE];

    found(house);
    draft(house, &image, "1.0", id);
    draft(house, &other, "1.1", late);
    for (int by = PRODUCT_A; by <= PRODUCT_B; by++) {
        sign_draft(house, id, by);
        sign_draft(house, late, by);
    }
    CLEANUP(publication_clear) struct publication publication = publish(house, id);
    REFUSED(trust_publish_draft(&house->request, house->blobs, late, &nothing, &err),
            PROBLEM_BAD_METADATA, "V5: version must be 2");
    REFUSED(trust_publish_draft(&house->request, house->blobs, id, &nothing, &err),
            PROBLEM_WRONG_STATE, "the draft is published already");
}

static void what_is_no_longer_listed_is_withdrawn(void **state)
{
    struct house *house = *state;
    json_auto_t *next = NULL;
    char id[DRAFT_ID_SIZE];

    found(house);
    release(house, 1, "1.0");
    release(house, 2, "1.1");
    json_auto_t *before = latest_document(house, "product-lock");
    OK(build_product(before, 3, NOW + DAY, &next, &err));
    change(next, "targets/lock|1.0|app.bin", NULL);
    change(next, "targets/lock|1.0|app.bin.chunks", NULL);
    OK(trust_make_draft(&house->request, "product-lock", next, id, &err));
    sign_draft(house, id, PRODUCT_B);
    sign_draft(house, id, PRODUCT_C);
    CLEANUP(publication_clear) struct publication publication = publish(house, id);
    assert_int_equal(json_array_size(publication.releases), 0);
    assert_string_equal(json_string_value(json_array_get(publication.withdrawn, 0)), "lock:1.0");
    assert_int_equal(publication.withdrawn_count, 1);
    assert_int_equal(publication.withdrawn_rows[0], find_release(house, "lock:1.0").row_id);
    assert_int_equal(find_release(house, "lock:1.0").state, RELEASE_WITHDRAWN);
    assert_int_equal(find_release(house, "lock:1.1").state, RELEASE_PUBLISHED);
    assert_int_equal(ask(house->place.store,
                         "SELECT COUNT(*) FROM event WHERE kind = 'release.state' AND "
                         "to_state = 'withdrawn' AND detail = 'lock:1.0'"),
                     1);
    OK(trust_check_store(house->place.store, &err));
}

static void a_released_path_never_gets_another_content(void **state)
{
    struct house *house = *state;
    struct image other = store_image(house, 2);
    const struct wished wished = {"1.0", -1, -1};
    char id[DRAFT_ID_SIZE];
    json_auto_t *empty = NULL;

    found(house);
    release(house, 1, "1.0");
    REFUSED(try_draft(house, &other, &wished, id, &err), PROBLEM_ALREADY_EXISTS,
            "lock/1.0/app.bin is released already");
    /* Nor after it was withdrawn. */
    OK(build_product(NULL, 2, NOW + DAY, &empty, &err));
    publish_document(house, "product-lock", empty, PRODUCT_A);
    REFUSED(try_draft(house, &other, &wished, id, &err), PROBLEM_BAD_METADATA,
            "V18: lock/1.0/app.bin was published with another content");
}

static void keys_may_change_while_they_vouch_for_what_is_out(void **state)
{
    struct house *house = *state;
    const json_t *kept[] = {keys.objects[PRODUCT_C], keys.objects[PRODUCT_A]};
    const json_t *foreign[] = {keys.objects[ROOT_A], keys.objects[ROOT_B]};
    const struct build_delegation good =
                                      {
                                          "lock", {kept, 2, 2}
    },
                                  bad = {"lock", {foreign, 2, 2}};
    json_auto_t *good_json = NULL, *bad_json = NULL, *none = NULL;
    char id[DRAFT_ID_SIZE];

    found(house);
    release(house, 1, "1.0"); /* signed by A and C */
    OK(build_targets(2, NOW + DAY, &bad, 1, &bad_json, &err));
    OK(build_targets(2, NOW + DAY, &good, 1, &good_json, &err));
    OK(build_targets(2, NOW + DAY, NULL, 0, &none, &err));
    REFUSED(trust_make_draft(&house->request, "targets", bad_json, id, &err), PROBLEM_BAD_METADATA,
            "V14: these keys would no longer vouch for product-lock version 1");
    REFUSED(trust_make_draft(&house->request, "targets", none, id, &err), PROBLEM_BAD_METADATA,
            "V14: product-lock is published and must stay delegated");
    publish_document(house, "targets", good_json, TARGETS_A);
    OK(trust_check_store(house->place.store, &err));
}

static void an_encrypted_image_is_released_as_it_is(void **state)
{
    struct house *house = *state;
    uint8_t bytes[ENC_HEADER_SIZE + 2 * 4096 + 100] = {[18] = 0x10, [20] = KID_LENGTH};
    char id[DRAFT_ID_SIZE];

    memcpy(bytes + 21, "k-000102030405060708090a0b0c0d0e0f", KID_LENGTH);
    struct image image = store_bytes(house, bytes, sizeof bytes, true);
    found(house);
    draft(house, &image, "1.0", id);
    sign_draft(house, id, PRODUCT_A);
    sign_draft(house, id, PRODUCT_B);
    CLEANUP(publication_clear) struct publication publication = publish(house, id);
    json_auto_t *document = latest_document(house, "product-lock");
    json_t *ota = json_object_get(
        json_object_get(json_object_get(json_object_get(document, "targets"), "lock/1.0/app.bin"),
                        "custom"),
        "ota");
    assert_string_equal(json_string_value(json_object_get(json_object_get(ota, "enc"), "kid")),
                        "k-000102030405060708090a0b0c0d0e0f");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(ota, "plain"), "length")),
                     2 * 4096 + 100 - 3 * 17);
    change(document, "targets/lock|1.0|app.bin/custom/ota/plain/length", "10");
    change(document, "version", "2");
    REFUSED(trust_make_draft(&house->request, "product-lock", document, id, &err),
            PROBLEM_BAD_METADATA, "V17: \"plain\" has another length than the image holds");
}

static int break_image(struct tx *tx, void *arg, struct error *ret_err)
{
    const struct image *image = arg;

    return artifact_mark_broken(tx, image->artifact.sha256, NOW, ret_err);
}

static void a_broken_image_quarantines_its_releases_until_it_is_whole(void **state)
{
    struct house *house = *state;
    const struct wished wished = {"1.1", -1, -1};
    char id[DRAFT_ID_SIZE];

    found(house);
    release(house, 1, "1.0");
    struct image other = store_image(house, 2), image = store_image(house, 1);
    OK(store_write(house->place.store, break_image, &image, &err));
    assert_int_equal(find_release(house, "lock:1.0").state, RELEASE_QUARANTINED);
    REFUSED(try_draft(house, &other, &wished, id, &err), PROBLEM_BAD_METADATA,
            "V16: lock/1.0/app.bin: the stored image is broken");
    OK(store_write(house->place.store, keep_image, &image, &err));
    assert_int_equal(find_release(house, "lock:1.0").state, RELEASE_PUBLISHED);
}

#define TARGETS "stored targets version 1: "
#define PRODUCT "stored product-lock version 1: "
#define ROW_DIFFERS PRODUCT "lock/1.0/app.bin: its row differs"
#define NO_ROOT TARGETS "V10: there is no root"
#define ALTER_LENGTH                                                                               \
    "UPDATE metadata SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"length\":10000', "           \
    "'\"length\":10001') AS BLOB) WHERE role = 'product-lock'"

static void what_was_altered_in_the_database_stops_the_start(void **state)
{
    static const struct {
        const char *sql, *detail;
    } damages[] = {
        {ALTER_LENGTH,                                                       PRODUCT    },
        {"UPDATE metadata SET sha256 = zeroblob(32) WHERE role = 'targets'", TARGETS    },
        {"DELETE FROM metadata WHERE role = 'root'",                         NO_ROOT    },
        {"UPDATE target SET custom = '{}' WHERE kind = 'image'",             ROW_DIFFERS},
        {"UPDATE target SET artifact_row = 1",                               ROW_DIFFERS},
        {"UPDATE target SET security_version = 9 WHERE kind = 'image'",      ROW_DIFFERS},
    };

    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        assert_int_equal(open_house(state), 0);
        struct house *house = *state;
        found(house);
        release(house, 1, "1.0");
        OK(trust_check_store(house->place.store, &err));
        execute(house->place.store, damages[i].sql);
        assert_int_equal(trust_check_store(house->place.store, &err), -1);
        if (strncmp(err.detail, damages[i].detail, strlen(damages[i].detail)) != 0)
            fail_msg("%s: \"%s\"", damages[i].sql, err.detail);
        close_house(state);
    }
}

/* An attacker with the database but without keys can also make the hash fit. */
static void a_forged_file_with_a_fitting_hash_stops_the_start_too(void **state)
{
    struct house *house = *state;
    json_auto_t *forged = targets_document(&keys, 1);
    CLEANUP(text_clear)
    struct text bytes = signed_bytes(&keys, forged, (const int[]){PRODUCT_A, PRODUCT_B, -1});
    CLEANUP(text_clear) struct text sql = {0};
    uint8_t hash[SHA256_SIZE];

    found(house);
    sha256(bytes.at, bytes.length, hash);
    text_append(&sql, "UPDATE metadata SET bytes = x'");
    text_hex(&sql, bytes.at, bytes.length);
    text_append(&sql, "', sha256 = x'");
    text_hex(&sql, hash, sizeof hash);
    text_append(&sql, "' WHERE role = 'targets'");
    execute(house->place.store, sql.at);
    assert_int_equal(trust_check_store(house->place.store, &err), -1);
    assert_memory_equal(err.detail, "stored targets version 1: V10: key ", 35);
}

static void every_step_is_in_the_audit_log(void **state)
{
    struct house *house = *state;
    CLEANUP(tx_end) struct tx tx = {0};
    int64_t last, bad;

    found(house);
    release(house, 1, "1.0");
    OK(tx_read(&tx, house->place.store, &err));
    OK(audit_verify(&tx, &last, &bad, &err));
    assert_int_equal(bad, 0);
    /* root; targets: draft, two signatures, publish; product: the same. */
    assert_int_equal(last, 9);
    assert_int_equal(
        ask_in(&tx, "SELECT COUNT(*) FROM audit WHERE action = 'tuf.sign' AND actor = 'ann'"), 4);
}

static void open_drafts_are_limited(void **state)
{
    struct house *house = *state;
    struct image image = store_image(house, 1);
    const struct wished wished = {"1.0", -1, -1};
    char id[DRAFT_ID_SIZE];

    found(house);
    for (int i = 0; i < 64; i++)
        draft(house, &image, "1.0", id);
    REFUSED(try_draft(house, &image, &wished, id, &err), PROBLEM_TOO_MANY,
            "64 drafts are open; publish or delete some");
    OK(trust_drop_draft(&house->request, id, &err));
    draft(house, &image, "1.0", id);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_root_is_taken_once),
        CASE(nothing_is_drafted_without_somebody_to_sign_it),
        CASE(a_release_is_what_enough_people_signed),
        CASE(signatures_are_looked_at_when_they_come),
        CASE(too_few_signatures_publish_nothing),
        CASE(an_image_that_changed_on_disk_is_not_published),
        CASE(metadata_must_say_what_is_stored),
        CASE(the_next_release_keeps_the_others_and_counts_on),
        CASE(a_version_is_the_next_one),
        CASE(of_two_drafts_one_wins),
        CASE(what_is_no_longer_listed_is_withdrawn),
        CASE(a_released_path_never_gets_another_content),
        CASE(keys_may_change_while_they_vouch_for_what_is_out),
        CASE(an_encrypted_image_is_released_as_it_is),
        CASE(a_broken_image_quarantines_its_releases_until_it_is_whole),
        cmocka_unit_test(what_was_altered_in_the_database_stops_the_start),
        CASE(a_forged_file_with_a_fitting_hash_stops_the_start_too),
        CASE(every_step_is_in_the_audit_log),
        CASE(open_drafts_are_limited),
    };

    return cmocka_run_group_tests(tests, make_keys, clear_keys);
}
