/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/session.h"
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

/* -- the store -- */

static struct session_entry entry_of(unsigned number, unsigned device)
{
    struct session_entry entry = {.generation = 1, .expires_at = 1000};

    memcpy(entry.id, &number, sizeof number);
    memcpy(entry.fingerprint, &device, sizeof device);
    return entry;
}

static void add(struct session_store *store, unsigned number, unsigned device)
{
    const struct session_entry entry = entry_of(number, device);

    session_store_add(store, &entry, (const uint8_t *)&number, sizeof number);
}

static bool has(struct session_store *store, unsigned number, uint64_t generation, int64_t now)
{
    const struct session_entry entry = entry_of(number, 0);
    uint8_t encoded[SESSION_ENCODED_MAX];
    unsigned found = 0;

    size_t size = session_store_find(store, entry.id, generation, now, encoded);
    if (size == sizeof found)
        memcpy(&found, encoded, sizeof found);
    return size == sizeof found && found == number;
}

static void the_store_is_bounded_and_forgets_what_was_used_longest_ago(void **state)
{
    CLEANUP(session_store_release) struct session_store *store = session_store_new(100);

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        add(store, i, i);
        assert_true(has(store, 0, 1, 0)); /* in use all the time */
    }
    assert_int_equal(session_store_count(store), 100);
    assert_true(has(store, 999, 1, 0));
    assert_false(has(store, 900, 1, 0));
    assert_true(has(store, 901, 1, 0));
}

static void one_device_has_few_sessions_and_the_latest(void **state)
{
    CLEANUP(session_store_release) struct session_store *store = session_store_new(100);

    (void)state;
    add(store, 1000, 7);
    for (unsigned i = 0; i < 50; i++)
        add(store, i, 3);
    assert_int_equal(session_store_count(store), SESSIONS_PER_DEVICE + 1);
    assert_true(has(store, 49, 1, 0));
    assert_false(has(store, 49 - SESSIONS_PER_DEVICE, 1, 0));
    assert_true(has(store, 1000, 1, 0));
}

static void a_session_ends_with_its_time_its_trust_and_its_device(void **state)
{
    CLEANUP(session_store_release) struct session_store *store = session_store_new(100);
    const struct session_entry device = entry_of(0, 3);

    (void)state;
    add(store, 1, 3);
    assert_true(has(store, 1, 1, 999));
    assert_false(has(store, 1, 1, 1000));
    add(store, 2, 3);
    assert_false(has(store, 2, 2, 0));
    assert_int_equal(session_store_count(store), 0);
    add(store, 3, 3);
    add(store, 4, 3);
    add(store, 5, 4);
    session_store_forget(store, device.fingerprint);
    assert_false(has(store, 3, 1, 0) || has(store, 4, 1, 0));
    assert_true(has(store, 5, 1, 0));
    session_store_forget(store, NULL);
    assert_int_equal(session_store_count(store), 0);
}

static void the_same_id_replaces(void **state)
{
    CLEANUP(session_store_release) struct session_store *store = session_store_new(10);
    const struct session_entry entry = entry_of(1, 1);
    uint8_t encoded[SESSION_ENCODED_MAX];

    (void)state;
    session_store_add(store, &entry, (const uint8_t *)"a", 1);
    session_store_add(store, &entry, (const uint8_t *)"bc", 2);
    assert_int_equal(session_store_count(store), 1);
    assert_int_equal(session_store_find(store, entry.id, 1, 0, encoded), 2);
    assert_memory_equal(encoded, "bc", 2);
    session_store_remove(store, entry.id);
    session_store_remove(store, entry.id);
    assert_int_equal(session_store_count(store), 0);
}

/* -- cutting -- */

static void the_certificate_is_cut_out_of_a_session_and_nothing_else(void **state)
{
    static const uint8_t with[] = {0x30, 11, 0x02, 1, 1, 0xa3, 3, 9, 9, 9, 0xa4, 1, 7};
    static const uint8_t wrong[] = {0x30, 11, 0x02, 1, 1, 0xa3, 30, 9, 9, 9, 0xa4, 1, 7};
    static const uint8_t without[] = {0x30, 0x82, 0, 6, 0x02, 1, 1, 0xa4, 1, 7};
    uint8_t ret[64];

    (void)state;
    assert_int_equal(session_cut_certificate(with, sizeof with, ret, sizeof ret), sizeof without);
    assert_memory_equal(ret, without, sizeof without);
    assert_int_equal(session_cut_certificate(with, sizeof with, ret, sizeof without - 1), 0);
    assert_int_equal(session_cut_certificate(wrong, sizeof wrong, ret, sizeof ret), 0);
    for (size_t cut = 0; cut < sizeof with; cut++)
        assert_int_equal(session_cut_certificate(with, cut, ret, sizeof ret), 0);
}

/* -- resumption -- */

static SSL_SESSION *first_visit(SSL_CTX *context, const struct holder *device, int version)
{
    SSL_SESSION *session = NULL;
    SSL *server;
    const struct client client = {.holder = device, .version = version, .ret_session = &session};

    assert_true(try_client(context, &client, &server));
    assert_false(SSL_session_reused(server));
    SSL_free(server);
    return session;
}

/* Comes back with the session but without any key. True when it is taken; fills the peer. */
static bool return_visit(SSL_CTX *context, SSL_SESSION *session, const struct holder *device,
                         int version, struct peer *ret, SSL_SESSION **ret_session)
{
    const struct client client = {
        .holder = device, .version = version, .session = session, .ret_session = ret_session};
    SSL *server;

    if (!try_client(context, &client, &server))
        return false;
    bool is_resumed = SSL_session_reused(server);
    if (is_resumed)
        assert_true(session_peer(SSL_get_session(server), ret));
    SSL_free(server);
    return is_resumed;
}

static void a_resumed_session_knows_its_peer(void **state)
{
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    struct holder device = rig_issue(rig.device_issuer, PKI_DEVICE, "dev-1");
    struct peer expected = {0};

    (void)state;
    assert_true(certificate_describe(device.certificate, &expected));
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_SESSION *session = first_visit(context, &device, versions[i]);

        for (int visit = 0; visit < 3; visit++) {
            struct peer peer = {0};
            SSL_SESSION *next = NULL;

            assert_true(return_visit(context, session, NULL, versions[i], &peer, &next));
            assert_memory_equal(peer.fingerprint, expected.fingerprint, 32);
            assert_memory_equal(peer.issuer, expected.issuer, 32);
            assert_string_equal(peer.common_name, "dev-1");
            assert_string_equal(peer.serial, expected.serial);
            assert_int_equal(peer.not_after, expected.not_after);
            assert_int_equal(peer.not_before, expected.not_before);
            assert_true(peer.has_certificate);
            SSL_SESSION_free(session);
            session = next;
        }
        SSL_SESSION_free(session);
    }
    holder_clear(&device);
}

static void a_session_is_small(void **state)
{
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    struct holder device = rig_issue(rig.device_issuer, PKI_DEVICE, "dev-1");
    uint8_t encoded[SESSION_ENCODED_MAX], id[SESSION_ID_MAX] = {0};
    unsigned size;

    (void)state;
    SSL_SESSION *session = first_visit(context, &device, TLS1_2_VERSION);
    const uint8_t *known = SSL_SESSION_get_id(session, &size);
    memcpy(id, known, size);
    assert_in_range(session_store_find(rig.sessions, id, 1, clock_wall(), encoded), 100, 320);
    SSL_SESSION_free(session);
    holder_clear(&device);
}

static void what_was_forgotten_needs_a_full_handshake(void **state)
{
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    struct holder device = rig_issue(rig.device_issuer, PKI_DEVICE, "dev-1");
    struct peer peer = {0};

    (void)state;
    assert_true(certificate_describe(device.certificate, &peer));
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_SESSION *session = first_visit(context, &device, versions[i]);

        session_store_forget(rig.sessions, peer.fingerprint);
        assert_false(return_visit(context, session, &device, versions[i], &peer, NULL));
        SSL_SESSION_free(session);
    }
    holder_clear(&device);
}

static void a_change_of_trust_ends_all_sessions(void **state)
{
    CLEANUP(context_free) SSL_CTX *before = rig_context(&rig);
    CLEANUP(context_free) SSL_CTX *same = rig_context(&rig);
    CLEANUP(context_free) SSL_CTX *other = rig_context(&rig);
    struct holder device = rig_issue(rig.device_issuer, PKI_DEVICE, "dev-1");
    struct peer peer;

    (void)state;
    context_facts(other)->generation = 2;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_SESSION *session = first_visit(before, &device, versions[i]);

        assert_true(return_visit(same, session, NULL, versions[i], &peer, NULL));
        assert_false(return_visit(other, session, &device, versions[i], &peer, NULL));
        SSL_SESSION_free(session);
    }
    holder_clear(&device);
}

static void a_session_ends_with_the_certificate(void **state)
{
    static const struct odd short_lived = {
        .name = "short", .curve = "P-256", .digest = "SHA256", .from = -10, .until = 600};
    CLEANUP(context_free) SSL_CTX *context = rig_context(&rig);
    struct holder device = odd_issue(&rig.device_ca, &short_lived);
    uint8_t encoded[SESSION_ENCODED_MAX], id[SESSION_ID_MAX] = {0};
    int64_t now = clock_wall();
    unsigned size;

    (void)state;
    SSL_SESSION *session = first_visit(context, &device, TLS1_2_VERSION);
    const uint8_t *known = SSL_SESSION_get_id(session, &size);
    memcpy(id, known, size);
    assert_true(session_store_find(rig.sessions, id, 1, now, encoded) > 0);
    assert_true(session_store_find(rig.sessions, id, 1, now + 590, encoded) > 0);
    assert_int_equal(session_store_find(rig.sessions, id, 1, now + 605, encoded), 0);
    SSL_SESSION_free(session);
    holder_clear(&device);
}

static void sessions_do_not_cross_listeners(void **state)
{
    CLEANUP(context_free) SSL_CTX *devices = rig_context(&rig);
    CLEANUP(context_free) SSL_CTX *operators = NULL;
    struct context_options options = rig_options(&rig);
    struct holder device = rig_issue(rig.device_issuer, PKI_DEVICE, "dev-1");
    struct peer peer;
    struct error err;

    (void)state;
    options.name = "operators"; /* even if it had a store and the same trust */
    assert_int_equal(context_new(&options, &operators, &err), 0);
    context_facts(operators)->generation = 1;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_SESSION *session = first_visit(devices, &device, versions[i]);

        assert_false(return_visit(operators, session, NULL, versions[i], &peer, NULL));
        SSL_SESSION_free(session);
    }
    holder_clear(&device);
}

static void without_a_lifetime_nothing_is_resumed(void **state)
{
    struct context_options options = rig_options(&rig);
    struct holder device = rig_issue(rig.device_issuer, PKI_DEVICE, "dev-1");
    CLEANUP(context_free) SSL_CTX *context = NULL;
    struct peer peer;
    struct error err;

    (void)state;
    options.session_lifetime = 0;
    assert_int_equal(context_new(&options, &context, &err), 0);
    session_store_forget(rig.sessions, NULL);
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_SESSION *session = first_visit(context, &device, versions[i]);

        assert_false(return_visit(context, session, &device, versions[i], &peer, NULL));
        SSL_SESSION_free(session);
    }
    assert_int_equal(session_store_count(rig.sessions), 0);
    holder_clear(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_is_bounded_and_forgets_what_was_used_longest_ago),
        cmocka_unit_test(one_device_has_few_sessions_and_the_latest),
        cmocka_unit_test(a_session_ends_with_its_time_its_trust_and_its_device),
        cmocka_unit_test(the_same_id_replaces),
        cmocka_unit_test(the_certificate_is_cut_out_of_a_session_and_nothing_else),
        cmocka_unit_test(a_resumed_session_knows_its_peer),
        cmocka_unit_test(a_session_is_small),
        cmocka_unit_test(what_was_forgotten_needs_a_full_handshake),
        cmocka_unit_test(a_change_of_trust_ends_all_sessions),
        cmocka_unit_test(a_session_ends_with_the_certificate),
        cmocka_unit_test(sessions_do_not_cross_listeners),
        cmocka_unit_test(without_a_lifetime_nothing_is_resumed),
    };

    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
