"""kill -9 at random moments of a campaign, again and again, while hundreds of simulated devices poll, fetch,
install and report, and an operator pauses, resumes, pins, freezes, holds waves and pulls the emergency stop.
After every kill the daemon's database is read before it starts again: what it says of each deployment must
follow from its events, and its counts from both; after every start each decision that was acknowledged must
still be in force.

A sanitized daemon is several times slower: it gets fewer devices and rounds."""
import collections
import random
import shutil
import socket
import sqlite3
import threading
import time

import pytest

from conftest import BUILD, wait_for
from simulated import Fleet
from test_campaigns import CAMPAIGNS

SEED = 20261120
IS_SANITIZED = "asan" in str(BUILD) or "tsan" in str(BUILD)
DEVICES, ROUNDS = (60, 8) if IS_SANITIZED else (500, 50)
# From ready to kill: so many seconds, and so many answered orders, which last longer where all is slower.
LIFE, LEAST_ORDERS = (0.05, 1.5), (0, 8)
STEERED = 8  # so many are pinned and frozen now and then
END_GUARD = 300  # a hang guard
NEVER = {"share": 1, "failures": 100000, "sample": 100000}
PLAN = {"waves": [{"percent": 20, "min_confirmed": 1, "coverage": 0.5},
                  {"percent": 60, "min_confirmed": 1, "coverage": 0.5},
                  {"percent": 100, "min_confirmed": 1, "coverage": 0.9}],
        "pause": NEVER, "abort": NEVER, "strata": {"by": ["version"], "pause": NEVER, "abort": NEVER}}
GONE = "not there"  # of a pin, a freeze, a hold, the stop
OVER = ("finishing", "finished")


class Recorder:
    """An operator who remembers. For each thing there is, `known` holds the states it may be in: one when the
    last order was answered, two when the daemon died over it. What an order says of itself, its token, is the
    reason that the daemon keeps, so that no older order is taken for it."""

    def __init__(self, server, releases, devices):
        self.server, self.waiting, self.devices = server, list(releases), devices
        self.random = random.Random(SEED)
        self.known, self.kept = {}, collections.Counter()  # (audit action, object) of every answered order
        self.campaign, self.orders, self.unanswered = None, 0, 0

    # -- giving orders --

    def order(self, thing, state, method, path, action, body=None):
        """`state` is what the order leads to. Raises OSError when the daemon dies over it."""
        before = self.known.get(thing, {GONE})
        self.known[thing] = before | {state}
        self.unanswered += 1
        answer = self.server.operator(method, path, json=body)
        self.unanswered -= 1
        if answer.status // 100 == 2:
            self.orders += 1
            self.known[thing] = {state}
            self.kept[action, self.object_of(thing, answer)] += 1
        else:
            assert answer.status in (409, 503), f"{method} {path}: {answer}"
            self.known[thing] = before
        return answer

    @staticmethod
    def object_of(thing, answer):
        kind, name = thing[:2]
        if kind == "freeze":
            return answer.json()["id"] if answer.body else name
        return "all" if kind == "stop" else name

    def token(self):
        return f"order {self.random.getrandbits(48):012x}"

    def begin_campaign(self):
        release = self.waiting[0]
        self.known["campaign of", release] = {GONE, "there"}
        made = self.server.operator("POST", CAMPAIGNS, json={
            **PLAN, "release": release, "target": 'model = "gw"', "start": True,
            "expected": {"count": DEVICES, "tolerance": 1}})
        assert made.status == 201, made
        self.adopt(release, made.json()["id"])

    def adopt(self, release, id):
        self.waiting.remove(release)
        self.known["campaign of", release] = {"there"}
        self.known["campaign", id] = {"as started"}
        self.campaign = id

    def toggle_campaign(self):
        token = self.token()
        thing, path = ("campaign", self.campaign), f"{CAMPAIGNS}/{self.campaign}"
        is_paused = any(state.startswith("paused") for state in self.known[thing])
        verb, state = ("resume", "running") if is_paused else ("pause", "paused")
        self.order(thing, f"{state}: {token}", "POST", f"{path}/{verb}", f"campaign.{verb}", {"reason": token})

    def toggle_wave(self):
        token = self.token()
        position = self.random.randint(1, len(PLAN["waves"]))
        thing, path = ("wave", self.campaign, position), f"{CAMPAIGNS}/{self.campaign}/waves/{position}"
        is_held = self.known.get(thing, {GONE}) != {GONE}
        verb, state = ("reopen", GONE) if is_held else ("hold", token)
        self.order(thing, state, "POST", f"{path}/{verb}", f"wave.{verb}", {"reason": token})

    def toggle_pin(self):
        device, token = self.random.choice(self.devices), self.token()
        path = f"/api/v1/devices/{device}/pin"
        if self.known.get(("pin", device), {GONE}) == {GONE}:
            self.order(("pin", device), token, "PUT", path, "device.pin", {"release": None, "reason": token})
        else:
            self.order(("pin", device), GONE, "DELETE", path, "device.unpin")

    def toggle_freeze(self):
        there = [thing for thing, states in self.known.items() if thing[0] == "freeze" and GONE not in states]
        if len(there) < 2:
            token = self.token()
            self.order(("freeze", token), "there", "POST", "/api/v1/freezes", "freeze.create", {
                "reason": token, "until": "2099-01-01T00:00:00Z", "target": f"id = {self.random.choice(self.devices)}"})
            return
        thing = self.random.choice(there)
        id = self.freezes()[thing[1]]
        answer = self.order(thing, GONE, "DELETE", f"/api/v1/freezes/{id}", "freeze.delete")
        if answer.status == 204:
            self.kept["freeze.delete", id] += 1
            del self.kept["freeze.delete", thing[1]]

    def toggle_stop(self):
        token, path = self.token(), "/api/v1/emergency-stop"
        if self.known.get(("stop", ""), {GONE}) == {GONE}:
            self.order(("stop", ""), token, "PUT", path, "emergency.stop", {"reason": token})
        else:
            self.order(("stop", ""), GONE, "DELETE", path, "emergency.lift")

    def give_orders(self, is_to_end):
        """Until the daemon is gone. What stops everybody is taken back at once, or nothing would be updated."""
        try:
            while not is_to_end.is_set():
                if self.campaign is None:
                    self.begin_campaign()
                verb = self.random.choices([self.toggle_campaign, self.toggle_wave, self.toggle_pin,
                                            self.toggle_freeze, self.toggle_stop], [3, 3, 3, 2, 1])[0]
                verb()
                if verb in (self.toggle_campaign, self.toggle_wave, self.toggle_stop):
                    is_to_end.wait(0.02)
                    self.let_go()
                is_to_end.wait(0.1)
        except OSError:
            pass

    def let_go(self):
        """Nine times of ten; else it stands over the next kill."""
        if self.random.random() < 0.1:
            return
        if self.known.get(("stop", ""), {GONE}) != {GONE}:
            self.toggle_stop()
        if any(state.startswith("paused") for state in self.known["campaign", self.campaign]):
            self.toggle_campaign()
        for thing in [thing for thing, states in self.known.items() if thing[0] == "wave" and states != {GONE}]:
            _, id, position = thing
            if id == self.campaign:
                self.order(thing, GONE, "POST", f"{CAMPAIGNS}/{id}/waves/{position}/reopen", "wave.reopen",
                           {"reason": self.token()})

    # -- asking what is in force --

    def get(self, path):
        answer = self.server.operator("GET", path)
        assert answer.status == 200, answer
        return answer.json()

    def freezes(self):
        return {item["reason"]: item["id"] for item in self.get("/api/v1/freezes")["items"]}

    def present(self):
        """Every thing's state as the daemon has it now; what is not in it is not there."""
        stop = self.get("/api/v1/emergency-stop")
        found = {("stop", ""): stop["reason"] if stop["stopped"] else GONE}
        found.update({("freeze", reason): "there" for reason in self.freezes()})
        found.update({("pin", pin["device"]): pin["reason"] for pin in self.get("/api/v1/pins")["items"]})
        for shown in self.get(f"{CAMPAIGNS}?limit=500")["items"]:
            found["campaign of", shown["release"]] = "there"
            found["campaign", shown["id"]] = self.state_of(shown)
            for wave in shown["waves"]:
                is_ours = wave["state"] == "held" and wave["state_reason"].startswith("order ")
                found["wave", shown["id"], wave["position"]] = wave["state_reason"] if is_ours else GONE
        return found

    @staticmethod
    def state_of(shown):
        if shown["state"] in OVER:
            return "over"
        has_order = shown["state_reason"].startswith("order ")
        return f"{shown['state']}: {shown['state_reason']}" if has_order else "as started"

    def check(self):
        """Every answered order is in force; of those that were not answered, it is known from here on."""
        found = self.present()
        for thing, states in list(self.known.items()):
            state = found.get(thing, GONE)
            # A running campaign comes to its end by itself.
            is_end = state == "over" and any(s == "over" or not s.startswith("paused") for s in states)
            assert state in states or is_end, f"{thing}: {state!r}, and it was answered {states}"
            self.known[thing] = {state}
        self.unanswered = 0
        for thing in [("campaign of", release) for release in self.waiting]:
            if self.known.get(thing) == {"there"}:
                shown = [c for c in self.get(f"{CAMPAIGNS}?limit=500")["items"] if c["release"] == thing[1]]
                self.adopt(thing[1], shown[0]["id"])
        if self.campaign and self.known["campaign", self.campaign] == {"over"} and self.waiting:
            self.campaign = None

    def check_audit(self, database):
        rows = database.execute("SELECT action, object, count(*) FROM audit GROUP BY action, object")
        written = {(action, object): count for action, object, count in rows}
        for order, count in self.kept.items():
            assert written.get(order, 0) >= count, f"{order}: {count} answered, {written.get(order, 0)} written"

    def take_everything_back(self):
        """As an operator would at the end of the day."""
        for thing, states in list(self.known.items()):
            if states == {GONE}:
                continue
            if thing[0] == "freeze":
                self.server.operator("DELETE", f"/api/v1/freezes/{self.freezes()[thing[1]]}")
            elif thing[0] == "pin":
                self.server.operator("DELETE", f"/api/v1/devices/{thing[1]}/pin")
            elif thing[0] == "stop":
                self.server.operator("DELETE", "/api/v1/emergency-stop")
            elif thing[0] == "wave":
                self.server.operator("POST", f"{CAMPAIGNS}/{thing[1]}/waves/{thing[2]}/reopen", json={"reason": "end"})
            elif thing[0] == "campaign" and any(state.startswith("paused") for state in states):
                self.server.operator("POST", f"{CAMPAIGNS}/{thing[1]}/resume", json={"reason": "end"})


# -- the books --

def database_of(server, folder):
    """A copy of what the dead daemon left, its write-ahead log included: the original stays as it was."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("otad.db", "otad.db-wal"):
        if (server.dir / "state" / name).exists():
            shutil.copy(server.dir / "state" / name, folder / name)
    database = sqlite3.connect(folder / "otad.db")
    database.execute("PRAGMA query_only = 1")
    return database


def replay(database, key, kind):
    """State by `key` after all events of a kind, each of which must begin where the one before ended."""
    states, offers = {}, collections.Counter()
    for row, before, after in database.execute(
            f"SELECT {key}, from_state, to_state FROM event WHERE kind = ? ORDER BY row_id", (kind,)):
        assert states.get(row, before) == before, f"{kind} of {row}: {before} after {states.get(row)}"
        states[row] = after
        offers[row] += after == "offered"
    return states, offers


def check_deployments(database):
    rows = database.execute("SELECT row_id, campaign_row, wave, state, counted_as, attempt FROM deployment").fetchall()
    states, offers = replay(database, "deployment_row", "deployment.state")
    assert states == {row[0]: row[3] for row in rows}, "deployments are what their events made of them"
    assert offers == collections.Counter({row[0]: row[5] for row in rows}), "an event for every attempt"
    counts = {(campaign, wave, state): count for campaign, wave, state, count in database.execute(
        "SELECT campaign_row, wave, state, count FROM deployment_count WHERE count <> 0")}
    assert counts == collections.Counter((row[1], row[2], row[4]) for row in rows), "counts are what is there"
    derived, counted = collections.Counter(), collections.Counter()
    for row_id, campaign, *_ in rows:
        derived[campaign, states[row_id]] += 1
    for (campaign, _, state), count in counts.items():
        counted[campaign, "failed" if state == "retrying" else state] += count
    assert counted == derived, "counts follow from the events"
    return collections.Counter(row[3] for row in rows)


def check_strata(database):
    expected = {}
    for campaign, stratum, counted_as in database.execute("SELECT campaign_row, stratum, counted_as FROM deployment"):
        tally = expected.setdefault((campaign, stratum), [0, 0])
        tally[0] += counted_as == "confirmed"
        tally[1] += counted_as in ("failed", "reverted", "timed_out", "lost")
    told = {(campaign, stratum): [confirmed, failed] for campaign, stratum, confirmed, failed in database.execute(
        "SELECT campaign_row, stratum, confirmed, failed FROM stratum_count")}
    assert {k: v for k, v in expected.items() if any(v)} == {k: v for k, v in told.items() if any(v)}


def check_campaigns(database):
    states, _ = replay(database, "campaign_row", "campaign.state")
    assert states == dict(database.execute("SELECT row_id, state FROM campaign WHERE state <> 'draft'"))
    waves, _ = replay(database, "campaign_row || ' ' || substr(detail, 6, 1)", "wave.state")
    told = database.execute("SELECT campaign_row || ' ' || (position + 1), state FROM wave").fetchall()
    assert waves == {wave: state for wave, state in told if state != "pending"}


def check_books(database):
    """Returns how many deployments are in which state."""
    check_campaigns(database)
    check_strata(database)
    return check_deployments(database)


# -- the round --

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def live_a_while(server, recorder, dice):
    """From ready to kill -9, with orders all the time."""
    dies_at, least_orders = time.monotonic() + dice.uniform(*LIFE), recorder.orders + dice.randint(*LEAST_ORDERS)
    is_to_end = threading.Event()
    failures = []

    def orders():
        try:
            recorder.give_orders(is_to_end)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=orders)
    thread.start()
    wait_for(lambda: failures or (time.monotonic() >= dies_at and recorder.orders >= least_orders), what="orders")
    server.kill()
    is_to_end.set()
    thread.join()
    if failures:
        raise failures[0]


@pytest.fixture
def besieged(start_server):
    """A daemon on a port that stays, its fleet, and the operator."""
    server = start_server(device_listen=f"127.0.0.1:{free_port()}", device_poll=2, log_requests="errors")
    releases = [server.publish(f"{number}.0.0", b"%d" % number * 20_000) for number in range(2, 8)]
    folder = server.dir / "kill-devices"
    server.otactl("device", "issue", "--count", DEVICES, "--prefix", "kill-", "--model", "gw", "--out", folder)
    fleet = Fleet(server, folder, "--api", "mixed", "--address", "127.0.0.1", "--poll", "2", "--install", "0.1",
                  "--reboot", "0.1", "--cut", "0.1", "--fail", "0.03", "--revert", "0.03", "--seed", SEED)
    wait_for(lambda: fleet.versions() == {"1.0.0": DEVICES}, what="all devices")
    yield server, fleet, Recorder(server, releases, sorted(path.name for path in folder.iterdir())[:STEERED])
    fleet.stop()


def test_no_kill_loses_a_decision_or_a_count(besieged, tmp_path):
    server, fleet, recorder = besieged
    dice = random.Random(SEED)
    print(f"seed {SEED}, {DEVICES} devices, {ROUNDS} rounds")
    torn = stirred = events = 0
    for number in range(ROUNDS):
        live_a_while(server, recorder, dice)
        torn += recorder.unanswered
        database = database_of(server, tmp_path / "left")
        states = check_books(database)
        recorder.check_audit(database)
        before, (events,) = events, database.execute(
            "SELECT count(*) FROM event WHERE kind = 'deployment.state'").fetchone()
        stirred += events > before
        database.close()
        server.start()
        recorder.check()
        print(f"round {number + 1}: {recorder.orders} orders, {torn} torn, {recorder.campaign}, {dict(states)}")
    assert recorder.orders > ROUNDS, "orders met the kills"
    assert stirred > ROUNDS // 4, "devices met them too"

    recorder.take_everything_back()
    id = recorder.campaign
    wait_for(lambda: recorder.get(f"{CAMPAIGNS}/{id}")["state"] in OVER, seconds=END_GUARD,
             what=f"the end of {id} after all")
    assert not recorder.get("/api/v1/audit/verify")["first_bad"]
    server.kill()
    database = database_of(server, tmp_path / "left")
    assert check_books(database)["confirmed"] > DEVICES // 2
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()
    print(f"{recorder.orders} orders, {torn} of them torn; {fleet.told()}")
