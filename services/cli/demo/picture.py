"""The demo's report as one HTML file without scripts or outside links: the feeder before and after, voltages, progress."""

from __future__ import annotations

from html import escape
from string import Template

from services.cli.demo.journey import Document, Result, open_lines

WIDTH, HEIGHT, MARGIN = 900, 360, 30

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Busbar: 33 buses, proven</title><style>
:root { color-scheme: light dark; --ink: #1d2733; --paper: #fff; --grid: #d8dee6; --closed: #3a6ea5; --open: #d1495b; --before: #9aa7b5; --bound: #2e8b57; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --paper: #151a20; --grid: #313a45; --closed: #7fb3e6; --open: #ff8a98; --before: #6d7a88; --bound: #6fd09a; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 960px; margin: 2rem auto; padding: 0 1rem; }
svg { width: 100%; height: auto; border: 1px solid var(--grid); border-radius: 6px; } h2 { margin-top: 2rem; }
text { font: 11px system-ui, sans-serif; fill: var(--ink); } .closed { stroke: var(--closed); stroke-width: 2.5; }
.open { stroke: var(--open); stroke-width: 2; stroke-dasharray: 5 5; } .bus { fill: var(--ink); } .source { fill: var(--open); }
.axis { stroke: var(--grid); } .before { fill: none; stroke: var(--before); stroke-width: 2; } .after { fill: none; stroke: var(--closed); stroke-width: 2; }
.bound { fill: none; stroke: var(--bound); stroke-width: 2; stroke-dasharray: 6 4; } td, th { text-align: left; padding: .15rem 1.5rem .15rem 0; }
</style></head><body>
<h1>33 buses, five open switches, proven optimal</h1>
<table><tr><th></th><th>before</th><th>after</th></tr>
<tr><th>open lines</th><td>$open_before</td><td>$open_after</td></tr>
<tr><th>active loss</th><td>$loss_before kW</td><td>$loss_after kW</td></tr>
<tr><th>lowest voltage</th><td>$low_before pu</td><td>$low_after pu</td></tr>
<tr><th>certified gap</th><td></td><td>$gap % ($proof)</td></tr></table>
<h2>Before</h2>$feeder_before<h2>After</h2>$feeder_after
<h2>Voltage at each bus</h2><p>Grey before, blue after; per unit of the source's voltage.</p>$voltages
<h2>Progress</h2><p>Loss of the best configuration (blue) and proven lower bound (green, dashed) over seconds since the start.</p>$progress
</body></html>
""")


def draw(result: Result) -> str:
    """The whole page."""
    voltages = result.voltages_pu()
    return PAGE.substitute(
        open_before=", ".join(open_lines(result.before)),
        open_after=", ".join(result.open_lines()),
        loss_before=f"{result.loss_before_kw:.2f}",
        loss_after=f"{result.loss_after_kw:.2f}",
        low_before=f"{min(before for before, _ in voltages.values()):.4f}",
        low_after=f"{min(after for _, after in voltages.values()):.4f}",
        gap=f"{100 * result.info['gap']:.4f}",
        proof=escape(str(result.info["proof"])),
        feeder_before=_feeder(result.network, set(open_lines(result.before))),
        feeder_after=_feeder(result.network, set(result.open_lines())),
        voltages=_voltage_chart(voltages),
        progress=_progress_chart(result),
    )


def _svg(body: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{body}</svg>'


def _scale(values: list[float], low: float, high: float) -> list[float]:
    smallest, largest = min(values), max(values)
    span = (largest - smallest) or 1.0
    return [low + (value - smallest) / span * (high - low) for value in values]


def _feeder(network: Document, opened: set[str]) -> str:
    xs = _scale([node["coordinates"][0] for node in network["nodes"]], MARGIN, WIDTH - MARGIN)
    ys = _scale([node["coordinates"][1] for node in network["nodes"]], HEIGHT - MARGIN, MARGIN)
    place = {node["id"]: (x, y) for node, x, y in zip(network["nodes"], xs, ys, strict=True)}
    parts = []
    for line in network["lines"]:
        (x1, y1), (x2, y2) = place[line["source"]], place[line["target"]]
        kind = "open" if line["id"] in opened else "closed"
        parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
        if kind == "open":
            parts.append(f'<text x="{(x1 + x2) / 2 + 4:.1f}" y="{(y1 + y2) / 2 - 4:.1f}">{escape(line["id"])}</text>')
    for node in network["nodes"]:
        x, y = place[node["id"]]
        kind, radius = ("source", 8) if node["type"] == "provider" else ("bus", 4)
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>')
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 14:.1f}">{escape(node["id"])}</text>')
    return _svg("".join(parts))


def _voltage_chart(voltages: dict[str, tuple[float, float]]) -> str:
    buses = sorted(voltages, key=int)
    before, after = ([voltages[bus][side] for bus in buses] for side in (0, 1))
    ys = _scale([*before, *after, 1.0], HEIGHT - MARGIN, MARGIN)
    xs = _scale([float(position) for position in range(len(buses))], MARGIN + 20, WIDTH - MARGIN)
    labels = "".join(
        f'<text x="{x - 6:.1f}" y="{HEIGHT - 8}">{escape(bus)}</text>' for bus, x in zip(buses, xs, strict=True)
    )
    lowest = min(*before, *after)
    axis = f'<text x="2" y="{MARGIN}">1.000</text><text x="2" y="{HEIGHT - MARGIN}">{lowest:.3f}</text>'
    count = len(buses)
    return _svg(labels + axis + _line("before", xs, ys[:count]) + _line("after", xs, ys[count : 2 * count]))


def _progress_chart(result: Result) -> str:
    samples = result.samples
    bounds = [(index, sample.bound_kw) for index, sample in enumerate(samples) if sample.bound_kw is not None]
    losses = [sample.loss_kw for sample in samples]
    ys = _scale([result.loss_before_kw, *losses, *(bound for _, bound in bounds)], HEIGHT - MARGIN, MARGIN)
    xs = _scale([0.0, *(sample.at_s for sample in samples)], MARGIN + 40, WIDTH - MARGIN)
    axis = (
        f'<text x="2" y="{MARGIN}">{result.loss_before_kw:.1f} kW</text>'
        f'<text x="2" y="{HEIGHT - MARGIN}">{result.loss_after_kw:.1f} kW</text>'
        f'<text x="{WIDTH - 80}" y="{HEIGHT - 8}">{samples[-1].at_s:.2f} s</text>'
    )
    bound_xs = [xs[1 + index] for index, _ in bounds]
    bound_ys = ys[1 + len(losses) :]
    if len(bounds) == 1:  # a bound that came with the last answer shows as a short stroke
        bound_xs, bound_ys = [bound_xs[0] - 12, bound_xs[0]], bound_ys * 2
    return _svg(axis + _line("after", xs, ys[: 1 + len(losses)]) + _line("bound", bound_xs, bound_ys))


def _line(kind: str, xs: list[float], ys: list[float]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<polyline class="{kind}" points="{points}"/>'
