"""Request heads that must not get through: each is answered once, and nothing after it runs."""
import re
import ssl

import pytest

ORIGIN = b"Host: localhost\r\n"
POLL = b"GET /DEFAULT/controller/v1/head-1 HTTP/1.1\r\n"
SECOND = b"GET /DEFAULT/controller/v1/head-1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def device(shared_server):
    return shared_server.new_device("head-1")


def statuses(answer):
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


CUT = 0  # no answer, and the connection is over
REFUSED = [
    ("two content lengths", b"PUT /DEFAULT/controller/v1/head-1/configData HTTP/1.1\r\n" + ORIGIN +
     b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}", {400}),
    ("length and chunked", b"PUT /DEFAULT/controller/v1/head-1/configData HTTP/1.1\r\n" + ORIGIN +
     b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    ("a blank before the colon", POLL + ORIGIN + b"Content-Length : 35\r\n\r\n", {400}),
    ("two hosts", POLL + ORIGIN + b"Host: evil\r\n\r\n", {400}),
    ("no host", POLL + b"\r\n", {400}),
    ("a foreign host", POLL + b"Host: evil.example\r\n\r\n", {421, 400}),
    ("an unknown method", b"BREW /DEFAULT/controller/v1/head-1 HTTP/1.1\r\n" + ORIGIN + b"\r\n", {400, 405, 501}),
    ("a lower-case method", b"get /DEFAULT/controller/v1/head-1 HTTP/1.1\r\n" + ORIGIN + b"\r\n", {400, 405, 501}),
    ("TRACE", b"TRACE / HTTP/1.1\r\n" + ORIGIN + b"\r\n", {400, 405, 501}),
    ("an encoded NUL", b"GET /DEFAULT/controller/v1/head-1%00 HTTP/1.1\r\n" + ORIGIN + b"\r\n", {400}),
    ("dot segments", b"GET /DEFAULT/../controller/v1/head-1 HTTP/1.1\r\n" + ORIGIN + b"\r\n", {400}),
    ("encoded dot segments", b"GET /DEFAULT/%2e%2e/v1/head-1 HTTP/1.1\r\n" + ORIGIN + b"\r\n", {400}),
    ("an empty segment", b"GET /DEFAULT//controller/v1/head-1 HTTP/1.1\r\n" + ORIGIN + b"\r\n", {400, 404}),
    ("an absolute URI", b"GET https://localhost/DEFAULT/controller/v1/head-1 HTTP/1.1\r\n" + ORIGIN + b"\r\n", {400}),
    ("a GET with a body", POLL + ORIGIN + b"Content-Length: 5\r\n\r\nhello", {400}),
    ("an unknown expectation", b"PUT /DEFAULT/controller/v1/head-1/configData HTTP/1.1\r\n" + ORIGIN +
     b"Content-Length: 2\r\nExpect: magic\r\n\r\n{}", {417}),
    ("two ranges headers", b"GET /DEFAULT/controller/v1/head-1/softwaremodules/1/artifacts/x HTTP/1.1\r\n" + ORIGIN +
     b"Range: bytes=0-1\r\nRange: bytes=3-4\r\n\r\n", {400}),
    # Closed with bytes unread, the answer may be lost on its way: CUT is as safe.
    ("a huge path", b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\n" + ORIGIN + b"\r\n", {400, 414, 431, CUT}),
    ("a huge header", POLL + ORIGIN + b"X: " + b"a" * 60000 + b"\r\n\r\n", {400, 431, CUT}),
    ("thousands of headers", POLL + ORIGIN + b"X: a\r\n" * 5000 + b"\r\n", {400, 431, CUT}),
]


@pytest.mark.parametrize("name,head,expected", REFUSED, ids=[row[0] for row in REFUSED])
def test_it_is_refused_and_nothing_after_it_runs(device, name, head, expected):
    answer = device.raw(head + SECOND)
    told = statuses(answer) or [CUT]
    assert len(told) == 1, answer
    assert told[0] in expected, answer
    assert b"Server:" not in answer
    assert device.ddi("GET").status == 200


def test_pipelined_requests_are_answered_in_order(device):
    one = POLL + ORIGIN + b"\r\n"
    assert statuses(device.raw(one * 20 + SECOND)) == [200] * 21


def test_a_body_of_no_length_is_asked_for_its_length(device):
    answer = device.raw(b"POST /v1/device/status HTTP/1.1\r\n" + ORIGIN + b"Content-Type: application/json\r\n\r\n" + SECOND)
    # Without length and encoding there is no body (RFC 9112 section 6.3), so what follows is a request.
    assert statuses(answer) == [411, 200]


def test_head_is_get_without_a_body(device):
    answer = device.raw(b"HEAD /DEFAULT/controller/v1/head-1 HTTP/1.1\r\n" + ORIGIN + b"Connection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert statuses(answer) == [200] and body == b""
    assert b"ontent-Length:" in head


def test_a_slow_head_is_cut(start_server):
    server = start_server(http_header_timeout="2")
    device = server.new_device("slow-1")
    got = device.raw(b"GET /DEFAULT/controller/v1/slow-1 HTTP/1.1\r\nHo", timeout=30)
    assert b" 200 " not in got


def test_wrong_methods_name_the_right_ones(device):
    answer = device.request("DELETE", "/DEFAULT/controller/v1/head-1")
    assert answer.status == 405 and "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("body,headers,expected", [
    (b"{}", {"Content-Type": "text/plain"}, 415),
    (b"{", {"Content-Type": "application/json"}, 400),
    (b'{"data":{"a":"b"},"data":{}}', {"Content-Type": "application/json"}, 400),
    (b"[" * 3000, {"Content-Type": "application/json"}, 400),
    (b'"' + b"x" * 2_000_000 + b'"', {"Content-Type": "application/json"}, 413),
    (b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
], ids=["no JSON type", "broken", "twice a key", "deep", "large", "compressed"])
def test_bad_bodies_get_a_clear_answer(device, body, headers, expected):
    try:
        answer = device.ddi("PUT", "/configData", body=body, headers=headers)
    except (ConnectionError, ssl.SSLError):
        assert expected == 413  # refused before it was sent whole
        return
    assert answer.status == expected, answer
    if answer.body:
        assert "exceptionClass" in answer.json()
