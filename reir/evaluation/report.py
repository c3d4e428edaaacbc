"""An evaluation as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reir.evaluation.result import Evaluation, Figures
from reir.evaluation.saved_outcomes import Comparison
from reir.evaluation.system import Cost

_FIRST_COLUMN = 14
_PRECISION = "precision_at_"
_SIZES = {"dataset": "size as the data set says", "coco": "size as COCO counts areas"}

_TITLES = {
    "official": "BoxRecall@k, official (the best instance of the right picture)",
    "any": "BoxRecall@k, any (a right box among the first k)",
}


def format_report(evaluation: Evaluation) -> str:
    """Plain text of several lines: shares in percent with their 95% intervals. Warnings are the caller's to print."""
    overall = evaluation.overall
    sections: list[list[str]] = [
        [
            f"{evaluation.dataset}: {overall.queries:,} expressions, {evaluation.images:,} pictures, "
            f"{evaluation.instances:,} instances",
            f"{evaluation.system}, 95% bootstrap intervals over expressions",
        ],
        *(_recall(overall, protocol, evaluation.ks) for protocol in _TITLES if protocol in overall.shares),
        _pictures(overall, evaluation.ks),
        _inside(overall, masks=evaluation.task == "ris"),
        _masks(evaluation.masks),
        _breakdown("kind", evaluation.by_kind, evaluation),
        _breakdown(_SIZES[evaluation.size_rule], evaluation.by_size, evaluation),
        _ambiguous(evaluation),
        _cost(evaluation.cost),
        ["  ".join(f"{name.replace('_', ' ')} {value:,.2f} ms" for name, value in evaluation.timings_ms.items())],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _recall(figures: Figures, protocol: str, ks: Sequence[int]) -> list[str]:
    by_iou = figures.shares[protocol]["box_recall"]
    rows = [
        [f"IoU > {iou}", *(percent_cell(figures, (protocol, "box_recall", iou, str(k))) for k in ks)] for iou in by_iou
    ]
    return [_TITLES[protocol], *text_table(["", *(f"@{k}" for k in ks)], rows)]


def _pictures(figures: Figures, ks: Sequence[int]) -> list[str]:
    if "image_recall" not in figures.shares:
        return []
    rows = [["image Recall@k", *(percent_cell(figures, ("image_recall", str(k))) for k in ks)]]
    return text_table(["", *(f"@{k}" for k in ks)], rows)


def _inside(figures: Figures, *, masks: bool) -> list[str]:
    named = [(name, f"Precision@{name.removeprefix(_PRECISION)}") for name in figures.shares if _PRECISION in name]
    titles = {"mean_iou": "mean IoU", "overall_iou": "overall IoU", "object_centric_iou": "object-centric IoU"}
    named += [(name, title) for name, title in titles.items() if name in figures.shares]
    where = "of the mask inside the right picture" if masks else "inside the right picture"
    return [f"{title} {where}  {percent_cell(figures, (name,))}" for name, title in named]


def _masks(counts: Mapping[str, int] | None) -> list[str]:
    if counts is None:
        return []
    parts = [f"{counts['masks']:,} masks", f"{counts['filled_boxes']:,} filled boxes", f"{counts['nothing']:,} nothing"]
    return [f"{counts['objects']:,} objects; answers: {', '.join(parts)}"]


def format_comparison(comparison: Comparison) -> str:
    """A line a figure: the difference in points with its interval, and whether it is told apart from none."""
    rows = [
        [
            " ".join(path).replace("_", " "),
            f"{100 * difference:+.1f}",
            f"[{100 * low:+.1f}, {100 * high:+.1f}]",
            "better" if low > 0 else "worse" if high < 0 else "not resolved",
        ]
        for path, difference in _leaves(comparison.differences)
        for low, high in (_at(comparison.intervals, path),)
    ]
    return "\n".join(
        [
            f"{comparison.system}",
            f"against {comparison.other}, {comparison.queries:,} expressions; points with 95% paired intervals",
            *text_table(["", "points", "interval", ""], rows),
        ]
    )


def _leaves(tree: Mapping[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        path = (*before, name)
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        else:
            yield path, value


def _cost(cost: Cost) -> list[str]:
    kinds = (("pictures", cost.pictures), ("expressions", cost.texts), ("pairs of both", cost.pairs))
    parts = [
        f"{sum(passes.values()):,} of {kind} ({', '.join(f'{name} {count:,}' for name, count in passes.items())})"
        for kind, passes in kinds
        if passes
    ]
    return [f"{cost.total:,} forward passes: {'; '.join(parts)}"] if parts else []


def _breakdown(what: str, groups: Mapping[str, Figures], evaluation: Evaluation) -> list[str]:
    if not groups:
        return []
    iou, protocols = f"{evaluation.ious[0]:g}", [name for name in _TITLES if name in evaluation.overall.shares]
    columns: dict[str, tuple[str, ...]] = {
        f"{name} @{k}": (name, "box_recall", iou, str(k)) for name in protocols for k in evaluation.ks
    }
    if evaluation.task == "tir":
        columns = {f"image @{k}": ("image_recall", str(k)) for k in evaluation.ks}
    else:
        columns["Precision@0.5"] = ("precision_at_0.5",)
    if evaluation.task == "ris":
        columns |= {"mean IoU": ("mean_iou",), "overall IoU": ("overall_iou",)}
    rows = [
        [name, f"{figures.queries:,}", *(_percent(_at(figures.shares, path)) for path in columns.values())]
        for name, figures in groups.items()
    ]
    title = f"By {what}, BoxRecall@k at IoU > {iou}" if protocols else f"By {what}"
    return [title, *text_table(["", "queries", *columns], rows)]


def _ambiguous(evaluation: Evaluation) -> list[str]:
    if evaluation.ambiguous is None:
        return []
    title = f"Ambiguous expressions, apart from all above: {evaluation.ambiguous.queries:,}"
    return [title, *_recall(evaluation.ambiguous, "any", evaluation.ks)]


def percent_cell(figures: Figures, path: Sequence[str]) -> str:
    """A share with its interval: ``25.0 [0.0, 75.0]``."""
    share, interval = _at(figures.shares, path), _at(figures.intervals, path)
    return f"{_percent(share)} [{_percent(interval[0])}, {_percent(interval[1])}]"


def _at(tree: Mapping[str, Any], path: Iterable[str]) -> Any:
    value: Any = tree
    for name in path:
        value = value[name]
    return value


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table: the first column to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[0] = max(widths[0], _FIRST_COLUMN)
    return ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
