/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTAD_API_OPERATOR_ARTIFACT_JSON_H
#define OTAD_API_OPERATOR_ARTIFACT_JSON_H

#include "core/json.h"
#include "store/artifact.h"

/* An image as operators see it; yours. */
int artifact_to_json(const struct artifact *artifact, json_t **ret, struct error *err) MUST_CHECK;

#endif
