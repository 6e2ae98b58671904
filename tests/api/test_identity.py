"""Who may talk to the server: certificates, states, roles and tokens."""
import re
import socket
import threading
import time

from conftest import Client, tls_context, wait_for


def issue(server, device_id):
    """A certificate of the device CA that the server has never heard of."""
    device = server.new_device(device_id)
    execute(server, "DELETE FROM certificate", "DELETE FROM event", "DELETE FROM device_seen",
            "DELETE FROM device_tag", "DELETE FROM device")
    return device


def execute(server, *statements):
    import sqlite3
    server.stop()
    with sqlite3.connect(server.dir / "state" / "otad.db") as database:
        for statement in statements:
            database.execute(statement)
    database.close()
    server.start()


def get(server, path):
    answer = server.operator("GET", path)
    assert answer.status == 200, answer
    return answer.json()


def on_new_port(device, server):
    device.port = server.device_port
    device.kept = None
    return device


# -- devices --

def test_an_unknown_device_waits_for_approval(server):
    device = on_new_port(issue(server, "new-1"), server)
    answer = device.request("GET", "/v1/device/update")
    assert answer.status == 403 and answer.json()["type"].endswith("device-pending")
    assert [d["id"] for d in get(server, "/api/v1/devices?state=pending")["items"]] == ["new-1"]
    assert server.operator("POST", "/api/v1/devices/new-1/approve").status == 200
    assert device.ddi("GET").status == 200


def test_approval_reaches_a_connection_that_is_open(server):
    device = on_new_port(issue(server, "new-2"), server)
    device.keep = True
    assert device.ddi("GET").status == 403
    assert server.operator("POST", "/api/v1/devices/new-2/approve").status == 200
    assert device.ddi("GET").status == 200


def test_policy_auto_registers_and_deny_refuses(start_server):
    server = start_server(device_enrolment="auto")
    device = on_new_port(issue(server, "auto-1"), server)
    assert device.ddi("GET").status == 200
    assert get(server, "/api/v1/devices/auto-1")["state"] == "active"
    server.settings["device.enrolment"] = "deny"
    stranger = on_new_port(issue(server, "deny-1"), server)
    assert stranger.ddi("GET").status == 403
    assert get(server, "/api/v1/devices")["items"] == []


def test_another_key_with_a_known_name_is_refused_and_recorded(start_server):
    server = start_server(device_enrolment="auto")
    first = server.new_device("twin")
    assert first.ddi("GET").status == 200
    execute(server, "UPDATE certificate SET fingerprint = zeroblob(32)")
    second = on_new_port(first, server)
    for _ in range(3):
        assert second.ddi("GET").status == 403
    events = get(server, "/api/v1/devices/twin/timeline")["items"]
    assert len([e for e in events if e["kind"] == "device.collision"]) == 1


def test_a_suspended_device_may_come_back_and_a_revoked_one_may_not(server):
    device = server.new_device("s-1")
    device.keep = True
    assert device.ddi("GET").status == 200
    assert server.operator("POST", "/api/v1/devices/s-1/suspend", json={"reason": "lab"}).status == 200
    device.kept = None
    assert device.ddi("GET").status == 403
    assert server.operator("POST", "/api/v1/devices/s-1/activate").status == 200
    device.kept = None
    assert device.ddi("GET").status == 200
    assert server.operator("POST", "/api/v1/devices/s-1/revoke", json={"reason": "stolen"}).status == 200
    device.kept = None
    assert device.ddi("GET").status == 403
    assert server.operator("POST", "/api/v1/devices/s-1/activate").status == 409
    assert server.operator("POST", "/api/v1/devices/s-1/revoke").status == 409
    assert all(c["state"] == "revoked" for c in get(server, "/api/v1/devices/s-1")["certificates"])


def test_a_running_download_ends_when_the_device_is_revoked(start_server):
    server = start_server(delivery_rate="100K")
    device = server.new_device("cut", hardware="gw")
    release = server.publish("1.1", bytes(3_000_000))
    server.campaign(release)
    wait_for(lambda: "deploymentBase" in device.ddi("GET").json().get("_links", {}), what="the offer")
    link = device.ddi("GET").json()["_links"]["deploymentBase"]["href"]
    document = device.request("GET", link.split(str(device.port), 1)[1]).json()
    href = document["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"]
    got = {}

    def fetch():
        try:
            answer = device.connection()
            answer.request("GET", href.split(str(device.port), 1)[1])
            response = answer.getresponse()
            got["started"] = True
            got["bytes"] = len(response.read())
        except Exception as why:  # whatever the client makes of a cut connection
            got["error"] = repr(why)
        got["ended"] = time.monotonic()

    thread = threading.Thread(target=fetch)
    thread.start()
    wait_for(lambda: got.get("started"), what="the first bytes")
    assert server.operator("POST", "/api/v1/devices/cut/revoke").status == 200
    revoked = time.monotonic()
    thread.join(20)
    assert "error" in got and "bytes" not in got
    assert got["ended"] - revoked < 2


def test_a_device_s_certificate_opens_no_operator_door(server):
    device = server.new_device("d1")
    context = tls_context(device.folder / "server-ca.crt", device.folder / "device.crt",
                          device.folder / "device.key")
    try:
        answer = Client(server.operator_port, context).request("GET", "/api/v1/server")
        assert answer.status in (401, 403)
    except (OSError, socket.error):
        pass  # the handshake already says no


# -- operators and tokens --

def make_token(server, role, **more):
    answer = server.operator("POST", "/api/v1/tokens", json={"role": role, "note": "test", **more})
    assert answer.status == 201, answer
    return answer.json()


def with_token(server, token):
    return server.operator_client(certificate=False, headers={"Authorization": f"Bearer {token}"})


def test_nobody_may_read_the_description_and_nothing_else(server):
    nobody = server.operator_client(certificate=False)
    assert nobody.request("GET", "/api/v1/openapi.json").json()["openapi"].startswith("3.")
    for path in ("/api/v1/server", "/api/v1/devices", "/api/v1/audit"):
        assert nobody.request("GET", path).status == 401


def test_a_token_is_shown_once_and_works_until_it_is_deleted(server):
    made = make_token(server, "viewer")
    assert re.fullmatch(r"otat_[a-z2-7]{10}_[A-Za-z0-9_-]{43}", made["token"])
    client = with_token(server, made["token"])
    assert client.request("GET", "/api/v1/devices").status == 200
    assert client.request("POST", "/api/v1/devices", json={"id": "x"}).status == 403
    listed = get(server, "/api/v1/tokens")["items"]
    assert [t["id"] for t in listed] == [made["id"]] and "token" not in listed[0]
    assert made["token"][16:] not in server.log()
    assert server.operator("DELETE", f"/api/v1/tokens/{made['id']}").status == 204
    assert client.request("GET", "/api/v1/devices").status == 401


def test_wrong_tokens_are_all_answered_alike(server):
    made = make_token(server, "viewer")["token"]
    other = made[:-1] + ("A" if made[-1] != "A" else "B")
    unknown = "otat_aaaaaaaaaa_" + made.rsplit("_", 1)[0][:0] + "x" * 43
    answers = [with_token(server, t).request("GET", "/api/v1/devices") for t in (other, unknown, "otat_", "x")]
    assert {a.status for a in answers} == {401}
    assert len({a.json()["detail"] for a in answers}) == 1


def test_a_token_may_not_outgrow_its_maker(server):
    admin = with_token(server, make_token(server, "admin")["token"])
    assert admin.request("POST", "/api/v1/tokens", json={"role": "viewer"}).status == 201
    assert server.operator("POST", "/api/v1/tokens", json={"role": "king"}).status == 400
    assert server.operator("POST", "/api/v1/tokens", json={"role": "viewer", "days": 4000}).status == 400
    support = with_token(server, make_token(server, "support")["token"])
    assert support.request("POST", "/api/v1/tokens", json={"role": "viewer"}).status == 403


def test_roles_open_what_they_name(server):
    server.new_device("d1")
    support = with_token(server, make_token(server, "support")["token"])
    viewer = with_token(server, make_token(server, "viewer")["token"])
    assert viewer.request("POST", "/api/v1/devices/d1/suspend").status == 403
    assert support.request("POST", "/api/v1/devices/d1/revoke").status == 403
    assert support.request("POST", "/api/v1/devices/d1/approve").status == 409  # allowed, but active already
    assert viewer.request("GET", "/api/v1/audit").status == 403


def test_the_last_administrator_stays(server):
    assert server.operator("POST", "/api/v1/operators/admin/revoke").status == 409
    pem = (server.dir / "pki" / "operator.crt").read_text()
    assert server.operator("POST", "/api/v1/operators", json={
        "id": "bob", "role": "admin", "certificate_pem": pem}).status == 409
    assert server.operator("POST", "/api/v1/operators", json={"id": "bob", "role": "admin"}).status == 201
    token = make_token(server, "admin")["token"]
    assert server.operator("POST", "/api/v1/operators/admin/revoke").status == 200
    assert with_token(server, token).request("GET", "/api/v1/server").status in (401, 403)
    assert server.operator("GET", "/api/v1/server").status == 403


def test_every_change_is_in_the_audit_log(server):
    server.operator("POST", "/api/v1/devices", json={"id": "d1"})
    server.operator("POST", "/api/v1/devices/d1/approve")
    items = get(server, "/api/v1/audit")["items"]
    actions = [(i["action"], i["object"]) for i in items]
    assert actions[0] == ("operator.create", "admin")
    assert actions[-2:] == [("device.create", "d1"), ("device.approve", "d1")]
    assert get(server, "/api/v1/audit/verify") == {"whole": True, "last": items[-1]["sequence"], "first_bad": None}
    page = get(server, "/api/v1/audit?limit=1")
    assert get(server, f"/api/v1/audit?limit=1&after={page['next']}")["items"][0]["sequence"] == \
        page["items"][0]["sequence"] + 1


def test_the_console_is_served_with_strict_headers(server):
    nobody = server.operator_client(certificate=False)
    page = nobody.request("GET", "/console/")
    assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert nobody.request("GET", "/console/", headers={"If-None-Match": page.headers["ETag"]}).status == 304
    assert nobody.request("GET", "/console/nothing.js").status == 404
    assert nobody.request("HEAD", "/console/").body == b""


def test_the_server_tells_how_it_is(server):
    told = get(server, "/api/v1/server")
    assert told["device_port"] == server.device_port
    assert any("root of trust" in w for w in told["warnings"]) == (told["trust"]["root_version"] == 0)
    assert server.operator("POST", "/api/v1/server/reload").status == 204
    (server.dir / "pki" / "server.crt").write_text("nonsense")
    assert server.operator("POST", "/api/v1/server/reload").status == 422
    assert server.operator("GET", "/api/v1/server").status == 200
