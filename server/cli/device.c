/* SPDX-License-Identifier: Apache-2.0 */
/* otactl device …: who is in the fleet, and what became of it. Making certificates: issue.c. */
#include "cli/verbs.h"

#include "cli/call.h"
#include "cli/files.h"
#include "cli/http.h"

#include <string.h>

#define IMPORT_MAX_BYTES (64 * MIB)

static const struct column list_columns[] = {
    {"ID",      "id",      AS_TEXT},
    {"STATE",   "state",   AS_TEXT},
    {"MODEL",   "model",   AS_TEXT},
    {"VERSION", "version", AS_TEXT},
    {"SITE",    "site",    AS_TEXT},
    {"SEEN",    "seen_at", AS_AGO },
    {"TAGS",    "tags",    AS_LIST},
};

static const struct column show_columns[] = {
    {"Device",         "id",              AS_TEXT   },
    {"State",          "state",           AS_TEXT   },
    {"Model",          "model",           AS_TEXT   },
    {"Hardware",       "hardware",        AS_TEXT   },
    {"Site",           "site",            AS_TEXT   },
    {"Zone",           "zone",            AS_TEXT   },
    {"Channel",        "channel.channel", AS_TEXT   },
    {"Until",          "channel.until",   AS_TIME   },
    {"Pinned to",      "pin.release",     AS_TEXT   },
    {"Because",        "pin.reason",      AS_TEXT   },
    {"Until",          "pin.expires_at",  AS_TIME   },
    {"Tags",           "tags",            AS_LIST   },
    {"Version",        "version",         AS_TEXT   },
    {"Security floor", "floor",           AS_NUMBER },
    {"Boot",           "boot_id",         AS_TEXT   },
    {"Up for",         "uptime",          AS_SECONDS},
    {"Seen",           "seen_at",         AS_TIME   },
    {"From",           "address",         AS_TEXT   },
    {"Client",         "client",          AS_TEXT   },
    {"Created",        "created_at",      AS_TIME   },
};

static const struct column certificate_columns[] = {
    {"CERTIFICATE", "fingerprint", AS_SHORT},
    {"STATE",       "state",       AS_TEXT },
    {"SUBJECT",     "subject",     AS_TEXT },
    {"ENDS",        "not_after",   AS_TIME },
};

static const struct column component_columns[] = {
    {"COMPONENT", "component",        AS_TEXT  },
    {"VERSION",   "version",          AS_TEXT  },
    {"COUNTER",   "release_counter",  AS_NUMBER},
    {"SECURITY",  "security_version", AS_NUMBER},
    {"SLOT",      "slot",             AS_TEXT  },
};

static const struct column pin_columns[] = {
    {"DEVICE",  "device",     AS_TEXT},
    {"RELEASE", "release",    AS_TEXT},
    {"UNTIL",   "expires_at", AS_TIME},
    {"BY",      "created_by", AS_TEXT},
    {"SINCE",   "created_at", AS_AGO },
    {"REASON",  "reason",     AS_TEXT},
};

static const struct column timeline_columns[] = {
    {"AT",       "at",       AS_TIME},
    {"WHAT",     "kind",     AS_TEXT},
    {"FROM",     "from",     AS_TEXT},
    {"TO",       "to",       AS_TEXT},
    {"BY",       "cause",    AS_TEXT},
    {"CAMPAIGN", "campaign", AS_TEXT},
    {"DETAIL",   "detail",   AS_TEXT},
};

static void print_table_if_any(const json_t *items, const struct column *columns, size_t count)
{
    if (!json_array_size(items))
        return;
    say("\n");
    print_table(items, columns, count, "");
}

static int device_show(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/devices/%s", operand(cli, 0));
    json_auto_t *device = NULL;

    if (http_json(cli, "GET", path, NULL, &device))
        return -1;
    if (wants_json(cli))
        return print_json(device);
    json_t *pin = json_object_get(device, "pin");
    if (json_is_object(pin) && !member_text(pin, "release", NULL))
        json_object_set_new(pin, "release", json_string("nothing: it is held"));
    print_fields(device, COLUMNS(show_columns));
    print_table_if_any(json_object_get(device, "certificates"), COLUMNS(certificate_columns));
    print_table_if_any(json_object_get(device, "components"), COLUMNS(component_columns));
    json_t *attributes = json_object_get(device, "attributes");
    if (json_object_size(attributes)) {
        say("\nAttributes\n");
        print_document(attributes);
    }
    json_t *deployment = json_object_get(device, "deployment");
    if (json_object_size(deployment)) {
        say("\nDeployment\n");
        print_document(deployment);
    }
    return 0;
}

static const struct column explain_columns[] = {
    {"Answer",   "answer.text",     AS_TEXT  },
    {"Code",     "answer.code",     AS_TEXT  },
    {"Step",     "answer.step",     AS_NUMBER},
    {"Campaign", "answer.campaign", AS_TEXT  },
    {"Release",  "answer.release",  AS_TEXT  },
    {"Until",    "until",           AS_TIME  },
};

static const struct column step_columns[] = {
    {"STEP",     "step",     AS_NUMBER},
    {"CODE",     "code",     AS_TEXT  },
    {"CAMPAIGN", "campaign", AS_TEXT  },
    {"RELEASE",  "release",  AS_TEXT  },
    {"WHY",      "text",     AS_TEXT  },
};

static int device_explain(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/devices/%s/explain", operand(cli, 0));
    json_auto_t *answer = NULL;

    if (http_json(cli, "GET", path, NULL, &answer))
        return -1;
    if (wants_json(cli))
        return print_json(answer);
    print_fields(answer, COLUMNS(explain_columns));
    print_table_if_any(json_object_get(answer, "steps"), COLUMNS(step_columns));
    json_t *deployment = json_object_get(answer, "deployment");
    if (json_object_size(deployment)) {
        say("\nDeployment\n");
        print_document(deployment);
    }
    return 0;
}

/* Several devices in a row; the first refusal stops it, and what was done before is said. */
static int each_device(struct cli *cli, const char *pattern, const char *done)
{
    const char *reason = cli->verb->option_count ? option(cli, "reason") : NULL;

    for (size_t i = 0; i < cli->operand_count; i++) {
        struct text path = {0};
        text_append(&path, "/devices/");
        text_url_segment(&path, operand(cli, i));
        text_append(&path, pattern);
        CLEANUP(free_string) char *address = text_take(&path);
        if (http_post(cli, address, json_pack("{ss*}", "reason", reason), NULL))
            return -1;
        if (!wants_json(cli))
            say("%s %s\n", operand(cli, i), done);
    }
    return 0;
}

static int device_approve(struct cli *cli)
{
    return each_device(cli, "/approve", "is active");
}

static int device_activate(struct cli *cli)
{
    return each_device(cli, "/activate", "is active");
}

static int device_suspend(struct cli *cli)
{
    return each_device(cli, "/suspend", "is suspended: it gets nothing until it is activated");
}

static int device_revoke(struct cli *cli)
{
    return each_device(cli, "/revoke", "is revoked, for good");
}

static int device_retire(struct cli *cli)
{
    return each_device(cli, "/retire", "is retired");
}

static int device_import(struct cli *cli)
{
    CLEANUP(text_clear) struct text content = {0};
    CLEANUP(answer_clear) struct answer answer = {.offset = -1};

    if (file_read(cli, operand(cli, 0), IMPORT_MAX_BYTES, &content))
        return -1;
    bool is_json = content.length > 0 && strchr("[{", content.at[strspn(content.at, " \t\r\n")]);
    struct ask ask = {
        .method = "POST",
        .path = "/devices:import",
        .type = is_json ? "application/json" : "text/csv",
        .body = content.at,
        .length = content.length,
    };
    if (http_ask(cli, &ask, &answer))
        return -1;
    if (wants_json(cli))
        return print_json(answer.json);
    say("%lld devices are new, %lld were changed\n",
        (long long)member_number(answer.json, "created"),
        (long long)member_number(answer.json, "updated"));
    return 0;
}

static bool is_named(const struct cli *cli, const char *tag)
{
    for (size_t n = 1; n < cli->operand_count; n++)
        if (!strcmp(operand(cli, n), tag))
            return true;
    return false;
}

/* The tags it has without those named, which then are put at the end unless they are to go. */
static json_t *changed_tags(const struct cli *cli, const json_t *old)
{
    json_t *tags = json_array(), *tag;
    size_t i;

    json_array_foreach(old, i, tag)
    {
        if (!is_named(cli, json_string_value(tag)))
            json_array_append(tags, tag);
    }
    for (size_t n = 1; n < cli->operand_count && !has_option(cli, "remove"); n++)
        json_array_append_new(tags, json_string(operand(cli, n)));
    return tags;
}

static int patch_device(struct cli *cli, const char *path, json_t *body)
{
    json_auto_t *patch = body, *changed = NULL;

    if (!patch)
        return refuse(cli, ENDS_MISUSED, "out of memory, or text that is not UTF-8");
    if (http_json(cli, "PATCH", path, patch, NULL) || http_json(cli, "GET", path, NULL, &changed))
        return -1;
    if (wants_json(cli))
        return print_json(changed);
    print_fields(changed, COLUMNS(show_columns));
    return 0;
}

static int device_tag(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/devices/%s", operand(cli, 0));
    json_auto_t *device = NULL;

    if (http_json(cli, "GET", path, NULL, &device))
        return -1;
    json_t *tags = changed_tags(cli, json_object_get(device, "tags"));
    return patch_device(cli, path, json_pack("{so}", "tags", tags));
}

static int device_set(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/devices/%s", operand(cli, 0));
    const char *model = option(cli, "model"), *hardware = option(cli, "hardware"),
               *site = option(cli, "site"), *zone = option(cli, "zone");

    if (!model && !hardware && !site && !zone)
        return refuse(cli, ENDS_MISUSED, "say what to set: --model, --hardware, --site or --zone");
    return patch_device(cli, path,
                        json_pack("{ss* ss* ss* ss*}", "model", model, "hardware", hardware, "site",
                                  site, "zone", zone));
}

/* -- the verbs -- */

static const struct option issue_options[] = {
    {"out",      "FOLDER",   "where the files go; made if it is not there"                       },
    {"model",    "MODEL",    "what it is sold as"                                                },
    {"hardware", "HARDWARE", "what a release must name in --hardware to fit (default: the model)"},
    {"site",     "SITE",     "where it stands"                                                   },
    {"tags",     "TAG,TAG",  "words to find it by"                                               },
    {"days",     "N",        "how long the certificate lives (default 365)"                      },
    {"renew",    NULL,       "the device is known: only give it one more certificate"            },
    {"count",    "N",        "make N devices, named PREFIX and a number"                         },
    {"prefix",   "PREFIX",   "with --count (default dev-)"                                       },
    {"first",    "N",        "with --count: the first number (default 1)"                        },
    {"jobs",     "N",        "with --count: threads that make keys (default: one per processor)" },
};
/* clang-format off */
static const struct setting list_settings[] = {
    {{"state", "STATE", "only registered, pending, active, suspended, revoked, retired or lost"},
     "state", text_value},
    {{"model", "MODEL", "only this model"}, "model", text_value},
    {{"version", "VERSION", "only devices that run this version"}, "version", text_value},
    {{"tag", "TAG", "only devices with this tag"}, "tag", text_value},
    {{"filter", "FILTER", "only devices a campaign with this target would reach"},
     "filter", text_value},
};
static const struct setting count_settings[] = {
    {{"filter", "FILTER", "only devices a campaign with this target would reach"},
     "filter", text_value},
};
static const struct setting pin_settings[] = {
    {{"reason", "TEXT", "why; its explanation says so"}, "reason", text_value},
    {{"until", "TIME", "until then: 2026-12-24, +7d (default: for good)"},
     "expires_at", moment_value},
};
static const struct setting join_settings[] = {
    {{"until", "TIME", "until then: 2026-12-24, +7d (default: for good)"}, "until", moment_value},
};
static const struct call list_call = {GET("/devices"), SHOWS(list_columns),
        .nothing = "No such devices.", SETTINGS(list_settings)},
    count_call = {GET("/devices:count"), SETTINGS(count_settings)},
    timeline_call = {GET("/devices/%s/timeline"), SHOWS(timeline_columns),
        .nothing = "Nothing happened yet.", .cursor = "before"},
    pins_call = {GET("/pins"), SHOWS(pin_columns), .nothing = "No device is pinned."},
    pin_call = {PUT("/devices/%s/pin"), SETTINGS(pin_settings), .words = {{"release", text_value}},
        .needs = "reason", .said = "%s is pinned: it gets that release whatever campaigns say"},
    hold_call = {PUT("/devices/%s/pin"), SETTINGS(pin_settings), .body = "{\"release\":null}",
        .needs = "reason", .said = "%s is held: it gets nothing"},
    unpin_call = {DELETE("/devices/%s/pin"), .said = "%s follows campaigns and its channel again"},
    join_call = {PUT("/devices/%s/channel"), SETTINGS(join_settings),
        .words = {{"channel", text_value}}, .said = "%s is in the channel by hand"},
    leave_call = {DELETE("/devices/%s/channel"), .said = "%s is in the channel whose rule matches"};
/* clang-format on */
static const struct option revoke_options[] = {
    {"reason", "TEXT", "why; it is kept in the audit log"},
};
static const struct option tag_options[] = {
    {"remove", NULL, "take the tags away instead of adding them"},
};
static const struct option set_options[] = {
    {"model",    "MODEL",    "what it is sold as"                           },
    {"hardware", "HARDWARE", "what a release must name in --hardware to fit"},
    {"site",     "SITE",     "where it stands"                              },
    {"zone",     "ZONE",     "its clock, for windows: Europe/Berlin"        },
};

/* clang-format off */
static const struct verb verbs[] = {
    {"issue", "[ID]", "make a certificate from the laboratory's authority and register its device",
     "Makes OUT/device.crt, OUT/device.key and OUT/server-ca.crt, and leaves the device\n"
     "registered and active. With --count it makes many at once, each in OUT/<id>/, with\n"
     "one request; these become active at first contact.\n"
     "\n"
     "Production devices bring certificates of their own authority; see device import.\n"
     "\n"
     "$ otactl -C lab device issue dev-1 --model gw2 --out dev-1\n"
     "$ otactl -C lab device issue --count 50 --prefix dev- --model gw2 --out fleet\n",
     OPTIONS(issue_options), device_issue},
    {"list", "", "the fleet, or a part of it",
     "$ otactl device list --state pending\n"
     "$ otactl device list --filter 'model = \"gw2\" and site = \"berlin\"'\n",
     LIST_CALL(list_call), call_run},
    {"count", "", "how many there are, by version and model",
     "$ otactl device count --filter 'model = \"gw2\" and not version = \"2.0\"'\n",
     CALL(count_call), call_run},
    {"show", "ID", "everything known of one device",
     "$ otactl device show dev-1\n",
     NO_OPTIONS, device_show},
    {"timeline", "ID", "what happened to a device, newest first",
     "$ otactl device timeline dev-1 --limit 20\n",
     LIST_CALL(timeline_call), call_run},
    {"explain", "ID", "why a device is, or is not, offered an update",
     "Asks the function that decides at each poll, and prints its reasons.\n"
     "\n"
     "$ otactl device explain dev-1\n",
     NO_OPTIONS, device_explain},
    {"approve", "ID...", "let a pending device in",
     "$ otactl device list --state pending\n"
     "$ otactl device approve dev-7 dev-8\n",
     NO_OPTIONS, device_approve},
    {"suspend", "ID...", "give it nothing until it is activated again",
     "$ otactl device suspend dev-7\n",
     NO_OPTIONS, device_suspend},
    {"activate", "ID...", "let a registered or suspended device work",
     "$ otactl device activate dev-7\n",
     NO_OPTIONS, device_activate},
    {"revoke", "ID...", "shut a device out for good; running transfers are cut",
     "$ otactl device revoke dev-7 --reason 'stolen in Oslo'\n",
     OPTIONS(revoke_options), device_revoke},
    {"retire", "ID...", "take a device out of service in good standing",
     "$ otactl device retire dev-7\n",
     NO_OPTIONS, device_retire},
    {"import", "FILE", "register many devices from CSV or JSON, all or none",
     "The first line of a CSV file names its columns:\n"
     "\n"
     "  id,model,hardware,site,tags,fingerprint,not_after\n"
     "\n"
     "tags are separated by semicolons; fingerprint is the SHA-256 of the device's certificate in\n"
     "DER, as 64 hex digits. FILE may be - for standard input.\n"
     "\n"
     "$ otactl device import fleet.csv\n",
     NO_OPTIONS, device_import},
    {"tag", "ID TAG...", "add tags to a device, or take them away",
     "$ otactl device tag dev-1 canary berlin\n"
     "$ otactl device tag dev-1 canary --remove\n",
     OPTIONS(tag_options), device_tag},
    {"pin", "ID RELEASE", "give it this release, whatever campaigns say",
     "$ otactl device pin dev-1 demo:1.0 --reason 'ticket 4711' --until +14d\n",
     CALL(pin_call), call_run},
    {"hold", "ID", "give it nothing at all",
     "$ otactl device hold dev-1 --reason 'is being measured'\n",
     CALL(hold_call), call_run},
    {"unpin", "ID", "end its pin or hold",
     "$ otactl device unpin dev-1\n",
     CALL(unpin_call), call_run},
    {"pins", "", "which devices are pinned or held",
     "$ otactl device pins\n",
     LIST_CALL(pins_call), call_run},
    {"join", "ID CHANNEL", "put it into a channel by hand",
     "$ otactl device join dev-1 beta --until +30d\n",
     CALL(join_call), call_run},
    {"leave", "ID", "back to the channel whose rule matches",
     "$ otactl device leave dev-1\n",
     CALL(leave_call), call_run},
    {"set", "ID", "change model, hardware, site or zone",
     "$ otactl device set dev-1 --site oslo\n",
     OPTIONS(set_options), device_set},
};
/* clang-format on */

const struct group device_group = {"device", "certificates, states and stories of devices", verbs,
                                   COUNT_OF(verbs)};
