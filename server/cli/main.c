/* SPDX-License-Identifier: Apache-2.0 */
/* otactl: the operator's hand on otad.
 *
 *     main.c       groups of verbs in the order of --help; start, run one verb, tell how it ended
 *     cli.h        what a verb is and what it is given
 *     arguments.c  the command line, read by the verb table
 *     call.c       verbs that are one request, written down as tables (values.c: what was typed)
 *     help.c       --help at every level, from the same table
 *     complete.c   shell completion, from the same table
 *     settings.c   otactl.conf: which server, and who we are to it
 *     http.c       requests and what went wrong with them
 *     output.c     tables and fields for people, JSON for programs
 *     progress.c   how far a transfer is
 *     files.c      files on this side, created but never overwritten
 *     failure.c    how a verb fails
 *
 * One file per group of verbs, its table at the end of it:
 *
 *     init.c       a new installation: authorities, keys, first role files (lab.c finds them again)
 *     device.c     the fleet (issue.c: certificates from the laboratory's authority)
 *     fleet.c      what runs where
 *     upload.c     images and artifacts
 *     product.c    who may sign for which product; the first root
 *     release.c    from an image to a published release
 *     draft.c      what is to be signed, and the signing (review.c: what it says)
 *     campaign.c   making and moving campaigns (campaign_options.c: their plan; campaign_show.c:
 * for people; watch.c: live) steering.c   channels, freezes, sites, lists of devices, the emergency
 * stop operator.c   people, tokens, audit log server.c     the daemon itself
 */
#include "cli/verbs.h"

#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/http.h"
#include "cli/output.h"
#include "cli/settings.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

const struct group *const groups[] = {
    &init_group,     &device_group,     &authentication_group, &fleet_group, &upload_group,
    &artifact_group, &product_group,    &release_group,        &draft_group, &list_group,
    &campaign_group, &channel_group,    &freeze_group,         &site_group,  &stop_group,
    &operator_group, &token_group,      &audit_group,          &trust_group, &server_group,
    &reload_group,   &completion_group,
};
const size_t group_count = COUNT_OF(groups);

const struct option global_options[] = {
    {"directory",  "DIR",  "the installation to talk to: DIR/otactl.conf (also -C DIR, $OTACTL_DIR)"},
    {"token-file", "FILE", "be who the token in FILE says, instead of the certificate"              },
    {"json",       NULL,   "print the server's JSON as it is"                                       },
    {"help",       NULL,   "this help, for the verb it stands beside (also -h)"                     },
};
const size_t global_option_count = COUNT_OF(global_options);

static enum exit_code tell_failure(const struct cli *cli)
{
    fputs("otactl: ", stderr);
    put_safely(stderr, cli->failure.message.at ? cli->failure.message.at : "out of memory");
    fputc('\n', stderr);
    if (cli->failure.advice.at)
        put_safely(stderr, cli->failure.advice.at);
    return cli->failure.code;
}

static enum exit_code run(struct cli *cli, int count, char *const *words)
{
    if (arguments_read(cli, count, words))
        return tell_failure(cli);
    if (cli->wants_help) {
        help_print(cli);
        return ENDS_WELL;
    }
    if (cli->verb->run(cli))
        return tell_failure(cli);
    if (!fflush(stdout) && !ferror(stdout))
        return ENDS_WELL;
    if (errno == EPIPE) /* whoever reads has seen enough, as with head(1) */
        return ENDS_MISUSED;
    refuse(cli, ENDS_MISUSED, "the output could not be written: %s", strerror(errno));
    return tell_failure(cli);
}

int main(int count, char **words)
{
    struct cli cli = {0};

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    enum exit_code code = run(&cli, count, words);
    http_close(&cli.http);
    settings_free(&cli.settings);
    arguments_clear(&cli);
    forget_failure(&cli);
    return code;
}
