//! What a store holds, in figures that can be compared with another store's.

use readmill_core::ReadModel;
use readmill_core::digest::Digest;

use crate::fault::Fault;
use crate::ports::Store;

/// What a store holds of one generation of a read model. Two stores that hold equal documents have
/// equal contents, whatever stores they are and in whatever batches they were written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// Living documents.
    pub living: u64,
    /// Documents that have no state, or none any more.
    pub bare: u64,
    /// Events that wait in documents.
    pub waiting: u64,
    /// The digest of the living documents' keys and states.
    pub digest: Digest,
}

impl Contents {
    /// Reads a store through.
    ///
    /// # Errors
    /// A fault of the store, or a state that cannot be written as JSON.
    pub async fn of<M: ReadModel>(store: &(impl Store<M> + ?Sized)) -> Result<Self, Fault> {
        let mut contents = Self::default();
        let mut is_fit = true;
        let mut visit = |key, document: readmill_core::Document<M>| {
            contents.waiting += document.stamp.waiting.len() as u64;
            match &document.state {
                None => contents.bare += 1,
                Some(state) => {
                    contents.living += 1;
                    is_fit &= contents.digest.add(&key, state).is_ok();
                }
            }
        };
        store.scan(&mut visit).await?;
        if is_fit {
            Ok(contents)
        } else {
            Err(Fault::defect(M::NAME, &"a state that was stored cannot be written as JSON"))
        }
    }
}
