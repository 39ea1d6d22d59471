package HarnessDriver;

# What every Perl driver shares: the harness's driver protocol, version 1, on stdin and stdout.
#
# Perl serves one request at a time in each of many processes, and so does this: `concurrency` workers
# with a client each, and a parent that hands them requests and answers pings itself.
#
# A driver is a package with `new(servers, settings)` and methods named after the operations it supports:
#
#   get(key)  gets(key)  get_many(keys)  delete(key)  touch(key, ttl)  gat(key, ttl)
#   set, add, replace, append, prepend(key, value, ttl)  cas(key, value, ttl, token)
#   incr(key, by)  decr(key, by)
#
# They return what hit, stored and their like make, and die with failure(class, message) for an error.

use strict;
use warnings;
use Exporter 'import';
use IO::Select;
use MIME::Base64 qw(encode_base64 decode_base64);
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);

our @EXPORT_OK = qw(hit hits stored deleted touched counted failure serve);

# The fast one where it is installed; the other comes with Perl.
my $JSON_CLASS = eval { require JSON::XS; 'JSON::XS' } || do { require JSON::PP; 'JSON::PP' };
my $json = $JSON_CLASS->new->utf8;

my @OPERATIONS = qw(get get_many gets cas set add replace append prepend delete touch gat incr decr);
my %STORES = map { $_ => 1 } qw(set add replace append prepend cas);
my $READ_SIZE = 1 << 16;
my $MESSAGE_LIMIT = 200;

sub hit {
    my ($value, $cas) = @_;
    return { miss => {} } unless defined $value;
    my %found = (value64 => encode_base64($value, ''));
    $found{cas} = "$cas" if defined $cas;
    return { hit => \%found };
}

sub hits {
    my ($keys, $found) = @_;
    return { hits => { map { $_ => defined $found->{$_} ? hit($found->{$_})->{hit} : undef } @$keys } };
}

sub stored  { return $_[0] ? { stored  => {} } : { not_stored => {} } }
sub deleted { return $_[0] ? { deleted => {} } : { not_found  => {} } }
sub touched { return $_[0] ? { touched => {} } : { not_found  => {} } }
sub counted { return $_[0] ? { counted => { value => $_[0] + 0 } } : { not_found => {} } }
sub failure { my ($class, $message) = @_; return { class => $class, message => $message } }

sub serve {
    my ($package, $name, $version) = @_;
    binmode $_ for \*STDIN, \*STDOUT;
    my $hello = $json->decode(scalar(readline STDIN) // exit 0);
    die "the first line must be a hello of version 1\n" unless ($hello->{hello} // 0) == 1;
    my @operations = grep { $package->can($_) } @OPERATIONS;
    my $new = sub { $package->new($hello->{servers}, $hello->{settings} // {}) };
    my @workers;
    push @workers, start_worker($new, \@operations, @workers) for 1 .. $hello->{concurrency};
    say_to(\*STDOUT, {
        ready => 1, client => $name, version => "$version", runtime => sprintf('Perl %vd', $^V),
        operations => \@operations, cancel => $JSON_CLASS->can('false')->(),
    });
    route(@workers);
}

# A worker's end of the pair that connects it to the parent.
sub start_worker {
    my ($new, $operations, @others) = @_;
    socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die "socketpair: $!";
    my $pid = fork() // die "fork: $!";
    if ($pid) {
        close $theirs;
        return $ours;
    }
    close $_ for $ours, @others;
    my $calls = $new->();
    while (defined(my $line = readline $theirs)) {
        say_to($theirs, answer_to($calls, $operations, $line));
    }
    exit 0;
}

sub answer_to {
    my ($calls, $operations, $line) = @_;
    my $request = eval { $json->decode($line) };
    return { error => { message => 'no JSON: ' . substr($line, 0, $MESSAGE_LIMIT) } }
        unless ref $request eq 'HASH';
    my $answer = eval { call($calls, $operations, $request) };
    $answer //= { error => ref $@ eq 'HASH' ? $@ : failure('other', "$@") };
    return { id => $request->{id}, %$answer };
}

sub call {
    my ($calls, $operations, $request) = @_;
    my $operation = $request->{op};
    die failure('unsupported', "no operation $operation") unless grep { $_ eq $operation } @$operations;
    die failure('unsupported', 'this client cannot set flags') if $request->{flags};
    return $calls->$operation(arguments($operation, $request));
}

sub arguments {
    my ($operation, $request) = @_;
    return [map { key_of($_) } @{ $request->{keys} }] if $operation eq 'get_many';
    my @taken = key_of($request);
    my $ttl = $request->{ttl_s} // 0;
    push @taken, value_of($request), $ttl if $STORES{$operation};
    push @taken, $request->{cas} if $operation eq 'cas';
    push @taken, $ttl if $operation eq 'touch' || $operation eq 'gat';
    push @taken, $request->{by} if $operation eq 'incr' || $operation eq 'decr';
    return @taken;
}

# Bytes: without this, what came as text would be stored by its characters.
sub bytes { my ($text) = @_; utf8::encode($text); return $text }

sub key_of {
    my ($request) = @_;
    return bytes($request) unless ref $request;
    return defined $request->{key64} ? decode_base64($request->{key64}) : bytes($request->{key});
}

sub value_of {
    my ($request) = @_;
    return defined $request->{value64} ? decode_base64($request->{value64}) : bytes($request->{value});
}

sub say_to {
    my ($to, $answer) = @_;
    return write_all($to, $json->encode($answer) . "\n");
}

sub write_all {
    my ($to, $bytes) = @_;
    for (my $done = 0; $done < length $bytes;) {
        $done += syswrite($to, $bytes, length($bytes) - $done, $done) // exit 1;
    }
    return;
}

# Hands each request to an idle worker and each answer back; the pings are answered here.
sub route {
    my (@workers) = @_;
    my $readable = IO::Select->new(\*STDIN, @workers);
    my (@idle, @waiting, %buffers);
    @idle = @workers;
    while (1) {
        for my $stream ($readable->can_read) {
            my $is_input = fileno $stream == fileno STDIN;
            my $lines = read_lines($stream, \$buffers{ fileno $stream }) // ended($is_input);
            for my $line (@$lines) {
                if    (!$is_input)               { write_all(\*STDOUT, $line); push @idle, $stream }
                elsif (index($line, '"op"') >= 0) { push @waiting, $line }
                else                             { control($line) }
            }
        }
        write_all(pop @idle, shift @waiting) while @idle && @waiting;
    }
}

# The whole lines that have come, or undef at the end.
sub read_lines {
    my ($stream, $buffer) = @_;
    $$buffer //= '';
    my $searched = length $$buffer;
    sysread($stream, $$buffer, $READ_SIZE, $searched) or return undef;
    return [] if index($$buffer, "\n", $searched) < 0;
    my $end = rindex($$buffer, "\n") + 1;
    my @lines = split /(?<=\n)/, substr($$buffer, 0, $end);
    $$buffer = substr($$buffer, $end);
    return \@lines;
}

# No more input is a good end; a worker that died is not.
sub ended {
    my ($is_input) = @_;
    exit 0 if $is_input;
    wait;
    print STDERR "a worker died, wait status $?\n";
    exit 1;
}

sub control {
    my ($line) = @_;
    my $request = eval { $json->decode($line) };
    if (ref $request ne 'HASH') {
        say_to(\*STDOUT, { error => { message => 'no JSON: ' . substr($line, 0, $MESSAGE_LIMIT) } });
    } elsif (defined $request->{ping}) {
        say_to(\*STDOUT, { pong => $request->{ping} });
    } elsif (defined $request->{bye}) {
        say_to(\*STDOUT, { bye => 1 });
        exit 0;
    } elsif (!defined $request->{cancel}) {
        say_to(\*STDOUT, { error => { message => 'unknown request ' . substr($line, 0, $MESSAGE_LIMIT) } });
    }
    return;
}

1;
