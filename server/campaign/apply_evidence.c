/* SPDX-License-Identifier: Apache-2.0 */
/* What a device proves moves its deployment, whatever it has said: version evidence outranks a
 * reported failure, a fall back outranks both. */
#include "campaign/engine.h"

#include "campaign/evidence.h"

#include <string.h>

#define DEPLOYMENTS_WEIGHED 16
#define QUARANTINE_SECONDS (30 * 86400) /* until an operator's retry, or another release */

static int release_version(struct tx *tx, int64_t release_row, char ret[VERSION_SIZE],
                           struct error *err)
{
    struct release release;
    enum step step = release_by_row(tx, release_row, &release, err);

    if (step == STEP_FAILED)
        return -1;
    snprintf(ret, VERSION_SIZE, "%s", step == STEP_ROW ? release.version : "");
    return 0;
}

static struct traces traces_of(const struct deployment *deployment, const struct device *device,
                               const char *version)
{
    return (struct traces){
        .release_version = version,
        .version = device->version,
        .boot_id = device->boot_id,
        .uptime = device->uptime,
        .version_before = deployment->version_before,
        .boot_id_before = deployment->boot_id_before,
        .polls_since = deployment->polls_since,
        .verifying_since = deployment->state_at,
    };
}

int deployment_is_evident(struct tx *tx, const struct deployment *deployment,
                          const struct device *device, bool *ret, struct error *err)
{
    char version[VERSION_SIZE];

    if (release_version(tx, deployment->release_row, version, err))
        return -1;
    struct traces traces = traces_of(deployment, device, version);
    /* Once verified, boot_id_before is the last boot seen: that there was a new one is known. */
    if (deployment_state_in(deployment) == DEPLOYMENT_VERIFYING)
        traces.boot_id_before = "";
    *ret = evidence_of_install(&traces);
    return 0;
}

bool deployment_awaits_poll(const struct deployment *deployment, const struct plan *plan,
                            int64_t now)
{
    return strcmp(deployment->state, deployment_state_name(DEPLOYMENT_VERIFYING)) == 0 &&
           (deployment->polls_since < POLLS_TO_CONFIRM ||
            (plan && now - deployment->state_at >= plan->rules.confirm_after));
}

bool deployment_is_done_step(const struct deployment *deployment, const char *release_version)
{
    return deployment_state_in(deployment) == DEPLOYMENT_WITHDRAWN && release_version[0] &&
           strcmp(deployment->version_before, release_version) == 0;
}

/* No outcome yet: the next poll is offered the next step. */
static int end_step(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                    const struct release *release, const struct move *move, struct error *err)
{
    char detail[RELEASE_ID_SIZE + 16];
    struct move done = *move;

    snprintf(detail, sizeof detail, "step %s done", release->id);
    done.detail = detail;
    snprintf(deployment->version_before, sizeof deployment->version_before, "%s", release->version);
    deployment->failures = 0;
    return deployment_move(tx, campaigns, deployment, DEPLOYMENT_WITHDRAWN, &done, err);
}

int deployment_settle(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                      const struct device *device, const struct move *move, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    CLEANUP(rules_clear) struct rules rules = {0};
    struct release release = {0};

    if (campaign_need(tx, deployment->campaign_row, &campaign, err) ||
        rules_load(campaign.plan, NULL, &rules, err) ||
        release_by_row(tx, deployment->release_row, &release, err) == STEP_FAILED)
        return -1;
    const struct traces traces = traces_of(deployment, device, release.version);
    if (!evidence_confirms(&traces, rules.confirm_after, move->now, &deployment->is_unproven))
        return 0;
    deployment->is_open = false;
    if (deployment->release_row != campaign.release_row)
        return end_step(tx, campaigns, deployment, &release, move, err);
    return deployment_move(tx, campaigns, deployment, DEPLOYMENT_CONFIRMED, move, err);
}

int deployment_verify(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                      const struct device *device, const struct move *move, struct error *err)
{
    deployment->polls_since = 0;
    deployment->boots_since = 1;
    deployment->boots_from = move->now;
    deployment->is_cancelling = false; /* too late */
    deployment->held_until_at = 0;
    snprintf(deployment->boot_id_before, sizeof deployment->boot_id_before, "%s", device->boot_id);
    if (deployment_move(tx, campaigns, deployment, DEPLOYMENT_VERIFYING, move, err))
        return -1;
    struct move settled = *move; /* one report is one event */
    settled.told = NULL;
    return deployment_settle(tx, campaigns, deployment, device, &settled, err);
}

int deployment_quarantine(struct tx *tx, const struct deployment *deployment, int64_t now,
                          struct error *err)
{
    return device_quarantine(tx, deployment->device_row, now + QUARANTINE_SECONDS, err);
}

static int revert(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                  const char *class, const struct move *move, struct error *err)
{
    deployment->is_open = false;
    deployment->retry_at = 0;
    snprintf(deployment->class, sizeof deployment->class, "%s", class);
    if (deployment_quarantine(tx, deployment, move->now, err))
        return -1;
    return deployment_move(tx, campaigns, deployment, DEPLOYMENT_REVERTED, move, err);
}

/* Counts new boot ids; in state verifying, boot_id_before is the last one seen. */
static bool is_boot_loop(struct deployment *deployment, const struct device *device, int64_t now)
{
    if (now - deployment->boots_from > BOOT_LOOP_SECONDS) {
        deployment->boots_from = now;
        deployment->boots_since = 1;
    }
    if (device->boot_id[0] && strcmp(device->boot_id, deployment->boot_id_before) != 0) {
        deployment->boots_since++;
        snprintf(deployment->boot_id_before, sizeof deployment->boot_id_before, "%s",
                 device->boot_id);
    }
    return deployment->boots_since >= BOOT_LOOP_BOOTS;
}

static int weigh_verifying(struct tx *tx, struct campaigns *campaigns,
                           struct deployment *deployment, const struct device *device,
                           const struct move *move, struct error *err)
{
    char version[VERSION_SIZE];

    if (release_version(tx, deployment->release_row, version, err))
        return -1;
    const struct traces traces = traces_of(deployment, device, version);
    if (evidence_of_loss(&traces))
        return revert(tx, campaigns, deployment, "reverted", move, err);
    if (is_boot_loop(deployment, device, move->now))
        return revert(tx, campaigns, deployment, "boot", move, err);
    if (deployment_save(tx, deployment, NULL, err))
        return -1;
    return deployment_settle(tx, campaigns, deployment, device, move, err);
}

/* What is weighed of one device together. */
struct weighing {
    struct campaigns *campaigns;
    const struct snapshot *snapshot;
    const struct device *device;
    struct deployment deployments[DEPLOYMENTS_WEIGHED];
    size_t count;
    struct move move;
};

/* A later deployment has brought the version that runs now: the way back was meant. */
static int was_brought(struct tx *tx, const struct weighing *w, const struct deployment *deployment,
                       bool *ret, struct error *err)
{
    char version[VERSION_SIZE];

    *ret = false;
    for (size_t i = 0; i < w->count && !*ret; i++) {
        const struct deployment *other = &w->deployments[i];

        if (other->row_id == deployment->row_id || other->offered_at < deployment->state_at)
            continue;
        if (release_version(tx, other->release_row, version, err))
            return -1;
        *ret = strcmp(version, w->device->version) == 0;
    }
    return 0;
}

/* A campaign's late failures count as long as it lives; a standing one's for as long as it watches
 * each device. */
static bool is_watched(const struct weighing *w, const struct deployment *deployment)
{
    const struct plan *plan = snapshot_find(w->snapshot, deployment->campaign_row);

    return plan &&
           (!plan_is_standing(plan) || w->move.now - deployment->state_at <= plan->rules.watch);
}

/* A later deployment has brought it elsewhere since: a fall from there is that one's. */
static bool is_history(const struct weighing *w, const struct deployment *deployment)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct deployment *other = &w->deployments[i];
        enum deployment_state state = deployment_state_in(other);

        if (other->row_id != deployment->row_id && other->offered_at >= deployment->state_at &&
            (state == DEPLOYMENT_VERIFYING || state == DEPLOYMENT_CONFIRMED ||
             state == DEPLOYMENT_REVERTED))
            return true;
    }
    return false;
}

/* What runs now is no way forward: what ran before, something older, or nothing we know of. A later
 * release that somebody brought by hand is no fall. */
static bool is_fall(const struct weighing *w, const struct deployment *deployment)
{
    const struct plan *plan = snapshot_find(w->snapshot, deployment->campaign_row);
    const char *version = w->device->version;

    if (strcmp(version, deployment->version_before) == 0)
        return true;
    if (!plan || !plan->line || is_history(w, deployment))
        return false;
    const struct line_release *runs = line_running(plan->line, version);
    const struct line_release *had = line_release(plan->line, deployment->release_row);

    return !runs || (had && runs->counter < had->counter);
}

static int weigh_confirmed(struct tx *tx, const struct weighing *w, struct deployment *deployment,
                           const struct traces *traces, struct error *err)
{
    const char *boot_id = w->device->boot_id;
    bool fell_back = evidence_of_loss(traces) && is_fall(w, deployment);
    bool is_new_boot = boot_id[0] && strcmp(boot_id, deployment->boot_id_before) != 0;
    bool was_meant = false;

    if (!is_watched(w, deployment) || (!fell_back && !is_new_boot))
        return 0;
    if (fell_back && was_brought(tx, w, deployment, &was_meant, err))
        return -1;
    if (fell_back)
        return was_meant ? 0 : revert(tx, w->campaigns, deployment, "reverted", &w->move, err);
    if (!evidence_of_loss(traces) && is_boot_loop(deployment, w->device, w->move.now))
        return revert(tx, w->campaigns, deployment, "boot", &w->move, err);
    return deployment_save(tx, deployment, NULL, err);
}

static int weigh(struct tx *tx, const struct weighing *w, struct deployment *deployment,
                 struct error *err)
{
    char version[VERSION_SIZE];
    enum deployment_state state = deployment_state_in(deployment);

    if (state == DEPLOYMENT_VERIFYING)
        return weigh_verifying(tx, w->campaigns, deployment, w->device, &w->move, err);
    if (release_version(tx, deployment->release_row, version, err))
        return -1;
    const struct traces traces = traces_of(deployment, w->device, version);
    if (state == DEPLOYMENT_CONFIRMED)
        return weigh_confirmed(tx, w, deployment, &traces, err);
    if (state == DEPLOYMENT_DOWNLOADED && !deployment->is_open) /* it was to be no more than that */
        return 0;
    if (deployment_may_move(state, DEPLOYMENT_VERIFYING) && evidence_of_install(&traces) &&
        !deployment_is_done_step(deployment, version))
        return deployment_verify(tx, w->campaigns, deployment, w->device, &w->move, err);
    if (state == DEPLOYMENT_INSTALLING && evidence_of_fallback(&traces))
        return revert(tx, w->campaigns, deployment, "reverted", &w->move, err);
    return 0;
}

/* A campaign that is over keeps its counts; only what was still at work goes on to its end. */
static bool is_live(const struct snapshot *snapshot, const struct deployment *deployment)
{
    const struct plan *plan = snapshot_find(snapshot, deployment->campaign_row);

    return plan && !campaign_is_over(plan->state);
}

static int weigh_all(struct tx *tx, struct weighing *w, struct error *err)
{
    for (size_t i = 0; i < w->count; i++) {
        struct deployment *deployment = &w->deployments[i];
        enum deployment_state state = deployment_state_in(deployment);
        bool is_at_work =
            deployment->is_open || state == DEPLOYMENT_INSTALLING || state == DEPLOYMENT_VERIFYING;

        if ((is_at_work || is_live(w->snapshot, deployment)) && weigh(tx, w, deployment, err))
            return -1;
    }
    return 0;
}

int campaign_take_evidence(struct tx *tx, struct campaigns *campaigns, struct device *device,
                           int64_t now, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(campaigns);
    struct weighing w; /* not zeroed: large */

    w.campaigns = campaigns;
    w.snapshot = snapshot;
    w.device = device;
    w.move = (struct move){.now = now, .tenant_row = device->tenant_row, .cause = "evidence"};
    if (deployments_of_device(tx, device->row_id, w.deployments, DEPLOYMENTS_WEIGHED, &w.count,
                              err))
        return -1;
    return weigh_all(tx, &w, err);
}
