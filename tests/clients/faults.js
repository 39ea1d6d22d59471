// Message faults as applications in Node.js meet them: each client sees the error it should, and never
// another request's answer afterwards. Faults under which these clients never call back are not asked.
//
// usage: faults.js API MEMCACHED
const assert = require("node:assert");
const memjs = require("memjs");
const Memcached = require("memcached");

const [api, server] = process.argv.slice(2);
// What a call comes to, where that is an error with these words.
const error = (words) => ({ error: words });

async function call(method, path, body) {
  const answer = await fetch(`http://${api}${path}`, { method, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert(answer.ok, `${method} ${path}: ${text}`);
  return text ? JSON.parse(text) : null;
}

async function touched(proxy) {
  return (await call("GET", `/proxies/${proxy}/connections`)).touched.fault ?? 0;
}

async function seen(promise) {
  try {
    return await promise;
  } catch (caught) {
    return error(caught.message);
  }
}

// Every row on a client of its own: a fault, the command it hits, what the call must come to, and
// whether the client then holds the server for dead (and sends nothing).
async function story(proxy, make, table) {
  const { listen } = await call("POST", "/proxies", {
    name: proxy,
    listen: "127.0.0.1:0",
    upstream: server,
  });
  for (const [type, attributes, command, expected, dead] of table) {
    const row = `${proxy}: ${type} on ${command}`;
    const client = make(listen);
    const calls = {
      get: () => client.get("k"),
      set: () => client.set("k", "v"),
      add: () => client.add("surely-new", "v"),
    };
    assert.strictEqual(await seen(client.set("k", "value")), true, row);
    const before = await touched(proxy);
    const toxic = { name: "fault", type, attributes: { command, ...attributes } };
    await call("POST", `/proxies/${proxy}/toxics`, toxic);
    assert.deepStrictEqual(await seen(calls[command]()), expected, row);
    assert(await touched(proxy) > before, `${row} never fired`);
    await call("DELETE", `/proxies/${proxy}/toxics/fault`);
    for (let n = 0; n < 3 && !dead; n++) {
      assert.strictEqual(await seen(client.set("k", `after${n}`)), true, row);
      assert.strictEqual(await seen(client.get("k")), `after${n}`, row);
    }
    client.close();
  }
}

// The binary protocol. It logs every error by itself.
function throughMemjs() {
  const make = (address) => {
    const quiet = { log() {} };
    const client = memjs.Client.create(address, { timeout: 30, retries: 0, logger: quiet });
    return {
      get: async (key) => (await client.get(key)).value?.toString() ?? null,
      set: (key, value) => client.set(key, value, {}),
      add: (key, value) => client.add(key, value, {}),
      close: () => client.close(),
    };
  };
  return story("memjs", make, [
    ["memcached_server_error", {}, "set", error("MemJS SET: Out of memory")],
    ["memcached_client_error", {}, "get", error("MemJS GET: Invalid arguments")],
    ["memcached_item_too_large", {}, "set", error("MemJS SET: Value too large")],
    ["memcached_response", { response: "miss" }, "get", null],
    ["memcached_not_stored", {}, "add", error("MemJS ADD: Item not stored")],
  ]);
}

// The text protocol. A SERVER_ERROR is false to it, and the server is dead.
function throughMemcached() {
  const make = (address) => {
    const client = new Memcached(address, { timeout: 30_000, retries: 0 });
    const promised = (method, ...words) =>
      new Promise((resolve, reject) => {
        client[method](...words, (failed, value) =>
          failed ? reject(failed instanceof Error ? failed : new Error(failed)) : resolve(value));
      });
    return {
      get: async (key) => (await promised("get", key)) ?? null,
      set: (key, value) => promised("set", key, value, 0),
      add: (key, value) => promised("add", key, value, 0),
      close: () => client.end(),
    };
  };
  return story("memcached", make, [
    ["memcached_server_error", {}, "set", false, "dead"],
    ["memcached_busy", {}, "get", false, "dead"],
    ["memcached_item_too_large", {}, "set", false, "dead"],
    ["memcached_client_error", {}, "get", error("bad command line format")],
    ["memcached_response", { response: "miss" }, "get", null],
    ["memcached_not_stored", {}, "add", error("Item is not stored")],
  ]);
}

(async () => {
  await throughMemjs();
  await throughMemcached();
  // Their reconnection timers would keep the process alive.
  process.exit(0);
})().catch((failed) => {
  console.error(failed);
  process.exit(1);
});
