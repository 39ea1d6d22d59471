//! The commands of memcached, whichever dialect they are said in.

use std::fmt;

/// How a command is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Classic text.
    Text,
    /// Meta: two-letter commands on the same lines as classic text.
    Meta,
    /// Binary.
    Binary,
}

impl Dialect {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Meta => "meta",
            Self::Binary => "binary",
        }
    }
}

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What a request asks for. A command that exists in text and in binary is one variant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Command {
            $($(#[$doc])* $variant,)*
        }

        impl Command {
            /// Every command, in the order of [`Command::position`].
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in lower case, as a text line says it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

commands! {
    /// Read keys.
    Get = "get",
    /// Read keys with their cas.
    Gets = "gets",
    /// Read keys and set their expiry.
    Gat = "gat",
    /// Read keys with their cas and set their expiry.
    Gats = "gats",
    /// An old, undocumented name of `get`.
    Bget = "bget",
    /// Store.
    Set = "set",
    /// Store if absent.
    Add = "add",
    /// Store if present.
    Replace = "replace",
    /// Put behind the value.
    Append = "append",
    /// Put before the value.
    Prepend = "prepend",
    /// Store if unchanged.
    Cas = "cas",
    /// Remove.
    Delete = "delete",
    /// Add to a number.
    Incr = "incr",
    /// Subtract from a number.
    Decr = "decr",
    /// Set the expiry.
    Touch = "touch",
    /// Meta get.
    MetaGet = "mg",
    /// Meta set.
    MetaSet = "ms",
    /// Meta delete.
    MetaDelete = "md",
    /// Meta arithmetic.
    MetaArithmetic = "ma",
    /// Meta debug.
    MetaDebug = "me",
    /// Meta no-op: answered after everything before it.
    MetaNoop = "mn",
    /// Binary no-op: answered after everything before it.
    Noop = "noop",
    /// Forget everything.
    FlushAll = "flush_all",
    /// The server's version.
    Version = "version",
    /// Log level.
    Verbosity = "verbosity",
    /// Counters.
    Stats = "stats",
    /// End the connection.
    Quit = "quit",
    /// End the server.
    Shutdown = "shutdown",
    /// Memory limit.
    CacheMemlimit = "cache_memlimit",
    /// Slab pages.
    Slabs = "slabs",
    /// LRU tuning.
    Lru = "lru",
    /// LRU crawler, apart from its two dumps.
    LruCrawler = "lru_crawler",
    /// `lru_crawler metadump`.
    Metadump = "metadump",
    /// `lru_crawler mgdump`.
    Mgdump = "mgdump",
    /// Turn the connection into a log.
    Watch = "watch",
    /// External storage.
    Extstore = "extstore",
    /// Load the TLS certificates anew.
    RefreshCerts = "refresh_certs",
    /// `config get cluster`, which asks a node of Amazon ElastiCache for the list of nodes; memcached itself
    /// does not know it.
    Config = "config",
    /// Authentication over binary: list, start, step.
    Sasl = "sasl",
    /// A line that asks for HTTP: the server closes.
    Http = "http",
    /// Anything else.
    Unknown = "unknown",
}

impl Command {
    /// The place in a table of counts.
    #[must_use]
    pub const fn position(self) -> usize {
        self as usize
    }

    /// A classic text command, by its exact name; [`Command::Unknown`] without one.
    #[must_use]
    pub fn from_text(name: &[u8]) -> Self {
        match name {
            b"get" => Self::Get,
            b"set" => Self::Set,
            b"gets" => Self::Gets,
            b"gat" => Self::Gat,
            b"gats" => Self::Gats,
            b"bget" => Self::Bget,
            b"add" => Self::Add,
            b"replace" => Self::Replace,
            b"append" => Self::Append,
            b"prepend" => Self::Prepend,
            b"cas" => Self::Cas,
            b"delete" => Self::Delete,
            b"incr" => Self::Incr,
            b"decr" => Self::Decr,
            b"touch" => Self::Touch,
            b"mg" => Self::MetaGet,
            b"ms" => Self::MetaSet,
            b"md" => Self::MetaDelete,
            b"ma" => Self::MetaArithmetic,
            b"me" => Self::MetaDebug,
            b"mn" => Self::MetaNoop,
            b"stats" => Self::Stats,
            b"version" => Self::Version,
            b"quit" => Self::Quit,
            b"watch" => Self::Watch,
            _ => Self::ADMIN
                .into_iter()
                .find(|command| command.name().as_bytes() == name)
                .unwrap_or(Self::Unknown),
        }
    }

    /// The commands that the new parser finds by any prefix of their name, in its order.
    const ADMIN: [Self; 9] = [
        Self::Shutdown,
        Self::Slabs,
        Self::CacheMemlimit,
        Self::FlushAll,
        Self::LruCrawler,
        Self::Verbosity,
        Self::Lru,
        Self::Extstore,
        Self::RefreshCerts,
    ];

    /// A command for the server's keeper, by any prefix of its name, as from 1.6.40.
    #[must_use]
    pub fn from_prefix(name: &[u8]) -> Self {
        Self::ADMIN
            .into_iter()
            .find(|command| command.name().as_bytes().starts_with(name))
            .unwrap_or(Self::Unknown)
    }

    /// Whether it is for the server's keeper; its arguments are not looked at here.
    #[must_use]
    pub fn is_admin(self) -> bool {
        Self::ADMIN.contains(&self)
            || matches!(self, Self::Metadump | Self::Mgdump | Self::Stats | Self::Watch)
    }

    /// Whether it is one of the meta commands.
    #[must_use]
    pub const fn is_meta(self) -> bool {
        matches!(
            self,
            Self::MetaGet
                | Self::MetaSet
                | Self::MetaDelete
                | Self::MetaArithmetic
                | Self::MetaDebug
                | Self::MetaNoop
        )
    }

    /// Whether it reads with a reply of `VALUE` blocks and `END`.
    #[must_use]
    pub const fn is_retrieval(self) -> bool {
        matches!(self, Self::Get | Self::Gets | Self::Gat | Self::Gats | Self::Bget)
    }

    /// Whether a data block follows a well-formed line of it.
    #[must_use]
    pub const fn is_storage(self) -> bool {
        matches!(
            self,
            Self::Set
                | Self::Add
                | Self::Replace
                | Self::Append
                | Self::Prepend
                | Self::Cas
                | Self::MetaSet
        )
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a table of counts that mixes two commands up.
    #[test]
    fn positions_are_the_order_of_all() {
        for (position, command) in Command::ALL.iter().enumerate() {
            assert_eq!(command.position(), position);
        }
    }

    /// Catches a name that is taken in another case, or by prefix by a server that does not.
    #[test]
    fn names_are_exact_prefixes_are_the_new_parsers() {
        assert_eq!(Command::from_text(b"get"), Command::Get);
        assert_eq!(Command::from_text(b"flush_all"), Command::FlushAll);
        assert_eq!(Command::from_text(b"GET"), Command::Unknown);
        assert_eq!(Command::from_text(b"noop"), Command::Unknown);
        assert_eq!(Command::from_prefix(b"lru_c"), Command::LruCrawler);
        assert_eq!(Command::from_prefix(b"lru"), Command::LruCrawler);
        assert_eq!(Command::from_prefix(b"s"), Command::Shutdown);
        assert_eq!(Command::from_prefix(b"foo"), Command::Unknown);
    }
}
