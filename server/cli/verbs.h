/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of verbs, one per file, and the few things they borrow from each other. */
#ifndef OTAD_CLI_VERBS_H
#define OTAD_CLI_VERBS_H

#include "cli/cli.h"

extern const struct group init_group, device_group, fleet_group, upload_group, artifact_group,
    product_group, trust_group, release_group, draft_group, campaign_group, operator_group,
    token_group, audit_group, server_group, reload_group, completion_group, channel_group,
    freeze_group, site_group, list_group, stop_group, authentication_group;

/* issue.c, for device.c, which has its options */
int device_issue(struct cli *cli) MUST_CHECK;
/* authentication.c, likewise */
int device_token(struct cli *cli) MUST_CHECK;

/* upload.c, for release.c: brings the file to the server unless it is there; the artifact is the
 * caller's. */
int upload_file(struct cli *cli, const char *path, const char *encoding, json_t **ret) MUST_CHECK;

/* product.c, for release.c: gives a server without a root the first root and targets file that
 * `otactl init` made. */
int trust_ensure(struct cli *cli) MUST_CHECK;

/* draft.c: signing, as release and product share it. */
int draft_fetch(struct cli *cli, const char *id, json_t **ret) MUST_CHECK;
int draft_payload(struct cli *cli, const char *id, struct text *ret) MUST_CHECK;
/* With a private key of this machine; only the signature travels. The draft as it is then. */
int draft_sign(struct cli *cli, const char *id, const char *key_path, json_t **ret) MUST_CHECK;
int draft_publish(struct cli *cli, const char *id, json_t **ret) MUST_CHECK;
/* Who may sign, who did, and the next command. */
void draft_print(struct cli *cli, const json_t *draft);

/* review.c: what a payload says, for the eyes of who signs it. */
int payload_read(struct cli *cli, const struct text *payload, json_t **ret) MUST_CHECK;
void payload_print(const json_t *signed_part);

#endif
