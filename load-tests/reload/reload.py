"""Reloads the configuration again and again while clients call, and tells what they and the process's memory saw of it."""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

BIN = Path(os.environ["BIN"])
RELOADS, CLIENTS = int(os.environ["RELOADS"]), int(os.environ["CLIENTS"])
TOKEN = "reload-load-token-0123456789"
KEYS = [f"wb-reload-load-{number:04}-0123456789" for number in range(200)]
MODELS = 20
WARM = RELOADS // 5  # memory is compared with what it was after these


def port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def config(state, ports, turn):
    """Two files that differ in prices, weights, limits, a provider's credential, a guardrail, and a key that comes and goes."""
    provider, gateway, admin = ports
    odd = turn % 2
    lines = [
        f"server: {{ listen: [{{ address: '127.0.0.1:{gateway}' }}], threads: 2, drain_timeout: 5s }}",
        f"admin: {{ listen: '127.0.0.1:{admin}', token: {TOKEN} }}",
        f"state: {{ dir: '{state}' }}",
        "records: { access_log: off }",
        "providers:",
        f"  same: {{ kind: openai, base_url: 'http://127.0.0.1:{provider}/v1', api_key: one }}",
        f"  other: {{ kind: openai, base_url: 'http://127.0.0.1:{provider}/v1', api_key: key-{odd} }}",
        f"prices: {{ simulated-model: {{ input: {1 + odd}, output: 2 }} }}",
        f"guardrails: {{ mail: {{ kind: pii, on: [input], entities: [{'email' if odd else 'iban'}], action: redact }} }}",
        "models:",
    ]
    for model in range(MODELS):
        targets = [f"{{ provider: {name}, model: simulated-model, weight: {1 + odd} }}" for name in ("same", "other")]
        more = ", guardrails: [mail]" if model == 0 else ""
        lines.append(f"  m{model}: {{ route: weighted, targets: [{', '.join(targets)}]{more} }}")
    limits = f"limits: [{{ requests: {1_000_000 + odd}, per: hour }}], budgets: [{{ usd: {100_000 + odd}, per: month }}]"
    lines += ["teams:", f"  t: {{ {limits} }}", "keys:"]
    for number, key in enumerate(KEYS + [f"wb-reload-comes-and-goes-{turn:08}"] * odd):
        digest = hashlib.sha256(key.encode()).hexdigest()
        lines.append(f"  - {{ name: k{number}, team: t, hash: 'sha256:{digest}' }}")
    return "\n".join(lines) + "\n"


class Client(threading.Thread):
    """One client: a short call, then a stream, over one connection."""

    def __init__(self, at, number, stop):
        super().__init__(daemon=True)
        self.at, self.number, self.stop = at, number, stop
        self.well, self.wrong, self.slowest = 0, [], 0.0

    def run(self):
        line, turn = http.client.HTTPConnection("127.0.0.1", self.at, timeout=60), 0
        while not self.stop.is_set():
            turn += 1
            body = {"model": f"m{turn % MODELS}", "messages": [{"role": "user", "content": "write to ann@example.org"}]}
            stream = turn % 2 == 0
            if stream:
                body["stream"] = True
            key = KEYS[(self.number * 31 + turn) % len(KEYS)]
            begun = time.monotonic()
            try:
                fields = {"authorization": f"Bearer {key}", "content-type": "application/json"}
                line.request("POST", "/v1/chat/completions", json.dumps(body), fields)
                answer = line.getresponse()
                text = answer.read()
                whole = text.rstrip().endswith(b"data: [DONE]") if stream else b'"choices"' in text
                if answer.status == 200 and whole:
                    self.well += 1
                else:
                    self.wrong.append(f"{answer.status} {text[-200:]!r}")
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(repr(error))
                line.close()
            self.slowest = max(self.slowest, time.monotonic() - begun)


def call(at, method, path):
    line = http.client.HTTPConnection("127.0.0.1", at, timeout=60)
    line.request(method, path, headers={"authorization": f"Bearer {TOKEN}"})
    answer = line.getresponse()
    text = answer.read()
    line.close()
    return answer.status, text


def resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise SystemExit("the gateway is gone")


def ready(at):
    try:
        return call(at, "GET", "/readyz")[0] == 200
    except OSError:
        return False


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def main():
    work = Path(tempfile.mkdtemp(prefix="wb-reload-"))
    ports = (port(), port(), port())
    file = work / "weighbridge.yaml"
    file.write_text(config(work / "state", ports, 0))
    log = (work / "log").open("w")
    run = lambda *command: subprocess.Popen([str(BIN / "weighbridge"), *command], stdout=log, stderr=log)
    simulator = run("simulate", "--listen", f"127.0.0.1:{ports[0]}")
    gateway = run("run", "-c", str(file))
    try:
        end = time.time() + 60
        while not ready(ports[2]):
            if time.time() > end or gateway.poll() is not None:
                raise SystemExit(f"the gateway does not start: {(work / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        stop = threading.Event()
        clients = [Client(ports[1], number, stop) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        took, memory, failed = [], {}, []
        for turn in range(1, RELOADS + 1):
            file.write_text(config(work / "state", ports, turn))
            begun = time.monotonic()
            status, text = call(ports[2], "POST", "/admin/v1/reload")
            took.append((time.monotonic() - begun) * 1000)
            if status != 200 or json.loads(text)["generation"] != turn:
                failed.append(f"{status} {text[:300]!r}")
            if turn % max(1, RELOADS // 10) == 0 or turn == WARM:
                memory[turn] = resident(gateway.pid)
        stop.set()
        for client in clients:
            client.join(70)
        gateway.terminate()
        code = gateway.wait(60)
        verify = subprocess.run([str(BIN / "weighbridge"), "ledger", "verify", "--state", str(work / "state")], capture_output=True, text=True)
    finally:
        for one in (gateway, simulator):
            if one.poll() is None:
                one.kill()
    well = sum(client.well for client in clients)
    wrong = [line for client in clients for line in client.wrong]
    panics = (work / "log").read_text().lower().count("panicked")
    grown = memory[RELOADS] - memory[WARM]
    took.sort()
    print(f"# {RELOADS:,} reloads under load\n")
    print(f"{os.environ['MACHINE']}. {RELOADS} reloads one after the other by the admin API, {CLIENTS} clients without pause,")
    print(f"{len(KEYS)} keys, {MODELS} models; each reload changes prices, weights, limits, a credential, a guardrail and a key.\n")
    print("| what | |\n|---|--:|")
    print(f"| reloads that failed | {len(failed)} |")
    print(f"| requests answered well, half of them streams | {well:,} |")
    print(f"| requests that failed or were cut | {len(wrong)} |")
    print(f"| slowest request, ms | {max(client.slowest for client in clients) * 1000:.0f} |")
    print(f"| a reload, ms: median / p99 / most | {percentile(took, 0.5):.1f} / {percentile(took, 0.99):.1f} / {took[-1]:.1f} |")
    print(f"| panics | {panics} |")
    print(f"| exit code, `ledger verify` | {code}, {verify.returncode} |\n")
    print("Resident memory, KiB, after so many reloads: " + ", ".join(f"{turn}: {kib:,}" for turn, kib in sorted(memory.items())) + ".")
    print(f"Grown from reload {WARM} to {RELOADS}: {grown:,} KiB.")
    for line in (failed + wrong)[:5]:
        print(f"\n    {line}")
    limit = 16 * 1024
    good = not failed and not wrong and panics == 0 and code == 0 and verify.returncode == 0 and grown < limit
    sys.exit(0 if good else 1)


main()
