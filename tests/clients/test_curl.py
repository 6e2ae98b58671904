"""curl as a device: what a shell script on a board would do."""
import hashlib
import json
import os
import subprocess

from api_fixtures import HANG_GUARD, wait_for


def curl(device, url, *words, check=True):
    folder = device.folder
    done = subprocess.run(["curl", "-sS", "--cacert", folder / "server-ca.crt", "--cert", folder / "device.crt", "--key",
                           folder / "device.key", *words, url], capture_output=True, timeout=HANG_GUARD)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def test_a_shell_script_can_update_itself(server, tmp_path):
    device = server.new_device("curl-1")
    server_url = f"https://localhost:{server.device_port}"
    base = f"{server_url}/DEFAULT/controller/v1/curl-1"
    curl(device, base)
    data = os.urandom(2_000_000)
    server.campaign(server.publish("2.0", data))
    poll = wait_for(lambda: (links := json.loads(curl(device, base).stdout).get("_links", {})).get("deploymentBase")
                    and links, what="an offer")
    plan = json.loads(curl(device, poll["deploymentBase"]["href"]).stdout)
    artifact = plan["deployment"]["chunks"][0]["artifacts"][0]
    href = artifact["_links"]["download"]["href"]

    # Half of it, then the rest as `curl --continue-at -` asks for it.
    target = tmp_path / "image"
    curl(device, href, "--range", "0-999999", "--output", target)
    curl(device, href, "--continue-at", "-", "--output", target)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == artifact["hashes"]["sha256"]
    # All is there: the server says so, and curl leaves the file alone.
    curl(device, href, "--continue-at", "-", "--output", target, check=False)
    assert target.read_bytes() == data

    several = curl(device, href, "--range", "0-9,100-199").stdout
    assert data[:10] in several and data[100:200] in several
    head = curl(device, href, "--head").stdout
    assert b"Content-Length: 2000000" in head and b"Accept-Ranges: bytes" in head

    report = {"status": {"execution": "closed", "result": {"finished": "success"}}}
    answer = curl(device, f"{base}/deploymentBase/{plan['id']}/feedback", "--json", json.dumps(report), "--include").stdout
    assert answer.startswith(b"HTTP/1.1 200")
    curl(device, f"{base}/configData", "--request", "PUT", "--json", json.dumps({"data": {"otad.version": "2.0"}}))
    wait_for(lambda: server.operator("GET", "/api/v1/campaigns/c-1").json()["state"] == "finished", what="the end")


def test_a_stranger_is_refused_by_curl_and_by_the_server(server):
    device = server.new_device("curl-2")
    url = f"https://localhost:{server.device_port}/DEFAULT/controller/v1/curl-2"
    (device.folder / "server-ca.crt").write_bytes((server.dir / "pki/device-ca.crt").read_bytes())
    assert curl(device, url, check=False).returncode == 60


def told(done):
    """The status lines that curl was answered with."""
    return [line.split()[1] for line in done.stdout.decode(errors="replace").split("\r\n") if line.startswith("HTTP/1.1 ")]


def test_a_body_is_sent_when_the_server_has_said_to_go_on(server, tmp_path):
    device = server.new_device("curl-3")
    base = f"https://localhost:{server.device_port}/DEFAULT/controller/v1/curl-3"
    put = ["--request", "PUT", "--include", "--header", "Expect: 100-continue", "--expect100-timeout", "30"]
    done = curl(device, f"{base}/configData", *put, "--json", '{"data": {"colour": "red"}}')
    assert told(done) == ["100", "200"]
    assert server.operator("GET", "/api/v1/devices/curl-3").json()["attributes"]["colour"] == "red"

    # Too much is refused by its length, and stays where it is.
    (tmp_path / "large").write_bytes(b"x" * 3_000_000)
    done = curl(device, f"{base}/configData", *put, "--header", "Content-Type: application/json", "--data-binary",
                f"@{tmp_path}/large", "--write-out", "%{size_upload}", check=False)
    assert told(done) == ["413"] and done.stdout.endswith(b"}0"), done.stdout


def test_what_has_not_changed_is_not_sent_again(server, tmp_path):
    device = server.new_device("curl-4")
    url = f"https://localhost:{server.device_port}/DEFAULT/controller/v1/curl-4"
    curl(device, f"{url}/configData", "--request", "PUT", "--json", '{"data": {"colour": "red"}}')
    server.campaign(server.publish("2.0", b"x" * 1000))
    href = wait_for(lambda: json.loads(curl(device, url).stdout).get("_links", {}).get("deploymentBase"), what="an offer")["href"]
    assert told(curl(device, href, "--include", "--etag-save", tmp_path / "etag")) == ["200"]
    assert told(curl(device, href, "--include", "--etag-compare", tmp_path / "etag")) == ["304"]
