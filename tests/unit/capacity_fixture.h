/* SPDX-License-Identifier: Apache-2.0 */
/* Asking and looking at a capacity in a line. */
#ifndef OTAD_TESTS_CAPACITY_FIXTURE_H
#define OTAD_TESTS_CAPACITY_FIXTURE_H

#include "campaign/capacity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW INT64_C(1795000000)
#define PLENTY 4096

static inline struct capacity *made(const struct capacity_limits *limits, int64_t leases_max)
{
    struct capacity *capacity = NULL;
    struct error err;

    assert_int_equal(capacity_new(limits, leases_max, &capacity, &err), 0);
    return capacity;
}

static inline struct capacity_ask ask_for(const struct capacity_campaign *campaign,
                                          const char *site, int64_t deployment_row)
{
    return (struct capacity_ask){.campaign = campaign,
                                 .device = "gw-1",
                                 .site = site,
                                 .tenant_row = 1,
                                 .deployment_row = deployment_row};
}

static inline enum admission admit(struct capacity *capacity,
                                   const struct capacity_campaign *campaign, const char *site,
                                   int64_t deployment_row, int64_t now)
{
    const struct capacity_ask ask = ask_for(campaign, site, deployment_row);
    struct capacity_grant grant;

    return capacity_admit(capacity, &ask, now, &grant);
}

static inline int64_t renew(struct capacity *capacity, const struct capacity_campaign *campaign,
                            const char *site, int64_t deployment_row, int64_t now)
{
    const struct capacity_ask ask = ask_for(campaign, site, deployment_row);

    return capacity_renew(capacity, &ask, now);
}

static inline struct capacity_numbers numbers_of(struct capacity *capacity)
{
    struct capacity_numbers numbers;

    capacity_numbers(capacity, &numbers);
    return numbers;
}

static inline struct capacity_held site_of(struct capacity *capacity, const char *site)
{
    struct capacity_held held;

    capacity_of_site(capacity, 1, site, &held);
    return held;
}

static inline struct capacity_held campaign_of(struct capacity *capacity, int64_t row)
{
    struct capacity_held held;

    capacity_of_campaign(capacity, row, &held);
    return held;
}

#endif
