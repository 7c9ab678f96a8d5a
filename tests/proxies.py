"""A proxy between two programs, which can be slow, silent or gone, or lose an answer."""

import contextlib
import socket
import threading
import time
from urllib.parse import urlsplit

PART_BYTES = 65_536
LOOK_SECONDS = 0.05


class Proxy:
    """Passes connections on to a server.

    delay_seconds: before each part of an answer; None: it never comes. losing: whether the first answer to each request
    line does not come, and its connection is closed. lost: the request lines whose answer was lost.
    """

    def __init__(self, address):
        parts = urlsplit(address)
        self.server = (parts.hostname, parts.port)
        self.delay_seconds = 0.0
        self.losing, self.lost = False, set()
        self.port = 0
        self._connections, self._without_answer = set(), set()
        self.listen()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def listen(self):
        """Take connections, again on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def leave(self):
        """Take no connections any more, and break those that there are."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server)
            self._connections |= {client, server}
            for source, target, is_answer in ((client, server, False), (server, client, True)):
                words = (source, target, is_answer)
                threading.Thread(target=self._pass_on, args=words, daemon=True).start()

    def _pass_on(self, source, target, is_answer):
        with contextlib.suppress(OSError), contextlib.closing(source), contextlib.closing(target):
            while part := source.recv(PART_BYTES):
                if is_answer:
                    self._wait()
                    if source in self._without_answer:
                        self._without_answer.remove(source)
                        for end in (source, target):
                            end.shutdown(socket.SHUT_RDWR)
                        break
                elif self.losing and (line := part.split(b"\r\n")[0]).endswith(b" HTTP/1.1"):
                    if line not in self.lost:
                        self._without_answer.add(target)
                    self.lost.add(line)
                target.sendall(part)
        self._connections -= {source, target}

    def _wait(self):
        begun = time.monotonic()
        while self.delay_seconds is None or time.monotonic() - begun < self.delay_seconds:
            time.sleep(LOOK_SECONDS)
