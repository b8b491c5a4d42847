//! What a list is asked for (RFC 7644 §3.4.2), in an address or in a body, and how it is answered.
//!
//! Refuses more than a page at once.

use serde_json::{Map, Value, json};

use super::error::{Flaw, ScimError};
use super::projection::Projection;
use super::schema::{self, Kind};
use super::{filter, schema::Place};
use crate::directory::search::{Column, Order, OrderBy, Search};

/// Resources on a page at most, and where a client does not say.
pub(super) const MOST: u32 = 200;
const USUAL: u32 = 100;

/// The parameters of a list or a search.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub filter: Option<scim_v2::filter::Filter>,
    pub sort_by: Option<String>,
    pub descending: bool,
    /// Of the first resource, from 0.
    pub offset: u64,
    pub count: Option<u32>,
    pub projection: Projection,
}

impl Query {
    /// From an address.
    pub(super) fn of(query: &str) -> Result<Self, ScimError> {
        let mut read = Self::default();
        let (mut attributes, mut excluded) = (Vec::new(), Vec::new());
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.to_ascii_lowercase().as_str() {
                "attributes" => attributes.extend(names(&value)),
                "excludedattributes" => excluded.extend(names(&value)),
                name => read.set(name, &value)?,
            }
        }
        read.projection = Projection::of(attributes, excluded)?;
        Ok(read)
    }

    /// From a body (RFC 7644 §3.4.3).
    pub(super) fn of_body(body: &Value) -> Result<Self, ScimError> {
        let syntax = || ScimError::flaw(Flaw::InvalidSyntax, "The search is not well-formed");
        let mut read = Self::default();
        let (mut attributes, mut excluded) = (Vec::new(), Vec::new());
        for (name, value) in body.as_object().ok_or_else(syntax)? {
            let name = name.to_ascii_lowercase();
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("attributes" | "excludedattributes", Value::Array(values)) => {
                    let texts = values.iter().filter_map(Value::as_str).map(str::to_owned);
                    if name == "attributes" { attributes.extend(texts) } else { excluded.extend(texts) }
                }
                ("attributes", Value::String(text)) => attributes.extend(names(text)),
                ("excludedattributes", Value::String(text)) => excluded.extend(names(text)),
                (name, Value::String(text)) => read.set(name, text)?,
                (name, Value::Number(number)) => read.set(name, &number.to_string())?,
                ("filter" | "sortby" | "sortorder" | "startindex" | "count", _) => return Err(syntax()),
                _ => {}
            }
        }
        read.projection = Projection::of(attributes, excluded)?;
        Ok(read)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ScimError> {
        let number = || {
            let parsed: Result<i64, _> = value.trim().parse();
            parsed.map_err(|_| ScimError::value("startIndex and count are whole numbers"))
        };
        match name {
            "filter" if !value.trim().is_empty() => self.filter = Some(filter::parse(value)?),
            "sortby" if !value.trim().is_empty() => self.sort_by = Some(value.trim().to_owned()),
            "sortorder" => self.descending = value.trim().eq_ignore_ascii_case("descending"),
            // Below 1 is 1, below 0 is 0 (RFC 7644 §3.4.2.4).
            "startindex" => self.offset = u64::try_from(number()?.max(1) - 1).unwrap_or(0),
            "count" => self.count = Some(u32::try_from(number()?.clamp(0, i64::from(MOST))).unwrap_or(0)),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn limit(&self) -> u32 {
        self.count.unwrap_or(USUAL)
    }

    /// What is looked for among resources of this kind.
    pub(super) fn search(&self, kind: Kind) -> Result<Search, ScimError> {
        let condition = match &self.filter {
            Some(filter) => Some(filter::compile(kind, filter)?),
            None => None,
        };
        let order = match &self.sort_by {
            Some(by) => Some(Order { by: order(kind, by)?, descending: self.descending }),
            None => None,
        };
        Ok(Search { condition, order, offset: self.offset, limit: self.limit() })
    }
}

fn names(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn order(kind: Kind, by: &str) -> Result<OrderBy, ScimError> {
    let unknown = || ScimError::flaw(Flaw::InvalidPath, "There is no such attribute to sort by");
    let place = match by.parse::<scim_v2::filter::PatchPath>() {
        Ok(scim_v2::filter::PatchPath::Attr(path)) => schema::resolve(kind, &path).ok_or_else(unknown)?,
        _ => return Err(unknown()),
    };
    let Place { extension, attribute, part } = place;
    Ok(match (extension, attribute.name, part.map(|part| part.name)) {
        (false, "id", _) => OrderBy::Column(Column::Id),
        (false, "externalId", _) => OrderBy::Column(Column::ExternalId),
        (false, "userName", _) => OrderBy::Column(Column::Name),
        (false, "displayName", _) if kind == Kind::Group => OrderBy::Column(Column::Name),
        (false, "active", _) => OrderBy::Column(Column::Active),
        (false, "meta", Some("created")) => OrderBy::Column(Column::Created),
        (false, "meta", Some("lastModified")) => OrderBy::Column(Column::Modified),
        (false, "meta" | "schemas" | "groups" | "members" | "password", _) => return Err(unknown()),
        (extension, name, part) => {
            let name = if extension { format!("enterprise:{name}") } else { name.to_owned() };
            let part = match part {
                Some(part) => part,
                None if !attribute.is_complex() => "",
                None => attribute.part("value").ok_or_else(unknown)?.name,
            };
            OrderBy::Attribute(name, part.to_owned())
        }
    })
}

/// A page of a list (RFC 7644 §3.4.2).
pub(super) fn page(total: u64, offset: u64, resources: Vec<Map<String, Value>>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "startIndex": offset + 1,
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_leniently_as_the_rfc_wants() {
        let read = |text| Query::of(text).unwrap();
        assert_eq!((read("").offset, read("").limit()), (0, USUAL));
        assert_eq!((read("startIndex=0&count=-5").offset, read("startIndex=0&count=-5").limit()), (0, 0));
        assert_eq!((read("STARTINDEX=11&Count=99999").offset, read("count=99999").limit()), (10, MOST));
        assert!(Query::of("count=many").is_err() && Query::of("filter=title").is_err());
        let searched =
            Query::of_body(&json!({ "startIndex": 3, "count": 2, "attributes": ["userName"], "filter": "title pr" })).unwrap();
        assert_eq!((searched.offset, searched.limit(), searched.filter.is_some()), (2, 2, true));
        assert_eq!(searched.projection, Projection::Only(vec!["userName".to_owned()]));
    }

    #[test]
    fn what_cannot_be_sorted_by_is_said() {
        let search = |by: &str| Query { sort_by: Some(by.to_owned()), ..Query::default() }.search(Kind::User);
        assert!(search("emails").is_ok() && search("name.familyName").is_ok() && search("meta.created").is_ok());
        assert!(search("name").is_err() && search("colour").is_err() && search("emails[type eq \"work\"]").is_err());
    }
}
