"""The operator's view of devices: records, lists, import, timeline."""
import json
import urllib.parse

import pytest

from conftest import wait_for


def get(server, path):
    answer = server.operator("GET", path)
    assert answer.status == 200, answer
    return answer.json()


def post(server, path, status=201, **body):
    answer = server.operator("POST", path, json=body)
    assert answer.status == status, answer
    return answer.json()


def import_csv(server, text):
    return server.operator("POST", "/api/v1/devices:import", body=text.encode(),
                           headers={"Content-Type": "text/csv"})


# -- records --

def test_a_device_is_made_read_and_changed(shared_server):
    made = post(shared_server, "/api/v1/devices", id="made-1", model="gw", site="berlin", tags=["b", "a"])
    assert made["state"] == "registered" and made["tags"] == ["a", "b"]
    assert made["seen_at"] is None and made["uptime"] is None and made["deployment"] is None
    changed = shared_server.operator("PATCH", "/api/v1/devices/made-1", json={"model": "gw2", "tags": []})
    assert changed.status == 200
    read = get(shared_server, "/api/v1/devices/made-1")
    assert (read["model"], read["site"], read["tags"]) == ("gw2", "berlin", [])


def test_an_id_is_given_once(shared_server):
    post(shared_server, "/api/v1/devices", id="once")
    assert post(shared_server, "/api/v1/devices", 409, id="once")["type"].endswith("already-exists")


@pytest.mark.parametrize("body", [
    {}, {"id": ""}, {"id": "../../x"}, {"id": "a" * 65}, {"id": "ü"}, {"id": 5}, {"id": "x", "model": "a b"},
    {"id": "x", "state": "revoked"}, {"id": "x", "tags": ["a b"]}, {"id": "x", "tags": "a"},
    {"id": "x", "colour": "red"}, {"id": "x", "fingerprint": "ab"}, {"id": "x", "site": "'; DROP TABLE device;--"},
])
def test_what_breaks_a_rule_is_400(shared_server, body):
    assert shared_server.operator("POST", "/api/v1/devices", json=body).status == 400


def test_a_certificate_can_be_added_as_pem_and_belongs_to_one_device(shared_server):
    device = shared_server.new_device("pem-1")
    pem = (device.folder / "device.crt").read_text()
    post(shared_server, "/api/v1/devices", id="pem-2")
    path = "/api/v1/devices/pem-2/certificates"
    post(shared_server, path, 409, certificate_pem=pem)
    post(shared_server, path, 422, certificate_pem="-----BEGIN NOTHING-----")
    post(shared_server, path, 400)
    post(shared_server, path, 201, fingerprint="ab" * 32, not_after="2040-01-01T00:00:00Z")
    known = get(shared_server, "/api/v1/devices/pem-2")["certificates"]
    assert [(c["fingerprint"], c["not_after"]) for c in known] == [("ab" * 32, "2040-01-01T00:00:00Z")]
    assert get(shared_server, "/api/v1/devices/pem-1")["certificates"][0]["fingerprint"] == device.fingerprint


def test_what_is_not_there_is_404(shared_server):
    for path in ("/api/v1/devices/nobody", "/api/v1/devices/nobody/timeline", "/api/v1/devices/nobody/explain"):
        assert shared_server.operator("GET", path).status == 404
    assert shared_server.operator("POST", "/api/v1/devices/nobody/approve").status == 404


def test_a_poll_is_seen(shared_server):
    device = shared_server.new_device("seen-1")
    device.ddi("GET", headers={"User-Agent": "libcurl-agent/1.0"})
    read = get(shared_server, "/api/v1/devices/seen-1")
    assert read["seen_at"] and read["client"]["agent"] == "libcurl-agent/1.0"
    assert read["address"] in ("127.0.0.1", "::1", "::ffff:127.0.0.1")


# -- lists --

def ids(page):
    return [d["id"] for d in page["items"]]


def test_lists_come_in_pages(server):
    for i in range(7):
        post(server, "/api/v1/devices", id=f"l-{i}")
    seen, path = [], "/api/v1/devices?limit=3"
    while path:
        page = get(server, path)
        assert len(page["items"]) <= 3
        seen += ids(page)
        path = page["next"] and f"/api/v1/devices?limit=3&after={page['next']}"
    assert seen == [f"l-{i}" for i in range(7)]
    assert get(server, "/api/v1/devices?limit=7")["next"] is None


def test_lists_are_narrowed_by_state_model_version_tag_and_filter(server):
    post(server, "/api/v1/devices", id="a", model="gw", state="active", tags=["lab"])
    post(server, "/api/v1/devices", id="b", model="gw")
    post(server, "/api/v1/devices", id="c", model="sw", tags=["lab"])
    assert ids(get(server, "/api/v1/devices?state=active")) == ["a"]
    assert ids(get(server, "/api/v1/devices?model=gw")) == ["a", "b"]
    assert ids(get(server, "/api/v1/devices?model=gw&state=registered")) == ["b"]
    assert ids(get(server, "/api/v1/devices?tag=lab")) == ["a", "c"]
    assert ids(get(server, "/api/v1/devices?version=9")) == []
    assert ids(get(server, "/api/v1/devices?filter=model%20%3D%20%22sw%22")) == ["c"]


def test_a_filter_selects_pages_and_counts(server):
    for i in range(9):
        post(server, "/api/v1/devices", id=f"f-{i}", model=["gw", "sw"][i % 2], tags=["lab"] if i > 5 else [])
    chosen = urllib.parse.quote('model = "sw" or tag = lab')
    first = get(server, f"/api/v1/devices?limit=3&filter={chosen}")
    rest = get(server, f"/api/v1/devices?limit=3&filter={chosen}&after={first['next']}")
    assert ids(first) + ids(rest) == ["f-1", "f-3", "f-5", "f-6", "f-7", "f-8"]
    assert rest["next"] is None
    assert get(server, f"/api/v1/devices:count?filter={chosen}") == {
        "count": 6, "by_version": [{"version": "", "count": 6}],
        "by_model": [{"model": "gw", "count": 2}, {"model": "sw", "count": 4}]}
    assert get(server, "/api/v1/devices:count")["count"] == 9
    assert get(server, "/api/v1/devices:count?filter=not%20all") == {"count": 0, "by_version": [], "by_model": []}


def test_a_filter_that_asks_too_much_is_told(shared_server):
    for path in "/api/v1/devices", "/api/v1/devices:count":
        for text in "not " * 33 + "all", "model ==":
            answer = shared_server.operator("GET", f"{path}?filter={urllib.parse.quote(text)}")
            assert answer.status == 422
            assert answer.json()["type"].endswith("bad-filter") and answer.json()["field"] == "filter"
            assert "position" in answer.json()["detail"]


@pytest.mark.parametrize("query, status", [
    ("limit=0", 400), ("limit=-1", 400), ("limit=501", 400), ("limit=x", 400), ("limit=1000000000", 400),
    ("after=..%2Fx", 400), ("after=%27%20OR%201", 400), ("state=asleep", 400), ("filter=%3D%3D", 422),
])
def test_a_malformed_query_is_told(shared_server, query, status):
    assert shared_server.operator("GET", f"/api/v1/devices?{query}").status == status


# -- import --

def test_csv_makes_and_changes_devices(server):
    text = ("id,model,hardware,site,tags,fingerprint,not_after\r\n"
            f"i-1,gw,gw-r2,\"hall-1\",a;b,{'01' * 32},2040-01-01T00:00:00Z\r\n"
            "i-2,gw,,,,,\n\ni-3,gw,,,,,")
    answer = import_csv(server, text)
    assert (answer.status, answer.json()) == (200, {"created": 3, "updated": 0})
    first = get(server, "/api/v1/devices/i-1")
    assert (first["state"], first["hardware"], first["site"], first["tags"]) == \
        ("registered", "gw-r2", "hall-1", ["a", "b"])
    assert import_csv(server, "id,site\ni-1,hall-2\n").json() == {"created": 0, "updated": 1}
    again = get(server, "/api/v1/devices/i-1")
    assert (again["site"], again["tags"], again["model"]) == ("hall-2", ["a", "b"], "gw")


def test_an_imported_device_is_active_from_its_first_contact(server):
    device = server.new_device("to-import")
    fingerprint = device.fingerprint
    server.operator("POST", "/api/v1/devices/to-import/revoke")
    assert device.ddi("GET").status == 403
    text = f"id,fingerprint\nother,{fingerprint}\n"
    answer = import_csv(server, text)
    assert answer.status == 409 and "line 2" in answer.json()["detail"]


@pytest.mark.parametrize("text, line", [
    ("id,model\nok,gw\n../x,gw\n", "line 3"), ("id,model\nok,gw\nok,gw\n", "line 3"), ("model\ngw\n", "line 1"),
    ("id,id\nx,y\n", "line 1"), ("id,colour\nx,red\n", "line 1"), ("id,tags\nx,a b\n", "line 2"),
    ("id,fingerprint\nx,zz\n", "line 2"), ("id,model\nx,\"a\n", "line 2"), ("id,model\n=cmd(),gw\n", "line 2"),
    ("id,fingerprint,not_after\nx," + "02" * 32 + ",soon\n", "line 2"), ("", "line"),
])
def test_a_bad_line_is_named_and_nothing_is_imported(shared_server, text, line):
    before = ids(get(shared_server, "/api/v1/devices?limit=500"))
    answer = import_csv(shared_server, text)
    assert 400 <= answer.status < 500 and line in answer.json()["detail"], answer
    assert ids(get(shared_server, "/api/v1/devices?limit=500")) == before


def test_json_is_taken_as_well(server):
    answer = server.operator("POST", "/api/v1/devices:import", json=[
        {"id": "j-1", "model": "gw", "tags": ["x"]}, {"id": "j-2"}])
    assert (answer.status, answer.json()) == (200, {"created": 2, "updated": 0})
    bad = server.operator("POST", "/api/v1/devices:import", json=[{"id": "j-3"}, {"id": "j-4", "colour": 1}])
    assert bad.status == 400 and "item 2" in bad.json()["detail"]
    assert server.operator("GET", "/api/v1/devices/j-3").status == 404
    assert server.operator("POST", "/api/v1/devices:import", json={"id": "j-5"}).status == 400


def test_a_large_import_does_not_keep_devices_waiting_for_ever(server):
    device = server.new_device("busy")
    rows = "".join(f"many-{i},gw\n" for i in range(20000))
    answer = import_csv(server, "id,model\n" + rows)
    assert (answer.status, answer.json()["created"]) == (200, 20000)
    assert device.ddi("GET").status == 200
    page = get(server, "/api/v1/fleet/versions")
    assert page["total"] == 20001 and {"model": "gw", "version": "", "count": 20001} in page["items"]


# -- what happened --

def test_the_timeline_tells_newest_first_and_in_pages(server):
    post(server, "/api/v1/devices", id="t-1")
    post(server, "/api/v1/devices/t-1/approve", 200)
    post(server, "/api/v1/devices/t-1/suspend", 200, reason="spring cleaning")
    whole = get(server, "/api/v1/devices/t-1/timeline")
    assert [(e["from"], e["to"]) for e in whole["items"]] == [
        ("active", "suspended"), ("registered", "active"), ("", "registered")]
    assert whole["items"][0]["detail"] == "spring cleaning" and whole["next"] is None
    page = get(server, "/api/v1/devices/t-1/timeline?limit=1")
    rest = get(server, f"/api/v1/devices/t-1/timeline?limit=2&before={page['next']}")
    assert page["items"] + rest["items"] == whole["items"]


def test_versions_are_counted(server):
    for i, version in enumerate(["1.0", "1.0", "2.0"]):
        device = server.new_device(f"v-{i}")
        device.ddi("PUT", "/configData", json={"data": {"otad.version": version}})
    counts = {(c["model"], c["version"]): c["count"] for c in get(server, "/api/v1/fleet/versions")["items"]}
    assert counts == {("gw", "1.0"): 2, ("gw", "2.0"): 1}
    wait_for(lambda: get(server, "/api/v1/fleet/versions")["seen_24h"] == 3, what="last-seen to be flushed")
    assert ids(get(server, "/api/v1/devices?version=1.0")) == ["v-0", "v-1"]


def test_explain_answers_in_words(shared_server):
    shared_server.new_device("why")
    assert isinstance(get(shared_server, "/api/v1/devices/why/explain"), dict)
