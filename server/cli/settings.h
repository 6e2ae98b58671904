/* SPDX-License-Identifier: Apache-2.0 */
/* otactl.conf: where the server is, and who we are to it. */
#ifndef OTAD_CLI_SETTINGS_H
#define OTAD_CLI_SETTINGS_H

#include "cli/cli.h"

/* All paths are absolute or relative to the working directory, ready to open; NULL when not set. */
struct settings {
    char *file;        /* the otactl.conf that was read */
    char *folder;      /* where it lies */
    char *url;         /* https://host:port, without a slash at the end */
    char *ca;          /* who may vouch for the server; no other authority is trusted */
    char *certificate; /* of the operator */
    char *key;
    char *token_file; /* instead of the certificate, or with it */
    char *keys;       /* laboratory: the folder of CA and signing keys */
    char *pki;        /* laboratory: the folder of certificates and the first TUF files */
};

/* Finds and reads the file once: -C, $OTACTL_DIR, ~/.config/otactl, /etc/otad. */
int settings_need(struct cli *cli, const struct settings **ret) MUST_CHECK;
void settings_free(struct settings **settings);

/* folder/name, or a copy of an absolute name; the caller's to free. NULL when memory is out. */
char *path_in(const char *folder, const char *name) MUST_CHECK;

#endif
