/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include "cli/output.h"
#include "core/clock.h"

#include <string.h>

#define REDRAW_MS 100
#define PLAIN_LINE_MS 5000
#define BAR_WIDTH 24

void progress_start(struct progress *progress, const char *name, int64_t done, int64_t total)
{
    *progress = (struct progress){
        .name = name,
        .total = total,
        .at_start = done,
        .started_ms = clock_monotonic_ms(),
        .is_terminal = isatty(STDERR_FILENO),
    };
    progress->drawn_ms = progress->is_terminal ? 0 : progress->started_ms;
}

static void draw(const struct progress *progress, int64_t done, int64_t now_ms)
{
    char bar[BAR_WIDTH + 1], amount[SHORT_TEXT_SIZE], total[SHORT_TEXT_SIZE],
        speed[SHORT_TEXT_SIZE], rest[SHORT_TEXT_SIZE] = "";
    int64_t elapsed_ms = now_ms - progress->started_ms + 1;
    int64_t per_second = (done - progress->at_start) * 1000 / elapsed_ms;
    int filled = (int)((double)done / (double)progress->total * BAR_WIDTH);

    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '=', (size_t)filled);
    bar[BAR_WIDTH] = '\0';
    if (per_second > 0)
        seconds_text((progress->total - done) / per_second, rest);
    bytes_text(done, amount);
    bytes_text(progress->total, total);
    bytes_text(per_second, speed);
    if (progress->is_terminal)
        fprintf(stderr, "\r%-20.20s [%s] %3d %%  %s of %s  %s/s  %s \033[K", progress->name, bar,
                (int)(done * 100 / progress->total), amount, total, speed, rest);
    else
        fprintf(stderr, "%s: %s of %s, %s/s\n", progress->name, amount, total, speed);
}

void progress_show(struct progress *progress, int64_t done)
{
    int64_t now_ms = clock_monotonic_ms();

    if (now_ms - progress->drawn_ms < (progress->is_terminal ? REDRAW_MS : PLAIN_LINE_MS))
        return;
    progress->drawn_ms = now_ms;
    draw(progress, done, now_ms);
}

void progress_end(struct progress *progress, int64_t done)
{
    draw(progress, done, clock_monotonic_ms());
    if (progress->is_terminal)
        fputc('\n', stderr);
}
