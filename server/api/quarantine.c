/* SPDX-License-Identifier: Apache-2.0 */
#include "api/app.h"

#include "core/clock.h"
#include "core/digest.h"
#include "core/log.h"
#include "core/text.h"
#include "store/artifact.h"
#include "store/audit.h"

struct broken {
    const uint8_t *sha256;
    const char *hex, *reason;
};

static int mark(struct tx *tx, void *arg, struct error *err)
{
    const struct broken *broken = arg;
    int64_t now = clock_wall();
    struct audit audit = {
        .at = now,
        .actor_kind = "server",
        .actor = "otad",
        .action = "artifact.broken",
        .object = broken->hex,
        .outcome = "done",
        .detail = broken->reason,
    };

    return artifact_mark_broken(tx, broken->sha256, now, err) || audit_write(tx, &audit, err) ? -1
                                                                                              : 0;
}

void api_blob_broken(void *app, const uint8_t sha256[32], const char *reason)
{
    char hex[SHA256_HEX_SIZE];
    struct broken broken = {sha256, hex, reason};
    struct error err = {0};

    hex_from_bytes(sha256, SHA256_SIZE, hex);
    log_error("artifact.broken", TEXT("sha256", hex), TEXT("reason", reason));
    if (store_write(((struct app *)app)->store, mark, &broken, &err))
        log_error("artifact.not_quarantined", TEXT("sha256", hex), CAUSE(&err));
}
