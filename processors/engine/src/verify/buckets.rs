//! Buckets of keys: what a log may say of a document without naming it.

use xxhash_rust::xxh3::xxh3_64;

use super::Subject;

/// Keys are hashed into so many.
pub const BUCKETS: u64 = 64;

/// The bucket of what was found.
pub fn bucket(subject: &Subject) -> u64 {
    let hash = match subject {
        Subject::Group { rollup, group } => xxh3_64(format!("{rollup}/{group}").as_bytes()),
        Subject::Document(key)
        | Subject::View { key, .. }
        | Subject::Copy { of: key, .. }
        | Subject::Edge { of: key, .. } => xxh3_64(key.as_str().as_bytes()),
    };
    hash % BUCKETS
}
