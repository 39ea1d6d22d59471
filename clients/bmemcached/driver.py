"""python-binary-memcached: one DistributedClient for all threads, each of which has connections of its own in it.

With the word `gevent` behind its name greenlets take the place of threads, and calls can be cancelled.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "packages"), str(HERE.parent / "lib")]

if GREENLETS := sys.argv[1:] == ["gevent"]:
    from gevent import monkey

    monkey.patch_all()

import harness_driver as harness
from bmemcached import DistributedClient
from bmemcached.exceptions import MemcachedException

TOO_LARGE = 3


class Calls:
    NAME = "python-binary-memcached"
    VERSION = harness.version_of("python-binary-memcached")
    TEXT_KEYS = True
    ERRORS = ((MemcachedException, lambda error: "too_large" if error.code == TOO_LARGE else "server_error"),)

    def __init__(self, servers, settings):
        self.client = DistributedClient(servers, **settings)

    def get(self, key):
        return harness.hit(self.client.get(key))

    def get_many(self, keys):
        found = self.client.get_multi(keys)
        return harness.hits({key: found.get(key) for key in keys})

    def gets(self, key):
        value, token = self.client.gets(key)
        return harness.hit(value, cas=token)

    # False for a changed value, a missing one and a node that is gone alike.
    def cas(self, key, value, ttl, token):
        return harness.swapped(self.client.cas(key, value, int(token), time=ttl), "exists")

    def set(self, key, value, ttl):
        return harness.stored(self.client.set(key, value, time=ttl))

    def add(self, key, value, ttl):
        return harness.stored(self.client.add(key, value, time=ttl))

    def replace(self, key, value, ttl):
        return harness.stored(self.client.replace(key, value, time=ttl))

    def delete(self, key):
        return harness.deleted(self.client.delete(key))

    def close(self):
        self.client.disconnect_all()


if GREENLETS:
    harness.serve_greenlets(Calls)
else:
    harness.serve_threads(Calls, shared=True)
