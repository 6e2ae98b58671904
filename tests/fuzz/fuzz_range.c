/* SPDX-License-Identifier: Apache-2.0 */
/* Range headers: whatever is asked, the spans lie inside, ascend and do not overlap. The first byte
 * chooses the size. */
#include "http/range.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MOST 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t sizes[] = {0, 1, 100, 65536, INT64_MAX};
    struct range ranges[MOST];
    unsigned count = 0;

    if (size == 0)
        return 0;
    int64_t whole = sizes[data[0] % (sizeof sizes / sizeof sizes[0])];
    char *header = strndup((const char *)data + 1, size - 1);
    if (!header)
        return 0;
    enum range_result result = range_parse(header, whole, MOST, ranges, &count);
    free(header);
    if (result != RANGE_SATISFIABLE)
        return 0;
    assert(count >= 1 && count <= MOST);
    for (unsigned i = 0; i < count; i++) {
        assert(ranges[i].first >= 0 && ranges[i].first <= ranges[i].last);
        assert(ranges[i].last < whole);
        assert(i == 0 || ranges[i].first > ranges[i - 1].last);
    }
    return 0;
}
