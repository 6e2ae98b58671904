/* SPDX-License-Identifier: Apache-2.0 */
/* What a device says. The same message twice in a row is one message; words that do not fit the
 * state are kept as notes; contradicting finals resolve by precedence: reverted, then evidence of
 * the version, then failed, then claimed success. */
#include "campaign/engine.h"

#include "campaign/failure.h"
#include "store/event.h"

#include <string.h>

#define DETAIL_SIZE 513
/* Seconds after an emergency stop in which a device may still tell of a transfer it cut. */
#define AFTERMATH 3600
/* SWUpdate's words for having mistaken a cancel for a deployment. */
#define SKIPPED "Skipped Update."

/* One report on its way through. */
struct hearing {
    struct campaigns *campaigns;
    const struct snapshot *snapshot;
    const struct device *device;
    struct deployment *deployment;
    const struct report *report;
    struct move move;
    char detail[DETAIL_SIZE];
    bool is_repeat; /* it is the last that stands in the timeline */
};

/* Cuts at a whole character. */
static void cut(const char *text, char ret[DETAIL_SIZE])
{
    size_t length = strnlen(text, DETAIL_SIZE - 1);

    if (text[length] != '\0')
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    memcpy(ret, text, length);
    ret[length] = '\0';
}

/* Kept in the timeline without a move; of an attempt that tells and tells, no more than its share.
 */
static int note_as(struct tx *tx, struct hearing *h, const char *what, struct error *err)
{
    const struct deployment *deployment = h->deployment;
    int64_t most = h->campaigns->config->device_reports_max, count = 0;

    if (h->is_repeat)
        return 0;
    if (!h->report->is_final &&
        event_told_count(tx, deployment->row_id, deployment->attempt, most, &count, err))
        return -1;
    return count < most ? deployment_tell(tx, deployment, "report", what, &h->move, err) : 0;
}

static int note(struct tx *tx, struct hearing *h, struct error *err)
{
    return note_as(tx, h, NULL, err);
}

static void close_with_final(struct hearing *h)
{
    h->deployment->is_open = false;
    h->deployment->is_cancelling = false;
    h->deployment->has_final = true;
    memcpy(h->deployment->final_hash, h->report->hash, sizeof h->deployment->final_hash);
}

static int move_to(struct tx *tx, struct hearing *h, enum deployment_state to, struct error *err)
{
    if (!deployment_may_move(deployment_state_in(h->deployment), to))
        return note(tx, h, err);
    return deployment_move(tx, h->campaigns, h->deployment, to, &h->move, err);
}

/* A note that changed flags of the row: that is news, also in the same words. */
static int note_and_save(struct tx *tx, struct hearing *h, struct error *err)
{
    h->is_repeat = false;
    if (deployment_save(tx, h->deployment, NULL, err))
        return -1;
    return note(tx, h, err);
}

static int take_installing(struct tx *tx, struct hearing *h, struct error *err)
{
    if (deployment_may_move(deployment_state_in(h->deployment), DEPLOYMENT_INSTALLING))
        snprintf(h->deployment->boot_id_before, sizeof h->deployment->boot_id_before, "%s",
                 h->device->boot_id);
    return move_to(tx, h, DEPLOYMENT_INSTALLING, err);
}

/* -- what it was sent -- */

static const struct plan *plan_of(const struct hearing *h)
{
    return snapshot_find(h->snapshot, h->deployment->campaign_row);
}

static bool is_download_only(const struct hearing *h)
{
    return plan_of(h) && plan_of(h)->rules.install == INSTALL_PRESTAGE &&
           deployment_is_stoppable(deployment_state_in(h->deployment));
}

/* The row knows it after a restart too. */
static int64_t bytes_sent(const struct hearing *h)
{
    int64_t sent = transfers_covered(h->campaigns, h->deployment->row_id);

    return sent > h->deployment->bytes_served ? sent : h->deployment->bytes_served;
}

/* Of the images that are for it, though of a delta no more than anything, or all the same; 0: not
 * known. */
static int64_t bytes_wanted(const struct hearing *h, bool of_deltas_all)
{
    struct lookup lookup = {NULL, h->device->row_id};
    const struct filter_subject facts = subject_of(h->device, &lookup);
    const struct image *images = NULL;
    size_t count = plan_of(h) ? plan_images(plan_of(h), h->deployment->release_row, &images) : 0;
    int64_t wanted = 0;

    for (size_t i = 0; i < count; i++)
        if (image_is_for(&images[i], &facts))
            wanted += images[i].is_delta && !of_deltas_all ? 1 : images[i].size;
    return wanted;
}

/* Nothing was cut that could have failed for it. */
static bool has_whole(const struct hearing *h)
{
    int64_t all = bytes_wanted(h, true);

    return all > 0 && bytes_sent(h) >= all;
}

static bool has_begun(const struct hearing *h)
{
    return bytes_sent(h) > 0 || transfers_have(h->campaigns, h->deployment->row_id);
}

/* Enough for an update: of a delta that may be little. Of what is only to be downloaded all of it,
 * and of what is to be cancelled too, unless it was being installed already. */
static bool has_fetched(const struct hearing *h)
{
    bool is_being_cancelled =
        h->deployment->is_cancelling && deployment_is_stoppable(deployment_state_in(h->deployment));

    return has_begun(h) && ((!is_being_cancelled && !is_download_only(h)) ||
                            bytes_sent(h) >= bytes_wanted(h, false));
}

/* Where no more was wanted it is over with that. */
static int take_downloaded(struct tx *tx, struct hearing *h, struct error *err)
{
    enum deployment_state state = deployment_state_in(h->deployment);

    if (is_download_only(h)) {
        h->deployment->is_open = false;
        return deployment_move(tx, h->campaigns, h->deployment, DEPLOYMENT_DOWNLOADED, &h->move,
                               err);
    }
    return state == DEPLOYMENT_WAITING ? note(tx, h, err)
                                       : move_to(tx, h, DEPLOYMENT_DOWNLOADED, err);
}

/* -- success -- */

static int take_claim(struct tx *tx, struct hearing *h, bool is_evident, struct error *err)
{
    struct deployment *deployment = h->deployment;
    bool is_believed = is_evident || h->device->version[0] == '\0';
    enum deployment_state to = is_believed ? DEPLOYMENT_VERIFYING : DEPLOYMENT_INSTALLING;

    close_with_final(h);
    if (!deployment_may_move(deployment_state_in(deployment), to))
        return note_and_save(tx, h, err);
    if (is_believed)
        return deployment_verify(tx, h->campaigns, deployment, h->device, &h->move, err);
    return take_installing(tx, h, err);
}

/* Whoever takes it for done would say so at each look, and some look without a pause: it is not
 * shown to them for the time of a poll. Whoever fetches it then is done with that. */
static int doubt(struct tx *tx, struct hearing *h, struct error *err)
{
    struct deployment *deployment = h->deployment;
    int64_t until = h->move.now + h->campaigns->config->device_poll;

    if (deployment->is_open && !deployment->is_cancelling && deployment->held_until_at < until) {
        deployment->held_until_at = until;
        if (deployment_save(tx, deployment, NULL, err))
            return -1;
    }
    return note_as(tx, h, "unverified", err);
}

static int take_success(struct tx *tx, struct hearing *h, struct error *err)
{
    bool is_skipped = strcmp(h->detail, SKIPPED) == 0;
    bool is_evident;

    if (deployment_is_evident(tx, h->deployment, h->device, &is_evident, err))
        return -1;
    if (!is_evident && (is_skipped || !has_fetched(h)))
        return doubt(tx, h, err);
    return !is_evident && is_download_only(h) ? take_downloaded(tx, h, err)
                                              : take_claim(tx, h, is_evident, err);
}

/* -- failure -- */

/* What was to be cancelled is not tried again. */
static int plan_retry(struct tx *tx, struct hearing *h, enum failure failure, bool is_unwanted,
                      struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    CLEANUP(rules_clear) struct rules rules = {0};
    struct deployment *deployment = h->deployment;

    if (campaign_need(tx, deployment->campaign_row, &campaign, err) ||
        rules_load(campaign.plan, NULL, &rules, err))
        return -1;
    deployment->failures++;
    deployment->retry_at =
        is_unwanted || campaign_is_over(campaign_state_in(&campaign))
            ? 0
            : failure_retry_at(failure, deployment->failures, rules.attempts_max, h->move.now);
    snprintf(deployment->class, sizeof deployment->class, "%s", failure_name(failure));
    return 0;
}

/* The emergency stop cut it: now, or a while ago when the device needed so long to tell. */
static bool was_halted(const struct hearing *h)
{
    const struct steering *steering = snapshot_steering(h->snapshot, h->move.tenant_row);

    return steering && (steering->is_halted || (h->deployment->state_at <= steering->resumed_at &&
                                                h->move.now - steering->resumed_at <= AFTERMATH));
}

/* We cut its image off in the middle: that it finds a wrong hash or no archive in the stump is no
 * word about the release. A signature stands at the front; whoever has the whole was not cut. */
static bool is_about_stump(const struct hearing *h, enum failure failure,
                           const struct campaign *campaign)
{
    enum deployment_state at = deployment_state_in(h->deployment);

    return failure != FAILURE_SIGNATURE && failure != FAILURE_INCOMPATIBLE &&
           at != DEPLOYMENT_DOWNLOADED && at != DEPLOYMENT_WAITING &&
           (campaign->stops_transfers || was_halted(h));
}

/* Our own doing: the device was cut off when its campaign or everything was halted, or stops as it
 * was told to. Whoever streams into its slot is cut while it installs; whoever had the whole fails
 * by itself. */
static int take_interruption(struct tx *tx, struct hearing *h, enum failure failure, bool *ret,
                             struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    enum deployment_state at = deployment_state_in(h->deployment);
    bool is_cuttable =
        deployment_is_stoppable(at) ||
        (at == DEPLOYMENT_INSTALLING && has_begun(h) && bytes_sent(h) < bytes_wanted(h, false));
    bool is_cancelling = h->deployment->is_cancelling;

    *ret = false;
    if (!is_cuttable || (failure != FAILURE_NETWORK && has_whole(h)))
        return 0;
    if (campaign_need(tx, h->deployment->campaign_row, &campaign, err))
        return -1;
    if (!is_cancelling && failure != FAILURE_NETWORK && !is_about_stump(h, failure, &campaign))
        return 0;
    enum campaign_state state = campaign_state_in(&campaign);
    bool is_over = is_cancelling || campaign_is_over(state);
    if (!is_over && state != CAMPAIGN_PAUSED && !was_halted(h))
        return 0;
    *ret = true;
    h->deployment->interruptions++;
    close_with_final(h);
    h->move.cause = "server";
    h->move.detail = "interrupted_by_server";
    return move_to(tx, h, is_over ? deployment_cancelled_as(h->deployment) : DEPLOYMENT_WITHDRAWN,
                   err);
}

static int take_failure(struct tx *tx, struct hearing *h, struct error *err)
{
    enum failure failure =
        h->report->class ? failure_of(h->report->class) : failure_from_words(h->report->detail);
    enum deployment_state to =
        failure == FAILURE_INCOMPATIBLE ? DEPLOYMENT_NOT_APPLICABLE : DEPLOYMENT_FAILED;
    enum deployment_state from = deployment_state_in(h->deployment);
    bool is_ours = false, is_evident = false, was_to_stop = h->deployment->is_cancelling;

    if (failure == FAILURE_REVERTED && deployment_may_move(from, DEPLOYMENT_REVERTED))
        to = DEPLOYMENT_REVERTED;
    if (take_interruption(tx, h, failure, &is_ours, err))
        return -1;
    if (is_ours)
        return 0;
    if (to != DEPLOYMENT_REVERTED &&
        deployment_is_evident(tx, h->deployment, h->device, &is_evident, err))
        return -1;
    close_with_final(h);
    if ((is_evident && from == DEPLOYMENT_VERIFYING) || !deployment_may_move(from, to))
        return note_and_save(tx, h, err);
    if (to != DEPLOYMENT_NOT_APPLICABLE && plan_retry(tx, h, failure, was_to_stop, err))
        return -1;
    if ((failure == FAILURE_BOOT || failure == FAILURE_REVERTED) &&
        deployment_quarantine(tx, h->deployment, h->move.now, err))
        return -1;
    return move_to(tx, h, to, err);
}

static int take_reverted(struct tx *tx, struct hearing *h, struct error *err)
{
    struct deployment *deployment = h->deployment;
    enum deployment_state from = deployment_state_in(deployment);
    enum deployment_state to =
        deployment_may_move(from, DEPLOYMENT_REVERTED) ? DEPLOYMENT_REVERTED : DEPLOYMENT_FAILED;

    close_with_final(h);
    if (!deployment_may_move(from, to))
        return note_and_save(tx, h, err);
    deployment->failures++;
    deployment->retry_at = 0;
    snprintf(deployment->class, sizeof deployment->class, "%s", failure_name(FAILURE_REVERTED));
    if (deployment_quarantine(tx, deployment, h->move.now, err))
        return -1;
    return deployment_move(tx, h->campaigns, deployment, to, &h->move, err);
}

/* -- the rest -- */

static int take_rejected(struct tx *tx, struct hearing *h, struct error *err)
{
    bool is_stoppable = deployment_is_stoppable(deployment_state_in(h->deployment));

    if (h->report->is_final && is_stoppable) {
        close_with_final(h);
        return move_to(tx, h, DEPLOYMENT_REJECTED, err);
    }
    return is_stoppable ? move_to(tx, h, DEPLOYMENT_WAITING, err) : note(tx, h, err);
}

static int take_cancelled(struct tx *tx, struct hearing *h, struct error *err)
{
    enum deployment_state to = deployment_cancelled_as(h->deployment);

    if (!h->deployment->is_cancelling ||
        !deployment_may_move(deployment_state_in(h->deployment), to))
        return note(tx, h, err);
    close_with_final(h);
    return deployment_move(tx, h->campaigns, h->deployment, to, &h->move, err);
}

/* It is past the point where it could stop. */
static int take_refusal(struct tx *tx, struct hearing *h, struct error *err)
{
    if (!h->deployment->is_cancelling)
        return note(tx, h, err);
    h->deployment->is_cancelling = false;
    if (deployment_may_move(deployment_state_in(h->deployment), DEPLOYMENT_INSTALLING))
        return take_installing(tx, h, err);
    return note_and_save(tx, h, err);
}

static int take(struct tx *tx, struct hearing *h, struct error *err)
{
    switch (h->report->kind) {
    case REPORT_DOWNLOADING:
        return move_to(tx, h, DEPLOYMENT_DOWNLOADING, err);
    case REPORT_DOWNLOADED:
        return take_downloaded(tx, h, err);
    case REPORT_INSTALLING:
        return take_installing(tx, h, err);
    case REPORT_SUCCESS:
        return take_success(tx, h, err);
    case REPORT_FAILURE:
        return take_failure(tx, h, err);
    case REPORT_REVERTED:
        return take_reverted(tx, h, err);
    case REPORT_REJECTED:
        return take_rejected(tx, h, err);
    case REPORT_CANCELLED:
        return take_cancelled(tx, h, err);
    case REPORT_CANCEL_REFUSED:
        return take_refusal(tx, h, err);
    default:
        return note(tx, h, err);
    }
}

/* What can still be said of a closed deployment: that it went worse than it seemed; and the success
 * of one whose evidence came first. */
static bool is_over_for(const struct deployment *deployment, const struct report *report)
{
    enum deployment_state state = deployment_state_in(deployment);

    if (deployment->is_open || state == DEPLOYMENT_DOWNLOADED)
        return !deployment->is_open;
    switch (report->kind) {
    case REPORT_REVERTED:
        return !deployment_may_move(state, DEPLOYMENT_REVERTED);
    case REPORT_FAILURE:
        return !deployment_may_move(state, DEPLOYMENT_FAILED);
    case REPORT_SUCCESS:
        return deployment->has_final || (state != DEPLOYMENT_CONFIRMED && state != DEPLOYMENT_LOST);
    default:
        return true;
    }
}

/* A step's evidence may come before its success is told; that is no news, but welcome. */
static int is_told_late(struct tx *tx, const struct deployment *deployment,
                        const struct report *report, bool *ret, struct error *err)
{
    struct release release = {0};

    *ret = false;
    if (report->kind != REPORT_SUCCESS || deployment->has_final ||
        deployment_state_in(deployment) != DEPLOYMENT_WITHDRAWN)
        return 0;
    if (release_by_row(tx, deployment->release_row, &release, err) == STEP_FAILED)
        return -1;
    *ret = deployment_is_done_step(deployment, release.version);
    return 0;
}

/* Only what is said twice in a row is one message sent twice: what comes again behind something
 * else was meant. */
static int is_known(struct tx *tx, const struct deployment *deployment, const struct report *report,
                    bool *ret, struct error *err)
{
    *ret = deployment->has_final &&
           memcmp(deployment->final_hash, report->hash, sizeof report->hash) == 0;
    if (*ret)
        return 0;
    return event_is_latest_message(tx, deployment->row_id, deployment->attempt, report->hash, ret,
                                   err);
}

/* What decides is heard however often it was said: the device may have fetched, or been asked to
 * stop once more, since. */
static bool is_heard_again(const struct deployment *deployment, const struct report *report)
{
    return deployment->is_open && (report->is_final || report->kind == REPORT_CANCEL_REFUSED);
}

int campaign_take_report(struct tx *tx, struct campaigns *campaigns, struct device *device,
                         const struct deployment *deployment, const struct report *report,
                         int64_t now, enum report_result *ret, struct error *err)
{
    CLEANUP(snapshot_release) struct snapshot *snapshot = snapshot_take(campaigns);
    struct deployment changed = *deployment;
    struct hearing hearing = {
        .campaigns = campaigns,
        .snapshot = snapshot,
        .device = device,
        .deployment = &changed,
        .report = report,
        .move = {.now = now,
                 .tenant_row = device->tenant_row,
                 .cause = "report",
                 .detail = hearing.detail,
                 .message_hash = report->hash,
                 .told = report->told},
    };
    bool is_late;

    cut(report->detail ? report->detail : "", hearing.detail);
    if (is_known(tx, deployment, report, &hearing.is_repeat, err))
        return -1;
    if (hearing.is_repeat && !is_heard_again(deployment, report)) {
        *ret = REPORT_DUPLICATE;
        return 0;
    }
    if (is_told_late(tx, deployment, report, &is_late, err))
        return -1;
    if (!is_late && is_over_for(deployment, report)) {
        *ret = REPORT_CLOSED;
        return 0;
    }
    *ret = REPORT_TAKEN;
    if (take(tx, &hearing, err))
        return -1;
    return leases_keep(tx, campaigns, snapshot_find(snapshot, changed.campaign_row), &changed, now,
                       err);
}
