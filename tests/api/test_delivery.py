"""Images on their way: ranges to the letter, broken disks, shaped transfers, a server without keys."""
import hashlib
import os
import pathlib
import random
import ssl
import subprocess
import time

import pytest
from conftest import BUILD, HANG_GUARD, wait_for

SIZE = 300_000


def local(href):
    """An absolute link's path."""
    return "/" + href.split("/", 3)[3]


def image_path(device):
    """Polls until there is an offer, and returns the path of its one image."""
    base = wait_for(lambda: device.ddi("GET").json().get("_links", {}).get("deploymentBase"), what="an offer")
    plan = device.request("GET", local(base["href"])).json()
    return local(plan["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"])


class Offer:
    def __init__(self, server, data, name="range-1", **more):
        self.server, self.data = server, data
        self.device = server.new_device(name)
        self.device.ddi("GET")
        self.release = server.publish("1.0", data)
        self.campaign = server.campaign(self.release, **more)
        self.path = image_path(self.device)

    def get(self, **headers):
        return self.device.request("GET", self.path, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.fixture(scope="module")
def offer(shared_server):
    return Offer(shared_server, random.Random(3).randbytes(SIZE))


LAST = SIZE - 1


@pytest.mark.parametrize("value,first,last", [
    ("bytes=0-0", 0, 0),
    (f"bytes={LAST}-{LAST}", LAST, LAST),
    ("bytes=1000-", 1000, LAST),
    ("bytes=-500", SIZE - 500, LAST),
    ("bytes=-99999999999", 0, LAST),
    ("bytes=5-99999999999", 5, LAST),
    (f"bytes=7-{2**63 - 1}", 7, LAST),
    (f"bytes=0-{2**64 - 1}", 0, LAST),
    ("bytes=1-2,", 1, 2),
    ("bytes= 3-9", 3, 9),
])
def test_a_good_range_is_206(offer, value, first, last):
    answer = offer.get(Range=value)
    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.body == offer.data[first:last + 1]


@pytest.mark.parametrize("value", [
    f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", "bytes=5-2", "bytes=a-b", "bytes=", "bytes=-",
    "bytes=--1", "bytes=0x1-2", f"bytes={2**63}-", f"bytes={2**64}-", "bytes=0-5,3-9",
    "bytes=10-20,0-5", f"bytes=0-5,{SIZE}-", "bytes=0-,0-", "bytes=" + ",".join(f"{2 * i}-{2 * i}" for i in range(257)),
    "bytes=1-2;3-4", "bytes 0-5",
])
def test_a_bad_range_is_416_and_never_the_whole(offer, value):
    answer = offer.get(Range=value)
    assert answer.status == 416, answer
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


def test_256_ranges_come_in_parts(offer):
    spans = [(1000 * i, 1000 * i + 9) for i in range(256)]
    answer = offer.get(Range="bytes=" + ",".join(f"{a}-{b}" for a, b in spans))
    assert answer.status == 206
    kind, _, boundary = answer.headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/byteranges" and boundary == boundary.lower() and boundary.isalnum()
    parts = answer.body.split(f"\r\n--{boundary}".encode())[1:]
    assert parts[-1] == b"--\r\n"
    for (first, last), part in zip(spans, parts[:-1], strict=True):
        head, _, body = part.partition(b"\r\n\r\n")
        assert f"bytes {first}-{last}/{SIZE}".encode() in head
        assert body == offer.data[first:last + 1]


def test_only_a_foreign_unit_or_another_content_gets_the_whole(offer):
    etag = offer.get().headers["ETag"]
    assert offer.get(Range="items=0-5").status == 200
    assert offer.get(Range="bytes=0-5", If_Range=etag).status == 206
    assert offer.get(Range="bytes=0-5", If_Range='"another"').status == 200
    assert offer.get(Range="bytes=0-5", If_Range="W/" + etag).status == 200
    assert offer.get(If_None_Match=etag).status == 304
    assert offer.get(If_None_Match="W/" + etag).status == 304
    assert offer.get(If_Match='"another"').status == 412


def test_a_download_resumed_at_500_places_is_identical(offer):
    chance = random.Random(5)
    cuts = sorted(chance.sample(range(1, SIZE), 499))
    got = b""
    offer.device.keep = True
    for cut in [*cuts, None]:
        value = f"bytes={len(got)}-" + ("" if cut is None else str(cut - 1))
        answer = offer.get(Range=value)
        assert answer.status == 206
        got += answer.body
    offer.device.keep = False
    assert got == offer.data


def test_clients_that_go_away_leave_nothing_behind(offer):
    folder = pathlib.Path(f"/proc/{offer.server.process.pid}/fd")
    before = len(list(folder.iterdir()))
    for _ in range(50):
        connection = offer.device.connection()
        connection.request("GET", offer.path)
        connection.getresponse().read(1000)
        connection.close()
    wait_for(lambda: len(list(folder.iterdir())) <= before + 2, what="descriptors to be closed")
    assert offer.get().body == offer.data


def test_a_truncated_image_cuts_the_connection_and_quarantines_the_release(server):
    data = os.urandom(8_000_000)
    offer = Offer(server, data, caps={"transfer_rate": 2_000_000})
    connection = offer.device.connection()
    connection.request("GET", offer.path)
    answer = connection.getresponse()
    got = answer.read(100_000)
    digest = hashlib.sha256(data).hexdigest()
    blob = server.dir / "state/blobs" / digest[:2] / digest
    os.chmod(blob, 0o600)
    os.truncate(blob, 1_000_000)
    try:
        while piece := answer.read(65536):
            got += piece
    except (ConnectionError, ssl.SSLError, Exception):
        pass
    assert len(got) < len(data)
    assert got == data[:len(got)]  # not one wrong byte left
    wait_for(lambda: server.operator("GET", f"/api/v1/releases/{offer.release}").json()["state"] == "quarantined",
             what="quarantine")
    assert server.process.poll() is None
    assert offer.get().status == 410
    assert offer.device.ddi("GET").status == 200


def test_a_shaped_transfer_keeps_its_rate_and_completes(server):
    data = os.urandom(1_500_000)
    offer = Offer(server, data, caps={"transfer_rate": 500_000})
    began = time.monotonic()
    assert offer.get().body == data
    # The product's own clock: three seconds' worth of bytes cannot come in one.
    assert time.monotonic() - began > 1.5


def test_everything_but_signing_works_without_the_keys(server):
    data = os.urandom(100_000)
    device = server.new_device("safe-1")
    device.ddi("GET")
    release = server.publish("1.0", data)
    (server.dir / "keys").rename(server.dir.parent / "in-the-safe")
    server.restart()
    device.port = server.device_port
    server.campaign(release)
    assert device.request("GET", image_path(device)).body == data


def fleet_connect(server, folder, *words):
    return subprocess.run([str(BUILD / "otad-fleet"), "--url", f"https://localhost:{server.device_port}", "--devices",
                           str(folder), "--mode", "connect", *words], capture_output=True, text=True,
                          timeout=HANG_GUARD)


def test_the_simulator_refuses_a_foreign_server(server):
    server.new_device("wary-1")
    folder = server.dir / "devices"
    assert fleet_connect(server, folder).returncode == 0
    foreign = fleet_connect(server, folder, "--ca", str(server.dir / "pki/operator-ca.crt"))
    assert foreign.returncode == 3, foreign
    wrong_name = subprocess.run(
        [str(BUILD / "otad-fleet"), "--url", f"https://elsewhere.example:{server.device_port}", "--address", "127.0.0.1",
         "--devices", str(folder), "--mode", "connect"], capture_output=True, text=True, timeout=HANG_GUARD)
    assert wrong_name.returncode == 4, wrong_name
