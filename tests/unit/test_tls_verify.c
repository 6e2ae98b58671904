/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/verify.h"
#include "unit/tls_rig.h"

static struct rig rig;
static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static int open_rig(void **state)
{
    (void)state;
    rig_open(&rig);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static bool try_holder(SSL_CTX *context, const struct holder *holder, int version)
{
    return try_client(context, &(struct client){.holder = holder, .version = version}, NULL);
}

/* Cold, then again with whatever the first attempt and a good certificate left behind. */
static void assert_refused(SSL_CTX *context, const struct holder *bad, const char *what)
{
    struct holder good = rig_issue(rig.device_issuer, PKI_DEVICE, "good");

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        verified_forget(rig.verified, NULL);
        if (try_holder(context, bad, versions[i]))
            fail_msg("%s was taken with a cold cache", what);
        assert_true(try_holder(context, &good, versions[i]));
        if (try_holder(context, bad, versions[i]))
            fail_msg("%s was taken with a warm cache", what);
        assert_int_equal(verified_count(rig.verified), 1);
    }
    holder_clear(&good);
}

static void a_good_certificate_passes_cold_and_warm(void **state)
{
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    struct holder good = rig_issue(rig.device_issuer, PKI_DEVICE, "good");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        verified_forget(rig.verified, NULL);
        assert_true(try_holder(context, &good, versions[i]));
        assert_int_equal(verified_count(rig.verified), 1);
        assert_true(try_holder(context, &good, versions[i]));
        assert_int_equal(verified_count(rig.verified), 1);
    }
    holder_clear(&good);
}

static void every_allowed_kind_of_key_passes(void **state)
{
    static const struct odd kinds[] = {
        ODD_GOOD,
        {.name = "p384",
          .usage = "digitalSignature",
          .curve = "P-384",
          .digest = "SHA384",
          .from = -10,
          .until = 1000},
        {.name = "rsa",              .bits = 2048,             .digest = "SHA256", .from = -10, .until = 1000},
    };
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct holder good = odd_issue(&rig.device_ca, &kinds[i]);

        assert_true(try_holder(context, &good, TLS1_2_VERSION));
        assert_true(try_holder(context, &good, TLS1_3_VERSION));
        holder_clear(&good);
    }
}

static void what_breaks_a_rule_is_refused_cold_and_warm(void **state)
{
    static const struct {
        const char *what;
        struct odd odd;
    } cases[] = {
        {"keyAgreement only",
         {.name = "a",
          .constraints = "critical,CA:FALSE",
          .usage = "critical,keyAgreement",
          .extended_usage = "clientAuth",
          .curve = "P-256",
          .digest = "SHA256",
          .from = -10,
          .until = 1000}                                                                                                   },
        {"an authority",
         {.name = "b",
          .constraints = "critical,CA:TRUE",
          .usage = "critical,digitalSignature,keyCertSign",
          .curve = "P-256",
          .digest = "SHA256",
          .from = -10,
          .until = 1000}                                                                                                   },
        {"keyCertSign without constraints",
         {.name = "c",
          .usage = "critical,digitalSignature,keyCertSign",
          .curve = "P-256",
          .digest = "SHA256",
          .from = -10,
          .until = 1000}                                                                                                   },
        {"serverAuth only",
         {.name = "d",
          .constraints = "critical,CA:FALSE",
          .usage = "critical,digitalSignature",
          .extended_usage = "serverAuth",
          .curve = "P-256",
          .digest = "SHA256",
          .from = -10,
          .until = 1000}                                                                                                   },
        {"unknown critical extension",
         {.name = "e",
          .constraints = "critical,CA:FALSE",
          .usage = "critical,digitalSignature",
          .unknown = "yes",
          .curve = "P-256",
          .digest = "SHA256",
          .from = -10,
          .until = 1000}                                                                                                   },
        {"RSA-1024",                        {.name = "f", .bits = 1024, .digest = "SHA256", .from = -10, .until = 1000}    },
        {"P-192",                           {.name = "g", .curve = "P-192", .digest = "SHA256", .from = -10, .until = 1000}},
        {"P-224",                           {.name = "h", .curve = "P-224", .digest = "SHA256", .from = -10, .until = 1000}},
        {"P-521",                           {.name = "i", .curve = "P-521", .digest = "SHA256", .from = -10, .until = 1000}},
        {"SHA-1 signed",
         {.name = "j", .curve = "P-256", .digest = "SHA1", .from = -10, .until = 1000}                                     },
        {"expired",
         {.name = "k", .curve = "P-256", .digest = "SHA256", .from = -1000, .until = -10}                                  },
        {"not yet valid",
         {.name = "l", .curve = "P-256", .digest = "SHA256", .from = 1000, .until = 2000}                                  },
    };
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct holder bad = odd_issue(&rig.device_ca, &cases[i].odd);

        assert_refused(context, &bad, cases[i].what);
        holder_clear(&bad);
    }
}

static void foreign_authorities_are_refused(void **state)
{
    static const struct odd good = ODD_GOOD;
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    struct holder foreign = odd_issue(&rig.foreign_ca, &good);
    struct holder from_server_ca = odd_issue(&rig.server_ca, &good);
    struct holder self = rig_issue(NULL, PKI_CA, "self");
    struct holder self_signed = odd_issue(&self, &good);

    (void)state;
    assert_refused(context, &foreign, "a foreign authority");
    assert_refused(context, &from_server_ca, "the server's authority");
    assert_refused(context, &self, "a self-signed certificate");
    assert_refused(context, &self_signed, "a private authority");
    holder_clear(&foreign);
    holder_clear(&from_server_ca);
    holder_clear(&self);
    holder_clear(&self_signed);
}

static void no_certificate_is_refused(void **state)
{
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);

    (void)state;
    assert_false(try_holder(context, NULL, TLS1_2_VERSION));
    assert_false(try_holder(context, NULL, TLS1_3_VERSION));
}

static void an_odd_name_or_serial_passes_and_is_left_out(void **state)
{
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    struct holder odd = rig_issue(rig.device_issuer, PKI_DEVICE, "odd");
    X509_NAME *name = X509_NAME_new();
    BIGNUM *number = BN_new();
    struct peer peer = {0};

    (void)state;
    BN_set_bit(number, 22 * 8);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(odd.certificate));
    X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING, (const unsigned char *)"dev\0evil", 8,
                               -1, 0);
    X509_set_subject_name(odd.certificate, name);
    assert_true(X509_sign(odd.certificate, rig.device_ca.key, EVP_sha256()) > 0);
    assert_true(try_holder(context, &odd, TLS1_3_VERSION));
    assert_true(certificate_describe(odd.certificate, &peer));
    assert_string_equal(peer.common_name, "");
    assert_string_equal(peer.serial, "");
    BN_free(number);
    X509_NAME_free(name);
    holder_clear(&odd);
}

/* Makes a chain of authorities below the device CA; the last one signs the leaf. */
static void make_chain(int length, struct holder *ret_leaf, STACK_OF(X509) * *ret_chain)
{
    static const struct odd authority = {.name = "middle",
                                         .constraints = "critical,CA:TRUE",
                                         .usage = "critical,keyCertSign,cRLSign",
                                         .curve = "P-256",
                                         .digest = "SHA256",
                                         .from = -10,
                                         .until = 1000};
    static const struct odd leaf = ODD_GOOD;
    struct holder signer = rig.device_ca;
    char name[32];

    X509_up_ref(signer.certificate);
    EVP_PKEY_up_ref(signer.key);
    *ret_chain = sk_X509_new_null();
    for (int i = 0; i < length; i++) {
        struct odd next = authority;

        snprintf(name, sizeof name, "middle %d", i);
        next.name = name;
        struct holder made = odd_issue(&signer, &next);
        holder_clear(&signer);
        signer = made;
        X509_up_ref(made.certificate);
        sk_X509_push(*ret_chain, made.certificate);
    }
    *ret_leaf = odd_issue(&signer, &leaf);
    holder_clear(&signer);
}

static void free_chain(STACK_OF(X509) * chain)
{
    sk_X509_pop_free(chain, X509_free);
}

static void a_chain_sent_along_is_checked_every_time(void **state)
{
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    STACK_OF(X509) * chain;
    struct holder leaf;

    (void)state;
    make_chain(1, &leaf, &chain);
    verified_forget(rig.verified, NULL);
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        struct client whole = {.holder = &leaf, .chain = chain, .version = versions[i]};
        struct client alone = {.holder = &leaf, .version = versions[i]};

        assert_true(try_client(context, &whole, NULL));
        assert_int_equal(verified_count(rig.verified), 0);
        assert_false(try_client(context, &alone, NULL));
        assert_true(try_client(context, &whole, NULL));
    }
    free_chain(chain);
    holder_clear(&leaf);
}

static void a_chain_too_deep_or_too_long_is_refused(void **state)
{
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    STACK_OF(X509) * chain;
    struct holder leaf;

    (void)state;
    for (int length = 5; length <= 50; length += 45) {
        make_chain(length, &leaf, &chain);
        for (int round = 0; round < 2; round++)
            for (size_t i = 0; i < COUNT_OF(versions); i++)
                assert_false(try_client(
                    context,
                    &(struct client){.holder = &leaf, .chain = chain, .version = versions[i]},
                    NULL));
        free_chain(chain);
        holder_clear(&leaf);
    }
}

static void a_trusted_authority_below_a_root_is_enough(void **state)
{
    static const struct odd middle = {.name = "issuing",
                                      .constraints = "critical,CA:TRUE",
                                      .usage = "critical,keyCertSign",
                                      .curve = "P-256",
                                      .digest = "SHA256",
                                      .from = -10,
                                      .until = 1000};
    static const struct odd good = ODD_GOOD;
    struct context_options options = rig_options(&rig);
    struct holder issuing = odd_issue(&rig.foreign_ca, &middle);
    struct holder leaf = odd_issue(&issuing, &good), sibling = odd_issue(&rig.foreign_ca, &good);
    CLEANUP(context_free) SSL_CTX *context = NULL;
    struct error err;

    (void)state;
    rig_write(&rig, &issuing, "other.crt", "other.key");
    options.ca = rig_path(&rig, "other.crt");
    assert_int_equal(context_new(&options, &context, &err), 0);
    assert_true(try_holder(context, &leaf, TLS1_3_VERSION));
    assert_false(try_holder(context, &sibling, TLS1_3_VERSION));
    holder_clear(&issuing);
    holder_clear(&leaf);
    holder_clear(&sibling);
}

static void write_crl(const struct holder *authority, const struct holder *revoked, int64_t until)
{
    X509_CRL *list = X509_CRL_new();
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *now = ASN1_TIME_adj(NULL, time(NULL), 0, -60);
    ASN1_TIME *next = ASN1_TIME_adj(NULL, time(NULL), 0, (long)until);

    X509_CRL_set_version(list, 1);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(authority->certificate));
    X509_CRL_set1_lastUpdate(list, now);
    X509_CRL_set1_nextUpdate(list, next);
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->certificate));
    X509_REVOKED_set_revocationDate(entry, now);
    X509_CRL_add0_revoked(list, entry);
    assert_true(X509_CRL_sign(list, authority->key, EVP_sha256()) > 0);
    FILE *file = fopen(rig_path(&rig, "crl.pem"), "w");
    assert_true(PEM_write_X509_CRL(file, list));
    fclose(file);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    X509_CRL_free(list);
}

static void a_revocation_list_counts_and_bounds_the_memory(void **state)
{
    struct context_options options = rig_options(&rig);
    struct holder good = rig_issue(rig.device_issuer, PKI_DEVICE, "good");
    struct holder revoked = rig_issue(rig.device_issuer, PKI_DEVICE, "revoked");
    CLEANUP(context_free) SSL_CTX *before = rig_context(&rig);
    CLEANUP(context_free) SSL_CTX *after = NULL;
    struct error err;
    struct peer peer;

    (void)state;
    assert_true(try_holder(before, &revoked, TLS1_3_VERSION));
    write_crl(&rig.device_ca, &revoked, 1000);
    options.crl = rig_path(&rig, "crl.pem");
    assert_int_equal(context_new(&options, &after, &err), 0);
    context_facts(after)->generation = 2; /* as a reload does when trust has changed */
    assert_memory_not_equal(context_facts(before)->trust, context_facts(after)->trust, 32);
    assert_false(try_holder(after, &revoked, TLS1_3_VERSION));
    assert_true(try_holder(after, &good, TLS1_3_VERSION));
    assert_true(certificate_describe(good.certificate, &peer));
    int64_t now = clock_wall();
    assert_true(verified_holds(rig.verified, peer.fingerprint, 2, now));
    assert_false(verified_holds(rig.verified, peer.fingerprint, 2, now + 1100));
    holder_clear(&good);
    holder_clear(&revoked);
}

static void a_verdict_holds_for_its_time_and_its_trust_only(void **state)
{
    CLEANUP(verified_release) struct verified *verified = verified_new(64);
    const uint8_t fingerprint[32] = {1, 2, 3};

    (void)state;
    verified_add(verified, fingerprint, 7, 100, 200);
    assert_false(verified_holds(verified, fingerprint, 7, 99));
    assert_true(verified_holds(verified, fingerprint, 7, 100));
    assert_true(verified_holds(verified, fingerprint, 7, 200));
    assert_false(verified_holds(verified, fingerprint, 7, 201));
    assert_false(verified_holds(verified, fingerprint, 8, 150));
    verified_forget(verified, fingerprint);
    assert_false(verified_holds(verified, fingerprint, 7, 150));
}

static void the_memory_is_bounded_and_keeps_what_is_used(void **state)
{
    CLEANUP(verified_release) struct verified *verified = verified_new(64);
    const uint8_t regular[32] = {0};

    (void)state;
    verified_add(verified, regular, 1, 0, 1000);
    for (unsigned i = 1; i < 5000; i++) {
        uint8_t fingerprint[32] = {(uint8_t)i, (uint8_t)(i >> 8), 9};

        verified_add(verified, fingerprint, 1, 0, 1000);
        assert_true(verified_holds(verified, regular, 1, 10));
    }
    assert_true(verified_count(verified) <= 64);
    verified_forget(verified, NULL);
    assert_int_equal(verified_count(verified), 0);
}

static void every_bad_file_is_named(void **state)
{
    struct context_options options = rig_options(&rig);
    struct holder other = rig_issue(rig.server_issuer, PKI_SERVER, "other");
    SSL_CTX *context = NULL;
    struct error err;

    (void)state;
    rig_write(&rig, &other, "other.crt", "other.key");
    options.key = rig_path(&rig, "other.key");
    assert_int_equal(context_new(&options, &context, &err), -1);
    assert_non_null(strstr(err.cause, "other.key"));

    assert_int_equal(chmod(rig_path(&rig, "other.key"), 0640), 0);
    options.certificate = rig_path(&rig, "other.crt");
    assert_int_equal(context_new(&options, &context, &err), -1);
    assert_non_null(strstr(err.cause, "others may read"));

    options = rig_options(&rig);
    options.ca = rig_path(&rig, "server.key");
    assert_int_equal(context_new(&options, &context, &err), -1);
    assert_non_null(strstr(err.cause, "server.key"));
    options.ca = rig_path(&rig, "missing");
    assert_int_equal(context_new(&options, &context, &err), -1);
    assert_non_null(strstr(err.cause, "missing"));
    options = rig_options(&rig);
    options.crl = rig_path(&rig, "device-ca.crt");
    assert_int_equal(context_new(&options, &context, &err), -1);
    assert_non_null(strstr(err.cause, "revocation list"));
    options = rig_options(&rig);
    options.certificate = rig_path(&rig, "missing");
    assert_int_equal(context_new(&options, &context, &err), -1);
    assert_non_null(strstr(err.cause, "missing"));
    assert_null(context);
    holder_clear(&other);
}

static void only_http_1_1_is_negotiated(void **state)
{
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    struct holder good = rig_issue(rig.device_issuer, PKI_DEVICE, "good");
    struct client client = {.holder = &good, .version = TLS1_3_VERSION};

    (void)state;
    client.protocols = "\x02h2\x08http/1.1";
    assert_true(try_client(context, &client, NULL));
    client.protocols = "\x02h2";
    assert_false(try_client(context, &client, NULL));
    holder_clear(&good);
}

static void operators_need_tls_1_3_and_may_come_without_certificate(void **state)
{
    struct context_options options = rig_options(&rig);
    struct holder good = rig_issue(rig.device_issuer, PKI_OPERATOR, "anna");
    CLEANUP(context_free) SSL_CTX *context = NULL;
    struct error err;

    (void)state;
    options.is_certificate_optional = true;
    options.has_tls12 = false;
    options.session_lifetime = 0;
    assert_int_equal(context_new(&options, &context, &err), 0);
    assert_true(try_holder(context, NULL, TLS1_3_VERSION));
    assert_true(try_holder(context, &good, TLS1_3_VERSION));
    assert_false(try_holder(context, &good, TLS1_2_VERSION));
    struct holder foreign = rig_issue(NULL, PKI_CA, "x");
    assert_false(try_holder(context, &foreign, TLS1_3_VERSION));
    holder_clear(&foreign);
    holder_clear(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_certificate_passes_cold_and_warm),
        cmocka_unit_test(every_allowed_kind_of_key_passes),
        cmocka_unit_test(what_breaks_a_rule_is_refused_cold_and_warm),
        cmocka_unit_test(foreign_authorities_are_refused),
        cmocka_unit_test(no_certificate_is_refused),
        cmocka_unit_test(an_odd_name_or_serial_passes_and_is_left_out),
        cmocka_unit_test(a_chain_sent_along_is_checked_every_time),
        cmocka_unit_test(a_chain_too_deep_or_too_long_is_refused),
        cmocka_unit_test(a_trusted_authority_below_a_root_is_enough),
        cmocka_unit_test(a_revocation_list_counts_and_bounds_the_memory),
        cmocka_unit_test(a_verdict_holds_for_its_time_and_its_trust_only),
        cmocka_unit_test(the_memory_is_bounded_and_keeps_what_is_used),
        cmocka_unit_test(every_bad_file_is_named),
        cmocka_unit_test(only_http_1_1_is_negotiated),
        cmocka_unit_test(operators_need_tls_1_3_and_may_come_without_certificate),
    };

    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
