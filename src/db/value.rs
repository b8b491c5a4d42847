//! What is bound to a statement: a few plain types that both engines keep alike.
//!
//! Refuses U+0000 in a text, because PostgreSQL cannot keep it and one name must not be two in one store and none in the other. Who looks for
//! one finds nothing, since none is kept: what people type may hold anything, and is no reason to call the store unavailable.

use serde::Serialize;
use sqlx::Arguments as _;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::types::Json;

/// A bound value. An absent one knows its type too, because PostgreSQL wants to hear it.
pub enum Value {
    Integer(Option<i64>),
    Truth(Option<bool>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Json(Option<Json<serde_json::Value>>),
    /// Refused when the statement is executed.
    Unfit(BoxDynError),
}

/// Why a value cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("a text with U+0000 cannot be kept")]
pub(super) struct NulInText;

impl Value {
    pub(super) fn add_to_sqlite(self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
        match self.checked()? {
            Self::Integer(value) => arguments.add(value),
            Self::Truth(value) => arguments.add(value),
            Self::Text(value) => arguments.add(value),
            Self::Bytes(value) => arguments.add(value),
            Self::Json(value) => arguments.add(value),
            Self::Unfit(error) => Err(error),
        }
    }

    pub(super) fn add_to_postgres(self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        match self.checked()? {
            Self::Integer(value) => arguments.add(value),
            Self::Truth(value) => arguments.add(value),
            Self::Text(value) => arguments.add(value),
            Self::Bytes(value) => arguments.add(value),
            Self::Json(value) => arguments.add(value),
            Self::Unfit(error) => Err(error),
        }
    }

    fn checked(self) -> Result<Self, NulInText> {
        if self.holds_nul() { Err(NulInText) } else { Ok(self) }
    }

    /// Whether no store can hold it.
    pub(super) fn holds_nul(&self) -> bool {
        match self {
            Self::Text(Some(text)) => text.contains('\0'),
            Self::Json(Some(Json(value))) => nul_in(value),
            _ => false,
        }
    }
}

fn nul_in(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(items) => items.iter().any(nul_in),
        serde_json::Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || nul_in(value)),
        _ => false,
    }
}

/// What can be bound.
pub trait Bind {
    /// The absent value of this type.
    const ABSENT: Value;
    fn into_value(self) -> Value;
}

/// Each line: a type, its kind of value, and how it becomes one.
macro_rules! bind {
    ($($type:ty => $kind:ident, $value:ident => $into:expr;)*) => {$(
        impl Bind for $type {
            const ABSENT: Value = Value::$kind(None);
            fn into_value(self) -> Value {
                let $value = self;
                Value::$kind(Some($into))
            }
        }
    )*};
}

bind! {
    i64 => Integer, value => value;
    u32 => Integer, value => i64::from(value);
    bool => Truth, value => value;
    String => Text, value => value;
    &String => Text, value => value.clone();
    &str => Text, value => value.to_owned();
    Vec<u8> => Bytes, value => value;
    &Vec<u8> => Bytes, value => value.clone();
    &[u8] => Bytes, value => value.to_vec();
}

impl<T: Serialize> Bind for Json<T> {
    const ABSENT: Value = Value::Json(None);

    fn into_value(self) -> Value {
        match serde_json::to_value(self.0) {
            Ok(value) => Value::Json(Some(Json(value))),
            Err(error) => Value::Unfit(error.into()),
        }
    }
}

/// Whatever it is already.
impl Bind for Value {
    const ABSENT: Value = Value::Text(None);

    fn into_value(self) -> Value {
        self
    }
}

impl<T: Bind> Bind for Option<T> {
    const ABSENT: Value = T::ABSENT;

    fn into_value(self) -> Value {
        self.map_or(T::ABSENT, T::into_value)
    }
}

impl<'a, T> Bind for &'a Option<T>
where
    &'a T: Bind,
{
    const ABSENT: Value = <&'a T>::ABSENT;

    fn into_value(self) -> Value {
        self.as_ref().map_or(Self::ABSENT, Bind::into_value)
    }
}
