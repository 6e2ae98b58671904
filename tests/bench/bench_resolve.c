/* SPDX-License-Identifier: Apache-2.0 */
/* What one decision costs beside 1, 10 and 100 running campaigns: of a device that the last of them
 * is for, of one that none is for, and of one that every campaign has had before. */
#include "campaign/resolve.h"

#include <time.h>

#define CAMPAIGNS 100
#define PASTS 16
#define ROUNDS 200000
#define NOW INT64_C(1795000000)

static char gateway[] = "gw";
static char *hardware[] = {gateway};
static struct image image = {.size = 100, .hardware = hardware, .hardware_count = 1};
static struct plan plans[CAMPAIGNS];
static struct plan *list[CAMPAIGNS];
static struct band bands[CAMPAIGNS];
static struct line line;

static int make_line(struct error *err)
{
    line.count = 200;
    line.releases = calloc(line.count, sizeof *line.releases);
    for (size_t i = 0; i < line.count; i++) {
        struct line_release *release = &line.releases[i];

        *release = (struct line_release){.row_id = (int64_t)i,
                                         .counter = (int64_t)i,
                                         .is_offered = true,
                                         .is_floor = i % 50 == 0,
                                         .images = &image,
                                         .image_count = 1};
        snprintf(release->version, sizeof release->version, "1.%zu.0", i);
    }
    return line_index(&line, err);
}

/* Each is for a site of its own, the last for "here". */
static int make_plans(struct error *err)
{
    char target[80];

    for (int i = 0; i < CAMPAIGNS; i++) {
        struct plan *plan = &plans[i];

        bands[i] = (struct band){.limit = RANK_MAX, .state = WAVE_OPEN, .kind = WAVE_PERCENT};
        *plan = (struct plan){.row_id = CAMPAIGNS - i,
                              .tenant_row = 1,
                              .state = CAMPAIGN_RUNNING,
                              .release_row = 199,
                              .release_is_offered = true,
                              .version = "1.199.0",
                              .rules = {.is_sticky = true},
                              .bands = &bands[i],
                              .band_count = 1,
                              .images = &image,
                              .image_count = 1,
                              .line = &line,
                              .goal = &line.releases[199]};
        snprintf(target, sizeof target, "model = gw and site = \"s%d\"", i);
        if (filter_parse(target, &plan->filter, err))
            return -1;
        list[i] = plan;
    }
    return 0;
}

static int64_t measure(const char *what, struct question *question)
{
    struct resolution answer = {0};
    struct error err;
    int64_t offers = 0;
    clock_t begin = clock(); /* of this process alone: others may be busy */

    for (int i = 0; i < ROUNDS; i++) {
        question->now = NOW + i;
        if (resolve(question, &answer, &err))
            return -1;
        offers += answer.reason == REASON_OFFER;
    }
    double ns = (double)(clock() - begin) * 1e9 / CLOCKS_PER_SEC / ROUNDS;
    printf("%4zu campaigns, %-28s %7.0f ns  (%s)\n", question->plan_count, what, ns,
           reason_code(answer.reason));
    return offers;
}

static void bench(size_t count)
{
    struct past pasts[PASTS];
    char site[16];
    struct question question = {
        .facts = {.id = "gw-000001",
                  .model = "gw",
                  .hardware = "",
                  .site = site,
                  .version = "1.7.0",
                  .state = "active"},
        .tenant_row = 1,
        .is_active = true,
        .pasts = pasts,
        .plans = list,
        .plan_count = count,
    };

    snprintf(site, sizeof site, "s%zu", count - 1);
    measure("the last one is its own", &question);
    question.facts.site = "elsewhere";
    measure("none is", &question);
    question.facts.site = site;
    question.past_count = PASTS;
    for (size_t i = 0; i < PASTS; i++)
        pasts[i] = (struct past){.campaign_row = 1000 + (int64_t)i, .state = DEPLOYMENT_FAILED};
    measure("the last, after 16 others", &question);
}

int main(void)
{
    static const size_t counts[] = {1, 10, 100};
    struct error err;

    if (make_line(&err) || make_plans(&err)) {
        fprintf(stderr, "%s %s\n", err.detail, err.cause);
        return 1;
    }
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        bench(counts[i]);
    for (int i = 0; i < CAMPAIGNS; i++)
        filter_free(&plans[i].filter);
    free(line.by_version);
    free(line.floors);
    free(line.releases);
    return 0;
}
