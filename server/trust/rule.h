/* SPDX-License-Identifier: Apache-2.0 */
/* Which rule a document broke, said so that a machine can read it: the detail of the problem begins
 * with the rule's name, "V5: version must be 4".
 *
 *     V1  size                    V7  key ids                V13 online and offline keys apart
 *     V2  strict JSON             V8  key types              V14 delegations
 *     V3  type                    V9  thresholds             V15 target paths
 *     V4  spec_version            V10 signatures             V16 stored images
 *     V5  version                 V11 root chain             V17 release entries and counters
 *     V6  expiry                  V12 consistent_snapshot    V18 paths never change their content
 */
#ifndef OTAD_TRUST_RULE_H
#define OTAD_TRUST_RULE_H

#include "core/json.h"

/* Puts the rule's name in front of a detail that core/json.h wrote. Returns -1. */
int rule_broken(struct error *err, const char *rule);

/* Text with a length, a pattern or a form. All fail with the rule in front. */
int rule_get_hex(const json_t *object, const char *name, size_t bytes, const char *rule,
                 const char **ret, struct error *err) MUST_CHECK;
int rule_get_time(const json_t *object, const char *name, const char *rule, int64_t *ret,
                  struct error *err) MUST_CHECK;

#endif
