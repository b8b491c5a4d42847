//! Lists and searches.
//!
//! Refuses to answer with more members than fit in memory at ease: a page of large groups ends earlier than it might, and the client
//! goes on after it.

use serde_json::{Map, Value};

use super::Scim;
use super::call::{Caller, Reply};
use super::error::ScimError;
use super::list::{Query, page};
use super::projection::Projection;
use super::schema::Kind;
use super::{filter, groups, users};
use crate::directory::search::{Found, Search};

/// Members on a page of groups; the first group is told whole in any case.
const MEMBERS: usize = 20_000;

pub(super) async fn of_kind(scim: &Scim, caller: &Caller, kind: Kind, query: &Query) -> Result<Reply, ScimError> {
    let search = query.search(kind)?;
    let found = found(scim, caller, kind, &search, &query.projection).await?;
    Ok(Reply::document(page(found.total, query.offset, found.part)))
}

/// People and then groups (RFC 7644 §3.4.2.1): an attribute that one of them does not have has no value there.
pub(super) async fn everything(scim: &Scim, caller: &Caller, query: &Query) -> Result<Reply, ScimError> {
    let kinds: Vec<Kind> = match &query.filter {
        None => Kind::ALL.into(),
        Some(filter) => Kind::ALL.into_iter().filter(|kind| filter::is_about(*kind, filter)).collect(),
    };
    if kinds.is_empty() {
        // Neither has it: the error says what.
        query.search(Kind::User)?;
    }
    let (mut total, mut part) = (0, Vec::new());
    for kind in kinds {
        // What sorts people need not sort groups.
        let sort_by = query.sort_by.clone().filter(|_| query.search(kind).is_ok());
        let mut search = Query { sort_by, ..query.clone() }.search(kind)?;
        search.offset = query.offset.saturating_sub(total);
        let missing = u32::try_from(part.len()).unwrap_or(u32::MAX);
        search.limit = query.limit().saturating_sub(missing);
        let found = found(scim, caller, kind, &search, &query.projection).await?;
        total += found.total;
        part.extend(found.part);
    }
    Ok(Reply::document(page(total, query.offset, part)))
}

async fn found(
    scim: &Scim,
    caller: &Caller,
    kind: Kind,
    search: &Search,
    projection: &Projection,
) -> Result<Found<Map<String, Value>>, ScimError> {
    match kind {
        Kind::User => {
            let found = scim.means.people.search_provisioned(&caller.by, search).await?;
            let part = found.part.iter().map(|person| users::told(scim, person, projection)).collect();
            Ok(Found { total: found.total, part })
        }
        Kind::Group => {
            let found = scim.means.people.search_groups(&caller.by, search).await?;
            if !projection.wants(Kind::Group, "members") {
                let part = found.part.iter().map(|group| groups::told(scim, group, None, projection)).collect();
                return Ok(Found { total: found.total, part });
            }
            let (mut part, mut told) = (Vec::new(), 0);
            for group in &found.part {
                let members = groups::members(scim, group.id, projection, None).await?;
                if !part.is_empty() && told + members.len() > MEMBERS {
                    break;
                }
                told += members.len();
                part.push(groups::told(scim, group, Some(&members), projection));
            }
            Ok(Found { total: found.total, part })
        }
    }
}
