#!/usr/bin/env python3
"""Times starts of the gateway and reports on its ledger. One JSON object a measurement.

    timing.py starts --binary FILE --config FILE --admin HOST:PORT [--times 5]
    timing.py usage --binary FILE --state DIR --since 7d [--by team] [--times 5]

A start is measured from `exec` to the first 200 of /readyz, asked every 5 ms; the gateway is then ended with SIGTERM.
"""
import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

PATIENCE = 120


def ready(admin):
    try:
        with urllib.request.urlopen(f"http://{admin}/readyz", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def start(args):
    began = time.monotonic()
    gateway = subprocess.Popen([args.binary, "run", "-c", args.config], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not ready(args.admin):
            if gateway.poll() is not None or time.monotonic() - began > PATIENCE:
                sys.exit(f"timing: the gateway is not ready: {gateway.stderr.read()[-2000:].decode()}")
            time.sleep(0.005)
        return time.monotonic() - began
    finally:
        gateway.terminate()
        try:
            gateway.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            gateway.kill()


def usage(args):
    command = [args.binary, "usage", "--state", args.state, "--by", args.by, "--since", args.since, "--format", "json"]
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
    seconds = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(f"timing: {done.stderr[-2000:].decode()}")
    return seconds


def children():
    """Processor time of the processes that have ended, in seconds: what a busy machine does not stretch."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["starts", "usage"])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--config")
    parser.add_argument("--admin")
    parser.add_argument("--state")
    parser.add_argument("--since")
    parser.add_argument("--by", default="team")
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    seconds, cpu = [], []
    for _ in range(args.times):
        before = children()
        seconds.append(start(args) if args.what == "starts" else usage(args))
        cpu.append(children() - before)
    report = {"scenario": args.what, "ms": [round(one * 1000, 1) for one in seconds]}
    report["median_ms"] = round(statistics.median(seconds) * 1000, 1)
    report["median_cpu_ms"] = round(statistics.median(cpu) * 1000, 1)
    if args.what == "usage":
        report |= {"by": args.by, "since": args.since}
    print(json.dumps(report))


main()
