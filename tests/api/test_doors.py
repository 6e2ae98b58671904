"""The ways in for devices without a certificate of their own: secrets, and proxies that vouch."""
import json
import socket
import ssl
import struct

import pytest
from conftest import Client, Device, tls_context, wait_for

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


class Doors:
    """A server with all its listeners, and ways to knock at each."""

    def __init__(self, server):
        self.server = server
        self.ports = json.loads((server.dir / "state" / "ports.json").read_text())
        self.context = tls_context(server.dir / "pki" / "server-ca.crt")

    def client(self, listener, **headers):
        return Client(self.ports[listener], self.context, headers=headers)

    def token(self, authorization):
        return self.client("token", Authorization=authorization)

    def proxied(self, name, **more):
        return self.client("proxy", **{"X-Controller-Id": name, **more})

    def authentication(self, method, path="", **more):
        return self.server.operator(method, "/api/v1/device-authentication" + path, **more)

    def new_gateway_token(self):
        made = self.authentication("POST", "/gateway-token")
        assert made.status == 200, made
        return made.json()["token"]

    def new_token(self, device_id):
        made = self.server.operator("POST", f"/api/v1/devices/{device_id}/token")
        assert made.status == 200, made
        return made.json()["token"]

    def register(self, device_id, **more):
        made = self.server.operator("POST", "/api/v1/devices", json={"id": device_id, "model": "gw", **more})
        assert made.status == 201, made

    def state(self, device_id):
        shown = self.server.operator("GET", f"/api/v1/devices/{device_id}")
        return shown.json()["state"] if shown.status == 200 else None


def base(device_id):
    return f"/DEFAULT/controller/v1/{device_id}"


def polls(client, device_id):
    return client.request("GET", base(device_id)).status


def new_doors(start_server, **more):
    return Doors(start_server(**{"token_listen": "127.0.0.1:0", "proxy_listen": "127.0.0.1:0",
                                 "proxy_trusted": "127.0.0.0/8 ::1", "device_enrolment": "auto", **more}))


@pytest.fixture(scope="module")
def doors(installation, tmp_path_factory):
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("doors") / "server", {
        "token.listen": "127.0.0.1:0", "proxy.listen": "127.0.0.1:0", "proxy.trusted": "127.0.0.0/8 ::1",
        "device.enrolment": "auto"}, installation).start()
    doors = Doors(server)
    assert doors.authentication("PATCH", json={"target_tokens": True}).status == 200
    doors.gateway = doors.new_gateway_token()
    yield doors
    server.stop()
    print(f"--- log ---\n{server.log()[-8000:]}")


@pytest.fixture(scope="module")
def certified(doors):
    """A device that has shown a certificate of its own."""
    device = doors.server.new_device("certified")
    assert device.ddi("GET").status == 200
    return device


# -- listeners --

def test_nobody_listens_unless_told_to(shared_server):
    ports = json.loads((shared_server.dir / "state" / "ports.json").read_text())
    assert set(ports) == {"device", "operator"}


def test_all_listeners_are_told(doors):
    shown = doors.server.operator("GET", "/api/v1/server").json()
    assert shown["ports"] == doors.ports and set(doors.ports) == {"device", "operator", "token", "proxy"}


@pytest.mark.parametrize("listener", ["token", "proxy"])
def test_nobody_is_asked_for_a_certificate_and_no_session_is_kept(doors, listener):
    with socket.create_connection(("localhost", doors.ports[listener])) as plain:
        with doors.context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(b"GET /v1/device/update HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert tls.recv(100).startswith(b"HTTP/1.1 401")
            assert not (tls.session and tls.session.has_ticket)
    with pytest.raises(OSError):
        Client(doors.ports["device"], doors.context).request("GET", base("x"))


def test_a_reload_takes_every_listener_along(doors):
    assert doors.server.operator("POST", "/api/v1/server/reload").status == 204
    assert polls(doors.token("GatewayToken " + doors.gateway), "after-reload") == 200


# -- target tokens --

def test_a_target_token_opens_its_device_and_no_other(doors):
    doors.register("t-1"), doors.register("t-2")
    client = doors.token("TargetToken " + doors.new_token("t-1"))
    assert polls(client, "t-1") == 200
    assert doors.state("t-1") == "active"
    assert polls(client, "t-2") == 401
    assert doors.state("t-2") == "registered"


def test_a_target_token_registers_nobody(doors):
    doors.register("t-3")
    assert polls(doors.token("TargetToken " + doors.new_token("t-3")), "stranger") == 401
    assert doors.state("stranger") is None


@pytest.mark.parametrize("write", [
    "targettoken {}", "TargetToken  {}", "TARGETTOKEN {}", "TargetToken {}x", "TargetToken", "Bearer {}",
    "{}", "TargetToken {} {}", "GatewayToken {}"])
def test_another_way_to_write_it_is_refused_with_an_empty_body(doors, write):
    if doors.state("t-4") is None:
        doors.register("t-4")
    token = "0123456789abcdef"
    assert doors.server.operator("POST", "/api/v1/devices/t-4/token", json={"token": token}).json() == {
        "token": token}
    assert polls(doors.token("TargetToken " + token), "t-4") == 200
    refused = doors.token(write.format(token, token)).request("GET", base("t-4"))
    assert (refused.status, refused.body) == (401, b"")


def test_an_address_that_names_no_device_needs_more_than_a_token(doors):
    doors.register("t-5")
    client = doors.token("TargetToken " + doors.new_token("t-5"))
    assert client.request("GET", "/v1/device/update").status == 401
    assert client.request("GET", "/OTHER/controller/v1/t-5").status == 401


@pytest.mark.parametrize("token", ["short", "x" * 129, "with a blank inside", "tab\tabcdefghijklm", "üüüüüüüüü", 5])
def test_a_token_that_cannot_be_sent_is_refused(doors, token):
    if doors.state("t-6") is None:
        doors.register("t-6")
    refused = doors.server.operator("POST", "/api/v1/devices/t-6/token", json={"token": token})
    assert refused.status == 400 and refused.json()["field"] == "token", refused


def test_deleted_tokens_and_switched_off_ones_open_nothing(doors):
    doors.register("t-7")
    client = doors.token("TargetToken " + doors.new_token("t-7"))
    assert polls(client, "t-7") == 200
    assert doors.authentication("PATCH", json={"target_tokens": False}).json()["target_tokens"] is False
    assert polls(client, "t-7") == 401
    assert doors.authentication("PATCH", json={"target_tokens": True}).status == 200
    assert polls(client, "t-7") == 200
    assert doors.server.operator("DELETE", "/api/v1/devices/t-7/token").status == 204
    assert polls(client, "t-7") == 401


def test_a_token_is_no_way_round_a_revocation(doors):
    doors.register("t-8")
    client = doors.token("TargetToken " + doors.new_token("t-8"))
    assert polls(client, "t-8") == 200
    assert doors.server.operator("POST", "/api/v1/devices/t-8/revoke").status == 200
    assert polls(client, "t-8") == 403


# -- the gateway token --

def test_the_gateway_token_registers_and_reaches_every_device_without_a_certificate(doors):
    client = doors.token("GatewayToken " + doors.gateway)
    assert polls(client, "g-1") == 200
    assert doors.state("g-1") == "active"
    doors.register("g-2")
    assert polls(client, "g-2") == 200
    assert doors.state("g-2") == "active"


def test_the_gateway_token_never_stands_in_for_a_certificate(doors, certified):
    for _ in range(2):
        assert polls(doors.token("GatewayToken " + doors.gateway), certified.id) == 403
    assert doors.server.log().count('device.collision device="certified"') == 1
    timeline = doors.server.operator("GET", f"/api/v1/devices/{certified.id}/timeline").json()["items"]
    assert [item["kind"] for item in timeline].count("device.collision") == 1
    assert certified.ddi("GET").status == 200


def test_a_wrong_gateway_token_opens_nothing(doors):
    assert polls(doors.token("GatewayToken " + doors.gateway[:-1]), "g-3") == 401
    assert polls(doors.token("TargetToken " + doors.gateway), "g-3") == 401
    assert polls(doors.token("gatewaytoken " + doors.gateway), "g-3") == 401
    assert doors.state("g-3") is None


def test_a_malformed_id_is_a_bad_request(doors):
    assert polls(doors.token("GatewayToken " + doors.gateway), "a%20b") == 400


def test_enrolment_decides_about_strangers_with_the_gateway_token(start_server):
    doors = new_doors(start_server, device_enrolment="manual")
    client = doors.token("GatewayToken " + doors.new_gateway_token())
    assert polls(client, "g-1") == 403
    assert doors.state("g-1") == "pending"
    assert doors.server.operator("POST", "/api/v1/devices/g-1/approve").status == 200
    assert polls(client, "g-1") == 200
    doors.server.settings["device.enrolment"] = "deny"
    doors.server.restart()
    doors = Doors(doors.server)
    assert polls(doors.token(client.headers["Authorization"]), "g-1") == 200
    assert polls(doors.token(client.headers["Authorization"]), "g-2") == 403
    assert doors.state("g-2") is None


def test_the_secrets_are_shown_once_and_kept_nowhere(doors):
    shown = doors.authentication("GET").json()
    assert shown["target_tokens"] is True
    assert shown["gateway_token"]["is_set"] is True and shown["gateway_token"]["created_at"].endswith("Z")
    doors.register("kept")
    token = doors.new_token("kept")
    polls(doors.token("TargetToken " + token), "kept")
    for secret in (doors.gateway, token):
        assert secret not in doors.server.log()
        for path in (doors.server.dir / "state").glob("otad.db*"):
            assert secret.encode() not in path.read_bytes()


def test_a_new_gateway_token_replaces_the_old_and_none_is_possible(start_server):
    doors = new_doors(start_server)
    assert doors.authentication("GET").json() == {
        "target_tokens": False, "gateway_token": {"is_set": False, "created_at": None}}
    assert polls(doors.token("GatewayToken "), "g-1") == 401
    first = doors.new_gateway_token()
    second = doors.new_gateway_token()
    assert polls(doors.token("GatewayToken " + first), "g-1") == 401
    assert polls(doors.token("GatewayToken " + second), "g-1") == 200
    assert doors.authentication("DELETE", "/gateway-token").status == 204
    assert polls(doors.token("GatewayToken " + second), "g-1") == 401
    actions = [item["action"] for item in doors.server.operator("GET", "/api/v1/audit").json()["items"]]
    assert actions.count("gateway-token.create") == 2 and "gateway-token.delete" in actions


def test_otactl_makes_and_ends_them(start_server, tmp_path):
    doors = new_doors(start_server)
    otactl = doors.server.otactl
    otactl("device-authentication", "set", "--target-tokens")
    assert json.loads(otactl("device-authentication", "show", "--json").stdout)["target_tokens"] is True
    doors.register("o-1")
    token = otactl("device", "token", "o-1").stdout.strip()
    assert polls(doors.token("TargetToken " + token), "o-1") == 200
    otactl("device", "token", "o-1", "--token", "0123456789abcdef")
    assert polls(doors.token("TargetToken 0123456789abcdef"), "o-1") == 200
    otactl("device", "token", "o-1", "--delete")
    assert polls(doors.token("TargetToken 0123456789abcdef"), "o-1") == 401
    otactl("device-authentication", "gateway-token", "-o", tmp_path / "gateway")
    assert (tmp_path / "gateway").stat().st_mode & 0o777 == 0o400
    gateway = doors.token("GatewayToken " + (tmp_path / "gateway").read_text().strip())
    assert polls(gateway, "o-1") == 200
    otactl("device-authentication", "gateway-token", "--delete")
    assert polls(gateway, "o-1") == 401


def test_who_may_not_administer_tokens_makes_none(doors):
    made = doors.server.operator("POST", "/api/v1/tokens", json={"role": "release-engineer"}).json()["token"]
    robot = doors.server.operator_client(certificate=False, headers={"Authorization": f"Bearer {made}"})
    assert robot.request("GET", "/api/v1/device-authentication").status == 200
    assert robot.request("PATCH", "/api/v1/device-authentication", json={"target_tokens": False}).status == 403
    assert robot.request("POST", "/api/v1/device-authentication/gateway-token").status == 403
    assert robot.request("POST", "/api/v1/devices/certified/token").status == 403


def test_guesses_are_refused_per_device_and_cost_nobody_else(start_server):
    doors = new_doors(start_server, tls_address_rate="1", tls_address_burst="20")
    assert doors.authentication("PATCH", json={"target_tokens": True}).status == 200
    doors.register("t-1"), doors.register("t-2")
    good = [doors.token("TargetToken " + doors.new_token(name)) for name in ("t-1", "t-2")]
    bad = doors.token("TargetToken wrong-wrong-wrong")
    answers = [polls(bad, "t-1") for _ in range(60)]
    assert answers[:20] == [401] * 20 and answers.count(429) > 30
    assert polls(bad, "t-2") == 401
    for _ in range(40):  # each over a connection of its own, from the address of the guesses
        assert [polls(client, name) for client, name in zip(good, ("t-1", "t-2"))] == [200, 200]
    log = doors.server.log()
    assert "wrong-wrong" not in log and 20 <= log.count("device.secret_refused") < 50


def test_guesses_at_the_gateway_token_are_not_held_against_it(start_server):
    doors = new_doors(start_server, tls_address_rate="1", tls_address_burst="20")
    good = doors.token("GatewayToken " + doors.new_gateway_token())
    assert {polls(doors.token("GatewayToken wrong"), f"g-{n}") for n in range(60)} == {401}
    assert polls(good, "g-1") == 200
    assert doors.server.log().count("device.secret_refused") < 50


def test_the_gateway_token_makes_only_so_many_devices_at_once(start_server):
    doors = new_doors(start_server, tls_address_rate="1", tls_address_burst="20")
    client = doors.token("GatewayToken " + doors.new_gateway_token())
    client.keep = True
    answers = [polls(client, f"g-{n}") for n in range(40)]
    assert answers[:20] == [200] * 20 and answers.count(429) > 10
    assert polls(client, "g-0") == 200
    refused = f"g-{answers.index(429)}"
    assert doors.state(refused) is None


def test_only_so_many_strangers_wait_for_approval(start_server):
    doors = new_doors(start_server, device_enrolment="manual", device_pending_max="3")
    client = doors.token("GatewayToken " + doors.new_gateway_token())
    assert [polls(client, f"g-{n}") for n in range(3)] == [403] * 3
    refused = client.request("GET", "/DEFAULT/controller/v1/g-3")
    assert refused.status == 429 and b"approval" in refused.body, refused
    assert polls(doors.proxied("p-1"), "p-1") == 429
    assert doors.state("g-3") is None and doors.state("p-1") is None
    assert polls(client, "g-0") == 403, "those who wait still do"
    assert doors.server.log().count("device.pending_full") == 1
    assert doors.server.operator("POST", "/api/v1/devices/g-0/approve").status == 200
    assert polls(client, "g-3") == 403 and doors.state("g-3") == "pending"


def test_the_gateway_token_opens_no_row_that_waits_for_a_certificate(start_server):
    doors = new_doors(start_server, device_enrolment="manual")
    client = doors.token("GatewayToken " + doors.new_gateway_token())
    assert doors.authentication("PATCH", json={"target_tokens": True}).status == 200
    doors.register("lock-1"), doors.register("lock-2")
    for refused in (client, doors.proxied("lock-1")):
        assert polls(refused, "lock-1") == 403
        assert doors.state("lock-1") == "registered"
    assert polls(doors.token("TargetToken " + doors.new_token("lock-1")), "lock-1") == 200
    assert doors.server.operator("POST", "/api/v1/devices/lock-2/approve").status == 200
    assert polls(client, "lock-2") == 200, "an operator said so"


def test_who_shows_nothing_keeps_no_connection(doors):
    asked = f"GET {base('stay-1')} HTTP/1.1\r\nHost: localhost\r\n"
    proof = f"Authorization: GatewayToken {doors.gateway}\r\n"

    def answers(*requests):
        """How each is answered, and whether the connection went on."""
        with socket.create_connection(("localhost", doors.ports["token"])) as plain:
            with doors.context.wrap_socket(plain, server_hostname="localhost") as tls:
                tls.settimeout(30)
                heads = []
                for request in requests:
                    tls.sendall(request.encode())
                    head = tls.recv(65536).decode()
                    heads.append((int(head[9:12]), "Connection: close" in head))
                return heads

    assert answers(asked + "\r\n") == [(401, True)]
    assert answers(asked + "Authorization: TargetToken wrong\r\n\r\n") == [(401, True)]
    assert answers("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n") == [(404, True)]
    assert answers(asked + proof + "\r\n", asked + "\r\n", asked + proof + "\r\n") == [
        (200, False), (401, False), (200, False)]


# -- each listener takes its own kind of proof --

def test_tokens_and_proxy_headers_mean_nothing_where_certificates_count(doors, certified):
    headers = {"Authorization": "GatewayToken " + doors.gateway, "X-Controller-Id": "g-1", "X-Ssl-Client-Cn": "g-1",
               "X-Forwarded-Host": "elsewhere.example"}
    assert certified.request("GET", base(certified.id), headers=headers).status == 200
    assert certified.request("GET", base("g-1"), headers=headers).status == 401
    shown = certified.request("GET", base(certified.id), headers=headers).json()
    assert "elsewhere" not in json.dumps(shown)


def test_a_certificate_means_nothing_where_tokens_count(doors, certified):
    for listener in ("token", "proxy"):
        client = Client(doors.ports[listener], certified.context)
        assert polls(client, certified.id) == 401


def test_a_token_means_nothing_to_a_proxy_and_a_header_nothing_to_tokens(doors):
    assert polls(doors.client("proxy", Authorization="GatewayToken " + doors.gateway), "g-1") == 401
    assert polls(doors.client("token", **{"X-Controller-Id": "g-1"}), "g-1") == 401


# -- proxies that tell in headers --

@pytest.mark.parametrize("header", ["X-Controller-Id", "x-controller-id"])
def test_the_name_a_trusted_proxy_tells_is_the_device(doors, header):
    client = doors.client("proxy", **{header: "p-1"})
    assert polls(client, "p-1") == 200
    assert doors.state("p-1") == "active"
    assert polls(client, "p-2") == 401
    assert doors.state("p-2") is None
    assert client.request("GET", "/v1/device/update").status == 200  # no path to compare with


def test_only_the_generation_that_was_chosen_names_a_device(doors, start_server):
    assert polls(doors.client("proxy", **{"X-Ssl-Client-Cn": "p-1"}), "p-1") == 401
    old = new_doors(start_server, proxy_header="X-Ssl-Client-Cn", proxy_authorities="aa11")
    authority = {"X-Ssl-Issuer-Hash-1": "aa11"}
    assert polls(old.client("proxy", **{"X-Ssl-Client-Cn": "p-1", **authority}), "p-1") == 200
    assert polls(old.client("proxy", **{"X-Ssl-Client-Cn": "p-1", "X-Authority": "aa11"}), "p-1") == 401
    assert polls(old.client("proxy", **{"X-Controller-Id": "p-1", **authority}), "p-1") == 401


def test_contradictory_names_are_nobodys(doors):
    both = {"X-Controller-Id": "p-3", "X-Ssl-Client-Cn": "p-4"}
    assert polls(doors.client("proxy", **both), "p-3") == 401
    assert polls(doors.client("proxy", **both), "p-4") == 401
    for second in (b"p-4", b"p-3"):
        twice = doors.client("proxy").raw(b"GET /DEFAULT/controller/v1/p-3 HTTP/1.1\r\nHost: localhost\r\n"
                                          b"X-Controller-Id: p-3\r\nX-Controller-Id: " + second +
                                          b"\r\nConnection: close\r\n\r\n")
        assert twice.startswith(b"HTTP/1.1 401")
    assert polls(doors.client("proxy", **{"X_Controller_Id": "p-3"}), "p-3") == 401


def test_a_proxy_never_stands_in_for_a_certificate(doors, certified):
    assert polls(doors.proxied(certified.id), certified.id) == 403
    assert certified.ddi("GET").status == 200


def test_each_request_of_a_proxys_connection_is_of_the_device_it_names(doors):
    client = doors.client("proxy")
    client.keep = True
    for name in ("p-5", "p-6", "p-5"):
        assert client.request("GET", base(name), headers={"X-Controller-Id": name}).status == 200
        assert client.request("GET", base(name), headers={"X-Controller-Id": "p-7"}).status == 401
    assert client.request("GET", base("p-5")).status == 401


def test_nobody_is_believed_who_is_no_trusted_proxy(start_server):
    doors = new_doors(start_server, proxy_trusted="10.0.0.0/8 2001:db8::/32")
    refused = doors.proxied("p-1").request("GET", base("p-1"))
    assert (refused.status, refused.body) == (401, b"")
    assert doors.state("p-1") is None


def test_the_authority_must_be_one_of_the_known(start_server):
    doors = new_doors(start_server, proxy_authorities="AA11 bb22")
    good = [{"X-Authority": "aa11"}, {"X-Authority": "zz;AA11"}, {"X-Authority": "zz, BB22"},
            {"X-Authority-0": "zz", "X-Authority-1": "aa11"}, {"X-Authority-9": "Bb22"}]
    bad = [{}, {"X-Authority": "cc33"}, {"X-Authority": ""}, {"X-Authority-x": "aa11"}, {"X-Authority": "aa1"},
           {"X-Ssl-Issuer-Hash-1": "Bb22"}, {"X-Authority-10": "aa11"},
           {"X-Authority": "cc33", "X-Authority-9": "aa11"}]  # one of them came from the client
    assert [polls(doors.proxied("p-1", **headers), "p-1") for headers in bad] == [401] * len(bad)
    assert doors.state("p-1") is None
    assert [polls(doors.proxied("p-1", **headers), "p-1") for headers in good] == [200] * len(good)


# -- links --

def link(client, device_id):
    return client.request("GET", base(device_id)).json()["_links"]["configData"]["href"]


@pytest.mark.parametrize("headers, start", [
    ({}, "https://localhost:{port}/"),
    ({"X-Forwarded-Host": "updates.example.com"}, "https://updates.example.com/"),
    ({"X-Forwarded-Host": "updates.example.com:8443"}, "https://updates.example.com:8443/"),
    ({"X-Forwarded-Host": "a.example", "X-Forwarded-Port": "443"}, "https://a.example/"),
    ({"X-Forwarded-Host": "a.example", "X-Forwarded-Port": "444, 1"}, "https://a.example:444/"),
    ({"X-Forwarded-Host": "a.example, b.example", "X-Forwarded-Proto": "http"}, "http://a.example/"),
    ({"X-Forwarded-Host": "a.example", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "80"}, "http://a.example/"),
    ({"X-Forwarded-Host": "[2001:db8::1]", "X-Forwarded-Port": "4443"}, "https://[2001:db8::1]:4443/"),
    ({"X-Forwarded-Port": "443"}, "https://localhost/"),
])
def test_links_begin_as_a_trusted_proxy_says(doors, headers, start):
    assert link(doors.proxied("l-1", **headers), "l-1").startswith(start.format(port=doors.ports["proxy"]))


@pytest.mark.parametrize("headers", [
    {"X-Forwarded-Host": "a/b"}, {"X-Forwarded-Host": 'a"b'}, {"X-Forwarded-Host": "a@b"},
    {"X-Forwarded-Host": "x" * 300}, {"X-Forwarded-Host": "a..b"}, {"X-Forwarded-Host": "-"},
    {"X-Forwarded-Host": "[a.example]:1"}, {"X-Forwarded-Host": "[:::::]"}, {"X-Forwarded-Host": "a.example:99999"},
    {"X-Forwarded-Host": "x" * 64 + ".example"}, {"X-Forwarded-Port": "0"}, {"X-Forwarded-Port": "65536"},
    {"X-Forwarded-Port": "https"}, {"X-Forwarded-Proto": "javascript"}])
def test_what_cannot_begin_a_link_is_a_bad_request(doors, headers):
    assert polls(doors.proxied("l-1", **headers), "l-1") == 400


def test_only_a_proxy_may_say_how_links_begin(doors):
    client = doors.token("GatewayToken " + doors.gateway)
    client.headers["X-Forwarded-Host"] = "elsewhere.example"
    assert link(client, "l-2").startswith(f"https://localhost:{doors.ports['token']}/")


def test_the_configured_base_begins_every_link(start_server):
    doors = new_doors(start_server, device_base_url="https://updates.example.com:9000")
    device = doors.server.new_device("l-1")
    assert device.ddi("GET").json()["_links"]["configData"]["href"].startswith("https://updates.example.com:9000/")
    assert link(doors.proxied("l-2", **{"X-Forwarded-Host": "p.example"}), "l-2").startswith("https://p.example/")
    assert link(doors.proxied("l-2"), "l-2").startswith("https://updates.example.com:9000/")


@pytest.mark.parametrize("setting, value, said", [
    ("proxy_trusted", "10.0.0.0/33", "trusted"),
    ("device_balancers", "localhost", "balancers"),
    ("proxy_mode", "v1", "mode"),
])
def test_a_setting_that_cannot_be_meant_stops_the_start(start_server, setting, value, said):
    server = start_server(wait=False, **{setting: value})
    assert server.process.wait(60) != 0
    assert said in server.log()


@pytest.mark.parametrize("lines, said", [
    ("[proxy]\ntrusted = 10.0.0.0/8 10.0.0.1/8", 'trusted: "10.0.0.1/8" has bits behind its length'),
    ("[proxy]\nmode = v2\nauthorities = aa11", "authorities: asked for, but only the mode headers tells them"),
    ("[proxy]\nlisten = 127.0.0.1:0", "listen: nobody is trusted: proxy.trusted is empty"),
    ("[device]\nbase_url = https://a.example/", "base_url: no URL of scheme, host and port"),
    ("[device]\nbase_url = ftp://a.example", "base_url: no URL of scheme, host and port"),
    ("[device]\nbase_url = https://a..example", "base_url: no URL of scheme, host and port"),
])
def test_what_is_wrong_is_told_with_file_line_and_key(start_server, lines, said):
    server = start_server(wait=False)
    server.stop()
    with open(server.dir / "otad.conf", "a") as config:
        config.write(f"\n{lines}\n")
    server.start(wait=False)
    assert server.process.wait(60) != 0
    line = (server.dir / "otad.conf").read_text().count("\n")
    assert f"otad.conf:{line}: {said}" in server.log()


# -- cutting --

def slow_download(doors, client, device_id):
    """A connection in the middle of a shaped transfer; the target's path is what the offer says."""
    deployment = wait_for(lambda: client.request("GET", base(device_id)).json().get("_links", {}).get("deploymentBase"))
    document = client.request("GET", deployment["href"].split(str(client.port), 1)[1]).json()
    href = document["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"]
    plain = socket.create_connection(("localhost", client.port))
    tls = doors.context.wrap_socket(plain, server_hostname="localhost")
    fields = "".join(f"{name}: {value}\r\n" for name, value in client.headers.items())
    path = href.split(str(client.port), 1)[1]
    tls.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
    assert tls.recv(20).startswith(b"HTTP/1.1 200")
    return tls


def is_cut(tls):
    tls.settimeout(30)
    got = 0
    try:
        while piece := tls.recv(65536):
            got += len(piece)
    except (ConnectionError, ssl.SSLError):
        pass
    return got < 1_900_000


@pytest.fixture(scope="module")
def offered(installation, tmp_path_factory):
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("cut") / "server", {
        "token.listen": "127.0.0.1:0", "proxy.listen": "127.0.0.1:0", "proxy.trusted": "127.0.0.0/8",
        "device.enrolment": "auto", "delivery.rate": "50K"}, installation).start()
    doors = Doors(server)
    assert doors.authentication("PATCH", json={"target_tokens": True}).status == 200
    doors.gateway = doors.new_gateway_token()
    for name in ("c-1", "c-2", "c-3", "c-4"):
        doors.register(name)
        assert polls(doors.proxied(name), name) == 200
    server.campaign(server.publish("2.0", bytes(2_000_000)))
    yield doors
    server.stop()
    print(f"--- log ---\n{server.log()[-8000:]}")


def test_a_revocation_cuts_a_proxied_download(offered):
    tls = slow_download(offered, offered.proxied("c-1"), "c-1")
    assert offered.server.operator("POST", "/api/v1/devices/c-1/revoke").status == 200
    assert is_cut(tls)


def test_another_token_cuts_a_download_with_the_old(offered):
    tls = slow_download(offered, offered.token("TargetToken " + offered.new_token("c-2")), "c-2")
    offered.new_token("c-2")
    assert is_cut(tls)


def test_taking_the_gateway_token_away_cuts_downloads_with_it(offered):
    tls = slow_download(offered, offered.token("GatewayToken " + offered.gateway), "c-3")
    assert offered.authentication("DELETE", "/gateway-token").status == 204
    assert is_cut(tls)


def test_who_uses_a_proxys_connection_next_is_not_cut_for_who_used_it_before(offered):
    client = offered.client("proxy")
    client.keep = True
    assert client.request("GET", base("c-4"), headers={"X-Controller-Id": "c-4"}).status == 200
    assert client.request("GET", base("c-5"), headers={"X-Controller-Id": "c-5"}).status == 200
    assert offered.server.operator("POST", "/api/v1/devices/c-4/revoke").status == 200
    assert client.request("GET", base("c-5"), headers={"X-Controller-Id": "c-5"}).status == 200


# -- the PROXY protocol --

def part(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def header(command=1, source="192.0.2.7", rest=b""):
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 54321, 443)
    body = addresses + rest if command else b""
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, 0x11 if command else 0, len(body)) + body


def verified(name, flags=7, verdict=0):
    return part(0x20, struct.pack("!BI", flags, verdict) + part(0x21, b"TLSv1.3") + part(0x22, name.encode()))


def speak(port, context, first, request=b"", slices=None):
    """Sends `first`, then shakes hands, asks, and returns the answer's status line; None: cut."""
    with socket.create_connection(("localhost", port), timeout=30) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in slices or [first]:
            plain.sendall(piece)
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                tls.sendall(request)
                return tls.recv(4096).split(b"\r\n")[0].decode() or None
        except OSError:
            return None


def ask(device_id):
    return f"GET {base(device_id)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


@pytest.fixture(scope="module")
def behind(installation, tmp_path_factory):
    """Behind a balancer on the device listener, and a proxy that speaks version 2."""
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("behind") / "server", {
        "proxy.listen": "127.0.0.1:0", "proxy.trusted": "127.0.0.0/8", "proxy.mode": "v2",
        "device.balancers": "127.0.0.0/8", "device.enrolment": "auto"}, installation).start()
    yield Doors(server)
    server.stop()
    print(f"--- log ---\n{server.log()[-8000:]}")


@pytest.fixture(scope="module")
def balanced(behind):
    folder = behind.server.dir / "devices" / "balanced"
    folder.parent.mkdir()
    behind.server.otactl("device", "issue", "balanced", "--model", "gw", "--out", folder)
    return Device(behind.server, "balanced", folder)


def test_a_balancer_tells_whose_address_it_is(behind, balanced):
    port, asked = behind.ports["device"], ask(balanced.id)
    assert "200" in speak(port, balanced.context, header(), asked)
    wait_for(lambda: behind.server.operator(
        "GET", f"/api/v1/devices/{balanced.id}").json()["address"] == "192.0.2.7", what="the address")
    whole = header(source="192.0.2.8")
    assert "200" in speak(port, balanced.context, b"", asked, [whole[i:i + 1] for i in range(len(whole))])


@pytest.mark.parametrize("first", [b"", b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n", SIGNATURE[:-1] + b"x",
                                   SIGNATURE + b"\x31\x11\0\0", SIGNATURE + b"\x21\x11\xff\xff",
                                   header(rest=part(3, b"\0\0\0\1"))])
def test_a_balancer_without_a_good_header_is_refused(behind, balanced, first):
    assert speak(behind.ports["device"], balanced.context, first, ask(balanced.id)) is None


def test_a_health_check_is_answered_and_leaves_no_trace(behind, balanced):
    log = behind.server.log()
    assert "200" in speak(behind.ports["device"], balanced.context, header(command=0), ask(balanced.id))
    for first in (b"", header(command=0)):
        with socket.create_connection(("localhost", behind.ports["device"])) as plain:
            plain.sendall(first)
    assert "200" in speak(behind.ports["device"], balanced.context, header(), ask(balanced.id))
    assert "tls.refused" not in behind.server.log()[len(log):]


def test_what_a_balancer_says_of_a_certificate_is_not_believed(behind):
    assert speak(behind.ports["device"], behind.context, header(rest=verified("someone")), ask("someone")) is None
    assert behind.state("someone") is None


def test_who_is_no_balancer_cannot_tell_an_address(start_server):
    doors = new_doors(start_server, device_balancers="10.0.0.0/8", proxy_mode="v2", proxy_trusted="10.0.0.0/8")
    device = doors.server.new_device("direct")
    assert device.ddi("GET").status == 200
    assert speak(doors.ports["device"], device.context, header(), ask(device.id)) is None
    assert speak(doors.ports["proxy"], doors.context, header(rest=verified("someone")), ask("someone")) is None
    assert polls(doors.proxied("someone"), "someone") == 401


def test_a_proxy_names_the_certificate_in_its_header(behind):
    port = behind.ports["proxy"]
    assert "200" in speak(port, behind.context, header(rest=verified("v-1")), ask("v-1"))
    assert behind.state("v-1") == "active"
    assert "401" in speak(port, behind.context, header(rest=verified("v-1")), ask("v-2"))
    wait_for(lambda: behind.server.operator(
        "GET", "/api/v1/devices/v-1").json()["address"] == "192.0.2.7", what="the address")


@pytest.mark.parametrize("rest", [b"", verified("v-3", flags=1), verified("v-3", flags=6), verified("v-3", verdict=18),
                                  verified("v" * 65)])
def test_a_certificate_that_was_not_shown_or_not_verified_names_nobody(behind, rest):
    refused = b"X-Controller-Id: v-3\r\n"  # headers mean nothing in this mode
    asked = ask("v-3").replace(b"Connection", refused + b"Connection")
    assert "401" in speak(behind.ports["proxy"], behind.context, header(rest=rest), asked)
    assert behind.state("v-3") is None


def test_a_proxys_health_check_names_nobody(behind):
    assert "401" in speak(behind.ports["proxy"], behind.context, header(command=0), ask("v-4"))


def test_a_proxy_without_a_header_is_refused(behind):
    assert speak(behind.ports["proxy"], behind.context, b"", ask("v-4")) is None


def test_who_ends_within_a_header_is_gone_at_once(behind):
    for first in (header()[:5], header()[:20], header()[:-1]):
        with socket.create_connection(("localhost", behind.ports["device"])) as plain:
            plain.sendall(first)
            plain.shutdown(socket.SHUT_WR)
            plain.settimeout(5)  # half of what a handshake may take
            try:
                assert plain.recv(1) == b""
            except ConnectionResetError:
                pass


def test_a_header_that_never_ends_is_timed_out(start_server):
    doors = new_doors(start_server, device_balancers="127.0.0.0/8", tls_handshake_timeout="1")
    with socket.create_connection(("localhost", doors.ports["device"]), timeout=30) as plain:
        plain.sendall(header()[:20])
        try:
            assert plain.recv(1) == b""
        except ConnectionResetError:
            pass  # with bytes nobody took


def test_the_address_a_balancer_tells_has_limits_and_the_balancer_has_none(start_server):
    doors = new_doors(start_server, device_balancers="127.0.0.0/8", tls_address_rate="1", tls_address_burst="5")
    port = doors.ports["device"]

    def fails(source):
        return speak(port, doors.context, header(source=source), b"GET / HTTP/1.1\r\n\r\n") is None

    assert all(fails("192.0.2.9") for _ in range(12))
    assert "tls.address_burst" in doors.server.log()
    device = doors.server.new_device("elsewhere")
    assert "200" in speak(port, device.context, header(source="192.0.2.10"), ask(device.id))
