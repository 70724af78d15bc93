"""What is measured. Each scenario is a function that sets the stage, yields rows of raw figures, and has a report in reports.py.

Subjects take turns in an order that rotates from round to round, so that what the machine does beside falls on all of them.
"""

import hashlib
import sqlite3
import subprocess
import sys
import time

from stage import LOAD_CPU, LOAD_TESTS, PROXY_CPU, fail, free_port

# About 1 KB each way.
KILO = ("--text-bytes", 850, "--output-tokens", 200)
ALL = ("direct", "bare", "nginx", "plain", "governed", "production")


def turns(subjects, rounds):
    """The subjects of each round, another one first in each."""
    for number in range(rounds):
        at = number % len(subjects)
        print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        yield number, [*subjects[at:], *subjects[:at]]


def cast(stage, provider, names, **more):
    """Starts the subjects that are there."""
    stage.bare(provider)
    has_nginx = stage.nginx(provider) is not None
    stage.gateway(provider, **more)
    return [name for name in names if name != "nginx" or has_nginx]


def warm(stage, subjects, *arguments):
    for subject in subjects:
        stage.load(subject, "--requests", 400, "--connections", 16, *arguments)


def steady(stage, rounds):
    """Short requests of about 1 KB each way: closed loop, and open loop at 350 a second and at shares of the capacity."""
    provider = stage.provider("--output-tokens", "200")
    subjects = cast(stage, provider, ALL)
    warm(stage, subjects, *KILO)
    seconds = 1.5 if stage.quick else 6
    for number, order in turns(subjects, rounds):
        rates = {}
        for subject in order:
            count = int((25_000 if subject == "direct" else 9_000) * seconds)
            row = stage.measure(subject, *KILO, "--requests", count, "--connections", 32, "--seconds", max(1, round(seconds)))
            rates[subject] = row["load"]["rps"]
            yield {"round": number, "phase": "closed", **row}
        # The same rates for all: shares of what the gateway with everything on can do.
        capacity = rates["production"]
        phases = [("350", 350, 4 if stage.quick else 20)]
        phases += [(f"{share} %", max(1, int(capacity * share / 100)), seconds) for share in (50, 80, 95)]
        for phase, rate, length in phases:
            for subject in order:
                # More connections than are ever busy: a request that waits for one would be the generator's delay.
                row = stage.measure(subject, *KILO, "--rate", rate, "--requests", int(rate * length), "--connections", 128,
                                    "--refused", 503)
                yield {"round": number, "phase": phase, "rate": rate, **row}


def streams(stage, rounds):
    """Streams of 100 events at a cadence of 20 ms, and as fast as they go, timed at both ends by one clock."""
    port = stage.ports["direct"] = free_port()
    stage.bare(port)
    has_nginx = stage.nginx(port) is not None
    stage.gateway(port)
    subjects = [name for name in ("direct", "bare", "nginx", "plain", "production") if name != "nginx" or has_nginx]
    probe = ("--provider", f"127.0.0.1:{port}")
    for subject in subjects:
        stage.load(subject, *probe, "--streams", 8, "--every-ms", 1, program="stream_probe")
    for number, order in turns(subjects, rounds):
        for phase, arguments in (
            ("20 ms", ("--streams", 32, "--times", 2 if stage.quick else 10, "--events", 100, "--every-ms", 20)),
            ("flat out", ("--streams", 8, "--times", 25 if stage.quick else 100, "--events", 100, "--every-ms", 0)),
        ):
            for subject in order:
                row = stage.measure(subject, *probe, *arguments, program="stream_probe")
                yield {"round": number, "phase": phase, **row}


def bodies(stage, rounds):
    """Questions with one base64 image of 64 KB, 1 MB and 20 MB, and long texts under the guardrails."""
    provider = stage.provider()
    subjects = cast(stage, provider, ("direct", "bare", "nginx", "plain", "production"))
    warm(stage, subjects)
    fresh = {subject: stage.of(subject).memory() for subject in subjects if subject != "direct"}
    scale = 1 if stage.quick else 5
    for number, order in turns(subjects, rounds):
        for name, size, count, connections in (("64 KB", 64 << 10, 600, 4), ("1 MB", 1 << 20, 80, 4), ("20 MB", 20 << 20, 5, 1)):
            for subject in order:
                row = stage.measure(subject, "--body", "large", "--image-bytes", size, "--requests", count * scale,
                                    "--connections", connections)
                yield {"round": number, "phase": name, "bytes": size, "connections": connections, "fresh_kib": fresh.get(subject), **row}
        for subject in order:
            row = stage.measure(subject, "--text-bytes", 256 << 10, "--requests", 60 * scale, "--connections", 4)
            yield {"round": number, "phase": "256 KB of text", "bytes": 256 << 10, "connections": 4, "fresh_kib": fresh.get(subject), **row}


def features(stage, rounds):
    """CPU time of a request and of an event: as it is, governed, guarded, translated."""
    provider = stage.provider("--output-tokens", "200")
    cast(stage, provider, ("bare",))
    scale = 1 if stage.quick else 5
    subjects = ["bare", "plain", "governed", "production", "translated"]
    stage.ports["translated"] = stage.ports["plain"]
    models = {"translated": "load-translated"}
    for subject in subjects:
        stage.load(subject, "--requests", 200, "--model", models.get(subject, "load"))
    for number, order in turns(subjects, rounds):
        for subject in order:
            more = ("--model", models.get(subject, "load"))
            key = "plain" if subject == "translated" else None
            row = stage.measure(subject, *KILO, *more, "--requests", 6_000 * scale, "--connections", 16, key=key)
            yield {"round": number, "phase": "short", **row}
            row = stage.measure(subject, *more, "--body", "stream", "--events", 100, "--requests", 300 * scale, "--connections", 16, key=key)
            yield {"round": number, "phase": "burst", **row}


def churn(stage, rounds):
    """A connection for each request, over TLS."""
    cert, key = stage.certificate()
    provider = stage.provider()
    stage.nginx(provider, tls=True)
    subjects = ["nginx"] if "nginx" in stage.ports else []
    stage.gateway(provider, config=LOAD_TESTS / "churn" / "weighbridge.yaml", more={"CERT": str(cert), "KEY": str(key)})
    subjects.append("production")
    before = {subject: stage.of(subject).descriptors() for subject in subjects}
    tls = ("--fresh", "--ca", cert)
    count = 2_000 if stage.quick else 20_000
    for subject in subjects:
        stage.load(subject, *tls, "--requests", 200, "--connections", 8)
    for number, order in turns(subjects, rounds):
        for subject in order:
            yield {"round": number, "phase": "tls", **stage.measure(subject, *tls, "--requests", count, "--connections", 16)}
            yield {"round": number, "phase": "tls kept", **stage.measure(
                subject, "--ca", cert, "--requests", count, "--connections", 16)}
    for subject in subjects:
        # Connections are closed when the client's end is read.
        until = time.monotonic() + 20
        while stage.of(subject).descriptors() > before[subject] + 40 and time.monotonic() < until:
            time.sleep(0.1)
        yield {"phase": "left", "subject": subject, "before": before[subject], "after": stage.of(subject).descriptors()}


def failing(stage, rounds):
    """The first target fails each time, by its status and by a port where nobody listens; the second one answers."""
    provider = stage.provider("--output-tokens", "200")
    gone = free_port()
    stage.gateway(provider, config=LOAD_TESTS / "failing" / "weighbridge.yaml", more={"GONE_PORT": str(gone)})
    models = ("well", "status", "refused")
    for model in models:
        stage.load("production", "--model", model, "--requests", 200)
    for number, order in turns(list(models), rounds):
        for model in order:
            count = 4_000 if stage.quick else 40_000
            row = stage.measure("production", *KILO, "--model", model, "--requests", count, "--connections", 16)
            yield {"round": number, "phase": "closed", "model": model, **row}
            row = stage.measure("production", *KILO, "--model", model, "--rate", 350, "--requests", 700, "--connections", 64,
                                "--refused", 503)
            yield {"round": number, "phase": "350", "model": model, **row}


def curves(stage, rounds):
    """How start, memory and CPU time of a request grow with keys, models and ledger rows."""
    base = (LOAD_TESTS / "production.yaml").read_text()
    several = rounds
    points = [("keys", count) for count in (100, 10_000, 100_000)] + [("models", count) for count in (10, 100, 1_000)]
    points += [("rows", count) for count in ((0, 30_000, 300_000) if stage.quick else (0, 100_000, 1_000_000, 10_000_000))]
    filler = stage.built / "examples" / "fill_ledger"
    for what, count in points:
        text, more = base, {}
        provider = stage.provider("--output-tokens", "200")
        if what == "keys":
            more = {"STATE_DIR": str(make_keys(stage, provider, count))}
        elif what == "models":
            extra = [f"  m{at}: {{ targets: [{{ provider: simulated, model: simulated-model, price_as: gpt-4o-mini }}] }}"
                     for at in range(count)]
            text = text.replace("guardrails:\n", "\n".join(extra) + "\nguardrails:\n", 1)
        elif count > 0:
            if not filler.exists():
                print("fill_ledger is not built: rows are left out", file=sys.stderr)
                stage.clear()
                continue
            filled = stage.work / f"rows-{count}"
            subprocess.run([filler, "--state", filled, "--rows", str(count)], check=True, capture_output=True, timeout=3600)
            more = {"STATE_DIR": str(filled)}
        config = stage.work / f"{what}-{count}.yaml"
        config.write_text(text)
        gateway = stage.gateway(provider, config=config, more=more, patience=300)
        row = {"phase": what, "count": count, "started_s": gateway.started_s, "fresh_rss_kib": gateway.memory()}
        stage.load("production", "--requests", 500)
        for number in range(several):
            yield {"round": number, **row, **stage.measure("production", *KILO, "--requests", 4_000, "--connections", 16)}
        stage.clear()
    yield from open_streams(stage)


def make_keys(stage, provider, count):
    """A state directory whose key store has `count` keys more, as the admin API would have made them one by one."""
    state = stage.work / f"keys-{count}"
    state.mkdir()
    # The gateway makes its tables.
    stage.gateway(provider, more={"STATE_DIR": str(state)}).end()
    with sqlite3.connect(state / "keys.sqlite") as store:
        names = [f"key-{at:06}" for at in range(count)]
        now_us = int(time.time() * 1e6)
        store.executemany("INSERT INTO key (name, team, tags, created_us, updated_us) VALUES (?, 'governed', '{}', ?, ?)",
                          ((name, now_us, now_us) for name in names))
        store.executemany("INSERT INTO secret (hash, key, created_us) VALUES (?, ?, ?)",
                          ((hashlib.sha256(name.encode()).digest(), name, now_us) for name in names))
    store.close()
    return state


def open_streams(stage):
    """CPU time of a short request and memory, beside slow streams that are open."""
    provider = stage.provider("--output-tokens", "200")
    slow = free_port()
    streams_py = LOAD_TESTS / "idle_streams" / "streams.py"
    stage.start("slow", LOAD_CPU, [sys.executable, streams_py, "provider", slow, "5"], slow)
    gateway = stage.gateway(provider, config=LOAD_TESTS / "curves" / "weighbridge.yaml", more={"SLOW_PORT": str(slow)})
    stage.load("production", "--requests", 500)
    before = gateway.memory("RssAnon")
    sys.path.insert(0, str(streams_py.parent))
    import streams as held_streams

    held = held_streams.Clients(gateway.port, stage.keys["production"])
    for count in (0, 500, 2_000, 5_000):
        held.raise_to(count)
        row = stage.measure("production", *KILO, "--requests", 4_000, "--connections", 16)
        yield {"round": 0, "phase": "open streams", "count": count, "anon_kib": gateway.memory("RssAnon") - before, **row}
    if held.ended:
        fail(f"{held.ended} streams ended while they were held")
    held.close()
    stage.clear()


SCENARIOS = {one.__name__: one for one in (steady, streams, bodies, features, churn, failing, curves)}
