/* SPDX-License-Identifier: Apache-2.0 */
/* A write that bears an Idempotency-Key is done once: sent again by the same operator within 24
 * hours it gets the first answer. */
#ifndef OTAD_API_IDEMPOTENCY_H
#define OTAD_API_IDEMPOTENCY_H

#include "http/server.h"

/* Suits http_hooks.perform, for the operator listener. */
int perform_once(void *app, const struct route *route, struct request *req, struct reply *reply,
                 struct error *err);

#endif
