/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: who is in them, what they have by default, where their releases go on to. */
#include "api/operator/frame.h"
#include "api/operator/members.h"
#include "api/operator/routes.h"
#include "campaign/apply_pipeline.h"
#include "campaign/rules.h"
#include "store/event.h"

#include <string.h>

#define CHAIN_MAX 64 /* channels one after another */

/* -- as documents -- */

static int add_baseline(const struct baseline *baseline, void *arg, struct error *err)
{
    const char *colon = strchr(baseline->release_id, ':');

    return json_add(arg,
                    json_pack("{s:s%, s:s, s:s, s:s, s:o}", "product", baseline->release_id,
                              (size_t)(colon - baseline->release_id), "release",
                              baseline->release_id, "campaign", baseline->campaign_id, "set_by",
                              baseline->set_by, "set_at", json_from_time(baseline->set_at)),
                    err);
}

static int name_next(struct tx *tx, const struct channel *channel, json_t **ret, struct error *err)
{
    CLEANUP(channel_clear) struct channel next = {0};

    if (channel->next_row && channel_by_row(tx, channel->next_row, &next, err) != STEP_ROW)
        return -1;
    *ret = channel->next_row ? json_string(next.id) : json_null();
    return 0;
}

static int channel_to_json(struct tx *tx, const struct channel *channel, json_t **ret,
                           struct error *err)
{
    json_auto_t *baselines = json_array(), *next = NULL;
    json_t *promotion =
        channel->promotion[0] ? json_loads(channel->promotion, 0, NULL) : json_null();

    if (name_next(tx, channel, &next, err) ||
        baseline_each(tx, channel->row_id, add_baseline, baselines, err)) {
        json_decref(promotion);
        return -1;
    }
    *ret = json_pack("{s:s, s:I, s:s, s:O, s:o, s:O, s:o}", "id", channel->id, "position",
                     (json_int_t)channel->position, "rule", channel->rule, "next", next,
                     "promotion", promotion, "baselines", baselines, "created_at",
                     json_from_time(channel->created_at));
    return *ret ? 0 : fail_internal(err, "memory for a channel");
}

/* -- reading -- */

struct listing {
    struct tx *tx;
    json_t *items;
};

static int list_one(const struct channel *channel, void *arg, struct error *err)
{
    struct listing *listing = arg;
    json_t *json;

    return channel_to_json(listing->tx, channel, &json, err) || json_add(listing->items, json, err)
               ? -1
               : 0;
}

/* There are few: one page, in the order in which rules are asked. */
static int list_channels(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    json_auto_t *items = json_array();
    struct listing listing = {&tx, items};

    if (frame_read(req, &tx, err) ||
        channel_each(&tx, request_identity(req)->tenant_row, list_one, &listing, err))
        return HANDLE_FAILED;
    return reply_page(reply, MOVE(items), NULL);
}

static int get_channel(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(channel_clear) struct channel channel = {0};
    json_t *json;

    if (frame_read(req, &tx, err) || path_channel(req, &tx, &channel, err) ||
        channel_to_json(&tx, &channel, &json, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json);
}

static int list_baselines(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(channel_clear) struct channel channel = {0};
    json_auto_t *items = json_array();

    if (frame_read(req, &tx, err) || path_channel(req, &tx, &channel, err) ||
        baseline_each(&tx, channel.row_id, add_baseline, items, err))
        return HANDLE_FAILED;
    return reply_page(reply, MOVE(items), NULL);
}

/* -- writing -- */

/* The terms are tried on: the plan they lead to must be one. */
static int check_promotion(const struct request *req, const json_t *terms, struct error *err)
{
    const struct app *app = request_app(req);
    CLEANUP(rules_clear) struct rules rules = {0};
    struct promotion promotion;
    char field[sizeof err->field];

    if (promotion_read(terms, &promotion, err) == 0) {
        json_auto_t *plan = promotion_plan(&promotion, "product:version", "channel");
        if (!plan)
            return fail_internal(err, "memory for a plan");
        if (rules_read(plan, app->config, &rules, NULL, err) == 0)
            return 0;
        snprintf(field, sizeof field, "promotion.campaign.%.28s", err->field);
    } else {
        snprintf(field, sizeof field, "promotion.%.36s", err->field);
    }
    memcpy(err->field, field, sizeof field);
    return -1;
}

static int take_promotion(const struct request *req, struct channel *channel, struct error *err)
{
    const json_t *terms;

    if (!json_object_get(request_json(req), "promotion"))
        return 0;
    if (json_get_object_or_none(request_json(req), "promotion", &terms, err) ||
        (terms && check_promotion(req, terms, err)))
        return -1;
    free(channel->promotion);
    channel->promotion = terms ? json_dumps(terms, JSON_COMPACT | JSON_SORT_KEYS) : strdup("");
    return channel->promotion ? 0 : fail_internal(err, "memory for a promotion");
}

static int take_rule(const struct request *req, struct channel *channel, struct error *err)
{
    const char *rule;

    if (!json_object_get(request_json(req), "rule"))
        return 0;
    if (member_filter(req, request_json(req), "rule", &rule, err))
        return -1;
    free(channel->rule);
    channel->rule = strdup(rule);
    return channel->rule ? 0 : fail_internal(err, "memory for a rule");
}

/* No channel leads back to itself. */
static int check_chain(struct tx *tx, const struct channel *channel, struct error *err)
{
    int64_t row = channel->next_row;

    for (int i = 0; row && i < CHAIN_MAX; i++) {
        CLEANUP(channel_clear) struct channel next = {0};

        if (row == channel->row_id)
            break;
        if (channel_by_row(tx, row, &next, err) != STEP_ROW)
            return -1;
        row = next.next_row;
    }
    return row ? fail_field(err, PROBLEM_CONFLICT, "next", "the chain would lead round in a circle")
               : 0;
}

static int take_next(struct request *req, struct tx *tx, struct channel *channel, struct error *err)
{
    const char *id;

    if (!json_object_get(request_json(req), "next"))
        return 0;
    if (json_get_string_or(request_json(req), "next", "", &id, err))
        return -1;
    channel->next_row = 0;
    if (!id[0])
        return 0;
    enum step step =
        channel_row_by_id(tx, request_identity(req)->tenant_row, id, &channel->next_row, err);
    if (step == STEP_DONE)
        return fail_field(err, PROBLEM_BAD_FIELD, "next", "there is no channel %.64s", id);
    return step == STEP_ROW ? check_chain(tx, channel, err) : -1;
}

/* What the body says; the rest stays. */
static int take_members(struct request *req, struct tx *tx, struct channel *channel,
                        struct error *err)
{
    return json_get_integer_or(request_json(req), "position", 0, INT32_MAX, channel->position,
                               &channel->position, err) ||
                   take_rule(req, channel, err) || take_promotion(req, channel, err) ||
                   take_next(req, tx, channel, err)
               ? -1
               : 0;
}

static int note_last(const struct channel *channel, void *arg, struct error *err)
{
    (void)err;
    *(int64_t *)arg = channel->position;
    return 0;
}

static int start_channel(struct request *req, struct tx *tx, struct channel *ret, struct error *err)
{
    int64_t other, last = 0;
    const char *id;

    if (json_get_string(request_json(req), "id", &id, err))
        return -1;
    if (!identifier_ok(IDENTIFIER_NAME, id))
        return fail_field(err, PROBLEM_BAD_FIELD, "id",
                          "an id is 1 to 64 letters, digits and . _ -");
    *ret = (struct channel){.tenant_row = request_identity(req)->tenant_row,
                            .created_at = request_now(req),
                            .rule = strdup(""),
                            .promotion = strdup("")};
    snprintf(ret->id, sizeof ret->id, "%s", id);
    if (!ret->rule || !ret->promotion)
        return fail_internal(err, "memory for a channel");
    enum step step = channel_row_by_id(tx, ret->tenant_row, id, &other, err);
    if (step == STEP_ROW)
        return fail_field(err, PROBLEM_ALREADY_EXISTS, "id", "channel %s", ret->id);
    if (step == STEP_FAILED || channel_each(tx, ret->tenant_row, note_last, &last, err))
        return -1;
    ret->position = last < INT32_MAX ? last + 1 : last;
    return 0;
}

static int post_channel(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"id", "position", "rule", "next", "promotion", NULL};
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(channel_clear) struct channel channel = {0};
    const struct app *app = request_app(req);
    char location[96];
    json_auto_t *json = NULL;

    if (json_only_members(request_json(req), members, err) || frame_write(req, &tx, err) ||
        start_channel(req, &tx, &channel, err) || take_members(req, &tx, &channel, err) ||
        channel_insert(&tx, &channel, err) ||
        frame_audit(req, &tx, "channel.create", channel.id, NULL, err) ||
        campaign_touch(&tx, app->campaigns, err) || channel_to_json(&tx, &channel, &json, err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    snprintf(location, sizeof location, "/api/v1/channels/%s", channel.id);
    reply_header(reply, "Location", location);
    return reply_json(reply, 201, MOVE(json));
}

static int patch_channel(struct request *req, struct reply *reply, struct error *err)
{
    static const char *const members[] = {"position", "rule", "next", "promotion", NULL};
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(channel_clear) struct channel channel = {0};
    const struct app *app = request_app(req);
    json_auto_t *json = NULL;

    if (json_only_members(request_json(req), members, err) || frame_write(req, &tx, err) ||
        path_channel(req, &tx, &channel, err) || take_members(req, &tx, &channel, err) ||
        channel_save(&tx, &channel, err) ||
        frame_audit(req, &tx, "channel.change", channel.id, NULL, err) ||
        campaign_touch(&tx, app->campaigns, err) || channel_to_json(&tx, &channel, &json, err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, MOVE(json));
}

static int delete_channel(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(channel_clear) struct channel channel = {0};
    const struct app *app = request_app(req);

    if (frame_write(req, &tx, err) || path_channel(req, &tx, &channel, err) ||
        pipeline_drop_channel(&tx, app->campaigns, &channel, request_now(req), err) ||
        frame_audit(req, &tx, "channel.delete", channel.id, NULL, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

/* -- baselines and promotion -- */

static int find_product(struct request *req, struct tx *tx, int64_t *ret, struct error *err)
{
    const char *id = request_parameter(req, "product");
    enum step step = product_row_by_id(tx, request_identity(req)->tenant_row, id, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "there is no product %.32s", id);
    return step == STEP_ROW ? 0 : -1;
}

/* {"release", "reason"?}: what a baseline and a promotion are told. */
static int read_release(const struct request *req, const char **ret_id, const char **ret_reason,
                        struct error *err)
{
    static const char *const members[] = {"release", "reason", NULL};

    return json_only_members(request_json(req), members, err) ||
                   json_get_string(request_json(req), "release", ret_id, err) ||
                   member_reason(request_json(req), false, ret_reason, err)
               ? -1
               : 0;
}

static int check_product(struct request *req, struct tx *tx, const struct release *release,
                         struct error *err)
{
    int64_t product_row;

    if (find_product(req, tx, &product_row, err))
        return -1;
    return product_row == release->product_row
               ? 0
               : fail_field(err, PROBLEM_BAD_FIELD, "release", "%.97s is of another product",
                            release->id);
}

static int put_baseline(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(channel_clear) struct channel channel = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    json_auto_t *items = json_array();
    struct release release;
    struct baseline baseline;
    const char *id, *reason;
    char detail[AUDIT_DETAIL_SIZE];

    if (read_release(req, &id, &reason, err) || frame_write(req, &tx, err) ||
        path_channel(req, &tx, &channel, err) || member_release(req, &tx, id, &release, err) ||
        check_product(req, &tx, &release, err))
        return HANDLE_FAILED;
    const struct new_baseline wish = {
        .channel_row = channel.row_id, .release_row = release.row_id, .reason = reason};
    if (pipeline_set_baseline(&tx, app->campaigns, &wish, &actor, request_now(req), err) ||
        frame_audit(req, &tx, "channel.baseline", channel.id, audit_detail(id, reason, detail),
                    err) ||
        baseline_of(&tx, channel.row_id, release.product_row, &baseline, err) != STEP_ROW ||
        add_baseline(&baseline, items, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, json_incref(json_array_get(items, 0)));
}

static int delete_baseline(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(channel_clear) struct channel channel = {0};
    const struct app *app = request_app(req);
    int64_t product_row;

    if (frame_write(req, &tx, err) || path_channel(req, &tx, &channel, err) ||
        find_product(req, &tx, &product_row, err) ||
        pipeline_drop_baseline(&tx, app->campaigns, &channel, product_row, request_now(req), err) ||
        frame_audit(req, &tx, "channel.baseline", channel.id, request_parameter(req, "product"),
                    err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

static int post_promotion(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(channel_clear) struct channel channel = {0};
    const struct app *app = request_app(req);
    const struct actor actor = frame_actor(req);
    json_auto_t *json = NULL;
    struct release release;
    const char *id, *reason;
    char detail[AUDIT_DETAIL_SIZE];
    int64_t row;

    if (read_release(req, &id, &reason, err) || frame_write(req, &tx, err) ||
        path_channel(req, &tx, &channel, err) || member_release(req, &tx, id, &release, err))
        return HANDLE_FAILED;
    const struct promotion_wish wish = {channel.row_id, release.row_id};
    if (pipeline_promote(&tx, app->campaigns, &wish, &actor, request_now(req), &row, err) ||
        frame_audit(req, &tx, "channel.promote", channel.id, audit_detail(id, reason, detail),
                    err) ||
        campaign_to_json(&tx, app->campaigns, row, request_now(req), &json, err) ||
        tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 201, MOVE(json));
}

/* -- a device's channel by hand -- */

static int tell_membership(struct request *req, struct tx *tx, const struct device *device,
                           const char *channel, struct error *err)
{
    const struct event event = {
        .at = request_now(req),
        .tenant_row = device->tenant_row,
        .kind = "device.channel",
        .device_row = device->row_id,
        .to_state = channel,
        .cause = "operator",
    };

    return event_append(tx, &event, err) ||
                   frame_audit(req, tx, "device.channel", device->id, channel, err)
               ? -1
               : 0;
}

static int read_membership(struct request *req, struct tx *tx, const char **ret_channel,
                           struct membership *ret, struct error *err)
{
    static const char *const members[] = {"channel", "until", NULL};

    if (json_only_members(request_json(req), members, err) ||
        json_get_string(request_json(req), "channel", ret_channel, err) ||
        member_time(request_json(req), "until", &ret->until_at, err))
        return -1;
    if (ret->until_at && ret->until_at <= request_now(req))
        return fail_field(err, PROBLEM_BAD_FIELD, "until", "it has passed");
    enum step step = channel_row_by_id(tx, request_identity(req)->tenant_row, *ret_channel,
                                       &ret->channel_row, err);
    if (step == STEP_DONE)
        return fail_field(err, PROBLEM_BAD_FIELD, "channel", "there is no channel %.64s",
                          *ret_channel);
    return step == STEP_ROW ? 0 : -1;
}

static int put_device_channel(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct membership membership;
    struct device device;
    const char *channel;
    json_auto_t *json = NULL;

    if (frame_write(req, &tx, err) || read_membership(req, &tx, &channel, &membership, err) ||
        path_device(req, &tx, &device, err) ||
        device_join_channel(&tx, device.row_id, membership.channel_row, membership.until_at, err) ||
        tell_membership(req, &tx, &device, channel, err) ||
        membership_to_json(&tx, &device, request_now(req), &json, err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_json(reply, 200, MOVE(json));
}

static int delete_device_channel(struct request *req, struct reply *reply, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct membership membership;
    struct device device;

    if (frame_write(req, &tx, err) || path_device(req, &tx, &device, err))
        return HANDLE_FAILED;
    enum step step = device_membership(&tx, device.row_id, request_now(req), &membership, err);
    if (step == STEP_DONE)
        return fail(err, PROBLEM_NOT_FOUND, "the device was put into no channel by hand");
    if (step == STEP_FAILED || device_join_channel(&tx, device.row_id, 0, 0, err) ||
        tell_membership(req, &tx, &device, "", err) || tx_commit(&tx, err))
        return HANDLE_FAILED;
    return reply_empty(reply, 204);
}

#define PATH "/api/v1/channels"
#define DEVICE "/api/v1/devices/:id/channel"
#define BASELINE PATH "/:id/baselines/:product"
#define READER AUDIENCE_OPERATOR, "inventory:read", READ, NO_BODY, 0
#define WRITER AUDIENCE_OPERATOR, "deploy:write", WRITE, JSON_BODY, 128 * KIB
#define REMOVER AUDIENCE_OPERATOR, "deploy:write", WRITE, NO_BODY, 0

static const struct route rows[] = {
    {"GET",    PATH,                  READER,  list_channels,         NULL},
    {"POST",   PATH,                  WRITER,  post_channel,          NULL},
    {"GET",    PATH "/:id",           READER,  get_channel,           NULL},
    {"PATCH",  PATH "/:id",           WRITER,  patch_channel,         NULL},
    {"DELETE", PATH "/:id",           REMOVER, delete_channel,        NULL},
    {"GET",    PATH "/:id/baselines", READER,  list_baselines,        NULL},
    {"PUT",    BASELINE,              WRITER,  put_baseline,          NULL},
    {"DELETE", BASELINE,              REMOVER, delete_baseline,       NULL},
    {"POST",   PATH "/:id/promote",   WRITER,  post_promotion,        NULL},
    {"PUT",    DEVICE,                WRITER,  put_device_channel,    NULL},
    {"DELETE", DEVICE,                REMOVER, delete_device_channel, NULL},
};
const struct routes channels_routes = {rows, COUNT_OF(rows)};
