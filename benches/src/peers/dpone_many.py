"""Exports every report of a folder inside one process, by the function that dpone's own command
calls. Prints the seconds of the loop alone."""

import pathlib
import sys
import time

from dpone.observability.export import RuntimeMetricsExportService

reports, out = map(pathlib.Path, sys.argv[1:])
paths = sorted(reports.glob("*.json"))
since = time.monotonic()
for path in paths:
    RuntimeMetricsExportService().export(
        output_dir=out / path.stem, run_report_path=path, labels={"env": "bench"}
    )
print(time.monotonic() - since)
