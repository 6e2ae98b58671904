/* SPDX-License-Identifier: Apache-2.0 */
/* What decides beside campaigns: otactl channel, freeze, site, list and stop. Nearly every verb is
 * one request, so that tables say it all. */
#include "cli/verbs.h"

#include "cli/call.h"
#include "cli/files.h"
#include "cli/http.h"

#include <string.h>

#define LIST_MAX_BYTES (64 * MIB)

/* clang-format off */
static const struct setting reason_settings[] = {
    {{"reason", "TEXT", "why; it is kept in the audit log"}, "reason", text_value},
};

/* -- channels -- */

static const struct column channel_columns[] = {
    {"CHANNEL",  "id",       AS_TEXT  },
    {"POSITION", "position", AS_NUMBER},
    {"RULE",     "rule",     AS_TEXT  },
    {"NEXT",     "next",     AS_TEXT  },
    {"SINCE",    "created_at", AS_AGO },
};
static const struct column channel_fields[] = {
    {"Channel",              "id",                  AS_TEXT   },
    {"Position",             "position",            AS_NUMBER },
    {"Rule",                 "rule",                AS_TEXT   },
    {"Next",                 "next",                AS_TEXT   },
    {"Promotes by itself",   "promotion.auto",      AS_TEXT   },
    {"After confirmed",      "promotion.confirmed", AS_NUMBER },
    {"Share of them",        "promotion.share",     AS_SHARE  },
    {"Soak",                 "promotion.soak",      AS_SECONDS},
    {"Created",              "created_at",          AS_TIME   },
};
static const struct column baseline_columns[] = {
    {"PRODUCT",  "product",  AS_TEXT},
    {"RELEASE",  "release",  AS_TEXT},
    {"CAMPAIGN", "campaign", AS_TEXT},
    {"BY",       "set_by",   AS_TEXT},
    {"SINCE",    "set_at",   AS_AGO },
};

static const struct setting channel_settings[] = {
    {{"rule", "FILTER", "devices that are in it by themselves; '' for by hand only"},
     "rule", text_value},
    {{"position", "N", "where several rules match, the smallest position has the device"},
     "position", number_value},
    {{"next", "CHANNEL", "where its releases are promoted to"}, "next", text_value},
    {{"promotion", "FILE", "the terms as the server's JSON; - for standard input"},
     "promotion", file_value},
    {{"auto", NULL, "promote by itself when the terms are met"}, "promotion.auto", yes_value},
    {{"no-auto", NULL, "promote only by hand"}, "promotion.auto", no_value},
    {{"confirmed", "N", "term: so many devices confirmed it"}, "promotion.confirmed", number_value},
    {{"share", "SHARE", "term: such a share of those with an outcome did, e.g. 98%"},
     "promotion.share", share_value},
    {{"soak", "TIME", "term: for so long after its last wave, e.g. 48h"},
     "promotion.soak", seconds_value},
};

static const struct call channel_list = {GET("/channels"), SHOWS(channel_columns),
        .nothing = "No channels."},
    channel_create = {POST("/channels"), SETTINGS(channel_settings), .words = {{"id", text_value}},
        SHOWS(channel_fields)},
    channel_set = {PATCH("/channels/%s"), SETTINGS(channel_settings), SHOWS(channel_fields)},
    channel_delete = {DELETE("/channels/%s"), .said = "channel %s is gone"},
    channel_baseline = {PUT("/channels/%s/baselines/%s"), SETTINGS(reason_settings),
        .words = {{"release", text_value}}, .said = "the baseline of %s is set"},
    channel_unset = {DELETE("/channels/%s/baselines/%s"),
        .said = "%s has no baseline for it any more"},
    channel_promote = {POST("/channels/%s/promote"), SETTINGS(reason_settings),
        .words = {{"release", text_value}}};

/* clang-format on */

static int show_channel(struct cli *cli)
{
    CLEANUP(free_string) char *path = call_path(cli, "/channels/%s");
    json_auto_t *channel = NULL;

    if (http_json(cli, "GET", path, NULL, &channel))
        return -1;
    if (wants_json(cli))
        return print_json(channel);
    print_fields(channel, COLUMNS(channel_fields));
    say("\n");
    print_table(json_object_get(channel, "baselines"), COLUMNS(baseline_columns), "No baselines.");
    return 0;
}

/* clang-format off */
static const struct verb channel_verbs[] = {
    {"list", "", "channels in the order in which their rules are looked at",
     "$ otactl channel list\n",
     LIST_CALL(channel_list), call_run},
    {"show", "CHANNEL", "one channel and its baselines",
     "$ otactl channel show beta\n",
     NO_OPTIONS, show_channel},
    {"create", "CHANNEL", "a new channel",
     "A device is in the channel it was put into by hand, otherwise in the first by position\n"
     "whose rule matches.\n"
     "\n"
     "$ otactl channel create stable --position 90 --rule 'model = \"gw2\"'\n"
     "$ otactl channel create beta --position 10 --rule 'tag = \"beta\"' --next stable \\\n"
     "      --auto --confirmed 20 --share 98% --soak 48h\n",
     CALL(channel_create), call_run},
    {"set", "CHANNEL", "change its rule, position or terms",
     "$ otactl channel set beta --no-auto\n",
     CALL(channel_set), call_run},
    {"delete", "CHANNEL", "remove it",
     "$ otactl channel delete beta\n",
     CALL(channel_delete), call_run},
    {"baseline", "CHANNEL PRODUCT RELEASE",
     "what its devices have when no campaign wants otherwise",
     "Finished campaigns of the channel set it too.\n"
     "\n"
     "$ otactl channel baseline stable demo demo:1.0 --reason 'first delivery'\n",
     CALL(channel_baseline), call_run},
    {"unset", "CHANNEL PRODUCT", "take the baseline away; nothing is rolled back",
     "$ otactl channel unset stable demo\n",
     CALL(channel_unset), call_run},
    {"promote", "CHANNEL RELEASE", "a campaign of this release for the next channel, now",
     "$ otactl channel promote beta demo:1.1 --reason 'field test is over'\n",
     CALL(channel_promote), call_run},
};

/* -- freezes -- */

static const struct column freeze_columns[] = {
    {"FREEZE", "id",         AS_TEXT},
    {"FROM",   "from",       AS_TIME},
    {"UNTIL",  "until",      AS_TIME},
    {"TARGET", "target",     AS_TEXT},
    {"BY",     "created_by", AS_TEXT},
    {"REASON", "reason",     AS_TEXT},
};
static const struct column freeze_fields[] = {
    {"Freeze", "id", AS_TEXT}, {"From", "from", AS_TIME}, {"Until", "until", AS_TIME},
    {"Target", "target", AS_TEXT}, {"By", "created_by", AS_TEXT}, {"Reason", "reason", AS_TEXT},
};
static const struct setting freeze_settings[] = {
    {{"from", "TIME", "now, +2h, 2026-12-24, '2026-12-24 18:00' (UTC) or RFC 3339"},
     "from", moment_value},
    {{"until", "TIME", "written likewise"}, "until", moment_value},
    {{"reason", "TEXT", "what devices' explanations say"}, "reason", text_value},
    {{"target", "FILTER", "only these devices"}, "target", text_value},
};
static const struct setting past_settings[] = {
    {{"past", NULL, "those that are over too"}, "past", yes_value},
};
static const struct call freeze_list = {GET("/freezes"), SHOWS(freeze_columns),
        .nothing = "No freezes.", SETTINGS(past_settings)},
    freeze_create = {POST("/freezes"), SETTINGS(freeze_settings), .needs = "from until reason",
        SHOWS(freeze_fields)},
    freeze_delete = {DELETE("/freezes/%s"), .said = "freeze %s is over"};

static const struct verb freeze_verbs[] = {
    {"list", "", "those that are and those that come",
     "$ otactl freeze list\n",
     LIST_CALL(freeze_list), call_run},
    {"create", "", "no offers in a span of time; what is under way goes on",
     "Campaigns with --expedite pass it.\n"
     "\n"
     "$ otactl freeze create --from 2026-12-20 --until 2027-01-07 --reason 'year end'\n"
     "$ otactl freeze create --from now --until +4h --target 'site = \"oslo\"' --reason audit\n",
     CALL(freeze_create), call_run},
    {"delete", "FREEZE", "end it, or call it off",
     "$ otactl freeze delete f-3\n",
     CALL(freeze_delete), call_run},
};

/* -- sites -- */

static const struct column site_columns[] = {
    {"SITE",    "id",     AS_TEXT  },
    {"ZONE",    "zone",   AS_TEXT  },
    {"LEASES",  "leases", AS_NUMBER},
    {"BYTES/S", "bytes",  AS_BYTES },
};
static const struct setting site_settings[] = {
    {{"zone", "ZONE", "its clocks, for windows: Europe/Berlin"}, "zone", text_value},
    {{"leases", "N", "transfers at once"}, "leases", number_value},
    {{"bytes", "N", "bytes per second of them all: 2M"}, "bytes", bytes_value},
};
static const struct call site_list = {GET("/sites"), SHOWS(site_columns),
        .nothing = "Nothing is set for any site."},
    site_set = {PUT("/sites/%s"), SETTINGS(site_settings), .said = "site %s is set"},
    site_delete = {DELETE("/sites/%s"), .said = "site %s is as configured"};

static const struct verb site_verbs[] = {
    {"list", "", "places with a clock or limits of their own",
     "$ otactl site list\n",
     LIST_CALL(site_list), call_run},
    {"set", "SITE", "a place's clock and limits; what is not given is as configured",
     "$ otactl site set oslo --zone Europe/Oslo --leases 4 --bytes 2M\n",
     CALL(site_set), call_run},
    {"delete", "SITE", "forget them",
     "$ otactl site delete oslo\n",
     CALL(site_delete), call_run},
};

/* -- lists -- */

static const struct column list_columns[] = {
    {"LIST",    "id",         AS_TEXT  },
    {"NAME",    "name",       AS_TEXT  },
    {"DEVICES", "count",      AS_NUMBER},
    {"SHA-256", "sha256",     AS_SHORT },
    {"BY",      "created_by", AS_TEXT  },
    {"SINCE",   "created_at", AS_AGO   },
};
static const struct column list_fields[] = {
    {"List", "id", AS_TEXT}, {"Name", "name", AS_TEXT}, {"Devices", "count", AS_NUMBER},
    {"SHA-256", "sha256", AS_TEXT}, {"By", "created_by", AS_TEXT},
         {"Created", "created_at", AS_TIME},
};
static const struct option create_options[] = {
    {"name", "TEXT", "what people call it (default: the file's name)"},
};
static const struct call list_list = {GET("/lists"), SHOWS(list_columns), .nothing = "No lists."},
    list_show = {GET("/lists/%s"), SHOWS(list_fields)},
    list_delete = {DELETE("/lists/%s"), .said = "list %s is gone"};

/* clang-format on */

static int create_list(struct cli *cli)
{
    CLEANUP(text_clear) struct text content = {0}, path = {0};
    CLEANUP(answer_clear) struct answer answer = {.offset = -1};
    const char *file = operand(cli, 0), *name = option(cli, "name"), *slash = strrchr(file, '/');

    if (file_read(cli, file, LIST_MAX_BYTES, &content))
        return -1;
    text_append(&path, "/lists");
    http_query(&path, "name", name ? name : slash ? slash + 1 : file);
    const struct ask ask = {
        .method = "POST",
        .path = path.at,
        .type = "text/plain",
        .body = content.at,
        .length = content.length,
    };
    if (http_ask(cli, &ask, &answer))
        return -1;
    if (wants_json(cli))
        return print_json(answer.json);
    print_fields(answer.json, COLUMNS(list_fields));
    say("\nnext: otactl campaign create RELEASE --wave list=%s …\n",
        member_text(answer.json, "id", "?"));
    return 0;
}

/* clang-format off */
static const struct verb list_verbs[] = {
    {"list", "", "lists of devices",
     "$ otactl list list\n",
     LIST_CALL(list_list), call_run},
    {"create", "FILE", "devices named one by one, an id per line, for waves; it never changes",
     "FILE may be - for standard input.\n"
     "\n"
     "$ otactl list create pilots.txt --name pilots\n",
     OPTIONS(create_options), create_list},
    {"show", "LIST", "one of them",
     "$ otactl list show l-3\n",
     CALL(list_show), call_run},
    {"delete", "LIST", "remove one that no campaign uses",
     "$ otactl list delete l-3\n",
     CALL(list_delete), call_run},
};

/* -- the emergency stop -- */

static const struct option stop_options[] = {
    {"reason", "TEXT", "why; it is kept in the audit log"},
    {"lift", NULL, "let everything go on"},
    {"status", NULL, "only tell whether it is stopped; exit status 1 when it is"},
};
/* clang-format on */

static int stop_status(struct cli *cli)
{
    json_auto_t *halt = NULL;

    if (http_json(cli, "GET", "/emergency-stop", NULL, &halt))
        return -1;
    bool is_stopped = json_is_true(json_object_get(halt, "stopped"));
    if (wants_json(cli))
        print_json(halt);
    else if (!is_stopped)
        say("not stopped\n");
    if (!is_stopped)
        return 0;
    refuse(cli, ENDS_REFUSED, "stopped by %s at %s: %s", member_text(halt, "by", "?"),
           member_text(halt, "at", "?"), member_text(halt, "reason", ""));
    advise(cli, "to let everything go on: otactl stop --lift");
    return -1;
}

static int stop_all(struct cli *cli)
{
    const char *reason;
    json_auto_t *body = NULL, *halt = NULL;

    if (option_needed(cli, "reason", &reason))
        return -1;
    body = json_pack("{ss}", "reason", reason);
    if (!body)
        return refuse(cli, ENDS_MISUSED, "out of memory, or text that is not UTF-8");
    if (http_json(cli, "PUT", "/emergency-stop", body, &halt))
        return -1;
    if (wants_json(cli))
        return print_json(halt);
    say("stopped: nobody is offered or sent anything; running transfers are cut\n"
        "next: otactl stop --lift\n");
    return 0;
}

static int stop(struct cli *cli)
{
    if (has_option(cli, "status"))
        return stop_status(cli);
    if (!has_option(cli, "lift"))
        return stop_all(cli);
    if (http_json(cli, "DELETE", "/emergency-stop", NULL, NULL))
        return -1;
    if (!wants_json(cli))
        say("lifted: what was cut is offered again\n");
    return 0;
}

/* clang-format off */
static const struct verb stop_verbs[] = {
    {"", "", "the emergency stop: nothing for nobody, at once, until it is lifted",
     "Polls are answered with nothing, running transfers are cut. What was cut counts as nobody's\n"
     "failure, and is offered again after the stop is lifted.\n"
     "\n"
     "$ otactl stop --reason 'devices in the field do not boot'\n"
     "$ otactl stop --status\n"
     "$ otactl stop --lift\n",
     OPTIONS(stop_options), stop},
};
/* clang-format on */

const struct group channel_group = {"channel",
                                    "who follows what by default, and what goes on where",
                                    channel_verbs, COUNT_OF(channel_verbs)},
                   freeze_group = {"freeze", "times without offers", freeze_verbs,
                                   COUNT_OF(freeze_verbs)},
                   site_group = {"site", "clocks and limits of places", site_verbs,
                                 COUNT_OF(site_verbs)},
                   list_group = {"list", "devices named one by one, for waves", list_verbs,
                                 COUNT_OF(list_verbs)},
                   stop_group = {"stop", "the emergency stop", stop_verbs, COUNT_OF(stop_verbs)};
