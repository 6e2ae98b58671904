/* SPDX-License-Identifier: Apache-2.0 */
/* otactl campaign watch: one campaign, live. On a terminal the picture is redrawn in place;
 * elsewhere each change is one line, so that a log of it can be read. */
#include "cli/campaign.h"

#include "cli/http.h"
#include "cli/output.h"
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

static void wave_line(const json_t *wave, struct text *out)
{
    char bar[BAR_WIDTH + 1];

    wave_bar(wave, bar, sizeof bar);
    text_format(out, "wave %lld [%s] %lld of %lld confirmed, %lld under way, %lld failed, %s",
                (long long)member_number(wave, "position"), bar,
                (long long)member_number(wave, "confirmed"), (long long)members_of(wave),
                (long long)under_way(wave), (long long)member_number(wave, "failed"),
                member_text(wave, "state", "?"));
}

static void print_line(const struct text *line)
{
    say("%s\n", line->at ? line->at : "?");
}

/* Returns the number of lines, to go up again by. */
static int draw(const json_t *campaign, int64_t now)
{
    const char *started = member_text(campaign, "started_at", NULL);
    char ago[SHORT_TEXT_SIZE] = "";
    int64_t then;
    int lines = 1;
    size_t i;
    json_t *wave;

    if (started && clock_parse(started, &then))
        ago_text(then, now, ago);
    say("%s %s for %s: %s%s%s  %s\n", member_text(campaign, "id", "?"),
        member_text(campaign, "release", "?"), member_text(campaign, "target", "?"),
        member_text(campaign, "state", "?"), *member_text(campaign, "state_reason", "") ? ", " : "",
        member_text(campaign, "state_reason", ""), ago);
    json_array_foreach(json_object_get(campaign, "waves"), i, wave)
    {
        CLEANUP(text_clear) struct text line = {0};
        const char *gate = member_text(wave, "gate_text", "");

        wave_line(wave, &line);
        print_line(&line);
        lines++;
        if (*gate && strcmp(member_text(wave, "state", ""), "passed")) {
            say("       %s\n", gate);
            lines++;
        }
    }
    return lines;
}

/* What changed since the last look, one line each; `before` may be NULL. */
static void log_changes(const json_t *campaign, const json_t *before, int64_t now)
{
    char at[CLOCK_TEXT_SIZE];
    size_t i;
    json_t *wave;

    clock_text(now, at);
    if (strcmp(member_text(campaign, "state", ""), member_text(before, "state", "")))
        say("%s %s is %s %s\n", at, member_text(campaign, "id", "?"),
            member_text(campaign, "state", "?"), member_text(campaign, "state_reason", ""));
    json_array_foreach(json_object_get(campaign, "waves"), i, wave)
    {
        CLEANUP(text_clear) struct text line = {0}, old = {0};

        wave_line(wave, &line);
        wave_line(json_array_get(json_object_get(before, "waves"), i), &old);
        if (!line.at || !old.at || strcmp(line.at, old.at))
            say("%s %s\n", at, line.at ? line.at : "?");
    }
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

/* A server that restarts is waited for. */
static int look(struct cli *cli, const char *path, int *silent, json_t **ret)
{
    if (!http_json(cli, "GET", path, NULL, ret)) {
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
