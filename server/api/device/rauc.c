/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/device/rauc: RAUC polls by itself, without any agent. 307 leads to the bundle, 304 to the
 * one it has seen last, 204 says that there is nothing; the bundle itself is fetched in ranges from
 * where it lies. RAUC keeps its own interval. */
#include "api/device/visit.h"

#include "http/etag.h"

int rauc_poll(struct request *req, struct reply *reply, struct error *err)
{
    const char *seen = request_header(req, "If-None-Match");
    CLEANUP(visit_clear)
    struct visit visit = {
        .req = req,
        .suffix = ".raucb",
        .evidence = {.version = visit_version(request_header(req, "RAUC-System-Version")),
                     .boot_id = visit_boot_id(request_header(req, "RAUC-Boot-ID")),
                     .uptime = visit_uptime(request_header(req, "RAUC-Uptime")),
                     .floor = -1},
        .installs = request_header(req, "RAUC-Transaction-ID"),
    };
    int taken = visit_take(&visit, err);

    if (taken != HANDLE_OK)
        return taken;
    if (!visit.url.length)
        return reply_empty(reply, 204);
    reply_header(reply, "ETag", visit.etag);
    if (seen && etag_is_listed(seen, visit.etag, false))
        return reply_empty(reply, 304);
    reply_header(reply, "Location", visit.url.at);
    return reply_empty(reply, 307);
}
