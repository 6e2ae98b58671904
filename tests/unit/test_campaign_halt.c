/* SPDX-License-Identifier: Apache-2.0 */
/* The emergency stop and what it cuts; what holds offers back from one moment to the next; limits
 * that were set after a campaign was made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/offer_steps.h"

#include "store/freeze.h"

static enum step may_fetch(struct fixture *f, int64_t device, int64_t target)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct decision decision;
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    return campaign_allows_artifact(&tx, device, target, &decision, &err);
}

/* -- the emergency stop -- */

#define HALT "INSERT INTO halt VALUES (1, 'smoke', 'alice', 1800000000)"

static int do_lift(struct tx *tx, void *arg, struct error *err)
{
    const struct fixture *f = arg;

    return halt_lift(tx, 1, f->now, err) || campaigns_halt_changed(tx, f->campaigns, err) ? -1 : 0;
}

static void lift(struct fixture *f)
{
    struct error err = {0};

    CHECKED(store_write(f->at.store, do_lift, f, &err), err);
}

static void count_cut(void *arg, int64_t campaign_row, int64_t release_row)
{
    *(_Atomic int *)arg += campaign_row == 0 && release_row == 0;
}

static void an_emergency_stop_is_told_where_no_campaign_runs(void **state)
{
    struct fixture *f = *state;

    change(f, HALT);
    expect_reason(f, 1, "emergency_stop");
    lift(f);
    expect_reason(f, 1, "no_campaign");
}

static void an_emergency_stop_reaches_everybody_at_once(void **state)
{
    struct fixture *f = *state;
    _Atomic int cuts = 0;
    struct error err = {0};

    create(f, ALL_AT_ONCE);
    tick(f);
    CHECKED(campaigns_start_ticker(f->campaigns, count_cut, &cuts, &err), err);
    campaigns_stop_ticker(f->campaigns);
    const struct decision begun = expect_offer(f, 1, 2);
    fetch(f, &begun, 10);
    assert_int_equal(poll_on_reader(f, 2).verdict, VERDICT_WRITE);
    change(f, HALT);
    assert_int_equal(cuts, 1);
    expect_reason(f, 1, "emergency_stop");
    expect_reason(f, 2, "emergency_stop");
    assert_int_equal(may_fetch(f, 1, 2), STEP_DONE);
    /* On the writer nobody slips through either, whatever the snapshot says. */
    lift(f);
    execute(f->at.store, HALT);
    assert_string_equal(poll_on_writer(f, 2).reason, "emergency_stop");
}

static void whoever_was_cut_is_not_to_blame(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    const struct decision one = expect_offer(f, 1, 2), two = expect_offer(f, 2, 2),
                          three = expect_offer(f, 3, 2);
    fetch(f, &one, 10);
    fetch(f, &two, 10);
    fetch(f, &three, 10);
    change(f, HALT);
    report_as(f, 1, one.action, REPORT_FAILURE, "Connection reset");
    assert_string_equal(deployment_state(f, 1), "withdrawn");
    report_as(f, 3, three.action, REPORT_FAILURE, "signature wrong");
    assert_string_equal(deployment_state(f, 3), "failed"); /* that was not us */
    pass(f, 60);
    lift(f);
    f->now += 30;
    report_as(f, 2, two.action, REPORT_FAILURE, "Connection reset");
    assert_string_equal(deployment_state(f, 2), "withdrawn");
    assert_string_equal(text_of(f, "SELECT sum(interruptions) FROM deployment"), "2");
    assert_int_equal(counted(f, "retrying"), 0);
    const struct decision again = expect_offer(f, 1, 2);
    assert_true(again.action > three.action);
    fetch(f, &again, 10);
    f->now += 7200;
    report_as(f, 1, again.action, REPORT_FAILURE, "Connection reset");
    assert_string_equal(deployment_state(f, 1), "failed");
}

static void open_with(struct fixture *f, const struct config *config)
{
    struct error err = {0};

    campaigns_close(&f->campaigns);
    CHECKED(campaigns_open(f->at.store, config, &f->campaigns, &err), err);
}

static void open_again(struct fixture *f)
{
    open_with(f, f->config);
    tick(f);
}

static void a_restart_does_not_forget_who_was_cut(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    const struct decision one = expect_offer(f, 1, 2), two = expect_offer(f, 2, 2);
    fetch(f, &one, 10);
    fetch(f, &two, 10);
    change(f, HALT);
    pass(f, 60);
    lift(f);
    open_again(f);
    f->now += 30;
    report_as(f, 1, one.action, REPORT_FAILURE, "Connection reset");
    assert_string_equal(deployment_state(f, 1), "withdrawn");
    report_as(f, 2, two.action, REPORT_FAILURE, "write failed, stream ended early");
    assert_string_equal(deployment_state(f, 2), "withdrawn");
}

static void whoever_streams_is_cut_while_it_installs(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    const struct decision one = expect_offer(f, 1, 2), two = expect_offer(f, 2, 2),
                          three = expect_offer(f, 3, 2);
    fetch(f, &one, 10);
    fetch(f, &two, 1000); /* has the whole: what fails now is its own */
    report_as(f, 1, one.action, REPORT_INSTALLING, NULL);
    report_as(f, 2, two.action, REPORT_INSTALLING, NULL);
    change(f, HALT);
    open_again(f);
    report_as(f, 1, one.action, REPORT_FAILURE, "write failed, stream ended early");
    assert_string_equal(deployment_state(f, 1), "withdrawn");
    report_as(f, 2, two.action, REPORT_FAILURE, "write failed");
    assert_string_equal(deployment_state(f, 2), "failed");
    campaign_note_transfer(f->campaigns, three.deployment_row, 0, 1000, 1000);
    report_as(f, 3, three.action, REPORT_FAILURE,
              "write failed"); /* before the clock has seen it */
    assert_string_equal(deployment_state(f, 3), "failed");
}

/* -- what has changed since the snapshot -- */

struct news {
    struct task task;
    const char *sql;
};

/* A change and a poll in one batch: the poll sees the snapshot from before. */
static int do_news_and_poll(struct tx *tx, void *arg, struct error *err)
{
    struct news *news = arg;
    CLEANUP(query_finish) struct query q = query_start(tx, news->sql);

    return query_run(&q, err) || do_poll(tx, &news->task, err) ? -1 : 0;
}

static void expect_held_by(struct fixture *f, int64_t device, const char *sql, const char *reason)
{
    struct news news = {
        .task = {.f = f, .device_row = device},
          .sql = sql
    };
    struct error err = {0};

    CHECKED(store_write(f->at.store, do_news_and_poll, &news, &err), err);
    assert_int_equal(news.task.decision.verdict, VERDICT_NOTHING);
    assert_string_equal(news.task.decision.reason, reason);
}

#define FREEZE_OF(id, target)                                                                      \
    "INSERT INTO freeze (tenant_row, id, reason, target, from_at, until_at, created_by, "          \
    "created_at) VALUES (1, '" id "', 'fair', '" target "', 0, 9000000000, 'alice', 0)"

static void nobody_slips_through_behind_a_hold_or_a_freeze(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    expect_held_by(f, 1,
                   "INSERT INTO pin (device_row, reason, created_by, created_at) "
                   "VALUES (1, 'spare', 'alice', 0)",
                   "hold");
    expect_held_by(f, 2, FREEZE_OF("f-1", "id = dev-2"), "freeze");
    assert_string_equal(poll_on_writer(f, 3).reason, "offer"); /* not frozen */
    expect_held_by(f, 4, FREEZE_OF("f-2", ""), "freeze");
}

/* -- limits that were set later -- */

static void a_stored_plan_is_not_held_to_later_limits(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN_OF("model = gw and version = 1.0", EVERYBODY));
    tick(f);
    struct config stricter = *f->config; /* as read anew at the next start */
    stricter.campaign_filter_max = 16;
    stricter.campaign_waves_max = 1;
    stricter.campaign_approvals = 1;
    open_with(f, &stricter);
    expect_offer(f, 1, 2);
    open_with(f, f->config);
}

static void a_plan_that_cannot_be_read_stops_no_other(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    create(f, TO_RELEASE("gw:2.0", ""));
    tick(f);
    execute(f->at.store, "UPDATE campaign SET plan = '{\"target\": 1}' WHERE row_id = 1");
    open_with(f, f->config);
    const struct decision decision = expect_offer(f, 1, 2);
    assert_int_equal(decision.campaign_row, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_emergency_stop_is_told_where_no_campaign_runs),
        CASE(an_emergency_stop_reaches_everybody_at_once),
        CASE(whoever_was_cut_is_not_to_blame),
        CASE(a_restart_does_not_forget_who_was_cut),
        CASE(whoever_streams_is_cut_while_it_installs),
        CASE(nobody_slips_through_behind_a_hold_or_a_freeze),
        CASE(a_stored_plan_is_not_held_to_later_limits),
        CASE(a_plan_that_cannot_be_read_stops_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
