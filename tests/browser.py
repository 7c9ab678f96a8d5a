"""What the tests in a real browser share: a server on loopback, and pages that remember what they complained of."""

import contextlib
import re
import shutil
import threading
import time

import requests
from werkzeug.serving import make_server

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WIDE = {"width": 1200, "height": 900}
LAPTOP = {"width": 1280, "height": 720}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def program():
    """The path of a Chromium on this machine, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextlib.contextmanager
def listening(app):
    """`app` behind Werkzeug's server on loopback; its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()


def listened_to(page):
    """The page with what its console complained of in `page.complaints`, and the addresses it asked for in `page.asked`."""
    page.set_default_timeout(60_000)
    page.complaints, page.asked = [], []
    page.on(
        "console",
        lambda line: page.complaints.append(line.text) if line.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("dialog", lambda dialog: (page.complaints.append(dialog.message), dialog.dismiss()))
    return page


def ask(server, path, **options):
    """The JSON answer of the API."""
    method = options.pop("method", "GET")
    return requests.request(method, server + path, timeout=30, **options).json()


def sees(locator):
    """What a person reads there, each run of blanks as one."""
    return re.sub(r"\s+", " ", locator.inner_text()).strip()


def wait_until(holds, seconds=20):
    """Return when `holds()` is true; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not so after {seconds} seconds"
        time.sleep(0.05)
