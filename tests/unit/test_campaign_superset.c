/* SPDX-License-Identifier: Apache-2.0 */
/* What other servers let an operator say can be said here: each row gives their setting in our
 * plan and the members it must come to; the cases below show that these do what theirs did. */
#include "campaign/gate.h"
#include "campaign/rank.h"
#include "campaign/wave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define NOW INT64_C(1800000000) /* 15 January 2027, 08:00 UTC, a Friday */
#define HOUR 3600

static struct config *config;

static int load_config(void **state)
{
    struct error err;

    (void)state;
    return config_defaults("/nonexistent", &config, &err);
}

static int free_config(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

/* `text` is what stands beside release and target. */
static struct rules plan_of(const char *text)
{
    json_auto_t *json = json_pack("{s:s, s:s}", "release", "gw:2", "target", "model = gw");
    json_auto_t *more = json_loads(text, 0, NULL);
    struct rules rules = {0};
    struct error err = {0};

    if (!more || json_object_update(json, more))
        fail_msg("no JSON: %s", text);
    if (rules_read(json, config, &rules, NULL, &err) || rules_check(&rules, NOW, &err))
        fail_msg("%s: %s %s", text, err.field, err.detail);
    return rules;
}

/* -- the table -- */

/* Every member of `part` is in `whole`; lists have the same length. */
static bool has_part(const json_t *whole, const json_t *part)
{
    const char *name;
    json_t *member;

    if (json_is_number(part))
        return json_is_number(whole) && json_number_value(whole) == json_number_value(part);
    if (json_is_array(part)) {
        bool same = json_array_size(whole) == json_array_size(part);

        for (size_t i = 0; same && i < json_array_size(part); i++)
            same = has_part(json_array_get(whole, i), json_array_get(part, i));
        return same;
    }
    if (!json_is_object(part))
        return json_equal(whole, part);
    json_object_foreach((json_t *)(uintptr_t)part, name, member)
    {
        if (!has_part(json_object_get(whole, name), member))
            return false;
    }
    return true;
}

/* clang-format off */
static const struct {
    const char *theirs, *plan, *expanded;
} rows[] = {
    {"AWS IoT jobs: exponential rate",
     "{\"rate\": {\"start\": 50, \"factor\": 1.5, \"step\": 1000, \"max\": 1000}}",
     "{\"rate\": {\"start\": 50, \"factor\": 1.5, \"step\": 1000, \"step_on\": \"confirmed\", \"max\": 1000}}"},
    {"AWS IoT jobs: rate increased by the number notified",
     "{\"rate\": {\"start\": 50, \"factor\": 2, \"step\": 100, \"step_on\": \"offered\"}}",
     "{\"rate\": {\"start\": 50, \"step_on\": \"offered\", \"max\": 0}}"},
    {"AWS IoT jobs: abort criteria",
     "{\"abort\": {\"share\": 0.2, \"failures\": 1, \"sample\": 200}}",
     "{\"abort\": {\"share\": 0.2, \"failures\": 1, \"sample\": 200}}"},
    {"AWS IoT jobs: timers and retries",
     "{\"download_deadline\": \"2h\", \"verify_timeout\": \"30m\", \"attempts\": 10}",
     "{\"download_deadline\": 7200, \"verify_timeout\": 1800, \"attempts\": 10}"},
    {"AWS IoT jobs: scheduled, with maintenance windows, cancelled at the end",
     "{\"start_at\": \"2027-02-01T00:00:00Z\", \"end_at\": \"2027-03-01T00:00:00Z\", \"on_end\": \"cancel\","
     " \"windows\": {\"install\": [{\"days\": [\"sun\"], \"start\": \"02:00\", \"length\": \"2h\"}]}}",
     "{\"start_at\": \"2027-02-01T00:00:00Z\", \"end_at\": \"2027-03-01T00:00:00Z\", \"on_end\": \"cancel\","
     " \"windows\": {\"install\": [{\"days\": [\"sun\"], \"length\": 7200}], \"download\": []}}"},
    {"AWS IoT jobs: continuous and snapshot",
     "{\"members\": \"snapshot\"}", "{\"members\": \"snapshot\"}"},
    {"Azure Device Update: roll back when a share and a number of devices failed",
     "{\"abort\": {\"share\": 0.1, \"failures\": 5, \"sample\": 1}, \"on_abort\": \"rollback\"}",
     "{\"abort\": {\"share\": 0.1, \"failures\": 5, \"sample\": 1}, \"on_abort\": \"rollback\"}"},
    {"hawkBit: groups with success and error thresholds",
     "{\"waves\": [{\"percent\": 10, \"coverage\": 0.8}, {\"percent\": 100, \"coverage\": 0.8}],"
     " \"pause\": {\"share\": 0.1, \"failures\": 1, \"sample\": 1}, \"abort\": {\"share\": 1, \"failures\": 1000, \"sample\": 1}}",
     "{\"waves\": [{\"percent\": 10, \"coverage\": 0.8, \"soak\": 0}, {\"percent\": 100}], \"pause\": {\"share\": 0.1}}"},
    {"hawkBit: a group of its own filter, the next triggered by hand",
     "{\"waves\": [{\"filter\": \"site = hq\", \"gate\": \"manual\"}, {\"percent\": 100}]}",
     "{\"waves\": [{\"filter\": \"site = hq\", \"gate\": \"manual\"}, {\"percent\": 100, \"gate\": \"auto\"}]}"},
    {"hawkBit: FORCED", "{\"install\": \"forced\"}", "{\"install\": {\"mode\": \"forced\"}}"},
    {"hawkBit: SOFT", "{\"install\": \"optional\"}", "{\"install\": {\"mode\": \"optional\", \"force_at\": null}}"},
    {"hawkBit: TIMEFORCED",
     "{\"install\": {\"mode\": \"optional\", \"force_at\": \"2027-02-01T00:00:00Z\"}}",
     "{\"install\": {\"mode\": \"optional\", \"force_at\": \"2027-02-01T00:00:00Z\"}}"},
    {"hawkBit: DOWNLOAD_ONLY", "{\"install\": \"prestage\"}", "{\"install\": {\"mode\": \"prestage\"}}"},
    {"hawkBit: weight and user consent",
     "{\"priority\": 900, \"approvals\": 1}", "{\"priority\": 900, \"approvals\": 1}"},
    {"Mender: phases by time",
     "{\"waves\": [{\"percent\": 10, \"min_confirmed\": 1}, {\"percent\": 100, \"not_before\": \"2027-02-01T00:00:00Z\"}]}",
     "{\"waves\": [{\"percent\": 10, \"not_before\": null}, {\"percent\": 100, \"not_before\": \"2027-02-01T00:00:00Z\"}]}"},
    {"Mender: max_devices and retries",
     "{\"waves\": [{\"count\": 20}], \"attempts\": 4}",
     "{\"waves\": [{\"count\": 20, \"coverage\": 1}], \"attempts\": 4}"},
    {"Nebraska: updates per period, safe mode, office hours",
     "{\"rate\": {\"start\": 5, \"factor\": 1}, \"waves\": [{\"count\": 1}, {\"percent\": 100}], \"windows\":"
     " {\"download\": [{\"days\": [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"], \"start\": \"09:00\", \"length\": \"8h\"}],"
     " \"zone\": \"Europe/Berlin\"}}",
     "{\"rate\": {\"start\": 5, \"factor\": 1}, \"waves\": [{\"count\": 1}, {\"percent\": 100}],"
     " \"windows\": {\"zone\": \"Europe/Berlin\", \"download\": [{\"start\": \"09:00\", \"length\": 28800}]}}"},
    {"Memfault: a cohort's percentage",
     "{\"waves\": [{\"percent\": 5, \"gate\": \"manual\"}]}", "{\"waves\": [{\"percent\": 5, \"gate\": \"manual\"}]}"},
    {"Foundries: waves to groups, then complete",
     "{\"channel\": \"production\", \"waves\": [{\"list\": \"l-1\", \"gate\": \"manual\"}, {\"tag\": \"berlin\", \"gate\": \"manual\"},"
     " {\"percent\": 100}], \"promote\": true}",
     "{\"channel\": \"production\", \"waves\": [{\"list\": {\"id\": \"l-1\"}}, {\"tag\": \"berlin\"}, {\"percent\": 100}], \"promote\": true}"},
    {"Fedora CoreOS: a rollout of 48 hours",
     "{\"waves\": [{\"percent\": 100, \"ramp\": \"48h\"}]}", "{\"waves\": [{\"percent\": 100, \"ramp\": 172800}]}"},
    {"Ubuntu: phased by ten percent, six hours each",
     "{\"waves\": [{\"percent\": 10, \"soak\": \"6h\"}, {\"percent\": 20, \"soak\": \"6h\"}, {\"percent\": 30, \"soak\": \"6h\"},"
     " {\"percent\": 40, \"soak\": \"6h\"}, {\"percent\": 50, \"soak\": \"6h\"}, {\"percent\": 60, \"soak\": \"6h\"},"
     " {\"percent\": 70, \"soak\": \"6h\"}, {\"percent\": 80, \"soak\": \"6h\"}, {\"percent\": 90, \"soak\": \"6h\"}, {\"percent\": 100}]}",
     "{}"},
    {"LVFS: to one in four, and a limit of failures",
     "{\"waves\": [{\"percent\": 25}], \"abort\": {\"share\": 0.1, \"failures\": 5, \"sample\": 5}}",
     "{\"waves\": [{\"percent\": 25}], \"abort\": {\"failures\": 5}}"},
    {"Windows: rings with deferral, deadline and grace",
     "{\"waves\": [{\"tag\": \"ring-0\", \"soak\": \"7d\"}, {\"tag\": \"ring-1\", \"soak\": \"14d\"}, {\"percent\": 100}],"
     " \"install\": {\"mode\": \"optional\", \"force_at\": \"2027-03-01T00:00:00Z\"}}",
     "{\"waves\": [{\"tag\": \"ring-0\", \"soak\": 604800}, {\"tag\": \"ring-1\"}, {\"percent\": 100}], \"install\": {\"mode\": \"optional\"}}"},
    {"NervesHub: concurrent updates, penalty after failures",
     "{\"caps\": {\"leases\": 100}, \"attempts\": 5}", "{\"caps\": {\"leases\": 100}, \"attempts\": 5}"},
    {"Edgehog: batch size, most failures, retries and timeout of a request",
     "{\"caps\": {\"leases\": 10}, \"abort\": {\"share\": 0.05, \"failures\": 1, \"sample\": 1}, \"attempts\": 3, \"offer_ttl\": \"1h\"}",
     "{\"caps\": {\"leases\": 10}, \"abort\": {\"share\": 0.05, \"failures\": 1, \"sample\": 1}, \"offer_ttl\": 3600}"},
    {"balena: pinned to a release", "{\"kind\": \"pin\", \"waves\": [{\"percent\": 100}]}", "{\"kind\": \"pin\"}"},
    {"balena: track the latest of a channel",
     "{\"kind\": \"baseline\", \"channel\": \"stable\", \"waves\": [{\"percent\": 100}]}",
     "{\"kind\": \"baseline\", \"channel\": \"stable\"}"},
};
/* clang-format on */

static void each_setting_of_theirs_has_a_plan_here(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(rules_clear) struct rules rules = plan_of(rows[i].plan);
        json_auto_t *expanded = json_loads(rows[i].expanded, 0, NULL);

        assert_non_null(expanded);
        if (!has_part(rules.json, expanded))
            fail_msg("%s: %s", rows[i].theirs, json_dumps(rules.json, JSON_SORT_KEYS));
    }
}

/* -- what they do -- */

static const char *row_of(const char *theirs)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].theirs, theirs) == 0)
            return rows[i].plan;
    fail_msg("no row %s", theirs);
    return NULL;
}

static void aws_rates_grow_with_success_up_to_their_most(void **state)
{
    CLEANUP(rules_clear) struct rules rules = plan_of(row_of("AWS IoT jobs: exponential rate"));

    (void)state;
    assert_int_equal(rate_per_minute(&rules.rate, 0), 50);
    assert_int_equal(rate_per_minute(&rules.rate, 999), 50);
    assert_int_equal(rate_per_minute(&rules.rate, 1000), 75);
    assert_int_equal(rate_per_minute(&rules.rate, 2000), 112);
    assert_int_equal(rate_per_minute(&rules.rate, 8000), 1000);
}

static enum brake brake_of(const struct rules *rules, int64_t confirmed, int64_t failed)
{
    const struct tally tally = {.active = 10000, .confirmed = confirmed, .failed = failed};

    return gate_brake(&rules->pause, &rules->abort, &tally, 0);
}

static void aws_aborts_at_a_share_of_a_least_number_executed(void **state)
{
    CLEANUP(rules_clear) struct rules rules = plan_of(row_of("AWS IoT jobs: abort criteria"));

    (void)state;
    assert_int_not_equal(brake_of(&rules, 0, 39), BRAKE_ABORT);
    assert_int_equal(brake_of(&rules, 160, 40), BRAKE_ABORT);
    assert_int_not_equal(brake_of(&rules, 961, 239), BRAKE_ABORT);
    assert_int_equal(brake_of(&rules, 960, 240), BRAKE_ABORT);
}

static void azure_rolls_back_when_share_and_number_are_reached(void **state)
{
    CLEANUP(rules_clear)
    struct rules rules = plan_of(
        row_of("Azure Device Update: roll back when a share and a number of devices failed"));

    (void)state;
    assert_int_not_equal(brake_of(&rules, 0, 4), BRAKE_ABORT);
    assert_int_equal(brake_of(&rules, 45, 5), BRAKE_ABORT);
    assert_int_not_equal(brake_of(&rules, 95, 9), BRAKE_ABORT);
    assert_int_equal(brake_of(&rules, 90, 10), BRAKE_ABORT);
    assert_true(rules.rolls_back);
}

static void hawkbit_groups_trigger_the_next_by_success_and_stop_by_error(void **state)
{
    CLEANUP(rules_clear)
    struct rules rules = plan_of(row_of("hawkBit: groups with success and error thresholds"));
    const struct tally short_of = {.active = 100, .offered = 100, .confirmed = 79};
    const struct tally reached = {.active = 100, .offered = 100, .confirmed = 80};

    (void)state;
    assert_int_equal(gate_judge(&rules.waves[0].gate, &short_of, 0, NOW).answer, GATE_WAIT);
    assert_int_equal(gate_judge(&rules.waves[0].gate, &reached, NOW, NOW).answer, GATE_PASS);
    assert_int_equal(brake_of(&rules, 91, 9), BRAKE_NONE);
    assert_int_equal(brake_of(&rules, 90, 10), BRAKE_PAUSE);
}

static void hawkbit_waits_for_a_person_between_groups(void **state)
{
    CLEANUP(rules_clear)
    struct rules rules =
        plan_of(row_of("hawkBit: a group of its own filter, the next triggered by hand"));
    const struct tally all = {.active = 10, .offered = 10, .confirmed = 10};

    (void)state;
    assert_int_equal(gate_judge(&rules.waves[0].gate, &all, NOW, NOW).answer, GATE_APPROVE);
}

/* -- who is in which wave -- */

struct fleet {
    const char *tag, *list; /* what the device asked about has */
};

static int has_tag(void *arg, const char *tag, bool *ret, struct error *err)
{
    const struct fleet *fleet = arg;

    (void)err;
    *ret = fleet->tag && strcmp(fleet->tag, tag) == 0;
    return 0;
}

static int in_list(void *arg, const char *list, bool *ret, struct error *err)
{
    const struct fleet *fleet = arg;

    (void)err;
    *ret = fleet->list && strcmp(fleet->list, list) == 0;
    return 0;
}

/* The place at this part of the line, `elapsed` seconds after all waves opened. */
static struct place place_at(const char *plan, double part, struct fleet fleet, int64_t elapsed)
{
    CLEANUP(rules_clear) struct rules rules = plan_of(plan);
    const struct filter_subject facts = {.id = "dev-1",
                                         .model = "gw",
                                         .hardware = "",
                                         .site = "",
                                         .version = "1",
                                         .state = "active",
                                         .has_tag = has_tag,
                                         .in_list = in_list,
                                         .arg = &fleet};
    struct band *bands = NULL;
    struct place place;
    struct error err = {0};

    assert_int_equal(bands_make(&rules, NULL, rules.wave_count, &bands, &err), 0);
    for (size_t i = 0; i < rules.wave_count; i++) {
        bands[i].state = WAVE_OPEN;
        bands[i].opened_at = NOW;
    }
    assert_int_equal(wave_place(bands, rules.wave_count, &facts, (int64_t)(part * (double)RANK_MAX),
                                NOW + elapsed, &place, &err),
                     0);
    bands_free(bands, rules.wave_count);
    return place;
}

static void ubuntu_phases_are_ten_bands_of_the_line(void **state)
{
    const char *plan = row_of("Ubuntu: phased by ten percent, six hours each");
    CLEANUP(rules_clear) struct rules rules = plan_of(plan);

    (void)state;
    assert_int_equal(rules.wave_count, 10);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(place_at(plan, i * 0.1 + 0.05, (struct fleet){0}, 0).wave, i);
        assert_int_equal(rules.waves[i].gate.soak, i < 9 ? 6 * HOUR : 0);
    }
}

static void coreos_lets_each_have_its_turn_by_its_place_in_line(void **state)
{
    const char *plan = row_of("Fedora CoreOS: a rollout of 48 hours");

    (void)state;
    assert_false(place_at(plan, 0.5, (struct fleet){0}, 23 * HOUR).has_turn);
    assert_true(place_at(plan, 0.5, (struct fleet){0}, 25 * HOUR).has_turn);
    assert_true(place_at(plan, 0.1, (struct fleet){0}, 5 * HOUR).has_turn);
    assert_true(place_at(plan, 0.999, (struct fleet){0}, 48 * HOUR).has_turn);
}

static void lvfs_leaves_three_in_four_out(void **state)
{
    const char *plan = row_of("LVFS: to one in four, and a limit of failures");
    CLEANUP(rules_clear) struct rules rules = plan_of(plan);

    (void)state;
    assert_int_equal(place_at(plan, 0.24, (struct fleet){0}, 0).wave, 0);
    assert_int_equal(place_at(plan, 0.26, (struct fleet){0}, 0).wave, -1);
    assert_int_not_equal(brake_of(&rules, 0, 4), BRAKE_ABORT);
    assert_int_equal(brake_of(&rules, 0, 5), BRAKE_ABORT);
}

static void memfault_dials_only_ever_add(void **state)
{
    static const double dial[] = {1, 5, 10, 25, 50, 100};

    (void)state;
    for (size_t i = 1; i < COUNT_OF(dial); i++) {
        char before[64], after[64];

        snprintf(before, sizeof before, "{\"waves\": [{\"percent\": %g}]}", dial[i - 1]);
        snprintf(after, sizeof after, "{\"waves\": [{\"percent\": %g}]}", dial[i]);
        for (int rank = 0; rank < 100; rank++) {
            bool was = place_at(before, rank / 100.0, (struct fleet){0}, 0).wave == 0;
            bool is = place_at(after, rank / 100.0, (struct fleet){0}, 0).wave == 0;

            assert_true(is || !was);
        }
    }
}

static void foundries_groups_come_in_their_order_then_everybody(void **state)
{
    const char *plan = row_of("Foundries: waves to groups, then complete");
    CLEANUP(rules_clear) struct rules rules = plan_of(plan);

    (void)state;
    assert_int_equal(place_at(plan, 0.9, (struct fleet){"berlin", "l-1"}, 0).wave, 0);
    assert_int_equal(place_at(plan, 0.9, (struct fleet){"berlin", NULL}, 0).wave, 1);
    assert_int_equal(place_at(plan, 0.9, (struct fleet){0}, 0).wave, 2);
    assert_true(rules.promotes);
}

static void windows_rings_wait_for_their_days(void **state)
{
    const char *plan = row_of("Windows: rings with deferral, deadline and grace");
    CLEANUP(rules_clear) struct rules rules = plan_of(plan);
    const struct tally all = {.active = 3, .offered = 3, .confirmed = 3};
    const struct gate *gate = &rules.waves[0].gate;

    (void)state;
    assert_int_equal(place_at(plan, 0.9, (struct fleet){"ring-1", NULL}, 0).wave, 1);
    assert_int_equal(gate_judge(gate, &all, NOW, NOW + 6 * 86400).answer, GATE_SOAK);
    assert_int_equal(gate_judge(gate, &all, NOW, NOW + 7 * 86400).answer, GATE_PASS);
}

static void nebraska_serves_a_steady_number_in_office_hours_after_one_device(void **state)
{
    CLEANUP(rules_clear)
    struct rules rules = plan_of(row_of("Nebraska: updates per period, safe mode, office hours"));
    const struct zone *zone = zone_named(rules.zone);
    const struct tally nobody = {.active = 1, .offered = 1};

    (void)state;
    assert_non_null(zone);
    assert_int_equal(rate_per_minute(&rules.rate, 0), 5);
    assert_int_equal(rate_per_minute(&rules.rate, 100000), 5);
    assert_int_equal(gate_judge(&rules.waves[0].gate, &nobody, 0, NOW).answer, GATE_WAIT);
    assert_true(windows_are_open(&rules.download_windows, zone, NOW, NULL));
    assert_false(windows_are_open(&rules.download_windows, zone, NOW + 8 * HOUR, NULL));
    assert_false(windows_are_open(&rules.download_windows, zone, NOW + 86400, NULL));
}

static void edgehog_counts_failures_among_those_that_have_ended(void **state)
{
    CLEANUP(rules_clear)
    struct rules rules =
        plan_of(row_of("Edgehog: batch size, most failures, retries and timeout of a request"));

    (void)state;
    assert_int_equal(brake_of(&rules, 40, 2), BRAKE_NONE);
    assert_int_equal(brake_of(&rules, 38, 2), BRAKE_ABORT);
    assert_int_equal(brake_of(&rules, 0, 1), BRAKE_ABORT);
}

/* What they cannot say: the count that opens the next wave is not the count that stops. */
static void a_finished_but_bad_group_never_opens_the_next(void **state)
{
    CLEANUP(rules_clear)
    struct rules rules = plan_of("{\"waves\": [{\"count\": 10}, {\"percent\": 100}]}");
    const struct tally bad = {.active = 10, .offered = 10, .confirmed = 4, .failed = 6};

    (void)state;
    assert_int_equal(gate_judge(&rules.waves[0].gate, &bad, 0, NOW).answer, GATE_HOLD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_setting_of_theirs_has_a_plan_here),
        cmocka_unit_test(aws_rates_grow_with_success_up_to_their_most),
        cmocka_unit_test(aws_aborts_at_a_share_of_a_least_number_executed),
        cmocka_unit_test(azure_rolls_back_when_share_and_number_are_reached),
        cmocka_unit_test(hawkbit_groups_trigger_the_next_by_success_and_stop_by_error),
        cmocka_unit_test(hawkbit_waits_for_a_person_between_groups),
        cmocka_unit_test(ubuntu_phases_are_ten_bands_of_the_line),
        cmocka_unit_test(coreos_lets_each_have_its_turn_by_its_place_in_line),
        cmocka_unit_test(lvfs_leaves_three_in_four_out),
        cmocka_unit_test(memfault_dials_only_ever_add),
        cmocka_unit_test(foundries_groups_come_in_their_order_then_everybody),
        cmocka_unit_test(windows_rings_wait_for_their_days),
        cmocka_unit_test(nebraska_serves_a_steady_number_in_office_hours_after_one_device),
        cmocka_unit_test(edgehog_counts_failures_among_those_that_have_ended),
        cmocka_unit_test(a_finished_but_bad_group_never_opens_the_next),
    };

    return cmocka_run_group_tests(tests, load_config, free_config);
}
