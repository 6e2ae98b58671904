/* SPDX-License-Identifier: Apache-2.0 */
/* What devices say of their actions. Clients of ten years speak here, so only the two members that
 * matter are demanded, and everything else may be missing or of another type. */
#include "api/device/ddi.h"

#include "core/digest.h"

#include <string.h>

/* -- reading -- */

static int word_of(const char *word, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return (int)i;
    return -1;
}

static void add_text(struct digest *digest, const char *text)
{
    digest_add(digest, text, strlen(text) + 1);
}

static void add_number(struct digest *digest, const json_t *value)
{
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;

    digest_add(digest, &number, sizeof number);
}

/* Two messages are the same when they tell the same: time and id do not count, progress does. */
static int hash_feedback(const json_t *status, const json_t *result, struct ddi_feedback *feedback,
                         struct error *err)
{
    CLEANUP(digest_free) struct digest *digest = digest_new(DIGEST_SHA256);
    const json_t *progress = json_object_get(result, "progress");
    const json_t *line;
    size_t i;

    if (!digest)
        return fail_internal(err, "out of memory");
    add_text(digest, json_string_value(json_object_get(status, "execution")));
    add_text(digest, json_string_value(json_object_get(result, "finished")));
    add_number(digest, json_object_get(status, "code"));
    add_number(digest, json_object_get(progress, "cnt"));
    add_number(digest, json_object_get(progress, "of"));
    json_array_foreach(json_object_get(status, "details"), i, line) if (json_is_string(line))
        add_text(digest, json_string_value(line));
    digest_end(digest, feedback->hash);
    return 0;
}

int ddi_feedback_from_json(const json_t *json, struct ddi_feedback *ret, struct error *err)
{
    static const char *const executions[] = {
        [DDI_CLOSED] = "closed",       [DDI_PROCEEDING] = "proceeding",
        [DDI_SCHEDULED] = "scheduled", [DDI_RESUMED] = "resumed",
        [DDI_DOWNLOAD] = "download",   [DDI_DOWNLOADED] = "downloaded",
        [DDI_REJECTED] = "rejected",   [DDI_CANCELED] = "canceled",
    };
    static const char *const results[] = {
        [DDI_NONE] = "none", [DDI_SUCCESS] = "success", [DDI_FAILURE] = "failure"};
    const json_t *status, *result;
    const char *execution, *finished;

    if (json_get_object(json, "status", &status, err) ||
        json_get_string(status, "execution", &execution, err) ||
        json_get_object(status, "result", &result, err) ||
        json_get_string(result, "finished", &finished, err))
        return -1;
    int execution_index = word_of(execution, executions, COUNT_OF(executions));
    int finished_index = word_of(finished, results, COUNT_OF(results));
    if (execution_index < 0)
        return fail_field(err, PROBLEM_BAD_FIELD, "status.execution", "not a known execution");
    if (finished_index < 0)
        return fail_field(err, PROBLEM_BAD_FIELD, "status.result.finished", "not a known result");
    ret->execution = (enum ddi_execution)execution_index;
    ret->finished = (enum ddi_finished)finished_index;
    ddi_join(json_object_get(status, "details"), ret->detail, sizeof ret->detail);
    return hash_feedback(status, result, ret, err);
}

/* -- meaning -- */

/* A SWUpdate that meets a cancel between its two fetches takes the cancel for an update to skip and
 * reports success without having installed anything. */
static bool is_skip(const struct ddi_feedback *feedback)
{
    return strcmp(feedback->detail, "Skipped Update.") == 0;
}

static enum report_kind closed_kind(const struct ddi_feedback *feedback)
{
    if (feedback->finished == DDI_FAILURE)
        return REPORT_FAILURE;
    return is_skip(feedback) ? REPORT_NOTE : REPORT_SUCCESS;
}

static void fill(const struct ddi_feedback *feedback, enum report_kind kind, struct report *ret)
{
    *ret = (struct report){.kind = kind, .detail = feedback->detail};
    memcpy(ret->hash, feedback->hash, sizeof ret->hash);
}

void ddi_report(const struct ddi_feedback *feedback, bool is_cancelling, struct report *ret)
{
    static const enum report_kind kinds[] = {
        [DDI_PROCEEDING] = REPORT_PROGRESS,   [DDI_SCHEDULED] = REPORT_PROGRESS,
        [DDI_RESUMED] = REPORT_PROGRESS,      [DDI_DOWNLOAD] = REPORT_DOWNLOADING,
        [DDI_DOWNLOADED] = REPORT_DOWNLOADED, [DDI_REJECTED] = REPORT_REJECTED,
        [DDI_CANCELED] = REPORT_NOTE,
    };

    if (feedback->execution == DDI_CLOSED) {
        fill(feedback, closed_kind(feedback), ret);
        ret->is_final = ret->kind != REPORT_NOTE;
    } else if (feedback->execution == DDI_CANCELED && is_cancelling) {
        fill(feedback, REPORT_CANCELLED, ret);
        ret->is_final = true;
    } else {
        fill(feedback, kinds[feedback->execution], ret);
    }
}

void ddi_cancel_report(const struct ddi_feedback *feedback, struct report *ret)
{
    bool is_closed = feedback->execution == DDI_CLOSED;
    bool is_refused =
        feedback->execution == DDI_REJECTED || (is_closed && feedback->finished == DDI_FAILURE);

    fill(feedback,
         is_refused  ? REPORT_CANCEL_REFUSED
         : is_closed ? REPORT_CANCELLED
                     : REPORT_NOTE,
         ret);
    ret->is_final = ret->kind == REPORT_CANCELLED;
}
