/* SPDX-License-Identifier: Apache-2.0 */
/* Where the links of a reply begin. */
#include "http/internal.h"

#include "core/text.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_MAX 63 /* RFC 1035 */
#define FORWARDED_SIZE (HOST_NAME_LENGTH_MAX + sizeof "[]:65535")

static const struct scheme {
    const char *start;
    int64_t port;
} https = {"https://", 443}, http = {"http://", 80};

struct origin {
    const struct scheme *scheme;
    const char *host; /* without brackets */
    size_t length;
    int64_t port; /* 0: not told */
};

/* Labels of letters, digits and inner hyphens, separated by single dots; underscores, which some
 * private networks have. */
static bool is_host_name(const char *host)
{
    static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

    do {
        size_t length = strspn(host, plain);

        if (!length || length > LABEL_MAX || host[0] == '-' || host[length - 1] == '-')
            return false;
        host += length;
    } while (*host == '.' && *++host);
    return !*host;
}

/* `field` is where the host stands with its brackets, if it has any. */
static bool is_host(const char *field, const char *host, size_t length)
{
    char copy[HOST_NAME_LENGTH_MAX + 1];
    struct in6_addr ignored;

    if (length >= sizeof copy)
        return false;
    memcpy(copy, host, length);
    copy[length] = '\0';
    return *field == '[' ? inet_pton(AF_INET6, copy, &ignored) == 1 : is_host_name(copy);
}

bool base_url_ok(const char *url)
{
    const char *host;
    size_t length;
    int64_t port;

    if (!text_starts_with(url, https.start) && !text_starts_with(url, http.start))
        return false;
    const char *field = strchr(url, ':') + strlen("://");
    return strlen(url) < BASE_URL_SIZE && host_split(field, &host, &length, &port) &&
           is_host(field, host, length);
}

static void write_origin(const struct origin *origin, char ret[BASE_URL_SIZE])
{
    bool is_v6 = memchr(origin->host, ':', origin->length) != NULL;
    int used = snprintf(ret, BASE_URL_SIZE, "%s%s%.*s%s", origin->scheme->start, is_v6 ? "[" : "",
                        (int)origin->length, origin->host, is_v6 ? "]" : "");

    if (origin->port && origin->port != origin->scheme->port)
        snprintf(ret + used, BASE_URL_SIZE - (size_t)used, ":%lld", (long long)origin->port);
}

/* Every proxy on the way adds its word behind the others: the first is nearest to the client. Empty
 * when there is none. */
static int first_word(const struct request *req, const char *name, char ret[FORWARDED_SIZE],
                      struct error *err)
{
    const char *value = request_header(req, name);

    if (!value)
        value = "";
    value += strspn(value, " \t");
    size_t length = strcspn(value, ", \t");
    if (length >= FORWARDED_SIZE)
        return fail_field(err, PROBLEM_BAD_REQUEST, name, "the header field is malformed");
    memcpy(ret, value, length);
    ret[length] = '\0';
    return 0;
}

static int read_scheme(const char *word, struct origin *ret, struct error *err)
{
    if (!*word || text_same_ignoring_case(word, "https"))
        ret->scheme = &https;
    else if (text_same_ignoring_case(word, "http"))
        ret->scheme = &http;
    else
        return fail_field(err, PROBLEM_BAD_REQUEST, "X-Forwarded-Proto", "neither http nor https");
    return 0;
}

static int read_forwarded(struct request *req, bool *ret_is_told, struct error *err)
{
    char scheme[FORWARDED_SIZE], host[FORWARDED_SIZE], port[FORWARDED_SIZE];
    struct origin origin = {0};

    if (first_word(req, "X-Forwarded-Proto", scheme, err) ||
        first_word(req, "X-Forwarded-Host", host, err) ||
        first_word(req, "X-Forwarded-Port", port, err) || read_scheme(scheme, &origin, err))
        return -1;
    *ret_is_told = *scheme || *host || *port;
    const char *field = *host ? host : req->head.known[FIELD_HOST];
    if (!host_split(field, &origin.host, &origin.length, &origin.port) ||
        !is_host(field, origin.host, origin.length))
        return fail_field(err, PROBLEM_BAD_REQUEST, "X-Forwarded-Host", "no host");
    if (*port && (!number_from_text(port, &origin.port) || !origin.port || origin.port > PORT_MAX))
        return fail_field(err, PROBLEM_BAD_REQUEST, "X-Forwarded-Port", "no port");
    write_origin(&origin, req->base_url);
    return 0;
}

int request_write_base_url(struct request *req, struct error *err)
{
    const struct http_server *server = request_server(req);
    bool is_told = false;

    if (server->takes_forwarded && req->client->peer.is_trusted &&
        read_forwarded(req, &is_told, err))
        return -1;
    if (is_told)
        return 0;
    /* The length of a Host header is bounded by the names it was compared with. */
    snprintf(req->base_url, sizeof req->base_url, "%s%s", *server->base_url ? "" : https.start,
             *server->base_url ? server->base_url : req->head.known[FIELD_HOST]);
    return 0;
}
