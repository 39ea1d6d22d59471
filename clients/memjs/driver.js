// memjs: one client for all operations, one connection to each node.
'use strict';

const harness = require('../lib/harness_driver.js');
const memjs = require('memjs');

// The binary protocol's way of saying that a counter must not be made where there is none; without it
// this client makes one.
const MAKE_NONE = 0xffffffff;

let client;

async function count(change, key, by) {
  try {
    return harness.counted((await client[change](key, by, { expires: MAKE_NONE })).value);
  } catch (error) {
    if (/Key not found/.test(error.message)) return harness.counted(null);
    throw error;
  }
}

// An append to nothing is an error of its own; the other stores answer false.
async function store(call) {
  try {
    return harness.stored(await call);
  } catch (error) {
    if (/not stored/.test(error.message)) return harness.stored(false);
    throw error;
  }
}

const stores = (op) => (key, value, ttl) => store(client[op](key, value, { expires: ttl }));

harness.serve({
  name: 'memjs',
  version: require('memjs/package.json').version,
  open(servers, settings, { username, password }) {
    client = memjs.Client.create(servers.join(','), { username, password, ...settings });
  },
  close: () => client.close(),
  calls: {
    async get(key) {
      const { value, flags } = await client.get(key);
      return harness.hit(value, { flags: flags && flags.length === 4 ? flags.readUInt32BE(0) : undefined });
    },
    set: stores('set'),
    add: stores('add'),
    replace: stores('replace'),
    append: (key, value) => store(client.append(key, value)),
    prepend: (key, value) => store(client.prepend(key, value)),
    delete: async (key) => harness.deleted(await client.delete(key)),
    touch: async (key, ttl) => harness.touched(await client.touch(key, ttl)),
    incr: (key, by) => count('increment', key, by),
    decr: (key, by) => count('decrement', key, by),
  },
  errors: [
    [/authentication failed/, 'unauthenticated'],
    [/timed out connecting/, 'connect_timeout'],
    [/timed out waiting/, 'timeout'],
    [/No servers available/, 'no_connection'],
    [/too large/, 'too_large'],
    [/Invalid arguments|non-numeric|Unknown command/, 'client_error'],
    [/Out of memory|Not supported|Internal error|Busy|Temporary failure/, 'server_error'],
  ],
});
