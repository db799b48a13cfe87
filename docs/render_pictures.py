"""Write docs/pictures: the pages of a comparison, of a look inside, and of the equations, as PNG.

Needs Chromium and the tests' requirements; trains on the bundled data for a minute or two.
"""

import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import gatewise
from gatewise.report.explanation import write_explanation

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from browser import launched, opened  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
HEIGHTS = {"report": 1150, "inside": 1300, "explain": 1150}


def main() -> None:
    """Make the pages in a folder that is thrown away, and take a picture of the top of each."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bikes = str(files("gatewise.data") / "bundled" / "bike_sharing.parquet")
        parts = {"target": "users", "time": "date_time", "future": ["holiday", "workingday"]}
        run = gatewise.compare(bikes, **parts, out=folder / "run")
        lstm = gatewise.Forecaster(24, steps=600, random_state=0, progress=False, **parts)
        pages = {
            "report": run.folder / "report.html",
            "inside": folder / "inside.html",
            "explain": write_explanation(folder / "explain.html"),
        }
        gatewise.inspect(lstm.fit(bikes), bikes).to_html(pages["inside"])
        PICTURES.mkdir(exist_ok=True)
        with launched() as browser:
            for name, path in pages.items():
                with opened(browser, path) as page:
                    clip = {"x": 0, "y": 0, "width": 1280, "height": HEIGHTS[name]}
                    page.screenshot(path=PICTURES / f"{name}.png", full_page=True, clip=clip)


if __name__ == "__main__":
    main()
