/* SPDX-License-Identifier: Apache-2.0 */
/* A device tells how a deployment or its cancellation goes. The order of the checks is hawkBit's:
 * is there such an action, is it the device's turn, is it over, and only then what was said. */
#include "api/device/ddi.h"

#include "campaign/failure.h"
#include "campaign/state.h"
#include "core/json.h"
#include "store/event.h"

#include <string.h>

#define REPORTS_SEARCHED 8

struct conversation {
    struct request *req;
    struct tx tx;
    struct device device;
    struct deployment deployment;
    struct ddi_feedback feedback;
};

static void conversation_end(struct conversation *conversation)
{
    tx_end(&conversation->tx);
}

/* -- whether it is taken -- */

static bool was_cancelled(const struct deployment *deployment)
{
    return strcmp(deployment->state, deployment_state_name(DEPLOYMENT_CANCELLED)) == 0 ||
           strcmp(deployment->state, deployment_state_name(DEPLOYMENT_REMOVED)) == 0;
}

static int check_turn(struct conversation *c, struct error *err)
{
    struct decision terms;

    if (!c->deployment.is_open)
        return 0;
    if (ddi_terms(c->req, &c->tx, &c->device, &c->deployment, &terms, err))
        return -1;
    return terms.awaits_consent ? fail(err, PROBLEM_NOT_FOUND, "it waits for consent") : 0;
}

static int check_cancel(struct conversation *c, struct error *err)
{
    if (c->deployment.is_cancelling || was_cancelled(&c->deployment))
        return 0;
    return fail(err, PROBLEM_METHOD_NOT_ALLOWED, "this action is not being cancelled");
}

static int read_feedback(struct conversation *c, struct error *err)
{
    if (ddi_feedback_from_json(request_json(c->req), &c->feedback, err) == 0)
        return 0;
    return c->deployment.is_open ? -1 : fail(err, PROBLEM_GONE, "the action is over");
}

/* -- why it failed -- */

struct search {
    int64_t attempt;
    char *detail; /* of DDI_DETAIL_SIZE */
    bool is_over;
};

static int find_errors(const struct told *told, void *arg, struct error *err)
{
    json_auto_t *json = NULL, *errors = json_array();
    struct search *search = arg;
    size_t i, used = strlen(search->detail);
    const json_t *line;

    if (search->is_over || told->attempt != search->attempt)
        return 0;
    if (json_read(told->json, strlen(told->json), &json, err))
        return fail_internal(err, "event %lld: unreadable", (long long)told->row_id);
    json_array_foreach(json_object_get(json, "details"), i, line)
    {
        if (json_is_string(line) && ddi_is_error_line(json_string_value(line)))
            json_array_append(errors, (json_t *)(uintptr_t)line);
    }
    search->is_over = json_array_size(errors) > 0;
    if (search->is_over && used + 1 < DDI_DETAIL_SIZE) {
        search->detail[used] = '\n';
        ddi_join(errors, search->detail + used + (used > 0), DDI_DETAIL_SIZE - used - (used > 0));
    }
    return 0;
}

/* SWUpdate's last word is often that it failed, and why stands in the log it sent before. */
static int find_cause(struct conversation *c, const struct report *report, struct error *err)
{
    struct search search = {.attempt = c->deployment.attempt, .detail = c->feedback.detail};

    if (report->kind != REPORT_FAILURE || failure_from_words(c->feedback.detail) != FAILURE_UNKNOWN)
        return 0;
    return event_told(&c->tx, c->deployment.row_id, 0, REPORTS_SEARCHED, find_errors, &search, err);
}

/* -- what comes of it -- */

/* After the end of an installation, or of a mere download, the device tells what it runs now. */
static int ask_attributes(struct conversation *c, const struct report *report, struct error *err)
{
    struct deployment now = c->deployment;

    if (report->kind == REPORT_DOWNLOADED &&
        deployment_by_row(&c->tx, c->deployment.row_id, &now, err) == STEP_FAILED)
        return -1;
    bool is_over = report->kind == REPORT_DOWNLOADED
                       ? !now.is_open
                       : report->kind == REPORT_SUCCESS || report->kind == REPORT_FAILURE;
    return is_over ? device_ask_attributes(&c->tx, &c->device, true, err) : 0;
}

static int take(struct conversation *c, struct report *report, struct error *err)
{
    struct app *app = request_app(c->req);
    CLEANUP(free_string)
    char *told = ddi_told(request_json(c->req), (size_t)app->config->device_report_max);
    enum report_result result;

    if (!told)
        return fail_internal(err, "out of memory");
    report->told = told;
    if (find_cause(c, report, err) ||
        campaign_take_report(&c->tx, app->campaigns, &c->device, &c->deployment, report,
                             request_now(c->req), &result, err))
        return -1;
    report->told = NULL;
    if (result == REPORT_CLOSED && !was_cancelled(&c->deployment))
        return fail(err, PROBLEM_GONE, "the action is over");
    return result == REPORT_TAKEN ? ask_attributes(c, report, err) : 0;
}

static int post(struct request *req, struct reply *reply, bool is_cancel, struct error *err)
{
    CLEANUP(conversation_end) struct conversation c = {.req = req};
    struct report report;

    if (ddi_begin(req, &c.tx, &c.device, err) ||
        ddi_deployment(req, &c.tx, &c.device, &c.deployment, err) ||
        (is_cancel ? check_cancel(&c, err) : check_turn(&c, err)) || read_feedback(&c, err))
        return HANDLE_FAILED;
    if (is_cancel)
        ddi_cancel_report(&c.feedback, &report);
    else
        ddi_report(&c.feedback, c.deployment.is_cancelling, &report);
    if (take(&c, &report, err) || ddi_trim_history(req, &c.tx, &c.device, err) ||
        tx_commit(&c.tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 200);
}

int ddi_post_feedback(struct request *req, struct reply *reply, struct error *err)
{
    return post(req, reply, false, err);
}

int ddi_post_cancel_feedback(struct request *req, struct reply *reply, struct error *err)
{
    return post(req, reply, true, err);
}

/* -- what is to be stopped -- */

/* The action to stop is named by its own id: clients build the feedback's address from either. */
int ddi_get_cancel(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct deployment deployment;
    struct device device;

    if (ddi_begin_json(req, &tx, &device, err) ||
        ddi_deployment(req, &tx, &device, &deployment, err))
        return HANDLE_FAILED;
    if (!deployment.is_cancelling && !was_cancelled(&deployment))
        return fail(err, PROBLEM_NOT_FOUND, "this action is not being cancelled");
    text_format(&json, "{\"id\":\"%lld\",\"cancelAction\":{\"stopId\":\"%lld\"}}",
                (long long)deployment.action, (long long)deployment.action);
    return ddi_reply(req, reply, &json);
}
