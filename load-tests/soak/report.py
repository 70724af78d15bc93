#!/usr/bin/env python3
"""report.py soak.json verify.txt STATUS_OF_VERIFY PANICS MACHINE: a table, and what is wrong."""

import json
import sys

# Growth of the second half that counts as flat: caches and the allocator settle in the first.
FLAT_KIB = 4096


def main():
    with open(sys.argv[1]) as found:
        soak = json.load(found)
    with open(sys.argv[2]) as verified:
        verify = verified.read().strip()
    wrong = list(soak["wrong"])
    half = soak["rss_kib"][2] - soak["rss_kib"][1]
    if half > FLAT_KIB and half > soak["rss_kib"][1] // 20:
        wrong.append(f"memory grew by {half} KiB in the second half")
    before, left = soak["descriptors"]
    if left > before + 40:  # pooled connections to the provider stay
        wrong.append(f"{left - before} descriptors more than at the beginning")
    wrong += [f"{name} is {value:g}, not 0" for name, value in soak["gauges"].items() if value]
    if sys.argv[3] != "0":
        wrong.append("ledger verify: " + verify)
    if sys.argv[4] not in ("", "0"):
        wrong.append(f"{sys.argv[4]} panics in the log")
    print("# Soak\n\n" + sys.argv[5] + "\n\n| | |\n|---|---|")
    print(f"| minutes | {soak['minutes']:g} |\n| calls | {sum(soak['seen'].values())} |")
    print("| RSS KiB: at 5 s, at half time, at the end of the traffic, when all was over | "
          + ", ".join(map(str, soak["rss_kib"])) + " |")
    print(f"| slope of the second half, KiB an hour | {soak['slope_kib_per_hour_second_half']} |")
    print(f"| descriptors before, after | {before}, {left} |")
    for name, value in soak["gauges"].items():
        print(f"| `{name}` at the end | {value:g} |")
    print("\n| what | calls |\n|---|---|")
    for name, count in soak["seen"].items():
        print(f"| {name} | {count} |")
    print("\n`ledger verify`:\n\n```\n" + verify + "\n```")
    for why in wrong:
        print(f"\nFAILED: {why}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
