//! A record that is written in the contract's order: one field after another, without a key.
use serde::Deserialize;

use super::cursor::Cursor;
use super::error::Untold;
use super::node::{Arena, Node, Record};
use super::source::{Field, Kind, Ordered};
use super::wire::{Origin, Place, Wire};

/// A record that is being read straight.
#[derive(Debug)]
pub struct Straight<'p, 'c, 'de> {
    arena: &'p Arena,
    record: &'p Record,
    rest: usize,
    body: &'c mut Cursor<'de, Untold>,
}

impl<'p> Origin<'p> {
    /// Whether it is a record that is written in the order of these names, and they are all of the
    /// contract's; and whether its fields fit, too.
    #[inline(always)]
    pub fn is_record<const COUNT: usize>(
        &self,
        names: &'static [&'static str; COUNT],
        fit: impl FnOnce(&[Field; COUNT]) -> bool,
    ) -> bool {
        let record = if self.is(Kind::Record) { self.record() } else { None };
        record.is_some_and(|(record, ordered)| {
            record.has(names, || ordered.fields.as_array().is_some_and(fit))
        })
    }

    /// Whether a field fits, unless it is to be asked for each value.
    #[inline]
    pub fn has<'de, R, T: Wire<'de>>(&self, field: &Field, _: fn(&R) -> &T) -> bool {
        let Self { arena, .. } = *self;
        match *field {
            Field::Next(source) | Field::Behind { source, .. } => {
                !T::LEAF || T::fits(Origin { arena, source })
            }
            Field::Default(_) => true,
        }
    }

    #[inline(always)]
    fn record(&self) -> Option<(&'p Record, &'p Ordered)> {
        let Node::Record(record) = self.arena.node(self.source.node) else {
            return None;
        };
        Some((record, record.ordered.as_ref()?))
    }
}

impl<'p, 'c, 'de> Place<'p, 'c, 'de> {
    /// Begins a record and tells where its fields come from.
    #[inline(always)]
    pub fn record<const COUNT: usize>(self) -> Option<(Straight<'p, 'c, 'de>, &'p [Field; COUNT])> {
        let (record, ordered) = self.origin.record()?;
        let fields = ordered.fields.as_array()?;
        self.body.enter().ok()?;
        let (arena, rest) = (self.origin.arena, ordered.rest);
        Some((Straight { arena, record, rest, body: self.body }, fields))
    }
}

impl<'p, 'de> Straight<'p, '_, 'de> {
    /// Takes the next field.
    #[inline(always)]
    pub fn field<T: Wire<'de>>(&mut self, field: &'p Field) -> Option<T> {
        let source = match field {
            Field::Next(source) => source,
            Field::Behind { from, to, source } => {
                self.pass(*from, *to)?;
                source
            }
            Field::Default(place) => return self.default(*place),
        };
        let origin = Origin { arena: self.arena, source: *source };
        let place = Place { origin, body: self.body };
        if T::LEAF { T::straight(place) } else { T::read(place) }
    }

    /// Ends the record.
    #[inline(always)]
    pub fn end(&mut self) -> Option<()> {
        let steps = self.record.steps.len();
        if self.rest < steps {
            self.pass(self.rest, steps)?;
        }
        self.body.leave();
        Some(())
    }

    /// Passes over steps that skip.
    #[inline(never)]
    fn pass(&mut self, from: usize, to: usize) -> Option<()> {
        for step in self.record.steps.get(from..to)? {
            self.arena.skip_step(self.record, step, self.body).ok()?;
        }
        Some(())
    }

    #[inline(never)]
    fn default<T: Deserialize<'de>>(&self, place: usize) -> Option<T> {
        let (_, constant) = self.record.defaults.get(place)?;
        T::deserialize(constant).ok()
    }
}
