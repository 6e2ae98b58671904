/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include "cli/arguments.h"

#include <string.h>

static const char introduction[] =
    "otactl - the operator's hand on otad, the firmware update server\n"
    "\n"
    "usage: otactl [-C DIR] VERB … [--json]\n"
    "\n"
    "From nothing to an update, in a laboratory:\n"
    "\n"
    "  $ otactl init lab --product demo        # keys, certificates, configuration\n"
    "  $ otad -c lab/otad.conf &\n"
    "  $ export OTACTL_DIR=lab\n"
    "  $ otactl device issue dev-1 --model gw2 --out dev-1\n"
    "  $ otactl release create demo 1.0 --file app.bin --hardware gw2\n"
    "  $ otactl release sign DRAFT --key lab/keys/demo-1.pem\n"
    "  $ otactl release sign DRAFT --key lab/keys/demo-2.pem\n"
    "  $ otactl release publish DRAFT\n"
    "  $ otactl campaign create demo:1.0 --target 'model = \"gw2\"' --start\n"
    "  $ otactl campaign watch c-1\n"
    "\n"
    "Verbs (otactl VERB --help tells more):\n"
    "\n";

static const char ending[] =
    "\n"
    "Exit status: 0 done; 1 the server refused; 2 command line, settings or a local file are\n"
    "wrong; 3 the server does not answer; 4 the server failed.\n";

static const struct option *global_option(const struct verb *none, size_t n)
{
    (void)none;
    return n < global_option_count ? &global_options[n] : NULL;
}

/* `at` is verb_option() or global_option(). */
static void print_options(const char *title, const struct verb *verb,
                          const struct option *(*at)(const struct verb *verb, size_t n))
{
    int widest = 0;
    const struct option *option;

    for (size_t i = 0; (option = at(verb, i)); i++) {
        int width =
            (int)strlen(option->name) + (option->value ? (int)strlen(option->value) + 1 : 0);
        widest = width > widest ? width : widest;
    }
    if (widest)
        printf("\n%s\n", title);
    for (size_t i = 0; (option = at(verb, i)); i++) {
        int width = printf("  --%s%s%s", option->name, option->value ? " " : "",
                           option->value ? option->value : "");
        printf("%*s%s\n", widest + 6 - width, "", option->help);
    }
}

static void print_verb(const struct group *group, const struct verb *verb)
{
    printf("usage: otactl [-C DIR] %s%s%s%s%s%s\n\n%s\n", group->name, *verb->name ? " " : "",
           verb->name, *verb->operands ? " " : "", verb->operands,
           verb_option(verb, 0) ? " [options]" : "", verb->summary);
    if (*verb->help)
        printf("\n%s", verb->help);
    print_options("Options:", verb, verb_option);
    print_options("Everywhere:", verb, global_option);
}

static void print_group(const struct group *group)
{
    printf("otactl %s: %s\n\n", group->name, group->summary);
    for (size_t i = 0; i < group->verb_count; i++) {
        const struct verb *verb = &group->verbs[i];
        int width = printf("  %s %s", verb->name, verb->operands);

        printf("%*s%s\n", width < 28 ? 28 - width : 2, "", verb->summary);
    }
    printf("\notactl %s VERB --help shows options and examples.\n", group->name);
}

static void print_everything(void)
{
    fputs(introduction, stdout);
    for (size_t i = 0; i < group_count; i++)
        printf("  %-12s %s\n", groups[i]->name, groups[i]->summary);
    print_options("Options everywhere:", NULL, global_option);
    fputs(ending, stdout);
}

void help_print(const struct cli *cli)
{
    if (cli->verb)
        print_verb(cli->group, cli->verb);
    else if (cli->group)
        print_group(cli->group);
    else
        print_everything();
}
