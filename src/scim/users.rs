//! People: what is done to one of them.
//!
//! Refuses what was changed meanwhile where the client names a version; where it does not, it looks again and does what was asked.

use http::StatusCode;
use serde_json::{Map, Value};

use super::Scim;
use super::call::{Ask, Caller, Reply};
use super::described::{self, document, version, whole};
use super::error::ScimError;
use super::projection::Projection;
use super::resource::{self, Attributes};
use super::schema::Kind;
use super::{patch, record};
use crate::audit::what::{self, What};
use crate::crypto::random;
use crate::directory::{Arrival, Described, DirectoryError};
use crate::model::{Domain, Provisioned, UserId};

/// Looks at somebody whom others change at the same time.
const TRIES: usize = 5;

pub(super) async fn create(scim: &Scim, caller: &Caller, ask: &Ask) -> Result<Reply, ScimError> {
    let domains = scim.domains_of(&caller.by.connection).await?;
    let described = new(ask.body()?, &domains)?;
    let (person, arrival) = scim.means.people.provision(&caller.by, new_id()?, &described, &domains).await?;
    made(scim, caller, &person, arrival, &ask.query.projection).await
}

pub(super) fn new_id() -> Result<UserId, ScimError> {
    Ok(UserId(uuid::Builder::from_random_bytes(random::bytes::<16>()?).into_uuid()))
}

/// The person whom a resource describes, who is active if it does not say otherwise.
pub(super) fn new(sent: &Value, domains: &[Domain]) -> Result<Described, ScimError> {
    let mut attributes = resource::normalise(Kind::User, sent)?;
    attributes.entry("active").or_insert(true.into());
    described::person(attributes, domains)
}

/// What follows when a person has come to be looked after.
pub(super) async fn made(
    scim: &Scim,
    caller: &Caller,
    person: &Provisioned,
    arrival: Arrival,
    projection: &Projection,
) -> Result<Reply, ScimError> {
    if !person.user.active {
        scim.sign_out(&[person.user.id], caller.now).await?;
    }
    let (active, connection) = (Some(person.user.active), Some(caller.by.connection.clone()));
    let what: What = match arrival {
        Arrival::Created => {
            let administrator = scim.roles.promotes(None, &person.user);
            what::UserCreated { administrator, active, connection, ..Default::default() }.into()
        }
        Arrival::Adopted => what::UserChanged { active, connection, adopted: true, ..Default::default() }.into(),
    };
    scim.record(caller, person.user.id, what).await?;
    Ok(reply(scim, StatusCode::CREATED, person, projection))
}

fn reply(scim: &Scim, status: StatusCode, person: &Provisioned, projection: &Projection) -> Reply {
    Reply {
        status,
        body: Some(Value::Object(told(scim, person, projection))),
        version: Some(version(person)),
        location: Some(format!("{}/Users/{}", scim.base, person.user.id)),
    }
}

pub(super) fn told(scim: &Scim, person: &Provisioned, projection: &Projection) -> Map<String, Value> {
    projection.apply(Kind::User, document(&scim.base, person))
}

pub(super) async fn read(scim: &Scim, caller: &Caller, ask: &Ask, id: &str) -> Result<Reply, ScimError> {
    let person = find(scim, caller, id).await?;
    let version = version(&person);
    if ask.has(&version) {
        return Ok(Reply { version: Some(version), ..Reply::empty(StatusCode::NOT_MODIFIED) });
    }
    Ok(reply(scim, StatusCode::OK, &person, &ask.query.projection))
}

async fn find(scim: &Scim, caller: &Caller, id: &str) -> Result<Provisioned, ScimError> {
    let missing = || ScimError::missing(id);
    let parsed: UserId = id.parse().map_err(|_| missing())?;
    scim.means.people.provisioned(&caller.by, parsed).await?.ok_or_else(missing)
}

pub(super) async fn replace(scim: &Scim, caller: &Caller, ask: &Ask, id: &str) -> Result<Reply, ScimError> {
    let attributes = resource::normalise(Kind::User, ask.body()?)?;
    // What is not said of being active changes nothing: nobody comes back, or goes, by being left out.
    let whole = |before: &Attributes| {
        let mut attributes = attributes.clone();
        attributes.extend(
            before
                .get("active")
                .filter(|_| !attributes.contains_key("active"))
                .map(|active| ("active".to_owned(), active.clone())),
        );
        Ok(attributes)
    };
    let person = change(scim, caller, ask, id, whole).await?;
    Ok(reply(scim, StatusCode::OK, &person, &ask.query.projection))
}

pub(super) async fn patch(scim: &Scim, caller: &Caller, ask: &Ask, id: &str) -> Result<Reply, ScimError> {
    let operations = patch::read(Kind::User, ask.body()?)?;
    let person = change(scim, caller, ask, id, |before| patch::apply(Kind::User, before, &operations)).await?;
    Ok(reply(scim, StatusCode::OK, &person, &ask.query.projection))
}

/// Makes of the person what `new` makes of them.
async fn change(
    scim: &Scim,
    caller: &Caller,
    ask: &Ask,
    id: &str,
    new: impl Fn(&Attributes) -> Result<Attributes, ScimError> + Send + Sync,
) -> Result<Provisioned, ScimError> {
    let domains = scim.domains_of(&caller.by.connection).await?;
    for _ in 0..TRIES {
        let before = find(scim, caller, id).await?;
        ask.check_match(&version(&before))?;
        let old = whole(&before);
        let wanted = new(&old)?;
        if wanted == old {
            return Ok(before);
        }
        let described = described::person(wanted, &domains)?;
        let seen = before.user.updated_at;
        let person = before.user.id;
        if described.active == Some(true) && before.active != Some(true) {
            // Whatever was left of the time before does not come back with the person.
            scim.sign_out(&[person], caller.now).await?;
        }
        match scim.means.people.reprovision(&caller.by, person, &described, seen).await {
            Err(DirectoryError::Stale(_)) => {}
            Err(DirectoryError::Missing(_)) => return Err(ScimError::missing(id)),
            Err(error) => return Err(error.into()),
            Ok(after) => {
                let put_out = before.user.active && !after.user.active;
                let sessions = if put_out { Some(scim.sign_out(&[person], caller.now).await?) } else { None };
                let (changed, active) = (Some(record::changed(&old, &whole(&after))), Some(after.user.active));
                let connection = Some(caller.by.connection.clone());
                let administrator = scim.roles.promotes(Some(&before.user), &after.user);
                let what: What = match (before.user.active, after.user.active) {
                    (true, false) => what::UserDeactivated { active, sessions, changed, connection, ..Default::default() }.into(),
                    (false, true) => {
                        what::UserReactivated { administrator, active, changed, connection, ..Default::default() }.into()
                    }
                    _ => what::UserChanged { administrator, changed, active, connection, ..Default::default() }.into(),
                };
                scim.record(caller, person, what).await?;
                return Ok(after);
            }
        }
    }
    Err(ScimError::new(StatusCode::CONFLICT, "The resource is changed by others all the time"))
}

pub(super) async fn delete(scim: &Scim, caller: &Caller, ask: &Ask, id: &str) -> Result<Reply, ScimError> {
    for _ in 0..TRIES {
        let before = find(scim, caller, id).await?;
        ask.check_match(&version(&before))?;
        let person = before.user.id;
        match scim.means.people.deprovision(&caller.by, person, before.user.updated_at).await {
            Err(DirectoryError::Stale(_)) => {}
            Err(DirectoryError::Missing(_)) => return Err(ScimError::missing(id)),
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let sessions = Some(scim.sign_out(&[person], caller.now).await?);
                let connection = Some(caller.by.connection.clone());
                scim.record(caller, person, what::UserDeleted { sessions, connection, ..Default::default() }).await?;
                return Ok(Reply::empty(StatusCode::NO_CONTENT));
            }
        }
    }
    Err(ScimError::new(StatusCode::CONFLICT, "The resource is changed by others all the time"))
}
