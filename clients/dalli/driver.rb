# dalli: a client for each thread, as a pool of them gives it. Values are stored raw, as bytes:
# counters and appends need it. With the word `interrupts` behind its name, calls can be cancelled.
require_relative '../lib/harness_driver'
require 'dalli'
require 'logger'

# Its own default writes to standard output, which belongs to the protocol.
Dalli.logger = Logger.new($stderr, level: Logger::INFO)

class Calls
  RAW = { raw: true }.freeze

  def initialize(servers, settings)
    @client = Dalli::Client.new(servers, settings.transform_keys(&:to_sym).merge(Harness.account))
  end

  def get(key) = Harness.hit(@client.get(key))
  def get_many(keys) = Harness.hits(keys, @client.get_multi(*keys))

  def gets(key)
    value, token = @client.get_cas(key)
    Harness.hit(value, cas: token)
  end

  # Its answer is a new token or something false, for a changed value as for a missing one.
  def cas(key, value, ttl, token)
    @client.set_cas(key, value, token, ttl, RAW) ? { stored: {} } : { exists: {} }
  end

  def set(key, value, ttl) = Harness.stored(@client.set(key, value, ttl, RAW))
  def add(key, value, ttl) = Harness.stored(@client.add(key, value, ttl, RAW))
  def replace(key, value, ttl) = Harness.stored(@client.replace(key, value, ttl, RAW))
  def append(key, value, _ttl) = Harness.stored(@client.append(key, value))
  def prepend(key, value, _ttl) = Harness.stored(@client.prepend(key, value))
  def delete(key) = Harness.deleted(@client.delete(key))
  def touch(key, ttl) = Harness.touched(@client.touch(key, ttl))
  def gat(key, ttl) = Harness.hit(@client.gat(key, ttl))
  def incr(key, by) = Harness.counted(@client.incr(key, by))
  def decr(key, by) = Harness.counted(@client.decr(key, by))
  def close = @client.close

  def error_class(error)
    case error
    when Dalli::RingError then 'no_connection'
    when Dalli::ValueOverMaxSize then 'too_large'
    when Dalli::UnmarshalError, Dalli::MarshalError then 'protocol'
    when Dalli::NetworkError then error.message.include?('Timeout') ? 'timeout' : 'closed'
    when Dalli::DalliError then status_class(error.message)
    end
  end

  # It names the status of a reply that it found unfit in its message.
  def status_class(message)
    case message
    when /authenticating|error 32:/ then 'unauthenticated'
    when /error 3:/ then 'too_large'
    when /error (4|6|129):/ then 'client_error'
    when /error (130|131|132|133|134):/ then 'server_error'
    else 'protocol'
    end
  end
end

Harness.serve(Calls, name: 'dalli', version: Dalli::VERSION, interrupts: ARGV == ['interrupts'])
