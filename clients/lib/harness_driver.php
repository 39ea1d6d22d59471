<?php
// What every PHP driver shares: the harness's driver protocol, version 1, on stdin and stdout.
//
// PHP serves one request at a time in each of many processes, and so does this: `concurrency` workers
// with a client each, and a parent that hands them requests and answers pings itself.
//
// A driver is a class whose methods are named after the operations it supports:
//
//     get($key)  gets($key)  get_many($keys)  delete($key)  touch($key, $ttl)  gat($key, $ttl)
//     set, add, replace, append, prepend($key, $value, $ttl)  cas($key, $value, $ttl, $token)
//     incr($key, $by)  decr($key, $by)
//
// They return what Harness::hit, Harness::stored and their like make, and throw a Failure for an error.

final class Failure extends Exception
{
    public function __construct(public readonly string $kind, string $message)
    {
        parent::__construct($message);
    }
}

final class Harness
{
    private const OPERATIONS = ['get', 'get_many', 'gets', 'cas', 'set', 'add', 'replace', 'append',
        'prepend', 'delete', 'touch', 'gat', 'incr', 'decr'];
    private const STORES = ['set', 'add', 'replace', 'append', 'prepend', 'cas'];
    private const READ_SIZE = 1 << 16;
    private const MESSAGE_LIMIT = 200;
    private const JSON = JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE | JSON_FORCE_OBJECT;

    /** @var list<int> the parent's workers */
    private static array $pids = [];

    public static function hit(mixed $value, ?string $cas = null): array
    {
        $found = ['value64' => base64_encode((string) $value)];
        return ['hit' => $cas === null ? $found : $found + ['cas' => $cas]];
    }

    public static function miss(): array { return ['miss' => []]; }

    /** @param array<string, string|Failure|null> $found what was found, and the keys that failed by themselves */
    public static function hits(array $keys, array $found): array
    {
        $one = fn ($value) => match (true) {
            $value === null => null,
            $value instanceof Failure => self::error($value->kind, $value->getMessage()),
            default => self::hit($value)['hit'],
        };
        return ['hits' => array_combine($keys, array_map(fn ($key) => $one($found[$key] ?? null), $keys))];
    }

    public static function stored(bool $done): array { return $done ? ['stored' => []] : ['not_stored' => []]; }
    public static function deleted(bool $done): array { return $done ? ['deleted' => []] : ['not_found' => []]; }
    public static function touched(bool $done): array { return $done ? ['touched' => []] : ['not_found' => []]; }
    public static function counted(int $value): array { return ['counted' => ['value' => $value]]; }
    public static function notFound(): array { return ['not_found' => []]; }

    /** @param callable(array, array, array): object $open makes the driver of servers, settings and the whole first line */
    public static function serve(string $name, string $version, callable $open): never
    {
        ini_set('display_errors', 'stderr');
        ini_set('memory_limit', '-1');
        $hello = json_decode((string) fgets(STDIN), true);
        if (($hello['hello'] ?? 0) !== 1) {
            fwrite(STDERR, "the first line must be a hello of version 1\n");
            exit(1);
        }
        // No worker inherits what the parent has opened: nothing is connected before the fork.
        $make = fn () => $open($hello['servers'], $hello['settings'] ?? [], $hello);
        $operations = self::operations($make());
        $workers = [];
        for ($n = 0; $n < $hello['concurrency']; $n++) {
            $workers[$n] = self::fork($make, $operations, $workers);
        }
        self::say(STDOUT, ['ready' => 1, 'client' => $name, 'version' => $version,
            'runtime' => 'PHP ' . PHP_VERSION, 'operations' => $operations, 'cancel' => false], 0);
        self::route($workers);
    }

    private static function operations(object $calls): array
    {
        $without = property_exists($calls, 'without') ? $calls->without : [];
        $has = fn ($operation) => method_exists($calls, $operation) && !in_array($operation, $without, true);
        return array_values(array_filter(self::OPERATIONS, $has));
    }

    /** A worker's end of the pair that connects it to the parent. */
    private static function fork(callable $make, array $operations, array $others)
    {
        [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $pid = pcntl_fork();
        if ($pid === 0) {
            fclose($ours);
            array_map('fclose', $others);
            self::work($make(), $operations, $theirs);
        }
        fclose($theirs);
        self::$pids[] = $pid;
        return $ours;
    }

    private static function work(object $calls, array $operations, $parent): never
    {
        // Without it a worker that has nothing to do for a minute (default_socket_timeout) reads an end that is none.
        stream_set_timeout($parent, -1);
        while (($line = fgets($parent)) !== false) {
            $request = json_decode($line, true);
            if (!is_array($request)) {
                self::say($parent, ['error' => ['message' => 'no JSON: ' . substr($line, 0, self::MESSAGE_LIMIT)]]);
                continue;
            }
            try {
                $answer = self::call($calls, $operations, $request);
            } catch (Failure $failure) {
                $answer = self::error($failure->kind, $failure->getMessage());
            } catch (Throwable $thrown) {
                $answer = self::error('other', get_class($thrown) . ': ' . $thrown->getMessage());
            }
            self::say($parent, ['id' => $request['id'] ?? null] + $answer);
        }
        exit(0);
    }

    private static function call(object $calls, array $operations, array $request): array
    {
        $operation = $request['op'];
        if (!in_array($operation, $operations, true)) {
            return self::error('unsupported', "no operation $operation");
        }
        if (($request['flags'] ?? 0) !== 0) {
            return self::error('unsupported', 'this driver sets no flags');
        }
        return $calls->$operation(...self::arguments($operation, $request));
    }

    private static function arguments(string $operation, array $request): array
    {
        if ($operation === 'get_many') {
            return [array_map([self::class, 'key'], $request['keys'])];
        }
        $taken = [self::key($request)];
        $ttl = $request['ttl_s'] ?? 0;
        if (in_array($operation, self::STORES, true)) {
            array_push($taken, isset($request['value64']) ? base64_decode($request['value64']) : $request['value'], $ttl);
        }
        return match ($operation) {
            'cas' => [...$taken, $request['cas']],
            'touch', 'gat' => [...$taken, $ttl],
            'incr', 'decr' => [...$taken, $request['by']],
            default => $taken,
        };
    }

    private static function key(string|array $request): string
    {
        if (is_string($request)) {
            return $request;
        }
        return isset($request['key64']) ? base64_decode($request['key64']) : $request['key'];
    }

    private static function error(string $kind, string $message): array
    {
        return ['error' => ['class' => $kind, 'message' => substr($message, 0, self::MESSAGE_LIMIT)]];
    }

    private static function say($to, array $answer, int $json = self::JSON): void
    {
        self::write($to, json_encode($answer, $json) . "\n");
    }

    private static function write($to, string $bytes): void
    {
        for ($done = 0; $done < strlen($bytes); $done += $written) {
            // Silently: without a reader there is nobody to work for.
            $written = @fwrite($to, $done === 0 ? $bytes : substr($bytes, $done));
            if ($written === false) {
                exit(1);
            }
        }
    }

    /** Hands each request to an idle worker and each answer back; the pings are answered here. */
    private static function route(array $workers): never
    {
        stream_set_blocking(STDIN, false);
        $idle = array_keys($workers);
        $waiting = new SplQueue();
        $buffers = array_fill_keys(array_keys($workers), '');
        $buffers['in'] = '';
        while (true) {
            $ready = ['in' => STDIN] + $workers;
            $none = null;
            stream_select($ready, $none, $none, null);
            foreach ($ready as $who => $stream) {
                foreach (self::lines($stream, $buffers[$who]) ?? self::ended($who) as $line) {
                    if ($who !== 'in') {
                        self::write(STDOUT, $line);
                        $idle[] = $who;
                    } elseif (str_contains($line, '"op"')) {
                        $waiting->enqueue($line);
                    } else {
                        self::control($line);
                    }
                }
            }
            while ($idle && !$waiting->isEmpty()) {
                self::write($workers[array_pop($idle)], $waiting->dequeue());
            }
        }
    }

    /** The whole lines that have come, or null at the end. */
    private static function lines($stream, string &$buffer): ?array
    {
        $more = fread($stream, self::READ_SIZE);
        if ($more === false || ($more === '' && feof($stream))) {
            return null;
        }
        $searched = strlen($buffer);
        $buffer .= $more;
        if (strpos($buffer, "\n", $searched) === false) {
            return [];
        }
        $end = strrpos($buffer, "\n") + 1;
        $lines = preg_split('/(?<=\n)/', substr($buffer, 0, $end), -1, PREG_SPLIT_NO_EMPTY);
        $buffer = substr($buffer, $end);
        return $lines;
    }

    /** No more input is a good end; a worker that died is not. */
    private static function ended(string|int $who): never
    {
        if ($who === 'in') {
            self::leave();
        }
        pcntl_wait($status);
        fwrite(STDERR, "a worker died, wait status $status\n");
        exit(1);
    }

    /** Not without the workers: one that hangs in its client would keep the pipes open. */
    private static function leave(): never
    {
        array_map(fn ($pid) => posix_kill($pid, SIGKILL), self::$pids);
        exit(0);
    }

    private static function control(string $line): void
    {
        $request = json_decode($line, true);
        if (isset($request['ping'])) {
            self::say(STDOUT, ['pong' => $request['ping']]);
        } elseif (isset($request['bye'])) {
            self::say(STDOUT, ['bye' => 1]);
            self::leave();
        } elseif (!isset($request['cancel'])) {
            self::say(STDOUT, ['error' => ['message' => 'unknown request ' . substr($line, 0, self::MESSAGE_LIMIT)]]);
        }
    }
}
