//! A UUID, and its text.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::semantic::{self, SemanticFault};

/// A UUID; its text is in small letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = SemanticFault;

    fn from_str(text: &str) -> Result<Self, SemanticFault> {
        semantic::uuid(text).map(Self)
    }
}

impl TryFrom<String> for Uuid {
    type Error = SemanticFault;

    fn try_from(text: String) -> Result<Self, SemanticFault> {
        text.parse()
    }
}

impl From<Uuid> for String {
    fn from(uuid: Uuid) -> Self {
        uuid.to_string()
    }
}
