"""What systemd sees: readiness, the watchdog, sockets by name, an orderly end."""
import contextlib
import json
import os
import signal
import socket
import subprocess

from conftest import OTAD, HANG_GUARD, Server, wait_for


def start(server, *before, **environment):
    words = [*before, str(OTAD), "-c", str(server.dir / "otad.conf")]
    return subprocess.Popen(words, env={**os.environ, **environment}, stderr=open(server.log_path, "ab"))


def test_systemd_is_told_of_readiness_life_and_end(installation, tmp_path):
    server = Server(tmp_path / "server", {}, installation)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(HANG_GUARD)
        process = start(server, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000")
        heard = [told.recv(4096).decode()]
        assert "READY=1" in heard[0] and "STATUS=" in heard[0]
        while sum("WATCHDOG=1" in line for line in heard) < 3:
            heard.append(told.recv(4096).decode())
        process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in heard[-1]:
            heard.append(told.recv(4096).decode())
        assert process.wait(HANG_GUARD) == 0
    assert "server.stopping" in server.log()


def test_sockets_are_taken_by_name(installation, tmp_path):
    server = Server(tmp_path / "server", {}, installation)
    with contextlib.ExitStack() as opened:
        sockets = {}
        for name in ("operator", "proxy", "device", "token"):
            sockets[name] = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
            os.set_inheritable(sockets[name].fileno(), True)

        def hand_over():
            # As systemd does it: descriptors from 3 on, told by environment.
            for i, one in enumerate(sockets.values()):
                os.dup2(one.fileno(), 60 + i)
            for i in range(len(sockets)):
                os.dup2(60 + i, 3 + i)

        program = ('import os,sys; os.environ["LISTEN_PID"]=str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])')
        process = subprocess.Popen(
            ["/usr/bin/python3", "-c", program, str(OTAD), "-c", str(server.dir / "otad.conf")],
            env={**os.environ, "LISTEN_FDS": "4", "LISTEN_FDNAMES": ":".join(sockets)}, preexec_fn=hand_over,
            pass_fds=(3, 4, 5, 6), close_fds=False, stderr=open(server.log_path, "ab"))
        server.process = process
        server.wait_ready()
        ports = json.loads((server.dir / "state/ports.json").read_text())
        assert ports == {name: one.getsockname()[1] for name, one in sockets.items()}
        assert server.operator("GET", "/api/v1/server").status == 200
        assert server.stop() == 0


def test_a_request_under_way_is_answered_before_the_end(start_server):
    server = start_server()
    device = server.new_device("last-1")
    device.ddi("GET")
    data = os.urandom(1_500_000)
    server.campaign(server.publish("1.0", data), caps={"transfer_rate": 1_000_000})
    base = wait_for(lambda: device.ddi("GET").json().get("_links", {}).get("deploymentBase"), what="an offer")
    plan = device.request("GET", "/" + base["href"].split("/", 3)[3]).json()
    href = plan["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"]
    connection = device.connection()
    connection.request("GET", "/" + href.split("/", 3)[3])
    answer = connection.getresponse()
    got = answer.read(1000)
    server.process.send_signal(signal.SIGTERM)
    assert got + answer.read() == data
    assert server.process.wait(HANG_GUARD) == 0
