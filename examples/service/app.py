"""A shop of one page, whose prices are cached: GET /products/<key> reads, POST sets a price.

Below /cache/ it has the verbs of its cache: GET, PUT and DELETE of a key, and POST <key>/incr?by=1.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pymemcache.client.base import PooledClient
from pymemcache.client.hash import HashClient

SERVERS = [tuple(server.rsplit(":", 1)) for server in os.environ["MEMCACHED_SERVERS"].split(",")]
TIMEOUT_S = float(os.environ.get("CACHE_TIMEOUT_S", "0.1"))


def client(ignore_exc):
    return HashClient(
        [(host, int(port)) for host, port in SERVERS],
        use_pooling=True,
        max_pool_size=32,
        connect_timeout=TIMEOUT_S,
        timeout=TIMEOUT_S,
        ignore_exc=ignore_exc,
        retry_attempts=0,
        dead_timeout=1,
    )


CACHE, VERBS = client(True), client(False)


def cached(call, *arguments, **options):
    """A node that is down costs a page nothing but its cache."""
    try:
        return call(*arguments, **options)
    except ValueError:  # two threads that put one node out: whoever comes second finds none
        return None


# What a shop has behind its cache.
DATABASE = {}


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, b"well")
        if self.path.startswith("/cache/"):
            return self.verb(lambda key, _: VERBS.get(key))
        page = cached(CACHE.get, self.path)
        if page is None:
            page = json.dumps({"price": DATABASE.get(self.path, 1)}).encode()
            cached(CACHE.set, self.path, page, noreply=False)
        return self.answer(200, page)

    def do_PUT(self):
        self.verb(lambda key, ask: VERBS.set(key, self.body(), int(ask.get("ttl_s", 0)), noreply=False))

    def do_DELETE(self):
        self.verb(lambda key, _: VERBS.delete(key, noreply=False) or None)

    def do_POST(self):
        if self.path.startswith("/cache/"):
            count = lambda key, ask: VERBS.incr(key.removesuffix("/incr"), int(ask["by"]))
            return self.verb(count)
        body = self.body()
        DATABASE[self.path] = json.loads(body)["price"]
        cached(CACHE.delete, self.path, noreply=False)
        self.answer(204, b"")

    def verb(self, call):
        """Answers with what a call of the cache came to: None is 404, an error 503."""
        url = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        try:
            came = call(url.path.removeprefix("/cache/"), asked)
        except Exception as error:
            return self.answer(503, repr(error).encode())
        if came is None:
            return self.answer(404, b"")
        self.answer(200, came if isinstance(came, bytes) else str(came).encode())

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Server(("127.0.0.1", int(sys.argv[1])), Shop)
print("ready", flush=True)
server.serve_forever()
