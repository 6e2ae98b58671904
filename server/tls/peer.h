/* SPDX-License-Identifier: Apache-2.0 */
/* Who stands at the other end of a TLS connection, as far as TLS itself can say. */
#ifndef OTAD_TLS_PEER_H
#define OTAD_TLS_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct peer {
    struct sockaddr_storage address;
    char address_text[INET6_ADDRSTRLEN];
    bool has_certificate;    /* shown to us; false where others vouch for the peer, or a token */
    bool is_trusted;         /* a proxy of proxy.trusted, or comes through one: may name a device */
    bool was_resumed;        /* the handshake was abbreviated: the chain was verified earlier */
    uint8_t fingerprint[32]; /* SHA-256 of the leaf's DER: the identity (design: never the names) */
    int64_t not_before, not_after;
    char common_name[65]; /* cross-checks only; empty when absent, too long or with a NUL inside.
                             Without a certificate: of the one a trusted proxy says it verified */
    char serial[43];      /* the certificate's serial number in hex, at most 20 bytes */
    uint8_t issuer[32];   /* SHA-256 of the issuer's name in DER */
};

#endif
