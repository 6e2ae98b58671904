/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, narrowed to what we want of it: HTTPS to the one server of otactl.conf, vouched for by
 * the one authority named there, no proxy, no redirect, no cookie. */
#include "cli/http.h"

#include "cli/call.h"
#include "cli/settings.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/select.h>

#define ANSWER_MAX_BYTES (64 * MIB)
#define CONNECT_SECONDS 10L
#define STALLED_SECONDS 120L /* without a byte in either direction */
#define LOOK_MS 1000         /* how often at least we look after a transfer that stands still */
#define TOKEN_MAX_BYTES 256

struct http {
    CURL *curl;
    CURLM *transfers;    /* the one of `curl`, and the connection it keeps */
    char *authorization; /* the header with the token, or NULL */
    char reason[CURL_ERROR_SIZE];
};

struct exchange {
    struct answer *answer;
    const struct ask *ask;
    struct text body;
};

void answer_clear(struct answer *answer)
{
    free(answer->bytes);
    json_decref(answer->json);
    *answer = (struct answer){.offset = -1};
}

/* -- paths -- */

char *http_path(const char *pattern, ...)
{
    struct text path = {0};
    va_list values;

    va_start(values, pattern);
    for (const char *at = pattern; *at; at++)
        if (at[0] == '%' && at[1] == 's') {
            text_url_segment(&path, va_arg(values, const char *));
            at++;
        } else {
            text_append_bytes(&path, at, 1);
        }
    va_end(values);
    return text_take(&path);
}

void http_query(struct text *path, const char *name, const char *value)
{
    if (!value)
        return;
    text_append(path, path->at && strchr(path->at, '?') ? "&" : "?");
    text_url_segment(path, name);
    text_append(path, "=");
    text_url_segment(path, value);
}

/* -- opening -- */

static int read_token(struct cli *cli, const char *path, char **ret)
{
    CLEANUP(close_file) FILE *file = fopen(path, "re");
    char line[TOKEN_MAX_BYTES];
    struct text header = {0};

    if (!file || !fgets(line, sizeof line, file))
        return refuse(cli, ENDS_MISUSED, "the token file %s cannot be read", path);
    line[strcspn(line, "\r\n")] = '\0';
    if (!*line || line[strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "_-.~+/=")])
        return refuse(cli, ENDS_MISUSED, "%s holds no token on its first line", path);
    text_format(&header, "Authorization: Bearer %s", line);
    explicit_bzero(line, sizeof line);
    *ret = text_take(&header);
    return *ret ? 0 : refuse(cli, ENDS_MISUSED, "out of memory");
}

static int check_readable(struct cli *cli, const char *path, const char *what)
{
    if (!path || !access(path, R_OK))
        return 0;
    return refuse(cli, ENDS_MISUSED, "%s %s: %s", what, path, strerror(errno));
}

static int set_identity(struct cli *cli, struct http *http, const struct settings *settings)
{
    const char *token_file = option(cli, "token-file");

    if (!token_file)
        token_file = settings->token_file;
    if (token_file && read_token(cli, token_file, &http->authorization))
        return -1;
    if (!settings->certificate || has_option(cli, "token-file"))
        return token_file
                   ? 0
                   : refuse(cli, ENDS_MISUSED, "%s names neither a certificate nor a token_file",
                            settings->file);
    if (check_readable(cli, settings->certificate, "the certificate") ||
        check_readable(cli, settings->key, "the key"))
        return -1;
    curl_easy_setopt(http->curl, CURLOPT_SSLCERT, settings->certificate);
    curl_easy_setopt(http->curl, CURLOPT_SSLKEY, settings->key);
    return 0;
}

static void set_transport(struct http *http, const struct settings *settings)
{
    CURL *curl = http->curl;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->reason);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CAINFO, settings->ca);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALLED_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "otactl");
}

static int http_open(struct cli *cli)
{
    CLEANUP(http_close) struct http *http = calloc(1, sizeof *http);
    const struct settings *settings;

    if (settings_need(cli, &settings))
        return -1;
    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) || !(http->curl = curl_easy_init()) ||
        !(http->transfers = curl_multi_init()))
        return refuse(cli, ENDS_MISUSED, "libcurl does not start");
    if (check_readable(cli, settings->ca, "the authority") || set_identity(cli, http, settings))
        return -1;
    set_transport(http, settings);
    cli->http = MOVE(http);
    return 0;
}

void http_close(struct http **http)
{
    if (!*http)
        return;
    curl_easy_cleanup((*http)->curl);
    curl_multi_cleanup((*http)->transfers);
    if ((*http)->authorization)
        explicit_bzero((*http)->authorization, strlen((*http)->authorization));
    free((*http)->authorization);
    free(*http);
    *http = NULL;
}

/* -- one exchange -- */

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;

    if (exchange->body.length + size * count > ANSWER_MAX_BYTES)
        return 0;
    text_append_bytes(&exchange->body, bytes, size * count);
    return size * count;
}

static size_t take_header(char *line, size_t size, size_t count, void *context)
{
    static const char name[] = "Upload-Offset:";
    const size_t name_length = sizeof name - 1;
    struct exchange *exchange = context;
    char value[24];

    if (count > name_length && !strncasecmp(line, name, name_length)) {
        snprintf(value, sizeof value, "%.*s", (int)(count - name_length), line + name_length);
        char *digits = value + strspn(value, " ");
        digits[strcspn(digits, " \r\n")] = '\0';
        if (!number_from_text(digits, &exchange->answer->offset))
            exchange->answer->offset = -1;
    }
    return size * count;
}

static int report_sent(void *context, curl_off_t download_total, curl_off_t downloaded,
                       curl_off_t upload_total, curl_off_t uploaded)
{
    const struct exchange *exchange = context;

    (void)download_total, (void)downloaded, (void)upload_total;
    exchange->ask->on_sent(exchange->ask->context, uploaded);
    return 0;
}

static struct curl_slist *request_headers(const struct http *http, const struct ask *ask)
{
    struct curl_slist *headers = NULL;
    char line[96];

    headers =
        curl_slist_append(headers, "Accept: application/json, application/octet-stream;q=0.5");
    /* A piece of an upload waits for the server's word, everything else goes out at once. */
    if (!ask->has_offset)
        headers = curl_slist_append(headers, "Expect:");
    if (http->authorization)
        headers = curl_slist_append(headers, http->authorization);
    snprintf(line, sizeof line, "Content-Type: %s", ask->type ? ask->type : "");
    headers = curl_slist_append(headers, line);
    if (ask->if_match) {
        snprintf(line, sizeof line, "If-Match: %s", ask->if_match);
        headers = curl_slist_append(headers, line);
    }
    if (ask->has_offset) {
        snprintf(line, sizeof line, "Upload-Offset: %lld", (long long)ask->offset);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

static void set_request(CURL *curl, struct exchange *exchange, const char *url,
                        struct curl_slist *headers)
{
    const struct ask *ask = exchange->ask;
    bool has_body = ask->type || !strcmp(ask->method, "POST");

    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    if (!strcmp(ask->method, "HEAD"))
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (has_body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ask->body ? ask->body : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->length);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask->method);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, ask->on_sent ? 0L : 1L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, report_sent);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
}

/* -- what went wrong -- */

static int refuse_tls(struct cli *cli, const struct settings *settings)
{
    refuse(cli, ENDS_UNREACHABLE, "%s is not the server we know: %s", settings->url,
           cli->http->reason);
    advise(cli, "it must show a certificate that %s vouches for, made for the host in `url`",
           settings->ca);
    return -1;
}

static int refuse_unreachable(struct cli *cli, CURLcode code)
{
    const struct settings *settings = cli->settings;
    const char *reason = *cli->http->reason ? cli->http->reason : curl_easy_strerror(code);

    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return refuse_tls(cli, settings);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return refuse(cli, ENDS_MISUSED, "%s: %s", settings->file, reason);
    case CURLE_COULDNT_CONNECT:
        refuse(cli, ENDS_UNREACHABLE, "nothing answers at %s", settings->url);
        advise(cli, "is the server running?  otad -c %s/otad.conf", settings->folder);
        return -1;
    default:
        refuse(cli, ENDS_UNREACHABLE, "%s does not answer: %s", settings->url, reason);
        if (strstr(reason, "alert"))
            advise(cli, "the server may not accept the certificate %s",
                   settings->certificate ? settings->certificate : "(none)");
        return -1;
    }
}

static const char *last_segment(const char *type)
{
    const char *last = type;

    for (; *type; type++)
        if (*type == '/' || *type == ':' || *type == '#')
            last = type + 1;
    return last;
}

/* The server names the member at fault; the person typed an option. */
static void advise_option(struct cli *cli, const char *field)
{
    const struct call *call = cli->verb->call;
    size_t length = strlen(field);

    for (size_t i = 0; call && i < call->setting_count; i++) {
        const struct option *option = &call->settings[i].option;
        const char *member = call->settings[i].member;

        if (text_starts_with(member, field) && strchr(".", member[length])) {
            advise(cli, "here that is --%s %s", option->name, option->value ? option->value : "");
            return;
        }
    }
}

/* RFC 9457; anything else that answers with an error is told by its status. */
static int refuse_answer(struct cli *cli, const struct answer *answer)
{
    enum exit_code code = answer->status >= 500 ? ENDS_SERVER : ENDS_REFUSED;
    const char *title = json_string_value(json_object_get(answer->json, "title"));
    const char *detail = json_string_value(json_object_get(answer->json, "detail"));
    const char *type = json_string_value(json_object_get(answer->json, "type"));
    const char *request = json_string_value(json_object_get(answer->json, "request_id"));
    const char *field = json_string_value(json_object_get(answer->json, "field"));

    if (!title)
        return refuse(cli, code, "the server answered %ld", answer->status);
    refuse(cli, code, "%s%s%s", title, detail && *detail ? ": " : "", detail ? detail : "");
    cli->failure.problem = type ? strdup(last_segment(type)) : NULL;
    if (code == ENDS_SERVER && request)
        advise(cli, "its log tells more, under request %s", request);
    if (field)
        advise_option(cli, field);
    if (answer->status == 401 || answer->status == 403)
        advise(cli, "who we are to the server is set in %s", cli->settings->file);
    return -1;
}

static int finish(struct cli *cli, struct exchange *exchange, CURLcode code)
{
    struct answer *answer = exchange->answer;

    if (code != CURLE_OK) {
        text_clear(&exchange->body);
        return refuse_unreachable(cli, code);
    }
    curl_easy_getinfo(cli->http->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    answer->length = exchange->body.length;
    answer->bytes = text_take(&exchange->body);
    if (!answer->bytes)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    answer->json = json_loadb(answer->bytes, answer->length, JSON_REJECT_DUPLICATES, NULL);
    return answer->status >= 200 && answer->status < 300 ? 0 : refuse_answer(cli, answer);
}

/* Nothing comes any more, but what we send is not refused either. */
static bool has_left(int fd)
{
    struct pollfd peer = {.fd = fd, .events = POLLRDHUP};

    return poll(&peer, 1, 0) == 1 && peer.revents == POLLRDHUP;
}

/* libcurl that meets the end of the connection while it sends stops reading, and goes on sending.
 * Most peers answer that with a reset. One that has closed in good order while its window was full
 * does not: it takes in no more, for ever. */
static bool sends_to_nobody(CURLM *transfers)
{
    fd_set reading, writing, failing;
    int last = -1;

    FD_ZERO(&reading);
    FD_ZERO(&writing);
    FD_ZERO(&failing);
    if (curl_multi_fdset(transfers, &reading, &writing, &failing, &last))
        return false;
    for (int fd = 0; fd <= last; fd++)
        if (FD_ISSET(fd, &writing) && !FD_ISSET(fd, &reading) && has_left(fd))
            return true;
    return false;
}

/* As curl_easy_perform() does it, but for sends_to_nobody(). */
static CURLcode perform(struct http *http)
{
    CURLcode code = CURLE_FAILED_INIT;
    CURLMcode trouble = curl_multi_add_handle(http->transfers, http->curl);
    bool is_alone = false;
    int running = 1, left;

    while (!trouble && running && !is_alone) {
        trouble = curl_multi_perform(http->transfers, &running);
        is_alone = running && sends_to_nobody(http->transfers);
        if (!trouble && running && !is_alone)
            trouble = curl_multi_poll(http->transfers, NULL, 0, LOOK_MS, NULL);
    }
    const CURLMsg *message = curl_multi_info_read(http->transfers, &left);
    if (message)
        code = message->data.result;
    curl_multi_remove_handle(http->transfers, http->curl);
    if (is_alone) {
        code = CURLE_SEND_ERROR;
        snprintf(http->reason, sizeof http->reason, "it closed the connection as we were sending");
    }
    return code;
}

int http_ask(struct cli *cli, const struct ask *ask, struct answer *ret)
{
    struct exchange exchange = {.answer = ret, .ask = ask};
    struct text url = {0};

    *ret = (struct answer){.offset = -1};
    if (!cli->http && http_open(cli))
        return -1;
    text_format(&url, "%s/api/v1%s", cli->settings->url, ask->path ? ask->path : "");
    CLEANUP(free_string) char *address = text_take(&url);
    if (!address || !ask->path)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    struct curl_slist *headers = request_headers(cli->http, ask);
    *cli->http->reason = '\0';
    set_request(cli->http->curl, &exchange, address, headers);
    CURLcode code = perform(cli->http);
    curl_slist_free_all(headers);
    return finish(cli, &exchange, code);
}

int http_json(struct cli *cli, const char *method, const char *path, const json_t *body,
              json_t **ret)
{
    CLEANUP(answer_clear) struct answer answer = {.offset = -1};
    CLEANUP(free_string)
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    struct ask ask = {.method = method, .path = path};

    if (body && !text)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (text) {
        ask.type = "application/json";
        ask.body = text;
        ask.length = strlen(text);
    }
    if (http_ask(cli, &ask, &answer))
        return -1;
    if (!ret)
        return 0;
    if (!answer.json)
        return refuse(cli, ENDS_SERVER, "the server answered something else than JSON");
    *ret = MOVE(answer.json);
    return 0;
}

int http_post(struct cli *cli, const char *path, json_t *body, json_t **ret)
{
    json_auto_t *owned = body;

    if (!owned)
        return refuse(cli, ENDS_MISUSED, "out of memory, or text that is not UTF-8");
    return http_json(cli, "POST", path, owned, ret);
}
