"""The console in a real browser: Debian's Chromium, driven over the WebDriver protocol."""
import base64
import json
import pathlib
import shutil
import subprocess
import urllib.request

import pytest
from api_fixtures import HANG_GUARD, wait_for


class Browser:
    """A few words of https://www.w3.org/TR/webdriver2/."""

    def __init__(self, port, profile):
        self.base = f"http://127.0.0.1:{port}"
        wait_for(lambda: self.is_ready(), what="chromedriver")
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                            "--disable-background-networking", "--disable-component-update", "--disable-sync",
                            "--window-size=1200,1100", f"--user-data-dir={profile}"],
                   "binary": "/usr/bin/chromium"}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base += f"/session/{session['sessionId']}"

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method, headers={"Content-Type": "application/json"},
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=HANG_GUARD) as answer:
            return json.load(answer)["value"]

    def is_ready(self):
        try:
            return self.call("GET", "/status")["ready"]
        except OSError:
            return False

    def run(self, script):
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def text(self, selector):
        return self.run(f"return document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def wait_text(self, selector, wanted):
        return wait_for(lambda: wanted in self.text(selector), what=f"{wanted!r} in {selector}")

    def type(self, selector, text):
        element = self.call("POST", "/element", {"using": "css selector", "value": selector})
        self.call("POST", f"/element/{next(iter(element.values()))}/value", {"text": text})

    def click(self, selector):
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def complaints(self):
        return [line for line in self.call("POST", "/se/log", {"type": "browser"})
                if line["level"] == "SEVERE" and "401" not in line["message"]]

    def screenshot(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("GET", "/screenshot")))


def start_driver(folder):
    """chromedriver ends at once when the free port it chose was taken meanwhile: another try then."""
    driver = shutil.which("chromedriver")
    assert driver, "package chromium-driver"
    said = ""
    for _ in range(5):
        process = subprocess.Popen([driver, "--port=0", f"--log-path={folder}/driver.log"], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        for line in process.stdout:
            said += line
            if "started successfully on port" in line:
                return process, int(line.rstrip(".\n").split()[-1])
        process.wait(HANG_GUARD)
    raise AssertionError(said)


@pytest.fixture
def browser(tmp_path):
    process, port = start_driver(tmp_path)
    one = Browser(port, tmp_path / "profile")
    try:
        yield one
    finally:
        one.call("DELETE", "")
        process.terminate()
        process.wait(HANG_GUARD)


def test_the_console_shows_fleet_campaign_and_devices(server, browser, tmp_path):
    hostile = server.new_device("hostile-1")
    name = "<img src=x onerror=alert(1)>"
    hostile.ddi("PUT", "/configData", json={"data": {"otad.version": name}}, headers={"User-Agent": name})
    devices = [server.new_device(f"shown-{i}") for i in range(4)]
    for device in devices:
        device.ddi("GET")
    release = server.publish("3.1.0")
    server.campaign(release, waves=[{"count": 2, "soak": 0}, {"percent": 100, "soak": 0}], name="spring")
    token = json.loads(server.otactl("--json", "token", "create", "--role", "viewer", "--note", "browser").stdout)["token"]

    browser.call("POST", "/url", {"url": f"https://localhost:{server.operator_port}/"})
    browser.wait_text("#login h2", "Who is asking?")
    browser.type("#login input", "otat_wrong")
    browser.click("#login button")
    wait_for(lambda: browser.text("#login .problem"), what="a refusal")
    browser.type("#login input", token)
    browser.click("#login button")

    browser.wait_text("#fleet .numbers", "5")
    browser.wait_text("#campaigns .list", "spring")
    browser.wait_text("#campaigns .list", "Wave 1: 2 devices")
    browser.wait_text("#devices tbody", "shown-3")
    assert browser.run("return document.querySelectorAll('img[src=x]').length") == 0

    browser.type("#devices input[name=filter]", 'id = "shown-2"')
    browser.click("#devices .filter button")
    wait_for(lambda: browser.text("#devices tbody").count("\n") == 0 and "shown-2" in browser.text("#devices tbody"),
             what="one device")
    browser.click("#devices tbody button")
    browser.wait_text("#device-title", "shown-2")
    assert browser.text("#device .explain")
    assert browser.text("#device .timeline")
    assert browser.text("#device .answer")
    browser.screenshot(tmp_path / "console.png")
    assert browser.complaints() == []


def log_in(browser, server, role):
    token = json.loads(server.otactl("--json", "token", "create", "--role", role, "--note", "browser").stdout)["token"]
    browser.call("POST", "/url", {"url": f"https://localhost:{server.operator_port}/"})
    browser.wait_text("#login h2", "Who is asking?")
    browser.type("#login input", token)
    browser.click("#login button")


def confirm(browser, reason):
    browser.type("#confirm input", reason)
    browser.click("#confirm .yes")
    wait_for(lambda: not browser.run("return document.querySelector('#confirm').open"), what="the dialog to close")


def test_campaigns_are_moved_and_everything_is_stopped_from_the_console(server, browser):
    server.new_device("held-1")
    server.otactl("device", "hold", "held-1", "--reason", "measured")
    server.new_device("moved-1")
    release = server.publish("3.1.0")
    made = server.operator("POST", "/api/v1/campaigns", json={
        "release": release, "target": 'model = "gw"', "name": "summer",
        "waves": [{"tag": "office"}, {"count": 1, "gate": "manual"}, {"percent": 100}]})
    campaign = made.json()["id"]
    log_in(browser, server, "release-manager")

    browser.wait_text("#campaigns .list", "Wave 1: tag office")
    browser.click("#campaigns [data-preview]")
    browser.wait_text("#preview", "of 2 matching devices")
    browser.wait_text("#preview .warnings", "No device of the target")
    browser.click("#preview button")
    browser.click("#campaigns [data-move=start]")
    confirm(browser, "now")
    browser.wait_text("#campaigns header", "running")
    browser.wait_text("#campaigns .list", "0 confirmed, 0 failed")
    browser.click("#campaigns [data-move=pause]")
    confirm(browser, "coffee")
    browser.wait_text("#campaigns .needs", "Paused for operator: coffee")
    browser.click("#campaigns [data-move=resume]")
    confirm(browser, "back")
    browser.wait_text("#campaigns header", "running")

    browser.click("#stop")
    confirm(browser, "smoke")
    browser.wait_text("#halt", "smoke")
    assert server.operator("GET", "/api/v1/emergency-stop").json()["stopped"] is True
    browser.click("#halt button")
    confirm(browser, "")
    wait_for(lambda: browser.run("return document.querySelector('#halt').hidden"), what="the banner to go")
    assert server.operator("GET", f"/api/v1/campaigns/{campaign}").json()["state"] == "running"

    browser.click("#devices tbody button")
    browser.wait_text("#device .facts", "held: gets nothing, measured")
    assert browser.complaints() == []


def test_a_deployment_is_agreed_to_read_and_stopped_from_the_console(server, browser):
    device = server.new_device("asked-1")
    release = server.publish("3.1.0")
    pin = {"release": release, "reason": "ticket 4711", "consent": True}
    assert server.operator("PUT", "/api/v1/devices/asked-1/pin", json=pin).status == 200
    assert "confirmationBase" in device.ddi("GET").json()["_links"]
    log_in(browser, server, "release-manager")

    browser.wait_text("#devices tbody", "asked-1")
    browser.click("#devices tbody button")
    browser.wait_text("#device .deployments", "consent required")
    browser.click("#device [data-word=agree]")
    confirm(browser, "by phone")
    browser.wait_text("#device .deployments", "consent given")

    link = device.ddi("GET").json()["_links"]["deploymentBase"]["href"]
    action = link.split("/deploymentBase/")[1].split("?")[0]
    assert device.ddi("POST", f"/deploymentBase/{action}/feedback", json={"status": {
        "execution": "proceeding", "result": {"finished": "none"}, "details": ["<b>at work</b>"]}}).status == 200
    browser.click("#device [data-word=cancel]")
    confirm(browser, "wrong one")
    browser.wait_text("#device .deployments", "to be stopped")
    browser.wait_text("#device .deployments", "<b>at work</b>")
    browser.click("#device [data-word=force]")
    confirm(browser, "")
    browser.wait_text("#device .deployments", "cancelled")
    assert not browser.text("#device .deployments .actions")
    assert browser.complaints() == []
