// What every Node driver shares: the harness's driver protocol, version 1, on stdin and stdout.
//
// `serve({ name, version, open, close, calls, errors })`: `open(servers, settings, hello)` makes the client, which
// all operations share, and may return a promise; `hello` is the whole first line; `calls` holds an async function for each operation, named after it:
//
//     get(key)  gets(key)  get_many(keys)  delete(key)  touch(key, ttl)  gat(key, ttl)
//     set, add, replace, append, prepend(key, value, ttl)  cas(key, value, ttl, token)
//     incr(key, by)  decr(key, by)
//
// Keys are strings, values Buffers. What they throw becomes an error of the class that `errors`
// (pairs of a pattern for the message and a class) or this file knows, or `other`. A value of `hits` may be the Error
// that its key alone met.
'use strict';

const zlib = require('zlib');

const MESSAGE_LIMIT = 200;
const CONNECT_WITHIN_MS = 1000;
const OPERATIONS = ['get', 'get_many', 'gets', 'cas', 'set', 'add', 'replace', 'append', 'prepend',
  'delete', 'touch', 'gat', 'incr', 'decr'];
const STORES = new Set(['set', 'add', 'replace', 'append', 'prepend', 'cas']);
// Error lines of RESP: what was wrong with the request, and what the server would not or could not do.
const RESP_ERRORS = [
  [/^(ERR|WRONGTYPE|EXECABORT|CROSSSLOT)\b/, 'client_error'],
  [/^[A-Z]+ /, 'server_error'],
];
const KNOWN_CODES = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'connect_timeout',
  EHOSTUNREACH: 'no_connection',
  ENETUNREACH: 'no_connection',
  EADDRNOTAVAIL: 'no_connection',
};

// Standard output belongs to the protocol; what clients log goes to standard error.
console.log = console.info = console.debug = console.error;

function say(answer) {
  process.stdout.write(JSON.stringify(answer) + '\n');
}

function base64(value) {
  // What a client made of the bytes is what its callers see.
  return (Buffer.isBuffer(value) ? value : Buffer.from(String(value))).toString('base64');
}

const answers = {
  hit(value, { flags, cas } = {}) {
    if (value === null || value === undefined) return { miss: {} };
    return { hit: { value64: base64(value), flags, cas } };
  },
  hits(keys, found) {
    const one = (value) => {
      if (value === null || value === undefined) return null;
      return value instanceof Error ? value : { value64: base64(value) };
    };
    return { hits: Object.fromEntries(keys.map((key) => [key, one(found[key])])) };
  },
  stored: (done) => (done ? { stored: {} } : { not_stored: {} }),
  deleted: (done) => (done ? { deleted: {} } : { not_found: {} }),
  touched: (done) => (done ? { touched: {} } : { not_found: {} }),
  counted: (value) => (typeof value === 'number' ? { counted: { value } } : { not_found: {} }),
};

// For clients that know one node only: which of them a key goes to. What users build has CRC-32 as often as not.
const placed = (key, count) => zlib.crc32(key) % count;

// One read of many keys for each of the nodes that they are on, by `ask(node, keys)`: a list of values.
async function manyFrom(nodes, keys, ask) {
  const found = {};
  await Promise.all(nodes.map(async (node, number) => {
    const theirs = keys.filter((key) => placed(key, nodes.length) === number);
    if (theirs.length === 0) return;
    const values = await ask(node, theirs).catch((error) => theirs.map(() => error));
    theirs.forEach((key, place) => { found[key] = values[place]; });
  }));
  return answers.hits(keys, found);
}

// Until each client is connected, or for a second: what is asked of it before then may have to wait, or fail, for
// that reason alone.
function connected(clients) {
  const ready = clients.map((client) => new Promise((resolve) => { client.once('ready', resolve); }));
  return Promise.race([Promise.all(ready), new Promise((resolve) => { setTimeout(resolve, CONNECT_WITHIN_MS); })]);
}

// A counter that is not there begins at zero in RESP: below it there was none.
const countedFromZero = (value) => answers.counted(value < 0 ? null : value);

class Refused extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

function key(request) {
  if (typeof request === 'string') return request;
  if (request.key64 === undefined) return request.key;
  const bytes = Buffer.from(request.key64, 'base64');
  const text = bytes.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(bytes)) throw new Refused('client_error', 'keys are text here');
  return text;
}

function call(driver, request) {
  const { op } = request;
  if (!OPERATIONS.includes(op) || !driver.calls[op]) {
    throw new Refused('unsupported', `no operation ${JSON.stringify(op)}`);
  }
  if (request.flags) throw new Refused('unsupported', 'this client cannot set flags');
  if (op === 'get_many') return driver.calls[op](request.keys.map(key));
  const ttl = request.ttl_s ?? 0;
  if (STORES.has(op)) {
    const value = request.value64 === undefined
      ? Buffer.from(request.value) : Buffer.from(request.value64, 'base64');
    return driver.calls[op](key(request), value, ttl, request.cas);
  }
  if (op === 'touch' || op === 'gat') return driver.calls[op](key(request), ttl);
  if (op === 'incr' || op === 'decr') return driver.calls[op](key(request), request.by);
  return driver.calls[op](key(request));
}

// The error's class as reports name it, and the client's own words.
function failed(driver, thrown) {
  const error = Array.isArray(thrown) ? thrown[0] : thrown;
  const message = String((error && error.message) || error).slice(0, MESSAGE_LIMIT);
  const known = driver.errors.find(([pattern]) => pattern.test(message));
  const kind = (error && error.kind) || (known && known[1]) || KNOWN_CODES[error && error.code] || 'other';
  return { class: kind, message: `${(error && error.name) || typeof error}: ${message}` };
}

async function work(driver, request) {
  let answer;
  try {
    answer = await call(driver, request);
    for (const [key, found] of Object.entries(answer.hits ?? {})) {
      if (found instanceof Error) answer.hits[key] = { error: failed(driver, found) };
    }
  } catch (error) {
    answer = { error: failed(driver, error) };
  }
  say({ id: request.id, ...answer });
}

function leave(driver) {
  try {
    driver.close();
  } catch (error) {
    console.error(`close: ${error}`);
  }
  process.stdout.write('{"bye":1}\n', () => process.exit(0));
}

async function greet(driver, hello) {
  if (hello.hello !== 1) throw new Error('the first line must be a hello of version 1');
  await driver.open(hello.servers, hello.settings ?? {}, hello);
  say({
    ready: 1,
    client: driver.name,
    version: driver.version,
    runtime: `Node.js ${process.versions.node}`,
    operations: OPERATIONS.filter((op) => driver.calls[op]),
    cancel: false,
  });
}

function take(driver, line) {
  let request;
  try {
    request = JSON.parse(line);
    if (typeof request !== 'object' || request === null) throw new Error('a request is an object');
  } catch (error) {
    say({ error: { message: `${error.message}: ${line.slice(0, MESSAGE_LIMIT)}` } });
    return;
  }
  if (request.op !== undefined) work(driver, request);
  else if (request.ping !== undefined) say({ pong: request.ping });
  else if (request.bye !== undefined) leave(driver);
  else if (request.cancel === undefined) {
    say({ error: { message: `unknown request ${line.slice(0, MESSAGE_LIMIT)}` } });
  }
}

function serve(driver) {
  let parts = [];
  let greeted = false;
  const handle = (line) => {
    if (greeted) return take(driver, line);
    greeted = true;
    return greet(driver, JSON.parse(line));
  };
  process.stdin.on('data', (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      const line = Buffer.concat(parts).toString('utf8');
      parts = [];
      start = end + 1;
      handle(line);
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  });
  process.stdin.on('end', () => process.exit(0));
}

// The host and the port of a server as the harness names it: an address of IPv6 stands in brackets.
function address(server) {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(server);
  return { host, port: Number(port) };
}

module.exports = { serve, address, connected, placed, manyFrom, countedFromZero, RESP_ERRORS, ...answers };
