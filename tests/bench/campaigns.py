"""Campaigns at the size of a fleet. Method: the installation of bench.py, whose rows all become devices
that were seen a moment ago and whose hardware is the release's. Times are what the operator waits for, over
HTTPS, one new connection each, medians over the rounds; cpu is the daemon's. Rows are counted in every
table before and after; pages are those appended to SQLite's write-ahead log, so an update that adds no row
shows too. Silent devices are a tenth of all, and never poll; the same span without a campaign stands
beside. A cold start is from the process's start to the ports it tells."""
import http.client
import json
import pathlib
import sqlite3
import ssl
import statistics
import struct
import time

from servers import BUILD, DEVICES, Otad, cpu_seconds, memory, run

WAVES = [{"count": 5}, {"percent": 1}, {"percent": 10}, {"percent": 50}, {"percent": 100}]
SETTLE = 5  # seconds after which nothing of what was done before is still under way
GOALS = {"create": 1.0, "preview": 3.0}
FRAME_HEAD, WAL_HEAD = 24, 32


def silent_count():
    return DEVICES // 10


class Operator:
    def __init__(self, installation, server):
        pki = installation.dir / "pki"
        self.context = ssl.create_default_context(cafile=str(pki / "server-ca.crt"))
        self.context.load_cert_chain(str(pki / "operator.crt"), str(pki / "operator.key"))
        self.port = server.operator_port

    def ask(self, method, path, body=None):
        """The answer, and the seconds it took with connection and handshake."""
        began = time.monotonic()
        connection = http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=600)
        connection.request(method, f"/api/v1{path}", body=json.dumps(body) if body is not None else None,
                           headers={"Content-Type": "application/json"} if body is not None else {})
        answer = connection.getresponse()
        text = answer.read()
        seconds = time.monotonic() - began
        connection.close()
        if answer.status // 100 != 2:
            raise SystemExit(f"{method} {path}: {answer.status} {text[:500]!r}")
        return (json.loads(text) if text else None), seconds


def wait_open(operator, id):
    """Until its first wave is open; how many that reaches is counted before."""
    while True:
        shown, _ = operator.ask("GET", f"/campaigns/{id}")
        if shown["waves"][0]["state"] != "pending":
            return shown
        time.sleep(0.1)


class Books:
    """What is in the database, how much was written to its log, and the daemon's processor time."""

    def __init__(self, installation, server):
        self.path, self.server = installation.dir / "state/otad.db", server

    def rows(self):
        database = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        tables = [name for name, in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        counts = {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
        database.close()
        return counts

    def pages(self):
        """The log's generation, and its frames of that generation. A fresh generation begins at 0 again."""
        with open(f"{self.path}-wal", "rb") as log:
            head = log.read(WAL_HEAD)
            if len(head) < WAL_HEAD:
                return 0, 0
            (size, generation), salts = struct.unpack(">II", head[8:16]), head[16:24]
            frames = 0
            while (frame := log.read(FRAME_HEAD))[8:16] == salts:
                frames += 1
                log.seek(size, 1)
        return generation, frames

    def open(self):
        self.before_rows, self.before_pages = self.rows(), self.pages()
        self.before_cpu = cpu_seconds(self.server.pids())

    def close(self):
        """What came since: rows by table, pages, seconds on a processor."""
        cpu = cpu_seconds(self.server.pids()) - self.before_cpu
        rows, (generation, frames) = self.rows(), self.pages()
        added = {table: count - self.before_rows[table] for table, count in rows.items()
                 if count != self.before_rows[table]}
        is_same = generation == self.before_pages[0]
        return added, frames - self.before_pages[1] if is_same else frames, cpu


def prepare(installation):
    """With the daemon down: all rows are devices that were here just now; a tenth is at the quiet site."""
    database = sqlite3.connect(installation.dir / "state/otad.db")
    database.execute("UPDATE device SET hardware = 'gw' WHERE hardware = ''")
    database.execute("UPDATE device SET site = 'quiet' WHERE row_id IN "
                     "(SELECT row_id FROM device WHERE model = 'other' LIMIT ?)", (silent_count(),))
    database.execute("INSERT OR REPLACE INTO device_seen (device_row, seen_at, address, client) "
                     "SELECT row_id, CAST(strftime('%s') AS INTEGER), '127.0.0.1', 'bench' FROM device")
    database.execute("ANALYZE")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def publish(installation, version):
    """A small image: its bytes are not what is measured."""
    control = [BUILD / "otactl", "-C", installation.dir]
    image = pathlib.Path(installation.dir) / f"image-{version}.bin"
    image.write_bytes(version.encode() * 10_000)
    draft = json.loads(run(*control, "--json", "release", "create", "gw", version, "--file", image, "--hardware", "gw"))
    for number in (1, 2):
        run(*control, "release", "sign", draft["id"], "--key", installation.dir / f"keys/gw-{number}.pem")
    run(*control, "release", "publish", draft["id"])
    return f"gw:{version}"


def line(title, value, unit, rest=""):
    print(f"  {title:44} {value:10.3f} {unit:5} {rest}", flush=True)


def told(added, pages, cpu):
    tables = ", ".join(f"{count} {table}" for table, count in sorted(added.items()))
    return f"cpu {cpu:.3f} s, {sum(added.values())} rows{f' ({tables})' if tables else ''}, {pages} pages"


def goal(key, value):
    return f"goal {GOALS[key]:g} s: {'met' if value < GOALS[key] else 'MISSED'}"


def plan(release, target, count):
    return {"release": release, "target": target, "waves": WAVES, "rate": {"start": 0}, "dead_man": 0,
            "expected": {"count": count, "tolerance": 0.5}}


def creation(operator, books, release, rounds):
    """A draft for all devices, from the wish to the answer."""
    times = []
    for _ in range(rounds):
        books.open()
        made, seconds = operator.ask("POST", "/campaigns", plan(release, "all", DEVICES))
        cost = books.close()
        times.append(seconds)
        operator.ask("POST", f"/campaigns/{made['id']}/cancel", {"reason": "bench"})
    value = statistics.median(times)
    line(f"create a campaign, {len(WAVES)} waves, {DEVICES} devices", value, "s",
         f"{told(*cost)}; {goal('create', value)}")


def preview(operator, books, release, rounds):
    times = []
    for _ in range(rounds):
        books.open()
        seen, seconds = operator.ask("POST", "/campaigns:preview", plan(release, "all", DEVICES))
        cost = books.close()
        times.append(seconds)
    value = statistics.median(times)
    line(f"its preview, {seen['devices']} devices in it", value, "s", f"{told(*cost)}; {goal('preview', value)}")


def start(operator, books, release, target, count):
    """Starting counts what it reaches, as the preview does."""
    made, _ = operator.ask("POST", "/campaigns", plan(release, target, count))
    books.open()
    _, seconds = operator.ask("POST", f"/campaigns/{made['id']}/start", {"reason": "bench"})
    first = wait_open(operator, made["id"])["waves"][0]
    time.sleep(SETTLE)
    cost = books.close()
    if first["state"] != "open":
        raise SystemExit(f"the first wave is {first['state']}: {first['gate_text']}")
    line(f"start it, {count} devices", seconds, "s", f"{told(*cost)}, first wave open")


def silence(books, seconds):
    """What it costs that nobody polls."""
    books.open()
    time.sleep(seconds)
    return books.close()


def silent_line(title, seconds, cost):
    line(title, seconds, "s", f"{told(*cost)}; goal 0 rows")


def cold(installation, rounds):
    starts, sizes = [], []
    for _ in range(rounds):
        with Otad(installation, "device.poll=300") as server:
            starts.append(server.start_seconds)
            sizes.append(memory(server.pids())["Rss"] / 2**20)
    line(f"cold start, {DEVICES} devices, a campaign", statistics.median(starts), "s",
         f"RSS {statistics.median(sizes):.0f} MiB")


def report(installation, rounds, scale):
    print(f"\n{__doc__.strip()}\n")
    prepare(installation)
    span = max(2.0, 60 * scale)
    with Otad(installation, "device.poll=300") as server:
        operator, books = Operator(installation, server), Books(installation, server)
        for old in operator.ask("GET", "/campaigns?state=running")[0]["items"]:
            operator.ask("POST", f"/campaigns/{old['id']}/cancel", {"reason": "bench"})
        release = publish(installation, "3.0.0")
        creation(operator, books, release, rounds)
        preview(operator, books, release, rounds)
        time.sleep(SETTLE)
        idle = silence(books, span)
        start(operator, books, release, 'site = "quiet"', silent_count())
        silent_line(f"{silent_count()} silent devices, a campaign", span, silence(books, span))
        silent_line("the same without a campaign", span, idle)
    cold(installation, rounds)
