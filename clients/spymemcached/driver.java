import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Future;
import net.spy.memcached.AddrUtil;
import net.spy.memcached.CASValue;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.DefaultHashAlgorithm;
import net.spy.memcached.FailureMode;
import net.spy.memcached.MemcachedClient;
import net.spy.memcached.auth.AuthDescriptor;
import net.spy.memcached.auth.PlainCallbackHandler;
import net.spy.memcached.ops.OperationException;

/** spymemcached: one client for all threads, one connection to each node. */
final class Driver implements HarnessDriver.Subject {
    // Debian's package of this version; the archive itself names none.
    private static final String VERSION = "2.12.3";
    private static final long NOT_FOUND = -1;

    private final MemcachedClient client;
    private final Map<String, HarnessDriver.Call> calls = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        HarnessDriver.serve(Driver::new);
    }

    private Driver(List<String> servers, JsonObject settings, JsonObject hello) throws Exception {
        ConnectionFactoryBuilder factory = new ConnectionFactoryBuilder();
        boolean isBinary = settings.has("protocol") && settings.get("protocol").getAsString().equals("BINARY");
        if (hello.has("username")) {
            String user = hello.get("username").getAsString();
            String password = hello.get("password").getAsString();
            factory.setAuthDescriptor(
                    new AuthDescriptor(new String[] {"PLAIN"}, new PlainCallbackHandler(user, password)));
            // SASL is of the binary protocol.
            factory.setProtocol(ConnectionFactoryBuilder.Protocol.BINARY);
            isBinary = true;
        }
        settings.keySet().forEach(name -> set(factory, name, settings.get(name).getAsString()));
        client = new MemcachedClient(factory.build(), AddrUtil.getAddresses(servers));
        calls.put("get", r -> HarnessDriver.hit(bytes(wait(r, client.asyncGet(r.key())))));
        calls.put("get_many", r -> many(r, wait(r, client.asyncGetBulk(r.keys()))));
        calls.put("gets", r -> found(wait(r, client.asyncGets(r.key()))));
        calls.put("cas", r -> switch (wait(r, client.asyncCAS(r.key(), r.cas(), r.ttl(), r.value()))) {
            case OK -> HarnessDriver.answer("stored");
            case EXISTS -> HarnessDriver.answer("exists");
            default -> HarnessDriver.answer("not_found");
        });
        calls.put("set", r -> done(r, client.set(r.key(), r.ttl(), r.value()), "stored", "not_stored"));
        calls.put("add", r -> done(r, client.add(r.key(), r.ttl(), r.value()), "stored", "not_stored"));
        calls.put("replace", r -> done(r, client.replace(r.key(), r.ttl(), r.value()), "stored", "not_stored"));
        calls.put("append", r -> done(r, client.append(r.key(), r.value()), "stored", "not_stored"));
        calls.put("prepend", r -> done(r, client.prepend(r.key(), r.value()), "stored", "not_stored"));
        calls.put("delete", r -> done(r, client.delete(r.key()), "deleted", "not_found"));
        calls.put("touch", r -> done(r, client.touch(r.key(), r.ttl()), "touched", "not_found"));
        if (isBinary) {
            calls.put("gat", r -> found(wait(r, client.asyncGetAndTouch(r.key(), r.ttl()))));
        }
        calls.put("incr", r -> count(wait(r, client.asyncIncr(r.key(), r.by()))));
        calls.put("decr", r -> count(wait(r, client.asyncDecr(r.key(), r.by()))));
    }

    /** The setters of its builder, by their names. */
    private static void set(ConnectionFactoryBuilder factory, String name, String value) {
        switch (name) {
            case "protocol" -> factory.setProtocol(ConnectionFactoryBuilder.Protocol.valueOf(value));
            case "locatorType" -> factory.setLocatorType(ConnectionFactoryBuilder.Locator.valueOf(value));
            case "hashAlg" -> factory.setHashAlg(DefaultHashAlgorithm.valueOf(value));
            case "failureMode" -> factory.setFailureMode(FailureMode.valueOf(value));
            case "opTimeout" -> factory.setOpTimeout(Long.parseLong(value));
            case "maxReconnectDelay" -> factory.setMaxReconnectDelay(Long.parseLong(value));
            case "timeoutExceptionThreshold" -> factory.setTimeoutExceptionThreshold(Integer.parseInt(value));
            default -> throw new IllegalArgumentException("no setting " + name);
        }
    }

    /** What its blocking calls do: they wait for the future as long as the operation's timeout. */
    private <T> T wait(HarnessDriver.Request request, Future<T> future) throws Exception {
        return request.await(future, client.getOperationTimeout());
    }

    private JsonObject done(HarnessDriver.Request request, Future<Boolean> future, String yes, String no)
            throws Exception {
        return HarnessDriver.answer(wait(request, future) ? yes : no);
    }

    private static JsonObject found(CASValue<Object> item) {
        return item == null ? HarnessDriver.hit(null) : HarnessDriver.hit(bytes(item.getValue()), item.getCas());
    }

    private static JsonObject many(HarnessDriver.Request request, Map<String, Object> found) {
        Map<String, byte[]> values = new HashMap<>();
        found.forEach((key, value) -> values.put(key, bytes(value)));
        return HarnessDriver.hits(request.keys(), values);
    }

    private static JsonObject count(long value) {
        return value == NOT_FOUND ? HarnessDriver.answer("not_found") : HarnessDriver.counted(value);
    }

    /** Bytes come back as bytes; what another client stored may come back as text. */
    private static byte[] bytes(Object value) {
        return value == null || value instanceof byte[] ? (byte[]) value
                : value.toString().getBytes(StandardCharsets.UTF_8);
    }

    @Override
    public String name() {
        return "spymemcached";
    }

    @Override
    public String version() {
        return VERSION;
    }

    @Override
    public Map<String, HarnessDriver.Call> calls() {
        return calls;
    }

    @Override
    public String errorClass(Throwable error) {
        if (error instanceof OperationException) {
            return switch (((OperationException) error).getType()) {
                case SERVER -> error.getMessage().contains("too large") ? "too_large" : "server_error";
                case CLIENT -> "client_error";
                default -> "protocol";
            };
        }
        // Its queue of requests is full. What it cancels itself was under way on a connection that closed.
        return error instanceof IllegalStateException && !(error instanceof CancellationException)
                ? "no_connection" : null;
    }

    @Override
    public void close() {
        client.shutdown();
    }
}
