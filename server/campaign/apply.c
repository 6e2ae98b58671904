/* SPDX-License-Identifier: Apache-2.0 */
/* A poll: one look at the device's deployments, then the resolver over the compiled campaigns. On a
 * reader nothing is changed; where something must be, VERDICT_WRITE sends the same poll to the
 * writer, which decides anew on what is true there. */
#include "campaign/engine.h"

#include "campaign/spread.h"
#include "store/freeze.h"
#include "store/pin.h"

#include <string.h>

struct poll {
    struct tx *tx;
    struct campaigns *campaigns;
    struct device *device;
    struct move move;
    struct inquiry inquiry;
};

/* -- answers -- */

static void answer(struct decision *ret, enum verdict verdict, const char *reason)
{
    ret->verdict = verdict;
    snprintf(ret->reason, sizeof ret->reason, "%s", reason);
}

/* Within so many seconds, but for the soonest, and each device at its own moment of the last fifth.
 */
static int64_t within(const struct poll *poll, int64_t most)
{
    int64_t least = spread_soonest(poll->campaigns->config);
    int64_t wait = most - most / 5;

    wait = wait > least ? wait : least;
    return spread_wait(poll->device->id, wait, wait, least);
}

/* Who waits for a turn of its own is told when that is. Whatever else it waits for, it comes in the
 * usual interval, because an operator may want something of it meanwhile, and only the last stretch
 * is shorter. */
static int64_t poll_after(const struct poll *poll, const struct resolution *resolution)
{
    int64_t wait = resolution->until - poll->move.now,
            interval = poll->campaigns->config->device_poll;
    int64_t least = spread_soonest(poll->campaigns->config);
    bool is_turn = reason_step(resolution->reason) == 9;

    if (resolution->until == 0 || wait <= 0 || (!is_turn && wait >= interval))
        return 0;
    return spread_wait(poll->device->id, wait, interval, least);
}

static void answer_later(const struct poll *poll, const struct resolution *resolution,
                         struct decision *ret)
{
    answer(ret, VERDICT_NOTHING, reason_code(resolution->reason));
    ret->poll_after = poll_after(poll, resolution);
}

static void set_terms(const struct deployment *deployment, const struct resolution *terms,
                      struct decision *ret)
{
    const struct rules *rules = terms->plan ? &terms->plan->rules : NULL;

    ret->rate = deployment->rate;
    ret->install = terms->install;
    ret->install_wait = terms->install_wait;
    ret->asks_consent = deployment->asks_consent;
    ret->awaits_consent = deployment_awaits_consent(deployment);
    ret->has_window = rules && rules->install_windows.count > 0 && !rules->is_expedited;
    ret->window_is_open = terms->install_wait == 0;
    ret->is_download_only = rules && rules->install == INSTALL_PRESTAGE;
    if (rules)
        snprintf(ret->risk, sizeof ret->risk, "%s", rules->risk);
}

static void answer_deployment(const struct deployment *deployment, const struct resolution *terms,
                              struct decision *ret)
{
    ret->action = deployment->action;
    ret->deployment_row = deployment->row_id;
    ret->campaign_row = deployment->campaign_row;
    ret->release_row = deployment->release_row;
    ret->attempt = deployment->attempt;
    snprintf(ret->state, sizeof ret->state, "%s", deployment->state);
    if (deployment->is_cancelling)
        answer(ret, VERDICT_CANCEL, "cancel");
    else
        answer(ret, VERDICT_OFFER, reason_code(REASON_OFFER));
    set_terms(deployment, terms, ret);
}

/* Whoever has the image ahead of its window is there when that opens. */
static void answer_offer(const struct poll *poll, const struct deployment *deployment,
                         const struct resolution *terms, struct decision *ret)
{
    const struct config *config = poll->campaigns->config;
    int64_t third = terms->install_wait / 3;

    answer_deployment(deployment, terms, ret);
    if (!ret->is_download_only && third > 0 && third < config->device_poll)
        ret->poll_after = within(poll, third);
}

/* -- a new offer -- */

static int may_offer_by_campaign(struct tx *tx, const struct plan *plan, enum reason *ret,
                                 struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    struct halt halt;
    enum step step = halt_of(tx, plan->tenant_row, &halt, err);

    if (step == STEP_FAILED || campaign_need(tx, plan->row_id, &campaign, err))
        return -1;
    bool is_running =
        campaign_makes_offers(campaign_state_in(&campaign)) && campaign.release_is_published;
    *ret = step == STEP_ROW ? REASON_HALTED : is_running ? REASON_OFFER : REASON_NOT_RUNNING;
    return 0;
}

static int may_offer_by_pin(const struct poll *poll, const struct plan *plan, enum reason *ret,
                            struct error *err)
{
    struct pin pin;
    enum step step = pin_of(poll->tx, poll->device->row_id, poll->move.now, &pin, err);

    if (step == STEP_ROW)
        *ret = !pin.release_row                   ? REASON_HOLD
               : pin.campaign_row != plan->row_id ? REASON_PINNED
                                                  : REASON_OFFER;
    else
        *ret = plan->rules.kind == KIND_PIN ? REASON_NOT_PINNED : REASON_OFFER;
    return step == STEP_FAILED ? -1 : 0;
}

struct frost {
    const struct filter_subject *facts;
    int64_t now;
    bool holds;
};

static int feel_freeze(const struct freeze *freeze, void *arg, struct error *err)
{
    CLEANUP(filter_free) struct filter *target = NULL;
    struct frost *frost = arg;

    if (frost->now < freeze->from_at)
        return 0;
    frost->holds = true;
    if (freeze->target[0] && (filter_parse(freeze->target, &target, err) ||
                              filter_matches(target, frost->facts, &frost->holds, err)))
        return -1;
    return frost->holds ? 1 : 0;
}

static int may_offer_by_freezes(const struct poll *poll, const struct plan *plan, enum reason *ret,
                                struct error *err)
{
    struct frost frost = {.facts = &poll->inquiry.question.facts, .now = poll->move.now};

    if (!plan->rules.is_expedited &&
        freeze_each(poll->tx, plan->tenant_row, frost.now, feel_freeze, &frost, err))
        return -1;
    *ret = frost.holds ? REASON_FREEZE : REASON_OFFER;
    return 0;
}

/* On the writer what holds offers back is read again: it may have changed since the snapshot, and
 * once a halt, a hold or a freeze is acknowledged nobody slips through. */
static int may_offer(const struct poll *poll, const struct plan *plan, enum reason *ret,
                     struct error *err)
{
    if (may_offer_by_campaign(poll->tx, plan, ret, err))
        return -1;
    if (*ret == REASON_OFFER && may_offer_by_pin(poll, plan, ret, err))
        return -1;
    return *ret == REASON_OFFER ? may_offer_by_freezes(poll, plan, ret, err) : 0;
}

struct taken {
    int wave;
    int64_t in_wave, offered, confirmed;
};

static int add_taken(int wave, const char *state, int64_t count, void *arg, struct error *err)
{
    struct taken *taken = arg;

    (void)err;
    taken->offered += count;
    taken->in_wave += wave == taken->wave ? count : 0;
    if (outcome_counted(state) == OUTCOME_CONFIRMED)
        taken->confirmed += count;
    return 0;
}

/* Places are taken on the writer, one after another; what is counted here is what later polls on
 * readers go by. */
static int has_place(struct poll *poll, const struct resolution *resolution, bool *ret,
                     struct error *err)
{
    const struct plan *plan = resolution->plan;
    struct band *band = &plan->bands[resolution->wave];
    struct taken taken = {.wave = resolution->wave};

    if (deployment_counts(poll->tx, plan->row_id, add_taken, &taken, err))
        return -1;
    atomic_store_explicit(&plan->pace->offered, taken.offered, memory_order_relaxed);
    atomic_store_explicit(&plan->pace->confirmed, taken.confirmed, memory_order_relaxed);
    *ret = band->places == 0 || taken.in_wave < band->places;
    if (!*ret)
        atomic_store_explicit(&band->is_full, true, memory_order_relaxed);
    return 0;
}

static struct deployment *earlier_attempt(struct poll *poll, const struct plan *plan)
{
    for (size_t i = 0; i < poll->inquiry.count; i++)
        if (poll->inquiry.deployments[i].campaign_row == plan->row_id)
            return &poll->inquiry.deployments[i];
    return NULL;
}

/* What waited for consent goes on as the same offer. */
static int write_offer(struct poll *poll, struct deployment *deployment,
                       const struct resolution *resolution, struct error *err)
{
    const struct device *device = poll->device;

    if (deployment->row_id && deployment->is_open)
        return deployment_move(poll->tx, poll->campaigns, deployment, DEPLOYMENT_OFFERED,
                               &poll->move, err);
    if (deployment->release_row != resolution->release_row)
        deployment->failures = 0;
    deployment->release_row = resolution->release_row;
    deployment->asks_consent = resolution->plan->rules.asks_consent;
    snprintf(deployment->version_before, sizeof deployment->version_before, "%s", device->version);
    snprintf(deployment->boot_id_before, sizeof deployment->boot_id_before, "%s", device->boot_id);
    return deployment_offer(poll->tx, poll->campaigns, deployment, &poll->move, err);
}

/* With a lease, or not at all. */
static int offer_with_lease(struct poll *poll, struct deployment *deployment,
                            struct resolution *resolution, struct decision *ret, struct error *err)
{
    struct capacity *capacity = poll->campaigns->capacity;
    struct capacity_grant grant;
    enum admission admission = leases_take(&poll->inquiry, resolution->plan, deployment, &grant);

    if (admission != ADMIT) {
        int64_t wait;
        (void)leases_look(&poll->inquiry, resolution->plan, &wait);
        resolution->reason = reason_of_admission(admission);
        resolution->until = poll->move.now + wait;
        answer_later(poll, resolution, ret);
        return 0;
    }
    deployment->rate = grant.rate;
    if (write_offer(poll, deployment, resolution, err)) {
        capacity_give_back(capacity, grant.lease);
        return -1;
    }
    capacity_name(capacity, grant.lease, deployment->row_id);
    answer_offer(poll, deployment, resolution, ret);
    return 0;
}

/* Nothing is reserved for it until the device agrees, unless it has ahead. */
static int offer_for_consent(struct poll *poll, struct deployment *deployment,
                             struct resolution *resolution, struct decision *ret, struct error *err)
{
    if (write_offer(poll, deployment, resolution, err) ||
        deployment_move(poll->tx, poll->campaigns, deployment, DEPLOYMENT_WAITING, &poll->move,
                        err))
        return -1;
    answer_deployment(deployment, resolution, ret);
    return 0;
}

/* Consent is to one release: an automatic retry has it still, the next step of a way has not. */
static int place_offer(struct poll *poll, struct deployment *deployment,
                       struct resolution *resolution, struct decision *ret, struct error *err)
{
    bool is_other = deployment->release_row != resolution->release_row;

    if (is_other && deployment_forget_consent(poll->tx, deployment, err))
        return -1;
    bool asks = resolution->plan->rules.asks_consent && !deployment->consent_at;

    if (asks && !poll->device->auto_confirm_at)
        return offer_for_consent(poll, deployment, resolution, ret, err);
    if (offer_with_lease(poll, deployment, resolution, ret, err))
        return -1;
    if (!asks || !deployment->is_open)
        return 0;
    ret->awaits_consent = false;
    return deployment_agree(poll->tx, deployment, NULL, &poll->move, err);
}

static int make_offer(struct poll *poll, struct resolution *resolution, struct decision *ret,
                      struct error *err)
{
    const struct plan *plan = resolution->plan;
    struct deployment fresh = {.device_row = poll->device->row_id,
                               .campaign_row = plan->row_id,
                               .release_row = resolution->release_row,
                               .wave = resolution->wave};
    struct deployment *deployment = earlier_attempt(poll, plan);
    enum reason reason;
    bool has_one;

    if (may_offer(poll, plan, &reason, err) || has_place(poll, resolution, &has_one, err))
        return -1;
    if (reason == REASON_OFFER && !deployment && !has_one)
        reason = REASON_WAVE_FULL;
    if (reason != REASON_OFFER) {
        answer(ret, VERDICT_NOTHING, reason_code(reason));
        return 0;
    }
    return place_offer(poll, deployment ? deployment : &fresh, resolution, ret, err);
}

/* Before a campaign makes a first offer the device's row in it is looked for, also behind those
 * that were loaded; where there is one all is judged anew. */
static int find_want(struct poll *poll, struct resolution *ret, struct error *err)
{
    bool has_more;

    do {
        has_more = false;
        if (resolve(&poll->inquiry.question, ret, err))
            return -1;
        if (ret->reason == REASON_OFFER && poll->tx->is_write &&
            inquiry_add(&poll->inquiry, ret->plan->row_id, &has_more, err))
            return -1;
    } while (has_more);
    return 0;
}

static int look_for_offer(struct poll *poll, struct decision *ret, struct error *err)
{
    struct resolution resolution;

    if (find_want(poll, &resolution, err))
        return -1;
    if (resolution.reason == REASON_OFFER)
        inquiry_hold(&poll->inquiry, &resolution);
    if (resolution.reason != REASON_OFFER) {
        answer_later(poll, &resolution, ret);
        return 0;
    }
    if (poll->tx->is_write)
        return make_offer(poll, &resolution, ret, err);
    answer(ret, VERDICT_WRITE, reason_code(REASON_OFFER));
    return 0;
}

/* -- a deployment under way -- */

/* The campaign is over and this device can still be kept from it. */
static bool is_to_stop(const struct poll *poll, const struct plan *plan,
                       const struct deployment *deployment)
{
    if (!plan || !campaign_is_over(plan->state) || deployment->is_cancelling)
        return false;
    if (plan->stops_transfers)
        return deployment_is_stoppable(deployment_state_in(deployment));
    return deployment_is_untouched(poll->campaigns, deployment);
}

/* Its campaign lets go who does not match any more, as long as nothing is being installed; a
 * standing one always does. */
static int has_left(const struct poll *poll, const struct plan *plan,
                    const struct deployment *deployment, bool *ret, struct error *err)
{
    bool matches = true;

    if (plan && (!plan->rules.is_sticky || plan_is_standing(plan)) && !deployment->is_cancelling &&
        deployment_is_stoppable(deployment_state_in(deployment)) &&
        resolve_matches(&poll->inquiry.question, plan, &matches, err))
        return -1;
    *ret = !matches;
    return 0;
}

/* What becomes of the deployment at this poll before it is answered. */
enum course {
    COURSE_GOES_ON,
    COURSE_COUNTS,
    COURSE_IS_BACK, /* and did not install meanwhile, as far as it tells */
    COURSE_STOPS,
    COURSE_LEAVES,
    COURSE_OVERTAKEN
};

static int find_course(const struct poll *poll, const struct plan *plan,
                       const struct deployment *deployment, enum course *ret, struct error *err)
{
    bool leaves, is_overtaken;

    if (is_to_stop(poll, plan, deployment)) {
        *ret = COURSE_STOPS;
        return 0;
    }
    if (has_left(poll, plan, deployment, &leaves, err) ||
        inquiry_overtakes(&poll->inquiry, deployment, &is_overtaken, err))
        return -1;
    bool is_back = deployment->is_open && strcmp(deployment->class, SILENT) == 0;
    *ret = is_back                                                    ? COURSE_IS_BACK
           : leaves                                                   ? COURSE_LEAVES
           : is_overtaken                                             ? COURSE_OVERTAKEN
           : deployment_awaits_poll(deployment, plan, poll->move.now) ? COURSE_COUNTS
                                                                      : COURSE_GOES_ON;
    return 0;
}

static int count_poll(struct poll *poll, struct deployment *deployment, struct error *err)
{
    deployment->polls_since++;
    if (deployment_save(poll->tx, deployment, NULL, err))
        return -1;
    return deployment_settle(poll->tx, poll->campaigns, deployment, poll->device, &poll->move, err);
}

/* It ends here, and the device is asked for anew. */
static int make_way(struct poll *poll, struct deployment *deployment, enum deployment_state to,
                    struct decision *ret, struct error *err)
{
    deployment->is_open = false;
    if (deployment_move(poll->tx, poll->campaigns, deployment, to, &poll->move, err))
        return -1;
    inquiry_renew(&poll->inquiry);
    return look_for_offer(poll, ret, err);
}

/* In its turn, as any other offer. */
static int begin(struct poll *poll, struct deployment *deployment, struct resolution *terms,
                 struct decision *ret, struct error *err)
{
    int64_t wait = 0;
    enum admission admission =
        poll->tx->is_write ? ADMIT : leases_look(&poll->inquiry, terms->plan, &wait);

    if (poll->tx->is_write && may_offer(poll, terms->plan, &terms->reason, err))
        return -1;
    if (poll->tx->is_write && terms->reason == REASON_OFFER)
        return offer_with_lease(poll, deployment, terms, ret, err);
    if (admission == ADMIT && !poll->tx->is_write) {
        answer(ret, VERDICT_WRITE, "changes");
        return 0;
    }
    if (admission != ADMIT) {
        terms->reason = reason_of_admission(admission);
        terms->until = poll->move.now + wait;
    }
    answer_later(poll, terms, ret);
    return 0;
}

/* What comes after the cancel comes soon: a device answers one at a poll. */
static int answer_cancel(struct poll *poll, const struct deployment *deployment,
                         const struct resolution *terms, struct decision *ret, struct error *err)
{
    struct resolution next;

    if (resolve(&poll->inquiry.question, &next, err))
        return -1;
    if (next.reason == REASON_OFFER)
        inquiry_hold(&poll->inquiry, &next);
    answer_deployment(deployment, terms, ret);
    if (next.reason == REASON_OFFER || inquiry_open(&poll->inquiry) > 1)
        ret->poll_after = within(poll, 0);
    return 0;
}

/* An offer that was not taken up waits with its campaign, and for the time the campaign goes by;
 * whoever has begun goes on. A person may agree at any time. */
static int answer_current(struct poll *poll, const struct plan *plan, struct deployment *deployment,
                          struct decision *ret, struct error *err)
{
    struct resolution terms;

    if (!deployment->is_open) {
        answer(ret, VERDICT_NOTHING, deployment->state);
        return 0;
    }
    if (inquiry_terms(&poll->inquiry, deployment, &terms, err))
        return -1;
    if (deployment->is_cancelling)
        return answer_cancel(poll, deployment, &terms, ret, err);
    if (plan && plan->state == CAMPAIGN_PAUSED && inquiry_waits(&poll->inquiry, deployment))
        answer(ret, VERDICT_NOTHING, "paused");
    else if (inquiry_is_later(&poll->inquiry, deployment, &terms))
        answer_later(poll, &terms, ret);
    else if (plan && deployment_may_begin(deployment))
        return begin(poll, deployment, &terms, ret, err);
    else
        answer_offer(poll, deployment, &terms, ret);
    return 0;
}

/* It is not for this device any more. Whoever has begun may be installing it already: it is asked
 * to stop, and may refuse. */
static int let_go(struct poll *poll, const struct plan *plan, struct deployment *deployment,
                  struct decision *ret, struct error *err)
{
    struct move move = poll->move;

    if (deployment_is_untouched(poll->campaigns, deployment))
        return make_way(poll, deployment, DEPLOYMENT_REMOVED, ret, err);
    move.detail = "the device has left";
    snprintf(deployment->class, sizeof deployment->class, LEFT);
    deployment->state_at = move.now; /* it has time to answer */
    if (deployment_ask_to_cancel(poll->tx, deployment, &move, err))
        return -1;
    return answer_current(poll, plan, deployment, ret, err);
}

static int go_on(struct poll *poll, struct deployment *deployment, struct decision *ret,
                 struct error *err)
{
    const struct plan *plan = snapshot_find(poll->inquiry.snapshot, deployment->campaign_row);
    enum course course;
    int failed = 0;

    if (find_course(poll, plan, deployment, &course, err))
        return -1;
    if (course != COURSE_GOES_ON && !poll->tx->is_write) {
        answer(ret, VERDICT_WRITE, "changes");
        return 0;
    }
    if (course == COURSE_LEAVES)
        return let_go(poll, plan, deployment, ret, err);
    if (course == COURSE_OVERTAKEN)
        return make_way(poll, deployment, DEPLOYMENT_SUPERSEDED, ret, err);
    if (course == COURSE_STOPS)
        failed = deployment_stop(poll->tx, poll->campaigns, deployment, plan->stops_transfers,
                                 &poll->move, err);
    else if (course == COURSE_COUNTS)
        failed = count_poll(poll, deployment, err);
    else if (course == COURSE_IS_BACK)
        failed = deployment_move(poll->tx, poll->campaigns, deployment, DEPLOYMENT_WAITING,
                                 &poll->move, err);
    return failed ? -1 : answer_current(poll, plan, deployment, ret, err);
}

/* On the writer the row itself: the stop may be younger than the snapshot. */
static int is_halted(const struct poll *poll, bool *ret, struct error *err)
{
    const struct steering *steering = poll->inquiry.question.steering;
    struct halt halt;

    *ret = steering && steering->is_halted;
    if (*ret || !poll->tx->is_write)
        return 0;
    enum step step = halt_of(poll->tx, poll->device->tenant_row, &halt, err);
    *ret = step == STEP_ROW;
    return step == STEP_FAILED ? -1 : 0;
}

static int answer_poll(struct poll *poll, struct decision *ret, struct error *err)
{
    struct deployment *current = inquiry_current(&poll->inquiry);
    bool halted = false;

    if (current && is_halted(poll, &halted, err))
        return -1;
    if (current && !halted)
        return go_on(poll, current, ret, err);
    return look_for_offer(poll, ret, err);
}

int campaign_poll_by(struct tx *tx, struct campaigns *campaigns, struct device *device,
                     enum prestaging asker, int64_t now, struct decision *ret, struct error *err)
{
    struct poll poll; /* not zeroed: large, and written before it is read */

    *ret = (struct decision){0};
    poll.tx = tx;
    poll.campaigns = campaigns;
    poll.device = device;
    poll.move = (struct move){.now = now, .tenant_row = device->tenant_row, .cause = "poll"};
    int failed = question_make(tx, campaigns, device, now, &poll.inquiry, err);
    poll.inquiry.asker = asker;
    failed = failed || answer_poll(&poll, ret, err);
    inquiry_end(&poll.inquiry);
    return failed ? -1 : 0;
}

int campaign_terms_by(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                      const struct deployment *deployment, enum prestaging asker, int64_t now,
                      struct decision *ret, struct error *err)
{
    struct inquiry inquiry;
    struct resolution terms;

    *ret = (struct decision){0};
    int failed = question_make(tx, campaigns, device, now, &inquiry, err);
    inquiry.asker = asker;
    failed = failed || inquiry_terms(&inquiry, deployment, &terms, err);
    if (!failed)
        answer_deployment(deployment, &terms, ret);
    inquiry_end(&inquiry);
    return failed ? -1 : 0;
}

/* -- fetching and leaving -- */

/* Not before the device agreed. Who had begun before a pause may go on: a refusal would be a
 * failure the device is not to blame for. A mere offer is not honoured any more once its campaign
 * stands or is over. */
enum step campaign_allows_artifact(struct tx *tx, int64_t device_row, int64_t target_row,
                                   struct decision *ret, struct error *err)
{
    struct permission permission = {0};
    enum step step = deployment_permission(tx, device_row, target_row, &permission, err);
    const struct resolution nothing_new = {0};

    *ret = (struct decision){0};
    if (step != STEP_ROW)
        return step;
    if (!permission.deployment.row_id) {
        ret->release_row = permission.deployment.release_row;
        answer(ret, VERDICT_OFFER, "installed");
        return STEP_ROW;
    }
    if (deployment_awaits_consent(&permission.deployment))
        return STEP_DONE;
    enum campaign_state state = CAMPAIGN_DRAFT;
    (void)campaign_state_of(permission.campaign_state, &state);
    if (!campaign_makes_offers(state) &&
        deployment_state_in(&permission.deployment) == DEPLOYMENT_OFFERED)
        return STEP_DONE;
    answer_deployment(&permission.deployment, &nothing_new, ret);
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
