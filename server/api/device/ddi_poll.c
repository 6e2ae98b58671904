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

/* One action at most. A cancel's link has no query: clients append to it. */
static void write_links(struct text *json, struct request *req, const struct device *device,
                        const struct decision *decision)
{
    struct ddi_links links = {json, req, false};
    int32_t c = ddi_content_hash(decision);

    if (decision->verdict == VERDICT_OFFER)
        ddi_link_action(&links, decision->awaits_consent ? "confirmationBase" : "deploymentBase",
                        decision->action, &c);
    if (decision->verdict == VERDICT_CANCEL)
        ddi_link_action(&links, "cancelAction", decision->action, NULL);
    if (device->installed_action)
        ddi_link_action(&links, "installedBase", device->installed_action, NULL);
    if (device->asks_attributes)
        ddi_link(&links, "configData", "configData");
    ddi_links_end(&links);
}

int64_t ddi_poll_after(const struct config *config, const struct device *device,
                       const struct decision *decision, int64_t now)
{
    int64_t interval = config->device_poll;
    int64_t least = spread_soonest(config);
    int64_t after =
        decision->poll_after ? decision->poll_after : spread_poll(device->id, interval, now);

    return after < least ? least : after;
}

int ddi_poll(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(text_clear) struct text json = {0};
    CLEANUP(tx_end) struct tx tx = {0};
    const struct app *app = request_app(req);
    struct decision decision = {0};
    struct device device;
    char sleep[DDI_SLEEP_SIZE];

    int asked = ddi_ask(req, &tx, &device, &decision, err);
    if (asked)
        return asked;
    if (tx_commit(&tx, err))
        return HANDLE_FAILED;
    int64_t after = ddi_poll_after(app->config, &device, &decision, request_now(req));
    text_append(&json, "{\"config\":{\"polling\":{\"sleep\":\"");
    text_append(&json, ddi_sleep_text(after, sleep));
    text_append(&json, "\"}}");
    write_links(&json, req, &device, &decision);
    text_append(&json, "}");
    return ddi_reply(req, reply, &json);
}
