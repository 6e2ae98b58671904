/* SPDX-License-Identifier: Apache-2.0 */
/* What admission costs beside 100,000 leases: each round one device is done and the next begins,
 * another one's bytes are noted, and a third only asks. */
#include "campaign/capacity.h"

#include "core/clock.h"

#define LEASES 100000
#define ROUNDS 2000000
#define SITES 1000
#define NOW INT64_C(1795000000)

static const struct capacity_campaign campaign = {.row_id = 1, .transfer_rate = 1000};

static struct capacity_ask ask_of(int64_t row, char site[16])
{
    snprintf(site, 16, "site-%d", (int)(row % SITES));
    return (struct capacity_ask){.campaign = &campaign,
                                 .device = "gw-000001",
                                 .site = site,
                                 .tenant_row = 1,
                                 .deployment_row = row};
}

static void print_cost(const char *what, int64_t begin_ms, int64_t count)
{
    double ns = (double)(clock_monotonic_ms() - begin_ms) * 1e6 / (double)count;

    printf("%-24s %7.0f ns\n", what, ns);
}

static int64_t bench_turnover(struct capacity *capacity, int64_t refused)
{
    struct capacity_grant grant;
    char site[16];

    for (int64_t i = 0; i < ROUNDS; i++) {
        capacity_give_back(capacity, i + 1);
        struct capacity_ask ask = ask_of(i + LEASES + 1, site);
        refused += capacity_admit(capacity, &ask, NOW + i / 10000, &grant) != ADMIT;
    }
    return refused;
}

static int64_t bench_touch(struct capacity *capacity, int64_t refused)
{
    int64_t rate;

    for (int64_t i = 0; i < ROUNDS; i++) {
        int64_t row = ROUNDS + 1 + i * 7919 % LEASES;
        refused += !capacity_touch(capacity, row, NOW + 300 + i / 10000, &rate);
    }
    return refused;
}

static int64_t bench_look(struct capacity *capacity, int64_t refused)
{
    char site[16];
    int64_t wait;

    for (int64_t i = 0; i < ROUNDS; i++) {
        struct capacity_ask ask = ask_of(i, site);
        refused += capacity_look(capacity, &ask, NOW + 600, &wait) != ADMIT;
    }
    return refused;
}

int main(void)
{
    const struct capacity_limits limits = {.bytes_server = INT64_C(1) << 40};
    CLEANUP(capacity_free) struct capacity *capacity = NULL;
    struct capacity_grant grant;
    int64_t refused = 0, begin;
    char site[16];
    struct error err;

    if (capacity_new(&limits, 2 * LEASES, &capacity, &err))
        return 1;
    for (int64_t row = 1; row <= LEASES; row++) {
        struct capacity_ask ask = ask_of(row, site);
        refused += capacity_admit(capacity, &ask, NOW, &grant) != ADMIT;
    }
    begin = clock_monotonic_ms();
    refused = bench_turnover(capacity, refused);
    print_cost("admit and give back", begin, ROUNDS);
    begin = clock_monotonic_ms();
    refused = bench_touch(capacity, refused);
    print_cost("touch", begin, ROUNDS);
    begin = clock_monotonic_ms();
    refused = bench_look(capacity, refused);
    print_cost("look", begin, ROUNDS);
    return refused != 0;
}
