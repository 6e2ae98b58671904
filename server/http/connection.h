/* SPDX-License-Identifier: Apache-2.0 */
/* The callbacks given to libmicrohttpd. `lane` is a struct lane. */
#ifndef OTAD_HTTP_CONNECTION_H
#define OTAD_HTTP_CONNECTION_H

#include <microhttpd.h>

void *connection_request_line(void *lane, const char *target, struct MHD_Connection *connection);
enum MHD_Result connection_handle(void *lane, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *count, void **context);
void connection_completed(void *lane, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code);
void connection_notify(void *lane, struct MHD_Connection *connection, void **socket_context,
                       enum MHD_ConnectionNotificationCode code);

#endif
