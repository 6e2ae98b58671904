"""Clients without an agent: RAUC polls one address and is sent to its bundle; what became of it is
seen by what it runs. SWUpdate's "general" server is the same with other status codes."""
import hashlib
import os
import sqlite3
import time
import urllib.parse

import pytest
from conftest import wait_for

BUNDLE = os.urandom(150_000)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TAG = f'"{hashlib.sha256(BUNDLE).hexdigest()}"'


class Rauc:
    """A device on which nothing but RAUC runs."""

    def __init__(self, server, name, **more):
        self.server, self.device = server, server.new_device(name, hardware="gw", **more)
        self.version, self.boot, self.uptime = "1.0", "boot-1", "12.34"
        self.device.keep = True

    def poll(self, method="GET", **headers):
        told = {"RAUC-System-Version": self.version, "RAUC-Boot-ID": self.boot, "RAUC-Uptime": self.uptime,
                "Range": "bytes=0-3", "User-Agent": "rauc/1.16"}
        told.update({name.replace("_", "-"): value for name, value in headers.items()})
        answer = self.device.request(method, "/v1/device/rauc", headers=told)
        assert answer.body == b""
        return answer

    def offer(self):
        """Polls until it is sent to a bundle; its path."""
        answer = wait_for(lambda: (got := self.poll()).status == 307 and got, what="an offer")
        assert answer.headers["ETag"] == TAG
        return urllib.parse.urlsplit(answer.headers["Location"]).path

    def fetch(self, path, first, last):
        answer = self.device.request("GET", path, headers={"Range": f"bytes={first}-{last}"})
        assert (answer.status, answer.body) == (206, BUNDLE[first:last + 1])
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(BUNDLE)}"
        assert answer.headers["ETag"] == TAG

    def fetch_all(self, path, step=10_000):
        for first in range(0, len(BUNDLE), step):
            self.fetch(path, first, min(first + step, len(BUNDLE)) - 1)

    def restart(self, version=None):
        self.version, self.boot, self.uptime = version or self.version, self.boot + "+", "5.01"

    @property
    def deployment(self):
        """Of the first campaign."""
        items = self.server.operator("GET", "/api/v1/campaigns/c-1/deployments").json()["items"]
        return next(item for item in items if item["device"] == self.device.id)

    def wait_state(self, state):
        wait_for(lambda: self.deployment["state"] == state, what=f"{state}, not {self.deployment}")



def publish(server, version="1.1", file="gw.raucb", **more):
    return server.publish(version, BUNDLE, file=file, **more)


# -- RAUC --

def test_an_update_is_confirmed_without_any_agent(start_server):
    server = start_server(campaign_confirm_after="600")
    rauc = Rauc(server, "r-1")
    assert rauc.poll().status == 204
    seen = server.operator("GET", "/api/v1/devices/r-1").json()
    assert (seen["version"], seen["boot_id"], seen["uptime"]) == ("1.0", "boot-1", 12)
    server.campaign(publish(server))
    path = rauc.offer()
    assert rauc.deployment["state"] == "offered"
    assert rauc.poll(RAUC_Transaction_ID="a-b-c").status == 307
    rauc.fetch(path, 0, 3)
    rauc.wait_state("downloading")
    rauc.fetch(path, 70_000, 90_000)
    rauc.restart("1.1")
    assert rauc.poll().status == 204, "what it runs it is not sent to again"
    assert rauc.deployment["state"] == "verifying"
    rauc.restart()
    assert rauc.poll().status == 204
    assert rauc.deployment["state"] == "verifying", "it may restart again"
    rauc.uptime = "601.00"
    assert rauc.poll().status == 204
    assert rauc.deployment["state"] == "confirmed"
    assert rauc.poll().status == 204


def test_any_range_of_a_bundle_is_enough(server):
    rauc = Rauc(server, "r-1")
    rauc.poll()
    server.campaign(publish(server))
    path = rauc.offer()
    rauc.fetch(path, 70_000, 70_099)
    rauc.restart("1.1")
    assert rauc.poll().status == 204
    rauc.wait_state("confirmed")


def test_a_bootloader_that_falls_back_is_seen(server):
    rauc = Rauc(server, "r-1")
    rauc.poll()
    server.campaign(publish(server))
    rauc.fetch_all(rauc.offer())
    rauc.wait_state("downloaded")
    rauc.restart()
    assert rauc.poll().status == 204
    assert rauc.deployment["state"] == "reverted"
    assert rauc.poll().status == 204


def test_most_of_a_streamed_bundle_is_enough_to_have_installed_it(server):
    rauc = Rauc(server, "r-1")
    rauc.poll()
    server.campaign(publish(server))
    path = rauc.offer()
    assert rauc.poll(RAUC_Transaction_ID="a-b-c").status == 307
    rauc.fetch(path, 0, 100_000)
    wait_for(lambda: rauc.deployment["bytes_served"] > 100_000, what="the bytes to be counted")
    rauc.restart()
    assert rauc.poll().status == 204
    assert rauc.deployment["state"] == "reverted"


def test_a_restart_in_the_middle_is_tried_again(server):
    rauc = Rauc(server, "r-1")
    rauc.poll()
    server.campaign(publish(server))
    path = rauc.offer()
    assert rauc.poll(RAUC_Transaction_ID="a-b-c").status == 307
    rauc.fetch(path, 0, 20_000)
    rauc.wait_state("downloading")
    rauc.restart()
    assert rauc.poll().status == 204
    assert (rauc.deployment["state"], rauc.deployment["class"]) == ("failed", "power")


def test_who_only_looked_at_the_manifest_may_restart(server):
    rauc = Rauc(server, "r-1")
    rauc.poll()
    server.campaign(publish(server))
    rauc.fetch(rauc.offer(), 0, 20_000)
    rauc.wait_state("downloading")
    rauc.restart()
    assert rauc.poll().status == 307
    assert rauc.deployment["state"] == "downloading"


def test_an_unchanged_bundle_is_304(server):
    rauc = Rauc(server, "r-1")
    server.campaign(publish(server))
    rauc.offer()
    for tags in (TAG, f'"x", {TAG}', f"W/{TAG}"):
        answer = rauc.poll(If_None_Match=tags)
        assert (answer.status, answer.headers["ETag"]) == (304, TAG)
    assert rauc.poll(If_None_Match='"x"').status == 307
    assert rauc.poll("HEAD").status == 307


def test_an_unchanged_poll_writes_nothing(shared_server):
    rauc = Rauc(shared_server, "r-quiet")
    rauc.poll()
    rauc.uptime = "99.5"
    assert rauc.poll().status == 204
    seen = shared_server.operator("GET", "/api/v1/devices/r-quiet").json()
    assert seen["uptime"] == 12, "an uptime alone is no news"
    rauc.boot = "boot-2"
    rauc.poll()
    assert shared_server.operator("GET", "/api/v1/devices/r-quiet").json()["uptime"] == 99


@pytest.mark.parametrize("name,value", [
    ("RAUC-System-Version", "../etc"), ("RAUC-System-Version", "v" * 65), ("RAUC-Boot-ID", "b" * 65),
    ("RAUC-Boot-ID", b"\xff\xfe"), ("RAUC-Boot-ID", "caf\u00e9".encode()), ("RAUC-Boot-ID", "a b"),
    ("RAUC-Uptime", "soon"), ("RAUC-Uptime", "-1"), ("RAUC-Uptime", "9" * 30), ("RAUC-Uptime", ""),
])
def test_what_cannot_be_evidence_is_not_taken(shared_server, name, value):
    device = shared_server.new_device(f"r-{abs(hash((name, value))) % 10**8}")
    assert device.request("GET", "/v1/device/rauc", headers={name: value}).status == 204
    seen = shared_server.operator("GET", f"/api/v1/devices/{device.id}").json()
    assert not seen["version"] and not seen["boot_id"] and seen["uptime"] is None


def test_a_row_that_cannot_be_told_hides_no_other(start_server):
    server = start_server()
    server.new_device("r-bad"), server.new_device("r-good")
    server.stop()
    with sqlite3.connect(server.dir / "state" / "otad.db") as database:
        database.execute("UPDATE device SET boot_id = CAST(x'fffe' AS TEXT) WHERE id = 'r-bad'")
    server.start()
    shown = server.operator("GET", "/api/v1/devices")
    assert shown.status == 200 and {item["id"] for item in shown.json()["items"]} >= {"r-bad", "r-good"}


def test_a_release_without_a_bundle_is_nothing(server):
    rauc = Rauc(server, "r-1")
    server.campaign(publish(server, file="image.bin"))
    wait_for(lambda: rauc.device.request("GET", "/v1/device/update").json()["deployment"], what="the offer")
    assert rauc.poll().status == 204


def test_a_cancelled_deployment_is_over_when_rauc_asks(server):
    rauc = Rauc(server, "r-1")
    campaign = server.campaign(publish(server))
    rauc.fetch(rauc.offer(), 0, 99)
    rauc.wait_state("downloading")
    assert server.operator("POST", f"/api/v1/campaigns/{campaign}/cancel", json={"hard": True}).status == 200
    wait_for(lambda: rauc.poll().status == 204, what="the offer's end")
    assert rauc.deployment["state"] == "cancelled"


def test_many_small_ranges_come_over_one_connection(server):
    rauc = Rauc(server, "r-1")
    server.campaign(publish(server))
    path = rauc.offer()
    connection = rauc.device.kept
    for first in range(0, 120_000, 300):
        rauc.fetch(path, first, first + 31)
    assert rauc.device.kept is connection and rauc.device.kept.sock is not None


def test_nothing_new_is_offered_while_its_install_window_is_closed(server):
    rauc, other = Rauc(server, "r-1"), server.new_device("r-2", hardware="gw")
    yesterday = DAYS[(time.gmtime().tm_wday + 5) % 7]
    server.campaign(publish(server), windows={
        "install": [{"days": [yesterday], "start": "00:00", "length": "1h"}]})
    told = wait_for(lambda: other.request("GET", "/v1/device/update").json()["deployment"], what="the offer")
    assert told["install"] == "prestage"
    assert rauc.poll().status == 204
    items = server.operator("GET", "/api/v1/campaigns/c-1/deployments").json()["items"]
    assert [item["device"] for item in items] == ["r-2"]


def test_what_is_only_to_be_fetched_is_nothing_for_who_installs_at_once(server):
    rauc, other = Rauc(server, "r-1"), server.new_device("r-2", hardware="gw")
    server.campaign(publish(server), install={"mode": "prestage"})
    wait_for(lambda: other.request("GET", "/v1/device/update").json()["deployment"], what="the offer")
    assert rauc.poll().status == 204


# -- SWUpdate's general server --

def general(device, **told):
    query = urllib.parse.urlencode({name.replace("_", "."): value for name, value in told.items()})
    return device.request("GET", "/v1/device/swupdate" + ("?" + query if query else ""),
                          headers={"User-Agent": "libcurl-agent/1.0", "Content-Type": "application/text"})


def test_swupdate_is_redirected_and_confirmed_by_its_query(server):
    device = server.new_device("s-1", hardware="gw")
    nothing = general(device, otad_version="1.0", board="x y")
    assert nothing.status == 404 and int(nothing.headers["Retry-After"]) >= 1
    server.campaign(publish(server, file="gw.swu"))
    found = wait_for(lambda: (got := general(device)).status == 302 and got, what="an offer")
    path = urllib.parse.urlsplit(found.headers["Location"]).path
    assert device.request("GET", path).body == BUNDLE
    line = "2026-11-20,s-1,success \"ü\""
    log = device.request("PUT", "/v1/device/swupdate", body=line.encode(),
                         headers={"Content-Type": "application/text"})
    assert (log.status, log.body) == (200, b"")
    items = server.operator("GET", "/api/v1/devices/s-1/timeline").json()["items"]
    assert [item["detail"] for item in items if item["kind"] == "report"] == [line]
    assert general(device, otad_version="1.1").status == 404
    state = server.operator("GET", "/api/v1/devices/s-1").json()["deployment"]["state"]
    assert state in ("verifying", "confirmed")


def test_who_has_to_wait_is_told_503(start_server):
    server = start_server(capacity_leases="1", device_poll="60")
    devices = [server.new_device(f"s-{n}", hardware="gw") for n in range(2)]
    server.campaign(publish(server, file="gw.swu"))
    wait_for(lambda: general(devices[0]).status == 302, what="an offer")
    later = general(devices[1])
    assert later.status == 503 and int(later.headers["Retry-After"]) >= 1


def test_an_ordinary_404_is_no_error_in_the_log(start_server):
    server = start_server(log_requests="errors")
    device = server.new_device("s-quiet")
    assert general(device).status == 404
    assert device.request("GET", "/v1/nothing/of/the/kind").status == 404
    server.wait_log('path="/v1/nothing/of/the/kind"')
    assert 'path="/v1/device/swupdate"' not in server.log()


@pytest.mark.parametrize("body", [b"", b"x" * 1025, b"\xff", b"a\0b"])
def test_a_log_line_is_a_line_of_text(shared_server, body):
    device = shared_server.new_device(f"s-log-{abs(hash(body)) % 10**8}")
    assert device.request("PUT", "/v1/device/swupdate", body=body).status == 400


# -- what an operator should know before --

def test_the_preview_counts_clients_that_a_release_does_not_suit(server):
    agents = ["rauc/1.16", "libcurl-agent/1.0", "rauc-hawkbit-c-agent/1.0", "libcurl-agent/1.0", "x", ""]
    devices = server.new_devices(len(agents))
    for device, agent in zip(devices, agents):
        assert device.ddi("GET", headers={"User-Agent": agent} if agent else {}).status == 200
    assert devices[-1].ddi("PUT", "/configData", json={"data": {"VIN": "0011"}}).status == 200
    release = publish(server)

    def warnings(**more):
        plan = {"release": release, "target": 'model = "gw"', **more}
        answer = server.operator("POST", "/api/v1/campaigns:preview", json=plan)
        assert answer.status == 200, answer
        return answer.json()

    wait_for(lambda: warnings()["devices"] == len(agents), what="last-seen times")
    counted = {w["code"]: w["devices"] for w in warnings()["warnings"] if "devices" in w}
    assert counted == {"no_swu": 2}
    counted = {w["code"]: w["devices"] for w in warnings(install={"mode": "prestage"})["warnings"]
               if "devices" in w}
    assert counted == {"no_swu": 2, "no_prestage": 4}
    counted = {w["code"]: w["devices"] for w in warnings(windows={"install": [
        {"start": "00:00", "length": "1h"}]})["warnings"] if "devices" in w}
    assert counted == {"no_swu": 2, "no_prestage": 4}


def test_swupdate_wants_an_archive_in_every_component(server):
    device = server.new_device("s-parts")
    assert device.ddi("GET", headers={"User-Agent": "libcurl-agent/1.0"}).status == 200
    server.ensure_trust()
    artifact = server.upload(BUNDLE)["sha256"]

    def codes(version, *files):
        draft = server.operator("POST", "/api/v1/releases/draft", json={
            "product": "gw", "version": version, "hardware_ids": ["gw"], "files": [
                {"file": name, "component": component, "artifact": artifact} for component, name in files]})
        assert draft.status == 201, draft
        server.sign_and_publish(draft.json()["id"], "gw")
        plan = {"release": f"gw:{version}", "target": 'model = "gw"'}
        told = wait_for(lambda: (got := server.operator("POST", "/api/v1/campaigns:preview", json=plan).json())
                        and got["devices"] and got, what="the device's last-seen time")
        return {w["code"] for w in told["warnings"] if "devices" in w}

    assert codes("1.1", ("app", "a.swu"), ("boot", "b.img")) == {"no_swu"}
    assert codes("1.2", ("app", "a.img"), ("boot", "b.swu")) == {"no_swu"}
    assert codes("1.3", ("app", "a.swu"), ("app", "a.zck"), ("boot", "b.swu"), ("boot", "0.img")) == set()
