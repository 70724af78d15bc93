#!/usr/bin/env python3
"""Turns the raw runs of run.sh (one JSON object a line) into Markdown, and says whether the goals hold."""
import json
import sys

rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]


def ms(us):
    return "-" if us is None else f"{us / 1000:.1f}"


def of(scenario, phase):
    return {row["key"]: row for row in rows if (row["scenario"], row["phase"]) == (scenario, phase)}


print("# Overload\n")
print("What each figure is: `load-tests/overload/README.md`. Raw: [overload.jsonl](overload.jsonl).\n")
for scenario in dict.fromkeys(row["scenario"] for row in rows):
    quiet, loud = of(scenario, "quiet"), of(scenario, "overload")
    capacity = next(iter(loud.values()))["capacity"]
    served = sum(row["load"]["rps"] for row in loud.values())
    print(f"## {scenario}\n")
    print(f"Capacity {capacity} requests a second, offered {3 * capacity}; served {served:.0f} "
          f"({served / capacity:.2f} of the capacity).\n")
    print("| key | share of the load | share of the served | served of the asked | served p50, p99 ms "
          "| the same at a third of the capacity | refused p50, p99 ms | without `retry-after` | errors |")
    print("|---|---|---|---|---|---|---|---|---|")
    for key, row in loud.items():
        load, before = row["load"], quiet[key]["load"]["latency_us"]
        asked = load["requests"] + load["refused"] + load["errors"]
        print(f"| {key} | {row['share']} % | {100 * load['rps'] / served if served else 0:.0f} % "
              f"| {100 * load['requests'] / asked if asked else 0:.0f} % "
              f"| {ms(load['latency_us']['p50'])}, {ms(load['latency_us']['p99'])} | {ms(before['p50'])}, {ms(before['p99'])} "
              f"| {ms(load['refused_latency_us']['p50'])}, {ms(load['refused_latency_us']['p99'])} "
              f"| {load['refused_without_retry_after']} | {load['errors']} |")
    worst = max((row["load"]["latency_us"]["p99"] or 0) for row in loud.values())
    calm = max((row["load"]["latency_us"]["p99"] or 1) for row in quiet.values())
    told = max((row["load"]["refused_latency_us"]["p99"] or 0) for row in loud.values())
    print(f"\nGoals: served p99 at most twice the quiet one: {worst / calm:.2f} ×; refusals below 20 ms: "
          f"p99 {told / 1000:.1f} ms.\n")
