//! The data path in virtual time: real links, chains, toxics and message faults between in-memory
//! sockets, with peers that stop, dribble, half-close and reset while toxics come and go.
//!
//! A seed decides everything: what is sent, in which pieces the sockets take and give it, what the peers
//! do and what is asked of the proxy. The clock stands still until nothing is left to do at an instant.
//!
//! | module | owns |
//! |---|---|
//! | `socket` | the sockets of a link, and what the peers behind them see |
//! | `peers` | a client that pipelines, a server that answers, and their moods |
//! | `draw` | random toxics and settings, from the table of toxics |
//! | `world` | some connections of one proxy, the control side, the clock, and the laws |
//! | `laws` | the tests |

mod draw;
mod laws;
mod peers;
mod socket;
mod world;
