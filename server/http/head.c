/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include "core/text.h"

#include <string.h>
#include <strings.h>

static const char *const methods[METHOD_UNKNOWN] = {
    [METHOD_GET] = "GET", [METHOD_HEAD] = "HEAD",   [METHOD_POST] = "POST",
    [METHOD_PUT] = "PUT", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
};

enum method method_from_text(const char *text)
{
    enum method method = METHOD_GET;

    while (method < METHOD_UNKNOWN && strcmp(methods[method], text) != 0)
        method++;
    return method;
}

const char *method_text(enum method method)
{
    return method < METHOD_UNKNOWN ? methods[method] : "?";
}

#define NAMED(name) name, sizeof(name) - 1
static const struct {
    const char *name;
    size_t length;
} fields[FIELD_COUNT] = {
    [FIELD_HOST] = {NAMED("Host")},
    [FIELD_CONTENT_LENGTH] = {NAMED("Content-Length")},
    [FIELD_TRANSFER_ENCODING] = {NAMED("Transfer-Encoding")},
    [FIELD_CONTENT_TYPE] = {NAMED("Content-Type")},
    [FIELD_CONTENT_ENCODING] = {NAMED("Content-Encoding")},
    [FIELD_CONTENT_RANGE] = {NAMED("Content-Range")},
    [FIELD_AUTHORIZATION] = {NAMED("Authorization")},
    [FIELD_EXPECT] = {NAMED("Expect")},
    [FIELD_RANGE] = {NAMED("Range")},
    [FIELD_IF_RANGE] = {NAMED("If-Range")},
    [FIELD_IF_MATCH] = {NAMED("If-Match")},
    [FIELD_IF_NONE_MATCH] = {NAMED("If-None-Match")},
    [FIELD_USER_AGENT] = {NAMED("User-Agent")},
};

void head_start(struct head *head)
{
    *head = (struct head){.content_length = -1};
}

/* RFC 9110 section 5.6.2. A name with a blank before its colon hides a field from one of two
 * parsers: that is how requests are smuggled. */
static bool is_field_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || (c >= '0' && c <= '9');
        if (!plain && !(c && strchr("!#$%&'*+.^_`|~", c)))
            return false;
    }
    return length > 0;
}

static bool is_field_value(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
            return false;
    return true;
}

static enum field field_of(const char *name, size_t length)
{
    enum field field = FIELD_HOST;

    while (field < FIELD_COUNT &&
           (fields[field].length != length || strncasecmp(fields[field].name, name, length) != 0))
        field++;
    return field;
}

int head_add(struct head *head, const char *name, size_t name_length, const char *value,
             size_t value_length, struct error *err)
{
    if (++head->count > HEAD_FIELDS_MAX)
        return fail(err, PROBLEM_HEADERS_TOO_LARGE, "more than %d header fields", HEAD_FIELDS_MAX);
    if (!is_field_name(name, name_length))
        return fail(err, PROBLEM_BAD_REQUEST, "a header field's name is malformed");
    if (!is_field_value(value, value_length))
        return fail(err, PROBLEM_BAD_REQUEST, "a header field's value has a control character");

    enum field field = field_of(name, name_length);
    if (field == FIELD_COUNT)
        return 0;
    if (head->known[field])
        return fail_field(err, PROBLEM_BAD_REQUEST, fields[field].name, "given more than once");
    head->known[field] = value ? value : "";
    return 0;
}

struct host_names {
    unsigned count;
    char *text;
    const char *at[16];
};

int host_names_new(const char *list, struct host_names **ret, struct error *err)
{
    CLEANUP(host_names_free) struct host_names *names = calloc(1, sizeof *names);
    char *rest = NULL;

    if (!names || !(names->text = strdup(list)))
        return fail_internal(err, "out of memory");
    for (char *name = strtok_r(names->text, " \t", &rest); name;
         name = strtok_r(NULL, " \t", &rest)) {
        size_t length = strlen(name);
        if (names->count == COUNT_OF(names->at))
            return fail_internal(err, "server.hostname lists more than %zu names",
                                 COUNT_OF(names->at));
        if (*name == '[' && length > 1 && name[length - 1] == ']') {
            name[length - 1] = '\0';
            name++;
        }
        if (strlen(name) > HOST_NAME_LENGTH_MAX)
            return fail_internal(err, "server.hostname has a name longer than %d bytes",
                                 HOST_NAME_LENGTH_MAX);
        names->at[names->count++] = name;
    }
    if (names->count == 0)
        return fail_internal(err, "server.hostname is empty");
    *ret = MOVE(names);
    return 0;
}

void host_names_free(struct host_names **names)
{
    if (*names)
        free((*names)->text);
    free(*names);
    *names = NULL;
}

bool host_split(const char *field, const char **ret_host, size_t *ret_length, int64_t *ret_port)
{
    bool is_bracketed = *field == '[';
    const char *host = field + is_bracketed;
    size_t length = strcspn(host, is_bracketed ? "]" : ":");
    const char *rest = host + length;

    if (is_bracketed && *rest++ != ']')
        return false;
    if (length == 0 || (*rest && *rest++ != ':') || strlen(rest) > 5 ||
        strspn(rest, "0123456789") != strlen(rest))
        return false;
    *ret_port = 0;
    if (*rest && (!number_from_text(rest, ret_port) || *ret_port > PORT_MAX))
        return false;
    *ret_host = host;
    *ret_length = length;
    return true;
}

static int check_host(const char *field, const struct host_names *names, struct error *err)
{
    const char *host;
    size_t length;
    int64_t port;

    if (!field)
        return fail_field(err, PROBLEM_BAD_REQUEST, "Host", "the header field is missing");
    if (!host_split(field, &host, &length, &port))
        return fail_field(err, PROBLEM_BAD_REQUEST, "Host", "the header field is malformed");
    for (unsigned i = 0; i < names->count; i++)
        if (strncasecmp(names->at[i], host, length) == 0 && names->at[i][length] == '\0')
            return 0;
    return fail_field(err, PROBLEM_MISDIRECTED, "Host", "not a name of this server");
}

static int check_framing(struct head *head, enum method method, const char *version,
                         struct error *err)
{
    const char *length = head->known[FIELD_CONTENT_LENGTH];
    const char *coding = head->known[FIELD_TRANSFER_ENCODING];
    bool is_bodiless = method == METHOD_GET || method == METHOD_HEAD || method == METHOD_DELETE;

    if (length && coding)
        return fail(err, PROBLEM_BAD_REQUEST, "Content-Length together with Transfer-Encoding");
    if (coding && (!text_same_ignoring_case(coding, "chunked") || strcmp(version, "HTTP/1.1") != 0))
        return fail_field(err, PROBLEM_BAD_REQUEST, "Transfer-Encoding", "only chunked is known");
    if (length && !number_from_text(length, &head->content_length))
        return fail_field(err, PROBLEM_BAD_REQUEST, "Content-Length", "not a number");
    head->is_chunked = coding != NULL;
    if (is_bodiless && (coding || head->content_length > 0))
        return fail(err, PROBLEM_BAD_REQUEST, "%s takes no body", method_text(method));
    return 0;
}

int head_check(struct head *head, enum method method, const char *version,
               const struct host_names *names, struct error *err)
{
    const char *expect = head->known[FIELD_EXPECT];

    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return fail(err, PROBLEM_BAD_REQUEST, "only HTTP/1.1 and HTTP/1.0 are spoken");
    if (method == METHOD_UNKNOWN)
        return fail(err, PROBLEM_NOT_IMPLEMENTED, "the method is not known");
    if (check_framing(head, method, version, err) ||
        check_host(head->known[FIELD_HOST], names, err))
        return -1;
    if (expect && !text_same_ignoring_case(expect, "100-continue"))
        return fail_field(err, PROBLEM_EXPECTATION_FAILED, "Expect", "not 100-continue");
    return 0;
}
