<?php
// php-memcached: a Memcached object in each worker process.
require __DIR__ . '/../lib/harness_driver.php';

final class Calls
{
    // libmemcached's results, as far as they have a class of their own.
    private const CLASSES = [
        Memcached::RES_HOST_LOOKUP_FAILURE => 'no_connection',
        Memcached::RES_CONNECTION_FAILURE => 'no_connection',
        Memcached::RES_WRITE_FAILURE => 'reset',
        Memcached::RES_READ_FAILURE => 'closed',
        Memcached::RES_UNKNOWN_READ_FAILURE => 'closed',
        Memcached::RES_PROTOCOL_ERROR => 'protocol',
        Memcached::RES_PARTIAL_READ => 'protocol',
        Memcached::RES_PAYLOAD_FAILURE => 'protocol',
        Memcached::RES_CLIENT_ERROR => 'client_error',
        Memcached::RES_BAD_KEY_PROVIDED => 'client_error',
        Memcached::RES_INVALID_ARGUMENTS => 'client_error',
        Memcached::RES_KEY_TOO_BIG => 'client_error',
        Memcached::RES_SERVER_ERROR => 'server_error',
        Memcached::RES_SERVER_MEMORY_ALLOCATION_FAILURE => 'server_error',
        Memcached::RES_E2BIG => 'too_large',
        Memcached::RES_TIMEOUT => 'timeout',
        Memcached::RES_NO_SERVERS => 'no_connection',
        Memcached::RES_SERVER_MARKED_DEAD => 'no_connection',
        Memcached::RES_SERVER_TEMPORARILY_DISABLED => 'no_connection',
    ];
    private const ECONNREFUSED = 111;
    private const ECONNRESET = 104;

    /** @var list<string> */
    public array $without = [];
    private Memcached $client;

    public function __construct(array $servers, array $settings, array $hello)
    {
        $this->client = new Memcached();
        if (isset($hello['username'])) {
            // SASL is of the binary protocol.
            $this->client->setOption(Memcached::OPT_BINARY_PROTOCOL, true);
            $this->client->setSaslAuthData($hello['username'], $hello['password']);
        }
        foreach ($settings as $option => $value) {
            $value = is_string($value) ? constant("Memcached::$value") : $value;
            $this->client->setOption(constant("Memcached::$option"), $value);
        }
        foreach ($servers as $server) {
            $colon = strrpos($server, ':');
            $this->client->addServer(trim(substr($server, 0, $colon), '[]'), (int) substr($server, $colon + 1));
        }
        if ($this->client->getOption(Memcached::OPT_COMPRESSION)) {
            // It refuses them: what it compressed cannot be added to.
            $this->without = ['append', 'prepend'];
        }
    }

    public function get(string $key): array
    {
        $value = $this->client->get($key);
        return $this->found($value) ? Harness::hit($value) : Harness::miss();
    }

    public function get_many(array $keys): array
    {
        $found = $this->client->getMulti($keys);
        return Harness::hits($keys, $found === false ? $this->fail() : $found);
    }

    public function gets(string $key): array
    {
        $item = $this->client->get($key, null, Memcached::GET_EXTENDED);
        return $this->found($item) ? Harness::hit($item['value'], (string) $item['cas']) : Harness::miss();
    }

    public function cas(string $key, string $value, int $ttl, string $token): array
    {
        if ($this->client->cas($token, $key, $value, $ttl)) {
            return Harness::stored(true);
        }
        return match ($this->client->getResultCode()) {
            Memcached::RES_DATA_EXISTS => ['exists' => []],
            Memcached::RES_NOTFOUND => Harness::notFound(),
            default => $this->fail(),
        };
    }

    public function set(string $key, string $value, int $ttl): array
    {
        return Harness::stored($this->done($this->client->set($key, $value, $ttl)));
    }

    public function add(string $key, string $value, int $ttl): array
    {
        return Harness::stored($this->done($this->client->add($key, $value, $ttl)));
    }

    public function replace(string $key, string $value, int $ttl): array
    {
        return Harness::stored($this->done($this->client->replace($key, $value, $ttl)));
    }

    public function append(string $key, string $value, int $ttl): array
    {
        return Harness::stored($this->done($this->client->append($key, $value)));
    }

    public function prepend(string $key, string $value, int $ttl): array
    {
        return Harness::stored($this->done($this->client->prepend($key, $value)));
    }

    public function delete(string $key): array { return Harness::deleted($this->done($this->client->delete($key))); }

    public function touch(string $key, int $ttl): array
    {
        return Harness::touched($this->done($this->client->touch($key, $ttl)));
    }

    public function incr(string $key, int $by): array { return $this->count($this->client->increment($key, $by)); }
    public function decr(string $key, int $by): array { return $this->count($this->client->decrement($key, $by)); }

    private function count(int|bool $value): array
    {
        if ($value === false && $this->client->getResultCode() === Memcached::RES_SUCCESS) {
            // A counter past 63 bits, which its integers cannot hold.
            throw new Failure('other', 'false, with the result SUCCESS');
        }
        return $this->done($value !== false) ? Harness::counted($value) : Harness::notFound();
    }

    private function found(mixed $value): bool { return $this->done($value !== false); }

    /** Whether it was done; a no of the server's is false, anything else a failure. */
    private function done(bool $success): bool
    {
        if ($success || $this->client->getResultCode() === Memcached::RES_SUCCESS) {
            return true;
        }
        $refusals = [Memcached::RES_NOTFOUND, Memcached::RES_NOTSTORED, Memcached::RES_DATA_EXISTS];
        return in_array($this->client->getResultCode(), $refusals, true) ? false : $this->fail();
    }

    private function fail(): never
    {
        $code = $this->client->getResultCode();
        $kind = match ($this->client->getLastErrorErrno()) {
            self::ECONNREFUSED => 'refused',
            self::ECONNRESET => 'reset',
            default => self::CLASSES[$code] ?? 'other',
        };
        throw new Failure($kind, "result $code: " . $this->client->getResultMessage());
    }
}

$open = fn (array $servers, array $settings, array $hello) => new Calls($servers, $settings, $hello);
Harness::serve('php-memcached', phpversion('memcached'), $open);
