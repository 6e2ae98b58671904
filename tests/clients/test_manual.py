"""The examples of otad-clients(7) that no other case runs."""
import os
import subprocess

from api_fixtures import HANG_GUARD, wait_for
from conftest import client
from manual import EXAMPLES, example


def test_every_example_is_run():
    """By Board, test_delta.py, test_rauc.py, test_proxies.py and here."""
    assert set(EXAMPLES) == {"at-boot.sh", "swupdate.cfg", "swupdate.sh", "sw-description", "system.conf", "rauc-timer.sh",
                             "rauc-install.sh", "ddi.sh", "haproxy.cfg", "nginx.conf", "haproxy-front.cfg"}


def run(folder, *words):
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=HANG_GUARD)


def test_the_template_that_is_filled_in_at_boot_starts_swupdate(server, signer):
    device = server.new_device("lock-0001")
    folder = device.folder
    places = {"/etc/ota/": f"{folder}/"}
    (folder / "swu.crt").write_bytes(signer.certificate.read_bytes())
    (folder / "version").write_text("1.4.0\n")
    (folder / "client.conf.in").write_text(example("swupdate.cfg", {
        **places, "https://updates.example.com:8443": f"https://localhost:{device.port}"}))
    filled = run(folder, "sh", "-ec", example("at-boot.sh", {**places, "/etc/version": folder / "version", "/run/": f"{folder}/"}))
    assert filled.returncode == 0, filled

    words = client("swupdate", "sh", "-c", "exec " + example("swupdate.sh", {"/run/": f"{folder}/"}))
    with open(folder / "swupdate.log", "wb") as log:
        process = subprocess.Popen(words, env={**os.environ, "TMPDIR": str(folder)}, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT)
    try:
        shown = wait_for(lambda: (told := server.operator("GET", "/api/v1/devices/lock-0001").json())["version"] and told,
                         what="the version of the template")
    finally:
        process.terminate()
        process.wait(30)
    boot_id = open("/proc/sys/kernel/random/boot_id").read().strip()
    assert shown["version"] == "1.4.0" and boot_id in server.operator("GET", "/api/v1/devices/lock-0001").body.decode()


def test_what_a_script_does_over_ddi_updates_a_device(server):
    device = server.new_device("lock-0001")
    script = example("ddi.sh", {"/etc/ota/": f"{device.folder}/", "/data/": f"{device.folder}/",
                                "/etc/version": device.folder / "version",
                                "https://updates.example.com:8443": f"https://localhost:{device.port}"})

    def run_it(version):
        (device.folder / "version").write_text(f"{version}\n")
        done = run(device.folder, "sh", "-ec", script)
        assert done.returncode == 0, done
        return (device.folder / "image").exists()

    assert not run_it("1.0.0")
    data = os.urandom(500_000)
    campaign = server.campaign(server.publish("2.0.0", data))
    wait_for(lambda: run_it("1.0.0"), what="an image")
    assert (device.folder / "image").read_bytes() == data
    run_it("2.0.0")
    wait_for(lambda: server.operator("GET", f"/api/v1/campaigns/{campaign}").json()["counts"] == {"confirmed": 1},
             what="its report and its proof")
