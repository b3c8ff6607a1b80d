"""Speed beside peers (`python -m benchmarks`) and results against truth (`python -m benchmarks validate`).

A module `bench_NAME.py` has `rows()` that returns rows as `measure.row` makes them; a module `validate_NAME.py` has
`rows()` that returns rows as `accuracy.row` makes them. Results are kept in results/ with date, commit and machine, and
the tables of docs/performance.md and docs/accuracy.md are made from them.
"""
