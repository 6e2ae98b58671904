# SPDX-License-Identifier: Apache-2.0
"""From bytes to a signed release: resumable uploads, drafts, signatures by plain openssl, publication."""
import base64
import hashlib
import json
import os
import socket
import struct
import subprocess
import threading

import pytest
from conftest import wait_for

PATCH = {"Content-Type": "application/offset+octet-stream"}
CHUNK = 65536


def begin(server, data, **more):
    wish = {"file": "image.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **more}
    made = server.operator("POST", "/api/v1/uploads", json=wish)
    assert made.status == 201, made
    assert made.headers["Upload-Offset"] == "0"
    assert made.headers["Location"] == f"/api/v1/uploads/{made.json()['id']}"
    return made.json()["id"]


def patch(server, upload, offset, data):
    return server.operator("PATCH", f"/api/v1/uploads/{upload}", body=data,
                           headers={**PATCH, "Upload-Offset": str(offset)})


def offset_of(server, upload):
    head = server.operator("HEAD", f"/api/v1/uploads/{upload}")
    assert head.status == 200 and head.body == b"", head
    return int(head.headers["Upload-Offset"])


def finish(server, upload):
    return server.operator("POST", f"/api/v1/uploads/{upload}/finish")


def detail(answer, status):
    assert answer.status == status, answer
    return answer.json().get("detail", "")


# -- uploads --

def test_pieces_become_an_artifact_with_every_hash(shared_server):
    data = os.urandom(3 * CHUNK + 17)
    upload = begin(shared_server, data)
    assert patch(shared_server, upload, 0, data[:100_000]).headers["Upload-Offset"] == "100000"
    assert offset_of(shared_server, upload) == 100_000
    assert patch(shared_server, upload, 100_000, data[100_000:]).status == 204
    done = finish(shared_server, upload)
    assert done.status == 201, done
    artifact = done.json()
    for kind in ("md5", "sha1", "sha256", "sha512"):
        assert artifact[kind] == hashlib.new(kind, data).hexdigest()
    listed = b"".join(hashlib.sha256(data[at:at + CHUNK]).digest() for at in range(0, len(data), CHUNK))
    assert artifact["chunks"] == {"offset": 0, "size": CHUNK, "count": 4, "length": 128,
                                  "sha256": hashlib.sha256(listed).hexdigest()}
    assert finish(shared_server, upload).json() == artifact  # once more is harmless
    assert shared_server.operator("GET", f"/api/v1/uploads/{upload}").json()["artifact"] == artifact
    path = f"/api/v1/artifacts/{artifact['sha256']}"
    assert shared_server.operator("GET", path).json() == artifact
    assert shared_server.operator("GET", path + "/content").body == data
    part = shared_server.operator("GET", path + "/content", headers={"Range": "bytes=65530-65540"})
    assert part.status == 206 and part.body == data[65530:65541]
    again = shared_server.operator("POST", "/api/v1/uploads", json={
        "file": "other.bin", "size": len(data), "sha256": artifact["sha256"]})
    assert again.status == 200 and again.json() == {"artifact": artifact}


def test_pieces_in_the_wrong_place_change_nothing(shared_server):
    data = os.urandom(1000)
    upload = begin(shared_server, data)
    assert patch(shared_server, upload, 0, data[:400]).status == 204
    for offset in (0, 399, 401, 1000):
        answer = patch(shared_server, upload, offset, b"x" * 10)
        assert answer.status == 409 and answer.headers["Upload-Offset"] == "400", answer
    assert patch(shared_server, upload, 400, data[400:] + b"x").status == 413
    assert patch(shared_server, upload, 400, b"").status == 204
    assert offset_of(shared_server, upload) == 400
    assert shared_server.operator("PATCH", f"/api/v1/uploads/{upload}", body=b"x", headers=PATCH).status == 400
    assert shared_server.operator("PATCH", f"/api/v1/uploads/{upload}", body=b"x",
                                  headers={"Upload-Offset": "400"}).status == 415
    assert shared_server.operator("PATCH", f"/api/v1/uploads/{upload}", body=b"x", headers={
        **PATCH, "Upload-Offset": "400", "Content-Encoding": "gzip"}).status == 415
    early = finish(shared_server, upload)
    assert early.status == 409 and early.headers["Upload-Offset"] == "400"
    assert patch(shared_server, upload, 400, data[400:]).status == 204
    assert finish(shared_server, upload).status == 201
    assert patch(shared_server, upload, 1000, b"").status == 409  # it is finished


def test_a_broken_connection_leaves_what_arrived(shared_server):
    data = os.urandom(2_000_000)
    upload = begin(shared_server, data)
    client = shared_server.operator_client()
    with socket.create_connection(("localhost", shared_server.operator_port)) as plain:
        with client.context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall((f"PATCH /api/v1/uploads/{upload} HTTP/1.1\r\nHost: localhost\r\n"
                         f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n"
                         f"Content-Length: {len(data)}\r\n\r\n").encode() + data[:700_000])
            wait_for(lambda: offset_of(shared_server, upload) > 0, what="the first bytes")
            # One writer at a time.
            assert patch(shared_server, upload, offset_of(shared_server, upload), b"x").status == 409

    def rest():
        offset = offset_of(shared_server, upload)
        assert offset <= 700_000
        return patch(shared_server, upload, offset, data[offset:]).status == 204

    wait_for(rest, what="the old connection to be gone")
    assert finish(shared_server, upload).status == 201


def test_the_same_wish_finds_its_unfinished_upload(shared_server):
    data = os.urandom(5000)
    upload = begin(shared_server, data)
    patch(shared_server, upload, 0, data[:3000])
    again = shared_server.operator("POST", "/api/v1/uploads", json={
        "file": "image.bin", "size": 5000, "sha256": hashlib.sha256(data).hexdigest()})
    assert again.status == 200 and again.json()["id"] == upload and again.json()["offset"] == 3000
    assert shared_server.operator("DELETE", f"/api/v1/uploads/{upload}").status == 204
    assert shared_server.operator("GET", f"/api/v1/uploads/{upload}").status == 404
    assert begin(shared_server, data) != upload


def test_a_wrong_hash_deletes_the_upload(shared_server):
    data = os.urandom(5000)
    upload = begin(shared_server, b"x" * 5000)
    patch(shared_server, upload, 0, data)
    wrong = finish(shared_server, upload)
    assert wrong.status == 422 and wrong.json()["code"] == "wrong-hash"
    assert finish(shared_server, upload).status == 404
    assert not (shared_server.dir / "state" / "uploads" / upload).exists()
    assert shared_server.operator("GET", f"/api/v1/artifacts/{hashlib.sha256(data).hexdigest()}").status == 404


@pytest.mark.parametrize("change, status", [
    ({"size": 0}, 400), ({"size": -1}, 400), ({"size": 2**62}, 413), ({"size": 2**63}, 400),
    ({"size": "10"}, 400), ({"sha256": "00"}, 400), ({"sha256": "A" * 64}, 400), ({"file": "../x"}, 400),
    ({"file": "a/b"}, 400), ({"file": ""}, 400), ({"encoding": "gzip"}, 400), ({"colour": "blue"}, 400),
])
def test_impossible_wishes_reserve_nothing(shared_server, change, status):
    before = sorted((shared_server.dir / "state" / "uploads").iterdir())
    wish = {"file": "a.bin", "size": 10, "sha256": "0" * 64, **change}
    assert shared_server.operator("POST", "/api/v1/uploads", json=wish).status == status
    assert sorted((shared_server.dir / "state" / "uploads").iterdir()) == before


def test_open_uploads_are_limited_by_number_and_space(start_server):
    server = start_server(upload_open_max="3", upload_size_max="1024G")
    for filling in b"abc":
        last = begin(server, bytes([filling]) * 100)
    assert server.operator("POST", "/api/v1/uploads", json={
        "file": "a.bin", "size": 10, "sha256": "0" * 64}).status == 429
    server.operator("DELETE", f"/api/v1/uploads/{last}")
    free = os.statvfs(server.dir / "state")
    too_much = free.f_bavail * free.f_frsize
    assert server.operator("POST", "/api/v1/uploads", json={
        "file": "a.bin", "size": too_much, "sha256": "0" * 64}).status == 507
    # What the others still need counts too.
    assert server.operator("POST", "/api/v1/uploads", json={
        "file": "a.bin", "size": too_much * 6 // 10, "sha256": "1" * 64}).status == 201
    assert server.operator("POST", "/api/v1/uploads", json={
        "file": "a.bin", "size": too_much * 6 // 10, "sha256": "2" * 64}).status in (429, 507)


# -- encryption --

KID = "k-000102030405060708090a0b0c0d0e0f"


def encrypted(plain_length, record=4096):
    """As long as an RFC 8188 file of that much plaintext, and beginning like one."""
    header = os.urandom(16) + struct.pack(">IB", record, len(KID)) + KID.encode()
    records = -(-plain_length // (record - 17))
    return header, header + os.urandom(plain_length + 17 * records)


def test_an_encrypted_image_is_cut_by_its_records(shared_server):
    header, data = encrypted(10_000)
    artifact = shared_server.upload(data, encoding="aes128gcm")
    assert artifact["enc"] == {"kid": KID, "header": header.hex()}
    assert artifact["chunks"]["offset"] == 55 and artifact["chunks"]["size"] == 4096
    assert artifact["chunks"]["count"] == 3
    assert shared_server.operator("POST", "/api/v1/uploads", json={
        "file": "a", "size": len(data), "sha256": artifact["sha256"]}).status == 409


def test_what_does_not_begin_like_an_encrypted_image_is_none(shared_server):
    data = os.urandom(10_000)
    upload = begin(shared_server, data, encoding="aes128gcm")
    patch(shared_server, upload, 0, data)
    assert finish(shared_server, upload).status == 422


# -- signing --

def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True).stdout


def key_object(key):
    public = openssl("pkey", "-in", key, "-pubout").decode()
    raw = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")[-32:]
    if b"ED25519" in openssl("pkey", "-in", key, "-noout", "-text"):
        return {"keytype": "ed25519", "keyval": {"public": raw.hex()}, "scheme": "ed25519"}
    return {"keytype": "ecdsa", "keyval": {"public": public}, "scheme": "ecdsa-sha2-nistp256"}


def canonical(value):
    """OLPC canonical JSON, written anew: the server must agree with it byte by byte."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(k)}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return json.dumps(value)


def keyid(key):
    return hashlib.sha256(canonical(key_object(key)).encode()).hexdigest()


def sign(key, payload, folder):
    (folder / "payload").write_bytes(payload)
    return openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", folder / "payload")


def draft_release(server, version, data=None, **more):
    server.ensure_trust()
    artifact = server.upload(data if data is not None else os.urandom(100_000))
    made = server.operator("POST", "/api/v1/releases/draft", json={
        "product": "gw", "version": version, "file": "image.bin", "artifact": artifact["sha256"],
        "hardware_ids": ["gw"], **more})
    assert made.status == 201, made
    return made.json()


def product_keys(server):
    return sorted((server.dir / "keys").glob("gw-*.pem"))


def payload_of(server, draft):
    answer = server.operator("GET", f"/api/v1/tuf/drafts/{draft['id']}/payload")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Sha256"] == hashlib.sha256(answer.body).hexdigest() == draft["sha256"]
    return answer.body


def test_plain_openssl_signs_what_the_server_publishes(server):
    draft = draft_release(server, "1.0", notes={"lang": "en", "text": "two\nlines \"quoted\""})
    assert draft["role"] == "product-gw" and draft["version"] == 1 and draft["signatures"] == []
    payload = payload_of(server, draft)
    shown = json.loads(payload, strict=False)
    assert canonical(shown).encode() == payload

    path = f"/api/v1/tuf/drafts/{draft['id']}"
    keys = product_keys(server)
    assert {keyid(key) for key in keys} == set(draft["keyids_allowed"])
    first, second = keys[:draft["threshold"]]
    one = sign(first, payload, server.dir)
    assert server.operator("POST", path + "/signatures", json={
        "keyid": keyid(first), "sig": one.hex()}).status == 201
    assert server.operator("POST", path + "/signatures", json={
        "keyid": keyid(first), "sig": one.hex()}).status == 409
    few = server.operator("POST", path + "/publish")
    assert detail(few, 422) == "V10: 1 of 2 signatures of product-gw"
    assert few.json()["code"] == "too-few-signatures"

    two = sign(second, payload, server.dir)
    signed = server.operator("POST", path + "/signatures", json={
        "keyid": keyid(second), "sig_b64": base64.b64encode(two).decode()})
    assert [s["keyid"] for s in signed.json()["signatures"]] == sorted(map(keyid, (first, second)))
    done = server.operator("POST", path + "/publish")
    assert done.status == 200, done
    assert done.json() == {"role": "product-gw", "version": 1, "releases": ["gw:1.0"], "withdrawn": []}
    assert server.operator("POST", path + "/publish").status == 409

    envelope = server.operator("GET", "/api/v1/tuf/product-gw").body
    assert envelope.startswith(b'{"signatures":[{"keyid":"')
    assert json.loads(envelope)["signed"] == shown
    assert server.operator("GET", "/api/v1/tuf/product-gw?version=1").body == envelope
    assert server.operator("GET", "/api/v1/tuf/product-gw?version=2").status == 404
    release = server.operator("GET", "/api/v1/releases/gw:1.0").json()
    assert release["state"] == "published" and release["release_counter"] == 1
    assert [target["path"] for target in release["targets"]] == ["gw/1.0/image.bin"]
    assert server.operator("GET", "/api/v1/audit/verify").json().get("bad") in (0, None)
    server.restart()
    assert server.operator("GET", "/api/v1/tuf/product-gw").body == envelope


def test_signatures_of_something_else_are_refused(server):
    draft = draft_release(server, "1.0")
    payload = payload_of(server, draft)
    path = f"/api/v1/tuf/drafts/{draft['id']}/signatures"
    key = product_keys(server)[0]
    pretty = json.dumps(json.loads(payload), indent=2).encode()
    for signature in (sign(key, pretty, server.dir), sign(key, payload, server.dir) + b"x",
                      sign(key, payload, server.dir)[:-1], b"\0" * 64):
        answer = server.operator("POST", path, json={"keyid": keyid(key), "sig": signature.hex()})
        assert answer.status == 422 and answer.json()["code"] == "bad-signature", answer
    stranger = server.dir / "stranger.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", stranger)
    answer = server.operator("POST", path, json={
        "keyid": keyid(stranger), "sig": sign(stranger, payload, server.dir).hex()})
    assert detail(answer, 422).startswith("V10: key ")
    root = next((server.dir / "keys").glob("root-1*.pem"))
    answer = server.operator("POST", path, json={
        "keyid": keyid(root), "sig": sign(root, payload, server.dir).hex()})
    assert answer.status == 422
    assert server.operator("POST", path, json={"keyid": keyid(key)}).status == 400
    assert server.operator("GET", path.removesuffix("/signatures")).json()["signatures"] == []


def test_a_second_release_counts_on_and_a_withdrawn_one_is_gone(server):
    server.publish("1.0", security_version=3, security_floor=2)
    server.publish("1.1")
    newer = server.operator("GET", "/api/v1/releases/gw:1.1").json()
    assert (newer["security_version"], newer["security_floor"], newer["release_counter"]) == (3, 2, 2)
    assert newer["metadata_version"] == 2

    document = json.loads(server.operator("GET", "/api/v1/tuf/product-gw").body)["signed"]
    document["version"] += 1
    for path in [path for path in document["targets"] if path.startswith("gw/1.0/")]:
        del document["targets"][path]
    draft = server.operator("POST", "/api/v1/tuf/drafts", json={"role": "product-gw", "signed": document})
    assert draft.status == 201, draft
    done = server.sign_and_publish(draft.json()["id"])
    assert done["withdrawn"] == ["gw:1.0"] and done["releases"] == []
    states = {item["id"]: item["state"] for item in server.operator("GET", "/api/v1/releases").json()["items"]}
    assert states == {"gw:1.0": "withdrawn", "gw:1.1": "published"}
    listed = server.operator("GET", "/api/v1/releases?state=withdrawn&product=gw").json()
    assert [item["id"] for item in listed["items"]] == ["gw:1.0"]
    first = server.operator("GET", "/api/v1/releases?limit=1").json()
    assert [item["id"] for item in first["items"]] == ["gw:1.0"]
    second = server.operator("GET", f"/api/v1/releases?limit=1&after={first['next']}").json()
    assert [item["id"] for item in second["items"]] == ["gw:1.1"]


@pytest.mark.parametrize("change, rule", [
    (lambda d, t: d.update(version=3), "V5: version must be 2"),
    (lambda d, t: d.update(version=1), "V5: version must be 2"),
    (lambda d, t: d.update(expires="2020-01-01T00:00:00Z"), "V6: expires must be in the future"),
    (lambda d, t: d.update(expires="2126-01-01T00:00:00Z"), "V6: expires more than 180 days ahead"),
    (lambda d, t: d.update(_type="root"), "V3: "),
    (lambda d, t: d.update(spec_version="2.0"), "V4: "),
    (lambda d, t: d.update(delegations={}), "V14: "),
    (lambda d, t: d.update(x=1.5), "V2: numbers must be integers"),
    (lambda d, t: d["targets"].update({"door/1/a": t}), "V15: door/1/a does not lie under gw/"),
    (lambda d, t: t["hashes"].update(sha256="0" * 64), "V18: "),
    (lambda d, t: t["custom"]["ota"].update(release_counter=9), "V17: "),
    (lambda d, t: t["custom"]["ota"].update(hardware_ids=["g"] * 65), "V17: \"hardware_ids\" has 1 to 64 names"),
    (lambda d, t: t["custom"]["ota"].update(security_floor=5), "V17: \"security_floor\" is above security_version"),
])
def test_a_draft_that_breaks_a_rule_is_not_made(published_server, change, rule):
    document = json.loads(published_server.operator("GET", "/api/v1/tuf/product-gw").body)["signed"]
    document["version"] = 2
    change(document, document["targets"]["gw/1.0/image.bin"])
    answer = published_server.operator("POST", "/api/v1/tuf/drafts", json={
        "role": "product-gw", "signed": document})
    assert detail(answer, 422).startswith(rule), answer


@pytest.fixture(scope="module")
def published_server(shared_server):
    if shared_server.operator("GET", "/api/v1/tuf/product-gw").status == 404:
        shared_server.publish("1.0")
    return shared_server


def test_the_first_root_stays(published_server):
    root = published_server.operator("GET", "/api/v1/tuf/root").body
    answer = published_server.operator("POST", "/api/v1/tuf/root", body=root,
                                       headers={"Content-Type": "application/json"})
    assert answer.status == 409, answer
    assert json.loads(root)["signed"]["version"] == 1


def test_a_draft_can_be_deleted(published_server):
    draft = draft_release(published_server, "7.0")
    path = f"/api/v1/tuf/drafts/{draft['id']}"
    assert draft["id"] in [item["id"] for item in
                           published_server.operator("GET", "/api/v1/tuf/drafts").json()["items"]]
    assert published_server.operator("DELETE", path).status == 204
    assert published_server.operator("GET", path).status == 404


@pytest.mark.parametrize("change, status", [
    ({"product": "door"}, 404), ({"artifact": "0" * 64}, 404), ({"artifact": "x"}, 400),
    ({"version": "../1"}, 400), ({"hardware_ids": []}, 422), ({"severity": "urgent"}, 422),
    ({"version": "1.0"}, 409), ({"colour": "blue"}, 400),
])
def test_impossible_releases_are_not_drafted(published_server, change, status):
    artifact = published_server.upload(b"some bytes of an image" * 100)
    wish = {"product": "gw", "version": "8.0", "file": "image.bin", "artifact": artifact["sha256"],
            "hardware_ids": ["gw"], **change}
    answer = published_server.operator("POST", "/api/v1/releases/draft", json=wish)
    assert answer.status == status, answer


def test_a_release_of_several_files_is_one_draft(server):
    server.publish("1.0", security_version=3)
    boot, root = (server.upload(os.urandom(size)) for size in (70_000, 150_000))
    made = server.operator("POST", "/api/v1/releases/draft", json={
        "product": "gw", "version": "2.0", "hardware_ids": ["gw"], "severity": "bugfix", "files": [
            {"file": "root.img", "artifact": root["sha256"]},
            {"file": "root.zck", "artifact": boot["sha256"]},
            {"file": "boot.img", "artifact": boot["sha256"], "component": "boot", "hardware_ids": ["gw-a", "gw-b"],
             "security_version": 7}]})
    assert made.status == 201, made
    targets = json.loads(payload_of(server, made.json()))["targets"]
    files = ["boot.img", "root.img", "root.zck"]
    assert sorted(path for path in targets if path.startswith("gw/2.0/")) == sorted(
        f"gw/2.0/{file}{end}" for file in files for end in ("", ".chunks"))
    assert targets["gw/2.0/boot.img.chunks"]["hashes"]["sha256"] == boot["chunks"]["sha256"]
    told = [targets[f"gw/2.0/{file}"]["custom"]["ota"] for file in files]
    assert [(ota["component"], ota["hardware_ids"], ota["security_version"], ota["release_counter"], ota["severity"])
            for ota in told] == [("boot", ["gw-a", "gw-b"], 7, 1, "bugfix"), ("app", ["gw"], 3, 2, "bugfix"),
                                 ("app", ["gw"], 3, 2, "bugfix")]
    assert server.sign_and_publish(made.json()["id"])["releases"] == ["gw:2.0"]
    shown = server.operator("GET", "/api/v1/releases/gw:2.0").json()
    assert sorted(target["file"] for target in shown["targets"]) == files


OTHER = "files[1]."


@pytest.mark.parametrize("body, second, status, field", [
    ({}, {"artifact": "x"}, 400, OTHER + "artifact"), ({}, {"artifact": None}, 400, OTHER + "artifact"),
    ({}, {"artifact": "0" * 64}, 404, OTHER + "artifact"), ({}, {"file": "../x"}, 400, OTHER + "file"),
    ({}, {"file": "a.img"}, 400, OTHER + "file"), ({}, {"file": "a.img.chunks"}, 409, OTHER + "file"),
    ({}, {"component": "Boot"}, 400, OTHER + "component"), ({}, {"colour": "blue"}, 400, OTHER + "colour"),
    ({}, {"hardware_ids": []}, 422, OTHER + "hardware_ids"), ({}, {"severity": "bugfix"}, 400, OTHER + "severity"),
    ({}, {"security_version": -1}, 400, OTHER + "security_version"),
    ({}, {"security_version": 1, "security_floor": 2}, 422, OTHER + "security_floor"),
    ({"hardware_ids": None}, {}, 400, "files[0].hardware_ids"), ({"hardware_ids": []}, {}, 422, "hardware_ids"),
    ({"severity": "urgent"}, {}, 422, "severity"), ({"notes": {"text": 1}}, {}, 422, "text"),
    ({"file": "c.img"}, {}, 400, "file"), ({"plain_sha256": "a" * 64}, {}, 400, "plain_sha256"),
    ({"files": []}, {}, 400, "files"), ({"files": [{}] * 33}, {}, 400, "files"), ({"files": [1]}, {}, 400, "files[0]"),
    ({"files": {}}, {}, 400, "files"),
])
def test_the_file_and_member_at_fault_are_named(published_server, body, second, status, field):
    artifact = published_server.upload(b"some bytes of an image" * 100)["sha256"]
    wish = {"product": "gw", "version": "8.0", "hardware_ids": ["gw"], "files": [
        {"file": "a.img", "artifact": artifact}, {"file": "b.img", "artifact": artifact, **second}], **body}
    wish = {name: value for name, value in wish.items() if value is not None}
    answer = published_server.operator("POST", "/api/v1/releases/draft", json=wish)
    assert (answer.status, answer.json().get("field")) == (status, field), answer
    if "." in field:
        assert answer.json()["detail"].startswith(field.split(".")[0] + ": ")


def test_an_encrypted_release_says_what_devices_need(published_server):
    header, data = encrypted(9_000)
    artifact = published_server.upload(data, encoding="aes128gcm")
    wish = {"product": "gw", "version": "9.0", "file": "image.enc", "artifact": artifact["sha256"],
            "hardware_ids": ["gw"]}
    assert "plain_sha256" in detail(published_server.operator("POST", "/api/v1/releases/draft", json=wish), 400)
    made = published_server.operator("POST", "/api/v1/releases/draft", json={**wish, "plain_sha256": "a" * 64})
    assert made.status == 201, made
    ota = json.loads(payload_of(published_server, made.json()))["targets"]["gw/9.0/image.enc"]["custom"]["ota"]
    assert ota["enc"] == {"kid": KID, "header": header.hex()}
    assert ota["plain"] == {"length": 9_000, "sha256": "a" * 64}
    published_server.operator("DELETE", f"/api/v1/tuf/drafts/{made.json()['id']}")


# -- two at once, and what is on disk --

def test_of_two_publications_at_once_one_wins(server):
    drafts = [draft_release(server, version) for version in ("1.0", "1.1")]
    for draft in drafts:
        payload = payload_of(server, draft)
        for key in product_keys(server)[:2]:
            assert server.operator("POST", f"/api/v1/tuf/drafts/{draft['id']}/signatures", json={
                "keyid": keyid(key), "sig": sign(key, payload, server.dir).hex()}).status == 201
    answers = []
    threads = [threading.Thread(target=lambda draft=draft: answers.append(
        server.operator("POST", f"/api/v1/tuf/drafts/{draft['id']}/publish"))) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200, 422], answers
    loser = next(answer for answer in answers if answer.status == 422)
    assert loser.json()["detail"] == "V5: version must be 2"
    assert len(server.operator("GET", "/api/v1/releases").json()["items"]) == 1


def test_an_altered_image_is_not_published(server):
    data = os.urandom(100_000)
    draft = draft_release(server, "1.0", data)
    payload = payload_of(server, draft)
    for key in product_keys(server)[:2]:
        server.operator("POST", f"/api/v1/tuf/drafts/{draft['id']}/signatures", json={
            "keyid": keyid(key), "sig": sign(key, payload, server.dir).hex()})
    name = hashlib.sha256(data).hexdigest()
    blob = server.dir / "state" / "blobs" / name[:2] / name
    blob.chmod(0o600)
    with open(blob, "r+b") as file:
        file.seek(50_000)
        file.write(bytes([data[50_000] ^ 1]))
    answer = server.operator("POST", f"/api/v1/tuf/drafts/{draft['id']}/publish")
    assert detail(answer, 422) == "V16: gw/1.0/image.bin: the stored image has changed"
    assert server.operator("GET", "/api/v1/releases").json()["items"] == []


def test_altered_metadata_stops_the_start(server):
    server.publish("1.0")
    server.stop()
    subprocess.run(["sqlite3", str(next((server.dir / "state").glob("*.db"))),
                    "UPDATE metadata SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"version\":1', "
                    "'\"version\":2') AS BLOB) WHERE role = 'product-gw'"], check=True)
    with pytest.raises(RuntimeError, match="stored product-gw version 1"):
        server.start()
