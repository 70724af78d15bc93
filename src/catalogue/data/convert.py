#!/usr/bin/env python3
"""Turns the facts of a price list into the catalogue's own file, and checks that nothing was lost.

    convert.py FACTS.csv prices.VERSION.csv          writes
    convert.py --check FACTS.csv prices.VERSION.csv  compares row by row, writes nothing

Amounts stay decimal text from end to end: no float is ever made of a price.
"""
import csv
import decimal
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
    ("image_input", "image_input_token"),
    ("image_output", "image_output_token"),
    ("per_image", "per_image_output"),
    ("per_second", "per_second_input"),
    ("per_character", "per_character_input"),
    ("per_search", "per_query"),
    ("max_input", "max_input_tokens"),
    ("max_output", "max_output_tokens"),
]
TIERS = ["standard", "flex", "priority", "batch"]
AMOUNT = re.compile(r"^([0-9]{1,6}(\.[0-9]{1,9})?)?$")
COUNT = re.compile(r"^[0-9]{0,12}$")
# Prices of a unit: the modes in which the gateway counts it, and the decimals that a nano-dollar per million units
# (milliseconds for seconds) holds. In other modes the column means something else: hours of reserved throughput, a
# second way to tell the price of tokens.
UNITS = {
    "per_image": ({"image_generation", "image_edit"}, 15),
    "per_second": ({"audio_transcription", "realtime"}, 12),
    "per_character": ({"audio_speech"}, 15),
    "per_search": ({"rerank", "search"}, 15),
}


def cell(ours, theirs, fact):
    """One field. Finer amounts than are held are rounded up: never too little is billed."""
    text = fact[theirs]
    if ours not in UNITS or not text:
        return text
    modes, decimals = UNITS[ours]
    if fact["mode"] not in modes:
        return ""
    amount = decimal.Decimal(text)
    assert 0 <= amount <= 1000, fact
    finest = decimal.Decimal(1).scaleb(-decimals)
    held = amount.quantize(finest, rounding=decimal.ROUND_CEILING)
    whole, _, fraction = f"{held:f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def rows(path):
    """The facts as rows of the catalogue, in its order."""
    with open(path, newline="", encoding="utf-8") as facts:
        found = [[cell(ours, theirs, fact) for ours, theirs in COLUMNS] for fact in csv.DictReader(facts)]
    for row in found:
        assert all(c not in field for field in row for c in ",\"\r\n"), row
        assert row[0] and row[1] and row[2] in TIERS and row[3].isdigit(), row
        assert all(AMOUNT.match(field) for field in row[4:14]), row
        assert all(COUNT.match(field) for field in row[18:]), row
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
