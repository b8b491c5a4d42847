//! Erasing a person.
//!
//! Refuses to stop half-way: everything goes in one transaction, or nothing.

use super::{Outcome, network, scim_token, user};
use crate::clock::Timestamp;
use crate::db::{Connection, query};
use crate::model::{EmailAddress, User};

/// What a program of somebody who was erased is called.
const ERASED: &str = "erased";

pub(super) async fn erase(connection: &mut Connection, person: User, now: Timestamp) -> Outcome<()> {
    let id = person.id.to_string();
    query("UPDATE programs SET name = $2, networks = '[]' WHERE owner = $1")
        .bind(&id)
        .bind(ERASED)
        .execute(&mut *connection)
        .await?;
    network::forget_of(connection, &id).await?;
    let named: Option<EmailAddress> = person.user_name.parse().ok();
    for address in person.email.iter().chain(&named) {
        query("DELETE FROM invitations WHERE tenant = $1 AND lower(address) = $2")
            .bind(person.tenant.as_str())
            .bind(address.folded())
            .execute(&mut *connection)
            .await?;
    }
    let address = person.email.as_ref().map(ToString::to_string);
    scim_token::forget_calls(connection, [Some(id), Some(person.user_name), address].into_iter().flatten()).await?;
    user::delete(connection, person.id, now).await
}
