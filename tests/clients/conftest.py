"""The fixtures of the API tests, and clients that nobody here wrote, as tests/install.sh unpacks them;
what configures them is in otad-clients(7)."""
import hashlib
import importlib.util
import pathlib
import socket
import subprocess
import sys
import threading
import uuid

import pytest

from manual import example

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENT_GUARD = "300"  # seconds; no client outlives a run that was killed

_spec = importlib.util.spec_from_file_location("api_fixtures", ROOT / "tests/api/conftest.py")
api = sys.modules["api_fixtures"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(api)
installation, start_server = api.installation, api.start_server
wait_for = api.wait_for


def client(package, *words):
    """The words that start a program of a package."""
    run = ROOT / "build" / package / "run"
    if not run.exists():
        pytest.fail(f"{package} is not there: run tests/install.sh check")
    return ["timeout", "-k", "5", CLIENT_GUARD, run, *words]


class Signer:
    """Who may sign .swu archives."""

    def __init__(self, folder):
        folder.mkdir()
        self.certificate, self.key = folder / "swu.crt", folder / "swu.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "30", "-subj", "/CN=swu signer", "-addext", "keyUsage=critical,digitalSignature",
             "-addext", "extendedKeyUsage=emailProtection", "-keyout", self.key, "-out",
             self.certificate], check=True, capture_output=True)

    def pack(self, folder, description, files):
        """The bytes of a .swu: a signed description, and {name: bytes} behind it."""
        folder.mkdir(exist_ok=True)
        (folder / "sw-description").write_text(description)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        subprocess.run(
            ["openssl", "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig", "-signer",
             self.certificate, "-inkey", self.key, "-outform", "DER", "-nosmimecap", "-binary"],
            cwd=folder, check=True, capture_output=True)
        names = "\n".join(["sw-description", "sw-description.sig", *files, ""]).encode()
        return subprocess.run(["cpio", "-o", "-H", "crc"], cwd=folder, check=True, capture_output=True,
                              input=names).stdout

    def archive(self, folder, image, install_path, version, told_sha256=None):
        """The bytes of a .swu that installs `image` as the file `install_path`."""
        return self.pack(folder, f"""
software = {{ version = "{version}"; hardware-compatibility = [ "1.0" ];
  files: ( {{ filename = "payload.bin"; path = "{install_path}"; type = "rawfile";
              sha256 = "{told_sha256 or hashlib.sha256(image).hexdigest()}"; }} ); }}
""", {"payload.bin": image})


class Board:
    """A device that runs SWUpdate's suricatta."""

    def __init__(self, device, signer, port=None, host="localhost"):
        self.device, self.signer = device, signer
        self.folder = device.folder
        self.url = f"https://{host}:{port or device.port}"
        self.ca = self.folder / "server-ca.crt"
        self.certificate, self.key = self.folder / "device.crt", self.folder / "device.key"
        self.installed = self.folder / "installed.bin"
        self.process = None
        (self.folder / "tmp").mkdir(exist_ok=True)

    @property
    def log(self):
        path = self.folder / "swupdate.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, version="1.0.0", options=""):
        """Boots: a new boot id, and `version` is what runs; None: it tells neither."""
        text = example("swupdate.cfg", {
            "/etc/ota/swu.crt": self.signer.certificate, "/etc/ota/server-ca.crt": self.ca,
            "/etc/ota/device.crt": self.certificate, "/etc/ota/device.key": self.key,
            "https://updates.example.com:8443": self.url, "lock-0001": self.device.id,
            "@VERSION@": version, "@BOOT_ID@": uuid.uuid4()})
        configuration = self.folder / "swupdate.cfg"
        configuration.write_text(text if version else text.replace('"otad.', '"unknown.'))
        self.process = subprocess.Popen(
            client("swupdate", "swupdate", "-f", configuration, "-H", "board:1.0", "-u", f"-w 1 {options}"),
            env={"TMPDIR": str(self.folder / "tmp"), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL, stdout=open(self.folder / "swupdate.log", "ab"),
            stderr=subprocess.STDOUT)
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def wait_log(self, text, times=1):
        wait_for(lambda: self.log.count(text) >= times or self._must_live(), what=f"{text!r} in SWUpdate's log")

    def _must_live(self):
        assert self.process.poll() is None, f"swupdate ended:\n{self.log[-3000:]}"

    def archive(self, image, version, **more):
        return self.signer.archive(self.folder / f"swu-{version}", image, self.installed, version, **more)


class Lender:
    """The haproxy of the manual: a device's certificate for programs that show none."""

    def __init__(self, device):
        folder, self.log_path = device.folder, device.folder / "haproxy.log"
        (folder / "device.pem").write_bytes((folder / "device.crt").read_bytes() + (folder / "device.key").read_bytes())
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        (folder / "haproxy.cfg").write_text(example("haproxy.cfg", {
            "updates.example.com:8443": f"localhost:{device.port}", "updates.example.com": "localhost",
            "/etc/ota/": f"{folder}/", "127.0.0.1:8080": f"fd@{listener.fileno()}"}))
        self.process = subprocess.Popen(client("haproxy", "haproxy", "-db", "-f", folder / "haproxy.cfg"),
                                        pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL,
                                        stdout=open(self.log_path, "wb"), stderr=subprocess.STDOUT)
        listener.close()

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class CuttingProxy:
    """Passes TCP on to a port; the first connection that has carried `limit` bytes to the client is
    reset, once."""

    def __init__(self, port, limit):
        self.target, self.limit, self.has_cut = port, limit, threading.Event()
        self.carried = 0  # towards the client, over all connections
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._pass, args=(client, upstream, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(upstream, client, True), daemon=True).start()

    def _pass(self, source, sink, is_towards_client):
        carried = 0
        try:
            while piece := source.recv(16384):
                sink.sendall(piece)
                carried += len(piece)
                self.carried += len(piece) if is_towards_client else 0
                if is_towards_client and carried > self.limit and not self.has_cut.is_set():
                    self.has_cut.set()
                    break
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


@pytest.fixture
def server(start_server):
    return start_server(device_poll=1)


@pytest.fixture
def new_signer(tmp_path):
    return lambda name: Signer(tmp_path / name)


@pytest.fixture
def signer(new_signer):
    return new_signer("signer")


@pytest.fixture
def new_board(signer):
    """new_board(device, port=…, host=…); SWUpdate's log is shown when a case fails."""
    boards = []

    def make(device, **more):
        boards.append(Board(device, more.pop("signer", signer), **more))
        return boards[-1]

    yield make
    for board in boards:
        board.stop()
        print(f"--- SWUpdate of {board.device.id} ---\n{board.log[-6000:]}")


@pytest.fixture
def lend():
    """lend(device): a port of plain HTTP through which everybody is that device."""
    lenders = []

    def start(device):
        lenders.append(Lender(device))
        return lenders[-1].port

    yield start
    for lender in lenders:
        lender.stop()
        print(f"--- haproxy ---\n{lender.log_path.read_text()}")


@pytest.fixture
def cutting_proxy():
    proxies = []

    def make(port, limit):
        proxies.append(CuttingProxy(port, limit))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()
