/* SPDX-License-Identifier: Apache-2.0 */
/* Who is who, asked of the hooks themselves with a real store below them. */
#include "api/identity.h"
#include "api/scope.h"
#include "core/clock.h"
#include "http/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "temporary_store.h"

#define LATER INT64_C(4000000000)

struct house {
    struct temporary at;
    struct config config;
    struct app app;
};

static int start(void **state)
{
    static struct house house;

    house = (struct house){
        .config = {.device_enrolment = "manual", .device_pending_max = 100, .proxy_mode = "v2"}
    };
    temporary_folder(&house.at);
    temporary_open(&house.at);
    house.app = (struct app){.config = &house.config, .store = house.at.store};
    *state = &house;
    return 0;
}

static int stop(void **state)
{
    struct house *house = *state;

    temporary_remove(&house->at);
    return 0;
}

static struct peer peer_of(const char *name, uint8_t certificate)
{
    struct peer peer = {
        .has_certificate = true, .not_before = 1, .not_after = LATER, .serial = "0a"};

    memset(peer.fingerprint, certificate, sizeof peer.fingerprint);
    snprintf(peer.common_name, sizeof peer.common_name, "%s", name);
    return peer;
}

/* Asks as http/ does: first beside the writer, then on it. */
struct question {
    struct write_job job;
    struct house *house;
    const struct peer *peer;
    const char *authorization;
    int (*identify)(void *app, const struct request *req, bool on_writer, struct identity *ret,
                    struct error *err);
    struct identity identity;
    struct error err;
    int result;
};

static void identify(struct question *question, bool on_writer)
{
    struct client client = {.peer = *question->peer};
    static const struct route route = {.path = "/v1/device/update"};
    struct request req = {.client = &client, .route = &route};

    req.head.known[FIELD_AUTHORIZATION] = question->authorization;
    question->result = question->identify(&question->house->app, &req, on_writer,
                                          &question->identity, &question->err);
}

static int ask_on_writer(struct write_job *job, struct store *store)
{
    struct question *question = (struct question *)job;

    (void)store;
    question->err = (struct error){0};
    identify(question, true);
    return 0;
}

static void ignore(struct write_job *job, bool is_durable)
{
    (void)job;
    (void)is_durable;
}

static int nothing(struct tx *tx, void *arg, struct error *err)
{
    (void)tx;
    (void)arg;
    (void)err;
    return 0;
}

static void put(struct question *question)
{
    struct error err;

    identify(question, false);
    if (question->result != HANDLE_AS_WRITE)
        return;
    question->job = (struct write_job){.run = ask_on_writer, .done = ignore};
    assert_int_equal(store_submit(question->house->app.store, &question->job, &err), 0);
    assert_int_equal(store_write(question->house->app.store, nothing, NULL, &err),
                     0); /* after it */
}

static struct identity meet(struct house *house, const struct peer *peer)
{
    struct question question = {.house = house, .peer = peer, .identify = identify_device};

    put(&question);
    assert_int_equal(question.result, HANDLE_OK);
    return question.identity;
}

static int64_t count(struct house *house, const char *sql)
{
    return ask(house->app.store, sql);
}

/* -- devices -- */

static void an_unknown_certificate_becomes_a_device_that_waits(void **state)
{
    struct house *house = *state;
    struct peer peer = peer_of("d1", 1);

    struct identity identity = meet(house, &peer);
    assert_int_equal(identity.scopes, STANDING_PENDING);
    assert_string_equal(identity.id, "d1");
    assert_true(identity.row > 0);
    assert_int_equal(meet(house, &peer).row, identity.row);
    assert_int_equal(count(house, "SELECT count(*) FROM device WHERE state = 'pending'"), 1);
    assert_int_equal(count(house, "SELECT count(*) FROM certificate"), 1);
}

static void automatic_enrolment_lets_it_in_at_once(void **state)
{
    struct house *house = *state;
    struct peer peer = peer_of("d1", 1);

    house->config.device_enrolment = "auto";
    assert_int_equal(meet(house, &peer).scopes, STANDING_GOOD);
}

static void denied_enrolment_writes_nothing(void **state)
{
    struct house *house = *state;
    struct peer peer = peer_of("d1", 1);

    house->config.device_enrolment = "deny";
    assert_int_equal(meet(house, &peer).scopes, STANDING_UNKNOWN);
    assert_int_equal(count(house, "SELECT count(*) FROM device"), 0);
}

static void a_name_that_is_no_id_is_refused(void **state)
{
    static const char *const names[] = {"", "../../x", "a b", "\xc3\xbc"};
    struct house *house = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct peer peer = peer_of(names[i], 1);
        assert_int_equal(meet(house, &peer).scopes, STANDING_UNNAMED);
    }
    assert_int_equal(count(house, "SELECT count(*) FROM device"), 0);
}

static void another_certificate_with_the_same_name_is_refused_and_noted_once(void **state)
{
    struct house *house = *state;
    struct peer peer = peer_of("d1", 1), thief = peer_of("d1", 2);

    house->config.device_enrolment = "auto";
    meet(house, &peer);
    for (int i = 0; i < 3; i++)
        assert_int_equal(meet(house, &thief).scopes, STANDING_NAME_TAKEN);
    assert_int_equal(count(house, "SELECT count(*) FROM event WHERE kind = 'device.collision'"), 1);
    assert_int_equal(count(house, "SELECT count(*) FROM certificate"), 1);
    assert_int_equal(meet(house, &peer).scopes, STANDING_GOOD);
}

static void a_registered_device_is_active_from_its_first_contact(void **state)
{
    struct house *house = *state;
    struct peer peer = peer_of("other-name", 7);

    execute(house->app.store, "INSERT INTO device (tenant_row, id, state, created_at, updated_at) "
                              "VALUES (1, 'd1', 'registered', 1, 1)");
    execute(
        house->app.store,
        "INSERT INTO certificate (fingerprint, device_row, state, not_after_at, created_at) VALUES "
        "(x'0707070707070707070707070707070707070707070707070707070707070707', 1, 'active', 0, 1)");
    struct identity identity = meet(house, &peer);
    assert_int_equal(identity.scopes, STANDING_GOOD);
    assert_string_equal(identity.id, "d1"); /* the row of the certificate, not its name */
    assert_int_equal(identity.not_after, LATER);
    assert_int_equal(count(house, "SELECT count(*) FROM device WHERE state = 'active'"), 1);
}

static void a_registered_name_without_certificate_takes_the_first_and_no_other(void **state)
{
    struct house *house = *state;
    struct peer first = peer_of("d1", 1), second = peer_of("d1", 2);

    execute(house->app.store, "INSERT INTO device (tenant_row, id, state, created_at, updated_at) "
                              "VALUES (1, 'd1', 'registered', 1, 1)");
    assert_int_equal(meet(house, &first).scopes, STANDING_GOOD);
    assert_int_equal(meet(house, &second).scopes, STANDING_NAME_TAKEN);
}

/* What a proxy says of it. */
static struct question vouch_for(struct house *house, const char *name)
{
    static struct peer peer;
    struct question question = {.house = house, .peer = &peer, .identify = identify_proxied};

    peer = (struct peer){.is_trusted = true};
    snprintf(peer.common_name, sizeof peer.common_name, "%s", name);
    put(&question);
    return question;
}

static enum standing vouched(struct house *house, const char *name)
{
    struct question question = vouch_for(house, name);

    assert_int_equal(question.result, HANDLE_OK);
    return question.identity.scopes;
}

#define REGISTER(id, state, more)                                                                  \
    "INSERT INTO device (tenant_row, id, state, created_at, updated_at, token_hash, token_at) "    \
    "VALUES (1, '" id "', '" state "', 1, 1, " more ")"

static void a_certificate_takes_a_row_that_only_others_spoke_for(void **state)
{
    struct house *house = *state;
    struct peer first = peer_of("d1", 1), second = peer_of("d1", 2), other = peer_of("d2", 3);

    assert_int_equal(vouched(house, "d1"), STANDING_PENDING);
    execute(house->app.store, "UPDATE device SET state = 'active'");
    assert_int_equal(vouched(house, "d1"), STANDING_GOOD);
    /* Whom the operator approved may have been another. */
    assert_int_equal(meet(house, &first).scopes, STANDING_PENDING);
    assert_int_equal(count(house, "SELECT count(*) FROM event WHERE from_state = 'active' AND "
                                  "to_state = 'pending'"),
                     1);
    assert_int_equal(vouched(house, "d1"), STANDING_NAME_TAKEN);
    assert_int_equal(meet(house, &second).scopes, STANDING_NAME_TAKEN);

    house->config.device_enrolment = "auto";
    assert_int_equal(vouched(house, "d2"), STANDING_GOOD);
    assert_int_equal(meet(house, &other).scopes, STANDING_GOOD);
    assert_int_equal(vouched(house, "d2"), STANDING_NAME_TAKEN);
}

static void a_certificate_takes_nothing_that_an_operator_decided_about(void **state)
{
    struct house *house = *state;
    struct peer tokens = peer_of("d1", 1), out = peer_of("d2", 2);

    execute(house->app.store, REGISTER("d1", "active", "zeroblob(32), 1"));
    execute(house->app.store, REGISTER("d2", "suspended", "NULL, NULL"));
    assert_int_equal(meet(house, &tokens).scopes, STANDING_NAME_TAKEN);
    assert_int_equal(meet(house, &out).scopes, STANDING_NAME_TAKEN);
    assert_int_equal(count(house, "SELECT count(*) FROM certificate"), 0);
}

static void anothers_word_opens_no_row_that_waits_for_its_certificate(void **state)
{
    struct house *house = *state;
    struct peer peer = peer_of("d1", 1), other = peer_of("d2", 2);

    execute(house->app.store, REGISTER("d1", "registered", "NULL, NULL"));
    execute(house->app.store, REGISTER("d2", "registered", "NULL, NULL"));
    assert_int_equal(vouched(house, "d1"), STANDING_AWAITED);
    assert_int_equal(count(house, "SELECT count(*) FROM device WHERE state = 'registered'"), 2);
    assert_int_equal(meet(house, &peer).scopes, STANDING_GOOD);

    house->config.device_enrolment = "auto";
    assert_int_equal(vouched(house, "d2"), STANDING_GOOD);
    assert_int_equal(meet(house, &other).scopes, STANDING_GOOD);
}

static void only_so_many_strangers_wait_for_approval(void **state)
{
    struct house *house = *state;
    struct peer stranger = peer_of("d4", 4);
    struct question refused = {.house = house, .peer = &stranger, .identify = identify_device};

    house->config.device_pending_max = 2;
    assert_int_equal(vouched(house, "d1"), STANDING_PENDING);
    assert_int_equal(vouched(house, "d2"), STANDING_PENDING);
    assert_int_equal(vouch_for(house, "d3").err.problem, PROBLEM_TOO_MANY);
    put(&refused);
    assert_int_equal(refused.result, HANDLE_FAILED);
    assert_int_equal(refused.err.problem, PROBLEM_TOO_MANY);
    assert_int_equal(count(house, "SELECT count(*) FROM device"), 2);
    assert_int_equal(vouched(house, "d2"), STANDING_PENDING);
    execute(house->app.store, "UPDATE device SET state = 'active' WHERE id = 'd1'");
    assert_int_equal(vouched(house, "d3"), STANDING_PENDING);
}

static void states_and_dates_decide_how_a_device_stands(void **state)
{
    static const struct {
        const char *sql;
        enum standing standing;
    } rows[] = {
        {"UPDATE device SET state = 'suspended'",      STANDING_SUSPENDED},
        {"UPDATE device SET state = 'revoked'",        STANDING_REVOKED  },
        {"UPDATE device SET state = 'retired'",        STANDING_REVOKED  },
        {"UPDATE device SET state = 'lost'",           STANDING_REVOKED  },
        {"UPDATE device SET state = 'active'",         STANDING_GOOD     },
        {"UPDATE certificate SET state = 'revoked'",   STANDING_REVOKED  },
        {"UPDATE certificate SET state = 'active'",    STANDING_GOOD     },
        {"UPDATE certificate SET not_after_at = 1000", STANDING_EXPIRED  },
    };
    struct house *house = *state;
    struct peer peer = peer_of("d1", 1);

    house->config.device_enrolment = "auto";
    assert_int_equal(meet(house, &peer).scopes, STANDING_GOOD);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        execute(house->app.store, rows[i].sql);
        assert_int_equal(meet(house, &peer).scopes, rows[i].standing);
    }
}

static void refusals_are_problems_of_the_right_kind(void **state)
{
    static const struct route row = {.audience = AUDIENCE_DEVICE};
    struct house *house = *state;
    struct http_hooks hooks = api_hooks(&house->app, TLS_DEVICES);
    struct identity identity = {.kind = AUDIENCE_DEVICE, .scopes = STANDING_PENDING};
    struct error err;

    assert_int_equal(hooks.authorise(&house->app, &identity, &row, &err), -1);
    assert_int_equal(err.problem, PROBLEM_DEVICE_PENDING);
    for (uint64_t standing = STANDING_PENDING; standing <= STANDING_NAME_TAKEN; standing++) {
        identity.scopes = standing;
        assert_int_equal(hooks.authorise(&house->app, &identity, &row, &err), -1);
        assert_int_equal(problem_status(err.problem), 403);
    }
    identity.scopes = STANDING_GOOD;
    assert_int_equal(hooks.authorise(&house->app, &identity, &row, &err), 0);
}

/* -- operators -- */

static enum problem ask_operator(struct house *house, const struct peer *peer, const char *token,
                                 struct identity *ret)
{
    char authorization[128];
    struct question question = {.house = house, .peer = peer, .identify = identify_operator};

    if (token) {
        snprintf(authorization, sizeof authorization, "Bearer %s", token);
        question.authorization = authorization;
    }
    put(&question);
    *ret = question.identity;
    return question.result == HANDLE_OK ? PROBLEM_NONE : question.err.problem;
}

static void the_first_admin_is_the_one_of_the_installation(void **state)
{
    struct house *house = *state;
    struct peer stranger = peer_of("eve", 1), admin = peer_of("admin", 2),
                second = peer_of("admin", 3);
    struct identity identity;

    assert_int_equal(ask_operator(house, &stranger, NULL, &identity), PROBLEM_FORBIDDEN);
    assert_int_equal(ask_operator(house, &admin, NULL, &identity), PROBLEM_NONE);
    assert_int_equal(identity.kind, AUDIENCE_OPERATOR);
    assert_int_equal(identity.scopes, role_scopes("admin"));
    assert_int_equal(count(house, "SELECT count(*) FROM audit WHERE action = 'operator.create'"),
                     1);
    assert_int_equal(ask_operator(house, &second, NULL, &identity), PROBLEM_FORBIDDEN);
    assert_int_equal(ask_operator(house, &admin, NULL, &identity), PROBLEM_NONE);
    execute(house->app.store, "UPDATE operator SET state = 'revoked'");
    assert_int_equal(ask_operator(house, &admin, NULL, &identity), PROBLEM_FORBIDDEN);
    assert_int_equal(ask_operator(house, &second, NULL, &identity), PROBLEM_FORBIDDEN);
}

static void nobody_is_nobody(void **state)
{
    struct house *house = *state;
    struct peer nobody = {0};
    struct identity identity;

    assert_int_equal(ask_operator(house, &nobody, NULL, &identity), PROBLEM_NONE);
    assert_int_equal(identity.kind, AUDIENCE_ANYONE);
}

static int insert_token(struct tx *tx, void *arg, struct error *err)
{
    return token_insert(tx, arg, err);
}

static void a_token_may_what_its_role_and_its_maker_may(void **state)
{
    struct house *house = *state;
    struct peer nobody = {0}, admin = peer_of("admin", 2);
    struct token token = {.role = "viewer", .created_by = "admin", .expires_at = LATER};
    struct identity identity;
    struct error err;
    char text[TOKEN_TEXT_SIZE];

    assert_int_equal(ask_operator(house, &admin, NULL, &identity), PROBLEM_NONE);
    token.owner.row_id = identity.row;
    token_make(text, token.id, token.secret_hash);
    assert_int_equal(store_write(house->app.store, insert_token, &token, &err), 0);

    assert_int_equal(ask_operator(house, &nobody, text, &identity), PROBLEM_NONE);
    assert_true(identity.by_token);
    assert_int_equal(identity.scopes, role_scopes("viewer"));
    execute(house->app.store, "UPDATE operator SET role = 'signer'");
    assert_int_equal(ask_operator(house, &nobody, text, &identity), PROBLEM_NONE);
    assert_int_equal(identity.scopes, role_scopes("viewer") & role_scopes("signer"));
    execute(house->app.store, "UPDATE token SET expires_at = 5");
    assert_int_equal(ask_operator(house, &nobody, text, &identity), PROBLEM_UNAUTHENTICATED);
    execute(house->app.store, "UPDATE token SET expires_at = 4000000000, revoked_at = 6");
    assert_int_equal(ask_operator(house, &nobody, text, &identity), PROBLEM_UNAUTHENTICATED);
}

static void a_wrong_token_reads_like_an_unknown_one(void **state)
{
    static const char *const tokens[] = {
        "otat_aaaaaaaaaa_0123456789012345678901234567890123456789012", "otat_", "", "x"};
    struct house *house = *state;
    struct peer admin = peer_of("admin", 2);
    struct question question = {.house = house, .peer = &admin, .identify = identify_operator};
    struct identity identity;

    /* A bad token is not made good by the certificate beside it. */
    assert_int_equal(ask_operator(house, &admin, NULL, &identity), PROBLEM_NONE);
    for (size_t i = 0; i < COUNT_OF(tokens); i++)
        assert_int_equal(ask_operator(house, &admin, tokens[i], &identity),
                         PROBLEM_UNAUTHENTICATED);
    question.authorization = "Basic YTpi";
    put(&question);
    assert_int_equal(question.result, -1);
    assert_int_equal(question.err.problem, PROBLEM_UNAUTHENTICATED);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_unknown_certificate_becomes_a_device_that_waits),
        CASE(automatic_enrolment_lets_it_in_at_once),
        CASE(denied_enrolment_writes_nothing),
        CASE(a_name_that_is_no_id_is_refused),
        CASE(another_certificate_with_the_same_name_is_refused_and_noted_once),
        CASE(a_registered_device_is_active_from_its_first_contact),
        CASE(a_registered_name_without_certificate_takes_the_first_and_no_other),
        CASE(a_certificate_takes_a_row_that_only_others_spoke_for),
        CASE(a_certificate_takes_nothing_that_an_operator_decided_about),
        CASE(anothers_word_opens_no_row_that_waits_for_its_certificate),
        CASE(only_so_many_strangers_wait_for_approval),
        CASE(states_and_dates_decide_how_a_device_stands),
        CASE(refusals_are_problems_of_the_right_kind),
        CASE(the_first_admin_is_the_one_of_the_installation),
        CASE(nobody_is_nobody),
        CASE(a_token_may_what_its_role_and_its_maker_may),
        CASE(a_wrong_token_reads_like_an_unknown_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
