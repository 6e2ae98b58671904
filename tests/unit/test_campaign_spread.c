/* SPDX-License-Identifier: Apache-2.0 */
/* Spreading polls: uniform, the same for each device at any time, within its bounds. */
#include "campaign/spread.h"

#include "core/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define FLEET 12000
#define NOW INT64_C(1795000000)

static const char *device_at(int number)
{
    static char id[24];

    snprintf(id, sizeof id, "gw-%06d", number);
    return id;
}

/* The sum of (seen - expected)^2 / expected; its mean is the number of cells less one, and it is
 * above 1.4 times that less often than once in a thousand for 60 cells and more. */
static double chi_square(const int *cells, int count, double expected)
{
    double sum = 0;

    for (int i = 0; i < count; i++)
        sum += ((double)cells[i] - expected) * ((double)cells[i] - expected) / expected;
    return sum;
}

static void assert_uniform(const int *cells, int count)
{
    double sum = chi_square(cells, count, (double)FLEET / count);

    if (sum > 1.4 * count || sum < 0.6 * count)
        fail_msg("chi-square of %d cells is %.1f", count, sum);
}

static void a_fleet_is_uniform_over_the_interval(void **state)
{
    static const int intervals[] = {60, 64, 100, 300};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(intervals); i++) {
        int cells[300] = {0};
        for (int device = 0; device < FLEET; device++) {
            int64_t at = NOW + spread_poll(device_at(device), intervals[i], NOW);
            cells[at % intervals[i]]++;
        }
        assert_uniform(cells, intervals[i]);
    }
}

static void after_an_outage_devices_return_to_their_slots(void **state)
{
    (void)state;
    for (int device = 0; device < 500; device++) {
        int64_t slot = (NOW + spread_poll(device_at(device), 300, NOW)) % 300;
        /* Down for an hour; all come within the same ten seconds. */
        int64_t back = NOW + 3600 + device % 10;
        assert_int_equal((back + spread_poll(device_at(device), 300, back)) % 300, slot);
    }
}

static void a_device_in_its_slot_is_told_one_interval(void **state)
{
    (void)state;
    for (int device = 0; device < 100; device++) {
        int64_t at = NOW + spread_poll(device_at(device), 300, NOW);
        assert_int_equal(spread_poll(device_at(device), 300, at), 300);
        /* A little late: the delay does not add up. */
        assert_int_equal(spread_poll(device_at(device), 300, at + 7), 293);
    }
}

static void a_poll_is_between_half_and_one_and_a_half_intervals_away(void **state)
{
    static const int64_t intervals[] = {1, 2, 3, 7, 30, 301, 86399};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(intervals); i++)
        for (int64_t step = 0; step < 400; step++) {
            int64_t now = NOW + step * 7919;
            int64_t after = spread_poll(device_at((int)step), intervals[i], now);
            assert_true(2 * after >= intervals[i]);
            assert_true(2 * after < 3 * intervals[i] + 1);
        }
    assert_int_equal(spread_poll("x", 0, NOW), 1);
    assert_int_equal(spread_poll("x", -5, NOW), 1);
    assert_in_range(spread_poll("x", INT64_MAX, NOW), 43200, 129598);
}

static void a_wait_spreads_the_herd_behind_it(void **state)
{
    int cells[60] = {0};

    (void)state;
    for (int device = 0; device < FLEET; device++) {
        int64_t after = spread_wait(device_at(device), 100, 236, 30);
        assert_in_range(after, 100, 159);
        cells[after - 100]++;
    }
    assert_uniform(cells, 60);
}

static void the_ends_of_a_wait_spread_too(void **state)
{
    int soon[60] = {0}, late[60] = {0};

    (void)state;
    for (int device = 0; device < FLEET; device++) {
        int64_t after = spread_wait(device_at(device), 0, 236, 30);
        assert_in_range(after, 30, 89);
        soon[after - 30]++;
        after = spread_wait(device_at(device), INT64_MAX, 236, 30);
        assert_in_range(after, SPREAD_LONGEST - 59, SPREAD_LONGEST);
        late[after - SPREAD_LONGEST + 59]++;
    }
    assert_uniform(soon, 60);
    assert_uniform(late, 60);
    assert_int_equal(spread_wait("x", 5, 0, 0), 5);
    assert_int_equal(spread_wait("x", -5, 3, 0), 1);
    assert_int_equal(spread_wait("x", 5, 300, INT64_MAX), SPREAD_LONGEST);
}

static void purposes_tell_nothing_of_each_other(void **state)
{
    int cells[64] = {0};

    (void)state;
    for (int device = 0; device < FLEET; device++) {
        uint64_t one = spread_hash(device_at(device), 1), two = spread_hash(device_at(device), 2);
        cells[(one & 7) << 3 | (two & 7)]++;
    }
    assert_uniform(cells, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fleet_is_uniform_over_the_interval),
        cmocka_unit_test(after_an_outage_devices_return_to_their_slots),
        cmocka_unit_test(a_device_in_its_slot_is_told_one_interval),
        cmocka_unit_test(a_poll_is_between_half_and_one_and_a_half_intervals_away),
        cmocka_unit_test(a_wait_spreads_the_herd_behind_it),
        cmocka_unit_test(the_ends_of_a_wait_spread_too),
        cmocka_unit_test(purposes_tell_nothing_of_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
