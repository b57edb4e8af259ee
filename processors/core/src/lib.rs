//! What a change means: identities, stamps, documents and the fold, pure and synchronous.

mod bytes;
pub mod digest;
pub mod document;
pub mod edge;
pub mod envelope;
pub mod finished;
pub mod guard;
pub mod identity;
pub mod kept;
mod knows;
pub mod ledger;
pub mod marks;
pub mod model;
pub mod outcome;
pub mod position;
pub mod reach;
pub mod record;
pub mod rollup;
pub mod shows;
pub mod stamp;

pub use document::{Document, Incoming, Taken};
pub use edge::{Edge, Edges};
pub use finished::Finished;
pub use guard::{Guard, stands};
pub use identity::{EventTag, Identity, SourcePosition};
pub use kept::{Kept, KeptAsDocuments};
pub use ledger::{Entered, Ledger};
pub use marks::{Marks, Verdict};
pub use model::{Admit, Direction, Folded, Index, Key, Keys, Reaction, ReadModel, Standing};
pub use outcome::{Counts, Outcome};
pub use position::{Offset, Partition, Position, ResumeAt};
pub use reach::Reach;
pub use record::Record;
pub use rollup::{Beside, Contribution, GroupName, Rollup, Window};
pub use shows::{Collection, Place, Shows};
pub use stamp::{Output, Sent, Stamp, Waiting, Wants, What};
