"""Campaigns as operators drive them, with devices that poll, fetch, report and prove."""
import concurrent.futures
import re
import time
import urllib.parse

import pytest

from conftest import wait_for

CAMPAIGNS = "/api/v1/campaigns"
AT_ONCE = [{"percent": 100}]


def path_of(link):
    parts = urllib.parse.urlsplit(link["href"])
    return parts.path + (f"?{parts.query}" if parts.query else "")


class Gateway:
    """A DDI client in a few lines."""

    def __init__(self, server, device):
        self.server, self.device, self.id = server, device, device.id

    def links(self):
        answer = self.device.ddi("GET")
        assert answer.status == 200, answer
        return answer.json().get("_links", {})

    def prove(self, version, boot_id, uptime=1):
        answer = self.device.ddi("PUT", "/configData", json={"data": {
            "otad.version": version, "otad.boot_id": boot_id, "otad.uptime": str(uptime)}})
        assert answer.status == 200, answer
        return self

    def offer(self):
        """The path of the deployment, or None."""
        link = self.links().get("deploymentBase")
        return path_of(link) if link else None

    def wait_offer(self):
        return wait_for(self.offer, what=f"an offer for {self.id}")

    def artifact(self, offer):
        answer = self.device.request("GET", offer)
        assert answer.status == 200, answer
        links = answer.json()["deployment"]["chunks"][0]["artifacts"][0]["_links"]
        return path_of(links.get("download") or links["download-http"])

    def fetch(self, offer):
        answer = self.device.request("GET", self.artifact(offer))
        assert answer.status == 200, answer
        return answer.body

    def tell(self, offer, execution, finished, detail="", kind="deploymentBase"):
        action = re.search(r"Base/(\d+)", offer).group(1)
        return self.device.ddi("POST", f"/{kind}/{action}/feedback", json={"id": action, "status": {
            "execution": execution, "result": {"finished": finished}, "details": [detail]}})

    def update(self, version, offer=None):
        offer = offer or self.wait_offer()
        self.fetch(offer)
        self.prove(version, f"boot-{version}")
        return offer


def gateways(server, count, prefix="gw-", version="1.0"):
    made = [Gateway(server, device) for device in server.new_devices(count, prefix)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda gateway: gateway.prove(version, "boot-0"), made))
    wait_for(lambda: all(server.operator("GET", f"/api/v1/devices/{g.id}").json()["seen_at"] for g in made),
             what="last-seen times")
    return made


def campaign(server, id):
    answer = server.operator("GET", f"{CAMPAIGNS}/{id}")
    assert answer.status == 200, answer
    return answer.json()


def wait_campaign(server, id, what):
    return wait_for(lambda: (lambda c: c if what(c) else None)(campaign(server, id)), what=f"campaign {id}")


def act(server, id, verb, **arguments):
    return server.operator("POST", f"{CAMPAIGNS}/{id}/{verb}", json=arguments or None)


def test_three_waves_from_canary_to_finished(server):
    fleet = gateways(server, 8)
    id = server.campaign(server.publish("1.1"), waves=[
        {"count": 2, "soak": "1s"}, {"count": 3, "soak": 1}, {"percent": 100}])
    wait_campaign(server, id, lambda c: c["waves"][0]["state"] == "open")
    asked = set()
    while campaign(server, id)["state"] == "running":
        for gateway in fleet:
            offer = gateway.offer()
            if offer:
                asked.add(gateway.id)
                gateway.update("1.1", offer)
        shown = campaign(server, id)
        if shown["waves"][0]["state"] in ("open", "soaking"):
            assert len(asked) <= 2, "the canaries are alone until their wave has passed"
        time.sleep(0.1)
    done = campaign(server, id)
    assert done["state"] == "finished"
    assert done["counts"] == {"confirmed": 8}
    assert [wave["state"] for wave in done["waves"]] == ["passed"] * 3
    assert done["waves"][0]["members"] == 2
    assert done["bytes_served"] == 8 * 200_000
    events = server.operator("GET", f"{CAMPAIGNS}/{id}/events?limit=500").json()["items"]
    states = [e["to"] for e in reversed(events) if e["kind"] == "campaign.state"]
    assert states == ["review", "scheduled", "running", "finishing", "finished"]


def test_failing_canaries_stop_the_campaign_until_someone_answers_for_them(server):
    fleet = gateways(server, 6)
    id = server.campaign(server.publish("1.1"), waves=[{"count": 2}, {"percent": 100}])
    wait_campaign(server, id, lambda c: c["waves"][0]["state"] == "open")
    for gateway in fleet:
        offer = gateway.offer()
        if offer:
            assert gateway.tell(offer, "closed", "failure", "signature verification failed").status == 200
    stopped = campaign(server, id)
    assert stopped["state"] == "paused" and stopped["state_reason"].startswith("failure budget")
    assert stopped["counts"] == {"failed": 2}
    assert stopped["waves"][0]["upper_bound"] == 1
    assert all(gateway.offer() is None for gateway in fleet)
    refused = act(server, id, "resume")
    assert refused.status == 409 and "2 have failed" in refused.json()["detail"]
    resumed = act(server, id, "resume", accept_failures=2, reason="known bad units")
    assert resumed.status == 200 and resumed.json()["state"] == "running"
    log = server.operator("GET", "/api/v1/audit?limit=500").json()["items"]
    assert [e["action"] for e in log if e["object"] == id][-2:] == ["campaign.start", "campaign.resume"]


def test_after_a_halt_is_acknowledged_nobody_gets_the_update(server):
    fleet = gateways(server, 12)
    id = server.campaign(server.publish("1.1"), waves=AT_ONCE)
    wait_campaign(server, id, lambda c: c["waves"][0]["state"] == "open")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        polls = [pool.submit(gateway.offer) for gateway in fleet]
        halt = act(server, id, "pause")
        assert halt.status == 200
        [poll.result() for poll in polls]
    offered = campaign(server, id)["counts"].get("offered", 0)
    assert all(gateway.offer() is None for gateway in fleet)
    assert campaign(server, id)["counts"].get("offered", 0) == offered
    assert act(server, id, "pause").status == 409


def test_an_abort_cancels_who_has_begun_and_refuses_the_image(server):
    one, two = gateways(server, 2)
    id = server.campaign(server.publish("1.1"), waves=AT_ONCE)
    begun, only_offered = one.wait_offer(), two.wait_offer()
    image = one.artifact(begun)
    part = one.device.request("GET", image, headers={"Range": "bytes=0-999"})
    assert part.status == 206
    wait_campaign(server, id, lambda c: c["counts"].get("downloading") == 1)
    assert act(server, id, "abort", reason="smoke").json()["state"] == "aborted"
    assert one.device.request("GET", image).status == 404
    assert two.device.request("GET", only_offered).status == 404
    links = one.links()
    assert "deploymentBase" not in links
    cancel = path_of(links["cancelAction"])
    stop = one.device.request("GET", cancel).json()["cancelAction"]["stopId"]
    answer = one.device.ddi("POST", f"/cancelAction/{stop}/feedback", json={"id": stop, "status": {
        "execution": "closed", "result": {"finished": "success"}, "details": []}})
    assert answer.status == 200
    assert not one.links() and not two.links()
    assert campaign(server, id)["counts"] == {"cancelled": 2}
    assert act(server, id, "resume").status == 409


def test_a_device_that_falls_back_is_counted_as_reverted(server):
    [gateway] = gateways(server, 1)
    id = server.campaign(server.publish("1.1"), waves=AT_ONCE)
    offer = gateway.wait_offer()
    gateway.fetch(offer)
    assert gateway.tell(offer, "closed", "success").status == 200
    assert campaign(server, id)["counts"] == {"installing": 1}, "a claim is not evidence"
    gateway.prove("1.0", "boot-1")
    assert campaign(server, id)["counts"] == {"reverted": 1}
    explained = server.operator("GET", f"/api/v1/devices/{gateway.id}/explain").json()
    assert explained["answer"]["code"] == "reverted"
    assert explained["answer"]["campaign"] == id


def test_the_preview_counts_without_writing(server):
    gateways(server, 4)
    gateways(server, 2, prefix="old-", version="1.1")
    release = server.publish("1.1", b"x" * 1000)
    wish = {"release": release, "target": 'model = "gw"', "waves": [{"count": 1}, {"percent": 100}]}
    first = server.operator("POST", f"{CAMPAIGNS}:preview", json=wish)
    assert first.status == 200, first
    # Who was seen first a moment ago counts as stale until last-seen times are written.
    plan = wait_for(lambda: (lambda p: p if p["devices"] == 4 else None)(
        server.operator("POST", f"{CAMPAIGNS}:preview", json=wish).json()))
    assert (plan["matching"], plan["bytes"]) == (6, 4000)
    assert plan["excluded"] == {"already": 2}
    assert [wave["devices"] for wave in plan["waves"]] == [1, 3]
    assert server.operator("GET", CAMPAIGNS).json() == {"items": [], "next": None}


def test_lists_come_in_pages(shared_server):
    server = shared_server
    release = server.publish("2.0", product="gw")
    made = [server.operator("POST", CAMPAIGNS, json={"release": release, "target": "id = nobody"}).json()["id"]
            for _ in range(3)]
    first = server.operator("GET", f"{CAMPAIGNS}?limit=2").json()
    assert [c["id"] for c in first["items"]] == [made[2], made[1]]
    second = server.operator("GET", f"{CAMPAIGNS}?limit=2&after={first['next']}").json()
    assert second["items"][0]["id"] == made[0]
    drafts = server.operator("GET", f"{CAMPAIGNS}?state=draft").json()["items"]
    assert {c["state"] for c in drafts} == {"draft"}
    assert server.operator("GET", f"{CAMPAIGNS}?state=sleeping").status == 400
    assert server.operator("GET", f"{CAMPAIGNS}/c-999").status == 404


def test_deployments_can_be_listed_by_state(server):
    fleet = gateways(server, 3)
    id = server.campaign(server.publish("1.1"), waves=AT_ONCE)
    offers = [gateway.wait_offer() for gateway in fleet]
    fleet[0].tell(offers[0], "closed", "failure", "handler said no")
    path = f"{CAMPAIGNS}/{id}/deployments"
    page = server.operator("GET", f"{path}?limit=2").json()
    rest = server.operator("GET", f"{path}?limit=2&after={page['next']}").json()
    assert {d["device"] for d in page["items"] + rest["items"]} == {g.id for g in fleet}
    assert rest["next"] is None
    [failed] = server.operator("GET", f"{path}?state=failed").json()["items"]
    assert (failed["device"], failed["class"], failed["detail"]) == (fleet[0].id, "install", "handler said no")
    assert failed["retry_at"] and failed["wave"] == 1


@pytest.fixture(scope="module")
def release(shared_server):
    return shared_server.publish("3.0")


@pytest.mark.parametrize("wish, status", [
    ({"release": None, "target": "all"}, 400),
    ({"release": "gw:9.9", "target": "all"}, 404),
    ({"target": "model ="}, 422),
    ({"target": "colour = red"}, 422),
    ({"target": "all", "waves": [{"percent": 200}]}, 400),
    ({"target": "all", "typo": 1}, 400),
])
def test_a_bad_wish_is_refused_with_a_reason(shared_server, release, wish, status):
    answer = shared_server.operator("POST", CAMPAIGNS, json={"release": release, **wish})
    assert answer.status == status, answer
    assert answer.json()["detail"]


def test_what_has_changed_since_it_was_read_is_not_acted_on(shared_server):
    made = shared_server.operator("POST", CAMPAIGNS, json={
        "release": shared_server.publish("4.0"), "target": "id = nobody", "expected": {"count": 0}}).json()
    path = f"{CAMPAIGNS}/{made['id']}/start"
    stale = shared_server.operator("POST", path, headers={"If-Match": '"77"'})
    assert stale.status == 412
    fresh = shared_server.operator("POST", path, headers={"If-Match": f'"{made["change"]}"'})
    assert fresh.status == 200, fresh
    again = shared_server.operator("POST", path, headers={"If-Match": f'"{made["change"]}"'})
    assert again.status == 412


def test_a_campaign_survives_a_kill(server):
    fleet = gateways(server, 4)
    id = server.campaign(server.publish("1.1"), waves=AT_ONCE)
    for gateway in fleet[:2]:
        gateway.update("1.1")
    server.kill()
    server.start()
    for gateway in fleet:
        gateway.device.port = server.device_port
    assert campaign(server, id)["counts"]["confirmed"] == 2
    for gateway in fleet[2:]:
        gateway.update("1.1")
    done = wait_campaign(server, id, lambda c: c["state"] == "finished")
    assert done["counts"] == {"confirmed": 4}
