/* SPDX-License-Identifier: Apache-2.0 */
/* The root poll: the request of which there are most. It costs the device's row, the resolver's
 * question, and some text. */
#include "api/device/ddi.h"

#include "campaign/spread.h"

#define SLEEP_MOST (24 * 3600 - 1)

const char *ddi_sleep_text(int64_t seconds, char text[DDI_SLEEP_SIZE])
{
    int64_t left = seconds < 0 ? 0 : seconds > SLEEP_MOST ? SLEEP_MOST : seconds;
    int64_t parts[] = {left / 3600, left / 60 % 60, left % 60};

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        text[3 * i] = (char)('0' + parts[i] / 10);
        text[3 * i + 1] = (char)('0' + parts[i] % 10);
        text[3 * i + 2] = i < 2 ? ':' : '\0';
    }
    return text;
}

int32_t ddi_content_hash(const struct decision *decision)
{
    const uint64_t values[] = {(uint64_t)decision->action, (uint64_t)decision->release_row,
                               (uint64_t)decision->attempt, (uint64_t)decision->install};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < COUNT_OF(values); i++)
        hash = (hash ^ values[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return (int32_t)(uint32_t)(hash >> 32);
}

static void write_href(struct text *json, struct request *req, const char *name)
{
    text_append(json, "\"");
    text_append(json, name);
    text_append(json, "\":{\"href\":\"");
    ddi_write_base(json, req);
    text_append(json, "/");
    text_append(json, name);
}

static void write_action(struct text *json, struct request *req, const struct decision *decision)
{
    bool is_offer = decision->verdict == VERDICT_OFFER;

    write_href(json, req, is_offer ? "deploymentBase" : "cancelAction");
    text_append(json, "/");
    text_number(json, decision->action);
    if (is_offer) { /* a cancel's link has no query: clients append to it */
        text_append(json, "?c=");
        text_number(json, ddi_content_hash(decision));
    }
    text_append(json, "\"}");
}

static void write_links(struct text *json, struct request *req, const struct device *device,
                        const struct decision *decision)
{
    bool has_action = decision->verdict == VERDICT_OFFER || decision->verdict == VERDICT_CANCEL;

    if (!has_action && !device->asks_attributes)
        return; /* absent, not empty */
    text_append(json, ",\"_links\":{");
    if (has_action)
        write_action(json, req, decision);
    if (device->asks_attributes) {
        text_append(json, has_action ? "," : "");
        write_href(json, req, "configData");
        text_append(json, "\"}");
    }
    text_append(json, "}");
}

int64_t ddi_poll_after(const struct config *config, const struct device *device,
                       const struct decision *decision, int64_t now)
{
    int64_t interval = config->device_poll;
    int64_t least = config->device_poll_minimum < interval ? config->device_poll_minimum : interval;
    int64_t after =
        decision->poll_after ? decision->poll_after : spread_poll(device->id, interval, now);

    return after < least ? least : after;
}

int ddi_poll(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    struct app *app = request_app(req);
    struct decision decision = {0};
    struct device device;
    char sleep[DDI_SLEEP_SIZE];

    if (ddi_begin(req, &tx, &device, err) ||
        campaign_poll(&tx, app->campaigns, &device, request_now(req), &decision, err))
        return HANDLE_FAILED;
    if (decision.verdict == VERDICT_WRITE)
        return HANDLE_AS_WRITE;
    if (tx_commit(&tx, err))
        return HANDLE_FAILED;
    int64_t after = ddi_poll_after(app->config, &device, &decision, request_now(req));
    text_append(&json, "{\"config\":{\"polling\":{\"sleep\":\"");
    text_append(&json, ddi_sleep_text(after, sleep));
    text_append(&json, "\"}}");
    write_links(&json, req, &device, &decision);
    text_append(&json, "}");
    return reply_json_text(reply, 200, &json, true);
}
