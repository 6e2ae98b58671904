/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/limits.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

    if (strchr(text, ':')) {
        v6->sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    } else {
        v4->sin_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, text, &v4->sin_addr), 1);
    }
    return address;
}

static int take_all(struct limits *limits, const char *text, int64_t now_ms)
{
    const struct sockaddr_storage address = address_of(text);
    int taken = 0;

    while (taken < 1000 && limits_take(limits, &address, now_ms))
        taken++;
    return taken;
}

static void an_address_has_its_burst_and_then_its_rate(void **state)
{
    CLEANUP(limits_free) struct limits *limits = limits_new(20, 60, 64);

    (void)state;
    assert_int_equal(take_all(limits, "10.0.0.1", 1000), 60);
    assert_int_equal(take_all(limits, "10.0.0.1", 1049), 0);
    assert_int_equal(take_all(limits, "10.0.0.1", 1050), 1);
    assert_int_equal(take_all(limits, "10.0.0.1", 2050), 20);
    assert_int_equal(take_all(limits, "10.0.0.1", 1000000), 60);
    assert_int_equal(take_all(limits, "10.0.0.2", 1000000), 60);
}

static void each_matter_of_an_address_has_a_bucket_of_its_own(void **state)
{
    CLEANUP(limits_free) struct limits *limits = limits_new(1, 2, 64);
    const struct sockaddr_storage address = address_of("10.0.0.1"), other = address_of("10.0.0.2");

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(limits_take_about(limits, &address, "lock-1", 5), i < 2);
    assert_true(limits_take_about(limits, &address, "lock-2", 5));
    assert_true(limits_take_about(limits, &other, "lock-1", 5));
    assert_int_equal(take_all(limits, "10.0.0.1", 5), 2);
}

static void what_is_given_back_can_be_taken_again(void **state)
{
    CLEANUP(limits_free) struct limits *limits = limits_new(1, 2, 64);
    const struct sockaddr_storage address = address_of("10.0.0.1");

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(limits_take(limits, &address, 5));
        limits_give_back(limits, &address, 5);
    }
    for (int i = 0; i < 10; i++)
        limits_give_back(limits, &address, 5);
    assert_int_equal(take_all(limits, "10.0.0.1", 5), 2); /* never more than the burst */
}

static void an_ipv6_network_is_one_party(void **state)
{
    CLEANUP(limits_free) struct limits *limits = limits_new(1, 10, 64);

    (void)state;
    assert_int_equal(take_all(limits, "2001:db8:1:1100::1", 0), 10);
    assert_int_equal(take_all(limits, "2001:db8:1:11ff:ffff::2", 0), 0);
    assert_int_equal(take_all(limits, "2001:db8:1:1200::1", 0), 10);
}

/* Many addresses: memory stays as it is, and an empty bucket is the last to be forgotten. */
static void a_flood_of_addresses_does_not_refill_a_bucket(void **state)
{
    CLEANUP(limits_free) struct limits *limits = limits_new(1, 10, 1);

    (void)state;
    assert_int_equal(take_all(limits, "10.0.0.1", 0), 10);
    for (int i = 0; i < 1000; i++) {
        struct sockaddr_storage other = address_of("10.1.0.0");

        ((struct sockaddr_in *)&other)->sin_addr.s_addr += htonl((uint32_t)i);
        limits_take(limits, &other, 1);
    }
    assert_int_equal(take_all(limits, "10.0.0.1", 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_its_burst_and_then_its_rate),
        cmocka_unit_test(each_matter_of_an_address_has_a_bucket_of_its_own),
        cmocka_unit_test(what_is_given_back_can_be_taken_again),
        cmocka_unit_test(an_ipv6_network_is_one_party),
        cmocka_unit_test(a_flood_of_addresses_does_not_refill_a_bucket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
