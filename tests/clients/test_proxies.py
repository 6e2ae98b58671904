"""Debian's nginx and haproxy in front: passing connections on, and speaking for devices."""
import http.client
import json
import os
import socket
import ssl
import subprocess

import pytest
from api_fixtures import HANG_GUARD, ROOT, Client, tls_context, wait_for
from manual import example

CLIENT_ADDRESS = "127.0.0.2"  # another one than the front end's own


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


@pytest.fixture
def run_front(tmp_path):
    """run_front(words, port): starts a front end and waits until it listens."""
    running = []

    def run(words, port):
        log = tmp_path / f"front{len(running)}.log"
        running.append((subprocess.Popen(words, stdout=open(log, "wb"), stderr=subprocess.STDOUT), log))
        wait_for(lambda: running[-1][0].poll() is not None or is_open(port), what=f"port {port}")
        assert running[-1][0].poll() is None, log.read_text()

    yield run
    for process, log in running:
        process.terminate()
        process.wait(HANG_GUARD)
        print(f"--- {process.args[0]} ---\n{log.read_text()[-4000:]}")


def certificate_of(server, name, subject=None):
    """A device certificate this server's device authority signed, and that otad has never seen."""
    folder = server.dir / "proxied" / name
    folder.mkdir(parents=True)
    subject = subject or f"/O=acme/CN={name}"
    (folder / "extensions").write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                                       "extendedKeyUsage=clientAuth\n")
    for words in (
            ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-utf8",
             "-keyout", folder / "device.key", "-out", folder / "device.csr"],
            ["x509", "-req", "-in", folder / "device.csr", "-CA", server.dir / "pki/device-ca.crt", "-CAkey",
             server.dir / "keys/device-ca.key", "-set_serial", "4711", "-days", "2", "-extfile", folder / "extensions",
             "-out", folder / "device.crt"]):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    return folder


class Fronted(Client):
    """A device that knows only the front end."""

    def __init__(self, server, port, name, folder):
        super().__init__(port, tls_context(server.dir / "pki/server-ca.crt", folder / "device.crt", folder / "device.key"))
        self.name = name

    def connection(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=HANG_GUARD,
                                           source_address=(CLIENT_ADDRESS, 0))

    def poll(self, name=None, **headers):
        return self.request("GET", f"/DEFAULT/controller/v1/{name or self.name}", headers={"Host": "localhost", **headers})

    def follow(self, href):
        assert href.startswith(f"https://localhost:{self.port}/"), href
        return self.request("GET", href.split(str(self.port), 1)[1], headers={"Host": f"localhost:{self.port}"})

    def update(self):
        """The bytes of what it is offered, by following links alone."""
        poll = wait_for(lambda: (links := self.poll(Host=f"localhost:{self.port}").json().get("_links", {}))
                        .get("deploymentBase"), what="an offer")
        document = self.follow(poll["href"]).json()
        return self.follow(document["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"]).body


def address_of(server, name):
    return server.operator("GET", f"/api/v1/devices/{name}").json().get("address")


def ports(server):
    return json.loads((server.dir / "state/ports.json").read_text())


@pytest.fixture
def behind_nginx(start_server, run_front, tmp_path):
    server = start_server(proxy_listen="127.0.0.1:0", proxy_trusted="127.0.0.0/8", proxy_authorities="FIELD-CA",
                          device_enrolment="auto")
    port = free_port()
    own = [f"{kind}_temp_path {tmp_path};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    (tmp_path / "nginx.conf").write_text(example("nginx.conf", {
        "http {": " ".join(["http { access_log off;", *own]), "listen 443": f"listen 127.0.0.1:{port}",
        "127.0.0.1:8445": f"127.0.0.1:{ports(server)['proxy']}", "/etc/nginx": server.dir / "pki",
        "updates.example.com": "localhost"}))
    run_front(["/usr/sbin/nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr", "-g",
               f"daemon off; worker_processes 1; pid {tmp_path}/nginx.pid;"], port)
    server.front = port
    return server


def test_a_device_behind_nginx_updates_itself(behind_nginx):
    server = behind_nginx
    device = Fronted(server, server.front, "d-1", certificate_of(server, "d-1"))
    assert device.poll().status == 200
    server.operator("PATCH", "/api/v1/devices/d-1", json={"model": "gw", "hardware": "gw"})
    image = os.urandom(600_000)
    server.campaign(server.publish("2.0", image))
    assert device.update() == image


def test_nginx_takes_no_word_of_its_clients_for_who_they_are(behind_nginx):
    server = behind_nginx
    victim = Fronted(server, server.front, "victim", certificate_of(server, "victim"))
    thief = Fronted(server, server.front, "thief", certificate_of(server, "thief"))
    assert victim.poll().status == 200
    for header in ("X-Controller-Id", "X-Ssl-Client-Cn", "x_controller_id", "X-Controller-ID"):
        assert thief.poll("victim", **{header: "victim"}).status == 401
        assert thief.poll(**{header: "victim"}).status == (401 if header == "X-Ssl-Client-Cn" else 200)
    stranger = Client(server.front, tls_context(server.dir / "pki/server-ca.crt"))
    assert stranger.request("GET", "/DEFAULT/controller/v1/victim",
                            headers={"X-Controller-Id": "victim"}).status == 400  # nginx wants a certificate


@pytest.mark.parametrize("subject", [
    "/CN=mallory/O=acme,CN=victim", "/CN=mallory/O=acme+CN=victim", "/CN=victim/CN=mallory", "/O=acme,CN=victim",
    "/O=acme\\\\,CN=victim", "/CN=victim,O=acme", "/CN=victim+O=acme", "/O=CN=victim", "/OU=x\\,/CN=mallory,CN=victim"])
def test_nginx_reads_no_name_out_of_another_field(behind_nginx, subject):
    server = behind_nginx
    assert Fronted(server, server.front, "victim", certificate_of(server, "victim")).poll().status == 200
    thief = Fronted(server, server.front, "mallory", certificate_of(server, "mallory", subject))
    assert thief.poll("victim").status == 401
    assert thief.poll("victim", **{"X-Authority-9": "FIELD-CA", "X-Controller-Id": "victim"}).status == 401


OPTIONS = "proxy-v2-options ssl,cert-cn,cert-key,cert-sig,ssl-cipher,authority,crc32c,unique-id"


@pytest.fixture
def behind_haproxy(start_server, run_front, tmp_path):
    server = start_server(proxy_listen="127.0.0.1:0", proxy_trusted="127.0.0.0/8", proxy_mode="v2",
                          device_balancers="127.0.0.0/8", device_enrolment="auto")
    pki = server.dir / "pki"
    (tmp_path / "server.pem").write_text((pki / "server.crt").read_text() + (pki / "server.key").read_text())
    server.passes, server.ends = free_port(), free_port()
    (tmp_path / "haproxy.cfg").write_text(example("haproxy-front.cfg", {
        "bind :8443": f"bind 127.0.0.1:{server.passes}", "bind :443": f"bind 127.0.0.1:{server.ends}",
        "127.0.0.1:8444": f"127.0.0.1:{ports(server)['device']}", "127.0.0.1:8445": f"127.0.0.1:{ports(server)['proxy']}",
        "/etc/haproxy/updates.pem": tmp_path / "server.pem", "/etc/haproxy": pki, "updates.example.com": "localhost",
        "v2-ssl-cn": f"v2-ssl-cn {OPTIONS}", "check": "check inter 100ms"}))
    run_front([str(ROOT / "build/haproxy/run"), "haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")], server.ends)
    return server


def test_a_device_keeps_certificate_and_address_through_haproxy(behind_haproxy):
    server = behind_haproxy
    folder = server.dir / "devices" / "d-1"
    folder.parent.mkdir()
    server.otactl("device", "issue", "d-1", "--model", "gw", "--out", folder)
    device = Fronted(server, server.passes, "d-1", folder)
    assert device.poll().status == 200
    image = os.urandom(600_000)
    server.campaign(server.publish("2.0", image))
    assert device.update() == image
    wait_for(lambda: address_of(server, "d-1") == CLIENT_ADDRESS, what="the device's own address")
    assert "tls.refused" not in server.log()  # its health checks are no failures


def test_haproxy_tells_whose_certificate_it_verified(behind_haproxy):
    server = behind_haproxy
    device = Fronted(server, server.ends, "d-2", certificate_of(server, "d-2"))
    assert device.poll().status == 200
    assert device.poll("d-3").status == 401
    assert device.poll("d-3", **{"X-Controller-Id": "d-3"}).status == 401
    server.operator("PATCH", "/api/v1/devices/d-2", json={"model": "gw", "hardware": "gw"})
    image = os.urandom(600_000)
    server.campaign(server.publish("2.0", image))
    assert device.update() == image
    wait_for(lambda: address_of(server, "d-2") == CLIENT_ADDRESS, what="the device's own address")
    assert "tls.refused" not in server.log()
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        Client(server.ends, tls_context(server.dir / "pki/server-ca.crt")).request("GET", "/DEFAULT/controller/v1/d-2")
