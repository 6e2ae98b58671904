/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a campaign on the command line: short spellings for what people change often. --plan
 * takes the server's own JSON for the rest, and options override it. */
#include "cli/campaign.h"

#include "core/text.h"

#include <string.h>

/* -- waves -- */

static json_t *percent_wave(struct cli *cli, const char *text)
{
    return text[strspn(text, "0123456789.")] == '%' ? percent_value(cli, text) : NULL;
}

/* What a wave is of; the first one that can read the text is it. */
static const struct {
    const char *prefix, *member;
    value_fn value;
} measures[] = {
    {"tag=",    "tag",     text_value  },
    {"filter=", "filter",  text_value  },
    {"list=",   "list",    text_value  },
    {"",        "count",   number_value},
    {"",        "percent", percent_wave},
};

static const struct {
    const char *name, *member;
    value_fn value;
} gates[] = {
    {"soak",       "soak",          seconds_value},
    {"coverage",   "coverage",      share_value  },
    {"min",        "min_confirmed", number_value },
    {"gate",       "gate",          text_value   },
    {"not-before", "not_before",    moment_value },
    {"ramp",       "ramp",          seconds_value},
    {"strata",     "strata",        words_value  },
};

/* Where the next ":soak=" or ",soak=" begins, so that filters and times may have colons; the end of
 * the text if none does. */
static const char *next_gate(const char *text, size_t *ret_gate)
{
    for (; *text; text++)
        for (size_t i = 0; strchr(":,", *text) && i < COUNT_OF(gates); i++)
            if (text_starts_with(text + 1, gates[i].name) &&
                text[1 + strlen(gates[i].name)] == '=') {
                *ret_gate = i;
                return text;
            }
    return text;
}

static int put_measure(struct cli *cli, json_t *wave, const char *text)
{
    for (size_t i = 0; i < COUNT_OF(measures); i++) {
        if (!text_starts_with(text, measures[i].prefix))
            continue;
        json_t *value = measures[i].value(cli, text + strlen(measures[i].prefix));
        if (value)
            return json_object_set_new(wave, measures[i].member, value);
    }
    refuse(cli, ENDS_MISUSED, "\"%s\" is no wave", text);
    advise(cli, "a wave is a number of devices, a percentage, a tag, a filter or a list:");
    advise(cli,
           "--wave tag=office --wave 5:soak=24h --wave 20%%:soak=12h:gate=manual --wave 100%%");
    return -1;
}

static json_t *wave_value(struct cli *cli, const char *text)
{
    size_t gate = 0, next_one = 0;
    const char *end = next_gate(text, &gate);
    json_auto_t *wave = json_object();
    CLEANUP(free_string) char *measure = strndup(text, (size_t)(end - text));

    if (!measure || put_measure(cli, wave, measure))
        return NULL;
    while (*end) {
        const char *begin = end + strlen(gates[gate].name) + 2;
        end = next_gate(begin, &next_one);
        CLEANUP(free_string) char *piece = strndup(begin, (size_t)(end - begin));
        json_t *value = piece ? gates[gate].value(cli, piece) : NULL;
        if (!value) {
            refuse(cli, ENDS_MISUSED, "%s cannot be \"%s\" in --wave %s", gates[gate].name,
                   piece ? piece : "", text);
            return NULL;
        }
        json_object_set_new(wave, gates[gate].member, value);
        gate = next_one;
    }
    return json_pack("[O]", wave);
}

/* -- windows: "install mon-fri 22:00 6h", the days may be missing -- */

static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

static int day_named(const char *name, size_t length)
{
    for (int day = 0; day < (int)COUNT_OF(days); day++)
        if (length == 3 && !strncmp(days[day], name, length))
            return day;
    return -1;
}

/* "mon-fri,sun" */
static json_t *days_value(const char *text)
{
    json_auto_t *list = json_array();

    for (; *text; text += strcspn(text, ","), text += strspn(text, ",")) {
        size_t length = strcspn(text, ","), dash = strcspn(text, "-");
        int first = day_named(text, dash < length ? dash : length);
        int last = dash < length ? day_named(text + dash + 1, length - dash - 1) : first;

        if (first < 0 || last < 0)
            return NULL;
        for (int day = first;; day = (day + 1) % (int)COUNT_OF(days)) {
            json_array_append_new(list, json_string(days[day]));
            if (day == last)
                break;
        }
    }
    return json_incref(list);
}

json_t *window_value(struct cli *cli, const char *text)
{
    char kind[12], on[40], start[12], length[12], more;
    int words = sscanf(text, "%11s %39s %11s %11s %c", kind, on, start, length, &more);
    json_auto_t *list = words == 4 ? days_value(on) : NULL;

    if (words == 3) {
        strcpy(length, start);
        snprintf(start, sizeof start, "%.11s", on);
    }
    if ((words != 3 && !list) || (strcmp(kind, "install") && strcmp(kind, "download"))) {
        refuse(cli, ENDS_MISUSED, "\"%s\" is no window", text);
        advise(cli, "--window 'install mon-fri 22:00 6h' or --window 'download 01:00 4h'");
        return NULL;
    }
    return json_pack("{s[{ss ss sO*}]}", kind, "start", start, "length", length, "days", list);
}

/* -- budgets, rates, strata -- */

/* "2%,2,50": the share, never below so many failures, of a sample of at least so many. */
static json_t *budget_value(struct cli *cli, const char *text)
{
    char share[16], failures[12] = "", sample[12] = "", more;
    int words = sscanf(text, "%15[^,],%11[0-9],%11[0-9]%c", share, failures, sample, &more);
    json_auto_t *value = words >= 1 && words <= 3 ? share_value(cli, share) : NULL;

    if (!value || (words == 1 && strchr(text, ','))) {
        refuse(cli, ENDS_MISUSED, "\"%s\" is no budget of failures", text);
        advise(cli, "2%%,2,50: at 2 %%, never below 2 failures, taken of at least 50 devices");
        return NULL;
    }
    json_t *least = words >= 2 ? number_value(cli, failures) : NULL;
    json_t *of = words == 3 ? number_value(cli, sample) : NULL;
    return json_pack("{sO so* so*}", "share", value, "failures", least, "sample", of);
}

/* "x2/100": twice as many for each 100 confirmed. */
static bool put_growth(struct cli *cli, json_t *rate, const char *text)
{
    char *end = NULL;
    double factor = *text == 'x' ? strtod(text + 1, &end) : 0;
    json_t *step = end && end > text + 1 && *end == '/' ? number_value(cli, end + 1) : NULL;

    return step && !json_object_set_new(rate, "step", step) &&
           !json_object_set_new(rate, "factor", json_real(factor));
}

/* "10", "10/min", "10/min,x2/100" */
static json_t *rate_value(struct cli *cli, const char *text)
{
    json_auto_t *rate = json_object();
    size_t length = strcspn(text, "/,");
    CLEANUP(free_string) char *digits = strndup(text, length);
    json_t *start = digits ? number_value(cli, digits) : NULL;
    const char *rest = text + length;

    if (text_starts_with(rest, "/min"))
        rest += strlen("/min");
    bool is_read = start && !json_object_set_new(rate, "start", start) &&
                   (!*rest || (*rest == ',' && put_growth(cli, rate, rest + 1)));
    if (is_read)
        return json_incref(rate);
    refuse(cli, ENDS_MISUSED, "\"%s\" is no rate", text);
    advise(cli, "10/min,x2/100: ten offers a minute, twice as many for each 100 confirmed;");
    advise(cli, "0 is no limit. What one transfer may take is --transfer-rate");
    return NULL;
}

static json_t *priority_value(struct cli *cli, const char *text)
{
    int64_t number;

    (void)cli;
    if (*text == '-')
        return number_from_text(text + 1, &number) ? json_integer(-number) : NULL;
    return number_from_text(text, &number) ? json_integer(number) : json_string(text);
}

static json_t *snapshot_value(struct cli *cli, const char *text)
{
    (void)cli, (void)text;
    return json_string("snapshot");
}

/* clang-format off */
const struct setting campaign_settings[CAMPAIGN_SETTING_COUNT] = {
    {{"target", "FILTER", "which devices, e.g. 'model = \"gw2\" and tag = \"canary\"'"},
     "target", text_value},
    {{"channel", "CHANNEL",
      "only devices of this channel; what proves itself becomes its baseline"},
     "channel", text_value},
    {{"name", "TEXT", "what people call it"}, "name", text_value},
    {{"reason", "TEXT", "why; it is kept in the audit log"}, "reason", text_value},
    {{"kind", "WORD", "update (default), or rollback, which may lead to an older release"},
     "kind", text_value},
    {{"preset", "WORD", "careful (default), fast, or all-now"}, "preset", text_value},
    {{"wave", "WAVE", "5, 10%, tag=T, filter=F or list=L, then its settings; repeatable"},
     "waves", wave_value},
    {{"snapshot", NULL, "devices registered after the start stay out"}, "members", snapshot_value},
    {{"no-sticky", NULL, "who matches the target no more is out, even with an offer"},
     "sticky", no_value},
    {{"salt-from", "CAMPAIGN", "the same order of devices as in that one"},
     "salt_from", text_value},
    {{"priority", "N", "where two campaigns want a device, the higher wins; or: urgent"},
     "priority", priority_value},
    {{"supersede", "WORD", "the channel's older campaign: replace (default), queue, coexist"},
     "supersede", text_value},
    {{"approvals", "N", "persons beside the author who must approve: 0, 1 or 2"},
     "approvals", number_value},
    {{"expect", "N", "so many devices match; otherwise it pauses instead of starting"},
     "expected.count", number_value},
    {{"tolerance", "SHARE", "with --expect: how far off is right (default 10%)"},
     "expected.tolerance", share_value},
    {{"start-at", "TIME", "not before: 2026-12-24T18:00:00Z, '2026-12-24 18:00' (UTC), +6h"},
     "start_at", moment_value},
    {{"end-at", "TIME", "no offers from then on"}, "end_at", moment_value},
    {{"on-end", "WORD", "stop_offers (default), or cancel what is under way too"},
     "on_end", text_value},
    {{"rate", "RATE", "offers: 10/min,x2/100 doubles for each 100 confirmed; 0 is no limit"},
     "rate", rate_value},
    {{"max-rate", "N", "never more offers a minute"}, "rate.max", number_value},
    {{"leases", "N", "transfers at once"}, "caps.leases", number_value},
    {{"bytes", "N", "bytes per second of all its transfers: 20M"}, "caps.bytes", bytes_value},
    {{"transfer-rate", "N", "bytes per second of one transfer: 500k"},
     "caps.transfer_rate", bytes_value},
    {{"install", "WORD", "forced (default), optional, or prestage"}, "install.mode", text_value},
    {{"force-at", "TIME", "an optional installation is forced from then on"},
     "install.force_at", moment_value},
    {{"risk", "TEXT", "told to the person at the device"}, "install.risk", text_value},
    {{"consent", NULL, "the person at the device must agree before it fetches"},
     "consent", yes_value},
    {{"window", "WINDOW", "'install mon-fri 22:00 6h' or 'download 01:00 4h'; repeatable"},
     "windows", window_value},
    {{"zone", "ZONE", "of devices and sites without one, e.g. Europe/Berlin (default UTC)"},
     "windows.zone", text_value},
    {{"expedite", NULL, "passes windows and freezes, not budgets; wants a reason"},
     "windows.expedite", yes_value},
    {{"pause-at", "BUDGET", "2%,2,50: at 2 %, never below 2 failures, of at least 50 devices"},
     "pause", budget_value},
    {{"abort-at", "BUDGET", "the same for the end of it (default 5%,3,20)"}, "abort", budget_value},
    {{"strata", "WORDS", "budgets of their own by model,version,site"}, "strata.by", words_value},
    {{"dead-man", "TIME", "pause when offers bring no outcome for this long; 0: never"},
     "dead_man", seconds_value},
    {{"on-abort", "WORD", "rollback: an abort makes a campaign back to the last good release"},
     "on_abort", text_value},
    {{"watch", "TIME", "failures count for this long after the last wave"}, "watch", seconds_value},
    {{"promote", NULL, "finished well, it becomes the channel's baseline (default with one)"},
     "promote", yes_value},
    {{"no-promote", NULL, "the channel's baseline stays"}, "promote", no_value},
    {{"attempts", "N", "tries per device"}, "attempts", number_value},
    {{"confirm-after", "TIME", "how long the new version must run to count: 10m, 30s"},
     "confirm_after", seconds_value},
    {{"stale-after", "TIME", "devices silent for this long are left out of the counts"},
     "stale_after", seconds_value},
    {{"verify-timeout", "TIME", "silence after installing that counts as a loss"},
     "verify_timeout", seconds_value},
    {{"offer-ttl", "TIME", "an offer nobody takes up is withdrawn after this"},
     "offer_ttl", seconds_value},
    {{"download-deadline", "TIME", "a download not done by then has timed out; 0: never"},
     "download_deadline", seconds_value},
    {{"stall", "TIME", "a download without a new byte for this long is stalled"},
     "stall", seconds_value},
};
/* clang-format on */

/* -- the whole plan -- */

const struct option plan_options[PLAN_OPTION_COUNT] = {
    {"plan",  "FILE", "the plan as the server's JSON; - for standard input"},
    {"start", NULL,   "start it at once"                                   },
};

int campaign_describe(struct cli *cli, json_t *base, json_t **ret)
{
    const char *file = option(cli, "plan");
    json_auto_t *plan = file ? file_value(cli, file) : json_incref(base);
    json_auto_t *given = NULL;

    if (!plan || call_body(cli, &given))
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (json_object_get(given, "preset"))
        json_object_del(plan, "waves");
    if (json_object_update_recursive(plan, given))
        return refuse(cli, ENDS_MISUSED, "out of memory");
    *ret = MOVE(plan);
    return 0;
}
