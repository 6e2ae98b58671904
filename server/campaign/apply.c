/* SPDX-License-Identifier: Apache-2.0 */
/* A poll: one look at the device's deployments, then the resolver over the compiled campaigns. On a
 * reader nothing is changed; where something must be, VERDICT_WRITE sends the same poll to the
 * writer, which decides anew on what is true there. */
#include "campaign/engine.h"

#include <string.h>

#define PASTS_MAX 16 /* a device's latest deployments; older campaigns are long over */

struct poll {
    struct tx *tx;
    struct campaigns *campaigns;
    const struct snapshot *snapshot;
    struct device *device;
    struct deployment deployments[PASTS_MAX];
    size_t count;
    struct move move;
};

/* -- a device as the filter sees it -- */

static int look_up_attribute(void *arg, const char *name, char *ret, size_t room, bool *ret_found,
                             struct error *err)
{
    const struct lookup *lookup = arg;

    return device_attribute(lookup->tx, lookup->device_row, name, ret, room, ret_found, err);
}

static int look_up_tag(void *arg, const char *tag, bool *ret, struct error *err)
{
    const struct lookup *lookup = arg;

    return device_has_tag(lookup->tx, lookup->device_row, tag, ret, err);
}

struct filter_subject subject_of(const struct device *device, struct lookup *lookup)
{
    return (struct filter_subject){
        .id = device->id,
        .model = device->model,
        .hardware = device->hardware,
        .site = device->site,
        .version = device->version,
        .state = device_state_name(device->state),
        .attribute = look_up_attribute,
        .has_tag = look_up_tag,
        .arg = lookup,
    };
}

int filter_matches_device(const struct filter *filter, struct tx *tx, const struct device *device,
                          bool *ret, struct error *err)
{
    struct lookup lookup = {tx, device->row_id};
    const struct filter_subject subject = subject_of(device, &lookup);

    return filter_matches(filter, &subject, ret, err);
}

/* -- answers -- */

static void answer(struct decision *ret, enum verdict verdict, const char *reason)
{
    ret->verdict = verdict;
    snprintf(ret->reason, sizeof ret->reason, "%s", reason);
}

static void answer_deployment(struct decision *ret, const struct deployment *deployment,
                              const struct plan *plan)
{
    ret->verdict = deployment->is_cancelling ? VERDICT_CANCEL : VERDICT_OFFER;
    ret->action = deployment->action;
    ret->deployment_row = deployment->row_id;
    ret->campaign_row = deployment->campaign_row;
    ret->release_row = deployment->release_row;
    ret->attempt = deployment->attempt;
    ret->rate = plan ? plan->rate : deployment->rate;
    snprintf(ret->state, sizeof ret->state, "%s", deployment->state);
    snprintf(ret->reason, sizeof ret->reason, "%s", deployment->is_cancelling ? "cancel" : "offer");
}

/* -- a deployment under way -- */

/* The campaign is over and this device can still be kept from it. */
static bool is_to_stop(const struct poll *poll, const struct plan *plan,
                       const struct deployment *deployment)
{
    enum deployment_state state = deployment_state_in(deployment);

    if (!plan || !campaign_is_over(plan->state) || deployment->is_cancelling)
        return false;
    if (plan->stops_transfers)
        return deployment_is_stoppable(state);
    return state == DEPLOYMENT_OFFERED && !transfers_have(poll->campaigns, deployment->row_id);
}

static bool is_on_hold(const struct poll *poll, const struct plan *plan,
                       const struct deployment *deployment)
{
    return plan && plan->state == CAMPAIGN_PAUSED &&
           deployment_state_in(deployment) == DEPLOYMENT_OFFERED &&
           !transfers_have(poll->campaigns, deployment->row_id);
}

static int count_poll(struct poll *poll, struct deployment *deployment, struct error *err)
{
    deployment->polls_since++;
    if (deployment_save(poll->tx, deployment, NULL, err))
        return -1;
    return deployment_settle(poll->tx, poll->campaigns, deployment, poll->device, &poll->move, err);
}

static int go_on(struct poll *poll, struct deployment *deployment, struct decision *ret,
                 struct error *err)
{
    const struct plan *plan = snapshot_find(poll->snapshot, deployment->campaign_row);
    bool stops = is_to_stop(poll, plan, deployment);
    bool counts = !stops && deployment_awaits_poll(deployment, plan, poll->move.now);

    if (is_on_hold(poll, plan, deployment)) {
        answer(ret, VERDICT_NOTHING, "paused");
        return 0;
    }
    if ((stops || counts) && !poll->tx->is_write) {
        answer(ret, VERDICT_WRITE, "changes");
        return 0;
    }
    if (stops && deployment_stop(poll->tx, poll->campaigns, deployment, plan->stops_transfers,
                                 &poll->move, err))
        return -1;
    if (counts && count_poll(poll, deployment, err))
        return -1;
    if (deployment->is_open)
        answer_deployment(ret, deployment, plan);
    else
        answer(ret, VERDICT_NOTHING, deployment->state);
    return 0;
}

/* Open, or closed by the device's word and still without evidence. */
static struct deployment *under_way(struct poll *poll)
{
    for (size_t i = 0; i < poll->count; i++) {
        enum deployment_state state = deployment_state_in(&poll->deployments[i]);

        if (poll->deployments[i].is_open || state == DEPLOYMENT_INSTALLING ||
            state == DEPLOYMENT_VERIFYING)
            return &poll->deployments[i];
    }
    return NULL;
}

/* -- a new offer -- */

/* On the writer the campaign's row is read again: it may have been paused since the snapshot, and
 * after a halt is acknowledged nobody gets an offer. */
static int may_offer(struct tx *tx, int64_t campaign_row, bool *ret, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};

    if (campaign_need(tx, campaign_row, &campaign, err))
        return -1;
    *ret = campaign_state_in(&campaign) == CAMPAIGN_RUNNING && campaign.release_is_published;
    return 0;
}

struct places {
    int wave;
    int64_t taken;
};

static int add_taken(int wave, const char *state, int64_t count, void *arg, struct error *err)
{
    struct places *places = arg;

    (void)state, (void)err;
    if (wave == places->wave)
        places->taken += count;
    return 0;
}

/* Places are taken on the writer, one after another. */
static int has_place(struct tx *tx, const struct plan *plan, int wave, bool *ret, struct error *err)
{
    struct band *band = &plan->bands[wave];
    struct places places = {.wave = wave};

    *ret = true;
    if (band->places == 0)
        return 0;
    if (deployment_counts(tx, plan->row_id, add_taken, &places, err))
        return -1;
    *ret = places.taken < band->places;
    if (!*ret)
        atomic_store_explicit(&band->is_full, true, memory_order_relaxed);
    return 0;
}

static int make_offer(struct poll *poll, const struct resolution *resolution, struct decision *ret,
                      struct error *err)
{
    const struct plan *plan = resolution->plan;
    struct deployment fresh = {.device_row = poll->device->row_id,
                               .campaign_row = plan->row_id,
                               .release_row = plan->release_row,
                               .wave = resolution->wave};
    struct deployment *deployment = &fresh;
    bool is_allowed;

    if (may_offer(poll->tx, plan->row_id, &is_allowed, err))
        return -1;
    if (!is_allowed) {
        answer(ret, VERDICT_NOTHING, reason_code(REASON_NOT_RUNNING));
        return 0;
    }
    for (size_t i = 0; i < poll->count; i++)
        if (poll->deployments[i].campaign_row == plan->row_id)
            deployment = &poll->deployments[i];
    if (deployment == &fresh && has_place(poll->tx, plan, resolution->wave, &is_allowed, err))
        return -1;
    if (!is_allowed) {
        answer(ret, VERDICT_NOTHING, reason_code(REASON_WAVE_FULL));
        return 0;
    }
    snprintf(deployment->version_before, sizeof deployment->version_before, "%s",
             poll->device->version);
    snprintf(deployment->boot_id_before, sizeof deployment->boot_id_before, "%s",
             poll->device->boot_id);
    if (deployment_offer(poll->tx, poll->campaigns, deployment, &poll->move, err))
        return -1;
    answer_deployment(ret, deployment, plan);
    return 0;
}

static int look_for_offer(struct poll *poll, struct decision *ret, struct error *err)
{
    struct lookup lookup = {poll->tx, poll->device->row_id};
    struct past pasts[PASTS_MAX];
    struct resolution resolution;
    const struct question question = {
        .facts = subject_of(poll->device, &lookup),
        .tenant_row = poll->device->tenant_row,
        .floor = poll->device->floor,
        .is_active = poll->device->state == DEVICE_ACTIVE,
        .pasts = pasts,
        .past_count = poll->count,
        .plans = poll->snapshot->plans,
        .plan_count = poll->snapshot->count,
        .now = poll->move.now,
    };

    for (size_t i = 0; i < poll->count; i++)
        pasts[i] = past_of(&poll->deployments[i]);
    if (resolve(&question, &resolution, err))
        return -1;
    answer(ret, VERDICT_NOTHING, reason_code(resolution.reason));
    if (resolution.until > poll->move.now)
        ret->poll_after = resolution.until - poll->move.now;
    if (resolution.reason != REASON_OFFER)
        return 0;
    if (poll->tx->is_write)
        return make_offer(poll, &resolution, ret, err);
    answer(ret, VERDICT_WRITE, reason_code(REASON_OFFER));
    return 0;
}

struct past past_of(const struct deployment *deployment)
{
    return (struct past){
        .campaign_row = deployment->campaign_row,
        .state = deployment_state_in(deployment),
        .wave = deployment->wave,
        .retry_at = deployment->retry_at,
    };
}

int campaign_poll(struct tx *tx, struct campaigns *campaigns, struct device *device, int64_t now,
                  struct decision *ret, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(campaigns);
    struct poll poll; /* not zeroed: large, and written before it is read */

    *ret = (struct decision){0};
    answer(ret, VERDICT_NOTHING, reason_code(REASON_NO_CAMPAIGN));
    if (device->state != DEVICE_ACTIVE)
        answer(ret, VERDICT_NOTHING, reason_code(REASON_DEVICE_STATE));
    if (device->state != DEVICE_ACTIVE || snapshot->count == 0)
        return 0;
    poll.tx = tx;
    poll.campaigns = campaigns;
    poll.snapshot = snapshot;
    poll.device = device;
    poll.move = (struct move){.now = now, .tenant_row = device->tenant_row, .cause = "poll"};
    if (deployments_of_device(tx, device->row_id, poll.deployments, PASTS_MAX, &poll.count, err))
        return -1;
    struct deployment *current = under_way(&poll);
    return current ? go_on(&poll, current, ret, err) : look_for_offer(&poll, ret, err);
}

/* -- fetching and leaving -- */

/* Who had begun before a pause may go on: a refusal would be a failure the device is not to blame
 * for. A mere offer is not honoured any more once its campaign stands or is over. */
enum step campaign_allows_artifact(struct tx *tx, int64_t device_row, int64_t target_row,
                                   struct decision *ret, struct error *err)
{
    struct permission permission = {0};
    enum step step = deployment_permission(tx, device_row, target_row, &permission, err);

    *ret = (struct decision){0};
    if (step != STEP_ROW)
        return step;
    if (!permission.deployment.row_id) {
        ret->release_row = permission.deployment.release_row;
        answer(ret, VERDICT_OFFER, "installed");
        return STEP_ROW;
    }
    bool is_running = strcmp(permission.campaign_state, campaign_state_name(CAMPAIGN_RUNNING)) == 0;
    if (!is_running && deployment_state_in(&permission.deployment) == DEPLOYMENT_OFFERED)
        return STEP_DONE;
    answer_deployment(ret, &permission.deployment, NULL);
    return STEP_ROW;
}

static bool is_unresolved(const struct deployment *deployment)
{
    enum deployment_state state = deployment_state_in(deployment);

    return deployment_outcome(state) == OUTCOME_PENDING ||
           (state == DEPLOYMENT_FAILED && deployment->retry_at);
}

int campaign_remove_device(struct tx *tx, struct campaigns *campaigns, int64_t device_row,
                           int64_t now, struct error *err)
{
    struct deployment deployments[PASTS_MAX];
    struct device device;
    size_t count;
    enum step step = device_by_row(tx, device_row, &device, err);

    if (step != STEP_ROW)
        return step == STEP_DONE ? fail(err, PROBLEM_NO_SUCH_DEVICE, "the device is gone") : -1;
    const struct move move = {.now = now, .tenant_row = device.tenant_row, .cause = "server"};
    if (deployments_of_device(tx, device_row, deployments, PASTS_MAX, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!is_unresolved(&deployments[i]))
            continue;
        deployments[i].is_open = deployments[i].is_cancelling = false;
        deployments[i].retry_at = 0;
        if (deployment_move(tx, campaigns, &deployments[i], DEPLOYMENT_REMOVED, &move, err))
            return -1;
    }
    return 0;
}
