<?php
// phpredis: in each worker process a Redis object for each node. Without a cluster it knows one node only; spreading
// keys over several is left to its callers.
require __DIR__ . '/../lib/harness_driver.php';

/** One node and the object that is connected to it. */
final class Node
{
    private ?Redis $client = null;

    public function __construct(private string $host, private int $port, private array $settings)
    {
    }

    /** One call; connects before it where that has not been done. */
    public function ask(string $command, mixed ...$taken): mixed
    {
        try {
            $client = $this->client ??= $this->connect();
            $client->clearLastError();
            $answer = $client->$command(...$taken);
        } catch (RedisException $thrown) {
            throw new Failure(self::kind($thrown->getMessage()), $thrown->getMessage());
        }
        if ($answer === false && $client->getLastError() !== null) {
            $line = $client->getLastError();
            $refused = preg_match('/^(ERR|WRONGTYPE|EXECABORT|CROSSSLOT)\b/', $line) === 1;
            throw new Failure($refused ? 'client_error' : 'server_error', $line);
        }
        return $answer;
    }

    private function connect(): Redis
    {
        $client = new Redis();
        // Zero is no timeout, for either.
        ['timeout' => $timeout, 'read_timeout' => $reading] = $this->settings + ['timeout' => 0, 'read_timeout' => 0];
        $client->connect($this->host, $this->port, $timeout, null, 0, $reading);
        foreach ($this->settings as $option => $value) {
            if (str_starts_with($option, 'OPT_')) {
                $client->setOption(constant("Redis::$option"), $value);
            }
        }
        return $client;
    }

    /** It has one class for whatever happens to a connection, and tells them apart by its words. */
    private static function kind(string $words): string
    {
        return match (true) {
            str_contains($words, 'refused') => 'refused',
            str_contains($words, 'timed out') => 'connect_timeout',
            str_contains($words, 'LOADING') => 'server_error',
            str_contains($words, 'protocol error') => 'protocol',
            // Also where it was not a timeout but the end of the connection: the words are the same.
            str_contains($words, 'read error') => 'timeout',
            str_contains($words, 'went away'), str_contains($words, 'lost') => 'closed',
            default => 'other',
        };
    }
}

final class Calls
{
    /** @var list<Node> */
    private array $nodes;

    public function __construct(array $servers, array $settings)
    {
        foreach ($servers as $server) {
            $colon = strrpos($server, ':');
            $host = trim(substr($server, 0, $colon), '[]');
            $this->nodes[] = new Node($host, (int) substr($server, $colon + 1), $settings);
        }
    }

    private function number(string $key): int { return crc32($key) % count($this->nodes); }

    private function ask(string $command, string $key, mixed ...$taken): mixed
    {
        return $this->nodes[$this->number($key)]->ask($command, $key, ...$taken);
    }

    public function get(string $key): array
    {
        $value = $this->ask('get', $key);
        return $value === false ? Harness::miss() : Harness::hit($value);
    }

    public function get_many(array $keys): array
    {
        $asked = [];
        foreach ($keys as $key) {
            $asked[$this->number($key)][] = $key;
        }
        $found = [];
        foreach ($asked as $number => $theirs) {
            try {
                $values = $this->nodes[$number]->ask('mget', $theirs);
            } catch (Failure $failure) {
                $values = array_fill(0, count($theirs), $failure);
            }
            $found += array_combine($theirs, $values);
        }
        return Harness::hits($keys, array_filter($found, fn ($value) => $value !== false));
    }

    public function set(string $key, string $value, int $ttl): array { return $this->store($key, $value, $ttl); }
    public function add(string $key, string $value, int $ttl): array { return $this->store($key, $value, $ttl, 'nx'); }
    public function replace(string $key, string $value, int $ttl): array { return $this->store($key, $value, $ttl, 'xx'); }
    public function delete(string $key): array { return Harness::deleted($this->ask('del', $key) === 1); }

    public function touch(string $key, int $ttl): array
    {
        if ($ttl !== 0) {
            return Harness::touched($this->ask('expire', $key, $ttl));
        }
        // PERSIST says the same of a value without an expiry and of none.
        $this->ask('persist', $key);
        return Harness::touched($this->ask('exists', $key) === 1);
    }

    public function incr(string $key, int $by): array { return self::count($this->ask('incrBy', $key, $by)); }
    public function decr(string $key, int $by): array { return self::count($this->ask('decrBy', $key, $by)); }

    private function store(string $key, string $value, int $ttl, string ...$how): array
    {
        return Harness::stored($this->ask('set', $key, $value, $ttl === 0 ? $how : [...$how, 'ex' => $ttl]));
    }

    /** A counter that is not there begins at zero: below it there was none. */
    private static function count(int $value): array
    {
        return $value < 0 ? Harness::notFound() : Harness::counted($value);
    }
}

$open = fn (array $servers, array $settings) => new Calls($servers, $settings);
Harness::serve('phpredis', phpversion('redis'), $open);
