"""Real PostgreSQL and MariaDB servers, each in a temporary folder and on a free port of this machine.

Both refuse to run as root; started by root, they run as the user that their Debian package made.
"""

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "t0p/s3cret@w:rd?"  # pragma: allowlist secret
ENCODED = "t0p%2Fs3cret%40w%3Ard%3F"
SECONDS_TO_START = 60
DEBIAN = ("/usr/sbin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True))


@dataclass(frozen=True)
class Server:
    """A server that is running, whose user `owner` may do everything, with PASSWORD."""

    scheme: str
    port: int
    program: "Program | None" = None

    def address(self, database="shop", user="owner", password=ENCODED):
        return f"{self.scheme}://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database="shop"):
        """A connection that may write."""
        given = {"host": "127.0.0.1", "port": self.port, "user": "owner", "password": PASSWORD}
        if self.scheme == "postgresql":
            import psycopg

            return psycopg.connect(**given, dbname=database, autocommit=True)
        import pymysql

        return pymysql.connect(**given, database=database or None, autocommit=True)

    def run(self, *statements, database="shop"):
        """Run the statements; the rows of the last one."""
        with contextlib.closing(self.connect(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def program(name):
    """The path of a server's program, or None when it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *DEBIAN]))


def account(name):
    """Who a server runs as: its own user when this is root."""
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}


@contextlib.contextmanager
def postgres():
    """A PostgreSQL server with an empty database `shop`."""
    with _folder("postgres") as folder:
        user = account("postgres")
        (folder / "password").write_text(PASSWORD)
        command = [program("initdb"), "-D", folder / "data", "-U", "owner", "--pwfile", folder / "password"]
        _prepare([*command, "-A", "scram-sha-256", "-E", "UTF8", "--locale", "C", "--no-sync"], folder, user)
        server = Server("postgresql", _free_port())
        command = [program("postgres"), "-D", folder / "data", "-k", folder, "-p", server.port]
        with _running(
            [*command, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"], folder, user, signal.SIGINT
        ) as running:
            server = Server(server.scheme, server.port, running)
            _wait(lambda: server.run("CREATE DATABASE shop", database="postgres"), folder)
            yield server


@contextlib.contextmanager
def mariadb():
    """A MariaDB server with an empty database `shop`."""
    with _folder("mysql") as folder:
        user = account("mysql")
        name = user.get("user", getpass.getuser())
        command = [
            program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={folder}/data",
            f"--user={name}",
        ]
        _prepare([*command, "--auth-root-authentication-method=normal", "--skip-test-db"], folder, user)
        server = Server("mysql", _free_port())
        init = folder / "init.sql"
        init.write_text(
            f"CREATE USER owner@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO owner@'%' WITH GRANT OPTION;"
            "DROP USER root@localhost; CREATE DATABASE shop CHARACTER SET utf8mb4;".replace(";", ";\n")
        )
        command = [
            program("mariadbd"),
            "--no-defaults",
            f"--datadir={folder}/data",
            f"--socket={folder}/socket",
        ]
        command += [f"--pid-file={folder}/pid", f"--port={server.port}", "--bind-address=127.0.0.1"]
        with _running([*command, f"--init-file={init}", "--skip-name-resolve"], folder, user, signal.SIGTERM):
            _wait(lambda: server.run("SELECT 1"), folder)
            yield server


@contextlib.contextmanager
def _folder(owner):
    """A folder that the server's user owns; pytest's own folders are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="segments-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam(owner).pw_uid, -1)
        yield folder
    finally:
        shutil.rmtree(folder)


def _prepare(command, folder, user):
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, **user)
    assert done.returncode == 0, done.stdout + done.stderr


class Program:
    """A server's program, which can be stopped and started again."""

    def __init__(self, command, folder, user, end):
        self.command, self.folder, self.user, self.end = list(map(str, command)), folder, user, end
        self.start()

    def start(self):
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=log, stderr=log, **self.user
            )

    def stop(self):
        self.process.send_signal(self.end)
        self.process.wait(timeout=60)


@contextlib.contextmanager
def _running(command, folder, user, end):
    running = Program(command, folder, user, end)
    try:
        yield running
    finally:
        running.stop()


def _wait(attempt, folder):
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            return attempt()
        except Exception:
            if time.monotonic() > deadline:
                raise AssertionError((folder / "log").read_text()) from None
            time.sleep(0.1)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
