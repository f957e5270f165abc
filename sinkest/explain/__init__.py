"""The chain of a number: formula, inputs, coefficients, estimator, draws, interval, variance shares, files."""

from __future__ import annotations

from sinkest.explain.explanation import Explanation, Part, explain

__all__ = ["Explanation", "Part", "explain"]
