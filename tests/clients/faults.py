"""Message faults as applications in Python meet them: each client sees the error it should, and never
another request's answer afterwards.

usage: faults.py API MEMCACHED
"""

import contextlib
import json
import sys
import urllib.request

import pylibmc
from pymemcache.client.base import Client
from pymemcache.exceptions import (
    MemcacheClientError,
    MemcacheServerError,
    MemcacheUnexpectedCloseError,
    MemcacheUnknownError,
)

API, MEMCACHED = sys.argv[1:3]
# A proxy that the environment names is not for loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Seconds: what nothing takes unless it hangs, and what a client waits for a reply that does not come.
PATIENCE, HASTE = 30, 0.2


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{API}{path}", data, method=method)
    with OPENER.open(request, timeout=PATIENCE) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def proxied(name):
    """Where a new proxy in front of the server listens."""
    body = {"name": name, "listen": "127.0.0.1:0", "upstream": MEMCACHED}
    host, port = call("POST", "/proxies", body)["listen"].rsplit(":", 1)
    return host, int(port)


def touched(proxy):
    return call("GET", f"/proxies/{proxy}/connections")["touched"].get("fault", 0)


@contextlib.contextmanager
def fault(proxy, kind, **attributes):
    """A fault for as long as the block lasts; it must fire."""
    before = touched(proxy)
    body = {"name": "fault", "type": kind, "attributes": attributes}
    call("POST", f"/proxies/{proxy}/toxics", body)
    yield
    assert touched(proxy) > before, f"{kind} {attributes} on {proxy} never fired"
    call("DELETE", f"/proxies/{proxy}/toxics/fault")


def seen(action):
    """What a call came to: its value, or the error's class."""
    try:
        return action()
    except Exception as error:
        return type(error)


def cas(client):
    """A cas whose value nobody changed in between."""
    value, unique = client.gets("k")
    assert value in ("value", b"value")
    return lambda: client.cas("k", "v", unique)


def calls(client):
    """What is called under a fault; made before it, so that a cas has its number."""
    unique = cas(client)
    return {
        "get": lambda: client.get("k"),
        "set": lambda: client.set("k", "v"),
        "add": lambda: client.add("new", "v"),
        "incr": lambda: client.incr("n", 1),
        "cas": unique,
    }


def story(proxy, make, table, given_up=()):
    """Every row of a table on a connection of its own: a fault, the call it hits, what the call must
    come to, and whether the server ran it. `given_up`: what a client says that sent no request."""
    direct = Client(MEMCACHED, default_noreply=False, timeout=PATIENCE)
    for kind, attributes, name, expected, *executed in table:
        row = f"{proxy}: {kind} {attributes} on {name}"
        direct.set_many({"k": b"value", "n": b"5"})
        direct.delete("new")
        client = make(HASTE if kind == "memcached_delay" else PATIENCE)
        called = calls(client)[name]
        # A client that knows of cas reads with gets.
        command = "get,gets" if name == "get" else name
        with fault(proxy, kind, command=command, **attributes):
            came_to = seen(called)
        assert came_to == expected, f"{row}: {came_to}, not {expected}"
        assert direct.get("n") == (b"6" if executed else b"5"), row
        if hasattr(client, "timeout"):
            client.timeout = PATIENCE
        for n in range(3):
            stored = seen(lambda: client.set("k", f"after{n}"))
            read = seen(lambda: client.get("k"))
            fine = stored is True and read in (f"after{n}", f"after{n}".encode())
            assert fine or {stored, read} <= set(given_up), f"{row}: then {stored}, {read}"


def rows(error, closed, late):
    """What every client is put through: the classes of its errors for (a set, a get) that the server
    refuses, for a connection that ends (on a read, on a write), and for a reply that does not come."""
    return [
        ("memcached_server_error", {}, "set", error["memory"]),
        ("memcached_busy", {}, "get", error["busy"]),
        ("memcached_client_error", {}, "get", error["client"]),
        ("memcached_item_too_large", {}, "set", error["large"]),
        ("memcached_response", {"response": "miss"}, "get", None),
        ("memcached_not_stored", {}, "add", False),
        ("memcached_exists", {}, "cas", False),
        ("memcached_drop", {"when": "before"}, "get", closed["get"]),
        ("memcached_drop", {"when": "mid_reply"}, "get", closed["get"]),
        ("memcached_drop", {"when": "before"}, "incr", closed["incr"]),
        ("memcached_drop", {"when": "after"}, "incr", closed["incr"], "executed"),
        ("memcached_truncate", {"then": "close"}, "get", closed["get"]),
        ("memcached_delay", {"delay": 600_000}, "get", late),
    ]


def through_pymemcache():
    address = proxied("pymemcache")
    error = {"memory": MemcacheServerError, "busy": MemcacheServerError,
             "client": MemcacheClientError, "large": MemcacheServerError}
    closed = {"get": MemcacheUnexpectedCloseError, "incr": MemcacheUnexpectedCloseError}
    table = rows(error, closed, TimeoutError)
    # It compares the key and the length that come back.
    table += [("memcached_wrong_key", {}, "get", KeyError),
              ("memcached_short_length", {}, "get", MemcacheUnknownError)]
    story("pymemcache", lambda timeout: Client(
        address, timeout=timeout, connect_timeout=PATIENCE, default_noreply=False), table)


def through_pylibmc(binary):
    """libmemcached takes a read that failed for a miss, and gives a server up for two seconds after
    most errors; then nothing is sent."""
    name = f"pylibmc-{'binary' if binary else 'text'}"
    host, port = proxied(name)
    text_error = {"memory": pylibmc.Error, "busy": None, "client": None, "large": pylibmc.TooBig}
    error = {**text_error, "memory": False} if binary else text_error
    table = rows(error, {"get": None, "incr": pylibmc.ConnectionError}, None)

    def make(timeout):
        behaviors = {"cas": True, "receive_timeout": int(timeout * 1e6),
                     "_poll_timeout": int(timeout * 1e3)}
        return pylibmc.Client([f"{host}:{port}"], binary=binary, behaviors=behaviors)

    story(name, make, table, given_up=[pylibmc.ServerDown])


through_pymemcache()
through_pylibmc(binary=False)
through_pylibmc(binary=True)
