"""Medians, tables and plots of what was measured."""

import html
import statistics

COLOURS = {
    "direct": "#888888", "bare": "#1f77b4", "nginx": "#2ca02c", "plain": "#ff9f40", "governed": "#d62728", "production": "#7b1fa2",
    "weighbridge": "#7b1fa2", "translated": "#8c564b",
}
PERCENTILES = ("p50", "p90", "p99", "p999")


def spread(values, form="{:.0f}"):
    """The median, and the least and the largest round."""
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    middle = form.format(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))}…{form.format(max(values))})"


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def ratio(ours, theirs, form="{:.2f}"):
    """Of medians."""
    ours, theirs = median(ours), median(theirs)
    return form.format(ours / theirs) if ours is not None and theirs else "-"


def nice(value):
    """The next 1, 2 or 5 with zeros."""
    power = 1.0
    while value > power * 10:
        power *= 10
    while value <= power / 10:
        power /= 10
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power)


def frame(title, unit, top):
    width, height = 720, 360
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif" font-size="12">', f'<rect width="{width}" height="{height}" fill="white"/>',
             f'<text x="60" y="22" font-size="15">{html.escape(title)}</text>']
    for part in range(6):
        y = 320 - 270 * part / 5
        parts.append(f'<line x1="60" x2="560" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="54" y="{y + 4}" text-anchor="end">{top * part / 5:g}</text>')
    parts.append(f'<text x="60" y="42" fill="#555">{html.escape(unit)}</text>')
    return parts


def legend(parts, names):
    for at, name in enumerate(names):
        y = 60 + 20 * at
        parts.append(f'<rect x="580" y="{y - 9}" width="12" height="12" fill="{COLOURS.get(name, "#333")}"/>')
        parts.append(f'<text x="598" y="{y + 1}">{html.escape(name)}</text>')


def lines(title, unit, marks, series):
    """A plot of `series` (name -> a value or None for each of `marks`)."""
    top = nice(max((value for row in series.values() for value in row if value is not None), default=1) or 1)
    parts = frame(title, unit, top)
    across = [60 + 500 * (at + 0.5) / len(marks) for at in range(len(marks))]
    for x, mark in zip(across, marks):
        parts.append(f'<text x="{x}" y="338" text-anchor="middle">{html.escape(str(mark))}</text>')
    for name, row in series.items():
        points = [(x, 320 - 270 * value / top) for x, value in zip(across, row) if value is not None]
        colour = COLOURS.get(name, "#333")
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    legend(parts, series)
    return "\n".join([*parts, "</svg>"]) + "\n"


def bars(title, unit, values):
    """A bar for each of `values` (name -> rounds): the median, and from the least to the largest."""
    values = {name: [one for one in row if one is not None] for name, row in values.items()}
    values = {name: row for name, row in values.items() if row}
    top = nice(max((max(row) for row in values.values()), default=1) or 1)
    parts = frame(title, unit, top)
    for at, (name, row) in enumerate(values.items()):
        step = 500 / len(values)
        x, y = 60 + step * (at + 0.2), 320 - 270 * statistics.median(row) / top
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.6:.1f}" height="{320 - y:.1f}" fill="{COLOURS.get(name, "#333")}"/>')
        middle, low, high = x + step * 0.3, 320 - 270 * min(row) / top, 320 - 270 * max(row) / top
        parts.append(f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="black"/>')
        parts.append(f'<text x="{middle:.1f}" y="338" text-anchor="middle">{html.escape(name)}</text>')
        parts.append(f'<text x="{middle:.1f}" y="{high - 5:.1f}" text-anchor="middle">{statistics.median(row):.3g}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
