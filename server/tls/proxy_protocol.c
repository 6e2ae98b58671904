/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/proxy_protocol.h"

#include <netinet/in.h>
#include <string.h>

#define FIXED_SIZE 16 /* signature, version and command, family, length */
#define CRC_SIZE 4

enum { TYPE_CRC32C = 0x03, TYPE_SSL = 0x20, TYPE_SSL_COMMON_NAME = 0x22 };
enum {
    CLIENT_SSL = 0x01,
    CLIENT_CERTIFICATE = 0x02 | 0x04
}; /* of this connection or its session */

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

struct span {
    const uint8_t *at;
    size_t size;
};

static uint32_t big_endian(const uint8_t *at, size_t count)
{
    uint32_t number = 0;

    while (count--)
        number = number << 8 | *at++;
    return number;
}

/* -- addresses -- */

/* Both addresses, then both ports; only the first of each pair says who is asking. */
static void read_v4(const uint8_t *at, struct sockaddr_storage *ret)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    memcpy(&address.sin_addr, at, 4);
    memcpy(&address.sin_port, at + 8, 2);
    memcpy(ret, &address, sizeof address);
}

static void read_v6(const uint8_t *at, struct sockaddr_storage *ret)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};

    memcpy(&address.sin6_addr, at, 16);
    memcpy(&address.sin6_port, at + 32, 2);
    memcpy(ret, &address, sizeof address);
}

static const struct {
    uint8_t family;
    size_t size;
    void (*read)(const uint8_t *at, struct sockaddr_storage *ret); /* NULL: nothing we could use */
} families[] = {
    {0x00, 0,   NULL   }, /* not told */
    {0x11, 12,  read_v4}, /* TCP over IPv4 */
    {0x21, 36,  read_v6}, /* TCP over IPv6 */
    {0x31, 216, NULL   }, /* a Unix stream socket of the sender's */
};

/* Takes the addresses off the front; false for families that carry no streams. */
static bool take_addresses(uint8_t family, struct span *rest, struct sockaddr_storage *ret)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (families[i].family != family)
            continue;
        if (rest->size < families[i].size)
            return false;
        if (families[i].read)
            families[i].read(rest->at, ret);
        rest->at += families[i].size;
        rest->size -= families[i].size;
        return true;
    }
    return false;
}

/* -- what follows them: type, length, value -- */

/* Takes one off the front; false when it does not fit. */
static bool take_part(struct span *rest, uint8_t *ret_type, struct span *ret)
{
    if (rest->size < 3)
        return false;
    size_t size = big_endian(rest->at + 1, 2);
    if (rest->size - 3 < size)
        return false;
    *ret_type = rest->at[0];
    *ret = (struct span){rest->at + 3, size};
    rest->at += 3 + size;
    rest->size -= 3 + size;
    return true;
}

/* A name that does not fit, or has a NUL inside, is nobody's. */
static void copy_name(struct span name, char ret[65])
{
    if (name.size > 64 || memchr(name.at, '\0', name.size))
        return;
    memcpy(ret, name.at, name.size);
    ret[name.size] = '\0';
}

/* The sender says 0 for "verified" also when there was no certificate: the bits tell. */
static bool read_ssl(struct span ssl, struct proxy_header *ret)
{
    bool has_name = false;

    if (ssl.size < 5)
        return false;
    bool is_verified = (ssl.at[0] & CLIENT_SSL) && (ssl.at[0] & CLIENT_CERTIFICATE) &&
                       big_endian(ssl.at + 1, 4) == 0;
    struct span rest = {ssl.at + 5, ssl.size - 5};
    while (rest.size) {
        uint8_t type;
        struct span part;

        if (!take_part(&rest, &type, &part) || (type == TYPE_SSL_COMMON_NAME && has_name))
            return false;
        if (type != TYPE_SSL_COMMON_NAME)
            continue;
        has_name = true;
        if (is_verified)
            copy_name(part, ret->common_name);
    }
    return true;
}

/* RFC 9260 appendix A, bit by bit: once per connection. `hole` counts as zeros. */
static uint32_t crc32c(struct span whole, const uint8_t *hole)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < whole.size; i++) {
        bool is_in_hole = whole.at + i >= hole && whole.at + i < hole + CRC_SIZE;

        crc ^= is_in_hole ? 0 : whole.at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    return ~crc;
}

static bool read_parts(struct span whole, struct span rest, struct proxy_header *ret)
{
    bool has_ssl = false;

    while (rest.size) {
        uint8_t type;
        struct span part;

        if (!take_part(&rest, &type, &part))
            return false;
        if (type == TYPE_CRC32C &&
            (part.size != CRC_SIZE || big_endian(part.at, CRC_SIZE) != crc32c(whole, part.at)))
            return false;
        if (type == TYPE_SSL && (has_ssl || !read_ssl(part, ret)))
            return false;
        has_ssl |= type == TYPE_SSL;
    }
    return true;
}

enum proxy_reading proxy_header_read(const uint8_t *bytes, size_t count, struct proxy_header *ret)
{
    size_t known = count < sizeof signature ? count : sizeof signature;
    struct proxy_header header = {0};

    if (memcmp(bytes, signature, known) != 0)
        return PROXY_REFUSED;
    if (count < FIXED_SIZE)
        return PROXY_INCOMPLETE;
    struct span rest = {bytes + FIXED_SIZE, big_endian(bytes + 14, 2)};
    header.size = FIXED_SIZE + rest.size;
    header.is_local = bytes[12] == 0x20;
    if ((bytes[12] != 0x20 && bytes[12] != 0x21) || header.size > PROXY_HEADER_MAX)
        return PROXY_REFUSED;
    if (count < header.size)
        return PROXY_INCOMPLETE;
    if (!header.is_local && (!take_addresses(bytes[13], &rest, &header.source) ||
                             !read_parts((struct span){bytes, header.size}, rest, &header)))
        return PROXY_REFUSED;
    *ret = header;
    return PROXY_COMPLETE;
}
