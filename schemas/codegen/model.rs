//! What a contract says, in the few words the generator understands.
use serde_json::Value;

/// One version of one contract.
#[derive(Debug)]
pub struct Contract {
    /// The file under `avro/`, for messages and for `include_str!`.
    pub file: String,
    pub domain: String,
    pub record: String,
    pub version: u32,
    /// Whether the generated types borrow from the body.
    pub borrowed: bool,
    /// The table whose rows it describes.
    pub table: Option<Table>,
    /// The named types in the order of their definition; the first is the contract itself.
    pub types: Vec<Definition>,
}

impl Contract {
    pub fn definition(&self, name: &str) -> Option<&Definition> {
        self.types.iter().find(|definition| definition.name == name)
    }

    /// Whether values of the type hold text or bytes, and so can borrow them.
    pub fn holds_text(&self, kind: &Type) -> bool {
        match kind {
            Type::Text | Type::Bytes => true,
            Type::Array(inner) | Type::Nullable { inner, .. } => self.holds_text(inner),
            Type::Named(name) => self.definition(name).is_some_and(|named| match &named.shape {
                Shape::Record(fields) => fields.iter().any(|field| self.holds_text(&field.kind)),
                Shape::Enum { .. } => false,
            }),
            Type::Boolean
            | Type::Int
            | Type::Long
            | Type::Float
            | Type::Double
            | Type::Timestamp
            | Type::Micros
            | Type::Date
            | Type::Time
            | Type::Uuid
            | Type::Decimal(_) => false,
        }
    }
}

/// A table, and the columns of its primary key.
#[derive(Debug)]
pub struct Table {
    pub name: String,
    pub key: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub name: String,
    pub doc: String,
    pub shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Record(Vec<Field>),
    Enum { symbols: Vec<String>, default: Option<String> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub aliases: Vec<String>,
    pub doc: String,
    pub kind: Type,
    pub default: Option<Value>,
    /// Whether the database may leave the value out where it did not change.
    pub large: bool,
    /// What it has to do with a person, if anything.
    pub told: Option<Told>,
}

/// What a field has to do with a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// It is the id of one.
    Person,
    /// It tells something of the one whose id is in another field of the record.
    Of(String),
}

/// How many digits a decimal has, and how many of them behind the point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Digits {
    pub precision: u32,
    pub scale: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Timestamp,
    /// Columns of tables alone have the types from here on.
    Micros,
    Date,
    Time,
    Uuid,
    Decimal(Option<Digits>),
    Named(String),
    Array(Box<Type>),
    Nullable {
        inner: Box<Type>,
        null_first: bool,
    },
}
