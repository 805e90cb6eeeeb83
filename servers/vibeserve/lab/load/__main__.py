"""`python -I -m vibeserve.lab.load --url URL --plan plan.json --out samples.json [--drain-s S]`.

Exit status 0 also when the server misbehaves: that is a result. Bad arguments give one line and status 2.
"""

import argparse
import asyncio
import json
import math
import sys
from pathlib import Path

from pydantic import ValidationError

from vibeserve.core.errors import BadRequest
from vibeserve.lab.load.drive import drive
from vibeserve.lab.load.plan import Plan
from vibeserve.lab.load.summary import summarize


def main() -> int:
    """Drive the plan and write {"samples": […], "summary": {…}}."""
    arguments = _arguments()
    try:
        plan = _plan(arguments.plan)
        samples = asyncio.run(drive(arguments.url, plan, drain_s=arguments.drain_s))
        result = {
            "samples": [sample.model_dump() for sample in samples],
            "summary": summarize(samples, plan.window_s).model_dump(),
        }
        arguments.out.write_text(json.dumps(result))
    except (BadRequest, OSError) as error:
        print(f"vibeserve.lab.load: {error}", file=sys.stderr)
        return 2
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vibeserve.lab.load", description="Drive one open-loop window.")
    parser.add_argument("--url", required=True, help="base URL of the server")
    parser.add_argument("--plan", required=True, type=Path, help="plan as JSON")
    parser.add_argument("--out", required=True, type=Path, help="where the samples are written")
    parser.add_argument("--drain-s", type=_seconds, default=0.0, help="time for requests to finish after")
    return parser.parse_args()


def _seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return value


def _plan(path: Path) -> Plan:
    try:
        return Plan.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BadRequest(f"The plan {path} is not valid at {where}: {first['msg']}.") from error


if __name__ == "__main__":
    sys.exit(main())
