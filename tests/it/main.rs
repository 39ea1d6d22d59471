//! Whole stories over real sockets and the real clock, one module a subject. One binary, so that it
//! is linked once.
mod report;
