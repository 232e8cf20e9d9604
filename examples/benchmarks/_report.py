"""A benchmark's table: printed while it runs, and written with date, versions and machine."""

import csv
import datetime
import os
import platform
from pathlib import Path

import numpy
import scipy
import sklearn
from threadpoolctl import threadpool_info

import sklearn_onenn


def environment():
    """One line on when and where figures were measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":")[1].strip() if names else cpu
    threads = max((pool["num_threads"] for pool in threadpool_info()), default=1)
    versions = ", ".join(
        f"{module.__name__} {module.__version__}" for module in (sklearn_onenn, sklearn, numpy, scipy)
    )
    return (
        f"{datetime.date.today()}, Python {platform.python_version()}, {versions}; {cpu}, "
        f"{os.cpu_count()} cores, {threads} BLAS threads."
    )


class Report:
    """A markdown page with one table, written anew after every row.

    Parameters
    ----------
    path : path
    title : str
    text : str
        What is measured and how; the indented lines of a docstring become code.
    columns : list of str
    for_figures : bool
        Whether the table is also written as comma-separated values beside the page: figures read those.
    """

    def __init__(self, path, title, text, columns, *, for_figures=False):
        self.path, self.columns, self.for_figures = Path(path), columns, for_figures
        self.head = [f"# {title}", "", environment(), "", text.strip(), ""]
        self.rows, self.entries = [], []
        print("\n".join(self.head))
        self._show([line(columns), line("---" for _ in columns)])

    def note(self, text):
        """A paragraph between the head and the table."""
        self.head += [text, ""]
        print(text)

    def row(self, entries):
        """Add a row, print it and write the page."""
        self.rows.append(line(entries))
        self.entries.append(entries)
        self._show(self.rows[-1:])
        table = [line(self.columns), line("---" for _ in self.columns), *self.rows]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join([*self.head, *table]) + "\n")
        if self.for_figures:
            with self.path.with_suffix(".csv").open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([self.columns, *self.entries])

    @staticmethod
    def _show(lines):
        print("\n".join(lines), flush=True)


def line(entries):
    """A line of a markdown table."""
    return "| " + " | ".join(str(entry) for entry in entries) + " |"
