/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and signatures, ours and those that plain openssl commands make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/wait.h>

#include "trust_fixture.h"

static struct temporary place;

static int make_place(void **state)
{
    (void)state;
    temporary_folder(&place);
    return 0;
}

static int remove_place(void **state)
{
    (void)state;
    temporary_remove(&place);
    return 0;
}

static void run(const char *command)
{
    CLEANUP(text_clear) struct text line = {0};

    text_format(&line, "cd %s && { %s; } 2>/dev/null", place.folder, command);
    int status = system(line.at);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        fail_msg("failed: %s", command);
}

/* The first `room` bytes of a file in the folder. */
static size_t contents(const char *name, void *ret, size_t room)
{
    char path[80];

    snprintf(path, sizeof path, "%s/%s", place.folder, name);
    CLEANUP(close_file) FILE *in = fopen(path, "re");
    assert_non_null(in);
    return fread(ret, 1, room, in);
}

static void put(const char *name, const void *bytes, size_t count)
{
    char path[80];

    snprintf(path, sizeof path, "%s/%s", place.folder, name);
    CLEANUP(close_file) FILE *out = fopen(path, "we");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, count, out), count);
}

static const char payload[] = "{\"_type\":\"targets\",\"pem\":\"a\nb\"}";

/* Whether the file "s" is a signature over the payload by the key in "pub.pem". */
static bool openssl_signed(void)
{
    char pem[4096] = "";
    uint8_t signature[SIGNATURE_MAX];
    json_auto_t *object = NULL;
    CLEANUP(key_free) struct key *key = NULL;
    struct error err = {0};

    contents("pub.pem", pem, sizeof pem - 1);
    if (sign_key_object(pem, &object, &err) || key_read(object, &key, &err))
        fail_msg("%s %s", err.detail, err.cause);
    size_t size = contents("s", signature, sizeof signature);
    return key_verifies(key, payload, sizeof payload - 1, signature, size);
}

static void openssl_signs_with_ed25519(void **state)
{
    (void)state;
    put("payload", payload, sizeof payload - 1);
    run("openssl genpkey -algorithm ed25519 -out k.pem && openssl pkey -in k.pem -pubout -out "
        "pub.pem");
    run("openssl pkeyutl -sign -rawin -inkey k.pem -in payload -out s");
    assert_true(openssl_signed());
    run("printf x >>s");
    assert_false(openssl_signed());
}

static void openssl_signs_with_p256(void **state)
{
    (void)state;
    put("payload", payload, sizeof payload - 1);
    run("openssl ecparam -name prime256v1 -genkey -noout -out k.pem && "
        "openssl pkey -in k.pem -pubout -out pub.pem");
    run("openssl dgst -sha256 -sign k.pem -out s payload");
    assert_true(openssl_signed());
    run("cp s good; { cat good; printf x; } >s"); /* bytes behind the DER */
    assert_false(openssl_signed());
    run("openssl dgst -sha512 -sign k.pem -out s payload");
    assert_false(openssl_signed());
}

static void openssl_signs_with_rsa_pss(void **state)
{
    (void)state;
    put("payload", payload, sizeof payload - 1);
    run("openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:3072 -out k.pem && "
        "openssl pkey -in k.pem -pubout -out pub.pem");
    run("openssl dgst -sha256 -sign k.pem -sigopt rsa_padding_mode:pss "
        "-sigopt rsa_pss_saltlen:digest -out s payload");
    assert_true(openssl_signed());
    run("openssl dgst -sha256 -sign k.pem -sigopt rsa_padding_mode:pss "
        "-sigopt rsa_pss_saltlen:0 -out s payload");
    assert_false(openssl_signed());
    run("openssl dgst -sha256 -sign k.pem -out s payload"); /* PKCS#1 1.5 */
    assert_false(openssl_signed());
}

static void our_own_signatures_verify_for_every_kind(void **state)
{
    static const char *const kinds[] = {"ed25519", "ecdsa", "rsa"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        CLEANUP(text_clear) struct text pem = {0}, hex = {0};
        CLEANUP(signer_free) struct signer *signer = NULL;
        CLEANUP(key_free) struct key *key = NULL;
        struct signature signature;
        struct error err = {0};
        if (sign_make_key(kinds[i], &pem, &err) || signer_read(pem.at, &signer, &err) ||
            key_read(signer_key_object(signer), &key, &err) ||
            signer_sign(signer, payload, sizeof payload - 1, &hex, &err) ||
            signature_read(signer_keyid(signer), hex.at, &signature, &err))
            fail_msg("%s: %s %s", kinds[i], err.detail, err.cause);
        assert_string_equal(key_id(key), signer_keyid(signer));
        assert_true(
            key_verifies(key, payload, sizeof payload - 1, signature.bytes, signature.size));
        assert_false(
            key_verifies(key, payload, sizeof payload - 2, signature.bytes, signature.size));
        assert_false(
            key_verifies(key, payload, sizeof payload - 1, signature.bytes, signature.size - 1));
        signature.bytes[signature.size - 1] ^= 1;
        assert_false(
            key_verifies(key, payload, sizeof payload - 1, signature.bytes, signature.size));
    }
}

/* S and S + L are the same to a careless verifier (RFC 8032 section 5.1.7). */
static void an_ed25519_signature_has_one_form(void **state)
{
    static const uint8_t order[] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                    0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    CLEANUP(text_clear) struct text pem = {0}, hex = {0};
    CLEANUP(signer_free) struct signer *signer = NULL;
    CLEANUP(key_free) struct key *key = NULL;
    struct signature signature;
    struct error err;
    unsigned carry = 0;

    (void)state;
    assert_int_equal(sign_make_key("ed25519", &pem, &err), 0);
    assert_int_equal(signer_read(pem.at, &signer, &err), 0);
    assert_int_equal(key_read(signer_key_object(signer), &key, &err), 0);
    assert_int_equal(signer_sign(signer, payload, sizeof payload - 1, &hex, &err), 0);
    assert_int_equal(signature_read(signer_keyid(signer), hex.at, &signature, &err), 0);
    for (size_t i = 0; i < sizeof order; i++) {
        carry += signature.bytes[32 + i] + order[i];
        signature.bytes[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_false(key_verifies(key, payload, sizeof payload - 1, signature.bytes, signature.size));
}

static void the_id_of_a_key_is_the_hash_of_its_canonical_object(void **state)
{
    json_auto_t *object = json_pack(
        "{s:s, s:{s:s}, s:s}", "scheme", "ed25519", "keyval", "public",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "keytype", "ed25519");
    static const char canonical[] =
        "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":"
        "\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"},"
        "\"scheme\":\"ed25519\"}";
    CLEANUP(key_free) struct key *key = NULL;
    char id[KEYID_SIZE];
    struct error err;

    (void)state;
    assert_int_equal(key_read(object, &key, &err), 0);
    sha256_hex(canonical, sizeof canonical - 1, id);
    assert_string_equal(key_id(key), id);
}

static void assert_no_key(json_t *object, const char *detail)
{
    CLEANUP(key_free) struct key *key = NULL;
    struct error err = {0};

    assert_int_equal(key_read(object, &key, &err), -1);
    assert_string_equal(err.detail, detail);
    json_decref(object);
}

static json_t *pem_key(const char *keytype, const char *scheme)
{
    char pem[8192] = "";

    contents("pub.pem", pem, sizeof pem - 1);
    return json_pack("{s:s, s:{s:s}, s:s}", "keytype", keytype, "keyval", "public", pem, "scheme",
                     scheme);
}

static void keys_of_other_kinds_and_spellings_are_refused(void **state)
{
    static const char point[] = "V8: the key is not a point on P-256";

    (void)state;
    assert_no_key(json_pack("[]"), "V8: a key must be an object");
    assert_no_key(json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ed25519", "scheme",
                            "ecdsa-sha2-nistp256", "keyval", "public", "00"),
                  "V8: keytype ed25519 with scheme ecdsa-sha2-nistp256 is not known");
    assert_no_key(json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ed25519", "scheme", "ed25519",
                            "keyval", "public", "ABCD"),
                  "V8: the key must be 64 digits of lower-case hex");
    assert_no_key(json_pack("{s:s, s:s, s:{s:s}, s:i}", "keytype", "ed25519", "scheme", "ed25519",
                            "keyval", "public", "00", "x", 1),
                  "V8: \"x\" is not a member known here");

    run("openssl ecparam -name prime256v1 -genkey -noout | openssl pkey -pubout -out pub.pem");
    json_decref(pem_key("ecdsa", "ecdsa-sha2-nistp256"));
    run("tr -d '\\n' <pub.pem >flat; mv flat pub.pem");
    assert_no_key(pem_key("ecdsa", "ecdsa-sha2-nistp256"),
                  "V8: the key must be PEM as openssl prints it");
    run("openssl ecparam -name secp384r1 -genkey -noout | openssl pkey -pubout -out pub.pem");
    assert_no_key(pem_key("ecdsa", "ecdsa-sha2-nistp256"), point);
    run("openssl ecparam -name prime256v1 -genkey -noout -param_enc explicit | "
        "openssl pkey -pubout -out pub.pem");
    assert_no_key(pem_key("ecdsa", "ecdsa-sha2-nistp256"), point);
    run("openssl ecparam -name prime256v1 -genkey -noout -conv_form compressed | "
        "openssl pkey -pubout -ec_conv_form compressed -out pub.pem");
    assert_no_key(pem_key("ecdsa", "ecdsa-sha2-nistp256"), point);
    run("openssl genrsa 2048 | openssl pkey -pubout -out pub.pem");
    assert_no_key(pem_key("rsa", "rsassa-pss-sha256"),
                  "V8: an RSA key must have 3072 to 8192 bits");
    run("openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out pub.pem");
    assert_no_key(pem_key("rsa", "rsassa-pss-sha256"),
                  "V8: an RSA key must have 3072 to 8192 bits");
}

static void the_same_key_is_known_under_any_id(void **state)
{
    struct keyring keys = {0};
    CLEANUP(key_free) struct key *a = NULL, *again = NULL, *b = NULL;
    struct error err;

    (void)state;
    keyring_make(&keys);
    assert_int_equal(key_read(keys.objects[0], &a, &err), 0);
    assert_int_equal(key_read(keys.objects[0], &again, &err), 0);
    assert_int_equal(key_read(keys.objects[1], &b, &err), 0);
    assert_true(key_is_same(a, again));
    assert_false(key_is_same(a, b));
    keyring_clear(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_signs_with_ed25519),
        cmocka_unit_test(openssl_signs_with_p256),
        cmocka_unit_test(openssl_signs_with_rsa_pss),
        cmocka_unit_test(our_own_signatures_verify_for_every_kind),
        cmocka_unit_test(an_ed25519_signature_has_one_form),
        cmocka_unit_test(the_id_of_a_key_is_the_hash_of_its_canonical_object),
        cmocka_unit_test(keys_of_other_kinds_and_spellings_are_refused),
        cmocka_unit_test(the_same_key_is_known_under_any_id),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
