/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon as a whole: everything started in order, and what systemd wants to hear of it. */
#ifndef OTAD_SERVICE_H
#define OTAD_SERVICE_H

#include "core/config.h"
#include "core/error.h"

#include <signal.h>
#include <stdint.h>

#define OTAD_VERSION "0.1.0"
#ifndef OTAD_BUILD_TIME
#define OTAD_BUILD_TIME INT64_C(1763596800) /* 2025-11-20; packagers give SOURCE_DATE_EPOCH */
#endif

struct service;

/* Opens the store, verifies what is published, starts listeners, servers and the campaign clock. On
 * failure everything begun is ended again. */
int service_start(const struct config *config, struct service **ret, struct error *err) MUST_CHECK;
/* Writes ports.json and tells systemd. */
int service_tell_ready(struct service *service, struct error *err) MUST_CHECK;
/* Certificates, trust stores and CRLs anew; failures are logged, the old ones stay. */
void service_reload(struct service *service);
/* Half of systemd's watchdog interval; 0 when there is none. */
int64_t service_watchdog_ms(void);
/* What is done now and then: drops uploads nobody goes on with. Failures are logged. */
void service_keep_house(struct service *service);
/* Only when the writer still answers: a hung store must not look alive. */
void service_tell_watchdog(struct service *service);
void service_drain(struct service *service, int64_t timeout_ms);
void service_stop(struct service **service);

/* SIGTERM, SIGINT and SIGHUP: blocked in every thread, taken by main. */
void service_awaited_signals(sigset_t *ret);

#endif
