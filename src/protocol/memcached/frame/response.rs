//! What the first word of a reply line says, and which commands can be answered so.

use super::command::Command;
use super::request::Shape;

/// What a reply means, whichever dialect said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The value was there.
    Hit,
    /// No value.
    Miss,
    /// Stored.
    Stored,
    /// Not stored, as the condition demanded.
    NotStored,
    /// Changed since it was read.
    Exists,
    /// Nothing there to change.
    NotFound,
    /// Removed.
    Deleted,
    /// The expiry was set.
    Touched,
    /// The number that a counter came to.
    Number,
    /// Done.
    Ok,
    /// The command is unknown or malformed.
    Error,
    /// The client did something wrong.
    ClientError,
    /// The server could not.
    ServerError,
    /// The server's version.
    Version,
    /// Statistics, a dump or a log.
    Stat,
    /// A line that says something else, as `BUSY`.
    Other,
}

impl Status {
    /// Every status, in the order of [`Status::position`].
    pub const ALL: [Self; 16] = [
        Self::Hit,
        Self::Miss,
        Self::Stored,
        Self::NotStored,
        Self::Exists,
        Self::NotFound,
        Self::Deleted,
        Self::Touched,
        Self::Number,
        Self::Ok,
        Self::Error,
        Self::ClientError,
        Self::ServerError,
        Self::Version,
        Self::Stat,
        Self::Other,
    ];

    /// The place in a table of counts.
    #[must_use]
    pub const fn position(self) -> usize {
        self as usize
    }

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stored => "stored",
            Self::NotStored => "not_stored",
            Self::Exists => "exists",
            Self::NotFound => "not_found",
            Self::Deleted => "deleted",
            Self::Touched => "touched",
            Self::Number => "number",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Version => "version",
            Self::Stat => "stat",
            Self::Other => "other",
        }
    }

    /// Whether it is one of the three error lines, or an error packet.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Error | Self::ClientError | Self::ServerError)
    }
}

/// The first word of a reply line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// `STORED`
    Stored,
    /// `NOT_STORED`
    NotStored,
    /// `EXISTS`
    Exists,
    /// `NOT_FOUND`
    NotFound,
    /// `DELETED`
    Deleted,
    /// `TOUCHED`
    Touched,
    /// A line that starts with a digit.
    Number,
    /// `OK`
    Ok,
    /// `END`
    End,
    /// `VALUE`
    Value,
    /// `STAT`
    Stat,
    /// `ITEM`
    Item,
    /// `PREFIX`
    Prefix,
    /// `RESET`
    Reset,
    /// `VERSION`
    Version,
    /// `ERROR`, also with a text behind it
    Error,
    /// `CLIENT_ERROR`
    ClientError,
    /// `SERVER_ERROR`
    ServerError,
    /// `VA`
    Va,
    /// `HD`
    Hd,
    /// `EN`
    En,
    /// `NF`
    Nf,
    /// `NS`
    Ns,
    /// `EX`
    Ex,
    /// `ME`
    Me,
    /// `MN`
    Mn,
    /// `key=...`, an item of `metadump`
    Key,
    /// `mg ...`, an item of `mgdump`
    Mg,
    /// An empty line
    Empty,
    /// Anything else
    Other,
}

/// A set of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Codes(u32);

impl Codes {
    pub(super) const NONE: Self = Self::of(&[]);
    const ERRORS: Self = Self::of(&[Code::Error, Code::ClientError, Code::ServerError]);

    const fn of(codes: &[Code]) -> Self {
        let mut set = 0;
        let mut index = 0;
        while index < codes.len() {
            set |= 1 << codes[index] as u32;
            index += 1;
        }
        Self(set)
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn has(self, code: Code) -> bool {
        self.0 & (1 << code as u32) != 0
    }

    /// What can answer a command, errors included: they can stand in place of any reply.
    /// A malformed line of a command with a longer reply has the shape of one line: an error.
    pub(super) const fn answering(command: Command, shape: Shape) -> Self {
        use Code::*;
        let codes = match command {
            Command::Get
            | Command::Gets
            | Command::Gat
            | Command::Gats
            | Command::Bget
            | Command::MetaGet
            | Command::MetaArithmetic
                if matches!(shape, Shape::Line) =>
            {
                Self::NONE
            }
            Command::Get | Command::Gets | Command::Gat | Command::Gats | Command::Bget => {
                Self::of(&[Value, End])
            }
            Command::Set | Command::Add | Command::Replace => Self::of(&[Stored, NotStored]),
            Command::Append | Command::Prepend => Self::of(&[Stored, NotStored]),
            Command::Cas => Self::of(&[Stored, NotStored, Exists, NotFound]),
            Command::Delete => Self::of(&[Deleted, NotFound]),
            Command::Incr | Command::Decr => Self::of(&[Number, NotFound]),
            Command::Touch => Self::of(&[Touched, NotFound]),
            Command::MetaGet => Self::of(&[Va, Hd, En]),
            Command::MetaSet => Self::of(&[Hd, Ns, Ex, Nf]),
            Command::MetaDelete => Self::of(&[Hd, Nf, Ex]),
            Command::MetaArithmetic => Self::of(&[Va, Hd, Nf, Ex, Ns, En]),
            Command::MetaDebug => Self::of(&[Me, En]),
            Command::MetaNoop => Self::of(&[Mn]),
            Command::Version => Self::of(&[Version]),
            Command::Stats => Self::of(&[Stat, Item, Prefix, End, Ok, Reset, Other]),
            Command::Metadump | Command::Mgdump => Self::of(&[Key, Mg, Ok, End, En, Other]),
            _ => Self::of(&[Ok, Other]),
        };
        codes.and(Self::ERRORS)
    }

    /// What `q` keeps a server from sending. 1.6.18 sends the `HD` and `VA` of an `ma` that created
    /// its item, so those are not among them.
    pub(super) const fn hushed(command: Command) -> Self {
        match command {
            Command::MetaGet => Self::of(&[Code::En]),
            Command::MetaSet | Command::MetaDelete => Self::of(&[Code::Hd]),
            _ => Self::NONE,
        }
    }
}

impl Code {
    /// Reads the first word of a line without its line end.
    #[must_use]
    pub fn read(line: &[u8]) -> Self {
        let Some(first) = line.first() else { return Self::Empty };
        if first.is_ascii_digit() {
            return Self::Number;
        }
        let end = line.iter().take(16).position(|byte| *byte == b' ').unwrap_or(line.len());
        match &line[..end] {
            b"VALUE" => Self::Value,
            b"END" => Self::End,
            b"STORED" => Self::Stored,
            b"VA" => Self::Va,
            b"HD" => Self::Hd,
            b"EN" => Self::En,
            b"NF" => Self::Nf,
            b"NS" => Self::Ns,
            b"EX" => Self::Ex,
            b"ME" => Self::Me,
            b"MN" => Self::Mn,
            b"NOT_STORED" => Self::NotStored,
            b"EXISTS" => Self::Exists,
            b"NOT_FOUND" => Self::NotFound,
            b"DELETED" => Self::Deleted,
            b"TOUCHED" => Self::Touched,
            b"OK" => Self::Ok,
            b"STAT" => Self::Stat,
            b"ITEM" => Self::Item,
            b"PREFIX" => Self::Prefix,
            b"RESET" => Self::Reset,
            b"VERSION" => Self::Version,
            b"ERROR" | b"ERROR:" => Self::Error,
            b"CLIENT_ERROR" | b"CLIENT_ERROR:" => Self::ClientError,
            b"SERVER_ERROR" | b"SERVER_ERROR:" => Self::ServerError,
            b"mg" => Self::Mg,
            _ if line.starts_with(b"key=") => Self::Key,
            _ => Self::Other,
        }
    }

    /// Whether it is one of the three error words.
    #[must_use]
    pub const fn is_error(self) -> bool {
        Codes::ERRORS.has(self)
    }

    /// What it means as the reply to a command.
    #[must_use]
    pub const fn status(self, command: Command) -> Status {
        match self {
            Self::Value | Self::Me => Status::Hit,
            Self::End | Self::En => Status::Miss,
            Self::Va if matches!(command, Command::MetaArithmetic) => Status::Number,
            Self::Va => Status::Hit,
            Self::Hd => match command {
                Command::MetaGet => Status::Hit,
                Command::MetaSet => Status::Stored,
                Command::MetaDelete => Status::Deleted,
                Command::MetaArithmetic => Status::Number,
                _ => Status::Ok,
            },
            Self::Stored => Status::Stored,
            Self::NotStored | Self::Ns => Status::NotStored,
            Self::Exists | Self::Ex => Status::Exists,
            Self::NotFound | Self::Nf => Status::NotFound,
            Self::Deleted => Status::Deleted,
            Self::Touched => Status::Touched,
            Self::Number => Status::Number,
            Self::Ok | Self::Reset | Self::Mn => Status::Ok,
            Self::Stat | Self::Item | Self::Prefix | Self::Key | Self::Mg => Status::Stat,
            Self::Version => Status::Version,
            Self::Error => Status::Error,
            Self::ClientError => Status::ClientError,
            Self::ServerError => Status::ServerError,
            Self::Empty | Self::Other => Status::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a table of counts that mixes two statuses up.
    #[test]
    fn positions_are_the_order_of_all() {
        for (position, status) in Status::ALL.iter().enumerate() {
            assert_eq!(status.position(), position);
        }
    }

    /// Catches a reply line that would be taken for another.
    #[test]
    fn a_line_is_known_by_its_first_word() {
        let cases: &[(&str, Code)] = &[
            ("VALUE a 0 1", Code::Value),
            ("VALUES", Code::Other),
            ("END", Code::End),
            ("12", Code::Number),
            ("ERROR", Code::Error),
            ("ERROR: shutdown not enabled", Code::Error),
            ("SERVER_ERROR: shutdown not enabled", Code::ServerError),
            ("CLIENT_ERROR bad data chunk", Code::ClientError),
            ("BUSY currently processing crawler request", Code::Other),
            ("key=a exp=-1", Code::Key),
            ("mg a", Code::Mg),
            ("", Code::Empty),
        ];
        for (line, code) in cases {
            assert_eq!(Code::read(line.as_bytes()), *code, "{line}");
        }
    }

    /// Catches a quiet miss that would be waited for, and a synthetic reply no client expects.
    #[test]
    fn a_command_has_its_own_answers() {
        let answers = Codes::answering(Command::Get, Shape::Get);
        assert!(answers.has(Code::End) && answers.has(Code::ServerError));
        assert!(!answers.has(Code::NotFound));
        assert!(!Codes::answering(Command::Get, Shape::Line).has(Code::Value));
        let quiet = Codes::answering(Command::MetaGet, Shape::Value)
            .without(Codes::hushed(Command::MetaGet));
        assert!(quiet.has(Code::Hd) && quiet.has(Code::Va) && !quiet.has(Code::En));
    }
}
