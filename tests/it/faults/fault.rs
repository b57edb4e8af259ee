//! What can go wrong, drawn from a deck, so that every kind has its turn in every run.

use std::fmt;

use readmill_workload::Rng;

use super::stage::Service;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of an instance; another takes its seat.
    Kill,
    /// SIGSTOP of an instance for longer than its session; then it goes on, not knowing.
    Freeze,
    /// SIGTERM of an instance; another takes its seat.
    Terminate,
    /// One instance more.
    Add,
    /// One instance less, by SIGTERM.
    Remove,
    /// The connections of an instance to a service are broken off.
    Close,
    /// Nothing passes between an instance and a service, and neither is told.
    Cut,
    /// An instance's words reach a service, and no answer comes back.
    Deaf,
    /// Everything between an instance and a service is late.
    Slow,
    /// SIGKILL of a service, and its start.
    Fall(Service),
    /// SIGSTOP of a service for a while.
    Stun(Service),
}

impl Fault {
    /// Whether a process was killed or frozen.
    pub const fn is_kill_or_freeze(self) -> bool {
        matches!(self, Self::Kill | Self::Freeze | Self::Fall(_) | Self::Stun(_))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Terminate => "terminate",
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Close => "close",
            Self::Cut => "cut",
            Self::Deaf => "deaf",
            Self::Slow => "slow",
            Self::Fall(service) => return write!(f, "kill-{}", service.name()),
            Self::Stun(service) => return write!(f, "freeze-{}", service.name()),
        };
        f.write_str(name)
    }
}

/// What is dealt in a short run.
const SHORT: [Fault; 20] = [
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Freeze,
    Fault::Freeze,
    Fault::Freeze,
    Fault::Terminate,
    Fault::Add,
    Fault::Remove,
    Fault::Close,
    Fault::Cut,
    Fault::Cut,
    Fault::Deaf,
    Fault::Deaf,
    Fault::Slow,
    Fault::Fall(Service::Redis),
    Fault::Fall(Service::Mongo),
];

/// What is dealt besides where there is more time.
const BESIDES: [Fault; 7] = [
    Fault::Fall(Service::Kafka),
    Fault::Fall(Service::Registry),
    Fault::Stun(Service::Mongo),
    Fault::Stun(Service::Redis),
    Fault::Stun(Service::Kafka),
    Fault::Freeze,
    Fault::Deaf,
];

/// Cards that are dealt in an order that the seed decides, again and again.
#[derive(Debug)]
pub struct Deck {
    all: Vec<Fault>,
    left: Vec<Fault>,
}

impl Deck {
    /// A deck.
    pub fn new(long: bool) -> Self {
        let besides: &[Fault] = if long { &BESIDES } else { &[] };
        Self { all: [&SHORT, besides].concat(), left: Vec::new() }
    }

    /// The next card.
    pub fn deal(&mut self, rng: &mut Rng) -> Fault {
        if self.left.is_empty() {
            self.left.clone_from(&self.all);
        }
        self.left.swap_remove(rng.index(self.left.len()))
    }
}
