/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <string.h>

#define SEEDS_SHOWN 5

/* Fewer runs may miss a rare check by chance. */
#define SURE_TO_CHECK 300

static FILE *open_report(const char *path)
{
    FILE *out = path ? fopen(path, "w") : NULL;

    if (path && !out)
        die("%s: %m", path);
    if (out)
        fputs("<testsuite name=\"sim\">\n", out);
    return out;
}

static void close_report(FILE *out)
{
    if (!out)
        return;
    fputs("</testsuite>\n", out);
    fclose(out);
}

static void write_escaped(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
}

/* `failure` is "" when it passed; `cost` is for people. */
static void write_case(FILE *out, const char *name, const char *cost, double seconds,
                       const char *failure)
{
    printf("%s %16s  %s\n", failure[0] ? "FAILED" : "passed", cost, name);
    if (failure[0])
        printf("%s\n", failure);
    if (!out)
        return;
    fprintf(out, "<testcase name=\"%s\" time=\"%.3f\">", name, seconds);
    if (failure[0]) {
        fputs("<failure>", out);
        write_escaped(out, failure);
        fputs("</failure>", out);
    }
    fputs("</testcase>\n", out);
}

static void write_timed(FILE *out, const char *name, double seconds, const char *failure)
{
    char cost[32];

    snprintf(cost, sizeof cost, "%.2f s", seconds);
    write_case(out, name, cost, seconds, failure);
}

static void append(char *text, size_t room, const char *line)
{
    size_t length = strlen(text);

    snprintf(text + length, room - length, "%s%s", length ? "\n" : "", line);
}

/* Every failing seed with the one command that shows it again. */
static void gather(const struct runs *runs, enum invariant broken, char *text, size_t room)
{
    int shown = 0;

    for (uint64_t i = 0; i < runs->count && shown < SEEDS_SHOWN; i++) {
        const struct run *run = &runs->results[i];
        char line[640];

        if (run->state != RUN_FAILED || run->broken != broken)
            continue;
        snprintf(line, sizeof line, "%s\n    build/release/tests/sim/sim --seed %llu --verbose",
                 run->text, (unsigned long long)(runs->first + i));
        append(text, room, line);
        shown++;
    }
}

static uint64_t done_of(const struct runs *runs)
{
    uint64_t done = 0;

    for (uint64_t i = 0; i < runs->count; i++)
        done += runs->results[i].state != RUN_UNDONE;
    return done;
}

void report_properties(const struct runs *runs, const char *path)
{
    FILE *out = open_report(path);
    char text[SEEDS_SHOWN * 640 + 64], looks[32];
    uint64_t done = done_of(runs);

    for (int i = 0; i < INVARIANTS; i++) {
        text[0] = '\0';
        gather(runs, (enum invariant)i, text, sizeof text);
        if (!text[0] && !runs->checked[i] && runs->count >= SURE_TO_CHECK)
            snprintf(text, sizeof text, "no run came to the check");
        snprintf(looks, sizeof looks, "%llu looks", (unsigned long long)runs->checked[i]);
        write_case(out, invariant_name((enum invariant)i), looks, 0, text);
    }
    text[0] = '\0';
    gather(runs, INVARIANTS, text, sizeof text);
    write_timed(out, "every_run_comes_to_its_end", runs->seconds, text);
    close_report(out);
    printf("%llu runs in %.1f s, %.0f a second; %d failed\n", (unsigned long long)done,
           runs->seconds, (double)done / runs->seconds, runs->failed);
    if (done < runs->count)
        puts("too many failed: the rest was not run");
}

void report_stories(const struct runs *runs, const struct story_choice *choice, const char *path)
{
    FILE *out = open_report(path);

    for (uint64_t i = 0; i < runs->count; i++) {
        const struct run *run = &runs->results[i];
        char name[STORY_NAME_SIZE];

        story_name(choice, i, name);
        write_timed(out, name, run->seconds,
                    run->state == RUN_PASSED   ? ""
                    : run->state == RUN_FAILED ? run->text
                                               : "not run: too many others failed");
    }
    close_report(out);
    printf("%llu cases in %.1f s; %d failed\n", (unsigned long long)runs->count, runs->seconds,
           runs->failed);
}
