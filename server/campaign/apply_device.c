/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of one device's deployment beside its reports: that its person agrees, and that an
 * operator wants it stopped or tried again. */
#include "campaign/apply_pipeline.h"
#include "campaign/engine.h"

/* -- consent -- */

int deployment_agree(struct tx *tx, struct deployment *deployment, const char *by,
                     const struct move *move, struct error *err)
{
    char initiator[LABEL_SIZE], remark[REMARK_SIZE];
    struct move agreed = *move;

    if (!by) {
        if (device_auto_confirm_words(tx, deployment->device_row, initiator, remark, err))
            return -1;
        by = initiator;
        agreed.detail = remark;
    }
    if (!agreed.detail || !agreed.detail[0])
        agreed.detail = by;
    deployment->consent_at = move->now;
    return deployment_consent(tx, deployment->row_id, by, move->now, err) ||
                   deployment_tell(tx, deployment, "deployment.consent", "given", &agreed, err)
               ? -1
               : 0;
}

int deployment_forget_consent(struct tx *tx, struct deployment *deployment, struct error *err)
{
    if (!deployment->consent_at)
        return 0;
    deployment->consent_at = 0;
    return deployment_consent(tx, deployment->row_id, "", 0, err);
}

static int deny(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                const struct move *move, struct error *err)
{
    if (!deployment_is_stoppable(deployment_state_in(deployment)))
        return fail(err, PROBLEM_CONFLICT, "the update is being installed");
    if (deployment_forget_consent(tx, deployment, err) ||
        deployment_tell(tx, deployment, "deployment.consent", "denied", move, err))
        return -1;
    return deployment_state_in(deployment) == DEPLOYMENT_WAITING
               ? 0
               : deployment_move(tx, campaigns, deployment, DEPLOYMENT_WAITING, move, err);
}

int campaign_consent(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                     const struct deployment *deployment, const struct consent *consent,
                     int64_t now, struct error *err)
{
    const struct move move = {
        .now = now, .tenant_row = device->tenant_row, .cause = "report", .detail = consent->remark};
    const char *by = consent->by ? consent->by : "";
    struct deployment changed = *deployment;

    if (!deployment->is_open)
        return fail(err, PROBLEM_GONE, "this deployment is over");
    if ((!deployment->asks_consent && !consent->is_unasked) || deployment->is_cancelling)
        return fail(err, PROBLEM_NOT_FOUND, "this deployment does not wait for consent");
    if (!consent->is_given)
        return deny(tx, campaigns, &changed, &move, err);
    return changed.consent_at ? 0 : deployment_agree(tx, &changed, by, &move, err);
}

static int agree_to_waiting(struct tx *tx, const struct device *device, const struct move *move,
                            struct error *err)
{
    struct deployment deployments[PASTS_MAX];
    size_t count;

    if (deployments_of_device(tx, device->row_id, deployments, PASTS_MAX, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (deployment_awaits_consent(&deployments[i]) && !deployments[i].is_cancelling &&
            deployment_agree(tx, &deployments[i], NULL, move, err))
            return -1;
    return 0;
}

int campaign_set_auto_confirm(struct tx *tx, struct campaigns *campaigns, struct device *device,
                              bool is_on, const char *by, const char *remark, int64_t now,
                              struct error *err)
{
    const struct move move = {.now = now, .tenant_row = device->tenant_row, .cause = "report"};

    (void)campaigns;
    if (is_on && device->auto_confirm_at)
        return fail(err, PROBLEM_CONFLICT, "the device has agreed ahead already");
    if (!is_on && !device->auto_confirm_at)
        return 0;
    if (device_set_auto_confirm(tx, device, is_on ? now : 0, by, remark, err))
        return -1;
    return is_on ? agree_to_waiting(tx, device, &move, err) : 0;
}

/* -- cancel -- */

/* Without its pin it would be offered again. */
static int take_pin_away(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                         int64_t campaign_row, int64_t now, struct error *err)
{
    struct pin pin;
    enum step step = pin_of(tx, device->row_id, 0, &pin, err);

    if (step == STEP_FAILED)
        return -1;
    return step == STEP_ROW && pin.campaign_row == campaign_row
               ? pipeline_unpin(tx, campaigns, device, "operator", now, err)
               : 0;
}

static int end_at_once(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                       const struct move *move, struct error *err)
{
    enum deployment_state state = deployment_state_in(deployment);

    if (!deployment->is_open && state != DEPLOYMENT_INSTALLING && state != DEPLOYMENT_VERIFYING)
        return fail(err, PROBLEM_CONFLICT, "the deployment is %s", deployment->state);
    deployment->is_open = false;
    deployment->retry_at = 0;
    return deployment_move(tx, campaigns, deployment, DEPLOYMENT_CANCELLED, move, err);
}

/* Also what looks untouched: the device may know of it already. */
static int ask(struct tx *tx, struct deployment *deployment, const struct move *move,
               struct error *err)
{
    if (!deployment->is_open)
        return fail(err, PROBLEM_CONFLICT, "the deployment is over: %s", deployment->state);
    if (deployment->is_cancelling)
        return fail(err, PROBLEM_CONFLICT, "the device is asked to cancel it already");
    deployment->state_at = move->now; /* it has time to answer */
    return deployment_ask_to_cancel(tx, deployment, move, err);
}

int campaign_cancel_deployment(struct tx *tx, struct campaigns *campaigns,
                               const struct device *device, const struct deployment *deployment,
                               const struct cancel_wish *wish, const struct actor *actor,
                               int64_t now, struct error *err)
{
    char words[STATE_REASON_SIZE];
    const struct move move = {
        .now = now, .tenant_row = device->tenant_row, .cause = "operator", .detail = words};
    struct deployment changed = *deployment;

    snprintf(words, sizeof words, "%s%s%s", actor->id, wish->reason ? ": " : "",
             wish->reason ? wish->reason : "");
    if (wish->is_forced ? end_at_once(tx, campaigns, &changed, &move, err)
                        : ask(tx, &changed, &move, err))
        return -1;
    return take_pin_away(tx, campaigns, device, deployment->campaign_row, now, err);
}

/* -- again -- */

bool deployment_is_failed(const struct deployment *deployment)
{
    enum deployment_state state = deployment_state_in(deployment);

    return deployment_outcome(state) == OUTCOME_FAILED || state == DEPLOYMENT_REJECTED ||
           state == DEPLOYMENT_CANCELLED;
}

int deployment_try_again(struct tx *tx, struct campaigns *campaigns, struct deployment *deployment,
                         const struct move *move, struct error *err)
{
    deployment->has_final = false;
    deployment->failures = deployment->retry_at = 0;
    return deployment_forget_consent(tx, deployment, err) ||
                   deployment_move(tx, campaigns, deployment, DEPLOYMENT_WITHDRAWN, move, err) ||
                   device_quarantine(tx, deployment->device_row, 0, err)
               ? -1
               : 0;
}
