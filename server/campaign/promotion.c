/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/promotion.h"

#include "core/text.h"

#include <math.h>

#define YEAR ((int64_t)365 * 24 * 3600)

static int read_soak(const json_t *json, int64_t *ret, struct error *err)
{
    const json_t *soak = json_object_get(json, "soak");

    if (!json_is_string(soak))
        return json_get_integer_or(json, "soak", 0, YEAR, -1, ret, err);
    if (seconds_from_text(json_string_value(soak), YEAR, ret) == 0)
        return 0;
    return fail_field(err, PROBLEM_BAD_FIELD, "soak",
                      "soak is a time such as 3600, \"12h\" or \"2d\"");
}

int promotion_read(const json_t *json, struct promotion *ret, struct error *err)
{
    static const char *const members[] = {"auto", "confirmed", "share", "soak", "campaign", NULL};

    if (json_only_members(json, members, err) ||
        json_get_bool_or(json, "auto", false, &ret->is_auto, err) ||
        json_get_integer_or(json, "confirmed", 0, INT32_MAX, 1, &ret->confirmed, err) ||
        json_get_number_or(json, "share", 0, 1, 0, &ret->share, err) ||
        read_soak(json, &ret->soak, err) ||
        json_get_object_or_none(json, "campaign", &ret->campaign, err))
        return -1;
    if (!json_object_get(ret->campaign, "release") && !json_object_get(ret->campaign, "channel"))
        return 0;
    return fail_field(err, PROBLEM_BAD_FIELD, "campaign",
                      "release and channel are known when it comes to it");
}

static int64_t needed(const struct promotion *promotion, const struct tally *tally)
{
    int64_t active = tally->active > tally->uncounted ? tally->active - tally->uncounted : 0;
    int64_t share = (int64_t)ceil(promotion->share * (double)active - 1e-9);

    return share > promotion->confirmed ? share : promotion->confirmed;
}

static int64_t soak_left(const struct promotion *promotion, const struct promotion_facts *facts,
                         int64_t now)
{
    int64_t left = facts->covered_at + promotion->soak - now;

    return left > 0 ? left : 0;
}

bool promotion_is_due(const struct promotion *promotion, const struct promotion_facts *facts,
                      int64_t now, char text[PROMOTION_TEXT_SIZE])
{
    int64_t missing = needed(promotion, &facts->tally) - facts->tally.confirmed;
    bool is_over = promotion->soak < 0 ? facts->is_finished
                                       : facts->covered_at && !soak_left(promotion, facts, now);
    char confirmed[64] = "", time[80] = "";

    if (missing > 0)
        snprintf(confirmed, sizeof confirmed, "%lld more confirmed devices are needed",
                 (long long)missing);
    if (!facts->covered_at)
        snprintf(time, sizeof time, "its last wave has not passed");
    else if (!is_over && promotion->soak < 0)
        snprintf(time, sizeof time, "its campaign has not finished");
    else if (!is_over)
        snprintf(time, sizeof time, "it soaks for %lld s more",
                 (long long)soak_left(promotion, facts, now));
    snprintf(text, PROMOTION_TEXT_SIZE, "%s%s%s", confirmed,
             confirmed[0] && time[0] ? ", and " : "", time);
    return !text[0];
}

json_t *promotion_plan(const struct promotion *promotion, const char *release, const char *channel)
{
    json_t *plan =
        promotion->campaign ? json_copy((json_t *)(uintptr_t)promotion->campaign) : json_object();

    if (json_object_set_new(plan, "release", json_string(release)) ||
        json_object_set_new(plan, "channel", json_string(channel)) ||
        (!json_object_get(plan, "target") &&
         json_object_set_new(plan, "target", json_string("all"))))
        json_decref(MOVE(plan));
    return plan;
}
