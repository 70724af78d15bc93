#!/usr/bin/env python3
"""Turns the facts of a price list into the catalogue's own file, and checks that nothing was lost.

    convert.py FACTS.csv prices.VERSION.csv          writes
    convert.py --check FACTS.csv prices.VERSION.csv  compares row by row, writes nothing

Amounts stay text from end to end: no float is ever made of a price.
"""
import csv
import re
import sys

# Our column, and the column of the facts.
COLUMNS = [
    ("provider", "provider"),
    ("model", "model"),
    ("tier", "service_tier"),
    ("above", "input_tokens_above"),
    ("input", "input"),
    ("output", "output"),
    ("cache_read", "cache_read"),
    ("cache_write_5m", "cache_write_5m"),
    ("cache_write_1h", "cache_write_1h"),
    ("reasoning", "reasoning_output"),
    ("audio_input", "audio_input"),
    ("audio_output", "audio_output"),
    ("max_input", "max_input_tokens"),
    ("max_output", "max_output_tokens"),
]
TIERS = ["standard", "flex", "priority", "batch"]
AMOUNT = re.compile(r"^([0-9]{1,6}(\.[0-9]{1,9})?)?$")
COUNT = re.compile(r"^[0-9]{0,12}$")


def rows(path):
    """The facts as rows of the catalogue, in its order."""
    with open(path, newline="", encoding="utf-8") as facts:
        found = [[fact[name] for _, name in COLUMNS] for fact in csv.DictReader(facts)]
    for row in found:
        assert all(c not in field for field in row for c in ",\"\r\n"), row
        assert row[0] and row[1] and row[2] in TIERS and row[3].isdigit(), row
        assert all(AMOUNT.match(field) for field in row[4:12]), row
        assert all(COUNT.match(field) for field in row[12:]), row
    # By bytes, as Rust compares text: the catalogue is searched by halves.
    found.sort(key=lambda row: (row[0].encode(), row[1].encode(), int(row[3]), TIERS.index(row[2])))
    names = [tuple(row[:4]) for row in found]
    assert len(set(names)) == len(names), "two rows of one name"
    return found


def text(found):
    """The whole file."""
    lines = [[ours for ours, _ in COLUMNS], *found]
    return "".join(",".join(line) + "\n" for line in lines)


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    facts, ours = arguments
    if "--check" in sys.argv:
        with open(ours, encoding="utf-8", newline="") as file:
            sys.exit(0 if file.read() == text(rows(facts)) else f"{ours} is not what {facts} gives")
    with open(ours, "w", encoding="utf-8", newline="") as file:
        file.write(text(rows(facts)))


main()
