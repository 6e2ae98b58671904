/* SPDX-License-Identifier: Apache-2.0 */
/* otactl campaign …: bringing a release to devices in waves, and stopping that. */
#include "cli/campaign.h"

#include "cli/http.h"
#include "cli/verbs.h"

#include <string.h>

/* -- requests that need no program -- */

static const struct column list_columns[] = {
    {"CAMPAIGN",  "id",               AS_TEXT  },
    {"NAME",      "name",             AS_TEXT  },
    {"KIND",      "kind",             AS_TEXT  },
    {"RELEASE",   "release",          AS_TEXT  },
    {"CHANNEL",   "channel",          AS_TEXT  },
    {"STATE",     "state",            AS_TEXT  },
    {"CONFIRMED", "counts.confirmed", AS_NUMBER},
    {"FAILED",    "counts.failed",    AS_NUMBER},
    {"STARTED",   "started_at",       AS_AGO   },
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

static const struct column approval_columns[] = {
    {"OPERATOR",  "operator",  AS_TEXT },
    {"DECISION",  "decision",  AS_TEXT },
    {"AT",        "at",        AS_TIME },
    {"PLAN HASH", "plan_hash", AS_SHORT},
    {"NOTE",      "note",      AS_TEXT },
};

static json_t *accepted_value(struct cli *cli, const char *text)
{
    return strcmp(text, "all") ? number_value(cli, text) : json_true();
}

/* clang-format off */
#define REASON {{"reason", "TEXT", "why; it is kept in the audit log"}, "reason", text_value}
#define NOTE {{"note", "TEXT", "a word to the others"}, "note", text_value}

static const struct setting list_settings[] = {
    {{"state", "STATE",
      "only draft, review, scheduled, running, paused, finishing, finished or such"},
     "state", text_value},
    {{"channel", "CHANNEL", "only this channel's"}, "channel", text_value},
    {{"release", "RELEASE", "only of this release"}, "release", text_value},
};
static const struct setting deployment_settings[] = {
    {{"state", "STATE", "only devices in this state, e.g. failed"}, "state", text_value},
};
static const struct setting reason_settings[] = {REASON};
static const struct setting note_settings[] = {NOTE};
static const struct setting approve_settings[] = {
    NOTE,
    {{"plan-hash", "HASH", "only if this is its plan, as campaign show --json told it"},
     "plan_hash", text_value},
};
static const struct setting resume_settings[] = {
    REASON,
    {{"accept-failures", "N|all", "go on although so many failed: only what comes on top counts"},
     "accept_failures", accepted_value},
};
static const struct setting cancel_settings[] = {
    REASON,
    {{"hard", NULL, "refuse running transfers too"}, "hard", yes_value},
};

static const struct call list_call = {GET("/campaigns"), SHOWS(list_columns),
        .nothing = "No campaigns.", SETTINGS(list_settings)},
    deployments_call = {GET("/campaigns/%s/deployments"), SHOWS(deployment_columns),
        .nothing = "No device was offered this yet.", SETTINGS(deployment_settings)},
    events_call = {GET("/campaigns/%s/events"), SHOWS(event_columns),
        .nothing = "Nothing happened yet."},
    approvals_call = {GET("/campaigns/%s/approvals"), SHOWS(approval_columns),
        .nothing = "Nobody has decided yet."},
    plan_call = {POST("/campaigns"), SETTINGS(campaign_settings)},
    submit_call = {POST("/campaigns/%s/submit")},
    approve_call = {POST("/campaigns/%s/approve"), SETTINGS(approve_settings)},
    refuse_call = {POST("/campaigns/%s/refuse"), SETTINGS(note_settings)},
    start_call = {POST("/campaigns/%s/start"), SETTINGS(reason_settings)},
    pause_call = {POST("/campaigns/%s/pause"), SETTINGS(reason_settings)},
    resume_call = {POST("/campaigns/%s/resume"), SETTINGS(resume_settings)},
    cancel_call = {POST("/campaigns/%s/cancel"), SETTINGS(cancel_settings)},
    abort_call = {POST("/campaigns/%s/abort"), SETTINGS(reason_settings)},
    hold_call = {POST("/campaigns/%s/waves/%s/hold"), SETTINGS(reason_settings)},
    reopen_call = {POST("/campaigns/%s/waves/%s/reopen"), SETTINGS(reason_settings)},
    pass_call = {POST("/campaigns/%s/waves/%s/pass"), SETTINGS(reason_settings)},
    skip_call = {POST("/campaigns/%s/waves/%s/skip"), SETTINGS(reason_settings)},
    dial_call = {PATCH("/campaigns/%s/waves/%s"), SETTINGS(reason_settings),
        .words = {{"percent", percent_value}}},
    retry_call = {POST("/campaigns/%s/devices/%s/retry"), SETTINGS(reason_settings),
        .said = "%s may offer it again"};
/* clang-format on */

/* -- looking -- */

static int campaign_show(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/campaigns/%s", operand(cli, 0));
    json_auto_t *campaign = NULL;

    if (http_json(cli, "GET", path, NULL, &campaign))
        return -1;
    if (wants_json(cli))
        return print_json(campaign);
    campaign_print(campaign);
    return 0;
}

/* -- making -- */

static int refuse_nameless(struct cli *cli)
{
    refuse(cli, ENDS_MISUSED, "a campaign needs a release and a target");
    advise(cli, "otactl campaign create demo:1.0 --target 'model = \"gw2\"'");
    return -1;
}

static int describe_new(struct cli *cli, json_t **ret)
{
    json_auto_t *base = json_object(), *plan = NULL;

    if (!base || campaign_describe(cli, base, &plan))
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (operand(cli, 0))
        json_object_set_new(plan, "release", json_string(operand(cli, 0)));
    if (!json_object_get(plan, "release") || !json_object_get(plan, "target"))
        return refuse_nameless(cli);
    *ret = MOVE(plan);
    return 0;
}

static int refused_plan(struct cli *cli)
{
    if (cli->failure.code == ENDS_REFUSED)
        advise(cli, "otactl campaign preview, with the same options, tells what it would do");
    return -1;
}

static int campaign_preview(struct cli *cli)
{
    json_auto_t *body = NULL, *preview = NULL;

    if (describe_new(cli, &body) || http_json(cli, "POST", "/campaigns:preview", body, &preview))
        return -1;
    if (wants_json(cli))
        return print_json(preview);
    preview_print(preview);
    return 0;
}

static int campaign_create(struct cli *cli)
{
    json_auto_t *body = NULL, *campaign = NULL;

    if (describe_new(cli, &body))
        return -1;
    if (has_option(cli, "start"))
        json_object_set_new(body, "start", json_true());
    if (http_json(cli, "POST", "/campaigns", body, &campaign))
        return refused_plan(cli);
    if (wants_json(cli))
        return print_json(campaign);
    campaign_print(campaign);
    if (has_option(cli, "start"))
        say("\nnext: otactl campaign watch %s\n", member_text(campaign, "id", "?"));
    return 0;
}

/* What an operator wrote of a campaign, out of what the server tells of it. */
static json_t *plan_of(const json_t *campaign)
{
    json_t *plan = json_deep_copy(json_object_get(campaign, "plan"));
    const char *name = member_text(campaign, "name", NULL);

    if (plan && name)
        json_object_set_new(plan, "name", json_string(name));
    return plan;
}

/* Nobody else's change in between is lost. */
static int patch_plan(struct cli *cli, const char *path, const json_t *body, int64_t change,
                      json_t **ret)
{
    CLEANUP(answer_clear) struct answer answer = {.offset = -1};
    CLEANUP(free_string) char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(12));
    char match[32];
    const struct ask ask = {
        .method = "PATCH",
        .path = path,
        .type = "application/json",
        .body = text,
        .length = text ? strlen(text) : 0,
        .if_match = match,
    };

    snprintf(match, sizeof match, "\"%lld\"", (long long)change);
    if (http_ask(cli, &ask, &answer))
        return -1;
    *ret = answer.json ? MOVE(answer.json) : json_object();
    return 0;
}

static int campaign_edit(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/campaigns/%s", operand(cli, 0));
    json_auto_t *present = NULL, *body = NULL, *changed = NULL;

    if (http_json(cli, "GET", path, NULL, &present))
        return -1;
    json_auto_t *base = plan_of(present);
    if (!base)
        return refuse(cli, ENDS_SERVER, "the server told no plan");
    if (campaign_describe(cli, base, &body))
        return -1;
    if (!json_object_get(body, "release"))
        json_object_set(body, "release", json_object_get(base, "release"));
    if (patch_plan(cli, path, body, member_number(present, "change"), &changed))
        return refused_plan(cli);
    if (wants_json(cli))
        return print_json(changed);
    campaign_print(changed);
    return 0;
}

/* -- moving -- */

static int refused_move(struct cli *cli)
{
    if (was_refused_for(cli, "wrong-state"))
        advise(cli, "where it stands and what it waits for: otactl campaign show %s",
               operand(cli, 0));
    return -1;
}

static int tell_move(struct cli *cli, const json_t *campaign)
{
    CLEANUP(text_clear) struct text needs = {0};

    if (wants_json(cli))
        return print_json(campaign);
    const char *reason = member_text(campaign, "state_reason", "");
    say("%s is %s%s%s\n", operand(cli, 0), member_text(campaign, "state", "changed"),
        *reason ? ": " : "", reason);
    campaign_needs(campaign, &needs);
    say("%s", needs.at ? needs.at : "");
    return 0;
}

static int campaign_move(struct cli *cli)
{
    json_auto_t *campaign = NULL;

    return call_ask(cli, &campaign) ? refused_move(cli) : tell_move(cli, campaign);
}

/* The plan as it is now, unless another one was looked at; what is shown is what is sent. */
static int named_plan(struct cli *cli, json_t *body)
{
    CLEANUP(free_string) char *path = http_path("/campaigns/%s", operand(cli, 0));
    json_auto_t *campaign = NULL;

    if (json_object_get(body, "plan_hash"))
        return 0;
    if (http_json(cli, "GET", path, NULL, &campaign))
        return -1;
    const char *hash = member_text(campaign, "plan_hash", "");
    if (!wants_json(cli))
        say("plan %s of %s, written by %s: %s to %s\n", hash, operand(cli, 0),
            member_text(campaign, "planned_by", "?"), member_text(campaign, "release", "?"),
            member_text(campaign, "target", "?"));
    json_object_set_new(body, "plan_hash", json_string(hash));
    return 0;
}

static int campaign_approve(struct cli *cli)
{
    CLEANUP(free_string) char *path = call_path(cli, cli->verb->call->path);
    json_auto_t *body = NULL, *campaign = NULL;

    if (call_body(cli, &body) || named_plan(cli, body))
        return -1;
    return http_json(cli, "POST", path, body, &campaign) ? refused_move(cli)
                                                         : tell_move(cli, campaign);
}

/* -- the verbs -- */

static const struct option watch_options[] = {
    {"interval", "SECONDS", "how often to look (default 2)"},
};
#define PLAN(run) plan_options, PLAN_OPTION_COUNT, &plan_call, run
#define MOVES(call) CALL(call), campaign_move

/* clang-format off */
static const struct verb verbs[] = {
    {"create", "[RELEASE]", "a new campaign; nothing is offered before it is started",
     "Without --wave the preset decides: careful begins with five devices, drawn over models and\n"
     "versions, and waits for evidence. Waves follow each other in the order given; those by tag,\n"
     "filter or list stand before numbers and percentages. Behind a colon stand a wave's\n"
     "settings: soak=1h (how long to wait once it is covered), coverage=80% (of its devices must\n"
     "have an outcome), min=5 (at least so many must confirm), gate=manual (an operator lets the\n"
     "next one begin), not-before=2026-12-01, ramp=6h (its devices get their turn bit by bit),\n"
     "strata=model+version (a number's devices are drawn from each in turn).\n"
     "\n"
     "$ otactl campaign create demo:1.0 --target 'model = \"gw2\"'\n"
     "$ otactl campaign create demo:1.1 --target 'model = \"gw2\" and not tag = \"museum\"' \\\n"
     "      --wave tag=office:soak=1h --wave 10%:soak=12h:gate=manual --wave 100% \\\n"
     "      --rate 10/min,x2/100 --pause-at 2%,2,50 --window 'install mon-fri 22:00 6h' --start\n"
     "$ otactl campaign create --plan campaign.json\n",
     PLAN(campaign_create)},
    {"preview", "[RELEASE]", "what create would do, without doing it",
     "Counts, waves, bytes, hours, who is left out and why, and what to think about. SHOWS is\n"
     "the rate of failures that a wave of this size cannot rule out even if none fails.\n"
     "\n"
     "$ otactl campaign preview demo:1.0 --target 'model = \"gw2\"'\n",
     PLAN(campaign_preview)},
    {"edit", "CAMPAIGN", "change the plan of a draft, or of one in review; approvals are void then",
     "$ otactl campaign edit c-1 --wave 5:soak=48h --wave 100%\n",
     PLAN(campaign_edit)},
    {"list", "", "campaigns and how far they are",
     "$ otactl campaign list --state running\n",
     LIST_CALL(list_call), call_run},
    {"show", "CAMPAIGN", "one campaign, wave by wave, and what it waits for",
     "AT MOST: so many of all devices may fail, by what was seen (95 % sure).\n"
     "\n"
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
     LIST_CALL(deployments_call), call_run},
    {"events", "CAMPAIGN", "what happened in it",
     "$ otactl campaign events c-1\n",
     LIST_CALL(events_call), call_run},
    {"approvals", "CAMPAIGN", "who approved or refused which plan",
     "$ otactl campaign approvals c-1\n",
     LIST_CALL(approvals_call), call_run},
    {"submit", "CAMPAIGN", "hand a draft in for approval",
     "$ otactl campaign submit c-1\n",
     MOVES(submit_call)},
    {"approve", "CAMPAIGN", "approve its plan as it is; any change of it voids that",
     "The plan's hash is shown and sent along: what changes meanwhile is not approved. With\n"
     "--plan-hash it must be the plan that was looked at before.\n"
     "\n"
     "$ otactl campaign show c-1\n"
     "$ otactl campaign approve c-1 --note 'windows checked'\n",
     CALL(approve_call), campaign_approve},
    {"refuse", "CAMPAIGN", "refuse its plan; it is a draft again",
     "$ otactl campaign refuse c-1 --note 'not before the holidays'\n",
     MOVES(refuse_call)},
    {"start", "CAMPAIGN", "begin with the first wave, or when its time comes",
     "$ otactl campaign start c-1\n",
     MOVES(start_call)},
    {"pause", "CAMPAIGN", "make no new offers; what is under way goes on",
     "$ otactl campaign pause c-1 --reason 'support calls'\n",
     MOVES(pause_call)},
    {"resume", "CAMPAIGN", "go on after a pause",
     "One that paused itself at its budget of failures wants --accept-failures.\n"
     "\n"
     "$ otactl campaign resume c-1 --accept-failures all --reason 'bad cable, not the release'\n",
     MOVES(resume_call)},
    {"cancel", "CAMPAIGN", "end it in good order",
     "$ otactl campaign cancel c-1\n"
     "$ otactl campaign cancel c-1 --hard --reason 'wrong image'\n",
     MOVES(cancel_call)},
    {"abort", "CAMPAIGN", "stop it for good: no offers, transfers are refused",
     "$ otactl campaign abort c-1 --reason 'boot loop on r3'\n",
     MOVES(abort_call)},
    {"hold", "CAMPAIGN WAVE", "keep a wave from passing, and from new offers",
     "$ otactl campaign hold c-1 2 --reason 'waiting for the field report'\n",
     MOVES(hold_call)},
    {"reopen", "CAMPAIGN WAVE", "let a held wave go on",
     "$ otactl campaign reopen c-1 2 --reason 'report is fine'\n",
     MOVES(reopen_call)},
    {"pass", "CAMPAIGN WAVE", "let the next one begin: a manual gate, or a wave that is held",
     "$ otactl campaign pass c-1 2 --reason 'looks good'\n",
     MOVES(pass_call)},
    {"skip", "CAMPAIGN WAVE", "leave a wave out",
     "$ otactl campaign skip c-1 1 --reason 'office is closed'\n",
     MOVES(skip_call)},
    {"dial", "CAMPAIGN WAVE PERCENT", "widen a percentage wave while it runs; never narrower",
     "$ otactl campaign dial c-1 2 50% --reason 'going well'\n",
     MOVES(dial_call)},
    {"retry", "CAMPAIGN DEVICE", "offer it again to a device that failed",
     "$ otactl campaign retry c-1 dev-7 --reason 'new flash chip'\n",
     CALL(retry_call), call_run},
};
/* clang-format on */

const struct group campaign_group = {"campaign", "bringing a release to devices, wave by wave",
                                     verbs, COUNT_OF(verbs)};
