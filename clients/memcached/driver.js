// memcached (npm): one client for all operations, a pool of connections to each node.
'use strict';

const { promisify } = require('util');
const harness = require('../lib/harness_driver.js');
const Memcached = require('memcached');

let client;
const call = (op, ...taken) => promisify(client[op]).apply(client, taken);

async function store(...taken) {
  try {
    return harness.stored(await call(...taken));
  } catch (error) {
    if (error.notStored) return harness.stored(false);
    throw error;
  }
}

harness.serve({
  name: 'memcached (npm)',
  version: require('memcached/package.json').version,
  open(servers, settings) {
    client = new Memcached(servers, settings);
  },
  close: () => client.end(),
  calls: {
    get: async (key) => harness.hit(await call('get', key)),
    get_many: async (keys) => harness.hits(keys, await call('getMulti', keys)),
    async gets(key) {
      const found = await call('gets', key);
      return found ? harness.hit(found[key], { cas: found.cas }) : harness.hit(null);
    },
    // It answers false to both a changed and a missing key.
    async cas(key, value, ttl, token) {
      return (await call('cas', key, value, token, ttl)) ? { stored: {} } : { exists: {} };
    },
    set: (key, value, ttl) => store('set', key, value, ttl),
    add: (key, value, ttl) => store('add', key, value, ttl),
    replace: (key, value, ttl) => store('replace', key, value, ttl),
    append: (key, value) => store('append', key, value),
    prepend: (key, value) => store('prepend', key, value),
    delete: async (key) => harness.deleted(await call('del', key)),
    touch: async (key, ttl) => harness.touched(await call('touch', key, ttl)),
    incr: async (key, by) => harness.counted(await call('incr', key, by)),
    decr: async (key, by) => harness.counted(await call('decr', key, by)),
  },
  errors: [
    [/ECONNREFUSED/, 'refused'],
    [/ECONNRESET|EPIPE/, 'reset'],
    [/not available|Unable to connect|readyState|Unable to allocate/, 'no_connection'],
    [/[Tt]imed? ?out/, 'connect_timeout'],
    [/length of the value/, 'too_large'],
    [/Unknown response/, 'protocol'],
    [/^Argument|whitespace|ERROR response|non-numeric|bad|invalid|too long/, 'client_error'],
  ],
});
