/* SPDX-License-Identifier: Apache-2.0 */
/* Leases hang in a hash table by their row and in a line by their last activity, so that expiry
 * only ever looks at its head. Each belongs to two accounts, its site's and its campaign's; the
 * server's is a third. Both kinds live in arrays reserved at the start and are named by index. */
#include "campaign/capacity.h"

#include "campaign/spread.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#define NONE 0              /* index 0 is nobody */
#define IDLE_CAMPAIGNS 1024 /* remembered for their bucket, beyond those with a lease */
#define EXPIRE_MAX 4096     /* leases in one call */
#define TIDY_MAX 64         /* accounts looked at in one call */
#define SECOND INT64_C(1000000000)
#define BURST SECOND    /* times are whole seconds: what falls into one is due in it */
#define SET_BACK 60     /* seconds; less is only a thread that is late */
#define MEMORY 16       /* so many of the latest leases say how long one takes */
#define PURPOSE_TURN 16 /* for spread_hash() */

struct lease {
    int64_t key;    /* deployment row; below 0: not named yet */
    int64_t number; /* of all ever taken */
    int64_t taken_at, active_at;
    int64_t rate;
    uint32_t next; /* in its chain, or of the free ones */
    uint32_t older, newer;
    uint32_t site, campaign;
    bool is_overdrawn;
};

enum account_kind { ACCOUNT_FREE, ACCOUNT_SITE, ACCOUNT_CAMPAIGN };
struct account {
    enum account_kind kind;
    uint32_t next;
    int64_t number; /* tenant of a site, row of a campaign */
    struct capacity_held held;
    bool has_started;
    int64_t start; /* ns: when the last token was due, were there no burst */
    int64_t gap;   /* ns: from it to the next, at the rate it was taken */
    char name[CAPACITY_SITE_SIZE];
};

/* Entries of one kind: chains by hash, and those that are free. */
struct table {
    uint32_t *heads;
    unsigned shift; /* the hash's upper bits choose the chain */
    uint32_t free;  /* returned ones */
    uint32_t fresh; /* from here on never used: memory the system need not have given yet */
    uint32_t room, count;
};

struct capacity {
    pthread_mutex_t lock; /* guards all that follows the limits */
    struct capacity_limits limits;
    struct table lease_table, account_table;
    struct lease *leases;
    struct account *accounts;
    uint32_t oldest, newest;
    uint32_t hand;    /* where tidying looks next */
    int64_t latest;   /* our time, which never goes back: the caller's and … */
    int64_t set_back; /* … what that was set back */
    int64_t names;    /* given to leases without a row */
    int64_t taken;    /* leases, ever */
    int64_t typical;  /* MEMORY times the seconds a lease is held until it is given back */
    struct capacity_numbers numbers;
};

/* -- rates -- */

/* In units of 2^-32, by decimal thousandths: what comes out whole is whole, and what does not is
 * never rounded up to the next number. */
int64_t rate_per_minute(const struct rate_rule *rule, int64_t events)
{
    int64_t ceiling = rule->max > 0 ? rule->max : INT64_MAX;
    int64_t steps = rule->step > 0 && events > 0 ? events / rule->step : 0;
    /* Also false for NaN. */
    double factor = rule->factor > 1 ? rule->factor < 1e6 ? rule->factor : 1e6 : 1;
    uint64_t thousandths = (uint64_t)(factor * 1000 + 0.5);

    if (rule->start <= 0)
        return 0;
    __extension__ unsigned __int128 rate = (unsigned __int128)(uint64_t)rule->start << 32;
    for (; steps > 0 && thousandths > 1000 && rate >> 32 < (uint64_t)ceiling; steps--)
        rate = rate * thousandths / 1000;
    return rate >> 32 < (uint64_t)ceiling ? (int64_t)(rate >> 32) : ceiling;
}

static int64_t rate_of(const struct capacity_campaign *campaign)
{
    return rate_per_minute(&campaign->rate, campaign->rate.step_on == RATE_OFFERED
                                                ? campaign->offered
                                                : campaign->confirmed);
}

/* Nanoseconds between two starts, rounded up; 0: no limit. */
static int64_t gap_of(int64_t rate)
{
    return rate > 0 ? (60 * SECOND - 1) / rate + 1 : 0;
}

/* -- tables -- */

static int table_make(struct table *table, uint32_t room, struct error *err)
{
    unsigned bits = 6;

    while (bits < 31 && (UINT32_C(1) << bits) < room)
        bits++;
    table->heads = calloc((size_t)1 << bits, sizeof *table->heads);
    if (!table->heads)
        return fail_internal(err, "memory for capacity");
    table->shift = 64 - bits;
    table->fresh = 1;
    table->room = room;
    return 0;
}

static uint32_t *chain_of(struct table *table, uint64_t key)
{
    return &table->heads[key * UINT64_C(0x9e3779b97f4a7c15) >> table->shift];
}

static bool table_has_room(const struct table *table, uint32_t wanted)
{
    return table->room - table->count >= wanted;
}

/* The place of `key` in its chain: holds its index, or NONE where it would hang. */
static uint32_t *lease_place(struct capacity *capacity, int64_t key)
{
    uint32_t *place = chain_of(&capacity->lease_table, (uint64_t)key);

    while (*place && capacity->leases[*place].key != key)
        place = &capacity->leases[*place].next;
    return place;
}

static uint32_t *account_place(struct capacity *capacity, enum account_kind kind, int64_t number,
                               const char *name)
{
    uint64_t hash = (uint64_t)number << 2 | (uint64_t)kind;
    size_t length = strnlen(name, CAPACITY_SITE_SIZE - 1);

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
    uint32_t *place = chain_of(&capacity->account_table, hash);
    for (; *place; place = &capacity->accounts[*place].next) {
        const struct account *account = &capacity->accounts[*place];
        if (account->kind == kind && account->number == number &&
            strncmp(account->name, name, CAPACITY_SITE_SIZE - 1) == 0)
            break;
    }
    return place;
}

/* Finds or opens it; the caller has seen that there is room. */
static uint32_t account_open(struct capacity *capacity, enum account_kind kind, int64_t number,
                             const char *name)
{
    struct table *table = &capacity->account_table;
    uint32_t *place = account_place(capacity, kind, number, name);

    if (*place)
        return *place;
    uint32_t index = table->free ? table->free : table->fresh++;
    struct account *account = &capacity->accounts[index];
    if (table->free)
        table->free = account->next;
    *account = (struct account){.kind = kind, .number = number};
    memcpy(account->name, name, strnlen(name, CAPACITY_SITE_SIZE - 1));
    table->count++;
    capacity->numbers.sites += kind == ACCOUNT_SITE;
    return *place = index;
}

/* Nothing is lost when it is opened again later. */
static bool is_idle(const struct capacity *capacity, const struct account *account)
{
    return account->kind != ACCOUNT_FREE && account->held.leases == 0 &&
           account->start + account->gap <= capacity->latest * SECOND + BURST;
}

static void account_close(struct capacity *capacity, uint32_t index)
{
    struct table *table = &capacity->account_table;
    struct account *account = &capacity->accounts[index];
    uint32_t *place = account_place(capacity, account->kind, account->number, account->name);

    *place = account->next;
    capacity->numbers.sites -= account->kind == ACCOUNT_SITE;
    account->kind = ACCOUNT_FREE;
    account->next = table->free;
    table->free = index;
    table->count--;
}

/* -- the line of activity -- */

static void line_leave(struct capacity *capacity, const struct lease *lease)
{
    *(lease->older ? &capacity->leases[lease->older].newer : &capacity->oldest) = lease->newer;
    *(lease->newer ? &capacity->leases[lease->newer].older : &capacity->newest) = lease->older;
}

static void line_join(struct capacity *capacity, uint32_t index)
{
    struct lease *lease = &capacity->leases[index];

    lease->active_at = capacity->latest;
    lease->older = capacity->newest;
    lease->newer = NONE;
    *(capacity->newest ? &capacity->leases[capacity->newest].newer : &capacity->oldest) = index;
    capacity->newest = index;
}

/* -- leases -- */

static void count_in(struct capacity_held *held, const struct lease *lease, int sign)
{
    held->leases += sign;
    held->reserved += sign * lease->rate;
    held->overdrawn += lease->is_overdrawn ? sign : 0;
}

static void count_lease(struct capacity *capacity, const struct lease *lease, int sign)
{
    count_in(&capacity->numbers.server, lease, sign);
    count_in(&capacity->accounts[lease->site].held, lease, sign);
    count_in(&capacity->accounts[lease->campaign].held, lease, sign);
}

static bool has_room(const struct capacity *capacity)
{
    return table_has_room(&capacity->lease_table, 1) && table_has_room(&capacity->account_table, 2);
}

/* For a key that has none, where there is room. */
static struct lease *lease_take(struct capacity *capacity, const struct capacity_ask *ask,
                                int64_t key, int64_t rate, bool is_overdrawn)
{
    struct table *table = &capacity->lease_table;
    uint32_t index = table->free ? table->free : table->fresh++;
    struct lease *lease = &capacity->leases[index];

    if (table->free)
        table->free = lease->next;
    table->count++;
    *lease = (struct lease){.key = key,
                            .number = ++capacity->taken,
                            .taken_at = capacity->latest,
                            .rate = rate,
                            .is_overdrawn = is_overdrawn};
    lease->site = account_open(capacity, ACCOUNT_SITE, ask->tenant_row, ask->site);
    lease->campaign = account_open(capacity, ACCOUNT_CAMPAIGN, ask->campaign->row_id, "");
    *lease_place(capacity, key) = index;
    line_join(capacity, index);
    count_lease(capacity, lease, 1);
    return lease;
}

static void lease_end(struct capacity *capacity, uint32_t *place)
{
    uint32_t index = *place;
    struct lease *lease = &capacity->leases[index];
    const uint32_t accounts[] = {lease->site, lease->campaign};

    *place = lease->next;
    line_leave(capacity, lease);
    count_lease(capacity, lease, -1);
    lease->next = capacity->lease_table.free;
    capacity->lease_table.free = index;
    capacity->lease_table.count--;
    for (size_t i = 0; i < COUNT_OF(accounts); i++)
        if (is_idle(capacity, &capacity->accounts[accounts[i]]))
            account_close(capacity, accounts[i]);
}

/* -- time -- */

/* Threads come a little out of order; that is the same moment. A clock that was set back goes on
 * from where it stood. */
static int64_t our_time(const struct capacity *capacity, int64_t now)
{
    int64_t ours = now + capacity->set_back;

    return ours > capacity->latest ? ours : capacity->latest;
}

static void lock_at(struct capacity *capacity, int64_t now)
{
    pthread_mutex_lock(&capacity->lock);
    if (now + capacity->set_back < capacity->latest - SET_BACK)
        capacity->set_back = capacity->latest - now;
    capacity->latest = our_time(capacity, now);
}

/* -- admission -- */

/* What one ask is weighed against. */
struct scale {
    struct capacity_held held;
    int64_t leases, bytes;
    enum admission later; /* when there are too many leases */
};

/* Why not yet, and how soon that may change. */
struct answer {
    enum admission admission;
    int64_t next; /* nanoseconds until something is free again */
    int64_t gap;  /* and from then on for one after the other; 0: unknown */
};

static void weigh(struct capacity *capacity, const struct capacity_ask *ask, struct scale ret[3])
{
    const struct capacity_limits *limits = &capacity->limits;
    const struct capacity_campaign *campaign = ask->campaign;
    uint32_t site = *account_place(capacity, ACCOUNT_SITE, ask->tenant_row, ask->site);
    uint32_t row = *account_place(capacity, ACCOUNT_CAMPAIGN, campaign->row_id, "");

    /* Entry NONE holds nothing. */
    ret[0] = (struct scale){capacity->numbers.server, limits->leases_server, limits->bytes_server,
                            ADMIT_LATER_SERVER};
    ret[1] = (struct scale){
        capacity->accounts[site].held, ask->site_leases ? ask->site_leases : limits->leases_site,
        ask->site_bytes ? ask->site_bytes : limits->bytes_site, ADMIT_LATER_SITE};
    ret[2] = (struct scale){capacity->accounts[row].held, campaign->leases, campaign->bytes,
                            ADMIT_LATER_CAMPAIGN};
}

/* What its transfer reserves. More than a whole budget would never be free. */
static int64_t share_of(const struct capacity *capacity, const struct capacity_ask *ask)
{
    const int64_t budgets[] = {capacity->limits.bytes_server,
                               ask->site_bytes ? ask->site_bytes : capacity->limits.bytes_site,
                               ask->campaign->bytes};
    int64_t tightest = 0, rate = ask->campaign->transfer_rate;

    for (size_t i = 0; i < COUNT_OF(budgets); i++)
        if (budgets[i] > 0 && (tightest == 0 || budgets[i] < tightest))
            tightest = budgets[i];
    if (tightest == 0)
        return rate;
    if (rate == 0)
        rate = capacity->limits.transfer_rate;
    return rate > 0 && rate < tightest ? rate : tightest;
}

/* A place is free again when one of those who hold one is done. */
static struct answer wait_for_lease(const struct capacity *capacity, const struct scale *scale,
                                    enum admission admission)
{
    int64_t held = scale->held.leases > 0 ? scale->held.leases : 1;
    int64_t gap = capacity->typical * SECOND / MEMORY / held;
    /* How many wait is known of campaigns, not of sites. */
    bool is_site = scale->later == ADMIT_LATER_SITE;

    return (struct answer){admission, gap, is_site ? 0 : gap};
}

static struct answer weigh_leases(struct capacity *capacity, const struct capacity_ask *ask,
                                  int64_t rate)
{
    struct scale scales[3];

    weigh(capacity, ask, scales);
    for (size_t i = 0; i < COUNT_OF(scales); i++)
        if (scales[i].leases > 0 && scales[i].held.leases >= scales[i].leases)
            return wait_for_lease(capacity, &scales[i], scales[i].later);
    for (size_t i = 0; i < COUNT_OF(scales); i++)
        if (scales[i].bytes > 0 && scales[i].held.reserved > scales[i].bytes - rate)
            return wait_for_lease(capacity, &scales[i], ADMIT_LATER_BYTES);
    if (!has_room(capacity))
        return wait_for_lease(capacity, &scales[0], ADMIT_LATER_SERVER);
    return (struct answer){.admission = ADMIT};
}

/* When the bucket's next token is due, at the rate of today: a raised one counts at once. Who knows
 * nothing of the past has one token, and the second comes a whole gap later. */
static int64_t due_of(struct capacity *capacity, const struct capacity_campaign *campaign,
                      int64_t at, int64_t gap)
{
    uint32_t index = *account_place(capacity, ACCOUNT_CAMPAIGN, campaign->row_id, "");
    const struct account *account = &capacity->accounts[index];

    return account->has_started ? account->start + gap : at + BURST;
}

static struct answer weigh_start(struct capacity *capacity,
                                 const struct capacity_campaign *campaign, int64_t now, int64_t gap)
{
    int64_t at = now * SECOND;
    int64_t next = due_of(capacity, campaign, at, gap) - BURST - at;

    return gap > 0 && next > 0 ? (struct answer){ADMIT_LATER_RATE, next, gap}
                               : (struct answer){.admission = ADMIT};
}

static struct answer judge(struct capacity *capacity, const struct capacity_ask *ask, int64_t now,
                           int64_t gap)
{
    struct answer answer = weigh_leases(capacity, ask, share_of(capacity, ask));

    return answer.admission == ADMIT ? weigh_start(capacity, ask->campaign, now, gap) : answer;
}

/* Seconds until this device's turn. Turns are given out twice as fast as places come free, because
 * not everybody comes when its turn is. */
static int64_t turn_of(const struct answer *answer, const struct capacity_ask *ask)
{
    double place = (double)(spread_hash(ask->device, PURPOSE_TURN) >> 11) * 0x1p-53;
    double waiting = ask->campaign->waiting > 0 ? (double)ask->campaign->waiting : 0;
    double turn = (double)answer->next + place * waiting * (double)answer->gap / 2;
    double seconds = turn / (double)SECOND;

    if (seconds >= CAPACITY_WAIT_MAX)
        return CAPACITY_WAIT_MAX;
    return seconds <= 1 ? 1 : (int64_t)seconds + ((double)(int64_t)seconds < seconds);
}

enum admission capacity_look(struct capacity *capacity, const struct capacity_ask *ask, int64_t now,
                             int64_t *ret_wait)
{
    int64_t gap = gap_of(rate_of(ask->campaign));

    pthread_mutex_lock(&capacity->lock);
    struct answer answer = judge(capacity, ask, our_time(capacity, now), gap);
    pthread_mutex_unlock(&capacity->lock);
    *ret_wait = answer.admission == ADMIT ? 0 : turn_of(&answer, ask);
    return answer.admission;
}

/* For a campaign that holds a lease. */
static void take_token(struct capacity *capacity, const struct capacity_campaign *campaign,
                       int64_t gap)
{
    int64_t at = capacity->latest * SECOND;
    int64_t due = due_of(capacity, campaign, at, gap);
    uint32_t index = *account_place(capacity, ACCOUNT_CAMPAIGN, campaign->row_id, "");
    struct account *account = &capacity->accounts[index];

    account->start = due > at ? due : at;
    account->gap = gap;
    account->has_started = true;
}

enum admission capacity_admit(struct capacity *capacity, const struct capacity_ask *ask,
                              int64_t now, struct capacity_grant *ret)
{
    int64_t gap = gap_of(rate_of(ask->campaign));

    if (ask->deployment_row)
        capacity_give_back(capacity, ask->deployment_row);
    lock_at(capacity, now);
    enum admission admission = judge(capacity, ask, capacity->latest, gap).admission;
    if (admission == ADMIT) {
        int64_t key = ask->deployment_row ? ask->deployment_row : --capacity->names;
        const struct lease *lease = lease_take(capacity, ask, key, share_of(capacity, ask), false);
        take_token(capacity, ask->campaign, gap);
        capacity->numbers.admitted++;
        *ret = (struct capacity_grant){key, lease->rate};
    }
    pthread_mutex_unlock(&capacity->lock);
    return admission;
}

void capacity_name(struct capacity *capacity, int64_t lease, int64_t deployment_row)
{
    pthread_mutex_lock(&capacity->lock);
    /* A row that was rolled back leaves its number to the next. */
    uint32_t *other = lease_place(capacity, deployment_row);
    if (*other && lease != deployment_row)
        lease_end(capacity, other);
    uint32_t *place = lease_place(capacity, lease);
    uint32_t index = *place;
    if (index) {
        *place = capacity->leases[index].next;
        capacity->leases[index].next = NONE;
        capacity->leases[index].key = deployment_row;
        *lease_place(capacity, deployment_row) = index;
    }
    pthread_mutex_unlock(&capacity->lock);
}

static void give_back(struct capacity *capacity, uint32_t *place)
{
    int64_t held = capacity->latest - capacity->leases[*place].taken_at;

    capacity->typical += held - capacity->typical / MEMORY;
    lease_end(capacity, place);
}

void capacity_give_back(struct capacity *capacity, int64_t lease)
{
    pthread_mutex_lock(&capacity->lock);
    uint32_t *place = lease_place(capacity, lease);
    if (*place)
        give_back(capacity, place);
    pthread_mutex_unlock(&capacity->lock);
}

int64_t capacity_lease_of(struct capacity *capacity, int64_t deployment_row)
{
    pthread_mutex_lock(&capacity->lock);
    uint32_t index = *lease_place(capacity, deployment_row);
    int64_t number = index ? capacity->leases[index].number : 0;
    pthread_mutex_unlock(&capacity->lock);
    return number;
}

void capacity_give_back_that(struct capacity *capacity, int64_t deployment_row, int64_t number)
{
    pthread_mutex_lock(&capacity->lock);
    uint32_t *place = lease_place(capacity, deployment_row);
    if (*place && capacity->leases[*place].number == number)
        give_back(capacity, place);
    pthread_mutex_unlock(&capacity->lock);
}

/* -- going on -- */

/* Its lease with the activity noted, or NULL. */
static struct lease *touch(struct capacity *capacity, int64_t deployment_row)
{
    uint32_t index = *lease_place(capacity, deployment_row);
    struct lease *lease = &capacity->leases[index];

    if (!index)
        return NULL;
    if (lease->active_at != capacity->latest) {
        line_leave(capacity, lease);
        line_join(capacity, index);
    }
    return lease;
}

bool capacity_touch(struct capacity *capacity, int64_t deployment_row, int64_t now,
                    int64_t *ret_rate)
{
    lock_at(capacity, now);
    const struct lease *lease = touch(capacity, deployment_row);
    if (lease)
        *ret_rate = lease->rate;
    pthread_mutex_unlock(&capacity->lock);
    return lease != NULL;
}

int64_t capacity_renew(struct capacity *capacity, const struct capacity_ask *ask, int64_t now)
{
    lock_at(capacity, now);
    const struct lease *lease = touch(capacity, ask->deployment_row);
    int64_t rate = lease ? lease->rate : share_of(capacity, ask);
    if (!lease) {
        bool is_overdrawn = weigh_leases(capacity, ask, rate).admission != ADMIT;
        capacity->numbers.overdrafts += is_overdrawn;
        if (has_room(capacity))
            lease_take(capacity, ask, ask->deployment_row, rate, is_overdrawn);
    }
    pthread_mutex_unlock(&capacity->lock);
    return rate;
}

/* Campaigns that hold nothing any more are forgotten once their bucket is full again. */
static void tidy(struct capacity *capacity)
{
    for (int i = 0; i < TIDY_MAX; i++) {
        if (capacity->hand >= capacity->account_table.fresh)
            capacity->hand = 0;
        if (is_idle(capacity, &capacity->accounts[capacity->hand]))
            account_close(capacity, capacity->hand);
        capacity->hand++;
    }
}

int64_t capacity_expire(struct capacity *capacity, int64_t now)
{
    int64_t count = 0;

    lock_at(capacity, now);
    for (; count < EXPIRE_MAX && capacity->oldest; count++) {
        const struct lease *oldest = &capacity->leases[capacity->oldest];
        if (capacity->latest - oldest->active_at < capacity->limits.lease)
            break;
        lease_end(capacity, lease_place(capacity, oldest->key));
    }
    capacity->numbers.expired += count;
    tidy(capacity);
    pthread_mutex_unlock(&capacity->lock);
    return count;
}

/* -- numbers -- */

void capacity_numbers(struct capacity *capacity, struct capacity_numbers *ret)
{
    pthread_mutex_lock(&capacity->lock);
    *ret = capacity->numbers;
    pthread_mutex_unlock(&capacity->lock);
}

static void copy_held(struct capacity *capacity, enum account_kind kind, int64_t number,
                      const char *name, struct capacity_held *ret)
{
    pthread_mutex_lock(&capacity->lock);
    *ret = capacity->accounts[*account_place(capacity, kind, number, name)].held;
    pthread_mutex_unlock(&capacity->lock);
}

void capacity_of_site(struct capacity *capacity, int64_t tenant_row, const char *site,
                      struct capacity_held *ret)
{
    copy_held(capacity, ACCOUNT_SITE, tenant_row, site, ret);
}

void capacity_of_campaign(struct capacity *capacity, int64_t campaign_row,
                          struct capacity_held *ret)
{
    copy_held(capacity, ACCOUNT_CAMPAIGN, campaign_row, "", ret);
}

const char *admission_code(enum admission admission)
{
    static const char *const codes[] = {
        [ADMIT] = "offer",
        [ADMIT_LATER_RATE] = "start_rate",
        [ADMIT_LATER_SERVER] = "capacity_server",
        [ADMIT_LATER_SITE] = "capacity_site",
        [ADMIT_LATER_CAMPAIGN] = "capacity_campaign",
        [ADMIT_LATER_BYTES] = "capacity_bytes",
    };

    return codes[admission];
}

/* -- beginning and end -- */

int capacity_new(const struct capacity_limits *limits, int64_t leases_max, struct capacity **ret,
                 struct error *err)
{
    CLEANUP(capacity_free) struct capacity *capacity = calloc(1, sizeof *capacity);

    assert(leases_max > 0 && leases_max <= INT32_MAX / 2);
    if (!capacity)
        return fail_internal(err, "memory for capacity");
    pthread_mutex_init(&capacity->lock, NULL);
    capacity->limits = *limits;
    if (capacity->limits.lease <= 0)
        capacity->limits.lease = CAPACITY_LEASE;
    capacity->typical = capacity->limits.lease * MEMORY;
    uint32_t leases = (uint32_t)leases_max, accounts = 2 * leases + IDLE_CAMPAIGNS;
    if (table_make(&capacity->lease_table, leases, err) ||
        table_make(&capacity->account_table, accounts, err))
        return -1;
    capacity->leases = calloc((size_t)leases + 1, sizeof *capacity->leases);
    capacity->accounts = calloc((size_t)accounts + 1, sizeof *capacity->accounts);
    if (!capacity->leases || !capacity->accounts)
        return fail_internal(err, "memory for capacity");
    *ret = MOVE(capacity);
    return 0;
}

void capacity_free(struct capacity **capacity)
{
    struct capacity *old = MOVE(*capacity);

    if (!old)
        return;
    pthread_mutex_destroy(&old->lock);
    free(old->lease_table.heads);
    free(old->account_table.heads);
    free(old->leases);
    free(old->accounts);
    free(old);
}
