/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver on plain structs: one case, one reason. */
#include "campaign/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define NOW 1000

struct rig {
    struct plan plans[2];
    struct plan *list[2];
    struct band bands[2][2];
    struct image image;
    char *hardware[1];
    struct past past;
    struct question question;
};

static char gw[] = "gw";

/* Two running campaigns for everyone, the newer (row 2, release 3.0) first; all waves open. */
static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct error err;

    rig->hardware[0] = gw;
    rig->image = (struct image){100, rig->hardware, 1};
    for (int i = 0; i < 2; i++) {
        struct plan *plan = &rig->plans[i];

        *plan = (struct plan){.row_id = 2 - i,
                              .tenant_row = 1,
                              .state = CAMPAIGN_RUNNING,
                              .release_is_offered = true,
                              .security_version = 5,
                              .bands = rig->bands[i],
                              .band_count = 2,
                              .images = &rig->image,
                              .image_count = 1};
        strcpy(plan->version, i == 0 ? "3.0" : "2.0");
        rig->bands[i][0] = (struct band){.limit = rank_limit(50), .state = WAVE_PASSED};
        rig->bands[i][1] = (struct band){.limit = RANK_MAX, .state = WAVE_OPEN};
        assert_int_equal(filter_parse("model = gw", &plan->filter, &err), 0);
        rig->list[i] = plan;
    }
    rig->question = (struct question){
        .facts = {.id = "dev-1",
                  .model = "gw",
                  .hardware = "",
                  .site = "",
                  .version = "1.0",
                  .state = "active"},
        .tenant_row = 1,
        .is_active = true,
        .pasts = &rig->past,
        .plans = rig->list,
        .plan_count = 2,
        .now = NOW,
    };
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    for (int i = 0; i < 2; i++)
        filter_free(&rig->plans[i].filter);
    free(rig);
    return 0;
}

static void expect(struct rig *rig, enum reason reason, int64_t campaign_row)
{
    struct resolution answer;
    struct error err;

    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    if (answer.reason != reason)
        fail_msg("%s instead of %s", reason_code(answer.reason), reason_code(reason));
    assert_int_equal(answer.plan ? answer.plan->row_id : 0, campaign_row);
}

static void use_past(struct rig *rig, int64_t campaign_row, enum deployment_state state,
                     int64_t retry_at)
{
    rig->past = (struct past){campaign_row, state, 1, retry_at};
    rig->question.past_count = 1;
}

static void the_first_that_matches_is_offered(void **state)
{
    expect(*state, REASON_OFFER, 2);
}

static void a_device_that_is_not_active_gets_nothing(void **state)
{
    struct rig *rig = *state;

    rig->question.is_active = false;
    expect(rig, REASON_DEVICE_STATE, 0);
}

static void what_does_not_run_or_match_is_passed_over(void **state)
{
    struct rig *rig = *state;

    rig->plans[0].state = CAMPAIGN_PAUSED;
    expect(rig, REASON_OFFER, 1);
    rig->plans[0].state = CAMPAIGN_RUNNING;
    rig->plans[0].tenant_row = 7;
    expect(rig, REASON_OFFER, 1);
    rig->question.facts.model = "other";
    expect(rig, REASON_NO_CAMPAIGN, 0);
}

static void a_wave_that_is_not_open_offers_nothing(void **state)
{
    struct rig *rig = *state;

    rig->bands[0][0].state = rig->bands[0][1].state = WAVE_PENDING;
    expect(rig, REASON_OFFER, 1);
    rig->bands[0][0].limit = rig->bands[0][1].limit = -1;
    rig->question.plan_count = 1;
    expect(rig, REASON_NO_CAMPAIGN, 0);
}

static void the_winner_decides_even_when_it_has_nothing_to_give(void **state)
{
    struct rig *rig = *state;

    rig->question.facts.version = "3.0";
    expect(rig, REASON_ALREADY, 2);
    rig->question.facts.version = "1.0";
    rig->question.facts.hardware = "other";
    expect(rig, REASON_HARDWARE, 2);
    rig->question.facts.hardware = "gw";
    rig->question.floor = 6;
    expect(rig, REASON_SECURITY_FLOOR, 2);
    rig->question.floor = 5;
    expect(rig, REASON_OFFER, 2);
    rig->plans[0].release_is_offered = false;
    expect(rig, REASON_RELEASE_WITHDRAWN, 2);
}

static void the_model_stands_in_for_an_unknown_hardware(void **state)
{
    struct rig *rig = *state;
    CLEANUP(filter_free) struct filter *everyone = NULL;
    struct error err;

    assert_int_equal(filter_parse("all", &everyone, &err), 0);
    filter_free(&rig->plans[0].filter);
    rig->plans[0].filter = MOVE(everyone);
    rig->question.facts.model = "";
    expect(rig, REASON_HARDWARE_UNKNOWN, 2);
    rig->question.facts.model = "gx";
    expect(rig, REASON_HARDWARE, 2);
}

static void the_past_decides_about_another_try(void **state)
{
    static const struct {
        enum deployment_state state;
        int64_t retry_at;
        enum reason reason;
    } cases[] = {
        {DEPLOYMENT_WITHDRAWN,  0,       REASON_OFFER    },
        {DEPLOYMENT_FAILED,     0,       REASON_FAILED   },
        {DEPLOYMENT_FAILED,     NOW + 1, REASON_BACK_OFF },
        {DEPLOYMENT_FAILED,     NOW,     REASON_OFFER    },
        {DEPLOYMENT_REVERTED,   0,       REASON_REVERTED },
        {DEPLOYMENT_LOST,       0,       REASON_LOST     },
        {DEPLOYMENT_TIMED_OUT,  0,       REASON_TIMED_OUT},
        {DEPLOYMENT_CONFIRMED,  0,       REASON_CONFIRMED},
        {DEPLOYMENT_REJECTED,   0,       REASON_LEFT_OUT },
        {DEPLOYMENT_REMOVED,    0,       REASON_LEFT_OUT },
        {DEPLOYMENT_INSTALLING, 0,       REASON_UNDER_WAY},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        use_past(rig, 2, cases[i].state, cases[i].retry_at);
        expect(rig, cases[i].reason, 2);
    }
}

static void a_member_stays_one_when_it_matches_no_more(void **state)
{
    struct rig *rig = *state;

    use_past(rig, 2, DEPLOYMENT_WITHDRAWN, 0);
    rig->question.facts.model = "renamed";
    rig->question.facts.hardware = "gw";
    expect(rig, REASON_OFFER, 2);
}

static void a_newer_success_is_not_undone(void **state)
{
    struct rig *rig = *state;

    use_past(rig, 2, DEPLOYMENT_CONFIRMED, 0);
    rig->question.facts.version = "3.0";
    rig->plans[0].state = CAMPAIGN_FINISHED;
    expect(rig, REASON_NO_CAMPAIGN, 0);
}

static int collect(void *arg, const struct plan *plan, enum reason reason, struct error *err)
{
    char *line = arg;

    (void)err;
    sprintf(line + strlen(line), "%lld %s; ", (long long)plan->row_id, reason_code(reason));
    return 0;
}

static void every_step_can_be_explained(void **state)
{
    struct rig *rig = *state;
    char line[128] = "";

    rig->plans[0].state = CAMPAIGN_PAUSED;
    rig->question.note = collect;
    rig->question.note_arg = line;
    expect(rig, REASON_OFFER, 1);
    assert_string_equal(line, "2 not_running; 1 offer; ");
    for (int reason = 0; reason < REASONS; reason++) {
        assert_true(strlen(reason_code((enum reason)reason)) > 0);
        assert_true(strlen(reason_code((enum reason)reason)) < 32);
        assert_true(strlen(reason_sentence((enum reason)reason)) > 0);
        assert_in_range(reason_step((enum reason)reason), 1, 11);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_that_matches_is_offered),
        CASE(a_device_that_is_not_active_gets_nothing),
        CASE(what_does_not_run_or_match_is_passed_over),
        CASE(a_wave_that_is_not_open_offers_nothing),
        CASE(the_winner_decides_even_when_it_has_nothing_to_give),
        CASE(the_model_stands_in_for_an_unknown_hardware),
        CASE(the_past_decides_about_another_try),
        CASE(a_member_stays_one_when_it_matches_no_more),
        CASE(a_newer_success_is_not_undone),
        CASE(every_step_can_be_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
