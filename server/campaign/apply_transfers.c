/* SPDX-License-Identifier: Apache-2.0 */
/* What devices were sent, gathered in memory by the connections' threads and written by the ticker:
 * a range request writes nothing. Lost in a crash is at most what came since the last round;
 * version evidence does not need it. */
#include "campaign/engine.h"

#include "campaign/spans.h"
#include "trust/apply.h"

#include <string.h>

#define BUCKETS 4096
#define ENTRIES_MAX 20000
#define BATCH 256
#define EVICTION_PROBES 64
#define HOLD_LEAST INT64_C(900)
#define HOLD_MOST INT64_C(86400)
#define HOLD_DOUBLINGS 7 /* reach the most */

/* One image of one deployment. Two images of the same size are not told apart. */
struct entry {
    struct entry *next;
    int64_t deployment_row, size;
    struct spans spans;      /* of the present round; one ends when it was sent from end to end */
    int64_t rounds, counted; /* of these: in the deployment's fetches */
    int running;             /* transfers of it now */
    int64_t active_at;       /* the round that wrote its latest bytes; 0: none did */
    bool asked_lease;        /* its lease was gone: asked for once */
    bool is_dirty;
    bool is_known; /* was written once: from here on its spans are the whole truth */
};

struct transfers {
    pthread_mutex_t lock; /* guards all of it */
    struct entry *buckets[BUCKETS];
    size_t count, dirty, running; /* entries; of these: to be written, with a transfer now */
    size_t hand;                  /* where eviction looks next */
};

/* Images of one size of which something was sent. */
struct sent {
    int64_t size, rounds; /* as a whole, since that was last counted */
    int64_t wanted;       /* how many images these are */
    bool is_whole, is_delta;
};

/* What is written of one deployment. */
struct served {
    int64_t deployment_row, covered;
    struct sent sent[RELEASE_FILES_MAX];
    int sent_count;
    int64_t fetched;                  /* rounds that are counted now */
    int64_t resumed_size, resumed_at; /* an image first seen in its middle; 0: none */
};

struct batch {
    struct campaigns *campaigns;
    const struct snapshot *snapshot;
    struct served served[BATCH];
    size_t count;
    int64_t now;
};

int transfers_new(struct transfers **ret, struct error *err)
{
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return fail_internal(err, "memory for transfers");
    pthread_mutex_init(&(*ret)->lock, NULL);
    return 0;
}

void transfers_free(struct transfers **transfers)
{
    if (!*transfers)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while ((*transfers)->buckets[i]) {
            struct entry *entry = (*transfers)->buckets[i];
            (*transfers)->buckets[i] = entry->next;
            free(entry);
        }
    pthread_mutex_destroy(&(*transfers)->lock);
    free(*transfers);
    *transfers = NULL;
}

static struct entry **bucket_of(struct transfers *transfers, int64_t deployment_row)
{
    return &transfers->buckets[(uint64_t)deployment_row % BUCKETS];
}

/* Unlinks *at. */
static void drop(struct transfers *transfers, struct entry **at)
{
    struct entry *entry = *at;

    *at = entry->next;
    transfers->dirty -= entry->is_dirty;
    transfers->running -= entry->running > 0;
    transfers->count--;
    free(entry);
}

/* Makes room by forgetting something that is written already. */
static bool evict(struct transfers *transfers)
{
    for (int probes = 0; probes < EVICTION_PROBES; probes++) {
        struct entry **at = &transfers->buckets[transfers->hand++ % BUCKETS];

        if (*at && !(*at)->is_dirty && (*at)->running == 0) {
            drop(transfers, at);
            return true;
        }
    }
    return false;
}

static struct entry *find(struct transfers *transfers, int64_t deployment_row, int64_t size)
{
    struct entry *entry = *bucket_of(transfers, deployment_row);

    while (entry && (entry->deployment_row != deployment_row || entry->size != size))
        entry = entry->next;
    return entry;
}

static struct entry *find_or_add(struct transfers *transfers, int64_t deployment_row, int64_t size)
{
    struct entry **bucket = bucket_of(transfers, deployment_row);
    struct entry *entry = find(transfers, deployment_row, size);

    if (entry)
        return entry;
    if (transfers->count >= ENTRIES_MAX && !evict(transfers))
        return NULL;
    entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->deployment_row = deployment_row;
    entry->size = size;
    entry->next = *bucket;
    *bucket = entry;
    transfers->count++;
    return entry;
}

static int64_t covered_of(const struct entry *entry)
{
    return entry->rounds > 0 ? entry->size : spans_covered(&entry->spans);
}

/* Returns the entry, or NULL where there is no more room. */
static struct entry *note(struct transfers *transfers, int64_t deployment_row, int64_t first,
                          int64_t sent, int64_t size)
{
    struct entry *entry = find_or_add(transfers, deployment_row, size);

    if (!entry)
        return NULL;
    bool is_news = sent > 0 || !entry->is_known;
    spans_add(&entry->spans, first, first + sent < size ? first + sent : size);
    if (spans_cover(&entry->spans, size)) {
        entry->spans.count = 0;
        entry->rounds++;
    }
    transfers->dirty += is_news && !entry->is_dirty;
    entry->is_dirty |= is_news;
    return entry;
}

void campaign_note_transfer(struct campaigns *campaigns, int64_t deployment_row, int64_t first,
                            int64_t sent, int64_t size)
{
    pthread_mutex_lock(&campaigns->transfers->lock);
    (void)note(campaigns->transfers, deployment_row, first, sent, size);
    pthread_mutex_unlock(&campaigns->transfers->lock);
}

void campaign_note_whole(struct campaigns *campaigns, int64_t deployment_row, int64_t size)
{
    struct transfers *transfers = campaigns->transfers;

    pthread_mutex_lock(&transfers->lock);
    struct entry *entry = note(transfers, deployment_row, 0, 0, size);
    if (entry && entry->rounds == 0) {
        entry->spans.count = 0;
        entry->rounds = entry->counted = 1;
        transfers->dirty += !entry->is_dirty;
        entry->is_dirty = true;
    }
    pthread_mutex_unlock(&transfers->lock);
}

void campaign_transfer_begins(struct campaigns *campaigns, int64_t deployment_row, int64_t size)
{
    struct transfers *transfers = campaigns->transfers;

    pthread_mutex_lock(&transfers->lock);
    struct entry *entry = note(transfers, deployment_row, 0, 0, size);
    if (entry)
        transfers->running += entry->running++ == 0;
    pthread_mutex_unlock(&transfers->lock);
}

/* What was forgotten meanwhile, because its deployment is over, is not looked for. */
void campaign_transfer_ends(struct campaigns *campaigns, int64_t deployment_row, int64_t size)
{
    struct transfers *transfers = campaigns->transfers;

    pthread_mutex_lock(&transfers->lock);
    struct entry *entry = find(transfers, deployment_row, size);
    if (entry && entry->running > 0)
        transfers->running -= --entry->running == 0;
    pthread_mutex_unlock(&transfers->lock);
}

bool deployment_is_stalled(struct campaigns *campaigns, const struct deployment *deployment,
                           int64_t stall, int64_t now)
{
    struct transfers *transfers = campaigns->transfers;
    int64_t latest = deployment->state_at;

    if (deployment_state_in(deployment) != DEPLOYMENT_DOWNLOADING)
        return false;
    pthread_mutex_lock(&transfers->lock);
    for (const struct entry *entry = *bucket_of(transfers, deployment->row_id); entry;
         entry = entry->next)
        if (entry->deployment_row == deployment->row_id && entry->active_at > latest)
            latest = entry->active_at;
    pthread_mutex_unlock(&transfers->lock);
    return now - latest > stall;
}

int64_t transfers_covered(struct campaigns *campaigns, int64_t deployment_row)
{
    struct transfers *transfers = campaigns->transfers;
    int64_t covered = 0;

    pthread_mutex_lock(&transfers->lock);
    for (struct entry *entry = *bucket_of(transfers, deployment_row); entry; entry = entry->next)
        if (entry->deployment_row == deployment_row)
            covered += covered_of(entry);
    pthread_mutex_unlock(&transfers->lock);
    return covered;
}

bool transfers_have(struct campaigns *campaigns, int64_t deployment_row)
{
    struct transfers *transfers = campaigns->transfers;
    bool have = false;

    pthread_mutex_lock(&transfers->lock);
    for (struct entry *entry = *bucket_of(transfers, deployment_row); entry && !have;
         entry = entry->next)
        have = entry->deployment_row == deployment_row;
    pthread_mutex_unlock(&transfers->lock);
    return have;
}

void transfers_forget(struct campaigns *campaigns, int64_t deployment_row)
{
    struct transfers *transfers = campaigns->transfers;

    pthread_mutex_lock(&transfers->lock);
    for (struct entry **at = bucket_of(transfers, deployment_row); *at;)
        if ((*at)->deployment_row == deployment_row)
            drop(transfers, at);
        else
            at = &(*at)->next;
    pthread_mutex_unlock(&transfers->lock);
}

/* -- writing -- */

/* Sums all images of a deployment up and marks them written. */
static void gather(struct transfers *transfers, struct entry *from, int64_t now, struct served *ret)
{
    *ret = (struct served){.deployment_row = from->deployment_row};
    for (struct entry *entry = from; entry; entry = entry->next) {
        if (entry->deployment_row != from->deployment_row)
            continue;
        ret->covered += covered_of(entry);
        if (covered_of(entry) > 0 && ret->sent_count < RELEASE_FILES_MAX)
            ret->sent[ret->sent_count++] = (struct sent){.size = entry->size,
                                                         .rounds = entry->rounds - entry->counted,
                                                         .is_whole = entry->rounds > 0};
        if (!entry->is_known && entry->rounds == 0 && entry->spans.count > 0 &&
            entry->spans.at[0].first > 0) {
            ret->resumed_size = entry->size;
            ret->resumed_at = entry->spans.at[0].first;
        }
        transfers->dirty -= entry->is_dirty;
        entry->active_at = entry->is_dirty ? now : entry->active_at;
        entry->is_dirty = false;
        entry->is_known = true;
    }
}

/* The first entry of a deployment in its chain stands for all of them. */
static bool is_first_of_its_kind(const struct entry *chain, const struct entry *entry)
{
    for (; chain != entry; chain = chain->next)
        if (chain->deployment_row == entry->deployment_row)
            return false;
    return true;
}

static bool has_dirty(const struct entry *from)
{
    for (const struct entry *entry = from; entry; entry = entry->next)
        if (entry->deployment_row == from->deployment_row && entry->is_dirty)
            return true;
    return false;
}

static void take_batch(struct transfers *transfers, struct batch *batch)
{
    batch->count = 0;
    pthread_mutex_lock(&transfers->lock);
    for (size_t i = 0; i < BUCKETS && transfers->dirty && batch->count < BATCH; i++)
        for (struct entry *entry = transfers->buckets[i]; entry && batch->count < BATCH;
             entry = entry->next)
            if (is_first_of_its_kind(transfers->buckets[i], entry) && has_dirty(entry))
                gather(transfers, entry, batch->now, &batch->served[batch->count++]);
    pthread_mutex_unlock(&transfers->lock);
}

static void put_back(struct transfers *transfers, const struct batch *batch)
{
    pthread_mutex_lock(&transfers->lock);
    for (size_t i = 0; i < batch->count; i++)
        for (struct entry *entry = *bucket_of(transfers, batch->served[i].deployment_row); entry;
             entry = entry->next)
            if (entry->deployment_row == batch->served[i].deployment_row && !entry->is_dirty) {
                entry->is_dirty = true;
                transfers->dirty++;
            }
    pthread_mutex_unlock(&transfers->lock);
}

/* NULL: nothing of it was sent. */
static struct sent *sent_of(struct served *served, int64_t size)
{
    for (int i = 0; i < served->sent_count; i++)
        if (served->sent[i].size == size)
            return &served->sent[i];
    return NULL;
}

/* How often all of these that were sent as a whole were. */
static int64_t rounds_of(const struct served *served, bool of_deltas)
{
    int64_t rounds = INT64_MAX;

    for (int i = 0; i < served->sent_count; i++) {
        const struct sent *sent = &served->sent[i];

        if (sent->wanted && sent->is_whole && sent->is_delta == of_deltas &&
            sent->rounds / sent->wanted < rounds)
            rounds = sent->rounds / sent->wanted;
    }
    return rounds == INT64_MAX ? 0 : rounds;
}

/* Every image that is for this device was sent: from the first byte to the last, or of a delta any
 * range, for nobody can tell which it needs. Counted is what was sent as a whole, and deltas only
 * where they are all there is. */
static int has_all(struct tx *tx, const struct plan *plan, const struct deployment *deployment,
                   struct served *served, bool *ret, struct error *err)
{
    struct device device;
    struct lookup lookup = {tx, deployment->device_row};
    bool wants_any = false, has_each = true, only_deltas = true;

    *ret = false;
    if (served->sent_count == 0)
        return 0;
    enum step step = device_by_row(tx, deployment->device_row, &device, err);
    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    const struct filter_subject facts = subject_of(&device, &lookup);
    const struct image *images;
    size_t count = plan_images(plan, deployment->release_row, &images);
    for (size_t i = 0; i < count; i++) {
        struct sent *sent = sent_of(served, images[i].size);

        if (!image_is_for(&images[i], &facts))
            continue;
        wants_any = true;
        only_deltas = only_deltas && images[i].is_delta;
        has_each = has_each && sent && (sent->is_whole || images[i].is_delta);
        if (sent) {
            sent->wanted++;
            sent->is_delta = images[i].is_delta;
        }
    }
    *ret = wants_any && has_each;
    served->fetched = rounds_of(served, only_deltas);
    return 0;
}

/* A client that has no memory of what it installed fetches and installs it again at each poll. It
 * is not shown the update for a while, then for longer and longer; what it asks for by itself it
 * still gets, for a refused image is a failed update to most clients. */
static int count_fetches(struct tx *tx, const struct batch *batch, const struct served *served,
                         struct deployment *deployment, const struct move *move, struct error *err)
{
    int64_t over =
        deployment->fetches + served->fetched - batch->campaigns->config->campaign_refetch_max;
    char detail[64];

    deployment->fetches += served->fetched;
    if (served->fetched == 0 || over < 0 || deployment_state_in(deployment) == DEPLOYMENT_VERIFYING)
        return 0;
    int64_t wait = over < HOLD_DOUBLINGS ? HOLD_LEAST << over : HOLD_MOST;
    deployment->held_until_at = batch->now + (wait < HOLD_MOST ? wait : HOLD_MOST);
    snprintf(detail, sizeof detail, "fetched %lld times", (long long)deployment->fetches);
    struct move told = *move;
    told.detail = detail;
    return deployment_tell(tx, deployment, "deployment.loop", NULL, &told, err);
}

/* A device that goes on in the middle of an image after we were restarted has what we sent before.
 */
static void believe_resumed(struct batch *batch, const struct served *served,
                            const struct deployment *deployment)
{
    if (served->resumed_at > 0 && deployment->bytes_served > 0)
        campaign_note_transfer(batch->campaigns, deployment->row_id, 0, served->resumed_at,
                               served->resumed_size);
}

int transfers_add(struct tx *tx, struct deployment *deployment, int64_t covered, struct error *err)
{
    int64_t more = covered - deployment->bytes_served;

    if (more <= 0)
        return 0;
    deployment->bytes_served = covered;
    return campaign_add_bytes(tx, deployment->campaign_row, more, err);
}

/* Moves it on as far as what was sent tells. */
static int advance(struct tx *tx, struct batch *batch, struct served *served,
                   struct deployment *deployment, struct error *err)
{
    const struct plan *plan = snapshot_find(batch->snapshot, deployment->campaign_row);
    enum deployment_state from = deployment_state_in(deployment);
    bool is_all;

    if (!plan) /* just created: the next note finds it */
        return deployment_save(tx, deployment, NULL, err);
    const struct move move = {.now = batch->now, .tenant_row = plan->tenant_row, .cause = "server"};
    if (deployment->fetches < batch->campaigns->config->campaign_refetch_max)
        deployment->held_until_at = 0; /* it had said to be done, and fetches now */
    if (has_all(tx, plan, deployment, served, &is_all, err) ||
        count_fetches(tx, batch, served, deployment, &move, err))
        return -1;
    enum deployment_state to = is_all ? DEPLOYMENT_DOWNLOADED : DEPLOYMENT_DOWNLOADING;
    bool moves = from == DEPLOYMENT_OFFERED || (from == DEPLOYMENT_DOWNLOADING && is_all);
    int failed = moves ? deployment_move(tx, batch->campaigns, deployment, to, &move, err)
                       : deployment_save(tx, deployment, NULL, err);
    return failed ? -1 : leases_keep(tx, batch->campaigns, plan, deployment, batch->now, err);
}

/* What comes in after a deployment was closed still counts as served. */
static int write_served(struct tx *tx, struct batch *batch, struct served *served,
                        struct error *err)
{
    struct deployment deployment;
    enum step step = deployment_by_row(tx, served->deployment_row, &deployment, err);

    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_ROW) {
        believe_resumed(batch, served, &deployment);
        if (transfers_add(tx, &deployment, served->covered, err))
            return -1;
        if (deployment.is_open)
            return advance(tx, batch, served, &deployment, err);
        if (deployment_save(tx, &deployment, NULL, err))
            return -1;
    }
    transfers_forget(batch->campaigns, served->deployment_row);
    return 0;
}

/* Once the row has them. */
static void note_counted(struct transfers *transfers, const struct batch *batch)
{
    pthread_mutex_lock(&transfers->lock);
    for (size_t i = 0; i < batch->count; i++) {
        const struct served *served = &batch->served[i];

        for (int s = 0; s < served->sent_count; s++) {
            struct entry *entry = find(transfers, served->deployment_row, served->sent[s].size);
            int64_t counted = served->fetched * served->sent[s].wanted;

            if (entry)
                entry->counted += counted < entry->rounds - entry->counted
                                      ? counted
                                      : entry->rounds - entry->counted;
        }
    }
    pthread_mutex_unlock(&transfers->lock);
}

static int write_batch(struct tx *tx, void *arg, struct error *err)
{
    struct batch *batch = arg;

    for (size_t i = 0; i < batch->count; i++)
        if (write_served(tx, batch, &batch->served[i], err))
            return -1;
    return 0;
}

/* A long transfer is noted only when it ends; until then the clock speaks for it. Where its lease
 * is gone nevertheless, writing the entry takes it again. */
static void keep_running(struct campaigns *campaigns, int64_t now)
{
    struct transfers *transfers = campaigns->transfers;
    int64_t rate;

    pthread_mutex_lock(&transfers->lock);
    for (size_t i = 0; i < BUCKETS && transfers->running; i++)
        for (struct entry *entry = transfers->buckets[i]; entry; entry = entry->next)
            if (entry->running > 0) {
                bool is_kept =
                    capacity_touch(campaigns->capacity, entry->deployment_row, now, &rate);
                bool asks = !is_kept && !entry->asked_lease;
                transfers->dirty += asks && !entry->is_dirty;
                entry->is_dirty |= asks;
                entry->asked_lease = !is_kept;
                entry->active_at = now;
            }
    pthread_mutex_unlock(&transfers->lock);
}

int transfers_flush(struct campaigns *campaigns, int64_t now, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(campaigns);
    CLEANUP(free_memory) struct batch *batch = calloc(1, sizeof *batch);

    if (!batch)
        return fail_internal(err, "memory for a batch");
    batch->campaigns = campaigns;
    batch->snapshot = snapshot;
    batch->now = now;
    atomic_store(&campaigns->ticked_at, now);
    keep_running(campaigns, now);
    (void)capacity_expire(campaigns->capacity, now);
    for (;;) {
        take_batch(campaigns->transfers, batch);
        if (batch->count == 0)
            return 0;
        if (store_write(campaigns->store, write_batch, batch, err)) {
            put_back(campaigns->transfers, batch);
            return -1;
        }
        note_counted(campaigns->transfers, batch);
        if (batch->count < BATCH)
            return 0;
    }
}
