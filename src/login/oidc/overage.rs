//! Groups of somebody who is in too many for the token (Microsoft Entra ID's "groups overage"; OpenID Connect Core 1.0 §5.6.2).
//!
//! Refuses to sign anybody in without groups that exist but could not be read, because roles hang on them: somebody would be let in
//! as less, or an old list would count on, and neither would be seen. Where the token says to look is not followed: the address is the
//! configuration's, since Entra still names an interface that is gone, and a token must not choose where an access token is sent.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Provider;
use crate::login::SignInError;
use crate::login::oauth2::caller::unsuccessful;

/// <https://learn.microsoft.com/graph/api/directoryobject-getmemberobjects>
#[derive(Deserialize)]
struct Members {
    value: Vec<String>,
}

impl Provider {
    /// Completes `claims` where they say that the groups are to be had elsewhere.
    pub(super) async fn complete_groups(&self, claims: &mut Map<String, Value>, access: &str) -> Result<(), SignInError> {
        let name = &self.claims.groups;
        let elsewhere = claims.get("_claim_names").and_then(|names| names.get(name)).is_some();
        // The implicit flow's way of saying the same.
        let hinted = claims.get("hasgroups") == Some(&Value::Bool(true));
        if claims.contains_key(name) || !(elsewhere || hinted) {
            return Ok(());
        }
        let question = json!({ "securityEnabledOnly": false });
        let answer = self.caller.with_token(&self.groups_overage, access, Some(&question)).await?;
        if answer.status() != StatusCode::OK {
            return Err(unsuccessful("groups of somebody who is in many", &answer));
        }
        let Members { value } =
            serde_json::from_slice(answer.body()).map_err(|error| SignInError::answer("groups_overage", error))?;
        claims.insert(name.clone(), value.into());
        Ok(())
    }
}
