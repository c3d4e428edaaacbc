"""Tables 1 to 3 of Tune-An-Ellipse as markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reir.metrics.bootstrap import bootstrap_intervals

_LOSSES = ("sim", "inf", "sqz", "sim+inf", "sim+sqz", "inf+sqz", "sim+inf+sqz")
_STARTS = (("S", "Top-1 (S)"), ("A", "Top-1 (A)"), ("S&A", "Top-10 (S) & Top-1 (A)"), ("A&S", "Top-10 (A) & Top-1 (S)"))
_HEAD = "| {} | accuracy, % | mean IoU, % | difference in accuracy | paper |\n| --- | --- | --- | --- | --- |"
_PAPER = {
    "F-RCNN/crops": 46.1,
    "F-RCNN/red circle": 56.2,
    "F-RCNN/ours": 58.0,
    "P-Ellipses/crops": 6.59,
    "start/S/0": 3.94,
    "losses/sim/single": 5.30,
    "losses/sim/ensemble": 4.63,
    "losses/inf/single": 5.75,
    "losses/inf/ensemble": 5.78,
    "losses/sqz/single": 0.19,
    "losses/sqz/ensemble": 0.14,
    "losses/sim+inf/single": 6.28,
    "losses/sim+inf/ensemble": 6.01,
    "losses/sim+sqz/single": 0.48,
    "losses/sim+sqz/ensemble": 0.25,
    "losses/inf+sqz/single": 27.2,
    "losses/inf+sqz/ensemble": 31.2,
    "losses/sim+inf+sqz/single": 29.0,
    "losses/sim+inf+sqz/ensemble": 32.3,
    "start/S/tuned": 29.1,
    "start/A/0": 1.26,
    "start/A/tuned": 31.6,
    "start/S&A/0": 3.13,
    "start/S&A/tuned": 32.3,
    "start/A&S/0": 3.96,
    "start/A&S/tuned": 31.8,
}
"""Accuracy on RefCOCO's testA: tables 1 to 3. Table 3 is with the ensemble there, with one Grad-CAM here."""


def markdown(rows: Mapping[str, Sequence[float]], steps: int) -> str:
    """Three tables of overlaps by row; every row has the same queries."""
    best = "losses/sim+inf+sqz/ensemble"
    first = [
        ("F-RCNN, crops (as ReCLIP)", "F-RCNN/crops", "F-RCNN/ours"),
        ("F-RCNN, Red Circle", "F-RCNN/red circle", "F-RCNN/ours"),
        ("F-RCNN, differentiable ellipse", "F-RCNN/ours", None),
        (f"F-RCNN, differentiable ellipse, then tuned, {steps} steps", "F-RCNN/tuned", "F-RCNN/ours"),
        (f"the same, a box kept that scores no less, {steps} steps", "F-RCNN/tuned, guarded", "F-RCNN/tuned"),
        (f"the true box, tuned, {steps} steps", "truth/tuned", None),
        (f"the same, a box kept that scores no less, {steps} steps", "truth/tuned, guarded", "truth/tuned"),
        ("P-Ellipses, crops (as ReCLIP)", "P-Ellipses/crops", best),
        ("P-Ellipses, score alone (as Red Circle)", "start/S/0", best),
        (f"P-Ellipses, tuned, {steps} steps", best, None),
    ]
    single = "losses/sim+inf+sqz/single"
    second = [
        (
            f"{name}, {cam} Grad-CAM",
            f"losses/{name}/{cam}",
            f"losses/sim+inf+sqz/{cam}" if name != _LOSSES[-1] else None,
        )
        for name in _LOSSES
        for cam in ("single", "ensemble")
    ]
    second[-1] = (second[-1][0], second[-1][1], single)
    third = [
        (
            f"{label}, {number} steps",
            f"start/{name}/{key}",
            None if (name, key) == ("S&A", "tuned") else "start/S&A/tuned",
        )
        for name, label in _STARTS
        for key, number in (("0", 0), ("tuned", steps))
    ]
    parts = [
        _table("Table 1: proposals", first, rows),
        _table("Table 2: losses", second, rows),
        _table("Table 3: initialisation (single Grad-CAM)", third, rows),
    ]
    count = len(next(iter(rows.values())))
    return f"{count} expressions, IoU > 0.5; 95% bootstrap intervals.\n\n" + "\n\n".join(parts) + "\n"


def _table(title: str, lines: Sequence[tuple[str, str, str | None]], rows: Mapping[str, Sequence[float]]) -> str:
    written = [_HEAD.format(title)]
    for label, name, reference in lines:
        overlaps = np.array(rows[name])
        right = (overlaps > 0.5).astype(np.float64)
        against = "" if reference is None else _figure(right - (np.array(rows[reference]) > 0.5), signed=True)
        written.append(f"| {label} | {_figure(right)} | {_figure(overlaps)} | {against} | {_PAPER.get(name, '')} |")
    return "\n".join(written)


def _figure(values: np.ndarray, *, signed: bool = False) -> str:
    low, high = bootstrap_intervals(values[:, None])[0] * 100
    sign = "+" if signed else ""
    return f"{values.mean() * 100:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"
