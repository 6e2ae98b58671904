/* SPDX-License-Identifier: Apache-2.0 */
/* A device says which release it runs, although no deployment of ours brought it. */
#include "api/device/ddi.h"

#include "core/json.h"

#include <string.h>

/* Names that no release can have are those of releases there are not. */
int ddi_installed_from_json(const json_t *json, struct ddi_installed *ret, struct error *err)
{
    const char *name;

    if (json_get_string(json, "name", &name, err) ||
        json_get_string(json, "version", &ret->version, err))
        return -1;
    if (!*name || !*ret->version)
        return fail_field(err, PROBLEM_BAD_FIELD, *name ? "version" : "name",
                          "it must not be empty");
    if (!identifier_ok(IDENTIFIER_PRODUCT, name) ||
        !identifier_ok(IDENTIFIER_VERSION, ret->version))
        return fail(err, PROBLEM_NO_SUCH_RELEASE, "%s", "");
    snprintf(ret->release, sizeof ret->release, "%s:%s", name, ret->version);
    return 0;
}

int ddi_put_installed(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    struct ddi_installed installed;
    struct release release;
    struct device device;

    if (ddi_begin(req, &tx, &device, err) ||
        ddi_installed_from_json(request_json(req), &installed, err))
        return HANDLE_FAILED;
    enum step step = release_by_id(&tx, device.tenant_row, installed.release, &release, err);
    if (step != STEP_ROW)
        return step == STEP_DONE ? fail(err, PROBLEM_NO_SUCH_RELEASE, "%s", installed.release)
                                 : HANDLE_FAILED;
    bool is_new = strcmp(device.version, installed.version) != 0;
    const struct evidence evidence = {.version = installed.version, .uptime = -1, .floor = -1};
    if (device_take_evidence(&tx, &device, &evidence, request_now(req), err) ||
        campaign_take_evidence(&tx, app->campaigns, &device, request_now(req), err) ||
        ddi_trim_history(req, &tx, &device, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, is_new ? 201 : 200);
}
