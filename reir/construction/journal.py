"""The journal of a run: every answer that was paid for, kept before anything else is done with it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from reir.errors import ReirError, UsageError

_TABLES = """
CREATE TABLE IF NOT EXISTS settings (kind TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL, unit TEXT NOT NULL,
    request_hash TEXT NOT NULL, request_id TEXT, model TEXT NOT NULL, attempt INTEGER NOT NULL, status TEXT NOT NULL,
    seconds REAL NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, tokens_estimated INTEGER NOT NULL,
    cost REAL, answer TEXT, usable INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX IF NOT EXISTS calls_by_request ON calls (request_hash) WHERE answer IS NOT NULL;
CREATE TABLE IF NOT EXISTS results (
    kind TEXT NOT NULL, item TEXT NOT NULL, unit TEXT NOT NULL, content TEXT NOT NULL, failed INTEGER NOT NULL,
    PRIMARY KEY (kind, item)
);
"""
_LEDGER = (
    *("number", "at", "kind", "unit", "request_hash", "request_id", "model", "attempt", "status", "seconds"),
    *("prompt_tokens", "completion_tokens", "tokens_estimated", "cost"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """One try at one request. ``answer`` is None where none came; then nothing may have been charged, or something.

    Tokens are those the endpoint reported; where it reports none they are estimated, and ``tokens_estimated`` says so.
    """

    kind: str
    unit: str
    request_hash: str
    request_id: str | None
    model: str
    attempt: int
    status: str
    seconds: float
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens_estimated: bool = False
    cost: float | None = None
    answer: str | None = None


class Journal:
    """SQLite file of calls and results, and beside it the ledger for people: one line of JSON a call, appended.

    Every method commits to the disk before it returns. An answer is found again by the hash of its request, so a run
    that was killed goes on where it was. One process writes at a time.
    """

    def __init__(self, path: Path, ledger: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.ledger = path, ledger
        self._lock = FileLock(f"{path}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ReirError(f"another run writes to {path}. Wait for it to end, or give --out another name") from None
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.row_factory = sqlite3.Row
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_TABLES)
            self._bring_ledger_up()
        except sqlite3.DatabaseError as error:
            self._lock.release()
            raise ReirError(f"{path} is no journal of reir ({error}). Give --out another name") from error
        except (ValueError, KeyError, TypeError) as error:
            self.close()
            raise ReirError(
                f"{ledger} has a line that is not ours ({error!r}). Remove it: it is written anew from {path.name}"
            ) from error

    @classmethod
    def beside(cls, out: Path) -> Self:
        """The journal and ledger beside an output file or folder: ``OUT.journal`` and ``OUT.ledger.jsonl``."""
        return cls(journal_path(out), out.with_name(f"{out.name}.ledger.jsonl"))

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Closing twice does nothing."""
        self._database.close()
        self._lock.release()

    def bind(self, kind: str, settings: Mapping[str, Any], *, anew: bool = False) -> None:
        """Make sure that all results of a step come from one set of settings.

        Args:
            kind: the step: ``describe``, ``filter``, ``confirm``.
            settings: what the results depend on beside the input.
            anew: with other settings set the results aside; answers stay, and are used where a request is the same.

        Raises:
            UsageError: the step has results by other settings, which the message names.
        """
        row = self._database.execute("SELECT content FROM settings WHERE kind = ?", (kind,)).fetchone()
        content = json.dumps(settings, sort_keys=True)
        begun = self._database.execute("SELECT 1 FROM results WHERE kind = ?", (kind,)).fetchone() is not None
        if row is not None and row["content"] != content and begun:
            before = json.loads(row["content"])
            changed = sorted(key for key in {*before, *settings} if before.get(key) != settings.get(key))
            if not anew:
                told = ", ".join(f"{key} {_short(before.get(key))} -> {_short(settings.get(key))}" for key in changed)
                raise UsageError(
                    f"{self.path} was begun with other settings ({told}). Use the same, give --out another name, "
                    "or go on with the new ones for all instances: --other-settings"
                )
            self._database.execute("DELETE FROM results WHERE kind = ?", (kind,))
        self._database.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (kind, content))

    def bound_to(self, kind: str, settings: Mapping[str, Any]) -> bool:
        """Whether the results of a step were made with these settings."""
        row = self._database.execute("SELECT content FROM settings WHERE kind = ?", (kind,)).fetchone()
        return row is not None and row["content"] == json.dumps(settings, sort_keys=True)

    def answer(self, request_hash: str) -> str | None:
        """The answer that was had to the same request, if any."""
        row = self._database.execute(
            "SELECT answer FROM calls WHERE request_hash = ? AND answer IS NOT NULL AND usable ORDER BY number",
            (request_hash,),
        ).fetchone()
        return None if row is None else str(row["answer"])

    def add(self, call: Call) -> None:
        """Keep a call; then note it in the ledger."""
        cursor = self._database.execute(
            "INSERT INTO calls (at, kind, unit, request_hash, request_id, model, attempt, status, seconds,"
            " prompt_tokens, completion_tokens, tokens_estimated, cost, answer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(datetime.now(UTC).isoformat(timespec="milliseconds"), call.kind, call.unit, call.request_hash),
                *(call.request_id, call.model, call.attempt, call.status, round(call.seconds, 3)),
                *(call.prompt_tokens, call.completion_tokens, call.tokens_estimated, call.cost, call.answer),
            ),
        )
        self._append_to_ledger(int(cursor.lastrowid or 0))

    def results(self, kind: str) -> dict[int, dict[str, Any]]:
        """The results of a step by item; a failed one holds ``{"failed": cause}``."""
        rows = self._database.execute("SELECT item, content FROM results WHERE kind = ?", (kind,))
        return {int(row["item"]): json.loads(row["content"]) for row in rows}

    def record(self, kind: str, unit: str, results: Mapping[int, Mapping[str, Any]], *, failed: bool = False) -> None:
        """Keep results of a unit of work, all or none."""
        with self._transaction():
            self._database.executemany(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?)",
                [(kind, str(item), unit, json.dumps(content), failed) for item, content in results.items()],
            )

    def forget_failed(self, kind: str) -> int:
        """The number of failed items of a step that will be asked anew: their answers are not used again."""
        with self._transaction():
            rows = self._database.execute("SELECT unit FROM results WHERE kind = ? AND failed", (kind,)).fetchall()
            self._database.executemany(
                "UPDATE calls SET usable = 0 WHERE kind = ? AND unit = ?", [(kind, row["unit"]) for row in rows]
            )
            self._database.execute("DELETE FROM results WHERE kind = ? AND failed", (kind,))
        return len(rows)

    def spent(self) -> float:
        """The cost of all calls whose price was known."""
        return float(self._database.execute("SELECT total(cost) FROM calls").fetchone()[0])

    def totals(self, kind: str | None = None) -> dict[str, Any]:
        """Calls, tokens and cost of all runs so far; ``cost`` is None where a price was not known."""
        row = self._database.execute(
            "SELECT count(*) AS calls, count(answer) AS answers, total(prompt_tokens) AS prompt_tokens,"
            " total(completion_tokens) AS completion_tokens, total(cost) AS cost,"
            " sum(answer IS NOT NULL AND cost IS NULL) AS unpriced, total(tokens_estimated) AS estimated"
            " FROM calls WHERE ?1 IS NULL OR kind = ?1",
            (kind,),
        ).fetchone()
        return {
            "calls": row["calls"],
            "answers": row["answers"],
            "prompt_tokens": int(row["prompt_tokens"]),
            "completion_tokens": int(row["completion_tokens"]),
            "answers_without_usage": int(row["estimated"]),
            "cost": None if row["unpriced"] else round(row["cost"], 6),
        }

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _bring_ledger_up(self) -> None:
        """Cut off a line that a kill left unfinished, and add the calls that did not reach the ledger."""
        last = 0
        if self.ledger.exists():
            content = self.ledger.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if len(whole) != len(content):
                with self.ledger.open("r+b") as file:
                    file.truncate(len(whole))
            numbers = [json.loads(line)["number"] for line in whole.splitlines() if line.strip()]
            last = max(numbers, default=0)
        for row in self._database.execute("SELECT number FROM calls WHERE number > ? ORDER BY number", (last,)):
            self._append_to_ledger(row["number"])

    def _append_to_ledger(self, number: int) -> None:
        row = self._database.execute("SELECT * FROM calls WHERE number = ?", (number,)).fetchone()
        line = {name: row[name] for name in _LEDGER} | {"tokens_estimated": bool(row["tokens_estimated"])}
        with self.ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def journal_path(out: Path) -> Path:
    """Where the journal of an output is."""
    return out.with_name(f"{out.name}.journal")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
