"""Debian's RAUC 1.8: real bundles, installed by the real service on a private bus, and asked for as
RAUC polls from 1.16 on."""
import os
import pathlib
import subprocess
import uuid

import pytest

from api_fixtures import HANG_GUARD, wait_for
from conftest import client
from manual import example
from test_curl import curl

POLL = "/v1/device/rauc"
# The service lives as long as the script that uses it; dbus-run-session then ends the bus.
SESSION = """
export DBUS_STARTER_BUS_TYPE=session
rauc -c "$1" service --override-boot-slot=A >"$2" 2>&1 &
service=$!
until rauc status >/dev/null 2>&1; do kill -0 $service || exit 1; sleep 0.05; done
. "$3"
status=$?
kill $service
wait
exit $status
"""
BOOTLOADER = """#!/bin/sh
cd "$(dirname "$0")"
case $1 in
get-primary) cat primary ;;
set-primary) echo "$2" >primary ;;
get-state) cat "state-$2" 2>/dev/null || echo good ;;
set-state) echo "$3" >"state-$2" ;;
esac
"""


class Rauc:
    """Two slots that are files, the first of which runs."""

    def __init__(self, folder):
        self.folder = folder
        self.slot = folder / "slot-b"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "30", "-subj", "/CN=bundle signer", "-keyout", folder / "bundle.key", "-out",
                        folder / "bundle.crt"], check=True, capture_output=True)
        (folder / "bootloader").write_text(BOOTLOADER)
        (folder / "bootloader").chmod(0o755)
        (folder / "primary").write_text("A\n")
        for slot in ("a", "b"):
            (folder / f"slot-{slot}").write_bytes(bytes(4_000_000))
        (folder / "mount").mkdir()
        (folder / "system.conf").write_text(example("system.conf", {
            "/data/rauc.status": folder / "status", "/run/rauc": folder / "mount",
            "/etc/ota/bundle-ca.crt": folder / "bundle.crt", "/usr/lib/rauc/bootloader": folder / "bootloader",
            "/dev/mmcblk0p2": folder / "slot-a", "/dev/mmcblk0p3": folder / "slot-b"}))

    def bundle(self, image, version="2.0.0", format="plain"):
        content = self.folder / f"content-{uuid.uuid4()}"
        content.mkdir()
        (content / "rootfs.img").write_bytes(image)
        (content / "manifest.raucm").write_text(
            f"[update]\ncompatible=lock2\nversion={version}\n[bundle]\nformat={format}\n[image.rootfs]\nfilename=rootfs.img\n")
        out = self.folder / "made.raucb"
        subprocess.run(client("rauc", "rauc", "bundle", "--cert", self.folder / "bundle.crt", "--key",
                              self.folder / "bundle.key", content, out), check=True, capture_output=True)
        return out.read_bytes()

    def run(self, script):
        """A script of the manual, beside the service."""
        (self.folder / "script.sh").write_text(script)
        done = subprocess.run(client("rauc", "dbus-run-session", "--", "sh", "-c", SESSION, "sh", self.folder / "system.conf",
                                     self.folder / "service.log", self.folder / "script.sh"),
                              capture_output=True, text=True, timeout=HANG_GUARD)
        assert done.returncode == 0, done.stdout + done.stderr + (self.folder / "service.log").read_text()
        return done.stdout

    def has_installed(self, image):
        return (self.slot.read_bytes()[:len(image)] == image and
                (self.folder / "primary").read_text() == "B\n")


@pytest.fixture
def rauc(tmp_path):
    if os.geteuid() != 0 or not pathlib.Path("/dev/loop-control").exists():
        pytest.skip("RAUC mounts bundles, which takes root and loop devices")
    (tmp_path / "rauc").mkdir()
    return Rauc(tmp_path / "rauc")


def offer(server, bundle):
    return server.campaign(server.publish("2.0.0", bundle, file="update.raucb"))


def ask(device, *words, version="1.0.0", boot=1):
    """As RAUC asks: the status, and where it is sent."""
    url = f"https://localhost:{device.port}{POLL}"
    told = curl(device, url, "--user-agent", "rauc/1.16", "--range", "0-3", "--header", f"RAUC-System-Version: {version}",
                "--header", f"RAUC-Boot-ID: boot-{boot}", *words, "--output", "/dev/null", "--write-out",
                "%{http_code} %{redirect_url}").stdout.decode()
    status, _, location = told.partition(" ")
    return int(status), location


def wait_counts(server, campaign, counts):
    wait_for(lambda: server.operator("GET", f"/api/v1/campaigns/{campaign}").json()["counts"] == counts, what=f"{counts}")


def test_a_board_that_polls_as_rauc_does_is_led_to_the_bundle_and_proves_it(server, rauc, tmp_path):
    device = server.new_device("rauc-1")
    assert ask(device) == (204, "")
    image = os.urandom(3_000_000)
    bundle = rauc.bundle(image)
    campaign = offer(server, bundle)
    status, location = wait_for(lambda: ask(device) if ask(device)[0] != 204 else None, what="an offer")
    assert status == 307 and location.startswith(f"https://localhost:{device.port}/tuf/")

    # Its first look at the bundle, then pieces of it, one behind the other on one connection.
    first = curl(device, f"https://localhost:{device.port}{POLL}", "--location", "--include", "--range", "0-3").stdout
    head, _, body = first.rpartition(b"\r\n\r\n")
    assert f"Content-Range: bytes 0-3/{len(bundle)}".encode() in head and body == bundle[:4]
    pieces = [(start, min(start + 300_000, len(bundle)) - 1) for start in range(0, len(bundle), 300_000)]
    words = []
    for i, (start, end) in enumerate(pieces):
        words += ["--range", f"{start}-{end}", "--output", tmp_path / f"piece-{i}", location, "--next"]
        words += ["--silent", "--show-error", "--cacert", device.folder / "server-ca.crt", "--cert",
                  device.folder / "device.crt", "--key", device.folder / "device.key"]
    curl(device, location, *words, "--range", "0-0", "--output", "/dev/null")
    fetched = b"".join((tmp_path / f"piece-{i}").read_bytes() for i in range(len(pieces)))
    assert fetched == bundle
    (rauc.folder / "fetched.raucb").write_bytes(fetched)
    rauc.run(f"rauc install {rauc.folder}/fetched.raucb")
    assert rauc.has_installed(image)

    assert ask(device, version="2.0.0", boot=2) == (204, "")
    wait_counts(server, campaign, {"confirmed": 1})


def test_what_the_timer_of_the_manual_starts_installs_the_bundle(server, rauc):
    device = server.new_device("rauc-1")
    image = os.urandom(1_000_000)
    campaign = offer(server, rauc.bundle(image))
    (rauc.folder / "version").write_text("1.0.0\n")
    script = example("rauc-timer.sh", {
        "/etc/ota/": f"{device.folder}/", "/etc/version": rauc.folder / "version",
        "/data/": f"{rauc.folder}/", "https://updates.example.com:8443": f"https://localhost:{device.port}"})
    wait_for(lambda: rauc.run(script) and rauc.has_installed(image), what="an installation")
    assert not (rauc.folder / "update.raucb").exists()

    (rauc.folder / "version").write_text("2.0.0\n")
    before = (rauc.folder / "service.log").read_text()
    assert "finished" in before
    rauc.run(script.replace("/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/random/uuid"))  # as after a reboot
    assert "installing" not in (rauc.folder / "service.log").read_text()
    wait_counts(server, campaign, {"confirmed": 1})


def test_rauc_s_own_download_leads_through_the_proxy_that_lends_the_certificate(server, rauc, lend):
    device = server.new_device("rauc-1")
    image = os.urandom(3_000_000)
    bundle = rauc.bundle(image)
    offer(server, bundle)
    wait_for(lambda: ask(device)[0] == 307, what="an offer")
    rauc.run(example("rauc-install.sh", {"127.0.0.1:8080": f"127.0.0.1:{lend(device)}"}))
    assert rauc.has_installed(image)
    assert f'path="{POLL}" status=307' in server.log() and f"sent={len(bundle)} " in server.log()
