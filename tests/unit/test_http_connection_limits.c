/* SPDX-License-Identifier: Apache-2.0 */
#include "http/connection_limits.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct connection_limits_most most = {
    .connections = 5, .per_address = 3, .per_device = 2};

static struct peer peer_at(const char *address, int device)
{
    struct peer peer = {.has_certificate = device > 0, .fingerprint = {(uint8_t)device}};

    if (strchr(address, ':')) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&peer.address;
        v6->sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&peer.address;
        v4->sin_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, address, &v4->sin_addr), 1);
    }
    return peer;
}

static int set_up(void **state)
{
    struct error err;

    return connection_limits_new(&most, (struct connection_limits **)state, &err);
}

static int tear_down(void **state)
{
    connection_limits_free((struct connection_limits **)state);
    return 0;
}

static void open_one(struct connection_limits *limits, const char *address, int device)
{
    const struct peer peer = peer_at(address, device);
    struct error err;

    assert_int_equal(connection_limits_add(limits, &peer, &err), 0);
}

static const char *reached(struct connection_limits *limits, const char *address, int device)
{
    const struct peer peer = peer_at(address, device);
    const char *reason = connection_limits_reached(limits, &peer);

    return reason ? reason : "none";
}

static void a_trusted_proxy_counts_only_among_all(void **state)
{
    struct connection_limits *limits = *state;
    struct peer proxy = peer_at("192.0.2.1", 0);
    struct error err;

    proxy.is_trusted = true;
    for (int i = 0; i < 5; i++) {
        assert_null(connection_limits_reached(limits, &proxy));
        assert_int_equal(connection_limits_add(limits, &proxy, &err), 0);
    }
    assert_string_equal(connection_limits_reached(limits, &proxy), "connections");
    assert_string_equal(reached(limits, "192.0.2.1", 0), "connections");
    connection_limits_remove(limits, &proxy);
    assert_string_equal(reached(limits, "192.0.2.1", 0), "none");
}

static void one_certificate_has_its_limit_wherever_it_comes_from(void **state)
{
    open_one(*state, "10.0.0.1", 1);
    open_one(*state, "10.0.0.2", 1);
    assert_string_equal(reached(*state, "10.0.0.3", 1), "device");
    assert_string_equal(reached(*state, "10.0.0.3", 2), "none");
    assert_string_equal(reached(*state, "10.0.0.3", 0), "none");
}

static void strangers_of_one_address_have_a_limit_and_its_fleet_has_none(void **state)
{
    for (int i = 0; i < 3; i++)
        open_one(*state, "10.0.0.1", 0);
    assert_string_equal(reached(*state, "10.0.0.1", 0), "address");
    assert_string_equal(reached(*state, "::ffff:10.0.0.1", 0), "address");
    assert_string_equal(reached(*state, "10.0.0.2", 0), "none");
    assert_string_equal(reached(*state, "10.0.0.1", 4), "none");
}

static void an_ipv6_site_is_one_address(void **state)
{
    open_one(*state, "2001:db8:0:1::1", 0);
    open_one(*state, "2001:db8:0:2::1", 0);
    open_one(*state, "2001:db8:0:ff::1", 0);
    assert_string_equal(reached(*state, "2001:db8:0:a::9", 0), "address");
    assert_string_equal(reached(*state, "2001:db8:0:100::9", 0), "none");
}

static void all_together_have_a_limit_and_closing_makes_room(void **state)
{
    const struct peer first = peer_at("10.0.0.1", 1);

    open_one(*state, "10.0.0.1", 1);
    open_one(*state, "10.0.0.2", 2);
    open_one(*state, "10.0.0.3", 3);
    open_one(*state, "10.0.0.4", 4);
    open_one(*state, "10.0.0.5", 0);
    assert_string_equal(reached(*state, "10.0.0.6", 6), "connections");
    connection_limits_remove(*state, &first);
    assert_string_equal(reached(*state, "10.0.0.6", 6), "none");
}

static void counts_return_to_nothing(void **state)
{
    const struct peer peer = peer_at("10.0.0.1", 1);
    struct error err;

    for (int i = 0; i < 1000; i++) {
        assert_int_equal(connection_limits_add(*state, &peer, &err), 0);
        assert_int_equal(connection_limits_add(*state, &peer, &err), 0);
        assert_string_equal(reached(*state, "10.0.0.1", 1), "device");
        connection_limits_remove(*state, &peer);
        connection_limits_remove(*state, &peer);
        assert_string_equal(reached(*state, "10.0.0.1", 1), "none");
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_trusted_proxy_counts_only_among_all),
        CASE(one_certificate_has_its_limit_wherever_it_comes_from),
        CASE(strangers_of_one_address_have_a_limit_and_its_fleet_has_none),
        CASE(an_ipv6_site_is_one_address),
        CASE(all_together_have_a_limit_and_closing_makes_room),
        CASE(counts_return_to_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
