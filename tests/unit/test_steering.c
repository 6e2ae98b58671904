/* SPDX-License-Identifier: Apache-2.0 */
/* What steers devices beside campaigns of their own: records, baselines, pins, promotion, the way
 * back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/campaign_fixture.h"

#include "campaign/apply_pipeline.h"
#include "store/approval.h"
#include "store/device_list.h"
#include "store/freeze.h"
#include "store/site.h"

#define HOUR 3600
#define DAY (24 * HOUR)

static int start(void **state)
{
    struct fixture *f = fixture_new(20, "1.0");

    execute(f->at.store, "UPDATE device SET hardware = 'gw', model = 'gw'");
    execute(f->at.store,
            "INSERT INTO device_tag SELECT row_id, 'beta' FROM device WHERE row_id <= 3");
    *state = f;
    return 0;
}

static int stop(void **state)
{
    fixture_free(*state);
    return 0;
}

/* -- doing things on the writer -- */

struct deed {
    struct fixture *f;
    int64_t channel, device, release, until;
    const char *text;
    int64_t row;
};

static void done(struct fixture *f, int (*work)(struct tx *, void *, struct error *),
                 struct deed *deed)
{
    struct error err = {0};

    deed->f = f;
    CHECKED(store_write(f->at.store, work, deed, &err), err);
}

static int do_channels(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    struct channel stable = {.tenant_row = 1, .id = "stable", .position = 2};
    struct channel beta = {.tenant_row = 1, .id = "beta", .position = 1};

    beta.rule = strdup("tag = beta");
    beta.promotion = strdup(deed->text);
    stable.rule = strdup("all");
    int failed = channel_insert(tx, &stable, err);
    beta.next_row = stable.row_id;
    failed =
        failed || channel_insert(tx, &beta, err) || campaign_touch(tx, deed->f->campaigns, err);
    channel_clear(&beta);
    channel_clear(&stable);
    return failed ? -1 : 0;
}

#define STABLE 1
#define BETA 2

/* stable (row 1) takes everybody, beta (row 2) before it those with the tag: devices 1 to 3. */
static void add_channels(struct fixture *f, const char *promotion)
{
    struct deed deed = {.text = promotion};

    done(f, do_channels, &deed);
}

static int do_baseline(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    const struct new_baseline wish = {
        .channel_row = deed->channel, .release_row = deed->release, .reason = "because"};

    return pipeline_set_baseline(tx, deed->f->campaigns, &wish, &somebody, deed->f->now, err);
}

static void set_baseline(struct fixture *f, int64_t channel, int64_t release)
{
    struct deed deed = {.channel = channel, .release = release};

    done(f, do_baseline, &deed);
    tick(f);
}

static int do_join(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;

    return device_join_channel(tx, deed->device, deed->channel, deed->until, err);
}

static int do_pin(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    const struct new_pin wish = {.tenant_row = 1,
                                 .device_row = deed->device,
                                 .release_row = deed->release,
                                 .expires_at = deed->until,
                                 .reason = "test"};

    return pipeline_pin(tx, deed->f->campaigns, &wish, &somebody, deed->f->now, err);
}

static void pin(struct fixture *f, int64_t device, int64_t release, int64_t until)
{
    struct deed deed = {.device = device, .release = release, .until = until};

    done(f, do_pin, &deed);
    tick(f);
}

static int do_unpin(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    struct device device = device_in(tx, deed->device);

    return pipeline_unpin(tx, deed->f->campaigns, &device, "operator", deed->f->now, err);
}

static int do_promote(struct tx *tx, void *arg, struct error *err)
{
    struct deed *deed = arg;
    const struct promotion_wish wish = {deed->channel, deed->release};

    return pipeline_promote(tx, deed->f->campaigns, &wish, &somebody, deed->f->now, &deed->row,
                            err);
}

/* The problem it gave, with its detail. */
static struct error promote(struct fixture *f, int64_t channel, int64_t release)
{
    struct deed deed = {.f = f, .channel = channel, .release = release};
    struct error err = {0};

    return store_write(f->at.store, do_promote, &deed, &err) ? err : (struct error){0};
}

static int64_t campaigns_of_kind(struct fixture *f, const char *kind, const char *state)
{
    char sql[160];

    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM campaign WHERE kind = '%s' AND state = '%s'",
             kind, state);
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    CLEANUP(query_finish) struct query q = query_start_once(&tx, sql);
    assert_int_equal(query_step(&q, &err), STEP_ROW);
    return query_number(&q, 0);
}

static void offers(struct fixture *f, int64_t device, int64_t release)
{
    struct decision decision = poll_as(f, device);

    if (decision.verdict != VERDICT_OFFER)
        fail_msg("device %d: %s", (int)device, decision.reason);
    assert_int_equal(decision.release_row, release);
}

static void offers_nothing(struct fixture *f, int64_t device)
{
    struct decision decision = poll_as(f, device);

    if (decision.verdict == VERDICT_OFFER)
        fail_msg("device %d is offered release row %d", (int)device, (int)decision.release_row);
}

/* -- records -- */

static struct tx reading(struct fixture *f)
{
    struct tx tx = {0};
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    return tx;
}

static int note_channel(const struct channel *channel, void *arg, struct error *err)
{
    struct text *names = arg;

    (void)err;
    text_format(names, "%s>%lld ", channel->id, (long long)channel->next_row);
    return 0;
}

static void channels_come_in_the_order_of_their_positions(void **state)
{
    CLEANUP(text_clear) struct text names = {0};
    struct fixture *f = *state;
    struct error err = {0};

    add_channels(f, "");
    CLEANUP(tx_end) struct tx tx = reading(f);
    CHECKED(channel_each(&tx, 1, note_channel, &names, &err), err);
    assert_string_equal(names.at, "beta>1 stable>0 ");
}

static int do_delete_channel(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    struct channel channel = {.row_id = deed->channel, .tenant_row = 1, .id = "x"};

    return pipeline_drop_channel(tx, deed->f->campaigns, &channel, deed->f->now, err);
}

static void a_deleted_channel_lets_go_of_devices_and_chain(void **state)
{
    struct fixture *f = *state;
    struct deed deed = {.channel = STABLE, .device = 4};

    add_channels(f, "");
    set_baseline(f, STABLE, 2);
    done(f, do_join, &deed);
    done(f, do_delete_channel, &deed);
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM channel WHERE next_row IS NULL"), "1");
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM device WHERE channel_row IS NOT NULL"),
                        "0");
    assert_int_equal(campaigns_of_kind(f, "baseline", "cancelled"), 1);
}

static int do_freezes(struct tx *tx, void *arg, struct error *err)
{
    struct freeze freeze = {.tenant_row = 1, .reason = "holidays", .created_by = "alice"};

    (void)arg;
    for (int i = 1; i <= 2; i++) {
        snprintf(freeze.id, sizeof freeze.id, "f-%d", i);
        freeze.from_at = START_TIME;
        freeze.until_at = START_TIME + i * HOUR;
        if (freeze_insert(tx, &freeze, err))
            return -1;
    }
    return 0;
}

static int note_freeze(const struct freeze *freeze, void *arg, struct error *err)
{
    (void)err;
    text_append(arg, freeze->id);
    return 0;
}

static void a_freeze_is_listed_until_it_ends(void **state)
{
    CLEANUP(text_clear) struct text ids = {0}, all = {0};
    struct fixture *f = *state;
    struct deed deed = {0};
    struct error err = {0};

    done(f, do_freezes, &deed);
    CLEANUP(tx_end) struct tx tx = reading(f);
    CHECKED(freeze_each(&tx, 1, START_TIME + HOUR, note_freeze, &ids, &err), err);
    CHECKED(freeze_each(&tx, 0, 0, note_freeze, &all, &err), err);
    assert_string_equal(ids.at, "f-2");
    assert_string_equal(all.at, "f-1f-2");
}

static int do_list(struct tx *tx, void *arg, struct error *err)
{
    static const char *const known[] = {"dev-1", "dev-2"}, *const unknown[] = {"dev-1", "nobody"};
    struct deed *deed = arg;
    struct device_list list = {.tenant_row = 1, .id = "l-1", .name = "pilot", .created_by = "a"};
    int failed = device_list_insert(tx, &list, deed->text ? unknown : known, 2, err);

    deed->row = list.row_id;
    return failed;
}

static void a_list_knows_its_members_and_refuses_strangers(void **state)
{
    struct fixture *f = *state;
    struct deed deed = {0}, bad = {.text = "unknown"};
    struct error err = {0};
    bool has_first, has_third;

    assert_int_equal(store_write(f->at.store, do_list, &bad, &err), -1);
    assert_int_equal(err.problem, PROBLEM_NO_SUCH_DEVICE);
    assert_string_equal(err.detail, "device nobody");
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM device_list"), "0");
    done(f, do_list, &deed);
    CLEANUP(tx_end) struct tx tx = reading(f);
    CHECKED(device_list_has(&tx, deed.row, 1, &has_first, &err), err);
    CHECKED(device_list_has(&tx, deed.row, 3, &has_third, &err), err);
    assert_true(has_first);
    assert_false(has_third);
}

static int do_approve(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    struct approval approval = {.campaign_row = 1, .at = deed->f->now, .plan_hash = {1}};

    snprintf(approval.operator, sizeof approval.operator, "%s", deed->text);
    approval.is_refusal = deed->until != 0;
    return approval_set(tx, &approval, err);
}

static int64_t approvals(struct fixture *f, uint8_t first_byte)
{
    const struct campaign campaign = {
        .row_id = 1, .plan_hash = {first_byte}, .created_by = "alice", .planned_by = "dave"};
    CLEANUP(tx_end) struct tx tx = reading(f);
    struct error err = {0};
    int64_t count;

    CHECKED(approval_count(&tx, &campaign, &count, &err), err);
    return count;
}

static void an_approval_is_for_one_plan_and_not_from_its_author(void **state)
{
    struct fixture *f = *state;
    struct deed author = {.text = "alice"}, other = {.text = "bob"};
    struct deed refusal = {.text = "bob", .until = 1}, planner = {.text = "dave"};

    create(f, "{\"release\": \"gw:2.0\", \"target\": \"all\"}");
    done(f, do_approve, &author);
    done(f, do_approve, &planner);
    assert_int_equal(approvals(f, 1), 0);
    done(f, do_approve, &other);
    assert_int_equal(approvals(f, 1), 1);
    assert_int_equal(approvals(f, 2), 0);
    done(f, do_approve, &refusal);
    assert_int_equal(approvals(f, 1), 0);
}

static int do_site(struct tx *tx, void *arg, struct error *err)
{
    const struct deed *deed = arg;
    struct site site = {.tenant_row = 1, .id = "hall-3", .leases = deed->release};

    snprintf(site.zone, sizeof site.zone, "%s", deed->text);
    return site_set(tx, &site, err);
}

static void a_site_said_twice_is_one_site(void **state)
{
    struct fixture *f = *state;
    struct deed first = {.text = "UTC", .release = 1},
                second = {.text = "Asia/Tokyo", .release = 4};
    struct site site;
    struct error err = {0};

    done(f, do_site, &first);
    done(f, do_site, &second);
    CLEANUP(tx_end) struct tx tx = reading(f);
    assert_int_equal(site_by_id(&tx, 1, "hall-3", &site, &err), STEP_ROW);
    assert_string_equal(site.zone, "Asia/Tokyo");
    assert_int_equal(site.leases, 4);
    assert_int_equal(site_by_id(&tx, 1, "hall-4", &site, &err), STEP_DONE);
}

/* -- baselines -- */

static void a_baseline_reaches_the_devices_of_its_channel_alone(void **state)
{
    struct fixture *f = *state;

    add_channels(f, "");
    set_baseline(f, BETA, 2);
    offers(f, 1, 2);
    offers_nothing(f, 10);
}

static void a_device_put_into_a_channel_by_hand_is_in_it_until_that_ends(void **state)
{
    struct fixture *f = *state;
    struct deed deed = {.channel = BETA, .device = 10, .until = START_TIME + HOUR};

    add_channels(f, "");
    set_baseline(f, BETA, 2);
    done(f, do_join, &deed);
    offers(f, 10, 2);
    deed.device = 11;
    done(f, do_join, &deed);
    f->now += HOUR; /* not yet told to the clock */
    offers_nothing(f, 11);
    tick(f);
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM device WHERE channel_row IS NOT NULL"),
                        "0");
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM event WHERE kind = 'device.channel'"),
                        "2");
}

static void a_new_baseline_takes_the_place_of_the_old_one(void **state)
{
    struct fixture *f = *state;

    add_channels(f, "");
    set_baseline(f, BETA, 1);
    set_baseline(f, BETA, 1);
    assert_int_equal(campaigns_of_kind(f, "baseline", "running"), 1);
    set_baseline(f, BETA, 2);
    assert_int_equal(campaigns_of_kind(f, "baseline", "running"), 1);
    assert_int_equal(campaigns_of_kind(f, "baseline", "superseded"), 1);
    assert_string_equal(text_of(f, "SELECT release_row FROM channel_baseline"), "2");
    offers(f, 1, 2);
}

static void a_standing_campaign_outlasts_every_tick(void **state)
{
    struct fixture *f = *state;

    add_channels(f, "");
    set_baseline(f, BETA, 2);
    prove(f, 1, "2.0", "b", 700);
    for (int i = 0; i < 5; i++)
        pass(f, 30 * DAY);
    assert_int_equal(campaigns_of_kind(f, "baseline", "running"), 1);
    assert_string_equal(text_of(f, "SELECT state FROM wave"), "open");
}

/* -- pins -- */

static void a_pin_goes_before_everything_but_leaves_the_others(void **state)
{
    struct fixture *f = *state;

    create(f, "{\"release\": \"gw:2.0\", \"target\": \"all\", \"start\": true, \"rate\": "
              "{\"start\": 0}, \"waves\": [{\"percent\": 100}]}");
    tick(f);
    pin(f, 5, 1, 0);
    offers_nothing(f, 5); /* it runs what it is pinned to */
    offers(f, 6, 2);
    pin(f, 7, 0, 0);
    offers_nothing(f, 7);
}

static void a_pin_may_lead_down(void **state)
{
    struct fixture *f = *state;

    prove(f, 5, "2.0", "b", 700);
    pin(f, 5, 1, 0);
    offers(f, 5, 1);
}

static void the_last_pin_to_a_release_takes_its_campaign_along(void **state)
{
    struct fixture *f = *state;
    struct deed deed = {.device = 5};

    pin(f, 5, 2, 0);
    pin(f, 6, 2, 0);
    assert_int_equal(campaigns_of_kind(f, "pin", "running"), 1);
    done(f, do_unpin, &deed);
    assert_int_equal(campaigns_of_kind(f, "pin", "running"), 1);
    pin(f, 6, 1, 0); /* changed, not removed */
    assert_int_equal(campaigns_of_kind(f, "pin", "cancelled"), 1);
    assert_int_equal(campaigns_of_kind(f, "pin", "running"), 1);
}

static void a_pin_ends_with_its_date(void **state)
{
    struct fixture *f = *state;

    pin(f, 5, 0, START_TIME + HOUR);
    pin(f, 6, 2, START_TIME + HOUR);
    pin(f, 7, 2, START_TIME + DAY);
    pass(f, HOUR);
    assert_string_equal(text_of(f, "SELECT group_concat(device_row) FROM pin"), "7");
    assert_int_equal(campaigns_of_kind(f, "pin", "running"), 1);
    pass(f, DAY);
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM pin"), "0");
    assert_int_equal(campaigns_of_kind(f, "pin", "cancelled"), 1);
}

/* -- promotion -- */

#define BETA_PLAN                                                                                  \
    "{\"release\": \"gw:2.0\", \"target\": \"all\", \"channel\": \"beta\", \"start\": true, "      \
    "\"rate\": {\"start\": 0}, \"watch\": \"1h\", \"confirm_after\": 0, "                          \
    "\"waves\": [{\"percent\": 100}]}"

static void confirm(struct fixture *f, int64_t device)
{
    offers(f, device, 2);
    prove(f, device, "2.0", "b", 700);
    pass(f, 1);
    prove(f, device, "2.0", "b", 1400);
}

/* All three devices of beta have it, and the watch is over. */
static void finish_beta(struct fixture *f)
{
    create(f, BETA_PLAN);
    tick(f);
    for (int64_t device = 1; device <= 3; device++)
        confirm(f, device);
    for (int i = 0; i < 4; i++)
        pass(f, 1);
    assert_string_equal(campaign_state(f), "finishing");
    pass(f, HOUR);
    assert_string_equal(campaign_state(f), "finished");
}

static void a_finished_campaign_becomes_the_baseline(void **state)
{
    struct fixture *f = *state;

    add_channels(f, "");
    finish_beta(f);
    assert_string_equal(
        text_of(f, "SELECT channel_row || ' ' || release_row FROM channel_baseline"), "2 2");
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM campaign WHERE channel_row = 1"), "0");
}

static void what_was_only_downloaded_is_no_baseline_and_not_promoted(void **state)
{
    struct fixture *f = *state;

    add_channels(f, "");
    create(f,
           "{\"release\": \"gw:2.0\", \"target\": \"all\", \"channel\": \"beta\", \"start\": true, "
           "\"rate\": {\"start\": 0}, \"watch\": 0, \"install\": \"prestage\", "
           "\"waves\": [{\"percent\": 100}]}");
    tick(f);
    for (int64_t device = 1; device <= 3; device++)
        (void)report_as(f, device, poll_as(f, device).action, REPORT_DOWNLOADED, NULL);
    for (int i = 0; i < 4; i++)
        pass(f, 1);
    assert_string_equal(campaign_state(f), "finished");
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM channel_baseline"), "0");
    assert_int_equal(promote(f, BETA, 2).problem, PROBLEM_CONFLICT);
}

static void a_promotion_waits_for_its_soak_and_is_made_once(void **state)
{
    struct fixture *f = *state;

    add_channels(f, "{\"auto\": true, \"confirmed\": 3, \"soak\": \"2h\", \"campaign\": "
                    "{\"preset\": \"fast\", \"priority\": 7}}");
    finish_beta(f);
    tick(f);
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM campaign WHERE channel_row = 1"), "0");
    pass(f, HOUR);
    pass(f, 1);
    pass(f, 1);
    assert_string_equal(text_of(f, "SELECT kind || ' ' || state || ' ' || parent_row || ' ' || "
                                   "release_row || ' ' || priority FROM campaign "
                                   "WHERE channel_row = 1"),
                        "update running 1 2 7");
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM event WHERE kind = 'campaign.promoted'"),
                        "1");
}

static void a_promotion_waits_for_enough_confirmed_devices(void **state)
{
    struct fixture *f = *state;
    struct error err;

    add_channels(f, "{\"auto\": true, \"confirmed\": 4}");
    finish_beta(f);
    pass(f, 30 * DAY);
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM campaign WHERE channel_row = 1"), "0");
    err = promote(f, BETA, 2);
    assert_int_equal(err.problem, PROBLEM_CONFLICT);
    assert_string_equal(err.detail, "campaign c-1: 1 more confirmed devices are needed");
}

static void a_promotion_that_cannot_be_made_is_not_tried_for_ever(void **state)
{
    struct fixture *f = *state;

    add_channels(f, "{\"auto\": true, \"soak\": \"2h\"}");
    finish_beta(f);
    execute(f->at.store, "UPDATE release SET state = 'withdrawn' WHERE row_id = 2");
    pass(f, HOUR);
    pass(f, 1);
    pass(f, 1);
    assert_string_equal(text_of(f, "SELECT COUNT(*) || ' ' || MAX(detail) FROM event "
                                   "WHERE kind = 'campaign.not_promoted'"),
                        "1 release gw:2.0 is not published");
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM campaign WHERE channel_row = 1"), "0");
}

static void by_hand_a_promotion_keeps_to_the_same_terms(void **state)
{
    struct fixture *f = *state;
    struct error err;

    add_channels(f, "{\"confirmed\": 2, \"soak\": \"3h\"}");
    err = promote(f, BETA, 2);
    assert_string_equal(err.detail, "gw:2.0 has no campaign of channel beta behind it");
    finish_beta(f);
    err = promote(f, BETA, 2);
    assert_int_equal(err.problem, PROBLEM_CONFLICT);
    assert_non_null(strstr(err.detail, "soaks for"));
    pass(f, 3 * HOUR);
    assert_int_equal(promote(f, BETA, 2).problem, PROBLEM_NONE);
    assert_string_equal(text_of(f, "SELECT state FROM campaign WHERE channel_row = 1"), "running");
    err = promote(f, BETA, 2);
    assert_int_equal(err.problem, PROBLEM_CONFLICT);
    assert_non_null(strstr(err.detail, "channel stable has it already"));
    err = promote(f, STABLE, 2);
    assert_string_equal(err.detail, "channel stable is the last of its chain");
}

/* -- the way back -- */

#define BRITTLE                                                                                    \
    "{\"release\": \"gw:2.0\", \"target\": \"model = gw\", \"start\": true, \"rate\": "            \
    "{\"start\": "                                                                                 \
    "0}, \"on_abort\": \"rollback\", \"waves\": [{\"percent\": 100}]}"

static void an_abort_leads_back_to_what_most_ran(void **state)
{
    struct fixture *f = *state;

    create(f, BRITTLE);
    tick(f);
    offers(f, 1, 2);
    prove(f, 1, "2.0", "b", 700);
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, "{\"reason\": \"smoke\"}"), PROBLEM_NONE);
    for (int i = 0; i < 2; i++)
        pass(f, 1);
    assert_string_equal(text_of(f, "SELECT kind || ' ' || state || ' ' || parent_row || ' ' || "
                                   "release_row || ' ' || json_extract(plan, '$.reason') || ' ' || "
                                   "json_extract(plan, '$.target') FROM campaign WHERE row_id = 2"),
                        "rollback running 1 1 rollback of c-1 model = gw");
}

static void a_rollback_waits_for_the_approvals_it_needs(void **state)
{
    struct fixture *f = *state;

    create(f, BRITTLE);
    f->config->campaign_approvals = 1;
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, NULL), PROBLEM_NONE);
    tick(f);
    assert_string_equal(text_of(f, "SELECT kind || ' ' || state FROM campaign WHERE row_id = 2"),
                        "rollback review");
}

static void the_baseline_is_the_way_back_when_it_can_be(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store,
            "INSERT INTO release (row_id, tenant_row, product_row, id, version, security_version, "
            "security_floor, release_counter, state, metadata_version, published_at) VALUES "
            "(3, 1, 1, 'gw:0.9', '0.9', 1, 0, 0, 'published', 1, 0)");
    add_channels(f, "");
    set_baseline(f, BETA, 3);
    create(f, "{\"release\": \"gw:2.0\", \"target\": \"all\", \"channel\": \"beta\", "
              "\"start\": true, \"on_abort\": \"rollback\"}");
    assert_int_equal(act(f, 2, CAMPAIGN_ABORT, NULL), PROBLEM_NONE);
    assert_string_equal(text_of(f, "SELECT release_row FROM campaign WHERE kind = 'rollback'"),
                        "3");
}

static void an_abort_stands_when_its_rollback_cannot_be_made(void **state)
{
    struct fixture *f = *state;

    create(f, BRITTLE);
    f->config->campaign_filter_max = 3; /* its target is refused now */
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, NULL), PROBLEM_NONE);
    assert_string_equal(campaign_state(f), "aborted");
    assert_string_equal(text_of(f, "SELECT detail FROM event WHERE kind = 'campaign.rollback'"),
                        "no rollback: the filter is longer than 3 bytes");
}

static void without_a_way_back_the_abort_says_so(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE release SET security_floor = 2 WHERE row_id = 2");
    create(f, BRITTLE);
    tick(f);
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, NULL), PROBLEM_NONE);
    assert_string_equal(campaign_state(f), "aborted");
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM campaign"), "1");
    assert_string_equal(text_of(f, "SELECT detail FROM event WHERE kind = 'campaign.rollback'"),
                        "no rollback: no published release lies below it and above its floors");
}

static void a_floor_release_cuts_the_way_back(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE release SET is_floor = 1 WHERE row_id = 2");
    create(f, BRITTLE);
    assert_int_equal(act(f, 1, CAMPAIGN_ABORT, NULL), PROBLEM_NONE);
    assert_string_equal(text_of(f, "SELECT COUNT(*) FROM campaign"), "1");
}

static void a_round_with_nothing_due_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_counts before, after;
    struct error err = {0};

    add_channels(f, "{\"auto\": true, \"confirmed\": 100}");
    finish_beta(f);
    pin(f, 5, 0, START_TIME + 365 * (int64_t)DAY);
    tick(f);
    store_count(f->at.store, &before);
    for (int i = 0; i < 10; i++)
        CHECKED(pipeline_tick(f->campaigns, f->now + i, &err), err);
    store_count(f->at.store, &after);
    assert_int_equal(after.jobs, before.jobs);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(channels_come_in_the_order_of_their_positions),
        CASE(a_deleted_channel_lets_go_of_devices_and_chain),
        CASE(a_freeze_is_listed_until_it_ends),
        CASE(a_list_knows_its_members_and_refuses_strangers),
        CASE(an_approval_is_for_one_plan_and_not_from_its_author),
        CASE(a_site_said_twice_is_one_site),
        CASE(a_baseline_reaches_the_devices_of_its_channel_alone),
        CASE(a_device_put_into_a_channel_by_hand_is_in_it_until_that_ends),
        CASE(a_new_baseline_takes_the_place_of_the_old_one),
        CASE(a_standing_campaign_outlasts_every_tick),
        CASE(a_pin_goes_before_everything_but_leaves_the_others),
        CASE(a_pin_may_lead_down),
        CASE(the_last_pin_to_a_release_takes_its_campaign_along),
        CASE(a_pin_ends_with_its_date),
        CASE(a_finished_campaign_becomes_the_baseline),
        CASE(what_was_only_downloaded_is_no_baseline_and_not_promoted),
        CASE(a_promotion_waits_for_its_soak_and_is_made_once),
        CASE(a_promotion_waits_for_enough_confirmed_devices),
        CASE(a_promotion_that_cannot_be_made_is_not_tried_for_ever),
        CASE(by_hand_a_promotion_keeps_to_the_same_terms),
        CASE(an_abort_leads_back_to_what_most_ran),
        CASE(a_rollback_waits_for_the_approvals_it_needs),
        CASE(the_baseline_is_the_way_back_when_it_can_be),
        CASE(an_abort_stands_when_its_rollback_cannot_be_made),
        CASE(without_a_way_back_the_abort_says_so),
        CASE(a_floor_release_cuts_the_way_back),
        CASE(a_round_with_nothing_due_writes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
