/* SPDX-License-Identifier: Apache-2.0 */
/* DDI's download addresses. What is not assigned to the device does not exist for it. Our modules
 * have one artifact each: the target's row is the module's id. */
#include "api/device/ddi.h"
#include "api/device/serve.h"

#include <string.h>

#define DEPLOYMENTS_SEARCHED 8

static const char md5_suffix[] = ".MD5SUM";

/* Whether `asked` is `file` followed by the suffix. */
static bool is_sum_of(const char *asked, const char *file)
{
    size_t length = strlen(file);

    return strncmp(asked, file, length) == 0 && strcmp(asked + length, md5_suffix) == 0;
}

static int reply_sum(struct reply *reply, const struct target *target, struct error *err)
{
    CLEANUP(text_clear) struct text sum = {0};

    text_format(&sum, "%s  %s", target->md5, target->file);
    if (sum.is_broken)
        return fail_internal(err, "out of memory");
    return reply_bytes(reply, 200, "text/plain", sum.at, sum.length);
}

/* -- which -- */

/* Its release was taken out of service with the image, under devices that were to install it. */
static int is_lost(struct tx *tx, const struct device *device, const struct target *target,
                   bool *ret, struct error *err)
{
    struct deployment deployments[DEPLOYMENTS_SEARCHED];
    size_t count;

    *ret = false;
    if (!target->is_broken)
        return 0;
    if (deployments_of_device(tx, device->row_id, deployments, DEPLOYMENTS_SEARCHED, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        *ret = *ret || deployments[i].release_row == target->release_row;
    return 0;
}

static int gone(struct error *err)
{
    return fail(err, PROBLEM_GONE, "the image is lost");
}

/* What the path's :module names, when this device may fetch it. */
static int find_target(struct request *req, struct tx *tx, const struct device *device,
                       struct target *ret, struct decision *ret_decision, struct error *err)
{
    enum step found = STEP_DONE, allowed = STEP_DONE;
    bool lost = false;
    int64_t module;

    if (number_from_text(request_parameter(req, "module"), &module))
        found = target_by_row(tx, module, ret, err);
    if (found == STEP_ROW)
        allowed = campaign_allows_artifact(tx, device->row_id, module, ret_decision, err);
    if (found == STEP_FAILED || allowed == STEP_FAILED)
        return -1;
    if (allowed == STEP_ROW)
        return 0;
    if (found == STEP_ROW && is_lost(tx, device, ret, &lost, err))
        return -1;
    return lost ? gone(err) : fail(err, PROBLEM_NO_SUCH_ARTIFACT, "no such artifact");
}

int ddi_list_artifacts(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(target_clear) struct target target = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct decision decision;
    struct device device;

    if (ddi_begin_json(req, &tx, &device, err) ||
        find_target(req, &tx, &device, &target, &decision, err))
        return HANDLE_FAILED;
    text_append(&json, "[");
    ddi_write_artifact(&json, req, &target);
    text_append(&json, "]");
    return ddi_reply(req, reply, &json);
}

/* -- its bytes -- */

static int serve(struct request *req, struct reply *reply, const struct target *target,
                 const struct decision *decision, struct error *err)
{
    struct served served = {
        .target_row = target->row_id,
        .size = target->size,
        .file_name = target->file,
        .etag = target->sha1,
        .is_image = true,
    };

    if (!hex_to_bytes(target->sha256, served.sha256, sizeof served.sha256))
        return fail_internal(err, "target %s: malformed hash", target->path);
    if (target->is_broken)
        return gone(err);
    if (serve_blob(req, reply, &served, decision, err) == 0)
        return HANDLE_OK;
    return err->problem == PROBLEM_NO_SUCH_ARTIFACT ? gone(err) : HANDLE_FAILED;
}

int ddi_get_artifact(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(target_clear) struct target target = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    const char *asked = request_parameter(req, "file");
    struct decision decision = {0};
    struct device device;

    if (ddi_begin(req, &tx, &device, err) ||
        find_target(req, &tx, &device, &target, &decision, err))
        return HANDLE_FAILED;
    tx_end(&tx); /* the reader goes back before bytes flow */
    if (is_sum_of(asked, target.file))
        return reply_sum(reply, &target, err);
    if (strcmp(asked, target.file) != 0)
        return fail(err, PROBLEM_NO_SUCH_ARTIFACT, "no such artifact");
    return serve(req, reply, &target, &decision, err);
}
