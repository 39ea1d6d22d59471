"""What every Python driver shares: the harness's driver protocol, version 1, on stdin and stdout.

A driver is a class whose methods are named after the operations it supports:

    get(key)  gets(key)  get_many(keys)  delete(key)  touch(key, ttl)  gat(key, ttl)
    set, add, replace, append, prepend(key, value, ttl)      with FLAGS = True also `flags=0`
    cas(key, value, ttl, token)  incr(key, by)  decr(key, by)

They return what `hit`, `stored` and the other functions below make. Keys are bytes, or text where
they are ASCII and the class says TEXT_KEYS = True. An exception becomes an error of the class that
the driver's ERRORS name for its type, or that this file knows, or `other`. An instance may name
operations that it is `without`, and those of delete and touch of which it `cannot_tell` whether the key was there.
One whose client can be told another list of nodes while it runs has `set_servers(servers)`. What the nodes ask of who
connects is in `tls_context()` and `account()`.
"""

import asyncio
import base64
import errno
import importlib.metadata
import json
import os
import pickle
import platform
import queue
import signal
import ssl
import sys
import threading

OPERATIONS = (
    "get get_many gets cas set add replace append prepend delete touch gat incr decr"
).split()
LINE_LIMIT = 8 * 1024 * 1024 + 1  # with its newline
CLOSE_WITHIN_S = 1.0
MESSAGE_LIMIT = 200

# What the `hello` said, as soon as it was read.
HELLO = {}

# The classes of what a client meets that does not believe its node. The first is a ValueError, too.
TLS_ERRORS = (
    (ssl.SSLCertVerificationError, "untrusted"),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), "closed"),
    (ssl.SSLError, "untrusted"),
)


def hit(value, flags=None, cas=None):
    """A value that the client returned, or a miss where it returned None."""
    if value is None:
        return {"miss": {}}
    if not isinstance(value, (bytes, bytearray)):
        # What a client made of the bytes is what its callers see.
        value = str(value).encode()
    found = {"value64": base64.b64encode(value).decode()}
    if flags is not None:
        found["flags"] = flags
    if cas is not None:
        found["cas"] = str(cas)
    return {"hit": found}


def hits(values):
    """What a get_many returned: key -> value, None or the exception that this key alone met."""
    return {"hits": values}


def stored(done):
    return {"stored": {}} if done else {"not_stored": {}}


def done_or_failed(answer, done):
    """Of a client that returns False where it failed, whatever the reason was."""
    return {answer: {}} if done else {"error": {"class": "other", "message": f"it returned {done!r}"}}


def swapped(done, exists="exists"):
    return {"stored": {}} if done else {exists: {}}


def deleted(done):
    return {"deleted": {}} if done else {"not_found": {}}


def touched(done):
    return {"touched": {}} if done else {"not_found": {}}


def counted(value):
    if value is False:
        # Not a number: what a client returns that asked nobody.
        return done_or_failed("counted", value)
    return {"not_found": {}} if value is None else {"counted": {"value": int(value)}}


def tls_context():
    """How to speak TLS with the nodes; None where they speak none."""
    authority = HELLO.get("tls_ca")
    return authority and ssl.create_default_context(cafile=authority)


def account():
    """The user name and the password that the nodes ask for; None twice where they ask for none."""
    return HELLO.get("username"), HELLO.get("password")


def version_of(package):
    return importlib.metadata.version(package)


class Requests:
    """Requests in, answers out; the same for threads and for an event loop."""

    def __init__(self, kind, first):
        self.kind = kind
        self.errors = getattr(kind, "ERRORS", ())
        self.text_keys = getattr(kind, "TEXT_KEYS", False)
        left_out = getattr(first, "without", ())
        self.operations = [o for o in OPERATIONS if hasattr(first, o) and o not in left_out]
        self.cannot_tell = [o for o in getattr(first, "cannot_tell", ()) if o in self.operations]
        self.lock = threading.Lock()

    def say(self, answer):
        line = json.dumps(answer, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()

    def ready(self, cancel):
        self.say({
            "ready": 1,
            "client": self.kind.NAME,
            "version": self.kind.VERSION,
            "runtime": f"{platform.python_implementation()} {platform.python_version()}",
            "operations": self.operations,
            "cancel": cancel,
            "cannot_tell": self.cannot_tell,
            "members": hasattr(self.kind, "set_servers"),
        })

    def read(self, line):
        """A request as an object, or None after the complaint."""
        try:
            request = json.loads(line)
            if isinstance(request, dict):
                return request
            complaint = "a request is an object"
        except ValueError as error:
            complaint = str(error)
        self.say({"error": {"message": f"{complaint}: {line[:MESSAGE_LIMIT]!r}"}})
        return None

    def arguments(self, request):
        """What the method takes, in its order, and what it takes by name."""
        operation = request["op"]
        if operation == "get_many":
            return [[self.key(key) for key in request["keys"]]], {}
        taken = [self.key(request)]
        if operation in ("set", "add", "replace", "append", "prepend", "cas"):
            taken += [value(request), request.get("ttl_s", 0)]
        if operation == "cas":
            taken.append(int(request["cas"]))
        if operation in ("touch", "gat"):
            taken.append(request.get("ttl_s", 0))
        if operation in ("incr", "decr"):
            taken.append(request["by"])
        flags = request.get("flags", 0)
        return taken, ({"flags": flags} if flags else {})

    def key(self, request):
        if isinstance(request, str):
            return request if self.text_keys else request.encode()
        if "key64" in request:
            return base64.b64decode(request["key64"])
        return request["key"] if self.text_keys else request["key"].encode()

    def call(self, calls, request):
        """What the driver's method returns for this request: an answer, or something to await."""
        operation = request.get("op")
        if operation not in self.operations:
            return unsupported(f"no operation {operation!r}")
        if request.get("flags", 0) and not getattr(self.kind, "FLAGS", False):
            return unsupported("this client cannot set flags")
        taken, named = self.arguments(request)
        return getattr(calls, operation)(*taken, **named)

    def finish(self, request, answer):
        if "hits" in answer:
            answer = {"hits": {name(key): self.one(value) for key, value in answer["hits"].items()}}
        self.say({"id": request.get("id"), **answer})

    def one(self, value):
        if value is None:
            return None
        return self.failed(value) if isinstance(value, Exception) else hit(value)["hit"]

    def failed(self, error):
        """The error's class as reports name it, and the client's own words."""
        text = f"{type(error).__name__}: {error}"[:MESSAGE_LIMIT]
        return {"error": {"class": self.error_class(error), "message": text}}

    def error_class(self, error):
        for kind, name in (*self.errors, *KNOWN_ERRORS):
            if isinstance(error, kind):
                return name(error) if callable(name) else name
        return "other"


def of_os_error(error):
    """The class of an error that the operating system gave."""
    unreachable = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL)
    return "no_connection" if error.errno in unreachable else "other"


KNOWN_ERRORS = (
    *TLS_ERRORS,
    (TimeoutError, "timeout"),
    (asyncio.TimeoutError, "timeout"),
    (ConnectionRefusedError, "refused"),
    (ConnectionResetError, "reset"),
    (BrokenPipeError, "reset"),
    (ConnectionAbortedError, "closed"),
    (EOFError, "closed"),
    (OSError, of_os_error),
)


def value(request):
    if "value64" in request:
        return base64.b64decode(request["value64"])
    return request["value"].encode()


def name(key):
    return key if isinstance(key, str) else key.decode("utf-8", "surrogateescape")


def unsupported(message):
    return {"error": {"class": "unsupported", "message": message}}


def greeting(line):
    """The `hello`; without one there is nobody to work for."""
    if not line:
        os._exit(0)
    hello = json.loads(line)
    if hello.get("hello") != 1:
        sys.exit("the first line must be a hello of version 1")
    HELLO.update(hello)
    return hello


def address(server):
    host, _, port = server.rpartition(":")
    return host.strip("[]"), int(port)


def leave(requests, close):
    """`bye`: the client is closed, within a bound, since calls may hang in it."""
    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(CLOSE_WITHIN_S)
    requests.say({"bye": 1})
    os._exit(0)


def serve_threads(kind, shared):
    """Runs a blocking client: `concurrency` threads, with one client for all or one for each."""
    hello = greeting(sys.stdin.buffer.readline())
    servers, settings = hello["servers"], hello.get("settings", {})
    opened = [kind(servers, settings)]
    requests, waiting = Requests(kind, opened[0]), queue.SimpleQueue()

    def work(calls):
        while True:
            request = waiting.get()
            try:
                requests.finish(request, requests.call(calls, request))
            except Exception as error:
                requests.say({"id": request.get("id"), **requests.failed(error)})

    for number in range(hello["concurrency"]):
        if number and not shared:
            opened.append(kind(servers, settings))
        threading.Thread(target=work, args=(opened[-1],), daemon=True).start()

    requests.ready(cancel=False)
    listen(requests, sys.stdin.buffer, waiting.put, lambda number: None, opened)


def serve_greenlets(kind):
    """Runs a blocking client whose sockets gevent has patched, as `serve_threads` does in threads.

    A client for each greenlet, and calls can be cancelled as gevent.Timeout does it: something that is
    no Exception is raised where the call waits, and the greenlet goes on with the next call.
    """
    import gevent
    import gevent.fileobject

    class Cancelled(BaseException):
        pass

    lines = gevent.fileobject.FileObject(sys.stdin.fileno(), "rb", close=False)
    hello = greeting(lines.readline())
    servers, settings = hello["servers"], hello.get("settings", {})
    opened = [kind(servers, settings) for _ in range(hello["concurrency"])]
    requests, waiting, running = Requests(kind, opened[0]), queue.SimpleQueue(), {}

    def perform(calls, request):
        running[request.get("id")] = gevent.getcurrent()
        try:
            return requests.call(calls, request)
        except Cancelled:
            return {"cancelled": {}}
        except Exception as error:
            return requests.failed(error)
        finally:
            del running[request.get("id")]

    def work(calls):
        while True:
            request = waiting.get()
            requests.finish(request, perform(calls, request))

    def cancel(number):
        # Asked in the loop and raised there: a moment later the greenlet may be in another call.
        if greenlet := running.get(number):
            greenlet.throw(Cancelled)

    for calls in opened:
        gevent.spawn(work, calls)
    requests.ready(cancel=True)
    in_loop = gevent.get_hub().loop.run_callback
    listen(requests, lines, waiting.put, lambda number: in_loop(cancel, number), opened)


def serve_forks(kind):
    """Runs a blocking client as a server does that forks behind its client: each call is made by a process of its
    own, on the connections of its parent, one after the other.

    A call that is cancelled is a process that is killed. `connect` of the client opens the connections.
    """
    hello = greeting(sys.stdin.buffer.readline())
    calls = kind(hello["servers"], hello.get("settings", {}))
    requests, waiting, running = Requests(kind, calls), queue.SimpleQueue(), {}
    # Between the end of a process and its removal its number is nobody else's.
    ended = threading.Lock()

    def perform(request):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                answer = requests.call(calls, request)
            except Exception as error:
                answer = requests.failed(error)
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(answer, pipe)
            os._exit(0)
        os.close(writer)
        running[request.get("id")] = child
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
        with ended:
            os.waitpid(child, 0)
            del running[request.get("id")]
        return pickle.loads(answer) if answer else {"cancelled": {}}

    def work():
        calls.connect()
        while True:
            request = waiting.get()
            requests.finish(request, perform(request))

    def cancel(number):
        with ended:
            if child := running.get(number):
                os.kill(child, signal.SIGKILL)

    threading.Thread(target=work, daemon=True).start()
    requests.ready(cancel=True)
    listen(requests, sys.stdin.buffer, waiting.put, cancel, [calls])


def listen(requests, lines, start, cancel, opened):
    """Hands on what the harness asks for, until it says `bye` or ends."""
    for line in lines:
        request = requests.read(line)
        if request is None:
            continue
        if "op" in request:
            start(request)
        elif "ping" in request:
            requests.say({"pong": request["ping"]})
        elif "members" in request:
            for calls in opened:
                calls.set_servers(request["servers"])
            requests.say({"listed": request["members"]})
        elif "cancel" in request:
            cancel(request["cancel"])
        elif "bye" in request:
            leave(requests, lambda: [calls.close() for calls in opened])
        else:
            requests.say({"error": {"message": f"unknown request {line[:MESSAGE_LIMIT]!r}"}})
    os._exit(0)


def serve_asyncio(kind):
    """Runs an asyncio client: one client for all, a task for each operation."""
    asyncio.run(_serve_asyncio(kind))


async def _serve_asyncio(kind):
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    hello = greeting(await reader.readline())
    calls = kind()
    await calls.open(hello["servers"], hello.get("settings", {}))
    requests, running = Requests(kind, calls), {}

    async def work(request):
        number = request.get("id")
        try:
            answer = requests.call(calls, request)
            requests.finish(request, answer if isinstance(answer, dict) else await answer)
        except Exception as error:
            requests.say({"id": number, **requests.failed(error)})

    def start(request):
        number = request.get("id")

        def over(task):
            del running[number]
            # Here, because a task that is cancelled before its first step never gets to say so.
            if task.cancelled():
                requests.say({"id": number, "cancelled": {}})

        running[number] = loop.create_task(work(request))
        running[number].add_done_callback(over)

    requests.ready(cancel=True)
    while line := await reader.readline():
        request = requests.read(line)
        if request is None:
            continue
        if "op" in request:
            start(request)
        elif "ping" in request:
            requests.say({"pong": request["ping"]})
        elif "members" in request:
            calls.set_servers(request["servers"])
            requests.say({"listed": request["members"]})
        elif "cancel" in request:
            if task := running.get(request["cancel"]):
                task.cancel()
        elif "bye" in request:
            try:
                await asyncio.wait_for(calls.close(), CLOSE_WITHIN_S)
            except Exception as error:
                print(f"close: {error}", file=sys.stderr)
            requests.say({"bye": 1})
            os._exit(0)
        else:
            requests.say({"error": {"message": f"unknown request {line[:MESSAGE_LIMIT]!r}"}})
    os._exit(0)
