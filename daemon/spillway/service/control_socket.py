"""The control socket: `control.sock` in the state folder, for those whom the kernel lets in.

One thread serves all connections without ever waiting for one of them. Bounded: the number of connections, the bytes of a
request, and the time of each: to send a request, to wait for its answer, to take it. When all places are taken, the sender that
has been slowest to say something gives way. Who sent an order is what the kernel says of the other end (SO_PEERCRED).
"""

from __future__ import annotations

import errno
import grp
import logging
import os
import pwd
import selectors
import socket
import stat
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from spillway.control.requests import LOOKING, Answer, Request, Verdict
from spillway.errors import PermanentError, SpillwayError, TemporaryError
from spillway.service.desk import Desk, Ticket
from spillway.service.protocol import (
    LONGEST_REQUEST,
    busy,
    decode_request,
    encode_answer,
    refused,
)

_log = logging.getLogger(__name__)

NAME = "control.sock"
"""File in the state folder."""

MOST_CONNECTIONS = 32
BACKLOG = 128
"""Senders that the kernel keeps until they are accepted."""
SEND_SECONDS = 5.0
"""Wall seconds in which a request must have come, and in which an answer must have been taken."""

LONGEST_PATH = 107
"""Bytes of the address of a unix socket (unix(7): 108 with the zero at its end)."""

_PEER = struct.Struct("3i")
"""struct ucred: pid, uid, gid."""
_LOOK = 1.0
"""Longest wall time between two looks at the deadlines."""
_STOP = 2.0
"""Wall seconds for the thread to end."""


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """The address for `bind` and `connect`: the path, or where that is too long a way to it through its open folder.

    Raises:
        OSError: the folder cannot be opened.
    """
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def user_name(uid: int) -> str:
    """The name of a user, or its number where it has none here."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


@dataclass(slots=True, eq=False)
class Connection:
    """One sender."""

    socket: socket.socket
    sender: str
    root: bool
    until: float
    """Wall time at which it is cut off, or told that it took too long."""
    received: bytearray = field(default_factory=bytearray)
    ticket: Ticket | None = None
    """Its request, once that was handed over."""
    unsent: bytes = b""
    """What is left of its answer."""

    @property
    def reading(self) -> bool:
        """Whether its request has not come yet."""
        return self.ticket is None and not self.unsent


class ControlSocket:
    """Serves the socket.

    Args:
        path: of the socket.
        group: name of the group whose members may send orders beside the daemon's user and root; None for nobody else.
        desk: carries requests out.
        look: answers what needs no pass to end.
    """

    def __init__(
        self, path: Path, *, group: str | None, desk: Desk, look: Callable[[Request], Answer]
    ) -> None:
        self._path = path
        self._group = group
        self._desk = desk
        self._look = look
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._inode: tuple[int, int] | None = None
        self._waker, self._woken = socket.socketpair()
        self._waker.settimeout(0.0)
        self._woken.settimeout(0.0)
        self._answered: deque[tuple[Connection, Answer]] = deque()
        self._connections: set[Connection] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control-socket", daemon=True)

    def bind(self) -> None:
        """Take the address: the file of a daemon that has died is replaced, a living one is left alone.

        Raises:
            TemporaryError: somebody answers there, or the folder takes no socket.
            PermanentError: there is no such group, or it may not be given the socket.
        """
        gid = self._gid()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            # the file gets these bits when it is made: it is never open to others for a moment
            os.fchmod(listener.fileno(), 0o600)
            with address_of(self._path) as address:
                _make_way(self._path, address)
                listener.bind(address)
            found = self._path.stat()
            self._inode = (found.st_dev, found.st_ino)
            if gid is not None:
                self._open_to(gid)
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise TemporaryError(
                f"the control socket {self._path} cannot be made: {error}",
                remedy="Set daemon.state_dir to a folder that this user owns.",
            ) from error
        except SpillwayError:
            listener.close()
            raise
        self._listener = listener

    def start(self) -> None:
        """Begin to serve; `bind` was called."""
        self._thread.start()

    def stop(self) -> None:
        """End within a bound: who waits is told, and the file goes."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(_STOP)
        if self._listener is not None:
            self._listener.close()
            with suppress(OSError):
                found = self._path.stat()
                if (found.st_dev, found.st_ino) == self._inode:
                    self._path.unlink()
        for end in (self._waker, self._woken):
            end.close()

    def _gid(self) -> int | None:
        if self._group is None:
            return None
        try:
            return grp.getgrnam(self._group).gr_gid
        except KeyError:
            raise PermanentError(
                f"there is no group {self._group!r} on this machine",
                remedy="Make it (groupadd), or correct daemon.operators_group.",
            ) from None

    def _open_to(self, gid: int) -> None:
        """Let a group in: to the socket, and through the folder to it."""
        try:
            os.chown(self._path, -1, gid)
            self._path.chmod(0o660)
            folder = self._path.parent
            os.chown(folder, -1, gid)
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXGRP)
        except OSError as error:
            self._path.unlink()
            raise PermanentError(
                f"the control socket cannot be given to group {self._group}: {error}",
                remedy="The daemon's user must be a member of daemon.operators_group.",
            ) from error

    # --- the thread

    def _run(self) -> None:
        assert self._listener is not None  # noqa: S101 for the type checker: bind was called
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        while not self._stopping.is_set():
            now = time.monotonic()
            due = min([c.until for c in self._connections], default=now + _LOOK)
            for key, _ in self._selector.select(max(0.0, min(_LOOK, due - now))):
                if key.fileobj is self._listener:
                    for _ in range(BACKLOG):
                        if not self._accept():
                            break
                elif key.fileobj is self._woken:
                    with suppress(OSError):
                        self._woken.recv(4096)
                else:
                    self._guarded(key.data)
            self._give_answers()
            self._end_late()
        for connection in tuple(self._connections):
            if connection.ticket is not None:
                self._desk.withdraw(connection.ticket)
            self._say(connection, busy("the daemon is stopping"))
            self._close(connection)
        self._selector.close()

    def _accept(self) -> bool:
        """Let one sender in; False where none is left."""
        assert self._listener is not None  # noqa: S101 for the type checker
        try:
            accepted, _ = self._listener.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                time.sleep(0.05)  # no descriptors left: do not spin until some are free
            return False
        accepted.settimeout(0.0)
        _, uid, _ = _PEER.unpack(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        until = time.monotonic() + SEND_SECONDS
        fresh = Connection(socket=accepted, sender=user_name(uid), root=uid == 0, until=until)
        if len(self._connections) >= MOST_CONNECTIONS:
            silent = [c for c in self._connections if c.reading]
            if not silent:
                self._say(fresh, busy("too many orders wait"))
                accepted.close()
                return True
            self._close(min(silent, key=lambda c: c.until))
        self._connections.add(fresh)
        self._selector.register(accepted, selectors.EVENT_READ, fresh)
        return True

    def _guarded(self, connection: Connection) -> None:
        """Serve a sender; a defect costs its connection, and never the thread that serves all others."""
        try:
            self._serve(connection)
        except Exception:  # noqa: BLE001 the last line of defence: nobody could give orders any more
            _log.exception("Serving an operator's command ended in a defect; please report it")
            self._close(connection)

    def _serve(self, connection: Connection) -> None:
        """Something has come from a sender, or it takes more of its answer."""
        if connection not in self._connections:
            return  # closed in this round
        if connection.unsent:
            self._send(connection)
            return
        try:
            part = connection.socket.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if connection.ticket is not None:
            if not part:
                # it says no more, but may still listen: its order goes on
                self._selector.unregister(connection.socket)
            return
        connection.received += part
        line, newline, _ = bytes(connection.received).partition(b"\n")
        if newline and len(line) < LONGEST_REQUEST:
            self._understood(connection, line)
        elif len(connection.received) >= LONGEST_REQUEST:
            self._answer(connection, refused(f"a request has at most {LONGEST_REQUEST} bytes"))
        elif not part:
            self._close(connection)

    def _understood(self, connection: Connection, line: bytes) -> None:
        try:
            parcel = decode_request(line, connection.sender, root=connection.root)
        except ValueError as error:
            self._answer(
                connection, refused(str(error), "Use the spillway command of the daemon's own version.")
            )
            return
        if parcel.request.command in LOOKING:
            self._answer(connection, self._look(parcel.request))
            return
        connection.until = time.monotonic() + parcel.timeout
        ticket = self._desk.submit(parcel.request, lambda answer: self._hand_in(connection, answer))
        if ticket is None:
            self._answer(connection, busy("too many orders wait"))
            return
        connection.ticket = ticket

    def _hand_in(self, connection: Connection, answer: Answer) -> None:
        """An answer from the loop's thread."""
        self._answered.append((connection, answer))
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"x")

    def _give_answers(self) -> None:
        while self._answered:
            connection, answer = self._answered.popleft()
            if connection in self._connections:
                self._answer(connection, answer)

    def _end_late(self) -> None:
        """Cut off who is too slow, and tell those whose answer does not come in time."""
        now = time.monotonic()
        for connection in tuple(self._connections):
            if connection.until > now:
                continue
            if connection.reading or connection.unsent:
                self._close(connection)
            elif connection.ticket is not None and self._desk.withdraw(connection.ticket):
                self._answer(connection, busy("the daemon is in the middle of a pass or a write"))
            else:
                self._answer(connection, _UNDER_WAY)

    def _answer(self, connection: Connection, answer: Answer) -> None:
        connection.unsent = encode_answer(answer)
        connection.until = time.monotonic() + SEND_SECONDS
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        """Send what the sender takes now; close the connection once it has all."""
        try:
            sent = connection.socket.send(connection.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return
        connection.unsent = connection.unsent[sent:]
        if not connection.unsent:
            self._close(connection)
            return
        with suppress(KeyError):
            self._selector.unregister(connection.socket)
        self._selector.register(connection.socket, selectors.EVENT_WRITE, connection)

    def _say(self, connection: Connection, answer: Answer) -> None:
        """As much of an answer as goes at once."""
        with suppress(OSError):
            connection.socket.send(encode_answer(answer))

    def _close(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            with suppress(KeyError):
                self._selector.unregister(connection.socket)
        connection.socket.close()


_UNDER_WAY = Answer(
    verdict=Verdict.UNKNOWN,
    sentence="it is being carried out, and takes longer than you wait",
    remedy="`spillway orders` and the journal show what becomes of it.",
)


def _make_way(path: Path, address: str) -> None:
    """Remove the socket of a daemon that has died.

    Raises:
        TemporaryError: somebody listens there, or what is there is no socket.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise TemporaryError(
            f"{path} is in the way: it is no socket", remedy="Move it away, and start Spillway again."
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address)
        except ConnectionRefusedError:
            path.unlink()
            return
        except FileNotFoundError:
            return
        except OSError as error:
            raise TemporaryError(
                f"nobody knows whether {path} is still served: {error}",
                remedy="End the process that has it open, and start Spillway again.",
            ) from error
    raise TemporaryError(
        f"another process serves {path}",
        remedy="Stop it first (systemctl stop spillway), or give this one its own daemon.state_dir.",
    )
