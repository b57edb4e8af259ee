//! Types that are read straight off the wire, where a writer's bytes are just what they expect.
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cursor::Cursor;
use super::de::Value;
use super::error::Untold;
use super::node::{Arena, Node, Symbol};
use super::source::{Kind, Null, Source};
use crate::Timestamp;

/// The most bytes that a list is made for before its items have been seen.
const PROMISE_MAX: usize = 1 << 20;

/// From how many bytes on the reading of a value that may be null is a function of its own.
const OUTLINED_FROM: usize = 48;

/// A type that a plan can read.
///
/// Reading straight is never more than a shorter way to what the type's `Deserialize` reads. Where
/// it gives nothing, the whole body is read again by that, which has the last word and tells what
/// is wrong. A type that defines nothing here is always read by its `Deserialize`.
pub trait Wire<'de>: Deserialize<'de> {
    /// Whether `fits` asks for no record, so that it is asked once for all bodies.
    const LEAF: bool = false;

    /// Whether the writer writes just what `straight` expects.
    #[inline]
    fn fits(_: Origin<'_>) -> bool {
        false
    }

    /// Reads the value where it fits.
    #[inline]
    fn straight(_: Place<'_, '_, 'de>) -> Option<Self> {
        None
    }

    /// Reads the value: the one place that decides by which way.
    #[inline(always)]
    fn read(place: Place<'_, '_, 'de>) -> Option<Self> {
        if Self::fits(place.origin) { Self::straight(place) } else { place.general() }
    }
}

/// Where a plan says that a value comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'p> {
    pub(super) arena: &'p Arena,
    pub(super) source: Source,
}

/// A value about to be read.
#[derive(Debug)]
pub struct Place<'p, 'c, 'de> {
    pub(super) origin: Origin<'p>,
    pub(super) body: &'c mut Cursor<'de, Untold>,
}

impl Origin<'_> {
    #[inline(always)]
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.source.kind == kind && self.source.null.is_none()
    }

    /// Whether it is an enum.
    pub fn is_enum(&self) -> bool {
        self.is(Kind::Enum)
    }

    /// Where the items of an array come from.
    #[inline(always)]
    fn items(self) -> Self {
        let Self { arena, source } = self;
        let Node::Array(items) = arena.node(source.node) else {
            return Self { arena, source: Source::NULL };
        };
        Self { arena, source: arena.source(*items) }
    }

    /// The same without null.
    #[inline(always)]
    fn some(mut self) -> Self {
        self.source.null = None;
        self
    }
}

impl<'de> Place<'_, '_, 'de> {
    /// Reads the value by the type's `Deserialize`, whatever it is.
    #[inline(never)]
    fn general<T: Deserialize<'de>>(mut self) -> Option<T> {
        let is_null = self.is_null()?;
        let Origin { arena, source } = self.origin;
        let node = if is_null { &Node::Null } else { arena.node(source.node) };
        self.body.told(|body| T::deserialize(Value { arena, node, body }))
    }

    /// Reads a symbol of an enum, of all those of the contract.
    pub fn symbol<T: Copy>(self, all: &[T]) -> Option<T> {
        let Node::Enum(symbols) = self.origin.arena.node(self.origin.source.node) else {
            return None;
        };
        let place = self.body.place(symbols.len()).ok()?.ok()?;
        match symbols.get(place)? {
            Symbol::Is { index, .. } => all.get(usize::try_from(*index).ok()?).copied(),
            Symbol::Misfit(_) => None,
        }
    }

    /// Whether the body says null; if not, what follows is the value itself.
    #[inline(always)]
    fn is_null(&mut self) -> Option<bool> {
        let Some(Null { null, some }) = self.origin.source.null.take() else {
            return Some(self.origin.source.kind == Kind::Null);
        };
        let branch = self.body.byte()?;
        (branch == null || branch == some).then_some(branch == null)
    }
}

/// Lets a struct be read straight: its fields, all of the contract's and in its order, each with
/// the contract's name for it. The lifetime of the body is `'de`.
#[macro_export]
macro_rules! wire {
    ($type:ty { $($field:ident: $name:literal),* $(,)? }) => {
        impl<'de> $crate::Wire<'de> for $type {
            #[inline(always)]
            fn fits(origin: $crate::plan::Origin<'_>) -> bool {
                static NAMES: [&str; <[&str]>::len(&[$($name),*])] = [$($name),*];
                origin.is_record(&NAMES, |[$($field),*]| {
                    true $(&& origin.has($field, |own: &Self| &own.$field))*
                })
            }

            #[inline(always)]
            fn straight(place: $crate::plan::Place<'_, '_, 'de>) -> Option<Self> {
                let (mut record, [$($field),*]) = place.record()?;
                $(let $field = record.field($field)?;)*
                record.end()?;
                Some(Self { $($field),* })
            }
        }
    };
}

/// Types of one kind on the wire.
macro_rules! leaves {
    ($($type:ty: $kind:ident => $read:expr;)+) => {$(
        impl<'de> Wire<'de> for $type {
            const LEAF: bool = true;

            #[inline(always)]
            fn fits(origin: Origin<'_>) -> bool {
                origin.is(Kind::$kind)
            }

            #[inline(always)]
            fn straight(place: Place<'_, '_, 'de>) -> Option<Self> {
                let read: fn(&mut Cursor<'de, Untold>) -> Result<$type, Untold> = $read;
                read(place.body).ok()
            }
        }
    )+};
}

leaves! {
    bool: Boolean => Cursor::boolean;
    i32: Int => Cursor::int;
    i64: Long => Cursor::long;
    f32: Float => Cursor::float;
    f64: Double => Cursor::double;
    &'de str: Text => Cursor::text;
    String: Text => |body| body.text().map(str::to_owned);
    &'de [u8]: Bytes => Cursor::bytes;
    Vec<u8>: Bytes => |body| body.bytes().map(<[u8]>::to_vec);
    Timestamp: Long => |body| body.long().map(Timestamp::from_millis);
}

impl Wire<'_> for IgnoredAny {}
impl Wire<'_> for serde_json::Value {}

impl<'de, T: Wire<'de>> Wire<'de> for Option<T> {
    const LEAF: bool = T::LEAF;

    #[inline(always)]
    fn fits(origin: Origin<'_>) -> bool {
        T::fits(origin.some()) || origin.is(Kind::Null)
    }

    #[inline(always)]
    fn straight(mut place: Place<'_, '_, 'de>) -> Option<Self> {
        match place.is_null()? {
            true => Some(None),
            false if size_of::<T>() > OUTLINED_FROM => some(place),
            false => T::straight(place).map(Some),
        }
    }
}

#[inline(never)]
fn some<'de, T: Wire<'de>>(place: Place<'_, '_, 'de>) -> Option<Option<T>> {
    T::straight(place).map(Some)
}

impl<'de, T: Wire<'de>> Wire<'de> for Vec<T> {
    const LEAF: bool = T::LEAF;

    #[inline(always)]
    fn fits(origin: Origin<'_>) -> bool {
        origin.is(Kind::Array) && T::fits(origin.items())
    }

    fn straight(place: Place<'_, '_, 'de>) -> Option<Self> {
        let Place { origin, body } = place;
        let origin = origin.items();
        let mut items = Vec::new();
        body.enter().ok()?;
        loop {
            let block = body.block().ok()?;
            if block.count == 0 {
                break;
            }
            let most = PROMISE_MAX / size_of::<T>().max(1);
            items.reserve_exact(usize::try_from(block.count).ok()?.min(most));
            let behind = block.size.map(|size| body.remaining().saturating_sub(size));
            for _ in 0..block.count {
                let before = body.remaining();
                items.push(T::straight(Place { origin, body })?);
                body.item_ended(before).ok()?;
            }
            if behind.is_some_and(|behind| behind != body.remaining()) {
                return None;
            }
        }
        body.leave();
        Some(items)
    }
}
