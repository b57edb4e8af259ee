//! Mirrors that lose what they were shown, and are healed.
