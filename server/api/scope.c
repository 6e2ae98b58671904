/* SPDX-License-Identifier: Apache-2.0 */
#include "api/scope.h"

#include "core/cleanup.h"

#include <string.h>

enum scope {
    INVENTORY_READ,
    SERVER_READ,
    DEVICE_WRITE,
    DEVICE_APPROVE,
    DEVICE_REVOKE,
    ARTIFACT_WRITE,
    TUF_DRAFT,
    TUF_SIGN,
    TUF_PUBLISH,
    DEPLOY_WRITE,
    DEPLOY_APPROVE,
    DEPLOY_HALT,
    KEY_WRITE,
    CA_ADMIN,
    TOKEN_ADMIN,
    AUDIT_READ,
    SYSTEM_ADMIN,
};

#define BIT(scope) (UINT64_C(1) << (scope))
#define READER (BIT(INVENTORY_READ) | BIT(SERVER_READ))

static const char *const scopes[] = {
    [INVENTORY_READ] = "inventory:read", [SERVER_READ] = "server:read",
    [DEVICE_WRITE] = "device:write",     [DEVICE_APPROVE] = "device:approve",
    [DEVICE_REVOKE] = "device:revoke",   [ARTIFACT_WRITE] = "artifact:write",
    [TUF_DRAFT] = "tuf:draft",           [TUF_SIGN] = "tuf:sign",
    [TUF_PUBLISH] = "tuf:publish",       [DEPLOY_WRITE] = "deploy:write",
    [DEPLOY_APPROVE] = "deploy:approve", [DEPLOY_HALT] = "deploy:halt",
    [KEY_WRITE] = "key:write",           [CA_ADMIN] = "ca:admin",
    [TOKEN_ADMIN] = "token:admin",       [AUDIT_READ] = "audit:read",
    [SYSTEM_ADMIN] = "system:admin",
};

static const struct {
    const char *name;
    uint64_t scopes;
} roles[] = {
    {"viewer",           READER                                                            },
    {"support",          READER | BIT(DEVICE_APPROVE) | BIT(DEPLOY_HALT)                   },
    {"release-engineer", READER | BIT(ARTIFACT_WRITE) | BIT(TUF_DRAFT)                     },
    {"signer",           READER | BIT(TUF_SIGN)                                            },
    {"release-manager",
     READER | BIT(DEPLOY_WRITE) | BIT(DEPLOY_APPROVE) | BIT(DEPLOY_HALT) | BIT(TUF_PUBLISH)},
    {"approver",
     READER | BIT(DEPLOY_APPROVE) | BIT(DEPLOY_HALT) | BIT(DEVICE_REVOKE) | BIT(AUDIT_READ)},
    {"admin",            (BIT(SYSTEM_ADMIN) << 1) - 1                                      },
};

uint64_t scope_bit(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(scopes); i++)
        if (strcmp(scopes[i], name) == 0)
            return BIT(i);
    return 0;
}

uint64_t role_scopes(const char *role)
{
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (strcmp(roles[i].name, role) == 0)
            return roles[i].scopes;
    return 0;
}
