"""Bad configurations and bad surroundings end with a clear message."""
import os
import shutil
import socket
import sqlite3
import subprocess

import pytest
from conftest import OTAD, ROOT


@pytest.fixture
def folder(installation, tmp_path):
    target = tmp_path / "installation"
    shutil.copytree(installation, target)
    return target


def start(folder, *words):
    return subprocess.run([str(OTAD), "-c", str(folder / "otad.conf"), *words], capture_output=True, text=True,
                          timeout=60)


def with_line(folder, text):
    path = folder / "otad.conf"
    number = path.read_text().count("\n") + 1
    with open(path, "a") as file:
        file.write(text)
    return number


@pytest.mark.parametrize("text,words", [
    ("[device]\npole = 5\n", ["pole"]),
    ("[device]\npoll = 5x\n", ["poll"]),
    ("[device]\npoll = 999999999\n", ["poll"]),
    ("[device]\npoll = 5\npoll = 6\n", ["poll"]),
    ("[device]\nenrolment = always\n", ["enrolment", "manual"]),
    ("[nonsense]\nx = 1\n", ["nonsense"]),
    ("[device]\n  poll = 5\n", []),
    ("[device]\npoll = " + "5" * 300 + "\n", []),
    ("[device\n", []),
])
def test_a_wrong_line_is_named_with_its_reason(folder, text, words):
    first = with_line(folder, text)
    done = start(folder)
    assert done.returncode == 2, done
    numbers = [f"otad.conf:{first + i}" for i in range(text.count("\n"))]
    assert any(number in done.stderr for number in numbers), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_a_missing_configuration_is_named(tmp_path):
    done = start(tmp_path)
    assert done.returncode == 2 and "otad.conf" in done.stderr


def test_a_key_others_can_read_is_refused(folder):
    os.chmod(folder / "pki/server.key", 0o644)
    done = start(folder)
    assert done.returncode == 1 and "server.key" in done.stderr and "chmod" in done.stderr


def test_a_key_that_does_not_fit_is_refused(folder):
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                    str(folder / "pki/other.key")], check=True, capture_output=True)
    os.chmod(folder / "pki/other.key", 0o400)
    done = start(folder, "--set", f"device.key={folder}/pki/other.key")
    assert done.returncode == 1 and "other.key" in done.stderr


def test_a_missing_authority_is_named(folder):
    (folder / "pki/device-ca.crt").unlink()
    done = start(folder)
    assert done.returncode == 1 and "device-ca.crt" in done.stderr


def test_a_taken_port_is_named(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = start(folder, "--set", f"device.listen=127.0.0.1:{port}")
    assert done.returncode == 1 and str(port) in done.stderr and "in use" in done.stderr


def test_a_database_of_a_newer_otad_is_refused(folder):
    assert start(folder, "--check").returncode == 0
    database = sqlite3.connect(folder / "state/otad.db")
    database.execute("PRAGMA user_version = 9999")
    database.commit()
    database.close()
    done = start(folder, "--check")
    assert done.returncode == 1 and "newer" in done.stderr


def test_a_damaged_database_is_refused_and_left_alone(folder):
    assert start(folder, "--check").returncode == 0
    path = folder / "state/otad.db"
    for extra in ("-wal", "-shm"):
        (folder / ("state/otad.db" + extra)).unlink(missing_ok=True)
    path.write_bytes(b"this is not a database, by far" * 1000)
    before = path.read_bytes()
    done = start(folder, "--check")
    assert done.returncode == 1 and "otad.db" in done.stderr
    assert path.read_bytes() == before


def test_a_state_folder_open_to_others_is_refused(folder):
    assert start(folder, "--check").returncode == 0
    os.chmod(folder / "state", 0o755)
    done = start(folder, "--check")
    assert done.returncode == 1 and "chmod" in done.stderr


def test_a_clock_before_the_build_is_refused(folder):
    faketime = shutil.which("faketime")
    assert faketime, "package faketime"
    done = subprocess.run([faketime, "2001-01-01 00:00:00", str(OTAD), "-c", str(folder / "otad.conf"), "--check"],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, "ASAN_OPTIONS": "verify_asan_link_order=0"})
    assert done.returncode == 1 and "clock" in done.stderr


def test_the_sample_configuration_is_accepted(folder):
    text = (ROOT / "config/otad.conf").read_text()
    lines = [line[1:] if line.startswith("#") and "=" in line and " " not in line.split("=")[0].strip("# ") else line
             for line in text.splitlines()]
    (folder / "otad.conf").write_text("\n".join(lines) + "\n")
    assert start(folder, "--check").returncode == 0


def test_it_says_what_it_is():
    done = subprocess.run([str(OTAD), "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("otad ")
    done = subprocess.run([str(OTAD), "--nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and "otad -c FILE" in done.stderr
