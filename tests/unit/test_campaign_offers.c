/* SPDX-License-Identifier: Apache-2.0 */
/* What a poll is answered, with everything on a real store that steers it: pins, channels,
 * baselines, floors, windows, freezes, what came before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/offer_steps.h"

#include "campaign/apply_pipeline.h"

static enum step may_fetch(struct fixture *f, int64_t device, int64_t target)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct decision decision;
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    return campaign_allows_artifact(&tx, device, target, &decision, &err);
}

static int64_t number_of(struct fixture *f, const char *sql)
{
    return atoll(text_of(f, sql));
}

/* -- pins -- */

struct pinning {
    struct fixture *f;
    struct new_pin wish;
};

static int do_pin(struct tx *tx, void *arg, struct error *err)
{
    const struct pinning *pinning = arg;

    return pipeline_pin(tx, pinning->f->campaigns, &pinning->wish, &somebody, pinning->f->now, err);
}

/* Release 0: held. */
static void pin(struct fixture *f, int64_t device, int64_t release_row, int64_t expires_at)
{
    struct pinning pinning = {
        f, {1, device, release_row, expires_at, "a test bench", NULL}
    };
    struct error err = {0};

    CHECKED(store_write(f->at.store, do_pin, &pinning, &err), err);
}

static void a_pinned_device_gets_its_release_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    create(f, TO_RELEASE("gw:3.0", ""));
    pin(f, 1, 2, 0);
    tick(f);
    const struct decision decision = expect_offer(f, 1, 2);
    expect_offer(f, 2, 3);
    fetch(f, &decision, 1000);
    prove(f, 1, "2.0", "b", 700);
    assert_string_equal(deployment_state(f, 1), "confirmed");
    expect_reason(f, 1, "confirmed");
}

static void a_held_device_gets_nothing_until_the_pin_expires(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    pin(f, 1, 0, f->now + 100);
    tick(f);
    expect_reason(f, 1, "hold");
    expect_offer(f, 2, 2);
    f->now += 100;
    expect_offer(f, 1, 2);
}

static int do_unpin(struct tx *tx, void *arg, struct error *err)
{
    struct fixture *f = arg;
    const struct device device = device_in(tx, 1);

    return pipeline_unpin(tx, f->campaigns, &device, "operator", f->now, err);
}

static void without_its_pin_a_device_is_let_go(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    pin(f, 1, 2, 0);
    pin(f, 2, 2, 0); /* keeps the campaign alive */
    const struct decision decision = expect_offer(f, 1, 2);
    fetch(f, &decision, 10);
    CHECKED(store_write(f->at.store, do_unpin, f, &err), err);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
    report_as(f, 1, decision.action, REPORT_CANCELLED, NULL);
    expect_reason(f, 1, "no_campaign");
    assert_string_equal(deployment_state(f, 1), "removed");
    pin(f, 1, 2, 0);
    expect_offer(f, 1, 2);
}

static void who_is_let_go_while_it_installs_may_still_succeed(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    pin(f, 1, 2, 0);
    pin(f, 2, 2, 0);
    const struct decision decision = expect_offer(f, 1, 2);
    fetch(f, &decision, 1000);
    report_as(f, 1, decision.action, REPORT_PROGRESS, "40 % installed");
    CHECKED(store_write(f->at.store, do_unpin, f, &err), err);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
    report_as(f, 1, decision.action, REPORT_CANCEL_REFUSED, "too late");
    assert_int_equal(expect_offer(f, 1, 2).action, decision.action);
    prove(f, 1, "2.0", "b", 1);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, NULL), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "verifying");
    assert_string_equal(text_of(f, "SELECT class FROM deployment WHERE device_row = 1"), "");
}

static void who_has_left_without_a_byte_is_asked_nothing(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    pin(f, 1, 2, 0);
    pin(f, 2, 2, 0);
    expect_offer(f, 1, 2);
    CHECKED(store_write(f->at.store, do_unpin, f, &err), err);
    expect_reason(f, 1, "no_campaign");
    assert_string_equal(deployment_state(f, 1), "removed");
}

static void a_hold_stops_what_has_not_begun_to_install(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    const struct decision begun = expect_offer(f, 1, 2), installing = expect_offer(f, 2, 2);
    fetch(f, &begun, 10);
    report_as(f, 2, installing.action, REPORT_INSTALLING, NULL);
    pin(f, 1, 0, 0);
    pin(f, 2, 0, 0);
    expect_reason(f, 1, "hold");
    assert_string_equal(deployment_state(f, 1), "superseded");
    assert_int_equal(poll_as(f, 2).action, installing.action);
}

static void a_pin_leads_back_but_not_behind_a_floor(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET version = '2.0'");
    pin(f, 1, 1, 0);
    expect_offer(f, 1, 1);
    change(f, "UPDATE release SET is_floor = 1 WHERE row_id = 2");
    pin(f, 2, 1, 0);
    expect_reason(f, 2, "floor");
}

/* -- channels and baselines -- */

static int do_baseline(struct tx *tx, void *arg, struct error *err)
{
    const struct pinning *wish = arg;
    const struct new_baseline baseline = {.channel_row = wish->wish.device_row,
                                          .release_row = wish->wish.release_row};

    return pipeline_set_baseline(tx, wish->f->campaigns, &baseline, &somebody, wish->f->now, err);
}

static void set_baseline(struct fixture *f, int64_t channel_row, int64_t release_row)
{
    struct pinning wish = {
        f, {.device_row = channel_row, .release_row = release_row}
    };
    struct error err = {0};

    CHECKED(store_write(f->at.store, do_baseline, &wish, &err), err);
}

static void add_channels(struct fixture *f)
{
    change(f, "INSERT INTO channel (row_id, tenant_row, id, position, rule, created_at) VALUES "
              "(101, 1, 'lab', 1, 'site = lab', 0), (102, 1, 'field', 2, 'all', 0)");
    execute(f->at.store, "UPDATE device SET site = 'lab' WHERE row_id <= 2");
}

static void a_campaign_of_a_channel_reaches_only_its_devices(void **state)
{
    struct fixture *f = *state;

    add_channels(f);
    create(f, TO_RELEASE("gw:2.0", ", \"channel\": \"lab\""));
    tick(f);
    expect_offer(f, 1, 2);
    expect_reason(f, 3, "no_campaign");
    execute(f->at.store, "UPDATE device SET channel_row = 101, channel_until_at = 1800000100 "
                         "WHERE row_id IN (3, 4)");
    execute(f->at.store, "UPDATE device SET channel_row = 102 WHERE row_id = 2");
    expect_offer(f, 3, 2);
    expect_reason(f, 2, "no_campaign"); /* by hand counts more than a rule */
    f->now += 100;
    expect_reason(f, 4, "no_campaign");
}

static void a_baseline_is_for_those_whom_no_campaign_wants(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    add_channels(f);
    execute(f->at.store, "UPDATE device SET version = '0.9'");
    set_baseline(f, 102, 1);
    create(f, PLAN_OF("id = dev-5", EVERYBODY));
    tick(f);
    expect_reason(f, 1, "no_campaign"); /* another channel's */
    const struct decision decision = expect_offer(f, 4, 1);
    fetch(f, &decision, 1000);
    prove(f, 4, "1.0", "b", 700);
    assert_string_equal(deployment_state(f, 4), "confirmed");
    expect_offer(f, 5, 2);
    /* The next baseline is a new want of those that had the old one. */
    f->now += 60;
    set_baseline(f, 102, 3);
    tick(f);
    expect_offer(f, 4, 3);
}

static void what_a_baseline_brought_does_not_keep_an_update_away(void **state)
{
    struct fixture *f = *state;

    add_channels(f);
    execute(f->at.store, "UPDATE device SET version = '0.9'");
    create(f, PLAN_OF("all", ", \"waves\": [{\"count\": 1}, "
                             "{\"percent\": 100}]"));
    set_baseline(f, 102, 1);
    int64_t device = 3;
    struct decision decision = poll_as(f, device);
    assert_int_equal(decision.release_row, 1); /* its wave is not open yet */
    fetch(f, &decision, 1000);
    prove(f, device, "1.0", "b", 700);
    change(f, "UPDATE wave SET state = 'open', rank_limit = 9223372036854775807 "
              "WHERE campaign_row = 1");
    expect_offer(f, device, 2);
}

/* -- lines of releases -- */

static void floors_are_passed_one_after_the_other(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    execute(f->at.store, "UPDATE release SET is_floor = 1 WHERE row_id = 2");
    create(f, TO_RELEASE("gw:3.0", ""));
    tick(f);
    const struct decision first = expect_offer(f, 1, 2);
    assert_int_equal(may_fetch(f, 1, 2), STEP_ROW);
    assert_int_equal(may_fetch(f, 1, 3), STEP_DONE);
    fetch(f, &first, 1000);
    assert_string_equal(deployment_state(f, 1), "downloaded");
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "withdrawn");
    assert_string_equal(text_of(f, "SELECT detail FROM event WHERE to_state = 'withdrawn'"),
                        "step gw:2.0 done");
    prove(f, 1, "2.0", "c", 1); /* told again: no news */
    assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE to_state = 'withdrawn'"), 1);
    assert_int_equal(report_as(f, 1, first.action, REPORT_SUCCESS, NULL), REPORT_TAKEN);
    const struct decision second = expect_offer(f, 1, 3);
    assert_true(second.action > first.action);
    fetch(f, &second, 1000);
    prove(f, 1, "3.0", "d", 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
    assert_int_equal(counted(f, "failed"), 0);
}

static void a_dead_end_is_not_left(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE release SET dead_end = 'new partition table' WHERE row_id = 1");
    create(f, ALL_AT_ONCE);
    tick(f);
    assert_int_equal(number_of(f, "SELECT active FROM wave"), 0);
    change(f, "UPDATE wave SET state = 'open'");
    change(f, "UPDATE campaign SET state = 'running'");
    expect_reason(f, 1, "dead_end");
}

static void only_a_rollback_leads_back(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET version = '2.0' WHERE row_id > 1");
    create(f, TO_RELEASE("gw:1.0", ""));
    change(f, "UPDATE wave SET state = 'open'");
    expect_reason(f, 2, "downgrade");
    create(f, TO_RELEASE("gw:1.0", ", \"kind\": \"rollback\", \"reason\": \"2.0 is loud\""));
    change(f, "UPDATE wave SET state = 'open'");
    expect_offer(f, 2, 1);
    change(f, "UPDATE release SET is_floor = 1 WHERE row_id = 2");
    expect_reason(f, 3, "floor");
    change(f, "UPDATE release SET is_floor = 0, security_floor = 2 WHERE row_id = 2");
    expect_reason(f, 3, "security_floor"); /* what it runs refuses anything older */
}

static void a_rollback_is_no_late_failure_of_what_it_takes_back(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"waves\": [{\"count\": 1}, {\"percent\": 100}]"));
    change(f,
           "UPDATE wave SET state = 'open', rank_limit = 9223372036854775807 WHERE position = 0");
    const struct decision there = expect_offer(f, 1, 2);
    fetch(f, &there, 1000);
    prove(f, 1, "2.0", "b", 1);
    f->now += 10;
    create(f, TO_RELEASE("gw:1.0", ", \"kind\": \"rollback\", \"reason\": \"2.0 is loud\""));
    change(f, "UPDATE wave SET state = 'open' WHERE campaign_row = 2");
    const struct decision back = expect_offer(f, 1, 1);
    fetch(f, &back, 1000);
    prove(f, 1, "1.0", "c", 1);
    assert_int_equal(counted(f, "confirmed"), 2);
    assert_int_equal(counted(f, "reverted"), 0);
}

/* -- the time -- */

/* The fixture's time is a Friday, 08:00 UTC. */
#define WINDOW_AT(start, length) "[{\"start\": \"" start "\", \"length\": \"" length "\"}]"

static void windows_are_judged_by_the_clocks_of_the_device(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET zone = 'Asia/Tokyo' WHERE row_id = 1");
    execute(f->at.store, "UPDATE device SET site = 'osaka' WHERE row_id = 2");
    create(f, PLAN(EVERYBODY ", \"windows\": {\"download\": " WINDOW_AT("17:00", "1h") "}"));
    change(f, "INSERT INTO site (tenant_row, id, zone, created_at) VALUES "
              "(1, 'osaka', 'Asia/Tokyo', 0)");
    tick(f);
    expect_offer(f, 1, 2);
    expect_offer(f, 2, 2);
    expect_reason(f, 3, "window");
    f->now += 9 * 3600;
    expect_offer(f, 3, 2);
    f->now += 3599;
    expect_offer(f, 4, 2);
    f->now += 1;
    expect_reason(f, 5, "window");
}

static void who_must_wait_for_a_window_comes_when_it_opens(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(EVERYBODY ", \"windows\": {\"download\": " WINDOW_AT("08:02", "1h") "}"));
    tick(f);
    const struct decision decision = poll_as(f, 1);
    assert_in_range(decision.poll_after, 120, 120 + 300 / 4);
    f->now -= 3600; /* too long until then: the usual interval */
    assert_int_equal(poll_as(f, 1).poll_after, 0);
}

static void install_windows_hold_only_the_installation(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(EVERYBODY ", \"windows\": {\"install\": " WINDOW_AT("09:00", "1h") "}"));
    tick(f);
    struct decision decision = expect_offer(f, 1, 2);
    assert_int_equal(decision.install, INSTALL_PRESTAGE);
    assert_int_equal(decision.install_wait, 3600);
    f->now += 3600;
    decision = expect_offer(f, 1, 2);
    assert_int_equal(decision.install, INSTALL_FORCED);
    assert_int_equal(decision.install_wait, 0);
    fetch(f, &decision, 10);
    f->now += 3600; /* it was too slow: the rest may come, but not be installed before tomorrow */
    decision = expect_offer(f, 1, 2);
    assert_int_equal(decision.install, INSTALL_PRESTAGE);
    assert_int_equal(decision.install_wait, 23 * 3600);
}

static void download_windows_hold_what_is_to_come_ahead(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(EVERYBODY ", \"windows\": {\"download\": " WINDOW_AT(
                  "08:01", "4h") ", \"install\": " WINDOW_AT("09:01", "1h") "}"));
    tick(f);
    expect_reason(f, 1, "window");
    f->now += 60;
    struct decision decision = expect_offer(f, 1, 2);
    assert_int_equal(decision.install, INSTALL_PRESTAGE);
    assert_int_equal(decision.install_wait, 3600);
    fetch(f, &decision, 1000);
    f->now += 3600;
    decision = expect_offer(f, 1, 2);
    assert_int_equal(decision.install, INSTALL_FORCED);
    assert_int_equal(decision.install_wait, 0);
}

static void a_freeze_holds_back_whoever_has_not_begun(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    const struct decision begun = expect_offer(f, 1, 2);
    expect_offer(f, 2, 2);
    fetch(f, &begun, 10);
    change(f, "INSERT INTO freeze (tenant_row, id, reason, target, from_at, until_at, created_by, "
              "created_at) VALUES (1, 'f-1', 'holidays', 'id != dev-4', 1800000000, 1800000100, "
              "'alice', 0)");
    assert_int_equal(poll_as(f, 1).action, begun.action);
    expect_reason(f, 2, "freeze");
    expect_reason(f, 3, "freeze");
    expect_offer(f, 4, 2);
    assert_string_equal(campaign_state(f), "running");
    f->now += 100;
    expect_offer(f, 3, 2);
}

static void what_is_expedited_passes_windows_and_freezes(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(EVERYBODY ", \"reason\": \"CVE\", \"windows\": {\"expedite\": true, "
                             "\"download\": " WINDOW_AT("17:00", "1h") "}"));
    change(f, "INSERT INTO freeze (tenant_row, id, reason, target, from_at, until_at, created_by, "
              "created_at) VALUES (1, 'f-1', 'holidays', '', 1800000000, 1800000100, 'alice', 0)");
    tick(f);
    expect_offer(f, 1, 2);
}

/* -- how it is installed -- */

static int do_consent(struct tx *tx, void *arg, struct error *err)
{
    (void)arg;
    return deployment_consent(tx, 1, "ann", START_TIME, err);
}

static void an_optional_installation_becomes_due(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    create(f, PLAN(EVERYBODY ", \"install\": {\"mode\": \"optional\", \"force_at\": "
                             "\"2027-01-15T09:00:00Z\", \"risk\": \"restarts the pumps\"}"));
    tick(f);
    const struct decision decision = expect_offer(f, 1, 2);
    assert_int_equal(decision.install, INSTALL_OPTIONAL);
    assert_string_equal(decision.risk, "restarts the pumps");
    assert_int_equal(expect_offer(f, 2, 2).install, INSTALL_OPTIONAL);
    CHECKED(store_write(f->at.store, do_consent, NULL, &err), err);
    assert_int_equal(poll_as(f, 1).install, INSTALL_FORCED);
    f->now += 3600;
    assert_int_equal(poll_as(f, 2).install, INSTALL_FORCED);
}

/* -- several campaigns on one device -- */

static void a_better_want_takes_the_place_of_a_download(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    create(f, TO_RELEASE("gw:2.0", ""));
    tick(f);
    const struct decision offered = expect_offer(f, 1, 2), begun = expect_offer(f, 2, 2),
                          installing = expect_offer(f, 3, 2);
    fetch(f, &begun, 10);
    report_as(f, 3, installing.action, REPORT_INSTALLING, NULL);
    create(f, TO_RELEASE("gw:3.0", ""));
    tick(f);
    assert_true(expect_offer(f, 1, 3).action > offered.action);
    assert_true(expect_offer(f, 2, 3).action > begun.action);
    assert_int_equal(poll_as(f, 3).action, installing.action);
    assert_int_equal(counted(f, "superseded"), 2);
    assert_int_equal(counted(f, "failed"), 0);
    assert_int_equal(report_as(f, 2, begun.action, REPORT_FAILURE, "HTTP 404"), REPORT_CLOSED);
    /* When the better one is gone, the other is wanted again. */
    assert_int_equal(act(f, 2, CAMPAIGN_CANCEL, "{\"hard\": true}"), PROBLEM_NONE);
    (void)poll_as(f, 1);
    expect_offer(f, 1, 2);
}

static void a_want_that_cannot_be_had_now_interrupts_nothing(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    create(f, TO_RELEASE("gw:2.0", ""));
    tick(f);
    const struct decision begun = expect_offer(f, 1, 2);
    fetch(f, &begun, 10);
    create(f, TO_RELEASE("gw:3.0", ", \"windows\": {\"download\": " WINDOW_AT("17:00", "1h") "}"));
    tick(f);
    assert_int_equal(poll_as(f, 1).action, begun.action);
    assert_int_equal(act(f, 1, CAMPAIGN_PAUSE, NULL), PROBLEM_NONE); /* nor does a pause */
    assert_int_equal(poll_as(f, 1).action, begun.action);
}

static void who_leaves_the_target_leaves_a_campaign_that_does_not_stick(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(EVERYBODY ", \"sticky\": false"));
    tick(f);
    const struct decision one = expect_offer(f, 1, 2);
    fetch(f, &one, 10);
    execute(f->at.store, "UPDATE device SET model = 'other', hardware = 'gw' WHERE row_id = 1");
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
    report_as(f, 1, one.action, REPORT_CANCELLED, NULL);
    expect_reason(f, 1, "no_campaign");
    assert_string_equal(deployment_state(f, 1), "removed");
}

/* -- what came before -- */

static void a_device_that_fell_back_is_left_in_peace(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    create(f, TO_RELEASE("gw:2.0", ""));
    tick(f);
    const struct decision decision = expect_offer(f, 1, 2);
    report_as(f, 1, decision.action, REPORT_INSTALLING, NULL);
    prove(f, 1, "1.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "reverted");
    expect_reason(f, 1, "reverted");
    create(f, TO_RELEASE("gw:2.0", "")); /* the same once more does not reach it */
    tick(f);
    expect_reason(f, 1, "quarantine");
    create(f, TO_RELEASE("gw:3.0", "")); /* another one may do better */
    tick(f);
    expect_offer(f, 1, 3);
}

static void three_boots_in_ten_minutes_are_a_loop_also_when_confirmed(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(", \"pause\": {\"failures\": 9}, \"abort\": {\"failures\": 9}" EVERYBODY));
    tick(f);
    for (int64_t device = 1; device <= 2; device++) {
        const struct decision decision = expect_offer(f, device, 2);
        fetch(f, &decision, 1000);
        prove(f, device, "2.0", "b", 1);
        assert_string_equal(deployment_state(f, device), "confirmed");
    }
    prove(f, 1, "2.0", "c", 1);
    prove(f, 2, "2.0", "c", 1);
    prove(f, 1, "2.0", "d", 1);
    assert_string_equal(deployment_state(f, 1), "reverted");
    assert_string_equal(text_of(f, "SELECT class FROM deployment WHERE device_row = 1"), "boot");
    f->now += 601;
    prove(f, 2, "2.0", "d", 1);
    assert_string_equal(deployment_state(f, 2), "confirmed");
    assert_int_equal(counted(f, "confirmed"), 1);
}

static void a_fall_to_anything_older_or_unknown_counts(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    create(f, TO_RELEASE("gw:2.0", ", \"watch\": \"7d\""));
    tick(f);
    execute(f->at.store, "UPDATE device SET version = '1.5-lab' WHERE row_id <= 3");
    for (int64_t device = 1; device <= 3; device++) {
        const struct decision decision = expect_offer(f, device, 2);
        update(f, device, decision.action);
        assert_string_equal(deployment_state(f, device), "confirmed");
    }
    prove(f, 1, "0.9-factory", "c", 1);
    assert_string_equal(deployment_state(f, 1), "reverted");
    prove(f, 2, "1.0", "c", 1);
    assert_string_equal(deployment_state(f, 2), "reverted");
    prove(f, 3, "3.0", "c", 1); /* somebody has brought it further */
    assert_string_equal(deployment_state(f, 3), "confirmed");
}

static void a_fall_is_only_of_what_was_brought_last(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    create(f, TO_RELEASE("gw:2.0", ", \"watch\": \"7d\""));
    tick(f);
    update(f, 1, expect_offer(f, 1, 2).action);
    f->now += 60;
    create(f, TO_RELEASE("gw:3.0", ", \"watch\": \"7d\""));
    tick(f);
    const struct decision later = expect_offer(f, 1, 3);
    fetch(f, &later, 1000);
    prove(f, 1, "3.0", "c", 1);
    prove(f, 1, "0.9-factory", "d", 1);
    assert_string_equal(text_of(f, "SELECT group_concat(state) FROM (SELECT state FROM deployment "
                                   "ORDER BY campaign_row)"),
                        "confirmed,reverted");
}

static void who_is_started_late_is_the_newer_one(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    const int64_t drafted = create(f, "{\"release\": \"gw:3.0\", \"target\": \"all\", "
                                      "\"confirm_after\": 0, \"rate\": {\"start\": 0}, "
                                      "\"supersede\": \"coexist\"" EVERYBODY "}");
    create(f, TO_RELEASE("gw:2.0", ""));
    tick(f);
    update(f, 1, expect_offer(f, 1, 2).action);
    f->now += 60;
    assert_int_equal(act(f, drafted, CAMPAIGN_START, NULL), PROBLEM_NONE);
    tick(f);
    expect_offer(f, 1, 3);
    expect_offer(f, 2, 3);
}

/* Seventeen later deployments than the baseline's, so that it is not among the latest. */
static void a_row_behind_many_later_ones_is_found(void **state)
{
    struct fixture *f = *state;

    create(f, TO_RELEASE("gw:2.0", ""));
    tick(f);
    const struct decision decision = expect_offer(f, 1, 2);
    report_as(f, 1, decision.action, REPORT_FAILURE, "signature wrong");
    for (int i = 0; i < 17; i++)
        create(f, TO_RELEASE("gw:1.0", ", \"priority\": -1"));
    execute(f->at.store,
            "INSERT INTO deployment (action, device_row, campaign_row, wave, release_row, state, "
            "is_open, counted_as, version_before, boot_id_before, rate, stratum, offered_at, "
            "state_at) SELECT 1000 + row_id, 1, row_id, 0, 1, 'removed', 0, 'removed', '', '', 0, "
            "'', 0, 0 FROM campaign WHERE row_id > 1");
    assert_string_equal(poll_on_writer(f, 1).reason, "failed");
    execute(f->at.store, "UPDATE campaign SET kind = 'baseline', plan = json_set(plan, '$.kind', "
                         "'baseline') WHERE row_id = 1");
    change(f, "UPDATE campaign SET priority = 0");
    assert_string_equal(poll_on_reader(f, 1).reason, "failed");
}

static void newcomers_stay_out_of_a_fixed_membership(void **state)
{
    struct fixture *f = *state;

    create(f, PLAN(EVERYBODY ", \"members\": \"snapshot\""));
    tick(f);
    execute(f->at.store, "UPDATE device SET created_at = 1800000001 WHERE row_id = 1");
    expect_reason(f, 1, "no_campaign");
    expect_offer(f, 2, 2);
}

static void lists_of_devices_are_waves(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "INSERT INTO device_list VALUES (1, 1, 'l-1', 'bench', zeroblob(32), 1, "
                         "'alice', 0)");
    execute(f->at.store, "INSERT INTO device_list_member VALUES (1, 7)");
    create(f, PLAN(", \"waves\": [{\"list\": \"l-1\"}, {\"percent\": 100}]"));
    tick(f);
    assert_int_equal(poll_all(f, 20, false), 1);
    assert_string_equal(deployment_state(f, 7), "failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_pinned_device_gets_its_release_and_nothing_else),
        CASE(a_held_device_gets_nothing_until_the_pin_expires),
        CASE(without_its_pin_a_device_is_let_go),
        CASE(who_is_let_go_while_it_installs_may_still_succeed),
        CASE(who_has_left_without_a_byte_is_asked_nothing),
        CASE(a_hold_stops_what_has_not_begun_to_install),
        CASE(a_pin_leads_back_but_not_behind_a_floor),
        CASE(a_campaign_of_a_channel_reaches_only_its_devices),
        CASE(a_baseline_is_for_those_whom_no_campaign_wants),
        CASE(what_a_baseline_brought_does_not_keep_an_update_away),
        CASE(floors_are_passed_one_after_the_other),
        CASE(a_dead_end_is_not_left),
        CASE(only_a_rollback_leads_back),
        CASE(a_rollback_is_no_late_failure_of_what_it_takes_back),
        CASE(windows_are_judged_by_the_clocks_of_the_device),
        CASE(who_must_wait_for_a_window_comes_when_it_opens),
        CASE(install_windows_hold_only_the_installation),
        CASE(download_windows_hold_what_is_to_come_ahead),
        CASE(a_freeze_holds_back_whoever_has_not_begun),
        CASE(what_is_expedited_passes_windows_and_freezes),
        CASE(an_optional_installation_becomes_due),
        CASE(a_better_want_takes_the_place_of_a_download),
        CASE(a_want_that_cannot_be_had_now_interrupts_nothing),
        CASE(who_leaves_the_target_leaves_a_campaign_that_does_not_stick),
        CASE(a_device_that_fell_back_is_left_in_peace),
        CASE(three_boots_in_ten_minutes_are_a_loop_also_when_confirmed),
        CASE(a_fall_to_anything_older_or_unknown_counts),
        CASE(a_fall_is_only_of_what_was_brought_last),
        CASE(who_is_started_late_is_the_newer_one),
        CASE(a_row_behind_many_later_ones_is_found),
        CASE(newcomers_stay_out_of_a_fixed_membership),
        CASE(lists_of_devices_are_waves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
