"""Medians and percentiles of a list of figures, as every bench prints them."""

import json
import statistics
from collections.abc import Sequence
from typing import Any


def summary(values: Sequence[float], digits: int = 3) -> dict[str, Any]:
    """`median`, `p95`, `n` and the raw figures."""
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), digits),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], digits),
        "n": len(ordered),
        "raw": [round(value, digits) for value in values],
    }


def show(result: dict[str, Any], as_json: bool) -> None:
    """Print a result: JSON, or a line a figure."""
    if as_json:
        print(json.dumps(result, indent=2))
        return
    for name, value in result.items():
        if isinstance(value, dict) and "median" in value:
            print(f"{name:32} median {value['median']}  p95 {value['p95']}  n {value['n']}")
        else:
            print(f"{name:32} {value}")
