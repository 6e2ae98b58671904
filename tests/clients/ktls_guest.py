"""Runs inside the virtual machine: otad under a kernel that encrypts."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

root, installation = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
sys.path.insert(0, str(root / "tests/api"))
import conftest  # noqa: E402

copy = pathlib.Path("/tmp/installation")
shutil.copytree(installation, copy)
server = conftest.Server("/tmp/server", {"tls.kernel": "yes", "device.listen": "127.0.0.1:0",
                                         "operator.listen": "127.0.0.1:0"}, copy).start()
device = server.new_device("ktls-1")
data = os.urandom(3_000_000)
server.campaign(server.publish("1.0", data))
base = conftest.wait_for(lambda: device.ddi("GET").json().get("_links", {}).get("deploymentBase"), 120)
plan = device.request("GET", base["href"].split(str(server.device_port), 1)[1]).json()
path = plan["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"].split(str(server.device_port), 1)[1]
for version in ("1.3", "1.2"):
    words = ["curl", "-sS", "--tlsv" + version, "--tls-max", version, "--cacert", device.folder / "server-ca.crt",
             "--cert", device.folder / "device.crt", "--key", device.folder / "device.key",
             f"https://localhost:{server.device_port}{path}"]
    whole = subprocess.run(list(map(str, words)), capture_output=True, check=True).stdout
    assert hashlib.sha256(whole).digest() == hashlib.sha256(data).digest()
    part = subprocess.run([*map(str, words), "-H", "Range: bytes=1000000-1999999"], capture_output=True, check=True).stdout
    assert part == data[1000000:2000000]
    parts = subprocess.run([*map(str, words), "-H", "Range: bytes=5-9,100-199"], capture_output=True, check=True).stdout
    assert data[5:10] in parts and data[100:200] in parts
counts = dict(line.split() for line in pathlib.Path("/proc/net/tls_stat").read_text().splitlines())
server.stop()
print("kernel TLS transmissions:", counts["TlsTxSw"])
sys.exit(0 if int(counts["TlsTxSw"]) >= 2 else 1)
