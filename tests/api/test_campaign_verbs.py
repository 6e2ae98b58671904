"""What operators may do to campaigns, in which order, and what is refused without a trace."""
import concurrent.futures
import datetime
import json
import urllib.parse

import pytest

from conftest import Client, tls_context, wait_for
from test_campaigns import AT_ONCE, CAMPAIGNS, act, campaign, gateways, wait_campaign

GW = 'model = "gw"'


def person(server, name, role):
    """Another operator with a certificate of their own."""
    folder = server.dir / name
    server.otactl("operator", "add", name, "--role", role, "--out", folder)
    return Client(server.operator_port, tls_context(
        server.dir / "pki" / "server-ca.crt", folder / "operator.crt", folder / "operator.key"))


def make(server, release, **more):
    answer = server.operator("POST", CAMPAIGNS, json={
        "release": release, "target": GW, "waves": AT_ONCE, **more})
    assert answer.status == 201, answer
    return answer.json()


def members(campaign):
    """A plan as it can be sent again."""
    return {**campaign["plan"], "name": campaign["name"]}


def approve(client, campaign, **more):
    """Of the plan as it was when the campaign was read."""
    return client.request("POST", f"{CAMPAIGNS}/{campaign['id']}/approve",
                          json={"plan_hash": campaign["plan_hash"], **more})


def in_days(days):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def audit_of(server, object):
    records, after = [], ""
    while True:
        page = server.operator("GET", f"/api/v1/audit?limit=500{after}").json()
        records += [r["action"] for r in page["items"] if r["object"] == object]
        if not page["next"]:
            return records
        after = f"&after={page['next']}"


@pytest.fixture(scope="module")
def release(shared_server):
    gateways(shared_server, 2, prefix="shared-")
    return shared_server.publish("3.0")


# -- approvals --

def test_two_persons_beside_the_author_let_it_start(server):
    gateways(server, 2)
    bob, carol = person(server, "bob", "approver"), person(server, "carol", "release-manager")
    made = make(server, server.publish("1.1"), approvals=2)
    path = f"{CAMPAIGNS}/{made['id']}"
    assert act(server, made["id"], "start").json()["field"] == "approvals"
    assert act(server, made["id"], "submit").json()["state"] == "review"
    own = act(server, made["id"], "approve", plan_hash=made["plan_hash"])
    assert own.status == 403 and "admin" in own.json()["detail"]
    first = approve(bob, made, note="fine")
    assert first.status == 200, first
    assert (first.json()["state"], first.json()["approvals_needed"], first.json()["approvals_given"]) == ("review", 2, 1)
    assert approve(bob, made).json()["approvals_given"] == 1, "one person is one voice"
    assert approve(carol, made).json()["state"] == "scheduled"
    given = server.operator("GET", f"{path}/approvals").json()["items"]
    assert [(a["operator"], a["decision"], a["is_valid"]) for a in given] == [
        ("bob", "approved", True), ("carol", "approved", True)]
    assert act(server, made["id"], "start").json()["state"] == "running"
    assert audit_of(server, made["id"]) == ["campaign.create", "campaign.submit", "campaign.approve",
                                            "campaign.approve", "campaign.approve", "campaign.start"]


def test_another_plan_needs_other_approvals(server):
    gateways(server, 2)
    bob = person(server, "bob", "approver")
    made = make(server, server.publish("1.1"), approvals=2)
    path = f"{CAMPAIGNS}/{made['id']}"
    act(server, made["id"], "submit")
    assert approve(bob, made).json()["approvals_given"] == 1
    edited = server.operator("PATCH", path, json={**members(made), "attempts": 7})
    assert edited.status == 200, edited
    assert (edited.json()["state"], edited.json()["approvals_given"], edited.json()["attempts"]) == ("draft", 0, 7)
    assert edited.json()["plan_hash"] != made["plan_hash"]
    assert server.operator("GET", f"{path}/approvals").json()["items"] == []
    assert approve(bob, edited.json()).status == 409, "a draft is not approved"
    assert server.operator("PATCH", path, json=members(made)).json()["plan_hash"] == made["plan_hash"]
    assert act(server, made["id"], "submit").json()["approvals_given"] == 0, "the same plan again is a new one"


def test_who_wrote_the_plan_does_not_approve_it(server):
    gateways(server, 1)
    bob, carol = person(server, "bob", "release-manager"), person(server, "carol", "approver")
    made = make(server, server.publish("1.1"), approvals=1)
    edited = bob.request("PATCH", f"{CAMPAIGNS}/{made['id']}", json={**members(made), "attempts": 7}).json()
    assert (edited["created_by"], edited["planned_by"]) == ("admin", "bob")
    assert bob.request("POST", f"{CAMPAIGNS}/{made['id']}/submit").json()["state"] == "review"
    assert approve(bob, edited).status == 403
    assert server.operator("POST", f"{CAMPAIGNS}/{made['id']}/approve",
                           json={"plan_hash": edited["plan_hash"]}).status == 403
    assert approve(carol, edited).json()["state"] == "scheduled"


def test_an_approval_names_the_plan_that_was_looked_at(server):
    gateways(server, 1)
    bob = person(server, "bob", "approver")
    made = make(server, server.publish("1.1"), approvals=1, start=True)
    path = f"{CAMPAIGNS}/{made['id']}"
    for headers in {}, {"If-Match": "*"}:
        blind = bob.request("POST", f"{path}/approve", json={"note": "whatever it is"}, headers=headers)
        assert (blind.status, blind.json()["field"]) == (422, "plan_hash")
    server.operator("PATCH", path, json={**members(made), "attempts": 7})
    act(server, made["id"], "submit")
    late = approve(bob, made)
    assert (late.status, late.json()["field"]) == (409, "plan_hash")
    tag = bob.request("GET", path).headers["ETag"]
    assert bob.request("POST", f"{path}/approve", headers={"If-Match": tag}).json()["state"] == "scheduled"


def test_a_refusal_leads_back_to_the_draft(server):
    gateways(server, 1)
    bob = person(server, "bob", "approver")
    made = make(server, server.publish("1.1"), approvals=1, start=True)
    path = f"{CAMPAIGNS}/{made['id']}"
    assert made["state"] == "review", "what needs approvals is submitted"
    assert bob.request("POST", f"{path}/refuse").json()["field"] == "note"
    assert campaign(server, made["id"])["state"] == "review"
    refused = bob.request("POST", f"{path}/refuse", json={"note": "not on a Friday"})
    assert (refused.json()["state"], refused.json()["state_reason"]) == ("draft", "not on a Friday")
    assert act(server, made["id"], "start").status == 409


def test_who_may_not_approve_is_told_which_scope_is_missing(server):
    gateways(server, 1)
    engineer = person(server, "eve", "release-engineer")
    made = make(server, server.publish("1.1"), approvals=1, start=True)
    answer = engineer.request("POST", f"{CAMPAIGNS}/{made['id']}/approve")
    assert answer.status == 403 and "deploy:approve" in answer.json()["detail"]


# -- tags of entities, keys of requests --

def test_a_known_campaign_is_not_sent_again(shared_server, release):
    made = make(shared_server, release)
    path = f"{CAMPAIGNS}/{made['id']}"
    tag = shared_server.operator("GET", path).headers["ETag"]
    assert tag.startswith(f'"{made["change"]}.')
    again = shared_server.operator("GET", path, headers={"If-None-Match": tag})
    assert again.status == 304 and again.body == b""
    renamed = shared_server.operator("PATCH", path, json={**members(made), "name": "other"})
    assert renamed.headers["ETag"] != tag
    assert shared_server.operator("GET", path, headers={"If-None-Match": tag}).status == 200


@pytest.mark.parametrize("method, verb, body", [
    ("PATCH", "", {"release": "gw:3.0", "target": "id = nobody"}), ("POST", "/submit", {}), ("POST", "/start", {}),
    ("POST", "/cancel", {}), ("POST", "/pause", {}), ("POST", "/waves/1/hold", {"reason": "r"}),
    ("PATCH", "/waves/1", {"percent": 50, "reason": "r"}), ("POST", "/devices/shared-1/retry", {}),
])
def test_every_write_honours_if_match(shared_server, release, method, verb, body):
    made = make(shared_server, release)
    path = f"{CAMPAIGNS}/{made['id']}"
    stale = shared_server.operator(method, path + verb, json=body, headers={"If-Match": '"99"'})
    assert (stale.status, stale.json()["field"]) == (412, "If-Match")
    assert campaign(shared_server, made["id"])["change"] == made["change"]


def test_the_tag_of_a_read_is_good_for_a_write(shared_server, release):
    made = make(shared_server, release)
    path = f"{CAMPAIGNS}/{made['id']}"
    tag = shared_server.operator("GET", path).headers["ETag"]
    assert shared_server.operator("POST", f"{path}/submit", headers={"If-Match": tag}).status == 200
    assert shared_server.operator("POST", f"{path}/cancel", headers={"If-Match": tag}).status == 412


def test_the_same_key_makes_one_campaign(shared_server, release):
    plan = {"release": release, "target": "id = once"}
    before = len(shared_server.operator("GET", f"{CAMPAIGNS}?limit=500").json()["items"])

    def post(_):
        return shared_server.operator("POST", CAMPAIGNS, json=plan, headers={"Idempotency-Key": "k-1"})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(8)))
    assert {a.status for a in answers} == {201}
    assert len({a.json()["id"] for a in answers}) == 1
    assert sorted(a.headers.get("Idempotency-Replayed", "") for a in answers) == [""] + ["true"] * 7
    assert len(shared_server.operator("GET", f"{CAMPAIGNS}?limit=500").json()["items"]) == before + 1


def test_a_key_answers_for_one_request_alone(shared_server, release):
    key = {"Idempotency-Key": "k-2"}
    made = shared_server.operator("POST", CAMPAIGNS, json={"release": release, "target": "id = a"}, headers=key)
    assert made.status == 201
    other = shared_server.operator("POST", CAMPAIGNS, json={"release": release, "target": "id = b"}, headers=key)
    assert (other.status, other.json()["field"]) == (422, "Idempotency-Key")
    asked = shared_server.operator("POST", f"{CAMPAIGNS}?dry=1", json={"release": release, "target": "id = a"}, headers=key)
    assert (asked.status, asked.json()["field"]) == (422, "Idempotency-Key"), "the query is part of the request"
    cancel = f"{CAMPAIGNS}/{made.json()['id']}/cancel"
    first = shared_server.operator("POST", cancel, headers={"Idempotency-Key": "k-3"})
    again = shared_server.operator("POST", cancel, headers={"Idempotency-Key": "k-3"})
    assert first.status == again.status == 200 and first.json() == again.json()
    assert shared_server.operator("POST", cancel).status == 409, "without the key it is another request"


def test_a_key_outlives_the_server_and_what_was_refused_may_be_tried_again(server):
    gateways(server, 1)
    release = server.publish("1.1")
    key = {"Idempotency-Key": "k-4"}
    plan = {"release": release, "target": "all", "start": True}
    assert server.operator("POST", CAMPAIGNS, json=plan, headers=key).status == 422
    plan["expected"] = {"count": 1}
    made = server.operator("POST", CAMPAIGNS, json=plan, headers=key)
    assert made.status == 201, made
    server.restart()
    again = server.operator("POST", CAMPAIGNS, json=plan, headers=key)
    assert again.json()["id"] == made.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 129, "a key"])
def test_an_odd_key_is_refused(shared_server, release, key):
    answer = shared_server.operator("POST", CAMPAIGNS, json={"release": release, "target": "id = odd"},
                                    headers={"Idempotency-Key": key})
    assert (answer.status, answer.json()["field"]) == (400, "Idempotency-Key")


# -- plans that are refused --

BAD_PLANS = [
    ({"wawes": []}, 400, "wawes"),
    ({"pause": {"failures": 9}, "abort": {"failures": 8}}, 400, "pause"),
    ({"waves": [{"percent": 50}, {"percent": 20}]}, 400, "waves[1].percent"),
    ({"waves": [{"percent": 5}, {"tag": "late"}]}, 400, "waves[1]"),
    ({"waves": [{"list": "l-99"}]}, 400, "waves[0].list"),
    ({"windows": {"zone": "Atlantis/Main"}}, 400, "windows.zone"),
    ({"windows": {"install": [{"days": [], "start": "01:00", "length": "1h"}]}}, 400, "windows.install[0].days"),
    ({"start_at": "2020-01-01T00:00:00Z"}, 400, "start_at"),
    ({"end_at": "2020-01-01T00:00:00Z"}, 400, "end_at"),
    ({"salt_from": "c-9999"}, 400, "salt_from"),
    ({"channel": "nowhere"}, 400, "channel"),
    ({"release": "gw:9.9"}, 404, "release"),
    ({"target": "model ="}, 422, "target"),
    ({"kind": "pin"}, 400, "kind"),
    ({"kind": "rollback"}, 400, "reason"),
    ({"install": {"mode": "optional", "force_at": "2020-01-01T00:00:00Z"}}, 400, "install.force_at"),
    ({"promote": True}, 400, "promote"),
    ({"target": "all", "start": True}, 422, "expected"),
    ({"target": "id = nobody", "start": True}, 422, "expected"),
    ({"expected": {"count": 5000}, "start": True}, 409, "expected"),
]


@pytest.mark.parametrize("more, status, field", BAD_PLANS, ids=[json.dumps(plan)[:60] for plan, _, _ in BAD_PLANS])
def test_a_bad_plan_names_its_field_and_leaves_nothing(shared_server, release, more, status, field):
    server = shared_server
    before = server.operator("GET", f"{CAMPAIGNS}?limit=1").json()["items"][:1]
    answer = server.operator("POST", CAMPAIGNS, json={"release": release, "target": GW, **more})
    assert (answer.status, answer.json().get("field")) == (status, field), answer
    assert answer.headers["Content-Type"] == "application/problem+json" and answer.json()["detail"]
    after = server.operator("GET", f"{CAMPAIGNS}?limit=1").json()["items"][:1]
    assert [c["id"] for c in after] == [c["id"] for c in before]


def test_a_window_that_never_opens_before_the_end_is_refused(shared_server, release):
    yesterday = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)).strftime("%a").lower()
    windows = {"install": [{"days": [yesterday], "start": "00:00", "length": "1h"}]}
    answer = shared_server.operator("POST", CAMPAIGNS, json={
        "release": release, "target": GW, "end_at": in_days(2), "windows": windows})
    assert (answer.status, answer.json()["field"]) == (400, "windows.install")
    fine = shared_server.operator("POST", CAMPAIGNS, json={
        "release": release, "target": GW, "end_at": in_days(9), "windows": windows})
    assert fine.status == 201, fine


def test_a_release_no_device_can_take_is_not_started(server):
    gateways(server, 3)
    made = make(server, server.publish("1.1", hardware=("other",)))
    answer = act(server, made["id"], "start")
    assert (answer.status, answer.json()["field"]) == (422, "target")
    assert "hardware 3" in answer.json()["detail"]
    assert campaign(server, made["id"])["state"] == "draft"


def test_a_broad_target_says_how_many_are_expected(start_server):
    server = start_server(campaign_expected_above="2")
    gateways(server, 3)
    release = server.publish("1.1")
    made = make(server, release)
    answer = act(server, made["id"], "start")
    assert (answer.status, answer.json()["field"]) == (422, "expected")
    assert '"expected": {"count": 3}' in answer.json()["detail"]
    wrong = server.operator("PATCH", f"{CAMPAIGNS}/{made['id']}", json={**members(made), "expected": {"count": 9}})
    assert wrong.status == 200, wrong
    assert act(server, made["id"], "start").status == 409
    assert campaign(server, made["id"])["state"] == "draft"
    server.operator("PATCH", f"{CAMPAIGNS}/{made['id']}", json={**members(made), "expected": {"count": 3}})
    assert act(server, made["id"], "start").json()["state"] == "running"


def test_a_device_list_is_part_of_the_plan_by_its_content(server):
    gateways(server, 2)
    release = server.publish("1.1")
    lists = server.operator("POST", "/api/v1/lists?name=first", body=b"gw-1\n", headers={"Content-Type": "text/plain"})
    assert lists.status == 201, lists
    id = lists.json()["id"]
    made = make(server, release, waves=[{"list": id}, {"percent": 100}])
    assert made["plan"]["waves"][0]["list"] == {"id": id, "sha256": lists.json()["sha256"]}
    assert made["waves"][0]["kind"] == "list"
    again = server.operator("POST", CAMPAIGNS, json=members(made))
    assert again.status == 201 and again.json()["plan_hash"] == made["plan_hash"]
    other = json.loads(json.dumps(members(made)).replace(lists.json()["sha256"], "0" * 64))
    answer = server.operator("POST", CAMPAIGNS, json=other)
    assert (answer.status, answer.json()["field"]) == (400, "waves[0].list")


# -- campaigns of one channel --

@pytest.fixture
def channel(server):
    made = server.operator("POST", "/api/v1/channels", json={"id": "stable", "rule": GW})
    assert made.status == 201, made
    return "stable"


def test_the_newer_of_a_channel_replaces_the_older(server, channel):
    gateways(server, 2)
    older = make(server, server.publish("1.1"), channel=channel, start=True)["id"]
    newer = make(server, server.publish("1.2"), channel=channel, start=True)
    assert newer["state"] == "running" and newer["promote"]
    ended = campaign(server, older)
    assert (ended["state"], ended["state_reason"]) == ("superseded", f"superseded by {newer['id']}")


def test_a_queued_one_waits_for_the_older(server, channel):
    gateways(server, 2)
    older = make(server, server.publish("1.1"), channel=channel, start=True, waves=[{"count": 1}, {"percent": 100}])["id"]
    newer = make(server, server.publish("1.2"), channel=channel, start=True, supersede="queue")
    assert (newer["state"], newer["state_reason"]) == ("scheduled", f"queued behind {older}")
    assert act(server, older, "cancel").status == 200
    wait_campaign(server, newer["id"], lambda c: c["state"] == "running")


def test_coexisting_ones_share_no_device(server, channel):
    gateways(server, 2)
    make(server, server.publish("1.1"), channel=channel, start=True)
    answer = server.operator("POST", CAMPAIGNS, json={
        "release": server.publish("1.2"), "target": "id = gw-1", "channel": channel, "supersede": "coexist",
        "start": True})
    assert (answer.status, answer.json()["field"]) == (409, "supersede")
    assert "1 devices" in answer.json()["detail"]
    apart = server.operator("POST", CAMPAIGNS, json={
        "release": "gw:1.2", "target": "id = gw-9", "channel": channel, "supersede": "coexist",
        "expected": {"count": 0}, "start": True})
    assert apart.status == 201 and apart.json()["state"] == "running", apart


def test_expected_counts_the_devices_of_the_channel(server):
    gateways(server, 3)
    assert server.operator("POST", "/api/v1/channels", json={"id": "beta", "rule": "id = gw-1"}).status == 201
    plan = {"release": server.publish("1.1"), "target": "all", "channel": "beta", "waves": AT_ONCE, "start": True}
    asked = server.operator("POST", CAMPAIGNS, json=plan)
    assert (asked.status, asked.json()["field"]) == (422, "expected")
    assert '{"count": 1}' in asked.json()["detail"]
    assert server.operator("POST", CAMPAIGNS, json={**plan, "expected": {"count": 3}}).status == 409
    assert server.operator("POST", CAMPAIGNS, json={**plan, "expected": {"count": 1}}).json()["state"] == "running"


def test_a_standing_campaign_ends_with_its_baseline(server, channel):
    gateways(server, 1)
    release = server.publish("1.1")
    set = server.operator("PUT", f"/api/v1/channels/{channel}/baselines/gw", json={"release": release})
    assert set.status in (200, 201, 204), set
    [standing] = server.operator("GET", f"{CAMPAIGNS}?channel={channel}").json()["items"]
    assert (standing["kind"], standing["state"]) == ("baseline", "running")
    for verb in ("cancel", "start", "submit"):
        assert act(server, standing["id"], verb).status == 409
    assert server.operator("PATCH", f"{CAMPAIGNS}/{standing['id']}", json={"release": release, "target": GW}).status == 409
    assert act(server, standing["id"], "pause").json()["paused_for"] == "operator"
    assert act(server, standing["id"], "resume").json()["state"] == "running"


# -- by the clock --

def test_a_start_in_the_future_waits_and_a_guard_pauses_it(server):
    gateways(server, 2)
    release = server.publish("1.1")
    later = make(server, release, start_at=in_days(1), start=True)
    assert later["state"] == "scheduled" and later["state_reason"].startswith("starts at ")
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    soon = make(server, release, start_at=moment.strftime("%Y-%m-%dT%H:%M:%SZ"), expected={"count": 50}, start=True)
    paused = wait_campaign(server, soon["id"], lambda c: c["state"] == "paused")
    assert paused["paused_for"] == "guard" and "2 devices" in paused["state_reason"]
    assert act(server, soon["id"], "resume", reason="two is right").json()["state"] == "running"


# -- waves --

def running(server, count, waves):
    fleet = gateways(server, count)
    id = make(server, server.publish("1.1"), waves=waves, start=True)["id"]
    wait_campaign(server, id, lambda c: c["waves"][0]["state"] != "pending")
    return fleet, id


def on_wave(server, id, position, verb, **body):
    return server.operator("POST", f"{CAMPAIGNS}/{id}/waves/{position}/{verb}", json=body)


def test_waves_are_held_reopened_passed_and_skipped(server):
    _, id = running(server, 4, [{"count": 1}, {"count": 1}, {"percent": 100}])
    assert on_wave(server, id, 1, "hold").json()["field"] == "reason"
    held = on_wave(server, id, 1, "hold", reason="look at the log").json()["waves"][0]
    assert (held["state"], held["state_reason"]) == ("held", "look at the log")
    assert on_wave(server, id, 1, "hold", reason="again").status == 409
    assert on_wave(server, id, 1, "reopen", reason="fine").json()["waves"][0]["state"] == "open"
    assert on_wave(server, id, 1, "reopen", reason="again").status == 409
    ahead = on_wave(server, id, 2, "skip", reason="same model")
    assert ahead.status == 409 and "wave 1's" in ahead.json()["detail"]
    assert on_wave(server, id, 1, "pass", reason="seen enough").json()["waves"][0]["state"] == "passed"
    assert on_wave(server, id, 2, "skip", reason="same model").json()["waves"][1]["state"] == "skipped"
    wait_campaign(server, id, lambda c: c["waves"][2]["state"] == "open")
    assert on_wave(server, id, 9, "pass", reason="r").status == 404
    assert on_wave(server, id, 0, "pass", reason="r").status == 404
    assert audit_of(server, id)[-4:] == ["wave.hold", "wave.reopen", "wave.pass", "wave.skip"]


def test_a_manual_gate_can_be_passed_before_it_is_reached(server):
    fleet, id = running(server, 2, [{"count": 1, "gate": "manual"}, {"percent": 100}])
    approved = on_wave(server, id, 1, "pass", reason="no need to ask again").json()["waves"][0]
    assert (approved["state"], approved["approved"]) == ("open", True)
    [first] = [g for g in fleet if g.offer()]
    first.update("1.1")
    wait_campaign(server, id, lambda c: c["waves"][0]["state"] == "passed")


def test_a_percentage_only_grows(server):
    fleet, id = running(server, 16, [{"percent": 50, "gate": "manual"}])
    path = f"{CAMPAIGNS}/{id}/waves/1"

    def dial(percent, **more):
        return server.operator("PATCH", path, json={"percent": percent, "reason": "r", **more})

    before = campaign(server, id)
    assert dial(50).json()["field"] == "percent"
    assert dial(20).json()["field"] == "percent"
    assert server.operator("PATCH", path, json={"percent": 60}).json()["field"] == "reason"
    assert campaign(server, id)["change"] == before["change"]
    raised = dial(100)
    assert raised.status == 200, raised
    assert raised.json()["waves"][0]["amount"] == 100
    assert raised.json()["plan_hash"] != before["plan_hash"]
    wait_for(lambda: all(g.offer() for g in fleet), what="offers for all")


def test_the_dial_stays_where_it_was_approved(server):
    gateways(server, 2)
    bob = person(server, "bob", "approver")
    made = make(server, server.publish("1.1"), approvals=1, start=True, waves=[{"percent": 10}])
    assert approve(bob, made).status == 200
    act(server, made["id"], "start")
    answer = server.operator("PATCH", f"{CAMPAIGNS}/{made['id']}/waves/1", json={"percent": 50, "reason": "r"})
    assert answer.status == 409, answer
    assert campaign(server, made["id"])["plan_hash"] == made["plan_hash"]


# -- devices --

def test_a_failed_device_is_offered_it_again(server):
    fleet, id = running(server, 1, [{"percent": 100}])
    [gateway] = fleet
    offer = gateway.wait_offer()
    gateway.tell(offer, "closed", "failure", "handler said no")
    path = f"{CAMPAIGNS}/{id}/devices/{gateway.id}/retry"
    assert campaign(server, id)["counts"] == {"failed": 1}
    assert not gateway.offer(), "it backs off"
    answer = server.operator("POST", path, json={"reason": "the handler was repaired"})
    assert answer.status == 200, answer
    assert answer.json()["counts"].get("failed", 0) == 0
    gateway.update("1.1", gateway.wait_offer())
    wait_campaign(server, id, lambda c: c["counts"].get("confirmed") == 1)


def test_a_device_that_fell_back_tries_again_when_told_to(server):
    fleet, id = running(server, 1, [{"percent": 100}])
    [gateway] = fleet
    offer = gateway.wait_offer()
    gateway.fetch(offer)
    gateway.tell(offer, "closed", "success")
    gateway.prove("1.0", "boot-1")
    assert campaign(server, id)["counts"]["reverted"] == 1
    assert not gateway.offer()
    assert server.operator("POST", f"{CAMPAIGNS}/{id}/devices/{gateway.id}/retry").status == 200
    second = gateway.wait_offer()
    assert second != offer
    assert server.operator("POST", f"{CAMPAIGNS}/{id}/devices/{gateway.id}/retry").status == 409, "it is under way"
    assert server.operator("POST", f"{CAMPAIGNS}/{id}/devices/nobody/retry").status == 404


# -- what is told --

def test_answers_have_the_members_the_description_names(server):
    fleet, id = running(server, 2, [{"count": 1}, {"percent": 100}])
    fleet[0].links()
    whole = server.operator("GET", "/api/v1/openapi.json").json()

    def names(schema):
        if "$ref" in schema:
            schema = whole["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        found, needed = set(schema.get("properties", {})), set(schema.get("required", []))
        for part in schema.get("allOf", []):
            more, must = names(part)
            found, needed = found | more, needed | must
        return found, needed

    def compare(answer, name):
        found, needed = names({"$ref": f"#/components/schemas/{name}"})
        assert needed <= set(answer) <= found, (name, set(answer) ^ found)

    told = campaign(server, id)
    compare(told, "Campaign")
    compare(told["plan"], "Plan")
    for wave in told["waves"]:
        compare(wave, "CampaignWave")
    compare(server.operator("POST", f"{CAMPAIGNS}:preview", json=members(told)).json(), "Preview")
    for name, schema_name in (("deployments", "Deployment"), ("events", "Event")):
        for item in server.operator("GET", f"{CAMPAIGNS}/{id}/{name}").json()["items"]:
            compare(item, schema_name)


def test_lists_can_be_narrowed(server, channel):
    gateways(server, 1)
    one, two = server.publish("1.1"), server.publish("1.2")
    a = make(server, one)["id"]
    b = make(server, two, channel=channel)["id"]
    c = make(server, two, channel=channel)["id"]

    def ids(**query):
        answer = server.operator("GET", f"{CAMPAIGNS}?{urllib.parse.urlencode(query)}")
        assert answer.status == 200, answer
        return [item["id"] for item in answer.json()["items"]]

    assert ids(channel=channel) == [c, b] and ids(release=one) == [a]
    assert ids(release=two, state="draft", limit=1) == [c] and ids(release=two, limit=1, after=c) == [b]
    for name in ("channel", "release"):
        answer = server.operator("GET", f"{CAMPAIGNS}?{name}=none")
        assert (answer.status, answer.json()["field"]) == (400, name)


def test_the_preview_says_what_to_think_about(server):
    gateways(server, 12)
    plan = {"release": server.publish("1.1", b"x" * 36_000), "target": "all",
            "waves": [{"count": 5}, {"percent": 100}], "rate": {"start": 2, "factor": 2, "step": 4},
            "caps": {"bytes": 60}, "install": {"mode": "optional", "risk": "a restart"}}
    told = wait_for(lambda: (lambda p: p if p["devices"] == 12 else None)(
        server.operator("POST", f"{CAMPAIGNS}:preview", json=plan).json()))
    assert {w["code"] for w in told["warnings"]} == {"small_sample", "no_expected"}
    assert any("5 canaries cannot show a failure rate below 45 %" in w["text"] for w in told["warnings"])
    assert told["bytes"] == 12 * 36_000 and told["hours"]["at_bytes"] == pytest.approx(2.0)
    assert told["hours"]["at_rate"] == pytest.approx((4 / 2 + 4 / 4 + 4 / 8) / 60)
    assert told["risk"] == "a restart" and len(told["sample"]) == 10
    made = server.operator("POST", CAMPAIGNS, json=plan).json()
    assert told["plan_hash"] == made["plan_hash"] and told["plan"] == made["plan"]
