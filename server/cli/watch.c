/* SPDX-License-Identifier: Apache-2.0 */
/* otactl campaign watch: one campaign, live. On a terminal the picture is redrawn in place;
 * elsewhere each change is one line, so that a log of it can be read. */
#include "cli/campaign.h"

#include "campaign/capacity.h"
#include "cli/http.h"
#include "core/clock.h"

#include <string.h>
#include <time.h>

#define BAR_WIDTH 32
#define SILENT_MAX 60 /* looks in a row without an answer */

static int64_t sum_counts(const json_t *wave, const char *const states[], size_t count)
{
    const json_t *counts = json_object_get(wave, "counts");
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += member_number(counts, states[i]);
    return sum;
}

static int64_t under_way(const json_t *wave)
{
    static const char *const states[] = {"offered", "downloading", "downloaded",
                                         "waiting", "installing",  "verifying"};

    return sum_counts(wave, states, COUNT_OF(states));
}

static int64_t members_of(const json_t *wave)
{
    int64_t members = member_number(wave, "members");
    int64_t seen =
        member_number(wave, "confirmed") + member_number(wave, "failed") + under_way(wave);

    return members > seen ? members : seen;
}

void wave_bar(const json_t *wave, char *ret, size_t size)
{
    const struct {
        int64_t devices;
        char mark;
    } parts[] = {
        {member_number(wave, "confirmed"), '#'},
        {under_way(wave),    '='         },
        {member_number(wave,         "failed"),          'x'   },
    };
    int64_t members = members_of(wave);
    size_t at = 0;

    for (size_t i = 0; members > 0 && i < COUNT_OF(parts); i++) {
        size_t cells = (size_t)((double)parts[i].devices / (double)members * (double)(size - 1));
        if (parts[i].devices > 0 && cells == 0)
            cells = 1;
        while (cells-- > 0 && at < size - 1)
            ret[at++] = parts[i].mark;
    }
    memset(ret + at, '.', size - 1 - at);
    ret[size - 1] = '\0';
}

/* `measures` is as wide as the longest of them, so that the bars stand below each other. */
static void wave_line(const json_t *wave, int measures, struct text *out)
{
    char bar[BAR_WIDTH + 1], who[MEASURE_SIZE], bound[SHORT_TEXT_SIZE];

    wave_bar(wave, bar, sizeof bar);
    wave_bound(wave, bound);
    text_format(out, "wave %lld  %-*s [%s] %lld of %lld confirmed, %lld under way, %lld failed",
                (long long)member_number(wave, "position"), measures, wave_measure(wave, who), bar,
                (long long)member_number(wave, "confirmed"), (long long)members_of(wave),
                (long long)under_way(wave), (long long)member_number(wave, "failed"));
    text_format(out, "%s%s, %s", *bound ? ", at most " : "", bound,
                member_text(wave, "state", "?"));
}

static int widest_measure(const json_t *campaign)
{
    int widest = 0;
    size_t i;
    json_t *wave;
    char who[MEASURE_SIZE];

    json_array_foreach(json_object_get(campaign, "waves"), i, wave)
    {
        int width = (int)strlen(wave_measure(wave, who));
        widest = width > widest ? width : widest;
    }
    return widest;
}

/* "c-1 is paused: 2 of 50 failed" */
static void state_line(const json_t *campaign, struct text *out)
{
    const char *reason = member_text(campaign, "state_reason", "");

    text_format(out, "%s is %s%s%s", member_text(campaign, "id", "?"),
                member_text(campaign, "state", "?"), *reason ? ": " : "", reason);
}

static int64_t rate_now(const json_t *campaign)
{
    const json_t *rate = json_object_get(campaign, "rate");
    const struct rate_rule rule = {
        .start = member_number(rate, "start"),
        .step = member_number(rate, "step"),
        .max = member_number(rate, "max"),
        .factor = json_number_value(json_object_get(rate, "factor")),
    };

    return strcmp(member_text(rate, "step_on", ""), "confirmed")
               ? rule.start
               : rate_per_minute(&rule, member_number(campaign, "confirmed"));
}

static void flow_line(const json_t *campaign, struct text *out)
{
    int64_t rate = rate_now(campaign), stalled = member_number(campaign, "stalled");
    char bound[SHORT_TEXT_SIZE];

    if (rate > 0)
        text_format(out, "%lld offers a minute, ", (long long)rate);
    text_format(out, "%lld transfers", (long long)member_number(campaign, "leases"));
    if (stalled)
        text_format(out, ", %lld stand still", (long long)stalled);
    if (*wave_bound(campaign, bound))
        text_format(out, "; by what was seen at most %s of all devices fail", bound);
}

/* What it waits for, a line each. */
static void waits_of(const json_t *campaign, struct text *out)
{
    const char *halt = member_text(campaign, "halt", NULL);

    if (halt)
        text_format(out, "EMERGENCY STOP: %s; to go on: otactl stop --lift\n", halt);
    campaign_needs(campaign, out);
}

/* Returns how many there were. */
static int print_lines(const struct text *text, const char *before)
{
    const char *at = text->at;
    int lines = 0;

    for (; at && *at; lines++) {
        size_t length = strcspn(at, "\n");

        say("%s%.*s\n", before, (int)length, at);
        at += length + (at[length] == '\n');
    }
    return lines;
}

/* -- on a terminal -- */

static int draw_head(const json_t *campaign, int64_t now)
{
    const char *started = member_text(campaign, "started_at", NULL);
    char ago[SHORT_TEXT_SIZE] = "";
    CLEANUP(text_clear) struct text state = {0};
    int64_t then;

    if (started && clock_parse(started, &then))
        ago_text(then, now, ago);
    say("%s for %s%s%s\n", member_text(campaign, "release", "?"),
        member_text(campaign, "target", "?"), *ago ? ", begun " : "", ago);
    state_line(campaign, &state);
    return 1 + print_lines(&state, "");
}

/* Returns the number of lines, to go up again by. */
static int draw(const json_t *campaign, int64_t now)
{
    int lines = draw_head(campaign, now), measures = widest_measure(campaign);
    CLEANUP(text_clear) struct text flow = {0}, waits = {0};
    size_t i;
    json_t *wave;

    json_array_foreach(json_object_get(campaign, "waves"), i, wave)
    {
        CLEANUP(text_clear) struct text line = {0}, gate = {0};
        const char *state = member_text(wave, "state", "");

        wave_line(wave, measures, &line);
        if (strcmp(state, "passed") != 0 && strcmp(state, "skipped") != 0)
            text_append(&gate, member_text(wave, "gate_text", ""));
        lines += print_lines(&line, "") + print_lines(&gate, "        ");
    }
    flow_line(campaign, &flow);
    waits_of(campaign, &waits);
    return lines + print_lines(&flow, "") + print_lines(&waits, "> ");
}

/* -- elsewhere -- */

/* The lines, when they are others than before. */
static void log_if_new(const struct text *now, const struct text *then, const char *at)
{
    if (now->at && (!then->at || strcmp(now->at, then->at)))
        print_lines(now, at);
}

static void log_with(const json_t *campaign, const json_t *before,
                     void (*write)(const json_t *campaign, struct text *out), const char *at)
{
    CLEANUP(text_clear) struct text now = {0}, then = {0};

    write(campaign, &now);
    if (before)
        write(before, &then);
    log_if_new(&now, &then, at);
}

/* What changed since the last look, one line each; `before` may be NULL. */
static void log_changes(const json_t *campaign, const json_t *before, int64_t now)
{
    char at[CLOCK_TEXT_SIZE + 1];
    size_t i;
    json_t *wave;

    strcat(strcpy(at, clock_text(now, (char[CLOCK_TEXT_SIZE]){0})), " ");
    log_with(campaign, before, state_line, at);
    json_array_foreach(json_object_get(campaign, "waves"), i, wave)
    {
        CLEANUP(text_clear) struct text line = {0}, old = {0};

        wave_line(wave, 0, &line);
        if (before)
            wave_line(json_array_get(json_object_get(before, "waves"), i), 0, &old);
        log_if_new(&line, &old, at);
    }
    log_with(campaign, before, waits_of, at);
    fflush(stdout);
}

static bool is_over(const json_t *campaign)
{
    static const char *const states[] = {"finished", "aborted", "cancelled", "superseded",
                                         "expired"};

    for (size_t i = 0; i < COUNT_OF(states); i++)
        if (!strcmp(member_text(campaign, "state", ""), states[i]))
            return true;
    return false;
}

/* While the whole fleet is stopped, the campaign has a member `halt` that says why. */
static int look_at_both(struct cli *cli, const char *path, json_t **ret)
{
    json_auto_t *campaign = NULL, *halt = NULL;

    if (http_json(cli, "GET", path, NULL, &campaign) ||
        http_json(cli, "GET", "/emergency-stop", NULL, &halt))
        return -1;
    if (json_is_true(json_object_get(halt, "stopped")))
        json_object_set(campaign, "halt", json_object_get(halt, "reason"));
    *ret = MOVE(campaign);
    return 0;
}

/* A server that restarts is waited for. */
static int look(struct cli *cli, const char *path, int *silent, json_t **ret)
{
    if (!look_at_both(cli, path, ret)) {
        *silent = 0;
        return 0;
    }
    if (cli->failure.code == ENDS_REFUSED || cli->failure.code == ENDS_MISUSED ||
        ++*silent > SILENT_MAX)
        return -1;
    forget_failure(cli);
    return 0;
}

static void show(json_t *campaign, json_t *before, int *lines)
{
    int64_t now = clock_wall();

    if (!isatty(STDOUT_FILENO)) {
        log_changes(campaign, before, now);
        return;
    }
    if (*lines)
        printf("\033[%dA\033[J", *lines);
    fputs("\033[?7l", stdout); /* long lines are cut, not wrapped: the count must stay right */
    *lines = draw(campaign, now);
    fputs("\033[?7h", stdout);
    fflush(stdout);
}

int campaign_watch(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/campaigns/%s", operand(cli, 0));
    json_auto_t *before = NULL;
    int64_t interval;
    int silent = 0, lines = 0;

    if (option_number(cli, "interval", 1, 3600, 2, &interval))
        return -1;
    for (;;) {
        json_t *campaign = NULL;

        if (look(cli, path, &silent, &campaign))
            return -1;
        if (campaign) {
            show(campaign, before, &lines);
            json_decref(before);
            before = campaign;
            if (is_over(campaign))
                break;
        }
        nanosleep(&(struct timespec){.tv_sec = interval}, NULL);
    }
    if (wants_json(cli))
        print_json(before);
    if (!strcmp(member_text(before, "state", ""), "finished"))
        return 0;
    return refuse(cli, ENDS_REFUSED, "the campaign did not finish: it is %s",
                  member_text(before, "state", "?"));
}
