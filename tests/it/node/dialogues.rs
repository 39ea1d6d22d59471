//! What the node and a real memcached are both asked.

/// Requests whose replies must be memcached's. Each begins with no items.
pub(super) const DIALOGUES: &[&str] = &[
    // storage
    "set a 0 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\nadd b 5 0 1\r\n3\r\nreplace a 7 0 1\r\n4\r\nreplace c 0 0 1\r\n5\r\nget a b c\r\n",
    "set a 3 0 2\r\nmm\r\nappend a 9 0 1\r\n>\r\nprepend a 9 0 1\r\n<\r\nappend z 0 0 1\r\nx\r\nprepend z 0 0 1\r\nx\r\nget a\r\n",
    "set a 0 0 1\r\n1\r\ngets a\r\ncas a 0 0 1 1\r\n2\r\ncas a 0 0 1 0\r\n2\r\ncas b 0 0 1 1\r\n2\r\ncas a 0 0 1\r\ncas a 0 0 1 x\r\n",
    "set a 0 0 0\r\n\r\nget a\r\nset a 0 0 5 noreply\r\nhello\r\nget a\r\nset a 0 0 5 junk\r\nhello\r\nset a 0 0 5 1 2\r\n",
    "set a 0 0 5\r\nhello_world\r\nget a\r\nset a 0 0 5\r\nhi\r\nversion\r\nget a\r\nset a 0 0 5 noreply\r\nhelloXX\r\n",
    "set a x 0 5\r\nhello\r\nset a 0 x 5\r\nhello\r\nset a 0 0 x\r\nset a 0 0 -3\r\nset a 0 0 2147483646\r\nset a 0 0 99999999999999999999\r\n",
    "set a 0 0 +5\r\nhello\r\nset a 0 0 5abc\r\nset a 0 0 4294967297\r\n1\r\nget a\r\nset a 4294967295 0 1\r\n1\r\nget a\r\nset a 4294967296 0 1\r\n1\r\nget a\r\nset a -1 0 1\r\n",
    "set\r\nset a\r\nset a 0 0\r\nset a 0 0 noreply\r\nset a 0 noreply\r\nSET a 0 0 5\r\nhello\r\n",
    "set a\tb 0 0 5\r\nhello\r\nget a\tb\r\nget a\rb\r\r\nset \u{e9} 0 0 1\r\n1\r\nget \u{e9}\r\nget a\0b\r\n",
    "set a 0 0 12\r\nEND\r\nxEND\r\n!\r\nget a\r\nset a 0 0 4\r\n\r\n\r\n\r\nget a\r\n",
    // retrieval
    "get\r\nget \r\ngets\r\ngat\r\ngat 0\r\ngat x a\r\ngats 0 a\r\nbget a\r\nget a a a\r\n GET a\r\n   get   a   \r\n",
    "set a 1 0 1\r\n1\r\nset b 2 0 1\r\n2\r\nget a b a\r\nget c a d b e\r\ngats 100 a b c\r\nmg a t\r\ngat -1 a\r\nget a\r\nbget b\r\n",
    "get noreply\r\ndelete noreply\r\nset noreply 0 0 1\r\n1\r\nget noreply\r\ndelete noreply\r\n",
    // numbers
    "set n 0 0 2\r\n99\r\nincr n 1\r\nget n\r\ndecr n 1\r\nget n\r\nincr n 1\r\nget n\r\ndecr n 1000\r\nget n\r\n",
    "set n 0 0 20\r\n18446744073709551615\r\nincr n 1\r\nget n\r\nincr n 18446744073709551615\r\nincr n 18446744073709551616\r\nincr n -1\r\nincr n x\r\nincr n\r\nincr n 1 2 3\r\nincr n 1 noreply\r\nget n\r\n",
    "set n 0 0 1\r\nx\r\nincr n 1\r\nset n 0 0 0\r\n\r\nincr n 1\r\nset n 0 0 2\r\n-1\r\nincr n 1\r\nset n 0 0 3\r\n5 x\r\nincr n 1\r\nget n\r\nset n 0 0 2\r\n 7\r\ndecr n 1\r\nget n\r\nincr m 1\r\ndecr m 1\r\nincr m noreply\r\n",
    // deletion, touching, flushing
    "set a 0 0 1\r\n1\r\ndelete a\r\ndelete a\r\ndelete a 0\r\ndelete a 10\r\ndelete a 0 noreply\r\ndelete a noreply\r\ndelete a x noreply\r\ndelete a 0 0 0\r\ndelete\r\ndelete a 0 0 noreply\r\n",
    "set a 0 0 1\r\n1\r\ntouch a 100\r\nmg a t\r\ntouch a 0\r\nmg a t\r\ntouch b 0\r\ntouch a x\r\ntouch a\r\ntouch a 0 noreply\r\ntouch a -1\r\nget a\r\ntouch a noreply\r\n",
    "set a 0 0 1\r\n1\r\nflush_all\r\nget a\r\nset a 0 0 1\r\n1\r\nflush_all 100\r\nget a\r\nflush_all noreply\r\nget a\r\nflush_all x\r\nflush_all -5\r\nflush_all 0\r\nflush_all 1 2 3\r\nflush_all noreply noreply\r\nflush_all 0 x\r\n",
    "set a 0 -1 1\r\n1\r\nget a\r\nset a 0 2592000 1\r\n1\r\nget a\r\nset a 0 2592001 1\r\n1\r\nget a\r\nset a 0 2147483647 1\r\n1\r\nget a\r\nset a 0 4294967295 1\r\n1\r\nget a\r\nset a 0 1000000000 1\r\n1\r\nget a\r\n",
    // administration
    "version\r\nversion x\r\nverbosity\r\nverbosity 1\r\nverbosity 1 noreply\r\nverbosity x\r\nverbosity x noreply\r\nverbosity 1 2 3\r\n",
    "cache_memlimit\r\ncache_memlimit 64\r\ncache_memlimit 7\r\ncache_memlimit x\r\ncache_memlimit 64 noreply\r\ncache_memlimit 1000000001\r\n",
    "slabs\r\nslabs reassign 1 2\r\nslabs automove\r\nslabs automove 0\r\nslabs automove 3\r\nslabs automove x\r\nslabs automove ratio\r\nslabs automove ratio 0.8\r\nslabs automove ratio x\r\nslabs automove 1 noreply\r\n",
    "lru\r\nlru x\r\nlru tune 10 25 0.1 2.0\r\nlru tune 50 50 0.1 2.0\r\nlru tune 10 25 0 2.0\r\nlru tune 10 25\r\nlru mode x\r\nlru mode segmented\r\nlru temp_ttl 61\r\nlru temp_ttl -1\r\nlru temp_ttl x\r\nlru mode segmented noreply\r\n",
    "lru_crawler\r\nlru_crawler crawl all\r\nlru_crawler metadump all\r\nlru_crawler mgdump all\r\nlru_crawler sleep 1\r\nlru_crawler sleep 2000000\r\nlru_crawler sleep x\r\nlru_crawler tocrawl 0\r\nlru_crawler tocrawl x\r\nlru_crawler x\r\n",
    "watch\r\nwatch fetchers\r\nshutdown\r\nshutdown graceful\r\nrefresh_certs\r\nmisbehave\r\ndebugtime 1\r\nextstore\r\nextstore x y\r\nfoo\r\nfoo noreply\r\n",
    "stats reset\r\nstats foo\r\nstats detail\r\nstats detail on\r\nstats detail off\r\nstats detail x\r\nstats detail dump\r\nstats extstore\r\nstats sizes\r\n",
    // endings
    "quit\r\nversion\r\n",
    "version\r\nquit now\r\nversion\r\n",
    "x HTTP/1.1\r\nversion\r\n",
    "GET / HTTP/1.1\r\n",
    "get / HTTP/1.1\r\nabc / HTTP/1.1\r\nversion\r\nmz HTTP/\r\n",
    "\u{80}\r\n",
    "\r\n\n   \r\nx\r\nversion\nmn\nmn x\r\n",
    "version",
    // meta
    "mg\r\nmg a\r\nmg a v\r\nmg a q\r\nmg a v k O1 q\r\nmg a k O1\r\nms a 1\r\n1\r\nmg a\r\nmg a q\r\nmg a v\r\nmg a s v k f c t O9 h\r\nmg a h\r\nmg a v v\r\nmg a !\r\nmg a E1\r\n",
    "ms\r\nms a\r\nms a x\r\nms a -1\r\nms a S1\r\nms a 1 q\r\n1\r\nms a 1 q k O1 c\r\n1\r\nms a 1 k O1 c b\r\n1\r\nms YWJj 1 k b c O77\r\n1\r\nmg YWJj b k\r\nmg abc k\r\nme abc\r\nme YWJj b\r\n",
    "ms a 1 MZ\r\n1\r\nms a 1 M\r\n1\r\nms a 1 MEE\r\n1\r\nms a 1 Fx\r\n1\r\nms a 1 Tx\r\n1\r\nms a 1 Cx\r\n1\r\nms a 1 Fx Tx\r\n1\r\nms a 1 Tx Fx\r\n1\r\nms a 1 k k\r\n1\r\nms a 1 !\r\n1\r\nget a\r\n",
    "ms a 2 bad\r\nhix\r\nms a 2 q\r\nhixx\r\nms a 2 O1234567890123456789012345678901\r\nhi\r\nms a 2 O12345678901234567890123456789012\r\nhi\r\nmg a O1234567890123456789012345678901\r\nmg a O12345678901234567890123456789012\r\nmg zz q O12345678901234567890123456789012\r\n",
    "ms a 1 ME\r\n1\r\nms a 1 ME\r\n1\r\nms b 1 MR\r\n1\r\nms a 1 MA\r\n2\r\nms a 1 MP\r\n0\r\nms b 1 MA\r\n1\r\nms a 1 MS\r\n9\r\nms a 1 C1\r\n2\r\nms a 1 MA C1\r\n2\r\nms b 1 C1\r\n2\r\nms a 1 C0\r\n2\r\nmg a v c\r\n",
    "ms a 1 T100 F5\r\n1\r\nmg a t f c\r\nmd a I T30\r\nmg a t c v\r\nmg a t c v\r\nms a 1 I C1 k c\r\n2\r\nmg a v c t\r\nmg a v c t\r\nms a 1 c\r\n3\r\nmg a v t\r\n",
    "mg a N30 v t c\r\nmg a N30 v t\r\nms a 1 T30\r\n1\r\nmg a v\r\nmg a R100 v\r\nmg a R100 v\r\nms b 1 T30\r\n1\r\nmg b R20\r\nmg b T-1\r\nmg b\r\nmg YWJj b N0 k\r\nmg YWJj b k\r\n",
    "md a\r\nmd a q\r\nmd a k O1\r\nms a 1\r\n1\r\nmd a C1\r\nmd a q\r\nmd a k O1 q\r\nmd\r\nmd a x\r\nmd a k k\r\nms a 1 b\r\n1\r\nmd YWJj b k\r\n",
    "ma n\r\nma n q\r\nma n k O1\r\nma n N0 J13 v\r\nma n v\r\nma n D10 v t c k O3\r\nma n MD D100 v\r\nma n q\r\nma n MI\r\nma n M+\r\nma n MX\r\nma n Dx\r\nma n C1\r\nma m N30 q\r\nma m t v\r\nma m T100 t\r\nmg m t v\r\n",
    "set n 0 0 1\r\n9\r\nma n T30 t v\r\nmg n t v\r\nmn\r\nma n MD T30 t v\r\nmg n t v\r\nset n 0 0 1\r\nx\r\nma n\r\nma n q\r\nma YWJj b N0 k v\r\nmg abc v\r\n",
    "me\r\nme a\r\nset a 9 0 5\r\nhello\r\nme a\r\nget a\r\nme a\r\nme a b\r\nme !!!! b\r\nmn\r\nmx a\r\nm\r\nmg YWJ b\r\nmg !!!! b\r\nmg Y!WJj b\r\n",
];
