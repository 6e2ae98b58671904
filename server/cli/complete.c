/* SPDX-License-Identifier: Apache-2.0 */
/* otactl completion bash: the verb table as a completion script. What it prints is installed as
 * config/otactl.bash; a test compares the two. */
#include "cli/verbs.h"

#include "cli/arguments.h"

#include <string.h>

static const char opening[] =
    "# shellcheck shell=bash\n"
    "# Completion for otactl; written by `otactl completion bash`, do not edit.\n"
    "_otactl()\n"
    "{\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local group='' verb='' word skip='' words='' i\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $skip ]]; then skip=; continue; fi\n"
    "        case $word in\n"
    "        -C | --directory | --token-file) skip=1 ;;\n"
    "        -*) ;;\n"
    "        *)\n"
    "            if [[ ! $group ]]; then group=$word\n"
    "            elif [[ ! $verb ]]; then verb=$word\n"
    "            fi ;;\n"
    "        esac\n"
    "    done\n"
    "    case $previous in\n"
    "    -C | --directory | --out)\n"
    "        mapfile -t COMPREPLY < <(compgen -d -- \"$current\")\n"
    "        return ;;\n"
    "    esac\n"
    "    case \"$group $verb\" in\n";

static const char ending[] = "    esac\n"
                             "    if [[ ! $words && $current != -* ]]; then\n"
                             "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
                             "        return\n"
                             "    fi\n"
                             "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                             "}\n"
                             "complete -o filenames -F _otactl otactl\n";

static bool has_only_itself(const struct group *group)
{
    return group->verb_count == 1 && !*group->verbs[0].name;
}

static void print_verb_words(const struct group *group)
{
    for (size_t i = 0; i < group->verb_count; i++)
        printf("%s%s", i ? " " : "", group->verbs[i].name);
}

static void print_cases(const struct group *group)
{
    for (size_t i = 0; i < group->verb_count; i++) {
        const struct verb *verb = &group->verbs[i];

        if (*verb->name)
            printf("    '%s %s') [[ $current != -* ]] || words='", group->name, verb->name);
        else
            printf("    '%s '*) [[ $current != -* ]] || words='", group->name);
        fputs("--json --help", stdout);
        const struct option *option;
        for (size_t n = 0; (option = verb_option(verb, n)); n++)
            printf(" --%s", option->name);
        puts("' ;;");
    }
    if (has_only_itself(group))
        return;
    printf("    '%s '*) words='", group->name);
    print_verb_words(group);
    puts(" --help' ;;");
}

static int completion_bash(struct cli *cli)
{
    (void)cli;
    fputs(opening, stdout);
    for (size_t i = 0; i < group_count; i++)
        print_cases(groups[i]);
    fputs("    ' ') words='", stdout);
    for (size_t i = 0; i < group_count; i++)
        printf("%s ", groups[i]->name);
    fputs("help", stdout);
    for (size_t i = 0; i < global_option_count; i++)
        printf(" --%s", global_options[i].name);
    puts("' ;;");
    fputs(ending, stdout);
    return 0;
}

/* clang-format off */
static const struct verb verbs[] = {
    {"bash", "", "completion for bash, on standard output",
     "Packages install it. By hand:\n"
     "\n"
     "$ otactl completion bash > ~/.local/share/bash-completion/completions/otactl\n",
     NO_OPTIONS, completion_bash},
};
/* clang-format on */

const struct group completion_group = {"completion", "completion of words for the shell", verbs,
                                       COUNT_OF(verbs)};
