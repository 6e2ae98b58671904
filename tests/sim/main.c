/* SPDX-License-Identifier: Apache-2.0 */
/* A fleet of virtual devices, a virtual clock, and the real campaign engine over a real store.
 *
 *     outcome.c     how a run says that it went wrong
 *     dice.c        chance that can be had again
 *     queue.c       what is to happen, in order of time
 *     engine*.c     the engine under test, behind few questions
 *     puppet.c      a virtual device and what can be wrong with it
 *     world.c       clock, network, operators, accidents
 *     plan.c        campaigns' plans, also at random
 *     watch.c       the invariants
 *     said.c        those of what operators said: stops, freezes, windows, pins, caps, floors
 *     flips.c       that of the plan's hash
 *     properties.c  small random runs, held to them
 *     stories*.c    what goes wrong in real fleets, by name, with and without the rule against it
 *     runner.c      many runs in several processes
 *     report.c      what came of it, for people and for check.py */
#include "properties.h"
#include "report.h"
#include "stories.h"

#include "core/text.h"

#include <getopt.h>
#include <string.h>

struct command {
    const char *report;
    uint64_t first, count;
    int processes;
    bool is_quick, is_large, is_told;
};

static const char usage[] =
    "usage: sim properties [--seeds N] [--from N]   random runs, held to the invariants\n"
    "       sim --seed N [--verbose]                one of them\n"
    "       sim stories [--quick|--large] [NAME…]   fleets that go wrong in known ways\n"
    "       sim list                                their names\n"
    "  --jobs N       processes at once; one per processor otherwise\n"
    "  --report FILE  the cases as JUnit XML\n";

static void run_property(struct engine *engine, uint64_t number, void *arg)
{
    const struct command *command = arg;

    property_run(engine, number, command->is_told);
}

static int run_properties(struct command *command)
{
    struct runs runs = {.first = command->first,
                        .count = command->count,
                        .run = run_property,
                        .arg = command,
                        .processes = command->processes};

    runs_do(&runs);
    report_properties(&runs, command->report);
    int failed = runs.failed;
    runs_free(&runs);
    return failed ? 1 : 0;
}

static int run_stories(const struct command *command, char **names, size_t name_count)
{
    struct story_choice choice;
    struct runs runs = {.run = story_run, .arg = &choice, .processes = command->processes};

    if (!stories_choose(&choice, command->is_quick, names, name_count)) {
        fputs("there is no such story; `sim list` names them\n", stderr);
        return 2;
    }
    choice.is_told = command->is_told;
    choice.is_large = command->is_large;
    runs.count = choice.count;
    runs_do(&runs);
    report_stories(&runs, &choice, command->report);
    int failed = runs.failed;
    runs_free(&runs);
    return failed ? 1 : 0;
}

static uint64_t number_in(const char *text)
{
    int64_t number;

    if (number_from_text(text, &number) && number >= 0)
        return (uint64_t)number;
    fprintf(stderr, "%s is no number\n", text);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seeds",            required_argument, NULL, 'n'},
        {"from",              required_argument, NULL, 'f'},
        {"seed",                  required_argument, NULL, 's'},
        {"verbose",no_argument, NULL, 'v'},
        {"large",               no_argument, NULL, 'l'},
        {"quick",             no_argument, NULL, 'q'},
        {"jobs",              required_argument, NULL, 'j'},
        {"report",                  required_argument, NULL, 'r'},
        {0                   },
    };
    struct command command = {.count = 1000};
    bool is_one = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'n':
            command.count = number_in(optarg);
            break;
        case 's':
            is_one = true;
            command.count = 1;
            command.first = number_in(optarg);
            break;
        case 'f':
            command.first = number_in(optarg);
            break;
        case 'j':
            command.processes = (int)number_in(optarg);
            break;
        case 'r':
            command.report = optarg;
            break;
        case 'l':
            command.is_large = true;
            break;
        case 'q':
            command.is_quick = true;
            break;
        case 'v':
            command.is_told = true;
            break;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    const char *what = is_one ? "properties" : optind < argc ? argv[optind++] : "";
    if (strcmp(what, "properties") == 0)
        return run_properties(&command);
    if (strcmp(what, "stories") == 0)
        return run_stories(&command, argv + optind, (size_t)(argc - optind));
    if (strcmp(what, "list") == 0) {
        stories_list();
        return 0;
    }
    fputs(usage, stderr);
    return 2;
}
