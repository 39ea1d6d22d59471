//! What a failed exchange means: its class, whether the connection can be kept, whether the request
//! can have been applied. Pure.
//!
//! The rule for keeping a connection: only after a complete, well-formed reply of a kind that the
//! request can have. After an error line it is kept as well, and checked before its next use (see
//! `standing`). Everything else leaves a doubt about whose reply comes next.

use std::io;

use async_memcached::{Error, ErrorKind, Status};

use crate::event::{CloseCause, ErrorClass};
use crate::protocol::memcached::entry::Denied;

/// What a failed exchange means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The class that the caller sees.
    pub(super) class: ErrorClass,
    /// Why the connection must be closed; `None`: an error line, it is kept and checked.
    pub(super) close: Option<CloseCause>,
    /// What can have become of the request.
    pub(super) fate: Fate,
}

/// What can have become of a request without a good reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The node refused it, or cannot have received all of it.
    NotApplied,
    /// An error line was taken for its answer. Such a line has no name: unless a check shows that
    /// nothing else was owed, it may have been a stray one and the request executed.
    Refused,
    /// The node may have received and executed it.
    Unknown,
    /// The same, and the peer ended the connection: if it was idle before, it was probably stale.
    Ended,
}

impl Trouble {
    /// An error line: the node refused the request, if the line was its answer.
    pub(super) const fn refused(class: ErrorClass) -> Self {
        Self { class, close: None, fate: Fate::Refused }
    }

    /// A check behind the error line was answered: the line was the only answer, so the request was
    /// refused, and the connection is in step again whatever the line was.
    pub(super) const fn proven(self) -> Self {
        Self { close: None, fate: Fate::NotApplied, ..self }
    }

    /// The check failed as well: whose the error line was stays unknown. The caller sees the line's
    /// class, but for a node that fell silent.
    pub(super) const fn doubted(self, check: Self) -> Self {
        let class = match check.class {
            ErrorClass::Timeout => ErrorClass::Timeout,
            _ => self.class,
        };
        let close = match check.close {
            None => self.close,
            cause => cause,
        };
        Self { class, close, fate: self.fate }
    }

    /// The connection is of no use to anybody, whatever was said on it.
    pub(super) const fn closed(self) -> Self {
        Self { close: Some(CloseCause::Protocol), ..self }
    }

    /// A reply that the request cannot have, or for another key.
    pub(super) const fn surprise() -> Self {
        Self { class: ErrorClass::Protocol, close: Some(CloseCause::Protocol), fate: Fate::Unknown }
    }

    /// The protocol has no such request: nothing was written.
    pub(super) const fn unknown() -> Self {
        Self { class: ErrorClass::ClientError, close: None, fate: Fate::NotApplied }
    }

    /// It was noticed before anything was written.
    pub(super) const fn unsent(self) -> Self {
        Self { fate: Fate::NotApplied, ..self }
    }

    /// No reply within the deadline.
    pub(super) const fn timeout() -> Self {
        Self { class: ErrorClass::Timeout, close: Some(CloseCause::Timeout), fate: Fate::Unknown }
    }

    /// Whether something came back, be it an error line or nonsense.
    pub(super) const fn is_reply(&self) -> bool {
        matches!(self.close, None | Some(CloseCause::Protocol))
    }

    /// What an error of the crate means for a request whose valid statuses were taken out before.
    /// `block` says that the request carries a data block.
    pub(super) fn of(error: &Error, block: bool) -> Self {
        match error {
            Error::Protocol(Status::Error(kind)) => Self::of_kind(kind, block),
            // A status that some request can have, but not this one.
            Error::Protocol(_) | Error::ParseError(_) => Self::surprise(),
            Error::Io(error) => Self::of_io(error),
            // The crate closed it before and wrote nothing now.
            Error::ConnectionClosed => Self {
                class: ErrorClass::Closed,
                close: Some(CloseCause::Io),
                fate: Fate::NotApplied,
            },
            Error::Connect(error) => Self {
                class: connect_class(error),
                close: Some(CloseCause::Io),
                fate: Fate::NotApplied,
            },
        }
    }

    fn of_kind(kind: &ErrorKind, block: bool) -> Self {
        match kind {
            ErrorKind::Server(text) if is_too_large(text) => Self::refused(ErrorClass::TooLarge),
            ErrorKind::Server(_) => Self::refused(ErrorClass::ServerError),
            // Refused by the crate before anything was written: a prefix made the key too long.
            ErrorKind::KeyTooLong | ErrorKind::OpaqueTooLong => {
                Self::refused(ErrorClass::ClientError).proven()
            }
            ErrorKind::Client(_) if !block => Self::refused(ErrorClass::ClientError),
            // Whether a node that refuses the line swallows the block behind it depends on its
            // version, so its next reply may be to a line made of our data: closed, unless a check
            // is the next thing that it answers.
            ErrorKind::Client(_) | ErrorKind::NonexistentCommand => Self {
                class: ErrorClass::ClientError,
                close: Some(CloseCause::Protocol),
                fate: Fate::Refused,
            },
            ErrorKind::Protocol(_) | ErrorKind::Generic(_) => Self::surprise(),
        }
    }

    pub(super) fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind as Io;
        let (class, close, fate) = match error.kind() {
            Io::UnexpectedEof => (ErrorClass::Closed, CloseCause::PeerClosed, Fate::Ended),
            // Only a write meets this one, and every request ends with the last byte written.
            Io::BrokenPipe => (ErrorClass::Closed, CloseCause::PeerClosed, Fate::NotApplied),
            Io::ConnectionReset | Io::ConnectionAborted => {
                (ErrorClass::Reset, CloseCause::Io, Fate::Ended)
            }
            Io::TimedOut => (ErrorClass::Timeout, CloseCause::Io, Fate::Unknown),
            Io::ConnectionRefused => (ErrorClass::Refused, CloseCause::Io, Fate::Unknown),
            _ => (ErrorClass::Reset, CloseCause::Io, Fate::Unknown),
        };
        Self { class, close: Some(close), fate }
    }
}

/// The class of a connection that did not come about.
pub(super) fn connect_class(error: &io::Error) -> ErrorClass {
    use io::ErrorKind as Io;
    match error.kind() {
        _ if is_local(error) => ErrorClass::NoConnection,
        Io::TimedOut => ErrorClass::ConnectTimeout,
        Io::ConnectionReset | Io::ConnectionAborted => ErrorClass::Reset,
        // No listener, no route, no such name: nobody took the connection.
        _ => ErrorClass::Refused,
    }
}

/// The class of a connection that came about to a node that lets nobody in.
pub(super) fn denied_class(denied: &Denied) -> ErrorClass {
    match denied {
        Denied::Broken(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => ErrorClass::Closed,
            _ => connect_class(error),
        },
        Denied::Untrusted(_) => ErrorClass::Untrusted,
        Denied::Unauthenticated(_) => ErrorClass::Unauthenticated,
        Denied::Odd(_) => ErrorClass::Refused,
    }
}

/// Whether this machine has no descriptor or port left: that says nothing about the node.
#[cfg(unix)]
fn is_local(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let local = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS];
    Errno::from_io_error(error).is_some_and(|errno| local.contains(&errno))
}

#[cfg(not(unix))]
const fn is_local(_: &io::Error) -> bool {
    false
}

fn is_too_large(text: &str) -> bool {
    text.contains("too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: Error, block: bool) -> (ErrorClass, Option<CloseCause>, Fate) {
        let trouble = Trouble::of(&error, block);
        (trouble.class, trouble.close, trouble.fate)
    }

    fn answered(kind: ErrorKind) -> Error {
        Error::Protocol(Status::Error(kind))
    }

    /// Catches a request that nothing came back for and that counts as answered: nobody knows whether a
    /// proxy ever read it.
    #[test]
    fn only_what_came_back_is_a_reply() {
        let io = |kind: io::ErrorKind| Trouble::of(&Error::Io(kind.into()), false);
        for kind in [
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe,
        ] {
            assert!(!io(kind).is_reply(), "{kind:?}");
        }
        assert!(!Trouble::timeout().is_reply());
        assert!(!Trouble::of(&Error::ConnectionClosed, true).is_reply());
        assert!(Trouble::surprise().is_reply(), "nonsense came back");
        let busy = answered(ErrorKind::Server("busy".into()));
        assert!(Trouble::of(&busy, true).is_reply());
    }

    /// Catches a connection that is closed after a clean refusal (one connect for each error), and
    /// one that is kept after a reply that leaves a doubt.
    #[test]
    fn refusals_keep_the_connection_and_surprises_do_not() {
        use ErrorClass::{ClientError, Protocol, ServerError, TooLarge};
        use Fate::{NotApplied, Refused, Unknown};
        let closed = Some(CloseCause::Protocol);
        let client = || answered(ErrorKind::Client("bad".into()));
        let server = |text: &str| answered(ErrorKind::Server(text.into()));
        let large = "object too large for cache";
        assert_eq!(of(server("out of memory"), true), (ServerError, None, Refused));
        assert_eq!(of(server(large), true), (TooLarge, None, Refused));
        assert_eq!(of(client(), false), (ClientError, None, Refused));
        assert_eq!(of(client(), true), (ClientError, closed, Refused));
        let unknown = answered(ErrorKind::NonexistentCommand);
        assert_eq!(of(unknown, false), (ClientError, closed, Refused));
        let unsent = answered(ErrorKind::KeyTooLong);
        assert_eq!(of(unsent, true), (ClientError, None, NotApplied));
        let broken = answered(ErrorKind::Protocol(None));
        assert_eq!(of(broken, false), (Protocol, closed, Unknown));
        assert_eq!(of(Error::Protocol(Status::Stored), false), (Protocol, closed, Unknown));
    }

    /// Catches an error line that is believed although the check behind it failed, a connection that
    /// is kept then, and a silent node whose silence is hidden behind the line.
    #[test]
    fn a_check_decides_whose_an_error_line_was() {
        let line = Trouble::refused(ErrorClass::ServerError);
        assert_eq!(line.proven(), Trouble { fate: Fate::NotApplied, ..line });
        assert_eq!(line.doubted(line), line, "kept, and the doubt stays");
        let other = line.doubted(Trouble::surprise());
        let closed = |class, cause| Trouble { class, close: Some(cause), fate: Fate::Refused };
        assert_eq!(other, closed(ErrorClass::ServerError, CloseCause::Protocol));
        let silent = line.doubted(Trouble::timeout());
        assert_eq!(silent, closed(ErrorClass::Timeout, CloseCause::Timeout));
        let block = Trouble { close: Some(CloseCause::Protocol), ..line };
        assert_eq!(block.proven().close, None, "the block was swallowed: in step");
        assert_eq!(block.doubted(line), block);
    }

    /// Catches a node that is blamed because this machine has run out of descriptors.
    #[test]
    #[cfg(unix)]
    fn local_exhaustion_is_not_the_nodes_fault() {
        let code = rustix::io::Errno::MFILE.raw_os_error();
        let class = connect_class(&io::Error::from_raw_os_error(code));
        assert_eq!(class, ErrorClass::NoConnection);
        let refused = connect_class(&io::ErrorKind::ConnectionRefused.into());
        assert_eq!(refused, ErrorClass::Refused);
    }

    /// Catches a lost write that is reported as failed, and an unsent one as indeterminate.
    #[test]
    fn only_a_write_that_cannot_have_arrived_is_not_applied() {
        let io = |kind: io::ErrorKind| Error::Io(kind.into());
        use io::ErrorKind as Io;
        let fate = |error| Trouble::of(&error, true).fate;
        assert_eq!(fate(io(Io::UnexpectedEof)), Fate::Ended);
        assert_eq!(fate(io(Io::ConnectionReset)), Fate::Ended);
        assert_eq!(fate(io(Io::BrokenPipe)), Fate::NotApplied);
        assert_eq!(fate(io(Io::Other)), Fate::Unknown);
        assert_eq!(fate(Error::ConnectionClosed), Fate::NotApplied);
        assert_eq!(Trouble::timeout().fate, Fate::Unknown);
    }
}
