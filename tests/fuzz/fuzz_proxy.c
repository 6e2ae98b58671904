/* SPDX-License-Identifier: Apache-2.0 */
/* PROXY protocol headers: what a prefix decides stays decided, and a header's verdict does not
 * depend on what follows it. */
#include "tls/proxy_protocol.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole = {0}, exact = {0}, shorter;
    enum proxy_reading reading = proxy_header_read(data, size, &whole);

    if (size && reading == PROXY_INCOMPLETE)
        assert(proxy_header_read(data, size - 1, &shorter) == PROXY_INCOMPLETE);
    if (reading != PROXY_COMPLETE)
        return 0;
    assert(whole.size >= 16 && whole.size <= size && whole.size <= PROXY_HEADER_MAX);
    assert(strlen(whole.common_name) < sizeof whole.common_name);
    assert(!whole.is_local || (!whole.common_name[0] && whole.source.ss_family == AF_UNSPEC));
    assert(proxy_header_read(data, whole.size, &exact) == PROXY_COMPLETE);
    assert(proxy_header_read(data, whole.size - 1, &shorter) == PROXY_INCOMPLETE);
    assert(memcmp(&whole.source, &exact.source, sizeof whole.source) == 0);
    assert(strcmp(whole.common_name, exact.common_name) == 0);
    return 0;
}
