"""Trains the model of the injection guard: reads the packages, writes weights.bin and calibration.rs.

    WHEELS=… SLOTS=path/to/examples/slots python train.py [--leave-one-out] [--write]

All preparation of texts and all hashing is done by the guard itself (the example `slots`), so that training and
inference cannot differ; Python fits weights.
"""
import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize

import grammar
import sources

SLOTS = 1 << 18
RATES = (2, 5, 10, 20, 30, 50)
SEED = 11


def slots_of(texts, views=False):
    """Windows of slots for each text (and for each view of it), by the guard itself."""
    lines = "\n".join(json.dumps({"text": t}) for t in texts) + "\n"
    command = [os.environ["SLOTS"]] + (["views"] if views else [])
    data = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    data = np.frombuffer(data, dtype="<u4")
    at, out = 0, []

    def windows():
        nonlocal at
        count, found = data[at], []
        at += 1
        for _ in range(count):
            length = int(data[at])
            found.append(data[at + 1 : at + 1 + length])
            at += 1 + length
        return found

    for _ in texts:
        if views:
            count = int(data[at])
            at += 1
            out.append([windows() for _ in range(count)])
        else:
            out.append(windows())
    return out


def matrix(windows):
    indptr = np.cumsum([0] + [len(w) for w in windows])
    indices = np.concatenate(windows).astype(np.int32)
    counts = np.diff(indptr)
    data = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    return sp.csr_matrix((data, indices, indptr), shape=(len(windows), SLOTS))


def slices(text, rng, most=3, length=1_000):
    """Some slices of a long text."""
    if len(text) <= length * most:
        return [text]
    return [text[a : a + length] for a in (rng.randrange(len(text) - length) for _ in range(most))]


def training_rows():
    rng = random.Random(SEED)
    rows = []
    for make in sources.ATTACKS.values():
        rows += make()
    rows += grammar.attacks(2_500, SEED)
    benign = []
    for make in sources.TRAIN_BENIGN:
        benign += make()
    for make in sources.SPLIT_BENIGN:
        benign += [r for r in make() if sources.share(r["group"]) < 5]
    benign += grammar.benign(3_000, SEED)
    rng.shuffle(benign)
    pieces = []
    for r in benign:
        pieces += [dict(r, text=piece) for piece in slices(r["text"], rng)]
    # Attacks inside ordinary text: what surrounds them is no excuse.
    carriers = [r["text"] for r in pieces if len(r["text"]) > 400]
    short = [r for r in rows if len(r["text"]) < 400]
    for r in short + short[: len(short) // 2]:
        carrier = rng.choice(carriers)
        begin = rng.randrange(max(1, len(carrier) - 300))
        before, behind = carrier[begin : begin + rng.randrange(40, 250)], carrier[begin + 250 : begin + 250 + rng.randrange(0, 200)]
        join = rng.choice([" ", "\n", "\n\n", ". "])
        rows.append(dict(r, text=before + join + r["text"] + join + behind, carried=True, speech="tool"))
    return rows + pieces


def calibration_rows():
    rng = random.Random(SEED + 1)
    rows = []
    for make in sources.CALIBRATE_BENIGN:
        rows += make()
    for make in sources.SPLIT_BENIGN:
        # What is left of the crates: three fifths calibrate, two are for tests of long texts.
        rows += [r for r in make() if 5 <= sources.share(r["group"]) < 8]
    out = []
    for r in rows:
        out.append(r)
        if len(r["text"]) > 1_500:
            length = int(500 * 2 ** rng.uniform(0, 5.5))
            begin = rng.randrange(max(1, len(r["text"]) - length))
            out.append(dict(r, text=r["text"][begin : begin + length]))
    documents = [r["text"] for r in rows if r["source"] == "tau2_documents"]
    for at in range(0, len(documents) - 12, 6):
        joined = "\n\n".join(documents[at : at + rng.randrange(3, 12)])
        out.append(sources.row(joined, 0, "tau2_documents", speech="tool"))
    return out


def runs(text, length=8):
    words = "".join(c.lower() if c.isalnum() else " " for c in text).split()
    return {hash(tuple(words[at : at + length])) for at in range(len(words) - length + 1)}


def fit(x, y, weight, strength=float(os.environ.get("STRENGTH", "4")), rounds=60):
    """Logistic regression by L-BFGS: `strength` is the inverse of the L2 penalty, per row."""
    sign = (2 * y - 1).astype(np.float32)
    scale = (weight / weight.mean()).astype(np.float32)
    columns = x.T.tocsr()
    penalty = 1.0 / (strength * x.shape[0])

    def loss(theta):
        w, b = theta[:-1].astype(np.float32), theta[-1]
        margin = sign * (x @ w + b)
        value = (scale * np.logaddexp(0, -margin)).mean() + 0.5 * penalty * float(w @ w)
        slope = -sign * scale / (1 + np.exp(np.clip(margin, -40, 40))) / x.shape[0]
        gradient = np.append(columns @ slope + penalty * w, slope.sum())
        return value, gradient.astype(np.float64)

    result = minimize(loss, np.zeros(SLOTS + 1), jac=True, method="L-BFGS-B", options={"maxiter": rounds})
    return result.x[:-1].astype(np.float32), float(result.x[-1])


def quantised(w):
    """8-bit weights and the logit of one step; the largest few are cut."""
    top = float(np.quantile(np.abs(w[w != 0]), 0.9998))
    scale = top / 127
    return np.clip(np.round(w / scale), -127, 127).astype(np.int8), scale


class Texts:
    """Texts with their windows in one matrix."""

    def __init__(self, rows):
        self.rows = rows
        windows = slots_of([r["text"] for r in rows])
        self.owner = np.repeat(np.arange(len(rows)), [len(w) for w in windows])
        self.count = np.array([len(w) for w in windows])
        self.x = matrix([w for found in windows for w in found])
        self.label = np.array([r["label"] for r in rows])
        self.source = np.array([r["source"] for r in rows])

    def best(self, w, b):
        z = self.x @ w + b
        out = np.full(len(self.rows), -99.0)
        np.maximum.at(out, self.owner, z)
        return out


def weights_of(texts, rows_mask):
    """A weight for each window: sources count by the root of their size, texts by the root of their windows."""
    owner = texts.owner
    weight = np.zeros(len(owner))
    for label in (0, 1):
        for source in set(texts.source[rows_mask & (texts.label == label)]):
            chosen = rows_mask[owner] & (texts.source[owner] == source) & (texts.label[owner] == label)
            each = 1 / np.sqrt(texts.count[owner[chosen]])
            weight[chosen] = each / each.sum() * each.sum() ** 0.6
        side = rows_mask[owner] & (texts.label[owner] == label)
        weight[side] /= weight[side].sum() * (1.0 if label else 0.8)
    return weight


def train(texts, mask, rounds=(15, 45)):
    owner, y = texts.owner, texts.label[texts.owner]
    chosen = np.flatnonzero(mask[owner])
    weight = weights_of(texts, mask)
    w, b = fit(texts.x[chosen], y[chosen], weight[chosen], rounds=rounds[0])
    # A long attack is not an attack in each of its windows: keep those that look like one, and the worst.
    z = texts.x @ w + b
    best = texts.best(w, b)
    keep = mask[owner] & ((y == 0) | (z > 0) | (z >= best[owner] - 1e-6))
    chosen = np.flatnonzero(keep)
    w, b = fit(texts.x[chosen], y[chosen], weight[chosen], rounds=rounds[1])
    steps, scale = quantised(w)
    return steps, scale, b


def calibrate(texts, w, b):
    """For each rate: base and slope of the logit that so many of 1,000 benign texts reach, by the log of windows."""
    z, count = texts.best(w, b), texts.count
    buckets = [(1, 1), (2, 2), (3, 5), (6, 11), (12, 24), (25, 60), (61, 400)]
    found = {}
    for rate in RATES:
        points = []
        for low, high in buckets:
            inside = (count >= low) & (count <= high)
            if inside.sum() >= 60:
                value = np.quantile(z[inside], 1 - rate / 1_000, method="higher")
                # Halfway to the worst of the sources: the texts of a new one are like none of these.
                each = [inside & (texts.source == source) for source in set(texts.source[inside])]
                worst = [np.quantile(z[one], 1 - rate / 1_000, method="higher") for one in each if one.sum() >= 100]
                value = 0.5 * (value + max(worst, default=value))
                points.append((np.log(np.mean(count[inside])), value, np.sqrt(inside.sum())))
        found[rate] = [np.array(column) for column in zip(*points)]
    # One slope for all rates: lines that cross would make a level stricter for some lengths only.
    slope = np.mean([np.polyfit(at, value, 1, w=trust)[0] for at, value, trust in found.values()])
    # Where the known long texts hide it: a maximum grows with the number of windows.
    slope = max(float(slope), 0.12)
    lines = []
    for rate, (at, value, trust) in found.items():
        # Sure for all lengths: halfway between the line of best fit and the line above all points.
        base = np.average(value - slope * at, weights=trust)
        base += 0.5 * max(0.0, float(np.max(value - slope * at - base)))
        lines.append((rate, float(base), slope))
    return lines


def reached(lines, rate, count):
    _, base, slope = next(line for line in lines if line[0] == rate)
    return base + slope * np.log(np.maximum(count, 1))


def recall(texts, mask, model, lines, rate=10):
    steps, scale, b = model
    z = texts.best(steps.astype(np.float32) * scale, b)
    return float((z[mask] >= reached(lines, rate, texts.count[mask])).mean())


def leave_one_out(texts, calibration):
    carried = np.array([bool(r.get("carried")) for r in texts.rows])
    names = list(sources.ATTACKS) + ["grammar"]
    found = {}
    for name in names:
        test = (texts.source == name) & (texts.label == 1)
        known = set().union(*(runs(texts.rows[at]["text"]) for at in np.flatnonzero(test)))
        mask = ~test
        dropped = 0
        for at in np.flatnonzero(mask & (texts.label == 1)):
            if known & runs(texts.rows[at]["text"]):
                mask[at] = False
                dropped += 1
        # Half of the benign texts and half of the rounds: a core for an hour otherwise.
        mask &= (texts.label == 1) | (np.arange(len(mask)) % 2 == 0)
        model = train(texts, mask, rounds=(10, 30))
        lines = calibrate(calibration, model[0].astype(np.float32) * model[1], model[2])
        plain = recall(texts, test & ~carried, model, lines)
        inside = recall(texts, test & carried, model, lines) if (test & carried).any() else float("nan")
        found[name] = plain
        print(f"leave out {name}: {plain:.3f} at 1 %, in a document {inside:.3f}, {recall(texts, test & ~carried, model, lines, 30):.3f} at 3 % (n={int((test & ~carried).sum())}, dropped {dropped})", flush=True)
    print(f"mean {np.mean(list(found.values())):.3f}; without the grammar {np.mean([v for k, v in found.items() if k != 'grammar']):.3f}")


def write(model, lines, folder):
    steps, scale, b = model
    with open(os.path.join(folder, "weights.bin"), "wb") as file:
        file.write(steps.tobytes())
    rows = ",\n".join(f"    ({rate}, {base:.4f}, {slope:.4f})" for rate, base, slope in lines)
    with open(os.path.join(folder, "calibration.rs"), "w") as file:
        file.write(f"""//! Written by `load-tests/guards/injection/train.py`; do not edit.

/// Logit for one step of the 8-bit weights.
pub const SCALE: f32 = {scale:.6};
/// Logit of a text without features.
pub const BIAS: f32 = {b:.6};
/// Of 1,000 benign texts so many reach a logit of the second number, and the third for each e-fold number of windows.
pub const REACHED: [(u32, f32, f32); {len(lines)}] = [
{rows},
];
""")


def written(folder):
    """The model as it was written."""
    with open(os.path.join(folder, "weights.bin"), "rb") as file:
        steps = np.frombuffer(file.read(), dtype=np.int8)
    with open(os.path.join(folder, "calibration.rs")) as file:
        numbers = [float(line.split("=")[1].strip(" ;\n")) for line in file if line.startswith(("pub const SCALE", "pub const BIAS"))]
    return steps, numbers[0], numbers[1]


def main():
    begin = time.time()
    folder = os.environ.get("OUT", "../../../src/guard/injection")
    if "--calibrate" in sys.argv:
        calibration = Texts(calibration_rows())
        steps, scale, b = written(folder)
        lines = calibrate(calibration, steps.astype(np.float32) * scale, b)
        print(lines)
        return write((steps, scale, b), lines, folder)
    texts, calibration = Texts(training_rows()), Texts(calibration_rows())
    print(f"{len(texts.rows)} texts, {texts.x.shape[0]} windows ({int(texts.label[texts.owner].sum())} of attacks), calibration {len(calibration.rows)} texts; {time.time() - begin:.0f} s", flush=True)
    if "--leave-one-out" in sys.argv:
        return leave_one_out(texts, calibration)
    model = train(texts, np.ones(len(texts.rows), bool))
    steps, scale, b = model
    w = steps.astype(np.float32) * scale
    lines = calibrate(calibration, w, b)
    print("lines", lines, "bias", b, f"{time.time() - begin:.0f} s")
    z = calibration.best(w, b)
    for source in sorted(set(calibration.source)):
        inside = calibration.source == source
        over = {rate: round(float((z[inside] >= reached(lines, rate, calibration.count[inside])).mean()) * 100, 2) for rate in RATES}
        print(source, int(inside.sum()), over)
    for low, high in ((1, 1), (2, 3), (4, 11), (12, 24), (25, 60), (61, 400)):
        inside = (calibration.count >= low) & (calibration.count <= high)
        print(low, high, int(inside.sum()), round(float((z[inside] >= reached(lines, 10, calibration.count[inside])).mean()) * 100, 2), "% at 1 %")
    if "--write" in sys.argv:
        write(model, lines, folder)


if __name__ == "__main__":
    main()
