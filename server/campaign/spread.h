/* SPDX-License-Identifier: Apache-2.0 */
/* When a device is to come again: each has its own moment, by the hash of its id, so that a fleet
 * never comes at once and finds its old order again after an outage. Nothing is remembered. */
#ifndef OTAD_CAMPAIGN_SPREAD_H
#define OTAD_CAMPAIGN_SPREAD_H

#include "core/config.h"

#include <stdint.h>

#define SPREAD_LONGEST 86399 /* nobody is told to wait for longer; DDI cannot write more */

/* Uniform over 64 bits. Different `purpose`s give one device values that tell nothing of each
 * other; who knows the ids can compute it, so it decides about load and never about rights. */
uint64_t spread_hash(const char *device_id, uint64_t purpose);

/* Seconds until the next slot of the device that is at least half an interval away; at most one
 * and a half intervals. Its slots are one interval apart, at hash(id) modulo the interval, whatever
 * happened before: who comes in time is told one interval, who comes out of step is led back. */
int64_t spread_poll(const char *device_id, int64_t interval, int64_t now);

/* For "in about `wait` seconds": from then on over a quarter of the interval, not before `least`.
 */
int64_t spread_wait(const char *device_id, int64_t wait, int64_t interval, int64_t least);

/* Sooner than this nobody is told to come: device.poll_minimum, but never more than device.poll. */
int64_t spread_soonest(const struct config *config);

#endif
