"""The two peers of the bench: otad with a database of a million devices, nginx from Debian in its
defaults and tuned; both speak with the same key, chain, cipher and group, both log errors only."""
import json
import os
import pathlib
import re
import secrets
import shutil
import sqlite3
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("B", "build/release")
CERTIFICATES = int(os.environ.get("BENCH_CERTIFICATES", 10_000))
DEVICES = int(os.environ.get("BENCH_DEVICES", 1_000_000))
IMAGE_SIZE = 64 << 20
NGINX_TUNED = """
  ssl_session_tickets off; ssl_session_cache shared:S:64m;
  open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s; output_buffers 4 64k;
"""


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr or done.stdout}")
    return done.stdout


def cpu_seconds(pids):
    """The kernel's own account of every thread's time on a processor."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(task.read_text().split()[0])
    return total / 1e9


def memory(pids):
    """Proportional set size and private dirty bytes of the processes."""
    sizes = {"Pss": 0, "Rss": 0}
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name = line.split(":")[0]
            if name in sizes:
                sizes[name] += int(line.split()[1]) * 1024
    return sizes


class Installation:
    """One `otactl init`, real certificates, and rows for the rest of the million."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.devices = self.dir / "devices"

    def make(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        run(BUILD / "otactl", "init", self.dir, "--port", 0, "--operator-port", 0, "--hostname", "localhost",
            "--product", "gw")
        with open(self.dir / "otad.conf", "a") as file:
            # One processor, as nginx has one worker.
            file.write("[http]\nconnections_per_address = 100000\nconnections_max = 12000\n"
                       "connections_per_device = 1000\nidle_timeout = 1h\n"
                       "[tls]\naddress_rate = 1000000\naddress_burst = 1000000\n"
                       "[device]\npoll = 300\n[server]\nworkers = 1\n"
                       # All are offered the image at once.
                       "[capacity]\nleases = 0\n")
        with Otad(self) as server:
            run(BUILD / "otactl", "-C", self.dir, "device", "issue", "--count", CERTIFICATES, "--prefix", "dev-",
                "--model", "gw", "--out", self.devices)
            self.publish(server)
        self.fill()

    def publish(self, server):
        """A 64 MiB image, rolled out to all, so that every device may fetch it."""
        image = self.dir / "image.bin"
        with open(image, "wb") as file:
            for _ in range(IMAGE_SIZE >> 20):
                file.write(secrets.token_bytes(1 << 20))
        control = [BUILD / "otactl", "-C", self.dir]
        run(*control, "trust", "install")
        draft = json.loads(run(*control, "--json", "release", "create", "gw", "2.0.0", "--file", image,
                               "--hardware", "gw"))["id"]
        for number in (1, 2):
            run(*control, "release", "sign", draft, "--key", self.dir / f"keys/gw-{number}.pem")
        run(*control, "release", "publish", draft)

    def fill(self):
        database = sqlite3.connect(self.dir / "state/otad.db")
        known = database.execute("SELECT count(*) FROM device").fetchone()[0]
        rows = ((f"filler-{i}", "active", "other", "1.0.0") for i in range(DEVICES - known))
        database.executemany("INSERT INTO device (tenant_row, id, state, model, version, created_at, updated_at) "
                             "VALUES (1, ?, ?, ?, ?, 0, 0)", rows)
        database.execute("INSERT INTO certificate (fingerprint, device_row, state, not_after_at, created_at) "
                         "SELECT randomblob(32), row_id, 'active', 4102444800, 0 FROM device WHERE id LIKE 'filler-%'")
        database.execute("ANALYZE")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()


class Server:
    """A daemon pinned to processor 0; the client gets processor 1."""
    cpu = "0"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def pids(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]


class Otad(Server):
    name = "otad"
    poll_path = "/DEFAULT/controller/v1/%s"
    image_path = None  # known when the image is published

    def __init__(self, installation, *settings):
        self.installation, self.settings = installation, settings

    def start(self):
        ports = self.installation.dir / "state/ports.json"
        ports.unlink(missing_ok=True)
        words = ["taskset", "-c", self.cpu, str(BUILD / "otad"), "-c", str(self.installation.dir / "otad.conf")]
        for setting in self.settings:
            words += ["--set", setting]
        began = time.monotonic()
        self.process = subprocess.Popen(words, stderr=open(self.installation.dir / "otad.log", "ab"))
        while not ports.exists():
            if self.process.poll() is not None:
                raise SystemExit((self.installation.dir / "otad.log").read_text()[-3000:])
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - began
        time.sleep(0.05)
        told = json.loads(ports.read_text())
        self.port, self.operator_port = told["device"], told["operator"]

class Nginx(Server):
    poll_path, image_path = "/poll.json", "/image.bin"

    def __init__(self, installation, is_tuned, body):
        self.installation, self.is_tuned, self.body = installation, is_tuned, body
        self.name = "nginx tuned" if is_tuned else "nginx"
        self.port = 8990 + is_tuned

    def start(self):
        folder = self.installation.dir / f"nginx-{int(self.is_tuned)}"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "www").mkdir(parents=True)
        (folder / "www/poll.json").write_bytes(self.body)
        os.link(self.installation.dir / "image.bin", folder / "www/image.bin")
        os.chmod(folder, 0o755)
        pki = self.installation.dir / "pki"
        (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log crit; user root;
worker_rlimit_nofile 20000;
events {{ worker_connections 15000; }}
http {{
  access_log off; default_type application/json; keepalive_timeout 3600; keepalive_requests 100000000;
  server {{
    listen 127.0.0.1:{self.port} ssl backlog=4096; root {folder}/www; server_name localhost;
    ssl_certificate {pki}/server.crt; ssl_certificate_key {pki}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_client_certificate {pki}/device-ca.crt; ssl_verify_client on;
    {NGINX_TUNED if self.is_tuned else ""}
  }}
}}
""")
        self.process = subprocess.Popen(["taskset", "-c", self.cpu, "nginx", "-e", f"{folder}/error.log", "-c",
                                         f"{folder}/nginx.conf"], stderr=subprocess.DEVNULL)
        while not self.answers():
            if self.process.poll() is not None:
                raise SystemExit((folder / "error.log").read_text())
            time.sleep(0.01)

    def answers(self):
        """Its pid file is written once the port is bound: another server's answer does not count."""
        return (self.installation.dir / f"nginx-{int(self.is_tuned)}/pid").exists()


def versions():
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return [f"processor: {processor.group(1) if processor else 'unknown'}, kernel {os.uname().release}",
            f"{nginx.strip()}; {run('openssl', 'version').strip()}; {run(BUILD / 'otad', '--version').strip()}"]
