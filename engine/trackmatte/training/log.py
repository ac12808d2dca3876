"""The log of a training: a CSV file that any spreadsheet or plotting program reads."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from trackmatte.files import write_bytes, write_error


class Log:
    """Lines of numbers, one for some steps each.

    Parameters
    ----------
    path : the CSV file; lines after ``step`` are dropped, since those steps are taken again.

    Raises
    ------
    OutputError : it cannot be written.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        kept = [row for row in read(path) if int(row["step"]) <= step]
        self._names: list[str] = list(kept[0]) if kept else []
        text = io.StringIO()
        if kept:
            table = csv.DictWriter(text, self._names, lineterminator="\n")
            table.writeheader()
            table.writerows(kept)
        write_bytes(path, text.getvalue().encode())

    def write(self, step: int, values: dict[str, float]) -> None:
        """Add a line.

        Raises
        ------
        OutputError : it cannot be written.
        """
        row = {"step": str(step), **{k: f"{v:.6g}" for k, v in values.items()}}
        try:
            with self.path.open("a", newline="", encoding="ascii") as f:
                if not self._names:
                    self._names = list(row)
                    f.write(",".join(self._names) + "\n")
                csv.DictWriter(f, self._names, lineterminator="\n").writerow(row)
        except OSError as e:
            raise write_error(self.path, e) from e


def read(path: Path) -> list[dict[str, str]]:
    """Return the whole lines of a log, by name of column; none when it is not there."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1]  # a killed run may have left half a line
    return [row for row in csv.DictReader(io.StringIO(whole)) if (row.get("step") or "").isdigit()]
