"""The native device API and the image repository."""
import hashlib
import os
import urllib.parse

import pytest

from conftest import wait_for

IMAGE = os.urandom(150_000)


def path_of(url):
    return urllib.parse.urlsplit(url).path


def update(device):
    answer = device.request("GET", "/v1/device/update")
    assert answer.status == 200, answer
    return answer.json()


def status(device, seq, **more):
    return device.request("POST", "/v1/device/status", json={"seq": seq, **more})


def app(version, counter=1):
    return [{"component": "app", "version": version, "release_counter": counter}]


@pytest.fixture
def offered(server):
    device = server.new_device("n-1", hardware="gw")
    server.campaign(server.publish("1.1", IMAGE))
    wait_for(lambda: update(device)["deployment"], what="the offer")
    return server, device


def deployment_state(server, device):
    return server.operator("GET", f"/api/v1/devices/{device.id}").json()["deployment"]["state"]


# -- reports --

def test_nothing_to_do_is_said_in_one_line(shared_server):
    told = update(shared_server.new_device("n-2"))
    assert told["deployment"] is None and told["poll_after"] >= 1
    assert told["targets"] == [] and "image" not in told


def test_an_unchanged_answer_is_304(shared_server):
    device = shared_server.new_device("n-3")
    first = device.request("GET", "/v1/device/update")
    assert device.request("GET", "/v1/device/update",
                          headers={"If-None-Match": first.headers["ETag"]}).status == 304


def test_a_report_is_evidence_and_inventory(shared_server):
    device = shared_server.new_device("n-4")
    answer = status(device, 5, boot_id="b-1", uptime=9, floor=4, components=[
        {"component": "boot", "version": "7", "slot": "a"}] + app("1.0", 41))
    assert (answer.status, answer.json()) == (200, {"seq": 5})
    seen = shared_server.operator("GET", "/api/v1/devices/n-4").json()
    assert (seen["version"], seen["boot_id"], seen["uptime"], seen["floor"]) == ("1.0", "b-1", 9, 4)
    assert [(c["component"], c["version"], c["release_counter"]) for c in seen["components"]] == [
        ("app", "1.0", 41), ("boot", "7", 0)]


def test_sequences_only_rise(shared_server):
    device = shared_server.new_device("n-5")
    assert status(device, 5, boot_id="a").status == 200
    assert status(device, 5, boot_id="a").status == 200
    for seq, boot_id in ((5, "b"), (4, "a"), (1, "c")):
        answer = status(device, seq, boot_id=boot_id)
        assert answer.status == 409 and answer.json()["type"].endswith("old-sequence")
    assert status(device, 6, boot_id="b").status == 200


def test_the_sequence_survives_a_crash(server):
    device = server.new_device("n-6")
    assert status(device, 5, boot_id="a").status == 200
    server.kill()
    server.start()
    device.port = server.device_port
    assert status(device, 4, boot_id="a").status == 409
    assert status(device, 5, boot_id="a").status == 200


@pytest.mark.parametrize("body", [
    {}, {"seq": 0}, {"seq": "1"}, {"seq": 1, "state": "done"}, {"seq": 1, "deployment_id": "x"},
    {"seq": 1, "components": [{"component": "a/b", "version": "1"}]}, {"seq": 1, "attack": "all"},
    {"seq": 1, "progress": 101},
])
def test_malformed_reports_are_400(shared_server, body):
    device = shared_server.new_device(f"n-bad-{abs(hash(str(body))) % 10**8}")
    assert device.request("POST", "/v1/device/status", json=body).status == 400


def test_an_attack_that_a_device_saw_is_on_its_timeline(shared_server):
    device = shared_server.new_device("n-7")
    assert status(device, 1, attack="rollback").status == 200
    events = shared_server.operator("GET", "/api/v1/devices/n-7/timeline").json()["items"]
    assert [e["detail"] for e in events if e["kind"] == "device.attack"] == ["rollback"]


# -- deployments --

def test_how_to_install_is_told_and_consent_makes_it_due(server):
    device = server.new_device("n-1", hardware="gw")
    server.campaign(server.publish("1.1", IMAGE),
                    install={"mode": "optional", "risk": "restarts the pumps"})
    told = wait_for(lambda: update(device)["deployment"], what="the offer")
    assert (told["install"], told["install_wait"], told["risk"]) == ("optional", 0, "restarts the pumps")
    assert status(device, 1, deployment_id=told["id"], consent={"by": "ann"}).status == 200
    assert update(device)["deployment"]["install"] == "forced"
    events = server.operator("GET", "/api/v1/devices/n-1/timeline").json()["items"]
    assert [e["detail"] for e in events if e["kind"] == "deployment.consent"] == ["ann"]


def test_what_asks_for_consent_is_shown_and_fetched_once_it_is_given(server):
    device = server.new_device("n-1", hardware="gw")
    server.campaign(server.publish("1.1", IMAGE), consent=True)
    told = wait_for(lambda: update(device)["deployment"], what="the offer")
    target = update(device)["targets"][0]
    path = path_of(target["url"])
    assert told["consent"] == "required"
    assert device.request("GET", path).status == 404
    assert status(device, 1, deployment_id=told["id"], consent={"by": "ann"}).status == 200
    given = update(device)["deployment"]
    assert (given["id"], given["consent"]) == (told["id"], "given")
    assert device.request("GET", path).body == IMAGE
    assert status(device, 2, deployment_id=told["id"], consent={"by": "bob"}).status == 200
    assert server.operator("GET", "/api/v1/devices/n-1").json()["deployment"]["consent"] == "given"
    events = server.operator("GET", "/api/v1/devices/n-1/timeline").json()["items"]
    assert [(e["to"], e["detail"]) for e in events if e["kind"] == "deployment.consent"] == [("given", "ann")]


@pytest.mark.parametrize("consent", [{}, {"by": ""}, {"by": "a" * 65}, {"by": 7}, "ann"])
def test_consent_needs_a_name(shared_server, consent):
    device = shared_server.new_device(f"n-consent-{abs(hash(str(consent))) % 10**8}")
    assert status(device, 1, deployment_id="d-11", consent=consent).status == 400


def test_consent_is_to_a_deployment(shared_server):
    device = shared_server.new_device("n-consent")
    assert status(device, 1, consent={"by": "ann"}).json()["field"] == "deployment_id"
    assert status(device, 1, deployment_id="d-999", consent={"by": "ann"}).status == 404


def test_an_emergency_stop_ends_offers_and_images(offered):
    server, device = offered
    told = update(device)
    path = path_of(told["targets"][0]["url"])
    assert device.request("GET", path).status == 200
    assert server.operator("PUT", "/api/v1/emergency-stop", json={"reason": "smoke"}).status == 200
    assert update(device)["deployment"] is None
    assert device.request("GET", path).status == 404
    assert server.operator("DELETE", "/api/v1/emergency-stop").status == 204
    assert update(device)["deployment"]["id"] == told["deployment"]["id"]
    assert device.request("GET", path).status == 200


def test_an_offer_carries_what_proves_it(offered):
    server, device = offered
    told = update(device)
    assert told["deployment"]["id"].startswith("d-") and told["deployment"]["release"] == "gw:1.1"
    target, = told["targets"]
    assert (target["path"], target["size"]) == ("gw/1.1/image.bin", len(IMAGE))
    assert target["sha256"] == hashlib.sha256(IMAGE).hexdigest()
    product = told["image"]["product"]["signed"]
    assert product["targets"][target["path"]]["hashes"]["sha256"] == target["sha256"]
    assert told["image"]["targets"]["signed"]["_type"] == "targets"
    assert [r["signed"]["version"] for r in told["image"]["root"]] == [1]


def test_image_and_chunk_list_come_from_the_repository(offered):
    server, device = offered
    target, = update(device)["targets"]
    assert device.request("GET", path_of(target["url"])).body == IMAGE
    by_sha512 = path_of(target["url"]).replace(target["sha256"], hashlib.sha512(IMAGE).hexdigest())
    part = device.request("GET", by_sha512, headers={"Range": "bytes=5-9"})
    assert (part.status, part.body) == (206, IMAGE[5:10])
    chunks = device.request("GET", path_of(target["chunks_url"])).body
    assert chunks == b"".join(hashlib.sha256(IMAGE[i:i + 65536]).digest() for i in range(0, len(IMAGE), 65536))


def test_what_is_not_assigned_or_not_named_right_is_404(offered):
    server, device = offered
    target, = update(device)["targets"]
    path, digest = path_of(target["url"]), target["sha256"]
    other = server.new_device("n-8", hardware="other")
    answers = [other.request("GET", path)] + [device.request("GET", wrong) for wrong in (
        path.replace(digest, digest.upper()), path.replace(digest, "0" * 64), path + "x",
        path.replace(digest, digest[:-1]), path.replace("/1.1/", "/1.2/"), path.replace(digest + ".", ""))]
    assert [a.status for a in answers] == [404] * len(answers)


def test_metadata_is_for_every_device_and_exact(offered):
    server, device = offered
    for name, role in (("1.root.json", "root"), ("1.targets.json", "targets"), ("1.product-gw.json", "product-gw")):
        answer = device.request("GET", f"/tuf/image/metadata/{name}")
        assert answer.status == 200 and "immutable" in answer.headers["Cache-Control"]
        assert answer.body == server.operator("GET", f"/api/v1/tuf/{role}?version=1").body
    for name in ("2.root.json", "root.json", "01.root.json", "1.nothing.json", "1.root.txt", "x.root.json"):
        assert device.request("GET", f"/tuf/image/metadata/{name}").status == 404


def test_a_deployment_goes_its_way_by_reports(offered):
    server, device = offered
    deployment = update(device)["deployment"]["id"]
    assert status(device, 1, boot_id="b1", components=app("1.0"), deployment_id=deployment,
                  state="downloading", progress=10).status == 200
    assert status(device, 2, boot_id="b1", deployment_id=deployment, state="installing").status == 200
    assert deployment_state(server, device) == "installing"
    assert status(device, 3, boot_id="b2", uptime=5, components=app("1.1", 1), deployment_id=deployment,
                  state="confirmed").status == 200
    wait_for(lambda: update(device) and deployment_state(server, device) == "confirmed",
             what="the deployment to be confirmed")
    assert update(device)["deployment"] is None


def test_a_failure_is_told_with_its_class(offered):
    server, device = offered
    deployment = update(device)["deployment"]["id"]
    assert status(device, 1, deployment_id=deployment, state="failed",
                  error={"code": "signature", "detail": "bad"}).status == 200
    told = server.operator("GET", f"/api/v1/devices/{device.id}").json()["deployment"]
    assert (told["state"], told["class"]) == ("failed", "signature")
    assert update(device)["deployment"] is None


def test_another_device_s_deployment_is_not_there(offered):
    server, device = offered
    deployment = update(device)["deployment"]["id"]
    other = server.new_device("n-9")
    assert status(other, 1, deployment_id=deployment, state="confirmed").status == 404
    assert status(other, 1, deployment_id="d-99999", state="confirmed").status == 404
