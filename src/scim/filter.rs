//! Filters (RFC 7644 §3.4.2.2): from text to what the directory looks for.
//!
//! Refuses what is too long or too deep, names that are in no schema, and comparisons that make no sense of the attribute's type
//! (threats K3). The grammar is scim_v2's; what comes out holds values, never a text that a database would read.

use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter};

use super::error::{Flaw, ScimError};
use super::schema::{self, Attribute, Kind, Place, Type};
use crate::clock::Timestamp;
use crate::directory::search::{Column, Condition, Multiple, Test, Within};

/// Bytes of a filter.
const LONGEST: usize = 4096;
/// Levels of nesting.
const DEEPEST: usize = 20;

fn invalid(detail: impl Into<String>) -> ScimError {
    ScimError::flaw(Flaw::InvalidFilter, detail)
}

/// A filter that is well-formed.
pub(super) fn parse(text: &str) -> Result<Filter, ScimError> {
    if text.len() > LONGEST {
        return Err(invalid(format!("A filter is at most {LONGEST} bytes long")));
    }
    let filter: Filter = text.parse().map_err(|_| invalid("The filter is not well-formed"))?;
    if depth(&filter) > DEEPEST {
        return Err(invalid(format!("A filter is at most {DEEPEST} levels deep")));
    }
    Ok(filter)
}

/// The parser itself gives up at three times our depth, so this ends.
fn depth(filter: &Filter) -> usize {
    1 + match filter {
        Filter::Attr(_) => 0,
        Filter::ValuePath(path) => inner_depth(&path.filter),
        Filter::Not(inner) => depth(inner),
        Filter::And(all) | Filter::Or(all) => all.iter().map(depth).max().unwrap_or(0),
    }
}

pub(super) fn inner_depth(filter: &ValFilter) -> usize {
    1 + match filter {
        ValFilter::Attr(_) => 0,
        ValFilter::Not(inner) => inner_depth(inner),
        ValFilter::And(all) | ValFilter::Or(all) => all.iter().map(inner_depth).max().unwrap_or(0),
    }
}

/// What `filter` looks for among resources of this kind.
pub(super) fn compile(kind: Kind, filter: &Filter) -> Result<Condition, ScimError> {
    Ok(match filter {
        Filter::And(all) => Condition::All(all.iter().map(|one| compile(kind, one)).collect::<Result<_, _>>()?),
        Filter::Or(any) => Condition::Any(any.iter().map(|one| compile(kind, one)).collect::<Result<_, _>>()?),
        Filter::Not(inner) => Condition::Not(Box::new(compile(kind, inner)?)),
        Filter::Attr(AttrExp::Present(path)) => expression(kind, path, None)?,
        Filter::Attr(AttrExp::Comparison(path, op, value)) => expression(kind, path, Some((op, value)))?,
        Filter::ValuePath(path) => {
            let place = place(kind, &path.attr)?;
            if place.part.is_some() || !place.attribute.is_complex() || place.attribute.name == "meta" {
                return Err(invalid(format!("{} has no sub-attributes to filter by", path.attr)));
            }
            Condition::Element(multiple(place), within(place.attribute, &path.filter)?)
        }
    })
}

/// Whether `filter` names anything that this kind of resource does not have.
pub(super) fn is_about(kind: Kind, filter: &Filter) -> bool {
    compile(kind, filter).is_ok()
}

fn place(kind: Kind, path: &AttrPath) -> Result<Place, ScimError> {
    let found = schema::resolve(kind, path).filter(|place| place.attribute.name != "password");
    found.ok_or_else(|| invalid(format!("There is no attribute {path} to filter by")))
}

/// A comparison, or the question whether there is a value.
type Asked<'f> = Option<(&'f CompareOp, &'f CompValue)>;

fn expression(kind: Kind, path: &AttrPath, asked: Asked<'_>) -> Result<Condition, ScimError> {
    // What is not equal is whatever is not equal, the absent too; so is what is not absent.
    if let Some((op, value)) = asked
        && (*op == CompareOp::Ne || *value == CompValue::Null)
    {
        let positive = match (op, value) {
            (CompareOp::Ne, CompValue::Null) => return expression(kind, path, None),
            (CompareOp::Eq, CompValue::Null) => expression(kind, path, None)?,
            (CompareOp::Ne, value) => expression(kind, path, Some((&CompareOp::Eq, value)))?,
            _ => return Err(invalid(format!("{path} cannot be compared with null in this way"))),
        };
        return Ok(Condition::Not(Box::new(positive)));
    }
    let place = place(kind, path)?;
    if let Some((column, of)) = column(kind, place) {
        return Ok(match column {
            Some(column) => Condition::Column(column, test(of, asked)?),
            None => constant(kind, of, asked)?,
        });
    }
    let part = match (place.part, asked) {
        (Some(part), _) => part,
        (None, None) => return Ok(Condition::Element(multiple(place), Within::All(Vec::new()))),
        (None, Some(_)) if !place.attribute.is_complex() => place.attribute,
        // `emails eq "…"` is about their values, `manager eq "…"` about its.
        (None, Some(_)) => {
            place.attribute.part("value").ok_or_else(|| invalid(format!("{path} has several parts; name one of them")))?
        }
    };
    let name = if part == place.attribute { String::new() } else { part.name.to_owned() };
    Ok(Condition::Element(multiple(place), Within::Part(name, test(part, asked)?)))
}

/// The column that holds it, and the attribute that says how it compares; no column where it is the same for all of a kind.
fn column(kind: Kind, place: Place) -> Option<(Option<Column>, &'static Attribute)> {
    if place.extension {
        return None;
    }
    let of = place.part.unwrap_or(place.attribute);
    let column = match (place.attribute.name, place.part.map(|part| part.name)) {
        ("id", None) => Some(Column::Id),
        ("externalId", None) => Some(Column::ExternalId),
        ("userName", None) => Some(Column::Name),
        ("displayName", None) if kind == Kind::Group => Some(Column::Name),
        ("active", None) => Some(Column::Active),
        ("meta", Some("created")) => Some(Column::Created),
        ("meta", Some("lastModified")) => Some(Column::Modified),
        ("meta", _) | ("schemas", None) => None,
        _ => return None,
    };
    Some((column, of))
}

/// What is the same for all resources of a kind: their type, and that they have `meta` and `schemas`.
fn constant(kind: Kind, of: &Attribute, asked: Asked<'_>) -> Result<Condition, ScimError> {
    let values: &[&str] = match of.name {
        "resourceType" => &[kind.name()],
        "schemas" => &[kind.urn()],
        "meta" | "location" | "version" if asked.is_none() => &[],
        name => return Err(invalid(format!("{name} is not filtered by"))),
    };
    let holds = match test(of, asked)? {
        Test::Present => true,
        test => values.iter().any(|value| test.holds(value)),
    };
    let nothing = Condition::Any(Vec::new());
    Ok(if holds { Condition::All(Vec::new()) } else { nothing })
}

fn multiple(place: Place) -> Multiple {
    match (place.extension, place.attribute.name) {
        (false, "groups") => Multiple::Groups,
        (false, "members") => Multiple::Members,
        (false, name) => Multiple::Attribute(name.to_owned()),
        (true, name) => Multiple::Attribute(format!("enterprise:{name}")),
    }
}

/// What is looked for in one value of `attribute`.
fn within(attribute: &'static Attribute, filter: &ValFilter) -> Result<Within, ScimError> {
    let all = |all: &[ValFilter]| all.iter().map(|one| within(attribute, one)).collect::<Result<Vec<_>, _>>();
    let (path, asked) = match filter {
        ValFilter::And(several) => return Ok(Within::All(all(several)?)),
        ValFilter::Or(several) => return Ok(Within::Any(all(several)?)),
        ValFilter::Not(inner) => return Ok(Within::Not(Box::new(within(attribute, inner)?))),
        ValFilter::Attr(AttrExp::Present(path)) => (path, None),
        ValFilter::Attr(AttrExp::Comparison(path, op, value)) => (path, Some((op, value))),
    };
    let part = part(attribute, path)?;
    let one = |asked| Ok(Within::Part(part.name.to_owned(), test(part, asked)?));
    match asked {
        Some((CompareOp::Ne, CompValue::Null)) => one(None),
        Some((CompareOp::Eq, CompValue::Null)) => Ok(Within::Not(Box::new(one(None)?))),
        Some((CompareOp::Ne, value)) => Ok(Within::Not(Box::new(one(Some((&CompareOp::Eq, value)))?))),
        asked => one(asked),
    }
}

/// The sub-attribute that a path within brackets names.
pub(super) fn part(attribute: &'static Attribute, path: &AttrPath) -> Result<&'static Attribute, ScimError> {
    let plain = path.uri.is_none() && path.sub_attr.is_none();
    let part = attribute.part(&path.name).filter(|_| plain);
    part.ok_or_else(|| invalid(format!("{} has no sub-attribute {path}", attribute.name)))
}

/// A comparison as the attribute's type has it: texts in lower case unless they are exact.
fn test(of: &Attribute, asked: Asked<'_>) -> Result<Test, ScimError> {
    let Some((op, value)) = asked else { return Ok(Test::Present) };
    let senseless = || invalid(format!("{} cannot be compared with {value} by {op}", of.name));
    match (of.kind, value) {
        (Type::Boolean, value) if *op == CompareOp::Eq => truth(value).map(Test::Is).ok_or_else(senseless),
        (Type::DateTime, CompValue::Str(text)) => {
            let at = text.parse::<jiff::Timestamp>().map_err(|_| senseless())?;
            moment(op, Timestamp::from_millis(at.as_millisecond())).ok_or_else(senseless)
        }
        (Type::Text | Type::Reference(_) | Type::Binary, CompValue::Str(text)) if !text.contains('\0') => {
            let text = if of.exact { text.clone() } else { text.to_lowercase() };
            Ok(match op {
                CompareOp::Eq => Test::Equal(text),
                CompareOp::Co => Test::Contains(text),
                CompareOp::Sw => Test::StartsWith(text),
                CompareOp::Ew => Test::EndsWith(text),
                // Binaries have no order (RFC 7644 table 3).
                _ if of.kind == Type::Binary => return Err(senseless()),
                CompareOp::Gt => Test::Above(text),
                CompareOp::Ge => Test::NotBelow(text),
                CompareOp::Lt => Test::Below(text),
                CompareOp::Le => Test::NotAbove(text),
                CompareOp::Ne => return Err(senseless()),
            })
        }
        _ => Err(senseless()),
    }
}

/// Some send truth as text.
pub(super) fn truth(value: &CompValue) -> Option<bool> {
    match value {
        CompValue::True => Some(true),
        CompValue::False => Some(false),
        CompValue::Str(text) if text.eq_ignore_ascii_case("true") => Some(true),
        CompValue::Str(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn moment(op: &CompareOp, at: Timestamp) -> Option<Test> {
    Some(match op {
        CompareOp::Eq => Test::At(at),
        CompareOp::Gt => Test::After(at),
        CompareOp::Ge => Test::NotBefore(at),
        CompareOp::Lt => Test::Before(at),
        CompareOp::Le => Test::NotAfter(at),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(kind: Kind, text: &str) -> Result<Condition, ScimError> {
        compile(kind, &parse(text)?)
    }

    #[test]
    fn what_makes_no_sense_is_an_invalid_filter() {
        let deep = format!("{}title pr{}", "not (".repeat(DEEPEST), ")".repeat(DEEPEST));
        let long = format!("title eq \"{}\"", "x".repeat(LONGEST));
        for wrong in [
            "",
            "title",
            "title eq",
            "title eq unquoted",
            "title eq \"open",
            "colour eq \"red\"",
            "title.colour eq \"red\"",
            "password eq \"secret\"",
            "password pr",
            "active gt true",
            "active eq 1",
            "name eq \"Ada\"",
            "emails[colour eq \"red\"]",
            "title[value eq \"a\"]",
            "emails[value eq \"a\"",
            "x509Certificates.value gt \"a\"",
            "meta.created eq \"yesterday\"",
            "meta.created co \"2020\"",
            "title eq 5",
            "title eq \"a\\u0000b\"",
            "title gt null",
            "department eq \"R&D\"",
            "userName eq \"a\" or",
            "userName eq \"a\"; DROP TABLE users",
            "userName eq 'a'",
            deep.as_str(),
            long.as_str(),
        ] {
            let refused = compiled(Kind::User, wrong).unwrap_err();
            assert_eq!(refused.flaw, Some(Flaw::InvalidFilter), "{wrong}");
        }
    }

    #[test]
    fn case_counts_where_the_schema_says_so() {
        let of = |text| compiled(Kind::User, text).unwrap();
        assert_eq!(of("USERNAME EQ \"Ada\""), Condition::Column(Column::Name, Test::Equal("ada".to_owned())));
        assert_eq!(of("externalId eq \"Ada\""), Condition::Column(Column::ExternalId, Test::Equal("Ada".to_owned())));
        assert_eq!(of("active eq \"False\""), Condition::Column(Column::Active, Test::Is(false)));
    }

    #[test]
    fn a_resource_type_is_known_without_looking() {
        let of = |text| compiled(Kind::Group, text).unwrap();
        assert_eq!(of("meta.resourceType eq \"Group\""), Condition::All(Vec::new()));
        assert_eq!(of("meta.resourceType eq \"User\""), Condition::Any(Vec::new()));
    }
}
