/* SPDX-License-Identifier: Apache-2.0 */
/* Capacity: the table of start rates by hand, and each limit by itself. */
#include "unit/capacity_fixture.h"

#include <stdio.h>

/* -- start rate -- */

static void the_rate_grows_step_by_step(void **state)
{
    static const struct rate_rule guide = {.start = 50, .factor = 2, .step = 1000};
    static const struct rate_rule careful = {.start = 10, .factor = 2, .step = 100, .max = 100};
    static const struct rate_rule tenth = {.start = 10, .factor = 1.1, .step = 1};
    static const struct rate_rule half = {.start = 1, .factor = 1.5, .step = 10};
    static const struct rate_rule fifth = {.start = 50, .factor = 1.2, .step = 1};
    static const struct rate_rule thousand = {.start = 1000, .factor = 1.1, .step = 1};
    static const struct {
        const struct rate_rule *rule;
        int64_t events, rate;
    } cases[] = {
        {&guide,    0,    50  },
        {&guide,    999,  50  },
        {&guide,    1000, 100 },
        {&guide,    1999, 100 },
        {&guide,    2000, 200 },
        {&guide,    3000, 400 },
        {&careful,  0,    10  },
        {&careful,  99,   10  },
        {&careful,  100,  20  },
        {&careful,  299,  40  },
        {&careful,  300,  80  },
        {&careful,  400,  100 },
        {&careful,  9999, 100 },
        {&tenth,    1,    11  },
        {&tenth,    2,    12  }, /* 12.1 */
        {&tenth,    3,    13  }, /* 13.31 */
        {&tenth,    10,   25  }, /* 25.94 */
        {&half,     10,   1   }, /* 1.5 */
        {&half,     20,   2   }, /* 2.25: nothing was lost before */
        {&half,     30,   3   }, /* 3.375 */
        {&fifth,    1,    60  },
        {&fifth,    2,    72  },
        {&thousand, 3,    1331},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t rate = rate_per_minute(cases[i].rule, cases[i].events);
        if (rate != cases[i].rate)
            fail_msg("row %zu: %lld instead of %lld", i, (long long)rate, (long long)cases[i].rate);
    }
}

static void a_rate_never_overflows(void **state)
{
    static const struct rate_rule fast = {.start = 1, .factor = 5, .step = 1};
    static const struct rate_rule slow = {.start = 1000, .factor = 1.1, .step = 1};
    static const struct rate_rule absurd = {.start = INT64_MAX, .factor = 1e300, .step = 1};

    (void)state;
    assert_true(rate_per_minute(&fast, 27) == INT64_C(7450580596923828125));
    assert_true(rate_per_minute(&fast, 28) == INT64_MAX);
    assert_true(rate_per_minute(&slow, INT64_MAX) == INT64_MAX);
    assert_true(rate_per_minute(&absurd, INT64_MAX) == INT64_MAX);
}

static void odd_rules_have_a_plain_meaning(void **state)
{
    static const struct rate_rule none = {.start = 0, .factor = 2, .step = 1, .max = 50};
    static const struct rate_rule flat = {.start = 7, .factor = 2};
    static const struct rate_rule shrinking = {.start = 7, .factor = 0.5, .step = 1};
    static const struct rate_rule unknown = {.start = 7, .factor = __builtin_nan(""), .step = 1};
    static const struct rate_rule lower = {.start = 70, .factor = 2, .step = 1, .max = 50};

    (void)state;
    assert_int_equal(rate_per_minute(&none, 1000), 0);
    assert_int_equal(rate_per_minute(&flat, 1000), 7);
    assert_int_equal(rate_per_minute(&shrinking, 1000), 7);
    assert_int_equal(rate_per_minute(&unknown, 1000), 7);
    assert_int_equal(rate_per_minute(&lower, 0), 50);
    assert_int_equal(rate_per_minute(&flat, -1), 7);
}

/* How many of a crowd start in each second of `seconds`. */
static void start_crowd(struct capacity *capacity, struct capacity_campaign *campaign, int seconds,
                        int64_t *ret)
{
    for (int i = 0; i < seconds; i++) {
        ret[i] = 0;
        while (ret[i] < PLENTY && admit(capacity, campaign, "", 0, NOW + i) == ADMIT)
            ret[i]++;
    }
}

static void starts_never_exceed_the_rate_over_any_window(void **state)
{
    static const int64_t rates[] = {1, 7, 10, 50, 59, 60, 61, 90, 600, 1000, 7001};
    enum { SECONDS = 300 };
    int64_t starts[SECONDS];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        CLEANUP(capacity_free)
        struct capacity *capacity = made(&(struct capacity_limits){0}, 100000);
        struct capacity_campaign campaign = {.row_id = 1, .rate = {.start = rates[i]}};
        int64_t total = 0;
        start_crowd(capacity, &campaign, SECONDS, starts);
        for (int from = 0; from < SECONDS; from++) {
            int64_t sum = 0;
            for (int to = from; to < SECONDS; to++) {
                sum += starts[to];
                /* The second it begins with, one more second's worth, and one. */
                assert_true((sum - 1) * 60 <= rates[i] * (to - from + 1));
            }
        }
        for (int at = 0; at < SECONDS; at++)
            total += starts[at];
        assert_int_equal(starts[0], 1);
        /* And nothing is lost to whole seconds. */
        assert_true((total + 1) * 60 >= rates[i] * (SECONDS - 1));
    }
}

static void an_idle_bucket_saves_no_more_than_a_second(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, PLENTY);
    struct capacity_campaign campaign = {.row_id = 1, .rate = {.start = 120}};
    int64_t starts = 0, rate;

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "", 1, NOW), ADMIT);
    for (int i = 1; i < 1000; i++) { /* its lease keeps the campaign from being forgotten */
        assert_true(capacity_touch(capacity, 1, NOW + 10 * i, &rate));
        capacity_expire(capacity, NOW + 10 * i);
    }
    while (admit(capacity, &campaign, "", 0, NOW + 10000) == ADMIT)
        starts++;
    assert_int_equal(starts, 3); /* a second's worth and one */
}

static void a_raised_rate_counts_at_once(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, PLENTY);
    struct capacity_campaign campaign = {
        .row_id = 1, .rate = {.start = 1, .factor = 60, .step = 5, .step_on = RATE_CONFIRMED}
    };

    (void)state;
    campaign.offered = 500; /* not what this rule counts */
    assert_int_equal(admit(capacity, &campaign, "", 1, NOW), ADMIT);
    assert_int_equal(admit(capacity, &campaign, "", 2, NOW + 30), ADMIT_LATER_RATE);
    campaign.confirmed = 5;
    assert_int_equal(admit(capacity, &campaign, "", 2, NOW + 31), ADMIT);
    campaign.rate.step_on = RATE_OFFERED;
    assert_int_equal(rate_per_minute(&campaign.rate, 0), 1);
    for (int64_t row = 3; row < 60; row++)
        assert_int_equal(admit(capacity, &campaign, "", row, NOW + 60), ADMIT);
}

static void campaigns_have_their_own_buckets(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, PLENTY);

    (void)state;
    for (int64_t i = 1; i <= 3000; i++) {
        struct capacity_campaign campaign = {.row_id = i * i, .rate = {.start = 10}};
        assert_int_equal(admit(capacity, &campaign, "", i, NOW), ADMIT);
        assert_int_equal(campaign_of(capacity, i * i).leases, 1);
        assert_int_equal(admit(capacity, &campaign, "", i, NOW), ADMIT_LATER_RATE);
    }
}

static void giving_back_is_no_way_around_the_rate(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1, .rate = {.start = 10}};

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "", 1, NOW), ADMIT);
    for (int64_t passed = 0; passed < 6; passed++) {
        capacity_give_back(capacity, 1);
        capacity_expire(capacity, NOW + passed);
        assert_int_equal(admit(capacity, &campaign, "", 1, NOW + passed), ADMIT_LATER_RATE);
    }
    assert_int_equal(admit(capacity, &campaign, "", 1, NOW + 6), ADMIT);
}

static void a_wait_for_the_rate_ends_in_a_start(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, PLENTY);
    struct capacity_campaign campaign = {.row_id = 1, .rate = {.start = 7}};
    const struct capacity_ask ask = ask_for(&campaign, "", 2);
    int64_t wait = -1;

    (void)state;
    assert_int_equal(capacity_look(capacity, &ask, NOW, &wait), ADMIT);
    assert_int_equal(wait, 0);
    assert_int_equal(admit(capacity, &campaign, "", 1, NOW), ADMIT);
    assert_int_equal(capacity_look(capacity, &ask, NOW + 2, &wait), ADMIT_LATER_RATE);
    assert_int_equal(wait, 7); /* 60 / 7 = 8.57 after the first */
    assert_int_equal(capacity_look(capacity, &ask, NOW + 8, &wait), ADMIT_LATER_RATE);
    assert_int_equal(capacity_look(capacity, &ask, NOW + 9, &wait), ADMIT);
    assert_int_equal(capacity_look(capacity, &ask, NOW + 9, &wait), ADMIT);
}

static void many_who_wait_get_their_turns_one_after_the_other(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, PLENTY);
    struct capacity_campaign campaign = {
        .row_id = 1, .rate = {.start = 60}, .waiting = 1200}; /* twenty minutes' worth */
    struct capacity_ask ask = ask_for(&campaign, "", 2);
    int tenths[10] = {0};
    char id[16];

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "", 1, NOW), ADMIT);
    ask.device = id;
    for (int i = 0; i < 1200; i++) {
        int64_t wait;
        snprintf(id, sizeof id, "gw-%d", i);
        assert_int_equal(capacity_look(capacity, &ask, NOW, &wait), ADMIT_LATER_RATE);
        assert_in_range(wait, 1, 601);
        tenths[(wait - 1) * 10 / 601]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 80, 160);
    campaign.waiting = INT64_MAX;
    int64_t wait;
    assert_int_equal(capacity_look(capacity, &ask, NOW, &wait), ADMIT_LATER_RATE);
    assert_int_equal(wait, CAPACITY_WAIT_MAX);
}

/* -- leases -- */

static void each_limit_of_leases_holds_by_itself(void **state)
{
    const struct capacity_limits limits = {.leases_server = 5, .leases_site = 2, .lease = 600};
    CLEANUP(capacity_free) struct capacity *capacity = made(&limits, PLENTY);
    const struct capacity_campaign one = {.row_id = 1, .leases = 3}, two = {.row_id = 2};

    (void)state;
    assert_int_equal(admit(capacity, &one, "a", 1, NOW), ADMIT);
    assert_int_equal(admit(capacity, &one, "a", 2, NOW), ADMIT);
    assert_int_equal(admit(capacity, &one, "a", 3, NOW), ADMIT_LATER_SITE);
    assert_int_equal(admit(capacity, &one, "", 3, NOW), ADMIT);
    assert_int_equal(admit(capacity, &one, "", 4, NOW), ADMIT_LATER_CAMPAIGN);
    assert_int_equal(admit(capacity, &two, "", 4, NOW), ADMIT);
    assert_int_equal(admit(capacity, &two, "", 5, NOW), ADMIT_LATER_SITE); /* "" is one too */
    assert_int_equal(admit(capacity, &two, "b", 5, NOW), ADMIT);
    assert_int_equal(admit(capacity, &two, "c", 6, NOW), ADMIT_LATER_SERVER);
    assert_int_equal(numbers_of(capacity).server.leases, 5);
    assert_int_equal(numbers_of(capacity).sites, 3);
    assert_int_equal(site_of(capacity, "a").leases, 2);
    assert_int_equal(campaign_of(capacity, 1).leases, 3);
    assert_int_equal(campaign_of(capacity, 2).leases, 2);
    assert_int_equal(campaign_of(capacity, 3).leases, 0);
}

static void sites_of_different_tenants_are_different(void **state)
{
    CLEANUP(capacity_free)
    struct capacity *capacity = made(&(struct capacity_limits){.leases_site = 1}, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1};
    struct capacity_ask ask = ask_for(&campaign, "a", 2);
    struct capacity_grant grant;

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "a", 1, NOW), ADMIT);
    assert_int_equal(capacity_admit(capacity, &ask, NOW, &grant), ADMIT_LATER_SITE);
    ask.tenant_row = 2;
    assert_int_equal(capacity_admit(capacity, &ask, NOW, &grant), ADMIT);
}

static void a_silent_lease_is_gone_after_its_time(void **state)
{
    const struct capacity_limits limits = {.leases_site = 1, .lease = 600};
    CLEANUP(capacity_free) struct capacity *capacity = made(&limits, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1};
    int64_t rate;

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "a", 1, NOW), ADMIT);
    assert_int_equal(admit(capacity, &campaign, "b", 2, NOW), ADMIT);
    assert_int_equal(capacity_expire(capacity, NOW + 599), 0);
    assert_true(capacity_touch(capacity, 2, NOW + 599, &rate)); /* who goes on keeps it */
    assert_int_equal(capacity_expire(capacity, NOW + 600), 1);
    assert_false(capacity_touch(capacity, 1, NOW + 600, &rate));
    assert_int_equal(admit(capacity, &campaign, "a", 3, NOW + 600), ADMIT);
    assert_int_equal(admit(capacity, &campaign, "b", 4, NOW + 600), ADMIT_LATER_SITE);
    assert_int_equal(capacity_expire(capacity, NOW + 1198), 0);
    assert_int_equal(capacity_expire(capacity, NOW + 1199), 1);
    assert_int_equal(numbers_of(capacity).expired, 2);
}

static void who_comes_back_is_never_refused(void **state)
{
    const struct capacity_limits limits = {.leases_site = 1, .lease = 600};
    CLEANUP(capacity_free) struct capacity *capacity = made(&limits, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1};

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "a", 1, NOW), ADMIT);
    capacity_expire(capacity, NOW + 600);
    assert_int_equal(admit(capacity, &campaign, "a", 2, NOW + 600), ADMIT);
    renew(capacity, &campaign, "a", 1, NOW + 601);
    renew(capacity, &campaign, "a", 1, NOW + 602);
    assert_int_equal(numbers_of(capacity).overdrafts, 1);
    assert_int_equal(site_of(capacity, "a").leases, 2);
    assert_int_equal(site_of(capacity, "a").overdrawn, 1);
    capacity_give_back(capacity, 2);
    /* The overdraft keeps a new one out. */
    assert_int_equal(admit(capacity, &campaign, "a", 3, NOW + 603), ADMIT_LATER_SITE);
    capacity_give_back(capacity, 1);
    assert_int_equal(numbers_of(capacity).server.overdrawn, 0);
    assert_int_equal(admit(capacity, &campaign, "a", 3, NOW + 603), ADMIT);
    /* Within the limits it is none. */
    renew(capacity, &campaign, "b", 4, NOW + 603);
    assert_int_equal(numbers_of(capacity).overdrafts, 1);
}

/* The same row ends and is admitted anew within one commit; the end is carried out after it. */
static void a_late_end_spares_the_lease_that_came_after(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1};

    (void)state;
    assert_int_equal(capacity_lease_of(capacity, 1), 0);
    assert_int_equal(admit(capacity, &campaign, "a", 1, NOW), ADMIT);
    int64_t first = capacity_lease_of(capacity, 1);
    assert_int_equal(admit(capacity, &campaign, "a", 1, NOW), ADMIT);
    int64_t second = capacity_lease_of(capacity, 1);
    capacity_give_back_that(capacity, 1, first);
    assert_int_equal(numbers_of(capacity).server.leases, 1);
    capacity_give_back_that(capacity, 1, second);
    assert_int_equal(numbers_of(capacity).server.leases, 0);
}

static void giving_back_twice_gives_back_once(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1};

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "a", 1, NOW), ADMIT);
    assert_int_equal(admit(capacity, &campaign, "a", 2, NOW), ADMIT);
    for (int i = 0; i < 3; i++) {
        capacity_give_back(capacity, 1);
        assert_int_equal(numbers_of(capacity).server.leases, 1);
        assert_int_equal(site_of(capacity, "a").leases, 1);
        capacity_give_back(capacity, 77);
    }
}

static void an_offer_without_a_row_is_named_later(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1, .transfer_rate = 1000};
    const struct capacity_ask ask = ask_for(&campaign, "a", 0);
    struct capacity_grant one, two;
    int64_t rate;

    (void)state;
    assert_int_equal(capacity_admit(capacity, &ask, NOW, &one), ADMIT);
    assert_int_equal(capacity_admit(capacity, &ask, NOW, &two), ADMIT);
    assert_true(one.lease < 0 && two.lease < 0 && one.lease != two.lease);
    capacity_name(capacity, one.lease, 5);
    assert_true(capacity_touch(capacity, 5, NOW, &rate));
    assert_int_equal(rate, 1000);
    capacity_give_back(capacity, one.lease); /* known by its row only */
    assert_int_equal(numbers_of(capacity).server.leases, 2);
    /* The first was rolled back unnoticed, and the second was given its row. */
    capacity_name(capacity, two.lease, 5);
    assert_int_equal(numbers_of(capacity).server.leases, 1);
    capacity_name(capacity, 5, 5);
    capacity_give_back(capacity, 5);
    capacity_name(capacity, two.lease, 6);
    assert_int_equal(numbers_of(capacity).server.leases, 0);
}

static void names_hold_in_a_crowd(void **state)
{
    enum { CROWD = 1000 };
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, CROWD);
    const struct capacity_campaign campaign = {.row_id = 1};
    const struct capacity_ask ask = ask_for(&campaign, "a", 0);
    struct capacity_grant grants[CROWD];
    int64_t rate;

    (void)state;
    for (int64_t i = 0; i < CROWD; i++)
        assert_int_equal(capacity_admit(capacity, &ask, NOW, &grants[i]), ADMIT);
    for (int64_t i = 0; i < CROWD; i++)
        capacity_name(capacity, grants[i].lease, (i + 1) * (i + 1));
    for (int64_t i = 0; i < CROWD; i++)
        assert_true(capacity_touch(capacity, (i + 1) * (i + 1), NOW, &rate));
    for (int64_t i = 0; i < CROWD; i++) {
        int64_t row = (i * 7 % CROWD + 1) * (i * 7 % CROWD + 1);
        capacity_give_back(capacity, row);
        assert_int_equal(numbers_of(capacity).server.leases, CROWD - 1 - i);
        assert_false(capacity_touch(capacity, row, NOW, &rate));
    }
}

static void a_further_attempt_needs_no_second_lease(void **state)
{
    CLEANUP(capacity_free)
    struct capacity *capacity = made(&(struct capacity_limits){.leases_server = 1}, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1};

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "a", 1, NOW), ADMIT);
    assert_int_equal(admit(capacity, &campaign, "a", 1, NOW), ADMIT);
    assert_int_equal(numbers_of(capacity).server.leases, 1);
}

static void a_restart_takes_back_who_was_at_it(void **state)
{
    const struct capacity_limits limits = {.leases_server = 2, .lease = 600};
    CLEANUP(capacity_free) struct capacity *capacity = made(&limits, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1, .rate = {.start = 10}};

    (void)state;
    renew(capacity, &campaign, "a", 1, NOW);
    renew(capacity, &campaign, "a", 2, NOW);
    assert_int_equal(numbers_of(capacity).overdrafts, 0);
    assert_int_equal(admit(capacity, &campaign, "a", 3, NOW), ADMIT_LATER_SERVER);
    capacity_give_back(capacity, 1);
    assert_int_equal(admit(capacity, &campaign, "a", 3, NOW), ADMIT); /* took no token */
    capacity_give_back(capacity, 3);
    assert_int_equal(admit(capacity, &campaign, "a", 4, NOW), ADMIT_LATER_RATE);
    renew(capacity, &campaign, "a", 2, NOW + 500);
    assert_int_equal(capacity_expire(capacity, NOW + 700), 0);
    assert_int_equal(capacity_expire(capacity, NOW + 1100), 1);
}

static void memory_has_a_limit_of_its_own(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, 10);
    const struct capacity_campaign campaign = {.row_id = 1, .transfer_rate = 1000};
    int64_t rate;

    (void)state;
    for (int64_t row = 1; row <= 10; row++)
        assert_int_equal(admit(capacity, &campaign, "a", row, NOW), ADMIT);
    assert_int_equal(admit(capacity, &campaign, "a", 11, NOW), ADMIT_LATER_SERVER);
    /* Goes on unrecorded, as slow as it should. */
    assert_int_equal(renew(capacity, &campaign, "a", 12, NOW), 1000);
    assert_false(capacity_touch(capacity, 12, NOW, &rate));
    assert_int_equal(numbers_of(capacity).overdrafts, 1);
    capacity_give_back(capacity, 1);
    assert_int_equal(admit(capacity, &campaign, "b", 11, NOW), ADMIT);
}

static void ended_campaigns_leave_room_for_new_ones(void **state)
{
    CLEANUP(capacity_free) struct capacity *capacity = made(&(struct capacity_limits){0}, 4);

    (void)state;
    for (int64_t row = 1; row <= 20000; row++) {
        struct capacity_campaign campaign = {.row_id = row, .rate = {.start = 10}};
        assert_int_equal(admit(capacity, &campaign, "", row, NOW + row), ADMIT);
        capacity_give_back(capacity, row);
        capacity_expire(capacity, NOW + row);
    }
}

static void a_clock_set_back_keeps_no_lease_longer(void **state)
{
    CLEANUP(capacity_free)
    struct capacity *capacity = made(&(struct capacity_limits){.lease = 600}, PLENTY);
    const struct capacity_campaign campaign = {.row_id = 1, .rate = {.start = 10}};

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "", 1, NOW), ADMIT);
    /* A late thread changes nothing, over and over. */
    for (int i = 0; i < 1000; i++) {
        capacity_expire(capacity, NOW - 2);
        capacity_expire(capacity, NOW);
    }
    assert_int_equal(capacity_expire(capacity, NOW + 300), 0);
    assert_int_equal(capacity_expire(capacity, NOW - 7200), 0);
    assert_int_equal(capacity_expire(capacity, NOW - 7200 + 299), 0);
    assert_int_equal(admit(capacity, &campaign, "", 2, NOW - 7200 + 299), ADMIT);
    assert_int_equal(capacity_expire(capacity, NOW - 7200 + 300), 1);
}

static void a_wait_for_a_lease_follows_how_long_they_take(void **state)
{
    const struct capacity_limits limits = {.leases_site = 2, .lease = 600};
    CLEANUP(capacity_free) struct capacity *capacity = made(&limits, PLENTY);
    struct capacity_campaign campaign = {.row_id = 1, .waiting = 100000};
    const struct capacity_ask ask = ask_for(&campaign, "a", 99);
    int64_t wait;

    (void)state;
    assert_int_equal(admit(capacity, &campaign, "a", 1, NOW), ADMIT);
    assert_int_equal(admit(capacity, &campaign, "a", 2, NOW), ADMIT);
    assert_int_equal(capacity_look(capacity, &ask, NOW, &wait), ADMIT_LATER_SITE);
    assert_int_equal(wait, 300); /* nothing is known yet: the lease's time, between two */
    for (int64_t i = 1; i <= 200; i++) {
        int64_t rate;
        assert_int_equal(capacity_expire(capacity, NOW + 10 * i), 0);
        capacity_give_back(capacity, i);
        assert_int_equal(admit(capacity, &campaign, "a", i + 2, NOW + 10 * i), ADMIT);
        assert_true(capacity_touch(capacity, i + 2, NOW + 10 * i, &rate));
    }
    assert_int_equal(capacity_look(capacity, &ask, NOW + 2000, &wait), ADMIT_LATER_SITE);
    assert_in_range(wait, 9, 11); /* twenty seconds each, between two */
}

/* -- bytes -- */

static void reservations_fill_a_budget_and_no_more(void **state)
{
    const struct capacity_limits limits = {
        .bytes_server = 10000, .bytes_site = 5000, .transfer_rate = 2000};
    CLEANUP(capacity_free) struct capacity *capacity = made(&limits, PLENTY);
    const struct capacity_campaign plain = {.row_id = 1};
    const struct capacity_campaign own = {.row_id = 2, .bytes = 1500, .transfer_rate = 1000};

    (void)state;
    assert_int_equal(admit(capacity, &plain, "a", 1, NOW), ADMIT);
    assert_int_equal(admit(capacity, &plain, "a", 2, NOW), ADMIT);
    assert_int_equal(admit(capacity, &plain, "a", 3, NOW), ADMIT_LATER_BYTES);
    assert_int_equal(site_of(capacity, "a").reserved, 4000);
    assert_int_equal(admit(capacity, &own, "a", 3, NOW), ADMIT);
    assert_int_equal(site_of(capacity, "a").reserved, 5000);
    assert_int_equal(admit(capacity, &own, "b", 4, NOW), ADMIT_LATER_BYTES); /* its own budget */
    assert_int_equal(admit(capacity, &plain, "b", 4, NOW), ADMIT);
    assert_int_equal(admit(capacity, &plain, "c", 5, NOW), ADMIT);
    assert_int_equal(admit(capacity, &plain, "d", 6, NOW), ADMIT_LATER_BYTES);
    assert_int_equal(numbers_of(capacity).server.reserved, 9000);
}

static void what_is_reserved_is_the_rate(void **state)
{
    /* clang-format off */
    static const struct {
        const char *what;
        struct capacity_limits limits;
        struct capacity_campaign campaign;
        int64_t rate;
    } cases[] = {
        {"nothing limits it", {.transfer_rate = 500}, {.row_id = 1}, 0},
        {"the campaign's, no budget", {.transfer_rate = 500}, {.row_id = 1, .transfer_rate = 70}, 70},
        {"the default of a budget", {.bytes_server = 9000, .transfer_rate = 500}, {.row_id = 1}, 500},
        {"the campaign's of a budget", {.bytes_server = 9000, .transfer_rate = 500}, {.row_id = 1, .transfer_rate = 700}, 700},
        {"cut to the server's budget", {.bytes_server = 300, .transfer_rate = 500}, {.row_id = 1}, 300},
        {"cut to the site's budget", {.bytes_server = 9000, .bytes_site = 200}, {.row_id = 1, .transfer_rate = 700}, 200},
        {"cut to the campaign's", {.bytes_site = 9000, .transfer_rate = 500}, {.row_id = 1, .bytes = 100}, 100},
        {"a budget without a share", {.bytes_site = 9000}, {.row_id = 1}, 9000},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(capacity_free) struct capacity *capacity = made(&cases[i].limits, PLENTY);
        const struct capacity_ask ask = ask_for(&cases[i].campaign, "a", 1);
        struct capacity_grant grant = {.rate = -1};
        assert_int_equal(capacity_admit(capacity, &ask, NOW, &grant), ADMIT);
        if (grant.rate != cases[i].rate)
            fail_msg("%s: %lld", cases[i].what, (long long)grant.rate);
        assert_int_equal(campaign_of(capacity, 1).reserved, cases[i].rate);
        assert_int_equal(renew(capacity, &cases[i].campaign, "a", 1, NOW), cases[i].rate);
    }
}

static void each_refusal_has_a_code_of_its_own(void **state)
{
    (void)state;
    for (int one = ADMIT; one <= ADMIT_LATER_BYTES; one++)
        for (int other = ADMIT; other < one; other++)
            assert_string_not_equal(admission_code((enum admission)one),
                                    admission_code((enum admission)other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_grows_step_by_step),
        cmocka_unit_test(a_rate_never_overflows),
        cmocka_unit_test(odd_rules_have_a_plain_meaning),
        cmocka_unit_test(starts_never_exceed_the_rate_over_any_window),
        cmocka_unit_test(an_idle_bucket_saves_no_more_than_a_second),
        cmocka_unit_test(a_raised_rate_counts_at_once),
        cmocka_unit_test(campaigns_have_their_own_buckets),
        cmocka_unit_test(giving_back_is_no_way_around_the_rate),
        cmocka_unit_test(a_wait_for_the_rate_ends_in_a_start),
        cmocka_unit_test(many_who_wait_get_their_turns_one_after_the_other),
        cmocka_unit_test(each_limit_of_leases_holds_by_itself),
        cmocka_unit_test(sites_of_different_tenants_are_different),
        cmocka_unit_test(a_silent_lease_is_gone_after_its_time),
        cmocka_unit_test(who_comes_back_is_never_refused),
        cmocka_unit_test(a_late_end_spares_the_lease_that_came_after),
        cmocka_unit_test(giving_back_twice_gives_back_once),
        cmocka_unit_test(an_offer_without_a_row_is_named_later),
        cmocka_unit_test(names_hold_in_a_crowd),
        cmocka_unit_test(a_further_attempt_needs_no_second_lease),
        cmocka_unit_test(a_restart_takes_back_who_was_at_it),
        cmocka_unit_test(memory_has_a_limit_of_its_own),
        cmocka_unit_test(ended_campaigns_leave_room_for_new_ones),
        cmocka_unit_test(a_clock_set_back_keeps_no_lease_longer),
        cmocka_unit_test(a_wait_for_a_lease_follows_how_long_they_take),
        cmocka_unit_test(reservations_fill_a_budget_and_no_more),
        cmocka_unit_test(what_is_reserved_is_the_rate),
        cmocka_unit_test(each_refusal_has_a_code_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
