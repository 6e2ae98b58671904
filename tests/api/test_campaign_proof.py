"""What a campaign promises when an update is bad, shown on devices that speak both protocols: the brake is
pulled by the very report that spends the budget, what is worse leads back to the old version, and a
release of several components is one deployment."""
import json
import re

import pytest

from conftest import wait_for
from simulated import Fleet
from test_campaigns import AT_ONCE, CAMPAIGNS, act, campaign, gateways, wait_campaign

# Fixed numbers, whatever the number of devices: the share of nothing is nothing.
TWO = {"share": 0, "failures": 2, "sample": 1}
THREE = {"share": 0, "failures": 3, "sample": 1}
MANY = {"share": 1, "failures": 1000, "sample": 1000}


@pytest.fixture
def new_fleet(server):
    fleets = []

    def make(count, prefix, *words, model="gw"):
        """`words` are options of otad-fleet."""
        folder = server.dir / prefix
        server.otactl("device", "issue", "--count", count, "--prefix", prefix, "--model", model, "--out", folder)
        fleets.append(Fleet(server, folder, "--poll", "0.5", "--install", "0", "--reboot", "0.2", *words))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.stop()


def wait_versions(server, version, count):
    """The server knows so many devices that run it."""
    def known():
        items = server.operator("GET", "/api/v1/fleet/versions").json()["items"]
        return sum(item["count"] for item in items if item["version"] == version) == count
    wait_for(known, what=f"{count} devices on {version}")


def report_failure(gateway, offer, api):
    """The last word of a device: returns the answer to it."""
    if api == "ddi":
        return gateway.tell(offer, "closed", "failure", "signature verification failed")
    action = re.search(r"Base/(\d+)", offer).group(1)
    return gateway.device.request("POST", "/v1/device/status", json={
        "seq": 1, "deployment_id": f"d-{action}", "state": "failed", "error": {"code": "signature"}})


def offers_of(fleet, count):
    """Polls all until so many have an offer; who has, with the path of it."""
    offers = {}

    def look():
        for gateway in fleet:
            offer = gateway.offer()
            if offer:
                offers[gateway] = offer
        return len(offers) >= count
    wait_for(look, what=f"{count} offers")
    return list(offers.items())


# -- the brake --

@pytest.mark.parametrize("api", ["ddi", "native"])
def test_the_report_that_spends_the_budget_is_answered_by_a_paused_campaign(server, api):
    fleet = gateways(server, 8)
    id = server.campaign(server.publish("1.1"), waves=[{"count": 4}, {"percent": 100}], pause=TWO, abort=MANY)
    canaries = offers_of(fleet, 4)
    assert len(canaries) == 4
    for gateway, offer in canaries[:2]:
        assert campaign(server, id)["state"] == "running"
        answer = report_failure(gateway, offer, api)
        assert answer.status == 200, answer
    stopped = campaign(server, id)  # the next request after that answer
    assert (stopped["state"], stopped["paused_for"]) == ("paused", "budget")
    assert stopped["state_reason"].startswith("failure budget: 2 of 2")
    assert [wave["state"] for wave in stopped["waves"]] == ["held", "pending"]
    assert [gateway.id for gateway in fleet if gateway.offer()] == []
    assert campaign(server, id)["counts"] == {"failed": 2, "offered": 2}


def test_a_failure_that_is_not_yet_the_budget_stops_nothing(server):
    fleet = gateways(server, 4)
    id = server.campaign(server.publish("1.1"), waves=[{"percent": 100, "min_confirmed": 3}], pause=TWO, abort=MANY)
    (first, offer), *others = offers_of(fleet, 4)
    assert report_failure(first, offer, "ddi").status == 200
    for gateway, offer in others:
        gateway.update("1.1", offer)
    assert wait_campaign(server, id, lambda c: c["state"] == "finished")["counts"] == {"confirmed": 3, "failed": 1}


def rollback_of(server, id):
    items = server.operator("GET", f"{CAMPAIGNS}?limit=500").json()["items"]
    children = [c for c in items if c["kind"] == "rollback" and c["parent"] == id]
    assert len(children) <= 1
    return children[0] if children else None


def test_the_larger_budget_aborts_and_who_took_the_release_goes_back(server):
    old = server.publish("1.0")
    fleet = gateways(server, 8)
    id = server.campaign(server.publish("1.1"), waves=AT_ONCE, pause=TWO, abort=THREE, on_abort="rollback")
    offers = offers_of(fleet, 8)
    updated, (late, late_offer), bad, untouched = offers[:3], offers[3], offers[4:7], offers[7][0]
    for gateway, offer in updated:
        gateway.update("1.1", offer)
    late.fetch(late_offer)
    assert late.tell(late_offer, "proceeding", "none", "Installing.").status == 200
    states = []
    for gateway, offer in bad:
        assert report_failure(gateway, offer, "ddi").status == 200
        states.append(campaign(server, id)["state"])
        assert bool(rollback_of(server, id)) == (states[-1] == "aborted")
    assert states == ["running", "paused", "aborted"]
    late.prove("1.1", "boot-late")  # it was past stopping, and is let alone

    back = rollback_of(server, id)
    assert (back["release"], back["state"], back["parent"]) == (old, "running", id)
    to_bring_back = [gateway for gateway, _ in updated] + [late]
    for gateway, offer in offers_of(to_bring_back, 4):
        gateway.update("1.0", offer)
    assert wait_campaign(server, back["id"], lambda c: c["counts"].get("confirmed") == 4)["counts"] == {"confirmed": 4}
    told = server.operator("GET", f"{CAMPAIGNS}/{back['id']}/deployments").json()["items"]
    assert {d["device"] for d in told} == {gateway.id for gateway in to_bring_back}
    assert not any(gateway.offer() for gateway in fleet), "who runs the old version already needs nothing"
    assert not untouched.offer()
    wait_versions(server, "1.0", 8)


def test_without_on_abort_an_abort_leads_nowhere(server):
    server.publish("1.0")
    fleet = gateways(server, 4)
    id = server.campaign(server.publish("1.1"), waves=AT_ONCE, pause=TWO, abort=THREE)
    for gateway, offer in offers_of(fleet, 4)[:3]:
        assert report_failure(gateway, offer, "ddi").status == 200
    assert campaign(server, id)["state"] == "aborted"
    assert rollback_of(server, id) is None


def test_a_whole_fleet_that_meets_a_bad_release_ends_on_the_old_one(server, new_fleet):
    server.publish("1.0.0")
    bad = server.publish("2.0.0")
    fleet = new_fleet(40, "sim-", "--api", "mixed", "--fated", "2.0.0", "--fail", "0.35", "--seed", "7", "--cut", "0.2")
    wait_versions(server, "1.0.0", 40)
    # Both at once: who has not begun when a campaign pauses would wait, and with it the third failure.
    id = server.campaign(bad, waves=AT_ONCE, pause=THREE, abort=THREE, on_abort="rollback")
    aborted = wait_campaign(server, id, lambda c: c["state"] == "aborted")
    assert aborted["counts"].get("failed") >= 3 and aborted["state_reason"].startswith("failure budget")
    events = server.operator("GET", f"{CAMPAIGNS}/{id}/events?limit=500").json()["items"]
    moves = [e["to"] for e in reversed(events) if e["kind"] == "campaign.state"]
    assert moves[-2:] == ["running", "aborted"]

    back = wait_for(lambda: rollback_of(server, id), what="the rollback")
    took = lambda: campaign(server, id)["counts"].get("confirmed", 0)
    wait_for(lambda: fleet.versions() == {"1.0.0": 40} and campaign(server, back["id"])["counts"] ==
             ({"confirmed": took()} if took() else {}), what="all devices on the old version")
    wait_versions(server, "1.0.0", 40)


# -- several components --

def draft_document(server, version, component, data):
    """The product's next role file with one more image, as the convenience draft makes it."""
    artifact = server.upload(data, f"{component}.bin")
    draft = server.operator("POST", "/api/v1/releases/draft", json={
        "product": "gw", "version": version, "component": component, "file": f"{component}.bin",
        "artifact": artifact["sha256"], "hardware_ids": ["gw"]})
    assert draft.status == 201, draft
    path = f"/api/v1/tuf/drafts/{draft.json()['id']}"
    document = json.loads(server.operator("GET", f"{path}/payload").body)
    assert server.operator("DELETE", path).status == 204
    return document


def publish_bundle(server, version, images, requires):
    """One release of several images: {component: bytes}; `requires` is {component: [requirement]}."""
    server.ensure_trust()
    whole = None
    for component, data in images.items():
        document = draft_document(server, version, component, data)
        whole = whole or document
        whole["targets"].update(document["targets"])
    for component, list_ in requires.items():
        whole["targets"][f"gw/{version}/{component}.bin"]["custom"]["ota"]["requires"] = list_
    draft = server.operator("POST", "/api/v1/tuf/drafts", json={"role": "product-gw", "signed": whole})
    assert draft.status == 201, draft
    done = server.sign_and_publish(draft.json()["id"])
    assert done["releases"] == [f"gw:{version}"], done
    return f"gw:{version}"


def bundle(server, version, min_counter):
    """Bootloader and application; the application wants a bootloader at least so new."""
    return publish_bundle(server, version, {"app": b"a" * 70_000, "bootloader": b"b" * 30_000},
                          {"app": [{"component": "bootloader", "min_counter": min_counter}]})


def components(server, id):
    answer = server.operator("GET", f"{CAMPAIGNS}/{id}/components")
    assert answer.status == 200, answer
    return {(c["component"], c["version"]): c["devices"] for c in answer.json()["items"]}


def components_of(server, device):
    told = server.operator("GET", f"/api/v1/devices/{device}").json()["components"]
    return {c["component"]: c["version"] for c in told}


def test_both_components_of_a_release_are_signed_and_told_what_they_require(server):
    [gateway] = gateways(server, 1)
    id = server.campaign(bundle(server, "2.0.0", 1))
    gateway.wait_offer()
    told = gateway.device.request("GET", "/v1/device/update").json()
    signed = told["image"]["product"]["signed"]["targets"]
    assert {target["path"] for target in told["targets"]} == {"gw/2.0.0/app.bin", "gw/2.0.0/bootloader.bin"}
    assert all(signed[t["path"]]["hashes"]["sha256"] == t["sha256"] for t in told["targets"])
    assert signed["gw/2.0.0/app.bin"]["custom"]["ota"]["requires"] == [{"component": "bootloader", "min_counter": 1}]
    assert len(told["image"]["product"]["signatures"]) == 2
    assert components(server, id) == {}, "a device of the other protocol tells none"


def test_a_bundle_goes_in_in_order_and_fails_as_one(server, new_fleet):
    new_fleet(12, "two-", "--api", "native", "--components", "app,bootloader", "--fated", "2.0.0", "--fail", "0.4",
              "--fail-component", "app", "--seed", "3")
    wait_versions(server, "1.0.0", 12)
    # Published when they are there: its counter, 1, is what the application requires of the bootloader.
    id = server.campaign(bundle(server, "2.0.0", 1), pause=MANY, abort=MANY)
    done = wait_campaign(server, id, lambda c: sum(c["counts"].get(s, 0) for s in ("confirmed", "failed")) == 12)
    good, bad = done["counts"]["confirmed"], done["counts"]["failed"]
    assert good and bad, "the seed has both"
    # The bootloader went in first everywhere, although the application stands first in every list.
    assert components(server, id) == {("bootloader", "2.0.0"): 12, ("app", "2.0.0"): good, ("app", "1.0.0"): bad}
    for item in server.operator("GET", f"{CAMPAIGNS}/{id}/deployments?limit=500").json()["items"]:
        app = "2.0.0" if item["state"] == "confirmed" else "1.0.0"
        assert components_of(server, item["device"]) == {"app": app, "bootloader": "2.0.0"}


def test_a_requirement_that_nothing_meets_is_not_installed(server, new_fleet):
    new_fleet(2, "odd-", "--api", "native", "--components", "app,bootloader")
    wait_versions(server, "1.0.0", 2)
    id = server.campaign(bundle(server, "2.0.0", 99), pause=MANY, abort=MANY)
    done = wait_campaign(server, id, lambda c: c["counts"].get("not_applicable") == 2)
    assert done["counts"] == {"not_applicable": 2}
    assert components(server, id) == {("app", "1.0.0"): 2, ("bootloader", "1.0.0"): 2}
