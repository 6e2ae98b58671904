/* SPDX-License-Identifier: Apache-2.0 */
/* Load for the bench: the same few requests over and over from many devices, with times taken. */
#ifndef OTAD_FLEET_LOAD_H
#define OTAD_FLEET_LOAD_H

#include "fleet.h"

bool load_mode_exists(const char *mode);

/* Runs options.mode until so many requests are answered or so many seconds are over, and prints one
 * line of JSON: ops, seconds, rate, p50_us, p99_us, bytes, handshakes, errors, cpu_seconds. */
int load_run(struct fleet *fleet, struct error *err) MUST_CHECK;

/* One poll of the first device: 0 answered, 3 the server's authority is not ours, 4 its certificate
 * is for another name, 5 no answer or a refusal. Says so on standard output. */
int load_connect(struct fleet *fleet, struct error *err) MUST_CHECK;

#endif
