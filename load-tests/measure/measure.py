#!/usr/bin/env python3
"""Runs scenarios and writes what they say: measure.py [--quick] [--rounds N] [--built DIR] [--out DIR] SCENARIO...

For each scenario: NAME.jsonl (every run, raw), NAME.md (tables), NAME-*.svg (plots). See README.md.
"""

import argparse
import json
import pathlib
import re
import signal
import sys
import time

from figures import table
from reports import GOALS, REPORTS
from scenarios import SCENARIOS
from stage import ROOT, Stage, machine


def run(name, stage, rounds, out):
    about = machine()
    begun = time.monotonic()
    print(f"{name}", file=sys.stderr, flush=True)
    rows = []
    with open(out / f"{name}.jsonl", "w", encoding="utf-8") as raw:
        print(json.dumps({"machine": about, "rounds": rounds}), file=raw)
        for row in SCENARIOS[name](stage, rounds):
            rows.append(row)
            print(json.dumps(row), file=raw, flush=True)
    stage.clear()
    about["load at the end"] = " ".join(pathlib.Path("/proc/loadavg").read_text().split()[:3])
    report(name, rows, rounds, about, out)
    print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return [f"{row.get('subject')} {row['phase']}: {row['load']['first_error']}" for row in rows if row.get("load", {}).get("errors")]


def report(name, rows, rounds, about, out):
    text, plots = REPORTS[name](rows)
    head = f"# {name.capitalize()}\n\n{SCENARIOS[name].__doc__} "
    head += f"Medians of {rounds} interleaved round{'s' if rounds > 1 else ''} (least…largest); only ratios within this run mean anything. "
    head += f"Raw: [{name}.jsonl]({name}.jsonl). What each figure is: `load-tests/{name}/README.md`.\n\n"
    if name in GOALS:
        head += f"Goals: {GOALS[name]}.\n\n"
    for plot, svg in plots.items():
        (out / f"{name}-{plot}.svg").write_text(svg, encoding="utf-8")
        text += f"\n![{plot}]({name}-{plot}.svg)\n"
    foot = "\n## Machine\n\n" + table(["", ""], about.items())
    (out / f"{name}.md").write_text(head + text + foot, encoding="utf-8")
    print(head + text)


def main():
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="+", choices=sorted(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="short runs, few rounds")
    parser.add_argument("--rounds", type=int, help="default: 5; quick: 2")
    parser.add_argument("--built", type=pathlib.Path, required=True, help="where the programs are")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "load-tests" / "results" / version)
    args = parser.parse_args()
    # What was started is ended also when the runner is told to stop.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    args.out.mkdir(parents=True, exist_ok=True)
    rounds = args.rounds or (2 if args.quick else 5)
    errors = []
    for name in args.scenarios:
        with Stage(args.built.resolve(), args.out, args.quick) as stage:
            errors += run(name, stage, rounds, args.out)
    if errors:
        sys.exit("some requests failed, and their figures do not count:\n" + "\n".join(errors))


if __name__ == "__main__":
    main()
