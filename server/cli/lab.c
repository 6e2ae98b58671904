/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lab.h"

#include "cli/files.h"
#include "cli/settings.h"
#include "trust/envelope.h"

#include <dirent.h>
#include <string.h>

static char *key_path(const char *folder, const char *name, size_t n, size_t count)
{
    struct text path = {0};

    text_format(&path, "%s/%s", folder, name);
    if (count > 1)
        text_format(&path, "-%zu", n + 1);
    text_append(&path, ".pem");
    return text_take(&path);
}

static void wipe(struct text *pem)
{
    if (pem->at)
        explicit_bzero(pem->at, pem->length);
    text_clear(pem);
}

static int make_key(struct cli *cli, const char *path, struct signer **ret)
{
    CLEANUP(wipe) struct text pem = {0};
    struct error err = {0};

    if (sign_make_key("ed25519", &pem, &err))
        return refuse_error(cli, &err);
    if (file_create_text(cli, path, 0400, &pem))
        return -1;
    return signer_read(pem.at, ret, &err) ? refuse_error(cli, &err) : 0;
}

int lab_keys_make(struct cli *cli, const char *folder, const char *name, size_t count,
                  struct lab_keys *ret)
{
    for (size_t n = 0; n < count; n++) {
        CLEANUP(free_string) char *path = key_path(folder, name, n, count);

        if (!path)
            return refuse(cli, ENDS_MISUSED, "out of memory");
        if (make_key(cli, path, &ret->signers[n]))
            return -1;
        ret->objects[n] = signer_key_object(ret->signers[n]);
        ret->count = n + 1;
    }
    return 0;
}

void lab_keys_clear(struct lab_keys *keys)
{
    for (size_t n = 0; n < keys->count; n++)
        signer_free(&keys->signers[n]);
    keys->count = 0;
}

struct build_signers lab_signers(const struct lab_keys *keys, int64_t threshold)
{
    return (struct build_signers){keys->objects, keys->count, threshold};
}

char *lab_key_path(struct cli *cli, const char *name, int n)
{
    const struct settings *settings;

    if (settings_need(cli, &settings) || !settings->keys)
        return NULL;
    CLEANUP(free_string) char *path = key_path(settings->keys, name, (size_t)n - 1, LAB_KEYS);
    return path && !access(path, R_OK) ? MOVE(path) : NULL;
}

static bool is_key_file(const char *path, const char *keyid)
{
    CLEANUP(signer_free) struct signer *signer = NULL;
    struct error err = {0};

    return !signer_load(path, &signer, &err) && !strcmp(signer_keyid(signer), keyid);
}

char *lab_key_file(struct cli *cli, const char *keyid)
{
    const char *folder_name = cli->settings ? cli->settings->keys : NULL;
    DIR *folder = folder_name ? opendir(folder_name) : NULL;
    struct dirent *entry;
    char *found = NULL;

    while (folder && !found && (entry = readdir(folder))) {
        const char *dot = strrchr(entry->d_name, '.');
        CLEANUP(free_string)
        char *path = dot && !strcmp(dot, ".pem") ? path_in(folder_name, entry->d_name) : NULL;
        if (path && is_key_file(path, keyid))
            found = MOVE(path);
    }
    if (folder)
        closedir(folder);
    return found;
}

static int add_signature(const struct signer *signer, struct envelope *envelope, struct error *err)
{
    CLEANUP(text_clear) struct text hex = {0};

    if (signer_sign(signer, envelope->payload.at, envelope->payload.length, &hex, err))
        return -1;
    return envelope_add(envelope, signer_keyid(signer), hex.at, err);
}

int lab_sign(struct cli *cli, json_t *document, const struct lab_keys *keys, struct text *ret)
{
    CLEANUP(envelope_clear) struct envelope envelope = {0};
    struct error err = {0};

    if (envelope_around(document, &envelope, &err))
        return refuse_error(cli, &err);
    for (size_t n = 0; n < LAB_THRESHOLD && n < keys->count; n++)
        if (add_signature(keys->signers[n], &envelope, &err))
            return refuse_error(cli, &err);
    return envelope_write(&envelope, ret, &err) ? refuse_error(cli, &err) : 0;
}
