//! The guards that the promises stand on, by name, so that a simulation can take each one down.
//!
//! Each is asked about in exactly one place. Without the feature `mutants`, which no product build
//! has, [`stands`] is a constant, and nothing of this is left in the binary.

/// Defines [`Guard`] together with the names that reports use.
macro_rules! guards {
    ($($(#[doc = $doc:literal])+ $guard:ident = $name:literal,)+) => {
        /// A guard.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Guard {
            $($(#[doc = $doc])+ $guard,)+
        }

        impl Guard {
            /// Every guard.
            pub const ALL: &'static [Self] = &[$(Self::$guard,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$guard => $name,)+
                }
            }
        }
    };
}

guards! {
    /// A change that a document has folded is not folded again.
    Stamp = "stamp",
    /// A change that is older than memory reaches is not folded.
    Staleness = "staleness",
    /// A version that comes early waits for those before it.
    Gap = "gap",
    /// A change is known by what its source says of it, not by its place in the log.
    OriginIdentity = "origin-identity",
    /// The stamp stays when the document ends.
    Tombstone = "tombstone",
    /// What waited is folded in the source's order.
    WaitingOrder = "waiting-order",
    /// What waits behind an event that is held by now is held with it.
    WaitingHeld = "waiting-held",
    /// A write that was refused is folded again into what stands.
    Revision = "revision",
    /// Reactions are sent before their record is settled, however long that takes.
    OutputBeforeSettle = "output-before-settle",
    /// What an earlier worker may not have sent is sent again.
    OutputAgain = "output-again",
    /// Reactions are forgotten once they are surely sent, not before.
    OutputMemory = "output-memory",
    /// That a record which could not be read is settled does not tell that its reactions are sent.
    OutputUnread = "output-unread",
    /// Mirrors are shown before their record is settled, however long that takes.
    MirrorBeforeSettle = "mirror-before-settle",
    /// Only contiguous finished records are settled.
    Contiguity = "contiguity",
    /// Held records are durable before the document that refers to them.
    HeldFirst = "held-first",
    /// Later events of a held key queue behind it.
    HeldQueue = "held-queue",
    /// A queue is retried in the order in which its records came.
    HeldQueueOrder = "held-queue-order",
    /// The versions of a queue are retried in their order, however a relay swapped them.
    HeldVersionOrder = "held-version-order",
    /// A held record is let go only once its document has no need of it for good.
    HeldRelease = "held-release",
    /// A key is freed only if nobody has queued a record meanwhile.
    HeldFree = "held-free",
    /// What a partition's worker has begun is settled before the partition is let go.
    Drain = "drain",
    /// What is owed to settled records was added to its partial groups before.
    RollupFloor = "rollup-floor",
    /// What a document has added to a partial group is not added again.
    RollupMemory = "rollup-memory",
    /// What a document adds to a partial group is told with all that it added to it before.
    RollupOrder = "rollup-order",
    /// An embedded copy gives way to a newer one only.
    EmbedRevision = "embed-revision",
    /// Who embeds a document is known before its present state is read.
    EmbedRegistered = "embed-registered",
    /// Who embeds a document is told of a change before its record is settled.
    EmbedChanged = "embed-changed",
    /// A view gives way to a newer one only.
    MirrorRevision = "mirror-revision",
    /// A mirror that has lost views is healed.
    MirrorHeal = "mirror-heal",
}

/// Whether a guard stands; all do.
#[cfg(not(feature = "mutants"))]
pub const fn stands(_: Guard) -> bool {
    true
}

#[cfg(feature = "mutants")]
pub use switch::{stands, take_down};

#[cfg(feature = "mutants")]
mod switch {
    use std::cell::Cell;

    use super::Guard;

    thread_local! {
        static DOWN: Cell<Option<Guard>> = const { Cell::new(None) };
    }

    /// Whether a guard stands on this thread.
    pub fn stands(guard: Guard) -> bool {
        DOWN.get() != Some(guard)
    }

    /// Takes a guard down on this thread, or puts up the one that is.
    pub fn take_down(guard: Option<Guard>) {
        DOWN.set(guard);
    }
}
