/* SPDX-License-Identifier: Apache-2.0 */
/* otactl product …, trust …: who may sign for which product. A product exists once the targets file
 * delegates to its keys; the targets keys sign that, as the root's say. */
#include "cli/verbs.h"

#include "cli/files.h"
#include "cli/http.h"
#include "cli/lab.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "core/clock.h"

#include <string.h>

#define ROLE_FILE_MAX (256 * KIB)
#define TARGETS_SECONDS ((int64_t)180 * 86400)

/* -- the first root and targets file -- */

static int role_file_path(struct cli *cli, const char *name, char **ret)
{
    const struct settings *settings;

    if (settings_need(cli, &settings))
        return -1;
    *ret = settings->pki ? path_in(settings->pki, name) : NULL;
    if (*ret && !access(*ret, R_OK))
        return 0;
    refuse(cli, ENDS_MISUSED, "the server has no root of trust yet, and there is no first %s here",
           name);
    advise(cli, "otactl init makes one; otactl trust install ROOT.json TARGETS.json takes any");
    return -1;
}

/* One that is there already is fine: an earlier try may have stopped behind it. */
static int install_root(struct cli *cli, const char *path)
{
    CLEANUP(text_clear) struct text envelope = {0};
    CLEANUP(answer_clear) struct answer answer = {.offset = -1};

    if (file_read(cli, path, ROLE_FILE_MAX, &envelope))
        return -1;
    const struct ask ask = {.method = "POST",
                            .path = "/tuf/root",
                            .type = "application/json",
                            .body = envelope.at,
                            .length = envelope.length};
    if (!http_ask(cli, &ask, &answer))
        return 0;
    if (!was_refused_for(cli, "already-exists"))
        return -1;
    forget_failure(cli);
    return 0;
}

/* Drafts the document, adds the signatures it came with, publishes. */
static int publish_signed(struct cli *cli, const char *role, const json_t *envelope)
{
    json_auto_t *draft = NULL, *published = NULL;
    size_t i;
    json_t *signature;

    if (http_post(cli, "/tuf/drafts",
                  json_pack("{ss sO}", "role", role, "signed", json_object_get(envelope, "signed")),
                  &draft))
        return -1;
    CLEANUP(free_string)
    char *path = http_path("/tuf/drafts/%s/signatures", member_text(draft, "id", ""));
    json_array_foreach(json_object_get(envelope, "signatures"), i, signature)
    {
        if (http_json(cli, "POST", path, signature, NULL))
            return -1;
    }
    return draft_publish(cli, member_text(draft, "id", ""), &published);
}

static int install(struct cli *cli, const char *root_path, const char *targets_path)
{
    CLEANUP(text_clear) struct text bytes = {0};
    json_auto_t *envelope = NULL;
    struct error err = {0};

    if (file_read(cli, targets_path, ROLE_FILE_MAX, &bytes))
        return -1;
    if (json_read(bytes.at ? bytes.at : "", bytes.length, &envelope, &err))
        return refuse_error(cli, &err);
    if (install_root(cli, root_path) || publish_signed(cli, "targets", envelope))
        return -1;
    fprintf(stderr, "The server now trusts the root in %s\n", root_path);
    return 0;
}

static int install_own(struct cli *cli)
{
    CLEANUP(free_string) char *root = NULL, *targets = NULL;

    if (role_file_path(cli, "1.root.json", &root) ||
        role_file_path(cli, "1.targets.json", &targets))
        return -1;
    return install(cli, root, targets);
}

int trust_ensure(struct cli *cli)
{
    if (!http_json(cli, "GET", "/tuf/targets", NULL, NULL))
        return 0;
    if (!was_refused_for(cli, "not-found"))
        return -1;
    forget_failure(cli);
    return install_own(cli);
}

static int trust_install(struct cli *cli)
{
    const char *root = operand(cli, 0), *targets = operand(cli, 1);

    if (!root != !targets)
        return refuse(cli, ENDS_MISUSED,
                      "give both files, or none to use the ones otactl init made");
    return root ? install(cli, root, targets) : install_own(cli);
}

static int trust_show(struct cli *cli)
{
    CLEANUP(free_string)
    char *path = http_path("/tuf/%s", operand(cli, 0) ? operand(cli, 0) : "root");
    json_auto_t *envelope = NULL;

    if (http_json(cli, "GET", path, NULL, &envelope))
        return -1;
    if (wants_json(cli))
        return print_json(envelope);
    payload_print(json_object_get(envelope, "signed"));
    return 0;
}

/* -- products -- */

static const struct column product_columns[] = {
    {"PRODUCT",   "product",   AS_TEXT  },
    {"KEYS",      "keys",      AS_NUMBER},
    {"THRESHOLD", "threshold", AS_NUMBER},
};

static int product_list(struct cli *cli)
{
    json_auto_t *envelope = NULL, *products = json_array();
    json_t *role;
    size_t i;

    if (http_json(cli, "GET", "/tuf/targets", NULL, &envelope))
        return -1;
    json_array_foreach(member_at(envelope, "signed.delegations.roles"), i, role)
    {
        const char *name = member_text(role, "name", "");
        json_array_append_new(
            products,
            json_pack("{ss sI sO}", "product", text_starts_with(name, "product-") ? name + 8 : name,
                      "keys", (json_int_t)json_array_size(json_object_get(role, "keyids")),
                      "threshold", json_object_get(role, "threshold")));
    }
    if (wants_json(cli)) {
        json_auto_t *list = json_pack("{sO}", "items", products);
        return print_json(list);
    }
    print_table(products, COLUMNS(product_columns), "No products yet.");
    return 0;
}

/* Public halves given with --key; without any, three new keys of the laboratory. */
static int collect_keys(struct cli *cli, const char *product, json_t **ret)
{
    json_auto_t *objects = json_array();
    const struct settings *settings;
    const char *path;

    if (settings_need(cli, &settings))
        return -1;
    for (size_t n = 0; (path = option_at(cli, "key", n)); n++) {
        CLEANUP(text_clear) struct text pem = {0};
        json_t *object = NULL;
        struct error err = {0};

        if (file_read(cli, path, ROLE_FILE_MAX, &pem))
            return -1;
        if (sign_key_object(pem.at ? pem.at : "", &object, &err))
            return refuse_error(cli, &err);
        json_array_append_new(objects, object);
    }
    if (!json_array_size(objects)) {
        CLEANUP(lab_keys_clear) struct lab_keys keys = {0};

        if (!settings->keys || access(settings->keys, W_OK))
            return refuse(cli, ENDS_MISUSED, "--key is missing: the public keys that may sign %s",
                          product);
        if (lab_keys_make(cli, settings->keys, product, LAB_KEYS, &keys))
            return -1;
        for (size_t n = 0; n < keys.count; n++)
            json_array_append_new(objects, json_deep_copy(keys.objects[n]));
    }
    *ret = MOVE(objects);
    return 0;
}

/* The targets file that follows `before` and delegates to one product more. */
static int next_targets(struct cli *cli, json_t *before, const char *product, const json_t *objects,
                        json_t **ret)
{
    const json_t *keys[64];
    size_t count = json_array_size(objects);
    json_auto_t *next = NULL;
    struct error err = {0};
    int64_t threshold;

    if (count > COUNT_OF(keys))
        return refuse(cli, ENDS_MISUSED, "at most %zu keys", COUNT_OF(keys));
    if (option_number(cli, "threshold", 1, (int64_t)count, count > 1 ? LAB_THRESHOLD : 1,
                      &threshold))
        return -1;
    for (size_t i = 0; i < count; i++)
        keys[i] = json_array_get(objects, i);
    const struct build_delegation delegation = {
        product, {keys, count, threshold}
    };
    if (build_targets(member_number(before, "version") + 1, clock_wall() + TARGETS_SECONDS,
                      &delegation, 1, &next, &err))
        return refuse_error(cli, &err);

    json_t *old = json_object_get(before, "delegations");
    json_t *new = json_object_get(next, "delegations");
    json_auto_t *roles = json_copy(json_object_get(old, "roles"));
    json_object_update_missing(json_object_get(new, "keys"), json_object_get(old, "keys"));
    if (roles) {
        json_array_extend(roles, json_object_get(new, "roles"));
        json_object_set(new, "roles", roles);
    }
    *ret = MOVE(next);
    return 0;
}

static bool has_product(const json_t *targets, const char *product)
{
    const json_t *roles = member_at(targets, "delegations.roles");
    size_t i;
    json_t *role;

    json_array_foreach(roles, i, role)
    {
        const char *name = member_text(role, "name", "");
        if (text_starts_with(name, "product-") && !strcmp(name + sizeof "product-" - 1, product))
            return true;
    }
    return false;
}

/* With the laboratory's targets keys where they are here; otherwise says how it goes on. */
static int sign_and_publish(struct cli *cli, const char *product, json_t **draft)
{
    CLEANUP(free_string) char *id = strdup(member_text(*draft, "id", ""));
    json_auto_t *published = NULL;

    for (int n = 1;
         n <= LAB_KEYS && (int64_t)json_array_size(json_object_get(*draft, "signatures")) <
                              member_number(*draft, "threshold");
         n++) {
        CLEANUP(free_string) char *key = lab_key_path(cli, "targets", n);
        json_t *signed_one = NULL;

        if (!key)
            break;
        if (draft_sign(cli, id, key, &signed_one))
            return -1;
        json_decref(*draft);
        *draft = signed_one;
    }
    if ((int64_t)json_array_size(json_object_get(*draft, "signatures")) <
        member_number(*draft, "threshold")) {
        draft_print(cli, *draft);
        return 0;
    }
    if (draft_publish(cli, id, &published))
        return -1;
    if (wants_json(cli))
        return print_json(published);
    say("%s is a product; next: otactl release create %s VERSION --file FILE --hardware ID\n",
        product, product);
    return 0;
}

static int product_create(struct cli *cli)
{
    const char *product = operand(cli, 0);
    json_auto_t *envelope = NULL, *objects = NULL, *next = NULL, *draft = NULL;

    if (!identifier_ok(IDENTIFIER_PRODUCT, product))
        return refuse(cli, ENDS_MISUSED, "a product is named with a-z, 0-9 and -, at most 32");
    if (trust_ensure(cli) || http_json(cli, "GET", "/tuf/targets", NULL, &envelope))
        return -1;
    json_t *before = json_object_get(envelope, "signed");
    if (has_product(before, product))
        return refuse(cli, ENDS_REFUSED, "%s is a product already", product);
    if (collect_keys(cli, product, &objects) ||
        next_targets(cli, before, product, objects, &next) ||
        http_post(cli, "/tuf/drafts", json_pack("{ss sO}", "role", "targets", "signed", next),
                  &draft))
        return -1;
    return sign_and_publish(cli, product, &draft);
}

/* -- the verbs -- */

static const struct option create_options[] = {
    {"key",       "PUBLIC.pem",
     "a public key that may sign its releases; repeatable (default: three new "
     "ones in keys/)"                                                         },
    {"threshold", "N",          "how many of them a release needs (default 2)"},
};

/* clang-format off */
static const struct verb product_verbs[] = {
    {"list", "", "products, and how many keys sign for them",
     "$ otactl product list\n",
     NO_OPTIONS, product_list},
    {"create", "PRODUCT", "let a set of keys sign releases of a new product",
     "Makes the next targets file. It is published at once when the laboratory's targets keys are\n"
     "in keys/; otherwise it waits for their signatures.\n"
     "\n"
     "$ otactl -C lab product create sensor\n"
     "$ otactl product create sensor --key ada.pub --key bob.pub --key eve.pub\n",
     OPTIONS(create_options), product_create},
};
/* clang-format on */
const struct group product_group = {"product", "what releases are of, and who signs them",
                                    product_verbs, COUNT_OF(product_verbs)};

/* clang-format off */
static const struct verb trust_verbs[] = {
    {"install", "[ROOT.json] [TARGETS.json]", "give a new server its first root of trust",
     "The first release or product of a new installation does this by itself.\n"
     "\n"
     "$ otactl -C lab trust install\n",
     NO_OPTIONS, trust_install},
    {"show", "[ROLE]", "what is published: root (default), targets or product-<name>",
     "$ otactl trust show product-demo\n",
     NO_OPTIONS, trust_show},
};
/* clang-format on */
const struct group trust_group = {"trust", "the root of trust, and who signs what", trust_verbs,
                                  COUNT_OF(trust_verbs)};
