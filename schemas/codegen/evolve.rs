//! Whether a newer version of a contract can read what an older one wrote, by Avro's rules.
use super::model::{Contract, Definition, Field, Shape, Type};
use super::table;

/// Refuses a newer version that cannot read the older one, naming the field.
pub fn check(newer: &Contract, older: &Contract) -> Result<(), String> {
    let pair = Pair { newer, older };
    let (Some(new), Some(old)) = (newer.types.first(), older.types.first()) else {
        return Ok(());
    };
    pair.definitions(&newer.record, new, old, &mut Vec::new())
        .map_err(|problem| format!("{}: cannot read {}: {problem}", newer.file, older.file))
}

struct Pair<'a> {
    newer: &'a Contract,
    older: &'a Contract,
}

impl<'a> Pair<'a> {
    /// `open` holds the pairs of names being compared, so that a recursive type ends.
    fn definitions(
        &self,
        at: &str,
        new: &'a Definition,
        old: &'a Definition,
        open: &mut Vec<(&'a str, &'a str)>,
    ) -> Result<(), String> {
        if open.contains(&(&new.name, &old.name)) {
            return Ok(());
        }
        open.push((&new.name, &old.name));
        match (&new.shape, &old.shape) {
            (Shape::Record(new), Shape::Record(old)) => self.fields(at, new, old, open),
            (Shape::Enum { symbols, default }, Shape::Enum { symbols: elder, .. }) => {
                match elder.iter().find(|symbol| !symbols.contains(symbol)) {
                    Some(gone) if default.is_none() => {
                        Err(format!("{at}: the symbol {gone} is gone and there is no default"))
                    }
                    Some(_) | None => Ok(()),
                }
            }
            (Shape::Record(_), Shape::Enum { .. }) | (Shape::Enum { .. }, Shape::Record(_)) => {
                Err(format!("{at}: was an enum or a record and is now the other"))
            }
        }
    }

    fn fields(
        &self,
        at: &str,
        new: &'a [Field],
        old: &'a [Field],
        open: &mut Vec<(&'a str, &'a str)>,
    ) -> Result<(), String> {
        for field in new {
            let at = format!("{at}.{}", field.name);
            let named = |name: &String| old.iter().find(|elder| elder.name == *name);
            let elder = named(&field.name).or_else(|| field.aliases.iter().find_map(named));
            match elder {
                Some(elder) => self.kinds(&at, &field.kind, &elder.kind, open)?,
                None if field.default.is_some() => {}
                None => return Err(format!("{at}: the field is new and has no default")),
            }
        }
        Ok(())
    }

    fn kinds(
        &self,
        at: &str,
        new: &'a Type,
        old: &'a Type,
        open: &mut Vec<(&'a str, &'a str)>,
    ) -> Result<(), String> {
        match (new, old) {
            (Type::Nullable { inner: new, .. }, Type::Nullable { inner: old, .. }) => {
                self.kinds(at, new, old, open)
            }
            (Type::Nullable { inner, .. }, old) => self.kinds(at, inner, old, open),
            (_, Type::Nullable { .. }) => Err(format!("{at}: could be null and no longer can")),
            (Type::Array(new), Type::Array(old)) => self.kinds(&format!("{at}[]"), new, old, open),
            (Type::Named(new), Type::Named(old)) => {
                match (self.newer.definition(new), self.older.definition(old)) {
                    (Some(new), Some(old)) => self.definitions(at, new, old, open),
                    _ => Err(format!("{at}: names a type that is not defined")),
                }
            }
            (new, old) if self.promotes(old, new) => Ok(()),
            (new, old) => Err(format!("{at}: the type {old:?} cannot be read as {new:?}")),
        }
    }

    fn promotes(&self, old: &Type, new: &Type) -> bool {
        if self.newer.table.is_some() { table::promotes(old, new) } else { promotes(old, new) }
    }
}

fn promotes(old: &Type, new: &Type) -> bool {
    old == new
        || matches!(
            (old, new),
            (Type::Int, Type::Long | Type::Timestamp | Type::Float | Type::Double)
                | (Type::Long | Type::Timestamp, Type::Long | Type::Timestamp)
                | (Type::Long | Type::Timestamp, Type::Float | Type::Double)
                | (Type::Float, Type::Double)
                | (Type::Text, Type::Bytes)
                | (Type::Bytes, Type::Text)
        )
}
