/* SPDX-License-Identifier: Apache-2.0 */
/* Between deployments and capacity: who asks, with which counts, and what becomes of a lease when
 * its deployment moves on. */
#include "campaign/engine.h"

#include <string.h>

#define LEASES_MIN 4096
#define LEASES_UNLIMITED 200000 /* held at most where no limit is configured */
#define RESTORE_MAX 1000        /* of a campaign and state; whoever is left out takes it again */

/* Overdrafts need room beside those within the limit. */
int leases_new(struct campaigns *campaigns, struct error *err)
{
    const struct config *config = campaigns->config;
    const struct capacity_limits limits = {
        .leases_server = config->capacity_leases,
        .leases_site = config->capacity_leases_site,
        .bytes_server = config->capacity_bytes,
        .bytes_site = config->capacity_bytes_site,
        .transfer_rate = config->capacity_transfer_rate,
        .lease = config->capacity_lease,
    };
    int64_t most = limits.leases_server ? 2 * limits.leases_server : LEASES_UNLIMITED;

    return capacity_new(&limits, most < LEASES_MIN ? LEASES_MIN : most, &campaigns->capacity, err);
}

static struct capacity_campaign campaign_of(const struct plan *plan)
{
    const struct rules *rules = &plan->rules;
    int64_t offered = plan->pace ? atomic_load(&plan->pace->offered) : 0;
    int64_t waiting = plan->pace ? plan->pace->active - offered : 0;

    return (struct capacity_campaign){
        .row_id = plan->row_id,
        .rate = rules->rate,
        .confirmed = plan->pace ? atomic_load(&plan->pace->confirmed) : 0,
        .offered = offered,
        .waiting = waiting > 0 ? waiting : 0,
        .leases = rules->leases,
        .bytes = rules->bytes,
        .transfer_rate = rules->transfer_rate,
    };
}

static struct capacity_ask ask_of(const struct device *device, const struct steering *steering,
                                  const struct capacity_campaign *campaign, int64_t deployment_row)
{
    const struct site_rule *site = steering ? steering_site(steering, device->site) : NULL;

    return (struct capacity_ask){
        .campaign = campaign,
        .device = device->id,
        .site = device->site,
        .tenant_row = device->tenant_row,
        .deployment_row = deployment_row,
        .site_leases = site ? site->leases : 0,
        .site_bytes = site ? site->bytes : 0,
    };
}

enum admission leases_look(void *arg, const struct plan *plan, int64_t *ret_wait)
{
    const struct inquiry *inquiry = arg;
    const struct capacity_campaign campaign = campaign_of(plan);
    const struct capacity_ask ask =
        ask_of(inquiry->device, inquiry->question.steering, &campaign, 0);

    return capacity_look(inquiry->campaigns->capacity, &ask, inquiry->question.now, ret_wait);
}

enum admission leases_take(const struct inquiry *inquiry, const struct plan *plan,
                           const struct deployment *deployment, struct capacity_grant *ret)
{
    const struct capacity_campaign campaign = campaign_of(plan);
    const struct capacity_ask ask =
        ask_of(inquiry->device, inquiry->question.steering, &campaign, deployment->row_id);

    return capacity_admit(inquiry->campaigns->capacity, &ask, inquiry->question.now, ret);
}

static int renew(struct tx *tx, struct campaigns *campaigns, const struct plan *plan,
                 const struct deployment *deployment, int64_t now, struct error *err)
{
    const struct capacity_campaign campaign = campaign_of(plan);
    struct device device;
    enum step step = device_by_row(tx, deployment->device_row, &device, err);

    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    const struct capacity_ask ask = ask_of(&device, NULL, &campaign, deployment->row_id);
    (void)capacity_renew(campaigns->capacity, &ask, now);
    return 0;
}

static bool is_fetching(const struct deployment *deployment)
{
    enum deployment_state state = deployment_state_in(deployment);

    return deployment->is_open && (state == DEPLOYMENT_OFFERED || state == DEPLOYMENT_DOWNLOADING);
}

int leases_keep(struct tx *tx, struct campaigns *campaigns, const struct plan *plan,
                const struct deployment *deployment, int64_t now, struct error *err)
{
    int64_t rate;

    if (!plan || !is_fetching(deployment) ||
        capacity_touch(campaigns->capacity, deployment->row_id, now, &rate))
        return 0;
    return renew(tx, campaigns, plan, deployment, now, err);
}

/* -- after a commit -- */

struct returned {
    struct campaigns *campaigns;
    int64_t deployment_row, lease;
};

/* By then the row may have been offered anew, with a lease of its own. */
static void give_back(struct store *store, void *arg)
{
    const struct returned *returned = arg;

    (void)store;
    capacity_give_back_that(returned->campaigns->capacity, returned->deployment_row,
                            returned->lease);
}

int leases_follow(struct tx *tx, struct campaigns *campaigns, const struct deployment *deployment,
                  struct error *err)
{
    int64_t lease = capacity_lease_of(campaigns->capacity, deployment->row_id);

    if (is_fetching(deployment) || !lease)
        return 0;
    struct returned *kept = malloc(sizeof *kept);
    if (!kept)
        return fail_internal(err, "memory for an effect");
    *kept = (struct returned){campaigns, deployment->row_id, lease};
    tx_after_commit(tx, give_back, kept);
    return 0;
}

/* -- after a start -- */

static int restore_plan(struct tx *tx, struct campaigns *campaigns, const struct plan *plan,
                        int64_t now, struct error *err)
{
    static const enum deployment_state states[] = {DEPLOYMENT_OFFERED, DEPLOYMENT_DOWNLOADING};
    CLEANUP(free_memory) struct deployment *found = calloc(RESTORE_MAX, sizeof *found);
    int64_t lease = campaigns->config->capacity_lease;

    if (!found)
        return fail_internal(err, "memory for leases");
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        size_t count;

        if (deployments_latest(tx, plan->row_id, deployment_state_name(states[i]), now - lease,
                               found, RESTORE_MAX, &count, err))
            return -1;
        for (size_t d = 0; d < count; d++)
            if (renew(tx, campaigns, plan, &found[d], now, err))
                return -1;
    }
    return 0;
}

int leases_restore(struct tx *tx, struct campaigns *campaigns, const struct snapshot *snapshot,
                   int64_t now, struct error *err)
{
    if (atomic_exchange(&campaigns->has_leases, true))
        return 0;
    for (size_t i = 0; i < snapshot->count; i++)
        if (restore_plan(tx, campaigns, snapshot->plans[i], now, err))
            return -1;
    return 0;
}
