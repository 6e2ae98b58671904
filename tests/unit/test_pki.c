/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"
#include "core/digest.h"
#include "core/text.h"
#include "tls/certificate.h"
#include "tls/pki.h"

#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/otad-pki-XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"ca.crt",  "ca.key", "a.crt", "a.key",
                                        "new.key", "s.crt",  "s.key"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

static int verify(X509 *certificate, X509 *authority, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();

    X509_STORE_add_cert(store, authority);
    X509_STORE_CTX_init(context, store, certificate, NULL);
    X509_STORE_CTX_set_purpose(context, purpose);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
    int ok = X509_verify_cert(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return ok;
}

static void make_authority(struct pki_issuer **ret, X509 **ret_certificate)
{
    const struct pki_request request = {PKI_CA, "test CA", NULL, 30};
    CLEANUP(private_key_free) EVP_PKEY *key = NULL;
    struct error err;

    assert_int_equal(pki_issue(NULL, &request, ret_certificate, &key, &err), 0);
    assert_int_equal(pki_issuer_from(*ret_certificate, key, ret, &err), 0);
}

static void each_purpose_verifies_strictly_and_only_for_itself(void **state)
{
    static const struct {
        enum pki_purpose purpose;
        int good, bad;
    } cases[] = {
        {PKI_SERVER,   X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT},
        {PKI_DEVICE,   X509_PURPOSE_SSL_CLIENT, X509_PURPOSE_SSL_SERVER},
        {PKI_OPERATOR, X509_PURPOSE_SSL_CLIENT, X509_PURPOSE_SSL_SERVER},
    };
    CLEANUP(pki_issuer_close) struct pki_issuer *issuer = NULL;
    CLEANUP(certificate_free) X509 *authority = NULL;

    (void)state;
    make_authority(&issuer, &authority);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct pki_request request = {cases[i].purpose, "one", "one.example", 10};
        CLEANUP(certificate_free) X509 *certificate = NULL;
        CLEANUP(private_key_free) EVP_PKEY *key = NULL;
        struct error err;

        assert_int_equal(pki_issue(issuer, &request, &certificate, &key, &err), 0);
        assert_int_equal(verify(certificate, authority, cases[i].good), 1);
        assert_int_equal(verify(certificate, authority, cases[i].bad), 0);
        assert_int_equal(X509_check_private_key(certificate, key), 1);
        assert_int_equal(X509_check_ca(certificate), 0);
    }
}

static void a_server_answers_to_its_names_and_addresses(void **state)
{
    const struct pki_request request = {PKI_SERVER, "s", "localhost ota.example 127.0.0.1 ::1", 10};
    CLEANUP(pki_issuer_close) struct pki_issuer *issuer = NULL;
    CLEANUP(certificate_free) X509 *authority = NULL, *certificate = NULL;
    CLEANUP(private_key_free) EVP_PKEY *key = NULL;
    struct error err;

    (void)state;
    make_authority(&issuer, &authority);
    assert_int_equal(pki_issue(issuer, &request, &certificate, &key, &err), 0);
    assert_int_equal(X509_check_host(certificate, "ota.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(certificate, "other.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(certificate, "10.0.0.1", 0), 0);
}

static void what_is_described_is_what_was_asked_for(void **state)
{
    const struct pki_request request = {PKI_DEVICE, "dev-00001", NULL, 10};
    CLEANUP(pki_issuer_close) struct pki_issuer *issuer = NULL;
    CLEANUP(certificate_free) X509 *authority = NULL, *certificate = NULL;
    CLEANUP(private_key_free) EVP_PKEY *key = NULL;
    int64_t now = clock_wall();
    struct peer peer = {0};
    struct error err;

    (void)state;
    make_authority(&issuer, &authority);
    assert_int_equal(pki_issue(issuer, &request, &certificate, &key, &err), 0);
    assert_true(certificate_describe(certificate, &peer));
    assert_string_equal(peer.common_name, "dev-00001");
    assert_int_equal(strlen(peer.serial), 32);
    assert_true(peer.not_before <= now - 3600 && peer.not_before >= now - 3605);
    assert_true(peer.not_after >= now + 10 * 86400 && peer.not_after <= now + 10 * 86400 + 5);
}

static void a_leaf_ends_with_its_issuer(void **state)
{
    const struct pki_request request = {PKI_DEVICE, "dev", NULL, 4000};
    CLEANUP(pki_issuer_close) struct pki_issuer *issuer = NULL;
    CLEANUP(certificate_free) X509 *authority = NULL, *certificate = NULL;
    CLEANUP(private_key_free) EVP_PKEY *key = NULL;
    struct peer leaf = {0}, root = {0};
    struct error err;

    (void)state;
    make_authority(&issuer, &authority);
    assert_int_equal(pki_issue(issuer, &request, &certificate, &key, &err), 0);
    assert_true(certificate_describe(certificate, &leaf) && certificate_describe(authority, &root));
    assert_int_equal(leaf.not_after, root.not_after);
}

static void files_are_private_and_never_overwritten(void **state)
{
    const struct pki_request ca = {PKI_CA, "ca", NULL, 30}, device = {PKI_DEVICE, "d", NULL, 10};
    int64_t not_before, not_after;
    uint8_t fingerprint[32];
    struct stat key;
    struct error err;

    (void)state;
    assert_int_equal(pki_make(&ca, NULL, NULL, in_folder("ca.crt"), in_folder("ca.key"), &err), 0);
    assert_int_equal(pki_make(&device, in_folder("ca.crt"), in_folder("ca.key"), in_folder("a.crt"),
                              in_folder("a.key"), &err),
                     0);
    assert_int_equal(stat(in_folder("a.key"), &key), 0);
    assert_int_equal(key.st_mode & 0777, 0400);
    assert_int_equal(
        pki_fingerprint(in_folder("a.crt"), fingerprint, &not_before, &not_after, &err), 0);

    assert_int_equal(pki_make(&device, in_folder("ca.crt"), in_folder("ca.key"), in_folder("a.crt"),
                              in_folder("new.key"), &err),
                     -1);
    assert_int_equal(err.problem, PROBLEM_ALREADY_EXISTS);
    assert_int_equal(access(in_folder("new.key"), F_OK), -1);
}

static void the_wrong_key_is_no_issuer(void **state)
{
    const struct pki_request ca = {PKI_CA, "s", NULL, 30};
    struct pki_issuer *issuer = NULL;
    struct error err;

    (void)state;
    assert_int_equal(pki_make(&ca, NULL, NULL, in_folder("s.crt"), in_folder("s.key"), &err), 0);
    assert_int_equal(pki_issuer_open(in_folder("ca.crt"), in_folder("s.key"), &issuer, &err), -1);
    assert_non_null(strstr(err.cause, "s.key"));
}

static void a_name_that_does_not_fit_is_refused(void **state)
{
    char name[66];
    CLEANUP(pki_issuer_close) struct pki_issuer *issuer = NULL;
    CLEANUP(certificate_free) X509 *authority = NULL;
    struct pki_request request = {PKI_DEVICE, name, NULL, 30};
    X509 *certificate;
    EVP_PKEY *key;
    struct error err;

    (void)state;
    make_authority(&issuer, &authority);
    memset(name, 'x', 65);
    name[65] = '\0';
    assert_int_equal(pki_issue(issuer, &request, &certificate, &key, &err), -1);
    name[0] = '\0';
    assert_int_equal(pki_issue(issuer, &request, &certificate, &key, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_purpose_verifies_strictly_and_only_for_itself),
        cmocka_unit_test(a_server_answers_to_its_names_and_addresses),
        cmocka_unit_test(what_is_described_is_what_was_asked_for),
        cmocka_unit_test(a_leaf_ends_with_its_issuer),
        cmocka_unit_test(files_are_private_and_never_overwritten),
        cmocka_unit_test(the_wrong_key_is_no_issuer),
        cmocka_unit_test(a_name_that_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
