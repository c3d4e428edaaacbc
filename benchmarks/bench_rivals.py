"""How well an index finds second answers to expressions, where the scene graph knows them all.

The shipped gallery has expressions that exactly one object of it satisfies, and ambiguous ones with all their answers.
An ambiguous one is given to its first answer, as a generator might have written it; then every expression is searched
for rivals as ``reir data filter --db`` does. Found: ambiguous ones that are flagged, and among the rivals named a true
second answer. False alarms: unique ones that are flagged. The peer is the same search without the class check.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from machine import print_machine

from reir.construction import AnnotatedPicture, AnnotatedSet, Flag, RivalRule, find_rivals, read_annotated
from reir.data import find_dataset
from reir.indexer import IndexOptions, open_or_create, run_index
from reir.models import load_model

MARGINS = (-0.05, 0.0, 0.02, 0.05, 0.1, 0.15, 0.2)
Key = tuple[int, str]


def read(path: Path) -> tuple[AnnotatedSet, dict[Key, set[int]], dict[Key, str]]:
    """The set with each ambiguous expression on its first answer; the other answers; every expression's kind."""
    data, content = read_annotated(path), json.loads(path.read_text())
    others: dict[Key, set[int]] = {}
    kinds: dict[Key, str] = {}
    for one in content["annotations"]:
        texts = one.get("expressions", [])
        kinds |= {(one["id"], text): kind for text, kind in zip(texts, one.get("expression_kinds", texts), strict=True)}
    given: dict[int, list[str]] = {}
    for record in content["ambiguous"]:
        first, *rest = record["annotation_ids"]
        others[first, record["expression"]] = set(rest)
        kinds[first, record["expression"]] = record["kind"]
        given.setdefault(first, []).append(record["expression"])

    def with_ambiguous(picture: AnnotatedPicture) -> AnnotatedPicture:
        instances = (replace(one, texts=(*one.texts, *given.get(one.id, ()))) for one in picture.instances)
        return replace(picture, instances=tuple(instances))

    return replace(data, pictures=tuple(map(with_ambiguous, data.pictures))), others, kinds


def without_classes(data: AnnotatedSet) -> AnnotatedSet:
    """The same set with one category for all."""
    pictures = (
        replace(picture, instances=tuple(replace(one, category="object") for one in picture.instances))
        for picture in data.pictures
    )
    return replace(data, pictures=tuple(pictures))


def report(flags: Sequence[Flag], others: dict[Key, set[int]], kinds: dict[Key, str]) -> None:
    """Print what is found and what is a false alarm at each margin, and by kind at the default one."""
    unique = len(kinds) - len(others)
    print("  margin    found  truly named  false alarms  precision at equal numbers")
    for margin in MARGINS:
        found, named, alarms = _counts(flags, others, margin)
        share, wrong = len(found) / len(others), len(alarms) / unique
        balanced = share / (share + wrong) if share + wrong else float("nan")
        print(f"  {margin:6.2f}  {share:7.1%}  {len(named) / len(others):11.1%}  {wrong:12.1%}  {balanced:10.1%}")
    margin = RivalRule().margin
    found, _, alarms = _counts(flags, others, margin)
    print(f"  by kind at margin {margin}: found of ambiguous, false alarms of unique")
    for kind in sorted(set(kinds.values())):
        keys = {key for key, its in kinds.items() if its == kind}
        ambiguous, plain = keys & others.keys(), keys - others.keys()
        told = f"{len(found & ambiguous):4}/{len(ambiguous):<4}" if ambiguous else "        -"
        print(f"    {kind:12} {told}  {len(alarms & plain):5}/{len(plain)}")


def _counts(flags: Sequence[Flag], others: dict[Key, set[int]], margin: float) -> tuple[set[Key], set[Key], set[Key]]:
    found, named, alarms = set(), set(), set()
    for flag in flags:
        rivals = [rival for rival in flag.rivals if rival.height >= 1 - margin]
        key = (flag.instance_id, flag.expression)
        if not rivals:
            continue
        if key in others:
            found.add(key)
            if others[key] & {rival.instance_id for rival in rivals[: RivalRule().most]}:
                named.add(key)
        else:
            alarms.add(key)
    return found, named, alarms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", nargs="?", default="demo", help="what reir data synth writes, or demo")
    parser.add_argument("--model", default="clare-tiny")
    options = parser.parse_args()
    print_machine(["numpy", "torch"])
    data, others, kinds = read(find_dataset(options.dataset))
    model = load_model(options.model, device="cpu")
    print(f"{data.path.name}, {model.identity.name} ({model.identity.fingerprint[:12]}): ", end="")
    print(f"{len(kinds) - len(others)} unique and {len(others)} ambiguous expressions")
    with tempfile.TemporaryDirectory() as folder:
        index = open_or_create(data.images_root, model, db=Path(folder) / "db")
        run_index(index, model, IndexOptions(workers=0))
        rule = RivalRule(margin=max(MARGINS), most=50)
        with index.snapshot() as snapshot:
            for title, searched in (("with the class check", data), ("without", without_classes(data))):
                begun = time.process_time()
                flags = find_rivals(snapshot, model, searched, rule=rule)
                seconds = (time.process_time() - begun) / len(kinds)
                unseen = sum(flag.kind == "unseen" for flag in flags)
                print(f"{title}: {seconds * 1e3:.1f} CPU ms an expression, {unseen} targets unseen")
                report(flags, others, kinds)


if __name__ == "__main__":
    main()
