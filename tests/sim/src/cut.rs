//! What is cut away from a life, to find the least of it that still goes wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::faults::Kind;

/// What a life goes without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// Kinds of faults.
    pub without: BTreeSet<Kind>,
    /// Source rows, by their numbers.
    pub rows: BTreeSet<usize>,
    /// Acts of the plan, by their numbers.
    pub acts: BTreeSet<usize>,
    /// Single faults, by the order in which they struck.
    pub quiet: BTreeSet<usize>,
    /// More instances than this.
    pub instances: Option<usize>,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.without.is_empty() {
            let names: Vec<&str> = self.without.iter().map(|kind| kind.name()).collect();
            write!(f, " --without {}", names.join(","))?;
        }
        for (name, numbers) in [("rows", &self.rows), ("acts", &self.acts), ("faults", &self.quiet)]
        {
            if !numbers.is_empty() {
                write!(f, " --drop-{name} {}", Numbers(numbers.clone()))?;
            }
        }
        self.instances.map_or(Ok(()), |instances| write!(f, " --instances {instances}"))
    }
}

/// Numbers as a command line has them: `1,4-7`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers(pub BTreeSet<usize>);

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while rest.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            write!(f, "{comma}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

impl FromStr for Numbers {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = BTreeSet::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            numbers.extend(first.parse::<usize>()?..=last.parse()?);
        }
        Ok(Self(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for text in ["", "3", "1,4-7", "0-2,9,11-12"] {
            assert_eq!(text.parse::<Numbers>().unwrap().to_string(), text);
        }
        assert!("1,x".parse::<Numbers>().is_err());
    }
}
