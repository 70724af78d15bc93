#!/usr/bin/env python3
"""Races many requests at once for a small budget, and compares with what the provider itself counted.

    race.py probe --provider HOST:PORT
    race.py race --gateway HOST:PORT --admin HOST:PORT --provider HOST:PORT --kind simulate|llmock --cost NANO --limit NANO --cap TOKENS

`probe` asks the provider without the gateway, first for how long its answers are and then with that as their cap, and
prints what such an answer costs, in nano-dollars, and the cap. `race` opens
all connections of a wave, then sends on all of them; waves follow until one is refused as a whole. It prints one JSON
object, and exits with 1 if the provider was called for more than the budget pays or too little of it could be used.
Python's standard library only; the key is read from GENERATOR_KEY.
"""
import argparse
import asyncio
import json
import os
import sys
import time

# As weighbridge.yaml prices them: nano-dollars per token.
INPUT_NANO, OUTPUT_NANO = 2_000, 8_000
# Longer than any answer of the providers.
NO_CAP = 1000
BUDGET = 'budget="team/race/'
QUESTION = "Name three rivers that end in the North Sea, and say in one sentence where each of them rises."
MAX_WAVES = 20
PATIENCE = 60


def body(model, cap):
    ask = {"model": model, "max_tokens": cap, "messages": [{"role": "user", "content": QUESTION}]}
    return json.dumps(ask).encode()


def head(method, target, path, key=None, length=0):
    lines = [f"{method} {path} HTTP/1.1", f"host: {target}", "connection: close"]
    if key:
        lines += [f"authorization: Bearer {key}", "content-type: application/json", f"content-length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def open_to(target):
    host, port = target.rsplit(":", 1)
    return await asyncio.open_connection(host, int(port))


async def exchange(connection, request):
    """Sends a request and reads the answer to its end: status and body."""
    reader, writer = connection
    try:
        writer.write(request)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(-1), PATIENCE)
    finally:
        writer.close()
    fields, _, rest = answer.partition(b"\r\n\r\n")
    if not fields:
        return 0, b""
    if b"transfer-encoding: chunked" in fields.lower():
        rest = b"".join(unchunk(rest))
    return int(fields.split(b" ", 2)[1]), rest


def unchunk(rest):
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        size = int(size.split(b";")[0], 16)
        yield rest[:size]
        rest = rest[size + 2 :]


async def get(target, path):
    status, answer = await exchange(await open_to(target), head("GET", target, path))
    if status != 200:
        sys.exit(f"race: {target}{path} answers {status}")
    return answer


async def post(target, model, key, cap):
    ask = body(model, cap)
    return await exchange(await open_to(target), head("POST", target, "/v1/chat/completions", key, len(ask)) + ask)


async def provider_count(target, kind):
    """Chat requests that the provider says it got."""
    if kind == "simulate":
        return json.loads(await get(target, "/_simulate/stats"))["requests"]
    requests = json.loads(await get(target, "/_llmock/requests"))
    return len(requests if isinstance(requests, list) else requests["requests"])


async def metric(admin, name):
    for line in (await get(admin, "/metrics")).decode().splitlines():
        if line.startswith(f"weighbridge_ledger_budget_{name}{{") and BUDGET in line:
            return round(float(line.rsplit(" ", 1)[1]) * 1e9)
    sys.exit(f"race: no metric for what the budget has {name}")


async def until_nothing_is_held(admin):
    for _ in range(200):
        if await metric(admin, "reserved") == 0:
            return
        await asyncio.sleep(0.05)
    sys.exit("race: something stays reserved")


def cost(answer):
    usage = json.loads(answer)["usage"]
    return usage["prompt_tokens"] * INPUT_NANO + usage["completion_tokens"] * OUTPUT_NANO


async def wave(args, key):
    """All connections first, then all requests: as nearly at once as one process can."""
    connections = []
    for start in range(0, args.requests, 100):
        connections += await asyncio.gather(*(open_to(args.gateway) for _ in range(start, min(start + 100, args.requests))))
    ask = body("race", args.cap)
    request = head("POST", args.gateway, "/v1/chat/completions", key, len(ask)) + ask
    return await asyncio.gather(*(exchange(connection, request) for connection in connections))


async def race(args, key):
    before = await provider_count(args.provider, args.kind)
    began, waves, paid, charged = time.monotonic(), [], 0, 0
    while len(waves) < MAX_WAVES:
        answers = await wave(args, key)
        served = [answer for status, answer in answers if status == 200]
        other = {status: text for status, text in answers if status not in (200, 402)}
        if other:
            sys.exit(f"race: answers that are neither 200 nor 402: {other}")
        paid += len(served)
        charged += sum(map(cost, served))
        waves.append(len(served))
        await until_nothing_is_held(args.admin)
        if not served:
            break
    calls = await provider_count(args.provider, args.kind) - before
    used = await metric(args.admin, "used")
    spent = calls * args.cost
    report = {
        "scenario": "race",
        "provider": args.kind,
        "requests_a_wave": args.requests,
        "served_by_wave": waves,
        "seconds": round(time.monotonic() - began, 2),
        "limit_nano": args.limit,
        "cost_each_nano": args.cost,
        "cap": args.cap,
        "provider_calls": calls,
        "answers": paid,
        "provider_cost_nano": spent,
        "overshoot_nano": max(0, spent - args.limit),
        "budget_used_nano": used,
        "used_share": round(spent / args.limit, 4),
    }
    print(json.dumps(report))
    exact = calls == paid and spent == charged == used
    if spent > args.limit or spent < 0.95 * args.limit or not exact or waves[-1] != 0:
        sys.exit(f"race: missed: calls {calls}, answers {paid}, cost {spent}, charged {charged}, used {used}")


async def probe(args):
    cap = NO_CAP
    for _ in range(2):
        status, answer = await post(args.provider, "simulated-model", "provider-key", cap)
        if status != 200:
            sys.exit(f"race: the provider answers {status}: {answer[:200]!r}")
        cap = json.loads(answer)["usage"]["completion_tokens"]
    print(cost(answer), cap)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["probe", "race"])
    parser.add_argument("--provider", required=True)
    parser.add_argument("--gateway")
    parser.add_argument("--admin")
    parser.add_argument("--kind", choices=["simulate", "llmock"], default="simulate")
    parser.add_argument("--cost", type=int)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--cap", type=int)
    parser.add_argument("--requests", type=int, default=1000)
    args = parser.parse_args()
    asyncio.run(probe(args) if args.what == "probe" else race(args, os.environ["GENERATOR_KEY"]))


main()
