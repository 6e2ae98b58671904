/* SPDX-License-Identifier: Apache-2.0 */
/* DDI's download addresses. What is not assigned to the device does not exist for it. */
#include "api/device/ddi.h"
#include "api/device/serve.h"

#include <string.h>

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

static int find_target(struct request *req, struct tx *tx, const struct device *device,
                       struct target *ret, struct decision *ret_decision, struct error *err)
{
    enum step step = STEP_DONE;
    int64_t module;

    if (number_from_text(request_parameter(req, "module"), &module))
        step = campaign_allows_artifact(tx, device->row_id, module, ret_decision, err);
    if (step == STEP_ROW)
        step = target_by_row(tx, module, ret, err);
    if (step == STEP_FAILED)
        return -1;
    return step == STEP_ROW ? 0 : fail(err, PROBLEM_NO_SUCH_ARTIFACT, "no such artifact");
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
    if (strcmp(asked, target.file) != 0 || target.is_broken)
        return fail(err, PROBLEM_NO_SUCH_ARTIFACT, "no such artifact");
    struct served served = {
        .target_row = target.row_id,
        .size = target.size,
        .file_name = target.file,
        .is_image = true,
    };
    if (!hex_to_bytes(target.sha256, served.sha256, sizeof served.sha256))
        return fail_internal(err, "target %s: malformed hash", target.path);
    return serve_blob(req, reply, &served, &decision, err);
}
