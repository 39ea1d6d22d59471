//! What every embedded node is made of, whatever it speaks: the loop that serves connections, replies on
//! their way out, and a table that knows what was used least recently.
//!
//! | module | owns |
//! |---|---|
//! | [`serve`] | sockets, connections, pausing and stopping; the only I/O here |
//! | [`gate`] | what is asked of who connects |
//! | [`output`], [`value`] | replies, with large values in between that are shared instead of copied |
//! | [`table`], [`hash`] | items by key, and by age of last use |

pub mod gate;
pub mod hash;
pub mod output;
pub mod serve;
pub mod table;
pub mod value;
