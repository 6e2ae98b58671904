/* SPDX-License-Identifier: Apache-2.0 */
/* Whole campaigns on a real store, with time as a variable: halting, costs, whose turn it is, and
 * what must hold whatever happens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/campaign_steps.h"

#include <pthread.h>

/* -- halting -- */

static void no_offer_after_a_pause_even_when_the_poll_was_on_its_way(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    assert_int_equal(poll_on_reader(f, 1).verdict, VERDICT_WRITE);
    assert_int_equal(act(f, 1, CAMPAIGN_PAUSE, NULL), PROBLEM_NONE);
    assert_int_equal(poll_on_writer(f, 1).verdict, VERDICT_NOTHING);
    assert_string_equal(poll_as(f, 2).reason, "no_campaign");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, NULL), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
}

static enum step may_fetch(struct fixture *f, int64_t device)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct decision decision;
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    return campaign_allows_artifact(&tx, device, 2, &decision, &err);
}

static void a_pause_spares_those_that_have_begun(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    assert_int_equal(may_fetch(f, 1), STEP_DONE);
    struct decision begun = poll_as(f, 1), waiting = poll_as(f, 2);
    assert_int_equal(may_fetch(f, 1), STEP_ROW);
    campaign_note_transfer(f->campaigns, begun.deployment_row, 0, 10, 1000);
    pass(f, 1);
    assert_string_equal(deployment_state(f, 1), "downloading");
    assert_int_equal(act(f, 1, CAMPAIGN_PAUSE, NULL), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).action, begun.action);
    assert_int_equal(may_fetch(f, 1), STEP_ROW);
    assert_string_equal(poll_as(f, 2).reason, "paused");
    assert_int_equal(may_fetch(f, 2), STEP_DONE);
    /* The one that was cut off closes as failed: that was us. */
    report_as(f, 2, waiting.action, REPORT_FAILURE, "HTTP 404");
    assert_string_equal(deployment_state(f, 2), "withdrawn");
    assert_int_equal(counted(f, "failed"), 0);
}

static void an_abort_cancels(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision offered = poll_as(f, 1), begun = poll_as(f, 2), installing = poll_as(f, 3);
    campaign_note_transfer(f->campaigns, begun.deployment_row, 0, 10, 1000);
    report_as(f, 3, installing.action, REPORT_INSTALLING, NULL);
    pass(f, 1);
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, "{\"reason\": \"smoke\"}"), PROBLEM_NONE);
    assert_int_equal(may_fetch(f, 2), STEP_DONE);
    assert_int_equal(poll_as(f, 4).verdict, VERDICT_NOTHING);
    struct decision cancel = poll_as(f, 2);
    assert_int_equal(cancel.verdict, VERDICT_CANCEL);
    assert_int_equal(cancel.action, begun.action);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_NOTHING);
    assert_string_equal(deployment_state(f, 1), "cancelled");
    assert_int_equal(poll_as(f, 3).verdict, VERDICT_OFFER); /* too late to stop it */
    assert_int_equal(report_as(f, 2, begun.action, REPORT_CANCELLED, NULL), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 2), "cancelled");
    assert_int_equal(poll_as(f, 2).verdict, VERDICT_NOTHING);
    assert_int_equal(report_as(f, 1, offered.action, REPORT_SUCCESS, NULL), REPORT_CLOSED);
    prove(f, 3, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 3), "confirmed");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, NULL), PROBLEM_WRONG_STATE);
}

static void an_abort_ends_offers_of_silent_devices(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    for (int64_t device = 1; device <= 20; device++)
        (void)poll_as(f, device);
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, NULL), PROBLEM_NONE);
    pass(f, 1);
    assert_int_equal(counted(f, "cancelled"), 20);
}

static void a_success_said_to_a_cancel_is_not_believed(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 10, 1000);
    pass(f, 1);
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, NULL), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, "Skipped Update."),
                     REPORT_TAKEN);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_CANCEL_REFUSED, "busy"), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "installing");
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
}

static void a_soft_cancel_lets_go_on_what_has_begun(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision begun = poll_as(f, 1);
    (void)poll_as(f, 2);
    campaign_note_transfer(f->campaigns, begun.deployment_row, 0, 10, 1000);
    pass(f, 1);
    assert_int_equal(act(f, 1, CAMPAIGN_CANCEL, NULL), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    assert_int_equal(may_fetch(f, 1), STEP_ROW);
    assert_int_equal(may_fetch(f, 2), STEP_DONE);
    pass(f, 1);
    assert_string_equal(deployment_state(f, 2), "cancelled");
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
}

/* -- what it costs -- */

static void silence_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_counts before, after;

    create(f, ALL_AT_ONCE);
    tick(f);
    (void)poll_as(f, 1);
    store_count(f->at.store, &before);
    for (int i = 0; i < 50; i++) {
        pass(f, 1);
        assert_int_equal(poll_on_reader(f, 1).verdict, VERDICT_OFFER);
    }
    store_count(f->at.store, &after);
    assert_int_equal(after.jobs, before.jobs);
}

static void without_a_campaign_nothing_is_asked(void **state)
{
    struct fixture *f = *state;
    struct store_counts before, after;
    struct device device = {.row_id = 1, .tenant_row = 1, .state = DEVICE_ACTIVE};
    struct decision decision;
    struct error err = {0};
    CLEANUP(tx_end) struct tx tx = {0};

    store_count(f->at.store, &before);
    tick(f); /* the clock looks whether a pin or a membership has ended: no more, however large */
    store_count(f->at.store, &after);
    assert_in_range(after.reads - before.reads, 0, 3);
    assert_int_equal(after.jobs, before.jobs);
    CHECKED(tx_read(&tx, f->at.store, &err), err);
    store_count(f->at.store, &before);
    CHECKED(campaign_poll(&tx, f->campaigns, &device, f->now, &decision, &err), err);
    store_count(f->at.store, &after);
    assert_int_equal(after.reads, before.reads);
    assert_int_equal(after.jobs, before.jobs);
    assert_string_equal(decision.reason, "no_campaign");
}

/* -- who gets what -- */

static void the_newest_campaign_of_the_highest_priority_wins(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET version = '0.9' WHERE row_id = 20");
    create(f, "{\"release\": \"gw:1.0\", \"target\": \"all\", \"start\": true, \"priority\": 1, "
              "\"rate\": {\"start\": 0}, \"waves\": [{\"percent\": 100}]}");
    create(f, ALL_AT_ONCE);
    tick(f);
    assert_string_equal(poll_as(f, 1).reason, "already"); /* the urgent one, which it has */
    assert_int_equal(act(f, 1, CAMPAIGN_CANCEL, NULL), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).campaign_row, 2);
}

static void an_older_campaign_does_not_undo_a_newer_one(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET version = '0.9'");
    create(f, "{\"release\": \"gw:1.0\", \"target\": \"all\", \"start\": true, "
              "\"rate\": {\"start\": 0}, \"waves\": [{\"percent\": 100}]}");
    create(f, ALL_AT_ONCE);
    tick(f);
    update(f, 1, 11);
    assert_int_equal(act(f, 2, CAMPAIGN_CANCEL, NULL), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_NOTHING);
    assert_int_equal(poll_as(f, 2).campaign_row, 1);
}

static void hardware_and_floor_are_respected(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET hardware = 'other' WHERE row_id = 1");
    execute(f->at.store, "UPDATE device SET floor = 3 WHERE row_id = 2");
    execute(f->at.store, "UPDATE device SET model = '', hardware = '' WHERE row_id = 3");
    execute(f->at.store, "UPDATE device SET state = 'suspended' WHERE row_id = 4");
    create(f, "{\"release\": \"gw:2.0\", \"target\": \"all\", \"start\": true, "
              "\"rate\": {\"start\": 0}, \"waves\": [{\"percent\": 100}]}");
    tick(f);
    assert_int_equal(atoll(text_of(f, "SELECT active FROM wave")), 16);
    assert_string_equal(poll_as(f, 1).reason, "hardware");
    assert_string_equal(poll_as(f, 2).reason, "security_floor");
    assert_string_equal(poll_as(f, 3).reason, "hardware_unknown");
    assert_string_equal(poll_as(f, 4).reason, "device_state");
}

static void a_withdrawn_release_stops_its_campaign(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    (void)poll_as(f, 1);
    execute(f->at.store, "UPDATE release SET state = 'withdrawn' WHERE row_id = 2");
    assert_int_equal(may_fetch(f, 1), STEP_DONE);
    assert_int_equal(poll_as(f, 2).verdict, VERDICT_NOTHING);
    pass(f, 1);
    assert_string_equal(campaign_state(f), "paused");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, NULL), PROBLEM_WRONG_STATE);
}

static void a_restart_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    create(f, THREE_WAVES);
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 2);
    pass(f, 1);
    campaigns_close(&f->campaigns);
    CHECKED(campaigns_open(f->at.store, f->config, &f->campaigns, &err), err);
    assert_string_equal(wave_states(f), "soaking pending pending");
    pass(f, 10);
    assert_string_equal(wave_states(f), "passed open pending");
    assert_int_equal(poll_all(f, 20, true), 8);
}

/* -- threads -- */

static void count_cut(void *arg, int64_t campaign_row, int64_t release_row)
{
    assert_int_equal(campaign_row, 1);
    assert_int_equal(release_row, 0);
    ++*(_Atomic int *)arg;
}

static void an_abort_cuts_transfers_once_it_is_on_disk(void **state)
{
    struct fixture *f = *state;
    _Atomic int cuts = 0;
    struct error err = {0};

    create(f, ALL_AT_ONCE);
    tick(f);
    CHECKED(campaigns_start_ticker(f->campaigns, count_cut, &cuts, &err), err);
    assert_int_equal(act(f, 1, CAMPAIGN_PAUSE, NULL), PROBLEM_NONE);
    assert_int_equal(cuts, 0);
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, "{\"reason\": 5}"), PROBLEM_BAD_FIELD);
    assert_int_equal(cuts, 0);
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, NULL), PROBLEM_NONE);
    assert_int_equal(cuts, 1);
    campaigns_stop_ticker(f->campaigns);
}

static void *poll_and_fetch(void *arg)
{
    struct fixture *f = arg;

    for (int i = 0; i < 200; i++) {
        int64_t device = 1 + i % 20;
        struct decision decision = poll_as(f, device);

        if (decision.verdict == VERDICT_OFFER)
            campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 1000, 1000);
        if (decision.verdict == VERDICT_OFFER && i > 100)
            prove(f, device, "2.0", "b", 1);
    }
    return NULL;
}

static void polls_rounds_and_operators_do_not_disturb_each_other(void **state)
{
    struct fixture *f = *state;
    pthread_t devices[3];

    create(f, ALL_AT_ONCE);
    tick(f);
    for (size_t i = 0; i < COUNT_OF(devices); i++)
        assert_int_equal(pthread_create(&devices[i], NULL, poll_and_fetch, f), 0);
    for (int i = 0; i < 20; i++) {
        (void)act(f, 1, i % 2 ? CAMPAIGN_RESUME : CAMPAIGN_PAUSE, NULL);
        tick(f);
    }
    for (size_t i = 0; i < COUNT_OF(devices); i++)
        pthread_join(devices[i], NULL);
    (void)act(f, 1, CAMPAIGN_RESUME, NULL);
    for (int64_t device = 1; device <= 20; device++)
        if (poll_as(f, device).verdict == VERDICT_OFFER)
            prove(f, device, "2.0", "b", 1);
    pass(f, 1);
    assert_int_equal(counted(f, "confirmed"), 20);
    assert_string_equal(campaign_state(f), "finished");
}

/* -- whatever happens -- */

static void check_counts(struct fixture *f)
{
    assert_string_equal(
        text_of(f, "SELECT count(*) FROM (SELECT campaign_row, wave, counted_as, count(*) AS n "
                   "FROM deployment GROUP BY 1, 2, 3) AS d LEFT JOIN deployment_count AS c "
                   "ON c.campaign_row = d.campaign_row AND c.wave = d.wave "
                   "AND c.state = d.counted_as WHERE c.count IS NOT d.n"),
        "0");
    assert_string_equal(text_of(f,
                                "SELECT (SELECT COALESCE(SUM(count), 0) FROM deployment_count) - "
                                "(SELECT count(*) FROM deployment)"),
                        "0");
    assert_string_equal(text_of(f, "SELECT count(*) FROM deployment_count WHERE count < 0"), "0");
    assert_string_equal(
        text_of(f, "SELECT count(*) FROM stratum_count AS s WHERE confirmed <> "
                   "(SELECT count(*) FROM deployment AS d WHERE d.campaign_row = s.campaign_row "
                   "AND d.stratum = s.stratum AND d.counted_as = 'confirmed') OR failed <> "
                   "(SELECT count(*) FROM deployment AS d WHERE d.campaign_row = s.campaign_row "
                   "AND d.stratum = s.stratum "
                   "AND d.counted_as IN ('failed', 'reverted', 'lost', 'timed_out'))"),
        "0");
    assert_string_equal(text_of(f, "SELECT count(*) FROM deployment WHERE counted_as <> state AND "
                                   "NOT (counted_as = 'retrying' AND state = 'failed' AND "
                                   "retry_at IS NOT NULL)"),
                        "0");
}

static uint32_t random_state;

static uint32_t below(uint32_t limit)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % limit;
}

/* A device does something, likely or not; table and counts must survive it. */
static void happen(struct fixture *f)
{
    static const char *const words[] = {
        NULL,           "connection lost", "handler failed", "no space left",
        "incompatible", "signature wrong"};
    static const char *const versions[] = {"1.0", "2.0", "2.0", "3.0"};
    static const char *const boots[] = {"a", "b", "c", "d"};
    static int64_t actions[21];
    int64_t device = 1 + below(20);
    struct report report = {.kind = (enum report_kind)below(REPORT_NOTE + 1),
                            .detail = words[below(COUNT_OF(words))],
                            .is_final = below(2)};
    struct decision decision;

    switch (below(6)) {
    case 0:
    case 1:
        decision = poll_as(f, device);
        if (decision.action)
            actions[device] = decision.action;
        if (decision.deployment_row && below(2))
            campaign_note_transfer(f->campaigns, decision.deployment_row, below(1000), below(1000),
                                   1000);
        break;
    case 2:
    case 3:
        memcpy(report.hash, &(uint32_t){below(1000)}, 4);
        struct task task = {
            .f = f, .device_row = device, .row = actions[device], .report = &report};
        struct error err = {0};
        if (actions[device] && store_write(f->at.store, do_report, &task, &err))
            assert_int_equal(err.problem, PROBLEM_NOT_FOUND); /* an attempt long over */
        break;
    case 4:
        prove(f, device, versions[below(4)], boots[below(4)], below(1200));
        break;
    case 5:
        pass(f, below(4000));
        break;
    }
}

static void counts_agree_whatever_devices_do(void **state)
{
    static const enum campaign_verb verbs[] = {CAMPAIGN_PAUSE, CAMPAIGN_RESUME, CAMPAIGN_RESUME,
                                               CAMPAIGN_ABORT, CAMPAIGN_CANCEL};

    (void)state;
    for (uint32_t seed = 1; seed <= 12; seed++) {
        struct fixture *f = fixture_new(20, "1.0");

        random_state = seed;
        execute(f->at.store, "UPDATE device SET site = row_id % 3");
        create(f, PLAN(", \"pause\": {\"failures\": 12}, \"abort\": {\"failures\": 16}, "
                       "\"strata\": {\"by\": [\"site\"]}, "
                       "\"waves\": [{\"count\": 4}, {\"percent\": 100}]"));
        create(f, "{\"release\": \"gw:2.0\", \"target\": \"id in (dev-1, dev-2, dev-3)\", "
                  "\"start\": true, \"confirm_after\": 300, \"rate\": {\"start\": 0}, "
                  "\"waves\": [{\"percent\": 100}]}");
        tick(f);
        for (int i = 0; i < 400; i++) {
            happen(f);
            if (below(60) == 0)
                (void)act(f, 1 + below(2), verbs[below(below(4) ? 3 : 5)],
                          "{\"accept_failures\": true}");
            if (i % 50 == 0)
                check_counts(f);
        }
        check_counts(f);
        fixture_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(no_offer_after_a_pause_even_when_the_poll_was_on_its_way),
        CASE(a_pause_spares_those_that_have_begun),
        CASE(an_abort_cancels),
        CASE(an_abort_ends_offers_of_silent_devices),
        CASE(a_success_said_to_a_cancel_is_not_believed),
        CASE(a_soft_cancel_lets_go_on_what_has_begun),
        CASE(silence_writes_nothing),
        CASE(without_a_campaign_nothing_is_asked),
        CASE(the_newest_campaign_of_the_highest_priority_wins),
        CASE(an_older_campaign_does_not_undo_a_newer_one),
        CASE(hardware_and_floor_are_respected),
        CASE(a_withdrawn_release_stops_its_campaign),
        CASE(a_restart_loses_nothing),
        CASE(an_abort_cuts_transfers_once_it_is_on_disk),
        CASE(polls_rounds_and_operators_do_not_disturb_each_other),
        cmocka_unit_test(counts_agree_whatever_devices_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
