#!/usr/bin/python3
"""Runs every test runner, adds up what they say, names the ten slowest cases and closes with
`N passed, N failed, N skipped`. A runner that dies counts as a failure of its own."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
B = os.environ.get("B", "build/release")
CASE_LIMIT = 900  # seconds; a hang guard
cases = []  # (seconds, name, outcome, text)


def case(name, outcome, seconds, text=""):
    cases.append((seconds, name, outcome, text))
    if outcome == "failed":
        print(f"FAILED  {name}\n{text}", flush=True)
    elif outcome == "skipped":
        print(f"SKIPPED {name}: {text}", flush=True)


def run(words, **more):
    try:
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, errors="replace",
                              timeout=CASE_LIMIT, **more)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(words, 124, str(late.stdout), f"no end after {CASE_LIMIT} s")


def read_junit(path, prefix):
    """Returns how many cases the file told of."""
    told = 0
    for element in ElementTree.parse(path).getroot().iter("testcase"):
        told += 1
        name = f"{prefix}:{element.get('name')}"
        bad = [e for e in element if e.tag in ("failure", "error")]
        skipped = element.find("skipped")
        seconds = float(element.get("time") or 0)
        if bad:
            text = "\n".join((e.get("message") or "") + "\n" + (e.text or "") for e in bad)
            output = "\n".join(e.text or "" for e in element if e.tag.startswith("system-"))
            case(name, "failed", seconds, f"{text}\n{output[-4000:]}")
        elif skipped is not None:
            case(name, "skipped", seconds, skipped.get("message") or "no reason given")
        else:
            case(name, "passed", seconds)
    return told


def unit(folder="unit", build=B):
    for source in sorted(ROOT.glob(f"tests/{folder}/test_*.c")):
        program = ROOT / build / "tests" / folder / source.stem
        prefix = f"{folder}/{source.stem}" + ("" if build == B else f" ({build})")
        with tempfile.TemporaryDirectory() as folder_name:
            report = pathlib.Path(folder_name) / "%g.xml"
            began = time.monotonic()
            done = run([str(program)], env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "xml",
                                            "CMOCKA_XML_FILE": str(report)})
            told = bad = 0
            for path in pathlib.Path(folder_name).glob("*.xml"):
                try:
                    told += read_junit(path, prefix)
                except ElementTree.ParseError as why:
                    bad += 1
                    case(prefix, "failed", time.monotonic() - began, f"unreadable report: {why}")
            failed_before = [c for c in cases if c[1].startswith(prefix + ":") and c[2] == "failed"]
            if (not told and not bad) or (done.returncode != 0 and not failed_before and not bad):
                case(prefix, "failed", time.monotonic() - began,
                     f"ended with {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-6000:]}")


def simulator(*words, build=B):
    """A virtual fleet on the real engine: `sim` tells its cases as cmocka's programs do."""
    prefix = "sim" if build == B else f"sim ({build})"
    with tempfile.TemporaryDirectory() as folder_name:
        report = pathlib.Path(folder_name) / "sim.xml"
        began = time.monotonic()
        done = run([str(ROOT / build / "tests/sim/sim"), *words, "--report", str(report)])
        try:
            told = read_junit(report, prefix)
        except (FileNotFoundError, ElementTree.ParseError):
            told = 0
        failed = any(c[1].startswith(prefix + ":") and c[2] == "failed" for c in cases)
        if not told or (done.returncode != 0 and not failed):
            case(f"{prefix} {words[0]}", "failed", time.monotonic() - began,
                 f"ended with {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def pytest(folder, build=B, label="", words=()):
    if not list((ROOT / "tests" / folder).glob("test_*.py")):
        return
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        began = time.monotonic()
        done = run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                    f"--junitxml={report.name}", f"tests/{folder}", *words],
                   env={**os.environ, "B": build, "PYTHONDONTWRITEBYTECODE": "1"})
        try:
            read_junit(report.name, f"{folder}{label}")
        except ElementTree.ParseError:
            case(f"{folder}{label}", "failed", time.monotonic() - began, done.stdout[-6000:] + done.stderr[-3000:])


def scripts(folder):
    for script in sorted(ROOT.glob(f"tests/{folder}/*.sh")):
        began = time.monotonic()
        done = run(["bash", str(script)], env={**os.environ, "B": B})
        text = (done.stdout + done.stderr)[-6000:]
        outcome = {0: "passed", 77: "skipped"}.get(done.returncode, "failed")
        case(f"{folder}/{script.name}", outcome, time.monotonic() - began, text)


def fuzz_replay():
    for source in sorted(ROOT.glob("tests/fuzz/fuzz_*.c")):
        name = source.stem[len("fuzz_"):]
        began = time.monotonic()
        done = run([str(ROOT / B / "tests/fuzz" / source.stem), f"tests/fuzz/corpus/{name}"])
        case(f"fuzz/{name}", "passed" if done.returncode == 0 else "failed", time.monotonic() - began,
             done.stdout[-2000:] + done.stderr[-4000:])


def sanitized():
    """The unit and API cases once more under AddressSanitizer and UBSan."""
    began = time.monotonic()
    done = run(["make", "-j2", "VARIANT=asan", "CFLAGS=-O1 -g", "programs", "unit"])
    if done.returncode != 0:
        case("asan build", "failed", time.monotonic() - began, done.stderr[-4000:])
        return
    case("asan build", "passed", time.monotonic() - began)
    unit("unit", "build/asan")
    simulator("properties", "--seeds", "300", build="build/asan")
    pytest("api", "build/asan", " (asan)")


def in_lanes(lanes):
    """Side by side: most cases wait for something, so one of them at a time leaves a core idle."""
    def go(lane):
        for step in lane:
            step()
    with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
        for done in [pool.submit(go, lane) for lane in lanes]:
            done.result()


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else "all"
    began = time.monotonic()
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:handle_segv=0:handle_sigbus=0")
    os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    lint = lambda: scripts("lint")
    seeds = lambda: simulator("properties", "--seeds", "10000")
    stories = lambda: simulator("stories")
    lanes = {
        "lint": [[lint]],
        "quick": [[lint, lambda: simulator("properties", "--seeds", "300"),
                   lambda: simulator("stories", "--quick")], [unit]],
        "sim": [[seeds, stories]],
        "api": [[lambda: pytest("api")]],
        "clients": [[lambda: pytest("clients")]],
        "asan": [[sanitized]],
        "all": [[lint, unit, lambda: unit("fault"), fuzz_replay, lambda: pytest("api"), lambda: pytest("clients")],
                [sanitized, seeds, stories]],
    }
    in_lanes(lanes[what])

    print(f"\nThe ten slowest of {len(cases)} cases, {time.monotonic() - began:.0f} s in all:")
    for seconds, name, outcome, _ in sorted(cases, reverse=True)[:10]:
        print(f"  {seconds:7.2f} s  {name}")
    count = {o: sum(c[2] == o for c in cases) for o in ("passed", "failed", "skipped")}
    print(f"\n{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    if count["failed"] or not count["passed"] or (count["skipped"] and os.environ.get("CI")):
        sys.exit(1)


main()
