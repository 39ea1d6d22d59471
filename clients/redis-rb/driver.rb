# redis-rb: for each thread a client of each node, as a pool of them gives it. Without a cluster it knows one node
# only; spreading keys over several is left to its callers. With the word `interrupts` behind its name, calls can be
# cancelled.
require_relative '../lib/harness_driver'
require 'redis'
require 'zlib'

class Calls
  # How the line of an error begins that says what was wrong with the request.
  CLIENT_ERRORS = /\A(ERR|WRONGTYPE|EXECABORT|CROSSSLOT)\b/

  def initialize(servers, settings)
    @nodes = servers.map do |server|
      host, _, port = server.rpartition(':')
      Redis.new(host: host.delete('[]'), port: port.to_i, **settings.transform_keys(&:to_sym))
    end
  end

  def node(key) = @nodes[Zlib.crc32(key) % @nodes.size]

  def get(key) = Harness.hit(node(key).get(key))
  def gat(key, ttl) = Harness.hit(reread(key, ttl))

  def get_many(keys)
    found = keys.group_by { |key| node(key) }.map { |asked, theirs| theirs.zip(read_many(asked, theirs)) }
    Harness.hits(keys, found.flatten(1).to_h)
  end

  def set(key, value, ttl) = store(key, value, ttl)
  def add(key, value, ttl) = store(key, value, ttl, nx: true)
  def replace(key, value, ttl) = store(key, value, ttl, xx: true)
  def delete(key) = Harness.deleted(node(key).del(key) == 1)
  # PERSIST says the same of a value without an expiry and of none; a read does not.
  def touch(key, ttl) = Harness.touched(ttl.zero? ? reread(key, 0) : node(key).expire(key, ttl))
  def incr(key, by) = count(node(key).incrby(key, by))
  def decr(key, by) = count(node(key).decrby(key, by))
  def close = @nodes.each(&:close)

  def error_class(error)
    case error
    when Redis::TimeoutError then 'timeout'
    when Redis::CannotConnectError then error.message.include?('Timeout') ? 'connect_timeout' : 'refused'
    when Redis::ConnectionError then error.message.match?(/RESET|PIPE/) ? 'reset' : 'closed'
    when Redis::ProtocolError then 'protocol'
    when Redis::CommandError then error.message.match?(CLIENT_ERRORS) ? 'client_error' : 'server_error'
    end
  end

  private

  def store(key, value, ttl, **how)
    how[:ex] = ttl unless ttl.zero?
    Harness.stored(node(key).set(key, value, **how))
  end

  def reread(key, ttl) = node(key).getex(key, **(ttl.zero? ? { persist: true } : { ex: ttl }))

  # The error is that of each key that was asked for together.
  def read_many(asked, theirs)
    asked.mget(*theirs)
  rescue Redis::BaseError => e
    theirs.map { e }
  end

  # A counter that is not there begins at zero: below it there was none.
  def count(value) = Harness.counted(value.negative? ? nil : value)
end

Harness.serve(Calls, name: 'redis-rb', version: Redis::VERSION, interrupts: ARGV == ['interrupts'])
