#!/usr/bin/env python3
"""Holds the guard, and detect-secrets next to it, against a set of `generate.py`.

    evaluate.py SPOT DIR [--other]    SPOT: the built `spot_secrets`; --other: detect-secrets as well
"""
import collections, json, subprocess, sys, time


def ours(spot, texts):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    run = subprocess.run([spot], input=lines, capture_output=True, text=True, check=True)
    print("   ", run.stderr.strip())
    found = []
    for line, text in zip(run.stdout.splitlines(), texts):
        raw = json.loads(line)
        found.append([(entity, value) for _, _, entity, value in raw["hits"]])
    return found


def other(texts):
    """detect-secrets with its default settings, as it scans files."""
    import os, tempfile
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings
    found = []
    begin = time.time()
    with default_settings(), tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "text.txt")
        for text in texts:
            with open(path, "w") as out:
                out.write(text)
            hits = SecretsCollection()
            hits.scan_file(path)
            found.append([(hit.type, hit.secret_value or "") for _, hit in hits])
    print(f"    detect-secrets: {time.time() - begin:.1f} s")
    return found


def gone(secret, hits):
    """The secret is found: a hit has its value, or at least 80 % of it."""
    for _, value in hits:
        if value and (secret in value or value in secret and len(value) >= 0.8 * min(len(secret), 80)):
            return True
    # Long ones are reported by their beginning, and keys by their first line.
    return any(value and (secret.startswith(value[:60]) or value.startswith(secret[:60])) and len(value) >= 20 for _, value in hits)


def report(who, rows, hits):
    total = collections.defaultdict(lambda: [0, 0])
    missed = collections.Counter()
    for row, found in zip(rows, hits):
        good = gone(row["secret"], found)
        for key in ((row["kind"], "all"), (row["kind"], row["source"]), (row["kind"], row.get("by", "vendor"))):
            total[key][0] += good
            total[key][1] += 1
        if not good:
            missed[row["name"]] += 1
    for key, (good, all_) in sorted(total.items()):
        print(f"    {who}: {key[0]}, {key[1]}: {good}/{all_} = {good / all_:.3f}")
    print("    missed:", dict(missed.most_common(40)))


def false(who, rows, hits, tell):
    touched = [(row, found) for row, found in zip(rows, hits) if found]
    kinds = collections.Counter(row["kind"] for row, _ in touched)
    print(f"    {who}: documents touched {len(touched)}/{len(rows)} = {len(touched) / len(rows):.4f}; by kind {dict(kinds)}")
    print("    by entity:", dict(collections.Counter(entity for _, found in touched for entity in {e for e, _ in found})))
    if tell:
        for row, found in touched:
            print("       ", row["kind"], row["name"], found[:3])


def main():
    spot, where = sys.argv[1:3]
    secrets = [json.loads(line) for line in open(f"{where}/secrets.jsonl")]
    benign = [json.loads(line) for line in open(f"{where}/benign.jsonl")]
    hits = ours(spot, [row["text"] for row in secrets])
    report("weighbridge", secrets, hits)
    if "--missed" in sys.argv:
        for row, found in zip(secrets, hits):
            if not gone(row["secret"], found):
                print("   -", row["name"], repr(row["text"][:160]), found)
    false("weighbridge", benign, ours(spot, [row["text"] for row in benign]), "--false" in sys.argv)
    if "--other" in sys.argv:
        report("detect-secrets", secrets, other([row["text"] for row in secrets]))
        # Long lines of base64 take it minutes.
        few = [row for at, row in enumerate(benign) if at % 5 == 0 and row["kind"] != "image"]
        false("detect-secrets", few, other([row["text"] for row in few]), False)


main()
