//! Documents that are one of several kinds: what a model keeps under keys of different shapes.

/// An enum of the kinds. A stored document has one field: its kind's name, with what is of it.
///
/// It is read back through a struct of all kinds, since stores that keep each field by itself know
/// nothing of variants.
macro_rules! one_of {
    (
        $(#[$about:meta])*
        pub enum $document:ident {
            $($(#[$words:meta])* $kind:ident($of:ty) = $field:ident,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case", try_from = "Stored")]
        pub enum $document {
            $($(#[$words])* $kind($of),)+
        }

        /// A document as it is read back.
        #[derive(Debug, Deserialize)]
        struct Stored {
            $($field: Option<$of>,)+
        }

        impl TryFrom<Stored> for $document {
            type Error = String;

            fn try_from(stored: Stored) -> Result<Self, Self::Error> {
                let kinds = [$(stored.$field.map(Self::from)),+];
                let mut kinds = kinds.into_iter().flatten();
                match (kinds.next(), kinds.next()) {
                    (Some(document), None) => Ok(document),
                    (None, _) | (Some(_), Some(_)) => {
                        let names = [$(stringify!($field)),+].join(", ");
                        Err(format!("it must be one of these, and only one: {names}"))
                    }
                }
            }
        }

        $(impl From<$of> for $document {
            fn from(of: $of) -> Self {
                Self::$kind(of)
            }
        })+
    };
}

pub(crate) use one_of;
