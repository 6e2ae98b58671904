/* SPDX-License-Identifier: Apache-2.0 */
#include "api/operator/event_page.h"

#include "api/operator/frame.h"
#include "store/campaign.h"

#include <string.h>

struct events {
    struct tx *tx;
    const struct event_query *query;
    json_t *items;
    int64_t last, campaign_row;
    char campaign_id[CAMPAIGN_ID_SIZE]; /* of campaign_row: most events in a row share theirs */
};

/* "" when there is none. */
static int find_campaign(struct events *events, int64_t row, struct error *err)
{
    CLEANUP(campaign_clear) struct campaign campaign = {0};

    if (row == events->campaign_row)
        return 0;
    if (campaign_by_row(events->tx, row, &campaign, err) == STEP_FAILED)
        return -1;
    events->campaign_row = row;
    strcpy(events->campaign_id, campaign.id);
    return 0;
}

/* The other party, and which attempt of the two it was. */
static int name_other(struct events *events, const struct event *event, json_t *json,
                      struct error *err)
{
    bool is_of_device = events->query->device_row != 0;
    struct device device = {0};

    if (is_of_device ? find_campaign(events, event->campaign_row, err)
                     : event->device_row && device_by_row(events->tx, event->device_row, &device,
                                                          err) == STEP_FAILED)
        return -1;
    const char *name = is_of_device ? events->campaign_id : device.id;
    if (!name[0])
        return 0;
    return json_object_set_new(json, is_of_device ? "campaign" : "device", json_string(name)) ||
                   json_object_set_new(json, "attempt", json_integer(event->attempt))
               ? fail_internal(err, "out of memory")
               : 0;
}

static int add_event(const struct event *event, void *arg, struct error *err)
{
    struct events *events = arg;
    json_auto_t *json = json_pack("{s:o, s:s, s:s, s:s, s:s, s:s}", "at", json_from_time(event->at),
                                  "kind", event->kind, "from", event->from_state, "to",
                                  event->to_state, "cause", event->cause, "detail", event->detail);

    events->last = event->row_id;
    if (!json)
        return fail_internal(err, "an event cannot be written as JSON");
    if (name_other(events, event, json, err))
        return -1;
    return json_add(events->items, json_incref(json), err);
}

int reply_events(struct reply *reply, struct tx *tx, const struct event_query *query,
                 struct error *err)
{
    json_auto_t *items = json_array();
    struct events events = {.tx = tx, .query = query, .items = items};

    if (event_list(tx, query, add_event, &events, err))
        return HANDLE_FAILED;
    bool is_full = (int64_t)json_array_size(items) == query->limit;
    return reply_numbered_page(reply, MOVE(items), events.last, is_full);
}
