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
    rig->image = (struct image){.size = 100, .hardware = rig->hardware, .hardware_count = 1};
    for (int i = 0; i < 2; i++) {
        struct plan *plan = &rig->plans[i];

        *plan = (struct plan){.row_id = 2 - i,
                              .tenant_row = 1,
                              .state = CAMPAIGN_RUNNING,
                              .release_is_offered = true,
                              .security_version = 5,
                              .rules = {.is_sticky = true},
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
    rig->past = (struct past){
        .campaign_row = campaign_row, .state = state, .wave = 1, .retry_at = retry_at};
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

static void the_campaign_started_later_is_the_newer_one(void **state)
{
    struct rig *rig = *state;

    rig->plans[0].started_at = 900; /* confirmed by the other one, which was drafted before it */
    rig->question.plan_count = 1;
    use_past(rig, 1, DEPLOYMENT_CONFIRMED, 0);
    rig->past.started_at = 950;
    expect(rig, REASON_NO_CAMPAIGN, 0);
    use_past(rig, 7, DEPLOYMENT_CONFIRMED, 0); /* drafted after it, and started before */
    rig->past.started_at = 850;
    expect(rig, REASON_OFFER, 2);
}

static void what_a_rollback_takes_back_does_not_keep_it_away(void **state)
{
    struct rig *rig = *state;

    rig->question.plan_count = 1;
    rig->plans[0].rules.kind = KIND_ROLLBACK;
    rig->plans[0].started_at = 900;
    rig->plans[0].parent_row = 7;
    use_past(rig, 7, DEPLOYMENT_CONFIRMED, 0);
    rig->past.started_at = 950;
    expect(rig, REASON_OFFER, 2);
    rig->plans[0].parent_row = 6;
    expect(rig, REASON_NO_CAMPAIGN, 0);
}

/* Two campaigns for all, each for a product of its own. */
static void a_campaign_of_another_product_is_passed_over(void **state)
{
    static char cam[] = "cam";
    struct rig *rig = *state;
    struct image image = {.size = 100, .hardware = (char *[]){cam}, .hardware_count = 1};
    char line[128] = "";

    rig->plans[0].images = &image;
    strcpy(rig->plans[0].version, "1.0"); /* by chance what the device runs of its own */
    rig->question.note = collect;
    rig->question.note_arg = line;
    expect(rig, REASON_OFFER, 1);
    assert_string_equal(line, "2 hardware; 1 offer; ");
    rig->plans[1].state = CAMPAIGN_PAUSED;
    expect(rig, REASON_HARDWARE, 2);
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

/* -- all steps -- */

/* Releases 1.0, 2.0, 3.0 and 4.0 of one product; 3.0 is what the first campaign brings. */
struct product {
    struct line_release releases[4];
    struct line line;
};

static void make_product(struct rig *rig, struct product *product)
{
    struct error err;

    *product = (struct product){
        .line = {.releases = product->releases, .count = 4}
    };
    for (int i = 0; i < 4; i++) {
        struct line_release *release = &product->releases[i];

        *release = (struct line_release){.row_id = i + 1,
                                         .counter = i + 1,
                                         .security_version = 5,
                                         .is_offered = true,
                                         .images = &rig->image,
                                         .image_count = 1};
        snprintf(release->version, sizeof release->version, "%d.0", i + 1);
    }
    assert_int_equal(line_index(&product->line, &err), 0);
    rig->plans[0].release_row = 3;
    rig->plans[0].line = &product->line;
    rig->plans[0].goal = &product->releases[2];
    rig->question.plan_count = 1;
}

static void index_again(struct product *product)
{
    struct error err;

    free(product->line.by_version);
    free(product->line.floors);
    product->line.floor_count = 0;
    assert_int_equal(line_index(&product->line, &err), 0);
}

static void clear_product(struct product *product)
{
    free(product->line.by_version);
    free(product->line.floors);
}

static int keep_reason(void *arg, const struct plan *plan, enum reason reason, struct error *err)
{
    (void)plan, (void)err;
    *(enum reason *)arg = reason;
    return 0;
}

/* Where no campaign won, the answer is why the only one did not. */
static enum reason asked(struct rig *rig)
{
    enum reason told = REASONS;
    struct resolution answer;
    struct error err;

    rig->question.note = keep_reason;
    rig->question.note_arg = &told;
    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    return told == REASONS ? answer.reason : told;
}

static void expect_asked(struct rig *rig, enum reason reason)
{
    enum reason answer = asked(rig);

    if (answer != reason)
        fail_msg("%s instead of %s", reason_code(answer), reason_code(reason));
}

static enum admission look_at(void *arg, const struct plan *plan, int64_t *ret_wait)
{
    (void)plan;
    *ret_wait = 7;
    return *(enum admission *)arg;
}

/* Everything speaks against it; what comes first in the list of steps is told first. */
static void the_steps_are_asked_in_their_order(void **state)
{
    struct rig *rig = *state;
    struct question *question = &rig->question;
    struct plan *plan = &rig->plans[0];
    struct product product;
    struct freeze_rule freeze = {.from_at = 0, .until_at = NOW + 1, .reason = "holidays"};
    struct steering steering = {
        .is_halted = true, .halt_reason = "smoke", .freezes = &freeze, .freeze_count = 1};
    enum admission admission = ADMIT_LATER_SITE;

    make_product(rig, &product);
    strcpy(product.releases[0].dead_end, "new partitions");
    question->is_active = false;
    question->steering = &steering;
    question->pin = PIN_HOLD;
    question->created_at = 20;
    question->facts.version = "3.0";
    question->facts.model = "renamed";
    question->facts.hardware = "gw";
    question->floor = 9;
    question->look = look_at;
    question->look_arg = &admission;
    plan->rules.is_snapshot = true;
    plan->started_at = 10;
    plan->state = CAMPAIGN_PAUSED;
    plan->channel_row = 4;
    plan->release_is_offered = false;
    plan->rules.download_windows = (struct windows){{{0x7f, 8 * 3600, 60}}, 1};
    plan->zone = zone_named("UTC");
    rig->bands[0][0].state = rig->bands[0][1].state = WAVE_PENDING;

    expect_asked(rig, REASON_DEVICE_STATE);
    question->is_active = true;
    expect_asked(rig, REASON_HALTED);
    steering.is_halted = false;
    expect_asked(rig, REASON_HOLD);
    question->pin = PIN_RELEASE;
    expect_asked(rig, REASON_NOT_RUNNING);
    plan->state = CAMPAIGN_RUNNING;
    expect_asked(rig, REASON_PINNED);
    question->pin = PIN_NONE;
    expect_asked(rig, REASON_CHANNEL);
    question->hand_channel = 4;
    expect_asked(rig, REASON_NO_MATCH);
    question->facts.model = "gw";
    expect_asked(rig, REASON_NEWCOMER);
    question->created_at = 10;
    expect_asked(rig, REASON_WAVE_NOT_OPEN);
    for (int i = 0; i < 2; i++) {
        rig->bands[0][i].state = WAVE_OPEN;
        rig->bands[0][i].ramp = 1000000;
        rig->bands[0][i].opened_at = NOW;
    }
    expect_asked(rig, REASON_TURN);
    rig->bands[0][0].ramp = rig->bands[0][1].ramp = 0;
    expect_asked(rig, REASON_ALREADY);
    question->facts.version = "4.0";
    expect_asked(rig, REASON_RELEASE_WITHDRAWN);
    plan->release_is_offered = true;
    expect_asked(rig, REASON_SECURITY_FLOOR);
    question->facts.hardware = "other";
    expect_asked(rig, REASON_HARDWARE);
    question->facts.hardware = "gw";
    question->floor = 0;
    expect_asked(rig, REASON_DOWNGRADE);
    question->facts.version = "1.0";
    expect_asked(rig, REASON_DEAD_END);
    product.releases[0].dead_end[0] = '\0';
    expect_asked(rig, REASON_FREEZE);
    freeze.until_at = NOW;
    expect_asked(rig, REASON_WINDOW);
    use_past(rig, 2, DEPLOYMENT_FAILED, NOW + 1);
    plan->rules.download_windows.count = 0;
    expect_asked(rig, REASON_BACK_OFF);
    rig->past.retry_at = NOW;
    expect_asked(rig, REASON_CAPACITY_SITE);
    admission = ADMIT;
    expect_asked(rig, REASON_OFFER);
    clear_product(&product);
}

static void a_reason_tells_when_it_may_be_gone(void **state)
{
    struct rig *rig = *state;
    struct freeze_rule freezes[] = {
        {.from_at = 0,       .until_at = NOW + 50,  .reason = "short"},
        {.from_at = 0,       .until_at = NOW + 90,  .reason = "long" },
        {.from_at = NOW + 1, .until_at = NOW + 500, .reason = "later"},
    };
    struct steering steering = {.freezes = freezes, .freeze_count = 3};
    enum admission admission = ADMIT_LATER_RATE;
    struct resolution answer;
    struct error err;

    rig->question.steering = &steering;
    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    assert_int_equal(answer.until, NOW + 90);
    assert_string_equal(answer.text, "long");
    steering.freeze_count = 0;
    rig->question.look = look_at;
    rig->question.look_arg = &admission;
    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    assert_int_equal(answer.reason, REASON_START_RATE);
    assert_int_equal(answer.until, NOW + 7);
    rig->question.pin = PIN_HOLD;
    rig->question.pin_until = NOW + 3;
    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    assert_int_equal(answer.until, NOW + 3);
}

static void only_download_windows_hold_an_offer(void **state)
{
    static const struct windows never_now = {{{0x7f, (NOW + 7200) % 86400, 60}}, 1};
    struct rig *rig = *state;
    struct rules *rules = &rig->plans[0].rules;
    struct resolution answer;
    struct error err;

    rig->plans[0].zone = zone_named("UTC");
    rules->install_windows = never_now;
    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    assert_int_equal(answer.reason, REASON_OFFER);
    assert_int_equal(answer.install, INSTALL_PRESTAGE);
    assert_int_equal(answer.install_wait, 7200);
    rules->download_windows = never_now;
    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    assert_int_equal(answer.reason, REASON_WINDOW);
    assert_int_equal(answer.until, NOW + 7200);
    rules->is_expedited = true;
    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    assert_int_equal(answer.reason, REASON_OFFER);
    assert_int_equal(answer.install, INSTALL_FORCED);
}

static void admissions_are_told_by_their_own_codes(void **state)
{
    (void)state;
    for (int admission = ADMIT; admission <= ADMIT_LATER_BYTES; admission++)
        assert_string_equal(reason_code(reason_of_admission((enum admission)admission)),
                            admission_code((enum admission)admission));
}

/* -- pins and standing campaigns -- */

static void pins_and_their_campaigns_belong_together(void **state)
{
    struct rig *rig = *state;

    rig->plans[1].rules.kind = KIND_PIN;
    expect(rig, REASON_OFFER, 2);
    rig->question.pin = PIN_RELEASE;
    rig->question.pin_campaign = 1;
    expect(rig, REASON_OFFER, 1);
    rig->question.pin_campaign = 9;
    expect(rig, REASON_PINNED, 0);
    rig->question.pin = PIN_NONE;
    rig->plans[0].state = CAMPAIGN_FINISHED;
    expect(rig, REASON_NO_CAMPAIGN, 0);
}

static void a_standing_campaign_wants_its_release_to_be_there(void **state)
{
    static const struct {
        enum deployment_state state;
        const char *version;
        enum reason reason;
    } cases[] = {
        {DEPLOYMENT_CONFIRMED,      "3.0", REASON_CONFIRMED},
        {DEPLOYMENT_CONFIRMED,      "1.0", REASON_OFFER    },
        {DEPLOYMENT_NOT_APPLICABLE, "1.0", REASON_OFFER    },
        {DEPLOYMENT_REMOVED,        "1.0", REASON_OFFER    },
        {DEPLOYMENT_REJECTED,       "1.0", REASON_LEFT_OUT },
        {DEPLOYMENT_REVERTED,       "1.0", REASON_REVERTED },
        {DEPLOYMENT_FAILED,         "1.0", REASON_FAILED   },
    };
    struct rig *rig = *state;

    rig->plans[0].rules.kind = KIND_BASELINE;
    rig->plans[0].since = NOW - 100;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        use_past(rig, 2, cases[i].state, 0);
        rig->past.state_at = NOW - 50;
        rig->question.facts.version = cases[i].version;
        expect(rig, cases[i].reason, 2);
        rig->past.state_at = NOW - 150; /* before its release was the baseline */
        expect(rig, cases[i].reason == REASON_CONFIRMED ? REASON_ALREADY : REASON_OFFER, 2);
    }
}

static void what_a_pin_that_is_gone_has_brought_is_not_further_than_a_baseline(void **state)
{
    struct rig *rig = *state;

    rig->plans[0].state = CAMPAIGN_FINISHED;
    rig->plans[1].rules.kind = KIND_BASELINE;
    rig->plans[1].since = NOW - 100;
    use_past(rig, 9, DEPLOYMENT_CONFIRMED, 0);
    rig->past.state_at = NOW - 50;
    expect(rig, REASON_NO_CAMPAIGN, 0);
    rig->past.is_of_standing = true;
    expect(rig, REASON_OFFER, 1);
}

static void who_moved_leaves_a_standing_campaign_but_not_an_update(void **state)
{
    struct rig *rig = *state;

    use_past(rig, 2, DEPLOYMENT_WITHDRAWN, 0);
    rig->question.plan_count = 1;
    rig->plans[0].channel_row = 4;
    rig->question.hand_channel = 5;
    expect(rig, REASON_OFFER, 2);
    rig->plans[0].rules.kind = KIND_BASELINE;
    expect(rig, REASON_NO_CAMPAIGN, 0);
    rig->plans[0].rules.kind = KIND_UPDATE;
    rig->plans[0].rules.is_sticky = false;
    expect(rig, REASON_NO_CAMPAIGN, 0);
}

/* -- lines -- */

static int64_t next_release(struct rig *rig)
{
    struct resolution answer;
    struct error err;

    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    assert_int_equal(answer.reason, REASON_OFFER);
    return answer.release_row;
}

static void a_way_leads_over_every_floor_between(void **state)
{
    struct rig *rig = *state;
    struct product product;
    struct image foreign = {.size = 100};

    make_product(rig, &product);
    assert_int_equal(next_release(rig), 3);
    product.releases[1].is_floor = product.releases[3].is_floor = true;
    index_again(&product);
    assert_int_equal(next_release(rig), 2);
    rig->question.facts.version = "2.0";
    assert_int_equal(next_release(rig), 3);
    rig->question.facts.version = "0.1-lab"; /* unknown: older than all */
    assert_int_equal(next_release(rig), 2);
    product.releases[1].images = &foreign; /* it is not for this hardware */
    assert_int_equal(next_release(rig), 3);
    product.releases[1].images = &rig->image;
    product.releases[1].security_version = 3;
    rig->question.floor = 4; /* it has been further than the floor */
    assert_int_equal(next_release(rig), 3);
    rig->question.floor = 0;
    clear_product(&product);
}

static void a_floor_that_was_withdrawn_is_a_floor_still(void **state)
{
    struct rig *rig = *state;
    struct product product;
    struct resolution answer;
    struct error err;

    make_product(rig, &product);
    product.releases[1].is_floor = true;
    product.releases[1].is_offered = false;
    strcpy(product.releases[1].id, "gw:2.0");
    index_again(&product);
    assert_int_equal(resolve(&rig->question, &answer, &err), 0);
    assert_int_equal(answer.reason, REASON_RELEASE_WITHDRAWN);
    assert_string_equal(answer.text, "gw:2.0");
    rig->plans[0].rules.kind = KIND_ROLLBACK;
    rig->plans[0].goal = &product.releases[0];
    strcpy(rig->plans[0].version, "1.0");
    rig->question.facts.version = "2.0";
    expect(rig, REASON_FLOOR, 2);
    clear_product(&product);
}

static void a_rollback_stops_at_what_cannot_be_undone(void **state)
{
    struct rig *rig = *state;
    struct product product;

    make_product(rig, &product);
    rig->plans[0].rules.kind = KIND_ROLLBACK;
    rig->question.facts.version = "4.0";
    assert_int_equal(next_release(rig), 3);
    product.releases[2].is_floor = true; /* to a floor is not below it */
    index_again(&product);
    assert_int_equal(next_release(rig), 3);
    product.releases[3].is_floor = true;
    index_again(&product);
    expect(rig, REASON_FLOOR, 2);
    product.releases[3].security_floor = 6;
    expect(rig, REASON_SECURITY_FLOOR, 2);
    clear_product(&product);
}

static void what_was_confirmed_raises_the_security_floor(void **state)
{
    struct rig *rig = *state;
    struct product product;

    make_product(rig, &product);
    product.releases[3].security_floor = 6;
    use_past(rig, 1, DEPLOYMENT_CONFIRMED, 0);
    rig->past.release_row = 4;
    expect(rig, REASON_SECURITY_FLOOR, 2);
    rig->past.state = DEPLOYMENT_FAILED;
    expect(rig, REASON_OFFER, 2);
    clear_product(&product);
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
        CASE(the_campaign_started_later_is_the_newer_one),
        CASE(what_a_rollback_takes_back_does_not_keep_it_away),
        CASE(a_campaign_of_another_product_is_passed_over),
        CASE(every_step_can_be_explained),
        CASE(the_steps_are_asked_in_their_order),
        CASE(a_reason_tells_when_it_may_be_gone),
        CASE(only_download_windows_hold_an_offer),
        CASE(admissions_are_told_by_their_own_codes),
        CASE(pins_and_their_campaigns_belong_together),
        CASE(a_standing_campaign_wants_its_release_to_be_there),
        CASE(what_a_pin_that_is_gone_has_brought_is_not_further_than_a_baseline),
        CASE(who_moved_leaves_a_standing_campaign_but_not_an_update),
        CASE(a_way_leads_over_every_floor_between),
        CASE(a_floor_that_was_withdrawn_is_a_floor_still),
        CASE(a_rollback_stops_at_what_cannot_be_undone),
        CASE(what_was_confirmed_raises_the_security_floor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
