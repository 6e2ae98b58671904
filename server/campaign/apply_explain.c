/* SPDX-License-Identifier: Apache-2.0 */
/* What the resolver would answer a device now, and why, step by step: the same question as a
 * poll's, with a note for every campaign that is looked at. */
#include "campaign/engine.h"

static json_t *reason_json(const struct plan *plan, enum reason reason)
{
    return json_pack("{s:I, s:s, s:s, s:s?, s:s?}", "step", (json_int_t)reason_step(reason), "code",
                     reason_code(reason), "text", reason_sentence(reason), "campaign",
                     plan ? plan->id : NULL, "release", plan ? plan->release_id : NULL);
}

static int note_reason(void *arg, const struct plan *plan, enum reason reason, struct error *err)
{
    json_t *steps = arg;

    return json_array_append_new(steps, reason_json(plan, reason))
               ? fail_internal(err, "memory for reasons")
               : 0;
}

/* The release of the next step, where it is not the campaign's own yet; what an operator said of
 * it; how it is to be installed. */
static json_t *answer_json(const struct resolution *resolution)
{
    static const char *const installs[] = {
        [INSTALL_FORCED] = "forced",
        [INSTALL_OPTIONAL] = "optional",
        [INSTALL_PRESTAGE] = "prestage",
    };
    const struct plan *plan = resolution->plan;
    json_t *json = reason_json(plan, resolution->reason);

    if (json && resolution->text && resolution->text[0])
        json_object_set_new(json, "note", json_string(resolution->text));
    if (!json || resolution->reason != REASON_OFFER || !plan)
        return json;
    const struct line_release *step =
        plan->line ? line_release(plan->line, resolution->release_row) : NULL;
    if (step)
        json_object_set_new(json, "next", json_string(step->id));
    json_object_set_new(json, "install", json_string(installs[resolution->install]));
    json_object_set_new(json, "install_wait", json_integer(resolution->install_wait));
    return json;
}

static const char *consent_of(const struct deployment *deployment)
{
    return !deployment->asks_consent ? "none" : deployment->consent_at ? "given" : "required";
}

static json_t *deployment_json(const struct inquiry *inquiry, const struct deployment *deployment)
{
    const struct plan *plan = snapshot_find(inquiry->snapshot, deployment->campaign_row);
    bool is_stalled = plan && deployment_is_stalled(inquiry->campaigns, deployment,
                                                    plan->rules.stall, inquiry->question.now);

    return json_pack(
        "{s:s?, s:s, s:I, s:s, s:b, s:b, s:b, s:s, s:I, s:o, s:o, s:o}", "campaign",
        plan ? plan->id : NULL, "state", deployment->state, "attempt",
        (json_int_t)deployment->attempt, "class", deployment->class, "open", deployment->is_open,
        "cancelling", deployment->is_cancelling, "stalled", is_stalled, "consent",
        consent_of(deployment), "fetches", (json_int_t)deployment->fetches, "held_until",
        json_from_time(deployment->held_until_at), "state_at", json_from_time(deployment->state_at),
        "retry_at", json_from_time(deployment->retry_at));
}

static json_t *current_json(const struct inquiry *inquiry, const struct deployment *current,
                            const struct resolution *terms)
{
    const char *code = "deployment", *text = "The device has a deployment under way; it goes first";

    if (terms->reason != REASON_OFFER)
        return answer_json(terms);
    if (deployment_awaits_consent(current)) {
        text = "The device has a deployment that waits for its consent";
    } else if (terms->plan && terms->plan->state == CAMPAIGN_PAUSED &&
               inquiry_waits(inquiry, current)) {
        code = "paused";
        text = "The device has not begun, and the campaign is paused";
    }
    return json_pack("{s:s, s:s}", "code", code, "text", text);
}

/* Of a deployment under way: REASON_OFFER when nothing keeps it from being shown. */
static int find_terms(const struct inquiry *inquiry, const struct deployment *current,
                      struct resolution *ret, struct error *err)
{
    if (inquiry_terms(inquiry, current, ret, err))
        return -1;
    bool is_later =
        current->is_open && !current->is_cancelling && inquiry_is_later(inquiry, current, ret);
    if (!is_later) {
        ret->reason = REASON_OFFER;
        ret->until = 0;
    }
    return 0;
}

/* What is under way goes before all campaigns, except for the emergency stop. */
static int write_answer(struct inquiry *inquiry, const struct resolution *resolution, json_t *steps,
                        json_t **ret, struct error *err)
{
    const struct deployment *current =
        resolution->reason == REASON_HALTED ? NULL : inquiry_current(inquiry);
    struct resolution terms = *resolution;

    if (current && find_terms(inquiry, current, &terms, err))
        return -1;
    *ret = json_pack("{s:o, s:o, s:o, s:O}", "answer",
                     current ? current_json(inquiry, current, &terms) : answer_json(&terms),
                     "deployment", current ? deployment_json(inquiry, current) : json_null(),
                     "until", json_from_time(terms.until), "steps", steps);
    return *ret ? 0 : fail_internal(err, "memory for an explanation");
}

/* The campaign that decides was noted last, before it was known who asks. */
static int hold(const struct inquiry *inquiry, struct resolution *resolution, json_t *steps,
                struct error *err)
{
    inquiry_hold(inquiry, resolution);
    if (resolution->reason == REASON_OFFER)
        return 0;
    return json_array_set_new(steps, json_array_size(steps) - 1,
                              reason_json(resolution->plan, resolution->reason))
               ? fail_internal(err, "memory for reasons")
               : 0;
}

static int explain(struct inquiry *inquiry, json_t **ret, struct error *err)
{
    json_auto_t *steps = json_array();
    struct resolution resolution;

    inquiry->question.note = note_reason;
    inquiry->question.note_arg = steps;
    if (resolve(&inquiry->question, &resolution, err) ||
        (resolution.reason == REASON_OFFER && hold(inquiry, &resolution, steps, err)))
        return -1;
    return write_answer(inquiry, &resolution, steps, ret, err);
}

int campaign_explain_json(struct tx *tx, struct campaigns *campaigns, const struct device *device,
                          enum prestaging asker, int64_t now, json_t **ret, struct error *err)
{
    struct inquiry inquiry;
    int failed = question_make(tx, campaigns, device, now, &inquiry, err);

    inquiry.asker = asker;
    failed = failed || explain(&inquiry, ret, err);
    inquiry_end(&inquiry);
    return failed ? -1 : 0;
}
