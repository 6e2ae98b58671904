/* SPDX-License-Identifier: Apache-2.0 */
/* Waves on a real store: who is in which, when the next opens, and what stops them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/campaign_steps.h"

#include "campaign/engine.h"

/* -- the way through -- */

static void a_campaign_goes_through_its_waves_and_finishes(void **state)
{
    struct fixture *f = *state;

    create(f, THREE_WAVES);
    assert_string_equal(campaign_state(f), "running");
    assert_string_equal(wave_states(f), "pending pending pending");
    assert_int_equal(poll_all(f, 20, true), 0);
    pass(f, 1);
    assert_string_equal(wave_states(f), "open pending pending");
    assert_int_equal(poll_all(f, 20, true), 2);
    pass(f, 1);
    assert_string_equal(wave_states(f), "soaking pending pending");
    pass(f, 9);
    assert_string_equal(wave_states(f), "soaking pending pending");
    assert_int_equal(poll_all(f, 20, true), 0);
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed open pending");
    assert_int_equal(poll_all(f, 20, true), 8);
    pass(f, 1);
    pass(f, 10);
    assert_string_equal(wave_states(f), "passed passed open");
    assert_int_equal(poll_all(f, 20, true), 10);
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed passed passed");
    assert_string_equal(campaign_state(f), "finished");
    assert_int_equal(counted(f, "confirmed"), 20);
    assert_int_equal(atoll(text_of(f, "SELECT bytes_served FROM campaign")), 20000);
}

static void who_has_the_release_is_left_out(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET version = '2.0' WHERE row_id <= 18");
    create(f, ALL_AT_ONCE);
    tick(f);
    assert_int_equal(atoll(text_of(f, "SELECT active FROM wave")), 2);
    assert_string_equal(poll_as(f, 1).reason, "already");
    assert_int_equal(poll_all(f, 20, true), 2);
    pass(f, 1);
    assert_string_equal(campaign_state(f), "finished");
}

static void a_campaign_waits_for_a_fleet_that_has_not_shown_up(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "DELETE FROM device_seen");
    create(f, THREE_WAVES);
    tick(f);
    pass(f, 100);
    assert_string_equal(wave_states(f), "pending pending pending");
    execute(f->at.store, "INSERT INTO device_seen SELECT row_id, 1800000100, '', '' FROM device "
                         "WHERE row_id <= 4");
    pass(f, 600);
    assert_string_equal(wave_states(f), "open pending pending");
    assert_int_equal(atoll(text_of(f, "SELECT active FROM wave WHERE position = 0")), 2);
}

/* The canaries' limit is drawn among those active when the wave opens; the rest of the fleet may be
 * back a minute later and have many devices of smaller rank. */
static void a_wave_of_five_stays_one_of_five_when_a_silent_fleet_comes_back(void **state)
{
    struct fixture *f = *state;
    int offers = 0;

    execute(f->at.store, "UPDATE device_seen SET seen_at = 1 WHERE device_row > 7");
    create(f, PLAN(", \"waves\": [{\"count\": 5}, {\"percent\": 100}]"));
    tick(f);
    for (int64_t device = 1; device <= 20; device++)
        offers += poll_as(f, device).verdict == VERDICT_OFFER;
    assert_int_equal(offers, 5);
    for (int64_t device = 1; device <= 20; device++) /* nobody asks the writer again and again */
        assert_int_not_equal(poll_on_reader(f, device).verdict, VERDICT_WRITE);
}

static void stale_devices_do_not_hold_a_wave(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device_seen SET seen_at = 1 WHERE device_row > 3");
    create(f, ALL_AT_ONCE);
    tick(f);
    assert_int_equal(atoll(text_of(f, "SELECT members FROM wave")), 20);
    assert_int_equal(atoll(text_of(f, "SELECT active FROM wave")), 3);
    assert_int_equal(poll_all(f, 3, true), 3);
    pass(f, 1);
    assert_string_equal(campaign_state(f), "finished");
}

static void a_wave_by_hand_waits_for_its_operator(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"count\": 2, \"gate\": \"manual\"}, {\"percent\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 2);
    pass(f, 1);
    assert_string_equal(wave_states(f), "held pending");
    assert_string_equal(campaign_state(f), "running");
    pass(f, 1000);
    assert_string_equal(wave_states(f), "held pending");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, NULL), PROBLEM_NONE);
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed open");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, NULL), PROBLEM_WRONG_STATE);
}

/* -- the brake -- */

static void failing_canaries_pause_the_campaign(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"count\": 3}, {\"percent\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, false), 2); /* the third is not offered any more */
    assert_string_equal(campaign_state(f), "paused");
    assert_string_equal(wave_states(f), "held pending");
    assert_non_null(strstr(text_of(f, "SELECT state_reason FROM campaign"), "failure budget"));
    pass(f, 100000);
    assert_int_equal(poll_all(f, 20, true), 0);
    assert_string_equal(campaign_state(f), "paused");
    assert_int_equal(atoll(text_of(f, "SELECT count(*) FROM event WHERE kind = 'campaign.alarm'")),
                     1);
}

static void a_braked_campaign_goes_on_only_with_its_failures_taken_on(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"count\": 3, \"min_confirmed\": 1, \"coverage\": 0.9}, "
                   "{\"percent\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, false), 2);
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, NULL), PROBLEM_CONFLICT);
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, "{\"accept_failures\": 2}"), PROBLEM_NONE);
    assert_string_equal(campaign_state(f), "running");
    assert_string_equal(wave_states(f), "open pending");
    assert_int_equal(poll_all(f, 20, true), 1);
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed open");
}

static void many_failures_abort_the_campaign(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"pause\": {\"failures\": 5}, \"abort\": {\"failures\": 5}, "
                   "\"waves\": [{\"percent\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, false), 5);
    assert_string_equal(campaign_state(f), "aborted");
}

static void a_wave_that_cannot_reach_its_confirmations_is_held(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"pause\": {\"failures\": 9}, \"abort\": {\"failures\": 9}, "
                   "\"waves\": [{\"count\": 2}, {\"percent\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, false), 2);
    pass(f, 1);
    assert_string_equal(wave_states(f), "held pending");
    assert_string_equal(campaign_state(f), "running");
}

static void a_wave_that_lost_what_it_had_opens_again(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"pause\": {\"failures\": 9}, \"abort\": {\"failures\": 9}, "
                   "\"waves\": [{\"percent\": 100, \"min_confirmed\": 5, \"coverage\": 0.25, "
                   "\"soak\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 5, true), 5);
    pass(f, 1);
    assert_string_equal(wave_states(f), "soaking");
    pass(f, 50);
    prove(f, 1, "1.0", "c", 1);
    pass(f, 1);
    assert_string_equal(wave_states(f), "open");
    (void)poll_as(f, 6);
    prove(f, 6, "2.0", "b", 1);
    pass(f, 1);
    assert_string_equal(wave_states(f), "soaking");
    pass(f, 99); /* the soak begins anew */
    assert_string_equal(wave_states(f), "soaking");
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed");
}

static void a_wave_is_held_as_soon_as_too_few_are_left(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"pause\": {\"failures\": 9}, \"abort\": {\"failures\": 9}, "
                   "\"waves\": [{\"count\": 4, \"min_confirmed\": 3}, {\"percent\": 100}]"));
    tick(f);
    int64_t tried = 0;
    for (int64_t device = 1; device <= 20 && tried < 2; device++) {
        struct decision decision = poll_as(f, device);
        if (decision.verdict != VERDICT_OFFER)
            continue;
        tried++;
        report_as(f, device, decision.action, REPORT_FAILURE, "signature wrong");
    }
    pass(f, 1);
    assert_string_equal(wave_states(f), "held pending");
    assert_non_null(strstr(text_of(f, "SELECT state_reason FROM wave WHERE position = 0"),
                           "needs 3 more confirmed, but 2 members are left"));
}

/* -- by hand -- */

struct hand {
    struct fixture *f;
    struct wave_act act;
};

static int do_wave_act(struct tx *tx, void *arg, struct error *err)
{
    const struct hand *hand = arg;

    return campaign_wave_act(tx, hand->f->campaigns, &hand->act, &somebody, hand->f->now, err);
}

static enum problem act_on_wave(struct fixture *f, int64_t position, enum wave_verb verb)
{
    json_auto_t *reason = json_pack("{s:s}", "reason", "I said so");
    struct hand hand = {
        f, {1, position, verb, reason}
    };
    struct error err = {0};

    return store_write(f->at.store, do_wave_act, &hand, &err) ? err.problem : PROBLEM_NONE;
}

static void a_gate_approved_ahead_does_not_wait(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"count\": 2, \"gate\": \"manual\"}, {\"percent\": 100}]"));
    tick(f);
    assert_int_equal(act_on_wave(f, 0, WAVE_VERB_PASS), PROBLEM_NONE);
    assert_string_equal(wave_states(f), "open pending");
    assert_int_equal(poll_all(f, 20, true), 2);
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed open");
}

static void a_wave_held_by_hand_waits_for_that_hand(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"count\": 2}, {\"count\": 2}, {\"percent\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 2);
    assert_int_equal(act_on_wave(f, 0, WAVE_VERB_HOLD), PROBLEM_NONE);
    pass(f, 100000);
    assert_string_equal(wave_states(f), "held pending pending");
    assert_int_equal(act_on_wave(f, 0, WAVE_VERB_REOPEN), PROBLEM_NONE);
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed open pending");
    assert_int_equal(act_on_wave(f, 1, WAVE_VERB_SKIP), PROBLEM_NONE);
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed skipped open");
    assert_int_equal(act_on_wave(f, 1, WAVE_VERB_SKIP), PROBLEM_WRONG_STATE);
}

static int offers_to(struct fixture *f, int devices)
{
    int offers = 0;

    for (int64_t device = 1; device <= devices; device++)
        offers += poll_as(f, device).verdict == VERDICT_OFFER;
    return offers;
}

static void only_the_wave_whose_turn_it_is_is_skipped(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"count\": 2}, {\"count\": 2, \"gate\": \"manual\"}, "
                   "{\"percent\": 100}]"));
    tick(f);
    assert_int_equal(act_on_wave(f, 2, WAVE_VERB_SKIP), PROBLEM_WRONG_STATE);
    assert_string_equal(wave_states(f), "open pending pending");
    assert_int_equal(offers_to(f, 20), 2);
    assert_int_equal(act_on_wave(f, 0, WAVE_VERB_SKIP), PROBLEM_NONE);
    assert_string_equal(wave_states(f), "skipped pending pending");
}

/* Who has begun goes on; nobody begins. */
static void a_wave_held_by_hand_offers_to_nobody_else(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    assert_int_equal(offers_to(f, 3), 3);
    assert_int_equal(act_on_wave(f, 0, WAVE_VERB_HOLD), PROBLEM_NONE);
    assert_int_equal(offers_to(f, 20), 3);
    assert_int_equal(act_on_wave(f, 0, WAVE_VERB_REOPEN), PROBLEM_NONE);
    assert_int_equal(offers_to(f, 20), 20);
}

/* The operator's words do not make it another hold. */
static void a_hold_is_by_hand_whatever_its_reason_says(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    json_auto_t *reason = json_pack("{s:s}", "reason", "short: of time");
    struct hand hand = {
        f, {1, 0, WAVE_VERB_HOLD, reason}
    };
    struct error err = {0};
    CHECKED(store_write(f->at.store, do_wave_act, &hand, &err), err);
    pass(f, 100);
    assert_string_equal(wave_states(f), "held");
    assert_int_equal(offers_to(f, 20), 0);
}

static void a_wave_that_waits_for_its_operator_goes_on_offering(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"percent\": 100, \"coverage\": 0.5, \"gate\": \"manual\"}]"));
    tick(f);
    assert_int_equal(poll_all(f, 12, true), 12);
    pass(f, 1);
    assert_string_equal(wave_states(f), "held");
    assert_string_equal(text_of(f, "SELECT held_for FROM wave"), "approval");
    assert_int_equal(offers_to(f, 20), 8);
}

/* -- failures taken on -- */

static void accepted_failures_of_one_wave_hide_none_of_the_next(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"count\": 8, \"min_confirmed\": 1, \"soak\": 10}, "
                   "{\"percent\": 100}], \"pause\": {\"failures\": 2, \"sample\": 5}, "
                   "\"abort\": {\"failures\": 19, \"share\": 1}"));
    tick(f);
    for (int64_t device = 1, failed = 0; device <= 20; device++) {
        struct decision decision = poll_as(f, device);
        if (decision.verdict == VERDICT_OFFER && failed++ < 2)
            report_as(f, device, decision.action, REPORT_FAILURE, "signature wrong");
    }
    assert_string_equal(campaign_state(f), "paused");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, "{\"accept_failures\": 19}"), PROBLEM_NONE);
    assert_string_equal(text_of(f, "SELECT accepted_failures FROM campaign"), "2");
    assert_string_equal(text_of(f, "SELECT group_concat(accepted, ' ') FROM "
                                   "(SELECT accepted FROM wave ORDER BY position)"),
                        "2 0");
    assert_int_equal(poll_all(f, 20, true), 6);
    pass(f, 1);
    pass(f, 10);
    assert_string_equal(wave_states(f), "passed open");
    assert_int_equal(poll_all(f, 20, false), 2);
    assert_string_equal(campaign_state(f), "paused");
}

/* It was taken on once; when it fails again it counts again. */
static void a_failure_taken_back_hides_no_other(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"pause\": {\"failures\": 2}, \"strata\": {\"by\": [\"model\"]}, "
                   "\"waves\": [{\"percent\": 100}]"));
    tick(f);
    for (int64_t device = 1; device <= 2; device++)
        report_as(f, device, poll_as(f, device).action, REPORT_FAILURE, "signature wrong");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, "{\"accept_failures\": true}"), PROBLEM_NONE);
    prove(f, 1, "2.0", "b", 1);
    prove(f, 2, "2.0", "b", 1);
    assert_int_equal(counted(f, "failed"), 0);
    assert_string_equal(text_of(f, "SELECT c.accepted_failures || ' ' || w.accepted || ' ' || "
                                   "s.accepted FROM campaign AS c, wave AS w, stratum_count AS s"),
                        "0 0 0");
    for (int64_t device = 3; device <= 4; device++)
        report_as(f, device, poll_as(f, device).action, REPORT_FAILURE, "signature wrong");
    assert_string_equal(campaign_state(f), "paused");
}

static void accepted_failures_of_one_stratum_hide_none_of_another(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET site = CASE WHEN row_id <= 10 THEN 'a' ELSE 'b' END");
    create(f, PLAN(", \"pause\": {\"failures\": 19}, \"abort\": {\"failures\": 19}, "
                   "\"strata\": {\"by\": [\"site\"], \"pause\": {\"failures\": 2}, "
                   "\"abort\": {\"failures\": 19}}, \"waves\": [{\"percent\": 100}]"));
    tick(f);
    for (int64_t device = 1; device <= 12; device++) {
        if (device == 3)
            assert_string_equal(campaign_state(f), "paused");
        if (device == 3)
            assert_int_equal(act(f, 1, CAMPAIGN_RESUME, "{\"accept_failures\": true}"),
                             PROBLEM_NONE);
        if (device > 2 && device < 11)
            continue;
        struct decision decision = poll_as(f, device);
        assert_int_equal(decision.verdict, VERDICT_OFFER);
        report_as(f, device, decision.action, REPORT_FAILURE, "signature wrong");
    }
    assert_string_equal(campaign_state(f), "paused");
    assert_non_null(strstr(text_of(f, "SELECT state_reason FROM campaign"), "//b"));
}

/* -- explicit waves -- */

static void tags_and_filters_go_first_and_are_counted_exactly(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "INSERT INTO device_tag SELECT row_id, 'canary' FROM device "
                         "WHERE row_id <= 3");
    execute(f->at.store, "UPDATE device SET site = 'lab' WHERE row_id BETWEEN 3 AND 7");
    execute(f->at.store, "UPDATE device_seen SET seen_at = 1 WHERE device_row = 7");
    create(f, PLAN(", \"waves\": [{\"tag\": \"canary\"}, {\"filter\": \"site = lab\"}, "
                   "{\"percent\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 3);
    assert_string_equal(text_of(f, "SELECT members || ' ' || active FROM wave WHERE position = 0"),
                        "3 3");
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed open pending");
    assert_string_equal(text_of(f, "SELECT members || ' ' || active FROM wave WHERE position = 1"),
                        "4 3");
    assert_int_equal(poll_all(f, 6, true), 3);
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed passed open");
    assert_string_equal(text_of(f, "SELECT members || ' ' || active FROM wave WHERE position = 2"),
                        "13 13");
    assert_int_equal(poll_all(f, 20, true), 14); /* the one that came back late among them */
    assert_string_equal(text_of(f, "SELECT wave FROM deployment WHERE device_row = 7"), "1");
}

static void a_wave_without_members_is_skipped(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"tag\": \"nobody\"}, {\"percent\": 100}]"));
    tick(f);
    assert_string_equal(wave_states(f), "skipped open");
    assert_string_equal(text_of(f, "SELECT state_reason FROM wave WHERE position = 0"),
                        "no active member");
}

/* -- strata -- */

static void canaries_are_drawn_from_each_stratum(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET site = CASE WHEN row_id <= 17 THEN 'a' "
                         "WHEN row_id <= 19 THEN 'b' ELSE 'c' END");
    create(f, PLAN(", \"waves\": [{\"count\": 5, \"strata\": [\"site\"]}, {\"percent\": 100}]"));
    tick(f);
    for (int64_t device = 1; device <= 20; device++)
        (void)poll_as(f, device);
    assert_string_equal(
        text_of(f, "SELECT group_concat(site || n, ' ') FROM (SELECT v.site, count(*) AS n "
                   "FROM deployment AS d JOIN device AS v ON v.row_id = d.device_row "
                   "GROUP BY v.site ORDER BY v.site)"),
        "a2 b2 c1");
    assert_string_equal(text_of(f, "SELECT group_concat(j.key, ' ') FROM wave, "
                                   "json_each(wave.strata_limits) AS j WHERE position = 0"),
                        "//a //b //c");
    assert_string_equal(text_of(f, "SELECT members || ' ' || active FROM wave WHERE position = 0"),
                        "5 5");
}

static void a_stratum_with_a_budget_of_its_own_brakes(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET site = CASE WHEN row_id <= 18 THEN 'a' ELSE 'b' END");
    create(f, PLAN(", \"pause\": {\"failures\": 9}, \"abort\": {\"failures\": 9}, "
                   "\"strata\": {\"by\": [\"site\"], \"pause\": {\"failures\": 2}}, "
                   "\"waves\": [{\"percent\": 100}]"));
    tick(f);
    struct decision one = poll_as(f, 1), two = poll_as(f, 19), three = poll_as(f, 20);
    execute(f->at.store, "UPDATE device SET site = 'elsewhere' WHERE row_id = 20");
    report_as(f, 1, one.action, REPORT_FAILURE, "signature wrong");
    report_as(f, 19, two.action, REPORT_FAILURE, "signature wrong");
    assert_string_equal(campaign_state(f), "running");
    report_as(f, 20, three.action, REPORT_FAILURE, "signature wrong");
    assert_string_equal(campaign_state(f), "paused");
    assert_string_equal(text_of(f, "SELECT paused_for FROM campaign"), "budget");
    assert_non_null(strstr(text_of(f, "SELECT state_reason FROM campaign"),
                           "failure budget: 2 of 2 resolved have failed in //b, 3 in all"));
    assert_string_equal(text_of(f, "SELECT group_concat(stratum || confirmed || failed, ' ') FROM "
                                   "(SELECT * FROM stratum_count ORDER BY stratum)"),
                        "//a01 //b02");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, NULL), PROBLEM_CONFLICT);
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, "{\"accept_failures\": 2}"), PROBLEM_NONE);
}

static void later_evidence_corrects_a_stratum(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"strata\": {\"by\": [\"model\"]}, \"waves\": [{\"percent\": 100}]"));
    tick(f);
    struct decision decision = poll_as(f, 1);
    report_as(f, 1, decision.action, REPORT_FAILURE, "signature wrong");
    assert_string_equal(text_of(f, "SELECT stratum || confirmed || failed FROM stratum_count"),
                        "gw//01");
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(text_of(f, "SELECT stratum || confirmed || failed FROM stratum_count"),
                        "gw//10");
    prove(f, 1, "1.0", "c", 1);
    assert_string_equal(text_of(f, "SELECT stratum || confirmed || failed FROM stratum_count"),
                        "gw//01");
}

/* -- ramp -- */

static void a_ramp_lets_devices_in_one_after_the_other(void **state)
{
    struct fixture *f = *state;
    int offered = 0;

    create(f, PLAN(", \"waves\": [{\"percent\": 100, \"ramp\": 1000}]"));
    tick(f);
    for (int step = 1; step <= 10; step++) {
        pass(f, 100);
        int now = 0;
        for (int64_t device = 1; device <= 20; device++)
            now += poll_as(f, device).verdict == VERDICT_OFFER;
        assert_true(now >= offered);
        int64_t due = atoll(text_of(f, "SELECT count(*) FROM deployment"));
        assert_int_equal(now, due);
        if (step == 1 || step == 5)
            assert_true(now < 20);
        offered = now;
    }
    assert_int_equal(offered, 20);
}

/* -- standing campaigns -- */

static void a_standing_campaign_never_finishes_and_brakes_all_the_same(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"percent\": 100}]"));
    execute(f->at.store, "UPDATE campaign SET kind = 'baseline', "
                         "plan = json_set(plan, '$.kind', 'baseline')");
    struct error err = {0};
    CHECKED(snapshot_refresh(f->campaigns, &err), err);
    tick(f);
    assert_string_equal(wave_states(f), "open");
    assert_int_equal(act_on_wave(f, 0, WAVE_VERB_PASS), PROBLEM_WRONG_STATE);
    assert_int_equal(act_on_wave(f, 0, WAVE_VERB_SKIP), PROBLEM_WRONG_STATE);
    assert_int_equal(poll_all(f, 18, true), 18);
    pass(f, 100000);
    assert_string_equal(wave_states(f), "open");
    assert_string_equal(campaign_state(f), "running");
    assert_int_equal(poll_all(f, 20, false), 2);
    assert_string_equal(campaign_state(f), "paused");
}

/* -- the preview -- */

static void preview(struct fixture *f, const char *wish, struct preview_count *ret)
{
    json_auto_t *json = json_loads(wish, 0, NULL);
    CLEANUP(rules_clear) struct rules rules = {0};
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    CLEANUP(plan_free) struct plan *plan = NULL;
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    CHECKED(rules_read(json, f->config, &rules, NULL, &err), err);
    CHECKED(campaign_from_rules(&tx, 1, &rules, &campaign, &err), err);
    CHECKED(plan_make(&tx, f->config, &campaign, NULL, 0, &plan, &err), err);
    CHECKED(preview_take(&tx, plan, NULL, f->now, ret, &err), err);
}

static void a_preview_says_who_gets_it_and_who_does_not(void **state)
{
    struct fixture *f = *state;
    struct preview_count count;

    execute(f->at.store, "UPDATE device SET version = '2.0' WHERE row_id <= 2");
    execute(f->at.store, "UPDATE device SET hardware = 'other' WHERE row_id = 3");
    execute(f->at.store, "UPDATE device_seen SET seen_at = 1 WHERE device_row = 4");
    execute(f->at.store, "UPDATE device SET model = 'else' WHERE row_id = 5");
    execute(f->at.store, "UPDATE device SET state = 'suspended' WHERE row_id = 6");
    execute(f->at.store, "INSERT INTO device_tag VALUES (7, 'canary'), (3, 'canary')");
    preview(f, PLAN(", \"waves\": [{\"tag\": \"canary\"}, {\"count\": 3}, {\"percent\": 100}]"),
            &count);
    assert_int_equal(count.matching, 18);
    assert_int_equal(count.devices, 14);
    assert_int_equal(count.stale, 1);
    assert_int_equal(count.excluded[REASON_ALREADY], 2);
    assert_int_equal(count.excluded[REASON_HARDWARE], 1);
    assert_int_equal(count.bytes, 14000);
    assert_int_equal(count.waves[0], 1);
    assert_int_equal(count.waves[1], 3);
    assert_int_equal(count.waves[2], 10);
    assert_int_equal(count.sample_count, 10);
}

/* What the preview says is what the waves count when they open. */
static void a_preview_agrees_with_the_waves(void **state)
{
    static const char plan[] =
        PLAN(", \"waves\": [{\"filter\": \"site = lab\"}, "
             "{\"count\": 4, \"strata\": [\"site\"]}, {\"percent\": 100, \"coverage\": 0.5}]");
    struct fixture *f = *state;
    struct preview_count count;

    execute(f->at.store, "UPDATE device SET site = CASE WHEN row_id < 3 THEN 'lab' "
                         "WHEN row_id < 19 THEN 'a' ELSE 'b' END");
    preview(f, plan, &count);
    create(f, plan);
    for (int wave = 0; wave < 3; wave++) {
        tick(f);
        assert_int_equal(atoll(text_with(f, "SELECT active FROM wave WHERE position + 1 = :number",
                                         NULL, wave + 1)),
                         count.waves[wave]);
        (void)poll_all(f, 20, true);
        pass(f, 1);
    }
    assert_string_equal(campaign_state(f), "finished");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_campaign_goes_through_its_waves_and_finishes),
        CASE(who_has_the_release_is_left_out),
        CASE(a_campaign_waits_for_a_fleet_that_has_not_shown_up),
        CASE(a_wave_of_five_stays_one_of_five_when_a_silent_fleet_comes_back),
        CASE(stale_devices_do_not_hold_a_wave),
        CASE(a_wave_by_hand_waits_for_its_operator),
        CASE(failing_canaries_pause_the_campaign),
        CASE(a_braked_campaign_goes_on_only_with_its_failures_taken_on),
        CASE(many_failures_abort_the_campaign),
        CASE(a_wave_that_cannot_reach_its_confirmations_is_held),
        CASE(a_wave_that_lost_what_it_had_opens_again),
        CASE(a_wave_is_held_as_soon_as_too_few_are_left),
        CASE(a_gate_approved_ahead_does_not_wait),
        CASE(a_wave_held_by_hand_waits_for_that_hand),
        CASE(only_the_wave_whose_turn_it_is_is_skipped),
        CASE(a_wave_held_by_hand_offers_to_nobody_else),
        CASE(a_hold_is_by_hand_whatever_its_reason_says),
        CASE(a_wave_that_waits_for_its_operator_goes_on_offering),
        CASE(accepted_failures_of_one_wave_hide_none_of_the_next),
        CASE(a_failure_taken_back_hides_no_other),
        CASE(accepted_failures_of_one_stratum_hide_none_of_another),
        CASE(tags_and_filters_go_first_and_are_counted_exactly),
        CASE(a_wave_without_members_is_skipped),
        CASE(canaries_are_drawn_from_each_stratum),
        CASE(a_stratum_with_a_budget_of_its_own_brakes),
        CASE(later_evidence_corrects_a_stratum),
        CASE(a_ramp_lets_devices_in_one_after_the_other),
        CASE(a_standing_campaign_never_finishes_and_brakes_all_the_same),
        CASE(a_preview_says_who_gets_it_and_who_does_not),
        CASE(a_preview_agrees_with_the_waves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
