#!/usr/bin/env python3
"""Turns the lines of money.jsonl into Markdown tables, and says which goals are met. Exits with 1 if one is missed."""
import json
import re
import sys

lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
missed = []


def of(part, scenario=None):
    return [line for line in lines if line["part"] == part and scenario in (None, line.get("scenario"))]


def goal(met, what):
    if not met:
        missed.append(what)
    return "met" if met else "**missed**"


def table(title, head, rows):
    if rows:
        print(f"## {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
        for row in rows:
            print(f"| {' | '.join(str(cell) for cell in row)} |")
        print()


def usd(nano):
    return f"{nano / 1e9:.6f}"


table(
    "Race: requests at once on a budget that pays for 100",
    ["provider", "at once", "served, wave by wave", "calls the provider counted", "their cost / limit (USD)", "overshoot", "used", "goal (overshoot 0, 95 % used)", "load"],
    [
        (
            line["provider"], line["requests_a_wave"], " + ".join(map(str, line["served_by_wave"])), line["provider_calls"],
            f"{usd(line['provider_cost_nano'])} / {usd(line['limit_nano'])}", line["overshoot_nano"], f"{line['used_share']:.0%}",
            goal(line["overshoot_nano"] == 0 and line["used_share"] >= 0.95, f"race, {line['provider']}"), line["load"],
        )
        for line in of("race")
    ],
)
table(
    "kill -9 under load",
    ["kills", "requests that reached the upstream", "seconds under load", "requests/s", "rows", "lost", "double", "balance = rows", "goal (0, 0, 300/s)", "load"],
    [
        (
            line["kills"], line["requests"], line["seconds_under_load"], line["rps"], line["rows"], line["lost"], line["double"],
            f"{usd(line['cost_nano_usd'])} USD", goal(line["lost"] == line["double"] == 0 and line["rps"] >= 300, "kill"), line["load"],
        )
        for line in of("kill")
    ],
)
rows = []
for line in of("rows"):
    if "written_seconds" in line:
        groups = f"{line['teams']} teams, {line['keys']} keys, {line['models']} models, {line['days']} days"
        rows.append((f"write and fold {line['rows']:,} rows ({groups})", f"{line['folded_seconds']:.0f} s", "", "", "", line["load"]))
    elif line["scenario"] == "store":
        sizes = f"journal {line['journal_bytes'] / 1e9:.2f} GB, store {line['store_bytes'] / 1e9:.2f} GB"
        rows.append((f"{sizes}; {line['hours']:,} hourly sums, {line['longer']:,} longer ones", f"added up in {line['longer_rollups_seconds']} s" if line["longer_rollups_seconds"] else "there before", "", "", "", line["load"]))
    elif line["scenario"] == "starts":
        rows.append(("start to ready", f"{line['median_ms']} ms", f"{line['median_cpu_ms']} ms", line["ms"], goal(line["median_ms"] < 1000, "start") + " (1 s)", line["load"]))
    else:
        met = goal(line["median_ms"] < 100, f"usage --by {line['by']} --since {line['since']}") + " (100 ms)"
        rows.append((f"`usage --by {line['by']} --since {line['since']}`", f"{line['median_ms']} ms", f"{line['median_cpu_ms']} ms", line["ms"], met, line["load"]))
table("Rows", ["what", "median", "median of its CPU time", "all, in ms", "goal", "load"], rows)
table(
    "Cost of a request",
    ["bench", "time (low, estimate, high)", "load"],
    [(line["name"], line["time"], line["load"]) for line in of("cost")],
)
costs = {line["name"]: re.findall(r"([\d.]+) (ns|µs|us|ms)", line["time"]) for line in of("cost")}
scale = {"ns": 1e-3, "µs": 1, "us": 1, "ms": 1e3}
if costs:
    worst = sum(float(costs[name][1][0]) * scale[costs[name][1][1]] for name in ["limits/three_rules_one_by_user", "limits/three_rules_one_by_user_shares", "budget/reserve_settle_3", "budget/left_3"] if name in costs)
    print(f"Three limits, one of them by user, with their headers, and three budgets: {worst:.2f} µs. Goal 3 µs: {goal(worst < 3, 'cost')}.\n")
table(
    "Refusals at 64 connections",
    ["status", "load", "requests", "requests/s", "p50 ms", "p99 ms", "max ms", "errors", "goal (p99 5 ms)", "machine's load"],
    [
        (
            line["status"], "as fast as it goes" if line["scenario"] == "closed" else "evenly spaced", load["requests"], f"{load['rps']:.0f}",
            *(f"{load['latency_us'][at] / 1000:.2f}" for at in ("p50", "p99", "max")), load["errors"],
            goal(load["latency_us"]["p99"] < 5000 and load["errors"] == 0, f"refusals {line['status']}, {line['scenario']}"), line["load"],
        )
        for line in of("refusals")
        for load in [line["load_result"]]
    ],
)
print("All goals are met." if not missed else "Missed: " + "; ".join(missed) + ".")
sys.exit(bool(missed))
