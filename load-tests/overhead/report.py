#!/usr/bin/env python3
"""Turns the raw rounds of run.sh (one JSON object a line) into a Markdown table of medians."""
import json
import statistics
import sys

rounds = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
subjects = list(dict.fromkeys(row["subject"] for row in rounds))
count = max(row["round"] for row in rounds)


def runs(subject, scenario):
    return [row for row in rounds if row["subject"] == subject and row["scenario"] == scenario]


def spread(figures, form="{:.1f}"):
    """The median, and the least and the largest round."""
    if not figures:
        return "-"
    low, high = min(figures), max(figures)
    return f"{form.format(statistics.median(figures))} ({form.format(low)}…{form.format(high)})"


def cpu(subject, scenario, unit):
    """Microseconds of CPU per request or event."""
    if subject == "direct":
        return []
    return [row["cpu_us"] / row["load"][unit] for row in runs(subject, scenario)]


def added(subject, percentile):
    """Microseconds above the direct run of the same round."""
    direct = {row["round"]: row["load"]["latency_us"][percentile] for row in runs("direct", "paced")}
    rows = [row for row in runs(subject, "paced") if row["round"] in direct]
    return [row["load"]["latency_us"][percentile] - direct[row["round"]] for row in rows]


def ratio(scenario, unit):
    ours, bare = cpu("weighbridge", scenario, unit), cpu("bare", scenario, unit)
    if not ours or not bare or not statistics.median(bare):
        return "-"
    return f"{statistics.median(ours) / statistics.median(bare):.2f}"


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


print("# Overhead\n")
print(f"Medians of {count} interleaved rounds (least…largest). Machine: [machine.md](machine.md). "
      "Raw: [overhead.jsonl](overhead.jsonl). What each figure is: `load-tests/overhead/README.md`.\n")

print("## CPU time of the proxy, µs\n")
units = [("short", "requests"), ("stream", "events"), ("burst", "events"), ("large", "requests")]
names = ["short request", "SSE event, one at a time", "SSE event, in bursts", "1 MiB request"]
table(["", *names], [
    *([subject, *(spread(cpu(subject, *unit), "{:.2f}") for unit in units)] for subject in subjects if subject != "direct"),
    ["weighbridge / bare", *(ratio(*unit) for unit in units)],
])

print("## Added latency at a steady rate, µs (round by round above `direct`)\n")
table(["", "p50", "p90", "p99"], [
    [subject, *(spread(added(subject, percentile), "{:.0f}") for percentile in ("p50", "p90", "p99"))]
    for subject in subjects if subject != "direct"
])
print("`direct` itself: " + ", ".join(
    f"{p} {spread([row['load']['latency_us'][p] for row in runs('direct', 'paced')], '{:.0f}')}"
    for p in ("p50", "p90", "p99")) + ".\n")

print("## Closed loop\n")
table(["", "short requests/s", "p99, µs", "SSE events/s in bursts", "1 MiB requests/s", "RSS at the end, MiB"], [
    [
        subject,
        spread([row["load"]["rps"] for row in runs(subject, "short")], "{:.0f}"),
        spread([row["load"]["latency_us"]["p99"] for row in runs(subject, "short")], "{:.0f}"),
        spread([row["load"]["events"] / row["load"]["seconds"] for row in runs(subject, "burst")], "{:.0f}"),
        spread([row["load"]["rps"] for row in runs(subject, "large")], "{:.0f}"),
        f"{runs(subject, 'large')[-1]['rss_kib'] / 1024:.0f}" if subject != "direct" else "-",
    ]
    for subject in subjects
])

errors = sum(row["load"]["errors"] for row in rounds)
print(f"Errors: {errors}." + "".join(
    f" {row['subject']} {row['scenario']}: {row['load']['first_error']}" for row in rounds if row["load"]["errors"]))
if errors:
    sys.exit("some requests failed: the figures do not count")
