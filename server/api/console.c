/* SPDX-License-Identifier: Apache-2.0 */
/* The console and the API's description: files that are part of this program. Whoever reads them
 * learns nothing; what they then ask for needs a certificate or a token. */
#include "api/console.h"

#include "core/digest.h"
#include "core/text.h"

#include <pthread.h>
#include <string.h>

#include "openapi.h"
#include "web_files.h"

#define FOLDER "/console/"
#define INDEX "index.html"

const char *console_type(const char *path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html",  "text/html; charset=utf-8"      },
        {".css",   "text/css; charset=utf-8"       },
        {".js",    "text/javascript; charset=utf-8"},
        {".json",  "application/json"              },
        {".svg",   "image/svg+xml"                 },
        {".png",   "image/png"                     },
        {".ico",   "image/vnd.microsoft.icon"      },
        {".woff2", "font/woff2"                    },
    };
    const char *ending = strrchr(path, '.');

    for (size_t i = 0; ending && i < COUNT_OF(types); i++)
        if (strcmp(ending, types[i].ending) == 0)
            return types[i].type;
    return "application/octet-stream";
}

#define ETAG_SIZE (SHA256_HEX_SIZE + 2)
/* One more than there are files: an array of none is no array. */
static char etags[COUNT_OF(web_files) + 1][ETAG_SIZE];
static pthread_once_t etags_made = PTHREAD_ONCE_INIT;

static void make_etag(const void *bytes, size_t size, char ret[ETAG_SIZE])
{
    char hex[SHA256_HEX_SIZE];

    sha256_hex(bytes, size, hex);
    snprintf(ret, ETAG_SIZE, "\"%s\"", hex);
}

static void make_etags(void)
{
    for (size_t i = 0; i < COUNT_OF(web_files); i++)
        make_etag(web_files[i].bytes, web_files[i].size, etags[i]);
    make_etag(openapi_json, sizeof openapi_json - 1, etags[COUNT_OF(web_files)]);
}

static int reply_file(struct request *req, struct reply *reply, const char *etag, const char *type,
                      const void *bytes, size_t size)
{
    const char *known = request_header(req, "If-None-Match");

    reply_header(reply, "ETag", etag);
    reply_header(reply, "Cache-Control", "no-cache");
    if (known && strcmp(known, etag) == 0)
        return reply_empty(reply, 304);
    return reply_static(reply, 200, type, bytes, size);
}

static int get_file(struct request *req, struct reply *reply, struct error *err)
{
    const char *path = request_path(req) + strlen(FOLDER);

    if (!*path)
        path = INDEX;
    pthread_once(&etags_made, make_etags);
    for (size_t i = 0; i < COUNT_OF(web_files); i++) {
        if (strcmp(web_files[i].path, path) != 0)
            continue;
        /* Scripts and styles are files of ours; nothing inline, nothing from elsewhere, no frames.
         */
        reply_header(
            reply, "Content-Security-Policy",
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
        reply_header(reply, "Referrer-Policy", "no-referrer");
        return reply_file(req, reply, etags[i], console_type(path), web_files[i].bytes,
                          web_files[i].size);
    }
    return fail(err, PROBLEM_NOT_FOUND, "the console has no such file");
}

static int get_openapi(struct request *req, struct reply *reply, struct error *err)
{
    (void)err;
    pthread_once(&etags_made, make_etags);
    return reply_file(req, reply, etags[COUNT_OF(web_files)], "application/json", openapi_json,
                      sizeof openapi_json - 1);
}

#define ANYONE AUDIENCE_ANYONE, NULL, READ, NO_BODY, 0

static const struct route rows[] = {
    {"GET", FOLDER,                 ANYONE, get_file,    NULL},
    {"GET", FOLDER ":file",         ANYONE, get_file,    NULL},
    {"GET", FOLDER ":folder/:file", ANYONE, get_file,    NULL},
    {"GET", "/api/v1/openapi.json", ANYONE, get_openapi, NULL},
};
const struct routes console_routes = {rows, COUNT_OF(rows)};
