/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks through which http/ asks what only we know: who stands behind a connection, what they
 * may do, and how to reach the writer. */
#include "api/identity.h"

#include "api/device/ddi.h"
#include "api/idempotency.h"
#include "api/scope.h"

#include <assert.h>

static int device_may(uint64_t standing, struct error *err)
{
    static const struct {
        enum problem problem;
        const char *detail;
    } refusals[] = {
        [STANDING_PENDING] = {PROBLEM_DEVICE_PENDING, "an operator has to approve this device"       },
        [STANDING_SUSPENDED] = {PROBLEM_FORBIDDEN,      "the device is suspended"                      },
        [STANDING_REVOKED] = {PROBLEM_DEVICE_REVOKED, "the device or its certificate was revoked"    },
        [STANDING_EXPIRED] = {PROBLEM_FORBIDDEN,      "the certificate has expired"                  },
        [STANDING_UNKNOWN] = {PROBLEM_FORBIDDEN,      "no device goes by this certificate or name"   },
        [STANDING_UNNAMED] = {PROBLEM_FORBIDDEN,      "the certificate's common name is no device id"},
        [STANDING_NAME_TAKEN] = {PROBLEM_FORBIDDEN,
                              "the name is of a device whose own certificate was not shown"          },
        [STANDING_AWAITED] = {PROBLEM_DEVICE_PENDING,
                              "the device waits for its certificate or token"                        },
    };

    if (standing == STANDING_GOOD)
        return 0;
    assert(standing < COUNT_OF(refusals));
    return fail(err, refusals[standing].problem, "%s", refusals[standing].detail);
}

static int authorise(void *app, const struct identity *identity, const struct route *route,
                     struct error *err)
{
    (void)app;
    if (identity->kind == AUDIENCE_DEVICE)
        return device_may(identity->scopes, err);
    if (route->scope && !(identity->scopes & scope_bit(route->scope)))
        return fail(err, PROBLEM_FORBIDDEN, "this needs the scope %s", route->scope);
    return 0;
}

static uint64_t generation(void *app)
{
    return store_generation(((struct app *)app)->store);
}

/* A request on its way through the writer's queue, in the room the request keeps for it. */
struct queued {
    struct write_job job;
    struct http_job *request;
};
_Static_assert(sizeof(struct queued) <= HTTP_JOB_LINK_SIZE, "a link must fit into its request");

static int run_queued(struct write_job *job, struct store *store)
{
    (void)store;
    return http_job_run(((struct queued *)job)->request);
}

static void end_queued(struct write_job *job, bool is_durable)
{
    http_job_done(((struct queued *)job)->request, is_durable);
}

static int submit(void *app, struct http_job *request, struct error *err)
{
    struct queued *queued = http_job_link(request);

    *queued = (struct queued){
        .job = {.run = run_queued, .done = end_queued},
          .request = request
    };
    return store_submit(((struct app *)app)->store, &queued->job, err);
}

static void seen(void *app, const struct identity *identity, const struct peer *peer,
                 const char *user_agent, int64_t now)
{
    if (identity->kind == AUDIENCE_DEVICE && identity->row)
        seen_touch(((struct app *)app)->seen, identity->row, now, peer->address_text, user_agent);
}

struct http_hooks api_hooks(struct app *app, enum tls_audience audience)
{
    static int (*const identify[TLS_AUDIENCES])(void *, const struct request *, bool,
                                                struct identity *, struct error *) = {
        [TLS_DEVICES] = identify_device,
        [TLS_OPERATORS] = identify_operator,
        [TLS_TOKENS] = identify_by_secret,
        [TLS_PROXIES] = identify_proxied,
    };
    bool is_for_operators = audience == TLS_OPERATORS;

    return (struct http_hooks){
        .app = app,
        .identify = identify[audience],
        .authorise = authorise,
        .perform = is_for_operators ? perform_once : NULL,
        .generation = generation,
        .submit = submit,
        .seen = seen,
        .write_error = is_for_operators ? NULL : ddi_write_error,
    };
}
