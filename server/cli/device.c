/* SPDX-License-Identifier: Apache-2.0 */
/* otactl device …: who is in the fleet, and what became of it. Making certificates: issue.c. */
#include "cli/verbs.h"

#include "cli/campaign.h"
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
    {"Client",         "client.name",     AS_TEXT   },
    {"Its version",    "client.version",  AS_TEXT   },
    {"User-Agent",     "client.agent",    AS_TEXT   },
    {"Is told ahead",  "announce",        AS_TEXT   },
    {"Agrees to all",  "auto_confirm",    AS_TEXT   },
    {"Has a token",    "has_token",       AS_TEXT   },
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

static const struct column deployment_columns[] = {
    {"DEPLOYMENT", "id",       AS_TEXT  },
    {"CAMPAIGN",   "campaign", AS_TEXT  },
    {"RELEASE",    "release",  AS_TEXT  },
    {"STATE",      "state",    AS_TEXT  },
    {"ATTEMPT",    "attempt",  AS_NUMBER},
    {"CONSENT",    "consent",  AS_TEXT  },
    {"SINCE",      "state_at", AS_AGO   },
    {"CLASS",      "class",    AS_TEXT  },
    {"DETAIL",     "detail",   AS_TEXT  },
};

static const struct column deployment_fields[] = {
    {"Deployment",    "id",            AS_TEXT  },
    {"Campaign",      "campaign",      AS_TEXT  },
    {"Release",       "release",       AS_TEXT  },
    {"State",         "state",         AS_TEXT  },
    {"Since",         "state_at",      AS_TIME  },
    {"To be stopped", "is_cancelling", AS_TEXT  },
    {"Consent",       "consent",       AS_TEXT  },
    {"Attempt",       "attempt",       AS_NUMBER},
    {"Class",         "class",         AS_TEXT  },
    {"Detail",        "detail",        AS_TEXT  },
    {"Offered",       "offered_at",    AS_TIME  },
    {"Tried again",   "retry_at",      AS_TIME  },
    {"Sent",          "bytes_served",  AS_BYTES },
    {"Whole fetches", "fetches",       AS_NUMBER},
    {"Held until",    "held_until",    AS_TIME  },
};

/* A DDI client tells execution and finished, a native one its status. */
static const struct column report_columns[] = {
    {"AT",        "at",             AS_TIME  },
    {"ATTEMPT",   "attempt",        AS_NUMBER},
    {"STATUS",    "told.status",    AS_TEXT  },
    {"EXECUTION", "told.execution", AS_TEXT  },
    {"FINISHED",  "told.finished",  AS_TEXT  },
    {"CODE",      "told.code",      AS_TEXT  },
    {"DETAILS",   "told.details",   AS_LIST  },
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
        say("\n");
        print_fields(deployment, COLUMNS(deployment_fields));
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

static const struct {
    const char *verb, *done;
} moves[] = {
    {"approve",  "is active"                                          },
    {"activate", "is active"                                          },
    {"suspend",  "is suspended: it gets nothing until it is activated"},
    {"revoke",   "is revoked, for good"                               },
    {"retire",   "is retired"                                         },
};

static const char *done_by(const char *verb)
{
    size_t i = 0;

    while (i + 1 < COUNT_OF(moves) && strcmp(moves[i].verb, verb) != 0)
        i++;
    return moves[i].done;
}

/* Several devices in a row; the first refusal stops it, and what was done before is said. */
static int device_move(struct cli *cli)
{
    const char *reason = cli->verb->option_count ? option(cli, "reason") : NULL;

    for (size_t i = 0; i < cli->operand_count; i++) {
        CLEANUP(free_string)
        char *path = http_path("/devices/%s/%s", operand(cli, i), cli->verb->name);

        if (http_post(cli, path, json_pack("{ss*}", "reason", reason), NULL))
            return -1;
        if (!wants_json(cli))
            say("%s %s\n", operand(cli, i), done_by(cli->verb->name));
    }
    return 0;
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

static int device_tag(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/devices/%s", operand(cli, 0));
    json_auto_t *device = NULL, *patch = NULL, *changed = NULL;

    if (http_json(cli, "GET", path, NULL, &device))
        return -1;
    patch = json_pack("{so}", "tags", changed_tags(cli, json_object_get(device, "tags")));
    if (!patch)
        return refuse(cli, ENDS_MISUSED, "out of memory, or text that is not UTF-8");
    if (http_json(cli, "PATCH", path, patch, &changed))
        return -1;
    if (wants_json(cli))
        return print_json(changed);
    print_fields(changed, COLUMNS(show_columns));
    return 0;
}

/* -- what is typed -- */

static json_t *announce_value(struct cli *cli, const char *text)
{
    return !strcmp(text, "auto") ? json_null() : switch_value(cli, text);
}

/* As in a campaign's plan, but each kind is a member of the pin itself. */
static json_t *pin_window_value(struct cli *cli, const char *text)
{
    json_auto_t *windows = window_value(cli, text);
    json_t *members = windows ? json_object() : NULL, *list;
    const char *kind;

    json_object_foreach(windows, kind, list)
    {
        char member[32];

        snprintf(member, sizeof member, "%s_windows", kind);
        json_object_set(members, member, list);
    }
    return members;
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
    {{"install", "WORD", "forced (default), optional, or prestage: downloaded only"},
     "install", text_value},
    {{"force-at", "TIME", "an optional installation is forced from then on"},
     "force_at", moment_value},
    {{"risk", "TEXT", "told to the person at the device"}, "risk", text_value},
    {{"consent", NULL, "the person at the device must agree before it fetches"},
     "consent", yes_value},
    {{"window", "WINDOW", "'install mon-fri 22:00 6h' or 'download 01:00 4h'; repeatable"},
     "", pin_window_value},
    {{"zone", "ZONE", "of the windows, unless its own or its site's: Europe/Berlin"},
     "zone", text_value},
    {{"transfer-rate", "N", "bytes per second: 500k"}, "caps.transfer_rate", bytes_value},
};
#define HOLD_SETTINGS 2 /* of them are a hold's too */
static const struct setting join_settings[] = {
    {{"until", "TIME", "until then: 2026-12-24, +7d (default: for good)"}, "until", moment_value},
};
static const struct setting cancel_settings[] = {
    {{"reason", "TEXT", "why; it is kept in the audit log"}, "reason", text_value},
    {{"force", NULL, "it is over at once, whatever the device says"}, "force", yes_value},
};
static const struct setting consent_settings[] = {
    {{"deny", NULL, "do not agree; it is offered on"}, "given", no_value},
    {{"reason", "TEXT", "who agreed, and how; kept in the audit log"}, "reason", text_value},
};
static const struct setting set_settings[] = {
    {{"model", "MODEL", "what it is sold as"}, "model", text_value},
    {{"hardware", "HARDWARE", "what a release must name in --hardware to fit"},
     "hardware", text_value},
    {{"site", "SITE", "where it stands"}, "site", text_value},
    {{"zone", "ZONE", "its clock, for windows: Europe/Berlin"}, "zone", text_value},
    {{"announce", "WORD", "yes: it can fetch now and install later; no; auto: as its client can"},
     "announce", announce_value},
    {{"auto-confirm", "WORD", "yes: it agrees to whatever asks for its consent; or no"},
     "auto_confirm", switch_value},
    {{"ask-attributes", NULL, "at its next poll it is asked for its attributes again"},
     "ask_attributes", yes_value},
};
static const struct call list_call = {GET("/devices"), SHOWS(list_columns),
        .nothing = "No such devices.", SETTINGS(list_settings)},
    count_call = {GET("/devices:count"), SETTINGS(count_settings)},
    timeline_call = {GET("/devices/%s/timeline"), SHOWS(timeline_columns),
        .nothing = "Nothing happened yet.", .cursor = "before"},
    pins_call = {GET("/pins"), SHOWS(pin_columns), .nothing = "No device is pinned."},
    pin_call = {PUT("/devices/%s/pin"), SETTINGS(pin_settings), .words = {{"release", text_value}},
        .needs = "reason", .said = "%s is pinned: it gets that release whatever campaigns say"},
    hold_call = {PUT("/devices/%s/pin"), .settings = pin_settings, .setting_count = HOLD_SETTINGS,
        .body = "{\"release\":null}", .needs = "reason",
        .said = "%s is held: it gets nothing"},
    unpin_call = {DELETE("/devices/%s/pin"), .said = "%s follows campaigns and its channel again"},
    join_call = {PUT("/devices/%s/channel"), SETTINGS(join_settings),
        .words = {{"channel", text_value}}, .said = "%s is in the channel by hand"},
    deployments_call = {GET("/devices/%s/deployments"), SHOWS(deployment_columns),
        .nothing = "Nothing was deployed to it yet."},
    reports_call = {GET("/devices/%s/deployments/%s/reports"), SHOWS(report_columns),
        .nothing = "It has not said anything yet."},
    cancel_call = {POST("/devices/%s/deployments/%s/cancel"), SETTINGS(cancel_settings),
        .needs = "reason", SHOWS(deployment_fields)},
    consent_call = {POST("/devices/%s/deployments/%s/consent"), SETTINGS(consent_settings),
        .body = "{\"given\":true}", SHOWS(deployment_fields)},
    set_call = {PATCH("/devices/%s"), SETTINGS(set_settings), SHOWS(show_columns)},
    leave_call = {DELETE("/devices/%s/channel"), .said = "%s is in the channel whose rule matches"};
/* clang-format on */
static const struct option token_options[] = {
    {"token",  "TEXT", "this one, of 16 to 128 characters, instead of a random one"},
    {"delete", NULL,   "take it away instead; running transfers are cut"           },
    {"output", "FILE", "write the token there, readable by you alone (also -o)"    },
};
static const struct option revoke_options[] = {
    {"reason", "TEXT", "why; it is kept in the audit log"},
};
static const struct option tag_options[] = {
    {"remove", NULL, "take the tags away instead of adding them"},
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
     NO_OPTIONS, device_move},
    {"suspend", "ID...", "give it nothing until it is activated again",
     "$ otactl device suspend dev-7\n",
     NO_OPTIONS, device_move},
    {"activate", "ID...", "let a registered or suspended device work",
     "$ otactl device activate dev-7\n",
     NO_OPTIONS, device_move},
    {"revoke", "ID...", "shut a device out for good; running transfers are cut",
     "$ otactl device revoke dev-7 --reason 'stolen in Oslo'\n",
     OPTIONS(revoke_options), device_move},
    {"retire", "ID...", "take a device out of service in good standing",
     "$ otactl device retire dev-7\n",
     NO_OPTIONS, device_move},
    {"token", "ID", "a new secret for a device that shows no certificate; the old one ends",
     "Devices send it as Authorization: TargetToken; see device-authentication set.\n"
     "\n"
     "$ otactl device token dev-1 --output dev-1.token\n"
     "$ otactl device token dev-1 --delete\n",
     OPTIONS(token_options), device_token},
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
     "At once, unless its options say otherwise.\n"
     "\n"
     "$ otactl device pin dev-1 demo:1.0 --reason 'ticket 4711' --until +14d\n"
     "$ otactl device pin dev-1 demo:1.0 --reason 'ticket 4711' --consent \\\n"
     "      --install optional --force-at +7d --window 'install sat,sun 22:00 6h'\n",
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
    {"deployments", "ID", "what was deployed to it, newest first",
     "$ otactl device deployments dev-1\n",
     LIST_CALL(deployments_call), call_run},
    {"reports", "ID DEPLOYMENT", "what the device said of it, in its own words, newest first",
     "$ otactl device reports dev-1 d-17\n",
     LIST_CALL(reports_call), call_run},
    {"cancel", "ID DEPLOYMENT", "ask the device to stop; a pin that brought it goes too",
     "The device may have gone too far to stop. With --force it is over for the server at once,\n"
     "and running transfers of it are cut.\n"
     "\n"
     "$ otactl device cancel dev-1 d-17 --reason 'wrong release'\n",
     CALL(cancel_call), call_run},
    {"consent", "ID DEPLOYMENT", "agree in the place of the person at the device",
     "$ otactl device consent dev-1 d-17 --reason 'agreed by phone'\n"
     "$ otactl device consent dev-1 d-17 --deny\n",
     CALL(consent_call), call_run},
    {"set", "ID", "change what operators say of it",
     "$ otactl device set dev-1 --site oslo\n"
     "$ otactl device set dev-1 --announce auto --auto-confirm yes\n",
     CALL(set_call), call_run},
};
/* clang-format on */

const struct group device_group = {"device", "certificates, states and stories of devices", verbs,
                                   COUNT_OF(verbs)};
