/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/members.h"

#include "api/operator/frame.h"
#include "campaign/zone.h"
#include "core/clock.h"
#include "store/campaign.h"

#include <string.h>

int member_reason(const json_t *json, bool is_needed, const char **ret, struct error *err)
{
    if (is_needed ? json_get_string(json, "reason", ret, err)
                  : json_get_string_or(json, "reason", "", ret, err))
        return -1;
    size_t length = strlen(*ret);
    if (length > REASON_MAX || (is_needed && !length))
        return fail_field(err, PROBLEM_BAD_FIELD, "reason", "a reason has 1 to %d bytes",
                          REASON_MAX);
    return 0;
}

int member_time(const json_t *json, const char *name, int64_t *ret, struct error *err)
{
    const char *text;

    *ret = 0;
    if (json_get_string_or(json, name, NULL, &text, err))
        return -1;
    if (text && (!clock_parse(text, ret) || *ret <= 0))
        return fail_field(err, PROBLEM_BAD_FIELD, name, "%s is a time such as 2026-05-01T22:00:00Z",
                          name);
    return 0;
}

int member_filter(const struct request *req, const json_t *json, const char *name, const char **ret,
                  struct error *err)
{
    const struct app *app = request_app(req);
    CLEANUP(filter_free) struct filter *filter = NULL;

    if (json_get_string_or(json, name, "", ret, err))
        return -1;
    if (!(*ret)[0])
        return 0;
    if ((int64_t)strlen(*ret) > app->config->campaign_filter_max)
        return fail_field(err, PROBLEM_BAD_FILTER, name, "the filter is longer than %lld bytes",
                          (long long)app->config->campaign_filter_max);
    if (filter_parse(*ret, &filter, err) == 0)
        return 0;
    snprintf(err->field, sizeof err->field, "%s", name);
    return -1;
}

int member_zone(const json_t *json, const char **ret, struct error *err)
{
    const char *otherwise = json_is_null(json_object_get(json, "zone")) ? "" : NULL;

    if (json_get_string_or(json, "zone", otherwise, ret, err))
        return -1;
    if (*ret && (*ret)[0] && !zone_named(*ret))
        return fail_field(err, PROBLEM_BAD_FIELD, "zone", "there is no zone \"%.60s\"", *ret);
    return 0;
}

int path_channel(struct request *req, struct tx *tx, struct channel *ret, struct error *err)
{
    const char *id = request_parameter(req, "id");
    int64_t row;
    enum step step = channel_row_by_id(tx, request_identity(req)->tenant_row, id, &row, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "there is no channel %.64s", id);
    return step == STEP_ROW && channel_by_row(tx, row, ret, err) == STEP_ROW ? 0 : -1;
}

int path_device(struct request *req, struct tx *tx, struct device *ret, struct error *err)
{
    return device_need(tx, request_identity(req)->tenant_row, request_parameter(req, "id"), ret,
                       err);
}

int member_release(struct request *req, struct tx *tx, const char *id, struct release *ret,
                   struct error *err)
{
    enum step step = release_by_id(tx, request_identity(req)->tenant_row, id, ret, err);

    if (step == STEP_FAILED)
        return -1;
    if (step == STEP_DONE)
        return fail_field(err, PROBLEM_NO_SUCH_RELEASE, "release", "release %.97s", id);
    if (ret->state != RELEASE_PUBLISHED)
        return fail_field(err, PROBLEM_WRONG_STATE, "release", "release %.97s is %s", id,
                          release_state_name(ret->state));
    return 0;
}

const char *audit_detail(const char *what, const char *reason, char ret[AUDIT_DETAIL_SIZE])
{
    snprintf(ret, AUDIT_DETAIL_SIZE, "%.97s%s%.160s", what, reason[0] ? ": " : "", reason);
    return ret;
}

int membership_to_json(struct tx *tx, const struct device *device, int64_t now, json_t **ret,
                       struct error *err)
{
    struct membership membership;
    enum step step = device_membership(tx, device->row_id, now, &membership, err);

    if (step == STEP_FAILED)
        return -1;
    *ret = step == STEP_DONE ? json_null()
                             : json_pack("{s:s, s:o}", "channel", membership.channel_id, "until",
                                         json_from_time(membership.until_at));
    return *ret ? 0 : fail_internal(err, "memory for a membership");
}

/* How it is delivered is in the plan of its standing campaign; members as a pin is asked for. */
static int write_terms(struct tx *tx, int64_t campaign_row, json_t *json, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    json_auto_t *plan = NULL;

    if (campaign_by_row(tx, campaign_row, &campaign, err) == STEP_FAILED)
        return -1;
    plan = campaign.plan ? json_loads(campaign.plan, 0, NULL) : NULL;
    const json_t *install = json_object_get(plan, "install");
    const json_t *windows = json_object_get(plan, "windows");
    json_auto_t *terms = json_pack(
        "{s:O*, s:O*, s:O*, s:O*, s:O*, s:O*, s:O*, s:{s:O*}}", "install",
        json_object_get(install, "mode"), "force_at", json_object_get(install, "force_at"), "risk",
        json_object_get(install, "risk"), "consent", json_object_get(plan, "consent"),
        "install_windows", json_object_get(windows, "install"), "download_windows",
        json_object_get(windows, "download"), "zone", json_object_get(windows, "zone"), "caps",
        "transfer_rate", json_object_get(json_object_get(plan, "caps"), "transfer_rate"));
    return !terms || json_object_update(json, terms) ? fail_internal(err, "memory for a pin") : 0;
}

int pin_to_json(struct tx *tx, const char *device_id, const struct pin *pin, json_t **ret,
                struct error *err)
{
    bool is_hold = !pin->release_row;
    json_auto_t *json =
        json_pack("{s:s, s:s?, s:s?, s:s, s:s, s:o, s:o}", "device", device_id, "release",
                  is_hold ? NULL : pin->release_id, "campaign", is_hold ? NULL : pin->campaign_id,
                  "reason", pin->reason, "created_by", pin->created_by, "created_at",
                  json_from_time(pin->created_at), "expires_at", json_from_time(pin->expires_at));

    if (!json)
        return fail_internal(err, "memory for a pin");
    if (!is_hold && write_terms(tx, pin->campaign_row, json, err))
        return -1;
    *ret = json_incref(json);
    return 0;
}
