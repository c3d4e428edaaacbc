"""Write the tables of docs/results.md from the committed rows.

python -m benchmarks.paper_tables.report              replaces what stands between the page's markers
python -m benchmarks.paper_tables.report --print      prints them alone
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.paper_tables.experiments import EXPERIMENTS
from benchmarks.paper_tables.intervals import Estimate, estimate, verdict
from benchmarks.paper_tables.rows import RESULTS, Row, read_rows
from benchmarks.paper_tables.tables import HEADS, TABLES, Claim, Table, TableRow

PAGE: Final = Path(__file__).parents[2] / "docs" / "results.md"
Rows = Mapping[tuple[str, int], Row]


def figures(rows: Rows, experiment: str, figure: str) -> dict[int, float]:
    """A figure of an experiment by seed."""
    return {seed: float(row[figure]) for (name, seed), row in rows.items() if name == experiment and row[figure]}


def differences(rows: Rows, claim: Claim) -> list[float]:
    """Better minus worse, for every seed that both were run with."""
    better, worse = (figures(rows, name, claim.figure) for name in (claim.better, claim.worse))
    return [better[seed] - worse[seed] for seed in sorted(better.keys() & worse.keys())]


def table_text(table: Table, rows: Rows) -> str:
    """A table with the paper's row beside ours, and below it what holds."""
    lines = _grid(
        ["", "whose", *(HEADS[figure] for figure in table.figures), "seeds"],
        [line for row in table.rows for line in _lines(row, table.figures, rows)],
    )
    labels = {row.experiment: row.label for row in table.rows}
    claims = []
    for claim in table.claims:
        found = differences(rows, claim)
        claims.append(
            [
                f"{labels[claim.better]} over {labels[claim.worse]}",
                HEADS[claim.figure],
                "not in the paper" if claim.paper is None else f"{claim.paper:+.2f}",
                _difference(estimate(found)) if found else "waiting",
                f"**{verdict(found)}**" if found else "waiting",
            ]
        )
    lines += ["", *_grid(["is it better?", "by", "paper", "here, paired", "verdict"], claims)]
    return "\n".join(lines)


def summary_text(rows: Rows) -> str:
    """How many of the paper's comparisons come out which way, and which of them do not hold."""
    found: dict[str, list[str]] = {}
    for table in TABLES:
        labels = {row.experiment: row.label for row in table.rows}
        for claim in table.claims:
            if claim.paper is None:
                continue
            seen = differences(rows, claim)
            line = f"table {table.number}: {labels[claim.better]} over {labels[claim.worse]}, {HEADS[claim.figure]}"
            line += f", {_difference(estimate(seen))}" if seen else ""
            found.setdefault(verdict(seen), []).append(line)
    total = sum(map(len, found.values()))
    counts = ", ".join(f"**{name}** {len(lines)}" for name, lines in sorted(found.items()))
    parts = [f"{total} comparisons that the paper reports, by verdict: {counts}."]
    for name in sorted(found.keys() - {"holds", "too few seeds"}):
        parts += ["", f"{name.capitalize()}:", "", *(f"- {line}" for line in found[name])]
    return "\n".join(parts)


def compute_text(rows: Rows) -> str:
    """What each experiment saw and took, and the sum of all."""
    body = []
    for item in EXPERIMENTS:
        own = [row for (name, _), row in rows.items() if name == item.name]
        if own and item.kind in ("clare", "tower"):
            minutes = sum(float(row["seconds"]) for row in own) / 60
            body.append(
                [
                    f"`{item.name}`",
                    ", ".join(item.tables),
                    item.start or "",
                    f"{int(own[0]['pictures']):,}",
                    f"{int(own[0]['parameters']) / 1e6:.2f} M",
                    str(len(own)),
                    f"{minutes / len(own):.1f}",
                ]
            )
    seconds = sum(float(row["seconds"] or 0) + float(row["seconds_of_evaluation"] or 0) for row in rows.values())
    pictures = sum(int(row["pictures"]) for row in rows.values())
    heads = ["experiment", "tables", "starts from", "pictures seen", "parameters", "seeds", "minutes a seed"]
    return "\n".join(
        [
            *_grid(heads, body),
            "",
            f"In all {seconds / 3600:.1f} hours of one processor thread, {pictures:,} pictures seen in training.",
        ]
    )


def blocks(rows: Rows) -> dict[str, str]:
    """The page's generated parts by the name of their marker."""
    return {
        "summary": summary_text(rows),
        "compute": compute_text(rows),
        **{f"table {table.number}": table_text(table, rows) for table in TABLES},
    }


def fill(page: str, parts: Mapping[str, str]) -> str:
    """The page with what stands between ``<!-- NAME -->`` and ``<!-- end -->`` replaced.

    Raises:
        ValueError: a part has no marker.
    """
    for name, text in parts.items():
        marker = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = marker.subn(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", page)
        if count != 1:
            raise ValueError(f"the page has {count} markers <!-- {name} -->")
    return page


def _lines(row: TableRow, names: Sequence[str], rows: Rows) -> list[list[str]]:
    """Our line, and the paper's below it where it has one."""
    found = [list(figures(rows, row.experiment, name).values()) for name in names]
    cells = [_plain(estimate(values)) if values else "waiting" for values in found]
    lines = [[row.label, "here", *cells, str(len(found[0]))]]
    if row.paper:
        lines.append(
            ["", f"paper, {row.paper_label}" if row.paper_label else "paper", *map("{:.2f}".format, row.paper), ""]
        )
    return lines


def _plain(value: Estimate) -> str:
    return f"{value.mean:.1f}" + (f" ± {value.half:.1f}" if value.seeds > 1 else "")


def _difference(value: Estimate) -> str:
    return f"{value.mean:+.1f}" + (f" ({value.low:+.1f} to {value.high:+.1f})" if value.seeds > 1 else "")


def _grid(heads: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + " --- |" * len(heads),
        *("| " + " | ".join(cells) + " |" for cells in body),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--print", action="store_true")
    arguments = parser.parse_args()
    parts = blocks(read_rows(arguments.results))
    if arguments.print:
        print("\n\n".join(f"## {name}\n\n{text}" for name, text in parts.items()))
    else:
        arguments.page.write_text(fill(arguments.page.read_text(), parts))


if __name__ == "__main__":
    main()
