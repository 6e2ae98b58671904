"""One device, one release, by REST alone: assigned as forced, optional, download-only or within a
window, agreed to, cancelled, force quit, and read back in the device's own words. What test suites
and automation of others need."""
import itertools
import re
import time

import pytest

from conftest import wait_for
from test_campaigns import Gateway, path_of
from test_steering import API, Download, Role, at, audited, problem

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def site(shared_server):
    """Releases gw:1.0, gw:2.0 and gw:3.0."""
    for version in ("1.0", "2.0", "3.0"):
        shared_server.publish(version, f"image {version}".encode() * 1000)
    shared_server.spare = shared_server.new_devices(32, "dd-")
    shared_server.idle = shared_server.spare.pop(0)
    return shared_server


@pytest.fixture
def ask(site):
    def ask(method, path, **more):
        return site.operator(method, API + path, **more)
    return ask


class Target(Gateway):
    """A device behind DDI, and what an operator asks of it."""

    def __init__(self, site, device):
        super().__init__(site, device)
        self.prove("1.0", "boot-0")
        self.path = f"/devices/{self.id}"

    def ask(self, method, path="", **more):
        return self.server.operator(method, API + self.path + path, **more)

    def pin(self, release="gw:2.0", reason="test", **terms):
        answer = self.ask("PUT", "/pin", json={"release": release, "reason": reason, **terms})
        assert answer.status == 200, answer
        return answer.json()

    def deployments(self):
        return self.ask("GET", "/deployments").json()["items"]

    def deployment(self, action):
        answer = self.ask("GET", f"/deployments/{action}")
        assert answer.status == 200, answer
        return answer.json()

    def reports(self, action, **query):
        more = "&".join(f"{name}={value}" for name, value in query.items())
        answer = self.ask("GET", f"/deployments/{action}/reports?{more}")
        assert answer.status == 200, answer
        return answer.json()

    def word(self, action, verb, **body):
        return self.ask("POST", f"/deployments/{action}/{verb}", json=body)

    def base(self):
        """The action and the deployment document that is offered now."""
        offer = self.wait_offer()
        answer = self.device.request("GET", offer)
        assert answer.status == 200, answer
        return int(re.search(r"Base/(\d+)", offer).group(1)), answer.json()["deployment"]

    def says(self, action, execution, finished="none", kind="deploymentBase", details=(), **more):
        result = {"finished": finished, **more.pop("result", {})}
        return self.device.ddi("POST", f"/{kind}/{action}/feedback", json={"status": {
            "execution": execution, "result": result, "details": list(details), **more}})


@pytest.fixture
def target(site):
    return Target(site, site.spare.pop())


def window(opens_in, length="1h"):
    """A daily window that opens so many seconds from now."""
    return {"start": time.strftime("%H:%M", time.gmtime(time.time() + opens_in)), "length": length}


# -- devices --


def test_a_device_is_made_with_an_id_a_token_and_manners(ask):
    token = "s3cret-of-one-device"
    made = ask("POST", "/devices", json={"id": "by-rest", "model": "gw", "state": "active", "token": token, "announce": True})
    assert made.status == 201, made
    told = made.json()
    assert told["has_token"] and told["announce"] is True and told["auto_confirm"] is False and told["client"] is None
    assert token not in made.body.decode()
    changed = ask("PATCH", "/devices/by-rest", json={"announce": None, "auto_confirm": True}).json()
    assert changed["announce"] is None and changed["auto_confirm"] is True
    assert ask("PATCH", "/devices/by-rest", json={"auto_confirm": True}).json()["auto_confirm"] is True
    assert ask("PATCH", "/devices/by-rest", json={"auto_confirm": False, "announce": False}).json() == {
        **changed, "auto_confirm": False, "announce": False}
    assert ask("GET", "/devices/by-rest").json()["has_token"]
    assert audited(ask, "device.create", "by-rest") and len(audited(ask, "device.change", "by-rest")) == 3


@pytest.mark.parametrize("body, field", [
    ({"token": "too short"}, "token"),
    ({"token": "fifteen-letters"}, "token"),
    ({"token": "x" * 129}, "token"),
    ({"token": "with a blank in it"}, "token"),
    ({"token": "nicht-nur-ASCII-ä"}, "token"),
    ({"token": 1234567890123456}, "token"),
    ({"announce": "yes"}, "announce"),
    ({"auto_confirm": True}, "auto_confirm"),
])
def test_a_bad_device_is_refused_with_its_member(ask, body, field):
    problem(ask("POST", "/devices", json={"id": "refused", **body}), 400, field)
    problem(ask("GET", "/devices/refused"), 404)


def test_a_device_is_asked_for_its_attributes_again(ask, target):
    assert target.device.ddi("PUT", "/configData", json={"data": {"otad.version": "1.0", "kernel": "6.1"}}).status == 200
    assert ask("GET", target.path).json()["asks_attributes"] is False and "configData" not in target.links()
    asked = ask("PATCH", target.path, json={"ask_attributes": True})
    assert asked.status == 200 and asked.json()["asks_attributes"] is True
    assert "configData" in target.links()
    assert target.device.ddi("PUT", "/configData", json={"data": {"kernel": "6.6"}}).status == 200
    told = ask("GET", target.path).json()
    assert told["asks_attributes"] is False and told["attributes"]["kernel"] == "6.6" and "configData" not in target.links()
    problem(ask("PATCH", target.path, json={"ask_attributes": "yes"}), 400, "ask_attributes")
    assert audited(ask, "device.change", target.id)


def test_who_does_not_say_its_client_has_none(ask, target):
    assert target.device.ddi("GET").status == 200
    assert ask("GET", target.path).json()["client"] is None


@pytest.mark.parametrize("agent, name, version", [
    ("libcurl-agent/1.0", "SWUpdate", None),
    ("rauc/1.16", "RAUC", "1.16"),
    ("somebody's script", None, None),
])
def test_the_client_is_named_by_its_user_agent(ask, target, agent, name, version):
    assert target.device.ddi("GET", headers={"User-Agent": agent}).status == 200
    assert ask("GET", target.path).json()["client"] == {"name": name, "version": version, "agent": agent}


# -- one release for one device --


def test_a_release_is_assigned_fetched_reported_and_proven(target):
    pin = target.pin()
    assert (pin["install"], pin["consent"], pin["install_windows"]) == ("forced", False, [])
    action, offered = target.base()
    assert (offered["download"], offered["update"]) == ("forced", "forced") and "maintenanceWindow" not in offered
    one = target.deployment(f"d-{action}")
    assert target.deployment(action) == one == target.deployments()[0] == target.ask("GET").json()["deployment"]
    assert (one["id"], one["action"], one["release"], one["campaign"]) == (f"d-{action}", action, "gw:2.0", pin["campaign"])
    assert (one["attempt"], one["consent"], one["is_cancelling"], one["held_until"]) == (1, "none", False, None)
    target.fetch(target.offer())
    assert target.says(action, "closed", "success").status == 200
    target.prove("2.0", "boot-2")
    assert target.deployment(action)["state"] == "confirmed"
    assert target.offer() is None and target.ask("GET").json()["version"] == "2.0"


def test_an_optional_release_is_an_attempt(target):
    pin = target.pin(install="optional", risk="restarts")
    assert (pin["install"], pin["risk"]) == ("optional", "restarts")
    _, offered = target.base()
    assert (offered["download"], offered["update"]) == ("attempt", "attempt")


def test_a_release_that_is_only_fetched_is_over_when_it_is_there(target):
    target.pin(install="prestage")
    action, offered = target.base()
    assert (offered["download"], offered["update"]) == ("forced", "skip")
    target.fetch(target.offer())
    assert target.says(action, "downloaded").status == 200
    assert target.deployment(action)["state"] == "downloaded"
    assert target.offer() is None
    assert target.ask("GET").json()["version"] == "1.0"
    assert target.says(action, "proceeding").status == 410


def test_a_closed_window_holds_it_back_and_an_open_one_does_not(target):
    pin = target.pin(install_windows=[window(6 * 3600)], zone="Etc/UTC")
    assert [kept["length"] for kept in pin["install_windows"]] == [3600] and pin["zone"] == "Etc/UTC"
    assert target.links().get("deploymentBase") is None
    assert target.deployments() == []
    assert target.ask("PATCH", json={"announce": True}).status == 200
    action, offered = target.base()
    assert (offered["download"], offered["update"], offered["maintenanceWindow"]) == ("forced", "skip", "unavailable")
    target.fetch(target.offer())
    wait_for(lambda: target.deployment(action)["state"] == "downloaded", what="the image to be there")
    target.pin(install_windows=[window(-3600, "2h"), window(0, "2h")], zone="Etc/UTC")
    if "cancelAction" in target.links():
        assert target.says(action, "closed", "success", kind="cancelAction").status == 200
    again, offered = target.base()
    assert again != action
    assert (offered["download"], offered["update"], offered["maintenanceWindow"]) == ("forced", "forced", "available")


# -- consent --


def test_what_asks_for_consent_waits_for_it(ask, target):
    assert target.pin(consent=True)["consent"] is True
    action = wait_for(lambda: target.deployments(), what="the deployment")[0]["action"] if target.links() else None
    links = target.links()
    assert "deploymentBase" not in links and path_of(links["confirmationBase"]).split("?")[0].endswith(f"/{action}"), links
    assert target.deployment(action)["consent"] == "required"
    assert target.device.ddi("GET", f"/deploymentBase/{action}").status == 404
    denied = target.word(action, "consent", given=False, reason="not during the shift")
    assert denied.status == 200 and denied.json()["consent"] == "required", denied
    assert target.offer() is None
    given = target.word(action, "consent", given=True, reason="by phone")
    assert given.status == 200 and given.json()["consent"] == "given", given
    assert target.base()[0] == action
    assert "by phone" in audited(ask, "deployment.consent", target.id)[0]["detail"]
    assert "shift" in audited(ask, "deployment.deny", target.id)[0]["detail"]


@pytest.mark.parametrize("by", ["device", "operator"])
def test_consent_taken_back_cuts_the_download(target, by):
    target.pin(consent=True, caps={"transfer_rate": 1000})
    target.links()
    action = target.deployments()[0]["action"]
    assert target.word(action, "consent", given=True).status == 200
    running = Download(target, target.artifact(target.wait_offer()))
    denied = (target.device.ddi("POST", f"/confirmationBase/{action}/feedback", json={"confirmation": "denied"})
              if by == "device" else target.word(action, "consent", given=False))
    assert denied.status == 200, denied
    assert not running.to_the_end()
    assert target.offer() is None and target.deployment(action)["consent"] == "required"


def test_consent_given_ahead_is_for_what_waits_and_what_comes(target):
    target.pin(consent=True)
    assert "confirmationBase" in target.links()
    assert target.ask("PATCH", json={"auto_confirm": True}).status == 200
    action, _ = target.base()
    assert target.deployment(action)["consent"] == "given"
    problem(target.word(action, "cancel", force=True, reason="next"), 200)
    target.pin("gw:3.0", consent=True)
    assert target.base()[0] != action


def test_consent_is_for_what_asks_for_it_and_is_not_over(target):
    target.pin()
    action, _ = target.base()
    problem(target.word(action, "consent", given=True), 404)
    assert target.word(action, "cancel", force=True).status == 200
    assert target.word(action, "consent", given=True).status in (404, 410)


# -- cancelling --


def test_a_cancel_waits_for_the_device(ask, target):
    target.pin()
    action, _ = target.base()
    told = target.word(f"d-{action}", "cancel", reason="wrong one")
    assert told.status == 200 and told.json()["is_cancelling"] and told.json()["state"] == "offered", told
    links = target.links()
    assert "deploymentBase" not in links and path_of(links["cancelAction"]).endswith(f"/cancelAction/{action}"), links
    stop = target.device.ddi("GET", f"/cancelAction/{action}").json()
    assert stop == {"id": str(action), "cancelAction": {"stopId": str(action)}}
    assert target.says(action, "closed", "success", kind="cancelAction", details=["stopped"]).status == 200
    over = target.deployment(action)
    assert (over["state"], over["is_cancelling"]) == ("cancelled", False)
    assert not {"cancelAction", "deploymentBase"} & set(target.links())
    assert target.reports(action)["items"][0]["told"]["details"] == ["stopped"]
    problem(target.ask("GET", "/pin"), 404)
    problem(target.word(action, "cancel"), 409)
    rows = audited(ask, "deployment.cancel", target.id)
    assert len(rows) == 1 and "wrong one" in rows[0]["detail"], rows


def test_a_device_may_refuse_to_stop(target):
    target.pin()
    action, _ = target.base()
    assert target.says(action, "proceeding").status == 200
    assert target.word(action, "cancel").status == 200
    assert target.says(action, "rejected", kind="cancelAction", details=["too late"]).status == 200
    assert not target.deployment(action)["is_cancelling"]
    assert "cancelAction" not in target.links()


def test_a_force_quit_is_over_at_once(ask, target):
    target.pin()
    action, _ = target.base()
    assert target.says(action, "proceeding", details=["at work"]).status == 200
    assert target.word(action, "cancel").status == 200
    over = target.word(action, "cancel", force=True, reason="lost patience")
    assert over.status == 200 and (over.json()["state"], over.json()["is_cancelling"]) == ("cancelled", False), over
    assert not {"cancelAction", "deploymentBase"} & set(target.links())
    assert target.says(action, "closed", "success").status in (200, 410)
    assert target.deployment(action)["state"] == "cancelled"
    problem(target.word(action, "cancel", force=True), 409)
    problem(target.ask("GET", "/pin"), 404)
    assert "lost patience" in audited(ask, "deployment.force_cancel", target.id)[0]["detail"]


def test_a_force_quit_cuts_its_download_and_no_other(site, target):
    other = Target(site, site.spare.pop())
    for one in (target, other):
        one.pin(caps={"transfer_rate": 1000})
    action, _ = target.base()
    running = [Download(one, one.artifact(one.wait_offer())) for one in (target, other)]
    assert target.word(action, "cancel", force=True).status == 200
    assert not running[0].to_the_end()
    assert len(running[1].answer.read(200)) == 200
    running[1].connection.close()


# -- what the device said --

WORDS = [
    {"execution": "proceeding", "details": ["Größe 3 µB", "日本語 ✓"]},
    {"execution": "proceeding", "details": ['"quoted" \\ back\\slash', "two\nlines\tand a tab"], "result": {"progress": {"cnt": 2, "of": 5}}},
    {"execution": "scheduled", "details": []},
    {"execution": "resumed", "details": [""], "code": 7},
    {"execution": "closed", "finished": "failure", "details": ["no space left on /data", "<b>28</b>"], "code": 28},
]


def test_the_history_is_newest_first_in_the_devices_exact_words(target):
    target.pin()
    action, _ = target.base()
    assert target.reports(action) == {"items": [], "next": None}
    for words in WORDS:
        assert target.says(action, **words).status == 200
    told = target.reports(action)["items"]
    assert [report["told"].get("details", []) for report in told] == [words["details"] for words in reversed(WORDS)]
    assert [report["told"]["execution"] for report in told] == [words["execution"] for words in reversed(WORDS)]
    assert [report["told"].get("code") for report in told] == [28, 7, None, None, None]
    assert told[0]["told"]["finished"] == "failure" and told[3]["told"]["progress"] == {"count": 2, "of": 5}
    assert {report["attempt"] for report in told} == {1}
    first = target.reports(action, limit=2)
    rest = target.reports(action, limit=3, after=first["next"])
    assert first["items"] + rest["items"] == told and rest["next"] is None
    assert target.deployment(action)["state"] == "failed"
    assert target.says(action, "proceeding", details=["too late"]).status == 410
    assert target.reports(action)["items"][0]["told"]["details"] == WORDS[-1]["details"]


# -- again, and another one --


def test_pinned_again_after_a_failure_it_is_a_new_action(target):
    target.pin()
    first, _ = target.base()
    assert target.says(first, "closed", "failure", details=["once"]).status == 200
    assert target.offer() is None
    target.pin()
    second, _ = target.base()
    assert second > first
    assert target.says(first, "closed", "success").status in (404, 410)
    assert target.says(second, "proceeding", details=["twice"]).status == 200
    assert [report["told"]["details"] for report in target.reports(second)["items"]][0] == ["twice"]
    assert [one["action"] for one in target.deployments()][0] == second


def test_pinned_again_after_a_cancel_it_is_a_new_action(target):
    actions = []
    for _ in range(3):
        target.pin()
        actions.append(target.base()[0])
        assert target.word(actions[-1], "cancel", force=True, reason="again").status == 200
    assert actions == sorted(set(actions))
    assert [one["action"] for one in target.deployments()] == actions[::-1][:len(target.deployments())]
    page = target.ask("GET", "/deployments?limit=1").json()
    assert page["items"][0]["action"] == actions[-1]
    if page["next"]:
        rest = target.ask("GET", f"/deployments?after={page['next']}").json()["items"]
        assert page["items"] + rest == target.deployments()


def test_a_second_release_takes_the_place_of_the_first(target):
    target.pin("gw:2.0")
    first, _ = target.base()
    target.fetch(target.offer())
    target.pin("gw:3.0")
    assert path_of(target.links()["cancelAction"]).endswith(f"/{first}")
    assert target.deployment(first)["is_cancelling"]
    assert target.says(first, "closed", "success", kind="cancelAction").status == 200
    second, _ = target.base()
    assert second > first
    assert [(one["action"], one["release"]) for one in target.deployments()] == [(second, "gw:3.0"), (first, "gw:2.0")]
    target.fetch(target.offer())
    target.prove("3.0", "boot-3")
    assert target.deployment(second)["state"] == "confirmed" and target.deployment(first)["state"] == "cancelled"


def test_the_same_release_again_is_no_new_action(target):
    target.pin()
    action, _ = target.base()
    target.fetch(target.offer())
    target.prove("2.0", "boot-2")
    target.pin()
    assert target.offer() is None
    assert [one["action"] for one in target.deployments()] == [action]


# -- otactl --


def test_otactl_does_all_of_it(site, target):
    def ctl(*words, **more):
        return site.otactl(*words, **more).stdout

    assert "Nothing was deployed" in ctl("device", "deployments", target.id)
    ctl("device", "pin", target.id, "gw:2.0", "--reason", "by hand", "--install", "optional", "--risk", "restarts",
        "--consent", "--window", "install 00:00 24h", "--window", "download mon-sun 00:00 24h", "--zone", "Etc/UTC",
        "--transfer-rate", "20M", "--force-at", "+7d")
    pin = target.ask("GET", "/pin").json()
    assert (pin["install"], pin["risk"], pin["consent"], pin["zone"]) == ("optional", "restarts", True, "Etc/UTC")
    assert pin["force_at"] and pin["caps"] == {"transfer_rate": 20_000_000}
    assert [len(pin[kind][0]["days"]) for kind in ("install_windows", "download_windows")] == [7, 7]
    target.links()
    action = target.deployments()[0]["action"]
    assert "required" in ctl("device", "deployments", target.id)
    assert "required" in ctl("device", "consent", target.id, f"d-{action}", "--deny", "--reason", "busy")
    assert "given" in ctl("device", "consent", target.id, action)
    assert target.says(action, "proceeding", details=["first", "second"], code=3).status == 200
    report = ctl("device", "reports", target.id, action)
    assert "proceeding" in report and "first, second" in report
    assert site.otactl("device", "cancel", target.id, action, check=False).returncode == 2
    assert "yes" in ctl("device", "cancel", target.id, action, "--reason", "wrong")
    assert "cancelled" in ctl("device", "cancel", target.id, action, "--reason", "wrong", "--force")
    shown = ctl("device", "set", target.id, "--announce", "no", "--auto-confirm", "yes")
    assert re.search(r"Agrees to all: +yes", shown) and re.search(r"Is told ahead: +no", shown)
    assert target.ask("GET").json()["announce"] is False
    ctl("device", "set", target.id, "--announce", "auto", "--auto-confirm", "no", "--ask-attributes")
    assert target.ask("GET").json()["asks_attributes"] is True
    assert target.ask("GET").json()["announce"] is None
    assert site.otactl("device", "set", target.id, "--auto-confirm", "maybe", check=False).returncode == 2
    assert f"d-{action}" in ctl("device", "show", target.id)


# -- refusals --


@pytest.mark.parametrize("terms, field", [
    ({"install": "perhaps"}, "install"),
    ({"force_at": "tomorrow"}, "force_at"),
    ({"install_windows": [{"start": "25:00", "length": "1h"}]}, "install_windows"),
    ({"download_windows": "always"}, "download_windows"),
    ({"zone": "Nowhere/None"}, "zone"),
    ({"consent": "yes"}, "consent"),
    ({"caps": {"transfer_rate": -1}}, "caps"),
    ({"caps": {"leases": 1}}, "leases"),
    ({"target": "all"}, "target"),
    ({"kind": "update"}, "kind"),
])
def test_bad_terms_are_refused_with_their_member(ask, site, terms, field):
    id = site.idle.id
    told = problem(ask("PUT", f"/devices/{id}/pin", json={"release": "gw:2.0", "reason": "r", **terms}), 400)
    assert told["field"].startswith(field), told
    problem(ask("GET", f"/devices/{id}/pin"), 404)


def test_a_hold_has_no_terms(ask, site):
    problem(ask("PUT", f"/devices/{site.idle.id}/pin",
                json={"release": None, "reason": "r", "install": "forced"}), 400, "install")


def test_what_is_not_there_or_not_the_devices_is_not_found(site, target):
    target.pin()
    action, _ = target.base()
    other = Target(site, site.spare.pop())
    for wrong in ("d-1", "1", "d-", "x", f"d-{action}x", "99999999999999999999"):
        problem(target.ask("GET", f"/deployments/{wrong}"), 404)
    problem(other.ask("GET", f"/deployments/d-{action}"), 404)
    problem(other.ask("GET", f"/deployments/d-{action}/reports"), 404)
    problem(other.word(action, "cancel", reason="not mine"), 404)
    for body in ({"force": "yes"}, {"colour": 1}, {"reason": 7}):
        problem(target.word(action, "cancel", **body), 400, next(iter(body)))
    for body in ({}, {"given": 1}, {"given": True, "force": True}):
        problem(target.word(action, "consent", **body), 400, "force" if "force" in body else "given")


def test_only_who_deploys_may_cancel(site, target):
    target.pin()
    action, _ = target.base()
    viewer = Role(site, "viewer")
    assert viewer("GET", f"{target.path}/deployments/{action}").status == 200
    for verb in ("cancel", "consent"):
        problem(viewer("POST", f"{target.path}/deployments/{action}/{verb}", json={"given": True}), 403)
    assert not target.deployment(action)["is_cancelling"]
