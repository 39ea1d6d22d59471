# What every Ruby driver shares: the harness's driver protocol, version 1, on stdin and stdout.
#
# A driver is a class whose methods are named after the operations it supports:
#
#   get(key)  gets(key)  get_many(keys)  delete(key)  touch(key, ttl)  gat(key, ttl)
#   set, add, replace, append, prepend(key, value, ttl)  cas(key, value, ttl, token)
#   incr(key, by)  decr(key, by)
#
# They return what Harness.hit, Harness.stored and their like make. An exception becomes an error of
# the class that the driver's `error_class` or this file knows, or `other`.
require 'json'
require 'socket'
require 'timeout'

module Harness
  class Cancelled < Exception; end

  OPERATIONS = %w[get get_many gets cas set add replace append prepend delete touch gat incr decr].freeze
  STORES = %w[set add replace append prepend cas].freeze
  MESSAGE_LIMIT = 200
  CLOSE_WITHIN_S = 1
  KNOWN_ERRORS = {
    Errno::ECONNREFUSED => 'refused', Errno::ECONNRESET => 'reset', Errno::EPIPE => 'reset',
    Errno::ETIMEDOUT => 'connect_timeout', EOFError => 'closed', Timeout::Error => 'timeout',
    ArgumentError => 'client_error'
  }.freeze

  class << self
    def hit(value, cas: nil)
      return { miss: {} } if value.nil?

      found = { value64: [value.to_s].pack('m0') }
      found[:cas] = cas.to_s if cas
      { hit: found }
    end

    def hits(keys, found)
      { hits: keys.to_h { |key| [key, one(found[key])] } }
    end

    # A value, nothing, or the exception that this key alone met.
    def one(value) = value.is_a?(Exception) ? value : hit(value)[:hit]

    def stored(done) = done ? { stored: {} } : { not_stored: {} }
    def deleted(done) = done ? { deleted: {} } : { not_found: {} }
    def touched(done) = done ? { touched: {} } : { not_found: {} }
    def counted(value) = value ? { counted: { value: value } } : { not_found: {} }

    # The user name and the password that the nodes ask for, by these names; neither where they ask for none.
    attr_reader :account

    # Runs a blocking client: `concurrency` threads with a client each. With `interrupts`, calls can be cancelled as
    # Timeout does it: something that is no StandardError is raised where the call waits, and the thread goes on.
    def serve(kind, name:, version:, interrupts: false)
      $stdout.binmode
      @saying, @choosing, @running, @interrupts = Mutex.new, Mutex.new, {}, interrupts
      hello = JSON.parse($stdin.gets || exit!(0))
      abort 'the first line must be a hello of version 1' unless hello['hello'] == 1
      @account = hello.slice('username', 'password').transform_keys(&:to_sym)
      waiting = Queue.new
      opened = Array.new(hello['concurrency']) { kind.new(hello['servers'], hello['settings'] || {}) }
      opened.each { |calls| Thread.new { loop { work(calls, waiting.pop) } } }
      @operations = OPERATIONS.select { |operation| opened[0].respond_to?(operation) }
      say(ready: 1, client: name, version: version, runtime: "#{RUBY_ENGINE} #{RUBY_VERSION}",
          operations: @operations, cancel: interrupts)
      $stdin.each_line { |line| take(line, waiting, opened) }
      exit!(0)
    end

    private

    def say(answer)
      line = JSON.generate(answer) << "\n"
      @saying.synchronize { $stdout.write(line); $stdout.flush }
    end

    def take(line, waiting, opened)
      request = JSON.parse(line)
      raise JSON::ParserError, 'a request is an object' unless request.is_a?(Hash)

      if request.key?('op')
        @choosing.synchronize { @running[request['id']] = :waiting } if @interrupts
        waiting << request
      elsif request.key?('ping') then say(pong: request['ping'])
      elsif request.key?('bye') then leave(opened)
      elsif request.key?('cancel') then cancel(request['cancel'])
      else say(error: { message: "unknown request #{line[0, MESSAGE_LIMIT]}" })
      end
    rescue JSON::ParserError => e
      say(error: { message: e.message.scrub[0, MESSAGE_LIMIT] })
    end

    # `bye`: the clients are closed, within a bound, since calls may hang in them.
    def leave(opened)
      Thread.new { opened.each(&:close) }.join(CLOSE_WITHIN_S)
      say(bye: 1)
      exit!(0)
    end

    def work(calls, request)
      say({ id: request['id'] }.merge(@interrupts ? perform(calls, request) : answer(calls, request)))
    end

    def answer(calls, request)
      found = call(calls, request)
      found[:hits]&.transform_values! { |value| value.is_a?(Exception) ? failed(calls, value) : value }
      found
    rescue StandardError => e
      failed(calls, e)
    end

    def failed(calls, error) = { error: { class: error_class(calls, error), message: words(error) } }

    # A cancel is raised inside the call and nowhere else; one that came too late for that is dropped, and a call
    # that no thread has taken up is not begun.
    def perform(calls, request)
      Thread.handle_interrupt(Cancelled => :never) do
        @choosing.synchronize do
          return { cancelled: {} } if @running.delete(request['id']) == :cancelled

          @running[request['id']] = Thread.current
        end
        found = interruptible { answer(calls, request) }
        @choosing.synchronize { @running.delete(request['id']) }
        interruptible { nil }
        found
      end
    end

    def interruptible(&)
      Thread.handle_interrupt(Cancelled => :immediate, &)
    rescue Cancelled
      { cancelled: {} }
    end

    def cancel(number)
      @choosing.synchronize do
        case @running[number]
        when Thread then @running[number].raise(Cancelled)
        when :waiting then @running[number] = :cancelled
        end
      end
    end

    def words(error)
      "#{error.class}: #{error.message}".dup.force_encoding('UTF-8').scrub[0, MESSAGE_LIMIT]
    end

    def call(calls, request)
      operation = request['op']
      return unsupported("no operation #{operation}") unless @operations.include?(operation)
      return unsupported('this client cannot set flags') if (request['flags'] || 0) != 0

      calls.public_send(operation, *arguments(operation, request))
    end

    def arguments(operation, request)
      return [request['keys'].map { |key| key_of(key) }] if operation == 'get_many'

      taken = [key_of(request)]
      ttl = request['ttl_s'] || 0
      taken.push(value_of(request), ttl) if STORES.include?(operation)
      taken << Integer(request['cas']) if operation == 'cas'
      taken << ttl if %w[touch gat].include?(operation)
      taken << request['by'] if %w[incr decr].include?(operation)
      taken
    end

    def key_of(request)
      return request if request.is_a?(String)

      request['key64'] ? request['key64'].unpack1('m0') : request['key']
    end

    def value_of(request)
      request['value64'] ? request['value64'].unpack1('m0') : request['value']
    end

    def unsupported(message) = { error: { class: 'unsupported', message: message } }

    def error_class(calls, error)
      calls.error_class(error) || KNOWN_ERRORS.find { |kind, _| error.is_a?(kind) }&.last || 'other'
    end
  end
end
