//! Bytes that are kept for a while, in memory that goes back to the system when they leave.
//!
//! A heap keeps what it once had: between chunks that come and go, small things stay, and thousands of
//! clients that did not read left a process at several times what it ever held. So large chunks have
//! pages of their own.

use bytes::Bytes;
use memmap2::MmapMut;

/// From this size on a chunk has its own pages: eight of them, so that little is lost at the end of the
/// last, and so that [`crate::proxy::path::held`]'s bound for all connections needs far fewer maps than a process
/// may have (65,530 on Linux).
const OWN_PAGES_FROM: usize = 32 << 10;

/// A copy of `data`.
pub(in crate::proxy) fn keep(data: &[u8]) -> Bytes {
    if data.len() < OWN_PAGES_FROM {
        return Bytes::copy_from_slice(data);
    }
    match MmapMut::map_anon(data.len()) {
        Ok(mut pages) => {
            pages.copy_from_slice(data);
            Bytes::from_owner(pages)
        }
        // The heap may still have room where there are too many maps.
        Err(_) => Bytes::copy_from_slice(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a copy that is not one, at the border between the two kinds of memory.
    #[test]
    fn a_copy_is_the_same_bytes() {
        for length in [0, 1, OWN_PAGES_FROM - 1, OWN_PAGES_FROM, OWN_PAGES_FROM + 1, 3 << 20] {
            let data: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            assert_eq!(keep(&data), data);
        }
    }
}
