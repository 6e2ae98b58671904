/* SPDX-License-Identifier: Apache-2.0 */
/* What operators say beside campaigns, in the steps of api/operator. */
#include "engine_inside.h"

#include "campaign/apply_pipeline.h"
#include "store/freeze.h"

#include <string.h>

static int stop(struct tx *tx, struct engine *engine, int64_t now, struct error *err)
{
    const struct halt halt = {
        .tenant_row = 1, .halted_at = now, .reason = "smoke", .halted_by = "alice"};

    return halt_set(tx, &halt, err) || campaigns_halt_changed(tx, engine->campaigns, err) ? -1 : 0;
}

static int lift(struct tx *tx, struct engine *engine, int64_t now, struct error *err)
{
    return halt_lift(tx, 1, now, err) || campaigns_halt_changed(tx, engine->campaigns, err) ? -1
                                                                                            : 0;
}

static int freeze(struct tx *tx, struct engine *engine, const struct op *op, int64_t now,
                  struct error *err)
{
    CLEANUP(freeze_clear)
    struct freeze freeze = {.tenant_row = 1,
                            .from_at = op->from,
                            .until_at = op->until,
                            .created_at = now,
                            .reason = "fair",
                            .created_by = "alice"};

    freeze.target = need(strdup(op->target));
    return freeze_insert(tx, &freeze, err) || campaign_touch(tx, engine->campaigns, err) ? -1 : 0;
}

static int pin(struct tx *tx, struct engine *engine, const struct op *op, int64_t now,
               struct error *err)
{
    const struct new_pin wish = {.tenant_row = 1,
                                 .device_row = op->row,
                                 .release_row = op->release_row,
                                 .expires_at = op->until,
                                 .reason = "tried out"};

    return pipeline_pin(tx, engine->campaigns, &wish, &engine_operator, now, err);
}

static int unpin(struct tx *tx, struct engine *engine, const struct op *op, int64_t now,
                 struct error *err)
{
    struct device device;

    if (device_by_row(tx, op->row, &device, err) != STEP_ROW)
        die("device row %lld is not there", (long long)op->row);
    return pipeline_unpin(tx, engine->campaigns, &device, "operator", now, err);
}

static int set_baseline(struct tx *tx, struct engine *engine, const struct op *op, int64_t now,
                        struct error *err)
{
    const struct new_baseline wish = {
        .channel_row = op->row, .release_row = op->release_row, .reason = "settled"};

    return pipeline_set_baseline(tx, engine->campaigns, &wish, &engine_operator, now, err);
}

static int act_on_wave(struct tx *tx, struct engine *engine, const struct op *op, int64_t now,
                       struct error *err)
{
    json_auto_t *arguments = json_pack("{s:s}", "reason", "seen");
    const struct wave_act act = {.campaign_row = op->row,
                                 .position = op->position,
                                 .verb = (enum wave_verb)(op->steer - STEER_HOLD_WAVE),
                                 .arguments = arguments};

    return campaign_wave_act(tx, engine->campaigns, &act, &engine_operator, now, err);
}

int steer(struct tx *tx, struct engine *engine, const struct op *op, int64_t now, struct error *err)
{
    switch (op->steer) {
    case STEER_STOP:
        return stop(tx, engine, now, err);
    case STEER_LIFT:
        return lift(tx, engine, now, err);
    case STEER_FREEZE:
        return freeze(tx, engine, op, now, err);
    case STEER_PIN:
        return pin(tx, engine, op, now, err);
    case STEER_UNPIN:
        return unpin(tx, engine, op, now, err);
    case STEER_JOIN:
        return device_join_channel(tx, op->row, op->channel_row, 0, err);
    case STEER_BASELINE:
        return set_baseline(tx, engine, op, now, err);
    default:
        return act_on_wave(tx, engine, op, now, err);
    }
}
