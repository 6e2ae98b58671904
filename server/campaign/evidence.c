/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/evidence.h"

#include <string.h>

static bool runs(const struct traces *traces, const char *version)
{
    return version[0] && strcmp(traces->version, version) == 0;
}

bool evidence_of_install(const struct traces *traces)
{
    bool boots_are_known = traces->boot_id[0] && traces->boot_id_before[0];

    return runs(traces, traces->release_version) &&
           !(boots_are_known && strcmp(traces->boot_id, traces->boot_id_before) == 0);
}

bool evidence_of_fallback(const struct traces *traces)
{
    return traces->boot_id[0] && traces->boot_id_before[0] &&
           strcmp(traces->boot_id, traces->boot_id_before) != 0 &&
           runs(traces, traces->version_before) && !runs(traces, traces->release_version);
}

bool evidence_of_loss(const struct traces *traces)
{
    return traces->version[0] && !runs(traces, traces->release_version);
}

bool evidence_confirms(const struct traces *traces, int64_t confirm_after, int64_t now,
                       bool *ret_is_unproven)
{
    bool has_waited = now - traces->verifying_since >= confirm_after;
    bool has_polled = traces->polls_since >= POLLS_TO_CONFIRM;

    *ret_is_unproven = traces->version[0] == '\0';
    if (*ret_is_unproven)
        return has_waited && has_polled;
    if (!runs(traces, traces->release_version))
        return false;
    return confirm_after == 0 || traces->uptime >= confirm_after || (has_waited && has_polled);
}
