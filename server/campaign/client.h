/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the programs that run on devices: who one is by its User-Agent, its manners, and
 * which releases it can do nothing with. */
#ifndef OTAD_CAMPAIGN_CLIENT_H
#define OTAD_CAMPAIGN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

enum client {
    CLIENT_UNKNOWN,
    CLIENT_SWUPDATE,
    CLIENT_RAUC_HAWKBIT,
    CLIENT_RAUC, /* itself: it polls or streams */
    CLIENT_ZEPHYR,
    CLIENT_HARA,
    CLIENT_HAWKBIT_RS,
    CLIENT_CURL, /* a person or a script */
    CLIENT_OTAD, /* our own simulator */
};
#define CLIENT_COUNT 9
#define CLIENT_VERSION_SIZE 32

/* NULL and "" are CLIENT_UNKNOWN. */
enum client client_from_agent(const char *user_agent);
/* Zephyr's sends no User-Agent and tells one attribute, VIN, whose name is built into it. */
#define CLIENT_ZEPHYR_ATTRIBUTE "VIN"
enum client client_from_facts(const char *user_agent, bool tells_vin);
/* As people call it; "" for CLIENT_UNKNOWN. */
const char *client_name(enum client client);
/* "" when the agent does not tell the program's. */
void client_version(const char *user_agent, char ret[CLIENT_VERSION_SIZE]);
/* Whether it understands an offer that may be fetched but not installed yet. */
bool client_announces(enum client client);

/* What of a release and its terms matters to a client. */
struct client_release {
    size_t artifacts;
    bool has_swu; /* in every component */
    bool has_raucb, is_encoded;
    bool is_prestaged; /* only fetched, or fetched ahead of its install window */
};
enum client_warning {
    CLIENT_TAKES_ONE_ARTIFACT,
    CLIENT_NEEDS_SWU,
    CLIENT_NEEDS_RAUCB,
    CLIENT_DECODES_NOTHING,
    CLIENT_DOES_NOT_WAIT,
};
#define CLIENT_WARNING_COUNT 5
bool client_warns(enum client client, enum client_warning warning,
                  const struct client_release *release);
const char *client_warning_code(enum client_warning warning);
const char *client_warning_sentence(enum client_warning warning);

#endif
