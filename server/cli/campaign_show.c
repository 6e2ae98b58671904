/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns, and what a plan would do, for people. */
#include "cli/campaign.h"

#include <string.h>

static const struct column show_columns[] = {
    {"Campaign",   "id",               AS_TEXT  },
    {"Name",       "name",             AS_TEXT  },
    {"Kind",       "kind",             AS_TEXT  },
    {"Release",    "release",          AS_TEXT  },
    {"Channel",    "channel",          AS_TEXT  },
    {"Target",     "target",           AS_TEXT  },
    {"State",      "state",            AS_TEXT  },
    {"Reason",     "state_reason",     AS_TEXT  },
    {"Created by", "created_by",       AS_TEXT  },
    {"Planned by", "planned_by",       AS_TEXT  },
    {"Created",    "created_at",       AS_TIME  },
    {"Starts",     "start_at",         AS_TIME  },
    {"Started",    "started_at",       AS_TIME  },
    {"Ends",       "end_at",           AS_TIME  },
    {"Install",    "install.mode",     AS_TEXT  },
    {"Forced",     "install.force_at", AS_TIME  },
    {"Sent",       "bytes_served",     AS_BYTES },
    {"Transfers",  "leases",           AS_NUMBER},
    {"Stalled",    "stalled",          AS_NUMBER},
    {"Comes from", "parent",           AS_TEXT  },
    {"Plan hash",  "plan_hash",        AS_SHORT },
};

static const struct column wave_columns[] = {
    {"WAVE",      "position",  AS_NUMBER},
    {"WHO",       "who",       AS_TEXT  },
    {"STATE",     "state",     AS_TEXT  },
    {"MEMBERS",   "members",   AS_NUMBER},
    {"CONFIRMED", "confirmed", AS_NUMBER},
    {"FAILED",    "failed",    AS_NUMBER},
    {"AT MOST",   "bound",     AS_TEXT  }, /* of all devices would fail, by what was seen */
    {"OPENED",    "opened_at", AS_AGO   },
    {"GATE",      "gate_text", AS_TEXT  },
};

static const struct column preview_columns[] = {
    {"WAVE",    "position", AS_NUMBER},
    {"WHO",     "who",      AS_TEXT  },
    {"DEVICES", "devices",  AS_NUMBER},
    {"SHOWS",   "bound",    AS_TEXT  }, /* what rate of failures it can show at best */
    {"GATE",    "gates",    AS_TEXT  },
};

static const struct column strata_columns[] = {
    {"STRATUM",   "stratum",     AS_TEXT  },
    {"CONFIRMED", "confirmed",   AS_NUMBER},
    {"FAILED",    "failed",      AS_NUMBER},
    {"AT MOST",   "upper_bound", AS_SHARE },
};

/* -- waves -- */

const char *wave_measure(const json_t *wave, char ret[MEASURE_SIZE])
{
    const char *kind = member_text(wave, "kind", "");
    double amount = json_number_value(json_object_get(wave, "amount"));

    if (!strcmp(kind, "count"))
        snprintf(ret, MEASURE_SIZE, "%.0f device%s", amount, amount == 1 ? "" : "s");
    else if (!strcmp(kind, "percent"))
        snprintf(ret, MEASURE_SIZE, "to %.4g %%", amount);
    else
        snprintf(ret, MEASURE_SIZE, "%.10s %.70s", kind,
                 member_text(wave, kind, member_text(wave, "list.id", "")));
    return ret;
}

const char *wave_bound(const json_t *wave, char ret[SHORT_TEXT_SIZE])
{
    double bound = json_number_value(json_object_get(wave, "upper_bound"));

    *ret = '\0';
    if (bound > 0 && bound < 1)
        snprintf(ret, SHORT_TEXT_SIZE, "%.2g %%", bound * 100);
    return ret;
}

static void put_gate(struct text *out, const char *before, const char *value, const char *after)
{
    text_format(out, "%s%s%s%s", out->length ? ", " : "", before, value, after);
}

/* "80 % known, 10 confirmed, soaks 12 h, an operator passes it" */
static void gates_of(const json_t *wave, struct text *out)
{
    char number[SHORT_TEXT_SIZE];
    double coverage = json_number_value(json_object_get(wave, "coverage"));
    int64_t least = member_number(wave, "min_confirmed"), soak = member_number(wave, "soak"),
            ramp = member_number(wave, "ramp");

    if (*member_text(wave, "not_before", ""))
        put_gate(out, "not before ", member_text(wave, "not_before", ""), "");
    if (ramp)
        put_gate(out, "in turn over ", seconds_text(ramp, number), "");
    snprintf(number, sizeof number, "%.3g", coverage * 100);
    put_gate(out, "", number, " % known");
    snprintf(number, sizeof number, "%lld", (long long)least);
    if (least)
        put_gate(out, "", number, " confirmed");
    if (soak)
        put_gate(out, "soaks ", seconds_text(soak, number), "");
    if (!strcmp(member_text(wave, "gate", ""), "manual"))
        put_gate(out, "an operator passes it", "", "");
}

/* With what the columns show beside the server's members; the caller's. */
static json_t *worded_waves(const json_t *campaign)
{
    json_t *waves = json_array(), *wave;
    size_t i;

    json_array_foreach(json_object_get(campaign, "waves"), i, wave)
    {
        json_t *copy = json_copy(wave);
        CLEANUP(text_clear) struct text gates = {0};
        char who[MEASURE_SIZE], bound[SHORT_TEXT_SIZE];

        gates_of(wave, &gates);
        json_object_set_new(copy, "who", json_string(wave_measure(wave, who)));
        json_object_set_new(copy, "bound", json_string(wave_bound(wave, bound)));
        json_object_set_new(copy, "gates", json_string(gates.at ? gates.at : ""));
        json_array_append_new(waves, copy);
    }
    return waves;
}

/* -- a campaign -- */

static void wave_needs(const json_t *campaign, const json_t *wave, struct text *out)
{
    const char *id = member_text(campaign, "id", "?"), *state = member_text(wave, "state", "");
    long long position = member_number(wave, "position");

    if (!strcmp(state, "held"))
        text_format(out, "wave %lld is held: otactl campaign reopen|pass|skip %s %lld --reason …\n",
                    position, id, position);
    else if (strstr(member_text(wave, "gate_text", ""), "waits for an operator"))
        text_format(out, "wave %lld waits for you: otactl campaign pass %s %lld --reason …\n",
                    position, id, position);
}

void campaign_needs(const json_t *campaign, struct text *out)
{
    const char *id = member_text(campaign, "id", "?"), *state = member_text(campaign, "state", "");
    int64_t approvals = member_number(campaign, "approvals_needed");
    size_t i;
    json_t *wave;

    if (!strcmp(state, "draft"))
        text_format(out,
                    approvals ? "next: otactl campaign submit %s\n"
                              : "next: otactl campaign start %s\n",
                    id);
    else if (!strcmp(state, "review"))
        text_format(out, "%lld of %lld have approved this plan: otactl campaign approve %s\n",
                    (long long)member_number(campaign, "approvals_given"), (long long)approvals,
                    id);
    else if (!strcmp(state, "scheduled"))
        text_format(out, "it can start: otactl campaign start %s\n", id);
    else if (!strcmp(state, "paused"))
        text_format(out,
                    "look: otactl campaign deployments %s --state failed; "
                    "go on: otactl campaign resume %s --reason …%s\n",
                    id, id,
                    !strcmp(member_text(campaign, "paused_for", ""), "budget")
                        ? " --accept-failures all"
                        : "");
    json_array_foreach(json_object_get(campaign, "waves"), i, wave) wave_needs(campaign, wave, out);
}

void campaign_print(const json_t *campaign)
{
    CLEANUP(text_clear) struct text needs = {0};
    json_auto_t *waves = worded_waves(campaign);
    json_t *counts = json_object_get(campaign, "counts"),
           *strata = json_object_get(campaign, "strata_counts");

    print_fields(campaign, COLUMNS(show_columns));
    if (json_object_size(counts)) {
        say("\nDevices\n");
        print_document(counts);
    }
    say("\n");
    print_table(waves, COLUMNS(wave_columns), "No waves.");
    if (json_array_size(strata)) {
        say("\n");
        print_table(strata, COLUMNS(strata_columns), "");
    }
    campaign_needs(campaign, &needs);
    if (needs.length)
        say("\n%s", needs.at);
}

/* -- a preview -- */

static void print_reach(const json_t *preview)
{
    char number[SHORT_TEXT_SIZE];
    const char *code;
    json_t *count;

    say("%s for %s\n", member_text(preview, "release", "?"), member_text(preview, "target", "?"));
    say("%lld devices match, %lld would get it", (long long)member_number(preview, "matching"),
        (long long)member_number(preview, "devices"));
    json_object_foreach(json_object_get(preview, "excluded"), code, count)
        say(", %s %lld", code, (long long)json_integer_value(count));
    say("\n%s to send", bytes_text(member_number(preview, "bytes"), number));
    double at_rate = json_number_value(member_at(preview, "hours.at_rate")),
           at_bytes = json_number_value(member_at(preview, "hours.at_bytes"));
    if (at_rate > 0)
        say(", %s at the least by the rate of offers",
            seconds_text((int64_t)(at_rate * 3600) + 1, number));
    if (at_bytes > 0)
        say(", %s by bytes per second", seconds_text((int64_t)(at_bytes * 3600) + 1, number));
    say("\n");
}

void preview_print(const json_t *preview)
{
    json_auto_t *waves = worded_waves(preview);
    size_t i;
    json_t *item;

    print_reach(preview);
    say("\n");
    print_table(waves, COLUMNS(preview_columns), "No waves.");
    say("\n");
    if (*member_text(preview, "risk", ""))
        say("Risk:      %s\n", member_text(preview, "risk", ""));
    json_array_foreach(json_object_get(preview, "warnings"), i, item)
        say("Warning:   %s\n", member_text(item, "text", "?"));
    if (json_array_size(json_object_get(preview, "sample")))
        say("Such as:  ");
    json_array_foreach(json_object_get(preview, "sample"), i, item)
        say("%s %s", i ? "," : "", json_string_value(item));
    say("%sPlan hash: %s\n", json_array_size(json_object_get(preview, "sample")) ? "\n" : "",
        member_text(preview, "plan_hash", "?"));
}
