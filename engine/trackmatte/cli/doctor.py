"""``trackmatte doctor``: what is installed, and what each missing piece would enable.

Needs the standard library alone, so that it can say which package of the base is broken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from trackmatte import __version__
from trackmatte.doctor import VERSION, Finding, examine
from trackmatte.errors import MissingPartError

MARKS = {"ok": "ok", "missing": "-", "problem": "!!"}


def run(*, as_json: bool, quiet: bool = False) -> None:
    """Print the findings.

    Raises
    ------
    MissingPartError : what the main job needs is missing or broken.
    """
    if as_json:
        print(json.dumps({"event": "doctor", "version": VERSION, "trackmatte": __version__}), flush=True)
    broken, section = [], ""
    for finding in examine():
        if as_json:
            print(json.dumps({"event": "finding", **finding.fields()}, ensure_ascii=False), flush=True)
        elif not quiet:
            if finding.section != section:
                section = finding.section
                print(f"{section}:")
            print("\n".join(_lines(finding)), flush=True)
        if finding.broken:
            broken.append(finding.name)
    if broken:
        raise MissingPartError(
            f"the installation is broken: {', '.join(broken)}; what repairs it is said above, or install "
            "Trackmatte again"
        )


def _lines(f: Finding) -> Iterator[str]:
    yield f"  {MARKS[f.state]:>2}  {f.name:26} {f.detail}".rstrip()
    if f.state != "ok":
        if f.enables:
            yield f"{'':33}for: {f.enables}"
        if f.remedy:
            yield f"{'':33}get: {f.remedy}" if f.state == "missing" else f"{'':33}try: {f.remedy}"


def plainly(*, as_json: bool) -> int:
    """Print the findings where the command line itself cannot be loaded, and return the exit code."""
    try:
        run(as_json=as_json)
        text = "the installation is broken: its command line cannot be loaded; install Trackmatte again"
    except MissingPartError as e:
        text = str(e)
    print(json.dumps({"event": "error", "message": text, "code": 7}) if as_json else f"trackmatte: {text}")
    return MissingPartError.exit_code
