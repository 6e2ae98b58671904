"""Fixtures of the API tests: a real otad on free ports in a temporary folder, devices with real
certificates, an operator; the daemon's log is shown when a case fails."""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("B", "build/release")
OTAD, OTACTL = BUILD / "otad", BUILD / "otactl"
HANG_GUARD = float(os.environ.get("OTAD_TEST_GUARD", "60"))

# Short timers, so that what takes hours in the field takes a second here.
QUICK = {
    "device.poll": "2", "device.poll_minimum": "1", "campaign.tick": "1", "campaign.confirm_after": "0",
    "campaign.rate": "0", "campaign.watch": "0",
    "store.seen_flush": "1", "http.connections_per_address": "100000", "tls.address_rate": "100000",
    "tls.address_burst": "100000", "log.requests": "all",
}


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def tls_context(ca, certificate=None, key=None):
    context = ssl.create_default_context(cafile=str(ca))
    if certificate:
        context.load_cert_chain(str(certificate), str(key))
    return context


class Client:
    """One HTTP client; a connection per request unless `keep` is set."""

    def __init__(self, port, context, host="localhost", headers=None):
        self.port, self.context, self.host, self.headers = port, context, host, headers or {}
        self.kept = None
        self.keep = False

    def connection(self):
        return http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=HANG_GUARD)

    def request(self, method, path, json=None, body=None, headers=None):
        sent = dict(self.headers)
        if json is not None:
            body = globals()["json"].dumps(json).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        connection = self.kept or self.connection()
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        response = Response(answer.status, answer.headers, answer.read())
        if self.keep:
            self.kept = connection
        else:
            connection.close()
        return response

    def raw(self, data, timeout=10):
        """Sends bytes as they are and returns all that comes back until the server closes."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as plain:
            with self.context.wrap_socket(plain, server_hostname=self.host) as tls:
                got = b""
                try:
                    tls.sendall(data)
                except (ConnectionError, ssl.SSLError):
                    pass  # refused before all was sent; an answer may be there
                try:
                    while piece := tls.recv(65536):
                        got += piece
                except (socket.timeout, ConnectionError, ssl.SSLError):
                    pass
                return got


class Device(Client):
    def __init__(self, server, device_id, folder):
        super().__init__(server.device_port, tls_context(
            folder / "server-ca.crt", folder / "device.crt", folder / "device.key"))
        self.id, self.folder, self.server = device_id, folder, server
        self.base = f"/DEFAULT/controller/v1/{device_id}"

    def ddi(self, method, path="", **more):
        return self.request(method, self.base + path, **more)

    @property
    def fingerprint(self):
        pem = (self.folder / "device.crt").read_text()
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


class Server:
    def __init__(self, folder, settings, template):
        self.dir = pathlib.Path(folder)
        shutil.copytree(template, self.dir, dirs_exist_ok=True)
        self.settings = {**QUICK, **settings}
        self.process = None
        self.log_path = self.dir / "otad.log"

    # -- the process --
    def start(self, wait=True):
        words = [str(OTAD), "-c", str(self.dir / "otad.conf")]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={value}"]
        (self.dir / "state" / "ports.json").unlink(missing_ok=True)
        self.process = subprocess.Popen(words, stderr=open(self.log_path, "ab"), stdin=subprocess.DEVNULL)
        return self.wait_ready() if wait else self

    def wait_ready(self):
        limit = time.monotonic() + HANG_GUARD
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                raise RuntimeError(f"otad ended with {self.process.returncode}:\n{self.log()}")
            try:
                ports = json.loads((self.dir / "state" / "ports.json").read_text())
                self.device_port, self.operator_port = ports["device"], ports["operator"]
                return self
            except (FileNotFoundError, ValueError):
                time.sleep(0.01)
        raise RuntimeError("otad did not become ready:\n" + self.log())

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(HANG_GUARD)
        return self.process.returncode if self.process else None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(HANG_GUARD)

    def restart(self):
        self.stop()
        return self.start()

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, text, seconds=HANG_GUARD):
        wait_for(lambda: text in self.log(), seconds, f"{text!r} in the log")

    # -- the operator's side --
    def operator_client(self, certificate=True, **more):
        pki = self.dir / "pki"
        context = tls_context(pki / "server-ca.crt", *((pki / "operator.crt", pki / "operator.key")
                                                       if certificate else ()))
        return Client(self.operator_port, context, **more)

    def operator(self, method, path, **more):
        return self.operator_client().request(method, path, **more)

    def otactl(self, *words, check=True, input=None):
        done = subprocess.run([str(OTACTL), "-C", str(self.dir), *map(str, words)], input=input,
                              capture_output=True, text=True, timeout=HANG_GUARD * 2)
        if check and done.returncode != 0:
            raise AssertionError(f"otactl {' '.join(map(str, words))} ended with {done.returncode}:\n"
                                 f"{done.stdout}{done.stderr}\n{self.log()[-3000:]}")
        return done

    # -- devices --
    def new_device(self, device_id, model="gw", **more):
        folder = self.dir / "devices" / device_id
        folder.parent.mkdir(exist_ok=True)
        self.otactl("device", "issue", device_id, "--model", model, "--out", folder)
        if more:
            assert self.operator("PATCH", f"/api/v1/devices/{device_id}", json=more).status == 200
        return Device(self, device_id, folder)

    def new_devices(self, count, prefix="dev-", model="gw"):
        folder = self.dir / "devices"
        self.otactl("device", "issue", "--count", count, "--prefix", prefix, "--model", model, "--out", folder)
        return [Device(self, path.name, path) for path in sorted(folder.iterdir())
                if path.name.startswith(prefix)]

    # -- releases --
    def upload(self, data, name="image.bin", encoding="identity"):
        """By plain REST; returns the artifact."""
        made = self.operator("POST", "/api/v1/uploads", json={
            "file": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(),
            "encoding": encoding})
        if made.status == 200:
            return made.json()["artifact"]
        assert made.status == 201, made
        upload = made.json()["id"]
        put = self.operator("PATCH", f"/api/v1/uploads/{upload}", body=data, headers={
            "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"})
        assert put.status == 204, put
        done = self.operator("POST", f"/api/v1/uploads/{upload}/finish")
        assert done.status == 201, done
        return done.json()

    def publish(self, version, data=None, product="gw", hardware=("gw",), component="app", **more):
        """A signed and published release; returns its id."""
        data = data if data is not None else os.urandom(200_000)
        artifact = self.upload(data)
        self.ensure_trust()
        draft = self.operator("POST", "/api/v1/releases/draft", json={
            "product": product, "version": version, "component": component, "file": "image.bin",
            "artifact": artifact["sha256"], "hardware_ids": list(hardware), **more})
        assert draft.status == 201, draft
        self.sign_and_publish(draft.json()["id"], product)
        return f"{product}:{version}"

    def sign_and_publish(self, draft, product="gw", signers=2):
        keys = sorted((self.dir / "keys").glob(f"{product}-*.pem"))
        for key in keys[:signers]:
            self.otactl("release", "sign", draft, "--key", key)
        done = self.operator("POST", f"/api/v1/tuf/drafts/{draft}/publish")
        assert done.status == 200, done
        return done.json()

    def ensure_trust(self):
        if self.operator("GET", "/api/v1/tuf/targets").status == 404:
            self.otactl("trust", "install")

    def campaign(self, release, target='model = "gw"', waves=({"percent": 100, "soak": 0},), **more):
        made = self.operator("POST", "/api/v1/campaigns", json={
            "release": release, "target": target, "waves": list(waves), "start": True, **more})
        assert made.status == 201, made
        return made.json()["id"]


def wait_for(question, seconds=HANG_GUARD, what="it"):
    """Polls until the question says yes; a hang guard, not a timing."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


@pytest.fixture(scope="session")
def installation(tmp_path_factory):
    """What `otactl init` makes, once; each server gets a copy."""
    folder = tmp_path_factory.mktemp("init") / "installation"
    subprocess.run([str(OTACTL), "init", str(folder), "--port", "0", "--operator-port", "0",
                    "--hostname", "localhost", "--product", "gw"], check=True, capture_output=True)
    return folder


@pytest.fixture
def start_server(installation, tmp_path, request):
    """start_server(**settings): settings like device_poll="5" replace device.poll."""
    servers = []

    def start(wait=True, **settings):
        dotted = {key.replace("_", ".", 1): str(value) for key, value in settings.items()}
        server = Server(tmp_path / f"server{len(servers)}", dotted, installation)
        servers.append(server)
        return server.start(wait)

    yield start
    for server in servers:
        server.stop()
        print(f"--- log of {server.dir} ---\n{server.log()[-8000:]}")
    for server in servers:
        if "ERROR: AddressSanitizer" in server.log() or "runtime error:" in server.log():
            raise AssertionError("a sanitizer complained:\n" + server.log()[-6000:])


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture(scope="module")
def shared_server(installation, tmp_path_factory):
    """One daemon for all read-mostly cases of a file."""
    server = Server(tmp_path_factory.mktemp("shared") / "server", {}, installation).start()
    yield server
    server.stop()
