"""Clients that ask servers all the time, and remember every answer that failed."""

import threading
import time
from collections import Counter

import requests

SECONDS_BETWEEN = 0.2
SLOWEST_SECONDS = 60
ROW = {"Recency": 6, "Frequency": 16, "Monetary": 8688.0, "Tenure": 300}


class Asking:
    """Inside the `with`, a thread for each request asks again and again: a path that is read, or /invocations."""

    def __init__(self, addresses):
        self.addresses = set(addresses)
        self.failures, self.answers, self.versions = [], Counter(), {}
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(address,)) for address in self.addresses]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, version, seconds):
        """Until every request was answered by a version."""
        deadline = time.monotonic() + seconds
        while self.versions != dict.fromkeys(self.addresses, version):
            assert time.monotonic() < deadline, (self.versions, self.failures[-1:])
            time.sleep(SECONDS_BETWEEN)

    def _ask(self, address):
        with requests.Session() as session:
            while not self._ended.wait(SECONDS_BETWEEN):
                try:
                    answer = _answer(session, address)
                except requests.RequestException as error:
                    self.failures.append((address, type(error).__name__))
                    continue
                self.answers[address] += 1
                if answer.status_code != 200:
                    self.failures.append((address, answer.status_code, answer.text[:300]))
                elif version := answer.headers.get("X-Model-Version"):
                    self.versions[address] = int(version)


def _answer(session, address):
    if address.endswith("/invocations"):
        return session.post(address, json={"dataframe_records": [ROW]}, timeout=SLOWEST_SECONDS)
    return session.get(address, timeout=SLOWEST_SECONDS)
