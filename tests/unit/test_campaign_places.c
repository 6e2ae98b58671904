/* SPDX-License-Identifier: Apache-2.0 */
/* Which wave a device is in, and how waves of N devices are drawn. */
#include "campaign/draw.h"
#include "campaign/forecast.h"
#include "campaign/rank.h"
#include "campaign/wave.h"
#include "store/wave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

/* -- ranks -- */

static const uint8_t salt[SALT_SIZE] = "0123456789abcdef";

static void a_rank_never_changes(void **state)
{
    (void)state;
    /* printf '0123456789abcdefgw-0001' | sha256sum, the first 63 bits */
    assert_true(rank_of(salt, "gw-0001") == INT64_C(6146804906440545533));
}

static void ranks_are_spread_evenly(void **state)
{
    int below = 0;
    char id[16];

    (void)state;
    for (int i = 0; i < 10000; i++) {
        snprintf(id, sizeof id, "dev-%d", i);
        below += rank_of(salt, id) <= rank_limit(10);
    }
    assert_in_range(below, 900, 1100); /* 3.3 standard deviations */
}

static void another_salt_gives_another_order(void **state)
{
    static const uint8_t other[SALT_SIZE] = "fedcba9876543210";

    (void)state;
    assert_true(rank_of(salt, "gw-0001") != rank_of(other, "gw-0001"));
}

static void a_higher_percentage_only_adds(void **state)
{
    int64_t before = -1;

    (void)state;
    assert_true(rank_limit(0) == -1);
    for (double percent = 0.001; percent <= 100; percent *= 1.07) {
        assert_true(rank_limit(percent) > before);
        before = rank_limit(percent);
    }
    assert_true(rank_limit(100) == RANK_MAX);
}

static bool tag_is_known;

static int has_tag(void *arg, const char *tag, bool *ret, struct error *err)
{
    (void)err;
    *ret = tag_is_known && strcmp(tag, arg) == 0;
    return 0;
}

static int in_list(void *arg, const char *list_id, bool *ret, struct error *err)
{
    (void)arg, (void)err;
    *ret = strcmp(list_id, "l-1") == 0;
    return 0;
}

static struct filter_subject facts_of(const char *id, const char *site)
{
    static char tag[] = "canary";

    return (struct filter_subject){.id = id,
                                   .model = "gw",
                                   .hardware = "gw",
                                   .site = site,
                                   .version = "1.0",
                                   .state = "active",
                                   .has_tag = has_tag,
                                   .in_list = in_list,
                                   .arg = tag};
}

/* The rules of a plan with these waves. */
static void read_rules(const char *waves, struct rules *ret)
{
    json_auto_t *json = json_pack("{s:s, s:s, s:o}", "release", "gw:2.0", "target", "all", "waves",
                                  json_loads(waves, 0, NULL));
    struct error err = {0};

    if (rules_read(json, NULL, ret, NULL, &err))
        fail_msg("%s: %s", waves, err.detail);
}

static int placed(const struct band *bands, size_t count, const char *site, int64_t rank)
{
    const struct filter_subject facts = facts_of("dev-1", site);
    struct place place;
    struct error err = {0};

    assert_int_equal(wave_place(bands, count, &facts, rank, 0, &place, &err), 0);
    return place.wave;
}

static void a_device_is_in_the_first_wave_that_covers_it(void **state)
{
    static const struct band bands[] = {
        {.kind = WAVE_PERCENT, .limit = 10, .state = WAVE_OPEN   },
        {.kind = WAVE_COUNT,   .limit = -1, .state = WAVE_PENDING},
        {.kind = WAVE_PERCENT, .limit = 50, .state = WAVE_PENDING}
    };

    (void)state;
    assert_int_equal(placed(bands, 3, "", 10), 0);
    assert_int_equal(placed(bands, 3, "", 11), 2);
    assert_int_equal(placed(bands, 3, "", 51), -1);
    assert_int_equal(placed(bands, 0, "", 0), -1);
}

static void explicit_waves_stand_before_the_line(void **state)
{
    CLEANUP(rules_clear) struct rules rules = {0};
    struct band *bands = NULL;
    struct error err = {0};

    (void)state;
    read_rules("[{\"tag\": \"canary\"}, {\"filter\": \"site = lab\"}, {\"list\": \"l-2\"}, "
               "{\"percent\": 1}, {\"percent\": 100}]",
               &rules);
    assert_int_equal(bands_make(&rules, NULL, 0, &bands, &err), 0);
    tag_is_known = true;
    assert_int_equal(placed(bands, 5, "lab", RANK_MAX), 0);
    tag_is_known = false;
    assert_int_equal(placed(bands, 5, "lab", 0), 1);
    assert_int_equal(placed(bands, 5, "", 0), 3);
    assert_int_equal(placed(bands, 5, "", RANK_MAX), 4);
    bands[2].text = "l-1";
    assert_int_equal(placed(bands, 5, "", 0), 2);
    bands_free(bands, 5);
}

/* Whatever an operator raises, nobody leaves the waves opened so far. */
static void raising_a_percentage_never_takes_a_device_out(void **state)
{
    uint32_t random = 7;

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct band before[2] = {{.kind = WAVE_PERCENT}, {.kind = WAVE_PERCENT}}, after[2];
        double percent[2];

        for (int i = 0; i < 2; i++) {
            random = random * 1664525 + 1013904223;
            percent[i] = (random >> 8) % 10000 / 100.0 + 0.005;
        }
        before[0].limit = rank_limit(fmin(percent[0], percent[1]));
        before[1].limit = rank_limit(fmax(percent[0], percent[1]));
        memcpy(after, before, sizeof after);
        double raised = round % 2 ? fmax(percent[0], percent[1]) : fmin(percent[0], percent[1]);
        after[round % 2].limit = rank_limit(fmin(raised + 20, 100));
        if (after[0].limit > after[1].limit)
            after[1].limit = after[0].limit;
        for (int i = 0; i < 50; i++) {
            char id[16];

            snprintf(id, sizeof id, "dev-%d", i);
            int was = placed(before, 2, "", rank_of(salt, id));
            int is = placed(after, 2, "", rank_of(salt, id));
            assert_true(was < 0 || (is >= 0 && is <= was));
        }
    }
}

static bool turn_has_come(const struct band *band, int64_t rank, int64_t now)
{
    const struct filter_subject facts = facts_of("dev-1", "");
    struct place place;
    struct error err = {0};

    assert_int_equal(wave_place(band, 1, &facts, rank, now, &place, &err), 0);
    assert_int_equal(place.wave, 0);
    return place.has_turn;
}

static void a_ramp_moves_the_upper_rank_linearly(void **state)
{
    struct band band = {.kind = WAVE_PERCENT,
                        .state = WAVE_OPEN,
                        .below = rank_limit(10),
                        .limit = rank_limit(20),
                        .ramp = 1000,
                        .opened_at = 5000};

    (void)state;
    assert_false(turn_has_come(&band, rank_limit(10.1), 5000));
    assert_true(turn_has_come(&band, rank_limit(10.1), 5011));
    assert_false(turn_has_come(&band, rank_limit(15), 5499));
    assert_true(turn_has_come(&band, rank_limit(15), 5501));
    assert_false(turn_has_come(&band, rank_limit(20), 5999));
    assert_true(turn_has_come(&band, rank_limit(20), 6000));
    assert_false(turn_has_come(&band, rank_limit(10.1), 4000)); /* a clock set back */
    band.state = WAVE_PASSED;
    assert_true(turn_has_come(&band, rank_limit(20), 5000));
    band.state = WAVE_OPEN, band.ramp = 0;
    assert_true(turn_has_come(&band, rank_limit(20), 5000));
}

static void the_smallest_ranks_are_drawn_in_any_order(void **state)
{
    CLEANUP(draw_free) struct draw *draw = NULL;
    CLEANUP(drawn_clear) struct drawn drawn = {0};
    struct error err;

    (void)state;
    assert_int_equal(draw_new(3, &draw, &err), 0);
    assert_int_equal(draw_end(draw, &drawn, &err), 0);
    assert_true(drawn.highest == -1 && drawn.devices == 0);
    drawn_clear(&drawn);
    for (int64_t i = 0; i < 100; i++)
        assert_int_equal(draw_show(draw, "", (i * 37) % 101, &err), 0);
    assert_int_equal(draw_end(draw, &drawn, &err), 0);
    assert_int_equal(drawn.devices, 3);
    assert_int_equal(drawn.highest, 2);
}

/* "a=2 b=1": the limits of five places drawn from these. */
static const char *draw_text(size_t places, const char *strata, const int64_t *ranks)
{
    static char text[256];
    CLEANUP(draw_free) struct draw *draw = NULL;
    CLEANUP(drawn_clear) struct drawn drawn = {0};
    struct error err;

    assert_int_equal(draw_new(places, &draw, &err), 0);
    for (size_t i = 0; strata[i]; i++)
        assert_int_equal(draw_show(draw, (const char[]){strata[i], '\0'}, ranks[i], &err), 0);
    assert_int_equal(draw_end(draw, &drawn, &err), 0);
    text[0] = '\0';
    for (size_t i = 0; i < drawn.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s=%lld", i ? " " : "",
                 drawn.limits[i].stratum, (long long)drawn.limits[i].limit);
    return text;
}

static void strata_take_turns(void **state)
{
    (void)state;
    /* a has 1 2 3 4, b has 50, c has 90 and 91 */
    static const int64_t ranks[] = {4, 90, 2, 50, 3, 91, 1};
    assert_string_equal(draw_text(3, "acabaca", ranks), "a=1 b=50 c=90");
    assert_string_equal(draw_text(5, "acabaca", ranks), "a=2 b=50 c=91");
    assert_string_equal(draw_text(6, "acabaca", ranks), "a=3 b=50 c=91");
    assert_string_equal(draw_text(2, "acabaca", ranks), "a=1 b=50");
    assert_string_equal(draw_text(99, "acabaca", ranks), "a=4 b=50 c=91");
}

static void many_strata_are_all_found_again(void **state)
{
    CLEANUP(draw_free) struct draw *draw = NULL;
    CLEANUP(drawn_clear) struct drawn drawn = {0};
    char name[16];
    struct error err;

    (void)state;
    assert_int_equal(draw_new(1500, &draw, &err), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "site-%04d", i % 1000);
        assert_int_equal(draw_show(draw, name, i, &err), 0);
    }
    assert_int_equal(draw_end(draw, &drawn, &err), 0);
    assert_int_equal(drawn.count, 1000);
    assert_int_equal(drawn.devices, 1500);
    assert_int_equal(drawn.limits[499].limit, 1499);
    assert_int_equal(drawn.limits[500].limit, 500);
}

static void limits_of_strata_bound_a_count_wave(void **state)
{
    CLEANUP(rules_clear) struct rules rules = {0};
    struct wave waves[2] = {
        {.rank_limit = 70, .state = "open"   },
        {.rank_limit = -1, .state = "pending"}
    };
    static char limits[] = "{\"//x\": 70, \"//a\": 5}";
    struct band *bands = NULL;
    struct error err = {0};

    (void)state;
    read_rules("[{\"count\": 4, \"strata\": [\"site\"]}, {\"percent\": 100}]", &rules);
    waves[0].strata_limits = limits;
    waves[1].rank_limit = RANK_MAX;
    assert_int_equal(bands_make(&rules, waves, 2, &bands, &err), 0);
    assert_int_equal(bands[0].places, 4);
    assert_int_equal(placed(bands, 2, "a", 5), 0);
    assert_int_equal(placed(bands, 2, "a", 6), 1);
    assert_int_equal(placed(bands, 2, "x", 70), 0);
    assert_int_equal(placed(bands, 2, "new", 0), 1);
    bands_free(bands, 2);
}

/* Whoever skips the large wave while the canaries are out must not let it run beside them. */
static void a_wave_skipped_ahead_of_its_turn_offers_nothing_yet(void **state)
{
    CLEANUP(rules_clear) struct rules rules = {0};
    struct wave waves[2] = {
        {.rank_limit = 70,       .state = "open"   },
        {.rank_limit = RANK_MAX, .state = "skipped"}
    };
    struct band *bands = NULL;
    struct error err = {0};

    (void)state;
    read_rules("[{\"count\": 4}, {\"percent\": 100}]", &rules);
    assert_int_equal(bands_make(&rules, waves, 2, &bands, &err), 0);
    assert_false(wave_offers(&bands[1], true));
    bands_free(bands, 2);
    snprintf(waves[0].state, sizeof waves[0].state, "passed");
    assert_int_equal(bands_make(&rules, waves, 2, &bands, &err), 0);
    assert_true(wave_offers(&bands[1], false));
    bands_free(bands, 2);
}

static void a_forecast_draws_before_it_takes_bands(void **state)
{
    CLEANUP(rules_clear) struct rules rules = {0};
    CLEANUP(forecast_free) struct forecast *forecast = NULL;
    static const char *const sites[] = {"lab", "a", "b"};
    int64_t devices[RULES_WAVES_MAX];
    struct error err = {0};

    (void)state;
    tag_is_known = false;
    read_rules("[{\"filter\": \"site = lab\"}, {\"count\": 3, \"strata\": [\"site\"]}, "
               "{\"percent\": 10}, {\"count\": 2}, {\"percent\": 100}]",
               &rules);
    assert_int_equal(forecast_new(&rules, &forecast, &err), 0);
    for (int i = 0; i < 300; i++) { /* ranks are a thousandth of the line apart */
        const struct filter_subject facts = facts_of("dev", sites[i % 3]);

        assert_int_equal(forecast_add(forecast, &facts, rank_limit((299 - i) / 10.0 + 0.05), &err),
                         0);
    }
    assert_int_equal(forecast_end(forecast, devices, &err), 0);
    assert_int_equal(devices[0], 100);
    assert_int_equal(devices[1], 3);
    assert_int_equal(devices[2], 64); /* two thirds of the first hundred, less the three drawn */
    assert_int_equal(devices[3], 2);
    assert_int_equal(devices[4], 131);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rank_never_changes),
        cmocka_unit_test(ranks_are_spread_evenly),
        cmocka_unit_test(another_salt_gives_another_order),
        cmocka_unit_test(a_higher_percentage_only_adds),
        cmocka_unit_test(a_device_is_in_the_first_wave_that_covers_it),
        cmocka_unit_test(explicit_waves_stand_before_the_line),
        cmocka_unit_test(raising_a_percentage_never_takes_a_device_out),
        cmocka_unit_test(a_ramp_moves_the_upper_rank_linearly),
        cmocka_unit_test(the_smallest_ranks_are_drawn_in_any_order),
        cmocka_unit_test(strata_take_turns),
        cmocka_unit_test(many_strata_are_all_found_again),
        cmocka_unit_test(limits_of_strata_bound_a_count_wave),
        cmocka_unit_test(a_wave_skipped_ahead_of_its_turn_offers_nothing_yet),
        cmocka_unit_test(a_forecast_draws_before_it_takes_bands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
