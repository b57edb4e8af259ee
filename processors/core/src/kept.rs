//! What is kept like documents, by compare-and-set in every store, and into which no event is
//! folded.

use std::fmt::Debug;
use std::marker::PhantomData;

use readmill_schemas::points::PointsEvent;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{Admit, Folded, Keys, ReadModel, Standing};

/// A thing that is kept so.
pub trait Kept:
    Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// What such things are called in errors.
    const NAME: &'static str;
    /// What they are for, in one line.
    const ABOUT: &'static str;
}

/// Such things as the documents of a read model that no event touches.
#[derive(Debug)]
pub struct KeptAsDocuments<T>(PhantomData<T>);

impl<T: Kept> ReadModel for KeptAsDocuments<T> {
    const NAME: &'static str = T::NAME;
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = T::ABOUT;

    type Event = PointsEvent;
    type State = T;

    fn keys(_: &PointsEvent) -> Keys {
        Keys::None
    }

    fn admit(_: Standing<'_, T>, _: &PointsEvent) -> Admit {
        Admit::Stale
    }

    fn fold(state: Option<T>, _: &PointsEvent) -> Folded<T> {
        state.map_or_else(Folded::gone, Folded::next)
    }
}
