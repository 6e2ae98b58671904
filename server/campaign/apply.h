/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns for the rest of the house: loads through store/, asks the pure files, writes back. */
#ifndef OTAD_CAMPAIGN_APPLY_H
#define OTAD_CAMPAIGN_APPLY_H

#include "campaign/filter.h"
#include "campaign/rules.h"
#include "core/config.h"
#include "core/json.h"
#include "store/deployment.h"

/* The running campaigns, compiled: filters parsed, waves with limits. One immutable snapshot that
 * is replaced after a commit that changed a campaign; taken at each poll. */
struct campaigns;
int campaigns_open(struct store *store, const struct config *config, struct campaigns **ret,
                   struct error *err) MUST_CHECK;
/* Writes what was sent since the last round: after the last transfer, before the store closes. */
void campaigns_close(struct campaigns **campaigns);
/* What is compiled is made anew after this tx commits: whoever writes a campaign, wave, channel,
 * baseline, freeze, site, pin or release asks for it in the same tx. */
int campaign_touch(struct tx *tx, struct campaigns *campaigns, struct error *err) MUST_CHECK;
/* The emergency stop was set or lifted: the same, and every running transfer is cut. */
int campaigns_halt_changed(struct tx *tx, struct campaigns *campaigns,
                           struct error *err) MUST_CHECK;

/* What a device should be told at a poll. */
enum verdict {
    VERDICT_NOTHING, /* nothing to do (or deferred: poll_after says when to ask again) */
    VERDICT_OFFER,   /* an open deployment, existing or (on the writer) just made */
    VERDICT_CANCEL,  /* an open deployment that is to be stopped */
    VERDICT_WRITE,   /* an offer must be written: ask again on the writer */
};
#define RISK_SIZE 1001
struct decision {
    enum verdict verdict;
    int64_t action; /* VERDICT_OFFER, VERDICT_CANCEL */
    int64_t deployment_row, campaign_row;
    int64_t release_row; /* may be a step on the way to the campaign's */
    int64_t attempt;
    int64_t rate;         /* bytes per second of its transfers; 0: the server's */
    enum install install; /* as things stand now: force_at has passed, the window has opened */
    int64_t install_wait; /* seconds until it may be installed; until then it is prestaged */
    bool asks_consent;    /* the device must agree before it may fetch */
    bool awaits_consent;  /* VERDICT_OFFER: and did not yet */
    bool has_window, window_is_open; /* its plan has install windows, and how they stand */
    bool is_download_only;           /* its plan says prestage, whatever its windows */
    char state[16];                  /* of the deployment */
    int64_t poll_after;              /* seconds, spread already; 0: the usual interval */
    char reason[32];      /* resolver's machine-readable code, e.g. "already", "no_campaign" */
    char risk[RISK_SIZE]; /* what the person at the device should know; "" */
};

/* How the asker takes an offer that it may fetch but not install yet. One that knows no such thing
 * is offered nothing new while the install window is closed; what it has begun goes on, forced. */
enum prestaging { PRESTAGES, INSTALLS_AT_ONCE };

/* The resolver at a poll. With a read tx it changes nothing and may answer
 * VERDICT_WRITE; with a write tx it makes the offer, feeds the confirmation logic (a poll is
 * evidence) and moves states. */
int campaign_poll_by(struct tx *tx, struct campaigns *campaigns, struct device *device,
                     enum prestaging asker, int64_t now, struct decision *ret,
                     struct error *err) MUST_CHECK;
static inline MUST_CHECK int campaign_poll(struct tx *tx, struct campaigns *campaigns,
                                           struct device *device, int64_t now, struct decision *ret,
                                           struct error *err)
{
    return campaign_poll_by(tx, campaigns, device, PRESTAGES, now, ret, err);
}

/* The same terms for a deployment that a device asks about by itself: rate, install, risk. */
int campaign_terms_by(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                      const struct deployment *deployment, enum prestaging asker, int64_t now,
                      struct decision *ret, struct error *err) MUST_CHECK;
static inline MUST_CHECK int campaign_terms(struct tx *tx, struct campaigns *campaigns,
                                            const struct device *device,
                                            const struct deployment *deployment, int64_t now,
                                            struct decision *ret, struct error *err)
{
    return campaign_terms_by(tx, campaigns, device, deployment, PRESTAGES, now, ret, err);
}

/* What a device says of its deployment. */
enum report_kind {
    REPORT_PROGRESS, /* proceeding, scheduled, resumed, installing, verifying */
    REPORT_DOWNLOADING,
    REPORT_DOWNLOADED,
    REPORT_INSTALLING,
    REPORT_SUCCESS, /* closed/success, or native "confirmed" */
    REPORT_FAILURE,
    REPORT_REVERTED,  /* native "rolled_back" */
    REPORT_REJECTED,  /* the device declines or waits */
    REPORT_CANCELLED, /* acknowledges a cancel */
    REPORT_CANCEL_REFUSED,
    REPORT_NOTE,
};
struct report {
    enum report_kind kind;
    const char *class;  /* failure class, or NULL: derived from detail */
    const char *detail; /* the device's words, may be long; cut when stored; NULL */
    const char *told;   /* all it said, as a JSON object; stored with what comes of it; NULL */
    uint8_t hash[32];   /* of the body, with execution and finished: equal ones are one message */
    bool is_final;
};
enum report_result {
    REPORT_TAKEN,
    REPORT_DUPLICATE, /* the same again: answer as before */
    REPORT_CLOSED,    /* the deployment is over: DDI answers 410, native 409 */
};
int campaign_take_report(struct tx *tx, struct campaigns *campaigns, struct device *device,
                         const struct deployment *deployment, const struct report *report,
                         int64_t now, enum report_result *ret, struct error *err) MUST_CHECK;

/* The person at the device agrees (or not) to a deployment that asks for it. Denied, it is offered
 * on, and what was being fetched waits again: the caller severs its transfers. NOT_FOUND when it
 * does not ask, GONE when it is over. */
struct consent {
    bool is_given;
    const char *by, *remark; /* NULL: "" */
    bool is_unasked;         /* given anyway: what is optional is due from then on */
};
int campaign_consent(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                     const struct deployment *deployment, const struct consent *consent,
                     int64_t now, struct error *err) MUST_CHECK;
/* Consent ahead of all that is to come, and for what waits; or no more. CONFLICT when it is given
 * already. */
int campaign_set_auto_confirm(struct tx *tx, struct campaigns *campaigns, struct device *device,
                              bool is_on, const char *by, const char *remark, int64_t now,
                              struct error *err) MUST_CHECK;

/* After device_take_evidence(): moves verifying, confirmed, reverted. */
int campaign_take_evidence(struct tx *tx, struct campaigns *campaigns, struct device *device,
                           int64_t now, struct error *err) MUST_CHECK;

/* A transfer for this deployment ended. Called off the writer, from the connection's thread: only
 * notes it in memory; the ticker writes (offered → downloading → downloaded). `is_whole` when the
 * span [0,size) is covered by what was served so far. */
void campaign_note_transfer(struct campaigns *campaigns, int64_t deployment_row, int64_t first,
                            int64_t sent, int64_t size);
/* The device has the whole image without a transfer. That counts as served, as what it resumes
 * after a restart of ours does, but as no fetch. */
void campaign_note_whole(struct campaigns *campaigns, int64_t deployment_row, int64_t size);
/* The transfer of an image is about to begin (noted as such), and is over. In between the
 * deployment counts as active. */
void campaign_transfer_begins(struct campaigns *campaigns, int64_t deployment_row, int64_t size);
void campaign_transfer_ends(struct campaigns *campaigns, int64_t deployment_row, int64_t size);

/* Whether this device may fetch this artifact now: it belongs to the release of an open, not
 * cancelled deployment of a running campaign, or (release_row set) to what it runs. */
enum step campaign_allows_artifact(struct tx *tx, int64_t device_row, int64_t target_row,
                                   struct decision *ret, struct error *err) MUST_CHECK;

/* The campaign clock: one thread, each round bounded. `sever` is called after a commit that stops
 * transfers (abort, hard cancel, withdrawal): campaign and release rows, 0 for any. */
typedef void (*sever_transfers_fn)(void *arg, int64_t campaign_row, int64_t release_row);
int campaigns_start_ticker(struct campaigns *campaigns, sever_transfers_fn sever, void *arg,
                           struct error *err) MUST_CHECK;
void campaigns_stop_ticker(struct campaigns *campaigns);
/* Action ids are never given twice, not even after an old backup was put back: from now on they are
 * higher than any that were given out at a moderate rate until `now`. The ticker's start does it.
 */
int campaigns_raise_actions(struct campaigns *campaigns, int64_t now, struct error *err) MUST_CHECK;
/* One round, for tests. */
int campaigns_tick(struct campaigns *campaigns, int64_t now, struct error *err) MUST_CHECK;

/* Operator's side; rows and JSON out are for api/operator. */
struct actor {
    const char *kind, *id, *source, *request;
};
int campaign_create(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                    const json_t *wish, const struct actor *actor, int64_t now, int64_t *ret_row,
                    struct error *err) MUST_CHECK;
enum campaign_verb {
    CAMPAIGN_START,
    CAMPAIGN_PAUSE,
    CAMPAIGN_RESUME,
    CAMPAIGN_ABORT,
    CAMPAIGN_CANCEL,
    CAMPAIGN_SUBMIT,
    CAMPAIGN_APPROVE,
    CAMPAIGN_REFUSE,
    CAMPAIGN_VERBS
};
int campaign_act(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                 enum campaign_verb verb, const json_t *arguments, const struct actor *actor,
                 int64_t now, struct error *err) MUST_CHECK;
/* A draft's or reviewed campaign's whole plan, replaced: back to draft. */
int campaign_edit(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                  const json_t *json, const struct actor *actor, int64_t now,
                  struct error *err) MUST_CHECK;
/* On a reader, before it is started: counts the fleet. Refuses targets that are empty or broad and
 * not confirmed by `expected`, and those of which no device can take the release. */
int campaign_check_reach(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                         int64_t now, struct error *err) MUST_CHECK;
/* The same of a plan that is to be made and started at once; does nothing when it is not. */
int campaign_check_plan(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                        const json_t *json, int64_t now, struct error *err) MUST_CHECK;
enum wave_verb { WAVE_VERB_HOLD, WAVE_VERB_REOPEN, WAVE_VERB_PASS, WAVE_VERB_SKIP, WAVE_VERBS };
struct wave_act {
    int64_t campaign_row, position; /* from 0 */
    enum wave_verb verb;
    const json_t *arguments; /* {"reason"}; NULL */
};
int campaign_wave_act(struct tx *tx, struct campaigns *campaigns, const struct wave_act *act,
                      const struct actor *actor, int64_t now, struct error *err) MUST_CHECK;
/* Raises a percentage: {"percent", "reason"}. `verb` is not looked at. */
int campaign_wave_dial(struct tx *tx, struct campaigns *campaigns, const struct wave_act *act,
                       const struct actor *actor, int64_t now, struct error *err) MUST_CHECK;
/* A device that failed, fell back, was lost or declined gets the offer again. */
int campaign_retry_device(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                          const struct device *device, const json_t *arguments,
                          const struct actor *actor, int64_t now, struct error *err) MUST_CHECK;
/* One device's deployment: it is asked to cancel, and may refuse; with `is_forced` it is over at
 * once, and the caller severs its transfers. CONFLICT when it is over or asked already. A pin goes
 * with it. */
struct cancel_wish {
    bool is_forced;
    const char *reason; /* NULL: none */
};
int campaign_cancel_deployment(struct tx *tx, struct campaigns *campaigns,
                               const struct device *device, const struct deployment *deployment,
                               const struct cancel_wish *wish, const struct actor *actor,
                               int64_t now, struct error *err) MUST_CHECK;
/* Who approved or refused what, oldest first. The value is yours. */
int approval_list_json(struct tx *tx, int64_t campaign_row, json_t **ret,
                       struct error *err) MUST_CHECK;
/* The whole campaign with waves, counts and gate text. The value is yours. */
int campaign_to_json(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row, int64_t now,
                     json_t **ret, struct error *err) MUST_CHECK;
/* Newest first; NULL means any, or from the newest. Unknown names are BAD_FIELD. */
struct campaign_query {
    const char *state, *channel, *release, *after;
    int64_t limit;
};
int campaign_list_json(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                       const struct campaign_query *query, json_t **ret,
                       struct error *err) MUST_CHECK;
int deployment_list_json(struct tx *tx, int64_t campaign_row, const char *state, int64_t after,
                         int64_t limit, json_t **ret, struct error *err) MUST_CHECK;
/* The same of one device, the latest action first; `after` is the last action of the page before.
 */
int device_deployments_json(struct tx *tx, int64_t device_row, int64_t after, int64_t limit,
                            json_t **ret, struct error *err) MUST_CHECK;
/* One of them, as it is stored. The value is yours. */
int deployment_to_json(struct tx *tx, const struct deployment *deployment, json_t **ret,
                       struct error *err) MUST_CHECK;
/* What such a poll would be answered, step by step, with codes and sentences (GET
 * …/devices/{id}/explain). */
int campaign_explain_json(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                          enum prestaging asker, int64_t now, json_t **ret,
                          struct error *err) MUST_CHECK;
/* Devices per wave, bytes, exclusions: nothing is written. */
int campaign_preview_json(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                          const json_t *wish, int64_t now, json_t **ret,
                          struct error *err) MUST_CHECK;
/* A revoked or retired device leaves its campaigns. */
int campaign_remove_device(struct tx *tx, struct campaigns *campaigns, int64_t device_row,
                           int64_t now, struct error *err) MUST_CHECK;

#endif
