/* SPDX-License-Identifier: Apache-2.0 */
/* The words of deploymentBase and its kin: what our terms, states and components are called there.
 */
#include "api/device/ddi.h"

#include "campaign/state.h"

#include <string.h>

/* What is only to be fetched, or waits for its window, is not installed: "skip". Who may go on
 * although the window has closed is in it, as far as it knows. */
struct ddi_handling ddi_handling(const struct decision *terms)
{
    static const struct ddi_handling handlings[] = {
        [INSTALL_FORCED] = {"forced",  "forced",  NULL},
        [INSTALL_OPTIONAL] = {"attempt", "attempt", NULL},
        [INSTALL_PRESTAGE] = {"forced",  "skip",    NULL},
    };
    struct ddi_handling handling = handlings[terms->install];
    bool is_open = terms->window_is_open || terms->install != INSTALL_PRESTAGE;

    if (terms->has_window)
        handling.window = is_open ? "available" : "unavailable";
    return handling;
}

static enum deployment_state state_of(const struct deployment *deployment)
{
    enum deployment_state state = DEPLOYMENT_OFFERED;

    (void)deployment_state_of(deployment->state, &state);
    return state;
}

const char *ddi_action_status(const struct deployment *deployment, bool awaits_consent)
{
    static const char *const names[DEPLOYMENT_STATES] = {
        [DEPLOYMENT_DOWNLOADED] = "DOWNLOADED",
        [DEPLOYMENT_VERIFYING] = "FINISHED",
        [DEPLOYMENT_CONFIRMED] = "FINISHED",
        [DEPLOYMENT_ALREADY] = "FINISHED",
        [DEPLOYMENT_FAILED] = "ERROR",
        [DEPLOYMENT_REVERTED] = "ERROR",
        [DEPLOYMENT_LOST] = "ERROR",
        [DEPLOYMENT_TIMED_OUT] = "ERROR",
        [DEPLOYMENT_NOT_APPLICABLE] = "ERROR",
        [DEPLOYMENT_CANCELLED] = "CANCELED",
        [DEPLOYMENT_WITHDRAWN] = "CANCELED",
        [DEPLOYMENT_REJECTED] = "CANCELED",
        [DEPLOYMENT_SUPERSEDED] = "CANCELED",
        [DEPLOYMENT_REMOVED] = "CANCELED",
    };
    const char *name = deployment->is_open ? NULL : names[state_of(deployment)];

    if (deployment->is_cancelling)
        return "CANCELING";
    if (deployment->is_open && awaits_consent)
        return "WAIT_FOR_CONFIRMATION";
    return name ? name : "RETRIEVED"; /* whoever asks has fetched it */
}

bool ddi_is_readable(const struct deployment *deployment)
{
    static const enum deployment_state hidden[] = {DEPLOYMENT_CANCELLED, DEPLOYMENT_WITHDRAWN,
                                                   DEPLOYMENT_SUPERSEDED, DEPLOYMENT_REMOVED,
                                                   DEPLOYMENT_REJECTED};

    if (deployment->is_cancelling)
        return false;
    for (size_t i = 0; i < COUNT_OF(hidden); i++)
        if (state_of(deployment) == hidden[i])
            return false;
    return true;
}

/* Zephyr takes nothing but bApp; the other names are historical as well. */
const char *ddi_part(const char *component)
{
    if (strcmp(component, "app") == 0 || strcmp(component, "application") == 0)
        return "bApp";
    return strcmp(component, "runtime") == 0 ? "jvm" : component;
}

void ddi_write_metadata(struct text *text, const char *custom)
{
    json_auto_t *json = json_loads(custom, 0, NULL);
    const char *name, *separator = ",\"metadata\":[";
    const json_t *value;

    json_object_foreach(json_object_get(json, "metadata"), name, value)
    {
        if (!json_is_string(value))
            continue;
        text_append(text, separator);
        text_append(text, "{\"key\":");
        text_json_string(text, name);
        text_append(text, ",\"value\":");
        text_json_string(text, json_string_value(value));
        text_append(text, "}");
        separator = ",";
    }
    if (*separator == ',' && !separator[1])
        text_append(text, "]");
}

static void write_link(struct text *text, const char *name, const char *href, const char *suffix)
{
    text_json_string(text, name);
    text_append(text, ":{\"href\":\"");
    text_append(text, href);
    text_append(text, suffix);
    text_append(text, "\"}");
}

void ddi_write_artifact(struct text *text, struct request *req, const struct target *target)
{
    CLEANUP(text_clear) struct text href = {0};

    ddi_write_base(&href, req);
    text_format(&href, "/softwaremodules/%lld/artifacts/", (long long)target->row_id);
    text_url_segment(&href, target->file);
    CLEANUP(free_string) char *link = text_take(&href);
    if (!link) {
        text->is_broken = true;
        return;
    }
    text_append(text, "{\"filename\":");
    text_json_string(text, target->file);
    text_format(text,
                ",\"hashes\":{\"sha1\":\"%s\",\"md5\":\"%s\",\"sha256\":\"%s\"},\"size\":%lld",
                target->sha1, target->md5, target->sha256, (long long)target->size);
    text_append(text, ",\"_links\":{");
    write_link(text, "download", link, "");
    text_append(text, ",");
    write_link(text, "md5sum", link, ".MD5SUM");
    text_append(text, ",");
    /* Some clients know only this pair; it leads to the same place. */
    write_link(text, "download-http", link, "");
    text_append(text, ",");
    write_link(text, "md5sum-http", link, ".MD5SUM");
    text_append(text, "}}");
}
