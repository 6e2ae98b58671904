"""TLS policy as strangers see it, driven by openssl s_client."""
import os
import signal
import ssl
import subprocess
import time

import pytest
from conftest import HANG_GUARD, Client, tls_context, wait_for


def s_client(server, *words, device=None, port=None, send=b""):
    command = ["openssl", "s_client", "-connect", f"localhost:{port or server.device_port}", "-servername",
               "localhost", "-CAfile", str(server.dir / "pki/server-ca.crt"), "-verify_return_error", *words]
    if device:
        command += ["-cert", str(device.folder / "device.crt"), "-key", str(device.folder / "device.key")]
    return subprocess.run(command, input=send, capture_output=True, timeout=HANG_GUARD)


def get(path="/DEFAULT/controller/v1/x"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


@pytest.fixture(scope="module")
def device(shared_server):
    return shared_server.new_device("tls-1")


@pytest.mark.parametrize("protocol", ["-tls1", "-tls1_1"])
def test_old_protocols_are_refused(shared_server, device, protocol):
    done = s_client(shared_server, protocol, "-cipher", "ALL:@SECLEVEL=0", device=device)
    assert done.returncode != 0
    assert b"Cipher is (NONE)" in done.stdout


@pytest.mark.parametrize("words", [
    ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],     # CBC
    ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
    ["-tls1_2", "-cipher", "AES128-GCM-SHA256"],             # RSA key exchange
    ["-tls1_2", "-cipher", "NULL:eNULL:aNULL:@SECLEVEL=0"],
    ["-tls1_3", "-groups", "P-521"],
])
def test_weak_choices_are_refused(shared_server, device, words):
    assert b"Cipher is (NONE)" in s_client(shared_server, *words, device=device).stdout


@pytest.mark.parametrize("words,cipher", [
    (["-tls1_3"], b"TLS_"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], b"ECDHE-ECDSA-AES128-GCM-SHA256"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], b"ECDHE-ECDSA-CHACHA20-POLY1305"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM"], b"ECDHE-ECDSA-AES128-CCM"),
    (["-tls1_3", "-groups", "X25519"], b"TLS_"),
    (["-tls1_3", "-groups", "P-256"], b"TLS_"),
    (["-tls1_2", "-maxfraglen", "512"], b"ECDHE"),
])
def test_good_choices_work(shared_server, device, words, cipher):
    done = s_client(shared_server, *words, "-quiet", "-ign_eof", device=device,
                    send=get("/DEFAULT/controller/v1/tls-1"))
    assert b" 200 " in done.stdout.split(b"\r\n")[0], done.stderr
    shown = s_client(shared_server, *words, device=device).stdout
    assert b"Cipher is " + cipher in shown or b"Cipher    : " + cipher in shown


def test_a_device_without_certificate_sends_no_request(shared_server):
    done = s_client(shared_server, "-quiet", "-ign_eof", send=get())
    assert done.returncode != 0 or b"HTTP/1.1" not in done.stdout
    assert b"HTTP/1.1" not in done.stdout
    assert b"certificate required" in done.stderr


def test_renegotiation_is_refused(shared_server, device):
    # "R" on a line of its own asks s_client to renegotiate.
    done = s_client(shared_server, "-tls1_2", device=device, send=b"R\n")
    assert b"no renegotiation" in done.stderr or b"renegotiation" in done.stderr.lower() or done.returncode != 0


def test_early_data_is_not_offered(shared_server, device):
    done = s_client(shared_server, "-tls1_3", device=device, send=get())
    assert b"Max Early Data: 0" in done.stdout or b"Early data was not sent" in done.stdout


def test_only_http_1_1_is_negotiated(shared_server, device):
    assert b"ALPN protocol: http/1.1" in s_client(shared_server, "-alpn", "h2,http/1.1", device=device).stdout
    refused = s_client(shared_server, "-alpn", "h2", device=device)
    assert b"ALPN protocol: h2" not in refused.stdout


def test_a_device_certificate_opens_nothing_on_the_operator_port(shared_server, device):
    client = Client(shared_server.operator_port, device.context)
    try:
        assert client.request("GET", "/api/v1/devices").status in (401, 403)
    except (ssl.SSLError, ConnectionError):
        pass  # refused in the handshake: as good


def test_an_operator_certificate_opens_nothing_on_the_device_port(shared_server):
    pki = shared_server.dir / "pki"
    client = Client(shared_server.device_port, tls_context(
        pki / "server-ca.crt", pki / "operator.crt", pki / "operator.key"))
    with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
        client.request("GET", "/DEFAULT/controller/v1/admin")


def test_the_operator_port_speaks_tls_1_3_only(shared_server):
    done = s_client(shared_server, "-tls1_2", port=shared_server.operator_port)
    assert b"Cipher is (NONE)" in done.stdout


@pytest.mark.parametrize("protocol", ["-tls1_2", "-tls1_3"])
def test_a_revoked_device_cannot_resume(server, protocol, tmp_path):
    device = server.new_device("gone-1")
    session = tmp_path / "session.pem"
    path = "/DEFAULT/controller/v1/gone-1"
    first = s_client(server, protocol, "-quiet", "-ign_eof", "-sess_out", str(session), device=device, send=get(path))
    assert b" 200 " in first.stdout.split(b"\r\n")[0]
    again = s_client(server, protocol, "-ign_eof", "-sess_in", str(session), device=device, send=get(path))
    assert b"Reused, TLS" in again.stdout and b" 200 " in again.stdout
    assert server.operator("POST", "/api/v1/devices/gone-1/revoke", json={"reason": "stolen"}).status == 200
    after = s_client(server, protocol, "-ign_eof", "-sess_in", str(session), device=device, send=get(path))
    assert b"HTTP/1.1 200" not in after.stdout


def test_revocation_cuts_a_running_download(server):
    device = server.new_device("cut-1")
    data = os.urandom(24_000_000)
    release = server.publish("1.0", data, )
    server.campaign(release, caps={"transfer_rate": 1_000_000})
    base = wait_for(lambda: device.ddi("GET").json().get("_links", {}).get("deploymentBase"), what="an offer")
    plan = device.request("GET", base["href"].split(str(server.device_port), 1)[1]).json()
    href = plan["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"]
    connection = device.connection()
    connection.request("GET", href.split(str(server.device_port), 1)[1])
    answer = connection.getresponse()
    assert answer.status == 200
    got = len(answer.read(100_000))
    assert server.operator("POST", "/api/v1/devices/cut-1/revoke", json={"reason": "stolen"}).status == 200
    # At this rate the rest would take over 20 s: it must end far earlier, and short.
    with pytest.raises((ConnectionError, ssl.SSLError, Exception)):
        while piece := answer.read(65536):
            got += len(piece)
        if got < len(data):
            raise ConnectionError("short")
    assert got < len(data)


def test_reload_takes_a_new_certificate_and_drops_nobody(server):
    device = server.new_device("stay-1")
    device.keep = True
    assert device.ddi("GET").status == 200
    before = s_client(server, "-showcerts", device=device).stdout
    pki = server.dir / "pki"
    (pki / "server.crt").rename(pki / "old.crt")
    (pki / "server.key").rename(pki / "old.key")
    issue_server_certificate(server)
    done = server.otactl("reload")
    assert done.returncode == 0
    assert device.ddi("GET").status == 200  # the same connection
    after = s_client(server, "-showcerts", device=device).stdout
    assert before.split(b"BEGIN CERTIFICATE")[1] != after.split(b"BEGIN CERTIFICATE")[1]


def issue_server_certificate(server):
    """By plain openssl, from the laboratory's authority."""
    pki, keys = server.dir / "pki", server.dir / "keys"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", str(pki / "server.key"), "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-out", str(pki / "server.csr")], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", str(pki / "server.csr"), "-CA", str(pki / "server-ca.crt"),
                    "-CAkey", str(keys / "server-ca.key"), "-CAcreateserial", "-CAserial", str(pki / "serial"),
                    "-days", "30", "-copy_extensions", "copy", "-out", str(pki / "server.crt")],
                   check=True, capture_output=True)
    os.chmod(pki / "server.key", 0o400)


def test_a_broken_reload_keeps_the_old_certificate(server):
    device = server.new_device("keep-1")
    (server.dir / "pki/server.crt").write_text("not a certificate")
    done = server.otactl("reload", check=False)
    assert done.returncode != 0 and "server.crt" in done.stdout + done.stderr
    server.process.send_signal(signal.SIGHUP)
    server.wait_log("server.reload_failed")
    assert device.ddi("GET").status == 200


def test_half_open_handshakes_do_not_lock_others_out(start_server):
    import socket
    server = start_server(tls_handshake_timeout="2", tls_handshakes_max="50")
    device = server.new_device("honest-1")
    idle = [socket.create_connection(("localhost", server.device_port)) for _ in range(60)]
    try:
        time.sleep(0.2)
        wait_for(lambda: try_poll(device), what="an honest poll")
    finally:
        for one in idle:
            one.close()


def try_poll(device):
    try:
        return device.ddi("GET").status == 200
    except OSError:
        return False
