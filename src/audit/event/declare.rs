//! How the kinds of event are written down: each once, as a documented struct, from which everything else is made.
//!
//! Refuses a kind without a struct, because what has no declared fields gets undeclared ones.

use serde_json::{Map, Value};

/// A field of an event, for the reference.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub doc: &'static [&'static str],
    pub form: &'static str,
    /// Whether it goes with the person of whom it tells.
    pub personal: bool,
}

/// A kind of event, for the reference.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    pub name: &'static str,
    pub doc: &'static [&'static str],
    pub fields: &'static [Field],
}

/// What an event says beyond what all say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::audit) struct Told {
    /// Stays with the event.
    pub kept: Map<String, Value>,
    /// Goes with the person.
    pub personal: Map<String, Value>,
}

impl Told {
    /// Of each field: its name, whether it is personal, and its value if it is said.
    pub(super) fn of(fields: Vec<(&'static str, bool, Option<Value>)>) -> Self {
        let mut told = Self::default();
        for (name, personal, value) in fields {
            if let Some(value) = value {
                let place = if personal { &mut told.personal } else { &mut told.kept };
                place.insert(name.to_owned(), value);
            }
        }
        told
    }
}

macro_rules! events {
    ($(
        $(#[doc = $doc:literal])*
        $kind:ident = $name:literal {
            $($(#[doc = $about:literal])* $field:ident: $fact:ty,)*
        }
    )*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Clone, Debug, Default)]
            pub struct $kind {
                $($(#[doc = $about])* pub $field: $fact,)*
            }

            impl From<$kind> for What {
                fn from(event: $kind) -> Self {
                    Self::$kind(event)
                }
            }
        )*

        /// What happened, with what is known of it.
        #[derive(Clone, Debug)]
        pub enum What {
            $($kind($kind),)*
        }

        impl What {
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)*
                }
            }

            /// The same as JSON.
            pub(in crate::audit) fn told(&self) -> Told {
                match self {
                    $(Self::$kind(event) => {
                        // A kind without fields has nothing to look at.
                        let _ = event;
                        Told::of(vec![$((
                            stringify!($field),
                            <$fact as Fact>::PERSONAL,
                            event.$field.is_said().then(|| event.$field.value()),
                        ),)*])
                    })*
                }
            }
        }

        /// An event of which nothing more is known.
        impl From<Kind> for What {
            fn from(kind: Kind) -> Self {
                match kind {
                    $(Kind::$kind => Self::$kind($kind::default()),)*
                }
            }
        }

        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[doc = $doc])* $kind,)*
        }

        impl Kind {
            /// Every kind, in the order of this page.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What this page says of it.
            #[must_use]
            pub const fn declared(self) -> Declared {
                match self {
                    $(Self::$kind => Declared {
                        name: $name,
                        doc: &[$($doc,)*],
                        fields: &[$(Field {
                            name: stringify!($field),
                            doc: &[$($about,)*],
                            form: <$fact as Fact>::FORM,
                            personal: <$fact as Fact>::PERSONAL,
                        },)*],
                    },)*
                }
            }
        }
    };
}

pub(super) use events;
