//! The one fold of every replica of tables: a row is stored as it stands, exactly or not at all.

use std::fmt::Debug;
use std::marker::PhantomData;

use readmill_core::{Admit, Folded, Index, Keys, ReadModel, Standing};
use readmill_schemas::row::Tables;

/// What is said of a replica; how its rows are keyed, read and stored is in their contracts.
pub trait Replica: Debug + 'static {
    /// The name in configuration, metrics and stores.
    const NAME: &'static str;
    /// Raised when stored rows must be made anew, such as for a new column.
    const FOLD_VERSION: u32;
    /// What the documents are for, in one line.
    const ABOUT: &'static str;
    /// The indexes that readers of the rows need: a column's path is `<record>.<column>`.
    const INDEXES: &'static [Index];
    /// The changes of its tables.
    type Changes: Tables;
}

/// The read model of a replica.
#[derive(Debug)]
pub struct Rows<R>(PhantomData<fn() -> R>);

impl<R: Replica> ReadModel for Rows<R> {
    const NAME: &'static str = R::NAME;
    const FOLD_VERSION: u32 = R::FOLD_VERSION;
    const ABOUT: &'static str = R::ABOUT;
    const INDEXES: &'static [Index] = R::INDEXES;
    const REPLICATES: bool = true;

    type Event = R::Changes;
    type State = <R::Changes as Tables>::Row;

    fn keys(change: &R::Changes) -> Keys {
        Keys::one(change.key_text())
    }

    /// A row that went may come again under its key; which image is newer is the stamp's to say.
    /// What was not sent, since it did not change, must stand here.
    fn admit(standing: Standing<'_, Self::State>, change: &R::Changes) -> Admit {
        change.missing(standing.live()).map_or(Admit::Fold, |not_sent| Admit::Refuse(not_sent.told))
    }

    fn fold(row: Option<Self::State>, change: &R::Changes) -> Folded<Self::State> {
        change.stored(row).map_or_else(Folded::gone, Folded::next)
    }
}
