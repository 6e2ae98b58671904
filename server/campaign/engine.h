/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that load and write share: the snapshot, the movers, transfers. Not for others. */
#ifndef OTAD_CAMPAIGN_ENGINE_H
#define OTAD_CAMPAIGN_ENGINE_H

#include "campaign/apply.h"
#include "campaign/gate.h"
#include "campaign/resolve.h"
#include "campaign/wish.h"
#include "store/wave.h"

#include <pthread.h>
#include <stdatomic.h>

/* -- snapshot.c: the live campaigns, compiled, immutable, counted -- */

struct snapshot {
    _Atomic int holders;
    struct plan **plans; /* in order of priority, then newest */
    size_t count;
};

struct campaigns {
    struct store *store;
    const struct config *config;
    pthread_mutex_t building; /* one refresh after the other, so that the latest stays */
    pthread_mutex_t lock;     /* guards snapshot and is_stale */
    struct snapshot *snapshot;
    bool is_stale; /* a refresh failed: the ticker tries again */
    struct transfers *transfers;
    struct ticker *ticker;
    sever_transfers_fn sever; /* set before the ticker starts */
    void *sever_arg;
};

struct snapshot *snapshot_take(struct campaigns *campaigns);
void snapshot_release(struct snapshot **snapshot); /* for CLEANUP() */
const struct plan *snapshot_find(const struct snapshot *snapshot, int64_t campaign_row);
int snapshot_refresh(struct campaigns *campaigns, struct error *err) MUST_CHECK;
/* Compiles one campaign; for previews too. */
int plan_make(struct tx *tx, const struct campaign *campaign, const struct wave *waves,
              size_t wave_count, struct plan **ret, struct error *err) MUST_CHECK;
void plan_free(struct plan **plan);

/* -- apply_move.c: the only ways a state changes -- */

/* Who or what moves it, for the event. */
struct move {
    int64_t now, tenant_row;
    const char *cause; /* "poll", "report", "evidence", "timer", "operator", "server" */
    const char *detail;
    const uint8_t *message_hash; /* of the report, or NULL */
};

/* Saves the row with whatever else the caller changed in it, moves the counts, appends the event,
 * and brakes the campaign when a failure was added. The table must allow the move (asserted). */
int deployment_move(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                    enum deployment_state to, const struct move *move,
                    struct error *err) MUST_CHECK;
/* The first offer, or a further attempt when the row is there. */
int deployment_offer(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                     const struct move *move, struct error *err) MUST_CHECK;
/* Ends what the device has not begun; asks it to cancel what it has (`is_hard`). Installing devices
 * are left alone. */
int deployment_stop(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                    bool is_hard, const struct move *move, struct error *err) MUST_CHECK;
int campaign_move(struct tx *tx, struct campaigns *campaigns, struct campaign *campaign,
                  enum campaign_state to, const struct move *move, struct error *err) MUST_CHECK;
/* The detail is kept as the wave's reason. */
int wave_move(struct tx *tx, struct campaigns *campaigns, struct wave *wave, enum wave_state to,
              const struct move *move, struct error *err) MUST_CHECK;

int campaign_need(struct tx *tx, int64_t campaign_row, struct campaign *ret,
                  struct error *err) MUST_CHECK; /* NO_SUCH_CAMPAIGN */

enum deployment_state deployment_state_in(const struct deployment *deployment);
enum campaign_state campaign_state_in(const struct campaign *campaign);
enum wave_state wave_state_in(const struct wave *wave);

/* A campaign with its waves and counts. */
struct overview {
    struct campaign campaign;
    struct wave *waves;
    size_t wave_count;
    struct tally whole;
    struct tally tallies[WISH_WAVES_MAX]; /* per wave; active members as last counted */
};
int overview_load(struct tx *tx, int64_t campaign_row, struct overview *ret,
                  struct error *err) MUST_CHECK; /* NO_SUCH_CAMPAIGN */
void overview_clear(struct overview *overview);
/* The budgets over one wave and over all, less the accepted failures. */
enum brake overview_brake(const struct overview *overview, int wave);
/* The first wave that is neither passed nor skipped; NULL when all are. */
struct wave *overview_current(const struct overview *overview);
struct gate wave_gate(const struct wave *wave);

/* -- apply_evidence.c -- */

/* In state verifying: moves to confirmed when the time has come. */
int deployment_settle(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                      const struct device *device, const struct move *move,
                      struct error *err) MUST_CHECK;
/* Whether a poll would change something: it is counted, or the time has come. */
bool deployment_awaits_poll(const struct deployment *deployment, const struct plan *plan,
                            int64_t now);
/* Version and boot id prove that the release runs. */
int deployment_is_evident(struct tx *tx, const struct deployment *deployment,
                          const struct device *device, bool *ret, struct error *err) MUST_CHECK;
/* Installed as far as we know: from here on it is watched. */
int deployment_verify(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                      const struct device *device, const struct move *move,
                      struct error *err) MUST_CHECK;

/* -- apply_scan.c: counting the fleet, on a reader -- */

struct headcount {
    int64_t present; /* devices that match and were seen lately, whatever they run */
    int64_t members, active;
    int64_t limit; /* rank limit of the wave */
};
int headcount_take(struct tx *tx, const struct overview *overview, size_t wave, int64_t now,
                   struct headcount *ret, struct error *err) MUST_CHECK;

/* A device as the pure files see it; borrows both. */
struct lookup {
    struct tx *tx;
    int64_t device_row;
};
struct filter_subject subject_of(const struct device *device, struct lookup *lookup);
struct past past_of(const struct deployment *deployment);

/* -- apply_operator.c -- */

/* A draft that is not stored: release looked up, rules copied. */
int campaign_from_wish(struct tx *tx, int64_t tenant_row, const struct wish *wish,
                       struct campaign *ret, struct error *err) MUST_CHECK;

/* -- apply_waves.c -- */

/* Moves one running campaign on by time and counts, as far as it goes now. */
int waves_advance(struct campaigns *campaigns, int64_t campaign_row, int64_t now,
                  struct error *err) MUST_CHECK;

/* -- apply_transfers.c: bytes served, in memory between two rounds -- */

int transfers_new(struct transfers **ret, struct error *err) MUST_CHECK;
void transfers_free(struct transfers **transfers);
/* A transfer began or was noted and the deployment is not over. */
bool transfers_have(struct campaigns *campaigns, int64_t deployment_row);
void transfers_forget(struct campaigns *campaigns, int64_t deployment_row);
/* Bytes in memory, all images together. */
int64_t transfers_covered(struct campaigns *campaigns, int64_t deployment_row);
/* Adds what is more than the row knows to it and to its campaign; the caller saves the row. */
int transfers_add(struct tx *tx, struct deployment *deployment, int64_t covered,
                  struct error *err) MUST_CHECK;
/* Writes what was noted since the last time. Not on the writer. */
int transfers_flush(struct campaigns *campaigns, int64_t now, struct error *err) MUST_CHECK;

#endif
