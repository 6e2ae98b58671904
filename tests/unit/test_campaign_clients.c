/* SPDX-License-Identifier: Apache-2.0 */
/* What clients that others wrote need of the engine: consent, windows they do not know, cancels of
 * one device, downloads without installation, loops, and their own words kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/offer_steps.h"

#include "campaign/apply_pipeline.h"
#include "store/event.h"

#define ASKING ALL_OF(", \"consent\": true")
#define ALL_OF(more) PLAN(", \"waves\": [{\"percent\": 100}]" more)
/* START_TIME is 08:00. */
#define WINDOWS ", \"windows\": {\"install\": [{\"start\": \"08:10\", \"length\": \"1h\"}]}"

/* -- jobs on the writer -- */

struct job {
    struct fixture *f;
    int64_t device_row, action;
    bool is_on;
    const char *text;
    enum prestaging asker;
    struct decision decision;
};
typedef int (*work_fn)(struct tx *tx, struct job *job, struct device *device,
                       const struct deployment *deployment, struct error *err);
struct errand {
    struct job *job;
    work_fn work;
};

static int run_errand(struct tx *tx, void *arg, struct error *err)
{
    const struct errand *errand = arg;
    struct device device = device_in(tx, errand->job->device_row);
    struct deployment deployment = {0};

    if (errand->job->action)
        assert_int_equal(
            deployment_by_action(tx, device.row_id, errand->job->action, &deployment, err),
            STEP_ROW);
    return errand->work(tx, errand->job, &device, &deployment, err);
}

/* The problem it gave; PROBLEM_NONE when it was done. */
static enum problem do_job(struct job *job, work_fn work)
{
    struct errand errand = {job, work};
    struct error err = {0};

    return store_write(job->f->at.store, run_errand, &errand, &err) ? err.problem : PROBLEM_NONE;
}

static int work_consent(struct tx *tx, struct job *job, struct device *device,
                        const struct deployment *deployment, struct error *err)
{
    const struct consent said = {.is_given = job->is_on, .by = "keeper", .remark = job->text};

    return campaign_consent(tx, job->f->campaigns, device, deployment, &said, job->f->now, err);
}

static enum problem consent(struct fixture *f, int64_t device_row, int64_t action, bool is_given)
{
    return do_job(&(struct job){.f = f,
                                .device_row = device_row,
                                .action = action,
                                .is_on = is_given,
                                .text = "not today"},
                  work_consent);
}

static int work_auto(struct tx *tx, struct job *job, struct device *device,
                     const struct deployment *deployment, struct error *err)
{
    (void)deployment;
    return campaign_set_auto_confirm(tx, job->f->campaigns, device, job->is_on, "keeper", "always",
                                     job->f->now, err);
}

static enum problem auto_confirm(struct fixture *f, int64_t device_row, bool is_on)
{
    return do_job(&(struct job){.f = f, .device_row = device_row, .is_on = is_on}, work_auto);
}

static int work_cancel(struct tx *tx, struct job *job, struct device *device,
                       const struct deployment *deployment, struct error *err)
{
    const struct cancel_wish wish = {job->is_on, "wrong one"};

    return campaign_cancel_deployment(tx, job->f->campaigns, device, deployment, &wish, &somebody,
                                      job->f->now, err);
}

static enum problem cancel(struct fixture *f, int64_t device_row, int64_t action, bool is_forced)
{
    return do_job(
        &(struct job){.f = f, .device_row = device_row, .action = action, .is_on = is_forced},
        work_cancel);
}

static int work_pin(struct tx *tx, struct job *job, struct device *device,
                    const struct deployment *deployment, struct error *err)
{
    json_auto_t *terms = job->text ? json_loads(job->text, 0, NULL) : NULL;
    const struct new_pin wish = {.tenant_row = 1,
                                 .device_row = device->row_id,
                                 .release_row = job->is_on ? 2 : 0,
                                 .reason = "a test bench",
                                 .terms = terms};

    (void)deployment;
    assert_true(!job->text || terms);
    return pipeline_pin(tx, job->f->campaigns, &wish, &somebody, job->f->now, err);
}

static enum problem pin(struct fixture *f, int64_t device_row, const char *terms)
{
    return do_job(&(struct job){.f = f, .device_row = device_row, .is_on = true, .text = terms},
                  work_pin);
}

static int work_poll(struct tx *tx, struct job *job, struct device *device,
                     const struct deployment *deployment, struct error *err)
{
    (void)deployment;
    return campaign_poll_by(tx, job->f->campaigns, device, job->asker, job->f->now, &job->decision,
                            err);
}

static struct decision poll_by(struct fixture *f, int64_t device_row, enum prestaging asker)
{
    struct job job = {.f = f, .device_row = device_row, .asker = asker};

    assert_int_equal(do_job(&job, work_poll), PROBLEM_NONE);
    return job.decision;
}

static int work_allows(struct tx *tx, struct job *job, struct device *device,
                       const struct deployment *deployment, struct error *err)
{
    enum step step = campaign_allows_artifact(tx, device->row_id, 2, &job->decision, err);

    (void)deployment;
    assert_int_not_equal(step, STEP_FAILED);
    job->is_on = step == STEP_ROW;
    return 0;
}

static bool may_fetch(struct fixture *f, int64_t device_row)
{
    struct job job = {.f = f, .device_row = device_row};

    assert_int_equal(do_job(&job, work_allows), PROBLEM_NONE);
    return job.is_on;
}

static int64_t number_of(struct fixture *f, const char *sql)
{
    return atoll(text_of(f, sql));
}

/* -- reports -- */

static enum report_result say(struct fixture *f, int64_t action, enum report_kind kind,
                              const char *told)
{
    struct report report = {.kind = kind,
                            .told = told,
                            .is_final = kind == REPORT_FAILURE || kind == REPORT_SUCCESS ||
                                        kind == REPORT_CANCELLED};

    snprintf((char *)report.hash, sizeof report.hash, "%s", told);
    return send_report(f, 1, action, &report);
}

static void a_report_is_kept_as_it_was_said_in_the_one_event_it_makes(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 1000);
    assert_int_equal(say(f, decision.action, REPORT_PROGRESS, "{\"n\": 1}"), REPORT_TAKEN);
    assert_int_equal(say(f, decision.action, REPORT_PROGRESS, "{\"n\": 1}"), REPORT_DUPLICATE);
    assert_int_equal(say(f, decision.action, REPORT_PROGRESS, "{\"n\": 2}"), REPORT_TAKEN);
    assert_int_equal(say(f, decision.action, REPORT_INSTALLING, "{\"n\": 3}"), REPORT_TAKEN);
    prove(f, 1, "2.0", "b", 1);
    assert_int_equal(say(f, decision.action, REPORT_SUCCESS, "{\"n\": 4}"), REPORT_TAKEN);
    assert_string_equal(text_of(f, "SELECT group_concat(told, '') FROM (SELECT told FROM event "
                                   "WHERE told IS NOT NULL ORDER BY row_id)"),
                        "{\"n\": 1}{\"n\": 2}{\"n\": 3}{\"n\": 4}");
    assert_string_equal(text_of(f, "SELECT to_state FROM event WHERE told = '{\"n\": 3}'"),
                        "installing");
}

static void a_success_that_also_confirms_is_kept_once(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 1000);
    execute(f->at.store, "UPDATE device SET version = '2.0', boot_id = 'b' WHERE row_id = 1");
    assert_int_equal(say(f, decision.action, REPORT_SUCCESS, "{}"), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "confirmed");
    assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE told IS NOT NULL"), 1);
}

static void a_flood_of_reports_is_dropped_and_an_outcome_is_not(void **state)
{
    struct fixture *f = *state;
    char told[32];

    f->config->device_reports_max = 10;
    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    for (int i = 0; i < 15; i++) {
        snprintf(told, sizeof told, "{\"n\": %d}", i);
        assert_int_equal(say(f, decision.action, REPORT_PROGRESS, told), REPORT_TAKEN);
    }
    assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE told IS NOT NULL"), 10);
    assert_int_equal(say(f, decision.action, REPORT_FAILURE, "{\"n\": 99}"), REPORT_TAKEN);
    assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE told = '{\"n\": 99}'"), 1);
}

/* -- windows -- */

static void who_installs_at_once_is_offered_nothing_before_the_window(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_OF(WINDOWS));
    tick(f);
    struct decision decision = poll_by(f, 1, INSTALLS_AT_ONCE);
    assert_int_equal(decision.verdict, VERDICT_NOTHING);
    assert_string_equal(decision.reason, "window");
    assert_int_equal(number_of(f, "SELECT count(*) FROM deployment"), 0);
    decision = poll_by(f, 2, PRESTAGES);
    assert_int_equal(decision.verdict, VERDICT_OFFER);
    assert_int_equal(decision.install, INSTALL_PRESTAGE);
    assert_true(decision.has_window && !decision.window_is_open && !decision.is_download_only);
    /* The same device, asking through another client that knows no such thing. */
    decision = poll_by(f, 2, INSTALLS_AT_ONCE);
    assert_int_equal(decision.verdict, VERDICT_NOTHING);
    pass(f, 600);
    decision = poll_by(f, 1, INSTALLS_AT_ONCE);
    assert_int_equal(decision.verdict, VERDICT_OFFER);
    assert_int_equal(decision.install, INSTALL_FORCED);
    assert_true(decision.has_window && decision.window_is_open);
}

static void what_began_goes_on_behind_the_window(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_OF(WINDOWS));
    tick(f);
    struct decision decision = poll_by(f, 1, PRESTAGES);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 10, 1000);
    decision = poll_by(f, 1, INSTALLS_AT_ONCE);
    assert_int_equal(decision.verdict, VERDICT_OFFER);
    assert_int_equal(decision.install, INSTALL_FORCED);
    assert_int_equal(poll_by(f, 1, PRESTAGES).install, INSTALL_PRESTAGE);
}

static void who_waits_for_the_window_comes_more_often(void **state)
{
    struct fixture *f = *state;

    f->config->device_poll = 300;
    f->config->device_poll_minimum = 30;
    create(f, ALL_OF(WINDOWS));
    tick(f);
    assert_in_range(poll_by(f, 1, PRESTAGES).poll_after, 160, 200);
    pass(f, 560);
    assert_in_range(poll_by(f, 1, PRESTAGES).poll_after, 30, 37);
    pass(f, 40);
    assert_int_equal(poll_by(f, 1, PRESTAGES).poll_after, 0);
}

static void who_comes_sooner_still_comes_at_its_own_moment(void **state)
{
    struct fixture *f = *state;
    bool differs = false;

    f->config->device_poll = 300;
    create(f, ALL_OF(WINDOWS));
    tick(f);
    int64_t first = poll_by(f, 1, PRESTAGES).poll_after;
    for (int64_t device = 2; device <= 10; device++)
        differs |= poll_by(f, device, PRESTAGES).poll_after != first;
    assert_true(differs);
}

static void what_must_wait_for_its_window_overtakes_nothing(void **state)
{
    struct fixture *f = *state;

    add_release_3(f);
    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_by(f, 1, INSTALLS_AT_ONCE);
    fetch(f, &decision, 10);
    f->now++;
    create(f, TO_RELEASE("gw:3.0", WINDOWS));
    tick(f);
    assert_int_equal(poll_by(f, 1, INSTALLS_AT_ONCE).action, decision.action);
    assert_string_equal(deployment_state(f, 1), "downloading");
    pass(f, 600);
    decision = poll_by(f, 1, INSTALLS_AT_ONCE);
    assert_int_equal(decision.release_row, 3);
    assert_int_equal(decision.install, INSTALL_FORCED);
}

/* -- download only -- */

static void what_is_only_downloaded_ends_with_that_and_is_a_success(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_OF(", \"install\": \"prestage\""));
    tick(f);
    for (int64_t device = 1; device <= 20; device++) {
        struct decision decision = poll_by(f, device, INSTALLS_AT_ONCE);
        assert_int_equal(decision.verdict, VERDICT_OFFER);
        assert_int_equal(decision.install, INSTALL_PRESTAGE);
        assert_true(decision.is_download_only);
        fetch(f, &decision, 1000);
        assert_int_equal(poll_as(f, device).verdict, VERDICT_OFFER);
        assert_int_equal(report_as(f, device, decision.action,
                                   device % 2 ? REPORT_DOWNLOADED : REPORT_SUCCESS, "got it"),
                         REPORT_TAKEN);
        assert_int_equal(report_as(f, device, decision.action, REPORT_FAILURE, "late"),
                         REPORT_CLOSED);
        assert_int_equal(poll_as(f, device).verdict, VERDICT_NOTHING);
    }
    assert_int_equal(counted(f, "prestaged"), 20);
    assert_int_equal(number_of(f, "SELECT count(*) FROM deployment WHERE state = 'downloaded' AND "
                                  "is_open = 0"),
                     20);
    pass(f, 1), pass(f, 1), pass(f, 1);
    assert_string_equal(campaign_state(f), "finished");
}

static void half_a_download_is_none(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_OF(", \"install\": \"prestage\""));
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 500);
    (void)report_as(f, 1, decision.action, REPORT_SUCCESS, "Skipped Update.");
    (void)report_as(f, 1, decision.action, REPORT_SUCCESS, "done");
    assert_string_equal(deployment_state(f, 1), "downloading");
    expect_reason(f, 1, "unverified");
    pass(f, f->config->device_poll);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE to_state = 'unverified'"), 2);
}

static void what_was_downloaded_ahead_is_installed_by_another_campaign(void **state)
{
    struct fixture *f = *state;

    create(f, TO_RELEASE("gw:2.0", ", \"install\": \"prestage\""));
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 1000);
    (void)report_as(f, 1, decision.action, REPORT_DOWNLOADED, NULL);
    expect_reason(f, 1, "no_campaign");
    create(f, TO_RELEASE("gw:2.0", ""));
    tick(f);
    decision = expect_offer(f, 1, 2);
    assert_int_equal(decision.install, INSTALL_FORCED);
    prove(f, 1, "2.0", "b", 1);
    assert_int_equal(counted(f, "prestaged"), 1);
    assert_int_equal(counted(f, "confirmed"), 1);
}

static void what_was_only_downloaded_is_not_promoted(void **state)
{
    struct error err = {0};
    struct rules rules;
    json_auto_t *plan = json_pack("{s:s, s:s, s:s, s:s}", "release", "gw:2.0", "target", "all",
                                  "channel", "beta", "install", "prestage");

    struct fixture *f = *state;

    assert_int_equal(rules_read(plan, f->config, &rules, NULL, &err), 0);
    assert_false(rules.promotes);
    rules_clear(&rules);
    json_object_set_new(plan, "promote", json_true());
    assert_int_equal(rules_read(plan, f->config, &rules, NULL, &err), -1);
    assert_string_equal(err.field, "promote");
}

/* -- consent -- */

static void nothing_is_fetched_before_the_device_agrees(void **state)
{
    struct fixture *f = *state;

    create(f, ASKING);
    tick(f);
    struct decision decision = poll_as(f, 1);
    assert_int_equal(decision.verdict, VERDICT_OFFER);
    assert_true(decision.awaits_consent);
    assert_false(may_fetch(f, 1));
    pass(f, 7200); /* longer than an offer stands */
    assert_int_equal(poll_as(f, 1).action, decision.action);
    assert_int_equal(consent(f, 1, decision.action, false), PROBLEM_NONE);
    assert_true(poll_as(f, 1).awaits_consent);
    assert_int_equal(consent(f, 1, decision.action, true), PROBLEM_NONE);
    assert_int_equal(consent(f, 1, decision.action, true), PROBLEM_NONE);
    struct decision offer = poll_as(f, 1);
    assert_int_equal(offer.verdict, VERDICT_OFFER);
    assert_false(offer.awaits_consent);
    assert_int_equal(offer.action, decision.action);
    assert_string_equal(deployment_state(f, 1), "offered");
    assert_true(may_fetch(f, 1));
    assert_string_equal(text_of(f, "SELECT group_concat(to_state, ' ') FROM event WHERE kind = "
                                   "'deployment.consent'"),
                        "denied given");
}

static void consent_is_taken_back_until_it_installs(void **state)
{
    struct fixture *f = *state;

    create(f, ASKING);
    tick(f);
    int64_t action = poll_as(f, 1).action;
    assert_int_equal(consent(f, 1, action, true), PROBLEM_NONE);
    struct decision offer = poll_as(f, 1);
    fetch(f, &offer, 500);
    assert_int_equal(consent(f, 1, action, false), PROBLEM_NONE);
    assert_string_equal(deployment_state(f, 1), "waiting");
    assert_true(poll_as(f, 1).awaits_consent);
    assert_false(may_fetch(f, 1));
    assert_int_equal(consent(f, 1, action, true), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).action, action);
    fetch(f, &offer, 1000);
    assert_string_equal(deployment_state(f, 1), "downloaded");
    (void)report_as(f, 1, action, REPORT_INSTALLING, NULL);
    assert_int_equal(consent(f, 1, action, false), PROBLEM_CONFLICT);
    (void)report_as(f, 1, action, REPORT_FAILURE, "boot");
    assert_int_equal(consent(f, 1, action, true), PROBLEM_GONE);
}

static void only_what_asks_for_consent_takes_it(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    assert_int_equal(consent(f, 1, poll_as(f, 1).action, true), PROBLEM_NOT_FOUND);
}

static void who_waits_for_consent_takes_no_place_of_others(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_OF(", \"consent\": true, \"caps\": {\"leases\": 1}"));
    tick(f);
    int64_t first = poll_as(f, 1).action, second = poll_as(f, 2).action;
    assert_true(first && second);
    assert_int_equal(consent(f, 1, first, true), PROBLEM_NONE);
    assert_int_equal(consent(f, 2, second, true), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    expect_reason(f, 2, "capacity_campaign");
}

static void consent_given_ahead_covers_what_waits_and_what_comes(void **state)
{
    struct fixture *f = *state;

    create(f, ASKING);
    tick(f);
    assert_true(poll_as(f, 1).awaits_consent);
    assert_int_equal(auto_confirm(f, 1, false), PROBLEM_NONE);
    assert_int_equal(auto_confirm(f, 1, true), PROBLEM_NONE);
    assert_int_equal(auto_confirm(f, 1, true), PROBLEM_CONFLICT);
    struct decision decision = poll_as(f, 1);
    assert_int_equal(decision.verdict, VERDICT_OFFER);
    assert_false(decision.awaits_consent);
    assert_int_equal(auto_confirm(f, 2, true), PROBLEM_NONE);
    decision = poll_as(f, 2);
    assert_int_equal(decision.verdict, VERDICT_OFFER);
    assert_false(decision.awaits_consent);
    assert_true(may_fetch(f, 2));
    assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE kind = 'deployment.consent' "
                                  "AND to_state = 'given' AND detail = 'always'"),
                     2);
}

static void a_pause_holds_back_what_has_consent(void **state)
{
    struct fixture *f = *state;

    int64_t campaign = create(f, ASKING);
    tick(f);
    int64_t action = poll_as(f, 1).action;
    assert_int_equal(consent(f, 1, action, true), PROBLEM_NONE);
    assert_int_equal(act(f, campaign, CAMPAIGN_PAUSE, NULL), PROBLEM_NONE);
    expect_reason(f, 1, "paused");
    assert_string_equal(deployment_state(f, 1), "waiting");
}

static void a_silent_device_that_never_agreed_is_not_blamed(void **state)
{
    struct fixture *f = *state;

    create(f, ASKING);
    tick(f);
    (void)poll_as(f, 1);
    for (int day = 0; day < 8; day++)
        pass(f, 86400);
    assert_string_equal(deployment_state(f, 1), "withdrawn");
}

/* -- the cancel of one device -- */

static void a_cancel_is_shown_until_it_is_answered(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    int64_t action = poll_as(f, 1).action;
    pass(f, 3599);
    assert_int_equal(cancel(f, 1, action, false), PROBLEM_NONE);
    assert_int_equal(cancel(f, 1, action, false), PROBLEM_CONFLICT);
    pass(f, 60); /* the offer alone would be withdrawn by now */
    struct decision decision = poll_as(f, 1);
    assert_int_equal(decision.verdict, VERDICT_CANCEL);
    assert_int_equal(decision.action, action);
    assert_int_equal(report_as(f, 1, action, REPORT_PROGRESS, "still here"), REPORT_TAKEN);
    assert_int_equal(report_as(f, 1, action, REPORT_CANCELLED, NULL), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "cancelled");
    expect_reason(f, 1, "left_out");
    assert_int_equal(cancel(f, 1, action, false), PROBLEM_CONFLICT);
}

static void who_never_answers_a_cancel_is_not_offered_it_again(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    assert_int_equal(cancel(f, 1, poll_as(f, 1).action, false), PROBLEM_NONE);
    pass(f, 3601);
    assert_string_equal(deployment_state(f, 1), "cancelled");
    expect_reason(f, 1, "left_out");
}

static void a_refused_cancel_goes_on_and_its_success_counts(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 1000);
    assert_int_equal(cancel(f, 1, decision.action, false), PROBLEM_NONE);
    assert_int_equal(report_as(f, 1, decision.action, REPORT_CANCEL_REFUSED, "installing"),
                     REPORT_TAKEN);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
}

static void a_cancel_refused_in_the_same_words_is_refused_again(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 1000);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(cancel(f, 1, decision.action, false), PROBLEM_NONE);
        assert_int_equal(say(f, decision.action, REPORT_CANCEL_REFUSED, "{}"), REPORT_TAKEN);
        assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
        assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE told IS NOT NULL"), i);
    }
    assert_int_equal(say(f, decision.action, REPORT_CANCEL_REFUSED, "{}"), REPORT_TAKEN);
    assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE told IS NOT NULL"), 3);
}

static void a_cancel_acknowledged_in_the_words_of_a_success_ends(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    (void)say(f, decision.action, REPORT_SUCCESS, "{}"); /* it has fetched nothing */
    assert_int_equal(cancel(f, 1, decision.action, false), PROBLEM_NONE);
    (void)say(f, decision.action, REPORT_SUCCESS, "{}");
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
    assert_int_equal(say(f, decision.action, REPORT_CANCELLED, "{}"), REPORT_TAKEN);
    assert_string_equal(deployment_state(f, 1), "cancelled");
    assert_int_equal(say(f, decision.action, REPORT_CANCELLED, "{}"), REPORT_DUPLICATE);
}

static void only_who_was_cut_is_cancelled_by_a_failure(void **state)
{
    static const struct {
        int64_t bytes;
        const char *words, *state;
    } cases[] = {
        {1000, "Failed to install", "failed"   },
        {1000, "Connection reset",  "cancelled"},
        {999,  "Failed to install", "cancelled"},
        {1000, "HASH mismatch",     "failed"   },
    };
    struct fixture *f = *state;

    create(f, ALL_OF(", \"pause\": {\"failures\": 9}, \"abort\": {\"failures\": 9}"));
    tick(f);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t device = (int64_t)i + 1;
        struct decision decision = poll_as(f, device);

        fetch(f, &decision, cases[i].bytes);
        assert_int_equal(cancel(f, device, decision.action, false), PROBLEM_NONE);
        (void)report_as(f, device, decision.action, REPORT_FAILURE, cases[i].words);
        assert_string_equal(deployment_state(f, device), cases[i].state);
        pass(f, 86400); /* what was to be cancelled is not tried again */
        assert_int_equal(poll_as(f, device).verdict, VERDICT_NOTHING);
    }
    assert_int_equal(counted(f, "failed"), 2);
}

static void success_wins_over_a_cancel_only_with_the_whole_image(void **state)
{
    static const char *const after[] = {"downloading", "installing"};
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    for (int64_t device = 1; device <= 2; device++) {
        struct decision decision = poll_as(f, device);
        fetch(f, &decision, device == 1 ? 999 : 1000);
        assert_int_equal(cancel(f, device, decision.action, false), PROBLEM_NONE);
        (void)report_as(f, device, decision.action, REPORT_SUCCESS, "done");
        assert_string_equal(deployment_state(f, device), after[device - 1]);
    }
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
    assert_int_equal(poll_as(f, 2).verdict, VERDICT_NOTHING);
}

static void a_forced_cancel_asks_nobody(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    (void)report_as(f, 1, decision.action, REPORT_INSTALLING, NULL);
    assert_int_equal(cancel(f, 1, decision.action, true), PROBLEM_NONE);
    assert_string_equal(deployment_state(f, 1), "cancelled");
    assert_false(may_fetch(f, 1));
    assert_int_equal(report_as(f, 1, decision.action, REPORT_SUCCESS, NULL), REPORT_CLOSED);
    assert_int_equal(cancel(f, 1, decision.action, true), PROBLEM_CONFLICT);
    assert_string_equal(text_of(f, "SELECT detail FROM event WHERE to_state = 'cancelled' AND "
                                   "kind = 'deployment.state'"),
                        "alice: wrong one");
}

static void a_pin_goes_with_its_cancel(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(pin(f, 1, NULL), PROBLEM_NONE);
    int64_t action = expect_offer(f, 1, 2).action;
    assert_int_equal(cancel(f, 1, action, false), PROBLEM_NONE);
    assert_int_equal(number_of(f, "SELECT count(*) FROM pin"), 0);
    pass(f, 1);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
    assert_int_equal(report_as(f, 1, action, REPORT_CANCELLED, NULL), REPORT_TAKEN);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_NOTHING);
}

static void what_waits_behind_a_cancel_comes_soon(void **state)
{
    struct fixture *f = *state;

    f->config->device_poll_minimum = 30;
    add_release_3(f);
    int64_t campaign = create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 10);
    assert_int_equal(act(f, campaign, CAMPAIGN_CANCEL, "{\"hard\": true}"), PROBLEM_NONE);
    decision = poll_as(f, 1);
    assert_int_equal(decision.verdict, VERDICT_CANCEL);
    assert_int_equal(decision.poll_after, 0);
    create(f, TO_RELEASE("gw:3.0", ""));
    tick(f);
    decision = poll_as(f, 1);
    assert_int_equal(decision.verdict, VERDICT_CANCEL);
    assert_in_range(decision.poll_after, 30, 37);
    (void)report_as(f, 1, decision.action, REPORT_CANCELLED, NULL);
    (void)expect_offer(f, 1, 3);
}

/* -- pins with terms -- */

static void pins_of_the_same_terms_share_a_campaign(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(pin(f, 1, NULL), PROBLEM_NONE);
    assert_int_equal(pin(f, 2, "{\"consent\": true}"), PROBLEM_NONE);
    assert_int_equal(pin(f, 3, "{}"), PROBLEM_NONE);
    assert_int_equal(pin(f, 4, "{\"consent\": true, \"install\": \"forced\"}"), PROBLEM_NONE);
    assert_string_equal(text_of(f, "SELECT group_concat(campaign_row, ' ') FROM (SELECT "
                                   "campaign_row FROM pin ORDER BY device_row)"),
                        "1 2 1 2");
    assert_false(expect_offer(f, 1, 2).awaits_consent);
    assert_true(expect_offer(f, 2, 2).awaits_consent);
    assert_true(expect_offer(f, 4, 2).awaits_consent);
}

static void a_pin_is_delivered_under_its_terms(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(pin(f, 1,
                         "{\"install\": \"optional\", \"risk\": \"it restarts\", "
                         "\"force_at\": \"2027-01-15T09:00:00Z\"}"),
                     PROBLEM_NONE);
    struct decision decision = expect_offer(f, 1, 2);
    assert_int_equal(decision.install, INSTALL_OPTIONAL);
    assert_string_equal(decision.risk, "it restarts");
    assert_int_equal(pin(f, 2,
                         "{\"install_windows\": [{\"start\": \"08:10\", \"length\": \"1h\"}], "
                         "\"zone\": \"UTC\", \"caps\": {\"transfer_rate\": 1000}}"),
                     PROBLEM_NONE);
    decision = poll_by(f, 2, PRESTAGES);
    assert_int_equal(decision.install, INSTALL_PRESTAGE);
    assert_int_equal(decision.install_wait, 600);
}

static void wrong_terms_are_named_as_they_were_said(void **state)
{
    static const struct {
        const char *terms, *field;
    } cases[] = {
        {"{\"install\": \"maybe\"}",                                            "install"        },
        {"{\"force_at\": \"2027-02-01T00:00:00Z\"}",                            "force_at"       },
        {"{\"install\": \"optional\", \"force_at\": \"2020-01-01T00:00:00Z\"}", "force_at"       },
        {"{\"install_windows\": [{\"start\": \"25:00\"}]}",                     "install_windows"},
        {"{\"zone\": \"Mars\"}",                                                "zone"           },
        {"{\"consent\": 1}",                                                    "consent"        },
        {"{\"waves\": []}",                                                     "waves"          },
        {"{\"caps\": {\"leases\": 1}}",                                         "leases"         },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct job job = {.f = f, .device_row = 1, .is_on = true, .text = cases[i].terms};
        struct errand errand = {&job, work_pin};
        struct error err = {0};

        assert_int_equal(store_write(f->at.store, run_errand, &errand, &err), -1);
        assert_int_equal(err.problem, PROBLEM_BAD_FIELD);
        assert_string_equal(err.field, cases[i].field);
    }
}

static void pinned_again_is_tried_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(pin(f, 1, NULL), PROBLEM_NONE);
    assert_int_equal(pin(f, 2, NULL), PROBLEM_NONE); /* keeps the campaign in use */
    int64_t first = expect_offer(f, 1, 2).action;
    (void)report_as(f, 1, first, REPORT_FAILURE, "boot");
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_NOTHING);
    assert_int_equal(pin(f, 1, NULL), PROBLEM_NONE);
    int64_t second = expect_offer(f, 1, 2).action;
    assert_true(second > first);
    assert_int_equal(cancel(f, 1, second, false), PROBLEM_NONE);
    assert_int_equal(pin(f, 1, NULL), PROBLEM_NONE);
    int64_t third = expect_offer(f, 1, 2).action;
    assert_true(third > second);
    prove(f, 1, "2.0", "b", 1);
    assert_int_equal(pin(f, 1, NULL), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).action, third);
    pass(f, 600);
    (void)poll_as(f, 1), (void)poll_as(f, 1);
    assert_int_equal(pin(f, 1, NULL), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_NOTHING);
}

static void consent_ends_with_what_it_was_given_to(void **state)
{
    static const char asking[] = "{\"consent\": true}";
    struct fixture *f = *state;

    assert_int_equal(pin(f, 1, asking), PROBLEM_NONE);
    assert_int_equal(pin(f, 2, asking), PROBLEM_NONE); /* keeps the campaign in use */
    int64_t first = poll_as(f, 1).action;
    assert_int_equal(consent(f, 1, first, true), PROBLEM_NONE);
    assert_false(poll_as(f, 1).awaits_consent);
    assert_int_equal(cancel(f, 1, first, true), PROBLEM_NONE);
    assert_int_equal(pin(f, 1, asking), PROBLEM_NONE);
    struct decision again = poll_as(f, 1);
    assert_true(again.action > first);
    assert_true(again.awaits_consent);
    assert_false(may_fetch(f, 1));
}

/* -- what the device runs -- */

static void the_action_that_brought_what_runs_is_known_until_it_falls_back(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 1000);
    assert_int_equal(number_of(f, "SELECT installed_action FROM device WHERE row_id = 1"), 0);
    prove(f, 1, "2.0", "b", 1);
    assert_int_equal(number_of(f, "SELECT installed_action FROM device WHERE row_id = 1"),
                     decision.action);
    prove(f, 1, "1.0", "c", 1);
    assert_string_equal(deployment_state(f, 1), "reverted");
    assert_int_equal(number_of(f, "SELECT installed_action FROM device WHERE row_id = 1"), 0);
}

/* -- loops -- */

static void who_fetches_again_and_again_is_left_alone_for_longer_and_longer(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    for (int i = 0; i < 2; i++) {
        fetch(f, &decision, 1000);
        assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    }
    fetch(f, &decision, 1000);
    expect_reason(f, 1, "refetch");
    assert_int_equal(poll_as(f, 1).poll_after, 0); /* as usual: a pin may come */
    assert_true(may_fetch(f, 1));
    pass(f, 800);
    assert_in_range(poll_as(f, 1).poll_after, 100, 175);
    pass(f, 99);
    expect_reason(f, 1, "refetch");
    pass(f, 1);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    fetch(f, &decision, 1000);
    pass(f, 1799);
    expect_reason(f, 1, "refetch");
    pass(f, 1);
    assert_int_equal(poll_as(f, 1).action, decision.action);
    for (int i = 0; i < 20; i++)
        fetch(f, &decision, 1000);
    pass(f, 86400 - 1);
    expect_reason(f, 1, "refetch");
    assert_int_equal(number_of(f, "SELECT fetches FROM deployment"), 24);
    assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE kind = 'deployment.loop'"), 22);
    prove(f, 1, "2.0", "b", 1);
    assert_string_equal(deployment_state(f, 1), "confirmed");
}

static void pieces_and_resumed_downloads_are_one_fetch(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    for (int64_t first = 0; first < 900; first += 100) {
        /* cut, and what was on the way is asked for anew */
        campaign_note_transfer(f->campaigns, decision.deployment_row, first, 190, 1000);
        tick(f);
    }
    assert_int_equal(number_of(f, "SELECT fetches FROM deployment"), 0);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 900, 100, 1000);
    tick(f);
    assert_int_equal(number_of(f, "SELECT fetches FROM deployment"), 1);
    for (int i = 0; i < 30; i++) { /* the same pieces over and over are not the whole */
        campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 500, 1000);
        tick(f);
    }
    assert_int_equal(number_of(f, "SELECT fetches FROM deployment"), 1);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 500, 500, 1000);
    tick(f);
    assert_int_equal(number_of(f, "SELECT fetches FROM deployment"), 2);
    assert_int_equal(number_of(f, "SELECT bytes_served FROM deployment"), 1000);
}

static void a_fetch_is_of_all_images_and_one_size_may_be_two(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "INSERT INTO target (row_id, release_row, path, file, component, kind, "
                         "version, security_version, security_floor, release_counter, "
                         "hardware_ids, custom, artifact_row) VALUES (9, 2, 'gw/2.0/b', 'b', "
                         "'boot', 'image', '2.0', 2, 0, 2, '[\"gw\"]', '{}', 1)");
    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    for (int i = 0; i < 3; i++)
        fetch(f, &decision, 1000);
    assert_int_equal(number_of(f, "SELECT fetches FROM deployment"), 1);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
}

static void who_has_the_whole_from_before_needs_no_transfer(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    for (int i = 0; i < 5; i++) { /* that is no loop */
        campaign_note_whole(f->campaigns, decision.deployment_row, 1000);
        tick(f);
        assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    }
    assert_string_equal(deployment_state(f, 1), "downloaded");
    assert_int_equal(number_of(f, "SELECT fetches FROM deployment"), 0);
    assert_int_equal(cancel(f, 1, decision.action, false), PROBLEM_NONE);
    (void)report_as(f, 1, decision.action, REPORT_SUCCESS, "done");
    assert_string_equal(deployment_state(f, 1), "installing"); /* all that a success takes */
}

/* Release 2 becomes an index of 1000 bytes and a delta of 50000. */
static void add_delta(struct fixture *f)
{
    execute(f->at.store,
            "INSERT INTO artifact (row_id, sha256, sha512, sha1, md5, size, encoding, "
            "chunk_offset, chunk_size, chunk_count, state, created_at) SELECT 9, "
            "randomblob(32), sha512, sha1, md5, 50000, encoding, chunk_offset, "
            "chunk_size, chunk_count, state, created_at FROM artifact WHERE row_id = 1");
    execute(f->at.store, "INSERT INTO target (row_id, release_row, path, file, component, kind, "
                         "version, security_version, security_floor, release_counter, "
                         "hardware_ids, custom, artifact_row) VALUES (9, 2, 'gw/2.0/b.zck', "
                         "'b.zck', 'app', 'image', '2.0', 2, 0, 2, '[\"gw\"]', '{}', 9)");
}

static void any_range_of_a_delta_is_its_download(void **state)
{
    struct fixture *f = *state;

    add_delta(f);
    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 1000);
    assert_string_equal(deployment_state(f, 1), "downloading");
    campaign_note_transfer(f->campaigns, decision.deployment_row, 400, 60, 50000);
    tick(f);
    assert_string_equal(deployment_state(f, 1), "downloaded");
    decision = poll_as(f, 2);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 400, 50000);
    fetch(f, &decision, 999);
    assert_string_equal(deployment_state(f, 2), "downloading");
}

static void a_delta_that_is_only_downloaded_is_over_with_its_ranges(void **state)
{
    struct fixture *f = *state;

    add_delta(f);
    create(f, ALL_OF(", \"install\": \"prestage\""));
    tick(f);
    struct decision decision = poll_as(f, 1);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 1000, 1000);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 400, 50000);
    tick(f);
    (void)report_as(f, 1, decision.action, REPORT_SUCCESS, "done");
    assert_int_equal(number_of(f, "SELECT is_open FROM deployment WHERE state = 'downloaded'"), 0);
    assert_int_equal(counted(f, "prestaged"), 1);
}

static void a_loop_of_deltas_is_seen_by_what_comes_whole(void **state)
{
    struct fixture *f = *state;

    add_delta(f);
    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 50000, 50000);
    tick(f); /* at first it has nothing to build on */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
        campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 400, 50000);
        fetch(f, &decision, 1000);
    }
    expect_reason(f, 1, "refetch");
    assert_int_equal(number_of(f, "SELECT count(*) FROM event WHERE kind = 'deployment.loop'"), 1);
}

/* -- leftovers -- */

static void who_is_back_after_a_silence_has_its_time_again(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision decision = poll_as(f, 1);
    fetch(f, &decision, 1000);
    pass(f, 86400 + 60);
    assert_string_equal(deployment_state(f, 1), "installing");
    assert_int_equal(poll_as(f, 1).action, decision.action);
    assert_string_equal(deployment_state(f, 1), "waiting");
    pass(f, 86400 + 60);
    assert_string_equal(deployment_state(f, 1), "waiting");
    assert_int_equal(number_of(f, "SELECT count(*) FROM deployment WHERE class <> ''"), 0);
}

static int explain(struct tx *tx, struct job *job, struct device *device,
                   const struct deployment *deployment, struct error *err)
{
    json_auto_t *json = NULL;

    (void)deployment;
    if (campaign_explain_json(tx, job->f->campaigns, device, job->asker, job->f->now, &json, err))
        return -1;
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "answer"), "code")),
                        job->text);
    return 0;
}

static void a_hold_is_told_without_any_campaign(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(do_job(&(struct job){.f = f, .device_row = 1}, work_pin), PROBLEM_NONE);
    expect_reason(f, 1, "hold");
    assert_int_equal(do_job(&(struct job){.f = f, .device_row = 1, .text = "hold"}, explain),
                     PROBLEM_NONE);
}

static void expect_explained(struct fixture *f, enum prestaging asker, const char *code)
{
    assert_int_equal(
        do_job(&(struct job){.f = f, .device_row = 1, .asker = asker, .text = code}, explain),
        PROBLEM_NONE);
}

static void what_is_explained_is_what_a_poll_is_told(void **state)
{
    struct fixture *f = *state;

    int64_t campaign = create(f, ALL_OF(WINDOWS));
    tick(f);
    expect_explained(f, PRESTAGES, "offer");
    expect_explained(f, INSTALLS_AT_ONCE, "window");
    struct decision decision = poll_by(f, 1, PRESTAGES);
    expect_explained(f, PRESTAGES, "deployment");
    expect_explained(f, INSTALLS_AT_ONCE, "window");
    (void)say(f, decision.action, REPORT_SUCCESS, "{}");
    expect_explained(f, PRESTAGES, "unverified");
    fetch(f, &decision, 10);
    expect_explained(f, INSTALLS_AT_ONCE, "deployment");
    pass(f, 600);
    expect_explained(f, INSTALLS_AT_ONCE, "deployment");
    (void)report_as(f, 1, decision.action, REPORT_FAILURE, "boot");
    (void)poll_by(f, 2, PRESTAGES);
    assert_int_equal(act(f, campaign, CAMPAIGN_PAUSE, NULL), PROBLEM_NONE);
    expect_explained(f, PRESTAGES, "no_campaign");
}

static void action_ids_keep_up_with_the_time(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};

    create(f, ALL_AT_ONCE);
    tick(f);
    int64_t first = poll_as(f, 1).action;
    CHECKED(campaigns_raise_actions(f->campaigns, START_TIME, &err), err);
    int64_t second = poll_as(f, 2).action;
    assert_true(second > first + 1000000 && second < 10000000);
    CHECKED(campaigns_raise_actions(f->campaigns, START_TIME - 86400, &err), err);
    assert_int_equal(poll_as(f, 3).action, second + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_report_is_kept_as_it_was_said_in_the_one_event_it_makes),
        CASE(a_success_that_also_confirms_is_kept_once),
        CASE(a_flood_of_reports_is_dropped_and_an_outcome_is_not),
        CASE(who_installs_at_once_is_offered_nothing_before_the_window),
        CASE(what_began_goes_on_behind_the_window),
        CASE(who_waits_for_the_window_comes_more_often),
        CASE(who_comes_sooner_still_comes_at_its_own_moment),
        CASE(what_must_wait_for_its_window_overtakes_nothing),
        CASE(what_is_only_downloaded_ends_with_that_and_is_a_success),
        CASE(half_a_download_is_none),
        CASE(what_was_downloaded_ahead_is_installed_by_another_campaign),
        CASE(what_was_only_downloaded_is_not_promoted),
        CASE(nothing_is_fetched_before_the_device_agrees),
        CASE(consent_is_taken_back_until_it_installs),
        CASE(only_what_asks_for_consent_takes_it),
        CASE(who_waits_for_consent_takes_no_place_of_others),
        CASE(consent_given_ahead_covers_what_waits_and_what_comes),
        CASE(a_pause_holds_back_what_has_consent),
        CASE(a_silent_device_that_never_agreed_is_not_blamed),
        CASE(a_cancel_is_shown_until_it_is_answered),
        CASE(who_never_answers_a_cancel_is_not_offered_it_again),
        CASE(a_refused_cancel_goes_on_and_its_success_counts),
        CASE(a_cancel_refused_in_the_same_words_is_refused_again),
        CASE(a_cancel_acknowledged_in_the_words_of_a_success_ends),
        CASE(only_who_was_cut_is_cancelled_by_a_failure),
        CASE(success_wins_over_a_cancel_only_with_the_whole_image),
        CASE(a_forced_cancel_asks_nobody),
        CASE(a_pin_goes_with_its_cancel),
        CASE(what_waits_behind_a_cancel_comes_soon),
        CASE(pins_of_the_same_terms_share_a_campaign),
        CASE(a_pin_is_delivered_under_its_terms),
        CASE(wrong_terms_are_named_as_they_were_said),
        CASE(pinned_again_is_tried_again),
        CASE(consent_ends_with_what_it_was_given_to),
        CASE(the_action_that_brought_what_runs_is_known_until_it_falls_back),
        CASE(who_fetches_again_and_again_is_left_alone_for_longer_and_longer),
        CASE(pieces_and_resumed_downloads_are_one_fetch),
        CASE(a_fetch_is_of_all_images_and_one_size_may_be_two),
        CASE(who_has_the_whole_from_before_needs_no_transfer),
        CASE(any_range_of_a_delta_is_its_download),
        CASE(a_delta_that_is_only_downloaded_is_over_with_its_ranges),
        CASE(a_loop_of_deltas_is_seen_by_what_comes_whole),
        CASE(who_is_back_after_a_silence_has_its_time_again),
        CASE(a_hold_is_told_without_any_campaign),
        CASE(what_is_explained_is_what_a_poll_is_told),
        CASE(action_ids_keep_up_with_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
