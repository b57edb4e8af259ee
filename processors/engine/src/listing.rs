//! How the documents of a store can be listed: by key, or by what an index has.

/// What a store can list without looking at everything that it keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lists {
    /// Documents in the order of their keys.
    pub by_key: bool,
    /// Those that an index leads to.
    pub by_index: bool,
}

/// A field of a state, and the value that it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equal {
    /// The field's path, as the index has it.
    pub path: &'static str,
    /// The value, in words: what it looks like may be a text, too.
    pub value: String,
}
