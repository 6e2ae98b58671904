/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/failure.h"

#include <stddef.h>
#include <string.h>

#define RETRY_FIRST (15 * 60)
#define RETRY_LONGEST (24 * 60 * 60)

static const struct {
    const char *name;
    int retries;
    bool counts_late, alarms;
} classes[FAILURE_CLASSES] = {
    [FAILURE_UNKNOWN] = {"unknown",      1, false, false},
    [FAILURE_NETWORK] = {"network",      5, true,  false},
    [FAILURE_STORAGE] = {"storage",      5, false, false},
    [FAILURE_POWER] = {"power",        5, true,  false},
    [FAILURE_BUSY] = {"busy",         5, true,  false},
    [FAILURE_INSTALL] = {"install",      1, false, false},
    [FAILURE_SIGNATURE] = {"signature",    0, false, true },
    [FAILURE_HASH] = {"hash",         0, false, true },
    [FAILURE_INCOMPATIBLE] = {"incompatible", 0, false, false},
    [FAILURE_BOOT] = {"boot",         0, false, false},
    [FAILURE_REVERTED] = {"reverted",     0, false, false},
};

/* The first that is found decides: what points at the image comes before what points at the way. */
static const struct {
    const char *words;
    enum failure failure;
} hints[] = {
    {"signature",         FAILURE_SIGNATURE},
    {"not signed",        FAILURE_SIGNATURE},
    {"certificate verif", FAILURE_SIGNATURE},
    {"hash",              FAILURE_HASH     },
    {"checksum",          FAILURE_HASH     },
    {"digest",            FAILURE_HASH     },
    {"no space",          FAILURE_STORAGE  },
    {"disk full",         FAILURE_STORAGE  },
    {"read-only file",    FAILURE_STORAGE  },
    {"battery",           FAILURE_POWER    },
    {"power",             FAILURE_POWER    },
    {"busy",              FAILURE_BUSY     },
    {"rolled back",       FAILURE_REVERTED },
    {"rollback",          FAILURE_REVERTED },
    {"reverted",          FAILURE_REVERTED },
    {"boot",              FAILURE_BOOT     },
    {"timeout",           FAILURE_NETWORK  },
    {"timed out",         FAILURE_NETWORK  },
    {"connection",        FAILURE_NETWORK  },
    {"network",           FAILURE_NETWORK  },
    {"could not resolve", FAILURE_NETWORK  },
    {"curl",              FAILURE_NETWORK  },
    {"http",              FAILURE_NETWORK  },
    {"download",          FAILURE_NETWORK  },
    {"install",           FAILURE_INSTALL  },
    {"handler",           FAILURE_INSTALL  },
    {"flash",             FAILURE_INSTALL  },
    {"write",             FAILURE_INSTALL  },
};

const char *failure_name(enum failure failure)
{
    return classes[failure].name;
}

enum failure failure_of(const char *name)
{
    for (int i = 0; i < FAILURE_CLASSES; i++)
        if (strcmp(classes[i].name, name) == 0)
            return (enum failure)i;
    return FAILURE_UNKNOWN;
}

enum failure failure_from_words(const char *words)
{
    for (size_t i = 0; words && i < sizeof hints / sizeof hints[0]; i++)
        if (strcasestr(words, hints[i].words))
            return hints[i].failure;
    return FAILURE_UNKNOWN;
}

int64_t failure_retry_at(enum failure failure, int64_t attempts_failed, int64_t attempts_max,
                         int64_t now)
{
    if (attempts_failed > classes[failure].retries || attempts_failed >= attempts_max)
        return 0;
    int64_t wait = RETRY_FIRST;
    for (int64_t i = 1; i < attempts_failed && wait < RETRY_LONGEST; i++)
        wait *= 2;
    return now + (wait < RETRY_LONGEST ? wait : RETRY_LONGEST);
}

bool failure_counts_late(enum failure failure)
{
    return classes[failure].counts_late;
}

bool failure_alarms(enum failure failure)
{
    return classes[failure].alarms;
}
