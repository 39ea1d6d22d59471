"""emcache: one client for all tasks."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "packages"), str(HERE.parent / "lib")]

import emcache
from emcache.client_errors import AuthenticationError
import harness_driver as harness


class Calls:
    NAME = "emcache"
    VERSION = harness.version_of("emcache")
    FLAGS = True
    ERRORS = (
        (AuthenticationError, "unauthenticated"),
        (emcache.ClusterNoAvailableNodes, "no_connection"),
        (emcache.CommandError, lambda error: reply_class(str(error))),
        # A key that it refuses, or a reply that is no number.
        (ValueError, lambda error: reply_class(str(error), "client_error")),
    )

    async def open(self, servers, settings):
        nodes = [emcache.MemcachedHostAddress(*harness.address(s)) for s in servers]
        authority, (username, password) = harness.HELLO.get("tls_ca"), harness.account()
        if authority:
            settings |= {"ssl": True, "ssl_extra_ca": authority}
        if username:
            settings |= {"username": username, "password": password}
        self.client = await emcache.create_client(nodes, **settings)

    async def get(self, key):
        return found(await self.client.get(key, return_flags=True))

    async def get_many(self, keys):
        items = await self.client.get_many(keys)
        return harness.hits({key: items[key].value if key in items else None for key in keys})

    async def gets(self, key):
        return found(await self.client.gets(key, return_flags=True))

    async def cas(self, key, value, ttl, token, flags=0):
        try:
            await self.client.cas(key, value, token, flags=flags, exptime=ttl)
            return harness.swapped(True)
        except emcache.NotStoredStorageCommandError:
            return harness.swapped(False)
        except emcache.StorageCommandError as error:
            if "NOT_FOUND" in str(error):
                return harness.swapped(False, "not_found")
            raise

    async def set(self, key, value, ttl, flags=0):
        return await self.store(self.client.set(key, value, flags=flags, exptime=ttl))

    async def add(self, key, value, ttl, flags=0):
        return await self.store(self.client.add(key, value, flags=flags, exptime=ttl))

    async def replace(self, key, value, ttl, flags=0):
        return await self.store(self.client.replace(key, value, flags=flags, exptime=ttl))

    async def append(self, key, value, ttl, flags=0):
        return await self.store(self.client.append(key, value))

    async def prepend(self, key, value, ttl, flags=0):
        return await self.store(self.client.prepend(key, value))

    async def store(self, call):
        try:
            await call
            return harness.stored(True)
        except emcache.NotStoredStorageCommandError:
            return harness.stored(False)

    async def delete(self, key):
        return harness.deleted(await self.known(self.client.delete(key)))

    async def touch(self, key, ttl):
        return harness.touched(await self.known(self.client.touch(key, ttl)))

    async def gat(self, key, ttl):
        return found(await self.client.gat(ttl, key, return_flags=True))

    async def incr(self, key, by):
        return await self.count(self.client.increment(key, by))

    async def decr(self, key, by):
        return await self.count(self.client.decrement(key, by))

    async def count(self, call):
        try:
            return harness.counted(await call)
        except emcache.NotFoundCommandError:
            return harness.counted(None)

    async def known(self, call):
        """Whether there was such a key; its way of saying no is an exception."""
        try:
            await call
            return True
        except emcache.NotFoundCommandError:
            return False

    async def close(self):
        await self.client.close()


def found(item):
    return harness.hit(None) if item is None else harness.hit(item.value, item.flags, item.cas)


def reply_class(message, otherwise="protocol"):
    """The class of a reply that it found unfit; it hands the line over in its message."""
    for words, name in (("SERVER_ERROR", "server_error"), ("CLIENT_ERROR", "client_error")):
        if words in message:
            return "too_large" if "too large" in message else name
    return "protocol" if "invalid literal" in message else otherwise


harness.serve_asyncio(Calls)
