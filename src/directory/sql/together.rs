//! Making people and groups that refer to each other, which is done in one go.
//!
//! Refuses to make some of them: those that are there would name those that are not.

use uuid::Uuid;

use super::super::DirectoryError;
use super::super::provisioning::{Arrival, New, Unmade};
use super::{group, provisioned};
use crate::clock::Timestamp;
use crate::db::{Connection, Failure};
use crate::model::{Domain, Group, Provisioner};

pub(super) async fn make(
    connection: &mut Connection,
    by: Provisioner,
    all: Vec<New>,
    domains: Vec<Domain>,
    now: Timestamp,
) -> Result<Vec<Arrival>, Failure<Unmade>> {
    let mut arrivals = Vec::with_capacity(all.len());
    let mut groups: Vec<(usize, Group, Vec<Uuid>)> = Vec::new();
    for (place, new) in all.into_iter().enumerate() {
        arrivals.push(match new {
            New::Person(id, described) => {
                let made = provisioned::provision(connection, by.clone(), id, described, domains.clone(), now).await;
                match made.map_err(at(place))? {
                    (made, arrival) if made == id => arrival,
                    _ => return Err(at(place)(Failure::Refused(DirectoryError::Stale("user")))),
                }
            }
            New::Group(group, members) => {
                group::insert(connection, &group).await.map_err(at(place))?;
                groups.push((place, group, members));
                Arrival::Created
            }
        });
    }
    // Who or what is to be in them is there by now.
    for (place, group, members) in groups {
        group::fill(connection, &group, &members, now).await.map_err(at(place))?;
    }
    Ok(arrivals)
}

fn at(place: usize) -> impl FnOnce(Failure<DirectoryError>) -> Failure<Unmade> {
    move |failure| match failure {
        Failure::Refused(why) => Failure::Refused(Unmade { place: Some(place), why }),
        Failure::Unavailable(error) => Failure::Unavailable(error),
    }
}
