# Cache::Memcached::Fast: a client in each worker process.
#
# A read that failed returns nothing, as a miss does, and is answered so. Other calls return undef "in
# case of some error" and something false but defined for a no, so these errors can be told.

package Calls;

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cache::Memcached::Fast;
use HarnessDriver qw(hit hits stored deleted touched counted failure serve);

sub new {
    my ($class, $servers, $settings) = @_;
    return bless { client => Cache::Memcached::Fast->new({ servers => $servers, %$settings }) }, $class;
}

sub known {
    my ($done) = @_;
    die failure('other', 'undef, its sign of an error that it does not name') unless defined $done;
    return $done;
}

sub get { my ($self, $key) = @_; return hit(scalar $self->{client}->get($key)) }

sub get_many { my ($self, $keys) = @_; return hits($keys, $self->{client}->get_multi(@$keys)) }

sub gets {
    my ($self, $key) = @_;
    my ($cas, $value) = @{ $self->{client}->gets($key) // [] };
    return hit($value, $cas);
}

# It answers false to both a changed and a missing key.
sub cas {
    my ($self, $key, $value, $ttl, $token) = @_;
    my $done = known(scalar $self->{client}->cas($key, $token, $value, $ttl));
    return $done ? stored(1) : { exists => {} };
}

sub set     { my ($self, @taken) = @_; return stored(known(scalar $self->{client}->set(@taken))) }
sub add     { my ($self, @taken) = @_; return stored(known(scalar $self->{client}->add(@taken))) }
sub replace { my ($self, @taken) = @_; return stored(known(scalar $self->{client}->replace(@taken))) }

sub append {
    my ($self, $key, $value) = @_;
    return stored(known(scalar $self->{client}->append($key, $value)));
}

sub prepend {
    my ($self, $key, $value) = @_;
    return stored(known(scalar $self->{client}->prepend($key, $value)));
}

sub delete { my ($self, $key) = @_; return deleted(known(scalar $self->{client}->delete($key))) }
sub touch  { my ($self, @taken) = @_; return touched(known(scalar $self->{client}->touch(@taken))) }
sub gat    { my ($self, $key, $ttl) = @_; return hit(scalar $self->{client}->gat($ttl, $key)) }
sub incr   { my ($self, @taken) = @_; return counted(known(scalar $self->{client}->incr(@taken))) }
sub decr   { my ($self, @taken) = @_; return counted(known(scalar $self->{client}->decr(@taken))) }

serve(__PACKAGE__, 'Cache::Memcached::Fast', $Cache::Memcached::Fast::VERSION);
