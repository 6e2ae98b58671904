/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting what must not go on: transfers of a stopped campaign, connections of a revoked device. */
#include "api/sever.h"

#include "core/log.h"
#include "tls/socket.h"

struct transfer_question {
    int64_t campaign_row, release_row, device_row; /* 0: any */
};

static bool carries_transfer(const struct socket_labels *labels, const void *arg)
{
    const struct transfer_question *asked = arg;

    if (!labels->campaign_row && !labels->release_row)
        return false;
    return (!asked->campaign_row || asked->campaign_row == labels->campaign_row) &&
           (!asked->release_row || asked->release_row == labels->release_row) &&
           (!asked->device_row || asked->device_row == labels->device_row);
}

void api_sever_transfers(void *app, int64_t campaign_row, int64_t release_row)
{
    const struct transfer_question question = {campaign_row, release_row, 0};

    (void)app;
    int cut = secure_socket_sever(carries_transfer, &question);
    if (cut)
        log_info("transfer.severed", NUMBER("campaign_row", campaign_row),
                 NUMBER("release_row", release_row), NUMBER("connections", cut));
}

static bool is_of_device(const struct socket_labels *labels, const void *arg)
{
    return labels->device_row == *(const int64_t *)arg;
}

static int forget_certificate(const struct certificate *certificate, void *arg, struct error *err)
{
    const struct app *app = arg;

    (void)err;
    if (app->listeners[TLS_DEVICES])
        tls_listener_forget(app->listeners[TLS_DEVICES], certificate->fingerprint);
    return 0;
}

void api_sever_device(struct app *app, int64_t device_row)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    secure_socket_sever(is_of_device, &device_row);
    /* Sessions that stay are harmless: every request asks for the device's state. */
    if (tx_read(&tx, app->store, &err) ||
        device_certificates(&tx, device_row, forget_certificate, app, &err))
        log_warning("device.sessions_kept", NUMBER("device_row", device_row), CAUSE(&err));
}

/* Operators' connections bear no device's label. */
static bool came_by_secret(const struct socket_labels *labels, const void *arg)
{
    (void)arg;
    return labels->device_row && !labels->peer->has_certificate && !labels->peer->is_trusted;
}

static void sever_secrets_now(struct store *store, void *arg)
{
    (void)store, (void)arg;
    secure_socket_sever(came_by_secret, NULL);
}

void sever_secrets_after_commit(struct tx *tx)
{
    tx_after_commit(tx, sever_secrets_now, NULL);
}

struct severed_device {
    struct app *app;
    int64_t row, campaign_row; /* campaign_row 0: everything it does */
};

static void sever_now(struct store *store, void *arg)
{
    const struct severed_device *device = arg;
    const struct transfer_question question = {device->campaign_row, 0, device->row};

    (void)store;
    if (device->campaign_row)
        secure_socket_sever(carries_transfer, &question);
    else
        api_sever_device(device->app, device->row);
}

static int sever_after_commit(struct tx *tx, const struct severed_device *wish, struct error *err)
{
    struct severed_device *device = malloc(sizeof *device);

    if (!device)
        return fail_internal(err, "out of memory");
    *device = *wish;
    tx_after_commit(tx, sever_now, device);
    return 0;
}

int sever_device_after_commit(struct tx *tx, struct app *app, int64_t device_row, struct error *err)
{
    return sever_after_commit(tx, &(struct severed_device){app, device_row, 0}, err);
}

int sever_deployment_after_commit(struct tx *tx, struct app *app,
                                  const struct deployment *deployment, struct error *err)
{
    return sever_after_commit(
        tx, &(struct severed_device){app, deployment->device_row, deployment->campaign_row}, err);
}
