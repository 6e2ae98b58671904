/* SPDX-License-Identifier: Apache-2.0 */
/* What a device proves moves its deployment, whatever it has said: version evidence outranks a
 * reported failure, a fall back outranks both. */
#include "campaign/engine.h"

#include "campaign/evidence.h"

#include <string.h>

#define DEPLOYMENTS_WEIGHED 16

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
    const struct traces traces = traces_of(deployment, device, version);
    *ret = evidence_of_install(&traces);
    return 0;
}

bool deployment_awaits_poll(const struct deployment *deployment, const struct plan *plan,
                            int64_t now)
{
    return strcmp(deployment->state, deployment_state_name(DEPLOYMENT_VERIFYING)) == 0 &&
           (deployment->polls_since < POLLS_TO_CONFIRM ||
            (plan && now - deployment->state_at >= plan->confirm_after));
}

int deployment_settle(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                      const struct device *device, const struct move *move, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};

    if (campaign_need(tx, deployment->campaign_row, &campaign, err))
        return -1;
    const struct traces traces = traces_of(deployment, device, campaign.release_version);
    if (!evidence_confirms(&traces, campaign.confirm_after, move->now, &deployment->is_unproven))
        return 0;
    deployment->is_open = false;
    return deployment_move(tx, campaigns, deployment, DEPLOYMENT_CONFIRMED, move, err);
}

int deployment_verify(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                      const struct device *device, const struct move *move, struct error *err)
{
    deployment->polls_since = 0;
    deployment->boots_since = 1;
    deployment->boots_from = move->now;
    deployment->is_cancelling = false; /* too late */
    snprintf(deployment->boot_id_before, sizeof deployment->boot_id_before, "%s", device->boot_id);
    if (deployment_move(tx, campaigns, deployment, DEPLOYMENT_VERIFYING, move, err))
        return -1;
    return deployment_settle(tx, campaigns, deployment, device, move, err);
}

static int revert(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                  const char *class, const struct move *move, struct error *err)
{
    deployment->is_open = false;
    deployment->retry_at = 0;
    snprintf(deployment->class, sizeof deployment->class, "%s", class);
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

static int weigh(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                 const struct device *device, const struct move *move, struct error *err)
{
    char version[VERSION_SIZE];
    enum deployment_state state = deployment_state_in(deployment);

    if (state == DEPLOYMENT_VERIFYING)
        return weigh_verifying(tx, campaigns, deployment, device, move, err);
    if (release_version(tx, deployment->release_row, version, err))
        return -1;
    const struct traces traces = traces_of(deployment, device, version);
    if (state == DEPLOYMENT_CONFIRMED) {
        bool fell_back =
            evidence_of_loss(&traces) && strcmp(device->version, deployment->version_before) == 0;
        return fell_back ? revert(tx, campaigns, deployment, "reverted", move, err) : 0;
    }
    if (deployment_may_move(state, DEPLOYMENT_VERIFYING) && evidence_of_install(&traces))
        return deployment_verify(tx, campaigns, deployment, device, move, err);
    if (state == DEPLOYMENT_INSTALLING && evidence_of_fallback(&traces))
        return revert(tx, campaigns, deployment, "reverted", move, err);
    return 0;
}

/* A campaign that is over keeps its counts; only what was still at work goes on to its end. */
static bool is_live(const struct snapshot *snapshot, const struct deployment *deployment)
{
    const struct plan *plan = snapshot_find(snapshot, deployment->campaign_row);

    return plan && !campaign_is_over(plan->state);
}

int campaign_take_evidence(struct tx *tx, struct campaigns *campaigns, struct device *device,
                           int64_t now, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(campaigns);
    struct deployment deployments[DEPLOYMENTS_WEIGHED];
    const struct move move = {.now = now, .tenant_row = device->tenant_row, .cause = "evidence"};
    size_t count;

    if (deployments_of_device(tx, device->row_id, deployments, DEPLOYMENTS_WEIGHED, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        enum deployment_state state = deployment_state_in(&deployments[i]);
        bool is_at_work = deployments[i].is_open || state == DEPLOYMENT_INSTALLING ||
                          state == DEPLOYMENT_VERIFYING;

        if (!is_at_work && !is_live(snapshot, &deployments[i]))
            continue;
        if (weigh(tx, campaigns, &deployments[i], device, &move, err))
            return -1;
    }
    return 0;
}
