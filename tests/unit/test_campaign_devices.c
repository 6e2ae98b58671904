/* SPDX-License-Identifier: Apache-2.0 */
/* What devices say and prove, and what becomes of those that do neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/campaign_steps.h"

static int twenty_devices_that_tell_nothing(void **state)
{
    *state = fixture_new(20, "");
    return 0;
}

/* -- what devices say and prove -- */

static void a_message_sent_twice_counts_once(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_PROGRESS, "45 %"), REPORT_TAKEN);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_PROGRESS, "45 %"), REPORT_DUPLICATE);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_INSTALLING, NULL), REPORT_TAKEN);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_INSTALLING, NULL), REPORT_DUPLICATE);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_FAILURE, "boot"), REPORT_TAKEN);
    int64_t events = atoll(text_of(f, "SELECT count(*) FROM event"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(report_as(f, 1, decision.action, REPORT_FAILURE, "boot"),
                         REPORT_DUPLICATE);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, NULL), REPORT_CLOSED);
    assert_int_equal(atoll(text_of(f, "SELECT count(*) FROM event")), events);
    assert_int_equal(counted(f, "failed"), 1);
}

static void success_without_a_fetched_byte_is_only_noted(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, "done"), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "offered");
    assert_int_equal(atoll(text_of(f, "SELECT count(*) FROM event WHERE to_state = 'unverified'")),
                     1);
}

static void who_says_to_be_done_without_a_fetch_is_not_asked_again_at_once(void **state)
{
    struct fixture *f = *state;

    f->config->device_poll = 300;
    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    for (int i = 0; i < 2; i++) {
        (void)report_as(f, 1, decision.action, REPORT_SUCCESS, "done");
        assert_int_equal(poll_as(f, 1).verdict, VERDICT_NOTHING);
        assert_string_equal(poll_as(f, 1).reason, "unverified");
        pass(f, 299);
        assert_string_equal(poll_as(f, 1).reason, "unverified");
        pass(f, 1);
        assert_int_equal(poll_as(f, 1).action, decision.action);
    }
    (void)report_as(f, 1, decision.action, REPORT_SUCCESS, "done");
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 10, 1000);
    tick(f); /* it fetches by itself */
    assert_int_equal(poll_as(f, 1).action, decision.action);
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
}

static void the_words_that_were_not_believed_are_after_a_fetch(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    (void)report_as(f, 1, decision.action, REPORT_SUCCESS, "done");
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 1000, 1000);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, "done"), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "verifying");
    assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, "done"), REPORT_DUPLICATE);
    (void)poll_as(f, 1), (void)poll_as(f, 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
}

static void what_is_said_again_behind_something_else_is_news(void **state)
{
    static const char *const lines[] = {"copying", "checking", "copying", "checking", "copying"};
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_int_equal(report_as(f, 1, decision.action, REPORT_PROGRESS, lines[i]), REPORT_TAKEN);
        assert_int_equal(report_as(f, 1, decision.action, REPORT_PROGRESS, lines[i]),
                         REPORT_DUPLICATE);
    }
    assert_string_equal(text_of(f,
                                "SELECT group_concat(detail, ' ') FROM (SELECT detail FROM event "
                                "WHERE kind = 'report' ORDER BY row_id)"),
                        "copying checking copying checking copying");
}

static void what_was_sent_last_outlives_an_orderly_stop(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 1000, 1000);
    campaigns_close(&f->campaigns);
    assert_string_equal(deployment_state(f, 1), "downloaded");
    CHECKED(campaigns_open(f->at.store, f->config, &f->campaigns, &err), err);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, "done"), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "verifying");
}

static void a_claim_against_the_known_version_waits_for_evidence(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 1000, 1000);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, NULL), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "installing");
    for (int i = 0; i < 5; i++)
        assert_int_equal(poll_as(f, 1).verdict, VERDICT_NOTHING);
    pass(f, 86400 - 1);
    assert_string_equal(deployment_state(f, 1), "installing");
    pass(f, 1);
    assert_string_equal(deployment_state(f, 1), "lost");
    assert_int_equal(counted(f, "lost"), 1);
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
    assert_int_equal(counted(f, "lost"), 0);
    assert_int_equal(counted(f, "confirmed"), 1);
}

static void a_silent_device_is_confirmed_unproven_by_polls(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 1000, 1000);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, NULL), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "verifying");
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_NOTHING);
    assert_string_equal(deployment_state(f, 1), "verifying");
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_NOTHING);
    assert_string_equal(deployment_state(f, 1), "confirmed");
    assert_int_equal(atoll(text_of(f, "SELECT is_unproven FROM deployment")), 1);
}

static void confirmation_takes_its_time(void **state)
{
    struct fixture *f = *state;

    create(f, "{\"release\": \"gw:2.0\", \"target\": \"all\", \"start\": true, "
              "\"confirm_after\": 600, \"rate\": {\"start\": 0}, "
              "\"waves\": [{\"percent\": 100}]}");
    tick(f);
    (void)poll_as(f, 1), (void)poll_as(f, 2);
    prove(f, 1, "2.0", "b", 30);
    prove(f, 2, "2.0", "b", 30);
    assert_string_equal(deployment_state(f, 1), "verifying");
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER); /* not closed by the device yet */
    (void)poll_as(f, 1);
    assert_int_equal(poll_on_reader(f, 1).verdict, VERDICT_OFFER); /* nothing more to write */
    pass(f, 599);
    (void)poll_as(f, 1);
    assert_string_equal(deployment_state(f, 1), "verifying");
    pass(f, 1);
    (void)poll_as(f, 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
    prove(f, 2, "2.0", "b", 700);
    assert_string_equal(deployment_state(f, 2), "confirmed");
}

static void a_fall_back_is_a_failure_whatever_was_said(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"pause\": {\"failures\": 9}, \"abort\": {\"failures\": 9}, "
                   "\"waves\": [{\"percent\": 100}]"));
    tick(f);
    struct decision one = poll_as(f, 1), two = poll_as(f, 2);
    report_as(f, 1, one.action, REPORT_INSTALLING, NULL);
    prove(f, 1, "1.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "reverted");
    prove(f, 2, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 2), "confirmed");
    assert_int_equal(report_as(f, 2, two.action, REPORT_SUCCESS, NULL), REPORT_TAKEN);
    prove(f, 2, "1.0", "c", 1);
    assert_string_equal(deployment_state(f, 2), "reverted");
    assert_int_equal(counted(f, "reverted"), 2);
    assert_string_equal(poll_as(f, 2).reason, "reverted");
}

static void a_boot_loop_is_a_failure(void **state)
{
    struct fixture *f = *state;

    create(f, "{\"release\": \"gw:2.0\", \"target\": \"all\", \"start\": true, "
              "\"confirm_after\": 600, \"rate\": {\"start\": 0}, "
              "\"waves\": [{\"percent\": 100}]}");
    tick(f);
    (void)poll_as(f, 1);
    prove(f, 1, "2.0", "b", 1);
    prove(f, 1, "2.0", "c", 1);
    assert_string_equal(deployment_state(f, 1), "verifying");
    prove(f, 1, "2.0", "d", 1);
    assert_string_equal(deployment_state(f, 1), "reverted");
    assert_string_equal(text_of(f, "SELECT class FROM deployment"), "boot");
}

static void evidence_outranks_a_reported_failure(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    report_as(f, 1, decision.action, REPORT_FAILURE, "handler failed");
    assert_string_equal(deployment_state(f, 1), "failed");
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
    assert_int_equal(counted(f, "failed"), 0);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_FAILURE, "again"), REPORT_CLOSED);
}

static void a_failure_outranks_a_claimed_success(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 10, 1000);
    report_as(f, 1, decision.action, REPORT_SUCCESS, NULL);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_FAILURE, "handler failed"),
                     REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "failed");
}

/* -- retries, withdrawals, removal -- */

static void a_network_failure_is_tried_again_before_it_counts(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    report_as(f, 1, decision.action, REPORT_FAILURE, "Connection reset");
    assert_int_equal(counted(f, "failed"), 0);
    assert_int_equal(counted(f, "retrying"), 1);
    struct decision wait = poll_as(f, 1);
    assert_string_equal(wait.reason, "back_off");
    assert_int_equal(wait.poll_after, 0); /* as usual: something else may be wanted of it */
    pass(f, 800);
    assert_in_range(poll_as(f, 1).poll_after, 100, 175); /* spread from then on */
    pass(f, 100);
    struct decision again = poll_as(f, 1);
    assert_int_equal(again.verdict, VERDICT_OFFER);
    assert_true(again.action > decision.action);
    assert_int_equal(again.attempt, 2);
    report_as(f, 1, again.action, REPORT_FAILURE, "Connection reset");
    pass(f, 1800);
    again = poll_as(f, 1);
    report_as(f, 1, again.action, REPORT_FAILURE, "Connection reset");
    assert_int_equal(counted(f, "failed"), 1);
    assert_int_equal(counted(f, "retrying"), 0);
    pass(f, 100000);
    assert_string_equal(poll_as(f, 1).reason, "failed");
}

static void an_offer_nobody_takes_up_is_withdrawn_without_blame(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"offer_ttl\": 60, \"waves\": [{\"percent\": 100}]"));
    tick(f);
    struct decision first = poll_as(f, 1), begun = poll_as(f, 2);
    campaign_note_transfer(f->campaigns, begun.deployment_row, 0, 0, 1000);
    pass(f, 60);
    assert_string_equal(deployment_state(f, 1), "withdrawn");
    assert_string_equal(deployment_state(f, 2), "downloading");
    struct decision again = poll_as(f, 1);
    assert_int_equal(again.verdict, VERDICT_OFFER);
    assert_true(again.action != first.action);
    assert_int_equal(atoll(text_of(f, "SELECT failures FROM deployment WHERE device_row = 1")), 0);
}

static int remove_job(struct tx *tx, void *arg, struct error *err)
{
    struct fixture *f = arg;

    return campaign_remove_device(tx, f->campaigns, 1, f->now, err);
}

static void a_removed_device_leaves_its_campaigns(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    create(f, ALL_AT_ONCE);
    tick(f);
    (void)poll_as(f, 1);
    CHECKED(store_write(f->at.store, remove_job, f, &err), err);
    assert_string_equal(deployment_state(f, 1), "removed");
    assert_int_equal(poll_all(f, 20, true), 19);
    pass(f, 1);
    assert_string_equal(campaign_state(f), "finished");
}

static void action_ids_grow_and_leave_round_numbers_out(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "INSERT INTO sequence VALUES ('action', 88)");
    create(f, ALL_AT_ONCE);
    tick(f);
    int64_t before = 0;
    for (int64_t device = 1; device <= 20; device++) {
        int64_t action = poll_as(f, device).action;
        assert_true(action > before);
        assert_true(action != 90 && action != 100);
        before = action;
    }
    assert_int_equal(before, 109);
}

static void the_first_action_is_eleven(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    assert_int_equal(poll_as(f, 1).action, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_message_sent_twice_counts_once),
        CASE(success_without_a_fetched_byte_is_only_noted),
        CASE(who_says_to_be_done_without_a_fetch_is_not_asked_again_at_once),
        cmocka_unit_test_setup_teardown(the_words_that_were_not_believed_are_after_a_fetch,
                                        twenty_devices_that_tell_nothing, clear),
        CASE(what_is_said_again_behind_something_else_is_news),
        cmocka_unit_test_setup_teardown(what_was_sent_last_outlives_an_orderly_stop,
                                        twenty_devices_that_tell_nothing, clear),
        CASE(a_claim_against_the_known_version_waits_for_evidence),
        cmocka_unit_test_setup_teardown(a_silent_device_is_confirmed_unproven_by_polls,
                                        twenty_devices_that_tell_nothing, clear),
        CASE(confirmation_takes_its_time),
        CASE(a_fall_back_is_a_failure_whatever_was_said),
        CASE(a_boot_loop_is_a_failure),
        CASE(evidence_outranks_a_reported_failure),
        CASE(a_failure_outranks_a_claimed_success),
        CASE(a_network_failure_is_tried_again_before_it_counts),
        CASE(an_offer_nobody_takes_up_is_withdrawn_without_blame),
        CASE(a_removed_device_leaves_its_campaigns),
        CASE(action_ids_grow_and_leave_round_numbers_out),
        CASE(the_first_action_is_eleven),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
