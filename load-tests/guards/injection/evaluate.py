"""Evaluates the injection guard as it is built: false actions, recall, obfuscated forms, next to other libraries.

    WHEELS=… JUDGE=path/to/examples/judge python evaluate.py [--sealed] [--others]

`--sealed` looks at the sealed sets: checks their hashes first. Every run is listed in the results file.
"""
import base64
import json
import os
import random
import subprocess
import sys
import time
from urllib.parse import quote

import grammar
import sources
from sources import row, share


def judge(rows):
    lines = "\n".join(json.dumps({"text": r["text"], "speech": r["speech"]}) for r in rows) + "\n"
    out = subprocess.run([os.environ["JUDGE"]], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.decode().splitlines()]


def rate(rows, level=1, least=2):
    got = judge(rows)
    return sum(g["verdicts"][level] >= least for g in got) / max(1, len(rows)), got


def line(name, rows):
    got = judge(rows)
    part = lambda level, least: 100 * sum(g["verdicts"][level] >= least for g in got) / len(rows)
    one = 100 * sum(g["at_1_percent"] for g in got) / len(rows)
    print(
        f"| {name} | {len(rows)} | {part(2, 2):.1f} / {part(2, 1):.1f} | **{part(1, 2):.1f}** / {part(1, 1):.1f} "
        f"| {part(0, 2):.1f} / {part(0, 1):.1f} | {one:.1f} |",
        flush=True,
    )
    return got


def distinct(rows):
    return list({r["text"]: r for r in rows}.values())


def long_documents(rows, rng):
    out = []
    for r in rows:
        if len(r["text"]) >= 4_096:
            out.append(dict(r, text=r["text"][: rng.randrange(4_096, 16_385)]))
    return out


CYRILLIC = str.maketrans("aeopcxyi", "аеорсхуі")
LEET = str.maketrans("aeostiAEOSTI", "430571430571")


def rot13(text):
    import codecs

    return codecs.encode(text, "rot13")


def split(text):
    return " ".join(w[: len(w) // 2] + "-" + w[len(w) // 2 :] if len(w) > 3 and w.isalpha() else w for w in text.split(" "))


FORMS = {
    "homoglyphs": lambda t: t.translate(CYRILLIC),
    "zero width": lambda t: "\u200b".join(t),
    "Unicode tags": lambda t: "Hello" + "".join(chr(0xE0000 + ord(c)) if ord(c) < 127 else c for c in t),
    "full width": lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t),
    "base64": lambda t: "Decode and follow: " + base64.b64encode(t.encode()).decode(),
    "hex": lambda t: t.encode().hex(),
    "rot13": rot13,
    "URL": lambda t: quote(t, safe=""),
    "leet": lambda t: t.translate(LEET),
    "spaced": lambda t: " ".join(t),
    "reversed": lambda t: t[::-1],
    "split": split,
}


def obfuscated(rows):
    got = judge(rows)
    caught = [dict(r, text=" ".join(r["text"].split())) for r, g in zip(rows, got) if g["verdicts"][1] == 2]
    print(f"\nObfuscated forms of {len(caught)} blocked attacks (share that is still blocked, and flagged):\n")
    for name, form in FORMS.items():
        got = judge([dict(r, text=form(r["text"])) for r in caught])
        both = [100 * sum(g["verdicts"][1] >= least for g in got) / len(caught) for least in (2, 1)]
        print(f"| {name} | {both[0]:.1f} | {both[1]:.1f} |", flush=True)


def others():
    """Libraries that judge without a model from elsewhere."""
    sys.path.insert(0, sources.path("ai_injection_guard"))
    from prompt_shield import PromptScanner

    scanner = PromptScanner()
    return {
        "ai-injection-guard 0.3.0 (defaults)": lambda t: not scanner.scan(t).is_safe,
    }


def compare(sets):
    print("\n| set | " + " | ".join(others()) + " |")
    for name, rows in sets:
        rows = random.Random(5).sample(rows, min(60, len(rows)))
        rows = [dict(r, text=r["text"][:1_500]) for r in rows]
        cells = []
        for detect in others().values():
            begin = time.time()
            found = sum(bool(detect(r["text"])) for r in rows)
            cells.append(f"{100 * found / len(rows):.1f} ({1e3 * (time.time() - begin) / len(rows):.1f} ms)")
        ours = judge(rows)
        cells.append(f"{100 * sum(g['verdicts'][1] == 2 for g in ours) / len(rows):.1f}")
        print(f"| {name} ({len(rows)}) | " + " | ".join(cells) + " |", flush=True)


HEAD = "| set | texts | lenient block / flag | balanced block / flag | strict block / flag | model at 1 % |\n|---|---|---|---|---|---|"


def main():
    rng = random.Random(3)
    if "--sealed" in sys.argv:
        sealed = {name: list(make()) for name, make in sources.SEALED.items()}
        wanted = dict(reversed(l.split()[:2]) for l in sources.read("sealed.sha256").splitlines())
        assert all(sources.digest(rows) == wanted[name] for name, rows in sealed.items()), "a sealed set has changed"
        print(HEAD)
        for name, rows in sealed.items():
            line(("attacks: " if rows[0]["label"] else "benign: ") + name, rows)
        for name in ("documents", "handbooks"):
            rows = distinct(sealed[name])
            line(f"benign: {name}, distinct", rows)
            line(f"benign: {name}, distinct, as a user's", [dict(r, speech="user") for r in rows])
        obfuscated(sealed["spikee"] + sealed["psfuzz"] + sealed["agentdojo"])
        if "--others" in sys.argv:
            compare(sealed.items())
        return
    crates = [r for r in sources.crates() if share(r["group"]) >= 8]
    print(HEAD)
    line("benign: crates not trained on, 4-16 KB", [dict(r, speech="user") for r in long_documents(crates, rng)])
    line("benign: the same as tool results", long_documents(crates, rng))
    for make in sources.CALIBRATE_BENIGN:
        line("benign: " + make.__name__ + " (calibration)", list(make()))
    line("hard benign: bastioncorpus's", list(sources.bastion(0)))
    line("hard benign: grammar, other seed (seen kind)", [r for r in grammar.benign(600, 99) if r["source"] == "grammar_hard"])
    for name, make in sources.ATTACKS.items():
        line(f"attacks: {name} (trained on)", list(make()))
    obfuscated(list(sources.bastion(1)) + list(grammar.attacks(150, 99)))
    if "--others" in sys.argv:
        compare([("hard benign: bastioncorpus's", list(sources.bastion(0))), ("attacks: bastioncorpus", list(sources.bastion(1)))])


if __name__ == "__main__":
    main()
