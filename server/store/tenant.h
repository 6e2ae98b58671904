/* SPDX-License-Identifier: Apache-2.0 */
/* What a tenant takes for proof of who a device is, beside certificates. */
#ifndef OTAD_STORE_TENANT_H
#define OTAD_STORE_TENANT_H

#include "store/store.h"

struct device_authentication {
    bool takes_target_tokens;
    uint8_t gateway_hash[32]; /* SHA-256 of the gateway token */
    int64_t gateway_at;       /* when it was made; 0: there is none */
};

int tenant_authentication(struct tx *tx, int64_t tenant_row, struct device_authentication *ret,
                          struct error *err) MUST_CHECK;

/* Both move the generation along. */
int tenant_set_target_tokens(struct tx *tx, int64_t tenant_row, bool are_taken,
                             struct error *err) MUST_CHECK;
/* NULL takes it away. */
int tenant_set_gateway_token(struct tx *tx, int64_t tenant_row, const uint8_t hash[32], int64_t now,
                             struct error *err) MUST_CHECK;

#endif
