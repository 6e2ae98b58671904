/* SPDX-License-Identifier: Apache-2.0 */
/* Plans and steps that tests of whole campaigns share: no rate, no watch, twenty devices. */
#ifndef OTAD_CAMPAIGN_STEPS_H
#define OTAD_CAMPAIGN_STEPS_H

#include "unit/campaign_fixture.h"

#define PLAN_OF(target, more)                                                                      \
    "{\"release\": \"gw:2.0\", \"target\": \"" target "\", \"start\": true, "                      \
    "\"confirm_after\": 0, \"rate\": {\"start\": 0}, \"watch\": 0" more "}"
#define PLAN(more) PLAN_OF("model = gw", more)
#define ALL_AT_ONCE PLAN(", \"waves\": [{\"percent\": 100}]")
#define THREE_WAVES                                                                                \
    PLAN(", \"waves\": [{\"count\": 2, \"soak\": 10}, {\"count\": 8, \"soak\": 10}, "              \
         "{\"percent\": 100}]")

static inline int twenty_devices(void **state)
{
    *state = fixture_new(20, "1.0");
    return 0;
}

static inline int clear(void **state)
{
    fixture_free(*state);
    return 0;
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, twenty_devices, clear)

/* Offered, fetched as a whole, rebooted into the new version. */
static inline void update(struct fixture *f, int64_t device, int64_t action)
{
    struct decision decision = poll_as(f, device);

    assert_int_equal(decision.action, action);
    campaign_note_transfer(f->campaigns, decision.deployment_row, 0, 1000, 1000);
    tick(f);
    prove(f, device, "2.0", "b", 1);
}

/* Devices that get an offer now; updates them or lets them fail. */
static inline int poll_all(struct fixture *f, int devices, bool succeed)
{
    int offers = 0;

    for (int64_t device = 1; device <= devices; device++) {
        struct decision decision = poll_as(f, device);

        if (decision.verdict != VERDICT_OFFER)
            continue;
        offers++;
        if (succeed)
            update(f, device, decision.action);
        else
            report_as(f, device, decision.action, REPORT_FAILURE, "signature wrong");
    }
    return offers;
}

#endif
