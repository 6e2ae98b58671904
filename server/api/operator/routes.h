/* SPDX-License-Identifier: Apache-2.0 */
/* Every file of this folder exports one table, <name>_routes; a name in this list is all it takes
 * to serve it. */
#ifndef OTAD_API_OPERATOR_ROUTES_H
#define OTAD_API_OPERATOR_ROUTES_H

#include "api/app.h"

#define OPERATOR_TABLES(TABLE)                                                                     \
    TABLE(server)                                                                                  \
    TABLE(devices)                                                                                 \
    TABLE(device_states)                                                                           \
    TABLE(device_deployments)                                                                      \
    TABLE(device_import)                                                                           \
    TABLE(device_authentication)                                                                   \
    TABLE(fleet)                                                                                   \
    TABLE(operators)                                                                               \
    TABLE(tokens)                                                                                  \
    TABLE(uploads)                                                                                 \
    TABLE(artifacts)                                                                               \
    TABLE(tuf)                                                                                     \
    TABLE(campaign_acts)                                                                           \
    TABLE(campaigns)                                                                               \
    TABLE(components)                                                                              \
    TABLE(releases)                                                                                \
    TABLE(channels)                                                                                \
    TABLE(pins)                                                                                    \
    TABLE(freezes)                                                                                 \
    TABLE(emergency)                                                                               \
    TABLE(sites)                                                                                   \
    TABLE(lists)                                                                                   \
    TABLE(audit)

#define TABLE(name) extern const struct routes name##_routes;
OPERATOR_TABLES(TABLE)
#undef TABLE

/* uploads.c: drops unfinished uploads without a byte for `upload.expiry`, and files that nobody
 * knows. Any thread but the writer, now and then. */
int uploads_expire(struct app *app, int64_t now, struct error *err) MUST_CHECK;

#endif
