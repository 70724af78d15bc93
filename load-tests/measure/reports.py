"""What each scenario's raw rows say: tables of medians and plots. Ratios are of medians of one run."""

from figures import PERCENTILES, bars, lines, median, ratio, spread, table

GOALS = {
    "steady": "CPU time ≤ 1.3 × bare governed, ≤ 1.5 × with guardrails; ≥ 16,000 and ≥ 14,000 requests/s where bare reaches 22,000; added p99 at "
    "350 requests/s < 300 µs, p99.9 < 1 ms; at 80 % of capacity added p99 < 2 ms",
    "streams": "CPU time of an event ≤ 1.2 × bare; added first event p99 < 300 µs; worst event of a stream at 20 ms < 200 µs at p99",
    "bodies": "1 MB ≤ nginx; 20 MB ≤ 2 × the direct time and ≤ 1 copy beside the body itself",
    "features": "translated ≤ 2 × passed",
    "curves": "sub-linear or bounded in each; 5,000 open streams ≤ 30 KiB each",
}


def of(rows, **wanted):
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def names(rows, key="subject"):
    order = ["direct", "bare", "nginx", "plain", "governed", "production", "translated"]
    found = dict.fromkeys(row[key] for row in rows)
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def cpu(rows, unit="requests"):
    return [row["cpu_us"] / row["load"][unit] for row in rows if "cpu_us" in row and row["load"][unit]]


def worker(rows, unit="requests"):
    """Of the threads that serve requests: Pingora names them by their service."""
    return [sum(us for name, us in row["threads_us"].items() if name.startswith(("Pingora HTTP", "gateway", "bare", "nginx")))
            / row["load"][unit] for row in rows if "threads_us" in row and row["load"][unit]]


def latency(rows, what, percentile):
    return [row["load"][what][percentile] for row in rows if row["load"].get(what)]


def added(rows, direct, what, percentile):
    """Above the direct run of the same round."""
    base = {row["round"]: row["load"][what][percentile] for row in direct}
    return [row["load"][what][percentile] - base[row["round"]] for row in rows if row["round"] in base]


def steady(rows):
    subjects = names(rows)
    proxies = [name for name in subjects if name != "direct"]
    closed = {name: of(rows, subject=name, phase="closed") for name in subjects}
    text = "## Closed loop, 32 connections, about 1 KB each way\n\n"
    text += table(["", "CPU µs a request", "÷ bare", "of it in the threads that serve", "requests/s", "p99 µs", "RSS MiB"], [
        [name, spread(cpu(closed[name]), "{:.1f}"), ratio(cpu(closed[name]), cpu(closed["bare"])) if name != "direct" else "-",
         spread(worker(closed[name]), "{:.1f}"), spread([row["load"]["rps"] for row in closed[name]]),
         spread(latency(closed[name], "latency_us", "p99")),
         spread([row["rss_kib"] / 1024 for row in closed[name] if "rss_kib" in row])]
        for name in subjects])
    text += "\nRequests/s are bounded by the provider and the generator too, which share the other core: `direct` is what those can do. "
    text += "CPU time is what to compare.\n"
    plots = {"cpu": bars("CPU time of a short request, closed loop", "µs; line: least to largest round",
                         {name: cpu(closed[name]) for name in proxies})}
    for phase in dict.fromkeys(row["phase"] for row in rows if row["phase"] != "closed"):
        at = {name: of(rows, subject=name, phase=phase) for name in subjects}
        rates = spread([row["rate"] for row in at["direct"]])
        title = "350 requests a second" if phase == "350" else f"{phase} of the capacity of `production` ({rates} requests a second)"
        text += f"\n## Open loop at {title}: added latency in µs, from the moment each request was due\n\n"
        text += table(["", *PERCENTILES, "CPU µs a request", "÷ bare", "refused (503)"], [
            [name, *(spread(added(at[name], at["direct"], "latency_us", one)) for one in PERCENTILES),
             spread(cpu(at[name]), "{:.1f}"), ratio(cpu(at[name]), cpu(at["bare"])), sum(row["load"]["refused"] for row in at[name])]
            for name in proxies])
        text += "\n`direct` itself: " + ", ".join(
            f"{one} {spread(latency(at['direct'], 'latency_us', one))}" for one in PERCENTILES) + ".\n"
        if phase in ("350", "80 %"):
            plots["latency-" + phase.split()[0]] = lines(
                f"Latency at {'350 requests/s' if phase == '350' else phase + ' of capacity'} (medians of rounds)", "µs", PERCENTILES,
                {name: [median(latency(at[name], "latency_us", one)) for one in PERCENTILES] for name in subjects})
    return text, plots


def streams(rows):
    subjects, text, plots = names(rows), "", {}
    for phase in ("20 ms", "flat out"):
        at = {name: of(rows, subject=name, phase=phase) for name in subjects}
        proxies = [name for name in subjects if name != "direct"]
        text += f"\n## 100 events, {'one each 20 ms, 32 streams' if phase == '20 ms' else 'as fast as they go, 8 streams'}\n\n"
        head = ["", "CPU µs an event", "÷ bare", "events/s", "added to the first event p50", "p99", "added to an event p50", "p99",
                "p99.9", "added to the worst event of a stream p50", "p99"]
        text += table(head, [
            [name, spread(cpu(at[name], "events"), "{:.2f}"), ratio(cpu(at[name], "events"), cpu(at["bare"], "events")),
             spread([row["load"]["events"] / row["load"]["seconds"] for row in at[name]]),
             *(spread(added(at[name], at["direct"], what, one)) for what, one in (
                 ("first_us", "p50"), ("first_us", "p99"), ("event_us", "p50"), ("event_us", "p99"), ("event_us", "p999"),
                 ("worst_us", "p50"), ("worst_us", "p99")))] for name in proxies])
        text += "\nLatencies in µs, from the provider's write to the client's read. `direct` itself: " + ", ".join(
            f"{what[:-3]} {one} {spread(latency(at['direct'], what, one))}"
            for what, one in (("first_us", "p99"), ("event_us", "p50"), ("event_us", "p99"), ("worst_us", "p99"))) + ".\n"
        plots[phase.replace(" ", "-")] = bars(f"CPU time of an event, {phase}", "µs; line: least to largest round",
                                              {name: cpu(at[name], "events") for name in proxies})
    return text, plots


def bodies(rows):
    text, plots = "", {}
    for phase in dict.fromkeys(row["phase"] for row in rows):
        part = of(rows, phase=phase)
        subjects = names(part)
        at = {name: of(part, subject=name) for name in subjects}
        text += f"\n## {phase}\n\n"
        peak = lambda row: (row["peak_kib"] - row["fresh_kib"]) * 1024 / row["bytes"] / row["connections"]
        text += table(["", "CPU µs a request", "÷ bare", "÷ nginx", "p50 µs", "÷ direct", "MB a second of CPU", "most RSS above a fresh one, bodies per connection"], [
            [name, spread(cpu(at[name])), ratio(cpu(at[name]), cpu(at.get("bare", []))), ratio(cpu(at[name]), cpu(at.get("nginx", []))),
             spread(latency(at[name], "latency_us", "p50")),
             ratio(latency(at[name], "latency_us", "p50"), latency(at["direct"], "latency_us", "p50")),
             spread([row["bytes"] / one for row, one in zip(at[name], cpu(at[name]))]),
             spread([peak(row) for row in at[name] if "peak_kib" in row], "{:.1f}")] for name in subjects])
        plots[phase.replace(" ", "-")] = bars(f"CPU time of a request of {phase}", "µs", {name: cpu(at[name]) for name in subjects})
    return text, plots


def features(rows):
    short = {name: of(rows, subject=name, phase="short") for name in names(rows)}
    burst = {name: of(rows, subject=name, phase="burst") for name in names(rows)}
    step = lambda at, before, unit: median(cpu(at, unit)) - median(cpu(before, unit)) if before else None
    previous = {"plain": "bare", "governed": "plain", "production": "governed", "translated": "plain"}
    text = table(["", "CPU µs a short request", "÷ bare", "more than the one before, µs", "CPU µs an event, in bursts", "÷ bare"], [
        [name, spread(cpu(short[name]), "{:.1f}"), ratio(cpu(short[name]), cpu(short["bare"])),
         f"{step(short[name], short[previous[name]], 'requests'):+.1f} ({previous[name]})" if name in previous else "-",
         spread(cpu(burst[name], "events"), "{:.2f}"), ratio(cpu(burst[name], "events"), cpu(burst["bare"], "events"))] for name in short])
    threads = {}
    for row in short["production"]:
        for name, us in row["threads_us"].items():
            threads.setdefault(name, []).append(us / row["load"]["requests"])
    text += "\nWhere the time of `production` goes, by thread, µs a short request:\n\n"
    text += table(["thread", "µs"], [[name, spread(us, "{:.2f}")] for name, us in
                                     sorted(threads.items(), key=lambda one: -sum(one[1])) if max(us) >= 0.05])
    return text, {"short": bars("CPU time of a short request", "µs", {name: cpu(short[name]) for name in short})}


def churn(rows):
    text = table(["", "CPU µs: TLS connection and request", "requests/s", "p99 µs", "CPU µs of a request on a kept TLS connection"], [
        [name, spread(cpu(of(rows, subject=name, phase="tls"))),
         spread([row["load"]["rps"] for row in of(rows, subject=name, phase="tls")]),
         spread(latency(of(rows, subject=name, phase="tls"), "latency_us", "p99")),
         spread(cpu(of(rows, subject=name, phase="tls kept")))] for name in names(of(rows, phase="tls"))])
    left = "; ".join(f"{row['subject']} {row['before']} before, {row['after']} after" for row in of(rows, phase="left"))
    return text + f"\nDescriptors: {left}.\n", {}


def failing(rows):
    models = names(rows, "model")
    closed = {name: of(rows, model=name, phase="closed") for name in models}
    paced = {name: of(rows, model=name, phase="350") for name in models}
    words = {"well": "one target that answers", "status": "a 503 before it", "refused": "a refused connection before it"}
    return table(["", "CPU µs a request", "÷ well", "requests/s", "p50 µs at 350/s", "p99", "refused (503)", "errors"], [
        [words.get(name, name), spread(cpu(closed[name])), ratio(cpu(closed[name]), cpu(closed["well"])),
         spread([row["load"]["rps"] for row in closed[name]]), spread(latency(paced[name], "latency_us", "p50")),
         spread(latency(paced[name], "latency_us", "p99")), sum(row["load"]["refused"] for row in paced[name]),
         sum(row["load"]["errors"] for row in closed[name] + paced[name])]
        for name in models]), {}


def curves(rows):
    text, plots = "", {}
    for phase in dict.fromkeys(row["phase"] for row in rows):
        part = of(rows, phase=phase)
        counts = list(dict.fromkeys(row["count"] for row in part))
        at = {count: of(part, count=count) for count in counts}
        text += f"\n## {phase}\n\n"
        if phase == "open streams":
            text += table([phase, "anonymous memory KiB each", "CPU µs of a short request beside them", "p99 µs"], [
                [f"{count:,}", spread([row["anon_kib"] / count for row in at[count]], "{:.1f}") if count else "-", spread(cpu(at[count]), "{:.1f}"),
                 spread(latency(at[count], "latency_us", "p99"))] for count in counts])
        else:
            fewest = at[counts[0]][0]["fresh_rss_kib"]
            bytes_each = lambda count: f"{(at[count][0]['fresh_rss_kib'] - fewest) * 1024 / (count - counts[0]):.0f}" if count > counts[0] else "-"
            text += table([phase, "start s", "RSS MiB", "bytes each, above the fewest", "CPU µs a request", "p99 µs"], [
                [f"{count:,}", f"{at[count][0]['started_s']:.2f}", f"{at[count][0]['fresh_rss_kib'] / 1024:.0f}", bytes_each(count),
                 spread(cpu(at[count]), "{:.1f}"), spread(latency(at[count], "latency_us", "p99"))] for count in counts])
        plots[phase.replace(" ", "-")] = lines(f"CPU time of a short request by {phase}", "µs", [f"{count:,}" for count in counts],
                                              {"production": [median(cpu(at[count])) for count in counts]})
    return text, plots


REPORTS = {one.__name__: one for one in (steady, streams, bodies, features, churn, failing, curves)}
