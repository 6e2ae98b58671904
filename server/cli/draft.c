/* SPDX-License-Identifier: Apache-2.0 */
/* Drafts of role files: fetched, signed and published the same way whatever the role. A draft is
 * what people are about to sign; nothing in it counts until enough of them did. */
#include "cli/verbs.h"

#include "cli/http.h"
#include "cli/lab.h"
#include "cli/output.h"
#include "core/digest.h"

#include <string.h>

int draft_fetch(struct cli *cli, const char *id, json_t **ret)
{
    CLEANUP(free_string) char *path = http_path("/tuf/drafts/%s", id);

    return http_json(cli, "GET", path, NULL, ret);
}

int draft_payload(struct cli *cli, const char *id, struct text *ret)
{
    CLEANUP(free_string) char *path = http_path("/tuf/drafts/%s/payload", id);
    CLEANUP(answer_clear) struct answer answer = {.offset = -1};
    const struct ask ask = {.method = "GET", .path = path};

    if (http_ask(cli, &ask, &answer))
        return -1;
    text_append_bytes(ret, answer.bytes, answer.length);
    return ret->is_broken ? refuse(cli, ENDS_MISUSED, "out of memory") : 0;
}

static bool holds(const json_t *array, const char *text)
{
    size_t i;
    json_t *element;

    json_array_foreach(array, i, element)
    {
        const char *value = json_string_value(
            json_is_object(element) ? json_object_get(element, "keyid") : element);
        if (value && !strcmp(value, text))
            return true;
    }
    return false;
}

/* "3f2a…" or "3f2a… (keys/demo-1.pem)" for each key that may sign and has not yet. */
static void advise_keys(struct cli *cli, const json_t *draft)
{
    const json_t *allowed = json_object_get(draft, "keyids_allowed");
    size_t i;
    json_t *keyid;

    json_array_foreach(allowed, i, keyid)
    {
        const char *text = json_string_value(keyid);
        CLEANUP(free_string) char *file = text ? lab_key_file(cli, text) : NULL;

        if (text && !holds(json_object_get(draft, "signatures"), text))
            advise(cli, "may still sign: %.12s…%s%s", text, file ? "  here: " : "",
                   file ? file : "");
    }
}

static int check_allowed(struct cli *cli, const json_t *draft, const struct signer *signer,
                         const char *key_path)
{
    const char *keyid = signer_keyid(signer);

    if (holds(json_object_get(draft, "keyids_allowed"), keyid))
        return 0;
    refuse(cli, ENDS_MISUSED, "%s (%.12s…) may not sign %s", key_path, keyid,
           member_text(draft, "role", "this"));
    advise_keys(cli, draft);
    return -1;
}

/* The server says what it wants signed; that the payload is that draft is checked here. */
static int check_payload(struct cli *cli, const json_t *draft, const struct text *payload)
{
    char hash[SHA256_HEX_SIZE];

    sha256_hex(payload->at, payload->length, hash);
    if (!strcmp(hash, member_text(draft, "sha256", hash)))
        return 0;
    return refuse(cli, ENDS_SERVER, "the payload is not the one the draft names: do not sign it");
}

static int post_signature(struct cli *cli, const char *id, const char *keyid, const char *hex,
                          json_t **ret)
{
    CLEANUP(free_string) char *path = http_path("/tuf/drafts/%s/signatures", id);

    return http_post(cli, path, json_pack("{ss ss}", "keyid", keyid, "sig", hex), ret);
}

int draft_sign(struct cli *cli, const char *id, const char *key_path, json_t **ret)
{
    CLEANUP(signer_free) struct signer *signer = NULL;
    CLEANUP(text_clear) struct text payload = {0}, hex = {0};
    json_auto_t *draft = NULL, *content = NULL;
    struct error err = {0};

    if (signer_load(key_path, &signer, &err))
        return refuse_error(cli, &err);
    if (draft_fetch(cli, id, &draft) || check_allowed(cli, draft, signer, key_path) ||
        draft_payload(cli, id, &payload) || check_payload(cli, draft, &payload) ||
        payload_read(cli, &payload, &content))
        return -1;
    if (signer_sign(signer, payload.at, payload.length, &hex, &err))
        return refuse_error(cli, &err);
    return post_signature(cli, id, signer_keyid(signer), hex.at, ret);
}

/* After a refusal: how many are missing, and whose they could be. */
static void advise_missing(struct cli *cli, const char *id)
{
    struct failure failure = failure_set_aside(cli);
    json_auto_t *draft = NULL;
    int has_draft = !draft_fetch(cli, id, &draft);

    failure_put_back(cli, failure);
    if (!has_draft)
        return;
    advise(cli, "%zu of %lld signatures are there",
           json_array_size(json_object_get(draft, "signatures")),
           (long long)member_number(draft, "threshold"));
    advise_keys(cli, draft);
    advise(cli, "next: otactl release sign %s --key KEY.pem", id);
}

int draft_publish(struct cli *cli, const char *id, json_t **ret)
{
    CLEANUP(free_string) char *path = http_path("/tuf/drafts/%s/publish", id);

    if (!http_post(cli, path, json_object(), ret))
        return 0;
    if (was_refused_for(cli, "too-few-signatures"))
        advise_missing(cli, id);
    return -1;
}

void draft_print(struct cli *cli, const json_t *draft)
{
    const json_t *allowed = json_object_get(draft, "keyids_allowed"),
                 *signatures = json_object_get(draft, "signatures");
    const char *id = member_text(draft, "id", "?");
    int64_t missing = member_number(draft, "threshold") - (int64_t)json_array_size(signatures);
    size_t i;
    json_t *keyid;

    say("Draft %s: %s version %lld, %zu of %lld signatures\n", id, member_text(draft, "role", "?"),
        (long long)member_number(draft, "version"), json_array_size(signatures),
        (long long)member_number(draft, "threshold"));
    json_array_foreach(allowed, i, keyid)
    {
        const char *text = json_string_value(keyid);
        CLEANUP(free_string) char *file = text ? lab_key_file(cli, text) : NULL;

        say("  %.12s…  %-9s %s\n", text ? text : "?",
            text && holds(signatures, text) ? "signed" : "may sign", file ? file : "");
    }
    if (missing > 0) {
        say("Next, %lld more: otactl release sign %s --key KEY.pem\n", (long long)missing, id);
        say("with keys elsewhere: otactl release payload %s -o payload.bin\n", id);
    } else {
        say("Next: otactl release publish %s\n", id);
    }
}
