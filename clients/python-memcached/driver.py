"""python-memcached: one client, which by its own design is another one in every thread.

It raises nothing about the network: what failed is a miss, a 0 or None, and is answered so.
With the word `gevent` behind its name it runs in greenlets instead, whose calls can be cancelled; with `forks` each
call is made by a forked process on the connections of its parent, and killed where it is cancelled.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "packages"), str(HERE.parent / "lib")]

if GREENLETS := sys.argv[1:] == ["gevent"]:
    from gevent import monkey

    monkey.patch_all()

import harness_driver as harness
import memcache


class Calls:
    NAME = "python-memcached"
    VERSION = harness.version_of("python-memcached")
    ERRORS = (
        (memcache.Client.MemcachedKeyError, "client_error"),
        # What it meets where it cannot make sense of a reply.
        ((ValueError, IndexError, memcache._Error), "protocol"),
    )

    def __init__(self, servers, settings):
        self.everywhere = memcache.Client(servers, **settings)
        self.first = self.servers = servers

    def connect(self):
        for server in self.client.servers:
            server.connect()

    def set_servers(self, servers):
        self.servers = servers

    @property
    def client(self):
        # One object, which every thread has made anew: each must be told by itself.
        client = self.everywhere
        if client.__dict__.get("told", self.first) is not self.servers:
            client.set_servers(self.servers)
        client.told = self.servers
        return client

    def get(self, key):
        return harness.hit(self.client.get(key))

    def get_many(self, keys):
        found = self.client.get_multi(keys)
        return harness.hits({key: found.get(key) for key in keys})

    def set(self, key, value, ttl):
        return harness.stored(self.client.set(key, value, time=ttl))

    def add(self, key, value, ttl):
        return harness.stored(self.client.add(key, value, time=ttl))

    def replace(self, key, value, ttl):
        return harness.stored(self.client.replace(key, value, time=ttl))

    def append(self, key, value, ttl):
        return harness.stored(self.client.append(key, value))

    def prepend(self, key, value, ttl):
        return harness.stored(self.client.prepend(key, value))

    def delete(self, key):
        return harness.deleted(self.client.delete(key))

    def touch(self, key, ttl):
        return harness.touched(self.client.touch(key, ttl))

    def incr(self, key, by):
        return harness.counted(self.client.incr(key, by))

    def decr(self, key, by):
        return harness.counted(self.client.decr(key, by))

    def close(self):
        self.client.disconnect_all()


if GREENLETS:
    harness.serve_greenlets(Calls)
elif sys.argv[1:] == ["forks"]:
    harness.serve_forks(Calls)
else:
    harness.serve_threads(Calls, shared=True)
