/* SPDX-License-Identifier: Apache-2.0 */
/* A release of several components is one deployment; what each device runs of it is told here. */
#include "api/operator/campaign_frame.h"
#include "api/operator/routes.h"
#include "store/component_count.h"

static int add_count(const struct component_count *count, void *arg, struct error *err)
{
    return json_add(arg,
                    json_pack("{s:s, s:s, s:I}", "component", count->component, "version",
                              count->version, "devices", (json_int_t)count->devices),
                    err);
}

/* Reads all deployments of the campaign: a worker's task. */
static int get_components(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    int64_t row;

    if (frame_read(req, &tx, err) || frame_campaign(req, &tx, &row, err) ||
        component_counts(&tx, row, add_count, items, err))
        return HANDLE_FAILED;
    return reply_page(reply, MOVE(items), NULL);
}

static const struct route rows[] = {
    {"GET", "/api/v1/campaigns/:id/components", AUDIENCE_OPERATOR, "inventory:read", WORK, NO_BODY,
     0, get_components, NULL},
};
const struct routes components_routes = {rows, COUNT_OF(rows)};
