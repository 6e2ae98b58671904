/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon on port 0 writes the ports it got to a file; where `ports` names one that exists, its
 * operator port takes the place of the one in `url`. */
#include "cli/settings.h"

#include "core/json.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define SYSTEM_FOLDER "/etc/otad"

static const struct {
    const char *key;
    size_t offset;
    bool is_path;
} known_settings[] = {
    {"url",         offsetof(struct settings, url),         false},
    {"ca",          offsetof(struct settings, ca),          true },
    {"certificate", offsetof(struct settings, certificate), true },
    {"key",         offsetof(struct settings, key),         true },
    {"token_file",  offsetof(struct settings, token_file),  true },
    {"keys",        offsetof(struct settings, keys),        true },
    {"pki",         offsetof(struct settings, pki),         true },
};

struct reading {
    struct cli *cli;
    struct settings *settings;
    char *ports;
    bool has_failed;
};

char *path_in(const char *folder, const char *name)
{
    struct text path = {0};

    if (*name != '/' && strcmp(folder, "."))
        text_format(&path, "%s/", folder);
    text_append(&path, name);
    return text_take(&path);
}

static int keep(struct reading *reading, char **member, char *value)
{
    if (*member || !value) {
        reading->has_failed = true;
        free(value);
        return refuse(reading->cli, ENDS_MISUSED, "%s: a key stands there twice",
                      reading->settings->file);
    }
    *member = value;
    return 0;
}

/* Called by libinih, which takes 0 as failure. */
static int take_setting(void *context, const char *section, const char *key, const char *value)
{
    struct reading *reading = context;
    struct settings *settings = reading->settings;

    if (!*section && !strcmp(key, "ports"))
        return !keep(reading, &reading->ports, path_in(settings->folder, value));
    for (size_t i = 0; !*section && i < COUNT_OF(known_settings); i++)
        if (!strcmp(known_settings[i].key, key)) {
            char **member = (char **)((char *)settings + known_settings[i].offset);
            return !keep(reading, member,
                         known_settings[i].is_path ? path_in(settings->folder, value)
                                                   : strdup(value));
        }
    reading->has_failed = true;
    refuse(reading->cli, ENDS_MISUSED, "%s: there is no setting \"%s%s%s\"", settings->file,
           section, *section ? "." : "", key);
    advise(reading->cli,
           "otactl.conf knows: url, ca, certificate, key, token_file, ports, keys, pki");
    return 0;
}

static int use_port(struct settings *settings, int64_t port)
{
    const char *host = strstr(settings->url, "://");
    size_t length;
    struct text url = {0};

    if (!host)
        return 0;
    host += 3;
    length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    text_append_bytes(&url, settings->url, (size_t)(host - settings->url) + length);
    text_format(&url, ":%lld", (long long)port);
    free(settings->url);
    settings->url = text_take(&url);
    return settings->url ? 0 : -1;
}

/* A missing or unreadable file only means that the port in `url` stands. */
static int use_ports_file(struct settings *settings, const char *path)
{
    json_auto_t *ports = path ? json_load_file(path, 0, NULL) : NULL;
    json_int_t port = json_integer_value(json_object_get(ports, "operator"));

    return port > 0 && port < 65536 ? use_port(settings, port) : 0;
}

static int check_settings(struct cli *cli, const struct settings *settings)
{
    if (!settings->url || !text_starts_with(settings->url, "https://"))
        return refuse(cli, ENDS_MISUSED, "%s: url = https://HOST:PORT is missing", settings->file);
    for (size_t end = strlen(settings->url); settings->url[end - 1] == '/';)
        settings->url[--end] = '\0';
    if (!settings->ca)
        return refuse(cli, ENDS_MISUSED,
                      "%s: ca = FILE is missing: the authority that vouches for "
                      "the server",
                      settings->file);
    if (!settings->certificate != !settings->key)
        return refuse(cli, ENDS_MISUSED, "%s: certificate and key go together", settings->file);
    return 0;
}

static int read_settings(struct cli *cli, struct settings *settings)
{
    struct reading reading = {.cli = cli, .settings = settings};
    int failed = ini_parse(settings->file, take_setting, &reading);
    CLEANUP(free_string) char *ports = reading.ports;

    if (reading.has_failed)
        return -1;
    if (failed < 0)
        return refuse(cli, ENDS_MISUSED, "%s: %s", settings->file, strerror(errno));
    if (failed > 0)
        return refuse(cli, ENDS_MISUSED, "%s:%d: this is not key = value", settings->file, failed);
    if (check_settings(cli, settings))
        return -1;
    if (use_ports_file(settings, ports))
        return refuse(cli, ENDS_MISUSED, "out of memory");
    return 0;
}

/* The folder to look in: the one asked for, or the first usual one that has an otactl.conf. */
static char *find_folder(struct cli *cli)
{
    const char *asked = option(cli, "directory"), *home = getenv("HOME");
    CLEANUP(free_string) char *own = home ? path_in(home, ".config/otactl") : NULL;
    CLEANUP(free_string) char *own_file = own ? path_in(own, "otactl.conf") : NULL;

    if (!asked)
        asked = getenv("OTACTL_DIR");
    if (asked && *asked)
        return strdup(asked);
    if (own_file && !access(own_file, R_OK))
        return MOVE(own);
    return strdup(SYSTEM_FOLDER);
}

int settings_need(struct cli *cli, const struct settings **ret)
{
    CLEANUP(settings_free) struct settings *settings = calloc(1, sizeof *settings);

    if (cli->settings) {
        *ret = cli->settings;
        return 0;
    }
    if (!settings || !(settings->folder = find_folder(cli)) ||
        !(settings->file = path_in(settings->folder, "otactl.conf")))
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (access(settings->file, R_OK)) {
        refuse(cli, ENDS_MISUSED, "%s: %s", settings->file, strerror(errno));
        advise(cli, "say which installation: otactl -C DIR …, or set OTACTL_DIR");
        advise(cli, "a new one is made with: otactl init DIR");
        return -1;
    }
    if (read_settings(cli, settings))
        return -1;
    *ret = cli->settings = MOVE(settings);
    return 0;
}

void settings_free(struct settings **settings)
{
    if (!*settings)
        return;
    free((*settings)->file);
    free((*settings)->folder);
    for (size_t i = 0; i < COUNT_OF(known_settings); i++)
        free(*(char **)((char *)*settings + known_settings[i].offset));
    free(*settings);
    *settings = NULL;
}
