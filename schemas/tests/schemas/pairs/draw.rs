//! Draws two schemas side by side, so that each part knows the part that it is meant for.
use serde_json::{Value, json};

use super::Pair;
use super::schema::{Body, Definition, Field, Side, Type, class};

/// What a field may be written as and read as.
const SCALARS: [(Type, Type); 16] = [
    (Type::Int, Type::Int),
    (Type::Long, Type::Long),
    (Type::Text, Type::Text),
    (Type::Int, Type::Long),
    (Type::Boolean, Type::Boolean),
    (Type::Int, Type::Float),
    (Type::Int, Type::Double),
    (Type::Long, Type::Float),
    (Type::Long, Type::Double),
    (Type::Float, Type::Float),
    (Type::Float, Type::Double),
    (Type::Double, Type::Double),
    (Type::Text, Type::Bytes),
    (Type::Bytes, Type::Text),
    (Type::Bytes, Type::Bytes),
    (Type::Null, Type::Null),
];
const DEPTH: usize = 4;
const DEFINITIONS: usize = 24;

/// A definition that can be referred to.
struct Known {
    place: usize,
    /// Still being drawn: a reference to it is recursive.
    open: bool,
    /// Holds a recursive reference to one that was open.
    recursive: bool,
    record: bool,
}

/// Bytes, and what has been drawn from them.
pub struct Draw<'b, 'd> {
    rest: &'b mut &'d [u8],
    writer: Side,
    reader: Side,
    known: Vec<Known>,
    names: usize,
    /// While a field with a default is drawn, whose type must be finite.
    finite: bool,
}

impl<'b, 'd> Draw<'b, 'd> {
    pub fn new(rest: &'b mut &'d [u8]) -> Self {
        let (writer, reader) = (Side::default(), Side::default());
        Self { rest, writer, reader, known: Vec::new(), names: 0, finite: false }
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        *self.rest = rest;
        *first
    }

    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    pub fn pair(mut self) -> Pair {
        self.record(DEPTH);
        Pair { writer: self.writer, reader: self.reader }
    }

    fn name(&mut self, letter: char) -> String {
        self.names += 1;
        format!("{letter}{}", self.names)
    }

    /// `guarded` tells that some container around may be empty, so that recursion can end.
    fn kind(&mut self, depth: usize, guarded: bool) -> (Type, Type) {
        match self.below(24) {
            16 | 17 if depth > 0 => {
                let (from, to) = self.kind(depth - 1, true);
                (Type::Array(from.into()), Type::Array(to.into()))
            }
            18 if depth > 0 => {
                let (from, to) = self.kind(depth - 1, true);
                (Type::Map(from.into()), Type::Map(to.into()))
            }
            19 | 20 if depth > 0 => self.union(depth - 1, guarded),
            21 => self.reference(guarded),
            choice => self.single(choice, depth, guarded),
        }
    }

    /// Anything but a union, an array or a map.
    fn single(&mut self, choice: usize, depth: usize, guarded: bool) -> (Type, Type) {
        let room = self.writer.0.len() < DEFINITIONS;
        let place = match choice {
            19 if guarded => return self.reference(guarded),
            20 | 22 if depth > 0 && room => self.record(depth - 1),
            21 if room => self.fixed(),
            23 if room => self.symbols(),
            _ => return SCALARS[choice % SCALARS.len()].clone(),
        };
        (Type::Named(place), Type::Named(place))
    }

    fn reference(&mut self, guarded: bool) -> (Type, Type) {
        let ends = guarded && !self.finite;
        let fit = |known: &&Known| ends || !(known.record && (known.open || known.recursive));
        let fitting: Vec<usize> = self.known.iter().filter(fit).map(|known| known.place).collect();
        if fitting.is_empty() {
            return SCALARS[0].clone();
        }
        let place = fitting[self.below(fitting.len())];
        if self.known.iter().any(|known| known.place == place && (known.open || known.recursive)) {
            self.known.iter_mut().filter(|known| known.open).for_each(|open| open.recursive = true);
        }
        (Type::Named(place), Type::Named(place))
    }

    fn union(&mut self, depth: usize, guarded: bool) -> (Type, Type) {
        let null = self.below(3);
        let (mut writer, mut reader) = (Vec::new(), Vec::new());
        let mut classes = vec![(0, 0)];
        for _ in 0..=self.below(3) {
            let choice = self.below(24);
            let inner = guarded || null > 0;
            let (from, to) = match choice {
                16 | 17 if depth > 0 => self.kind(depth, inner),
                _ => self.single(choice, depth, inner),
            };
            let class = class(&from, &self.writer);
            let nested = class.0 == 6 || matches!(to, Type::Union(_));
            if !nested && !classes.contains(&class) {
                classes.push(class);
                writer.push(from);
                reader.push(to);
            }
        }
        if writer.is_empty() {
            writer.push(Type::Int);
            reader.push(Type::Long);
        }
        let first = (writer[0].clone(), reader[0].clone());
        if null > 0 {
            let place = if null == 1 { 0 } else { writer.len() };
            writer.insert(place, Type::Null);
            let place = self.below(reader.len() + 1);
            reader.insert(place, Type::Null);
        }
        match self.below(8) {
            // A plain type cannot end a recursion.
            0 if null == 0 => (first.0, Type::Union(reader)),
            1 => (Type::Union(writer), first.1),
            2 => {
                reader.reverse();
                writer.extend((!classes.contains(&(1, 0))).then_some(Type::Boolean));
                (Type::Union(writer), Type::Union(reader))
            }
            3 => {
                reader.extend((!classes.contains(&(3, 0))).then_some(Type::Text));
                (Type::Union(writer), Type::Union(reader))
            }
            _ => (Type::Union(writer), Type::Union(reader)),
        }
    }

    /// Makes room for a definition; sometimes the reader has another namespace.
    fn open(&mut self, letter: char, record: bool) -> usize {
        let name = self.name(letter);
        let place = self.writer.0.len();
        let body = if record { Body::Record(Vec::new()) } else { Body::Fixed(0) };
        let define = |name| Definition { name, aliases: Vec::new(), body: body.clone() };
        let other = if self.below(4) == 3 { format!("other.{name}") } else { format!("n.{name}") };
        self.writer.0.push(define(format!("n.{name}")));
        self.reader.0.push(define(other));
        self.known.push(Known { place, open: record, recursive: false, record });
        place
    }

    fn close(&mut self, place: usize, writer: Body, reader: Body) -> usize {
        self.writer.0[place].body = writer;
        self.reader.0[place].body = reader;
        self.known.iter_mut().filter(|known| known.place == place).for_each(|k| k.open = false);
        place
    }

    fn fixed(&mut self) -> usize {
        let place = self.open('X', false);
        let size = self.below(5);
        self.close(place, Body::Fixed(size), Body::Fixed(size))
    }

    fn symbols(&mut self) -> usize {
        let place = self.open('E', false);
        let count = 1 + self.below(4);
        let symbols: Vec<String> = (0..count).map(|n| format!("S{n}")).collect();
        let mut read = symbols.clone();
        read.truncate(1 + self.below(count));
        read.insert(0, "OTHER".to_owned());
        let default = (self.below(2) == 1).then(|| "OTHER".to_owned());
        let writer = Body::Enum { symbols, default: None };
        self.close(place, writer, Body::Enum { symbols: read, default })
    }

    fn record(&mut self, depth: usize) -> usize {
        let place = self.open('R', true);
        // Without a default, so that no record is read as another one in a union.
        let own = field(format!("own{place}"), Type::Int);
        let (mut writer, mut reader) = (vec![own.clone()], vec![own]);
        for _ in 0..self.below(6) {
            match self.below(8) {
                5 => {
                    let (from, _) = self.kind(depth, false);
                    let (name, at) = (self.name('w'), self.below(writer.len() + 1));
                    writer.insert(at, field(name, from));
                }
                6 => {
                    let finite = std::mem::replace(&mut self.finite, true);
                    let (_, to) = self.kind(depth, false);
                    self.finite = finite;
                    let default = self.default(&to, 0);
                    let (name, at) = (self.name('d'), self.below(reader.len() + 1));
                    reader.insert(at, Field { default: Some(default), ..field(name, to) });
                }
                choice => {
                    let (from, to) = self.kind(depth, false);
                    let (name, at) = (self.name('f'), self.below(reader.len() + 1));
                    let mut own = field(name.clone(), to);
                    if choice == 7 {
                        own = Field { name: self.name('a'), aliases: vec![name.clone()], ..own };
                    }
                    writer.push(field(name, from));
                    reader.insert(at, own);
                }
            }
        }
        self.close(place, Body::Record(writer), Body::Record(reader))
    }

    /// A default of a reader's type, which is of the first branch for a union.
    fn default(&mut self, kind: &Type, depth: usize) -> Value {
        match kind {
            Type::Null => Value::Null,
            Type::Boolean => json!(self.below(2) == 1),
            Type::Int => json!(i64::from(self.byte()) - 128),
            Type::Long => json!(i64::from(self.byte()) << 40),
            Type::Float | Type::Double => json!(f64::from(self.byte()) / 4.0 - 8.0),
            Type::Text | Type::Bytes => json!("d".repeat(self.below(4))),
            Type::Array(items) => {
                let count = if depth < 3 { self.below(3) } else { 0 };
                (0..count).map(|_| self.default(items, depth + 1)).collect()
            }
            Type::Map(values) if depth < 3 => json!({"k": self.default(values, depth + 1)}),
            Type::Map(_) => json!({}),
            Type::Union(branches) => self.default(&branches[0], depth),
            Type::Named(place) => self.default_of(*place, depth),
        }
    }

    fn default_of(&mut self, place: usize, depth: usize) -> Value {
        match self.reader.0[place].body.clone() {
            Body::Fixed(size) => json!("x".repeat(size)),
            Body::Enum { symbols, .. } => {
                let place = self.below(symbols.len());
                json!(symbols[place])
            }
            Body::Record(fields) => {
                let mut json = json!({});
                for field in fields {
                    if field.default.is_none() || self.below(2) == 0 {
                        json[&field.name] = self.default(&field.kind, depth + 1);
                    }
                }
                json
            }
        }
    }
}

fn field(name: String, kind: Type) -> Field {
    Field { name, aliases: Vec::new(), kind, default: None }
}
