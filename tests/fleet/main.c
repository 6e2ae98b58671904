/* SPDX-License-Identifier: Apache-2.0 */
/* otad-fleet: thousands of simulated devices in one process, each with a certificate of its own.
 *
 *     loop.c      sockets and timers         download.c  an image, resumed where it broke
 *     client.c    TLS: whom we trust         ddi.c       hawkBit's protocol
 *     http.c      one connection             native.c    otad's own protocol
 *     device.c    what a device is           image.c     the native protocol's signatures
 *     fleet.c     all of them                load.c      load for the bench
 *     stats.c     what is counted            component.c what is installed, in which order */
#include "core/text.h"
#include "fleet.h"
#include "load.h"

#include <string.h>

static const char usage[] =
    "usage: otad-fleet --url https://host:port --devices DIR [option...]\n"
    "\n"
    "  --devices DIR        DIR/<id>/device.crt, device.key, server-ca.crt (otactl device issue)\n"
    "  --count N            at most so many of them\n"
    "  --api WHAT           ddi (default), native, or mixed: every second one\n"
    "  --version V          what they run at first (1.0.0)\n"
    "  --until V            end, with status 0, when all of them report this version\n"
    "  --timeout S          end after this time; status 1 if --until was not reached\n"
    "  --poll S             poll this often instead of as the server says\n"
    "  --install S          an installation takes this long (0.3)\n"
    "  --reboot S           a reboot takes this long (0.3)\n"
    "  --time-scale N       reported uptime runs so many times faster (1)\n"
    "  --cut P              share of downloads that lose the link in the middle, 0..1\n"
    "  --fail P             share of devices whose installation fails\n"
    "  --revert P           share of devices that boot back into the old version\n"
    "  --silent P           share of devices never heard of again after the download\n"
    "  --seed N             decides who is who among those\n"
    "  --fated V            all that befalls only updates to this version\n"
    "  --components A,B     components they have at first (app); native API\n"
    "  --fail-component C   a failing installation fails at this one, those before it are in\n"
    "  --root FILE          the root of trust, as put in in the factory (1.root.json)\n"
    "  --ca FILE            instead of the first device's server-ca.crt\n"
    "  --address A          connect there, whatever the URL's name leads to\n"
    "  --tls 1.2|1.3        only this version\n"
    "  --progress           a line per second\n"
    "  --json-summary FILE  what was counted; written at the end, and at SIGUSR1\n"
    "\n"
    "  --mode M             connect: one poll; 0 answered, 3 foreign authority, 4 wrong name, 5 "
    "other\n"
    "                       load: poll-full, poll-resumed, poll-keepalive, download, status, idle\n"
    "  --connections C      load: at once (16)\n"
    "  --requests N         load: so many in all\n"
    "  --seconds S          load: or for so long (10)\n"
    "  --path P             load: GET this instead of a poll; %s is the device\n"
    "  --range BYTES        load download: in ranges of this size\n";

enum kind {
    TEXT_OPTION,
    COUNT_OPTION,
    SECONDS_OPTION,
    SHARE_OPTION,
    SWITCH_OPTION,
    API_OPTION,
    TLS_OPTION
};

/* Each option, and where its value goes. */
#define OPTION(name_, kind_, member)                                                               \
    {                                                                                              \
        name_, kind_, offsetof(struct options, member)                                             \
    }
static const struct place {
    const char *name;
    enum kind kind;
    size_t offset;
} places[] = {
    OPTION("url", TEXT_OPTION, client.url),
    OPTION("address", TEXT_OPTION, client.address),
    OPTION("ca", TEXT_OPTION, client.ca),
    OPTION("tls", TLS_OPTION, client.tls_version),
    OPTION("devices", TEXT_OPTION, devices),
    OPTION("count", COUNT_OPTION, count),
    OPTION("api", API_OPTION, api),
    OPTION("version", TEXT_OPTION, version),
    OPTION("until", TEXT_OPTION, until),
    OPTION("timeout", SECONDS_OPTION, timeout_ms),
    OPTION("poll", SECONDS_OPTION, poll_ms),
    OPTION("install", SECONDS_OPTION, install_ms),
    OPTION("reboot", SECONDS_OPTION, reboot_ms),
    OPTION("time-scale", COUNT_OPTION, time_scale),
    OPTION("cut", SHARE_OPTION, cut),
    OPTION("fail", SHARE_OPTION, fail),
    OPTION("revert", SHARE_OPTION, revert),
    OPTION("silent", SHARE_OPTION, silent),
    OPTION("seed", COUNT_OPTION, seed),
    OPTION("fated", TEXT_OPTION, fated),
    OPTION("components", TEXT_OPTION, components),
    OPTION("fail-component", TEXT_OPTION, fail_component),
    OPTION("root", TEXT_OPTION, root),
    OPTION("progress", SWITCH_OPTION, shows_progress),
    OPTION("json-summary", TEXT_OPTION, summary),
    OPTION("mode", TEXT_OPTION, mode),
    OPTION("connections", COUNT_OPTION, connections),
    OPTION("requests", COUNT_OPTION, requests),
    OPTION("seconds", COUNT_OPTION, seconds),
    OPTION("path", TEXT_OPTION, path),
    OPTION("range", COUNT_OPTION, range),
};

static bool read_real(const char *text, double most, double *ret)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !(value >= 0 && value <= most))
        return false;
    *ret = value;
    return true;
}

/* The position among the words, or -1. */
static int read_word(const char *text, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(text, words[i]))
            return (int)i;
    }
    return -1;
}

static bool read_value(const struct place *place, const char *text, struct options *options)
{
    static const char *const apis[] = {
        [API_DDI] = "ddi", [API_NATIVE] = "native", [API_MIXED] = "mixed"};
    static const char *const versions[] = {"1.2", "1.3"};
    static const int protocols[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    void *at = (char *)options + place->offset;
    double real;
    int word;

    switch (place->kind) {
    case TEXT_OPTION:
        *(const char **)at = text;
        return true;
    case COUNT_OPTION:
        return number_from_text(text, at);
    case SECONDS_OPTION:
        if (!read_real(text, 1e6, &real))
            return false;
        *(int64_t *)at = (int64_t)(real * 1000);
        return true;
    case SHARE_OPTION:
        return read_real(text, 1, at);
    case SWITCH_OPTION:
        *(bool *)at = true;
        return true;
    case API_OPTION:
        word = read_word(text, apis, COUNT_OF(apis));
        if (word >= 0)
            *(enum fleet_api *)at = (enum fleet_api)word;
        return word >= 0;
    case TLS_OPTION:
        word = read_word(text, versions, COUNT_OF(versions));
        if (word >= 0)
            *(int *)at = protocols[word];
        return word >= 0;
    }
    return false;
}

static int misuse(const char *what, const char *word)
{
    fprintf(stderr, "otad-fleet: %s%s; --help lists what is possible\n", what, word);
    return -1;
}

static int read_options(int argc, char **argv, struct options *ret)
{
    for (int i = 1; i < argc; i++) {
        const struct place *place = places, *end = places + COUNT_OF(places);
        const char *value = NULL;

        while (place < end && (strncmp(argv[i], "--", 2) || strcmp(argv[i] + 2, place->name)))
            place++;
        if (place == end)
            return misuse("no such option: ", argv[i]);
        if (place->kind != SWITCH_OPTION && !(value = argv[++i]))
            return misuse("a value is missing behind --", place->name);
        if (!read_value(place, value, ret))
            return misuse("not possible: --", place->name);
    }
    if (!ret->client.url || !ret->devices)
        return misuse("--url and --devices are needed", "");
    if (strcmp(ret->mode, "fleet") && strcmp(ret->mode, "connect") && !load_mode_exists(ret->mode))
        return misuse("no such mode: ", ret->mode);
    return 0;
}

static int run(struct fleet *fleet, struct error *err)
{
    const char *mode = fleet->options.mode;

    if (fleet_open(fleet, err))
        return -1;
    if (!strcmp(mode, "connect"))
        return load_connect(fleet, err);
    if (!strcmp(mode, "fleet"))
        return fleet_run(fleet, err);
    return load_run(fleet, err);
}

int main(int argc, char **argv)
{
    static struct fleet fleet = {
        .options =
            {
                      .client = {.resumes = true},
                      .mode = "fleet",
                      .version = "1.0.0",
                      .components = "app",
                      .install_ms = 300,
                      .reboot_ms = 300,
                      .time_scale = 1,
                      .connections = 16,
                      .seconds = 10,
                      },
    };
    struct error err = {0};
    int result;

    if (argc == 2 && !strcmp(argv[1], "--help")) {
        fputs(usage, stdout);
        return 0;
    }
    if (read_options(argc, argv, &fleet.options))
        return 2;
    result = run(&fleet, &err);
    if (result < 0)
        fprintf(stderr, "otad-fleet: %s\n", error_text(&err));
    fleet_close(&fleet);
    return result < 0 ? 2 : result;
}
