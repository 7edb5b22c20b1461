"""Draws charts: a JSON list of Vega-Lite specifications on standard input, a JSON list of SVG texts on standard output.

A program of its own (`drawing` starts it): vl-convert holds the interpreter for as long as it draws, and its V8 ends
the process when memory runs out. It imports nothing of the package, so that it starts at once.
"""

import json
import sys

import vl_convert

VEGA_LITE = "6.1"


def main() -> None:
    """Draw all charts; without network, whatever a specification asks for."""
    svgs = [
        vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[], show_warnings=False)
        for spec in json.load(sys.stdin)
    ]
    json.dump(svgs, sys.stdout)


if __name__ == "__main__":
    main()
