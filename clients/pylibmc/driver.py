"""pylibmc: a client for each thread, since its clients are not made for sharing."""

import glob
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "packages"), str(HERE.parent / "lib")]

# Its wheel has a Cyrus SASL of its own, which knows of no mechanisms of the system's.
os.environ.setdefault("SASL_PATH", ":".join(glob.glob("/usr/lib/*/sasl2")))

import harness_driver as harness
import pylibmc


def by_code(error):
    """libmemcached's number where the error has no type of its own."""
    return "timeout" if "error 31 " in str(error) else "other"


class Calls:
    NAME = "pylibmc"
    VERSION = f"{pylibmc.__version__} (libmemcached {pylibmc.libmemcached_version})"
    ERRORS = (
        ((pylibmc.ServerDead, pylibmc.ServerDown, pylibmc.NoServers), "no_connection"),
        ((pylibmc.ConnectionError, pylibmc.HostLookupError), "no_connection"),
        (pylibmc.UnknownReadFailure, "closed"),
        (pylibmc.WriteError, "reset"),
        (pylibmc.ProtocolError, "protocol"),
        (pylibmc.ClientError, "client_error"),
        (pylibmc.BadKeyProvided, "client_error"),
        (pylibmc.ServerError, "server_error"),
        (pylibmc.TooBig, "too_large"),
        (pylibmc.Error, by_code),
        (ValueError, "client_error"),
    )

    def __init__(self, servers, settings):
        behaviors = settings.get("behaviors")
        username, password = harness.account()
        # SASL is of the binary protocol.
        binary = settings.get("binary", False) or username is not None
        self.client = pylibmc.Client(
            servers, binary=binary, behaviors=behaviors, username=username, password=password
        )
        # It refuses a gets unless it was told to ask for the tokens.
        self.without = () if (behaviors or {}).get("cas") else ("gets", "cas")

    def get(self, key):
        return harness.hit(self.client.get(key))

    def get_many(self, keys):
        found = self.client.get_multi(keys)
        return harness.hits({key: found.get(key) for key in keys})

    def gets(self, key):
        value, token = self.client.gets(key)
        return harness.hit(value, cas=token)

    def cas(self, key, value, ttl, token):
        try:
            return harness.swapped(self.client.cas(key, value, token, time=ttl))
        except pylibmc.NotFound:
            return harness.swapped(False, "not_found")

    def set(self, key, value, ttl):
        return harness.stored(self.client.set(key, value, time=ttl))

    def add(self, key, value, ttl):
        return harness.stored(self.client.add(key, value, time=ttl))

    def replace(self, key, value, ttl):
        try:
            return harness.stored(self.client.replace(key, value, time=ttl))
        except pylibmc.NotFound:
            # How the binary protocol says no here.
            return harness.stored(False)

    def append(self, key, value, ttl):
        return harness.stored(self.client.append(key, value))

    def prepend(self, key, value, ttl):
        return harness.stored(self.client.prepend(key, value))

    def delete(self, key):
        return harness.deleted(self.client.delete(key))

    def touch(self, key, ttl):
        return harness.touched(self.client.touch(key, ttl))

    def incr(self, key, by):
        return self.count(self.client.incr, key, by)

    def decr(self, key, by):
        return self.count(self.client.decr, key, by)

    def count(self, change, key, by):
        try:
            return harness.counted(change(key, by))
        except pylibmc.NotFound:
            return harness.counted(None)

    def close(self):
        self.client.disconnect_all()


harness.serve_threads(Calls, shared=False)
