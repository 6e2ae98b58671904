/* SPDX-License-Identifier: Apache-2.0 */
/* Offers and their places: how many download at once, how fast a campaign starts, who keeps a place
 * and when it is free again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/offer_steps.h"

#include "campaign/engine.h"

static void reopen(struct fixture *f)
{
    struct error err = {0};

    campaigns_close(&f->campaigns);
    CHECKED(campaigns_open(f->at.store, f->config, &f->campaigns, &err), err);
}

static void only_so_many_download_at_once(void **state)
{
    struct fixture *f = *state;

    f->config->capacity_leases = 2;
    reopen(f);
    create(f, ALL_AT_ONCE);
    tick(f);
    const struct decision one = expect_offer(f, 1, 2), two = expect_offer(f, 2, 2);
    expect_reason(f, 3, "capacity_server");
    assert_true(poll_as(f, 3).poll_after > 0);
    fetch(f, &one, 1000); /* downloaded: its place is free */
    expect_offer(f, 3, 2);
    expect_reason(f, 4, "capacity_server");
    report_as(f, 2, two.action, REPORT_FAILURE, "signature wrong");
    expect_offer(f, 4, 2);
    expect_reason(f, 5, "capacity_server");
    f->now += f->config->capacity_lease; /* nothing came of them */
    tick(f);
    expect_offer(f, 5, 2);
}

static void a_running_transfer_keeps_its_place(void **state)
{
    struct fixture *f = *state;

    f->config->capacity_leases = 1;
    reopen(f);
    create(f, ALL_AT_ONCE);
    tick(f);
    const struct decision one = expect_offer(f, 1, 2);
    campaign_transfer_begins(f->campaigns, one.deployment_row, 1000);
    for (int i = 0; i < 4; i++)
        pass(f, f->config->capacity_lease / 2);
    expect_reason(f, 2, "capacity_server");
    campaign_transfer_ends(f->campaigns, one.deployment_row, 1000);
    pass(f, f->config->capacity_lease);
    expect_offer(f, 2, 2);
}

static void a_restart_keeps_the_places_of_downloads(void **state)
{
    struct fixture *f = *state;

    f->config->capacity_leases = 1;
    reopen(f);
    create(f, ALL_AT_ONCE);
    tick(f);
    const struct decision one = expect_offer(f, 1, 2);
    reopen(f);
    expect_reason(f, 2, "capacity_server");
    fetch(f, &one, 1000);
    expect_offer(f, 2, 2);
}

static void a_site_has_limits_of_its_own(void **state)
{
    struct fixture *f = *state;

    execute(f->at.store, "UPDATE device SET site = 'ship' WHERE row_id <= 2");
    create(f, ALL_AT_ONCE);
    change(f, "INSERT INTO site (tenant_row, id, leases, bytes, created_at) VALUES "
              "(1, 'ship', 1, 5000, 0)");
    tick(f);
    assert_int_equal(expect_offer(f, 1, 2).rate, 5000);
    expect_reason(f, 2, "capacity_site");
    assert_int_equal(expect_offer(f, 3, 2).rate, 0);
}

static void a_campaign_starts_at_its_rate(void **state)
{
    struct fixture *f = *state;

    create(f, "{\"release\": \"gw:2.0\", \"target\": \"model = gw\", \"start\": true, "
              "\"confirm_after\": 0, \"rate\": {\"start\": 6, \"step\": 1, \"factor\": 2}, "
              "\"caps\": {\"transfer_rate\": 700}, \"waves\": [{\"percent\": 100}]}");
    tick(f);
    const struct decision one = expect_offer(f, 1, 2);
    assert_int_equal(one.rate, 700);
    expect_reason(f, 2, "start_rate");
    f->now += 10;
    expect_offer(f, 2, 2);
    expect_reason(f, 3, "start_rate");
    fetch(f, &one, 1000);
    prove(f, 1, "2.0", "b", 1);
    f->now += 10;
    expect_offer(f, 3, 2);
    f->now += 5; /* one is confirmed: twice as fast */
    expect_offer(f, 4, 2);
    expect_reason(f, 5, "start_rate");
}

static void a_lost_offer_gives_its_place_back(void **state)
{
    struct fixture *f = *state;

    f->config->capacity_leases = 1;
    reopen(f);
    create(f, ALL_AT_ONCE);
    tick(f);
    expect_offer(f, 1, 2);
    assert_int_equal(act(f, 1, CAMPAIGN_CANCEL, NULL), PROBLEM_NONE);
    create(f, ALL_AT_ONCE);
    tick(f);
    expect_offer(f, 2, 2);
}

static struct deployment deployment_in(struct fixture *f, int64_t row)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct deployment deployment;
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    assert_int_equal(deployment_by_row(&tx, row, &deployment, &err), STEP_ROW);
    return deployment;
}

static void a_download_without_a_new_byte_is_stalled(void **state)
{
    struct fixture *f = *state;

    create(f, ALL_AT_ONCE);
    tick(f);
    const struct decision one = expect_offer(f, 1, 2);
    fetch(f, &one, 10);
    f->now += 1000;
    fetch(f, &one, 20);
    f->now += 1800;
    struct deployment deployment = deployment_in(f, one.deployment_row);
    assert_false(deployment_is_stalled(f->campaigns, &deployment, 1800, f->now));
    assert_true(deployment_is_stalled(f->campaigns, &deployment, 1799, f->now));
}

static int do_prove_and_poll(struct tx *tx, void *arg, struct error *err)
{
    return do_evidence(tx, arg, err) || do_poll(tx, arg, err) ? -1 : 0;
}

static void a_next_step_of_the_same_batch_keeps_its_place(void **state)
{
    const struct evidence evidence = {"2.0", "b", 1, -1};
    struct fixture *f = *state;
    struct task task = {.f = f, .device_row = 1, .evidence = &evidence};
    struct error err = {0};

    add_release_3(f);
    execute(f->at.store, "UPDATE release SET is_floor = 1 WHERE row_id = 2");
    create(f, TO_RELEASE("gw:3.0", ", \"caps\": {\"leases\": 1}"));
    tick(f);
    const struct decision step = expect_offer(f, 1, 2);
    fetch(f, &step, 1000);
    CHECKED(store_write(f->at.store, do_prove_and_poll, &task, &err), err);
    assert_int_equal(task.decision.release_row, 3);
    expect_reason(f, 2, "capacity_campaign");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(only_so_many_download_at_once),
        CASE(a_running_transfer_keeps_its_place),
        CASE(a_restart_keeps_the_places_of_downloads),
        CASE(a_site_has_limits_of_its_own),
        CASE(a_campaign_starts_at_its_rate),
        CASE(a_next_step_of_the_same_batch_keeps_its_place),
        CASE(a_lost_offer_gives_its_place_back),
        CASE(a_download_without_a_new_byte_is_stalled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
