/* SPDX-License-Identifier: Apache-2.0 */
/* otactl init: a whole installation in one folder, ready to run and to play with. Nothing in it
 * needs a network or a running daemon. */
#include "cli/verbs.h"

#include "cli/files.h"
#include "cli/lab.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "core/clock.h"
#include "core/config.h"
#include "tls/pki.h"

#include <string.h>

#define CA_DAYS 3650
#define LEAF_DAYS 825
#define ROOT_DAYS 365
#define TARGETS_DAYS 180
#define DAY_SECONDS ((int64_t)86400)

struct site {
    char *folder, *pki, *keys;
    char *state; /* the daemon's, as otad.conf names it: "state" in DIR, or what --set says */
    const char *host_name, *product;
    char *host_names; /* every name and address this machine may be asked for by */
    int64_t port, operator_port;
};

static void site_clear(struct site *site)
{
    free(site->folder);
    free(site->pki);
    free(site->keys);
    free(site->state);
    free(site->host_names);
}

/* -- certificates -- */

/* pki/<name>.crt and its key, which goes to keys/ for an authority. NULL issuer: self-signed. */
static int make_pair(struct cli *cli, const struct site *site, const char *name,
                     const struct pki_request *request, const char *issuer)
{
    struct text paths[4] = {0};
    struct error err = {0};

    text_format(&paths[0], "%s/%s.crt", site->pki, name);
    text_format(&paths[1], "%s/%s.key", request->purpose == PKI_CA ? site->keys : site->pki, name);
    text_format(&paths[2], "%s/%s.crt", site->pki, issuer ? issuer : "");
    text_format(&paths[3], "%s/%s.key", site->keys, issuer ? issuer : "");
    bool is_whole =
        !paths[0].is_broken && !paths[1].is_broken && !paths[2].is_broken && !paths[3].is_broken;
    int failed = is_whole ? pki_make(request, issuer ? paths[2].at : NULL,
                                     issuer ? paths[3].at : NULL, paths[0].at, paths[1].at, &err)
                          : fail_internal(&err, "out of memory");
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        text_clear(&paths[i]);
    return failed ? refuse_error(cli, &err) : 0;
}

static int make_certificates(struct cli *cli, const struct site *site)
{
    const struct {
        const char *name, *issuer;
        struct pki_request request;
    } pairs[] = {
        {"server-ca",   NULL,          {PKI_CA, "otad laboratory server CA", NULL, CA_DAYS}      },
        {"device-ca",   NULL,          {PKI_CA, "otad laboratory device CA", NULL, CA_DAYS}      },
        {"operator-ca", NULL,          {PKI_CA, "otad laboratory operator CA", NULL, CA_DAYS}    },
        {"server",      "server-ca",   {PKI_SERVER, site->host_name, site->host_names, LEAF_DAYS}},
        {"operator",    "operator-ca", {PKI_OPERATOR, "admin", NULL, LEAF_DAYS}                  },
    };

    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        if (make_pair(cli, site, pairs[i].name, &pairs[i].request, pairs[i].issuer))
            return -1;
    return 0;
}

/* -- signing keys and the first role files -- */

struct role_keys {
    struct lab_keys root, targets, product, snapshot, timestamp;
};

static void role_keys_clear(struct role_keys *keys)
{
    lab_keys_clear(&keys->root);
    lab_keys_clear(&keys->targets);
    lab_keys_clear(&keys->product);
    lab_keys_clear(&keys->snapshot);
    lab_keys_clear(&keys->timestamp);
}

static int make_role_keys(struct cli *cli, const struct site *site, struct role_keys *ret)
{
    if (lab_keys_make(cli, site->keys, "root", LAB_KEYS, &ret->root) ||
        lab_keys_make(cli, site->keys, "targets", LAB_KEYS, &ret->targets) ||
        lab_keys_make(cli, site->keys, site->product, LAB_KEYS, &ret->product) ||
        lab_keys_make(cli, site->keys, "snapshot", 1, &ret->snapshot) ||
        lab_keys_make(cli, site->keys, "timestamp", 1, &ret->timestamp))
        return -1;
    return 0;
}

static int write_role(struct cli *cli, const struct site *site, const char *name, json_t *document,
                      const struct lab_keys *keys)
{
    CLEANUP(free_string) char *path = path_in(site->pki, name);
    CLEANUP(text_clear) struct text envelope = {0};

    if (!path)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (lab_sign(cli, document, keys, &envelope))
        return -1;
    return file_create_text(cli, path, 0644, &envelope);
}

static int write_roles(struct cli *cli, const struct site *site, const struct role_keys *keys)
{
    int64_t now = clock_wall();
    const struct build_root wish = {
        .version = 1,
        .expires_at = now + ROOT_DAYS * DAY_SECONDS,
        .root = lab_signers(&keys->root, LAB_THRESHOLD),
        .targets = lab_signers(&keys->targets, LAB_THRESHOLD),
        .snapshot = lab_signers(&keys->snapshot, 1),
        .timestamp = lab_signers(&keys->timestamp, 1),
    };
    const struct build_delegation delegation = {site->product,
                                                lab_signers(&keys->product, LAB_THRESHOLD)};
    json_auto_t *root = NULL, *targets = NULL;
    struct error err = {0};

    if (build_root(&wish, &root, &err) ||
        build_targets(1, now + TARGETS_DAYS * DAY_SECONDS, &delegation, 1, &targets, &err))
        return refuse_error(cli, &err);
    if (write_role(cli, site, "1.root.json", root, &keys->root) ||
        write_role(cli, site, "1.targets.json", targets, &keys->targets))
        return -1;
    return 0;
}

/* -- configuration -- */

/* --set SECTION.KEY=VALUE into {section: {key: value}}. */
static int add_wish(struct cli *cli, json_t *settings, const char *wish)
{
    const char *dot = strchr(wish, '.'), *equals = strchr(wish, '=');

    if (!dot || !equals || dot > equals)
        return refuse(cli, ENDS_MISUSED, "--set takes SECTION.KEY=VALUE, not \"%s\"", wish);
    CLEANUP(free_string) char *section = strndup(wish, (size_t)(dot - wish));
    CLEANUP(free_string) char *key = strndup(dot + 1, (size_t)(equals - dot - 1));
    if (!section || !key)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (!json_object_get(settings, section))
        json_object_set_new(settings, section, json_object());
    json_object_set_new(json_object_get(settings, section), key, json_string(equals + 1));
    return 0;
}

static json_t *first_settings(const struct site *site)
{
    return json_pack("{s{ss} s{so} s{so}}", "server", "hostname", site->host_names, "device",
                     "listen", json_sprintf("0.0.0.0:%lld", (long long)site->port), "operator",
                     "listen", json_sprintf("127.0.0.1:%lld", (long long)site->operator_port));
}

static void print_settings(json_t *settings, struct text *out)
{
    const char *section, *key;
    json_t *keys, *value;

    text_append(
        out, "# Made by otactl init. otad.conf(5) and otad --print-config tell of all settings.\n");
    json_object_foreach(settings, section, keys)
    {
        text_format(out, "[%s]\n", section);
        json_object_foreach(keys, key, value)
        {
            const char *text = json_string_value(value);
            text_format(out, "%s = %s\n", key, text ? text : "");
        }
    }
}

static int write_file(struct cli *cli, const char *folder, const char *name, struct text *content)
{
    CLEANUP(free_string) char *path = path_in(folder, name);

    if (!path)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    return file_create_text(cli, path, 0644, content);
}

/* Written, and then read by the daemon's own reader: a wrong --set shows now. */
static int write_otad_conf(struct cli *cli, const struct site *site)
{
    json_auto_t *settings = first_settings(site);
    CLEANUP(text_clear) struct text content = {0};
    CLEANUP(config_free) struct config *config = NULL;
    CLEANUP(free_string) char *path = path_in(site->folder, "otad.conf");
    struct error err = {0};
    const char *wish;

    if (!settings || !path)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    for (size_t n = 0; (wish = option_at(cli, "set", n)); n++)
        if (add_wish(cli, settings, wish))
            return -1;
    print_settings(settings, &content);
    if (file_create_text(cli, path, 0644, &content))
        return -1;
    return config_load(path, &config, &err) ? refuse_error(cli, &err) : 0;
}

static int write_otactl_conf(struct cli *cli, const struct site *site)
{
    CLEANUP(text_clear) struct text content = {0};

    text_format(&content,
                "# Where the server is, and who we are to it: otactl(1).\n"
                "url = https://localhost:%lld\n"
                "ca = pki/server-ca.crt\n"
                "certificate = pki/operator.crt\n"
                "key = pki/operator.key\n"
                "# The daemon writes here which ports it got; they stand before the one in url.\n"
                "ports = %s/ports.json\n"
                "# The laboratory's keys, and the first role files.\n"
                "keys = keys\n"
                "pki = pki\n",
                (long long)site->operator_port, site->state);
    return write_file(cli, site->folder, "otactl.conf", &content);
}

static const char readme[] =
    "LABORATORY KEYS - whoever can read this folder can make firmware that devices trust.\n"
    "\n"
    "otactl init made these so that one person can try everything on one machine. The daemon "
    "never\n"
    "reads this folder and runs just as well when it is moved away.\n"
    "\n"
    "  device-ca.key, operator-ca.key, server-ca.key   authorities behind the certificates in "
    "../pki\n"
    "  root-*.pem, targets-*.pem                       2 of 3 sign who may sign what\n"
    "  <product>-*.pem                                 2 of 3 sign the product's releases\n"
    "  snapshot.pem, timestamp.pem                     named in the root file for these roles\n"
    "\n"
    "In production each of the three keys of a role belongs to another person and stays on "
    "another\n"
    "machine or token; what they sign travels with `otactl release payload` and\n"
    "`otactl release add-signature`. Devices that trust ../pki/1.root.json trust these keys: give\n"
    "that file to no product that leaves the laboratory.\n";

static int write_readme(struct cli *cli, const struct site *site)
{
    CLEANUP(text_clear) struct text content = {0};

    text_append(&content, readme);
    return write_file(cli, site->keys, "README", &content);
}

/* -- the verb -- */

static int read_wishes(struct cli *cli, struct site *ret)
{
    const char *product = option(cli, "product"), *host_name = option(cli, "hostname");
    struct text names = {0};

    ret->product = product ? product : "demo";
    ret->host_name = host_name ? host_name : "localhost";
    if (!strcmp(ret->product, "root") || !strcmp(ret->product, "targets"))
        return refuse(cli, ENDS_MISUSED, "%s-1.pem is the name of another role's key",
                      ret->product);
    if (!identifier_ok(IDENTIFIER_PRODUCT, ret->product))
        return refuse(cli, ENDS_MISUSED,
                      "a product is named with a-z, 0-9 and -, at most 32: not \"%s\"",
                      ret->product);
    if (option_number(cli, "port", 0, 65535, 8443, &ret->port) ||
        option_number(cli, "operator-port", 0, 65535, 9443, &ret->operator_port))
        return -1;
    if (strcmp(ret->host_name, "localhost"))
        text_format(&names, "%s ", ret->host_name);
    text_append(&names, "localhost 127.0.0.1 ::1");
    ret->host_names = text_take(&names);
    return ret->host_names ? 0 : refuse(cli, ENDS_MISUSED, "out of memory");
}

/* Where --set puts the daemon's state, or NULL; the last one counts, as in otad.conf. */
static const char *told_state(const struct cli *cli)
{
    static const char setting[] = "server.state=";
    const char *wish, *told = NULL;

    for (size_t n = 0; (wish = option_at(cli, "set", n)); n++)
        if (text_starts_with(wish, setting))
            told = wish + sizeof setting - 1;
    return told;
}

/* A state folder elsewhere belongs to the daemon's user: the daemon makes it, or systemd does. */
static int make_state(struct cli *cli, struct site *site)
{
    const char *told = told_state(cli);

    site->state = strdup(told ? told : "state");
    CLEANUP(free_string) char *path = site->state ? path_in(site->folder, site->state) : NULL;
    if (!path)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    return told ? 0 : folder_make(cli, path, 0700);
}

static int make_folders(struct cli *cli, struct site *site)
{
    site->folder = strdup(operand(cli, 0));
    if (!site->folder || !(site->pki = path_in(site->folder, "pki")) ||
        !(site->keys = path_in(site->folder, "keys")))
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (!folder_is_free(site->folder)) {
        refuse(cli, ENDS_MISUSED, "%s is not an empty folder: nothing was changed", site->folder);
        return -1;
    }
    if (folder_make(cli, site->folder, 0755) || folder_make(cli, site->pki, 0755) ||
        folder_make(cli, site->keys, 0700) || make_state(cli, site))
        return -1;
    return 0;
}

static int fill(struct cli *cli, const struct site *site)
{
    CLEANUP(role_keys_clear) struct role_keys keys = {0};

    if (write_otad_conf(cli, site) || write_otactl_conf(cli, site) ||
        make_certificates(cli, site) || make_role_keys(cli, site, &keys) ||
        write_roles(cli, site, &keys) || write_readme(cli, site)) {
        advise(cli, "%s is incomplete: remove it before you try again", site->folder);
        return -1;
    }
    return 0;
}

static int run_init(struct cli *cli)
{
    CLEANUP(site_clear) struct site site = {0};

    if (read_wishes(cli, &site) || make_folders(cli, &site) || fill(cli, &site))
        return -1;
    if (wants_json(cli)) {
        json_auto_t *made = json_pack("{ss ss}", "folder", site.folder, "product", site.product);
        return print_json(made);
    }
    say("%s is ready: a laboratory with its own authorities and keys, product %s.\n"
        "\n"
        "  otad -c %s/otad.conf\n"
        "  otactl -C %s server status\n"
        "  otactl -C %s device issue dev-1 --model gw2 --out dev-1\n"
        "  otactl -C %s release create %s 1.0 --file app.bin --hardware gw2\n",
        site.folder, site.product, site.folder, site.folder, site.folder, site.folder,
        site.product);
    return 0;
}

static const struct option options[] = {
    {"product",       "PRODUCT",           "the first product (default demo)"                        },
    {"hostname",      "NAME",              "what devices call this machine (default localhost)"      },
    {"port",          "N",                 "for devices (default 8443; 0: any free one)"             },
    {"operator-port", "N",                 "for operators and otactl (default 9443; 0: any free one)"},
    {"set",           "SECTION.KEY=VALUE", "one more line of otad.conf; repeatable"                  },
};

/* clang-format off */
static const struct verb verbs[] = {
    {"", "DIR", "make an installation in a new folder",
     "DIR gets otad.conf, otactl.conf, certificates (pki/), laboratory keys (keys/) and a place\n"
     "for the daemon's state (state/). A folder with anything in it is left alone.\n"
     "\n"
     "With --set server.state=FOLDER the state lies there; the daemon makes that folder.\n"
     "\n"
     "$ otactl init lab\n"
     "$ otactl init lab --hostname updates.example.org --product gateway --set device.poll=30s\n",
     OPTIONS(options), run_init},
};
/* clang-format on */

const struct group init_group = {"init", "make an installation in a new folder", verbs,
                                 COUNT_OF(verbs)};
