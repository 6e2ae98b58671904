/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be installed, and what is no longer: deploymentBase, installedBase, cancelAction and
 * the list of a module's artifacts. They read only; clients fetch them again and again. */
#include "api/device/ddi.h"

#include <string.h>

struct targets {
    struct target *at;
    size_t count;
};

static void targets_release(struct targets *targets)
{
    targets_free(&targets->at, targets->count);
}

/* Cancelled ones hide; others stay readable when they are over. */
static bool is_readable(const struct deployment *deployment)
{
    static const char *const hidden[] = {"cancelled", "withdrawn", "superseded",
                                         "removed",   "rejected",  "not_applicable"};

    if (deployment->is_cancelling)
        return false;
    for (size_t i = 0; i < COUNT_OF(hidden); i++)
        if (strcmp(deployment->state, hidden[i]) == 0)
            return false;
    return true;
}

static int load_targets(struct tx *tx, const struct deployment *deployment, struct release *ret,
                        struct targets *ret_targets, struct error *err)
{
    enum step step = release_by_row(tx, deployment->release_row, ret, err);

    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_DONE || ret->state != RELEASE_PUBLISHED)
        return fail(err, PROBLEM_NOT_FOUND, "the release is not on offer");
    if (release_targets(tx, ret->row_id, &ret_targets->at, &ret_targets->count, err))
        return -1;
    /* Better no deployment than an image that fails: clients take a missing artifact for a failure.
     */
    for (size_t i = 0; i < ret_targets->count; i++)
        if (ret_targets->at[i].is_broken)
            return fail(err, PROBLEM_NOT_FOUND, "the release is not on offer");
    return 0;
}

/* One chunk per component; targets come in order of component. */
static void write_chunks(struct text *json, struct request *req, const struct release *release,
                         const struct targets *targets)
{
    const char *component = NULL;

    for (size_t i = 0; i < targets->count; i++) {
        const struct target *target = &targets->at[i];
        bool is_same = component && strcmp(component, target->component) == 0;
        if (!is_same) {
            text_append(json, component ? "]},{\"part\":" : "{\"part\":");
            text_json_string(json, ddi_part(target->component));
            text_append(json, ",\"version\":");
            text_json_string(json, target->version);
            text_append(json, ",\"name\":");
            text_json_string(json, release->product);
            text_append(json, ",\"artifacts\":[");
        } else {
            text_append(json, ",");
        }
        ddi_write_artifact(json, req, target);
        component = target->component;
    }
    text_append(json, component ? "]}" : "");
}

/* What is only to be fetched for now, or waits for its window, is not installed: "skip". */
struct ddi_handling ddi_handling(enum install install)
{
    static const struct ddi_handling handlings[] = {
        [INSTALL_FORCED] = {"forced",  "forced" },
        [INSTALL_OPTIONAL] = {"attempt", "attempt"},
        [INSTALL_PRESTAGE] = {"forced",  "skip"   },
    };

    return handlings[install];
}

static int reply_deployment(struct request *req, struct reply *reply, bool is_installed,
                            struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(targets_release) struct targets targets = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct deployment deployment;
    struct device device;
    struct release release;
    struct decision terms;

    if (ddi_begin(req, &tx, &device, err) || ddi_deployment(req, &tx, &device, &deployment, err))
        return HANDLE_FAILED;
    if (!is_readable(&deployment) || (is_installed && deployment.is_open))
        return fail(err, PROBLEM_NOT_FOUND, "no such action now");
    if (load_targets(&tx, &deployment, &release, &targets, err) ||
        campaign_terms(&tx, app->campaigns, &device, &deployment, request_now(req), &terms, err))
        return HANDLE_FAILED;
    const struct ddi_handling handling =
        ddi_handling(is_installed ? INSTALL_FORCED : terms.install);
    text_format(&json,
                "{\"id\":\"%lld\",\"deployment\":{\"download\":\"%s\",\"update\":\"%s\","
                "\"chunks\":[",
                (long long)deployment.action, handling.download, handling.update);
    write_chunks(&json, req, &release, &targets);
    text_append(&json, "]}}");
    return reply_json_text(reply, 200, &json, true);
}

int ddi_get_deployment(struct request *req, struct reply *reply, struct error *err)
{
    return reply_deployment(req, reply, false, err);
}

int ddi_get_installed(struct request *req, struct reply *reply, struct error *err)
{
    return reply_deployment(req, reply, true, err);
}

int ddi_get_cancel(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct deployment deployment;
    struct device device;

    if (ddi_begin(req, &tx, &device, err) || ddi_deployment(req, &tx, &device, &deployment, err))
        return HANDLE_FAILED;
    if (!deployment.is_open || !deployment.is_cancelling)
        return fail(err, PROBLEM_NOT_FOUND, "this action is not being cancelled");
    text_format(&json, "{\"id\":\"%lld\",\"cancelAction\":{\"stopId\":\"%lld\"}}",
                (long long)deployment.action, (long long)deployment.action);
    return reply_json_text(reply, 200, &json, true);
}

/* Our modules have one artifact each: the target's row is the module's id. */
int ddi_list_artifacts(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(target_clear) struct target target = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct decision decision;
    struct device device;
    int64_t module;

    if (ddi_begin(req, &tx, &device, err))
        return HANDLE_FAILED;
    enum step step = STEP_DONE;
    if (number_from_text(request_parameter(req, "module"), &module))
        step = campaign_allows_artifact(&tx, device.row_id, module, &decision, err);
    if (step == STEP_ROW)
        step = target_by_row(&tx, module, &target, err);
    if (step == STEP_FAILED)
        return HANDLE_FAILED;
    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "no such software module");
    text_append(&json, "[");
    ddi_write_artifact(&json, req, &target);
    text_append(&json, "]");
    return reply_json_text(reply, 200, &json, true);
}
