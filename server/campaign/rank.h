/* SPDX-License-Identifier: Apache-2.0 */
/* Where a device stands in a campaign's line: a hash, so that membership of a wave needs no list.
 */
#ifndef OTAD_CAMPAIGN_RANK_H
#define OTAD_CAMPAIGN_RANK_H

#include <stdint.h>

#define SALT_SIZE 16
#define RANK_MAX INT64_MAX

/* The first 63 bits of SHA-256(salt || device id), 0..RANK_MAX. The salt is drawn for each
 * campaign, so that the burden of going first moves around. */
int64_t rank_of(const uint8_t salt[SALT_SIZE], const char *device_id);

/* The highest rank inside the first `percent` of the line; -1 for none, RANK_MAX for all. A higher
 * percentage only ever adds devices. */
int64_t rank_limit(double percent);

#endif
