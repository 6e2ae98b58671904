/* SPDX-License-Identifier: Apache-2.0 */
/* The signing keys of a laboratory installation, in keys/, and role files signed with them.
 * Production keeps such keys offline and signs with otactl release sign or with other tools. */
#ifndef OTAD_CLI_LAB_H
#define OTAD_CLI_LAB_H

#include "cli/cli.h"

#include "trust/build.h"
#include "trust/sign.h"

#define LAB_KEYS 3
#define LAB_THRESHOLD 2

/* Up to LAB_KEYS keys of one role. Zeroed is empty. */
struct lab_keys {
    struct signer *signers[LAB_KEYS];
    const json_t *objects[LAB_KEYS]; /* of the signers, in the same order */
    size_t count;
};

/* Makes keys/<name>-1.pem … (with `count` 1: keys/<name>.pem), mode 0400, and opens them. */
int lab_keys_make(struct cli *cli, const char *folder, const char *name, size_t count,
                  struct lab_keys *ret) MUST_CHECK;
void lab_keys_clear(struct lab_keys *keys);
struct build_signers lab_signers(const struct lab_keys *keys, int64_t threshold);

/* keys/<name>-<n>.pem if it is there, else NULL; the caller's to free. */
char *lab_key_path(struct cli *cli, const char *name, int n) MUST_CHECK;
/* The file in keys/ that holds this key, or NULL; the caller's to free. */
char *lab_key_file(struct cli *cli, const char *keyid) MUST_CHECK;

/* The published form of `document`, signed with the first LAB_THRESHOLD of the keys. */
int lab_sign(struct cli *cli, json_t *document, const struct lab_keys *keys,
             struct text *ret) MUST_CHECK;

#endif
