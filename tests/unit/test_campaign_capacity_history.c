/* SPDX-License-Identifier: Apache-2.0 */
/* Capacity through long random histories against a simple account of our own, and with threads. */
#include "unit/capacity_fixture.h"

#include <pthread.h>

#define ROWS 400
#define SITES 7
#define CAMPAIGNS 5

/* What we hold to be true of one deployment. */
struct believed {
    bool is_held, is_overdrawn;
    int64_t active_at, rate;
    int site, campaign;
};

struct history {
    struct capacity *capacity;
    struct capacity_limits limits;
    struct capacity_campaign campaigns[CAMPAIGNS];
    struct believed rows[ROWS];
    int64_t now, overdrafts, admitted;
    int64_t answers[ADMIT_LATER_BYTES + 1];
    uint64_t seed;
};

/* The same each run. */
static uint64_t drawn(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % below;
}

static const char *const sites[SITES] = {"",  "a", "b", "c", "a-much-longer-name-of-a-site",
                                         "e", "f"};

enum kind { ANY, SITE, CAMPAIGN };

static struct capacity_held sum_of(const struct history *history, enum kind kind, int which,
                                   int64_t *ret_regular)
{
    struct capacity_held sum = {0};

    *ret_regular = 0;
    for (int i = 0; i < ROWS; i++) {
        const struct believed *row = &history->rows[i];
        if (!row->is_held || (kind == SITE && row->site != which) ||
            (kind == CAMPAIGN && row->campaign != which))
            continue;
        sum.leases++;
        sum.reserved += row->rate;
        sum.overdrawn += row->is_overdrawn;
        *ret_regular += row->is_overdrawn ? 0 : row->rate;
    }
    return sum;
}

static void compare(const struct history *history, enum kind kind, int which,
                    const struct capacity_held *held, int64_t leases, int64_t bytes)
{
    int64_t regular;
    struct capacity_held sum = sum_of(history, kind, which, &regular);

    assert_int_equal(held->leases, sum.leases);
    assert_int_equal(held->reserved, sum.reserved);
    assert_int_equal(held->overdrawn, sum.overdrawn);
    if (leases)
        assert_true(held->leases - held->overdrawn <= leases);
    if (bytes)
        assert_true(regular <= bytes);
}

static void compare_all(const struct history *history)
{
    const struct capacity_limits *limits = &history->limits;
    struct capacity_numbers numbers = numbers_of(history->capacity);

    compare(history, ANY, 0, &numbers.server, limits->leases_server, limits->bytes_server);
    assert_int_equal(numbers.overdrafts, history->overdrafts);
    assert_int_equal(numbers.admitted, history->admitted);
    for (int i = 0; i < SITES; i++) {
        struct capacity_held held = site_of(history->capacity, sites[i]);
        compare(history, SITE, i, &held, limits->leases_site, limits->bytes_site);
    }
    for (int i = 0; i < CAMPAIGNS; i++) {
        struct capacity_held held = campaign_of(history->capacity, i + 1);
        compare(history, CAMPAIGN, i, &held, history->campaigns[i].leases,
                history->campaigns[i].bytes);
    }
}

/* Whether one more fits, told from our own account. */
static bool fits(const struct history *history, const struct believed *row, int64_t rate)
{
    const struct capacity_campaign *campaign = &history->campaigns[row->campaign];
    const struct capacity_limits *limits = &history->limits;
    const struct {
        enum kind kind;
        int which;
        int64_t leases, bytes;
    } scales[] = {
        {ANY,      0,             limits->leases_server, limits->bytes_server},
        {SITE,     row->site,     limits->leases_site,   limits->bytes_site  },
        {CAMPAIGN, row->campaign, campaign->leases,      campaign->bytes     },
    };

    for (size_t i = 0; i < COUNT_OF(scales); i++) {
        int64_t regular;
        struct capacity_held sum = sum_of(history, scales[i].kind, scales[i].which, &regular);
        if ((scales[i].leases && sum.leases + 1 > scales[i].leases) ||
            (scales[i].bytes && sum.reserved + rate > scales[i].bytes))
            return false;
    }
    return true;
}

static void try_admit(struct history *history, int index, const struct capacity_ask *ask)
{
    struct believed *row = &history->rows[index];
    struct capacity_ask unnamed = *ask;
    struct capacity_grant grant;
    int64_t wait;

    row->is_held = false; /* an attempt begins anew */
    capacity_give_back(history->capacity, index + 1);
    bool is_named = drawn(&history->seed, 2);
    if (!is_named)
        unnamed.deployment_row = 0;
    enum admission looked = capacity_look(history->capacity, ask, history->now, &wait);
    enum admission admitted = capacity_admit(history->capacity, &unnamed, history->now, &grant);
    assert_int_equal(looked, admitted);
    history->answers[admitted]++;
    assert_true((wait == 0) == (admitted == ADMIT));
    if (admitted == ADMIT_LATER_RATE || admitted == ADMIT) {
        int64_t rate = admitted == ADMIT ? grant.rate : 1;
        assert_true(fits(history, row, rate));
    } else {
        assert_false(fits(history, row, INT64_MAX / 4) && fits(history, row, 2000));
    }
    if (admitted != ADMIT)
        return;
    if (!is_named)
        capacity_name(history->capacity, grant.lease, index + 1);
    history->admitted++;
    row->is_held = true;
    row->is_overdrawn = false;
    row->rate = grant.rate;
    row->active_at = history->now;
}

static void try_renew(struct history *history, int index, const struct capacity_ask *ask)
{
    struct believed *row = &history->rows[index];
    int64_t rate = capacity_renew(history->capacity, ask, history->now);

    if (!row->is_held) {
        row->is_overdrawn = !fits(history, row, rate);
        history->overdrafts += row->is_overdrawn;
        row->rate = rate;
        row->is_held = true;
    }
    assert_int_equal(rate, row->rate);
    row->active_at = history->now;
}

static void pass_time(struct history *history)
{
    int64_t gone = 0;

    history->now += (int64_t)drawn(&history->seed, 30);
    for (int i = 0; i < ROWS; i++)
        if (history->rows[i].is_held &&
            history->now - history->rows[i].active_at >= history->limits.lease) {
            history->rows[i].is_held = false;
            gone++;
        }
    assert_int_equal(capacity_expire(history->capacity, history->now), gone);
}

static void step(struct history *history)
{
    int index = (int)drawn(&history->seed, ROWS);
    struct believed *row = &history->rows[index];
    int64_t rate;

    if (!row->is_held) { /* a device moves house between two leases only */
        row->site = (int)drawn(&history->seed, SITES);
        row->campaign = index % CAMPAIGNS;
    }
    const struct capacity_ask ask =
        ask_for(&history->campaigns[row->campaign], sites[row->site], index + 1);
    switch (drawn(&history->seed, 8)) {
    case 0:
    case 1:
    case 2:
        try_admit(history, index, &ask);
        break;
    case 3:
        try_renew(history, index, &ask);
        break;
    case 4:
    case 5:
        assert_int_equal(capacity_touch(history->capacity, index + 1, history->now, &rate),
                         row->is_held);
        row->active_at = history->now;
        break;
    case 6:
        capacity_give_back(history->capacity, index + 1);
        row->is_held = false;
        break;
    default:
        pass_time(history);
    }
}

static void live_through(const struct capacity_limits *limits, uint64_t seed, int64_t *ret_answers)
{
    struct history *history = calloc(1, sizeof *history);

    assert_non_null(history);
    history->limits = *limits;
    history->capacity = made(limits, ROWS);
    history->now = NOW;
    history->seed = seed;
    for (int i = 0; i < CAMPAIGNS; i++)
        history->campaigns[i] = (struct capacity_campaign){
            .row_id = i + 1,
            .rate = {.start = i * 20},
            .leases = i % 2 ? 20 + i : 0,
            .bytes = i % 3 ? 20000 : 0,
            .transfer_rate = i > 2 ? 700 * i : 0,
        };
    for (int i = 0; i < 12000; i++) {
        step(history);
        if (i % 16 == 0)
            compare_all(history);
    }
    assert_true(history->admitted > 100);
    for (int i = 0; i <= ADMIT_LATER_BYTES; i++)
        ret_answers[i] += history->answers[i];
    history->now += limits->lease;
    capacity_expire(history->capacity, history->now);
    assert_int_equal(numbers_of(history->capacity).server.leases, 0);
    assert_int_equal(numbers_of(history->capacity).server.reserved, 0);
    assert_int_equal(numbers_of(history->capacity).sites, 0);
    capacity_free(&history->capacity);
    free(history);
}

static void no_history_exceeds_a_limit(void **state)
{
    static const struct capacity_limits limits[] = {
        {.leases_server = 60,    .leases_site = 12, .lease = 600},
        {.bytes_server = 60000,          .bytes_site = 15000, .transfer_rate = 1500, .lease = 300},
        {.leases_server = 50,
         .leases_site = 10,
         .bytes_server = 70000,
         .transfer_rate = 1000,
         .lease = 900},
        {.lease = 400},
    };
    int64_t answers[ADMIT_LATER_BYTES + 1] = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        for (uint64_t seed = 1; seed <= 3; seed++)
            live_through(&limits[i], seed * 7919 + i, answers);
    for (int i = 0; i <= ADMIT_LATER_BYTES; i++)
        assert_true(answers[i] > 100); /* each was met */
}

/* -- threads -- */

#define THREADS 4

struct worker {
    struct capacity *capacity;
    int number;
    int64_t most, admitted; /* leases seen at once, and got */
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    const struct capacity_campaign campaign = {.row_id = 1};

    for (int64_t i = 0; i < 5000; i++) {
        int64_t row = worker->number * 100000 + i, rate;
        if (admit(worker->capacity, &campaign, "a", row, NOW + i / 100) == ADMIT) {
            struct capacity_held held = site_of(worker->capacity, "a");
            worker->admitted++;
            worker->most = held.leases > worker->most ? held.leases : worker->most;
            capacity_touch(worker->capacity, row, NOW + i / 100, &rate);
            capacity_give_back(worker->capacity, row);
        }
        capacity_expire(worker->capacity, NOW + i / 100);
    }
    return NULL;
}

static void threads_share_one_account(void **state)
{
    CLEANUP(capacity_free)
    struct capacity *capacity = made(&(struct capacity_limits){.leases_site = 2}, PLENTY);
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    int64_t admitted = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.capacity = capacity, .number = i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_in_range(workers[i].most, 0, 2);
        admitted += workers[i].admitted;
    }
    assert_true(admitted > 0);
    assert_int_equal(numbers_of(capacity).admitted, admitted);
    assert_int_equal(numbers_of(capacity).server.leases, 0);
    assert_int_equal(numbers_of(capacity).expired, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_history_exceeds_a_limit),
        cmocka_unit_test(threads_share_one_account),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
