#!/usr/bin/python3
"""Figures side by side with nginx. Method: each round starts every server afresh, one after another
(A, B, C, A, B, C, …), pinned to processor 0, the client to processor 1, over loopback. The figure is
the server's processor time per operation, from the kernel's schedstat of all its threads, so that the
client's cost and other tenants of the machine drop out; medians over the rounds. Devices use as many
distinct certificates as BENCH_CERTIFICATES says (10 000). otad answers with its real handler from a
database of BENCH_DEVICES devices (1 000 000); nginx answers the same bytes from a file.

BENCH_ROUNDS (3), BENCH_ONLY=row,row (also reports, campaigns) and BENCH_SCALE (1.0, of the operations) shorten a run."""
import json
import os
import statistics
import subprocess
import sys
import time

import campaigns
from servers import BUILD, CERTIFICATES, DEVICES, ROOT, Installation, Nginx, Otad, cpu_seconds, memory, run, versions

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 3))
SCALE = float(os.environ.get("BENCH_SCALE", 1))
ONLY = set(filter(None, os.environ.get("BENCH_ONLY", "").split(",")))
GIGABYTE = 1e9

installation = Installation(ROOT / "build/bench")


def load(server, mode, *words):
    return subprocess.Popen(
        ["taskset", "-c", "1", str(BUILD / "otad-fleet"), "--url", f"https://localhost:{server.port}", "--address",
         "127.0.0.1", "--devices", str(installation.devices), "--mode", mode, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def measured(server, mode, *words):
    """What the client tells, and the server's processor time from the client's word on that it begins."""
    running = load(server, mode, *words)
    if running.stdout.readline() != "begin\n":
        raise SystemExit(f"{server.name}, {mode}: {running.communicate()[1]}")
    before = cpu_seconds(server.pids())
    output, complaints = running.communicate(timeout=900)
    after = cpu_seconds(server.pids())
    if running.returncode:
        raise SystemExit(f"{server.name}, {mode}: {complaints}")
    told = json.loads(output.splitlines()[-1])
    told["server_cpu"] = after - before
    if told["errors"]:
        raise SystemExit(f"{server.name}, {mode}: {told['errors']} errors")
    return told


def operations(count):
    return max(8, int(count * SCALE))


def requests(server, count, connections, *words):
    return ["--requests", operations(count), "--connections", connections, "--path", server.poll_path, *words]


def per_operation(told):
    return told["server_cpu"] / told["ops"] * 1e6


def per_gigabyte(told):
    return told["server_cpu"] / (told["bytes"] / GIGABYTE)


def poll(mode, count, *words):
    return lambda server: per_operation(measured(server, mode, *requests(server, count, 16, *words)))


def again(server):
    """Full handshakes of devices that were here before: every certificate once, then measured."""
    measured(server, "poll-full", "--requests", CERTIFICATES, "--connections", 16, "--path", server.poll_path, "--tls", "1.3")
    return poll("poll-full", 6000, "--tls", "1.3")(server)


def download(range_size):
    """Processor seconds per GB; the image was sent once before, so that it is verified and in memory."""
    count = operations(24) if not range_size else operations((24 << 26) // range_size)
    words = ["--range", range_size] if range_size else []

    def one(server):
        measured(server, "download", "--requests", 2, "--connections", 1, "--path", server.image_path)
        return per_gigabyte(measured(server, "download", "--requests", count, "--connections", 4, "--path",
                                     server.image_path, *words))
    return one


def storm(server):
    """p99 of keep-alive polls, in microseconds, while another client makes full handshakes."""
    noise = load(server, "poll-full", "--connections", 64, "--seconds", 6, "--path", server.poll_path)
    time.sleep(1)
    told = measured(server, "poll-keepalive", "--connections", 2, "--seconds", 3, "--path", server.poll_path)
    noise.communicate(timeout=60)
    storm.medians.setdefault(server.name, []).append(told["p50_us"])
    return told["p99_us"]


storm.medians = {}


def idle(server):
    """KiB of proportional memory per idle connection, at 9 000."""
    count = min(9000, CERTIFICATES)
    before = memory(server.pids())["Pss"]
    held = load(server, "idle", "--connections", count, "--seconds", 5, "--path", server.poll_path)
    held.stdout.readline()  # all are open
    after = memory(server.pids())["Pss"]
    held.communicate(timeout=120)
    return (after - before) / count / 1024


ROWS = [
    # key, title, unit, function, goal per second or None
    ("full13", "full TLS 1.3 + poll + close, known device", "us", again),
    ("first13", "the same, device never seen before", "us", poll("poll-full", 6000, "--tls", "1.3")),
    ("full12", "full TLS 1.2 + poll + close, never seen", "us", poll("poll-full", 6000, "--tls", "1.2")),
    ("resumed13", "resumed TLS 1.3 + poll + close", "us", poll("poll-resumed", 10000, "--tls", "1.3")),
    ("resumed12", "resumed TLS 1.2 + poll + close", "us", poll("poll-resumed", 10000, "--tls", "1.2")),
    ("keepalive", "keep-alive poll", "us", poll("poll-keepalive", 200000)),
    ("whole", "64 MiB download", "s/GB", download(0)),
    ("range1m", "1 MiB ranges", "s/GB", download(1 << 20)),
    ("range256k", "256 KiB ranges", "s/GB", download(256 << 10)),
    ("idle", "memory per idle connection, 9 000 open", "KiB", idle),
    ("storm", "keep-alive p99 during a handshake storm", "us", storm),
]
GOALS = {"full13": ("/s", 1600), "resumed13": ("/s", 3400), "keepalive": ("/s", 50000), "whole": ("GB/s", 1.2),
         "idle": ("max KiB", 30)}


def reports():
    """Durable status reports per second with 1, 16 and 256 clients; only otad keeps such."""
    with Otad(installation, "device.poll=300") as server:
        for clients in (1, 16, 256):
            told = measured(server, "status", "--connections", clients, "--seconds", 4)
            print(f"  durable status reports, {clients:3} clients   {told['rate']:9.0f} /s   p50 "
                  f"{told['p50_us'] / 1000:.2f} ms, p99 {told['p99_us'] / 1000:.2f} ms", flush=True)


def roll_out():
    """Every certificate's device is seen once, then gets the image offered, so that it may fetch it.
    Returns what a poll with an offer answers: nginx serves the same bytes."""
    everyone = ["--requests", CERTIFICATES, "--connections", min(CERTIFICATES, 2000), "--path", Otad.poll_path]
    with Otad(installation) as server:
        measured(server, "poll-full", *everyone)
        time.sleep(6)  # last-seen times are on disk: the wave counts its active members
        run(BUILD / "otactl", "-C", installation.dir, "campaign", "create", "gw:2.0.0", "--target",
            'model = "gw"', "--wave", "100%", "--rate", "0", "--expect", CERTIFICATES, "--start")
        operator = campaigns.Operator(installation, server)
        campaigns.wait_open(operator, operator.ask("GET", "/campaigns")[0]["items"][0]["id"])
        measured(server, "poll-full", *everyone)
        device = next(installation.devices.iterdir())
        body = fetch(server, device, f"https://localhost:{server.port}{Otad.poll_path % device.name}")
        plan = json.loads(fetch(server, device, json.loads(body)["_links"]["deploymentBase"]["href"]))
        href = plan["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"]
        Otad.image_path = href.split(str(server.port), 1)[1].replace(device.name, "%s")
        return body.encode()


def fetch(server, device, url):
    return run("curl", "-sS", "--cacert", installation.dir / "pki/server-ca.crt", "--cert", device / "device.crt",
               "--key", device / "device.key", url)


def median_line(key, title, unit, figures):
    ours = statistics.median(figures["otad"])
    line = f"  {title:44}"
    for name in ("otad", "nginx", "nginx tuned"):
        values = figures.get(name)
        line += f" {statistics.median(values):10.2f}" if values else f" {'-':>10}"
    line += f" {unit:5}"
    for name in ("nginx", "nginx tuned"):
        values = figures.get(name)
        line += f" {statistics.median(values) / ours:6.2f}x" if values else ""
    if key in GOALS:
        kind, goal = GOALS[key]
        reached = {"/s": 1e6 / ours, "GB/s": 1 / ours, "max KiB": ours}[kind]
        met = reached <= goal if kind == "max KiB" else reached >= goal
        line += f"   {reached:.4g} {kind}, goal {goal}: {'met' if met else 'MISSED'}"
    print(line, flush=True)


def main():
    print(__doc__.strip(), "\n")
    for line in versions():
        print(line)
    began = time.monotonic()
    installation.make()
    body = roll_out()
    print(f"{CERTIFICATES} certificates, {DEVICES} devices; made in {time.monotonic() - began:.0f} s; {ROUNDS} rounds\n")
    with Otad(installation) as server:
        print(f"  otad cold start {server.start_seconds:.2f} s, RSS "
              f"{memory(server.pids())['Rss'] / 2**20:.0f} MiB with {DEVICES} devices known")
    print(f"\n  {'':44} {'otad':>10} {'nginx':>10} {'tuned':>10} {'':5} {'/nginx':>7} {'/tuned':>7}")
    for key, title, unit, figure in ROWS:
        if ONLY and key not in ONLY:
            continue
        figures = {}
        for _ in range(ROUNDS):
            for server in (Otad(installation), Nginx(installation, False, body), Nginx(installation, True, body)):
                with server:
                    figures.setdefault(server.name, []).append(figure(server))
        median_line(key, title, unit, figures)
    for name, medians in storm.medians.items():
        print(f"  keep-alive p50 during the storm, {name}: {statistics.median(medians):.0f} us")
    if not ONLY or "reports" in ONLY:
        reports()
    if not ONLY or "campaigns" in ONLY:
        campaigns.report(installation, ROUNDS, SCALE)


if __name__ == "__main__":
    sys.exit(main())
