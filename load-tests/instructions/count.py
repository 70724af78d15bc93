#!/usr/bin/env python3
"""Instructions and allocations of the gateway's worker thread for each request and each streamed chunk, by callgrind.

    count.py WEIGHBRIDGE [--bare FILE] [--requests N] [--out FILE.json] [--budget FILE.json] [--write-budget] [--profile FILE.txt]

The provider and the client are threads of this process, in step with each other: a stream's next chunk leaves when the client has the one
before, so that each chunk is a read and a write of its own, in every run. Nothing is counted before the first requests are done. The
same work is done five times, and the least counts: a timer that fires in between only adds. Standard library only; loopback only.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import platform
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
CONFIG = HERE.parent / "production.yaml"
# Most that a figure may rise above the budget, in per cent.
ALLOWED = 3.0
KEYS = ("plain", "governed", "production")
CHUNKS = 50
# How often each is counted.
RUNS = 5

PROSE = (
    "Please read the report below and tell me what the authors think about the future of the harbour. They argue that trade moves "
    "away from the large ports, because smaller ships can turn around faster, and because towns have learned to share what they "
    "own. I am not sure whether this follows from the tables, so be careful with conclusions. "
)


def question(stream):
    content = (PROSE * 4)[:850]
    messages = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": content}]
    body = {"model": "load", "messages": messages, "max_tokens": 256, "temperature": 0.7, "user": "u-17"}
    return json.dumps(body | ({"stream": True} if stream else {}), separators=(",", ":")).encode()


def answer():
    message = {"role": "assistant", "content": (PROSE * 3)[:700], "refusal": None}
    usage = {"prompt_tokens": 190, "completion_tokens": 140, "total_tokens": 330}
    body = {
        "id": "chatcmpl-0123456789", "object": "chat.completion", "created": 1795000000, "model": "simulated-model",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def event(delta, finish=None, usage=None):
    body = {
        "id": "chatcmpl-0123456789", "object": "chat.completion.chunk", "created": 1795000000, "model": "simulated-model",
        "choices": [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": usage,
    }
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Buffered:
    """Reads of a socket, line by line or by length."""

    def __init__(self, connection):
        self.connection, self.data = connection, b""

    def more(self):
        data = self.connection.recv(65536)
        if not data:
            raise EOFError
        self.data += data

    def until(self, mark):
        while mark not in self.data:
            self.more()
        part, _, self.data = self.data.partition(mark)
        return part

    def exactly(self, length):
        while len(self.data) < length:
            self.more()
        part, self.data = self.data[:length], self.data[length:]
        return part


def length_of(head):
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else None


class Provider:
    """Answers with one and the same text; the chunks of a stream by `step`."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.step = threading.Semaphore(0)
        whole = answer()
        self.whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(whole) + whole
        self.head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        first = [chunk(event({"role": "assistant", "content": ""}))]
        words = [chunk(event({"content": f" word{at:03}"})) for at in range(CHUNKS)]
        usage = {"prompt_tokens": 190, "completion_tokens": CHUNKS, "total_tokens": 190 + CHUNKS}
        last = event({}, "stop") + event({}, None, usage) + b"data: [DONE]\n\n"
        # The gateway lets nothing out before the first output.
        self.parts = [self.head + first[0] + words[0], *words[1:], chunk(last) + b"0\r\n\r\n"]
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        reader = Buffered(connection)
        try:
            while True:
                head = reader.until(b"\r\n\r\n")
                body = reader.exactly(length_of(head) or 0)
                if b'"stream":true' not in body:
                    connection.sendall(self.whole)
                    continue
                for at, part in enumerate(self.parts):
                    if at > 0:
                        self.step.acquire()
                    connection.sendall(part)
        except (EOFError, OSError):
            connection.close()


class Client:
    """One kept connection."""

    def __init__(self, port, provider):
        self.port, self.provider = port, provider
        self.reader = None

    def ask(self, key, stream):
        if self.reader is None:
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=120)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.reader = Buffered(connection)
        body = question(stream)
        self.reader.connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %s\r\naccept: */*\r\n"
            b"user-agent: weighbridge-instructions\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
            % (key.encode(), len(body), body)
        )
        head = self.reader.until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"the gateway answers {head!r} {self.reader.data!r}")
        length = length_of(head)
        if length is not None:
            self.reader.exactly(length)
            return
        words = 0
        while True:
            size = int(self.reader.until(b"\r\n").split(b";")[0], 16)
            came = self.reader.exactly(size + 2).count(b'" word')
            if size == 0:
                break
            if came:
                words += came
                self.provider.step.release()
        if words != CHUNKS:
            sys.exit(f"{words} words of {CHUNKS}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


class Counted:
    """A proxy under callgrind; without counting until it is told to. With a configuration: the gateway, else the bare one."""

    def __init__(self, binary, provider, work, config=None):
        self.work, self.dumps, self.port = work, 0, free_port()
        self.keys = {name: f"load-{name}-{secrets.token_hex(16)}" for name in (KEYS if config else ("bare",))}
        work.mkdir()
        env, command = dict(os.environ), [
            "valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={work}/out", "--instr-atstart=no",
            "--fair-sched=yes", str(binary),
        ]
        if config:
            env |= {"GATEWAY_PORT": str(self.port), "ADMIN_PORT": str(free_port()), "PROVIDER_PORT": str(provider.port)}
            env |= {"STATE_DIR": str(work / "state"), "ACCESS_LOG": str(work / "access.jsonl")}
            env |= {f"{name.upper()}_HASH": hashlib.sha256(key.encode()).hexdigest() for name, key in self.keys.items()}
            (work / "state").mkdir()
            command += ["run", "-c", str(config)]
        else:
            command += ["--listen", f"127.0.0.1:{self.port}", "--upstream", f"127.0.0.1:{provider.port}", "--threads", "1"]
        with open(work / "log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        until = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit("it does not start:\n" + (work / "log").read_text()[-2000:])
                time.sleep(0.2)

    def control(self, *words):
        command = ["callgrind_control", *words, str(self.process.pid)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode or "OK" not in done.stdout:
            sys.exit(f"{' '.join(command)}: {done.stdout} {done.stderr}")

    def dump(self):
        """The files of all threads for what was done since the last dump."""
        self.control("--dump")
        self.dumps += 1
        return sorted(self.work.glob(f"out.{self.dumps}-*"))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


# What asks for memory: Rust's own door to whatever allocator, and the allocators' doors, where the first one was inlined.
BY_RUST = re.compile(r"(__rustc::)?__rust_(alloc|alloc_zeroed|realloc)$")
BY_NAME = re.compile(r"(_rjem_|je_)?(malloc|mallocx|calloc|realloc|rallocx|aligned_alloc|posix_memalign|memalign)$")


class Thread:
    """What callgrind counted in one thread."""

    def __init__(self, path):
        # By function and by source file: instructions without what is called. By function: what it calls, with everything below.
        self.own, self.by_file, self.below = collections.Counter(), collections.Counter(), collections.Counter()
        # (caller, callee): how often, and with how many instructions.
        self.calls, self.costs = collections.Counter(), collections.Counter()
        tables = {"fn": {}, "file": {}}
        function = file = callee = ""
        called = False

        def name(table, text):
            found = re.match(r"\((\d+)\)(?: (.*))?", text)
            if found[2]:
                tables[table][found[1]] = found[2].strip()
            return tables[table].get(found[1], "")

        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                head = line[:4]
                if line[:3] == "fn=":
                    function = name("fn", line[3:])
                elif line[:3] in ("fl=", "fi=", "fe="):
                    file = name("file", line[3:])
                elif head == "cfn=":
                    callee = name("fn", line[4:])
                elif head in ("cfi=", "cfl="):
                    name("file", line[4:])
                elif head == "call":
                    self.calls[(function, callee)] += int(line[6:].split()[0])
                    called = True
                elif line[:1].isdigit() or line[:1] in "+-*":
                    cost = int(line.split()[1])
                    if called:
                        self.below[function] += cost
                        self.costs[(function, callee)] += cost
                        called = False
                    else:
                        self.own[function] += cost
                        self.by_file[file] += cost
        self.instructions = self.own.total()
        asked = lambda door: sum(times for (_, callee), times in self.calls.items() if door.match(callee.split("'")[0]))
        self.allocations = asked(BY_RUST) or asked(BY_NAME)
        self.serves = any("pingora_proxy" in function for function in self.own)


def totals(files):
    """Instructions and allocations of the worker thread, and of all others together; and the worker."""
    threads = [Thread(path) for path in files]
    workers = [thread for thread in threads if thread.serves]
    if len(workers) != 1:
        sys.exit(f"{len(workers)} threads served requests, not one")
    others = sum(thread.instructions for thread in threads if not thread.serves)
    return workers[0], others


def measure(gateway, client, requests):
    """For each key, and for short requests and streams: figures for one; and the worker of the least run, with its length."""
    figures, workers = {}, {}
    for stream in (False, True):
        count = max(2, requests // 4) if stream else requests
        for key in gateway.keys:
            runs = []
            for _ in range(RUNS):
                if not runs:
                    client.ask(gateway.keys[key], stream)
                    gateway.dump()
                for _ in range(count):
                    client.ask(gateway.keys[key], stream)
                runs.append(totals(gateway.dump()))
            name = f"{key}_{'stream' if stream else 'short'}"
            least = min((worker for worker, _ in runs), key=lambda worker: worker.instructions)
            most = max(worker.instructions for worker, _ in runs)
            workers[name] = (least, count)
            figures[name] = {
                "instructions": round(least.instructions / count),
                "most_instructions": round(most / count),
                "allocations": round(min(worker.allocations for worker, _ in runs) / count, 1),
                "other_threads_instructions": round(sum(others for _, others in runs) / count / RUNS),
            }
            print(name, figures[name], file=sys.stderr, flush=True)
    for key in gateway.keys:
        short, stream = figures[f"{key}_short"], figures[f"{key}_stream"]
        figures[f"{key}_chunk"] = {
            "instructions": round((stream["instructions"] - short["instructions"]) / CHUNKS),
            "allocations": round((stream["allocations"] - short["allocations"]) / CHUNKS, 1),
        }
    return figures, workers


def crate(file):
    """`pingora-core-0.9.1 protocols/http/v1/server.rs` of a path."""
    for mark in ("/registry/src/", "/library/"):
        if mark in file:
            rest = file.partition(mark)[2]
            return (rest.partition("/")[2] if mark == "/registry/src/" else rest).replace("/src/", " ", 1)
    return "weighbridge " + file.partition("/src/")[2] if "/src/" in file else file


def profile(workers, path, top=40):
    """Writes who took the instructions of a request."""
    with open(path, "w", encoding="utf-8") as out:
        for name, (worker, count) in workers.items():
            least = worker.instructions * 0.0005

            def table(title, rows, most=top):
                print(f"\n== {name}: {title}", file=out)
                for what, times in rows.most_common(most):
                    print(f"{times / count:12,.1f}  {what}", file=out)

            print(f"\n{'=' * 20} {name}: {worker.instructions / count:,.0f} instructions, "
                  f"{worker.allocations / count:.1f} allocations", file=out)
            table("instructions of functions by themselves", worker.own)
            table("instructions of functions with all they call", worker.own + worker.below, 3 * top)
            table("instructions by crate", collections.Counter(
                {one: sum(cost for file, cost in worker.by_file.items() if crate(file).split(" ")[0] == one)
                 for one in {crate(file).split(" ")[0] for file in worker.by_file}}), 25)
            table("instructions by source file (inlined code counts where it was written)", collections.Counter(
                {crate(file): cost for file, cost in worker.by_file.items() if cost > least}), 80)
            moved = collections.Counter()
            for (caller, callee), cost in worker.costs.items():
                if re.match(r"__mem(cpy|set|move|cmp)", callee):
                    moved[f"{caller} -> {callee} ({worker.calls[(caller, callee)] / count:.1f} calls)"] += cost
            table("instructions of moving and filling memory, by who asks", moved, 60)
            asked = collections.Counter()
            for (caller, callee), times in worker.calls.items():
                if BY_RUST.match(callee.split("'")[0]) or BY_NAME.match(callee.split("'")[0]):
                    asked[f"{caller} -> {callee}"] += times
            table("allocations by who asks", asked)
            grown = collections.Counter()
            for (caller, callee), times in worker.calls.items():
                if re.search(r"finish_grow|RawVec|reserve|__rust_alloc|exchange_malloc|to_vec|clone|from_iter|Box.*new", callee):
                    grown[f"{caller} -> {callee}"] += times
            table("calls of what allocates for others", grown)


def compiler():
    """What the counts depend on: the compiler, and what the processor lets libraries choose."""
    version = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{version} {platform.machine()}"


def count(binary, provider, work, requests, config=None):
    """Starts it, warms it, counts, and ends it."""
    proxy = Counted(binary, provider, work, config)
    try:
        client = Client(proxy.port, provider)
        for key in proxy.keys.values():
            for stream in (False, True):
                for _ in range(5):
                    client.ask(key, stream)
        proxy.control("--instr=on")
        return measure(proxy, client, requests)
    finally:
        proxy.end()


def tell(figures):
    """A table in Markdown."""
    print("| | instructions | ÷ bare | allocations | in other threads |\n|---|---|---|---|---|")
    for name, figure in figures.items():
        bare = figures.get(f"bare_{name.rpartition('_')[2]}")
        ratio = f"{figure['instructions'] / bare['instructions']:.2f}" if bare else "-"
        others = f"{figure['other_threads_instructions']:,}" if "other_threads_instructions" in figure else "-"
        print(f"| {name.replace('_', ', ')} | {figure['instructions']:,} | {ratio} | {figure['allocations']} | {others} |")


def judge(figures, budget):
    """Compares with the budget of this compiler; true if nothing rose too far."""
    known = budget.get(compiler())
    if known is None:
        print(f"no budget for {compiler()}: told only (known: {', '.join(budget) or 'none'})")
        return True
    good = True
    for name, want in known.items():
        got = figures[name]["instructions"]
        rise = (got / want - 1) * 100
        word = "" if rise <= ALLOWED else f"  TOO MANY: more than {ALLOWED:g} % above the budget"
        good = good and rise <= ALLOWED
        print(f"{name:20} {got:>10,} of {want:>10,} instructions ({rise:+.1f} %){word}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--requests", type=int, default=16, help="of short requests in each run; streams: a quarter")
    parser.add_argument("--bare", type=pathlib.Path, help="counts the bare pass-through, too")
    parser.add_argument("--out", type=pathlib.Path, help="writes the figures as JSON")
    parser.add_argument("--budget", type=pathlib.Path, help="fails where a figure is more than 3 %% above it")
    parser.add_argument("--write-budget", action="store_true", help="writes the figures of this compiler into --budget")
    parser.add_argument("--profile", type=pathlib.Path, help="writes who took the instructions")
    args = parser.parse_args()
    # What was started is ended also when this is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    if not shutil.which("valgrind"):
        sys.exit("valgrind is missing: apt-get install valgrind")
    with tempfile.TemporaryDirectory() as work:
        provider, work = Provider(), pathlib.Path(work)
        figures, workers = count(args.binary, provider, work / "gateway", args.requests, CONFIG)
        if args.bare:
            bare_figures, bare_workers = count(args.bare, provider, work / "bare", args.requests)
            figures, workers = bare_figures | figures, bare_workers | workers
        if args.profile:
            profile(workers, args.profile)
    tell(figures)
    if args.out:
        args.out.write_text(json.dumps({"compiler": compiler(), "figures": figures}, indent=1) + "\n")
    budget = json.loads(args.budget.read_text()) if args.budget and args.budget.exists() else {}
    if args.write_budget:
        ours = {name: figure["instructions"] for name, figure in figures.items() if not name.startswith("bare")}
        budget[compiler()] = ours
        args.budget.write_text(json.dumps(budget, indent=1) + "\n")
    if args.budget and not judge(figures, budget):
        sys.exit("the chain takes more instructions than its budget allows")


if __name__ == "__main__":
    main()
