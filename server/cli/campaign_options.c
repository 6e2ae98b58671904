/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a new campaign: short spellings on the command line for what people change often;
 * --from takes the server's own JSON for the rest, and options override it. */
#include "cli/campaign.h"

#include "cli/files.h"
#include "core/json.h"

#include <string.h>

#define DESCRIPTION_MAX_BYTES MIB

const struct option campaign_options[CAMPAIGN_OPTION_COUNT] = {
    {"target",         "FILTER", "which devices, e.g. 'model = \"gw2\" and tag = \"canary\"'"    },
    {"name",           "TEXT",   "what people call it"                                           },
    {"preset",         "WORD",   "careful (default), fast, or all-now"                           },
    {"wave",           "WAVE",   "5 (devices) or 20% (of them), then its settings; repeatable"   },
    {"pause",          "LIMITS", "pause at, e.g. share=2%,failures=2,sample=50"                  },
    {"abort",          "LIMITS", "abort at, e.g. share=5%,failures=3,sample=20"                  },
    {"confirm-after",  "TIME",   "how long the new version must run to count: 10m, 30s"          },
    {"stale-after",    "TIME",   "devices silent for this long are left out of the counts"       },
    {"verify-timeout", "TIME",   "silence after installing that counts as a loss"                },
    {"offer-ttl",      "TIME",   "an offer nobody takes up is withdrawn after this"              },
    {"attempts",       "N",      "tries per device"                                              },
    {"rate",           "N",      "bytes per second of one transfer"                              },
    {"priority",       "N",      "where two campaigns want a device, the higher wins (default 0)"},
    {"reason",         "TEXT",   "why; it is kept in the audit log"                              },
    {"from",           "FILE",   "settings as the server's JSON; - for standard input"           },
    {"start",          NULL,     "start it at once"                                              },
};

/* "80%" is 0.8; "0.8" is too. */
static json_t *share_value(const char *text)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || number < 0)
        return NULL;
    if (!strcmp(end, "%"))
        return json_real(number / 100);
    return *end ? NULL : json_real(number);
}

static json_t *number_value(const char *text)
{
    int64_t number;

    return number_from_text(text, &number) ? json_integer(number) : NULL;
}

static json_t *percent_value(const char *text)
{
    char *end;
    double number = strtod(text, &end);

    return end == text || *end || number < 0 ? NULL : json_real(number);
}

/* Seconds as a number; with a unit ("10m") as text, which the server reads. */
static json_t *time_value(const char *text)
{
    json_t *number = number_value(text);

    return number ? number : json_string(text);
}

struct setting {
    const char *name, *member;
    json_t *(*value)(const char *text);
};

static const struct setting wave_settings[] = {
    {"soak",      "soak",          time_value  },
    {"coverage",  "coverage",      share_value },
    {"confirmed", "min_confirmed", number_value},
    {"gate",      "gate",          json_string },
};
static const struct setting limit_settings[] = {
    {"share",    "share",    share_value },
    {"failures", "failures", number_value},
    {"sample",   "sample",   number_value},
};
static const struct setting plain_settings[] = {
    {"target",         "target",         json_string },
    {"name",           "name",           json_string },
    {"preset",         "preset",         json_string },
    {"confirm-after",  "confirm_after",  time_value  },
    {"stale-after",    "stale_after",    time_value  },
    {"verify-timeout", "verify_timeout", time_value  },
    {"offer-ttl",      "offer_ttl",      time_value  },
    {"attempts",       "attempts",       number_value},
    {"priority",       "priority",       number_value},
    {"reason",         "reason",         json_string },
    {"rate",           "rate",           number_value},
};

static int put(struct cli *cli, json_t *object, const struct setting *setting, const char *text)
{
    json_t *value = setting->value(text);

    if (!value)
        return refuse(cli, ENDS_MISUSED, "%s cannot be \"%s\"", setting->name, text);
    json_object_set_new(object, setting->member, value);
    return 0;
}

/* "soak=1h,coverage=80%" */
static int put_list(struct cli *cli, json_t *object, const struct setting *settings, size_t count,
                    const char *list)
{
    CLEANUP(free_string) char *copy = strdup(list);
    char *rest = NULL;

    for (char *pair = copy ? strtok_r(copy, ",", &rest) : NULL; pair;
         pair = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(pair, '=');
        size_t i = 0;

        if (equals)
            *equals = '\0';
        while (i < count && strcmp(settings[i].name, pair))
            i++;
        if (i == count || !equals)
            return refuse(cli, ENDS_MISUSED, "\"%s\" is not understood in \"%s\"", pair, list);
        if (put(cli, object, &settings[i], equals + 1))
            return -1;
    }
    return 0;
}

static int put_wave(struct cli *cli, json_t *waves, const char *text)
{
    char amount[24];
    size_t length = strcspn(text, ":");
    json_t *wave = json_object();
    static const struct setting count = {"a wave", "count", number_value};
    static const struct setting percent = {"a wave", "percent", percent_value};

    json_array_append_new(waves, wave);
    snprintf(amount, sizeof amount, "%.*s", (int)length, text);
    bool is_percent = length > 0 && length < sizeof amount && amount[length - 1] == '%';
    if (is_percent)
        amount[length - 1] = '\0';
    if (put(cli, wave, is_percent ? &percent : &count, amount)) {
        advise(cli,
               "a wave is a number of devices or a percentage: --wave 5 --wave 20%% --wave 100%%");
        return -1;
    }
    return text[length]
               ? put_list(cli, wave, wave_settings, COUNT_OF(wave_settings), text + length + 1)
               : 0;
}

static int put_waves(struct cli *cli, json_t *body)
{
    json_auto_t *waves = json_array();
    const char *text;

    for (size_t n = 0; (text = option_at(cli, "wave", n)); n++)
        if (put_wave(cli, waves, text))
            return -1;
    if (json_array_size(waves))
        json_object_set(body, "waves", waves);
    return 0;
}

static int put_limits(struct cli *cli, json_t *body, const char *name)
{
    json_auto_t *limits = json_object();

    if (!has_option(cli, name))
        return 0;
    if (put_list(cli, limits, limit_settings, COUNT_OF(limit_settings), option(cli, name)))
        return -1;
    json_object_set(body, name, limits);
    return 0;
}

static int read_description(struct cli *cli, const char *path, json_t **ret)
{
    CLEANUP(text_clear) struct text content = {0};
    struct error err = {0};

    if (file_read(cli, path, DESCRIPTION_MAX_BYTES, &content))
        return -1;
    if (json_read(content.at ? content.at : "", content.length, ret, &err))
        return refuse(cli, ENDS_MISUSED, "%s: %s", path, error_text(&err));
    return json_is_object(*ret) ? 0 : refuse(cli, ENDS_MISUSED, "%s holds no JSON object", path);
}

int campaign_describe(struct cli *cli, json_t **ret)
{
    const char *from = option(cli, "from");
    json_auto_t *body = NULL;

    if (from ? read_description(cli, from, &body) : !(body = json_object()))
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (operand(cli, 0))
        json_object_set_new(body, "release", json_string(operand(cli, 0)));
    for (size_t i = 0; i < COUNT_OF(plain_settings); i++)
        if (has_option(cli, plain_settings[i].name) &&
            put(cli, body, &plain_settings[i], option(cli, plain_settings[i].name)))
            return -1;
    if (put_waves(cli, body) || put_limits(cli, body, "pause") || put_limits(cli, body, "abort"))
        return -1;
    if (has_option(cli, "start"))
        json_object_set_new(body, "start", json_true());
    if (!json_object_get(body, "release") || !json_object_get(body, "target")) {
        refuse(cli, ENDS_MISUSED, "a campaign needs a release and a target");
        advise(cli, "otactl campaign create demo:1.0 --target 'model = \"gw2\"'");
        return -1;
    }
    *ret = MOVE(body);
    return 0;
}
