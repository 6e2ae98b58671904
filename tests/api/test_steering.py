"""What steers devices beside campaigns: channels, baselines, pins, freezes, the emergency stop, sites,
lists, and what operators say of releases and devices."""
import hashlib
import http.client
import os
import ssl
import time

import pytest

from conftest import tls_context, wait_for
from test_campaigns import Gateway

API = "/api/v1"
AT_ONCE = [{"percent": 100}]


def at(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Role:
    """An operator with one role, by token."""

    def __init__(self, server, role):
        made = server.operator("POST", f"{API}/tokens", json={"role": role})
        assert made.status == 201, made
        self.client = server.operator_client(certificate=False, headers={
            "Authorization": f"Bearer {made.json()['token']}"})

    def __call__(self, method, path, **more):
        return self.client.request(method, API + path, **more)


@pytest.fixture(scope="module")
def fleet(shared_server):
    """Releases gw:1.0 and gw:2.0, devices st-1 … st-4."""
    shared_server.publish("1.0")
    shared_server.publish("2.0")
    shared_server.devices = shared_server.new_devices(4, "st-")
    return shared_server


@pytest.fixture
def ask(fleet):
    def ask(method, path, **more):
        return fleet.operator(method, API + path, **more)
    return ask


def problem(answer, status, field=None, text=""):
    assert answer.status == status, answer
    told = answer.json()
    if field:
        assert told["field"] == field, told
    assert text in told.get("detail", ""), told
    return told


def audited(ask, action, object):
    after, found = 0, []
    while True:
        page = ask("GET", f"/audit?limit=500&after={after}").json()
        found += [row for row in page["items"] if row["action"] == action and row["object"] == object]
        if not page["next"]:
            return found
        after = page["next"]


# -- channels --


def test_a_channel_is_made_changed_and_removed(ask):
    made = ask("POST", "/channels", json={"id": "stable", "rule": "model = gw"})
    assert made.status == 201 and made.headers["Location"] == f"{API}/channels/stable", made
    terms = {"auto": True, "confirmed": 5, "share": 0.5, "soak": "12h", "campaign": {"preset": "fast"}}
    assert ask("POST", "/channels", json={"id": "canary", "position": 0, "rule": "tag = canary", "next": "stable",
                                          "promotion": terms}).status == 201
    canary = ask("GET", "/channels/canary").json()
    assert (canary["rule"], canary["next"], canary["promotion"]) == ("tag = canary", "stable", terms)
    assert [c["id"] for c in ask("GET", "/channels").json()["items"]] == ["canary", "stable"]
    changed = ask("PATCH", "/channels/canary", json={"promotion": None, "next": None, "position": 9})
    assert changed.json() == {**canary, "promotion": None, "next": None, "position": 9}
    assert [c["id"] for c in ask("GET", "/channels").json()["items"]] == ["stable", "canary"]
    for id in ("canary", "stable"):
        assert ask("DELETE", f"/channels/{id}").status == 204
        problem(ask("GET", f"/channels/{id}"), 404)
        assert audited(ask, "channel.delete", id)


@pytest.mark.parametrize("body, status, field", [
    ({}, 400, "id"),
    ({"id": "no blanks"}, 400, "id"),
    ({"id": "a", "rule": "model ="}, 422, "rule"),
    ({"id": "a", "next": "nowhere"}, 400, "next"),
    ({"id": "a", "position": -1}, 400, "position"),
    ({"id": "a", "colour": 1}, 400, "colour"),
    ({"id": "a", "promotion": {"soak": "soon"}}, 400, "promotion.soak"),
    ({"id": "a", "promotion": {"share": 2}}, 400, "promotion.share"),
    ({"id": "a", "promotion": {"campaign": {"release": "gw:1.0"}}}, 400, "promotion.campaign"),
    ({"id": "a", "promotion": {"campaign": {"waves": []}}}, 400, "promotion.campaign.waves"),
])
def test_a_bad_channel_is_refused_with_its_member(ask, body, status, field):
    problem(ask("POST", "/channels", json=body), status, field)
    problem(ask("GET", "/channels/a"), 404)


def test_a_channel_is_made_once_and_chains_have_an_end(ask):
    for body in ({"id": "c1"}, {"id": "c2", "next": "c1"}, {"id": "c3", "next": "c2"}):
        assert ask("POST", "/channels", json=body).status == 201
    problem(ask("POST", "/channels", json={"id": "c1"}), 409, "id")
    problem(ask("PATCH", "/channels/c1", json={"next": "c3"}), 409, "next", "circle")
    problem(ask("PATCH", "/channels/c1", json={"next": "c1"}), 409, "next", "circle")
    for id in ("c1", "c2", "c3"):
        assert ask("DELETE", f"/channels/{id}").status == 204


def test_a_channel_with_a_campaign_stays(ask, fleet):
    assert ask("POST", "/channels", json={"id": "busy"}).status == 201
    campaign = ask("POST", "/campaigns", json={"release": "gw:2.0", "target": "all", "channel": "busy"}).json()["id"]
    problem(ask("DELETE", "/channels/busy"), 409, text=campaign)
    assert ask("POST", f"/campaigns/{campaign}/cancel", json={}).status == 200
    assert ask("DELETE", "/channels/busy").status == 204


def test_a_baseline_has_a_standing_campaign(ask):
    assert ask("POST", "/channels", json={"id": "base"}).status == 201
    assert ask("GET", "/channels/base/baselines").json()["items"] == []
    first = ask("PUT", "/channels/base/baselines/gw", json={"release": "gw:1.0", "reason": "to begin with"})
    assert first.status == 200, first
    assert (first.json()["product"], first.json()["release"]) == ("gw", "gw:1.0")
    again = ask("PUT", "/channels/base/baselines/gw", json={"release": "gw:1.0"})
    assert again.json() == first.json()
    second = ask("PUT", "/channels/base/baselines/gw", json={"release": "gw:2.0"}).json()
    assert ask("GET", f"/campaigns/{first.json()['campaign']}").json()["state"] == "superseded"
    standing = ask("GET", f"/campaigns/{second['campaign']}").json()
    assert standing["state"] == "running", standing
    assert ask("GET", "/channels/base/baselines").json()["items"] == [second]
    assert ask("GET", "/channels/base").json()["baselines"] == [second]
    assert audited(ask, "channel.baseline", "base")
    assert ask("DELETE", "/channels/base/baselines/gw").status == 204
    assert ask("GET", f"/campaigns/{second['campaign']}").json()["state"] == "cancelled"
    problem(ask("DELETE", "/channels/base/baselines/gw"), 404)
    assert ask("DELETE", "/channels/base").status == 204


def test_a_bad_baseline_is_refused_with_its_member(ask):
    assert ask("POST", "/channels", json={"id": "bad"}).status == 201
    problem(ask("PUT", "/channels/bad/baselines/gw", json={}), 400, "release")
    problem(ask("PUT", "/channels/bad/baselines/gw", json={"release": "gw:9"}), 404, "release")
    problem(ask("PUT", "/channels/bad/baselines/other", json={"release": "gw:1.0"}), 404)
    problem(ask("PUT", "/channels/none/baselines/gw", json={"release": "gw:1.0"}), 404)
    assert ask("DELETE", "/channels/bad").status == 204


def test_a_promotion_by_hand_tells_what_is_missing(ask):
    assert ask("POST", "/channels", json={"id": "late"}).status == 201
    assert ask("POST", "/channels", json={"id": "early", "next": "late"}).status == 201
    problem(ask("POST", "/channels/late/promote", json={"release": "gw:2.0"}), 409, text="last of its chain")
    problem(ask("POST", "/channels/early/promote", json={"release": "gw:2.0"}), 409, "release", "no campaign")
    assert ask("PUT", "/channels/early/baselines/gw", json={"release": "gw:2.0"}).status == 200
    problem(ask("POST", "/channels/early/promote", json={"release": "gw:2.0"}), 409, text="1 more confirmed")
    assert ask("PATCH", "/channels/early", json={"promotion": {"confirmed": 0}}).status == 200
    made = ask("POST", "/channels/early/promote", json={"release": "gw:2.0", "reason": "go on"})
    assert made.status == 201, made
    assert made.json()["state"] == "running" and made.json()["release"] == "gw:2.0"
    problem(ask("POST", "/channels/early/promote", json={"release": "gw:2.0"}), 409, text="has it already")
    assert ask("POST", f"/campaigns/{made.json()['id']}/cancel", json={}).status == 200
    for id in ("early", "late"):
        assert ask("DELETE", f"/channels/{id}").status == 204


def test_a_device_is_put_into_a_channel(ask, fleet):
    device = fleet.devices[0].id
    assert ask("POST", "/channels", json={"id": "hand"}).status == 201
    until = at(3600)
    put = ask("PUT", f"/devices/{device}/channel", json={"channel": "hand", "until": until})
    assert put.json() == {"channel": "hand", "until": until}
    assert ask("GET", f"/devices/{device}").json()["channel"] == put.json()
    problem(ask("PUT", f"/devices/{device}/channel", json={"channel": "nowhere"}), 400, "channel")
    problem(ask("PUT", f"/devices/{device}/channel", json={"channel": "hand", "until": at(-5)}), 400, "until")
    problem(ask("PUT", "/devices/nobody/channel", json={"channel": "hand"}), 404)
    assert ask("DELETE", f"/devices/{device}/channel").status == 204
    problem(ask("DELETE", f"/devices/{device}/channel"), 404)
    assert ask("GET", f"/devices/{device}").json()["channel"] is None
    assert ask("DELETE", "/channels/hand").status == 204


# -- pins --


def test_a_pin_is_set_changed_listed_and_removed(ask, fleet):
    first, second = fleet.devices[0].id, fleet.devices[1].id
    expires = at(3600)
    pin = ask("PUT", f"/devices/{first}/pin", json={"release": "gw:1.0", "reason": "lab", "expires_at": expires})
    assert pin.status == 200, pin
    assert (pin.json()["release"], pin.json()["expires_at"], pin.json()["device"]) == ("gw:1.0", expires, first)
    campaign = ask("GET", f"/campaigns/{pin.json()['campaign']}").json()
    assert campaign["state"] == "running"
    hold = ask("PUT", f"/devices/{second}/pin", json={"release": None, "reason": "in repair"}).json()
    assert (hold["release"], hold["campaign"], hold["expires_at"]) == (None, None, None)
    assert ask("GET", "/pins").json()["items"] == [pin.json(), hold]
    page = ask("GET", "/pins?limit=1").json()
    assert page["items"] == [pin.json()] and ask("GET", f"/pins?after={page['next']}").json()["items"] == [hold]
    assert ask("GET", f"/devices/{first}/pin").json() == ask("GET", f"/devices/{first}").json()["pin"] == pin.json()
    for device in (first, second):
        assert ask("DELETE", f"/devices/{device}/pin").status == 204
        problem(ask("GET", f"/devices/{device}/pin"), 404)
        problem(ask("DELETE", f"/devices/{device}/pin"), 404)
    assert ask("GET", f"/campaigns/{campaign['id']}").json()["state"] == "cancelled"
    assert "lab" in audited(ask, "device.pin", first)[0]["detail"]


@pytest.mark.parametrize("body, status, field", [
    ({"reason": "r"}, 400, "release"),
    ({"release": None}, 400, "reason"),
    ({"release": None, "reason": ""}, 400, "reason"),
    ({"release": None, "reason": "x" * 161}, 400, "reason"),
    ({"release": "gw:9", "reason": "r"}, 404, "release"),
    ({"release": None, "reason": "r", "expires_at": "tomorrow"}, 400, "expires_at"),
    ({"release": None, "reason": "r", "expires_at": "2001-01-01T00:00:00Z"}, 400, "expires_at"),
    ({"release": None, "reason": "r", "until": 1}, 400, "until"),
])
def test_a_bad_pin_is_refused_with_its_member(ask, fleet, body, status, field):
    problem(ask("PUT", f"/devices/{fleet.devices[2].id}/pin", json=body), status, field)
    problem(ask("GET", f"/devices/{fleet.devices[2].id}/pin"), 404)


# -- freezes --


def test_a_freeze_is_made_listed_and_ended(ask):
    body = {"reason": "holidays", "from": at(60), "until": at(3600), "target": "site = hall-3"}
    made = ask("POST", "/freezes", json=body)
    assert made.status == 201, made
    freeze = made.json()
    assert {name: freeze[name] for name in body} == body
    assert made.headers["Location"] == f"{API}/freezes/{freeze['id']}"
    assert ask("GET", f"/freezes/{freeze['id']}").json() == freeze
    assert freeze in ask("GET", "/freezes").json()["items"]
    assert freeze in ask("GET", "/freezes?past=1").json()["items"]
    assert ask("DELETE", f"/freezes/{freeze['id']}").status == 204
    problem(ask("GET", f"/freezes/{freeze['id']}"), 404)
    assert audited(ask, "freeze.create", freeze["id"]) and audited(ask, "freeze.delete", freeze["id"])


@pytest.mark.parametrize("more, status, field", [
    ({"reason": None}, 400, "reason"),
    ({"until": None}, 400, "until"),
    ({"until": "2001-01-01T00:00:00Z"}, 400, "until"),
    ({"from": "2999-01-01T00:00:00Z"}, 400, "until"),
    ({"from": "now"}, 400, "from"),
    ({"target": "model ="}, 422, "target"),
    ({"whom": "all"}, 400, "whom"),
])
def test_a_bad_freeze_is_refused_with_its_member(ask, more, status, field):
    problem(ask("POST", "/freezes", json={"reason": "r", "until": at(3600), **more}), status, field)
    assert ask("GET", "/freezes").json()["items"] == []


# -- sites and zones --


def test_a_site_is_said_and_forgotten(ask):
    site = ask("PUT", "/sites/hall-3", json={"zone": "Europe/Berlin", "leases": 4, "bytes": 2000000})
    assert site.status == 200, site
    assert (site.json()["zone"], site.json()["leases"], site.json()["bytes"]) == ("Europe/Berlin", 4, 2000000)
    assert ask("PUT", "/sites/hall-4", json={}).json()["zone"] == ""
    assert [s["id"] for s in ask("GET", "/sites").json()["items"]] == ["hall-3", "hall-4"]
    page = ask("GET", "/sites?limit=1").json()
    assert [s["id"] for s in ask("GET", f"/sites?after={page['next']}").json()["items"]] == ["hall-4"]
    assert ask("GET", "/sites/hall-3").json() == site.json()
    problem(ask("PUT", "/sites/hall-3", json={"zone": "Europe/Atlantis"}), 400, "zone")
    problem(ask("PUT", "/sites/hall-3", json={"leases": -1}), 400, "leases")
    problem(ask("PUT", "/sites/no%20blank", json={}), 400, "id")
    for id in ("hall-3", "hall-4"):
        assert ask("DELETE", f"/sites/{id}").status == 204
        problem(ask("DELETE", f"/sites/{id}"), 404)


def test_a_device_has_a_zone(ask, fleet):
    path = f"/devices/{fleet.devices[3].id}"
    assert ask("PATCH", path, json={"zone": "Asia/Tokyo"}).json()["zone"] == "Asia/Tokyo"
    assert ask("PATCH", path, json={"tags": ["x"]}).json()["zone"] == "Asia/Tokyo"
    problem(ask("PATCH", path, json={"zone": "Moon/Base"}), 400, "zone")
    assert ask("PATCH", path, json={"zone": None}).json()["zone"] == ""


# -- lists --


def test_a_list_is_sorted_and_each_device_counts_once(ask, fleet):
    made = ask("POST", "/lists?name=pilot", body=b"st-3\r\nst-1\n\nst-3\nst-2", headers={"Content-Type": "text/plain"})
    assert made.status == 201, made
    list = made.json()
    assert (list["name"], list["count"]) == ("pilot", 3)
    assert list["sha256"] == hashlib.sha256(b"st-1\nst-2\nst-3\n").hexdigest()
    assert ask("GET", f"/lists/{list['id']}").json() == list
    assert ask("GET", "/lists").json()["items"][0] == list
    plan = {"release": "gw:2.0", "target": "all", "waves": [{"list": list["id"]}, {"percent": 100}]}
    campaign = ask("POST", "/campaigns", json=plan).json()["id"]
    problem(ask("DELETE", f"/lists/{list['id']}"), 409, text=campaign)
    assert ask("POST", f"/campaigns/{campaign}/cancel", json={}).status == 200
    assert ask("DELETE", f"/lists/{list['id']}").status == 204
    problem(ask("GET", f"/lists/{list['id']}"), 404)


@pytest.mark.parametrize("body, text", [
    (b"st-1\n\nnobody\nst-2\nanybody\n", "line 3: there is no device nobody"),
    (b"st-1\nno blanks\n", "line 2: this is no device id"),
    (b"st-1\nst-2\0\n", "line 2"),
    (b"\n\n", "names no device"),
    (b"", "names no device"),
])
def test_a_bad_list_is_refused_with_its_line(ask, body, text):
    before = ask("GET", "/lists").json()["items"]
    problem(ask("POST", "/lists", body=body, headers={"Content-Type": "text/plain"}), 422, "body", text)
    assert ask("GET", "/lists").json()["items"] == before


def test_a_list_is_text(ask):
    problem(ask("POST", "/lists", json=["st-1"]), 415, "Content-Type")
    problem(ask("POST", "/lists?name=", body=b"st-1", headers={"Content-Type": "text/plain"}), 400, "name")


def test_a_list_has_a_limit(start_server):
    server = start_server(operator_list_max=2)
    server.new_devices(3, "li-")
    answer = server.operator("POST", f"{API}/lists", body=b"li-1\nli-2\nli-3\n", headers={"Content-Type": "text/plain"})
    problem(answer, 413, text="at most 2 devices")


# -- releases --


def test_a_release_becomes_a_floor_and_a_dead_end(ask):
    changed = ask("PATCH", "/releases/gw:1.0", json={"floor": True, "dead_end": "needs a technician"})
    assert changed.status == 200, changed
    assert (changed.json()["floor"], changed.json()["dead_end"]) == (True, "needs a technician")
    assert ask("PATCH", "/releases/gw:1.0", json={"floor": False}).json()["dead_end"] == "needs a technician"
    assert ask("PATCH", "/releases/gw:1.0", json={"dead_end": None}).json()["dead_end"] == ""
    assert ask("GET", "/releases/gw:1.0").json()["floor"] is False
    problem(ask("PATCH", "/releases/gw:1.0", json={"floor": "yes"}), 400, "floor")
    problem(ask("PATCH", "/releases/gw:1.0", json={"dead_end": "x" * 161}), 400, "dead_end")
    problem(ask("PATCH", "/releases/gw:1.0", json={"version": "3"}), 400, "version")
    problem(ask("PATCH", "/releases/gw:9", json={"floor": True}), 404)
    assert len(audited(ask, "release.change", "gw:1.0")) == 3


# -- who may --


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/channels", {"id": "mine"}),
    ("PATCH", "/channels/x", {}),
    ("DELETE", "/channels/x", None),
    ("PUT", "/channels/x/baselines/gw", {"release": "gw:1.0"}),
    ("DELETE", "/channels/x/baselines/gw", None),
    ("POST", "/channels/x/promote", {"release": "gw:1.0"}),
    ("PUT", "/devices/st-1/channel", {"channel": "x"}),
    ("DELETE", "/devices/st-1/channel", None),
    ("PUT", "/devices/st-1/pin", {"release": None, "reason": "r"}),
    ("DELETE", "/devices/st-1/pin", None),
    ("POST", "/freezes", {"reason": "r", "until": "2999-01-01T00:00:00Z"}),
    ("DELETE", "/freezes/f-1", None),
    ("DELETE", "/emergency-stop", None),
    ("PUT", "/sites/s", {}),
    ("DELETE", "/sites/s", None),
    ("POST", "/lists", None),
    ("DELETE", "/lists/l-1", None),
    ("PATCH", "/releases/gw:1.0", {"floor": True}),
])
def test_support_may_look_but_not_steer(fleet, method, path, body):
    support = Role(fleet, "support")
    problem(support(method, path, **({"json": body} if body is not None else {})), 403)


@pytest.mark.parametrize("path", ["/channels", "/pins", "/freezes", "/sites", "/lists", "/emergency-stop"])
def test_a_viewer_sees_everything(fleet, path):
    assert Role(fleet, "viewer")("GET", path).status == 200


# -- the emergency stop --


def test_support_stops_and_a_release_manager_lifts(fleet, ask):
    support, manager, viewer = (Role(fleet, role) for role in ("support", "release-manager", "viewer"))
    problem(viewer("PUT", "/emergency-stop", json={"reason": "no"}), 403)
    problem(support("PUT", "/emergency-stop", json={}), 400, "reason")
    assert ask("GET", "/emergency-stop").json() == {"stopped": False}
    stopped = support("PUT", "/emergency-stop", json={"reason": "smoke"})
    assert stopped.status == 200 and stopped.json()["stopped"] and stopped.json()["reason"] == "smoke", stopped
    assert ask("GET", "/emergency-stop").json() == stopped.json()
    problem(support("DELETE", "/emergency-stop"), 403)
    assert manager("DELETE", "/emergency-stop").status == 204
    assert manager("DELETE", "/emergency-stop").status == 204
    assert ask("GET", "/emergency-stop").json() == {"stopped": False}
    assert len(audited(ask, "emergency.stop", "all")) == len(audited(ask, "emergency.lift", "all")) == 1


class Download:
    """A whole-file GET that is read bit by bit."""

    def __init__(self, gateway, path):
        device = gateway.device
        self.connection = http.client.HTTPSConnection(device.host, device.port, context=device.context, timeout=60)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        self.got = self.answer.read(1)

    def to_the_end(self):
        """True when it came whole."""
        try:
            while piece := self.answer.read(65536):
                self.got += piece
        except (http.client.IncompleteRead, ConnectionError, ssl.SSLError) as cut:
            self.got += getattr(cut, "partial", b"")
            return False
        finally:
            self.connection.close()
        return self.answer.length == 0 or self.answer.length is None


def test_an_emergency_stop_cuts_downloads_and_blames_nobody(start_server):
    server = start_server(delivery_rate=100_000)
    server.publish("1.0", b"old")
    server.publish("2.0", os.urandom(10_000_000))  # minutes, at that rate
    gateway = Gateway(server, server.new_device("slow", hardware="gw")).prove("1.0", "boot-0")
    id = server.campaign("gw:2.0")
    offer = gateway.wait_offer()
    artifact = gateway.artifact(offer)
    download = Download(gateway, artifact)
    assert download.answer.status == 200 and download.got

    assert server.operator("PUT", f"{API}/emergency-stop", json={"reason": "smoke"}).status == 200
    assert not download.to_the_end()
    wait_for(lambda: 'path="/api/v1/emergency-stop"' in server.log(), what="the stop's own line")
    log = server.log()  # cut first, acknowledged then
    assert log.index("transfer.severed") < log.index('path="/api/v1/emergency-stop"')
    assert gateway.offer() is None
    assert gateway.device.request("GET", artifact).status in (403, 404)
    assert gateway.tell(offer, "closed", "failure", "connection lost").status in (200, 410)
    assert gateway.offer() is None
    counts = server.operator("GET", f"{API}/campaigns/{id}").json()
    assert counts["state"] == "running", counts
    assert not counts["counts"].get("failed"), counts

    assert server.operator("DELETE", f"{API}/emergency-stop").status == 204
    again = gateway.wait_offer()
    assert again != offer
    resumed = Download(gateway, gateway.artifact(again))
    assert resumed.answer.status == 200
    resumed.connection.close()
    gateway.prove("2.0", "boot-2")
    wait_for(lambda: server.operator("GET", f"{API}/campaigns/{id}").json()["counts"].get("confirmed") == 1,
             what="the device to be confirmed")


# -- whole ways --


def test_a_device_gets_the_baseline_of_its_channel_and_its_pin(start_server):
    server = start_server()
    for version in ("1.0", "2.0", "3.0"):
        server.publish(version, os.urandom(1000))
    gateway = Gateway(server, server.new_device("d-1", hardware="gw")).prove("1.0", "boot-0")
    post = lambda path, body: server.operator("POST", API + path, json=body)
    put = lambda path, body: server.operator("PUT", API + path, json=body)
    assert post("/channels", {"id": "field", "rule": "model = gw"}).status == 201
    assert gateway.offer() is None
    assert put("/channels/field/baselines/gw", {"release": "gw:2.0"}).status == 200
    gateway.update("2.0")
    assert wait_for(lambda: server.operator("GET", f"{API}/devices/d-1").json()["version"] == "2.0")
    assert put("/devices/d-1/pin", {"release": "gw:1.0", "reason": "comparison"}).status == 200
    gateway.update("1.0", gateway.wait_offer())
    assert put("/devices/d-1/pin", {"release": None, "reason": "leave it"}).status == 200
    assert gateway.offer() is None
    assert server.operator("DELETE", f"{API}/devices/d-1/pin").status == 204
    gateway.update("2.0", gateway.wait_offer())


def test_a_freeze_holds_offers_back_until_it_is_ended(start_server):
    server = start_server()
    server.publish("2.0", os.urandom(1000))
    gateway = Gateway(server, server.new_device("d-1", hardware="gw")).prove("1.0", "boot-0")
    id = server.campaign("gw:2.0")
    wait_for(lambda: server.operator("GET", f"{API}/campaigns/{id}").json()["waves"][0]["state"] == "open",
             what="the wave to open")
    freeze = server.operator("POST", f"{API}/freezes", json={"reason": "holidays", "until": at(3600)}).json()["id"]
    assert gateway.offer() is None
    assert server.operator("DELETE", f"{API}/freezes/{freeze}").status == 204
    gateway.wait_offer()
