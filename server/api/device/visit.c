/* SPDX-License-Identifier: Apache-2.0 */
#include "api/device/visit.h"

#include "api/device/ddi.h"
#include "api/device/native.h"
#include "core/digest.h"
#include "core/text.h"
#include "store/event.h"

#include <string.h>

void visit_clear(struct visit *visit)
{
    text_clear(&visit->url);
}

/* -- what it tells -- */

const char *visit_version(const char *told)
{
    return told && identifier_ok(IDENTIFIER_VERSION, told) ? told : NULL;
}

/* A header may carry any byte; what is kept must be fit for JSON. */
const char *visit_boot_id(const char *told)
{
    size_t length = 0;

    while (told && told[length] > 0x20 && told[length] < 0x7f)
        length++;
    return length && length < BOOT_ID_SIZE && !told[length] ? told : NULL;
}

/* Whole seconds of "1234.56". */
int64_t visit_uptime(const char *told)
{
    char whole[20];
    int64_t seconds;
    size_t length = told ? strcspn(told, ".") : 0;

    if (length == 0 || length >= sizeof whole)
        return -1;
    memcpy(whole, told, length);
    whole[length] = '\0';
    return number_from_text(whole, &seconds) ? seconds : -1;
}

static bool differs(const char *told, const char *known)
{
    return told && strcmp(told, known) != 0;
}

/* An uptime is always another; it is written along with what is news, and while it decides. */
static bool has_news(const struct visit *visit)
{
    return differs(visit->evidence.version, visit->device.version) ||
           differs(visit->evidence.boot_id, visit->device.boot_id);
}

/* -- what it means -- */

static int take_report(struct visit *visit, struct tx *tx, const struct deployment *deployment,
                       const struct report *report, struct error *err)
{
    struct app *app = request_app(visit->req);
    enum report_result ignored;

    return campaign_take_report(tx, app->campaigns, &visit->device, deployment, report,
                                request_now(visit->req), &ignored, err);
}

/* What it was told of. */
static enum step told_of(const struct visit *visit, struct tx *tx, struct deployment *ret,
                         struct error *err)
{
    return deployment_by_action(tx, visit->device.row_id, visit->decision.action, ret, err);
}

static void hash_of(const char *what, const char *of, uint8_t ret[SHA256_SIZE])
{
    char words[128];
    int length = snprintf(words, sizeof words, "%s %s", what, of);

    sha256(words, (size_t)length < sizeof words ? (size_t)length : sizeof words - 1, ret);
}

#define BEGUN "installation"

static int has_begun(struct tx *tx, const struct deployment *deployment, bool *ret,
                     struct error *err)
{
    uint8_t hash[SHA256_SIZE];

    hash_of(BEGUN, "", hash);
    return event_has_message(tx, deployment->row_id, deployment->attempt, hash, ret, err);
}

/* It says that it installs; while it streams it fetches, so that this is no more than a note, and
 * one of an attempt, however often it asks. */
static int note_installation(struct visit *visit, struct tx *tx, struct error *err)
{
    struct report begun = {.kind = REPORT_NOTE, .detail = "the installation begins"};
    struct deployment deployment;
    bool is_told = false;
    enum step step = told_of(visit, tx, &deployment, err);

    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    if (has_begun(tx, &deployment, &is_told, err))
        return -1;
    hash_of(BEGUN, "", begun.hash);
    return is_told ? 0 : take_report(visit, tx, &deployment, &begun, err);
}

/* As far as it was heard of; what runs the release is no longer there. */
static bool is_fetching(const struct deployment *deployment)
{
    return deployment->is_open && !deployment->is_cancelling &&
           (strcmp(deployment->state, "offered") == 0 ||
            strcmp(deployment->state, "downloading") == 0 ||
            strcmp(deployment->state, "downloaded") == 0);
}

/* What is fetched in ranges leaves gaps nobody needs. */
static bool has_most(const struct deployment *deployment, int64_t size)
{
    return strcmp(deployment->state, "downloaded") == 0 || deployment->bytes_served > size / 2;
}

static int find_file(struct visit *visit, struct tx *tx, int64_t release_row, int64_t *ret_size,
                     struct error *err);

/* Started anew with the old version, in the middle of it: what was installed did not start; or
 * there was nothing yet, and the power was cut. */
static int weigh_restart(struct visit *visit, struct tx *tx, struct error *err)
{
    struct report end = {.kind = REPORT_INSTALLING, .detail = "started anew"};
    struct deployment deployment;
    size_t count;
    int64_t size = 0;
    bool begun;

    if (!visit->evidence.version || differs(visit->evidence.version, visit->device.version) ||
        !visit->device.boot_id[0] || !differs(visit->evidence.boot_id, visit->device.boot_id))
        return 0;
    if (deployments_of_device(tx, visit->device.row_id, &deployment, 1, &count, err))
        return -1;
    if (!count || !is_fetching(&deployment))
        return 0;
    if (has_begun(tx, &deployment, &begun, err) ||
        find_file(visit, tx, deployment.release_row, &size, err))
        return -1;
    if (!begun && strcmp(deployment.state, "downloaded") != 0)
        return 0;
    if (!has_most(&deployment, size)) {
        end.kind = REPORT_FAILURE;
        end.class = "power";
        end.is_final = true;
    }
    hash_of("restart", visit->evidence.boot_id, end.hash);
    return take_report(visit, tx, &deployment, &end, err);
}

static int take_evidence(struct visit *visit, struct tx *tx, struct error *err)
{
    struct app *app = request_app(visit->req);
    int64_t now = request_now(visit->req);

    return weigh_restart(visit, tx, err) ||
                   device_take_evidence(tx, &visit->device, &visit->evidence, now, err) ||
                   campaign_take_evidence(tx, app->campaigns, &visit->device, now, err) ||
                   ddi_trim_history(visit->req, tx, &visit->device, err)
               ? -1
               : 0;
}

/* It asks, so it is at nothing: told nothing, it has stopped. What it has installed it cannot undo.
 */
static int stop(struct visit *visit, struct tx *tx, struct error *err)
{
    const char *state = visit->decision.state;
    bool is_late = strcmp(state, "installing") == 0 || strcmp(state, "verifying") == 0;
    struct report end = {.kind = is_late ? REPORT_CANCEL_REFUSED : REPORT_CANCELLED,
                         .is_final = true};
    struct deployment deployment;
    enum step step = told_of(visit, tx, &deployment, err);

    if (step != STEP_ROW)
        return step == STEP_DONE ? 0 : -1;
    hash_of("stopped", "", end.hash);
    return take_report(visit, tx, &deployment, &end, err);
}

/* -- what it is told -- */

static bool is_for(const struct target *target, const struct visit *visit)
{
    json_auto_t *list = NULL;
    const char *hardware = visit->device.hardware[0] ? visit->device.hardware : visit->device.model;
    size_t length = strlen(target->file), suffix = strlen(visit->suffix), i;
    struct error ignored;
    const json_t *id;

    if (target->is_broken || length < suffix ||
        strcmp(target->file + length - suffix, visit->suffix) != 0 ||
        json_read(target->hardware_ids, strlen(target->hardware_ids), &list, &ignored))
        return false;
    json_array_foreach(list, i, id)
    {
        if (json_is_string(id) && strcmp(json_string_value(id), hardware) == 0)
            return true;
    }
    return false;
}

/* The first file of the release that this client on this device can use; `url` stays empty when
 * there is none. */
static int find_file(struct visit *visit, struct tx *tx, int64_t release_row, int64_t *ret_size,
                     struct error *err)
{
    struct target *targets = NULL;
    size_t count = 0;

    text_clear(&visit->url);
    if (release_targets(tx, release_row, &targets, &count, err))
        return -1;
    for (size_t i = 0; i < count && !visit->url.length; i++) {
        if (!is_for(&targets[i], visit))
            continue;
        *ret_size = targets[i].size;
        native_write_url(&visit->url, visit->req, targets[i].path, targets[i].sha256);
        snprintf(visit->etag, sizeof visit->etag, "\"%s\"", targets[i].sha256);
    }
    targets_free(&targets, count);
    return visit->url.is_broken ? fail_internal(err, "memory for an address") : 0;
}

/* What it may fetch it installs; what it runs already it is not sent to once more. */
static bool is_for_now(const struct decision *decision)
{
    return decision->verdict == VERDICT_OFFER && !decision->awaits_consent &&
           decision->install != INSTALL_PRESTAGE && strcmp(decision->state, "verifying") != 0;
}

static int answer(struct visit *visit, struct tx *tx, struct error *err)
{
    struct decision *decision = &visit->decision;
    int64_t size;

    text_clear(&visit->url);
    if (is_for_now(decision) && find_file(visit, tx, decision->release_row, &size, err))
        return HANDLE_FAILED;
    bool is_settling =
        strcmp(decision->state, "verifying") == 0 && visit->evidence.uptime > visit->device.uptime;
    bool writes = decision->verdict == VERDICT_WRITE || decision->verdict == VERDICT_CANCEL ||
                  is_settling || (visit->installs && visit->url.length);
    if (writes && !request_on_writer(visit->req))
        return HANDLE_AS_WRITE;
    if ((decision->verdict == VERDICT_CANCEL && stop(visit, tx, err)) ||
        (visit->installs && visit->url.length && note_installation(visit, tx, err)))
        return HANDLE_FAILED;
    return tx_commit(tx, err) ? HANDLE_FAILED : HANDLE_OK;
}

int visit_take(struct visit *visit, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(visit->req);
    bool on_writer = request_on_writer(visit->req);

    if (native_begin(visit->req, &tx, &visit->device, err))
        return HANDLE_FAILED;
    if (has_news(visit) && !on_writer)
        return HANDLE_AS_WRITE;
    if ((on_writer && take_evidence(visit, &tx, err)) ||
        campaign_poll_by(&tx, app->campaigns, &visit->device, INSTALLS_AT_ONCE,
                         request_now(visit->req), &visit->decision, err))
        return HANDLE_FAILED;
    return answer(visit, &tx, err);
}
