"""otactl: what it makes, what it asks, how it fails. Its documents in config/ follow its own table of
verbs."""
import hashlib
import json
import os
import re
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import OTACTL, ROOT, Client, tls_context, wait_for

DONE, REFUSED, MISUSED, UNREACHABLE = 0, 1, 2, 3


def otactl(*words, env=None):
    return subprocess.run([str(OTACTL), *map(str, words)], capture_output=True, text=True, timeout=180,
                          env={**os.environ, **(env or {})})


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def verbs():
    """(group, verb or None, help text) of the whole table, as --help tells it."""
    groups = re.findall(r"^  ([a-z]+) {2,}\S", otactl("--help").stdout.split("Options everywhere")[0], re.M)
    for group in groups:
        text = otactl(group, "--help").stdout
        if text.startswith("usage:"):
            yield group, None, text
            continue
        for verb in re.findall(r"^  ([a-z-]+) ", text, re.M):
            yield group, verb, otactl(group, verb, "--help").stdout


# -- documents --

def test_completion_is_the_installed_file():
    assert otactl("completion", "bash").stdout == (ROOT / "config/otactl.bash").read_text()


def test_every_verb_and_option_stands_in_the_manual():
    page = (ROOT / "config/otactl.1").read_text()
    everywhere, *entries = re.split(r"^\.It Cm ", page.split(".Sh CONFIGURATION")[0], flags=re.M)
    for group, verb, text in verbs():
        name = f"{group} {verb}" if verb else group
        entry = next((entry for entry in entries if re.match(rf"{name}( Ar| Op|\n)", entry)), "")
        assert entry, name
        if "Its options are those of\n.Cm campaign create ." in entry:
            entry += next(entry for entry in entries if entry.startswith("campaign create "))
        for option in re.findall(r"^  --([a-z0-9-]+)", text, re.M):
            assert re.search(rf"Fl -{option}\b", everywhere + entry), f"{name} --{option}"


def test_every_verb_teaches_with_an_example():
    count = 0
    for group, verb, text in verbs():
        assert "$ otactl " in text, f"{group} {verb}"
        count += 1
    assert count > 50


# -- the command line --

@pytest.mark.parametrize("words", [
    ["nonsense"], ["device", "nonsense"], ["device", "list", "--nonsense"], ["device", "show"],
    ["device", "show", "a", "b"], ["device", "list", "--limit"], ["device", "list", "--json=yes"],
    ["campaign", "create", "p:1"], ["init"],
])
def test_a_wrong_command_line_ends_with_2_and_a_hint(words):
    done = otactl(*words)
    assert (done.returncode, done.stdout) == (MISUSED, "")
    assert done.stderr.startswith("otactl: ")


def test_without_an_installation_it_says_how_to_name_one(tmp_path):
    done = otactl("device", "list", env={"HOME": str(tmp_path), "OTACTL_DIR": str(tmp_path)})
    assert done.returncode == MISUSED
    assert "otactl -C DIR" in done.stderr


# -- init --

def test_init_makes_the_whole_layout(tmp_path):
    folder = tmp_path / "lab"
    assert otactl("init", folder, "--product", "lock", "--port", 0, "--operator-port", 0).returncode == DONE
    for name in ("otad.conf", "otactl.conf", "state", "pki/server-ca.crt", "pki/server.crt", "pki/device-ca.crt",
                 "pki/operator-ca.crt", "pki/operator.crt", "pki/1.root.json", "pki/1.targets.json", "keys/README"):
        assert (folder / name).exists(), name
    assert mode(folder / "keys") == 0o700
    keys = [*(folder / "keys").glob("*.pem"), *(folder / "keys").glob("*.key"), *(folder / "pki").glob("*.key")]
    assert len(keys) == 11 + 3 + 2
    assert all(mode(key) == 0o400 for key in keys)
    assert len((folder / "otad.conf").read_text().splitlines()) <= 8


def test_the_first_role_files_take_two_of_three(installation):
    root = json.loads((installation / "pki/1.root.json").read_text())
    assert len(root["signatures"]) == 2
    for role, needed, keys in (("root", 2, 3), ("targets", 2, 3), ("snapshot", 1, 1), ("timestamp", 1, 1)):
        told = root["signed"]["roles"][role]
        assert (told["threshold"], len(told["keyids"])) == (needed, keys)
    role, = json.loads((installation / "pki/1.targets.json").read_text())["signed"]["delegations"]["roles"]
    assert (role["name"], role["threshold"], len(role["keyids"])) == ("product-gw", 2, 3)


def test_init_leaves_a_used_folder_alone(tmp_path):
    (tmp_path / "precious").write_text("x")
    assert otactl("init", tmp_path).returncode == MISUSED
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_init_refuses_what_the_daemon_would_refuse(tmp_path):
    done = otactl("init", tmp_path / "lab", "--set", "device.pol=2")
    assert done.returncode == MISUSED
    assert "pol" in done.stderr


# -- reaching the server --

def copy_of(server, folder, **changes):
    """An otactl.conf of its own beside the server's files."""
    settings = {"url": f"https://localhost:{server.operator_port}", "ca": server.dir / "pki/server-ca.crt",
                "certificate": server.dir / "pki/operator.crt", "key": server.dir / "pki/operator.key", **changes}
    folder.mkdir(exist_ok=True)
    (folder / "otactl.conf").write_text("".join(f"{key} = {value}\n" for key, value in settings.items() if value))
    return folder


def test_a_silent_address_ends_with_3(shared_server, tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        folder = copy_of(shared_server, tmp_path / "c", url=f"https://localhost:{nobody.getsockname()[1]}")
        done = otactl("-C", folder, "server", "status")
    assert done.returncode == UNREACHABLE
    assert "is the server running?" in done.stderr


def test_a_server_of_another_authority_is_not_talked_to(shared_server, tmp_path):
    folder = copy_of(shared_server, tmp_path / "c", ca=shared_server.dir / "pki/device-ca.crt")
    done = otactl("-C", folder, "server", "status")
    assert done.returncode == UNREACHABLE
    assert "is not the server we know" in done.stderr


def test_status_and_reload(shared_server):
    told = json.loads(shared_server.otactl("server", "status", "--json").stdout)
    assert told["device_port"] == shared_server.device_port
    assert "version:" in shared_server.otactl("server", "status").stdout
    shared_server.otactl("reload")


# -- devices --

def test_an_issued_device_is_active(shared_server, tmp_path):
    out = tmp_path / "one"
    shared_server.otactl("device", "issue", "one", "--model", "gw", "--out", out, "--tags", "a,b")
    assert sorted(path.name for path in out.iterdir()) == ["device.crt", "device.key", "server-ca.crt"]
    assert mode(out / "device.key") == 0o400
    device = json.loads(shared_server.otactl("device", "show", "one", "--json").stdout)
    assert (device["state"], device["model"], device["hardware"]) == ("active", "gw", "gw")
    assert sorted(device["tags"]) == ["a", "b"]


def test_a_refused_device_leaves_no_files(shared_server, tmp_path):
    shared_server.otactl("device", "issue", "twice", "--model", "gw", "--out", tmp_path / "first")
    done = shared_server.otactl("device", "issue", "twice", "--model", "gw", "--out", tmp_path / "second", check=False)
    assert done.returncode == REFUSED
    assert "--renew" in done.stderr
    assert not (tmp_path / "second").exists()


def test_issuing_never_touches_files_that_are_there(shared_server, tmp_path):
    (tmp_path / "device.key").write_text("mine")
    done = shared_server.otactl("device", "issue", "mine", "--out", tmp_path, check=False)
    assert done.returncode == MISUSED
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("device.key", "mine")]


def test_a_renewed_device_has_two_certificates(shared_server, tmp_path):
    shared_server.otactl("device", "issue", "renewed", "--model", "gw", "--out", tmp_path / "a")
    shared_server.otactl("device", "issue", "renewed", "--renew", "--out", tmp_path / "b")
    device = json.loads(shared_server.otactl("device", "show", "renewed", "--json").stdout)
    assert len(device["certificates"]) == 2


def test_many_devices_come_in_one_go_and_in_pages(server, tmp_path):
    server.otactl("device", "issue", "--count", 25, "--prefix", "m-", "--model", "gw", "--site", 'north', "--out",
                  tmp_path / "many")
    names = [f"m-{number:02}" for number in range(1, 26)]
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == names
    page = json.loads(server.otactl("device", "list", "--limit", 10, "--json").stdout)
    assert len(page["items"]) == 10
    rest = json.loads(server.otactl("device", "list", "--all", "--after", page["next"], "--json").stdout)
    assert [item["id"] for item in page["items"] + rest["items"]] == names
    text = server.otactl("device", "list", "--limit", 10).stdout
    assert text.startswith("ID ") and "--after " in text
    client = Client(server.device_port, tls_context(*(tmp_path / "many/m-07" / name for name in
                                                      ("server-ca.crt", "device.crt", "device.key"))))
    assert client.request("GET", "/DEFAULT/controller/v1/m-07").status == 200
    assert json.loads(server.otactl("device", "show", "m-07", "--json").stdout)["state"] == "active"


def test_states_tags_and_labels(shared_server, tmp_path):
    shared_server.otactl("device", "issue", "moved", "--model", "gw", "--out", tmp_path / "moved")

    def now():
        return json.loads(shared_server.otactl("device", "show", "moved", "--json").stdout)

    shared_server.otactl("device", "suspend", "moved")
    assert now()["state"] == "suspended"
    shared_server.otactl("device", "activate", "moved")
    shared_server.otactl("device", "tag", "moved", "x", "y")
    shared_server.otactl("device", "tag", "moved", "x", "--remove")
    shared_server.otactl("device", "set", "moved", "--site", "oslo")
    assert (now()["state"], now()["tags"], now()["site"]) == ("active", ["y"], "oslo")
    shared_server.otactl("device", "revoke", "moved", "--reason", "stolen")
    assert now()["state"] == "revoked"
    assert "revoked" in shared_server.otactl("device", "timeline", "moved").stdout
    assert "stolen" in shared_server.otactl("audit", "list", "--all").stdout


def test_import_is_all_or_none(shared_server, tmp_path):
    good = tmp_path / "good.csv"
    good.write_text("id,model,tags\nimported-1,gw,a;b\nimported-2,gw,\n")
    assert "2 devices are new" in shared_server.otactl("device", "import", good).stdout
    bad = tmp_path / "bad.csv"
    bad.write_text("id,model\nimported-3,gw\n../x,gw\n")
    assert shared_server.otactl("device", "import", bad, check=False).returncode == REFUSED
    assert shared_server.otactl("device", "show", "imported-3", check=False).returncode == REFUSED


def test_foreign_words_cannot_move_the_cursor(shared_server):
    shared_server.new_device("rude")
    shared_server.otactl("device", "suspend", "rude")
    told = shared_server.operator("POST", "/api/v1/devices/rude/revoke",
                                  json={"reason": "a\x1b[2J\u009bb\u202ec\nd"})
    assert told.status == 200, told
    shown = shared_server.otactl("device", "timeline", "rude").stdout
    assert "a?[2J" in shown
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)


# -- uploads --

def test_content_travels_once(shared_server, tmp_path):
    image = tmp_path / "once.bin"
    image.write_bytes(os.urandom(300_000))
    first = json.loads(shared_server.otactl("upload", image, "--json").stdout)
    assert first["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    again = shared_server.otactl("upload", image, "--json")
    assert json.loads(again.stdout)["sha256"] == first["sha256"]
    assert again.stderr == ""


def test_an_upload_goes_on_where_it_stopped(shared_server, tmp_path):
    data = os.urandom(400_000)
    image = tmp_path / "half.bin"
    image.write_bytes(data)
    made = shared_server.operator("POST", "/api/v1/uploads", json={
        "file": "half.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    shared_server.operator("PATCH", f"/api/v1/uploads/{made.json()['id']}", body=data[:150_000], headers={
        "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"})
    done = shared_server.otactl("upload", image)
    assert "going on at byte 150000" in done.stderr


class Cutter:
    """Between otactl and the server: cuts each of the first connections after some bytes, either at once or when
    otactl can send no more."""

    def __init__(self, port, cuts, after, when):
        self.port, self.cuts, self.after, self.when = port, cuts, after, when
        self.listener = socket.create_server(("127.0.0.1", 0))
        if when == "stuck":  # which takes more bytes than there is room for
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            limit = self.after if self.cuts > 0 else None
            self.cuts -= 1
            server = socket.create_connection(("127.0.0.1", self.port))
            for source, sink, most in ((client, server, limit), (server, client, None)):
                threading.Thread(target=self.pump, args=(source, sink, most, client, server), daemon=True).start()

    def pump(self, source, sink, most, *both):
        passed = 0
        try:
            while (most is None or passed < most) and (piece := source.recv(65536)):
                sink.sendall(piece)
                passed += len(piece)
            if most and self.when == "stuck":
                wait_for(lambda: waits_for_window(source.getpeername()[1]))
        except OSError:
            pass
        for end in both:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def waits_for_window(port):
    """Whether the kernel has bytes from this port that the other side has no room for: it probes (timer 4)."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(line[1].endswith(f":{port:04X}") and line[5].startswith("04:") for line in lines)


@pytest.mark.parametrize("when", ["at once", "stuck"])
def test_an_upload_survives_lost_connections(start_server, tmp_path, when):
    # With these timers a connection whose end the server did not notice would hold its upload for ever. Two that
    # otactl took for stalled would keep it longer than we wait.
    shared_server = start_server(http_idle_timeout="24h", http_body_rate_min="1")
    image = tmp_path / "cut.bin"
    image.write_bytes(os.urandom(20_000_000))
    cutter = Cutter(shared_server.operator_port, cuts=2, after=1_000_000, when=when)
    folder = copy_of(shared_server, tmp_path / "c", url=f"https://localhost:{cutter.listener.getsockname()[1]}")
    done = otactl("-C", folder, "--json", "upload", image)
    cutter.listener.close()
    assert done.returncode == DONE, done.stderr
    assert json.loads(done.stdout)["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert cutter.cuts < 0


@pytest.mark.parametrize("name, content", [("empty.bin", b""), ("a b.bin", b"x")])
def test_a_file_that_cannot_be_released_is_not_sent(shared_server, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert shared_server.otactl("upload", tmp_path / name, check=False).returncode == MISUSED


# -- releases --

@pytest.fixture
def image(tmp_path):
    path = tmp_path / "app.bin"
    path.write_bytes(os.urandom(200_000))
    return path


def key(server, number, product="gw"):
    return server.dir / "keys" / f"{product}-{number}.pem"


def draft_of(server, version, image, *more):
    return json.loads(server.otactl("release", "create", "gw", version, "--file", image, "--hardware", "gw",
                                    "--json", *more).stdout)["id"]


def test_from_image_to_release(server, image, tmp_path):
    draft = draft_of(server, "1.0", image, "--security-version", 2, "--severity", "security", "--advisory",
                     "CVE-2026-0001", "--notes", "closes a hole")
    early = server.otactl("release", "publish", draft, check=False)
    assert early.returncode == REFUSED
    assert "0 of 2 signatures" in early.stderr and str(key(server, 1)) in early.stderr

    shown = server.otactl("release", "sign", draft, "--key", key(server, 1)).stdout
    assert "gw/1.0/app.bin" in shown and "1 of 2 signatures" in shown

    payload, signature, public = (tmp_path / name for name in ("payload.bin", "sig", "public.pem"))
    told = server.otactl("release", "payload", draft, "-o", payload).stdout
    assert f"openssl pkeyutl -sign -rawin -inkey KEY.pem -in {payload}" in told
    subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key(server, 2), "-in", payload, "-out",
                    signature], check=True)
    subprocess.run(["openssl", "pkey", "-in", key(server, 2), "-pubout", "-out", public], check=True)
    server.otactl("release", "add-signature", draft, "--public-key", public, "--sig", signature)
    assert "gw:1.0" in server.otactl("release", "publish", draft).stdout

    release = json.loads(server.otactl("release", "show", "gw:1.0", "--json").stdout)
    assert (release["security_version"], release["severity"], release["state"]) == (2, "security", "published")
    assert "gw:1.0" in server.otactl("release", "list", "--product", "gw").stdout
    assert "gw/1.0/app.bin" in server.otactl("trust", "show", "product-gw").stdout


def test_the_root_is_shown(server):
    server.otactl("trust", "install")
    shown = server.otactl("trust", "show").stdout
    assert re.search(r"^snapshot +1 ", shown, re.M)
    assert re.search(r"^root +2 ", shown, re.M)


def test_sign_and_publish_at_once(server, image):
    done = server.otactl("release", "create", "gw", "1.0", "--file", image, "--hardware", "gw", "--key",
                         key(server, 1), "--key", key(server, 3), "--publish")
    assert "release gw:1.0" in done.stdout


def test_several_files_are_one_release(server, image, tmp_path):
    folder = tmp_path / "a,b"
    folder.mkdir()
    boot = folder / "boot.img"
    boot.write_bytes(os.urandom(70_000))
    server.otactl("release", "create", "gw", "1.0", "--file", image, "--hardware", "gw", "--security-version", 1, "--file",
                  f"{boot},component=boot,hardware=gw-a+gw-b,security-version=4", "--key", key(server, 1), "--key",
                  key(server, 2), "--publish")
    assert "boot.img" in server.otactl("release", "show", "gw:1.0").stdout
    ota = [json.loads(server.operator("GET", "/api/v1/tuf/product-gw").body)["signed"]["targets"][f"gw/1.0/{name}"]
           ["custom"]["ota"] for name in ("app.bin", "boot.img")]
    assert [(told["component"], told["hardware_ids"], told["security_version"]) for told in ota] == [
        ("app", ["gw"], 1), ("boot", ["gw-a", "gw-b"], 4)]


@pytest.mark.parametrize("settings, said", [
    (",colour=blue", "colour"), (",component", "component"), (",security-version=x", "security-version"),
    ("", "--hardware is missing"),
])
def test_what_cannot_be_said_of_a_file_is_not_sent(shared_server, image, settings, said):
    good = f"{image},hardware=gw"
    done = shared_server.otactl("release", "create", "gw", "9", "--file", good, "--file", f"{image}{settings}", check=False)
    assert (done.returncode, done.stdout, said in done.stderr) == (MISUSED, "", True), done.stderr


def test_an_encrypted_file_of_several_has_its_own_hash(shared_server, image):
    done = shared_server.otactl("release", "create", "gw", "9", "--hardware", "gw", "--file", image, "--file", image,
                                "--plain-sha256", "a" * 64, check=False)
    assert (done.returncode, "FILE,plain-sha256=HEX" in done.stderr) == (MISUSED, True)


def test_a_foreign_key_is_not_used(server, image):
    draft = draft_of(server, "1.0", image)
    done = server.otactl("release", "sign", draft, "--key", server.dir / "keys/root-1.pem", check=False)
    assert done.returncode == MISUSED
    assert "may not sign product-gw" in done.stderr and str(key(server, 1)) in done.stderr
    assert json.loads(server.otactl("draft", "list", "--json").stdout)["items"][-1]["signatures"] == []


def test_a_wrong_signature_is_refused(server, image, tmp_path):
    draft = draft_of(server, "1.0", image)
    keyid = json.loads(server.otactl("draft", "list", "--json").stdout)["items"][-1]["keyids_allowed"][0]
    (tmp_path / "sig").write_bytes(bytes(64))
    done = server.otactl("release", "add-signature", draft, "--keyid", keyid, "--sig", tmp_path / "sig", check=False)
    assert done.returncode == REFUSED


def test_hardware_must_be_said(shared_server, image):
    done = shared_server.otactl("release", "create", "gw", "9", "--file", image, check=False)
    assert (done.returncode, "--hardware" in done.stderr) == (MISUSED, True)


def test_a_new_product_is_delegated_and_signs_for_itself(server, image):
    refused = server.otactl("release", "create", "sensor", "1.0", "--file", image, "--hardware", "s1", check=False)
    assert refused.returncode == REFUSED
    assert "otactl product create sensor" in refused.stderr
    server.otactl("product", "create", "sensor")
    server.otactl("release", "create", "sensor", "1.0", "--file", image, "--hardware", "s1", "--key",
                  key(server, 1, "sensor"), "--key", key(server, 2, "sensor"), "--publish")
    products = json.loads(server.otactl("product", "list", "--json").stdout)["items"]
    assert sorted(product["product"] for product in products) == ["gw", "sensor"]
    assert server.otactl("product", "create", "sensor", check=False).returncode == REFUSED


def test_a_draft_can_be_dropped(server, image):
    draft = draft_of(server, "1.0", image)
    server.otactl("draft", "drop", draft)
    assert server.otactl("release", "sign", draft, "--key", key(server, 1), check=False).returncode == REFUSED


# -- looking before signing, without a server --

def payload_of(image, version=2, **more):
    data = image.read_bytes()
    target = {"length": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest(),
                                              "sha512": hashlib.sha512(data).hexdigest()},
              "custom": {"ota": {"kind": "image", "hardware_ids": ["gw"], "security_version": 1}}}
    return json.dumps({"_type": "targets", "version": version, "expires": "2030-01-01T00:00:00Z",
                       "targets": {"gw/1.0/app.bin": target}, **more}, separators=(",", ":"), sort_keys=True)


@pytest.fixture
def nowhere(tmp_path):
    return {"HOME": str(tmp_path), "OTACTL_DIR": str(tmp_path / "none")}


def test_a_payload_is_read_without_a_server(tmp_path, image, nowhere):
    (tmp_path / "p").write_text(payload_of(image))
    done = otactl("draft", "show", tmp_path / "p", "--image", image, env=nowhere)
    assert done.returncode == DONE, done.stderr
    assert "gw/1.0/app.bin" in done.stdout and "length and hashes agree" in done.stdout


def test_an_image_that_is_not_in_the_payload_is_told(tmp_path, image, nowhere):
    (tmp_path / "p").write_text(payload_of(image))
    image.write_bytes(image.read_bytes()[:-1] + b"?")
    done = otactl("draft", "show", tmp_path / "p", "--image", image, env=nowhere)
    assert done.returncode == REFUSED
    assert "do not sign" in done.stderr


def test_a_changed_payload_shows_every_change(tmp_path, image, nowhere):
    (tmp_path / "old").write_text(payload_of(image))
    (tmp_path / "new").write_text(payload_of(image, 3).replace('["gw"]', '["gw","door"]'))
    shown = otactl("draft", "show", tmp_path / "new", "--against", tmp_path / "old", env=nowhere).stdout
    changes = shown.split("Changes since version 2:")[1].splitlines()
    assert [line.strip() for line in changes if line] == [
        '- targets > gw/1.0/app.bin > custom > ota > hardware_ids = ["gw"]',
        '+ targets > gw/1.0/app.bin > custom > ota > hardware_ids = ["gw","door"]',
        "- version = 2", "+ version = 3"]


def test_what_is_no_payload_is_refused(tmp_path, nowhere):
    for content in ("", "{", "[]", '{"a":1}', '{"_type":1}'):
        (tmp_path / "p").write_text(content)
        assert otactl("draft", "show", tmp_path / "p", env=nowhere).returncode == MISUSED, content


# -- campaigns --

@pytest.fixture
def release(server, image):
    server.otactl("release", "create", "gw", "1.0", "--file", image, "--hardware", "gw", "--key", key(server, 1),
                  "--key", key(server, 2), "--publish")
    return "gw:1.0"


def told(server, *words):
    return json.loads(server.otactl(*words, "--json").stdout)


TARGET = ["--target", 'model = "gw"']


def seen_devices(server, release, count):
    """Active ones, whose last-seen times are on disk: they are members that count."""
    for device in server.new_devices(count):
        assert device.ddi("GET").status == 200
    wait_for(lambda: told(server, "campaign", "preview", release, *TARGET)["devices"] == count, what="last-seen times")


def test_a_campaign_is_made_shown_and_moved(server, release):
    seen_devices(server, release, 3)
    campaign = told(server, "campaign", "create", release, *TARGET, "--wave", "1:soak=1s:gate=manual",
                    "--wave", "50.5%:coverage=80%", "--wave", "100%", "--pause-at", "2%,2,50")["id"]
    for verb, state in (("start", "running"), ("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
        assert f"{campaign} is {state}" in server.otactl("campaign", verb, campaign, "--reason", "test").stdout
    assert campaign in server.otactl("campaign", "list", "--state", "aborted", "--release", release).stdout
    shown = server.otactl("campaign", "show", campaign).stdout
    assert "aborted" in shown and "1 device" in shown and "to 50.5 %" in shown
    assert "aborted" in server.otactl("campaign", "events", campaign).stdout
    assert told(server, "campaign", "deployments", campaign)["items"] == []
    watched = server.otactl("campaign", "watch", campaign, check=False)
    assert watched.returncode == REFUSED
    assert "did not finish: it is aborted" in watched.stderr


# What is typed, and the member of the expanded plan that it becomes.
PLAN = [
    ("--reason why", {"reason": "why"}), ("--priority -3", {"priority": -3}), ("--priority urgent", {"priority": 100}),
    ("--supersede queue", {"supersede": "queue"}), ("--snapshot", {"members": "snapshot"}),
    ("--no-sticky", {"sticky": False}), ("--approvals 2", {"approvals": 2}),
    ("--expect 12 --tolerance 20%", {"expected": {"count": 12, "tolerance": 0.2}}),
    ("--start-at 2036-12-24 --end-at 2036-12-25T01:00 --on-end cancel",
     {"start_at": "2036-12-24T00:00:00Z", "end_at": "2036-12-25T01:00:00Z", "on_end": "cancel"}),
    ("--rate 7/min,x3/50 --max-rate 900",
     {"rate": {"start": 7, "factor": 3.0, "step": 50, "step_on": "confirmed", "max": 900}}),
    ("--leases 5 --bytes 20M --transfer-rate 500k", {"caps": {"leases": 5, "bytes": 20000000, "transfer_rate": 500000}}),
    ("--install optional --force-at 2036-01-01 --risk reboots",
     {"install": {"mode": "optional", "force_at": "2036-01-01T00:00:00Z", "risk": "reboots"}}),
    ("--pause-at 1%,3,40 --abort-at 10%", {"pause": {"share": 0.01, "failures": 3, "sample": 40},
                                           "abort": {"share": 0.1, "failures": 3, "sample": 20}}),
    ("--dead-man 2h --watch 3d --on-abort rollback", {"dead_man": 7200, "watch": 259200, "on_abort": "rollback"}),
    ("--attempts 7 --confirm-after 1m --stale-after 2d", {"attempts": 7, "confirm_after": 60, "stale_after": 172800}),
    ("--verify-timeout 1h --offer-ttl 2h --download-deadline 0 --stall 5m",
     {"verify_timeout": 3600, "offer_ttl": 7200, "download_deadline": 0, "stall": 300}),
    ("--preset fast", {"target": 'model = "gw"'}),
]


@pytest.mark.parametrize("words,members", PLAN)
def test_options_become_the_plan(shared_server, shared_release, words, members):
    plan = told(shared_server, "campaign", "preview", shared_release, *TARGET, *words.split())["plan"]
    assert {name: plan[name] for name in members} == members


@pytest.fixture(scope="module")
def shared_release(shared_server):
    return shared_server.publish("7.0")


def test_waves_windows_and_strata_are_written_on_the_command_line(shared_server, shared_release, tmp_path):
    shared_server.new_device("listed")
    (tmp_path / "ids").write_text("listed\n")
    listed = told(shared_server, "list", "create", tmp_path / "ids", "--name", "pilots")["id"]
    plan = told(shared_server, "campaign", "preview", shared_release, *TARGET, "--wave", "tag=a:b:soak=1h",
                "--wave", 'filter=site = "x" and tag = "y,z":min=2', "--wave", f"list={listed}:gate=manual",
                "--wave", "5:strata=model+version,coverage=90%", "--wave",
                "10%:not-before=2036-05-01T22:00:00Z:ramp=6h", "--window", "install mon-wed,sun 22:00 6h",
                "--window", "download 01:00 4h", "--zone", "Europe/Berlin", "--strata", "model,site")["plan"]
    tag, rule, listing, count, percent = plan["waves"]
    assert (tag["tag"], tag["soak"]) == ("a:b", 3600)
    assert (rule["filter"], rule["min_confirmed"]) == ('site = "x" and tag = "y,z"', 2)
    assert (listing["list"]["id"], listing["gate"]) == (listed, "manual")
    assert (count["count"], count["strata"], count["coverage"]) == (5, ["model", "version"], 0.9)
    assert (percent["percent"], percent["not_before"], percent["ramp"]) == (10, "2036-05-01T22:00:00Z", 21600)
    assert [window["days"] for window in plan["windows"]["install"]] == [["mon", "tue", "wed", "sun"]]
    assert len(plan["windows"]["download"][0]["days"]) == 7 and plan["windows"]["zone"] == "Europe/Berlin"
    assert plan["strata"]["by"] == ["model", "site"]
    shared_server.otactl("list", "delete", listed)


@pytest.mark.parametrize("words", [
    ["--wave", "many"], ["--wave", "5:soak"], ["--wave", "5:socks=1"], ["--wave", "5:soak=x"], ["--wave", "tag"],
    ["--pause-at", "x"], ["--pause-at", "2%,x"], ["--rate", "fast"], ["--rate", "10/h"], ["--rate", "10/min,2/100"],
    ["--window", "install"], ["--window", "nap 22:00 6h"], ["--window", "install mon-xyz 22:00 6h"],
    ["--start-at", "tomorrow"], ["--bytes", "20X"], ["--expect", "-1"], ["--dead-man", "4 hours"],
])
def test_a_campaign_that_cannot_be_read_is_not_sent(shared_server, words):
    done = shared_server.otactl("campaign", "create", "gw:1.0", *TARGET, *words, check=False)
    assert (done.returncode, done.stdout) == (MISUSED, "")


def test_a_refused_member_is_named_as_its_option(shared_server, shared_release):
    done = shared_server.otactl("campaign", "preview", shared_release, *TARGET, "--zone", "Mars/Base", check=False)
    assert done.returncode == REFUSED
    assert "--zone" in done.stderr


def test_a_preview_reads_well(server, release):
    seen_devices(server, release, 3)
    text = server.otactl("campaign", "preview", release, *TARGET, "--wave", "2:soak=1h", "--wave", "100%").stdout
    assert "3 devices match, 3 would get it" in text
    assert re.search(r"1 +2 devices +2 .*80 % known, soaks 1 h", text)
    assert re.search(r"Plan hash: [0-9a-f]{64}", text)


def test_a_whole_plan_comes_from_a_file_and_options_override_it(server, release, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"release": release, "target": 'model = "gw"', "waves": [{"count": 3}], "watch": "1d"}))
    made = told(server, "campaign", "create", "--plan", file, "--watch", "2d", "--name", "filed")
    assert (made["name"], made["watch"], [wave["count"] for wave in made["waves"]]) == ("filed", 172800, [3])
    changed = told(server, "campaign", "edit", made["id"], "--wave", "4", "--wave", "100%", "--leases", "9")
    assert (changed["name"], changed["watch"], changed["caps"]["leases"]) == ("filed", 172800, 9)
    assert [wave["amount"] for wave in changed["waves"]] == [4, 100]
    file.write_text("[]")
    assert server.otactl("campaign", "create", "--plan", file, check=False).returncode == MISUSED


def test_two_persons_are_asked(server, release, tmp_path):
    seen_devices(server, release, 1)
    server.otactl("operator", "add", "ada", "--role", "approver", "--out", tmp_path / "ada")
    ada = copy_of(server, tmp_path / "c", certificate=tmp_path / "ada/operator.crt", key=tmp_path / "ada/operator.key")
    campaign = told(server, "campaign", "create", release, *TARGET, "--approvals", "1")["id"]
    assert f"campaign approve {campaign}" in server.otactl("campaign", "submit", campaign).stdout
    refused = otactl("-C", ada, "campaign", "refuse", campaign, "--note", "not today")
    assert f"{campaign} is draft" in refused.stdout, refused
    server.otactl("campaign", "submit", campaign)
    early = server.otactl("campaign", "start", campaign, check=False)
    assert early.returncode == REFUSED
    assert otactl("-C", ada, "campaign", "approve", campaign, "--note", "go").returncode == DONE
    assert "ada" in server.otactl("campaign", "approvals", campaign).stdout
    assert told(server, "campaign", "approvals", campaign)["items"][-1]["decision"] == "approved"
    assert "running" in server.otactl("campaign", "start", campaign).stdout


def test_waves_are_held_passed_skipped_and_widened(server, release):
    seen_devices(server, release, 4)
    campaign = told(server, "campaign", "create", release, *TARGET, "--wave", "1", "--wave", "1", "--wave", "50%", "--wave",
                    "100%", "--start")["id"]
    why = ["--reason", "test"]
    wait_for(lambda: told(server, "campaign", "show", campaign)["waves"][0]["state"] == "open", what="the first wave")
    def state(wave):
        return told(server, "campaign", "show", campaign)["waves"][wave - 1]["state"]

    assert "wave 1 is held" in server.otactl("campaign", "hold", campaign, 1, *why).stdout
    server.otactl("campaign", "dial", campaign, 3, "60%", *why)
    assert told(server, "campaign", "show", campaign)["waves"][2]["amount"] == 60
    assert server.otactl("campaign", "dial", campaign, 3, "10", *why, check=False).returncode == REFUSED
    assert server.otactl("campaign", "dial", campaign, 3, "most", *why, check=False).returncode == MISUSED
    assert server.otactl("campaign", "retry", campaign, "dev-1", check=False).returncode == REFUSED
    assert server.otactl("campaign", "skip", campaign, 2, *why, check=False).returncode == REFUSED
    server.otactl("campaign", "reopen", campaign, 1, *why)
    assert state(1) == "open"
    server.otactl("campaign", "pass", campaign, 1, *why)
    assert state(1) == "passed"
    server.otactl("campaign", "skip", campaign, 2, *why)
    assert state(2) == "skipped"


def test_a_campaign_is_cancelled_in_two_ways(server, release):
    seen_devices(server, release, 1)
    for words in ([], ["--hard", "--reason", "wrong image"]):
        campaign = told(server, "campaign", "create", release, *TARGET, "--start")["id"]
        assert "is cancelled" in server.otactl("campaign", "cancel", campaign, *words).stdout


def test_a_watch_that_is_piped_logs_changes_and_the_emergency_stop(server, release):
    device = server.new_device("followed")
    device.ddi("GET")
    campaign = told(server, "campaign", "create", release, *TARGET, "--wave", "100%", "--start")["id"]
    server.otactl("stop", "--reason", "smoke")
    with subprocess.Popen([OTACTL, "-C", server.dir, "campaign", "watch", campaign, "--interval", "1"],
                          stdout=subprocess.PIPE, text=True) as watching:
        lines = []
        while not any("EMERGENCY STOP: smoke" in line for line in lines):
            lines.append(watching.stdout.readline())
            assert lines[-1], lines
        server.otactl("campaign", "cancel", campaign, "--reason", "over")
        rest = watching.stdout.read()
    assert f"{campaign} is running" in lines[0]
    assert re.search(r"wave 1  to 100 % \[", "".join(lines))
    assert f"{campaign} is cancelled" in rest


# -- what decides beside campaigns --

def test_the_emergency_stop_is_told_by_its_exit_status(server):
    assert server.otactl("stop", check=False).returncode == MISUSED
    assert server.otactl("stop", "--status").stdout == "not stopped\n"
    server.otactl("stop", "--reason", "smoke")
    told_so = server.otactl("stop", "--status", check=False)
    assert (told_so.returncode, "smoke" in told_so.stderr) == (REFUSED, True)
    assert json.loads(server.otactl("stop", "--status", "--json", check=False).stdout)["stopped"] is True
    server.otactl("stop", "--lift")
    assert told(server, "stop", "--status")["stopped"] is False


def test_a_device_is_pinned_held_and_let_go(shared_server, shared_release):
    shared_server.new_device("pinned")
    assert shared_server.otactl("device", "pin", "pinned", shared_release, check=False).returncode == MISUSED
    shared_server.otactl("device", "pin", "pinned", shared_release, "--reason", "ticket", "--until", "+7d")
    assert "ticket" in shared_server.otactl("device", "pins").stdout
    assert shared_release in shared_server.otactl("device", "explain", "pinned").stdout
    shared_server.otactl("campaign", "create", shared_release, "--target", 'id = "another"', "--expect", "0", "--start")
    shared_server.otactl("device", "hold", "pinned", "--reason", "measured")
    pins = {pin["device"]: pin for pin in told(shared_server, "device", "pins")["items"]}
    assert (pins["pinned"]["release"], pins["pinned"]["reason"]) == (None, "measured")
    assert "hold" in shared_server.otactl("device", "explain", "pinned").stdout
    shared_server.otactl("device", "unpin", "pinned")
    assert "pinned" not in [pin["device"] for pin in told(shared_server, "device", "pins")["items"]]


def test_devices_are_counted_and_have_a_zone(shared_server):
    shared_server.new_device("counted", model="counted")
    count = ["device", "count", "--filter", 'model = "counted"']
    assert told(shared_server, *count)["count"] == 1
    assert re.search(r"^count: +1$", shared_server.otactl(*count).stdout, re.M)
    shared_server.otactl("device", "set", "counted", "--zone", "Europe/Oslo")
    assert "Europe/Oslo" in shared_server.otactl("device", "show", "counted").stdout


def test_channels_are_made_joined_and_promoted(shared_server, shared_release):
    ctl = shared_server.otactl
    shared_server.new_device("member")
    ctl("channel", "create", "stable", "--position", "90")
    ctl("channel", "create", "beta", "--position", "10", "--rule", 'tag = "beta"', "--next", "stable", "--auto",
        "--confirmed", "20", "--share", "98%", "--soak", "48h")
    shown = told(shared_server, "channel", "show", "beta")
    assert (shown["rule"], shown["next"], shown["promotion"]["share"]) == ('tag = "beta"', "stable", 0.98)
    ctl("channel", "set", "beta", "--rule", 'tag = "gamma"')
    assert "gamma" in ctl("channel", "list").stdout
    ctl("device", "join", "member", "beta", "--until", "+30d")
    assert told(shared_server, "device", "show", "member")["channel"]
    ctl("device", "leave", "member")
    ctl("channel", "baseline", "stable", "gw", shared_release, "--reason", "first")
    assert shared_release in ctl("channel", "show", "stable").stdout
    ctl("channel", "unset", "stable", "gw")
    ctl("channel", "baseline", "beta", "gw", shared_release)
    early = ctl("channel", "promote", "beta", shared_release, check=False)
    assert (early.returncode, "20 more confirmed" in early.stderr) == (REFUSED, True)
    ctl("channel", "set", "beta", "--confirmed", "0", "--share", "0", "--soak", "0")
    ctl("channel", "promote", "beta", shared_release, "--reason", "by hand")
    assert told(shared_server, "campaign", "list", "--channel", "stable")["items"][0]["release"] == shared_release
    ctl("channel", "create", "brief")
    ctl("channel", "delete", "brief")
    assert ctl("channel", "show", "brief", check=False).returncode == REFUSED


def test_freezes_sites_and_lists_come_and_go(shared_server, tmp_path):
    ctl = shared_server.otactl
    freeze = told(shared_server, "freeze", "create", "--from", "2036-12-20", "--until", "2036-12-24 18:00",
                  "--reason", "holidays", "--target", 'site = "oslo"')
    assert (freeze["from"], freeze["until"]) == ("2036-12-20T00:00:00Z", "2036-12-24T18:00:00Z")
    assert "holidays" in ctl("freeze", "list").stdout
    ctl("freeze", "delete", freeze["id"])
    assert freeze["id"] not in ctl("freeze", "list").stdout
    assert ctl("freeze", "create", "--from", "now", "--reason", "x", check=False).returncode == MISUSED
    ctl("site", "set", "oslo", "--zone", "Europe/Oslo", "--leases", "4", "--bytes", "2M")
    assert told(shared_server, "site", "list")["items"][0]["bytes"] == 2000000
    assert "Europe/Oslo" in ctl("site", "list").stdout
    ctl("site", "delete", "oslo")
    assert "Nothing is set" in ctl("site", "list").stdout
    shared_server.new_device("named")
    (tmp_path / "ids.txt").write_text("named\n")
    made = ctl("list", "create", tmp_path / "ids.txt").stdout
    listed = re.search(r"l-\d+", made)[0]
    assert "ids.txt" in ctl("list", "list").stdout
    assert told(shared_server, "list", "show", listed)["count"] == 1
    ctl("list", "delete", listed)
    assert ctl("list", "show", listed, check=False).returncode == REFUSED


def test_a_release_becomes_a_floor_and_a_dead_end(shared_server, shared_release):
    ctl = shared_server.otactl
    assert told(shared_server, "release", "floor", shared_release)["floor"] is True
    ctl("release", "floor", shared_release, "--clear")
    assert "by hand" in ctl("release", "dead-end", shared_release, "by hand only").stdout
    ctl("release", "dead-end", shared_release, "")
    shown = told(shared_server, "release", "show", shared_release)
    assert (shown["floor"], shown["dead_end"]) == (False, "")


# -- people --

def test_a_token_works_until_it_is_revoked(shared_server, tmp_path):
    file = tmp_path / "token"
    shared_server.otactl("token", "create", "--role", "viewer", "--note", "test", "-o", file)
    assert mode(file) == 0o400
    token = file.read_text().strip()
    shared_server.otactl("--token-file", file, "device", "list")
    refused = shared_server.otactl("--token-file", file, "operator", "list", check=False)
    assert refused.returncode == REFUSED
    listed = shared_server.otactl("token", "list", "--json").stdout
    assert token not in listed
    shared_server.otactl("token", "revoke", json.loads(listed)["items"][-1]["id"])
    assert shared_server.otactl("--token-file", file, "device", "list", check=False).returncode == REFUSED


def test_an_operator_comes_and_goes(shared_server, tmp_path):
    out = tmp_path / "ada"
    shared_server.otactl("operator", "add", "ada", "--role", "viewer", "--out", out)
    folder = copy_of(shared_server, tmp_path / "c", certificate=out / "operator.crt", key=out / "operator.key")
    assert otactl("-C", folder, "device", "list").returncode == DONE
    assert otactl("-C", folder, "operator", "list").returncode == REFUSED
    shared_server.otactl("operator", "revoke", "ada")
    assert otactl("-C", folder, "device", "list").returncode == REFUSED


def test_the_audit_log_is_whole(shared_server):
    shared_server.otactl("audit", "verify")
