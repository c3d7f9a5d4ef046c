"""The greenlet that owns the socket: connects, sends, reconnects, and drains at the end."""

from __future__ import annotations

import errno
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket
from gevent import monkey

from . import tls
from .address import Address
from .link import Link, LinkError, Refused
from .once import logger
from .outbox import Outbox
from .tls import TlsError, TlsSocket

#: seconds between two checks for frames to send
INTERVAL = 0.2
CONNECT_TIMEOUT = 2.0
BACKOFF_FIRST = 0.1
BACKOFF_LAST = 2.0
#: seconds that a drain waits for a receiver that has never sent `welcome`
FIRST_WELCOME = 1.0

# The originals, not gevent's: the socket never blocks, and a drain must not yield.
_Socket = monkey.get_original("socket", "socket")
_sleep = monkey.get_original("time", "sleep")
_IN_PROGRESS = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)

Waiter = Callable[[Any, bool, float], bool]


class Sender:
    """Moves frames from the outbox to the receiver."""

    def __init__(
        self,
        address: Address,
        outbox: Outbox,
        hello: Callable[[], bytes],
        welcomed: Callable[[dict[str, Any]], None],
        tick: Callable[[], None],
        stop: Callable[[Any, Any], None],
    ) -> None:
        self._address = address
        self._outbox = outbox
        self._hello = hello
        self._welcomed = welcomed
        self._tick = tick
        self._stop = stop
        self._link: Link | None = None
        self._was_welcome = False
        # The socket that the greenlet waits for. No other code may close it: libev ends the process
        # if a file that is being waited for is closed.
        self._waits_for: socket.socket | None = None
        self._resolved: list[tuple[int, Any]] = []
        self._tls: Any = None
        self._backoff = BACKOFF_FIRST
        self._next_attempt = 0.0
        self._said: set[str] = set()
        self._greenlet: gevent.Greenlet | None = None
        self._ended = False

    @property
    def connected(self) -> bool:
        """Whether the connection is established."""
        return self._link is not None and self._link.features is not None

    def start(self) -> None:
        """Start sending, in a greenlet."""
        self._greenlet = gevent.spawn(self._run)

    def meet(self, timeout: float) -> None:
        """Wait for the receiver's `welcome`, unless an attempt to connect has failed already.

        As `drain` does, without yielding: a run time limit that ends in another greenlet, before
        the test has begun, would leave nothing of the test. The greenlet may be about to connect
        as well; the connection that is there first stays.
        """
        if self._ended or self._was_welcome or self._next_attempt:
            return
        end = time.monotonic() + timeout
        try:
            self._meet(end)
        except OSError as error:
            # A timeout here is not a failure: the greenlet goes on connecting.
            if self._link is not None or time.monotonic() < end:
                self._lost(error)
        except Exception as error:
            logger.error("ltel: cannot reach the receiver: %s: %s", type(error).__name__, error)

    def drain(self, timeout: float) -> None:
        """Send the rest and wait for its acknowledgement, without yielding to other greenlets.

        Locust ends in more than one greenlet at once on a signal: if this yielded, the process
        could exit meanwhile.
        """
        end = time.monotonic() + timeout
        if not self._was_welcome:
            end = min(end, time.monotonic() + FIRST_WELCOME)
        try:
            self._drain(end)
        except KeyboardInterrupt:
            pass  # the user will not wait; the rest is counted as not delivered
        except Exception as error:
            logger.error("ltel: cannot deliver the rest: %s", error)

    def stop(self) -> None:
        """Close the connection and end the greenlet."""
        self._ended = True
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
        self._close()

    def abandon(self) -> None:
        """In a forked child: drop the connection, which belongs to the parent."""
        self._ended = True
        link, self._link = self._link, None
        # Only closed: a shutdown would end the parent's connection too.
        if self._waits_for is not None:
            _replace(self._waits_for)
        if link is not None and link.sock is not self._waits_for:
            link.close()

    def _run(self) -> None:
        while not self._ended:
            started = time.monotonic()
            try:
                self._tick()
                self._step(started + INTERVAL)
            except Exception as error:
                self._say("error", f"ltel: {type(error).__name__}: {error}", logging.ERROR)
                self._close()
            # Also yields where nothing above had to wait.
            gevent.sleep(max(0.0, started + INTERVAL - time.monotonic()))

    def _step(self, until: float) -> None:
        """Connect if needed, and move bytes until it is time for the next batch."""
        try:
            if self._link is None:
                self._open()
            while True:
                self._pump()
                left = until - time.monotonic()
                if left <= 0 or not self._wait(left):
                    return
        except OSError as error:
            self._lost(error)

    def _open(self) -> None:
        """Connect, unless it is too early or another greenlet has connected meanwhile."""
        if time.monotonic() < self._next_attempt:
            return
        try:
            self._resolve()
            link = self._connect(self._yield_for)
        except OSError:
            if self._link is None:
                raise
            return
        if self._link is None and not self._ended:
            self._link = link
        else:
            link.close()

    def _wait(self, timeout: float) -> bool:
        """Yield until the connection is ready or it is time; False if it has been replaced."""
        link = self._link
        if link is None:
            return False
        try:
            self._yield_for(link.sock, link.wants_write(), timeout)
        finally:
            if self._link is not link:
                link.close()
        return self._link is link

    def _yield_for(self, sock: socket.socket, write: bool, timeout: float) -> bool:
        """Yield until the socket is ready, at most `timeout` seconds; for the greenlet only."""
        wait = gevent.socket.wait_readwrite if write else gevent.socket.wait_read
        self._waits_for = sock
        try:
            wait(sock.fileno(), timeout=max(0.0, timeout))
        except TimeoutError:
            return False
        finally:
            self._waits_for = None
        return True

    def _meet(self, end: float) -> None:
        wait = _waiter(end)
        if self._link is None:
            # Resolving a name can block, unless the greenlet has done so.
            if not (self._resolved or self._resolve_at_once()):
                return
            self._link = self._connect(wait)
        while (link := self._link) is not None and time.monotonic() < end:
            self._pump()
            if self.connected:
                return
            wait(link.sock, link.wants_write(), INTERVAL)

    def _drain(self, end: float) -> None:
        wait = _waiter(end)
        while len(self._outbox) and not self._ended:
            try:
                if self._link is None:
                    self._link = self._connect(wait)
                self._pump()
                self._tick()  # an acknowledgement may have changed what a run dropped
            except OSError as error:
                self._lost(error)
                if not self._was_welcome:
                    return
                _sleep(min(BACKOFF_FIRST, max(0.0, end - time.monotonic())))
            left = end - time.monotonic()
            if left <= 0:
                return
            if self._link is not None and len(self._outbox):
                wait(self._link.sock, self._link.wants_write(), INTERVAL)

    def _pump(self) -> None:
        link = self._link
        if link is None:
            return
        known = link.features
        link.pump()
        if known is None and link.features is not None:
            self._backoff = BACKOFF_FIRST
            if not self._was_welcome or "lost" in self._said:
                logger.info("ltel: sending telemetry to %s", self._address)
            self._said.discard("lost")
            self._was_welcome = True
            self._welcomed(link.features)
        order, link.stop = link.stop, None
        if order is not None:
            self._stop(order.get("run_id"), order.get("reason"))

    def _resolve(self) -> None:
        address = self._address
        if self._resolve_at_once():
            return
        with gevent.Timeout(CONNECT_TIMEOUT, LinkError("name not resolved in time")):
            found = gevent.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        self._resolved = [(int(family), where) for family, _, _, _, where in found]

    def _resolve_at_once(self) -> bool:
        """Resolve an address that is not a host name: a path, or a numeric address."""
        address = self._address
        if address.path:
            self._resolved = [(socket.AF_UNIX, address.path)]
            return True
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, address.host)
            except (OSError, ValueError, TypeError):
                continue
            self._resolved = [(int(family), (address.host, address.port))]
            return True
        return False

    def _connect(self, wait: Waiter) -> Link:
        error: OSError = LinkError("address not resolved")
        for family, where in self._resolved:
            if self._ended:
                break
            sock = _Socket(family, socket.SOCK_STREAM)
            try:
                _connect_socket(sock, where, wait)
                return Link(self._secured(sock), self._outbox, self._hello())
            except OSError as failed:
                sock.close()
                error = failed
            except BaseException:  # also when the greenlet is killed, which would leak the socket
                sock.close()
                raise
        raise error

    def _secured(self, sock: socket.socket) -> socket.socket | TlsSocket:
        """Add TLS, if the address asks for it. The handshake happens with the first bytes."""
        if not self._address.tls:
            return sock
        if self._tls is None:
            self._tls = tls.context()
        return TlsSocket(sock, self._address, self._tls)

    def _lost(self, error: OSError) -> None:
        self._close()
        if self._ended:
            return
        if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
            self._end_with_parent()
        self._next_attempt = time.monotonic() + self._backoff
        self._backoff = min(BACKOFF_LAST, self._backoff * 2)
        if isinstance(error, Refused):
            text = f"ltel: {self._address} rejects telemetry: {error}"
            self._say(f"refused {error}", text, logging.ERROR)
        elif isinstance(error, TlsError):
            text = f"ltel: cannot send telemetry over TLS to {self._address}: {error}; will retry"
            self._say(f"tls {error}", text, logging.ERROR)
        elif self._was_welcome:
            self._say("lost", f"ltel: connection to {self._address} lost: {error}; will retry")
        else:
            self._say(
                "nowhere",
                f"ltel: cannot send telemetry to {self._address}: {error}. Start ltel-cli, or set "
                "LTEL_ADDRESS or --ltel-address to where it listens; will retry",
            )

    def _end_with_parent(self) -> None:
        """End Locust if the ltel-cli that runs it was killed: the test must not run without it.

        `ltel-cli run` passes its process id. Even with a shell or Locust's own parent process in
        between, its socket disappears with it.
        """
        parent = os.environ.get("LTEL_PARENT_PID", "")
        if not parent.isdigit() or not self._address.path or _is_alive(int(parent)):
            return
        self._ended = True
        logger.error("ltel: ltel-cli was killed: ending Locust")
        _remove_socket(self._address.path)
        os.kill(os.getpid(), signal.SIGTERM)

    def _say(self, key: str, message: str, level: int = logging.WARNING) -> None:
        if key not in self._said:
            self._said.add(key)
            logger.log(level, "%s", message)

    def _close(self) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        if link.sock is self._waits_for:
            link.end()  # this wakes the greenlet, which closes it
        else:
            link.close()


def _connect_socket(sock: socket.socket, where: Any, wait: Waiter) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(where)
    if code in _IN_PROGRESS and sock.family != getattr(socket, "AF_UNIX", None):
        if not wait(sock, True, CONNECT_TIMEOUT):
            raise LinkError("connection timed out")
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    if sock.family != getattr(socket, "AF_UNIX", None):
        if sock.getsockname() == sock.getpeername():
            # The kernel may connect an unused local port to itself.
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _waiter(end: float) -> Waiter:
    """Wait until `end` at most, without yielding."""

    def wait(sock: Any, write: bool, timeout: float) -> bool:
        return _wait_blocking(sock, write, min(timeout, end - time.monotonic()))

    return wait


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it belongs to another user
    return True


def _remove_socket(path: str) -> None:
    """Remove what a killed ltel-cli has left: its socket, and the folder if it is empty."""
    try:
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass  # another process of this test was faster


def _replace(sock: socket.socket) -> None:
    """Close the file of a socket that a greenlet waits for, by putting another in its place.

    The other one is at its end, which wakes the greenlet.
    """
    try:
        reading, writing = os.pipe()
        os.close(writing)
        os.dup2(reading, sock.fileno(), inheritable=False)
        os.close(reading)
    except OSError:
        pass  # the greenlet closes it when it wakes by itself


def _wait_blocking(sock: Any, write: bool, timeout: float) -> bool:
    """Wait until the socket is ready, at most `timeout` seconds, without yielding."""
    try:
        poll = monkey.get_original("select", "poll")()
    except AttributeError:  # Windows
        ready = monkey.get_original("select", "select")(
            [sock], [sock] if write else [], [], timeout
        )
        return any(ready)
    poll.register(sock.fileno(), select.POLLIN | (select.POLLOUT if write else 0))
    return bool(poll.poll(max(0.0, timeout) * 1000))
