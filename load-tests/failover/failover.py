"""Makes the first of two targets sick in each way, under load, and tells what clients and gateway saw of it."""

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
BIN = Path(os.environ["BIN"])
RATE = int(os.environ["RATE"])
QUICK = "--quick" in sys.argv
KEY, TOKEN = "wb-failover-load-0123456789abcdef", "failover-load-token-0123456789"
LIMIT_MS = 500  # `first_token` and `response` of weighbridge.yaml
SICK_S, BACK_S = (3, 45) if QUICK else (20, 60)

# Name, how the first target behaves meanwhile (None: killed), body, what the configured time-out adds in ms.
FAULTS = [
    ("killed (SIGKILL)", None, "short", 0),
    ("5xx", ["--error-rate", "1", "--error-status", "503"], "short", 0),
    ("429, retry-after 2", ["--error-rate", "1", "--error-status", "429", "--retry-after", "2"], "short", 0),
    ("stalls before the header", ["--latency", "60s"], "short", LIMIT_MS),
    ("stalls before the first token", ["--stall-after", "0"], "stream", LIMIT_MS),
    ("cut before the first token", ["--cut-after", "0"], "stream", 0),
]


def port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def get(url, token=None):
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode()


def until(what, probe, seconds):
    end = time.time() + seconds
    while time.time() < end:
        try:
            found = probe()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.02)
    raise SystemExit(f"waited {seconds} s in vain: {what}")


class Scene:
    """The gateway, its two targets, and what was started."""

    def __init__(self, work):
        self.ports = {name: port() for name in ("gateway", "admin", "first", "second")}
        self.work, self.started = work, []
        text = (HERE / "weighbridge.yaml").read_text()
        words = {**self.ports, "token": TOKEN, "work": work, "hash": hashlib.sha256(KEY.encode()).hexdigest()}
        text = re.sub("@([a-z]+)", lambda found: str(words[found.group(1)]), text)
        (Path(work) / "weighbridge.yaml").write_text(text)
        self.target("second", [])
        self.first = self.target("first", [])
        self.gateway = self.start("run", "-c", f"{work}/weighbridge.yaml")
        until("the gateway is ready", lambda: "ready" in get(f"http://127.0.0.1:{self.ports['admin']}/readyz"), 60)

    def start(self, *args):
        log = open(Path(self.work) / "log", "ab")
        process = subprocess.Popen([BIN / "weighbridge", *args], stdout=log, stderr=log)
        self.started.append(process)
        return process

    def target(self, name, knobs):
        address = ("127.0.0.1", self.ports[name])
        process = self.start("simulate", "--listen", f"127.0.0.1:{address[1]}", *knobs)
        until(f"{name} listens", lambda: not socket.create_connection(address, 1).close(), 30)
        return process

    def load(self, body, seconds):
        args = ["--target", f"127.0.0.1:{self.ports['gateway']}", "--body", body, "--events", "5", "--rate", str(RATE)]
        args += ["--connections", "128", "--requests", "10000000", "--seconds", str(seconds), "--key", KEY]
        return subprocess.Popen([BIN / "examples/load_generator", *args], stdout=subprocess.PIPE, text=True)

    def standing(self):
        targets = json.loads(get(f"http://127.0.0.1:{self.ports['admin']}/admin/v1/targets", TOKEN))["targets"]
        return next(target for target in targets if target["provider"] == "first")

    def failed(self):
        text = get(f"http://127.0.0.1:{self.ports['admin']}/metrics")
        lines = re.findall(r'^weighbridge_providers_attempts_total\{(.*?)\} (\d+)', text, re.M)
        return sum(int(n) for labels, n in lines if 'provider="first"' in labels and 'outcome="answered"' not in labels)

    def stop(self):
        for process in self.started:
            process.kill()
            process.wait()


def row(scene, fault):
    name, knobs, body, configured = fault
    before = scene.failed()
    quiet, _ = scene.load(body, 3).communicate()
    load = scene.load(body, 2 + SICK_S + BACK_S)
    time.sleep(2)
    scene.first.kill()
    scene.first.wait()
    if knobs is not None:
        scene.first = scene.target("first", knobs)
    sick = time.time()
    shut = until("it is shut", lambda: (lambda s: s if s["state"] == "shut" else None)(scene.standing()), 30)
    # Those that were on their way when it was shut still fail.
    ejected_after = shut["since_us"] / 1e6 - sick
    failures = scene.failed() - before
    time.sleep(max(0, SICK_S - (time.time() - sick)))
    if knobs is not None:
        scene.first.kill()
        scene.first.wait()
    scene.first = scene.target("first", [])
    well = time.time()
    back = until("it is open again", lambda: (lambda s: s if s["state"] == "open" else None)(scene.standing()), BACK_S)
    back_after = back["since_us"] / 1e6 - well
    out, _ = load.communicate()
    seen, quiet = json.loads(out), json.loads(quiet)
    added = (seen["latency_us"]["max"] - quiet["latency_us"]["p50"]) / 1000 - configured
    print(
        f"| {name} | {seen['requests']} | {seen['errors']} | {failures} | {ejected_after:.2f} s "
        f"| {back_after:.1f} s | {added:.0f} ms | {seen['latency_us']['p99'] / 1000:.1f} ms |",
        flush=True,
    )
    return seen["errors"]


def main():
    print("| the first target | requests | client errors | failures when shut | shut after | back after | most added | p99 |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as work:
        scene = Scene(work)
        try:
            faults = FAULTS[:2] if QUICK else FAULTS
            errors = sum(row(scene, fault) for fault in faults)
        finally:
            scene.stop()
    sys.exit(1 if errors else 0)


main()
