/* SPDX-License-Identifier: Apache-2.0 */
/* The file goes through libinih one line at a time, by a reader of our own. That gives every
 * complaint its line number and closes two traps: libinih cuts a line at 200 bytes and reads the
 * rest as a line of its own, and it takes an indented line as the continuation of the one before.
 */
#include "core/config.h"

#include "core/network.h"
#include "core/text.h"

#include <errno.h>
#include <ini.h>
#include <libgen.h>
#include <stddef.h>
#include <string.h>

#define FILE_MAX_BYTES MIB
#define PRINT_COLUMNS 80
#define PATH_SHOWN_MAX 80

enum setting_type {
    SETTING_TEXT,
    SETTING_PATH,
    SETTING_NUMBER,
    SETTING_SECONDS,
    SETTING_BYTES,
    SETTING_BOOL,
    SETTING_WORDS,
    SETTING_NETWORKS
};

struct setting {
    const char *section;
    const char *key;
    enum setting_type type;
    size_t offset; /* of the member in struct config */
    const char *otherwise;
    int64_t least;
    int64_t most;
    const char *words; /* the allowed ones, separated by | */
    const char *help;
};

#define LIMITS_TEXT(least, most) 0, 0, NULL
#define LIMITS_PATH(least, most) 0, 0, NULL
#define LIMITS_NETWORKS(least, most) 0, 0, NULL
#define LIMITS_BOOL(least, most) 0, 0, NULL
#define LIMITS_NUMBER(least, most) least, most, NULL
#define LIMITS_SECONDS(least, most) least, most, NULL
#define LIMITS_BYTES(least, most) least, most, NULL
#define LIMITS_WORDS(least, most) 0, 0, least

static const struct setting settings[] = {
#define SETTING(section, key, type, otherwise, least, most, help)                                  \
    {#section,                                                                                     \
     #key,                                                                                         \
     SETTING_##type,                                                                               \
     offsetof(struct config, section##_##key),                                                     \
     otherwise,                                                                                    \
     LIMITS_##type(least, most),                                                                   \
     help},
#include "core/config.def"
#undef SETTING
};

/* What callers see as a struct config. All strings in it are ours. */
struct config_file {
    struct config config;
    char *folder; /* where relative paths start */
    char path[PATH_SHOWN_MAX + 1];
    unsigned lines[COUNT_OF(settings)]; /* where in the file each is set; 0: nowhere */
};

static void *member(struct config *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

static bool is_string(const struct setting *setting)
{
    return setting->type == SETTING_TEXT || setting->type == SETTING_PATH ||
           setting->type == SETTING_WORDS || setting->type == SETTING_NETWORKS;
}

static const struct setting *find_setting(const char *section, const char *key)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (!strcmp(settings[i].section, section) && !strcmp(settings[i].key, key))
            return &settings[i];
    return NULL;
}

/* -- one value -- */

static bool unit_factor(enum setting_type type, char unit, int64_t *ret)
{
    switch (unit) {
    case 's':
        *ret = 1;
        return type == SETTING_SECONDS;
    case 'm':
        *ret = 60;
        return type == SETTING_SECONDS;
    case 'h':
        *ret = 60 * 60;
        return type == SETTING_SECONDS;
    case 'd':
        *ret = 24 * 60 * 60;
        return type == SETTING_SECONDS;
    case 'K':
        *ret = KIB;
        return type == SETTING_BYTES;
    case 'M':
        *ret = MIB;
        return type == SETTING_BYTES;
    case 'G':
        *ret = 1024 * (int64_t)MIB;
        return type == SETTING_BYTES;
    default:
        return false;
    }
}

static bool parse_amount(enum setting_type type, const char *value, int64_t *ret)
{
    char digits[24];
    int64_t number, factor = 1;
    size_t length = strlen(value);

    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, value, length + 1);
    if (unit_factor(type, digits[length - 1], &factor))
        digits[length - 1] = '\0';
    return number_from_text(digits, &number) && !__builtin_mul_overflow(number, factor, ret);
}

static bool parse_bool(const char *value, bool *ret)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (!strcmp(value, words[i])) {
            *ret = i % 2;
            return true;
        }
    return false;
}

static bool is_one_of(const char *words, const char *value)
{
    size_t length = strlen(value);

    for (const char *word = words; word; word = strchr(word, '|') ? strchr(word, '|') + 1 : NULL)
        if (strcspn(word, "|") == length && !memcmp(word, value, length))
            return true;
    return false;
}

/* The text of a limit as one would write it in the file: 4194304 bytes are "4M". */
static void print_amount(const struct setting *setting, int64_t amount, char *ret, size_t size)
{
    static const char units[] = "GMKdhms";

    for (const char *unit = units; *unit; unit++) {
        int64_t factor;
        if (unit_factor(setting->type, *unit, &factor) && amount && amount % factor == 0) {
            snprintf(ret, size, "%lld%c", (long long)(amount / factor), *unit);
            return;
        }
    }
    snprintf(ret, size, "%lld", (long long)amount);
}

static int set_amount(struct config *config, const struct setting *setting, const char *value,
                      const char *where, struct error *err)
{
    static const char *const form[] = {
        [SETTING_NUMBER] = "a number",
        [SETTING_SECONDS] = "a time such as 90, 90s, 10m, 4h or 7d",
        [SETTING_BYTES] = "a size such as 65536, 64K, 16M or 4G",
    };
    int64_t amount;

    if (!parse_amount(setting->type, value, &amount))
        return fail_field(err, PROBLEM_BAD_FIELD, setting->key, "%s: \"%s\" is not %s", where,
                          value, form[setting->type]);
    if (amount < setting->least || amount > setting->most) {
        char least[24], most[24];
        print_amount(setting, setting->least, least, sizeof least);
        print_amount(setting, setting->most, most, sizeof most);
        return fail_field(err, PROBLEM_BAD_FIELD, setting->key, "%s: %s is not within %s to %s",
                          where, value, least, most);
    }
    *(int64_t *)member(config, setting) = amount;
    return 0;
}

static int set_string(struct config_file *file, const struct setting *setting, const char *value,
                      const char *where, struct error *err)
{
    CLEANUP(text_clear) struct text text = {0};
    const char **at = member(&file->config, setting);
    struct networks networks;
    struct error why;

    if (setting->type == SETTING_NETWORKS && networks_parse(value, &networks, &why))
        return fail_field(err, PROBLEM_BAD_FIELD, setting->key, "%s: %s", where, error_text(&why));
    if (setting->type == SETTING_WORDS && !is_one_of(setting->words, value))
        return fail_field(err, PROBLEM_BAD_FIELD, setting->key, "%s: \"%s\" is none of %s", where,
                          value, setting->words);
    if (setting->type == SETTING_PATH && *value && *value != '/')
        text_format(&text, "%s/", file->folder);
    text_append(&text, value);

    char *whole = text_take(&text);
    if (!whole)
        return fail_internal(err, "%s: out of memory", where);
    free((void *)(uintptr_t)*at);
    *at = whole;
    return 0;
}

/* `where` opens every complaint: "FILE:LINE: key", or "section.key". */
static int set(struct config_file *file, const struct setting *setting, const char *value,
               const char *where, struct error *err)
{
    switch (setting->type) {
    case SETTING_NUMBER:
    case SETTING_SECONDS:
    case SETTING_BYTES:
        return set_amount(&file->config, setting, value, where, err);
    case SETTING_BOOL:
        if (parse_bool(value, member(&file->config, setting)))
            return 0;
        return fail_field(err, PROBLEM_BAD_FIELD, setting->key, "%s: \"%s\" is neither yes nor no",
                          where, value);
    case SETTING_TEXT:
    case SETTING_PATH:
    case SETTING_WORDS:
    case SETTING_NETWORKS:
        break;
    }
    return set_string(file, setting, value, where, err);
}

/* -- a whole file -- */

struct reading {
    struct config_file *file;
    const char *path;
    const char *rest; /* what libinih has not asked for yet */
    unsigned line;    /* the one it was given last, from 1 */
    bool has_failed;
    struct error *err;
};

static void refuse_line(struct reading *reading, const char *reason)
{
    if (!reading->has_failed)
        fail(reading->err, PROBLEM_BAD_FIELD, "%s:%u: %s", reading->path, reading->line, reason);
    reading->has_failed = true;
}

/* libinih's way to ask for a line, modelled on fgets(). */
static char *next_line(char *ret, int room, void *arg)
{
    struct reading *reading = arg;
    size_t length = strcspn(reading->rest, "\n");

    if (reading->has_failed || !*reading->rest)
        return NULL;
    reading->line++;
    if (length + 2 > (size_t)room) {
        refuse_line(reading, "the line is too long");
        return NULL;
    }
    if (strchr(" \t\v\f", reading->rest[0]) && strspn(reading->rest, " \t\v\f\r") < length) {
        refuse_line(reading, "the line is indented; a setting starts in the first column");
        return NULL;
    }
    memcpy(ret, reading->rest, length);
    ret[length] = '\0';
    reading->rest += length + (reading->rest[length] == '\n');
    return ret;
}

static int take_setting(void *arg, const char *section, const char *key, const char *value)
{
    struct reading *reading = arg;
    const struct setting *setting = find_setting(section, key);
    char where[160];

    if (reading->has_failed)
        return 1;
    snprintf(where, sizeof where, "%s:%u: %s", reading->path, reading->line, key);
    reading->has_failed = true;
    if (!setting)
        fail_field(reading->err, PROBLEM_BAD_FIELD, key, "%s: there is no such setting in [%s]",
                   where, section);
    else if (reading->file->lines[setting - settings])
        fail_field(reading->err, PROBLEM_BAD_FIELD, key, "%s: it is set twice", where);
    else if (set(reading->file, setting, value, where, reading->err) == 0) {
        reading->file->lines[setting - settings] = reading->line;
        reading->has_failed = false;
    }
    return 1;
}

static int read_text(const char *path, char **ret, struct error *err)
{
    CLEANUP(close_file) FILE *in = fopen(path, "re");
    CLEANUP(free_string) char *bytes = malloc(FILE_MAX_BYTES + 1);

    if (!bytes)
        return fail_internal(err, "%s: out of memory", path);
    if (!in)
        return fail(err, PROBLEM_NOT_FOUND, "%s: %m", path);
    size_t length = fread(bytes, 1, FILE_MAX_BYTES + 1, in);
    if (ferror(in))
        return fail(err, PROBLEM_BAD_FIELD, "%s: %m", path);
    if (length > FILE_MAX_BYTES)
        return fail(err, PROBLEM_BAD_FIELD, "%s: larger than %d bytes", path, FILE_MAX_BYTES);
    if (memchr(bytes, '\0', length))
        return fail(err, PROBLEM_BAD_FIELD, "%s: not a text file", path);
    bytes[length] = '\0';
    *ret = MOVE(bytes);
    return 0;
}

/* Complaints are short by construction: of a long path the end says most. */
static const char *end_of_path(const char *path)
{
    size_t length = strlen(path);

    return length > PATH_SHOWN_MAX ? path + length - PATH_SHOWN_MAX : path;
}

static char *folder_of(const char *path)
{
    CLEANUP(free_string) char *copy = strdup(path);

    return copy ? strdup(dirname(copy)) : NULL;
}

int config_load(const char *path, struct config **ret, struct error *err)
{
    CLEANUP(config_free) struct config *config = NULL;
    CLEANUP(free_string) char *folder = folder_of(path);
    CLEANUP(free_string) char *text = NULL;

    if (!folder)
        return fail_internal(err, "%s: out of memory", path);
    if (read_text(path, &text, err) || config_defaults(folder, &config, err))
        return -1;

    path = end_of_path(path);
    struct reading reading = {
        .file = (struct config_file *)config, .path = path, .rest = text, .err = err};
    strcpy(reading.file->path, path);
    int failed = ini_parse_stream(next_line, &reading, take_setting, &reading);
    if (reading.has_failed)
        return -1;
    if (failed < 0)
        return fail_internal(err, "%s: out of memory", path);
    if (failed > 0)
        return fail(err, PROBLEM_BAD_FIELD, "%s:%d: neither [section] nor key = value", path,
                    failed);
    *ret = MOVE(config);
    return 0;
}

int config_defaults(const char *folder, struct config **ret, struct error *err)
{
    struct config_file *file = calloc(1, sizeof *file);
    CLEANUP(config_free) struct config *config = file ? &file->config : NULL;

    if (!file || !(file->folder = strdup(folder)))
        return fail_internal(err, "settings: out of memory");
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (set(file, &settings[i], settings[i].otherwise, settings[i].key, err))
            return -1;
    *ret = MOVE(config);
    return 0;
}

int config_set(struct config *config, const char *section, const char *key, const char *value,
               struct error *err)
{
    const struct setting *setting = find_setting(section, key);
    char where[96];

    snprintf(where, sizeof where, "%s.%s", section, key);
    if (!setting)
        return fail_field(err, PROBLEM_BAD_FIELD, key, "%s: there is no such setting", where);
    struct config_file *file = (struct config_file *)config;
    file->lines[setting - settings] = 0;
    return set(file, setting, value, where, err);
}

int config_refuse(const struct config *config, const char *section, const char *key,
                  const char *reason, struct error *err)
{
    const struct config_file *file = (const struct config_file *)config;
    const struct setting *setting = find_setting(section, key);
    unsigned line = setting ? file->lines[setting - settings] : 0;

    if (line)
        return fail_field(err, PROBLEM_BAD_FIELD, key, "%s:%u: %s: %s", file->path, line, key,
                          reason);
    return fail_field(err, PROBLEM_BAD_FIELD, key, "%s.%s: %s", section, key, reason);
}

void config_free(struct config **config)
{
    if (!*config)
        return;
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (is_string(&settings[i]))
            free(*(void **)member(*config, &settings[i]));
    free(((struct config_file *)*config)->folder);
    free(*config);
    *config = NULL;
}

/* -- the sample -- */

/* Comment lines of at most PRINT_COLUMNS columns. */
static void print_prose(FILE *out, const char *prose)
{
    size_t column = 0;

    while (*prose) {
        size_t length = strcspn(prose, " ");
        if (column && column + 1 + length > PRINT_COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        fputs(column ? " " : "# ", out);
        fwrite(prose, 1, length, out);
        column += (column ? 1 : 2) + length;
        prose += length + (prose[length] == ' ');
    }
    fputc('\n', out);
}

static void print_values(FILE *out, const struct setting *setting)
{
    char least[24], most[24];

    switch (setting->type) {
    case SETTING_NUMBER:
    case SETTING_SECONDS:
    case SETTING_BYTES:
        print_amount(setting, setting->least, least, sizeof least);
        print_amount(setting, setting->most, most, sizeof most);
        fprintf(out, "# %s to %s", least, most);
        break;
    case SETTING_BOOL:
        fputs("# yes or no", out);
        break;
    case SETTING_WORDS:
        fputs("# ", out);
        for (const char *c = setting->words; *c; c++)
            fputs(*c == '|' ? ", " : (char[]){*c, '\0'}, out);
        break;
    case SETTING_PATH:
        fputs("# path", out);
        break;
    case SETTING_TEXT:
        fputs("# text", out);
        break;
    case SETTING_NETWORKS:
        fputs("# networks", out);
        break;
    }
    fprintf(out, "; default: %s\n", *setting->otherwise ? setting->otherwise : "none");
}

void config_print(FILE *out)
{
    const char *section = "";

    print_prose(out,
                "Settings of otad(8). Each is shown with its default; remove the # to change "
                "one. Sizes take K, M and G, times s, m, h and d. A path that does not start "
                "with / starts at this file's folder. A setting starts in the first column and "
                "its line has fewer than 199 bytes; a blank and a ; begin a comment.");
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const struct setting *setting = &settings[i];
        if (strcmp(section, setting->section)) {
            section = setting->section;
            fprintf(out, "\n[%s]\n", section);
        } else {
            fputc('\n', out);
        }
        print_prose(out, setting->help);
        print_values(out, setting);
        fprintf(out, "#%s =%s%s\n", setting->key, *setting->otherwise ? " " : "",
                setting->otherwise);
    }
}
