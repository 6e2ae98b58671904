"""What was acknowledged survives kill -9, at any moment."""
import hashlib
import json
import os
import random
import threading
import time

import pytest
from conftest import wait_for

ROUNDS = 6


def test_acknowledged_reports_survive_kill_9(server):
    random.seed(7)
    devices = [server.new_device(f"kill-{i}") for i in range(4)]
    acknowledged = {device.id: 0 for device in devices}
    for _ in range(ROUNDS):
        stop = threading.Event()

        def report(device):
            while not stop.is_set():
                sequence = acknowledged[device.id] + 1
                try:
                    answer = device.request("POST", "/v1/device/status", json={
                        "seq": sequence, "boot_id": f"boot-{sequence}", "uptime": sequence,
                        "components": [{"component": "app", "version": f"1.{sequence}"}]})
                except OSError:
                    return
                if answer.status == 200:
                    acknowledged[device.id] = sequence
                elif answer.status != 503:
                    # Taken before the kill, though the answer was lost: then the same again is 200,
                    # so anything else is wrong.
                    raise AssertionError(answer)

        threads = [threading.Thread(target=report, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.05, 0.5))
        server.kill()
        stop.set()
        for thread in threads:
            thread.join()
        server.start()
        for device in devices:
            device.port = server.device_port
            known = server.operator("GET", f"/api/v1/devices/{device.id}").json()
            told = int(known["version"].split(".")[1]) if known["version"] else 0
            assert told >= acknowledged[device.id], f"{device.id}: {known['version']}"
            acknowledged[device.id] = told
    assert sum(acknowledged.values()) > ROUNDS


def test_an_upload_goes_on_after_kill_9(server):
    random.seed(11)
    data = os.urandom(6_000_000)
    upload = server.operator("POST", "/api/v1/uploads", json={
        "file": "big.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}).json()["id"]
    offset, kills = 0, 0
    while offset < len(data):
        end = min(len(data), offset + 500_000)
        killer = threading.Timer(random.uniform(0, 0.05), server.kill) if kills < ROUNDS else None
        if killer:
            killer.start()
        try:
            answer = server.operator("PATCH", f"/api/v1/uploads/{upload}", body=data[offset:end], headers={
                "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"})
            assert answer.status == 204, answer
            offset = int(answer.headers["Upload-Offset"])
            assert offset == end
        except OSError:
            pass
        if killer:
            killer.join()
            kills += 1
            server.start()
            head = server.operator("HEAD", f"/api/v1/uploads/{upload}")
            assert head.status == 200
            now = int(head.headers["Upload-Offset"])
            assert now >= offset  # nothing acknowledged was lost
            offset = now
    done = server.operator("POST", f"/api/v1/uploads/{upload}/finish")
    assert done.status == 201, done
    got = server.operator("GET", f"/api/v1/artifacts/{done.json()['sha256']}/content")
    assert hashlib.sha256(got.body).digest() == hashlib.sha256(data).digest()


def test_the_audit_chain_holds_after_kills(server):
    for i in range(3):
        server.operator("POST", "/api/v1/devices", json={"id": f"audited-{i}", "model": "gw"})
        server.kill()
        server.start()
    verdict = server.operator("GET", "/api/v1/audit/verify").json()
    assert verdict["last"] >= 3 and not verdict["first_bad"]


def test_a_second_daemon_on_the_same_state_refuses(server):
    import subprocess
    from conftest import OTAD
    done = subprocess.run([str(OTAD), "-c", str(server.dir / "otad.conf")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "another" in done.stderr or "already" in done.stderr


def test_keys_can_be_moved_away(server):
    release = server.publish("1.0")
    (server.dir / "keys").rename(server.dir.parent / "keys-in-the-safe")
    server.restart()
    assert server.operator("GET", f"/api/v1/releases/{release}").json()["state"] == "published"
