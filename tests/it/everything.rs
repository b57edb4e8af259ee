//! The bundled read models by name, for tests that want something of each.

use readmill_core::ReadModel;
use readmill_core::digest::Digest;
use readmill_workload::{Knobs, Source, Subject, oracle};

/// Something that is done with each model.
pub trait Each {
    /// Does it for `M`.
    fn with<M: ReadModel<Event: Subject>>(&mut self);
}

/// Does it for every bundled model.
pub fn each(of: &mut impl Each) {
    macro_rules! with {
        ($($model:ident),+ $(,)?) => {
            $(of.with::<readmill_models::$model>();)+
            let names = [$(<readmill_models::$model as ReadModel>::NAME),+];
            let all: Vec<&str> = readmill_models::ALL.iter().map(|row| row.name).collect();
            assert_eq!(names.to_vec(), all, "the list of models here is not that of the product");
        };
    }
    with!(
        Points, Members, Orders, Stock, Deliveries, Deals, Coupons, Holdings, Notices, StoreStats,
        Chats, Reviews, Tickets
    );
}

/// What must come of a workload in all models together.
#[derive(Debug)]
pub struct Expected {
    knobs: Knobs,
    /// The digest of all living documents.
    pub digest: Digest,
    /// How many there are.
    pub living: u64,
}

impl Expected {
    /// Of a workload.
    pub fn of(knobs: Knobs) -> Self {
        let mut expected = Self { knobs, digest: Digest::default(), living: 0 };
        each(&mut expected);
        expected
    }
}

impl Each for Expected {
    fn with<M: ReadModel<Event: Subject>>(&mut self) {
        let expected = oracle::fold::<M>(Source::new(self.knobs.clone()).unwrap());
        self.digest.merge(expected.digest().unwrap());
        self.living += expected.states.len() as u64;
    }
}
