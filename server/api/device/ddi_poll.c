/* SPDX-License-Identifier: Apache-2.0 */
/* The root poll: the request of which there are most. It costs the device's row, the resolver's
 * question, and some text. */
#include "api/device/ddi.h"

#define SLEEP_MOST (24 * 3600 - 1)

int64_t ddi_sleep_seconds(const struct poll_spread *spread)
{
    /* The seed's low 32 bits, spread well by a multiplication, as a share in [-1, 1). */
    uint32_t mixed = (uint32_t)((spread->seed * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
    double share = (double)mixed / 2147483648.0 - 1.0;
    double seconds = (double)spread->interval * (1.0 + share * (double)spread->percent / 100.0);
    int64_t rounded = (int64_t)(seconds + 0.5);
    int64_t least = spread->least < 1 ? 1 : spread->least;

    if (rounded < least)
        rounded = least;
    return rounded > SLEEP_MOST ? SLEEP_MOST : rounded;
}

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

int32_t ddi_content_hash(int64_t action, int64_t release_row, int64_t attempt)
{
    const uint64_t values[] = {(uint64_t)action, (uint64_t)release_row, (uint64_t)attempt};
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
        text_number(json,
                    ddi_content_hash(decision->action, decision->release_row, decision->attempt));
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
                       const struct decision *decision)
{
    struct poll_spread spread = {
        .interval = decision->poll_after ? decision->poll_after : config->device_poll,
        .least = config->device_poll_minimum,
        .percent = config->device_poll_spread,
        .seed = (uint64_t)device->row_id,
    };

    if (spread.least > config->device_poll)
        spread.least = config->device_poll;
    return ddi_sleep_seconds(&spread);
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
    text_append(&json, "{\"config\":{\"polling\":{\"sleep\":\"");
    text_append(&json, ddi_sleep_text(ddi_poll_after(app->config, &device, &decision), sleep));
    text_append(&json, "\"}}");
    write_links(&json, req, &device, &decision);
    text_append(&json, "}");
    return reply_json_text(reply, 200, &json, true);
}
