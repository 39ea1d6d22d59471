//! The command line: the one place that reads arguments, prints, and picks an exit code.

mod argv;
