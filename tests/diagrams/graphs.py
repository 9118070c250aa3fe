"""Reads DOT with a parser that is not ours."""

from __future__ import annotations

import warnings

import pydot


def parse(text: str) -> pydot.Dot:
    with warnings.catch_warnings():
        # pydot 4.0 calls pyparsing by names that it deprecates; not ours to fix.
        warnings.simplefilter("ignore", DeprecationWarning)
        (graph,) = pydot.graph_from_dot_data(text)
    return graph
