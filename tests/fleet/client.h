/* SPDX-License-Identifier: Apache-2.0 */
/* What all simulated devices share (where the server is, whom to trust), and who each of them is.
 */
#ifndef OTAD_FLEET_CLIENT_H
#define OTAD_FLEET_CLIENT_H

#include "loop.h"
#include "stats.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/socket.h>

#define CLIENT_BUFFER_SIZE (64 * KIB)

struct client_options {
    const char *url;     /* https://host:port */
    const char *address; /* connect there instead of where the name leads; NULL */
    const char *ca;      /* PEM: who may sign the server's certificate */
    int tls_version;     /* TLS1_2_VERSION, TLS1_3_VERSION; 0: either */
    bool resumes;        /* offer the last session when reconnecting */
};

struct client {
    struct loop *loop;
    struct stats *stats;
    SSL_CTX *tls;
    bool resumes;
    char host[256];
    char authority[264]; /* host:port, for the Host header and for comparing links */
    bool host_is_address;
    struct sockaddr_storage address;
    socklen_t address_size;
    uint8_t buffer[CLIENT_BUFFER_SIZE]; /* one thread, so one for all connections */
};

int client_open(struct client *client, const struct client_options *options,
                struct error *err) MUST_CHECK;
void client_close(struct client *client);

/* A device's folder: device.crt and device.key, read when it first connects; and the TLS session
 * it may resume. */
struct identity {
    char *folder;
    X509 *certificate;
    EVP_PKEY *key;
    SSL_SESSION *session;
};
/* Reads both files unless that was done. */
int identity_load(struct identity *identity, struct error *err) MUST_CHECK;
void identity_clear(struct identity *identity);

/* A TLS connection for this device over a connected socket. `identity` receives the session. */
int client_connect(struct client *client, struct identity *identity, int fd, SSL **ret,
                   struct error *err) MUST_CHECK;

#endif
