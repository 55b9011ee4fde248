"""Chromium, and a watch over what a page does that it should not.

A page is looked at offline: whatever it asks for beyond what the test allows is refused and counts
as a failure, as do errors on its console, exceptions that nobody caught, and dialogs.
"""

import os
import re
import shutil
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")

ARGUMENTS = (
    "--no-sandbox",  # which does not work for root, nor in most containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

MISSING = (
    "Chromium is missing: no {} on PATH. Install it (on Debian: apt-get install chromium), "
    "or say where it is: HTP_CHROMIUM=/path/to/chromium"
).format(", ".join(NAMES))


class NoChromiumError(Exception):
    """There is no Chromium on this machine."""


def chromium():
    """The path of Chromium: what ``HTP_CHROMIUM`` names, else the first on PATH."""
    named = os.environ.get("HTP_CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise NoChromiumError(f"HTP_CHROMIUM={named} is no program" if named else MISSING)
    return found


@contextmanager
def launched():
    """A running Chromium without a window."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """What the pages of one test did wrong.

    Attributes:
        found: a line for each thing that was wrong.
        requests: every address that was asked for, those that were refused as well.
    """

    def __init__(self):
        self.found = []
        self.requests = []
        self._allowed = []
        self._silenced = []
        self._tolerated = []

    def allow(self, start):
        """Let pages ask for addresses that start so: a file's URL, or a server's."""
        self._allowed.append(str(start))

    def silence(self, start):
        """Answer nothing to what a viewer asks of addresses that start so; none of it goes out."""
        self._silenced.append(start)

    def tolerate(self, pattern):
        """Let errors on the console pass in which the regular expression is found."""
        self._tolerated.append(re.compile(pattern))

    def over(self, context):
        """Watch every page, frame and worker that a browser's context opens."""
        context.route("**/*", self._route)
        context.route_web_socket(re.compile(""), self._socket)
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("console", self._console)
        context.on("weberror", lambda error: self._wrong("exception", str(error.error)))
        context.on("dialog", self._dialog)

    def close(self):
        """Fail if anything was wrong."""
        assert not self.found, "\n".join(self.found)

    def _allows(self, url):
        return url.startswith(tuple(self._allowed))

    def _route(self, route):
        if self._allows(route.request.url):
            route.continue_()
        elif route.request.url.startswith(tuple(self._silenced)):
            route.fulfill(status=204)
        else:
            self.found.append(f"request: {route.request.url}")
            route.abort("blockedbyclient")

    def _socket(self, socket):
        if self._allows(socket.url):
            socket.connect_to_server()
        else:
            self.found.append(f"request: {socket.url}")
            socket.close()

    def _console(self, message):
        if message.type == "error":
            self._wrong("console", message.text)

    def _wrong(self, kind, text):
        if not any(pattern.search(text) for pattern in self._tolerated):
            self.found.append(f"{kind}: {text}")

    def _dialog(self, dialog):
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()
