/* SPDX-License-Identifier: Apache-2.0 */
/* otactl server …, otactl reload: the daemon itself. */
#include "cli/verbs.h"

#include "cli/http.h"
#include "cli/output.h"

static int server_status(struct cli *cli)
{
    json_auto_t *status = NULL;
    size_t i;
    json_t *warning;

    if (http_json(cli, "GET", "/server", NULL, &status))
        return -1;
    if (wants_json(cli))
        return print_json(status);
    json_auto_t *warnings = json_incref(json_object_get(status, "warnings"));
    json_object_del(status, "warnings");
    print_document(status);
    json_array_foreach(warnings, i, warning)
    {
        const char *text = json_string_value(warning);
        say("%swarning: %s\n", i ? "" : "\n", text ? text : member_text(warning, "text", "?"));
    }
    return 0;
}

static int reload(struct cli *cli)
{
    if (http_post(cli, "/server/reload", json_object(), NULL))
        return -1;
    if (!wants_json(cli))
        say("certificates, authorities and revocation lists are read anew\n");
    return 0;
}

/* clang-format off */
static const struct verb verbs[] = {
    {"status", "", "version, counts, trust and what to look after",
     "$ otactl server status\n",
     NO_OPTIONS, server_status},
};
static const struct verb reload_verbs[] = {
    {"", "", "read certificates, authorities and revocation lists anew",
     "As SIGHUP does; if one of them cannot be read, the old ones stay and the reason is told.\n"
     "No connection is dropped.\n"
     "\n"
     "$ otactl reload\n",
     NO_OPTIONS, reload},
};
/* clang-format on */

const struct group server_group = {"server", "the daemon itself", verbs, COUNT_OF(verbs)};
const struct group reload_group = {"reload",
                                   "read certificates, authorities and revocation lists anew",
                                   reload_verbs, COUNT_OF(reload_verbs)};
