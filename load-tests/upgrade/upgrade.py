"""Upgrades a gateway again and again while streams are open and clients call, and tells what they and the ledger saw of it."""

import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = str(Path(os.environ["BIN"]) / "weighbridge")
UPGRADES, STREAMS, CLIENTS = (int(os.environ[name]) for name in ("UPGRADES", "STREAMS", "CLIENTS"))
EACH, PAUSE = float(os.environ["SECONDS_EACH"]), float(os.environ["PAUSE"])
KEY = "wb-upgrade-load-0123456789-0123456789"
TOKENS = 60  # of output, of each stream
BUDGET = 'weighbridge_ledger_budget_used{budget="team/t/usd/lifetime",unit="usd"}'


def port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def config(state, ports):
    provider, gateway, admin = ports
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    slow = f"simulated-model?tps={TOKENS / EACH}&output={TOKENS}"
    return f"""
server: {{ listen: [{{ address: '127.0.0.1:{gateway}' }}], threads: 2, shed_lag: 0s, per_address: {{ connections: 0 }} }}
admin: {{ listen: '127.0.0.1:{admin}' }}
state: {{ dir: '{state}' }}
records: {{ access_log: off }}
providers: {{ p: {{ kind: openai, base_url: 'http://127.0.0.1:{provider}/v1', api_key: one, catalogue: openai }} }}
models:
  short: {{ targets: [{{ provider: p, model: simulated-model, price_as: gpt-4o-mini }}] }}
  slow: {{ targets: [{{ provider: p, model: '{slow}', price_as: gpt-4o-mini }}] }}
teams: {{ t: {{ budgets: [{{ usd: 1000000, per: lifetime }}] }} }}
keys: [{{ name: k, team: t, hash: 'sha256:{digest}' }}]
"""


class Seen:
    """What clients saw."""

    def __init__(self):
        self.well = {"stream": 0, "kept": 0, "new": 0}
        self.refused, self.wrong = [], []
        self.open = 0
        self.stop = False


async def ask(line, body):
    """One request over an open connection: status, head, body."""
    reader, writer = line
    text = json.dumps(body)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}content-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n{text}".encode())
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = int(head.split()[1])
    if "transfer-encoding: chunked" in head:
        body = b""
        while True:
            size = int((await reader.readline()).strip() or b"0", 16)
            piece = await reader.readexactly(size + 2)
            if size == 0:
                return status, head, body
            body += piece[:-2]
    length = [field.split(":")[1] for field in head.split("\r\n") if field.startswith("content-length:")]
    return status, head, await reader.readexactly(int(length[0]))


async def connect(at, seen):
    try:
        return await asyncio.open_connection("127.0.0.1", at, limit=1 << 20)
    except OSError as error:
        seen.refused.append(repr(error))
        await asyncio.sleep(0.1)
        return None


async def client(at, kind, seen):
    """Asks without pause: over new connections, over a kept one, or one stream after the other."""
    line, stream = None, kind == "stream"
    body = {"model": "slow" if stream else "short", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    while not seen.stop:
        line = line or await connect(at, seen)
        if line is None:
            continue
        seen.open += stream
        try:
            status, head, text = await ask(line, body)
            whole = text.rstrip().endswith(b"data: [DONE]") if stream else b'"choices"' in text
            if status == 200 and whole:
                seen.well[kind] += 1
            else:
                seen.wrong.append(f"{kind}: {status} {text[-200:]!r}")
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            seen.wrong.append(f"{kind}: {error!r}")
            head = "connection: close"
        seen.open -= stream
        if kind == "new" or "connection: close" in head:
            line[1].close()
            line = None


def fetch(at, path):
    with socket.create_connection(("127.0.0.1", at), timeout=30) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        text = b""
        while piece := line.recv(1 << 16):
            text += piece
    return text.decode()


def ready(at):
    try:
        return " 200 " in fetch(at, "/readyz").split("\r\n")[0]
    except OSError:
        return False


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


async def until(what, holds, seconds):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"in vain waited for: {what}")
        await asyncio.sleep(0.05)


async def upgrade(state):
    run = await asyncio.create_subprocess_exec(
        BIN, "upgrade", "--state", str(state), "--within", "300", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    text = (await run.communicate())[0].decode()
    words = text.split()
    pid = next((int(words[at - 1]) for at, word in enumerate(words) if word == "serves;"), None)
    return pid, text


async def main():
    work = Path(tempfile.mkdtemp(prefix="wb-upgrade-"))
    state, ports = work / "state", (port(), port(), port())
    (work / "weighbridge.yaml").write_text(config(state, ports))
    log = (work / "log").open("w")
    start = lambda *command: subprocess.Popen([BIN, *command], stdout=log, stderr=log)
    simulator = start("simulate", "--listen", f"127.0.0.1:{ports[0]}")
    first = start("run", "-c", str(work / "weighbridge.yaml"))
    pids, failed, most, seen = [first.pid], [], 1, Seen()
    living = lambda: [pid for pid in pids if (first.poll() is None if pid == first.pid else alive(pid))]
    try:
        await until("the gateway", lambda: first.poll() is not None or ready(ports[2]), 120)
        if first.poll() is not None:
            raise SystemExit(f"the gateway does not start: {(work / 'log').read_text()[-2000:]}")
        clients = [asyncio.create_task(client(ports[1], "stream", seen)) for _ in range(STREAMS)]
        await until("all streams", lambda: seen.open == STREAMS, 300)
        clients += [asyncio.create_task(client(ports[1], ("kept", "new")[turn % 2], seen)) for turn in range(CLIENTS)]
        fewest = STREAMS
        for _ in range(UPGRADES):
            await asyncio.sleep(PAUSE)
            fewest = min(fewest, seen.open)
            pid, text = await upgrade(state)
            if pid is None:
                failed.append(text)
            else:
                pids.append(pid)
            most = max(most, len(living()))
        await asyncio.sleep(PAUSE)
        seen.stop = True
        await asyncio.gather(*clients)
        await until("old processes end", lambda: len(living()) == 1, 120)
        requests = sum(seen.well.values())
        used = lambda: next(float(line.split()[-1]) for line in fetch(ports[2], "/metrics").splitlines() if line.startswith(BUDGET))
        export = lambda: subprocess.run([BIN, "ledger", "export", "--state", str(state)], capture_output=True, text=True).stdout
        rows = [json.loads(line) for line in export().splitlines()]
        cost = sum(row["cost_nano_usd"] for row in rows)
        await until("the budget is what the rows cost", lambda: abs(used() * 1e9 - cost) < 1, 30)
        last = living()[0]
        os.kill(last, signal.SIGTERM)
        await until("the last process ends", lambda: not living(), 120)
        verify = subprocess.run([BIN, "ledger", "verify", "--state", str(state)], capture_output=True, text=True)
    finally:
        for pid in living():
            os.kill(pid, signal.SIGKILL)
        simulator.kill()
    panics = (work / "log").read_text().lower().count("panicked")
    tokens = sum(row["output_tokens"] for row in rows if row["model"] == "slow")
    print(f"# {UPGRADES} upgrades in a row under load\n")
    print(f"{os.environ['MACHINE']}. {STREAMS:,} streams of {EACH:.0f} s, {CLIENTS} clients without pause.\n")
    print("| what | |\n|---|--:|")
    print(f"| upgrades, of which failed | {UPGRADES}, {len(failed)} |")
    print(f"| streams open at an upgrade, at least | {fewest:,} |")
    print(f"| processes at once, at most | {most} |")
    print(f"| streams that came whole | {seen.well['stream']:,} |")
    print(f"| short answers over kept / new connections | {seen.well['kept']:,} / {seen.well['new']:,} |")
    print(f"| connections refused | {len(seen.refused)} |")
    print(f"| requests refused or cut | {len(seen.wrong)} |")
    print(f"| rows in the ledger, of requests | {len(rows):,}, {requests:,} |")
    print(f"| output tokens of streams, expected | {tokens:,}, {TOKENS * seen.well['stream']:,} |")
    print(f"| budget used is what the rows cost | yes: {cost / 1e9:.9f} USD |")
    print(f"| panics, `ledger verify` | {panics}, {verify.returncode} |")
    for line in (failed + seen.refused + seen.wrong)[:5]:
        print(f"\n    {line}")
    whole = len(rows) == requests and verify.returncode == 0 and tokens == TOKENS * seen.well["stream"]
    sys.exit(0 if whole and not (failed or seen.refused or seen.wrong or panics) else 1)


asyncio.run(main())
