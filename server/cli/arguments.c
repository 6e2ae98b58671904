/* SPDX-License-Identifier: Apache-2.0 */
/* One pass from left to right: the first plain words name group and verb, every later one is an
 * operand. Options are looked up in the verb's table first, then among the global ones; before the
 * verb is known only global options can stand. */
#include "cli/arguments.h"

#include "cli/call.h"

#include <assert.h>
#include <string.h>

const struct option *verb_option(const struct verb *verb, size_t n)
{
    if (n < verb->option_count)
        return &verb->options[n];
    n -= verb->option_count;
    return verb->call && n < verb->call->setting_count ? &verb->call->settings[n].option : NULL;
}

static bool is_called(const struct option *option, const char *name, size_t length)
{
    return strlen(option->name) == length && !strncmp(option->name, name, length);
}

static const struct option *known_option(const struct cli *cli, const char *name, size_t length)
{
    const struct option *option;

    for (size_t i = 0; cli->verb && (option = verb_option(cli->verb, i)); i++)
        if (is_called(option, name, length))
            return option;
    for (size_t i = 0; i < global_option_count; i++)
        if (is_called(&global_options[i], name, length))
            return &global_options[i];
    return NULL;
}

static void add_given(struct cli *cli, const struct option *option, const char *value)
{
    cli->given[cli->given_count++] = (struct given){option, value};
}

static int unknown_option(struct cli *cli, const char *word)
{
    const char *group = cli->group ? cli->group->name : "",
               *verb = cli->verb ? cli->verb->name : "";

    refuse(cli, ENDS_MISUSED, "there is no option %s here", word);
    advise(cli, "otactl%s%s%s%s --help lists the options", *group ? " " : "", group,
           *verb ? " " : "", verb);
    return -1;
}

/* A long option, "--name", "--name VALUE" or "--name=VALUE". Moves *at past a value of its own. */
static int take_long(struct cli *cli, int count, char *const *words, int *at)
{
    const char *name = words[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const struct option *option = known_option(cli, name, length);

    if (!option)
        return unknown_option(cli, words[*at]);
    if (!option->value) {
        if (equals)
            return refuse(cli, ENDS_MISUSED, "--%s takes no value", option->name);
        if (!strcmp(option->name, "help"))
            cli->wants_help = true;
        add_given(cli, option, "");
        return 0;
    }
    if (!equals && *at + 1 >= count)
        return refuse(cli, ENDS_MISUSED, "--%s needs a value: %s", option->name, option->value);
    add_given(cli, option, equals ? equals + 1 : words[++*at]);
    return 0;
}

/* The few short options, and what they stand for. */
static const char *const short_options[][2] = {
    {"-C", "directory"},
    {"-o", "output"   },
    {"-h", "help"     },
};

static int take_short(struct cli *cli, int count, char *const *words, int *at)
{
    for (size_t i = 0; i < COUNT_OF(short_options); i++) {
        const char *name = short_options[i][1];
        const struct option *option = known_option(cli, name, strlen(name));

        if (strcmp(words[*at], short_options[i][0]) || !option)
            continue;
        if (!option->value) {
            cli->wants_help = true;
            return 0;
        }
        if (*at + 1 >= count)
            return refuse(cli, ENDS_MISUSED, "%s needs a value: %s", words[*at], option->value);
        add_given(cli, option, words[++*at]);
        return 0;
    }
    return unknown_option(cli, words[*at]);
}

static const struct verb *find_verb(const struct group *group, const char *name)
{
    for (size_t i = 0; i < group->verb_count; i++)
        if (!strcmp(group->verbs[i].name, name))
            return &group->verbs[i];
    return NULL;
}

static int take_group(struct cli *cli, const char *word)
{
    for (size_t i = 0; i < group_count; i++)
        if (!strcmp(groups[i]->name, word)) {
            cli->group = groups[i];
            cli->verb = find_verb(cli->group, "");
            return 0;
        }
    refuse(cli, ENDS_MISUSED, "otactl has no verb \"%s\"", word);
    advise(cli, "otactl --help lists them");
    return -1;
}

static int take_word(struct cli *cli, const char *word)
{
    if (!cli->group && !strcmp(word, "help")) {
        cli->wants_help = true;
        return 0;
    }
    if (!cli->group)
        return take_group(cli, word);
    if (!cli->verb) {
        cli->verb = find_verb(cli->group, word);
        if (cli->verb)
            return 0;
        refuse(cli, ENDS_MISUSED, "otactl %s has no verb \"%s\"", cli->group->name, word);
        advise(cli, "otactl %s --help lists them", cli->group->name);
        return -1;
    }
    cli->operands[cli->operand_count++] = word;
    return 0;
}

/* "A B" demands two, "[A]" allows one, "A..." one or more. */
static void operand_limits(const char *operands, size_t *least, size_t *most)
{
    *least = *most = 0;
    for (const char *at = operands; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");

        *least += *at != '[';
        *most += 1;
        if (length > 3 && !strncmp(at + length - 3, "...", 3))
            *most = SIZE_MAX / 2;
    }
}

static int check_operands(struct cli *cli)
{
    size_t least, most;
    const char *verb = cli->verb->name;

    operand_limits(cli->verb->operands, &least, &most);
    if (cli->operand_count >= least && cli->operand_count <= most)
        return 0;
    refuse(cli, ENDS_MISUSED, "%s: otactl %s%s%s %s",
           cli->operand_count < least ? "something is missing" : "that is one word too many",
           cli->group->name, *verb ? " " : "", verb, cli->verb->operands);
    advise(cli, "otactl %s%s%s --help shows examples", cli->group->name, *verb ? " " : "", verb);
    return -1;
}

int arguments_read(struct cli *cli, int count, char *const *words)
{
    bool only_operands = false;

    cli->operands = calloc((size_t)count + 1, sizeof *cli->operands);
    cli->given = calloc((size_t)count + 1, sizeof *cli->given);
    if (!cli->operands || !cli->given)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    for (int i = 1; i < count; i++) {
        const char *word = words[i];

        if (!only_operands && !strcmp(word, "--"))
            only_operands = true;
        else if (only_operands || *word != '-' || !word[1]) {
            if (take_word(cli, word))
                return -1;
        } else if (text_starts_with(word, "--") ? take_long(cli, count, words, &i)
                                                : take_short(cli, count, words, &i))
            return -1;
    }
    if (!cli->verb)
        cli->wants_help = true;
    return cli->wants_help ? 0 : check_operands(cli);
}

void arguments_clear(struct cli *cli)
{
    free(cli->operands);
    free(cli->given);
    cli->operands = NULL;
    cli->given = NULL;
}

const char *operand(const struct cli *cli, size_t n)
{
    return n < cli->operand_count ? cli->operands[n] : NULL;
}

const char *option_at(const struct cli *cli, const char *name, size_t n)
{
    const struct option *option = known_option(cli, name, strlen(name));

    assert(option);
    for (size_t i = 0; i < cli->given_count; i++)
        if (cli->given[i].option == option && n-- == 0)
            return cli->given[i].value;
    return NULL;
}

const char *option(const struct cli *cli, const char *name)
{
    const char *last = NULL, *value;

    for (size_t n = 0; (value = option_at(cli, name, n)); n++)
        last = value;
    return last;
}

bool has_option(const struct cli *cli, const char *name)
{
    return option_at(cli, name, 0) != NULL;
}

int option_number(struct cli *cli, const char *name, int64_t least, int64_t most, int64_t otherwise,
                  int64_t *ret)
{
    const char *value = option(cli, name);
    int64_t number = otherwise;

    if (value && (!number_from_text(value, &number) || number < least || number > most))
        return refuse(cli, ENDS_MISUSED, "--%s takes a number from %lld to %lld", name,
                      (long long)least, (long long)most);
    *ret = number;
    return 0;
}

int option_needed(struct cli *cli, const char *name, const char **ret)
{
    const char *verb = cli->verb->name;

    *ret = option(cli, name);
    if (*ret)
        return 0;
    refuse(cli, ENDS_MISUSED, "--%s is missing", name);
    advise(cli, "otactl %s%s%s --help shows examples", cli->group->name, *verb ? " " : "", verb);
    return -1;
}
