/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/spans.h"

#include <string.h>

static void remove_spans(struct spans *spans, int from, int count)
{
    memmove(&spans->at[from], &spans->at[from + count],
            (size_t)(spans->count - from - count) * sizeof spans->at[0]);
    spans->count -= count;
}

static int shortest(const struct spans *spans)
{
    int found = 0;

    for (int i = 1; i < spans->count; i++)
        if (spans->at[i].end - spans->at[i].first < spans->at[found].end - spans->at[found].first)
            found = i;
    return found;
}

void spans_add(struct spans *spans, int64_t first, int64_t end)
{
    int from = 0, to;

    if (first >= end)
        return;
    while (from < spans->count && spans->at[from].end < first)
        from++;
    for (to = from; to < spans->count && spans->at[to].first <= end; to++) {
        if (spans->at[to].first < first)
            first = spans->at[to].first;
        if (spans->at[to].end > end)
            end = spans->at[to].end;
    }
    remove_spans(spans, from, to - from);
    if (spans->count == SPANS_MAX) {
        int gone = shortest(spans);

        if (end - first <= spans->at[gone].end - spans->at[gone].first)
            return;
        remove_spans(spans, gone, 1);
        if (gone < from)
            from--;
    }
    memmove(&spans->at[from + 1], &spans->at[from],
            (size_t)(spans->count - from) * sizeof spans->at[0]);
    spans->at[from] = (struct span){first, end};
    spans->count++;
}

int64_t spans_covered(const struct spans *spans)
{
    int64_t covered = 0;

    for (int i = 0; i < spans->count; i++)
        covered += spans->at[i].end - spans->at[i].first;
    return covered;
}

bool spans_cover(const struct spans *spans, int64_t size)
{
    return spans->count == 1 && spans->at[0].first == 0 && spans->at[0].end >= size;
}
