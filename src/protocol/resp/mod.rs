//! RESP: what Redis, Valkey and their relatives speak.
//!
//! | module | what is in it |
//! |---|---|
//! | [`frame`] | commands and replies as they stream by, without I/O |

pub mod frame;
