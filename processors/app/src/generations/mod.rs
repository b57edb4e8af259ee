//! Generations of a model in this process: which are folded, and which one readers see.

mod attendant;
mod begin;
mod case;
mod deeds;
mod end;
mod erase;
mod face;
mod fold;
mod intake;
mod part;
mod places;
mod progress;
mod reach;
mod rebuild;
mod rebuilds;
mod registrar;
mod snapshot;
mod swap;
mod told;
mod verbs;

pub use attendant::Attendant;
pub use case::Case;
pub use deeds::{Deed, list};
pub use end::End;
pub use face::ServedFace;
pub use reach::Reaching;
pub use rebuild::rebuild;
pub use registrar::Registrar;
pub use swap::{HandingOver, NotDone};
pub use verbs::{generations, retire, rollback, swap};
