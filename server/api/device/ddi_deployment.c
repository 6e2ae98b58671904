/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be installed, what asks for consent first, and what is installed: three resources with
 * one document. They read only; clients fetch them again and again. */
#include "api/device/ddi.h"

#include <string.h>

#define HISTORY_MOST 100

struct targets {
    struct target *at;
    size_t count;
};

static void targets_release(struct targets *targets)
{
    targets_free(&targets->at, targets->count);
}

enum resource { DEPLOYMENT_BASE, CONFIRMATION_BASE, INSTALLED_BASE };

/* Told to skip the installation, these clients would report that they are done with it. */
static bool is_too_early(enum prestaging asker, const struct decision *terms)
{
    return asker == INSTALLS_AT_ONCE && terms->install == INSTALL_PRESTAGE &&
           !terms->is_download_only;
}

/* The links of a poll lead to something: also while what it already runs is being verified. */
static bool is_shown(enum resource resource, const struct device *device, enum prestaging asker,
                     const struct deployment *deployment, const struct decision *terms)
{
    bool awaits_consent = deployment->is_open && terms->awaits_consent;

    if (!ddi_is_readable(deployment))
        return false;
    switch (resource) {
    case DEPLOYMENT_BASE:
        return !awaits_consent && !(deployment->is_open && is_too_early(asker, terms));
    case CONFIRMATION_BASE:
        return awaits_consent;
    case INSTALLED_BASE:
        break;
    }
    return !deployment->is_open || deployment->action == device->installed_action;
}

/* -- its images -- */

/* Better no deployment than an image that fails: clients take a missing artifact for a failure. */
static int check_image(struct app *app, const struct target *target, struct error *err)
{
    const struct blob *blob = NULL;
    uint8_t hash[SHA256_SIZE];

    if (target->is_broken || !hex_to_bytes(target->sha256, hash, sizeof hash) ||
        blob_open(app->blobs, hash, target->size, &blob, err))
        return fail(err, PROBLEM_NOT_FOUND, "an image of the release cannot be fetched now");
    blob_close(app->blobs, blob);
    return 0;
}

static int check_offer(struct app *app, const struct release *release,
                       const struct targets *targets, struct error *err)
{
    if (release->state != RELEASE_PUBLISHED)
        return fail(err, PROBLEM_NOT_FOUND, "the release is not on offer");
    for (size_t i = 0; i < targets->count; i++)
        if (check_image(app, &targets->at[i], err))
            return -1;
    return 0;
}

static int load_targets(struct tx *tx, const struct deployment *deployment, struct release *ret,
                        struct targets *ret_targets, struct error *err)
{
    enum step step = release_by_row(tx, deployment->release_row, ret, err);

    if (step == STEP_ROW)
        return release_targets(tx, ret->row_id, &ret_targets->at, &ret_targets->count, err);
    return step == STEP_DONE ? fail(err, PROBLEM_NOT_FOUND, "the release is gone") : -1;
}

/* -- the document -- */

static void open_chunk(struct text *json, const struct release *release,
                       const struct target *target)
{
    text_append(json, "{\"part\":");
    text_json_string(json, ddi_part(target->component));
    text_append(json, ",\"version\":");
    text_json_string(json, target->version);
    text_append(json, ",\"name\":");
    text_json_string(json, release->product);
    text_append(json, ",\"artifacts\":[");
}

static void close_chunk(struct text *json, const struct target *first)
{
    text_append(json, "]");
    ddi_write_metadata(json, first->custom);
    text_append(json, "}");
}

/* One chunk per component; targets come in order of component. */
static void write_chunks(struct text *json, struct request *req, const struct release *release,
                         const struct targets *targets)
{
    const struct target *first = NULL; /* of its component */

    for (size_t i = 0; i < targets->count; i++) {
        const struct target *target = &targets->at[i];
        bool is_same = first && strcmp(first->component, target->component) == 0;
        if (first && !is_same)
            close_chunk(json, first);
        if (first)
            text_append(json, ",");
        if (!is_same) {
            open_chunk(json, release, target);
            first = target;
        }
        ddi_write_artifact(json, req, target);
    }
    if (first)
        close_chunk(json, first);
}

static void write_deployment(struct text *json, enum resource resource,
                             const struct deployment *deployment, const struct decision *terms)
{
    const struct ddi_handling handling = ddi_handling(terms);

    text_format(json, "{\"id\":\"%lld\",\"%s\":{\"download\":\"%s\",\"update\":\"%s\"",
                (long long)deployment->action,
                resource == CONFIRMATION_BASE ? "confirmation" : "deployment", handling.download,
                handling.update);
    if (handling.window)
        text_format(json, ",\"maintenanceWindow\":\"%s\"", handling.window);
}

/* How many lines of its history are asked for; a negative number asks for all there may be. */
static int history_asked(struct request *req, int64_t *ret, struct error *err)
{
    if (request_query_number(req, "actionHistory", INT32_MIN, INT32_MAX, 0, ret, err))
        return -1;
    if (*ret < 0 || *ret > HISTORY_MOST)
        *ret = HISTORY_MOST;
    return 0;
}

static int reply_resource(struct request *req, struct reply *reply, enum resource resource,
                          struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(targets_release) struct targets targets = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct deployment deployment;
    struct device device;
    struct release release;
    struct decision terms;
    int64_t lines;

    if (ddi_begin_json(req, &tx, &device, err) || history_asked(req, &lines, err) ||
        ddi_deployment(req, &tx, &device, &deployment, err) ||
        ddi_terms(req, &tx, &device, &deployment, &terms, err))
        return HANDLE_FAILED;
    enum prestaging asker = ddi_asker(req, &device);
    if (!is_shown(resource, &device, asker, &deployment, &terms))
        return fail(err, PROBLEM_NOT_FOUND, "no such action now");
    if (load_targets(&tx, &deployment, &release, &targets, err) ||
        (resource != INSTALLED_BASE && check_offer(request_app(req), &release, &targets, err)))
        return HANDLE_FAILED;
    write_deployment(&json, resource, &deployment, &terms);
    text_append(&json, ",\"chunks\":[");
    write_chunks(&json, req, &release, &targets);
    text_append(&json, "]}");
    const char *status = ddi_action_status(&deployment, terms.awaits_consent);
    if (ddi_write_history(&json, &tx, &deployment, status, lines, err))
        return HANDLE_FAILED;
    text_append(&json, "}");
    return ddi_reply(req, reply, &json);
}

int ddi_get_deployment(struct request *req, struct reply *reply, struct error *err)
{
    return reply_resource(req, reply, DEPLOYMENT_BASE, err);
}

int ddi_get_confirmation(struct request *req, struct reply *reply, struct error *err)
{
    return reply_resource(req, reply, CONFIRMATION_BASE, err);
}

int ddi_get_installed(struct request *req, struct reply *reply, struct error *err)
{
    return reply_resource(req, reply, INSTALLED_BASE, err);
}
