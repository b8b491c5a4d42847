//! What a question by oauth2-proxy's address asks for besides: `allowed_groups`, `allowed_emails` and `allowed_email_domains`.
//!
//! Refuses whoever has none of what is named, and nobody in particular; each that is named has to be met, as oauth2-proxy has it.

use pingora::http::RequestHeader;

use super::Audience;
use crate::edge::Unclean;
use crate::forward::Outbound;
use crate::model::Identity;
use crate::policy::Denial;
use crate::proxy::reject::{Cause, Rejection};

const OTHERS: Unclean = Unclean::new(403, "not_allowed_by_query", "The proxy asked for somebody else.");

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

    /// Nobody in particular never meets it, also where the route is open to everybody or only reports: that is what the route asks for,
    /// and this what the question does.
    pub(in crate::proxy) fn judge(&self, outbound: Outbound) -> Result<Outbound, Rejection> {
        let cause = match &outbound.identity {
            _ if self.is_empty() => return Ok(outbound),
            None => Cause::Denied { denial: Denial::IdentityNeeded, identity: None },
            Some(identity) if self.is_met_by(identity) => return Ok(outbound),
            Some(_) => Cause::Unclean(OTHERS),
        };
        Err(Rejection { cause, route: Some(outbound.route), client: Some(outbound.client), site: outbound.site })
    }

    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.emails.is_empty() && self.domains.is_empty()
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
