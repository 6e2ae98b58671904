/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of failure: which are worth another try, when, and which count against the budget at once.
 */
#ifndef OTAD_CAMPAIGN_FAILURE_H
#define OTAD_CAMPAIGN_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

enum failure {
    FAILURE_UNKNOWN,
    FAILURE_NETWORK,
    FAILURE_STORAGE,
    FAILURE_POWER,
    FAILURE_BUSY,
    FAILURE_INSTALL,
    FAILURE_SIGNATURE,
    FAILURE_HASH,
    FAILURE_INCOMPATIBLE,
    FAILURE_BOOT,
    FAILURE_REVERTED,
    FAILURE_CLASSES
};

const char *failure_name(enum failure failure);
/* A word that is no class is FAILURE_UNKNOWN. */
enum failure failure_of(const char *name);
/* A guess from a device's own words; NULL is FAILURE_UNKNOWN. */
enum failure failure_from_words(const char *words);

/* When the device may be offered it again after its n-th failed attempt, 0: never. */
int64_t failure_retry_at(enum failure failure, int64_t attempts_failed, int64_t attempts_max,
                         int64_t now);
/* The device is hardly to blame: counts only when no retry is left. */
bool failure_counts_late(enum failure failure);
/* Something is wrong with the release or its way, not with the device. */
bool failure_alarms(enum failure failure);

#endif
