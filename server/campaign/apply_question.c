/* SPDX-License-Identifier: Apache-2.0 */
/* A device as the resolver sees it: its row, its latest deployments, its pin where any device has
 * one, and the compiled rest of the world. */
#include "campaign/engine.h"

#include "store/device_list.h"
#include "store/pin.h"

#include <string.h>

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

static int look_up_list(void *arg, const char *list_id, bool *ret, struct error *err)
{
    const struct lookup *lookup = arg;

    return device_list_named_has(lookup->tx, list_id, lookup->device_row, ret, err);
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
        .in_list = look_up_list,
        .arg = lookup,
    };
}

/* -- the question -- */

struct past past_of(const struct deployment *deployment)
{
    return (struct past){
        .campaign_row = deployment->campaign_row,
        .started_at = deployment->campaign_started_at,
        .is_of_standing = deployment->is_of_standing,
        .state = deployment_state_in(deployment),
        .is_prestaged =
            !deployment->is_open && deployment_state_in(deployment) == DEPLOYMENT_DOWNLOADED,
        .wave = deployment->wave,
        .retry_at = deployment->retry_at,
        .release_row = deployment->release_row,
        .state_at = deployment->state_at,
    };
}

void inquiry_renew(struct inquiry *inquiry)
{
    for (size_t i = 0; i < inquiry->count; i++)
        inquiry->pasts[i] = past_of(&inquiry->deployments[i]);
}

static bool has_past(const struct inquiry *inquiry, int64_t campaign_row)
{
    for (size_t i = 0; i < inquiry->count; i++)
        if (inquiry->deployments[i].campaign_row == campaign_row)
            return true;
    return false;
}

int inquiry_add(struct inquiry *inquiry, int64_t campaign_row, bool *ret, struct error *err)
{
    struct deployment *at = &inquiry->deployments[inquiry->count];

    *ret = false;
    if (inquiry->count < PASTS_MAX || inquiry->count == PASTS_ROOM ||
        has_past(inquiry, campaign_row))
        return 0;
    enum step step =
        deployment_in_campaign(inquiry->lookup.tx, inquiry->device->row_id, campaign_row, at, err);
    *ret = step == STEP_ROW;
    if (*ret) {
        inquiry->pasts[inquiry->count++] = past_of(at);
        inquiry->question.past_count = inquiry->count;
    }
    return step == STEP_FAILED ? -1 : 0;
}

/* Standing campaigns outlive many others. */
static int add_standing(struct inquiry *inquiry, struct error *err)
{
    const struct snapshot *snapshot = inquiry->snapshot;
    bool was_added;

    for (size_t i = 0; i < snapshot->count && inquiry->count >= PASTS_MAX; i++) {
        const struct plan *plan = snapshot->plans[i];
        bool is_its_own =
            plan->rules.kind == KIND_BASELINE || plan->row_id == inquiry->question.pin_campaign;

        if (is_its_own && plan->tenant_row == inquiry->device->tenant_row &&
            inquiry_add(inquiry, plan->row_id, &was_added, err))
            return -1;
    }
    return 0;
}

static int load_pin(struct tx *tx, struct inquiry *inquiry, struct error *err)
{
    struct question *question = &inquiry->question;
    struct pin pin;

    if (!inquiry->snapshot->has_pins)
        return 0;
    enum step step = pin_of(tx, inquiry->device->row_id, question->now, &pin, err);
    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    question->pin = pin.release_row ? PIN_RELEASE : PIN_HOLD;
    question->pin_campaign = pin.campaign_row;
    question->pin_until = pin.expires_at;
    return 0;
}

static int64_t hand_channel(const struct device *device, int64_t now)
{
    bool is_over = device->channel_until_at && device->channel_until_at <= now;

    return is_over ? 0 : device->channel_row;
}

int question_make(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                  int64_t now, struct inquiry *ret, struct error *err)
{
    struct snapshot *snapshot = snapshot_take(campaigns);
    bool asks_zone = snapshot->has_windows && device->zone[0];

    ret->snapshot = snapshot;
    ret->campaigns = campaigns;
    ret->device = device;
    ret->asker = PRESTAGES;
    ret->lookup = (struct lookup){tx, device->row_id};
    ret->count = 0;
    ret->question = (struct question){
        .facts = subject_of(device, &ret->lookup),
        .tenant_row = device->tenant_row,
        .floor = device->floor,
        .created_at = device->created_at,
        .is_active = device->state == DEVICE_ACTIVE,
        .hand_channel = hand_channel(device, now),
        .quarantine_until = device->quarantine_until_at,
        .zone = asks_zone ? zone_named(device->zone) : NULL,
        .steering = snapshot_steering(snapshot, device->tenant_row),
        .pasts = ret->pasts,
        .plans = snapshot->plans,
        .plan_count = snapshot->count,
        .now = now,
        .look = leases_look,
        .look_arg = ret,
    };
    if (ret->question.is_active && load_pin(tx, ret, err))
        return -1;
    if (snapshot->count == 0 || !ret->question.is_active)
        return 0;
    if (deployments_of_device(tx, device->row_id, ret->deployments, PASTS_MAX, &ret->count, err) ||
        leases_restore(tx, campaigns, snapshot, now, err))
        return -1;
    ret->question.past_count = ret->count;
    inquiry_renew(ret);
    return add_standing(ret, err);
}

void inquiry_end(struct inquiry *inquiry)
{
    snapshot_release(&inquiry->snapshot);
}

/* -- what is under way -- */

struct deployment *inquiry_current(struct inquiry *inquiry)
{
    for (size_t i = 0; i < inquiry->count; i++) {
        struct deployment *deployment = &inquiry->deployments[i];
        enum deployment_state state = deployment_state_in(deployment);

        if (deployment->is_open || state == DEPLOYMENT_INSTALLING || state == DEPLOYMENT_VERIFYING)
            return deployment;
    }
    return NULL;
}

size_t inquiry_open(const struct inquiry *inquiry)
{
    size_t count = 0;

    for (size_t i = 0; i < inquiry->count; i++)
        count += inquiry->deployments[i].is_open;
    return count;
}

static size_t place_of(const struct snapshot *snapshot, int64_t campaign_row)
{
    size_t place = 0;

    while (place < snapshot->count && snapshot->plans[place]->row_id != campaign_row)
        place++;
    return place;
}

/* A want that stands before the one that is being brought, or takes its place as a pin: an offer,
 * or that the device stays at what it has. What only comes later, by window or capacity, is waited
 * for with the present one. */
int inquiry_overtakes(const struct inquiry *inquiry, const struct deployment *current, bool *ret,
                      struct error *err)
{
    struct resolution resolution;
    const struct snapshot *snapshot = inquiry->snapshot;
    size_t place = place_of(snapshot, current->campaign_row);

    *ret = false;
    if (!deployment_is_stoppable(deployment_state_in(current)) || current->is_cancelling ||
        place == snapshot->count)
        return 0;
    if (resolve(&inquiry->question, &resolution, err))
        return -1;
    if (resolution.reason == REASON_OFFER)
        inquiry_hold(inquiry, &resolution);
    bool is_other = resolution.plan && resolution.plan->row_id != current->campaign_row;
    bool is_better = is_other && (inquiry->question.pin == PIN_RELEASE ||
                                  place_of(snapshot, resolution.plan->row_id) < place);
    *ret =
        resolution.reason == REASON_HOLD ||
        (is_better && (resolution.reason == REASON_OFFER || resolution.reason == REASON_ALREADY));
    return 0;
}

void inquiry_hold(const struct inquiry *inquiry, struct resolution *resolution)
{
    if (inquiry->asker == PRESTAGES || resolution->install_wait == 0 ||
        resolution->plan->rules.install == INSTALL_PRESTAGE)
        return;
    resolution->reason = REASON_WINDOW;
    resolution->until = inquiry->question.now + resolution->install_wait;
}

bool deployment_may_begin(const struct deployment *deployment)
{
    return deployment->asks_consent && deployment->consent_at >= deployment->state_at &&
           deployment_state_in(deployment) == DEPLOYMENT_WAITING && !deployment->is_cancelling;
}

bool inquiry_waits(const struct inquiry *inquiry, const struct deployment *deployment)
{
    return deployment_may_begin(deployment) ||
           deployment_is_untouched(inquiry->campaigns, deployment);
}

static bool is_held(const struct inquiry *inquiry, const struct deployment *deployment)
{
    return deployment->held_until_at > inquiry->question.now;
}

bool inquiry_is_later(const struct inquiry *inquiry, const struct deployment *deployment,
                      const struct resolution *terms)
{
    return is_held(inquiry, deployment) ||
           (terms->reason != REASON_OFFER && !deployment_awaits_consent(deployment) &&
            inquiry_waits(inquiry, deployment));
}

int inquiry_terms(const struct inquiry *inquiry, const struct deployment *deployment,
                  struct resolution *ret, struct error *err)
{
    const struct plan *plan = snapshot_find(inquiry->snapshot, deployment->campaign_row);

    *ret = (struct resolution){.reason = REASON_OFFER, .plan = plan};
    if (plan && resolve_time(&inquiry->question, plan, ret, err))
        return -1;
    if (deployment->consent_at && ret->install == INSTALL_OPTIONAL)
        ret->install = INSTALL_FORCED;
    if (is_held(inquiry, deployment)) {
        ret->reason = deployment->fetches < inquiry->campaigns->config->campaign_refetch_max
                          ? REASON_UNVERIFIED
                          : REASON_REFETCH;
        ret->until = deployment->held_until_at;
    } else if (deployment_is_untouched(inquiry->campaigns, deployment)) {
        inquiry_hold(inquiry, ret);
    } else if (inquiry->asker == INSTALLS_AT_ONCE && ret->install_wait > 0 &&
               plan->rules.install != INSTALL_PRESTAGE) {
        ret->install = INSTALL_FORCED;
        ret->install_wait = 0;
    }
    return 0;
}
