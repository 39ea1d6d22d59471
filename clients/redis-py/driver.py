"""redis-py: `redis.asyncio`, one client for each node, shared by all tasks.

Without a cluster it knows one node only. Spreading keys over several is left to its callers; here CRC-32
modulo the number of nodes does it.
"""

import asyncio
import pathlib
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "packages"), str(HERE.parent / "lib")]

import harness_driver as harness
from redis import exceptions
from redis.asyncio import Redis


class Calls:
    NAME = "redis-py"
    VERSION = harness.version_of("redis")
    ERRORS = (
        (exceptions.TimeoutError, "timeout"),
        (exceptions.BusyLoadingError, "server_error"),
        (exceptions.AuthenticationError, "server_error"),
        (exceptions.ConnectionError, lambda error: connection_class(error)),
        (exceptions.InvalidResponse, "protocol"),
        (exceptions.ResponseError, lambda error: reply_class(str(error))),
        # What it meets where it cannot make sense of a reply.
        ((ValueError, IndexError, TypeError), "protocol"),
    )

    async def open(self, servers, settings):
        places = [harness.address(server) for server in servers]
        self.nodes = [Redis(host=host, port=port, **settings) for host, port in places]

    def node(self, key):
        return self.nodes[zlib.crc32(key) % len(self.nodes)]

    async def get(self, key):
        return harness.hit(await self.node(key).get(key))

    async def gat(self, key, ttl):
        node = self.node(key)
        return harness.hit(await (node.getex(key, ex=ttl) if ttl else node.getex(key, persist=True)))

    async def get_many(self, keys):
        asked = {}
        for key in keys:
            asked.setdefault(self.node(key), []).append(key)
        calls = [node.mget(theirs) for node, theirs in asked.items()]
        found = {}
        for theirs, values in zip(asked.values(), await asyncio.gather(*calls, return_exceptions=True)):
            if isinstance(values, Exception):
                values = [values] * len(theirs)
            found.update(zip(theirs, values))
        return harness.hits(found)

    async def set(self, key, value, ttl):
        return harness.stored(await self.node(key).set(key, value, ex=ttl or None))

    async def add(self, key, value, ttl):
        return harness.stored(await self.node(key).set(key, value, ex=ttl or None, nx=True))

    async def replace(self, key, value, ttl):
        return harness.stored(await self.node(key).set(key, value, ex=ttl or None, xx=True))

    async def delete(self, key):
        return harness.deleted(await self.node(key).delete(key))

    async def touch(self, key, ttl):
        node = self.node(key)
        if ttl:
            return harness.touched(await node.expire(key, ttl))
        # PERSIST says the same of a value without an expiry and of none; a read does not.
        return harness.touched(await node.getex(key, persist=True) is not None)

    async def incr(self, key, by):
        return counted(await self.node(key).incrby(key, by))

    async def decr(self, key, by):
        return counted(await self.node(key).decrby(key, by))

    async def close(self):
        for node in self.nodes:
            # Its name before version 5 is `close`.
            await getattr(node, "aclose", node.close)()


def counted(number):
    """A counter that is not there begins at zero: below it there was none."""
    return harness.counted(None if number < 0 else number)


def connection_class(error):
    """It has one class for all that can happen to a connection, and tells them apart by its words."""
    words = str(error)
    if "Too many connections" in words:
        return "no_connection"
    if "Connection refused" in words or "connecting to" in words:
        return "refused"
    return "reset" if "reset" in words.lower() else "closed"


def reply_class(line):
    """The class of an error line, whose code it has cut off where it knows it."""
    return "client_error" if line.startswith(("syntax", "wrong number", "value is", "unknown")) else "server_error"


harness.serve_asyncio(Calls)
