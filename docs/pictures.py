"""Makes the pictures of the pages in docs/: a real training of the demo shop, photographed.

    python docs/pictures.py [--to docs/pictures]

Trains twice in a temporary folder (as of a month before the end, then on everything, both promoted), copies figures
of the last run, and opens the dashboard and the MLflow UI in Chromium. A picture that is larger than a repository
should carry is drawn with fewer colours. Needs Chromium and the packages of `make test`; takes about two minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from contract.names import CHAMPION, FIGURES, MODEL
from training.processes import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

SEGMENTS = Path(sys.executable).with_name("segments")
FIGURES_SHOWN = ("profiles", "pca_map", "k_distance", "silhouette_by_k")
PAGES_SHOWN = (
    "customers",
    "movement",
    "unusual",
)  # by the last part of their addresses; the overview is dashboard.png
EARLIER_DAY = "2024-12-01"
WIDTH, HEIGHT = 1280, 860  # pixels of the window
REGISTRY_SIZE: ViewportSize = {
    "width": 1400,
    "height": 760,
}  # pixels of the window of the MLflow UI, whose tables are wide
SETTLED_AFTER_MILLISECONDS = 3_000  # until the MLflow UI has filled its tables
MOST_BYTES = 300_000
COLOURS = 128  # of a picture that would be larger
START_SECONDS = 180


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "pictures")
    target = parser.parse_args().to.resolve()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(folder)
        for file, png in itertools.chain(figures(folder), photographs(folder)):
            (target / file).write_bytes(small(png))
            print(f"{file}: {(target / file).stat().st_size:,} bytes")


def train(folder: Path) -> None:
    """Two champions of the demo shop in `folder`, a month apart."""
    for words in (
        ["demo"],
        ["train", "--as-of", EARLIER_DAY, "--promote"],
        ["train", "--promote"],
    ):
        subprocess.run([SEGMENTS, *words], cwd=folder, env=environment(folder), check=True)


def environment(folder: Path) -> dict[str, str]:
    """The environment of a command whose runs are kept in `folder`."""
    return os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlruns/mlflow.db"}


def figures(folder: Path) -> Iterator[tuple[str, bytes]]:
    """File name and PNG of the figures that the champion's run holds."""
    import mlflow

    client = mlflow.MlflowClient(*[environment(folder)["MLFLOW_TRACKING_URI"]] * 2)
    run = str(client.get_model_version_by_alias(MODEL, CHAMPION).run_id)
    for name in FIGURES_SHOWN:
        path = client.download_artifacts(run, f"{FIGURES}/{name}.png", str(folder))
        yield f"{name}.png", Path(path).read_bytes()


def photographs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """File name and PNG of the overview, some other pages, and the registry's page of the MLflow UI."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        sys.exit(
            "There is no Chromium here to open the pages with. Expected the program `chromium`. Install it."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        with server(folder, "api", "/health") as address:
            yield "dashboard.png", opened(browser, f"{address}/ui", "main h1").screenshot()
            for name in PAGES_SHOWN:
                yield f"{name}.png", opened(browser, f"{address}/ui/{name}", "main h1").screenshot()
        with server(folder, "ui", "/health") as address:
            page = opened(browser, f"{address}/#/models/{MODEL}", f"text={CHAMPION}")
            page.set_viewport_size(REGISTRY_SIZE)
            page.get_by_role("button", name="Close", exact=True).click()  # the panel of MLflow's assistant
            page.wait_for_timeout(SETTLED_AFTER_MILLISECONDS)
            yield "registry.png", page.screenshot()
        browser.close()


def opened(browser: Browser, address: str, last: str) -> Page:
    """The page at `address`, once what it shows `last` (a selector) is there."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.goto(address)
    page.wait_for_selector(last, timeout=START_SECONDS * 1000, state="attached")
    return page


@contextlib.contextmanager
def server(folder: Path, command: str, ready: str) -> Iterator[str]:
    """The address of `segments COMMAND`, which answers at `ready`; it is stopped at the end."""
    port = free_port()
    process = subprocess.Popen(
        [SEGMENTS, command, "--port", str(port)],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}{ready}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Return when `address` answers; end the program when `process` ends, or START_SECONDS pass, before that."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(address, timeout=5).close()
            return
        time.sleep(0.2)
    sys.exit(f"{address} does not answer. Expected an answer within {START_SECONDS} seconds.")


def small(png: bytes) -> bytes:
    """The picture, with fewer colours where it would be larger than MOST_BYTES."""
    if len(png) <= MOST_BYTES:
        return png
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(buffer, "PNG", optimize=True)
    if buffer.tell() > MOST_BYTES:
        sys.exit(
            f"A picture takes {buffer.tell():,} bytes. Expected at most {MOST_BYTES:,}. Show less on it."
        )
    return buffer.getvalue()


if __name__ == "__main__":
    main()
