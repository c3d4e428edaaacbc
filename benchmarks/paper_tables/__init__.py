"""The tables of the CLARE paper on emoji scenes, at a small budget, with paired seeds.

    python -m benchmarks.paper_tables.run --work DIR      trains and measures what has no row yet in results.csv
    python -m benchmarks.paper_tables.report              writes the tables of docs/results.md from results.csv

``experiments`` lists what is compared, ``gallery`` what all are asked.
"""
