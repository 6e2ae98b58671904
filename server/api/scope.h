/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator may do: scopes as bits, roles as sets of them. */
#ifndef OTAD_API_SCOPE_H
#define OTAD_API_SCOPE_H

#include <stdint.h>

/* 0 for a name that is no scope: nobody has it. */
uint64_t scope_bit(const char *name);
/* 0 for a name that is no role. */
uint64_t role_scopes(const char *role);

#endif
