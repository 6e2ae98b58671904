/* SPDX-License-Identifier: Apache-2.0 */
/* otactl fleet …: what runs where. */
#include "cli/verbs.h"

#include "cli/http.h"
#include "cli/output.h"

static const struct column version_columns[] = {
    {"MODEL",   "model",   AS_TEXT  },
    {"VERSION", "version", AS_TEXT  },
    {"DEVICES", "count",   AS_NUMBER},
};

static int fleet_versions(struct cli *cli)
{
    json_auto_t *answer = NULL;

    if (http_json(cli, "GET", "/fleet/versions", NULL, &answer))
        return -1;
    if (wants_json(cli))
        return print_json(answer);
    print_table(json_object_get(answer, "items"), COLUMNS(version_columns), "No devices yet.");
    say("\n%lld devices, %lld of them seen in the last 24 hours\n",
        (long long)member_number(answer, "total"), (long long)member_number(answer, "seen_24h"));
    return 0;
}

/* clang-format off */
static const struct verb verbs[] = {
    {"versions", "", "how many devices of each model run which version",
     "$ otactl fleet versions\n",
     NO_OPTIONS, fleet_versions},
};
/* clang-format on */

const struct group fleet_group = {"fleet", "what runs where", verbs, COUNT_OF(verbs)};
