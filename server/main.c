/* SPDX-License-Identifier: Apache-2.0 */
/* otad: start in order, wait for a signal, stop in reverse.
 *
 * A map of the house; a folder includes only those above it, http/ only core/ and tls/.
 *
 *   core/      error, problem.def, config.def, log, clock, text, json, digest, mapped: no updates
 * here tls/       from a TCP connection to a named peer: listener, sessions, verified certificates,
 *              and socket.c, where libmicrohttpd's system calls meet OpenSSL
 *   store/     SQLite behind `struct tx`, group commit, one .h .c .sql per record; blob: image
 * files trust/     who may say what is firmware: canonical JSON, keys, TUF roles, rollback rules
 *   campaign/  who gets what, when, and when to stop: resolve, wave, gate, state, filter; apply_*
 *   http/      libmicrohttpd and nothing of our domain: server, router, request, reply, range
 *   api/       what can be asked: identity, device/ (DDI, native, images), operator/ (REST)
 *   cli/       otactl */
#include "core/clock.h"
#include "core/log.h"
#include "core/mapped.h"
#include "http/server.h"
#include "service.h"
#include "tls/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define DRAIN_MS 5000
#define HOUSEKEEPING_MS 60000

struct arguments {
    const char *config_path;
    bool is_check;
};

static const char usage[] =
    "otad: firmware update server for device fleets\n"
    "\n"
    "  otad -c FILE              run with this configuration\n"
    "  otad -c FILE --check      say whether the configuration and its files are good, and end\n"
    "  otad --print-config       print every setting with its default, as a commented sample\n"
    "  otad --version\n"
    "\n"
    "  -c, --config FILE         default /etc/otad/otad.conf\n"
    "  -s, --set SECTION.KEY=VALUE   replace one setting; may be repeated\n"
    "\n"
    "`otactl init DIR` makes a first installation. See otad(8) and otad.conf(5).\n";

static int set_from_word(struct config *config, const char *word, struct error *err)
{
    CLEANUP(free_string) char *copy = strdup(word);
    char *dot = copy ? strchr(copy, '.') : NULL;
    char *equals = dot ? strchr(dot, '=') : NULL;

    if (!equals)
        return fail(err, PROBLEM_BAD_FIELD, "--set %s: not of the form section.key=value", word);
    *dot = *equals = '\0';
    return config_set(config, copy, dot + 1, equals + 1, err);
}

/* Returns the exit status, or -1 to go on. */
static int read_arguments(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        {"config",       required_argument, NULL, 'c'},
        {"set",          required_argument, NULL, 's'},
        {"check",        no_argument,       NULL, 'k'},
        {"print-config", no_argument,       NULL, 'p'},
        {"version",      no_argument,       NULL, 'v'},
        {"help",         no_argument,       NULL, 'h'},
        {NULL,           0,                 NULL, 0  },
    };

    *ret = (struct arguments){.config_path = "/etc/otad/otad.conf"};
    for (int option; (option = getopt_long(argc, argv, "c:s:h", options, NULL)) != -1;)
        switch (option) {
        case 'c':
            ret->config_path = optarg;
            break;
        case 's': /* taken in a second pass, when the file has been read */
            break;
        case 'k':
            ret->is_check = true;
            break;
        case 'p':
            config_print(stdout);
            return 0;
        case 'v':
            printf("otad %s\n", OTAD_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    if (optind < argc) {
        fprintf(stderr, "otad: \"%s\" is not understood\n\n%s", argv[optind], usage);
        return 2;
    }
    return -1;
}

static int load_settings(int argc, char **argv, const char *path, struct config **ret,
                         struct error *err)
{
    CLEANUP(config_free) struct config *config = NULL;

    if (config_load(path, &config, err))
        return -1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-s") != 0 && strcmp(argv[i], "--set") != 0)
            continue;
        if (++i < argc && set_from_word(config, argv[i], err))
            return -1;
    }
    *ret = MOVE(config);
    return 0;
}

/* A clock before the build cannot judge any certificate. */
static int check_clock(struct error *err)
{
    char now[CLOCK_TEXT_SIZE], built[CLOCK_TEXT_SIZE];

    if (clock_wall() >= OTAD_BUILD_TIME)
        return 0;
    return fail(err, PROBLEM_UNPROCESSABLE,
                "the clock says %s, but this program was built at %s: set the clock first",
                clock_text(clock_wall(), now), clock_text(OTAD_BUILD_TIME, built));
}

static int prepare_state_folder(const char *path, struct error *err)
{
    struct stat about;

    if (mkdir(path, 0700) && errno != EEXIST)
        return fail(err, PROBLEM_UNPROCESSABLE, "cannot make the state folder %s: %m", path);
    if (stat(path, &about))
        return fail(err, PROBLEM_UNPROCESSABLE, "the state folder %s: %m", path);
    if (!S_ISDIR(about.st_mode))
        return fail(err, PROBLEM_UNPROCESSABLE, "%s is not a folder", path);
    if (about.st_mode & 077)
        return fail(err, PROBLEM_UNPROCESSABLE,
                    "the state folder %s can be read by others: chmod 700 it", path);
    if (about.st_uid != geteuid())
        return fail(err, PROBLEM_UNPROCESSABLE, "the state folder %s belongs to another user",
                    path);
    return 0;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int wait_for_signal(struct service *service)
{
    int64_t watchdog_ms = service_watchdog_ms(), patience_ms = watchdog_ms;
    int64_t housekeeping_at_ms = clock_monotonic_ms() + HOUSEKEEPING_MS;
    sigset_t awaited;

    if (!patience_ms || patience_ms > HOUSEKEEPING_MS)
        patience_ms = HOUSEKEEPING_MS;
    struct timespec patience = {.tv_sec = patience_ms / 1000,
                                .tv_nsec = patience_ms % 1000 * 1000000};
    service_awaited_signals(&awaited);
    for (;;) {
        int signal = sigtimedwait(&awaited, NULL, &patience);
        if (signal == SIGHUP)
            service_reload(service);
        else if (signal > 0)
            return signal;
        if (watchdog_ms)
            service_tell_watchdog(service);
        if (clock_monotonic_ms() < housekeeping_at_ms)
            continue;
        housekeeping_at_ms = clock_monotonic_ms() + HOUSEKEEPING_MS;
        service_keep_house(service);
    }
}

static int run(const struct config *config, bool is_check, struct error *err)
{
    CLEANUP(service_stop) struct service *service = NULL;

    raise_descriptor_limit();
    if (check_clock(err) || prepare_state_folder(config->server_state, err) || mapped_start(err) ||
        secure_socket_start(err) || http_self_test(err) || service_start(config, &service, err))
        return -1;
    if (is_check)
        return 0;
    if (service_tell_ready(service, err))
        return -1;
    int signal = wait_for_signal(service);
    log_info("server.stopping", TEXT("signal", strsignal(signal)));
    service_drain(service, DRAIN_MS);
    return 0;
}

static enum log_level level_of(const char *word)
{
    static const struct {
        const char *word;
        enum log_level level;
    } levels[] = {
        {"error",   LOG_LEVEL_ERROR  },
        {"warning", LOG_LEVEL_WARNING},
        {"debug",   LOG_LEVEL_DEBUG  },
    };

    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (strcmp(word, levels[i].word) == 0)
            return levels[i].level;
    return LOG_LEVEL_INFO;
}

int main(int argc, char **argv)
{
    CLEANUP(config_free) struct config *config = NULL;
    struct arguments arguments;
    struct error err = {0};
    sigset_t awaited;

    int status = read_arguments(argc, argv, &arguments);
    if (status >= 0)
        return status;

    umask(077);
    signal(SIGPIPE, SIG_IGN);
    service_awaited_signals(&awaited);
    pthread_sigmask(SIG_BLOCK, &awaited, NULL);
    if (load_settings(argc, argv, arguments.config_path, &config, &err)) {
        fprintf(stderr, "otad: %s\n", error_text(&err));
        return 2;
    }
    log_set_level(level_of(config->log_level));
    if (run(config, arguments.is_check, &err)) {
        log_error("server.failed", TEXT("cause", error_text(&err)));
        return 1;
    }
    return 0;
}
