/* SPDX-License-Identifier: Apache-2.0 */
/* otactl campaign …: bringing a release to devices in waves, and stopping that. */
#include "cli/campaign.h"

#include "cli/http.h"
#include "cli/output.h"
#include "cli/verbs.h"

#include <string.h>

static const struct column list_columns[] = {
    {"CAMPAIGN",  "id",               AS_TEXT  },
    {"NAME",      "name",             AS_TEXT  },
    {"RELEASE",   "release",          AS_TEXT  },
    {"STATE",     "state",            AS_TEXT  },
    {"CONFIRMED", "counts.confirmed", AS_NUMBER},
    {"FAILED",    "counts.failed",    AS_NUMBER},
    {"STARTED",   "started_at",       AS_AGO   },
};

static const struct column show_columns[] = {
    {"Campaign", "id",           AS_TEXT },
    {"Name",     "name",         AS_TEXT },
    {"Release",  "release",      AS_TEXT },
    {"Target",   "target",       AS_TEXT },
    {"State",    "state",        AS_TEXT },
    {"Reason",   "state_reason", AS_TEXT },
    {"Created",  "created_at",   AS_TIME },
    {"Started",  "started_at",   AS_TIME },
    {"Sent",     "bytes_served", AS_BYTES},
};

static const struct column wave_columns[] = {
    {"WAVE",      "position",    AS_NUMBER},
    {"KIND",      "kind",        AS_TEXT  },
    {"AMOUNT",    "amount",      AS_NUMBER},
    {"STATE",     "state",       AS_TEXT  },
    {"MEMBERS",   "members",     AS_NUMBER},
    {"ACTIVE",    "active",      AS_NUMBER},
    {"CONFIRMED", "confirmed",   AS_NUMBER},
    {"FAILED",    "failed",      AS_NUMBER},
    {"AT MOST",   "upper_bound", AS_SHARE }, /* of all devices would fail, by what was seen */
    {"OPENED",    "opened_at",   AS_AGO   },
    {"GATE",      "gate_text",   AS_TEXT  },
};

static const struct column deployment_columns[] = {
    {"DEVICE",  "device",       AS_TEXT  },
    {"STATE",   "state",        AS_TEXT  },
    {"WAVE",    "wave",         AS_NUMBER},
    {"ATTEMPT", "attempt",      AS_NUMBER},
    {"SENT",    "bytes_served", AS_BYTES },
    {"SINCE",   "state_at",     AS_AGO   },
    {"CLASS",   "class",        AS_TEXT  },
    {"DETAIL",  "detail",       AS_TEXT  },
};

static const struct column event_columns[] = {
    {"AT",     "at",     AS_TIME},
    {"WHAT",   "kind",   AS_TEXT},
    {"DEVICE", "device", AS_TEXT},
    {"FROM",   "from",   AS_TEXT},
    {"TO",     "to",     AS_TEXT},
    {"BY",     "cause",  AS_TEXT},
    {"DETAIL", "detail", AS_TEXT},
};

/* -- looking -- */

static int campaign_list(struct cli *cli)
{
    static const struct listing listing = {COLUMNS(list_columns), "No campaigns.", "after"};
    struct text path = {0};

    text_append(&path, "/campaigns");
    http_query(&path, "state", option(cli, "state"));
    CLEANUP(free_string) char *address = text_take(&path);
    return print_list(cli, address, &listing);
}

static void print_campaign(const json_t *campaign)
{
    print_fields(campaign, COLUMNS(show_columns));
    json_t *counts = json_object_get(campaign, "counts");
    if (json_object_size(counts)) {
        say("\nDevices\n");
        print_document(counts);
    }
    say("\n");
    print_table(json_object_get(campaign, "waves"), COLUMNS(wave_columns), "No waves.");
}

static int campaign_show(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/campaigns/%s", operand(cli, 0));
    json_auto_t *campaign = NULL;

    if (http_json(cli, "GET", path, NULL, &campaign))
        return -1;
    if (wants_json(cli))
        return print_json(campaign);
    print_campaign(campaign);
    return 0;
}

static int campaign_deployments(struct cli *cli)
{
    static const struct listing listing = {COLUMNS(deployment_columns),
                                           "No device was offered this yet.", "after"};
    struct text path = {0};

    text_append(&path, "/campaigns/");
    text_url_segment(&path, operand(cli, 0));
    text_append(&path, "/deployments");
    http_query(&path, "state", option(cli, "state"));
    CLEANUP(free_string) char *address = text_take(&path);
    return print_list(cli, address, &listing);
}

static int campaign_events(struct cli *cli)
{
    static const struct listing listing = {COLUMNS(event_columns), "Nothing happened yet.",
                                           "after"};
    CLEANUP(free_string) char *path = http_path("/campaigns/%s/events", operand(cli, 0));

    return print_list(cli, path, &listing);
}

/* -- making -- */

static int campaign_preview(struct cli *cli)
{
    json_auto_t *body = NULL, *plan = NULL;

    if (campaign_describe(cli, &body) || http_json(cli, "POST", "/campaigns:preview", body, &plan))
        return -1;
    if (wants_json(cli))
        return print_json(plan);
    print_document(plan);
    return 0;
}

static int campaign_create(struct cli *cli)
{
    json_auto_t *body = NULL, *campaign = NULL;

    if (campaign_describe(cli, &body) || http_json(cli, "POST", "/campaigns", body, &campaign))
        return -1;
    if (wants_json(cli))
        return print_json(campaign);
    const char *id = member_text(campaign, "id", "?");
    print_campaign(campaign);
    say("\nNext: otactl campaign %s %s\n", has_option(cli, "start") ? "watch" : "start", id);
    return 0;
}

/* -- moving -- */

static int move(struct cli *cli, const char *verb)
{
    struct text path = {0};
    json_auto_t *campaign = NULL;
    json_t *body = json_pack("{ss*}", "reason", option(cli, "reason"));

    text_append(&path, "/campaigns/");
    text_url_segment(&path, operand(cli, 0));
    text_format(&path, "/%s", verb);
    CLEANUP(free_string) char *address = text_take(&path);
    if (body && !strcmp(verb, "resume")) {
        int64_t failures;
        if (option_number(cli, "accept-failures", 0, INT32_MAX, -1, &failures)) {
            json_decref(body);
            return -1;
        }
        if (has_option(cli, "ack"))
            json_object_set_new(body, "ack", json_true());
        if (failures >= 0)
            json_object_set_new(body, "accept_failures", json_integer(failures));
    }
    if (http_post(cli, address, body, &campaign))
        return -1;
    if (wants_json(cli))
        return print_json(campaign);
    say("%s is %s\n", operand(cli, 0), member_text(campaign, "state", "changed"));
    return 0;
}

static int campaign_start(struct cli *cli)
{
    return move(cli, "start");
}

static int campaign_pause(struct cli *cli)
{
    return move(cli, "pause");
}

static int campaign_resume(struct cli *cli)
{
    if (!move(cli, "resume"))
        return 0;
    if (was_refused_for(cli, "wrong-state"))
        advise(cli, "what it is paused for is in: otactl campaign show %s", operand(cli, 0));
    return -1;
}

static int campaign_abort(struct cli *cli)
{
    return move(cli, "abort");
}

static int campaign_cancel(struct cli *cli)
{
    return move(cli, "cancel");
}

/* -- the verbs -- */

static const struct option list_options[] = {
    {"state", "STATE", "only draft, running, paused, finished, aborted, cancelled"},
    LIST_OPTIONS,
};
static const struct option deployment_options[] = {
    {"state", "STATE", "only devices in this state, e.g. failed"},
    LIST_OPTIONS,
};
static const struct option page_options[] = {LIST_OPTIONS};
static const struct option watch_options[] = {
    {"interval", "SECONDS", "how often to look (default 2)"},
};
static const struct option move_options[] = {
    {"reason", "TEXT", "why; it is kept in the audit log"},
};
static const struct option resume_options[] = {
    {"reason",          "TEXT", "why; it is kept in the audit log"                            },
    {"ack",             NULL,   "you know what it was paused for"                             },
    {"accept-failures", "N",    "go on although so many failed: only what comes on top counts"},
};

/* clang-format off */
static const struct verb verbs[] = {
    {"create", "[RELEASE]", "a new campaign; nothing is offered before it is started",
     "Without --wave the preset decides: careful begins with five devices and waits for\n"
     "evidence. Waves follow each other in the order given. Behind a colon stand a wave's\n"
     "settings: soak=1h (how long to wait once it is covered), coverage=80% (of its devices\n"
     "must have an outcome), confirmed=5 (at least so many must confirm), gate=manual (an\n"
     "operator lets the next one begin).\n"
     "\n"
     "$ otactl campaign create demo:1.0 --target 'model = \"gw2\"'\n"
     "$ otactl campaign create demo:1.1 --target 'model = \"gw2\" and not tag = \"museum\"' \\\n"
     "      --wave 5:soak=1h --wave 10%:soak=12h,gate=manual --wave 100% \\\n"
     "      --pause share=2%,failures=2,sample=50 --start\n"
     "$ otactl campaign create --from campaign.json\n",
     campaign_options, CAMPAIGN_OPTION_COUNT, campaign_create},
    {"preview", "[RELEASE]", "what create would do, without doing it",
     "$ otactl campaign preview demo:1.0 --target 'model = \"gw2\"'\n",
     campaign_options, CAMPAIGN_OPTION_COUNT, campaign_preview},
    {"list", "", "campaigns and how far they are",
     "$ otactl campaign list --state running\n",
     OPTIONS(list_options), campaign_list},
    {"show", "CAMPAIGN", "one campaign, wave by wave",
     "$ otactl campaign show c-1\n",
     NO_OPTIONS, campaign_show},
    {"watch", "CAMPAIGN", "follow it until it is over",
     "Bars: # confirmed, = under way, x failed, . still to come. Elsewhere than on a terminal\n"
     "each change is one line. Exit status 1 when it ends otherwise than finished.\n"
     "\n"
     "$ otactl campaign watch c-1\n",
     OPTIONS(watch_options), campaign_watch},
    {"deployments", "CAMPAIGN", "its devices, one by one",
     "$ otactl campaign deployments c-1 --state failed\n",
     OPTIONS(deployment_options), campaign_deployments},
    {"events", "CAMPAIGN", "what happened in it",
     "$ otactl campaign events c-1\n",
     OPTIONS(page_options), campaign_events},
    {"start", "CAMPAIGN", "begin with the first wave",
     "$ otactl campaign start c-1\n",
     OPTIONS(move_options), campaign_start},
    {"pause", "CAMPAIGN", "make no new offers; what is under way goes on",
     "$ otactl campaign pause c-1 --reason 'support calls'\n",
     OPTIONS(move_options), campaign_pause},
    {"resume", "CAMPAIGN", "go on after a pause",
     "A campaign that paused itself wants --ack, or --accept-failures.\n"
     "\n"
     "$ otactl campaign resume c-1 --ack --reason 'bad cable, not the release'\n",
     OPTIONS(resume_options), campaign_resume},
    {"abort", "CAMPAIGN", "stop it for good: no offers, transfers are refused",
     "$ otactl campaign abort c-1 --reason 'boot loop on r3'\n",
     OPTIONS(move_options), campaign_abort},
    {"cancel", "CAMPAIGN", "end it in good order",
     "$ otactl campaign cancel c-1\n",
     OPTIONS(move_options), campaign_cancel},
};
/* clang-format on */

const struct group campaign_group = {"campaign", "bringing a release to devices, wave by wave",
                                     verbs, COUNT_OF(verbs)};
