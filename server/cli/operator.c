/* SPDX-License-Identifier: Apache-2.0 */
/* otactl operator …, token …, audit …: people, their robots, and what they did. */
#include "cli/verbs.h"

#include "cli/files.h"
#include "cli/http.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "tls/pki.h"

#include <string.h>

#define ROLES "viewer, support, release-engineer, signer, release-manager, approver, admin"

/* -- operators -- */

static const struct column operator_columns[] = {
    {"OPERATOR", "id",         AS_TEXT},
    {"ROLE",     "role",       AS_TEXT},
    {"STATE",    "state",      AS_TEXT},
    {"SINCE",    "created_at", AS_AGO },
};

static int operator_list(struct cli *cli)
{
    static const struct listing listing = {COLUMNS(operator_columns), "No operators.", "after"};

    return print_list(cli, "/operators", &listing);
}

/* A certificate from the laboratory's operator authority. */
static int issue_certificate(struct cli *cli, const char *id, const char *folder, char **ret_path)
{
    const struct settings *settings;
    struct error err = {0};
    const struct pki_request request = {.purpose = PKI_OPERATOR, .common_name = id, .days = 365};

    if (settings_need(cli, &settings) || folder_make(cli, folder, 0700))
        return -1;
    if (!settings->pki || !settings->keys)
        return refuse(cli, ENDS_MISUSED, "%s names no pki and keys folders", settings->file);
    CLEANUP(free_string) char *ca = path_in(settings->pki, "operator-ca.crt");
    CLEANUP(free_string) char *ca_key = path_in(settings->keys, "operator-ca.key");
    CLEANUP(free_string) char *path = path_in(folder, "operator.crt");
    CLEANUP(free_string) char *key = path_in(folder, "operator.key");
    if (!ca || !ca_key || !path || !key)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (pki_make(&request, ca, ca_key, path, key, &err))
        return refuse_error(cli, &err);
    *ret_path = MOVE(path);
    return 0;
}

static int find_certificate(struct cli *cli, const char *id, struct text *ret_pem)
{
    const char *given = option(cli, "certificate"), *folder = option(cli, "out");
    CLEANUP(free_string) char *path = given ? strdup(given) : NULL;

    if (given && folder)
        return refuse(cli, ENDS_MISUSED, "either --certificate or --out");
    if (folder && issue_certificate(cli, id, folder, &path))
        return -1;
    return path ? file_read(cli, path, MIB, ret_pem) : 0;
}

static int operator_add(struct cli *cli)
{
    const char *id = operand(cli, 0), *role;
    CLEANUP(text_clear) struct text pem = {0};
    json_auto_t *answer = NULL;

    if (option_needed(cli, "role", &role) || find_certificate(cli, id, &pem) ||
        http_post(cli, "/operators",
                  json_pack("{ss ss ss*}", "id", id, "role", role, "certificate_pem", pem.at),
                  &answer))
        return -1;
    if (wants_json(cli))
        return print_json(answer);
    say("%s is an operator with the role %s\n", id, role);
    if (option(cli, "out"))
        say("certificate and key are in %s\n", option(cli, "out"));
    return 0;
}

static int operator_revoke(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/operators/%s/revoke", operand(cli, 0));

    if (http_post(cli, path, json_object(), NULL))
        return -1;
    if (!wants_json(cli))
        say("%s is no operator any more\n", operand(cli, 0));
    return 0;
}

/* -- tokens -- */

static const struct column token_columns[] = {
    {"TOKEN",   "id",         AS_TEXT},
    {"ROLE",    "role",       AS_TEXT},
    {"NOTE",    "note",       AS_TEXT},
    {"BY",      "created_by", AS_TEXT},
    {"EXPIRES", "expires_at", AS_AGO },
    {"REVOKED", "revoked_at", AS_AGO },
};

static int token_list(struct cli *cli)
{
    static const struct listing listing = {COLUMNS(token_columns), "No tokens.", "after"};

    return print_list(cli, "/tokens", &listing);
}

/* To a file of its own, or else to standard output, where nothing but the token is printed. */
static int keep_token(struct cli *cli, const char *token)
{
    CLEANUP(text_clear) struct text line = {0};
    const char *path = option(cli, "output");

    if (!path) {
        say("%s\n", token);
        fputs("This is shown once. Use it with --token-file, or as Authorization: Bearer.\n",
              stderr);
        return 0;
    }
    text_format(&line, "%s\n", token);
    if (file_create_text(cli, path, 0400, &line))
        return -1;
    say("The token is in %s; use it with --token-file %s\n", path, path);
    return 0;
}

static int token_create(struct cli *cli)
{
    json_auto_t *answer = NULL;
    const char *role;
    int64_t days;

    if (option_needed(cli, "role", &role) || option_number(cli, "days", 1, 3650, 90, &days) ||
        http_post(cli, "/tokens",
                  json_pack("{ss ss* sI}", "role", role, "note", option(cli, "note"), "days",
                            (json_int_t)days),
                  &answer))
        return -1;
    if (wants_json(cli))
        return print_json(answer);
    const char *token = member_text(answer, "token", NULL);
    return token ? keep_token(cli, token) : refuse(cli, ENDS_SERVER, "the server sent no token");
}

static int token_revoke(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/tokens/%s", operand(cli, 0));

    if (http_json(cli, "DELETE", path, NULL, NULL))
        return -1;
    if (!wants_json(cli))
        say("token %s is worth nothing any more\n", operand(cli, 0));
    return 0;
}

/* -- the audit log -- */

static const struct column audit_columns[] = {
    {"NO.",     "sequence", AS_NUMBER},
    {"AT",      "at",       AS_TIME  },
    {"WHO",     "actor",    AS_TEXT  },
    {"FROM",    "source",   AS_TEXT  },
    {"DID",     "action",   AS_TEXT  },
    {"TO",      "object",   AS_TEXT  },
    {"OUTCOME", "outcome",  AS_TEXT  },
    {"DETAIL",  "detail",   AS_TEXT  },
};

static int audit_list(struct cli *cli)
{
    static const struct listing listing = {COLUMNS(audit_columns), "Nothing was done yet.",
                                           "after"};

    return print_list(cli, "/audit", &listing);
}

static int audit_verify(struct cli *cli)
{
    json_auto_t *answer = NULL;

    if (http_json(cli, "GET", "/audit/verify", NULL, &answer))
        return -1;
    if (wants_json(cli))
        print_json(answer);
    else
        print_document(answer);
    if (!json_is_true(json_object_get(answer, "whole")))
        return refuse(cli, ENDS_REFUSED, "the audit log is broken at record %lld",
                      (long long)member_number(answer, "first_bad"));
    return 0;
}

/* -- the verbs -- */

static const struct option list_options[] = {LIST_OPTIONS};
static const struct option add_options[] = {
    {"role",        "ROLE",   ROLES                                                            },
    {"certificate", "FILE",   "the certificate this person shows, PEM"                         },
    {"out",         "FOLDER", "make certificate and key there, from the laboratory's authority"},
};
static const struct option token_options[] = {
    {"role",   "ROLE", ROLES                                                   },
    {"note",   "TEXT", "what it is for"                                        },
    {"days",   "N",    "how long it lives (default 90)"                        },
    {"output", "FILE", "write the token there, readable by you alone (also -o)"},
};

/* clang-format off */
static const struct verb operator_verbs[] = {
    {"list", "", "who may do what",
     "$ otactl operator list\n",
     OPTIONS(list_options), operator_list},
    {"add", "ID", "make someone an operator",
     "$ otactl operator add ada --role release-manager --certificate ada.crt\n"
     "$ otactl -C lab operator add bob --role signer --out bob\n",
     OPTIONS(add_options), operator_add},
    {"revoke", "ID", "end someone's rights at once",
     "$ otactl operator revoke bob\n",
     NO_OPTIONS, operator_revoke},
};
/* clang-format on */
const struct group operator_group = {"operator", "people, and what they may do", operator_verbs,
                                     COUNT_OF(operator_verbs)};

/* clang-format off */
static const struct verb token_verbs[] = {
    {"list", "", "tokens, without their secrets",
     "$ otactl token list\n",
     OPTIONS(list_options), token_list},
    {"create", "", "make a token for automation; it is shown once",
     "$ otactl token create --role release-engineer --note 'nightly build' -o ci.token\n"
     "$ otactl --token-file ci.token upload app.bin\n",
     OPTIONS(token_options), token_create},
    {"revoke", "TOKEN", "end a token, by its id",
     "$ otactl token revoke k3q5\n",
     NO_OPTIONS, token_revoke},
};
/* clang-format on */
const struct group token_group = {"token", "secrets for automation", token_verbs,
                                  COUNT_OF(token_verbs)};

/* clang-format off */
static const struct verb audit_verbs[] = {
    {"list", "", "who did what, and when",
     "$ otactl audit list --all\n",
     OPTIONS(list_options), audit_list},
    {"verify", "", "recompute the chain of hashes; exit status 1 when it is broken",
     "$ otactl audit verify\n",
     NO_OPTIONS, audit_verify},
};
/* clang-format on */
const struct group audit_group = {"audit", "who did what, and proof that nothing is missing",
                                  audit_verbs, COUNT_OF(audit_verbs)};
