"""Debian's nginx and haproxy in front: passing connections on, and speaking for devices."""
import http.client
import json
import os
import socket
import ssl
import subprocess

import pytest
from api_fixtures import HANG_GUARD, ROOT, Client, tls_context, wait_for

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


def certificate_of(server, name):
    """A device certificate this server's device authority signed, and that otad has never seen."""
    folder = server.dir / "proxied" / name
    folder.mkdir(parents=True)
    (folder / "extensions").write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                                       "extendedKeyUsage=clientAuth\n")
    for words in (
            ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/O=acme/CN={name}",
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


NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    map $ssl_client_s_dn $device {{ default ""; "~(^|,)CN=(?<name>[^,+]+)" $name; }}
    upstream otad {{ server 127.0.0.1:{upstream}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {pki}/server.crt; ssl_certificate_key {pki}/server.key;
        ssl_client_certificate {pki}/device-ca.crt; ssl_verify_client on; ssl_protocols TLSv1.2 TLSv1.3;
        location / {{
            proxy_pass https://otad; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_ssl_verify on; proxy_ssl_trusted_certificate {pki}/server-ca.crt;
            proxy_ssl_name localhost; proxy_ssl_server_name on;
            proxy_set_header Host localhost;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Port $server_port;
            proxy_set_header X-Controller-Id $device;
            proxy_set_header X-Ssl-Client-Cn "";
            proxy_set_header X-Authority "field-ca";
            proxy_set_header X-Ssl-Issuer-Hash-1 "";
        }}
    }}
}}
"""


@pytest.fixture
def behind_nginx(start_server, run_front, tmp_path):
    server = start_server(proxy_listen="127.0.0.1:0", proxy_trusted="127.0.0.0/8", proxy_authorities="FIELD-CA",
                          device_enrolment="auto")
    port = free_port()
    (tmp_path / "nginx.conf").write_text(NGINX.format(
        folder=tmp_path, pki=server.dir / "pki", upstream=ports(server)["proxy"], port=port))
    run_front(["/usr/sbin/nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], port)
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
        assert thief.poll(**{header: "victim"}).status == 200
    stranger = Client(server.front, tls_context(server.dir / "pki/server-ca.crt"))
    assert stranger.request("GET", "/DEFAULT/controller/v1/victim",
                            headers={"X-Controller-Id": "victim"}).status == 400  # nginx wants a certificate


HAPROXY = """
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen passes
    bind 127.0.0.1:{passes}
    server otad 127.0.0.1:{device} send-proxy-v2 check inter 100ms
listen ends
    bind 127.0.0.1:{ends} ssl crt {folder}/server.pem ca-file {pki}/device-ca.crt verify required alpn http/1.1
    server otad 127.0.0.1:{proxy} ssl verify required ca-file {pki}/server-ca.crt sni str(localhost) verifyhost localhost send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,cert-key,cert-sig,ssl-cipher,authority,crc32c,unique-id check inter 100ms
"""


@pytest.fixture
def behind_haproxy(start_server, run_front, tmp_path):
    server = start_server(proxy_listen="127.0.0.1:0", proxy_trusted="127.0.0.0/8", proxy_mode="v2",
                          device_balancers="127.0.0.0/8", device_enrolment="auto")
    pki = server.dir / "pki"
    (tmp_path / "server.pem").write_text((pki / "server.crt").read_text() + (pki / "server.key").read_text())
    server.passes, server.ends = free_port(), free_port()
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.format(
        folder=tmp_path, pki=pki, passes=server.passes, ends=server.ends, **ports(server)))
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
