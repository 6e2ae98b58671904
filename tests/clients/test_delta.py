"""SWUpdate's delta handler: what the installed image lacks is fetched from a .zck, in one request for
many ranges, through a proxy that lends the device's certificate."""
import hashlib
import os
import random
import re
import subprocess

from api_fixtures import wait_for
from manual import example

SIZE = 8_000_000


def changed(image):
    """The same with forty small changes."""
    dice, new = random.Random(1), bytearray(image)
    for _ in range(40):
        at = dice.randrange(SIZE - 100)
        new[at:at + 100] = dice.randbytes(100)
    return bytes(new)


def zchunk(folder, image):
    """The .zck of an image, and its header."""
    (folder / "rootfs.img").write_bytes(image)
    subprocess.run(["zck", "--output", "rootfs.zck", "-u", "--chunk-hash-type", "sha256", "rootfs.img"], cwd=folder, check=True)
    told = subprocess.run(["zck_read_header", "-v", "rootfs.zck"], cwd=folder, check=True, capture_output=True, text=True).stdout
    whole = (folder / "rootfs.zck").read_bytes()
    return whole, whole[:int(re.search(r"Header size:\s*(\d+)", told).group(1))]


def publish(server, folder, files):
    """One release of several files of one component, as the manual makes it."""
    words = []
    for file, data in files.items():
        (folder / file).write_bytes(data)
        words += ["--file", folder / file]
    for number in (1, 2):
        words += ["--key", server.dir / "keys" / f"gw-{number}.pem"]
    server.otactl("release", "create", "gw", "2.0.0", "--hardware", "gw", *words, "--publish")
    return "gw:2.0.0"


def test_only_what_has_changed_is_fetched_in_one_request_for_many_ranges(server, new_board, signer, lend, tmp_path):
    device = server.new_device("board-1")
    old = os.urandom(SIZE)
    new = changed(old)
    running, target = tmp_path / "running", tmp_path / "target"
    running.write_bytes(old)
    target.write_bytes(bytes(SIZE))
    zck, header = zchunk(tmp_path, new)
    description = example("sw-description", {
        "1.5.0": "2.0.0", "/lock/": "/gw/", "127.0.0.1:8080": f"127.0.0.1:{lend(device)}",
        "@HEADER_SHA256@": hashlib.sha256(header).hexdigest(), "@ZCK_SHA256@": hashlib.sha256(zck).hexdigest(),
        "/dev/mmcblk0p2": running, "/dev/mmcblk0p3": target})
    archive = signer.pack(tmp_path / "swu", description, {"rootfs.header": header})
    release = publish(server, tmp_path, {"rootfs.zck": zck, "update.swu": archive})  # listed in this order
    board = new_board(device).start()
    campaign = server.campaign(release)

    board.wait_log("Please restart SWUpdate")
    assert target.read_bytes() == new
    [(status, sent)] = re.findall(r'path="/tuf/image/targets/[^"]*\.zck" status=(\d+) .*? sent=(\d+)', server.log())
    assert status == "206" and int(sent) < SIZE // 2, sent
    ranges = re.search(r"Range request : (\S+)", board.log).group(1)
    assert ranges.count(",") > 10
    # Nobody has fetched all of the .zck, and the update is as good as any other.
    board.stop()
    board.start("2.0.0", options="-c 2")
    wait_for(lambda: server.operator("GET", f"/api/v1/campaigns/{campaign}").json()["counts"] == {"confirmed": 1},
             what="the device's word and proof")
