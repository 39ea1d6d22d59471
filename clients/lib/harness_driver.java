import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * What every Java driver shares: the harness's driver protocol, version 1, on standard input and output.
 *
 * <p>A driver is a {@link Subject}: for each operation that it supports a {@link Call}, which asks the client
 * and makes an answer of what it returned. Calls run on as many threads as there may be operations under
 * way. Those that wait in {@link Request#await} can be cancelled.
 */
final class HarnessDriver {
    private static final int MESSAGE_LIMIT = 200;
    private static final List<String> OPERATIONS = List.of("get", "get_many", "gets", "cas", "set", "add",
            "replace", "append", "prepend", "delete", "touch", "gat", "incr", "decr");

    interface Call {
        JsonObject of(Request request) throws Exception;
    }

    interface Subject {
        String name();

        String version();

        Map<String, Call> calls();

        /** The class of an error as reports name it, or null. */
        String errorClass(Throwable error);

        void close();
    }

    interface Opener {
        /** Of the servers, the settings and the whole first line. */
        Subject open(List<String> servers, JsonObject settings, JsonObject hello) throws Exception;
    }

    /** One request, and the future that it waits for. */
    static final class Request {
        private final JsonObject json;
        private volatile Future<?> awaited;
        private volatile boolean cancelled;

        Request(JsonObject json) {
            this.json = json;
        }

        String key() {
            return keyOf(json);
        }

        List<String> keys() {
            List<String> keys = new ArrayList<>();
            json.getAsJsonArray("keys").forEach(key ->
                    keys.add(key.isJsonObject() ? keyOf(key.getAsJsonObject()) : key.getAsString()));
            return keys;
        }

        byte[] value() {
            return json.has("value64") ? Base64.getDecoder().decode(json.get("value64").getAsString())
                    : json.get("value").getAsString().getBytes(StandardCharsets.UTF_8);
        }

        int ttl() {
            return json.has("ttl_s") ? json.get("ttl_s").getAsInt() : 0;
        }

        long by() {
            return json.get("by").getAsLong();
        }

        long cas() {
            return json.get("cas").getAsLong();
        }

        /** Waits as a caller of the client does, and can be cancelled meanwhile. */
        <T> T await(Future<T> future, long timeoutMs) throws Exception {
            awaited = future;
            if (cancelled) {
                future.cancel(true);
            }
            return future.get(timeoutMs, TimeUnit.MILLISECONDS);
        }

        void cancel() {
            cancelled = true;
            if (awaited != null) {
                awaited.cancel(true);
            }
        }

        private static String keyOf(JsonObject json) {
            return json.has("key64")
                    ? new String(Base64.getDecoder().decode(json.get("key64").getAsString()), StandardCharsets.UTF_8)
                    : json.get("key").getAsString();
        }
    }

    static JsonObject answer(String name) {
        return answer(name, new JsonObject());
    }

    static JsonObject answer(String name, JsonElement content) {
        JsonObject answer = new JsonObject();
        answer.add(name, content);
        return answer;
    }

    static JsonObject hit(byte[] value) {
        return value == null ? answer("miss") : answer("hit", value64(value));
    }

    static JsonObject hit(byte[] value, long cas) {
        JsonObject hit = hit(value);
        hit.getAsJsonObject("hit").addProperty("cas", Long.toString(cas));
        return hit;
    }

    static JsonObject hits(List<String> keys, Map<String, byte[]> found) {
        JsonObject hits = new JsonObject();
        keys.forEach(key -> hits.add(key, found.get(key) == null ? null : value64(found.get(key))));
        return answer("hits", hits);
    }

    static JsonObject counted(long value) {
        JsonObject counted = new JsonObject();
        counted.addProperty("value", value);
        return answer("counted", counted);
    }

    private static JsonObject value64(byte[] value) {
        JsonObject object = new JsonObject();
        object.addProperty("value64", Base64.getEncoder().encodeToString(value));
        return object;
    }

    private static JsonObject error(String kind, String message) {
        JsonObject error = new JsonObject();
        error.addProperty("class", kind);
        error.addProperty("message", message.substring(0, Math.min(message.length(), MESSAGE_LIMIT)));
        return answer("error", error);
    }

    // Standard output belongs to the protocol; what clients print goes to standard error.
    private final PrintStream out = System.out;
    private final Map<Long, Request> running = new ConcurrentHashMap<>();
    private Subject subject;

    static void serve(Opener opener) throws Exception {
        new HarnessDriver().run(opener);
    }

    private void run(Opener opener) throws Exception {
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8), 1 << 16);
        String line = in.readLine();
        if (line == null) {
            System.exit(0);
        }
        JsonObject hello = JsonParser.parseString(line).getAsJsonObject();
        if (!hello.has("hello") || hello.get("hello").getAsInt() != 1) {
            throw new IOException("the first line must be a hello of version 1");
        }
        List<String> servers = new ArrayList<>();
        hello.getAsJsonArray("servers").forEach(server -> servers.add(server.getAsString()));
        JsonObject settings = hello.has("settings") ? hello.getAsJsonObject("settings") : new JsonObject();
        subject = opener.open(servers, settings, hello);
        ExecutorService threads = Executors.newFixedThreadPool(hello.get("concurrency").getAsInt());
        ready();
        while ((line = in.readLine()) != null) {
            take(line, threads);
        }
        System.exit(0);
    }

    private void ready() {
        JsonObject ready = new JsonObject();
        ready.addProperty("ready", 1);
        ready.addProperty("client", subject.name());
        ready.addProperty("version", subject.version());
        ready.addProperty("runtime", "Java " + System.getProperty("java.version"));
        JsonArray operations = new JsonArray();
        OPERATIONS.stream().filter(subject.calls()::containsKey).forEach(operations::add);
        ready.add("operations", operations);
        ready.addProperty("cancel", true);
        say(ready);
    }

    private void say(JsonObject answer) {
        byte[] line = (answer + "\n").getBytes(StandardCharsets.UTF_8);
        synchronized (out) {
            out.write(line, 0, line.length);
            out.flush();
        }
    }

    private void take(String line, ExecutorService threads) {
        JsonObject json;
        try {
            json = JsonParser.parseString(line).getAsJsonObject();
        } catch (JsonParseException | IllegalStateException notJson) {
            complain(notJson.getMessage());
            return;
        }
        if (json.has("op")) {
            Request request = new Request(json);
            running.put(json.get("id").getAsLong(), request);
            threads.execute(() -> work(request));
        } else if (json.has("ping")) {
            say(answer("pong", json.get("ping")));
        } else if (json.has("cancel")) {
            Request request = running.get(json.get("cancel").getAsLong());
            if (request != null) {
                request.cancel();
            }
        } else if (json.has("bye")) {
            subject.close();
            say(answer("bye", json.get("bye")));
            System.exit(0);
        } else {
            complain("unknown request " + line);
        }
    }

    private void complain(String message) {
        JsonObject error = new JsonObject();
        error.addProperty("message", message.substring(0, Math.min(message.length(), MESSAGE_LIMIT)));
        say(answer("error", error));
    }

    private void work(Request request) {
        JsonObject answer;
        try {
            answer = call(request);
        } catch (Throwable error) {
            answer = request.cancelled ? answer("cancelled") : failed(error);
        }
        running.remove(request.json.get("id").getAsLong());
        answer.add("id", request.json.get("id"));
        say(answer);
    }

    private JsonObject call(Request request) throws Exception {
        String operation = request.json.get("op").getAsString();
        Call call = subject.calls().get(operation);
        if (call == null) {
            return error("unsupported", "no operation " + operation);
        }
        if (request.json.has("flags") && request.json.get("flags").getAsLong() != 0) {
            return error("unsupported", "this client cannot set flags");
        }
        return call.of(request);
    }

    private JsonObject failed(Throwable thrown) {
        Throwable error = thrown instanceof ExecutionException && thrown.getCause() != null ? thrown.getCause() : thrown;
        String kind = subject.errorClass(error);
        if (kind == null) {
            kind = error instanceof TimeoutException ? "timeout"
                    : error instanceof CancellationException ? "closed"
                    : error instanceof IllegalArgumentException ? "client_error" : "other";
        }
        return error(kind, error.getClass().getSimpleName() + ": " + error.getMessage());
    }
}
