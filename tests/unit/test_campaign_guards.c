/* SPDX-License-Identifier: Apache-2.0 */
/* Who may let a campaign begin, and what keeps it from beginning or from being braked past. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "unit/campaign_steps.h"

#include "campaign/apply_pipeline.h"
#include "campaign/engine.h"
#include "store/approval.h"
#include "store/freeze.h"

static const struct actor bob = {"operator", "bob", "::1", "r2"};
static const struct actor carol = {"operator", "carol", "::1", "r3"};

/* -- on the writer, as somebody -- */

struct deed {
    struct fixture *f;
    const struct actor *who;
    int64_t row, release;
    enum campaign_verb verb;
    const char *json;
};

static int do_edit(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    json_auto_t *json = json_loads(deed->json, 0, NULL);

    return campaign_edit(tx, deed->f->campaigns, deed->row, json, deed->who, deed->f->now, err);
}

static int do_verb(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    json_auto_t *json = deed->json ? json_loads(deed->json, 0, NULL) : NULL;

    return campaign_act(tx, deed->f->campaigns, deed->row, deed->verb, json, deed->who,
                        deed->f->now, err);
}

static int do_retry(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    struct device device = device_in(tx, deed->release);

    return campaign_retry_device(tx, deed->f->campaigns, deed->row, &device, NULL, deed->who,
                                 deed->f->now, err);
}

static int do_baseline(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    const struct new_baseline wish = {.channel_row = deed->row, .release_row = deed->release};

    return pipeline_set_baseline(tx, deed->f->campaigns, &wish, deed->who, deed->f->now, err);
}

static int do_touch(struct tx *tx, void *arg, struct error *err)
{
    struct fixture *f = arg;

    return campaign_touch(tx, f->campaigns, err);
}

static enum problem outcome(struct fixture *f, int (*work)(struct tx *, void *, struct error *),
                            struct deed deed)
{
    struct error err = {0};

    deed.f = f;
    return store_write(f->at.store, work, &deed, &err) ? err.problem : PROBLEM_NONE;
}

#define EDIT(who_, row_, plan)                                                                     \
    outcome(f, do_edit, (struct deed){.who = (who_), .row = (row_), .json = (plan)})
#define ACT(who_, row_, verb_)                                                                     \
    outcome(f, do_verb, (struct deed){.who = (who_), .row = (row_), .verb = (verb_)})

/* Behind the engine's back: it learns of it as of any other change. */
static void change(struct fixture *f, const char *sql)
{
    struct error err = {0};

    execute(f->at.store, sql);
    CHECKED(store_write(f->at.store, do_touch, f, &err), err);
}

static const char *state_of(struct fixture *f, int64_t row)
{
    return text_with(f, "SELECT state FROM campaign WHERE row_id = :number", NULL, row);
}

#define DRAFT(more) "{\"release\": \"gw:2.0\", \"target\": \"model = gw\"" more "}"

/* -- approvals -- */

static void who_wrote_the_plan_is_no_approver_of_it(void **state)
{
    struct fixture *f = *state;

    create(f, DRAFT(", \"approvals\": 1"));
    assert_int_equal(EDIT(&bob, 1, DRAFT(", \"approvals\": 1, \"attempts\": 7")), PROBLEM_NONE);
    assert_int_equal(ACT(&bob, 1, CAMPAIGN_SUBMIT), PROBLEM_NONE);
    assert_int_equal(ACT(&bob, 1, CAMPAIGN_APPROVE), PROBLEM_FORBIDDEN);
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_APPROVE), PROBLEM_FORBIDDEN);
    assert_int_equal(ACT(&carol, 1, CAMPAIGN_APPROVE), PROBLEM_NONE);
    assert_string_equal(state_of(f, 1), "scheduled");
}

static void a_plan_that_comes_back_is_not_approved_any_more(void **state)
{
    struct fixture *f = *state;

    create(f, DRAFT(", \"approvals\": 2"));
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_SUBMIT), PROBLEM_NONE);
    assert_int_equal(ACT(&bob, 1, CAMPAIGN_APPROVE), PROBLEM_NONE);
    assert_int_equal(EDIT(&somebody, 1, DRAFT(", \"approvals\": 2, \"attempts\": 7")),
                     PROBLEM_NONE);
    assert_int_equal(EDIT(&somebody, 1, DRAFT(", \"approvals\": 2")), PROBLEM_NONE);
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_SUBMIT), PROBLEM_NONE);
    assert_int_equal(ACT(&carol, 1, CAMPAIGN_APPROVE), PROBLEM_NONE);
    assert_string_equal(state_of(f, 1), "review");
}

static void an_edit_takes_another_line_and_gives_it_back(void **state)
{
    static const char same[] = "SELECT COUNT(DISTINCT salt) FROM campaign";
    struct fixture *f = *state;

    create(f, DRAFT(""));
    create(f, DRAFT(""));
    assert_int_equal(EDIT(&somebody, 2, DRAFT(", \"salt_from\": \"c-1\"")), PROBLEM_NONE);
    assert_string_equal(text_of(f, same), "1");
    assert_int_equal(EDIT(&somebody, 2, DRAFT("")), PROBLEM_NONE);
    assert_string_equal(text_of(f, same), "2");
}

/* -- baselines and rollbacks under approvals -- */

#define BRITTLE                                                                                    \
    ", \"waves\": [{\"percent\": 100}], \"rate\": {\"start\": 0}, \"watch\": 0, "                  \
    "\"on_abort\": \"rollback\""

static void a_baseline_takes_a_campaign_that_was_approved(void **state)
{
    struct fixture *f = *state;
    const struct deed wish = {.who = &bob, .row = 1, .release = 2};

    change(f, "INSERT INTO channel (row_id, tenant_row, id, position, rule, created_at) VALUES "
              "(1, 1, 'field', 1, 'all', 0)");
    create(f, DRAFT(", \"channel\": \"field\", \"start\": true"));
    execute(f->at.store, "UPDATE campaign SET state = 'finished', covered_at = 1");
    f->config->campaign_approvals = 1;
    assert_int_equal(outcome(f, do_baseline, wish), PROBLEM_CONFLICT);
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM channel_baseline"), "0");
    create(f, DRAFT(", \"channel\": \"field\""));
    execute(f->at.store, "UPDATE campaign SET state = 'finished', covered_at = 1");
    assert_int_equal(outcome(f, do_baseline, wish), PROBLEM_NONE);
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM channel_baseline"), "1");
}

static void a_rollback_that_was_approved_ahead_starts_at_once(void **state)
{
    struct fixture *f = *state;

    create(f, DRAFT(", \"approvals\": 1" BRITTLE));
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_SUBMIT), PROBLEM_NONE);
    assert_int_equal(ACT(&bob, 1, CAMPAIGN_APPROVE), PROBLEM_NONE);
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_START), PROBLEM_NONE);
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_ABORT), PROBLEM_NONE);
    assert_string_equal(state_of(f, 2), "running");
    assert_string_equal(text_of(f, "SELECT operator || ': ' || note FROM approval "
                                   "WHERE campaign_row = 2"),
                        "bob: given with the plan of c-1");
}

static void a_rollback_waits_when_more_approvals_are_asked_for_by_now(void **state)
{
    struct fixture *f = *state;

    create(f, DRAFT(", \"approvals\": 1" BRITTLE));
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_SUBMIT), PROBLEM_NONE);
    assert_int_equal(ACT(&bob, 1, CAMPAIGN_APPROVE), PROBLEM_NONE);
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_START), PROBLEM_NONE);
    f->config->campaign_approvals = 2;
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_ABORT), PROBLEM_NONE);
    assert_string_equal(state_of(f, 2), "review");
    assert_int_equal(ACT(&carol, 2, CAMPAIGN_APPROVE), PROBLEM_NONE);
    assert_string_equal(state_of(f, 2), "scheduled");
}

static void a_rollback_leads_nobody_up(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "INSERT INTO release (row_id, tenant_row, product_row, id, version, "
                         "security_version, security_floor, release_counter, state, "
                         "metadata_version, published_at) VALUES "
                         "(3, 1, 1, 'gw:0.9', '0.9', 1, 0, 0, 'published', 1, 0)");
    execute(f->at.store, "UPDATE device SET version = '2.0' WHERE row_id = 1");
    execute(f->at.store, "UPDATE device SET version = '0.9' WHERE row_id = 2");
    create(f, "{\"release\": \"gw:1.0\", \"target\": \"all\", \"kind\": \"rollback\", \"reason\": "
              "\"smoke\", \"preset\": \"all-now\", \"rate\": {\"start\": 0}, \"start\": true}");
    tick(f);
    pass(f, 1);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    assert_int_equal(poll_as(f, 2).verdict, VERDICT_NOTHING);
    assert_string_equal(poll_as(f, 2).reason, "upgrade");
}

/* -- what keeps it from beginning -- */

#define IN_FIELD(more) DRAFT(", \"channel\": \"field\", \"waves\": [{\"percent\": 100}]" more)

static void start_older(struct fixture *f)
{
    change(f, "INSERT INTO channel (row_id, tenant_row, id, position, rule, created_at) VALUES "
              "(1, 1, 'field', 1, 'all', 0)");
    create(f, IN_FIELD(", \"start\": true"));
    tick(f);
    create(f, IN_FIELD(""));
}

static void under_a_freeze_of_all_it_leaves_the_older_one_running(void **state)
{
    struct fixture *f = *state;

    start_older(f);
    change(f, "INSERT INTO freeze VALUES (1, 1, 'f-1', 'fair', '', 0, 1800000100, 'alice', 0)");
    assert_int_equal(ACT(&somebody, 2, CAMPAIGN_START), PROBLEM_NONE);
    tick(f);
    assert_string_equal(state_of(f, 2), "scheduled");
    assert_string_equal(state_of(f, 1), "running");
    pass(f, 100);
    assert_string_equal(state_of(f, 2), "running");
    assert_string_equal(state_of(f, 1), "superseded");
}

static void it_does_not_begin_before_the_emergency_stop_is_lifted(void **state)
{
    struct fixture *f = *state;
    struct store_counts before, after;

    start_older(f);
    change(f, "INSERT INTO halt VALUES (1, 'smoke', 'alice', 0)");
    assert_int_equal(ACT(&somebody, 2, CAMPAIGN_START), PROBLEM_NONE);
    assert_string_equal(state_of(f, 2), "scheduled");
    store_count(f->at.store, &before);
    pass(f, 1);
    store_count(f->at.store, &after);
    assert_int_equal(after.jobs, before.jobs);
    change(f, "DELETE FROM halt");
    pass(f, 1);
    assert_string_equal(state_of(f, 2), "running");
    assert_string_equal(state_of(f, 1), "superseded");
}

static void reckon(struct fixture *f, int64_t row)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    CHECKED(campaign_check_reach(&tx, f->campaigns, row, f->now, &err), err);
}

/* Twenty devices counted on the reader: the writer believes it, once. */
static void the_writer_does_not_count_again_what_was_counted_ahead(void **state)
{
    struct fixture *f = *state;

    change(f, "INSERT INTO channel (row_id, tenant_row, id, position, rule, created_at) VALUES "
              "(1, 1, 'field', 1, 'all', 0)");
    create(f, IN_FIELD(", \"expected\": {\"count\": 20, \"tolerance\": 0}"));
    reckon(f, 1);
    execute(f->at.store, "UPDATE device SET state = 'retired' WHERE row_id > 10");
    assert_int_equal(ACT(&somebody, 1, CAMPAIGN_START), PROBLEM_NONE);
    assert_string_equal(state_of(f, 1), "running");
    create(f, IN_FIELD(", \"expected\": {\"count\": 20, \"tolerance\": 0}"));
    assert_int_equal(ACT(&somebody, 2, CAMPAIGN_START), PROBLEM_CONFLICT);
}

/* -- what is under way -- */

static void a_retry_makes_no_room_in_a_spent_budget(void **state)
{
    struct fixture *f = *state;
    const struct deed retry = {.who = &bob, .row = 1, .release = 1};

    create(f, ALL_AT_ONCE);
    tick(f);
    poll_all(f, 2, false);
    assert_string_equal(campaign_state(f), "paused");
    assert_int_equal(outcome(f, do_retry, retry), PROBLEM_CONFLICT);
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, NULL), PROBLEM_CONFLICT);
    assert_int_equal(act(f, 1, CAMPAIGN_RESUME, "{\"accept_failures\": true}"), PROBLEM_NONE);
    assert_int_equal(outcome(f, do_retry, retry), PROBLEM_NONE);
}

static void a_soft_cancel_can_be_made_a_hard_one(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    struct decision offer = poll_as(f, 1);
    assert_int_equal(report_as(f, 1, offer.action, REPORT_DOWNLOADING, NULL), REPORT_TAKEN);
    assert_int_equal(act(f, 1, CAMPAIGN_CANCEL, NULL), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    assert_int_equal(act(f, 1, CAMPAIGN_CANCEL, NULL), PROBLEM_WRONG_STATE);
    assert_int_equal(act(f, 1, CAMPAIGN_CANCEL, "{\"hard\": true}"), PROBLEM_NONE);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_CANCEL);
    assert_int_equal(act(f, 1, CAMPAIGN_CANCEL, "{\"hard\": true}"), PROBLEM_WRONG_STATE);
}

/* -- what was decided once -- */

/* The server comes up again with another configuration. */
static void a_stored_plan_outlives_a_stricter_server(void **state)
{
    struct fixture *f = *state;
    struct config *stricter;
    struct error err = {0};

    create(f, ALL_AT_ONCE);
    tick(f);
    campaigns_close(&f->campaigns);
    CHECKED(config_defaults("/nonexistent", &stricter, &err), err);
    stricter->campaign_approvals = 2;
    stricter->campaign_filter_max = 1;
    config_free(&f->config);
    f->config = stricter;
    CHECKED(campaigns_open(f->at.store, f->config, &f->campaigns, &err), err);
    assert_int_equal(poll_as(f, 1).verdict, VERDICT_OFFER);
    assert_int_equal(act(f, 1, CAMPAIGN_PAUSE, NULL), PROBLEM_NONE);
}

static void a_draft_of_before_does_not_begin_without_the_approvals_of_now(void **state)
{
    struct fixture *f = *state;

    create(f, DRAFT(""));
    f->config->campaign_approvals = 1;
    assert_int_equal(ACT(&bob, 1, CAMPAIGN_START), PROBLEM_WRONG_STATE);
    assert_int_equal(EDIT(&bob, 1, DRAFT(", \"approvals\": 1")), PROBLEM_NONE);
    assert_int_equal(ACT(&bob, 1, CAMPAIGN_SUBMIT), PROBLEM_NONE);
    assert_int_equal(ACT(&carol, 1, CAMPAIGN_APPROVE), PROBLEM_NONE);
    assert_int_equal(ACT(&bob, 1, CAMPAIGN_START), PROBLEM_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(who_wrote_the_plan_is_no_approver_of_it),
        CASE(a_plan_that_comes_back_is_not_approved_any_more),
        CASE(an_edit_takes_another_line_and_gives_it_back),
        CASE(a_baseline_takes_a_campaign_that_was_approved),
        CASE(a_rollback_that_was_approved_ahead_starts_at_once),
        CASE(a_rollback_waits_when_more_approvals_are_asked_for_by_now),
        CASE(a_rollback_leads_nobody_up),
        CASE(under_a_freeze_of_all_it_leaves_the_older_one_running),
        CASE(it_does_not_begin_before_the_emergency_stop_is_lifted),
        CASE(the_writer_does_not_count_again_what_was_counted_ahead),
        CASE(a_retry_makes_no_room_in_a_spent_budget),
        CASE(a_soft_cancel_can_be_made_a_hard_one),
        CASE(a_stored_plan_outlives_a_stricter_server),
        CASE(a_draft_of_before_does_not_begin_without_the_approvals_of_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
