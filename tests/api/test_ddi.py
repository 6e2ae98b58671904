"""hawkBit's device protocol as real clients speak it."""
import hashlib
import os
import re
import time
import urllib.parse

import pytest

from conftest import Device, wait_for

IMAGE = os.urandom(150_000)


def path_of(link):
    parts = urllib.parse.urlsplit(link["href"])
    return parts.path + (f"?{parts.query}" if parts.query else "")


def links(device):
    answer = device.ddi("GET")
    assert answer.status == 200, answer
    return answer.json().get("_links", {})


def wait_link(device, name):
    return wait_for(lambda: links(device).get(name), what=f"{name} for {device.id}")


def feedback(execution, finished, *details, **more):
    return {"id": more.pop("id", 1), "time": "20261120T080020", "status": {
        "execution": execution, "result": {"finished": finished, **more}, "details": list(details)}}


class Offer:
    """A device with an open deployment, and its documents."""

    def __init__(self, server, device_id="d1", **campaign):
        self.server = server
        self.device = server.new_device(device_id, hardware="gw")
        self.release = server.publish("1.1", IMAGE)
        self.campaign = server.campaign(self.release, **campaign)
        self.link = path_of(wait_link(self.device, "deploymentBase"))
        self.action = re.search(r"deploymentBase/(\d+)", self.link).group(1)

    def document(self):
        answer = self.device.request("GET", self.link)
        assert answer.status == 200, answer
        return answer.json()

    def artifact(self):
        return self.document()["deployment"]["chunks"][0]["artifacts"][0]

    def tell(self, *words, kind="deploymentBase", **more):
        return self.device.ddi("POST", f"/{kind}/{self.action}/feedback", json=feedback(*words, **more))

    def restart(self):
        self.server.restart()
        self.device = Device(self.server, self.device.id, self.device.folder)

    def state(self):
        return self.server.operator("GET", f"/api/v1/devices/{self.device.id}").json()["deployment"]["state"]


@pytest.fixture
def offer(server):
    return Offer(server)


@pytest.fixture(scope="module")
def shared_offer(shared_server):
    """For cases that leave the deployment open."""
    return Offer(shared_server)


# -- how it is to be installed --

@pytest.mark.parametrize("install, download, update", [
    ("forced", "forced", "forced"), ("optional", "attempt", "attempt"), ("prestage", "forced", "skip")])
def test_the_handling_bears_the_protocols_words(server, install, download, update):
    told = Offer(server, install=install).document()["deployment"]
    assert (told["download"], told["update"]) == (download, update)


# -- polling --

def test_a_new_device_is_asked_for_attributes_and_nothing_else(shared_server):
    device = shared_server.new_device("poll-1")
    answer = device.ddi("GET")
    assert answer.status == 200
    assert re.fullmatch(r"\d\d:\d\d:\d\d", answer.json()["config"]["polling"]["sleep"])
    assert list(answer.json()["_links"]) == ["configData"]
    href = answer.json()["_links"]["configData"]["href"]
    assert href == f"https://localhost:{shared_server.device_port}/DEFAULT/controller/v1/poll-1/configData"


def test_links_are_absent_when_there_is_nothing_to_do(shared_server):
    device = shared_server.new_device("poll-2")
    assert device.ddi("PUT", "/configData", json={"data": {"a": "b"}}).status == 200
    assert "_links" not in device.ddi("GET").json()


def test_an_unchanged_poll_is_304(shared_server):
    device = shared_server.new_device("poll-3")
    first = device.ddi("GET")
    again = device.ddi("GET", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert device.ddi("GET", headers={"If-None-Match": ""}).status == 200


def test_the_tenant_is_read_in_any_case(shared_server):
    device = shared_server.new_device("poll-4")
    assert device.request("GET", "/default/controller/v1/poll-4").status == 200


def test_the_path_must_name_the_certificate_s_device(shared_server):
    device, _ = shared_server.new_device("poll-5"), shared_server.new_device("poll-6")
    for path in ("/DEFAULT/controller/v1/poll-6", "/DEFAULT/controller/v1/nobody",
                 "/OTHER/controller/v1/poll-5", "/DEFAULT/controller/v1/POLL-5"):
        answer = device.request("GET", path)
        assert (answer.status, answer.body) == (401, b""), path


def test_errors_have_the_shape_clients_log(shared_server):
    device = shared_server.new_device("poll-7")
    answer = device.ddi("GET", "/deploymentBase/4711")
    assert answer.status == 404
    assert set(answer.json()) == {"exceptionClass", "errorCode", "message"}
    assert device.ddi("DELETE").status == 405


# -- attributes --

def attributes(server, device):
    return server.operator("GET", f"/api/v1/devices/{device.id}").json()["attributes"]


def test_attributes_are_merged_replaced_and_removed(shared_server):
    device = shared_server.new_device("attr-1")

    def put(**body):
        answer = device.ddi("PUT", "/configData", json=body)
        assert (answer.status, answer.body) == (200, b"")
        return attributes(shared_server, device)

    assert put(data={"a": "1", "b": "2"}) == {"a": "1", "b": "2"}
    assert put(mode="merge", data={"b": "3", "a": None}) == {"b": "3"}
    assert put(mode=None, data={"c": "4"}) == {"b": "3", "c": "4"}
    assert put(mode="remove", data={"c": ""}) == {"b": "3"}
    assert put(mode="replace", data={"d": "5"}) == {"d": "5"}


def test_what_swupdate_sends_is_taken(shared_server):
    device = shared_server.new_device("attr-2")
    body = (b'{ "id": "", "time": "20261120T080011", "status": { "result": { "finished": "success" }, '
            b'"execution": "closed", "details" : [ "" ] }, "data" : {  "hwRevision": "1.0" } }')
    answer = device.ddi("PUT", "/configData", body=body, headers={
        "Content-Type": "application/json", "charsets": "utf-8", "Expect": "100-continue"})
    assert answer.status == 200
    assert attributes(shared_server, device) == {"hwRevision": "1.0"}


@pytest.mark.parametrize("body, status", [
    ({}, 400), ({"data": {}}, 400), ({"data": {"a": [5]}}, 400), ({"data": {"a": 5, "b": 1.5, "c": True}}, 200), ({"data": {"a": "ü"}}, 400),
    ({"data": {"a": "x" * 129}}, 400), ({"data": {"x" * 129: "a"}}, 400), ({"mode": "x", "data": {"a": "b"}}, 400),
    ({"data": {f"k{i}": "v" for i in range(101)}}, 429), ({"data": {"x" * 128: "y" * 128}}, 200),
])
def test_attributes_obey_their_limits(shared_server, body, status):
    name = "attr-limit"
    device = shared_server.new_device(f"{name}-{abs(hash(str(body))) % 10**8}")
    assert device.ddi("PUT", "/configData", json=body).status == status


def test_what_careless_clients_write_is_read_as_hawkbit_reads_it(shared_server):
    device = shared_server.new_device("careless-1")
    answer = device.ddi("PUT", "/configData", headers={"Content-Type": "application/json"},
                        body=b'{"data":{"n":93,"x":1.1,"yes":true,"a":"1","a":"2"},"id":"","id":7}')
    assert answer.status == 200, answer
    shown = shared_server.operator("GET", "/api/v1/devices/careless-1").json()
    assert shown["attributes"] == {"n": "93", "x": "1.1", "yes": "true", "a": "2"}


def test_bodies_that_are_not_json_are_refused(shared_server):
    device = shared_server.new_device("attr-3")
    for body in (b"{", b'{"data":{"a":"1"}} x', b'{"data":{"a":"\\u0000"}}'):
        answer = device.ddi("PUT", "/configData", body=body, headers={"Content-Type": "application/json"})
        assert answer.status == 400, body
    assert device.ddi("PUT", "/configData", body=b"{}", headers={"Content-Type": "application/cbor"}).status == 415


def test_reserved_attributes_are_evidence(shared_server):
    device = shared_server.new_device("attr-4")
    device.ddi("PUT", "/configData", json={"data": {
        "otad.version": "2.0", "otad.boot_id": "b-1", "otad.uptime": "77", "otad.floor": "3"}})
    seen = shared_server.operator("GET", "/api/v1/devices/attr-4").json()
    assert (seen["version"], seen["boot_id"], seen["uptime"], seen["floor"]) == ("2.0", "b-1", 77, 3)
    timeline = shared_server.operator("GET", "/api/v1/devices/attr-4/timeline").json()["items"]
    assert [(e["from"], e["to"]) for e in timeline if e["kind"] == "device.version"] == [("", "2.0")]


# -- deployments --

def test_a_deployment_has_all_that_any_client_needs(shared_offer):
    document = shared_offer.document()
    assert document["id"] == shared_offer.action and 11 <= int(shared_offer.action) < 2**31
    assert document["deployment"]["download"] == document["deployment"]["update"] == "forced"
    chunk, = document["deployment"]["chunks"]
    assert (chunk["part"], chunk["version"], chunk["name"]) == ("bApp", "1.1", "gw")
    artifact, = chunk["artifacts"]
    assert artifact["filename"] == "image.bin" and artifact["size"] == len(IMAGE)
    assert artifact["hashes"] == {name: hashlib.new(name, IMAGE).hexdigest()
                                  for name in ("sha1", "md5", "sha256")}
    assert set(artifact["_links"]) == {"download", "md5sum", "download-http", "md5sum-http"}
    base = f"https://localhost:{shared_offer.server.device_port}/DEFAULT/controller/v1/d1/softwaremodules/"
    assert all(link["href"].startswith(base) for link in artifact["_links"].values())


def test_the_same_deployment_is_shown_until_it_is_closed(shared_offer):
    assert shared_offer.document() == shared_offer.document()
    assert path_of(links(shared_offer.device)["deploymentBase"]) == shared_offer.link


def test_another_device_s_action_does_not_exist(shared_offer):
    other = shared_offer.server.new_device("other-1")
    assert other.ddi("GET", f"/deploymentBase/{shared_offer.action}").status == 404
    assert other.ddi("POST", f"/deploymentBase/{shared_offer.action}/feedback",
                     json=feedback("closed", "success")).status == 404


def test_progress_in_any_number_is_answered_200_and_empty(shared_offer):
    for i in range(120):
        answer = shared_offer.tell("proceeding", "none", f"line {i}", progress={"cnt": i, "of": 0})
        assert (answer.status, answer.body) == (200, b"")
    assert "deploymentBase" in links(shared_offer.device)


def test_a_failure_ends_the_action_and_its_repeat_is_harmless(offer):
    assert offer.tell("closed", "failure", "No suitable .swu image found").status == 200
    assert "deploymentBase" not in links(offer.device)
    assert offer.tell("closed", "failure", "No suitable .swu image found").status == 200
    assert offer.tell("closed", "success", "all is well").status == 410
    assert offer.tell("proceeding", "none", "late").status in (200, 410)


def test_success_is_proven_by_the_version(offer):
    offer.device.request("GET", path_of(offer.artifact()["_links"]["download"]))
    assert offer.tell("closed", "success", "Update Installed.").status == 200
    assert "configData" in links(offer.device)
    assert offer.device.ddi("PUT", "/configData", json={"data": {
        "otad.version": "1.1", "otad.boot_id": "after", "otad.uptime": "5"}}).status == 200
    assert "configData" not in links(offer.device)
    wait_for(lambda: links(offer.device) is not None and offer.state() == "confirmed",
             what="the deployment to be confirmed")


def test_a_skipped_update_is_not_taken_for_success(shared_offer):
    assert shared_offer.tell("closed", "success", "Skipped Update.").status == 200
    assert "deploymentBase" in links(shared_offer.device)
    assert shared_offer.state() not in ("verifying", "confirmed")


def test_a_success_that_was_not_believed_is_after_a_download(offer):
    document = offer.document()
    assert offer.tell("closed", "success").status == 200
    assert offer.state() == "offered" and "deploymentBase" not in links(offer.device)
    whole = document["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]
    assert offer.device.request("GET", path_of(whole)).body == IMAGE
    assert offer.tell("closed", "success").status == 200
    assert offer.state() in ("verifying", "confirmed")


@pytest.mark.parametrize("asked, is_believed", [
    (f"bytes={len(IMAGE)}-", True), (f"bytes={len(IMAGE) + 1}-", False), (f"bytes=9-0,{len(IMAGE)}-", False)])
def test_the_range_behind_the_whole_is_as_good_as_the_whole(server, asked, is_believed):
    offer = Offer(server)
    path = path_of(offer.artifact()["_links"]["download"])
    assert offer.device.request("GET", path, headers={"Range": asked}).status == 416
    assert offer.tell("closed", "success").status == 200
    assert (offer.state() in ("verifying", "confirmed")) == is_believed


def test_what_was_fetched_just_before_an_orderly_stop_is_remembered(server):
    offer = Offer(server)
    server.settings["campaign.tick"] = "60"
    offer.restart()
    path = path_of(offer.artifact()["_links"]["download"])
    assert offer.device.request("GET", path).body == IMAGE
    offer.restart()
    assert offer.tell("closed", "success").status == 200
    assert offer.state() in ("verifying", "confirmed")


def test_a_line_that_comes_again_stands_in_the_history_again(shared_offer):
    for line in ("first", "second", "first", "first"):
        assert shared_offer.tell("proceeding", "none", line).status == 200
    query = "&actionHistory=3" if "?" in shared_offer.link else "?actionHistory=3"
    answer = shared_offer.device.request("GET", shared_offer.link + query)
    assert answer.json()["actionHistory"]["messages"] == ["first", "second", "first"]


@pytest.mark.parametrize("body", [
    {}, {"status": {}}, {"status": {"execution": "closed"}},
    {"status": {"execution": "closed", "result": {"finished": "perhaps"}}},
    {"status": {"execution": "walking", "result": {"finished": "none"}}},
])
def test_feedback_without_its_two_members_is_400(shared_offer, body):
    offer = shared_offer
    assert offer.device.ddi("POST", f"/deploymentBase/{offer.action}/feedback", json=body).status == 400


# -- cancelling --

def cancel(offer):
    """Stops what the device has begun with."""
    assert offer.tell("download", "none", "Downloading.").status == 200
    answer = offer.server.operator("POST", f"/api/v1/campaigns/{offer.campaign}/abort", json={})
    assert answer.status == 200, answer
    return path_of(wait_link(offer.device, "cancelAction"))


def test_a_cancelled_action_hides_and_asks_for_an_acknowledgement(offer):
    path = cancel(offer)
    assert "?" not in path
    assert "deploymentBase" not in links(offer.device)
    assert offer.device.request("GET", path).json() == {
        "id": offer.action, "cancelAction": {"stopId": offer.action}}
    assert offer.device.request("GET", offer.link).status == 404
    assert offer.tell("proceeding", "none", "late words").status == 200
    assert offer.tell("closed", "success", "cancellation acknowledged.", kind="cancelAction").status == 200
    assert "cancelAction" not in links(offer.device)
    assert offer.tell("closed", "success", "cancellation acknowledged.", kind="cancelAction").status == 200


def test_who_loses_its_pin_is_asked_to_stop_and_may_succeed(server):
    device, release = server.new_device("d1", hardware="gw"), server.publish("1.1", IMAGE)
    pin = "/api/v1/devices/d1/pin"
    assert server.operator("PUT", pin, json={"release": release, "reason": "a trial"}).status == 200
    document = device.request("GET", path_of(wait_link(device, "deploymentBase"))).json()
    whole = document["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]
    assert device.request("GET", path_of(whole)).body == IMAGE
    assert server.operator("DELETE", pin).status == 204
    assert path_of(wait_link(device, "cancelAction")).endswith(f"/cancelAction/{document['id']}")
    told = device.ddi("POST", f"/deploymentBase/{document['id']}/feedback", json=feedback("closed", "success"))
    assert told.status == 200
    assert server.operator("GET", "/api/v1/devices/d1").json()["deployment"]["state"] in ("verifying", "confirmed")


def test_who_installs_at_once_is_explained_as_it_is_answered(server):
    device = server.new_device("d1", hardware="gw")
    hour = (time.gmtime().tm_hour + 6) % 24
    server.campaign(server.publish("1.1", IMAGE),
                    windows={"zone": "Etc/UTC", "install": [{"start": f"{hour:02}:00", "length": "1h"}]})

    def explained():
        return server.operator("GET", "/api/v1/devices/d1/explain").json()["answer"]["code"]

    assert "deploymentBase" not in links(device)
    wait_for(lambda: explained() == "window", what="the window")
    assert "deploymentBase" not in links(device)
    assert server.operator("PATCH", "/api/v1/devices/d1", json={"announce": True}).status == 200
    assert explained() == "offer"
    assert "deploymentBase" in links(device)


def test_a_cancel_that_nobody_asked_for_is_405(shared_offer):
    assert shared_offer.tell("closed", "success", kind="cancelAction").status == 405
    assert shared_offer.device.ddi("GET", f"/cancelAction/{shared_offer.action}").status == 404


# -- artifacts --

def test_an_artifact_comes_whole_in_parts_and_as_head(shared_offer):
    path = path_of(shared_offer.artifact()["_links"]["download"])
    whole = shared_offer.device.request("GET", path)
    assert (whole.status, whole.body) == (200, IMAGE)
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert "image.bin" in whole.headers["Content-Disposition"]
    head = shared_offer.device.request("HEAD", path)
    assert (head.status, head.body) == (200, b"") and head.headers["Content-Length"] == str(len(IMAGE))
    tail = shared_offer.device.request("GET", path, headers={"Range": "bytes=100000-"})
    assert (tail.status, tail.body) == (206, IMAGE[100000:])
    assert tail.headers["Content-Range"] == f"bytes 100000-{len(IMAGE) - 1}/{len(IMAGE)}"
    first = shared_offer.device.request("GET", path, headers={"Range": "bytes=0-3"})
    assert (first.status, first.body) == (206, IMAGE[:4])
    done = shared_offer.device.request("GET", path, headers={"Range": f"bytes={len(IMAGE)}-"})
    assert done.status == 416 and done.headers["Content-Range"] == f"bytes */{len(IMAGE)}"


def test_several_ranges_come_with_a_boundary_in_lower_case(shared_offer):
    path = path_of(shared_offer.artifact()["_links"]["download"])
    answer = shared_offer.device.request("GET", path, headers={"Range": "bytes=0-9,1000-1009"})
    assert answer.status == 206
    found = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-z]+)", answer.headers["Content-Type"])
    parts = answer.body.split(b"--" + found.group(1).encode())
    assert parts[1].endswith(b"\r\n\r\n" + IMAGE[:10] + b"\r\n")
    assert parts[2].endswith(b"\r\n\r\n" + IMAGE[1000:1010] + b"\r\n")


def test_the_md5_sum_is_one_line(shared_offer):
    answer = shared_offer.device.request("GET", path_of(shared_offer.artifact()["_links"]["md5sum"]))
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
    assert answer.body.decode() == f"{hashlib.md5(IMAGE).hexdigest()}  image.bin"


def test_a_module_lists_its_artifact(shared_offer):
    path = path_of(shared_offer.artifact()["_links"]["download"]).rsplit("/", 1)[0]
    assert shared_offer.device.request("GET", path).json() == [shared_offer.artifact()]


def test_artifacts_that_are_not_assigned_do_not_exist(shared_offer):
    path = path_of(shared_offer.artifact()["_links"]["download"])
    other = shared_offer.server.new_device("other-2")
    known, unknown = path.replace("/d1/", "/other-2/"), re.sub(r"softwaremodules/\d+", "softwaremodules/99", path)
    answers = [other.request("GET", known), shared_offer.device.request("GET", unknown),
               shared_offer.device.request("GET", path + "x"), shared_offer.device.request("GET", path + ".SHA1")]
    assert [a.status for a in answers] == [404] * 4
    assert answers[0].json() == answers[1].json()


def test_downloading_moves_the_deployment(offer):
    offer.device.request("GET", path_of(offer.artifact()["_links"]["download"]))
    wait_for(lambda: offer.state() in ("downloaded", "installing", "waiting"), what="the download to be noted")


def test_a_deployment_fits_into_the_buffers_of_small_devices(shared_offer):
    answer = shared_offer.device.request("GET", shared_offer.link, headers={"Accept": "application/json"})
    assert int(answer.headers["Content-Length"]) == len(answer.body) < 1100
    assert len(path_of(shared_offer.artifact()["_links"]["download-http"])) < 200
