/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTAD_API_DEVICE_ROUTES_H
#define OTAD_API_DEVICE_ROUTES_H

#include "http/server.h"

extern const struct routes ddi_routes, native_routes, device_tuf_routes;

#endif
