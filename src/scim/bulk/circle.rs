//! Operations that refer to each other in a circle (RFC 7644 §3.7.1): their ids are given before they are done, and they are done in one go.
//!
//! Refuses circles that are large, and to do a part of one: what was done would refer to what was not.

use http::{Method, StatusCode};
use serde_json::Value;

use super::{Job, Part};
use crate::directory::{Arrival, DirectoryError, New, Unmade};
use crate::model::{Domain, GroupId, UserId};
use crate::scim::call::Reply;
use crate::scim::error::{Flaw, ScimError};
use crate::scim::projection::Projection;
use crate::scim::schema::Kind;
use crate::scim::{groups, users};

/// Operations of one circle: the store does them in one transaction, for which others wait.
const LARGEST: usize = 100;
/// Looks at people whom others change at the same time.
const TRIES: usize = 5;

/// Which operation of the circle stands in the way, if it is one of them, and why.
type Refused = (Option<usize>, ScimError);

impl Job<'_> {
    /// Does all of them, or none; how each went, in their order.
    pub(super) async fn together(&mut self, parts: &[Part]) -> Vec<Result<Reply, ScimError>> {
        match self.try_together(parts).await {
            Ok(replies) => replies.into_iter().map(Ok).collect(),
            Err((place, error)) => {
                self.known.extend(parts.iter().filter_map(|part| Some((part.bulk_id.clone()?, None))));
                let others = || ScimError::new(StatusCode::CONFLICT, "Another operation that it refers to in a circle failed");
                let refused = |part| if place.is_none_or(|place| place == part) { error.clone() } else { others() };
                (0..parts.len()).map(|part| Err(refused(part))).collect()
            }
        }
    }

    async fn try_together(&mut self, parts: &[Part]) -> Result<Vec<Reply>, Refused> {
        if parts.len() > LARGEST {
            let detail = format!("At most {LARGEST} operations refer to each other in a circle");
            return Err((None, ScimError::new(StatusCode::CONFLICT, detail)));
        }
        let kinds: Vec<Kind> = each(parts, kind_of)?;
        let domains = self.scim.domains_of(&self.caller.by.connection).await.map_err(|error| (None, error))?;
        for _ in 0..TRIES {
            self.promise(parts, &kinds, &domains).await?;
            let all = each(parts.iter().zip(&kinds), |(part, kind)| self.draft(part, *kind, &domains))?;
            for new in &all {
                if let New::Group(_, members) = new {
                    groups::welcome(self.scim, self.caller, members).await.map_err(|error| (None, error))?;
                }
            }
            match self.scim.means.people.provision_together(&self.caller.by, &all, &domains).await {
                Err(Unmade { why: DirectoryError::Stale(_), .. }) => {}
                Err(Unmade { place, why }) => return Err((place, groups::explained(why))),
                Ok(arrivals) => return self.tell(&all, arrivals).await.map_err(|error| (None, error)),
            }
        }
        Err((None, ScimError::new(StatusCode::CONFLICT, "The resources are changed by others all the time")))
    }

    /// Gives each its id: a new one, or that of the person whom the directory has already.
    async fn promise(&mut self, parts: &[Part], kinds: &[Kind], domains: &[Domain]) -> Result<(), Refused> {
        for (place, (part, kind)) in parts.iter().zip(kinds).enumerate() {
            let at = |error| (Some(place), error);
            let new = users::new_id().map_err(at)?;
            let id = match kind {
                Kind::Group => new,
                Kind::User => {
                    let described = users::new(part.data.as_ref().unwrap_or(&Value::Null), domains).map_err(at)?;
                    let known = self.scim.means.people.adoptable(&self.caller.by, &described, domains).await;
                    known.map_err(|error| at(error.into()))?.unwrap_or(new)
                }
            };
            self.known.extend(part.bulk_id.clone().map(|name| (name, Some(id.to_string()))));
        }
        Ok(())
    }

    /// What is to be made, with ids in the place of references.
    fn draft(&self, part: &Part, kind: Kind, domains: &[Domain]) -> Result<New, ScimError> {
        let mut data = part.data.clone().unwrap_or_default();
        self.replace(&mut data)?;
        let id = part.bulk_id.as_ref().and_then(|name| self.known.get(name)?.as_ref()?.parse::<UserId>().ok());
        let id = id.ok_or_else(|| ScimError::flaw(Flaw::InvalidSyntax, "What is made has a bulkId"))?;
        Ok(match kind {
            Kind::User => New::Person(id, users::new(&data, domains)?),
            Kind::Group => {
                let (group, members) = groups::new(self.caller, GroupId(id.0), &data)?;
                New::Group(group, members)
            }
        })
    }

    async fn tell(&self, all: &[New], arrivals: Vec<Arrival>) -> Result<Vec<Reply>, ScimError> {
        let (scim, caller, usual) = (self.scim, self.caller, Projection::Usual);
        let mut replies = Vec::with_capacity(all.len());
        for (new, arrival) in all.iter().zip(arrivals) {
            replies.push(match new {
                New::Group(group, members) => groups::made(scim, caller, group, members.len(), &usual).await?,
                New::Person(id, _) => {
                    let person = scim.means.people.provisioned(&caller.by, *id).await?;
                    let person = person.ok_or_else(|| ScimError::missing(&id.to_string()))?;
                    users::made(scim, caller, &person, arrival, &usual).await?
                }
            });
        }
        Ok(replies)
    }
}

/// What comes of each, or the first that nothing comes of.
fn each<T, R>(all: impl IntoIterator<Item = T>, work: impl Fn(T) -> Result<R, ScimError>) -> Result<Vec<R>, Refused> {
    all.into_iter().enumerate().map(|(place, one)| work(one).map_err(|error| (Some(place), error))).collect()
}

/// What is made; only that can be referred to before it is there.
fn kind_of(part: &Part) -> Result<Kind, ScimError> {
    let made = Kind::ALL.into_iter().find(|kind| part.path.eq_ignore_ascii_case(kind.endpoint().trim_start_matches('/')));
    made.filter(|_| part.method == Method::POST).ok_or_else(|| ScimError::missing(&part.path))
}
