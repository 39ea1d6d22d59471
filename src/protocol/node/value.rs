//! The bytes of a value that a node holds.

use bytes::Bytes;

/// A value of at least this size is shared with the replies that hold it, not copied into them.
const SHARED_BYTES_MIN: usize = 16 * 1024;
/// How much larger than a new value the old value's memory may be to be used again.
const SLACK_BYTES: usize = 32;

/// The bytes of a value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A small value, which may change in place.
    Owned(Vec<u8>),
    /// A large one.
    Shared(Bytes),
}

impl Value {
    /// Takes over `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        if bytes.len() < SHARED_BYTES_MIN { Self::Owned(bytes) } else { Self::Shared(bytes.into()) }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn byte_count(&self) -> usize {
        self.as_bytes().len()
    }

    /// Becomes a copy of `bytes`, in the memory at hand when that is about the right size.
    pub fn copy_from(&mut self, bytes: &[u8]) {
        match self {
            Self::Owned(old)
                if (bytes.len()..=bytes.len() + SLACK_BYTES).contains(&old.capacity()) =>
            {
                old.clear();
                old.extend_from_slice(bytes);
            }
            _ => *self = Self::new(bytes.to_vec()),
        }
    }

    /// Changes the bytes.
    pub fn edit(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = match std::mem::replace(self, Self::Owned(Vec::new())) {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes.into(),
        };
        change(&mut bytes);
        *self = Self::new(bytes);
    }
}
