# The portal of LemonLDAP::NG on a loopback socket. Not for hands: lemonldap.mjs speaks with it over standard input and output.
# Says its port, then starts the portal anew for every line it hears, because only a new process surely reads a new
# configuration. Ends, and takes its workers and its folder along, when standard input closes.
use strict;
use warnings;
use File::Path qw(remove_tree);
use HTTP::Server::PSGI;
use IO::Handle;
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep);

use constant WORKERS => 3;

my ( $port, $folder ) = @ARGV;

# A signal to a whole group would end this process before its workers; the end of standard input is what counts.
$SIG{TERM} = $SIG{INT} = 'IGNORE';
my $listener = IO::Socket::INET->new( Listen => 64, LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp', ReuseAddr => 1 )
  or die "127.0.0.1:$port: $!\n";
STDOUT->autoflush(1);
STDERR->autoflush(1);
print 'port ', $listener->sockport, "\n";

my $group;
while ( defined( my $line = <STDIN> ) ) {
    stop();
    $group = start();
}
stop();
remove_tree($folder);

# The workers are a process group of their own, so that one signal reaches them all.
sub start {
    my $child = fork() // die "fork: $!\n";
    if ( $child == 0 ) {
        setpgrp( 0, 0 );
        $SIG{TERM} = $SIG{INT} = 'DEFAULT';
        close STDIN;
        serve();
        exit 0;
    }
    return $child;
}

sub stop {
    return unless $group;
    # One that has only just begun does not listen to it yet, so that it is told until it has gone.
    until ( waitpid $group, WNOHANG ) {
        kill 'TERM', -$group, $group;
        sleep 0.02;
    }
    undef $group;
}

# Several workers, because each serves one connection at a time and a client may hold one open without a word.
sub serve {
    require Lemonldap::NG::Portal::Main;
    my $app = Lemonldap::NG::Portal::Main->run( {} );
    for ( 2 .. WORKERS ) {
        my $worker = fork() // die "fork: $!\n";
        last if $worker == 0;
    }
    continue {
        print "ready\n" if $_ == WORKERS;
    }
    HTTP::Server::PSGI->new( listen_sock => $listener, timeout => 30 )->run($app);
}
