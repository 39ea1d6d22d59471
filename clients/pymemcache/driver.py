"""pymemcache: one HashClient for all threads, pooled as its documentation asks of threads.

With the word `gevent` behind its name each greenlet has one without a pool, and calls can be cancelled.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "packages"), str(HERE.parent / "lib")]

if GREENLETS := sys.argv[1:] == ["gevent"]:
    from gevent import monkey

    monkey.patch_all()

import harness_driver as harness
from pymemcache import exceptions
from pymemcache.client.hash import HashClient


class Calls:
    NAME = "pymemcache"
    VERSION = harness.version_of("pymemcache")
    FLAGS = True
    # Text, as callers write keys: the ring hashes b"k" and "k" to different nodes.
    TEXT_KEYS = True
    ERRORS = (
        *harness.TLS_ERRORS,
        (exceptions.MemcacheUnexpectedCloseError, "closed"),
        (exceptions.MemcacheServerError, "server_error"),
        (exceptions.MemcacheClientError, "client_error"),
        (exceptions.MemcacheUnknownError, "protocol"),
        (exceptions.MemcacheError, "no_connection"),
        # What it meets where it cannot make sense of a reply.
        ((ValueError, IndexError, KeyError), "protocol"),
    )

    def __init__(self, servers, settings):
        if settings.get("default_noreply", True):
            # Written without waiting for a reply, they return True whatever was there.
            self.without = ("add", "replace", "append", "prepend")
            self.cannot_tell = ("delete", "touch")
        nodes = [harness.address(server) for server in servers]
        # 3.0 knows no TLS.
        if context := harness.tls_context():
            settings["tls_context"] = context
        self.client = HashClient(nodes, use_pooling=not GREENLETS, **settings)
        self.servers = list(servers)

    def set_servers(self, servers):
        # `remove_server` is for nodes that failed: of any other it raises KeyError.
        for server in set(self.servers) - set(servers):
            self.client.hasher.remove_node(server)
        for server in servers:
            if server not in self.servers:
                self.client.add_server(harness.address(server))
        self.servers = list(servers)

    def get(self, key):
        return harness.hit(self.client.get(key))

    def get_many(self, keys):
        found = self.client.get_many(keys)
        return harness.hits({key: found.get(key) for key in keys})

    def gets(self, key):
        value, token = self.client.gets(key)
        return harness.hit(value, cas=None if token is None else token.decode())

    def cas(self, key, value, ttl, token, flags=None):
        done = self.client.cas(key, value, str(token), expire=ttl, flags=flags)
        return harness.swapped(done, "not_found" if done is None else "exists")

    def set(self, key, value, ttl, flags=None):
        return harness.stored(self.client.set(key, value, expire=ttl, flags=flags))

    def add(self, key, value, ttl, flags=None):
        return harness.stored(self.client.add(key, value, expire=ttl, flags=flags))

    def replace(self, key, value, ttl, flags=None):
        return harness.stored(self.client.replace(key, value, expire=ttl, flags=flags))

    def append(self, key, value, ttl, flags=None):
        return harness.stored(self.client.append(key, value, expire=ttl, flags=flags))

    def prepend(self, key, value, ttl, flags=None):
        return harness.stored(self.client.prepend(key, value, expire=ttl, flags=flags))

    def delete(self, key):
        return harness.deleted(self.client.delete(key))

    def touch(self, key, ttl):
        return harness.touched(self.client.touch(key, ttl))

    def incr(self, key, by):
        return harness.counted(self.client.incr(key, by))

    def decr(self, key, by):
        return harness.counted(self.client.decr(key, by))

    def close(self):
        self.client.close()


if GREENLETS:
    harness.serve_greenlets(Calls)
else:
    harness.serve_threads(Calls, shared=True)
