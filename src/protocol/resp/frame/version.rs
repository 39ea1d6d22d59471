//! The two versions of the protocol.

/// In which version a server answers. A connection begins in the first and changes with `HELLO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// What every server speaks.
    #[default]
    Resp2,
    /// With maps, sets, doubles, pushes and a null of its own.
    Resp3,
}
