//! What a question by oauth2-proxy's address asks for besides: `allowed_groups`, `allowed_emails` and `allowed_email_domains`.
//!
//! Refuses whoever has none of what is named; each that is named has to be met, as oauth2-proxy has it.

use pingora::http::RequestHeader;

use super::{Audience, refuse};
use crate::forward::Outbound;
use crate::model::Identity;
use crate::proxy::reject::Rejection;

/// What is asked for; empty: nothing.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Wanted {
    groups: Vec<String>,
    emails: Vec<String>,
    domains: Vec<String>,
}

impl Wanted {
    pub(in crate::proxy) fn of(head: &RequestHeader, audience: Audience) -> Self {
        if audience != Audience::Oauth2Proxy {
            return Self::default();
        }
        let query = head.uri.query().unwrap_or_default();
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let all = |name: &str| {
            let values = pairs.iter().filter(|(found, _)| found == name).flat_map(|(_, value)| value.split(','));
            values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
        };
        Self { groups: all("allowed_groups"), emails: all("allowed_emails"), domains: all("allowed_email_domains") }
    }

    /// Nobody in particular, where the route is open to everybody, meets it.
    pub(in crate::proxy) fn judge(&self, outbound: Outbound) -> Result<Outbound, Rejection> {
        if outbound.identity.as_ref().is_none_or(|identity| self.is_met_by(identity)) {
            return Ok(outbound);
        }
        let own = Rejection::from(refuse(403, "not_allowed_by_query"));
        Err(Rejection { route: Some(outbound.route), client: Some(outbound.client), site: outbound.site, ..own })
    }

    fn is_met_by(&self, identity: &Identity) -> bool {
        let email = identity.email.as_deref().unwrap_or_default();
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        let below = |wanted: &str| {
            let parent = wanted.strip_prefix("*.").or_else(|| wanted.strip_prefix('.'));
            parent.is_some_and(|parent| domain.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')))
        };
        let of_domain = |wanted: &String| wanted.eq_ignore_ascii_case(domain) || below(&wanted.to_ascii_lowercase());
        (self.groups.is_empty() || self.groups.iter().any(|group| identity.groups.contains(group)))
            && (self.emails.is_empty() || self.emails.iter().any(|wanted| wanted.eq_ignore_ascii_case(email)))
            && (self.domains.is_empty() || (!domain.is_empty() && self.domains.iter().any(of_domain)))
    }
}
