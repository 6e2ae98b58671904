/* SPDX-License-Identifier: Apache-2.0 */
#include "core/network.h"

#include "core/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define SEPARATORS " \t,"
#define WORD_SIZE (INET6_ADDRSTRLEN + sizeof "/128")

static unsigned bits_of(int family)
{
    return family == AF_INET6 ? 128 : 32;
}

static bool has_bits_behind(const struct network *network)
{
    for (unsigned bit = network->bits; bit < bits_of(network->family); bit++)
        if (network->address[bit / 8] & (0x80 >> bit % 8))
            return true;
    return false;
}

/* ::ffff:192.0.2.0/120 is 192.0.2.0/24: addresses are compared as what they are. */
static void unmap(struct network *network)
{
    static const uint8_t start[12] = {[10] = 0xff, [11] = 0xff};

    if (network->family != AF_INET6 || network->bits < 8 * sizeof start ||
        memcmp(network->address, start, sizeof start) != 0)
        return;
    memmove(network->address, network->address + sizeof start, 4);
    memset(network->address + 4, 0, sizeof network->address - 4);
    network->family = AF_INET;
    network->bits -= 8 * sizeof start;
}

static int parse_one(char *word, struct network *ret, struct error *err)
{
    char *slash = strchr(word, '/');
    int64_t bits;

    *ret = (struct network){.family = strchr(word, ':') ? AF_INET6 : AF_INET};
    if (slash)
        *slash = '\0';
    if (inet_pton(ret->family, word, ret->address) != 1)
        return fail(err, PROBLEM_BAD_FIELD, "\"%s\" is no IP address", word);
    bits = bits_of(ret->family);
    if (slash && (!number_from_text(slash + 1, &bits) || bits > bits_of(ret->family)))
        return fail(err, PROBLEM_BAD_FIELD, "\"%s/%s\" has no length from 0 to %u", word, slash + 1,
                    bits_of(ret->family));
    ret->bits = (unsigned)bits;
    unmap(ret);
    if (has_bits_behind(ret))
        return fail(err, PROBLEM_BAD_FIELD, "\"%s/%u\" has bits behind its length", word,
                    ret->bits);
    return 0;
}

int networks_parse(const char *text, struct networks *ret, struct error *err)
{
    struct networks networks = {0};

    for (text += strspn(text, SEPARATORS); *text; text += strspn(text, SEPARATORS)) {
        size_t length = strcspn(text, SEPARATORS);
        char word[WORD_SIZE];

        if (length >= sizeof word)
            return fail(err, PROBLEM_BAD_FIELD, "\"%.60s\" is no network", text);
        if (networks.count == NETWORKS_MAX)
            return fail(err, PROBLEM_BAD_FIELD, "more than %d networks", NETWORKS_MAX);
        memcpy(word, text, length);
        word[length] = '\0';
        if (parse_one(word, &networks.at[networks.count++], err))
            return -1;
        text += length;
    }
    *ret = networks;
    return 0;
}

static bool holds(const struct network *network, int family, const uint8_t *address)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (network->family != family || memcmp(network->address, address, whole) != 0)
        return false;
    return !rest || (network->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool networks_hold(const struct networks *networks, const struct sockaddr_storage *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    const uint8_t *bytes = (const uint8_t *)&v4->sin_addr;
    int family = address->ss_family;

    if (family == AF_INET6) {
        bytes = v6->sin6_addr.s6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            bytes += 12;
            family = AF_INET;
        }
    }
    for (unsigned i = 0; i < networks->count; i++)
        if (holds(&networks->at[i], family, bytes))
            return true;
    return false;
}
