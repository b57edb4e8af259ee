//! What is sent to a mirror, and what its answers mean.
