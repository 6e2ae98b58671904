"""Reads ddi_conformance.txt and does what it says: one case per row, over real TLS."""
import hashlib
import json
import os
import pathlib
import re
import time
import urllib.parse

import pytest

from conftest import Client, Response, Server, tls_context, wait_for

TABLE = pathlib.Path(__file__).with_name("ddi_conformance.txt")
API = "/api/v1"
IMAGE = os.urandom(150_000)
PRODUCT, VERSION = "gw", "1.1"
# What rows need and would not be read with pleasure.
CONSTANTS = {
    "long": "x" * 257, "name128": "n" * 128, "name129": "n" * 129,
    "attributes101": json.dumps({"data": {f"k{i}": "v" for i in range(101)}}),
    "messages60": json.dumps([f"message {i}" for i in range(60)]),
    "message600": "m" * 600, "message100000": "m" * 100_000,
    "size": str(len(IMAGE)), "last": str(len(IMAGE) - 1), "product": PRODUCT, "version": VERSION,
    **{name: hashlib.new(name, IMAGE).hexdigest() for name in ("sha1", "md5", "sha256")},
}


# -- the table --

class Row:
    """A statement, and marked lines that show whether it is true."""
    MARK = re.compile(r"(given|[><=*~]) (.*)")

    def __init__(self, block):
        first, *rest = block
        self.number, self.statement = first.split(None, 1)
        self.lines = []
        for line in map(str.strip, rest):
            if found := self.MARK.fullmatch(line):
                self.lines.append(list(found.groups()))
            elif self.lines:
                self.lines[-1][1] += " " + line
            else:
                self.statement += " " + line


def rows_of(text):
    blocks = (block.splitlines() for block in re.split(r"\n\s*\n", text))
    return [Row(block) for block in blocks if re.match(r"\d+\.\d+ ", block[0])]


ROWS = rows_of(TABLE.read_text())


# -- shapes --

BARE = re.compile(r"([:\[,]\s*)(any|absent|string|integer)(?=\s*[,}\]])")
TYPES = {"any": object, "string": str, "integer": int}


def shape_of(text):
    """JSON, but for a few bare words in the place of values."""
    return json.loads(BARE.sub(r'\1"\\u0001\2"', text))


class Shapes:
    """Compares answers with what the table shows of them; $name stands for what is known."""

    def __init__(self, known):
        self.known = known

    def fill(self, text, literal=str):
        return re.sub(r"\$([a-z]+\d*)", lambda found: literal(str(self.known[found.group(1)])), text)

    def differs(self, shape, value, at="it"):
        """None, or where and how."""
        if isinstance(shape, dict):
            return self.object_differs(shape, value, at)
        if isinstance(shape, list):
            if not isinstance(value, list) or len(value) != len(shape):
                return f"{at} is {value!r}, not a list of {len(shape)}"
            return next(filter(None, (self.differs(s, v, f"{at}[{i}]")
                                      for i, (s, v) in enumerate(zip(shape, value)))), None)
        if isinstance(shape, str):
            return self.text_differs(shape, value, at)
        return None if type(shape) is type(value) and shape == value else f"{at} is {value!r}, not {shape!r}"

    def object_differs(self, shape, value, at):
        if not isinstance(value, dict):
            return f"{at} is {value!r}, not an object"
        if "*" in shape and set(value) - set(shape):
            return f"{at} has {sorted(set(value) - set(shape))} as well"
        for name, inner in shape.items():
            if inner == "\x01absent":
                if name in value:
                    return f"{at} has {name}: {value[name]!r}"
            elif name not in value:
                return f"{at} has no {name}: {value!r}"
            elif found := self.differs(inner, value[name], f"{at}.{name}"):
                return found
        return None

    def text_differs(self, shape, value, at):
        if shape.startswith("\x01"):
            kind = TYPES[shape[1:]]
            return None if isinstance(value, kind) and not (kind is int and value is True) else f"{at} is {value!r}"
        if capture := re.fullmatch(r"<([a-z]+)>", shape):
            self.known[capture.group(1)] = value
            return None
        if not isinstance(value, str):
            return f"{at} is {value!r}, not a string"
        if len(shape) > 1 and shape[0] == shape[-1] == "/":
            return None if re.fullmatch(self.fill(shape[1:-1], re.escape), value) else f"{at} is {value!r}, not {shape}"
        return None if value == self.fill(shape) else f"{at} is {value!r}, not {self.fill(shape)!r}"


# -- the ground --

class Ground:
    """A daemon with all its doors, one release, and devices nobody has used yet."""

    def __init__(self, folder, installation, settings):
        self.server = Server(folder, {"token.listen": "127.0.0.1:0", "proxy.listen": "127.0.0.1:0",
                                      "proxy.trusted": "127.0.0.0/8 ::1", "device.enrolment": "auto", **settings}, installation).start()
        self.ports = json.loads((self.server.dir / "state" / "ports.json").read_text())
        self.plain = tls_context(self.server.dir / "pki" / "server-ca.crt")
        self.server.publish(VERSION, IMAGE)
        self.devices, self.batches = [], 0

    def new_device(self):
        if not self.devices:
            self.batches += 1
            self.devices = self.server.new_devices(32, f"conform-{self.batches}-")
        return self.devices.pop()


@pytest.fixture(scope="module")
def grounds(installation, tmp_path_factory):
    """grounds(**settings): a ground, made once for all rows that ask for the same."""
    made = {}

    def ground(**settings):
        key = json.dumps(settings, sort_keys=True)
        if key not in made:
            made[key] = Ground(tmp_path_factory.mktemp("ddi") / "server", installation, settings)
        return made[key]

    yield ground
    for one in made.values():
        one.server.stop()
        print(f"--- log ---\n{one.server.log()[-8000:]}")


def window(opens_in, length):
    """To be installed at those hours only."""
    start = time.gmtime(time.time() + opens_in)
    return {"zone": "Etc/UTC", "install_windows": [{"start": time.strftime("%H:%M", start), "length": length}]}


class Play:
    """One row on a ground of its own device."""

    def __init__(self, grounds, row):
        self.grounds, self.ground = grounds, grounds()
        self.known = dict(CONSTANTS)
        self.shapes = Shapes(self.known)
        self.request = self.answer = None
        self.report = None
        self.row = row
        self.take_device()

    def take_device(self):
        self.device = self.ground.new_device()
        self.client = Client(self.device.port, self.device.context)
        self.known.update(id=self.device.id, me=self.device.base, port=self.device.port,
                          base=f"https://localhost:{self.device.port}{self.device.base}")

    def perform(self):
        doing = {"given": self.happen, "*": self.happen, ">": self.ask, "<": self.expect, "=": self.look,
                 "~": lambda text: None}
        for mark, text in self.row.lines:
            doing[mark](text)
        assert self.answer, "the row asks for nothing"

    # -- what others do --

    def happen(self, text):
        for event in text.split(", "):
            name, *words = event.split()
            getattr(self, "event_" + name)(*words)

    def operator(self, method, path, status, **more):
        answer = self.ground.server.operator(method, f"{API}{path}", **more)
        assert answer.status == status, f"{method} {path}: {answer}"
        return answer

    def of_device(self, method, path="", status=200, **more):
        return self.operator(method, f"/devices/{self.device.id}{path}", status, **more)

    def say(self, path, body, method="POST"):
        answer = self.client.request(method, self.device.base + path, json=body)
        assert answer.status == 200, answer

    def move_to(self, **settings):
        self.ground = self.grounds(**settings)
        self.take_device()

    def event_slow(self):
        """Devices poll once a day."""
        self.move_to(**{"device.poll": "86399"})

    def event_brief(self):
        """Few reports are kept."""
        self.move_to(**{"device.reports_max": "10"})

    def event_chatted(self):
        for i in range(12):
            self.feedback("proceeding", "none", f"line {i}")

    def event_suspended(self):
        self.of_device("POST", "/suspend")

    def event_authorities(self):
        """Proxies must name who issued the certificate."""
        self.move_to(**{"proxy.authorities": "aa11 bb22"})

    def event_legacy(self):
        """Proxies use hawkBit's older headers."""
        self.move_to(**{"proxy.header": "X-Ssl-Client-Cn"})

    def event_distrusted(self):
        """The proxies to be trusted are elsewhere."""
        self.move_to(**{"proxy.trusted": "192.0.2.0/24"})

    def event_announcing(self):
        self.of_device("PATCH", json={"announce": True})

    def event_silent(self):
        self.of_device("PATCH", json={"announce": False})

    def event_told(self):
        self.say("/configData", {"data": {"a": "b"}}, "PUT")

    def event_pinned(self, terms):
        """Assigned, and perhaps not offered yet."""
        self.of_device("PUT", "/pin", json={"release": f"{PRODUCT}:{VERSION}", "reason": "conformance", **{
            "forced": {}, "optional": {"install": "optional"}, "prestage": {"install": "prestage"},
            "consent": {"consent": True}, "open": window(-3600, "2h"), "closed": window(3600, "1h")}[terms]})

    def event_shown(self):
        wait_for(lambda: {"deploymentBase", "confirmationBase"} & set(
            self.client.request("GET", self.device.base).json().get("_links", {})), what="an action")

    def event_offered(self, terms="forced"):
        """A deployment of the one release; what leads to it is known afterwards."""
        self.event_pinned(terms)
        name = "confirmationBase" if terms == "consent" else "deploymentBase"
        link = wait_for(lambda: self.client.request("GET", self.device.base).json().get("_links", {}).get(name),
                        what=f"{name} of {self.device.id}")["href"]
        self.known.update(link=link, action=re.search(name + r"/(\d+)", link).group(1))
        document = self.client.request("GET", self.path_of(link)).json()
        chunk, = document[name.removesuffix("Base")]["chunks"]
        artifact = chunk["artifacts"][0]["_links"]["download"]["href"]
        module = artifact.rsplit("/", 2)[0]
        self.known.update(artifact=artifact, module=module, number=module.rsplit("/", 1)[1])

    def event_another(self):
        """From here on another device asks."""
        self.take_device()

    def event_fetched(self):
        assert self.client.request("GET", self.path_of(self.known["artifact"])).body == IMAGE

    def feedback(self, execution, finished, *details, resource="deploymentBase"):
        self.say(f"/{resource}/{self.known['action']}/feedback", {"status": {
            "execution": execution, "result": {"finished": finished}, "details": list(details)}})

    def event_begun(self):
        self.feedback("download", "none", "begun")

    def event_failed(self):
        self.feedback("closed", "failure", "it did not work")

    def event_succeeded(self):
        self.feedback("closed", "success", "it did")

    def event_proven(self):
        """It runs the release, and was restarted in between."""
        self.say("/configData", {"data": {"otad.version": VERSION, "otad.boot_id": "after"}}, "PUT")
        wait_for(lambda: self.of_device("GET").json()["version"] == VERSION and self.settled("confirmed"),
                 what="the deployment to be confirmed")

    def settled(self, state):
        self.client.request("GET", self.device.base)
        return self.deployment()["state"] == state

    def deployment(self):
        return self.of_device("GET", f"/deployments/{self.known['action']}").json()

    def cancel(self, **more):
        self.of_device("POST", f"/deployments/{self.known['action']}/cancel", json={"reason": "conformance", **more})

    def event_cancelled(self):
        self.cancel()

    def event_stopped(self):
        """Cancelled at once, whatever the device says."""
        self.cancel(force=True)

    def event_agreed(self):
        self.say(f"/confirmationBase/{self.known['action']}/feedback", {"confirmation": "confirmed"})

    def event_reported(self):
        """The operator reads the latest report."""
        answer = self.of_device("GET", f"/deployments/{self.known['action']}/reports")
        self.report = answer.json()["items"][0]["told"]

    def event_lost(self):
        """The image is gone from the server's disk; on a ground that others do not need."""
        name = CONSTANTS["sha256"]
        (self.ground.server.dir / "state" / "blobs" / name[:2] / name).unlink()

    def event_alone(self):
        self.move_to(**{"device.poll": "3"})

    def door(self, listener, **headers):
        self.client = Client(self.ground.ports[listener], self.ground.plain, headers=headers)
        self.known["port"] = self.ground.ports[listener]

    def event_token(self):
        """A device with a secret of its own and without a certificate, at the door for those."""
        self.known.update(id=f"token-{self.row.number}", me=f"/DEFAULT/controller/v1/token-{self.row.number}")
        self.operator("POST", "/devices", 201, json={"id": self.known["id"], "model": "gw"})
        answer = self.operator("POST", f"/devices/{self.known['id']}/token", 200)
        self.known["token"] = answer.json()["token"]
        self.door("token")

    def event_gateway(self):
        answer = self.operator("POST", "/device-authentication/gateway-token", 200)
        self.known.update(gateway=answer.json()["token"], me=f"/DEFAULT/controller/v1/gateway-{self.row.number}")
        self.door("token")

    def event_tokens(self, word):
        self.operator("PATCH", "/device-authentication", 200, json={"target_tokens": word == "on"})

    def event_proxy(self):
        self.known.update(id=f"proxied-{self.row.number}", me=f"/DEFAULT/controller/v1/proxied-{self.row.number}")
        self.operator("POST", "/devices", 201, json={"id": self.known["id"], "model": "gw"})
        self.door("proxy")

    # -- requests and answers --

    @staticmethod
    def path_of(url):
        parts = urllib.parse.urlsplit(url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def ask(self, text):
        text = self.shapes.fill(text)
        if found := re.fullmatch(r"([A-Z]+) (\S+)", text):
            assert not self.request, f"nothing is said of the answer to {self.request}"
            self.request = {"method": found.group(1), "path": self.path_of(found.group(2)), "headers": [], "body": None}
        elif found := re.fullmatch(r"([A-Za-z0-9-]+):\s*(.*)", text):
            self.request["headers"].append(found.groups())
        else:
            self.request["body"] = text.encode()

    def send(self):
        request, self.request = self.request, None
        names = {name.lower() for name, _ in request["headers"]}
        headers = [*self.client.headers.items(), *request["headers"]]
        if request["body"] is not None:
            headers.append(("Content-Length", str(len(request["body"]))))
            if "content-type" not in names:
                headers.append(("Content-Type", "application/json"))
        elif request["method"] in ("POST", "PUT"):
            headers.append(("Content-Length", "0"))
        connection = self.client.connection()
        connection.putrequest(request["method"], request["path"], skip_accept_encoding=True, skip_host="host" in names)
        for name, value in headers:
            if value != "none":
                connection.putheader(name, value)
        connection.endheaders(request["body"])
        answer = connection.getresponse()
        self.answer = Response(answer.status, answer.headers, answer.read())
        connection.close()
        self.check_frame()

    def check_frame(self):
        """What holds for every answer: it tells its length."""
        assert "Transfer-Encoding" not in self.answer.headers
        assert self.answer.status == 304 or "Content-Length" in self.answer.headers

    def expect(self, text):
        if self.request:
            self.send()
        if text.isdigit():
            assert self.answer.status == int(text), self.answer
        elif text == "empty":
            assert self.answer.body == b"" and self.answer.headers.get("Content-Length", "0") == "0", self.answer
        elif text.startswith(("{", "[")):
            found = self.shapes.differs(shape_of(text), self.answer.json())
            assert not found, found
        elif text.startswith("text "):
            assert self.answer.body.decode() == self.shapes.fill(text[5:])
        elif found := re.fullmatch(r"bytes (\d+)-(\d*)", self.shapes.fill(text)):
            first, last = int(found.group(1)), int(found.group(2) or len(IMAGE) - 1)
            assert self.answer.body == IMAGE[first:last + 1]
        elif text == "no bytes":
            assert self.answer.body == b""
        elif found := re.fullmatch(r"([A-Za-z0-9-]+): (.*)", text):
            self.expect_header(*found.groups())
        else:
            raise ValueError(f"what is {text!r}?")

    def expect_header(self, name, shape):
        value = self.answer.headers.get(name)
        if shape == "absent":
            assert value is None, f"{name}: {value}"
        else:
            found = self.shapes.text_differs(shape, value, name)
            assert not found, found

    def look(self, text):
        """What the operator sees of the device and of its deployment."""
        seen = self.of_device("GET").json()
        seen["report"] = self.report
        seen["deployment"] = self.deployment() if "action" in self.known else None
        found = self.shapes.differs(shape_of(text), seen)
        assert not found, found


# -- the cases --

@pytest.mark.parametrize("shape, value", [
    ('{"a": any}', {}), ('{"a": absent}', {"a": None}), ('{"a": string}', {"a": 1}), ('{"a": integer}', {"a": True}),
    ('{"a": "x$id"}', {"a": "x$id"}), ('{"a": "/[0-9]+/"}', {"a": "12 "}), ('{"a": "/$id/"}', {"a": "d-5"}),
    ('{"a": 1, "*": absent}', {"a": 1, "b": 2}), ('{"a": [any]}', {"a": []}), ('[{"a": 1}]', [{"a": 2}]),
    ('{"a": true}', {"a": 1}), ('{"a": {}}', {"a": "{}"}), ('{"a": "<b>", "c": "$b"}', {"a": "x", "c": "y"}),
])
def test_what_differs_is_found(shape, value):
    assert Shapes({"id": "d.5"}).differs(shape_of(shape), value)


def test_what_fits_is_no_difference():
    shape = shape_of('{"a": any, "b": absent, "c": [string, integer, "x$id", "/$id+/"], "d": {"e": null, "*": absent}}')
    value = {"a": None, "c": ["s", 7, "xd.5", "d.55"], "d": {"e": None}, "f": 1}
    assert Shapes({"id": "d.5"}).differs(shape, value) is None


def test_the_table_counts_its_rows():
    numbers = [tuple(map(int, row.number.split("."))) for row in ROWS]
    assert numbers == sorted(set(numbers)) and len(numbers) > 100
    assert {section for section, _ in numbers} == set(range(1, 9))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_ddi(grounds, row):
    play = Play(grounds, row)
    play.perform()
    assert not play.request, "nothing is said of the last answer"
