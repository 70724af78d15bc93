#!/usr/bin/env python3
"""Tables of what run.sh measured: report.py idle-streams.jsonl machine"""

import json
import sys


def main():
    with open(sys.argv[1]) as lines:
        rows = [json.loads(line) for line in lines]
    with open(sys.argv[2]) as machine:
        print("# Idle streams\n\n" + machine.read())
    print("| subject | run | streams | PSS KiB a stream, just opened | held | RSS held | left behind, KiB a stream | descriptors before, held, after | kernel's TCP memory KiB a stream (all processes) |")
    print("|---|---|---|---|---|---|---|---|---|")
    wrong = []
    for row in rows:
        measured, subject = row["measured"], row["subject"]
        before, streams = measured["before"], measured["streams"]
        for number, run in enumerate(measured["runs"], 1):
            per = lambda moment, what: (run[moment][what] - before[what]) / streams
            fds = [before["fds"], run["held"]["fds"], run["after"]["fds"]]
            print(
                f"| {subject} | {number} | {streams} | {per('at_first', 'pss'):.1f} | {per('held', 'pss'):.1f} "
                f"| {per('held', 'rss'):.1f} | {per('after', 'pss'):.1f} | {fds[0]}, {fds[1]}, {fds[2]} "
                f"| {per('held', 'tcp_kernel_kib'):.1f} |"
            )
            if run["ended_while_held"]:
                wrong.append(f"{subject}: {run['ended_while_held']} streams ended while they were held")
            if fds[2] > fds[0] + 2:
                wrong.append(f"{subject}: {fds[2] - fds[0]} descriptors are left")
    for why in wrong:
        print(f"\nFAILED: {why}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
