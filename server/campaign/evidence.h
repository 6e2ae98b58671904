/* SPDX-License-Identifier: Apache-2.0 */
/* What a device's version, boot id and uptime prove about its deployment. Evidence, not words. */
#ifndef OTAD_CAMPAIGN_EVIDENCE_H
#define OTAD_CAMPAIGN_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#define BOOT_LOOP_BOOTS 3
#define BOOT_LOOP_SECONDS 600
#define POLLS_TO_CONFIRM 2

/* Texts are "" when they are not known. */
struct traces {
    const char *release_version;
    const char *version, *boot_id;               /* of the device, now */
    int64_t uptime;                              /* seconds; -1: not told */
    const char *version_before, *boot_id_before; /* when it was offered or began to install */
    int64_t polls_since, verifying_since;        /* in state verifying */
};

/* It runs the new version, in a boot of its own where boot ids are told. */
bool evidence_of_install(const struct traces *traces);
/* It runs the old version in a new boot: the bootloader took it back, or nothing was installed. */
bool evidence_of_fallback(const struct traces *traces);
/* It runs a version that is not the release's, after it did run the release's. */
bool evidence_of_loss(const struct traces *traces);
/* In state verifying: it has run long enough. Uptime proves it at once, repeated polls later; a
 * device that never told a version is believed by polls alone (*ret_is_unproven). */
bool evidence_confirms(const struct traces *traces, int64_t confirm_after, int64_t now,
                       bool *ret_is_unproven);

#endif
