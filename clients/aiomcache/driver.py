"""aiomcache: one client for each node, shared by all tasks.

It knows one node only. Spreading keys over several is left to its callers; here CRC-32 modulo the
number of nodes does it.
"""

import asyncio
import pathlib
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "packages"), str(HERE.parent / "lib")]

import aiomcache
import harness_driver as harness


class Calls:
    NAME = "aiomcache"
    VERSION = harness.version_of("aiomcache")
    ERRORS = (
        (aiomcache.exceptions.ValidationException, "client_error"),
        (aiomcache.exceptions.ClientException, lambda error: reply_class(str(error))),
        (UnicodeDecodeError, "client_error"),
        # What it meets where it cannot make sense of a reply.
        ((ValueError, IndexError), "protocol"),
    )

    async def open(self, servers, settings):
        self.timeout = settings.pop("timeout", None)
        self.nodes = [aiomcache.Client(*harness.address(s), **settings) for s in servers]

    def node(self, key):
        return self.nodes[zlib.crc32(key) % len(self.nodes)]

    async def within(self, call):
        """The deadline that its callers must set themselves, where the settings ask for one."""
        return await (call if self.timeout is None else asyncio.wait_for(call, self.timeout))

    async def get(self, key):
        return harness.hit(await self.within(self.node(key).get(key)))

    async def get_many(self, keys):
        asked = {}
        for key in keys:
            asked.setdefault(self.node(key), []).append(key)
        calls = [self.within(node.multi_get(*theirs)) for node, theirs in asked.items()]
        found = {}
        for theirs, values in zip(asked.values(), await asyncio.gather(*calls, return_exceptions=True)):
            if isinstance(values, Exception):
                values = [values] * len(theirs)
            found.update(zip(theirs, values))
        return harness.hits(found)

    async def gets(self, key):
        value, token = await self.within(self.node(key).gets(key))
        return harness.hit(value, cas=token)

    async def cas(self, key, value, ttl, token):
        return harness.swapped(await self.within(self.node(key).cas(key, value, token, ttl)))

    async def set(self, key, value, ttl):
        return harness.stored(await self.within(self.node(key).set(key, value, ttl)))

    async def add(self, key, value, ttl):
        return harness.stored(await self.within(self.node(key).add(key, value, ttl)))

    async def replace(self, key, value, ttl):
        return harness.stored(await self.within(self.node(key).replace(key, value, ttl)))

    async def append(self, key, value, ttl):
        return harness.stored(await self.within(self.node(key).append(key, value, ttl)))

    async def prepend(self, key, value, ttl):
        return harness.stored(await self.within(self.node(key).prepend(key, value, ttl)))

    async def delete(self, key):
        return harness.deleted(await self.within(self.node(key).delete(key)))

    async def touch(self, key, ttl):
        return harness.touched(await self.within(self.node(key).touch(key, ttl)))

    async def incr(self, key, by):
        return await self.count(self.node(key).incr(key, by))

    async def decr(self, key, by):
        return await self.count(self.node(key).decr(key, by))

    async def count(self, call):
        try:
            return harness.counted(await self.within(call))
        except aiomcache.exceptions.ClientException as error:
            # Its way of saying that there is no such counter.
            if "NOT_FOUND" in str(error):
                return harness.counted(None)
            raise

    async def close(self):
        for node in self.nodes:
            await node.close()


def reply_class(message):
    """The class of a reply that it found unfit; it hands the line over in its message."""
    for words, name in (("SERVER_ERROR", "server_error"), ("CLIENT_ERROR", "client_error")):
        if words in message:
            return "too_large" if "too large" in message else name
    return "protocol"


harness.serve_asyncio(Calls)
