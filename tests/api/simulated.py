"""otad-fleet beside a test: many simulated devices, each with a certificate of its own, in one process."""
import json
import pathlib
import re
import signal
import subprocess

from conftest import BUILD, HANG_GUARD, wait_for

FLEET = BUILD / "otad-fleet"


class Fleet:
    """`words` are options of otad-fleet; the devices are those below `folder`."""

    def __init__(self, server, folder, *words):
        self.summary, self.log_path = folder.with_suffix(".json"), folder.with_suffix(".log")
        self.process = subprocess.Popen(
            [str(FLEET), "--url", f"https://localhost:{server.device_port}", "--devices", str(folder),
             "--root", str(server.dir / "pki" / "1.root.json"), "--json-summary", str(self.summary),
             *map(str, words)], stderr=open(self.log_path, "ab"), stdin=subprocess.DEVNULL)
        wait_for(self.hears, what="otad-fleet to begin")

    def hears(self):
        """Before it catches it, SIGUSR1 would end it."""
        assert self.process.poll() is None, f"otad-fleet ended with {self.process.returncode}: {self.log()}"
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.M).group(1), 16)
        return caught >> (signal.SIGUSR1 - 1) & 1

    def told(self):
        """What it has counted so far."""
        assert self.process.poll() is None, f"otad-fleet ended with {self.process.returncode}: {self.log()}"
        self.summary.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        wait_for(self.summary.exists, what="the fleet's figures")
        return json.loads(self.summary.read_text())

    def versions(self):
        """How many have told the server that they run which version."""
        return self.told()["versions"]

    def log(self):
        return self.log_path.read_text(errors="replace")[-3000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(HANG_GUARD)
        print(f"--- otad-fleet of {self.summary.stem} ---\n{self.log()}")
