//! Topics copied into archives by the binary: over kills, gaps, growth, and topics made anew.

mod ends;
mod folds;
mod losses;
mod place;
