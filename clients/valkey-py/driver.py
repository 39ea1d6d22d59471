"""valkey-py: `valkey.Valkey`, one client for each node with a pool of its own, shared by all threads.

Without a cluster it knows one node only. Spreading keys over several is left to its callers; here CRC-32
modulo the number of nodes does it. With the word `gevent` behind its name it runs in greenlets, whose calls
can be cancelled.
"""

import pathlib
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "packages"), str(HERE.parent / "lib")]

if GREENLETS := sys.argv[1:] == ["gevent"]:
    from gevent import monkey

    monkey.patch_all()

import harness_driver as harness
from valkey import Valkey, exceptions
from valkey.backoff import NoBackoff
from valkey.retry import Retry


class Calls:
    NAME = "valkey-py"
    VERSION = harness.version_of("valkey")
    ERRORS = (
        (exceptions.TimeoutError, lambda error: "connect_timeout" if "connecting" in str(error) else "timeout"),
        ((exceptions.BusyLoadingError, exceptions.AuthenticationError), "server_error"),
        (exceptions.ConnectionError, lambda error: connection_class(str(error))),
        (exceptions.InvalidResponse, "protocol"),
        (exceptions.DataError, "client_error"),
        (exceptions.ResponseError, lambda error: reply_class(str(error))),
        # What it meets where it cannot make sense of a reply.
        ((ValueError, IndexError, TypeError), "protocol"),
    )

    def __init__(self, servers, settings):
        if retries := settings.pop("retries", 0):
            settings["retry"] = Retry(NoBackoff(), retries)
            settings["retry_on_error"] = [exceptions.ConnectionError, exceptions.TimeoutError]
        places = [harness.address(server) for server in servers]
        self.nodes = [Valkey(host=host, port=port, **settings) for host, port in places]

    def node(self, key):
        return self.nodes[zlib.crc32(key) % len(self.nodes)]

    def get(self, key):
        return harness.hit(self.node(key).get(key))

    def gat(self, key, ttl):
        node = self.node(key)
        return harness.hit(node.getex(key, ex=ttl) if ttl else node.getex(key, persist=True))

    def get_many(self, keys):
        asked, found = {}, {}
        for key in keys:
            asked.setdefault(self.node(key), []).append(key)
        for node, theirs in asked.items():
            try:
                found.update(zip(theirs, node.mget(theirs)))
            except exceptions.ValkeyError as error:
                found.update(dict.fromkeys(theirs, error))
        return harness.hits(found)

    def set(self, key, value, ttl):
        return harness.stored(self.node(key).set(key, value, ex=ttl or None))

    def add(self, key, value, ttl):
        return harness.stored(self.node(key).set(key, value, ex=ttl or None, nx=True))

    def replace(self, key, value, ttl):
        return harness.stored(self.node(key).set(key, value, ex=ttl or None, xx=True))

    def delete(self, key):
        return harness.deleted(self.node(key).delete(key))

    def touch(self, key, ttl):
        node = self.node(key)
        if ttl:
            return harness.touched(node.expire(key, ttl))
        # PERSIST says the same of a value without an expiry and of none; a read does not.
        return harness.touched(node.getex(key, persist=True) is not None)

    def incr(self, key, by):
        return counted(self.node(key).incrby(key, by))

    def decr(self, key, by):
        return counted(self.node(key).decrby(key, by))

    def close(self):
        for node in self.nodes:
            node.close()


def counted(number):
    """A counter that is not there begins at zero: below it there was none."""
    return harness.counted(None if number < 0 else number)


def connection_class(words):
    """It has one class for all that can happen to a connection, and tells them apart by its words."""
    if "Too many connections" in words:
        return "no_connection"
    if "refused" in words or "connecting to" in words:
        return "refused"
    return "reset" if "reset" in words.lower() else "closed"


def reply_class(line):
    """The class of an error line, whose code it has cut off where it knows it."""
    return "client_error" if line.startswith(("syntax", "wrong number", "value is", "unknown")) else "server_error"


if GREENLETS:
    harness.serve_greenlets(Calls)
else:
    harness.serve_threads(Calls, shared=True)
