//! The command line, on a terminal and without one: `top`, what is printed, how it fails, what is
//! shown of long work.

mod failing;
mod load;
mod place;
mod printed;
mod progress;
mod pty;
mod svg;
mod top;
