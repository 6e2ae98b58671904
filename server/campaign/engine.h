/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that load and write share: the snapshot, the movers, transfers. Not for others. */
#ifndef OTAD_CAMPAIGN_ENGINE_H
#define OTAD_CAMPAIGN_ENGINE_H

#include "campaign/apply.h"
#include "campaign/client.h"
#include "campaign/draw.h"
#include "campaign/gate.h"
#include "campaign/resolve.h"
#include "store/wave.h"

#include <pthread.h>
#include <stdatomic.h>

/* -- snapshot.c: the live campaigns, compiled, immutable, counted -- */

struct snapshot {
    _Atomic int holders;
    struct plan **plans; /* in order of priority, then latest started; baselines last */
    size_t count;
    struct line **lines; /* of the plans' products */
    size_t line_count;
    struct steering *steerings; /* of tenants with a plan or an emergency stop */
    size_t steering_count;
    bool has_pins, has_windows; /* any at all: otherwise nobody asks */
};

/* A count of the fleet on its way from a reader to the writer. */
#define RECKONINGS 64
struct reckoning {
    uint8_t plan_hash[PLAN_HASH_SIZE];
    int64_t tenant_row, other_row; /* of those in this campaign's target too; 0: of all */
    int64_t devices, at;           /* at 0: an empty place */
};

struct campaigns {
    struct store *store;
    const struct config *config;
    pthread_mutex_t building; /* one refresh after the other, so that the latest stays */
    pthread_mutex_t lock;     /* guards snapshot, is_stale and the reckonings */
    struct snapshot *snapshot;
    bool is_stale;   /* a refresh failed: the ticker tries again */
    bool is_touched; /* the writer's: one refresh does for all jobs of a batch */
    struct reckoning reckonings[RECKONINGS];
    size_t next_reckoning;
    struct transfers *transfers;
    struct capacity *capacity;
    _Atomic bool has_leases;   /* those from before the start are in capacity again */
    _Atomic int64_t ticked_at; /* the clock's last round */
    struct ticker *ticker;
    sever_transfers_fn sever; /* set before the ticker starts */
    void *sever_arg;
};

struct snapshot *snapshot_take(struct campaigns *campaigns);
void snapshot_release(struct snapshot **snapshot); /* for CLEANUP() */
const struct plan *snapshot_find(const struct snapshot *snapshot, int64_t campaign_row);
/* NULL when nothing is known of the tenant. */
const struct steering *snapshot_steering(const struct snapshot *snapshot, int64_t tenant_row);
/* An array with room for one entry more; NULL when memory is out. */
void *snapshot_grow(void *array, size_t count, size_t size, struct error *err);
int snapshot_refresh(struct campaigns *campaigns, struct error *err) MUST_CHECK;
/* Compiles one campaign; for previews too. */
int plan_make(struct tx *tx, const struct config *config, const struct campaign *campaign,
              const struct wave *waves, size_t wave_count, struct plan **ret,
              struct error *err) MUST_CHECK;
/* The same without a line, for the snapshot: campaigns of one product share theirs. */
int plan_compile(struct tx *tx, const struct config *config, const struct campaign *campaign,
                 const struct wave *waves, size_t wave_count, struct plan **ret,
                 struct error *err) MUST_CHECK;
void plan_put_on_line(struct plan *plan, const struct line *line);
void plan_free(struct plan **plan);
/* Images of the plan's release, or of a floor on the way to it; borrowed. Returns how many. */
size_t plan_images(const struct plan *plan, int64_t release_row, const struct image **ret);
/* snapshot_line.c; free with line_free(), images_free() */
int line_load(struct tx *tx, int64_t product_row, struct line **ret, struct error *err) MUST_CHECK;
int images_load(struct tx *tx, int64_t release_row, struct image **ret, size_t *ret_count,
                struct error *err) MUST_CHECK;
/* snapshot_steering.c; freezes that were over before `now` are left out. */
int steering_load(struct tx *tx, int64_t tenant_row, int64_t now, struct steering *ret,
                  struct error *err) MUST_CHECK;

/* -- apply_move.c: the only ways a state changes -- */

/* Who or what moves it, for the event. */
struct move {
    int64_t now, tenant_row;
    const char *cause; /* "poll", "report", "evidence", "timer", "operator", "server" */
    const char *detail;
    const uint8_t *message_hash; /* of the report, or NULL */
    const char *told;            /* all of it, as JSON, or NULL */
};

/* Saves the row with whatever else the caller changed in it, moves the counts, appends the event,
 * and brakes the campaign when a failure was added. The table must allow the move (asserted); what
 * was only to be downloaded ends in the state it is in. */
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
/* The device sees the cancel until it answers it. */
int deployment_ask_to_cancel(struct tx *tx, struct deployment *deployment, const struct move *move,
                             struct error *err) MUST_CHECK;
int campaign_move(struct tx *tx, struct campaigns *campaigns, struct campaign *campaign,
                  enum campaign_state to, const struct move *move, struct error *err) MUST_CHECK;
/* One that is over already: what is still being fetched is cut and refused. */
int campaign_sever(struct tx *tx, struct campaigns *campaigns, struct campaign *campaign,
                   const struct move *move, struct error *err) MUST_CHECK;
/* The detail is kept as the wave's reason. Who holds it sets held_for before. */
int wave_move(struct tx *tx, struct campaigns *campaigns, struct wave *wave, enum wave_state to,
              const struct move *move, struct error *err) MUST_CHECK;

int campaign_need(struct tx *tx, int64_t campaign_row, struct campaign *ret,
                  struct error *err) MUST_CHECK; /* NO_SUCH_CAMPAIGN */

#define SILENT "silent" /* class of what is taken for installing because nothing is heard of it */
#define LEFT "left"     /* class of what is cancelled because the device has left its campaign */

/* What one counts as to the gates: a state, or a word of our own for a state that means something
 * else here (to be tried again; all there was to do was to download it). */
enum outcome outcome_counted(const char *counted_as);
/* It was not let go yet: offered and not one byte fetched, or it waits for consent. */
bool deployment_is_untouched(struct campaigns *campaigns, const struct deployment *deployment);
static inline bool deployment_awaits_consent(const struct deployment *deployment)
{
    return deployment->is_open && deployment->asks_consent && !deployment->consent_at;
}
/* What a cancel ends in: whoever has merely left may come back. */
enum deployment_state deployment_cancelled_as(const struct deployment *deployment);
/* For the timeline, without a move. */
int deployment_tell(struct tx *tx, const struct deployment *deployment, const char *kind,
                    const char *to, const struct move *move, struct error *err) MUST_CHECK;

enum deployment_state deployment_state_in(const struct deployment *deployment);
enum campaign_state campaign_state_in(const struct campaign *campaign);
enum wave_state wave_state_in(const struct wave *wave);

/* -- apply_overview.c -- */

/* A campaign with its waves and counts. */
struct overview {
    struct campaign campaign;
    struct rules rules;
    struct wave *waves;
    size_t wave_count;
    struct tally whole;
    struct tally tallies[RULES_WAVES_MAX]; /* per wave; active members as last counted */
    int64_t silent;                        /* offered it and expected to be heard of */
    enum brake strata_brake; /* of the stratum with budgets of its own that is worst off */
    struct tally worst;      /* its outcomes, where one brakes */
    char worst_stratum[STRATUM_SIZE];
};
int overview_load(struct tx *tx, int64_t campaign_row, struct overview *ret,
                  struct error *err) MUST_CHECK; /* NO_SUCH_CAMPAIGN */
void overview_clear(struct overview *overview);
/* The budgets over one wave, over all and of each stratum, less the accepted failures. */
enum brake overview_brake(const struct overview *overview, int wave);
enum brake overview_brake_of_wave(const struct overview *overview, int wave); /* without strata */
/* An operator takes on what has failed until now, in every scope by itself: `most` of the whole, of
 * each wave and of each stratum. What fails later counts in full. The caller saves the campaign. */
int overview_accept(struct tx *tx, struct overview *overview, int64_t most,
                    struct error *err) MUST_CHECK;
/* A failure was taken back: what was taken on of it hides no other one. */
int overview_clamp_accepted(struct tx *tx, int64_t campaign_row, struct error *err) MUST_CHECK;
/* The first wave that is neither passed nor skipped; NULL when all are. */
struct wave *overview_current(const struct overview *overview);
/* apply_move.c: to open, from wherever the wave was; the time for the dead-man rule counts anew. */
int wave_open(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
              struct wave *wave, const struct move *move, struct error *err) MUST_CHECK;

/* -- apply_evidence.c -- */

/* What the device fell back from is not offered to it again for a while. */
int deployment_quarantine(struct tx *tx, const struct deployment *deployment, int64_t now,
                          struct error *err) MUST_CHECK;
/* A floor on the way to the campaign's release, which the device has proven: what follows is the
 * next step. */
bool deployment_is_done_step(const struct deployment *deployment, const char *release_version);

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
    bool is_drawn; /* a count wave got its limits now */
    struct drawn drawn;
};
int headcount_take(struct tx *tx, const struct overview *overview, size_t wave, int64_t now,
                   struct headcount *ret, struct error *err) MUST_CHECK;
void headcount_clear(struct headcount *count);

/* What a plan would reach if it began now; nothing is written. */
#define PREVIEW_SAMPLE 10
struct preview_count {
    int64_t matching;          /* active devices the target names */
    int64_t devices;           /* of these: would take the release and were seen lately */
    int64_t stale;             /* would take it, but were not */
    int64_t excluded[REASONS]; /* would not take it, by the resolver's reason */
    int64_t waves[RULES_WAVES_MAX];
    int64_t bytes;
    char sample[PREVIEW_SAMPLE][DEVICE_ID_SIZE]; /* those with the smallest ranks */
    size_t sample_count;
    int64_t warned[CLIENT_WARNING_COUNT]; /* of `devices`: of those whose client it does not suit */
};
/* Of these: in the campaign's channel too. What `expected` is about. */
static inline int64_t preview_population(const struct preview_count *count)
{
    return count->matching - count->excluded[REASON_CHANNEL];
}
/* `plan` is of plan_make() without waves; `release` is what clients may stumble over, NULL when
 * nobody asks. */
int preview_take(struct tx *tx, const struct plan *plan, const struct client_release *release,
                 int64_t now, struct preview_count *ret, struct error *err) MUST_CHECK;

/* -- apply_question.c: the resolver's question about a device -- */

/* A device as the pure files see it; borrows both. */
struct lookup {
    struct tx *tx;
    int64_t device_row;
};
struct filter_subject subject_of(const struct device *device, struct lookup *lookup);
struct past past_of(const struct deployment *deployment);

/* A device's latest deployments; campaigns of older ones are over, but for some. */
#define PASTS_MAX 16
#define PASTS_ROOM 24 /* with those */
/* Large, and points into itself: it stays where it was filled. */
struct inquiry {
    struct question question; /* `note` is the caller's to set */
    struct snapshot *snapshot;
    struct campaigns *campaigns;
    const struct device *device;
    enum prestaging asker; /* the caller's to set; PRESTAGES */
    struct lookup lookup;
    struct past pasts[PASTS_ROOM];
    struct deployment deployments[PASTS_ROOM];
    size_t count;
};
/* Loads what the resolver asks for of this device, which is borrowed; without a live campaign
 * nothing is read. End it with inquiry_end() in either case. */
int question_make(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                  int64_t now, struct inquiry *ret, struct error *err) MUST_CHECK;
void inquiry_end(struct inquiry *inquiry);
/* Loads the device's row in a campaign where the latest ones left it out; whether there was one. */
int inquiry_add(struct inquiry *inquiry, int64_t campaign_row, bool *ret,
                struct error *err) MUST_CHECK;
/* After its deployments have changed. */
void inquiry_renew(struct inquiry *inquiry);
/* Open, or closed by the device's word and still without evidence: answered before any campaign is
 * looked at. NULL when there is none. */
struct deployment *inquiry_current(struct inquiry *inquiry);
/* How many are open. */
size_t inquiry_open(const struct inquiry *inquiry);
/* Whether the resolver now wants something better than this deployment brings, which can still be
 * stopped. */
int inquiry_overtakes(const struct inquiry *inquiry, const struct deployment *current, bool *ret,
                      struct error *err) MUST_CHECK;
/* A new offer to whoever would install at once waits for the install window. */
void inquiry_hold(const struct inquiry *inquiry, struct resolution *resolution);
/* It waited for consent, and has it now. */
bool deployment_may_begin(const struct deployment *deployment);
/* It has not begun: it waits with its campaign, and for the time the campaign goes by. */
bool inquiry_waits(const struct inquiry *inquiry, const struct deployment *deployment);
/* An open one is not shown for the reason in its terms. A person may agree at any time. */
bool inquiry_is_later(const struct inquiry *inquiry, const struct deployment *deployment,
                      const struct resolution *terms);
/* How the release is to be installed now; what the device's person agreed to is forced. Reasons are
 * those of resolve_time(), REASON_REFETCH and REASON_UNVERIFIED. */
int inquiry_terms(const struct inquiry *inquiry, const struct deployment *deployment,
                  struct resolution *ret, struct error *err) MUST_CHECK;

/* -- apply_device.c: what is said of one device's deployment apart from its reports -- */

/* Consent is given, with the words for the timeline; NULL: those it was given ahead with. */
int deployment_agree(struct tx *tx, struct deployment *deployment, const char *by,
                     const struct move *move, struct error *err) MUST_CHECK;
/* What was agreed to is over: the device is asked anew. */
int deployment_forget_consent(struct tx *tx, struct deployment *deployment,
                              struct error *err) MUST_CHECK;
/* Failed, fell back, lost, declined or cancelled. */
bool deployment_is_failed(const struct deployment *deployment);
/* Such a one is withdrawn without blame: the next poll offers it anew, with all attempts before it
 * and out of quarantine. */
int deployment_try_again(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                         const struct move *move, struct error *err) MUST_CHECK;

/* -- apply_leases.c: capacity asked, taken and given back -- */

int leases_new(struct campaigns *campaigns, struct error *err) MUST_CHECK;
/* Once after the start: who was fetching goes on. */
int leases_restore(struct tx *tx, struct campaigns *campaigns, const struct snapshot *snapshot,
                   int64_t now, struct error *err) MUST_CHECK;
/* Of a question: suits resolve_look_fn, its argument is the inquiry. */
enum admission leases_look(void *inquiry, const struct plan *plan, int64_t *ret_wait);
/* On the writer. `deployment` is the row of an earlier attempt or a fresh one. */
enum admission leases_take(const struct inquiry *inquiry, const struct plan *plan,
                           const struct deployment *deployment, struct capacity_grant *ret);
/* Something came of this deployment, or a transfer runs: its lease goes on, or is taken again. */
int leases_keep(struct tx *tx, struct campaigns *campaigns, const struct plan *plan,
                const struct deployment *deployment, int64_t now, struct error *err) MUST_CHECK;
/* After a move: once nothing is to be fetched any more, the lease is given back. */
int leases_follow(struct tx *tx, struct campaigns *campaigns, const struct deployment *deployment,
                  struct error *err) MUST_CHECK;

/* -- apply_plan.c: campaigns made from plans -- */

/* A draft that is not stored: release, channel and device lists looked up, the plan with the lists'
 * hashes. Clear it with campaign_clear(). */
int campaign_from_rules(struct tx *tx, int64_t tenant_row, const struct rules *rules,
                        struct campaign *ret, struct error *err) MUST_CHECK;
/* Stores a draft with its waves, and the audit line. Clear it with campaign_clear(). */
struct new_campaign {
    int64_t tenant_row;
    const struct rules *rules;
    const char *name;
    int64_t parent_row; /* 0: none */
};
int campaign_make(struct tx *tx, struct campaigns *campaigns, const struct new_campaign *wish,
                  const struct actor *actor, int64_t now, struct campaign *ret,
                  struct error *err) MUST_CHECK;

int campaign_audit(struct tx *tx, const struct campaign *campaign, const struct actor *actor,
                   const char *action, const struct move *move, struct error *err) MUST_CHECK;

/* The words an operator says with a change; NULL without, BAD_FIELD when too long to be kept. */
int operator_words(const json_t *arguments, const char *name, const char **ret,
                   struct error *err) MUST_CHECK;

/* -- apply_begin.c -- */

#define QUEUED "queued behind " /* how a queued one's reason begins */

/* Draft or review to scheduled; a problem when approvals are missing. */
int campaign_schedule(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
                      const struct move *move, struct error *err) MUST_CHECK;

/* From draft, review or scheduled as far as it may go now, at best to running: approvals, start_at,
 * release, expected population, and what becomes of the channel's older campaigns. Not yet its time
 * is no failure: it stays where it is, with the reason in state_reason. What speaks against it is a
 * problem when an operator (move's cause) starts it; otherwise it pauses, for "guard". */
int campaign_begin(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
                   const struct move *move, struct error *err) MUST_CHECK;
/* One that a guard has paused before it began: an operator has seen how many there are. */
int campaign_begin_anyway(struct tx *tx, struct campaigns *campaigns, struct overview *overview,
                          const struct move *move, struct error *err) MUST_CHECK;
/* On a reader, before the start of one whose time has come: counts what the start will ask for. */
int campaign_reckon(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                    int64_t now, struct error *err) MUST_CHECK;
/* Whether all its devices are held back by the emergency stop or a freeze, so that it had better
 * not begin; `ret_reason` says by which. Standing campaigns are not asked. */
int campaign_is_held_back(struct tx *tx, const struct rules *rules, int64_t tenant_row, int64_t now,
                          char ret_reason[STATE_REASON_SIZE], bool *ret,
                          struct error *err) MUST_CHECK;
/* Offers that nobody took up end with the halt itself, as far as one transaction may take; the
 * ticker ends the rest. */
int campaign_stop_offers(struct tx *tx, struct campaigns *campaigns,
                         const struct campaign *campaign, const struct move *move,
                         struct error *err) MUST_CHECK;

/* -- apply_reckon.c: how many devices a start is about -- */

/* The other campaigns of a channel. */
#define OTHERS_MAX 64
struct others {
    const struct campaign *campaign;
    bool with_finishing; /* what replaces it need not wait for the end of its watch */
    int64_t rows[OTHERS_MAX];
    size_t count;
};
/* Active devices of its target and channel; of these, in the target of another campaign too. As
 * counted ahead when that was just done. */
int reckon_population(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                      int64_t now, int64_t *ret, struct error *err) MUST_CHECK;
int reckon_shared(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                  int64_t other_row, int64_t now, int64_t *ret, struct error *err) MUST_CHECK;
/* What a start of this one asks for. */
int reckon_ahead(struct tx *tx, struct campaigns *campaigns, const struct overview *overview,
                 const struct others *others, int64_t now, struct error *err) MUST_CHECK;

/* -- apply_waves.c -- */

/* Moves one running campaign on by time and counts, as far as it goes now. */
int waves_advance(struct campaigns *campaigns, int64_t campaign_row, int64_t now,
                  struct error *err) MUST_CHECK;

/* -- apply_transfers.c: bytes served, in memory between two rounds -- */

int transfers_new(struct transfers **ret, struct error *err) MUST_CHECK;
void transfers_free(struct transfers **transfers);
/* Since when nothing new came of a download that has begun and is not done: longer than `stall` is
 * told as stalled. */
bool deployment_is_stalled(struct campaigns *campaigns, const struct deployment *deployment,
                           int64_t stall, int64_t now);
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
