/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/client.h"

#include "core/cleanup.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *const names[CLIENT_COUNT] = {
    [CLIENT_UNKNOWN] = "",
    [CLIENT_SWUPDATE] = "SWUpdate",
    [CLIENT_RAUC_HAWKBIT] = "rauc-hawkbit-updater",
    [CLIENT_RAUC] = "RAUC",
    [CLIENT_ZEPHYR] = "Zephyr",
    [CLIENT_HARA] = "hara-ddiclient",
    [CLIENT_HAWKBIT_RS] = "hawkbit-rs",
    [CLIENT_CURL] = "curl",
    [CLIENT_OTAD] = "otad",
};

/* How User-Agents begin. Where `tells_version`, the program's own version follows behind a slash;
 * elsewhere what follows is a constant, or of the library it is built on. */
static const struct {
    const char *start;
    enum client client;
    bool tells_version;
} agents[] = {
    {"libcurl-agent/1.0",    CLIENT_SWUPDATE,     false}, /* the same in all releases so far */
    {"SWUpdate",             CLIENT_SWUPDATE,     true },
    {"rauc-hawkbit-c-agent", CLIENT_RAUC_HAWKBIT, false}, /* likewise */
    {"rauc-hawkbit-updater", CLIENT_RAUC_HAWKBIT, true },
    {"rauc/",                CLIENT_RAUC,         true },
    {"Zephyr",               CLIENT_ZEPHYR,       true }, /* it sends none unless told to */
    {"hara",                 CLIENT_HARA,         true },
    {"okhttp/",              CLIENT_HARA,         false},
    {"hawkbit-rs",           CLIENT_HAWKBIT_RS,   true },
    {"reqwest/",             CLIENT_HAWKBIT_RS,   false},
    {"curl/",                CLIENT_CURL,         true },
    {"otad-",                CLIENT_OTAD,         true },
};

/* COUNT_OF(agents): none of them. */
static size_t find_agent(const char *user_agent)
{
    size_t i = 0;

    if (!user_agent)
        return COUNT_OF(agents);
    while (i < COUNT_OF(agents) &&
           strncasecmp(user_agent, agents[i].start, strlen(agents[i].start)) != 0)
        i++;
    return i;
}

enum client client_from_agent(const char *user_agent)
{
    size_t i = find_agent(user_agent);

    return i < COUNT_OF(agents) ? agents[i].client : CLIENT_UNKNOWN;
}

enum client client_from_facts(const char *user_agent, bool tells_vin)
{
    if (tells_vin && (!user_agent || !user_agent[0]))
        return CLIENT_ZEPHYR;
    return client_from_agent(user_agent);
}

const char *client_name(enum client client)
{
    return names[client];
}

bool client_announces(enum client client)
{
    return client == CLIENT_RAUC_HAWKBIT || client == CLIENT_HARA;
}

static bool may_be_version(char c)
{
    return isalnum((unsigned char)c) || (c && strchr(".+_~-", c));
}

void client_version(const char *user_agent, char ret[CLIENT_VERSION_SIZE])
{
    size_t i = find_agent(user_agent), length = 0;
    const char *slash = i < COUNT_OF(agents) ? strchr(user_agent, '/') : NULL;

    if (slash && agents[i].tells_version)
        for (; length < CLIENT_VERSION_SIZE - 1 && may_be_version(slash[1 + length]); length++)
            ret[length] = slash[1 + length];
    ret[length] = '\0';
}

static const struct {
    const char *code, *sentence;
} warnings[CLIENT_WARNING_COUNT] = {
    [CLIENT_TAKES_ONE_ARTIFACT] = {"one_artifact",
                                   "Their client takes releases of exactly one artifact and "
                                   "reports any other as failed."                                       },
    [CLIENT_NEEDS_SWU] = {"no_swu",       "SWUpdate fails where a component has no *.swu file."},
    [CLIENT_NEEDS_RAUCB] = {"no_raucb",     "RAUC takes *.raucb files only, and there is none."  },
    [CLIENT_DECODES_NOTHING] = {"encoded",      "Their client cannot decrypt the release's files."   },
    [CLIENT_DOES_NOT_WAIT] = {"no_prestage",
                                   "Their client cannot fetch without installing: what waits for a "
                              "window is offered when it opens, what is only to be fetched is "
                              "taken as it may be."                                                     },
};

bool client_warns(enum client client, enum client_warning warning,
                  const struct client_release *release)
{
    bool is_known = client != CLIENT_UNKNOWN && client != CLIENT_OTAD && client != CLIENT_CURL;

    switch (warning) {
    case CLIENT_TAKES_ONE_ARTIFACT:
        return release->artifacts > 1 && (client == CLIENT_RAUC_HAWKBIT || client == CLIENT_ZEPHYR);
    case CLIENT_NEEDS_SWU:
        return !release->has_swu && client == CLIENT_SWUPDATE;
    case CLIENT_NEEDS_RAUCB:
        return !release->has_raucb && (client == CLIENT_RAUC_HAWKBIT || client == CLIENT_RAUC);
    case CLIENT_DECODES_NOTHING:
        return release->is_encoded && is_known;
    case CLIENT_DOES_NOT_WAIT:
        return release->is_prestaged && is_known && !client_announces(client);
    }
    return false;
}

const char *client_warning_code(enum client_warning warning)
{
    return warnings[warning].code;
}

const char *client_warning_sentence(enum client_warning warning)
{
    return warnings[warning].sentence;
}
