/* SPDX-License-Identifier: Apache-2.0 */
/* otactl device-authentication … and device token: secrets for devices that show no certificate. */
#include "cli/verbs.h"

#include "cli/call.h"
#include "cli/files.h"
#include "cli/http.h"

/* To a file of its own, or else to standard output, where nothing but the token is printed. */
static int keep_token(struct cli *cli, const char *token)
{
    CLEANUP(text_clear) struct text line = {0};
    const char *path = option(cli, "output");

    if (!path) {
        say("%s\n", token);
        fputs("This is shown once.\n", stderr);
        return 0;
    }
    text_format(&line, "%s\n", token);
    if (file_create_text(cli, path, 0400, &line))
        return -1;
    say("The token is in %s\n", path);
    return 0;
}

static int make_token(struct cli *cli, const char *path, json_t *body)
{
    json_auto_t *answer = NULL;

    if (http_post(cli, path, body, &answer))
        return -1;
    if (wants_json(cli))
        return print_json(answer);
    const char *token = member_text(answer, "token", NULL);
    return token ? keep_token(cli, token) : refuse(cli, ENDS_SERVER, "the server sent no token");
}

static int delete_token(struct cli *cli, const char *path)
{
    if (http_json(cli, "DELETE", path, NULL, NULL))
        return -1;
    if (!wants_json(cli))
        say("the token is worth nothing any more\n");
    return 0;
}

int device_token(struct cli *cli)
{
    CLEANUP(free_string) char *path = http_path("/devices/%s/token", operand(cli, 0));

    return has_option(cli, "delete")
               ? delete_token(cli, path)
               : make_token(cli, path, json_pack("{ss*}", "token", option(cli, "token")));
}

static int gateway_token(struct cli *cli)
{
    static const char path[] = "/device-authentication/gateway-token";

    return has_option(cli, "delete") ? delete_token(cli, path)
                                     : make_token(cli, path, json_object());
}

/* clang-format off */
static const struct column authentication_fields[] = {
    {"Target tokens are taken", "target_tokens",            AS_TEXT},
    {"There is a gateway token", "gateway_token.is_set",    AS_TEXT},
    {"It was made",             "gateway_token.created_at", AS_TIME},
};
static const struct setting authentication_settings[] = {
    {{"target-tokens", NULL, "take the tokens of single devices"}, "target_tokens", yes_value},
    {{"no-target-tokens", NULL, "refuse them; running transfers are cut"},
     "target_tokens", no_value},
};
static const struct option gateway_options[] = {
    {"delete", NULL,   "take it away instead; running transfers are cut"       },
    {"output", "FILE", "write the token there, readable by you alone (also -o)"},
};
static const struct call authentication_show = {GET("/device-authentication"),
        SHOWS(authentication_fields)},
    authentication_set = {PATCH("/device-authentication"), SETTINGS(authentication_settings),
        SHOWS(authentication_fields)};

static const struct verb authentication_verbs[] = {
    {"show", "", "what devices without a certificate may show",
     "$ otactl device-authentication show\n",
     CALL(authentication_show), call_run},
    {"set", "", "change it",
     "They are taken by the listener of the settings' section [token].\n"
     "\n"
     "$ otactl device-authentication set --target-tokens\n",
     CALL(authentication_set), call_run},
    {"gateway-token", "", "a new token for the whole fleet; the old one ends",
     "It lets in every device that has no certificate of its own, and registers unknown ones as\n"
     "device.enrolment says.\n"
     "\n"
     "$ otactl device-authentication gateway-token --output gateway.token\n"
     "$ otactl device-authentication gateway-token --delete\n",
     OPTIONS(gateway_options), gateway_token},
};
/* clang-format on */
const struct group authentication_group = {"device-authentication",
                                           "ways in for devices without a certificate",
                                           authentication_verbs, COUNT_OF(authentication_verbs)};
