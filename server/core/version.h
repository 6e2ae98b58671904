/* SPDX-License-Identifier: Apache-2.0 */
/* The order of versions, for filters and for nothing that decides about safety (signed counters
 * do). SQL has the same order as version_order(a, b), which answers -1, 0 or 1.
 *
 * A version is  core [("-" | "~") pre-release] ["+" build]  with an optional "v" before the first
 * digit. The cores are compared first, identifier by identifier between dots, a missing one
 * counting as 0: "1.2" equals "1.2.0". Inside an identifier, runs of digits compare by value and
 * other bytes as they are, digits before letters: "rc9" < "rc10", "1.2" < "1.2a". With equal cores
 * a version with a pre-release is lower than one without; two pre-releases compare like cores, but
 * there a missing identifier is the lowest: "1.0-rc" < "1.0-rc.1" < "1.0". The build part never
 * counts. */
#ifndef OTAD_CORE_VERSION_H
#define OTAD_CORE_VERSION_H

/* Below zero, zero or above zero, as strcmp(). Any text has its place. */
int version_compare(const char *a, const char *b);

#endif
