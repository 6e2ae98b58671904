/* SPDX-License-Identifier: Apache-2.0 */
/* SWUpdate's "general" server: GET with what identifies the device as a query, answered by status
 * alone; 302 leads to the archive, 404 says that there is none, 503 that there is one but not now.
 * Retry-After is its polling interval from here on. It puts lines of its log to a second address;
 * their form is the device's affair. */
#include "api/device/ddi.h"
#include "api/device/native.h"
#include "api/device/visit.h"

#include "core/digest.h"

#include <string.h>

#define LINE_SIZE 1025

/* The identify section may hold what other clients send as attributes, under the same names. */
static const char *told(const struct request *req, const char *name)
{
    return name[0] ? request_query(req, name) : NULL;
}

int general_poll(struct request *req, struct reply *reply, struct error *err)
{
    const struct config *config = ((const struct app *)request_app(req))->config;
    CLEANUP(visit_clear)
    struct visit visit = {
        .req = req,
        .suffix = ".swu",
        .evidence = {.version = visit_version(told(req, config->device_version_attribute)),
                     .boot_id = visit_boot_id(told(req, config->device_boot_id_attribute)),
                     .uptime = visit_uptime(told(req, config->device_uptime_attribute)),
                     .floor = -1},
    };
    char seconds[24];
    int taken = visit_take(&visit, err);

    if (taken != HANDLE_OK)
        return taken;
    if (visit.url.length) {
        reply_header(reply, "Location", visit.url.at);
        return reply_empty(reply, 302);
    }
    snprintf(seconds, sizeof seconds, "%lld",
             (long long)ddi_poll_after(config, &visit.device, &visit.decision, request_now(req)));
    reply_header(reply, "Retry-After", seconds);
    return reply_empty(reply, visit.decision.poll_after ? 503 : 404);
}

/* A line of its log is a note on the deployment it has, if there is one. */
int general_put_log(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    struct report report = {.kind = REPORT_NOTE};
    struct deployment deployment;
    struct device device;
    enum report_result ignored;
    char line[LINE_SIZE];
    const void *body;
    size_t length, count;

    request_body(req, &body, &length);
    if (length == 0 || length >= sizeof line || !utf8_ok(body, length) ||
        memchr(body, '\0', length))
        return fail(err, PROBLEM_BAD_REQUEST, "a line is 1 to %zu bytes of UTF-8", sizeof line - 1);
    memcpy(line, body, length);
    line[length] = '\0';
    text_append(&json, "{\"execution\":\"proceeding\",\"finished\":\"none\",\"details\":[");
    text_json_string(&json, line);
    text_append(&json, "]}");
    report.detail = line;
    report.told = json.at;
    sha256(body, length, report.hash);
    if (native_begin(req, &tx, &device, err) ||
        deployments_of_device(&tx, device.row_id, &deployment, 1, &count, err) ||
        (count && campaign_take_report(&tx, app->campaigns, &device, &deployment, &report,
                                       request_now(req), &ignored, err)) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 200);
}
