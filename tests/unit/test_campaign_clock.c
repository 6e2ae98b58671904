/* SPDX-License-Identifier: Apache-2.0 */
/* The campaign clock on a real store: starts, ends, freezes, silence, the watch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/campaign_steps.h"

#include "campaign/engine.h"

/* START_TIME is 2027-01-15T08:00:00Z. */
#define AT_0810 "2027-01-15T08:10:00Z"
#define AT_0820 "2027-01-15T08:20:00Z"

/* -- starts -- */

static void a_campaign_starts_at_its_time(void **state)
{
    struct fixture *f = *state;
    struct store_counts before, after;

    create(f, PLAN(", \"start_at\": \"" AT_0810 "\", \"waves\": [{\"percent\": 100}]"));
    assert_string_equal(campaign_state(f), "scheduled");
    store_count(f->at.store, &before);
    pass(f, 599);
    store_count(f->at.store, &after);
    assert_int_equal(after.jobs, before.jobs);
    assert_string_equal(campaign_state(f), "scheduled");
    pass(f, 1);
    assert_string_equal(campaign_state(f), "running");
    pass(f, 1);
    assert_string_equal(wave_states(f), "open");
}

static void a_start_that_must_not_be_pauses_for_the_guard(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"start_at\": \"" AT_0810 "\", \"waves\": [{\"percent\": 100}]"));
    execute(f->at.store, "UPDATE release SET state = 'withdrawn' WHERE row_id = 2");
    pass(f, 600);
    assert_string_equal(campaign_state(f), "paused");
    assert_string_equal(text_of(f, "SELECT paused_for FROM campaign"), "guard");
}

static void a_queued_campaign_follows_the_one_before(void **state)
{
    struct fixture *f = *state;
    struct store_counts before, after;

    execute(f->at.store,
            "INSERT INTO channel (tenant_row, id, created_at) VALUES (1, 'stable', 0)");
    execute(f->at.store, "UPDATE device SET channel_row = 1");
    create(f, PLAN(", \"channel\": \"stable\", \"promote\": false, "
                   "\"waves\": [{\"percent\": 100}]"));
    create(f, PLAN(", \"channel\": \"stable\", \"promote\": false, \"supersede\": \"queue\", "
                   "\"waves\": [{\"percent\": 100}]"));
    tick(f);
    assert_string_equal(text_of(f, "SELECT state_reason FROM campaign WHERE row_id = 2"),
                        "queued behind c-1");
    store_count(f->at.store, &before);
    for (int i = 0; i < 20; i++)
        pass(f, 1);
    store_count(f->at.store, &after);
    assert_int_equal(after.jobs, before.jobs);
    assert_int_equal(poll_all(f, 20, true), 20);
    pass(f, 1);
    assert_string_equal(campaign_state(f), "finished");
    pass(f, 1);
    assert_string_not_equal(text_of(f, "SELECT state FROM campaign WHERE row_id = 2"), "scheduled");
}

static void a_wave_waits_for_its_time(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"count\": 1}, {\"percent\": 100, \"not_before\": \"" AT_0810
                   "\"}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 1);
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed pending");
    pass(f, 598);
    assert_string_equal(wave_states(f), "passed pending");
    pass(f, 1);
    assert_string_equal(wave_states(f), "passed open");
}

/* -- ends -- */

static void a_campaign_expires_and_lets_go_on_what_has_begun(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"end_at\": \"" AT_0810 "\", \"waves\": [{\"percent\": 100}]"));
    tick(f);
    struct decision begun = poll_as(f, 1);
    (void)poll_as(f, 2);
    campaign_note_transfer(f->campaigns, begun.deployment_row, 0, 10, 1000);
    pass(f, 599);
    assert_string_equal(campaign_state(f), "running");
    pass(f, 1);
    assert_string_equal(campaign_state(f), "expired");
    assert_string_equal(deployment_state(f, 1), "downloading");
    assert_string_equal(deployment_state(f, 2), "cancelled");
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    assert_int_equal(poll_as(f, 3).verdict, VERDICT_NOTHING);
}

static void an_end_may_cancel(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"end_at\": \"" AT_0810 "\", \"on_end\": \"cancel\", "
                   "\"waves\": [{\"percent\": 100}]"));
    tick(f);
    struct decision begun = poll_as(f, 1);
    campaign_note_transfer(f->campaigns, begun.deployment_row, 0, 10, 1000);
    pass(f, 1);
    assert_int_equal(act(f, 1, CAMPAIGN_PAUSE, "{\"reason\": \"lunch\"}"), PROBLEM_NONE);
    pass(f, 599); /* also while it stands */
    assert_string_equal(campaign_state(f), "expired");
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
}

static void a_download_that_never_ends_is_a_failure_until_the_device_is_heard_of(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"download_deadline\": 1000, \"waves\": [{\"percent\": 100}]"));
    tick(f);
    struct decision begun = poll_as(f, 1);
    campaign_note_transfer(f->campaigns, begun.deployment_row, 0, 10, 1000);
    pass(f, 1);
    pass(f, 999);
    assert_string_equal(deployment_state(f, 1), "downloading");
    pass(f, 1);
    assert_string_equal(deployment_state(f, 1), "timed_out");
    assert_int_equal(counted(f, "timed_out"), 1);
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
    assert_int_equal(counted(f, "timed_out"), 0);
    assert_int_equal(counted(f, "confirmed"), 1);
}

static struct decision take_whole(struct fixture *f, int64_t device)
{
    struct decision decision = poll_as(f, device);

    assert_int_equal(decision.verdict, VERDICT_OFFER);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 1000, 1000);
    tick(f);
    return decision;
}

static void a_device_that_dies_with_the_whole_release_is_lost(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"verify_timeout\": 1000, \"waves\": [{\"percent\": 100}]"));
    tick(f);
    take_whole(f, 1), take_whole(f, 2);
    execute(f->at.store, "UPDATE device_seen SET seen_at = 1800000500 WHERE device_row = 2");
    pass(f, 999);
    assert_string_equal(deployment_state(f, 1), "downloaded");
    pass(f, 61);
    assert_string_equal(deployment_state(f, 1), "installing");
    assert_string_equal(deployment_state(f, 2), "downloaded"); /* it was heard of since */
    pass(f, 1000);
    assert_string_equal(deployment_state(f, 1), "lost");
    assert_int_equal(counted(f, "lost"), 1);
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
}

/* Somebody may still have to agree: only who is stale is given up. */
static void a_device_that_waits_is_given_up_when_it_is_stale(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"verify_timeout\": 1000, \"stale_after\": 5000, \"waves\": "
                   "[{\"percent\": 100}]"));
    tick(f);
    struct decision decision = take_whole(f, 1);
    report_as(f, 1, decision.action, REPORT_REJECTED, "not now");
    assert_string_equal(deployment_state(f, 1), "waiting");
    pass(f, 4900);
    assert_string_equal(deployment_state(f, 1), "waiting");
    pass(f, 160);
    assert_string_equal(deployment_state(f, 1), "installing");
    pass(f, 1000);
    assert_string_equal(deployment_state(f, 1), "lost");
}

/* Seven of ten are enough for the gate, but for those three that have begun and are silent. */
static void a_gate_does_not_forget_who_has_begun(void **state)
{
    struct fixture *f = *state;
    int64_t taken = 0;

    create(f, PLAN(", \"stale_after\": 1000, \"waves\": [{\"count\": 10}, {\"percent\": 100}]"));
    tick(f);
    for (int64_t device = 1; device <= 20; device++) {
        if (poll_as(f, device).verdict != VERDICT_OFFER)
            continue;
        take_whole(f, device);
        if (taken++ < 7)
            prove(f, device, "2.0", "b", 1);
    }
    pass(f, 2000);
    pass(f, 2000);
    assert_string_equal(wave_states(f), "open pending");
    assert_string_equal(text_of(f, "SELECT active FROM wave WHERE position = 0"), "10");
    pass(f, 86400 - 2000);
    pass(f, 86400);
    assert_int_equal(counted(f, "lost"), 3);
    assert_string_equal(campaign_state(f), "aborted");
}

static size_t live_plans(struct fixture *f)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(f->campaigns);

    return snapshot->count;
}

static void a_campaign_that_is_over_waits_for_no_silent_device(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"verify_timeout\": 1000, \"waves\": [{\"percent\": 100}]"));
    tick(f);
    take_whole(f, 1);
    report_as(f, 2, take_whole(f, 2).action, REPORT_REJECTED, "not now");
    assert_int_equal(act(f, 1, CAMPAIGN_CANCEL, NULL), PROBLEM_NONE);
    pass(f, 900);
    assert_int_equal(live_plans(f), 1);
    pass(f, 160);
    assert_int_equal(counted(f, "cancelled"), 2);
    assert_int_equal(live_plans(f), 0);
}

/* -- the watch -- */

#define WATCHED                                                                                    \
    "{\"release\": \"gw:2.0\", \"target\": \"all\", \"start\": true, \"confirm_after\": 0, "       \
    "\"rate\": {\"start\": 0}, \"watch\": 1000, \"waves\": [{\"percent\": 100}]}"

static void a_campaign_is_watched_before_it_is_finished(void **state)
{
    struct fixture *f = *state;

    create(f, WATCHED);
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 20);
    pass(f, 1);
    assert_string_equal(campaign_state(f), "finishing");
    pass(f, 999);
    assert_string_equal(campaign_state(f), "finishing");
    pass(f, 1);
    assert_string_equal(campaign_state(f), "finished");
}

static void a_late_failure_during_the_watch_brakes(void **state)
{
    struct fixture *f = *state;

    create(f, WATCHED);
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 20);
    pass(f, 1);
    prove(f, 1, "1.0", "c", 1);
    assert_string_equal(campaign_state(f), "finishing");
    assert_int_equal(counted(f, "confirmed"), 19);
    prove(f, 2, "1.0", "c", 1);
    assert_string_equal(campaign_state(f), "paused");
    assert_string_equal(text_of(f, "SELECT paused_for FROM campaign"), "budget");
    pass(f, 2000);
    assert_string_equal(campaign_state(f), "paused");
    prove(f, 3, "1.0", "c", 1);
    assert_string_equal(campaign_state(f), "aborted");
}

static void failures_taken_on_during_the_watch_let_it_end(void **state)
{
    struct fixture *f = *state;

    create(f, WATCHED);
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 20);
    pass(f, 1);
    prove(f, 1, "1.0", "c", 1);
    prove(f, 2, "1.0", "c", 1);
    assert_string_equal(campaign_state(f), "paused");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, "{\"accept_failures\": 2}"), PROBLEM_NONE);
    pass(f, 500);
    assert_string_equal(campaign_state(f), "finishing");
    pass(f, 499);
    assert_string_equal(campaign_state(f), "finishing");
    pass(f, 1); /* the watch counts from the last wave's end */
    assert_string_equal(campaign_state(f), "finished");
    assert_string_equal(text_of(f, "SELECT paused_for FROM campaign"), "");
}

/* -- silence -- */

#define DEAD_MAN                                                                                   \
    PLAN(", \"dead_man\": 5000, \"offer_ttl\": 100000, \"pause\": {\"sample\": 3}, "               \
         "\"waves\": [{\"percent\": 100}]")

static void offers_without_any_outcome_pause_the_campaign(void **state)
{
    struct fixture *f = *state;

    create(f, DEAD_MAN);
    tick(f);
    (void)poll_as(f, 1), (void)poll_as(f, 2);
    pass(f, 5000);
    assert_string_equal(campaign_state(f), "running"); /* two are too few to tell */
    (void)poll_as(f, 3);
    pass(f, 1);
    assert_string_equal(campaign_state(f), "paused");
    assert_string_equal(text_of(f, "SELECT paused_for FROM campaign"), "telemetry");
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, NULL), PROBLEM_NONE);
    pass(f, 4999);
    assert_string_equal(campaign_state(f), "running");
    pass(f, 1);
    assert_string_equal(campaign_state(f), "paused");
}

/* During the soak nobody was offered it. */
static void silence_counts_from_the_opening_of_a_wave(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"dead_man\": 5000, \"offer_ttl\": 100000, \"pause\": {\"sample\": 3}, "
                   "\"waves\": [{\"count\": 2, \"soak\": 20000}, {\"percent\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 2);
    pass(f, 1);
    pass(f, 20000);
    assert_string_equal(wave_states(f), "passed open");
    for (int64_t device = 1; device <= 20; device++)
        (void)poll_as(f, device);
    pass(f, 4999);
    assert_string_equal(campaign_state(f), "running");
    pass(f, 1);
    assert_string_equal(campaign_state(f), "paused");
    assert_string_equal(text_of(f, "SELECT paused_for FROM campaign"), "telemetry");
}

static void an_outcome_is_a_sign_of_life(void **state)
{
    struct fixture *f = *state;

    create(f, DEAD_MAN);
    tick(f);
    for (int64_t device = 1; device <= 10; device++)
        (void)poll_as(f, device);
    pass(f, 4999);
    prove(f, 1, "2.0", "b", 1);
    pass(f, 4999);
    assert_string_equal(campaign_state(f), "running");
    for (int64_t device = 2; device <= 6; device++)
        prove(f, device, "2.0", "b", 1);
    pass(f, 50000); /* the rest is switched off */
    assert_string_equal(campaign_state(f), "running");
}

static void silence_is_no_sign_while_everybody_is_frozen(void **state)
{
    struct fixture *f = *state;

    create(f, DEAD_MAN);
    tick(f);
    for (int64_t device = 1; device <= 10; device++)
        (void)poll_as(f, device);
    execute(f->at.store, "INSERT INTO freeze (tenant_row, id, reason, from_at, until_at, "
                         "created_by, created_at) VALUES (1, 'f-1', 'gala', 1800000100, "
                         "1800020000, 'alice', 0)");
    pass(f, 10000);
    pass(f, 9999);
    assert_string_equal(campaign_state(f), "running");
    pass(f, 4000);
    assert_string_equal(campaign_state(f), "running");
    pass(f, 5000);
    assert_string_equal(campaign_state(f), "paused");
}

/* -- freezes -- */

static void a_freeze_delays_the_waves(void **state)
{
    struct fixture *f = *state;

    create(f, THREE_WAVES);
    tick(f);
    assert_int_equal(poll_all(f, 20, true), 2);
    pass(f, 1);
    assert_string_equal(wave_states(f), "soaking pending pending");
    execute(f->at.store, "INSERT INTO freeze (tenant_row, id, reason, target, from_at, until_at, "
                         "created_by, created_at) VALUES (1, 'f-1', 'gala', '', 1800000005, "
                         "1800000100, 'alice', 0), (1, 'f-2', 'shop', 'site = a', 0, "
                         "1900000000, 'alice', 0)");
    pass(f, 90);
    assert_string_equal(wave_states(f), "soaking pending pending");
    pass(f, 9);
    assert_string_equal(wave_states(f), "passed open pending");
}

static void an_expedited_campaign_passes_a_freeze(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "INSERT INTO freeze (tenant_row, id, reason, from_at, until_at, "
                         "created_by, created_at) VALUES (1, 'f-1', 'gala', 0, 1900000000, "
                         "'alice', 0)");
    create(f, PLAN(", \"reason\": \"zero day\", \"windows\": {\"expedite\": true}, "
                   "\"waves\": [{\"percent\": 100}]"));
    tick(f);
    assert_string_equal(wave_states(f), "open");
}

/* -- what it costs -- */

/* Rounds over campaigns in every state, with devices under way that say nothing. */
static void a_silent_fleet_costs_no_job_in_any_state(void **state)
{
    struct fixture *f = *state;
    struct store_counts before, after;

    create(f,
           PLAN_OF("id in (dev-1, dev-2, dev-3)", ", \"waves\": [{\"percent\": 100}]")); /* open */
    create(f, PLAN_OF("id = dev-4", ", \"waves\": [{\"percent\": 100, \"soak\": 9999}]"));
    create(f, PLAN_OF("id = dev-5", ", \"waves\": [{\"percent\": 100}]")); /* paused */
    create(f, PLAN_OF("id = dev-6", ", \"start_at\": \"" AT_0820 "\""));   /* scheduled */
    tick(f);
    (void)poll_as(f, 1);
    (void)poll_as(f, 4);
    prove(f, 4, "2.0", "b", 1);
    assert_int_equal(act(f, 3, CAMPAIGN_PAUSE, "{\"reason\": \"lunch\"}"), PROBLEM_NONE);
    pass(f, 1);
    pass(f, 1);
    store_count(f->at.store, &before);
    for (int i = 0; i < 100; i++)
        pass(f, 1);
    store_count(f->at.store, &after);
    assert_int_equal(after.jobs, before.jobs);
    assert_int_equal(after.commits, before.commits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_campaign_starts_at_its_time),
        CASE(a_start_that_must_not_be_pauses_for_the_guard),
        CASE(a_queued_campaign_follows_the_one_before),
        CASE(a_wave_waits_for_its_time),
        CASE(a_campaign_expires_and_lets_go_on_what_has_begun),
        CASE(an_end_may_cancel),
        CASE(a_download_that_never_ends_is_a_failure_until_the_device_is_heard_of),
        CASE(a_device_that_dies_with_the_whole_release_is_lost),
        CASE(a_device_that_waits_is_given_up_when_it_is_stale),
        CASE(a_gate_does_not_forget_who_has_begun),
        CASE(a_campaign_that_is_over_waits_for_no_silent_device),
        CASE(a_campaign_is_watched_before_it_is_finished),
        CASE(a_late_failure_during_the_watch_brakes),
        CASE(failures_taken_on_during_the_watch_let_it_end),
        CASE(offers_without_any_outcome_pause_the_campaign),
        CASE(silence_counts_from_the_opening_of_a_wave),
        CASE(an_outcome_is_a_sign_of_life),
        CASE(silence_is_no_sign_while_everybody_is_frozen),
        CASE(a_freeze_delays_the_waves),
        CASE(an_expedited_campaign_passes_a_freeze),
        CASE(a_silent_fleet_costs_no_job_in_any_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
