/* SPDX-License-Identifier: Apache-2.0 */
/* Devices whose certificate a trusted proxy has verified, and that it names to us. */
#include "api/identity_contact.h"

#include "api/proxied.h"

#include <string.h>

static void take_header(const char *name, const char *value, void *arg)
{
    proxied_take(arg, name, value);
}

static const char *named_in_headers(const struct app *app, const struct request *req)
{
    struct proxied proxied = {.header = app->config->proxy_header,
                              .authorities = app->config->proxy_authorities};

    request_each_header(req, take_header, &proxied);
    return proxied_name(&proxied);
}

int identify_proxied(void *app, const struct request *req, bool on_writer, struct identity *ret,
                     struct error *err)
{
    struct contact contact = contact_of(app, req, ret);
    bool is_ddi = request_parameter_or_null(req, "tenant") != NULL;
    const char *asked = contact_path_device(req);

    if (!contact.peer->is_trusted)
        return fail(err, PROBLEM_UNAUTHENTICATED, "not a trusted proxy");
    contact.witness = "proxy";
    contact.name = strcmp(contact.app->config->proxy_mode, "v2") == 0
                       ? contact.peer->common_name
                       : named_in_headers(contact.app, req);
    if (!contact.name[0])
        return fail(err, PROBLEM_UNAUTHENTICATED, "the proxy names no device");
    if (is_ddi && (!asked || strcmp(asked, contact.name) != 0))
        return fail(err, PROBLEM_UNAUTHENTICATED, "the path names another device than the proxy");
    return contact_meet(&contact, contact_meet_named, on_writer, err);
}
